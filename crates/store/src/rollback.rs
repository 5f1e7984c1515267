//! Going back to an earlier run.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use sha2::{Digest, Sha256};

use crate::error::StoreError;
use crate::files;
use crate::manifest::{FileEntry, PublishedRun};
use crate::output::Output;
use crate::runs::list_runs;

/// What `current` named and names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollback {
    /// The run before; none where `current` named no run.
    pub from: Option<String>,
    /// The run now.
    pub to: String,
    /// How many files were looked at.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Output {
    /// Makes `current` name a run that was published before, after every file of it was held against its manifest. Nothing
    /// else changes: the run that was current stays, and may be gone back to as well.
    ///
    /// # Errors
    /// [`StoreError::UnknownRun`], [`StoreError::Torn`] where a file is not what the manifest says, [`StoreError::Interrupted`] at
    /// a `stop`, [`StoreError::Output`]; then `current` is as it was.
    pub fn rollback(&self, run_id: &str, stop: &(dyn Fn() -> bool + Sync)) -> Result<Rollback, StoreError> {
        let root = &self.root;
        let runs = list_runs(&root.path)?;
        if !runs.runs.iter().any(|run| run.run_id == run_id) {
            let known = runs.runs.into_iter().map(|run| run.run_id).collect();
            return Err(StoreError::UnknownRun { run_id: run_id.to_owned(), output: root.path.clone(), known });
        }
        let run = whole(run_id, &root.run(run_id), stop)?;
        let entries = run.manifest.tables.iter().chain(&run.manifest.state).flat_map(|table| &table.files);
        let (files, bytes) = entries.fold((0, 0), |(files, bytes), file| (files + 1, bytes + file.bytes));
        let done = Rollback { from: runs.current.clone(), to: run_id.to_owned(), files, bytes };
        if runs.current.as_deref() != Some(run_id) {
            // What a crash takes away must not be what `current` names.
            files::sync_folder(&root.runs())?;
            let link = root.link_to(run_id)?;
            root.switch(&link).inspect_err(|_| _ = std::fs::remove_file(&link))?;
        }
        Ok(done)
    }
}

/// Reads a run of which every file is what its manifest says.
fn whole(run_id: &str, folder: &Path, stop: &(dyn Fn() -> bool + Sync)) -> Result<PublishedRun, StoreError> {
    let torn = |problem: String| StoreError::Torn { run_id: run_id.to_owned(), problem };
    let run = PublishedRun::read(folder).map_err(|error| torn(said(&error)))?;
    if run.manifest.run_id != run_id {
        return Err(torn(format!("its manifest is that of run {:?}", run.manifest.run_id)));
    }
    let files: Vec<&FileEntry> = run.manifest.tables.iter().chain(&run.manifest.state).flat_map(|table| &table.files).collect();
    let check = |entry: &FileEntry| {
        let path = run.path(entry).map_err(|error| torn(said(&error)))?;
        match sha256(&path, stop) {
            Ok(Some((bytes, _))) if bytes != entry.bytes => {
                Err(torn(format!("{} has {bytes} bytes; its manifest says {}", entry.path, entry.bytes)))
            }
            Ok(Some((_, sha256))) if sha256 != entry.sha256 => {
                Err(torn(format!("the SHA-256 of {} is not what its manifest says", entry.path)))
            }
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(StoreError::Interrupted),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(torn(format!("{} is missing", entry.path))),
            Err(error) => Err(torn(format!("{} cannot be read: {error}", entry.path))),
        }
    };
    files.into_par_iter().map(check).collect::<Result<(), _>>()?;
    Ok(run)
}

/// An error with what caused it.
fn said(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

/// The size and the SHA-256 of a file; none where there was a `stop`.
fn sha256(path: &Path, stop: &(dyn Fn() -> bool + Sync)) -> io::Result<Option<(u64, String)>> {
    let mut file = File::open(path)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 18];
    loop {
        if stop() {
            return Ok(None);
        }
        match file.read(&mut buffer)? {
            0 => return Ok(Some((bytes, files::hex(&hash.finalize())))),
            read => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}
