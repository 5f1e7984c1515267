//! From rows to journeys: which of a customer's touches a conversion may look back on, in which order, and why the others not.
//!
//! [`profiles`] turns the texts of a touch into one small number, [`rules`] chooses the eligible touches of a conversion.

pub mod profiles;
pub mod rules;

pub use profiles::{ProfileInterner, Profiles};
pub use rules::{Ignore, IgnoreWhen, Repeats, Reuse, Rules, Selector, Touches};
