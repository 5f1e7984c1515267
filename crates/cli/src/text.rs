//! Numbers as people read them, and text from data as a terminal may see it.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Serialize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How wide text for people is.
pub const WIDTH: usize = 100;

/// A text from data on one line of at most `most` columns: what could move a cursor, change colours or reverse the
/// reading direction is escaped, what is too long is cut.
pub fn shown(text: &str, most: usize) -> String {
    let (mut shown, mut width) = (String::new(), 0);
    for letter in text.chars() {
        let piece = escaped(letter);
        width += piece.width();
        if width > most {
            return cut(&shown, most);
        }
        shown.push_str(&piece);
    }
    shown
}

/// The beginning of a shown text that must be cut, with the sign that it was.
fn cut(text: &str, most: usize) -> String {
    let mut width = 0;
    let fits = |letter: &char| {
        width += letter.width().unwrap_or(0);
        width < most
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// The end of a path, where its name is.
pub fn shown_path(path: &str, most: usize) -> String {
    let whole = shown(path, usize::MAX);
    if whole.width() <= most {
        return whole;
    }
    let mut width = 0;
    let fits = |letter: &char| {
        width += letter.width().unwrap_or(0);
        width < most
    };
    let end: Vec<char> = whole.chars().rev().take_while(fits).collect();
    std::iter::once('…').chain(end.into_iter().rev()).collect()
}

fn escaped(letter: char) -> Cow<'static, str> {
    match letter {
        '\n' | '\r' | '\t' => letter.escape_default().to_string().into(),
        _ if is_unsafe(letter) => format!("\\u{{{:x}}}", letter as u32).into(),
        _ => letter.to_string().into(),
    }
}

/// Control characters, and those that are not seen but change how the others are: marks of direction, joiners, tags.
fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A value as JSON over several lines, safe for terminals.
pub fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(value).map(|text| safe_json(&text))
}

/// A value as JSON on one line, safe for terminals.
pub fn json_line(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value).map(|text| safe_json(&text))
}

/// JSON escapes the oldest control characters only; here all unsafe ones are. Outside of texts there are none.
fn safe_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len() + 1);
    for letter in json.chars() {
        if is_unsafe(letter) && letter != '\n' {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(letter);
        }
    }
    safe.push('\n');
    safe
}

/// A decimal with its thousands apart: `-1234567.89` is `-1,234,567.89`.
pub fn grouped(decimal: &str) -> String {
    let (sign, magnitude) = decimal.strip_prefix('-').map_or(("", decimal), |rest| ("-", rest));
    let (whole, rest) = magnitude.split_at(magnitude.find('.').unwrap_or(magnitude.len()));
    let mut grouped = sign.to_owned();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// A number of things.
pub fn count(number: impl Into<u64>) -> String {
    grouped(&number.into().to_string())
}

/// The days of a range, whose ends may be open.
pub fn days((from, to): &(Option<String>, Option<String>)) -> String {
    match (from, to) {
        (None, None) => "of all days".to_owned(),
        (Some(from), None) => format!("from {from} on"),
        (None, Some(to)) => format!("before {to}"),
        (Some(from), Some(to)) => format!("from {from} to before {to}"),
    }
}

/// A number of things with their name: `1 file`, `2 files`.
pub fn things(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A size: `999 B`, `1.5 KiB`, `312 MiB`.
pub fn bytes(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut units = ["KiB", "MiB", "GiB", "TiB"].into_iter();
    let mut unit = "B";
    while size >= 1023.5 {
        let Some(next) = units.next() else { break };
        (size, unit) = (size / 1024.0, next);
    }
    if unit == "B" || size >= 99.95 { format!("{size:.0} {unit}") } else { format!("{size:.1} {unit}") }
}

/// A time span: `0.42 s`, `12.3 s`, `2 min 5 s`, `1 h 12 min`.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        _ if seconds < 9.995 => format!("{seconds:.2} s"),
        _ if seconds < 99.95 => format!("{seconds:.1} s"),
        _ => {
            let whole = seconds.round() as u64;
            let (hours, minutes, rest) = (whole / 3_600, whole / 60 % 60, whole % 60);
            if hours > 0 { format!("{hours} h {minutes} min") } else { format!("{minutes} min {rest} s") }
        }
    }
}

/// How many a second.
pub fn rate(number: u64, seconds: f64) -> String {
    if seconds > 0.0 { count((number as f64 / seconds).round() as u64) } else { count(number) }
}

/// Text in lines that fit beside a margin of `indent`; the first line is expected to stand at the margin already.
pub fn wrapped(text: &str, indent: usize) -> String {
    let (mut wrapped, mut width) = (String::new(), indent);
    for word in text.split(' ') {
        if wrapped.is_empty() {
        } else if width + 1 + word.width() > WIDTH {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(indent));
            width = indent;
        } else {
            wrapped.push(' ');
            width += 1;
        }
        wrapped.push_str(word);
        width += word.width();
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_data_cannot_leave_its_line() {
        assert_eq!(shown("search", 40), "search");
        assert_eq!(shown("a\nb\t\u{1b}[31mc\u{9b}2J\u{202e}d\u{7f}", 60), r"a\nb\t\u{1b}[31mc\u{9b}2J\u{202e}d\u{7f}");
        assert_eq!(shown("検索広告", 8), "検索広告");
        assert_eq!(shown("", 3), "");
    }

    #[test]
    fn long_text_is_cut_to_the_column() {
        assert_eq!(shown(&"x".repeat(10_240), 5), "xxxx…");
        assert_eq!(shown("abcde", 5), "abcde");
        assert_eq!(shown("検索広告", 7), "検索広…");
        assert_eq!(shown("検索広告", 6), "検索…");
        assert_eq!(shown("abc\n", 4), "abc…");
        assert_eq!(shown_path("out/touchpoints/2026-01-01.parquet", 16), "…-01-01.parquet".replace("…", "…6"));
        assert_eq!(shown_path("a/b", 16), "a/b");
    }

    #[test]
    fn json_is_safe_for_terminals_and_still_json() {
        let text = "a\u{1b}[31m\u{9b}\u{202e}\u{e0001}\n";
        let json = json_line(&text).expect("JSON");
        assert!(json.trim_end().chars().all(|letter| !is_unsafe(letter)), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).expect("a text"), text);
    }

    #[test]
    fn numbers_for_people() {
        for (plain, expected) in [
            ("0", "0"),
            ("0.05", "0.05"),
            ("999", "999"),
            ("1000", "1,000"),
            ("-100.00", "-100.00"),
            ("-1234567.89", "-1,234,567.89"),
            ("12345.123456", "12,345.123456"),
        ] {
            assert_eq!(grouped(plain), expected);
        }
        let sizes = [0, 1_023, 1_024, 1_536, 327_155_712, 1 << 40].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "312 MiB", "1.0 TiB"]);
        let spans = [0.004, 2.126, 12.34, 59.99, 125.2, 4_321.0].map(seconds);
        assert_eq!(spans, ["0.00 s", "2.13 s", "12.3 s", "60.0 s", "2 min 5 s", "1 h 12 min"]);
        assert_eq!(things(1, "file") + ", " + &things(2_000, "row"), "1 file, 2,000 rows");
        assert_eq!(rate(1_000_000, 2.5), "400,000");
    }

    #[test]
    fn lines_fit() {
        let text = wrapped(&"word ".repeat(60), 10);
        assert!(text.lines().all(|line| line.width() <= WIDTH), "{text}");
        assert_eq!(text.split_whitespace().count(), 60);
    }
}
