//! What is enough to know of a customer's purchases: x, t_x, T.

use crate::error::InputError;

/// More days with a purchase than there are in two thousand years.
const MOST_REPEATS: u32 = 1_000_000;
const MOST_WEEKS: f64 = 1e9;

/// The purchases of one customer, as BG/NBD sees them. Checked when it is made, so nothing computed from it can fail.
///
/// Time starts with the customer's first purchase. Purchases of one day are one purchase: x counts days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct History {
    repeats: u32,
    /// Weeks.
    recency: f64,
    /// Weeks.
    age: f64,
}

impl History {
    /// A customer with `repeats` days with a purchase after the first day, the last of them `recency` days after the first,
    /// observed for `age` days.
    ///
    /// # Errors
    /// Where `recency` lies beyond `age`; where there are repeats without a recency, a recency without repeats, or more
    /// repeats than days.
    pub fn from_days(repeats: u32, recency: u32, age: u32) -> Result<Self, InputError> {
        check(repeats, f64::from(recency), f64::from(age))?;
        if repeats > recency {
            return Err(InputError::MoreRepeatsThanDays { repeats, days: recency });
        }
        Ok(Self { repeats, recency: f64::from(recency) / 7.0, age: f64::from(age) / 7.0 })
    }

    /// The same from summaries in weeks, as the literature prints them.
    ///
    /// # Errors
    /// As [`History::from_days`], more repeats than days excepted; where a time is not a number from 0 to 10⁹.
    pub fn from_weeks(repeats: u32, recency: f64, age: f64) -> Result<Self, InputError> {
        for weeks in [recency, age] {
            if !(0.0..=MOST_WEEKS).contains(&weeks) {
                return Err(InputError::Age { weeks });
            }
        }
        check(repeats, recency, age)?;
        // −0 is within the range and has other bits than 0.
        Ok(Self { repeats, recency: recency.abs(), age: age.abs() })
    }

    /// A customer who has just bought for the first time.
    #[must_use]
    pub fn new_customer() -> Self {
        Self { repeats: 0, recency: 0.0, age: 0.0 }
    }

    /// x: days with a purchase after the first day.
    #[must_use]
    pub fn repeats(&self) -> u32 {
        self.repeats
    }

    /// t_x: weeks from the first purchase to the last.
    #[must_use]
    pub fn recency_weeks(&self) -> f64 {
        self.recency
    }

    /// T: weeks from the first purchase to the end of the observation.
    #[must_use]
    pub fn age_weeks(&self) -> f64 {
        self.age
    }

    /// Whole days, where recency and age are some.
    pub(crate) fn days(&self) -> Option<[u32; 2]> {
        Some([whole_days(self.recency)?, whole_days(self.age)?])
    }
}

/// The days that are this many weeks to the last bit.
fn whole_days(weeks: f64) -> Option<u32> {
    // Saturates where there are too many, and then the comparison fails.
    let days = libm::rint(weeks * 7.0) as u32;
    (f64::from(days) / 7.0 == weeks).then_some(days)
}

fn check(repeats: u32, recency: f64, age: f64) -> Result<(), InputError> {
    if repeats > MOST_REPEATS {
        return Err(InputError::TooManyRepeats { repeats });
    }
    if recency > age {
        return Err(InputError::RecencyBeyondAge { recency, age });
    }
    match (repeats > 0, recency > 0.0) {
        (true, false) => Err(InputError::RepeatsWithoutTime { repeats }),
        (false, true) => Err(InputError::TimeWithoutRepeats { recency }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_sevenths_of_weeks_and_come_back() {
        for days in (0..5_000).chain([u32::MAX - 1, u32::MAX]) {
            assert_eq!(whole_days(f64::from(days) / 7.0), Some(days));
        }
        assert_eq!(whole_days(30.43), None);
        assert_eq!(whole_days(MOST_WEEKS), None);
        let same = (History::from_days(2, 14, 21), History::from_weeks(2, 2.0, 3.0));
        assert_eq!(same.0, same.1);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let message = |history: Result<History, InputError>| history.expect_err("refused").to_string();
        assert_eq!(
            message(History::from_days(1, 8, 7)),
            "the last purchase at an age of 8 lies after the end of the observation at 7"
        );
        assert_eq!(
            message(History::from_days(3, 0, 7)),
            "3 repeat purchases at an age of 0: those of the first day are one purchase"
        );
        assert_eq!(message(History::from_days(0, 1, 7)), "a last repeat purchase at an age of 1, but no repeat purchases");
        assert_eq!(message(History::from_days(8, 7, 7)), "8 days with a repeat purchase within 7 days");
        assert_eq!(message(History::from_weeks(2_000_000, 7.0, 7.0)), "2000000 repeat purchases, the most is 1000000");
        assert_eq!(message(History::from_weeks(1, f64::NAN, 7.0)), "expected an age between 0 and 10⁹ weeks, found NaN");
        assert_eq!(message(History::from_weeks(1, 1.0, f64::INFINITY)), "expected an age between 0 and 10⁹ weeks, found inf");
        assert!(History::from_days(0, 0, 0).is_ok());
        assert_eq!(History::from_weeks(0, -0.0, -0.0), History::from_days(0, 0, 0));
    }
}
