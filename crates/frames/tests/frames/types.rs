//! Keys, times, labels, dimensions and values of every type that will do, and refusals of those that will not.

use attributary_core::batch::NO_TIME;
use attributary_core::key::Key;
use attributary_core::time::Zone;
use attributary_core::value::{ColumnType, TimeUnit as Unit, Value};
use attributary_frames::{ConversionSource, Fault, Progress, TimeBounds, TouchSource, ValueUnit};
use polars::prelude::*;

use crate::support::*;

const FORMATS: [&str; 2] = ["x.parquet", "x.ipc"];

fn with(column: Column) -> DataFrame {
    let mut frame = three();
    frame.with_column(column).unwrap();
    frame
}

fn cast(name: &str, values: &[i64], kind: DataType) -> Column {
    Column::new(name.into(), values).cast(&kind).unwrap()
}

#[test]
fn keys_of_every_integer_width_are_one_type() {
    let folder = Folder::new();
    let kinds = [
        (DataType::Int8, 8, true),
        (DataType::Int16, 16, true),
        (DataType::Int32, 32, true),
        (DataType::Int64, 64, true),
        (DataType::UInt8, 8, false),
        (DataType::UInt16, 16, false),
        (DataType::UInt32, 32, false),
        (DataType::UInt64, 64, false),
    ];
    for file in FORMATS {
        for (kind, bits, signed) in kinds.clone() {
            let path = folder.write(file, &with(cast("customer", &[1, 2, 1], kind)));
            let source = TouchSource::open(&spec(&path), &touches()).unwrap();
            assert_eq!(source.customer_type(), &ColumnType::Int { bits, signed });
            source
                .read(&TimeBounds::default(), 1, &Progress::default(), &|batch| {
                    for (place, row) in (0..batch.len()).map(|place| (place, batch.rows.at(place))) {
                        assert_eq!(batch.customers.key(place), Key::from_int([1, 2, 1][row as usize]));
                    }
                    Ok(())
                })
                .unwrap();
        }
    }
    let two = Folder::new();
    two.write("a.parquet", &with(cast("customer", &[1, 2, 1], DataType::Int16)));
    two.write("b.parquet", &with(cast("customer", &[1, 2, 1], DataType::UInt32)));
    let source = TouchSource::open(&spec(two.path()), &touches()).unwrap();
    assert_eq!(source.customer_type(), &ColumnType::Int { bits: 64, signed: true });
}

#[test]
fn keys_of_text_binary_and_dictionaries() {
    let folder = Folder::new();
    let names = Column::new("customer".into(), [Some("ann"), None, Some("a name of more than fifteen bytes")]);
    let categories = DataType::from_categories(Categories::global());
    for file in FORMATS {
        for kind in [DataType::String, categories.clone(), DataType::Binary] {
            let path = folder.write(file, &with(names.cast(&kind).unwrap()));
            let source = TouchSource::open(&spec(&path), &touches()).unwrap();
            let is_binary = kind == DataType::Binary;
            assert_eq!(source.customer_type(), if is_binary { &ColumnType::Binary } else { &ColumnType::Text }, "{file} {kind}");
            source
                .read(&TimeBounds::default(), 1, &Progress::default(), &|batch| {
                    for (place, row) in (0..batch.len()).map(|place| (place, batch.rows.at(place))) {
                        let name = [Some("ann"), None, Some("a name of more than fifteen bytes")][row as usize];
                        assert_eq!(batch.customers.is_null(place), name.is_none());
                        assert!(name.is_none_or(|name| batch.customers.key(place) == Key::from_bytes(name.as_bytes())));
                    }
                    Ok(())
                })
                .unwrap();
        }
    }
}

#[test]
fn keys_that_are_no_keys_are_refused() {
    let folder = Folder::new();
    let nested = Column::new(
        "customer".into(),
        [Series::new("".into(), [1, 2]), Series::new("".into(), [3]), Series::new("".into(), [4])],
    );
    for (column, found) in [
        (cast("customer", &[1, 2, 3], DataType::Float64), "float64"),
        (cast("customer", &[1, 0, 1], DataType::Boolean), "boolean"),
        (cast("customer", &[1, 0, 1], DataType::Date), "date"),
        (nested, "nested (list[i32])"),
    ] {
        folder.write("x.parquet", &with(column));
        let error = TouchSource::open(&spec(folder.path()), &touches()).err().unwrap();
        assert_eq!(error.fault(), Fault::Input);
        assert_eq!(
            folder.plain(&error),
            format!(
                "touchpoints.columns.customer: column \"customer\" is {found} in x.parquet, expected text, binary or integers"
            )
        );
    }
}

#[test]
fn times_of_every_unit_with_and_without_a_zone() {
    let folder = Folder::new();
    let noon = at("2025-07-01T12:00:00Z");
    let tokyo = TimeZone::opt_try_new(Some("Asia/Tokyo")).unwrap();
    for file in FORMATS {
        for (unit, cell) in
            [(TimeUnit::Milliseconds, noon / 1_000), (TimeUnit::Microseconds, noon), (TimeUnit::Nanoseconds, noon * 1_000 + 999)]
        {
            for (zone, expected) in [(None, noon - 7_200_000_000), (tokyo.clone(), noon)] {
                let path = folder.write(file, &with(cast("time", &[cell, cell, cell], DataType::Datetime(unit, zone))));
                let mut spec = spec(&path);
                spec.zone = Zone::named("Europe/Stockholm").unwrap();
                assert_eq!(read_touches(&spec, &touches()).unwrap()[0].time, expected, "{file} {unit:?}");
            }
        }
        let path = folder.write(file, &with(cast("time", &[20_000, 20_001, 20_002], DataType::Date)));
        assert_eq!(read_touches(&spec(&path), &touches()).unwrap()[0].time, 20_000 * 86_400_000_000);
        let path = folder.write(file, &with(Column::new("time".into(), [Some("2025-07-01 14:00+02:00"), Some("soon"), None])));
        let times: Vec<_> = read_touches(&spec(&path), &touches()).unwrap().iter().map(|touch| touch.time).collect();
        assert_eq!(times, [noon, NO_TIME, NO_TIME]);
        let path = folder.write(file, &with(Column::full_null("time".into(), 3, &DataType::Null)));
        assert_eq!(read_touches(&spec(&path), &touches()).unwrap()[2].time, NO_TIME);
    }
}

#[test]
fn integers_are_no_times_but_the_hint_makes_them_so() {
    let folder = Folder::new();
    let path = folder.write("x.parquet", &with(cast("time", &[1_740_304_800; 3], DataType::Int32)));
    let error = TouchSource::open(&spec(&path), &touches()).err().unwrap();
    assert!(
        folder.plain(&error).starts_with("touchpoints.columns.time: column \"time\" is int32 in x.parquet, expected timestamps")
    );
    let hint = error.hint().unwrap();
    let expression = hint.split('"').nth(1).unwrap();
    let mut mapping = touches();
    mapping.time = sql(expression);
    assert_eq!(read_touches(&spec(&path), &mapping).unwrap()[0].time, 1_740_304_800_000_000, "{hint}");
}

#[test]
fn labels_become_text() {
    let folder = Folder::new();
    let categories = DataType::from_categories(Categories::global());
    let words = Column::new("campaign".into(), ["a", "b", "a"]);
    for file in FORMATS {
        for (column, expected) in [
            (words.clone(), "b"),
            (words.cast(&categories).unwrap(), "b"),
            (cast("campaign", &[1, 0, 1], DataType::Boolean), "false"),
            (cast("campaign", &[1, -7, 1], DataType::Int16), "-7"),
            (cast("campaign", &[0, 1, 2], DataType::Date), "1970-01-02"),
        ] {
            let path = folder.write(file, &with(column));
            let mut mapping = touches();
            mapping.campaign = Some(name("campaign"));
            assert_eq!(read_touches(&spec(&path), &mapping).unwrap()[1].attributes[1], text(expected));
        }
    }
    for kind in [DataType::Float64, DataType::Binary] {
        let column = if kind == DataType::Binary { words.cast(&kind).unwrap() } else { cast("campaign", &[1, 2, 3], kind) };
        let path = folder.write("x.parquet", &with(column));
        let mut mapping = touches();
        mapping.campaign = Some(name("campaign"));
        let error = TouchSource::open(&spec(&path), &mapping).err().unwrap();
        assert!(folder.plain(&error).starts_with("touchpoints.columns.campaign: column \"campaign\" is "), "{error}");
    }
}

#[test]
fn channels_without_a_name_are_not_set() {
    let folder = Folder::new();
    for file in ["x.parquet", "x.ipc", "x.csv"] {
        let path = folder.write(file, &with(Column::new("channel".into(), [Some("a"), None, Some("")])));
        assert_eq!(channels(&read_touches(&spec(&path), &touches()).unwrap()), ["a", "(not set)", "(not set)"]);
        let path = folder.write(file, &with(Column::new("channel".into(), [None::<&str>; 3])));
        assert_eq!(channels(&read_touches(&spec(&path), &touches()).unwrap()), ["(not set)"; 3]);
    }
    let path = folder.write("x.parquet", &with(Column::full_null("channel".into(), 3, &DataType::Null)));
    assert_eq!(channels(&read_touches(&spec(&path), &touches()).unwrap()), ["(not set)"; 3]);
}

#[test]
fn dimensions_keep_their_type() {
    let folder = Folder::new();
    let words = Column::new("d".into(), [Some("x"), None, Some("x")]);
    let day = |zone: Option<&str>| ColumnType::Timestamp { unit: Unit::Milli, zone: zone.map(Into::into) };
    let utc = TimeZone::opt_try_new(Some("UTC")).unwrap();
    for file in FORMATS {
        for (column, kind, cell) in [
            (words.clone(), ColumnType::Text, text("x")),
            (words.cast(&DataType::from_categories(Categories::global())).unwrap(), ColumnType::Text, text("x")),
            (cast("d", &[-5, 0, 0], DataType::Int16), ColumnType::Int { bits: 16, signed: true }, Value::Int(-5)),
            (cast("d", &[5, 0, 0], DataType::UInt64), ColumnType::Int { bits: 64, signed: false }, Value::Int(5)),
            (cast("d", &[1, 0, 0], DataType::Boolean), ColumnType::Boolean, Value::Boolean(true)),
            (cast("d", &[9, 0, 0], DataType::Date), ColumnType::Date, Value::Int(9)),
            (cast("d", &[9, 0, 0], DataType::Datetime(TimeUnit::Milliseconds, None)), day(None), Value::Int(9)),
            (cast("d", &[9, 0, 0], DataType::Datetime(TimeUnit::Milliseconds, utc.clone())), day(Some("UTC")), Value::Int(9)),
            (cast("d", &[9, 0, 0], DataType::Decimal(12, 2)), ColumnType::Decimal { precision: 12, scale: 2 }, Value::Int(900)),
        ] {
            let path = folder.write(file, &with(column));
            let mut mapping = touches();
            mapping.dimensions = dimensions(&["d"]);
            assert_eq!(TouchSource::open(&spec(&path), &mapping).unwrap().dimension_types(), [kind]);
            assert_eq!(read_touches(&spec(&path), &mapping).unwrap()[0].attributes[3], cell);
        }
    }
    let path = folder.write("x.parquet", &with(cast("d", &[1, 2, 3], DataType::Float32)));
    let mut mapping = touches();
    mapping.dimensions = dimensions(&["d"]);
    let error = TouchSource::open(&spec(&path), &mapping).err().unwrap();
    assert!(error.to_string().starts_with("touchpoints.dimensions: column \"d\" is float32"), "{error}");
}

fn orders(revenue: Column) -> DataFrame {
    let mut frame = with(Column::new("id".into(), ["1", "2", "3"]));
    frame.with_column(revenue).unwrap();
    frame
}

#[test]
fn values_of_every_number_type() {
    let folder = Folder::new();
    let floats = Column::new("revenue".into(), [2.675, f64::NAN, 1e16]);
    let whole = |kind| cast("revenue", &[245, 0, 7], kind);
    for file in FORMATS {
        for (column, expected) in [
            (floats.clone(), [Some(267), None, None]),
            (whole(DataType::Float32), [Some(24_500), Some(0), Some(700)]),
            (whole(DataType::UInt8), [Some(24_500), Some(0), Some(700)]),
            (whole(DataType::Int64), [Some(24_500), Some(0), Some(700)]),
            (whole(DataType::Decimal(38, 10)), [Some(24_500), Some(0), Some(700)]),
            (Column::full_null("revenue".into(), 3, &DataType::Float64), [None; 3]),
            (Column::full_null("revenue".into(), 3, &DataType::Null), [None; 3]),
        ] {
            let path = folder.write(file, &orders(column));
            let rows = read_conversions(&spec(&path), &conversions()).unwrap();
            assert_eq!(rows.iter().map(|it| it.values[0]).collect::<Vec<_>>(), expected, "{file}");
        }
        let path = folder.write(file, &orders(whole(DataType::Int32)));
        let mut minor = conversions();
        minor.values[0].unit = ValueUnit::Minor;
        assert_eq!(read_conversions(&spec(&path), &minor).unwrap()[0].values, [Some(245)]);
    }
}

#[test]
fn values_that_are_no_numbers_are_refused() {
    let folder = Folder::new();
    let words = Column::new("revenue".into(), ["1", "2", "3"]);
    let refused = |column: Column, unit| {
        let path = folder.write("x.parquet", &orders(column));
        let mut mapping = conversions();
        mapping.values[0].unit = unit;
        let error = ConversionSource::open(&spec(&path), &mapping).err().unwrap();
        assert_eq!(error.fault(), Fault::Input);
        assert!(error.hint().is_some() || error.to_string().contains("boolean"), "{error}");
        folder.plain(&error)
    };
    assert_eq!(
        refused(words, ValueUnit::Major),
        "touchpoints.values.revenue: column \"revenue\" is text in x.parquet, expected integers, decimals or floats"
    );
    assert!(refused(cast("revenue", &[1, 0, 1], DataType::Boolean), ValueUnit::Major).contains("is boolean in"));
    assert!(refused(cast("revenue", &[1, 0, 1], DataType::Float64), ValueUnit::Minor).contains("is float64 in"));
    assert!(refused(cast("revenue", &[1, 0, 1], DataType::Decimal(5, 0)), ValueUnit::Minor).contains("is decimal(5, 0) in"));
}

#[test]
fn conversions_have_kinds_and_null_customers() {
    let folder = Folder::new();
    let mut frame = orders(Column::new("revenue".into(), [1, 2, 3]));
    frame.with_column(Column::new("customer".into(), [Some("ann"), None, Some("bob")])).unwrap();
    frame.with_column(Column::new("kind".into(), [Some("lead"), None, Some("purchase")])).unwrap();
    let path = folder.write("x.parquet", &frame);
    let mut mapping = conversions();
    mapping.kind = Some(name("kind"));
    let rows = read_conversions(&spec(&path), &mapping).unwrap();
    assert_eq!(rows.iter().map(|it| it.kind.clone()).collect::<Vec<_>>(), [text("lead"), Value::Null, text("purchase")]);
    assert_eq!(rows[1].customer, Value::Null);
    assert_eq!(rows[2].id, text("3"));
    let source = ConversionSource::open(&spec(&path), &mapping).unwrap();
    assert_eq!((source.id_type(), source.customer_type()), (&ColumnType::Text, &ColumnType::Text));
}
