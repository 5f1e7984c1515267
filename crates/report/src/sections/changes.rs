//! What changed since an earlier run, and why: the causes of a channel add up to its whole change.

use attributary_store::{Cause, DiffReport, Side};
use maud::html;

use super::Block;
use super::shown::{absent, heading, says};
use crate::cell::Cell;
use crate::data_table::{DataTable, Head};
use crate::error::ReportError;
use crate::facts::Facts;
use crate::number::things;

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    let Some(diff) = &facts.diff else {
        let how = html! { "Write the report with " code { "--against" } " and the folder of an earlier run." };
        return Ok(vec![absent("Nobody asked for a comparison.", &how)]);
    };
    let (before, after) = (&diff.before, &diff.after);
    let mut blocks = vec![says(format!("From run {} to run {}. {}", side(before), side(after), in_short(diff)))];
    blocks.push(Block::Table(totals(diff)));
    if !diff.causes.is_empty() {
        blocks.push(heading("Why"));
        blocks.push(Block::Table(causes(diff)));
    }
    if !diff.spend.is_empty() {
        blocks.push(Block::Table(spend(diff)));
    }
    if !diff.conversions.is_empty() {
        blocks.push(Block::Table(conversions(diff)));
    }
    blocks.extend(diff.notes.iter().map(says));
    let mut details = Vec::new();
    if !diff.settings.is_empty() {
        details.push(Block::Table(settings(diff)));
    }
    if !diff.inputs.is_empty() {
        details.push(Block::Table(inputs(diff)));
    }
    details.push(Block::Table(tables(diff)));
    blocks.push(Block::Folded("Settings, files and tables that changed".to_owned(), details));
    Ok(blocks)
}

fn side(side: &Side) -> String {
    format!("{} ({})", crate::cell::shortened(&side.run_id, 128), side.finished)
}

fn in_short(diff: &DiffReport) -> String {
    match diff.causes.len() {
        0 => "No channel got anything else than before.".to_owned(),
        causes => format!("{} below: the changes of a channel add up to the difference exactly.", things(causes, "cause")),
    }
}

/// An amount that is a decimal already.
fn amount(decimal: &str) -> Cell {
    Cell::Number { shown: crate::number::grouped(decimal), exact: decimal.to_owned() }
}

/// What was attributed under each model and window before and after.
fn totals(diff: &DiffReport) -> DataTable {
    let mut table = DataTable::new("t-changes", "Attributed before and after", "ledger")
        .defined(format!(
            "From both ledgers, in {}. Of a model that is not additive each conversion is counted once.",
            diff.currency
        ))
        .heads(["model", "window", "value"].map(Head::text))
        .heads(["before", "after", "change", "change of unattributed"].map(Head::number));
    for total in &diff.totals {
        for (place, value) in diff.values.iter().enumerate() {
            let amounts = [&total.before, &total.after, &total.change, &total.unattributed_change];
            let names = [&total.model, &total.window, value].map(|name| Cell::text(name));
            table.row_of(|| names.into_iter().chain(amounts.iter().map(|amounts| amount(&amounts[place]))).collect());
        }
    }
    table
}

/// Every change of a channel, by its cause.
fn causes(diff: &DiffReport) -> DataTable {
    let mut table = DataTable::new("t-causes", "Changes by cause and channel", "")
        .defined(format!("In {}. The causes with most change first.", diff.currency))
        .ordered("by what the cause changed")
        .heads(["cause", "model", "window", "channel"].map(Head::text))
        .heads(diff.values.iter().map(|value| Head::number(value)));
    for (cause, channel) in diff.causes.iter().flat_map(|cause| cause.channels.iter().map(move |channel| (cause, channel))) {
        table.row_of(|| {
            let names = [&channel.model, &channel.window, &channel.channel].map(|name| Cell::text(name));
            let amounts = channel.change.iter().map(|decimal| amount(decimal));
            std::iter::once(Cell::text(&in_words(cause))).chain(names).chain(amounts).collect()
        });
    }
    table
}

/// A cause with its extent.
fn in_words(cause: &Cause) -> String {
    let extent =
        [cause.days.map(|days| things(days as usize, "day")), cause.conversions.map(|all| things(all as usize, "conversion"))];
    let extent: Vec<String> = extent.into_iter().flatten().collect();
    if extent.is_empty() { cause.cause.clone() } else { format!("{} ({})", cause.cause, extent.join(", ")) }
}

fn spend(diff: &DiffReport) -> DataTable {
    let mut table = DataTable::new("t-changed-spend", "Spend that changed", "returns")
        .defined(format!("On all days together, in {}.", diff.currency))
        .ordered("by the change")
        .heads([Head::text("channel")])
        .heads(["before", "after", "change"].map(Head::number));
    for spend in &diff.spend {
        let amounts = [&spend.before, &spend.after, &spend.change].map(|decimal| amount(decimal));
        table.row_of(|| std::iter::once(Cell::text(&spend.channel)).chain(amounts).collect());
    }
    table
}

fn conversions(diff: &DiffReport) -> DataTable {
    let first = diff.values.first().map_or("", String::as_str);
    let mut table = DataTable::new("t-moved", "Conversions that moved most", "credits")
        .defined(format!("By what of their {first} went to other channels, under the model and window where it was most."))
        .ordered("by what moved")
        .heads(["conversion", "day", "model", "window"].map(Head::text))
        .heads([Head::number("moved"), Head::text("channels, before and after")]);
    for moved in &diff.conversions {
        let channels = moved.channels.iter().map(|(channel, before, after)| format!("{channel}: {before} → {after}"));
        let names = [&moved.conversion_id, &moved.day, &moved.model, &moved.window].map(|name| Cell::text(name));
        let channels = Cell::Text(crate::cell::shortened(&channels.collect::<Vec<_>>().join(", "), 500));
        table.row(names.into_iter().chain([amount(&moved.moved), channels]).collect());
    }
    table
}

fn settings(diff: &DiffReport) -> DataTable {
    let mut table = DataTable::new("t-changed-settings", "Settings that changed", "")
        .defined("What the pipelines of the two runs say otherwise, in words.")
        .heads(["setting", "before", "after"].map(Head::text));
    let text = |text: &Option<String>| text.as_ref().map_or(Cell::Empty, |text| Cell::Text(crate::cell::shortened(text, 500)));
    diff.settings.iter().for_each(|(name, before, after)| table.row(vec![Cell::text(name), text(before), text(after)]));
    table
}

fn inputs(diff: &DiffReport) -> DataTable {
    let mut table = DataTable::new("t-changed-files", "Files that changed", "")
        .defined("Files that one of the two runs read and the other did not, or not so.")
        .heads(["source", "file", "change"].map(Head::text))
        .heads(["rows before", "rows after"].map(Head::number));
    let rows = |rows: Option<u64>| rows.map_or(Cell::Empty, Cell::count);
    for file in &diff.inputs {
        let names = [&file.source, &file.path].map(|name| Cell::text(name));
        let counts = [Cell::text(file.change), rows(file.rows_before), rows(file.rows_after)];
        table.row_of(|| names.into_iter().chain(counts).collect());
    }
    table
}

fn tables(diff: &DiffReport) -> DataTable {
    let mut table = DataTable::new("t-changed-tables", "Tables of both runs", "")
        .defined("Rows are the same where all their cells are, files where all their bytes are: of a row that changed one is gone, and one is new.")
        .heads([Head::text("table")])
        .heads(["rows before", "rows gone", "rows new", "rows after", "files", "files that are the same"].map(Head::number));
    let rows = |rows: Option<u64>| rows.map_or(Cell::Empty, Cell::count);
    for changed in &diff.tables {
        let of_rows =
            [rows(changed.rows_before), Cell::count(changed.rows_gone), Cell::count(changed.rows_new), rows(changed.rows_after)];
        let counts = of_rows.into_iter().chain([Cell::len(changed.files), Cell::len(changed.same_files)]);
        table.row_of(|| std::iter::once(Cell::text(&changed.name)).chain(counts).collect());
    }
    table
}
