//! Every touch gets the same; or, with `per = "channel"`, every distinct channel gets the same, split equally over its
//! touches, so that a channel gains nothing by touching often.
//!
//! 100.00 over search, search, email: 33.34 33.33 33.33 per touch, 25.00 25.00 50.00 per channel.

use attributary_core::journey::Journey;
use attributary_core::model::{Credit, Model, ModelSpec, ParameterKind, ParameterSpec, Weighing};

/// What everyone may know of it.
pub const SPEC: ModelSpec = ModelSpec {
    kind: "linear",
    summary: "Every touch, or every channel, gets the same",
    weights: "equal",
    useful_for: "a plain first look at multi-touch credit, without a curve that somebody has to believe in",
    not_useful_for: "logs with many touches that mean little: per touch, whoever touches most gets most",
    parameters: &[ParameterSpec {
        name: "per",
        kind: ParameterKind::Choice(&["touch", "channel"]),
        default: Some("touch"),
        help: "what the conversion is divided over equally; a channel's part is divided equally over its touches",
    }],
    additive: true,
    fitted: false,
    timed: false,
    build: |parameters, _| {
        Ok(Weighing::Journey(match parameters.text("per")? {
            "channel" => Box::new(PerChannel),
            _ => Box::new(PerTouch),
        }))
    },
};

struct PerTouch;

impl Model for PerTouch {
    fn weigh(&self, _journey: &Journey<'_>, _weights: &mut Vec<f64>) -> Credit {
        Credit::Equal
    }
}

struct PerChannel;

impl Model for PerChannel {
    fn weigh(&self, journey: &Journey<'_>, weights: &mut Vec<f64>) -> Credit {
        // A touch weighs 1 / touches of its channel: the weights of every channel add up to one.
        let touches = journey.len();
        if touches <= SHORT {
            let same_channel = |touch| (0..touches).filter(|other| journey.channel(*other) == journey.channel(touch)).count();
            weights.extend((0..touches).map(|touch| 1.0 / same_channel(touch) as f64));
        } else {
            let mut channels: Vec<u32> = (0..touches).map(|touch| journey.channel(touch)).collect();
            channels.sort_unstable();
            let same_channel = |channel: u32| {
                channels.partition_point(|other| *other <= channel) - channels.partition_point(|other| *other < channel)
            };
            weights.extend((0..touches).map(|touch| 1.0 / same_channel(journey.channel(touch)) as f64));
        }
        if weights.iter().all(|weight| *weight == weights[0]) { Credit::Equal } else { Credit::Weights }
    }
}

/// Up to this many touches, comparing each with each is faster than sorting, and allocates nothing.
const SHORT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{SampleJourney, SampleTouch, check};

    #[test]
    fn worked_number() {
        let journey = [SampleTouch::click("search", 9), SampleTouch::click("search", 5), SampleTouch::click("email", 1)];
        check(&SPEC, &[], &journey, 10_000, Some(&[3_334, 3_333, 3_333]));
        check(&SPEC, &[("per", "channel")], &journey, 10_000, Some(&[2_500, 2_500, 5_000]));
    }

    #[test]
    fn long_journeys_are_counted_as_short_ones() {
        let channels = ["search", "social", "email"];
        let touch = |place: usize| SampleTouch::click(channels[place * place % 11 % 3], (SHORT + 20 - place) as i64);
        for length in [SHORT, SHORT + 1, SHORT + 20] {
            let touches: Vec<_> = (0..length).map(touch).collect();
            let parts = SampleJourney::new(&touches).divide(&PerChannel, 90_000).expect("parts");
            for channel in channels {
                let of_channel = touches.iter().zip(&parts).filter(|(touch, _)| touch.channel == channel).map(|(_, part)| *part);
                let (count, total) = of_channel.fold((0, 0), |(count, total), part| (count + 1, total + part));
                assert!(count > 0 && (total - 30_000_i64).abs() < count, "{channel}: {total} over {count} of {length}");
            }
        }
    }
}
