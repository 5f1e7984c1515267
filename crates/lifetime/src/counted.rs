//! Equal things counted, in a form that depends on nothing but what was counted.

use rayon::slice::ParallelSliceMut;
use std::borrow::Cow;

/// What may wait before it is sorted in.
const WAITING: usize = 1 << 20;

/// A multiset: distinct keys, sorted, each with its count, and behind them what came since and is not sorted in yet. That
/// is faster than a hash map where most keys are distinct, and needs less room.
#[derive(Clone, Debug)]
pub(crate) struct Counted<K> {
    entries: Vec<(K, u64)>,
    /// How many of the entries, from the first on, are sorted and distinct.
    sorted: usize,
}

impl<K> Default for Counted<K> {
    fn default() -> Self {
        Self { entries: Vec::new(), sorted: 0 }
    }
}

impl<K: Copy + Ord + Send> Counted<K> {
    pub(crate) fn add(&mut self, key: K, count: u64) {
        if count > 0 {
            self.entries.push((key, count));
            if self.entries.len() >= self.sorted + self.sorted.max(WAITING) {
                self.compact();
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (key, count) in &other.entries {
            self.add(*key, *count);
        }
    }

    pub(crate) fn compact(&mut self) {
        if self.sorted < self.entries.len() {
            self.entries.par_sort_unstable_by_key(|(key, _)| *key);
            self.entries.dedup_by(|(key, count), (kept, sum)| {
                let same = key == kept;
                if same {
                    *sum = sum.saturating_add(*count);
                }
                same
            });
            self.sorted = self.entries.len();
        }
    }

    /// Distinct keys in their order, with their counts.
    pub(crate) fn sorted(&self) -> Cow<'_, [(K, u64)]> {
        if self.sorted == self.entries.len() {
            return Cow::Borrowed(&self.entries);
        }
        let mut copy = self.clone();
        copy.compact();
        Cow::Owned(copy.entries)
    }

    pub(crate) fn total(&self) -> u64 {
        self.entries.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn is_a_multiset(first in prop::collection::vec((0_u32..20, 0_u64..4), 0..60), second in prop::collection::vec((0_u32..20, 0_u64..4), 0..60)) {
            let mut expected = BTreeMap::new();
            let (mut one, mut other) = (Counted::default(), Counted::default());
            for (key, count) in &first {
                one.add(*key, *count);
            }
            one.compact();
            for (key, count) in &second {
                other.add(*key, *count);
            }
            for (key, count) in first.iter().chain(&second).filter(|(_, count)| *count > 0) {
                *expected.entry(*key).or_insert(0) += count;
            }
            let backwards = { let mut all = other.clone(); all.merge(&one); all };
            one.merge(&other);
            let expected: Vec<_> = expected.into_iter().collect();
            prop_assert_eq!(one.total(), expected.iter().map(|(_, count)| count).sum::<u64>());
            prop_assert_eq!(one.sorted().into_owned(), expected.clone());
            prop_assert_eq!(backwards.sorted().into_owned(), expected);
        }
    }

    #[test]
    fn sorts_in_as_it_grows() {
        let mut counted = Counted::default();
        for key in 0..3 * WAITING as u32 {
            counted.add(key % 1_000, 1);
        }
        assert!(counted.entries.len() < WAITING + 1_000);
        assert_eq!(counted.total(), 3 * WAITING as u64);
        counted.compact();
        assert_eq!(counted.sorted().len(), 1_000);
    }
}
