//! A model of one's own, outside of attributary's list and with nothing but its public words.
//!
//! `engagement` believes that a click says more than a view. It is a spec, a parameter and weights; sums and cents are
//! none of its business.
//!
//! cargo run -p attributary-models --example own_model
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use attributary_core::journey::Journey;
use attributary_core::model::{
    Credit, ExpressionCompiler, Model, ModelSpec, ParameterError, ParameterKind, ParameterSpec, Parameters, Weighing,
    WeightExpression,
};
use attributary_core::money::decimal_text;
use attributary_models::sample::{SampleJourney, SampleTouch};

/// What everyone may know of the model, as `attributary_models::MODELS` holds it of the others.
const ENGAGEMENT: ModelSpec = ModelSpec {
    kind: "engagement",
    summary: "Clicks count more than views",
    weights: "1 for a click, `view` for anything else",
    useful_for: "logs in which views are many and say little",
    not_useful_for: "logs without interactions, where every touch is a click",
    parameters: &[ParameterSpec {
        name: "view",
        kind: ParameterKind::Fraction,
        default: Some("0.25"),
        help: "the weight of a touch that is no click",
    }],
    additive: true,
    fitted: false,
    timed: false,
    build: |parameters, _| Ok(Weighing::Journey(Box::new(Engagement { view: parameters.fraction("view")? }))),
};

struct Engagement {
    view: f64,
}

impl Model for Engagement {
    fn weigh(&self, journey: &Journey<'_>, weights: &mut Vec<f64>) -> Credit {
        weights.extend((0..journey.len()).map(|touch| if journey.is_click(touch) { 1.0 } else { self.view }));
        if weights.iter().all(|weight| *weight == 0.0) { Credit::Nothing } else { Credit::Weights }
    }
}

/// The model needs no expressions.
struct NoExpressions;

impl ExpressionCompiler for NoExpressions {
    fn compile(&self, _expression: &str) -> Result<Box<dyn WeightExpression>, String> {
        Err("this model takes no expression".to_owned())
    }
}

fn main() -> Result<(), ParameterError> {
    // As the pipeline file would: the defaults, then what someone typed.
    let mut parameters = Parameters::defaults(&ENGAGEMENT)?;
    parameters.set(&ENGAGEMENT.parameters[0], "0.1")?;
    let Weighing::Journey(model) = (ENGAGEMENT.build)(&parameters, &NoExpressions)? else { return Ok(()) };

    // A purchase, a small one, and a refund; amounts in cents.
    let journeys: [(&str, i64, &[SampleTouch]); 3] = [
        ("purchase", 10_000, &[SampleTouch::view("display", 9), SampleTouch::click("search", 4), SampleTouch::click("email", 1)]),
        ("one cent", 1, &[SampleTouch::view("display", 2), SampleTouch::view("social", 1)]),
        ("refund", -10_000, &[SampleTouch::click("search", 6), SampleTouch::click("search", 5), SampleTouch::click("email", 2)]),
    ];
    println!("{}: {}\n", ENGAGEMENT.kind, ENGAGEMENT.summary);
    for (name, amount, touches) in journeys {
        let Some(parts) = SampleJourney::new(touches).divide(model.as_ref(), amount) else { continue };
        assert_eq!(parts.iter().sum::<i64>(), amount, "every cent is given, none is invented");
        for (touch, part) in touches.iter().zip(&parts) {
            println!("{name:<10} {:<8} {:<6} {:>8}", touch.channel, touch.interaction, decimal_text((*part).into(), 2));
        }
        println!("{:<26} {:>8}\n", "", decimal_text(amount.into(), 2));
    }
    Ok(())
}
