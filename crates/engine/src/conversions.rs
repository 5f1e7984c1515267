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
use attributary_journeys::Reuse;
use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use rustc_hash::FxHashMap;

use crate::bucket::{pack_origin, unpack_origin};
use crate::cells::Cells;
use crate::ledger::Ledger;
use crate::rejects::{Rejects, Side};
use crate::setup::Setup;

/// Takes batches of conversions from any thread.
pub struct ConversionCollector<'a> {
    setup: &'a Setup,
    rejects: &'a Rejects,
    kinds: Mutex<Kinds>,
    pieces: Mutex<Vec<Piece>>,
}

/// The accepted rows of one batch, or of several.
#[derive(Default)]
struct Piece {
    rows: Vec<Row>,
    ids: Cells,
    customers: Cells,
    /// Per row, its values side by side.
    values: Vec<Rounded>,
    read: u64,
    /// What was rejected.
    ledger: Ledger,
}

#[derive(Default)]
struct Kinds {
    codes: FxHashMap<Value, u32>,
    values: Vec<Value>,
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
/// With a range and touches that conversions do not consume, they are those of the range.
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
    /// See [`crate::bucket::pack_origin`].
    origins: Vec<u64>,
}

impl<'a> ConversionCollector<'a> {
    /// A collector for a run.
    #[must_use]
    pub fn new(setup: &'a Setup, rejects: &'a Rejects) -> Self {
        Self { setup, rejects, kinds: Mutex::default(), pieces: Mutex::default() }
    }

    /// Takes a batch. Rows without id, time or valid values are rejected here.
    pub fn add(&self, batch: &ConversionBatch) {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner).codes_of(&batch.kinds.dictionary);
        let mut piece = Piece { read: batch.len() as u64, ..Piece::default() };
        piece.rows.reserve_exact(batch.len());
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
                self.reject_row(&mut piece.ledger, batch, row, reason, values);
                continue;
            }
            piece.rows.push(Row {
                id: batch.ids.key(row),
                customer: batch.customers.key(row),
                time,
                kind: kinds.get(batch.kinds.codes[row] as usize).copied().unwrap_or(NULL_CODE),
                file: batch.file,
                row: batch.rows[row],
                place: piece.rows.len() as u32,
            });
            piece.ids.push_identity(&*batch.ids, row);
            piece.customers.push_identity(&*batch.customers, row);
            piece.values.extend(values.flatten());
        }
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
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

    /// Makes ids unique and lays the conversions out. What the source holds goes to `ledger`.
    #[must_use]
    pub fn finish(self, ledger: &mut Ledger) -> Conversions {
        let setup = self.setup;
        let kind_values = self.kinds.into_inner().unwrap_or_else(PoisonError::into_inner).values;
        let mut all = Piece::of(self.pieces.into_inner().unwrap_or_else(PoisonError::into_inner));
        ledger.absorb(std::mem::take(&mut all.ledger));
        let width = setup.values.len();
        let duplicates = all.duplicates(width, &kind_values);
        for &place in &duplicates {
            let (row, place) = (&all.rows[place as usize], place as usize);
            let day = setup.rules.zone.day(row.time);
            if setup.range.contains(day) {
                let (customer, id) = (all.customers.raw(place), all.ids.raw(place));
                self.rejects.add_raw((Side::Conversions, row.file, row.row), Rejected::DuplicateId, row.time, customer, id);
                ledger.reject(Some(day), all.values_of(place, width).iter().map(|value| value.minor));
            }
        }
        let accepted_rows = (all.rows.len() - duplicates.len()) as u64;
        // Conversions on other days only matter where they consume touches.
        let others_matter = setup.rules.reuse != Reuse::Overlap;
        let matters = |row: &Row| others_matter || setup.range.contains(setup.rules.zone.day(row.time));
        let (kept, anonymous_from) = all.laid_out(&duplicates, &matters);
        let Piece { ids, customers, values, read, .. } = all;
        let values: Vec<Rounded> = match width {
            1 => kept.par_iter().map(|row| values[row.place as usize]).collect(),
            _ => kept.par_iter().flat_map_iter(|row| values[row.place as usize * width..][..width].iter().copied()).collect(),
        };
        let days: Vec<Day> = kept.par_iter().map(|row| setup.rules.zone.day(row.time)).collect();
        let in_range: Vec<bool> = days.par_iter().map(|day| setup.range.contains(*day)).collect();
        let accepted = days.par_chunks(CHUNK).zip(in_range.par_chunks(CHUNK)).zip(values.par_chunks(CHUNK * width));
        let accepted = accepted.map(|((days, in_range), values)| {
            let rows = days.iter().zip(in_range).zip(values.chunks(width)).filter(|((_, in_range), _)| **in_range);
            Ledger::accepted(rows.map(|((day, _), values)| (*day, values)))
        });
        accepted.collect::<Vec<_>>().into_iter().for_each(|of_some| ledger.absorb(of_some));
        let (ids, customers) = rayon::join(|| ids.take(&kept, |row| row.place), || customers.take(&kept, |row| row.place));
        let columns = || (kept.iter().map(|row| row.customer).collect(), kept.iter().map(|row| row.time).collect());
        let others =
            || (kept.iter().map(|row| row.kind).collect(), kept.iter().map(|row| pack_origin(row.file, row.row)).collect());
        let ((keys, times), (kinds, origins)) = rayon::join(columns, others);
        Conversions {
            keys,
            times,
            days,
            kinds,
            kind_values,
            values: values.iter().map(|value| value.minor).collect(),
            value_count: width,
            ids,
            customers,
            anonymous_from,
            read,
            accepted: accepted_rows,
            in_range,
            origins,
        }
    }
}

/// How many conversions a thread takes at a time.
const CHUNK: usize = 1 << 16;

impl Piece {
    /// All rows of some pieces.
    fn of(pieces: Vec<Self>) -> Self {
        let total = |count: fn(&Self) -> usize| pieces.iter().map(count).sum();
        let mut all = Self::default();
        all.rows.reserve_exact(total(|piece| piece.rows.len()));
        all.values.reserve_exact(total(|piece| piece.values.len()));
        all.ids.reserve(total(|piece| piece.ids.bytes.len()), total(|piece| piece.ids.len()));
        all.customers.reserve(total(|piece| piece.customers.bytes.len()), total(|piece| piece.customers.len()));
        pieces.into_iter().for_each(|piece| all.append(piece));
        all
    }

    fn append(&mut self, other: Self) {
        let base = self.rows.len() as u32;
        self.rows.extend(other.rows.into_iter().map(|row| Row { place: base + row.place, ..row }));
        self.ids.append(&other.ids);
        self.customers.append(&other.customers);
        self.values.extend(other.values);
        self.read += other.read;
        self.ledger.absorb(other.ledger);
    }

    fn values_of(&self, place: usize, width: usize) -> &[Rounded] {
        &self.values[place * width..][..width]
    }

    /// The rows whose id another row has that stays: of equal ids the first by time, then by the mapped columns, then by
    /// file and row.
    fn duplicates(&self, width: usize, kind_values: &[Value]) -> Vec<u32> {
        let kind_ranks = ranks(kind_values);
        let kind_rank = |row: &Row| kind_ranks.get(row.kind as usize).map_or(0, |rank| rank + 1);
        let minors = |place: usize| self.values_of(place, width).iter().map(|value| value.minor);
        let compare = |one: u32, other: u32| {
            let (one_place, other_place) = (one as usize, other as usize);
            let (one, other) = (&self.rows[one_place], &self.rows[other_place]);
            (one.id, one.time)
                .cmp(&(other.id, other.time))
                .then_with(|| self.customers.raw(one_place).cmp(self.customers.raw(other_place)))
                .then_with(|| kind_rank(one).cmp(&kind_rank(other)))
                .then_with(|| minors(one_place).cmp(minors(other_place)))
                .then_with(|| (one.file, one.row).cmp(&(other.file, other.row)))
        };
        let mut duplicates = Vec::new();
        let mut by_hash = self.hashed(|row| row.id.hash());
        by_hash.par_sort_unstable();
        for alike in by_hash.chunk_by_mut(|one, other| one.0 == other.0).filter(|alike| alike.len() > 1) {
            alike.sort_unstable_by(|one, other| compare(one.1, other.1));
            let again = alike.windows(2).filter(|pair| self.rows[pair[0].1 as usize].id == self.rows[pair[1].1 as usize].id);
            duplicates.extend(again.map(|pair| pair[1].1));
        }
        duplicates
    }

    /// The other rows, if they matter, in the order of the walk, and how many of them have a customer.
    fn laid_out(&mut self, duplicates: &[u32], matters: &(dyn Fn(&Row) -> bool + Sync)) -> (Vec<Row>, usize) {
        let mut dropped: Vec<bool> = self.rows.par_iter().map(|row| !matters(row)).collect();
        duplicates.iter().for_each(|place| dropped[*place as usize] = true);
        let mut known = self.hashed(|row| row.customer.hash());
        let mut anonymous = Vec::new();
        known.retain(|row| {
            let place = row.1 as usize;
            let is_known = !self.customers.is_null(place);
            if !is_known && !dropped[place] {
                anonymous.push(*row);
            }
            is_known && !dropped[place]
        });
        known.par_sort_unstable();
        let by_time = |one: &(u64, u32), other: &(u64, u32)| {
            let (one, other) = (&self.rows[one.1 as usize], &self.rows[other.1 as usize]);
            let id = |row: &Row| self.ids.raw(row.place as usize);
            one.time.cmp(&other.time).then_with(|| id(one).cmp(id(other)))
        };
        for alike in known.chunk_by_mut(|one, other| one.0 == other.0).filter(|alike| alike.len() > 1) {
            let customer = |row: &(u64, u32)| self.rows[row.1 as usize].customer;
            alike.sort_unstable_by(|one, other| customer(one).cmp(&customer(other)).then_with(|| by_time(one, other)));
        }
        anonymous.par_sort_unstable_by(by_time);
        let kept = known.par_iter().chain(&anonymous).map(|(_, place)| self.rows[*place as usize]).collect();
        self.rows = Vec::new();
        (kept, known.len())
    }

    /// The place of each row behind its hash: pairs of 16 bytes are sorted several times as fast as rows.
    fn hashed(&self, hash: impl Fn(&Row) -> u64 + Sync) -> Vec<(u64, u32)> {
        self.rows.par_iter().map(|row| (hash(row), row.place)).collect()
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

impl Conversions {
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
        unpack_origin(self.origins[conversion])
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
