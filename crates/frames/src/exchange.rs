//! Columns of amounts in currencies of their own.

use attributary_core::exchange::{Exchanging, Market};
use attributary_core::money::Rounded;
use polars::prelude::{PolarsResult, Series};

use crate::ValueUnit;
use crate::amounts::each;
use crate::coded::coded;

/// The rates of some rows, given their currencies and times.
pub(crate) fn exchanging(column: &Series, times: &[i64], market: Option<&Market>) -> PolarsResult<Exchanging> {
    Ok(Exchanging::new(coded(column)?, times, market))
}

/// The amounts of a column in the reporting currency, which has `exponent` digits.
pub(crate) fn converted(
    exchanging: &mut Exchanging,
    column: &Series,
    unit: ValueUnit,
    exponent: u8,
) -> PolarsResult<Vec<Option<Rounded>>> {
    let mut amounts = exchanging.column(exponent);
    each(column, unit, |given| amounts.push(given))?;
    Ok(amounts.finish())
}
