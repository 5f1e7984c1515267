//! Dividing one conversion over its touches: its share and one value, as the walk does it for each model. Items are touches.

use std::hint::black_box;

use attributary_core::WHOLE_SHARE;
use attributary_core::apportion::{Apportion, equal_part};
use divan::Bencher;
use divan::counter::ItemsCount;

/// The touches of a journey.
const TOUCHES: [usize; 4] = [3, 10, 40, 200];

/// 123.45, an order.
const ORDER: i64 = 12_345;

/// Far beyond what 64 bits can multiply.
const HUGE: i64 = 900_000_000_000_000_000;

fn main() {
    divan::main();
}

/// Runs of equal weights, each of which is divided once.
#[divan::bench(args = TOUCHES)]
fn position_based(bencher: Bencher<'_, '_>, touches: usize) {
    let between = 0.2 / (touches - 2) as f64;
    let mut weights = vec![between; touches];
    weights[0] = 0.4;
    weights[touches - 1] = 0.4;
    divide(bencher, &weights, ORDER);
}

/// No two weights are equal.
#[divan::bench(args = TOUCHES)]
fn time_decay(bencher: Bencher<'_, '_>, touches: usize) {
    divide(bencher, &decaying(touches), ORDER);
}

/// An amount whose products take 128 bits.
#[divan::bench(args = TOUCHES)]
fn huge_amount(bencher: Bencher<'_, '_>, touches: usize) {
    divide(bencher, &decaying(touches), HUGE);
}

/// So many touches that the sum of their weights takes 128 bits.
#[divan::bench(args = [5_000])]
fn many_touches(bencher: Bencher<'_, '_>, touches: usize) {
    let weights: Vec<f64> = (0..touches).map(|touch| 1.0 - touch as f64 / (2 * touches) as f64).collect();
    divide(bencher, &weights, HUGE);
}

/// Without weights.
#[divan::bench(args = TOUCHES)]
fn equal_parts(bencher: Bencher<'_, '_>, touches: usize) {
    let mut parts = Vec::new();
    bencher.counter(ItemsCount::new(touches)).bench_local(|| {
        for amount in [WHOLE_SHARE, ORDER] {
            let count = black_box(touches);
            parts.clear();
            parts.extend((0..count).map(|touch| equal_part(amount, count, touch)));
            black_box(&parts);
        }
    });
}

fn divide(bencher: Bencher<'_, '_>, weights: &[f64], amount: i64) {
    let (mut apportion, mut parts) = (Apportion::default(), Vec::new());
    bencher.counter(ItemsCount::new(weights.len())).bench_local(|| {
        assert!(apportion.set_weights(black_box(weights)), "some weight is above zero");
        for amount in [WHOLE_SHARE, amount] {
            apportion.split(black_box(amount), &mut parts);
            black_box(&parts);
        }
    });
}

/// One touch every eight hours, with a half-life of seven days.
fn decaying(touches: usize) -> Vec<f64> {
    (0..touches).rev().map(|age| (-(age as f64) / 21.0).exp2()).collect()
}
