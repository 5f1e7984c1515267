//! What was spent, what came back, and how marketing shares in all conversions.

use maud::html;

use super::Block;
use super::shown::{CHART_ROWS, absent, every_column, others, rows_as_they_stand, says, under};
use crate::cell::Cell;
use crate::chart::{Chart, Kind};
use crate::data_table::{DataTable, Head};
use crate::error::ReportError;
use crate::facts::Facts;
use crate::number::{decimal, drawn, drawn_decimal, quotient};
use crate::run::ValueColumn;
use crate::spend::{ALL, Both, Spend};

/// What the columns of `returns` mean.
const DEFINITIONS: &str = "ROAS = revenue ÷ spend; ROI = (value − spend) ÷ spend on the value that “roi on” names; POAS = margin ÷ spend; \
    MER = all revenue ÷ all spend of the period; break-even ROAS = revenue ÷ margin; CPA, CPL, CAC = spend ÷ conversions, leads, new \
    customers; blended CAC = all spend ÷ all new customers; LTV = lifetime value of the new customers ÷ their number; payback months = \
    the age at which they have brought what was spent. Each from the sums of its row.";

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    let Some(spend) = &facts.spend else {
        let how = html! { "Add " code { "[[spend]]" } " to the pipeline file: the cost of each day and channel." };
        return Ok(vec![absent("No spend was given.", &how)]);
    };
    let (model, window, value) = (facts.run.main_model(), facts.run.main_window(), &spend.revenue);
    // Rows of a model that is not additive must not be added up; it is the main one only where there is no other.
    let mut blocks = if facts.run.additive(model) { blocks(spend, model, window) } else { Vec::new() };
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
        "Conversions with a touch of marketing in the window, of all conversions, by period and kind: (all) are all conversions, (customers) \
         first orders. Value = {} of all conversions of the period; attributed value = value × share; ROAS and ROI on all spend of the \
         period. In {}. No model is needed for it.",
        value.name, value.currency
    ));
    let columns = every_column(&facts.run, "marketing_share", &[], &["share", "roi"])?;
    rows_as_they_stand(&facts.run, "marketing_share", table, columns, None, |_| true)
}

fn blocks(spend: &Spend, model: &str, window: &str) -> Vec<Block> {
    let mut blocks = vec![says(sentence(spend, model, window))];
    let charts = [by_channel(spend, model, window), over_time(spend, model, window)];
    blocks.extend(charts.into_iter().filter(|chart| !chart.is_empty()).map(Block::Chart));
    blocks.push(Block::Table(channel_table(spend, model, window)));
    if spend.over_time.len() > 1 {
        blocks.push(Block::Table(time_table(spend, model, window)));
    }
    blocks
}

fn sentence(spend: &Spend, model: &str, window: &str) -> String {
    let (value, all) = (&spend.revenue, spend.all());
    let mut sentence = format!(
        "Spend was {} {}; {}, with what no touch got, was {}",
        decimal(all.spend, spend.scale),
        value.currency,
        value.name,
        value.amount(all.revenue)
    );
    for (both, before, after) in [
        (all, ", ", " for each unit of spend"),
        (spend.attributed(), "; ", " without what no touch got"),
        (spend.paid(), "; ", " of the channels that were spent on"),
    ] {
        if let Some(ratio) = spend.roas(both).and_then(|(revenue, spend)| quotient(revenue, spend, 2)) {
            sentence += &format!("{before}{ratio}{after}");
        }
    }
    format!("{sentence}. {}", under(model, window))
}

/// Spend and value of each channel: sums of its rows, the ratio from the sums.
fn channel_table(spend: &Spend, model: &str, window: &str) -> DataTable {
    let value = &spend.revenue;
    let mut table = DataTable::new("t-spend", format!("Spend and {} by channel", value.name), "returns")
        .defined(format!(
            "{} Period {}. Spend and {} in {}, added up over the rows of each channel; ROAS = {} ÷ spend, from these sums.",
            under(model, window),
            spend.whole,
            value.name,
            value.currency,
            value.name
        ))
        .ordered("by spend")
        .heads([Head::text("channel"), Head::number("spend"), Head::number(&value.name), Head::number("ROAS")]);
    for (name, both) in &spend.channels {
        table.row_of(|| row(spend, Cell::text(name), *both));
    }
    table
}

fn time_table(spend: &Spend, model: &str, window: &str) -> DataTable {
    let value = &spend.revenue;
    let period = spend.part.as_deref().unwrap_or("period");
    let mut table = DataTable::new("t-spend-time", format!("Spend and {} by {period}", value.name), "returns")
        .defined(format!(
            "{} Spend and {} in {} of all channels, (unattributed) included; ROAS = {} ÷ spend, from the sums of each {period}.",
            under(model, window),
            value.name,
            value.currency,
            value.name
        ))
        .heads([Head::text(period), Head::number("spend"), Head::number(&value.name), Head::number("ROAS")]);
    for (start, both) in &spend.over_time {
        table.row_of(|| row(spend, Cell::day(*start), *both));
    }
    table
}

fn row(spend: &Spend, name: Cell, both: Both) -> Vec<Cell> {
    let roas = spend.roas(both).map_or(Cell::Empty, |(revenue, spend)| Cell::quotient(revenue, spend));
    vec![name, Cell::decimal(both.spend, spend.scale), Cell::amount(both.revenue, &spend.revenue), roas]
}

/// The return of each channel that has spend, those with most spend first; the others are one.
fn by_channel(spend: &Spend, model: &str, window: &str) -> Chart {
    let value = &spend.revenue;
    let spending: Vec<_> = spend.channels.iter().filter(|(_, both)| both.spend > 0).collect();
    let (first, further) = spending.split_at(spending.len().min(CHART_ROWS));
    let rest_name = others(further.len());
    let rest = further.iter().fold(Both::default(), |all, (_, both)| all.plus(*both));
    let rows: Vec<_> = first
        .iter()
        .map(|(name, both)| (name.as_str(), *both))
        .chain((!further.is_empty()).then_some((rest_name.as_str(), rest)))
        .collect();
    let mut chart = Chart::new(Kind::Bars, "roas", format!("ROAS by channel: {} ÷ spend", value.name), "t-spend")
        .defined(format!("{} Channels with spend, most spend first. At 1 a channel brings what it costs.", under(model, window)))
        .unit("ROAS")
        .rows(rows.iter().map(|(name, _)| *name));
    for (row, (_, both)) in rows.iter().enumerate() {
        if let Some((revenue, spend)) = spend.roas(*both)
            && let (Some(number), Some(label)) = (drawn(revenue, spend), quotient(revenue, spend, 2))
        {
            chart.mark(row, None, number, label);
        }
    }
    chart
}

fn over_time(spend: &Spend, model: &str, window: &str) -> Chart {
    let value = &spend.revenue;
    let days: Vec<_> = spend
        .over_time
        .keys()
        .map(|start| i32::try_from(*start).map_or(String::new(), attributary_core::time::day_text))
        .collect();
    let mut chart = Chart::new(Kind::Lines, "spend-time", format!("Spend and {} over time", value.name), "t-spend-time")
        .defined(format!("{} All channels, {}.", under(model, window), value.currency))
        .unit(&value.currency)
        .rows(days.iter().map(String::as_str))
        .series(["spend", value.name.as_str()]);
    if spend.over_time.len() > 1 {
        for (row, both) in spend.over_time.values().enumerate() {
            let label = |minor, scale| format!("{} {}", decimal(minor, scale), value.currency);
            chart.mark(row, Some(0), drawn_decimal(both.spend, spend.scale), label(both.spend, spend.scale));
            chart.mark(row, Some(1), drawn_decimal(both.revenue, value.scale), label(both.revenue, value.scale));
        }
    }
    chart
}
