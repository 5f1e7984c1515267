//! Everything that can end a command, and whose fault it is.

use attributary_engine::EngineError;
use attributary_frames::FrameError;
use attributary_store::StoreError;

use crate::file::FileError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pipeline file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A source.
    #[error(transparent)]
    Frames(#[from] FrameError),
    /// Between rows and tables.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The output.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was asked for cannot be.
    #[error("{problem}")]
    Usage {
        /// What was expected, and what was found.
        problem: String,
        /// How to put it right.
        hint: Option<String>,
    },
    /// Any of the others, whose words would have told what an environment variable holds.
    #[error("{message}")]
    Masked {
        /// Whose fault it is.
        fault: Fault,
        /// The words, causes included, with `${NAME}` in place of the value.
        message: String,
        /// How to put it right.
        hint: Option<String>,
    },
    /// A run that was made again is another one.
    #[error("run {run_id} is not what its inputs give: other bytes in {tables}")]
    Differs {
        /// The run.
        run_id: String,
        /// Which of its tables.
        tables: String,
        /// The version that made it, where it is not this one.
        version: Option<String>,
    },
    /// The data contract: what was computed is not published.
    #[error("the data contract is broken: {problem}")]
    Contract {
        /// Which checks do not hold, and why.
        problem: String,
        /// Where the findings are.
        findings: std::path::PathBuf,
    },
    /// The input is there, but not as it should be.
    #[error("{problem}")]
    Input {
        /// What was expected, and what was found.
        problem: String,
        /// How to put it right.
        hint: Option<String>,
    },
}

/// Whose fault an error is; the command line makes exit codes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Our own.
    Bug,
    /// The command line or the pipeline file.
    Usage,
    /// The input.
    Input,
    /// The data, which is not as the pipeline asks for.
    Contract,
    /// The output.
    Output,
    /// Another run holds the output.
    Held,
    /// Someone asked the command to end.
    Interrupted,
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::File(_) | Self::Usage { .. } => Fault::Usage,
            Self::Masked { fault, .. } => *fault,
            Self::Differs { .. } => Fault::Bug,
            Self::Input { .. } => Fault::Input,
            Self::Contract { .. } => Fault::Contract,
            Self::Frames(error) => match error.fault() {
                attributary_frames::Fault::Pipeline => Fault::Usage,
                attributary_frames::Fault::Input => Fault::Input,
                attributary_frames::Fault::Stopped => Fault::Interrupted,
            },
            Self::Engine(error) => match error {
                EngineError::Weight { .. }
                | EngineError::Expression { .. }
                | EngineError::Fit { .. }
                | EngineError::Customer { .. }
                | EngineError::Profiles { .. }
                | EngineError::Learnt { .. }
                | EngineError::Returns { .. } => Fault::Usage,
                EngineError::Changed | EngineError::Repeated { .. } => Fault::Input,
                EngineError::Temp { .. } | EngineError::NoRoom { .. } => Fault::Output,
                EngineError::Interrupted => Fault::Interrupted,
                EngineError::Bug(_) => Fault::Bug,
            },
            Self::Store(error) => match error.fault() {
                attributary_store::Fault::Usage => Fault::Usage,
                attributary_store::Fault::Input => Fault::Input,
                attributary_store::Fault::Output => Fault::Output,
                attributary_store::Fault::Held => Fault::Held,
                attributary_store::Fault::Interrupted => Fault::Interrupted,
                attributary_store::Fault::Bug => Fault::Bug,
            },
        }
    }

    /// How to put it right, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Frames(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Usage { hint, .. } | Self::Input { hint, .. } | Self::Masked { hint, .. } => hint.clone(),
            Self::Contract { findings, .. } => Some(format!(
                "nothing is published; see {}, and put the data right or change [quality]",
                findings.join("findings.json").display()
            )),
            Self::Differs { version: Some(version), .. } => {
                Some(format!("it was made by version {version}, this is {}: publish the days anew", env!("CARGO_PKG_VERSION")))
            }
            Self::Differs { version: None, .. } => {
                Some("was a CSV file or a variable of the environment changed since? else please report it".to_owned())
            }
            Self::Engine(EngineError::Weight { model, .. }) => Some(format!(
                "make the weight of model {model:?} 0 or more for every touch, for example with coalesce(…, 0) or greatest(…, 0)"
            )),
            Self::Engine(EngineError::Repeated { .. }) => {
                Some("map a column that tells rows apart as their id; and one that is null, not 0, where nothing is refunded".to_owned())
            }
            Self::Engine(EngineError::Learnt { .. }) => Some(
                "give it more --memory, or have fewer states: by channel alone, a lower order, a smaller `bootstrap`, fewer windows".to_owned(),
            ),
            Self::Engine(EngineError::Returns { .. }) => {
                Some("group [returns] by less, take longer periods, or give --memory more".to_owned())
            }
            Self::Engine(EngineError::Profiles { .. }) => Some(
                "map no column that differs from touch to touch as campaign or dimension, or give the run more with --memory"
                    .to_owned(),
            ),
            Self::Engine(EngineError::Customer { .. }) => Some(
                "a bot or a test account is best left out by `where` in [touchpoints]; else give the run more with --memory"
                    .to_owned(),
            ),
            Self::Engine(EngineError::Temp { .. } | EngineError::NoRoom { .. }) => {
                Some("see that the folder can be written and has room, say --temp FOLDER for another one, or give the run more with --memory".to_owned())
            }
            Self::Engine(_) => None,
        }
    }
}
