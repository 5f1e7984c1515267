//! How the budget is divided, and what a further unit of spend went along with.

use maud::html;

use super::Block;
use super::shown::{absent, every_column, under, weighted_rows};
use crate::chart::{Chart, Kind};
use crate::data_table::DataTable;
use crate::error::ReportError;
use crate::facts::Facts;
use crate::number::float;
use crate::scan::Row;
use crate::spend::ALL;

/// A chart of intervals has room for this many channels.
const MOST_CHANNELS: usize = 15;

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    let has = |name: &str| facts.run.table(name).is_some_and(|table| table.rows > 0);
    let mut blocks = Vec::new();
    if has("budget") {
        blocks.extend(both(facts, "budget", &budget(facts))?);
    } else {
        let how = html! { "Add " code { "[budget]" } " with goals or stages to a pipeline that has " code { "[[spend]]" } "." };
        blocks.push(absent("This run has no budget.", &how));
    }
    if has("what_if") {
        let chart = chart(facts)?;
        if !chart.is_empty() {
            blocks.push(Block::Chart(chart));
        }
        blocks.extend(both(facts, "what_if", &what_if())?);
    } else {
        let how = html! { "It takes " code { "[[spend]]" } " over enough weeks to fit a line." };
        blocks.push(absent("This run does not say what a further unit of spend went along with.", &how));
    }
    Ok(blocks)
}

/// What a table is called and what its columns are.
struct Words {
    id: &'static str,
    title: &'static str,
    definition: String,
    /// Columns that are shown in percent.
    fractions: &'static [&'static str],
}

fn budget(facts: &Facts) -> Words {
    let currency = facts.run.main_value().map_or("", |value| &value.currency);
    Words {
        id: "t-budget",
        title: "Budget by goal and stage",
        definition: format!(
            "Share = spend of the part ÷ all spend of the period; the verdict says where it lies between the targets. Values are what \
             was attributed to the part; ROAS, CAC and LTV:CAC are from the sums of the row, new and returning ROAS of first and of \
             later orders; a year before are the same days then. Amounts in {currency}."
        ),
        fractions: &["share", "target_low", "target_high"],
    }
}

fn what_if() -> Words {
    Words {
        id: "t-what-if",
        title: "What a further unit of spend went along with",
        definition: "Marginal return: how much more attributed revenue went along with one more unit of spend on the channel, over so many \
             periods (least squares); low and high are the ends of its 90 % interval, and the verdict says no more than these. An \
             association, not an effect, and no sum: it is not part of the ledger. Only an experiment can tell what more spend would bring."
            .to_owned(),
        fractions: &[],
    }
}

/// A table under the main model and window; behind it, folded, under the others in the pipeline's order.
fn both(facts: &Facts, source: &str, words: &Words) -> Result<Vec<Block>, ReportError> {
    let (model, window) = (facts.run.main_model(), facts.run.main_window());
    let is_main = |row: Row<'_>| row.text("model") == Some(model) && row.text("window") == Some(window);
    let table = |id: &str, title: String| DataTable::new(id, title, source).defined(&words.definition);
    // The whole time comes first, by spend; its periods behind it, in their order.
    let main = weighted_rows(
        &facts.run,
        source,
        table(words.id, format!("{}, model {model}, window {window}", words.title)),
        every_column(&facts.run, source, &["model", "window"], words.fractions)?,
        |row| if row.text("period") == Some(ALL) { row.int("spend").unwrap_or(0).max(0) } else { -1 },
        is_main,
    )?;
    let place = |row: Row<'_>| {
        let places = (facts.run.model_place(row.text("model")?), facts.run.window_place(row.text("window")?));
        Some(-(i128::try_from(places.0).ok()?.checked_mul(1 << 60)?.checked_add(i128::try_from(places.1).ok()?)?))
    };
    let others = weighted_rows(
        &facts.run,
        source,
        table(&format!("{}-others", words.id), format!("{}, every other model and window", words.title))
            .ordered("in the order of the models"),
        every_column(&facts.run, source, &[], words.fractions)?,
        |row| place(row).unwrap_or(i128::MIN),
        |row| !is_main(row),
    )?;
    let mut blocks = vec![Block::Table(main)];
    if others.whole.rows > 0 {
        blocks.push(Block::Folded(format!("{}: the other models and windows", words.title), vec![Block::Table(others)]));
    }
    Ok(blocks)
}

fn chart(facts: &Facts) -> Result<Chart, ReportError> {
    let (model, window) = (facts.run.main_model(), facts.run.main_window());
    let mut rows: Vec<(String, f64, [f64; 2])> = Vec::new();
    let mut all = 0_usize;
    facts.run.scan_named("what_if", |row| {
        if row.text("model") == Some(model)
            && row.text("window") == Some(window)
            && let (Some(number), Some(low), Some(high)) = (row.drawn("marginal_return"), row.drawn("low"), row.drawn("high"))
        {
            all += 1;
            if rows.len() < MOST_CHANNELS {
                let name = row.text("channel").unwrap_or_default();
                let period = row.text("period").unwrap_or_default();
                rows.push((if period.is_empty() { name.to_owned() } else { format!("{name}, {period}") }, number, [low, high]));
            }
        }
        Ok(())
    })?;
    let cut = if all > rows.len() { format!(" The first {} of {all}.", rows.len()) } else { String::new() };
    let mut chart = Chart::new(Kind::Interval, "what-if", "What a further unit of spend went along with", "t-what-if")
        .defined(format!(
            "{} Estimate, with its 90 % interval; an association, not an effect. At 1 revenue grew by as much as spend.{cut}",
            under(model, window)
        ))
        .unit("marginal return")
        .rows(rows.iter().map(|(name, ..)| name.as_str()));
    for (row, (_, number, between)) in rows.iter().enumerate() {
        chart.interval(row, *number, *between, format!("{} ({} to {})", float(*number), float(between[0]), float(between[1])));
    }
    Ok(chart)
}
