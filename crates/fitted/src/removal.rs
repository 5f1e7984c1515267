//! What is lost without a player: removal effects (Anderl, Becker, von Wangenheim, Schumann, "Mapping the customer journey",
//! International Journal of Research in Marketing 33 (2016) 457–474), by linear algebra and not by simulation.
//!
//! RE(c) = 1 − P(conversion without c) / P(conversion). Without c all journeys end without a conversion that come to a state with
//! c in it; or, with [`Removal::Redistribute`], they never go there, and the other ways take its place in their proportions.
//!
//! Of order 1 one elimination tells of every player: with N = (I − Q)⁻¹ the visits from state to state, and B the probabilities
//! of a conversion, a journey comes to c at all with probability N\[s, c\] / N\[c, c\], and converts from there with B\[c\], so
//! RE(c) = N\[s, c\] / N\[c, c\] · B\[c\] / B\[s\]. Else the chain is solved once more without the states.

use std::collections::BTreeSet;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::chain::{Chain, DENSE_STATES, Eliminated, Solved, Steps};
use crate::error::NotSolved;
use crate::transitions::Player;

/// Where journeys go that would have come to what is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Removal {
    /// They end without a conversion.
    #[default]
    Null,
    /// They go elsewhere, as often as others do.
    Redistribute,
}

/// The effects of removing players.
#[derive(Clone, Debug, PartialEq)]
pub struct Effects {
    /// With what probability a journey converts.
    pub conversion_probability: f64,
    /// The removal effect of each set of players, in their order. It is negative where more journeys convert without them, which
    /// only [`Removal::Redistribute`] can do.
    pub effects: Vec<f64>,
    /// Most sweeps over all states that one answer took; none where they were eliminated.
    pub sweeps: u32,
    /// By how much an equation is not met at most.
    pub residual: f64,
}

/// The removal effects of sets of players: of each one, or of groups. Sets are solved on the threads of the current rayon pool.
///
/// # Errors
/// Where journeys go around almost for ever in a chain of very many states.
pub fn effects(chain: &Chain, sets: &[BTreeSet<Player>], removal: Removal) -> Result<Effects, NotSolved> {
    effects_by(chain, sets, removal, &How::default())
}

/// How it is computed: other ways are there to be held against it.
struct How {
    most_dense: usize,
    at_once: bool,
}

impl Default for How {
    fn default() -> Self {
        Self { most_dense: DENSE_STATES, at_once: true }
    }
}

fn effects_by(chain: &Chain, sets: &[BTreeSet<Player>], removal: Removal, how: &How) -> Result<Effects, NotSolved> {
    let whole = chain.steps.convert(None, how.most_dense)?;
    let probability = converting(chain, &whole, &chain.start);
    let mut found = Effects {
        conversion_probability: probability,
        effects: vec![0.0; sets.len()],
        sweeps: whole.sweeps,
        residual: whole.residual,
    };
    if probability == 0.0 {
        return Ok(found);
    }
    let single = chain.grams().iter().all(|gram| gram.len() == 1) && sets.iter().all(|set| set.len() == 1);
    if how.at_once && removal == Removal::Null && single && chain.steps.len() <= how.most_dense {
        let reached = reached(chain);
        for (effect, set) in found.effects.iter_mut().zip(sets) {
            let state = chain.grams().binary_search_by(|gram| gram.iter().cmp(set));
            *effect = state.map_or(0.0, |state| reached[state] * whole.probabilities[state] / probability);
        }
        return Ok(found);
    }
    let without = |set: &BTreeSet<Player>| -> Result<(f64, Solved), NotSolved> {
        let removed: Vec<bool> = chain.grams().iter().map(|gram| gram.iter().any(|player| set.contains(player))).collect();
        if !removed.contains(&true) {
            return Ok((0.0, Solved::default()));
        }
        let redistribute = removal == Removal::Redistribute;
        let steps: Steps = chain.steps.without(&|state| removed[state], redistribute);
        // Without a way nothing becomes likelier, but where others take its place it may.
        let near = (!redistribute).then_some(&whole.probabilities[..]);
        let solved = steps.convert(near, how.most_dense)?;
        let kept = |state: &usize| !removed[*state];
        let mut start: Vec<f64> = chain.start.clone();
        (0..start.len()).filter(|state| removed[*state]).for_each(|state| start[state] = 0.0);
        let left: f64 = (0..start.len()).filter(kept).map(|state| start[state]).sum();
        if redistribute && left > 0.0 {
            start.iter_mut().for_each(|share| *share /= left);
        }
        Ok((1.0 - converting(chain, &solved, &start) / probability, solved))
    };
    let solved = sets.par_iter().map(without).collect::<Result<Vec<_>, _>>()?;
    for (effect, (found_effect, solved)) in found.effects.iter_mut().zip(solved) {
        *effect = found_effect;
        found.sweeps = found.sweeps.max(solved.sweeps);
        found.residual = found.residual.max(solved.residual);
    }
    Ok(found)
}

/// With what probability journeys convert that begin so.
fn converting(chain: &Chain, solved: &Solved, start: &[f64]) -> f64 {
    debug_assert_eq!(chain.steps.len(), start.len());
    start.iter().zip(&solved.probabilities).map(|(share, probability)| share * probability).sum()
}

/// With what probability a journey comes to each state at all, and can still convert.
fn reached(chain: &Chain) -> Vec<f64> {
    let can = chain.steps.can_convert();
    let states: Vec<usize> = (0..can.len()).filter(|state| can[*state]).collect();
    let eliminated = Eliminated::new(&chain.steps, &states);
    let visits = eliminated.visits(states.iter().map(|state| chain.start[*state]).collect());
    let mut reached = vec![0.0; can.len()];
    for (place, state) in states.iter().enumerate() {
        let mut one = vec![0.0; states.len()];
        one[place] = 1.0;
        reached[*state] = visits[place] / eliminated.solve(one)[place];
    }
    reached
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::transitions::{Gram, Transitions};

    /// A path, how many journeys of it convert, and how many do not.
    type Paths = Vec<(Vec<Player>, u64, u64)>;

    fn chain(order: usize, paths: &Paths) -> Chain {
        let mut transitions = Transitions::new(order);
        paths.iter().for_each(|(path, conversions, nulls)| transitions.add(path, *conversions, *nulls));
        Chain::new(&transitions)
    }

    fn singles(players: u32) -> Vec<BTreeSet<Player>> {
        (0..players).map(|player| BTreeSet::from([player])).collect()
    }

    fn of(order: usize, paths: &Paths, removal: Removal) -> Effects {
        effects(&chain(order, paths), &singles(6), removal).expect("an answer")
    }

    /// The paths of a graph of probabilities are endless, so the transitions are counted as they are.
    fn graph(steps: &[(&[Player], u64, u64)]) -> Paths {
        steps.iter().map(|(path, conversions, nulls)| (path.to_vec(), *conversions, *nulls)).collect()
    }

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 1e-11 * expected.abs().max(1.0)
    }

    #[test]
    fn a_chain_of_three_gives_what_was_computed_by_hand() {
        const FACEBOOK: Player = 0;
        const GOOGLE: Player = 1;
        const EMAIL: Player = 2;
        // S→FB .2, S→Google .8; FB→conversion .8, FB→Email .2; Google→conversion .6, Google→FB .4; Email→conversion .1.
        // Of 10,000 journeys 2,000 begin with FB, 8,000 with Google; of these 3,200 go on to FB, which 5,200 come to.
        let paths = graph(&[
            (&[FACEBOOK], 1_600, 0),
            (&[FACEBOOK, EMAIL], 40, 360),
            (&[GOOGLE], 4_800, 0),
            (&[GOOGLE, FACEBOOK], 2_560, 0),
            (&[GOOGLE, FACEBOOK, EMAIL], 64, 576),
        ]);
        let found = of(1, &paths, Removal::Null);
        assert!(close(found.conversion_probability, 0.9064), "{found:?}");
        let all: f64 = found.effects.iter().sum();
        let shares: Vec<f64> = found.effects[..3].iter().map(|effect| (effect / all * 1e6).round() / 1e4).collect();
        assert_eq!(shares, [36.1601, 62.9579, 0.8820]);
    }

    #[test]
    fn journeys_that_come_back_are_no_other_journeys() {
        let paths = graph(&[(&[0, 1, 0, 1, 1, 0], 1, 0), (&[0, 1, 1, 0, 0], 1, 0), (&[0, 0], 1, 0)]);
        let found = of(1, &paths, Removal::Null);
        let all: f64 = found.effects.iter().sum();
        assert!(close(3.0 * found.effects[0] / all, 2.0) && close(3.0 * found.effects[1] / all, 1.0), "{found:?}");
    }

    #[test]
    fn what_never_converts_has_no_effect_and_what_is_not_there_neither() {
        let found = of(1, &graph(&[(&[0], 3, 1), (&[1, 2], 0, 5), (&[2], 0, 1)]), Removal::Null);
        assert!(close(found.effects[0], 1.0));
        assert_eq!(found.effects[1..], [0.0; 5]);
        let none = of(2, &graph(&[(&[0, 1], 0, 7)]), Removal::Redistribute);
        assert_eq!((none.conversion_probability, none.effects), (0.0, vec![0.0; 6]));
        assert_eq!(of(1, &Paths::new(), Removal::Null).effects, [0.0; 6]);
    }

    #[test]
    fn the_way_out_of_a_circle_can_be_removed() {
        // Without 2 journeys go from 0 to 1 and back for ever; nothing converts then.
        let paths = graph(&[(&[0, 1, 0, 1, 0, 2], 5, 0), (&[1, 0, 1, 2], 5, 0)]);
        for removal in [Removal::Null, Removal::Redistribute] {
            let found = of(1, &paths, removal);
            assert!(close(found.effects[2], 1.0), "{removal:?}: {found:?}");
        }
    }

    #[test]
    fn removing_some_can_help_where_others_take_their_place() {
        let found = of(1, &graph(&[(&[0, 1], 9, 0), (&[0, 2], 1, 90)]), Removal::Redistribute);
        assert!(found.effects[2] < 0.0 && found.effects[0] == 1.0, "{found:?}");
    }

    #[test]
    fn a_long_way_around_loses_no_digits() {
        // Each journey goes around ten million times before it ends; every second one converts.
        let mut transitions = Transitions::new(1);
        transitions.add(&[0, 1, 0], 1, 1);
        let mut steps = Chain::new(&transitions);
        let slow = 1e-7;
        steps.steps = Steps::default();
        steps.steps.push(&[(1, 1.0 - slow)], slow / 2.0, slow / 2.0);
        steps.steps.push(&[(0, 1.0 - slow)], slow / 2.0, slow / 2.0);
        let found = effects(&steps, &singles(2), Removal::Null).expect("an answer");
        assert!(close(found.conversion_probability, 0.5) && close(found.effects[0], 1.0) && close(found.effects[1], 1.0 - slow));
        let how = How { most_dense: 0, at_once: true };
        assert!(effects_by(&steps, &singles(2), Removal::Null, &how).is_err_and(|error| error.sweeps > 1_000));
    }

    fn paths(players: u32, acyclic: bool) -> impl Strategy<Value = Paths> {
        let path = prop::collection::vec(0..players, 0..7).prop_map(move |mut path| {
            if acyclic {
                path.sort_unstable();
                path.dedup();
            }
            path
        });
        prop::collection::vec((path, 0..4_u64, 0..4_u64), 0..12)
    }

    /// The probability of a conversion by going all ways of a chain without circles, or for so many steps.
    fn by_going(chain: &Chain, removed: &BTreeSet<Player>, most: usize) -> f64 {
        let is_removed = |gram: &Gram| gram.iter().any(|player| removed.contains(player));
        let mut at: Vec<f64> = chain.start.clone();
        let mut converted = 0.0;
        for _ in 0..most {
            let mut next = vec![0.0; at.len()];
            for state in (0..at.len()).filter(|state| !is_removed(&chain.grams()[*state])) {
                converted += at[state] * chain.steps.converts[state];
                chain.steps.of(state).for_each(|(to, probability)| next[to] += at[state] * probability);
            }
            at = next;
        }
        converted
    }

    proptest! {
        #[test]
        fn every_way_to_compute_it_gives_the_same(paths in paths(5, false), order in 1..4_usize, redistribute: bool) {
            let removal = if redistribute { Removal::Redistribute } else { Removal::Null };
            let chain = chain(order, &paths);
            let mut sets = singles(6);
            sets.push(BTreeSet::from([0, 3]));
            let expected = effects(&chain, &sets, removal).expect("an answer");
            for how in [How { most_dense: DENSE_STATES, at_once: false }, How { most_dense: 0, at_once: true }] {
                let found = effects_by(&chain, &sets, removal, &how).expect("an answer");
                for (found, expected) in found.effects.iter().zip(&expected.effects) {
                    prop_assert!(close(*found, *expected), "{found} {expected}");
                }
            }
            prop_assert!(expected.residual < 1e-12);
            if removal == Removal::Null {
                prop_assert!(expected.effects.iter().all(|effect| (-1e-12..=1.0 + 1e-12).contains(effect)));
                // A group's removal loses at least what that of one of it does.
                prop_assert!(expected.effects[6] >= expected.effects[0].max(expected.effects[3]) - 1e-12);
            }
        }

        #[test]
        fn without_circles_it_is_what_all_ways_add_up_to(paths in paths(6, true), order in 1..4_usize) {
            let chain = chain(order, &paths);
            let found = effects(&chain, &singles(6), Removal::Null).expect("an answer");
            let whole = by_going(&chain, &BTreeSet::new(), 8);
            prop_assert!(close(found.conversion_probability, whole));
            for (set, effect) in singles(6).iter().zip(&found.effects) {
                let expected = if whole == 0.0 { 0.0 } else { 1.0 - by_going(&chain, set, 8) / whole };
                prop_assert!(close(*effect, expected), "{effect} {expected}");
            }
            // Every conversion begins somewhere and ends: the chain converts as many as there were.
            let (journeys, conversions) = (chain.journeys() as f64, chain.conversions() as f64);
            prop_assert!(journeys == 0.0 || close(whole, conversions / journeys));
        }

        #[test]
        fn a_channel_that_never_converts_changes_nothing_but_its_journeys(paths in paths(4, false), nulls in 1..9_u64) {
            let before = of(1, &paths, Removal::Null);
            let mut more = paths;
            more.push((vec![5], 0, nulls));
            let after = of(1, &more, Removal::Null);
            for (one, other) in before.effects.iter().zip(&after.effects) {
                prop_assert!(close(*one, *other), "{one} {other}");
            }
        }
    }

    #[test]
    fn many_channels_are_the_same_by_elimination_and_by_sweeps() {
        let path =
            |number: u32| (0..1 + number % 5).map(|touch| (number * 7 + touch * touch * 131 + number * touch) % 700).collect();
        let paths: Paths = (0..3_000).map(|number| (path(number), u64::from(number % 4), u64::from(number % 7))).collect();
        let chain = chain(1, &paths);
        let sets = singles(700);
        let [expected, found] = [800, 0]
            .map(|most_dense| effects_by(&chain, &sets, Removal::Null, &How { most_dense, at_once: true }).expect("an answer"));
        assert!(expected.sweeps == 0 && found.sweeps > 0);
        for (found, expected) in found.effects.iter().zip(&expected.effects) {
            assert!((found - expected).abs() < 1e-10, "{found} {expected}");
        }
    }

    /// Many journeys that are gone at random come to what is computed, within their error.
    #[test]
    fn simulated_journeys_agree_within_their_error() {
        let paths =
            graph(&[(&[0, 1, 2, 0, 1], 3, 4), (&[1, 0, 2], 2, 7), (&[2, 2, 1], 1, 1), (&[0], 4, 9), (&[1, 2, 1, 2], 2, 2)]);
        let chain = chain(2, &paths);
        let found = effects(&chain, &singles(3), Removal::Null).expect("an answer");
        let mut state = 42_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut choose = |mut ways: Box<dyn Iterator<Item = (usize, f64)> + '_>| {
            let mut left = random();
            ways.find(|(_, probability)| {
                left -= probability;
                left < 0.0
            })
            .map(|(to, _)| to)
        };
        let (journeys, mut converted, mut through) = (400_000, 0_u32, BTreeMap::<Player, u32>::new());
        for _ in 0..journeys {
            let mut at = choose(Box::new(chain.start.iter().copied().enumerate()));
            let mut seen = BTreeSet::new();
            while let Some(state) = at {
                seen.extend(chain.grams()[state].iter().copied());
                let converts = [(usize::MAX, chain.steps.converts[state])];
                at = choose(Box::new(converts.into_iter().chain(chain.steps.of(state))));
                if at == Some(usize::MAX) {
                    converted += 1;
                    seen.iter().for_each(|player| *through.entry(*player).or_default() += 1);
                    break;
                }
            }
        }
        assert!((f64::from(converted) / f64::from(journeys) - found.conversion_probability).abs() < 0.005);
        for (player, effect) in (0..).zip(&found.effects) {
            let lost = f64::from(through.get(&player).copied().unwrap_or(0)) / f64::from(converted);
            assert!((lost - effect).abs() < 0.01, "{player}: {lost} {effect}");
        }
    }
}
