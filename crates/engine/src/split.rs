//! The parts of one conversion under one model: what a model said of its touches in, exact parts out.

use std::ops::Range;

use attributary_core::apportion::{Apportion, equal_runs};
use attributary_core::model::Credit;

/// Room for the parts of one conversion.
#[derive(Default)]
pub(crate) struct Split {
    apportion: Apportion,
    /// What a model said of each touch.
    pub weights: Vec<f64>,
    /// Each touch's part of the share.
    pub shares: Vec<i64>,
    /// Of each value, each touch's part.
    pub values: Vec<Vec<i64>>,
    /// What the parts of each value add up to.
    pub given: Vec<i64>,
}

impl Split {
    /// Room for conversions of so many values.
    pub fn new(values: usize) -> Self {
        Self { values: vec![Vec::new(); values], ..Self::default() }
    }

    /// Takes what a model said of `length` touches. False where none of them gets anything.
    pub fn begin(&mut self, credit: Credit, length: usize) -> bool {
        match credit {
            Credit::Nothing => false,
            Credit::Weights => self.apportion.set_weights(&self.weights),
            Credit::Ends { first, between, last } => self.apportion.set_ends(length, first, between, last),
            Credit::One(_) | Credit::Equal | Credit::Whole => true,
        }
    }

    /// Divides an amount: `give` is told of stretches of touches and what each touch of them gets, some of them twice.
    #[inline]
    pub fn each(&mut self, credit: Credit, length: usize, amount: i64, mut give: impl FnMut(Range<usize>, i64)) {
        match credit {
            Credit::Nothing => {}
            Credit::One(touch) => give(touch..touch + 1, amount),
            Credit::Whole => give(0..length, amount),
            Credit::Equal => equal_runs(amount, length, give),
            Credit::Weights | Credit::Ends { .. } => self.apportion.split_runs(amount, give),
        }
    }

    /// Divides the share and the values into parts that are kept.
    pub fn keep(&mut self, credit: Credit, length: usize, share: i64, values: &[i64]) {
        for (of, amount) in std::iter::once(&share).chain(values).enumerate() {
            let mut parts = std::mem::take(if of == 0 { &mut self.shares } else { &mut self.values[of - 1] });
            parts.clear();
            parts.resize(length, 0);
            self.each(credit, length, *amount, |touches, part| parts[touches].iter_mut().for_each(|all| *all += part));
            *(if of == 0 { &mut self.shares } else { &mut self.values[of - 1] }) = parts;
        }
    }
}
