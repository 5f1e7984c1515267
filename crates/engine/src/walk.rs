//! The walk: bucket by bucket, customer by customer, each touch sorted and walked once for all models, windows, values
//! and tables.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use attributary_journeys::Profiles;
use rustc_hash::FxHashMap;

use crate::budget::Budget;
use crate::conversions::Converted;
use crate::credit::{Brought, Context};
use crate::error::EngineError;
use crate::histories::{Observation, OrderKinds};
use crate::kinds::ConversionKinds;
use crate::learn::{Fits, learn};
use crate::ledger::Ledger;
use crate::partition::Partitioned;
use crate::prints::{Printer, Prints};
use crate::rejects::Rejects;
use crate::runs::Runs;
use crate::setup::Setup;
use crate::sorted::Histories;
use crate::source::{CurrencySums, SourceSums};
use crate::spool::Spooled;
use crate::tables::customers::Book;
use crate::tables::grouped::{Finish, Grounds, Plan, Sums};
use crate::tables::paths::Paths;
use crate::walker::Walker;

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
    /// Each thread's customers, if they are listed.
    pub books: Vec<Book>,
    /// How many conversions of the computed days are refunds.
    pub refunds: u64,
    /// What the conversions of each day are, where all days were computed.
    pub prints: Prints,
    /// What the codes of currencies stand for, and what there is of each.
    pub currencies: (ConversionKinds, FxHashMap<u32, CurrencySums>),
    /// What the fitted models learnt.
    pub fits: Fits,
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
    observation: Option<&Observation>,
) -> Result<Walked, EngineError> {
    let Partitioned { mut buckets, profiles, .. } = partitioned;
    let mut converted = converted;
    let fits = learn(setup, &mut converted, &mut buckets, &profiles)?;
    let Converted { buckets: of_conversions, kinds, currencies, days, budget, .. } = converted;
    let orders = OrderKinds::of(setup, &kinds);
    let histories = setup.follows_histories().then_some(Histories { orders: &orders, observation });
    let grounds = Grounds { profiles: &profiles, kinds: &kinds, days, memory: budget.sums(setup.tables.len()) };
    let plans = Plan::all(setup, grounds);
    let context = Context { setup, profiles: &profiles, kinds: &kinds, plans: &plans, budget: &budget, histories, fits: &fits };
    // Who computes only some days has looked before.
    // Where a path stands is no matter, and it is of no day.
    let printer = (setup.only.is_none() && !setup.counted).then(|| Printer::new(setup, &kinds, &currencies));
    let mut touches: Vec<_> = buckets.into_iter().map(Some).collect();
    // Conversions without customer have buckets of their own, behind all others.
    touches.resize_with(of_conversions.len(), || None);
    let buckets: Vec<_> = touches.into_iter().zip(of_conversions).map(|bucket| Mutex::new(Some(bucket))).collect();
    let next = AtomicUsize::new(0);
    // Errors carry the place of their bucket: buckets are taken in order, so the first place is the same whoever came first.
    let work = |thread: usize| -> Result<Walker<'_>, (usize, EngineError)> {
        let mut walker = Walker::new(context, rejects, printer.as_ref(), thread);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(bucket) = buckets.get(number) else { break };
            let at_bucket = |error| (number, error);
            budget.check().map_err(at_bucket)?;
            let taken = bucket.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some((touches, conversions)) = taken {
                walker.walk(number as u32, touches, conversions).map_err(at_bucket)?;
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
    let (mut paths, mut extremes, mut touches_used) = (Vec::new(), Vec::new(), 0);
    let (mut books, mut source) = (Vec::new(), SourceSums::default());
    let mut prints = Prints::default();
    for walker in walkers {
        books.extend(walker.book);
        source.absorb_currencies(&walker.source.currencies);
        source.refunds += walker.source.refunds;
        prints = prints.merge(walker.prints.finish());
        ledger.absorb(walker.source.carried);
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
    check_tables(&context, &plans, &sums, ledger)?;
    extremes.sort_unstable_by(|one, other| other.cmp(one));
    books.iter_mut().try_for_each(|book| book.close(&budget))?;
    Ok(Walked {
        extremes,
        tables: plans.into_iter().zip(sums).collect(),
        unattributed: Spooled::new(left)?,
        credits: if setup.credits { Some(Spooled::new(credits)?) } else { None },
        paths: (setup.paths > 0).then_some(paths),
        touches_used,
        profiles,
        kinds,
        books,
        refunds: source.refunds,
        prints,
        currencies: (currencies, source.currencies),
        fits,
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
fn check_tables(context: &Context<'_>, plans: &[Plan], sums: &[Sums], ledger: &Ledger) -> Result<(), EngineError> {
    let Context { setup, budget, .. } = *context;
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
        let totals = sums.totals(plan, budget)?;
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
