//! The conversions of a run: checked, and divided by customer into the buckets in which they are walked, in memory or on disk.
//! So no more of them than a bucket need be at hand at any time.
//!
//! Of their ids only hashes are gathered, as in most sources each is there once. Where some are not, the source is read a
//! second time for the rows that may be duplicates (see [`crate::duplicates`]), and likewise for orders that are refunded
//! (see [`crate::refunds`]).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use attributary_core::batch::{ConversionBatch, NO_TIME};
use attributary_core::journey::Rejected;
use attributary_core::key::Key;
use attributary_core::table::NULL_CODE;
use attributary_core::time::Day;
use attributary_journeys::Reuse;
use rustc_hash::FxHashSet;

use crate::bucket::{Bucket, Buckets, Records};
use crate::budget::Budget;
use crate::cells::Cells;
use crate::converters::Converters;
use crate::duplicates::Suspects;
use crate::error::EngineError;
use crate::kinds::{ConversionKinds, Kinds};
use crate::lanes::{Lanes, is_refund, values};
use crate::ledger::Ledger;
use crate::records::{ConversionRecord, ConversionRecords, ConversionShape, Words, fits_64_bits, pack_origin};
use crate::refunds::{Named, Refunds};
use crate::rejects::{Rejects, Side};
use crate::setup::Setup;
use crate::sorted::{Conversions, Histories};

/// The bytes of a conversion's record, some of them for its id and customer.
pub(crate) const RECORD_BYTES: u64 = 128;

/// Takes batches of conversions from any thread.
pub struct ConversionCollector<'a> {
    setup: &'a Setup,
    rejects: &'a Rejects,
    budget: Arc<Budget>,
    kinds: Mutex<Kinds>,
    currencies: Mutex<Kinds>,
    lanes: Lanes,
    converters: Converters,
    idle: Mutex<Vec<Local>>,
    ids: Buckets<Words>,
    refunds: Option<Named>,
    by_customer: Buckets<ConversionRecords>,
    read: AtomicU64,
}

/// What one thread gathers.
struct Local {
    ids: Vec<Words>,
    by_customer: Vec<ConversionRecords>,
    refunds: Vec<ConversionRecords>,
    extras: Vec<i64>,
    ledger: Ledger,
    accepted: u64,
    days: Option<(Day, Day)>,
    /// Of the batch at hand, the accepted rows in the range: day, values, what rounding did to them.
    counted: (Vec<Day>, Vec<i64>, Vec<i64>),
}

/// All conversions, of which some may be duplicates yet, and some refunds without order.
pub struct Collected<'a> {
    again: Again<'a>,
    ledger: Ledger,
    converted: Converted,
}

/// What sees the source a second time, where there is a reason.
struct Again<'a> {
    suspects: Option<Suspects<'a>>,
    refunds: Option<Refunds<'a>>,
}

/// All accepted conversions that matter, by customer.
pub struct Converted {
    /// By the top bits of the customer's hash; then as many for conversions without customer, by the hash of the id.
    pub buckets: Vec<ConversionBucket>,
    /// The customers who convert in the range.
    pub converters: Converters,
    /// What the conversions' codes of kinds stand for.
    pub kinds: ConversionKinds,
    /// What their codes of currencies stand for.
    pub currencies: ConversionKinds,
    /// The time of the earliest order that is refunded in the range: touches must be read back from it.
    pub earliest_refunded: Option<i64>,
    /// That of the latest: a refund may be dated before its order.
    pub latest_refunded: Option<i64>,
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
    /// Refunds of the customers' orders.
    pub(crate) refunds: Option<Bucket<ConversionRecords>>,
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
        let refunds = setup.refunds.then(|| Named::new(setup, &budget, expected));
        Self {
            setup,
            rejects,
            budget,
            kinds: Mutex::default(),
            currencies: Mutex::default(),
            lanes: Lanes::of(setup),
            refunds,
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
        let currencies = match &batch.exchange {
            Some(exchange) => lock(&self.currencies).codes_of(&exchange.currencies.dictionary),
            None => Vec::new(),
        };
        // Conversions on other days only matter where they consume touches or make a customer's history.
        let others_matter = self.setup.rules.reuse != Reuse::Overlap || self.setup.follows_histories();
        for row in 0..batch.len() {
            let values = values(batch, row);
            if let Some(reason) = fault(batch, row) {
                self.reject_row(&mut local.ledger, batch, row, reason, values);
                continue;
            }
            local.accepted += 1;
            let hash = batch.ids.key(row).hash();
            // Of paths that were counted two rows may have the same.
            if !self.setup.counted {
                let number = bucket_of(hash, false, &self.budget);
                let ids = &mut local.ids[number];
                ids.push(&[hash]);
                self.ids.hand_on_full(number, ids, &self.budget)?;
            }
            let day = self.setup.rules.zone.day(batch.times[row]);
            let in_range = self.setup.range.contains(day);
            let refund = is_refund(batch, row);
            if !in_range && !others_matter && !refund {
                continue;
            }
            let values = values.flatten();
            if in_range {
                local.days = union(local.days, Some((day, day)));
                local.counted.0.push(day);
                local.counted.1.extend(values.clone().map(|(minor, _)| minor));
                local.counted.2.extend(values.clone().map(|(_, difference)| difference));
            }
            if let (true, Some(refunds)) = (refund, &self.refunds) {
                refunds.add(&mut local.refunds, (batch, row), (&kinds, &currencies), &self.budget)?;
                continue;
            }
            let record = record(batch, row, hash, &kinds);
            let hash = record.key.hash();
            if in_range && !record.anonymous {
                self.converters.add(hash);
            }
            let number = bucket_of(hash, record.anonymous, &self.budget);
            let chunk = &mut local.by_customer[number];
            if self.lanes.count() > 0 {
                local.extras.clear();
                self.lanes.push(batch, row, &currencies, &mut local.extras);
            }
            chunk.push(record, values.map(|(minor, _)| minor).chain(local.extras.iter().copied()));
            chunk.names_mut().push_identity(&*batch.ids, row);
            if chunk.names_customers() {
                chunk.names_mut().push_identity(&*batch.customers, row);
            }
            self.by_customer.hand_on_full(number, chunk, &self.budget)?;
        }
        let width = self.setup.source_values();
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
            refunds: self.refunds.as_ref().map_or_else(Vec::new, |refunds| refunds.by_order.chunks()),
            extras: Vec::new(),
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
        values: impl Iterator<Item = Option<(i64, i64)>> + Clone,
    ) {
        let time = batch.times[row];
        let day = (time != NO_TIME).then(|| self.setup.rules.zone.day(time));
        if self.setup.range.counts(day) {
            let place = (Side::Conversions, batch.file, batch.rows[row]);
            if self.setup.counted {
                // Its time and its customer are none of the source's.
                let mut path = Cells::default();
                path.push_identity(&*batch.ids, row);
                self.rejects.add_raw(place, reason, NO_TIME, &[], path.raw(0));
            } else {
                self.rejects.add(place, reason, row, time, &*batch.customers, Some(&*batch.ids));
            }
            let values = values.map(|value| value.map_or(0, |(minor, _)| minor));
            ledger.reject(day, values);
        }
    }

    /// Ends the first reading.
    ///
    /// # Errors
    /// Where temporary space is needed and cannot be had.
    pub fn finish(self) -> Result<Collected<'a>, EngineError> {
        let Self { setup, rejects, budget, kinds, currencies, refunds, converters, idle, ids, by_customer, read, .. } = self;
        let (mut of_ids, mut of_customers, mut of_refunds) = (Vec::new(), Vec::new(), Vec::new());
        let mut ledger = Ledger::default();
        let (mut accepted, mut days) = (0, None);
        for local in into_inner(idle) {
            ledger.absorb(local.ledger);
            accepted += local.accepted;
            days = union(days, local.days);
            of_ids.push(local.ids);
            of_customers.push(local.by_customer);
            of_refunds.push(local.refunds);
        }
        let kinds = into_inner(kinds);
        let named = |kinds: &Kinds| ConversionKinds { values: Arc::new(kinds.values.clone()) };
        let (of_kinds, currencies) = (named(&kinds), named(&into_inner(currencies)));
        let buckets = by_customer.finish(of_customers, &budget)?;
        let refunds = match refunds {
            Some(refunds) => refunds.finish(of_refunds, setup, rejects, kinds.clone())?,
            None => None,
        };
        let suspects = Suspects::among(ids.finish(of_ids, &budget)?, setup, rejects, kinds)?;
        let converted = Converted {
            buckets: buckets.into_iter().map(|records| ConversionBucket { records, dropped: None, refunds: None }).collect(),
            converters,
            kinds: of_kinds,
            currencies,
            earliest_refunded: None,
            latest_refunded: None,
            days,
            read: read.into_inner(),
            accepted,
            budget,
        };
        Ok(Collected { again: Again { suspects, refunds }, ledger, converted })
    }
}

impl Collected<'_> {
    /// Why the whole source must be seen again, if it must.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match (&self.again.suspects, &self.again.refunds) {
            (Some(_), _) => Some("some conversion ids occur more than once"),
            (None, Some(_)) => Some("some conversions refund others"),
            (None, None) => None,
        }
    }

    /// Takes a batch of the second reading.
    ///
    /// # Errors
    /// Where temporary space is needed and cannot be had.
    pub fn add(&self, batch: &ConversionBatch) -> Result<(), EngineError> {
        self.again.suspects.as_ref().map_or(Ok(()), |suspects| suspects.add(batch))?;
        self.again.refunds.as_ref().map_or(Ok(()), |refunds| refunds.add(batch))
    }

    /// The conversions, their ids unique and their refunds at their orders. What the source holds goes to `ledger`.
    ///
    /// # Errors
    /// Where temporary space is needed and cannot be had.
    pub fn finish(self, ledger: &mut Ledger) -> Result<Converted, EngineError> {
        let Self { again: Again { suspects, refunds }, ledger: of_source, mut converted } = self;
        ledger.absorb(of_source);
        let mut origins = FxHashSet::default();
        if let Some(suspects) = suspects {
            let found = suspects.finish(ledger)?;
            converted.accepted = converted.accepted.checked_sub(found.count).ok_or(EngineError::Changed)?;
            converted.buckets.iter_mut().zip(found.dropped).for_each(|(bucket, dropped)| bucket.dropped = Some(dropped));
            origins = found.origins;
        }
        if let Some(refunds) = refunds {
            let settled = refunds.finish(&origins, &converted.converters, ledger)?;
            converted.accepted = converted.accepted.checked_sub(settled.rejected).ok_or(EngineError::Changed)?;
            (converted.earliest_refunded, converted.latest_refunded) = settled.orders.unzip();
            let buckets = converted.buckets.iter_mut().zip(settled.by_customer);
            buckets.for_each(|(bucket, refunds)| bucket.refunds = Some(refunds));
        }
        Ok(converted)
    }
}

impl ConversionBucket {
    /// The bytes that its records take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let refunds = self.refunds.as_ref().map_or(0, Bucket::bytes);
        self.records.bytes() + self.dropped.as_ref().map_or(0, Bucket::bytes) + refunds
    }

    /// Divides it as [`Bucket::divide`] does.
    ///
    /// # Errors
    /// Where a file cannot be read or written.
    pub fn divide(self, used: u32, bits: u32, budget: &Budget) -> Result<Vec<Self>, EngineError> {
        let records = self.records.divide(used, bits, budget)?;
        let dropped = self.dropped.map(|dropped| dropped.divide(used, bits, budget)).transpose()?;
        let refunds = self.refunds.map(|refunds| refunds.divide(used, bits, budget)).transpose()?;
        let (mut dropped, mut refunds) = (dropped.map(Vec::into_iter), refunds.map(Vec::into_iter));
        let with = |records| Self {
            records,
            dropped: dropped.as_mut().and_then(Iterator::next),
            refunds: refunds.as_mut().and_then(Iterator::next),
        };
        Ok(records.into_iter().map(with).collect())
    }

    /// Its conversions, without duplicates, in the order of the walk.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn load(self, setup: &Setup, histories: Option<Histories<'_>>, budget: &Budget) -> Result<Conversions, EngineError> {
        let dropped = self.dropped.map(|dropped| dropped.load(budget)).transpose()?;
        let mut records = self.records.load(budget)?;
        if let Some(refunds) = self.refunds {
            records.append(&refunds.load(budget)?);
        }
        Ok(Conversions::new(&records, &origins(dropped.as_ref()), setup, histories))
    }

    /// As [`ConversionBucket::load`], and the bucket stays as it is.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn look(&mut self, setup: &Setup, histories: Option<Histories<'_>>, budget: &Budget) -> Result<Conversions, EngineError> {
        self.look_at(setup, histories, None, budget)
    }

    /// As [`ConversionBucket::look`], only of the customers whose hashes are wanted if anyone says which.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn look_at(
        &mut self,
        setup: &Setup,
        histories: Option<Histories<'_>>,
        wanted: Option<&dyn Fn(u64) -> bool>,
        budget: &Budget,
    ) -> Result<Conversions, EngineError> {
        let dropped = self.dropped.as_mut().map(|dropped| dropped.look_at(wanted)).transpose()?;
        let mut records = self.records.look_at(wanted)?;
        if let Some(refunds) = &mut self.refunds {
            records.append(&refunds.look_at(wanted)?);
        }
        budget.check()?;
        Ok(Conversions::new(&records, &origins(dropped.as_ref()), setup, histories))
    }
}

/// The origins of rows that are duplicates.
fn origins(dropped: Option<&Words>) -> FxHashSet<u64> {
    dropped.map_or_else(FxHashSet::default, |dropped| (0..dropped.len()).map(|record| dropped.words_of(record)[1]).collect())
}

/// Why a row is no conversion.
pub(crate) fn fault(batch: &ConversionBatch, row: usize) -> Option<Rejected> {
    if batch.ids.is_null(row) {
        Some(Rejected::NullId)
    } else if batch.times[row] == NO_TIME {
        Some(Rejected::NullTime)
    } else if batch.exchange.as_ref().is_some_and(|exchange| exchange.rates[row].is_none()) {
        Some(Rejected::MissingRate)
    } else if batch.values.iter().any(|values| values[row].is_none())
        || batch.counted.as_ref().is_some_and(|counted| counted.journeys[row].is_none())
    {
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
    let (values, extras) = (setup.source_values(), Lanes::of(setup).count());
    ConversionRecords::new(ConversionShape { values, extras, narrow, by_id, orders: by_id && setup.refunds })
}

/// The span of both.
pub(crate) fn union<T: Ord>(one: Option<(T, T)>, other: Option<(T, T)>) -> Option<(T, T)> {
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
