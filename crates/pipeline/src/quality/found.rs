//! What checks ask for, looked for when the first one asks.

use std::collections::BTreeMap;
use std::path::Path;

use attributary_core::journey::Rejected;
use attributary_core::table::{Field, Rows};
use attributary_core::{NOT_SET, UNATTRIBUTED};
use attributary_engine::Range;
use attributary_engine::rejects::Side;
use attributary_engine::tables::ONLY_FILE;
use attributary_store::read_table;

use super::change::{self, Days};
use super::{Evidence, ONE};
use crate::carried::{Touches, int};
use crate::error::Error;
use crate::file::{GroupColumn, MARKETING, SourceName};
use crate::worth::SPEND;

/// Rows of a source, and how many of them were rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub rows: u64,
    pub rejected: u64,
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub part: i128,
    pub whole: i128,
}

impl Part {
    /// In billionths, rounded; 0 of nothing.
    pub fn billionths(&self) -> i128 {
        if self.whole <= 0 { 0 } else { (self.part.saturating_mul(ONE) + self.whole / 2) / self.whole }
    }

    fn exceeds(&self, other: &Self) -> bool {
        self.part.saturating_mul(other.whole) > other.part.saturating_mul(self.whole)
    }
}

pub(super) struct Found<'a> {
    evidence: &'a Evidence<'a>,
    /// By source and reason.
    rejected: Option<BTreeMap<(String, String), u64>>,
    days: Option<Days>,
}

impl<'a> Found<'a> {
    pub fn new(evidence: &'a Evidence<'a>) -> Self {
        Self { evidence, rejected: None, days: None }
    }

    /// Of touchpoints all rows of all files where the run has all days, else those that it read; of conversions those of its days.
    pub fn counts(&mut self, source: SourceName) -> Result<Counts, Error> {
        let evidence = self.evidence;
        match (source, self.all_touches()) {
            (SourceName::Touchpoints, Some(touches)) => Ok(Counts { rows: touches.rows, rejected: self.rejected(source, None)? }),
            (SourceName::Touchpoints, None) => {
                let of = |reason| evidence.computed.rejected.count(Side::Touchpoints, reason);
                Ok(Counts { rows: evidence.computed.touches_read, rejected: Rejected::ALL.map(of).iter().sum() })
            }
            (SourceName::Conversions, _) => {
                let rejected = self.rejected(source, None)?;
                let of_model = evidence.totals.ledger.iter();
                let accepted = of_model.map(|line| line.attributed_conversions + line.unattributed_conversions).max();
                Ok(Counts { rows: accepted.unwrap_or(0) + rejected, rejected })
            }
        }
    }

    /// The newest touch that is not in the future.
    pub fn newest_touch(&self) -> Option<i64> {
        let read = || self.evidence.computed.touches.iter().filter_map(|touches| touches.newest).max();
        self.all_touches().map_or_else(read, |touches| touches.newest)
    }

    /// The touches of all files, where the run has all days and knows them.
    fn all_touches(&self) -> Option<Touches> {
        let Evidence { plan, versions, is_merge, .. } = self.evidence;
        if *is_merge || plan.setup.range != Range::default() {
            return None;
        }
        let of_file = |path: &Path| versions.touchpoints.get(&path.display().to_string())?.touches;
        let mut files = plan.touchpoints.files().iter();
        files.try_fold(Touches::default(), |sum, file| Some(sum.and(of_file(&file.path)?)))
    }

    /// Rows with an id that another row has.
    pub fn duplicates(&mut self, source: SourceName) -> Result<u64, Error> {
        self.rejected(source, Some(Rejected::DuplicateId))
    }

    /// The rejected rows that are published.
    fn rejected(&mut self, source: SourceName, reason: Option<Rejected>) -> Result<u64, Error> {
        if self.rejected.is_none() {
            let mut counts = BTreeMap::new();
            for_each(&self.table("rejects"), &["source", "reason"], |rows, row, [source, reason]| {
                let text = |column: usize| rows.columns[column].value(row).as_text().unwrap_or_default().to_owned();
                *counts.entry((text(source), text(reason))).or_default() += 1;
            })?;
            self.rejected = Some(counts);
        }
        let reason = reason.map(|reason| reason.to_string());
        let wanted = |(of, why): &(String, String)| of == source.name() && reason.as_ref().is_none_or(|reason| reason == why);
        Ok(self.rejected.iter().flatten().filter(|(key, _)| wanted(key)).map(|(_, rows)| rows).sum())
    }

    /// Of the model and window under which most conversions got to no touch. The model that says what marketing touched is not
    /// meant to find all.
    pub fn unattributed(&self) -> (Option<String>, Part) {
        let lines = self.evidence.totals.ledger.iter().filter(|line| line.model != SPEND && line.model != MARKETING);
        worst(lines.map(|line| {
            let (attributed, unattributed) = (i128::from(line.attributed_conversions), i128::from(line.unattributed_conversions));
            ((line.model.clone(), line.window.clone()), Part { part: unattributed, whole: attributed + unattributed })
        }))
    }

    /// Of the model and window under which most of what touches got went to those without a channel. The smallest table by
    /// channel tells; what a model gives to several channels at once is no part of a whole.
    pub fn not_set(&self) -> Result<(Option<String>, Part), Error> {
        let pipeline = &self.evidence.plan.pipeline;
        let by_channel = pipeline.tables.iter().filter(|table| table.by.contains(&GroupColumn::Channel));
        let Some(table) = by_channel.min_by_key(|table| table.by.len()) else { return Ok((None, Part::default())) };
        let additive = |model: &str| self.evidence.plan.setup.models.iter().any(|it| it.name == model && it.additive);
        let mut parts: BTreeMap<(String, String), Part> = BTreeMap::new();
        for_each(
            &self.table(&table.name),
            &["model", "window", "channel", "conversions"],
            |rows, row, [model, window, channel, share]| {
                let cell = |column: usize| rows.columns[column].value(row);
                let text = |column: usize| cell(column).as_text().unwrap_or_default().to_owned();
                let (model, channel) = (text(model), text(channel));
                if channel != UNATTRIBUTED && additive(&model) {
                    let part = parts.entry((model, text(window))).or_default();
                    let share = int(&cell(share));
                    part.whole += share;
                    part.part += if channel == NOT_SET { share } else { 0 };
                }
            },
        )?;
        Ok(worst(parts.into_iter()))
    }

    /// What the conversions of each day were worth.
    pub fn days(&mut self) -> Result<&Days, Error> {
        if self.days.is_none() {
            let path = self.evidence.staged.join("state/ledger").join(format!("{ONLY_FILE}.parquet"));
            self.days = Some(change::days(&path, &self.evidence.plan.setup.currency.0)?);
        }
        Ok(self.days.get_or_insert_default())
    }

    /// The one file of a table.
    fn table(&self, name: &str) -> std::path::PathBuf {
        self.evidence.staged.join(name).join(format!("{ONLY_FILE}.parquet"))
    }
}

/// The largest part, the first of several, and whose it is.
fn worst(parts: impl Iterator<Item = ((String, String), Part)>) -> (Option<String>, Part) {
    let largest = parts.reduce(|largest, next| if next.1.exceeds(&largest.1) { next } else { largest });
    largest.map_or_else(Default::default, |((model, window), part)| (Some(format!("{model} {window}")), part))
}

/// Goes through the rows of a file, with the places of some columns.
pub(super) fn for_each<const N: usize>(
    path: &Path,
    names: &[&str; N],
    mut each: impl FnMut(&Rows, usize, [usize; N]),
) -> Result<(), Error> {
    let reader = read_table(path)?;
    let place = |name: &&str| reader.fields().iter().position(|field: &Field| field.name == *name);
    let places: Vec<usize> = names.iter().filter_map(place).collect();
    let Ok(places) = <[usize; N]>::try_from(places) else {
        let problem = format!("{} has not all of the columns {}", path.display(), names.join(", "));
        return Err(Error::Input { problem, hint: None });
    };
    for rows in reader {
        let rows = rows?;
        (0..rows.len()).for_each(|row| each(&rows, row, places));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_all_models_is_looked_at() {
        let of = |model: &str, part, whole| ((model.to_owned(), "30d".to_owned()), Part { part, whole });
        let (subject, part) = worst([of("a", 1, 4), of("b", 2, 4), of("c", 3, 6), of("d", 0, 0)].into_iter());
        assert_eq!((subject.as_deref(), part.billionths()), (Some("b 30d"), 500_000_000));
        assert_eq!(worst(std::iter::empty()), (None, Part::default()));
    }
}
