//! What would be lost without a channel, in a chain that is learnt from all journeys.
//!
//! A journey is a walk: from the start, from touch to touch, to a conversion or to the end without one. How often journeys went
//! from one state to another gives a Markov chain, in which a state is the last `order` channels. Its *removal effect* is the part
//! of all conversions that is lost when every way over the channel ends without one: RE = 1 − P(conversion without it) ÷
//! P(conversion). It is solved by linear algebra, not by simulation (Anderl, Becker, von Wangenheim, Schumann, "Mapping the
//! customer journey", International Journal of Research in Marketing 33 (2016) 457–474).
//!
//! A conversion is divided by the removal effects of the channels in its journey, each split over the channel's touches. With
//! `allocation = "balanced"` the weights are fitted such that channels get of all conversions together what their removal effects
//! are of all removal effects, as far as that can be.
//!
//! Google with 2 conversions and 1 journey that led nowhere, mailing with 1, google then mailing with 1: removal effects 0.75 and
//! 0.5, so that of 4 conversions google gets 2.4 and mailing 1.6.

use std::any::Any;
use std::collections::BTreeSet;

use attributary_core::learning::{Fit, FittedModel, Node, Statistics, Step, ToldAs, Training};
use attributary_core::model::{ModelSpec, ParameterKind, ParameterSpec, Weighing};
use attributary_fitted::{Chain, Removal, SetCounts, Transitions, balance, removal};

use crate::learned::{BOOTSTRAP, BY, FIT, NEGATIVE, NULL_JOURNEYS, Negative, SEED, shares, training, weights};

/// What everyone may know of it.
pub const SPEC: ModelSpec = ModelSpec {
    kind: "markov",
    summary: "Channels get what would be lost without them, learnt from all journeys",
    weights: "the removal effect of the touch's channel, shared by its touches",
    useful_for: "what channels bring in company: it learns from journeys that failed, too, and sees who opens and who closes",
    not_useful_for: "causes: a channel that only those see who would have bought anyway has a large removal effect, too",
    parameters: &[
        ParameterSpec {
            name: "order",
            kind: ParameterKind::Whole { least: 1, most: 5 },
            default: Some("1"),
            help: "how many touches make a state of the chain",
        },
        BY,
        NULL_JOURNEYS,
        FIT,
        ParameterSpec {
            name: "removal",
            kind: ParameterKind::Choice(&["null", "redistribute"]),
            default: Some("null"),
            help: "what journeys do that would come to a removed channel: end without a conversion, or go where the others go",
        },
        ParameterSpec {
            name: "allocation",
            kind: ParameterKind::Choice(&["path", "balanced"]),
            default: Some("path"),
            help: "how a conversion is divided: by removal effects, or such that channels get their part of all conversions",
        },
        NEGATIVE,
        BOOTSTRAP,
        SEED,
    ],
    additive: true,
    fitted: true,
    build: |parameters, _| {
        Ok(Weighing::Fitted(Box::new(Markov {
            order: parameters.whole("order")? as usize,
            training: training(parameters)?,
            removal: if parameters.text("removal")? == "null" { Removal::Null } else { Removal::Redistribute },
            balanced: parameters.text("allocation")? == "balanced",
            negative: Negative::of(parameters)?,
        })))
    },
};

struct Markov {
    order: usize,
    training: Training,
    removal: Removal,
    balanced: bool,
    negative: Negative,
}

/// Steps, and who was together in journeys if anyone asks.
struct Seen {
    transitions: Transitions,
    sets: Option<SetCounts>,
}

impl Statistics for Seen {
    fn add(&mut self, players: &[u32], conversions: u64, nulls: u64) {
        self.transitions.add(players, conversions, nulls);
        if let Some(sets) = &mut self.sets {
            sets.add(players, conversions, nulls);
        }
    }

    fn absorb(&mut self, other: Box<dyn Statistics>) {
        let other: Box<dyn Any> = other;
        let Ok(other) = other.downcast::<Self>() else { return };
        self.transitions.merge(&other.transitions);
        if let (Some(sets), Some(others)) = (&mut self.sets, &other.sets) {
            sets.merge(others);
        }
    }
}

impl FittedModel for Markov {
    fn training(&self) -> Training {
        self.training
    }

    fn statistics(&self) -> Box<dyn Statistics> {
        Box::new(Seen { transitions: Transitions::new(self.order), sets: self.balanced.then(SetCounts::default) })
    }

    fn fit(&self, statistics: Box<dyn Statistics>, players: usize) -> Result<Fit, String> {
        let statistics: Box<dyn Any> = statistics;
        let seen = statistics.downcast::<Seen>().map_err(|_| "statistics of another model".to_owned())?;
        let chain = Chain::new(&seen.transitions);
        let each: Vec<BTreeSet<u32>> = (0..players as u32).map(|player| BTreeSet::from([player])).collect();
        let found = removal::effects(&chain, &each, self.removal).map_err(|error| error.to_string())?;
        let (contributions, below) = shares(found.effects.iter().map(|effect| (*effect, None)), self.negative)?;
        let mut numbers = vec![
            ("journeys", chain.journeys() as f64),
            ("conversions", chain.conversions() as f64),
            ("states", chain.grams().len() as f64),
            ("conversion_probability", found.conversion_probability),
            ("residual", found.residual),
            ("sweeps", f64::from(found.sweeps)),
            ("negative_contributions", below as f64),
        ];
        let mut weights = weights(&contributions);
        if let Some(sets) = &seen.sets {
            let wanted: Vec<f64> = contributions.iter().map(|it| it.share.max(0.0)).collect();
            let balanced = balance(sets, &weights, &wanted);
            numbers.extend([("balance_residual", balanced.residual), ("balance_rounds", f64::from(balanced.rounds))]);
            weights = balanced.weights;
        }
        Ok(Fit { weights, contributions, told_as: ToldAs::RemovalEffects, steps: steps(&seen.transitions), statistics: numbers })
    }
}

/// The steps of a chain with their probabilities.
fn steps(transitions: &Transitions) -> Vec<Step> {
    let (grams, counts) = transitions.sorted();
    let node = |node: attributary_fitted::Node| match node {
        attributary_fitted::Node::Start => Node::Start,
        attributary_fitted::Node::State(place) => Node::State(grams[place as usize].clone()),
        attributary_fitted::Node::Conversion => Node::Conversion,
        attributary_fitted::Node::Null => Node::Null,
    };
    let of_state = counts.chunk_by(|one, other| one.0 == other.0);
    let step = |steps: &[(attributary_fitted::Node, attributary_fitted::Node, u64)]| {
        let all: u64 = steps.iter().map(|(_, _, count)| count).sum();
        let step = |(from, to, count): &(_, _, u64)| Step {
            from: node(*from),
            to: node(*to),
            count: *count,
            probability: *count as f64 / all as f64,
        };
        steps.iter().map(step).collect::<Vec<_>>()
    };
    of_state.flat_map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use attributary_core::model::Parameters;

    fn fit(settings: &[(&str, &str)], journeys: &[(&[u32], u64, u64)]) -> Result<Fit, String> {
        let mut parameters = Parameters::defaults(&SPEC).expect("defaults");
        for (name, text) in settings {
            let spec = SPEC.parameters.iter().find(|it| it.name == *name).expect("a parameter");
            parameters.set(spec, text).expect("a value");
        }
        let Ok(Weighing::Fitted(model)) = (SPEC.build)(&parameters, &crate::example::PositionCompiler) else { panic!("a model") };
        let mut halves = [model.statistics(), model.statistics()];
        for (place, (players, conversions, nulls)) in journeys.iter().enumerate() {
            halves[place % 2].add(players, *conversions, *nulls);
        }
        let [mut one, other] = halves;
        one.absorb(other);
        model.fit(one, 3)
    }

    const GOOGLE: u32 = 0;
    const MAILING: u32 = 1;
    const JOURNEYS: [(&[u32], u64, u64); 3] = [(&[GOOGLE], 2, 1), (&[MAILING], 1, 0), (&[GOOGLE, MAILING], 1, 0)];

    #[test]
    fn the_worked_number() {
        let found = fit(&[], &JOURNEYS).expect("a fit");
        let shares: Vec<f64> = found.contributions.iter().map(|it| (it.share * 4e9).round() / 1e9).collect();
        assert_eq!(shares, [2.4, 1.6, 0.0]);
        let weights: Vec<f64> = found.weights.iter().map(|weight| (weight * 1e9).round() / 1e9).collect();
        assert_eq!(weights, [0.75, 0.5, 0.0]);
        assert_eq!(found.steps.len(), 6);
        assert_eq!(found.steps[0], Step { from: Node::Start, to: Node::State([GOOGLE].into()), count: 4, probability: 0.8 });
        assert!(found.statistics.contains(&("conversions", 4.0)) && found.statistics.contains(&("journeys", 5.0)));
    }

    #[test]
    fn balanced_weights_give_channels_their_part_of_all_conversions() {
        let found = fit(&[("allocation", "balanced")], &JOURNEYS).expect("a fit");
        // Only google > mailing can be divided: google has 2 for itself and should get 2.4, mailing 1 and 1.6.
        let [google, mailing] = [0, 1].map(|player| found.weights[player]);
        assert!((google / (google + mailing) - 0.4).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn what_is_below_zero_is_an_error_for_those_who_want_that() {
        let journeys: [(&[u32], u64, u64); 2] = [(&[0, 1], 9, 0), (&[0, 2], 1, 90)];
        assert!(fit(&[("removal", "redistribute"), ("negative", "error")], &journeys).is_err());
        let found = fit(&[("removal", "redistribute"), ("negative", "clip")], &journeys).expect("a fit");
        assert_eq!((found.weights[2], found.contributions[2].share), (0.0, 0.0));
        assert!(found.statistics.contains(&("negative_contributions", 1.0)));
    }
}
