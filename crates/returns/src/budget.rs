//! `budget`: how the spend of a period is divided, how it should be, and what each part brought; and the same a year before.
//!
//! By goal, the values of a part are those of the groups (channel, campaign …) whose spend names that goal in the period.
//! Where the spend of one group names several goals, each of the group's sums is divided in proportion to what was spent on
//! each, in whole units by largest remainder; goals on which it spent nothing, or less than nothing, get no part, and if
//! there are only such the first by name gets all. That is done period by period: the parts of days need not add up to
//! those of their month. What groups without spend earned is in the part `(no spend)`, what no touch earned in
//! `(unattributed)`, so that parts add up to all that was earned.
//!
//! By stage, a part is its channels. A channel without a stage is in `(not set)`, what no touch earned in `(unattributed)`.
//!
//! Models whose credits do not add up, such as `any_touch`, are left out: their sums over channels count conversions twice.
//!
//! `new_roas` and `returning_roas` are the revenue of first and of later orders / the spend of the part: spend is for both.

use std::collections::BTreeMap;

use attributary_core::{NOT_SET, UNATTRIBUTED};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::NO_SPEND;
use crate::error::ReturnsError;
use crate::number::{amount_per_share, ratio, split};
use crate::period::Span;
use crate::returns::ltv_cac;
use crate::settings::{Budget, Parts, Target};
use crate::sums::{EarnedKey, Earnings, Sums, Table, add};
use crate::table::Columns;

const TABLE: &str = "budget";

struct Row<'a> {
    budget: &'a Budget,
    part: &'a str,
    span: Span,
    model: u16,
    window: u16,
    spend: i128,
    /// Spend / all spend of the period.
    share: Option<f64>,
    target: Target,
    earned: Earnings,
    spend_before: Option<i128>,
    value_before: Option<i128>,
}

pub(crate) fn table(sums: &Sums) -> Result<Table, ReturnsError> {
    let settings = &sums.settings;
    let (exponent, revenue) = (settings.exponent, settings.revenue);
    let rows = rows(sums)?;
    let mut columns = Columns::of(TABLE);
    columns.texts("by", rows.iter().map(|row| Some(row.budget.parts.name())));
    columns.texts("part", rows.iter().map(|row| Some(row.part)));
    columns.texts("period", rows.iter().map(|row| Some(row.span.period.name())));
    columns.dates("period_start", rows.iter().map(|row| row.span.start));
    columns.texts("model", rows.iter().map(|row| Some(settings.models[usize::from(row.model)].name.as_str())));
    columns.texts("window", rows.iter().map(|row| Some(settings.windows[usize::from(row.window)].as_str())));
    columns.amounts("spend", exponent, rows.iter().map(|row| row.spend))?;
    columns.ratios("share", rows.iter().map(|row| row.share));
    columns.ratios("target_low", rows.iter().map(|row| row.target.low));
    columns.ratios("target_high", rows.iter().map(|row| row.target.high));
    columns.texts("verdict", rows.iter().map(|row| verdict(row.share, row.target)));
    for (place, name) in settings.values.iter().enumerate() {
        columns.amounts(name, exponent, rows.iter().map(|row| row.earned.values[place]))?;
    }
    columns.ratios("roas", rows.iter().map(|row| ratio(row.earned.values[revenue], row.spend)));
    columns.ratios("cac", rows.iter().map(|row| amount_per_share(row.spend, row.earned.new_customers, exponent)));
    columns.ratios("ltv_cac", rows.iter().map(|row| ltv_cac(sums, &row.earned, row.spend)));
    let new = |row: &Row<'_>| (ratio(row.earned.new_revenue, row.spend), row.budget.roas.new);
    let returning = |row: &Row<'_>| (ratio(row.earned.returning_revenue, row.spend), row.budget.roas.returning);
    for (segment, of) in [("new", &new as &dyn Fn(&Row<'_>) -> _), ("returning", &returning)] {
        columns.ratios(&format!("{segment}_roas"), rows.iter().map(|row| of(row).0));
        columns.ratios(&format!("{segment}_roas_target"), rows.iter().map(|row| of(row).1));
        let reached = |row| {
            let (roas, low) = of(row);
            verdict(roas, Target { low, high: None })
        };
        columns.texts(&format!("{segment}_roas_verdict"), rows.iter().map(reached));
    }
    columns.maybe_amounts("spend_year_before", exponent, rows.iter().map(|row| row.spend_before))?;
    columns.maybe_amounts("value_year_before", exponent, rows.iter().map(|row| row.value_before))?;
    columns.ratios("roas_year_before", rows.iter().map(|row| ratio(row.value_before?, row.spend_before?)));
    columns.finish()
}

/// None without a target, or without anything to compare with it.
fn verdict(found: Option<f64>, target: Target) -> Option<&'static str> {
    let found = found?;
    if target == Target::default() {
        return None;
    }
    let verdict = if target.low.is_some_and(|low| found < low) {
        "below"
    } else if target.high.is_some_and(|high| found > high) {
        "above"
    } else {
        "within"
    };
    Some(verdict)
}

fn rows(sums: &Sums) -> Result<Vec<Row<'_>>, ReturnsError> {
    let settings = &sums.settings;
    let mut whose: Vec<(u16, u16)> = Vec::new();
    for model in (0..settings.models.len()).filter(|model| settings.models[*model].additive) {
        whose.extend((0..settings.windows.len()).map(|window| (model as u16, window as u16)));
    }
    whose.sort_by_key(|(model, window)| (&settings.models[usize::from(*model)].name, &settings.windows[usize::from(*window)]));
    let with_earnings: FxHashSet<Span> = sums.earned.keys().map(|key| key.span).collect();
    let mut spans: Vec<Span> = with_earnings.iter().chain(sums.budget.keys()).copied().collect();
    spans.sort_unstable();
    spans.dedup();
    let mut budgets: Vec<&Budget> = settings.budgets.iter().collect();
    budgets.sort_by_key(|budget| budget.parts.name());
    let mut rows = Vec::new();
    for budget in budgets {
        let divided = Divided::new(sums, budget)?;
        let targets = || budget.targets.keys().flat_map(|part| spans.iter().map(|span| (part.as_str(), *span)));
        let mut parts: Vec<(&str, Span)> = divided.spend.keys().copied().chain(targets()).collect();
        parts.extend(divided.earned.keys().map(|(part, span, _)| (*part, *span)));
        parts.sort_unstable();
        parts.dedup();
        for (part, span) in parts {
            let spend = divided.spend.get(&(part, span)).copied().unwrap_or(0);
            let share = ratio(spend, sums.budget.get(&span).copied().unwrap_or(0));
            let target = budget.targets.get(part).copied().unwrap_or_default();
            let before = span.year_before();
            let spend_of = |span: Span| divided.spend.get(&(part, span)).copied().unwrap_or(0);
            let spend_before = before.filter(|span| sums.budget.contains_key(span)).map(spend_of);
            let observed = |span: &Span| settings.observed.as_ref().is_none_or(|days| span.start >= Some(days.start));
            let earned_before = before.filter(|span| with_earnings.contains(span) && observed(span));
            for (model, window) in whose.iter().copied() {
                let of = |span| divided.earned.get(&(part, span, (model, window)));
                let value = |span| of(span).map_or(0, |earned| earned.values[settings.revenue]);
                let earned = of(span).cloned().unwrap_or_else(|| Earnings::nothing(settings.values.len()));
                let value_before = earned_before.map(value);
                rows.push(Row { budget, part, span, model, window, spend, share, target, earned, spend_before, value_before });
            }
        }
    }
    Ok(rows)
}

/// What was spent and earned by part and period.
struct Divided<'a> {
    spend: FxHashMap<(&'a str, Span), i128>,
    earned: FxHashMap<(&'a str, Span, (u16, u16)), Earnings>,
}

impl<'a> Divided<'a> {
    fn new(sums: &'a Sums, budget: &'a Budget) -> Result<Self, ReturnsError> {
        let mut divided = Self { spend: FxHashMap::default(), earned: FxHashMap::default() };
        // The parts that each group's spend is for, by name: ties of remainders go to the first.
        let mut goals = FxHashMap::<(Span, u32), BTreeMap<&str, i128>>::default();
        match &budget.parts {
            Parts::Goal => {
                for ((span, group, goal), amount) in &sums.spent_on_goals {
                    let goal = sums.goals.item(*goal).as_str();
                    divided.add_spend(goal, *span, *amount)?;
                    add(goals.entry((*span, *group)).or_default().entry(goal).or_default(), *amount, TABLE, "spend")?;
                }
            }
            Parts::Stage(stages) => {
                for ((span, group), spending) in &sums.spent {
                    divided.add_spend(stage(sums, stages, *group), *span, spending.amount)?;
                }
            }
        }
        for (key, earned) in &sums.earned {
            if !sums.settings.models[usize::from(key.model)].additive {
                continue;
            }
            match (&budget.parts, goals.get(&(key.span, key.group))) {
                (Parts::Stage(stages), _) => divided.add_earned(stage(sums, stages, key.group), key, earned)?,
                (Parts::Goal, None) if is_unattributed(sums, key.group) => divided.add_earned(UNATTRIBUTED, key, earned)?,
                (Parts::Goal, None) => divided.add_earned(NO_SPEND, key, earned)?,
                (Parts::Goal, Some(goals)) if goals.len() == 1 => {
                    goals.keys().try_for_each(|goal| divided.add_earned(goal, key, earned))?;
                }
                (Parts::Goal, Some(goals)) => {
                    let weights: Vec<u128> = goals.values().map(|amount| (*amount).max(0).unsigned_abs()).collect();
                    for (goal, earned) in goals.keys().zip(earned.split(&weights)?) {
                        divided.add_earned(goal, key, &earned)?;
                    }
                }
            }
        }
        Ok(divided)
    }

    fn add_spend(&mut self, part: &'a str, span: Span, amount: i128) -> Result<(), ReturnsError> {
        add(self.spend.entry((part, span)).or_default(), amount, TABLE, "spend")
    }

    fn add_earned(&mut self, part: &'a str, key: &EarnedKey, earned: &Earnings) -> Result<(), ReturnsError> {
        let sums = self.earned.entry((part, key.span, (key.model, key.window)));
        sums.or_insert_with(|| Earnings::nothing(earned.values.len())).add(earned, TABLE)
    }
}

fn is_unattributed(sums: &Sums, group: u32) -> bool {
    sums.groups.item(group)[0].as_text() == Some(UNATTRIBUTED)
}

fn stage<'a>(sums: &'a Sums, stages: &'a BTreeMap<String, String>, group: u32) -> &'a str {
    let channel = sums.groups.item(group)[0].as_text().unwrap_or(NOT_SET);
    let otherwise = if is_unattributed(sums, group) { UNATTRIBUTED } else { NOT_SET };
    stages.get(channel).map_or(otherwise, String::as_str)
}

impl Earnings {
    /// Each sum divided over `weights`, or all to the first where none has weight.
    fn split(&self, weights: &[u128]) -> Result<Vec<Self>, ReturnsError> {
        let mut parts = vec![Self::nothing(self.values.len()); weights.len()];
        if weights.iter().all(|weight| *weight == 0) {
            parts.iter_mut().take(1).for_each(|first| first.clone_from(self));
            return Ok(parts);
        }
        for (place, sum) in self.each().enumerate() {
            let divided = split(sum, weights).ok_or_else(|| ReturnsError::overflow(TABLE, "spend"))?;
            for (part, amount) in parts.iter_mut().zip(divided) {
                part.each_mut().skip(place).take(1).for_each(|sum| *sum = amount);
            }
        }
        Ok(parts)
    }
}
