//! The younger the touch, the more it gets: every half-life of age halves the weight.
//!
//! The weight is 2^(−age / half_life), taken relative to the youngest touch, so that an old journey does not underflow to
//! nothing. 2^x comes from one portable implementation, not from the platform, so that every machine gives the same.
//!
//! 100.00 over touches of 14, 7 and 0 days with a half-life of 7 days (1 : 2 : 4): 14.29 28.57 57.14.

use attributary_core::journey::Journey;
use attributary_core::model::{Credit, Model, ModelSpec, ParameterKind, ParameterSpec, Weighing};

/// What everyone may know of it.
pub const SPEC: ModelSpec = ModelSpec {
    kind: "time_decay",
    summary: "Touches nearer to the conversion get more, by a half-life",
    weights: "2^(−age / half_life), relative to the youngest touch",
    useful_for: "decisions that ripen over days or weeks: promotions, considered purchases",
    not_useful_for: "long sales cycles with a short half-life, which is last touch by another name",
    parameters: &[ParameterSpec {
        name: "half_life",
        kind: ParameterKind::Duration,
        default: Some("7d"),
        help: "the age by which a touch's weight is half of one at the conversion",
    }],
    additive: true,
    fitted: false,
    timed: true,
    build: |parameters, _| Ok(Weighing::Journey(Box::new(TimeDecay { half_life: parameters.duration("half_life")? as f64 }))),
};

struct TimeDecay {
    /// Microseconds.
    half_life: f64,
}

impl Model for TimeDecay {
    fn weigh(&self, journey: &Journey<'_>, weights: &mut Vec<f64>) -> Credit {
        let youngest = journey.age(journey.len() - 1);
        if journey.age(0) == youngest {
            return Credit::Equal;
        }
        let weight = |touch| libm::exp2((youngest - journey.age(touch)) as f64 / self.half_life);
        weights.extend((0..journey.len()).map(weight));
        Credit::Weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{SampleTouch, check};

    #[test]
    fn worked_number() {
        let journey = [SampleTouch::click("search", 14), SampleTouch::view("social", 7), SampleTouch::click("email", 0)];
        check(&SPEC, &[], &journey, 10_000, Some(&[1_429, 2_857, 5_714]));
        check(&SPEC, &[("half_life", "2w")], &journey[1..], 10_000, Some(&[4_142, 5_858]));
    }

    #[test]
    fn touches_of_one_age_get_the_same_however_old() {
        let journey = [SampleTouch::click("search", 3_000_000); 3];
        check(&SPEC, &[("half_life", "1s")], &journey, 100, Some(&[34, 33, 33]));
    }

    #[test]
    fn an_old_journey_does_not_underflow() {
        let journey = [SampleTouch::click("search", 3_000_001), SampleTouch::click("email", 3_000_000)];
        check(&SPEC, &[("half_life", "1d")], &journey, 300, Some(&[100, 200]));
        check(&SPEC, &[("half_life", "1s")], &journey, 300, Some(&[0, 300]));
    }
}
