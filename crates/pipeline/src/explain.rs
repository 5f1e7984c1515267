//! `explain`: one conversion's journey as the engine sees it.

use std::path::Path;
use std::sync::atomic::Ordering;

use attributary_core::batch::attribute;
use attributary_core::model::Weighing;
use attributary_core::money::{decimal_text, exponent};
use attributary_core::rates::RATE_SCALE;
use attributary_core::time::{day_text, instant_text};
use attributary_core::value::{ColumnType, Value};
use attributary_engine::cells::Cells;
use attributary_engine::conversions::Converted;
use attributary_engine::explain::{CustomerCollector, ExplainedCredit as Credit};
use attributary_engine::histories::OrderKinds;
use attributary_engine::kinds::ConversionKinds;
use attributary_engine::learn::Fits;
use attributary_engine::ledger::Ledger;
use attributary_engine::rejects::{RejectedRow, RejectedRows, Rejects, Side};
use attributary_engine::sorted::{Conversions, Histories};
use attributary_engine::{EngineError, Interrupt, Range, Setup};
use attributary_frames::{SourceFile, Stop, TimeBounds};
use attributary_store::PublishedRun;

use crate::error::Error;
use crate::frozen;
use crate::options::{Options, Progress};
use crate::plan::{Plan, with_pipeline};
use crate::report::{ConvertedFrom, ExplainedCredit, ExplainedModel, ExplainedTouch, Explanation};
use crate::run::{Which, compute, output_folder, read_conversions};
use crate::worth::{observe, read_rates};

/// Explains a conversion: every touch of its customer, and what each model makes of them under each window.
///
/// # Errors
/// As a run's; and where no accepted conversion has that id.
pub fn explain(options: &Options, conversion_id: &str, interrupt: &Interrupt) -> Result<Explanation, Error> {
    with_pipeline(options, |pipeline, _| {
        let mut plan = Plan::interruptible(pipeline, options, interrupt)?;
        // What is to be learnt once the run that is current has learnt.
        let folder = output_folder(&plan.pipeline, options).ok();
        if let Some(run) = folder.and_then(|folder| PublishedRun::read(&folder.join("current")).ok()) {
            frozen::thaw(&mut plan, &run)?;
        }
        explain_here(plan, conversion_id, interrupt)
    })
}

/// What the fitted models learn of all customers, as in a run of the same days; where there is none nothing is read.
fn learnt(plan: &mut Plan, interrupt: &Interrupt) -> Result<Fits, Error> {
    if plan.setup.models.iter().all(|model| !matches!(model.weighing, Weighing::Fitted(_))) {
        return Ok(Fits::default());
    }
    let temp = tempfile::tempdir().map_err(EngineError::temp(std::env::temp_dir()))?;
    plan.setup.temp = temp.path().to_owned();
    let tables = std::mem::take(&mut plan.setup.tables);
    let unwanted = (std::mem::take(&mut plan.setup.credits), std::mem::take(&mut plan.setup.paths));
    let computed = compute(plan, None, &Progress::default(), interrupt)?;
    plan.setup.tables = tables;
    (plan.setup.credits, plan.setup.paths) = unwanted;
    Ok(computed.walked.fits)
}

fn explain_here(mut plan: Plan, conversion_id: &str, interrupt: &Interrupt) -> Result<Explanation, Error> {
    if plan.setup.counted {
        return Err(Error::Usage {
            problem: format!("pipeline {:?} has [paths], whose conversions have no ids", plan.pipeline.name),
            hint: Some("the table removal_effects or by_channel says what channels got".to_owned()),
        });
    }
    let fits = learnt(&mut plan, interrupt)?;
    plan.setup.range = Range::default();
    let temp = tempfile::tempdir().map_err(EngineError::temp(std::env::temp_dir()))?;
    plan.setup.temp = temp.path().to_owned();
    let everything = TimeBounds { from: None, to: None };
    let progress = Progress::default();
    progress.total_bytes.store(0, Ordering::Relaxed);

    let rejects = Rejects::new(&plan.setup, interrupt);
    read_rates(&mut plan, &rejects, interrupt)?;
    let setup = &plan.setup;
    let stop = || interrupt.check().map_err(|_| Stop);
    let mut converted = read_conversions(
        &plan,
        Which { wanted: &|_| true, seen: None },
        &rejects,
        &mut Ledger::default(),
        &progress.conversions,
        interrupt,
    )?;
    let observed = observe(&plan.pipeline, setup, &mut converted)?;
    let Converted { buckets, kinds, currencies, accepted, budget, .. } = converted;
    let orders = OrderKinds::of(setup, &kinds);
    let observation = observed.as_ref().map(|(observation, _)| observation);
    let histories = setup.follows_histories().then_some(Histories { orders: &orders, observation });
    let mut found = None;
    for bucket in buckets {
        let conversions = bucket.load(setup, histories, &budget)?;
        let id = |place: usize| conversions.ids.value(place, &setup.conversion_id_type).display(&setup.conversion_id_type);
        if let Some(place) = (0..conversions.len()).find(|place| id(*place) == conversion_id) {
            found = Some((conversions, place));
            break;
        }
    }
    let Some((conversions, conversion)) = found else {
        return Err(unknown(conversion_id, &plan, &rejects.finish()?, accepted));
    };

    let touches = CustomerCollector::new(setup, conversions.keys[conversion]);
    let known = !conversions.customers.is_null(conversion);
    if known {
        let read = plan.touchpoints.read_files(&|_| true, &everything, setup.threads, &progress.touchpoints, &|batch| {
            touches.add(&batch);
            stop()
        });
        interrupt.check()?;
        read?;
    }
    let (touches, journeys) = touches.explain(setup, &fits, &conversions, conversion)?;
    let attributes = shown_attributes(setup);
    let amount = |minor: i64| decimal_text(minor.into(), setup.currency.1);
    let credit = |credit: &Credit| ExplainedCredit {
        verdict: credit.verdict,
        weight: credit.part.as_ref().map(|(weight, ..)| *weight),
        share: credit.part.as_ref().map(|(_, share, _)| decimal_text((*share).into(), 9)),
        amounts: credit.part.as_ref().map(|(.., amounts)| amounts.iter().map(|minor| amount(*minor)).collect()),
    };
    let names: Vec<String> = setup.values.clone();
    Ok(Explanation {
        conversion_id: conversion_id.to_owned(),
        customer: known.then(|| conversions.customers.value(conversion, &setup.customer_type).display(&setup.customer_type)),
        time: instant_text(conversions.own_time(conversion)),
        day: day_text(conversions.days[conversion]),
        kind: kinds.values.get(conversions.kinds[conversion] as usize).and_then(|kind| kind.as_text()).map(str::to_owned),
        values: names.into_iter().zip(conversions.values(conversion).iter().map(|minor| amount(*minor))).collect(),
        currency: setup.currency.0.clone(),
        refunds_order_of: conversions.is_refund(conversion).then(|| instant_text(conversions.times[conversion])),
        converted_from: converted_from(setup, &conversions, conversion, &currencies),
        origin: origin(plan.conversions.files(), conversions.origin(conversion)),
        columns: attributes.iter().map(|(name, ..)| name.clone()).collect(),
        touches: touches
            .iter()
            .map(|touch| ExplainedTouch {
                time: instant_text(touch.time),
                columns: attributes
                    .iter()
                    .map(|(_, kind, place)| shown(place.map_or(&touch.id, |place| &touch.attributes[place]), kind))
                    .collect(),
                origin: origin(plan.touchpoints.files(), touch.origin),
            })
            .collect(),
        models: journeys
            .iter()
            .map(|journey| ExplainedModel {
                model: setup.models[journey.model].name.clone(),
                window: setup.rules.windows[journey.window].to_string(),
                unattributed: journey.unattributed.map(|reason| reason.to_string()),
                touches: journey.credits.iter().map(credit).collect(),
            })
            .collect(),
    })
}

/// What a conversion was before it was converted; none where it was in the pipeline's currency already.
fn converted_from(
    setup: &Setup,
    conversions: &Conversions,
    conversion: usize,
    currencies: &ConversionKinds,
) -> Option<ConvertedFrom> {
    let exchanged = conversions.exchanged(conversion)?;
    let currency = currencies.values.get(exchanged.currency as usize)?.as_text()?.to_owned();
    if currency == setup.currency.0 {
        return None;
    }
    let digits = exponent(&currency).unwrap_or(0);
    let amounts = exchanged.originals.iter().map(|minor| decimal_text((*minor).into(), digits));
    let rate = decimal_text(exchanged.rate.into(), RATE_SCALE);
    Some(ConvertedFrom {
        rate: rate.trim_end_matches('0').trim_end_matches('.').to_owned(),
        values: setup.values.iter().cloned().zip(amounts).collect(),
        currency,
    })
}

/// Name, type and place of the columns that are mapped; the id has no place.
fn shown_attributes(setup: &Setup) -> Vec<(String, ColumnType, Option<usize>)> {
    let field = |place: &usize| {
        let field = setup.attribute_field(*place);
        (field.name, field.kind, Some(*place))
    };
    let mut shown: Vec<_> = setup.mapped_attributes.iter().filter(|place| **place < attribute::DIMENSIONS).map(field).collect();
    shown.extend(setup.touch_id_type.iter().map(|kind| ("id".to_owned(), kind.clone(), None)));
    shown.extend(setup.mapped_attributes.iter().filter(|place| **place >= attribute::DIMENSIONS).map(field));
    shown
}

fn shown(value: &Value, kind: &ColumnType) -> Option<String> {
    (!value.is_null()).then(|| value.display(kind))
}

fn origin(files: &[SourceFile], (file, row): (u32, u64)) -> (String, u64) {
    let path: Option<&Path> = files.get(file as usize).map(|file| file.path.as_path());
    (path.map_or_else(String::new, |path| path.display().to_string()), row)
}

fn unknown(id: &str, plan: &Plan, rejected: &RejectedRows, accepted: u64) -> Error {
    let kind = &plan.setup.conversion_id_type;
    let is_it = |row: &RejectedRow| row.side == Side::Conversions && Cells::value_of(&row.id, kind).display(kind) == id;
    if let Some(row) = rejected.rows().ok().and_then(|mut rows| rows.find_map(|row| row.ok().filter(is_it))) {
        let reason = row.reason;
        let (file, place) = origin(plan.conversions.files(), (row.file, row.row));
        return Error::Input {
            problem: format!("conversion {id:?} was rejected: {reason} ({file}, row {place})"),
            hint: Some("only accepted conversions have a journey".to_owned()),
        };
    }
    Error::Input {
        problem: format!("there is no conversion {id:?} among the {accepted} of {}", plan.pipeline.conversions.source.path),
        hint: Some("take an id from the credits or unattributed table, or from the source itself".to_owned()),
    }
}
