//! What a command has to say, as data: the command line turns it into text or JSON.

use std::path::PathBuf;

use attributary_core::journey::Verdict;
use attributary_core::time::Day;
use serde::Serialize;

/// What a run did.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// The run's id.
    pub run_id: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The pipeline's name.
    pub pipeline: String,
    /// The currency's code.
    pub currency: String,
    /// The days that were computed: from, inclusive, and to, exclusive, as text.
    pub range: (Option<String>, Option<String>),
    /// Until when rows that came are known, where not all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Whether the days were put into the run that was current before.
    pub merged: bool,
    /// Which days were computed, where the others were taken over from the run before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recomputed: Option<attributary_store::Recomputed>,
    /// Why all days were computed, where they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole_because: Option<String>,
    /// What became of the source rows.
    pub rows: attributary_store::RowCounts,
    /// One entry per model and window, in the pipeline's order.
    pub models: Vec<ModelSummary>,
    /// What the checks of `[quality]` found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quality: Vec<QualityLine>,
    /// The lines of the ledger.
    pub ledger: Vec<LedgerLine>,
    /// What was spent came to, where all days are a period and returns are by channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returns: Option<ReturnsSummary>,
    /// The tables that were written: name, rows, files.
    pub tables: Vec<(String, u64, usize)>,
    /// Runs that were removed because of `keep`.
    pub pruned: Vec<String>,
    /// What someone should know: not errors.
    pub warnings: Vec<String>,
    /// Wall time in seconds.
    pub seconds: f64,
    /// The most memory that the process held, in bytes.
    pub peak_memory_bytes: u64,
    /// The bytes that were written to temporary files: what did not fit into memory, and what always goes there.
    pub spilled_bytes: u64,
    /// How long each phase took, in seconds; of one that came twice together.
    pub phases: Vec<(String, f64)>,
}

/// That a run is what its inputs give.
#[derive(Clone, Debug, Serialize)]
pub struct VerifyReport {
    /// The run's id.
    pub run_id: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its days: from, inclusive, and to, exclusive, as text.
    pub range: (Option<String>, Option<String>),
    /// How many files were read and are as its manifest says.
    pub files: u64,
    /// Their size together.
    pub bytes: u64,
    /// Its tables: name and rows.
    pub tables: Vec<(String, u64)>,
    /// Whether all days were computed once more, and all tables came out as the same bytes.
    pub computed: bool,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// How good the models of a pipeline are.
#[derive(Clone, Debug, Serialize)]
pub struct EvaluateReport {
    /// The pipeline's name.
    pub pipeline: String,
    /// The days: from, inclusive, and to, exclusive, as text.
    pub range: (Option<String>, Option<String>),
    /// The file that says what channels brought, if there is one.
    pub truth: Option<PathBuf>,
    /// Each model under each window.
    pub models: Vec<ModelEvaluation>,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// How good a model is under a window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelEvaluation {
    /// The model.
    pub model: String,
    /// Its kind.
    pub kind: String,
    /// The window.
    pub window: String,
    /// What it foretells of customers that it was not fitted to, if it foretells anything.
    pub held_out: Option<HeldOut>,
    /// How many weeks have conversions.
    pub weeks: u64,
    /// The rank correlation (Spearman) of what channels get in a week and in the next, on average.
    pub stability: Option<f64>,
    /// How wide the range is in which nine of ten draws of customers put channels' parts, over these parts.
    pub spread: Option<f64>,
    /// How far its division is from what channels brought.
    pub truth: Option<TruthDistance>,
}

/// What a model foretells of customers that it was not fitted to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeldOut {
    /// −ln p of what came, per journey.
    pub log_loss: f64,
    /// How probable it is that a journey that converted was given more than one that did not.
    pub auc: f64,
    /// By length of journeys.
    pub calibration: Vec<Calibrated>,
}

/// Journeys of some lengths.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibrated {
    /// Touches, such as `3` or `6_to_10`.
    pub lengths: String,
    /// How many there are.
    pub journeys: u64,
    /// How many converted.
    pub conversions: u64,
    /// How many were foretold to.
    pub foretold: f64,
}

/// How far a division is from the truth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TruthDistance {
    /// Which part of all credit is at a wrong channel, what each channel should have being its part of what all brought.
    pub misplaced: f64,
    /// The rank correlation (Spearman) with what channels brought.
    pub rank_correlation: Option<f64>,
    /// All conversions that channels got, over all that would not have been without them.
    pub credited_for_caused: Option<f64>,
}

/// What a backfill did.
#[derive(Clone, Debug, Serialize)]
pub struct BackfillReport {
    /// The folder that it was published to.
    pub output: PathBuf,
    /// The days that the current run has now: from, inclusive, and to, exclusive, as text.
    pub range: (Option<String>, Option<String>),
    /// Its steps, in their order.
    pub steps: Vec<StepReport>,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// A step of a backfill.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    /// Its first day.
    pub from: String,
    /// The day after its last.
    pub to: String,
    /// The run that has it; none where it was done before.
    pub run_id: Option<String>,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// What one model said under one window.
#[derive(Clone, Debug, Serialize)]
pub struct ModelSummary {
    /// The model's name.
    pub model: String,
    /// The window as typed.
    pub window: String,
    /// Whether its credits add up to the conversions.
    pub additive: bool,
    /// Conversions that touches got.
    pub attributed_conversions: u64,
    /// Conversions that no touch got.
    pub unattributed_conversions: u64,
    /// Per value: name, and what touches got of it as a decimal.
    pub attributed: Vec<(String, String)>,
    /// The channels that got most of the first value: channel and amount as a decimal; at most three.
    pub top_channels: Vec<(String, String)>,
}

/// What channels that were spent on brought under one model and window on all days.
#[derive(Clone, Debug, Serialize)]
pub struct ReturnsSummary {
    /// The model's name.
    pub model: String,
    /// The window as typed.
    pub window: String,
    /// The name of the value that is revenue.
    pub revenue: String,
    /// What the lifetime value is.
    pub ltv_definition: Option<String>,
    /// The channels, most spend first.
    pub channels: Vec<ChannelReturns>,
}

/// A channel's returns; amounts as decimals, ratios null where they would divide by nothing.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelReturns {
    /// The channel.
    pub channel: String,
    /// What was spent.
    pub spend: String,
    /// What it brought.
    pub revenue: String,
    /// Revenue / spend.
    pub roas: Option<f64>,
    /// Spend / new customers, in the currency.
    pub cac: Option<f64>,
    /// Lifetime value / CAC.
    pub ltv_cac: Option<f64>,
}

/// A line of the ledger; amounts as decimals.
#[derive(Clone, Debug, Serialize)]
pub struct LedgerLine {
    /// The model's name.
    pub model: String,
    /// The window as typed.
    pub window: String,
    /// The value's name.
    pub value: String,
    /// The currency's code.
    pub currency: String,
    /// All accepted and rejected rows.
    pub source: String,
    /// What touches got.
    pub attributed: String,
    /// What no touch got.
    pub unattributed: String,
    /// The valid values of rejected rows.
    pub rejected: String,
    /// Always zero.
    pub difference: String,
    /// What rounding at the door added.
    pub rounding: String,
}

/// What a check of `[quality]` found; numbers as decimals.
#[derive(Clone, Debug, Serialize)]
pub struct QualityLine {
    /// The key of the check.
    pub check: String,
    /// Of what: a source, a value, or a model and a window.
    pub subject: Option<String>,
    /// `warn` or `fail`.
    pub level: String,
    /// Of both numbers: `share`, `rows` or `seconds`.
    pub unit: String,
    /// What is allowed.
    pub limit: String,
    /// What is; none where there is nothing to compare.
    pub found: Option<String>,
    /// Whether it holds.
    pub passed: bool,
    /// Both in words.
    pub explanation: String,
}

/// What `check` found: what a run would read and write.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// The pipeline's name.
    pub pipeline: String,
    /// The folder that a run would write to, if the file names one.
    pub output: Option<PathBuf>,
    /// The currency's code.
    pub currency: String,
    /// The zone of calendar days.
    pub timezone: String,
    /// Until when rows that came are known, where not all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// The two sources.
    pub sources: Vec<SourceReport>,
    /// The windows as typed.
    pub windows: Vec<String>,
    /// Name, kind and whether it is additive.
    pub models: Vec<(String, String, bool)>,
    /// The tables that a run would write, with their columns (name and type).
    pub tables: Vec<(String, Vec<(String, String)>)>,
}

/// A source as it was found.
#[derive(Clone, Debug, Serialize)]
pub struct SourceReport {
    /// `touchpoints` or `conversions`.
    pub source: String,
    /// As the pipeline names it.
    pub path: String,
    /// How many files it has.
    pub files: usize,
    /// Their size together.
    pub bytes: u64,
    /// Their rows together, where all files say so without being read.
    pub rows: Option<u64>,
    /// What each mapped name is read from, and its type where it is known.
    pub columns: Vec<(String, String, Option<String>)>,
}

/// The journey of one conversion as the engine sees it.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The conversion's id.
    pub conversion_id: String,
    /// Its customer; none if it has none.
    pub customer: Option<String>,
    /// Its time, UTC.
    pub time: String,
    /// Its day in the pipeline's time zone.
    pub day: String,
    /// Its kind.
    pub kind: Option<String>,
    /// Its values: name and decimal.
    pub values: Vec<(String, String)>,
    /// The currency's code.
    pub currency: String,
    /// Of a refund: the time of the order whose journey it has, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunds_order_of: Option<String>,
    /// What the values were before they were converted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converted_from: Option<ConvertedFrom>,
    /// The file and row it came from.
    pub origin: (String, u64),
    /// The names of the columns of [`ExplainedTouch::columns`].
    pub columns: Vec<String>,
    /// Every touch of the customer, in order.
    pub touches: Vec<ExplainedTouch>,
    /// What each model made of it, per window.
    pub models: Vec<ExplainedModel>,
}

/// A conversion in its own currency; amounts as decimals.
#[derive(Clone, Debug, Serialize)]
pub struct ConvertedFrom {
    /// The currency's code.
    pub currency: String,
    /// Units of the pipeline's currency for one of it.
    pub rate: String,
    /// Its values: name and decimal.
    pub values: Vec<(String, String)>,
}

/// A touch of the customer.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedTouch {
    /// Its time, UTC.
    pub time: String,
    /// Channel, campaign, interaction, id, dimensions, as far as they are mapped; none for null.
    pub columns: Vec<Option<String>>,
    /// The file and row it came from.
    pub origin: (String, u64),
}

/// One model under one window.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedModel {
    /// The model's name.
    pub model: String,
    /// The window as typed.
    pub window: String,
    /// Why no touch got anything, if none did.
    pub unattributed: Option<String>,
    /// One for each touch.
    pub touches: Vec<ExplainedCredit>,
}

/// What one touch got.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedCredit {
    /// Why it may or may not get credit.
    #[serde(serialize_with = "as_text")]
    pub verdict: Verdict,
    /// Its weight, if it was weighed.
    pub weight: Option<f64>,
    /// Its share as a decimal, if it was weighed.
    pub share: Option<String>,
    /// Per value its amount as a decimal; none if it was not weighed.
    pub amounts: Option<Vec<String>>,
}

fn as_text<S: serde::Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(verdict)
}

/// A range of days as text.
#[must_use]
pub fn range_text(from: Option<Day>, to: Option<Day>) -> (Option<String>, Option<String>) {
    let text = |day: Option<Day>| day.map(attributary_core::time::day_text);
    (text(from), text(to))
}
