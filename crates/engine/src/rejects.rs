//! Rejected rows: counted, kept and explained. What is too much for memory goes to disk, in order.

use std::sync::{Arc, Mutex, PoisonError};

use attributary_core::batch::{Identities, NO_TIME};
use attributary_core::journey::Rejected;
use attributary_core::time::Day;
use rustc_hash::FxHashMap;

use crate::budget::Budget;
use crate::cells::Cells;
use crate::error::EngineError;
use crate::runs::Runs;
use crate::setup::{Interrupt, Setup};

/// Which source a row came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// `[touchpoints]`.
    Touchpoints,
    /// `[conversions]`.
    Conversions,
    /// `[[spend]]`.
    Spend,
    /// `[fx]`.
    Rates,
}

impl Side {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Touchpoints, Self::Conversions, Self::Spend, Self::Rates];
}

impl Side {
    /// The section of the pipeline file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Touchpoints => "touchpoints",
            Self::Conversions => "conversions",
            Self::Spend => "spend",
            Self::Rates => "fx",
        }
    }
}

/// Source, file, row in the file, reason, and of some the conversion day that found them: what orders rejected rows, and tells
/// them apart.
type Place = (Side, u32, u64, Rejected, Option<Day>);

/// The rejected rows of a run, gathered from many threads.
pub struct Rejects {
    gathered: Mutex<Gathered>,
    /// Touches before this time are none of the run's: they are read for the sake of a refund's order.
    touches_from: Option<i64>,
    /// Likewise, those from here on are only there for orders that are refunded before they were made.
    touches_to: Option<i64>,
    budget: Arc<Budget>,
}

struct Gathered {
    rows: Columns,
    counts: FxHashMap<(Side, Rejected), u64>,
    runs: Runs,
    /// The first error, told once all is gathered.
    failed: Option<EngineError>,
}

/// Rows as columns.
#[derive(Default)]
struct Columns {
    places: Vec<Place>,
    times: Vec<i64>,
    customers: Cells,
    ids: Cells,
}

/// All rejected rows of a run.
pub struct RejectedRows {
    counts: FxHashMap<(Side, Rejected), u64>,
    rows: Columns,
    /// The rows in memory, in order.
    order: Vec<u32>,
    runs: Runs,
    budget: Arc<Budget>,
}

/// A rejected row.
#[derive(Clone, Debug)]
pub struct RejectedRow {
    /// The source.
    pub side: Side,
    /// The file's place among those of its source.
    pub file: u32,
    /// The row in it.
    pub row: u64,
    /// Why.
    pub reason: Rejected,
    /// Of a touch that is a duplicate, where only converters are followed: one of the conversion days that look back so far.
    pub day: Option<Day>,
    /// Microseconds UTC, where it has a time.
    pub time: Option<i64>,
    /// The customer, as [`Cells::raw`] gives it.
    pub customer: Vec<u8>,
    /// The id, likewise.
    pub id: Vec<u8>,
}

impl Rejects {
    /// For a run, which ends once there is an `interrupt`.
    #[must_use]
    pub fn new(setup: &Setup, interrupt: &Interrupt) -> Self {
        let gathered = Gathered {
            rows: Columns::default(),
            counts: FxHashMap::default(),
            runs: Runs::new(setup.temp.join("rejects")),
            failed: None,
        };
        let budget = Arc::new(Budget::new(setup.memory, setup.threads, setup.bucket_bits, &setup.temp, interrupt));
        let touches_from = setup.range.from.map(|from| setup.rules.earliest_touch(from));
        let touches_to = setup.range.to.map(|to| setup.rules.zone.start_of(to));
        Self { gathered: Mutex::new(gathered), touches_from, touches_to, budget }
    }

    /// The memory of the run.
    #[must_use]
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Adds one row of a source.
    pub fn add(
        &self,
        place: (Side, u32, u64),
        reason: Rejected,
        row: usize,
        time: i64,
        customers: &dyn Identities,
        ids: Option<&dyn Identities>,
    ) {
        if self.is_outside(place.0, time) {
            return;
        }
        self.gather(place, reason, &[None], |rows| {
            rows.times.push(time);
            rows.customers.push_identity(customers, row);
            match ids {
                Some(ids) => rows.ids.push_identity(ids, row),
                None => rows.ids.push_raw(&[]),
            }
        });
    }

    /// Adds one row whose customer and id are at hand as [`Cells::raw`] gave them.
    pub fn add_raw(&self, place: (Side, u32, u64), reason: Rejected, time: i64, customer: &[u8], id: &[u8]) {
        if self.is_outside(place.0, time) {
            return;
        }
        self.gather(place, reason, &[None], |rows| {
            rows.times.push(time);
            rows.customers.push_raw(customer);
            rows.ids.push_raw(id);
        });
    }

    /// Adds a touch that is a duplicate, as one row for each of the conversion days that found it.
    pub fn add_duplicate(&self, (file, row): (u32, u64), time: i64, (customer, id): (&[u8], &[u8]), days: &[Option<Day>]) {
        if self.is_outside(Side::Touchpoints, time) {
            return;
        }
        self.gather((Side::Touchpoints, file, row), Rejected::DuplicateId, days, |rows| {
            rows.times.push(time);
            rows.customers.push_raw(customer);
            rows.ids.push_raw(id);
        });
    }

    fn is_outside(&self, side: Side, time: i64) -> bool {
        let outside =
            |time: i64| self.touches_from.is_some_and(|from| time < from) || self.touches_to.is_some_and(|to| time >= to);
        side == Side::Touchpoints && time != NO_TIME && outside(time)
    }

    fn gather(&self, place: (Side, u32, u64), reason: Rejected, days: &[Option<Day>], push: impl Fn(&mut Columns)) {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.failed.is_some() {
            return;
        }
        for day in days {
            gathered.rows.places.push((place.0, place.1, place.2, reason, *day));
            push(&mut gathered.rows);
        }
        *gathered.counts.entry((place.0, reason)).or_default() += 1;
        if gathered.rows.memory() > self.budget.rejects() {
            gathered.failed = gathered.spill(&self.budget).err();
        }
    }

    /// All of them.
    ///
    /// # Errors
    /// Where temporary space was needed and could not be had.
    pub fn finish(self) -> Result<RejectedRows, EngineError> {
        let mut gathered = self.gathered.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = gathered.failed {
            return Err(error);
        }
        if !gathered.runs.is_empty() {
            gathered.spill(&self.budget)?;
            gathered.runs.flush()?;
        }
        let Gathered { rows, counts, runs, .. } = gathered;
        Ok(RejectedRows { order: rows.order(), counts, rows, runs, budget: self.budget })
    }
}

impl Gathered {
    fn spill(&mut self, budget: &Budget) -> Result<(), EngineError> {
        let rows = std::mem::take(&mut self.rows);
        self.runs.begin();
        for row in rows.order() {
            let row = row as usize;
            let (side, file, number, reason, day) = rows.places[row];
            let mut key = vec![side as u8];
            key.extend_from_slice(&file.to_be_bytes());
            key.extend_from_slice(&number.to_be_bytes());
            key.push(reason as u8);
            // Turned so that bytes are in the order of days; no day is before them.
            key.extend_from_slice(&(day.map_or(0, |day| (i64::from(day) - i64::from(Day::MIN) + 1) as u64)).to_be_bytes());
            let mut rest = rows.times[row].to_ne_bytes().to_vec();
            let customer = rows.customers.raw(row);
            rest.extend_from_slice(&(customer.len() as u32).to_ne_bytes());
            rest.extend_from_slice(customer);
            rest.extend_from_slice(rows.ids.raw(row));
            self.runs.push(&key, &rest, budget)?;
        }
        Ok(())
    }
}

impl Columns {
    fn memory(&self) -> u64 {
        let fixed = size_of::<Place>() + size_of::<i64>() + size_of::<u32>();
        (self.places.len() * fixed + self.customers.memory() + self.ids.memory()) as u64
    }

    fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.places.len() as u32).collect();
        order.sort_unstable_by_key(|row| self.places[*row as usize]);
        order
    }
}

impl RejectedRows {
    /// How many rows of a source were rejected for a reason.
    #[must_use]
    pub fn count(&self, side: Side, reason: Rejected) -> u64 {
        self.counts.get(&(side, reason)).copied().unwrap_or(0)
    }

    /// The rows by source, file, row, reason and day.
    ///
    /// # Errors
    /// Where what is on disk cannot be read.
    pub fn rows(&self) -> Result<Box<dyn Iterator<Item = Result<RejectedRow, EngineError>> + '_>, EngineError> {
        if self.runs.is_empty() {
            return Ok(Box::new(self.order.iter().map(|row| {
                let row = *row as usize;
                let (side, file, number, reason, day) = self.rows.places[row];
                let time = Some(self.rows.times[row]).filter(|time| *time != NO_TIME);
                let [customer, id] = [&self.rows.customers, &self.rows.ids].map(|cells| cells.raw(row).to_vec());
                Ok(RejectedRow { side, file, row: number, reason, day, time, customer, id })
            })));
        }
        let mut merge = Runs::merge(std::slice::from_ref(&self.runs), &self.budget)?;
        Ok(Box::new(std::iter::from_fn(move || merge.next_row().map(|row| row.map(decoded)).transpose())))
    }
}

/// A row as [`Gathered::spill`] wrote it.
fn decoded((key, rest): (Vec<u8>, Vec<u8>)) -> RejectedRow {
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    let (time, rest) = rest.split_at(8);
    let (length, rest) = rest.split_at(4);
    let (customer, id) = rest.split_at(bytemuck::pod_read_unaligned::<u32>(length) as usize);
    RejectedRow {
        side: Side::ALL.into_iter().find(|side| *side as u8 == key[0]).unwrap_or(Side::Conversions),
        file: number(&key[1..5]) as u32,
        row: number(&key[5..13]),
        reason: Rejected::ALL.into_iter().find(|reason| *reason as u8 == key[13]).unwrap_or(Rejected::DuplicateId),
        day: number(&key[14..22]).checked_sub(1).map(|day| (day as i64 + i64::from(Day::MIN)) as Day),
        time: Some(bytemuck::pod_read_unaligned::<i64>(time)).filter(|time| *time != NO_TIME),
        customer: customer.to_vec(),
        id: id.to_vec(),
    }
}
