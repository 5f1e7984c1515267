//! The tables of customers: one row each, their segments, and what was learnt of all of them.

use std::cell::RefCell;

use attributary_core::table::{Column, Field, Rows};
use attributary_core::value::{ColumnType, Value};
use attributary_engine::Setup;
use attributary_engine::tables::customers::{self, Scores, Segment, SegmentSums};
use attributary_engine::tables::{self, ONLY_FILE, SinkError, TableSink};

use super::Fits;
use crate::run::Computed;
use crate::writer::Writer;

const DAYS_OF_A_YEAR: f64 = 365.2425;

/// Writes `customers`, `customer_segments` and `customer_value_fit`, if they are wanted.
pub(crate) fn write_customers(setup: &Setup, computed: &Computed, writer: &Writer<'_>) -> Result<(), SinkError> {
    let (Some(customers), Some((observation, fits))) = (&setup.customers, &computed.observed) else { return Ok(()) };
    if !customers.tables {
        return Ok(());
    }
    let walked = &computed.walked;
    let scores = Scores::of(&walked.books, &walked.budget)?;
    let segments: RefCell<Vec<SegmentSums>> = RefCell::new(vec![SegmentSums::default(); Segment::ALL.len()]);
    let count = |segment: Segment, history: &attributary_engine::histories::History, predicted: Option<i64>| {
        let sums = &mut segments.borrow_mut()[segment as usize];
        sums.customers += 1;
        sums.orders += history.orders;
        sums.days += u64::try_from(history.last_day - history.first_day).unwrap_or(0);
        sums.values.resize(history.values.len(), 0);
        sums.values.iter_mut().zip(&history.values).for_each(|(sum, value)| *sum += value);
        sums.predicted += i128::from(predicted.unwrap_or(0));
        sums.foreseen += u64::from(predicted.is_some());
    };
    let books = (&walked.books[..], &scores);
    let mut rows = customers::rows(setup, customers, books, observation, &walked.profiles, &walked.budget, count)?;
    writer.tables().file("customers", ONLY_FILE, &customers::fields(setup), &mut rows)?;
    drop(rows);
    let segments = segments.into_inner();
    let (fields, rows) = (segment_fields(setup), segment_rows(setup, customers.revenue, customers.worth(), &segments));
    tables::write_whole(&writer.tables(), "customer_segments", &fields, rows)?;
    if let Some(fits) = fits {
        tables::write_whole(&writer.tables(), "customer_value_fit", &Fits::fields(), fits.rows(setup.currency.1))?;
    }
    Ok(())
}

pub(crate) fn segment_fields(setup: &Setup) -> Vec<Field> {
    let float = |name| Field::new(name, ColumnType::Float { bits: 64 });
    let mut fields = vec![
        Field::new("segment", ColumnType::Text),
        Field::new("customers", ColumnType::COUNT),
        Field::new("orders", ColumnType::COUNT),
    ];
    fields.extend(setup.value_fields().take(setup.source_values()));
    fields.extend([
        float("average_order_value"),
        float("purchase_frequency"),
        float("lifespan_years"),
        float("historic_clv"),
        Field::new("predicted_clv", setup.amount()),
    ]);
    fields
}

/// The segments that have customers, by name. Historic customer lifetime value is the average order value times the purchase
/// frequency (orders a customer and year of lifespan) times the lifespan; the lifespan falls out, so it is there also where all
/// lifespans are nothing. It is that of the margin, where one is mapped: the average order value's share of margin.
fn segment_rows(setup: &Setup, revenue: usize, worth: usize, segments: &[SegmentSums]) -> Rows {
    let mut all: Vec<(Segment, &SegmentSums)> =
        Segment::ALL.into_iter().zip(segments).filter(|(_, sums)| sums.customers > 0).collect();
    all.sort_by_key(|(segment, _)| segment.name());
    let unit = 10_f64.powi(setup.currency.1.into());
    let count = |of: &dyn Fn(&SegmentSums) -> u64| Column::Ints(all.iter().map(|(_, sums)| of(sums) as i64).collect());
    let ratio = |of: &dyn Fn(&SegmentSums) -> (f64, f64)| {
        let ratio = |sums: &SegmentSums| Some(of(sums)).filter(|(_, by)| *by != 0.0).map(|(sum, by)| sum / by);
        Column::Floats(all.iter().map(|(_, sums)| ratio(sums)).collect())
    };
    let years = |sums: &SegmentSums| sums.days as f64 / DAYS_OF_A_YEAR;
    let mut columns = vec![
        Column::Values(all.iter().map(|(segment, _)| Value::text(segment.name())).collect()),
        count(&|sums| sums.customers),
        count(&|sums| sums.orders),
    ];
    for value in 0..setup.source_values() {
        columns.push(Column::Wide(all.iter().map(|(_, sums)| sums.values[value]).collect()));
    }
    columns.push(ratio(&|sums| (sums.values[revenue] as f64 / unit, sums.orders as f64)));
    columns.push(ratio(&|sums| (sums.orders as f64, years(sums))));
    columns.push(ratio(&|sums| (years(sums), sums.customers as f64)));
    columns.push(ratio(&|sums| (sums.values[worth] as f64 / unit, sums.customers as f64)));
    let predicted = |sums: &SegmentSums| if sums.foreseen > 0 { Value::Int(sums.predicted) } else { Value::Null };
    columns.push(Column::Values(all.iter().map(|(_, sums)| predicted(sums)).collect()));
    Rows { columns }
}
