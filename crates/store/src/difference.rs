//! What differs between two runs, as data: for whoever compares them, and for whoever shows it.

use serde::Serialize;

/// Why a later run says something else than an earlier one. All amounts are decimals in the currency of both.
#[derive(Clone, Debug, Serialize)]
pub struct DiffReport {
    /// The earlier run.
    pub before: Side,
    /// The later one.
    pub after: Side,
    /// The pipeline's name.
    pub pipeline: String,
    /// The currency's code.
    pub currency: String,
    /// The names of the values, in the order in which amounts are given.
    pub values: Vec<String>,
    /// What was asked for otherwise, in words: name, before, after.
    pub settings: Vec<(String, Option<String>, Option<String>)>,
    /// The files that are not what they were.
    pub inputs: Vec<ChangedFile>,
    /// Every table of either run.
    pub tables: Vec<ChangedTable>,
    /// Per model and window what all channels got, and what no touch got.
    pub totals: Vec<Total>,
    /// Why, most first. Together they are the whole change of each channel.
    pub causes: Vec<Cause>,
    /// The channels on which something else was spent on all days together, most change first.
    pub spend: Vec<SpendChange>,
    /// The conversions whose credit moved most.
    pub conversions: Vec<Moved>,
    /// What someone should know of how this was found.
    pub notes: Vec<String>,
}

/// A run of the two.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// Its id.
    pub run_id: String,
    /// Its days: from, inclusive, and to, exclusive, as text.
    pub range: (Option<String>, Option<String>),
    /// When it ended, RFC 3339.
    pub finished: String,
    /// The version of attributary.
    pub version: String,
}

/// A file that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedFile {
    /// `touchpoints`, `conversions`, `spend` or `fx`.
    pub source: String,
    /// Where it is.
    pub path: String,
    /// `new`, `changed` or `gone`.
    pub change: &'static str,
    /// Its rows before.
    pub rows_before: Option<u64>,
    /// Its rows after.
    pub rows_after: Option<u64>,
}

/// A table of either run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedTable {
    /// Its name.
    pub name: String,
    /// Its rows before; none where it was not there.
    pub rows_before: Option<u64>,
    /// Its rows after; none where it is not there any more.
    pub rows_after: Option<u64>,
    /// Rows of the earlier run that the later one has not, all cells taken together. A row that changed is one of these and one
    /// of the new.
    pub rows_gone: u64,
    /// Rows of the later run that the earlier one had not.
    pub rows_new: u64,
    /// Files that are the same bytes in both.
    pub same_files: usize,
    /// Files that either run has.
    pub files: usize,
}

/// What all channels got under one model and window: one amount per value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Total {
    /// The model's name.
    pub model: String,
    /// The window as typed in the later run.
    pub window: String,
    /// Whether the channels add up to it; each conversion is counted once where they do not.
    pub additive: bool,
    /// What touches got before.
    pub before: Vec<String>,
    /// What they got after.
    pub after: Vec<String>,
    /// The difference.
    pub change: Vec<String>,
    /// The difference of what no touch got.
    pub unattributed_change: Vec<String>,
}

/// A cause, and what it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// In words.
    pub cause: String,
    /// On how many conversion days; none where a setting changed.
    pub days: Option<u64>,
    /// Of how many conversions, where both runs have credits.
    pub conversions: Option<u64>,
    /// Per model, window and channel, one amount per value: those that changed.
    pub channels: Vec<ChannelChange>,
}

/// What changed for a channel under a model and window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelChange {
    /// The model's name.
    pub model: String,
    /// The window as typed in the later run.
    pub window: String,
    /// The channel, or `(unattributed)`.
    pub channel: String,
    /// One amount per value.
    pub change: Vec<String>,
}

/// A channel on which something else was spent; amounts as decimals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SpendChange {
    /// The channel.
    pub channel: String,
    /// What was spent before.
    pub before: String,
    /// What was spent after.
    pub after: String,
    /// The difference.
    pub change: String,
}

/// A conversion whose credit moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Its id.
    pub conversion_id: String,
    /// Its day.
    pub day: String,
    /// The model's name.
    pub model: String,
    /// The window as typed in the later run.
    pub window: String,
    /// What moved of the first value.
    pub moved: String,
    /// The channels with what they got of the first value before and after.
    pub channels: Vec<(String, String, String)>,
}
