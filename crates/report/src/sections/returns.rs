//! What was spent, what came back, and how marketing shares in all conversions.

use std::collections::{BTreeMap, BTreeSet};

use maud::html;

use super::Block;
use super::shown::{CHART_ROWS, absent, every_column, others, rows_as_they_stand, says, under};
use crate::cell::Cell;
use crate::chart::{Chart, Kind};
use crate::data_table::{DataTable, Head};
use crate::error::ReportError;
use crate::facts::Facts;
use crate::number::{drawn, drawn_decimal, quotient};
use crate::run::ValueColumn;
use crate::sums::add;

/// The period that is everything.
const ALL: &str = "all";

/// Periods, the longest first: what is shown of channels, and the first but `all` of what is shown over time.
const PERIODS: &[&str] = &[ALL, "quarter", "month", "week", "day"];

/// What the columns of `returns` mean.
const DEFINITIONS: &str = "ROAS = revenue ÷ spend; ROI = (value − spend) ÷ spend on the value that “roi on” names; POAS = margin ÷ spend; \
    MER = all revenue ÷ all spend of the period; break-even ROAS = revenue ÷ margin; CPA, CPL, CAC = spend ÷ conversions, leads, new \
    customers; blended CAC = all spend ÷ all new customers; LTV = lifetime value of the new customers ÷ their number; payback months = \
    the age at which they have brought what was spent. Each from the sums of its row.";

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    if facts.run.table("returns").is_none_or(|table| table.rows == 0) {
        let how = html! { "Add " code { "[[spend]]" } " to the pipeline file: the cost of each day and channel." };
        return Ok(vec![absent("No spend was given.", &how)]);
    }
    // The first value is the one that is revenue, unless the pipeline says otherwise.
    let Some(value) = facts.run.main_value() else { return Ok(Vec::new()) };
    let (model, window) = (facts.run.main_model(), facts.run.main_window());
    let spend = Spend::read(facts, value)?;
    // Rows of a model that is not additive must not be added up; it is the main one only where there is no other.
    let mut blocks = if facts.run.additive(model) { spend.blocks(value, model, window) } else { Vec::new() };
    let period = spend.whole.as_str();
    let table = DataTable::new("t-returns", format!("Returns, window {window}, period {period}"), "returns")
        .defined(format!("Every model, window {window}; amounts in {}. {DEFINITIONS}", value.currency));
    let keep = |row: crate::scan::Row<'_>| row.text("period").unwrap_or(ALL) == period && row.text("window") == Some(window);
    let table = rows_as_they_stand(
        &facts.run,
        "returns",
        table,
        every_column(&facts.run, "returns", &["window", "period"], &["roi"])?,
        Some("spend"),
        keep,
    )?;
    blocks.push(Block::Folded("Every ratio, for every model".to_owned(), vec![Block::Table(table)]));
    if facts.run.table("marketing_share").is_some() {
        blocks.push(Block::Table(marketing_share(facts, value)?));
    }
    Ok(blocks)
}

fn marketing_share(facts: &Facts, value: &ValueColumn) -> Result<DataTable, ReportError> {
    let table = DataTable::new("t-marketing-share", "Share of marketing in all conversions", "marketing_share").defined(format!(
        "Conversions with a touch in the window, of all conversions, by kind; attributed value = share × value of all, in {}. No model is \
         needed for it.",
        value.currency
    ));
    let columns = every_column(&facts.run, "marketing_share", &[], &["share", "roi"])?;
    rows_as_they_stand(&facts.run, "marketing_share", table, columns, None, |_| true)
}

/// What was spent and what it brought, as sums.
#[derive(Clone, Copy, Default)]
struct Both {
    spend: i128,
    value: i128,
}

/// Sums under the main model and window.
struct Spend {
    /// The period of the sums by channel, and that of the sums over time.
    whole: String,
    part: Option<String>,
    scale: u8,
    channels: Vec<(String, Both)>,
    over_time: BTreeMap<i128, Both>,
}

impl Spend {
    fn read(facts: &Facts, value: &ValueColumn) -> Result<Self, ReportError> {
        let (model, window) = (facts.run.main_model(), facts.run.main_window());
        let mut periods = BTreeSet::new();
        facts.run.scan_named("returns", |row| {
            let period = row.text("period").unwrap_or(ALL);
            if !periods.contains(period) {
                periods.insert(period.to_owned());
            }
            Ok(())
        })?;
        let longest = PERIODS.iter().find(|period| periods.contains(**period)).copied();
        let part = ["month", "week", "quarter", "day"].into_iter().find(|period| periods.contains(*period)).map(str::to_owned);
        let whole = longest.or(periods.first().map(String::as_str)).unwrap_or(ALL).to_owned();
        let scale = match facts.run.table("returns") {
            Some(entry) => facts.run.columns(entry)?.scale("spend").unwrap_or(value.scale),
            None => value.scale,
        };
        let mut channels: BTreeMap<String, Both> = BTreeMap::new();
        let mut over_time: BTreeMap<i128, Both> = BTreeMap::new();
        facts.run.scan_named("returns", |row| {
            if row.text("model") != Some(model) || row.text("window") != Some(window) {
                return Ok(());
            }
            let period = row.text("period").unwrap_or(ALL);
            if period == whole {
                let sum = channels.entry(row.text("channel").unwrap_or(crate::sums::NOT_SET).to_owned()).or_default();
                add(&mut sum.spend, row, "returns", "spend")?;
                add(&mut sum.value, row, "returns", &value.name)?;
            }
            if let (true, Some(start)) = (Some(period) == part.as_deref(), row.day("period_start")) {
                let sum = over_time.entry(start).or_default();
                add(&mut sum.spend, row, "returns", "spend")?;
                add(&mut sum.value, row, "returns", &value.name)?;
            }
            Ok(())
        })?;
        let mut channels: Vec<_> = channels.into_iter().collect();
        channels.sort_by_key(|(_, both)| std::cmp::Reverse((both.spend, both.value)));
        Ok(Self { whole, part, scale, channels, over_time })
    }

    fn blocks(&self, value: &ValueColumn, model: &str, window: &str) -> Vec<Block> {
        let mut blocks = vec![says(self.sentence(value, model, window))];
        let charts = [self.by_channel(value, model, window), self.over_time(value, model, window)];
        blocks.extend(charts.into_iter().filter(|chart| !chart.is_empty()).map(Block::Chart));
        blocks.push(Block::Table(self.channel_table(value, model, window)));
        if self.over_time.len() > 1 {
            blocks.push(Block::Table(self.time_table(value, model, window)));
        }
        blocks
    }

    fn all(&self) -> Both {
        self.channels.iter().fold(Both::default(), |all, (_, both)| plus(all, *both))
    }

    /// The return of a spend: none where nothing was spent. Spend and values have the same digits in one currency.
    fn roas(&self, both: Both, value: &ValueColumn) -> Option<(i128, i128)> {
        let scaled = |amount: i128, scale: u8| amount.checked_mul(10_i128.checked_pow(scale.into())?);
        let pair = (scaled(both.value, self.scale)?, scaled(both.spend, value.scale)?);
        (both.spend != 0).then_some(pair)
    }

    fn sentence(&self, value: &ValueColumn, model: &str, window: &str) -> String {
        let all = self.all();
        let roas = self.roas(all, value).and_then(|(value, spend)| quotient(value, spend, 2));
        let returned = roas.map_or(String::new(), |roas| format!(", {roas} for each unit of spend"));
        let attributed = self.channels.iter().filter(|(name, _)| name != crate::sums::UNATTRIBUTED);
        let attributed = attributed.fold(Both::default(), |all, (_, both)| plus(all, *both));
        let own = self.roas(attributed, value).and_then(|(value, spend)| quotient(value, spend, 2));
        let own = own.map_or(String::new(), |roas| format!("; {roas} without what no touch got"));
        format!(
            "Spend was {} {}; {}, with what no touch got, was {}{returned}{own}. {}",
            crate::number::decimal(all.spend, self.scale),
            value.currency,
            value.name,
            value.amount(all.value),
            under(model, window)
        )
    }

    /// Spend and value of each channel: sums of its rows, the ratio from the sums.
    fn channel_table(&self, value: &ValueColumn, model: &str, window: &str) -> DataTable {
        let mut table = DataTable::new("t-spend", format!("Spend and {} by channel", value.name), "returns")
            .defined(format!(
                "{} Period {}. Spend and {} in {}, added up over the rows of each channel; ROAS = {} ÷ spend, from these sums.",
                under(model, window),
                self.whole,
                value.name,
                value.currency,
                value.name
            ))
            .ordered("by spend")
            .heads([Head::text("channel"), Head::number("spend"), Head::number(&value.name), Head::number("ROAS")]);
        for (name, both) in &self.channels {
            table.row_of(|| self.cells(Cell::text(name), *both, value));
        }
        table
    }

    fn time_table(&self, value: &ValueColumn, model: &str, window: &str) -> DataTable {
        let period = self.part.as_deref().unwrap_or("period");
        let mut table = DataTable::new("t-spend-time", format!("Spend and {} by {period}", value.name), "returns")
            .defined(format!(
                "{} Spend and {} in {} of all channels, (unattributed) included; ROAS = {} ÷ spend, from the sums of each {period}.",
                under(model, window),
                value.name,
                value.currency,
                value.name
            ))
            .heads([Head::text(period), Head::number("spend"), Head::number(&value.name), Head::number("ROAS")]);
        for (start, both) in &self.over_time {
            table.row_of(|| self.cells(Cell::day(*start), *both, value));
        }
        table
    }

    fn cells(&self, name: Cell, both: Both, value: &ValueColumn) -> Vec<Cell> {
        let roas = self.roas(both, value).map_or(Cell::Empty, |(value, spend)| Cell::quotient(value, spend));
        vec![name, Cell::decimal(both.spend, self.scale), Cell::amount(both.value, value), roas]
    }

    /// The return of each channel that has spend, those with most spend first; the others are one.
    fn by_channel(&self, value: &ValueColumn, model: &str, window: &str) -> Chart {
        let spending: Vec<_> = self.channels.iter().filter(|(_, both)| both.spend > 0).collect();
        let (first, further) = spending.split_at(spending.len().min(CHART_ROWS));
        let rest_name = others(further.len());
        let rest = further.iter().fold(Both::default(), |all, (_, both)| plus(all, *both));
        let rows: Vec<_> = first
            .iter()
            .map(|(name, both)| (name.as_str(), *both))
            .chain((!further.is_empty()).then_some((rest_name.as_str(), rest)))
            .collect();
        let mut chart = Chart::new(Kind::Bars, "roas", format!("ROAS by channel: {} ÷ spend", value.name), "t-spend")
            .defined(format!(
                "{} Channels with spend, most spend first. At 1 a channel brings what it costs.",
                under(model, window)
            ))
            .unit("ROAS")
            .rows(rows.iter().map(|(name, _)| *name));
        for (row, (_, both)) in rows.iter().enumerate() {
            if let Some((value, spend)) = self.roas(*both, value)
                && let (Some(number), Some(label)) = (drawn(value, spend), quotient(value, spend, 2))
            {
                chart.mark(row, None, number, label);
            }
        }
        chart
    }

    fn over_time(&self, value: &ValueColumn, model: &str, window: &str) -> Chart {
        let days: Vec<_> = self
            .over_time
            .keys()
            .map(|start| i32::try_from(*start).map_or(String::new(), attributary_core::time::day_text))
            .collect();
        let mut chart = Chart::new(Kind::Lines, "spend-time", format!("Spend and {} over time", value.name), "t-spend-time")
            .defined(format!("{} All channels, {}.", under(model, window), value.currency))
            .unit(&value.currency)
            .rows(days.iter().map(String::as_str))
            .series(["spend", value.name.as_str()]);
        if self.over_time.len() > 1 {
            for (row, both) in self.over_time.values().enumerate() {
                let label = |minor, scale| format!("{} {}", crate::number::decimal(minor, scale), value.currency);
                chart.mark(row, Some(0), drawn_decimal(both.spend, self.scale), label(both.spend, self.scale));
                chart.mark(row, Some(1), drawn_decimal(both.value, value.scale), label(both.value, value.scale));
            }
        }
        chart
    }
}

fn plus(one: Both, other: Both) -> Both {
    Both { spend: one.spend.saturating_add(other.spend), value: one.value.saturating_add(other.value) }
}
