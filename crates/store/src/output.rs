//! The folder that a pipeline publishes to: its lock, its runs, and `current`.
//!
//! ```text
//! <output>/.lock               held while a run writes; dies with its process
//! <output>/.staging-<run_id>/  a run that is being written, or litter of one that was killed
//! <output>/runs/<run_id>/      published runs, never changed
//! <output>/runs/.ids           every id ever published
//! <output>/current             a link to runs/<run_id>
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use attributary_core::time::instant_text;

use crate::error::StoreError;
use crate::files;
use crate::manifest::{PublishedRun, not_a_link};
use crate::run_id::{self, IdLog};
use crate::staging::Staging;

/// What the names of all unfinished things begin with.
const STAGING: &str = ".staging-";

/// An output folder, locked: no other run writes to it while this, or a [`Staging`] of it, lives.
pub struct Output {
    root: Arc<Root>,
}

/// The folder and its lock.
pub(crate) struct Root {
    pub(crate) path: PathBuf,
    /// The lock is the operating system's, tied to this open file.
    _lock: File,
}

impl Output {
    /// Opens an output folder, creating it where it does not exist; fails at once where it cannot be written or another
    /// run holds it. Removes what killed runs left behind.
    ///
    /// # Errors
    /// [`StoreError::NotAFolder`], [`StoreError::Held`], [`StoreError::Output`].
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        if fs::metadata(root).is_ok_and(|it| !it.is_dir()) {
            return Err(StoreError::NotAFolder { path: root.to_owned() });
        }
        files::create_folder(root)?;
        let lock = lock(root)?;
        let root = Root { path: root.to_owned(), _lock: lock };
        root.remove_litter()?;
        files::create_folder(&root.runs())?;
        // The folder may be one that can be locked but not written: better known now than after the work.
        for folder in [&root.path, &root.runs()] {
            let probe = folder.join(format!("{STAGING}+probe"));
            files::write_synced(&probe, b"")?;
            files::remove(&probe)?;
        }
        let current = root.current();
        if fs::symlink_metadata(&current).is_ok_and(|it| !it.is_symlink()) {
            return Err(StoreError::NoSuchRun { path: current, source: not_a_link() });
        }
        Ok(Self { root: Arc::new(root) })
    }

    /// The run that `current` names; none before the first one.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRun`] where it names none, [`StoreError::Manifest`] where the run's manifest cannot be read.
    pub fn current(&self) -> Result<Option<PublishedRun>, StoreError> {
        let Some(target) = self.root.current_target()? else { return Ok(None) };
        let folder = self.root.path.join(target);
        PublishedRun::read(&folder).map(Some).map_err(|error| match error {
            StoreError::NoSuchRun { source, .. } => StoreError::NoSuchRun { path: self.root.current(), source },
            other => other,
        })
    }

    /// Begins a run. It becomes visible with [`Staging::publish`] only.
    ///
    /// # Errors
    /// [`StoreError::RunIdInvalid`], [`StoreError::RunIdUsed`], [`StoreError::Output`].
    pub fn stage(&self, run_id: &str) -> Result<Staging, StoreError> {
        run_id::check(run_id)?;
        let used = || StoreError::RunIdUsed { run_id: run_id.to_owned(), output: self.root.path.clone() };
        if fs::symlink_metadata(self.root.run(run_id)).is_ok() || self.root.ids().ids()?.iter().any(|id| id == run_id) {
            return Err(used());
        }
        let folder = self.root.staging(run_id);
        match fs::create_dir(&folder) {
            Ok(()) => Ok(Staging::new(Arc::clone(&self.root), run_id, folder)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(used()),
            Err(error) => Err(StoreError::output("create folder", &folder)(error)),
        }
    }

    /// Removes all published runs but the `keep` newest (all stay with 0) and the one that `current` names. Says which are
    /// gone, the oldest first. Folders under `runs/` that no run of ours made are left alone.
    ///
    /// # Errors
    /// [`StoreError::Output`].
    pub fn prune(&self, keep: usize) -> Result<Vec<String>, StoreError> {
        if keep == 0 {
            return Ok(Vec::new());
        }
        let current = self.root.current_target()?;
        let current = current.as_ref().and_then(|target| target.file_name());
        let mut runs = self.root.ids().ids()?;
        runs.retain(|id| run_id::check(id).is_ok() && self.root.run(id).is_dir());
        runs.truncate(runs.len().saturating_sub(keep));
        runs.retain(|id| current != Some(id.as_ref()));
        for id in &runs {
            // Out of sight in one step; what a kill leaves behind is litter and goes at the next start.
            let (run, doomed) = (self.root.run(id), self.root.path.join(format!("{STAGING}{id}+pruned")));
            fs::rename(&run, &doomed).map_err(StoreError::output("remove", &run))?;
            files::remove(&doomed)?;
        }
        Ok(runs)
    }
}

impl Root {
    pub(crate) fn runs(&self) -> PathBuf {
        self.path.join("runs")
    }

    pub(crate) fn run(&self, run_id: &str) -> PathBuf {
        self.runs().join(run_id)
    }

    pub(crate) fn current(&self) -> PathBuf {
        self.path.join("current")
    }

    pub(crate) fn ids(&self) -> IdLog {
        IdLog::new(&self.runs())
    }

    /// The folder of a run that is being written. No run id holds a `+`, so other names can stand beside it.
    pub(crate) fn staging(&self, run_id: &str) -> PathBuf {
        self.path.join(format!("{STAGING}{run_id}"))
    }

    fn current_target(&self) -> Result<Option<PathBuf>, StoreError> {
        match fs::read_link(self.current()) {
            Ok(target) => Ok(Some(target)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::output("read", &self.current())(error)),
        }
    }

    fn remove_litter(&self) -> Result<(), StoreError> {
        for folder in [self.path.clone(), self.runs()] {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries {
                let entry = entry.map_err(StoreError::output("list", &folder))?;
                if entry.file_name().to_string_lossy().starts_with(STAGING) {
                    files::remove(&entry.path())?;
                }
            }
        }
        Ok(())
    }
}

/// Takes the lock of an output folder and writes into it who has it.
fn lock(root: &Path) -> Result<File, StoreError> {
    let path = root.join(".lock");
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = opened.map_err(StoreError::output("create", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(200).read_to_string(&mut holder);
            let holder = if holder.trim().is_empty() { "a process that has just started" } else { holder.trim() };
            return Err(StoreError::Held { output: root.to_owned(), holder: holder.to_owned() });
        }
        Err(TryLockError::Error(source)) => return Err(StoreError::Output { action: "lock", path, source }),
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64 * 1_000_000);
    let holder = format!("process {}, since {}\n", std::process::id(), instant_text(now));
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(holder.as_bytes()))
        .map_err(StoreError::output("write", &path))?;
    Ok(file)
}
