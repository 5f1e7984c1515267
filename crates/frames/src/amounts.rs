//! Columns of any number type as exact amounts and counts.

use attributary_core::money::{Given, Rounded, parse_decimal};
use polars::prelude::{DataType, PolarsResult, Series, polars_bail};

use crate::ValueUnit;

/// The amounts of a column; none where a cell is null, not finite or too large.
pub(crate) fn amounts(column: &Series, unit: ValueUnit, exponent: u8) -> PolarsResult<Vec<Option<Rounded>>> {
    let mut amounts = Vec::with_capacity(column.len());
    each(column, unit, |given| amounts.push(given.and_then(|given| given.rounded(exponent))))?;
    Ok(amounts)
}

/// The counts of a column; none where a cell is null, negative, no whole number or too large.
pub(crate) fn counts(column: &Series) -> PolarsResult<Vec<Option<u64>>> {
    let mut counts = Vec::with_capacity(column.len());
    each(column, ValueUnit::Major, |given| counts.push(given.and_then(count)))?;
    Ok(counts)
}

/// Gives each cell of a column to `take`; none where it is null.
pub(crate) fn each(column: &Series, unit: ValueUnit, mut take: impl FnMut(Option<Given>)) -> PolarsResult<()> {
    let whole = |number: i128| match unit {
        ValueUnit::Major => Given::Decimal { unscaled: number, scale: 0 },
        ValueUnit::Minor => Given::Minor(number),
    };
    macro_rules! integers {
        ($cells:expr) => {
            $cells.iter().for_each(|cell| take(cell.map(|cell| whole(cell.into()))))
        };
    }
    match column.dtype() {
        DataType::Int8 => integers!(column.i8()?),
        DataType::Int16 => integers!(column.i16()?),
        DataType::Int32 => integers!(column.i32()?),
        DataType::Int64 => integers!(column.i64()?),
        DataType::UInt8 => integers!(column.u8()?),
        DataType::UInt16 => integers!(column.u16()?),
        DataType::UInt32 => integers!(column.u32()?),
        DataType::UInt64 => integers!(column.u64()?),
        DataType::Float32 => column.f32()?.iter().for_each(|cell| take(cell.map(|cell| Given::Float(cell.into())))),
        DataType::Float64 => column.f64()?.iter().for_each(|cell| take(cell.map(Given::Float))),
        DataType::Decimal(_, scale) => {
            let scale = *scale as u32;
            let decimals = column.decimal()?.physical().iter();
            decimals.for_each(|cell| take(cell.map(|unscaled| Given::Decimal { unscaled, scale })));
        }
        // Only CSV comes as text, of which every cell was seen to be a number when it was opened.
        DataType::String => column.str()?.iter().for_each(|cell| take(cell.and_then(|cell| written(cell, unit)))),
        DataType::Null => (0..column.len()).for_each(|_| take(None)),
        other => polars_bail!(SchemaMismatch: "an amount of type {}", other),
    }
    Ok(())
}

fn written(cell: &str, unit: ValueUnit) -> Option<Given> {
    let (unscaled, scale) = parse_decimal(cell)??;
    match unit {
        ValueUnit::Major => Some(Given::Decimal { unscaled, scale }),
        ValueUnit::Minor => (scale == 0).then_some(Given::Minor(unscaled)),
    }
}

fn count(given: Given) -> Option<u64> {
    match given {
        Given::Decimal { unscaled: 0, .. } => Some(0),
        Given::Decimal { unscaled, scale } => {
            let unit = 10_i128.checked_pow(scale)?;
            if unscaled % unit == 0 { u64::try_from(unscaled / unit).ok() } else { None }
        }
        // 2⁶⁴ is the first that is too much.
        Given::Float(number) => {
            (number.fract() == 0.0 && (0.0..18_446_744_073_709_551_616.0).contains(&number)).then_some(number as u64)
        }
        Given::Minor(number) => u64::try_from(number).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{NamedFrom, PlSmallStr};

    fn minor(column: &Series, unit: ValueUnit) -> Vec<Option<i64>> {
        amounts(column, unit, 2).expect("amounts").iter().map(|it| it.map(|it| it.minor)).collect()
    }

    #[test]
    fn every_number_type() {
        let whole = Series::new(PlSmallStr::EMPTY, [Some(245_i64), None, Some(-1)]);
        for kind in [DataType::Int16, DataType::Int32, DataType::Int64] {
            let column = whole.cast(&kind).expect("cast");
            assert_eq!(minor(&column, ValueUnit::Major), [Some(24_500), None, Some(-100)]);
            assert_eq!(minor(&column, ValueUnit::Minor), [Some(245), None, Some(-1)]);
        }
        for kind in [DataType::UInt8, DataType::UInt16, DataType::UInt32, DataType::UInt64] {
            assert_eq!(minor(&whole.abs_or_self().cast(&kind).expect("cast"), ValueUnit::Minor)[0], Some(245));
        }
        let floats =
            Series::new(PlSmallStr::EMPTY, [Some(2.675), Some(f64::NAN), Some(f64::INFINITY), Some(1e16), Some(-0.125), None]);
        assert_eq!(minor(&floats, ValueUnit::Major), [Some(267), None, None, None, Some(-12), None]);
        let small = floats.cast(&DataType::Float32).expect("cast");
        assert_eq!(minor(&small, ValueUnit::Major)[4], Some(-12));
        let texts = Series::new(PlSmallStr::EMPTY, [Some("2.675"), Some("1e3"), Some(""), None, Some("NaN"), Some("0.005")]);
        assert_eq!(minor(&texts, ValueUnit::Major), [Some(268), Some(100_000), None, None, None, Some(0)]);
        let decimals = Series::new(PlSmallStr::EMPTY, ["2.675", "-1.005"]).cast(&DataType::Decimal(10, 3)).expect("decimals");
        assert_eq!(minor(&decimals, ValueUnit::Major), [Some(268), Some(-100)]);
        assert_eq!(minor(&Series::new(PlSmallStr::EMPTY, [u64::MAX]), ValueUnit::Minor), [None]);
        assert!(amounts(&Series::new(PlSmallStr::EMPTY, [true]), ValueUnit::Major, 2).is_err());
    }

    #[test]
    fn counts_are_whole_and_not_negative() {
        let found = |column: &Series| counts(column).expect("counts");
        let floats =
            [Some(3.0), Some(3.5), Some(-1.0), Some(-0.0), Some(f64::NAN), Some(1.8446744073709552e19), Some(1e18), None];
        let expected = [Some(3), None, None, Some(0), None, None, Some(1_000_000_000_000_000_000), None];
        assert_eq!(found(&Series::new(PlSmallStr::EMPTY, floats)), expected);
        assert_eq!(found(&Series::new(PlSmallStr::EMPTY, [Some(-1_i32), Some(0), None])), [None, Some(0), None]);
        assert_eq!(found(&Series::new(PlSmallStr::EMPTY, [u64::MAX])), [Some(u64::MAX)]);
        let texts =
            Series::new(PlSmallStr::EMPTY, ["12", "12.0", "12.5", "1e3", "1e30", "0e-99", "-4", "inf", "x", "1e-2147483648"]);
        let expected = [Some(12), Some(12), None, Some(1_000), None, Some(0), None, None, None, None];
        assert_eq!(found(&texts), expected);
        let decimals =
            Series::new(PlSmallStr::EMPTY, ["2.000", "-1.000", "1.005"]).cast(&DataType::Decimal(10, 3)).expect("decimals");
        assert_eq!(found(&decimals), [Some(2), None, None]);
        assert_eq!(found(&Series::full_null(PlSmallStr::EMPTY, 2, &DataType::Null)), [None, None]);
    }

    trait Magnitude {
        fn abs_or_self(&self) -> Series;
    }

    impl Magnitude for Series {
        fn abs_or_self(&self) -> Series {
            self.i64().expect("ints").iter().map(|it| it.map(i64::abs)).collect()
        }
    }
}
