//! One thread's book of customers.

use attributary_core::time::{Day, month_number};
use rustc_hash::FxHashMap;

use super::cohorts::{CohortKey, CohortSums};
use crate::acquired::{Acquired, UNKNOWN};
use crate::budget::Budget;
use crate::error::EngineError;
use crate::histories::{Event, History, Observation, OrderKinds};
use crate::runs::Runs;
use crate::setup::Setup;
use crate::sorted::Conversions;

/// One thread's customers.
pub struct Book {
    /// Rows that wait, and where they go then: by the customer's bytes.
    waiting: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: u64,
    pub(super) runs: Runs,
    /// What each customer brought in, likewise: scores need all of them in order.
    amounts: Vec<[u8; 16]>,
    pub(super) amount_runs: Runs,
    /// How many customers bought last on a day, and how many have so many orders.
    pub(super) last_days: FxHashMap<Day, u64>,
    pub(super) order_counts: FxHashMap<u64, u64>,
    pub(super) cohorts: FxHashMap<CohortKey, CohortSums>,
}

/// A customer as a row of the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub history: History,
    /// For each window and model the code of a channel.
    pub acquired: Vec<u32>,
}

impl Book {
    /// An empty one, of thread number `thread`.
    #[must_use]
    pub fn new(setup: &Setup, thread: usize) -> Self {
        Self {
            waiting: Vec::new(),
            bytes: 0,
            runs: Runs::new(setup.temp.join(format!("customers-{thread}"))),
            amounts: Vec::new(),
            amount_runs: Runs::new(setup.temp.join(format!("amounts-{thread}"))),
            last_days: FxHashMap::default(),
            order_counts: FxHashMap::default(),
            cohorts: FxHashMap::default(),
        }
    }

    /// Enters the customers of a bucket whose conversions were walked.
    pub(crate) fn enter(
        &mut self,
        conversions: &Conversions,
        acquired: &Acquired,
        orders: &OrderKinds,
        (setup, observation): (&Setup, &Observation),
        budget: &Budget,
    ) -> Result<(), EngineError> {
        let Some(customers) = &setup.customers else { return Ok(()) };
        let pairs = setup.models.len() * setup.rules.windows.len();
        for customer in conversions.each_customer() {
            let events = || customer.clone().map(|conversion| conversions.event(conversion, orders, setup));
            let Some(history) = History::of(events(), Some(observation.until)) else { continue };
            let first = customer
                .clone()
                .find(|conversion| !conversions.is_refund(*conversion) && orders.hold(conversions.kinds[*conversion]));
            let channels = first.and_then(|first| acquired.of(first));
            if let (Some(channels), Some(first)) = (channels, first) {
                let worths = &conversions.values(first)[setup.source_values()..];
                let seen = events().filter(|event| event.order && event.is_seen(observation.until));
                self.count_cohort(&history, channels, seen, worths);
            }
            *self.last_days.entry(history.last_day).or_default() += 1;
            *self.order_counts.entry(history.orders).or_default() += 1;
            self.amounts.push(ordered(history.values[customers.revenue]));
            let acquired = channels.map_or_else(|| vec![UNKNOWN; pairs], <[u32]>::to_vec);
            let key = conversions.customers.raw(customer.start).to_vec();
            let rest = Entry { history, acquired }.to_bytes();
            self.bytes += (key.len() + rest.len() + 2 * size_of::<Vec<u8>>()) as u64;
            self.waiting.push((key, rest));
        }
        if self.bytes + 16 * self.amounts.len() as u64 > budget.rows() { self.spill(budget) } else { Ok(()) }
    }

    fn count_cohort<'a>(
        &mut self,
        history: &History,
        channels: &[u32],
        events: impl Iterator<Item = Event<'a>> + Clone,
        worths: &[i64],
    ) {
        let acquired = month_number(history.first_day);
        // What happens in a month is the same under every model: it is added up once.
        let mut months: Vec<(u32, CohortSums)> = Vec::new();
        let mut orders = 0;
        for event in events {
            let age = (month_number(event.day) - acquired).max(0) as u32;
            let place = match months.iter().position(|(known, _)| *known == age) {
                Some(place) => place,
                None => {
                    months.push((age, CohortSums::new(event.values.len() + worths.len())));
                    months.len() - 1
                }
            };
            let sums = &mut months[place].1;
            if !event.refund {
                orders += 1;
                sums.orders += 1;
                sums.active = 1;
                sums.second_orders += u64::from(orders == 2);
                sums.customers += u64::from(orders == 1);
            }
            // What the customer is worth comes with the first order.
            let worths = if orders == 1 && !event.refund { worths } else { &[] };
            let values = event.values.iter().copied().chain(worths.iter().copied());
            sums.values.iter_mut().zip(values).for_each(|(sum, value)| *sum += i128::from(value));
        }
        for (pair, channel) in channels.iter().enumerate().filter(|(_, channel)| **channel != UNKNOWN) {
            for (age, sums) in &months {
                let key = CohortKey { pair: pair as u32, month: acquired, channel: *channel, age: *age };
                self.cohorts.entry(key).or_insert_with(|| CohortSums::new(sums.values.len())).add(sums);
            }
        }
    }

    fn spill(&mut self, budget: &Budget) -> Result<(), EngineError> {
        let mut rows = std::mem::take(&mut self.waiting);
        rows.sort_unstable();
        self.runs.begin();
        rows.iter().try_for_each(|(key, rest)| self.runs.push(key, rest, budget))?;
        let mut amounts = std::mem::take(&mut self.amounts);
        amounts.sort_unstable();
        self.amount_runs.begin();
        amounts.iter().try_for_each(|amount| self.amount_runs.push(amount, &[], budget))?;
        self.bytes = 0;
        Ok(())
    }

    /// Ends the book: its rows can be read then.
    ///
    /// # Errors
    /// Where temporary space cannot be written.
    pub fn close(&mut self, budget: &Budget) -> Result<(), EngineError> {
        self.spill(budget)?;
        self.runs.flush()?;
        self.amount_runs.flush()
    }

    /// How many customers there are.
    #[must_use]
    pub fn customers(&self) -> u64 {
        self.order_counts.values().sum()
    }
}

impl Entry {
    fn to_bytes(&self) -> Vec<u8> {
        let History { first, last, first_day, last_day, orders, repeat_days, values, repeats } = &self.history;
        let mut bytes = Vec::with_capacity(40 + 32 * values.len() + 4 * self.acquired.len());
        bytes.extend_from_slice(&first.to_ne_bytes());
        bytes.extend_from_slice(&last.to_ne_bytes());
        bytes.extend_from_slice(&orders.to_ne_bytes());
        bytes.extend_from_slice(&first_day.to_ne_bytes());
        bytes.extend_from_slice(&last_day.to_ne_bytes());
        bytes.extend_from_slice(&repeat_days.to_ne_bytes());
        values.iter().chain(repeats).for_each(|value| bytes.extend_from_slice(&value.to_ne_bytes()));
        bytes.extend_from_slice(bytemuck::cast_slice(&self.acquired));
        bytes
    }

    /// What [`Entry::to_bytes`] wrote of a customer with so many values.
    pub fn from_bytes(mut bytes: &[u8], values: usize) -> Self {
        fn take<T: bytemuck::AnyBitPattern>(bytes: &mut &[u8]) -> T {
            let (own, rest) = bytes.split_at(size_of::<T>());
            *bytes = rest;
            bytemuck::pod_read_unaligned(own)
        }
        let bytes = &mut bytes;
        let (first, last, orders) = (take(bytes), take(bytes), take(bytes));
        let (first_day, last_day, repeat_days) = (take(bytes), take(bytes), take(bytes));
        let mut amounts = || (0..values).map(|_| take(bytes)).collect();
        let (values, repeats) = (amounts(), amounts());
        let acquired = bytes.chunks_exact(size_of::<u32>()).map(bytemuck::pod_read_unaligned).collect();
        let history = History { first, last, first_day, last_day, orders, repeat_days, values, repeats };
        Self { history, acquired }
    }
}

/// An amount as bytes in its order.
pub(super) fn ordered(amount: i128) -> [u8; 16] {
    (amount as u128 ^ 1 << 127).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_amounts_are_in_order() {
        let history = History {
            first: 5,
            last: -7,
            first_day: 1,
            last_day: 2,
            orders: 3,
            repeat_days: 4,
            values: vec![-5, i128::MAX],
            repeats: vec![6, -7],
        };
        let entry = Entry { history, acquired: vec![1, UNKNOWN, 3] };
        assert_eq!(Entry::from_bytes(&entry.to_bytes(), 2), entry);
        assert!(ordered(-1) < ordered(0) && ordered(0) < ordered(1) && ordered(i128::MIN) < ordered(-1));
    }
}
