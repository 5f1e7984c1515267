//! The conversions of a run: read whole, checked, made unique by id, and laid out in the order in which they are walked.

use std::ops::Range as Span;
use std::sync::{Mutex, PoisonError};

use attributary_core::batch::{ConversionBatch, NO_TIME};
use attributary_core::journey::Rejected;
use attributary_core::key::Key;
use attributary_core::money::Rounded;
use attributary_core::table::NULL_CODE;
use attributary_core::time::Day;
use attributary_core::value::Value;
use rayon::slice::ParallelSliceMut;
use rustc_hash::FxHashMap;

use crate::cells::Cells;
use crate::ledger::Ledger;
use crate::rejects::{Rejects, Side};
use crate::setup::Setup;

/// Takes batches of conversions from any thread.
pub struct ConversionCollector<'a> {
    setup: &'a Setup,
    rejects: &'a Rejects,
    state: Mutex<Collected>,
}

#[derive(Default)]
struct Collected {
    rows: Vec<Row>,
    ids: Cells,
    customers: Cells,
    /// Per row, its values side by side.
    values: Vec<Rounded>,
    kinds: FxHashMap<Value, u32>,
    kind_values: Vec<Value>,
    read: u64,
    ledger: Ledger,
}

#[derive(Clone, Copy)]
struct Row {
    id: Key,
    customer: Key,
    time: i64,
    kind: u32,
    file: u32,
    row: u64,
    /// Where its cells and values are.
    place: u32,
}

/// Conversions in the order of the walk: by the hash of their customer, customer, time and id. Those without customer are last.
pub struct Conversions {
    /// The customer.
    pub keys: Vec<Key>,
    /// Microseconds UTC.
    pub times: Vec<i64>,
    /// The day in the pipeline's zone.
    pub days: Vec<Day>,
    /// A place in [`Conversions::kind_values`], or [`NULL_CODE`].
    pub kinds: Vec<u32>,
    /// The distinct kinds.
    pub kind_values: Vec<Value>,
    /// Minor units; the values of a conversion side by side.
    values: Vec<i64>,
    value_count: usize,
    /// Ids as the source has them.
    pub ids: Cells,
    /// Customers as the source has them.
    pub customers: Cells,
    /// From here on conversions have no customer.
    pub anonymous_from: usize,
    /// How many rows were read.
    pub read: u64,
    /// How many were accepted, whatever their day.
    pub accepted: u64,
    in_range: Vec<bool>,
    origins: Vec<(u32, u64)>,
}

impl<'a> ConversionCollector<'a> {
    /// A collector for a run.
    #[must_use]
    pub fn new(setup: &'a Setup, rejects: &'a Rejects) -> Self {
        Self { setup, rejects, state: Mutex::default() }
    }

    /// Takes a batch. Rows without id, time or valid values are rejected here.
    pub fn add(&self, batch: &ConversionBatch) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        let kinds: Vec<u32> = batch.kinds.dictionary.iter().map(|kind| state.kind(kind)).collect();
        state.read += batch.len() as u64;
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
                self.reject_row(state, batch, row, reason, values);
                continue;
            }
            let place = state.rows.len() as u32;
            state.rows.push(Row {
                id: batch.ids.key(row),
                customer: batch.customers.key(row),
                time,
                kind: kinds.get(batch.kinds.codes[row] as usize).copied().unwrap_or(NULL_CODE),
                file: batch.file,
                row: batch.rows[row],
                place,
            });
            state.ids.push_identity(&*batch.ids, row);
            state.customers.push_identity(&*batch.customers, row);
            state.values.extend(values.flatten());
        }
    }

    fn reject_row(
        &self,
        state: &mut Collected,
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
            state.ledger.reject(day, values);
        }
    }

    /// Makes ids unique and lays the conversions out. What the source holds goes to `ledger`.
    #[must_use]
    pub fn finish(self, ledger: &mut Ledger) -> Conversions {
        let setup = self.setup;
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        ledger.absorb(std::mem::take(&mut state.ledger));
        let width = setup.values.len();
        let values = |row: &Row| &state.values[row.place as usize * width..][..width];
        let minors = |row: &Row| values(row).iter().map(|value| value.minor);

        // The first of equal ids by time, then by the mapped columns, then by file and row stays.
        let kind_ranks = ranks(&state.kind_values);
        let kind_rank = |row: &Row| kind_ranks.get(row.kind as usize).map_or(0, |rank| rank + 1);
        state.rows.par_sort_unstable_by(|one, other| {
            (one.id, one.time)
                .cmp(&(other.id, other.time))
                .then_with(|| state.customers.raw(one.place as usize).cmp(state.customers.raw(other.place as usize)))
                .then_with(|| kind_rank(one).cmp(&kind_rank(other)))
                .then_with(|| minors(one).cmp(minors(other)))
                .then_with(|| (one.file, one.row).cmp(&(other.file, other.row)))
        });
        let mut last = None;
        let mut kept = Vec::with_capacity(state.rows.len());
        for row in &state.rows {
            if last == Some(row.id) {
                let day = setup.rules.zone.day(row.time);
                if setup.range.contains(day) {
                    let (customer, id) = (state.customers.raw(row.place as usize), state.ids.raw(row.place as usize));
                    self.rejects.add_raw((Side::Conversions, row.file, row.row), Rejected::DuplicateId, row.time, customer, id);
                    ledger.reject(Some(day), minors(row));
                }
            } else {
                kept.push(*row);
            }
            last = Some(row.id);
        }

        let anonymous = |row: &Row| state.customers.is_null(row.place as usize);
        let order = |row: &Row| if anonymous(row) { (1, 0, Key(0)) } else { (0, row.customer.hash(), row.customer) };
        kept.par_sort_unstable_by(|one, other| {
            (order(one), one.time)
                .cmp(&(order(other), other.time))
                .then_with(|| state.ids.raw(one.place as usize).cmp(state.ids.raw(other.place as usize)))
        });
        let mut conversions = Conversions {
            keys: kept.iter().map(|row| row.customer).collect(),
            times: kept.iter().map(|row| row.time).collect(),
            days: kept.iter().map(|row| setup.rules.zone.day(row.time)).collect(),
            kinds: kept.iter().map(|row| row.kind).collect(),
            kind_values: Vec::new(),
            values: kept.iter().flat_map(minors).collect(),
            value_count: width,
            ids: Cells::default(),
            customers: Cells::default(),
            anonymous_from: kept.partition_point(|row| !anonymous(row)),
            read: state.read,
            accepted: kept.len() as u64,
            in_range: Vec::new(),
            origins: kept.iter().map(|row| (row.file, row.row)).collect(),
        };
        for row in &kept {
            conversions.ids.push_raw(state.ids.raw(row.place as usize));
            conversions.customers.push_raw(state.customers.raw(row.place as usize));
            let day = setup.rules.zone.day(row.time);
            let in_range = setup.range.contains(day);
            conversions.in_range.push(in_range);
            if in_range {
                ledger.accept(day, values(row));
            }
        }
        conversions.kind_values = state.kind_values;
        conversions
    }
}

impl Collected {
    fn kind(&mut self, kind: &Value) -> u32 {
        let next = self.kind_values.len() as u32;
        let code = *self.kinds.entry(kind.clone()).or_insert(next);
        if code == next {
            self.kind_values.push(kind.clone());
        }
        code
    }
}

impl Conversions {
    /// The number of accepted conversions, whatever their day.
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
        &self.values[conversion * self.value_count..][..self.value_count]
    }

    /// Whether a conversion lies in the range of the run.
    #[must_use]
    pub fn in_range(&self, conversion: usize) -> bool {
        self.in_range[conversion]
    }

    /// The file that a conversion came from, and its row there.
    #[must_use]
    pub fn origin(&self, conversion: usize) -> (u32, u64) {
        self.origins[conversion]
    }

    /// How many conversions lie in the range.
    #[must_use]
    pub fn count_in_range(&self) -> u64 {
        self.in_range.iter().filter(|in_range| **in_range).count() as u64
    }

    /// The conversions of those customers whose hash begins with the `bits` bits of `prefix`.
    #[must_use]
    pub fn of_bucket(&self, prefix: u64, bits: u32) -> Span<usize> {
        let known = &self.keys[..self.anonymous_from];
        let of = |key: &Key| key.hash() >> (64 - bits);
        known.partition_point(|key| of(key) < prefix)..known.partition_point(|key| of(key) <= prefix)
    }

    /// All conversions of a conversion's customer; none for one without.
    #[must_use]
    pub fn of_customer(&self, conversion: usize) -> Span<usize> {
        let known = &self.keys[..self.anonymous_from];
        if conversion >= known.len() {
            return 0..0;
        }
        let place = |key: &Key| (key.hash(), *key);
        let wanted = place(&known[conversion]);
        known.partition_point(|key| place(key) < wanted)..known.partition_point(|key| place(key) <= wanted)
    }

    /// The rank of each kind in the order of the tables.
    #[must_use]
    pub fn kind_ranks(&self) -> Vec<u32> {
        ranks(&self.kind_values)
    }
}

fn ranks(values: &[Value]) -> Vec<u32> {
    values.iter().map(|value| values.iter().filter(|other| *other < value).count() as u32).collect()
}
