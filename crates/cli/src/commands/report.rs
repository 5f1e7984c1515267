//! `attributary report`: a run as one HTML page.

use std::fs;
use std::path::{Path, PathBuf};

use attributary_pipeline::DiffReport;
use attributary_report::ReportError;
use serde::Serialize;

use crate::app::Context;
use crate::args::ReportArgs;
use crate::errors::Failure;
use crate::exit::Exit;
use crate::files::write_whole;
use crate::signals::{First, Stop};
use crate::{mapped, progress};

/// Writes the page, and says where it is.
pub fn perform(args: &ReportArgs, context: &Context) -> Result<String, Failure> {
    // A comparison may compute runs, which clean up after themselves.
    let stop = Stop::on_signals(if args.against.is_some() { First::Asks } else { First::Ends }, context)?;
    // `current` is a link: the run it names now is the one, whatever is published meanwhile.
    let run = fs::canonicalize(&args.run).unwrap_or_else(|_| args.run.clone());
    let path = args.output.clone().unwrap_or_else(|| beside(&run));
    if within(&path, &run) {
        let message = format!("expected a file outside of the run, found {}", path.display());
        return Err(Failure::plain(Exit::Usage, message).hint("a run never changes; leave out --output to write beside the runs"));
    }
    let page = match &args.against {
        None => attributary_report::page(&run)?,
        Some(before) => attributary_report::page_against(&run, compared(before, &run, args, &stop, context)?)?,
    };
    write_whole(&path, page.as_bytes()).map_err(|error| {
        Failure::plain(Exit::Output, format!("cannot write {}", path.display())).because(&error).hint("name a file with --output")
    })?;
    let report = Report { report: path.display().to_string(), bytes: page.len() };
    context.document(&report, |_| format!("{}\n", report.report))
}

/// What changed since an earlier run.
fn compared(before: &Path, run: &Path, args: &ReportArgs, stop: &Stop, context: &Context) -> Result<DiffReport, Failure> {
    let progress = mapped::watched(context)?;
    let work = || {
        let diff = attributary_pipeline::diff(before, run, &args.options(), &progress, &stop.interrupt);
        diff.map_err(|error| stop.failure(error))
    };
    progress::during(context.bar, || progress::of_run(&progress), work)
}

/// What was written.
#[derive(Serialize)]
struct Report {
    report: String,
    bytes: usize,
}

/// Where the page of a run is by default: in the output folder that the run is of, or beside a run that was moved elsewhere.
fn beside(run: &Path) -> PathBuf {
    let id = run.file_name().map_or_else(|| "run".into(), |name| name.to_string_lossy());
    let folder = run.parent().map(|parent| match (parent.file_name(), parent.parent()) {
        (Some(name), Some(output)) if name == "runs" => output,
        _ => parent,
    });
    folder.unwrap_or(Path::new("")).join(format!("report-{id}.html"))
}

/// Whether a file would lie in the folder of the run.
fn within(path: &Path, run: &Path) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::canonicalize(folder).is_ok_and(|folder| folder.starts_with(run))
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        let exit = if error.is_input() { Exit::Input } else { Exit::Bug };
        Self::new(exit, &error, error.hint().map(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_beside_the_runs() {
        let place = |run: &str| beside(Path::new(run)).display().to_string();
        assert_eq!(place("/out/nightly/runs/20260101T000000Z-abc"), "/out/nightly/report-20260101T000000Z-abc.html");
        assert_eq!(place("/moved/a-run"), "/moved/report-a-run.html");
        assert_eq!(place("runs"), "report-runs.html");
    }

    #[test]
    fn a_page_in_the_folder_of_a_run_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.html");
        assert!(within(&path, &fs::canonicalize(folder.path()).expect("a path")));
        assert!(!within(Path::new("report.html"), &fs::canonicalize(folder.path()).expect("a path")));
    }
}
