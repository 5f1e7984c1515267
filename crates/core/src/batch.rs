//! What a source hands on: some rows of one file as columns of plain numbers and codes, whatever the file was.

use std::sync::Arc;

use crate::table::NULL_CODE;
use crate::value::Value;

/// A row's time where it has none, or where its text is no time.
pub const NO_TIME: i64 = i64::MIN;

/// The key and the original of a customer or id column.
pub trait Identities: Send + Sync {
    /// Whether the row has no identity.
    fn is_null(&self, row: usize) -> bool;
    /// The identity as the source has it; [`Value::Null`] where there is none.
    fn value(&self, row: usize) -> Value;
    /// Appends [`Value::to_ordered_bytes`] of the row's identity, nothing for a null, without making a [`Value`].
    fn append_ordered_bytes(&self, row: usize, bytes: &mut Vec<u8>);
    /// The identity as a [`crate::key::Key`]; any key for a null.
    fn key(&self, row: usize) -> crate::key::Key;
    /// Whether any row has no identity.
    fn has_nulls(&self) -> bool;
    /// Writes the hash of every row's key into `hashes`, of which what was there before is gone.
    fn hashes(&self, hashes: &mut Vec<u64>);
    /// Writes the keys of some rows into `keys`, of which what was there before is gone.
    fn keys_of(&self, rows: &[u32], keys: &mut Vec<crate::key::Key>);
}

/// A column of few distinct values, coded within this batch only.
#[derive(Clone, Debug)]
pub struct Coded {
    /// A place in `dictionary` per row, or [`NULL_CODE`].
    pub codes: Vec<u32>,
    /// The distinct values. Batches that follow each other may share them.
    pub dictionary: Arc<Vec<Value>>,
}

impl Coded {
    /// The value of a row.
    #[must_use]
    pub fn value(&self, row: usize) -> &Value {
        const NULL: &Value = &Value::Null;
        if self.codes[row] == NULL_CODE { NULL } else { &self.dictionary[self.codes[row] as usize] }
    }
}

/// Some touchpoints of one file, in the file's order, those that the source's `where` and time bounds left.
pub struct TouchBatch {
    /// The file, as a place in the source's list of files.
    pub file: u32,
    /// Each row's place in the file.
    pub rows: RowNumbers,
    /// Customers.
    pub customers: Arc<dyn Identities>,
    /// Microseconds UTC, or [`NO_TIME`].
    pub times: Vec<i64>,
    /// Touch ids, where mapped.
    pub ids: Option<Arc<dyn Identities>>,
    /// channel (null and empty are `(not set)`), campaign, interaction, then each dimension. One that is not mapped is all null.
    pub attributes: Vec<Coded>,
    /// For each row, bit *i* says whether the pipeline's predicate *i* holds; empty where the pipeline has none.
    pub flags: Vec<u64>,
}

/// Where the rows of a batch stand in their file, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowNumbers {
    /// One behind the other, from this one on.
    From(u64),
    /// Each for itself.
    Each(Vec<u64>),
}

impl RowNumbers {
    /// The place of a row of the batch.
    #[must_use]
    pub fn at(&self, row: usize) -> u64 {
        match self {
            Self::From(first) => first + row as u64,
            Self::Each(rows) => rows[row],
        }
    }
}

/// Positions in [`TouchBatch::attributes`]; dimensions follow from [`attribute::DIMENSIONS`] on.
pub mod attribute {
    /// The channel.
    pub const CHANNEL: usize = 0;
    /// The campaign.
    pub const CAMPAIGN: usize = 1;
    /// The interaction.
    pub const INTERACTION: usize = 2;
    /// The first dimension.
    pub const DIMENSIONS: usize = 3;
}

/// Some conversions of one file, in the file's order, those that the source's `where` left.
pub struct ConversionBatch {
    /// The file, as a place in the source's list of files.
    pub file: u32,
    /// Each row's place in the file, from 0.
    pub rows: Vec<u64>,
    /// Conversion ids.
    pub ids: Arc<dyn Identities>,
    /// Customers; a null one is no fault.
    pub customers: Arc<dyn Identities>,
    /// Microseconds UTC, or [`NO_TIME`].
    pub times: Vec<i64>,
    /// Conversion kinds; all null where not mapped.
    pub kinds: Coded,
    /// Per value of the pipeline, each row's amount; none where it is null, not finite or too large.
    pub values: Vec<Vec<Option<crate::money::Rounded>>>,
}

impl TouchBatch {
    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }
}

impl ConversionBatch {
    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
