//! Days, weeks, months, quarters, and the calendar between them.

use attributary_core::duration::DAY;
use attributary_core::time::{self, Day};

use crate::error::ReturnsError;

/// What sums are made over. In the order of their names, as the tables are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Period {
    /// Everything.
    All,
    /// A calendar day.
    Day,
    /// A calendar month.
    Month,
    /// Three months from January, April, July or October on.
    Quarter,
    /// An ISO week, from Monday on.
    Week,
}

impl Period {
    /// Each of them.
    pub const EVERY: [Self; 5] = [Self::All, Self::Day, Self::Month, Self::Quarter, Self::Week];

    /// Its name in the tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Day => "day",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Week => "week",
        }
    }

    /// The one of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|period| period.name() == name)
    }

    /// The first day of the one that `day` is in; none for [`Period::All`]. For a day of the years 1 to 9999.
    #[must_use]
    pub fn start(self, day: Day) -> Option<Day> {
        match self {
            Self::All => None,
            Self::Day => Some(day),
            Self::Month => Some(time::month_start(day)),
            Self::Quarter => {
                let (year, month, _) = civil(day);
                Some(day_of(year, month - (month - 1) % 3, 1))
            }
            Self::Week => Some(time::week_start(day)),
        }
    }

    /// The first day after the one that begins on `start`; none for [`Period::All`].
    #[must_use]
    pub fn end(self, start: Day) -> Option<Day> {
        let months_on = |months: u32| {
            let (year, month, _) = civil(start);
            let month = month - 1 + months;
            day_of(year + (month / 12) as i32, month % 12 + 1, 1)
        };
        match self {
            Self::All => None,
            Self::Day => Some(start + 1),
            Self::Month => Some(months_on(1)),
            Self::Quarter => Some(months_on(3)),
            Self::Week => Some(start + 7),
        }
    }
}

/// One period: which kind, and when it begins. In the order of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) period: Period,
    pub(crate) start: Option<Day>,
}

impl Span {
    pub(crate) fn of(period: Period, day: Day) -> Self {
        Self { period, start: period.start(day) }
    }

    /// The same period a year before: weeks are 52 weeks back, so that weekdays and most holidays meet; 29 February is
    /// compared with 28 February. None for everything.
    pub(crate) fn year_before(self) -> Option<Self> {
        let start = self.start?;
        let before = match self.period {
            Period::Week => start - 364,
            _ => {
                let (year, month, day) = civil(start);
                let leap_day = month == 2 && day == 29;
                day_of(year - 1, month, if leap_day { 28 } else { day })
            }
        };
        Some(Self { start: Some(before), ..self })
    }
}

/// Refuses days that have no place in a calendar, so that all arithmetic on days is safe.
pub(crate) fn check_day(day: Day) -> Result<Day, ReturnsError> {
    if time::is_time(i64::from(day).saturating_mul(DAY)) { Ok(day) } else { Err(ReturnsError::Day { day }) }
}

/// Calendar months from the month of `from` to that of `to`; negative where `to` is earlier.
pub(crate) fn months_between(from: Day, to: Day) -> i32 {
    let ((from_year, from_month, _), (to_year, to_month, _)) = (civil(from), civil(to));
    (to_year - from_year) * 12 + to_month as i32 - from_month as i32
}

/// Year, month and day of the month. Howard Hinnant, "chrono-compatible low-level date algorithms": years begin in March, so
/// that the leap day comes last, and repeat after 400.
fn civil(day: Day) -> (i32, u32, u32) {
    let day = i64::from(day) + 719_468;
    let (era, day_of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month as u32, (day_of_year - (153 * shifted + 2) / 5 + 1) as u32)
}

/// The day of a date; the other way of [`civil`].
fn day_of(year: i32, month: u32, day: u32) -> Day {
    let (year, month) = (i64::from(year) - i64::from(month <= 2), i64::from(month));
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468) as Day
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> Day {
        time::parse_day(text).expect(text)
    }

    #[test]
    fn periods_begin_and_end_where_the_calendar_says() {
        let cases = [
            (Period::Day, "2024-02-29", "2024-02-29", "2024-03-01"),
            (Period::Week, "2025-01-01", "2024-12-30", "2025-01-06"),
            (Period::Month, "2024-12-31", "2024-12-01", "2025-01-01"),
            (Period::Quarter, "2024-12-31", "2024-10-01", "2025-01-01"),
            (Period::Quarter, "2025-05-15", "2025-04-01", "2025-07-01"),
        ];
        for (period, at, start, end) in cases {
            assert_eq!(period.start(day(at)), Some(day(start)), "{period:?} {at}");
            assert_eq!(period.end(day(start)), Some(day(end)), "{period:?} {at}");
        }
        assert_eq!(Period::All.start(0), None);
        assert!(Period::EVERY.is_sorted_by_key(|period| period.name()));
        assert!(Period::EVERY.into_iter().all(|period| Period::named(period.name()) == Some(period)));
    }

    #[test]
    fn a_year_before() {
        let before = |period, text| Span { period, start: Some(day(text)) }.year_before().and_then(|span| span.start);
        assert_eq!(before(Period::Day, "2024-02-29"), Some(day("2023-02-28")));
        assert_eq!(before(Period::Month, "2025-01-01"), Some(day("2024-01-01")));
        assert_eq!(before(Period::Quarter, "2025-10-01"), Some(day("2024-10-01")));
        // ISO week 9 of 2026 and ISO week 9 of 2025.
        assert_eq!(before(Period::Week, "2026-02-23"), Some(day("2025-02-24")));
        assert_eq!(Span { period: Period::All, start: None }.year_before(), None);
    }

    #[test]
    fn months_between_days() {
        assert_eq!(months_between(day("2024-11-30"), day("2025-02-01")), 3);
        assert_eq!(months_between(day("2025-02-01"), day("2024-11-30")), -3);
        assert_eq!(check_day(i32::MIN), Err(ReturnsError::Day { day: i32::MIN }));
    }

    proptest! {
        #[test]
        fn dates_are_those_of_the_calendar(at in -719_162_i32..2_932_896) {
            let (year, month, of_month) = civil(at);
            prop_assert_eq!(format!("{year:04}-{month:02}-{of_month:02}"), time::day_text(at));
            prop_assert_eq!(day_of(year, month, of_month), at);
            for period in [Period::Day, Period::Week, Period::Month, Period::Quarter] {
                let start = period.start(at).expect("a start");
                prop_assert!(start <= at && at < period.end(start).expect("an end"));
                prop_assert_eq!(period.start(start), Some(start));
            }
        }
    }
}
