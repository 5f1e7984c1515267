//! Types of columns: in the words of the core, in those of polars, and in those of a message.

use std::sync::Arc;

use attributary_core::value::{ColumnType, TimeUnit};
use polars::prelude::{DataType, TimeUnit as PolarsUnit};

/// The type of a column in words of the core; none for one of nulls only.
pub(crate) fn column_type(kind: &DataType) -> Option<ColumnType> {
    let int = |bits, signed| Some(ColumnType::Int { bits, signed });
    match kind {
        DataType::String | DataType::Categorical(..) | DataType::Enum(..) => Some(ColumnType::Text),
        DataType::Binary => Some(ColumnType::Binary),
        DataType::Boolean => Some(ColumnType::Boolean),
        DataType::Int8 => int(8, true),
        DataType::Int16 => int(16, true),
        DataType::Int32 => int(32, true),
        DataType::Int64 => int(64, true),
        DataType::UInt8 => int(8, false),
        DataType::UInt16 => int(16, false),
        DataType::UInt32 => int(32, false),
        DataType::UInt64 => int(64, false),
        DataType::Float32 => Some(ColumnType::Float { bits: 32 }),
        DataType::Float64 => Some(ColumnType::Float { bits: 64 }),
        DataType::Decimal(precision, scale) => Some(ColumnType::Decimal { precision: *precision as u8, scale: *scale as u8 }),
        DataType::Date => Some(ColumnType::Date),
        DataType::Datetime(unit, zone) => {
            Some(ColumnType::Timestamp { unit: core_unit(*unit), zone: zone.as_ref().map(|zone| Arc::from(zone.as_str())) })
        }
        _ => None,
    }
}

/// The unit of a timestamp in words of the core.
pub(crate) fn core_unit(unit: PolarsUnit) -> TimeUnit {
    match unit {
        PolarsUnit::Milliseconds => TimeUnit::Milli,
        PolarsUnit::Microseconds => TimeUnit::Micro,
        PolarsUnit::Nanoseconds => TimeUnit::Nano,
    }
}

/// The polars type of a column of the core.
pub(crate) fn polars_type(kind: &ColumnType) -> DataType {
    match kind {
        ColumnType::Text => DataType::String,
        ColumnType::Binary => DataType::Binary,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Int { bits: 8, signed: true } => DataType::Int8,
        ColumnType::Int { bits: 16, signed: true } => DataType::Int16,
        ColumnType::Int { bits: 32, signed: true } => DataType::Int32,
        ColumnType::Int { signed: true, .. } => DataType::Int64,
        ColumnType::Int { bits: 8, signed: false } => DataType::UInt8,
        ColumnType::Int { bits: 16, signed: false } => DataType::UInt16,
        ColumnType::Int { bits: 32, signed: false } => DataType::UInt32,
        ColumnType::Int { signed: false, .. } => DataType::UInt64,
        ColumnType::Float { bits: 32 } => DataType::Float32,
        ColumnType::Float { .. } => DataType::Float64,
        ColumnType::Decimal { precision, scale } => DataType::Decimal((*precision).into(), (*scale).into()),
        ColumnType::Date => DataType::Date,
        ColumnType::Timestamp { unit, zone } => {
            let unit = match unit {
                TimeUnit::Second | TimeUnit::Milli => PolarsUnit::Milliseconds,
                TimeUnit::Micro => PolarsUnit::Microseconds,
                TimeUnit::Nano => PolarsUnit::Nanoseconds,
            };
            let zone = zone.as_ref().and_then(|zone| polars::prelude::TimeZone::opt_try_new(Some(&**zone)).ok().flatten());
            DataType::Datetime(unit, zone)
        }
    }
}

/// The type that holds every value of both; none where they are different things.
pub(crate) fn wider(left: &ColumnType, right: &ColumnType) -> Option<ColumnType> {
    match (left, right) {
        (left, right) if left == right => Some(left.clone()),
        (&ColumnType::Int { bits: left, signed: from }, &ColumnType::Int { bits: right, signed: to }) => {
            if from == to {
                return Some(ColumnType::Int { bits: left.max(right), signed: from });
            }
            let (signed, unsigned) = if from { (left, right) } else { (right, left) };
            let bits = signed.max(unsigned.checked_mul(2)?);
            (bits <= 64).then_some(ColumnType::Int { bits, signed: true })
        }
        _ => None,
    }
}

/// A type as a message names it.
pub(crate) fn type_name(kind: &DataType) -> String {
    match column_type(kind) {
        Some(kind) => kind.to_string(),
        None if kind.is_nested() => format!("nested ({kind})"),
        None => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_unite_to_the_width_that_holds_both() {
        let int = |bits, signed| ColumnType::Int { bits, signed };
        assert_eq!(wider(&int(8, true), &int(64, true)), Some(int(64, true)));
        assert_eq!(wider(&int(32, false), &int(16, false)), Some(int(32, false)));
        assert_eq!(wider(&int(8, true), &int(32, false)), Some(int(64, true)));
        assert_eq!(wider(&int(64, true), &int(64, false)), None);
        assert_eq!(wider(&ColumnType::Text, &int(8, true)), None);
    }

    #[test]
    fn every_type_comes_back() {
        let stamp = |unit, zone: Option<&str>| ColumnType::Timestamp { unit, zone: zone.map(Into::into) };
        let mut kinds = vec![ColumnType::Text, ColumnType::Binary, ColumnType::Boolean, ColumnType::Date, ColumnType::SHARE];
        for bits in [8, 16, 32, 64] {
            kinds.extend([true, false].map(|signed| ColumnType::Int { bits, signed }));
        }
        kinds.extend([32, 64].map(|bits| ColumnType::Float { bits }));
        for unit in [TimeUnit::Milli, TimeUnit::Micro, TimeUnit::Nano] {
            kinds.extend([stamp(unit, None), stamp(unit, Some("Europe/Stockholm"))]);
        }
        for kind in kinds {
            assert_eq!(column_type(&polars_type(&kind)), Some(kind));
        }
    }
}
