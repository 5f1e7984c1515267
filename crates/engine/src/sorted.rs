//! The conversions of a bucket, laid out in the order in which they are walked.

use std::ops::Range as Span;

use attributary_core::WHOLE_SHARE;
use attributary_core::key::Key;
use attributary_core::time::Day;
use rustc_hash::FxHashSet;

use crate::bucket::Records;
use crate::cells::Cells;
use crate::histories::{Event, Observation, OrderKinds, Standing};
use crate::lanes::{Exchanged, Lanes};
use crate::records::{ConversionRecord, ConversionRecords, unpack_origin};
use crate::setup::Setup;

/// Some conversions in the order of the walk: by the hash of their customer, customer, time and id. A refund stands behind the
/// order that it refunds, at the time of that, as it has its journey.
#[derive(Debug, Default)]
pub struct Conversions {
    /// The customer.
    pub keys: Vec<Key>,
    /// Microseconds UTC; of a refund the time of its order.
    pub times: Vec<i64>,
    /// The day in the pipeline's zone; of a refund its own.
    pub days: Vec<Day>,
    /// A place among the kinds, or [`attributary_core::table::NULL_CODE`]; of a refund that of its order.
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
    lanes: Lanes,
    /// Whether each of them is one conversion: no refund, and no path that was counted.
    alone: bool,
    extras: Vec<i64>,
    /// The refunds' own times, and of all others their times too; empty where there are no refunds.
    own_times: Vec<i64>,
    /// Empty where nobody asks.
    standings: Vec<Standing>,
}

/// What must be known to tell what conversions are to their customers.
#[derive(Clone, Copy)]
pub struct Histories<'a> {
    /// The kinds that make a customer.
    pub orders: &'a OrderKinds,
    /// What is known of all customers, where values are made of it.
    pub observation: Option<&'a Observation>,
}

impl Conversions {
    /// Some records in their order, without those whose origin is among `dropped`. Records that are not in the range are
    /// there if the records have them.
    #[must_use]
    pub fn new(records: &ConversionRecords, dropped: &FxHashSet<u64>, setup: &Setup, histories: Option<Histories<'_>>) -> Self {
        let lanes = Lanes::of(setup);
        let time_of = |record: usize| lanes.order_time(records.extras(record)).unwrap_or(records.record(record).time);
        let is_refund = |record: usize| lanes.order_time(records.extras(record)).is_some();
        let mut order: Vec<(u64, u32)> = (0..records.len()).map(|record| (records.hash(record), record as u32)).collect();
        if !dropped.is_empty() {
            order.retain(|(_, record)| !dropped.contains(&records.record(*record as usize).origin));
        }
        order.sort_unstable();
        for alike in order.chunk_by_mut(|one, other| one.0 == other.0).filter(|alike| alike.len() > 1) {
            alike.sort_unstable_by(|one, other| {
                let (one, other) = (one.1 as usize, other.1 as usize);
                let place = |record: usize| (records.record(record).key, time_of(record), is_refund(record));
                place(one).cmp(&place(other)).then_with(|| records.id(one).cmp(records.id(other)))
            });
        }
        let width = setup.values.len();
        let mut all = Self { width, lanes, alone: !setup.refunds && !setup.counted, ..Self::default() };
        all.reserve(order.len());
        for (_, record) in order {
            let record = record as usize;
            let ConversionRecord { key, time, kind, origin, .. } = records.record(record);
            let day = setup.rules.zone.day(time);
            all.keys.push(key);
            all.times.push(time_of(record));
            all.days.push(day);
            all.in_range.push(setup.computes(day));
            all.kinds.push(kind);
            all.origins.push(origin);
            all.values.extend_from_slice(records.values(record));
            if !setup.worths.is_empty() {
                all.values.resize(all.keys.len() * width, 0);
            }
            if lanes.count() > 0 {
                all.extras.extend_from_slice(records.extras(record));
            }
            if setup.refunds {
                all.own_times.push(time);
            }
            all.ids.push_raw(records.id(record));
            records.append_customer(record, &mut all.customers);
        }
        if let Some(histories) = histories {
            all.settle(setup, histories);
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
        self.extras.reserve_exact(conversions * self.lanes.count());
        (self.ids, self.customers) = (Cells::with_capacity(conversions), Cells::with_capacity(conversions));
    }

    /// Says what each conversion is to its customer, and gives first orders the values that only they carry.
    fn settle(&mut self, setup: &Setup, histories: Histories<'_>) {
        self.standings = vec![Standing::Other; self.len()];
        for customer in self.each_customer() {
            let orders = || customer.clone().filter(|conversion| histories.orders.hold(self.kinds[*conversion]));
            let Some(first) = orders().find(|conversion| !self.is_refund(*conversion)) else { continue };
            // Of orders at one instant the first by id is the first; a refund stands as its order does.
            let order = |conversion: usize| {
                let refunded = self.lanes.order_origin(self.extras(conversion));
                refunded.unwrap_or(self.origins[conversion])
            };
            let is_first = |conversion: usize| order(conversion) == self.origins[first];
            let standing = |conversion: usize| if is_first(conversion) { Standing::New } else { Standing::Returning };
            let standings: Vec<(usize, Standing)> = orders().map(|conversion| (conversion, standing(conversion))).collect();
            if let (Some(observation), false) = (histories.observation, setup.worths.is_empty()) {
                let events = customer.clone().map(|conversion| self.event(conversion, histories.orders, setup));
                let worths: Vec<i64> = observation.worths(setup, events).collect();
                self.values[first * self.width + setup.source_values()..][..worths.len()].copy_from_slice(&worths);
            }
            standings.into_iter().for_each(|(conversion, standing)| self.standings[conversion] = standing);
        }
    }

    /// The conversions of each customer, in their order.
    #[must_use]
    pub fn each_customer(&self) -> Vec<Span<usize>> {
        let mut customers = Vec::new();
        let mut start = 0;
        for alike in self.keys.chunk_by(|one, other| one == other) {
            let end = start + alike.len();
            if !self.customers.is_null(start) {
                customers.push(start..end);
            }
            start = end;
        }
        customers
    }

    /// A conversion as a customer's history sees it.
    #[must_use]
    pub fn event<'a>(&'a self, conversion: usize, orders: &OrderKinds, setup: &Setup) -> Event<'a> {
        let refund = self.is_refund(conversion);
        let (time, day) = (self.times[conversion], self.days[conversion]);
        Event {
            time,
            order_day: if refund { setup.rules.zone.day(time) } else { day },
            day,
            refund,
            order: orders.hold(self.kinds[conversion]),
            values: &self.values(conversion)[..setup.source_values()],
        }
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

    /// Its own time, microseconds UTC, also of a refund.
    #[must_use]
    pub fn own_time(&self, conversion: usize) -> i64 {
        self.own_times.get(conversion).copied().unwrap_or(self.times[conversion])
    }

    /// Whether a conversion takes an order back.
    #[must_use]
    pub fn is_refund(&self, conversion: usize) -> bool {
        self.lanes.order_time(self.extras(conversion)).is_some()
    }

    /// What there is of a conversion to divide, in billionths: a refund takes values off, but makes no conversion undone. A path
    /// has that of all its conversions.
    #[must_use]
    #[inline]
    pub fn share(&self, conversion: usize) -> i64 {
        if self.alone { WHOLE_SHARE } else { self.journeys(conversion).0 as i64 * WHOLE_SHARE }
    }

    /// How many journeys a conversion stands for: conversions, and those that led nowhere.
    #[must_use]
    pub fn journeys(&self, conversion: usize) -> (u64, u64) {
        let of_path = self.lanes.journeys(self.extras(conversion));
        of_path.unwrap_or_else(|| (u64::from(!self.is_refund(conversion)), 0))
    }

    /// What a conversion is to its customer.
    #[must_use]
    #[inline]
    pub fn standing(&self, conversion: usize) -> Standing {
        self.standings.get(conversion).copied().unwrap_or_default()
    }

    /// Whether a conversion is the first order of a customer.
    #[must_use]
    pub fn makes_customer(&self, conversion: usize) -> bool {
        self.standing(conversion) == Standing::New && !self.is_refund(conversion)
    }

    /// What a conversion was before it was converted into the reporting currency.
    #[must_use]
    pub fn exchanged(&self, conversion: usize) -> Option<Exchanged<'_>> {
        self.lanes.exchanged(self.extras(conversion))
    }

    fn extras(&self, conversion: usize) -> &[i64] {
        let count = self.lanes.count();
        &self.extras[conversion * count..][..count]
    }

    /// Whether a conversion's day is computed.
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
