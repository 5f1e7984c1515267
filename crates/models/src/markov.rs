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

use std::collections::{BTreeMap, BTreeSet};

use attributary_core::learning::{FOLDS, Fit, FittedModel, Journeys, Node, Player, Statistics, Step, ToldAs, Training};
use attributary_core::model::{ModelSpec, ParameterKind, ParameterSpec, Weighing};
use attributary_fitted::order::{self, MOST_TOUCHES};
use attributary_fitted::outcomes;
use attributary_fitted::{Chain, NextSteps, Outcomes, Removal, SetCounts, Transitions, balance, removal};

use crate::learned::{
    BOOTSTRAP, BY, FIT, NEGATIVE, NULL_JOURNEYS, Negative, REFIT, SEED, named, own, shares, told, training, weights,
};

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
            kind: ParameterKind::Choice(&["1", "2", "3", "4", "5", "auto"]),
            default: Some("1"),
            help: "how many touches make a state of the chain; auto: what foretells customers best that it did not see",
        },
        BY,
        NULL_JOURNEYS,
        FIT,
        REFIT,
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
        ParameterSpec {
            name: "groups",
            kind: ParameterKind::Groups,
            default: Some(""),
            help: "lists of channels whose removal effect is told together, each under a name of its own",
        },
        NEGATIVE,
        BOOTSTRAP,
        SEED,
    ],
    additive: true,
    fitted: true,
    timed: false,
    build: |parameters, _| {
        Ok(Weighing::Fitted(Box::new(Markov {
            // A number, or none.
            order: parameters.text("order")?.parse().ok(),
            training: training(parameters)?,
            removal: if parameters.text("removal")? == "null" { Removal::Null } else { Removal::Redistribute },
            balanced: parameters.text("allocation")? == "balanced",
            groups: parameters.groups("groups")?.clone(),
            negative: Negative::of(parameters)?,
        })))
    },
};

/// The orders that may be asked for.
const ORDERS: [&str; MOST_TOUCHES] = [
    "held_out_log_likelihood_order_1",
    "held_out_log_likelihood_order_2",
    "held_out_log_likelihood_order_3",
    "held_out_log_likelihood_order_4",
    "held_out_log_likelihood_order_5",
];

struct Markov {
    /// None: what foretells best.
    order: Option<usize>,
    training: Training,
    removal: Removal,
    balanced: bool,
    groups: BTreeMap<String, Vec<String>>,
    negative: Negative,
}

/// What is counted of journeys.
struct Seen {
    /// The steps of the chain: of each order, where the order is to be found.
    chains: Vec<Transitions>,
    /// Who was together in journeys, if anyone asks.
    sets: Option<SetCounts>,
    /// How journeys ended, by fold.
    outcomes: Vec<Outcomes>,
    /// What came next, by fold, where the order is to be found.
    next: Vec<NextSteps>,
}

impl Statistics for Seen {
    fn add(&mut self, journeys: Journeys<'_>) {
        let Journeys { players, conversions, nulls, fold } = journeys;
        self.chains.iter_mut().for_each(|chain| chain.add(players, conversions, nulls));
        if let Some(sets) = &mut self.sets {
            sets.add(players, conversions, nulls);
        }
        self.outcomes[fold].add(players, conversions, nulls);
        if let Some(next) = self.next.get_mut(fold) {
            next.add(players, conversions, nulls);
        }
    }

    fn absorb(&mut self, other: Box<dyn Statistics>) {
        let Ok(other) = own::<Self>(other) else { return };
        self.chains.iter_mut().zip(&other.chains).for_each(|(chain, other)| chain.merge(other));
        if let (Some(sets), Some(others)) = (&mut self.sets, &other.sets) {
            sets.merge(others);
        }
        self.outcomes.iter_mut().zip(&other.outcomes).for_each(|(outcomes, others)| outcomes.merge(others));
        self.next.iter_mut().zip(&other.next).for_each(|(next, others)| next.merge(others));
    }

    fn memory(&self) -> u64 {
        let chains: u64 = self.chains.iter().map(Transitions::memory).sum();
        let sets = self.sets.as_ref().map_or(0, SetCounts::memory);
        let outcomes: u64 = self.outcomes.iter().map(Outcomes::memory).sum();
        chains + sets + outcomes + self.next.iter().map(NextSteps::memory).sum::<u64>()
    }
}

impl FittedModel for Markov {
    fn training(&self) -> Training {
        self.training
    }

    fn told_as(&self) -> ToldAs {
        ToldAs::RemovalEffects
    }

    fn statistics(&self) -> Box<dyn Statistics> {
        let chains = match self.order {
            Some(order) => vec![Transitions::new(order)],
            None => (1..=MOST_TOUCHES).map(Transitions::new).collect(),
        };
        let next = if self.order.is_none() { vec![NextSteps::default(); FOLDS] } else { Vec::new() };
        let outcomes = vec![Outcomes::new(self.order.unwrap_or(MOST_TOUCHES)); FOLDS];
        Box::new(Seen { chains, sets: self.balanced.then(SetCounts::default), outcomes, next })
    }

    fn fit(&self, statistics: Box<dyn Statistics>, players: &[Player]) -> Result<Fit, String> {
        let Seen { chains, sets, outcomes, next } = *own::<Seen>(statistics)?;
        let held_out_by_order = (!next.is_empty()).then(|| order::held_out(&next));
        let order = self.order.or(held_out_by_order.as_ref().map(order::best)).unwrap_or(1);
        let Some(transitions) = chains.iter().find(|chain| chain.order() == order) else {
            return Err(format!("there is no chain of order {order}"));
        };
        let chain = Chain::new(transitions);
        let mut removed: Vec<BTreeSet<u32>> = (0..players.len() as u32).map(|player| BTreeSet::from([player])).collect();
        for (name, channels) in &self.groups {
            if players.iter().any(|player| player.channel == *name) {
                return Err(format!("group {name:?} is called like a channel; give it another name"));
            }
            let in_group = players.iter().zip(0..).filter(|(player, _)| channels.contains(&player.channel));
            removed.push(in_group.map(|(_, player)| player).collect());
        }
        let found = removal::effects(&chain, &removed, self.removal).map_err(|error| error.to_string())?;
        let (effects, of_groups) = found.effects.split_at(players.len());
        let (contributions, below) = shares(effects.iter().map(|effect| (*effect, None)), self.negative)?;
        let mut numbers = vec![
            ("journeys", chain.journeys() as f64),
            ("conversions", chain.conversions() as f64),
            ("order", order as f64),
            ("states", chain.grams().len() as f64),
            ("conversion_probability", found.conversion_probability),
            ("residual", found.residual),
            ("sweeps", f64::from(found.sweeps)),
            ("negative_contributions", below as f64),
        ];
        let outcomes: Vec<Outcomes> = outcomes.iter().map(|fold| fold.shortened(order)).collect();
        let held_out = outcomes::held_out(&outcomes);
        numbers.extend(ORDERS.into_iter().zip(held_out_by_order.into_iter().flatten()));
        let mut weights = weights(&contributions);
        if let Some(sets) = &sets {
            let wanted: Vec<f64> = contributions.iter().map(|it| it.share.max(0.0)).collect();
            let balanced = balance(sets, &weights, &wanted);
            numbers.extend([("balance_residual", balanced.residual), ("balance_rounds", f64::from(balanced.rounds))]);
            weights = balanced.weights;
        }
        Ok(Fit {
            weights,
            by_position: Vec::new(),
            contributions,
            groups: self.groups.keys().cloned().zip(of_groups.iter().copied()).collect(),
            steps: steps(transitions),
            statistics: named(numbers).into_iter().chain(held_out.iter().flat_map(told)).collect(),
        })
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
    use crate::learned::players;
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
            let (players, fold) = (*players, place % FOLDS);
            halves[place % 2].add(Journeys { players, conversions: *conversions, nulls: *nulls, fold });
        }
        let [mut one, other] = halves;
        one.absorb(other);
        model.fit(one, &players(&["google", "mailing", "social"]))
    }

    #[test]
    fn groups_are_removed_together() {
        let mut parameters = Parameters::defaults(&SPEC).expect("defaults");
        let group =
            |name: &str| BTreeMap::from([(name.to_owned(), vec!["google".to_owned(), "mailing".to_owned(), "none".to_owned()])]);
        for (name, all_is_lost) in [("both", true), ("social", false)] {
            parameters.set_groups("groups", group(name));
            let Ok(Weighing::Fitted(model)) = (SPEC.build)(&parameters, &crate::example::PositionCompiler) else {
                panic!("a model")
            };
            let mut statistics = model.statistics();
            for (players, conversions, nulls) in JOURNEYS {
                statistics.add(Journeys { players, conversions, nulls, fold: 0 });
            }
            match model.fit(statistics, &players(&["google", "mailing", "social"])) {
                Ok(fit) => assert_eq!(fit.groups, [("both".to_owned(), 1.0)]),
                Err(problem) => assert!(!all_is_lost && problem.contains("called like a channel"), "{problem}"),
            }
        }
    }

    #[test]
    fn the_order_is_what_foretells_best() {
        // Who sees 0 and then 1 goes on to 0, who sees 2 and then 1 to 2.
        let of: [(&[u32], u64, u64); 4] =
            [(&[0, 1, 0], 9, 1), (&[2, 1, 2], 1, 9), (&[0, 1, 0, 1, 0], 9, 1), (&[2, 1, 2, 1, 2], 1, 9)];
        let journeys = of.repeat(15);
        let found = fit(&[("order", "auto")], &journeys).expect("a fit");
        let of = |name: &str| found.statistics.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        assert!(of("order") >= Some(2.0), "{:?}", found.statistics);
        assert!(of("held_out_auc").is_some_and(|auc| auc > 0.85) && of("held_out_log_likelihood_order_2") > of(ORDERS[0]));
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
        let has = |name: &str, number: f64| found.statistics.contains(&(name.to_owned(), number));
        assert!(has("conversions", 4.0) && has("journeys", 5.0));
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
        assert!(found.statistics.contains(&("negative_contributions".to_owned(), 1.0)));
    }
}
