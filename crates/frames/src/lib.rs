//! The one crate that names polars. It opens a source (files, schemas, a checked plan; no data is touched) and then hands its
//! rows on as batches of plain columns, from many threads and in bounded memory.
//!
//! ```text
//! SourceSpec + mapping ── open ──► TouchSource / ConversionSource / SpendSource / PathSource ── read ──► TouchBatch / … , to a sink
//! SourceSpec + mapping ── open ──► RateSource ── rates ──► Rates, with which the others convert
//! ```

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use attributary_core::time::Zone;

mod amounts;
mod coded;
mod conversions;
mod days;
mod error;
mod exchange;
mod functions;
mod guard;
mod identities;
mod json;
mod known;
mod paths;
mod plain;
mod plan;
mod rates;
mod read;
mod scan;
mod select;
mod source;
mod spend;
mod sql;
mod threads;
mod times;
mod touches;
mod types;
mod weight;

pub use conversions::ConversionSource;
pub use error::{Fault, FrameError};
pub use guard::silence_reader_panics;
pub use paths::PathSource;
pub use rates::{RateRow, RateSource, RejectedRate};
pub use spend::SpendSource;
pub use threads::{set_memory, set_threads, stoppable};
pub use touches::TouchSource;
pub use weight::compile_weight;

/// How many predicates a mapping may have: each is one bit of [`attributary_core::batch::TouchBatch::flags`].
pub const MAX_PREDICATES: usize = 64;

/// The extensions of the files that are read, each with its dot.
#[must_use]
pub fn extensions() -> Vec<String> {
    source::extensions()
}

/// Where a source is and how its files are to be taken.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceSpec {
    /// The section of the pipeline file, such as `touchpoints` or `conversions`: messages name keys by it.
    pub key: String,
    /// The resolved path of a file, a folder or a pattern.
    pub source: String,
    /// The zone of times that name none.
    pub zone: Zone,
    /// `where`: an SQL condition over source columns.
    pub filter: Option<String>,
    /// Whether a column that some files lack is null there.
    pub missing_as_null: bool,
    /// When a row came.
    pub ingested: Option<ColumnSpec>,
    /// Leaves out what came later; nothing does where no column says when rows came.
    pub as_of: Option<AsOf>,
}

/// Until when a row must have come to be known.
#[derive(Clone, Debug, PartialEq)]
pub struct AsOf {
    /// The last instant at which a row that came is known, microseconds UTC.
    pub last: i64,
    /// Where a column says only the day on which a row came, that day begins where it does in this zone.
    pub zone: Zone,
}

/// Which column of the source is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnSpec {
    /// The first of these names that a file has.
    Names(Vec<String>),
    /// An SQL expression over source columns, computed row by row.
    Sql(String),
}

impl ColumnSpec {
    /// The name or expression as a message shows it.
    fn text(&self) -> String {
        match self {
            Self::Names(names) => names.join(" or "),
            Self::Sql(sql) => sql.clone(),
        }
    }
}

/// A condition on touchpoints over the mapped names: `channel` (with `(not set)`), `campaign`, `interaction`, `id`, dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predicate {
    /// The key of the pipeline file that holds it, such as `model.last_non_direct.only`.
    pub key: String,
    /// The SQL text.
    pub sql: String,
}

/// A further column to group by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DimensionSpec {
    /// What predicates and tables call it.
    pub name: String,
    /// Its column.
    pub column: ColumnSpec,
}

/// Which columns are what in touchpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TouchMapping {
    /// The customer: text, binary or integers.
    pub customer: ColumnSpec,
    /// The time.
    pub time: ColumnSpec,
    /// The channel.
    pub channel: ColumnSpec,
    /// The campaign.
    pub campaign: Option<ColumnSpec>,
    /// The interaction.
    pub interaction: Option<ColumnSpec>,
    /// The touch's id: text, binary or integers.
    pub id: Option<ColumnSpec>,
    /// Further columns to group by, which keep their type.
    pub dimensions: Vec<DimensionSpec>,
    /// At most [`MAX_PREDICATES`]: predicate *i* becomes bit *i* of the flags.
    pub predicates: Vec<Predicate>,
}

/// What one unit of a value column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueUnit {
    /// A unit of the currency: `245` is 245.00.
    Major,
    /// The currency's smallest unit: `245` is 2.45. Integers only.
    Minor,
}

/// A value of conversions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueSpec {
    /// Its name in the tables, for messages.
    pub name: String,
    /// Its column.
    pub column: ColumnSpec,
    /// What the column counts.
    pub unit: ValueUnit,
}

/// Which columns are what in conversions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversionMapping {
    /// The conversion's id: text, binary or integers.
    pub id: ColumnSpec,
    /// The customer: text, binary or integers.
    pub customer: ColumnSpec,
    /// The time.
    pub time: ColumnSpec,
    /// The kind.
    pub kind: Option<ColumnSpec>,
    /// The values.
    pub values: Vec<ValueSpec>,
    /// The order that a row refunds: of the kind of the id (text, binary or integers). Null and empty text are no refund.
    pub refund_of: Option<ColumnSpec>,
    /// The currency of all values of a row, as a code of ISO 4217; where it is not mapped, all are in the reporting currency.
    pub currency: Option<ColumnSpec>,
    /// The digits behind the point of the reporting currency.
    pub exponent: u8,
}

/// Which columns are what in paths that were counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathMapping {
    /// The channels of a journey, the oldest touch first.
    pub path: ColumnSpec,
    /// How many journeys along it converted: whole numbers, however they are written.
    pub conversions: ColumnSpec,
    /// How many did not; where it is not mapped, none.
    pub null_journeys: Option<ColumnSpec>,
    /// What the conversions of a row are worth together.
    pub values: Vec<ValueSpec>,
    /// What stands between two channels.
    pub separator: String,
    /// At most [`MAX_PREDICATES`], over `channel`: predicate *i* becomes bit *i* of the flags.
    pub predicates: Vec<Predicate>,
    /// The digits behind the point of the reporting currency.
    pub exponent: u8,
}

/// Which columns are what in advertising costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpendMapping {
    /// The day, or the time: dates and texts without a time are days of the source's own zone.
    pub date: ColumnSpec,
    /// The channel.
    pub channel: Option<ColumnSpec>,
    /// The campaign.
    pub campaign: Option<ColumnSpec>,
    /// What was spent.
    pub amount: ColumnSpec,
    /// What the amount counts.
    pub unit: ValueUnit,
    /// The currency of the amount, as a code of ISO 4217; where it is not mapped, it is the reporting currency.
    pub currency: Option<ColumnSpec>,
    /// The clicks.
    pub clicks: Option<ColumnSpec>,
    /// The impressions.
    pub impressions: Option<ColumnSpec>,
    /// What was optimised for.
    pub goal: Option<ColumnSpec>,
    /// The goal of all rows, where no column has it.
    pub goal_constant: Option<String>,
    /// The row's id: text, binary or integers.
    pub id: Option<ColumnSpec>,
    /// The customer, where the rows are touches that have a cost: a null one then costs nothing, and the id is one of its customer
    /// and time.
    pub customer: Option<ColumnSpec>,
    /// Those of the touchpoints' dimensions that the costs have too; they keep their type.
    pub dimensions: Vec<DimensionSpec>,
    /// The digits behind the point of the reporting currency.
    pub exponent: u8,
}

/// Which columns are what in a table of exchange rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateMapping {
    /// The day, as it is written.
    pub date: ColumnSpec,
    /// The currency, as a code of ISO 4217.
    pub currency: ColumnSpec,
    /// What one unit of it is worth in the reporting currency.
    pub rate: ColumnSpec,
}

/// A file of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its rows before any condition, where known.
    pub rows: Option<u64>,
    /// SHA-256 of its footer, in hexadecimal: Parquet and Arrow IPC.
    pub footer_sha256: Option<String>,
    /// When it was changed last before it was opened, nanoseconds since 1970.
    pub modified: i64,
    /// Its number on its disk.
    pub inode: u64,
}

/// Which times are handed on, in microseconds UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeBounds {
    /// The first that is. With it, rows without a time are not handed on; without it they are.
    pub from: Option<i64>,
    /// The first that is not any more.
    pub to: Option<i64>,
}

/// How far a read has come. Any thread may look.
#[derive(Debug, Default)]
pub struct Progress {
    /// Rows of the files that have passed, whether handed on or not.
    pub rows: AtomicU64,
    /// Bytes of the files that have passed, whether they were read or not.
    pub bytes: AtomicU64,
    /// Bytes that had to be read: of Parquet those of the columns and row groups that were wanted, of other formats whole files.
    pub read: AtomicU64,
    /// Rows within the bounds that came later than the source is asked for, and so are not handed on.
    pub later: AtomicU64,
    /// Rows that were handed on although nothing says when they came.
    pub undated: AtomicU64,
}

/// The sink's word that reading shall end: it was interrupted, or failed and keeps its own error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;
