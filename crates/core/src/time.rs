//! Instants in microseconds UTC, calendar days in a time zone, and the way from wall clocks to instants.

use jiff::SignedDuration;
use jiff::civil;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use crate::duration::{DAY, SECOND};
use crate::value::TimeUnit;

/// A calendar day, counted from 1970-01-01.
pub type Day = i32;

/// 0001-01-01 and the day after 9999-12-31, UTC: times outside are no times.
const BOUNDS: std::ops::Range<i64> = -62_135_596_800 * SECOND..253_402_300_800 * SECOND;

/// The earliest instant that is a time.
pub const EARLIEST: i64 = BOUNDS.start;

/// The instant before which all times lie.
pub const END: i64 = BOUNDS.end;

/// Whether an instant lies in the years 1 to 9999, those that have a place in a calendar.
#[must_use]
#[inline]
pub fn is_time(instant: i64) -> bool {
    BOUNDS.contains(&instant)
}

/// A time zone that turns instants into days, and wall clocks into instants, some hundred million times a second:
/// the offsets from 1900 to 2100 are laid out in a table, everything else is asked of the time zone database.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    zone: TimeZone,
    /// Where each offset begins (microseconds UTC), ascending, and the offset in microseconds.
    spans: Vec<(i64, i64)>,
}

impl Zone {
    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC, spans: vec![(i64::MIN, 0)] }
    }

    /// The zone of an IANA name such as `Europe/Stockholm`, or of a fixed offset such as `+02:00`; none if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == "UTC" {
            return Some(Self::utc());
        }
        let zone = match fixed_offset(name) {
            Some(offset) => TimeZone::fixed(offset),
            None => TimeZone::get(name).ok()?,
        };
        let first: jiff::Timestamp = civil::date(1900, 1, 1).to_zoned(TimeZone::UTC).ok()?.timestamp();
        let last = civil::date(2100, 1, 1).to_zoned(TimeZone::UTC).ok()?.timestamp();
        let mut spans = vec![(first.as_microsecond(), micros(zone.to_offset(first)))];
        for transition in zone.following(first) {
            if transition.timestamp() >= last {
                break;
            }
            spans.push((transition.timestamp().as_microsecond(), micros(transition.offset())));
        }
        // A sentinel: from here on the table does not answer.
        spans.push((last.as_microsecond(), 0));
        Some(Self { name: name.to_owned(), zone, spans })
    }

    /// The name it was made from.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every zone name that is known, sorted.
    #[must_use]
    pub fn names() -> Vec<String> {
        let mut names: Vec<_> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        names.sort_unstable();
        names
    }

    /// The calendar day of an instant in this zone.
    #[must_use]
    pub fn day(&self, instant: i64) -> Day {
        instant.saturating_add(self.offset(instant)).div_euclid(DAY) as Day
    }

    /// The first instant of a calendar day in this zone.
    #[must_use]
    pub fn start_of(&self, day: Day) -> i64 {
        self.instant(i64::from(day) * DAY)
    }

    /// The instant of a wall-clock time, given as if it were UTC. A time that exists twice is the earlier one; one that
    /// does not exist moves forward by the gap.
    #[must_use]
    pub fn instant(&self, wall_clock: i64) -> i64 {
        if self.spans.len() == 1 {
            return wall_clock;
        }
        // The span that would hold the wall clock by its own offset, if no other could.
        let guess = self.spans.partition_point(|(start, offset)| start.saturating_add(*offset) <= wall_clock);
        if let (Some(&(start, offset)), Some(&(end, _))) =
            (guess.checked_sub(1).and_then(|it| self.spans.get(it)), self.spans.get(guess))
        {
            let instant = wall_clock - offset;
            // A day away from either change there is neither a gap nor a fold.
            if instant - start > DAY && end - instant > DAY {
                return instant;
            }
        }
        self.ask_instant(wall_clock)
    }

    fn offset(&self, instant: i64) -> i64 {
        if self.spans.len() == 1 {
            return 0;
        }
        let after = self.spans.partition_point(|(start, _)| *start <= instant);
        if after == 0 || after == self.spans.len() {
            return jiff::Timestamp::from_microsecond(instant).map_or(0, |it| micros(self.zone.to_offset(it)));
        }
        self.spans[after - 1].1
    }

    fn ask_instant(&self, wall_clock: i64) -> i64 {
        let Some(civil) = civil_time(wall_clock) else { return wall_clock };
        let offset = match self.zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            // The offset before the gap moves the time forward by it; the offset before the fold is the earlier instant.
            AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
        };
        wall_clock - micros(offset)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// How the cells of a timestamp column are read: their unit, and the zone of wall clocks.
#[derive(Clone, Debug)]
pub struct Clock {
    unit: TimeUnit,
    /// None where cells are instants.
    zone: Option<Zone>,
}

impl Clock {
    /// For cells that are instants, or wall clocks in `zone`.
    #[must_use]
    pub fn new(unit: TimeUnit, zone: Option<&Zone>) -> Self {
        Self { unit, zone: zone.filter(|zone| zone.name() != "UTC").cloned() }
    }

    /// Whether cells are wall clocks, which are less than a day from their instant in UTC, in any zone.
    #[must_use]
    pub fn is_civil(&self) -> bool {
        self.zone.is_some()
    }

    /// Whether the instant of each of these cells is the cell.
    #[must_use]
    pub fn reads_as_it_stands(&self, cells: &[i64]) -> bool {
        let all_times = || cells.iter().fold(true, |all, cell| all & is_time(*cell));
        self.unit == TimeUnit::Micro && self.zone.is_none() && all_times()
    }

    /// The instant of a cell; none outside the years 1 to 9999.
    #[must_use]
    pub fn instant(&self, cell: i64) -> Option<i64> {
        let micros = match self.unit {
            TimeUnit::Second => cell.checked_mul(SECOND)?,
            TimeUnit::Milli => cell.checked_mul(1_000)?,
            TimeUnit::Micro => cell,
            TimeUnit::Nano => cell.div_euclid(1_000),
        };
        let instant = match &self.zone {
            None => micros,
            Some(zone) if is_near_time(micros) => zone.instant(micros),
            Some(_) => return None,
        };
        is_time(instant).then_some(instant)
    }
}

/// Whether a wall clock is so close to the years 1 to 9999 that some zone may bring it there.
fn is_near_time(wall_clock: i64) -> bool {
    is_time(wall_clock) || is_time(wall_clock.saturating_add(2 * DAY)) || is_time(wall_clock.saturating_sub(2 * DAY))
}

/// The instant of an ISO 8601 text: a date (midnight), or a date and a time with `T` or a space between them, with or
/// without an offset; one without is a wall-clock time in `zone`. None where the text is no time.
#[must_use]
pub fn parse_instant(text: &str, zone: &Zone) -> Option<i64> {
    use jiff::fmt::temporal::{Pieces, PiecesOffset};
    let pieces = Pieces::parse(text.trim()).ok()?;
    let time = pieces.time().unwrap_or(civil::Time::midnight());
    let wall_clock = wall_clock(pieces.date().to_datetime(time));
    let instant = match pieces.offset() {
        Some(PiecesOffset::Zulu) => wall_clock,
        Some(PiecesOffset::Numeric(offset)) => wall_clock - micros(offset.offset()),
        Some(_) => return None,
        None => zone.instant(wall_clock),
    };
    is_time(instant).then_some(instant)
}

/// Reads a calendar day, `2026-11-22`.
#[must_use]
pub fn parse_day(text: &str) -> Option<Day> {
    let date: civil::Date = text.parse().ok()?;
    (text.len() == 10).then(|| (wall_clock(date.to_datetime(civil::Time::midnight())) / DAY) as Day)
}

/// A day as `2026-11-22`.
#[must_use]
pub fn day_text(day: Day) -> String {
    civil_time(i64::from(day) * DAY).map_or_else(|| format!("day {day}"), |civil| civil.date().to_string())
}

/// An instant as `2026-11-22T10:00:00Z`, with as many digits of a second as it has.
#[must_use]
pub fn instant_text(instant: i64) -> String {
    civil_time(instant).map_or_else(|| format!("{instant} us"), |civil| format!("{civil}Z"))
}

/// The Monday of a day's ISO week.
#[must_use]
pub fn week_start(day: Day) -> Day {
    // 1970-01-01 was a Thursday.
    day - (day + 3).rem_euclid(7)
}

/// The first day of a day's month.
#[must_use]
pub fn month_start(day: Day) -> Day {
    civil_time(i64::from(day) * DAY).map_or(day, |civil| day - Day::from(civil.day()) + 1)
}

/// A number for the month of a day: those of neighbouring months differ by one.
#[must_use]
pub fn month_number(day: Day) -> i32 {
    civil_time(i64::from(day) * DAY).map_or(0, |civil| i32::from(civil.year()) * 12 + i32::from(civil.month()) - 1)
}

/// The first day of the month of such a number.
#[must_use]
pub fn month_day(number: i32) -> Day {
    let month = i16::try_from(number.div_euclid(12)).ok().zip(i8::try_from(number.rem_euclid(12) + 1).ok());
    let first = month.and_then(|(year, month)| civil::Date::new(year, month, 1).ok());
    first.and_then(|first| (first - EPOCH.date()).get_days().into()).unwrap_or(0)
}

fn micros(offset: Offset) -> i64 {
    i64::from(offset.seconds()) * SECOND
}

fn fixed_offset(name: &str) -> Option<Offset> {
    let (sign, rest) = match name.as_bytes().first()? {
        b'+' => (1, &name[1..]),
        b'-' => (-1, &name[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok()
}

/// Midnight of 1970-01-01; civil arithmetic reaches all days of the years 1 to 9999, timestamps stop a day earlier.
const EPOCH: civil::DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);

fn civil_time(wall_clock: i64) -> Option<civil::DateTime> {
    EPOCH.checked_add(SignedDuration::from_micros(wall_clock)).ok()
}

fn wall_clock(civil: civil::DateTime) -> i64 {
    civil.duration_since(EPOCH).as_nanos().div_euclid(1_000) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stockholm() -> Zone {
        Zone::named("Europe/Stockholm").expect("a zone")
    }

    fn utc(text: &str) -> i64 {
        parse_instant(text, &Zone::utc()).expect(text)
    }

    #[test]
    fn wall_clocks_in_gaps_and_folds() {
        let zone = stockholm();
        let instant = |text| zone.instant(utc(text));
        assert_eq!(instant("2025-01-10T12:00:00"), utc("2025-01-10T11:00:00"));
        assert_eq!(instant("2025-07-10T12:00:00"), utc("2025-07-10T10:00:00"));
        // 02:30 does not exist on 30 March 2025: forward to 03:30 summer time.
        assert_eq!(instant("2025-03-30T02:30:00"), utc("2025-03-30T01:30:00"));
        // 02:30 exists twice on 26 October 2025: the earlier one, summer time.
        assert_eq!(instant("2025-10-26T02:30:00"), utc("2025-10-26T00:30:00"));
        assert_eq!(zone.start_of(parse_day("2025-03-30").expect("a day")), utc("2025-03-29T23:00:00"));
        assert_eq!(instant("0001-06-01T00:00:00") / DAY, utc("0001-06-01T00:00:00") / DAY);
    }

    #[test]
    fn texts_of_many_shapes() {
        let zone = stockholm();
        let at = utc("2025-02-23T10:00:00Z");
        for text in [
            "2025-02-23T10:00:00Z",
            "2025-02-23 10:00:00+00:00",
            "2025-02-23T11:00:00",
            "2025-02-23 11:00:00.000",
            " 2025-02-23T11:00 ",
        ] {
            assert_eq!(parse_instant(text, &zone), Some(at), "{text}");
        }
        assert_eq!(parse_instant("2025-02-23", &zone), Some(utc("2025-02-22T23:00:00Z")));
        assert_eq!(parse_instant("2025-02-23T10:00:00.1234567Z", &zone), Some(at + 123_456));
        for text in ["", "yesterday", "2025-13-01", "10:00", "20250230"] {
            assert_eq!(parse_instant(text, &zone), None, "{text}");
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let day = |text| parse_day(text).expect(text);
        assert_eq!(week_start(day("2025-01-01")), day("2024-12-30"));
        assert_eq!(week_start(day("1969-12-31")), day("1969-12-29"));
        assert_eq!(month_start(day("2024-02-29")), day("2024-02-01"));
        assert_eq!(day_text(day("2024-02-29")), "2024-02-29");
        assert_eq!(parse_day("2024-2-9"), None);
        for text in ["0001-01-01", "9999-12-31"] {
            assert_eq!(day_text(day(text)), text);
            assert_eq!(instant_text(utc(text)), format!("{text}T00:00:00Z"));
        }
    }

    proptest! {
        #[test]
        fn the_table_answers_as_the_database_does(seconds in -3_000_000_000_i64..5_000_000_000, near in 0_usize..200, off in -100_000_i64..100_000) {
            for name in ["Europe/Stockholm", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "+02:00"] {
                let zone = Zone::named(name).expect("a zone");
                let change = zone.spans[near % zone.spans.len()].0;
                for wall_clock in [seconds * SECOND, change + off * SECOND] {
                    prop_assert_eq!(zone.instant(wall_clock), zone.ask_instant(wall_clock));
                    let timestamp = jiff::Timestamp::from_microsecond(wall_clock).expect("in range");
                    prop_assert_eq!(zone.offset(wall_clock), micros(zone.zone.to_offset(timestamp)));
                }
            }
        }
    }
}
