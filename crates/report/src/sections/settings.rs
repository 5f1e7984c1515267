//! The pipeline in words, as far as the manifest tells.

use attributary_store::ModelEntry;
use maud::{Markup, html};

use super::Block;
use super::shown::{heading, says};
use crate::cell::{Cell, shortened};
use crate::data_table::{DataTable, Head};
use crate::error::ReportError;
use crate::facts::Facts;
use crate::number::{bytes, grouped, things};

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    let manifest = facts.run.manifest();
    let mut blocks = vec![];
    if facts.run.manifest().settings.is_empty() {
        blocks.push(says("The pipeline file has them: columns, rules of the journey, and what each model was set to."));
    } else {
        let of_models: Vec<String> = manifest.models.iter().map(|model| model_setting(&model.name)).collect();
        let asked = facts.run.manifest().settings.iter().filter(|(name, _)| !of_models.contains(name));
        blocks.push(Block::Html(list(asked.map(|(name, text)| (name.as_str(), text.clone())))));
    }
    blocks.push(Block::Table(models(facts)));
    let values: Vec<_> = facts.run.values.iter().map(|value| format!("{} in {}", value.name, value.currency)).collect();
    let windows = if facts.run.manifest().settings.is_empty() { manifest.windows.join(", ") } else { String::new() };
    blocks.push(heading("This run"));
    blocks.push(Block::Html(list([
        ("pipeline", manifest.pipeline.clone()),
        ("run", manifest.run_id.clone()),
        ("conversion days", range_words(facts)),
        ("values", values.join(", ")),
        ("windows", windows),
        ("started", manifest.started.clone()),
        ("finished", manifest.finished.clone()),
        ("most memory held", bytes(manifest.peak_memory_bytes)),
        ("version", format!("attributary {}", manifest.version)),
        ("pipeline file, SHA-256", manifest.pipeline_sha256.clone()),
        ("settings, SHA-256", manifest.settings_sha256.clone()),
    ])));
    blocks.push(Block::Folded(
        "Files read and tables written".to_owned(),
        vec![Block::Table(inputs(facts)), Block::Table(tables(facts))],
    ));
    Ok(blocks)
}

/// What the settings call a model.
fn model_setting(model: &str) -> String {
    format!("model {model}")
}

/// Names and texts; those without a text are left out.
fn list<'a>(facts: impl IntoIterator<Item = (&'a str, String)>) -> Markup {
    html! {
        dl.facts {
            @for (name, text) in facts.into_iter().filter(|(_, text)| !text.is_empty()) {
                div { dt { bdi { (shortened(name, 120)) } } dd { bdi { (shortened(&text, 1_000)) } } }
            }
        }
    }
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
    let in_words = |model: &ModelEntry| {
        let (_, text) = facts.run.manifest().settings.iter().find(|(name, _)| *name == model_setting(&model.name))?;
        Some(text.strip_prefix(&format!("{}: ", model.kind)).unwrap_or(text))
    };
    let models = &facts.run.manifest().models;
    let described = models.iter().any(|model| in_words(model).is_some());
    let mut table = DataTable::new("t-models", "Models", "")
        .defined("In the pipeline's order. What an additive model gives adds up to the conversions.")
        .heads([Head::text("model"), Head::text("kind"), Head::text("additive")]);
    table.heads.extend(described.then(|| Head::text("in words")));
    for model in models {
        let mut row =
            vec![Cell::text(&model.name), Cell::text(&model.kind), Cell::text(if model.additive { "yes" } else { "no" })];
        if described {
            row.push(in_words(model).map_or(Cell::Empty, |text| Cell::Text(shortened(text, 500))));
        }
        table.row(row);
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
