//! `[paths]`: journeys that were counted elsewhere, instead of touchpoints and conversions. Nobody knows when their touches were, so
//! whatever asks for that is refused.

use std::path::Path;

use super::error::{Fault, Problem};
use super::pipeline::{Column, Conversions, CountedPaths, Pipeline, Touchpoints};
use super::section::Section;
use super::sources;

const EXAMPLE: &str = "columns = { path = \"path\", conversions = \"total_conversions\" }";

/// The section, if it is there, and what it says as if there were touchpoints and conversions.
pub(super) fn paths(root: &Section<'_>, folder: &Path) -> Result<Option<(CountedPaths, Touchpoints, Conversions)>, Fault> {
    if root.get("paths").is_none() {
        return Ok(None);
    }
    let section = root.section("paths", &["source", "where", "missing_columns", "columns", "values", "separator"])?;
    for name in ["touchpoints", "conversions"] {
        if let Some(field) = root.get(name) {
            let problem =
                format!("there are [paths], which stand for touchpoints and conversions: expected no [{name}] beside them");
            let hint = Some(format!("remove [paths], or [{name}]"));
            return Err(field.fault(Problem::Invalid { problem, hint }));
        }
    }
    let columns = section.section("columns", &["path", "conversions", "null_journeys"])?;
    let (values, worths) = sources::values(&section.need("values", sources::VALUES_EXAMPLE)?, &[])?;
    if values.is_empty() {
        return Err(section.missing("values", sources::VALUES_EXAMPLE));
    }
    if let Some(worth) = worths.first() {
        return Err(section.fault(&format!("values.{}", worth.name), Problem::Timeless));
    }
    let source = sources::source(&section, folder)?;
    let path = sources::column(&columns.need("path", EXAMPLE)?)?;
    let counted = CountedPaths {
        conversions: sources::column(&columns.need("conversions", EXAMPLE)?)?,
        null_journeys: columns.get("null_journeys").map(|field| sources::column(&field)).transpose()?,
        separator: match section.get("separator") {
            Some(field) => field.text()?.to_owned(),
            None => ">".to_owned(),
        },
    };
    let nothing = || Column::Names(Vec::new());
    let touchpoints = Touchpoints {
        source: source.clone(),
        customer: nothing(),
        time: nothing(),
        channel: path.clone(),
        campaign: None,
        interaction: None,
        id: None,
        cost: None,
        dimensions: Vec::new(),
    };
    let conversions = Conversions {
        source,
        id: path,
        customer: nothing(),
        time: nothing(),
        kind: None,
        refund_of: None,
        currency: None,
        order_kinds: None,
        values,
        worths: Vec::new(),
    };
    Ok(Some((counted, touchpoints, conversions)))
}

/// Refuses the keys that ask when touches or conversions were.
pub(super) fn refuse_times(root: &Section<'_>) -> Result<(), Fault> {
    let timed: [(&str, &[&str]); 9] = [
        ("spend", &[]),
        ("fx", &[]),
        ("customers", &[]),
        ("returns", &[]),
        ("budget", &[]),
        ("journey", &["windows", "window_unit", "interaction_windows", "touch_reuse", "reuse_by"]),
        ("quality", &["max_age", "max_change"]),
        ("output", &["credits", "restatements"]),
        ("pipeline", &["timezone"]),
    ];
    for (name, keys) in timed {
        let Some(field) = root.get(name) else { continue };
        if keys.is_empty() {
            return Err(field.fault(Problem::Timeless));
        }
        let entries = field.entries("a table")?;
        let asks = |(key, field): &(&str, super::Field<'_>)| keys.contains(key) && !matches!(field.boolean(), Ok(false));
        if let Some((_, field)) = entries.into_iter().find(asks) {
            return Err(field.fault(Problem::Timeless));
        }
    }
    Ok(())
}

/// Refuses models that ask how old touches are.
pub(super) fn check(pipeline: &Pipeline) -> Result<(), Fault> {
    for model in pipeline.models.iter().filter(|_| pipeline.counted.is_some()) {
        let key = |name: &str| format!("model.{}.{name}", model.name);
        let learns_of_some = model.parameters.period("fit").is_ok_and(|period| period.is_some());
        let asks = if model.spec.timed { Some(key("kind")) } else { learns_of_some.then(|| key("fit")) };
        if let Some(key) = asks {
            return Err(Fault { place: pipeline.places.get(&key).copied(), key, problem: Problem::Timeless });
        }
    }
    Ok(())
}
