//! What can go wrong with files and folders, and whose fault it is.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use attributary_core::value::ColumnType;

/// What can go wrong with files and folders.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A run id that was published before, even if that run has been pruned since.
    #[error("run id {run_id:?} was used before in {}", output.display())]
    RunIdUsed {
        /// The id asked for.
        run_id: String,
        /// The output folder.
        output: PathBuf,
    },
    /// A run id that cannot be the name of a folder.
    #[error("run id {run_id:?} {problem}")]
    RunIdInvalid {
        /// The id asked for.
        run_id: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A table or file name that cannot be part of a path, or that is taken.
    #[error("{name:?} cannot be the name of a table or of its file")]
    TableName {
        /// The name asked for.
        name: String,
    },
    /// The output is something else than a folder.
    #[error("output {} is not a folder", path.display())]
    NotAFolder {
        /// The output.
        path: PathBuf,
    },
    /// Another run holds the output.
    #[error("output {} is held by another run ({holder})", output.display())]
    Held {
        /// The output folder.
        output: PathBuf,
        /// Who holds it and since when.
        holder: String,
    },
    /// A run that is not there, or not any more.
    #[error("there is no run {run_id:?} in {}; expected {}", output.display(), one_of(known))]
    UnknownRun {
        /// The id asked for.
        run_id: String,
        /// The output folder.
        output: PathBuf,
        /// The runs that are there, the newest first.
        known: Vec<String>,
    },
    /// A run of which a file is missing or is not what the manifest says.
    #[error("run {run_id:?} is torn: {problem}")]
    Torn {
        /// The run.
        run_id: String,
        /// Which file, and what is wrong with it.
        problem: String,
    },
    /// Someone asked for the end.
    #[error("interrupted")]
    Interrupted,
    /// The output's file system refused something.
    #[error("cannot {action} {}", path.display())]
    Output {
        /// What was tried: `create`, `write`, `rename`, …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A Parquet file could not be put together.
    #[error("cannot encode {}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the Parquet writer says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A cell, or a column's form, that does not fit its field: a fault of ours.
    #[error("column {column:?} of {}: expected {expected}, found {found}", table.display())]
    Mismatch {
        /// The file of the table.
        table: PathBuf,
        /// The column.
        column: String,
        /// The field's type.
        expected: ColumnType,
        /// The cell or form that was found.
        found: String,
    },
    /// Rows of other columns than the table has, or columns of unequal length: a fault of ours.
    #[error("rows for {} have the wrong shape: expected {expected}, found {found}", table.display())]
    Shape {
        /// The file of the table.
        table: PathBuf,
        /// What the table needs.
        expected: String,
        /// What was handed over.
        found: String,
    },
    /// A file was staged twice: a fault of ours.
    #[error("{} is written twice in one run", path.display())]
    StagedTwice {
        /// The file.
        path: PathBuf,
    },
    /// A run was to be published while files of it were still being written: a fault of ours.
    #[error("run {run_id:?} has {files} unfinished files")]
    Unfinished {
        /// The run.
        run_id: String,
        /// How many.
        files: usize,
    },
    /// A file to read cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file to read is no Parquet file, or a damaged one.
    #[error("{} is not a readable Parquet file: {detail}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the Parquet reader says.
        detail: String,
    },
    /// A column of a type that no table of ours has.
    #[error("column {column:?} of {}: expected text, bytes, booleans, numbers, dates or timestamps, found {found}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// What `current` names is no published run.
    #[error("{} names no published run", path.display())]
    NoSuchRun {
        /// The link, or the folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A `manifest.json` that cannot be understood.
    #[error("{} is not a manifest", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What the JSON reader says.
        source: serde_json::Error,
    },
    /// A file that was to be taken over is not in the run's manifest, or is not as the manifest says.
    #[error("{} {problem}", path.display())]
    NotCarried {
        /// The file.
        path: PathBuf,
        /// Why it cannot be taken over.
        problem: String,
    },
}

/// Whose fault an error is; the command line turns it into an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What the user asked for, such as a run id (exit code 2).
    Usage,
    /// A file that was to be read (exit code 3).
    Input,
    /// The output cannot be written or published (exit code 5).
    Output,
    /// Another run holds the output (exit code 6).
    Held,
    /// Someone asked for the end.
    Interrupted,
    /// Our own (exit code 1).
    Bug,
}

impl StoreError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::RunIdUsed { .. } | Self::RunIdInvalid { .. } | Self::TableName { .. } | Self::UnknownRun { .. } => Fault::Usage,
            Self::Interrupted => Fault::Interrupted,
            Self::Read { .. } | Self::Corrupt { .. } | Self::Unsupported { .. } => Fault::Input,
            Self::NotAFolder { .. }
            | Self::Output { .. }
            | Self::NoSuchRun { .. }
            | Self::Manifest { .. }
            | Self::Torn { .. }
            | Self::NotCarried { .. } => Fault::Output,
            Self::Held { .. } => Fault::Held,
            Self::Encode { .. }
            | Self::Mismatch { .. }
            | Self::Shape { .. }
            | Self::StagedTwice { .. }
            | Self::Unfinished { .. } => Fault::Bug,
        }
    }

    /// How to get on, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::RunIdUsed { .. } => "choose another --run-id, or leave it out",
            Self::RunIdInvalid { .. } => "use up to 128 letters, digits, '.', '_' and '-', not beginning with '.'",
            Self::TableName { .. } => "use lower-case letters, digits and '_'; \"state\" is taken",
            Self::NotAFolder { .. } => "name a folder; it is created if it does not exist",
            Self::Held { .. } => "wait for it to end, for example with --wait 10m, or write to another output",
            Self::UnknownRun { .. } => "`attributary runs PIPELINE` lists them",
            Self::Torn { .. } => "choose another run, or compute all days again with --full",
            Self::Output { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space, or write to another output",
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    "name an output folder that you may write to"
                }
                io::ErrorKind::NotADirectory => {
                    "a part of this path is a file: name a folder; it is created if it does not exist"
                }
                io::ErrorKind::CrossesDevices => "have runs/ on the file system of the output, or name another output",
                _ => return None,
            },
            Self::NoSuchRun { .. } => "remove the link `current`, or point it at a folder under runs/",
            Self::Manifest { .. } | Self::NotCarried { .. } => "publish a whole run again, without --merge",
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => "check the path",
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Makes an I/O error one of the output's, for `map_err`.
    pub(crate) fn output(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Output { action, path, source }
    }
}

/// Some of the runs that are there, in words.
fn one_of(known: &[String]) -> String {
    const SHOWN: usize = 12;
    match known {
        [] => "none, as there are no runs".to_owned(),
        known if known.len() > SHOWN => format!("one of {} and {} older ones", known[..SHOWN].join(", "), known.len() - SHOWN),
        known => format!("one of {}", known.join(", ")),
    }
}
