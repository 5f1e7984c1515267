//! The rows of a table, one after the other, by the names of their columns. A table may have any number of rows: sections keep
//! sums and the rows they show, never a table.

use attributary_core::table::{Column, Field, NULL_CODE, Rows};
use attributary_core::value::{ColumnType, TimeUnit, Value};
use attributary_store::{PublishedRun, TableEntry, read_table};

use crate::error::ReportError;

/// The columns of a table, by name.
pub(crate) struct Columns(pub(crate) Vec<Field>);

impl Columns {
    /// Where a column is.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|field| field.name == name)
    }

    /// Whether all of these are there.
    pub(crate) fn have(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.place(name).is_some())
    }

    /// The digits behind the point of a column of decimals; 0 of integers, none of anything else.
    pub(crate) fn scale(&self, name: &str) -> Option<u8> {
        match self.0.get(self.place(name)?)?.kind {
            ColumnType::Decimal { scale, .. } => Some(scale),
            ColumnType::Int { .. } => Some(0),
            _ => None,
        }
    }
}

/// One row.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    columns: &'a Columns,
    rows: &'a Rows,
    row: usize,
}

impl<'a> Row<'a> {
    /// The text of a column; none where it is null, of another type or absent.
    pub(crate) fn text(self, name: &str) -> Option<&'a str> {
        match self.column(name)? {
            Column::Codes { codes, dictionary } => coded(codes, dictionary, self.row)?.as_text(),
            Column::Texts(texts) => texts.get(self.row),
            Column::Values(values) => values.get(self.row)?.as_text(),
            Column::Ints(_) | Column::Wide(_) | Column::Floats(_) => None,
        }
    }

    /// The integer, date or unscaled decimal of a column.
    pub(crate) fn int(self, name: &str) -> Option<i128> {
        let value = match self.column(name)? {
            Column::Ints(cells) => return cells.get(self.row).map(|cell| i128::from(*cell)),
            Column::Wide(cells) => return cells.get(self.row).copied(),
            Column::Codes { codes, dictionary } => coded(codes, dictionary, self.row)?,
            Column::Values(values) => values.get(self.row)?,
            Column::Floats(_) | Column::Texts(_) => return None,
        };
        if let Value::Int(number) = value { Some(*number) } else { None }
    }

    /// The calendar day of a column: of a date itself, of a time the day in UTC.
    pub(crate) fn day(self, name: &str) -> Option<i128> {
        let unit = match &self.columns.0.get(self.columns.place(name)?)?.kind {
            ColumnType::Timestamp { unit: TimeUnit::Second, .. } => 1,
            ColumnType::Timestamp { unit: TimeUnit::Milli, .. } => 1_000,
            ColumnType::Timestamp { unit: TimeUnit::Micro, .. } => 1_000_000,
            ColumnType::Timestamp { unit: TimeUnit::Nano, .. } => 1_000_000_000,
            _ => return self.int(name),
        };
        Some(self.int(name)?.div_euclid(86_400 * unit))
    }

    /// The float of a column.
    pub(crate) fn float(self, name: &str) -> Option<f64> {
        match self.column(name)? {
            Column::Floats(cells) => *cells.get(self.row)?,
            Column::Codes { codes, dictionary } => coded(codes, dictionary, self.row)?.as_float(),
            Column::Values(values) => values.get(self.row)?.as_float(),
            Column::Ints(_) | Column::Wide(_) | Column::Texts(_) => None,
        }
    }

    /// A decimal or float of a column for drawing: never for sums.
    pub(crate) fn drawn(self, name: &str) -> Option<f64> {
        let scale = self.columns.scale(name);
        self.float(name).or_else(|| Some(crate::number::drawn_decimal(self.int(name)?, scale?)))
    }

    /// The cell of a column and its type.
    pub(crate) fn value(self, name: &str) -> Option<(Value, &'a ColumnType)> {
        let place = self.columns.place(name)?;
        Some((self.rows.columns.get(place)?.value(self.row), &self.columns.0.get(place)?.kind))
    }

    fn column(self, name: &str) -> Option<&'a Column> {
        self.rows.columns.get(self.columns.place(name)?)
    }
}

/// The columns of a table's first file, which are those of all.
pub(crate) fn columns(run: &PublishedRun, table: &TableEntry) -> Result<Columns, ReportError> {
    let Some(file) = table.files.first() else { return Ok(Columns(Vec::new())) };
    Ok(Columns(read_table(&run.path(file)?)?.fields().to_vec()))
}

/// Hands over every row of a table.
pub(crate) fn scan(
    run: &PublishedRun,
    table: &TableEntry,
    mut each: impl FnMut(Row<'_>) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    for file in &table.files {
        let reader = read_table(&run.path(file)?)?;
        let columns = Columns(reader.fields().to_vec());
        for rows in reader {
            let rows = rows?;
            for row in 0..rows.len() {
                each(Row { columns: &columns, rows: &rows, row })?;
            }
        }
    }
    Ok(())
}

fn coded<'a>(codes: &[u32], dictionary: &'a [Value], row: usize) -> Option<&'a Value> {
    let code = *codes.get(row)?;
    if code == NULL_CODE { None } else { dictionary.get(code as usize) }
}
