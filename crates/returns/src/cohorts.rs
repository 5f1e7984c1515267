//! `cohorts`: what the customers that a channel acquired in a month brought, by their age in calendar months.
//!
//! `cumulative` is their revenue up to and with the age, `retention` those who ordered at the age / all of them,
//! `repeat_rate` those with a second order by the age / all of them. `payback_month` is the first age at which their
//! cumulative margin (without a margin, revenue) is what was spent on the channel in the month of acquisition; the same in
//! each row of a cohort, null where that has not happened yet or nothing was spent.
//!
//! Every age from 0 to the last that is observed is a row, also where nobody ordered. The last one is the month in which
//! [`Settings::observed`](crate::Settings::observed) ends, which need not be a whole month; without it the last with an
//! order.

use std::collections::BTreeMap;

use attributary_core::time::{self, Day};
use rustc_hash::FxHashMap;

use crate::error::ReturnsError;
use crate::input::Cohort;
use crate::interner::ranks;
use crate::number::{amount_per_count, ratio};
use crate::period::{Span, months_between};
use crate::sums::{Sums, Table, add, add_count};
use crate::table::Columns;

/// Ages without an order are rows up to this one: a date of the year 9999 in a source is no reason for a million rows.
const MOST_AGES: i32 = 600;

const TABLE: &str = "cohorts";

/// Nobody is older than the calendar.
const OLDEST: u32 = 9_999 * 12;

/// A model, a window and a channel.
pub(crate) type Whose = (u16, u16, u32);

/// Customers by channel, month of acquisition and age.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cohorts {
    sums: FxHashMap<Whose, BTreeMap<Day, BTreeMap<u32, Cell>>>,
    /// By channel and month.
    spend: FxHashMap<(u32, Day), i128>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cell {
    customers: u64,
    active: u64,
    orders: u64,
    repeaters: u64,
    values: Vec<i128>,
}

impl Cohorts {
    pub(crate) fn add(&mut self, whose: Whose, row: &Cohort<'_>) -> Result<(), ReturnsError> {
        if row.age > OLDEST {
            return Err(ReturnsError::Age { age: row.age });
        }
        let month = time::month_start(row.month);
        let cell = self.sums.entry(whose).or_default().entry(month).or_default().entry(row.age).or_default();
        add_count(&mut cell.customers, row.customers, TABLE, "customers")?;
        add_count(&mut cell.active, row.active, TABLE, "active")?;
        add_count(&mut cell.orders, row.orders, TABLE, "orders")?;
        add_count(&mut cell.repeaters, row.repeaters, TABLE, "repeaters")?;
        cell.values.resize(row.values.len(), 0);
        cell.values.iter_mut().zip(row.values).try_for_each(|(sum, more)| add(sum, *more, TABLE, "values"))
    }

    pub(crate) fn spent(&mut self, channel: u32, day: Day, amount: i128) -> Result<(), ReturnsError> {
        add(self.spend.entry((channel, time::month_start(day))).or_default(), amount, TABLE, "spend")
    }

    /// The least age at which the customers who were acquired in the months of `span` have brought `spend` of `value` in all.
    pub(crate) fn payback(&self, whose: Whose, span: Span, spend: i128, value: usize) -> Result<Option<u32>, ReturnsError> {
        let Some(months) = self.sums.get(&whose) else { return Ok(None) };
        let within = |month: &Day| span.start.is_none_or(|_| Span::of(span.period, *month) == span);
        let mut by_age = BTreeMap::<u32, i128>::new();
        for (age, cell) in months.iter().filter(|(month, _)| within(month)).flat_map(|(_, ages)| ages) {
            add(by_age.entry(*age).or_default(), cell.values[value], TABLE, "cumulative")?;
        }
        paid_back(spend, by_age.into_iter())
    }
}

/// The first age at which the sum of what came up to then is at least `spend`.
fn paid_back(spend: i128, by_age: impl Iterator<Item = (u32, i128)>) -> Result<Option<u32>, ReturnsError> {
    if spend <= 0 {
        return Ok(None);
    }
    let mut cumulative = 0;
    for (age, value) in by_age {
        add(&mut cumulative, value, TABLE, "cumulative")?;
        if cumulative >= spend {
            return Ok(Some(age));
        }
    }
    Ok(None)
}

struct Row {
    whose: Whose,
    month: Day,
    age: u32,
    customers: u64,
    active: u64,
    orders: u64,
    values: Vec<i128>,
    cumulative: i128,
    repeaters: u64,
    spend: i128,
    payback: Option<u32>,
}

pub(crate) fn table(sums: &Sums) -> Result<Table, ReturnsError> {
    let settings = &sums.settings;
    let exponent = settings.exponent;
    let rows = rows(sums)?;
    let mut columns = Columns::of(TABLE);
    columns.texts("model", rows.iter().map(|row| Some(settings.models[usize::from(row.whose.0)].name.as_str())));
    columns.texts("window", rows.iter().map(|row| Some(settings.windows[usize::from(row.whose.1)].as_str())));
    columns.dates("acquisition_month", rows.iter().map(|row| Some(row.month)));
    let mut channel = settings.by[0].clone();
    "channel".clone_into(&mut channel.name);
    columns.values(&channel, rows.iter().map(|row| sums.channels.item(row.whose.2)));
    columns.counts("age_months", rows.iter().map(|row| row.age.into()));
    columns.counts("customers", rows.iter().map(|row| row.customers));
    columns.counts("active", rows.iter().map(|row| row.active));
    columns.counts("orders", rows.iter().map(|row| row.orders));
    for (place, name) in settings.values.iter().enumerate() {
        columns.amounts(name, exponent, rows.iter().map(|row| row.values[place]))?;
    }
    columns.amounts("cumulative", exponent, rows.iter().map(|row| row.cumulative))?;
    let each = |row: &Row| amount_per_count(row.cumulative, row.customers, exponent);
    columns.ratios("cumulative_per_customer", rows.iter().map(each));
    columns.ratios("retention", rows.iter().map(|row| ratio(row.active.into(), row.customers.into())));
    columns.ratios("repeat_rate", rows.iter().map(|row| ratio(row.repeaters.into(), row.customers.into())));
    columns.amounts("spend", exponent, rows.iter().map(|row| row.spend))?;
    columns.maybe_counts("payback_month", rows.iter().map(|row| row.payback.map(u64::from)));
    columns.finish()
}

fn rows(sums: &Sums) -> Result<Vec<Row>, ReturnsError> {
    let settings = &sums.settings;
    let (models, windows, channels) = (ranks(&settings.model_names()), ranks(&settings.windows), sums.channels.ranks());
    let cohorts = sums.cohorts.sums.iter();
    let mut cohorts: Vec<_> =
        cohorts.flat_map(|(whose, months)| months.iter().map(|(month, ages)| (*whose, *month, ages))).collect();
    cohorts.sort_unstable_by_key(|((model, window, channel), month, _)| {
        (models[usize::from(*model)], windows[usize::from(*window)], *month, channels[*channel as usize])
    });
    let mut rows = Vec::new();
    for (whose, month, ages) in cohorts {
        let spend = sums.cohorts.spend.get(&(whose.2, month)).copied().unwrap_or(0);
        let payback = paid_back(spend, ages.iter().map(|(age, cell)| (*age, cell.values[settings.profit()])))?;
        let customers = ages.values().map(|cell| cell.customers).max().unwrap_or(0);
        let until = settings.customers_until.or(settings.observed.as_ref().map(|days| days.end - 1));
        let observed = until.map_or(0, |until| months_between(month, until).clamp(0, MOST_AGES) as u32);
        let last = ages.keys().next_back().copied().unwrap_or(0).max(observed);
        let (mut cumulative, mut repeaters) = (0, 0);
        let nothing = Cell { values: vec![0; settings.values.len()], ..Cell::default() };
        for age in 0..=last {
            let Cell { active, orders, repeaters: more, values, .. } = ages.get(&age).unwrap_or(&nothing).clone();
            add(&mut cumulative, values[settings.revenue], TABLE, "cumulative")?;
            add_count(&mut repeaters, more, TABLE, "repeaters")?;
            rows.push(Row { whose, month, age, customers, active, orders, values, cumulative, repeaters, spend, payback });
        }
    }
    Ok(rows)
}
