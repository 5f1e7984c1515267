//! What changed settings did: the earlier run's pipeline becomes the later one's step by step, and each step is computed.

use toml::{Table, Value};

use crate::again::Recipe;
use crate::error::Error;
use crate::options::Options;
use crate::plan::with_pipeline;

/// What a step replaces: words for it, a section and, where not all of it, a key. Narrow ones come before what is left of their
/// section. In this order settings are said to have changed.
const PARTS: [(&str, &str, Option<&str>); 13] = [
    ("the time zone of days", "pipeline", Some("timezone")),
    ("which touchpoints are read (source, where)", "touchpoints", Some("source")),
    ("which touchpoints are read (source, where)", "touchpoints", Some("where")),
    ("what touchpoints are (columns, channel rules)", "touchpoints", None),
    ("which conversions are read (source, where)", "conversions", Some("source")),
    ("which conversions are read (source, where)", "conversions", Some("where")),
    ("what conversions are (columns, values)", "conversions", None),
    ("which paths are read, and what they are", "paths", None),
    ("exchange rates", "fx", None),
    ("lookback windows", "journey", Some("windows")),
    ("journey rules", "journey", None),
    ("models", "model", None),
    ("spend, customers and returns", "returns", None),
];

/// Sections that go with `returns`: what they say reaches credit only through values of customers and the marketing model.
const WITH_RETURNS: [&str; 2] = ["customers", "spend"];

/// A pipeline on the way from one to another.
pub(super) struct Step {
    /// What changed since the one before.
    pub words: String,
    /// Its text.
    pub text: String,
}

/// The pipelines from one to another, in which nothing but what credit hangs on is changed; the last has all of it. None where
/// the texts cannot be read.
pub(super) fn steps(from: &Recipe, to: &Recipe) -> Option<Vec<Step>> {
    let (mut now, target): (Table, Table) = (from.text.parse().ok()?, to.text.parse().ok()?);
    let mut steps: Vec<Step> = Vec::new();
    // What cannot be without what comes after it is one step with that.
    let mut waiting: Vec<&str> = Vec::new();
    for (words, section, key) in PARTS {
        let before = now.clone();
        replace(&mut now, &target, section, key);
        if section == "returns" {
            WITH_RETURNS.iter().for_each(|section| replace(&mut now, &target, section, None));
        }
        if now == before && waiting.is_empty() {
            continue;
        }
        if now != before && !waiting.contains(&words) {
            waiting.push(words);
        }
        let recipe =
            Recipe { file: to.file.clone(), text: text_of(&now), overrides: Vec::new(), range: to.range, as_of: to.as_of };
        if is_valid(&recipe) {
            steps.push(Step { words: std::mem::take(&mut waiting).join(", "), text: recipe.text });
        }
    }
    if let (false, Some(last)) = (waiting.is_empty(), steps.last_mut()) {
        last.words = format!("{}, {}", last.words, waiting.join(", "));
    } else if !waiting.is_empty() {
        steps.push(Step { words: waiting.join(", "), text: to.text.clone() });
    }
    // Two keys of one name are one step.
    steps.dedup_by(|later, earlier| {
        let same = later.words == earlier.words;
        if same {
            earlier.text = std::mem::take(&mut later.text);
        }
        same
    });
    Some(steps)
}

/// The text with nothing to be written but one table by channel, and credits if wanted.
pub(super) fn narrowed(text: &str, credits: bool) -> Option<String> {
    let mut table: Table = text.parse().ok()?;
    let by_channel = [("name", Value::from("by_channel")), ("by", Value::from(vec!["channel"]))];
    let by_channel: Table = by_channel.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    table.insert("table".to_owned(), Value::Array(vec![Value::Table(by_channel)]));
    let output = [("credits", Value::from(credits)), ("paths", Value::from(0))];
    table.insert("output".to_owned(), Value::Table(output.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()));
    Some(text_of(&table))
}

/// Puts a section, or a key of it, of one table into another.
fn replace(now: &mut Table, target: &Table, section: &str, key: Option<&str>) {
    let Some(key) = key else {
        match target.get(section) {
            Some(value) => drop(now.insert(section.to_owned(), value.clone())),
            None => drop(now.remove(section)),
        }
        return;
    };
    let wanted = target.get(section).and_then(|section| section.get(key));
    match (now.get_mut(section).and_then(Value::as_table_mut), wanted) {
        (Some(table), Some(value)) => drop(table.insert(key.to_owned(), value.clone())),
        (Some(table), None) => {
            table.remove(key);
            if table.is_empty() && !target.contains_key(section) {
                now.remove(section);
            }
        }
        (None, Some(value)) => {
            let table: Table = [(key.to_owned(), value.clone())].into_iter().collect();
            now.insert(section.to_owned(), Value::Table(table));
        }
        (None, None) => {}
    }
}

/// A line a section, as a manifest has it.
fn text_of(table: &Table) -> String {
    table.iter().map(|(name, section)| format!("{} = {section}\n", Value::String(name.clone()))).collect()
}

/// Whether a pipeline makes sense as it stands, its sources aside.
fn is_valid(recipe: &Recipe) -> bool {
    let options = Options { pipeline: recipe.file.clone().into(), text: Some(recipe.text.clone()), ..Options::default() };
    with_pipeline(&options, |_, _| Ok::<(), Error>(())).is_ok()
}

#[cfg(test)]
mod tests {
    use attributary_engine::Range;

    use super::*;

    fn recipe(text: &str) -> Recipe {
        let head = "pipeline = { currency = \"SEK\" }\ntouchpoints = { source = \"t\", columns = { customer = \"c\", time = \"t\", channel = \"h\" }WHERE }\n\
                    conversions = { source = \"c\", columns = { id = \"i\", customer = \"c\", time = \"t\" }, values = { revenue = \"v\" } }\n";
        let (filter, rest) = text.split_once('|').expect("two parts");
        let text = head.replace("WHERE", filter) + rest;
        Recipe { file: "/p.toml".to_owned(), text, overrides: Vec::new(), range: Range::default(), as_of: None }
    }

    fn words(from: &str, to: &str) -> Vec<String> {
        steps(&recipe(from), &recipe(to)).expect("texts").into_iter().map(|step| step.words).collect()
    }

    #[test]
    fn a_step_for_each_part_that_changed() {
        let linear = "|model = [{ kind = \"linear\" }]\n";
        assert_eq!(words(linear, linear), Vec::<String>::new());
        assert_eq!(words(linear, &format!("{linear}output = {{ paths = 0 }}\n")), Vec::<String>::new());
        let other =
            ", where = \"h = 'a'\"|model = [{ kind = \"linear\", per = \"channel\" }]\njourney = { windows = [\"7d\"] }\n";
        assert_eq!(words(linear, other), ["which touchpoints are read (source, where)", "lookback windows", "models"]);
        assert_eq!(words(other, linear), ["which touchpoints are read (source, where)", "lookback windows", "models"]);
    }

    #[test]
    fn what_cannot_stand_alone_is_one_step_with_what_it_needs() {
        let click = ", dimensions = [\"land\"]|model = [{ kind = \"linear\", only = \"land = 'SE'\" }]\njourney = { window_unit = \"calendar_day\", windows = [\"7d\"] }\n";
        let hours = "|model = [{ kind = \"linear\" }]\njourney = { windows = [\"36h\"] }\n";
        // Hours are no calendar days.
        assert!(words(click, hours).contains(&"lookback windows, journey rules".to_owned()), "{:?}", words(click, hours));
    }

    #[test]
    fn the_last_step_has_all_that_credit_hangs_on() {
        let (from, to) = (
            recipe("|model = [{ kind = \"linear\" }]\n"),
            recipe(", where = \"h = 'a'\"|model = [{ kind = \"any_touch\" }]\njourney = { windows = [\"1d\"] }\n"),
        );
        let last = steps(&from, &to).expect("texts").pop().expect("a step").text;
        let table = |text: &str| text.parse::<Table>().expect("TOML");
        assert_eq!(table(&last), table(&to.text));
        let narrow = table(&narrowed(&to.text, true).expect("a text"));
        assert_eq!(narrow["output"]["credits"].as_bool(), Some(true));
        assert_eq!(narrow["table"].as_array().map(Vec::len), Some(1));
    }
}
