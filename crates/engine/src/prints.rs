//! What the conversions of each day are, as a number: where it is the same, so are they, and all that journeys know of them.
//! So a later run sees which days other conversions, refunds or standings came to, whichever files they came in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use attributary_core::time::Day;
use attributary_core::value::Value;
use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_128;

use crate::conversions::{ConversionBucket, Converted, union};
use crate::converters::Converters;
use crate::error::EngineError;
use crate::histories::OrderKinds;
use crate::kinds::ConversionKinds;
use crate::setup::Setup;
use crate::sorted::{Conversions, Histories};

/// The conversions of a day of the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Print {
    /// How many there are, refunds among them.
    pub conversions: u64,
    /// The sum of their hashes.
    pub sum: u128,
}

/// What was seen of all conversions.
#[derive(Debug, Default)]
pub struct Prints {
    /// By conversion day.
    pub days: BTreeMap<Day, Print>,
    /// The days of orders, with those on which they were refunded.
    pub refunds: BTreeSet<(Day, Day)>,
}

impl Prints {
    /// Looks at all conversions of the range.
    ///
    /// # Errors
    /// Where temporary files cannot be read.
    pub fn of(setup: &Setup, converted: &mut Converted) -> Result<Self, EngineError> {
        let orders = OrderKinds::of(setup, &converted.kinds);
        let printer = Printer::new(setup, &converted.kinds, &converted.currencies);
        let budget = Arc::clone(&converted.budget);
        let histories = setup.follows_histories().then_some(Histories { orders: &orders, observation: None });
        let look = |bucket: &mut ConversionBucket| {
            let mut gathered = Gathered::default();
            printer.print(&bucket.look(setup, histories, &budget)?, &mut gathered);
            Ok(gathered.finish())
        };
        converted.buckets.par_iter_mut().map(look).try_reduce(Self::default, |one, other| Ok(one.merge(other)))
    }

    /// Those of all of them.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        for (day, print) in other.days {
            self.days.entry(day).or_default().add(print);
        }
        self.refunds.extend(other.refunds);
        self
    }
}

impl Print {
    fn add(&mut self, other: Self) {
        self.conversions += other.conversions;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// Prints that more is added to.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    days: FxHashMap<Day, Print>,
    refunds: BTreeSet<(Day, Day)>,
}

impl Gathered {
    pub fn finish(self) -> Prints {
        Prints { days: self.days.into_iter().collect(), refunds: self.refunds }
    }
}

/// Looks at conversions.
pub(crate) struct Printer<'a> {
    setup: &'a Setup,
    /// The bytes of each kind and currency.
    kinds: Vec<Vec<u8>>,
    currencies: Vec<Vec<u8>>,
}

impl<'a> Printer<'a> {
    pub fn new(setup: &'a Setup, kinds: &ConversionKinds, currencies: &ConversionKinds) -> Self {
        let bytes = |names: &ConversionKinds| names.values.iter().map(Value::to_ordered_bytes).collect();
        Self { setup, kinds: bytes(kinds), currencies: bytes(currencies) }
    }

    /// Gathers what some customers' conversions are.
    pub fn print(&self, conversions: &Conversions, gathered: &mut Gathered) {
        let Setup { rules, range, .. } = self.setup;
        let mut bytes = Vec::new();
        let mut start = 0;
        for of_customer in conversions.keys.chunk_by(|one, other| one == other) {
            let customer = start..start + of_customer.len();
            start = customer.end;
            let consumed = rules.consumed_until(&conversions.times[customer.clone()], &conversions.kinds[customer.clone()]);
            for conversion in customer.clone().filter(|conversion| range.contains(conversions.days[*conversion])) {
                let day = conversions.days[conversion];
                let refund = conversions.is_refund(conversion);
                let walked_on = if refund { rules.zone.day(conversions.times[conversion]) } else { day };
                // What was consumed before the windows began is no matter.
                let consumed = consumed.get(conversion - customer.start).copied().flatten();
                let consumed = consumed.filter(|until| *until >= rules.earliest_touch(walked_on));
                bytes.clear();
                self.append(conversions, conversion, consumed, &mut bytes);
                gathered.days.entry(day).or_default().add(Print { conversions: 1, sum: xxh3_128(&bytes) });
                if refund {
                    gathered.refunds.insert((walked_on, day));
                }
            }
        }
    }

    /// All that the walk and the tables know of a conversion, besides touches.
    fn append(&self, conversions: &Conversions, conversion: usize, consumed: Option<i64>, bytes: &mut Vec<u8>) {
        let exchanged = conversions.exchanged(conversion);
        let kind = named(&self.kinds, conversions.kinds[conversion]);
        let currency = exchanged.map_or(&[][..], |exchanged| named(&self.currencies, exchanged.currency));
        for text in [conversions.ids.raw(conversion), conversions.customers.raw(conversion), kind, currency] {
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text);
        }
        let numbers = [conversions.times[conversion], conversions.own_time(conversion), consumed.unwrap_or(i64::MIN)];
        let standing = [conversions.standing(conversion) as i64, i64::from(conversions.is_refund(conversion))];
        let numbers = numbers.into_iter().chain(standing).chain(conversions.values(conversion).iter().copied());
        let rates = exchanged.iter().flat_map(|exchanged| {
            let amounts = exchanged.originals.iter().chain(exchanged.differences);
            std::iter::once(exchanged.rate).chain(amounts.copied())
        });
        numbers.chain(rates).for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    }
}

/// The bytes of a name by its code; none where there is no name.
fn named(names: &[Vec<u8>], code: u32) -> &[u8] {
    names.get(code as usize).map_or(&[], Vec::as_slice)
}

/// Once it is known that only some days of the range are computed (`Setup::only`): leaves only the customers among the
/// converters who convert on one of them.
///
/// # Errors
/// Where temporary files cannot be read.
pub fn narrow(setup: &Setup, prints: &Prints, converted: &mut Converted) -> Result<(), EngineError> {
    let computed = || prints.days.iter().filter(|(day, _)| setup.computes(**day));
    converted.days = computed().fold(None, |days, (day, _)| union(days, Some((*day, *day))));
    let converters = Converters::new(converted.budget.filtered(computed().map(|(_, print)| print.conversions).sum()));
    let budget = Arc::clone(&converted.budget);
    let look = |bucket: &mut ConversionBucket| {
        let conversions = bucket.look(setup, None, &budget)?;
        let computed = (0..conversions.len()).filter(|conversion| conversions.in_range(*conversion));
        computed.for_each(|conversion| converters.add(conversions.keys[conversion].hash()));
        Ok::<_, EngineError>(())
    };
    // The second half is of conversions without customer.
    let known = converted.buckets.len() / 2;
    if converted.days.is_some() {
        converted.buckets[..known].par_iter_mut().try_for_each(look)?;
    }
    converted.converters = converters;
    Ok(())
}
