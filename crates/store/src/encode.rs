//! Cells to arrow arrays, some rows of one column at a time.

use std::fmt::Display;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::builder::{BinaryViewBuilder, StringViewBuilder};
use arrow::array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{ArrayRef, BooleanArray, Float32Array, Float64Array, PrimitiveArray, UInt32Array, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::compute::take;
use attributary_core::table::{Column, Field, NULL_CODE};
use attributary_core::value::{ColumnType, TimeUnit, Value};

use crate::schema::{Form, arrow_type};

/// Makes the arrays of one field. It remembers the last dictionary, so that one that comes again and again is converted once.
pub(crate) struct Encoder {
    pub(crate) field: Field,
    dictionary: Option<(Arc<Vec<Value>>, ArrayRef)>,
}

/// What was found where it does not fit the field.
#[derive(Debug)]
pub(crate) struct Misfit(pub(crate) String);

impl Encoder {
    pub(crate) fn new(field: &Field) -> Self {
        Self { field: field.clone(), dictionary: None }
    }

    /// The array of some rows of a column.
    pub(crate) fn array(&mut self, column: &Column, rows: Range<usize>) -> Result<ArrayRef, Misfit> {
        let kind = &self.field.kind;
        match column {
            Column::Ints(cells) => integer_array(kind, &Integers::Narrow(&cells[rows])),
            Column::Wide(cells) => integer_array(kind, &Integers::Wide(&cells[rows])),
            Column::Floats(cells) => float_array(kind, cells[rows].iter().map(|cell| Ok(*cell))),
            Column::Texts(cells) => match kind {
                ColumnType::Text => text_array(rows.map(|row| Ok(cells.get(row)))),
                _ => Err(Misfit("texts".to_owned())),
            },
            Column::Values(cells) => array_of(kind, &cells[rows]),
            Column::Codes { codes, dictionary } => self.coded(&codes[rows], dictionary),
        }
    }

    fn coded(&mut self, codes: &[u32], dictionary: &Arc<Vec<Value>>) -> Result<ArrayRef, Misfit> {
        let size = dictionary.len();
        if let Some(code) = codes.iter().find(|code| **code as usize >= size && **code != NULL_CODE) {
            return Err(Misfit(format!("code {code} of a dictionary of {size}")));
        }
        if size == 0 {
            return Ok(new_null_array(&arrow_type(&self.field.kind, Form::Memory), codes.len()));
        }
        let values = match &self.dictionary {
            Some((known, values)) if Arc::ptr_eq(known, dictionary) => Arc::clone(values),
            _ => {
                let values = array_of(&self.field.kind, dictionary)?;
                self.dictionary = Some((Arc::clone(dictionary), Arc::clone(&values)));
                values
            }
        };
        let nulls = codes.contains(&NULL_CODE).then(|| codes.iter().map(|code| *code != NULL_CODE).collect::<NullBuffer>());
        let places = codes.iter().map(|code| if *code == NULL_CODE { 0 } else { *code }).collect::<Vec<_>>();
        take(&values, &UInt32Array::new(places.into(), nulls), None).map_err(|error| Misfit(error.to_string()))
    }
}

/// The array of cells of any kind.
fn array_of(kind: &ColumnType, cells: &[Value]) -> Result<ArrayRef, Misfit> {
    match kind {
        ColumnType::Text => text_array(cells.iter().map(|cell| match cell {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.as_ref())),
            other => Err(misfit(other)),
        })),
        ColumnType::Binary => {
            let cells = cells.iter().map(|cell| match cell {
                Value::Null => Ok(None),
                Value::Binary(bytes) => Ok(Some(bytes.as_ref())),
                other => Err(misfit(other)),
            });
            let long = long_bytes(cells.clone(), <[u8]>::len);
            let mut builder = BinaryViewBuilder::new().with_fixed_block_size(long);
            for cell in cells {
                builder.append_option(cell?);
            }
            Ok(Arc::new(builder.finish()))
        }
        ColumnType::Boolean => {
            let truths = cells.iter().map(|cell| match cell {
                Value::Null => Ok(None),
                Value::Boolean(truth) => Ok(Some(*truth)),
                other => Err(misfit(other)),
            });
            Ok(Arc::new(truths.collect::<Result<BooleanArray, _>>()?))
        }
        ColumnType::Float { .. } => float_array(
            kind,
            cells.iter().map(|cell| match cell {
                Value::Null => Ok(None),
                other => other.as_float().map(Some).ok_or_else(|| misfit(other)),
            }),
        ),
        _ => integer_array(kind, &Integers::Values(cells)),
    }
}

fn text_array<'a>(cells: impl Iterator<Item = Result<Option<&'a str>, Misfit>> + Clone) -> Result<ArrayRef, Misfit> {
    let mut builder = StringViewBuilder::new().with_fixed_block_size(long_bytes(cells.clone(), str::len));
    for cell in cells {
        builder.append_option(cell?);
    }
    Ok(Arc::new(builder.finish()))
}

/// The size of the block for texts too long for a view itself, which holds 12 bytes: one block takes them all, up to
/// 64 MiB, instead of many that are mostly empty. A text longer than that gets a block of its own.
fn long_bytes<'a, T: ?Sized + 'a>(
    cells: impl Iterator<Item = Result<Option<&'a T>, Misfit>>,
    length: impl Fn(&T) -> usize,
) -> u32 {
    let long: usize = cells.flatten().flatten().map(length).filter(|length| *length > 12).sum();
    long.clamp(1, 64 << 20) as u32
}

fn float_array(kind: &ColumnType, cells: impl Iterator<Item = Result<Option<f64>, Misfit>>) -> Result<ArrayRef, Misfit> {
    match kind {
        ColumnType::Float { bits: 0..=32 } => {
            let narrow = cells.map(|cell| match cell? {
                None => Ok(None),
                // A 32-bit column holds what came from a 32-bit column: no digit is dropped unseen.
                Some(wide) if wide.is_nan() || f64::from(wide as f32) == wide => Ok(Some(wide as f32)),
                Some(wide) => Err(Misfit(format!("the float {wide}"))),
            });
            Ok(Arc::new(narrow.collect::<Result<Float32Array, _>>()?))
        }
        ColumnType::Float { .. } => Ok(Arc::new(cells.collect::<Result<Float64Array, _>>()?)),
        _ => Err(Misfit("floats".to_owned())),
    }
}

/// Cells of a column whose type is some kind of integer.
enum Integers<'a> {
    Narrow(&'a [i64]),
    Wide(&'a [i128]),
    Values(&'a [Value]),
}

impl Integers<'_> {
    fn array<T>(&self) -> Result<PrimitiveArray<T>, Misfit>
    where
        T: ArrowPrimitiveType,
        T::Native: TryFrom<i64> + TryFrom<i128>,
    {
        fn fit<N: TryFrom<I>, I: Copy + Display>(cell: I) -> Result<N, Misfit> {
            N::try_from(cell).map_err(|_| Misfit(format!("the number {cell}")))
        }
        match self {
            Self::Narrow(cells) => {
                let cells = cells.iter().map(|cell| fit(*cell)).collect::<Result<Vec<T::Native>, _>>()?;
                Ok(PrimitiveArray::new(cells.into(), None))
            }
            Self::Wide(cells) => {
                let cells = cells.iter().map(|cell| fit(*cell)).collect::<Result<Vec<T::Native>, _>>()?;
                Ok(PrimitiveArray::new(cells.into(), None))
            }
            Self::Values(cells) => {
                let cells = cells.iter().map(|cell| match cell {
                    Value::Null => Ok(None),
                    Value::Int(number) => fit(*number).map(Some),
                    other => Err(misfit(other)),
                });
                cells.collect()
            }
        }
    }

    /// Unsigned ones of 64 bits: by their bits where they come as such, by value otherwise.
    fn unsigned(&self) -> Result<PrimitiveArray<UInt64Type>, Misfit> {
        match self {
            Self::Narrow(cells) => {
                Ok(PrimitiveArray::new(cells.iter().map(|cell| *cell as u64).collect::<Vec<_>>().into(), None))
            }
            _ => self.array(),
        }
    }

    /// Unscaled decimals of up to `precision` digits.
    fn decimals(&self, precision: u8, scale: u8) -> Result<PrimitiveArray<Decimal128Type>, Misfit> {
        let array = self.array::<Decimal128Type>()?;
        let bound = 10_i128.pow(u32::from(precision.min(38)));
        let too_long = |number: &i128| !(-bound < *number && *number < bound);
        if array.values().iter().any(too_long) {
            let number = array.iter().flatten().find(too_long).unwrap_or_default();
            return Err(Misfit(format!("the unscaled number {number}")));
        }
        array.with_precision_and_scale(precision, scale as i8).map_err(|error| Misfit(error.to_string()))
    }
}

fn integer_array(kind: &ColumnType, cells: &Integers<'_>) -> Result<ArrayRef, Misfit> {
    Ok(match kind {
        ColumnType::Int { bits: 0..=8, signed: true } => Arc::new(cells.array::<Int8Type>()?),
        ColumnType::Int { bits: 9..=16, signed: true } => Arc::new(cells.array::<Int16Type>()?),
        ColumnType::Int { bits: 17..=32, signed: true } => Arc::new(cells.array::<Int32Type>()?),
        ColumnType::Int { signed: true, .. } => Arc::new(cells.array::<Int64Type>()?),
        ColumnType::Int { bits: 0..=8, signed: false } => Arc::new(cells.array::<UInt8Type>()?),
        ColumnType::Int { bits: 9..=16, signed: false } => Arc::new(cells.array::<UInt16Type>()?),
        ColumnType::Int { bits: 17..=32, signed: false } => Arc::new(cells.array::<UInt32Type>()?),
        ColumnType::Int { signed: false, .. } => Arc::new(cells.unsigned()?),
        ColumnType::Decimal { precision, scale } => Arc::new(cells.decimals(*precision, *scale)?),
        ColumnType::Date => Arc::new(cells.array::<Date32Type>()?),
        ColumnType::Timestamp { unit, zone } => match unit {
            TimeUnit::Second => Arc::new(cells.array::<TimestampSecondType>()?.with_timezone_opt(zone.clone())),
            TimeUnit::Milli => Arc::new(cells.array::<TimestampMillisecondType>()?.with_timezone_opt(zone.clone())),
            TimeUnit::Micro => Arc::new(cells.array::<TimestampMicrosecondType>()?.with_timezone_opt(zone.clone())),
            TimeUnit::Nano => Arc::new(cells.array::<TimestampNanosecondType>()?.with_timezone_opt(zone.clone())),
        },
        ColumnType::Text | ColumnType::Binary | ColumnType::Boolean | ColumnType::Float { .. } => {
            return Err(Misfit("integers".to_owned()));
        }
    })
}

fn misfit(value: &Value) -> Misfit {
    Misfit(match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(truth) => format!("the boolean {truth}"),
        Value::Int(number) => format!("the number {number}"),
        Value::Float(_) => format!("the float {}", value.as_float().unwrap_or_default()),
        Value::Text(text) => format!("the text {:?}", text.chars().take(40).collect::<String>()),
        Value::Binary(bytes) => format!("{} bytes", bytes.len()),
    })
}
