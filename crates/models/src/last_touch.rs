//! The last touch before the conversion gets it all.
//!
//! 100.00 over search, social, email: 0.00 0.00 100.00.

use attributary_core::journey::Journey;
use attributary_core::model::{Credit, Model, ModelSpec, Weighing};

/// What everyone may know of it.
pub const SPEC: ModelSpec = ModelSpec {
    kind: "last_touch",
    summary: "The last touch gets everything",
    weights: "the last touch 1, the others 0",
    useful_for: "what closes: short journeys, campaigns that ask for the purchase now",
    not_useful_for: "judging what made people come: whatever stands at the door takes all, often direct or brand search",
    parameters: &[],
    additive: true,
    fitted: false,
    timed: false,
    build: |_, _| Ok(Weighing::Journey(Box::new(LastTouch))),
};

struct LastTouch;

impl Model for LastTouch {
    fn weigh(&self, journey: &Journey<'_>, _weights: &mut Vec<f64>) -> Credit {
        Credit::One(journey.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::SPEC;
    use crate::sample::{SampleTouch, check};

    #[test]
    fn worked_number() {
        let journey = [SampleTouch::click("search", 9), SampleTouch::view("social", 5), SampleTouch::click("email", 1)];
        check(&SPEC, &[], &journey, 10_000, Some(&[0, 0, 10_000]));
        check(&SPEC, &[], &journey[..1], -7, Some(&[-7]));
    }
}
