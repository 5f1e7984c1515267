//! Participation: every distinct channel (or whatever a table groups by) that touched the journey gets the whole conversion, once.
//!
//! 100.00 over search, social, email: 100.00 100.00 100.00. It is not additive: rows must not be added up.

use attributary_core::journey::Journey;
use attributary_core::model::{Credit, Model, ModelSpec, Weighing};

/// What everyone may know of it.
pub const SPEC: ModelSpec = ModelSpec {
    kind: "any_touch",
    summary: "Every group that took part gets the whole conversion",
    weights: "every distinct value of the table's columns gets the whole conversion once",
    useful_for: "reach: which conversions a channel had any part in, an upper bound of what it may have done",
    not_useful_for: "adding up: the rows of a table exceed the total, and no table is the sum of a finer one",
    parameters: &[],
    additive: false,
    fitted: false,
    timed: false,
    build: |_, _| Ok(Weighing::Journey(Box::new(AnyTouch))),
};

struct AnyTouch;

impl Model for AnyTouch {
    fn weigh(&self, _journey: &Journey<'_>, _weights: &mut Vec<f64>) -> Credit {
        Credit::Whole
    }
}

#[cfg(test)]
mod tests {
    use super::SPEC;
    use crate::sample::{SampleTouch, check};

    #[test]
    fn worked_number() {
        let journey = [SampleTouch::click("search", 9), SampleTouch::view("social", 5), SampleTouch::click("email", 1)];
        check(&SPEC, &[], &journey, 10_000, Some(&[10_000, 10_000, 10_000]));
        check(&SPEC, &[], &journey[..1], -7, Some(&[-7]));
    }
}
