//! Customers and ids of a batch: the columns as polars read them, without a copy.

use std::sync::Arc;

use attributary_core::batch::Identities;
use attributary_core::key::Key;
use attributary_core::value::Value;
use polars::prelude::{DataType, IntoSeries, PolarsResult, Series, StringChunked, polars_bail};
use polars_arrow::array::{Array, BinaryViewArray, PrimitiveArray, StaticArray, Utf8ViewArray};
use polars_arrow::types::NativeType;

/// The identities of a column of text, binary or integers of any width.
pub(crate) fn identities(column: &Series) -> PolarsResult<Arc<dyn Identities>> {
    macro_rules! integers {
        ($cells:expr) => {
            Arc::new(Integers($cells?.rechunk().downcast_as_array().clone()))
        };
    }
    Ok(match column.dtype() {
        DataType::String => Arc::new(Texts(column.str()?.rechunk().downcast_as_array().clone())),
        DataType::Binary => Arc::new(Bytes(column.binary()?.rechunk().downcast_as_array().clone())),
        DataType::Int8 => integers!(column.i8()),
        DataType::Int16 => integers!(column.i16()),
        DataType::Int32 => integers!(column.i32()),
        DataType::Int64 => integers!(column.i64()),
        DataType::UInt8 => integers!(column.u8()),
        DataType::UInt16 => integers!(column.u16()),
        DataType::UInt32 => integers!(column.u32()),
        DataType::UInt64 => integers!(column.u64()),
        DataType::Null => Arc::new(Nothing(column.len())),
        DataType::Categorical(..) | DataType::Enum(..) => return identities(&column.cast(&DataType::String)?),
        other => polars_bail!(SchemaMismatch: "a key of type {}", other),
    })
}

/// The identities of a column that names something or nothing: an empty text is a null.
pub(crate) fn named(column: &Series) -> PolarsResult<Arc<dyn Identities>> {
    if column.dtype() == &DataType::String && column.str()?.iter().any(|text| text == Some("")) {
        let texts: StringChunked = column.str()?.iter().map(|text| text.filter(|text| !text.is_empty())).collect();
        return identities(&texts.into_series());
    }
    identities(column)
}

struct Texts(Utf8ViewArray);

impl Identities for Texts {
    fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    fn value(&self, row: usize) -> Value {
        self.0.get(row).map_or(Value::Null, Value::text)
    }

    fn append_ordered_bytes(&self, row: usize, bytes: &mut Vec<u8>) {
        if let Some(text) = self.0.get(row) {
            bytes.extend_from_slice(text.as_bytes());
        }
    }

    fn key(&self, row: usize) -> Key {
        Key::from_bytes(self.0.value(row).as_bytes())
    }

    fn has_nulls(&self) -> bool {
        self.0.null_count() > 0
    }

    fn hashes(&self, hashes: &mut Vec<u64>) {
        hashes.clear();
        hashes.extend(self.0.values_iter().map(|text| Key::from_bytes(text.as_bytes()).hash()));
    }

    fn keys_of(&self, rows: &[u32], keys: &mut Vec<Key>) {
        keys.clear();
        keys.extend(rows.iter().map(|row| self.key(*row as usize)));
    }
}

struct Bytes(BinaryViewArray);

impl Identities for Bytes {
    fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    fn value(&self, row: usize) -> Value {
        self.0.get(row).map_or(Value::Null, |bytes| Value::Binary(bytes.into()))
    }

    fn append_ordered_bytes(&self, row: usize, bytes: &mut Vec<u8>) {
        if let Some(own) = self.0.get(row) {
            bytes.extend_from_slice(own);
        }
    }

    fn key(&self, row: usize) -> Key {
        Key::from_bytes(self.0.value(row))
    }

    fn has_nulls(&self) -> bool {
        self.0.null_count() > 0
    }

    fn hashes(&self, hashes: &mut Vec<u64>) {
        hashes.clear();
        hashes.extend(self.0.values_iter().map(|bytes| Key::from_bytes(bytes).hash()));
    }

    fn keys_of(&self, rows: &[u32], keys: &mut Vec<Key>) {
        keys.clear();
        keys.extend(rows.iter().map(|row| self.key(*row as usize)));
    }
}

struct Integers<T: NativeType>(PrimitiveArray<T>);

impl<T: NativeType + Into<i128>> Identities for Integers<T> {
    fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    fn value(&self, row: usize) -> Value {
        self.0.get(row).map_or(Value::Null, |number| Value::Int(number.into()))
    }

    fn append_ordered_bytes(&self, row: usize, bytes: &mut Vec<u8>) {
        if let Some(number) = self.0.get(row) {
            Value::append_ordered_int(number.into(), bytes);
        }
    }

    fn key(&self, row: usize) -> Key {
        Key::from_int(self.0.value(row).into())
    }

    fn has_nulls(&self) -> bool {
        self.0.null_count() > 0
    }

    fn hashes(&self, hashes: &mut Vec<u64>) {
        hashes.clear();
        hashes.extend(self.0.values().iter().map(|number| Key::from_int((*number).into()).hash()));
    }

    fn keys_of(&self, rows: &[u32], keys: &mut Vec<Key>) {
        keys.clear();
        keys.extend(rows.iter().map(|row| self.key(*row as usize)));
    }
}

/// A column of nulls.
struct Nothing(usize);

impl Identities for Nothing {
    fn is_null(&self, _: usize) -> bool {
        true
    }

    fn value(&self, _: usize) -> Value {
        Value::Null
    }

    fn append_ordered_bytes(&self, _: usize, _: &mut Vec<u8>) {}

    fn key(&self, _: usize) -> Key {
        Key::from_int(0)
    }

    fn has_nulls(&self) -> bool {
        self.0 > 0
    }

    fn hashes(&self, hashes: &mut Vec<u64>) {
        hashes.clear();
        hashes.resize(self.0, Key::from_int(0).hash());
    }

    fn keys_of(&self, rows: &[u32], keys: &mut Vec<Key>) {
        keys.clear();
        keys.resize(rows.len(), Key::from_int(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{NamedFrom, PlSmallStr};

    #[test]
    fn every_kind_agrees_with_its_values() {
        let long = "a key of more than fifteen bytes";
        let texts = Series::new(PlSmallStr::EMPTY, [Some("a"), None, Some(""), Some(long)]);
        let columns = [
            texts.cast(&DataType::Binary).expect("binary"),
            texts,
            Series::new(PlSmallStr::EMPTY, [Some(-1_i8), None, Some(i8::MIN)]),
            Series::new(PlSmallStr::EMPTY, [Some(u64::MAX), None, Some(0)]),
            Series::new(PlSmallStr::EMPTY, [Some(-70_000_i32), None, Some(7)]),
            Series::full_null(PlSmallStr::EMPTY, 2, &DataType::Null),
        ];
        for column in columns {
            let keys = identities(&column).expect("keys");
            for row in 0..column.len() {
                let (value, mut bytes) = (keys.value(row), Vec::new());
                keys.append_ordered_bytes(row, &mut bytes);
                assert_eq!(bytes, value.to_ordered_bytes(), "{column:?}");
                assert_eq!(keys.is_null(row), value.is_null());
                let key = match &value {
                    Value::Text(text) => Key::from_bytes(text.as_bytes()),
                    Value::Binary(bytes) => Key::from_bytes(bytes),
                    Value::Int(number) => Key::from_int(*number),
                    _ => continue,
                };
                assert_eq!(keys.key(row), key);
            }
            let rows: Vec<u32> = (0..column.len() as u32).collect();
            let expected: Vec<_> = rows.iter().map(|row| keys.key(*row as usize)).collect();
            let (mut all, mut hashes) = (Vec::new(), Vec::new());
            keys.keys_of(&rows, &mut all);
            keys.hashes(&mut hashes);
            assert_eq!((hashes, all), (expected.iter().map(|key| key.hash()).collect(), expected));
            assert_eq!(keys.has_nulls(), column.null_count() > 0);
        }
        assert!(identities(&Series::new(PlSmallStr::EMPTY, [1.5])).is_err());
    }
}
