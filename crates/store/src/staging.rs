//! A run that is being written, and how it becomes visible.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use attributary_core::table::{Field, Rows};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use serde::Serialize;

use crate::error::StoreError;
use crate::failed::{self, FINDINGS};
use crate::files;
use crate::manifest::{self, FileEntry, Manifest, PublishedRun, TableEntry};
use crate::moments::{Moment, reached};
use crate::output::{Root, STAGING};
use crate::run_id;
use crate::write::{Layout, TableFile, WrittenFile};

/// Files of fewer rows are not compressed: of a day of unattributed conversions there is little to save.
const COMPRESSED_ROWS: usize = 1 << 10;

/// Files from this many bytes on are on the disk once they are complete: so much of them is not left for the end.
const WAITED_FOR: u64 = 1 << 20;

/// The folder of the state, beside those of the tables.
const STATE: &str = "state";

/// A run that is being written. Dropped without [`Staging::publish`], it removes all it wrote.
pub struct Staging {
    root: Arc<Root>,
    run_id: String,
    folder: PathBuf,
    /// The finished files by (section, table), then by (length of the path, path): `part-2` comes before `part-10`.
    finished: BTreeMap<(Section, String), BTreeMap<(usize, String), FileEntry>>,
    /// Files of which the disk may not have everything yet.
    unsynced: Vec<PathBuf>,
    /// Shared with every file that is still being written.
    open: Arc<()>,
    published: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Tables,
    State,
}

/// A file of a run that is being written; several can be written at a time, on any thread. Dropped before
/// [`StagedFile::finish`], it is not part of the run.
pub struct StagedFile {
    file: TableFile,
    section: Section,
    table: String,
    path: String,
    _open: Arc<()>,
}

/// A file that is written but not part of the run yet.
pub struct CompletedFile {
    written: WrittenFile,
    synced: bool,
    section: Section,
    table: String,
    path: String,
    _open: Arc<()>,
}

impl Staging {
    pub(crate) fn new(root: Arc<Root>, run_id: &str, folder: PathBuf) -> Self {
        Self {
            root,
            run_id: run_id.to_owned(),
            folder,
            finished: BTreeMap::new(),
            unsynced: Vec::new(),
            open: Arc::default(),
            published: false,
        }
    }

    /// The run's id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// The folder that is written to until the run is published.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins a file of a table: `file` is its name without extension, such as `part-0` or a day.
    ///
    /// # Errors
    /// [`StoreError::TableName`] for a name that is no plain name, [`StoreError::StagedTwice`], [`StoreError::Output`].
    pub fn table_file(&mut self, table: &str, file: &str, fields: &[Field]) -> Result<StagedFile, StoreError> {
        self.create(Section::Tables, table, file, fields)
    }

    /// Begins a file that a later run needs, but no reader of the tables: it lies under `state/`.
    ///
    /// # Errors
    /// As [`Staging::table_file`].
    pub fn state_file(&mut self, table: &str, file: &str, fields: &[Field]) -> Result<StagedFile, StoreError> {
        self.create(Section::State, table, file, fields)
    }

    /// Makes a completed file a part of the run.
    pub fn add(&mut self, file: CompletedFile) {
        let WrittenFile { path, rows, bytes, sha256 } = file.written;
        if !file.synced {
            self.unsynced.push(path);
        }
        self.record(file.section, &file.table, FileEntry { path: file.path, rows, bytes, sha256 });
    }

    /// Takes a file of a table over from a published run, as a hard link where the file system can, else as a copy.
    ///
    /// # Errors
    /// [`StoreError::NotCarried`] where that run has no such file or its size is not what the manifest says,
    /// otherwise as [`Staging::table_file`].
    pub fn carry_over(&mut self, from: &PublishedRun, table: &str, file: &str) -> Result<(), StoreError> {
        self.carry(Section::Tables, from, table, file)
    }

    /// Takes a file of the state over from a published run.
    ///
    /// # Errors
    /// As [`Staging::carry_over`].
    pub fn carry_over_state(&mut self, from: &PublishedRun, table: &str, file: &str) -> Result<(), StoreError> {
        self.carry(Section::State, from, table, file)
    }

    /// Makes the run visible: completes and writes its manifest, waits until the disk has everything, moves the folder to
    /// `runs/<run_id>` and switches `current` to it, in one step and last.
    ///
    /// # Errors
    /// [`StoreError::Output`]; then nothing is published, `current` is as it was and the id is free again.
    /// [`StoreError::Unfinished`] while a file is still being written.
    pub fn publish(mut self, mut manifest: Manifest) -> Result<PublishedRun, StoreError> {
        let unfinished = Arc::strong_count(&self.open) - 1;
        if unfinished > 0 {
            return Err(StoreError::Unfinished { run_id: self.run_id.clone(), files: unfinished });
        }
        reached(Moment::Staged);
        self.sync_files()?;
        manifest.run_id.clone_from(&self.run_id);
        manifest.tables = self.entries(Section::Tables);
        manifest.state = self.entries(Section::State);
        let path = self.folder.join(manifest::FILE_NAME);
        let json = manifest.to_json().map_err(|source| StoreError::Manifest { path: path.clone(), source })?;
        files::write_synced(&path, &json)?;
        reached(Moment::Manifest);
        files::sync_folders(&self.folder)?;
        reached(Moment::Synced);

        // What may need space comes before the first step that shows.
        let link = self.root.link_to(&self.run_id)?;
        let switched = self.root.ids().append(&self.run_id).and_then(|undo| self.switch(&link).inspect_err(|_| undo.run()));
        if switched.is_err() {
            let _ = fs::remove_file(&link);
        }
        switched?;
        self.published = true;
        Ok(PublishedRun { folder: self.root.run(&self.run_id), manifest })
    }

    /// Ends the run without publishing it, and leaves one of its tables and `findings` in `runs/<run_id>.failed`, whole or not at
    /// all, in the place of what an earlier attempt of that id left. `current` is as it was, and the id is free again. Gives the
    /// folder.
    ///
    /// # Errors
    /// As [`Staging::publish`].
    pub fn fail(self, table: &str, findings: &impl Serialize) -> Result<PathBuf, StoreError> {
        let unfinished = Arc::strong_count(&self.open) - 1;
        if unfinished > 0 {
            return Err(StoreError::Unfinished { run_id: self.run_id.clone(), files: unfinished });
        }
        self.sync_files()?;
        // Litter of its own from here on, as long as it has no other name.
        let left = self.root.path.join(format!("{STAGING}{}+failed", self.run_id));
        let work = || {
            files::create_folder(&left)?;
            fs::rename(self.folder.join(table), left.join(table)).map_err(StoreError::output("create", &left.join(table)))?;
            let path = left.join(FINDINGS);
            let mut json =
                serde_json::to_vec_pretty(findings).map_err(|source| StoreError::Manifest { path: path.clone(), source })?;
            json.push(b'\n');
            files::write_synced(&path, &json)?;
            files::sync_folders(&left)?;
            let target = failed::folder(&self.root, &self.run_id);
            if fs::symlink_metadata(&target).is_ok() {
                failed::remove(&self.root, &self.run_id)?;
            }
            fs::rename(&left, &target).map_err(StoreError::output("create", &target))?;
            files::sync_folder(&self.root.runs())?;
            Ok(target)
        };
        work().inspect_err(|_| drop(fs::remove_dir_all(&left)))
    }

    /// Waits until the disk has what it may not have yet. Of many small files that takes a fraction of what waiting for each as it is
    /// written would.
    fn sync_files(&self) -> Result<(), StoreError> {
        let sync =
            |path: &PathBuf| fs::File::open(path).and_then(|file| file.sync_all()).map_err(StoreError::output("write", path));
        self.unsynced.par_iter().try_for_each(sync)
    }

    /// Moves the folder and then the link; takes the folder back where the second fails.
    fn switch(&self, link: &Path) -> Result<(), StoreError> {
        reached(Moment::Noted);
        let run = self.root.run(&self.run_id);
        fs::rename(&self.folder, &run).map_err(StoreError::output("create", &run))?;
        let switched = files::sync_folder(&self.root.runs()).and_then(|()| {
            reached(Moment::Moved);
            self.root.switch(link)
        });
        if switched.is_err() {
            let _ = fs::rename(&run, &self.folder);
        }
        switched
    }

    fn create(&mut self, section: Section, table: &str, file: &str, fields: &[Field]) -> Result<StagedFile, StoreError> {
        let path = self.place(section, table, file)?;
        let full = self.folder.join(&path);
        let layout = Layout { compressed_from: COMPRESSED_ROWS, ..Layout::default() };
        let file = TableFile::create(&full, fields, &layout)?;
        Ok(StagedFile { file, section, table: table.to_owned(), path, _open: Arc::clone(&self.open) })
    }

    fn carry(&mut self, section: Section, from: &PublishedRun, table: &str, file: &str) -> Result<(), StoreError> {
        let path = self.place(section, table, file)?;
        let refuse = |problem: String| StoreError::NotCarried { path: from.folder.join(&path), problem };
        let tables = if section == Section::Tables { &from.manifest.tables } else { &from.manifest.state };
        let entry = tables.iter().flat_map(|table| &table.files).find(|entry| entry.path == path);
        let entry = entry.ok_or_else(|| refuse("is not in that run's manifest".to_owned()))?.clone();
        let (source, target) = (from.path(&entry)?, self.folder.join(&path));
        let size = fs::metadata(&source).map_err(StoreError::output("read", &source))?.len();
        if size != entry.bytes {
            return Err(refuse(format!("has {size} bytes; its manifest says {}", entry.bytes)));
        }
        if fs::hard_link(&source, &target).is_err() {
            fs::copy(&source, &target).map_err(StoreError::output("copy", &target))?;
            fs::File::open(&target).and_then(|it| it.sync_all()).map_err(StoreError::output("write", &target))?;
        }
        self.record(section, table, entry);
        Ok(())
    }

    /// The path of a file from the run's folder; its own folder exists afterwards.
    fn place(&self, section: Section, table: &str, file: &str) -> Result<String, StoreError> {
        let taken = section == Section::Tables && [STATE, manifest::FILE_NAME].contains(&table);
        for name in [table, file] {
            if taken || name.is_empty() || name.len() > 128 || name.starts_with('.') || !run_id::is_plain(name) {
                return Err(StoreError::TableName { name: name.to_owned() });
            }
        }
        let folder = match section {
            Section::Tables => table.to_owned(),
            Section::State => format!("{STATE}/{table}"),
        };
        let path = format!("{folder}/{file}.parquet");
        let full = self.folder.join(&path);
        if full.exists() {
            return Err(StoreError::StagedTwice { path: full });
        }
        files::create_folder(&self.folder.join(folder))?;
        Ok(path)
    }

    fn record(&mut self, section: Section, table: &str, entry: FileEntry) {
        let files = self.finished.entry((section, table.to_owned())).or_default();
        files.insert((entry.path.len(), entry.path.clone()), entry);
    }

    fn entries(&self, section: Section) -> Vec<TableEntry> {
        let tables = self.finished.iter().filter(|((it, _), _)| *it == section);
        tables
            .map(|((_, name), files)| {
                let files: Vec<_> = files.values().cloned().collect();
                TableEntry { name: name.clone(), rows: files.iter().map(|file| file.rows).sum(), files }
            })
            .collect()
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed now is litter for the next start.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl StagedFile {
    /// Appends rows.
    ///
    /// # Errors
    /// As [`TableFile::write`].
    pub fn write(&mut self, rows: &Rows) -> Result<(), StoreError> {
        self.file.write(rows)
    }

    /// Completes the file. It is part of the run once [`Staging::add`] has it; for a small one the disk is waited for only when the
    /// run is published.
    ///
    /// # Errors
    /// As [`TableFile::finish`].
    pub fn complete(self) -> Result<CompletedFile, StoreError> {
        let (written, synced) = self.file.close(WAITED_FOR)?;
        Ok(CompletedFile { written, synced, section: self.section, table: self.table, path: self.path, _open: self._open })
    }

    /// Completes the file and makes it a part of the run.
    ///
    /// # Errors
    /// As [`TableFile::finish`].
    pub fn finish(self, staging: &mut Staging) -> Result<WrittenFile, StoreError> {
        let completed = self.complete()?;
        let written = completed.written.clone();
        staging.add(completed);
        Ok(written)
    }
}
