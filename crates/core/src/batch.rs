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
    /// The order that each row refunds, null where it is no refund (an empty text is null); none where `refund_of` is not mapped.
    pub refunds: Option<Arc<dyn Identities>>,
    /// How values were converted, where a currency is mapped.
    pub exchange: Option<Exchange>,
    /// How many journeys each row stands for, where rows are paths that were counted.
    pub counted: Option<Counted>,
}

/// Paths that were counted: each row is so many equal journeys, of which all conversions together have the row's values.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// Per row, conversions and journeys that led nowhere, none where they are no counts; at most [`Counted::MOST`] of each.
    pub journeys: Vec<Option<(u64, u64)>>,
}

impl Counted {
    /// So many journeys a row may stand for: their shares together are a number of 64 bits.
    pub const MOST: u64 = i64::MAX as u64 / crate::WHOLE_SHARE as u64;
}

/// How the amounts of a batch came from currencies of their own to the reporting currency.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Currency codes as the source has them (text), null where there is none.
    pub currencies: Coded,
    /// Per row the rate that was applied, reporting-currency units per unit, in 10⁻¹²; none where there is no rate of that day.
    pub rates: Vec<Option<i64>>,
    /// Per value, each row's amount in minor units of its own currency (half to even), none where invalid.
    pub originals: Vec<Vec<Option<i64>>>,
}

/// Some rows of advertising costs of one file, in the file's order, those that the source's `where` left.
pub struct SpendBatch {
    /// The file, as a place in the source's list of files.
    pub file: u32,
    /// Each row's place in the file, from 0.
    pub rows: Vec<u64>,
    /// Microseconds UTC, or [`NO_TIME`]: a row belongs to the pipeline's day of this instant. A source that reports days reports
    /// them in its own zone, and such a day is the noon of it there, so that it goes where most of it lies.
    pub times: Vec<i64>,
    /// Channels; null and empty are `(not set)`.
    pub channels: Coded,
    /// Campaigns; all null where not mapped.
    pub campaigns: Coded,
    /// What was optimised for; the same in all rows where the mapping says so, all null where not mapped.
    pub goals: Coded,
    /// The dimensions in the order of the mapping.
    pub dimensions: Vec<Coded>,
    /// Costs in the reporting currency, negative ones too; none where it is null, not finite, too large or has no rate.
    pub amounts: Vec<Option<crate::money::Rounded>>,
    /// How amounts were converted, where a currency is mapped: [`Exchange::originals`] has one entry.
    pub exchange: Option<Exchange>,
    /// Clicks; none where not mapped, null, negative or no whole number.
    pub clicks: Vec<Option<u64>>,
    /// Impressions; none where not mapped, null, negative or no whole number.
    pub impressions: Vec<Option<u64>>,
    /// The rows' ids, where mapped.
    pub ids: Option<Arc<dyn Identities>>,
    /// The customers, where the rows are touches that have a cost.
    pub customers: Option<Arc<dyn Identities>>,
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

impl SpendBatch {
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
