//! Columns of amounts as exact minor units.

use arrow::array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use attributary_core::money::{Given, Rounded};

use crate::Amount;

/// Whether a column of this type can be an amount.
pub(crate) fn is_known(kind: &DataType, amount: &Amount) -> bool {
    let decimal = matches!(kind, DataType::Decimal128(_, 0..));
    kind.is_integer() || (!amount.minor && (decimal || matches!(kind, DataType::Float32 | DataType::Float64)))
}

/// The amounts of a column; none where a cell is null, not finite or too large.
pub(crate) fn amounts(column: &ArrayRef, amount: &Amount) -> Result<Vec<Option<Rounded>>, ArrowError> {
    let mut amounts = Vec::with_capacity(column.len());
    each(column, amount, |given| amounts.push(given.and_then(|given| given.rounded(amount.exponent))))?;
    Ok(amounts)
}

/// Gives each cell of a column to `take`; none where it is null.
pub(crate) fn each(column: &ArrayRef, amount: &Amount, mut take: impl FnMut(Option<Given>)) -> Result<(), ArrowError> {
    let whole = |number: i128| {
        if amount.minor { Given::Minor(number) } else { Given::Decimal { unscaled: number, scale: 0 } }
    };
    macro_rules! integers {
        ($kind:ty) => {
            column.as_primitive::<$kind>().iter().for_each(|cell| take(cell.map(|cell| whole(cell.into()))))
        };
    }
    match column.data_type() {
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::UInt8 => integers!(UInt8Type),
        DataType::UInt16 => integers!(UInt16Type),
        DataType::UInt32 => integers!(UInt32Type),
        DataType::UInt64 => integers!(UInt64Type),
        DataType::Float32 => {
            column.as_primitive::<Float32Type>().iter().for_each(|cell| take(cell.map(|cell| Given::Float(cell.into()))));
        }
        DataType::Float64 => column.as_primitive::<Float64Type>().iter().for_each(|cell| take(cell.map(Given::Float))),
        DataType::Decimal128(_, scale) => {
            let scale = u32::from(scale.unsigned_abs());
            let decimals = column.as_primitive::<Decimal128Type>().iter();
            decimals.for_each(|cell| take(cell.map(|unscaled| Given::Decimal { unscaled, scale })));
        }
        other => return Err(ArrowError::SchemaError(format!("an amount of type {other}"))),
    }
    Ok(())
}
