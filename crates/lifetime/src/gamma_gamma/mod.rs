//! Gamma-Gamma: how much a customer spends on a purchase.
//!
//! What a customer spends on one purchase has a gamma distribution of shape p and of an inverse scale ν of their own; over
//! customers ν has a gamma distribution of shape q and inverse scale v (γ in the paper). How much one spends is taken to have
//! nothing to do with how often one buys. Fader, Hardie, "The Gamma-Gamma model of monetary value" (2013), after Colombo,
//! Jiang (1999).
//!
//! Where it cannot be fitted, [`Spending`] takes the means as they were observed.

mod likelihood;
mod spending;

use crate::error::{Edge, FitError, InputError};
use crate::newton::{End, Outcome, maximise};
use likelihood::Likelihood;
pub use spending::{Spending, SpendingStatistics};

/// Means that differ by less than this of themselves are one.
const SAME: f64 = 1e-12;

/// The parameters of Gamma-Gamma: how customers differ in what they spend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GammaGamma {
    p: f64,
    q: f64,
    v: f64,
}

/// A fit and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GammaGammaFit {
    /// The parameters at the maximum.
    pub model: GammaGamma,
    /// The logarithm of the likelihood there, in the unit of the amounts.
    pub log_likelihood: f64,
    /// How many customers it was fitted on: those with repeat purchases of a positive mean.
    pub customers: u64,
    /// How many customers with repeat purchases were excluded, as their mean is zero or below.
    pub excluded: u64,
    /// Steps made.
    pub iterations: u32,
    /// The largest component of the gradient by the logarithms of the parameters, per customer: near 10⁻¹² or below.
    pub gradient: f64,
}

/// Fits Gamma-Gamma by maximum likelihood.
///
/// The result depends on the customers alone: not on their order, shards or threads, and not on the machine.
///
/// # Errors
/// Where nobody has repeat purchases of a positive mean, where all have the same mean, or where the likelihood has no
/// maximum: [`FitError::SpendingAtEdge`] says which way it rises. The population's mean is known all the same:
/// [`Spending::new`] takes the fit or, failing that, what was observed.
pub fn fit(statistics: &SpendingStatistics) -> Result<GammaGammaFit, FitError> {
    let distinct = statistics.distinct();
    let (customers, excluded) = (statistics.repeaters(), statistics.excluded());
    let Some(mean) = statistics.observed_mean() else {
        return Err(FitError::NoRepeaters { excluded });
    };
    let (least, most) = distinct.iter().fold((f64::INFINITY, 0.0_f64), |(least, most), ((x, total), _)| {
        let mean = total / f64::from(*x);
        (least.min(mean), most.max(mean))
    });
    if most - least <= SAME * most {
        return Err(FitError::SameMean { customers, mean });
    }
    let likelihood = Likelihood::new(&distinct);
    drop(distinct);

    // p v/(q−1) is the population's mean.
    const STARTS: [[f64; 2]; 4] = [[6.0, 4.0], [1.0, 2.0], [20.0, 3.0], [2.0, 30.0]];
    let scale = [0.0, 0.0, libm::log(mean)];
    let search = |[p, q]: [f64; 2]| {
        let logs = [libm::log(p), libm::log(q), libm::log(mean * (q - 1.0) / p)];
        maximise(logs, scale, |logs| likelihood.evaluate(logs))
    };
    // There is one maximum, or an edge that is higher than all else: other starts are for where the first gets lost.
    let mut found = search(STARTS[0]);
    for start in &STARTS[1..] {
        if found.end == End::Maximum {
            break;
        }
        found = better(found, search(*start));
    }

    let [p, q, v] = found.logs.map(libm::exp);
    let model = GammaGamma { p, q, v };
    let gradient = found.surface.steepness() / customers as f64;
    match found.end {
        End::Maximum => Ok(GammaGammaFit {
            model,
            log_likelihood: found.surface.value,
            customers,
            excluded,
            iterations: found.iterations,
            gradient,
        }),
        End::Edge(heading) => Err(FitError::SpendingAtEdge { edge: edge(heading), reached: model }),
        End::Lost => Err(FitError::NotConverged { iterations: found.iterations, gradient }),
    }
}

/// The higher one; of equal ones, but for rounding, a maximum before an edge, and the first.
fn better(best: Outcome<3>, next: Outcome<3>) -> Outcome<3> {
    let near = 1e-9 * best.surface.value.abs();
    let equal = (next.surface.value - best.surface.value).abs() <= near;
    let preferred = equal && next.end == End::Maximum && best.end != End::Maximum;
    if preferred || next.surface.value > best.surface.value + near { next } else { best }
}

fn edge([p, q, v]: [i8; 3]) -> Edge {
    match (p, q, v) {
        (1, _, _) => Edge::SameWithin,
        (_, 1, _) | (0, 0, 1) => Edge::SameBetween,
        (0, 0, 0) => Edge::Undetermined,
        _ => Edge::Unbounded,
    }
}

impl GammaGamma {
    /// The model of these parameters, `v` in the unit of the amounts.
    ///
    /// # Errors
    /// Where a parameter is not between 10⁻⁹ and 10¹⁸.
    pub fn new(p: f64, q: f64, v: f64) -> Result<Self, InputError> {
        for (name, value) in [("p", p), ("q", q), ("v", v)] {
            if !(1e-9..=1e18).contains(&value) {
                return Err(InputError::Parameter { name, value });
            }
        }
        Ok(Self { p, q, v })
    }

    /// The shape of what one customer spends on a purchase.
    #[must_use]
    pub fn p(&self) -> f64 {
        self.p
    }

    /// The shape of the distribution of ν.
    #[must_use]
    pub fn q(&self) -> f64 {
        self.q
    }

    /// The inverse scale of that distribution, in the unit of the amounts (γ in the paper).
    #[must_use]
    pub fn v(&self) -> f64 {
        self.v
    }

    /// What purchases are worth on average over all customers, p·v/(q−1), in the unit of the amounts. `None` where q ≤ 1: then
    /// the tail is so long that there is no mean.
    #[must_use]
    pub fn population_mean(&self) -> Option<f64> {
        (self.q > 1.0).then(|| self.p * self.v / (self.q - 1.0))
    }

    /// What the purchases of a customer will be worth on average, after `repeats` repeat purchases of the mean `mean`:
    /// equation 5 of the paper, p·(v + m·x)/(p·x + q − 1), which lies between the customer's mean and the population's.
    ///
    /// Without repeat purchases, or where their mean is not positive, it is the population's mean. `None` where q ≤ 1.
    #[must_use]
    pub fn expected_mean(&self, repeats: u32, mean: f64) -> Option<f64> {
        let population = self.population_mean()?;
        if repeats == 0 || !(mean > 0.0 && mean.is_finite()) {
            return Some(population);
        }
        let own = self.p * f64::from(repeats);
        let weight = own / (own + self.q - 1.0);
        Some(population + weight * (mean - population))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn statistics(customers: &[(u32, i128)]) -> SpendingStatistics {
        let mut statistics = SpendingStatistics::default();
        customers.iter().for_each(|(repeats, total)| statistics.add(*repeats, *total));
        statistics
    }

    #[test]
    fn what_cannot_be_fitted_says_so() {
        let message = |customers: &[(u32, i128)]| fit(&statistics(customers)).expect_err("no fit").to_string();
        assert_eq!(
            message(&[]),
            "no customers with repeat purchases of a positive mean; 0 were excluded for a mean of zero or below"
        );
        assert_eq!(
            message(&[(0, 0), (2, -300), (1, 0)]),
            "no customers with repeat purchases of a positive mean; 2 were excluded for a mean of zero or below"
        );
        assert_eq!(
            message(&[(1, 700), (3, 2_100), (7, 4_900)]),
            "all 3 customers with repeat purchases spend 700 on average, so how customers differ is undefined"
        );
    }

    #[test]
    fn edges_are_told_apart() {
        // Quantiles of the inverse of an exponential distribution: ν in full view, as it is where p is infinite.
        let inverse = |i: i32| (1e7 / -libm::log((f64::from(i) + 0.5) / 400.0)) as i128;
        let constant: Vec<_> = (0..400).flat_map(|i| [1, 2, 8].map(|x| (x, i128::from(x) * inverse(i)))).collect();
        let found = fit(&statistics(&constant));
        assert!(matches!(found, Err(FitError::SpendingAtEdge { edge: Edge::SameWithin, .. })), "{found:?}");
        // One mean for all, from which few purchases stray and many do not.
        let equal: Vec<_> =
            (0..400_i32).map(|i| (1 + i as u32 % 40, i128::from((1 + i % 40) * 1_000 + (i / 40 - 5) * 100))).collect();
        let found = fit(&statistics(&equal));
        assert!(matches!(found, Err(FitError::SpendingAtEdge { edge: Edge::SameBetween, .. })), "{found:?}");
    }

    #[test]
    fn no_mean_where_the_tail_is_too_long() {
        let model = GammaGamma::new(6.0, 1.0, 15.0).expect("parameters");
        assert_eq!(model.population_mean(), None);
        assert_eq!(model.expected_mean(3, 20.0), None);
        assert!(GammaGamma::new(6.0, -1.0, 15.0).is_err());
    }

    proptest! {
        #[test]
        fn a_customer_is_between_themselves_and_all(
            p in 0.1_f64..50.0, q in 1.01_f64..50.0, v in 0.1_f64..1e6, x in 0_u32..500, mean in 0.01_f64..1e7,
        ) {
            let model = GammaGamma::new(p, q, v).expect("parameters");
            let population = model.population_mean().expect("a mean");
            let expected = model.expected_mean(x, mean).expect("a mean");
            prop_assert!(expected >= population.min(mean) * (1.0 - 1e-12) && expected <= population.max(mean) * (1.0 + 1e-12));
            let paper = p * (v + mean * f64::from(x)) / (p * f64::from(x) + q - 1.0);
            prop_assert!((expected / paper - 1.0).abs() < 1e-9);
        }
    }
}
