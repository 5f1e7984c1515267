//! Dividing one conversion under all models: eligible touches in, exact parts out to tables, ledger and credits.

use attributary_core::WHOLE_SHARE;
use attributary_core::apportion::{Apportion, equal_part};
use attributary_core::duration::DAY;
use attributary_core::journey::{Journey, Unattributed};
use attributary_core::model::{Credit, TouchColumns, Weighing, WeightExpression};
use attributary_core::table::Column;
use attributary_journeys::Profiles;
use std::sync::Arc;

use crate::cells::Cells;
use crate::conversions::Conversions;
use crate::error::EngineError;
use crate::ledger::{Credited, Ledger, Outcome};
use crate::setup::{Narrowed, Setup};
use crate::spool::{Block, Spool};
use crate::tables::credits::{CreditBuffer, CreditedTouch};
use crate::tables::grouped::{Grouped, Parts, Plan};
use crate::tables::unattributed;

/// An expression is evaluated once this many touches wait for it.
const EXPRESSION_TOUCHES: usize = 1 << 16;

/// What everyone who credits shares.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The run.
    pub setup: &'a Setup,
    /// The touches' profiles.
    pub profiles: &'a Profiles,
    /// The conversions.
    pub conversions: &'a Conversions,
    /// The grouping of each table.
    pub plans: &'a [Plan],
}

/// Eligible touches of one conversion under one window, oldest first.
pub struct Eligible<'a> {
    /// The conversion.
    pub conversion: usize,
    /// The window.
    pub window: usize,
    /// Places among the customer's touches.
    pub chosen: &'a [u32],
    /// The customer's touches: times.
    pub times: &'a [i64],
    /// Profiles.
    pub profiles: &'a [u32],
    /// Ids (see `Cells::raw`) by place among the customer's touches.
    pub id: &'a dyn Fn(u32) -> &'a [u8],
}

/// One thread's accumulators.
pub struct Crediting<'a> {
    context: Context<'a>,
    /// Per table.
    pub grouped: Vec<Grouped>,
    /// The models' side of the ledger.
    credited: Credited,
    credits: Option<CreditBuffer>,
    left: Block,
    left_spool: Spool,
    deferred: Vec<Deferred>,
    split: Split,
    rows: Vec<Vec<u32>>,
    chosen_rows: Vec<Vec<u32>>,
    /// The conversion whose rows were sought last, its touches, and per table their rows.
    found: (usize, Vec<u32>),
    found_rows: Vec<Vec<u32>>,
    stamp: u64,
    subset: Vec<usize>,
}

/// Room for the parts of one conversion.
#[derive(Default)]
struct Split {
    apportion: Apportion,
    weights: Vec<f64>,
    shares: Vec<i64>,
    values: Vec<Vec<i64>>,
    given: Vec<i64>,
}

/// Journeys that wait for a model's expression.
#[derive(Default)]
struct Deferred {
    /// Conversion, window, and where its touches end.
    journeys: Vec<(usize, usize, usize)>,
    times: Vec<i64>,
    profiles: Vec<u32>,
    ids: Cells,
    /// Per table, each touch's row.
    rows: Vec<Vec<u32>>,
}

impl<'a> Crediting<'a> {
    /// Accumulators for thread number `thread`.
    #[must_use]
    pub fn new(context: Context<'a>, thread: usize) -> Self {
        let setup = context.setup;
        let spool = |name: &str| Spool::new(setup.temp.join(format!("{name}-{thread}")));
        let tables = setup.tables.len();
        Self {
            context,
            grouped: context.plans.iter().map(Grouped::new).collect(),
            credited: Credited::new(setup),
            credits: setup.credits.then(|| CreditBuffer::new(spool("credits"))),
            left: Block::default(),
            left_spool: spool("unattributed"),
            deferred: std::iter::repeat_with(Deferred::default).take(setup.models.len()).collect(),
            split: Split { values: vec![Vec::new(); setup.values.len()], ..Split::default() },
            rows: vec![Vec::new(); tables],
            chosen_rows: vec![Vec::new(); tables],
            found: (usize::MAX, Vec::new()),
            found_rows: vec![Vec::new(); tables],
            stamp: 0,
            subset: Vec::new(),
        }
    }

    /// Divides a conversion under all models.
    ///
    /// # Errors
    /// Where a model's expression gives no usable weight.
    pub fn credit(&mut self, eligible: &Eligible<'_>) -> Result<(), EngineError> {
        let Context { setup, profiles, conversions, plans } = self.context;
        self.find_rows(eligible);
        for ((grouped, plan), rows) in self.grouped.iter().zip(plans).zip(&self.rows) {
            grouped.warm_up(plan, rows, eligible.window);
        }
        let mut subset = std::mem::take(&mut self.subset);
        for (number, model) in setup.models.iter().enumerate() {
            // The touches of this model and their rows: all of them, unless `only` leaves fewer.
            let flags = |place: usize| profiles.facts[eligible.profiles[eligible.chosen[place] as usize] as usize].flags;
            let narrowed = match model.narrow(eligible.chosen.len(), flags, &mut subset) {
                Narrowed::All => false,
                Narrowed::Some => true,
                Narrowed::Nothing => {
                    self.leave(eligible.conversion, number, eligible.window, Unattributed::Ignored);
                    continue;
                }
            };
            let chosen: Vec<u32>;
            let touches = if narrowed {
                chosen = subset.iter().map(|place| eligible.chosen[*place]).collect();
                for ((all, rows), plan) in self.rows.iter().zip(&mut self.chosen_rows).zip(plans) {
                    rows.clear();
                    if !plan.counts(number) {
                        continue;
                    }
                    rows.extend(subset.iter().map(|place| all[*place]));
                }
                &chosen[..]
            } else {
                eligible.chosen
            };
            match &model.weighing {
                Weighing::Journey(weigher) => {
                    let time = conversions.times[eligible.conversion];
                    let journey = Journey::new(time, touches, eligible.times, eligible.profiles, &profiles.facts);
                    self.split.weights.clear();
                    let credit = weigher.weigh(&journey, &mut self.split.weights);
                    let mut ids = touches.iter().map(|touch| {
                        (eligible.times[*touch as usize], eligible.profiles[*touch as usize], (eligible.id)(*touch))
                    });
                    let rows = std::mem::take(if narrowed { &mut self.chosen_rows } else { &mut self.rows });
                    self.distribute((eligible.conversion, number, eligible.window), credit, touches.len(), &rows, &mut ids);
                    *(if narrowed { &mut self.chosen_rows } else { &mut self.rows }) = rows;
                }
                Weighing::Expression(expression) => {
                    let rows = if narrowed { &self.chosen_rows } else { &self.rows };
                    self.deferred[number].push(eligible, touches, rows, &|table| plans[table].counts(number));
                    if self.deferred[number].times.len() >= EXPRESSION_TOUCHES {
                        self.evaluate(number, &**expression)?;
                    }
                }
            }
        }
        self.subset = subset;
        Ok(())
    }

    /// Finds the row of each eligible touch in each table.
    fn find_rows(&mut self, eligible: &Eligible<'_>) {
        let Context { setup, conversions, plans, .. } = self.context;
        // Wider windows come first, and mostly a narrower one has the last touches of them.
        let same_end = self.found.0 == eligible.conversion && self.found.1.ends_with(eligible.chosen);
        let first = if same_end { self.found.1.len() - eligible.chosen.len() } else { 0 };
        if !same_end {
            self.found.0 = eligible.conversion;
            self.found.1.clear();
            self.found.1.extend_from_slice(eligible.chosen);
        }
        let of_conversion = (conversions.days[eligible.conversion], conversions.kinds[eligible.conversion]);
        let tables = self.grouped.iter_mut().zip(plans).zip(&mut self.found_rows).zip(&mut self.rows);
        for (((grouped, plan), found), rows) in tables.filter(|(((_, plan), _), _)| plan.counts_any()) {
            if !same_end {
                let touches = eligible.chosen.iter().map(|touch| {
                    let touch = *touch as usize;
                    (eligible.profiles[touch], eligible.times[touch])
                });
                grouped.find_rows(plan, of_conversion, touches, |time| setup.rules.zone.day(time), found);
            }
            rows.clear();
            rows.extend_from_slice(&found[first..]);
        }
    }

    /// Leaves a conversion unattributed under one model.
    pub fn leave(&mut self, conversion: usize, model: usize, window: usize, reason: Unattributed) {
        let Context { conversions, plans, .. } = self.context;
        let (day, values) = (conversions.days[conversion], conversions.values(conversion));
        for (grouped, plan) in self.grouped.iter_mut().zip(plans).filter(|(_, plan)| plan.counts(model)) {
            grouped.add_unattributed(plan, (model, window), (day, conversions.kinds[conversion]), values);
        }
        self.credited.count(day, (model, window), Outcome::Unattributed, values);
        self.left.push(&unattributed::row(conversion, model, window, reason));
    }

    /// Ends a bucket (or, where `all` is false, a conversion): what waits is evaluated and written if it is much, or all of it.
    ///
    /// # Errors
    /// As [`Crediting::credit`], and where temporary space cannot be written.
    pub fn flush(&mut self, bucket: u32, all: bool) -> Result<(), EngineError> {
        const LEFT_ROWS: usize = 1 << 18;
        let Context { setup, conversions, .. } = self.context;
        let full = self.left.len() >= LEFT_ROWS || self.credits.as_ref().is_some_and(CreditBuffer::is_full);
        if !all && !full {
            return Ok(());
        }
        // What waits for an expression goes before: pieces are in the order of the conversions, wherever they are cut.
        for (number, model) in setup.models.iter().enumerate() {
            if let Weighing::Expression(expression) = &model.weighing {
                self.evaluate(number, &**expression)?;
            }
        }
        if let Some(credits) = &mut self.credits {
            credits.flush(bucket, &conversions.days)?;
        }
        let left = &self.left;
        let day = |row| conversions.days[unattributed::conversion(left, row)];
        self.left_spool.write(bucket, left, day, |row| unattributed::key(left, row))?;
        self.left.clear();
        Ok(())
    }

    /// The spools of unattributed conversions and of credits.
    #[must_use]
    pub fn finish(self) -> (Vec<Grouped>, Ledger, Spool, Option<Spool>) {
        (self.grouped, self.credited.finish(), self.left_spool, self.credits.map(CreditBuffer::finish))
    }

    fn evaluate(&mut self, model: usize, expression: &dyn WeightExpression) -> Result<(), EngineError> {
        let Context { setup, conversions, .. } = self.context;
        let deferred = std::mem::take(&mut self.deferred[model]);
        if deferred.journeys.is_empty() {
            return Ok(());
        }
        let name = || setup.models[model].name.clone();
        let weights = expression
            .evaluate(&deferred.columns(&self.context))
            .map_err(|problem| EngineError::Expression { model: name(), problem })?;
        if weights.len() != deferred.times.len() {
            return Err(EngineError::Bug(format!("{} weights for {} touches", weights.len(), deferred.times.len())));
        }
        let mut start = 0;
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); deferred.rows.len()];
        for &(conversion, window, end) in &deferred.journeys {
            self.split.weights.clear();
            for (touch, weight) in weights[start..end].iter().enumerate() {
                match weight {
                    Some(weight) if weight.is_finite() && *weight >= 0.0 => self.split.weights.push(*weight),
                    _ => {
                        return Err(EngineError::Weight {
                            model: name(),
                            found: weight.map_or_else(|| "null".to_owned(), |weight| weight.to_string()),
                            sequence: touch + 1,
                            length: end - start,
                            conversion: conversions
                                .ids
                                .value(conversion, &setup.conversion_id_type)
                                .display(&setup.conversion_id_type),
                        });
                    }
                }
            }
            for (all, rows) in deferred.rows.iter().zip(&mut rows) {
                rows.clear();
                // A table that does not count this model has no rows.
                rows.extend_from_slice(all.get(start..end).unwrap_or_default());
            }
            let mut touches =
                (start..end).map(|touch| (deferred.times[touch], deferred.profiles[touch], deferred.ids.raw(touch)));
            self.distribute((conversion, model, window), Credit::Weights, end - start, &rows, &mut touches);
            start = end;
        }
        Ok(())
    }

    /// Gives a conversion to `length` touches, whose rows in each table are `rows`.
    fn distribute(
        &mut self,
        place: (usize, usize, usize),
        credit: Credit,
        length: usize,
        rows: &[Vec<u32>],
        touches: &mut dyn Iterator<Item = CreditedTouch<'_>>,
    ) {
        let Context { conversions, plans, .. } = self.context;
        let (conversion, model, window) = place;
        let values = conversions.values(conversion);
        let day = conversions.days[conversion];
        let split = &mut self.split;
        let tables = self.grouped.iter_mut().zip(plans).zip(rows).filter(|((_, plan), _)| plan.counts(model));
        match credit {
            Credit::Nothing => return self.leave(conversion, model, window, Unattributed::Ignored),
            Credit::Weights if !split.apportion.set_weights(&split.weights) => {
                return self.leave(conversion, model, window, Unattributed::Ignored);
            }
            Credit::One(touch) => {
                for ((grouped, plan), rows) in tables {
                    grouped.add_whole(plan, (model, window), rows[touch], 1, values);
                }
                self.credited.count(day, (model, window), Outcome::Attributed, values);
            }
            Credit::Whole => {
                for ((grouped, plan), rows) in tables {
                    self.stamp += 1;
                    grouped.add_participation(plan, (model, window), rows, self.stamp, values);
                }
                self.credited.count(day, (model, window), Outcome::Attributed, values);
            }
            Credit::Equal | Credit::Weights => {
                if credit == Credit::Equal {
                    equal_parts(WHOLE_SHARE, length, &mut split.shares);
                    values.iter().zip(&mut split.values).for_each(|(amount, parts)| equal_parts(*amount, length, parts));
                } else {
                    split.apportion.split(WHOLE_SHARE, &mut split.shares);
                    values.iter().zip(&mut split.values).for_each(|(amount, parts)| split.apportion.split(*amount, parts));
                }
                let parts = Parts { shares: &split.shares, values: &split.values };
                for ((grouped, plan), rows) in tables {
                    grouped.add_parts(plan, (model, window), rows, &parts, values);
                }
                // The ledger adds up what was given, not what there was to give.
                split.given.clear();
                split.given.extend(split.values.iter().map(|parts| parts.iter().sum::<i64>()));
                self.credited.count(day, (model, window), Outcome::Attributed, &split.given);
            }
        }
        if let Some(credits) = &mut self.credits {
            let split = &self.split;

            let whole = |touch: usize| credit == Credit::Whole || credit == Credit::One(touch);
            let parted = matches!(credit, Credit::Equal | Credit::Weights);
            let share = |touch: usize| if parted { split.shares[touch] } else { i64::from(whole(touch)) * WHOLE_SHARE };
            let value =
                |of: usize, touch: usize| if parted { split.values[of][touch] } else { i64::from(whole(touch)) * values[of] };
            credits.add(place, length, touches, values.len(), share, value);
        }
    }
}

impl Deferred {
    fn push(&mut self, eligible: &Eligible<'_>, touches: &[u32], rows: &[Vec<u32>], counts: &dyn Fn(usize) -> bool) {
        for touch in touches {
            self.times.push(eligible.times[*touch as usize]);
            self.profiles.push(eligible.profiles[*touch as usize]);
            self.ids.push_raw((eligible.id)(*touch));
        }
        self.rows.resize_with(rows.len(), Vec::new);
        let counted = self.rows.iter_mut().zip(rows).enumerate().filter(|(table, _)| counts(*table));
        counted.for_each(|(_, (all, rows))| all.extend_from_slice(rows));
        self.journeys.push((eligible.conversion, eligible.window, self.times.len()));
    }

    fn columns(&self, context: &Context<'_>) -> TouchColumns {
        let journeys = self.journeys.iter().map(|(conversion, _, end)| (context.conversions.times[*conversion], *end));
        touch_columns(context.setup, context.profiles, journeys, &self.times, &self.profiles, &self.ids)
    }
}

/// Touches of many journeys as an expression sees them. A journey is the time of its conversion and where its touches end.
pub(crate) fn touch_columns(
    setup: &Setup,
    profiles: &Profiles,
    journeys: impl Iterator<Item = (i64, usize)>,
    times: &[i64],
    of_touches: &[u32],
    ids: &Cells,
) -> TouchColumns {
    let (mut positions, mut lengths, mut ages) = (Vec::new(), Vec::new(), Vec::new());
    let mut start = 0;
    for (conversion_time, end) in journeys {
        for (place, time) in times[start..end].iter().enumerate() {
            positions.push((place + 1) as i64);
            lengths.push((end - start) as i64);
            ages.push(Some((conversion_time - time) as f64 / DAY as f64));
        }
        start = end;
    }
    let mut columns = vec![
        ("position".to_owned(), Column::Ints(positions)),
        ("length".to_owned(), Column::Ints(lengths)),
        ("age_days".to_owned(), Column::Floats(ages)),
    ];
    for place in setup.weight_attributes() {
        let codes = of_touches.iter().map(|profile| profiles.codes[place][*profile as usize]).collect();
        columns.push((
            setup.attribute_field(place).name,
            Column::Codes { codes, dictionary: Arc::clone(&profiles.dictionaries[place]) },
        ));
    }
    if let Some(kind) = &setup.touch_id_type {
        columns.push(("id".to_owned(), Column::Values((0..ids.len()).map(|touch| ids.value(touch, kind)).collect())));
    }
    TouchColumns { columns }
}

fn equal_parts(amount: i64, count: usize, parts: &mut Vec<i64>) {
    let (larger, smaller) = (equal_part(amount, count, 0), equal_part(amount, count, count - 1));
    let more = amount.unsigned_abs() as usize % count;
    parts.clear();
    parts.resize(more, larger);
    parts.resize(count, smaller);
}
