//! A proof that a published run is what its inputs give: its files are whole, and computing all days once more gives the same bytes.

use std::path::Path;
use std::time::Instant;

use attributary_engine::Interrupt;
use attributary_store::{PublishedRun, TableEntry};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::again::{Recipe, read_run};
use crate::carried::OF_FILES;
use crate::error::Error;
use crate::options::{Options, Progress};
use crate::report::VerifyReport;
use crate::restatements::OF_HISTORY;

/// So many names are said; of the others only how many there are.
const MOST_NAMES: usize = 5;

/// Reads every file of a run and compares it with its manifest; unless `files_only`, computes the run once more from its inputs
/// and compares the bytes of all tables. Of `machine` threads, memory and the folder for temporary files count.
///
/// # Errors
/// Where the run cannot be read, a file is damaged, the inputs are no longer those of the run, or the result is another one.
pub fn verify(
    run: &Path,
    files_only: bool,
    machine: &Options,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<VerifyReport, Error> {
    let began = Instant::now();
    let run = read_run(run)?;
    let manifest = &run.manifest;
    let files: Vec<_> = manifest.tables.iter().chain(&manifest.state).flat_map(|table| &table.files).collect();
    let damaged = files.par_iter().map(|file| Ok((interrupt.check()?, run.damage(file)).1));
    let damaged: Vec<String> = damaged.collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().collect();
    if !damaged.is_empty() {
        return Err(Error::Input {
            problem: format!("run {} is damaged: {}", manifest.run_id, some(&damaged)),
            hint: Some("publish the days anew with `run --full`, or go back to an earlier run with `rollback`".to_owned()),
        });
    }
    let mut report = VerifyReport {
        run_id: manifest.run_id.clone(),
        folder: run.folder.clone(),
        range: (manifest.range.from.clone(), manifest.range.to.clone()),
        files: files.len() as u64,
        bytes: files.iter().map(|file| file.bytes).sum(),
        tables: Vec::new(),
        computed: false,
        seconds: 0.0,
    };
    if !files_only {
        let recipe = Recipe::of(&run)?;
        let changed = recipe.changed_inputs(manifest, machine, interrupt)?;
        if !changed.is_empty() {
            return Err(Error::Input {
                problem: format!("run {} cannot be made again, as its inputs changed: {}", manifest.run_id, some(&changed)),
                hint: Some("`run` publishes what they give now; `verify --files-only` looks at the run's own files".to_owned()),
            });
        }
        let again = recipe.make(&run, machine, progress, interrupt)?;
        let differing = differing(&run, &again.run);
        if !differing.is_empty() {
            return Err(Error::Differs { run_id: manifest.run_id.clone(), tables: some(&differing), version: version_of(&run) });
        }
        report.computed = true;
    }
    report.tables = manifest.tables.iter().map(|table| (table.name.clone(), table.rows)).collect();
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// The tables, and parts of the state, that are not the same files in both runs.
fn differing(run: &PublishedRun, again: &PublishedRun) -> Vec<String> {
    let sides = [(&run.manifest.tables, &again.manifest.tables, ""), (&run.manifest.state, &again.manifest.state, "state/")];
    let of_side = |(ours, theirs, prefix): (&Vec<TableEntry>, &Vec<TableEntry>, &str)| {
        let named = |all: &[TableEntry], name: &str| all.iter().find(|table| table.name == name).cloned();
        let mut names: Vec<String> = ours.iter().chain(theirs).map(|table| table.name.clone()).collect();
        names.sort();
        names.dedup();
        // What is noted of files hangs on when they were looked at.
        names.retain(|name| !(prefix == "state/" && OF_FILES.contains(&name.as_str())));
        // What was said before this run only the runs before know.
        names.retain(|name| !(prefix.is_empty() && OF_HISTORY.contains(&name.as_str())));
        names.retain(|name| named(ours, name) != named(theirs, name));
        names.into_iter().map(|name| format!("{prefix}{name}")).collect::<Vec<_>>()
    };
    sides.into_iter().flat_map(of_side).collect()
}

/// The version of a run, where it is not this one.
fn version_of(run: &PublishedRun) -> Option<String> {
    (run.manifest.version != env!("CARGO_PKG_VERSION")).then(|| run.manifest.version.clone())
}

fn some(names: &[String]) -> String {
    let more = names.len().saturating_sub(MOST_NAMES);
    let shown = names[..names.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
