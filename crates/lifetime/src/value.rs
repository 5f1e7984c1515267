//! What a customer will be worth: purchases to expect, times what they are worth, discounted.
//!
//! Over a horizon of weeks, the last of which may be a part of one,
//!
//! > value = mean · Σₖ (E[X(tₖ)] − E[X(tₖ₋₁)]) / (1 + rate)^(tₖ / 52.1775)
//!
//! where tₖ is the end of the k-th week, E[X(t)] the purchases to expect within t weeks ([`BgNbd::expected_purchases`]) and
//! `mean` what they will be worth on average ([`Spending::expected_mean`]). A week's purchases are discounted as of its end,
//! which is the first of the models of Berger, Nasr, "Customer lifetime value: marketing models and applications", Journal of
//! Interactive Marketing 12 (1998) 17–30; it makes them worth less than the exact day would, by half a week's discount at
//! most: a thousandth at 10 % a year. 52.1775 weeks are a year of 365.2425 days.
//!
//! Differences of E lose digits. With dₖ for the discount the same sum is Σₖ (dₖ − dₖ₊₁) · E[X(tₖ)], dₙ₊₁ being 0, in which
//! no term is negative. E is P(alive) times a number that depends on x and T alone ([`BgNbd::expected_purchases_if_alive`]),
//! and so is the sum: of ten million customers observed by the day it is computed for some ten thousand (x, T) only
//! ([`DiscountedPurchases::prepare`]).

use crate::bg_nbd::BgNbd;
use crate::error::InputError;
use crate::gamma_gamma::Spending;
use crate::history::History;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rustc_hash::FxHashMap;

/// Weeks of a year of 365.2425 days.
const WEEKS_A_YEAR: f64 = 52.1775;
/// A hundred years.
const MOST_DAYS: u32 = 36_525;

/// Values customers: both models and a horizon.
#[derive(Clone, Debug)]
pub struct LifetimeValue {
    purchases: DiscountedPurchases,
    spending: Spending,
}

impl LifetimeValue {
    /// From purchases, [prepared](DiscountedPurchases::prepare) where there are many customers, and what they are worth.
    #[must_use]
    pub fn new(purchases: DiscountedPurchases, spending: Spending) -> Self {
        Self { purchases, spending }
    }

    /// The value of a customer whose repeat purchases had the mean `mean` (of no account where there are none), in the unit
    /// of that mean: minor units from minor units. Not rounded.
    #[must_use]
    pub fn of(&self, history: &History, mean: f64) -> f64 {
        self.purchases.of(history) * self.spending.expected_mean(history.repeats(), mean)
    }
}

/// The days that count and what later ones are worth less.
#[derive(Clone, Debug, PartialEq)]
pub struct Horizon {
    /// The end of each week, in weeks, and the weight dₖ − dₖ₊₁ of what is expected until then.
    weeks: Vec<(f64, f64)>,
}

impl Horizon {
    /// The next `days`, what comes in a year being worth 1/(1 + `yearly_rate`) of the same now; 0.1 is 10 %.
    ///
    /// # Errors
    /// Where there are no days or more than a hundred years of them, or the rate is not between 0 and 100.
    pub fn new(days: u32, yearly_rate: f64) -> Result<Self, InputError> {
        if !(1..=MOST_DAYS).contains(&days) {
            return Err(InputError::Horizon { days });
        }
        if !(0.0..=100.0).contains(&yearly_rate) {
            return Err(InputError::Rate { rate: yearly_rate });
        }
        let ends: Vec<f64> = (1..=days.div_ceil(7)).map(|week| f64::from(days.min(7 * week)) / 7.0).collect();
        let by_week = libm::log1p(yearly_rate) / WEEKS_A_YEAR;
        let discounts: Vec<f64> = ends.iter().map(|weeks| libm::exp(-by_week * weeks)).collect();
        let next = discounts[1..].iter().chain([&0.0]);
        let weights = discounts.iter().zip(next).map(|(discount, next)| discount - next);
        // Without a rate only the last week has a weight.
        Ok(Self { weeks: ends.into_iter().zip(weights).filter(|(_, weight)| *weight > 0.0).collect() })
    }
}

/// The purchases to expect within a horizon, each multiplied by its discount.
#[derive(Clone, Debug)]
pub struct DiscountedPurchases {
    model: BgNbd,
    horizon: Horizon,
    /// By x and the bits of T.
    known: FxHashMap<(u32, u64), f64>,
}

impl DiscountedPurchases {
    /// Of this model's customers within this horizon.
    #[must_use]
    pub fn new(model: BgNbd, horizon: Horizon) -> Self {
        Self { model, horizon, known: FxHashMap::default() }
    }

    /// Computes in advance, on all threads, what customers of these histories have in common. It changes no result: what was
    /// not prepared is computed when it is asked for, in some microseconds instead of nanoseconds.
    pub fn prepare<'a>(&mut self, histories: impl IntoIterator<Item = &'a History>) {
        let mut wanted: FxHashMap<(u32, u64), History> = FxHashMap::default();
        let mut last = None;
        for history in histories {
            let key = key(history);
            if last.replace(key) != Some(key) && !self.known.contains_key(&key) {
                wanted.insert(key, *history);
            }
        }
        let wanted: Vec<_> = wanted.into_iter().collect();
        let computed: Vec<_> = wanted.into_par_iter().map(|(key, history)| (key, self.computed_if_alive(&history))).collect();
        self.known.extend(computed);
    }

    /// How many pairs of x and T are prepared.
    #[must_use]
    pub fn prepared(&self) -> usize {
        self.known.len()
    }

    /// The discounted purchases to expect of a customer.
    #[must_use]
    pub fn of(&self, history: &History) -> f64 {
        self.model.probability_alive(history) * self.if_alive(history)
    }

    /// The same of a customer who is known not to have dropped out.
    #[must_use]
    pub fn if_alive(&self, history: &History) -> f64 {
        self.known.get(&key(history)).copied().unwrap_or_else(|| self.computed_if_alive(history))
    }

    fn computed_if_alive(&self, history: &History) -> f64 {
        let prospect = self.model.prospect(history);
        self.horizon.weeks.iter().fold(0.0, |sum, (weeks, weight)| sum + weight * prospect.purchases(*weeks))
    }
}

fn key(history: &History) -> (u32, u64) {
    (history.repeats(), history.age_weeks().to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> BgNbd {
        BgNbd::new(0.243, 4.414, 0.793, 2.426).expect("parameters")
    }

    /// The definition, week by week.
    fn obvious(model: &BgNbd, history: &History, days: u32, rate: f64) -> f64 {
        let (mut sum, mut before, mut day) = (0.0, 0.0, 0);
        while day < days {
            day = days.min(day + 7);
            let until = model.expected_purchases(f64::from(day) / 7.0, history);
            sum += (until - before) / (1.0 + rate).powf(f64::from(day) / 365.2425);
            before = until;
        }
        sum
    }

    #[test]
    fn is_the_definition_prepared_or_not() {
        let histories = [(0, 0, 0), (0, 0, 300), (1, 5, 90), (2, 213, 272), (30, 700, 730), (400, 720, 730)]
            .map(|(x, recency, age)| History::from_days(x, recency, age).expect("a history"));
        for days in [1, 7, 30, 364, 365, 3_650] {
            for rate in [0.0, 0.1, 3.0] {
                let mut purchases = DiscountedPurchases::new(model(), Horizon::new(days, rate).expect("a horizon"));
                let plain = purchases.clone();
                purchases.prepare(&histories);
                for history in &histories {
                    let found = purchases.of(history);
                    assert_eq!(found.to_bits(), plain.of(history).to_bits());
                    let expected = obvious(&model(), history, days, rate);
                    assert!((found / expected - 1.0).abs() < 1e-10, "{history:?} {days} {rate}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn value_is_purchases_times_their_mean() {
        let history = History::from_days(2, 213, 272).expect("a history");
        let purchases = DiscountedPurchases::new(model(), Horizon::new(364, 0.0).expect("a horizon"));
        let expected = model().expected_purchases(52.0, &history) * 2_500.0;
        let value = LifetimeValue::new(purchases, Spending::Observed { population: 1_000.0, why: None });
        assert_eq!(value.of(&history, 2_500.0), expected);
    }

    #[test]
    fn horizons_are_checked() {
        for (days, rate, expected) in [
            (0, 0.1, "expected a horizon between 1 and 36525 days, found 0"),
            (40_000, 0.1, "expected a horizon between 1 and 36525 days, found 40000"),
            (30, -0.1, "expected a yearly rate of discount between 0 and 100, found -0.1"),
            (30, f64::NAN, "expected a yearly rate of discount between 0 and 100, found NaN"),
        ] {
            assert_eq!(Horizon::new(days, rate).expect_err("refused").to_string(), expected);
        }
    }
}
