//! Sorted runs on disk: rows that do not fit into memory are written in stretches, each in order, and merged when they are
//! read. A row is two byte strings: the key, by whose bytes rows are ordered, and what goes with it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::budget::Budget;
use crate::error::EngineError;

/// A key and what goes with it.
pub type Row = (Vec<u8>, Vec<u8>);

/// Runs in one file. Written by one thread.
pub struct Runs {
    path: PathBuf,
    file: Option<BufWriter<Arc<File>>>,
    /// Where each run begins.
    starts: Vec<u64>,
    written: u64,
}

/// The rows of some runs in the order of their keys; of equal keys in the order of the runs.
pub struct Merge<'a> {
    budget: &'a Budget,
    readers: Vec<RunReader>,
    /// The next row of each run that has one.
    heads: BinaryHeap<Reverse<Head>>,
}

/// A row's key, the run that it is of, what goes with it.
type Head = (Vec<u8>, usize, Vec<u8>);

struct RunReader {
    path: PathBuf,
    file: BufReader<At>,
    left: u64,
}

/// A file from a place on. Many runs are read of one file.
struct At {
    file: Arc<File>,
    place: u64,
}

impl Read for At {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(bytes, self.place)?;
        self.place += read as u64;
        Ok(read)
    }
}

impl Runs {
    /// Writes to `path` once there is something to write.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: None, starts: Vec::new(), written: 0 }
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Begins a run. What is pushed until the next one begins must come in order.
    pub fn begin(&mut self) {
        self.starts.push(self.written);
    }

    /// Appends a row to the run.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn push(&mut self, key: &[u8], rest: &[u8], budget: &Budget) -> Result<(), EngineError> {
        let failed = EngineError::temp(&self.path);
        let file = match &mut self.file {
            Some(file) => file,
            None => match File::options().read(true).write(true).create_new(true).open(&self.path) {
                Ok(file) => self.file.insert(BufWriter::with_capacity(1 << 16, Arc::new(file))),
                Err(error) => return Err(failed(error)),
            },
        };
        let lengths = [key.len() as u32, rest.len() as u32];
        let all = [bytemuck::cast_slice(&lengths), key, rest];
        if let Err(error) = all.into_iter().try_for_each(|bytes| file.write_all(bytes)) {
            return Err(failed(error));
        }
        let bytes = all.iter().map(|bytes| bytes.len() as u64).sum();
        self.written += bytes;
        budget.count_spilled(bytes);
        Ok(())
    }

    /// Writes what still waits to be written. Runs are read only then.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn flush(&mut self) -> Result<(), EngineError> {
        match &mut self.file {
            Some(file) => file.flush().map_err(EngineError::temp(&self.path)),
            None => Ok(()),
        }
    }

    /// No runs, in a file beside this one.
    #[must_use]
    pub fn beside(&self, name: &str) -> Self {
        let mut file = self.path.clone().into_os_string();
        file.push(format!("-{name}"));
        Self::new(file.into())
    }

    /// Removes the file.
    ///
    /// # Errors
    /// Where that fails.
    pub fn remove(self) -> Result<(), EngineError> {
        if self.file.is_some() { std::fs::remove_file(&self.path).map_err(EngineError::temp(&self.path)) } else { Ok(()) }
    }

    /// Reads all runs of some files.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn merge<'a, 'r>(
        all: impl IntoIterator<Item = &'r Self, IntoIter: Clone>,
        budget: &'a Budget,
    ) -> Result<Merge<'a>, EngineError> {
        const BUFFERS: usize = 8 << 20;
        let all = all.into_iter();
        let count: usize = all.clone().map(|runs| runs.starts.len()).sum();
        let buffer = (BUFFERS / count.max(1)).clamp(1 << 12, 1 << 17);
        let mut merge = Merge { budget, readers: Vec::with_capacity(count), heads: BinaryHeap::with_capacity(count) };
        for runs in all {
            let ends = runs.starts.iter().skip(1).chain(std::iter::once(&runs.written));
            let Some(file) = &runs.file else { continue };
            for (start, end) in runs.starts.iter().zip(ends).filter(|(start, end)| start < end) {
                let at = At { file: Arc::clone(file.get_ref()), place: *start };
                let file = BufReader::with_capacity(buffer, at);
                merge.readers.push(RunReader { path: runs.path.clone(), file, left: end - start });
                merge.fill(merge.readers.len() - 1)?;
            }
        }
        Ok(merge)
    }
}

impl Merge<'_> {
    /// The next row.
    ///
    /// # Errors
    /// Where a file cannot be read, or someone interrupts.
    pub fn next_row(&mut self) -> Result<Option<Row>, EngineError> {
        self.budget.check()?;
        let Some(Reverse((key, reader, rest))) = self.heads.pop() else { return Ok(None) };
        self.fill(reader)?;
        Ok(Some((key, rest)))
    }

    fn fill(&mut self, reader: usize) -> Result<(), EngineError> {
        if let Some((key, rest)) = self.readers[reader].next_row()? {
            self.heads.push(Reverse((key, reader, rest)));
        }
        Ok(())
    }
}

impl RunReader {
    fn next_row(&mut self) -> Result<Option<Row>, EngineError> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut lengths = [0_u32; 2];
        let mut read = |bytes: &mut [u8]| self.file.read_exact(bytes).map_err(EngineError::temp(&self.path));
        read(bytemuck::cast_slice_mut(&mut lengths))?;
        let [mut key, mut rest] = lengths.map(|length| vec![0; length as usize]);
        read(&mut key)?;
        read(&mut rest)?;
        self.left -= (size_of_val(&lengths) + key.len() + rest.len()) as u64;
        Ok(Some((key, rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::Interrupt;
    use proptest::prelude::*;

    #[test]
    fn a_merge_ends_once_the_run_shall() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let interrupt = Interrupt::default();
        let budget = Budget::new(0, 1, 8, folder.path(), &interrupt);
        let mut runs = Runs::new(folder.path().join("runs"));
        runs.begin();
        for key in [b"a", b"b"] {
            runs.push(key, &[], &budget).expect("written");
        }
        runs.flush().expect("written");
        let mut merge = Runs::merge(std::slice::from_ref(&runs), &budget).expect("opened");
        assert!(merge.next_row().is_ok_and(|row| row.is_some()));
        interrupt.interrupt();
        assert!(matches!(merge.next_row(), Err(EngineError::Interrupted)));
    }

    proptest! {
        #[test]
        fn a_merge_is_one_sorted_list(runs in prop::collection::vec(prop::collection::vec(".{0,4}", 0..20), 0..8)) {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let budget = Budget::new(0, 1, 8, folder.path(), &Interrupt::default());
            let mut files = [Runs::new(folder.path().join("a")), Runs::new(folder.path().join("b"))];
            let mut expected = Vec::new();
            for (number, mut keys) in runs.into_iter().enumerate() {
                keys.sort_unstable();
                let file = &mut files[number % 2];
                file.begin();
                for key in keys {
                    file.push(key.as_bytes(), &[number as u8], &budget).expect("written");
                    expected.push((key.into_bytes(), vec![number as u8]));
                }
            }
            expected.sort_by(|one, other| one.0.cmp(&other.0));
            files.iter_mut().for_each(|file| file.flush().expect("written"));
            let mut merge = Runs::merge(&files, &budget).expect("opened");
            let mut found = Vec::new();
            while let Some(row) = merge.next_row().expect("read") {
                found.push(row);
            }
            let keys = |rows: &[(Vec<u8>, Vec<u8>)]| rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>();
            prop_assert_eq!(keys(&found), keys(&expected));
            found.sort();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
