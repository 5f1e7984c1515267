//! The log, hash-partitioned by customer: each touch as a fixed-width record in one of 256 buckets, in memory up to a
//! budget and on disk beyond it. Touches of customers who never convert are dropped as they are read, unless someone
//! follows them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use attributary_core::batch::{NO_TIME, TouchBatch};
use attributary_core::journey::Rejected;
use attributary_journeys::profiles::ProfileCache;
use attributary_journeys::{ProfileInterner, Profiles};

use crate::bucket::{Bucket, Chunk, Shape};
use crate::conversions::Conversions;
use crate::error::EngineError;
use crate::rejects::{Rejects, Side};
use crate::setup::Setup;

/// A bucket is chosen by this many of the top bits of the customer's hash: few enough that a bucket's buffer stays
/// large, enough that one bucket sits in cache.
pub const BUCKET_BITS: u32 = 8;

/// A thread hands its records on once they take this much memory, or its part of the budget.
const LOCAL_BYTES: u64 = 16 << 20;

/// Takes batches of touches from any thread.
pub struct Partition<'a> {
    rejects: &'a Rejects,
    shape: Shape,
    converters: Option<Converters>,
    interner: ProfileInterner,
    idle: Mutex<Vec<Local>>,
    buckets: Vec<Mutex<Bucket>>,
    in_memory: AtomicU64,
    read: AtomicU64,
    budget: u64,
    local_bytes: u64,
}

/// The log as the walk takes it.
pub struct Partitioned {
    /// Touches by the top bits of their customer's hash.
    pub buckets: Vec<Bucket>,
    /// Their profiles.
    pub profiles: Profiles,
    /// How many rows were read.
    pub read: u64,
}

impl Partitioned {
    /// The bytes that went to disk.
    #[must_use]
    pub fn spilled_bytes(&self) -> u64 {
        self.buckets.iter().map(Bucket::spilled_bytes).sum()
    }
}

/// What one thread gathers before it hands it on.
struct Local {
    chunks: Vec<Chunk>,
    bytes: u64,
    cache: ProfileCache,
}

impl<'a> Partition<'a> {
    /// For a run whose conversions are known.
    #[must_use]
    pub fn new(setup: &'a Setup, conversions: &Conversions, rejects: &'a Rejects) -> Self {
        let ids = setup.touch_id_type.is_some();
        let everyone = setup.follows_everyone();
        let shape = Shape { ids, origins: ids, customers: ids && everyone };
        let buckets = (0..1_u32 << BUCKET_BITS)
            .map(|number| Mutex::new(Bucket::new(setup.temp.join(format!("bucket-{number:03}")), shape)))
            .collect();
        Self {
            rejects,
            shape,
            converters: (!everyone).then(|| Converters::of(conversions)),
            interner: ProfileInterner::new(3 + setup.dimensions.len(), &setup.mapped_attributes),
            idle: Mutex::default(),
            buckets,
            in_memory: AtomicU64::new(0),
            read: AtomicU64::new(0),
            budget: setup.memory,
            local_bytes: LOCAL_BYTES.min(setup.memory / 4 / setup.threads.max(1) as u64),
        }
    }

    /// Takes a batch. Rows without customer or time are rejected here.
    ///
    /// # Errors
    /// Where temporary space is needed and cannot be had.
    pub fn add(&self, batch: &TouchBatch) -> Result<(), EngineError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut local = idle.unwrap_or_else(|| self.local());
        self.interner.enter(batch, &mut local.cache);
        self.read.fetch_add(batch.len() as u64, Ordering::Relaxed);
        for row in 0..batch.len() {
            if batch.customers.is_null(row) {
                self.reject(batch, row, Rejected::NullCustomer);
            } else if batch.times[row] == NO_TIME {
                self.reject(batch, row, Rejected::NullTime);
            } else {
                let key = batch.customers.key(row);
                let hash = key.hash();
                if self.converters.as_ref().is_none_or(|converters| converters.may_hold(hash)) {
                    let profile = self.interner.profile(batch, row, &mut local.cache);
                    let chunk = &mut local.chunks[(hash >> (64 - BUCKET_BITS)) as usize];
                    local.bytes += chunk.push(self.shape, batch, row, key, profile);
                }
            }
        }
        if local.bytes >= self.local_bytes {
            self.hand_on(&mut local)?;
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(local);
        Ok(())
    }

    /// Closes the partition once the last batch is in.
    ///
    /// # Errors
    /// As [`Partition::add`].
    pub fn finish(self, setup: &Setup) -> Result<Partitioned, EngineError> {
        let locals = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for mut local in locals {
            self.hand_on(&mut local)?;
        }
        let buckets = self.buckets.into_iter().map(|bucket| bucket.into_inner().unwrap_or_else(PoisonError::into_inner));
        Ok(Partitioned { buckets: buckets.collect(), profiles: self.interner.finish(&setup.rules), read: self.read.into_inner() })
    }

    fn local(&self) -> Local {
        Local { chunks: vec![Chunk::default(); 1 << BUCKET_BITS], bytes: 0, cache: ProfileCache::default() }
    }

    fn reject(&self, batch: &TouchBatch, row: usize, reason: Rejected) {
        let place = (Side::Touchpoints, batch.file, batch.rows[row]);
        self.rejects.add(place, reason, row, batch.times[row], &*batch.customers, batch.ids.as_deref());
    }

    fn hand_on(&self, local: &mut Local) -> Result<(), EngineError> {
        for (bucket, chunk) in self.buckets.iter().zip(&mut local.chunks) {
            if chunk.is_empty() {
                continue;
            }
            let bytes = chunk.memory();
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            // Memory first, disk from the budget on: nothing that fits is written and read back.
            if self.in_memory.load(Ordering::Relaxed) + bytes <= self.budget {
                self.in_memory.fetch_add(bytes, Ordering::Relaxed);
                bucket.keep(std::mem::take(chunk));
            } else {
                bucket.spill(chunk)?;
                chunk.clear();
            }
        }
        local.bytes = 0;
        Ok(())
    }
}

/// The customers who convert in the range, as a bitmap of hashes: some 6 % of the others pass it and are dropped in the walk.
struct Converters {
    bits: Vec<u64>,
    shift: u32,
}

impl Converters {
    fn of(conversions: &Conversions) -> Self {
        let wanted = (0..conversions.anonymous_from).filter(|conversion| conversions.in_range(*conversion));
        let size = (conversions.anonymous_from as u64 * 16).next_power_of_two().max(64);
        let mut converters = Self { bits: vec![0; (size / 64) as usize], shift: 64 - size.trailing_zeros() };
        for conversion in wanted {
            let bit = converters.bit(conversions.keys[conversion].hash());
            converters.bits[(bit / 64) as usize] |= 1 << (bit % 64);
        }
        converters
    }

    fn may_hold(&self, hash: u64) -> bool {
        let bit = self.bit(hash);
        self.bits[(bit / 64) as usize] >> (bit % 64) & 1 == 1
    }

    fn bit(&self, hash: u64) -> u64 {
        // Other bits of the hash than those that choose the bucket.
        hash.rotate_left(BUCKET_BITS) >> self.shift
    }
}
