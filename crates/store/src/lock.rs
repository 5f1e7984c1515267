//! The lock of an output folder: the operating system's, tied to an open file, so that it dies with its process however that
//! ends. What the file says is for people only.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use attributary_core::time::instant_text;

use crate::clock::now;
use crate::error::StoreError;

/// Takes the lock of an output folder; whoever holds the file holds the lock.
///
/// # Errors
/// [`StoreError::Held`] with who holds it and since when, [`StoreError::Output`] where it cannot be had.
pub(crate) fn take(root: &Path) -> Result<File, StoreError> {
    let path = root.join(".lock");
    loop {
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(StoreError::output("create", &path))?;
        match file.try_lock() {
            // Someone may have removed the file meanwhile: then the next one would lock another.
            Ok(()) if is_at(&file, &path) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Held { output: root.to_owned(), holder: holder(file) });
            }
            Err(TryLockError::Error(source)) => return Err(StoreError::Output { action: "lock", path, source }),
        }
    }
}

/// Writes into the lock who has it. That it cannot be written (the disk may be full) is no reason not to go on.
pub(crate) fn sign(mut lock: &File) {
    let second = now().div_euclid(1_000_000) * 1_000_000;
    let host = host().map(|host| format!(" on {host}")).unwrap_or_default();
    let holder = format!("process {}{host}, since {}\n", std::process::id(), instant_text(second));
    let signed = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(holder.as_bytes()));
    if signed.is_err() {
        let _ = lock.set_len(0);
    }
}

fn holder(file: File) -> String {
    let mut holder = String::new();
    let _ = file.take(400).read_to_string(&mut holder);
    if holder.trim().is_empty() { "a process that does not say which".to_owned() } else { holder.trim().to_owned() }
}

/// The name of the machine, where it is easily had.
fn host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname")).ok()?;
    let name = name.trim();
    (!name.is_empty() && name.len() < 256).then(|| name.to_owned())
}

fn is_at(file: &File, path: &Path) -> bool {
    let place = |metadata: io::Result<fs::Metadata>| metadata.map(|it| (it.dev(), it.ino())).ok();
    let open = place(file.metadata());
    open.is_some() && open == place(fs::metadata(path))
}
