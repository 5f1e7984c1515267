//! Journeys: the paths that led to conversions, how long they are, and how long they take.

use std::collections::BTreeMap;

use maud::html;

use super::Block;
use super::shown::{MOST_TABLES, Top, absent, says};
use crate::cell::Cell;
use crate::chart::{Chart, Kind};
use crate::data_table::{DataTable, Head};
use crate::error::ReportError;
use crate::facts::Facts;
use crate::number::{drawn, grouped, percent};
use crate::scan::Row;
use crate::sums::{Sum, add};

/// Journeys of this many touches and more are one group.
const LONGEST: i128 = 12;

/// The groups of days to convert: below these.
const DAYS: &[(f64, &str)] = &[
    (1.0 / 24.0, "below 1 hour"),
    (1.0, "1 hour to 1 day"),
    (3.0, "1 to 3 days"),
    (7.0, "3 to 7 days"),
    (14.0, "7 to 14 days"),
    (30.0, "14 to 30 days"),
    (60.0, "30 to 60 days"),
    (f64::INFINITY, "60 days and more"),
];

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    if facts.run.table("paths").is_none_or(|table| table.rows == 0) {
        let how = html! { "Set " code { "paths = 1000" } " or so in " code { "[output]" } "." };
        return Ok(vec![absent("This run has no paths.", &how)]);
    }
    let windows: Vec<&str> = facts.run.manifest().windows.iter().map(String::as_str).take(MOST_TABLES).collect();
    let mut each: Vec<Journeys> = windows.iter().map(|_| Journeys::default()).collect();
    facts.run.scan_named("paths", |row| {
        let place = windows.iter().position(|window| row.text("window") == Some(window));
        place.and_then(|place| each.get_mut(place)).map_or(Ok(()), |journeys| journeys.add(facts, row))
    })?;
    let mut blocks = Vec::new();
    let mut more = Vec::new();
    for (place, (window, journeys)) in windows.iter().zip(each).enumerate() {
        let made = journeys.blocks(facts, window, place);
        if place == 0 { blocks.extend(made) } else { more.push(Block::Folded(format!("Journeys under window {window}"), made)) }
    }
    blocks.extend(more);
    Ok(blocks)
}

/// What is known of the journeys under one window.
#[derive(Default)]
struct Journeys {
    all: Sum,
    null_journeys: i128,
    top: Top<Vec<Cell>>,
    lengths: BTreeMap<Option<i128>, (Sum, i128)>,
    days: BTreeMap<usize, Sum>,
}

impl Journeys {
    fn add(&mut self, facts: &Facts, row: Row<'_>) -> Result<(), ReportError> {
        let conversions = row.int("conversions").unwrap_or(0);
        let null_journeys = row.int("null_journeys").unwrap_or(0);
        let mut amounts = vec![0; facts.run.values.len()];
        for (value, amount) in facts.run.values.iter().zip(&mut amounts) {
            add(amount, row, "paths", &value.name)?;
        }
        self.null_journeys = self.null_journeys.saturating_add(null_journeys);
        add_to(&mut self.all, conversions, &amounts);
        let length = row.int("length").map(|length| length.min(LONGEST));
        let (sum, null_sum) = self.lengths.entry(length).or_default();
        add_to(sum, conversions, &amounts);
        *null_sum = null_sum.saturating_add(null_journeys);
        if let Some(days) = row.float("median_days_to_convert") {
            let group = DAYS.iter().position(|(below, _)| days < *below).unwrap_or(DAYS.len() - 1);
            add_to(self.days.entry(group).or_default(), conversions, &amounts);
        }
        // The row of all further paths is no path: it stands in the groups, not in the list. It alone has no length; a channel
        // may have its name.
        if length.is_some() {
            self.top.push(conversions, || {
                let mut cells = vec![
                    Cell::name(row.text("path")),
                    Cell::of(row, "length"),
                    Cell::count(conversions),
                    Cell::count(null_journeys),
                ];
                cells.push(Cell::percent(conversions, conversions.saturating_add(null_journeys)));
                cells.extend(facts.run.values.iter().zip(&amounts).map(|(value, amount)| Cell::amount(*amount, value)));
                cells.push(Cell::of(row, "median_days_to_convert"));
                cells
            });
        }
        Ok(())
    }

    fn blocks(self, facts: &Facts, window: &str, place: usize) -> Vec<Block> {
        let id = |name: &str| if place == 0 { name.to_owned() } else { format!("{name}-{place}") };
        let all = self.all.conversions;
        let sentence = format!(
            "{} conversions had a touch within {window}; {} customers had touches and no conversion in the range. Paths are the same under every model.",
            grouped(&all.to_string()),
            grouped(&self.null_journeys.to_string())
        );
        let lengths = self.lengths(facts, window, &id("t-lengths"));
        let days = self.days(facts, window, &id("t-days"));
        let bars = [
            bars(&id("lengths"), "Conversions by length of the journey", window, &lengths),
            bars(&id("days"), "Conversions by days to convert", window, &days),
        ];
        let mut blocks = vec![says(sentence)];
        blocks.extend(bars.into_iter().filter(|chart| !chart.is_empty()).map(Block::Chart));
        blocks.push(Block::Table(self.paths(facts, window, &id("t-paths"))));
        blocks.extend([Block::Table(lengths), Block::Table(days)]);
        blocks
    }

    fn lengths(&self, facts: &Facts, window: &str, id: &str) -> DataTable {
        let values = facts.run.values.iter().map(|value| Head::number(&value.name).note(&value.currency));
        let mut table = DataTable::new(id, format!("Length of journeys, window {window}"), "paths")
            .defined(format!(
                "Touches before a conversion, every model, window {window}. Conversion rate = conversions ÷ (conversions + null journeys). \
                 Paths that are not kept one by one have no length."
            ))
            .heads([Head::text("touches"), Head::number("conversions"), Head::number("share"), Head::number("null journeys"), Head::number("conversion rate")])
            .heads(values);
        let known = self.lengths.iter().filter(|(length, _)| length.is_some()).chain(self.lengths.get_key_value(&None));
        for (length, (sum, null_journeys)) in known {
            let name = match length {
                None => "not known".to_owned(),
                Some(LONGEST) => format!("{LONGEST} and more"),
                Some(length) => length.to_string(),
            };
            let tried = sum.conversions.saturating_add(*null_journeys);
            let mut row =
                vec![Cell::Text(name), Cell::count(sum.conversions), Cell::percent(sum.conversions, self.all.conversions)];
            row.extend([Cell::count(*null_journeys), Cell::percent(sum.conversions, tried)]);
            row.extend(facts.run.values.iter().enumerate().map(|(place, value)| Cell::amount(sum.value(place), value)));
            table.row(row);
        }
        table
    }

    fn days(&self, facts: &Facts, window: &str, id: &str) -> DataTable {
        let values = facts.run.values.iter().map(|value| Head::number(&value.name).note(&value.currency));
        let mut table = DataTable::new(id, format!("Days to convert, window {window}"), "paths")
            .defined(format!(
                "From the first touch to the conversion, every model, window {window}. Conversions are grouped by the median of their path, \
                 in days of 24 hours; paths that are not kept one by one are left out."
            ))
            .heads([Head::text("days to convert"), Head::number("conversions"), Head::number("share")])
            .heads(values);
        let all = self.days.values().fold(0_i128, |all, sum| all.saturating_add(sum.conversions));
        for (group, sum) in &self.days {
            let name = DAYS.get(*group).map_or("", |(_, name)| name);
            let mut row = vec![Cell::text(name), Cell::count(sum.conversions), Cell::percent(sum.conversions, all)];
            row.extend(facts.run.values.iter().enumerate().map(|(place, value)| Cell::amount(sum.value(place), value)));
            table.row(row);
        }
        table
    }

    fn paths(self, facts: &Facts, window: &str, id: &str) -> DataTable {
        let values = facts.run.values.iter().map(|value| Head::number(&value.name).note(&value.currency));
        let mut table = DataTable::new(id, format!("Top paths, window {window}"), "paths")
            .defined(format!(
                "Sequences of channels, oldest first, every model, window {window}. Null journeys: customers without a conversion. \
                 Conversion rate = conversions ÷ (conversions + null journeys). Median days from the first touch to the conversion."
            ))
            .ordered("by conversions")
            .heads([Head::text("path"), Head::number("touches"), Head::number("conversions"), Head::number("null journeys"), Head::number("conversion rate")])
            .heads(values)
            .heads([Head::number("median days")]);
        self.top.into_table(&mut table);
        table
    }
}

fn add_to(sum: &mut Sum, conversions: i128, amounts: &[i128]) {
    sum.conversions = sum.conversions.saturating_add(conversions);
    sum.values.resize(amounts.len(), 0);
    sum.values.iter_mut().zip(amounts).for_each(|(sum, amount)| *sum = sum.saturating_add(*amount));
}

/// The first two columns of a table as columns of a chart.
fn bars(id: &str, title: &str, window: &str, table: &DataTable) -> Chart {
    let number = |cell: Option<&Cell>| match cell {
        Some(Cell::Number { exact, .. }) => exact.parse::<i128>().unwrap_or(0),
        _ => 0,
    };
    let names =
        table.rows.iter().filter_map(|row| if let Some(Cell::Text(name)) = row.first() { Some(name.as_str()) } else { None });
    let all = table.rows.iter().fold(0_i128, |all, row| all.saturating_add(number(row.get(1))));
    let mut chart = Chart::new(Kind::Columns, id, title, &table.id)
        .defined(format!("Every model, window {window}. Share of conversions."))
        .unit("share of conversions")
        .percent()
        .rows(names);
    for (row, cells) in table.rows.iter().enumerate() {
        let part = number(cells.get(1));
        if let (Some(height), Some(label)) = (drawn(part, all), percent(part, all)) {
            chart.mark(row, None, height, label);
        }
    }
    chart
}
