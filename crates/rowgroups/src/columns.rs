//! Arrow arrays as the columns of a batch.

use std::sync::Arc;

use arrow::array::types::{
    ArrowPrimitiveType, Date32Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, DictionaryArray, PrimitiveArray, StringViewArray};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use attributary_core::NOT_SET;
use attributary_core::batch::{Coded, Identities};
use attributary_core::key::Key;
use attributary_core::table::NULL_CODE;
use attributary_core::value::Value;
use rustc_hash::FxHashMap;

/// The dictionary of a column's last batch: most batches of a row group share it.
pub(crate) struct Dictionaries {
    /// Whether nulls and empty texts are `(not set)`.
    not_set: bool,
    last: Option<Known>,
}

struct Known {
    values: ArrayRef,
    dictionary: Arc<Vec<Value>>,
    /// For each place of the values its code.
    codes: Vec<u32>,
    /// Whether each code is its place, as in all dictionaries that say no text twice.
    same: bool,
    /// The code of a null.
    null: u32,
}

impl Dictionaries {
    pub fn new(not_set: bool) -> Self {
        Self { not_set, last: None }
    }

    /// Distinct values of an array of texts, and the code of each of its places.
    fn texts(&mut self, values: &ArrayRef) -> &Known {
        let known = self.last.take().filter(|known| known.values.to_data().ptr_eq(&values.to_data()));
        self.last.insert(known.unwrap_or_else(|| Known::of(values, self.not_set)))
    }
}

impl Known {
    fn of(values: &ArrayRef, not_set: bool) -> Self {
        let texts = values.as_string::<i32>();
        let mut places: FxHashMap<&str, u32> = FxHashMap::default();
        let mut dictionary = Vec::new();
        let mut code = |text| {
            let text = if not_set && str::is_empty(text) { NOT_SET } else { text };
            *places.entry(text).or_insert_with(|| {
                dictionary.push(Value::text(text));
                dictionary.len() as u32 - 1
            })
        };
        // Dictionaries of several pages may say the same text twice.
        let mut codes: Vec<u32> = texts.iter().map(|text| text.map_or(NULL_CODE, &mut code)).collect();
        let null = if not_set { code("") } else { NULL_CODE };
        codes.iter_mut().filter(|code| **code == NULL_CODE).for_each(|code| *code = null);
        let same = codes.iter().zip(0..).all(|(code, place)| *code == place);
        Self { values: Arc::clone(values), dictionary: Arc::new(dictionary), codes, same, null }
    }
}

/// A column of few distinct values.
pub(crate) fn coded(column: &ArrayRef, dictionaries: &mut Dictionaries) -> Result<Coded, ArrowError> {
    macro_rules! integers {
        ($kind:ty) => {{
            let cells = column.as_primitive::<$kind>();
            Ok(distinct(cells.iter().map(|cell| cell.map(i128::from)), Value::Int))
        }};
    }
    match column.data_type() {
        DataType::Dictionary(..) => Ok(texts(column.as_dictionary::<Int32Type>(), dictionaries)),
        DataType::Boolean => Ok(distinct(column.as_boolean().iter(), Value::Boolean)),
        DataType::Date32 => integers!(Date32Type),
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::UInt8 => integers!(UInt8Type),
        DataType::UInt16 => integers!(UInt16Type),
        DataType::UInt32 => integers!(UInt32Type),
        DataType::UInt64 => integers!(UInt64Type),
        other => Err(ArrowError::SchemaError(format!("a group of type {other}"))),
    }
}

fn texts(column: &DictionaryArray<Int32Type>, dictionaries: &mut Dictionaries) -> Coded {
    let Known { dictionary, codes: places, same, null, .. } = dictionaries.texts(column.values());
    let keys = column.keys();
    let mut codes: Vec<u32> = if *same {
        keys.values().iter().map(|key| *key as u32).collect()
    } else {
        // What stands where a row is null may be no place at all.
        keys.values().iter().map(|key| places.get(*key as usize).copied().unwrap_or(*null)).collect()
    };
    if let Some(nulls) = keys.nulls() {
        codes.iter_mut().zip(nulls).filter(|(_, present)| !present).for_each(|(code, _)| *code = *null);
    }
    Coded { codes, dictionary: Arc::clone(dictionary) }
}

fn distinct<T: Copy + Eq + std::hash::Hash>(cells: impl Iterator<Item = Option<T>>, value: impl Fn(T) -> Value) -> Coded {
    let mut places: FxHashMap<T, u32> = FxHashMap::default();
    let mut dictionary = Vec::new();
    let mut code = |cell: T| {
        *places.entry(cell).or_insert_with(|| {
            dictionary.push(value(cell));
            dictionary.len() as u32 - 1
        })
    };
    let codes = cells.map(|cell| cell.map_or(NULL_CODE, &mut code)).collect();
    Coded { codes, dictionary: Arc::new(dictionary) }
}

/// The identities of a column of text, binary or integers.
pub(crate) fn identities(column: &ArrayRef) -> Result<Arc<dyn Identities>, ArrowError> {
    macro_rules! integers {
        ($kind:ty) => {
            Arc::new(Integers(column.as_primitive::<$kind>().clone()))
        };
    }
    Ok(match column.data_type() {
        DataType::Utf8View => Arc::new(Bytes { cells: column.as_string_view().clone().to_binary_view(), text: true }),
        DataType::BinaryView => Arc::new(Bytes { cells: column.as_binary_view().clone(), text: false }),
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::UInt8 => integers!(UInt8Type),
        DataType::UInt16 => integers!(UInt16Type),
        DataType::UInt32 => integers!(UInt32Type),
        DataType::UInt64 => integers!(UInt64Type),
        other => return Err(ArrowError::SchemaError(format!("a key of type {other}"))),
    })
}

/// The identities of a column that names something or nothing: an empty text is a null.
pub(crate) fn named(column: &ArrayRef) -> Result<Arc<dyn Identities>, ArrowError> {
    if let Some(texts) = column.as_string_view_opt().filter(|texts| texts.iter().any(|text| text == Some(""))) {
        let texts: StringViewArray = texts.iter().map(|text| text.filter(|text| !text.is_empty())).collect();
        return Ok(Arc::new(Bytes { cells: texts.to_binary_view(), text: true }));
    }
    identities(column)
}

/// Texts, or bytes.
struct Bytes {
    cells: BinaryViewArray,
    text: bool,
}

impl Identities for Bytes {
    fn is_null(&self, row: usize) -> bool {
        self.cells.is_null(row)
    }

    fn value(&self, row: usize) -> Value {
        let bytes = self.cells.value(row);
        match self.text {
            _ if self.cells.is_null(row) => Value::Null,
            // The reader has seen that they are UTF-8.
            true => Value::text(&String::from_utf8_lossy(bytes)),
            false => Value::Binary(bytes.into()),
        }
    }

    fn append_ordered_bytes(&self, row: usize, bytes: &mut Vec<u8>) {
        if !self.cells.is_null(row) {
            bytes.extend_from_slice(self.cells.value(row));
        }
    }

    fn key(&self, row: usize) -> Key {
        Key::from_bytes(self.cells.value(row))
    }

    fn has_nulls(&self) -> bool {
        self.cells.null_count() > 0
    }

    fn hashes(&self, hashes: &mut Vec<u64>) {
        hashes.clear();
        hashes.extend((0..self.cells.len()).map(|row| self.key(row).hash()));
    }

    fn keys_of(&self, rows: &[u32], keys: &mut Vec<Key>) {
        keys.clear();
        keys.extend(rows.iter().map(|row| self.key(*row as usize)));
    }
}

struct Integers<T: ArrowPrimitiveType>(PrimitiveArray<T>);

impl<T: ArrowPrimitiveType> Identities for Integers<T>
where
    T::Native: Into<i128>,
{
    fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    fn value(&self, row: usize) -> Value {
        if self.0.is_null(row) { Value::Null } else { Value::Int(self.0.value(row).into()) }
    }

    fn append_ordered_bytes(&self, row: usize, bytes: &mut Vec<u8>) {
        if !self.0.is_null(row) {
            Value::append_ordered_int(self.0.value(row).into(), bytes);
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
