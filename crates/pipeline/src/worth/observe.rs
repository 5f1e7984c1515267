//! A look at all customers before one of them is valued: when each bought and for how much, and what that says of the others.

use attributary_core::table::{Column, Field, Rows};
use attributary_core::time::Day;
use attributary_core::value::{ColumnType, Value};
use attributary_engine::conversions::Converted;
use attributary_engine::histories::{History, Observation, OrderKinds, Predict};
use attributary_engine::{EngineError, Setup, Worth};
use attributary_lifetime::{
    BgNbdFit, DiscountedPurchases, FitError, GammaGammaFit, Horizon, LifetimeValue, PurchaseStatistics, Spending,
    SpendingStatistics, bg_nbd, gamma_gamma,
};
use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};
use rustc_hash::FxHashMap;

use crate::error::Error;
use crate::file::Pipeline;

/// What was learnt of all customers.
pub(crate) struct Fits {
    purchases: Result<BgNbdFit, FitError>,
    spending: Result<GammaGammaFit, FitError>,
    /// The customers, and those of them who came back on another day.
    customers: u64,
    repeaters: u64,
    /// The mean of what repeat purchases, or first ones where nobody came back, were worth, in minor units.
    observed_mean: f64,
}

/// What one bucket says.
#[derive(Default)]
struct Seen {
    last: Option<Day>,
    /// By repeat days, days from the first order to the last, first day: how many customers.
    purchases: FxHashMap<(u32, u32, Day), u64>,
    spending: SpendingStatistics,
    first_orders: (i128, u64),
    wrong: Option<EngineError>,
}

/// Looks at all customers; none where nobody asks.
pub(crate) fn observe(
    pipeline: &Pipeline,
    setup: &Setup,
    converted: &mut Converted,
) -> Result<Option<(Observation, Option<Fits>)>, Error> {
    let (Some(customers), Some(entry)) = (&setup.customers, &pipeline.customers) else { return Ok(None) };
    // Of all days that are looked at, which for a merged run are more than those that were asked for.
    let last = entry.until.or(setup.range.to.map(|to| to - 1));
    let orders = OrderKinds::of(setup, &converted.kinds);
    let budget = std::sync::Arc::clone(&converted.budget);
    let of_bucket = |bucket: &mut attributary_engine::conversions::ConversionBucket| {
        let mut seen = Seen::default();
        match bucket.look(setup, None, &budget) {
            Ok(conversions) => {
                for customer in conversions.each_customer() {
                    let events = customer.map(|conversion| conversions.event(conversion, &orders, setup));
                    if let Some(history) = History::of(events.clone(), last) {
                        seen.add(&history, customers.worth());
                        // Refunds come late, and must be seen too.
                        seen.last = seen.last.max(events.filter(|event| event.order).map(|event| event.day).max());
                    }
                }
            }
            Err(error) => seen.wrong = Some(error),
        }
        seen
    };
    // Counts are exact in any order; the fits put them in one of their own.
    // The second half is of conversions without customer.
    let known = converted.buckets.len() / 2;
    let mut seen = converted.buckets[..known].par_iter_mut().map(of_bucket).reduce(Seen::default, Seen::merge);
    if let Some(error) = seen.wrong.take() {
        return Err(error.into());
    }
    let Some(until) = last.or(seen.last) else {
        return Ok(Some((Observation { until: Day::MIN, predict: None }, None)));
    };
    let predicts = customers.tables || setup.worths.iter().any(|worth| !matches!(worth, Worth::Historic { .. }));
    if !predicts {
        return Ok(Some((Observation { until, predict: None }, None)));
    }
    let mut horizons = vec![customers.horizon];
    horizons.extend(setup.worths.iter().filter_map(|worth| match worth {
        Worth::Predicted { horizon } | Worth::Total { horizon, .. } => Some(*horizon),
        Worth::Historic { .. } => None,
    }));
    let fits = seen.fit(until);
    let predict = fits.predict(&horizons, entry.discount_rate, until, customers.worth(), &seen)?;
    Ok(Some((Observation { until, predict }, Some(fits))))
}

impl Seen {
    fn add(&mut self, history: &History, worth: usize) {
        let recency = (history.last_day - history.first_day) as u32;
        *self.purchases.entry((history.repeat_days, recency, history.first_day)).or_default() += 1;
        self.spending.add(history.repeat_days, history.repeats[worth]);
        self.first_orders.0 += history.values[worth] - history.repeats[worth];
        self.first_orders.1 += 1;
    }

    fn merge(mut self, other: Self) -> Self {
        self.last = self.last.max(other.last);
        for (key, count) in other.purchases {
            *self.purchases.entry(key).or_default() += count;
        }
        self.spending.merge(&other.spending);
        self.first_orders.0 += other.first_orders.0;
        self.first_orders.1 += other.first_orders.1;
        self.wrong = self.wrong.or(other.wrong);
        self
    }

    fn fit(&self, until: Day) -> Fits {
        let mut statistics = PurchaseStatistics::default();
        for ((repeats, recency, first), count) in &self.purchases {
            if let Ok(history) = attributary_lifetime::History::from_days(*repeats, *recency, age(*first, until)) {
                statistics.add_many(&history, *count);
            }
        }
        let (sum, count) = self.first_orders;
        let of_first = if count == 0 { 0.0 } else { sum as f64 / count as f64 };
        Fits {
            purchases: bg_nbd::fit(&statistics),
            spending: gamma_gamma::fit(&self.spending),
            customers: count,
            repeaters: self.spending.repeaters(),
            observed_mean: self.spending.observed_mean().unwrap_or(of_first),
        }
    }
}

/// Days from the first order to the end of the observation.
fn age(first: Day, until: Day) -> u32 {
    u32::try_from(i64::from(until) - i64::from(first)).unwrap_or(0)
}

impl Fits {
    fn predict(
        &self,
        horizons: &[u32],
        discount_rate: f64,
        until: Day,
        worth: usize,
        seen: &Seen,
    ) -> Result<Option<Box<dyn Predict + Send>>, Error> {
        let Ok(fit) = &self.purchases else { return Ok(None) };
        let spending = Spending::new(self.spending.clone(), self.observed_mean);
        let mut values = FxHashMap::default();
        let histories: Vec<attributary_lifetime::History> = seen
            .purchases
            .keys()
            .filter_map(|(repeats, recency, first)| {
                attributary_lifetime::History::from_days(*repeats, *recency, age(*first, until)).ok()
            })
            .collect();
        for &days in horizons {
            let horizon = Horizon::new(days, discount_rate).map_err(|error| Error::Usage {
                problem: format!("customers: {error}"),
                hint: Some("give a horizon such as \"52w\" and a yearly discount_rate such as 0.1".to_owned()),
            })?;
            let mut purchases = DiscountedPurchases::new(fit.model, horizon);
            purchases.prepare(&histories);
            values.insert(days, LifetimeValue::new(purchases, spending.clone()));
        }
        Ok(Some(Box::new(Prediction { fit: *fit, values, until, worth })))
    }

    /// Whether what customers will bring can be foreseen.
    pub fn foresee(&self) -> bool {
        self.purchases.is_ok()
    }

    /// What someone should know of fits that could not be made.
    pub fn warnings(&self, exponent: u8) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Err(error) = &self.purchases {
            warnings.push(format!(
                "customers' future purchases cannot be foreseen: {error}; predicted_clv is null, as a value 0, and total_clv is what came so far"
            ));
        }
        if let (Ok(_), Err(error)) = (&self.purchases, &self.spending) {
            let problem = match error {
                // The fit knows minor units only.
                FitError::SameMean { customers, mean } => {
                    FitError::SameMean { customers: *customers, mean: mean / unit(exponent) }.to_string()
                }
                other => other.to_string(),
            };
            warnings.push(format!("customers' spending has no model: {problem}; what was observed is taken instead"));
        }
        warnings
    }

    /// The columns of `customer_value_fit`.
    pub fn fields() -> Vec<Field> {
        let text = |name| Field::new(name, ColumnType::Text);
        vec![text("model"), text("statistic"), Field::new("value", ColumnType::Float { bits: 64 }), text("note")]
    }

    /// What was fitted, statistic by statistic; `exponent` says how many minor units a major one has.
    pub fn rows(&self, exponent: u8) -> Rows {
        let unit = unit(exponent);
        let mut lines: Vec<FitLine> = vec![
            ("data", "customers", Some(self.customers as f64), String::new()),
            ("data", "repeaters", Some(self.repeaters as f64), String::new()),
            (
                "data",
                "observed_mean",
                Some(self.observed_mean / unit),
                "the mean of the customers' means of repeat purchases, or of first ones where nobody came back".to_owned(),
            ),
        ];
        match &self.purchases {
            Ok(fit) => {
                let model = &fit.model;
                for (name, value) in [("r", model.r()), ("alpha", model.alpha()), ("a", model.a()), ("b", model.b())] {
                    lines.push(("bg_nbd", name, Some(value), String::new()));
                }
                lines.push(("bg_nbd", "log_likelihood", Some(fit.log_likelihood), String::new()));
            }
            Err(error) => lines.push(("bg_nbd", "not_fitted", None, error.to_string())),
        }
        match &self.spending {
            Ok(fit) => {
                let model = &fit.model;
                // v is an amount: p and q are the same in any unit.
                for (name, value) in [("p", model.p()), ("q", model.q()), ("v", model.v() / unit)] {
                    lines.push(("gamma_gamma", name, Some(value), String::new()));
                }
                lines.push(("gamma_gamma", "log_likelihood", Some(fit.log_likelihood), "of amounts in minor units".to_owned()));
                lines.push((
                    "gamma_gamma",
                    "excluded",
                    Some(fit.excluded as f64),
                    "repeaters whose mean is not above zero".to_owned(),
                ));
            }
            Err(error) => lines.push(("gamma_gamma", "not_fitted", None, error.to_string())),
        }
        let text = |of: fn(&FitLine) -> &'static str| Column::Values(lines.iter().map(|line| Value::text(of(line))).collect());
        let note = |line: &FitLine| if line.3.is_empty() { Value::Null } else { Value::text(&line.3) };
        Rows {
            columns: vec![
                text(|line| line.0),
                text(|line| line.1),
                Column::Floats(lines.iter().map(|line| line.2).collect()),
                Column::Values(lines.iter().map(note).collect()),
            ],
        }
    }
}

/// How many minor units a major one has.
fn unit(exponent: u8) -> f64 {
    10_f64.powi(exponent.into())
}

/// Model, statistic, value, note.
type FitLine = (&'static str, &'static str, Option<f64>, String);

/// BG/NBD for how often, Gamma-Gamma for how much.
struct Prediction {
    fit: BgNbdFit,
    /// By horizon in days.
    values: FxHashMap<u32, LifetimeValue>,
    until: Day,
    /// The place of the value that customers are worth.
    worth: usize,
}

impl Prediction {
    fn history(&self, history: &History) -> Option<attributary_lifetime::History> {
        let recency = (history.last_day - history.first_day) as u32;
        attributary_lifetime::History::from_days(history.repeat_days, recency, age(history.first_day, self.until)).ok()
    }
}

impl Predict for Prediction {
    fn worth(&self, history: &History, days: u32) -> Option<i64> {
        let repeats = history.repeat_days;
        let mean = if repeats == 0 { 0.0 } else { history.repeats[self.worth] as f64 / f64::from(repeats) };
        let worth = self.values.get(&days)?.of(&self.history(history)?, mean);
        // Once, to the minor unit, half to even; beyond 18 digits it is no money.
        let rounded = worth.round_ties_even();
        (rounded.abs() < 1e18).then_some(rounded as i64)
    }

    fn alive(&self, history: &History) -> Option<f64> {
        Some(self.fit.model.probability_alive(&self.history(history)?))
    }

    fn purchases(&self, history: &History, days: u32) -> Option<f64> {
        Some(self.fit.model.expected_purchases(f64::from(days) / 7.0, &self.history(history)?))
    }
}
