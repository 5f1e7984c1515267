//! The tables of a run. Each is an accumulator: a thread adds to its own, they are merged, and rows come out in an order
//! that hangs on nothing but the data.

pub mod credits;
pub mod customers;
pub mod grouped;
pub mod learned;
pub mod ledger;
pub mod paths;
pub mod rejects;
pub mod unattributed;

use attributary_core::table::{Field, Rows};

use crate::error::EngineError;

/// Takes finished tables, file by file, from any thread.
pub trait TableSink: Sync {
    /// Writes a file of a table, some rows at a time.
    ///
    /// # Errors
    /// What the sink says, or the rows.
    fn file(
        &self,
        table: &str,
        file: &str,
        fields: &[Field],
        rows: &mut dyn Iterator<Item = Result<Rows, EngineError>>,
    ) -> Result<(), SinkError>;
}

/// Why a sink did not take a table: its own error, which it keeps, or the engine's.
#[derive(Debug)]
pub enum SinkError {
    /// The sink failed and knows why.
    Sink,
    /// Rows could not be made.
    Engine(EngineError),
}

impl From<EngineError> for SinkError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// The name of the file of a table that has only one.
pub const ONLY_FILE: &str = "part-0";

/// Writes a table of one file.
///
/// # Errors
/// What the sink says.
pub fn write_whole(sink: &dyn TableSink, table: &str, fields: &[Field], rows: Rows) -> Result<(), SinkError> {
    sink.file(table, ONLY_FILE, fields, &mut std::iter::once(Ok(rows)))
}
