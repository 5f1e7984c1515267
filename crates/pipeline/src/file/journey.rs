//! `[journey]`: which touches of a customer belong to a conversion.

use attributary_core::duration::Window;

use super::document::Item;
use super::error::{Fault, Problem};
use super::pipeline::{Conversions, Ignore, IgnoreWhen, JourneyRules, Repeats, Reuse, Touchpoints};
use super::section::{Field, Section};

/// `timed`: whether anybody knows when touches were.
pub(super) fn journey(
    root: &Section<'_>,
    (touchpoints, conversions): (&Touchpoints, &Conversions),
    timed: bool,
) -> Result<JourneyRules, Fault> {
    let known = ["windows", "window_unit", "interaction_windows", "touch_reuse", "reuse_by", "repeats", "priority", "ignore"];
    let section = root.section("journey", &known)?;
    let calendar_days = choice(&section, "window_unit", &[("exact", false), ("calendar_day", true)])?;
    let rules = JourneyRules {
        windows: if timed { windows(&section, calendar_days)? } else { vec![Window::Paths] },
        calendar_days,
        interaction_windows: interaction_windows(&section, calendar_days)?,
        reuse: choice(
            &section,
            "touch_reuse",
            &[("overlap", Reuse::Overlap), ("since_previous_conversion", Reuse::SincePreviousConversion)],
        )?,
        reuse_by_kind: choice(&section, "reuse_by", &[("customer", false), ("kind", true)])?,
        repeats: choice(
            &section,
            "repeats",
            &[
                ("keep", Repeats::Keep),
                ("collapse_consecutive", Repeats::CollapseConsecutive),
                ("first", Repeats::First),
                ("last", Repeats::Last),
            ],
        )?,
        priority: priority(&section)?,
        ignore: section.get("ignore").map(|field| ignore(&field)).transpose()?,
    };
    let unmapped = |key: &str, column| section.fault(key, Problem::Unmapped { what: "this".to_owned(), column });
    let interaction = "touchpoints.columns.interaction";
    if touchpoints.interaction.is_none() && !rules.priority.is_empty() {
        return Err(unmapped("priority", interaction));
    }
    if touchpoints.interaction.is_none() && !rules.interaction_windows.is_empty() {
        return Err(unmapped("interaction_windows", interaction));
    }
    if conversions.kind.is_none() && rules.reuse_by_kind && rules.reuse == Reuse::SincePreviousConversion {
        return Err(unmapped("reuse_by", "conversions.columns.kind"));
    }
    Ok(rules)
}

/// One of some words; the first is the default.
fn choice<T: Copy>(section: &Section<'_>, name: &str, choices: &[(&str, T)]) -> Result<T, Fault> {
    section.get(name).map_or(Ok(choices[0].1), |field| field.choice(choices))
}

fn windows(section: &Section<'_>, calendar_days: bool) -> Result<Vec<Window>, Fault> {
    const EXAMPLE: &str = "[\"30d\"]";
    let Some(field) = section.get("windows") else {
        return Window::parse("30d")
            .map(|window| vec![window])
            .map_err(|problem| section.fault("windows", Problem::invalid(problem)));
    };
    let texts = field.texts(EXAMPLE)?;
    if texts.is_empty() {
        return Err(field.fault(Problem::invalid(format!("expected at least one window, such as {EXAMPLE}, found none"))));
    }
    texts.iter().map(|text| window(text, calendar_days)).collect()
}

fn interaction_windows(section: &Section<'_>, calendar_days: bool) -> Result<Vec<(String, Window)>, Fault> {
    let Some(field) = section.get("interaction_windows") else { return Ok(Vec::new()) };
    let entries = field.entries("a table of windows by interaction, such as { view = \"1d\" }")?;
    entries.iter().map(|(name, field)| Ok(((*name).to_owned(), window(field, calendar_days)?))).collect()
}

fn window(field: &Field<'_>, calendar_days: bool) -> Result<Window, Fault> {
    if !matches!(field.node.item, Item::Text(_)) {
        return Err(field.wrong("a window such as \"30d\""));
    }
    let window = Window::parse(field.text()?).map_err(|problem| field.fault(Problem::invalid(problem)))?;
    match &window {
        Window::Back(duration) if calendar_days && duration.whole_days().is_none() => {
            let hint = Some("give days or weeks, or window_unit = \"exact\"".to_owned());
            let problem = format!("expected whole days with window_unit = \"calendar_day\", found {:?}", window.to_string());
            Err(field.fault(Problem::Invalid { problem, hint }))
        }
        _ => Ok(window),
    }
}

fn priority(section: &Section<'_>) -> Result<Vec<String>, Fault> {
    let Some(field) = section.get("priority") else { return Ok(Vec::new()) };
    field.texts("[\"click\", \"view\"]")?.iter().map(|field| field.text().map(str::to_owned)).collect()
}

const IGNORE: &str = "{ where = \"channel = 'direct'\" }";

fn ignore(field: &Field<'_>) -> Result<Ignore, Fault> {
    field.entries(&format!("a table, such as {IGNORE}"))?;
    let section = field.section(&["where", "when"])?;
    let filter = section.need("where", &format!("ignore = {IGNORE}"))?.text()?.to_owned();
    Ok(Ignore {
        filter,
        when: choice(&section, "when", &[("others_exist", IgnoreWhen::OthersExist), ("always", IgnoreWhen::Always)])?,
    })
}
