//! `position_based` with 0.2 for the first touch and 0.6 for the last.
//!
//! 100.00 over four touches: 20.00 10.00 10.00 60.00.

use attributary_core::model::{ModelSpec, Weighing};

use crate::position_based::PositionBased;

/// What everyone may know of it.
pub const SPEC: ModelSpec = ModelSpec {
    kind: "j_shaped",
    summary: "Position based with the weight on the last touch",
    weights: "first 0.2, the middle 0.2 shared equally, last 0.6; of two touches 0.2 : 0.6",
    useful_for: "rewarding what closes, without forgetting what opened",
    not_useful_for: "long journeys, where every touch of the middle gets next to nothing",
    parameters: &[],
    additive: true,
    fitted: false,
    timed: false,
    build: |_, _| Ok(Weighing::Journey(Box::new(PositionBased { first: 0.2, last: 0.6 }))),
};

#[cfg(test)]
mod tests {
    use super::SPEC;
    use crate::sample::{SampleTouch, check};

    #[test]
    fn worked_number() {
        let touch = SampleTouch::click("search", 1);
        check(&SPEC, &[], &[touch; 4], 10_000, Some(&[2_000, 1_000, 1_000, 6_000]));
        check(&SPEC, &[], &[touch; 2], 10_000, Some(&[2_500, 7_500]));
        check(&SPEC, &[], &[touch], 10_000, Some(&[10_000]));
    }
}
