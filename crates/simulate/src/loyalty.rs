//! Customers who come back. Whoever has bought visits again at a pace of their own until, unnoticed, they drop out; some of
//! these visits end with another purchase. It is the process behind the models of "buy till you die": few come back often,
//! most never, and the longer someone has been away, the likelier it is for good.
//!
//! Nobody is remembered. A session that brings someone back looks for an earlier purchase, any one, and keeps it as often as
//! that buyer's pace and remaining interest say; both are a function of the purchase. So the number of rows stays what was
//! planned, and any session can be made on its own.

use attributary_core::duration::DAY;

use crate::calendar::Calendar;
use crate::market::Market;
use crate::orders::Order;
use crate::random::{Random, Share, Stream, scale};
use crate::settings::Settings;
use crate::visits::World;

/// How many purchases are looked at to find one whose buyer comes back.
const TRIES: usize = 256;
/// The share of sessions that bring someone back, by that of purchases: who comes back buys a little more readily.
const VISITS: f64 = 0.8;
/// After how many days the asked share of purchases is by those who come back.
const SETTLED: usize = 365;

/// How many come back, which grows with those who could.
#[derive(Debug)]
pub struct Loyalty {
    /// For each slice the share of purchases, and of sessions, by those who come back. Empty where nobody does.
    shares: Vec<[Share; 2]>,
}

impl Loyalty {
    /// How many come back under these settings.
    pub fn new(settings: &Settings, market: &Market, calendar: &Calendar) -> Self {
        if settings.repeat <= 0.0 {
            return Self { shares: Vec::new() };
        }
        let days = settings.days as usize;
        let left = left_by_age(market.half_life, days.max(SETTLED) + 1);
        // The more often buyers come back, the larger is the share of those who do: halve until it is the one asked for.
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..40 {
            let often = (low + high) / 2.0;
            let share = returning_by_day(often, &left, SETTLED + 1)[SETTLED];
            *(if share < settings.repeat { &mut low } else { &mut high }) = often;
        }
        let returning = returning_by_day(low, &left, days);
        let begin = i64::from(settings.start) * DAY;
        let share = |instant: i64| returning[((instant - begin) / DAY) as usize];
        let shares = calendar.slices.iter().map(|slice| share(slice.time.start));
        Self { shares: shares.map(|share| [Share::of(share), Share::of(share * VISITS)]).collect() }
    }

    /// How many of a slice's purchases are of customers who come back; none where nobody does.
    pub fn purchases(&self, place: usize) -> Option<Share> {
        self.shares.get(place).map(|[purchases, _]| *purchases)
    }
}

impl World {
    /// Whether a session is one that brings someone back, if someone is found.
    pub fn is_return(&self, place: usize, number: u64) -> bool {
        let share = self.loyalty.shares.get(place).map(|[_, sessions]| *sessions);
        share.is_some_and(|share| Random::new(self.settings.seed, Stream::Visit, place as u64, number).chance(share))
    }

    /// The customer whom a session brings back.
    pub fn visitor(&self, place: usize, number: u64) -> Option<u64> {
        if !self.is_return(place, number) {
            return None;
        }
        let mut random = Random::new(self.settings.seed, Stream::Visit, number, place as u64);
        let start = self.calendar.slices[place].time.start;
        let days = (start - self.calendar.slices[0].time.start) / DAY;
        for _ in 0..TRIES {
            let age = random.between(1, days.max(1) + 1);
            let Some(source) = self.calendar.slice_at(start - age * DAY) else { continue };
            let purchases = self.calendar.slices[source].conversion_count();
            let turn = random.below(purchases);
            if purchases == 0 || !self.comes_back(&mut random, source, turn, age as u64) || !self.is_first(source, turn) {
                continue;
            }
            let customer = self.first(source, turn).customer;
            if customer < self.crowd.reached {
                return Some(customer);
            }
        }
        None
    }

    /// Whether the buyer of this turn, `age` days ago, comes back: the likelier, the higher their pace; never after they
    /// dropped out.
    fn comes_back(&self, random: &mut Random, place: usize, turn: u64, age: u64) -> bool {
        let mut buyer = Random::new(self.settings.seed, Stream::Buyer, place as u64, turn);
        let (pace, life) = (buyer.draw(), buyer.draw());
        let pace = scale(scale(pace, pace), pace);
        // In thousandths of a day, as `left_by_age` has it.
        let half_life = self.market.half_life * 1_000;
        let there = scale(life, half_life + scale(pace, age * 1_000)) < half_life;
        there && random.draw() < pace
    }

    /// A purchase after a session that brought someone back; none where there is no such session.
    pub fn again(&self, place: usize, turn: u64) -> Option<Order> {
        let mut random = Random::new(self.settings.seed, Stream::Order, place as u64, turn);
        let time = self.calendar.slices[place].draw(&mut random);
        let (customer, time) = self.after_a_session(&mut random, place, time, true)?;
        Some(self.purchase_of(&mut random, customer, time))
    }
}

/// How much coming back is left of those who bought some days ago, by days: the mean over all buyers of the pace of those
/// who are still there. The pace is the cube of an even draw: some come four times as often as the mean, many hardly ever.
/// Whoever comes often drops out soon, as it happens after a purchase: of those with the same pace
/// half-life / (half-life + pace · days) are still there.
fn left_by_age(half_life: u64, days: usize) -> Vec<f64> {
    const PACES: u32 = 64;
    let half_life = half_life as f64;
    let left = |day: usize, number: u32| {
        let even = (f64::from(number) + 0.5) / f64::from(PACES);
        let pace = even * even * even;
        pace * half_life / (half_life + pace * day as f64)
    };
    (0..days).map(|day| (0..PACES).map(|number| left(day, number)).sum::<f64>() / f64::from(PACES)).collect()
}

/// The share of purchases by those who come back, by days since the first, if the fastest buyer makes `often` purchases a
/// day. Whoever comes back was new once, and on a day on which many come back few are new.
///
/// Floats, but added one by one in a fixed order by operations that are exact to the last bit everywhere.
fn returning_by_day(often: f64, left: &[f64], days: usize) -> Vec<f64> {
    let mut returning: Vec<f64> = Vec::with_capacity(days);
    for day in 0..days {
        let back: f64 = returning.iter().zip(left[1..=day].iter().rev()).map(|(returning, left)| (1.0 - returning) * left).sum();
        returning.push((often * back).min(0.9));
    }
    returning
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Days of each customer's purchases, ascending.
    fn purchases(repeat: f64, days: u32) -> HashMap<u64, Vec<i64>> {
        let settings =
            Settings { customers: 40_000, touches: 60_000, conversions: Some(4_000), days, repeat, ..Settings::default() };
        let world = World::new(&Settings { duplicates: 0.0, nulls: 0.0, ..settings });
        let mut purchases: HashMap<u64, Vec<i64>> = HashMap::new();
        for place in 0..world.calendar.slices.len() {
            for turn in world.turns(place).into_iter().filter(|turn| turn.order.kind == 0) {
                purchases.entry(turn.order.customer).or_default().push(turn.order.time / DAY);
            }
        }
        purchases.values_mut().for_each(|days| days.sort_unstable());
        purchases
    }

    #[test]
    fn about_as_many_come_back_as_asked_for() {
        let share = |repeat| {
            let purchases = purchases(repeat, 365);
            let last = |days: &&i64| **days > 20_454 + 300;
            let all = purchases.values().flatten().filter(last).count();
            let again = purchases.values().flat_map(|days| &days[1..]).filter(last).count();
            again as f64 / all as f64
        };
        let (by_chance, half) = (share(0.0), share(0.5));
        assert!(by_chance < 0.25, "{by_chance}");
        // Of those who do not come back some do by chance.
        assert!((0.45..0.7).contains(&half), "{half}");
    }

    #[test]
    fn some_come_back_often_and_most_never() {
        let purchases = purchases(0.5, 365);
        let begun_early = || purchases.values().filter(|days| days[0] < 20_454 + 90);
        let times = |few: usize, many: usize| begun_early().filter(|days| (few..=many).contains(&days.len())).count();
        let (once, twice, often) = (times(1, 1), times(2, 3), times(5, 100));
        assert!(once > twice && twice > often && often > begun_early().count() / 40, "{once} {twice} {often}");
        // They drop out: fewer come back in the second half of the year than in the quarter after they bought.
        let within = |from: i64, to: i64| {
            let again = |days: &&Vec<i64>| days[1..].iter().any(|day| (from..to).contains(&(day - days[0])));
            begun_early().filter(again).count()
        };
        assert!(within(1, 91) > within(181, 271) && within(181, 271) > 20, "{} {}", within(1, 91), within(181, 271));
    }
}
