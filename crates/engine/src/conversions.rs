//! The conversions of a run: checked, made unique by id, and divided by customer into the buckets in which they are walked.
//!
//! They pass through two sets of buckets, by id and then by customer, in memory or on disk. So no more of them than a bucket
//! need be at hand at any time.

use std::ops::Range as Span;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use attributary_core::batch::{ConversionBatch, NO_TIME};
use attributary_core::journey::Rejected;
use attributary_core::key::Key;
use attributary_core::money::Rounded;
use attributary_core::table::NULL_CODE;
use attributary_core::time::Day;
use attributary_core::value::Value;
use attributary_journeys::Reuse;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rustc_hash::FxHashMap;

use crate::bucket::{BUCKET_BITS, Bucket, Buckets, Records};
use crate::budget::Budget;
use crate::cells::Cells;
use crate::converters::Converters;
use crate::error::EngineError;
use crate::ledger::Ledger;
use crate::records::{ConversionRecord, ConversionRecords, ConversionShape, fits_64_bits, pack_origin, unpack_origin};
use crate::rejects::{Rejects, Side};
use crate::setup::Setup;

/// The bytes of a conversion's record, some of them for its id and customer.
const RECORD_BYTES: u64 = 128;

/// Takes batches of conversions from any thread.
pub struct ConversionCollector<'a> {
    setup: &'a Setup,
    rejects: &'a Rejects,
    budget: Arc<Budget>,
    kinds: Mutex<Kinds>,
    idle: Mutex<Vec<Local>>,
    /// By the hash of the id.
    buckets: Buckets<ConversionRecords>,
    read: AtomicU64,
    /// The instants between which the range lies, and how many of the rows do.
    bounds: (i64, i64),
    in_range: AtomicU64,
}

/// What one thread gathers.
struct Local {
    chunks: Vec<ConversionRecords>,
    ledger: Ledger,
}

#[derive(Default)]
struct Kinds {
    codes: FxHashMap<Value, u32>,
    values: Vec<Value>,
}

/// All accepted conversions that matter, by customer.
pub struct Converted {
    /// By the top bits of the customer's hash; then as many for conversions without customer, by the hash of the id.
    pub buckets: Vec<Bucket<ConversionRecords>>,
    /// The customers who convert in the range.
    pub converters: Converters,
    /// What the conversions' codes of kinds stand for.
    pub kinds: ConversionKinds,
    /// The first and the last day of the range that has any.
    pub days: Option<(Day, Day)>,
    /// How many rows were read.
    pub read: u64,
    /// How many were accepted, whatever their day.
    pub accepted: u64,
    /// The memory that they share with the touches.
    pub budget: Arc<Budget>,
}

/// The distinct kinds of conversions.
#[derive(Clone, Debug, Default)]
pub struct ConversionKinds {
    /// The kinds.
    pub values: Arc<Vec<Value>>,
}

impl<'a> ConversionCollector<'a> {
    /// A collector for a run.
    #[must_use]
    pub fn new(setup: &'a Setup, rejects: &'a Rejects) -> Self {
        let budget = Arc::clone(rejects.budget());
        let records = budget.chunk_records(RECORD_BYTES, 1 << 8);
        let buckets = Buckets::new("conversions-by-id", 1 << BUCKET_BITS, kind(setup, true), records, &budget);
        Self {
            setup,
            rejects,
            budget,
            kinds: Mutex::default(),
            idle: Mutex::default(),
            buckets,
            read: AtomicU64::new(0),
            bounds: (
                setup.range.from.map_or(i64::MIN, |from| setup.rules.zone.start_of(from)),
                setup.range.to.map_or(i64::MAX, |to| setup.rules.zone.start_of(to)),
            ),
            in_range: AtomicU64::new(0),
        }
    }

    /// Takes a batch. Rows without id, time or valid values are rejected here.
    ///
    /// # Errors
    /// Where temporary space is needed and cannot be had.
    pub fn add(&self, batch: &ConversionBatch) -> Result<(), EngineError> {
        let kinds = lock(&self.kinds).codes_of(&batch.kinds.dictionary);
        let idle = lock(&self.idle).pop();
        let mut local = idle.unwrap_or_else(|| Local { chunks: self.buckets.chunks(), ledger: Ledger::default() });
        self.read.fetch_add(batch.len() as u64, Ordering::Relaxed);
        let within = batch.times.iter().filter(|time| self.bounds.0 <= **time && **time < self.bounds.1).count();
        self.in_range.fetch_add(within as u64, Ordering::Relaxed);
        for row in 0..batch.len() {
            let time = batch.times[row];
            let reason = if batch.ids.is_null(row) {
                Some(Rejected::NullId)
            } else if time == NO_TIME {
                Some(Rejected::NullTime)
            } else if batch.values.iter().any(|values| values[row].is_none()) {
                Some(Rejected::InvalidValue)
            } else {
                None
            };
            let values = batch.values.iter().map(|values| values[row]);
            if let Some(reason) = reason {
                self.reject_row(&mut local.ledger, batch, row, reason, values);
                continue;
            }
            let hash = batch.ids.key(row).hash();
            let number = (hash >> (64 - BUCKET_BITS)) as usize;
            let chunk = &mut local.chunks[number];
            let anonymous = batch.customers.is_null(row);
            let record = ConversionRecord {
                // Who has no customer stands by the id.
                key: if anonymous { Key::from_int((hash as i64).into()) } else { batch.customers.key(row) },
                anonymous,
                time,
                kind: kinds.get(batch.kinds.codes[row] as usize).copied().unwrap_or(NULL_CODE),
                origin: pack_origin(batch.file, batch.rows[row]),
            };
            let values = values.flatten();
            chunk.push(record, values.clone().map(|value| value.minor));
            chunk.push_by_id(values.map(|value| value.difference as i64), hash);
            chunk.names_mut().push_identity(&*batch.ids, row);
            if chunk.names_customers() {
                chunk.names_mut().push_identity(&*batch.customers, row);
            }
            self.buckets.hand_on_full(number, chunk, &self.budget)?;
        }
        lock(&self.idle).push(local);
        Ok(())
    }

    fn reject_row(
        &self,
        ledger: &mut Ledger,
        batch: &ConversionBatch,
        row: usize,
        reason: Rejected,
        values: impl Iterator<Item = Option<Rounded>> + Clone,
    ) {
        let time = batch.times[row];
        let day = (time != NO_TIME).then(|| self.setup.rules.zone.day(time));
        if self.setup.range.counts(day) {
            let place = (Side::Conversions, batch.file, batch.rows[row]);
            self.rejects.add(place, reason, row, time, &*batch.customers, Some(&*batch.ids));
            let values = values.map(|value| value.map_or(0, |value| value.minor));
            ledger.reject(day, values);
        }
    }

    /// Makes ids unique and divides the conversions by customer. What the source holds goes to `ledger`.
    ///
    /// # Errors
    /// Where temporary space is needed and cannot be had.
    pub fn finish(self, ledger: &mut Ledger) -> Result<Converted, EngineError> {
        let Self { setup, rejects, budget, kinds, idle, buckets, read, in_range, .. } = self;
        let kinds = ConversionKinds { values: Arc::new(into_inner(kinds).values) };
        let mut of_threads = Vec::new();
        for local in into_inner(idle) {
            ledger.absorb(local.ledger);
            of_threads.push(local.chunks);
        }
        let by_id = buckets.finish(of_threads, &budget)?;
        let chunk_records = budget.chunk_records(2 * RECORD_BYTES, 1 << 8);
        let by_customer = Buckets::new("conversions", 2 << BUCKET_BITS, kind(setup, false), chunk_records, &budget);
        let work = Unique {
            setup,
            rejects,
            budget: &budget,
            kind_ranks: kinds.ranks(),
            converters: Converters::new(in_range.into_inner()),
            by_customer,
            idle: Mutex::default(),
        };
        by_id.into_par_iter().try_for_each(|bucket| work.divide(bucket))?;
        let Unique { converters, by_customer, idle, .. } = work;
        let mut of_threads = Vec::new();
        let (mut accepted, mut days) = (0, None);
        for local in into_inner(idle) {
            ledger.absorb(local.ledger);
            accepted += local.accepted;
            days = union(days, local.days);
            of_threads.push(local.chunks);
        }
        let buckets = by_customer.finish(of_threads, &budget)?;
        Ok(Converted { buckets, converters, kinds, days, read: read.into_inner(), accepted, budget })
    }
}

/// No records of a run's conversions.
fn kind(setup: &Setup, by_id: bool) -> ConversionRecords {
    let narrow = fits_64_bits(&setup.customer_type);
    ConversionRecords::new(ConversionShape { values: setup.values.len(), narrow, by_id })
}

/// Makes ids unique, bucket by bucket, on all threads.
struct Unique<'a> {
    setup: &'a Setup,
    rejects: &'a Rejects,
    budget: &'a Budget,
    kind_ranks: Vec<u32>,
    converters: Converters,
    by_customer: Buckets<ConversionRecords>,
    idle: Mutex<Vec<UniqueLocal>>,
}

/// What one thread gathers of them.
struct UniqueLocal {
    chunks: Vec<ConversionRecords>,
    ledger: Ledger,
    accepted: u64,
    days: Option<(Day, Day)>,
}

impl Unique<'_> {
    /// Divides a bucket of ids by customer.
    fn divide(&self, bucket: Bucket<ConversionRecords>) -> Result<(), EngineError> {
        self.divide_part(bucket, BUCKET_BITS)
    }

    fn divide_part(&self, bucket: Bucket<ConversionRecords>, used: u32) -> Result<(), EngineError> {
        const DIVIDE_BITS: u32 = 4;
        if bucket.bytes() > self.budget.bucket() && used + DIVIDE_BITS <= 64 {
            let parts = bucket.divide(used, DIVIDE_BITS, self.budget)?;
            return parts.into_iter().try_for_each(|part| self.divide_part(part, used + DIVIDE_BITS));
        }
        let records = bucket.load(self.budget)?;
        let idle = lock(&self.idle).pop();
        let mut local = idle.unwrap_or_else(|| UniqueLocal {
            chunks: self.by_customer.chunks(),
            ledger: Ledger::default(),
            accepted: 0,
            days: None,
        });
        let day_of = |record: usize| self.setup.rules.zone.day(records.record(record).time);
        let range = self.setup.range;
        let mut dropped = vec![false; records.len()];
        for record in self.duplicates(&records) {
            dropped[record] = true;
            let day = day_of(record);
            if range.contains(day) {
                let ConversionRecord { time, origin, .. } = records.record(record);
                let (file, row) = unpack_origin(origin);
                let place = (Side::Conversions, file, row);
                self.rejects.add_raw(place, Rejected::DuplicateId, time, &records.customer(record), records.id(record));
                local.ledger.reject(Some(day), records.values(record).iter().copied());
            }
        }
        // Conversions on other days only matter where they consume touches.
        let others_matter = self.setup.rules.reuse != Reuse::Overlap;
        let mut counted: Vec<(Day, u32)> = Vec::new();
        for record in (0..records.len()).filter(|record| !dropped[*record]) {
            local.accepted += 1;
            let day = day_of(record);
            let in_range = range.contains(day);
            if in_range {
                counted.push((day, record as u32));
            }
            if !in_range && !others_matter {
                continue;
            }
            let fixed = records.record(record);
            let hash = fixed.key.hash();
            let number = (hash >> (64 - BUCKET_BITS)) as usize + if fixed.anonymous { 1 << BUCKET_BITS } else { 0 };
            if !fixed.anonymous && in_range {
                self.converters.add(hash);
            }
            let chunk = &mut local.chunks[number];
            chunk.push(fixed, records.values(record).iter().copied());
            chunk.names_mut().push_raw(records.id(record));
            if chunk.names_customers() {
                records.append_customer(record, chunk.names_mut());
            }
            self.by_customer.hand_on_full(number, chunk, self.budget)?;
        }
        for (day, _) in &counted {
            local.days = union(local.days, Some((*day, *day)));
        }
        local.ledger.accept(counted.into_iter().map(|(day, record)| {
            let record = record as usize;
            (day, records.values(record), records.differences(record))
        }));
        lock(&self.idle).push(local);
        Ok(())
    }

    /// The rows whose id another row has that stays: of equal ids the first by time, then by the mapped columns, then by
    /// file and row.
    fn duplicates(&self, records: &ConversionRecords) -> Vec<usize> {
        let kind_rank = |kind: u32| self.kind_ranks.get(kind as usize).map_or(0, |rank| rank + 1);
        let compare = |one: u32, other: u32| {
            let (one, other) = (one as usize, other as usize);
            let (first, second) = (records.record(one), records.record(other));
            (records.id(one), first.time)
                .cmp(&(records.id(other), second.time))
                .then_with(|| records.customer(one).cmp(&records.customer(other)))
                .then_with(|| kind_rank(first.kind).cmp(&kind_rank(second.kind)))
                .then_with(|| records.values(one).cmp(records.values(other)))
                .then_with(|| first.origin.cmp(&second.origin))
        };
        let mut by_hash: Vec<(u64, u32)> = (0..records.len()).map(|record| (records.hash(record), record as u32)).collect();
        by_hash.sort_unstable();
        let mut duplicates = Vec::new();
        for alike in by_hash.chunk_by_mut(|one, other| one.0 == other.0).filter(|alike| alike.len() > 1) {
            alike.sort_unstable_by(|one, other| compare(one.1, other.1));
            let id = |row: &(u64, u32)| records.id(row.1 as usize);
            duplicates.extend(alike.windows(2).filter(|pair| id(&pair[0]) == id(&pair[1])).map(|pair| pair[1].1 as usize));
        }
        duplicates
    }
}

/// Some conversions in the order of the walk: by the hash of their customer, customer, time and id.
#[derive(Debug, Default)]
pub struct Conversions {
    /// The customer.
    pub keys: Vec<Key>,
    /// Microseconds UTC.
    pub times: Vec<i64>,
    /// The day in the pipeline's zone.
    pub days: Vec<Day>,
    /// A place among the kinds, or [`NULL_CODE`].
    pub kinds: Vec<u32>,
    /// Minor units; the values of a conversion side by side.
    values: Vec<i64>,
    width: usize,
    /// Ids as the source has them.
    pub ids: Cells,
    /// Customers as the source has them.
    pub customers: Cells,
    in_range: Vec<bool>,
    origins: Vec<u64>,
}

impl Conversions {
    /// Some records in their order.
    #[must_use]
    pub fn new(records: &ConversionRecords, setup: &Setup) -> Self {
        let mut order: Vec<(u64, u32)> = (0..records.len()).map(|record| (records.hash(record), record as u32)).collect();
        order.sort_unstable();
        for alike in order.chunk_by_mut(|one, other| one.0 == other.0).filter(|alike| alike.len() > 1) {
            alike.sort_unstable_by(|one, other| {
                let (one, other) = (one.1 as usize, other.1 as usize);
                let place = |record: usize| (records.record(record).key, records.record(record).time);
                place(one).cmp(&place(other)).then_with(|| records.id(one).cmp(records.id(other)))
            });
        }
        let width = setup.values.len();
        let mut all = Self { width, ..Self::default() };
        all.reserve(order.len());
        for (_, record) in order {
            let record = record as usize;
            let ConversionRecord { key, time, kind, origin, .. } = records.record(record);
            let day = setup.rules.zone.day(time);
            all.keys.push(key);
            all.times.push(time);
            all.days.push(day);
            all.in_range.push(setup.range.contains(day));
            all.kinds.push(kind);
            all.origins.push(origin);
            all.values.extend_from_slice(records.values(record));
            all.ids.push_raw(records.id(record));
            records.append_customer(record, &mut all.customers);
        }
        all
    }

    fn reserve(&mut self, conversions: usize) {
        self.keys.reserve_exact(conversions);
        self.times.reserve_exact(conversions);
        self.days.reserve_exact(conversions);
        self.in_range.reserve_exact(conversions);
        self.kinds.reserve_exact(conversions);
        self.origins.reserve_exact(conversions);
        self.values.reserve_exact(conversions * self.width);
        (self.ids, self.customers) = (Cells::with_capacity(conversions), Cells::with_capacity(conversions));
    }

    /// The number of conversions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The values of a conversion in minor units.
    #[must_use]
    pub fn values(&self, conversion: usize) -> &[i64] {
        &self.values[conversion * self.width..][..self.width]
    }

    /// Whether a conversion lies in the range of the run.
    #[must_use]
    pub fn in_range(&self, conversion: usize) -> bool {
        self.in_range[conversion]
    }

    /// The file that a conversion came from, and its row there.
    #[must_use]
    pub fn origin(&self, conversion: usize) -> (u32, u64) {
        unpack_origin(self.origins[conversion])
    }

    /// All conversions of a conversion's customer; none for one without.
    #[must_use]
    pub fn of_customer(&self, conversion: usize) -> Span<usize> {
        if self.customers.is_null(conversion) {
            return 0..0;
        }
        let same = |other: &usize| self.keys[*other] == self.keys[conversion];
        let before = (0..conversion).rev().take_while(same).count();
        let behind = (conversion..self.len()).take_while(same).count();
        conversion - before..conversion + behind
    }
}

impl ConversionKinds {
    /// The rank of each kind in the order of the tables.
    #[must_use]
    pub fn ranks(&self) -> Vec<u32> {
        let rank = |value: &Value| self.values.iter().filter(|other| *other < value).count() as u32;
        self.values.iter().map(rank).collect()
    }
}

impl Kinds {
    fn codes_of(&mut self, kinds: &[Value]) -> Vec<u32> {
        let code = |kind: &Value| {
            let next = self.values.len() as u32;
            let code = *self.codes.entry(kind.clone()).or_insert(next);
            if code == next {
                self.values.push(kind.clone());
            }
            code
        };
        kinds.iter().map(code).collect()
    }
}

fn union(one: Option<(Day, Day)>, other: Option<(Day, Day)>) -> Option<(Day, Day)> {
    match (one, other) {
        (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
        (one, other) => one.or(other),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}
