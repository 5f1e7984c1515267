//! Cohorts: customers by the month and the channel that they were acquired in, and what became of them month by month.

use attributary_core::UNATTRIBUTED;
use attributary_core::batch::attribute::CHANNEL;
use attributary_core::time::{Day, month_day};
use attributary_core::value::Value;
use attributary_journeys::Profiles;
use rustc_hash::FxHashMap;

use super::Book;
use crate::acquired;
use crate::setup::Setup;

/// Whose sums they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CohortKey {
    /// Window and model.
    pub pair: u32,
    /// The month of acquisition, see [`attributary_core::time::month_number`].
    pub month: i32,
    /// The code of the channel.
    pub channel: u32,
    /// How many months later.
    pub age: u32,
}

/// What a cohort did in a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CohortSums {
    pub customers: u64,
    pub active: u64,
    pub orders: u64,
    pub second_orders: u64,
    pub values: Vec<i128>,
}

impl CohortSums {
    pub fn new(values: usize) -> Self {
        Self { customers: 0, active: 0, orders: 0, second_orders: 0, values: vec![0; values] }
    }

    pub fn add(&mut self, other: &Self) {
        self.customers += other.customers;
        self.active += other.active;
        self.orders += other.orders;
        self.second_orders += other.second_orders;
        self.values.iter_mut().zip(&other.values).for_each(|(sum, value)| *sum += value);
    }
}

/// A cohort in one month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CohortRow {
    /// The model's place.
    pub model: usize,
    /// The window's.
    pub window: usize,
    /// The first day of the month of acquisition.
    pub month: Day,
    /// The channel that acquired them, or `(unattributed)`.
    pub channel: Value,
    /// How many months after that.
    pub age: u32,
    /// Customers who were acquired: all in their first month, none later.
    pub customers: u64,
    /// Customers with an order.
    pub active: u64,
    /// Orders.
    pub orders: u64,
    /// Customers whose second order it was.
    pub second_orders: u64,
    /// The values, refunds of the month taken off, in minor units; what customers are worth in their first month.
    pub values: Vec<i128>,
}

/// All cohorts of a run, sorted.
#[must_use]
pub fn cohorts(books: &[Book], setup: &Setup, profiles: &Profiles) -> Vec<CohortRow> {
    let mut all: FxHashMap<CohortKey, CohortSums> = FxHashMap::default();
    for (key, sums) in books.iter().flat_map(|book| &book.cohorts) {
        all.entry(*key).or_insert_with(|| CohortSums::new(sums.values.len())).add(sums);
    }
    let models = setup.models.len();
    let row = |(key, sums): (CohortKey, CohortSums)| CohortRow {
        model: key.pair as usize % models,
        window: key.pair as usize / models,
        month: month_day(key.month),
        channel: channel(key.channel, profiles),
        age: key.age,
        customers: sums.customers,
        active: sums.active,
        orders: sums.orders,
        second_orders: sums.second_orders,
        values: sums.values,
    };
    let mut rows: Vec<CohortRow> = all.into_iter().map(row).collect();
    rows.sort_by(|one, other| {
        let place = |row: &CohortRow| (row.model, row.window, row.month);
        place(one).cmp(&place(other)).then_with(|| one.channel.cmp(&other.channel)).then(one.age.cmp(&other.age))
    });
    rows
}

/// What a code of a channel stands for; null for what is not known.
pub(super) fn channel(code: u32, profiles: &Profiles) -> Value {
    match code {
        acquired::UNKNOWN => Value::Null,
        acquired::UNATTRIBUTED => Value::text(UNATTRIBUTED),
        code => profiles.dictionaries[CHANNEL].get(code as usize).cloned().unwrap_or_default(),
    }
}
