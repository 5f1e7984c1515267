//! `check`: what a run would read and write. Schemas are read, data is not.

use attributary_core::table::Field;
use attributary_engine::tables;
use attributary_frames::SourceFile;

use crate::as_of;
use crate::error::Error;
use crate::file::{Column, Source, Spend};
use crate::options::Options;
use crate::plan::{Plan, is_base, with_pipeline};
use crate::quality;
use crate::report::{CheckReport, SourceReport};
use crate::restatements::{self, RESTATEMENTS};
use crate::secrets::Secrets;
use crate::worth::{Fits, Returns, currency_fields, segment_fields};

/// Plans a run and says what it would do.
///
/// # Errors
/// Whatever the pipeline file or the sources' schemas have wrong.
pub fn check(options: &Options) -> Result<CheckReport, Error> {
    with_pipeline(options, |pipeline, secrets| report(&Plan::new(pipeline, options)?, options, secrets))
}

fn report(plan: &Plan, options: &Options, secrets: &Secrets) -> Result<CheckReport, Error> {
    let shown = |column: &Column| secrets.mask(&shown(column));
    let (pipeline, setup) = (&plan.pipeline, &plan.setup);
    let touch = &pipeline.touchpoints;
    let mut touch_columns = vec![
        ("customer".to_owned(), shown(&touch.customer), Some(setup.touch_customer_type.to_string())),
        ("time".to_owned(), shown(&touch.time), None),
        ("channel".to_owned(), shown(&touch.channel), Some("text".to_owned())),
    ];
    for (name, column) in [("campaign", &touch.campaign), ("interaction", &touch.interaction)] {
        touch_columns.extend(column.as_ref().map(|column| (name.to_owned(), shown(column), Some("text".to_owned()))));
    }
    touch_columns.extend(touch.cost.as_ref().map(|column| ("cost".to_owned(), shown(column), Some(setup.amount().to_string()))));
    let id_type = setup.touch_id_type.as_ref().map(ToString::to_string);
    touch_columns.extend(touch.id.as_ref().map(|column| ("id".to_owned(), shown(column), id_type)));
    for (dimension, field) in touch.dimensions.iter().zip(&setup.dimensions) {
        touch_columns.push((dimension.name.clone(), shown(&dimension.column), Some(field.kind.to_string())));
    }
    let came = |source: &Source| source.ingested.as_ref().map(|column| ("ingested".to_owned(), shown(column), None));
    touch_columns.extend(came(&touch.source));
    let conversion = &pipeline.conversions;
    let mut conversion_columns = vec![
        ("id".to_owned(), shown(&conversion.id), Some(setup.conversion_id_type.to_string())),
        ("customer".to_owned(), shown(&conversion.customer), Some(setup.customer_type.to_string())),
        ("time".to_owned(), shown(&conversion.time), None),
    ];
    conversion_columns.extend(conversion.kind.as_ref().map(|column| ("kind".to_owned(), shown(column), Some("text".to_owned()))));
    for value in &conversion.values {
        conversion_columns.push((value.name.clone(), shown(&value.column), Some(setup.amount().to_string())));
    }
    let optional = [("refund_of", &conversion.refund_of), ("currency", &conversion.currency)];
    for (name, column) in optional {
        conversion_columns.extend(column.as_ref().map(|column| (name.to_owned(), shown(column), None)));
    }
    conversion_columns.extend(came(&conversion.source));
    let mut sources = match &pipeline.counted {
        Some(counted) => {
            let mut columns = vec![("path".to_owned(), shown(&conversion.id), Some("text".to_owned()))];
            columns.push(("conversions".to_owned(), shown(&counted.conversions), None));
            columns.extend(counted.null_journeys.iter().map(|column| ("null_journeys".to_owned(), shown(column), None)));
            // Behind the id, the customer and the time come the values.
            columns.extend(conversion_columns.into_iter().skip(3));
            vec![source("paths", &conversion.source.path, plan.conversions.files(), columns)]
        }
        None => vec![
            source("touchpoints", &touch.source.path, plan.touchpoints.files(), touch_columns),
            source("conversions", &conversion.source.path, plan.conversions.files(), conversion_columns),
        ],
    };
    for (entry, opened) in pipeline.spend.iter().zip(plan.own_spend()) {
        sources.push(source(&entry.key, &entry.source.path, opened.files(), spend_columns(entry, plan, &shown)));
    }
    for (entry, opened) in pipeline.rates.iter().zip(&plan.rates) {
        let columns = [("date", &entry.date), ("currency", &entry.currency), ("rate", &entry.rate)];
        let columns = columns.map(|(name, column)| (name.to_owned(), shown(column), None)).to_vec();
        sources.push(source("fx", &entry.source.path, opened.files(), columns));
    }
    Ok(CheckReport {
        pipeline: pipeline.name.clone(),
        output: options.output.clone().or_else(|| pipeline.output.clone()),
        currency: pipeline.currency.code.clone(),
        timezone: pipeline.zone.name().to_owned(),
        as_of: as_of::said(plan.as_of),
        sources,
        windows: setup.rules.windows.iter().map(ToString::to_string).collect(),
        models: pipeline
            .models
            .iter()
            .map(|model| (model.name.clone(), model.spec.kind.to_owned(), model.spec.additive))
            .collect(),
        tables: tables(plan)?,
    })
}

/// What a source of spend maps.
fn spend_columns(entry: &Spend, plan: &Plan, shown: &dyn Fn(&Column) -> String) -> Vec<(String, String, Option<String>)> {
    let amount = Some(plan.setup.amount().to_string());
    let mut columns =
        vec![("date".to_owned(), shown(&entry.date), None), ("amount".to_owned(), shown(&entry.amount.column), amount)];
    let optional = [
        ("channel", &entry.channel),
        ("campaign", &entry.campaign),
        ("currency", &entry.currency),
        ("clicks", &entry.clicks),
        ("impressions", &entry.impressions),
        ("goal", &entry.goal),
        ("id", &entry.id),
        ("ingested", &entry.source.ingested),
    ];
    columns.extend(optional.into_iter().filter_map(|(name, column)| Some((name.to_owned(), shown(column.as_ref()?), None))));
    columns.extend(entry.dimensions.iter().map(|(_, dimension)| (dimension.name.clone(), shown(&dimension.column), None)));
    columns
}

fn source(name: &str, path: &str, files: &[SourceFile], columns: Vec<(String, String, Option<String>)>) -> SourceReport {
    SourceReport {
        source: name.to_owned(),
        path: path.to_owned(),
        files: files.len(),
        bytes: files.iter().map(|file| file.bytes).sum(),
        rows: files.iter().map(|file| file.rows).sum(),
        columns,
    }
}

fn shown(column: &Column) -> String {
    match column {
        Column::Names(names) => names.join(" | "),
        Column::Sql(sql) => format!("sql: {sql}"),
    }
}

/// Tables by name, with their columns by name and type.
type Tables = Vec<(String, Vec<(String, String)>)>;

fn tables(plan: &Plan) -> Result<Tables, Error> {
    let setup = &plan.setup;
    let shown = |name: &str, fields: Vec<Field>| {
        (name.to_owned(), fields.into_iter().map(|field| (field.name, field.kind.to_string())).collect())
    };
    let mut all: Vec<_> = setup
        .tables
        .iter()
        .filter(|table| !is_base(table))
        .map(|table| shown(&table.name, tables::grouped::fields(setup, table, false)))
        .collect();
    if setup.credits {
        all.push(shown("credits", tables::credits::fields(setup)));
    }
    all.push(shown("unattributed", tables::unattributed::fields(setup)));
    all.push(shown("rejects", tables::rejects::fields(setup)));
    all.extend(tables::learned::planned(setup).into_iter().map(|(name, fields)| shown(name, fields)));
    if setup.paths > 0 {
        all.push(shown("paths", tables::paths::fields(setup)));
    }
    if plan.pipeline.restatements {
        all.push(shown(RESTATEMENTS, restatements::fields(setup)));
    }
    all.push(shown("ledger", tables::ledger::fields(setup, false)));
    if setup.exchange || plan.pipeline.spend.iter().any(|spend| spend.currency.is_some()) {
        all.push(shown("ledger_currencies", currency_fields(setup)));
    }
    if setup.lists_customers() {
        all.push(shown("customers", tables::customers::fields(setup)));
        all.push(shown("customer_segments", segment_fields(setup)));
        all.push(shown("customer_value_fit", Fits::fields()));
    }
    if plan.pipeline.quality.is_some() {
        all.push(shown(quality::TABLE, quality::fields()));
    }
    if let Some(returns) = Returns::new(plan, setup.range)? {
        all.extend(returns.fields(setup.lists_customers())?.into_iter().map(|(name, fields)| shown(name, fields)));
    }
    Ok(all)
}
