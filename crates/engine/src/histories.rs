//! What a customer bought so far: the first order, the later ones, and what they are worth.
//!
//! An order is a conversion of a kind that makes a customer (`order_kinds`), on or before the last day that customers are
//! observed. A refund is no order: it takes its value off that of the order that it refunds, so off its customer's.

use attributary_core::table::NULL_CODE;
use attributary_core::time::Day;
use attributary_core::value::Value;

use crate::kinds::ConversionKinds;
use crate::setup::{Setup, Worth};

/// What a conversion is to its customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// No order of anybody known: a lead, or an order without customer.
    #[default]
    Other,
    /// The first order, which makes a customer; also what refunds it.
    New,
    /// A later order; also what refunds it.
    Returning,
}

impl Standing {
    /// All, in the order of the tables: null first, then by name.
    pub const ALL: [Self; 3] = [Self::Other, Self::New, Self::Returning];

    /// What the tables call it; null for [`Standing::Other`].
    #[must_use]
    pub fn value(self) -> Value {
        match self {
            Self::Other => Value::Null,
            Self::New => Value::text("new"),
            Self::Returning => Value::text("returning"),
        }
    }
}

/// Which kinds of conversions are orders.
#[derive(Clone, Debug)]
pub struct OrderKinds {
    /// By the code of the kind.
    kinds: Vec<bool>,
    without_kind: bool,
}

impl OrderKinds {
    /// Those of a run.
    #[must_use]
    pub fn of(setup: &Setup, kinds: &ConversionKinds) -> Self {
        let Some(names) = &setup.order_kinds else {
            return Self { kinds: vec![true; kinds.values.len()], without_kind: true };
        };
        let named = |kind: &Value| kind.as_text().is_some_and(|kind| names.iter().any(|name| name == kind));
        Self { kinds: kinds.values.iter().map(named).collect(), without_kind: false }
    }

    /// Whether conversions of a kind are orders.
    #[must_use]
    pub fn hold(&self, kind: u32) -> bool {
        if kind == NULL_CODE { self.without_kind } else { self.kinds.get(kind as usize).copied().unwrap_or(false) }
    }
}

/// A conversion of a customer, as [`History::of`] looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Microseconds UTC; of a refund that of its order.
    pub time: i64,
    /// The day of `time`.
    pub order_day: Day,
    /// Its own day: of a refund another one.
    pub day: Day,
    /// Whether it is a refund.
    pub refund: bool,
    /// Whether its kind, or that of the order it refunds, makes a customer.
    pub order: bool,
    /// The values of the source, in minor units.
    pub values: &'a [i64],
}

impl Event<'_> {
    /// Whether it is seen by the end of a day. Of a refund that its order is, too: it may be dated before it.
    #[must_use]
    pub fn is_seen(&self, until: Day) -> bool {
        self.day <= until && self.order_day <= until
    }
}

/// What a customer bought up to the last day of the observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The time of the first order, microseconds UTC.
    pub first: i64,
    /// The time of the last order.
    pub last: i64,
    /// Its day.
    pub first_day: Day,
    /// Its day.
    pub last_day: Day,
    /// How many orders there are.
    pub orders: u64,
    /// On how many days behind the first one there are any: `x` of BG/NBD.
    pub repeat_days: u32,
    /// The values of all orders, refunds taken off.
    pub values: Vec<i128>,
    /// Those of the orders behind the first day.
    pub repeats: Vec<i128>,
}

impl History {
    /// The history that a customer's conversions make, which come in the order of their times; none without an order.
    #[must_use]
    pub fn of<'a>(events: impl Iterator<Item = Event<'a>>, until: Option<Day>) -> Option<Self> {
        let seen = |event: &Event<'_>| event.order && until.is_none_or(|until| event.is_seen(until));
        let mut history: Option<Self> = None;
        for event in events.filter(seen) {
            let history = match (&mut history, event.refund) {
                (Some(history), _) => history,
                // A refund comes behind its order, or its order is not seen.
                (None, true) => continue,
                (None, false) => {
                    let nothing = vec![0; event.values.len()];
                    history.insert(Self {
                        first: event.time,
                        last: event.time,
                        first_day: event.day,
                        last_day: event.day,
                        orders: 0,
                        repeat_days: 0,
                        values: nothing.clone(),
                        repeats: nothing,
                    })
                }
            };
            let add = |sums: &mut [i128]| sums.iter_mut().zip(event.values).for_each(|(sum, value)| *sum += i128::from(*value));
            add(&mut history.values);
            if event.order_day > history.first_day {
                add(&mut history.repeats);
            }
            if !event.refund {
                history.orders += 1;
                history.repeat_days += u32::from(event.day > history.last_day);
                (history.last, history.last_day) = (event.time, event.day);
            }
        }
        history
    }
}

/// What is said of a customer's future, by whoever knows how all of them behave.
pub trait Predict: Sync {
    /// What the customer is expected to bring within so many days behind the observation, discounted, in minor units; none
    /// where nothing can be said.
    fn worth(&self, history: &History, days: u32) -> Option<i64>;
    /// The probability that the customer still buys at all.
    fn alive(&self, history: &History) -> Option<f64>;
    /// On how many days within so many they are expected to buy.
    fn purchases(&self, history: &History, days: u32) -> Option<f64>;
}

/// What must be known of all customers before one of them can be valued.
pub struct Observation {
    /// The last day that customers are observed.
    pub until: Day,
    /// Who foresees what they buy, if anyone asked.
    pub predict: Option<Box<dyn Predict + Send>>,
}

impl Observation {
    /// The values that a customer's first order carries, in the order of `Setup::worths`.
    pub(crate) fn worths<'a>(
        &'a self,
        setup: &'a Setup,
        events: impl Iterator<Item = Event<'a>> + Clone + 'a,
    ) -> impl Iterator<Item = i64> + 'a {
        let predicted = {
            let events = events.clone();
            move |horizon: u32| {
                let history = History::of(events.clone(), Some(self.until));
                history.zip(self.predict.as_ref()).and_then(|(history, predict)| predict.worth(&history, horizon)).unwrap_or(0)
            }
        };
        let historic = move |value: usize, within: Option<u32>| {
            let Some(first) = events.clone().find(|event| event.order && !event.refund) else { return 0 };
            let last = within.map_or(Day::MAX, |days| first.day.saturating_add(days as Day)).min(self.until);
            let sum = History::of(events.clone(), Some(last)).map_or(0, |history| history.values[value]);
            // Sums of one customer beyond 18 digits are none of money.
            i64::try_from(sum).unwrap_or(if sum < 0 { -i64::MAX } else { i64::MAX })
        };
        setup.worths.iter().map(move |worth| match *worth {
            Worth::Predicted { horizon } => predicted(horizon),
            Worth::Historic { value, within } => historic(value, within),
            Worth::Total { value, horizon } => historic(value, None).saturating_add(predicted(horizon)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time: i64, refund: bool, value: &[i64]) -> Event<'_> {
        Event { time, order_day: time as Day, day: time as Day, refund, order: true, values: value }
    }

    #[test]
    fn days_are_counted_once_and_refunds_taken_off() {
        let late = Event { day: 40, ..event(20, true, &[-300]) };
        let events = [event(10, false, &[100]), event(10, false, &[50]), event(20, false, &[300]), late, event(30, false, &[70])];
        let history = History::of(events.into_iter(), None).expect("orders");
        assert_eq!((history.first_day, history.last_day, history.orders, history.repeat_days), (10, 30, 4, 2));
        assert_eq!((&history.values[..], &history.repeats[..]), (&[220][..], &[70][..]));
        // The refund is of a day that is not seen yet.
        let history = History::of(events.into_iter(), Some(30)).expect("orders");
        assert_eq!((&history.values[..], &history.repeats[..]), (&[520][..], &[370][..]));
        assert_eq!(History::of(events.into_iter(), Some(9)), None);
    }
}
