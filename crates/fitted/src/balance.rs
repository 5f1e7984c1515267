//! Weights under which every conversion gives exactly one, and the players get what they should together: iterative proportional
//! fitting (Deming, Stephan, "On a least squares adjustment of a sampled frequency table", Annals of Mathematical Statistics 11
//! (1940) 427–444).
//!
//! A conversion is divided in proportion to the weights of the players in its journey. Each round multiplies every player's
//! weight by what it should get over what it got. Where nobody can get what they should (a player that is alone in a journey gets
//! at least that), the weights go to the closest that there is.

use crate::sets::SetCounts;
use crate::transitions::Player;

/// So many rounds at most.
const MOST_ROUNDS: u32 = 10_000;

/// What may be missing, in parts of all conversions.
const TOLERANCE: f64 = 1e-12;

/// Weights, and how close they come.
#[derive(Clone, Debug, PartialEq)]
pub struct Balanced {
    /// By player, the largest of which is 1.
    pub weights: Vec<f64>,
    /// What each player gets of all conversions under them.
    pub conversions: Vec<f64>,
    /// By how many conversions a player gets more or less than it should, at most.
    pub residual: f64,
    /// Rounds.
    pub rounds: u32,
}

/// Balances. `weights` are where it begins; `wanted` is the share of all conversions that each player should get.
#[must_use]
pub fn balance(sets: &SetCounts, weights: &[f64], wanted: &[f64]) -> Balanced {
    // Journeys of the same players are divided alike; those of one player have nothing to be divided.
    let sets: Vec<(&[Player], f64)> = sets
        .sorted()
        .into_iter()
        .filter(|(_, counts)| counts.conversions > 0)
        .map(|(set, counts)| (set, counts.conversions as f64))
        .collect();
    let all: f64 = sets.iter().map(|(_, conversions)| conversions).sum();
    let divide = |weights: &[f64]| {
        let mut got = vec![0.0; weights.len()];
        for (set, conversions) in &sets {
            let sum: f64 = set.iter().map(|player| weights[*player as usize]).sum();
            for player in *set {
                let player = *player as usize;
                // Nobody in it has a weight: all are alike.
                got[player] += if sum > 0.0 { conversions * weights[player] / sum } else { conversions / set.len() as f64 };
            }
        }
        got
    };
    let mut weights = weights.to_vec();
    let mut best: Option<Balanced> = None;
    for rounds in 0..=MOST_ROUNDS {
        let got = divide(&weights);
        let off = got.iter().zip(wanted).map(|(got, wanted)| (got - wanted * all).abs()).fold(0.0, f64::max);
        if best.as_ref().is_none_or(|best| off < best.residual) {
            best = Some(Balanced { weights: weights.clone(), conversions: got.clone(), residual: off, rounds });
        }
        if off <= TOLERANCE * all {
            break;
        }
        for ((weight, got), wanted) in weights.iter_mut().zip(&got).zip(wanted) {
            if *got > 0.0 {
                *weight *= wanted * all / got;
            }
        }
        let largest = weights.iter().copied().fold(0.0, f64::max);
        if largest > 0.0 {
            weights.iter_mut().for_each(|weight| *weight /= largest);
        }
    }
    best.unwrap_or(Balanced { weights, conversions: Vec::new(), residual: 0.0, rounds: 0 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn players_get_what_they_should_where_that_can_be() {
        let mut sets = SetCounts::default();
        sets.add(&[0, 1], 6, 0);
        sets.add(&[1, 2], 3, 9);
        sets.add(&[0], 1, 0);
        let found = balance(&sets, &[0.5, 0.3, 0.2], &[0.4, 0.4, 0.2]);
        assert!(found.residual < 1e-10, "{found:?}");
        for (got, wanted) in found.conversions.iter().zip([4.0, 4.0, 2.0]) {
            assert!((got - wanted).abs() < 1e-9, "{found:?}");
        }
    }

    #[test]
    fn where_it_cannot_be_the_closest_is_found_and_told() {
        let mut sets = SetCounts::default();
        sets.add(&[0], 8, 0);
        sets.add(&[0, 1], 2, 0);
        // Player 0 is alone in eight of ten.
        let found = balance(&sets, &[0.5, 0.5], &[0.5, 0.5]);
        assert!((found.residual - 3.0).abs() < 0.01 && (found.conversions[0] - 8.0).abs() < 0.01, "{found:?}");
    }

    proptest! {
        #[test]
        fn every_conversion_gives_one(
            journeys in prop::collection::vec((prop::collection::vec(0..5_u32, 1..5), 0..5_u64), 1..12),
            weights in prop::collection::vec(0.0..1.0_f64, 5),
        ) {
            let mut sets = SetCounts::default();
            journeys.iter().for_each(|(path, conversions)| sets.add(path, *conversions, 1));
            let all: u64 = journeys.iter().map(|(_, conversions)| conversions).sum();
            // What some weights give can be reached from others.
            let sum: f64 = weights.iter().sum::<f64>().max(1e-9);
            let wanted: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
            let found = balance(&sets, &[0.2; 5], &wanted);
            prop_assert!((found.conversions.iter().sum::<f64>() - all as f64).abs() < 1e-9 * (all as f64).max(1.0));
            let reached: Vec<f64> = found.conversions.iter().map(|got| got / (all as f64).max(1.0)).collect();
            let again = balance(&sets, &[0.2; 5], &reached);
            prop_assert!(again.residual <= 1e-3 * (all as f64).max(1.0), "{again:?}");
        }
    }
}
