//! CSV: exact numbers, inferred types, odd cells.

use attributary_core::value::{ColumnType, Value};
use attributary_frames::{ConversionSource, Fault, TouchSource, ValueUnit};

use crate::support::*;

#[test]
fn values_are_taken_as_written() {
    let folder = Folder::new();
    let cells = [
        "2.675",
        "1e3",
        "",
        "NaN",
        "9999999999999999.99",
        "10000000000000000",
        "0.005",
        "-0.015",
        "\"7\"",
        "12345678901234567890",
    ];
    let lines: Vec<_> = cells.iter().enumerate().map(|(row, cell)| format!("{row},ann,2025-01-01,{cell}")).collect();
    let path = folder.write_text("x.csv", &format!("id,customer,time,revenue\n{}\n", lines.join("\n")));
    let rows = read_conversions(&spec(&path), &conversions()).unwrap();
    let values: Vec<_> = rows.iter().map(|row| row.values[0]).collect();
    let expected =
        [Some(268), Some(100_000), None, None, Some(999_999_999_999_999_999), None, Some(0), Some(-2), Some(700), None];
    assert_eq!(values, expected);
    assert_eq!(rows[3].time, at("2025-01-01"));
}

#[test]
fn types_are_inferred_from_the_whole_file() {
    let folder = Folder::new();
    let mut text = "customer,time,channel,paid,score\n".to_owned();
    for row in 0..3_000 {
        text.push_str(&format!("{row:05},2025-01-01T00:00:00Z,{row},{},{row}.50\n", row % 2 == 0));
    }
    let path = folder.write_text("x.csv", &text);
    let mut mapping = touches();
    mapping.dimensions = dimensions(&["paid", "score"]);
    let source = TouchSource::open(&spec(&path), &mapping).unwrap();
    assert_eq!(source.customer_type(), &ColumnType::Int { bits: 64, signed: true });
    // Floats are no groups, but as they are written they are text.
    assert_eq!(source.dimension_types(), [ColumnType::Boolean, ColumnType::Text]);
    let rows = read_touches(&spec(&path), &mapping).unwrap();
    assert_eq!(rows[7].customer, Value::Int(7));
    assert_eq!(rows[7].attributes, [text_value("7"), Value::Null, Value::Null, Value::Boolean(false), text_value("7.50")]);
    let mut typed = spec(&path);
    typed.filter = Some("paid AND score > 1000.25 AND customer < 2000".to_owned());
    assert_eq!(read_touches(&typed, &mapping).unwrap().len(), 500);
    // One cell at the end makes the column text.
    let path = folder.write_text("y.csv", &format!("{text}x1,2025-01-01,a,true,1\n"));
    let rows = read_touches(&spec(&path), &mapping).unwrap();
    assert_eq!((&rows[7].customer, &rows[3_000].customer), (&text_value("00007"), &text_value("x1")));
}

fn text_value(cell: &str) -> Value {
    text(cell)
}

#[test]
fn files_that_infer_differently_meet_at_text() {
    let folder = Folder::new();
    folder.write_text("1.csv", "customer,time,channel,size\n007,2025-01-01,a,1\n");
    folder.write_text("2.csv", "customer,time,channel,size\nx,2025-01-01,a,2.5\n");
    let mut mapping = touches();
    mapping.campaign = Some(sql("CAST(size * 2 AS VARCHAR)"));
    let rows = read_touches(&spec(folder.path()), &mapping).unwrap();
    assert_eq!(customers(&rows), [text("007"), text("x")]);
    assert_eq!((&rows[0].attributes[1], &rows[1].attributes[1]), (&text("2.0"), &text("5.0")));
}

#[test]
fn cells_with_quotes_breaks_and_byte_order_marks() {
    let folder = Folder::new();
    let path = folder.write_text(
        "x.csv",
        "\u{feff}customer,time,channel\r\n\"a,\"\"b\"\"\",2025-01-01,\"line\none\"\r\n,2025-01-02,\"\"\r\n\"\",bad,\"(x)\"\r\n",
    );
    let rows = read_touches(&spec(&path), &touches()).unwrap();
    assert_eq!(rows[0].customer, text("a,\"b\""));
    assert_eq!(channels(&rows), ["line\none", "(not set)", "(x)"]);
    assert_eq!(rows[1].customer, Value::Null);
    assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn numbers_with_signs_and_dots_are_numbers_in_sql_too() {
    let folder = Folder::new();
    let path = folder.write_text("x.csv", "customer,time,channel,score\na,2025-01-01,x,+5\nb,2025-01-01,x,1.\nc,2025-01-01,x,.5\nd,2025-01-01,x,1E2\ne,2025-01-01,x,\"\"\nf,2025-01-01,x,inf\n");
    let mut mapping = touches();
    mapping.campaign = Some(sql("CAST(score AS VARCHAR)"));
    let rows = read_touches(&spec(&path), &mapping).unwrap();
    let scores: Vec<_> = rows.iter().map(|row| row.attributes[1].as_text().unwrap_or("null").to_owned()).collect();
    assert_eq!(scores, ["5.0", "1.0", "0.5", "100.0", "null", "inf"]);
}

#[test]
fn text_as_a_value_and_bad_shapes_are_refused() {
    let folder = Folder::new();
    let path = folder.write_text("x.csv", "id,customer,time,revenue\n1,a,2025-01-01,12\n2,a,2025-01-01,twelve\n");
    let error = ConversionSource::open(&spec(&path), &conversions()).err().unwrap();
    assert_eq!(error.fault(), Fault::Input);
    assert!(folder.plain(&error).contains("column \"revenue\" is text in x.csv, expected integers"), "{error}");
    let path = folder.write_text("y.csv", "id,customer,time,revenue\n1,a,2025-01-01,12.5\n");
    let mut minor = conversions();
    minor.values[0].unit = ValueUnit::Minor;
    assert!(folder.plain(&ConversionSource::open(&spec(&path), &minor).err().unwrap()).contains("is float64 in y.csv"));
    let path = folder.write_text("z.csv", "id,customer,time,revenue\n1,a,2025-01-01,12.5,extra,cells\n");
    let error = ConversionSource::open(&spec(&path), &conversions()).err().unwrap();
    assert!(folder.plain(&error).starts_with("cannot read z.csv: expected CSV; "), "{error}");
    let path = folder.write_text("t.csv", "customer,time,channel\na,20250101,x\n");
    let error = TouchSource::open(&spec(&path), &touches()).err().unwrap();
    assert!(folder.plain(&error).contains("column \"time\" is int64 in t.csv"), "{error}");
    let path = folder.write_bytes("bad.csv", b"customer,time,channel\n\xff\xfe,2025-01-01,x\n");
    let error = read_touches(&spec(&path), &touches()).unwrap_err();
    assert!(folder.plain(&error).starts_with("cannot read bad.csv: "), "{error}");
}

#[test]
fn a_header_alone_is_a_file_without_rows() {
    let folder = Folder::new();
    folder.write_text("1.csv", "customer,time,channel\n");
    folder.write_text("2.csv", "customer,time,channel\n1,2025-01-01,a");
    let source = TouchSource::open(&spec(folder.path()), &touches()).unwrap();
    assert_eq!(source.customer_type(), &ColumnType::Int { bits: 64, signed: true });
    assert_eq!(read_touches(&spec(folder.path()), &touches()).unwrap().len(), 1);
}
