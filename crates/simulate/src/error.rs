//! What can go wrong.

use std::io;
use std::path::PathBuf;

use attributary_store::StoreError;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A setting of that name does not exist.
    #[error("unknown setting `{name}`, expected one of {known}")]
    UnknownSetting {
        /// As asked for.
        name: String,
        /// Every name there is.
        known: String,
    },
    /// A setting has a value that it cannot have.
    #[error("setting `{name}` is {found}, expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// The output is something else than a folder.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// The output.
        path: PathBuf,
    },
    /// The output folder holds something that a simulation would mix with.
    #[error("folder {} is not empty, it holds {found}", path.display())]
    NotEmpty {
        /// The output.
        path: PathBuf,
        /// The name of something in it.
        found: String,
    },
    /// The output folder holds what an earlier simulation left when it was broken off.
    #[error("folder {} holds a simulation that did not finish", path.display())]
    Unfinished {
        /// The output.
        path: PathBuf,
    },
    /// A file or folder could not be made, moved or removed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A Parquet file could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SimulateError {
    /// What would put it right.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotAFolder { .. } | Self::NotEmpty { .. } => Some("name a folder that is new or empty".to_owned()),
            Self::Unfinished { path } => Some(format!("remove {} and simulate again", path.display())),
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }
}
