//! What a run keeps for the next one besides sums: what the conversions of each day were, which files of touchpoints there were
//! and of which hours, and which touches are duplicates for the sake of which day.

use std::collections::BTreeMap;
use std::sync::Arc;

use attributary_core::table::{Column, Field, Rows};
use attributary_core::time::Day;
use attributary_core::value::{ColumnType, Value};
use attributary_engine::prints::Print;
use attributary_store::{PublishedRun, TableEntry, read_table};

use super::files::{Version, Versions};
use super::grouped::Blocks;
use super::hours::{Hours, Touches};
use super::orders::{KnownOrders, Orders};
use crate::error::Error;

/// The names of the tables.
pub(crate) const CONVERSION_DAYS: &str = "conversion_days";
pub(crate) const TOUCH_FILES: &str = "touch_files";
pub(crate) const TOUCH_HOURS: &str = "touch_hours";
pub(crate) const TOUCH_DUPLICATES: &str = "touch_duplicates";
pub(crate) const CONVERSION_FILES: &str = "conversion_files";
pub(crate) const CONVERSION_HOURS: &str = "conversion_hours";
pub(crate) const CONVERSION_IDS: &str = "conversion_ids";

/// Those of them that hang on when a file was looked at, and not only on what is in it.
pub(crate) const OF_FILES: [&str; 6] =
    [TOUCH_FILES, TOUCH_HOURS, TOUCH_DUPLICATES, CONVERSION_FILES, CONVERSION_HOURS, CONVERSION_IDS];

/// What the conversions of each day are.
pub(crate) type Days = BTreeMap<Day, Print>;

pub(crate) fn conversion_day_fields() -> Vec<Field> {
    vec![
        Field::new("conversion_date", ColumnType::Date),
        Field::new("conversions", ColumnType::COUNT),
        Field::new("print", ColumnType::Text),
    ]
}

pub(crate) fn conversion_day_rows(days: &Days) -> Rows {
    Rows {
        columns: vec![
            Column::Ints(days.keys().map(|day| (*day).into()).collect()),
            Column::Ints(days.values().map(|print| print.conversions as i64).collect()),
            Column::Values(days.values().map(|print| Value::text(&format!("{:032x}", print.sum))).collect()),
        ],
    }
}

/// What the conversions of each day were in a run.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn conversion_days(base: &PublishedRun) -> Result<Days, Error> {
    let mut days = Days::new();
    for_each_row(base, state(base, CONVERSION_DAYS), &conversion_day_fields(), |cells| {
        let sum = cells[2].as_text().and_then(|text| u128::from_str_radix(text, 16).ok()).unwrap_or(0);
        if let Some(day) = day_of(&cells[0]) {
            days.insert(day, Print { conversions: int(&cells[1]) as u64, sum });
        }
    })?;
    Ok(days)
}

pub(crate) fn file_fields() -> Vec<Field> {
    let count = |name| Field::new(name, ColumnType::COUNT);
    let text = |name| Field::new(name, ColumnType::Text);
    let modified = Field::new("modified", ColumnType::Int { bits: 64, signed: true });
    vec![
        text("file"),
        count("bytes"),
        modified,
        count("inode"),
        text("footer_sha256"),
        text("content_xxh3"),
        count("touches"),
        Field::new("newest_touch", ColumnType::instant()),
        Field::new("next_touch", ColumnType::instant()),
    ]
}

pub(crate) fn file_rows(versions: &Versions) -> Rows {
    let text = |of: &dyn Fn(&Version) -> Option<String>| {
        Column::Values(versions.values().map(|version| of(version).map_or(Value::Null, |text| Value::text(&text))).collect())
    };
    let ints = |of: &dyn Fn(&Version) -> i64| Column::Ints(versions.values().map(of).collect());
    let numbers = |of: &dyn Fn(&Version) -> Option<i128>| {
        Column::Values(versions.values().map(|version| of(version).map_or(Value::Null, Value::Int)).collect())
    };
    Rows {
        columns: vec![
            Column::Values(versions.keys().map(|path| Value::text(path)).collect()),
            ints(&|version| version.bytes as i64),
            ints(&|version| version.modified),
            ints(&|version| version.inode as i64),
            text(&|version| version.footer.clone()),
            text(&|version| version.content.map(|content| format!("{content:032x}"))),
            numbers(&|version| version.touches.map(|touches| touches.rows.into())),
            numbers(&|version| version.touches?.newest.map(Into::into)),
            numbers(&|version| version.touches?.next.map(Into::into)),
        ],
    }
}

/// The files of touchpoints that a run knew.
///
/// # Errors
/// Where they cannot be read.
pub(crate) fn touch_files(base: &PublishedRun) -> Result<Versions, Error> {
    files(base, TOUCH_FILES)
}

/// The files of conversions that a run knew, where it noted them.
///
/// # Errors
/// Where they cannot be read.
pub(crate) fn conversion_files(base: &PublishedRun) -> Result<Option<Versions>, Error> {
    state(base, CONVERSION_FILES).map(|_| files(base, CONVERSION_FILES)).transpose()
}

fn files(base: &PublishedRun, table: &str) -> Result<Versions, Error> {
    let mut versions = Versions::new();
    for_each_row(base, state(base, table), &file_fields(), |cells| {
        let version = Version {
            bytes: int(&cells[1]) as u64,
            modified: int(&cells[2]) as i64,
            inode: int(&cells[3]) as u64,
            footer: cells[4].as_text().map(str::to_owned),
            content: cells[5].as_text().and_then(|text| u128::from_str_radix(text, 16).ok()),
            touches: number(&cells[6]).map(|rows| Touches {
                rows: rows as u64,
                newest: number(&cells[7]).map(|time| time as i64),
                next: number(&cells[8]).map(|time| time as i64),
            }),
        };
        versions.insert(cells[0].as_text().unwrap_or_default().to_owned(), version);
    })?;
    Ok(versions)
}

pub(crate) fn hour_fields() -> Vec<Field> {
    vec![
        Field::new("file", ColumnType::Text),
        Field::new("first", ColumnType::instant()),
        Field::new("end", ColumnType::instant()),
    ]
}

pub(crate) fn hour_rows(hours: &BTreeMap<String, Hours>) -> Rows {
    let names: Vec<Value> = hours.keys().map(|path| Value::text(path)).collect();
    let mut codes = Vec::new();
    let (mut firsts, mut ends) = (Vec::new(), Vec::new());
    for (code, (first, end)) in hours.values().enumerate().flat_map(|(code, hours)| hours.stretches().map(move |it| (code, it))) {
        codes.push(code as u32);
        firsts.push(first);
        ends.push(end);
    }
    Rows { columns: vec![Column::Codes { codes, dictionary: Arc::new(names) }, Column::Ints(firsts), Column::Ints(ends)] }
}

/// The hours of those files, as far as they were read.
///
/// # Errors
/// Where they cannot be read.
pub(crate) fn touch_hours(base: &PublishedRun) -> Result<BTreeMap<String, Hours>, Error> {
    hours(base, TOUCH_HOURS)
}

/// The hours of the files of conversions, where the run noted them.
///
/// # Errors
/// Where they cannot be read.
pub(crate) fn conversion_hours(base: &PublishedRun) -> Result<Option<BTreeMap<String, Hours>>, Error> {
    state(base, CONVERSION_HOURS).map(|_| hours(base, CONVERSION_HOURS)).transpose()
}

fn hours(base: &PublishedRun, table: &str) -> Result<BTreeMap<String, Hours>, Error> {
    let mut hours: BTreeMap<String, Hours> = BTreeMap::new();
    for_each_row(base, state(base, table), &hour_fields(), |cells| {
        let of_file = hours.entry(cells[0].as_text().unwrap_or_default().to_owned()).or_default();
        of_file.add_stretch(int(&cells[1]) as i64, int(&cells[2]) as i64);
    })?;
    Ok(hours)
}

pub(crate) fn conversion_id_fields() -> Vec<Field> {
    vec![
        Field::new("file", ColumnType::Text),
        Field::new("undated", ColumnType::Boolean),
        Field::new("id_hashes", ColumnType::Binary),
    ]
}

/// A row for each file. Its hashes are one cell, four bytes each: a row for each of them would take longer than all else.
pub(crate) fn conversion_id_rows(known: &KnownOrders) -> Rows {
    let hashes = |orders: &Orders| Value::Binary(orders.ids.iter().flat_map(|id| id.to_le_bytes()).collect());
    Rows {
        columns: vec![
            Column::Values(known.keys().map(|path| Value::text(path)).collect()),
            Column::Values(known.values().map(|orders| Value::Boolean(orders.undated)).collect()),
            Column::Values(known.values().map(hashes).collect()),
        ],
    }
}

/// What a run knew of the files of conversions.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn known_orders(base: &PublishedRun) -> Result<KnownOrders, Error> {
    let mut known = KnownOrders::new();
    for (path, hours) in hours(base, CONVERSION_HOURS)? {
        known.insert(path, Orders { hours, ..Orders::default() });
    }
    for_each_row(base, state(base, CONVERSION_IDS), &conversion_id_fields(), |cells| {
        let orders = known.entry(cells[0].as_text().unwrap_or_default().to_owned()).or_default();
        orders.undated = cells[1] != Value::Boolean(false);
        if let Value::Binary(hashes) = &cells[2] {
            orders.ids = hashes.chunks_exact(4).map(|id| u32::from_le_bytes([id[0], id[1], id[2], id[3]])).collect();
        }
    })?;
    Ok(known)
}

/// A table of the state.
pub(crate) fn state<'a>(base: &'a PublishedRun, name: &str) -> Option<&'a TableEntry> {
    base.manifest.state.iter().find(|entry| entry.name == name)
}

/// The rows of a table of a run, whose columns must be `fields`.
///
/// # Errors
/// Where it is not there or is of other columns.
pub(crate) fn blocks(base: &PublishedRun, entry: Option<&TableEntry>, fields: &[Field]) -> Result<Blocks<'static>, Error> {
    let unlike = |what: String| Error::Input {
        problem: format!("{what} in run {}, which this one would go on from", base.manifest.run_id),
        hint: Some("compute all days anew with --full".to_owned()),
    };
    let Some(entry) = entry else { return Err(unlike("a table that is needed is not there".to_owned())) };
    let mut readers = Vec::new();
    for file in &entry.files {
        let reader = read_table(&base.path(file)?)?;
        if reader.fields() != fields {
            return Err(unlike(format!("table {:?} has other columns or types than it would have now", entry.name)));
        }
        readers.push(reader);
    }
    Ok(Box::new(readers.into_iter().flatten().map(|rows| Ok(rows?))))
}

/// Reads a table of a run row by row.
///
/// # Errors
/// As [`blocks`].
pub(crate) fn for_each_row(
    base: &PublishedRun,
    entry: Option<&TableEntry>,
    fields: &[Field],
    mut each: impl FnMut(&[Value]),
) -> Result<(), Error> {
    for rows in blocks(base, entry, fields)? {
        let rows = rows?;
        (0..rows.len()).for_each(|row| each(&cells_of(&rows, row)));
    }
    Ok(())
}

pub(crate) fn cells_of(rows: &Rows, row: usize) -> Vec<Value> {
    rows.columns.iter().map(|column| column.value(row)).collect()
}

pub(crate) fn day_of(cell: &Value) -> Option<Day> {
    match cell {
        Value::Int(day) => Day::try_from(*day).ok(),
        _ => None,
    }
}

fn number(cell: &Value) -> Option<i128> {
    match cell {
        Value::Int(number) => Some(*number),
        _ => None,
    }
}

pub(crate) fn int(cell: &Value) -> i128 {
    number(cell).unwrap_or(0)
}
