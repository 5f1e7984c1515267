//! How far the models are apart: what hangs on the choice of the model, and what does not.

use maud::html;

use super::Block;
use super::shown::{absent, says};
use crate::cell::Cell;
use crate::chart::{Chart, Kind};
use crate::data_table::{DataTable, Head};
use crate::error::ReportError;
use crate::facts::Facts;
use crate::number::{drawn, percent, things};
use crate::run::ValueColumn;
use crate::sums::Sums;

/// Charts of ranges have room for this many channels.
const MOST_CHANNELS: usize = 12;

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    let window = facts.run.main_window();
    let ready = facts.main().map(|(value, sums)| (value, sums, facts.additive_models(sums, window)));
    let Some((value, sums, models)) = ready.filter(|(_, _, models)| models.len() > 1) else {
        let how = html! { "Give the pipeline two additive models or more (" code { "[[model]]" } ") and a table by channel." };
        return Ok(vec![absent("There are no two models to compare.", &how)]);
    };
    let spreads = spreads(facts, sums, &models, window);
    let changing = spreads.iter().filter(|spread| spread.best.0 != spread.worst.0).count();
    let all = spreads.len();
    let mut sentence = format!(
        "The rank of {changing} of {} depends on the model ({} additive models, window {window}, ranked by {}).",
        things(all, "channel"),
        models.len(),
        value.name
    );
    if let Some(widest) = spreads.iter().max_by_key(|spread| spread.worst.0 - spread.best.0).filter(|_| changing > 0) {
        sentence += &format!(
            " “{}” moves most: from rank {} under {} to rank {} under {}.",
            crate::cell::shortened(&widest.name, 60),
            widest.best.0,
            widest.best.1,
            widest.worst.0,
            widest.worst.1
        );
    }
    let chart = ranges(facts, value, sums, &models, &spreads);
    Ok(vec![says(sentence), Block::Chart(chart), Block::Table(table(facts, value, sums, &spreads))])
}

/// What the models say of a channel.
struct Spread<'a> {
    name: String,
    /// The least and most it gets, and under which model.
    least: (i128, &'a str),
    most: (i128, &'a str),
    /// The first and last rank it has, from 1, and under which model.
    best: (usize, &'a str),
    worst: (usize, &'a str),
}

fn spreads<'a>(facts: &Facts, sums: &Sums, models: &[&'a str], window: &str) -> Vec<Spread<'a>> {
    let channels = sums.ranked(facts.run.main_model(), window, 0);
    // For each model what its channels have, most first: a channel's rank is one more than how many have more.
    let sorted: Vec<Vec<i128>> = models
        .iter()
        .map(|model| {
            let mut amounts: Vec<_> = channels.iter().map(|names| sums.of(model, window, names).value(0)).collect();
            amounts.sort_unstable_by(|one, other| other.cmp(one));
            amounts
        })
        .collect();
    let spread = |names: Vec<String>| {
        let each = models.iter().zip(&sorted).map(|(model, sorted)| {
            let amount = sums.of(model, window, &names).value(0);
            (amount, sorted.partition_point(|other| *other > amount) + 1, *model)
        });
        let each: Vec<_> = each.collect();
        let (least, most) = (each.iter().min_by_key(|it| it.0)?, each.iter().max_by_key(|it| it.0)?);
        let (best, worst) = (each.iter().min_by_key(|it| it.1)?, each.iter().max_by_key(|it| it.1)?);
        Some(Spread {
            name: names.into_iter().next()?,
            least: (least.0, least.2),
            most: (most.0, most.2),
            best: (best.1, best.2),
            worst: (worst.1, worst.2),
        })
    };
    channels.into_iter().filter_map(spread).collect()
}

fn table(facts: &Facts, value: &ValueColumn, sums: &Sums, spreads: &[Spread<'_>]) -> DataTable {
    let (main, window) = (facts.run.main_model(), facts.run.main_window());
    let mut table = DataTable::new("t-spread", format!("Spread of {} between models, window {window}", value.name), &sums.table)
        .defined(format!(
            "Least and most {} ({}) of each channel under the additive models, window {window}. Spread = most − least; in percent of \
             the most. Ranks by {} under each model, 1 has most, equal amounts have equal ranks.",
            value.name, value.currency, value.name
        ))
        .ordered(format!("by {} under {main}", value.name))
        .heads([
            Head::text("channel"),
            Head::number("least"),
            Head::text("under"),
            Head::number("most"),
            Head::text("under"),
            Head::number("spread"),
            Head::number("spread of most"),
            Head::number("best rank"),
            Head::number("worst rank"),
            Head::text("rank depends on the model"),
        ]);
    for spread in spreads {
        let width = spread.most.0.saturating_sub(spread.least.0);
        table.row(vec![
            Cell::text(&spread.name),
            Cell::amount(spread.least.0, value),
            Cell::text(spread.least.1),
            Cell::amount(spread.most.0, value),
            Cell::text(spread.most.1),
            Cell::amount(width, value),
            Cell::percent(width, spread.most.0),
            Cell::len(spread.best.0),
            Cell::len(spread.worst.0),
            Cell::text(if spread.best.0 == spread.worst.0 { "no" } else { "yes" }),
        ]);
    }
    table
}

fn ranges(facts: &Facts, value: &ValueColumn, sums: &Sums, models: &[&str], spreads: &[Spread<'_>]) -> Chart {
    let window = facts.run.main_window();
    let shown = &spreads[..spreads.len().min(MOST_CHANNELS)];
    let cut = if shown.len() < spreads.len() {
        format!(" The first {} of {} channels.", shown.len(), spreads.len())
    } else {
        String::new()
    };
    let mut chart = Chart::new(
        Kind::Range,
        "spread",
        format!("Share of attributed {}: from the least to the most generous model", value.name),
        "t-spread",
    )
    .defined(format!("A dot for each additive model, window {window}; the ends are named.{cut}"))
    .unit(format!("share of attributed {}", value.name))
    .percent()
    .rows(shown.iter().map(|spread| spread.name.as_str()))
    .series(models.iter().copied());
    let wholes: Vec<_> = models.iter().map(|model| sums.attributed(model, window, 0)).collect();
    for (row, spread) in shown.iter().enumerate() {
        for (series, (model, whole)) in models.iter().zip(&wholes).enumerate() {
            let part = sums.of(model, window, std::slice::from_ref(&spread.name)).value(0);
            if let (Some(number), Some(label)) = (drawn(part, *whole), percent(part, *whole)) {
                chart.mark(row, Some(series), number, label);
            }
        }
    }
    chart
}
