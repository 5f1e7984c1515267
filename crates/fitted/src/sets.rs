//! How many journeys each set of players has, and how many of them convert: what a game among the players is learnt from.

use rustc_hash::FxHashMap;

use crate::transitions::Player;

/// Journeys, and those of them that convert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub journeys: u64,
    /// Those that convert.
    pub conversions: u64,
}

impl Counts {
    /// How many of a journey's kind convert; 0 of none.
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.journeys == 0 { 0.0 } else { self.conversions as f64 / self.journeys as f64 }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.journeys += other.journeys;
        self.conversions += other.conversions;
    }
}

/// Journeys by the set of players that take part in them. Counts of several shards are merged; the order in which journeys come
/// does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetCounts(FxHashMap<Box<[Player]>, Counts>);

impl SetCounts {
    /// Some bytes more or less than it takes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        const SET: usize = 2 * size_of::<(Box<[Player]>, Counts)>() + 48;
        (self.0.len() * SET) as u64
    }

    /// Adds journeys of the same touches, of which some convert and others do not. Without touches there is no journey.
    pub fn add(&mut self, path: &[Player], conversions: u64, nulls: u64) {
        if path.is_empty() || conversions + nulls == 0 {
            return;
        }
        let mut set = path.to_vec();
        set.sort_unstable();
        set.dedup();
        self.0.entry(set.into()).or_default().add(Counts { journeys: conversions + nulls, conversions });
    }

    /// Adds the counts of another shard.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(set, counts)| self.0.entry(set.clone()).or_default().add(*counts));
    }

    /// The counts of a set; its players in their order.
    pub(crate) fn of(&self, set: &[Player]) -> Counts {
        self.0.get(set).copied().unwrap_or_default()
    }

    /// The sets in their order, each with its players in theirs.
    #[must_use]
    pub fn sorted(&self) -> Vec<(&[Player], Counts)> {
        let mut sets: Vec<_> = self.0.iter().map(|(set, counts)| (&**set, *counts)).collect();
        sets.sort_unstable_by_key(|(set, _)| *set);
        sets
    }
}
