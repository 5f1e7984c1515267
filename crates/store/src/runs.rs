//! The runs of an output folder, for whoever looks: without the lock, while others write.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::manifest::{Manifest, PublishedRun};
use crate::run_id::{self, IdLog};

/// The runs of an output folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Runs {
    /// The run that `current` names, whether it is there or not; none where `current` is no link.
    pub current: Option<String>,
    /// Those that are there, in the order of publishing, the newest first.
    pub runs: Vec<ListedRun>,
    /// What all of them take, files that several have counted once.
    pub bytes: u64,
}

/// A run that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedRun {
    /// Its id.
    pub run_id: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its manifest, if it can be read.
    pub manifest: Option<Manifest>,
    /// Why it cannot be used, if so: the manifest cannot be read, or a file of it is missing or of another size.
    pub problem: Option<String>,
    /// What it takes on the disk.
    pub size: Size,
}

/// What a run takes on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of files that no other run has.
    pub own_bytes: u64,
    /// How many files that is.
    pub own_files: u64,
    /// Bytes of files that other runs have too, as hard links.
    pub shared_bytes: u64,
    /// How many files that is.
    pub shared_files: u64,
}

/// Lists the runs of an output folder. One that does not exist has none.
///
/// # Errors
/// [`StoreError::Output`] where the folder cannot be listed.
pub fn list_runs(output: &Path) -> Result<Runs, StoreError> {
    let current = fs::read_link(output.join("current")).ok();
    let current = current.and_then(|target| Some(target.file_name()?.to_string_lossy().into_owned()));
    let folder = output.join("runs");
    let places: HashMap<String, usize> =
        IdLog::new(&folder).ids()?.into_iter().enumerate().map(|(place, id)| (id, place + 1)).collect();
    let mut found = Vec::new();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Runs { current, runs: Vec::new(), bytes: 0 }),
        entries => entries.map_err(StoreError::output("list", &folder))?,
    };
    for entry in entries {
        let entry = entry.map_err(StoreError::output("list", &folder))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let place = places.get(&name).copied();
        if run_id::check(&name).is_ok() && entry.path().is_dir() && (place.is_some() || looks_like_a_run(&entry.path())) {
            found.push((place.unwrap_or(0), name));
        }
    }
    // Those that nobody noted stand last: someone put them there.
    found.sort_by(|one, other| other.cmp(one));
    let mut files = Files::default();
    let mut runs = Vec::new();
    for (_, run_id) in found {
        let path = folder.join(&run_id);
        let (manifest, problem) = look(&path);
        // One that was removed meanwhile is none.
        if path.is_dir() {
            files.add(&path, runs.len());
            runs.push(ListedRun { run_id, folder: path, manifest, problem, size: Size::default() });
        }
    }
    let sizes = files.sizes(runs.len());
    runs.iter_mut().zip(sizes).for_each(|(run, size)| run.size = size);
    Ok(Runs { current, runs, bytes: files.bytes() })
}

/// Whether a folder that nobody noted is a run all the same, such as one that was brought back from elsewhere.
fn looks_like_a_run(folder: &Path) -> bool {
    // What a run that failed left to look at was never published.
    folder.extension().is_none_or(|extension| extension != "failed")
        && PublishedRun::read(folder).is_ok_and(|run| !run.manifest.tables.is_empty())
}

/// The manifest of a run, and what is wrong with the run, as far as shows without reading its files.
fn look(folder: &Path) -> (Option<Manifest>, Option<String>) {
    let run = match PublishedRun::read(folder) {
        Ok(run) => run,
        Err(StoreError::Manifest { source, .. }) => return (None, Some(format!("manifest.json is no manifest: {source}"))),
        Err(StoreError::NoSuchRun { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return (None, Some("manifest.json is missing".to_owned()));
        }
        Err(StoreError::NoSuchRun { source, .. }) => return (None, Some(format!("manifest.json cannot be read: {source}"))),
        Err(error) => return (None, Some(error.to_string())),
    };
    let wrong = run.manifest.tables.iter().chain(&run.manifest.state).flat_map(|table| &table.files).find_map(|file| {
        match run.path(file).map(|path| fs::metadata(path).map(|metadata| metadata.len())) {
            Ok(Ok(bytes)) if bytes == file.bytes => None,
            Ok(Ok(bytes)) => Some(format!("{} has {bytes} bytes; its manifest says {}", file.path, file.bytes)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Some(format!("{} is missing", file.path)),
            Ok(Err(error)) => Some(format!("{} cannot be read: {error}", file.path)),
            Err(error) => Some(error.to_string()),
        }
    });
    (Some(run.manifest), wrong)
}

/// Files by what they are on the disk.
#[derive(Default)]
struct Files {
    /// By device and inode: the size, and the runs that have it.
    by_inode: BTreeMap<(u64, u64), (u64, BTreeSet<usize>)>,
}

impl Files {
    /// Adds all files below a folder of a run. What cannot be looked at takes nothing.
    fn add(&mut self, folder: &Path, run: usize) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => self.add(&entry.path(), run),
                Ok(metadata) if metadata.is_file() => self.add_file(&metadata, run),
                _ => {}
            }
        }
    }

    fn add_file(&mut self, metadata: &Metadata, run: usize) {
        let (_, runs) =
            self.by_inode.entry((metadata.dev(), metadata.ino())).or_insert_with(|| (metadata.len(), BTreeSet::new()));
        runs.insert(run);
    }

    /// What each run takes.
    fn sizes(&self, runs: usize) -> Vec<Size> {
        let mut sizes = vec![Size::default(); runs];
        for (bytes, runs) in self.by_inode.values() {
            for run in runs {
                let size = &mut sizes[*run];
                let (of_bytes, files) = match runs.len() {
                    1 => (&mut size.own_bytes, &mut size.own_files),
                    _ => (&mut size.shared_bytes, &mut size.shared_files),
                };
                *of_bytes += bytes;
                *files += 1;
            }
        }
        sizes
    }

    fn bytes(&self) -> u64 {
        self.by_inode.values().map(|(bytes, _)| bytes).sum()
    }
}
