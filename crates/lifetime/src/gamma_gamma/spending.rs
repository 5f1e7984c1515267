//! Customers' repeat purchases by number and total, and what customers spend, fitted or observed.

use super::{GammaGamma, GammaGammaFit};
use crate::counted::Counted;
use crate::error::{FitError, InputError};

/// Customers with repeat purchases by (x, total), equal ones counted: what Gamma-Gamma is fitted on. Any order of adding
/// and any division into shards give the same.
#[derive(Clone, Debug, Default)]
pub struct SpendingStatistics {
    /// The bits of the total: of positive floats they sort as the numbers do.
    totals: Counted<(u32, u64)>,
    excluded: u64,
}

impl SpendingStatistics {
    /// One more customer: `repeats` repeat purchases, the same x as in [`crate::History`], worth `total` minor units together.
    ///
    /// Without repeat purchases it adds nothing. A total of zero or below, which the model does not know, is counted as
    /// [`SpendingStatistics::excluded`].
    pub fn add(&mut self, repeats: u32, total: i128) {
        self.add_many(repeats, total, 1);
    }

    /// `count` more customers of the same number and total.
    pub fn add_many(&mut self, repeats: u32, total: i128, count: u64) {
        // Beyond 2⁵³ minor units the total is rounded, which no mean would show.
        self.count(repeats, total as f64, count);
    }

    /// One more customer, from a summary that gives the mean of the repeat purchases in a unit of its own.
    ///
    /// # Errors
    /// Where there are repeat purchases and the mean is not a finite number.
    pub fn add_mean(&mut self, repeats: u32, mean: f64) -> Result<(), InputError> {
        let total = mean * f64::from(repeats);
        if repeats > 0 && !total.is_finite() {
            return Err(InputError::Mean { mean });
        }
        self.count(repeats, total, 1);
        Ok(())
    }

    fn count(&mut self, repeats: u32, total: f64, count: u64) {
        if repeats > 0 && total > 0.0 {
            self.totals.add((repeats, total.to_bits()), count);
        } else if repeats > 0 {
            self.excluded = self.excluded.saturating_add(count);
        }
    }

    /// The customers of another shard as well.
    pub fn merge(&mut self, other: &Self) {
        self.totals.merge(&other.totals);
        self.excluded = self.excluded.saturating_add(other.excluded);
    }

    /// Sorts in what was added last. Without it a fit does so on a copy.
    pub fn compact(&mut self) {
        self.totals.compact();
    }

    /// How many customers have repeat purchases of a positive mean.
    #[must_use]
    pub fn repeaters(&self) -> u64 {
        self.totals.total()
    }

    /// How many customers have repeat purchases of a mean of zero or below.
    #[must_use]
    pub fn excluded(&self) -> u64 {
        self.excluded
    }

    /// The mean over the repeaters of their means, each customer once, as the model has it. `None` where there are none.
    #[must_use]
    pub fn observed_mean(&self) -> Option<f64> {
        let customers = self.repeaters();
        let sum = self
            .distinct()
            .iter()
            .fold(0.0, |sum, ((repeats, total), count)| sum + *count as f64 * (total / f64::from(*repeats)));
        (customers > 0).then(|| sum / customers as f64)
    }

    /// Distinct (x, total) with their counts, always in the same order.
    pub(super) fn distinct(&self) -> Vec<((u32, f64), u64)> {
        self.totals.sorted().iter().map(|((repeats, total), count)| ((*repeats, f64::from_bits(*total)), *count)).collect()
    }
}

/// What customers spend on a purchase: by the model, or as observed where there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Spending {
    /// By the model, which weighs a customer's own mean and the population's.
    Fitted(GammaGamma),
    /// As observed: a customer's own mean, and for who has none the population's.
    Observed {
        /// The population's mean, in the unit of the amounts.
        population: f64,
        /// Why there is no model; `None` where it was fitted and its mean is infinite (q ≤ 1).
        why: Option<FitError>,
    },
}

impl Spending {
    /// The fitted model, if there is one and it has a mean; what was observed elsewhere. `population` is the mean to take
    /// then: [`SpendingStatistics::observed_mean`], or the mean of first purchases where nobody came back.
    #[must_use]
    pub fn new(fit: Result<GammaGammaFit, FitError>, population: f64) -> Self {
        match fit {
            Ok(fit) if fit.model.population_mean().is_some() => Self::Fitted(fit.model),
            Ok(_) => Self::Observed { population, why: None },
            Err(error) => Self::Observed { population, why: Some(error) },
        }
    }

    /// What the purchases of a customer will be worth on average, after `repeats` repeat purchases of the mean `mean`; for
    /// who has none, or none of a positive mean, the population's mean. In the unit of the amounts.
    #[must_use]
    pub fn expected_mean(&self, repeats: u32, mean: f64) -> f64 {
        let observed = |population| if repeats > 0 && mean > 0.0 && mean.is_finite() { mean } else { population };
        match self {
            // A model without a mean is not made by `new`; made by hand, it leaves what was observed.
            Self::Fitted(model) => model.expected_mean(repeats, mean).unwrap_or_else(|| observed(0.0)),
            Self::Observed { population, .. } => observed(*population),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_and_means_are_the_same_customers() {
        let (mut totals, mut means) = (SpendingStatistics::default(), SpendingStatistics::default());
        for (repeats, total) in [(2, 500), (1, 250), (2, 500), (0, 70), (3, 0), (1, -5)] {
            totals.add(repeats, total);
            let mean = if repeats == 0 { f64::NAN } else { total as f64 / f64::from(repeats) };
            means.add_mean(repeats, mean).expect("a mean");
        }
        assert_eq!(totals.distinct(), means.distinct());
        assert_eq!((totals.repeaters(), totals.excluded(), totals.observed_mean()), (3, 2, Some(250.0)));
        totals.merge(&means);
        assert_eq!((totals.repeaters(), totals.excluded(), totals.observed_mean()), (6, 4, Some(250.0)));
        assert_eq!(SpendingStatistics::default().observed_mean(), None);
        let error = means.add_mean(1, f64::INFINITY).expect_err("refused");
        assert_eq!(error.to_string(), "expected a finite mean, found inf");
    }

    #[test]
    fn without_a_model_means_are_as_observed() {
        let spending = Spending::new(Err(FitError::NoRepeaters { excluded: 0 }), 42.0);
        assert_eq!(spending.expected_mean(0, 0.0), 42.0);
        assert_eq!(spending.expected_mean(3, 10.0), 10.0);
        assert_eq!(spending.expected_mean(3, -10.0), 42.0);
        assert_eq!(spending.expected_mean(3, f64::NAN), 42.0);
        let model = GammaGamma::new(6.0, 0.9, 15.0).expect("parameters");
        let fit = GammaGammaFit { model, log_likelihood: 0.0, customers: 9, excluded: 0, iterations: 1, gradient: 0.0 };
        assert_eq!(Spending::new(Ok(fit), 42.0), Spending::Observed { population: 42.0, why: None });
    }
}
