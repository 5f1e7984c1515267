//! The first touch of the journey gets it all.
//!
//! 100.00 over search, social, email: 100.00 0.00 0.00.

use attributary_core::journey::Journey;
use attributary_core::model::{Credit, Model, ModelSpec, Weighing};

/// What everyone may know of it.
pub const SPEC: ModelSpec = ModelSpec {
    kind: "first_touch",
    summary: "The first touch gets everything",
    weights: "the first touch 1, the others 0",
    useful_for: "what opens: finding out which channels bring new people",
    not_useful_for: "long windows, where the first touch may have had nothing to do with the purchase; anything about closing",
    parameters: &[],
    additive: true,
    fitted: false,
    timed: false,
    build: |_, _| Ok(Weighing::Journey(Box::new(FirstTouch))),
};

struct FirstTouch;

impl Model for FirstTouch {
    fn weigh(&self, _journey: &Journey<'_>, _weights: &mut Vec<f64>) -> Credit {
        Credit::One(0)
    }
}

#[cfg(test)]
mod tests {
    use super::SPEC;
    use crate::sample::{SampleTouch, check};

    #[test]
    fn worked_number() {
        let journey = [SampleTouch::click("search", 9), SampleTouch::view("social", 5), SampleTouch::click("email", 1)];
        check(&SPEC, &[], &journey, 10_000, Some(&[10_000, 0, 0]));
        check(&SPEC, &[], &journey[..1], -7, Some(&[-7]));
    }
}
