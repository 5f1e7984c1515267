//! What can go wrong with a report.

use attributary_store::StoreError;

/// What can go wrong with a report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The run or one of its tables cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data of a chart could not be written as JSON.
    #[error("cannot write the data of the charts")]
    Json(#[from] serde_json::Error),
    /// A sum does not fit into 128 bits.
    #[error("the sum of {column:?} in table {table:?} has more than 38 digits")]
    Overflow {
        /// The table.
        table: String,
        /// Its column.
        column: String,
    },
    /// Even with the fewest rows the page is larger than promised.
    #[error("expected a page below {limit} bytes, found {bytes} with the shortest tables")]
    TooLarge {
        /// The size of the page.
        bytes: usize,
        /// The most it may have.
        limit: usize,
    },
}

impl ReportError {
    /// Whether the run is at fault, and not the page.
    #[must_use]
    pub fn is_input(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Overflow { .. })
    }

    /// How to get on, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Store(StoreError::NoSuchRun { .. }) => {
                Some("name a run's folder: <output>/current for the last one, or <output>/runs/<run id>")
            }
            Self::Store(_) => Some("a run never changes: copy it whole, or compute it again"),
            _ => None,
        }
    }
}
