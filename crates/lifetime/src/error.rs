//! What can be wrong: with what is handed in, and with a fit.

use crate::bg_nbd::BgNbd;
use crate::gamma_gamma::GammaGamma;
use thiserror::Error;

/// A number that cannot be what it is said to be.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum InputError {
    /// A time that is below zero, not a number or beyond all ages.
    #[error("expected an age between 0 and 10⁹ weeks, found {weeks}")]
    Age {
        /// What was found.
        weeks: f64,
    },
    /// The last purchase lies after the end of the observation.
    #[error("the last purchase at an age of {recency} lies after the end of the observation at {age}")]
    RecencyBeyondAge {
        /// t_x, in the unit in which it came.
        recency: f64,
        /// T, in the same unit.
        age: f64,
    },
    /// There are repeat purchases, all of them at the time of the first.
    #[error("{repeats} repeat purchases at an age of 0: those of the first day are one purchase")]
    RepeatsWithoutTime {
        /// x.
        repeats: u32,
    },
    /// There is an age at the last repeat purchase, and no repeat purchase.
    #[error("a last repeat purchase at an age of {recency}, but no repeat purchases")]
    TimeWithoutRepeats {
        /// t_x, in the unit in which it came.
        recency: f64,
    },
    /// More days with a purchase than days.
    #[error("{repeats} days with a repeat purchase within {days} days")]
    MoreRepeatsThanDays {
        /// x.
        repeats: u32,
        /// t_x.
        days: u32,
    },
    /// More repeat purchases than anyone makes.
    #[error("{repeats} repeat purchases, the most is 1000000")]
    TooManyRepeats {
        /// x.
        repeats: u32,
    },
    /// A mean of purchases that is not a number.
    #[error("expected a finite mean, found {mean}")]
    Mean {
        /// What was found.
        mean: f64,
    },
    /// A parameter of a model that is not positive, or beyond what can be computed with.
    #[error("expected {name} between 10⁻⁹ and 10¹⁸, found {value}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// What was found.
        value: f64,
    },
    /// A horizon of no days, or of more than a hundred years.
    #[error("expected a horizon between 1 and 36525 days, found {days}")]
    Horizon {
        /// What was found.
        days: u32,
    },
    /// A rate of discount below zero or beyond all sense.
    #[error("expected a yearly rate of discount between 0 and 100, found {rate}")]
    Rate {
        /// What was found.
        rate: f64,
    },
}

/// Why there is no fit.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum FitError {
    /// There is nobody.
    #[error("no customers to learn from")]
    NoCustomers,
    /// Every customer bought once: the likelihood is the higher, the less anyone is expected to return.
    #[error("none of the {customers} customers has bought again, so nothing is known of who returns")]
    NobodyReturned {
        /// How many there are.
        customers: u64,
    },
    /// Nobody has repeat purchases with a positive mean.
    #[error("no customers with repeat purchases of a positive mean; {excluded} were excluded for a mean of zero or below")]
    NoRepeaters {
        /// How many had a mean that is not positive.
        excluded: u64,
    },
    /// Everyone's mean is the same, so how much means differ is undefined: take that mean.
    #[error("all {customers} customers with repeat purchases spend {mean} on average, so how customers differ is undefined")]
    SameMean {
        /// How many there are.
        customers: u64,
        /// Their mean.
        mean: f64,
    },
    /// The likelihood of BG/NBD has no maximum: it rises towards an edge.
    #[error("the likelihood of the purchases has no maximum: {edge}")]
    PurchasesAtEdge {
        /// Where it rises to.
        edge: Edge,
        /// Where the search stopped: next to nothing in likelihood is to be had beyond, so it can be used by who knows.
        reached: BgNbd,
    },
    /// The likelihood of Gamma-Gamma has no maximum: it rises towards an edge.
    #[error("the likelihood of the spending has no maximum: {edge}")]
    SpendingAtEdge {
        /// Where it rises to.
        edge: Edge,
        /// Where the search stopped: next to nothing in likelihood is to be had beyond, so it can be used by who knows.
        reached: GammaGamma,
    },
    /// The search did not come to an end.
    #[error("no maximum of the likelihood was found in {iterations} steps, the gradient is still {gradient:e} per customer")]
    NotConverged {
        /// Steps made.
        iterations: u32,
        /// The largest component of the gradient by the logarithms of the parameters, per customer.
        gradient: f64,
    },
}

/// Where a likelihood rises to without a maximum, and what that says of the customers.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum Edge {
    /// a → 0, or b → ∞.
    #[error("nobody seems ever to drop out (a near 0 beside b)")]
    NoDropout,
    /// a, b → ∞.
    #[error("all customers seem equally likely to drop out (a and b grow together)")]
    SameDropout,
    /// a, b → 0.
    #[error("customers seem either to drop out at once or never (a and b shrink together)")]
    AllOrNothing,
    /// b → 0, or a → ∞.
    #[error("everyone seems to drop out after the first repeat purchase (b near 0 beside a)")]
    EveryoneDropsOut,
    /// r, α → ∞.
    #[error("all customers seem to buy at the same rate (r and alpha grow together)")]
    SameRate,
    /// r → 0 or α → 0.
    #[error("a few customers seem to make all purchases (r or alpha near 0)")]
    FewBuyers,
    /// p → ∞.
    #[error("each customer seems always to spend the same (p grows)")]
    SameWithin,
    /// q, v → ∞.
    #[error("customers seem not to differ in what they spend (q and v grow together)")]
    SameBetween,
    /// p, q or v → 0.
    #[error("what customers spend seems to differ without bounds (p, q or v near 0)")]
    Unbounded,
    /// The likelihood is flat.
    #[error("too little is known to tell the parameters apart")]
    Undetermined,
}
