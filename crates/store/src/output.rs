//! The folder that a pipeline publishes to: its lock, its runs, and `current`.
//!
//! ```text
//! <output>/.lock               held while a run writes; dies with its process
//! <output>/.staging-<run_id>/  a run that is being written, or litter of one that was killed
//! <output>/runs/<run_id>/      published runs, never changed
//! <output>/runs/<run_id>.failed/  why a run was not published; never a run
//! <output>/runs/.ids           every id ever published
//! <output>/current             a link to runs/<run_id>
//! ```

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::StoreError;
use crate::manifest::{PublishedRun, not_a_link};
use crate::moments::{Moment, reached};
use crate::run_id::{self, IdLog};
use crate::staging::Staging;
use crate::{files, lock};

/// What the names of all unfinished things begin with.
pub(crate) const STAGING: &str = ".staging-";

/// An output folder, locked: no other run writes to it while this, or a [`Staging`] of it, lives.
pub struct Output {
    pub(crate) root: Arc<Root>,
}

/// The folder and its lock.
pub(crate) struct Root {
    pub(crate) path: PathBuf,
    /// The lock is the operating system's, tied to this open file.
    lock: File,
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
        let is_new = !root.exists();
        files::create_folder(root)?;
        if let Some(above) = root.parent().filter(|above| is_new && !above.as_os_str().is_empty()) {
            let _ = files::sync_folder(above);
        }
        let root = Root { path: root.to_owned(), lock: lock::take(root)? };
        // First, as it may be the litter that fills the disk.
        root.remove_litter()?;
        lock::sign(&root.lock);
        files::create_folder(&root.runs())?;
        // The folder may be one that can be locked but not written, or `runs` may be on another disk, where no run can be moved
        // to in one step: better known now than after the work.
        let [probe, moved] = [&root.path, &root.runs()].map(|folder| folder.join(format!("{STAGING}+probe")));
        files::write_synced(&probe, b"")?;
        let possible = fs::rename(&probe, &moved).map_err(StoreError::output("move files into", &root.runs()));
        files::remove(if possible.is_ok() { &moved } else { &probe })?;
        possible?;
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

    /// The ids of all runs ever published, in the order of publishing, also of those that are gone.
    ///
    /// # Errors
    /// [`StoreError::Output`].
    pub fn ids(&self) -> Result<Vec<String>, StoreError> {
        self.root.ids().ids()
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

    /// What `current` names; none where there is no such link.
    pub(crate) fn current_target(&self) -> Result<Option<PathBuf>, StoreError> {
        match fs::read_link(self.current()) {
            Ok(target) => Ok(Some(target)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::output("read", &self.current())(error)),
        }
    }

    /// Makes a link to a run, to be put in the place of `current`.
    pub(crate) fn link_to(&self, run_id: &str) -> Result<PathBuf, StoreError> {
        let link = self.path.join(format!("{STAGING}{run_id}+current"));
        symlink(Path::new("runs").join(run_id), &link).map_err(StoreError::output("create", &link))?;
        Ok(link)
    }

    /// Puts a link in the place of `current`, in one step.
    pub(crate) fn switch(&self, link: &Path) -> Result<(), StoreError> {
        let current = self.current();
        fs::rename(link, &current).map_err(StoreError::output("switch", &current))?;
        // The switch is done and holds; a disk that cannot confirm it does not undo it.
        let _ = files::sync_folder(&self.path);
        reached(Moment::Switched);
        Ok(())
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
