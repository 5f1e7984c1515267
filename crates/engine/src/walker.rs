//! One thread of the walk: bucket by bucket, customer by customer, conversion by conversion.

use std::ops::Range;

use attributary_core::batch::attribute::CHANNEL;
use attributary_core::journey::Unattributed;
use attributary_core::time::Day;
use attributary_journeys::{Profiles, Selector, Touches};

use crate::bucket::Bucket;
use crate::conversions::ConversionBucket;
use crate::credit::{Context, Crediting, Eligible};
use crate::customers::{Customer, Customers};
use crate::error::EngineError;
use crate::extreme::Stretch;
use crate::prints::{Gathered, Printer};
use crate::records::TouchRecords;
use crate::rejects::Rejects;
use crate::runs::Runs;
use crate::setup::Setup;
use crate::sorted::Conversions;
use crate::source::SourceSums;
use crate::tables::customers::Book;
use crate::tables::paths::Paths;
use crate::walk::{EXTREME_PAIRS, Extreme};

/// A bucket over its part of the memory is divided by this many further bits of the hash.
const DIVIDE_BITS: u32 = 4;

/// A bucket that kept nearly all of its records so many times is one customer's, who cannot be divided.
const STUBBORN: u32 = 2;

/// One thread of the walk.
pub(crate) struct Walker<'a> {
    context: Context<'a>,
    /// What the conversions of its customers gave.
    pub crediting: Crediting<'a>,
    selector: Selector<'a>,
    rejects: &'a Rejects,
    /// Their paths.
    pub paths: Paths,
    /// Their customers, if they are listed.
    pub book: Option<Book>,
    /// What of the source shows only here.
    pub source: SourceSums,
    /// What the conversions of each day are, if anyone asks.
    pub prints: Gathered,
    printer: Option<&'a Printer<'a>>,
    /// Touches that stand in some customer's order.
    pub touches_used: u64,
    /// Customers that cost most.
    pub extremes: Vec<Extreme>,
    chosen: Vec<u32>,
    channels: Vec<u32>,
    /// Windows, the widest first: what was found for it serves the narrower ones.
    windows: Vec<usize>,
}

/// How far a bucket was divided: the bits of the hash that its customers share, and how often nearly all of it stayed together.
#[derive(Clone, Copy)]
struct Depth {
    used: u32,
    stubborn: u32,
}

/// A customer with conversions.
struct Converting<'a> {
    /// The bucket's number.
    bucket: u32,
    customer: Customer<'a>,
    /// The touches of the bucket.
    records: &'a TouchRecords,
    /// The conversions of the bucket.
    all: &'a Conversions,
    /// Those of the customer among them.
    conversions: Range<usize>,
}

impl<'a> Walker<'a> {
    /// Thread number `thread`.
    pub fn new(context: Context<'a>, rejects: &'a Rejects, printer: Option<&'a Printer<'a>>, thread: usize) -> Self {
        Self {
            context,
            crediting: Crediting::new(context, thread),
            selector: Selector::new(&context.setup.rules, &context.profiles.facts),
            rejects,
            paths: Paths::new(context.setup.rules.windows.len(), Runs::new(context.setup.temp.join(format!("paths-{thread}")))),
            book: context.setup.lists_customers().then(|| Book::new(context.setup, thread)),
            source: SourceSums::default(),
            prints: Gathered::default(),
            printer,
            touches_used: 0,
            extremes: Vec::new(),
            chosen: Vec::new(),
            channels: Vec::new(),
            windows: context.setup.rules.by_width(),
        }
    }

    /// Walks a bucket; without touches it is one of conversions without customer.
    ///
    /// # Errors
    /// Where temporary space fails, an expression gives no usable weight, or someone interrupts.
    pub fn walk(
        &mut self,
        number: u32,
        touches: Option<Bucket<TouchRecords>>,
        conversions: ConversionBucket,
    ) -> Result<(), EngineError> {
        let used = self.context.budget.bucket_bits();
        match touches {
            Some(touches) => self.walk_bucket(number, (touches, conversions), Depth { used, stubborn: 0 }),
            None => self.leave_anonymous(number, conversions, used),
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
                self.context.budget.check()?;
                let most = part.0.bytes() + part.1.bytes() > bytes / 16 * 15;
                let depth = Depth { used: used + DIVIDE_BITS, stubborn: if most { stubborn + 1 } else { 0 } };
                self.walk_bucket(number, part, depth)?;
            }
            return Ok(());
        }
        if stubborn >= STUBBORN {
            budget.expect_customer(touches.records(), touches.bytes() + 2 * conversions.bytes(), setup.tables.len())?;
        }
        let conversions = conversions.load(setup, self.context.histories, budget)?;
        self.look_at(&conversions);
        let mut records = touches.load(budget)?;
        let mut customers = Customers::of(&records, &conversions, setup.follows_everyone());
        if !customers.ask_for_records() {
            records = TouchRecords::default();
        }
        let rejects = self.rejects;
        let duplicate = |record: u32| reject_duplicate((rejects, setup), &records, &conversions, record as usize);
        customers.for_each(&records, profiles, duplicate, |customer, of_customer| {
            self.touches_used += customer.times.len() as u64;
            match of_customer {
                Some(of_customer) => {
                    let (records, all) = (&records, &conversions);
                    self.walk_customer(&Converting { bucket: number, customer, records, all, conversions: of_customer })
                }
                None => {
                    self.walk_null_journey(customer);
                    Ok(())
                }
            }
        })?;
        self.paths.spill_if_full(budget)?;
        self.crediting.flush(number, &conversions, true)?;
        self.enter_customers(&conversions)
    }

    /// What conversions say by themselves, whatever touches there are.
    fn look_at(&mut self, conversions: &Conversions) {
        self.source.count(conversions, self.context.setup);
        if let Some(printer) = self.printer {
            printer.print(conversions, &mut self.prints);
        }
    }

    /// Enters the bucket's customers into the book, if they are listed.
    fn enter_customers(&mut self, conversions: &Conversions) -> Result<(), EngineError> {
        let Context { setup, budget, histories, .. } = self.context;
        let (Some(acquired), Some(book)) = (&mut self.crediting.acquired, &mut self.book) else { return Ok(()) };
        let known = histories.and_then(|histories| Some((histories.orders, histories.observation?)));
        if let Some((orders, observation)) = known {
            book.enter(conversions, acquired, orders, (setup, observation), budget)?;
        }
        acquired.clear();
        Ok(())
    }

    fn walk_customer(&mut self, converting: &Converting<'_>) -> Result<(), EngineError> {
        let setup = self.context.setup;
        let &Converting { bucket, customer, all, ref conversions, .. } = converting;
        let consumed_until = setup.rules.consumed_until(&all.times[conversions.clone()], &all.kinds[conversions.clone()]);
        let in_range = conversions.clone().filter(|conversion| all.in_range(*conversion)).count() as u64;
        let pairs = customer.times.len() as u64 * in_range;
        if pairs > EXTREME_PAIRS {
            self.extremes.push(Extreme { pairs, touches: customer.times.len() as u64, conversions: in_range });
        }
        if pairs > setup.stretch_pairs && setup.rules.are_plain() && !setup.credits && setup.paths == 0 && !setup.counted {
            return self.walk_stretches(converting, &consumed_until);
        }
        let mut converted = 0;
        for conversion in conversions.clone().filter(|conversion| all.in_range(*conversion)) {
            converted += usize::from(!all.is_refund(conversion));
            let consumed_until = consumed_until.get(conversion - conversions.start).copied().flatten();
            self.walk_conversion(converting, conversion, consumed_until)?;
            // Not only between customers: one of them may fill the memory. Within a conversion rows are not in their order yet.
            self.crediting.flush(bucket, all, false)?;
            self.paths.spill_if_full(self.context.budget)?;
        }
        if converted == 0 {
            self.walk_null_journey(customer);
        }
        Ok(())
    }

    fn walk_conversion(
        &mut self,
        converting: &Converting<'_>,
        conversion: usize,
        consumed_until: Option<i64>,
    ) -> Result<(), EngineError> {
        let Context { setup, profiles, budget, .. } = self.context;
        let &Converting { customer, records, all, .. } = converting;
        // Of some customers every conversion takes its time.
        budget.check()?;
        let touches = Touches { times: customer.times, profiles: customer.profiles };
        let time = all.times[conversion];
        let (conversions, nulls) = all.journeys(conversion);
        let mut chosen = std::mem::take(&mut self.chosen);
        for &window in &self.windows {
            match self.selector.select(touches, time, consumed_until, window, &mut chosen) {
                // Of a path nobody may have converted.
                Err(_) if nulls > 0 && conversions == 0 => {}
                Err(reason) => {
                    (0..setup.models.len()).for_each(|model| self.crediting.leave(all, conversion, model, window, reason));
                }
                Ok(()) => {
                    if setup.paths > 0 {
                        self.channels.clear();
                        self.channels.extend(chosen.iter().map(|touch| channel(profiles, customer, *touch)));
                        let first = customer.times[chosen[0] as usize];
                        let duration = (!all.is_refund(conversion) && !setup.counted).then_some(time - first);
                        self.paths.add(window, &self.channels, conversions, duration, all.values(conversion));
                        self.paths.add_null(window, &self.channels, nulls);
                    }
                    if nulls > 0 && conversions == 0 {
                        continue;
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
        self.chosen = chosen;
        Ok(())
    }

    /// As [`Walker::walk_customer`], for one of very many touches and conversions: day by day.
    fn walk_stretches(&mut self, converting: &Converting<'_>, consumed_until: &[Option<i64>]) -> Result<(), EngineError> {
        let setup = self.context.setup;
        let &Converting { bucket, customer, records, all, ref conversions } = converting;
        let touches = Touches { times: customer.times, profiles: customer.profiles };
        let places: Vec<u32> = (0..customer.times.len() as u32).collect();
        let id = |touch: u32| id_of(customer, records, touch);
        let of_customer: Vec<usize> = conversions.clone().filter(|conversion| all.in_range(*conversion)).collect();
        for of_day in of_customer.chunk_by(|one, other| all.days[*one] == all.days[*other]) {
            self.context.budget.check()?;
            // First orders and refunds stand for themselves.
            let alone = |conversion: usize| all.is_refund(conversion) || all.makes_customer(conversion);
            for &conversion in of_day.iter().filter(|conversion| alone(**conversion)) {
                let consumed_until = consumed_until.get(conversion - conversions.start).copied().flatten();
                self.walk_conversion(converting, conversion, consumed_until)?;
            }
            let mut by_class: Vec<usize> = of_day.iter().copied().filter(|conversion| !alone(*conversion)).collect();
            let class = |conversion: usize| (all.kinds[conversion], all.standing(conversion));
            by_class.sort_by_key(|conversion| class(*conversion));
            for of_class in by_class.chunk_by(|one, other| class(*one) == class(*other)) {
                for &window in &self.windows {
                    let mut eligible = Vec::new();
                    for &conversion in of_class {
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
                self.paths.add_null(window, &self.channels, 1);
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
        let conversions = conversions.load(setup, None, budget)?;
        self.look_at(&conversions);
        for conversion in (0..conversions.len()).filter(|conversion| conversions.in_range(*conversion)) {
            budget.check()?;
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

/// Rejects a touch whose id occurs twice at one instant. Where only converters are followed, it is for the sake of the conversion
/// days that look back as far as the touch: so days can be replaced one by one, and what they rejected with them.
fn reject_duplicate((rejects, setup): (&Rejects, &Setup), records: &TouchRecords, conversions: &Conversions, record: usize) {
    // Where there are ids there are origins.
    let (file, row) = records.origin(record).unwrap_or_default();
    let (time, key) = (records.time(record), records.key(record));
    let duplicate = |customer: &[u8], days: &[Option<Day>]| {
        rejects.add_duplicate((file, row), time, (customer, records.ids.raw(record)), days);
    };
    if !records.customers.is_empty() {
        return duplicate(records.customers.raw(record), &[None]);
    }
    // The conversions know the customer's name.
    let place = (key.hash(), key);
    let first = conversions.keys.partition_point(|known| (known.hash(), *known) < place);
    let of_customer = (first..conversions.len()).take_while(|conversion| conversions.keys[*conversion] == key);
    let zone = &setup.rules.zone;
    let looks_back = |conversion: &usize| {
        let day = zone.day(conversions.times[*conversion]);
        setup.rules.earliest_touch(day) <= time && time < zone.start_of(day.saturating_add(1))
    };
    let mut days: Vec<Option<Day>> = of_customer
        .filter(|conversion| conversions.in_range(*conversion) && looks_back(conversion))
        .map(|conversion| Some(conversions.days[conversion]))
        .collect();
    days.sort_unstable();
    days.dedup();
    if !days.is_empty() {
        duplicate(conversions.customers.raw(first), &days);
    }
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
