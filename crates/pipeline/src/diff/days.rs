//! Why conversion days changed under the same settings: which files their touches are of, and whether their conversions changed.

use std::collections::{BTreeMap, BTreeSet};

use attributary_core::time::{Day, parse_day};
use attributary_engine::{Days, Range};
use attributary_journeys::Rules;
use attributary_store::{ChangedFile, InputFile, PublishedRun};

use super::sums::{Amounts, Key, add};
use crate::carried::{Hours, add_days, conversion_days, conversion_hours, touch_hours, touched};
use crate::error::Error;

/// Changes by the words of their cause.
pub(super) type Causes = BTreeMap<String, Changed>;

/// What a cause changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Changed {
    pub days: BTreeSet<Day>,
    pub conversions: Option<u64>,
    pub channels: BTreeMap<Key, Amounts>,
}

impl Changed {
    pub fn add(&mut self, key: &Key, amounts: &[i128], sign: i128) {
        add(self.channels.entry(key.clone()).or_default(), amounts, sign);
    }
}

/// What changed on which days.
pub(super) struct DayChanges {
    before: Range,
    after: Range,
    /// For each kind of change of a file, the days that its touches reach.
    touches: Vec<(&'static str, Days)>,
    /// Days whose conversions are not what they were.
    conversions: BTreeSet<Day>,
    /// For each kind of change of a file, the days of its conversions: as far as both runs noted them.
    of_files: Vec<(&'static str, Days)>,
    /// What is said of other days.
    otherwise: &'static str,
    /// Why a day changes that has nothing new itself.
    elsewhere: &'static str,
}

pub(super) const LATE_TOUCHES: &str = "touches of new files";
pub(super) const CHANGED_TOUCHES: &str = "touches of changed files";
pub(super) const GONE_TOUCHES: &str = "touches of files that are gone";
/// Where one run knows what another does not, though the files are the same.
pub(super) const CAME_BETWEEN: &str = "touches that came between the times as of which the runs are known";
pub(super) const NEW_CONVERSIONS: &str = "conversions of new files";
pub(super) const CHANGED_CONVERSIONS: &str = "conversions of changed files";
pub(super) const GONE_CONVERSIONS: &str = "conversions of files that are gone";
/// Where nothing tells which files they are of.
pub(super) const CONVERSIONS: &str = "conversions that are new, changed or gone";
pub(super) const NEW_DAYS: &str = "days that were not computed before";
pub(super) const GONE_DAYS: &str = "days that are not computed any more";
/// Where the day has nothing new, but an earlier conversion of the customer consumes touches.
const OTHER: &str = "other conversions of the same customers";
/// Where the day has nothing new, but a model learnt from journeys that have.
const FITTED_ANEW: &str = "models that were fitted anew";

impl DayChanges {
    /// What changed between two runs of the same settings; `fitted` says whether models learn from all journeys.
    ///
    /// # Errors
    /// Where the state of one cannot be read.
    pub fn new(before: &PublishedRun, after: &PublishedRun, rules: &Rules, fitted: bool) -> Result<Self, Error> {
        let changed = changed_files(before, after);
        let hours_of = |source: &str, change: &str, hours: [&BTreeMap<String, Hours>; 2]| {
            let mut all = Hours::default();
            let files = changed.iter().filter(|file| file.source == source && file.change == change);
            files.flat_map(|file| hours.map(|hours| hours.get(&file.path))).flatten().for_each(|of| all.add_all(of));
            all
        };
        let hours = [&touch_hours(before)?, &touch_hours(after)?];
        let kinds = [(LATE_TOUCHES, "new"), (CHANGED_TOUCHES, "changed"), (GONE_TOUCHES, "gone")];
        let reached = |(words, change)| (words, touched(rules, &hours_of("touchpoints", change, hours)));
        let mut touches: Vec<(&str, Days)> = kinds.map(reached).to_vec();
        if before.manifest.as_of != after.manifest.as_of {
            // They may be of any day.
            touches.push((CAME_BETWEEN, Days::of(Range::default())));
        }
        let (of_before, of_after) = (conversion_days(before)?, conversion_days(after)?);
        let all: BTreeSet<Day> = of_before.keys().chain(of_after.keys()).copied().collect();
        let conversions = all.into_iter().filter(|day| of_before.get(day) != of_after.get(day)).collect();
        let kinds = [(NEW_CONVERSIONS, "new"), (CHANGED_CONVERSIONS, "changed"), (GONE_CONVERSIONS, "gone")];
        let mut of_files = Vec::new();
        if let (Some(of_before), Some(of_after)) = (conversion_hours(before)?, conversion_hours(after)?) {
            for (words, change) in kinds {
                let mut days = Days::default();
                add_days(&mut days, rules, &hours_of("conversions", change, [&of_before, &of_after]));
                of_files.push((words, days));
            }
        }
        // Where all else is as it was, what changed in one way only is the cause of everything.
        let is_of = |source: &str, change: &str| changed.iter().any(|file| file.source == source && file.change == change);
        let ways: Vec<&str> = kinds.iter().filter(|(_, change)| is_of("conversions", change)).map(|(words, _)| *words).collect();
        let conversions_alone = before.manifest.as_of == after.manifest.as_of && changed.iter().all(|file| file.source != "fx");
        let otherwise = if let ([way], true) = (&ways[..], conversions_alone) { way } else { CONVERSIONS };
        Ok(Self {
            before: range(before),
            after: range(after),
            touches,
            conversions,
            of_files,
            otherwise,
            elsewhere: if fitted { FITTED_ANEW } else { OTHER },
        })
    }

    /// Why touches may credit otherwise on a day.
    pub fn touches(&self, day: Day) -> Vec<&'static str> {
        self.touches.iter().filter(|(_, days)| days.contains(day)).map(|(words, _)| *words).collect()
    }

    /// Why the conversions of a day are others. A row may be a repetition, or none any more, for the sake of one of another day.
    fn conversions(&self, day: Day) -> Vec<&'static str> {
        if !self.conversions.contains(&day) {
            return Vec::new();
        }
        let files: Vec<&str> = self.of_files.iter().filter(|(_, days)| days.contains(day)).map(|(words, _)| *words).collect();
        if files.is_empty() { vec![self.otherwise] } else { files }
    }

    /// Why all of a day is new or gone, if it is.
    pub fn whole(&self, day: Day) -> Option<&'static str> {
        match (self.before.contains(day), self.after.contains(day)) {
            (false, _) => Some(NEW_DAYS),
            (_, false) => Some(GONE_DAYS),
            _ => None,
        }
    }

    /// Why a day changes that has nothing new itself.
    pub fn elsewhere(&self) -> &'static str {
        self.elsewhere
    }

    /// All that changed on a day, as one cause.
    pub fn cause(&self, day: Day) -> String {
        if let Some(whole) = self.whole(day) {
            return whole.to_owned();
        }
        let causes: Vec<&str> = self.touches(day).into_iter().chain(self.conversions(day)).collect();
        if causes.is_empty() { self.elsewhere.to_owned() } else { causes.join(", and ") }
    }

    /// Every change by the cause of its day.
    pub fn causes(&self, changes: &BTreeMap<Key, BTreeMap<Day, Amounts>>) -> Causes {
        let mut causes = Causes::new();
        for (key, days) in changes {
            for (day, amounts) in days {
                let cause = causes.entry(self.cause(*day)).or_default();
                cause.days.insert(*day);
                cause.add(key, amounts, 1);
            }
        }
        causes
    }
}

/// The days of a run, open where its manifest names none.
pub(super) fn range(run: &PublishedRun) -> Range {
    let day = |text: &Option<String>| text.as_deref().and_then(parse_day);
    Range { from: day(&run.manifest.range.from), to: day(&run.manifest.range.to) }
}

/// The files that are not what they were.
pub(super) fn changed_files(before: &PublishedRun, after: &PublishedRun) -> Vec<ChangedFile> {
    let by_name = |run: &PublishedRun| -> BTreeMap<(String, String), InputFile> {
        run.manifest.inputs.iter().map(|file| ((file.source.clone(), file.path.clone()), file.clone())).collect()
    };
    let (before, after) = (by_name(before), by_name(after));
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed = names.into_iter().filter_map(|name| {
        let (old, new) = (before.get(name), after.get(name));
        let change = match (old, new) {
            (None, _) => "new",
            (_, None) => "gone",
            (old, new) if old == new => return None,
            _ => "changed",
        };
        let (source, path) = name.clone();
        Some(ChangedFile { source, path, change, rows_before: old.map(|file| file.rows), rows_after: new.map(|file| file.rows) })
    });
    changed.collect()
}
