//! What was spent and what it brought, as sums under the main model and window: every ratio of the page is made of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::ReportError;
use crate::number::SHARE_SCALE;
use crate::run::{Run, ValueColumn};
use crate::scan::Row;
use crate::sums::{NOT_SET, UNATTRIBUTED, add};

const TABLE: &str = "returns";

/// The period that is everything.
pub(crate) const ALL: &str = "all";

/// Periods, the longest first: what is shown of channels.
const PERIODS: &[&str] = &[ALL, "quarter", "month", "week", "day"];

/// Periods that are shown over time, the best first.
const PARTS: &[&str] = &["month", "week", "quarter", "day"];

/// What was spent and what it brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Both {
    pub(crate) spend: i128,
    pub(crate) revenue: i128,
}

impl Both {
    /// Both added up.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { spend: self.spend.saturating_add(other.spend), revenue: self.revenue.saturating_add(other.revenue) }
    }
}

/// What the new customers will have been worth, by the definition that the run gives.
pub(crate) struct Lifetime {
    /// Of all new customers.
    pub(crate) sum: i128,
    /// What counts.
    pub(crate) definition: String,
}

/// Sums under the main model and window.
pub(crate) struct Spend {
    /// What stands for revenue.
    pub(crate) revenue: ValueColumn,
    /// The period of the sums by channel, and that of the sums over time.
    pub(crate) whole: String,
    pub(crate) part: Option<String>,
    /// Digits of the spend.
    pub(crate) scale: u8,
    /// By channel, those with most spend first.
    pub(crate) channels: Vec<(String, Both)>,
    pub(crate) over_time: BTreeMap<i128, Both>,
    /// Shares of first orders of all channels, also of what no touch got.
    pub(crate) new_customers: i128,
    pub(crate) lifetime: Option<Lifetime>,
}

impl Spend {
    /// Adds up the table `returns`; none where the run has none.
    pub(crate) fn read(run: &Run) -> Result<Option<Self>, ReportError> {
        let Some((entry, revenue)) = run.table(TABLE).filter(|table| table.rows > 0).zip(run.revenue()) else { return Ok(None) };
        let mut periods = BTreeSet::new();
        run.scan(entry, |row| {
            let period = row.text("period").unwrap_or(ALL);
            if !periods.contains(period) {
                periods.insert(period.to_owned());
            }
            Ok(())
        })?;
        let first = |known: &[&str]| known.iter().find(|period| periods.contains(**period)).map(|period| (*period).to_owned());
        let whole = first(PERIODS).or(periods.first().cloned()).unwrap_or(ALL.to_owned());
        let mut spend = Self {
            revenue: revenue.clone(),
            whole,
            part: first(PARTS),
            scale: run.columns(entry)?.scale("spend").unwrap_or(revenue.scale),
            channels: Vec::new(),
            over_time: BTreeMap::new(),
            new_customers: 0,
            lifetime: None,
        };
        let mut channels: BTreeMap<String, Both> = BTreeMap::new();
        let mut lifetimes = Lifetimes::new(run.values_in(entry)?);
        let (model, window) = (run.main_model(), run.main_window());
        run.scan(entry, |row| {
            if row.text("model") != Some(model) || row.text("window") != Some(window) {
                return Ok(());
            }
            let period = row.text("period").unwrap_or(ALL);
            if period == spend.whole {
                spend.add(channels.entry(row.text("channel").unwrap_or(NOT_SET).to_owned()).or_default(), row)?;
                add(&mut spend.new_customers, row, TABLE, "new_customers")?;
                lifetimes.add(row)?;
            }
            if let (true, Some(start)) = (Some(period) == spend.part.as_deref(), row.day("period_start")) {
                let mut sum = spend.over_time.get(&start).copied().unwrap_or_default();
                spend.add(&mut sum, row)?;
                spend.over_time.insert(start, sum);
            }
            Ok(())
        })?;
        spend.channels = channels.into_iter().collect();
        spend.channels.sort_by_key(|(_, both)| std::cmp::Reverse((both.spend, both.revenue)));
        spend.lifetime = lifetimes.finish();
        Ok(Some(spend))
    }

    /// Of all channels, also of what no touch got.
    pub(crate) fn all(&self) -> Both {
        self.of(|_, _| true)
    }

    /// Of the channels that touches got something for.
    pub(crate) fn attributed(&self) -> Both {
        self.of(|name, _| name != UNATTRIBUTED)
    }

    /// Of the channels that were spent on.
    pub(crate) fn paid(&self) -> Both {
        self.of(|name, both| name != UNATTRIBUTED && both.spend != 0)
    }

    /// Revenue and spend in the same digits, so that one divided by the other is the return; none where nothing was spent.
    pub(crate) fn roas(&self, both: Both) -> Option<(i128, i128)> {
        let scaled = |amount: i128, scale: u8| amount.checked_mul(10_i128.checked_pow(scale.into())?);
        let pair = (scaled(both.revenue, self.scale)?, scaled(both.spend, self.revenue.scale)?);
        (both.spend != 0).then_some(pair)
    }

    /// What a new customer cost: spend and customers, so that one divided by the other is in major units.
    pub(crate) fn cac(&self) -> Option<(i128, i128)> {
        self.per_customer(self.all().spend, self.scale)
    }

    /// What a new customer will have been worth, likewise.
    pub(crate) fn ltv(&self) -> Option<(i128, i128)> {
        self.per_customer(self.lifetime.as_ref()?.sum, self.revenue.scale)
    }

    /// LTV ÷ CAC: the number of customers cancels out, but without any there is neither.
    pub(crate) fn ltv_cac(&self) -> Option<(i128, i128)> {
        let lifetime = self.lifetime.as_ref().filter(|_| self.new_customers != 0)?;
        self.roas(Both { spend: self.all().spend, revenue: lifetime.sum })
    }

    fn per_customer(&self, amount: i128, scale: u8) -> Option<(i128, i128)> {
        let customers = self.new_customers.checked_mul(10_i128.checked_pow(scale.into())?)?;
        let amount = amount.checked_mul(10_i128.checked_pow(SHARE_SCALE.into())?)?;
        (customers != 0).then_some((amount, customers))
    }

    fn of(&self, keep: impl Fn(&str, &Both) -> bool) -> Both {
        let kept = self.channels.iter().filter(|(name, both)| keep(name, both));
        kept.fold(Both::default(), |all, (_, both)| all.plus(*both))
    }

    fn add(&self, sum: &mut Both, row: Row<'_>) -> Result<(), ReportError> {
        add(&mut sum.spend, row, TABLE, "spend")?;
        add(&mut sum.revenue, row, TABLE, &self.revenue.name)
    }
}

/// Which value the run's `ltv` is made of: the one that, divided by the new customers, is it in every row.
struct Lifetimes {
    candidates: Vec<(ValueColumn, i128)>,
    definition: Option<String>,
}

impl Lifetimes {
    fn new(values: Vec<ValueColumn>) -> Self {
        Self { candidates: values.into_iter().map(|value| (value, 0)).collect(), definition: None }
    }

    fn add(&mut self, row: Row<'_>) -> Result<(), ReportError> {
        for (value, sum) in &mut self.candidates {
            add(sum, row, TABLE, &value.name)?;
        }
        let Some((ltv, customers)) = row.float("ltv").zip(row.drawn("new_customers")) else { return Ok(()) };
        self.candidates.retain(|(value, _)| {
            let amount = row.drawn(&value.name).unwrap_or(0.0);
            (amount - ltv * customers).abs() <= 1e-6 + 1e-9 * amount.abs()
        });
        if self.definition.is_none() {
            self.definition = row.text("ltv_definition").map(str::to_owned);
        }
        Ok(())
    }

    /// Values of customers come after those of the source, so of several the last is meant.
    fn finish(self) -> Option<Lifetime> {
        let (_, sum) = self.candidates.into_iter().next_back()?;
        Some(Lifetime { sum, definition: self.definition? })
    }
}
