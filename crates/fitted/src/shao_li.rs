//! The pairwise probabilistic model (Shao, Li, "Data-driven multi-touch attribution models", KDD 2011, 258–264, equation 2):
//!
//! C(i) = p(i) + 1 / (2 (n − 1)) · Σ over j ≠ i of p(i, j) − p(i) − p(j)
//!
//! p(i) is how many of the journeys with player i convert, p(i, j) how many of those with both, and n the number of players that
//! are in any journey. Pairs that no journey has say nothing and add nothing. A player whose company converts less than either
//! alone may come out negative.

use std::collections::BTreeMap;

use crate::outcomes::{OfSet, smoothed};
use crate::sets::{Counts, SetCounts};
use crate::transitions::Player;

/// What each player contributes; 0 of one that is in no journey.
#[must_use]
pub fn contributions(sets: &SetCounts, players: usize) -> Vec<f64> {
    let mut alone = vec![Counts::default(); players];
    let mut pairs: BTreeMap<(Player, Player), Counts> = BTreeMap::new();
    for (set, counts) in sets.sorted() {
        for (place, player) in set.iter().enumerate() {
            alone[*player as usize].add(counts);
            set[place + 1..].iter().for_each(|other| pairs.entry((*player, *other)).or_default().add(counts));
        }
    }
    let others = alone.iter().filter(|counts| counts.journeys > 0).count().saturating_sub(1);
    let mut together = vec![0.0; players];
    for ((one, other), counts) in pairs {
        let (one, other) = (one as usize, other as usize);
        let more = counts.rate() - alone[one].rate() - alone[other].rate();
        together[one] += more;
        together[other] += more;
    }
    let contribution = |(counts, together): (&Counts, f64)| {
        if others == 0 { counts.rate() } else { counts.rate() + together / (2.0 * others as f64) }
    };
    alone.iter().zip(together).map(contribution).collect()
}

/// How probably a journey of a set of players converts, by the model's own rates: that of its player, or on average those of its
/// pairs, which is what the contributions within it add up to, over half of its players. One journey more converts at `rate`.
#[must_use]
pub fn foretelling(sets: &SetCounts, rate: f64) -> OfSet<'_> {
    let mut alone: BTreeMap<Player, Counts> = BTreeMap::new();
    let mut pairs: BTreeMap<(Player, Player), Counts> = BTreeMap::new();
    for (set, counts) in sets.sorted() {
        for (place, player) in set.iter().enumerate() {
            alone.entry(*player).or_default().add(counts);
            set[place + 1..].iter().for_each(|other| pairs.entry((*player, *other)).or_default().add(counts));
        }
    }
    Box::new(move |set| {
        if let [player] = set {
            return smoothed(alone.get(player).copied().unwrap_or_default(), rate);
        }
        let (mut sum, mut count) = (0.0, 0.0);
        for (place, one) in set.iter().enumerate() {
            for other in &set[place + 1..] {
                sum += smoothed(pairs.get(&(*one, *other)).copied().unwrap_or_default(), rate);
                count += 1.0;
            }
        }
        if count > 0.0 { sum / count } else { rate }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_players_by_hand() {
        let mut sets = SetCounts::default();
        sets.add(&[0], 2, 2);
        sets.add(&[1, 0, 1], 3, 1);
        sets.add(&[1], 1, 3);
        sets.add(&[2, 0], 0, 2);
        // p(0) = 5/10, p(1) = 4/8, p(2) = 0; p(0, 1) = 3/4, p(0, 2) = 0; 1 and 2 are never together.
        let found = contributions(&sets, 4);
        let expected = [0.5 + (0.75 - 1.0 + 0.0 - 0.5) / 4.0, 0.5 + (0.75 - 1.0) / 4.0, (0.0 - 0.5) / 4.0, 0.0];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-15, "{found} {expected}");
        }
    }

    #[test]
    fn pairs_foretell() {
        let mut sets = SetCounts::default();
        sets.add(&[0, 1], 3, 1);
        sets.add(&[0, 2], 0, 4);
        sets.add(&[0], 2, 0);
        let of_set = foretelling(&sets, 0.5);
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-15, "{found} {expected}");
        close(of_set(&[0]), 5.5 / 11.0);
        close(of_set(&[0, 1]), 3.5 / 5.0);
        // That of 1 and 2 nobody has seen.
        close(of_set(&[0, 1, 2]), (3.5 / 5.0 + 0.5 / 5.0 + 0.5) / 3.0);
    }

    #[test]
    fn one_player_alone_is_its_rate() {
        let mut sets = SetCounts::default();
        sets.add(&[1, 1], 1, 3);
        assert_eq!(contributions(&sets, 2), [0.0, 0.25]);
        assert_eq!(contributions(&SetCounts::default(), 1), [0.0]);
    }
}
