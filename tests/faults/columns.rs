//! Columns that are missing or of a wrong type, and every type that is right.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, FixedSizeBinaryArray,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, LargeStringArray, ListArray, NullArray,
    StringArray, StringViewArray, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Int32Type, UInt8Type};
use attributary_core::value::{ColumnType, Value};

use crate::support::read_current;
use crate::world::{Columns, HOUR, NEW_YEAR, World, conversions, ipc_bytes, renamed, texts, touches, with, without};

fn nested(rows: usize) -> ArrayRef {
    let field = Arc::new(Field::new("name", DataType::Utf8, true));
    Arc::new(StructArray::from(vec![(field, Arc::new(StringArray::from(vec!["x"; rows])) as ArrayRef)]))
}

fn list(rows: usize) -> ArrayRef {
    let field = Arc::new(Field::new("item", DataType::Utf8, true));
    let cells = Arc::new(StringArray::from(vec!["x"; rows]));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(vec![1; rows]), cells, None))
}

fn array(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}

#[test]
fn wrong_types_name_key_column_file_and_what_would_do() {
    let world = World::new();
    let key = "expected text, binary or integers";
    let time = "expected timestamps, dates or ISO 8601 text";
    let label = "expected text, or what has one form as text: integers, booleans, dates";
    let amount = "expected integers, decimals or floats";
    let floats = |rows: usize| array(Float64Array::from(vec![1.5; rows]));
    let clock = |rows: usize| array(Time64MicrosecondArray::from(vec![1; rows]));
    let truths = |rows: usize| array(BooleanArray::from(vec![true; rows]));
    let bytes = |rows: usize| array(BinaryArray::from(vec![&b"x"[..]; rows]));
    let whole = |rows: usize| array(Int64Array::from(vec![1_767_225_600; rows]));
    let text = |rows: usize| array(StringArray::from(vec!["1.50"; rows]));
    type Cells<'a> = &'a dyn Fn(usize) -> ArrayRef;
    let wrong: [(&str, &str, &str, Cells<'_>, &str, &str, &str); 20] = [
        ("touchpoints", "customer", "user_id", &floats, "float64", key, "CAST(user_id AS BIGINT)"),
        ("touchpoints", "customer", "user_id", &nested, "nested", key, ""),
        ("touchpoints", "customer", "user_id", &truths, "boolean", key, ""),
        ("touchpoints", "time", "at", &whole, "int64", time, "for seconds since 1970"),
        ("touchpoints", "time", "at", &floats, "float64", time, "for seconds since 1970"),
        ("touchpoints", "time", "at", &clock, "time", time, ""),
        ("touchpoints", "time", "at", &list, "nested", time, ""),
        ("touchpoints", "channel", "channel", &nested, "nested", label, ""),
        ("touchpoints", "channel", "channel", &list, "nested", label, ""),
        ("touchpoints", "channel", "channel", &floats, "float64", label, "CAST(channel AS VARCHAR)"),
        ("touchpoints", "campaign", "campaign", &bytes, "binary", label, "CAST(campaign AS VARCHAR)"),
        ("touchpoints", "interaction", "interaction", &nested, "nested", label, ""),
        ("touchpoints", "id", "event_id", &floats, "float64", key, ""),
        ("conversions", "id", "order_id", &nested, "nested", key, ""),
        ("conversions", "customer", "user_id", &floats, "float64", key, "CAST(user_id AS BIGINT)"),
        ("conversions", "time", "ordered_at", &whole, "int64", time, "for seconds since 1970"),
        ("conversions", "kind", "kind", &list, "nested", label, ""),
        ("conversions", "revenue", "revenue", &text, "text", amount, "CAST(revenue AS DECIMAL(38, 6))"),
        ("conversions", "revenue", "revenue", &truths, "boolean", amount, ""),
        ("conversions", "revenue", "revenue", &nested, "nested", amount, ""),
    ];
    for (section, key, column, cells, found, expected, hint) in wrong {
        let (own, rows) = if section == "touchpoints" { (touches(), 6) } else { (conversions(), 3) };
        let key = if key == "revenue" { "values.revenue".to_owned() } else { format!("columns.{key}") };
        world.parquet("odd.parquet", &with(own, column, cells(rows)));
        let set = format!("{section}.source=odd.parquet");
        let ended = world.run_with(&["--set", &set]);
        let start = format!("error: {section}.{key}: column \"{column}\" is {found}");
        ended.fails(3, &[&start, "in odd.parquet", expected, if hint.is_empty() { "" } else { "\nhint: " }, hint]);
        assert_eq!(world.perform(&["check", "pipeline.toml", "--set", &set]).stderr, world.said(&ended));
    }
}

#[test]
fn a_column_that_is_not_there_lists_those_that_are_and_the_nearest() {
    let world = World::new();
    for (column, near) in [
        ("user_id", "userId"),
        ("at", "event_at"),
        ("channel", "chanel"),
        ("campaign", "Campaign"),
        ("interaction", "interactions"),
        ("event_id", "EventId"),
    ] {
        world.parquet("touches.parquet", &renamed(touches(), column, near));
        let ended = world.run();
        ended.fails(3, &["error: touchpoints.columns.", &format!("no column \"{column}\" in touches.parquet; found "), near]);
        let hint =
            if column == "at" { "map one of the columns that were found".to_owned() } else { format!("did you mean {near}?") };
        ended.fails(3, &[&hint]);
        world.parquet("touches.parquet", &without(touches(), column));
        world.run().fails(3, &["error: touchpoints.columns.", &format!("no column \"{column}\""), "hint: "]);
    }
    world.parquet("touches.parquet", &touches());
    for column in ["order_id", "user_id", "ordered_at", "kind", "revenue"] {
        world.parquet("conversions.parquet", &without(conversions(), column));
        world.run().fails(3, &["error: conversions.", &format!("no column \"{column}\" in conversions.parquet"), "hint: "]);
    }
}

#[test]
fn text_keys_against_integer_keys() {
    let world = World::new();
    world.parquet("touches.parquet", &with(touches(), "user_id", Int64Array::from(vec![1, 1, 2, 1, 3, 2])));
    let words =
        ["touchpoints.columns.customer is int64", "conversions.columns.customer is text", "hint: ", "CAST(user_id AS VARCHAR)"];
    world.run().fails(3, &words);
    world.parquet("conversions.parquet", &with(conversions(), "user_id", BinaryArray::from(vec![&b"1"[..], b"2", b"9"])));
    world.run().fails(3, &["touchpoints.columns.customer is int64", "conversions.columns.customer is binary"]);
}

#[test]
fn columns_of_nothing_but_nulls() {
    for column in ["user_id", "at", "channel", "campaign", "interaction", "event_id"] {
        let rows = touches()[0].1.len();
        let typed = arrow::array::new_null_array(touches().iter().find(|it| it.0 == column).expect("it").1.data_type(), rows);
        for nulls in [typed, array(NullArray::new(rows))] {
            let world = World::new();
            world.parquet("touches.parquet", &with(touches(), column, nulls));
            world.run().is_fine();
            let rejected: u64 = world.manifest().rows.touchpoints.rejected.values().sum();
            assert_eq!(rejected, if ["user_id", "at"].contains(&column) { 6 } else { 0 }, "{column}");
            if column == "channel" {
                let channels = read_current(&world.output(), "by_channel");
                let names: Vec<_> = channels.rows.iter().map(|row| row[2].clone()).collect();
                assert!(names.contains(&Value::text("(not set)")), "{channels:?}");
            }
        }
    }
    for column in ["order_id", "user_id", "ordered_at", "kind", "revenue"] {
        let typed = arrow::array::new_null_array(conversions().iter().find(|it| it.0 == column).expect("it").1.data_type(), 3);
        for nulls in [typed, array(NullArray::new(3))] {
            let world = World::new();
            world.parquet("conversions.parquet", &with(conversions(), column, nulls));
            world.run().is_fine();
            let rejected: u64 = world.manifest().rows.conversions.rejected.values().sum();
            assert_eq!(rejected, if ["user_id", "kind"].contains(&column) { 0 } else { 3 }, "{column}");
        }
    }
}

#[test]
fn tables_without_rows() {
    for (no_touches, no_conversions) in [(true, false), (false, true), (true, true)] {
        let world = World::new();
        let cut = |columns: Columns, empty: bool| -> Columns {
            columns.into_iter().map(|(name, cells)| (name, if empty { cells.slice(0, 0) } else { cells })).collect()
        };
        world.parquet("touches.parquet", &cut(touches(), no_touches));
        world.parquet("conversions.parquet", &cut(conversions(), no_conversions));
        world.run_with(&["--set", "output.credits=true"]).is_fine();
        for (table, columns) in
            [("attributed_revenue", 8), ("by_channel", 6), ("total", 5), ("paths", 7), ("rejects", 7), ("ledger", 10)]
        {
            let read = read_current(&world.output(), table);
            assert_eq!(read.fields.len(), columns, "{table}: {:?}", read.fields);
            assert!(read.rows.is_empty() || !no_conversions || ["paths", "ledger"].contains(&table), "{table}: {:?}", read.rows);
        }
        let credits = world.manifest().tables.into_iter().find(|table| table.name == "credits");
        assert!(credits.is_some_and(|table| !table.files.is_empty()), "a table without rows is one file with the schema");
    }
}

/// Every way to write the small log gives the same tables.
#[test]
fn every_type_that_will_do_gives_the_same_tables() {
    let reference = World::new();
    reference.run().is_fine();
    let expected = amounts(&reference);
    let as_dictionaries = |columns: Columns| -> Columns {
        let dictionary = |cells: &ArrayRef| match cells.as_any().downcast_ref::<StringArray>() {
            Some(texts) => array(texts.iter().collect::<DictionaryArray<Int32Type>>()),
            None => Arc::clone(cells),
        };
        columns.into_iter().map(|(name, cells)| (name, dictionary(&cells))).collect()
    };
    let texts_as = |columns: Columns, form: &dyn Fn(&StringArray) -> ArrayRef| -> Columns {
        columns
            .into_iter()
            .map(|(name, cells)| {
                let cells = cells.as_any().downcast_ref::<StringArray>().map_or(Arc::clone(&cells), form);
                (name, cells)
            })
            .collect()
    };
    let large = |texts: &StringArray| array(texts.iter().collect::<LargeStringArray>());
    let views = |texts: &StringArray| array(texts.iter().collect::<StringViewArray>());
    let small_dictionaries = |texts: &StringArray| array(texts.iter().collect::<DictionaryArray<UInt8Type>>());
    for (touches, conversions) in [
        (as_dictionaries(touches()), as_dictionaries(conversions())),
        (as_dictionaries(touches()), conversions()),
        (touches(), as_dictionaries(conversions())),
        (texts_as(touches(), &large), texts_as(conversions(), &views)),
        (texts_as(touches(), &small_dictionaries), texts_as(conversions(), &large)),
    ] {
        let world = World::new();
        world.parquet("touches.parquet", &touches);
        world.parquet("conversions.parquet", &conversions);
        world.run().is_fine();
        assert_eq!(amounts(&world), expected);
        let filter = ["--set", "touchpoints.where=channel <> 'nothing' AND lower(user_id) <> ''"];
        world.run_with(&filter).is_fine();
        assert_eq!(amounts(&world), expected);
        world.write("touches.arrow", ipc_bytes(&touches));
        world.run_with(&["--set", "touchpoints.source=touches.arrow"]).is_fine();
        assert_eq!(amounts(&world), expected);
    }
}

#[test]
fn keys_of_every_type_find_each_other() {
    let expected = {
        let world = World::new();
        world.run().is_fine();
        amounts(&world)
    };
    let (touch, order) = ([1_u8, 1, 2, 1, 3, 2], [1_u8, 2, 9]);
    let keys: [fn(&[u8]) -> ArrayRef; 10] = [
        |keys| array(Int8Array::from_iter_values(keys.iter().map(|key| -(*key as i8)))),
        |keys| array(Int16Array::from_iter_values(keys.iter().map(|key| -i16::from(*key)))),
        |keys| array(Int32Array::from_iter_values(keys.iter().map(|key| -i32::from(*key)))),
        |keys| array(Int64Array::from_iter_values(keys.iter().map(|key| -i64::from(*key)))),
        |keys| array(UInt8Array::from_iter_values(keys.iter().copied())),
        |keys| array(UInt16Array::from_iter_values(keys.iter().map(|key| (*key).into()))),
        |keys| array(UInt32Array::from_iter_values(keys.iter().map(|key| (*key).into()))),
        |keys| array(UInt64Array::from_iter_values(keys.iter().map(|key| u64::MAX - u64::from(*key)))),
        |keys| array(BinaryArray::from_iter_values(keys.iter().map(|key| [0xff, 0, *key]))),
        |keys| array(StringArray::from_iter_values(keys.iter().map(|key| format!("a customer's key of many bytes: {key}")))),
    ];
    for key in keys {
        let world = World::new();
        world.parquet("touches.parquet", &with(with(touches(), "user_id", key(&touch)), "event_id", key(&[1, 2, 3, 4, 5, 6])));
        world.parquet("conversions.parquet", &with(with(conversions(), "user_id", key(&order)), "order_id", key(&[1, 2, 3])));
        world.run_with(&["--set", "output.credits=true"]).is_fine();
        assert_eq!(amounts(&world), expected, "{:?}", key(&order));
    }
    // All widths of integers are one type.
    let world = World::new();
    world.parquet("touches.parquet", &with(touches(), "user_id", UInt8Array::from_iter_values(touch)));
    world.parquet("conversions.parquet", &with(conversions(), "user_id", Int64Array::from_iter_values(order.map(i64::from))));
    world.run().is_fine();
    assert_eq!(amounts(&world), expected);
    // Bytes of one length each are bytes.
    let fixed = |keys: &[u8]| FixedSizeBinaryArray::try_from_iter(keys.iter().map(|key| [*key; 16])).expect("keys");
    world.parquet("touches.parquet", &with(touches(), "user_id", fixed(&touch)));
    world.parquet("conversions.parquet", &with(conversions(), "user_id", fixed(&order)));
    world.run().is_fine();
    assert_eq!(amounts(&world), expected);
}

#[test]
fn times_of_every_unit_are_the_same_times() {
    let expected = {
        let world = World::new();
        world.run().is_fine();
        amounts(&world)
    };
    let hours: Vec<i64> = (0..6).map(|hour| NEW_YEAR + hour * HOUR).collect();
    let text = |end: &str| array(StringArray::from_iter_values((0..6).map(|hour| format!("2026-01-01T{hour:02}:00:00{end}"))));
    let zoned = TimestampMicrosecondArray::from(hours.clone()).with_timezone("+02:00");
    for times in [
        array(TimestampSecondArray::from_iter_values(hours.iter().map(|time| time / 1_000_000))),
        array(TimestampMillisecondArray::from_iter_values(hours.iter().map(|time| time / 1_000))),
        array(TimestampNanosecondArray::from_iter_values(hours.iter().map(|time| time * 1_000 + 999))),
        array(zoned),
        array(
            TimestampMillisecondArray::from_iter_values(hours.iter().map(|time| time / 1_000)).with_timezone("Europe/Stockholm"),
        ),
        text(""),
        text("Z"),
        text(".000001"),
        text("+00:00"),
        array(Date32Array::from(vec![20_454; 6])),
    ] {
        let world = World::new();
        let dates = times.data_type() == &DataType::Date32;
        world.parquet("touches.parquet", &with(touches(), "at", times));
        world.run().is_fine();
        assert_eq!(world.manifest().rows.touchpoints.rejected.len(), 0);
        if !dates {
            assert_eq!(amounts(&world), expected);
        }
        // Statistics of any unit leave no row out that a range wants.
        world.run_with(&["--full", "--from", "2026-01-01", "--to", "2026-01-03"]).is_fine();
        assert_eq!(world.manifest().rows.touchpoints.used, 6);
    }
}

#[test]
fn amounts_of_every_type_are_the_same_amounts() {
    let decimal =
        |cells: Vec<i128>, scale| array(Decimal128Array::from(cells).with_precision_and_scale(38, scale).expect("decimals"));
    for (revenue, total) in [
        (array(Int8Array::from(vec![1, -2, 100])), "99.00"),
        (array(UInt16Array::from(vec![1, 2, 65_535])), "65538.00"),
        (array(UInt64Array::from(vec![1, 2, 3])), "6.00"),
        (array(Int64Array::from(vec![-1, 0, 1])), "0.00"),
        (array(Float32Array::from(vec![0.5, 0.25, -0.125])), "0.63"),
        (decimal(vec![12_345, 5, -5], 3), "12.34"),
        (decimal(vec![1, 1, 1], 38), "0.00"),
        (decimal(vec![9_999_999_999_999_998, 0, 1], 0), "9999999999999999.00"),
    ] {
        let world = World::new();
        world.parquet("conversions.parquet", &with(conversions(), "revenue", revenue));
        world.run().is_fine();
        let ledger = read_current(&world.output(), "ledger");
        let source = ledger.rows[0][4].display(&ColumnType::amount(2));
        assert_eq!(source, total);
    }
    let world = World::new();
    let minor = "conversions.values.revenue={ column = \"revenue\", unit = \"minor\" }";
    world
        .run_with(&["--set", minor])
        .fails(3, &["conversions.values.revenue", "\"revenue\" is float64", "expected integers", "hint: "]);
}

/// What each channel got, of each model.
fn amounts(world: &World) -> Vec<Vec<Value>> {
    let table = read_current(&world.output(), "by_channel");
    assert!(!table.rows.is_empty());
    table.rows
}

#[test]
fn names_of_columns_may_be_anything() {
    for name in ["with space", "^.*$", "*", "a\"b", "å", "select", "__attributary_row2", "time", "x\ny"] {
        let world = World::new();
        world.parquet("touches.parquet", &renamed(touches(), "channel", name));
        let toml = format!("touchpoints.columns.channel={}", toml_text(name));
        world.run_with(&["--set", &toml]).is_fine();
        let dimension = format!("touchpoints.dimensions={{ place = {} }}", toml_text(name));
        world.run_with(&["--set", &toml, "--set", &dimension]).is_fine();
    }
    let world = World::new();
    world.parquet("touches.parquet", &touches().into_iter().chain([("__attributary_row".to_owned(), texts(["x"; 6]))]).collect());
    let ended = world.run();
    assert!([0, 3].contains(&ended.code), "{ended:?}");
}

fn toml_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// Readers skip row groups by their statistics: never by what a condition makes of the least and greatest cell.
#[test]
fn statistics_leave_out_no_row_that_a_condition_wants() {
    let long = |end: &str| format!("{}{end}", "x".repeat(100));
    let numbers = ["10", "9", "10", "9", "9", "10"].map(str::to_owned);
    let urls = ["id=10", "id=9", "id=10", "id=9", "id=9", "id=10"].map(|id| long(&format!("?{id}")));
    let odd = ["a", "Z", "b", "Z", "Z", "c"].map(str::to_owned);
    for (cells, condition, rows) in [
        (&numbers, "CAST(event_id AS BIGINT) > 9", 3),
        (&numbers, "CAST(event_id AS BIGINT) >= 10", 3),
        (&numbers, "CAST(event_id AS BIGINT) = 10", 3),
        (&numbers, "CAST(event_id AS BIGINT) IN (9, 11)", 3),
        (&numbers, "CAST(event_id AS DOUBLE) * -1.0 < -9", 3),
        (&numbers, "length(event_id) = 2", 3),
        (&numbers, "length(event_id) <> 1", 3),
        (&urls, "CAST(url_param(event_id, 'id') AS BIGINT) > 9", 3),
        (&urls, "CAST(substr(event_id, 105, 5) AS BIGINT) > 9", 3),
        (&urls, "event_id LIKE '%id=10'", 3),
        (&urls, "right(event_id, 2) = '10'", 3),
        (&odd, "lower(event_id) = 'z'", 3),
        (&odd, "lower(event_id) > 'y'", 3),
        (&odd, "upper(event_id) < 'D'", 3),
        (&odd, "NOT (event_id = 'Z')", 3),
        (&odd, "event_id IS NOT NULL", 6),
        (&odd, "coalesce(event_id, '') <> ''", 6),
        (&odd, "event_id || 'x' = 'Zx'", 3),
    ] {
        let world = World::new();
        world.parquet(
            "touches.parquet",
            &with(touches(), "event_id", StringArray::from(cells.iter().map(String::as_str).collect::<Vec<_>>())),
        );
        let ended = world.run_with(&["--set", &format!("touchpoints.where={condition}")]);
        ended.is_fine();
        assert_eq!(world.manifest().rows.touchpoints.read, rows, "{condition}");
    }
}
