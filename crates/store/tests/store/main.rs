//! Files and folders as their users see them.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod damage;
mod output;
mod round_trip;
mod same_bytes;

use std::path::Path;
use std::sync::Arc;

use attributary_core::table::{Column, Field, NULL_CODE, Rows, Texts};
use attributary_core::value::{ColumnType, TimeUnit, Value};
use attributary_store::{Layout, StoreError, TableFile, WrittenFile, read_table};

/// Writes some batches of rows to a file.
fn write(path: &Path, fields: &[Field], batches: &[Rows]) -> Result<WrittenFile, StoreError> {
    let mut file = TableFile::create(path, fields, &Layout::default())?;
    batches.iter().try_for_each(|rows| file.write(rows))?;
    file.finish()
}

/// Reads a file as its fields and its cells, column by column.
fn read(path: &Path) -> Result<(Vec<Field>, Vec<Vec<Value>>), StoreError> {
    let reader = read_table(path)?;
    let fields = reader.fields().to_vec();
    let mut cells = vec![Vec::new(); fields.len()];
    for rows in reader {
        let rows = rows?;
        for (cells, column) in cells.iter_mut().zip(&rows.columns) {
            cells.extend(values(column));
        }
    }
    Ok((fields, cells))
}

fn values(column: &Column) -> Vec<Value> {
    (0..column.len()).map(|row| column.value(row)).collect()
}

fn codes(codes: &[u32], dictionary: &[Value]) -> Column {
    Column::Codes { codes: codes.to_vec(), dictionary: Arc::new(dictionary.to_vec()) }
}

fn texts(cells: &[Option<&str>]) -> Column {
    let mut texts = Texts::default();
    cells.iter().for_each(|cell| texts.push(*cell));
    Column::Texts(texts)
}

/// One column of each type, with nulls, four rows.
fn every_type() -> (Vec<Field>, Rows) {
    let int = |bits, signed| ColumnType::Int { bits, signed };
    let time = |unit, zone: Option<&str>| ColumnType::Timestamp { unit, zone: zone.map(Arc::from) };
    let some = |numbers: [i128; 3]| {
        let [a, b, c] = numbers.map(Value::Int);
        Column::Values(vec![a, Value::Null, b, c])
    };
    let columns = [
        (
            "text",
            ColumnType::Text,
            Column::Values(vec![Value::text("å"), Value::Null, Value::text(""), Value::text(&"long ".repeat(9))]),
        ),
        ("ids", ColumnType::Text, texts(&[Some("a"), None, Some(""), Some("an id of more than twelve bytes")])),
        ("codes", ColumnType::Text, codes(&[2, NULL_CODE, 0, 3], &["x", "unused", "y\n", "z"].map(Value::text))),
        (
            "binary",
            ColumnType::Binary,
            Column::Values(vec![
                Value::Binary([0, 255].into()),
                Value::Null,
                Value::Binary([].into()),
                Value::Binary([7; 40].into()),
            ]),
        ),
        (
            "boolean",
            ColumnType::Boolean,
            Column::Values(vec![Value::Boolean(true), Value::Null, Value::Boolean(false), Value::Boolean(true)]),
        ),
        ("int8", int(8, true), some([-128, 0, 127])),
        ("int16", int(16, true), some([-32_768, 0, 32_767])),
        ("int32", int(32, true), some([i32::MIN.into(), 0, i32::MAX.into()])),
        ("int64", int(64, true), some([i64::MIN.into(), 0, i64::MAX.into()])),
        ("uint8", int(8, false), some([0, 1, 255])),
        ("uint16", int(16, false), some([0, 1, 65_535])),
        ("uint32", int(32, false), some([0, 1, u32::MAX.into()])),
        ("uint64", int(64, false), some([0, 1, u64::MAX.into()])),
        ("float32", ColumnType::Float { bits: 32 }, Column::Floats(vec![Some(0.5), None, Some(-1.25), Some(f64::INFINITY)])),
        ("float64", ColumnType::Float { bits: 64 }, Column::Floats(vec![Some(0.1), None, Some(-0.0), Some(f64::MAX)])),
        ("share", ColumnType::SHARE, some([-(10_i128.pow(38) - 1), 0, 10_i128.pow(38) - 1])),
        ("decimal", ColumnType::Decimal { precision: 7, scale: 2 }, some([-9_999_999, 0, 9_999_999])),
        ("date", ColumnType::Date, some([-719_162, 0, 2_932_896])),
        ("seconds", time(TimeUnit::Second, None), some([-1, 0, 1])),
        ("millis", time(TimeUnit::Milli, Some("Europe/Stockholm")), some([-1, 0, 1])),
        ("micros", ColumnType::instant(), some([-62_135_596_800_000_000, 0, 253_402_300_799_999_999])),
        ("nanos", time(TimeUnit::Nano, Some("+02:00")), some([i64::MIN.into(), 0, i64::MAX.into()])),
        ("empty", ColumnType::Text, codes(&[NULL_CODE; 4], &[])),
        ("day_codes", ColumnType::Date, codes(&[1, NULL_CODE, 0, 1], &[Value::Int(20_000), Value::Null])),
    ];
    let fields = columns.iter().map(|(name, kind, _)| Field::new(*name, kind.clone())).collect();
    (fields, Rows { columns: columns.into_iter().map(|(_, _, column)| column).collect() })
}
