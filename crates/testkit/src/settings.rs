//! What a pipeline says, as the oracle takes it.

use attributary_core::duration::{Duration, Window};
use attributary_core::model::Fallback;
use attributary_core::money;
use attributary_core::time::{Day, Zone};

use crate::sql::Expression;

/// Everything of a pipeline and a run that decides numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct OracleSettings {
    /// ISO 4217 code.
    pub currency: String,
    /// The zone of calendar days.
    pub zone: Zone,
    /// `--from`, inclusive.
    pub from: Option<Day>,
    /// `--to`, exclusive.
    pub to: Option<Day>,
    /// Which optional columns are mapped.
    pub mapped: Mapped,
    /// The touches' further columns.
    pub dimensions: Vec<String>,
    /// The conversions' values.
    pub values: Vec<String>,
    /// `order_kinds`: the kinds that make a customer; none: all.
    pub order_kinds: Option<Vec<String>>,
    /// `{ historic_clv = … }` among the values: name, and within how many days of the first order; none: `"all"`.
    pub historic: Vec<(String, Option<u32>)>,
    /// `customers.until`.
    pub until: Option<Day>,
    /// Windows, at least one.
    pub windows: Vec<Window>,
    /// `window_unit = "calendar_day"`.
    pub calendar_days: bool,
    /// An interaction's own window.
    pub interaction_windows: Vec<(String, Window)>,
    /// `touch_reuse`.
    pub reuse: Reuse,
    /// `reuse_by = "kind"`.
    pub reuse_by_kind: bool,
    /// `repeats`.
    pub repeats: Repeats,
    /// Interactions, best first.
    pub priority: Vec<String>,
    /// `ignore`.
    pub ignore: Option<Ignore>,
    /// Models, names unique.
    pub models: Vec<OracleModel>,
    /// `[[table]]`: name and `by` columns; none: the three default tables.
    pub tables: Vec<(String, Vec<String>)>,
    /// `output.paths`.
    pub paths: usize,
}

/// Which optional columns are mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// `campaign` of touches.
    pub campaign: bool,
    /// `interaction` of touches.
    pub interaction: bool,
    /// `id` of touches.
    pub touch_id: bool,
    /// `kind` of conversions.
    pub kind: bool,
    /// `refund_of` of conversions.
    pub refund_of: bool,
}

/// Whether a touch may be credited for several conversions of a customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// Each conversion looks back on its own.
    #[default]
    Overlap,
    /// Only touches after the previous conversion.
    SincePreviousConversion,
}

/// What happens to touches of the same channel (and campaign) in one journey.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeats {
    /// All stay.
    #[default]
    Keep,
    /// The last of each run stays.
    CollapseConsecutive,
    /// The first of each pair stays.
    First,
    /// The last of each pair stays.
    Last,
}

/// Which touches are dropped, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Ignore {
    /// `where`.
    pub predicate: Expression,
    /// `when = "always"`; else only if others exist.
    pub always: bool,
}

/// A `[[model]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct OracleModel {
    /// Its name in the tables.
    pub name: String,
    /// What it does.
    pub kind: ModelKind,
    /// `only`.
    pub only: Option<Expression>,
    /// `fallback`.
    pub fallback: Fallback,
}

/// The kinds of models with their parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelKind {
    /// `last_touch`
    LastTouch,
    /// `first_touch`
    FirstTouch,
    /// `last_click`
    LastClick,
    /// `first_click`
    FirstClick,
    /// `linear`
    Linear {
        /// `per = "channel"`.
        per_channel: bool,
    },
    /// `any_touch`
    AnyTouch,
    /// `time_decay`
    TimeDecay {
        /// `half_life`.
        half_life: Duration,
    },
    /// `position_based`
    PositionBased {
        /// `first`.
        first: f64,
        /// `last`.
        last: f64,
    },
    /// `j_shaped`
    JShaped,
    /// `inverse_j`
    InverseJ,
    /// `custom`
    Custom {
        /// `weight`.
        weight: Expression,
    },
}

impl ModelKind {
    /// `kind` in the pipeline file.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::LastTouch => "last_touch",
            Self::FirstTouch => "first_touch",
            Self::LastClick => "last_click",
            Self::FirstClick => "first_click",
            Self::Linear { .. } => "linear",
            Self::AnyTouch => "any_touch",
            Self::TimeDecay { .. } => "time_decay",
            Self::PositionBased { .. } => "position_based",
            Self::JShaped => "j_shaped",
            Self::InverseJ => "inverse_j",
            Self::Custom { .. } => "custom",
        }
    }
}

impl OracleModel {
    /// A model named by its kind, for all touches.
    #[must_use]
    pub fn new(kind: ModelKind) -> Self {
        Self { name: kind.word().to_owned(), kind, only: None, fallback: Fallback::All }
    }
}

impl OracleSettings {
    /// The defaults of a pipeline file with the given models: EUR, UTC, one value `revenue`, nothing optional mapped.
    #[must_use]
    pub fn new(models: Vec<OracleModel>) -> Self {
        Self {
            currency: "EUR".to_owned(),
            zone: Zone::utc(),
            from: None,
            to: None,
            mapped: Mapped::default(),
            dimensions: Vec::new(),
            values: vec!["revenue".to_owned()],
            order_kinds: None,
            historic: Vec::new(),
            until: None,
            windows: Window::parse("30d").into_iter().collect(),
            calendar_days: false,
            interaction_windows: Vec::new(),
            reuse: Reuse::Overlap,
            reuse_by_kind: false,
            repeats: Repeats::Keep,
            priority: Vec::new(),
            ignore: None,
            models,
            tables: Vec::new(),
            paths: 10_000,
        }
    }

    /// Digits behind the point of the currency.
    ///
    /// # Panics
    /// Where the currency is no code: test settings name real ones.
    #[must_use]
    pub fn exponent(&self) -> u8 {
        money::exponent(&self.currency).expect("test settings name a real currency")
    }

    /// The names of all values: those of the source, then what first orders carry.
    #[must_use]
    pub fn all_values(&self) -> Vec<String> {
        self.values.iter().cloned().chain(self.historic.iter().map(|(name, _)| name.clone())).collect()
    }

    /// The tables that are asked for: those of the settings, or the three that are there without any.
    #[must_use]
    pub fn grouped_tables(&self) -> Vec<(String, Vec<String>)> {
        if !self.tables.is_empty() {
            return self.tables.clone();
        }
        let table = |name: &str, by: &[&str]| (name.to_owned(), by.iter().map(|column| (*column).to_owned()).collect());
        vec![
            table("attributed_revenue", &["conversion_date", "channel", "campaign"]),
            table("by_channel", &["channel"]),
            table("total", &[]),
        ]
    }
}
