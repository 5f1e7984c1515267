//! Tables as columns: what the engine hands to whoever writes them. Long, never wide: one `model` column, not one column a model.

use std::sync::Arc;

use crate::value::{ColumnType, Value};

/// A column's name and type. Every column may hold nulls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name in the file.
    pub name: String,
    /// The type in the file.
    pub kind: ColumnType,
}

impl Field {
    /// A column called `name` of type `kind`.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: ColumnType) -> Self {
        Self { name: name.into(), kind }
    }
}

/// A null among the codes of [`Column::Codes`].
pub const NULL_CODE: u32 = u32::MAX;

/// The cells of one column. Which physical form is used is free; the field's [`ColumnType`] says what the cells mean.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Integers up to 64 bits (unsigned ones by their bits), dates and timestamps, without nulls.
    Ints(Vec<i64>),
    /// Decimals by their unscaled integer, without nulls.
    Wide(Vec<i128>),
    /// Floats; none is null.
    Floats(Vec<Option<f64>>),
    /// Cells of few distinct values: `codes[row]` is a place in `dictionary`, or [`NULL_CODE`].
    Codes {
        /// A place in the dictionary for each row.
        codes: Vec<u32>,
        /// The distinct values; may hold more than are used, in any order.
        dictionary: Arc<Vec<Value>>,
    },
    /// Texts laid end to end: for the many distinct ones of an id column.
    Texts(Texts),
    /// Any cells, one by one.
    Values(Vec<Value>),
}

impl Column {
    /// The number of cells.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Ints(cells) => cells.len(),
            Self::Wide(cells) => cells.len(),
            Self::Floats(cells) => cells.len(),
            Self::Codes { codes, .. } => codes.len(),
            Self::Texts(cells) => cells.len(),
            Self::Values(cells) => cells.len(),
        }
    }

    /// Whether there are no cells.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The cell of `row`.
    ///
    /// # Panics
    /// Where there is no such row.
    #[must_use]
    pub fn value(&self, row: usize) -> Value {
        match self {
            Self::Ints(cells) => Value::Int(cells[row].into()),
            Self::Wide(cells) => Value::Int(cells[row]),
            Self::Floats(cells) => cells[row].map_or(Value::Null, Value::float),
            Self::Codes { codes, dictionary } => dictionary.get(codes[row] as usize).cloned().unwrap_or_default(),
            Self::Texts(cells) => cells.get(row).map_or(Value::Null, Value::text),
            Self::Values(cells) => cells[row].clone(),
        }
    }

    /// A column in which each of `rows` cells is the same.
    #[must_use]
    pub fn constant(value: Value, rows: usize) -> Self {
        Self::Codes { codes: vec![0; rows], dictionary: Arc::new(vec![value]) }
    }
}

/// Many texts in one piece of memory, so that a column of ids costs no allocation a cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts {
    text: String,
    /// Where each cell ends in `text`; it begins where the one before it ends.
    ends: Vec<usize>,
    /// The rows that are null, ascending.
    nulls: Vec<usize>,
}

impl Texts {
    /// No texts yet, with room for `rows` of them that are `bytes` long together.
    #[must_use]
    pub fn with_capacity(rows: usize, bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ends: Vec::with_capacity(rows), nulls: Vec::new() }
    }

    /// Adds a cell, null where there is no text.
    pub fn push(&mut self, cell: Option<&str>) {
        match cell {
            Some(text) => self.text.push_str(text),
            None => self.nulls.push(self.ends.len()),
        }
        self.ends.push(self.text.len());
    }

    /// The number of cells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no cells.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of `row`, none where it is null.
    ///
    /// # Panics
    /// Where there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&str> {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        let text = &self.text[start..self.ends[row]];
        (!text.is_empty() || self.nulls.binary_search(&row).is_err()).then_some(text)
    }

    /// Every cell in turn.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|row| self.get(row))
    }
}

/// Some rows of a table: one column per field, all of one length.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// The columns, in the order of the table's fields.
    pub columns: Vec<Column>,
}

impl Rows {
    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, Column::len)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_tell_null_from_empty() {
        let mut texts = Texts::default();
        let cells = [Some("one"), None, Some(""), Some("two"), None];
        cells.iter().for_each(|cell| texts.push(*cell));
        assert_eq!(texts.iter().collect::<Vec<_>>(), cells);
        let column = Column::Texts(texts);
        assert_eq!((column.len(), column.value(1), column.value(2)), (5, Value::Null, Value::text("")));
    }
}
