//! Rejected source rows, and where they came from.

use std::sync::Arc;

use attributary_core::journey::Rejected;
use attributary_core::table::{Column, Field, Rows};
use attributary_core::value::{ColumnType, Value};
use rustc_hash::FxHashMap;

use crate::cells::Cells;
use crate::error::EngineError;
use crate::rejects::{RejectedRow, RejectedRows, Side};
use crate::setup::Setup;

/// The table's columns.
#[must_use]
pub fn fields(setup: &Setup) -> Vec<Field> {
    vec![
        Field::new("source", ColumnType::Text),
        Field::new("file", ColumnType::Text),
        Field::new("row", ColumnType::COUNT),
        Field::new("reason", ColumnType::Text),
        Field::new("customer", shared_type(Some(&setup.touch_customer_type), &setup.customer_type)),
        Field::new("time", ColumnType::instant()),
        Field::new("id", shared_type(setup.touch_id_type.as_ref(), &setup.conversion_id_type)),
    ]
}

/// The columns of the duplicates among touches as runs keep them: those of the table, and the conversion day that found the row.
#[must_use]
pub fn duplicate_fields(setup: &Setup) -> Vec<Field> {
    let mut fields = fields(setup);
    fields.push(Field::new("conversion_date", ColumnType::Date));
    fields
}

/// The section that a row came from. Conversions may be paths that were counted.
fn source(setup: &Setup, side: Side) -> &'static str {
    if setup.counted && side == Side::Conversions { "paths" } else { side.name() }
}

/// The rows, by source, file and row, some at a time. `files` gives a file's name.
///
/// # Errors
/// Where what is on disk cannot be read.
pub fn rows<'a>(
    setup: &'a Setup,
    rejected: &'a RejectedRows,
    files: &'a dyn Fn(Side, u32) -> String,
) -> Result<impl Iterator<Item = Result<Rows, EngineError>> + 'a, EngineError> {
    let mut rows = rejected.rows()?;
    let mut before = None;
    // One row of the table, however many days found it.
    let distinct = std::iter::from_fn(move || {
        rows.by_ref().find(|row| {
            let place = row.as_ref().ok().map(|row| (row.side, row.file, row.row, row.reason));
            place.is_none() || std::mem::replace(&mut before, place) != place
        })
    });
    Ok(blocks(distinct, move |block| to_rows(setup, &block, files)))
}

/// The duplicates among touches that conversion days found: a row for each of them, some at a time.
///
/// # Errors
/// Where what is on disk cannot be read.
pub fn duplicates<'a>(
    setup: &'a Setup,
    rejected: &'a RejectedRows,
    files: &'a dyn Fn(Side, u32) -> String,
) -> Result<impl Iterator<Item = Result<Rows, EngineError>> + 'a, EngineError> {
    let found = rejected.rows()?.filter(|row| row.as_ref().map_or(true, |row| row.day.is_some()));
    Ok(blocks(found, move |block| {
        let mut rows = to_rows(setup, &block, files);
        let day = |row: &RejectedRow| row.day.map_or(Value::Null, |day| Value::Int(day.into()));
        rows.columns.push(Column::Values(block.iter().map(day).collect()));
        rows
    }))
}

fn blocks<'a>(
    mut rows: impl Iterator<Item = Result<RejectedRow, EngineError>> + 'a,
    to_rows: impl Fn(Vec<RejectedRow>) -> Rows + 'a,
) -> impl Iterator<Item = Result<Rows, EngineError>> + 'a {
    const ROWS: usize = 1 << 14;
    std::iter::from_fn(move || match rows.by_ref().take(ROWS).collect::<Result<Vec<_>, _>>() {
        Ok(block) if block.is_empty() => None,
        block => Some(block.map(&to_rows)),
    })
}

fn to_rows(setup: &Setup, rejected: &[RejectedRow], files: &dyn Fn(Side, u32) -> String) -> Rows {
    let mut codes: FxHashMap<(Side, u32), u32> = FxHashMap::default();
    let mut names = Vec::new();
    for row in rejected {
        codes.entry((row.side, row.file)).or_insert_with(|| {
            names.push(Value::text(&files(row.side, row.file)));
            names.len() as u32 - 1
        });
    }
    let fields = fields(setup);
    let identity = |raw: &[u8], row: &RejectedRow, touch: &ColumnType, conversion: &ColumnType, shown: &ColumnType| {
        let kind = match row.side {
            Side::Touchpoints => touch,
            Side::Conversions => conversion,
            // Ids of spend, where they are text.
            Side::Spend | Side::Rates => &ColumnType::Text,
        };
        match Cells::value_of(raw, kind) {
            Value::Null => Value::Null,
            // Text has no place among numbers.
            _ if *kind == ColumnType::Text && *shown != ColumnType::Text => Value::Null,
            value if *shown == ColumnType::Text && *kind != ColumnType::Text => Value::text(&value.display(kind)),
            value => value,
        }
    };
    let touch_id = setup.touch_id_type.as_ref().unwrap_or(&setup.conversion_id_type);
    let customer =
        |row: &RejectedRow| identity(&row.customer, row, &setup.touch_customer_type, &setup.customer_type, &fields[4].kind);
    let id = |row: &RejectedRow| identity(&row.id, row, touch_id, &setup.conversion_id_type, &fields[6].kind);
    Rows {
        columns: vec![
            Column::Values(rejected.iter().map(|row| Value::text(source(setup, row.side))).collect()),
            Column::Codes {
                codes: rejected.iter().map(|row| codes[&(row.side, row.file)]).collect(),
                dictionary: Arc::new(names),
            },
            Column::Ints(rejected.iter().map(|row| row.row as i64).collect()),
            Column::Codes {
                codes: rejected.iter().map(|row| row.reason as u32).collect(),
                dictionary: Arc::new(Rejected::ALL.map(|reason| Value::text(&reason.to_string())).to_vec()),
            },
            Column::Values(rejected.iter().map(customer).collect()),
            Column::Values(rejected.iter().map(|row| row.time.map_or(Value::Null, |time| Value::Int(time.into()))).collect()),
            Column::Values(rejected.iter().map(id).collect()),
        ],
    }
}

/// A type that holds the cells of both sources: text where they differ in more than width.
fn shared_type(touch: Option<&ColumnType>, conversion: &ColumnType) -> ColumnType {
    match (touch, conversion) {
        (None, conversion) => conversion.clone(),
        (Some(touch), conversion) if touch == conversion => conversion.clone(),
        (Some(ColumnType::Int { signed, .. }), ColumnType::Int { signed: other, .. }) if signed == other => {
            ColumnType::Int { bits: 64, signed: *signed }
        }
        _ => ColumnType::Text,
    }
}
