//! The rejected rows of a run of which only some days were computed: those that it found, and those of the run before that
//! nobody looked for again.

use std::cmp::Ordering;
use std::iter::Peekable;

use attributary_core::journey::Rejected;
use attributary_core::table::{Column, Rows};
use attributary_core::value::Value;
use attributary_engine::rejects::Side;
use attributary_engine::tables;

use super::grouped::Blocks;
use super::state::{self, blocks, cells_of, day_of};
use super::{Carried, How};
use crate::error::Error;
use crate::plan::Plan;
use crate::run::Computed;
use crate::write::file_name;

/// A rejected row as the table has it: source, file, row, reason, customer, time, id; of a duplicate that a run keeps for the
/// next one also the conversion day.
type Cells = Vec<Value>;
type Lines<'a> = Box<dyn Iterator<Item = Result<Cells, Error>> + 'a>;

/// All rejected rows.
///
/// # Errors
/// Where what is taken over cannot be read.
pub(crate) fn all<'a>(plan: &'a Plan, computed: &'a Computed, carried: &'a Carried) -> Result<Blocks<'a>, Error> {
    let fields = tables::rejects::fields(&plan.setup);
    let width = fields.len();
    let base = lines(blocks(&carried.base, carried.base.manifest.table("rejects"), &fields)?);
    let base = base.filter(|cells| cells.as_ref().map_or(true, |cells| carried.keeps(plan, cells)));
    let fresh = plan_lines(plan, computed)?;
    let fresh = fresh.filter(|cells| cells.as_ref().map_or(true, |cells| carried.found(plan, cells)));
    let duplicates = kept_duplicates(plan, carried)?.map(move |cells| {
        cells.map(|mut cells| {
            cells.truncate(width);
            cells
        })
    });
    let lines = woven(Box::new(base), woven(Box::new(fresh), Box::new(duplicates)));
    Ok(as_blocks(lines, width))
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
    let width = tables::rejects::duplicate_fields(&plan.setup).len();
    Ok(as_blocks(woven(lines(fresh), kept_duplicates(plan, carried)?), width))
}

/// Those of days that were not computed.
fn kept_duplicates<'a>(plan: &'a Plan, carried: &'a Carried) -> Result<Lines<'a>, Error> {
    let fields = tables::rejects::duplicate_fields(&plan.setup);
    let day = fields.len() - 1;
    let all = lines(blocks(&carried.base, state::state(&carried.base, state::TOUCH_DUPLICATES), &fields)?);
    let kept = move |cells: &Cells| {
        day_of(&cells[day]).is_some_and(|day| plan.setup.range.contains(day) && !carried.computed.contains(day))
    };
    Ok(Box::new(all.filter(move |cells| cells.as_ref().map_or(true, &kept))))
}

fn plan_lines<'a>(plan: &'a Plan, computed: &'a Computed) -> Result<Lines<'a>, Error> {
    // Rows are few, or a run that reads all days has written as many.
    let files = |side: Side, file: u32| file_name(plan, side, file);
    let rows: Vec<Rows> = tables::rejects::rows(&plan.setup, &computed.rejected, &files)?.collect::<Result<_, _>>()?;
    Ok(lines(Box::new(rows.into_iter().map(Ok))))
}

impl Carried {
    /// Whether a rejected row of the run before is one of this run, too.
    fn keeps(&self, plan: &Plan, cells: &Cells) -> bool {
        let setup = &plan.setup;
        let time = time(cells);
        match cells[0].as_text().and_then(|name| Side::ALL.into_iter().find(|side| side.name() == name)) {
            Some(Side::Touchpoints) => {
                // Duplicates are kept by day.
                if cells[3].as_text() == Some(&Rejected::DuplicateId.to_string()) {
                    return false;
                }
                let changed = match &self.how {
                    How::Merge(_) => false,
                    How::Changed(changes) => cells[1].as_text().is_none_or(|file| changes.stale.contains(file)),
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
                    cells[1].as_text().is_some_and(of_file) && setup.range.counts(day)
                }
            },
            // As are spend and rates.
            _ => false,
        }
    }

    /// Whether a rejected row that this run has found is of what it puts in place.
    fn found(&self, plan: &Plan, cells: &Cells) -> bool {
        match (&self.how, cells[0].as_text()) {
            (How::Merge(asked), Some(name)) if name == Side::Conversions.name() => {
                asked.counts(time(cells).map(|time| plan.setup.rules.zone.day(time)))
            }
            (How::Changed(_), Some(name)) if name == Side::Conversions.name() => {
                cells[1].as_text().is_none_or(|file| self.judges(file))
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

fn time(cells: &Cells) -> Option<i64> {
    match &cells[5] {
        Value::Int(time) => i64::try_from(*time).ok(),
        _ => None,
    }
}

fn lines(blocks: Blocks<'_>) -> Lines<'_> {
    Box::new(blocks.flat_map(|rows| -> Lines<'static> {
        match rows {
            Ok(rows) => Box::new((0..rows.len()).map(move |row| Ok(cells_of(&rows, row)))),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }))
}

/// Two lists as one in their order: by source as runs have them, touchpoints first, then by all other cells; each row once.
fn woven<'a>(one: Lines<'a>, other: Lines<'a>) -> Lines<'a> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    let mut before: Option<Cells> = None;
    Box::new(std::iter::from_fn(move || {
        loop {
            let next = first(&mut one, &mut other)?;
            match &next {
                Ok(cells) if before.as_ref() == Some(cells) => {}
                Ok(cells) => {
                    before = Some(cells.clone());
                    return Some(next);
                }
                Err(_) => return Some(next),
            }
        }
    }))
}

fn first(one: &mut Peekable<Lines<'_>>, other: &mut Peekable<Lines<'_>>) -> Option<Result<Cells, Error>> {
    let second = match (one.peek(), other.peek()) {
        (Some(Ok(left)), Some(Ok(right))) => compare(left, right) == Ordering::Greater,
        (None, _) | (Some(Ok(_)), Some(Err(_))) => true,
        _ => false,
    };
    if second { other.next() } else { one.next() }
}

fn compare(one: &Cells, other: &Cells) -> Ordering {
    let side = |cells: &Cells| Side::ALL.iter().position(|side| cells[0].as_text() == Some(side.name()));
    side(one).cmp(&side(other)).then_with(|| one[1..].cmp(&other[1..]))
}

fn as_blocks(lines: Lines<'_>, width: usize) -> Blocks<'_> {
    const ROWS: usize = 1 << 14;
    let mut lines = lines;
    Box::new(std::iter::from_fn(move || match lines.by_ref().take(ROWS).collect::<Result<Vec<_>, _>>() {
        Ok(rows) if rows.is_empty() => None,
        Ok(rows) => {
            let column = |place: usize| Column::Values(rows.iter().map(|cells| cells[place].clone()).collect());
            Some(Ok(Rows { columns: (0..width).map(column).collect() }))
        }
        Err(error) => Some(Err(error)),
    }))
}
