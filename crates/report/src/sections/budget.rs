//! How the budget is divided, and what the next unit of spend would bring.

use maud::html;

use super::Block;
use super::shown::{absent, rows_as_they_stand, under, want, want_fraction};
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
        let how = html! { "It takes " code { "[[spend]]" } " over enough periods to fit a curve." };
        blocks.push(absent("This run does not say what the next unit of spend would bring.", &how));
    }
    Ok(blocks)
}

fn budget(facts: &Facts) -> Result<DataTable, ReportError> {
    let currency = facts.run.main_value().map_or("", |value| &value.currency);
    let table = DataTable::new("t-budget", "Budget by goal and stage", "budget").defined(format!(
        "Share = spend of the part ÷ spend of its period; the verdict says where it lies between the two targets. Amounts in {currency}; \
         each row with its model and window; ratios are from the sums of the row."
    ));
    let mut columns: Vec<_> =
        ["by", "part", "period", "period_start", "model", "window", "spend"].into_iter().map(want).collect();
    columns.extend(["share", "target_low", "target_high"].into_iter().map(want_fraction));
    columns.push(want("verdict"));
    columns.extend(facts.run.values.iter().map(|value| want(&value.name)));
    columns
        .extend(["roas", "cac", "ltv_cac", "spend_year_before", "value_year_before", "roas_year_before"].into_iter().map(want));
    rows_as_they_stand(&facts.run, "budget", table, columns, None, |_| true)
}

fn what_if(facts: &Facts) -> Result<DataTable, ReportError> {
    let table = DataTable::new("t-what-if", "The next unit of spend", "what_if").defined(
        "Marginal return: what one more unit of spend a period would bring, estimated from how the channel's value followed its spend over \
         the periods counted; low and high bound it with the given standard error. An estimate, not a sum: it is not part of the ledger.",
    );
    let names = [
        "model",
        "window",
        "channel",
        "period",
        "periods",
        "spend_per_period",
        "marginal_return",
        "standard_error",
        "low",
        "high",
        "verdict",
    ];
    rows_as_they_stand(&facts.run, "what_if", table, names.into_iter().map(want).collect(), Some("spend_per_period"), |_| true)
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
    let mut chart = Chart::new(Kind::Interval, "what-if", "Return of the next unit of spend", "t-what-if")
        .defined(format!(
            "{} Estimate, with its low and high end. Above 1 one more unit brings more than it costs.{cut}",
            under(model, window)
        ))
        .unit("marginal return")
        .rows(rows.iter().map(|(name, ..)| name.as_str()));
    for (row, (_, number, between)) in rows.iter().enumerate() {
        chart.interval(row, *number, *between, format!("{} ({} to {})", float(*number), float(between[0]), float(between[1])));
    }
    Ok(chart)
}
