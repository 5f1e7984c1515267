//! The rejected rows of a run of which only some days were computed: those that it found, and those of the run before that
//! nobody looked for again.

use std::cmp::Ordering;

use attributary_core::journey::Rejected;
use attributary_core::table::{Column, Rows};
use attributary_core::value::Value;
use attributary_engine::rejects::Side;
use attributary_engine::tables;

use super::grouped::{Blocks, Place, chosen, compare, distinct, merged_by};
use super::state::{self, blocks, day_of};
use super::{Carried, How};
use crate::error::Error;
use crate::plan::Plan;
use crate::run::Computed;
use crate::write::file_name;

/// Places of columns. A table of rejected rows has source, file, row, reason, customer, time, id; one of duplicates that a run
/// keeps for the next one also the conversion day.
const SOURCE: usize = 0;
const FILE: usize = 1;
const REASON: usize = 3;
const TIME: usize = 5;

/// All rejected rows.
///
/// # Errors
/// Where what is taken over cannot be read.
pub(crate) fn all<'a>(plan: &'a Plan, computed: &'a Computed, carried: &'a Carried) -> Result<Blocks<'a>, Error> {
    let fields = tables::rejects::fields(&plan.setup);
    let width = fields.len();
    let duplicate = Rejected::DuplicateId.to_string();
    let base = blocks(&carried.base, carried.base.manifest.table("rejects"), &fields)?;
    let base = chosen(base, move |rows, row| carried.keeps(plan, &duplicate, (rows, row)));
    // Rows are few, or a run that reads all days has written as many.
    let files = |side: Side, file: u32| file_name(plan, side, file);
    let fresh: Vec<Rows> = tables::rejects::rows(&plan.setup, &computed.rejected, &files)?.collect::<Result<_, _>>()?;
    let fresh = chosen(Box::new(fresh.into_iter().map(Ok)), move |rows, row| carried.found(plan, (rows, row)));
    let duplicates = kept_duplicates(plan, carried)?.map(move |rows| {
        let mut rows = rows?;
        rows.columns.truncate(width);
        Ok(rows)
    });
    let duplicates = merged_by(fresh, Box::new(duplicates), order);
    Ok(distinct(merged_by(base, duplicates, order)))
}

/// The duplicates among touches by the conversion days that found them.
///
/// # Errors
/// Where what is taken over cannot be read.
pub(crate) fn duplicates<'a>(plan: &'a Plan, computed: &'a Computed, carried: Option<&'a Carried>) -> Result<Blocks<'a>, Error> {
    let files = |side: Side, file: u32| file_name(plan, side, file);
    let fresh: Vec<Rows> = tables::rejects::duplicates(&plan.setup, &computed.rejected, &files)?.collect::<Result<_, _>>()?;
    let fresh: Blocks<'a> = Box::new(fresh.into_iter().map(Ok));
    let Some(carried) = carried else { return Ok(fresh) };
    Ok(distinct(merged_by(fresh, kept_duplicates(plan, carried)?, order)))
}

/// Those of days that were not computed.
fn kept_duplicates<'a>(plan: &'a Plan, carried: &'a Carried) -> Result<Blocks<'a>, Error> {
    let fields = tables::rejects::duplicate_fields(&plan.setup);
    let day = fields.len() - 1;
    let all = blocks(&carried.base, state::state(&carried.base, state::TOUCH_DUPLICATES), &fields)?;
    Ok(chosen(all, move |rows, row| {
        day_of(&rows.columns[day].value(row)).is_some_and(|day| plan.setup.range.contains(day) && !carried.computed.contains(day))
    }))
}

impl Carried {
    /// Whether a rejected row of the run before is one of this run, too.
    fn keeps(&self, plan: &Plan, duplicate: &str, (rows, row): Place<'_>) -> bool {
        let setup = &plan.setup;
        let time = time((rows, row));
        let cell = |column: usize| text(&rows.columns[column], row);
        match cell(SOURCE).and_then(|name| Side::ALL.into_iter().find(|side| side.name() == name)) {
            Some(Side::Touchpoints) => {
                // Duplicates are kept by day.
                if cell(REASON) == Some(duplicate) {
                    return false;
                }
                let changed = match &self.how {
                    How::Merge(_) => false,
                    How::Changed(changes) => cell(FILE).is_none_or(|file| changes.stale.contains(file)),
                };
                let bounds = plan.touch_bounds(None);
                let inside = |time: i64| {
                    let inside = bounds.from.is_none_or(|from| from <= time) && bounds.to.is_none_or(|to| time < to);
                    inside && !self.has_read(time)
                };
                !changed && time.map_or_else(|| setup.range.from.is_none() && !self.has_read_untimed(), inside)
            }
            Some(Side::Conversions) => match &self.how {
                How::Merge(asked) => {
                    let day = time.map(|time| setup.rules.zone.day(time));
                    setup.range.counts(day) && !asked.counts(day)
                }
                How::Changed(_) => {
                    let stale = |file: &str| self.orders.as_ref().is_some_and(|orders| orders.stale.contains(file));
                    let of_file = |file: &str| !self.judges(file) && !stale(file);
                    let day = time.map(|time| setup.rules.zone.day(time));
                    cell(FILE).is_some_and(of_file) && setup.range.counts(day)
                }
            },
            // As are spend and rates.
            _ => false,
        }
    }

    /// Whether a rejected row that this run has found is of what it puts in place.
    fn found(&self, plan: &Plan, (rows, row): Place<'_>) -> bool {
        match (&self.how, text(&rows.columns[SOURCE], row)) {
            (How::Merge(asked), Some(name)) if name == Side::Conversions.name() => {
                asked.counts(time((rows, row)).map(|time| plan.setup.rules.zone.day(time)))
            }
            (How::Changed(_), Some(name)) if name == Side::Conversions.name() => {
                text(&rows.columns[FILE], row).is_none_or(|file| self.judges(file))
            }
            _ => true,
        }
    }

    /// Whether touches of an instant were read.
    fn has_read(&self, time: i64) -> bool {
        let within = |from: Option<i64>, to: Option<i64>| from.is_none_or(|from| from <= time) && to.is_none_or(|to| time < to);
        self.reads.iter().any(|bounds| within(bounds.from, bounds.to))
    }

    /// Whether touches without a time were.
    fn has_read_untimed(&self) -> bool {
        self.reads.iter().any(|bounds| bounds.from.is_none())
    }
}

/// By source as runs have them, touchpoints first, then by all other cells.
fn order(one: Place<'_>, other: Place<'_>) -> Ordering {
    let side = |(rows, row): Place<'_>| {
        let name = text(&rows.columns[SOURCE], row);
        Side::ALL.iter().position(|side| name == Some(side.name()))
    };
    side(one).cmp(&side(other)).then_with(|| compare(one, other, 1..one.0.columns.len()))
}

/// The text of a cell, if it is one.
fn text(column: &Column, row: usize) -> Option<&str> {
    match column {
        Column::Codes { codes, dictionary } => dictionary.get(codes[row] as usize)?.as_text(),
        Column::Texts(cells) => cells.get(row),
        Column::Values(cells) => cells[row].as_text(),
        Column::Ints(_) | Column::Wide(_) | Column::Floats(_) => None,
    }
}

fn time((rows, row): Place<'_>) -> Option<i64> {
    match &rows.columns[TIME] {
        Column::Ints(cells) => Some(cells[row]),
        other => match other.value(row) {
            Value::Int(time) => i64::try_from(time).ok(),
            _ => None,
        },
    }
}
