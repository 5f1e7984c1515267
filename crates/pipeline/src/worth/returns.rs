//! Returns: the walk's sums and what was spent, brought together by the crate that knows the ratios.

use std::collections::BTreeMap;

use attributary_core::money::decimal_text;
use attributary_core::table::{Field, Rows};
use attributary_core::time::Day;
use attributary_core::value::{ColumnType, Value};
use attributary_core::{UNATTRIBUTED, WHOLE_SHARE};
use attributary_engine::budget::Budget as Memory;
use attributary_engine::histories::Standing;
use attributary_engine::tables::customers::CohortRow;
use attributary_engine::tables::grouped::by_field;
use attributary_engine::tables::{self, SinkError};
use attributary_engine::{EngineError, GroupColumn, Range, Setup, TableSetup};
use attributary_returns::{
    Budget, Cohort, Earned, Lifetime, ModelName, Parts, Period, ReturnsError, RoasTargets, Settings, Spent, Standing as Life,
    Sums, Target, Touched, WhatIf,
};
use rustc_hash::FxHashMap;

use super::Spending;
use crate::error::Error;
use crate::file::{self, MARKETING, Pipeline};
use crate::plan::{CONVERSIONS_BASE, Plan, RETURNS_BASE, revenue_and_margin};
use crate::report::{ChannelReturns, ReturnsSummary};
use crate::writer::Writer;

/// The sums of a run's returns.
pub(crate) struct Returns {
    sums: Sums,
    values: usize,
    /// The days that are published.
    days: Range,
    /// Whether the lifetime value looks ahead.
    foreseen: bool,
    /// The first model and window.
    first: Option<(String, String)>,
    revenue: String,
    ltv_definition: Option<String>,
    /// The model whose conversions are counted as a whole: that of marketing, or any.
    whole: String,
    has_marketing: bool,
    has_what_if: bool,
    has_budget: bool,
    /// Whole conversions by window, day, kind and standing; and those of them that no touch of marketing got.
    all: FxHashMap<Whole, Counted>,
    untouched: FxHashMap<Whole, Counted>,
}

/// Window, day, kind, standing.
type Whole = (String, Day, Value, Life);

/// Shares in billionths, values in minor units.
type Counted = (i128, Vec<i128>);

impl Returns {
    /// For a run, if it has any.
    ///
    /// # Errors
    /// Where values or dimensions are called like columns of the tables.
    pub fn new(plan: &Plan, days: Range) -> Result<Option<Self>, Error> {
        let Some(entry) = &plan.pipeline.returns else { return Ok(None) };
        let settings = settings(&plan.pipeline, entry, &plan.setup);
        let has_budget = !settings.budgets.is_empty();
        let whole = match entry.marketing {
            Some(_) => MARKETING.to_owned(),
            None => plan.setup.models.first().map(|model| model.name.clone()).unwrap_or_default(),
        };
        let window = plan.setup.rules.windows.first().map(ToString::to_string);
        Ok(Some(Self {
            days,
            foreseen: entry
                .ltv
                .is_some_and(|ltv| !matches!(plan.pipeline.conversions.worths[ltv].worth, file::Worth::Historic(_))),
            first: plan.setup.models.first().map(|model| model.name.clone()).zip(window),
            revenue: settings.values[settings.revenue].clone(),
            ltv_definition: settings.lifetime.as_ref().map(|lifetime| lifetime.definition.clone()),
            values: plan.setup.values.len(),
            whole,
            has_marketing: entry.marketing.is_some(),
            has_what_if: entry.what_if.is_some(),
            has_budget,
            sums: Sums::new(settings).map_err(refused)?,
            all: FxHashMap::default(),
            untouched: FxHashMap::default(),
        }))
    }

    /// Adds rows of one of the two tables that returns are made of, in the form that has the conversion's day.
    ///
    /// # Errors
    /// Where a sum has no place in 128 bits.
    pub fn add(
        &mut self,
        (setup, memory): (&Setup, &Memory),
        table: &TableSetup,
        fields: &[Field],
        rows: &Rows,
    ) -> Result<(), EngineError> {
        let columns = Columns::of(setup, table, fields, self.values);
        for row in 0..rows.len() {
            let line = columns.line(rows, row);
            if table.name == CONVERSIONS_BASE {
                if line.model == self.whole {
                    count(&mut self.all, &line);
                }
                continue;
            }
            debug_assert_eq!(table.name, RETURNS_BASE);
            if line.model == MARKETING && line.group.first().is_some_and(|channel| channel.as_text() == Some(UNATTRIBUTED)) {
                count(&mut self.untouched, &line);
            }
            self.sums
                .earned(&Earned {
                    model: &line.model,
                    window: &line.window,
                    day: line.touch_day.unwrap_or(line.day),
                    group: &line.group,
                    kind: &line.kind,
                    standing: line.standing,
                    conversions: line.conversions,
                    values: &line.values,
                })
                .map_err(bug)?;
        }
        self.expect(memory)
    }

    /// Refuses more rows than there is memory for.
    fn expect(&self, memory: &Memory) -> Result<(), EngineError> {
        // A key, its sums and its row in the table that is made of them.
        let bytes = 400 + 48 * self.values as u64;
        memory.expect_returns(self.sums.rows(), self.sums.rows() * bytes)
    }

    /// Adds what was spent.
    ///
    /// # Errors
    /// Where a sum has no place in 128 bits.
    pub fn spend(&mut self, spending: &Spending, memory: &Memory) -> Result<(), EngineError> {
        for ((day, group, goal), (amount, clicks, impressions)) in &spending.rows {
            let spent =
                Spent { day: *day, group, goal: goal.as_deref(), amount: *amount, clicks: *clicks, impressions: *impressions };
            self.sums.spent(&spent).map_err(bug)?;
        }
        self.expect(memory)
    }

    /// Leaves the lifetime value out where it should have been foreseen and cannot be: 0 would be a figure.
    pub fn without_foresight(&mut self) {
        if self.foreseen {
            self.sums.forget_lifetime();
            self.ltv_definition = None;
        }
    }

    /// Adds the customers by month and channel.
    ///
    /// # Errors
    /// Where a sum has no place in 128 bits.
    pub fn cohorts(&mut self, rows: &[CohortRow], setup: &Setup) -> Result<(), EngineError> {
        let windows: Vec<String> = setup.rules.windows.iter().map(ToString::to_string).collect();
        for row in rows {
            let cohort = Cohort {
                model: &setup.models[row.model].name,
                window: &windows[row.window],
                month: row.month,
                channel: &row.channel,
                age: row.age,
                customers: row.customers,
                active: row.active,
                orders: row.orders,
                repeaters: row.second_orders,
                values: &row.values,
            };
            self.sums.cohort(&cohort).map_err(bug)?;
        }
        Ok(())
    }

    /// The tables that are made, and their columns.
    ///
    /// # Errors
    /// Never, as there are no sums that could be too large.
    pub fn fields(&self, with_cohorts: bool) -> Result<Vec<(&'static str, Vec<Field>)>, EngineError> {
        let fields = |(name, make): (&'static str, Make)| Ok((name, make(&self.sums).map_err(bug)?.0));
        self.tables(with_cohorts).into_iter().map(fields).collect()
    }

    fn tables(&self, with_cohorts: bool) -> Vec<(&'static str, Make)> {
        let all: [(bool, &'static str, Make); 5] = [
            (true, "returns", Sums::returns),
            (self.has_marketing, "marketing_share", Sums::marketing_share),
            (with_cohorts, "cohorts", Sums::cohorts),
            (self.has_budget, "budget", Sums::budget),
            (self.has_what_if, "what_if", Sums::what_if),
        ];
        all.into_iter().filter(|(wanted, ..)| *wanted).map(|(_, name, make)| (name, make)).collect()
    }

    /// Writes all tables.
    ///
    /// # Errors
    /// What the sink says, or where a sum has more digits than its column.
    pub fn write(
        mut self,
        customers_until: Option<Day>,
        with_cohorts: bool,
        writer: &Writer<'_>,
    ) -> Result<Option<ReturnsSummary>, SinkError> {
        for (place, (shares, values)) in &self.all {
            let (window, day, kind, standing) = place;
            let nothing = (0, vec![0; self.values]);
            // Without a predicate nothing is known to be of marketing.
            let (not_touched, not_touched_values) =
                if self.has_marketing { self.untouched.get(place).unwrap_or(&nothing) } else { &(*shares, values.clone()) };
            let whole = |shares: i128| (shares / i128::from(WHOLE_SHARE)) as u64;
            let touched_values: Vec<i128> = values.iter().zip(not_touched_values).map(|(all, not)| all - not).collect();
            // Not more than there are, whatever the source calls its channels.
            let not_touched = (*not_touched).min(*shares);
            let touched = Touched {
                window,
                day: *day,
                kind,
                standing: *standing,
                conversions: whole(*shares),
                touched: whole(shares - not_touched),
                values,
                touched_values: &touched_values,
            };
            self.sums.touched(&touched).map_err(|error| SinkError::Engine(bug(error)))?;
        }
        // Behind the last conversion nobody could have been active.
        let last = self.all.keys().map(|(_, day, ..)| *day).max();
        let customers_until = customers_until.map(|until| last.map_or(until, |last| last.min(until)));
        self.sums.observe(self.observed(), customers_until).map_err(|error| SinkError::Engine(bug(error)))?;
        let mut summary = None;
        for (name, make) in self.tables(with_cohorts) {
            let (fields, rows) = make(&self.sums).map_err(|error| SinkError::Engine(bug(error)))?;
            if name == "returns" {
                summary = self.summary(&fields, &rows);
            }
            tables::write_whole(&writer.tables(), name, &fields, rows)?;
        }
        Ok(summary)
    }

    /// The days that were looked at; where the range is open, those that have conversions.
    fn observed(&self) -> Option<std::ops::Range<Day>> {
        let days = self.all.keys().map(|(_, day, ..)| *day);
        let (first, last) = (days.clone().min(), days.max());
        let days = self.days.from.or(first)?..self.days.to.or(last.map(|last| last + 1))?;
        (days.start < days.end).then_some(days)
    }

    /// The channels that were spent on, on all days, under the first model and window.
    fn summary(&self, fields: &[Field], rows: &Rows) -> Option<ReturnsSummary> {
        let place = |name: &str| fields.iter().position(|field| field.name == name);
        let cell = |name: &str, row: usize| place(name).map_or(Value::Null, |column| rows.columns[column].value(row));
        let is = |name: &str, row: usize, text: &str| cell(name, row).as_text() == Some(text);
        // Behind the period there is the channel and nothing else.
        let (model, window) = self.first.clone().filter(|_| place("spend") == Some(5))?;
        let wanted = |row: &usize| is("model", *row, &model) && is("window", *row, &window) && is("period", *row, "all");
        let amount = |name: &str, row: usize| match (cell(name, row), place(name).map(|column| &fields[column].kind)) {
            (Value::Int(amount), Some(ColumnType::Decimal { scale, .. })) => (amount, decimal_text(amount, *scale)),
            _ => (0, "0".to_owned()),
        };
        let ratio = |name: &str, row: usize| cell(name, row).as_float();
        let of_row = |row: usize| {
            let spend = amount("spend", row);
            let channel = ChannelReturns {
                channel: cell("channel", row).as_text().unwrap_or_default().to_owned(),
                spend: spend.1,
                revenue: amount(&self.revenue, row).1,
                roas: ratio("roas", row),
                cac: ratio("cac", row),
                ltv_cac: ratio("ltv_cac", row),
            };
            (spend.0, channel)
        };
        let mut channels: Vec<_> = (0..rows.len()).filter(wanted).map(of_row).filter(|(spend, _)| *spend != 0).collect();
        // Stable: of equals the first by name.
        channels.sort_by_key(|(spend, _)| std::cmp::Reverse(*spend));
        (!channels.is_empty()).then(|| ReturnsSummary {
            model,
            window,
            revenue: self.revenue.clone(),
            ltv_definition: self.ltv_definition.clone(),
            channels: channels.into_iter().map(|(_, channel)| channel).collect(),
        })
    }
}

/// Makes a table of the sums.
type Make = fn(&Sums) -> Result<attributary_returns::Table, ReturnsError>;

/// A row of a table that returns are made of.
struct Line {
    model: String,
    window: String,
    day: Day,
    touch_day: Option<Day>,
    group: Vec<Value>,
    kind: Value,
    standing: Life,
    conversions: i128,
    values: Vec<i128>,
}

/// Where the columns of such a table are.
struct Columns {
    day: usize,
    touch_day: Option<usize>,
    group: Vec<usize>,
    kind: usize,
    standing: usize,
    /// Behind it the values.
    conversions: usize,
    values: usize,
}

impl Columns {
    fn of(setup: &Setup, table: &TableSetup, fields: &[Field], values: usize) -> Self {
        let place = |name: &str| fields.iter().position(|field| field.name == name);
        let group = table.by.iter().filter(|column| matches!(column, GroupColumn::Attribute(_)));
        Self {
            day: place("conversion_date").unwrap_or_default(),
            touch_day: place("touch_date"),
            group: group.filter_map(|column| place(&by_field(setup, *column).name)).collect(),
            kind: place("kind").unwrap_or_default(),
            standing: place("standing").unwrap_or_default(),
            conversions: place("conversions").unwrap_or_default(),
            values,
        }
    }

    fn line(&self, rows: &Rows, row: usize) -> Line {
        let cell = |column: usize| rows.columns[column].value(row);
        let text = |column: usize| cell(column).as_text().unwrap_or_default().to_owned();
        let day = |column: usize| match cell(column) {
            Value::Int(day) => Day::try_from(day).ok(),
            _ => None,
        };
        let int = |column: usize| match cell(column) {
            Value::Int(number) => number,
            _ => 0,
        };
        let standing = cell(self.standing);
        Line {
            model: text(0),
            window: text(1),
            day: day(self.day).unwrap_or_default(),
            touch_day: self.touch_day.and_then(day),
            group: self.group.iter().map(|column| cell(*column)).collect(),
            kind: cell(self.kind),
            standing: if standing == Standing::New.value() {
                Life::New
            } else if standing == Standing::Returning.value() {
                Life::Returning
            } else {
                Life::Other
            },
            conversions: int(self.conversions),
            values: (1..=self.values).map(|value| int(self.conversions + value)).collect(),
        }
    }
}

fn count(sums: &mut FxHashMap<Whole, Counted>, line: &Line) {
    let place = (line.window.clone(), line.day, line.kind.clone(), line.standing);
    let sums = sums.entry(place).or_insert_with(|| (0, vec![0; line.values.len()]));
    sums.0 += line.conversions;
    sums.1.iter_mut().zip(&line.values).for_each(|(sum, value)| *sum += value);
}

fn settings(pipeline: &Pipeline, entry: &file::ReturnsEntry, setup: &Setup) -> Settings {
    let period = |period: &file::ReturnsPeriod| match period {
        file::ReturnsPeriod::Day => Period::Day,
        file::ReturnsPeriod::Week => Period::Week,
        file::ReturnsPeriod::Month => Period::Month,
        file::ReturnsPeriod::Quarter => Period::Quarter,
        file::ReturnsPeriod::All => Period::All,
    };
    let base = setup.tables.iter().find(|table| table.name == RETURNS_BASE);
    let by = base.map_or(&[][..], |table| &table.by);
    let (revenue, margin) = revenue_and_margin(pipeline);
    Settings {
        models: setup.models.iter().map(|model| ModelName { name: model.name.clone(), additive: model.additive }).collect(),
        windows: setup.rules.windows.iter().map(ToString::to_string).collect(),
        periods: entry.periods.iter().map(period).collect(),
        by: by
            .iter()
            .filter(|column| matches!(column, GroupColumn::Attribute(_)))
            .map(|column| by_field(setup, *column))
            .collect(),
        values: setup.values.clone(),
        exponent: setup.currency.1,
        revenue,
        margin,
        lifetime: entry.ltv.map(|ltv| lifetime(pipeline, setup, ltv)),
        lead_kind: entry.lead_kind.clone(),
        // Which days there are is known once all conversions are.
        observed: None,
        customers_until: None,
        budgets: pipeline.budget.as_ref().map(budgets).unwrap_or_default(),
        what_if: entry.what_if.map(|last| WhatIf { period: Period::Week, last }),
    }
}

fn lifetime(pipeline: &Pipeline, setup: &Setup, ltv: usize) -> Lifetime {
    let (revenue, margin) = revenue_and_margin(pipeline);
    let of = &setup.values[margin.unwrap_or(revenue)];
    let definition = match pipeline.conversions.worths[ltv].worth {
        file::Worth::Predicted(days) => format!("predicted {of} of the next {days} days"),
        file::Worth::Total(days) => format!("{of} so far and predicted of the next {days} days"),
        file::Worth::Historic(None) => format!("historic {of}"),
        file::Worth::Historic(Some(days)) => format!("{of} of the first {days} days"),
    };
    Lifetime { value: setup.source_values() + ltv, definition }
}

fn budgets(entry: &file::BudgetEntry) -> Vec<Budget> {
    let roas = RoasTargets { new: entry.new_roas, returning: entry.returning_roas };
    let target = |target: &file::ShareTarget| Target { low: target.low, high: target.high };
    let goals: BTreeMap<String, Target> = entry.goals.iter().map(|(name, of)| (name.clone(), target(of))).collect();
    let stages: BTreeMap<String, Target> = entry.stages.iter().map(|(name, _, of)| (name.clone(), target(of))).collect();
    let of_channels =
        entry.stages.iter().flat_map(|(name, channels, _)| channels.iter().map(|channel| (channel.clone(), name.clone())));
    let mut budgets = Vec::new();
    if !goals.is_empty() || stages.is_empty() {
        budgets.push(Budget { parts: Parts::Goal, targets: goals, roas });
    }
    if !stages.is_empty() {
        budgets.push(Budget { parts: Parts::Stage(of_channels.collect()), targets: stages, roas });
    }
    budgets
}

/// Settings that do not go together come from the pipeline file.
fn refused(error: ReturnsError) -> Error {
    Error::Usage { problem: format!("returns: {error}"), hint: Some("give the value or dimension another name".to_owned()) }
}

/// Whatever else goes wrong was checked before, or is money that nobody has.
fn bug(error: ReturnsError) -> EngineError {
    EngineError::Bug(format!("returns: {error}"))
}
