//! Small things about files and folders.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::error::StoreError;

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Creates a folder and the folders above it.
pub(crate) fn create_folder(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(StoreError::output("create folder", path))
}

/// Writes a file and waits until the disk has it.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut file = File::create(path).map_err(StoreError::output("create", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(StoreError::output("write", path))
}

/// Waits until the disk has a folder's list of names.
pub(crate) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    match File::open(path).and_then(|folder| folder.sync_all()) {
        // Some network file systems cannot sync folders; there is nothing to wait for then.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other.map_err(StoreError::output("sync", path)),
    }
}

/// Waits until the disk has the names in a folder and in all folders below it.
pub(crate) fn sync_folders(path: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(path).map_err(StoreError::output("list", path))? {
        let entry = entry.map_err(StoreError::output("list", path))?;
        if entry.file_type().is_ok_and(|it| it.is_dir()) {
            sync_folders(&entry.path())?;
        }
    }
    sync_folder(path)
}

/// Removes a file, a link or a folder with all it holds.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    let kind = fs::symlink_metadata(path).map_err(StoreError::output("remove", path))?;
    let removed = if kind.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(StoreError::output("remove", path))
}
