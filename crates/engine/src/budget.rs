//! The memory that a run may hold: who has how much of it, and what went to disk instead.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::EngineError;
use crate::setup::Interrupt;

/// Shared by everyone who holds rows, and so the place where they learn that the run shall end. Parts of the whole are fixed,
/// so that nobody waits for memory that someone else has. Of sixteen parts, eight go to records that wait and one to the filter of converters. As records become fewer in the walk,
/// three go to the buckets that are walked (one for the records, two for what is made of them), four to sums, one each to
/// rows on their way to a file a day and to paths. One goes to rejected rows, one to what threads gather. Profiles may take
/// half, as then there is no room for much else: mostly they are few.
#[derive(Debug)]
pub struct Budget {
    memory: u64,
    threads: u64,
    bucket_bits: u32,
    temp: PathBuf,
    waiting: AtomicU64,
    spilled: AtomicU64,
    interrupt: Interrupt,
}

impl Budget {
    /// For `memory` bytes that `threads` threads share, each with a chunk for each of 2^`bucket_bits` buckets; what does not fit
    /// goes to files in `temp`. All of them end once there is an `interrupt`.
    #[must_use]
    pub fn new(memory: u64, threads: usize, bucket_bits: u32, temp: &Path, interrupt: &Interrupt) -> Self {
        Self {
            memory,
            threads: threads.max(1) as u64,
            bucket_bits,
            temp: temp.to_owned(),
            waiting: AtomicU64::new(0),
            spilled: AtomicU64::new(0),
            interrupt: interrupt.clone(),
        }
    }

    /// Goes on, or ends the run. Whatever takes longer than a blink looks here.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`] once the run shall end.
    #[inline]
    pub fn check(&self) -> Result<(), EngineError> {
        self.interrupt.check()
    }

    /// Takes memory for records that wait; false where there is none left, and they must go to disk.
    pub fn take(&self, bytes: u64) -> bool {
        let left = self.waiting() + bytes <= self.for_records();
        if left {
            self.waiting.fetch_add(bytes, Ordering::Relaxed);
        }
        left
    }

    /// The memory that records which wait may take together.
    #[must_use]
    pub fn for_records(&self) -> u64 {
        self.memory / 16 * 8
    }

    /// The memory that they take.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether they fill half of their part of the memory.
    #[must_use]
    pub fn is_half_full(&self) -> bool {
        self.waiting() > self.for_records() / 2
    }

    /// Of so many rows, for how many a filter is made: it has a byte for each, and no more than a sixteenth of the memory.
    #[must_use]
    pub fn filtered(&self, rows: u64) -> u64 {
        rows.min(self.memory / 16)
    }

    /// Gives memory back.
    pub fn give_back(&self, bytes: u64) {
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that were written to a file in the temporary folder.
    pub fn count_spilled(&self, bytes: u64) {
        self.spilled.fetch_add(bytes, Ordering::Relaxed);
    }

    /// All bytes that were written to files.
    #[must_use]
    pub fn spilled(&self) -> u64 {
        self.spilled.load(Ordering::Relaxed)
    }

    /// The largest bucket that a thread loads. What is made of its records while it is walked takes twice as much again.
    #[must_use]
    pub fn bucket(&self) -> u64 {
        self.memory / 16 / self.threads
    }

    /// Refuses a customer of so many touches, who cannot be divided, if they do not fit into all of the memory. While they are
    /// walked, a touch takes its record, its place, its rows, its weight as a float and as an integer, a remainder and parts.
    ///
    /// # Errors
    /// Says how much they need.
    pub fn expect_customer(&self, touches: u64, bytes: u64, tables: usize) -> Result<(), EngineError> {
        let needed = bytes + touches * (72 + 4 * tables as u64);
        if needed <= self.memory { Ok(()) } else { Err(EngineError::Customer { touches, needed, memory: self.memory }) }
    }

    /// Refuses an id that so many conversions have that they do not fit into half of the memory.
    ///
    /// # Errors
    /// Says how many there are.
    pub fn expect_id(&self, rows: u64, needed: u64) -> Result<(), EngineError> {
        let memory = (self.memory / 2).max(1 << 16);
        if needed <= memory { Ok(()) } else { Err(EngineError::Repeated { rows, needed, memory }) }
    }

    /// Refuses more combinations of channel, campaign, interaction and dimensions than fit into half of the memory: they are
    /// the one thing that every touch and every row of a table points to.
    ///
    /// # Errors
    /// Says how many there are.
    pub fn expect_profiles(&self, combinations: u64, needed: u64) -> Result<(), EngineError> {
        const LEAST: u64 = 1 << 16;
        let memory = (self.memory / 2).max(LEAST);
        if needed <= memory { Ok(()) } else { Err(EngineError::Profiles { combinations, needed, memory }) }
    }

    /// Refuses returns of so many rows (of so many groups of spend) that they do not fit into half of the memory: what was earned
    /// and spent is brought together by group and period there.
    ///
    /// # Errors
    /// Says how many there are.
    pub fn expect_returns(&self, rows: u64, needed: u64) -> Result<(), EngineError> {
        let memory = (self.memory / 2).max(1 << 16);
        if needed <= memory { Ok(()) } else { Err(EngineError::Returns { rows, needed, memory }) }
    }

    /// Refuses what a model has counted so far if that, with what the others have, does not fit into this thread's part of half of the
    /// memory. The sums of tables come later, and need none yet.
    ///
    /// # Errors
    /// Says how much it is.
    pub fn expect_learnt(&self, needed: u64, model: &str) -> Result<(), EngineError> {
        let memory = (self.memory / 2 / self.threads).max(1 << 16);
        if needed <= memory { Ok(()) } else { Err(EngineError::Learnt { model: model.to_owned(), needed, memory }) }
    }

    /// What a thread may hold of the sums of one of `tables` tables.
    #[must_use]
    pub fn sums(&self, tables: usize) -> u64 {
        self.memory / 4 / self.threads / tables.max(1) as u64
    }

    /// What a thread may hold of the rows of a table of one file a day; there are two such tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.memory / 32 / self.threads
    }

    /// What a thread may hold of paths.
    #[must_use]
    pub fn paths(&self) -> u64 {
        self.memory / 16 / self.threads
    }

    /// What all threads may hold of rejected rows.
    #[must_use]
    pub fn rejects(&self) -> u64 {
        self.memory / 16
    }

    /// Records of a chunk, `most` at most, of which every thread gathers one of `bytes` each for each bucket: together no more
    /// than a sixteenth of the whole.
    #[must_use]
    pub fn chunk_records(&self, bytes: u64, most: u64) -> usize {
        let records = (self.memory / 16 / bytes / self.threads) >> self.bucket_bits;
        records.clamp(64.min(most), most) as usize
    }

    /// How many of the top bits of a hash choose a bucket.
    #[must_use]
    pub fn bucket_bits(&self) -> u32 {
        self.bucket_bits
    }

    /// The folder of temporary files.
    #[must_use]
    pub fn temp(&self) -> &Path {
        &self.temp
    }

    /// Refuses to begin what will need `needed` bytes of temporary files if the disk does not have them.
    ///
    /// # Errors
    /// Says how much is needed and how much is there.
    pub fn expect_room(&self, needed: u64) -> Result<(), EngineError> {
        match rustix::fs::statvfs(&self.temp) {
            Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < needed => {
                Err(EngineError::NoRoom { path: self.temp.clone(), needed, free: disk.f_bavail.saturating_mul(disk.f_frsize) })
            }
            // Where the system does not say, the first write that fails does.
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_fit_is_refused_with_its_size() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let budget = Budget::new(100 << 20, 2, 8, folder.path(), &Interrupt::default());
        assert!(budget.expect_room(1).is_ok());
        let error = budget.expect_room(u64::MAX).expect_err("no disk is so large").to_string();
        assert!(error.starts_with("some 18446744073710 MB of temporary space are needed at"), "{error}");
        assert!(budget.expect_customer(1_000_000, 24_000_000, 1).is_ok());
        let error = budget.expect_customer(2_000_000, 48_000_000, 1).expect_err("too large").to_string();
        assert_eq!(
            error,
            "a customer has some 2000000 touches, which take some 200 MB while they are walked; the run may take 104 MB for them"
        );
        assert!(budget.expect_profiles(10, 50 << 20).is_ok());
        assert!(budget.expect_profiles(10, 51 << 20).is_err());
    }
}
