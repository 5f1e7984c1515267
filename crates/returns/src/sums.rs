//! The sums that all tables are made of. Rows come in any order and are added up at once.

use attributary_core::table::{Field, Rows};
use attributary_core::time::Day;
use attributary_core::value::{ColumnType, Value};
use attributary_core::{NOT_SET, UNATTRIBUTED};
use rustc_hash::FxHashMap;

use crate::cohorts::{self, Cohorts};
use crate::error::ReturnsError;
use crate::input::{Cohort, Earned, Spent, Standing, Touched};
use crate::interner::Interner;
use crate::marketing_share::{self, Totals};
use crate::period::{Period, Span, check_day};
use crate::settings::{Parts, Settings};
use crate::what_if::{self, Series};
use crate::{budget, returns};

/// The fields and the rows of a table.
pub type Table = (Vec<Field>, Rows);

/// Adds up what was earned and spent, and makes the tables of it. After an error the sums are not to be used any more.
#[derive(Clone, Debug)]
pub struct Sums {
    pub(crate) settings: Settings,
    /// Each once.
    pub(crate) periods: Vec<Period>,
    pub(crate) groups: Interner<Vec<Value>>,
    pub(crate) channels: Interner<Value>,
    pub(crate) goals: Interner<String>,
    pub(crate) earned: FxHashMap<EarnedKey, Earnings>,
    /// By period and group.
    pub(crate) spent: FxHashMap<(Span, u32), Spending>,
    /// By period, group and goal; only where a budget is divided by goal.
    pub(crate) spent_on_goals: FxHashMap<(Span, u32, u32), i128>,
    /// Of all groups together.
    pub(crate) budget: FxHashMap<Span, i128>,
    pub(crate) totals: Totals,
    pub(crate) cohorts: Cohorts,
    pub(crate) series: Series,
}

/// Whose earnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EarnedKey {
    pub(crate) model: u16,
    pub(crate) window: u16,
    pub(crate) span: Span,
    pub(crate) group: u32,
}

/// What a group earned in a period. Shares in billionths, amounts in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Earnings {
    pub(crate) conversions: i128,
    pub(crate) new_customers: i128,
    pub(crate) returning: i128,
    pub(crate) leads: i128,
    pub(crate) new_revenue: i128,
    pub(crate) returning_revenue: i128,
    pub(crate) values: Vec<i128>,
}

impl Earnings {
    pub(crate) fn nothing(values: usize) -> Self {
        Self {
            conversions: 0,
            new_customers: 0,
            returning: 0,
            leads: 0,
            new_revenue: 0,
            returning_revenue: 0,
            values: vec![0; values],
        }
    }

    /// Each sum in turn, always in the same order.
    pub(crate) fn each_mut(&mut self) -> impl Iterator<Item = &mut i128> {
        [
            &mut self.conversions,
            &mut self.new_customers,
            &mut self.returning,
            &mut self.leads,
            &mut self.new_revenue,
            &mut self.returning_revenue,
        ]
        .into_iter()
        .chain(&mut self.values)
    }

    /// As [`Earnings::each_mut`].
    pub(crate) fn each(&self) -> impl Iterator<Item = i128> {
        let shares = [self.conversions, self.new_customers, self.returning, self.leads];
        shares.into_iter().chain([self.new_revenue, self.returning_revenue]).chain(self.values.iter().copied())
    }

    pub(crate) fn add(&mut self, other: &Self, table: &'static str) -> Result<(), ReturnsError> {
        self.each_mut().zip(other.each()).try_for_each(|(sum, more)| add(sum, more, table, "what was earned"))
    }
}

/// What was spent on a group in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spending {
    pub(crate) amount: i128,
    pub(crate) clicks: u64,
    pub(crate) impressions: u64,
}

impl Sums {
    /// No rows yet.
    ///
    /// # Errors
    /// Where the settings do not go together, or a value or dimension is called like a column of the tables.
    pub fn new(settings: Settings) -> Result<Self, ReturnsError> {
        settings.check()?;
        let mut periods = settings.periods.clone();
        periods.sort_unstable();
        periods.dedup();
        let sums = Self {
            settings,
            periods,
            groups: Interner::default(),
            channels: Interner::default(),
            goals: Interner::default(),
            earned: FxHashMap::default(),
            spent: FxHashMap::default(),
            spent_on_goals: FxHashMap::default(),
            budget: FxHashMap::default(),
            totals: Totals::default(),
            cohorts: Cohorts::default(),
            series: Series::default(),
        };
        // Tables without rows have the names of all columns: the only thing that can be wrong with them.
        for table in [Self::returns, Self::marketing_share, Self::cohorts, Self::budget, Self::what_if] {
            table(&sums)?;
        }
        Ok(sums)
    }

    /// Says which days were observed, and until when customers were, once that is known.
    ///
    /// # Errors
    /// For a day outside of the calendar.
    pub fn observe(&mut self, days: Option<std::ops::Range<Day>>, customers_until: Option<Day>) -> Result<(), ReturnsError> {
        (self.settings.observed, self.settings.customers_until) = (days, customers_until);
        self.settings.check()
    }

    /// About how many rows of `returns` there are so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        let pairs = self.settings.models.len() * self.settings.windows.len();
        self.earned.len().max(self.spent.len() * pairs) as u64
    }

    /// Says that the lifetime value is not known: LTV and what hangs on it are null.
    pub fn forget_lifetime(&mut self) {
        self.settings.lifetime = None;
    }

    /// Adds what a model credits a group with.
    ///
    /// # Errors
    /// For an unknown model or window, cells too many or too few, a day outside of the calendar, and sums beyond 128 bits.
    pub fn earned(&mut self, row: &Earned<'_>) -> Result<(), ReturnsError> {
        const TABLE: &str = "returns";
        let (model, window) = (self.model(row.model)?, self.window(row.window)?);
        let day = check_day(row.day)?;
        self.check_values(row.values)?;
        let group = self.group(row.group)?;
        let revenue = row.values[self.settings.revenue];
        let is_lead = self.settings.lead_kind.as_deref().is_some_and(|lead| row.kind.as_text() == Some(lead));
        for period in &self.periods {
            let key = EarnedKey { model, window, span: Span::of(*period, day), group };
            let sums = self.earned.entry(key).or_insert_with(|| Earnings::nothing(row.values.len()));
            add(&mut sums.conversions, row.conversions, TABLE, "conversions")?;
            match row.standing {
                Standing::New => {
                    add(&mut sums.new_customers, row.conversions, TABLE, "new_customers")?;
                    add(&mut sums.new_revenue, revenue, TABLE, "revenue")?;
                }
                Standing::Returning => {
                    add(&mut sums.returning, row.conversions, TABLE, "returning_conversions")?;
                    add(&mut sums.returning_revenue, revenue, TABLE, "revenue")?;
                }
                Standing::Other => {}
            }
            if is_lead {
                add(&mut sums.leads, row.conversions, TABLE, "leads")?;
            }
            for (value, (sum, more)) in sums.values.iter_mut().zip(row.values).enumerate() {
                add(sum, *more, TABLE, &self.settings.values[value])?;
            }
        }
        if let Some(what_if) = self.settings.what_if {
            let channel = self.channels.number(&self.groups.item(group)[0]);
            self.series.earned((model, window, channel), what_if.period, day, revenue)?;
        }
        Ok(())
    }

    /// Adds a cost.
    ///
    /// # Errors
    /// For cells too many or too few, a day outside of the calendar, and sums beyond 128 bits (of clicks and impressions 64).
    pub fn spent(&mut self, row: &Spent<'_>) -> Result<(), ReturnsError> {
        const TABLE: &str = "returns";
        let day = check_day(row.day)?;
        let group = self.group(row.group)?;
        let by_goal = self.settings.budgets.iter().any(|budget| matches!(budget.parts, Parts::Goal));
        let goal = by_goal.then(|| self.goals.number(row.goal.filter(|goal| !goal.is_empty()).unwrap_or(NOT_SET)));
        for period in &self.periods {
            let span = Span::of(*period, day);
            let sums = self.spent.entry((span, group)).or_default();
            add(&mut sums.amount, row.amount, TABLE, "spend")?;
            // No platform counts so far: what is beyond 64 bits is noise.
            sums.clicks = sums.clicks.saturating_add(row.clicks);
            sums.impressions = sums.impressions.saturating_add(row.impressions);
            add(self.budget.entry(span).or_default(), row.amount, TABLE, "spend")?;
            if let Some(goal) = goal {
                add(self.spent_on_goals.entry((span, group, goal)).or_default(), row.amount, "budget", "spend")?;
            }
        }
        let channel = self.channels.number(&self.groups.item(group)[0]);
        self.cohorts.spent(channel, day, row.amount)?;
        if let Some(what_if) = self.settings.what_if {
            self.series.spent(channel, what_if.period, day, row.amount)?;
        }
        Ok(())
    }

    /// Adds whole conversions. Where none were ever added, `mer` and `blended_cac` of `returns` are null.
    ///
    /// # Errors
    /// For an unknown window, values too many or too few, a day outside of the calendar, more touched conversions than
    /// conversions, a kind called like a row of its own, and sums beyond 128 bits (of conversions 64).
    pub fn touched(&mut self, row: &Touched<'_>) -> Result<(), ReturnsError> {
        let window = self.window(row.window)?;
        check_day(row.day)?;
        self.check_values(row.values)?;
        self.check_values(row.touched_values)?;
        self.totals.add(window, &self.periods, row, self.settings.revenue)
    }

    /// Adds what customers of a cohort did.
    ///
    /// # Errors
    /// For an unknown model or window, values too many or too few, a month outside of the calendar, an age that cannot be,
    /// and sums beyond 128 bits (of counts 64).
    pub fn cohort(&mut self, row: &Cohort<'_>) -> Result<(), ReturnsError> {
        let (model, window) = (self.model(row.model)?, self.window(row.window)?);
        check_day(row.month)?;
        self.check_values(row.values)?;
        let channel = if is_unset(row.channel) { Value::text(NOT_SET) } else { row.channel.clone() };
        let channel = self.channels.number(&channel);
        self.cohorts.add((model, window, channel), row)
    }

    /// `returns`: what each group cost and brought, by model, window and period.
    ///
    /// # Errors
    /// Where a sum has more digits than its column.
    pub fn returns(&self) -> Result<Table, ReturnsError> {
        returns::table(self)
    }

    /// `marketing_share`: how many conversions marketing touched, and what that share of all revenue is, by window and
    /// period.
    ///
    /// # Errors
    /// Where a sum has more digits than its column.
    pub fn marketing_share(&self) -> Result<Table, ReturnsError> {
        marketing_share::table(self)
    }

    /// `cohorts`: what the customers of a month and channel brought, by their age.
    ///
    /// # Errors
    /// Where a sum has more digits than its column.
    pub fn cohorts(&self) -> Result<Table, ReturnsError> {
        cohorts::table(self)
    }

    /// `budget`: how the budget is divided, how it should be, and what each part brought.
    ///
    /// # Errors
    /// Where a sum has more digits than its column.
    pub fn budget(&self) -> Result<Table, ReturnsError> {
        budget::table(self)
    }

    /// `what_if`: what a further unit of spend went along with, by channel.
    ///
    /// # Errors
    /// Where products of sums have more than 127 bits: with 26 weeks, from some 10¹⁷ minor units a week on.
    pub fn what_if(&self) -> Result<Table, ReturnsError> {
        what_if::table(self)
    }

    fn model(&self, name: &str) -> Result<u16, ReturnsError> {
        let place = self.settings.models.iter().position(|model| model.name == name);
        let unknown = || ReturnsError::UnknownModel { name: name.to_owned(), known: self.settings.model_names() };
        place.map(|place| place as u16).ok_or_else(unknown)
    }

    fn window(&self, name: &str) -> Result<u16, ReturnsError> {
        let place = self.settings.windows.iter().position(|window| window == name);
        let unknown = || ReturnsError::UnknownWindow { name: name.to_owned(), known: self.settings.windows.clone() };
        place.map(|place| place as u16).ok_or_else(unknown)
    }

    fn check_values(&self, values: &[i128]) -> Result<(), ReturnsError> {
        check_length("values", self.settings.values.len(), values.len())
    }

    /// The number of a group. Null and empty text are `(not set)`, so that what was spent without a campaign meets what was
    /// earned without one; what no touch earned has neither campaign nor dimensions and keeps its nulls.
    fn group(&mut self, cells: &[Value]) -> Result<u32, ReturnsError> {
        let by = &self.settings.by;
        check_length("cells of a group", by.len(), cells.len())?;
        let unattributed = cells[0].as_text() == Some(UNATTRIBUTED);
        let replaced = |place: usize| {
            let named = place == 0 || by[place].kind == ColumnType::Text && !unattributed;
            named && is_unset(&cells[place])
        };
        if !(0..cells.len()).any(replaced) {
            return Ok(self.groups.number(cells));
        }
        let cell = |(place, cell): (usize, &Value)| if replaced(place) { Value::text(NOT_SET) } else { cell.clone() };
        let cells: Vec<Value> = cells.iter().enumerate().map(cell).collect();
        Ok(self.groups.number(cells.as_slice()))
    }
}

fn is_unset(cell: &Value) -> bool {
    cell.is_null() || cell.as_text() == Some("")
}

fn check_length(what: &'static str, expected: usize, found: usize) -> Result<(), ReturnsError> {
    if expected == found { Ok(()) } else { Err(ReturnsError::Length { what, expected, found }) }
}

pub(crate) fn add(sum: &mut i128, more: i128, table: &'static str, column: &str) -> Result<(), ReturnsError> {
    *sum = sum.checked_add(more).ok_or_else(|| ReturnsError::overflow(table, column))?;
    Ok(())
}

pub(crate) fn add_count(sum: &mut u64, more: u64, table: &'static str, column: &str) -> Result<(), ReturnsError> {
    *sum = sum.checked_add(more).ok_or_else(|| ReturnsError::overflow(table, column))?;
    Ok(())
}

pub(crate) fn minus(whole: i128, part: i128, table: &'static str, column: &str) -> Result<i128, ReturnsError> {
    whole.checked_sub(part).ok_or_else(|| ReturnsError::overflow(table, column))
}
