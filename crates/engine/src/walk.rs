//! The walk: bucket by bucket, customer by customer, each touch sorted and walked once for all models, windows, values
//! and tables.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use attributary_core::batch::attribute::CHANNEL;
use attributary_core::journey::{Rejected, Unattributed};
use attributary_journeys::{Profiles, Selector, Touches};
use rustc_hash::FxHashMap;

use crate::bucket::Bucket;
use crate::budget::Budget;
use crate::conversions::{ConversionBucket, ConversionKinds, Conversions, Converted};
use crate::credit::{Brought, Context, Crediting, Eligible};
use crate::customers::{Customer, Customers};
use crate::error::EngineError;
use crate::extreme::Stretch;
use crate::ledger::Ledger;
use crate::partition::Partitioned;
use crate::records::TouchRecords;
use crate::rejects::{Rejects, Side};
use crate::runs::Runs;
use crate::setup::{Interrupt, Setup};
use crate::spool::Spooled;
use crate::tables::grouped::{Finish, Grounds, Plan, Sums};
use crate::tables::paths::Paths;

/// A bucket over its part of the memory is divided by this many further bits of the hash.
const DIVIDE_BITS: u32 = 4;

/// A bucket that kept nearly all of its records so many times is one customer's, who cannot be divided.
const STUBBORN: u32 = 2;

/// What the walk brings home.
pub struct Walked {
    /// Each table's grouping and sums.
    pub tables: Vec<(Plan, Sums)>,
    /// Unattributed conversions.
    pub unattributed: Spooled,
    /// Credits, if they are wanted.
    pub credits: Option<Spooled>,
    /// Paths, if they are wanted, of each thread.
    pub paths: Option<Vec<Paths>>,
    /// Touches that stand in some customer's order.
    pub touches_used: u64,
    /// Customers with more pairs of a touch and a conversion than [`EXTREME_PAIRS`], the most extreme first.
    pub extremes: Vec<Extreme>,
    /// The touches' profiles.
    pub profiles: Profiles,
    /// The conversions' kinds.
    pub kinds: ConversionKinds,
    /// The memory, and what went to disk.
    pub budget: Arc<Budget>,
}

impl Walked {
    /// What the sums of a table are finished with.
    #[must_use]
    pub fn finish<'a>(&'a self, setup: &'a Setup, table: usize) -> Finish<'a> {
        let Self { profiles, kinds, budget, .. } = self;
        Finish { setup, table: &setup.tables[table], plan: &self.tables[table].0, profiles, kinds, budget }
    }
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

/// From here on a customer's conversions are divided a day at a time, see `crate::extreme`.
pub const STRETCH_PAIRS: u64 = 100_000;

/// Walks the whole log on all threads of the current rayon pool. The models' side of the ledger is added to `ledger`, and checked.
///
/// # Errors
/// Where temporary space fails, an expression gives no usable weight, someone interrupts, or the ledger does not add up.
pub fn walk(
    setup: &Setup,
    converted: Converted,
    partitioned: Partitioned,
    rejects: &Rejects,
    ledger: &mut Ledger,
    interrupt: &Interrupt,
) -> Result<Walked, EngineError> {
    let Partitioned { buckets, profiles, .. } = partitioned;
    let Converted { buckets: of_conversions, kinds, days, budget, .. } = converted;
    let grounds = Grounds { profiles: &profiles, kinds: &kinds, days, memory: budget.sums(setup.tables.len()) };
    let plans = Plan::all(setup, grounds);
    let context = Context { setup, profiles: &profiles, kinds: &kinds, plans: &plans, budget: &budget };
    let mut touches: Vec<_> = buckets.into_iter().map(Some).collect();
    // Conversions without customer have buckets of their own, behind all others.
    touches.resize_with(of_conversions.len(), || None);
    let buckets: Vec<_> = touches.into_iter().zip(of_conversions).map(|bucket| Mutex::new(Some(bucket))).collect();
    let next = AtomicUsize::new(0);
    // Errors carry the place of their bucket: buckets are taken in order, so the first place is the same whoever came first.
    let work = |thread: usize| -> Result<Walker<'_>, (usize, EngineError)> {
        let mut walker = Walker::new(context, rejects, thread, interrupt);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(bucket) = buckets.get(number) else { break };
            let at_bucket = |error| (number, error);
            interrupt.check().map_err(at_bucket)?;
            let taken = bucket.lock().unwrap_or_else(PoisonError::into_inner).take();
            match taken {
                Some((Some(touches), conversions)) => {
                    let depth = Depth { used: budget.bucket_bits(), stubborn: 0 };
                    walker.walk_bucket(number as u32, (touches, conversions), depth).map_err(at_bucket)?;
                }
                Some((None, conversions)) => {
                    walker.leave_anonymous(number as u32, conversions, budget.bucket_bits()).map_err(at_bucket)?;
                }
                None => {}
            }
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

    let mut sums: Vec<Vec<_>> = setup.tables.iter().map(|_| Vec::new()).collect();
    let (mut left, mut credits) = (Vec::new(), Vec::new());
    let mut paths = Vec::new();
    let mut touches_used = 0;
    let mut extremes = Vec::new();
    for walker in walkers {
        touches_used += walker.touches_used;
        extremes.extend(walker.extremes);
        paths.push(walker.paths);
        let brought: Brought = walker.crediting.finish();
        ledger.absorb(brought.ledger);
        left.push(brought.left);
        credits.extend(brought.credits);
        sums.iter_mut().zip(brought.sums).for_each(|(of_table, of_thread)| of_table.push(of_thread));
    }
    let merged = |table: usize, name: &str| Runs::new(setup.temp.join(format!("sums-{table}-{name}")));
    let sums = sums.into_iter().enumerate().map(|(table, of_threads)| {
        Sums::of_threads(of_threads, &plans[table], &context.finish(table).order(), (merged(table, "all"), &budget))
    });
    let sums = sums.collect::<Result<Vec<_>, _>>()?;
    let (plans, sums) = complete(&context, sums)?;
    ledger.check(setup)?;
    check_tables(setup, &plans, &sums, ledger)?;
    extremes.sort_unstable_by(|one, other| other.cmp(one));
    Ok(Walked {
        extremes,
        tables: plans.into_iter().zip(sums).collect(),
        unattributed: Spooled::new(left)?,
        credits: if setup.credits { Some(Spooled::new(credits)?) } else { None },
        paths: (setup.paths > 0).then_some(paths),
        touches_used,
        profiles,
        kinds,
        budget,
    })
}

/// Adds up the tables that others contain.
fn complete(context: &Context<'_>, counted: Vec<Sums>) -> Result<(Vec<Plan>, Vec<Sums>), EngineError> {
    let Context { setup, plans, budget, .. } = *context;
    let mut done: Vec<Option<Sums>> = counted.into_iter().map(Some).collect();
    let mut all_plans = plans.to_vec();
    for (table, plan) in all_plans.iter_mut().enumerate() {
        let Some(base) = plan.base() else { continue };
        // Bases come whole out of the walk, and are no longer changed.
        let (Some(own), Some(base_sums)) = (done[table].take(), &done[base]) else { continue };
        let runs = Runs::new(setup.temp.join(format!("sums-{table}-completed")));
        let order = context.finish(table).order();
        let sums = own.complete(plan, (&plans[base], base_sums), &order, (budget.sums(plans.len()), runs, budget))?;
        done[table] = Some(sums);
    }
    Ok((all_plans, done.into_iter().flatten().collect()))
}

/// Every table of an additive model must add up to what the ledger says, value by value, and to whole conversions.
fn check_tables(setup: &Setup, plans: &[Plan], sums: &[Sums], ledger: &Ledger) -> Result<(), EngineError> {
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
    for ((table, plan), sums) in setup.tables.iter().zip(plans).zip(sums) {
        let totals = sums.totals(plan)?;
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

/// How far a bucket was divided: the bits of the hash that its customers share, and how often nearly all of it stayed together.
#[derive(Clone, Copy)]
struct Depth {
    used: u32,
    stubborn: u32,
}

/// One thread of the walk.
struct Walker<'a> {
    context: Context<'a>,
    crediting: Crediting<'a>,
    selector: Selector<'a>,
    rejects: &'a Rejects,
    interrupt: &'a Interrupt,
    paths: Paths,
    touches_used: u64,
    extremes: Vec<Extreme>,
    chosen: Vec<u32>,
    channels: Vec<u32>,
    /// Windows, the widest first: what was found for it serves the narrower ones.
    windows: Vec<usize>,
}

impl<'a> Walker<'a> {
    fn new(context: Context<'a>, rejects: &'a Rejects, thread: usize, interrupt: &'a Interrupt) -> Self {
        Self {
            context,
            crediting: Crediting::new(context, thread),
            selector: Selector::new(&context.setup.rules, &context.profiles.facts),
            rejects,
            interrupt,
            paths: Paths::new(context.setup.rules.windows.len(), Runs::new(context.setup.temp.join(format!("paths-{thread}")))),
            touches_used: 0,
            extremes: Vec::new(),
            chosen: Vec::new(),
            channels: Vec::new(),
            windows: context.setup.rules.by_width(),
        }
    }

    /// Walks a bucket; one that is over its part of the memory is divided and its parts walked one after another, which changes
    /// nothing in the order of anything.
    fn walk_bucket(
        &mut self,
        number: u32,
        (touches, conversions): (Bucket<TouchRecords>, ConversionBucket),
        depth: Depth,
    ) -> Result<(), EngineError> {
        let Context { setup, budget, profiles, .. } = self.context;
        let bytes = touches.bytes() + conversions.bytes();
        let Depth { used, stubborn } = depth;
        if bytes > budget.bucket() && stubborn < STUBBORN && used + DIVIDE_BITS <= u64::BITS {
            let touches = touches.divide(used, DIVIDE_BITS, budget)?;
            let conversions = conversions.divide(used, DIVIDE_BITS, budget)?;
            for part in touches.into_iter().zip(conversions) {
                self.interrupt.check()?;
                let most = part.0.bytes() + part.1.bytes() > bytes / 16 * 15;
                let depth = Depth { used: used + DIVIDE_BITS, stubborn: if most { stubborn + 1 } else { 0 } };
                self.walk_bucket(number, part, depth)?;
            }
            return Ok(());
        }
        if stubborn >= STUBBORN {
            budget.expect_customer(touches.records(), touches.bytes() + 2 * conversions.bytes(), setup.tables.len())?;
        }
        let conversions = conversions.load(setup, budget)?;
        let mut records = touches.load(budget)?;
        let mut customers = Customers::of(&records, &conversions, setup.follows_everyone());
        if !customers.ask_for_records() {
            records = TouchRecords::default();
        }
        let rejects = self.rejects;
        let duplicate = |record: u32| reject_duplicate(rejects, &records, &conversions, record as usize);
        customers.for_each(&records, profiles, duplicate, |customer, of_customer| {
            self.touches_used += customer.times.len() as u64;
            match of_customer {
                Some(of_customer) => self.walk_customer(number, customer, &records, &conversions, of_customer),
                None => {
                    self.walk_null_journey(customer);
                    Ok(())
                }
            }
        })?;
        self.paths.spill_if_full(budget)?;
        self.crediting.flush(number, &conversions, true)
    }

    fn walk_customer(
        &mut self,
        bucket: u32,
        customer: Customer<'_>,
        records: &TouchRecords,
        all: &Conversions,
        conversions: Range<usize>,
    ) -> Result<(), EngineError> {
        let Context { setup, profiles, .. } = self.context;
        let touches = Touches { times: customer.times, profiles: customer.profiles };
        let consumed_until = setup.rules.consumed_until(&all.times[conversions.clone()], &all.kinds[conversions.clone()]);
        let in_range = conversions.clone().filter(|conversion| all.in_range(*conversion)).count() as u64;
        let pairs = customer.times.len() as u64 * in_range;
        if pairs > EXTREME_PAIRS {
            self.extremes.push(Extreme { pairs, touches: customer.times.len() as u64, conversions: in_range });
        }
        if pairs > setup.stretch_pairs && setup.rules.are_plain() && !setup.credits && setup.paths == 0 {
            return self.walk_stretches(bucket, customer, records, all, conversions, &consumed_until);
        }
        let mut converted = 0;
        let mut chosen = std::mem::take(&mut self.chosen);
        for conversion in conversions.clone().filter(|conversion| all.in_range(*conversion)) {
            // Of some customers every conversion takes its time.
            self.interrupt.check()?;
            converted += 1;
            let time = all.times[conversion];
            for &window in &self.windows {
                let consumed_until = consumed_until.get(conversion - conversions.start).copied().flatten();
                match self.selector.select(touches, time, consumed_until, window, &mut chosen) {
                    Err(reason) => {
                        (0..setup.models.len()).for_each(|model| self.crediting.leave(all, conversion, model, window, reason));
                    }
                    Ok(()) => {
                        if setup.paths > 0 {
                            self.channels.clear();
                            self.channels.extend(chosen.iter().map(|touch| channel(profiles, customer, *touch)));
                            let first = customer.times[chosen[0] as usize];
                            self.paths.add(window, &self.channels, time - first, all.values(conversion));
                        }
                        let id = |touch: u32| id_of(customer, records, touch);
                        self.crediting.credit(&Eligible {
                            conversions: all,
                            conversion,
                            window,
                            chosen: &chosen,
                            times: customer.times,
                            profiles: customer.profiles,
                            id: &id,
                        })?;
                    }
                }
            }
            // Not only between customers: one of them may fill the memory. Within a conversion rows are not in their order yet.
            self.crediting.flush(bucket, all, false)?;
            self.paths.spill_if_full(self.context.budget)?;
        }
        self.chosen = chosen;
        if converted == 0 {
            self.walk_null_journey(customer);
        }
        Ok(())
    }

    /// As [`Walker::walk_customer`], for one of very many touches and conversions: day by day.
    fn walk_stretches(
        &mut self,
        bucket: u32,
        customer: Customer<'_>,
        records: &TouchRecords,
        all: &Conversions,
        conversions: Range<usize>,
        consumed_until: &[Option<i64>],
    ) -> Result<(), EngineError> {
        let setup = self.context.setup;
        let touches = Touches { times: customer.times, profiles: customer.profiles };
        let places: Vec<u32> = (0..customer.times.len() as u32).collect();
        let id = |touch: u32| id_of(customer, records, touch);
        let of_customer: Vec<usize> = conversions.clone().filter(|conversion| all.in_range(*conversion)).collect();
        for of_day in of_customer.chunk_by(|one, other| all.days[*one] == all.days[*other]) {
            self.interrupt.check()?;
            let mut by_kind = of_day.to_vec();
            by_kind.sort_by_key(|conversion| all.kinds[*conversion]);
            for of_kind in by_kind.chunk_by(|one, other| all.kinds[*one] == all.kinds[*other]) {
                for &window in &self.windows {
                    let mut eligible = Vec::new();
                    for &conversion in of_kind {
                        let consumed_until = consumed_until.get(conversion - conversions.start).copied().flatten();
                        match self.selector.range(touches, all.times[conversion], consumed_until, window) {
                            Ok(range) => eligible.push((conversion, range)),
                            Err(reason) => {
                                (0..setup.models.len())
                                    .for_each(|model| self.crediting.leave(all, conversion, model, window, reason));
                            }
                        }
                    }
                    let Touches { times, profiles } = touches;
                    let (places, id) = (&places, &id);
                    self.crediting.credit_stretch(&Stretch {
                        conversions: all,
                        eligible,
                        window,
                        times,
                        profiles,
                        places,
                        id,
                    })?;
                }
            }
            // Only now, so that what is left unattributed is written in the order of the conversions.
            self.crediting.flush(bucket, all, false)?;
        }
        Ok(())
    }

    fn walk_null_journey(&mut self, customer: Customer<'_>) {
        let Context { setup, profiles, .. } = self.context;
        if setup.paths == 0 {
            return;
        }
        let in_range = |time: &i64| setup.range.contains(setup.rules.zone.day(*time));
        let Some(last) = customer.times.iter().rposition(in_range) else { return };
        let touches = Touches { times: customer.times, profiles: customer.profiles };
        for window in 0..setup.rules.windows.len() {
            if self.selector.select_null_journey(touches, last, window, &mut self.chosen) {
                self.channels.clear();
                self.channels.extend(self.chosen.iter().map(|touch| channel(profiles, customer, *touch)));
                self.paths.add_null(window, &self.channels);
            }
        }
    }

    /// Conversions without customer.
    fn leave_anonymous(&mut self, number: u32, conversions: ConversionBucket, used: u32) -> Result<(), EngineError> {
        let Context { setup, budget, .. } = self.context;
        if conversions.bytes() > budget.bucket() && used + DIVIDE_BITS <= u64::BITS {
            let parts = conversions.divide(used, DIVIDE_BITS, budget)?;
            return parts.into_iter().try_for_each(|part| self.leave_anonymous(number, part, used + DIVIDE_BITS));
        }
        let conversions = conversions.load(setup, budget)?;
        for conversion in (0..conversions.len()).filter(|conversion| conversions.in_range(*conversion)) {
            for window in 0..setup.rules.windows.len() {
                for model in 0..setup.models.len() {
                    self.crediting.leave(&conversions, conversion, model, window, Unattributed::IdentityMissing);
                }
            }
            self.crediting.flush(number, &conversions, false)?;
        }
        self.crediting.flush(number, &conversions, true)
    }
}

/// Rejects a touch whose id occurs twice at one instant.
fn reject_duplicate(rejects: &Rejects, records: &TouchRecords, conversions: &Conversions, record: usize) {
    // Where there are ids there are origins.
    let (file, row) = records.origin(record).unwrap_or_default();
    let place = (Side::Touchpoints, file, row);
    let id = records.ids.raw(record);
    let customer = if records.customers.is_empty() {
        // Only converters are followed: the conversions know the customer's name.
        let key = (records.key(record).hash(), records.key(record));
        let conversion = conversions.keys.partition_point(|known| (known.hash(), *known) < key);
        conversions.customers.raw(conversion)
    } else {
        records.customers.raw(record)
    };
    rejects.add_raw(place, Rejected::DuplicateId, records.time(record), customer, id);
}

/// The id of a customer's touch, if ids are mapped.
fn id_of<'a>(customer: Customer<'_>, records: &'a TouchRecords, touch: u32) -> &'a [u8] {
    match customer.records.get(touch as usize) {
        Some(record) if !records.ids.is_empty() => records.ids.raw(*record as usize),
        _ => &[],
    }
}

fn channel(profiles: &Profiles, customer: Customer<'_>, touch: u32) -> u32 {
    profiles.codes[CHANNEL][customer.profiles[touch as usize] as usize]
}
