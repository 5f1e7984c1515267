//! What time it is. Clocks jump, so nothing but what is said to people hangs on it alone.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970, by the clock of the machine. Builds for development add the seconds of `ATTRIBUTARY_CLOCK`, so that a
/// test can let the clock jump.
#[must_use]
pub fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
    now.saturating_add(jump())
}

#[cfg(debug_assertions)]
fn jump() -> i64 {
    let seconds = std::env::var("ATTRIBUTARY_CLOCK").ok().and_then(|seconds| seconds.parse::<i64>().ok());
    seconds.unwrap_or(0).saturating_mul(1_000_000)
}

#[cfg(not(debug_assertions))]
fn jump() -> i64 {
    0
}
