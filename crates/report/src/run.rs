//! A run as the sections see it: its manifest, its values and currencies, its tables by name.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use attributary_store::{Manifest, PublishedRun, StoreError, TableEntry};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::ReportError;
use crate::number;
use crate::scan::{self, Columns, Row};

/// Tables that are no groups of attributed conversions.
const NOT_GROUPED: &[&str] = &[
    "credits",
    "paths",
    "unattributed",
    "rejects",
    "ledger",
    "ledger_currencies",
    "returns",
    "marketing_share",
    "customers",
    "cohorts",
    "budget",
    "what_if",
    "customer_value_fit",
    "customer_segments",
];

/// What the ledger calls the model of the line that has all spend.
pub(crate) const SPEND: &str = "(spend)";

/// A run and what every section asks of it.
pub(crate) struct Run {
    published: PublishedRun,
    /// What the conversions are worth, in the pipeline's order; the first one is the one that charts show.
    pub(crate) values: Vec<ValueColumn>,
    /// What was spent, where the ledger has a line of it.
    pub(crate) spend: Option<ValueColumn>,
    /// What became of the rows of each source.
    pub(crate) sources: Vec<(String, SourceRows)>,
}

/// What became of the rows of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct SourceRows {
    /// Rows read.
    pub(crate) read: u64,
    /// Rows rejected, by reason.
    pub(crate) rejected: BTreeMap<String, u64>,
}

/// A value of the conversions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValueColumn {
    /// The name of its column.
    pub(crate) name: String,
    /// Its currency.
    pub(crate) currency: String,
    /// Digits behind the point.
    pub(crate) scale: u8,
}

impl ValueColumn {
    /// An amount with its currency.
    pub(crate) fn amount(&self, minor: i128) -> String {
        format!("{} {}", number::decimal(minor, self.scale), self.currency)
    }
}

/// A table whose rows are groups of attributed conversions.
pub(crate) struct Grouped<'a> {
    /// The table.
    pub(crate) entry: &'a TableEntry,
    /// Whether there is exactly one row for each group: else rows must be added up, which only additive models allow.
    pub(crate) exact: bool,
}

impl Run {
    /// Reads the manifest, and the values from the ledger.
    pub(crate) fn open(folder: &Path) -> Result<Self, ReportError> {
        // `current` is a link: resolved once, so that every table is of one run.
        let folder = fs::canonicalize(folder).map_err(|source| StoreError::NoSuchRun { path: folder.to_owned(), source })?;
        let published = PublishedRun::read(&folder)?;
        let sources = Described::read(&folder).sources();
        let mut run = Self { published, values: Vec::new(), spend: None, sources };
        (run.values, run.spend) = run.ledger_values()?;
        Ok(run)
    }

    /// The manifest.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.published.manifest
    }

    /// A table, where the run has it.
    pub(crate) fn table(&self, name: &str) -> Option<&TableEntry> {
        self.manifest().table(name)
    }

    /// The columns of a table.
    pub(crate) fn columns(&self, table: &TableEntry) -> Result<Columns, ReportError> {
        scan::columns(&self.published, table)
    }

    /// The values that a table has columns of: what is not there must not be shown as nothing.
    pub(crate) fn values_in(&self, table: &TableEntry) -> Result<Vec<ValueColumn>, ReportError> {
        let columns = self.columns(table)?;
        Ok(self.values.iter().filter(|value| columns.place(&value.name).is_some()).cloned().collect())
    }

    /// Hands over every row of a table.
    pub(crate) fn scan(
        &self,
        table: &TableEntry,
        each: impl FnMut(Row<'_>) -> Result<(), ReportError>,
    ) -> Result<(), ReportError> {
        scan::scan(&self.published, table, each)
    }

    /// Hands over every row of a table, where the run has it.
    pub(crate) fn scan_named(
        &self,
        table: &str,
        each: impl FnMut(Row<'_>) -> Result<(), ReportError>,
    ) -> Result<(), ReportError> {
        self.table(table).map_or(Ok(()), |entry| self.scan(entry, each))
    }

    /// The place of a model in the pipeline's order; models that the manifest does not name come last.
    pub(crate) fn model_place(&self, name: &str) -> usize {
        self.manifest().models.iter().position(|model| model.name == name).unwrap_or(usize::MAX)
    }

    /// The place of a window in the pipeline's order.
    pub(crate) fn window_place(&self, name: &str) -> usize {
        self.manifest().windows.iter().position(|window| window == name).unwrap_or(usize::MAX)
    }

    /// Whether the credits of a model add up.
    pub(crate) fn additive(&self, model: &str) -> bool {
        self.manifest().models.iter().find(|it| it.name == model).is_none_or(|it| it.additive)
    }

    /// The model that figures are shown under where one must do: the pipeline's first additive one.
    pub(crate) fn main_model(&self) -> &str {
        let models = &self.manifest().models;
        models.iter().find(|it| it.additive).or(models.first()).map_or("", |model| &model.name)
    }

    /// The window that figures are shown under where one must do: the pipeline's first.
    pub(crate) fn main_window(&self) -> &str {
        self.manifest().windows.first().map_or("", String::as_str)
    }

    /// The value that charts show: the pipeline's first.
    pub(crate) fn main_value(&self) -> Option<&ValueColumn> {
        self.values.first()
    }

    /// The value that is revenue where spend is divided by: the one that the settings name, else the pipeline's first.
    pub(crate) fn revenue(&self) -> Option<&ValueColumn> {
        let named = self.manifest().settings.iter().find(|(name, _)| name == "revenue").map(|(_, text)| text);
        self.values.iter().find(|value| Some(&value.name) == named).or(self.main_value())
    }

    /// The smallest table of attributed conversions that has these columns, one with exactly these before any other.
    pub(crate) fn grouped(&self, by: &[&str]) -> Result<Option<Grouped<'_>>, ReportError> {
        let mut best: Option<Grouped<'_>> = None;
        for entry in self.manifest().tables.iter().filter(|table| !NOT_GROUPED.contains(&table.name.as_str())) {
            let columns = self.columns(entry)?;
            let values = self.values.iter().map(|value| value.name.as_str());
            let known: Vec<_> = ["model", "window", "conversions"].into_iter().chain(by.iter().copied()).chain(values).collect();
            if !columns.have(&known) {
                continue;
            }
            let exact = columns.0.iter().all(|field| field.name == "touches" || known.contains(&field.name.as_str()));
            let better = best.as_ref().is_none_or(|best| (!exact, entry.rows) < (!best.exact, best.entry.rows));
            if better {
                best = Some(Grouped { entry, exact });
            }
        }
        Ok(best)
    }

    /// The values, their currencies and digits, as the ledger lists them.
    fn ledger_values(&self) -> Result<(Vec<ValueColumn>, Option<ValueColumn>), ReportError> {
        let Some(ledger) = self.table("ledger") else { return Ok((Vec::new(), None)) };
        let scale = self.columns(ledger)?.scale("source").unwrap_or(0);
        let (mut values, mut spend): (Vec<ValueColumn>, _) = (Vec::new(), None);
        self.scan(ledger, |row| {
            let Some(name) = row.text("value") else { return Ok(()) };
            let value =
                || ValueColumn { name: name.to_owned(), currency: row.text("currency").unwrap_or_default().to_owned(), scale };
            if row.text("model") == Some(SPEND) {
                spend = Some(value());
            } else if values.iter().all(|value| value.name != name) {
                values.push(value());
            }
            Ok(())
        })?;
        Ok((values, spend))
    }
}

/// What is read of `manifest.json` beside [`Manifest`]: any number of sources. What has another form is left out.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Described {
    rows: Map<String, Value>,
}

impl Described {
    fn read(folder: &Path) -> Self {
        let json = fs::read(folder.join("manifest.json")).unwrap_or_default();
        serde_json::from_slice(&json).unwrap_or_default()
    }

    fn sources(&self) -> Vec<(String, SourceRows)> {
        let source = |(name, rows): (&String, &Value)| Some((name.clone(), SourceRows::deserialize(rows).ok()?));
        self.rows.iter().filter_map(source).collect()
    }
}
