//! Byte strings laid end to end: ids and customers of many rows without an allocation each.

use attributary_core::batch::Identities;
use attributary_core::value::{ColumnType, Value};

/// A column of optional byte strings (see `Value::to_ordered_bytes`). The order of [`Cells::raw`] is nulls first, then by value.
#[derive(Clone, Debug, Default)]
pub struct Cells {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<u64>,
}

impl Cells {
    /// Marks that a cell is there: a null has no bytes, everything else begins with this.
    const PRESENT: u8 = 1;

    /// No rows, with room for so many short ones.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        const BYTES: usize = 18;
        Self { bytes: Vec::with_capacity(rows * BYTES), ends: Vec::with_capacity(rows) }
    }

    /// Appends a row of a source's column.
    pub fn push_identity(&mut self, identities: &dyn Identities, row: usize) {
        if !identities.is_null(row) {
            self.bytes.push(Self::PRESENT);
            identities.append_ordered_bytes(row, &mut self.bytes);
        }
        self.end();
    }

    /// Appends a whole number.
    pub fn push_int(&mut self, number: i128) {
        self.bytes.push(Self::PRESENT);
        Value::append_ordered_int(number, &mut self.bytes);
        self.end();
    }

    /// Appends what [`Cells::raw`] gave.
    pub fn push_raw(&mut self, raw: &[u8]) {
        self.bytes.extend_from_slice(raw);
        self.end();
    }

    /// Appends all of another's rows.
    pub fn append(&mut self, other: &Self) {
        let base = self.bytes.len() as u64;
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| base + end));
    }

    /// Some of the rows, given by the place of each.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> Self {
        let mut taken = Self { bytes: Vec::new(), ends: Vec::with_capacity(rows.len()) };
        rows.iter().for_each(|row| taken.push_raw(self.raw(*row as usize)));
        taken
    }

    /// A row's bytes with their mark; none for a null.
    #[must_use]
    pub fn raw(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.bytes[start..self.ends[row] as usize]
    }

    /// Whether a row is null.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.raw(row).is_empty()
    }

    /// A row as a cell of a column of type `kind`.
    #[must_use]
    pub fn value(&self, row: usize, kind: &ColumnType) -> Value {
        Self::value_of(self.raw(row), kind)
    }

    /// What [`Cells::raw`] gave, as a cell of a column of type `kind`.
    #[must_use]
    pub fn value_of(raw: &[u8], kind: &ColumnType) -> Value {
        raw.split_first().map_or(Value::Null, |(_, bytes)| Value::from_ordered_bytes(kind, bytes))
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The memory that the rows take.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes.len() + self.ends.len() * size_of::<u64>()
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn end(&mut self) {
        self.ends.push(self.bytes.len() as u64);
    }
}
