//! "Did you mean …?"

use std::cmp::Ordering;

/// How alike two words must be, from 0 to 1, for one to be meant by the other.
const ALIKE: f64 = 0.8;

/// The known word that looks most like `word`; none where nothing looks like it.
#[must_use]
pub fn nearest<'a>(word: &str, known: &'a [impl AsRef<str>]) -> Option<&'a str> {
    all_near(word, known).into_iter().next()
}

/// Every known word that looks like `word`, the likest first, of equals the first in `known`.
#[must_use]
pub fn all_near<'a>(word: &str, known: &'a [impl AsRef<str>]) -> Vec<&'a str> {
    let rated = known.iter().map(|known| (likeness(word, known.as_ref()), known.as_ref()));
    let mut near: Vec<_> = rated.filter(|(likeness, _)| *likeness >= ALIKE).collect();
    near.sort_by(|one, other| other.0.partial_cmp(&one.0).unwrap_or(Ordering::Equal));
    near.into_iter().map(|(_, known)| known).collect()
}

/// 1 for words that differ in case only. Of a path such as `Europe/Stockholm` the last part may stand for all.
fn likeness(word: &str, known: &str) -> f64 {
    let (word, known) = (word.to_lowercase(), known.to_lowercase());
    let last = known.rsplit('/').next().unwrap_or(&known);
    let word_last = word.rsplit('/').next().unwrap_or(&word);
    let edits = |one: &str, other: &str| strsim::normalized_damerau_levenshtein(one, other);
    let begins = |one: &str, other: &str| strsim::jaro_winkler(one, other) * 0.95;
    let whole = edits(&word, &known).max(if word.len() >= 4 { begins(&word, &known) } else { 0.0 });
    // A little less than the whole, so that the whole wins where both do.
    if known.contains('/') { whole.max(edits(word_last, last) * 0.99) } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_probably_meant() {
        let keys = ["windows", "window_unit", "interaction_windows", "touch_reuse", "reuse_by", "repeats", "priority", "ignore"];
        for (typed, meant) in [
            ("window", Some("windows")),
            ("windwos", Some("windows")),
            ("Priority", Some("priority")),
            ("repeat", Some("repeats")),
            ("touch_re_use", Some("touch_reuse")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, &keys), meant, "{typed}");
        }
        let zones = ["Europe/Oslo", "Europe/Stockholm", "America/New_York"];
        for typed in ["stockholm", "Europe/Stokholm", "europe/stockholm", "Stockholm"] {
            assert_eq!(nearest(typed, &zones), Some("Europe/Stockholm"), "{typed}");
        }
    }
}
