//! What a run takes over from the one that is current, and which days it computes itself.
//!
//! A run that is published holds everything by conversion day: files of whole days, integer sums a day, and what the conversions
//! and touches of each day were. So the days that something changed for are computed, the others are taken over, and the result
//! is what computing all days would give, byte for byte. `--merge` says itself which days those are.

mod choice;
mod files;
mod grouped;
mod hours;
mod orders;
mod rejects;
mod state;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use attributary_core::batch::{NO_TIME, TouchBatch};
use attributary_core::duration::Window;
use attributary_core::journey::Rejected;
use attributary_core::time::Day;
use attributary_engine::conversions::Converted;
use attributary_engine::ledger::Ledger;
use attributary_engine::prints::{self, Prints};
use attributary_engine::rejects::{Rejects, Side};
use attributary_engine::{Days, Interrupt, Range, Setup};
use attributary_frames::TimeBounds;
use attributary_journeys::Rules;
use attributary_store::{PublishedRun, Recomputed};

use self::orders::{KnownOrders, Selected};

pub use self::choice::FIRST_RUN;
pub(crate) use self::choice::{Choice, choose};
pub(crate) use self::files::{InputVersions, Version, Versions, content};
pub(crate) use self::grouped::Blocks;
pub(crate) use self::hours::{Hours, Seen, Touches};
pub(crate) use self::orders::{Orders, SeenOrders, add_days, stand_alone};
pub(crate) use self::state::{
    OF_FILES, blocks, cells_of, conversion_days, conversion_hours, day_of, for_each_row, int, state, touch_hours,
};
pub(crate) use self::write::{is_by_channel, put, top_channels, write, write_state};

use crate::error::Error;
use crate::plan::Plan;

/// The run that is gone on from, and the days that are put in the place of its own.
pub(crate) struct Carried {
    pub base: PublishedRun,
    how: How,
    /// The days that are computed; known once the conversions are.
    computed: Days,
    /// The stretches of time in which touches are read; known then, too.
    reads: Vec<TimeBounds>,
    /// What the conversions of each day were; once it is known which are computed, what they are.
    days: state::Days,
    /// The hours of each file of touchpoints as far as they are known, by path: also of files that are gone.
    hours: BTreeMap<String, Hours>,
    /// The touches of the files that are new or changed, or counted anew, by path.
    touches: BTreeMap<String, Touches>,
    /// What is known of conversions, where they stand alone.
    orders: Option<Selecting>,
    /// Why days are computed: how many for each reason.
    reasons: BTreeMap<&'static str, BTreeSet<Day>>,
}

/// What is known of the files of conversions, and what changed among them.
struct Selecting {
    known: KnownOrders,
    /// Files that are new or changed, by their places.
    look: Vec<bool>,
    /// Paths of files that changed or are gone.
    stale: BTreeSet<String>,
    /// Those that are read; none: all.
    selected: Option<Selected>,
}

enum How {
    /// `--merge`: these days.
    Merge(Range),
    /// Days that something changed for.
    Changed(Changes),
}

/// What changed among the files of touchpoints.
struct Changes {
    /// The range of the run that is gone on from.
    range: Range,
    /// Files that are new or changed, by their places.
    look: Vec<bool>,
    /// Files whose touches are counted anew, by their places: they are what they were, but what was in the future is past now.
    count: Vec<bool>,
    /// Paths of files that changed or are gone.
    stale: BTreeSet<String>,
    /// The hours of all of those, before and now.
    reach: Hours,
}

impl Carried {
    /// `--merge`: the days of `asked` are computed.
    fn merge(base: PublishedRun, asked: Range, orders: Option<Selecting>) -> Result<Self, Error> {
        Self::new(base, How::Merge(asked), orders)
    }

    fn changed(base: PublishedRun, changes: Changes, orders: Option<Selecting>) -> Result<Self, Error> {
        Self::new(base, How::Changed(changes), orders)
    }

    fn new(base: PublishedRun, how: How, orders: Option<Selecting>) -> Result<Self, Error> {
        let (days, hours) = (conversion_days(&base)?, touch_hours(&base)?);
        let (computed, reads, touches, reasons) = (Days::default(), Vec::new(), BTreeMap::new(), BTreeMap::new());
        Ok(Self { base, how, computed, reads, days, hours, touches, orders, reasons })
    }

    /// Whether someone said which days are to be computed.
    pub fn is_merge(&self) -> bool {
        matches!(self.how, How::Merge(_))
    }

    /// Reads the files of touchpoints that are new or changed, for the hours that their touches are of. Rows without a time are
    /// rejected here, as nobody looks for them later. Files whose touches are counted anew are read for nothing else.
    ///
    /// # Errors
    /// Where they cannot be read, or someone interrupts.
    pub fn look(&mut self, plan: &Plan, rejects: &Rejects, interrupt: &Interrupt) -> Result<(), Error> {
        let How::Changed(Changes { look, count, stale, reach, .. }) = &mut self.how else { return Ok(()) };
        let files = plan.touchpoints.files();
        let path = |file: usize| files[file].path.display().to_string();
        for gone_or_changed in &*stale {
            reach.add_all(self.hours.get(gone_or_changed).unwrap_or(&Hours::default()));
            self.hours.remove(gone_or_changed);
        }
        let reads: Vec<bool> = look.iter().enumerate().map(|(file, look)| *look || count.get(file) == Some(&true)).collect();
        if !reads.contains(&true) {
            return Ok(());
        }
        let seen = Seen::new(files.len());
        let progress = attributary_frames::Progress::default();
        let everything = TimeBounds::default();
        let add = |batch: &TouchBatch| {
            seen.add(batch);
            if look[batch.file as usize] && plan.setup.range.from.is_none() {
                reject_untimed(batch, rejects);
            }
            Ok(())
        };
        crate::run::reading(interrupt, &add, &|take| {
            let take = |batch: TouchBatch| take(&batch);
            plan.touchpoints.read_files(&|file| reads[file], &everything, plan.setup.threads, &progress, &take)
        })?;
        let (hours, touches) = seen.finish();
        for ((file, hours), touches) in hours.iter().enumerate().zip(touches).filter(|((file, _), _)| reads[*file]) {
            if look[file] {
                reach.add_all(hours);
            }
            self.hours.entry(path(file)).or_default().add_all(hours);
            self.touches.insert(path(file), touches);
        }
        Ok(())
    }

    /// The touches of a file that is new or changed, or counted anew.
    pub fn touches_of(&self, path: &str) -> Option<Touches> {
        self.touches.get(path).copied()
    }

    /// Selects the conversions that are read, where not all of them matter.
    ///
    /// # Errors
    /// Where new ones cannot be read, or someone interrupts.
    pub fn select(&mut self, plan: &Plan, interrupt: &Interrupt) -> Result<(), Error> {
        let (How::Changed(changes), Some(orders)) = (&self.how, &mut self.orders) else { return Ok(()) };
        let Selecting { known, look, stale, selected } = orders;
        let days = changes.days(plan);
        *selected = orders::Before { known, look, stale, days }.select(plan, interrupt)?;
        Ok(())
    }

    /// Whether a file of conversions is read.
    pub fn reads_conversions(&self, file: usize) -> bool {
        self.orders.as_ref().and_then(|orders| orders.selected.as_ref()).is_none_or(|selected| selected.read[file])
    }

    /// Whether rows of a file of conversions were rejected by this run, and not by the one before.
    fn judges(&self, file: &str) -> bool {
        self.orders.as_ref().and_then(|orders| orders.selected.as_ref()).is_none_or(|selected| selected.core.contains(file))
    }

    /// Chooses the days that are computed, and tells everyone who must know.
    ///
    /// # Errors
    /// Where temporary files cannot be read, or the run that is gone on from.
    pub fn decide(&mut self, plan: &mut Plan, converted: &mut Converted, ledger: &mut Ledger) -> Result<Prints, Error> {
        let prints = Prints::of(&plan.setup, converted)?;
        let days = match &self.how {
            How::Merge(asked) => Days::of(*asked),
            How::Changed(changes) => {
                let selected = self.orders.as_ref().and_then(|orders| orders.selected.as_ref());
                self.reasons = reasons(&plan.setup, changes, &prints, &self.days, selected);
                let mut days = match selected {
                    Some(selected) => selected.computed.clone(),
                    None => {
                        let wrong = write::changed_in_ledger(&self.base, &plan.setup, ledger, changes.range)?;
                        self.reasons.entry(CONVERSIONS).or_default().extend(wrong);
                        changes.days(plan)
                    }
                };
                self.reasons.values().flatten().for_each(|day| days.add_day(*day));
                days
            }
        };
        self.computed = days.within(plan.setup.range);
        plan.setup.only = Some(self.computed.clone());
        self.reads = reads(&plan.setup, &self.computed, &prints);
        let (range, computed) = (plan.setup.range, &self.computed);
        self.days.retain(|day, _| range.contains(*day) && !computed.contains(*day));
        self.days.extend(prints.days.iter().filter(|(day, _)| computed.contains(**day)));
        prints::narrow(&plan.setup, &prints, converted)?;
        ledger.narrow(&plan.setup);
        Ok(prints)
    }

    /// The stretches of time in which touches are read.
    pub fn reads(&self) -> &[TimeBounds] {
        &self.reads
    }

    /// Whether a file may hold touches of a stretch, for all that is known of it.
    pub fn may_hold(&self, path: &str, bounds: &TimeBounds) -> bool {
        let known = matches!(self.how, How::Changed(_));
        let (from, to) = (bounds.from.unwrap_or(i64::MIN), bounds.to.unwrap_or(i64::MAX));
        !known || bounds.from.is_none() || self.hours.get(path).is_some_and(|hours| hours.meet(from, to))
    }

    /// Whether what is said of a conversion day, or of conversions without one, is computed by this run.
    fn is_fresh(&self, day: Option<Day>) -> bool {
        match (&self.how, day) {
            (How::Merge(asked), day) => asked.counts(day),
            (How::Changed(_), day) => day.is_none_or(|day| self.computed.contains(day)),
        }
    }

    /// What a manifest says of it.
    pub fn said(&self) -> Recomputed {
        let text = |day: Option<Day>| day.map(attributary_core::time::day_text);
        let ranges = self.computed.stretches().iter();
        let with_conversions = self.days.keys().filter(|day| self.computed.contains(**day)).count();
        Recomputed {
            base: self.base.manifest.run_id.clone(),
            days: ranges.map(|range| attributary_store::Range { from: text(range.from), to: text(range.to) }).collect(),
            conversion_days: with_conversions as u64,
            of: self.days.len() as u64,
            because: self.reasons.iter().map(|(reason, days)| ((*reason).to_owned(), days.len() as u64)).collect(),
        }
    }
}

impl Changes {
    /// The days that are computed whatever the conversions are: those that touches reach, and those that the run before had not.
    fn days(&self, plan: &Plan) -> Days {
        let mut days = touched(&plan.setup.rules, &self.reach);
        let (before, now) = (self.range, plan.setup.range);
        if before.to.is_some() {
            days.add(Range { from: before.to, to: now.to });
        }
        if before.from.is_some() {
            days.add(Range { from: now.from, to: before.from });
        }
        days
    }
}

const TOUCHES: &str = "touches changed";
const CONVERSIONS: &str = "conversions changed";

/// The days with conversions that something changed for.
fn reasons(
    setup: &Setup,
    changes: &Changes,
    prints: &Prints,
    before: &state::Days,
    selected: Option<&Selected>,
) -> BTreeMap<&'static str, BTreeSet<Day>> {
    let reached = touched(&setup.rules, &changes.reach);
    let all = || prints.days.keys().chain(before.keys());
    let mut touches: BTreeSet<Day> = all().copied().filter(|day| reached.contains(*day)).collect();
    touches.extend(prints.refunds.iter().filter(|(order, _)| reached.contains(*order)).map(|(_, day)| *day));
    let changed = |day: &Day| match selected {
        // Of days that are not computed not all conversions are known.
        Some(selected) => selected.affected.contains(*day) && prints.days.get(day) != before.get(day),
        None => prints.days.get(day) != before.get(day),
    };
    let conversions = all().copied().filter(|day| setup.range.contains(*day) && changed(day)).collect();
    BTreeMap::from([(TOUCHES, touches), (CONVERSIONS, conversions)])
}

/// The conversion days that look back on some hours.
pub(crate) fn touched(rules: &Rules, hours: &Hours) -> Days {
    let zone = &rules.zone;
    let longest = rules.windows.iter().map(Window::micros).try_fold(0, |longest: i64, window| Some(longest.max(window?)));
    let mut days = Days::default();
    for (first, end) in hours.stretches() {
        let last = longest.map(|longest| zone.day((end - 1).saturating_add(longest)));
        days.add(Range { from: Some(zone.day(first)), to: last.map(|last| last.saturating_add(1)) });
    }
    days
}

/// The stretches of time in which touches matter to some days, and to the orders that are refunded on them.
fn reads(setup: &Setup, computed: &Days, prints: &Prints) -> Vec<TimeBounds> {
    let mut walked = computed.clone();
    prints.refunds.iter().filter(|(_, day)| computed.contains(*day)).for_each(|(order, _)| walked.add_day(*order));
    let mut reads: Vec<TimeBounds> = Vec::new();
    for range in walked.stretches() {
        let from = range.from.map(|from| setup.rules.earliest_touch(from));
        let to = range.to.map(|to| setup.rules.zone.start_of(to));
        match reads.last_mut() {
            Some(last) if last.to.is_none_or(|end| from.is_none_or(|from| from <= end)) => {
                (last.from, last.to) = (last.from.min(from), to);
            }
            _ => reads.push(TimeBounds { from, to }),
        }
    }
    reads
}

/// Rejects the rows of a batch that have no time.
fn reject_untimed(batch: &TouchBatch, rejects: &Rejects) {
    for row in (0..batch.times.len()).filter(|row| batch.times[*row] == NO_TIME) {
        let reason = if batch.customers.is_null(row) { Rejected::NullCustomer } else { Rejected::NullTime };
        let place = (Side::Touchpoints, batch.file, batch.rows.at(row));
        rejects.add(place, reason, row, NO_TIME, &*batch.customers, batch.ids.as_deref());
    }
}
