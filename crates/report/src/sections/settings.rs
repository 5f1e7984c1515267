//! The pipeline in words, as far as the manifest tells.

use maud::html;

use super::Block;
use super::shown::says;
use crate::cell::{Cell, shortened};
use crate::data_table::{DataTable, Head};
use crate::error::ReportError;
use crate::facts::Facts;
use crate::number::{bytes, grouped, things};

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    let manifest = facts.run.manifest();
    let currencies =
        facts.run.values.iter().map(|value| format!("{} in {}", value.name, value.currency)).collect::<Vec<_>>().join(", ");
    let mut facts_in_words = vec![
        ("Pipeline".to_owned(), manifest.pipeline.clone()),
        ("Run".to_owned(), manifest.run_id.clone()),
        ("Conversion days".to_owned(), range_words(facts)),
        ("Values".to_owned(), currencies),
        ("Windows".to_owned(), manifest.windows.join(", ")),
        ("Started".to_owned(), manifest.started.clone()),
        ("Finished".to_owned(), manifest.finished.clone()),
        ("Most memory held".to_owned(), bytes(manifest.peak_memory_bytes)),
        ("Version".to_owned(), format!("attributary {}", manifest.version)),
        ("Pipeline file, SHA-256".to_owned(), manifest.pipeline_sha256.clone()),
        ("Settings, SHA-256".to_owned(), manifest.settings_sha256.clone()),
    ];
    facts_in_words.extend(facts.run.settings.iter().cloned());
    let list = html! {
        dl.facts {
            @for (name, text) in facts_in_words.iter().filter(|(_, text)| !text.is_empty()) {
                div { dt { bdi { (shortened(name, 120)) } } dd { bdi { (shortened(text, 1_000)) } } }
            }
        }
    };
    let mut blocks = vec![Block::Html(list), Block::Table(models(facts))];
    blocks.push(Block::Folded(
        "Files read and tables written".to_owned(),
        vec![Block::Table(inputs(facts)), Block::Table(tables(facts))],
    ));
    if facts.run.settings.is_empty() {
        blocks.insert(
            1,
            says("The pipeline file itself has the rest: columns, rules of the journey, and what each model was set to."),
        );
    }
    Ok(blocks)
}

/// The conversion days of the run.
pub(crate) fn range_words(facts: &Facts) -> String {
    let range = &facts.run.manifest().range;
    match (&range.from, &range.to) {
        (None, None) => "all days".to_owned(),
        (Some(from), None) => format!("from {from}"),
        (None, Some(to)) => format!("before {to}"),
        (Some(from), Some(to)) => format!("from {from}, before {to}"),
    }
}

fn models(facts: &Facts) -> DataTable {
    let mut table = DataTable::new("t-models", "Models", "")
        .defined("In the pipeline's order. What an additive model gives adds up to the conversions.")
        .heads([Head::text("model"), Head::text("kind"), Head::text("additive")]);
    for model in &facts.run.manifest().models {
        table.row(vec![Cell::text(&model.name), Cell::text(&model.kind), Cell::text(if model.additive { "yes" } else { "no" })]);
    }
    table
}

fn inputs(facts: &Facts) -> DataTable {
    let inputs = &facts.run.manifest().inputs;
    let rows = inputs.iter().fold(0_u64, |sum, file| sum.saturating_add(file.rows));
    let size = inputs.iter().fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
    let mut table = DataTable::new("t-inputs", "Files read", "").defined(format!(
        "{}, {} rows, {}. All are in manifest.json, with the SHA-256 of their footers.",
        things(inputs.len(), "file"),
        grouped(&rows.to_string()),
        bytes(size)
    ));
    table = table.ordered("in the order of manifest.json").heads([
        Head::text("source"),
        Head::text("file"),
        Head::number("rows"),
        Head::number("bytes"),
    ]);
    for file in inputs {
        table.row_of(|| vec![Cell::text(&file.source), Cell::text(&file.path), Cell::count(file.rows), Cell::count(file.bytes)]);
    }
    table
}

fn tables(facts: &Facts) -> DataTable {
    let mut table = DataTable::new("t-tables", "Tables written", "")
        .defined("The Parquet tables of the run: every figure of this page is from one of them, or from manifest.json.")
        .heads([Head::text("table"), Head::number("rows"), Head::number("files"), Head::number("bytes")]);
    for entry in &facts.run.manifest().tables {
        let size = entry.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
        table.row_of(|| vec![Cell::text(&entry.name), Cell::count(entry.rows), Cell::len(entry.files.len()), Cell::count(size)]);
    }
    table
}
