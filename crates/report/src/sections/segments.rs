//! Customers by segment: how many, what they were worth, what they may be worth.

use std::collections::BTreeMap;

use maud::html;

use super::Block;
use super::shown::{As, Wanted, absent, every_column, rows_as_they_stand, says};
use crate::cell::Cell;
use crate::chart::{Chart, Kind};
use crate::data_table::{DataTable, Head};
use crate::error::ReportError;
use crate::facts::Facts;
use crate::number::{drawn, percent, things};
use crate::run::ValueColumn;
use crate::sums::{NOT_SET, add};

/// A chart has room for this many segments.
const MOST_SEGMENTS: usize = 15;

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    let Some(entry) = facts.run.table("customers").filter(|table| table.rows > 0) else {
        let how = html! { "Add " code { "[customers]" } " to the pipeline file." };
        return Ok(vec![absent("No customers were asked for.", &how)]);
    };
    let columns = facts.run.columns(entry)?;
    let segments = Segments::read(facts, facts.run.values_in(entry)?, columns.scale("predicted_clv"))?;
    let mut blocks = vec![says(format!(
        "{} in {}. Orders and values are those of the run's whole log, whichever model and window.",
        things(usize::try_from(segments.all.customers).unwrap_or(usize::MAX), "customer"),
        things(segments.each.len(), "segment")
    ))];
    blocks.extend(segments.values.first().map(|value| Block::Chart(segments.chart(value))));
    blocks.push(Block::Table(segments.table()));
    let acquired = acquired(facts)?;
    blocks.extend(acquired.map(Block::Table));
    if facts.run.table("customer_segments").is_some() {
        let table = DataTable::new("t-customer-segments", "What the run says of each segment", "customer_segments")
            .defined("Every row of the table, whichever model and window; averages are from the sums of the row.");
        let columns = every_column(&facts.run, "customer_segments", &[], &[])?;
        blocks.push(Block::Table(rows_as_they_stand(&facts.run, "customer_segments", table, columns, None, |_| true)?));
    }
    if facts.run.table("customer_value_fit").is_some() {
        let table = DataTable::new("t-fit", "Fit of the customer value model", "customer_value_fit").defined(
            "Parameters of BG/NBD (how often customers order, and when they stop) and Gamma-Gamma (what an order is worth), as fitted on this run's customers.",
        );
        // Parameters are no ratios: two digits would not do.
        let columns = every_column(&facts.run, "customer_value_fit", &[], &[])?;
        let columns = columns.into_iter().map(|wanted| Wanted { shown: As::Itself, ..wanted }).collect();
        let table = rows_as_they_stand(&facts.run, "customer_value_fit", table, columns, None, |_| true)?;
        blocks.push(Block::Folded("How customer value was estimated".to_owned(), vec![Block::Table(table)]));
    }
    Ok(blocks)
}

#[derive(Clone, Debug, Default)]
struct Sum {
    customers: i128,
    orders: i128,
    values: Vec<i128>,
    /// Customers for whom there is a prediction, and what it adds up to.
    predicted: (i128, i128),
}

struct Segments {
    each: Vec<(String, Sum)>,
    all: Sum,
    /// The values that are known of customers.
    values: Vec<ValueColumn>,
    /// Digits of predictions; none where there are none.
    predicted_scale: Option<u8>,
}

impl Segments {
    fn read(facts: &Facts, values: Vec<ValueColumn>, predicted_scale: Option<u8>) -> Result<Self, ReportError> {
        let mut each: BTreeMap<String, Sum> = BTreeMap::new();
        let mut all = Sum::default();
        facts.run.scan_named("customers", |row| {
            let name = row.text("segment").unwrap_or(NOT_SET);
            if !each.contains_key(name) {
                each.insert(name.to_owned(), Sum::default());
            }
            for sum in each.get_mut(name).into_iter().chain([&mut all]) {
                sum.customers += 1;
                add(&mut sum.orders, row, "customers", "orders")?;
                sum.values.resize(values.len(), 0);
                for (value, sum) in values.iter().zip(&mut sum.values) {
                    add(sum, row, "customers", &value.name)?;
                }
                if row.int("predicted_clv").is_some() {
                    sum.predicted.0 += 1;
                    add(&mut sum.predicted.1, row, "customers", "predicted_clv")?;
                }
            }
            Ok(())
        })?;
        let mut each: Vec<_> = each.into_iter().collect();
        each.sort_by_key(|(_, sum)| std::cmp::Reverse((sum.values.first().copied(), sum.customers)));
        Ok(Self { each, all, values, predicted_scale })
    }

    fn table(&self) -> DataTable {
        let mut table = DataTable::new("t-segments", "Customer segments", "customers")
            .defined(
                "Segments by recency, frequency and value of each customer's orders. Average order value = value ÷ orders and predicted value per \
                 customer = predictions ÷ customers with one, from the sums of the segment.",
            )
            .ordered("by value")
            .heads([Head::text("segment"), Head::number("customers"), Head::number("share"), Head::number("orders")]);
        for value in &self.values {
            let heads = [
                Head::number(&value.name).note(&value.currency),
                Head::number(&format!("share of {}", value.name)),
                Head::number("average order").note(&value.name),
            ];
            table.heads.extend(heads);
        }
        if self.predicted_scale.is_some() {
            table.heads.extend([Head::number("predicted value"), Head::number("predicted per customer")]);
        }
        for (name, sum) in &self.each {
            let mut row = vec![
                Cell::text(name),
                Cell::count(sum.customers),
                Cell::percent(sum.customers, self.all.customers),
                Cell::count(sum.orders),
            ];
            for (place, value) in self.values.iter().enumerate() {
                let of = |sum: &Sum| sum.values.get(place).copied().unwrap_or(0);
                row.extend([
                    Cell::amount(of(sum), value),
                    Cell::percent(of(sum), of(&self.all)),
                    per(of(sum), sum.orders, value.scale),
                ]);
            }
            if let Some(scale) = self.predicted_scale {
                let (customers, predicted) = sum.predicted;
                let cells = [Cell::decimal(predicted, scale), per(predicted, customers, scale)];
                row.extend(if customers == 0 { [Cell::Empty, Cell::Empty] } else { cells });
            }
            table.row(row);
        }
        table
    }

    fn chart(&self, value: &ValueColumn) -> Chart {
        let shown = &self.each[..self.each.len().min(MOST_SEGMENTS)];
        let of = |sum: &Sum| sum.values.first().copied().unwrap_or(0);
        let worth = format!("share of {}", value.name);
        let mut chart = Chart::new(Kind::Range, "segments", format!("Segments: share of customers and of {}", value.name), "t-segments")
            .defined(format!("All customers with an order, whichever model and window. Where {worth} is larger, the segment is worth more than its number."))
            .unit("share of all")
            .percent()
            .rows(shown.iter().map(|(name, _)| name.as_str()))
            .series(["customers", &value.name]);
        for (row, (_, sum)) in shown.iter().enumerate() {
            for (series, part, whole) in [(0, sum.customers, self.all.customers), (1, of(sum), of(&self.all))] {
                if let (Some(number), Some(label)) = (drawn(part, whole), percent(part, whole)) {
                    chart.mark(row, Some(series), number, label);
                }
            }
        }
        chart
    }
}

/// Customers by the channel that acquired them, under the main model and window, where the run says.
fn acquired(facts: &Facts) -> Result<Option<DataTable>, ReportError> {
    let (model, window) = (facts.run.main_model(), facts.run.main_window());
    let column = format!("acquired_by_{model}_{window}");
    let Some(entry) = facts.run.table("customers") else { return Ok(None) };
    if facts.run.columns(entry)?.place(&column).is_none() {
        return Ok(None);
    }
    let values = facts.run.values_in(entry)?;
    let mut channels: BTreeMap<String, Sum> = BTreeMap::new();
    facts.run.scan(entry, |row| {
        let name = row.text(&column).unwrap_or(NOT_SET);
        let sum = match channels.get_mut(name) {
            Some(sum) => sum,
            None => channels.entry(name.to_owned()).or_default(),
        };
        sum.customers += 1;
        add(&mut sum.orders, row, "customers", "orders")?;
        sum.values.resize(values.len(), 0);
        values.iter().zip(&mut sum.values).try_for_each(|(value, sum)| add(sum, row, "customers", &value.name))
    })?;
    let mut channels: Vec<_> = channels.into_iter().collect();
    channels.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.customers));
    let all = channels.iter().fold(0_i128, |all, (_, sum)| all + sum.customers);
    let mut table = DataTable::new("t-acquired", format!("Customers by acquiring channel, model {model}, window {window}"), "customers")
        .defined(format!("Channel of each customer's first order under model {model}, window {window}; value per customer from the sums of the channel."))
        .ordered("by customers")
        .heads([Head::text("channel"), Head::number("customers"), Head::number("share"), Head::number("orders")]);
    for value in &values {
        table.heads.extend([Head::number(&value.name).note(&value.currency), Head::number("per customer").note(&value.name)]);
    }
    for (name, sum) in channels {
        table.row_of(|| {
            let mut row =
                vec![Cell::text(&name), Cell::count(sum.customers), Cell::percent(sum.customers, all), Cell::count(sum.orders)];
            for (value, amount) in values.iter().zip(&sum.values) {
                row.extend([Cell::amount(*amount, value), per(*amount, sum.customers, value.scale)]);
            }
            row
        });
    }
    Ok(Some(table))
}

/// An amount for each of some things, in major units.
fn per(amount: i128, things: i128, scale: u8) -> Cell {
    let unit = 10_i128.checked_pow(scale.into()).and_then(|unit| things.checked_mul(unit));
    unit.map_or(Cell::Empty, |divisor| Cell::quotient(amount, divisor))
}
