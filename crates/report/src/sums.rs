//! Sums of attributed conversions by model, window and some names. Amounts and shares are integers, so any order will do.

use std::collections::HashMap;

use crate::error::ReportError;
use crate::run::Run;
use crate::scan::Row;

/// Conversions that no touch got stand under this channel.
pub(crate) const UNATTRIBUTED: &str = "(unattributed)";

/// Touches without a channel stand under this one.
pub(crate) const NOT_SET: &str = "(not set)";

/// What a group got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Shares of conversions.
    pub(crate) conversions: i128,
    /// One amount for each value of the run.
    pub(crate) values: Vec<i128>,
}

impl Sum {
    /// The amount of a value.
    pub(crate) fn value(&self, place: usize) -> i128 {
        self.values.get(place).copied().unwrap_or(0)
    }
}

/// Sums by (model, window) and then by the names of the groups.
pub(crate) struct Sums {
    /// The table they are from.
    pub(crate) table: String,
    /// The pairs of model and window, in the pipeline's order.
    pub(crate) pairs: Vec<(String, String)>,
    /// The groups of each pair.
    groups: Vec<HashMap<Vec<String>, Sum>>,
    /// Models left out, since their rows must not be added up.
    pub(crate) left_out: Vec<String>,
}

impl Sums {
    /// Adds up the best table that has the columns `by`; none where no table has them. A null name is `(not set)`.
    pub(crate) fn read(run: &Run, by: &[&str]) -> Result<Option<Self>, ReportError> {
        let Some(grouped) = run.grouped(by)? else { return Ok(None) };
        let table = grouped.entry.name.clone();
        let mut places: HashMap<(String, String), usize> = HashMap::new();
        let mut sums = Self { table, pairs: Vec::new(), groups: Vec::new(), left_out: Vec::new() };
        run.scan(grouped.entry, |row| {
            let (model, window) = (row.text("model").unwrap_or_default(), row.text("window").unwrap_or_default());
            if !grouped.exact && !run.additive(model) {
                if sums.left_out.iter().all(|name| name != model) {
                    sums.left_out.push(model.to_owned());
                }
                return Ok(());
            }
            let pair = (model.to_owned(), window.to_owned());
            let place = *places.entry(pair).or_insert_with_key(|pair| {
                sums.pairs.push(pair.clone());
                sums.groups.push(HashMap::new());
                sums.pairs.len() - 1
            });
            let names = by.iter().map(|column| row.text(column).unwrap_or(NOT_SET).to_owned()).collect();
            let Some(groups) = sums.groups.get_mut(place) else { return Ok(()) };
            add_row(run, &sums.table, row, groups.entry(names).or_default())
        })?;
        sums.sort(run);
        Ok(Some(sums))
    }

    /// The groups of a model and window; none where they have no rows.
    pub(crate) fn groups(&self, model: &str, window: &str) -> Option<&HashMap<Vec<String>, Sum>> {
        let place = self.pairs.iter().position(|(one, other)| one == model && other == window)?;
        self.groups.get(place)
    }

    /// What a group got; zero where it has no row.
    pub(crate) fn of(&self, model: &str, window: &str, names: &[String]) -> Sum {
        self.groups(model, window).and_then(|groups| groups.get(names)).cloned().unwrap_or_default()
    }

    /// The models under a window, in the pipeline's order.
    pub(crate) fn models(&self, window: &str) -> Vec<&str> {
        self.pairs.iter().filter(|(_, other)| other == window).map(|(model, _)| model.as_str()).collect()
    }

    /// The sum of all groups under a model and window whose first name is not `(unattributed)`; additive models only.
    pub(crate) fn attributed(&self, model: &str, window: &str, value: usize) -> i128 {
        let groups = self.groups(model, window).into_iter().flatten();
        groups.filter(|(names, _)| !is_unattributed(names)).fold(0, |sum: i128, (_, it)| sum.saturating_add(it.value(value)))
    }

    /// Every group that any model has under a window but the unattributed one: those with most of a value under `model` first,
    /// then by what they have under any model, then by name.
    pub(crate) fn ranked(&self, model: &str, window: &str, value: usize) -> Vec<Vec<String>> {
        let mut most: HashMap<&[String], i128> = HashMap::new();
        for (pair, groups) in self.pairs.iter().zip(&self.groups).filter(|((_, other), _)| other == window) {
            let main = pair.0 == model;
            for (names, sum) in groups.iter().filter(|(names, _)| !is_unattributed(names)) {
                let any = most.entry(names).or_insert(i128::MIN);
                *any = (*any).max(if main { i128::MIN } else { sum.value(value) });
            }
        }
        let of_main =
            |names: &[String]| self.groups(model, window).and_then(|it| it.get(names)).map_or(0, |sum| sum.value(value));
        let mut ranked: Vec<_> = most.into_iter().map(|(names, any)| (of_main(names), any, names)).collect();
        ranked.sort_by(|one, other| (other.0, other.1).cmp(&(one.0, one.1)).then_with(|| one.2.cmp(other.2)));
        ranked.into_iter().map(|(_, _, names)| names.to_vec()).collect()
    }

    fn sort(&mut self, run: &Run) {
        let mut order: Vec<_> = self.pairs.drain(..).zip(self.groups.drain(..)).collect();
        order.sort_by_cached_key(|((model, window), _)| {
            (run.model_place(model), run.window_place(window), model.clone(), window.clone())
        });
        (self.pairs, self.groups) = order.into_iter().unzip();
    }
}

/// Whether a group is that of the conversions that no touch got.
pub(crate) fn is_unattributed(names: &[String]) -> bool {
    names.first().is_some_and(|name| name == UNATTRIBUTED)
}

/// Adds a column of a row to a sum.
pub(crate) fn add(sum: &mut i128, row: Row<'_>, table: &str, column: &str) -> Result<(), ReportError> {
    let overflow = || ReportError::Overflow { table: table.to_owned(), column: column.to_owned() };
    *sum = sum.checked_add(row.int(column).unwrap_or(0)).ok_or_else(overflow)?;
    Ok(())
}

/// Adds the conversions and values of a row to a sum.
pub(crate) fn add_row(run: &Run, table: &str, row: Row<'_>, sum: &mut Sum) -> Result<(), ReportError> {
    sum.values.resize(run.values.len(), 0);
    add(&mut sum.conversions, row, table, "conversions")?;
    run.values.iter().zip(&mut sum.values).try_for_each(|(value, sum)| add(sum, row, table, &value.name))
}
