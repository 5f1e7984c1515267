//! Made-up journeys, to try a model on without an engine: for examples, documentation and tests of models.

use attributary_core::apportion::{Apportion, equal_part};
use attributary_core::duration::DAY;
use attributary_core::journey::{Journey, TouchFacts};
use attributary_core::model::{Credit, Model};

/// One touch of a made-up journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleTouch {
    /// Its channel.
    pub channel: &'static str,
    /// What the customer did; `click` counts as a click.
    pub interaction: &'static str,
    /// How long before the conversion, in microseconds.
    pub age: i64,
}

impl SampleTouch {
    /// A click so many days before the conversion.
    #[must_use]
    pub const fn click(channel: &'static str, days: i64) -> Self {
        Self { channel, interaction: "click", age: days * DAY }
    }

    /// A view so many days before the conversion.
    #[must_use]
    pub const fn view(channel: &'static str, days: i64) -> Self {
        Self { channel, interaction: "view", age: days * DAY }
    }
}

/// A made-up journey that owns what a [`Journey`] borrows.
pub struct SampleJourney {
    touches: Vec<u32>,
    times: Vec<i64>,
    profiles: Vec<u32>,
    facts: Vec<TouchFacts>,
}

impl SampleJourney {
    /// A journey of these touches, in any order; it is the oldest first.
    #[must_use]
    pub fn new(touches: &[SampleTouch]) -> Self {
        let mut sorted = touches.to_vec();
        sorted.sort_by_key(|touch| std::cmp::Reverse(touch.age));
        let mut channels: Vec<&str> = sorted.iter().map(|touch| touch.channel).collect();
        channels.sort_unstable();
        channels.dedup();
        let facts = sorted.iter().map(|touch| {
            let channel = channels.partition_point(|name| *name < touch.channel) as u32;
            TouchFacts { channel, click: touch.interaction == "click", ..TouchFacts::default() }
        });
        let places = 0..sorted.len() as u32;
        Self {
            touches: places.clone().collect(),
            times: sorted.iter().map(|touch| -touch.age).collect(),
            profiles: places.collect(),
            facts: facts.collect(),
        }
    }

    /// The journey as a model sees it; its conversion is at time 0.
    #[must_use]
    pub fn journey(&self) -> Journey<'_> {
        Journey::new(0, &self.touches, &self.times, &self.profiles, &self.facts)
    }

    /// What each touch gets of `amount` minor units under a model; none where the model gives nothing to any touch.
    #[must_use]
    pub fn divide(&self, model: &dyn Model, amount: i64) -> Option<Vec<i64>> {
        let mut weights = Vec::new();
        let credit = model.weigh(&self.journey(), &mut weights);
        parts(credit, &weights, self.touches.len(), amount)
    }
}

/// What each of `touches` touches gets of `amount`, given what a model said. With [`Credit::Whole`] each gets it all.
#[must_use]
pub fn parts(credit: Credit, weights: &[f64], touches: usize, amount: i64) -> Option<Vec<i64>> {
    let part = |touch| match credit {
        Credit::One(chosen) => amount * i64::from(touch == chosen),
        Credit::Equal => equal_part(amount, touches, touch),
        _ => amount,
    };
    let mut apportion = Apportion::default();
    let divisible = match credit {
        Credit::Nothing => return None,
        Credit::One(_) | Credit::Equal | Credit::Whole => return Some((0..touches).map(part).collect()),
        Credit::Ends { first, between, last } => apportion.set_ends(touches, first, between, last),
        Credit::Weights => apportion.set_weights(weights),
    };
    let mut parts = Vec::new();
    divisible.then(|| apportion.split(amount, &mut parts)).map(|()| parts)
}

/// For the tests of a model: its parts of `amount` on a journey, with some parameters set.
#[cfg(test)]
pub(crate) fn check(
    spec: &attributary_core::model::ModelSpec,
    settings: &[(&str, &str)],
    touches: &[SampleTouch],
    amount: i64,
    expected: Option<&[i64]>,
) {
    use crate::example::PositionCompiler;
    use attributary_core::model::{Parameters, Weighing};

    let mut parameters = Parameters::defaults(spec).expect("defaults");
    for (name, text) in settings {
        let parameter = spec.parameters.iter().find(|parameter| parameter.name == *name).expect("a known parameter");
        parameters.set(parameter, text).expect("a good value");
    }
    let Ok(Weighing::Journey(model)) = (spec.build)(&parameters, &PositionCompiler) else { panic!("{} is built", spec.kind) };
    let found = SampleJourney::new(touches).divide(model.as_ref(), amount);
    assert_eq!(found.as_deref(), expected, "{} {settings:?} on {touches:?}", spec.kind);
}
