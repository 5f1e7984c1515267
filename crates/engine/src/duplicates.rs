//! Conversions whose id occurs more than once: of them the first stays, and the others are rejected.
//!
//! A first reading gathers the hashes of all ids. Only where one occurs twice is the source read again, for the rows that
//! have it (and a few that a filter takes for them). These are brought together by id and compared in full.

use std::sync::{Arc, Mutex, OnceLock};

use attributary_core::batch::ConversionBatch;
use attributary_core::journey::Rejected;
use attributary_core::key::Key;
use attributary_core::value::Value;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rustc_hash::FxHashSet;

use crate::bucket::{Bucket, Buckets, Records};
use crate::budget::Budget;
use crate::conversions::{RECORD_BYTES, bucket_of, fault, into_inner, kind, lock, record};
use crate::converters::Converters;
use crate::error::EngineError;
use crate::kinds::Kinds;
use crate::lanes::{Lanes, values};
use crate::ledger::Ledger;
use crate::records::{ConversionRecords, Words, unpack_origin};
use crate::rejects::{Rejects, Side};
use crate::setup::Setup;

/// A bucket over its part of the memory is divided by this many further bits of the hash.
const DIVIDE_BITS: u32 = 4;

/// Takes all batches of conversions a second time, from any thread, and keeps those that may be duplicates.
pub struct Suspects<'a> {
    setup: &'a Setup,
    rejects: &'a Rejects,
    budget: Arc<Budget>,
    kinds: Mutex<Kinds>,
    /// The ids that occur more than once.
    ids: Converters,
    idle: Mutex<Vec<Vec<ConversionRecords>>>,
    by_id: Buckets<ConversionRecords>,
    lanes: Lanes,
}

/// Rows that were duplicates.
pub(crate) struct Duplicates {
    /// By customer: a hash as that of their record, and their origin.
    pub dropped: Vec<Bucket<Words>>,
    /// How many there are.
    pub count: u64,
    /// Their origins, if some conversions refund others: neither a refund nor its order may be one of them.
    pub origins: FxHashSet<u64>,
}

impl<'a> Suspects<'a> {
    /// Looks for hashes of ids that occur more than once; none if there are none.
    pub(crate) fn among(
        buckets: Vec<Bucket<Words>>,
        setup: &'a Setup,
        rejects: &'a Rejects,
        kinds: Kinds,
    ) -> Result<Option<Self>, EngineError> {
        let budget = Arc::clone(rejects.budget());
        let rows = buckets.iter().map(Bucket::records).sum::<u64>();
        let twice = OnceLock::new();
        let found = |hash: u64| twice.get_or_init(|| Converters::new(budget.filtered(rows / 2))).add(hash);
        buckets.into_par_iter().try_for_each(|bucket| look(bucket, budget.bucket_bits(), &found, &budget))?;
        Ok(twice.into_inner().map(|ids| {
            let records = budget.chunk_records(RECORD_BYTES, 1 << 8);
            let by_id = Buckets::new("suspects", 1 << budget.bucket_bits(), kind(setup, true), records, &budget);
            Self { setup, rejects, budget, kinds: Mutex::new(kinds), ids, idle: Mutex::default(), by_id, lanes: Lanes::of(setup) }
        }))
    }

    /// Takes a batch.
    ///
    /// # Errors
    /// Where temporary space is needed and cannot be had.
    pub fn add(&self, batch: &ConversionBatch) -> Result<(), EngineError> {
        let kinds = lock(&self.kinds).codes_of(&batch.kinds.dictionary);
        let idle = lock(&self.idle).pop();
        let mut chunks = idle.unwrap_or_else(|| self.by_id.chunks());
        // Numbers that hang on nothing but the currencies' codes, as rows are compared by them.
        let code = |currency: &Value| Key::from_bytes(currency.as_text().unwrap_or_default().as_bytes()).hash() as u32;
        let currencies: Vec<u32> =
            batch.exchange.iter().flat_map(|exchange| exchange.currencies.dictionary.iter().map(code)).collect();
        let mut extras = Vec::with_capacity(self.lanes.count());
        for row in (0..batch.len()).filter(|row| fault(batch, *row).is_none()) {
            let hash = batch.ids.key(row).hash();
            if !self.ids.may_hold(hash) {
                continue;
            }
            let number = bucket_of(hash, false, &self.budget);
            let chunk = &mut chunks[number];
            let values = values(batch, row).flatten();
            extras.clear();
            self.lanes.push(batch, row, &currencies, &mut extras);
            chunk.push(record(batch, row, hash, &kinds), values.clone().map(|(minor, _)| minor).chain(extras.iter().copied()));
            chunk.push_by_id(values.map(|(_, difference)| difference), hash);
            chunk.names_mut().push_identity(&*batch.ids, row);
            if chunk.names_customers() {
                chunk.names_mut().push_identity(&*batch.customers, row);
            }
            if let Some(orders) = &batch.refunds {
                chunk.names_mut().push_identity(&**orders, row);
            }
            self.by_id.hand_on_full(number, chunk, &self.budget)?;
        }
        lock(&self.idle).push(chunks);
        Ok(())
    }

    /// Rejects the duplicates, which were taken for accepted ones, and says who they are.
    pub(crate) fn finish(self, ledger: &mut Ledger) -> Result<Duplicates, EngineError> {
        let Self { setup, rejects, budget, kinds, idle, by_id, .. } = self;
        let by_id = by_id.finish(into_inner(idle), &budget)?;
        let dropped =
            Buckets::new("duplicates", 2 << budget.bucket_bits(), Words::new(2), budget.chunk_records(16, 1 << 8), &budget);
        let work =
            Unique { setup, rejects, budget: &budget, kind_ranks: into_inner(kinds).ranks(), dropped, idle: Mutex::default() };
        by_id.into_par_iter().try_for_each(|bucket| work.drop_duplicates(bucket, budget.bucket_bits(), u64::MAX))?;
        let (mut of_threads, mut count, mut origins) = (Vec::new(), 0, FxHashSet::default());
        for local in into_inner(work.idle) {
            ledger.absorb(local.ledger);
            count += local.count;
            origins.extend(local.origins);
            of_threads.push(local.chunks);
        }
        Ok(Duplicates { dropped: work.dropped.finish(of_threads, &budget)?, count, origins })
    }
}

/// Gives the hashes of a bucket that occur more than once to `found`.
fn look(bucket: Bucket<Words>, used: u32, found: &(impl Fn(u64) + Sync), budget: &Budget) -> Result<(), EngineError> {
    if bucket.bytes() > budget.bucket() && used + DIVIDE_BITS <= u64::BITS {
        let parts = bucket.divide(used, DIVIDE_BITS, budget)?;
        return parts.into_iter().try_for_each(|part| look(part, used + DIVIDE_BITS, found, budget));
    }
    let mut hashes = bucket.load(budget)?.into_words();
    hashes.sort_unstable();
    hashes.windows(2).filter(|pair| pair[0] == pair[1]).for_each(|pair| found(pair[0]));
    Ok(())
}

/// Drops duplicates, bucket by bucket, on all threads.
struct Unique<'a> {
    setup: &'a Setup,
    rejects: &'a Rejects,
    budget: &'a Budget,
    kind_ranks: Vec<u32>,
    dropped: Buckets<Words>,
    idle: Mutex<Vec<Local>>,
}

/// What one thread gathers.
struct Local {
    chunks: Vec<Words>,
    ledger: Ledger,
    count: u64,
    origins: Vec<u64>,
}

impl Unique<'_> {
    /// `before` is how large the bucket was before it was divided.
    fn drop_duplicates(&self, bucket: Bucket<ConversionRecords>, used: u32, before: u64) -> Result<(), EngineError> {
        let (bytes, rows) = (bucket.bytes(), bucket.records());
        // What keeps nearly all of its records is one id's.
        let one_id = bytes > before / 16 * 15;
        if bytes > self.budget.bucket() && !one_id && used + DIVIDE_BITS <= u64::BITS {
            let parts = bucket.divide(used, DIVIDE_BITS, self.budget)?;
            return parts.into_iter().try_for_each(|part| self.drop_duplicates(part, used + DIVIDE_BITS, bytes));
        }
        self.budget.expect_id(rows, 2 * bytes)?;
        let records = bucket.load(self.budget)?;
        let idle = lock(&self.idle).pop();
        let mut local = idle.unwrap_or_else(|| Local {
            chunks: self.dropped.chunks(),
            ledger: Ledger::default(),
            count: 0,
            origins: Vec::new(),
        });
        for place in self.duplicates(&records) {
            local.count += 1;
            let record = records.record(place);
            let day = self.setup.rules.zone.day(record.time);
            if self.setup.range.contains(day) {
                let (file, row) = unpack_origin(record.origin);
                let at = (Side::Conversions, file, row);
                self.rejects.add_raw(at, Rejected::DuplicateId, record.time, &records.customer(place), records.id(place));
                local.ledger.drop_accepted(day, records.values(place), records.differences(place));
            }
            let hash = record.key.hash();
            let number = bucket_of(hash, record.anonymous, self.budget);
            let chunk = &mut local.chunks[number];
            chunk.push(&[hash, record.origin]);
            if self.setup.refunds {
                local.origins.push(record.origin);
            }
            self.dropped.hand_on_full(number, chunk, self.budget)?;
        }
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
                .then_with(|| records.order(one).cmp(records.order(other)))
                .then_with(|| records.values(one).cmp(records.values(other)))
                .then_with(|| records.differences(one).cmp(records.differences(other)))
                .then_with(|| records.extras(one).cmp(records.extras(other)))
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
