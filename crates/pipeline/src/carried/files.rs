//! Which version of each file of touchpoints a run saw, and whether a file still is what it was.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use attributary_engine::Interrupt;
use attributary_frames::SourceFile;
use xxhash_rust::xxh3::Xxh3;

use super::hours::Touches;
use crate::error::Error;

/// A version of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Version {
    pub bytes: u64,
    /// When it was changed last, nanoseconds since 1970.
    pub modified: i64,
    pub inode: u64,
    /// The SHA-256 of its footer: Parquet and Arrow IPC.
    pub footer: Option<String>,
    /// The XXH3 of all its bytes, where it was needed.
    pub content: Option<u128>,
    /// All touches of the file, where it is one of touchpoints and a run has read all of it.
    pub touches: Option<Touches>,
}

/// By the path as the source names it.
pub(crate) type Versions = BTreeMap<String, Version>;

/// Of both sources.
#[derive(Clone, Debug, Default)]
pub(crate) struct InputVersions {
    pub touchpoints: Versions,
    pub conversions: Versions,
}

impl Version {
    /// What a file was when it was opened. That it still is shows before the run is published.
    pub fn of(file: &SourceFile) -> Self {
        Self {
            bytes: file.bytes,
            modified: file.modified,
            inode: file.inode,
            footer: file.footer_sha256.clone(),
            content: None,
            touches: None,
        }
    }

    /// Whether a file is what it was, for all that is known without reading it; none where only its bytes can tell.
    pub fn is_same(&self, before: &Self) -> Option<bool> {
        if self.bytes != before.bytes || self.footer != before.footer {
            Some(false)
        } else if (self.modified, self.inode) == (before.modified, before.inode) {
            Some(true)
        } else {
            before.content.is_none().then_some(false)
        }
    }
}

/// The XXH3 of all bytes of a file.
///
/// # Errors
/// Where it cannot be read, or someone interrupts.
pub(crate) fn content(path: &Path, interrupt: &Interrupt) -> Result<u128, Error> {
    let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        interrupt.check()?;
        match file.read(&mut buffer).map_err(|error| unreadable(path, &error))? {
            0 => return Ok(hash.digest128()),
            read => hash.update(&buffer[..read]),
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Input { problem: format!("{} cannot be read: {error}", path.display()), hint: None }
}
