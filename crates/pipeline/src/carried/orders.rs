//! What a run knows of each file of conversions, so that the next one reads only those that matter to the days it computes: new
//! and changed ones, those of the days, and those that have a conversion id in common with them.
//!
//! That is enough where a conversion's credit hangs on touches alone. Where it hangs on other conversions too (touches that are
//! consumed, refunds, what a customer bought before, rates of the day), all are read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use attributary_core::batch::ConversionBatch;
use attributary_core::time::is_time;
use attributary_engine::{Days, Interrupt, Range, Setup};
use attributary_frames::TimeBounds;
use attributary_journeys::{Reuse, Rules};
use rustc_hash::FxHashSet;

use super::hours::Hours;
use crate::error::Error;
use crate::plan::Plan;
use crate::writer::lock;

/// So many ids are kept; with more of them all conversions are read every time. They take four bytes each.
const MOST_IDS: u64 = 1 << 24;

/// What is known of a file of conversions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// The hours of its rows.
    pub hours: Hours,
    /// Whether it has rows that are of no hour.
    pub undated: bool,
    /// A hash of each id.
    pub ids: Vec<u32>,
}

impl Orders {
    /// Adds what another version of the file has.
    pub fn add_all(&mut self, other: &Self) {
        self.hours.add_all(&other.hours);
        self.undated |= other.undated;
        self.ids.extend(&other.ids);
        self.ids.sort_unstable();
        self.ids.dedup();
    }
}

/// By the file's path.
pub(crate) type KnownOrders = BTreeMap<String, Orders>;

/// Whether a conversion's credit hangs on touches alone, so that conversions need not be read for the sake of others.
pub(crate) fn stand_alone(setup: &Setup) -> bool {
    let alone = setup.rules.reuse == Reuse::Overlap && !setup.refunds && !setup.exchange && setup.worths.is_empty();
    alone && !setup.follows_histories() && !setup.lists_customers()
}

/// Conversions as they are read. Any thread may add to them.
pub(crate) struct SeenOrders {
    files: Vec<Mutex<Orders>>,
    ids: AtomicU64,
}

impl SeenOrders {
    /// Nothing yet, of so many files.
    pub fn new(files: usize) -> Self {
        Self { files: (0..files).map(|_| Mutex::default()).collect(), ids: AtomicU64::new(0) }
    }

    /// Looks at a batch.
    pub fn add(&self, batch: &ConversionBatch) {
        let Some(file) = self.files.get(batch.file as usize) else { return };
        let rows = batch.times.len() as u64;
        let mut hashes = Vec::new();
        if self.ids.fetch_add(rows, Ordering::Relaxed) + rows <= MOST_IDS {
            batch.ids.hashes(&mut hashes);
        }
        let mut orders = lock(file);
        // Of a file there are ids of all rows or none.
        orders.ids.extend(hashes.iter().map(|hash| (hash >> 32) as u32));
        orders.undated |= batch.times.iter().any(|time| !is_time(*time));
        orders.hours.add_times(&batch.times.iter().copied().filter(|time| is_time(*time)).collect::<Vec<_>>());
    }

    /// What each file has; none where there are too many ids.
    pub fn finish(self) -> Option<Vec<Orders>> {
        let orders = |file: Mutex<Orders>| {
            let mut orders = std::mem::take(&mut *lock(&file));
            // Batches come in any order.
            orders.ids.sort_unstable();
            orders.ids.dedup();
            orders
        };
        (self.ids.into_inner() <= MOST_IDS).then(|| self.files.into_iter().map(orders).collect())
    }
}

/// Which conversions are read, and which days are computed for their sake.
#[derive(Debug, Default)]
pub(crate) struct Selected {
    /// By the files' places.
    pub read: Vec<bool>,
    /// Those of them whose rows are of the days that are computed, or are new: of the others rows are only there for their ids.
    pub core: BTreeSet<String>,
    /// Days whose conversions may have changed.
    pub affected: Days,
    /// All days that are computed.
    pub computed: Days,
}

/// What is known before conversions are read.
pub(super) struct Before<'a> {
    /// What the run before knew of its files.
    pub known: &'a KnownOrders,
    /// Files that are new or changed, by their places.
    pub look: &'a [bool],
    /// Paths of files that changed or are gone.
    pub stale: &'a BTreeSet<String>,
    /// Days that are computed anyway.
    pub days: Days,
}

impl Before<'_> {
    /// Reads the files that are new or changed, and selects.
    ///
    /// # Errors
    /// Where they cannot be read, or someone interrupts.
    pub fn select(self, plan: &Plan, interrupt: &Interrupt) -> Result<Option<Selected>, Error> {
        let rules = &plan.setup.rules;
        let files = plan.conversions.files();
        let Some(new) = self.read_new(plan, interrupt)? else { return Ok(None) };
        let gone: Vec<&Orders> = self.stale.iter().filter_map(|path| self.known.get(path)).collect();
        let mut affected = Days::default();
        let mut ids: FxHashSet<u32> = FxHashSet::default();
        for orders in new.iter().chain(gone.iter().copied()) {
            add_days(&mut affected, rules, &orders.hours);
            ids.extend(&orders.ids);
        }
        // The others, in their order.
        let paths: Vec<String> = files.iter().map(|file| file.path.display().to_string()).collect();
        let mut others: Vec<(usize, &Orders)> = Vec::new();
        for (place, path) in paths.iter().enumerate().filter(|(place, _)| !self.look[*place]) {
            let Some(orders) = self.known.get(path) else { return Ok(None) };
            others.push((place, orders));
        }
        // A row is a repetition, or none any more, for the sake of one that came or went.
        let twins = others.iter().filter(|(_, orders)| orders.ids.iter().any(|id| ids.contains(id)));
        twins.for_each(|(_, orders)| add_days(&mut affected, rules, &orders.hours));
        let mut computed = self.days;
        affected.stretches().iter().for_each(|days| computed.add(*days));
        let computed = computed.within(plan.setup.range);

        let of_days = |orders: &Orders| days_of(rules, &orders.hours).any(|days| !computed.within(days).is_empty());
        let mut core: BTreeSet<usize> = (0..files.len()).filter(|place| self.look[*place]).collect();
        for (place, orders) in others.iter().filter(|(_, orders)| of_days(orders)) {
            core.insert(*place);
            ids.extend(&orders.ids);
        }
        let mut read: Vec<bool> = (0..files.len()).map(|place| core.contains(&place)).collect();
        for (place, orders) in others {
            read[place] |= orders.undated || orders.ids.iter().any(|id| ids.contains(id));
        }
        Ok(Some(Selected { read, core: core.into_iter().map(|place| paths[place].clone()).collect(), affected, computed }))
    }

    /// What the new and changed files have; none where there are too many ids.
    fn read_new(&self, plan: &Plan, interrupt: &Interrupt) -> Result<Option<Vec<Orders>>, Error> {
        let seen = SeenOrders::new(plan.conversions.files().len());
        if self.look.contains(&true) {
            let (progress, everything) = (attributary_frames::Progress::default(), TimeBounds::default());
            let add = |batch: &ConversionBatch| {
                seen.add(batch);
                Ok(())
            };
            crate::run::reading(interrupt, &add, &|take| {
                let take = |batch: ConversionBatch| take(&batch);
                plan.conversions.read_files(&|file| self.look[file], &everything, plan.setup.threads, &progress, &take)
            })?;
        }
        Ok(seen.finish())
    }
}

/// The days of some hours, in stretches.
fn days_of<'a>(rules: &'a Rules, hours: &'a Hours) -> impl Iterator<Item = Range> + 'a {
    let zone = &rules.zone;
    hours.stretches().map(|(first, end)| Range { from: Some(zone.day(first)), to: Some(zone.day(end - 1).saturating_add(1)) })
}

/// Adds the days of some hours.
pub(crate) fn add_days(days: &mut Days, rules: &Rules, hours: &Hours) {
    days_of(rules, hours).for_each(|range| days.add(range));
}
