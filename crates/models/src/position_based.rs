//! The first and the last touch get fixed parts, the touches between them share the rest equally.
//!
//! One touch gets it all; of two, the first and the last part are made to fill the whole. Where both are 0, two touches
//! get nothing and the conversion stays unattributed.
//!
//! 100.00 over four touches with 0.4 and 0.4: 40.00 10.00 10.00 40.00. 0.05 over three: 0.02 0.01 0.02.

use attributary_core::journey::Journey;
use attributary_core::model::{Credit, Model, ModelSpec, ParameterError, ParameterKind, ParameterSpec, Weighing};

/// What everyone may know of it.
pub const SPEC: ModelSpec = ModelSpec {
    kind: "position_based",
    summary: "The first and the last touch get fixed parts, the middle shares the rest",
    weights: "`first`, the middle 1 − `first` − `last` shared equally, `last`; of two touches `first` : `last`",
    useful_for: "journeys of which one wants to reward both the opening and the closing touch",
    not_useful_for: "long journeys, where every touch of the middle gets next to nothing",
    parameters: &[
        ParameterSpec {
            name: "first",
            kind: ParameterKind::Fraction,
            default: Some("0.4"),
            help: "the part of the first touch; with `last` at most 1",
        },
        ParameterSpec {
            name: "last",
            kind: ParameterKind::Fraction,
            default: Some("0.4"),
            help: "the part of the last touch; with `first` at most 1",
        },
    ],
    additive: true,
    fitted: false,
    timed: false,
    build: |parameters, _| {
        let (first, last) = (parameters.fraction("first")?, parameters.fraction("last")?);
        if first + last > 1.0 {
            let problem = format!("expected at most 1 together with last, found {first} + {last}");
            return Err(ParameterError { parameter: "first".to_owned(), problem });
        }
        Ok(Weighing::Journey(Box::new(PositionBased { first, last })))
    },
};

/// Also what `j_shaped` and `inverse_j` are.
pub(crate) struct PositionBased {
    pub(crate) first: f64,
    pub(crate) last: f64,
}

impl Model for PositionBased {
    fn weigh(&self, journey: &Journey<'_>, _: &mut Vec<f64>) -> Credit {
        let &Self { first, last } = self;
        match journey.len() {
            1 => Credit::One(0),
            2 if first == 0.0 && last == 0.0 => Credit::Nothing,
            2 if first == last => Credit::Equal,
            touches => {
                // Of two there is none between.
                let between = (1.0 - first - last).max(0.0) / (touches - 2).max(1) as f64;
                Credit::Ends { first, between, last }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::PositionCompiler;
    use crate::sample::{SampleTouch, check};
    use attributary_core::model::Parameters;

    const SIX: [SampleTouch; 6] = {
        let touch = SampleTouch::click("search", 1);
        [touch, touch, touch, touch, touch, touch]
    };

    #[test]
    fn worked_number() {
        check(&SPEC, &[], &SIX[..4], 10_000, Some(&[4_000, 1_000, 1_000, 4_000]));
        check(&SPEC, &[], &SIX[..3], 5, Some(&[2, 1, 2]));
        check(&SPEC, &[], &SIX, 10_000, Some(&[4_000, 500, 500, 500, 500, 4_000]));
        check(&SPEC, &[("first", "0.7"), ("last", "0.3")], &SIX[..3], 1_000_000_000, Some(&[700_000_000, 0, 300_000_000]));
    }

    #[test]
    fn one_and_two_touches() {
        check(&SPEC, &[("first", "0"), ("last", "0")], &SIX[..1], 100, Some(&[100]));
        check(&SPEC, &[("first", "0"), ("last", "0")], &SIX[..2], 100, None);
        check(&SPEC, &[("first", "0"), ("last", "0")], &SIX[..3], 100, Some(&[0, 100, 0]));
        check(&SPEC, &[], &SIX[..2], 101, Some(&[51, 50]));
        check(&SPEC, &[("first", "0.1"), ("last", "0.3")], &SIX[..2], 100, Some(&[25, 75]));
        check(&SPEC, &[("first", "0")], &SIX[..2], 100, Some(&[0, 100]));
    }

    #[test]
    fn more_than_everything_is_refused() {
        let mut parameters = Parameters::defaults(&SPEC).expect("defaults");
        parameters.set(&SPEC.parameters[1], "0.7").expect("a fraction");
        let error = (SPEC.build)(&parameters, &PositionCompiler).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("first: expected at most 1 together with last, found 0.4 + 0.7"));
        for outside in ["-0.1", "1.1", "NaN", "two"] {
            assert!(parameters.set(&SPEC.parameters[0], outside).is_err(), "{outside}");
        }
    }
}
