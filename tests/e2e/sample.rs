//! Runs over the sample data, each set of them into a folder of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use attributary_store::PublishedRun;
use tempfile::TempDir;

use crate::support::{attributary, root, shown};

/// A pipeline and the folder that its runs are published to.
pub struct Sample {
    pipeline: PathBuf,
    output: TempDir,
}

impl Sample {
    /// `tests/pipelines/sample.toml`: small, and with every kind of table.
    pub fn new() -> Self {
        Self::of("tests/pipelines/sample.toml")
    }

    /// Another pipeline of the project.
    pub fn of(pipeline: &str) -> Self {
        Self { pipeline: root().join(pipeline), output: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Where its runs are published.
    pub fn output(&self) -> &Path {
        self.output.path()
    }

    /// Runs it with further arguments, which stand apart by spaces, and gives what is current then.
    pub fn run(&self, arguments: &str) -> PublishedRun {
        self.report(arguments).0
    }

    /// Runs it and gives what is current then, and what the command says of it.
    pub fn report(&self, arguments: &str) -> (PublishedRun, serde_json::Value) {
        let (code, stdout, stderr) = self.try_run(arguments);
        assert_eq!(code, 0, "{arguments}\n{stderr}");
        (self.current(), serde_json::from_str(&stdout).expect("JSON"))
    }

    /// Runs it with further arguments and gives exit code, stdout and stderr.
    pub fn try_run(&self, arguments: &str) -> (i32, String, String) {
        let mut command = attributary();
        command.arg("run").arg(&self.pipeline).arg("--output").arg(self.output());
        command.args(["--quiet", "--format", "json"]).args(arguments.split_whitespace());
        shown(&command.output().expect("the binary starts"))
    }

    /// The run that is current.
    pub fn current(&self) -> PublishedRun {
        let folder = self.output().join("current").canonicalize().expect("a current run");
        PublishedRun::read(&folder).expect("a manifest")
    }
}

/// Where a run notes what each file of the log has.
const OF_FILES: [&str; 4] = ["state/touch_", "state/conversion_files", "state/conversion_hours", "state/conversion_ids"];

/// The SHA-256 of every file of a run, of its tables and of its state, by the path in the run; but for what names files of the
/// log.
fn hashes(run: &PublishedRun) -> BTreeMap<String, String> {
    let files = run.manifest.tables.iter().chain(&run.manifest.state).flat_map(|table| &table.files);
    let files = files.filter(|file| !OF_FILES.iter().any(|of_files| file.path.starts_with(of_files)));
    files.map(|file| (file.path.clone(), file.sha256.clone())).collect()
}

/// Fails with the files that are not the same in both, if any; `except` is a table that is not compared.
#[track_caller]
pub fn assert_same_bytes(found: &PublishedRun, expected: &PublishedRun, except: &str, what: &str) {
    let (mut found, mut expected) = (hashes(found), hashes(expected));
    for hashes in [&mut found, &mut expected] {
        hashes.retain(|path, _| path.split('/').next() != Some(except));
    }
    let paths: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let differing: Vec<_> = paths.into_iter().filter(|path| found.get(*path) != expected.get(*path)).collect();
    assert!(differing.is_empty(), "{what}: other bytes in {differing:?}");
}
