//! One value out of a JSON text, its numbers as they are written: no float ever stands between a log and its money.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// The value at a path such as `$.items[0].price` or `user.id`: a text without its quotes, a number as it is written, an
/// object or list as JSON. None where it is absent or null, or where the text is no JSON.
pub(crate) fn json_value(text: &str, path: &str) -> Option<String> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    // From here on the text is known to be JSON, so the search need not doubt it.
    let mut here = text.trim_matches(is_space);
    let mut rest = path.trim();
    rest = rest.strip_prefix('$').unwrap_or(rest);
    while !rest.is_empty() {
        let (step, after) = step(rest)?;
        here = match step {
            Step::Member(name) => members(here)?.filter(|(key, _)| *key == name).last()?.1,
            Step::Item(place) => items(here)?.nth(place)?,
        };
        rest = after;
    }
    match here {
        "null" => None,
        quoted if quoted.starts_with('"') => serde_json::from_str(quoted).ok(),
        written => Some(written.to_owned()),
    }
}

enum Step<'a> {
    Member(&'a str),
    Item(usize),
}

/// The first step of a path, and the rest of it.
fn step(path: &str) -> Option<(Step<'_>, &str)> {
    if let Some(bracket) = path.strip_prefix('[') {
        if let Some(quote) = bracket.chars().next().filter(|quote| matches!(quote, '"' | '\'')) {
            let (name, after) = bracket[1..].split_once(quote)?;
            return Some((Step::Member(name), after.strip_prefix(']')?));
        }
        let (place, after) = bracket.split_once(']')?;
        return Some((Step::Item(place.trim().parse().ok()?), after));
    }
    let name = path.strip_prefix('.').unwrap_or(path);
    let end = name.find(['.', '[']).unwrap_or(name.len());
    (end > 0).then(|| (Step::Member(&name[..end]), &name[end..]))
}

/// The members of an object, in order.
fn members(object: &str) -> Option<impl Iterator<Item = (Cow<'_, str>, &str)>> {
    let mut rest = object.strip_prefix('{')?;
    Some(std::iter::from_fn(move || {
        let (key, after) = value(rest)?;
        let (member, after) = value(after)?;
        rest = after;
        let inner = &key[1..key.len() - 1];
        let key = if inner.contains('\\') { Cow::Owned(serde_json::from_str(key).ok()?) } else { Cow::Borrowed(inner) };
        Some((key, member))
    }))
}

/// The items of a list, in order.
fn items(list: &str) -> Option<impl Iterator<Item = &str>> {
    let mut rest = list.strip_prefix('[')?;
    Some(std::iter::from_fn(move || {
        let (item, after) = value(rest)?;
        rest = after;
        Some(item)
    }))
}

/// The value that comes next, and what is behind it; none at the end of the object or list.
fn value(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(|letter| is_space(letter) || letter == ',' || letter == ':');
    let bytes = text.as_bytes();
    let end = match bytes.first()? {
        b'}' | b']' => return None,
        b'"' => text_end(bytes, 0)?,
        b'{' | b'[' => nested_end(bytes)?,
        _ => bytes.iter().position(|byte| b",]} \t\r\n".contains(byte)).unwrap_or(bytes.len()),
    };
    Some(text.split_at(end))
}

/// Behind the quote that ends the text which begins at `start`.
fn text_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut place = start + 1;
    loop {
        match bytes.get(place)? {
            b'\\' => place += 2,
            b'"' => return Some(place + 1),
            _ => place += 1,
        }
    }
}

/// Behind the bracket that ends the object or list at the start.
fn nested_end(bytes: &[u8]) -> Option<usize> {
    let (mut place, mut depth) = (0, 0_usize);
    loop {
        match bytes.get(place)? {
            b'"' => {
                place = text_end(bytes, place)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => (),
        }
        place += 1;
        if depth == 0 {
            return Some(place);
        }
    }
}

fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_come_as_written() {
        let text = r#" {"a": {"b": [10, {"c d": "x\u00e9\"y"}]}, "price": 1.50, "big": 12345678901234567890.10, "no": null,
                        "yes":true , "a.b": 7, "\u0041": "é", "twice": 1, "twice": 2, "open": "[{\\"} "#;
        for (path, value) in [
            ("$.a.b[0]", Some("10")),
            ("a.b[0]", Some("10")),
            ("$.a.b[1]['c d']", Some("xé\"y")),
            ("$['a.b']", Some("7")),
            ("$.price", Some("1.50")),
            ("big", Some("12345678901234567890.10")),
            ("no", None),
            ("yes", Some("true")),
            ("A", Some("é")),
            ("twice", Some("2")),
            ("open", Some("[{\\")),
            ("a.b[2]", None),
            ("a.b[-1]", None),
            ("a.x", None),
            ("price.x", None),
            ("a..b", None),
            ("a.b[", None),
            ("a['", None),
            ("$.a.b", Some(r#"[10, {"c d": "x\u00e9\"y"}]"#)),
        ] {
            assert_eq!(json_value(text, path).as_deref(), value, "{path}");
        }
        assert_eq!(json_value("12", "$").as_deref(), Some("12"));
        assert_eq!(json_value("[]", "[0]"), None);
        for text in ["", "not json", "{", "{\"a\": 1} x", "{'a': 1}"] {
            assert_eq!(json_value(text, "a"), None, "{text}");
        }
    }

    proptest! {
        /// Whatever a text holds, it comes back; and no text and no path brings it down.
        #[test]
        fn texts_survive(name in "[a-z]{1,5}", text in any::<String>(), path in any::<String>()) {
            let object = serde_json::json!({ "first": [{ "x": text.clone() }], name.clone(): { "in": text.clone() } }).to_string();
            prop_assert_eq!(json_value(&object, &format!("$.{name}.in")), Some(text.clone()));
            let _ = json_value(&object, &path);
            let _ = json_value(&text, &path);
        }
    }
}
