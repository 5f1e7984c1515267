//! Where results live: typed Parquet files, the folder of runs, and the switch of `current`.
//!
//! The one crate that names arrow and parquet; neither appears in its public types. Two halves:
//!
//! - [`TableFile`] writes rows as one Parquet file whose bytes depend on the rows only; [`read_table`] reads one back.
//! - [`Output`] is the folder a pipeline publishes to. Tables of a new run are written into a [`Staging`] folder inside
//!   it, and [`Staging::publish`] turns that into `runs/<run_id>` and switches `current`, last and in one step.
//!   Whatever goes wrong before that leaves `current` as it was.

mod clock;
mod decode;
mod difference;
mod encode;
mod error;
mod files;
mod lock;
mod manifest;
mod moments;
mod output;
mod prune;
mod read;
mod rollback;
mod run_id;
mod runs;
mod schema;
mod staging;
mod write;

pub use clock::now;
pub use difference::{Cause, ChangedFile, ChangedTable, ChannelChange, DiffReport, Moved, Side, SpendChange, Total};
pub use error::{Fault, StoreError};
pub use manifest::{
    Backfill, BytesRead, ConversionCounts, FileEntry, InputFile, Manifest, ModelEntry, PublishedRun, Range, Recomputed,
    RowCounts, SourceCounts, TableEntry, TouchpointCounts,
};
pub use moments::{Moment, reached};
pub use output::Output;
pub use prune::Keep;
pub use read::{TableReader, footer_sha256, read_table};
pub use rollback::Rollback;
pub use runs::{ListedRun, Runs, Size, list_runs};
pub use staging::{CompletedFile, StagedFile, Staging};
pub use write::{Layout, TableFile, WrittenFile};
