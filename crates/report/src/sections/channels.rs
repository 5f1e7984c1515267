//! What each channel got under every model, side by side.

use maud::html;

use super::Block;
use super::shown::{CHART_ROWS, MOST_TABLES, absent, others, says};
use crate::cell::Cell;
use crate::chart::{Chart, Kind};
use crate::data_table::{DataTable, Head};
use crate::error::ReportError;
use crate::facts::{Facts, channel_words};
use crate::number::{drawn, percent, things};
use crate::run::ValueColumn;
use crate::sums::{Sums, UNATTRIBUTED};

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    let Some((value, sums)) = facts.main() else {
        let how = html! { "Add a " code { "[[table]]" } " with " code { "by = [\"channel\"]" } "." };
        return Ok(vec![absent("No table of this run has conversions by channel.", &how)]);
    };
    let window = facts.run.main_window();
    let mut blocks = vec![
        Block::Chart(stacks(facts, value, sums)),
        Block::Table(matrix(facts, sums, "t-channels".to_owned(), What::Value(0), window)),
        Block::Table(shares(facts, value, sums)),
    ];
    if !sums.left_out.is_empty() {
        blocks.push(says(format!(
            "Left out, as what they give does not add up over the rows of {}: {}. A table with by = [\"channel\"] has them.",
            sums.table,
            sums.left_out.join(", ")
        )));
    }
    let mut more = Vec::new();
    for (window_place, window) in facts.run.manifest().windows.iter().enumerate().take(MOST_TABLES) {
        for place in 0..facts.run.values.len().min(MOST_TABLES) {
            if (window_place, place) != (0, 0) {
                more.push(Block::Table(matrix(
                    facts,
                    sums,
                    format!("t-channels-{window_place}-{place}"),
                    What::Value(place),
                    window,
                )));
            }
        }
        more.push(Block::Table(matrix(facts, sums, format!("t-channels-{window_place}-n"), What::Conversions, window)));
    }
    let (values, windows) = (facts.run.values.len(), facts.run.manifest().windows.len());
    if values.max(windows) > MOST_TABLES {
        more.push(says(format!("The first {MOST_TABLES} windows and values; all are in the Parquet table {}.", sums.table)));
    }
    blocks.push(Block::Folded(format!("Conversions, and {} more under every model", things(more.len() - 1, "table")), more));
    Ok(blocks)
}

/// What a matrix shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Value(usize),
    Conversions,
}

/// Channels down, models across.
fn matrix(facts: &Facts, sums: &Sums, id: String, what: What, window: &str) -> DataTable {
    let models = sums.models(window);
    let (name, unit) = match what {
        What::Value(place) => {
            facts.run.values.get(place).map_or((String::new(), String::new()), |it| (it.name.clone(), it.currency.clone()))
        }
        What::Conversions => ("conversions".to_owned(), "shares of conversions".to_owned()),
    };
    let main = facts.run.main_model();
    let mut table = DataTable::new(&id, format!("Channels: {name} under every model, window {window}"), &sums.table)
        .defined(format!("{name} in {unit}: what each channel got under each model, window {window}; {}.", channel_words()))
        .ordered(format!("by {name} under {main}"))
        .heads([Head::text("channel")])
        .heads(models.iter().map(|model| model_head(facts, model)));
    let order = if let What::Value(place) = what { place } else { 0 };
    let mut channels = sums.ranked(main, window, order);
    let unattributed = vec![UNATTRIBUTED.to_owned()];
    if models.iter().any(|model| sums.groups(model, window).is_some_and(|groups| groups.contains_key(&unattributed))) {
        // Near the top where the table is cut, so that it is always seen.
        channels.insert(channels.len().min(crate::data_table::MOST_ROWS - 1), unattributed);
    }
    for names in channels {
        let mut row = vec![Cell::name(names.first().map(String::as_str))];
        row.extend(models.iter().map(|model| {
            let sum = sums.of(model, window, &names);
            match (what, facts.run.values.get(order)) {
                (What::Value(place), Some(value)) => Cell::amount(sum.value(place), value),
                _ => Cell::conversions(sum.conversions),
            }
        }));
        table.row(row);
    }
    table
}

/// A model as the head of a column.
pub(super) fn model_head(facts: &Facts, model: &str) -> Head {
    let head = Head::number(model);
    if facts.run.additive(model) { head } else { head.note("not additive") }
}

/// The part of each channel in what a model attributed.
fn shares(facts: &Facts, value: &ValueColumn, sums: &Sums) -> DataTable {
    let (main, window) = (facts.run.main_model(), facts.run.main_window());
    let models = sums.models(window);
    let mut table =
        DataTable::new("t-shares", format!("Channels: share of attributed {}, window {window}", value.name), &sums.table)
            .defined(format!(
                "What each channel got, divided by what all touches got under the same model, window {window}. \
             Under models that are not additive a conversion counts for several channels, so their column is more than 100%."
            ))
            .ordered(format!("by {} under {main}", value.name))
            .heads([Head::text("channel")])
            .heads(models.iter().map(|model| model_head(facts, model)));
    let wholes: Vec<_> = models.iter().map(|model| attributed(facts, sums, model, value)).collect();
    for names in sums.ranked(main, window, 0) {
        let mut row = vec![Cell::name(names.first().map(String::as_str))];
        row.extend(
            models.iter().zip(&wholes).map(|(model, whole)| Cell::percent(sums.of(model, window, &names).value(0), *whole)),
        );
        table.row(row);
    }
    table
}

/// What a model attributed: as the ledger says, as only it counts each conversion once under every model.
fn attributed(facts: &Facts, sums: &Sums, model: &str, value: &ValueColumn) -> i128 {
    let window = facts.run.main_window();
    let line = facts.line(model, window, &value.name).map(|line| line.attributed);
    line.unwrap_or_else(|| sums.attributed(model, window, 0))
}

/// One bar per additive model, the largest channels apart and the others together.
fn stacks(facts: &Facts, value: &ValueColumn, sums: &Sums) -> Chart {
    let (main, window) = (facts.run.main_model(), facts.run.main_window());
    let models = facts.additive_models(sums, window);
    let ranked = sums.ranked(main, window, 0);
    let (first, further) =
        ranked.split_at(ranked.len().min(if ranked.len() > CHART_ROWS + 1 { CHART_ROWS } else { ranked.len() }));
    let names = first.iter().filter_map(|names| names.first()).map(String::as_str);
    let rest_name = others(further.len());
    let names: Vec<_> = names.chain((!further.is_empty()).then_some(rest_name.as_str())).collect();
    let rest = if further.is_empty() { String::new() } else { format!(" {rest_name} is the exact sum of all further channels.") };
    let mut chart = Chart::new(Kind::Stack, "channels", format!("Share of attributed {} by channel", value.name), "t-shares")
        .defined(format!("Every additive model, window {window}: each bar is all that the model attributed.{rest}"))
        .unit(format!("share of attributed {}", value.name))
        .percent()
        .rows(models.iter().copied())
        .series(names);
    for (row, model) in models.iter().enumerate() {
        let whole = sums.attributed(model, window, 0);
        let of = |names: &Vec<String>| sums.of(model, window, names).value(0);
        let rest = (!further.is_empty()).then(|| further.iter().map(of).fold(0_i128, i128::saturating_add));
        for (series, part) in first.iter().map(of).chain(rest).enumerate() {
            if let (Some(number), Some(label)) = (drawn(part, whole), percent(part, whole)) {
                chart.mark(row, Some(series), number, label);
            }
        }
    }
    chart
}
