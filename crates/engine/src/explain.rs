//! One conversion under a magnifying glass: every touch of its customer with its verdict, weight, share and amounts,
//! by the same rules and models as the walk.

use std::sync::{Mutex, PoisonError};

use attributary_core::apportion::Apportion;
use attributary_core::batch::{NO_TIME, TouchBatch};
use attributary_core::journey::{Journey, Unattributed, Verdict};
use attributary_core::key::Key;
use attributary_core::model::{Credit, Weighing};
use attributary_core::value::Value;
use attributary_journeys::profiles::ProfileCache;
use attributary_journeys::{ProfileInterner, Profiles, Selector, Touches};

use crate::cells::Cells;
use crate::customers::{Customer, Customers};
use crate::deferred::touch_columns;
use crate::error::EngineError;
use crate::learn::Fits;
use crate::records::{Shape, TouchRecords};
use crate::setup::{ModelSetup, Narrowed, Setup};
use crate::sorted::Conversions;

/// Takes the touches of one customer out of the log.
pub struct CustomerCollector {
    key: Key,
    interner: ProfileInterner,
    state: Mutex<(TouchRecords, ProfileCache)>,
}

/// A touch of the customer.
pub struct ExplainedTouch {
    /// Microseconds UTC.
    pub time: i64,
    /// The attributes, in the order of `core::batch::attribute`.
    pub attributes: Vec<Value>,
    /// The id.
    pub id: Value,
    /// The file and the row in it.
    pub origin: (u32, u64),
}

/// What one model made of the conversion under one window.
pub struct ExplainedJourney {
    /// The model.
    pub model: usize,
    /// The window.
    pub window: usize,
    /// Why no touch got anything.
    pub unattributed: Option<Unattributed>,
    /// For each touch.
    pub credits: Vec<ExplainedCredit>,
}

/// What became of one touch.
pub struct ExplainedCredit {
    /// Whether it may get credit.
    pub verdict: Verdict,
    /// Weight, share in billionths and amounts in minor units, if it was weighed.
    pub part: Option<(f64, i64, Vec<i64>)>,
}

impl CustomerCollector {
    /// For the customer of a conversion.
    #[must_use]
    pub fn new(setup: &Setup, key: Key) -> Self {
        let interner = ProfileInterner::new(
            attributary_core::batch::attribute::DIMENSIONS + setup.dimensions.len(),
            &setup.mapped_attributes,
        );
        let shape = Shape { wide: true, ids: setup.touch_id_type.is_some(), origins: true, customers: false };
        Self { key, interner, state: Mutex::new((TouchRecords::new(shape), ProfileCache::default())) }
    }

    /// Takes the customer's touches of a batch.
    pub fn add(&self, batch: &TouchBatch) {
        let wanted =
            |row: &usize| !batch.customers.is_null(*row) && batch.times[*row] != NO_TIME && batch.customers.key(*row) == self.key;
        let rows: Vec<u32> = (0..batch.len()).filter(wanted).map(|row| row as u32).collect();
        if rows.is_empty() {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (records, cache) = &mut *state;
        let mut profiles = Vec::new();
        self.interner.profiles(batch, &rows, cache, &mut profiles);
        for (row, profile) in rows.into_iter().zip(profiles) {
            records.push(self.key, batch.times[row as usize], profile);
            records.push_rest(batch, row as usize);
        }
    }

    /// Explains a conversion of the customer. `fits` is what the fitted models learnt of all customers.
    ///
    /// # Errors
    /// Where a model's expression fails.
    pub fn explain(
        self,
        setup: &Setup,
        fits: &Fits,
        conversions: &Conversions,
        conversion: usize,
    ) -> Result<(Vec<ExplainedTouch>, Vec<ExplainedJourney>), EngineError> {
        let (records, _) = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let profiles = self.interner.finish(&setup.rules);
        let fits = fits.of_profiles(&profiles);
        let mut explained = (Vec::new(), Vec::new());
        Customers::of_one(&records).for_each(
            &records,
            &profiles,
            |_| (),
            |customer, _| {
                explained = explain_customer((setup, &fits), (conversions, conversion), &profiles, (&records, customer))?;
                Ok::<_, EngineError>(())
            },
        )?;
        Ok(explained)
    }
}

fn explain_customer(
    (setup, fits): (&Setup, &Fits),
    (conversions, conversion): (&Conversions, usize),
    profiles: &Profiles,
    (records, customer): (&TouchRecords, Customer<'_>),
) -> Result<(Vec<ExplainedTouch>, Vec<ExplainedJourney>), EngineError> {
    let of_customer = conversions.of_customer(conversion);
    let consumed_until = setup
        .rules
        .consumed_until(&conversions.times[of_customer.clone()], &conversions.kinds[of_customer.clone()])
        .get(conversion.wrapping_sub(of_customer.start))
        .copied()
        .flatten();
    let id = conversions.ids.value(conversion, &setup.conversion_id_type).display(&setup.conversion_id_type);
    let anonymous = conversions.customers.is_null(conversion);
    let mut selector = Selector::new(&setup.rules, &profiles.facts);
    let view = Touches { times: customer.times, profiles: customer.profiles };
    let mut journeys = Vec::new();
    for window in 0..setup.rules.windows.len() {
        let mut chosen = Vec::new();
        let time = conversions.times[conversion];
        let selected = if anonymous {
            Err(Unattributed::IdentityMissing)
        } else {
            selector.select(view, time, consumed_until, window, &mut chosen)
        };
        let verdicts = selector.verdicts(view, time, consumed_until, window);
        for (number, model) in setup.models.iter().enumerate() {
            let mut credits: Vec<ExplainedCredit> =
                verdicts.iter().map(|verdict| ExplainedCredit { verdict: *verdict, part: None }).collect();
            let unattributed = match selected {
                Err(reason) => Some(reason),
                Ok(()) => {
                    let amounts = (conversions.share(conversion), conversions.values(conversion));
                    explain_model(
                        (setup, profiles, model, &id),
                        (fits, number, window),
                        (records, customer),
                        time,
                        amounts,
                        &chosen,
                        &mut credits,
                    )?
                }
            };
            journeys.push(ExplainedJourney { model: number, window, unattributed, credits });
        }
    }
    let explained = |touch: usize| ExplainedTouch {
        time: customer.times[touch],
        attributes: (0..profiles.codes.len()).map(|place| profiles.value(place, customer.profiles[touch]).clone()).collect(),
        id: match &setup.touch_id_type {
            Some(kind) => Cells::value_of(records.ids.raw(customer.records[touch] as usize), kind),
            None => Value::Null,
        },
        origin: records.origin(customer.records[touch] as usize).unwrap_or_default(),
    };
    Ok(((0..customer.times.len()).map(explained).collect(), journeys))
}

fn explain_model(
    (setup, profiles, model, conversion): (&Setup, &Profiles, &ModelSetup, &str),
    (fits, number, window): (&Fits, usize, usize),
    (records, customer): (&TouchRecords, Customer<'_>),
    time: i64,
    (share, values): (i64, &[i64]),
    chosen: &[u32],
    credits: &mut [ExplainedCredit],
) -> Result<Option<Unattributed>, EngineError> {
    let mut places = Vec::new();
    let flags = |place: usize| profiles.facts[customer.profiles[chosen[place] as usize] as usize].flags;
    let touches: Vec<u32> = match model.narrow(chosen.len(), flags, &mut places) {
        Narrowed::All => chosen.to_vec(),
        Narrowed::Some => places.iter().map(|place| chosen[*place]).collect(),
        Narrowed::Nothing => Vec::new(),
    };
    for touch in chosen.iter().filter(|touch| touches.binary_search(touch).is_err()) {
        credits[*touch as usize].verdict = Verdict::NotOnly;
    }
    if touches.is_empty() {
        return Ok(Some(Unattributed::Ignored));
    }
    let mut weights = Vec::new();
    let credit = match &model.weighing {
        Weighing::Journey(_) | Weighing::Fitted(_) => {
            let journey = Journey::new(time, &touches, customer.times, customer.profiles, &profiles.facts);
            let weigher = match &model.weighing {
                Weighing::Journey(weigher) => &**weigher,
                _ => fits.weigher(number, window)?,
            };
            weigher.weigh(&journey, &mut weights)
        }
        Weighing::Expression(expression) => {
            let times: Vec<i64> = touches.iter().map(|touch| customer.times[*touch as usize]).collect();
            let of_touches: Vec<u32> = touches.iter().map(|touch| customer.profiles[*touch as usize]).collect();
            let journey = std::iter::once((time, touches.len()));
            let mut ids = Cells::default();
            if !records.ids.is_empty() {
                touches.iter().for_each(|touch| ids.push_raw(records.ids.raw(customer.records[*touch as usize] as usize)));
            }
            let columns = touch_columns(setup, profiles, journey, &times, &of_touches, &ids);
            let failed = |problem| EngineError::Expression { model: model.name.clone(), problem };
            let found = expression.evaluate(&columns).map_err(failed)?;
            if let Some(place) = found.iter().position(|weight| weight.is_none_or(|weight| !weight.is_finite() || weight < 0.0)) {
                return Err(EngineError::Weight {
                    model: model.name.clone(),
                    found: found[place].map_or_else(|| "null".to_owned(), |weight| weight.to_string()),
                    sequence: place + 1,
                    length: touches.len(),
                    conversion: conversion.to_owned(),
                });
            }
            weights.extend(found.into_iter().flatten());
            Credit::Weights
        }
    };
    match credit {
        Credit::Nothing => return Ok(Some(Unattributed::Ignored)),
        Credit::One(touch) => weights = (0..touches.len()).map(|place| f64::from(u8::from(place == touch))).collect(),
        Credit::Equal | Credit::Whole => weights = vec![1.0; touches.len()],
        Credit::Ends { first, between, last } => {
            weights = vec![between; touches.len()];
            (weights[0], weights[touches.len() - 1]) = (first, last);
        }
        Credit::Weights => {}
    }
    let mut apportion = Apportion::default();
    if !apportion.set_weights(&weights) {
        return Ok(Some(Unattributed::Ignored));
    }
    let mut split = |amount: i64| {
        let mut parts = vec![amount; touches.len()];
        if credit != Credit::Whole {
            apportion.split(amount, &mut parts);
        }
        parts
    };
    let shares = split(share);
    let amounts: Vec<Vec<i64>> = values.iter().map(|value| split(*value)).collect();
    for (place, touch) in touches.iter().enumerate() {
        let amounts = amounts.iter().map(|parts| parts[place]).collect();
        credits[*touch as usize].part = Some((weights[place], shares[place], amounts));
    }
    Ok(None)
}
