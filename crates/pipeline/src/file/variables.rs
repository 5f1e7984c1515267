//! `${NAME}` in a text is the environment's variable of that name; `$${` is a literal `${`.

use super::error::Problem;

/// The text with every variable replaced.
pub(super) fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, Problem> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &from[2..];
            continue;
        }
        expanded.push_str(before);
        let Some((name, after)) = from[2..].split_once('}').filter(|(name, _)| is_name(name)) else {
            return Err(Problem::VariableSyntax(from.chars().take(20).collect()));
        };
        expanded.push_str(&variable(name).ok_or_else(|| Problem::VariableUnset(name.to_owned()))?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_once() {
        let variable = |name: &str| match name {
            "A" => Some("${B}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let expanded = |text| expand(text, &variable).map_err(|problem| problem.to_string());
        for (text, expected) in [
            ("nothing to do", "nothing to do"),
            ("<${A}>", "<${B}>"),
            ("${EMPTY}${A}", "${B}"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$5 and {x}", "$5 and {x}"),
            ("regex$", "regex$"),
        ] {
            assert_eq!(expanded(text), Ok(expected.to_owned()), "{text}");
        }
        for text in ["${", "${}", "${A", "${1}", "${A B}", "${NOT_SET}"] {
            assert!(expanded(text).is_err(), "{text}");
        }
    }
}
