//! Touchpoints and conversions from Parquet files whose columns are taken as they are: no expression, no condition. Each row
//! group is decoded by itself, text as dictionary codes, and handed on through the same door as everything else (`core::batch`).
//!
//! A file is [`LogFile::open`]ed: its footer is read, and whether its columns are of types that this way knows is said. Then
//! any thread takes any of its [`LogFile::groups`] and decodes it.

mod amounts;
mod batch;
mod columns;
mod file;

pub use batch::{Batches, Came, Next};
pub use file::{Group, LogFile};

use std::collections::BTreeSet;

use attributary_core::time::Zone;
use attributary_core::value::Value;

/// Which columns of a file are what.
#[derive(Clone, Debug)]
pub struct Columns {
    /// The customer: text, binary or integers.
    pub customer: String,
    /// The time: a timestamp of any unit.
    pub time: String,
    /// The zone of times without one.
    pub zone: Zone,
    /// The id: text, binary or integers.
    pub id: Option<String>,
    /// Of touches in the order of `core::batch::attribute`, where null and empty channels are `(not set)`; of conversions their
    /// kind.
    pub attributes: Vec<Attribute>,
    /// Of conversions the currency of their amounts, which are converted then.
    pub currency: Option<Attribute>,
    /// Of conversions the order that they refund: text, binary or integers.
    pub refund_of: Option<String>,
    /// The values of conversions.
    pub amounts: Vec<Amount>,
    /// Which rows are known; none: all.
    pub known: Option<Known>,
}

/// Rows that came until some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// When a row came: a timestamp of any unit, in the zone of times where it has none. A row that says nothing is known.
    pub column: String,
    /// The last instant at which a row that came is known, microseconds UTC.
    pub last: i64,
}

impl Columns {
    /// The names of all columns that are read.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        let attributes = self.attributes.iter().chain(&self.currency).filter_map(|attribute| match attribute {
            Attribute::Column(name) => Some(name),
            Attribute::Nothing | Attribute::Constant(_) => None,
        });
        let amounts = self.amounts.iter().map(|amount| &amount.column);
        [&self.customer, &self.time]
            .into_iter()
            .chain(&self.id)
            .chain(&self.refund_of)
            .chain(self.known.as_ref().map(|known| &known.column))
            .chain(attributes)
            .chain(amounts)
            .cloned()
            .collect()
    }
}

/// A column of amounts: integers, floats or decimals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount {
    /// The column.
    pub column: String,
    /// Whether it counts minor units; then it has integers.
    pub minor: bool,
    /// The digits behind the point of the currency.
    pub exponent: u8,
}

/// Where an attribute of the touches comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// It is not mapped, or the file has none.
    Nothing,
    /// The same for all rows of the file, as a Hive partition is.
    Constant(Value),
    /// A column: text, integers, booleans or dates.
    Column(String),
}

/// What is wrong with a file, as a fragment to put behind its name.
pub type Problem = String;

/// Runs a reader at the door: damaged files make it fail, and now and then panic.
fn guarded<T, E: std::fmt::Display>(read: impl FnOnce() -> Result<T, E>) -> Result<T, Problem> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)) {
        Ok(Ok(it)) => Ok(it),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("the reader failed on it: {}", text.unwrap_or("a panic without text")))
        }
    }
}
