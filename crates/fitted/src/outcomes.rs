//! How well the end of a journey tells whether it converts, of customers that were not seen: log-likelihood and AUC.
//!
//! Customers are in folds. For each fold the others are learnt from: of c conversions in n journeys that ended with these touches,
//! and of a part q of all journeys that convert, the probability is (c + q) / (n + 1).

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::sets::{Counts, SetCounts};
use crate::transitions::{Gram, Player};

/// Journeys by their last touches, and how long they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcomes {
    touches: usize,
    counts: FxHashMap<(Gram, u8), Counts>,
}

/// The lengths of journeys that are told apart.
pub const LENGTHS: [&str; 7] = ["1", "2", "3", "4", "5", "6_to_10", "above_10"];

/// The place of a journey's length in [`LENGTHS`].
fn length_class(touches: usize) -> u8 {
    match touches {
        0..=5 => touches.saturating_sub(1) as u8,
        6..=10 => 5,
        _ => 6,
    }
}

/// How well it is foretold.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOut {
    /// The sum of ln p of what came, over all journeys.
    pub log_likelihood: f64,
    /// With what probability a journey that converted was given a higher probability than one that did not: 0.5 is chance.
    pub auc: f64,
    /// What came and what was foretold, by the length of journeys; those that no journey has are left out.
    pub calibration: Vec<Calibration>,
}

/// Journeys of some lengths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Which: one of [`LENGTHS`].
    pub lengths: &'static str,
    /// How many there are, and how many of them converted.
    pub counts: Counts,
    /// How many were foretold to: the sum of p.
    pub foretold: f64,
}

impl Outcomes {
    /// Some bytes more or less than it takes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        const END: usize = 2 * size_of::<((Gram, u8), Counts)>() + 48;
        (self.counts.len() * END) as u64
    }

    /// None yet, by so many of the last touches.
    #[must_use]
    pub fn new(touches: usize) -> Self {
        Self { touches, counts: FxHashMap::default() }
    }

    /// Adds journeys of the same touches, of which some convert and others do not.
    pub fn add(&mut self, path: &[Player], conversions: u64, nulls: u64) {
        if !path.is_empty() && conversions + nulls > 0 {
            self.add_counts(path, length_class(path.len()), Counts { journeys: conversions + nulls, conversions });
        }
    }

    fn add_counts(&mut self, path: &[Player], length: u8, counts: Counts) {
        let last = &path[path.len().saturating_sub(self.touches)..];
        self.counts.entry((last.into(), length)).or_default().add(counts);
    }

    /// Adds the counts of another shard.
    pub fn merge(&mut self, other: &Self) {
        other.counts.iter().for_each(|(key, counts)| self.counts.entry(key.clone()).or_default().add(*counts));
    }

    /// The same by fewer of the last touches.
    #[must_use]
    pub fn shortened(&self, touches: usize) -> Self {
        let mut shortened = Self::new(touches);
        self.counts.iter().for_each(|((last, length), counts)| shortened.add_counts(last, *length, *counts));
        shortened
    }

    /// The counts of each end, in one order, and of each what there is of each length.
    fn by_end(&self) -> BTreeMap<&Gram, (Counts, [Counts; LENGTHS.len()])> {
        let mut by_end: BTreeMap<&Gram, (Counts, [Counts; LENGTHS.len()])> = BTreeMap::new();
        for ((last, length), counts) in &self.counts {
            let (all, lengths) = by_end.entry(last).or_default();
            all.add(*counts);
            lengths[usize::from(*length)].add(*counts);
        }
        by_end
    }
}

/// How well the outcomes of each fold are foretold from the others; none where all journeys end alike.
#[must_use]
pub fn held_out(folds: &[Outcomes]) -> Option<HeldOut> {
    let mut whole = Outcomes::new(folds.first()?.touches);
    folds.iter().for_each(|fold| whole.merge(fold));
    let sum = |outcomes: &Outcomes| sum(outcomes.counts.values());
    let all = sum(&whole);
    let by_end = whole.by_end();
    let mut foretold = Foretold::default();
    for fold in folds {
        let rate = rate(without(all, sum(fold)));
        // In one order, whatever the threads.
        for (last, (own, lengths)) in fold.by_end() {
            let others = without(by_end.get(last).map(|(all, _)| *all).unwrap_or_default(), own);
            foretold.add(smoothed(others, rate), own, &lengths);
        }
    }
    foretold.scored()
}

/// What foretells how probably a journey of a set of players converts.
pub type OfSet<'a> = Box<dyn Fn(&[Player]) -> f64 + 'a>;

/// How well the outcomes of each fold are foretold by what `learn` makes of the others, and of the part of them that converts; none
/// where all journeys end alike. Lengths are numbers of players.
#[must_use]
pub fn held_out_sets(folds: &[SetCounts], learn: &dyn for<'a> Fn(&'a SetCounts, f64) -> OfSet<'a>) -> Option<HeldOut> {
    let mut foretold = Foretold::default();
    for (place, fold) in folds.iter().enumerate() {
        let mut others = SetCounts::default();
        folds.iter().enumerate().filter(|(other, _)| *other != place).for_each(|(_, fold)| others.merge(fold));
        let of_set = learn(&others, rate(sum(others.sorted().iter().map(|(_, counts)| counts))));
        for (set, own) in fold.sorted() {
            let mut lengths = [Counts::default(); LENGTHS.len()];
            lengths[usize::from(length_class(set.len()))] = own;
            foretold.add(of_set(set).clamp(LEAST, 1.0 - LEAST), own, &lengths);
        }
    }
    foretold.scored()
}

/// No journey is ever taken for less probable than this, or for more certain.
const LEAST: f64 = 1e-9;

fn sum<'a>(all: impl Iterator<Item = &'a Counts>) -> Counts {
    let mut sum = Counts::default();
    all.for_each(|counts| sum.add(*counts));
    sum
}

fn without(all: Counts, own: Counts) -> Counts {
    Counts { journeys: all.journeys - own.journeys, conversions: all.conversions - own.conversions }
}

/// The part of all that converts; neither way is ever taken for impossible.
fn rate(all: Counts) -> f64 {
    (all.conversions as f64 + 0.5) / (all.journeys as f64 + 1.0)
}

/// The probability of what happened so often, where one journey more would convert at the rate of all.
pub(crate) fn smoothed(counts: Counts, rate: f64) -> f64 {
    (counts.conversions as f64 + rate) / (counts.journeys as f64 + 1.0)
}

/// What was foretold, and what came.
struct Foretold {
    log_likelihood: f64,
    all: Vec<(f64, Counts)>,
    calibration: [Calibration; LENGTHS.len()],
}

impl Default for Foretold {
    fn default() -> Self {
        let calibration = LENGTHS.map(|lengths| Calibration { lengths, counts: Counts::default(), foretold: 0.0 });
        Self { log_likelihood: 0.0, all: Vec::new(), calibration }
    }
}

impl Foretold {
    /// Adds journeys that were all given one probability, by their lengths.
    fn add(&mut self, probability: f64, own: Counts, lengths: &[Counts; LENGTHS.len()]) {
        let nulls = own.journeys - own.conversions;
        self.log_likelihood += own.conversions as f64 * libm::log(probability) + nulls as f64 * libm::log1p(-probability);
        self.all.push((probability, own));
        for (of_length, counts) in self.calibration.iter_mut().zip(lengths) {
            of_length.counts.add(*counts);
            of_length.foretold += probability * counts.journeys as f64;
        }
    }

    fn scored(mut self) -> Option<HeldOut> {
        let all = sum(self.all.iter().map(|(_, own)| own));
        if all.conversions == 0 || all.conversions == all.journeys {
            return None;
        }
        self.all.sort_by(|one, other| one.0.total_cmp(&other.0));
        // Each conversion with each journey that led nowhere and was given less; one half where as much.
        let (mut below, mut pairs) = (0_u128, 0_u128);
        for alike in self.all.chunk_by(|one, other| one.0 == other.0) {
            let counts = sum(alike.iter().map(|(_, own)| own));
            let nulls = u128::from(counts.journeys - counts.conversions);
            pairs += u128::from(counts.conversions) * (2 * below + nulls);
            below += nulls;
        }
        let possible = 2 * u128::from(all.conversions) * u128::from(all.journeys - all.conversions);
        let calibration = self.calibration.into_iter().filter(|it| it.counts.journeys > 0).collect();
        Some(HeldOut { log_likelihood: self.log_likelihood, auc: pairs as f64 / possible as f64, calibration })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(touches: usize, folds: &[&[(&[Player], u64, u64)]]) -> Vec<Outcomes> {
        let fold = |journeys: &&[(&[Player], u64, u64)]| {
            let mut outcomes = Outcomes::new(touches);
            journeys.iter().for_each(|(path, conversions, nulls)| outcomes.add(path, *conversions, *nulls));
            outcomes
        };
        folds.iter().map(fold).collect()
    }

    #[test]
    fn what_tells_is_told_and_what_does_not_is_chance() {
        let telling: &[(&[Player], u64, u64)] = &[(&[0], 50, 0), (&[1], 0, 50)];
        let found = held_out(&of(1, &[telling, telling])).expect("both ways");
        assert!(found.auc == 1.0 && found.log_likelihood > -3.0, "{found:?}");
        let none: &[(&[Player], u64, u64)] = &[(&[0], 25, 25), (&[1], 25, 25)];
        let found = held_out(&of(1, &[none, none])).expect("both ways");
        assert!((found.auc - 0.5).abs() < 1e-12 && (found.log_likelihood - 200.0 * 0.5_f64.ln()).abs() < 0.1, "{found:?}");
        assert_eq!(held_out(&of(1, &[&[(&[0], 3, 0)]])), None);
        assert_eq!(held_out(&[]), None);
    }

    #[test]
    fn by_fewer_touches_it_is_as_if_only_they_had_been_kept() {
        let journeys: &[(&[Player], u64, u64)] = &[(&[0, 1, 2], 1, 2), (&[3, 1, 2], 2, 0), (&[2], 0, 4), (&[], 7, 7)];
        let [long, short] = [3, 1].map(|touches| of(touches, &[journeys]).remove(0));
        assert_eq!(long.shortened(1), short);
        // Those of three touches, and that of one.
        assert_eq!(short.counts.len(), 2);
        let mut twice = short.clone();
        twice.merge(&short);
        assert_eq!(twice.counts[&(Gram::from([2]), 2)], Counts { journeys: 10, conversions: 6 });
        assert_eq!(twice.by_end()[&Gram::from([2])].0, Counts { journeys: 18, conversions: 6 });
    }

    #[test]
    fn what_is_foretold_is_told_by_length() {
        // Half of all convert, whatever the length; long journeys always do.
        let long = [0; 12];
        let journeys: &[(&[Player], u64, u64)] =
            &[(&[0], 10, 30), (&[0, 0], 10, 30), (&[1, 0, 1, 0, 1, 0], 20, 0), (&long, 20, 0)];
        let found = held_out(&of(1, &[journeys, journeys])).expect("both ways").calibration;
        let told: Vec<_> = found.iter().map(|it| (it.lengths, it.counts.journeys, it.counts.conversions)).collect();
        assert_eq!(told, [("1", 80, 20), ("2", 80, 20), ("6_to_10", 40, 40), ("above_10", 40, 40)]);
        // All end with the same touch, so each is given one half.
        for it in found {
            assert!((it.foretold / it.counts.journeys as f64 - 0.5).abs() < 0.01, "{it:?}");
        }
    }
}
