//! The names of runs, and the memory of those that were given.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::failed;

/// Checks that a name can be a folder on every system and is no path.
pub(crate) fn check(run_id: &str) -> Result<(), StoreError> {
    let problem = if run_id.is_empty() {
        "is empty"
    } else if run_id.starts_with('.') {
        "begins with a dot"
    } else if run_id.len() > 128 {
        "is longer than 128 bytes"
    } else if run_id.ends_with(failed::SUFFIX) {
        "ends with .failed, as folders of runs that failed do"
    } else if !is_plain(run_id) {
        "holds other characters than A-Z, a-z, 0-9, '.', '_' and '-'"
    } else {
        return Ok(());
    };
    Err(StoreError::RunIdInvalid { run_id: run_id.to_owned(), problem })
}

/// Whether a name is made of letters, digits, `.`, `_` and `-` only.
pub(crate) fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The ids of all published runs, one a line, in the order of publishing: pruned ones too. Written under the output's lock.
pub(crate) struct IdLog {
    path: PathBuf,
}

impl IdLog {
    pub(crate) fn new(runs: &Path) -> Self {
        Self { path: runs.join(".ids") }
    }

    /// Every id, the oldest first.
    pub(crate) fn ids(&self) -> Result<Vec<String>, StoreError> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(StoreError::output("read", &self.path)(error)),
        }
    }

    /// Adds an id; what comes back undoes it.
    pub(crate) fn append(&self, run_id: &str) -> Result<Undo, StoreError> {
        let append = || -> io::Result<Undo> {
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.path)?;
            let length = file.seek(SeekFrom::End(0))?;
            let undo = Undo { file: file.try_clone()?, length };
            let written = end_last_line(&mut file, length)
                .and_then(|()| file.write_all(format!("{run_id}\n").as_bytes()))
                .and_then(|()| file.sync_all());
            match written {
                Ok(()) => Ok(undo),
                Err(error) => {
                    undo.run();
                    Err(error)
                }
            }
        };
        append().map_err(StoreError::output("write", &self.path))
    }
}

/// Takes back an [`IdLog::append`].
pub(crate) struct Undo {
    file: File,
    length: u64,
}

impl Undo {
    pub(crate) fn run(self) {
        // What fails here costs one id that is then never given again.
        let _ = self.file.set_len(self.length).and_then(|()| self.file.sync_all());
    }
}

/// A line that a crash cut short must not swallow the next one.
fn end_last_line(file: &mut File, length: u64) -> io::Result<()> {
    let Some(last) = length.checked_sub(1) else { return Ok(()) };
    let mut byte = [0];
    file.seek(SeekFrom::Start(last))?;
    file.read_exact(&mut byte)?;
    if byte != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(())
}
