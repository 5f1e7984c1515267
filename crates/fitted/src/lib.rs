//! Models that are learnt from all journeys, the ones that did not convert included.
//!
//! Every one of them is exact: probabilities come from equations, not from simulated journeys. Counts are integers, so shards can
//! be counted apart and merged in any order; what is computed from them goes in one fixed order, whatever the threads.
//!
//! * [`Transitions`], [`Chain`] and [`removal::effects`]: Markov chains of any order, and what is lost without a channel.
//! * [`order`] and [`outcomes`]: how many touches such a chain should remember, and how well it foretells customers it did not see.
//! * [`SetCounts`] and [`shapley`]: what a channel adds, on average over all orders.
//! * [`ordered`]: the same by position, what a channel adds as the first of a journey, as the second, and so on.
//! * [`shao_li`]: what channels convert alone and in pairs.
//! * [`balance()`]: weights under which conversions are divided so that channels get their part of all.
//!
//! ```
//! use attributary_fitted::{Chain, Removal, Transitions, removal};
//!
//! let (google, mailing) = (0, 1);
//! let mut transitions = Transitions::new(1);
//! transitions.add(&[google], 2, 1);
//! transitions.add(&[mailing], 1, 0);
//! transitions.add(&[google, mailing], 1, 0);
//! let players = [google, mailing].map(|player| [player].into());
//! let found = removal::effects(&Chain::new(&transitions), &players, Removal::Null)?;
//! // Four conversions are divided by what is lost without each.
//! let all: f64 = found.effects.iter().sum();
//! let credits: Vec<f64> = found.effects.iter().map(|effect| 4.0 * effect / all).collect();
//! assert!((credits[0] - 2.4).abs() < 1e-12 && (credits[1] - 1.6).abs() < 1e-12);
//! # Ok::<(), attributary_fitted::NotSolved>(())
//! ```

pub mod order;
pub mod ordered;
pub mod outcomes;
pub mod removal;
pub mod shao_li;
pub mod shapley;

mod balance;
mod chain;
mod error;
mod sets;
mod transitions;

pub use balance::{Balanced, balance};
pub use chain::{Chain, DENSE_STATES};
pub use error::NotSolved;
pub use order::NextSteps;
pub use outcomes::Outcomes;
pub use removal::{Effects, Removal};
pub use sets::{Counts, SetCounts};
pub use transitions::{Gram, Node, Player, Transitions};
