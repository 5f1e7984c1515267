//! What the pipeline file says of sources, as the readers are told.

use std::collections::BTreeMap;

use attributary_frames::{
    AsOf, ColumnSpec, ConversionMapping, DimensionSpec, PathMapping, Predicate, RateMapping, SourceSpec, SpendMapping,
    TouchMapping, ValueSpec, ValueUnit,
};

use crate::file::{self, Pipeline};

pub(crate) fn source_spec(key: &str, source: &file::Source, as_of: Option<&AsOf>) -> SourceSpec {
    SourceSpec {
        key: key.to_owned(),
        source: source.path.clone(),
        zone: source.zone.clone(),
        filter: source.filter.clone(),
        missing_as_null: source.missing_as_null,
        ingested: source.ingested.as_ref().map(column_spec),
        as_of: as_of.cloned(),
    }
}

fn column_spec(column: &file::Column) -> ColumnSpec {
    match column {
        file::Column::Names(names) => ColumnSpec::Names(names.clone()),
        file::Column::Sql(sql) => ColumnSpec::Sql(sql.clone()),
    }
}

pub(crate) fn touch_mapping(pipeline: &Pipeline) -> TouchMapping {
    let touch = &pipeline.touchpoints;
    let dimension =
        |dimension: &file::Dimension| DimensionSpec { name: dimension.name.clone(), column: column_spec(&dimension.column) };
    TouchMapping {
        customer: column_spec(&touch.customer),
        time: column_spec(&touch.time),
        channel: column_spec(&touch.channel),
        campaign: touch.campaign.as_ref().map(column_spec),
        interaction: touch.interaction.as_ref().map(column_spec),
        id: touch.id.as_ref().map(column_spec),
        dimensions: touch.dimensions.iter().map(dimension).collect(),
        predicates: predicates(pipeline),
    }
}

fn predicates(pipeline: &Pipeline) -> Vec<Predicate> {
    let mut keys: BTreeMap<&str, String> = BTreeMap::new();
    for model in &pipeline.models {
        if let Some(only) = &model.only {
            let made = model.name == file::MARKETING;
            let key = if made { "returns.marketing".to_owned() } else { format!("model.{}.only", model.name) };
            keys.entry(only).or_insert(key);
        }
    }
    let predicate = |sql: &str| Predicate {
        key: keys.get(sql).cloned().unwrap_or_else(|| "journey.ignore.where".to_owned()),
        sql: sql.to_owned(),
    };
    pipeline.predicates().into_iter().map(predicate).collect()
}

pub(crate) fn path_mapping(pipeline: &Pipeline, counted: &file::CountedPaths) -> PathMapping {
    PathMapping {
        path: column_spec(&pipeline.touchpoints.channel),
        conversions: column_spec(&counted.conversions),
        null_journeys: counted.null_journeys.as_ref().map(column_spec),
        values: value_specs(pipeline),
        separator: counted.separator.clone(),
        predicates: predicates(pipeline),
        exponent: pipeline.currency.exponent,
    }
}

pub(crate) fn conversion_mapping(pipeline: &Pipeline) -> ConversionMapping {
    let conversions = &pipeline.conversions;
    ConversionMapping {
        id: column_spec(&conversions.id),
        customer: column_spec(&conversions.customer),
        time: column_spec(&conversions.time),
        kind: conversions.kind.as_ref().map(column_spec),
        values: value_specs(pipeline),
        refund_of: conversions.refund_of.as_ref().map(column_spec),
        currency: conversions.currency.as_ref().map(column_spec),
        exponent: pipeline.currency.exponent,
    }
}

fn value_specs(pipeline: &Pipeline) -> Vec<ValueSpec> {
    let value =
        |value: &file::ValueColumn| ValueSpec { name: value.name.clone(), column: column_spec(&value.column), unit: unit(value) };
    pipeline.conversions.values.iter().map(value).collect()
}

fn unit(value: &file::ValueColumn) -> ValueUnit {
    if value.minor { ValueUnit::Minor } else { ValueUnit::Major }
}

/// What the sources of spend map: those of `[[spend]]`, then the touchpoints where a touch has a cost.
pub(crate) fn spend_mappings(pipeline: &Pipeline, as_of: Option<&AsOf>) -> Vec<(SourceSpec, SpendMapping)> {
    let exponent = pipeline.currency.exponent;
    let dimension =
        |dimension: &file::Dimension| DimensionSpec { name: dimension.name.clone(), column: column_spec(&dimension.column) };
    let of_platform = |spend: &file::Spend| {
        let mapping = SpendMapping {
            date: column_spec(&spend.date),
            channel: spend.channel.as_ref().map(column_spec),
            campaign: spend.campaign.as_ref().map(column_spec),
            amount: column_spec(&spend.amount.column),
            unit: unit(&spend.amount),
            currency: spend.currency.as_ref().map(column_spec),
            clicks: spend.clicks.as_ref().map(column_spec),
            impressions: spend.impressions.as_ref().map(column_spec),
            goal: spend.goal.as_ref().map(column_spec),
            goal_constant: spend.goal_constant.clone(),
            id: spend.id.as_ref().map(column_spec),
            customer: None,
            dimensions: spend.dimensions.iter().map(|(_, of_touch)| dimension(of_touch)).collect(),
            exponent,
        };
        (source_spec(&spend.key, &spend.source, as_of), mapping)
    };
    let touch = &pipeline.touchpoints;
    let of_touches = |cost: &file::Column| {
        let mapping = SpendMapping {
            date: column_spec(&touch.time),
            channel: Some(column_spec(&touch.channel)),
            campaign: touch.campaign.as_ref().map(column_spec),
            amount: column_spec(cost),
            unit: ValueUnit::Major,
            currency: None,
            clicks: None,
            impressions: None,
            goal: None,
            goal_constant: None,
            id: touch.id.as_ref().map(column_spec),
            customer: Some(column_spec(&touch.customer)),
            dimensions: touch.dimensions.iter().map(dimension).collect(),
            exponent,
        };
        (source_spec("touchpoints", &touch.source, as_of), mapping)
    };
    pipeline.spend.iter().map(of_platform).chain(touch.cost.iter().map(of_touches)).collect()
}

/// The places, among the touchpoints' dimensions, of those that each source of spend has.
pub(crate) fn spend_dimensions(pipeline: &Pipeline) -> Vec<Vec<usize>> {
    let of_platforms = pipeline.spend.iter().map(|spend| spend.dimensions.iter().map(|(place, _)| *place).collect());
    let all = || (0..pipeline.touchpoints.dimensions.len()).collect();
    of_platforms.chain(pipeline.touchpoints.cost.iter().map(|_| all())).collect()
}

pub(crate) fn rate_mapping(entry: &file::RatesEntry) -> RateMapping {
    RateMapping { date: column_spec(&entry.date), currency: column_spec(&entry.currency), rate: column_spec(&entry.rate) }
}
