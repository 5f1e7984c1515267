//! What marketing is worth: from integer sums of what was earned and what was spent to returns, customers and budgets.
//!
//! [`Sums`] takes rows one by one and adds them up by period at once, so that memory is that of the output. Every sum is an
//! exact integer: minor units of the currency, or billionths of a conversion. A ratio is one division at the very end, of the
//! sums of its own row, rounded once to the nearest float; never a mean of ratios. Division by nothing is null.
//!
//! | table | one row for each | file |
//! | --- | --- | --- |
//! | `returns` | model, window, period, group | `returns.rs` |
//! | `marketing_share` | window, period, kind | `marketing_share.rs` |
//! | `cohorts` | model, window, month of acquisition, channel, age | `cohorts.rs` |
//! | `budget` | part of the budget, period, model, window | `budget.rs` |
//! | `what_if` | model, window, channel | `what_if.rs` |
//!
//! ```
//! use attributary_core::table::Field;
//! use attributary_core::value::{ColumnType, Value};
//! use attributary_returns::{Earned, ModelName, Period, Settings, Spent, Standing, Sums};
//!
//! let mut sums = Sums::new(Settings {
//!     models: vec![ModelName { name: "linear".into(), additive: true }],
//!     windows: vec!["30d".into()],
//!     periods: vec![Period::Month],
//!     by: vec![Field::new("channel", ColumnType::Text)],
//!     values: vec!["revenue".into()],
//!     exponent: 2,
//!     ..Settings::default()
//! })?;
//! let (group, kind, day) = ([Value::text("search")], Value::Null, 20_500);
//! sums.spent(&Spent { day, group: &group, goal: None, amount: 50_000, clicks: 10, impressions: 900 })?;
//! let (model, window, standing) = ("linear", "30d", Standing::New);
//! let (conversions, values) = (attributary_core::WHOLE_SHARE.into(), &[60_000]);
//! sums.earned(&Earned { model, window, day, group: &group, kind: &kind, standing, conversions, values })?;
//! let (fields, rows) = sums.returns()?;
//! let roas = fields.iter().position(|field| field.name == "roas").expect("a column");
//! assert_eq!(rows.columns[roas].value(0).as_float(), Some(1.2));
//! # Ok::<(), attributary_returns::ReturnsError>(())
//! ```

mod budget;
mod cohorts;
mod error;
mod input;
mod interner;
mod marketing_share;
mod number;
mod period;
mod returns;
mod settings;
mod student;
mod sums;
mod table;
mod what_if;

pub use error::ReturnsError;
pub use input::{Cohort, Earned, Spent, Standing, Touched};
pub use marketing_share::{ALL, CUSTOMERS};
pub use period::Period;
pub use settings::{Budget, Lifetime, ModelName, Parts, RoasTargets, Settings, Target, WhatIf};
pub use sums::{Sums, Table};

/// The part of the budget in which the values of channels are that nothing was spent on.
pub const NO_SPEND: &str = "(no spend)";
