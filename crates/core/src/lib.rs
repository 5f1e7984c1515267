//! The words and laws of attributary: time, money, shares, keys, journeys, the apportioning of a conversion and the
//! traits of a model. No I/O, no data frames, no threads: a model author compiles this crate and `attributary-models`.

pub mod apportion;
pub mod batch;
pub mod duration;
pub mod exchange;
pub mod journey;
pub mod key;
pub mod learning;
pub mod model;
pub mod money;
pub mod rates;
pub mod table;
pub mod time;
pub mod value;

/// Shares are counted in billionths of a conversion: one whole conversion is this many.
pub const WHOLE_SHARE: i64 = 1_000_000_000;

/// The channel of a touch that names none (null or empty in the source).
pub const NOT_SET: &str = "(not set)";

/// The channel of conversions that no touch gets credit for.
pub const UNATTRIBUTED: &str = "(unattributed)";
