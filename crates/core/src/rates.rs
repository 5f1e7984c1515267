//! Exchange rates by currency and day: what one unit of a currency is worth in the reporting currency.

use rustc_hash::FxHashMap;

use crate::money::{from_decimal, from_float};
use crate::time::Day;

/// Digits of a rate behind the point.
pub const RATE_SCALE: u8 = 12;

/// The rate of the reporting currency: 1.
pub const ONE: i64 = 1_000_000_000_000;

/// How many days old a rate may be: weekends and holidays have none of their own.
pub const MAX_AGE: Day = 7;

/// Rates by currency code and day, in 10⁻¹² units of the reporting currency for one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    reporting: Box<str>,
    /// For each currency its days, ascending, with their rates.
    days: FxHashMap<Box<str>, Vec<(Day, i64)>>,
}

impl Rates {
    /// No rates yet but that of the reporting currency.
    #[must_use]
    pub fn new(reporting: &str) -> Self {
        Self { reporting: reporting.into(), days: FxHashMap::default() }
    }

    /// The reporting currency.
    #[must_use]
    pub fn reporting(&self) -> &str {
        &self.reporting
    }

    /// Adds the rate of a currency and day, in the place of one that was there.
    pub fn add(&mut self, currency: &str, day: Day, rate_1e12: i64) {
        let days = match self.days.get_mut(currency) {
            Some(days) => days,
            None => self.days.entry(currency.into()).or_default(),
        };
        match days.binary_search_by_key(&day, |(day, _)| *day) {
            Ok(place) => days[place].1 = rate_1e12,
            Err(place) => days.insert(place, (day, rate_1e12)),
        }
    }

    /// The latest rate that is not after `day` and at most [`MAX_AGE`] days old. The reporting currency is worth itself on any
    /// day, whatever was added.
    #[must_use]
    pub fn rate(&self, currency: &str, day: Day) -> Option<i64> {
        if currency == &*self.reporting {
            return Some(ONE);
        }
        let days = self.days.get(currency)?;
        let after = days.partition_point(|(of, _)| *of <= day);
        let (of, rate) = days[after.checked_sub(1)?];
        (i64::from(day) - i64::from(of) <= i64::from(MAX_AGE)).then_some(rate)
    }
}

/// A rate that is given as a decimal, `unscaled` · 10^−`scale`, rounded half to even; none where it is not above zero then, or
/// a million and more.
#[must_use]
pub fn rate_from_decimal(unscaled: i128, scale: u32) -> Option<i64> {
    // The limit of amounts, 10¹⁸, is a million here.
    Some(from_decimal(unscaled, scale, RATE_SCALE)?.minor).filter(|rate| *rate > 0)
}

/// A rate that is given as a float, taken by its exact binary value and rounded half to even; none where it is not above zero
/// then, a million and more, or not finite.
#[must_use]
pub fn rate_from_float(number: f64) -> Option<i64> {
    Some(from_float(number, RATE_SCALE)?.minor).filter(|rate| *rate > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_rate_counts_for_a_week() {
        let mut rates = Rates::new("SEK");
        for (day, rate) in [(20, 3), (10, 1), (12, 2), (20, 4)] {
            rates.add("EUR", day, rate);
        }
        let found = |day| rates.rate("EUR", day);
        assert_eq!([9, 10, 11, 12, 19].map(found), [None, Some(1), Some(1), Some(2), Some(2)]);
        assert_eq!([20, 27, 28, Day::MAX, Day::MIN].map(found), [Some(4), Some(4), None, None, None]);
        assert_eq!(rates.rate("USD", 20), None);
        assert_eq!(rates.rate("eur", 20), None);
    }

    #[test]
    fn the_reporting_currency_is_worth_itself() {
        let mut rates = Rates::new("SEK");
        rates.add("SEK", 5, 7);
        assert_eq!([Day::MIN, 5, Day::MAX].map(|day| rates.rate("SEK", day)), [Some(ONE); 3]);
    }

    #[test]
    fn rates_have_twelve_digits_and_bounds() {
        assert_eq!(rate_from_decimal(1_123_456, 5), Some(11_234_560_000_000));
        assert_eq!(rate_from_decimal(25, 13), Some(2));
        assert_eq!(rate_from_decimal(35, 13), Some(4));
        for (unscaled, scale) in [(0, 0), (-1, 0), (5, 13), (1_000_000, 0), (9_999_999_999_999_999_995, 13), (i128::MAX, 0)] {
            assert_eq!(rate_from_decimal(unscaled, scale), None, "{unscaled} {scale}");
        }
        assert_eq!(rate_from_decimal(999_999_999_999_999_999, 12), Some(999_999_999_999_999_999));
        assert_eq!(rate_from_float(0.5), Some(ONE / 2));
        assert_eq!(rate_from_float(0.1), Some(ONE / 10));
        for number in [0.0, -0.0, -1.0, 1e-13, 1e6, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, f64::MAX] {
            assert_eq!(rate_from_float(number), None, "{number}");
        }
        assert_eq!(rate_from_float(1e-12), Some(1));
    }
}
