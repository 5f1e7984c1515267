//! Grouped tables of a run and of days that are put in their place, brought together: both are sorted alike, so they are merged
//! row by row, and no more of them is in memory than some thousand rows.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use attributary_core::table::{Column, NULL_CODE, Rows, Texts};
use attributary_core::value::Value;

use crate::error::Error;

/// Rows of a table, some at a time.
pub(crate) type Blocks<'a> = Box<dyn Iterator<Item = Result<Rows, Error>> + 'a>;

/// Two tables of the same columns as one. Both are sorted by their first `keys` columns, and no row of one has the keys of a
/// row of the other.
pub(crate) fn merged<'a>(one: Blocks<'a>, other: Blocks<'a>, keys: usize) -> Blocks<'a> {
    merged_by(one, other, move |one, other| compare(one, other, 0..keys))
}

/// A cell that has nothing.
static NULL: Value = Value::Null;

/// A row of a block.
pub(crate) type Place<'a> = (&'a Rows, usize);

/// Two tables of the same columns as one, both in an order that says which of two rows comes first.
pub(crate) fn merged_by<'a>(
    one: Blocks<'a>,
    other: Blocks<'a>,
    order: impl Fn(Place<'_>, Place<'_>) -> Ordering + 'a,
) -> Blocks<'a> {
    let mut sides = [Side::new(one), Side::new(other)];
    Box::new(std::iter::from_fn(move || {
        let [one, other] = &mut sides;
        match one.fill().and_then(|left| Ok((left, other.fill()?))) {
            Err(error) => Some(Err(error)),
            Ok((false, false)) => None,
            Ok((true, false)) => Some(Ok(one.rest())),
            Ok((false, true)) => Some(Ok(other.rest())),
            Ok((true, true)) => Some(Ok(woven(one, other, &order))),
        }
    }))
}

/// A table whose rows were told apart by a day behind their keys, without it: rows of the same `keys` first columns become one,
/// and their other columns, the day's aside, are added up. What adds up to nothing is left out.
pub(crate) fn without_day(blocks: Blocks<'_>, keys: usize) -> Blocks<'_> {
    let mut blocks = blocks;
    // The last row of the block before: more of it may come.
    let mut open: Option<(Vec<Value>, Vec<i128>)> = None;
    let mut ended = false;
    Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let rows = match blocks.next() {
            Some(Ok(rows)) => rows,
            Some(Err(error)) => return Some(Err(error)),
            None => {
                ended = true;
                let (key, sums) = open.take()?;
                let kept = sums.iter().any(|sum| *sum != 0);
                return kept.then(|| Ok(as_rows(vec![(key, sums)])));
            }
        };
        let mut out = Vec::new();
        let numbers = keys + 1..rows.columns.len();
        let number = |column: usize, row: usize| match &rows.columns[column] {
            Column::Wide(cells) => cells[row],
            Column::Ints(cells) => cells[row].into(),
            other => match other.value(row) {
                Value::Int(number) => number,
                _ => 0,
            },
        };
        for row in 0..rows.len() {
            let same = match &open {
                Some(_) if row > 0 => (0..keys).all(|key| same_cell(&rows.columns[key], row - 1, row)),
                Some((key, _)) => key.iter().enumerate().all(|(place, cell)| rows.columns[place].value(row) == *cell),
                None => false,
            };
            if !same {
                out.extend(open.take().filter(|(_, sums)| sums.iter().any(|sum| *sum != 0)));
                open = Some(((0..keys).map(|key| rows.columns[key].value(row)).collect(), vec![0; numbers.len()]));
            }
            if let Some((_, sums)) = &mut open {
                sums.iter_mut().zip(numbers.clone()).for_each(|(sum, column)| *sum += number(column, row));
            }
        }
        Some(Ok(as_rows(out)))
    }))
}

/// Those rows of some blocks that are wanted, by a cell of each.
pub(crate) fn chosen<'a>(blocks: Blocks<'a>, wanted: impl Fn(&Rows, usize) -> bool + 'a) -> Blocks<'a> {
    Box::new(blocks.map(move |rows| {
        let rows = rows?;
        let kept: Vec<u32> = (0..rows.len()).filter(|row| wanted(&rows, *row)).map(|row| row as u32).collect();
        Ok(if kept.len() == rows.len() { rows } else { taken(&rows, &kept) })
    }))
}

/// One of two tables: the block at hand, and how far it was taken.
struct Side<'a> {
    blocks: Blocks<'a>,
    rows: Option<Rows>,
    next: usize,
}

impl<'a> Side<'a> {
    fn new(blocks: Blocks<'a>) -> Self {
        Self { blocks, rows: None, next: 0 }
    }

    /// Whether there is a row; the next block is fetched where it is needed.
    fn fill(&mut self) -> Result<bool, Error> {
        while self.rows.as_ref().is_none_or(|rows| self.next >= rows.len()) {
            match self.blocks.next().transpose()? {
                Some(rows) => (self.rows, self.next) = (Some(rows), 0),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The rows of the block that are left.
    fn rest(&mut self) -> Rows {
        let rows = self.rows.take().unwrap_or(Rows { columns: Vec::new() });
        let first = std::mem::take(&mut self.next);
        if first == 0 { rows } else { taken(&rows, &(first as u32..rows.len() as u32).collect::<Vec<_>>()) }
    }
}

/// Rows of both in their order, up to the end of the block that ends first.
fn woven(one: &mut Side<'_>, other: &mut Side<'_>, order: &dyn Fn(Place<'_>, Place<'_>) -> Ordering) -> Rows {
    let (Some(left), Some(right)) = (&one.rows, &other.rows) else { return Rows { columns: Vec::new() } };
    let mut pieces: Vec<(bool, Range<usize>)> = Vec::new();
    while one.next < left.len() && other.next < right.len() {
        // From either side as many rows as come before the other's next one.
        let before = run((left, one.next), (right, other.next), order);
        pieces.push((false, one.next..before));
        one.next = before;
        if one.next == left.len() {
            break;
        }
        let before = run((right, other.next), (left, one.next), order);
        pieces.push((true, other.next..before));
        other.next = before;
    }
    let column = |place: usize| joined(&left.columns[place], &right.columns[place], &pieces);
    Rows { columns: (0..left.columns.len()).map(column).collect() }
}

/// Up to where rows come before a row of the other table. Most often that is near or far away: steps that double find it.
fn run((rows, from): Place<'_>, other: Place<'_>, order: &dyn Fn(Place<'_>, Place<'_>) -> Ordering) -> usize {
    let comes_before = |place: usize| order((rows, place), other) == Ordering::Less;
    let (mut low, mut step) = (from, 1);
    while low + step <= rows.len() && comes_before(low + step - 1) {
        low += step;
        step *= 2;
    }
    let mut high = (low + step - 1).min(rows.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if comes_before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// The order of two rows by some of their columns.
pub(crate) fn compare((one, row): Place<'_>, (other, other_row): Place<'_>, keys: Range<usize>) -> Ordering {
    let of_column = |key: usize| match (&one.columns[key], &other.columns[key]) {
        (Column::Ints(cells), Column::Ints(others)) => cells[row].cmp(&others[other_row]),
        (Column::Codes { codes, dictionary }, Column::Codes { codes: others, dictionary: of_others }) => {
            // Null first, whether it has a place in the dictionary or none.
            let cell = dictionary.get(codes[row] as usize).unwrap_or(&NULL);
            cell.cmp(of_others.get(others[other_row] as usize).unwrap_or(&NULL))
        }
        (Column::Texts(cells), Column::Texts(others)) => cells.get(row).cmp(&others.get(other_row)),
        (cells, others) => cells.value(row).cmp(&others.value(other_row)),
    };
    keys.map(of_column).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Of rows that are the same and follow each other, one.
pub(crate) fn distinct(blocks: Blocks<'_>) -> Blocks<'_> {
    // The last row of the block before.
    let mut last: Option<Vec<Value>> = None;
    Box::new(blocks.map(move |rows| {
        let rows = rows?;
        let repeats = |row: usize| match row {
            0 => last.as_ref().is_some_and(|last| rows.columns.iter().zip(last).all(|(column, cell)| column.value(0) == *cell)),
            row => rows.columns.iter().all(|column| same_cell(column, row - 1, row)),
        };
        let kept: Vec<u32> = (0..rows.len()).filter(|row| !repeats(*row)).map(|row| row as u32).collect();
        if let Some(row) = rows.len().checked_sub(1) {
            last = Some(rows.columns.iter().map(|column| column.value(row)).collect());
        }
        Ok(if kept.len() == rows.len() { rows } else { taken(&rows, &kept) })
    }))
}

/// Whether two cells of a column are the same.
fn same_cell(column: &Column, row: usize, other: usize) -> bool {
    match column {
        Column::Ints(cells) => cells[row] == cells[other],
        Column::Codes { codes, .. } if codes[row] == codes[other] => true,
        Column::Texts(cells) => cells.get(row) == cells.get(other),
        _ => column.value(row) == column.value(other),
    }
}

/// The cells of two columns, piece by piece; `true` says that a piece is of the second.
fn joined(one: &Column, other: &Column, pieces: &[(bool, Range<usize>)]) -> Column {
    fn cells<T: Clone>(one: &[T], other: &[T], pieces: &[(bool, Range<usize>)]) -> Vec<T> {
        let mut all = Vec::with_capacity(pieces.iter().map(|(_, rows)| rows.len()).sum());
        pieces.iter().for_each(|(second, rows)| all.extend_from_slice(&if *second { other } else { one }[rows.clone()]));
        all
    }
    match (one, other) {
        (Column::Ints(one), Column::Ints(other)) => Column::Ints(cells(one, other, pieces)),
        (Column::Wide(one), Column::Wide(other)) => Column::Wide(cells(one, other, pieces)),
        (Column::Texts(one), Column::Texts(other)) => {
            let of_piece = |(second, rows): &(bool, Range<usize>)| {
                let texts = if *second { other } else { one };
                rows.clone().map(|row| texts.get(row))
            };
            Column::Texts(texts(pieces.iter().flat_map(of_piece)))
        }
        (Column::Codes { codes, dictionary }, Column::Codes { codes: others, dictionary: of_others }) => {
            let known = dictionary.len() as u32;
            let moved = |code: &u32| if *code == NULL_CODE { NULL_CODE } else { code + known };
            let others: Vec<u32> = others.iter().map(moved).collect();
            let dictionary = dictionary.iter().chain(of_others.iter()).cloned().collect();
            Column::Codes { codes: cells(codes, &others, pieces), dictionary: Arc::new(dictionary) }
        }
        _ => {
            let of_piece = |(second, rows): &(bool, Range<usize>)| {
                let column = if *second { other } else { one };
                rows.clone().map(|row| column.value(row)).collect::<Vec<_>>()
            };
            Column::Values(pieces.iter().flat_map(of_piece).collect())
        }
    }
}

fn texts<'a>(cells: impl Iterator<Item = Option<&'a str>>) -> Texts {
    let mut texts = Texts::default();
    cells.for_each(|cell| texts.push(cell));
    texts
}

/// Some rows by their places.
fn taken(rows: &Rows, places: &[u32]) -> Rows {
    fn cells<T: Clone>(all: &[T], places: &[u32]) -> Vec<T> {
        places.iter().map(|place| all[*place as usize].clone()).collect()
    }
    let column = |column: &Column| match column {
        Column::Ints(all) => Column::Ints(cells(all, places)),
        Column::Wide(all) => Column::Wide(cells(all, places)),
        Column::Floats(all) => Column::Floats(cells(all, places)),
        Column::Values(all) => Column::Values(cells(all, places)),
        Column::Codes { codes, dictionary } => Column::Codes { codes: cells(codes, places), dictionary: Arc::clone(dictionary) },
        Column::Texts(all) => Column::Texts(texts(places.iter().map(|place| all.get(*place as usize)))),
    };
    Rows { columns: rows.columns.iter().map(column).collect() }
}

/// Rows of keys and sums as columns; the last sum is a count.
fn as_rows(rows: Vec<(Vec<Value>, Vec<i128>)>) -> Rows {
    let (keys, sums) = rows.first().map_or((0, 0), |(keys, sums)| (keys.len(), sums.len()));
    let key = |place: usize| Column::Values(rows.iter().map(|(keys, _)| keys[place].clone()).collect());
    let sum = |place: usize| match place + 1 == sums {
        true => Column::Ints(rows.iter().map(|(_, sums)| sums[place] as i64).collect()),
        false => Column::Wide(rows.iter().map(|(_, sums)| sums[place]).collect()),
    };
    Rows { columns: (0..keys).map(key).chain((0..sums).map(sum)).collect() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Row = (Option<u8>, i64, i64);

    /// A table of channel, campaign and day, and a sum and a count, in blocks of `size` rows.
    fn blocks(rows: &BTreeMap<Row, (i128, i64)>, size: usize, coded: bool) -> Blocks<'static> {
        let all: Vec<(Row, (i128, i64))> = rows.iter().map(|(key, sums)| (*key, *sums)).collect();
        let block = move |rows: &[(Row, (i128, i64))]| {
            // Null may have a place of its own among the names.
            let names = (0..8).rev().map(|name| Value::text(&name.to_string()));
            let names: Vec<Value> = names.chain([Value::Null]).collect();
            let null = if size.is_multiple_of(2) { 8 } else { NULL_CODE };
            let code = |name: Option<u8>| name.map_or(null, |name| 7 - u32::from(name));
            let text = if coded {
                Column::Codes { codes: rows.iter().map(|row| code(row.0.0)).collect(), dictionary: Arc::new(names) }
            } else {
                let value = |name: Option<u8>| name.map_or(Value::Null, |name| Value::text(&name.to_string()));
                Column::Values(rows.iter().map(|row| value(row.0.0)).collect())
            };
            let ints = |of: fn(&(Row, (i128, i64))) -> i64| Column::Ints(rows.iter().map(of).collect());
            let wide = Column::Wide(rows.iter().map(|row| row.1.0).collect());
            Ok(Rows { columns: vec![text, ints(|row| row.0.1), ints(|row| row.0.2), wide, ints(|row| row.1.1)] })
        };
        Box::new(all.chunks(size).map(block).collect::<Vec<_>>().into_iter())
    }

    fn cells(blocks: Blocks<'_>) -> Vec<Vec<Value>> {
        let mut all = Vec::new();
        for rows in blocks {
            let rows = rows.expect("rows");
            all.extend((0..rows.len()).map(|row| rows.columns.iter().map(|column| column.value(row)).collect::<Vec<_>>()));
        }
        all
    }

    proptest! {
        #[test]
        fn merging_is_sorting_all_and_days_are_added_up(
            rows in prop::collection::btree_map(
                (prop::option::of(0..8_u8), 0..3_i64, 0..5_i64),
                (-2..3_i128, 0..2_i64, any::<bool>()),
                0..60,
            ),
            sizes in (1..9_usize, 1..9_usize),
            coded in any::<(bool, bool)>(),
        ) {
            let part = |second: bool| -> BTreeMap<Row, (i128, i64)> {
                rows.iter().filter(|(_, sums)| sums.2 == second).map(|(key, sums)| (*key, (sums.0, sums.1))).collect()
            };
            let all: BTreeMap<Row, (i128, i64)> = rows.iter().map(|(key, sums)| (*key, (sums.0, sums.1))).collect();
            let both = || merged(blocks(&part(false), sizes.0, coded.0), blocks(&part(true), sizes.1, coded.1), 3);
            prop_assert_eq!(cells(both()), cells(blocks(&all, 100, true)));

            let mut narrowed: BTreeMap<(Option<u8>, i64), (i128, i64)> = BTreeMap::new();
            for ((name, campaign, _), (sum, count)) in &all {
                let into = narrowed.entry((*name, *campaign)).or_default();
                *into = (into.0 + sum, into.1 + count);
            }
            narrowed.retain(|_, sums| *sums != (0, 0));
            let expected: Vec<Vec<Value>> = narrowed.into_iter().map(|((name, campaign), (sum, count))| {
                let name = name.map_or(Value::Null, |name| Value::text(&name.to_string()));
                vec![name, Value::Int(campaign.into()), Value::Int(sum), Value::Int(count.into())]
            }).collect();
            prop_assert_eq!(cells(without_day(both(), 2)), expected);

            let odd = cells(chosen(both(), |rows, row| matches!(rows.columns[2].value(row), Value::Int(day) if day % 2 == 1)));
            let expected: Vec<_> = cells(both()).into_iter().filter(|row| matches!(row[2], Value::Int(day) if day % 2 == 1)).collect();
            prop_assert_eq!(odd, expected);
        }
    }
}
