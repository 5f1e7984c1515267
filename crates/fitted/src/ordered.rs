//! The Shapley value by position (Zhao, Mahboobi, Bagheri, "Shapley value methods for attribution modeling in online advertising",
//! arXiv:1804.05327 (2018), section 4): what a channel adds as the first of a journey, as the second, and so on.
//!
//! A set of players is worth the conversions of the journeys in which nobody else takes part. Player j at position i has
//!
//! φ(j, i) = Σ over journeys with j at position i of conversions ⁄ players of the journey
//!
//! where positions are those of the players' first touches, from 1 on, each player counted once. Over all positions that is the
//! Shapley value, [`crate::shapley::sum`].

use rustc_hash::FxHashMap;

use crate::sets::Counts;
use crate::transitions::Player;

/// Journeys by who took part in them, in the order of first touches. Counts of several shards are merged; the order in which journeys
/// come does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderedCounts(FxHashMap<Box<[Player]>, Counts>);

impl OrderedCounts {
    /// Some bytes more or less than it takes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        const ORDER: usize = 2 * size_of::<(Box<[Player]>, Counts)>() + 48;
        (self.0.len() * ORDER) as u64
    }

    /// Adds journeys of the same touches, of which some convert and others do not. Without touches there is no journey.
    pub fn add(&mut self, path: &[Player], conversions: u64, nulls: u64) {
        if path.is_empty() || conversions + nulls == 0 {
            return;
        }
        let mut order: Vec<Player> = Vec::new();
        // Mostly few players take part, so a list is as good as a set.
        path.iter().for_each(|player| {
            if !order.contains(player) {
                order.push(*player);
            }
        });
        self.0.entry(order.into()).or_default().add(Counts { journeys: conversions + nulls, conversions });
    }

    /// Adds the counts of another shard.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(order, counts)| self.0.entry(order.clone()).or_default().add(*counts));
    }

    /// How many orders there are, and all journeys.
    #[must_use]
    pub fn totals(&self) -> (usize, Counts) {
        let mut all = Counts::default();
        self.0.values().for_each(|counts| all.add(*counts));
        (self.0.len(), all)
    }
}

/// What each player adds at each position, up to the last at which it is in a journey that converts. Each is added up from whole
/// numbers.
#[must_use]
pub fn by_position(orders: &OrderedCounts, players: usize) -> Vec<Vec<f64>> {
    // By player, position and the number of players.
    let mut conversions: Vec<Vec<Vec<u64>>> = vec![Vec::new(); players];
    for (order, counts) in orders.0.iter().filter(|(_, counts)| counts.conversions > 0) {
        for (position, player) in order.iter().enumerate() {
            let of_player = &mut conversions[*player as usize];
            of_player.resize(of_player.len().max(position + 1), Vec::new());
            let by_size = &mut of_player[position];
            by_size.resize(by_size.len().max(order.len()), 0);
            by_size[order.len() - 1] += counts.conversions;
        }
    }
    let value =
        |by_size: &Vec<u64>| by_size.iter().zip(1..).map(|(conversions, size)| *conversions as f64 / f64::from(size)).sum();
    conversions.iter().map(|of_player| of_player.iter().map(value).collect()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{SetCounts, shapley};

    #[test]
    fn who_opens_has_it_at_the_first_position() {
        let mut orders = OrderedCounts::default();
        orders.add(&[0, 1, 0], 6, 1);
        orders.add(&[1, 0], 2, 0);
        orders.add(&[1], 3, 9);
        orders.add(&[2, 1, 0], 0, 4);
        orders.add(&[], 8, 8);
        assert_eq!(by_position(&orders, 3), [vec![3.0, 1.0], vec![4.0, 3.0], vec![]]);
        assert_eq!(orders.totals(), (4, Counts { journeys: 25, conversions: 11 }));
    }

    proptest! {
        /// Over all positions it is the value that knows of none, and shards are one.
        #[test]
        fn positions_add_up_to_the_shapley_value(
            journeys in prop::collection::vec((prop::collection::vec(0_u32..6, 0..7), 0_u64..50, 0_u64..50), 0..40),
            cut in 0_usize..40,
        ) {
            let (mut sets, mut all) = (SetCounts::default(), OrderedCounts::default());
            let mut halves = [OrderedCounts::default(), OrderedCounts::default()];
            for (place, (path, conversions, nulls)) in journeys.iter().enumerate() {
                sets.add(path, *conversions, *nulls);
                all.add(path, *conversions, *nulls);
                halves[usize::from(place < cut)].add(path, *conversions, *nulls);
            }
            let [mut one, other] = halves;
            one.merge(&other);
            prop_assert_eq!(&one, &all);
            let found = by_position(&all, 6);
            for (positions, expected) in found.iter().zip(shapley::sum(&sets, 6)) {
                let sum: f64 = positions.iter().sum();
                prop_assert!((sum - expected).abs() <= 1e-9 * expected.max(1.0), "{} {}", sum, expected);
            }
        }
    }
}
