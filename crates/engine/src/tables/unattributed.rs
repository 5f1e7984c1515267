//! Conversions that no touch got, under each model and window, and why.

use std::sync::Arc;

use attributary_core::journey::Unattributed;
use attributary_core::table::{Column, Field, Rows};
use attributary_core::time;
use attributary_core::value::{ColumnType, Value};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::{SinkError, TableSink, write_whole};
use crate::cells::Cells;
use crate::kinds::ConversionKinds;
use crate::setup::Setup;
use crate::spool::{Block, CONVERSION, Named, Spooled};

/// Columns of a spooled row behind its conversion.
const MODEL: usize = 1;
const WINDOW: usize = 2;
const REASON: usize = 3;
const REFUND: usize = 4;

/// A spooled row.
#[must_use]
pub fn row(conversion: usize, model: usize, window: usize, reason: Unattributed, refund: bool) -> [i64; 5] {
    [conversion as i64, model as i64, window as i64, reason as i64, refund.into()]
}

/// What orders the rows of a bucket.
#[must_use]
pub fn key(block: &Block, row: usize) -> [i64; 3] {
    [CONVERSION, MODEL, WINDOW].map(|column| block.columns[column][row])
}

/// The table's columns.
#[must_use]
pub fn fields(setup: &Setup) -> Vec<Field> {
    let mut fields = vec![
        Field::new("model", ColumnType::Text),
        Field::new("window", ColumnType::Text),
        Field::new("conversion_id", setup.conversion_id_type.clone()),
        Field::new("customer", setup.customer_type.clone()),
        Field::new("conversion_time", ColumnType::instant()),
        Field::new("kind", ColumnType::Text),
    ];
    fields.extend(setup.value_fields());
    fields.push(Field::new("reason", ColumnType::Text));
    if setup.refunds {
        fields.push(Field::new("refund", ColumnType::Boolean));
    }
    fields
}

/// Writes the table, one file a conversion day.
///
/// # Errors
/// Where the sink or the temporary space fails.
pub fn write(setup: &Setup, spooled: &Spooled, kinds: &ConversionKinds, sink: &dyn TableSink) -> Result<(), SinkError> {
    let reasons = Arc::new(Unattributed::ALL.map(|reason| Value::text(&reason.to_string())).to_vec());
    let to_rows = |block: &Block, named: &Named| {
        let mut columns = model_and_window(setup, &block.columns[MODEL], &block.columns[WINDOW]);
        columns.extend(conversion_columns(setup, &block.columns[CONVERSION], named, kinds));
        for value in 0..setup.values.len() {
            let amount = |conversion: &i64| i128::from(named.values[*conversion as usize * setup.values.len() + value]);
            columns.push(Column::Wide(block.columns[CONVERSION].iter().map(amount).collect()));
        }
        columns.push(Column::Codes { codes: to_codes(&block.columns[REASON]), dictionary: Arc::clone(&reasons) });
        if setup.refunds {
            let dictionary = Arc::new([false, true].map(Value::Boolean).to_vec());
            columns.push(Column::Codes { codes: to_codes(&block.columns[REFUND]), dictionary });
        }
        Rows { columns }
    };
    write_days(spooled, "unattributed", &fields(setup), &to_rows, sink)
}

/// Writes spooled rows, one file a day and some days at a time; where there are none, one file without rows.
pub(super) fn write_days(
    spooled: &Spooled,
    table: &str,
    fields: &[Field],
    to_rows: &(dyn Fn(&Block, &Named) -> Rows + Sync),
    sink: &dyn TableSink,
) -> Result<(), SinkError> {
    let days = spooled.days();
    if days.is_empty() {
        return write_whole(sink, table, fields, no_rows(fields));
    }
    days.par_iter().try_for_each(|day| {
        let mut rows = spooled.blocks(day).map(|block| block.map(|(block, named)| to_rows(&block, &named)));
        sink.file(table, &time::day_text(day.day), fields, &mut rows)
    })
}

/// No rows of a table.
#[must_use]
pub fn no_rows(fields: &[Field]) -> Rows {
    Rows { columns: fields.iter().map(|_| Column::Values(Vec::new())).collect() }
}

pub(super) fn model_and_window(setup: &Setup, models: &[i64], windows: &[i64]) -> Vec<Column> {
    let model_names = setup.models.iter().map(|model| Value::text(&model.name)).collect();
    let window_names = setup.rules.windows.iter().map(|window| Value::text(&window.to_string())).collect();
    vec![
        Column::Codes { codes: to_codes(models), dictionary: Arc::new(model_names) },
        Column::Codes { codes: to_codes(windows), dictionary: Arc::new(window_names) },
    ]
}

/// conversion_id, customer, conversion_time, kind. Each conversion's cells are made once, however many rows name it.
pub(super) fn conversion_columns(setup: &Setup, places: &[i64], named: &Named, kinds: &ConversionKinds) -> [Column; 4] {
    let place = |place: &i64| *place as usize;
    let cells = |cells: &Cells, kind: &ColumnType| Column::Codes {
        codes: to_codes(places),
        dictionary: Arc::new((0..cells.len()).map(|conversion| cells.value(conversion, kind)).collect()),
    };
    [
        cells(&named.ids, &setup.conversion_id_type),
        cells(&named.customers, &setup.customer_type),
        Column::Ints(places.iter().map(|conversion| named.times[place(conversion)]).collect()),
        Column::Codes {
            codes: places.iter().map(|conversion| named.kinds[place(conversion)] as u32).collect(),
            dictionary: Arc::clone(&kinds.values),
        },
    ]
}

fn to_codes(numbers: &[i64]) -> Vec<u32> {
    numbers.iter().map(|number| *number as u32).collect()
}
