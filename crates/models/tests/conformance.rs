//! The laws that every model obeys: loops over the list, so that a new model is held to them by being in it.

use attributary_core::learning::{Journeys, Player};
use attributary_core::model::{
    Credit, ExpressionCompiler, Fallback, ModelSpec, ParameterKind, ParameterSpec, Parameters, TouchColumns, Weighing,
    WeightExpression,
};
use attributary_models::MODELS;
use attributary_models::example::positions;
use attributary_models::sample::{SampleJourney, SampleTouch, parts};
use proptest::prelude::*;

/// What a model says of a journey: the credit and, with [`Credit::Weights`], the weights.
fn weigh(weighing: &Weighing, touches: &[SampleTouch]) -> (Credit, Vec<f64>) {
    let mut weights = Vec::new();
    match weighing {
        Weighing::Journey(model) => (model.weigh(&SampleJourney::new(touches).journey(), &mut weights), weights),
        Weighing::Expression(expression) => {
            let found = expression.evaluate(&positions(touches.len())).expect("weights");
            (Credit::Weights, found.into_iter().map(|weight| weight.expect("a weight")).collect())
        }
        Weighing::Fitted(model) => {
            // Social is in no journey that it is fitted to.
            let player = |channel: &str| ["search", "email", "direct", "social"].iter().position(|name| *name == channel);
            let journeys: [(&[u32], u64, u64); 4] = [(&[0, 1], 3, 1), (&[1, 2, 1], 2, 6), (&[0], 1, 1), (&[2], 5, 2)];
            let mut statistics = model.statistics();
            for (fold, (players, conversions, nulls)) in journeys.into_iter().enumerate() {
                statistics.add(Journeys { players, conversions, nulls, fold });
            }
            let names = ["search", "email", "direct", "social"];
            let names = names.map(|channel| Player { channel: channel.to_owned(), campaign: None });
            // Contributions below zero may be refused, and that is all there is to say of them.
            let Ok(fit) = model.fit(statistics, &names) else { return (Credit::Equal, weights) };
            let mut oldest_first = touches.to_vec();
            oldest_first.sort_by_key(|touch| std::cmp::Reverse(touch.age));
            let player = |touch: usize| player(oldest_first[touch].channel).expect("a channel") as u32;
            (fit.weigh(&SampleJourney::new(touches).journey(), player, &mut weights), weights)
        }
    }
}

/// Every model of the list under every setting worth telling apart.
fn built() -> Vec<(&'static ModelSpec, String, Weighing)> {
    let mut built = Vec::new();
    for spec in MODELS {
        let mut settings = vec![Parameters::defaults(spec).expect("defaults")];
        for parameter in spec.parameters {
            let set = |parameters: &Parameters, text: &&str| {
                let mut parameters = parameters.clone();
                parameters.set(parameter, text).expect("a good value");
                parameters
            };
            // Models that are fitted have many parameters: one of them at a time is not as it is by default.
            let bases = if spec.fitted { vec![settings[0].clone()] } else { std::mem::take(&mut settings) };
            settings
                .extend(bases.iter().flat_map(|base| texts(parameter).iter().map(|text| set(base, text)).collect::<Vec<_>>()));
        }
        for mut parameters in settings {
            for fallback in [Fallback::All, Fallback::None] {
                parameters.fallback = fallback;
                // Parts that are more than the whole together are refused, and that is all there is to say of them.
                if let Ok(weighing) = (spec.build)(&parameters, &HalfPosition) {
                    built.push((spec, format!("{} {parameters:?}", spec.kind), weighing));
                }
            }
        }
        assert!(built.iter().any(|(other, ..)| other.kind == spec.kind), "{} is never built", spec.kind);
    }
    built
}

fn texts(parameter: &ParameterSpec) -> &'static [&'static str] {
    match parameter.kind {
        ParameterKind::Duration => &["1s", "7d", "520w"],
        ParameterKind::Period => &["all", "30d"],
        ParameterKind::Fraction => &["0", "0.4", "0.5", "1"],
        ParameterKind::Whole { .. } => &["3"],
        ParameterKind::Flag => &["true", "false"],
        ParameterKind::Groups => &[""],
        ParameterKind::Choice(choices) => choices,
        ParameterKind::Expression => &["position / 2"],
    }
}

/// Stands in for SQL: a weight of half the position.
struct HalfPosition;

impl ExpressionCompiler for HalfPosition {
    fn compile(&self, _expression: &str) -> Result<Box<dyn WeightExpression>, String> {
        Ok(Box::new(Self))
    }
}

impl WeightExpression for HalfPosition {
    fn evaluate(&self, touches: &TouchColumns) -> Result<Vec<Option<f64>>, String> {
        Ok((1..=touches.columns[0].1.len()).map(|position| Some(position as f64 / 2.0)).collect())
    }
}

fn journeys() -> impl Strategy<Value = Vec<SampleTouch>> {
    let touch = (0..4_usize, 0..3_usize, prop_oneof![0..5_i64, 0..10_000_000_000_000_i64, Just(86_400_000_000)]);
    prop::collection::vec(touch, 1..40).prop_map(|touches| {
        let touch = |(channel, interaction, age)| SampleTouch {
            channel: ["search", "social", "email", "direct"][channel],
            interaction: ["click", "view", "visit"][interaction],
            age,
        };
        touches.into_iter().map(touch).collect()
    })
}

fn amounts() -> impl Strategy<Value = i64> {
    const LIMIT: i64 = attributary_core::money::LIMIT;
    prop_oneof![-20_i64..20, -1_000_000_i64..1_000_000, (1 - LIMIT)..LIMIT]
}

proptest! {
    #[test]
    fn nothing_is_lost_or_invented(touches in journeys(), amount in amounts()) {
        for (spec, name, weighing) in built() {
            let (credit, weights) = weigh(&weighing, &touches);
            let Some(parts) = parts(credit, &weights, touches.len(), amount) else { continue };
            prop_assert_eq!(parts.len(), touches.len(), "{}", name);
            if spec.additive {
                prop_assert_eq!(parts.iter().sum::<i64>(), amount, "{}", name);
                prop_assert!(parts.iter().all(|part| part.signum() * amount.signum() >= 0), "{}: {:?}", name, parts);
            } else {
                prop_assert!(parts.iter().all(|part| *part == amount), "{}", name);
            }
        }
    }

    #[test]
    fn weights_are_numbers_one_for_each_touch(touches in journeys()) {
        for (spec, name, weighing) in built() {
            let (credit, weights) = weigh(&weighing, &touches);
            match credit {
                Credit::Weights => {
                    prop_assert_eq!(weights.len(), touches.len(), "{}", name);
                    prop_assert!(weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0), "{}: {:?}", name, weights);
                    prop_assert!(weights.iter().any(|weight| *weight > 0.0), "{}: nothing has weight", name);
                }
                Credit::Ends { first, between, last } => {
                    prop_assert!(touches.len() > 1, "{}", name);
                    let ends = [first, between, last];
                    prop_assert!(ends.iter().all(|weight| weight.is_finite() && *weight >= 0.0), "{}: {:?}", name, ends);
                    let any = first > 0.0 || last > 0.0 || between > 0.0 && touches.len() > 2;
                    prop_assert!(any, "{}: nothing has weight", name);
                }
                Credit::One(touch) => prop_assert!(touch < touches.len(), "{}", name),
                Credit::Whole => prop_assert!(!spec.additive, "{}", name),
                Credit::Nothing | Credit::Equal => {}
            }
            prop_assert_eq!(credit == Credit::Whole, !spec.additive, "{}", name);
        }
    }

    #[test]
    fn the_same_journey_gives_the_same(touches in journeys()) {
        let one_by_one: Vec<_> = built().iter().map(|(_, _, weighing)| weigh(weighing, &touches)).collect();
        for ((_, name, weighing), expected) in built().iter().zip(&one_by_one) {
            for _ in 0..2 {
                let found = weigh(weighing, &touches);
                prop_assert_eq!(found.0, expected.0, "{}", name);
                let bits = |weights: &[f64]| weights.iter().map(|weight| weight.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(&found.1), bits(&expected.1), "{}", name);
            }
        }
    }

    /// A rule model looks at order and at ages relative to each other: a later conversion changes nothing.
    #[test]
    fn a_later_conversion_changes_nothing(touches in journeys(), later in 0..1_000_000_000_000_000_i64, amount in amounts()) {
        let moved: Vec<_> = touches.iter().map(|touch| SampleTouch { age: touch.age + later, ..*touch }).collect();
        for (_, name, weighing) in built() {
            let divide = |touches: &[SampleTouch]| {
                let (credit, weights) = weigh(&weighing, touches);
                parts(credit, &weights, touches.len(), amount)
            };
            prop_assert_eq!(divide(&touches), divide(&moved), "{}", name);
        }
    }

    /// Only proportions count: weights times a power of two (which no float rounds) give the same parts.
    #[test]
    fn the_scale_of_weights_does_not_matter(touches in journeys(), power in -100_i32..100, amount in amounts()) {
        for (_, name, weighing) in built() {
            let (credit, weights) = weigh(&weighing, &touches);
            if weights.iter().any(|weight| *weight != 0.0 && *weight < 1e-200) {
                continue;
            }
            let scaled: Vec<f64> = weights.iter().map(|weight| weight * 2_f64.powi(power)).collect();
            let count = touches.len();
            prop_assert_eq!(parts(credit, &weights, count, amount), parts(credit, &scaled, count, amount), "{}", name);
        }
    }
}

#[test]
fn a_journey_of_one_touch_gives_it_all() {
    let touch = [SampleTouch::click("search", 3)];
    for (_, name, weighing) in built() {
        let (credit, weights) = weigh(&weighing, &touch);
        assert_eq!(parts(credit, &weights, 1, -12_345), Some(vec![-12_345]), "{name}");
    }
}

#[test]
fn a_million_touches_are_no_trouble() {
    let touch =
        |place: i64| SampleTouch { channel: ["search", "email"][(place % 7 / 6) as usize], interaction: "view", age: place };
    let touches: Vec<_> = (0..1_000_000).map(touch).collect();
    for (spec, name, weighing) in built().into_iter().filter(|(spec, ..)| spec.additive) {
        let (credit, weights) = weigh(&weighing, &touches);
        let Some(parts) = parts(credit, &weights, touches.len(), 10_000) else {
            assert!(spec.kind.ends_with("_click"), "{name} gives nothing");
            continue;
        };
        assert_eq!(parts.iter().sum::<i64>(), 10_000, "{name}");
    }
}
