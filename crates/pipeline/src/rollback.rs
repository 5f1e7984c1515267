//! `rollback`: back to a run that was published before.

use std::path::PathBuf;

use attributary_engine::Interrupt;
use serde::Serialize;

use crate::error::Error;
use crate::held;
use crate::options::Options;
use crate::plan::with_pipeline;
use crate::run::output_folder;

/// What a rollback did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RollbackReport {
    /// The pipeline's name.
    pub pipeline: String,
    /// The output folder.
    pub output: PathBuf,
    /// The run that was current; none where there was none.
    pub from: Option<String>,
    /// The run that is current now.
    pub to: String,
    /// How many files of it were held against its manifest.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Makes a run that was published before the current one again. The next run goes on from it.
///
/// # Errors
/// Where there is no such run, a file of it is not what its manifest says, or another run holds the output; then nothing changes.
pub fn rollback(options: &Options, run_id: &str, interrupt: &Interrupt) -> Result<RollbackReport, Error> {
    with_pipeline(options, |pipeline, _| {
        let folder = output_folder(&pipeline, options)?;
        let output = held::open(&folder, options, interrupt)?;
        let done = output.rollback(run_id, &|| interrupt.check().is_err())?;
        tracing::info!(from = done.from, to = done.to, "went back");
        Ok(RollbackReport {
            pipeline: pipeline.name,
            output: folder,
            from: done.from,
            to: done.to,
            files: done.files,
            bytes: done.bytes,
        })
    })
}
