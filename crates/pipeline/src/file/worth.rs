//! What marketing is worth: `[[spend]]`, `[fx]`, `[customers]`, `[returns]` and `[budget]`.

use std::path::Path;

use attributary_core::model::{Fallback, Parameters};
use attributary_core::time::parse_day;
use attributary_models::find;

use super::document::{Item, join};
use super::error::{Fault, Problem};
use super::names::GroupColumn;
use super::pipeline::{
    BudgetEntry, Column, Conversions, CustomersEntry, Dimension, ModelEntry, Pipeline, RatesEntry, ReturnsEntry, ReturnsPeriod,
    ShareTarget, Source, Spend, Touchpoints, ValueColumn,
};
use super::section::{Field, Section};
use super::{sources, tables};

/// The model that is made of `returns.marketing`.
pub const MARKETING: &str = "marketing_touch";

pub(super) fn spend(root: &Section<'_>, folder: &Path, touchpoints: &Touchpoints) -> Result<Vec<Spend>, Fault> {
    let fields = root.get("spend").map(|field| field.tables()).transpose()?.unwrap_or_default();
    let mut all: Vec<Spend> = Vec::new();
    for field in &fields {
        let spend = one_spend(field, folder, touchpoints)?;
        if all.iter().any(|earlier| earlier.key == spend.key) {
            let hint = Some("give each source of spend a name of its own".to_owned());
            let problem = format!("expected a unique name, found a second {}", spend.key);
            return Err(field.fault(Problem::Invalid { problem, hint }));
        }
        all.push(spend);
    }
    Ok(all)
}

fn one_spend(field: &Field<'_>, folder: &Path, touchpoints: &Touchpoints) -> Result<Spend, Fault> {
    let known = ["name", "source", "timezone", "where", "missing_columns", "columns", "dimensions", "goal"];
    let section = field.section(&known)?;
    let mapped = ["date", "channel", "campaign", "amount", "currency", "clicks", "impressions", "goal", "id", sources::INGESTED];
    let columns = section.section("columns", &mapped)?;
    let optional = |name| columns.get(name).map(|field| sources::column(&field)).transpose();
    let (amount, minor) = sources::value_column(&columns.need("amount", "columns = { amount = \"cost\", … }")?)?;
    let goal_constant = section.get("goal").map(|field| field.text().map(str::to_owned)).transpose()?;
    if let (Some(_), Some(field)) = (&goal_constant, columns.get("goal")) {
        return Err(field.fault(Problem::invalid("expected a goal for all rows or a column of goals, found both")));
    }
    Ok(Spend {
        key: field.key.clone(),
        source: Source { ingested: optional(sources::INGESTED)?, ..sources::source(&section, folder)? },
        date: sources::column(&columns.need("date", "columns = { date = \"day\", … }")?)?,
        channel: optional("channel")?,
        campaign: optional("campaign")?,
        amount: ValueColumn { name: "spend".to_owned(), column: amount, minor },
        currency: optional("currency")?,
        clicks: optional("clicks")?,
        impressions: optional("impressions")?,
        goal: optional("goal")?,
        goal_constant,
        id: optional("id")?,
        dimensions: spend_dimensions(&section, touchpoints)?,
    })
}

/// Some of the touchpoints' dimensions, by name or with columns of their own.
fn spend_dimensions(section: &Section<'_>, touchpoints: &Touchpoints) -> Result<Vec<(usize, Dimension)>, Fault> {
    let Some(field) = section.get("dimensions") else { return Ok(Vec::new()) };
    let known: Vec<String> = touchpoints.dimensions.iter().map(|dimension| dimension.name.clone()).collect();
    let place = |name: &str, field: &Field<'_>| {
        let unknown = || field.fault(Problem::UnknownWord { found: name.to_owned(), choices: known.clone() });
        known.iter().position(|known| known == name).ok_or_else(unknown)
    };
    if let Item::Table(_) = field.node.item {
        let entries = field.entries("a table")?;
        let entry = |(name, field): (&str, Field<'_>)| {
            let column = sources::column(&field)?;
            Ok((place(name, &field)?, Dimension { name: name.to_owned(), column }))
        };
        return entries.into_iter().map(entry).collect();
    }
    let entry = |field: &Field<'_>| {
        let name = field.text()?;
        Ok((place(name, field)?, Dimension { name: name.to_owned(), column: Column::Names(vec![name.to_owned()]) }))
    };
    field.texts("[\"country\"]")?.iter().map(entry).collect()
}

pub(super) fn rates(root: &Section<'_>, folder: &Path) -> Result<Option<RatesEntry>, Fault> {
    let Some(field) = root.get("fx") else { return Ok(None) };
    let section = field.section(&["source", "timezone", "where", "missing_columns", "columns"])?;
    let columns = section.section("columns", &["date", "currency", "rate"])?;
    let column = |name: &str| {
        sources::column(&columns.need(name, "columns = { date = \"date\", currency = \"currency\", rate = \"rate\" }")?)
    };
    Ok(Some(RatesEntry {
        source: sources::source(&section, folder)?,
        date: column("date")?,
        currency: column("currency")?,
        rate: column("rate")?,
    }))
}

/// `[customers]`, or what holds without it where values need it.
pub(super) fn customers(root: &Section<'_>, conversions: &Conversions) -> Result<Option<CustomersEntry>, Fault> {
    let known = ["until", "horizon", "discount_rate", "lapsing_after", "loyal_orders", "loyal_score"];
    let section = root.section("customers", &known)?;
    let tables = root.get("customers").is_some();
    if !tables && conversions.worths.is_empty() {
        return Ok(None);
    }
    let days = |name, default| section.get(name).map_or(Ok(default), |field| sources::days(&field));
    let until = |field: Field<'_>| {
        let text = match &field.node.item {
            Item::Moment(moment) => moment.to_string(),
            _ => field.text()?.to_owned(),
        };
        parse_day(&text)
            .ok_or_else(|| field.fault(Problem::invalid(format!("expected a day such as 2026-06-30, found {text:?}"))))
    };
    let rate = |field: Field<'_>| {
        let rate = field.number()?;
        if (0.0..10.0).contains(&rate) { Ok(rate) } else { Err(field.wrong("a yearly rate from 0 on, such as 0.1 for 10 %")) }
    };
    let score = |field: Field<'_>| match field.count()? {
        score @ 1..=5 => Ok(score as u8),
        _ => Err(field.wrong("a score from 1 to 5")),
    };
    Ok(Some(CustomersEntry {
        until: section.get("until").map(until).transpose()?,
        horizon: days("horizon", 364)?,
        discount_rate: section.get("discount_rate").map_or(Ok(0.1), rate)?,
        lapsing_after: days("lapsing_after", 90)?,
        loyal_orders: section.get("loyal_orders").map_or(Ok(3), |field| field.count())? as u64,
        loyal_score: section.get("loyal_score").map_or(Ok(4), score)?,
        tables,
    }))
}

/// `[returns]`; where there is spend or a budget, also without it.
pub(super) fn returns(
    root: &Section<'_>,
    touchpoints: &Touchpoints,
    conversions: &Conversions,
) -> Result<Option<ReturnsEntry>, Fault> {
    if ["returns", "spend", "budget"].iter().all(|name| root.get(name).is_none()) && touchpoints.cost.is_none() {
        return Ok(None);
    }
    let known = ["periods", "by", "period_by", "revenue", "margin", "ltv", "lead_kind", "marketing", "what_if"];
    let section = root.section("returns", &known)?;
    let names: Vec<String> = conversions.values.iter().map(|value| value.name.clone()).collect();
    let value = |field: Field<'_>, names: &[String]| {
        let found = field.text()?;
        let unknown = || field.fault(Problem::UnknownWord { found: found.to_owned(), choices: names.to_vec() });
        names.iter().position(|name| name == found).ok_or_else(unknown)
    };
    let worths: Vec<String> = conversions.worths.iter().map(|worth| worth.name.clone()).collect();
    Ok(Some(ReturnsEntry {
        periods: periods(&section)?,
        by: by(&section, touchpoints, conversions)?,
        by_touch: section.get("period_by").map_or(Ok(false), |field| field.choice(&[("conversion", false), ("touch", true)]))?,
        revenue: section.get("revenue").map_or(Ok(0), |field| value(field, &names))?,
        margin: match section.get("margin") {
            Some(field) => Some(value(field, &names)?),
            None => names.iter().position(|name| name == "margin"),
        },
        ltv: match section.get("ltv") {
            Some(field) if worths.is_empty() => {
                let found = field.text()?;
                let problem = format!("expected a value of customers, of which conversions.values has none, found {found:?}");
                let hint = Some("add one: values = { revenue = \"revenue\", clv = { predicted_clv = \"52w\" } }".to_owned());
                return Err(field.fault(Problem::Invalid { problem, hint }));
            }
            Some(field) => Some(value(field, &worths)?),
            None => (!worths.is_empty()).then_some(0),
        },
        lead_kind: match section.get("lead_kind") {
            Some(field) if conversions.kind.is_none() => {
                return Err(field.fault(Problem::Unmapped { what: "this".to_owned(), column: "conversions.columns.kind" }));
            }
            Some(field) => Some(field.text()?.to_owned()),
            None => conversions.kind.as_ref().map(|_| "lead".to_owned()),
        },
        marketing: section.get("marketing").map(|field| field.text().map(str::to_owned)).transpose()?,
        what_if: section.get("what_if").map(|field| weeks(&field)).transpose()?,
    }))
}

const LEAST_WEEKS: usize = 8;

fn weeks(field: &Field<'_>) -> Result<usize, Fault> {
    let weeks = sources::days(field)? as usize / 7;
    if weeks >= LEAST_WEEKS { Ok(weeks) } else { Err(field.wrong("the last weeks to look at, at least \"8w\"")) }
}

fn periods(section: &Section<'_>) -> Result<Vec<ReturnsPeriod>, Fault> {
    const WORDS: [(&str, ReturnsPeriod); 5] = [
        ("day", ReturnsPeriod::Day),
        ("week", ReturnsPeriod::Week),
        ("month", ReturnsPeriod::Month),
        ("quarter", ReturnsPeriod::Quarter),
        ("all", ReturnsPeriod::All),
    ];
    let Some(field) = section.get("periods") else { return Ok(vec![ReturnsPeriod::Month, ReturnsPeriod::All]) };
    let periods = field.texts("[\"month\", \"all\"]")?;
    if periods.is_empty() {
        return Err(field.fault(Problem::invalid("expected at least one period, such as [\"month\", \"all\"], found none")));
    }
    periods.iter().map(|period| period.choice(&WORDS)).collect()
}

fn by(section: &Section<'_>, touchpoints: &Touchpoints, conversions: &Conversions) -> Result<Vec<GroupColumn>, Fault> {
    let Some(field) = section.get("by") else { return Ok(vec![GroupColumn::Channel]) };
    let fields = field.texts("[\"channel\", \"campaign\"]")?;
    let names: Vec<&str> = touchpoints.dimensions.iter().map(|dimension| dimension.name.as_str()).collect();
    // What spend can be told apart by.
    let dimensions = (0..names.len()).map(GroupColumn::Dimension);
    let all: Vec<GroupColumn> = [GroupColumn::Channel, GroupColumn::Campaign].into_iter().chain(dimensions).collect();
    let columns = fields.iter().map(|field| {
        let found = field.text()?;
        if !all.iter().any(|column| column.name(&names) == found) {
            let choices = all.iter().map(|column| column.name(&names).to_owned()).collect();
            return Err(field.fault(Problem::UnknownWord { found: found.to_owned(), choices }));
        }
        tables::column(field, touchpoints, conversions)
    });
    let columns: Vec<GroupColumn> = columns.collect::<Result<_, _>>()?;
    if columns.first() != Some(&GroupColumn::Channel) {
        return Err(field.fault(Problem::invalid("expected the channel first, such as [\"channel\", \"campaign\"]")));
    }
    Ok(columns)
}

/// The models, and behind them that of `returns.marketing`: any touch of marketing.
pub(super) fn with_marketing(root: &Section<'_>, mut models: Vec<ModelEntry>) -> Result<Vec<ModelEntry>, Fault> {
    let Some(Item::Table(_)) = root.get("returns").map(|field| &field.node.item) else { return Ok(models) };
    let field = root.get("returns").and_then(|returns| {
        returns.entries("a table").ok()?.into_iter().find_map(|(name, field)| (name == "marketing").then_some(field))
    });
    let Some(field) = field else { return Ok(models) };
    if models.iter().any(|model| model.name == MARKETING) {
        let by = "the model that returns.marketing makes".to_owned();
        return Err(field.fault(Problem::Taken { name: MARKETING.to_owned(), by, instead: "give the other model another name" }));
    }
    let Some(spec) = find("any_touch") else { return Ok(models) };
    let mut parameters = Parameters::defaults(spec).map_err(|error| field.fault(Problem::invalid(error.problem)))?;
    parameters.fallback = Fallback::None;
    models.push(ModelEntry { name: MARKETING.to_owned(), spec, parameters, only: Some(field.text()?.to_owned()) });
    Ok(models)
}

pub(super) fn budget(root: &Section<'_>) -> Result<Option<BudgetEntry>, Fault> {
    let Some(field) = root.get("budget") else { return Ok(None) };
    let section = field.section(&["goals", "stages", "roas"])?;
    let mut budget = BudgetEntry::default();
    if let Some(field) = section.get("goals") {
        for (name, field) in field.entries("a table of goals, such as { test = { min = 0.1, max = 0.15 } }")? {
            budget.goals.push((name.to_owned(), target(&field.section(&["min", "max"])?)?));
        }
    }
    if let Some(field) = section.get("stages") {
        for (name, field) in field.entries("a table of stages, such as { awareness = { channels = [\"social\"], min = 0.3 } }")? {
            let stage = field.section(&["channels", "min", "max"])?;
            let channels = stage.need("channels", "channels = [\"social\", \"display\"]")?.texts("[\"social\"]")?;
            for channel in &channels {
                let text = channel.text()?;
                if budget.stages.iter().any(|(_, channels, _)| channels.iter().any(|known| known == text)) {
                    return Err(channel.fault(Problem::Twice(text.to_owned())));
                }
            }
            let channels = channels.iter().map(|channel| channel.text().map(str::to_owned)).collect::<Result<_, _>>()?;
            budget.stages.push((name.to_owned(), channels, target(&stage)?));
        }
    }
    let roas = section.section("roas", &["new", "returning"])?;
    budget.new_roas = roas.get("new").map(|field| field.number()).transpose()?;
    budget.returning_roas = roas.get("returning").map(|field| field.number()).transpose()?;
    Ok(Some(budget))
}

fn target(section: &Section<'_>) -> Result<ShareTarget, Fault> {
    let share = |name| {
        let share = |field: Field<'_>| match field.number()? {
            share if (0.0..=1.0).contains(&share) => Ok(share),
            _ => Err(field.wrong("a share from 0 to 1")),
        };
        section.get(name).map(share).transpose()
    };
    let target = ShareTarget { low: share("min")?, high: share("max")? };
    match (target.low, target.high) {
        (Some(low), Some(high)) if low > high => {
            Err(section.fault("min", Problem::invalid(format!("expected at most max = {high}, found {low}"))))
        }
        _ => Ok(target),
    }
}

/// What only shows once all sections are read.
pub(super) fn check(pipeline: &Pipeline) -> Result<(), Fault> {
    if pipeline.rates.is_none() {
        let unmapped = |key: String| {
            Fault {
            place: pipeline.places.get(&key).copied(),
            key,
            problem: Problem::Invalid {
                problem: "amounts in several currencies need exchange rates, and there is no [fx]".to_owned(),
                hint: Some(
                    "add [fx] with source = \"rates.csv\" and columns = { date = \"date\", currency = \"currency\", rate = \"rate\" }"
                        .to_owned(),
                ),
            },
        }
        };
        if pipeline.conversions.currency.is_some() {
            return Err(unmapped("conversions.columns.currency".to_owned()));
        }
        if let Some(spend) = pipeline.spend.iter().find(|spend| spend.currency.is_some()) {
            return Err(unmapped(join(&spend.key, "columns.currency")));
        }
    }
    Ok(())
}
