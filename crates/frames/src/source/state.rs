//! What a file is without reading it, and whether it still is that.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::SourceFile;

impl SourceFile {
    /// Whether the file is what it was when it was opened, as far as shows without reading it all: its size, time of change, place
    /// on the disk and footer.
    ///
    /// # Errors
    /// Where it cannot be looked at.
    pub fn is_as_opened(&self) -> io::Result<bool> {
        if of(&self.path)? != (self.bytes, self.modified, self.inode) {
            return Ok(false);
        }
        let Some(footer) = &self.footer_sha256 else { return Ok(true) };
        Ok(footer_now(&self.path)?.as_ref() == Some(footer))
    }
}

/// The size of a file, when it was changed last (nanoseconds since 1970), and its number on its disk.
pub(super) fn of(path: &Path) -> io::Result<(u64, i64, u64)> {
    let metadata = std::fs::metadata(path)?;
    let modified = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
    Ok((metadata.len(), modified, metadata.ino()))
}

/// The SHA-256 of a file's footer; none where it has none any more. Parquet ends with four bytes of the footer's length and `PAR1`,
/// Arrow IPC with the same and `ARROW1`.
fn footer_now(path: &Path) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let mut tail = [0_u8; 10];
    if file.metadata()?.len() < 20 {
        return Ok(None);
    }
    file.seek(SeekFrom::End(-10))?;
    file.read_exact(&mut tail)?;
    let (length, trailer) = match tail {
        [a, b, c, d, b'A', b'R', b'R', b'O', b'W', b'1'] => ([a, b, c, d], 10),
        [_, _, a, b, c, d, b'P', b'A', b'R', b'1'] => ([a, b, c, d], 8),
        _ => return Ok(None),
    };
    footer_sha256(&file, u32::from_le_bytes(length).into(), trailer).map(Some)
}

/// SHA-256 of the last `length` bytes before the `trailer` bytes that end a file, in hexadecimal.
pub(super) fn footer_sha256(file: &File, length: u64, trailer: u64) -> io::Result<String> {
    let mut reader = file;
    let end = file.metadata()?.len();
    let start = end.checked_sub(length + trailer).ok_or_else(|| io::Error::other("a footer longer than the file"))?;
    reader.seek(SeekFrom::Start(start))?;
    let mut digest = Sha256::new();
    io::copy(&mut reader.take(length), &mut digest)?;
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
