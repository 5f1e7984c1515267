//! How many touches a chain should remember: the number under which journeys of customers that it did not see surprise it least.
//!
//! Customers are in [`FOLDS`] folds. For each fold the others are learnt from, and what comes next in the fold's journeys (a
//! touch, a conversion, the end) is foretold from the last touches. What was seen little is drawn towards what fewer touches say:
//! with c of n steps from these touches, and q the probability after one touch less, p = (c + q) / (n + 1); without any touch q is
//! the same for all. The sum of ln p over all folds is the held-out log-likelihood.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use crate::transitions::Player;

/// So many folds.
pub const FOLDS: usize = 5;

/// So many touches are remembered at most.
pub const MOST_TOUCHES: usize = 5;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Next {
    Touch(Player),
    Conversion,
    End,
}

/// The last touches, the oldest first; fewer than are remembered at the start of a journey.
type Context = Box<[Player]>;

/// What came after which touches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextSteps(FxHashMap<(Context, Next), u64>);

impl NextSteps {
    /// Some bytes more or less than it takes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        const STEP: usize = 2 * size_of::<((Context, Next), u64)>() + 48;
        (self.0.len() * STEP) as u64
    }

    /// Adds journeys of the same touches, of which some convert and others do not.
    pub fn add(&mut self, path: &[Player], conversions: u64, nulls: u64) {
        if path.is_empty() || conversions + nulls == 0 {
            return;
        }
        for (place, player) in path.iter().enumerate() {
            self.step(&path[..place], Next::Touch(*player), conversions + nulls);
        }
        self.step(path, Next::Conversion, conversions);
        self.step(path, Next::End, nulls);
    }

    /// Adds the counts of another shard.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(step, count)| *self.0.entry(step.clone()).or_default() += count);
    }

    fn step(&mut self, before: &[Player], next: Next, count: u64) {
        if count > 0 {
            let last = &before[before.len().saturating_sub(MOST_TOUCHES)..];
            *self.0.entry((last.into(), next)).or_default() += count;
        }
    }
}

/// Counts by what is remembered: of each step, and of all steps from there.
#[derive(Default)]
struct Remembered {
    steps: FxHashMap<(Context, Next), u64>,
    all: FxHashMap<Context, u64>,
}

impl Remembered {
    fn add(&mut self, context: &Context, next: Next, count: u64) {
        *self.steps.entry((context.clone(), next)).or_default() += count;
        *self.all.entry(context.clone()).or_default() += count;
    }

    fn of(&self, context: &Context, next: Next) -> (u64, u64) {
        let step = self.steps.get(&(context.clone(), next)).copied().unwrap_or(0);
        (step, self.all.get(context).copied().unwrap_or(0))
    }
}

/// What is left of the last touches when only so many are remembered.
fn shortened(touches: &Context, most: usize) -> Context {
    touches[touches.len().saturating_sub(most)..].into()
}

/// The held-out log-likelihood of remembering 1, 2, … [`MOST_TOUCHES`] touches, of journeys in folds.
#[must_use]
pub fn held_out(folds: &[NextSteps]) -> [f64; MOST_TOUCHES] {
    // By how many touches are remembered, none included: counts of all folds, and of each.
    let mut whole: Vec<Remembered> = std::iter::repeat_with(Remembered::default).take(MOST_TOUCHES + 1).collect();
    let mut of_folds: Vec<Vec<Remembered>> = Vec::new();
    for fold in folds {
        let mut of_fold: Vec<Remembered> = std::iter::repeat_with(Remembered::default).take(MOST_TOUCHES + 1).collect();
        for ((context, next), count) in &fold.0 {
            for most in 0..=MOST_TOUCHES {
                let context = shortened(context, most);
                whole[most].add(&context, *next, *count);
                of_fold[most].add(&context, *next, *count);
            }
        }
        of_folds.push(of_fold);
    }
    // What may come at all is what came anywhere.
    let everything: BTreeSet<Next> = folds.iter().flat_map(|fold| fold.0.keys().map(|(_, next)| *next)).collect();
    let anything = 1.0 / everything.len().max(1) as f64;
    let mut sums = [0.0; MOST_TOUCHES];
    for (fold, of_fold) in folds.iter().zip(&of_folds) {
        // In one order, whatever the threads.
        let steps: BTreeMap<&(Context, Next), &u64> = fold.0.iter().collect();
        for ((context, next), count) in steps {
            let mut probability = anything;
            for most in 0..=MOST_TOUCHES {
                let context = shortened(context, most);
                let (own, of_own) = of_fold[most].of(&context, *next);
                let (all, of_all) = whole[most].of(&context, *next);
                probability = ((all - own) as f64 + probability) / ((of_all - of_own) as f64 + 1.0);
                if most > 0 {
                    sums[most - 1] += *count as f64 * libm::log(probability);
                }
            }
        }
    }
    sums
}

/// How many touches surprise least; of those that do so alike the fewest.
#[must_use]
pub fn best(held_out: &[f64; MOST_TOUCHES]) -> usize {
    let mut best = 0;
    for (place, sum) in held_out.iter().enumerate() {
        if *sum > held_out[best] {
            best = place;
        }
    }
    best + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look like chance.
    fn random(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed;
        move |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        }
    }

    fn folds(journeys: usize, journey: &mut dyn FnMut() -> (Vec<Player>, bool)) -> Vec<NextSteps> {
        let mut folds = vec![NextSteps::default(); FOLDS];
        for number in 0..journeys {
            let (path, converts) = journey();
            folds[number % FOLDS].add(&path, u64::from(converts), u64::from(!converts));
        }
        folds
    }

    #[test]
    fn what_hangs_on_two_touches_needs_two() {
        let mut random = random(7);
        // The next touch is that before the last one, mostly.
        let mut journey = || {
            let mut path = vec![random(3) as Player, random(3) as Player];
            while random(5) > 0 {
                let next = if random(10) < 9 { path[path.len() - 2] } else { random(3) as Player };
                path.push(next);
            }
            (path, random(4) == 0)
        };
        let found = held_out(&folds(4_000, &mut journey));
        assert_eq!(best(&found), 2, "{found:?}");
    }

    #[test]
    fn what_hangs_on_nothing_needs_no_more_than_one() {
        let mut random = random(11);
        // Nor on how long the journey is already.
        let mut journey = || {
            let mut path = vec![random(4) as Player];
            while random(5) > 0 {
                path.push(random(4) as Player);
            }
            (path, random(3) == 0)
        };
        let found = held_out(&folds(4_000, &mut journey));
        assert_eq!(best(&found), 1, "{found:?}");
    }

    #[test]
    fn shards_are_merged_and_nothing_is_no_number() {
        let (mut one, mut other, mut whole) = (NextSteps::default(), NextSteps::default(), NextSteps::default());
        one.add(&[1, 2, 3, 1, 2, 3, 4], 1, 2);
        other.add(&[1, 2], 0, 3);
        other.add(&[], 5, 5);
        whole.add(&[1, 2], 0, 3);
        whole.add(&[1, 2, 3, 1, 2, 3, 4], 1, 2);
        one.merge(&other);
        assert_eq!(one, whole);
        assert_eq!(held_out(&[]), [0.0; MOST_TOUCHES]);
        assert_eq!(best(&[0.0; MOST_TOUCHES]), 1);
        // One player who always does the same is no surprise after a while.
        let mut alone = NextSteps::default();
        alone.add(&[0], 100, 0);
        let found = held_out(&[alone.clone(), alone]);
        assert!(found[0] < 0.0 && found[0] > -10.0, "{found:?}");
    }
}
