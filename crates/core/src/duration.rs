//! Spans of time as people type them: `90s 15m 12h 30d 4w`, and windows, which may also be `all`.

use std::fmt;

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in a day of 24 hours.
pub const DAY: i64 = 86_400 * SECOND;

/// The longest duration that is taken: ten thousand years, so that `time − duration` never overflows.
const LONGEST: i64 = 3_652_500 * DAY;

/// A positive span of time that remembers how it was typed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Duration {
    text: String,
    micros: i64,
}

impl Duration {
    /// Reads `90s`, `15m`, `12h`, `30d` or `4w`: a whole number above zero and a unit. A day is 24 hours, a week 7 days.
    ///
    /// # Errors
    /// Says what was expected, as a fragment to put behind the name of the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected a duration such as 90s, 15m, 12h, 30d or 4w, found {text:?}");
        let unit_at = text.len() - text.chars().next_back().map_or(0, char::len_utf8);
        let (number, unit) = text.split_at(unit_at);
        let unit = match unit {
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3_600 * SECOND,
            "d" => DAY,
            "w" => 7 * DAY,
            _ => return Err(wrong()),
        };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let micros = number.parse::<i64>().ok().and_then(|number| number.checked_mul(unit));
        match micros {
            Some(0) => Err(format!("expected a duration above zero, found {text:?}")),
            Some(micros) if micros <= LONGEST => Ok(Self { text: text.to_owned(), micros }),
            _ => Err(format!("expected a duration of at most 10,000 years, found {text:?}")),
        }
    }

    /// The length in microseconds, above zero.
    #[must_use]
    pub fn micros(&self) -> i64 {
        self.micros
    }

    /// The number of days, where the duration is whole days.
    #[must_use]
    pub fn whole_days(&self) -> Option<i32> {
        (self.micros % DAY == 0).then(|| i32::try_from(self.micros / DAY).ok()).flatten()
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// How far back a touch may lie from its conversion. Its text, as typed, is its name in the tables.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// Every touch up to the conversion.
    All,
    /// Touches at most this long before the conversion.
    Back(Duration),
    /// Every touch of a path that was counted; nobody knows when they were.
    Paths,
}

impl Window {
    /// Reads a duration or `all`.
    ///
    /// # Errors
    /// As [`Duration::parse`].
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            _ => Duration::parse(text).map(Self::Back).map_err(|wrong| format!("{wrong}; a window may also be \"all\"")),
        }
    }

    /// The length in microseconds; none for `all`.
    #[must_use]
    pub fn micros(&self) -> Option<i64> {
        match self {
            Self::All | Self::Paths => None,
            Self::Back(duration) => Some(duration.micros()),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("all"),
            Self::Back(duration) => duration.fmt(formatter),
            Self::Paths => formatter.write_str("paths"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("4w", 2_419_200)] {
            let duration = Duration::parse(text).expect(text);
            assert_eq!(duration.micros(), seconds * SECOND);
            assert_eq!(duration.to_string(), text);
        }
        assert_eq!(Duration::parse("4w").ok().and_then(|it| it.whole_days()), Some(28));
        assert_eq!(Duration::parse("36h").ok().and_then(|it| it.whole_days()), None);
    }

    #[test]
    fn what_is_no_duration_says_so() {
        for text in ["", "d", "30", "30 d", "-1d", "1.5d", "0d", "30D", "30days", "99999999999999999999d", "9999999w", "é"] {
            assert!(Duration::parse(text).is_err(), "{text}");
        }
        assert_eq!(Window::parse("all"), Ok(Window::All));
        assert!(Window::parse("everything").is_err_and(|wrong| wrong.contains("\"all\"")));
    }
}
