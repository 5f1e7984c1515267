//! Dates of reports: which instant stands for a day of another zone, and which day is written.

use attributary_core::batch::NO_TIME;
use attributary_core::duration::DAY;
use attributary_core::time::{Day, Zone, is_time, parse_instant};
use polars::prelude::{DataType, PolarsResult, Series};

use crate::times::instants;

/// The instants of a column in which a date, or a text without a time, is a day of `zone` and stands for the noon of it: on the
/// calendar of another zone that is the day on which most of it lies. [`NO_TIME`] where there is none.
pub(crate) fn noons(column: &Series, zone: &Zone) -> PolarsResult<Vec<i64>> {
    let noon = |day| Some(zone.instant(i64::from(day) * DAY + DAY / 2)).filter(|noon| is_time(*noon)).unwrap_or(NO_TIME);
    read(column, zone, noon, |instant| instant)
}

/// The calendar days of a column as they are written; timestamps are looked at in `zone`. None where there is none.
pub(crate) fn days(column: &Series, zone: &Zone) -> PolarsResult<Vec<Option<Day>>> {
    read(column, zone, Some, |instant| (instant != NO_TIME).then(|| zone.day(instant)))
}

fn read<T>(column: &Series, zone: &Zone, of_day: impl Fn(Day) -> T, of_instant: impl Fn(i64) -> T) -> PolarsResult<Vec<T>> {
    let cell = |day: Option<Day>, instant: i64| match day {
        Some(day) if is_time(i64::from(day).saturating_mul(DAY)) => of_day(day),
        _ => of_instant(instant),
    };
    Ok(match column.dtype() {
        DataType::Date => column.date()?.physical().iter().map(|day| cell(day, NO_TIME)).collect(),
        DataType::String => {
            let texts = column.str()?.iter();
            let instant = |text: Option<&str>| text.and_then(|text| parse_instant(text, zone)).unwrap_or(NO_TIME);
            texts.map(|text| cell(text.and_then(written_day), instant(text))).collect()
        }
        DataType::Categorical(..) | DataType::Enum(..) => {
            return read(&column.cast(&DataType::String)?, zone, of_day, of_instant);
        }
        _ => instants(column, zone)?.into_iter().map(of_instant).collect(),
    })
}

/// The day of an ISO 8601 text that has no time.
fn written_day(text: &str) -> Option<Day> {
    // Behind a bracket stands the name of a zone.
    let date = text.trim().split('[').next()?;
    if date.contains(['T', 't', ' ']) {
        return None;
    }
    Some(parse_instant(text, &Zone::utc())?.div_euclid(DAY) as Day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use attributary_core::time::{day_text, instant_text, parse_day};
    use polars::prelude::{NamedFrom, PlSmallStr, TimeUnit};

    fn zone(name: &str) -> Zone {
        Zone::named(name).expect("a zone")
    }

    fn texts(cells: &[&str]) -> Series {
        Series::new(PlSmallStr::EMPTY, cells)
    }

    #[test]
    fn a_day_is_its_noon_in_its_own_zone() {
        for (name, noon) in [
            ("UTC", "2025-03-01T12:00:00Z"),
            ("Asia/Tokyo", "2025-03-01T03:00:00Z"),
            ("America/Los_Angeles", "2025-03-01T20:00:00Z"),
            ("Pacific/Auckland", "2025-02-28T23:00:00Z"),
        ] {
            let day = parse_day("2025-03-01").expect("a day");
            let dates = Series::new(PlSmallStr::EMPTY, [Some(day), None]).cast(&DataType::Date).expect("dates");
            let found = noons(&dates, &zone(name)).expect("times");
            assert_eq!((instant_text(found[0]).as_str(), found[1]), (noon, NO_TIME), "{name}");
            for text in ["2025-03-01", " 2025-03-01 ", "20250301", "2025-03-01[Europe/Stockholm]"] {
                assert_eq!(noons(&texts(&[text]), &zone(name)).expect("times"), [found[0]], "{text}");
            }
        }
    }

    #[test]
    fn a_time_is_the_instant_that_it_says() {
        let tokyo = zone("Asia/Tokyo");
        let found = noons(&texts(&["2025-03-01T00:00", "2025-03-01 00:00:00Z", "soon", "2025-02-30"]), &tokyo).expect("times");
        assert_eq!([instant_text(found[0]), instant_text(found[1])], ["2025-02-28T15:00:00Z", "2025-03-01T00:00:00Z"]);
        assert_eq!(found[2..], [NO_TIME, NO_TIME]);
        let stamps = Series::new(PlSmallStr::EMPTY, [0_i64]).cast(&DataType::Datetime(TimeUnit::Milliseconds, None));
        assert_eq!(noons(&stamps.expect("times"), &tokyo).expect("times"), [-9 * 3_600_000_000]);
    }

    #[test]
    fn written_days_stay_whatever_the_zone() {
        for name in ["UTC", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Apia"] {
            // Apia skipped 2011-12-30.
            let found =
                days(&texts(&["2011-12-30", "20111231", "nothing", "0001-01-01", "9999-12-31"]), &zone(name)).expect("days");
            let found: Vec<_> = found.into_iter().map(|day| day.map(day_text).unwrap_or_default()).collect();
            assert_eq!(found, ["2011-12-30", "2011-12-31", "", "0001-01-01", "9999-12-31"], "{name}");
        }
        let found = days(&texts(&["2025-03-01T23:30:00Z", "2025-03-01T23:30:00"]), &zone("Asia/Tokyo")).expect("days");
        let found: Vec<_> = found.into_iter().flatten().map(day_text).collect();
        assert_eq!(found, ["2025-03-02", "2025-03-01"]);
        let extreme = Series::new(PlSmallStr::EMPTY, [i32::MAX, i32::MIN]).cast(&DataType::Date).expect("dates");
        assert_eq!(days(&extreme, &zone("Asia/Tokyo")).expect("days"), [None, None]);
        assert_eq!(noons(&extreme, &zone("Asia/Tokyo")).expect("times"), [NO_TIME, NO_TIME]);
    }
}
