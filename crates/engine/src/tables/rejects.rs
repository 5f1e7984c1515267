//! Rejected source rows, and where they came from.

use std::sync::Arc;

use attributary_core::journey::Rejected;
use attributary_core::table::{Column, Field, Rows};
use attributary_core::value::{ColumnType, Value};
use rustc_hash::FxHashMap;

use crate::cells::Cells;
use crate::rejects::{RejectedRows, Side};
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

/// The rows, by source, file and row. `files` gives a file's name.
#[must_use]
pub fn rows(setup: &Setup, rejected: &RejectedRows, files: &dyn Fn(Side, u32) -> String) -> Rows {
    let mut order: Vec<usize> = (0..rejected.rows.len()).collect();
    let mut codes: FxHashMap<(Side, u32), u32> = FxHashMap::default();
    let mut names = Vec::new();
    for &(side, file, ..) in &rejected.rows {
        codes.entry((side, file)).or_insert_with(|| {
            names.push(Value::text(&files(side, file)));
            names.len() as u32 - 1
        });
    }
    order.sort_unstable_by_key(|row| rejected.rows[*row]);
    let text = |of: &dyn Fn(usize) -> Value| Column::Values(order.iter().map(|row| of(*row)).collect());
    let fields = fields(setup);
    let identity = |cells: &Cells, row: usize, touch: &ColumnType, conversion: &ColumnType, shown: &ColumnType| {
        let kind = if rejected.rows[row].0 == Side::Touchpoints { touch } else { conversion };
        match cells.value(row, kind) {
            Value::Null => Value::Null,
            value if *shown == ColumnType::Text && *kind != ColumnType::Text => Value::text(&value.display(kind)),
            value => value,
        }
    };
    let touch_id = setup.touch_id_type.as_ref().unwrap_or(&setup.conversion_id_type);
    Rows {
        columns: vec![
            text(&|row| Value::text(rejected.rows[row].0.name())),
            Column::Codes {
                codes: order.iter().map(|row| codes[&(rejected.rows[*row].0, rejected.rows[*row].1)]).collect(),
                dictionary: Arc::new(names),
            },
            Column::Ints(order.iter().map(|row| rejected.rows[*row].2 as i64).collect()),
            Column::Codes {
                codes: order.iter().map(|row| rejected.rows[*row].3 as u32).collect(),
                dictionary: Arc::new(Rejected::ALL.map(|reason| Value::text(&reason.to_string())).to_vec()),
            },
            text(&|row| identity(&rejected.customers, row, &setup.touch_customer_type, &setup.customer_type, &fields[4].kind)),
            text(&|row| rejected.time(row).map_or(Value::Null, |time| Value::Int(time.into()))),
            text(&|row| identity(&rejected.ids, row, touch_id, &setup.conversion_id_type, &fields[6].kind)),
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
