//! How much hangs on the lookback window.

use maud::html;

use super::Block;
use super::shown::{MOST_TABLES, absent, says};
use crate::cell::Cell;
use crate::chart::{Chart, Kind};
use crate::data_table::{DataTable, Head};
use crate::error::ReportError;
use crate::facts::Facts;
use crate::number::{drawn, percent};
use crate::run::ValueColumn;
use crate::sums::Sums;

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    let windows = &facts.run.manifest().windows;
    let Some(value) = facts.run.main_value().filter(|_| windows.len() > 1) else {
        let one = windows.first().map_or_else(|| "no window".to_owned(), |window| format!("one window, {window}"));
        let how = html! { "Set " code { "windows = [\"7d\", \"30d\", \"90d\"]" } " in " code { "[journey]" } ": every window is computed in the same run." };
        return Ok(vec![absent(&format!("This run has {one}, so there is nothing to compare."), &how)]);
    };
    let mut blocks = vec![Block::Chart(chart(facts, value)), Block::Table(ledger(facts, value))];
    if let Some(sums) = &facts.channels {
        blocks.push(Block::Table(channels(facts, value, sums)));
    }
    if windows.len() > MOST_TABLES {
        blocks.push(says(format!("The first {MOST_TABLES} of {} windows; all are in the Parquet tables.", windows.len())));
    }
    Ok(blocks)
}

fn shown(facts: &Facts) -> Vec<&str> {
    facts.run.manifest().windows.iter().map(String::as_str).take(MOST_TABLES).collect()
}

/// What part of the source each model attributes under each window.
fn chart(facts: &Facts, value: &ValueColumn) -> Chart {
    let windows = shown(facts);
    let models = facts.run.manifest().models.iter().map(|model| model.name.as_str());
    let mut chart = Chart::new(Kind::Heat, "windows", format!("Share of the source's {} that is attributed", value.name), "t-windows")
        .defined("Every model under every window: attributed ÷ source, both from the ledger. A longer window reaches touches that lie further back.")
        .unit("attributed ÷ source")
        .percent()
        .rows(models)
        .series(windows.iter().copied());
    for (row, model) in facts.run.manifest().models.iter().enumerate() {
        for (series, window) in windows.iter().enumerate() {
            let Some(line) = facts.line(&model.name, window, &value.name) else { continue };
            if let (Some(number), Some(label)) = (drawn(line.attributed, line.source), percent(line.attributed, line.source)) {
                chart.mark(row, Some(series), number, label);
            }
        }
    }
    chart
}

fn ledger(facts: &Facts, value: &ValueColumn) -> DataTable {
    let windows = shown(facts);
    let heads =
        windows.iter().flat_map(|window| [Head::number(window).note("attributed"), Head::number(window).note("of source")]);
    let mut table = DataTable::new("t-windows", format!("Attributed {} by window", value.name), "ledger")
        .defined(format!(
            "Attributed {} in {}, and its part of the source, under each model and window.",
            value.name, value.currency
        ))
        .heads([Head::text("model")])
        .heads(heads);
    for model in &facts.run.manifest().models {
        let mut row = vec![Cell::text(&model.name)];
        for window in &windows {
            match facts.line(&model.name, window, &value.name) {
                Some(line) => row.extend([Cell::amount(line.attributed, value), Cell::percent(line.attributed, line.source)]),
                None => row.extend([Cell::Empty, Cell::Empty]),
            }
        }
        table.row(row);
    }
    table
}

/// What each channel gets under the first and the other windows, for every additive model.
fn channels(facts: &Facts, value: &ValueColumn, sums: &Sums) -> DataTable {
    let (main, windows) = (facts.run.main_model(), shown(facts));
    let mut table = DataTable::new("t-channel-windows", format!("Channels: {} by window under {main}", value.name), &sums.table)
        .defined(format!(
            "{} in {} of each channel under model {main}, for each window; spread = most − least, in percent of the most.",
            value.name, value.currency
        ))
        .ordered(format!("by {} under window {}", value.name, facts.run.main_window()))
        .heads([Head::text("channel")])
        .heads(windows.iter().map(|window| Head::number(window)))
        .heads([Head::number("spread"), Head::number("spread of most")]);
    for names in sums.ranked(main, facts.run.main_window(), 0) {
        table.row_of(|| {
            let amounts: Vec<_> = windows.iter().map(|window| sums.of(main, window, &names).value(0)).collect();
            let (least, most) = (amounts.iter().copied().min().unwrap_or(0), amounts.iter().copied().max().unwrap_or(0));
            let spread = most.saturating_sub(least);
            let mut row = vec![Cell::name(names.first().map(String::as_str))];
            row.extend(amounts.into_iter().map(|amount| Cell::amount(amount, value)));
            row.extend([Cell::amount(spread, value), Cell::percent(spread, most)]);
            row
        });
    }
    table
}
