//! The conversions of a run: checked, and divided by customer into the buckets in which they are walked, in memory or on disk.
//! So no more of them than a bucket need be at hand at any time.
//!
//! Of their ids only hashes are gathered, as in most sources each is there once. Where some are not, the source is read a
//! second time for the rows that may be duplicates (see [`crate::duplicates`]).

use std::ops::Range as Span;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use attributary_core::batch::{ConversionBatch, NO_TIME};
use attributary_core::journey::Rejected;
use attributary_core::key::Key;
use attributary_core::money::Rounded;
use attributary_core::table::NULL_CODE;
use attributary_core::time::Day;
use attributary_core::value::Value;
use attributary_journeys::Reuse;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::bucket::{Bucket, Buckets, Records};
use crate::budget::Budget;
use crate::cells::Cells;
use crate::converters::Converters;
use crate::duplicates::Suspects;
use crate::error::EngineError;
use crate::ledger::Ledger;
use crate::records::{ConversionRecord, ConversionRecords, ConversionShape, Words, fits_64_bits, pack_origin, unpack_origin};
use crate::rejects::{Rejects, Side};
use crate::setup::Setup;

/// The bytes of a conversion's record, some of them for its id and customer.
pub(crate) const RECORD_BYTES: u64 = 128;

/// Takes batches of conversions from any thread.
pub struct ConversionCollector<'a> {
    setup: &'a Setup,
    rejects: &'a Rejects,
    budget: Arc<Budget>,
    kinds: Mutex<Kinds>,
    converters: Converters,
    idle: Mutex<Vec<Local>>,
    ids: Buckets<Words>,
    by_customer: Buckets<ConversionRecords>,
    read: AtomicU64,
}

/// What one thread gathers.
struct Local {
    ids: Vec<Words>,
    by_customer: Vec<ConversionRecords>,
    ledger: Ledger,
    accepted: u64,
    days: Option<(Day, Day)>,
    /// Of the batch at hand, the accepted rows in the range: day, values, what rounding did to them.
    counted: (Vec<Day>, Vec<i64>, Vec<i64>),
}

#[derive(Default)]
pub(crate) struct Kinds {
    codes: FxHashMap<Value, u32>,
    values: Vec<Value>,
}

/// All conversions, of which some may be duplicates yet.
pub struct Collected<'a> {
    suspects: Option<Suspects<'a>>,
    ledger: Ledger,
    converted: Converted,
}

/// All accepted conversions that matter, by customer.
pub struct Converted {
    /// By the top bits of the customer's hash; then as many for conversions without customer, by the hash of the id.
    pub buckets: Vec<ConversionBucket>,
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

/// The conversions of customers whose hashes begin alike.
pub struct ConversionBucket {
    pub(crate) records: Bucket<ConversionRecords>,
    /// Those that turned out to be duplicates: a hash as that of their record, and their origin.
    pub(crate) dropped: Option<Bucket<Words>>,
}

/// The distinct kinds of conversions.
#[derive(Clone, Debug, Default)]
pub struct ConversionKinds {
    /// The kinds.
    pub values: Arc<Vec<Value>>,
}

impl<'a> ConversionCollector<'a> {
    /// A collector for a run whose source has `expected` rows, or not many more.
    #[must_use]
    pub fn new(setup: &'a Setup, rejects: &'a Rejects, expected: u64) -> Self {
        let budget = Arc::clone(rejects.budget());
        let ids = Buckets::new("ids", 1 << budget.bucket_bits(), Words::new(1), budget.chunk_records(8, 1 << 10), &budget);
        let records = budget.chunk_records(2 * RECORD_BYTES, 1 << 8);
        let by_customer = Buckets::new("conversions", 2 << budget.bucket_bits(), kind(setup, false), records, &budget);
        let filtered = budget.filtered(expected);
        Self {
            setup,
            rejects,
            budget,
            kinds: Mutex::default(),
            converters: Converters::new(filtered),
            idle: Mutex::default(),
            ids,
            by_customer,
            read: AtomicU64::new(0),
        }
    }

    /// Takes a batch. Rows without id, time or valid values are rejected here.
    ///
    /// # Errors
    /// Where temporary space is needed and cannot be had.
    pub fn add(&self, batch: &ConversionBatch) -> Result<(), EngineError> {
        let kinds = lock(&self.kinds).codes_of(&batch.kinds.dictionary);
        let idle = lock(&self.idle).pop();
        let mut local = idle.unwrap_or_else(|| self.local());
        self.read.fetch_add(batch.len() as u64, Ordering::Relaxed);
        // Conversions on other days only matter where they consume touches.
        let others_matter = self.setup.rules.reuse != Reuse::Overlap;
        for row in 0..batch.len() {
            let values = batch.values.iter().map(|values| values[row]);
            if let Some(reason) = fault(batch, row) {
                self.reject_row(&mut local.ledger, batch, row, reason, values);
                continue;
            }
            local.accepted += 1;
            let hash = batch.ids.key(row).hash();
            let number = bucket_of(hash, false, &self.budget);
            let ids = &mut local.ids[number];
            ids.push(&[hash]);
            self.ids.hand_on_full(number, ids, &self.budget)?;
            let day = self.setup.rules.zone.day(batch.times[row]);
            let in_range = self.setup.range.contains(day);
            if !in_range && !others_matter {
                continue;
            }
            let values = values.flatten();
            if in_range {
                local.days = union(local.days, Some((day, day)));
                local.counted.0.push(day);
                local.counted.1.extend(values.clone().map(|value| value.minor));
                local.counted.2.extend(values.clone().map(|value| value.difference as i64));
            }
            let record = record(batch, row, hash, &kinds);
            let hash = record.key.hash();
            if in_range && !record.anonymous {
                self.converters.add(hash);
            }
            let number = bucket_of(hash, record.anonymous, &self.budget);
            let chunk = &mut local.by_customer[number];
            chunk.push(record, values.map(|value| value.minor));
            chunk.names_mut().push_identity(&*batch.ids, row);
            if chunk.names_customers() {
                chunk.names_mut().push_identity(&*batch.customers, row);
            }
            self.by_customer.hand_on_full(number, chunk, &self.budget)?;
        }
        let width = self.setup.values.len();
        let (days, values, differences) = &mut local.counted;
        let of_row = values.chunks_exact(width).zip(differences.chunks_exact(width));
        local.ledger.accept(days.drain(..).zip(of_row).map(|(day, (values, differences))| (day, values, differences)));
        values.clear();
        differences.clear();
        lock(&self.idle).push(local);
        Ok(())
    }

    fn local(&self) -> Local {
        Local {
            ids: self.ids.chunks(),
            by_customer: self.by_customer.chunks(),
            ledger: Ledger::default(),
            accepted: 0,
            days: None,
            counted: Default::default(),
        }
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

    /// Ends the first reading.
    ///
    /// # Errors
    /// Where temporary space is needed and cannot be had.
    pub fn finish(self) -> Result<Collected<'a>, EngineError> {
        let Self { setup, rejects, budget, kinds, converters, idle, ids, by_customer, read } = self;
        let (mut of_ids, mut of_customers) = (Vec::new(), Vec::new());
        let mut ledger = Ledger::default();
        let (mut accepted, mut days) = (0, None);
        for local in into_inner(idle) {
            ledger.absorb(local.ledger);
            accepted += local.accepted;
            days = union(days, local.days);
            of_ids.push(local.ids);
            of_customers.push(local.by_customer);
        }
        let kinds = into_inner(kinds);
        let values = ConversionKinds { values: Arc::new(kinds.values.clone()) };
        let buckets = by_customer.finish(of_customers, &budget)?;
        let suspects = Suspects::among(ids.finish(of_ids, &budget)?, setup, rejects, kinds)?;
        let converted = Converted {
            buckets: buckets.into_iter().map(|records| ConversionBucket { records, dropped: None }).collect(),
            converters,
            kinds: values,
            days,
            read: read.into_inner(),
            accepted,
            budget,
        };
        Ok(Collected { suspects, ledger, converted })
    }
}

impl<'a> Collected<'a> {
    /// What must see the whole source again, as some ids are there more than once.
    #[must_use]
    pub fn suspects(&self) -> Option<&Suspects<'a>> {
        self.suspects.as_ref()
    }

    /// The conversions, their ids unique. What the source holds goes to `ledger`.
    ///
    /// # Errors
    /// Where temporary space is needed and cannot be had.
    pub fn finish(self, ledger: &mut Ledger) -> Result<Converted, EngineError> {
        let Self { suspects, ledger: of_source, mut converted } = self;
        ledger.absorb(of_source);
        if let Some(suspects) = suspects {
            let (dropped, count) = suspects.finish(ledger)?;
            converted.accepted = converted.accepted.checked_sub(count).ok_or(EngineError::Changed)?;
            converted.buckets.iter_mut().zip(dropped).for_each(|(bucket, dropped)| bucket.dropped = Some(dropped));
        }
        Ok(converted)
    }
}

impl ConversionBucket {
    /// The bytes that its records take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.records.bytes() + self.dropped.as_ref().map_or(0, Bucket::bytes)
    }

    /// Divides it as [`Bucket::divide`] does.
    ///
    /// # Errors
    /// Where a file cannot be read or written.
    pub fn divide(self, used: u32, bits: u32, budget: &Budget) -> Result<Vec<Self>, EngineError> {
        let records = self.records.divide(used, bits, budget)?;
        let dropped = self.dropped.map(|dropped| dropped.divide(used, bits, budget)).transpose()?;
        let mut dropped = dropped.map(Vec::into_iter);
        let with = |records| Self { records, dropped: dropped.as_mut().and_then(Iterator::next) };
        Ok(records.into_iter().map(with).collect())
    }

    /// Its conversions, without duplicates, in the order of the walk.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn load(self, setup: &Setup, budget: &Budget) -> Result<Conversions, EngineError> {
        let dropped = match self.dropped {
            Some(dropped) => {
                let dropped = dropped.load(budget)?;
                (0..dropped.len()).map(|record| dropped.words_of(record)[1]).collect()
            }
            None => FxHashSet::default(),
        };
        Ok(Conversions::new(&self.records.load(budget)?, &dropped, setup))
    }
}

/// Why a row is no conversion.
pub(crate) fn fault(batch: &ConversionBatch, row: usize) -> Option<Rejected> {
    if batch.ids.is_null(row) {
        Some(Rejected::NullId)
    } else if batch.times[row] == NO_TIME {
        Some(Rejected::NullTime)
    } else if batch.values.iter().any(|values| values[row].is_none()) {
        Some(Rejected::InvalidValue)
    } else {
        None
    }
}

/// The record of a row whose id has that hash.
pub(crate) fn record(batch: &ConversionBatch, row: usize, hash: u64, kinds: &[u32]) -> ConversionRecord {
    let anonymous = batch.customers.is_null(row);
    ConversionRecord {
        // Who has no customer stands by the id.
        key: if anonymous { Key::from_int((hash as i64).into()) } else { batch.customers.key(row) },
        anonymous,
        time: batch.times[row],
        kind: kinds.get(batch.kinds.codes[row] as usize).copied().unwrap_or(NULL_CODE),
        origin: pack_origin(batch.file, batch.rows[row]),
    }
}

/// The bucket of a conversion whose key has that hash. There are twice as many as of touches: the second half is for those
/// without customer.
pub(crate) fn bucket_of(hash: u64, anonymous: bool, budget: &Budget) -> usize {
    (hash >> (64 - budget.bucket_bits())) as usize + if anonymous { 1 << budget.bucket_bits() } else { 0 }
}

/// No records of a run's conversions.
pub(crate) fn kind(setup: &Setup, by_id: bool) -> ConversionRecords {
    let narrow = fits_64_bits(&setup.customer_type);
    ConversionRecords::new(ConversionShape { values: setup.values.len(), narrow, by_id })
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
    /// Some records in their order, without those whose origin is among `dropped`.
    #[must_use]
    pub fn new(records: &ConversionRecords, dropped: &FxHashSet<u64>, setup: &Setup) -> Self {
        let mut order: Vec<(u64, u32)> = (0..records.len()).map(|record| (records.hash(record), record as u32)).collect();
        if !dropped.is_empty() {
            order.retain(|(_, record)| !dropped.contains(&records.record(*record as usize).origin));
        }
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
        ranks(&self.values)
    }
}

fn ranks(values: &[Value]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|one, other| values[*one].cmp(&values[*other]));
    let mut ranks = vec![0; values.len()];
    order.into_iter().zip(0..).for_each(|(kind, rank)| ranks[kind] = rank);
    ranks
}

impl Kinds {
    /// The rank of each kind in the order of the tables.
    pub fn ranks(&self) -> Vec<u32> {
        ranks(&self.values)
    }

    pub fn codes_of(&mut self, kinds: &[Value]) -> Vec<u32> {
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

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}
