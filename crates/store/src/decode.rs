//! Arrow arrays to cells.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use arrow::array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::error::ArrowError;
use attributary_core::table::{Column, NULL_CODE, Texts};
use attributary_core::value::{ColumnType, TimeUnit, Value};

use crate::schema::{Form, arrow_type};

/// The cells of an array of a column of type `kind`, whatever arrow type of that meaning it has.
pub(crate) fn column(kind: &ColumnType, array: &ArrayRef) -> Result<Column, ArrowError> {
    let plain = arrow_type(kind, Form::Memory);
    let array = if *array.data_type() == plain { Arc::clone(array) } else { cast(array, &plain)? };
    Ok(match kind {
        ColumnType::Text => {
            let cells = array.as_string_view();
            codes(cells.iter(), Value::text).unwrap_or_else(|| {
                let bytes = cells.lengths().map(|length| length as usize).sum();
                let mut texts = Texts::with_capacity(cells.len(), bytes);
                cells.iter().for_each(|cell| texts.push(cell));
                Column::Texts(texts)
            })
        }
        ColumnType::Binary => {
            let cells = array.as_binary_view();
            let value = |bytes: &[u8]| Value::Binary(bytes.into());
            codes(cells.iter(), value)
                .unwrap_or_else(|| Column::Values(cells.iter().map(|cell| cell.map_or(Value::Null, value)).collect()))
        }
        ColumnType::Boolean => {
            let truths = array.as_boolean().iter().map(|cell| cell.map_or(NULL_CODE, u32::from)).collect();
            Column::Codes { codes: truths, dictionary: Arc::new(vec![Value::Boolean(false), Value::Boolean(true)]) }
        }
        ColumnType::Float { bits: 0..=32 } => Column::Floats(
            array.as_primitive::<arrow::array::types::Float32Type>().iter().map(|cell| cell.map(f64::from)).collect(),
        ),
        ColumnType::Float { .. } => Column::Floats(array.as_primitive::<arrow::array::types::Float64Type>().iter().collect()),
        ColumnType::Int { bits: 0..=8, signed: true } => integers::<Int8Type>(&array, i64::from),
        ColumnType::Int { bits: 9..=16, signed: true } => integers::<Int16Type>(&array, i64::from),
        ColumnType::Int { bits: 17..=32, signed: true } => integers::<Int32Type>(&array, i64::from),
        ColumnType::Int { signed: true, .. } => integers::<Int64Type>(&array, |cell| cell),
        ColumnType::Int { bits: 0..=8, signed: false } => integers::<UInt8Type>(&array, i64::from),
        ColumnType::Int { bits: 9..=16, signed: false } => integers::<UInt16Type>(&array, i64::from),
        ColumnType::Int { bits: 17..=32, signed: false } => integers::<UInt32Type>(&array, i64::from),
        ColumnType::Int { signed: false, .. } => integers::<UInt64Type>(&array, |cell| cell as i64),
        ColumnType::Date => integers::<Date32Type>(&array, i64::from),
        ColumnType::Timestamp { unit: TimeUnit::Second, .. } => integers::<TimestampSecondType>(&array, |cell| cell),
        ColumnType::Timestamp { unit: TimeUnit::Milli, .. } => integers::<TimestampMillisecondType>(&array, |cell| cell),
        ColumnType::Timestamp { unit: TimeUnit::Micro, .. } => integers::<TimestampMicrosecondType>(&array, |cell| cell),
        ColumnType::Timestamp { unit: TimeUnit::Nano, .. } => integers::<TimestampNanosecondType>(&array, |cell| cell),
        ColumnType::Decimal { .. } => {
            let decimals = array.as_primitive::<Decimal128Type>();
            if decimals.null_count() == 0 { Column::Wide(decimals.values().to_vec()) } else { values(decimals) }
        }
    })
}

/// Plain integers where none is null, else one value each.
fn integers<T: ArrowPrimitiveType>(array: &ArrayRef, widen: impl Fn(T::Native) -> i64) -> Column
where
    i128: From<T::Native>,
{
    let cells = array.as_primitive::<T>();
    if cells.null_count() == 0 { Column::Ints(cells.values().iter().map(|cell| widen(*cell)).collect()) } else { values(cells) }
}

fn values<T: ArrowPrimitiveType>(cells: &arrow::array::PrimitiveArray<T>) -> Column
where
    i128: From<T::Native>,
{
    Column::Values(cells.iter().map(|cell| cell.map_or(Value::Null, |cell| Value::Int(cell.into()))).collect())
}

/// Each distinct cell once, in the order of its first row; none where nearly every row would need its own.
fn codes<T: Copy + Eq + Hash>(cells: impl ExactSizeIterator<Item = Option<T>>, value: impl Fn(T) -> Value) -> Option<Column> {
    let most = 256 + cells.len() / 4;
    let mut places = HashMap::new();
    let mut dictionary = Vec::new();
    let mut codes: Vec<u32> = Vec::with_capacity(cells.len());
    // Sorted tables have many of one kind in a row.
    let mut before = None;
    for cell in cells {
        let same = before == Some(cell);
        before = Some(cell);
        codes.push(match cell {
            _ if same => codes.last().copied().unwrap_or(NULL_CODE),
            None => NULL_CODE,
            Some(cell) => *places.entry(cell).or_insert_with(|| {
                dictionary.push(value(cell));
                dictionary.len() as u32 - 1
            }),
        });
        if dictionary.len() > most {
            return None;
        }
    }
    Some(Column::Codes { codes, dictionary: Arc::new(dictionary) })
}
