//! Which hours the touches of each file are of: what tells how far a file that changes can reach. And how many touches it has, and
//! the newest of them, which the data contract asks for.

use std::collections::BTreeMap;
use std::sync::Mutex;

use attributary_core::batch::{NO_TIME, TouchBatch};
use attributary_core::time::is_time;
use attributary_store::now;

use crate::writer::lock;

/// Microseconds.
const HOUR: i64 = 3_600_000_000;

/// Files whose hours lie in more stretches than this are taken for one stretch.
const MOST_STRETCHES: usize = 4_096;

/// The hours of one file: stretches by the hour where each begins, up to the one before which it ends, none of which overlaps
/// or touches the next. Hours are counted from 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hours(BTreeMap<i64, i64>);

impl Hours {
    /// The stretch from the instant `first` to before the instant `end`.
    pub fn add_stretch(&mut self, first: i64, end: i64) {
        self.add(first.div_euclid(HOUR), end.div_euclid(HOUR) + i64::from(end.rem_euclid(HOUR) > 0));
    }

    /// Adds all hours of another file, or of another version of it.
    pub fn add_all(&mut self, other: &Self) {
        other.0.iter().for_each(|(first, end)| self.add(*first, *end));
    }

    /// The stretches: their first instant, and the one before which they end.
    pub fn stretches(&self) -> impl Iterator<Item = (i64, i64)> {
        let all = match (self.0.first_key_value(), self.0.last_key_value()) {
            (Some((first, _)), Some((_, end))) if self.0.len() > MOST_STRETCHES => vec![(*first, *end)],
            _ => self.0.iter().map(|(first, end)| (*first, *end)).collect(),
        };
        all.into_iter().map(|(first, end)| (first * HOUR, end * HOUR))
    }

    /// Whether any touch may lie from one instant, inclusive, to another, exclusive.
    pub fn meet(&self, from: i64, to: i64) -> bool {
        self.stretches().any(|(first, end)| first < to && from < end)
    }

    fn holds(&self, first: i64, end: i64) -> bool {
        self.0.range(..=first).next_back().is_some_and(|(_, until)| end <= *until)
    }

    fn add(&mut self, mut first: i64, mut end: i64) {
        while let Some((from, to)) =
            self.0.range(..=end).next_back().map(|(from, to)| (*from, *to)).filter(|(_, to)| *to >= first)
        {
            self.0.remove(&from);
            (first, end) = (first.min(from), end.max(to));
        }
        self.0.insert(first, end);
    }

    /// Adds the hours of some instants.
    pub fn add_times(&mut self, times: &[i64]) {
        let span = times.iter().filter(|time| **time != NO_TIME).fold(None, |span: Option<(i64, i64)>, time| {
            Some(span.map_or((*time, *time), |(least, most)| (least.min(*time), most.max(*time))))
        });
        let Some((least, most)) = span.filter(|(least, most)| is_time(*least) && is_time(*most)) else { return };
        let (first, last) = (least.div_euclid(HOUR), most.div_euclid(HOUR));
        // Most logs are in the order of time, and a batch of theirs spans an hour that is known.
        if self.holds(first, last + 1) {
            return;
        }
        if first == last {
            return self.add(first, last + 1);
        }
        let mut marked = vec![false; (last - first + 1) as usize];
        times.iter().filter(|time| **time != NO_TIME).for_each(|time| marked[(time.div_euclid(HOUR) - first) as usize] = true);
        let mut hour = first;
        for alike in marked.chunk_by(|one, other| one == other) {
            if alike[0] {
                self.add(hour, hour + alike.len() as i64);
            }
            hour += alike.len() as i64;
        }
    }
}

/// What the touches of a file are, as far as they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touches {
    pub rows: u64,
    /// The newest that is not in the future.
    pub newest: Option<i64>,
    /// The earliest that is: from then on another one is the newest.
    pub next: Option<i64>,
}

impl Touches {
    /// Those of two files.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let next = self.next.into_iter().chain(other.next).min();
        Self { rows: self.rows + other.rows, newest: self.newest.max(other.newest), next }
    }
}

/// The hours of the files of the touchpoints, and their touches, as far as they were read. Any thread may add to them.
pub(crate) struct Seen {
    files: Vec<Mutex<(Hours, Touches)>>,
    /// What lies behind it is in the future.
    now: i64,
}

impl Seen {
    /// Nothing yet, of so many files.
    pub fn new(files: usize) -> Self {
        Self { files: (0..files).map(|_| Mutex::default()).collect(), now: now() }
    }

    /// Looks at a batch.
    pub fn add(&self, batch: &TouchBatch) {
        if let Some(file) = self.files.get(batch.file as usize) {
            let times = || batch.times.iter().copied().filter(|time| *time != NO_TIME);
            let newest = times().filter(|time| *time <= self.now).max();
            let next = times().filter(|time| *time > self.now).min();
            let mut file = lock(file);
            file.0.add_times(&batch.times);
            file.1 = file.1.and(Touches { rows: batch.times.len() as u64, newest, next });
        }
    }

    /// The hours and the touches of each file.
    pub fn finish(self) -> (Vec<Hours>, Vec<Touches>) {
        self.files.into_iter().map(|file| std::mem::take(&mut *lock(&file))).unzip()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hours_are_those_of_the_times_in_any_order(batches in prop::collection::vec(prop::collection::vec(-40..40_i64, 0..6), 0..8)) {
            let mut hours = Hours::default();
            let mut backwards = Hours::default();
            let times = |batch: &Vec<i64>| batch.iter().map(|hour| hour * HOUR + 17).chain([NO_TIME]).collect::<Vec<_>>();
            batches.iter().for_each(|batch| hours.add_times(&times(batch)));
            batches.iter().rev().for_each(|batch| backwards.add_times(&times(batch)));
            prop_assert_eq!(&hours, &backwards);
            let expected: BTreeSet<i64> = batches.into_iter().flatten().collect();
            for hour in -45..45 {
                prop_assert_eq!(hours.meet(hour * HOUR, hour * HOUR + 1), expected.contains(&hour), "{}", hour);
            }
            let stretches: Vec<_> = hours.stretches().collect();
            prop_assert!(stretches.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }

    #[test]
    fn what_lies_in_too_many_stretches_is_one() {
        let mut hours = Hours::default();
        (0..=MOST_STRETCHES as i64).for_each(|hour| hours.add_stretch(2 * hour * HOUR, (2 * hour + 1) * HOUR));
        assert_eq!(hours.stretches().collect::<Vec<_>>(), [(0, (2 * MOST_STRETCHES as i64 + 1) * HOUR)]);
    }
}
