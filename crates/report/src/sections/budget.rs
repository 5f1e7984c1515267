//! How the budget is divided, and what a further unit of spend went along with.

use maud::html;

use super::Block;
use super::shown::{absent, every_column, rows_as_they_stand, under};
use crate::chart::{Chart, Kind};
use crate::data_table::DataTable;
use crate::error::ReportError;
use crate::facts::Facts;
use crate::number::float;

/// A chart of intervals has room for this many channels.
const MOST_CHANNELS: usize = 15;

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    let has = |name: &str| facts.run.table(name).is_some_and(|table| table.rows > 0);
    let mut blocks = Vec::new();
    if has("budget") {
        blocks.push(Block::Table(budget(facts)?));
    } else {
        let how = html! { "Add " code { "[budget]" } " with goals or stages to a pipeline that has " code { "[[spend]]" } "." };
        blocks.push(absent("This run has no budget.", &how));
    }
    if has("what_if") {
        let chart = chart(facts)?;
        if !chart.is_empty() {
            blocks.push(Block::Chart(chart));
        }
        blocks.push(Block::Table(what_if(facts)?));
    } else {
        let how = html! { "It takes " code { "[[spend]]" } " over enough weeks to fit a line." };
        blocks.push(absent("This run does not say what a further unit of spend went along with.", &how));
    }
    Ok(blocks)
}

fn budget(facts: &Facts) -> Result<DataTable, ReportError> {
    let currency = facts.run.main_value().map_or("", |value| &value.currency);
    let table = DataTable::new("t-budget", "Budget by goal and stage", "budget").defined(format!(
        "Share = spend of the part ÷ spend of its period; the verdict says where it lies between the two targets. Amounts in {currency}; \
         each row with its model and window; ratios are from the sums of the row."
    ));
    let columns = every_column(&facts.run, "budget", &[], &["share", "target_low", "target_high"])?;
    rows_as_they_stand(&facts.run, "budget", table, columns, None, |_| true)
}

fn what_if(facts: &Facts) -> Result<DataTable, ReportError> {
    let table = DataTable::new("t-what-if", "What a further unit of spend went along with", "what_if").defined(
        "Marginal return: how much more attributed revenue went along with one more unit of spend on the channel, over the periods \
         counted (least squares, with the standard error and a 90 % interval). An association, not an effect, and no sum: it is not \
         part of the ledger. Only an experiment can tell what more spend would bring.",
    );
    let columns = every_column(&facts.run, "what_if", &[], &[])?;
    rows_as_they_stand(&facts.run, "what_if", table, columns, None, |_| true)
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
