//! The log, hash-partitioned by customer: each touch as a fixed-width record in one of 256 buckets, in memory up to a
//! budget and on disk beyond it. Touches of customers who never convert are dropped as they are read, unless someone
//! follows them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use attributary_core::batch::{NO_TIME, TouchBatch};
use attributary_core::journey::Rejected;
use attributary_core::key::Key;
use attributary_core::value::ColumnType;
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

/// A thread hands a bucket's records on once there are so many of them, or fewer where memory is short.
const CHUNK_RECORDS: std::ops::RangeInclusive<u64> = 256..=4096;

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
    chunk_records: usize,
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
    /// For a run whose conversions are known.
    #[must_use]
    pub fn new(setup: &'a Setup, conversions: &Conversions, rejects: &'a Rejects) -> Self {
        let ids = setup.touch_id_type.is_some();
        let everyone = setup.follows_everyone();
        let narrow = [&setup.customer_type, &setup.touch_customer_type].into_iter().all(fits_64_bits);
        let shape = Shape { wide: !narrow, ids, origins: ids, customers: ids && everyone };
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
            chunk_records: chunk_records(setup),
        }
    }

    /// Takes a batch. Rows without customer or time are rejected here.
    ///
    /// # Errors
    /// Where temporary space is needed and cannot be had.
    pub fn add(&self, batch: &TouchBatch) -> Result<(), EngineError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut local = idle.unwrap_or_else(|| self.local());
        self.read.fetch_add(batch.len() as u64, Ordering::Relaxed);
        self.select(batch, &mut local);
        let Local { chunks, cache, rows, hashes, profiles, keys, .. } = &mut local;
        self.interner.profiles(batch, rows, cache, profiles);
        batch.customers.keys_of(rows, keys);
        let has_rest = self.shape.ids || self.shape.origins || self.shape.customers;
        for ((&row, &profile), &key) in rows.iter().zip(profiles.iter()).zip(keys.iter()) {
            let row = row as usize;
            let number = (hashes[row] >> (64 - BUCKET_BITS)) as usize;
            let chunk = &mut chunks[number];
            chunk.push(self.shape, key, batch.times[row], profile);
            if has_rest {
                chunk.push_rest(self.shape, batch, row);
            }
            if chunk.len() >= self.chunk_records {
                let empty = Chunk::with_capacity(self.shape, self.chunk_records);
                self.hand_on(number, std::mem::replace(chunk, empty))?;
            }
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(local);
        Ok(())
    }

    /// Chooses the rows that have a customer and a time and may be wanted.
    fn select(&self, batch: &TouchBatch, local: &mut Local) {
        let Local { rows, hashes, wanted, .. } = local;
        batch.customers.hashes(hashes);
        rows.clear();
        rows.extend(0..batch.len() as u32);
        if let Some(converters) = &self.converters {
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
        let locals = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for local in locals {
            for (number, mut chunk) in local.chunks.into_iter().enumerate().filter(|(_, chunk)| !chunk.is_empty()) {
                chunk.shrink();
                self.hand_on(number, chunk)?;
            }
        }
        let buckets = self.buckets.into_iter().map(|bucket| bucket.into_inner().unwrap_or_else(PoisonError::into_inner));
        Ok(Partitioned { buckets: buckets.collect(), profiles: self.interner.finish(&setup.rules), read: self.read.into_inner() })
    }

    fn local(&self) -> Local {
        Local {
            chunks: (0..1 << BUCKET_BITS).map(|_| Chunk::with_capacity(self.shape, self.chunk_records)).collect(),
            cache: ProfileCache::default(),
            keys: Vec::new(),
            rows: Vec::new(),
            hashes: Vec::new(),
            wanted: Vec::new(),
            profiles: Vec::new(),
        }
    }

    fn hand_on(&self, number: usize, chunk: Chunk) -> Result<(), EngineError> {
        let bytes = chunk.memory();
        let mut bucket = self.buckets[number].lock().unwrap_or_else(PoisonError::into_inner);
        // Memory first, disk from the budget on: nothing that fits is written and read back.
        if self.in_memory.load(Ordering::Relaxed) + bytes <= self.budget {
            self.in_memory.fetch_add(bytes, Ordering::Relaxed);
            bucket.keep(chunk);
            Ok(())
        } else {
            bucket.spill(&chunk)
        }
    }
}

/// Records of a chunk: what all threads gather takes no more than a sixteenth of the budget.
fn chunk_records(setup: &Setup) -> usize {
    const RECORD_BYTES: u64 = 32;
    let records = (setup.memory / 16 / RECORD_BYTES / setup.threads.max(1) as u64) >> BUCKET_BITS;
    records.clamp(*CHUNK_RECORDS.start(), *CHUNK_RECORDS.end()) as usize
}

/// Whether all keys of a type are integers of 64 bits with a sign.
fn fits_64_bits(kind: &ColumnType) -> bool {
    matches!(kind, ColumnType::Int { signed: true, .. } | ColumnType::Int { bits: 0..64, .. })
}

/// The customers who convert in the range, as a Bloom filter whose three bits of a customer lie in one word: some 2 % of the
/// others pass it and are dropped in the walk. With more bits fewer would, but it would no longer sit in a core's cache.
struct Converters {
    words: Vec<u64>,
}

impl Converters {
    fn of(conversions: &Conversions) -> Self {
        const BITS_PER_CUSTOMER: usize = 10;
        let known = &conversions.keys[..conversions.anonymous_from];
        let customers = known.chunk_by(|one, other| one == other).count();
        let mut converters = Self { words: vec![0; (customers * BITS_PER_CUSTOMER).div_ceil(64).max(1)] };
        for conversion in (0..known.len()).filter(|conversion| conversions.in_range(*conversion)) {
            let (word, bits) = converters.place(known[conversion].hash());
            converters.words[word] |= bits;
        }
        converters
    }

    #[inline]
    fn may_hold(&self, hash: u64) -> bool {
        let (word, bits) = self.place(hash);
        self.words[word] & bits == bits
    }

    /// A word by the upper bits of the hash, bits by the lowest ones.
    #[inline]
    fn place(&self, hash: u64) -> (usize, u64) {
        let bits = [0, 6, 12].map(|from| 1 << (hash >> from & 63));
        (((u128::from(hash) * self.words.len() as u128) >> 64) as usize, bits[0] | bits[1] | bits[2])
    }
}
