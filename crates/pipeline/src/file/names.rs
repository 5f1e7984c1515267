//! Names: what tables are grouped by, and what is already taken.

use super::error::{Fault, Problem};
use super::section::Field;

/// Something a table may be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupColumn {
    /// The conversion's day in the pipeline's zone.
    ConversionDate,
    /// The Monday of the conversion's ISO week.
    ConversionWeek,
    /// The first day of the conversion's month.
    ConversionMonth,
    /// The touch's day in the pipeline's zone.
    TouchDate,
    /// The Monday of the touch's ISO week.
    TouchWeek,
    /// The first day of the touch's month.
    TouchMonth,
    /// The touch's channel.
    Channel,
    /// The touch's campaign.
    Campaign,
    /// The conversion's kind.
    Kind,
    /// The touch's interaction.
    Interaction,
    /// Whether the conversion is a customer's first order or a later one.
    Standing,
    /// A dimension, by its place in the pipeline's list of them.
    Dimension(usize),
}

impl GroupColumn {
    /// Every column but the dimensions, in the order in which people read about them.
    pub const FIXED: [Self; 11] = [
        Self::ConversionDate,
        Self::ConversionWeek,
        Self::ConversionMonth,
        Self::TouchDate,
        Self::TouchWeek,
        Self::TouchMonth,
        Self::Channel,
        Self::Campaign,
        Self::Kind,
        Self::Interaction,
        Self::Standing,
    ];

    /// Whether it must be known when touches or conversions were.
    pub(super) fn asks_for_times(self) -> bool {
        match self {
            Self::ConversionDate | Self::ConversionWeek | Self::ConversionMonth => true,
            Self::TouchDate | Self::TouchWeek | Self::TouchMonth | Self::Standing => true,
            Self::Channel | Self::Campaign | Self::Kind | Self::Interaction | Self::Dimension(_) => false,
        }
    }

    /// Its name in `by` and in the table; `dimensions` are the names of the pipeline's dimensions.
    #[must_use]
    pub fn name<'a>(&self, dimensions: &'a [impl AsRef<str>]) -> &'a str {
        match self {
            Self::ConversionDate => "conversion_date",
            Self::ConversionWeek => "conversion_week",
            Self::ConversionMonth => "conversion_month",
            Self::TouchDate => "touch_date",
            Self::TouchWeek => "touch_week",
            Self::TouchMonth => "touch_month",
            Self::Channel => "channel",
            Self::Campaign => "campaign",
            Self::Kind => "kind",
            Self::Interaction => "interaction",
            Self::Standing => "standing",
            Self::Dimension(place) => dimensions.get(*place).map_or("", AsRef::as_ref),
        }
    }
}

/// Tables that are not grouped ones, and the names kept for what is to come.
const TABLES: &[&str] = &[
    "credits",
    "unattributed",
    "rejects",
    "paths",
    "ledger",
    "customers",
    "cohorts",
    "returns",
    "marketing_share",
    "customer_segments",
    "customer_value_fit",
    "budget",
    "what_if",
    "ledger_currencies",
    "returns_base",
    "conversions_base",
    "quality",
    "intervals",
    "transitions",
    "removal_effects",
    "shapley_values",
    "model_fit",
    "restatements",
];

/// Columns of the tables besides values, dimensions and what tables are grouped by.
const COLUMNS: &[&str] = &[
    "model",
    "window",
    "conversions",
    "touches",
    "conversion_id",
    "customer",
    "conversion_time",
    "sequence",
    "length",
    "touch_time",
    "touch_id",
    "share",
    "reason",
    "source",
    "file",
    "row",
    "time",
    "id",
    "path",
    "null_journeys",
    "median_days_to_convert",
    "value",
    "currency",
    "attributed",
    "unattributed",
    "rejected",
    "difference",
    "rounding",
    "rate",
    "period",
    "period_start",
    "spend",
    "clicks",
    "impressions",
    "new_customers",
    "returning_conversions",
    "leads",
    "orders",
    "roas",
    "roi",
    "roi_on",
    "poas",
    "mer",
    "break_even_roas",
    "cpa",
    "cpl",
    "cac",
    "blended_cac",
    "ltv",
    "ltv_definition",
    "ltv_cac",
    "payback_months",
    "average_order_value",
    "historic_clv",
    "predicted_clv",
    "cumulative",
];

/// A name for a table, or a fault of `field`.
pub(super) fn table_name<'a>(field: &Field<'a>) -> Result<&'a str, Fault> {
    let name = field.text()?;
    check_snake_case(name, field)?;
    if TABLES.contains(&name) {
        let by = "a table of attributary's own, now or later".to_owned();
        return Err(field.fault(Problem::Taken { name: name.to_owned(), by, instead: "give the table another name" }));
    }
    Ok(name)
}

/// Checks that no column of the tables has this name already.
pub(super) fn check_column(name: &str, field: &Field<'_>, instead: &'static str) -> Result<(), Fault> {
    let fixed = GroupColumn::FIXED.iter().any(|column| column.name(&[""; 0]) == name);
    if fixed || COLUMNS.contains(&name) {
        let by = "a column of attributary's own tables".to_owned();
        return Err(field.fault(Problem::Taken { name: name.to_owned(), by, instead }));
    }
    Ok(())
}

/// Checks that a name is made of `a-z`, `0-9` and `_` only.
pub(super) fn check_snake_case(name: &str, field: &Field<'_>) -> Result<(), Fault> {
    if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') && !name.is_empty() {
        return Ok(());
    }
    Err(field.fault(Problem::invalid(format!("expected a name of a-z, 0-9 and _, found {name:?}"))))
}
