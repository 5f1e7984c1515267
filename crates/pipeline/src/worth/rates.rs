//! Exchange rates, and the ledger of what was converted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use attributary_core::money::{ROUNDING_SCALE, exponent};
use attributary_core::rates::Rates;
use attributary_core::table::{Column, Field, Rows};
use attributary_core::value::{ColumnType, Value};
use attributary_engine::rejects::{Rejects, Side};
use attributary_engine::source::CurrencySums;
use attributary_engine::tables::credits::MOST_DIGITS;
use attributary_engine::tables::{self, SinkError};
use attributary_engine::{Interrupt, Setup};
use attributary_frames::{Progress, Stop};

use super::Spending;
use crate::error::Error;
use crate::plan::Plan;
use crate::run::Computed;
use crate::writer::Writer;

/// Reads the rates, if there are any, and gives them to the sources that need them. Rows that are no rate are rejected. Says how
/// many rows there were.
pub(crate) fn read_rates(plan: &mut Plan, rejects: &Rejects, interrupt: &Interrupt) -> Result<u64, Error> {
    let Some(source) = &plan.rates else { return Ok(0) };
    let go_on = || interrupt.check().map_err(|_| Stop);
    let progress = Progress::default();
    let read = source.rates(&plan.setup.currency.0, &progress, &go_on);
    interrupt.check()?;
    let (rates, rejected) = read?;
    for row in rejected {
        let zone = &plan.setup.rules.zone;
        let time = row.day.map_or(attributary_core::batch::NO_TIME, |day| zone.start_of(day));
        rejects.add_raw((Side::Rates, row.file, row.row), row.reason, time, &[], &[]);
    }
    let rates: Arc<Rates> = Arc::new(rates);
    plan.conversions.set_rates(Arc::clone(&rates), plan.setup.rules.zone.clone());
    for spend in &mut plan.spend {
        spend.set_rates(Arc::clone(&rates), plan.setup.rules.zone.clone());
    }
    Ok(progress.rows.load(Ordering::Relaxed))
}

/// Writes what was converted, a line for each source, value and original currency, if any source names currencies.
pub(crate) fn write_currencies(
    setup: &Setup,
    computed: &Computed,
    spending: &Spending,
    writer: &Writer<'_>,
) -> Result<(), SinkError> {
    if !setup.exchange && spending.currencies.is_empty() {
        return Ok(());
    }
    let (codes, sums) = &computed.walked.currencies;
    let code = |code: u32| codes.values.get(code as usize).and_then(Value::as_text).unwrap_or_default().to_owned();
    let mut lines: Vec<Line> = Vec::new();
    for (currency, sums) in sums {
        for (value, name) in setup.values.iter().take(setup.source_values()).enumerate() {
            lines.push(Line::new("conversions", name, code(*currency), sums, value));
        }
    }
    for (currency, sums) in &spending.currencies {
        lines.push(Line::new("spend", "spend", currency.clone(), sums, 0));
    }
    lines.sort();
    tables::write_whole(&writer.tables(), "ledger_currencies", &fields(setup), rows(&lines))
}

/// A line: source, value, currency, then its sums.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    source: &'static str,
    value: String,
    currency: String,
    rows: u64,
    original: i128,
    converted: i128,
    difference: i128,
}

impl Line {
    fn new(source: &'static str, value: &str, currency: String, sums: &CurrencySums, place: usize) -> Self {
        // Amounts of all currencies stand in one column.
        let digits = exponent(&currency).unwrap_or(0).min(MOST_DIGITS);
        let of = |sums: &[i128]| sums.get(place).copied().unwrap_or(0);
        Self {
            source,
            value: value.to_owned(),
            rows: sums.rows,
            original: of(&sums.original) * 10_i128.pow(u32::from(MOST_DIGITS - digits)),
            converted: of(&sums.converted),
            difference: of(&sums.difference),
            currency,
        }
    }
}

pub(crate) fn fields(setup: &Setup) -> Vec<Field> {
    let text = |name| Field::new(name, ColumnType::Text);
    vec![
        text("source"),
        text("value"),
        text("currency"),
        Field::new("rows", ColumnType::COUNT),
        Field::new("original", ColumnType::amount(MOST_DIGITS)),
        Field::new("converted", setup.amount()),
        Field::new("rate_difference", ColumnType::amount(ROUNDING_SCALE)),
    ]
}

fn rows(lines: &[Line]) -> Rows {
    let text = |of: &dyn Fn(&Line) -> &str| Column::Values(lines.iter().map(|line| Value::text(of(line))).collect());
    let wide = |of: &dyn Fn(&Line) -> i128| Column::Wide(lines.iter().map(of).collect());
    Rows {
        columns: vec![
            text(&|line| line.source),
            text(&|line| &line.value),
            text(&|line| &line.currency),
            Column::Ints(lines.iter().map(|line| line.rows as i64).collect()),
            wide(&|line| line.original),
            wide(&|line| line.converted),
            wide(&|line| line.difference),
        ],
    }
}
