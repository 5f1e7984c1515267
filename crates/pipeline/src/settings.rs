//! What a run was asked for, in words: for the manifest, and for whoever reads a report and wonders what a number means.

use attributary_core::duration::Window;
use attributary_core::model::{Fallback, ParameterKind};

use crate::as_of::{self, AsOf};
use crate::file::{IgnoreWhen, JourneyRules, ModelEntry, Pipeline, Repeats, Reuse, ShareTarget, Worth};
use crate::plan::revenue_and_margin;
use crate::secrets::Secrets;

/// Name and text of each setting, in the order in which people read about them. What `${NAME}` stands for is not said.
pub(crate) fn settings(pipeline: &Pipeline, as_of: Option<AsOf>, secrets: &Secrets) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = vec![
        ("currency".to_owned(), pipeline.currency.code.clone()),
        ("time zone".to_owned(), format!("days begin and end in {}", pipeline.zone.name())),
    ];
    if let Some(as_of) = as_of {
        let last = as_of::said(Some(as_of.last(&pipeline.zone))).unwrap_or_default();
        all.push(("as known on".to_owned(), format!("rows that came after {last} are left out")));
    }
    all.extend(filters(pipeline));
    all.extend(journey(&pipeline.journey));
    all.extend(pipeline.models.iter().map(|model| (format!("model {}", model.name), self::model(model))));
    all.extend(money(pipeline));
    all.into_iter().map(|(name, text)| (secrets.mask(&name), secrets.mask(&text))).collect()
}

fn filters(pipeline: &Pipeline) -> Vec<(String, String)> {
    let sources = [("touchpoints", &pipeline.touchpoints.source), ("conversions", &pipeline.conversions.source)];
    let of =
        |(name, source): (&str, &crate::file::Source)| Some((name.to_owned(), format!("only where {}", source.filter.as_ref()?)));
    sources.into_iter().filter_map(of).collect()
}

fn journey(rules: &JourneyRules) -> Vec<(String, String)> {
    if rules.windows == [Window::Paths] {
        return vec![("touches".to_owned(), "all those of a path".to_owned())];
    }
    let windows: Vec<String> = rules.windows.iter().map(ToString::to_string).collect();
    let unit = if rules.calendar_days { "whole calendar days" } else { "to the microsecond" };
    let mut all = vec![("windows".to_owned(), format!("{}, {unit}", windows.join(", ")))];
    for (interaction, window) in &rules.interaction_windows {
        all.push((format!("window of {interaction}"), window.to_string()));
    }
    let reuse = match (rules.reuse, rules.reuse_by_kind) {
        (Reuse::Overlap, _) => "each conversion looks back on its own",
        (Reuse::SincePreviousConversion, false) => "only touches after the customer's previous conversion count",
        (Reuse::SincePreviousConversion, true) => "only touches after the customer's previous conversion of the same kind count",
    };
    all.push(("touch reuse".to_owned(), reuse.to_owned()));
    if !rules.priority.is_empty() {
        all.push(("priority".to_owned(), format!("only the best that is there of {}, others", rules.priority.join(", "))));
    }
    if let Some(ignore) = &rules.ignore {
        let when = match ignore.when {
            IgnoreWhen::Always => "",
            IgnoreWhen::OthersExist => ", unless nothing else is there",
        };
        all.push(("ignored touches".to_owned(), format!("{}{when}", ignore.filter)));
    }
    let repeats = match rules.repeats {
        Repeats::Keep => return all,
        Repeats::CollapseConsecutive => "of touches of one channel and campaign in a row the last counts",
        Repeats::First => "of touches of one channel and campaign the first counts",
        Repeats::Last => "of touches of one channel and campaign the last counts",
    };
    all.push(("repeats".to_owned(), repeats.to_owned()));
    all
}

pub(crate) fn model(model: &ModelEntry) -> String {
    let mut text = format!("{}: {}", model.spec.kind, model.spec.summary);
    for parameter in model.spec.parameters {
        let value = match parameter.kind {
            ParameterKind::Fraction => model.parameters.fraction(parameter.name).map(|number| number.to_string()),
            ParameterKind::Duration => model.parameters.duration(parameter.name).map(duration),
            ParameterKind::Period => {
                model.parameters.period(parameter.name).map(|period| period.map_or_else(|| "all".to_owned(), duration))
            }
            ParameterKind::Whole { .. } => model.parameters.whole(parameter.name).map(|number| number.to_string()),
            ParameterKind::Flag => model.parameters.flag(parameter.name).map(|flag| flag.to_string()),
            ParameterKind::Groups => {
                let group = |(name, names): (&String, &Vec<String>)| format!("{name}: {}", names.join(", "));
                model.parameters.groups(parameter.name).map(|groups| groups.iter().map(group).collect::<Vec<_>>().join("; "))
            }
            ParameterKind::Choice(_) | ParameterKind::Expression => model.parameters.text(parameter.name).map(str::to_owned),
        };
        if let Ok(value) = value {
            text += &format!("; {} = {value}", parameter.name);
        }
    }
    if let Some(only) = &model.only {
        let otherwise = match model.parameters.fallback {
            Fallback::All => "all touches",
            Fallback::None => "no touch",
        };
        text += &format!("; only {only}, and where that leaves none {otherwise}");
    }
    text
}

/// Microseconds as people say them.
fn duration(micros: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s")];
    let unit = UNITS.iter().find(|(unit, _)| micros % unit == 0);
    unit.map_or_else(|| format!("{micros} us"), |(unit, name)| format!("{}{name}", micros / unit))
}

/// Values, customers, spend, returns, budget.
fn money(pipeline: &Pipeline) -> Vec<(String, String)> {
    let conversions = &pipeline.conversions;
    let (revenue, margin) = revenue_and_margin(pipeline);
    let name = |value: usize| conversions.values[value].name.clone();
    let mut all = vec![("revenue".to_owned(), name(revenue))];
    all.extend(margin.map(|margin| ("margin".to_owned(), name(margin))));
    let earned = name(margin.unwrap_or(revenue));
    for worth in &conversions.worths {
        let text = match worth.worth {
            Worth::Predicted(days) => format!("{earned} that a customer is expected to bring in the next {days} days"),
            Worth::Total(days) => {
                format!("{earned} that a customer brought so far and is expected to bring in the next {days} days")
            }
            Worth::Historic(None) => format!("{earned} that a customer brought so far"),
            Worth::Historic(Some(days)) => format!("{earned} that a customer brought up to {days} days after the first order"),
        };
        all.push((worth.name.clone(), format!("{text}; carried by the first order")));
    }
    if let Some(kinds) = &conversions.order_kinds {
        all.push(("orders".to_owned(), format!("conversions of kind {} make a customer", kinds.join(", "))));
    }
    if conversions.refund_of.is_some() {
        all.push(("refunds".to_owned(), "are taken off where their orders were credited, on their own days".to_owned()));
    }
    for spend in &pipeline.spend {
        let goal = spend.goal_constant.as_ref().map(|goal| format!(", for {goal}")).unwrap_or_default();
        let filter = spend.source.filter.as_ref().map(|filter| format!(", only where {filter}")).unwrap_or_default();
        all.push((spend.key.replace('.', " "), format!("days of {}{goal}{filter}", spend.source.zone.name())));
    }
    if pipeline.touchpoints.cost.is_some() {
        all.push(("spend of touches".to_owned(), "what each touch cost".to_owned()));
    }
    if pipeline.rates.is_some() {
        all.push(("exchange rates".to_owned(), "of the day, or the latest of the seven days before".to_owned()));
    }
    if let Some(customers) = &pipeline.customers {
        let text = format!(
            "foreseen for {} days at {} % a year; lapsing after {} days; loyal from {} orders and a score of {} on",
            customers.horizon,
            customers.discount_rate * 100.0,
            customers.lapsing_after,
            customers.loyal_orders,
            customers.loyal_score,
        );
        all.push(("customers".to_owned(), text));
    }
    if let Some(returns) = &pipeline.returns {
        let day = if returns.by_touch { "touch (accrual)" } else { "conversion (cash)" };
        all.push(("returns".to_owned(), format!("credit belongs to the day of the {day}")));
        all.extend(returns.ltv.map(|ltv| ("ltv".to_owned(), conversions.worths[ltv].name.clone())));
        all.extend(returns.marketing.as_ref().map(|marketing| ("marketing".to_owned(), marketing.clone())));
    }
    if let Some(budget) = &pipeline.budget {
        let goals = budget.goals.iter().map(|(name, of)| (format!("budget for {name}"), target(of)));
        let stages = budget
            .stages
            .iter()
            .map(|(name, channels, of)| (format!("budget for {name}"), format!("{}: {}", channels.join(", "), target(of))));
        all.extend(goals.chain(stages));
    }
    all
}

fn target(target: &ShareTarget) -> String {
    let percent = |share: f64| format!("{} %", (share * 1_000.0).round() / 10.0);
    match (target.low, target.high) {
        (Some(low), Some(high)) => format!("{} to {}", percent(low), percent(high)),
        (Some(low), None) => format!("at least {}", percent(low)),
        (None, Some(high)) => format!("at most {}", percent(high)),
        (None, None) => "no target".to_owned(),
    }
}
