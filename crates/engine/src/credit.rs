//! Dividing one conversion under all models: eligible touches in, exact parts out to tables, ledger and credits.

use attributary_core::WHOLE_SHARE;
use attributary_core::journey::{Journey, Unattributed};
use attributary_core::model::{Credit, Weighing, WeightExpression};
use attributary_journeys::Profiles;

use crate::acquired::Acquired;
use crate::budget::Budget;
use crate::deferred::Deferred;
use crate::error::EngineError;
use crate::kinds::ConversionKinds;
use crate::learn::Fits;
use crate::ledger::{Credited, Ledger, Outcome};
use crate::runs::Runs;
use crate::setup::{Narrowed, Setup};
use crate::sorted::{Conversions, Histories};
use crate::split::Split;
use crate::spool::{Block, Spool};
use crate::tables::credits::CreditBuffer;
use crate::tables::grouped::{self, Finish, Grouped, OfConversion, Parts, Plan};
use crate::tables::unattributed;

/// An expression is evaluated once this many touches wait for it.
const EXPRESSION_TOUCHES: usize = 1 << 16;

/// Of longer journeys the parts of one model are held at a time, not those of all.
const PARTS_TOUCHES: usize = 1 << 12;

/// What everyone who credits shares.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The run.
    pub setup: &'a Setup,
    /// The touches' profiles.
    pub profiles: &'a Profiles,
    /// The conversions' kinds.
    pub kinds: &'a ConversionKinds,
    /// The grouping of each table.
    pub plans: &'a [Plan],
    /// The memory.
    pub budget: &'a Budget,
    /// What is known of customers, if anyone asks what conversions are to them.
    pub histories: Option<Histories<'a>>,
    /// What the fitted models learnt.
    pub fits: &'a Fits,
}

impl<'a> Context<'a> {
    /// What the sums of a table are finished with.
    #[must_use]
    pub fn finish(&self, table: usize) -> Finish<'a> {
        let Self { setup, profiles, kinds, plans, budget, .. } = *self;
        Finish { setup, table: &setup.tables[table], plan: &plans[table], profiles, kinds, budget }
    }
}

/// Eligible touches of one conversion under one window, oldest first.
pub struct Eligible<'a> {
    /// The conversions of the bucket that is walked.
    pub conversions: &'a Conversions,
    /// The one among them.
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
    pub(crate) context: Context<'a>,
    /// Per table.
    pub(crate) grouped: Vec<Grouped>,
    /// Per table the sums that were too many for memory.
    grouped_runs: Vec<Runs>,
    /// The models' side of the ledger.
    pub(crate) credited: Credited,
    credits: Option<CreditBuffer>,
    left: Block,
    left_spool: Spool,
    deferred: Vec<Deferred>,
    pub(crate) split: Split,
    /// What the models gave of the conversion at hand.
    parts: Parts,
    rows: Vec<Vec<u32>>,
    /// The conversion whose rows were sought last, its touches, and per table their rows.
    found: (usize, Vec<u32>),
    found_rows: Vec<Vec<u32>>,
    stamp: u64,
    subset: Vec<usize>,
    /// Who acquired the customers of the bucket, if they are listed.
    pub(crate) acquired: Option<Acquired>,
}

/// What a thread brings home.
pub struct Brought {
    /// Per table its sums, in memory and on disk.
    pub sums: Vec<(Grouped, Runs)>,
    /// The models' side of the ledger.
    pub ledger: Ledger,
    /// Unattributed conversions.
    pub left: Spool,
    /// Credits, if they are wanted.
    pub credits: Option<Spool>,
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
            grouped_runs: (0..tables).map(|table| Runs::new(setup.temp.join(format!("sums-{table}-{thread}")))).collect(),
            credited: Credited::new(setup),
            credits: setup.credits.then(|| CreditBuffer::new(spool("credits"))),
            left: Block::default(),
            left_spool: spool("unattributed"),
            deferred: std::iter::repeat_with(Deferred::default).take(setup.models.len()).collect(),
            split: Split::new(setup.values.len()),
            parts: Parts::default(),
            rows: vec![Vec::new(); tables],
            found: (usize::MAX, Vec::new()),
            found_rows: vec![Vec::new(); tables],
            stamp: 0,
            subset: Vec::new(),
            acquired: setup.lists_customers().then(|| Acquired::new(setup.models.len(), setup.rules.windows.len())),
        }
    }

    /// Divides a conversion under all models.
    ///
    /// # Errors
    /// Where a model's expression gives no usable weight.
    pub fn credit(&mut self, eligible: &Eligible<'_>) -> Result<(), EngineError> {
        let Context { setup, profiles, plans, budget, fits, .. } = self.context;
        let &Eligible { conversions, conversion, window, chosen, .. } = eligible;
        self.find_rows(eligible);
        for ((grouped, plan), rows) in self.grouped.iter().zip(plans).zip(&self.rows) {
            // Mostly the models of the last conversion give again.
            grouped.warm_up(plan, rows, window, self.parts.lanes());
        }
        let (of, values) = (OfConversion::new(conversions, conversion), conversions.values(conversion));
        let counted = (of.day, of.share);
        let long = chosen.len() > PARTS_TOUCHES;
        self.parts.begin(if long { 0 } else { chosen.len() }, setup.models.len(), values.len());
        let mut any_parts = false;
        let mut subset = std::mem::take(&mut self.subset);
        let mut touches_of_model: Vec<u32>;
        for (number, model) in setup.models.iter().enumerate() {
            if long {
                budget.check()?;
            }
            // The touches of this model: all of them, unless `only` leaves fewer.
            let flags = |place: usize| profiles.facts[eligible.profiles[chosen[place] as usize] as usize].flags;
            let narrowed = match model.narrow(chosen.len(), flags, &mut subset) {
                Narrowed::All => false,
                Narrowed::Some => true,
                Narrowed::Nothing => {
                    self.leave(conversions, conversion, number, window, Unattributed::Ignored);
                    continue;
                }
            };
            let touches = if narrowed {
                touches_of_model = subset.iter().map(|place| chosen[*place]).collect();
                &touches_of_model[..]
            } else {
                chosen
            };
            let place_of = |touch: usize| if narrowed { subset[touch] } else { touch };
            let weigher = match &model.weighing {
                Weighing::Journey(weigher) => &**weigher,
                Weighing::Fitted(_) => fits.weigher(number, window)?,
                Weighing::Expression(expression) => {
                    let counted = |table: usize| plans[table].counts(number);
                    self.deferred[number].push(eligible, touches, &self.rows, &counted, &place_of);
                    self.evaluate_if_many(number, &**expression, conversions)?;
                    continue;
                }
            };
            let journey =
                Journey::new(conversions.times[conversion], touches, eligible.times, eligible.profiles, &profiles.facts);
            self.split.weights.clear();
            let credit = weigher.weigh(&journey, &mut self.split.weights);
            if !self.split.begin(credit, touches.len()) {
                self.leave(conversions, conversion, number, window, Unattributed::Ignored);
                continue;
            }
            if long || self.credits.is_some() {
                self.split.keep(credit, touches.len(), of.share, values);
            }
            let profile = |touch: usize| eligible.profiles[touches[touch] as usize];
            self.acquire((conversions, conversion), (number, window), (credit, touches.len()), &profile);
            if let Credit::One(touch) = credit {
                for ((grouped, plan), all) in self.grouped.iter_mut().zip(plans).zip(&self.rows) {
                    if plan.counts(number) {
                        grouped.add_whole(plan, (number, window), all[place_of(touch)], (of.share, 1), values);
                    }
                }
                self.credited.count(counted, (number, window), Outcome::Attributed, values);
            } else if credit == Credit::Whole {
                for ((grouped, plan), all) in self.grouped.iter_mut().zip(plans).zip(&self.rows) {
                    if plan.counts(number) {
                        self.stamp += 1;
                        let rows = (0..touches.len()).map(|touch| all[place_of(touch)]);
                        grouped.add_participation(plan, (number, window), rows, (self.stamp, of.share), values);
                    }
                }
                self.credited.count(counted, (number, window), Outcome::Attributed, values);
            } else if long {
                for ((grouped, plan), all) in self.grouped.iter_mut().zip(plans).zip(&self.rows) {
                    if plan.counts(number) {
                        let rows: Vec<u32> = (0..touches.len()).map(|touch| all[place_of(touch)]).collect();
                        let shares = (of.conversions(), &self.split.shares[..]);
                        grouped.add_model(plan, (number, window), &rows, shares, &self.split.values);
                    }
                }
                self.credited.count(counted, (number, window), Outcome::Attributed, values);
            } else {
                let parts = &mut self.parts;
                parts.open(number);
                for (part_of, amount) in std::iter::once(&of.share).chain(values).enumerate() {
                    self.split.each(credit, touches.len(), *amount, |some, part| {
                        if narrowed {
                            some.for_each(|touch| parts.give_one(place_of(touch), number, part_of, part));
                        } else {
                            parts.give(some, number, part_of, part);
                        }
                    });
                }
                any_parts = true;
            }
            if let Some(credits) = &mut self.credits {
                let touch =
                    |touch: &u32| (eligible.times[*touch as usize], eligible.profiles[*touch as usize], (eligible.id)(*touch));
                let split = &self.split;
                let (share, value) = (|touch: usize| split.shares[touch], |of: usize, touch: usize| split.values[of][touch]);
                let touches = &mut touches.iter().map(touch);
                credits.add((conversion, number, window), touches, values.len(), share, value);
            }
        }
        self.subset = subset;
        if any_parts {
            self.parts.end(of.conversions());
            for ((grouped, plan), rows) in self.grouped.iter_mut().zip(plans).zip(&self.rows) {
                if plan.counts_every() {
                    grouped.add_parts(plan, window, rows, &self.parts);
                }
            }
            // The ledger adds up what was given, not what there was to give.
            for (number, given) in self.parts.given() {
                self.credited.count(counted, (number, window), Outcome::Attributed, given);
            }
        }
        Ok(())
    }

    /// Notes who acquired a customer, if the conversion is a first order. What the model gave is in the split.
    #[inline]
    fn acquire(
        &mut self,
        (conversions, conversion): (&Conversions, usize),
        place: (usize, usize),
        (credit, length): (Credit, usize),
        profile: &dyn Fn(usize) -> u32,
    ) {
        if let Some(acquired) = self.acquired.as_mut().filter(|_| conversions.makes_customer(conversion)) {
            acquired.attribute(conversion, place, (&mut self.split, credit, length), (profile, self.context.profiles));
        }
    }

    /// Finds the row of each eligible touch in each table.
    fn find_rows(&mut self, eligible: &Eligible<'_>) {
        let Context { setup, plans, .. } = self.context;
        let conversions = eligible.conversions;
        // Wider windows come first, and mostly a narrower one has the last touches of them.
        let same_end = self.found.0 == eligible.conversion && self.found.1.ends_with(eligible.chosen);
        let first = if same_end { self.found.1.len() - eligible.chosen.len() } else { 0 };
        if !same_end {
            self.found.0 = eligible.conversion;
            self.found.1.clear();
            self.found.1.extend_from_slice(eligible.chosen);
        }
        let of_conversion = OfConversion::new(conversions, eligible.conversion);
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
    pub fn leave(&mut self, conversions: &Conversions, conversion: usize, model: usize, window: usize, reason: Unattributed) {
        let (of, values) = (OfConversion::new(conversions, conversion), conversions.values(conversion));
        for (grouped, plan) in self.grouped.iter_mut().zip(self.context.plans).filter(|(_, plan)| plan.counts(model)) {
            grouped.add_unattributed(plan, (model, window), of, values);
        }
        self.credited.count((of.day, of.share), (model, window), Outcome::Unattributed, values);
        let mark = match self.context.setup.counted {
            true => of.conversions(),
            false => conversions.is_refund(conversion).into(),
        };
        self.left.push(&unattributed::row(conversion, model, window, reason, mark));
        if let Some(acquired) = self.acquired.as_mut().filter(|_| conversions.makes_customer(conversion)) {
            acquired.leave(conversion, (model, window));
        }
    }

    /// Ends a bucket (or, where `all` is false, a conversion): what waits is evaluated and written if it is much, or all of it.
    ///
    /// # Errors
    /// As [`Crediting::credit`], and where temporary space cannot be written.
    pub fn flush(&mut self, bucket: u32, conversions: &Conversions, all: bool) -> Result<(), EngineError> {
        let Context { setup, budget, plans, .. } = self.context;
        let full = |credits: &CreditBuffer| credits.is_full(budget);
        let full = self.left.memory() >= budget.rows() || self.credits.as_ref().is_some_and(full);
        let limit = budget.sums(plans.len());
        let sums_full = self.grouped.iter().any(|grouped| grouped.memory() > limit);
        if !all && !full && !sums_full {
            return Ok(());
        }
        // What waits for an expression goes before: pieces are in the order of the conversions, wherever they are cut.
        for (number, model) in setup.models.iter().enumerate() {
            if let Weighing::Expression(expression) = &model.weighing {
                self.evaluate(number, &**expression, conversions)?;
            }
        }
        // Conversions are named by their place in the bucket.
        self.found.0 = usize::MAX;
        if all || full {
            if let Some(credits) = &mut self.credits {
                credits.flush(bucket, conversions, budget)?;
            }
            let left = &self.left;
            self.left_spool.write(bucket, left, conversions, |row| unattributed::key(left, row), budget)?;
            self.left.clear();
        }
        for (table, (grouped, runs)) in self.grouped.iter_mut().zip(&mut self.grouped_runs).enumerate() {
            if grouped.memory() > limit {
                grouped::spill(grouped, runs, &plans[table], &self.context.finish(table).order(), budget)?;
            }
        }
        Ok(())
    }

    /// What was gathered, once everything is flushed.
    #[must_use]
    pub fn finish(self) -> Brought {
        Brought {
            sums: self.grouped.into_iter().zip(self.grouped_runs).collect(),
            ledger: self.credited.finish(),
            left: self.left_spool,
            credits: self.credits.map(CreditBuffer::finish),
        }
    }

    /// Lets a journey wait for a model's expression. In `rows` its touches stand from `first` on.
    pub(crate) fn defer(
        &mut self,
        number: usize,
        eligible: &Eligible<'_>,
        rows: &[Vec<u32>],
        first: usize,
    ) -> Result<(), EngineError> {
        let Context { setup, plans, .. } = self.context;
        let counted = |table: usize| plans[table].counts(number);
        self.deferred[number].push(eligible, eligible.chosen, rows, &counted, &|touch| first + touch);
        match &setup.models[number].weighing {
            Weighing::Expression(expression) => self.evaluate_if_many(number, &**expression, eligible.conversions),
            Weighing::Journey(_) | Weighing::Fitted(_) => Ok(()),
        }
    }

    fn evaluate_if_many(
        &mut self,
        number: usize,
        expression: &dyn WeightExpression,
        conversions: &Conversions,
    ) -> Result<(), EngineError> {
        let many = self.deferred[number].times.len() >= EXPRESSION_TOUCHES;
        if many { self.evaluate(number, expression, conversions) } else { Ok(()) }
    }

    /// Weighs the journeys that wait for a model's expression, and divides their conversions.
    fn evaluate(
        &mut self,
        model: usize,
        expression: &dyn WeightExpression,
        conversions: &Conversions,
    ) -> Result<(), EngineError> {
        let Context { setup, plans, .. } = self.context;
        let deferred = std::mem::take(&mut self.deferred[model]);
        if deferred.journeys.is_empty() {
            return Ok(());
        }
        let name = || setup.models[model].name.clone();
        let weights = expression
            .evaluate(&deferred.columns(&self.context, conversions))
            .map_err(|problem| EngineError::Expression { model: name(), problem })?;
        if weights.len() != deferred.times.len() {
            return Err(EngineError::Bug(format!("{} weights for {} touches", weights.len(), deferred.times.len())));
        }
        let mut start = 0;
        for &(conversion, window, end) in &deferred.journeys {
            let (touches, length) = (start..end, end - start);
            start = end;
            self.split.weights.clear();
            for (touch, weight) in weights[touches.clone()].iter().enumerate() {
                match weight {
                    Some(weight) if weight.is_finite() && *weight >= 0.0 => self.split.weights.push(*weight),
                    _ => {
                        let id = conversions.ids.value(conversion, &setup.conversion_id_type);
                        return Err(EngineError::Weight {
                            model: name(),
                            found: weight.map_or_else(|| "null".to_owned(), |weight| weight.to_string()),
                            sequence: touch + 1,
                            length,
                            conversion: id.display(&setup.conversion_id_type),
                        });
                    }
                }
            }
            let values = conversions.values(conversion);
            if !self.split.begin(Credit::Weights, length) {
                self.leave(conversions, conversion, model, window, Unattributed::Ignored);
                continue;
            }
            let share = conversions.share(conversion);
            self.split.keep(Credit::Weights, length, share, values);
            let profile = |touch: usize| deferred.profiles[touches.start + touch];
            self.acquire((conversions, conversion), (model, window), (Credit::Weights, length), &profile);
            let split = &mut self.split;
            for ((grouped, plan), rows) in self.grouped.iter_mut().zip(plans).zip(&deferred.rows) {
                // A table that does not count this model has no rows.
                if let Some(rows) = rows.get(touches.clone()) {
                    let shares = (share / WHOLE_SHARE, &split.shares[..]);
                    grouped.add_model(plan, (model, window), rows, shares, &split.values);
                }
            }
            split.given.clear();
            split.given.extend(split.values.iter().map(|parts| parts.iter().sum::<i64>()));
            let counted = (conversions.days[conversion], share);
            self.credited.count(counted, (model, window), Outcome::Attributed, &split.given);
            if let Some(credits) = &mut self.credits {
                let touch = |touch: usize| (deferred.times[touch], deferred.profiles[touch], deferred.ids.raw(touch));
                let (share, value) = (|touch: usize| split.shares[touch], |of: usize, touch: usize| split.values[of][touch]);
                credits.add((conversion, model, window), &mut touches.map(touch), values.len(), share, value);
            }
        }
        Ok(())
    }
}
