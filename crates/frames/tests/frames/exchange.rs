//! Conversions in currencies of their own, and refunds.

use std::sync::{Arc, Mutex};

use attributary_core::batch::NO_TIME;
use attributary_core::money::Rounded;
use attributary_core::rates::Rates;
use attributary_core::time::{Zone, parse_day};
use attributary_core::value::Value;
use attributary_frames::{ConversionMapping, ConversionSource, Fault, FrameError, Progress, SourceSpec, TimeBounds, ValueUnit};
use polars::prelude::*;

use crate::support::*;

const FORMATS: [&str; 3] = ["x.parquet", "x.ipc", "x.csv"];

/// A row as a test compares it.
#[derive(Clone, Debug, PartialEq)]
struct Converted {
    id: Value,
    time: i64,
    refunds: Value,
    currency: Value,
    rate: Option<i64>,
    originals: Vec<Option<i64>>,
    values: Vec<Option<Rounded>>,
}

fn market() -> (Arc<Rates>, Zone) {
    let mut rates = Rates::new("SEK");
    let day = |text| parse_day(text).unwrap();
    rates.add("EUR", day("2025-01-01"), 11_234_500_000_000);
    rates.add("EUR", day("2025-01-03"), 11_500_000_000_000);
    rates.add("JPY", day("2025-01-01"), 71_200_000_000);
    rates.add("KWD", day("2025-01-01"), 33_000_000_000_001);
    (Arc::new(rates), Zone::named("Europe/Stockholm").unwrap())
}

fn read(spec: &SourceSpec, mapping: &ConversionMapping, with_rates: bool) -> Result<Vec<Converted>, FrameError> {
    let mut source = ConversionSource::open(spec, mapping)?;
    if with_rates {
        let (rates, zone) = market();
        source.set_rates(rates, zone);
    }
    let rows = Mutex::new(Vec::new());
    source.read(&TimeBounds::default(), 2, &Progress::default(), &|batch| {
        let exchange = batch.exchange.as_ref();
        let row = |row: usize| Converted {
            id: batch.ids.value(row),
            time: batch.times[row],
            refunds: batch.refunds.as_ref().map_or(Value::Null, |refunds| refunds.value(row)),
            currency: exchange.map_or(Value::Null, |exchange| exchange.currencies.value(row).clone()),
            rate: exchange.and_then(|exchange| exchange.rates[row]),
            originals: exchange.map_or_else(Vec::new, |exchange| exchange.originals.iter().map(|it| it[row]).collect()),
            values: batch.values.iter().map(|values| values[row]).collect(),
        };
        let found = (0..batch.len()).map(row);
        rows.lock().unwrap().extend(found.enumerate().map(|(place, found)| ((batch.file, batch.rows[place]), found)));
        Ok(())
    })?;
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(place, _)| *place);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn in_currencies() -> ConversionMapping {
    ConversionMapping { currency: Some(name("currency")), ..conversions() }
}

fn orders(revenue: Column, currencies: &[Option<&str>]) -> DataFrame {
    let rows = currencies.len();
    let mut frame = df!(
        "id" => (0..rows).map(|row| format!("o{row}")).collect::<Vec<_>>(),
        "customer" => vec!["ann"; rows],
        "time" => vec!["2025-01-02T10:00:00Z"; rows],
        "currency" => currencies,
    )
    .unwrap();
    frame.with_column(revenue).unwrap();
    frame
}

#[test]
fn amounts_are_multiplied_and_rounded_once() {
    let folder = Folder::new();
    let currencies = [Some("EUR"), Some("SEK"), Some("JPY"), Some("KWD"), Some("EUR"), Some("EUR")];
    let revenue = [Some(10.0), Some(10.0), Some(1_000.0), Some(0.125), None, Some(f64::NAN)];
    for file in FORMATS {
        let path = folder.write(file, &orders(Column::new("revenue".into(), revenue), &currencies));
        let rows = read(&spec(&path), &in_currencies(), true).unwrap();
        let minor: Vec<_> = rows.iter().map(|row| row.values[0].map(|it| (it.minor, it.difference))).collect();
        // 0.125 · 33.000000000001 = 4.125000000000125, and the difference has 12 digits.
        let expected =
            [Some((11_234, -5_000_000_000)), Some((1_000, 0)), Some((7_120, 0)), Some((413, 5_000_000_000)), None, None];
        assert_eq!(minor, expected, "{file}");
        let originals: Vec<_> = rows.iter().map(|row| row.originals[0]).collect();
        assert_eq!(originals, [Some(1_000), Some(1_000), Some(1_000), Some(125), None, None], "{file}");
        assert_eq!(rows[0].rate, Some(11_234_500_000_000));
        assert_eq!(rows[1].rate, Some(1_000_000_000_000));
        assert_eq!(rows[3].currency, text("KWD"));
    }
}

/// Columns that stand as they are wanted are decoded without a query: the same rows, the same rates, the same amounts.
#[test]
fn columns_as_they_stand_are_converted_as_by_a_query() {
    let folder = Folder::new();
    let currencies = [Some("EUR"), Some("SEK"), None, Some("JPY"), Some("eur"), Some("XXX"), Some(""), Some("KWD"), Some("EUR")];
    let rows = currencies.len();
    let floats: Vec<Option<f64>> =
        (0..rows).map(|row| [Some(2.675), None, Some(f64::NAN), Some(1e16), Some(-0.125)][row % 5]).collect();
    let floats = Column::new("revenue".into(), floats);
    let ints = Column::new("revenue".into(), (0..rows as i64).map(|row| row * 1_001 - 3_000).collect::<Vec<_>>());
    let decimals = ["0.10", "-1.005", "99.999", "0.001", "7", "12.345", "0", "1e3", "3.14159"];
    let decimals =
        Column::new("revenue".into(), decimals.map(|text| text.replace("1e3", "1000"))).cast(&DataType::Decimal(30, 5)).unwrap();
    let kinds = [DataType::Int8, DataType::Int16, DataType::UInt32, DataType::UInt64, DataType::Float32];
    let mut columns = vec![
        (floats, ValueUnit::Major),
        (decimals, ValueUnit::Major),
        (ints.clone(), ValueUnit::Major),
        (ints.clone(), ValueUnit::Minor),
    ];
    columns.extend(kinds.map(|kind| {
        (Column::new("revenue".into(), (0..rows as i64).collect::<Vec<_>>()).cast(&kind).unwrap(), ValueUnit::Major)
    }));
    for (number, (revenue, unit)) in columns.into_iter().enumerate() {
        let mut frame = orders(revenue, &currencies);
        let times: Vec<Option<i64>> =
            (0..rows as i64).map(|row| (row != 4).then(|| at("2025-01-02T23:30:00Z") + row * 3_600_000_000)).collect();
        let times = Column::new("time".into(), times).cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
        frame.with_column(times).unwrap();
        let path = folder.write(&format!("{number}.parquet"), &frame);
        let mut mapping = in_currencies();
        mapping.values[0].unit = unit;
        let stand = read(&spec(&path), &mapping, true).unwrap();
        mapping.id = sql("id || ''");
        let queried = read(&spec(&path), &mapping, true).unwrap();
        // A cell that is no number equals none.
        assert_eq!(format!("{stand:?}"), format!("{queried:?}"), "{number}");
        assert!(stand.iter().filter(|row| row.rate.is_some()).count() >= 5, "{stand:?}");
        assert_eq!(read(&spec(&path), &in_currencies(), false).unwrap().iter().filter(|row| row.rate.is_some()).count(), 0);
    }
}

#[test]
fn decimals_are_taken_as_written_and_floats_by_their_value() {
    let folder = Folder::new();
    let mut mapping = in_currencies();
    let header = "id,customer,time,currency,revenue\n";
    // 0.10 · 11.2345 = 1.12345; as a float 0.1 is a little more.
    let path = folder.write_text(
        "x.csv",
        &format!("{header}1,a,2025-01-02,EUR,0.1\n2,a,2025-01-02,EUR,1e2\n3,a,2025-01-02,EUR,99999999999999999\n"),
    );
    let rows = read(&spec(&path), &mapping, true).unwrap();
    assert_eq!(rows[0].values, [Some(Rounded { minor: 112, difference: -3_450_000_000 })]);
    assert_eq!(rows[1].values, [Some(Rounded { minor: 112_345, difference: 0 })]);
    // Too large in its own currency, and in any.
    assert_eq!((&rows[2].values, &rows[2].originals), (&vec![None], &vec![None]));
    let decimals = Column::new("revenue".into(), ["0.10", "100.000000"]).cast(&DataType::Decimal(30, 20)).unwrap();
    let path = folder.write("x.parquet", &orders(decimals, &[Some("EUR"); 2]));
    assert_eq!(read(&spec(&path), &mapping, true).unwrap()[0].values, rows[0].values);
    // Minor units are those of the row's currency: 1000 yen, 10.00 euro, 1.000 dinar.
    mapping.values =
        vec![value("revenue", name("revenue"), ValueUnit::Minor), value("again", sql("revenue * 2"), ValueUnit::Minor)];
    let whole = Column::new("revenue".into(), [1_000_i64; 4]);
    for file in FORMATS {
        let path = folder.write(file, &orders(whole.clone(), &[Some("JPY"), Some("EUR"), Some("KWD"), Some("SEK")]));
        let rows = read(&spec(&path), &mapping, true).unwrap();
        let minor: Vec<_> = rows.iter().map(|row| row.values[0].map(|it| it.minor)).collect();
        assert_eq!(minor, [Some(7_120), Some(11_234), Some(3_300), Some(1_000)], "{file}");
        assert!(rows.iter().all(|row| row.originals == [Some(1_000), Some(2_000)]));
        assert_eq!(rows[0].values[1].map(|it| it.minor), Some(14_240));
    }
}

#[test]
fn a_currency_without_a_rate_has_no_amount_but_its_own() {
    let folder = Folder::new();
    let currencies = [Some("USD"), Some("eur"), Some("XXX"), None, Some(""), Some("SEK")];
    for file in FORMATS {
        let path = folder.write(file, &orders(Column::new("revenue".into(), [5_i64; 6]), &currencies));
        let rows = read(&spec(&path), &in_currencies(), true).unwrap();
        assert!(rows[..5].iter().all(|row| row.rate.is_none() && row.values == [None]), "{file}");
        let originals: Vec<_> = rows.iter().map(|row| row.originals[0]).collect();
        assert_eq!(originals, [Some(500), None, None, None, None, Some(500)], "{file}");
        assert_eq!(rows[5].values[0].map(|it| it.minor), Some(500));
        let without = read(&spec(&path), &in_currencies(), false).unwrap();
        assert!(without.iter().all(|row| row.rate.is_none() && row.values == [None]), "{file}");
    }
    let path = folder.write("n.parquet", &orders(Column::new("revenue".into(), [5_i64]), &[None]));
    let mut nulls = read(&spec(&path), &in_currencies(), true).unwrap();
    assert_eq!(nulls.remove(0).rate, None);
}

#[test]
fn the_day_is_that_of_the_pipelines_zone_and_rates_last_a_week() {
    let folder = Folder::new();
    let times = [
        ("2024-12-31T22:59:59Z", None),
        ("2024-12-31T23:00:00Z", Some(11_234_500_000_000)),
        ("2025-01-02T22:59:59Z", Some(11_234_500_000_000)),
        ("2025-01-02T23:00:00Z", Some(11_500_000_000_000)),
        ("2025-01-10T22:59:59Z", Some(11_500_000_000_000)),
        ("2025-01-10T23:00:00Z", None),
        ("never", None),
    ];
    let mut frame = orders(Column::new("revenue".into(), [1_i64; 7]), &[Some("EUR"); 7]);
    frame.with_column(Column::new("time".into(), times.map(|(time, _)| time))).unwrap();
    let path = folder.write("x.parquet", &frame);
    let rows = read(&spec(&path), &in_currencies(), true).unwrap();
    assert_eq!(rows.iter().map(|row| row.rate).collect::<Vec<_>>(), times.map(|(_, rate)| rate));
    assert_eq!((rows[6].time, &rows[6].values), (NO_TIME, &vec![None]));
}

#[test]
fn currencies_may_be_computed_and_are_labels() {
    let folder = Folder::new();
    let path = folder.write("x.parquet", &orders(Column::new("revenue".into(), [1_i64; 2]), &[Some("eur "), Some("sek")]));
    let mut mapping = in_currencies();
    mapping.currency = Some(sql("upper(trim(currency))"));
    let rows = read(&spec(&path), &mapping, true).unwrap();
    assert_eq!(rows.iter().map(|row| row.values[0].map(|it| it.minor)).collect::<Vec<_>>(), [Some(1_123), Some(100)]);
    mapping.currency = Some(name("cur"));
    let error = ConversionSource::open(&spec(&path), &mapping).err().unwrap();
    assert!(folder.plain(&error).starts_with("touchpoints.columns.currency: no column \"cur\" in x.parquet; found "), "{error}");
    mapping.currency = Some(sql("CAST(revenue AS DOUBLE)"));
    let error = ConversionSource::open(&spec(&path), &mapping).err().unwrap();
    assert_eq!(error.fault(), Fault::Pipeline);
    assert!(error.to_string().contains("currency: it gives float64, expected text"), "{error}");
    // Nothing of it is in batches where no currency is mapped.
    let rows = read(&spec(&path), &conversions(), true).unwrap();
    assert_eq!((&rows[0].originals, rows[0].values[0].map(|it| it.minor)), (&vec![], Some(100)));
}

fn with_refunds(refunds: Column) -> DataFrame {
    let mut frame = orders(Column::new("revenue".into(), [10_i64, -10, 5]), &[Some("SEK"); 3]);
    frame.with_column(refunds).unwrap();
    frame
}

#[test]
fn refunds_name_orders_by_either_reader() {
    let folder = Folder::new();
    let mut mapping = ConversionMapping { refund_of: Some(name("refund_of")), ..conversions() };
    // The second time is no text, so that the file needs no query.
    let stamps = Column::new("time".into(), [1_i64, 2, 3]).cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
    let refunds = Column::new("refund_of".into(), [None, Some("o0"), Some("")]);
    for file in FORMATS {
        for plain in [false, true] {
            let mut frame = with_refunds(refunds.clone());
            if plain {
                frame.with_column(stamps.clone()).unwrap();
            }
            let path = folder.write(file, &frame);
            for currency in [None, Some(name("currency"))] {
                mapping.currency = currency;
                let rows = read(&spec(&path), &mapping, true).unwrap();
                let found: Vec<_> = rows.iter().map(|row| row.refunds.clone()).collect();
                assert_eq!(found, [Value::Null, text("o0"), Value::Null], "{file}");
                assert_eq!(rows[1].values[0].map(|it| it.minor), Some(-1_000));
            }
        }
    }
    // Integers of any width are one kind.
    let mut frame = with_refunds(Column::new("refund_of".into(), [None, Some(1_i32), None]));
    frame.with_column(Column::new("id".into(), [1_i64, 2, 3])).unwrap();
    frame.with_column(stamps).unwrap();
    mapping.currency = None;
    for file in FORMATS {
        let rows = read(&spec(&folder.write(file, &frame)), &mapping, true).unwrap();
        assert_eq!((&rows[0].refunds, &rows[1].refunds), (&Value::Null, &Value::Int(1)), "{file}");
    }
}

#[test]
fn refunds_of_another_kind_than_the_id_are_refused() {
    let folder = Folder::new();
    let mapping = ConversionMapping { refund_of: Some(name("refund_of")), ..conversions() };
    let path = folder.write("x.parquet", &with_refunds(Column::new("refund_of".into(), [None, Some(1_i64), None])));
    let error = ConversionSource::open(&spec(&path), &mapping).err().unwrap();
    assert_eq!(error.fault(), Fault::Input);
    assert_eq!(
        folder.plain(&error),
        "touchpoints.columns.refund_of: column \"refund_of\" is int64 in x.parquet, expected text, as the id is"
    );
    assert_eq!(error.hint().unwrap(), "refund_of = { sql = \"CAST(refund_of AS VARCHAR)\" }");
    let computed = ConversionMapping { refund_of: Some(sql("CAST(refund_of AS VARCHAR)")), ..conversions() };
    assert_eq!(read(&spec(&path), &computed, false).unwrap()[1].refunds, text("1"));
    let computed = ConversionMapping { refund_of: Some(sql("refund_of + 1")), ..conversions() };
    let error = ConversionSource::open(&spec(&path), &computed).err().unwrap();
    assert_eq!(error.fault(), Fault::Pipeline);
    assert_eq!(
        error.to_string(),
        "touchpoints.columns.refund_of: it gives int64, expected text, as the id is, in \"refund_of + 1\""
    );
    let mut numbers = with_refunds(Column::new("refund_of".into(), [None, Some("1"), None]));
    numbers.with_column(Column::new("id".into(), [1_i64, 2, 3])).unwrap();
    let path = folder.write("x.parquet", &numbers);
    let error = ConversionSource::open(&spec(&path), &mapping).err().unwrap();
    assert!(folder.plain(&error).ends_with("is text in x.parquet, expected integers, as the id is"), "{error}");
    let floats = with_refunds(Column::new("refund_of".into(), [0.5, 1.0, 2.0]));
    let error = ConversionSource::open(&spec(&folder.write("x.parquet", &floats)), &mapping).err().unwrap();
    assert!(folder.plain(&error).contains("is float64 in x.parquet, expected text, binary or integers"), "{error}");
}

#[test]
fn a_refund_column_of_nothing_or_of_numbers_among_text_ids_is_fine() {
    let folder = Folder::new();
    let mapping = ConversionMapping { refund_of: Some(name("refund_of")), ..conversions() };
    let mut frame = with_refunds(Column::full_null("refund_of".into(), 3, &DataType::Null));
    frame.with_column(Column::new("id".into(), [1_i64, 2, 3])).unwrap();
    for file in FORMATS {
        let rows = read(&spec(&folder.write(file, &frame)), &mapping, false).unwrap();
        assert!(rows.iter().all(|row| row.refunds == Value::Null), "{file}");
    }
    // All refunds of this file look like numbers, but ids are text: they are meant as written.
    let path = folder.write_text(
        "x.csv",
        "id,customer,time,revenue,refund_of\n007,a,2025-01-01,5,\nx8,a,2025-01-01,-5,007\nx9,a,2025-01-01,1,\"\"\n",
    );
    let rows = read(&spec(&path), &mapping, false).unwrap();
    assert_eq!(rows.iter().map(|row| row.refunds.clone()).collect::<Vec<_>>(), [Value::Null, text("007"), Value::Null]);
    // Some files have no refunds.
    let two = Folder::new();
    two.write("1.parquet", &with_refunds(Column::new("refund_of".into(), [None, Some("o0"), None])));
    two.write("2.parquet", &with_refunds(Column::new("gone".into(), [1_i64, 2, 3])));
    let mut lenient = spec(two.path());
    lenient.missing_as_null = true;
    let rows = read(&lenient, &mapping, false).unwrap();
    assert_eq!((rows.len(), &rows[1].refunds, &rows[4].refunds), (6, &text("o0"), &Value::Null));
}
