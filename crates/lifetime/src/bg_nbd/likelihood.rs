//! The log-likelihood of BG/NBD with its gradient and Hessian, over customers counted.
//!
//! Of one customer it is (Fader, Hardie, Lee 2005, equation 6)
//!
//! > ln L = ln Γ(r+x)/Γ(r) + ln B(a,b+x)/B(a,b) + r ln α − (r+x) ln(α+T) + ln(1 + δ · a/(b+x−1) · ((α+T)/(α+t_x))^(r+x))
//!
//! with δ = 1 where x > 0. As x is whole, the first two are sums over i < x of ln(r+i) and of −ln(1 + a/(b+i)), so over
//! all customers they need only how many have more than i repeats: no Γ at all, and nothing to cancel where parameters
//! are large. The next two need only T. What is left for each distinct (x, t_x, T) is one exponential and one logarithm,
//! as the logarithms of the times are looked up. Dividing all times by α first keeps digits where α is large.

use crate::history::History;
use crate::newton::Surface;
use crate::special::softplus;
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSlice;
use rustc_hash::{FxHashMap, FxHashSet};

/// Terms are summed in chunks of this size, and the chunks in their order: the sum does not depend on the threads.
const CHUNK: usize = 1 << 14;
/// What rounding may do to a sum of millions of terms, most of them of one sign.
const NOISE: f64 = 1e-13;

/// Customers, arranged for the likelihood.
#[derive(Clone, Debug)]
pub(crate) struct Likelihood {
    /// How many customers have more than i repeats.
    tails: Vec<f64>,
    /// Distinct t_x and T in weeks.
    times: Vec<f64>,
    /// Those who are there at each of the times as T: customers and their repeats.
    ages: Vec<Age>,
    /// Distinct x above zero.
    repeats: Vec<f64>,
    /// Customers with x > 0, in a fixed order.
    triples: Vec<Triple>,
}

#[derive(Clone, Copy, Debug)]
struct Age {
    time: usize,
    customers: f64,
    repeats: f64,
}

/// Places of x in `repeats`, of t_x and T in `times`, and how many customers have them.
#[derive(Clone, Copy, Debug)]
struct Triple {
    repeats: u32,
    recency: u32,
    age: u32,
    count: f64,
}

/// What a parameter set makes of one time.
#[derive(Clone, Copy)]
struct Time {
    /// ln((α+t)/α)
    log: f64,
    /// Its derivative by α, with 1/α added: 1/(α+t).
    inverse: f64,
}

impl Likelihood {
    pub(crate) fn new(distinct: &[(History, u64)]) -> Self {
        let times: FxHashSet<u64> =
            distinct.iter().flat_map(|(history, _)| [history.recency_weeks().to_bits(), history.age_weeks().to_bits()]).collect();
        let times = sorted(times);
        let place_of_time = places(&times);
        let repeats = sorted(distinct.iter().map(|(history, _)| history.repeats()).filter(|repeats| *repeats > 0).collect());
        let place_of_repeats = places(&repeats);

        let mut by_age = vec![(0_u64, 0_u64); times.len()];
        let mut by_repeats = vec![0_u64; repeats.last().map_or(0, |most| *most as usize)];
        let mut triples = Vec::with_capacity(distinct.len());
        for (history, count) in distinct {
            let age = place_of_time[&history.age_weeks().to_bits()];
            let (customers, bought) = &mut by_age[age as usize];
            *customers += count;
            *bought = bought.saturating_add(count.saturating_mul(u64::from(history.repeats())));
            if history.repeats() > 0 {
                by_repeats[history.repeats() as usize - 1] += count;
                triples.push(Triple {
                    repeats: place_of_repeats[&history.repeats()],
                    recency: place_of_time[&history.recency_weeks().to_bits()],
                    age,
                    count: *count as f64,
                });
            }
        }
        let mut above = 0;
        for customers in by_repeats.iter_mut().rev() {
            above += *customers;
            *customers = above;
        }
        let ages = by_age.iter().enumerate().filter(|(_, (customers, _))| *customers > 0);
        Self {
            tails: by_repeats.into_iter().map(|customers| customers as f64).collect(),
            ages: ages
                .map(|(time, (customers, repeats))| Age { time, customers: *customers as f64, repeats: *repeats as f64 })
                .collect(),
            times: times.into_iter().map(f64::from_bits).collect(),
            repeats: repeats.into_iter().map(f64::from).collect(),
            triples,
        }
    }

    /// The same with at most `most` of the triples, evenly spaced, each standing for those left out beside it: near enough
    /// to say where to start. All else stays exact.
    pub(crate) fn thinned(&self, most: usize) -> Option<Self> {
        let stride = self.triples.len().div_ceil(most.max(1));
        (stride > 1).then(|| {
            let kept = self.triples.iter().skip(stride / 2).step_by(stride);
            let triples = kept.map(|triple| Triple { count: triple.count * stride as f64, ..*triple }).collect();
            let (tails, times, ages, repeats) = (self.tails.clone(), self.times.clone(), self.ages.clone(), self.repeats.clone());
            Self { tails, times, ages, repeats, triples }
        })
    }

    /// Repeat purchases in all, and weeks in which they were made.
    pub(crate) fn exposure(&self) -> (f64, f64) {
        let add = |(repeats, weeks): (f64, f64), age: &Age| (repeats + age.repeats, weeks + age.customers * self.times[age.time]);
        self.ages.iter().fold((0.0, 0.0), add)
    }

    /// At the logarithms of r, α, a, b.
    pub(crate) fn evaluate(&self, logs: &[f64; 4]) -> Surface<4> {
        let parameters @ [r, alpha, a, b] = logs.map(libm::exp);
        let times: Vec<Time> =
            self.times.iter().map(|time| Time { log: libm::log1p(time / alpha), inverse: 1.0 / (alpha + time) }).collect();

        let mut value = 0.0;
        let mut gradient = [0.0; 4];
        let mut hessian = [[0.0; 4]; 4];
        for (i, above) in self.tails.iter().enumerate() {
            let i = i as f64;
            let (by_r, by_b, by_ab) = (1.0 / (r + i), 1.0 / (b + i), 1.0 / (a + b + i));
            value += above * (libm::log((r + i) / alpha) - libm::log1p(a * by_b));
            gradient[0] += above * by_r;
            hessian[0][0] -= above * by_r * by_r;
            // 1/(b+i) − 1/(a+b+i) without the difference.
            let difference = a * by_b * by_ab;
            gradient[2] -= above * by_ab;
            gradient[3] += above * difference;
            hessian[2][2] += above * by_ab * by_ab;
            hessian[2][3] += above * by_ab * by_ab;
            hessian[3][3] -= above * difference * (by_b + by_ab);
        }
        for age in &self.ages {
            let time = times[age.time];
            // t/(α(α+t)) and its derivative, again without differences.
            let slope = -self.times[age.time] / alpha * time.inverse;
            let bend = -slope * (time.inverse + 1.0 / alpha);
            let weight = r * age.customers + age.repeats;
            value -= weight * time.log;
            gradient[0] -= age.customers * time.log;
            gradient[1] -= weight * slope + age.repeats / alpha;
            hessian[0][1] -= age.customers * slope;
            hessian[1][1] += age.repeats / (alpha * alpha) - weight * bend;
        }
        self.add_mixture(&times, &parameters, &mut value, &mut gradient, &mut hessian);
        Surface::from_natural([value, NOISE * value.abs()], &parameters, gradient, hessian)
    }

    /// Adds the last term, ln(1 + eᶻ) with z = ln(a/(b+x−1)) + (r+x) · ln((α+T)/(α+t_x)).
    fn add_mixture(
        &self,
        times: &[Time],
        &[r, _, a, b]: &[f64; 4],
        value: &mut f64,
        gradient: &mut [f64; 4],
        hessian: &mut [[f64; 4]; 4],
    ) {
        let by_repeats: Vec<(f64, f64, f64)> =
            self.repeats.iter().map(|x| (libm::log(a / (b + x - 1.0)), r + x, 1.0 / (b + x - 1.0))).collect();
        let chunks: Vec<Sums> = self
            .triples
            .par_chunks(CHUNK)
            .map(|chunk| chunk.iter().fold(Sums::default(), |sums, triple| sums.with(triple, times, &by_repeats)))
            .collect();
        let sums = chunks.iter().fold(Sums::default(), Sums::and);

        // z by r, α, a, b: its slopes in the order of the sums; by a it is 1/a throughout.
        let ([one, log, pull, back], square) = (sums.slope, sums.square);
        *value += sums.value;
        gradient[0] += log;
        gradient[1] += pull;
        gradient[2] += one / a;
        gradient[3] -= back;
        hessian[0][0] += square.log_log;
        hessian[0][1] += square.log_pull + sums.twist;
        hessian[0][2] += square.log / a;
        hessian[0][3] -= square.log_back;
        hessian[1][1] += square.pull_pull + sums.bend;
        hessian[1][2] += square.pull / a;
        hessian[1][3] -= square.pull_back;
        hessian[2][2] += (square.one - one) / (a * a);
        hessian[2][3] -= square.back / a;
        hessian[3][3] += square.back_back + sums.back_back;
    }
}

/// Sums over customers, for the value, for the gradient and for the Hessian. Each customer's ln(1 + eᶻ) has the slope
/// σ = 1/(1 + e⁻ᶻ) by z, and σ(1−σ) is that slope's slope.
#[derive(Clone, Copy, Default)]
struct Sums {
    value: f64,
    /// σ · (1, ∂z/∂r, ∂z/∂α, 1/(b+x−1))
    slope: [f64; 4],
    /// σ · ∂²z/∂r∂α
    twist: f64,
    /// σ · ∂²z/∂α²
    bend: f64,
    /// σ · 1/(b+x−1)²
    back_back: f64,
    square: Square,
}

/// σ(1−σ) times products of ∂z/∂r (log), ∂z/∂α (pull) and 1/(b+x−1) (back).
#[derive(Clone, Copy, Default)]
struct Square {
    one: f64,
    log: f64,
    pull: f64,
    back: f64,
    log_log: f64,
    log_pull: f64,
    log_back: f64,
    pull_pull: f64,
    pull_back: f64,
    back_back: f64,
}

impl Sums {
    #[inline]
    fn with(mut self, triple: &Triple, times: &[Time], by_repeats: &[(f64, f64, f64)]) -> Self {
        let (odds, shape, back) = by_repeats[triple.repeats as usize];
        let (recency, age) = (times[triple.recency as usize], times[triple.age as usize]);
        let log = age.log - recency.log;
        let twist = age.inverse - recency.inverse;
        let pull = shape * twist;
        let (value, sigma) = softplus(odds + shape * log);
        let slope = triple.count * sigma;
        let square = slope * (1.0 - sigma);
        self.value += triple.count * value;
        self.slope[0] += slope;
        self.slope[1] += slope * log;
        self.slope[2] += slope * pull;
        self.slope[3] += slope * back;
        self.twist += slope * twist;
        self.bend -= slope * pull * (age.inverse + recency.inverse);
        self.back_back += slope * back * back;
        let sums = &mut self.square;
        sums.one += square;
        sums.log += square * log;
        sums.pull += square * pull;
        sums.back += square * back;
        sums.log_log += square * log * log;
        sums.log_pull += square * log * pull;
        sums.log_back += square * log * back;
        sums.pull_pull += square * pull * pull;
        sums.pull_back += square * pull * back;
        sums.back_back += square * back * back;
        self
    }

    fn and(mut self, other: &Self) -> Self {
        self.value += other.value;
        self.slope.iter_mut().zip(other.slope).for_each(|(sum, more)| *sum += more);
        self.twist += other.twist;
        self.bend += other.bend;
        self.back_back += other.back_back;
        let (sums, more) = (&mut self.square, &other.square);
        sums.one += more.one;
        sums.log += more.log;
        sums.pull += more.pull;
        sums.back += more.back;
        sums.log_log += more.log_log;
        sums.log_pull += more.log_pull;
        sums.log_back += more.log_back;
        sums.pull_pull += more.pull_pull;
        sums.pull_back += more.pull_back;
        sums.back_back += more.back_back;
        self
    }
}

fn sorted<K: Ord>(distinct: FxHashSet<K>) -> Vec<K> {
    let mut keys: Vec<K> = distinct.into_iter().collect();
    keys.sort_unstable();
    keys
}

fn places<K: Copy + Eq + std::hash::Hash>(keys: &[K]) -> FxHashMap<K, u32> {
    keys.iter().enumerate().map(|(place, key)| (*key, place as u32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Equation 6 as it stands.
    fn obvious(history: &History, [r, alpha, a, b]: [f64; 4]) -> f64 {
        let (x, recency, age) = (f64::from(history.repeats()), history.recency_weeks(), history.age_weeks());
        let beta = |a: f64, b: f64| libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
        let first = beta(a, b + x) - beta(a, b) + libm::lgamma(r + x) - libm::lgamma(r) + r * libm::log(alpha)
            - (r + x) * libm::log(alpha + age);
        if history.repeats() == 0 {
            return first;
        }
        let second = beta(a + 1.0, b + x - 1.0) - beta(a, b) + libm::lgamma(r + x) - libm::lgamma(r) + r * libm::log(alpha)
            - (r + x) * libm::log(alpha + recency);
        let larger = first.max(second);
        larger + libm::log(libm::exp(first - larger) + libm::exp(second - larger))
    }

    fn histories() -> impl Strategy<Value = Vec<(History, u64)>> {
        let history = (0_u32..60, 0_u32..700, 0_u32..400, 1_u64..5).prop_filter_map("a history", |(x, recency, more, count)| {
            let recency = if x == 0 { 0 } else { recency.max(x) };
            Some((History::from_days(x, recency, recency + more).ok()?, count))
        });
        prop::collection::vec(history, 1..20)
    }

    proptest! {
        #[test]
        fn the_value_is_the_definition(
            distinct in histories(),
            logs in prop::array::uniform4(-3.0_f64..4.0),
        ) {
            let parameters = logs.map(libm::exp);
            let expected: f64 = distinct.iter().map(|(history, count)| *count as f64 * obvious(history, parameters)).sum();
            let found = Likelihood::new(&distinct).evaluate(&logs).value;
            prop_assert!((found - expected).abs() < 1e-10 * (1.0 + expected.abs()), "{found} {expected}");
        }

        #[test]
        fn derivatives_are_differences(
            distinct in histories(),
            logs in prop::array::uniform4(-3.0_f64..4.0),
        ) {
            const STEP: f64 = 1e-5;
            let likelihood = Likelihood::new(&distinct);
            let at = likelihood.evaluate(&logs);
            for i in 0..4 {
                let [below, above] = [-STEP, STEP].map(|step| {
                    let mut logs = logs;
                    logs[i] += step;
                    likelihood.evaluate(&logs)
                });
                let difference = (above.value - below.value) / (2.0 * STEP);
                let near = 1e-6 * (1.0 + at.value.abs());
                prop_assert!((at.gradient[i] - difference).abs() < near, "{i}: {} {difference}", at.gradient[i]);
                for j in 0..4 {
                    let difference = (above.gradient[j] - below.gradient[j]) / (2.0 * STEP);
                    prop_assert!((at.hessian[i][j] - difference).abs() < near, "{i} {j}: {} {difference}", at.hessian[i][j]);
                    prop_assert_eq!(at.hessian[i][j], at.hessian[j][i]);
                }
            }
        }
    }

    #[test]
    fn a_customer_of_no_age_says_nothing() {
        let newcomers = Likelihood::new(&[(History::new_customer(), 7)]).evaluate(&[0.3, 1.0, -2.0, 0.0]);
        assert_eq!((newcomers.value, newcomers.gradient), (0.0, [0.0; 4]));
    }
}
