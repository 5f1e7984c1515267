//! A published run made once more, from what its manifest says, beside the runs and for nobody to see.

use std::fs::File;
use std::path::{Path, PathBuf};

use attributary_core::time::parse_day;
use attributary_engine::{EngineError, Interrupt, Range};
use attributary_store::{Manifest, PublishedRun, StoreError};
use tempfile::TempDir;

use crate::as_of::{self, AsOf};
use crate::error::Error;
use crate::options::{Options, Progress};
use crate::plan::{Plan, with_pipeline};
use crate::run::run;
use crate::said::inputs;

/// What the names of the folders begin with.
const PREFIX: &str = ".again-";

/// A run that is gone once this is dropped.
pub(crate) struct Again {
    pub run: PublishedRun,
    _folder: TempDir,
    /// Says that the folder is someone's; dies with its process.
    _held: File,
}

/// How a run is made again.
pub(crate) struct Recipe {
    /// Where the pipeline file is.
    pub file: String,
    /// What it says.
    pub text: String,
    /// What is said otherwise, as behind `--set`.
    pub overrides: Vec<String>,
    /// The conversion days.
    pub range: Range,
    /// What came later and is left out.
    pub as_of: Option<AsOf>,
}

impl Recipe {
    /// How a run was made.
    ///
    /// # Errors
    /// Where its manifest does not say so.
    pub fn of(run: &PublishedRun) -> Result<Self, Error> {
        let Manifest { run_id, pipeline_file, working_folder, pipeline_toml, .. } = &run.manifest;
        // Tables name files as the run did.
        let here = std::env::current_dir().is_ok_and(|here| here == Path::new(working_folder));
        if Path::new(pipeline_file).is_relative() && !here {
            return Err(Error::Input {
                problem: format!("run {run_id} can be made again in {working_folder} only: {pipeline_file} is meant from there"),
                hint: Some(format!("change to that folder: cd {working_folder}")),
            });
        }
        let day = |text: &Option<String>| text.as_ref().map(|text| parse_day(text).ok_or(())).transpose();
        let range = day(&run.manifest.range.from).and_then(|from| Ok(Range { from, to: day(&run.manifest.range.to)? }));
        match range.ok().zip(as_of::of_manifest(&run.manifest)) {
            Some((range, as_of)) if !pipeline_toml.is_empty() => {
                Ok(Self { file: pipeline_file.clone(), text: pipeline_toml.clone(), overrides: Vec::new(), range, as_of })
            }
            _ => Err(Error::Input {
                problem: format!("the manifest of run {run_id} does not say how it was made"),
                hint: Some("runs of older versions cannot be made again; publish the days anew".to_owned()),
            }),
        }
    }

    fn options(&self, machine: &Options, output: &Path, fits_of: Option<&Path>) -> Options {
        Options {
            pipeline: PathBuf::from(&self.file),
            text: Some(self.text.clone()),
            overrides: self.overrides.clone(),
            output: Some(output.to_owned()),
            from: self.range.from,
            to: self.range.to,
            as_of: self.as_of,
            full: true,
            fits_of: fits_of.map(Path::to_owned),
            unjudged: true,
            run_id: Some("again".to_owned()),
            threads: machine.threads,
            memory: machine.memory,
            ..Options::default()
        }
    }

    /// Makes the run, all days of it, with what models learnt that were fitted once for `of`, beside the runs or where `machine` says that temporary files go.
    ///
    /// # Errors
    /// As a run's.
    pub fn make(&self, of: &PublishedRun, machine: &Options, progress: &Progress, interrupt: &Interrupt) -> Result<Again, Error> {
        let beside = machine.temp.clone().unwrap_or_else(|| output_of(&of.folder));
        self.make_beside(&beside, Some(&of.folder), machine, progress, interrupt)
    }

    /// The same in a folder of its own below `beside`; `fits_of` is the run that has what models learnt.
    ///
    /// # Errors
    /// As a run's.
    pub fn make_beside(
        &self,
        beside: &Path,
        fits_of: Option<&Path>,
        machine: &Options,
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> Result<Again, Error> {
        let (folder, held) = hold(beside)?;
        let options = self.options(machine, folder.path(), fits_of);
        let report = run(&options, progress, interrupt)?;
        Ok(Again { run: PublishedRun::read(&report.folder)?, _folder: folder, _held: held })
    }

    /// Looks at the inputs as they are now, and says what is no longer as the run of a manifest found it.
    ///
    /// # Errors
    /// Where the pipeline is wrong or its inputs cannot be opened.
    pub fn changed_inputs(&self, since: &Manifest, machine: &Options, interrupt: &Interrupt) -> Result<Vec<String>, Error> {
        let options = self.options(machine, Path::new("again"), None);
        let now = with_pipeline(&options, |pipeline, _| Ok(inputs(&Plan::interruptible(pipeline, &options, interrupt)?)))?;
        let find = |all: &[attributary_store::InputFile], source: &str, path: &str| {
            all.iter().find(|file| (file.source.as_str(), file.path.as_str()) == (source, path)).cloned()
        };
        let gone_or_changed = since.inputs.iter().filter_map(|before| match find(&now, &before.source, &before.path) {
            None => Some(format!("{} is gone", before.path)),
            Some(now) if now != *before => Some(format!("{} is not what it was", before.path)),
            Some(_) => None,
        });
        let new = now.iter().filter(|file| find(&since.inputs, &file.source, &file.path).is_none());
        Ok(gone_or_changed.chain(new.map(|file| format!("{} is new", file.path))).collect())
    }
}

/// Reads the manifest of a run that someone named; `current` is resolved, so that it stays the same run.
///
/// # Errors
/// Where it is none.
pub(crate) fn read_run(folder: &Path) -> Result<PublishedRun, Error> {
    PublishedRun::read(&std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())).map_err(|error| Error::Input {
        problem: match error {
            StoreError::NoSuchRun { source, .. } => format!("{} is no published run: {source}", folder.display()),
            other => other.to_string(),
        },
        hint: Some("name the folder of a run, such as out/nightly/current or out/nightly/runs/ID".to_owned()),
    })
}

/// The output folder that a run is in, or the folder of a run that lies elsewhere.
fn output_of(run: &Path) -> PathBuf {
    let parent = run.parent().unwrap_or(Path::new("."));
    match (parent.file_name(), parent.parent()) {
        (Some(name), Some(output)) if name == "runs" => output.to_owned(),
        _ => parent.to_owned(),
    }
}

/// Makes a folder that is held as long as the file is open. Clears away what was left by processes that were killed.
fn hold(beside: &Path) -> Result<(TempDir, File), Error> {
    let failed = |source| EngineError::temp(beside)(source);
    std::fs::create_dir_all(beside).map_err(failed)?;
    for entry in std::fs::read_dir(beside).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // Who made it a moment ago may not hold it yet: without the file it is left alone.
        if ours && File::open(entry.path().join("held")).is_ok_and(|held| held.try_lock().is_ok()) {
            std::fs::remove_dir_all(entry.path()).map_err(failed)?;
        }
    }
    let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(beside).map_err(failed)?;
    let held = File::create(folder.path().join("held")).map_err(failed)?;
    held.try_lock().map_err(|error| failed(error.into()))?;
    Ok((folder, held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_nobody_holds_is_cleared_away() {
        let all = tempfile::tempdir().expect("a temporary folder");
        let (killed, held) = hold(all.path()).expect("made");
        let (running, _held) = hold(all.path()).expect("made");
        assert!(killed.path().exists(), "both are held");
        drop(held);
        let (_next, _held) = hold(all.path()).expect("made");
        assert!(!killed.path().exists() && running.path().exists());
    }

    #[test]
    fn a_run_is_made_again_beside_the_runs() {
        assert_eq!(output_of(Path::new("/out/nightly/runs/one")), Path::new("/out/nightly"));
        assert_eq!(output_of(Path::new("/moved/one")), Path::new("/moved"));
    }
}
