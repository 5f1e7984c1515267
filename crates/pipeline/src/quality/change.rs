//! What the last whole day was worth, beside the same weekday of the weeks before.

use std::collections::BTreeMap;
use std::path::Path;

use attributary_core::money::decimal_text;
use attributary_core::time::{Day, day_text, parse_day};
use attributary_engine::Range;
use attributary_engine::tables::ONLY_FILE;
use attributary_store::PublishedRun;

use super::found::for_each;
use super::{Evidence, ONE, percent};
use crate::carried::{day_of, int};
use crate::error::Error;

/// So many weeks are looked at.
const WEEKS: Day = 8;

/// With fewer days than this nobody knows what is usual.
const LEAST: usize = 3;

/// So many earlier runs are looked through, the newest first, for days that a run has not itself.
const RUNS: usize = 100;

/// What accepted conversions were worth, in minor units, by day and by value. A day without conversions is not there.
pub(super) type Days = BTreeMap<Day, BTreeMap<String, i128>>;

/// A day, and those that it is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Compared {
    /// None where the run has no whole day.
    day: Option<Day>,
    amount: i128,
    /// The same weekday of earlier weeks, as far as there is something of it, sorted by amount.
    before: Vec<i128>,
}

/// Compares the last day that is over, of those that were asked for. Earlier days are the run's own where it has them, else those
/// of the newest run that has.
///
/// # Errors
/// Where an earlier run cannot be read.
pub(super) fn compare(evidence: &Evidence<'_>, value: &str, own: &Days) -> Result<Compared, Error> {
    let setup = &evidence.plan.setup;
    let today = setup.rules.zone.day(evidence.now());
    let day = evidence.options.to.map_or(today, |to| to.min(today)).saturating_sub(1);
    if evidence.options.from.is_some_and(|from| day < from) || !setup.range.contains(day) {
        return Ok(Compared { day: None, amount: 0, before: Vec::new() });
    }
    let of = |days: &Days, day: Day| days.get(&day).map(|values| values.get(value).copied().unwrap_or(0));
    let mut before = Vec::new();
    let mut missing = Vec::new();
    for earlier in (1..=WEEKS).map(|week| day.saturating_sub(7 * week)) {
        if setup.range.contains(earlier) { before.extend(of(own, earlier)) } else { missing.push(earlier) }
    }
    if !missing.is_empty() {
        before.extend(published(evidence, &missing)?.values().filter_map(|values| values.get(value)));
    }
    before.sort_unstable();
    Ok(Compared { day: Some(day), amount: of(own, day).unwrap_or(0), before })
}

/// Days of earlier runs, each from the newest run that has it.
fn published(evidence: &Evidence<'_>, wanted: &[Day]) -> Result<Days, Error> {
    let mut missing = wanted.to_vec();
    let mut found = Days::new();
    let runs = evidence.output_folder.join("runs");
    // Runs that are gone were let go; what of one cannot be read says nothing.
    for id in evidence.output.ids()?.iter().rev().take(RUNS) {
        let Ok(run) = PublishedRun::read(&runs.join(id)) else { continue };
        let day = |text: &Option<String>| text.as_deref().and_then(parse_day);
        let range = Range { from: day(&run.manifest.range.from), to: day(&run.manifest.range.to) };
        if !missing.iter().any(|day| range.contains(*day)) {
            continue;
        }
        let path = run.folder.join("state/ledger").join(format!("{ONLY_FILE}.parquet"));
        let Ok(mut of_run) = days(&path, &evidence.plan.setup.currency.0) else { continue };
        missing.retain(|day| {
            let covered = range.contains(*day);
            found.extend(of_run.remove_entry(day).filter(|_| covered));
            !covered
        });
        if missing.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// The days of a ledger. Every model and window has the same; the first tells.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn days(ledger: &Path, currency: &str) -> Result<Days, Error> {
    let mut days = Days::new();
    let mut first: Option<(String, String)> = None;
    let names = ["model", "window", "value", "conversion_date", "currency", "source", "rejected"];
    for_each(ledger, &names, |rows, row, [model, window, value, day, of_currency, source, rejected]| {
        let cell = |column: usize| rows.columns[column].value(row);
        let text = |column: usize| cell(column).as_text().unwrap_or_default().to_owned();
        let pair = (text(model), text(window));
        let is_first = *first.get_or_insert_with(|| pair.clone()) == pair;
        if let (Some(day), true) = (day_of(&cell(day)), is_first && text(of_currency) == currency) {
            days.entry(day).or_default().insert(text(value), int(&cell(source)) - int(&cell(rejected)));
        }
    })?;
    Ok(days)
}

impl Compared {
    /// How far the day is from the median, in billionths of it, and whether that is at most `limit`. None where nothing can be said,
    /// which is no fault.
    pub fn verdict(&self, limit: i128) -> (Option<i128>, bool) {
        let Some(twice) = self.twice_the_median() else { return (None, true) };
        let off = (2 * self.amount - twice).abs();
        match twice.abs() {
            0 => (None, off == 0),
            twice => {
                let found = (off.saturating_mul(ONE) + twice / 2) / twice;
                (Some(found), off.saturating_mul(ONE) <= limit.saturating_mul(twice))
            }
        }
    }

    /// What is said of it.
    pub fn words(&self, exponent: u8, limit: i128) -> String {
        let Some(day) = self.day else { return "no day of the run is over yet".to_owned() };
        let (day, weeks) = (day_text(day), self.before.len());
        let amount = decimal_text(self.amount, exponent);
        let Some(twice) = self.twice_the_median() else {
            return format!(
                "not enough history: {day} has {amount}, and {weeks} of the same weekdays before have anything; {LEAST} are needed"
            );
        };
        // Half a minor unit has a digit more.
        let median = decimal_text(twice * 5, exponent + 1);
        let off = match self.verdict(limit).0 {
            Some(found) => percent(found),
            None if self.amount == 0 => percent(0),
            None => "more than can be said".to_owned(),
        };
        format!(
            "{day} has {amount}, the median of {weeks} same weekdays before is {median}: {off} off, at most {} are expected",
            percent(limit)
        )
    }

    /// Twice, as the median of an even number lies between two.
    fn twice_the_median(&self) -> Option<i128> {
        let weeks = self.before.len();
        (self.day.is_some() && weeks >= LEAST).then(|| self.before[(weeks - 1) / 2] + self.before[weeks / 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(amount: i128, before: &[i128]) -> (Option<i128>, bool) {
        Compared { day: Some(20_000), amount, before: before.to_vec() }.verdict(500_000_000)
    }

    #[test]
    fn a_day_is_held_against_the_median_of_its_weekday() {
        assert_eq!(of(150, &[90, 100, 4_000]), (Some(500_000_000), true), "the limit itself is allowed");
        assert_eq!(of(151, &[90, 100, 4_000]), (Some(510_000_000), false));
        assert_eq!(of(0, &[90, 100, 4_000]), (Some(ONE), false), "a day without conversions has changed by all");
        assert_eq!(of(10, &[5, 10, 11, 12]), (Some(47_619_048), true), "the median is 10.5");
        assert_eq!(of(-4, &[-10, -10, -10]), (Some(600_000_000), false));
    }

    #[test]
    fn what_cannot_be_compared_passes_unless_it_came_from_nothing() {
        assert_eq!(of(1_000, &[1, 1]), (None, true));
        assert_eq!((of(0, &[0, 0, 0]), of(1, &[0, 0, 0])), ((None, true), (None, false)));
        let none = Compared { day: None, amount: 0, before: Vec::new() };
        assert_eq!((none.verdict(0), none.words(2, 0).as_str()), ((None, true), "no day of the run is over yet"));
    }

    #[test]
    fn words_say_both_amounts() {
        let compared = Compared { day: parse_day("2026-03-02"), amount: 1_000, before: vec![500, 1_000, 1_001, 9_000] };
        insta::assert_snapshot!(compared.words(2, 500_000_000), @"2026-03-02 has 10.00, the median of 4 same weekdays before is 10.005: 0.05 % off, at most 50 % are expected");
    }
}
