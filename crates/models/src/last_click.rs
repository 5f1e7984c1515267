//! The last click gets it all: the last touch whose interaction is `click`.
//!
//! Clicks are sought among the touches that `only` left. Where no interaction is mapped every touch is a click. A journey
//! without a click goes to its last touch with `fallback = "all"`, and stays unattributed with `fallback = "none"`.
//!
//! 100.00 over a view of display, clicks on search and email, a view of social: 0.00 0.00 100.00 0.00.

use attributary_core::journey::Journey;
use attributary_core::model::{Credit, Fallback, Model, ModelSpec, Weighing};

/// What everyone may know of it.
pub const SPEC: ModelSpec = ModelSpec {
    kind: "last_click",
    summary: "The last click gets everything",
    weights: "the last touch whose interaction is `click` 1, the others 0; without a click, `fallback` decides",
    useful_for: "comparing with ad platforms and web analytics, most of which report by last click",
    not_useful_for: "channels that are seen rather than clicked, such as video and display",
    parameters: &[],
    additive: true,
    fitted: false,
    timed: false,
    build: |parameters, _| Ok(Weighing::Journey(Box::new(LastClick { fallback: parameters.fallback }))),
};

struct LastClick {
    fallback: Fallback,
}

impl Model for LastClick {
    fn weigh(&self, journey: &Journey<'_>, _weights: &mut Vec<f64>) -> Credit {
        match ((0..journey.len()).rev().find(|touch| journey.is_click(*touch)), self.fallback) {
            (Some(click), _) => Credit::One(click),
            (None, Fallback::All) => Credit::One(journey.len() - 1),
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
        check(&SPEC, &[], &journey, 10_000, Some(&[0, 0, 10_000, 0]));
    }

    #[test]
    fn without_a_click_fallback_decides() {
        let journey = [SampleTouch::view("display", 9), SampleTouch::view("social", 1)];
        check(&SPEC, &[], &journey, 10_000, Some(&[0, 10_000]));
        assert_eq!(SampleJourney::new(&journey).divide(&LastClick { fallback: Fallback::None }, 10_000), None);
    }
}
