//! `returns`: what each group cost and brought in a period, one row for each model and window.
//!
//! | column | is |
//! | --- | --- |
//! | `roas` | revenue / spend |
//! | `roi` | (margin − spend) / spend, without a margin (revenue − spend) / spend; `roi_on` says which |
//! | `poas` | margin / spend |
//! | `mer` | all revenue of the period, attributed or not, / all spend of the period |
//! | `break_even_roas` | revenue / margin: the ROAS at which the margin is what was spent |
//! | `cpa`, `cpl`, `cac` | spend / conversions, / leads, / new customers |
//! | `blended_cac` | all spend of the period / all new customers of the period |
//! | `ltv` | the lifetime value of the new customers / new customers |
//! | `ltv_cac` | LTV / CAC, which is the lifetime value of the new customers / spend |
//! | `payback_months` | the least age at which the customers acquired in the period have brought what was spent in it |
//!
//! Spend 500, a first order of 600 and 2,400 more over two years: ROAS 1.2, LTV 3,000, CAC 500, LTV:CAC 6.
//!
//! A group that was spent on but earned nothing is a row under every model and window, and one that earned without spend is
//! a row with spend 0: its ratios to spend are null, and what it cost per conversion is 0.

use attributary_core::value::Value;
use rustc_hash::FxHashSet;

use crate::error::ReturnsError;
use crate::interner::ranks;
use crate::number::{amount_per_count, amount_per_share, ratio};
use crate::period::{Period, Span};
use crate::sums::{EarnedKey, Earnings, Spending, Sums, Table, minus};
use crate::table::Columns;

const TABLE: &str = "returns";

struct Row<'a> {
    key: EarnedKey,
    earned: &'a Earnings,
    spent: Spending,
    /// Margin, else revenue, − spend.
    gain: i128,
}

pub(crate) fn table(sums: &Sums) -> Result<Table, ReturnsError> {
    let settings = &sums.settings;
    let (exponent, revenue, margin) = (settings.exponent, settings.revenue, settings.margin);
    let lifetime = settings.lifetime.as_ref();
    let nothing = Earnings::nothing(settings.values.len());
    let rows = rows(sums, &nothing)?;
    let of = |value: usize| move |row: &Row<'_>| row.earned.values[value];
    let spend = |row: &Row<'_>| row.spent.amount;
    let ratios = |of: &dyn Fn(&Row<'_>) -> Option<f64>| rows.iter().map(of).collect::<Vec<_>>().into_iter();

    let mut columns = Columns::of(TABLE);
    columns.texts("model", rows.iter().map(|row| Some(settings.models[usize::from(row.key.model)].name.as_str())));
    columns.texts("window", rows.iter().map(|row| Some(settings.windows[usize::from(row.key.window)].as_str())));
    columns.texts("period", rows.iter().map(|row| Some(row.key.span.period.name())));
    columns.dates("period_start", rows.iter().map(|row| row.key.span.start));
    for (place, field) in settings.by.iter().enumerate() {
        columns.values(field, rows.iter().map(|row| &sums.groups.item(row.key.group)[place]));
    }
    columns.amounts("spend", exponent, rows.iter().map(spend))?;
    columns.counts("clicks", rows.iter().map(|row| row.spent.clicks));
    columns.counts("impressions", rows.iter().map(|row| row.spent.impressions));
    for (place, name) in settings.values.iter().enumerate() {
        columns.amounts(name, exponent, rows.iter().map(of(place)))?;
    }
    columns.shares("conversions", rows.iter().map(|row| row.earned.conversions))?;
    columns.shares("new_customers", rows.iter().map(|row| row.earned.new_customers))?;
    columns.shares("returning_conversions", rows.iter().map(|row| row.earned.returning))?;
    columns.shares("leads", rows.iter().map(|row| row.earned.leads))?;
    columns.ratios("roas", ratios(&|row| ratio(of(revenue)(row), spend(row))));
    columns.ratios("roi", ratios(&|row| ratio(row.gain, spend(row))));
    columns.texts("roi_on", rows.iter().map(|_| Some(if margin.is_some() { "margin" } else { "revenue" })));
    columns.ratios("poas", ratios(&|row| ratio(of(margin?)(row), spend(row))));
    columns.ratios("mer", ratios(&|row| ratio(sums.totals.of(row.key.window, row.key.span)?.revenue, budget(sums, row))));
    columns.ratios("break_even_roas", ratios(&|row| ratio(of(revenue)(row), of(margin?)(row))));
    columns.ratios("cpa", ratios(&|row| amount_per_share(spend(row), row.earned.conversions, exponent)));
    columns.ratios("cpl", ratios(&|row| amount_per_share(spend(row), row.earned.leads, exponent)));
    columns.ratios("cac", ratios(&|row| amount_per_share(spend(row), row.earned.new_customers, exponent)));
    let blended = |row: &Row<'_>| {
        amount_per_count(budget(sums, row), sums.totals.of(row.key.window, row.key.span)?.new_customers, exponent)
    };
    columns.ratios("blended_cac", ratios(&blended));
    let ltv = |row: &Row<'_>| amount_per_share(of(lifetime?.value)(row), row.earned.new_customers, exponent);
    columns.ratios("ltv", ratios(&ltv));
    columns.texts("ltv_definition", rows.iter().map(|_| lifetime.map(|lifetime| lifetime.definition.as_str())));
    columns.ratios("ltv_cac", ratios(&|row| ltv_cac(sums, row.earned, spend(row))));
    let paybacks: Vec<_> = rows.iter().map(|row| payback(sums, row)).collect::<Result<_, _>>()?;
    columns.maybe_counts("payback_months", paybacks.into_iter());
    columns.finish()
}

/// LTV / CAC: new customers cancel out, but without any there is neither.
pub(crate) fn ltv_cac(sums: &Sums, earned: &Earnings, spend: i128) -> Option<f64> {
    let lifetime = sums.settings.lifetime.as_ref()?;
    if earned.new_customers == 0 { None } else { ratio(earned.values[lifetime.value], spend) }
}

fn budget(sums: &Sums, row: &Row<'_>) -> i128 {
    sums.budget.get(&row.key.span).copied().unwrap_or(0)
}

/// Every group that earned or was spent on, in the order of the table.
fn rows<'a>(sums: &'a Sums, nothing: &'a Earnings) -> Result<Vec<Row<'a>>, ReturnsError> {
    let settings = &sums.settings;
    let mut keys: FxHashSet<EarnedKey> = sums.earned.keys().copied().collect();
    for (span, group) in sums.spent.keys().copied() {
        for model in 0..settings.models.len() as u16 {
            keys.extend((0..settings.windows.len() as u16).map(|window| EarnedKey { model, window, span, group }));
        }
    }
    let (models, windows, groups) = (ranks(&settings.model_names()), ranks(&settings.windows), sums.groups.ranks());
    let mut keys: Vec<_> = keys.into_iter().collect();
    keys.sort_unstable_by_key(|key| {
        (models[usize::from(key.model)], windows[usize::from(key.window)], key.span, groups[key.group as usize])
    });
    let row = |key: EarnedKey| {
        let earned = sums.earned.get(&key).unwrap_or(nothing);
        let spent = sums.spent.get(&(key.span, key.group)).copied().unwrap_or_default();
        let gain = minus(earned.values[settings.profit()], spent.amount, TABLE, "roi")?;
        Ok(Row { key, earned, spent, gain })
    };
    keys.into_iter().map(row).collect()
}

/// Only where spend is of a channel as cohorts are, and of whole months.
fn payback(sums: &Sums, row: &Row<'_>) -> Result<Option<u64>, ReturnsError> {
    let Span { period, .. } = row.key.span;
    if sums.settings.by.len() > 1 || !matches!(period, Period::Month | Period::Quarter | Period::All) {
        return Ok(None);
    }
    let channel: &Value = &sums.groups.item(row.key.group)[0];
    let Some(channel) = sums.channels.find(channel) else { return Ok(None) };
    let key = (row.key.model, row.key.window, channel);
    Ok(sums.cohorts.payback(key, row.key.span, row.spent.amount, sums.settings.profit())?.map(u64::from))
}
