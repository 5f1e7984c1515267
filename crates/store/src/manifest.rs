//! `manifest.json`: what a run read, decided and wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::StoreError;
use crate::files;

/// The name of the file in a run's folder.
pub(crate) const FILE_NAME: &str = "manifest.json";

/// What a run read, decided and wrote. Two runs on the same input differ only in `run_id`, `started`, `finished` and
/// `peak_memory_bytes`. Keys that a reader does not know are skipped, those that are missing get their empty value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// The run; filled in by [`crate::Staging::publish`].
    pub run_id: String,
    /// The version of attributary.
    pub version: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The SHA-256 of the pipeline's resolved text, secrets left out.
    pub pipeline_sha256: String,
    /// The SHA-256 of the settings that two runs must share to be merged.
    pub settings_sha256: String,
    /// Where the pipeline file is, as typed: what it says of folders is meant from there.
    pub pipeline_file: String,
    /// The folder in which the run was made: what is not meant from the root of the file system is meant from there.
    pub working_folder: String,
    /// What it said, `--set` applied, layout and comments gone, `${NAME}` left as it stands: the run can be made again from it.
    pub pipeline_toml: String,
    /// The conversion days of the run.
    pub range: Range,
    /// The last instant at which a row that came is known, RFC 3339; none: all rows are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Every file that was read.
    pub inputs: Vec<InputFile>,
    /// How much of them had to be read.
    pub bytes_read: BytesRead,
    /// What became of the rows.
    pub rows: RowCounts,
    /// The models, in the pipeline's order.
    pub models: Vec<ModelEntry>,
    /// The windows as typed, in the pipeline's order.
    pub windows: Vec<String>,
    /// Which days were computed, where the others were taken over from the run before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recomputed: Option<Recomputed>,
    /// Which step of a backfill the run is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backfill: Option<Backfill>,
    /// What the run was asked for, in words: name and text, in the order in which people read about them.
    pub settings: Vec<(String, String)>,
    /// The tables by name; filled in by [`crate::Staging::publish`].
    pub tables: Vec<TableEntry>,
    /// What a later run needs besides the tables, by name; filled in by [`crate::Staging::publish`].
    pub state: Vec<TableEntry>,
    /// When the run began, RFC 3339.
    pub started: String,
    /// When it ended, RFC 3339.
    pub finished: String,
    /// The most memory it held.
    pub peak_memory_bytes: u64,
}

/// Calendar days in the pipeline's time zone; null where open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Range {
    /// The first day.
    pub from: Option<String>,
    /// The day after the last.
    pub to: Option<String>,
}

/// A run that went on from another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recomputed {
    /// The run whose days were taken over. It may be gone: what was taken over is here.
    pub base: String,
    /// The stretches of conversion days that were computed.
    pub days: Vec<Range>,
    /// How many of the days with conversions of that run they are.
    pub conversion_days: u64,
    /// Of so many.
    pub of: u64,
    /// For each reason, how many days with conversions were computed for it.
    pub because: BTreeMap<String, u64>,
}

/// A step of a backfill.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Backfill {
    /// Its first day.
    pub from: String,
    /// The day after its last.
    pub to: String,
    /// How long a step is: a word of the calendar.
    pub step: String,
    /// The day before which all is done.
    pub done: String,
}

/// A file that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputFile {
    /// `touchpoints` or `conversions`.
    pub source: String,
    /// Where it is.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The SHA-256 of its footer, where it is Parquet.
    pub footer_sha256: Option<String>,
}

/// Bytes that had to be read: of Parquet those of the columns and row groups that were wanted, of other formats whole files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BytesRead {
    /// Of the touchpoints.
    pub touchpoints: u64,
    /// Of the conversions.
    pub conversions: u64,
}

/// What became of the source rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RowCounts {
    /// Of the touchpoints.
    pub touchpoints: TouchpointCounts,
    /// Of the conversions.
    pub conversions: ConversionCounts,
    /// Of the spend, where there is a source of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spend: Option<SourceCounts>,
    /// Of the exchange rates, where there is a source of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fx: Option<SourceCounts>,
}

/// What became of the rows of spend, or of exchange rates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceCounts {
    /// Rows read.
    pub read: u64,
    /// Rows rejected, by reason.
    pub rejected: BTreeMap<String, u64>,
}

/// What became of the touchpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TouchpointCounts {
    /// Rows read.
    pub read: u64,
    /// Rows that came later than the run knows, and so were not read.
    #[serde(skip_serializing_if = "is_none")]
    pub later: u64,
    /// Rows rejected, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Touches that came into a journey.
    pub used: u64,
}

/// What became of the conversions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConversionCounts {
    /// Rows read.
    pub read: u64,
    /// Rows that came later than the run knows, and so were not read.
    #[serde(skip_serializing_if = "is_none")]
    pub later: u64,
    /// Rows rejected, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Conversions accepted, on any day.
    pub accepted: u64,
    /// Those of them in the range, refunds aside.
    pub in_range: u64,
    /// Refunds that this run computed.
    #[serde(skip_serializing_if = "is_none")]
    pub refunds: u64,
}

/// Whether there are none, so that nothing need be said of them.
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// A model of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelEntry {
    /// Its name in the tables.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Whether its credits add up to the conversions.
    pub additive: bool,
    /// The SHA-256 of what it learnt, where that was to be learnt once and is kept with the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit_sha256: Option<String>,
}

/// A table, or a part of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableEntry {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Its files, in their order.
    pub files: Vec<FileEntry>,
}

/// A file of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileEntry {
    /// Where it is, from the run's folder, with forward slashes.
    pub path: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// The table of a name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&TableEntry> {
        self.tables.iter().find(|table| table.name == name)
    }

    pub(crate) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }
}

/// A run that was published.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedRun {
    /// Its folder, with `current` resolved.
    pub folder: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
}

impl PublishedRun {
    /// Reads the manifest of a run's folder.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRun`] where there is none, [`StoreError::Manifest`] where it cannot be understood.
    pub fn read(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE_NAME);
        let json = fs::read(&path).map_err(|source| StoreError::NoSuchRun { path: folder.to_owned(), source })?;
        let manifest = serde_json::from_slice(&json).map_err(|source| StoreError::Manifest { path, source })?;
        Ok(Self { folder: folder.to_owned(), manifest })
    }

    /// Where a file of the manifest is. A path that would lead out of the run's folder is refused.
    ///
    /// # Errors
    /// [`StoreError::NotCarried`].
    pub fn path(&self, file: &FileEntry) -> Result<PathBuf, StoreError> {
        let relative = Path::new(&file.path);
        let inside = relative.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if inside && !file.path.is_empty() {
            Ok(self.folder.join(relative))
        } else {
            Err(StoreError::NotCarried { path: relative.to_owned(), problem: "is not a path inside a run".to_owned() })
        }
    }
}

impl PublishedRun {
    /// What is wrong with a file of the run, if anything is: all of it is read.
    #[must_use]
    pub fn damage(&self, file: &FileEntry) -> Option<String> {
        let said = |problem: String| Some(format!("{} {problem}", file.path));
        let path = match self.path(file) {
            Ok(path) => path,
            Err(error) => return said(error.to_string()),
        };
        let hash = fs::File::open(path).and_then(|mut opened| {
            let mut hash = Sha256::new();
            io::copy(&mut opened, &mut hash)?;
            Ok(files::hex(&hash.finalize()))
        });
        match hash {
            Ok(hash) if hash == file.sha256 => None,
            Ok(_) => said("is not what was written".to_owned()),
            Err(error) => said(format!("cannot be read: {error}")),
        }
    }
}

/// An I/O error that says what is there instead.
pub(crate) fn not_a_link() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not a link")
}
