//! Columns of few distinct values as codes and a dictionary of one batch, each text looked at about once.

use std::sync::Arc;

use attributary_core::NOT_SET;
use attributary_core::batch::Coded;
use attributary_core::table::NULL_CODE;
use attributary_core::value::Value;
use polars::prelude::{DataType, PolarsResult, Series, StringChunked, polars_bail};
use polars_arrow::array::Array;
use rustc_hash::FxHashMap;

/// A column of channels: null and empty are `(not set)`.
pub(crate) fn channels(column: &Series) -> PolarsResult<Coded> {
    Ok(with_not_set(coded(column)?))
}

/// Codes of channels in which null and empty are `(not set)`.
pub(crate) fn with_not_set(mut coded: Coded) -> Coded {
    let empty = coded.dictionary.iter().position(|value| value.as_text() == Some(""));
    let set = coded.dictionary.iter().position(|value| value.as_text() == Some(NOT_SET));
    let not_set = match (set, empty) {
        // Two entries may not be the same value: those of the empty text become the other's.
        (Some(set), Some(empty)) => {
            coded.codes.iter_mut().filter(|code| **code == empty as u32).for_each(|code| *code = set as u32);
            set
        }
        (Some(place), None) | (None, Some(place)) => place,
        (None, None) if coded.codes.contains(&NULL_CODE) => {
            Arc::make_mut(&mut coded.dictionary).push(Value::Null);
            coded.dictionary.len() - 1
        }
        (None, None) => return coded,
    };
    if coded.dictionary[not_set].as_text() != Some(NOT_SET) {
        Arc::make_mut(&mut coded.dictionary)[not_set] = Value::text(NOT_SET);
    }
    coded.codes.iter_mut().filter(|code| **code == NULL_CODE).for_each(|code| *code = not_set as u32);
    coded
}

/// A column that is not mapped.
pub(crate) fn nothing(rows: usize) -> Coded {
    Coded { codes: vec![NULL_CODE; rows], dictionary: Arc::default() }
}

/// A column of text, whole numbers, booleans, dates, timestamps or decimals.
pub(crate) fn coded(column: &Series) -> PolarsResult<Coded> {
    macro_rules! numbers {
        ($cells:expr) => {
            Ok(distinct($cells.iter().map(|cell| cell.map(i128::from)), Value::Int))
        };
    }
    match column.dtype() {
        DataType::String => Ok(texts(column.str()?)),
        DataType::Boolean => Ok(distinct(column.bool()?.iter(), Value::Boolean)),
        DataType::Int8 => numbers!(column.i8()?),
        DataType::Int16 => numbers!(column.i16()?),
        DataType::Int32 => numbers!(column.i32()?),
        DataType::Int64 => numbers!(column.i64()?),
        DataType::UInt8 => numbers!(column.u8()?),
        DataType::UInt16 => numbers!(column.u16()?),
        DataType::UInt32 => numbers!(column.u32()?),
        DataType::UInt64 => numbers!(column.u64()?),
        DataType::Date => numbers!(column.date()?.physical()),
        DataType::Datetime(..) => numbers!(column.datetime()?.physical()),
        DataType::Decimal(..) => numbers!(column.decimal()?.physical()),
        DataType::Null => Ok(nothing(column.len())),
        DataType::Categorical(..) | DataType::Enum(..) => Ok(texts(column.cast(&DataType::String)?.str()?)),
        other => polars_bail!(SchemaMismatch: "a group of type {}", other),
    }
}

fn distinct<T: Copy + Eq + std::hash::Hash>(cells: impl Iterator<Item = Option<T>>, value: impl Fn(T) -> Value) -> Coded {
    let mut places: FxHashMap<T, u32> = FxHashMap::default();
    let mut dictionary = Vec::new();
    let mut last: Option<(T, u32)> = None;
    let mut code = |cell: T| match last {
        Some((before, code)) if before == cell => code,
        _ => {
            let code = *places.entry(cell).or_insert_with(|| {
                dictionary.push(value(cell));
                dictionary.len() as u32 - 1
            });
            last = Some((cell, code));
            code
        }
    };
    let codes = cells.map(|cell| cell.map_or(NULL_CODE, &mut code)).collect();
    Coded { codes, dictionary: Arc::new(dictionary) }
}

/// A power of two: small enough for the cache of a core, large enough for the campaigns of a batch.
const SLOTS: usize = 4096;

fn texts(column: &StringChunked) -> Coded {
    let mut codes = Vec::with_capacity(column.len());
    let mut places: FxHashMap<&str, u32> = FxHashMap::default();
    let mut dictionary = Vec::new();
    for array in column.downcast_iter() {
        // A view is 16 bytes that stand for a text: within one array equal views are equal texts, so the text itself is
        // only looked at where its view is new to the slot.
        let mut slots = vec![(0_u128, NULL_CODE); SLOTS];
        for (row, view) in array.views().iter().enumerate() {
            if array.validity().is_some_and(|validity| !validity.get_bit(row)) {
                codes.push(NULL_CODE);
                continue;
            }
            let bits = view.as_u128();
            let mixed = ((bits as u64) ^ ((bits >> 64) as u64).rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let slot = &mut slots[(mixed >> 52) as usize % SLOTS];
            if slot.0 != bits || slot.1 == NULL_CODE {
                let text = array.value(row);
                let code = *places.entry(text).or_insert_with(|| {
                    dictionary.push(Value::text(text));
                    dictionary.len() as u32 - 1
                });
                *slot = (bits, code);
            }
            codes.push(slot.1);
        }
    }
    Coded { codes, dictionary: Arc::new(dictionary) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{NamedFrom, PlSmallStr, TimeUnit};
    use proptest::prelude::*;

    fn values(coded: &Coded) -> Vec<Value> {
        (0..coded.codes.len()).map(|row| coded.value(row).clone()).collect()
    }

    #[test]
    fn null_and_empty_channels_are_not_set() {
        for cells in [vec![Some("a"), None, Some("")], vec![Some(NOT_SET), Some(""), None], vec![None], vec![Some(NOT_SET), None]]
        {
            let coded = channels(&Series::new(PlSmallStr::EMPTY, &cells)).expect("codes");
            let expected: Vec<_> =
                cells.iter().map(|cell| Value::text(cell.filter(|it| !it.is_empty()).unwrap_or(NOT_SET))).collect();
            assert_eq!(values(&coded), expected);
            let used: std::collections::HashSet<_> = coded.codes.iter().map(|&code| &coded.dictionary[code as usize]).collect();
            let codes: std::collections::HashSet<_> = coded.codes.iter().collect();
            assert_eq!(used.len(), codes.len(), "one code a value");
        }
    }

    #[test]
    fn numbers_dates_and_decimals_keep_their_unit() {
        let days = Series::new(PlSmallStr::EMPTY, [Some(3_i32), None, Some(3)]);
        let dates = coded(&days.cast(&DataType::Date).expect("dates")).expect("codes");
        assert_eq!((values(&dates), dates.dictionary.len()), (vec![Value::Int(3), Value::Null, Value::Int(3)], 1));
        let times = days.cast(&DataType::Int64).and_then(|it| it.cast(&DataType::Datetime(TimeUnit::Milliseconds, None)));
        assert_eq!(values(&coded(&times.expect("times")).expect("codes"))[0], Value::Int(3));
        let decimals = days.cast(&DataType::Decimal(10, 2)).expect("decimals");
        assert_eq!(values(&coded(&decimals).expect("codes"))[0], Value::Int(300));
        let truths = Series::new(PlSmallStr::EMPTY, [Some(true), Some(false), None]);
        assert_eq!(values(&coded(&truths).expect("codes"))[1], Value::Boolean(false));
        assert!(coded(&Series::new(PlSmallStr::EMPTY, [0.5])).is_err());
    }

    proptest! {
        #[test]
        fn texts_come_back(cells in prop::collection::vec(prop::option::of("[a-c]{0,2}|[a-b]{14,15}|\\PC*"), 0..200)) {
            let column = Series::new(PlSmallStr::EMPTY, &cells);
            let coded = coded(&column).expect("codes");
            let expected: Vec<_> = cells.iter().map(|cell| cell.as_deref().map_or(Value::Null, Value::text)).collect();
            prop_assert_eq!(values(&coded), expected);
            let distinct: std::collections::BTreeSet<_> = coded.dictionary.iter().collect();
            prop_assert_eq!(distinct.len(), coded.dictionary.len());
        }
    }
}
