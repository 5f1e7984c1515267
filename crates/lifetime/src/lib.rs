//! What a customer will be worth: how often they will buy again, and for how much.
//!
//! Two models, each fitted by maximum likelihood on what is enough to know of a customer, and equal customers counted:
//!
//! * **BG/NBD** ([`bg_nbd`]): who buys when. Fader, Hardie, Lee, "Counting your customers the easy way", Marketing Science
//!   24 (2005) 275–284. It needs x, the days with a repeat purchase, t_x, the age at the last of them, and T, the age now.
//! * **Gamma-Gamma** ([`gamma_gamma`]): for how much. Fader, Hardie, "The Gamma-Gamma model of monetary value" (2013). It
//!   needs x and the mean of the repeat purchases.
//!
//! [`value`] puts them together: the discounted value of the purchases of the next days.
//!
//! ```
//! use attributary_lifetime::{History, PurchaseStatistics, bg_nbd};
//!
//! let mut statistics = PurchaseStatistics::default();
//! for customer in 0..420_u32 {
//!     let age = 200 + customer % 150;
//!     // A third never came back; of the others some bought once or twice, some often and until lately.
//!     let repeats = [0, 1, 4, 0, 2, 12][customer as usize % 6];
//!     let recency = repeats * 3 * (1 + customer % 5);
//!     statistics.add(&History::from_days(repeats, recency, age)?);
//! }
//! let fit = bg_nbd::fit(&statistics)?;
//! let regular = History::from_days(6, 190, 200)?;
//! assert!(fit.model.probability_alive(&regular) > 0.5);
//! assert!(fit.model.expected_purchases(52.0, &regular) > fit.model.expected_purchases(26.0, &regular));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Elsewhere no float is summed. A likelihood is a sum of floats by nature, so here the order is fixed instead: customers are
//! sorted, cut into chunks of fixed size, and the chunks' sums are added in their order, whatever the threads. Logarithms and
//! exponentials come from one portable implementation. The same customers, in any order and from any shards, give the
//! same bits on every machine.

pub mod bg_nbd;
pub mod gamma_gamma;
pub mod value;

mod counted;
mod error;
mod history;
mod newton;
mod prospect;
mod special;
mod statistics;

pub use bg_nbd::{BgNbd, BgNbdFit};
pub use error::{Edge, FitError, InputError};
pub use gamma_gamma::{GammaGamma, GammaGammaFit, Spending, SpendingStatistics};
pub use history::History;
pub use statistics::PurchaseStatistics;
pub use value::{DiscountedPurchases, Horizon, LifetimeValue};
