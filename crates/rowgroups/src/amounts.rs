//! Columns of amounts as exact minor units.

use arrow::array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use attributary_core::money::{Rounded, from_decimal, from_float, from_minor};

use crate::Amount;

/// Whether a column of this type can be an amount.
pub(crate) fn is_known(kind: &DataType, amount: &Amount) -> bool {
    let decimal = matches!(kind, DataType::Decimal128(_, 0..));
    kind.is_integer() || (!amount.minor && (decimal || matches!(kind, DataType::Float32 | DataType::Float64)))
}

/// The amounts of a column; none where a cell is null, not finite or too large.
pub(crate) fn amounts(column: &ArrayRef, amount: &Amount) -> Result<Vec<Option<Rounded>>, ArrowError> {
    let exponent = amount.exponent;
    let whole = |number: i128| if amount.minor { from_minor(number) } else { from_decimal(number, 0, exponent) };
    macro_rules! integers {
        ($kind:ty) => {
            column.as_primitive::<$kind>().iter().map(|cell| whole(cell?.into())).collect()
        };
    }
    Ok(match column.data_type() {
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::UInt8 => integers!(UInt8Type),
        DataType::UInt16 => integers!(UInt16Type),
        DataType::UInt32 => integers!(UInt32Type),
        DataType::UInt64 => integers!(UInt64Type),
        DataType::Float32 => column.as_primitive::<Float32Type>().iter().map(|cell| from_float(cell?.into(), exponent)).collect(),
        DataType::Float64 => column.as_primitive::<Float64Type>().iter().map(|cell| from_float(cell?, exponent)).collect(),
        DataType::Decimal128(_, scale) => {
            let scale = u32::from(scale.unsigned_abs());
            column.as_primitive::<Decimal128Type>().iter().map(|cell| from_decimal(cell?, scale, exponent)).collect()
        }
        other => return Err(ArrowError::SchemaError(format!("an amount of type {other}"))),
    })
}
