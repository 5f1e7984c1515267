//! The contract as slow, obvious code: rows in memory and settings in, every table out.
//!
//! It follows the wording step by step, walks everything again for every model and window, and shares nothing with the
//! engine but the words of `core` (zones, windows, rounding). Where the wording leaves room, the reading taken is said at
//! the place.

mod clean;
mod journeys;
mod split;
mod tables;
mod weights;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use attributary_core::duration::Window;
use attributary_core::journey::Unattributed;

use crate::rows::{ConversionRow, TouchRow};
use crate::settings::{ModelKind, OracleModel, OracleSettings};
use crate::table::{self, Table};

use clean::{Conversion, Source, Touch};

/// Every table of a run by name: `credits`, `unattributed`, `rejects`, `ledger`, `paths` where asked for, and the grouped ones.
///
/// Grouped tables and `paths` are in their order; the rows of the others are in no particular one. In `rejects` the file
/// is its number.
#[must_use]
pub fn run(touches: &[TouchRow], conversions: &[ConversionRow], settings: &OracleSettings) -> BTreeMap<String, Table> {
    let source = clean::accept(touches, conversions, settings);
    let mut outcomes = Vec::new();
    for model in &settings.models {
        for window in &settings.windows {
            for conversion in source.in_range(settings) {
                let result = attribute(conversion, model, window, &source, settings);
                outcomes.push(Outcome { model, window, conversion, result });
            }
        }
    }
    let mut all = BTreeMap::from([
        ("credits".to_owned(), tables::credits(&outcomes, settings)),
        ("unattributed".to_owned(), tables::unattributed(&outcomes, settings)),
        ("rejects".to_owned(), tables::rejects(&source)),
        ("ledger".to_owned(), tables::ledger(&outcomes, &source, settings)),
    ]);
    if settings.paths > 0 {
        all.insert("paths".to_owned(), tables::paths(&source, settings));
    }
    for (name, by) in settings.grouped_tables() {
        all.insert(name, tables::grouped(&outcomes, &by, &source, settings));
    }
    all
}

/// Whether rows of a table have an order that counts: those of the grouped tables and of `paths`.
#[must_use]
pub fn is_ordered(table: &str) -> bool {
    !["credits", "unattributed", "rejects", "ledger"].contains(&table)
}

/// What is wrong with the tables that a run wrote: one that is missing, or whose columns, rows or order are not those of the
/// oracle. The file of a reject is not compared, as the oracle only knows its number. None where all agree.
#[must_use]
pub fn disagreement(expected: &BTreeMap<String, Table>, found: &BTreeMap<String, Table>) -> Option<String> {
    expected.iter().find_map(|(name, expected)| {
        let Some(found) = found.get(name) else { return Some(format!("no table {name}")) };
        let (mut expected, mut found) = (expected.clone(), found.clone());
        if name == "rejects" {
            [&mut expected, &mut found].into_iter().for_each(|table| table.drop_column("file"));
        }
        if !is_ordered(name) {
            (expected, found) = (expected.sorted(), found.sorted());
        }
        table::difference(&expected, &found).map(|difference| format!("{name}: {difference}"))
    })
}

/// What one model and window made of one conversion.
struct Outcome<'a> {
    model: &'a OracleModel,
    window: &'a Window,
    conversion: &'a Conversion,
    result: Result<Vec<Credit<'a>>, Unattributed>,
}

/// What one touch got of one conversion.
struct Credit<'a> {
    touch: &'a Touch,
    /// Billionths.
    share: i64,
    /// One amount per value, in minor units.
    amounts: Vec<i64>,
}

/// The conversion divided over the touches that `only` left, oldest first, those that got nothing included.
fn attribute<'a>(
    conversion: &Conversion,
    model: &OracleModel,
    window: &Window,
    source: &'a Source,
    settings: &OracleSettings,
) -> Result<Vec<Credit<'a>>, Unattributed> {
    let touches = journeys::eligible(conversion, window, source, settings)?;
    let touches = journeys::only(touches, model, settings).ok_or(Unattributed::Ignored)?;
    if model.kind == ModelKind::AnyTouch {
        let whole = |touch| Credit { touch, share: conversion.share(), amounts: conversion.amounts() };
        return Ok(touches.into_iter().map(whole).collect());
    }
    let weights = weights::weights(&touches, conversion.time, model, settings);
    if weights.iter().all(|weight| *weight == 0.0) {
        return Err(Unattributed::Ignored);
    }
    let shares = split::split(&weights, conversion.share());
    let amounts: Vec<_> = conversion.amounts().iter().map(|amount| split::split(&weights, *amount)).collect();
    let credit = |(place, touch): (usize, &'a Touch)| Credit {
        touch,
        share: shares[place],
        amounts: amounts.iter().map(|parts| parts[place]).collect(),
    };
    Ok(touches.into_iter().enumerate().map(credit).collect())
}
