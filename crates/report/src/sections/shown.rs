//! Small things that sections have in common: sentences, and tables of another table's rows as they stand.

use maud::{Markup, html};

use super::Block;
use crate::cell::Cell;
use crate::data_table::{DataTable, Head, MOST_ROWS};
use crate::error::ReportError;
use crate::run::Run;
use crate::scan::{Columns, Row};

/// Charts have at most this many rows before the rest is one.
pub(super) const CHART_ROWS: usize = 8;

/// The name of the rest: it has the number of those in it, so that no name of the data is the same by chance.
pub(super) fn others(number: usize) -> String {
    format!("({} others)", crate::number::grouped(&number.to_string()))
}

/// At most this many windows and values get tables of their own.
pub(super) const MOST_TABLES: usize = 6;

/// A sentence.
pub(super) fn says(text: impl AsRef<str>) -> Block {
    Block::Html(html! { p { (text.as_ref()) } })
}

/// A heading within a section.
pub(super) fn heading(text: &str) -> Block {
    Block::Html(html! { h3 { (text) } })
}

/// What is missing, and how to get it. `how` is HTML, so that it can have code in it.
pub(super) fn absent(what: &str, how: &Markup) -> Block {
    Block::Html(html! { p.absent { strong { (what) } " " (how) } })
}

/// The model and window of a figure, as every figure says it.
pub(super) fn under(model: &str, window: &str) -> String {
    format!("Model {model}, window {window}.")
}

/// How a column of a table is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    /// As its type says.
    Itself,
    /// A fraction, in percent.
    Fraction,
    /// A ratio, with two digits.
    Ratio,
}

/// A column that may be there.
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) shown: As,
}

/// A column by its name; underscores are spaces.
fn want(name: &str) -> Wanted {
    Wanted { name: name.to_owned(), title: name.replace('_', " "), shown: As::Itself }
}

/// Every column of a table in its order, without those left out; `fractions` are shown in percent, other floats as ratios.
pub(super) fn every_column(run: &Run, source: &str, left_out: &[&str], fractions: &[&str]) -> Result<Vec<Wanted>, ReportError> {
    let Some(entry) = run.table(source) else { return Ok(Vec::new()) };
    let names = run.columns(entry)?.0.into_iter().map(|field| field.name).filter(|name| !left_out.contains(&name.as_str()));
    let wanted =
        |name: String| Wanted { shown: if fractions.contains(&name.as_str()) { As::Fraction } else { As::Ratio }, ..want(&name) };
    Ok(names.map(wanted).collect())
}

/// The columns that are there, with their heads.
pub(super) fn present(columns: &Columns, wanted: Vec<Wanted>) -> Vec<(Wanted, Head)> {
    let wanted = wanted.into_iter().filter_map(|wanted| {
        let place = columns.place(&wanted.name)?;
        use attributary_core::value::ColumnType::{Decimal, Float, Int};
        let numeric = matches!(columns.0.get(place)?.kind, Decimal { .. } | Float { .. } | Int { .. });
        let head = if numeric { Head::number(&wanted.title) } else { Head::text(&wanted.title) };
        Some((wanted, head))
    });
    wanted.collect()
}

/// The cells of a row.
pub(super) fn cells(row: Row<'_>, columns: &[(Wanted, Head)]) -> Vec<Cell> {
    let cell = |wanted: &Wanted| match (wanted.shown, row.float(&wanted.name)) {
        (As::Fraction, Some(fraction)) => Cell::fraction(fraction),
        (As::Ratio, Some(ratio)) => Cell::ratio(ratio),
        _ => Cell::of(row, &wanted.name),
    };
    columns.iter().map(|(wanted, _)| cell(wanted)).collect()
}

/// The rows of a table as they stand: those that `keep` keeps, those with most of the column `by` first where there is one.
pub(super) fn rows_as_they_stand(
    run: &Run,
    source: &str,
    mut table: DataTable,
    wanted: Vec<Wanted>,
    by: Option<&str>,
    keep: impl Fn(Row<'_>) -> bool,
) -> Result<DataTable, ReportError> {
    if let Some(by) = by {
        table = table.ordered(format!("by {}", by.replace('_', " ")));
    }
    let weight = |row: Row<'_>| by.and_then(|column| row.int(column)).unwrap_or(i128::MIN);
    weighted_rows(run, source, table, wanted, weight, keep)
}

/// The same, those of most weight first.
pub(super) fn weighted_rows(
    run: &Run,
    source: &str,
    mut table: DataTable,
    wanted: Vec<Wanted>,
    weight: impl Fn(Row<'_>) -> i128,
    keep: impl Fn(Row<'_>) -> bool,
) -> Result<DataTable, ReportError> {
    let Some(entry) = run.table(source) else { return Ok(table) };
    let columns = present(&run.columns(entry)?, wanted);
    let mut top = Top::default();
    run.scan(entry, |row| {
        if keep(row) {
            top.push(weight(row), || cells(row, &columns));
        }
        Ok(())
    })?;
    table.heads.extend(columns.into_iter().map(|(_, head)| head));
    top.into_table(&mut table);
    table.without_repetition();
    Ok(table)
}

/// The rows of most weight among any number; of equal ones the first.
pub(super) struct Top<T> {
    rows: Vec<(i128, usize, T)>,
    seen: usize,
}

impl<T> Default for Top<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), seen: 0 }
    }
}

impl<T> Top<T> {
    /// Shows a row; `make` is asked only where it may stay.
    pub(super) fn push(&mut self, weight: i128, make: impl FnOnce() -> T) {
        self.seen += 1;
        let least = self.rows.get(MOST_ROWS - 1).filter(|_| self.rows.len() >= 2 * MOST_ROWS).map(|row| row.0);
        if least.is_none_or(|least| weight > least) {
            self.rows.push((weight, self.seen, make()));
        }
        if self.rows.len() > 4 * MOST_ROWS {
            self.cut();
        }
    }

    /// The rows, those of most weight first, and how many there were.
    pub(super) fn finish(mut self) -> (Vec<T>, usize) {
        self.cut();
        (self.rows.into_iter().map(|(_, _, row)| row).collect(), self.seen)
    }

    fn cut(&mut self) {
        self.rows.sort_by_key(|(weight, place, _)| (std::cmp::Reverse(*weight), *place));
        self.rows.truncate(MOST_ROWS);
    }
}

impl Top<Vec<Cell>> {
    /// Puts the rows into a table.
    pub(super) fn into_table(self, table: &mut DataTable) {
        let (rows, seen) = self.finish();
        table.rows = rows;
        table.whole.rows = seen;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_stay_and_equals_keep_their_order() {
        let mut top = Top::default();
        for place in 0..5_000_i128 {
            top.push(place % 1_000, || place);
        }
        let (rows, seen) = top.finish();
        assert_eq!((rows.len(), seen), (MOST_ROWS, 5_000));
        assert_eq!(rows[..6], [999, 1_999, 2_999, 3_999, 4_999, 998]);
        let mut ascending = Top::default();
        (0..3_000).for_each(|place| ascending.push(place, || place));
        assert_eq!(ascending.finish().0[..2], [2_999, 2_998]);
    }
}
