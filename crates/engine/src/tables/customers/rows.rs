//! The table of customers, a row each, and what becomes of their segments.

use std::sync::Arc;

use attributary_core::table::{Column, Field, Rows};
use attributary_core::time::Day;
use attributary_core::value::{ColumnType, Value};
use attributary_journeys::Profiles;

use super::book::Entry;
use super::{Book, Scores};
use crate::acquired;
use crate::budget::Budget;
use crate::cells::Cells;
use crate::error::EngineError;
use crate::histories::{History, Observation};
use crate::runs::Runs;
use crate::setup::{CustomersSetup, Segments, Setup};

const DAYS_OF_A_WEEK: f64 = 7.0;

/// A kind of customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// Ordered again and again, and for much.
    LoyalHighValue,
    /// Came back.
    ReturningMiddle,
    /// Ordered once.
    OneTime,
    /// Came back once, and is away for long.
    Lapsing,
}

impl Segment {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::LoyalHighValue, Self::ReturningMiddle, Self::OneTime, Self::Lapsing];

    /// What the tables call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LoyalHighValue => "loyal_high_value",
            Self::ReturningMiddle => "returning_middle",
            Self::OneTime => "one_time",
            Self::Lapsing => "lapsing",
        }
    }

    /// That of a customer who brought in so much as `score` says of all customers.
    #[must_use]
    pub fn of(history: &History, score: u8, until: Day, limits: &Segments) -> Self {
        let away = i64::from(until) - i64::from(history.last_day);
        if history.orders <= 1 {
            Self::OneTime
        } else if away > i64::from(limits.lapsing_after) {
            Self::Lapsing
        } else if history.orders >= limits.loyal_orders && score >= limits.loyal_score {
            Self::LoyalHighValue
        } else {
            Self::ReturningMiddle
        }
    }
}

/// What the customers of a segment come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentSums {
    /// Customers.
    pub customers: u64,
    /// Their orders.
    pub orders: u64,
    /// Days between their first and last orders.
    pub days: u64,
    /// The values of the source, in minor units.
    pub values: Vec<i128>,
    /// What they are expected to bring, in minor units, of those of whom something can be said.
    pub predicted: i128,
    /// How many these are.
    pub foreseen: u64,
}

/// The table's columns.
#[must_use]
pub fn fields(setup: &Setup) -> Vec<Field> {
    let float = |name| Field::new(name, ColumnType::Float { bits: 64 });
    let count = |name| Field::new(name, ColumnType::COUNT);
    let mut fields = vec![
        Field::new("customer", setup.customer_type.clone()),
        Field::new("first_order", ColumnType::instant()),
        Field::new("last_order", ColumnType::instant()),
        count("orders"),
    ];
    fields.extend(setup.value_fields().take(setup.source_values()));
    fields.push(Field::new("average_order_value", setup.amount()));
    fields.extend([count("frequency"), float("recency"), float("age")]);
    fields.extend([count("r_score"), count("f_score"), count("m_score"), Field::new("segment", ColumnType::Text)]);
    fields.push(Field::new("historic_clv", setup.amount()));
    fields.extend([float("p_alive"), float("expected_purchases"), Field::new("predicted_clv", setup.amount())]);
    for window in &setup.rules.windows {
        for model in &setup.models {
            fields.push(Field::new(format!("acquired_by_{}_{window}", model.name), ColumnType::Text));
        }
    }
    fields
}

/// The rows, sorted by customer, some at a time. `count` is told of each customer and segment.
///
/// # Errors
/// Where what is on disk cannot be read.
pub fn rows<'a>(
    setup: &'a Setup,
    customers: &'a CustomersSetup,
    (books, scores): (&'a [Book], &'a Scores),
    observation: &'a Observation,
    profiles: &'a Profiles,
    budget: &'a Budget,
    mut count: impl FnMut(Segment, &History, Option<i64>) + 'a,
) -> Result<impl Iterator<Item = Result<Rows, EngineError>> + 'a, EngineError> {
    const ROWS: usize = 1 << 14;
    let mut merge = Runs::merge(books.iter().map(|book| &book.runs), budget)?;
    let mut channels = Vec::clone(&profiles.dictionaries[attributary_core::batch::attribute::CHANNEL]);
    channels.push(Value::text(attributary_core::UNATTRIBUTED));
    let channels = Arc::new(channels);
    let fields = fields(setup);
    Ok(std::iter::from_fn(move || {
        let mut block: Vec<(Value, Entry)> = Vec::new();
        while block.len() < ROWS {
            match merge.next_row() {
                Err(error) => return Some(Err(error)),
                Ok(None) => break,
                Ok(Some((key, rest))) => {
                    let customer = Cells::value_of(&key, &setup.customer_type);
                    block.push((customer, Entry::from_bytes(&rest, setup.source_values())));
                }
            }
        }
        let described = |entry: &Entry| describe(customers, scores, observation, &entry.history);
        let described: Vec<Described> = block.iter().map(|(_, entry)| described(entry)).collect();
        for ((_, entry), described) in block.iter().zip(&described) {
            count(described.segment, &entry.history, described.predicted);
        }
        let columns = columns(setup, customers, &block, &described, &channels);
        debug_assert_eq!(columns.len(), fields.len());
        (!block.is_empty()).then_some(Ok(Rows { columns }))
    }))
}

/// What is said of a customer besides what they did.
struct Described {
    scores: [u8; 3],
    segment: Segment,
    age: i64,
    alive: Option<f64>,
    purchases: Option<f64>,
    predicted: Option<i64>,
}

fn describe(customers: &CustomersSetup, scores: &Scores, observation: &Observation, history: &History) -> Described {
    let scores = scores.scores(history, customers.revenue);
    let predict = observation.predict.as_ref();
    Described {
        scores,
        segment: Segment::of(history, scores[2], observation.until, &customers.segments),
        age: i64::from(observation.until) - i64::from(history.first_day),
        alive: predict.and_then(|predict| predict.alive(history)),
        purchases: predict.and_then(|predict| predict.purchases(history, customers.horizon)),
        predicted: predict.and_then(|predict| predict.worth(history, customers.horizon)),
    }
}

fn columns(
    setup: &Setup,
    customers: &CustomersSetup,
    block: &[(Value, Entry)],
    described: &[Described],
    channels: &Arc<Vec<Value>>,
) -> Vec<Column> {
    let ints = |of: &dyn Fn(&History) -> i64| Column::Ints(block.iter().map(|(_, entry)| of(&entry.history)).collect());
    let wide = |of: &dyn Fn(&History) -> i128| Column::Wide(block.iter().map(|(_, entry)| of(&entry.history)).collect());
    let weeks = |days: i64| Some(days as f64 / DAYS_OF_A_WEEK);
    let floats = |of: &dyn Fn(usize) -> Option<f64>| Column::Floats((0..block.len()).map(of).collect());
    let mut columns = vec![
        Column::Values(block.iter().map(|(customer, _)| customer.clone()).collect()),
        ints(&|history| history.first),
        ints(&|history| history.last),
        ints(&|history| history.orders as i64),
    ];
    columns.extend((0..setup.source_values()).map(|value| wide(&|history| history.values[value])));
    columns.push(wide(&|history| divided(history.values[customers.revenue], history.orders.into())));
    columns.push(ints(&|history| history.repeat_days.into()));
    columns.push(floats(&|row| {
        let history = &block[row].1.history;
        weeks(i64::from(history.last_day) - i64::from(history.first_day))
    }));
    columns.push(floats(&|row| weeks(described[row].age)));
    for score in 0..3 {
        columns.push(Column::Ints(described.iter().map(|described| described.scores[score].into()).collect()));
    }
    columns.push(Column::Codes {
        codes: described.iter().map(|described| described.segment as u32).collect(),
        dictionary: Arc::new(Segment::ALL.map(|segment| Value::text(segment.name())).to_vec()),
    });
    columns.push(wide(&|history| history.values[customers.worth()]));
    columns.push(floats(&|row| described[row].alive));
    columns.push(floats(&|row| described[row].purchases));
    let predicted = |described: &Described| described.predicted.map_or(Value::Null, |worth| Value::Int(worth.into()));
    columns.push(Column::Values(described.iter().map(predicted).collect()));
    let unattributed = channels.len() as u32 - 1;
    for pair in 0..setup.models.len() * setup.rules.windows.len() {
        let code = |(_, entry): &(Value, Entry)| match entry.acquired[pair] {
            acquired::UNATTRIBUTED => unattributed,
            // Not known: no place in the dictionary, so null.
            code => code,
        };
        columns.push(Column::Codes { codes: block.iter().map(code).collect(), dictionary: Arc::clone(channels) });
    }
    columns
}

/// sum / count, rounded half to even.
fn divided(sum: i128, count: i128) -> i128 {
    let (quotient, rest) = (sum.div_euclid(count), sum.rem_euclid(count));
    let up = match (2 * rest).cmp(&count) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => quotient % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    quotient + i128::from(up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_told_apart_in_their_order() {
        let limits = Segments { lapsing_after: 90, loyal_orders: 3, loyal_score: 4 };
        let history = |orders, last_day| History {
            first: 0,
            last: 0,
            first_day: 0,
            last_day,
            orders,
            repeat_days: 0,
            values: Vec::new(),
            repeats: Vec::new(),
        };
        let segment = |orders, last_day, score| Segment::of(&history(orders, last_day), score, 100, &limits);
        assert_eq!(segment(1, 0, 5), Segment::OneTime);
        assert_eq!(segment(5, 9, 5), Segment::Lapsing);
        assert_eq!(segment(5, 10, 5), Segment::LoyalHighValue);
        assert_eq!(segment(5, 10, 3), Segment::ReturningMiddle);
        assert_eq!(segment(2, 10, 5), Segment::ReturningMiddle);
        assert_eq!((divided(5, 2), divided(7, 2), divided(-5, 2), divided(8, 3)), (2, 4, -2, 3));
    }
}
