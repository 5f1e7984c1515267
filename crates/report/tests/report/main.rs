//! Pages of runs that are written here: names that are no names, nothing at all, tables that are missing, and very much.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod names;
mod shape;
mod size;

use std::path::PathBuf;

use attributary_core::table::{Column, Field, Rows};
use attributary_core::value::{ColumnType, Value};
use attributary_store::{Manifest, ModelEntry, Output, Staging};

/// A folder with one run.
struct TestRun {
    root: tempfile::TempDir,
}

impl TestRun {
    /// Publishes a run of these models and windows, its tables written by `write`.
    fn new(models: &[(&str, bool)], windows: &[&str], write: impl FnOnce(&mut Staging)) -> Self {
        let root = tempfile::tempdir().unwrap();
        let output = Output::open(root.path()).unwrap();
        let mut staging = output.stage("run-1").unwrap();
        write(&mut staging);
        let model = |(name, additive): &(&str, bool)| ModelEntry {
            fit_sha256: None,
            name: (*name).to_owned(),
            kind: "test".to_owned(),
            additive: *additive,
        };
        let manifest = Manifest {
            pipeline: "test".to_owned(),
            models: models.iter().map(model).collect(),
            windows: windows.iter().map(|window| (*window).to_owned()).collect(),
            ..Manifest::default()
        };
        staging.publish(manifest).unwrap();
        Self { root }
    }

    /// The folder of the run, by its link.
    fn folder(&self) -> PathBuf {
        self.root.path().join("current")
    }

    fn page(&self) -> String {
        attributary_report::page(&self.folder()).unwrap()
    }
}

/// Writes a table of any cells.
fn table(staging: &mut Staging, name: &str, columns: &[(&str, ColumnType)], rows: &[Vec<Value>]) {
    let fields: Vec<_> = columns.iter().map(|(name, kind)| Field::new(*name, kind.clone())).collect();
    let mut file = staging.table_file(name, "part-0", &fields).unwrap();
    let column = |place: usize| Column::Values(rows.iter().map(|row| row[place].clone()).collect());
    file.write(&Rows { columns: (0..columns.len()).map(column).collect() }).unwrap();
    file.finish(staging).unwrap();
}

fn text(text: &str) -> Value {
    Value::text(text)
}

fn int(number: impl Into<i128>) -> Value {
    Value::Int(number.into())
}

const TEXT: ColumnType = ColumnType::Text;

fn amount() -> ColumnType {
    ColumnType::amount(2)
}

/// A ledger of one value: model, window, attributed, unattributed.
fn ledger(staging: &mut Staging, lines: &[(&str, &str, i128, i128)]) {
    let names = ["source", "attributed", "unattributed", "rejected", "difference"];
    let columns = [("model", TEXT), ("window", TEXT), ("value", TEXT), ("currency", TEXT)];
    let columns: Vec<_> = columns.into_iter().chain(names.map(|name| (name, amount()))).collect();
    let row = |(model, window, attributed, unattributed): &(&str, &str, i128, i128)| {
        let amounts = [attributed + unattributed, *attributed, *unattributed, 0, 0];
        [*model, *window, "revenue", "SEK"].into_iter().map(text).chain(amounts.map(int)).collect()
    };
    table(staging, "ledger", &columns, &lines.iter().map(row).collect::<Vec<_>>());
}

/// `by_channel`, or another table by more columns: the names of a row are model, window, channel and whatever follows.
fn grouped(staging: &mut Staging, name: &str, by: &[&str], rows: &[(Vec<&str>, i128)]) {
    let by = ["model", "window"].iter().chain(by).map(|name| (*name, TEXT));
    let columns: Vec<_> =
        by.chain([("conversions", ColumnType::SHARE), ("revenue", amount()), ("touches", ColumnType::COUNT)]).collect();
    let row = |(names, revenue): &(Vec<&str>, i128)| {
        names.iter().map(|name| text(name)).chain([int(1_000_000_000), int(*revenue), int(1)]).collect()
    };
    table(staging, name, &columns, &rows.iter().map(row).collect::<Vec<_>>());
}

/// What stands between `<table … id="…">` and its end.
fn table_of<'a>(page: &'a str, id: &str) -> &'a str {
    let start = page.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("a table {id}"));
    &page[start..start + page[start..].find("</table>").unwrap()]
}

/// The body of a section.
fn section_of<'a>(page: &'a str, id: &str) -> &'a str {
    let start = page.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("a section {id}"));
    &page[start..start + page[start..].find("</section>").unwrap()]
}
