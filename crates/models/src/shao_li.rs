//! What channels convert alone and in pairs: the pairwise probabilistic model.
//!
//! C(i) = p(i) + 1 ⁄ (2 (n − 1)) · Σ over j ≠ i of p(i, j) − p(i) − p(j), where p(i) is the part of the journeys with channel i that
//! convert, p(i, j) that of the journeys with both, and n the number of channels (Shao, Li, "Data-driven multi-touch attribution
//! models", KDD 2011, 258–264). Pairs that are in no journey add nothing. A channel in bad company may come out below zero.
//!
//! p(0) = 0.5, p(1) = 0.5, p(0, 1) = 0.75: each contributes 0.5 + (0.75 − 0.5 − 0.5) ⁄ 2 = 0.375.

use attributary_core::model::ModelSpec;
use attributary_fitted::{SetCounts, shao_li};

use crate::learned::{BOOTSTRAP, BY, FIT, NEGATIVE, NULL_JOURNEYS, OfSets, REFIT, SEED};

/// What everyone may know of it.
pub const SPEC: ModelSpec = ModelSpec {
    kind: "shao_li",
    summary: "Channels get what they convert alone and in pairs, learnt from all journeys",
    weights: "the touch's channel alone and in pairs, shared by its touches",
    useful_for: "a simple measure of how often journeys with a channel convert, mended for the company it keeps",
    not_useful_for: "volume: a rare channel whose few journeys convert counts as much as one that brings most of them",
    parameters: &[BY, NULL_JOURNEYS, FIT, REFIT, NEGATIVE, BOOTSTRAP, SEED],
    additive: true,
    fitted: true,
    timed: false,
    build: |parameters, _| {
        let game = |sets: &SetCounts, players: usize| -> Vec<(f64, Option<f64>)> {
            shao_li::contributions(sets, players).into_iter().map(|value| (value, None)).collect()
        };
        OfSets::weighing(parameters, Box::new(game), Some(shao_li::foretelling))
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learned::players;
    use attributary_core::learning::Journeys;
    use attributary_core::model::{Parameters, Weighing};

    #[test]
    fn the_worked_number() {
        let parameters = Parameters::defaults(&SPEC).expect("defaults");
        let Ok(Weighing::Fitted(model)) = (SPEC.build)(&parameters, &crate::example::PositionCompiler) else { panic!("a model") };
        let mut statistics = model.statistics();
        statistics.add(Journeys { players: &[0, 1], conversions: 3, nulls: 1, fold: 0 });
        statistics.add(Journeys { players: &[0], conversions: 1, nulls: 3, fold: 0 });
        statistics.add(Journeys { players: &[1], conversions: 1, nulls: 3, fold: 0 });
        let found = model.fit(statistics, &players(&["a", "b"])).expect("a fit");
        assert_eq!(found.contributions.iter().map(|it| it.value).collect::<Vec<_>>(), [0.375, 0.375]);
        assert_eq!(found.contributions.iter().map(|it| it.share).collect::<Vec<_>>(), [0.5, 0.5]);
    }
}
