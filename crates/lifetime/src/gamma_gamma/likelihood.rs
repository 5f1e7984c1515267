//! The log-likelihood of Gamma-Gamma with its gradient and Hessian, over customers counted.
//!
//! Of one customer of x repeat purchases with the total S = x·m it is (Fader, Hardie 2013, equation 1a, with the total in
//! the place of the mean)
//!
//! > ln L = ln Γ(px+q) − ln Γ(px) − ln Γ(q) + q ln v + px ln S − ln m − (px+q) ln(v+S)
//! >      = −ln B(px,q) − px ln(1 + v/S) − q ln(1 + S/v) − ln m
//!
//! B needs only x, of which there are few; a distinct (x, S) needs one logarithm, as the two differ by ln S − ln v, and one
//! quotient, π = S/(v+S). Nothing cancels where p, q or v are large, so the way to an edge is as smooth as the way to a maximum.

use crate::newton::Surface;
use crate::special::{gamma_rise, trigamma};
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSlice;

/// Terms are summed in chunks of this size, and the chunks in their order: the sum does not depend on the threads.
const CHUNK: usize = 1 << 14;
/// What rounding may do to a sum of millions of terms, by the sum of their sizes.
const NOISE: f64 = 1e-13;

/// Customers, arranged for the likelihood.
pub(super) struct Likelihood {
    /// Distinct x and how many customers have it.
    repeats: Vec<(f64, f64)>,
    customers: Vec<Customer>,
    /// Σ ln m
    log_means: f64,
}

struct Customer {
    repeats: f64,
    total: f64,
    log_total: f64,
    count: f64,
}

impl Likelihood {
    /// Of distinct (x, total) with their counts, sorted by x.
    pub(super) fn new(distinct: &[((u32, f64), u64)]) -> Self {
        let mut repeats: Vec<(f64, f64)> = Vec::new();
        let mut log_means = 0.0;
        let mut customers = Vec::with_capacity(distinct.len());
        for ((x, total), count) in distinct {
            let (x, count) = (f64::from(*x), *count as f64);
            match repeats.last_mut() {
                Some((last, sum)) if *last == x => *sum += count,
                _ => repeats.push((x, count)),
            }
            let log_total = libm::log(*total);
            log_means += count * (log_total - libm::log(x));
            customers.push(Customer { repeats: x, total: *total, log_total, count });
        }
        Self { repeats, customers, log_means }
    }

    /// At the logarithms of p, q, v.
    pub(super) fn evaluate(&self, logs: &[f64; 3]) -> Surface<3> {
        let parameters @ [p, q, v] = logs.map(libm::exp);
        let chunks: Vec<Sums> = self
            .customers
            .par_chunks(CHUNK)
            .map(|chunk| chunk.iter().fold(Sums::default(), |sums, customer| sums.with(customer, v, logs[2])))
            .collect();
        let sums = chunks.iter().fold(Sums::default(), Sums::and);

        let mut value = -p * sums.x_above - q * sums.below - self.log_means;
        let mut noise = value.abs();
        // By ln v the slope is qπ − px(1−π), and its own slope −(px+q)π(1−π).
        let slope = q * sums.share - p * sums.x_rest;
        let bend = -p * sums.x_both - q * sums.both;
        let mut gradient = [-sums.x_above, -sums.below, slope / v];
        let mut hessian = [[0.0; 3]; 3];
        hessian[0][2] = -sums.x_rest / v;
        hessian[1][2] = sums.share / v;
        hessian[2][2] = (bend - slope) / (v * v);
        for (x, count) in &self.repeats {
            let shape = p * x;
            let ([over_shape, by_shape, shape_bend], [over_q, by_q, q_bend]) = (gamma_rise(shape, q), gamma_rise(q, shape));
            let log_beta = if shape < q { libm::lgamma(shape) - over_q } else { libm::lgamma(q) - over_shape };
            value -= count * log_beta;
            noise += count * (libm::lgamma(shape.min(q)).abs() + log_beta.abs());
            gradient[0] += count * x * by_shape;
            gradient[1] += count * by_q;
            hessian[0][0] += count * x * x * shape_bend;
            hessian[0][1] += count * x * trigamma(shape + q);
            hessian[1][1] += count * q_bend;
        }
        Surface::from_natural([value, NOISE * noise], &parameters, gradient, hessian)
    }
}

/// Sums over customers.
#[derive(Clone, Copy, Default)]
struct Sums {
    /// x ln(1 + v/S)
    x_above: f64,
    /// ln(1 + S/v)
    below: f64,
    /// π
    share: f64,
    /// x(1−π)
    x_rest: f64,
    /// π(1−π)
    both: f64,
    /// xπ(1−π)
    x_both: f64,
}

impl Sums {
    #[inline]
    fn with(mut self, customer: &Customer, v: f64, log_v: f64) -> Self {
        let Customer { repeats, total, log_total, count } = *customer;
        let (above, below) = if total > v {
            let above = libm::log1p(v / total);
            (above, above + (log_total - log_v))
        } else {
            let below = libm::log1p(total / v);
            (below + (log_v - log_total), below)
        };
        let inverse = 1.0 / (v + total);
        let (share, rest) = (total * inverse, v * inverse);
        let by_x = count * repeats;
        self.x_above += by_x * above;
        self.below += count * below;
        self.share += count * share;
        self.x_rest += by_x * rest;
        self.both += count * share * rest;
        self.x_both += by_x * share * rest;
        self
    }

    fn and(mut self, other: &Self) -> Self {
        self.x_above += other.x_above;
        self.below += other.below;
        self.share += other.share;
        self.x_rest += other.x_rest;
        self.both += other.both;
        self.x_both += other.x_both;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Equation 1a as it stands.
    fn obvious(x: f64, mean: f64, [p, q, v]: [f64; 3]) -> f64 {
        libm::lgamma(p * x + q) - libm::lgamma(p * x) - libm::lgamma(q)
            + q * libm::log(v)
            + (p * x - 1.0) * libm::log(mean)
            + p * x * libm::log(x)
            - (p * x + q) * libm::log(v + mean * x)
    }

    proptest! {
        #[test]
        fn value_and_derivatives(
            mut distinct in prop::collection::vec(((1_u32..50, 1.0_f64..1e5), 1_u64..4), 1..20),
            logs in prop::array::uniform3(-1.0_f64..3.0),
        ) {
            const STEP: f64 = 1e-5;
            distinct.sort_by_key(|((x, _), _)| *x);
            let likelihood = Likelihood::new(&distinct);
            let at = likelihood.evaluate(&logs);
            let parameters = logs.map(libm::exp);
            let expected: f64 = distinct
                .iter()
                .map(|((x, total), count)| *count as f64 * obvious(f64::from(*x), total / f64::from(*x), parameters))
                .sum();
            let near = 1e-6 * (1.0 + expected.abs());
            prop_assert!((at.value - expected).abs() < 1e-5 * near, "{} {expected}", at.value);
            for i in 0..3 {
                let [below, above] = [-STEP, STEP].map(|step| {
                    let mut logs = logs;
                    logs[i] += step;
                    likelihood.evaluate(&logs)
                });
                let difference = (above.value - below.value) / (2.0 * STEP);
                prop_assert!((at.gradient[i] - difference).abs() < near, "{i}: {} {difference}", at.gradient[i]);
                for j in 0..3 {
                    let difference = (above.gradient[j] - below.gradient[j]) / (2.0 * STEP);
                    prop_assert!((at.hessian[i][j] - difference).abs() < near, "{i} {j}: {} {difference}", at.hessian[i][j]);
                }
            }
        }
    }
}
