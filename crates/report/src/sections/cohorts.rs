//! Customers by the month of their first order: who comes back, and what they are worth so far.

use std::collections::BTreeMap;

use attributary_core::time::day_text;
use maud::html;

use super::Block;
use super::shown::{absent, every_column, rows_as_they_stand, under};
use crate::cell::Cell;
use crate::chart::{Chart, Kind};
use crate::data_table::{DataTable, Head};
use crate::error::ReportError;
use crate::facts::Facts;
use crate::number::{drawn, percent, quotient};
use crate::run::ValueColumn;
use crate::sums::add;

/// Heat maps have room for this many months of age, and for this many cohorts: the latest.
const MOST_AGES: usize = 13;
const MOST_COHORTS: usize = 24;

/// A channel that stands for all others.
const ALL: &str = "(all)";

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    if facts.run.table("cohorts").is_none_or(|table| table.rows == 0) {
        let how = html! { "Add " code { "[customers]" } " to the pipeline file." };
        return Ok(vec![absent("No cohorts were asked for.", &how)]);
    }
    let Some(value) = facts.run.main_value() else { return Ok(Vec::new()) };
    let (model, window) = (facts.run.main_model(), facts.run.main_window());
    let cohorts = Cohorts::read(facts)?;
    let mut blocks = Vec::new();
    for what in [What::Retention, What::Value] {
        let chart = cohorts.heat(what, value, model, window);
        if !chart.is_empty() {
            blocks.push(Block::Chart(chart));
        }
        blocks.push(Block::Table(cohorts.table(what, value, model, window)));
    }
    let table = DataTable::new("t-cohorts", "Cohorts by channel", "cohorts").defined(format!(
        "Every row of window {window}: customers by model, month of acquisition, acquiring channel and age in months. Retention = active ÷ \
         customers; cumulative is their revenue up to that age, in {}; payback month is the first age at which they have brought \
         what was spent on them.",
        value.currency
    ));
    let columns = every_column(&facts.run, "cohorts", &["window"], &["retention", "repeat_rate"])?;
    let keep = |row: crate::scan::Row<'_>| row.text("window").is_none_or(|it| it == window);
    let table = rows_as_they_stand(&facts.run, "cohorts", table, columns, Some("customers"), keep)?;
    blocks.push(Block::Folded("Every cohort by channel and model".to_owned(), vec![Block::Table(table)]));
    Ok(blocks)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Retention,
    Value,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    customers: i128,
    active: i128,
    cumulative: i128,
}

/// Sums over all channels by month and age: of one model each customer is in one channel.
struct Cohorts {
    sums: BTreeMap<(i128, i128), Sum>,
    scale: u8,
}

impl Cohorts {
    fn read(facts: &Facts) -> Result<Self, ReportError> {
        let (model, window) = (facts.run.main_model(), facts.run.main_window());
        let (mut each, mut all): (BTreeMap<_, Sum>, BTreeMap<_, Sum>) = (BTreeMap::new(), BTreeMap::new());
        facts.run.scan_named("cohorts", |row| {
            let elsewhere = |column: &str, here: &str| row.text(column).is_some_and(|it| it != here);
            let (Some(month), Some(age)) = (row.day("acquisition_month"), row.int("age_months")) else { return Ok(()) };
            if elsewhere("model", model) || elsewhere("window", window) {
                return Ok(());
            }
            let sums = if row.text("channel") == Some(ALL) { &mut all } else { &mut each };
            let sum = sums.entry((month, age)).or_default();
            add(&mut sum.customers, row, "cohorts", "customers")?;
            add(&mut sum.active, row, "cohorts", "active")?;
            add(&mut sum.cumulative, row, "cohorts", "cumulative")
        })?;
        let scale = match facts.run.table("cohorts") {
            Some(entry) => facts.run.columns(entry)?.scale("cumulative").unwrap_or(0),
            None => 0,
        };
        Ok(Self { sums: if all.is_empty() { each } else { all }, scale })
    }

    fn months(&self) -> Vec<i128> {
        let mut months: Vec<_> = self.sums.keys().map(|(month, _)| *month).collect();
        months.dedup();
        months.split_off(months.len().saturating_sub(MOST_COHORTS))
    }

    fn ages(&self) -> Vec<i128> {
        let mut ages: Vec<_> = self.sums.keys().map(|(_, age)| *age).collect();
        ages.sort_unstable();
        ages.dedup();
        ages.truncate(MOST_AGES);
        ages
    }

    /// What a cell is divided by and from; cohorts have sizes even at ages at which nothing was seen.
    fn parts(&self, what: What, sum: &Sum) -> (i128, i128) {
        match what {
            What::Retention => (sum.active, sum.customers),
            What::Value => {
                let unit = 10_i128.checked_pow(self.scale.into()).and_then(|unit| sum.customers.checked_mul(unit));
                (sum.cumulative, unit.unwrap_or(0))
            }
        }
    }

    fn words(what: What, value: &ValueColumn) -> (&'static str, String, String) {
        match what {
            What::Retention => (
                "retention",
                "Retention by cohort".to_owned(),
                "Customers with an order at that age ÷ customers of the cohort, from sums over all channels.".to_owned(),
            ),
            What::Value => (
                "cohort-value",
                "Cumulative revenue per customer by cohort".to_owned(),
                format!(
                    "Revenue of the cohort up to that age ÷ its customers, in {}, from sums over all channels.",
                    value.currency
                ),
            ),
        }
    }

    fn table(&self, what: What, value: &ValueColumn, model: &str, window: &str) -> DataTable {
        let (id, title, definition) = Self::words(what, value);
        let ages = self.ages();
        let mut table = DataTable::new(&format!("t-{id}"), title, "cohorts")
            .defined(format!(
                "{} {definition} Columns are the age in months, 0 is the month of the first order.",
                under(model, window)
            ))
            .heads([Head::text("acquired in"), Head::number("customers")])
            .heads(ages.iter().map(|age| Head::number(&age.to_string()).note("months")));
        for month in self.months() {
            let customers =
                self.sums.range((month, i128::MIN)..=(month, i128::MAX)).map(|(_, sum)| sum.customers).max().unwrap_or(0);
            let mut row = vec![Cell::Text(month_text(month)), Cell::count(customers)];
            row.extend(ages.iter().map(|age| {
                self.sums.get(&(month, *age)).map_or(Cell::Empty, |sum| match (what, self.parts(what, sum)) {
                    (What::Retention, (part, whole)) => Cell::percent(part, whole),
                    (What::Value, (part, whole)) => Cell::quotient(part, whole),
                })
            }));
            table.row(row);
        }
        table
    }

    fn heat(&self, what: What, value: &ValueColumn, model: &str, window: &str) -> Chart {
        let (id, title, definition) = Self::words(what, value);
        let (months, ages) = (self.months(), self.ages());
        let (month_names, age_names): (Vec<_>, Vec<_>) =
            (months.iter().map(|it| month_text(*it)).collect(), ages.iter().map(i128::to_string).collect());
        let mut chart = Chart::new(Kind::Heat, id, title, &format!("t-{id}"))
            .defined(format!("{} {definition} Down: month of the first order. Across: age in months.", under(model, window)))
            .unit("age in months")
            .rows(month_names.iter().map(String::as_str))
            .series(age_names.iter().map(String::as_str));
        for (row, month) in months.iter().enumerate() {
            for (series, age) in ages.iter().enumerate() {
                let Some(sum) = self.sums.get(&(*month, *age)) else { continue };
                let (part, whole) = self.parts(what, sum);
                let label = if what == What::Retention { percent(part, whole) } else { quotient(part, whole, 0) };
                if let (Some(number), Some(label)) = (drawn(part, whole), label) {
                    chart.mark(row, Some(series), number, label);
                }
            }
        }
        chart
    }
}

fn month_text(month: i128) -> String {
    let day = i32::try_from(month).map_or(String::new(), day_text);
    day.get(..day.len().saturating_sub(3)).unwrap_or_default().to_owned()
}
