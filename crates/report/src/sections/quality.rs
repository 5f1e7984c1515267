//! How good the data are: what was rejected, what stayed unattributed and why, what has no channel.

use std::collections::BTreeMap;

use attributary_core::value::Value;
use maud::html;

use super::Block;
use super::shown::{absent, heading, says};
use crate::cell::Cell;
use crate::data_table::{DataTable, Head};
use crate::error::ReportError;
use crate::facts::Facts;
use crate::number::grouped;
use crate::sums::{NOT_SET, Sum, add};

/// The reasons of the engine, in words.
const REASONS: &[(&str, &str)] = &[
    ("identity_missing", "the conversion names no customer"),
    ("no_touch", "none of the customer's touches lies within the window"),
    ("consumed", "all of those lie at or before the previous conversion"),
    ("ignored", "the model's or the pipeline's rules left nothing"),
    ("null_customer", "the touch names no customer"),
    ("null_id", "the conversion has no id"),
    ("null_time", "there is no time, or text that is none"),
    ("invalid_value", "a value is missing, no number, or too large"),
    ("missing_rate", "the currency is not known, or has no rate of that day or the seven days before"),
    ("refund_without_order", "no accepted conversion is the order that it takes back"),
    ("duplicate_id", "the same row, or a conversion with the same id, came before"),
];

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    let mut blocks = vec![heading("Rejected rows"), Block::Table(rejects(facts)), heading("Unattributed, by reason")];
    match unattributed(facts)? {
        Some(table) => blocks.push(Block::Table(table)),
        None => blocks.push(says("Every accepted conversion got a touch, under every model and window.")),
    }
    blocks.push(heading("Without a channel"));
    match not_set(facts) {
        Some(table) => blocks.push(Block::Table(table)),
        None => {
            let how = html! { "Add a " code { "[[table]]" } " with " code { "by = [\"channel\"]" } "." };
            blocks.push(absent("No table of this run has conversions by channel.", &how));
        }
    }
    Ok(blocks)
}

/// Rejected rows by source and reason, beside all rows read. From the manifest, which counts them.
fn rejects(facts: &Facts) -> DataTable {
    let read = facts.run.sources.iter().map(|(source, rows)| format!("{} {source}", grouped(&rows.read.to_string())));
    let mut table = DataTable::new("t-rejects", "Rejected rows", "rejects")
        .defined(format!(
            "Rows of the sources that were not accepted, whichever model and window. Read: {}.",
            read.collect::<Vec<_>>().join(", ")
        ))
        .heads(["source", "reason"].map(Head::text))
        .heads(["rows", "share of rows read"].map(Head::number))
        .heads([Head::text("meaning")]);
    for (source, rows) in &facts.run.sources {
        for (reason, rejected) in &rows.rejected {
            let share = Cell::percent((*rejected).into(), rows.read.into());
            table.row(vec![Cell::text(source), Cell::text(reason), Cell::count(*rejected), share, meaning(reason)]);
        }
    }
    table
}

fn unattributed(facts: &Facts) -> Result<Option<DataTable>, ReportError> {
    // By the places of window and model, so that they come in the pipeline's order.
    let mut sums: BTreeMap<(usize, usize, String, String, String), Sum> = BTreeMap::new();
    facts.run.scan_named("unattributed", |row| {
        let text = |column: &str| row.text(column).unwrap_or_default().to_owned();
        let (model, window) = (text("model"), text("window"));
        let key = (facts.run.window_place(&window), facts.run.model_place(&model), window, model, text("reason"));
        let sum = sums.entry(key).or_default();
        // A refund takes values off, and is no conversion.
        let refund = row.value("refund").is_some_and(|(refund, _)| refund == Value::Boolean(true));
        sum.conversions += i128::from(!refund);
        sum.values.resize(facts.run.values.len(), 0);
        facts.run.values.iter().zip(&mut sum.values).try_for_each(|(value, sum)| add(sum, row, "unattributed", &value.name))
    })?;
    if sums.is_empty() {
        return Ok(None);
    }
    let values = facts
        .run
        .values
        .iter()
        .flat_map(|value| [Head::number(&value.name).note(&value.currency), Head::number("of source").note(&value.name)]);
    let mut table = DataTable::new("t-unattributed", "Unattributed conversions by reason", "unattributed")
        .defined("Accepted conversions that no touch got, under each model and window, and their part of the ledger's source; refunds are taken off.")
        .heads([Head::text("reason"), Head::text("window"), Head::text("model"), Head::number("conversions")])
        .heads(values)
        .heads([Head::text("meaning")]);
    for ((_, _, window, model, reason), sum) in &sums {
        let mut row = vec![Cell::text(reason), Cell::text(window), Cell::text(model), Cell::count(sum.conversions)];
        for (place, value) in facts.run.values.iter().enumerate() {
            let source = facts.line(model, window, &value.name).map_or(0, |line| line.source);
            row.extend([Cell::amount(sum.value(place), value), Cell::percent(sum.value(place), source)]);
        }
        row.push(meaning(reason));
        table.row(row);
    }
    Ok(Some(table))
}

/// What touches without a channel got, of all that was attributed.
fn not_set(facts: &Facts) -> Option<DataTable> {
    let sums = facts.channels.as_ref()?;
    let heads = facts
        .run
        .values
        .iter()
        .flat_map(|value| [Head::number(&value.name).note(&value.currency), Head::number("of attributed").note(&value.name)]);
    let mut table = DataTable::new("t-not-set", format!("Share of {NOT_SET}"), &sums.table)
        .defined("What touches without a channel got, and its part of all that was attributed, under each model and window.")
        .heads([Head::text("model"), Head::text("window"), Head::number("conversions")])
        .heads(heads);
    let names = [NOT_SET.to_owned()];
    for (model, window) in &sums.pairs {
        let sum = sums.of(model, window, &names);
        let name = if facts.run.additive(model) { model.clone() } else { format!("{model} (not additive)") };
        let mut row = vec![Cell::text(&name), Cell::text(window), Cell::conversions(sum.conversions)];
        for (place, value) in facts.run.values.iter().enumerate() {
            let attributed = facts.line(model, window, &value.name).map_or(0, |line| line.attributed);
            row.extend([Cell::amount(sum.value(place), value), Cell::percent(sum.value(place), attributed)]);
        }
        table.row(row);
    }
    Some(table)
}

fn meaning(reason: &str) -> Cell {
    REASONS.iter().find(|(name, _)| *name == reason).map_or(Cell::Empty, |(_, words)| Cell::text(words))
}
