//! The paths table: which sequences of channels led to conversions, and which did not.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher, BuildHasherDefault};

use attributary_core::batch::attribute::CHANNEL;
use attributary_core::duration::DAY;
use attributary_core::table::{Column, Field, Rows};
use attributary_core::value::{ColumnType, Value};
use attributary_journeys::Profiles;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rustc_hash::{FxHashMap, FxHasher};

use crate::budget::Budget;
use crate::error::EngineError;
use crate::runs::Runs;
use crate::setup::Setup;

/// The path of the row that holds all paths beyond the most frequent ones.
const OTHER: &str = "(other)";

/// Paths are divided by their hash into so many parts, which are put together one by one, on all threads.
const SHARDS: usize = 64;

/// One thread's paths, per window and shard; those that were too many for memory on disk.
pub struct Paths {
    windows: Vec<Vec<FxHashMap<Box<[u32]>, Path>>>,
    memory: u64,
    runs: Runs,
}

#[derive(Default)]
struct Path {
    conversions: u64,
    null_journeys: u64,
    values: Vec<i128>,
    /// From the first touch to the conversion, in microseconds, one for each conversion of which that is known.
    durations: Vec<i64>,
}

impl Paths {
    /// No paths yet, for so many windows.
    #[must_use]
    pub fn new(windows: usize, runs: Runs) -> Self {
        let shards = || std::iter::repeat_with(FxHashMap::default).take(SHARDS).collect();
        Self { windows: std::iter::repeat_with(shards).take(windows).collect(), memory: 0, runs }
    }

    /// Counts converting journeys: their channels, how long they took if that is known, what they were worth. A refund is none, and
    /// only takes its values off.
    pub fn add(&mut self, window: usize, channels: &[u32], conversions: u64, duration: Option<i64>, values: &[i64]) {
        self.memory += size_of::<i64>() as u64;
        self.update(window, channels, |path| {
            path.conversions += conversions;
            path.durations.extend(duration);
            path.values.resize(values.len(), 0);
            path.values.iter_mut().zip(values).for_each(|(sum, value)| *sum += i128::from(*value));
        });
    }

    /// Counts journeys that led nowhere.
    pub fn add_null(&mut self, window: usize, channels: &[u32], journeys: u64) {
        self.update(window, channels, |path| path.null_journeys += journeys);
    }

    fn update(&mut self, window: usize, channels: &[u32], update: impl FnOnce(&mut Path)) {
        // The map itself finds a path's place by the upper bits of the hash and the lowest ones.
        let hash = BuildHasherDefault::<FxHasher>::default().hash_one(channels);
        let shard = &mut self.windows[window][(hash >> 32) as usize % SHARDS];
        // Most journeys go where others went: no key is made for them.
        if let Some(path) = shard.get_mut(channels) {
            return update(path);
        }
        const PER_PATH: usize = 2 * size_of::<(Box<[u32]>, Path)>() + 32;
        self.memory += (size_of_val(channels) + PER_PATH) as u64;
        let mut path = Path::default();
        update(&mut path);
        shard.insert(channels.into(), path);
    }

    /// Puts the paths on disk if they are more than their part of the memory.
    ///
    /// # Errors
    /// Where temporary space cannot be had.
    pub fn spill_if_full(&mut self, budget: &Budget) -> Result<(), EngineError> {
        if self.memory <= budget.paths() { Ok(()) } else { self.spill(budget) }
    }

    fn spill(&mut self, budget: &Budget) -> Result<(), EngineError> {
        self.memory = 0;
        let mut all: Vec<(Vec<u8>, Path)> = Vec::new();
        for (window, shards) in self.windows.iter_mut().enumerate() {
            for (channels, path) in shards.iter_mut().flat_map(std::mem::take) {
                let mut key = (window as u32).to_be_bytes().to_vec();
                channels.iter().for_each(|channel| key.extend_from_slice(&channel.to_be_bytes()));
                all.push((key, path));
            }
        }
        all.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        self.runs.begin();
        for (key, path) in all {
            budget.check()?;
            self.runs.push(&key, &path.encoded(), budget)?;
        }
        self.runs.flush()
    }
}

impl Path {
    fn add(&mut self, other: Self) {
        self.conversions += other.conversions;
        self.null_journeys += other.null_journeys;
        self.durations.extend(other.durations);
        self.values.resize(self.values.len().max(other.values.len()), 0);
        self.values.iter_mut().zip(other.values).for_each(|(sum, value)| *sum += value);
    }

    fn encoded(&self) -> Vec<u8> {
        let counts = [self.conversions, self.null_journeys, self.values.len() as u64];
        let mut bytes: Vec<u8> = counts.iter().flat_map(|count| count.to_ne_bytes()).collect();
        bytes.extend_from_slice(bytemuck::cast_slice(&self.values));
        bytes.extend_from_slice(bytemuck::cast_slice(&self.durations));
        bytes
    }

    fn decoded(bytes: &[u8]) -> Self {
        let number = |from: usize| bytemuck::pod_read_unaligned::<u64>(&bytes[from..from + 8]);
        let end = 24 + number(16) as usize * size_of::<i128>();
        Self {
            conversions: number(0),
            null_journeys: number(8),
            values: bytemuck::pod_collect_to_vec(&bytes[24..end]),
            durations: bytemuck::pod_collect_to_vec(&bytes[end..]),
        }
    }
}

/// The table's columns.
#[must_use]
pub fn fields(setup: &Setup) -> Vec<Field> {
    let mut fields = vec![
        Field::new("window", ColumnType::Text),
        Field::new("path", ColumnType::Text),
        Field::new("length", ColumnType::COUNT),
        Field::new("conversions", ColumnType::COUNT),
        Field::new("null_journeys", ColumnType::COUNT),
    ];
    fields.extend(setup.value_fields());
    fields.push(Field::new("median_days_to_convert", ColumnType::Float { bits: 64 }));
    fields
}

/// The rows: per window the most frequent paths, then one row for all others, where there are any.
///
/// # Errors
/// Where what is on disk cannot be read.
pub fn rows(threads: Vec<Paths>, setup: &Setup, profiles: &Profiles, budget: &Budget) -> Result<Rows, EngineError> {
    let windows = setup.rules.windows.iter().enumerate();
    let mut names: Vec<(String, usize)> = windows.map(|(place, window)| (window.to_string(), place)).collect();
    names.sort();
    let mut output = Output { values: vec![Vec::new(); setup.values.len()], ..Output::default() };
    let mut tops = most_frequent(threads, setup, profiles, budget)?;
    for (name, window) in names {
        let Top { kept, other, left_out, .. } = std::mem::replace(&mut tops[window], Top::new(0, profiles));
        // The best come first: what is greater comes later in the table.
        for Candidate { channels, sums, median, .. } in kept.into_sorted_vec() {
            let text = channels.iter().map(|code| channel(profiles, *code)).collect::<Vec<_>>().join(" > ");
            let length = Value::Int(channels.len() as i128);
            output.push(&name, &text, length, sums.conversions, sums.null_journeys, &sums.values);
            output.medians.push(median);
        }
        if left_out {
            output.push(&name, OTHER, Value::Null, other.conversions, other.null_journeys, &other.values);
            output.medians.push(None);
        }
    }
    Ok(output.rows())
}

/// The most frequent paths of each window.
fn most_frequent<'a>(
    mut threads: Vec<Paths>,
    setup: &Setup,
    profiles: &'a Profiles,
    budget: &Budget,
) -> Result<Vec<Top<'a>>, EngineError> {
    let count = setup.rules.windows.len();
    let mut tops: Vec<Top<'_>> = (0..count).map(|_| Top::new(setup.paths, profiles)).collect();
    if threads.iter().all(|paths| paths.runs.is_empty()) {
        for (window, top) in tops.iter_mut().enumerate() {
            let mut shards: Vec<Vec<FxHashMap<Box<[u32]>, Path>>> = (0..SHARDS).map(|_| Vec::new()).collect();
            for paths in &mut threads {
                shards.iter_mut().zip(std::mem::take(&mut paths.windows[window])).for_each(|(all, shard)| all.push(shard));
            }
            let of_shard = |shards: Vec<FxHashMap<Box<[u32]>, Path>>| {
                budget.check()?;
                let mut shards = shards.into_iter();
                let mut all = shards.next().unwrap_or_default();
                for (channels, path) in shards.flatten() {
                    budget.check()?;
                    all.entry(channels).or_default().add(path);
                }
                let mut top = Top::new(setup.paths, profiles);
                for (channels, path) in all {
                    budget.check()?;
                    top.push(channels, path);
                }
                Ok(top)
            };
            let all = shards.into_par_iter().map(of_shard).try_reduce_with(|one, other| one.absorb(other, budget));
            *top = all.unwrap_or_else(|| Ok(Top::new(setup.paths, profiles)))?;
        }
        return Ok(tops);
    }
    threads.iter_mut().try_for_each(|paths| paths.spill(budget))?;
    let runs: Vec<Runs> = threads.into_iter().map(|paths| paths.runs).collect();
    let mut merge = Runs::merge(&runs, budget)?;
    let mut take = |key: &[u8], path: Path| {
        let numbers = key.chunks_exact(4).map(|bytes| bytes.iter().fold(0, |all, byte| all << 8 | u32::from(*byte)));
        let numbers: Vec<u32> = numbers.collect();
        tops[numbers[0] as usize].push(numbers[1..].into(), path);
    };
    let mut last: Option<(Vec<u8>, Path)> = None;
    while let Some((key, path)) = merge.next_row()? {
        let path = Path::decoded(&path);
        match &mut last {
            Some((before, all)) if *before == key => all.add(path),
            _ => {
                if let Some((key, path)) = last.replace((key, path)) {
                    take(&key, path);
                }
            }
        }
    }
    if let Some((key, path)) = last {
        take(&key, path);
    }
    Ok(tops)
}

/// The most frequent paths of a window, and the sums of all others.
struct Top<'a> {
    limit: usize,
    profiles: &'a Profiles,
    /// The first to go is the greatest.
    kept: BinaryHeap<Candidate<'a>>,
    other: Sums,
    left_out: bool,
}

/// What journeys along a path, or several, come to.
#[derive(Default)]
struct Sums {
    conversions: u64,
    null_journeys: u64,
    values: Vec<i128>,
}

/// A path; greater is what comes later in the table.
struct Candidate<'a> {
    channels: Box<[u32]>,
    sums: Sums,
    median: Option<f64>,
    profiles: &'a Profiles,
}

impl<'a> Top<'a> {
    fn new(limit: usize, profiles: &'a Profiles) -> Self {
        Self { limit, profiles, kept: BinaryHeap::new(), other: Sums::default(), left_out: false }
    }

    fn push(&mut self, channels: Box<[u32]>, mut path: Path) {
        let sums =
            Sums { conversions: path.conversions, null_journeys: path.null_journeys, values: std::mem::take(&mut path.values) };
        let mut candidate = Candidate { channels, sums, median: None, profiles: self.profiles };
        if self.is_full_of_better(&candidate) {
            return self.leave_out(&candidate.sums);
        }
        candidate.median = median_days(&mut path.durations);
        self.keep(candidate);
    }

    fn is_full_of_better(&self, candidate: &Candidate<'_>) -> bool {
        self.kept.len() >= self.limit && self.kept.peek().is_none_or(|last| last <= candidate)
    }

    fn keep(&mut self, candidate: Candidate<'a>) {
        if self.is_full_of_better(&candidate) {
            return self.leave_out(&candidate.sums);
        }
        self.kept.push(candidate);
        if self.kept.len() > self.limit
            && let Some(last) = self.kept.pop()
        {
            self.leave_out(&last.sums);
        }
    }

    fn leave_out(&mut self, sums: &Sums) {
        self.left_out = true;
        self.other.add(sums);
    }

    fn absorb(mut self, other: Self, budget: &Budget) -> Result<Self, EngineError> {
        self.left_out |= other.left_out;
        self.other.add(&other.other);
        for candidate in other.kept {
            budget.check()?;
            self.keep(candidate);
        }
        Ok(self)
    }
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.conversions += other.conversions;
        self.null_journeys += other.null_journeys;
        self.values.resize(self.values.len().max(other.values.len()), 0);
        self.values.iter_mut().zip(&other.values).for_each(|(sum, value)| *sum += value);
    }

    fn frequency(&self) -> u64 {
        self.conversions + self.null_journeys
    }
}

impl Ord for Candidate<'_> {
    /// The less frequent is greater, of equally frequent ones that with the greater text, and of equal texts (channels may
    /// have ` > ` in their names) that of more channels, or of later ones.
    fn cmp(&self, other: &Self) -> Ordering {
        let names =
            |candidate: &Self| -> Vec<&str> { candidate.channels.iter().map(|code| channel(self.profiles, *code)).collect() };
        let names = || (names(self), names(other));
        other.sums.frequency().cmp(&self.sums.frequency()).then_with(|| {
            let (one, other) = names();
            let texts = compare_texts(one.iter().copied(), other.iter().copied());
            texts.then(one.len().cmp(&other.len())).then_with(|| one.cmp(&other))
        })
    }
}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate<'_> {}

#[derive(Default)]
struct Output {
    windows: Vec<Value>,
    paths: Vec<Value>,
    lengths: Vec<Value>,
    conversions: Vec<i64>,
    null_journeys: Vec<i64>,
    values: Vec<Vec<i128>>,
    medians: Vec<Option<f64>>,
}

impl Output {
    fn push(&mut self, window: &str, path: &str, length: Value, conversions: u64, null_journeys: u64, values: &[i128]) {
        self.windows.push(Value::text(window));
        self.paths.push(Value::text(path));
        self.lengths.push(length);
        self.conversions.push(conversions as i64);
        self.null_journeys.push(null_journeys as i64);
        for (place, column) in self.values.iter_mut().enumerate() {
            column.push(values.get(place).copied().unwrap_or(0));
        }
    }

    fn rows(self) -> Rows {
        let mut columns = vec![
            Column::Values(self.windows),
            Column::Values(self.paths),
            Column::Values(self.lengths),
            Column::Ints(self.conversions),
            Column::Ints(self.null_journeys),
        ];
        columns.extend(self.values.into_iter().map(Column::Wide));
        columns.push(Column::Floats(self.medians));
        Rows { columns }
    }
}

/// Compares two joined paths by bytes without joining them.
fn compare_texts<'a>(one: impl Iterator<Item = &'a str>, other: impl Iterator<Item = &'a str>) -> Ordering {
    fn bytes<'a>(channels: impl Iterator<Item = &'a str>) -> impl Iterator<Item = u8> {
        channels.enumerate().flat_map(|(place, channel)| {
            let separator = if place == 0 { "" } else { " > " };
            separator.bytes().chain(channel.bytes())
        })
    }
    bytes(one).cmp(bytes(other))
}

fn channel(profiles: &Profiles, code: u32) -> &str {
    profiles.dictionaries[CHANNEL].get(code as usize).and_then(Value::as_text).unwrap_or(attributary_core::NOT_SET)
}

/// The median in days of 24 hours, of an even number the mean of the middle two; none of none.
fn median_days(durations: &mut [i64]) -> Option<f64> {
    durations.sort_unstable();
    let count = durations.len();
    let twice = match count {
        0 => return None,
        _ => i128::from(durations[(count - 1) / 2]) + i128::from(durations[count / 2]),
    };
    Some(twice as f64 / 2.0 / DAY as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median_days(&mut []), None);
        assert_eq!(median_days(&mut [3 * DAY, DAY, 2 * DAY]), Some(2.0));
        assert_eq!(median_days(&mut [4 * DAY, DAY, 2 * DAY, 3 * DAY]), Some(2.5));
    }

    #[test]
    fn paths_compare_as_their_texts_do() {
        let (one, other) = (["a", "b"], ["a > a"]);
        assert_eq!(compare_texts(one.into_iter(), other.into_iter()), "a > b".cmp("a > a"));
        assert_eq!(compare_texts(["a"].into_iter(), ["a", "a"].into_iter()), Ordering::Less);
    }
}
