//! What a channel adds to the others, on average over all orders in which channels may come.
//!
//! Channels play a game: a set of them is worth what the journeys bring in which nobody else takes part. The Shapley value is the
//! one division that is efficient (it divides all there is), symmetric (who is alike gets the same) and gives nothing to who adds
//! nothing. Shapley, "A value for n-person games" (1953); for attribution Zhao, Mahboobi, Bagheri, "Shapley value methods for
//! attribution modeling in online advertising", arXiv:1804.05327 (2018).
//!
//! With `value = "sum"` a set is worth its conversions. Then the value has a closed form: each conversion is divided equally among
//! the channels of its journey, so that channels get of all conversions what `linear` with `per = "channel"` gives them. With
//! `value = "rate"` it is worth the part of its journeys that convert: a channel that many saw and few bought after may lower it,
//! and come out below zero. Up to 22 channels every set is looked at; beyond, orders are drawn, and the table has the standard
//! error.
//!
//! With `ordered = true` it matters who comes when: a channel weighs within a journey what it adds at its position among the
//! channels there, by first touches.
//!
//! Sets worth O 7, F 6, D 4, OF 15, OD 7, FD 9 and OFD 19: O gets 7.6667, F 8.1667, D 3.1667.

use attributary_core::learning::{Fit, FittedModel, Journeys, Player, Statistics, ToldAs, Training};
use attributary_core::model::{ModelSpec, ParameterError, ParameterKind, ParameterSpec, Weighing};
use attributary_fitted::ordered::{OrderedCounts, by_position};
use attributary_fitted::{SetCounts, shapley};

use crate::learned::{
    BOOTSTRAP, BY, FIT, NEGATIVE, NULL_JOURNEYS, Negative, OfSets, REFIT, SEED, named, own, shares, training, weights,
};

/// What everyone may know of it.
pub const SPEC: ModelSpec = ModelSpec {
    kind: "shapley",
    summary: "Channels get what they add to the others, learnt from all journeys",
    weights: "the Shapley value of the touch's channel, shared by its touches",
    useful_for: "a division that can be defended by its axioms: nothing lost, equals alike, nothing for nothing",
    not_useful_for: "order and time, which it does not see; causes: it knows only who was there",
    parameters: &[
        ParameterSpec {
            name: "value",
            kind: ParameterKind::Choice(&["sum", "rate"]),
            default: Some("sum"),
            help: "what a set of channels is worth: its conversions, or the part of its journeys that convert",
        },
        ParameterSpec {
            name: "ordered",
            kind: ParameterKind::Flag,
            default: Some("false"),
            help: "whether it matters who comes first: channels weigh what they add at their position; by conversions only",
        },
        BY,
        NULL_JOURNEYS,
        FIT,
        REFIT,
        ParameterSpec {
            name: "draws",
            kind: ParameterKind::Whole { least: 2, most: 10_000_000 },
            default: Some("10000"),
            help: "how many orders are drawn for a rate of more than 22 channels",
        },
        NEGATIVE,
        BOOTSTRAP,
        SEED,
    ],
    additive: true,
    fitted: true,
    timed: false,
    build: |parameters, _| {
        let (rate, draws) = (parameters.text("value")? == "rate", parameters.whole("draws")? as u32);
        let seed = parameters.whole(SEED.name)?;
        if parameters.flag("ordered")? {
            if rate {
                let problem = "by position only conversions can be divided: expected `value = \"sum\"` beside it, found \"rate\"";
                return Err(ParameterError { parameter: "ordered".to_owned(), problem: problem.to_owned() });
            }
            let (training, negative) = (training(parameters)?, Negative::of(parameters)?);
            return Ok(Weighing::Fitted(Box::new(Ordered { training, negative })));
        }
        let game = move |sets: &SetCounts, players: usize| -> Vec<(f64, Option<f64>)> {
            if rate {
                let found = shapley::rate(sets, players, draws, seed);
                return found.into_iter().map(|it| (it.value, it.standard_error)).collect();
            }
            shapley::sum(sets, players).into_iter().map(|value| (value, None)).collect()
        };
        OfSets::weighing(parameters, Box::new(game), rate.then_some(shapley::foretelling))
    },
};

/// The model by position.
struct Ordered {
    training: Training,
    negative: Negative,
}

/// Journeys by who came when.
struct Orders(OrderedCounts);

impl Statistics for Orders {
    fn add(&mut self, journeys: Journeys<'_>) {
        self.0.add(journeys.players, journeys.conversions, journeys.nulls);
    }

    fn absorb(&mut self, other: Box<dyn Statistics>) {
        if let Ok(other) = own::<Self>(other) {
            self.0.merge(&other.0);
        }
    }

    fn memory(&self) -> u64 {
        self.0.memory()
    }
}

impl FittedModel for Ordered {
    fn training(&self) -> Training {
        self.training
    }

    fn told_as(&self) -> ToldAs {
        ToldAs::ShapleyValues
    }

    fn by_position(&self) -> bool {
        true
    }

    fn statistics(&self) -> Box<dyn Statistics> {
        Box::new(Orders(OrderedCounts::default()))
    }

    fn fit(&self, statistics: Box<dyn Statistics>, players: &[Player]) -> Result<Fit, String> {
        let Orders(orders) = *own::<Orders>(statistics)?;
        let by_position = by_position(&orders, players.len());
        let values = by_position.iter().map(|positions| (positions.iter().sum(), None));
        let (contributions, below) = shares(values, self.negative)?;
        let (count, all) = orders.totals();
        let numbers = vec![
            ("journeys", all.journeys as f64),
            ("conversions", all.conversions as f64),
            ("orders", count as f64),
            ("negative_contributions", below as f64),
        ];
        Ok(Fit { weights: weights(&contributions), by_position, contributions, statistics: named(numbers), ..Fit::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learned::players;
    use attributary_core::model::Parameters;

    fn fit(value: &str, journeys: &[(&[u32], u64, u64)], count: usize) -> Fit {
        let mut parameters = Parameters::defaults(&SPEC).expect("defaults");
        parameters.set(&SPEC.parameters[0], value).expect("a value");
        let Ok(Weighing::Fitted(model)) = (SPEC.build)(&parameters, &crate::example::PositionCompiler) else { panic!("a model") };
        let mut statistics = model.statistics();
        for (players, conversions, nulls) in journeys {
            statistics.add(Journeys { players, conversions: *conversions, nulls: *nulls, fold: 0 });
        }
        let mut others = model.statistics();
        others.absorb(statistics);
        model.fit(others, &players(&["a", "b", "c", "d"][..count])).expect("a fit")
    }

    #[test]
    fn by_conversions_each_is_divided_equally() {
        let found = fit("sum", &[(&[0, 1, 0], 6, 0), (&[1], 2, 9), (&[0, 1, 2], 3, 0)], 4);
        let values: Vec<f64> = found.contributions.iter().map(|it| it.value).collect();
        assert_eq!(values, [4.0, 6.0, 1.0, 0.0]);
        assert_eq!(found.contributions.iter().map(|it| it.share).sum::<f64>(), 1.0);
    }

    #[test]
    fn by_position_openers_weigh_what_they_open() {
        let mut parameters = Parameters::defaults(&SPEC).expect("defaults");
        parameters.set(&SPEC.parameters[1], "true").expect("a value");
        let build = |parameters: &Parameters| (SPEC.build)(parameters, &crate::example::PositionCompiler);
        let Ok(Weighing::Fitted(model)) = build(&parameters) else { panic!("a model") };
        let mut statistics = model.statistics();
        for (players, conversions) in [(&[0, 1, 0][..], 6), (&[1, 0], 2), (&[1], 3)] {
            statistics.add(Journeys { players, conversions, nulls: 1, fold: 0 });
        }
        let fit = model.fit(statistics, &players(&["a", "b"])).expect("a fit");
        assert_eq!(fit.by_position, [vec![3.0, 1.0], vec![4.0, 3.0]]);
        let values: Vec<f64> = fit.contributions.iter().map(|it| it.value).collect();
        assert_eq!(values, [4.0, 7.0]);
        parameters.set(&SPEC.parameters[0], "rate").expect("a value");
        assert!(build(&parameters).is_err_and(|wrong| wrong.parameter == "ordered" && wrong.problem.contains("sum")));
    }

    #[test]
    fn by_rate_a_channel_may_lower_it() {
        let found = fit("rate", &[(&[0], 5, 5), (&[0, 1], 1, 9)], 2);
        // Worth .5 alone, .3 together.
        let values: Vec<f64> = found.contributions.iter().map(|it| (it.value * 1e9).round() / 1e9).collect();
        assert_eq!(values, [0.4, -0.1]);
        assert_eq!(found.weights[1], 0.0);
    }
}
