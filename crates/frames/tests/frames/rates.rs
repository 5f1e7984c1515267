//! Tables of exchange rates: types, zones, rows that are no rates, and rates that contradict each other.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use attributary_core::journey::Rejected;
use attributary_core::rates::{ONE, Rates};
use attributary_core::time::{Day, Zone, parse_day};
use attributary_frames::{Fault, FrameError, Progress, RateMapping, RateRow, RateSource, RejectedRate, SourceSpec, Stop};
use polars::prelude::*;

use crate::support::*;

fn fx(folder: &Folder) -> SourceSpec {
    SourceSpec { key: "fx".to_owned(), ..spec(folder.path()) }
}

fn mapping() -> RateMapping {
    RateMapping { date: name("date"), currency: name("currency"), rate: name("rate") }
}

fn rates(spec: &SourceSpec) -> Result<(Rates, Vec<RejectedRate>), FrameError> {
    RateSource::open(spec, &mapping())?.rates("SEK", &Progress::default(), &|| Ok(()))
}

fn rows(spec: &SourceSpec) -> Vec<RateRow> {
    let rows = Mutex::new(Vec::new());
    let source = RateSource::open(spec, &mapping()).unwrap();
    source
        .read(&Progress::default(), &|batch| {
            rows.lock().unwrap().extend(batch);
            Ok(())
        })
        .unwrap();
    rows.into_inner().unwrap()
}

fn day(text: &str) -> Day {
    parse_day(text).unwrap()
}

fn table(rate: Column) -> DataFrame {
    let mut frame = df!("date" => ["2025-01-01", "2025-01-02"], "currency" => ["EUR", "EUR"]).unwrap();
    frame.with_column(rate).unwrap();
    frame
}

#[test]
fn rates_of_every_type() {
    let folder = Folder::new();
    let decimals = Column::new("rate".into(), ["11.2345", "11.5"]).cast(&DataType::Decimal(20, 6)).unwrap();
    let floats = Column::new("rate".into(), [11.2345, 11.5]);
    for (file, rate) in [("x.parquet", &decimals), ("x.ipc", &floats), ("x.csv", &floats), ("x.parquet", &floats)] {
        let path = folder.write(file, &table(rate.clone()));
        let (found, rejected) = rates(&fx(&folder)).unwrap();
        assert_eq!(found.rate("EUR", day("2025-01-01")), Some(11_234_500_000_000), "{file}");
        assert_eq!(found.rate("EUR", day("2025-01-09")), Some(11_500_000_000_000), "{file}");
        assert_eq!(found.rate("SEK", day("1999-01-01")), Some(ONE));
        assert_eq!(rejected, []);
        std::fs::remove_file(path).unwrap();
    }
    folder.write("x.parquet", &table(Column::new("rate".into(), [11_u8, 12])));
    assert_eq!(rates(&fx(&folder)).unwrap().0.rate("EUR", day("2025-01-02")), Some(12 * ONE));
}

#[test]
fn the_day_is_the_one_that_is_written() {
    let stamp = |zone: Option<&str>| {
        let zone = zone.map(|zone| TimeZone::opt_try_new(Some(zone)).unwrap().unwrap());
        Column::new("date".into(), [at("2025-01-01T20:00:00Z"); 2])
            .cast(&DataType::Datetime(TimeUnit::Microseconds, zone))
            .unwrap()
    };
    let dates = Column::new("date".into(), [day("2025-01-01"); 2]).cast(&DataType::Date).unwrap();
    for zone in ["Asia/Tokyo", "America/Los_Angeles", "UTC"] {
        let next = if zone == "Asia/Tokyo" { "2025-01-02" } else { "2025-01-01" };
        for (date, expected) in [
            (Column::new("date".into(), ["2025-01-01"; 2]), "2025-01-01"),
            (dates.clone(), "2025-01-01"),
            (stamp(None), "2025-01-01"),
            (stamp(Some("UTC")), next),
            (Column::new("date".into(), ["2025-01-01T20:00:00Z"; 2]), next),
        ] {
            let folder = Folder::new();
            let mut frame = table(Column::new("rate".into(), [1.5, 1.5]));
            frame.with_column(date).unwrap();
            folder.write("x.parquet", &frame);
            let mut spec = fx(&folder);
            spec.zone = Zone::named(zone).unwrap();
            assert_eq!(rows(&spec)[1].day, Some(day(expected)), "{zone}");
        }
    }
}

#[test]
fn rows_that_give_no_rate_are_rejected() {
    let folder = Folder::new();
    folder.write_text(
        "x.csv",
        "date,currency,rate\n\
         2025-01-01,EUR,11\n\
         ,EUR,11\n\
         soon,EUR,11\n\
         2025-01-02,,11\n\
         2025-01-02,euro,11\n\
         2025-01-02,EUR,\n\
         2025-01-02,EUR,0\n\
         2025-01-02,EUR,-1\n\
         2025-01-02,EUR,1000000\n\
         2025-01-02,EUR,NaN\n\
         2025-01-02,EUR,0.0000000000004\n\
         2025-01-02,SEK,1.00\n\
         2025-01-02,SEK,0.09\n\
         2025-01-02,EUR,999999.999999999999\n",
    );
    let (found, rejected) = rates(&fx(&folder)).unwrap();
    assert_eq!(found.rate("EUR", day("2025-01-02")), Some(999_999_999_999_999_999));
    let reasons: Vec<_> = rejected.iter().map(|row| (row.row, row.reason)).collect();
    let mut expected = vec![(1, Rejected::NullTime), (2, Rejected::NullTime)];
    expected.extend([3, 4, 5, 6, 7, 8, 9, 10, 12].map(|row| (row, Rejected::InvalidRate)));
    assert_eq!(reasons, expected);
    let euro = RejectedRate {
        file: 0,
        row: 4,
        reason: Rejected::InvalidRate,
        day: Some(day("2025-01-02")),
        currency: Some("euro".into()),
    };
    assert_eq!(rejected[3], euro);
}

#[test]
fn two_rates_of_a_day_are_the_inputs_fault() {
    let folder = Folder::new();
    folder.write("1.parquet", &table(Column::new("rate".into(), [11.25, 11.5])));
    folder.write_text("2.csv", "date,currency,rate\n2025-01-01,EUR,11.25\n2025-01-02,EUR,11.500\n2025-01-02,USD,1\n");
    // Equal ones are fine.
    assert_eq!(rates(&fx(&folder)).unwrap().1, []);
    folder.write_text("3.csv", "date,currency,rate\n2025-01-02,USD,2\n2025-01-01,EUR,9\n");
    let error = rates(&fx(&folder)).unwrap_err();
    assert_eq!(error.fault(), Fault::Input);
    assert_eq!(folder.plain(&error), "fx: USD is 2 on 2025-01-02 in row 0 of 3.csv, but 1 in row 2 of 2.csv");
    assert_eq!(error.hint().unwrap(), "keep one rate for each currency and day, or choose with `where` in [fx]");
    let mut chosen = fx(&folder);
    chosen.filter = Some("rate > 2".to_owned());
    let error = rates(&chosen).unwrap_err();
    assert_eq!(folder.plain(&error), "fx: EUR is 9 on 2025-01-01 in row 1 of 3.csv, but 11.25 in row 0 of 1.parquet");
}

#[test]
fn what_is_no_table_of_rates_is_said_by_key() {
    let folder = Folder::new();
    folder.write("x.parquet", &table(Column::new("rate".into(), ["11", "12"])));
    let open = |mapping: &RateMapping| RateSource::open(&fx(&folder), mapping).err().unwrap();
    assert_eq!(
        folder.plain(&open(&mapping())),
        "fx.columns.rate: column \"rate\" is text in x.parquet, expected integers, decimals or floats"
    );
    let wrong = RateMapping { date: name("day"), rate: sql("CAST(rate AS DECIMAL(18, 6))"), ..mapping() };
    assert_eq!(folder.plain(&open(&wrong)), "fx.columns.date: no column \"day\" in x.parquet; found date, currency, rate");
    let failing = RateMapping { date: sql("CAST(currency AS DATE)"), rate: sql("CAST(rate AS DECIMAL(18, 6))"), ..mapping() };
    let source = RateSource::open(&fx(&folder), &failing).unwrap();
    let error = source.rates("SEK", &Progress::default(), &|| Ok(())).unwrap_err();
    assert!(folder.plain(&error).starts_with("fx.columns.rate, fx.columns.date: fails on a row of x.parquet"), "{error}");
    let computed = RateMapping { rate: sql("1.0 / CAST(rate AS DOUBLE)"), ..mapping() };
    let (found, _) = RateSource::open(&fx(&folder), &computed).unwrap().rates("SEK", &Progress::default(), &|| Ok(())).unwrap();
    assert_eq!(found.rate("EUR", day("2025-01-01")), Some(90_909_090_909));
}

#[test]
fn long_tables_are_read_in_order_and_can_be_left() {
    let folder = Folder::new();
    let count = 300_000_i32;
    let dates = Column::new("date".into(), (0..count).map(|row| row % 20_000).collect::<Vec<_>>()).cast(&DataType::Date).unwrap();
    let codes = ["EUR", "USD", "GBP", "NOK", "DKK", "CHF", "JPY", "CAD", "AUD", "PLN", "CZK", "HUF", "RON", "BGN", "TRY"];
    let frame = DataFrame::new(
        count as usize,
        vec![
            dates,
            Column::new("currency".into(), (0..count).map(|row| codes[row as usize / 20_000]).collect::<Vec<_>>()),
            Column::new("rate".into(), (0..count).map(|row| f64::from(row + 1)).collect::<Vec<_>>()),
        ],
    )
    .unwrap();
    folder.write("a.parquet", &frame);
    let found = rows(&fx(&folder));
    assert!(found.len() == count as usize && found.is_sorted_by_key(|row| row.row));
    let (found, rejected) = rates(&fx(&folder)).unwrap();
    assert_eq!((found.rate("TRY", 19_999), rejected.len()), (Some(300_000 * ONE), 0));
    let asked = AtomicUsize::new(0);
    let source = RateSource::open(&fx(&folder), &mapping()).unwrap();
    let stopped = source.rates("SEK", &Progress::default(), &|| {
        asked.fetch_add(1, Ordering::Relaxed);
        Err(Stop)
    });
    assert_eq!((stopped.unwrap_err(), asked.into_inner()), (FrameError::Stopped, 1));
}
