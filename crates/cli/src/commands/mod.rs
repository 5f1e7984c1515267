//! The commands, one file each: words in, what goes to stdout out.

pub mod backfill;
pub mod check;
pub mod completions;
pub mod diff;
pub mod evaluate;
pub mod explain;
pub mod models;
pub mod report;
pub mod rollback;
pub mod run;
pub mod runs;
pub mod simulate;
pub mod verify;

use crate::app::Context;
use crate::args::Command;
use crate::errors::Failure;

/// Does what a command says; gives what goes to stdout.
pub fn perform(command: Command, context: &Context) -> Result<String, Failure> {
    match command {
        Command::Run(args) => run::perform(&args, context),
        Command::Backfill(args) => backfill::perform(&args, context),
        Command::Diff(args) => diff::perform(&args, context),
        Command::Verify(args) => verify::perform(&args, context),
        Command::Check(args) => check::perform(&args, context),
        Command::Explain(args) => explain::perform(&args, context),
        Command::Evaluate(args) => evaluate::perform(&args, context),
        Command::Runs(args) => runs::perform(&args, context),
        Command::Rollback(args) => rollback::perform(&args, context),
        Command::Report(args) => report::perform(&args, context),
        Command::Models(args) => models::perform(&args, context),
        Command::Simulate(args) => simulate::perform(&args, context),
        Command::Completions(args) => completions::perform(&args),
    }
}

/// Lines of a name and what there is to say about it, the names in a column of their own that starts at `indent`.
fn facts<'a>(indent: usize, facts: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let facts: Vec<_> = facts.into_iter().filter(|(_, text)| !text.is_empty()).collect();
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    let line =
        |(name, text): &(&str, String)| format!("{:indent$}{name:width$}{}\n", "", crate::text::wrapped(text, indent + width));
    facts.iter().map(line).collect()
}
