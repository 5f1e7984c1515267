//! Which rows of the tables are new, and which are gone: rows are the same where all their cells are, and a row that is there
//! twice is two. Files that are the same bytes are not read.

use std::collections::{BTreeMap, BTreeSet};

use attributary_core::table::{Column, Rows};
use attributary_core::value::Value;
use attributary_engine::Interrupt;
use attributary_store::{ChangedTable, PublishedRun, TableEntry, TableReader, read_table};
use xxhash_rust::xxh3::xxh3_128;

use super::conversions::day_of_file;
use crate::error::Error;

/// Every table of either run.
///
/// # Errors
/// Where one cannot be read, or someone interrupts.
pub(super) fn changes(before: &PublishedRun, after: &PublishedRun, interrupt: &Interrupt) -> Result<Vec<ChangedTable>, Error> {
    let names: BTreeSet<&String> = before.manifest.tables.iter().chain(&after.manifest.tables).map(|table| &table.name).collect();
    let of_table = |name: &&String| change(name, &Sides { before, after, interrupt });
    names.iter().map(of_table).collect()
}

struct Sides<'a> {
    before: &'a PublishedRun,
    after: &'a PublishedRun,
    interrupt: &'a Interrupt,
}

fn change(name: &str, runs: &Sides<'_>) -> Result<ChangedTable, Error> {
    let (one, other) = (runs.before.manifest.table(name), runs.after.manifest.table(name));
    let (of_one, of_other) = (files(one), files(other));
    let paths: BTreeSet<&str> = of_one.keys().chain(of_other.keys()).copied().collect();
    let differing: Vec<&str> = paths.iter().copied().filter(|path| of_one.get(path) != of_other.get(path)).collect();
    // What is of one day is in the file of that day; other rows may be in any.
    let mut alike: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    differing.iter().for_each(|path| alike.entry(day_of_file(path).map_or("", |_| path)).or_default().push(path));
    let (mut gone, mut new) = (0, 0);
    for paths in alike.values() {
        let rows = |run: &PublishedRun, table: Option<&TableEntry>| hashes(run, table, paths, runs.interrupt);
        let (of_one, of_other) = unlike(rows(runs.before, one)?, rows(runs.after, other)?);
        (gone, new) = (gone + of_one, new + of_other);
    }
    Ok(ChangedTable {
        name: name.to_owned(),
        rows_before: one.map(|table| table.rows),
        rows_after: other.map(|table| table.rows),
        rows_gone: gone,
        rows_new: new,
        same_files: paths.len() - differing.len(),
        files: paths.len(),
    })
}

/// The files of a table with their SHA-256s.
fn files(table: Option<&TableEntry>) -> BTreeMap<&str, &str> {
    table.iter().flat_map(|table| &table.files).map(|file| (file.path.as_str(), file.sha256.as_str())).collect()
}

/// A hash of each row of some files of a table, sorted. Names and types of columns are part of it.
fn hashes(run: &PublishedRun, table: Option<&TableEntry>, paths: &[&str], interrupt: &Interrupt) -> Result<Vec<u128>, Error> {
    let mut hashes = Vec::new();
    for file in table.iter().flat_map(|table| &table.files).filter(|file| paths.contains(&file.path.as_str())) {
        let reader = read_table(&run.path(file)?)?;
        let columns = columns_hash(&reader);
        for rows in reader {
            interrupt.check()?;
            add_hashes(&rows?, columns, &mut hashes);
        }
    }
    hashes.sort_unstable();
    Ok(hashes)
}

fn columns_hash(reader: &TableReader) -> u128 {
    xxh3_128(format!("{:?}", reader.fields()).as_bytes())
}

/// Adds the hash of each row: that of the hashes of its cells.
fn add_hashes(rows: &Rows, columns: u128, hashes: &mut Vec<u128>) {
    let first = hashes.len();
    hashes.resize(first + rows.len(), columns);
    for column in &rows.columns {
        let mut add = |row: usize, cell: u128| {
            let hash: &mut u128 = &mut hashes[first + row];
            let mut both = [0; 32];
            both[..16].copy_from_slice(&hash.to_le_bytes());
            both[16..].copy_from_slice(&cell.to_le_bytes());
            *hash = xxh3_128(&both);
        };
        if let Column::Codes { codes, dictionary } = column {
            let known: Vec<u128> = dictionary.iter().map(hash).collect();
            let null = hash(&Value::Null);
            codes.iter().enumerate().for_each(|(row, code)| add(row, known.get(*code as usize).copied().unwrap_or(null)));
        } else {
            (0..column.len()).for_each(|row| add(row, hash(&column.value(row))));
        }
    }
}

fn hash(cell: &Value) -> u128 {
    match cell {
        Value::Int(number) => xxh3_128(&number.to_le_bytes()),
        Value::Text(text) => xxh3_128(text.as_bytes()),
        other => xxh3_128(format!("{other:?}").as_bytes()),
    }
}

/// How many are only in the first, and only in the second, of two sorted lists.
fn unlike(one: Vec<u128>, other: Vec<u128>) -> (u64, u64) {
    let (mut gone, mut new) = (0, 0);
    let (mut one, mut other) = (one.into_iter().peekable(), other.into_iter().peekable());
    loop {
        match (one.peek(), other.peek()) {
            (Some(old), Some(later)) if old == later => {
                one.next();
                other.next();
            }
            (Some(old), later) if later.is_none_or(|later| old < later) => {
                one.next();
                gone += 1;
            }
            (_, Some(_)) => {
                other.next();
                new += 1;
            }
            _ => return (gone, new),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn sorted(columns: Vec<Column>) -> Vec<u128> {
        let mut hashes = Vec::new();
        add_hashes(&Rows { columns }, 7, &mut hashes);
        hashes.sort_unstable();
        hashes
    }

    #[test]
    fn rows_are_the_same_whatever_form_their_columns_have() {
        let (a, b) = (Value::text("a"), Value::text("b"));
        let codes = Column::Codes { codes: vec![1, 0, u32::MAX], dictionary: Arc::new(vec![a.clone(), b.clone()]) };
        let one = sorted(vec![codes, Column::Ints(vec![1, 2, 3])]);
        let ints = [2, 1, 3].map(Value::Int).to_vec();
        assert_eq!(one, sorted(vec![Column::Values(vec![a.clone(), b.clone(), Value::Null]), Column::Values(ints.clone())]));
        assert_eq!(unlike(one.clone(), one.clone()), (0, 0));
        let crossed = sorted(vec![Column::Values(vec![b, a, Value::Null]), Column::Values(ints)]);
        assert_eq!(unlike(one, crossed), (2, 2));
    }

    #[test]
    fn a_row_that_is_there_twice_is_two() {
        assert_eq!(unlike(vec![1, 1, 2, 5], vec![1, 2, 2, 3]), (2, 2));
        assert_eq!((unlike(vec![1, 2], Vec::new()), unlike(Vec::new(), vec![1, 2, 3])), ((2, 0), (0, 3)));
    }
}
