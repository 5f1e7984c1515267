//! The pipeline file once it is read: every default filled in, every word checked, every path resolved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use attributary_core::duration::{Duration, Window};
use attributary_core::model::{ModelSpec, Parameters};
use attributary_core::time::{Day, Zone};
use attributary_store::Keep;

use super::error::{Fault, FileError, Place, Problem};
use super::names::GroupColumn;

/// Everything a pipeline file says.
pub struct Pipeline {
    /// `pipeline.name`; by default the file's own, without extension.
    pub name: String,
    /// `pipeline.output`, relative to the file's folder; none where the file leaves it to `--output`.
    pub output: Option<PathBuf>,
    /// `pipeline.on_success` and `pipeline.on_failure`.
    pub hooks: Hooks,
    /// `pipeline.currency`.
    pub currency: Currency,
    /// `pipeline.timezone`: the zone of calendar days.
    pub zone: Zone,
    /// `[touchpoints]`.
    pub touchpoints: Touchpoints,
    /// `[conversions]`.
    pub conversions: Conversions,
    /// `[journey]`.
    pub journey: JourneyRules,
    /// `[[model]]`, at least one, in the file's order.
    pub models: Vec<ModelEntry>,
    /// `[[table]]`, in the file's order, or the three that are made without any.
    pub tables: Vec<TableEntry>,
    /// `[[spend]]`, in the file's order.
    pub spend: Vec<Spend>,
    /// `[fx]`.
    pub rates: Option<RatesEntry>,
    /// `[paths]`, where they stand for touchpoints and conversions; these then have their source and values.
    pub counted: Option<CountedPaths>,
    /// `[customers]`.
    pub customers: Option<CustomersEntry>,
    /// `[returns]`; there is one wherever there is spend.
    pub returns: Option<ReturnsEntry>,
    /// `[budget]`.
    pub budget: Option<BudgetEntry>,
    /// `[quality]`: what must hold of a run; none where there is no such section.
    pub quality: Option<Vec<Check>>,
    /// `output.restatements`: whether the table is written that says how days were restated.
    pub restatements: bool,
    /// `output.credits`: whether the touch-level table is written.
    pub credits: bool,
    /// `output.paths`: rows of the paths table per window; 0 is no table.
    pub paths: usize,
    /// `output.keep`: which published runs stay.
    pub keep: Keep,
    /// What the manifest knows the file by.
    pub fingerprints: Fingerprints,
    pub(super) file: PathBuf,
    pub(super) places: BTreeMap<String, Place>,
}

/// What is to be done after a run: a program and its arguments, nothing where there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// After one that was published.
    pub on_success: Vec<String>,
    /// After one that was not.
    pub on_failure: Vec<String>,
    /// Where runs are published, if anything says it.
    pub output: Option<PathBuf>,
}

/// Something that must hold of a run before it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub rule: Rule,
    /// What becomes of the run where it does not.
    pub level: Level,
}

/// What a check looks at. Shares are in billionths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `max_rejected_share`.
    RejectedShare {
        /// Of which rows.
        source: SourceName,
        /// At most.
        limit: i64,
    },
    /// `max_unattributed_share`.
    UnattributedShare {
        /// At most.
        limit: i64,
    },
    /// `max_not_set_share`.
    NotSetShare {
        /// At most.
        limit: i64,
    },
    /// `min_rows`.
    Rows {
        /// Of which source.
        source: SourceName,
        /// At least.
        least: u64,
    },
    /// `max_age`: of the newest touch.
    Age {
        /// At most.
        limit: Duration,
    },
    /// `max_change`.
    Change {
        /// The value's name.
        value: String,
        /// At most, up or down.
        limit: i64,
    },
    /// `unique`: no id is there twice.
    Unique {
        /// Of which source.
        source: SourceName,
    },
}

/// A source that checks look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceName {
    /// `[touchpoints]`.
    Touchpoints,
    /// `[conversions]`.
    Conversions,
}

impl SourceName {
    /// The name of its section.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Touchpoints => "touchpoints",
            Self::Conversions => "conversions",
        }
    }
}

/// What becomes of a run of which a check does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It is published, and says so.
    Warn,
    /// It is not published.
    Fail,
}

impl Level {
    /// As the pipeline file has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// A currency of ISO 4217.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Currency {
    /// Such as `SEK`.
    pub code: String,
    /// Digits behind the point.
    pub exponent: u8,
}

/// The text with `--set` applied and `${NAME}` left as it is, so that no secret gets into it, and its SHA-256 in hexadecimal
/// digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprints {
    /// Of everything; the order of keys does not count.
    pub pipeline_sha256: String,
    /// Of everything but names, places, hooks, `[quality]` and `output.keep`: runs that agree in it may be merged. The order
    /// of keys counts, as values and dimensions are columns in their order.
    pub settings_sha256: String,
    /// The text itself, without layout and comments.
    pub text: String,
}

/// Where the values of a column come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// The first of these columns that a file has; at least one.
    Names(Vec<String>),
    /// A SQL expression over the source's columns.
    Sql(String),
}

/// What both sources say.
#[derive(Clone, Debug)]
pub struct Source {
    /// A file, a folder or a glob, relative to the working directory or absolute.
    pub path: String,
    /// The zone of times that have none.
    pub zone: Zone,
    /// A SQL predicate over the source's columns.
    pub filter: Option<String>,
    /// Whether a column that a file lacks is null there, instead of an error.
    pub missing_as_null: bool,
    /// `columns.ingested`: when a row came.
    pub ingested: Option<Column>,
}

/// `[touchpoints]`.
#[derive(Clone, Debug)]
pub struct Touchpoints {
    /// Where the rows come from.
    pub source: Source,
    /// `columns.customer`.
    pub customer: Column,
    /// `columns.time`.
    pub time: Column,
    /// `columns.channel`.
    pub channel: Column,
    /// `columns.campaign`.
    pub campaign: Option<Column>,
    /// `columns.interaction`.
    pub interaction: Option<Column>,
    /// `columns.id`.
    pub id: Option<Column>,
    /// `columns.cost`: what the touch cost.
    pub cost: Option<Column>,
    /// `dimensions`, in the file's order.
    pub dimensions: Vec<Dimension>,
}

/// A further column to group by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimension {
    /// Its name in predicates and tables.
    pub name: String,
    /// Where its values come from.
    pub column: Column,
}

/// `[conversions]`.
#[derive(Clone, Debug)]
pub struct Conversions {
    /// Where the rows come from.
    pub source: Source,
    /// `columns.id`.
    pub id: Column,
    /// `columns.customer`.
    pub customer: Column,
    /// `columns.time`.
    pub time: Column,
    /// `columns.kind`.
    pub kind: Option<Column>,
    /// `columns.refund_of`: the order that a row takes back.
    pub refund_of: Option<Column>,
    /// `columns.currency`: of the row's values; none: the pipeline's.
    pub currency: Option<Column>,
    /// `order_kinds`: the kinds that make a customer; none: all.
    pub order_kinds: Option<Vec<String>>,
    /// `values` of the source, at least one, in the file's order.
    pub values: Vec<ValueColumn>,
    /// `values` that a customer's first order carries, in the file's order.
    pub worths: Vec<WorthEntry>,
}

/// `[paths]`, besides what stands for touchpoints and conversions: the path is the channel of the one and the id of the other.
#[derive(Clone, Debug)]
pub struct CountedPaths {
    /// `columns.conversions`.
    pub conversions: Column,
    /// `columns.null_journeys`; none: there were none.
    pub null_journeys: Option<Column>,
    /// `separator`: what stands between two channels.
    pub separator: String,
}

/// A value that no column has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorthEntry {
    /// Its name in tables.
    pub name: String,
    /// What it is.
    pub worth: Worth,
}

/// What a customer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// `predicted_clv`: what they are expected to bring within so many days.
    Predicted(u32),
    /// `total_clv`: what they brought so far, and are expected to bring within so many days.
    Total(u32),
    /// `historic_clv`: what they brought, within so many days of their first order; none: so far.
    Historic(Option<u32>),
}

/// One value of conversions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueColumn {
    /// Its name in tables.
    pub name: String,
    /// Where it comes from.
    pub column: Column,
    /// Whether the source gives whole minor units.
    pub minor: bool,
}

/// `[[spend]]`.
#[derive(Clone, Debug)]
pub struct Spend {
    /// What messages call it: `spend.0`, or `spend.` and its name.
    pub key: String,
    /// Where the rows come from.
    pub source: Source,
    /// `columns.date`.
    pub date: Column,
    /// `columns.channel`.
    pub channel: Option<Column>,
    /// `columns.campaign`.
    pub campaign: Option<Column>,
    /// `columns.amount`.
    pub amount: ValueColumn,
    /// `columns.currency`.
    pub currency: Option<Column>,
    /// `columns.clicks`.
    pub clicks: Option<Column>,
    /// `columns.impressions`.
    pub impressions: Option<Column>,
    /// `columns.goal`.
    pub goal: Option<Column>,
    /// `goal`: that of all rows.
    pub goal_constant: Option<String>,
    /// `columns.id`.
    pub id: Option<Column>,
    /// `dimensions`: some of those of the touchpoints, by their places there.
    pub dimensions: Vec<(usize, Dimension)>,
}

/// `[fx]`.
#[derive(Clone, Debug)]
pub struct RatesEntry {
    /// Where the rows come from.
    pub source: Source,
    /// `columns.date`.
    pub date: Column,
    /// `columns.currency`.
    pub currency: Column,
    /// `columns.rate`: units of the pipeline's currency for one of the other.
    pub rate: Column,
}

/// `[customers]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomersEntry {
    /// `until`: the last day that customers are observed; none: the last conversion, or the end of the range.
    pub until: Option<Day>,
    /// `horizon`, in days.
    pub horizon: u32,
    /// `discount_rate`: yearly.
    pub discount_rate: f64,
    /// `lapsing_after`, in days.
    pub lapsing_after: u32,
    /// `loyal_orders`.
    pub loyal_orders: u64,
    /// `loyal_score`.
    pub loyal_score: u8,
    /// Whether the section is there, so that its tables are written.
    pub tables: bool,
}

/// `[returns]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReturnsEntry {
    /// `periods`.
    pub periods: Vec<ReturnsPeriod>,
    /// `by`: columns of touches, the channel first.
    pub by: Vec<GroupColumn>,
    /// `period_by = "touch"`: credit belongs to the touch's day.
    pub by_touch: bool,
    /// `revenue`: the value's place.
    pub revenue: usize,
    /// `margin`: the value's place.
    pub margin: Option<usize>,
    /// `ltv`: the place among the worths.
    pub ltv: Option<usize>,
    /// `lead_kind`.
    pub lead_kind: Option<String>,
    /// `marketing`: an SQL predicate over the mapped names.
    pub marketing: Option<String>,
    /// `what_if`: how many of the last weeks are looked at.
    pub what_if: Option<usize>,
}

/// A period of the returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnsPeriod {
    /// A day.
    Day,
    /// An ISO week.
    Week,
    /// A calendar month.
    Month,
    /// A quarter.
    Quarter,
    /// All days.
    All,
}

/// `[budget]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BudgetEntry {
    /// `goals`: the shares that each should have.
    pub goals: Vec<(String, ShareTarget)>,
    /// `stages`: the channels and the shares of each.
    pub stages: Vec<(String, Vec<String>, ShareTarget)>,
    /// `roas.new`.
    pub new_roas: Option<f64>,
    /// `roas.returning`.
    pub returning_roas: Option<f64>,
}

/// A share of the budget, from and to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ShareTarget {
    /// `min`.
    pub low: Option<f64>,
    /// `max`.
    pub high: Option<f64>,
}

/// `[journey]`.
#[derive(Clone, Debug, PartialEq)]
pub struct JourneyRules {
    /// `windows`, at least one, each name once.
    pub windows: Vec<Window>,
    /// `window_unit = "calendar_day"`; then every window is `all` or whole days.
    pub calendar_days: bool,
    /// `interaction_windows`, in the file's order.
    pub interaction_windows: Vec<(String, Window)>,
    /// `touch_reuse`.
    pub reuse: Reuse,
    /// `reuse_by = "kind"`.
    pub reuse_by_kind: bool,
    /// `repeats`.
    pub repeats: Repeats,
    /// `priority`: interactions, the best first.
    pub priority: Vec<String>,
    /// `ignore`.
    pub ignore: Option<Ignore>,
}

/// Whether a touch may count for several conversions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Each conversion looks back on its own.
    Overlap,
    /// Only touches after the previous conversion count.
    SincePreviousConversion,
}

/// Which of several touches of one channel and campaign count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// All.
    Keep,
    /// The last of a run of them.
    CollapseConsecutive,
    /// The first of the journey.
    First,
    /// The last of the journey.
    Last,
}

/// Touches that do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignore {
    /// `where`: a SQL predicate over the mapped names.
    pub filter: String,
    /// `when`.
    pub when: IgnoreWhen,
}

/// When touches that match `ignore` do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoreWhen {
    /// Never do they count.
    Always,
    /// They count only where no other touch remains.
    OthersExist,
}

/// A `[[model]]`.
#[derive(Clone)]
pub struct ModelEntry {
    /// Its name in tables, unique.
    pub name: String,
    /// The model.
    pub spec: &'static ModelSpec,
    /// Its parameters, defaults filled in, and `fallback`.
    pub parameters: Parameters,
    /// `only`: a SQL predicate over the mapped names.
    pub only: Option<String>,
}

/// A `[[table]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableEntry {
    /// Its name, unique.
    pub name: String,
    /// What it is grouped by, each once.
    pub by: Vec<GroupColumn>,
}

impl Pipeline {
    /// Where the file is, as typed.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether `[quality]` asks for what only the touches themselves tell: how many there are, and which is the newest.
    #[must_use]
    pub fn counts_touches(&self) -> bool {
        let asks = |check: &Check| match &check.rule {
            Rule::RejectedShare { source, .. } | Rule::Rows { source, .. } => *source == SourceName::Touchpoints,
            Rule::Age { .. } => true,
            _ => false,
        };
        self.quality.iter().flatten().any(asks)
    }

    /// The distinct predicates of `[journey]` and `[[model]]`, in the file's order: at most [`Pipeline::MAX_PREDICATES`].
    /// A touch carries a bit for each.
    #[must_use]
    pub fn predicates(&self) -> Vec<&str> {
        let all = self.journey.ignore.iter().map(|ignore| ignore.filter.as_str());
        let all = all.chain(self.models.iter().filter_map(|model| model.only.as_deref()));
        let mut distinct = Vec::new();
        for predicate in all {
            if !distinct.contains(&predicate) {
                distinct.push(predicate);
            }
        }
        distinct
    }

    /// How many distinct predicates there may be.
    pub const MAX_PREDICATES: usize = 64;

    /// Something that only showed after the file was read, such as an error in its SQL, said of the key where it stands.
    /// Keys are dotted; a model or table is meant by its name.
    #[must_use]
    pub fn invalid(&self, key: &str, problem: impl Into<String>, hint: Option<String>) -> FileError {
        let problem = Problem::Invalid { problem: problem.into(), hint };
        FileError::new(&self.file, Fault { place: self.places.get(key).copied(), key: key.to_owned(), problem })
    }
}
