//! The first click gets it all: the first touch whose interaction is `click`.
//!
//! Clicks are sought among the touches that `only` left. Where no interaction is mapped every touch is a click. A journey
//! without a click goes to its first touch with `fallback = "all"`, and stays unattributed with `fallback = "none"`.
//!
//! 100.00 over a view of display, clicks on search and email, a view of social: 0.00 100.00 0.00 0.00.

use attributary_core::journey::Journey;
use attributary_core::model::{Credit, Fallback, Model, ModelSpec, Weighing};

/// What everyone may know of it.
pub const SPEC: ModelSpec = ModelSpec {
    kind: "first_click",
    summary: "The first click gets everything",
    weights: "the first touch whose interaction is `click` 1, the others 0; without a click, `fallback` decides",
    useful_for: "finding out which channels bring people to the site for the first time",
    not_useful_for: "channels that are seen rather than clicked, and anything about closing",
    parameters: &[],
    additive: true,
    fitted: false,
    timed: false,
    build: |parameters, _| Ok(Weighing::Journey(Box::new(FirstClick { fallback: parameters.fallback }))),
};

struct FirstClick {
    fallback: Fallback,
}

impl Model for FirstClick {
    fn weigh(&self, journey: &Journey<'_>, _weights: &mut Vec<f64>) -> Credit {
        match ((0..journey.len()).find(|touch| journey.is_click(*touch)), self.fallback) {
            (Some(click), _) => Credit::One(click),
            (None, Fallback::All) => Credit::One(0),
            (None, Fallback::None) => Credit::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{SampleJourney, SampleTouch, check};

    #[test]
    fn worked_number() {
        let journey = [
            SampleTouch::view("display", 9),
            SampleTouch::click("search", 5),
            SampleTouch::click("email", 2),
            SampleTouch::view("social", 1),
        ];
        check(&SPEC, &[], &journey, 10_000, Some(&[0, 10_000, 0, 0]));
    }

    #[test]
    fn without_a_click_fallback_decides() {
        let journey = [SampleTouch::view("display", 9), SampleTouch::view("social", 1)];
        check(&SPEC, &[], &journey, 10_000, Some(&[10_000, 0]));
        assert_eq!(SampleJourney::new(&journey).divide(&FirstClick { fallback: Fallback::None }, 10_000), None);
    }
}
