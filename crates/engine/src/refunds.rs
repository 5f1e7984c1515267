//! Refunds: rows that take an order back. A refund has the journey of its order, so it goes to the order's customer and stands at
//! the order's time; its day and its values are its own.
//!
//! A first reading gathers refunds by the order that they name. Where there are any, the source is read again for the orders that
//! may be meant, and both are brought together by the order's id.

use std::sync::{Arc, Mutex};

use attributary_core::batch::ConversionBatch;
use attributary_core::journey::Rejected;
use attributary_core::key::Key;
use attributary_core::time::Day;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::bucket::{Bucket, Buckets, Records};
use crate::budget::Budget;
use crate::conversions::{RECORD_BYTES, bucket_of, fault, into_inner, kind, lock, record, union};
use crate::converters::Converters;
use crate::error::EngineError;
use crate::kinds::Kinds;
use crate::lanes::{Lanes, is_refund, values};
use crate::ledger::Ledger;
use crate::records::{ConversionRecord, ConversionRecords, ConversionShape, unpack_origin};
use crate::rejects::{Rejects, Side};
use crate::setup::Setup;

/// Buckets over their part of the memory are divided by this many further bits of the hash.
const DIVIDE_BITS: u32 = 4;

/// Refunds of a first reading, by the id of the order that they name.
pub(crate) struct Named {
    pub by_order: Buckets<ConversionRecords>,
    /// The ids.
    orders: Converters,
    lanes: Lanes,
}

/// Takes all batches of conversions a second time, from any thread, and keeps the orders that may be refunded.
pub struct Refunds<'a> {
    setup: &'a Setup,
    rejects: &'a Rejects,
    budget: Arc<Budget>,
    kinds: Mutex<Kinds>,
    named: Vec<Bucket<ConversionRecords>>,
    ids: Converters,
    idle: Mutex<Vec<Vec<ConversionRecords>>>,
    orders: Buckets<ConversionRecords>,
}

/// What is known of refunds once their orders are found.
pub(crate) struct Settled {
    /// By customer, as all conversions are.
    pub by_customer: Vec<Bucket<ConversionRecords>>,
    /// How many were rejected.
    pub rejected: u64,
    /// The times of the earliest and the latest order that was refunded in the range.
    pub orders: Option<(i64, i64)>,
}

impl Named {
    pub fn new(setup: &Setup, budget: &Budget, expected: u64) -> Self {
        let lanes = Lanes::of(setup);
        let shape =
            ConversionShape { values: setup.source_values(), extras: lanes.count(), narrow: false, by_id: true, orders: false };
        let records = budget.chunk_records(4 * RECORD_BYTES, 1 << 8);
        let by_order = Buckets::new("refunds", 1 << budget.bucket_bits(), ConversionRecords::new(shape), records, budget);
        Self { by_order, orders: Converters::new(budget.filtered(expected)), lanes }
    }

    /// Takes a row that is a refund into a thread's chunks.
    pub fn add(
        &self,
        chunks: &mut [ConversionRecords],
        (batch, row): (&ConversionBatch, usize),
        codes: (&[u32], &[u32]),
        budget: &Budget,
    ) -> Result<(), EngineError> {
        let Some(orders) = &batch.refunds else { return Ok(()) };
        let order = orders.key(row);
        let hash = order.hash();
        self.orders.add(hash);
        let number = bucket_of(hash, false, budget);
        let chunk = &mut chunks[number];
        let mut extras = Vec::with_capacity(self.lanes.count());
        self.lanes.push(batch, row, codes.1, &mut extras);
        let values = values(batch, row).flatten();
        let record = ConversionRecord { key: order, ..record(batch, row, hash, codes.0) };
        chunk.push(record, values.clone().map(|(minor, _)| minor).chain(extras));
        chunk.push_by_id(values.map(|(_, difference)| difference), hash);
        chunk.names_mut().push_identity(&*batch.ids, row);
        chunk.names_mut().push_identity(&*batch.customers, row);
        self.by_order.hand_on_full(number, chunk, budget)
    }

    /// What must see the whole source again; none where nothing is refunded.
    pub fn finish<'a>(
        self,
        of_threads: Vec<Vec<ConversionRecords>>,
        setup: &'a Setup,
        rejects: &'a Rejects,
        kinds: Kinds,
    ) -> Result<Option<Refunds<'a>>, EngineError> {
        let budget = Arc::clone(rejects.budget());
        let named = self.by_order.finish(of_threads, &budget)?;
        if named.iter().all(|bucket| bucket.records() == 0) {
            return Ok(None);
        }
        // An order's record has the customer's key where others have values.
        let shape = ConversionShape { values: 2, extras: 0, narrow: false, by_id: false, orders: false };
        let records = budget.chunk_records(4 * RECORD_BYTES, 1 << 8);
        let orders = Buckets::new("orders", 1 << budget.bucket_bits(), ConversionRecords::new(shape), records, &budget);
        let (kinds, ids) = (Mutex::new(kinds), self.orders);
        Ok(Some(Refunds { setup, rejects, budget, kinds, named, ids, idle: Mutex::default(), orders }))
    }
}

impl Refunds<'_> {
    /// Takes a batch.
    ///
    /// # Errors
    /// Where temporary space is needed and cannot be had.
    pub fn add(&self, batch: &ConversionBatch) -> Result<(), EngineError> {
        let kinds = lock(&self.kinds).codes_of(&batch.kinds.dictionary);
        let idle = lock(&self.idle).pop();
        let mut chunks = idle.unwrap_or_else(|| self.orders.chunks());
        for row in (0..batch.len()).filter(|row| fault(batch, *row).is_none() && !is_refund(batch, *row)) {
            let id = batch.ids.key(row);
            let hash = id.hash();
            if !self.ids.may_hold(hash) {
                continue;
            }
            let number = bucket_of(hash, false, &self.budget);
            let chunk = &mut chunks[number];
            let order = record(batch, row, hash, &kinds);
            let customer = [order.key.0 as i64, (order.key.0 >> 64) as i64];
            chunk.push(ConversionRecord { key: id, ..order }, customer.into_iter());
            chunk.names_mut().push_identity(&*batch.ids, row);
            chunk.names_mut().push_identity(&*batch.customers, row);
            self.orders.hand_on_full(number, chunk, &self.budget)?;
        }
        lock(&self.idle).push(chunks);
        Ok(())
    }

    /// Brings refunds and orders together. Rows whose origin is among `dropped` are duplicates of others. Refunds without order
    /// are rejected; they were taken for accepted ones. Who gets a refund in the range is added to `converters`.
    pub(crate) fn finish(
        self,
        dropped: &FxHashSet<u64>,
        converters: &Converters,
        ledger: &mut Ledger,
    ) -> Result<Settled, EngineError> {
        let Self { setup, rejects, budget, named, idle, orders, .. } = self;
        let orders = orders.finish(into_inner(idle), &budget)?;
        let records = budget.chunk_records(4 * RECORD_BYTES, 1 << 8);
        let by_customer = Buckets::new("refunds-of", 2 << budget.bucket_bits(), kind(setup, false), records, &budget);
        let meeting = Meeting {
            setup,
            rejects,
            budget: &budget,
            dropped,
            converters,
            lanes: Lanes::of(setup),
            by_customer,
            idle: Mutex::default(),
        };
        let used = budget.bucket_bits();
        named.into_par_iter().zip(orders).try_for_each(|(named, orders)| meeting.meet(named, orders, used))?;
        let Meeting { by_customer, idle, .. } = meeting;
        let mut settled = Settled { by_customer: Vec::new(), rejected: 0, orders: None };
        let mut of_threads = Vec::new();
        for local in into_inner(idle) {
            ledger.absorb(local.ledger);
            settled.rejected += local.rejected;
            settled.orders = union(settled.orders, local.orders);
            of_threads.push(local.chunks);
        }
        settled.by_customer = by_customer.finish(of_threads, &budget)?;
        Ok(settled)
    }
}

/// Refunds and orders meet, bucket by bucket, on all threads.
struct Meeting<'a> {
    setup: &'a Setup,
    rejects: &'a Rejects,
    budget: &'a Budget,
    dropped: &'a FxHashSet<u64>,
    converters: &'a Converters,
    lanes: Lanes,
    by_customer: Buckets<ConversionRecords>,
    idle: Mutex<Vec<Local>>,
}

/// What one thread gathers.
struct Local {
    chunks: Vec<ConversionRecords>,
    ledger: Ledger,
    rejected: u64,
    orders: Option<(i64, i64)>,
}

impl Meeting<'_> {
    fn meet(&self, named: Bucket<ConversionRecords>, orders: Bucket<ConversionRecords>, used: u32) -> Result<(), EngineError> {
        self.budget.check()?;
        if named.records() == 0 {
            return Ok(());
        }
        // Ids of orders are unique but for duplicates, which are few: division ends.
        if named.bytes() + orders.bytes() > self.budget.bucket() && used + DIVIDE_BITS <= u64::BITS / 2 {
            let named = named.divide(used, DIVIDE_BITS, self.budget)?;
            let orders = orders.divide(used, DIVIDE_BITS, self.budget)?;
            return named.into_iter().zip(orders).try_for_each(|(named, orders)| self.meet(named, orders, used + DIVIDE_BITS));
        }
        self.budget.expect_id(named.records() + orders.records(), 2 * (named.bytes() + orders.bytes()))?;
        let (named, orders) = (named.load(self.budget)?, orders.load(self.budget)?);
        let kept = (0..orders.len()).filter(|order| !self.dropped.contains(&orders.record(*order).origin));
        let by_id: FxHashMap<Key, usize> = kept.map(|order| (orders.record(order).key, order)).collect();
        let idle = lock(&self.idle).pop();
        let mut local = idle.unwrap_or_else(|| Local {
            chunks: self.by_customer.chunks(),
            ledger: Ledger::default(),
            rejected: 0,
            orders: None,
        });
        for refund in 0..named.len() {
            let record = named.record(refund);
            if self.dropped.contains(&record.origin) {
                continue;
            }
            let day = self.setup.rules.zone.day(record.time);
            match by_id.get(&record.key) {
                Some(order) => self.settle((&named, refund), (&orders, *order), day, &mut local)?,
                None => self.reject(&named, refund, day, &mut local),
            }
        }
        lock(&self.idle).push(local);
        Ok(())
    }

    /// Sends a refund to its order's customer.
    fn settle(
        &self,
        (named, refund): (&ConversionRecords, usize),
        (orders, order): (&ConversionRecords, usize),
        day: Day,
        local: &mut Local,
    ) -> Result<(), EngineError> {
        let (own, of_order) = (named.record(refund), orders.record(order));
        let in_range = self.setup.range.contains(day);
        if !in_range && !self.setup.follows_histories() {
            return Ok(());
        }
        let words = orders.values(order);
        let key = Key(u128::from(words[1] as u64) << 64 | u128::from(words[0] as u64));
        if in_range {
            local.orders = union(local.orders, Some((of_order.time, of_order.time)));
            if !of_order.anonymous {
                self.converters.add(key.hash());
            }
        }
        let mut extras = named.extras(refund).to_vec();
        self.lanes.set_order(&mut extras, of_order.time, of_order.origin);
        let number = bucket_of(key.hash(), of_order.anonymous, self.budget);
        let chunk = &mut local.chunks[number];
        let record = ConversionRecord { key, anonymous: of_order.anonymous, kind: of_order.kind, ..own };
        chunk.push(record, named.values(refund).iter().copied().chain(extras));
        chunk.names_mut().push_raw(named.id(refund));
        if chunk.names_customers() {
            chunk.names_mut().push_raw(&orders.customer(order));
        }
        self.by_customer.hand_on_full(number, chunk, self.budget)
    }

    fn reject(&self, named: &ConversionRecords, refund: usize, day: Day, local: &mut Local) {
        let record = named.record(refund);
        local.rejected += 1;
        if self.setup.range.contains(day) {
            let (file, row) = unpack_origin(record.origin);
            let at = (Side::Conversions, file, row);
            let reason = Rejected::RefundWithoutOrder;
            self.rejects.add_raw(at, reason, record.time, &named.customer(refund), named.id(refund));
            local.ledger.drop_accepted(day, named.values(refund), named.differences(refund));
        }
    }
}
