//! `runs`: the runs that there are, and what can be said of each without computing anything.

use std::path::PathBuf;

use attributary_core::time::{Zone, parse_instant};
use attributary_store::{FileEntry, ListedRun, Manifest, list_runs, read_table};
use serde::Serialize;

use crate::error::Error;
use crate::options::Options;
use crate::plan::with_pipeline;
use crate::run::output_folder;

/// The runs of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunsReport {
    /// The pipeline's name.
    pub pipeline: String,
    /// The output folder.
    pub output: PathBuf,
    /// The run that `current` names, whether it is there or not.
    pub current: Option<String>,
    /// What all runs take on the disk; files that several have are counted once.
    pub bytes: u64,
    /// Those that are there, the last published first.
    pub runs: Vec<RunEntry>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunEntry {
    /// Its id.
    pub run_id: String,
    /// Whether `current` names it.
    pub current: bool,
    /// Why it cannot be used, if so. What is null of the rest is then not known.
    pub problem: Option<String>,
    /// Its conversion days: from, inclusive, and to, exclusive.
    pub range: Option<(Option<String>, Option<String>)>,
    /// Rows of touchpoints that were read.
    pub touchpoints_read: Option<u64>,
    /// Rows of conversions that were read.
    pub conversions_read: Option<u64>,
    /// What the first model attributed of the first value.
    pub money: Option<Money>,
    /// When it began, RFC 3339.
    pub started: Option<String>,
    /// How long it took, in seconds.
    pub seconds: Option<f64>,
    /// The run that days were taken over from, and how many were computed.
    pub made_from: Option<MadeFrom>,
    /// Bytes of the files that no other run has.
    pub own_bytes: u64,
    /// How many files that is.
    pub own_files: u64,
    /// Bytes of the files that other runs have too.
    pub shared_bytes: u64,
    /// How many files that is.
    pub shared_files: u64,
}

/// A sum of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Money {
    /// The model.
    pub model: String,
    /// The window as typed.
    pub window: String,
    /// The value.
    pub value: String,
    /// The currency's code.
    pub currency: String,
    /// What was attributed, with the digits of the currency.
    pub attributed: String,
}

/// What a run was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MadeFrom {
    /// The run whose other days were taken over. It may be gone.
    pub run_id: String,
    /// How many days with conversions were computed.
    pub days_computed: u64,
    /// Of so many.
    pub of_days: u64,
}

/// Lists the runs of a pipeline. Nothing is locked or changed: this may be asked at any time.
///
/// # Errors
/// Where the pipeline file is wrong or names no output, or its folder cannot be listed. A run that is torn is no error.
pub fn runs(options: &Options) -> Result<RunsReport, Error> {
    with_pipeline(options, |pipeline, _| {
        let output = output_folder(&pipeline, options)?;
        let listed = list_runs(&output)?;
        let current = listed.current;
        let runs = listed.runs.into_iter().map(|run| entry(run, current.as_deref())).collect();
        Ok(RunsReport { pipeline: pipeline.name, output, current, bytes: listed.bytes, runs })
    })
}

fn entry(run: ListedRun, current: Option<&str>) -> RunEntry {
    let manifest = run.manifest.as_ref();
    RunEntry {
        current: current == Some(run.run_id.as_str()),
        range: manifest.map(|manifest| (manifest.range.from.clone(), manifest.range.to.clone())),
        touchpoints_read: manifest.map(|manifest| manifest.rows.touchpoints.read),
        conversions_read: manifest.map(|manifest| manifest.rows.conversions.read),
        money: money(&run),
        started: manifest.map(|manifest| manifest.started.clone()),
        seconds: manifest.and_then(seconds),
        made_from: manifest.and_then(|manifest| manifest.recomputed.as_ref()).map(|from| MadeFrom {
            run_id: from.base.clone(),
            days_computed: from.conversion_days,
            of_days: from.of,
        }),
        own_bytes: run.size.own_bytes,
        own_files: run.size.own_files,
        shared_bytes: run.size.shared_bytes,
        shared_files: run.size.shared_files,
        problem: run.problem,
        run_id: run.run_id,
    }
}

fn seconds(manifest: &Manifest) -> Option<f64> {
    let instant = |text: &str| parse_instant(text, &Zone::utc());
    let micros = instant(&manifest.finished)?.checked_sub(instant(&manifest.started)?)?;
    (micros >= 0).then_some(micros as f64 / 1_000_000.0)
}

/// The line of the run's ledger that is of its first model, window and value; none where there is no such line to be read.
fn money(run: &ListedRun) -> Option<Money> {
    let manifest = run.manifest.as_ref().filter(|_| run.problem.is_none())?;
    let (model, window) = (&manifest.models.first()?.name, manifest.windows.first()?);
    for FileEntry { path, .. } in &manifest.table("ledger")?.files {
        let reader = read_table(&run.folder.join(path)).ok()?;
        let fields = reader.fields().to_vec();
        let place = |name: &str| fields.iter().position(|field| field.name == name);
        let places = [place("model")?, place("window")?, place("value")?, place("currency")?, place("attributed")?];
        for rows in reader {
            let rows = rows.ok()?;
            for row in 0..rows.len() {
                let [of_model, of_window, value, currency, attributed] =
                    places.map(|place| rows.columns[place].value(row).display(&fields[place].kind));
                // Values stand in the pipeline's order.
                if of_model == *model && of_window == *window {
                    return Some(Money { model: of_model, window: of_window, value, currency, attributed });
                }
            }
        }
    }
    None
}
