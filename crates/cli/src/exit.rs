//! The exit codes, which scripts rely on.

use std::process::ExitCode;

use attributary_pipeline::Fault;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Done = 0,
    /// A bug, or a broken invariant.
    Bug = 1,
    /// The command line or the pipeline file.
    Usage = 2,
    /// The input is missing, unreadable or of the wrong schema.
    Input = 3,
    /// The input breaks its data contract.
    Contract = 4,
    /// The output cannot be written or published.
    Output = 5,
    /// Another run holds the output.
    Held = 6,
    /// Someone pressed Ctrl-C (SIGINT).
    Interrupted = 130,
    /// Someone sent SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// Every code, in order.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Bug,
        Self::Usage,
        Self::Input,
        Self::Contract,
        Self::Output,
        Self::Held,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// One line for the help.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Bug => "attributary's own fault: please report it",
            Self::Usage => "the command line or the pipeline file",
            Self::Input => "the input: missing, unreadable, wrong schema; an unknown id in `explain`",
            Self::Contract => "the data contract: a quality threshold is broken",
            Self::Output => "the output cannot be written or published",
            Self::Held => "another run holds the output",
            Self::Interrupted => "interrupted: nothing was published",
            Self::Terminated => "terminated: nothing was published",
        }
    }
}

impl From<Fault> for Exit {
    /// An interruption is taken for Ctrl-C; who knows the signal says so.
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Bug => Self::Bug,
            Fault::Usage => Self::Usage,
            Fault::Input => Self::Input,
            Fault::Contract => Self::Contract,
            Fault::Output => Self::Output,
            Fault::Held => Self::Held,
            Fault::Interrupted => Self::Interrupted,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_manual() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 4, 5, 6, 130, 143]);
        let faults = [Fault::Bug, Fault::Usage, Fault::Input, Fault::Contract, Fault::Output, Fault::Held, Fault::Interrupted];
        assert_eq!(faults.map(|fault| Exit::from(fault).code()), [1, 2, 3, 4, 5, 6, 130]);
    }
}
