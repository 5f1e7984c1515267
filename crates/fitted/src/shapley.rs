//! What each player adds, on average over all orders in which they may come: the Shapley value (Shapley, "A value for n-person
//! games", Contributions to the Theory of Games II (1953) 307–317; for attribution Zhao, Mahboobi, Bagheri, "Shapley value
//! methods for attribution modeling in online advertising", arXiv:1804.05327 (2018)).
//!
//! What a set of players is worth is one of two things. [`sum`]: the conversions of all journeys in which nobody else takes part;
//! then the value has a closed form, in which each conversion is divided equally among the players of its journey. [`rate`]: how
//! many of those journeys convert. Up to [`MOST_EXACT`] players that is computed for every set; beyond, orders are drawn.

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::outcomes::{OfSet, smoothed};
use crate::sets::{Counts, SetCounts};
use crate::transitions::Player;

/// Up to so many players every set of them is looked at.
pub const MOST_EXACT: usize = 22;

/// What a player adds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Contribution {
    /// The Shapley value, or what is found of it.
    pub value: f64,
    /// Its standard error, where orders were drawn.
    pub standard_error: Option<f64>,
}

/// The Shapley value of each player of any game: `value` of a set of players, each a bit. Players are worked out on the threads of
/// the current rayon pool.
///
/// # Panics
/// For more than [`MOST_EXACT`] players.
#[must_use]
pub fn of_game(players: usize, value: &(dyn Fn(u32) -> f64 + Sync)) -> Vec<f64> {
    assert!(players <= MOST_EXACT, "{players} players have too many sets");
    let values: Vec<f64> = (0..1_u32 << players).into_par_iter().map(value).collect();
    // With so many others before a player, of all orders.
    let mut weights = vec![0.0; players];
    let mut choices = 1.0;
    for (before, weight) in weights.iter_mut().enumerate() {
        *weight = 1.0 / (players as f64 * choices);
        choices *= (players - 1 - before) as f64 / (before + 1) as f64;
    }
    let of_player = |player: usize| {
        let own = 1_u32 << player;
        // Sums by the number of others, so that little is added to little.
        let mut sums = vec![0.0; players];
        (0..1_u32 << players).filter(|set| set & own == 0).for_each(|set| {
            sums[set.count_ones() as usize] += values[(set | own) as usize] - values[set as usize];
        });
        sums.iter().zip(&weights).map(|(sum, weight)| sum * weight).sum()
    };
    (0..players).into_par_iter().map(of_player).collect()
}

/// Where a set is worth the conversions of all journeys within it. Each player's value is added up from whole numbers.
#[must_use]
pub fn sum(sets: &SetCounts, players: usize) -> Vec<f64> {
    let mut by_size: Vec<Vec<u64>> = vec![Vec::new(); players];
    for (set, counts) in sets.sorted() {
        for player in set {
            let by_size = &mut by_size[*player as usize];
            by_size.resize(by_size.len().max(set.len()), 0);
            by_size[set.len() - 1] += counts.conversions;
        }
    }
    let value =
        |by_size: &Vec<u64>| by_size.iter().zip(1..).map(|(conversions, size)| *conversions as f64 / f64::from(size)).sum();
    by_size.iter().map(value).collect()
}

/// Where a set is worth the rate at which the journeys within it convert. Of more than [`MOST_EXACT`] players, `draws` orders are
/// drawn, each with the one that is its reverse; `seed` names which.
#[must_use]
pub fn rate(sets: &SetCounts, players: usize, draws: u32, seed: u64) -> Vec<Contribution> {
    // Who is in no journey adds nothing.
    let sets = sets.sorted();
    let mut there: Vec<Player> = sets.iter().flat_map(|(set, _)| *set).copied().collect();
    there.sort_unstable();
    there.dedup();
    let place = |player: &Player| there.partition_point(|other| other < player);
    let sets: Vec<(Vec<usize>, Counts)> = sets.iter().map(|(set, counts)| (set.iter().map(place).collect(), *counts)).collect();
    let found = if there.len() > MOST_EXACT { drawn(&sets, there.len(), draws, seed) } else { exact(&sets, there.len()) };
    let mut all = vec![Contribution::default(); players];
    there.iter().zip(found).for_each(|(player, contribution)| all[*player as usize] = contribution);
    all
}

/// What a set is worth by its rate, of journeys that were not seen: of those within the set, one more converting at `rate`.
#[must_use]
pub fn foretelling(sets: &SetCounts, rate: f64) -> OfSet<'_> {
    /// Of larger sets all that are known are looked at, rather than all that there could be.
    const MOST_PLAYERS: usize = 12;
    let known = sets.sorted();
    Box::new(move |set| {
        let mut within = Counts::default();
        if set.len() <= MOST_PLAYERS {
            for members in 1_u32..1 << set.len() {
                let some: Vec<Player> =
                    set.iter().enumerate().filter(|(place, _)| members >> place & 1 == 1).map(|(_, player)| *player).collect();
                within.add(sets.of(&some));
            }
        } else {
            let lies_within = |other: &[Player]| other.iter().all(|player| set.binary_search(player).is_ok());
            known.iter().filter(|(other, _)| lies_within(other)).for_each(|(_, counts)| within.add(*counts));
        }
        smoothed(within, rate)
    })
}

fn exact(sets: &[(Vec<usize>, Counts)], players: usize) -> Vec<Contribution> {
    // All journeys within each set, one player after another.
    let mut within = vec![Counts::default(); 1 << players];
    for (set, counts) in sets {
        within[set.iter().map(|player| 1_usize << player).sum::<usize>()].add(*counts);
    }
    for player in 0..players {
        for set in (0..within.len()).filter(|set| set >> player & 1 == 1) {
            let without = within[set ^ (1 << player)];
            within[set].add(without);
        }
    }
    let values = of_game(players, &|set| within[set as usize].rate());
    values.into_iter().map(|value| Contribution { value, standard_error: None }).collect()
}

fn drawn(sets: &[(Vec<usize>, Counts)], players: usize, draws: u32, seed: u64) -> Vec<Contribution> {
    let of_order = |order: &[usize]| {
        let mut places = vec![0; players];
        order.iter().enumerate().for_each(|(place, player)| places[*player] = place);
        // A journey counts as soon as the last of its players has come.
        let mut come = vec![Counts::default(); players];
        for (set, counts) in sets {
            if let Some(last) = set.iter().map(|player| places[*player]).max() {
                come[last].add(*counts);
            }
        }
        let (mut within, mut before) = (Counts::default(), 0.0);
        let mut added = vec![0.0; players];
        for (player, come) in order.iter().zip(come) {
            within.add(come);
            added[*player] = within.rate() - before;
            before = within.rate();
        }
        added
    };
    let of_draw = |draw: u32| {
        let key = |player: &usize| {
            (xxh3_64_with_seed(&[u64::from(draw), *player as u64].map(u64::to_le_bytes).concat(), seed), *player)
        };
        let mut order: Vec<usize> = (0..players).collect();
        order.sort_unstable_by_key(key);
        let forth = of_order(&order);
        order.reverse();
        let both = forth.iter().zip(of_order(&order)).map(|(one, other)| f64::midpoint(*one, other));
        both.collect::<Vec<f64>>()
    };
    // In the order of the draws, a few at a time.
    const AT_ONCE: u32 = 256;
    let (mut sums, mut squares) = (vec![0.0; players], vec![0.0; players]);
    for first in (0..draws).step_by(AT_ONCE as usize) {
        let some: Vec<Vec<f64>> = (first..draws.min(first + AT_ONCE)).into_par_iter().map(of_draw).collect();
        for added in some {
            for (player, added) in added.into_iter().enumerate() {
                sums[player] += added;
                squares[player] += added * added;
            }
        }
    }
    let all = f64::from(draws.max(1));
    let contribution = |(sum, square): (f64, f64)| {
        let (value, spread) = (sum / all, (square / all - (sum / all) * (sum / all)).max(0.0));
        Contribution { value, standard_error: Some((spread / f64::from(draws.saturating_sub(1).max(1))).sqrt()) }
    };
    sums.into_iter().zip(squares).map(contribution).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(journeys: &[(Vec<Player>, u64, u64)]) -> SetCounts {
        let mut sets = SetCounts::default();
        journeys.iter().for_each(|(path, conversions, nulls)| sets.add(path, *conversions, *nulls));
        sets
    }

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 1e-11 * expected.abs().max(1.0)
    }

    #[test]
    fn a_set_foretells_by_what_lies_within() {
        let sets = counts(&[(vec![0], 1, 3), (vec![1, 0], 4, 0), (vec![2], 0, 9), ((0..20).collect(), 7, 0)]);
        let of_set = foretelling(&sets, 0.5);
        assert!(close(of_set(&[0]), 1.5 / 5.0) && close(of_set(&[0, 1]), 5.5 / 9.0) && close(of_set(&[9]), 0.5));
        // Either way.
        let all: Vec<Player> = (0..20).collect();
        assert!(close(of_set(&all), 12.5 / 25.0) && close(of_set(&all[..13]), 5.5 / 18.0));
    }

    #[test]
    fn a_game_of_three_gives_what_is_published() {
        const O: u32 = 1;
        const F: u32 = 2;
        const D: u32 = 4;
        let worth = |set: u32| match set {
            O => 7.0,
            F => 6.0,
            D => 4.0,
            3 => 15.0,
            5 => 7.0,
            6 => 9.0,
            7 => 19.0,
            _ => 0.0,
        };
        let found: Vec<f64> = of_game(3, &worth).iter().map(|value| (value * 1e4).round() / 1e4).collect();
        assert_eq!(found, [7.6667, 8.1667, 3.1667]);
    }

    /// By the definition: what a player adds in each order.
    fn by_orders(players: usize, value: &dyn Fn(u32) -> f64) -> Vec<f64> {
        fn go(left: &mut Vec<usize>, before: u32, value: &dyn Fn(u32) -> f64, sums: &mut [f64]) -> f64 {
            let mut orders = if left.is_empty() { 1.0 } else { 0.0 };
            for place in 0..left.len() {
                let player = left.remove(place);
                let after = before | 1 << player;
                let ways = go(left, after, value, sums);
                sums[player] += ways * (value(after) - value(before));
                orders += ways;
                left.insert(place, player);
            }
            orders
        }
        let mut sums = vec![0.0; players];
        let orders = go(&mut (0..players).collect(), 0, value, &mut sums);
        sums.iter().map(|sum| sum / orders).collect()
    }

    fn journeys(players: u32) -> impl Strategy<Value = Vec<(Vec<Player>, u64, u64)>> {
        prop::collection::vec((prop::collection::vec(0..players, 1..5), 0..5_u64, 0..5_u64), 0..14)
    }

    proptest! {
        #[test]
        fn it_is_what_a_player_adds_in_every_order(journeys in journeys(5)) {
            let sets = counts(&journeys);
            let within = |mask: u32| {
                let mut within = Counts::default();
                let is_in = |set: &[Player]| set.iter().all(|player| mask >> player & 1 == 1);
                sets.sorted().iter().filter(|(set, _)| is_in(set)).for_each(|(_, counts)| within.add(*counts));
                within
            };
            let by_sum = by_orders(5, &|mask| within(mask).conversions as f64);
            let by_rate = by_orders(5, &|mask| within(mask).rate());
            for player in 0..5 {
                prop_assert!(close(sum(&sets, 5)[player], by_sum[player]));
                prop_assert!(close(rate(&sets, 5, 0, 0)[player].value, by_rate[player]));
            }
            // Efficiency: together they are worth what all are worth.
            let (all, whole) = (sum(&sets, 5).iter().sum::<f64>(), within(31));
            prop_assert!(close(all, whole.conversions as f64));
            prop_assert!(close(rate(&sets, 5, 0, 0).iter().map(|it| it.value).sum::<f64>(), whole.rate()));
        }

        #[test]
        fn who_is_alike_gets_the_same_and_who_adds_nothing_gets_nothing(journeys in journeys(4)) {
            // Player 4 is wherever 0 is, under another name; player 5 is nowhere.
            let mirrored: Vec<_> = journeys
                .iter()
                .flat_map(|(path, conversions, nulls)| {
                    let other = path.iter().map(|player| match player { 0 => 4, other => *other }).collect();
                    [(path.clone(), *conversions, *nulls), (other, *conversions, *nulls)]
                })
                .collect();
            let sets = counts(&mirrored);
            let (by_sum, by_rate) = (sum(&sets, 6), rate(&sets, 6, 0, 0));
            prop_assert!(close(by_sum[0], by_sum[4]) && close(by_rate[0].value, by_rate[4].value));
            prop_assert!(by_sum[5] == 0.0 && by_rate[5].value.abs() < 1e-12);
        }

        #[test]
        fn shards_are_merged(journeys in journeys(5), cut in 0..14_usize) {
            let cut = cut.min(journeys.len());
            let (mut one, other) = (counts(&journeys[..cut]), counts(&journeys[cut..]));
            one.merge(&other);
            prop_assert_eq!(one, counts(&journeys));
        }
    }

    #[test]
    fn orders_that_are_drawn_agree_within_their_error() {
        let path = |number: u32| (0..1 + number % 4).map(|touch| (number * 7 + touch * touch * 3) % 12).collect::<Vec<_>>();
        let journeys: Vec<_> = (0..60).map(|number| (path(number), u64::from(number % 3), u64::from(number % 5))).collect();
        let sets = counts(&journeys);
        let exact = rate(&sets, 12, 0, 0);
        let sets: Vec<(Vec<usize>, Counts)> =
            sets.sorted().iter().map(|(set, counts)| (set.iter().map(|player| *player as usize).collect(), *counts)).collect();
        let found = drawn(&sets, 12, 4_000, 7);
        for (found, exact) in found.iter().zip(&exact) {
            let error = found.standard_error.expect("an error");
            assert!(error < 0.005 && (found.value - exact.value).abs() < 5.0 * error, "{found:?} {exact:?}");
        }
        assert_eq!(found, drawn(&sets, 12, 4_000, 7));
        assert_ne!(found, drawn(&sets, 12, 4_000, 8));
    }
}
