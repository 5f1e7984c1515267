//! What channels got in a run, by conversion day: read from the table that has it in the fewest rows.

use std::collections::BTreeMap;

use attributary_core::time::Day;
use attributary_core::value::{ColumnType, Value};
use attributary_store::{PublishedRun, TableEntry, read_table};

use crate::carried::{day_of, int};
use crate::error::Error;
use crate::worth::SPEND;

/// A model, a window and a channel.
pub(super) type Key = (String, String, String);

/// One amount per value.
pub(super) type Amounts = Vec<i128>;

/// What channels got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// The names of the values.
    pub values: Vec<String>,
    /// Digits behind the point.
    pub scale: u8,
    /// By channel and day.
    pub channels: BTreeMap<Key, BTreeMap<Day, Amounts>>,
}

/// Columns that a table by channel has besides values.
const NEEDED: [&str; 4] = ["model", "window", "channel", "conversion_date"];

impl Sums {
    /// The sums of a run.
    ///
    /// # Errors
    /// Where a table cannot be read, or none has channels.
    pub fn of(run: &PublishedRun) -> Result<Self, Error> {
        let values = values(run)?;
        let mut best: Option<&TableEntry> = None;
        // The state has tables by day whose published form does not show it.
        for table in run.manifest.state.iter().chain(&run.manifest.tables) {
            let smaller = best.is_none_or(|best| table.rows < best.rows);
            if smaller && table.files.len() == 1 && has_columns(run, table, &values)? {
                best = Some(table);
            }
        }
        let Some(table) = best else {
            return Err(Error::Input {
                problem: format!("run {} has no table by channel to be compared", run.manifest.run_id),
                hint: Some("have a [[table]] whose `by` names the channel".to_owned()),
            });
        };
        let mut sums = Self { values, ..Self::default() };
        sums.add_table(run, table)?;
        Ok(sums)
    }

    fn add_table(&mut self, run: &PublishedRun, table: &TableEntry) -> Result<(), Error> {
        for file in &table.files {
            let reader = read_table(&run.path(file)?)?;
            let place = |name: &str| reader.fields().iter().position(|field| field.name == name);
            let keys: Vec<usize> = NEEDED.iter().filter_map(|name| place(name)).collect();
            let values: Vec<usize> = self.values.iter().filter_map(|name| place(name)).collect();
            let kind = values.first().map(|place| &reader.fields()[*place].kind);
            if let Some(ColumnType::Decimal { scale, .. }) = kind {
                self.scale = *scale;
            }
            for rows in reader {
                let rows = rows?;
                for row in 0..rows.len() {
                    let cell = |column: usize| rows.columns[column].value(row);
                    let Some(day) = day_of(&cell(keys[3])) else { continue };
                    let key = (word(&cell(keys[0])), word(&cell(keys[1])), word(&cell(keys[2])));
                    let amounts = values.iter().map(|column| int(&cell(*column))).collect::<Amounts>();
                    add(self.channels.entry(key).or_default().entry(day).or_default(), &amounts, 1);
                }
            }
        }
        Ok(())
    }

    /// The same by other names of windows, and without models and windows that are not to be compared.
    pub fn renamed(mut self, windows: &BTreeMap<String, String>, models: &[String]) -> Self {
        let channels = std::mem::take(&mut self.channels).into_iter();
        self.channels = channels
            .filter(|((model, _, _), _)| models.contains(model))
            .filter_map(|((model, window, channel), days)| Some(((model, windows.get(&window)?.clone(), channel), days)))
            .collect();
        self
    }

    /// What changed from these sums to others, by channel and day: only what did.
    pub fn changes(&self, to: &Self) -> BTreeMap<Key, BTreeMap<Day, Amounts>> {
        let mut changes: BTreeMap<Key, BTreeMap<Day, Amounts>> = BTreeMap::new();
        for (sums, sign) in [(self, -1), (to, 1)] {
            for (key, days) in &sums.channels {
                let of_key = changes.entry(key.clone()).or_default();
                days.iter().for_each(|(day, amounts)| add(of_key.entry(*day).or_default(), amounts, sign));
            }
        }
        for days in changes.values_mut() {
            days.retain(|_, amounts| amounts.iter().any(|amount| *amount != 0));
        }
        changes.retain(|_, days| !days.is_empty());
        changes
    }
}

/// Adds amounts, or takes them away.
pub(super) fn add(to: &mut Amounts, amounts: &[i128], sign: i128) {
    to.resize(amounts.len().max(to.len()), 0);
    to.iter_mut().zip(amounts).for_each(|(to, amount)| *to += sign * amount);
}

/// A cell as a name; a channel that is not set has none.
pub(super) fn word(cell: &Value) -> String {
    match cell {
        Value::Null => "(not set)".to_owned(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(_) => cell.as_float().map_or_else(String::new, |number| number.to_string()),
        Value::Text(text) => text.to_string(),
        Value::Binary(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// What the ledger of a run says: attributed and unattributed, by model and window.
pub(super) struct Ledger(BTreeMap<(String, String), [Amounts; 2]>);

impl Ledger {
    /// The ledger of a run.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn of(run: &PublishedRun, values: &[String]) -> Result<Self, Error> {
        let mut pairs: BTreeMap<(String, String), [Amounts; 2]> = BTreeMap::new();
        for file in run.manifest.table("ledger").iter().flat_map(|table| &table.files) {
            let reader = read_table(&run.path(file)?)?;
            let names = ["model", "window", "value", "attributed", "unattributed"];
            let places: Vec<usize> =
                names.iter().filter_map(|name| reader.fields().iter().position(|field| field.name == *name)).collect();
            let [model, window, value, attributed, unattributed] = places[..] else { continue };
            for rows in reader {
                let rows = rows?;
                for row in 0..rows.len() {
                    let cell = |column: usize| rows.columns[column].value(row);
                    let Some(value) = values.iter().position(|name| *name == word(&cell(value))) else { continue };
                    let sums = pairs.entry((word(&cell(model)), word(&cell(window)))).or_default();
                    for (sums, column) in sums.iter_mut().zip([attributed, unattributed]) {
                        sums.resize(values.len(), 0);
                        sums[value] = int(&cell(column));
                    }
                }
            }
        }
        Ok(Self(pairs))
    }

    /// What it says of a model and a window.
    pub fn of_pair(&self, model: &str, window: &str) -> Option<&[Amounts; 2]> {
        self.0.get(&(model.to_owned(), window.to_owned()))
    }
}

/// The names of the values, as the ledger has them: spend is none.
pub(super) fn values(run: &PublishedRun) -> Result<Vec<String>, Error> {
    let mut values: Vec<String> = Vec::new();
    for file in run.manifest.table("ledger").iter().flat_map(|table| &table.files) {
        let reader = read_table(&run.path(file)?)?;
        let place = |name: &str| reader.fields().iter().position(|field| field.name == name);
        let Some((model, value)) = place("model").zip(place("value")) else { continue };
        for rows in reader {
            let rows = rows?;
            for row in 0..rows.len() {
                let name = word(&rows.columns[value].value(row));
                if word(&rows.columns[model].value(row)) != SPEND && !values.contains(&name) {
                    values.push(name);
                }
            }
        }
    }
    Ok(values)
}

fn has_columns(run: &PublishedRun, table: &TableEntry, values: &[String]) -> Result<bool, Error> {
    let Some(file) = table.files.first() else { return Ok(false) };
    let reader = read_table(&run.path(file)?)?;
    let has = |name: &str| reader.fields().iter().any(|field| field.name == name);
    Ok(NEEDED.iter().all(|name| has(name)) && values.iter().all(|value| has(value)))
}
