//! `marketing_share`: how many conversions of a period marketing touched, and what that share of all its revenue is.
//!
//! The simplest account of marketing, and the one that needs no model: of 300 leads 30 had a touch of marketing, which is
//! 10 %; the customers are worth 200 M, so 20 M are marketing's; at a budget of 5 M that is a ROAS of 4.0 and an ROI of
//! 3.0.
//!
//! `value` is the revenue of all conversions of the period, whatever their kind, and so the same in each row of the period:
//! the share of the leads is applied to what the customers are worth. `attributed_value` = `value` · `touched` /
//! `conversions` in whole minor units, half to even. `touched_value` is the revenue of the row's touched conversions
//! themselves.

use rustc_hash::{FxHashMap, FxHashSet};

use attributary_core::NOT_SET;

use crate::error::ReturnsError;
use crate::input::{Standing, Touched};
use crate::interner::{Interner, ranks};
use crate::number::{part_of, ratio};
use crate::period::{Period, Span};
use crate::sums::{Sums, Table, add, add_count, minus};
use crate::table::Columns;

/// The kind under which all conversions are.
pub const ALL: &str = "(all)";

/// The kind under which first orders are, each of which is a new customer.
pub const CUSTOMERS: &str = "(customers)";

const TABLE: &str = "marketing_share";

/// Whole conversions by window, period and kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    kinds: Interner<String>,
    sums: FxHashMap<(u16, Span, Kind), Total>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    All,
    Customers,
    Unset,
    Named(u32),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Total {
    conversions: u64,
    touched: u64,
    revenue: i128,
    touched_revenue: i128,
}

/// What `returns` compares its groups with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeriodTotal {
    /// Of all conversions, in minor units.
    pub(crate) revenue: i128,
    pub(crate) new_customers: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, window: u16, periods: &[Period], row: &Touched<'_>, revenue: usize) -> Result<(), ReturnsError> {
        if row.touched > row.conversions {
            return Err(ReturnsError::Touched { conversions: row.conversions, touched: row.touched });
        }
        let kind = match row.kind.as_text() {
            None | Some("" | NOT_SET) => Kind::Unset,
            Some(name) => Kind::Named(self.kinds.number(name)),
        };
        let kinds = [Some(Kind::All), Some(kind), (row.standing == Standing::New).then_some(Kind::Customers)];
        for period in periods {
            for kind in kinds.into_iter().flatten() {
                let sums = self.sums.entry((window, Span::of(*period, row.day), kind)).or_default();
                add_count(&mut sums.conversions, row.conversions, TABLE, "conversions")?;
                add_count(&mut sums.touched, row.touched, TABLE, "touched")?;
                add(&mut sums.revenue, row.values[revenue], TABLE, "value")?;
                add(&mut sums.touched_revenue, row.touched_values[revenue], TABLE, "touched_value")?;
            }
        }
        Ok(())
    }

    /// The totals of a period; none where no totals were ever given, as then nobody knows them.
    pub(crate) fn of(&self, window: u16, span: Span) -> Option<PeriodTotal> {
        if self.sums.is_empty() {
            return None;
        }
        let of = |kind| self.sums.get(&(window, span, kind)).copied().unwrap_or_default();
        Some(PeriodTotal { revenue: of(Kind::All).revenue, new_customers: of(Kind::Customers).conversions })
    }

    fn name(&self, kind: Kind) -> &str {
        match kind {
            Kind::All => ALL,
            Kind::Customers => CUSTOMERS,
            Kind::Unset => NOT_SET,
            Kind::Named(number) => self.kinds.item(number),
        }
    }
}

struct Row<'a> {
    window: u16,
    span: Span,
    kind: &'a str,
    total: Total,
    /// The revenue of all conversions of the period.
    value: i128,
    attributed: Option<i128>,
    spend: i128,
    /// Attributed − spend.
    gain: Option<i128>,
}

pub(crate) fn table(sums: &Sums) -> Result<Table, ReturnsError> {
    let exponent = sums.settings.exponent;
    let rows = rows(sums)?;
    let mut columns = Columns::of(TABLE);
    columns.texts("window", rows.iter().map(|row| Some(sums.settings.windows[usize::from(row.window)].as_str())));
    columns.texts("period", rows.iter().map(|row| Some(row.span.period.name())));
    columns.dates("period_start", rows.iter().map(|row| row.span.start));
    columns.texts("kind", rows.iter().map(|row| Some(row.kind)));
    columns.counts("conversions", rows.iter().map(|row| row.total.conversions));
    columns.counts("touched", rows.iter().map(|row| row.total.touched));
    columns.ratios("share", rows.iter().map(|row| ratio(row.total.touched.into(), row.total.conversions.into())));
    columns.amounts("value", exponent, rows.iter().map(|row| row.value))?;
    columns.amounts("touched_value", exponent, rows.iter().map(|row| row.total.touched_revenue))?;
    columns.maybe_amounts("attributed_value", exponent, rows.iter().map(|row| row.attributed))?;
    columns.amounts("spend", exponent, rows.iter().map(|row| row.spend))?;
    columns.ratios("roas", rows.iter().map(|row| ratio(row.attributed?, row.spend)));
    columns.ratios("roi", rows.iter().map(|row| ratio(row.gain?, row.spend)));
    columns.finish()
}

/// Periods with spend but without conversions are there too, under every window.
fn rows(sums: &Sums) -> Result<Vec<Row<'_>>, ReturnsError> {
    let totals = &sums.totals;
    // Where conversions have no kinds at all, `(all)` has said everything.
    let has_kinds = totals.sums.keys().any(|(_, _, kind)| matches!(kind, Kind::Named(_)));
    let shown = |kind: &Kind| has_kinds || *kind != Kind::Unset;
    let mut keys: FxHashSet<(u16, Span, Kind)> = totals.sums.keys().filter(|(_, _, kind)| shown(kind)).copied().collect();
    for (window, span, _) in totals.sums.keys() {
        keys.insert((*window, *span, Kind::Customers));
    }
    for span in sums.budget.keys() {
        for window in 0..sums.settings.windows.len() as u16 {
            keys.extend([Kind::All, Kind::Customers].map(|kind| (window, *span, kind)));
        }
    }
    let windows = ranks(&sums.settings.windows);
    let mut keys: Vec<_> = keys.into_iter().collect();
    keys.sort_unstable_by(|one, other| {
        let order = |key: &(u16, Span, Kind)| (windows[usize::from(key.0)], key.1);
        order(one).cmp(&order(other)).then_with(|| totals.name(one.2).cmp(totals.name(other.2)))
    });
    let row = |key: (u16, Span, Kind)| {
        let (window, span, kind) = key;
        let total = totals.sums.get(&key).copied().unwrap_or_default();
        let value = totals.of(window, span).map_or(0, |total| total.revenue);
        let attributed = part_of(value, total.touched, total.conversions);
        let spend = sums.budget.get(&span).copied().unwrap_or(0);
        let gain = attributed.map(|attributed| minus(attributed, spend, TABLE, "roi")).transpose()?;
        Ok(Row { window, span, kind: totals.name(kind), total, value, attributed, spend, gain })
    };
    keys.into_iter().map(row).collect()
}
