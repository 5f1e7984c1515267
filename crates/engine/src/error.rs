//! What can go wrong between rows and tables.

use std::io;
use std::path::PathBuf;

/// Why a walk failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A `custom` model's expression gave no usable weight.
    #[error(
        "model {model:?}: expected a finite weight of 0 or more, found {found} for touch {sequence} of {length} of conversion {conversion}"
    )]
    Weight {
        /// The model's name.
        model: String,
        /// The weight, or `null`.
        found: String,
        /// The touch, from 1.
        sequence: usize,
        /// The touches of the journey.
        length: usize,
        /// The conversion's id.
        conversion: String,
    },
    /// A `custom` model's expression failed as a whole.
    #[error("model {model:?}: its weight cannot be computed: {problem}")]
    Expression {
        /// The model's name.
        model: String,
        /// What the expression's engine says.
        problem: String,
    },
    /// A model can make nothing of the journeys.
    #[error("model {model:?} cannot be fitted to the journeys under window {window}: {problem}")]
    Fit {
        /// The model's name.
        model: String,
        /// The window as typed.
        window: String,
        /// Why not.
        problem: String,
    },
    /// Temporary space cannot be used.
    #[error("cannot use temporary space at {}: {source}", path.display())]
    Temp {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// One customer does not fit into the memory.
    #[error(
        "a customer has some {touches} touches, which take some {} MB while they are walked; the run may take {} MB for them",
        needed.div_ceil(1_000_000), memory / 1_000_000
    )]
    Customer {
        /// The touches.
        touches: u64,
        /// Bytes.
        needed: u64,
        /// Bytes.
        memory: u64,
    },
    /// One conversion id is there so often that its rows do not fit into the memory.
    #[error(
        "one id occurs in some {rows} rows, which take some {} MB when they are compared; the run may take {} MB for them",
        needed.div_ceil(1_000_000), memory / 1_000_000
    )]
    Repeated {
        /// The rows.
        rows: u64,
        /// Bytes.
        needed: u64,
        /// Bytes.
        memory: u64,
    },
    /// The conversions were others when they were read again.
    #[error("the conversions changed while they were read")]
    Changed,
    /// Combinations of what touches are grouped by do not fit into the memory.
    #[error(
        "touches have more than {combinations} distinct combinations of channel, campaign, interaction and dimensions, which take \
         {} MB; the run may take {} MB for them",
        needed.div_ceil(1_000_000), memory / 1_000_000
    )]
    Profiles {
        /// How many so far.
        combinations: u64,
        /// Bytes.
        needed: u64,
        /// Bytes.
        memory: u64,
    },
    /// Returns do not fit into the memory.
    #[error(
        "returns have more than {rows} groups and periods, which take {} MB; the run may take {} MB for them",
        needed.div_ceil(1_000_000), memory / 1_000_000
    )]
    Returns {
        /// How many so far.
        rows: u64,
        /// Bytes.
        needed: u64,
        /// Bytes.
        memory: u64,
    },
    /// What models count of journeys does not fit into the memory.
    #[error(
        "what models count of journeys takes more than {} MB on a thread, most of it model {model:?}; the run may take {} MB for it there",
        needed.div_ceil(1_000_000), memory / 1_000_000
    )]
    Learnt {
        /// The model that counts most.
        model: String,
        /// Bytes.
        needed: u64,
        /// Bytes.
        memory: u64,
    },
    /// Temporary files would not fit.
    #[error(
        "some {} MB of temporary space are needed at {}, and {} MB are free",
        needed.div_ceil(1_000_000), path.display(), free / 1_000_000
    )]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// Somebody asked the run to end.
    #[error("interrupted")]
    Interrupted,
    /// What must never happen.
    #[error("broken invariant: {0}")]
    Bug(String),
}

impl EngineError {
    /// For `map_err` on work with the file or folder at `path`.
    pub fn temp(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Temp { path, source }
    }
}
