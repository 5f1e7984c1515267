//! The walk: bucket by bucket, customer by customer, each touch sorted and walked once for all models, windows, values
//! and tables.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use attributary_core::batch::attribute::CHANNEL;
use attributary_core::journey::{Rejected, Unattributed};
use attributary_journeys::{Profiles, Selector, Touches};
use rustc_hash::FxHashMap;

use crate::bucket::{Bucket, Chunk};
use crate::conversions::Conversions;
use crate::credit::{Context, Crediting, Eligible};
use crate::customers::{Customer, Touch, group};
use crate::error::EngineError;
use crate::ledger::Ledger;
use crate::partition::{BUCKET_BITS, Partitioned};
use crate::rejects::{Rejects, Side};
use crate::setup::{Interrupt, Setup};
use crate::spool::Spooled;
use crate::tables::grouped::{Grouped, Plan, totals};
use crate::tables::paths::Paths;

/// A bucket over its part of the budget is divided by this many further bits of the hash.
const DIVIDE_BITS: u32 = 4;

/// What the walk brings home.
pub struct Walked {
    /// Each table's grouping and sums.
    pub tables: Vec<(Plan, Grouped)>,
    /// Unattributed conversions.
    pub unattributed: Spooled,
    /// Credits, if they are wanted.
    pub credits: Option<Spooled>,
    /// Paths, if they are wanted.
    pub paths: Option<Paths>,
    /// Touches that stand in some customer's order.
    pub touches_used: u64,
    /// Customers with more pairs of a touch and a conversion than [`EXTREME_PAIRS`], the most extreme first.
    pub extremes: Vec<Extreme>,
}

/// A customer who costs as much as a hundred thousand others: a test account, a shared device, a bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extreme {
    /// Touches times conversions: what the walk may have to look at, for each model and window.
    pub pairs: u64,
    /// Touches.
    pub touches: u64,
    /// Conversions in the range.
    pub conversions: u64,
}

/// From here on a customer is [`Extreme`].
pub const EXTREME_PAIRS: u64 = 10_000_000;

/// Walks the whole log on all threads of the current rayon pool. The models' side of the ledger is added to `ledger`, and checked.
///
/// # Errors
/// Where temporary space fails, an expression gives no usable weight, someone interrupts, or the ledger does not add up.
pub fn walk(
    setup: &Setup,
    conversions: &Conversions,
    partitioned: Partitioned,
    rejects: &Rejects,
    ledger: &mut Ledger,
    interrupt: &Interrupt,
) -> Result<(Walked, Profiles), EngineError> {
    let Partitioned { buckets, profiles, .. } = partitioned;
    let mut plans = Plan::all(setup, &profiles, conversions);
    let context = Context { setup, profiles: &profiles, conversions, plans: &plans };
    let buckets: Vec<Mutex<Option<Bucket>>> = buckets.into_iter().map(|bucket| Mutex::new(Some(bucket))).collect();
    let next = AtomicUsize::new(0);
    // Errors carry the place of their bucket: buckets are taken in order, so the first place is the same whoever came first.
    let work = |thread: usize| -> Result<Walker<'_>, (usize, EngineError)> {
        let mut walker = Walker::new(context, rejects, thread);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(bucket) = buckets.get(number) else { break };
            let at_bucket = |error| (number, error);
            interrupt.check().map_err(at_bucket)?;
            let taken = bucket.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(bucket) = taken {
                walker.walk_bucket(number as u32, bucket, number as u64, BUCKET_BITS, interrupt).map_err(at_bucket)?;
            }
        }
        if thread == 0 {
            walker.leave_anonymous().map_err(|error| (usize::MAX, error))?;
        }
        Ok(walker)
    };
    let mut walkers = Vec::new();
    let mut errors = Vec::new();
    for result in rayon::broadcast(|context| work(context.index())) {
        match result {
            Ok(walker) => walkers.push(walker),
            Err(error) => errors.push(error),
        }
    }
    if let Some((_, error)) = errors.into_iter().min_by_key(|(place, _)| *place) {
        return Err(error);
    }

    let mut grouped: Vec<Grouped> = Vec::new();
    let (mut left, mut credits) = (Vec::new(), Vec::new());
    let mut paths = Paths::new(setup.rules.windows.len());
    let mut touches_used = 0;
    let mut extremes = Vec::new();
    for walker in walkers {
        touches_used += walker.touches_used;
        extremes.extend(walker.extremes);
        paths.absorb(walker.paths);
        let (of_thread, of_ledger, of_left, of_credits) = walker.crediting.finish();
        ledger.absorb(of_ledger);
        left.push(of_left);
        credits.extend(of_credits);
        if grouped.is_empty() {
            grouped = of_thread;
        } else {
            for ((all, plan), of_thread) in grouped.iter_mut().zip(&plans).zip(&of_thread) {
                all.absorb(plan, of_thread);
            }
        }
    }
    let grouped = complete(&mut plans, grouped);
    ledger.check(setup)?;
    check_tables(setup, &plans, &grouped, ledger)?;
    extremes.sort_unstable_by(|one, other| other.cmp(one));
    let walked = Walked {
        extremes,
        tables: plans.into_iter().zip(grouped).collect(),
        unattributed: Spooled::new(left),
        credits: setup.credits.then(|| Spooled::new(credits)),
        paths: (setup.paths > 0).then_some(paths),
        touches_used,
    };
    Ok((walked, profiles))
}

/// Adds up the tables that others contain.
fn complete(plans: &mut [Plan], counted: Vec<Grouped>) -> Vec<Grouped> {
    let mut done: Vec<Option<Grouped>> = counted.into_iter().map(Some).collect();
    for table in 0..plans.len() {
        let Some(base) = plans[table].base() else { continue };
        // Bases come whole out of the walk, and are no longer changed.
        let Some(own) = done[table].take() else { continue };
        let (one, other) = plans.split_at_mut(table.max(base));
        let (plan, base_plan) = if base < table { (&mut other[0], &one[base]) } else { (&mut one[table], &other[0]) };
        done[table] = done[base].as_ref().map(|sums| own.complete(plan, base_plan, sums));
    }
    done.into_iter().flatten().collect()
}

/// Every table of an additive model must add up to what the ledger says, value by value, and to whole conversions.
fn check_tables(setup: &Setup, plans: &[Plan], grouped: &[Grouped], ledger: &Ledger) -> Result<(), EngineError> {
    let mut expected: FxHashMap<(usize, usize), Vec<i128>> = FxHashMap::default();
    for (place, day) in &ledger.credited {
        let sums = expected.entry((place.1.into(), place.2.into())).or_insert_with(|| vec![0; 1 + setup.values.len()]);
        let conversions = day.attributed_conversions + day.unattributed_conversions;
        sums[0] += i128::from(conversions) * i128::from(attributary_core::WHOLE_SHARE);
        for of_values in [&day.attributed, &day.unattributed] {
            sums[1..].iter_mut().zip(of_values).for_each(|(sum, value)| *sum += value);
        }
    }
    let nothing = vec![0; 1 + setup.values.len()];
    for ((table, plan), grouped) in setup.tables.iter().zip(plans).zip(grouped) {
        let totals = totals(grouped, plan);
        for (number, model) in setup.models.iter().enumerate().filter(|(_, model)| model.additive) {
            for window in 0..setup.rules.windows.len() {
                let of = |sums: &FxHashMap<_, Vec<i128>>| sums.get(&(number, window)).unwrap_or(&nothing).clone();
                let (found, expected) = (of(&totals), of(&expected));
                if found != expected {
                    return Err(EngineError::Bug(format!(
                        "table {:?}, model {:?}, window {}: expected sums {expected:?}, found {found:?}",
                        table.name, model.name, setup.rules.windows[window],
                    )));
                }
            }
        }
    }
    Ok(())
}

/// One thread of the walk.
struct Walker<'a> {
    context: Context<'a>,
    crediting: Crediting<'a>,
    selector: Selector<'a>,
    rejects: &'a Rejects,
    paths: Paths,
    touches_used: u64,
    extremes: Vec<Extreme>,
    customer: Customer,
    chosen: Vec<u32>,
    channels: Vec<u32>,
    /// Windows, the widest first: what was found for it serves the narrower ones.
    windows: Vec<usize>,
}

impl<'a> Walker<'a> {
    fn new(context: Context<'a>, rejects: &'a Rejects, thread: usize) -> Self {
        Self {
            context,
            crediting: Crediting::new(context, thread),
            selector: Selector::new(&context.setup.rules, &context.profiles.facts),
            rejects,
            paths: Paths::new(context.setup.rules.windows.len()),
            touches_used: 0,
            extremes: Vec::new(),
            customer: Customer::default(),
            chosen: Vec::new(),
            channels: Vec::new(),
            windows: context.setup.rules.by_width(),
        }
    }

    /// Walks a bucket, whose customers' hashes begin with the `bits` bits of `prefix`; one that is over the budget is
    /// divided and its parts walked one after another, which changes nothing in the order of anything.
    fn walk_bucket(
        &mut self,
        number: u32,
        bucket: Bucket,
        prefix: u64,
        bits: u32,
        interrupt: &Interrupt,
    ) -> Result<(), EngineError> {
        let setup = self.context.setup;
        if bucket.bytes() > setup.memory / 4 / setup.threads.max(1) as u64 && bits + DIVIDE_BITS <= 48 {
            for (part, bucket) in bucket.divide(bits, DIVIDE_BITS)?.into_iter().enumerate() {
                interrupt.check()?;
                self.walk_bucket(number, bucket, prefix << DIVIDE_BITS | part as u64, bits + DIVIDE_BITS, interrupt)?;
            }
            return Ok(());
        }
        let chunk = bucket.load()?;
        let conversions = self.context.conversions.of_bucket(prefix, bits);
        let (groups, touches, ends) = group(&chunk, self.context.conversions, conversions.clone(), setup.follows_everyone());
        let mut touches = touches;
        let mut start = 0;
        for (place, end) in ends.into_iter().enumerate() {
            self.take_customer(&chunk, &mut touches[start as usize..end as usize]);
            start = end;
            match groups.get(place) {
                Some(conversions) => self.walk_customer(number, &chunk, conversions.clone())?,
                None => self.walk_null_journey(),
            }
        }
        self.crediting.flush(number, true)
    }

    /// Puts a customer's touches in order and rejects those whose id occurs twice at one instant.
    fn take_customer(&mut self, chunk: &Chunk, touches: &mut [Touch]) {
        let mut customer = std::mem::take(&mut self.customer);
        customer.take(chunk, self.context.profiles, touches, &mut |touch| self.reject_duplicate(chunk, touch));
        self.touches_used += customer.times.len() as u64;
        self.customer = customer;
    }

    fn reject_duplicate(&self, chunk: &Chunk, touch: &Touch) {
        let record = touch.record as usize;
        let (file, row) = chunk.origin(record);
        let place = (Side::Touchpoints, file, row);
        let id = chunk.ids.raw(record);
        if chunk.customers.is_empty() {
            // Only converters are followed: the conversions know the customer's name.
            let conversions = self.context.conversions;
            let key = (chunk.key(record).hash(), chunk.key(record));
            let known = &conversions.keys[..conversions.anonymous_from];
            let conversion = known.partition_point(|known| (known.hash(), *known) < key);
            self.rejects.add_raw(place, Rejected::DuplicateId, touch.time, conversions.customers.raw(conversion), id);
        } else {
            self.rejects.add_raw(place, Rejected::DuplicateId, touch.time, chunk.customers.raw(record), id);
        }
    }

    fn walk_customer(&mut self, bucket: u32, chunk: &Chunk, conversions: std::ops::Range<usize>) -> Result<(), EngineError> {
        let Context { conversions: all, setup, profiles, .. } = self.context;
        let customer = std::mem::take(&mut self.customer);
        let touches = Touches { times: &customer.times, profiles: &customer.profiles };
        let consumed_until = setup.rules.consumed_until(&all.times[conversions.clone()], &all.kinds[conversions.clone()]);
        let mut converted = 0;
        let mut chosen = std::mem::take(&mut self.chosen);
        for conversion in conversions.clone().filter(|conversion| all.in_range(*conversion)) {
            converted += 1;
            let time = all.times[conversion];
            for &window in &self.windows {
                let consumed_until = consumed_until.get(conversion - conversions.start).copied().flatten();
                match self.selector.select(touches, time, consumed_until, window, &mut chosen) {
                    Err(reason) => {
                        (0..setup.models.len()).for_each(|model| self.crediting.leave(conversion, model, window, reason));
                    }
                    Ok(()) => {
                        if setup.paths > 0 {
                            self.channels.clear();
                            self.channels.extend(chosen.iter().map(|touch| channel(profiles, &customer, *touch)));
                            let first = customer.times[chosen[0] as usize];
                            self.paths.add(window, &self.channels, time - first, all.values(conversion));
                        }
                        let id = |touch: u32| match customer.records.get(touch as usize) {
                            Some(record) if !chunk.ids.is_empty() => chunk.ids.raw(*record as usize),
                            _ => &[],
                        };
                        self.crediting.credit(&Eligible {
                            conversion,
                            window,
                            chosen: &chosen,
                            times: &customer.times,
                            profiles: &customer.profiles,
                            id: &id,
                        })?;
                    }
                }
            }
            // Not only between customers: one of them may fill the memory. Within a conversion rows are not in their order yet.
            self.crediting.flush(bucket, false)?;
        }
        self.chosen = chosen;
        self.customer = customer;
        let touches = self.customer.times.len() as u64;
        if touches * converted > EXTREME_PAIRS {
            self.extremes.push(Extreme { pairs: touches * converted, touches, conversions: converted });
        }
        if converted == 0 {
            self.walk_null_journey();
        }
        Ok(())
    }

    fn walk_null_journey(&mut self) {
        let Context { setup, profiles, .. } = self.context;
        if setup.paths == 0 {
            return;
        }
        let customer = &self.customer;
        let in_range = |time: &i64| setup.range.contains(setup.rules.zone.day(*time));
        let Some(last) = customer.times.iter().rposition(in_range) else { return };
        let touches = Touches { times: &customer.times, profiles: &customer.profiles };
        for window in 0..setup.rules.windows.len() {
            if self.selector.select_null_journey(touches, last, window, &mut self.chosen) {
                self.channels.clear();
                self.channels.extend(self.chosen.iter().map(|touch| channel(profiles, customer, *touch)));
                self.paths.add_null(window, &self.channels);
            }
        }
    }

    /// Conversions without customer: a bucket of their own, behind all others.
    fn leave_anonymous(&mut self) -> Result<(), EngineError> {
        let Context { conversions, setup, .. } = self.context;
        for conversion in (conversions.anonymous_from..conversions.len()).filter(|conversion| conversions.in_range(*conversion)) {
            for window in 0..setup.rules.windows.len() {
                for model in 0..setup.models.len() {
                    self.crediting.leave(conversion, model, window, Unattributed::IdentityMissing);
                }
            }
            self.crediting.flush(u32::MAX, false)?;
        }
        self.crediting.flush(u32::MAX, true)
    }
}

fn channel(profiles: &Profiles, customer: &Customer, touch: u32) -> u32 {
    profiles.codes[CHANNEL][customer.profiles[touch as usize] as usize]
}
