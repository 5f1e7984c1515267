//! One cell of a table on the page: what is shown, and the exact number behind it.

use attributary_core::time::day_text;
use attributary_core::value::{ColumnType, Value};

use crate::number::{self, SHARE_SCALE};
use crate::run::ValueColumn;
use crate::scan::Row;

/// Names are cut here: those of a log can be of any length.
const LONGEST_NAME: usize = 120;

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Nothing; shown as a dash.
    Empty,
    /// A name or a word: escaped, and kept apart from the direction of the text around it.
    Text(String),
    /// A number: as shown, and exactly. The exact one is what is sorted by, exported and compared.
    Number {
        /// As shown.
        shown: String,
        /// Exactly, without commas.
        exact: String,
    },
}

impl Cell {
    /// A name.
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(shortened(text, LONGEST_NAME))
    }

    /// A name that may be missing.
    pub(crate) fn name(text: Option<&str>) -> Self {
        text.map_or(Self::Empty, Self::text)
    }

    /// An amount.
    pub(crate) fn amount(minor: i128, value: &ValueColumn) -> Self {
        Self::decimal(minor, value.scale)
    }

    /// A decimal.
    pub(crate) fn decimal(unscaled: i128, scale: u8) -> Self {
        let exact = attributary_core::money::decimal_text(unscaled, scale);
        Self::Number { shown: number::grouped(&exact), exact }
    }

    /// A count.
    pub(crate) fn count(count: impl Into<i128>) -> Self {
        Self::decimal(count.into(), 0)
    }

    /// A count of things in memory.
    pub(crate) fn len(count: usize) -> Self {
        Self::count(count as u64)
    }

    /// A sum of shares of conversions.
    pub(crate) fn conversions(shares: i128) -> Self {
        let exact = attributary_core::money::decimal_text(shares, SHARE_SCALE);
        Self::Number { shown: number::conversions(shares), exact }
    }

    /// A part of a whole, in percent; exactly it is a fraction with nine digits.
    pub(crate) fn percent(part: i128, whole: i128) -> Self {
        match (number::percent(part, whole), number::plain_quotient(part, whole, 9)) {
            (Some(shown), Some(exact)) => Self::Number { shown, exact },
            _ => Self::Empty,
        }
    }

    /// A quotient with two digits; exactly with nine.
    pub(crate) fn quotient(dividend: i128, divisor: i128) -> Self {
        match (number::quotient(dividend, divisor, 2), number::plain_quotient(dividend, divisor, 9)) {
            (Some(shown), Some(exact)) => Self::Number { shown, exact },
            _ => Self::Empty,
        }
    }

    /// A float that was computed elsewhere.
    pub(crate) fn float(number: f64) -> Self {
        Self::Number { shown: number::float(number), exact: number.to_string() }
    }

    /// The same with two digits behind the point, more where it is small.
    pub(crate) fn ratio(ratio: f64) -> Self {
        let small = ratio != 0.0 && ratio.abs() < 0.1;
        let shown = if small || !ratio.is_finite() { number::float(ratio) } else { number::grouped(&format!("{ratio:.2}")) };
        Self::Number { shown, exact: ratio.to_string() }
    }

    /// A fraction that was computed elsewhere, in percent.
    pub(crate) fn fraction(number: f64) -> Self {
        Self::Number { shown: format!("{}%", number::grouped(&format!("{:.1}", number * 100.0))), exact: number.to_string() }
    }

    /// A calendar day.
    pub(crate) fn day(day: i128) -> Self {
        i32::try_from(day).map_or(Self::Empty, |day| Self::Text(day_text(day)))
    }

    /// The cell of a row as its type says.
    pub(crate) fn of(row: Row<'_>, column: &str) -> Self {
        match row.value(column) {
            None | Some((Value::Null, _)) => Self::Empty,
            Some((Value::Text(text), _)) => Self::text(&text),
            Some((Value::Int(day), ColumnType::Date)) => Self::day(day),
            Some((Value::Int(shares), ColumnType::Decimal { scale: SHARE_SCALE, .. })) => Self::conversions(shares),
            Some((Value::Int(number), ColumnType::Decimal { scale, .. })) => Self::decimal(number, *scale),
            Some((Value::Int(number), ColumnType::Int { .. })) => Self::count(number),
            Some((float @ Value::Float(_), _)) => float.as_float().map_or(Self::Empty, Self::float),
            Some((other, kind)) => Self::text(&other.display(kind)),
        }
    }
}

/// A text of at most so many letters. Letters that cannot be seen, or that turn the order of others around, are `\u{fffd}`: two
/// names that differ must not look the same.
pub(crate) fn shortened(text: &str, longest: usize) -> String {
    let hidden = |letter| matches!(letter, '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let visible = |letter: char| if letter.is_control() || hidden(letter) { '\u{fffd}' } else { letter };
    let mut letters = text.chars().map(visible);
    let mut short: String = letters.by_ref().take(longest).collect();
    if letters.next().is_some() {
        short.pop();
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_have_no_control_characters() {
        assert_eq!(shortened("a\u{0}b\tc", 9), "a\u{fffd}b\u{fffd}c");
        assert_eq!(shortened("\u{202e}abc\u{202c}\u{200b}", 9), "\u{fffd}abc\u{fffd}\u{fffd}");
        assert_eq!(shortened("åäö", 3), "åäö");
        assert_eq!(shortened("åäöå", 3), "åä…");
        let Cell::Text(cut) = Cell::text(&"x".repeat(1_000)) else { panic!("a text") };
        assert_eq!(cut.chars().count(), LONGEST_NAME);
    }

    #[test]
    fn what_is_shown_has_the_exact_number_behind_it() {
        let number = |shown: &str, exact: &str| Cell::Number { shown: shown.to_owned(), exact: exact.to_owned() };
        assert_eq!(Cell::decimal(-123_456, 2), number("-1,234.56", "-1234.56"));
        assert_eq!(Cell::conversions(333_333_333), number("0.33", "0.333333333"));
        assert_eq!(Cell::percent(1, 3), number("33.3%", "0.333333333"));
        assert_eq!(Cell::percent(1, 0), Cell::Empty);
        assert_eq!(Cell::ratio(2_345.6), number("2,345.60", "2345.6"));
        assert_eq!(Cell::ratio(0.012_34), number("0.0123", "0.01234"));
    }
}
