//! Value columns of any number type as exact minor units.

use attributary_core::money::{Rounded, from_decimal, from_float, from_minor, parse_decimal};
use polars::prelude::{DataType, PolarsResult, Series, polars_bail};

use crate::ValueUnit;

/// The amounts of a column; none where a cell is null, not finite or too large.
pub(crate) fn amounts(column: &Series, unit: ValueUnit, exponent: u8) -> PolarsResult<Vec<Option<Rounded>>> {
    let whole = |number: i128| match unit {
        ValueUnit::Major => from_decimal(number, 0, exponent),
        ValueUnit::Minor => from_minor(number),
    };
    macro_rules! integers {
        ($cells:expr) => {
            $cells.iter().map(|cell| whole(cell?.into())).collect()
        };
    }
    Ok(match column.dtype() {
        DataType::Int8 => integers!(column.i8()?),
        DataType::Int16 => integers!(column.i16()?),
        DataType::Int32 => integers!(column.i32()?),
        DataType::Int64 => integers!(column.i64()?),
        DataType::UInt8 => integers!(column.u8()?),
        DataType::UInt16 => integers!(column.u16()?),
        DataType::UInt32 => integers!(column.u32()?),
        DataType::UInt64 => integers!(column.u64()?),
        DataType::Float32 => column.f32()?.iter().map(|cell| from_float(cell?.into(), exponent)).collect(),
        DataType::Float64 => column.f64()?.iter().map(|cell| from_float(cell?, exponent)).collect(),
        DataType::Decimal(_, scale) => {
            let scale = *scale as u32;
            column.decimal()?.physical().iter().map(|cell| from_decimal(cell?, scale, exponent)).collect()
        }
        // Only CSV comes as text, of which every cell was seen to be a number when it was opened.
        DataType::String => {
            let read = |cell: Option<&str>| {
                let (unscaled, scale) = parse_decimal(cell?)??;
                match unit {
                    ValueUnit::Major => from_decimal(unscaled, scale, exponent),
                    ValueUnit::Minor => {
                        if scale == 0 {
                            from_minor(unscaled)
                        } else {
                            None
                        }
                    }
                }
            };
            column.str()?.iter().map(read).collect()
        }
        DataType::Null => vec![None; column.len()],
        other => polars_bail!(SchemaMismatch: "an amount of type {}", other),
    })
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

    trait Magnitude {
        fn abs_or_self(&self) -> Series;
    }

    impl Magnitude for Series {
        fn abs_or_self(&self) -> Series {
            self.i64().expect("ints").iter().map(|it| it.map(i64::abs)).collect()
        }
    }
}
