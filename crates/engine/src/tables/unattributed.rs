//! Conversions that no touch got, under each model and window, and why.

use std::sync::Arc;

use attributary_core::journey::Unattributed;
use attributary_core::table::{Column, Field, Rows};
use attributary_core::time;
use attributary_core::value::{ColumnType, Value};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::{ONLY_FILE, SinkError, TableSink, write_whole};
use crate::budget::Budget;
use crate::cells::Cells;
use crate::error::EngineError;
use crate::kinds::ConversionKinds;
use crate::runs::{Merge, Runs};
use crate::setup::Setup;
use crate::spool::{Block, CONVERSION, Named, Spooled};

const TABLE: &str = "unattributed";

/// Columns of a spooled row behind its conversion.
const MODEL: usize = 1;
const WINDOW: usize = 2;
const REASON: usize = 3;
/// Whether it is a refund; of a path how many conversions it has.
const MARK: usize = 4;

/// A spooled row.
#[must_use]
pub fn row(conversion: usize, model: usize, window: usize, reason: Unattributed, mark: i64) -> [i64; 5] {
    [conversion as i64, model as i64, window as i64, reason as i64, mark]
}

/// What orders the rows of a bucket.
#[must_use]
pub fn key(block: &Block, row: usize) -> [i64; 3] {
    [CONVERSION, MODEL, WINDOW].map(|column| block.columns[column][row])
}

/// The table's columns.
#[must_use]
pub fn fields(setup: &Setup) -> Vec<Field> {
    let mut fields = vec![Field::new("model", ColumnType::Text), Field::new("window", ColumnType::Text)];
    if setup.counted {
        fields.extend([Field::new("path", ColumnType::Text), Field::new("conversions", ColumnType::COUNT)]);
    } else {
        fields.extend([
            Field::new("conversion_id", setup.conversion_id_type.clone()),
            Field::new("customer", setup.customer_type.clone()),
            Field::new("conversion_time", ColumnType::instant()),
            Field::new("kind", ColumnType::Text),
        ]);
    }
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
pub fn write(
    setup: &Setup,
    spooled: &Spooled,
    (kinds, budget): (&ConversionKinds, &Budget),
    sink: &dyn TableSink,
) -> Result<(), SinkError> {
    if setup.counted {
        return write_paths(setup, spooled, budget, sink);
    }
    let reasons = reason_texts();
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
            columns.push(Column::Codes { codes: to_codes(&block.columns[MARK]), dictionary });
        }
        Rows { columns }
    };
    write_days(spooled, TABLE, &fields(setup), &to_rows, sink)
}

fn reason_texts() -> Arc<Vec<Value>> {
    Arc::new(Unattributed::ALL.map(|reason| Value::text(&reason.to_string())).to_vec())
}

/// Writes the table of paths that were counted, in one file: they have no days, and whose row comes first hangs on nothing but
/// what stands in it.
fn write_paths(setup: &Setup, spooled: &Spooled, budget: &Budget, sink: &dyn TableSink) -> Result<(), SinkError> {
    let values = setup.values.len();
    let mut runs = Runs::new(setup.temp.join("unattributed-paths"));
    for block in spooled.days().iter().flat_map(|day| spooled.blocks(day)) {
        let (block, named) = block?;
        let key = |row: usize| {
            let of = |column: usize| block.columns[column][row];
            let conversion = of(CONVERSION) as usize;
            let mut key = named.ids.raw(conversion).to_vec();
            key.push(0);
            let amounts = &named.values[conversion * values..][..values];
            let numbers = std::iter::once(of(MARK)).chain(amounts.iter().copied());
            numbers.chain([MODEL, WINDOW, REASON].map(of)).for_each(|number| key.extend_from_slice(&ordered(number)));
            key
        };
        let mut keys: Vec<Vec<u8>> = (0..block.len()).map(key).collect();
        keys.sort_unstable();
        runs.begin();
        keys.iter().try_for_each(|key| runs.push(key, &[], budget))?;
    }
    runs.flush()?;
    let fields = fields(setup);
    if runs.is_empty() {
        return write_whole(sink, TABLE, &fields, no_rows(&fields));
    }
    let mut merge = Runs::merge([&runs], budget)?;
    let mut rows = std::iter::from_fn(|| next_paths(setup, &mut merge).transpose());
    sink.file(TABLE, ONLY_FILE, &fields, &mut rows)
}

/// The next rows of [`write_paths`], if there are any left.
fn next_paths(setup: &Setup, merge: &mut Merge<'_>) -> Result<Option<Rows>, EngineError> {
    const ROWS: usize = 1 << 14;
    let mut paths = Vec::new();
    // Conversions, values, model, window, reason.
    let mut numbers: Vec<Vec<i64>> = vec![Vec::new(); 4 + setup.values.len()];
    while paths.len() < ROWS {
        let Some((key, _)) = merge.next_row()? else { break };
        let (path, tail) = key.split_at(key.len() - numbers.len() * size_of::<i64>());
        paths.push(Cells::value_of(&path[..path.len() - 1], &ColumnType::Text));
        for (column, bytes) in numbers.iter_mut().zip(tail.chunks_exact(size_of::<i64>())) {
            column.push(from_ordered(bytes));
        }
    }
    if paths.is_empty() {
        return Ok(None);
    }
    let [models, windows, reasons] = [3, 2, 1].map(|from_end| numbers.len() - from_end);
    let mut columns = model_and_window(setup, &numbers[models], &numbers[windows]);
    columns.extend([Column::Values(paths), Column::Ints(numbers[0].clone())]);
    columns.extend(numbers[1..models].iter().map(|amounts| Column::Wide(amounts.iter().copied().map(i128::from).collect())));
    columns.push(Column::Codes { codes: to_codes(&numbers[reasons]), dictionary: reason_texts() });
    Ok(Some(Rows { columns }))
}

/// A number as bytes that are in the order of numbers.
fn ordered(number: i64) -> [u8; 8] {
    (number as u64 ^ 1 << 63).to_be_bytes()
}

fn from_ordered(bytes: &[u8]) -> i64 {
    bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)) as i64 ^ i64::MIN
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
