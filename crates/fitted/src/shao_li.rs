//! The pairwise probabilistic model (Shao, Li, "Data-driven multi-touch attribution models", KDD 2011, 258–264, equation 2):
//!
//! C(i) = p(i) + 1 / (2 (n − 1)) · Σ over j ≠ i of p(i, j) − p(i) − p(j)
//!
//! p(i) is how many of the journeys with player i convert, p(i, j) how many of those with both, and n the number of players that
//! are in any journey. Pairs that no journey has say nothing and add nothing. A player whose company converts less than either
//! alone may come out negative.

use std::collections::BTreeMap;

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
    fn one_player_alone_is_its_rate() {
        let mut sets = SetCounts::default();
        sets.add(&[1, 1], 1, 3);
        assert_eq!(contributions(&sets, 2), [0.0, 0.25]);
        assert_eq!(contributions(&SetCounts::default(), 1), [0.0]);
    }
}
