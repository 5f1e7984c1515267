//! How well the end of a journey tells whether it converts, of customers that were not seen: log-likelihood and AUC.
//!
//! Customers are in folds. For each fold the others are learnt from: of c conversions in n journeys that ended with these touches,
//! and of a part q of all journeys that convert, the probability is (c + q) / (n + 1).

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::sets::Counts;
use crate::transitions::{Gram, Player};

/// Journeys by their last touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcomes {
    touches: usize,
    counts: FxHashMap<Gram, Counts>,
}

/// How well it is foretold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeldOut {
    /// The sum of ln p of what came, over all journeys.
    pub log_likelihood: f64,
    /// With what probability a journey that converted was given a higher probability than one that did not: 0.5 is chance.
    pub auc: f64,
}

impl Outcomes {
    /// None yet, by so many of the last touches.
    #[must_use]
    pub fn new(touches: usize) -> Self {
        Self { touches, counts: FxHashMap::default() }
    }

    /// Adds journeys of the same touches, of which some convert and others do not.
    pub fn add(&mut self, path: &[Player], conversions: u64, nulls: u64) {
        if path.is_empty() || conversions + nulls == 0 {
            return;
        }
        let last = &path[path.len().saturating_sub(self.touches)..];
        self.counts.entry(last.into()).or_default().add(Counts { journeys: conversions + nulls, conversions });
    }

    /// Adds the counts of another shard.
    pub fn merge(&mut self, other: &Self) {
        other.counts.iter().for_each(|(last, counts)| self.counts.entry(last.clone()).or_default().add(*counts));
    }

    /// The same by fewer of the last touches.
    #[must_use]
    pub fn shortened(&self, touches: usize) -> Self {
        let mut shortened = Self::new(touches);
        for (last, counts) in &self.counts {
            shortened.add(last, counts.conversions, counts.journeys - counts.conversions);
        }
        shortened
    }
}

/// How well the outcomes of each fold are foretold from the others; none where all journeys end alike.
#[must_use]
pub fn held_out(folds: &[Outcomes]) -> Option<HeldOut> {
    let mut whole = Outcomes::new(folds.first()?.touches);
    folds.iter().for_each(|fold| whole.merge(fold));
    let sum = |outcomes: &Outcomes| {
        let mut sum = Counts::default();
        outcomes.counts.values().for_each(|counts| sum.add(*counts));
        sum
    };
    let all = sum(&whole);
    if all.conversions == 0 || all.conversions == all.journeys {
        return None;
    }
    let without = |all: Counts, own: Counts| Counts {
        journeys: all.journeys - own.journeys,
        conversions: all.conversions - own.conversions,
    };
    let mut log_likelihood = 0.0;
    let mut foretold: Vec<(f64, Counts)> = Vec::new();
    for fold in folds {
        let rest = without(all, sum(fold));
        // Neither is ever taken for impossible.
        let rate = (rest.conversions as f64 + 0.5) / (rest.journeys as f64 + 1.0);
        // In one order, whatever the threads.
        for (last, own) in fold.counts.iter().collect::<BTreeMap<_, _>>() {
            let others = without(whole.counts.get(last).copied().unwrap_or_default(), *own);
            let probability = (others.conversions as f64 + rate) / (others.journeys as f64 + 1.0);
            let nulls = own.journeys - own.conversions;
            log_likelihood += own.conversions as f64 * libm::log(probability) + nulls as f64 * libm::log1p(-probability);
            foretold.push((probability, *own));
        }
    }
    foretold.sort_by(|one, other| one.0.total_cmp(&other.0));
    // Each conversion with each journey that led nowhere and was given less; one half where as much.
    let (mut below, mut pairs) = (0_u128, 0_u128);
    for alike in foretold.chunk_by(|one, other| one.0 == other.0) {
        let mut counts = Counts::default();
        alike.iter().for_each(|(_, own)| counts.add(*own));
        let nulls = u128::from(counts.journeys - counts.conversions);
        pairs += u128::from(counts.conversions) * (2 * below + nulls);
        below += nulls;
    }
    let possible = 2 * u128::from(all.conversions) * u128::from(all.journeys - all.conversions);
    Some(HeldOut { log_likelihood, auc: pairs as f64 / possible as f64 })
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
        assert_eq!(short.counts.len(), 1);
        let mut twice = short.clone();
        twice.merge(&short);
        assert_eq!(twice.counts[&Gram::from([2])], Counts { journeys: 18, conversions: 6 });
    }
}
