//! BG/NBD: who is still a customer, and how often they will buy.
//!
//! While a customer is alive, they buy at a rate λ of their own; after each repeat purchase they drop out for ever with a
//! chance p of their own. Over customers λ has a gamma distribution of shape r and scale 1/α weeks, p a beta distribution of
//! parameters a and b. Fader, Hardie, Lee, "Counting your customers the easy way: an alternative to the Pareto/NBD model",
//! Marketing Science 24 (2005) 275–284.

mod likelihood;

use crate::error::{Edge, FitError, InputError};
use crate::history::History;
use crate::newton::{End, Outcome, maximise};
use crate::prospect::Prospect;
use crate::statistics::PurchaseStatistics;
use likelihood::Likelihood;

/// Distinct customers that say well enough where to start.
const ENOUGH: usize = 1 << 14;

/// The parameters of BG/NBD: how customers differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BgNbd {
    r: f64,
    alpha: f64,
    a: f64,
    b: f64,
}

/// A fit and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BgNbdFit {
    /// The parameters at the maximum.
    pub model: BgNbd,
    /// The logarithm of the likelihood there, times in weeks.
    pub log_likelihood: f64,
    /// How many customers it was fitted on.
    pub customers: u64,
    /// Steps made with all customers.
    pub iterations: u32,
    /// The largest component of the gradient by the logarithms of the parameters, per customer: near 10⁻¹² or below.
    pub gradient: f64,
}

/// Fits BG/NBD by maximum likelihood.
///
/// The result depends on the customers alone: not on their order, shards or threads, and not on the machine. Ten million
/// customers take seconds.
///
/// # Errors
/// Where there are no customers, none that came back, or the likelihood has no maximum, as it has not where customers do not
/// differ in how they drop out or how often they buy: [`FitError::PurchasesAtEdge`] says which and where the search stopped.
pub fn fit(statistics: &PurchaseStatistics) -> Result<BgNbdFit, FitError> {
    let distinct = statistics.distinct();
    let customers = statistics.customers();
    if customers == 0 {
        return Err(FitError::NoCustomers);
    }
    let likelihood = Likelihood::new(&distinct);
    drop(distinct);
    let (repeats, weeks) = likelihood.exposure();
    if repeats == 0.0 {
        return Err(FitError::NobodyReturned { customers });
    }
    // A customer's usual rate, seen from the usual share of it: what α is measured by.
    let alpha = weeks / repeats;
    let scale = [0.0, libm::log(alpha), 0.0, 0.0];
    let thinned = likelihood.thinned(ENOUGH);
    let start = start(thinned.as_ref().unwrap_or(&likelihood), scale);
    let found = maximise(start, scale, |logs| likelihood.evaluate(logs));

    let [r, alpha, a, b] = found.logs.map(libm::exp);
    let model = BgNbd { r, alpha, a, b };
    let gradient = found.surface.steepness() / customers as f64;
    match found.end {
        End::Maximum => {
            Ok(BgNbdFit { model, log_likelihood: found.surface.value, customers, iterations: found.iterations, gradient })
        }
        End::Edge(heading) => Err(FitError::PurchasesAtEdge { edge: edge(heading), reached: model }),
        End::Lost => Err(FitError::NotConverged { iterations: found.iterations, gradient }),
    }
}

/// The best of what some starting points lead to, among them what is usual in shops. One that leads to an edge counts as well:
/// it may be the edge of few customers only.
fn start(likelihood: &Likelihood, scale: [f64; 4]) -> [f64; 4] {
    const STARTS: [[f64; 4]; 7] = [
        [1.0, 1.0, 1.0, 1.0],
        [0.25, 0.25, 0.8, 2.5],
        [2.0, 2.0, 0.5, 5.0],
        [0.5, 0.5, 0.1, 1.0],
        // Near the edges: all or nothing, the same for all, hardly any dropout. Few customers may have a maximum at each.
        [0.5, 0.5, 0.01, 0.04],
        [0.5, 0.5, 25.0, 100.0],
        [1.0, 1.0, 0.001, 1.0],
    ];
    let search = |start: [f64; 4]| {
        let logs = std::array::from_fn(|i| scale[i] + libm::log(start[i]));
        maximise(logs, scale, |logs| likelihood.evaluate(logs))
    };
    let better = |best: Outcome<4>, next: Outcome<4>| {
        // By more than what one maximum differs by, seen from two sides: the first of equal ones stays.
        if next.surface.value > best.surface.value + 1e-9 * best.surface.value.abs() { next } else { best }
    };
    let best = STARTS[1..].iter().map(|start| search(*start)).fold(search(STARTS[0]), better);
    // Back from an edge, so that the search with all customers sees for itself.
    std::array::from_fn(|i| scale[i] + (best.logs[i] - scale[i]).clamp(-7.0, 7.0))
}

fn edge([r, alpha, a, b]: [i8; 4]) -> Edge {
    match (a, b) {
        (1, 1) => Edge::SameDropout,
        (-1, -1) => Edge::AllOrNothing,
        (-1, _) | (_, 1) => Edge::NoDropout,
        (1, _) | (_, -1) => Edge::EveryoneDropsOut,
        _ if r == 1 || alpha == 1 => Edge::SameRate,
        _ if r == -1 || alpha == -1 => Edge::FewBuyers,
        _ => Edge::Undetermined,
    }
}

impl BgNbd {
    /// The model of these parameters, `alpha` in weeks.
    ///
    /// # Errors
    /// Where a parameter is not between 10⁻⁹ and 10¹⁸.
    pub fn new(r: f64, alpha: f64, a: f64, b: f64) -> Result<Self, InputError> {
        for (name, value) in [("r", r), ("alpha", alpha), ("a", a), ("b", b)] {
            if !(1e-9..=1e18).contains(&value) {
                return Err(InputError::Parameter { name, value });
            }
        }
        Ok(Self { r, alpha, a, b })
    }

    /// The shape of the distribution of rates.
    #[must_use]
    pub fn r(&self) -> f64 {
        self.r
    }

    /// The inverse scale of the distribution of rates, in weeks: the mean rate is r/α purchases a week.
    #[must_use]
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The first parameter of the distribution of chances to drop out, whose mean is a/(a+b).
    #[must_use]
    pub fn a(&self) -> f64 {
        self.a
    }

    /// The second parameter of that distribution.
    #[must_use]
    pub fn b(&self) -> f64 {
        self.b
    }

    /// The chance that the customer has not dropped out yet; 1 for one who never bought again, as nobody drops out before.
    ///
    /// Fader, Hardie, "Computing P(alive) using the BG/NBD model" (2008):
    /// 1 / (1 + a/(b+x−1) · ((α+T)/(α+t_x))^(r+x)).
    #[must_use]
    pub fn probability_alive(&self, history: &History) -> f64 {
        if history.repeats() == 0 {
            return 1.0;
        }
        let x = f64::from(history.repeats());
        let (recency, age) = (history.recency_weeks(), history.age_weeks());
        // ln((α+T)/(α+t_x)) by the difference, which is exact where the two are near each other.
        let log = libm::log1p((age - recency) / (self.alpha + recency));
        // Not the complement of a chance near 1: of those who are as good as gone it would leave nothing.
        1.0 / (1.0 + libm::exp(libm::log(self.a / (self.b + x - 1.0)) + (self.r + x) * log))
    }

    /// The number of purchases to expect of the customer in the next `weeks`: equation 10 of the paper, computed as in
    /// [`BgNbd::expected_purchases_if_alive`] times [`BgNbd::probability_alive`].
    ///
    /// 0 where `weeks` is not above zero.
    #[must_use]
    pub fn expected_purchases(&self, weeks: f64, history: &History) -> f64 {
        self.probability_alive(history) * self.expected_purchases_if_alive(weeks, history)
    }

    /// The same of a customer who is known not to have dropped out. It depends on x and T, not on t_x.
    ///
    /// In closed form, with ₂F₁ and y = t/(α+T):
    /// (a+b+x−1)/(a−1) · (1 − (1+y)^−(r+x) · ₂F₁(r+x, b+x; a+b+x−1; y/(1+y))). That is 0/0 at a = 1 and loses all digits where
    /// t is short or x large; the same number is a sum of positive terms, see the source, right to some 13 digits for all
    /// parameters.
    #[must_use]
    pub fn expected_purchases_if_alive(&self, weeks: f64, history: &History) -> f64 {
        self.prospect(history).purchases(weeks)
    }

    /// The number of repeat purchases to expect of a customer in the `weeks` after their first purchase.
    #[must_use]
    pub fn expected_purchases_new(&self, weeks: f64) -> f64 {
        self.expected_purchases(weeks, &History::new_customer())
    }

    pub(crate) fn prospect(&self, history: &History) -> Prospect {
        let x = f64::from(history.repeats());
        Prospect { shape: self.r + x, weeks: self.alpha + history.age_weeks(), out: self.a, stay: self.b + x }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cdnow() -> BgNbd {
        BgNbd::new(0.243, 4.414, 0.793, 2.426).expect("parameters")
    }

    /// The example of the literature: Fader, Hardie, Lee, "Implementing the BG/NBD model for customer base analysis in Excel".
    #[test]
    fn worked_number() {
        let history = History::from_weeks(2, 30.43, 38.86).expect("a history");
        assert!((cdnow().expected_purchases(39.0, &history) - 1.226).abs() < 5e-4);
    }

    #[test]
    fn parameters_are_checked() {
        let error = BgNbd::new(0.2, 4.0, f64::NAN, 1.0).expect_err("refused");
        assert_eq!(error.to_string(), "expected a between 10⁻⁹ and 10¹⁸, found NaN");
        assert!(BgNbd::new(0.0, 4.0, 1.0, 1.0).is_err() && BgNbd::new(1.0, f64::INFINITY, 1.0, 1.0).is_err());
    }

    proptest! {
        #[test]
        fn laws(
            logs in prop::array::uniform4(-7.0_f64..7.0),
            x in 0_u32..800,
            recency in 0_u32..1_000,
            more in 0_u32..1_000,
            weeks in 0.0_f64..600.0,
        ) {
            let [r, alpha, a, b] = logs.map(f64::exp);
            let model = BgNbd::new(r, alpha, a, b).expect("parameters");
            let recency = if x == 0 { 0 } else { recency.max(x) };
            let history = History::from_days(x, recency, recency + more).expect("a history");
            let alive = model.probability_alive(&history);
            prop_assert!((0.0..=1.0).contains(&alive));
            prop_assert!(x > 0 || alive == 1.0);
            // The longer ago the last purchase, the less likely alive.
            let later = History::from_days(x, recency, recency + more + 1).expect("a history");
            prop_assert!(model.probability_alive(&later) <= alive);

            let short = model.expected_purchases(weeks, &history);
            let long = model.expected_purchases(weeks + 1.0, &history);
            prop_assert!(short >= 0.0 && long.is_finite());
            prop_assert!(long >= short * (1.0 - 1e-12), "{short} {long}");
            prop_assert_eq!(model.expected_purchases(0.0, &history), 0.0);
            // Who never drops out would buy (r+x)/(α+T) times a week.
            let most = weeks * (r + f64::from(x)) / (alpha + history.age_weeks());
            prop_assert!(short <= most * (1.0 + 1e-12), "{short} {most}");
        }
    }

    #[test]
    fn no_time_and_all_time() {
        let history = History::from_days(3, 40, 50).expect("a history");
        for weeks in [0.0, -1.0, f64::NAN] {
            assert_eq!(cdnow().expected_purchases(weeks, &history), 0.0);
        }
        assert_eq!(cdnow().expected_purchases(f64::INFINITY, &history), f64::INFINITY);
        let model = BgNbd::new(0.5, 4.0, 2.0, 3.0).expect("parameters");
        // (a+b+x−1)/(a−1): what one buys before dropping out.
        assert_eq!(model.expected_purchases_if_alive(f64::INFINITY, &history), 7.0);
        assert!((model.expected_purchases_if_alive(1e15, &history) - 7.0).abs() < 1e-9);
    }
}
