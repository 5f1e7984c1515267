//! What a pipeline file wants done after a run: `on_success` or `on_failure`, a program and its arguments, without a shell.

use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use attributary_pipeline::Hooks;
use attributary_pipeline::report::RunReport;

use crate::errors::Failure;

/// A hook that runs longer is killed: nobody waits for it at night.
const LONGEST: Duration = Duration::from_secs(60);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Runs the hook for what came of a run. It changes nothing about that: a hook that fails is a warning.
pub fn after(hooks: &Hooks, pipeline: &Path, ended: Result<&RunReport, &Failure>) {
    let (key, words) = match ended {
        Ok(_) => ("on_success", &hooks.on_success),
        Err(_) => ("on_failure", &hooks.on_failure),
    };
    let Some((program, arguments)) = words.split_first() else { return };
    let mut command = Command::new(program);
    command.args(arguments).env("ATTRIBUTARY_PIPELINE", pipeline);
    match ended {
        Ok(report) => {
            command
                .env("ATTRIBUTARY_EXIT_CODE", "0")
                .env("ATTRIBUTARY_RUN_ID", &report.run_id)
                .env("ATTRIBUTARY_RUN", &report.folder);
            command.env("ATTRIBUTARY_FROM", report.range.0.as_deref().unwrap_or_default());
            command.env("ATTRIBUTARY_TO", report.range.1.as_deref().unwrap_or_default());
        }
        Err(failure) => {
            command.env("ATTRIBUTARY_EXIT_CODE", failure.exit.code().to_string()).env("ATTRIBUTARY_ERROR", failure.message());
        }
    }
    match run(command, LONGEST) {
        Ok(Some(status)) if status.success() => tracing::debug!("{key} ended well"),
        Ok(Some(status)) => tracing::warn!("{key}: {program:?} ended with {status}; the run is not changed by it"),
        Ok(None) => tracing::warn!("{key}: {program:?} was killed after {} s; the run is not changed by it", LONGEST.as_secs()),
        Err(error) => tracing::warn!("{key}: {program:?} cannot be run: {error}; the run is not changed by it"),
    }
}

/// Runs a command, whose output goes to stderr, and kills it where it takes too long: then there is no status.
fn run(mut command: Command, longest: Duration) -> io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(io::stderr()).spawn()?;
    while began.elapsed() < longest {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(LOOK);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_takes_too_long_is_killed() {
        let command = |words: &[&str]| {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]);
            command
        };
        let killed = run(command(&["sleep", "60"]), Duration::from_millis(60)).expect("started");
        assert!(killed.is_none());
        let status = run(command(&["sh", "-c", "exit 3"]), LONGEST).expect("started");
        assert_eq!(status.and_then(|status| status.code()), Some(3));
        assert!(run(command(&["no/such/program"]), LONGEST).is_err());
    }
}
