//! What the tables are asked for, and whether it goes together.

use std::collections::BTreeMap;
use std::ops::Range;

use attributary_core::table::Field;
use attributary_core::time::Day;

use crate::error::ReturnsError;
use crate::period::{Period, check_day};

/// What [`Sums`](crate::Sums) adds up and how.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Every model; each runs on every window.
    pub models: Vec<ModelName>,
    /// The windows' names.
    pub windows: Vec<String>,
    /// The periods of `returns`, `marketing_share` and `budget`.
    pub periods: Vec<Period>,
    /// What groups are made of: the channel, then campaign and dimensions as configured.
    pub by: Vec<Field>,
    /// The values' names, in the order in which rows have them.
    pub values: Vec<String>,
    /// Digits behind the point of an amount, at most 18.
    pub exponent: u8,
    /// Which value is revenue.
    pub revenue: usize,
    /// Which value is the margin: revenue less the cost of what was sold.
    pub margin: Option<usize>,
    /// Which value says what a customer is worth.
    pub lifetime: Option<Lifetime>,
    /// The kind of conversions that are leads.
    pub lead_kind: Option<String>,
    /// The days of the conversions: the first, and the day after the last. Without it what was not seen cannot be told from
    /// what was not there: cohorts end with their last order, and nothing says whether a week or year before is whole.
    pub observed: Option<Range<Day>>,
    /// The last day that customers were observed, where that is not the last of the days: cohorts end with it.
    pub customers_until: Option<Day>,
    /// How the budget is divided, each by itself.
    pub budgets: Vec<Budget>,
    /// Marginal returns, if asked for.
    pub what_if: Option<WhatIf>,
}

/// A model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelName {
    /// Its name in the tables.
    pub name: String,
    /// Whether its credits of one conversion add up to the conversion. Those of `any_touch` do not.
    pub additive: bool,
}

/// A value that is carried by the first order of each customer only, so that credit for the order is credit for the customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Which value.
    pub value: usize,
    /// What it is, such as `historic revenue`.
    pub definition: String,
}

/// A budget that is divided in parts, with what each part should have of it.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    /// What the parts are.
    pub parts: Parts,
    /// The share of the spend that each part should have. A part that is named here has a row even if nothing was spent on
    /// it.
    pub targets: BTreeMap<String, Target>,
    /// What revenue of new and of returning customers should be, relative to the spend.
    pub roas: RoasTargets,
}

/// What a budget is divided by.
#[derive(Clone, Debug, Default)]
pub enum Parts {
    /// By the goal that each row of spend names.
    #[default]
    Goal,
    /// By the stage of the customer's way that each channel is for. A channel that is not here is `(not set)`.
    Stage(BTreeMap<String, String>),
}

impl Parts {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Goal => "goal",
            Self::Stage(_) => "stage",
        }
    }
}

/// What a share should be, both ends included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Target {
    /// At least this.
    pub low: Option<f64>,
    /// At most this.
    pub high: Option<f64>,
}

/// The least return on spend that is wanted of a customer segment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RoasTargets {
    /// Revenue of first orders / spend.
    pub new: Option<f64>,
    /// Revenue of later orders / spend.
    pub returning: Option<f64>,
}

/// Over which periods marginal returns are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhatIf {
    /// The period that is one observation; not [`Period::All`].
    pub period: Period,
    /// How many of the last ones, at least 8.
    pub last: usize,
}

impl Default for WhatIf {
    fn default() -> Self {
        Self { period: Period::Week, last: 26 }
    }
}

impl Settings {
    /// Whether the settings go together.
    pub(crate) fn check(&self) -> Result<(), ReturnsError> {
        let refuse = |setting, problem: String| Err(ReturnsError::Setting { setting, problem });
        let places =
            [("revenue", Some(self.revenue)), ("margin", self.margin), ("lifetime", self.lifetime.as_ref().map(|it| it.value))];
        for (setting, place) in places {
            if let Some(place) = place.filter(|place| *place >= self.values.len()) {
                return refuse(setting, format!("expected one of {} values, found the one in place {place}", self.values.len()));
            }
        }
        if let Some(days) = &self.observed {
            check_day(days.start)?;
            // The day after the last may be the first that is none.
            check_day(days.end.saturating_sub(1))?;
        }
        if self.by.is_empty() {
            return refuse("by", "expected the channel first, found nothing".to_owned());
        }
        if self.exponent > 18 {
            return refuse("exponent", format!("expected at most 18 digits behind the point, found {}", self.exponent));
        }
        for (setting, names) in [("windows", self.windows.clone()), ("models", self.model_names())] {
            let mut sorted = names;
            sorted.sort_unstable();
            if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                return refuse(setting, format!("expected each name once, found {:?} twice", pair[0]));
            }
            if u16::try_from(sorted.len()).is_err() {
                return refuse(setting, format!("expected at most 65535 names, found {}", sorted.len()));
            }
        }
        for kind in ["goal", "stage"] {
            if self.budgets.iter().filter(|budget| budget.parts.name() == kind).count() > 1 {
                return refuse("budgets", format!("expected at most one by {kind}, found more"));
            }
        }
        for (part, target) in self.budgets.iter().flat_map(|budget| &budget.targets) {
            let (low, high) = (target.low.unwrap_or(f64::NEG_INFINITY), target.high.unwrap_or(f64::INFINITY));
            if low.is_nan() || high.is_nan() || low > high {
                return refuse(
                    "budgets",
                    format!("part {part:?}: expected a low end below the high end, found {low} and {high}"),
                );
            }
        }
        match self.what_if {
            Some(WhatIf { period: Period::All, .. }) => {
                refuse("what_if", "expected day, week, month or quarter, found all".to_owned())
            }
            Some(WhatIf { last, .. }) if last < crate::what_if::LEAST => {
                refuse("what_if", format!("expected at least {} periods, found {last}", crate::what_if::LEAST))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn model_names(&self) -> Vec<String> {
        self.models.iter().map(|model| model.name.clone()).collect()
    }

    /// The value that spend is paid back from: the margin if there is one.
    pub(crate) fn profit(&self) -> usize {
        self.margin.unwrap_or(self.revenue)
    }
}
