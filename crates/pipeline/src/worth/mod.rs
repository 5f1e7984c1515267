//! What marketing is worth: rates, spend, customers and returns, around the walk.
//!
//! Before it, rates are read and customers looked at as a whole; after it, the walk's sums meet what was spent.

mod customers;
mod observe;
mod rates;
mod returns;
mod spend;
mod spend_ids;

pub(crate) use customers::{segment_fields, write_customers};
pub(crate) use observe::{Fits, observe};
pub(crate) use rates::{fields as currency_fields, read_rates, write_currencies};
pub(crate) use returns::Returns;
pub use spend::SPEND;
pub(crate) use spend::{Spending, read_spend};
