//! Deterministic synthetic logs: touchpoints and conversions as a nightly export would leave them, in files by time.
//!
//! Same settings, same bytes: on any machine, with any number of threads. Nothing is kept from one stretch of time to the
//! next — who comes when, and what they buy after which session, is a function of the seed — so that any file can be made
//! on its own, and a thousand million rows need no more memory than some hundred thousand.
//!
//! ```text
//! <out>/touchpoints/<day>.parquet   event_id, user_id, event_time, channel, campaign, interaction, country, device
//! <out>/conversions/<day>.parquet   order_id, user_id, ordered_at, kind, revenue, gross_margin
//! ```
//!
//! If asked for, conversions also have `currency` and `refund_of`. Or, with [`Layout::Events`], the same touchpoints and conversions as one log:
//!
//! ```text
//! <out>/events/<day>.parquet        event_id, user_id, event_time, event_name, channel, campaign, order_id, revenue
//! ```
//!
//! If asked for, there is also what the marketing cost. Each ad platform has its own columns, currency and days:
//!
//! ```text
//! <out>/spend/search.parquet        day, channel, campaign, cost, currency, clicks, impressions, goal
//! <out>/spend/social.parquet        date_start, channel, campaign_name, amount_spent, currency, link_clicks, impressions, goal
//! <out>/rates.csv                   date, currency, rate
//! ```
//!
//! And if asked for, conversions have known causes, and one more table says how many each channel brought, so that what an
//! attribution model credits can be held against what was really so:
//!
//! ```text
//! <out>/truth.parquet               channel, effect, half_life_hours, alone, with_another, incremental_conversions
//! ```
//!
//! There is a row for each channel of the log, by name, and then `(baseline)`, which is no channel: conversions that nothing
//! in the log brought.
//!
//! - `effect`: how likely a touch ever brings a conversion, in percent of the strongest channel of the preset; what would
//!   follow after the last day is not in the log. 0: the channel is seen, and nothing comes of it. Null for the baseline.
//! - `half_life_hours`: after how many hours half of that effect is over. Null where there is no effect.
//! - `alone`: distinct conversions that were brought by a touch of the channel, whatever else there was.
//! - `with_another`: those that were brought only because a touch of it met one of another channel in the same session: in
//!   b2c `paid_search` after `social`, in b2b `email` after `linkedin`. They stand in the rows of both.
//! - `incremental_conversions`: the sum of both, which is how many conversions there would not be without the channel.
//!
//! So `alone` of all rows and half of `with_another` add up to the distinct conversions of the log; a row that repeats
//! another's id is not one. Those whose customer is null count too: without `nulls` and `duplicates` the log shows all that
//! the truth counts. In such a log there are no refunds and no deals, and nobody is brought back as with `repeat`.

mod calendar;
mod currency;
mod error;
mod events;
mod loyalty;
mod market;
mod orders;
mod random;
mod rows;
mod settings;
mod spend;
mod truth;
mod visits;
mod writing;

use std::path::Path;

pub use currency::Currency;
pub use error::SimulateError;
pub use settings::{KeyKind, Layout, Preset, SETTINGS, SettingSpec, Settings};

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Touch rows.
    pub touches: u64,
    /// Conversion rows.
    pub conversions: u64,
    /// Files of all tables.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
}

/// Writes a log to the folder `out`, which is made if need be and must be empty. `progress` is called now and then, on the
/// caller's thread, with the number of touch rows written so far.
///
/// Until all is written `out` holds a file `_unfinished`, and a file that is being written has a name that begins with a
/// dot, so that readers pass over it.
///
/// # Errors
/// Settings beyond their limits, a folder that is not empty, or a disk that refuses; see [`SimulateError`].
pub fn simulate(out: &Path, settings: &Settings, progress: &dyn Fn(u64)) -> Result<Summary, SimulateError> {
    settings.check()?;
    writing::write(out, &visits::World::new(settings), progress)
}
