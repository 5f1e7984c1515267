//! Sums of a table that are too many for memory: sorted runs of rows on disk, merged into one when the walk is over.

use attributary_core::table::Rows;
use attributary_core::time::Day;
use rustc_hash::FxHashMap;

use super::rows::{Finish, Order, output_rows};
use super::{Class, FIXED_LANES, GroupKey, Grouped, Plan};
use crate::budget::Budget;
use crate::error::EngineError;
use crate::runs::{Merge, Runs};

/// The sums of a table once the walk is over.
pub enum Sums {
    /// In memory.
    Memory(Grouped),
    /// On disk: one run, in the order of the table, of which no two rows share a key.
    Disk(Runs),
}

/// Rows on disk are handed on this many at a time.
const ROWS: usize = 1 << 14;

/// Of so many rows at most a run is made.
const RUN_ROWS: usize = 1 << 18;

/// The bytes of a [`GroupKey`] at the end of a row's key.
const KEY_BYTES: usize = 16;

impl Sums {
    /// Gives each row to `each`: its key, and its sums lane by lane.
    ///
    /// # Errors
    /// Where the disk fails, or `each`.
    fn for_each(
        &self,
        plan: &Plan,
        budget: &Budget,
        mut each: impl FnMut(GroupKey, &[i128]) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let width = plan.width();
        match self {
            Self::Memory(grouped) => {
                let mut sums = vec![0; width];
                for (row, key) in grouped.keys.iter().enumerate() {
                    budget.check()?;
                    sums.fill(0);
                    grouped.sum_up(row * width, &mut sums);
                    each(*key, &sums)?;
                }
            }
            Self::Disk(run) => {
                let mut rows = Runs::merge(std::slice::from_ref(run), budget)?;
                while let Some((key, sums)) = rows.next_row()? {
                    each(group_key(&key), &sums_of(&sums, width))?;
                }
            }
        }
        Ok(())
    }

    /// The sums over all rows, for each model and window: share, then values. For additive models, the whole source.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn totals(&self, plan: &Plan, budget: &Budget) -> Result<FxHashMap<(usize, usize), Vec<i128>>, EngineError> {
        let mut all = vec![0_i128; plan.width()];
        self.for_each(plan, budget, |_, sums| {
            all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
            Ok(())
        })?;
        let mut totals = FxHashMap::default();
        for model in (0..plan.places.len()).filter(|model| plan.counts(*model)) {
            for window in 0..plan.windows {
                let slot = &all[plan.lane(model, window)..][..plan.stride()];
                totals.insert((model, window), slot[..1].iter().chain(&slot[FIXED_LANES..]).copied().collect());
            }
        }
        Ok(totals)
    }

    /// The sums of all models: those that were counted in the walk, and the others from the base of this table. Whatever is
    /// more than `limit` bytes goes to `runs`.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn complete(
        self,
        plan: &mut Plan,
        (base_plan, base): (&Plan, &Self),
        order: &Order<'_>,
        (limit, runs, budget): (u64, Runs, &Budget),
    ) -> Result<Self, EngineError> {
        let own_plan = plan.clone();
        plan.count_all();
        let (own, others): (Vec<usize>, Vec<usize>) = (0..plan.places.len()).partition(|model| own_plan.counts(*model));
        let mut all = Grouped::new(plan);
        let mut spilled = Spilling { runs, limit, budget };
        self.for_each(&own_plan, budget, |key, sums| {
            all.add_row(plan, key, &own, |model, window, lane| sums[own_plan.lane(model, window) + lane]);
            spilled.spill_if_full(&mut all, plan, order)
        })?;
        base.for_each(base_plan, budget, |key, sums| {
            let key = plan.key_of(base_plan, key);
            all.add_row(plan, key, &others, |model, window, lane| sums[base_plan.lane(model, window) + lane]);
            spilled.spill_if_full(&mut all, plan, order)
        })?;
        spilled.finish(all, plan, order)
    }

    /// The sums of all threads. Where one of them is on disk, all go there.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn of_threads(
        threads: Vec<(Grouped, Runs)>,
        plan: &Plan,
        order: &Order<'_>,
        (merged, budget): (Runs, &Budget),
    ) -> Result<Self, EngineError> {
        if threads.iter().all(|(_, runs)| runs.is_empty()) {
            let mut all: Option<Grouped> = None;
            for (grouped, _) in threads {
                match &mut all {
                    Some(all) => all.absorb(plan, &grouped, budget)?,
                    None => all = Some(grouped),
                }
            }
            return Ok(Self::Memory(all.unwrap_or_default()));
        }
        let mut runs = Vec::with_capacity(threads.len());
        for (mut grouped, mut of_thread) in threads {
            spill(&mut grouped, &mut of_thread, plan, order, budget)?;
            runs.push(of_thread);
        }
        merge(runs, merged, plan.width(), budget).map(Self::Disk)
    }
}

/// Sums that go to disk whenever they are more than a limit.
struct Spilling<'a> {
    runs: Runs,
    limit: u64,
    budget: &'a Budget,
}

impl Spilling<'_> {
    fn spill_if_full(&mut self, grouped: &mut Grouped, plan: &Plan, order: &Order<'_>) -> Result<(), EngineError> {
        if grouped.memory() <= self.limit { Ok(()) } else { spill(grouped, &mut self.runs, plan, order, self.budget) }
    }

    fn finish(mut self, mut grouped: Grouped, plan: &Plan, order: &Order<'_>) -> Result<Sums, EngineError> {
        if self.runs.is_empty() {
            return Ok(Sums::Memory(grouped));
        }
        spill(&mut grouped, &mut self.runs, plan, order, self.budget)?;
        let merged = self.runs.beside("merged");
        merge(vec![self.runs], merged, plan.width(), self.budget).map(Sums::Disk)
    }
}

/// Writes all rows as runs, in the order of the table, and forgets them.
///
/// # Errors
/// Where the disk fails.
pub(crate) fn spill(
    grouped: &mut Grouped,
    runs: &mut Runs,
    plan: &Plan,
    order: &Order<'_>,
    budget: &Budget,
) -> Result<(), EngineError> {
    let width = plan.width();
    // To sort all of them at once may take longer than someone who interrupts will wait.
    for start in (0..grouped.keys.len()).step_by(RUN_ROWS) {
        let mut keys: Vec<(Vec<u8>, usize)> = Vec::with_capacity(RUN_ROWS.min(grouped.keys.len() - start));
        for (row, key) in grouped.keys.iter().enumerate().skip(start).take(RUN_ROWS) {
            let mut bytes = Vec::with_capacity(order.bytes() + KEY_BYTES);
            order.append(key, &mut bytes);
            for part in [key.touch_group, key.touch_day as u32, key.day as u32, key.class.0] {
                bytes.extend_from_slice(&part.to_be_bytes());
            }
            keys.push((bytes, row));
        }
        keys.sort_unstable();
        runs.begin();
        let mut sums = vec![0; width];
        let mut narrow = Vec::with_capacity(width);
        for (key, row) in keys {
            budget.check()?;
            sums.fill(0);
            grouped.sum_up(row * width, &mut sums);
            bytes_of(&sums, &mut narrow, |bytes| runs.push(&key, bytes, budget))?;
        }
    }
    grouped.clear();
    Ok(())
}

/// Makes one run of some, in which rows that share a key are added up.
fn merge(mut runs: Vec<Runs>, mut merged: Runs, width: usize, budget: &Budget) -> Result<Runs, EngineError> {
    runs.iter_mut().try_for_each(Runs::flush)?;
    merged.begin();
    let mut narrow = Vec::new();
    added_up((&runs, budget), width, usize::MAX, |key, sums| {
        bytes_of(sums, &mut narrow, |bytes| merged.push(key, bytes, budget))
    })?;
    merged.flush()?;
    runs.into_iter().try_for_each(Runs::remove)?;
    Ok(merged)
}

/// Gives the rows of some runs to `each`, those added up whose keys agree in their first `shown` bytes.
fn added_up(
    (runs, budget): (&[Runs], &Budget),
    width: usize,
    shown: usize,
    mut each: impl FnMut(&[u8], &[i128]) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let mut rows = Runs::merge(runs, budget)?;
    let mut last: Option<(Vec<u8>, Vec<i128>)> = None;
    while let Some((key, sums)) = rows.next_row()? {
        let sums = sums_of(&sums, width);
        let same = |before: &[u8]| before[..shown.min(before.len())] == key[..shown.min(key.len())];
        match &mut last {
            Some((before, all)) if same(before) => all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum),
            _ => {
                if let Some((key, sums)) = last.replace((key, sums)) {
                    each(&key, &sums)?;
                }
            }
        }
    }
    last.map_or(Ok(()), |(key, sums)| each(&key, &sums))
}

/// The rows of a table on disk (or of its partial form), some at a time, as [`super::finish`] gives them. Rows lie model by
/// model then, so what each model and window got is first put into a run of its own.
///
/// # Errors
/// Where the disk fails.
pub(super) fn finish<'a>(
    run: &Runs,
    of: Finish<'a>,
    partial: bool,
) -> Result<Box<dyn Iterator<Item = Result<Rows, EngineError>> + 'a>, EngineError> {
    let plan = of.plan;
    let pairs = of.pairs();
    let name = if partial { "partial" } else { "final" };
    let mut of_pairs: Vec<Runs> = (0..pairs.len()).map(|pair| run.beside(&format!("{name}-{pair}"))).collect();
    of_pairs.iter_mut().for_each(Runs::begin);
    let mut narrow = Vec::new();
    added_up((std::slice::from_ref(run), of.budget), plan.width(), of.order().shown_bytes(partial), |key, sums| {
        for (runs, (model, window)) in of_pairs.iter_mut().zip(&pairs) {
            let sums = &sums[plan.lane(*model, *window)..][..plan.stride()];
            if sums.iter().any(|sum| *sum != 0) {
                let key = &key[key.len() - KEY_BYTES..];
                bytes_of(sums, &mut narrow, |bytes| runs.push(key, bytes, of.budget))?;
            }
        }
        Ok(())
    })?;
    of_pairs.iter_mut().try_for_each(Runs::flush)?;
    let mut left = of_pairs.into_iter().zip(pairs);
    let mut open = None;
    Ok(Box::new(std::iter::from_fn(move || {
        loop {
            if open.is_none() {
                let (runs, pair) = left.next()?;
                match Runs::merge(std::slice::from_ref(&runs), of.budget) {
                    Ok(merge) => open = Some((merge, runs, pair)),
                    Err(error) => return Some(Err(error)),
                }
            }
            let (merge, _, pair) = open.as_mut()?;
            match block(merge, plan.stride()) {
                Ok((keys, _)) if keys.is_empty() => {
                    let (_, runs, _) = open.take()?;
                    if let Err(error) = runs.remove() {
                        return Some(Err(error));
                    }
                }
                Ok((keys, sums)) => return Some(Ok(output_rows(of, partial, *pair, &keys, sums))),
                Err(error) => return Some(Err(error)),
            }
        }
    })))
}

/// The next rows, their sums lane by lane.
fn block(rows: &mut Merge<'_>, stride: usize) -> Result<(Vec<GroupKey>, Vec<Vec<i128>>), EngineError> {
    let (mut keys, mut lanes) = (Vec::new(), vec![Vec::new(); stride]);
    while keys.len() < ROWS
        && let Some((key, sums)) = rows.next_row()?
    {
        keys.push(group_key(&key));
        lanes.iter_mut().zip(sums_of(&sums, stride)).for_each(|(lane, sum)| lane.push(sum));
    }
    Ok((keys, lanes))
}

fn group_key(bytes: &[u8]) -> GroupKey {
    let parts = &bytes[bytes.len() - KEY_BYTES..];
    let part = |place: usize| parts[place * 4..][..4].iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
    GroupKey { touch_group: part(0), touch_day: part(1) as Day, day: part(2) as Day, class: Class(part(3)) }
}

/// Sums as bytes: in 64 bits each, unless one of them needs more.
fn bytes_of(
    sums: &[i128],
    narrow: &mut Vec<i64>,
    mut write: impl FnMut(&[u8]) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    narrow.clear();
    narrow.extend(sums.iter().map(|sum| *sum as i64));
    let fits = sums.iter().zip(narrow.iter()).all(|(sum, narrow)| *sum == i128::from(*narrow));
    write(if fits { bytemuck::cast_slice(narrow) } else { bytemuck::cast_slice(sums) })
}

/// The `count` sums that [`bytes_of`] wrote.
fn sums_of(bytes: &[u8], count: usize) -> Vec<i128> {
    if bytes.len() == count * size_of::<i64>() {
        return bytemuck::pod_collect_to_vec::<u8, i64>(bytes).into_iter().map(i128::from).collect();
    }
    bytemuck::pod_collect_to_vec(bytes)
}
