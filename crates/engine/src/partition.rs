//! The log, hash-partitioned by customer: each touch as a fixed-width record in one of 256 buckets or more, in memory up to a
//! budget and on disk beyond it. Touches of customers who never convert are dropped as they are read, unless someone
//! follows them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use attributary_core::batch::{NO_TIME, TouchBatch};
use attributary_core::journey::Rejected;
use attributary_core::key::Key;
use attributary_journeys::profiles::ProfileCache;
use attributary_journeys::{ProfileInterner, Profiles};

use crate::bucket::{Bucket, Buckets};
use crate::budget::Budget;
use crate::conversions::Converted;
use crate::converters::Converters;
use crate::error::EngineError;
use crate::records::{Shape, TouchRecords, fits_64_bits};
use crate::rejects::{Rejects, Side};
use crate::setup::Setup;

/// Takes batches of touches from any thread.
pub struct Partition<'a> {
    rejects: &'a Rejects,
    budget: Arc<Budget>,
    threads: usize,
    has_rest: bool,
    converters: Option<&'a Converters>,
    interner: ProfileInterner,
    idle: Mutex<Vec<Local>>,
    buckets: Buckets<TouchRecords>,
    read: AtomicU64,
    /// What part of the log has passed, whether its rows were wanted or not.
    passed: &'a (dyn Fn() -> f64 + Sync),
    /// The bytes that records took before the first touch, in memory and on disk, and whether the disk was looked at.
    before: u64,
    looked: AtomicBool,
}

/// The log as the walk takes it.
pub struct Partitioned {
    /// Touches by the top bits of their customer's hash.
    pub buckets: Vec<Bucket<TouchRecords>>,
    /// Their profiles.
    pub profiles: Profiles,
    /// How many rows were read.
    pub read: u64,
}

/// What one thread gathers before it hands it on.
struct Local {
    chunks: Vec<TouchRecords>,
    cache: ProfileCache,
    /// The hashes of the batch's customers.
    hashes: Vec<u64>,
    /// Whether the customers may convert.
    wanted: Vec<bool>,
    /// The rows that go on, their profiles, their customers.
    rows: Vec<u32>,
    profiles: Vec<u32>,
    keys: Vec<Key>,
}

impl<'a> Partition<'a> {
    /// For a run whose conversions are known. `passed` says what part of the log has passed so far, from 0 to 1.
    #[must_use]
    pub fn new(setup: &'a Setup, converted: &'a Converted, rejects: &'a Rejects, passed: &'a (dyn Fn() -> f64 + Sync)) -> Self {
        let ids = setup.touch_id_type.is_some();
        let everyone = setup.follows_everyone();
        let narrow = [&setup.customer_type, &setup.touch_customer_type].into_iter().all(fits_64_bits);
        let shape = Shape { wide: !narrow, ids, origins: ids, customers: ids && everyone };
        let budget = Arc::clone(&converted.budget);
        let before = budget.waiting() + budget.spilled();
        // With ids and names a record is a few times as large.
        let records = budget.chunk_records(if ids { 4 * RECORD_BYTES } else { RECORD_BYTES }, 1 << 12);
        Self {
            rejects,
            threads: setup.threads,
            has_rest: shape.ids || shape.customers,
            converters: (!everyone).then_some(&converted.converters),
            interner: ProfileInterner::new(3 + setup.dimensions.len(), &setup.mapped_attributes),
            idle: Mutex::default(),
            buckets: Buckets::new("touches", 1 << budget.bucket_bits(), TouchRecords::new(shape), records, &budget),
            budget,
            read: AtomicU64::new(0),
            passed,
            before,
            looked: AtomicBool::new(false),
        }
    }

    /// Takes a batch. Rows without customer or time are rejected here.
    ///
    /// # Errors
    /// Where temporary space is needed and cannot be had.
    pub fn add(&self, batch: &TouchBatch) -> Result<(), EngineError> {
        let mut local = self.take_local(batch);
        self.select(batch, &mut local);
        let Local { chunks, cache, rows, hashes, profiles, keys, .. } = &mut local;
        self.interner.profiles(batch, rows, cache, profiles);
        let (combinations, memory) = self.interner.memory(self.threads);
        self.budget.expect_profiles(combinations, memory)?;
        batch.customers.keys_of(rows, keys);
        let shift = u64::BITS - self.budget.bucket_bits();
        for ((&row, &profile), &key) in rows.iter().zip(profiles.iter()).zip(keys.iter()) {
            let row = row as usize;
            let number = (hashes[row] >> shift) as usize;
            let chunk = &mut chunks[number];
            chunk.push(key, batch.times[row], profile);
            if self.has_rest {
                chunk.push_rest(batch, row);
            }
            self.buckets.hand_on_full(number, chunk, &self.budget)?;
        }
        self.read.fetch_add(batch.len() as u64, Ordering::Relaxed);
        self.look_for_room()?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(local);
        Ok(())
    }

    /// What a thread gathers into, best that which saw this batch's file last.
    fn take_local(&self, batch: &TouchBatch) -> Local {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = idle.iter().position(|local| self.interner.is_ready(batch, &local.cache));
        let taken = ready.map(|place| idle.swap_remove(place)).or_else(|| idle.pop());
        drop(idle);
        taken.unwrap_or_else(|| self.local())
    }

    /// Once half of the memory for records is full, says whether the disk holds what will go there, rather than when it is full.
    fn look_for_room(&self) -> Result<(), EngineError> {
        if !self.budget.is_half_full() || self.looked.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let so_far = (self.budget.waiting() + self.budget.spilled()).saturating_sub(self.before);
        let all = so_far as f64 / (self.passed)().clamp(0.001, 1.0);
        self.budget.expect_room((all as u64).saturating_sub(self.budget.for_records()))
    }

    /// Chooses the rows that have a customer and a time and may be wanted.
    fn select(&self, batch: &TouchBatch, local: &mut Local) {
        let Local { rows, hashes, wanted, .. } = local;
        batch.customers.hashes(hashes);
        rows.clear();
        rows.extend(0..batch.len() as u32);
        if let Some(converters) = self.converters {
            // Two loops without branches, as whether a row is wanted is as good as random. In the first no step waits for another,
            // so that the core asks for many words of the filter at a time.
            wanted.clear();
            wanted.extend(hashes.iter().map(|hash| converters.may_hold(*hash)));
            let mut count = 0;
            for (row, wanted) in wanted.iter().enumerate() {
                rows[count] = row as u32;
                count += usize::from(*wanted);
            }
            rows.truncate(count);
        }
        if batch.customers.has_nulls() || batch.times.contains(&NO_TIME) {
            let faulty = |row: &u32| batch.customers.is_null(*row as usize) || batch.times[*row as usize] == NO_TIME;
            rows.retain(|row| !faulty(row));
            (0..batch.len() as u32).filter(faulty).for_each(|row| self.reject(batch, row as usize));
        }
    }

    /// Rejects a row without customer or time.
    fn reject(&self, batch: &TouchBatch, row: usize) {
        let reason = if batch.customers.is_null(row) { Rejected::NullCustomer } else { Rejected::NullTime };
        let place = (Side::Touchpoints, batch.file, batch.rows.at(row));
        self.rejects.add(place, reason, row, batch.times[row], &*batch.customers, batch.ids.as_deref());
    }

    /// Closes the partition once the last batch is in.
    ///
    /// # Errors
    /// As [`Partition::add`].
    pub fn finish(self, setup: &Setup) -> Result<Partitioned, EngineError> {
        let locals = self.idle.into_inner().unwrap_or_else(PoisonError::into_inner);
        let buckets = self.buckets.finish(locals.into_iter().map(|local| local.chunks), &self.budget)?;
        Ok(Partitioned { buckets, profiles: self.interner.finish(&setup.rules), read: self.read.into_inner() })
    }

    fn local(&self) -> Local {
        Local {
            chunks: self.buckets.chunks(),
            cache: ProfileCache::default(),
            keys: Vec::new(),
            rows: Vec::new(),
            hashes: Vec::new(),
            wanted: Vec::new(),
            profiles: Vec::new(),
        }
    }
}

/// The bytes of a touch's record, its id and the like aside.
const RECORD_BYTES: u64 = 32;
