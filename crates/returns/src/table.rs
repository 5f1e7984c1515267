//! Tables put together column by column, so that a field and its cells cannot come apart.

use std::sync::Arc;

use attributary_core::table::{Column, Field, NULL_CODE, Rows};
use attributary_core::time::Day;
use attributary_core::value::{ColumnType, Value};
use rustc_hash::FxHashMap;

use crate::error::ReturnsError;

/// What `Decimal(38, …)` holds: less than this.
const DECIMAL_LIMIT: u128 = 10_u128.pow(38);

/// A table as it grows to the right.
pub(crate) struct Columns {
    table: &'static str,
    fields: Vec<Field>,
    columns: Vec<Column>,
}

impl Columns {
    pub(crate) fn of(table: &'static str) -> Self {
        Self { table, fields: Vec::new(), columns: Vec::new() }
    }

    /// The table, if no two columns have one name.
    pub(crate) fn finish(self) -> Result<(Vec<Field>, Rows), ReturnsError> {
        let mut names: Vec<&str> = self.fields.iter().map(|field| field.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ReturnsError::Column { table: self.table, name: pair[0].to_owned() });
        }
        Ok((self.fields, Rows { columns: self.columns }))
    }

    /// Text of few distinct values.
    pub(crate) fn texts<'a>(&mut self, name: &str, cells: impl Iterator<Item = Option<&'a str>>) {
        self.coded(name, ColumnType::Text, cells, Value::text);
    }

    /// Cells of few distinct values.
    pub(crate) fn values<'a>(&mut self, field: &Field, cells: impl Iterator<Item = &'a Value>) {
        self.coded(&field.name, field.kind.clone(), cells.map(|cell| Some(cell).filter(|cell| !cell.is_null())), Value::clone);
    }

    /// Days.
    pub(crate) fn dates(&mut self, name: &str, cells: impl Iterator<Item = Option<Day>>) {
        self.coded(name, ColumnType::Date, cells, |day| Value::Int(day.into()));
    }

    /// Sums of money in minor units.
    pub(crate) fn amounts(&mut self, name: &str, exponent: u8, cells: impl Iterator<Item = i128>) -> Result<(), ReturnsError> {
        self.decimals(name, ColumnType::amount(exponent), cells)
    }

    /// Sums of money, some of which are null.
    pub(crate) fn maybe_amounts(
        &mut self,
        name: &str,
        exponent: u8,
        cells: impl Iterator<Item = Option<i128>>,
    ) -> Result<(), ReturnsError> {
        let cells: Vec<_> = cells.collect();
        self.fits(name, cells.iter().flatten())?;
        let cells = cells.into_iter().map(|cell| cell.map_or(Value::Null, Value::Int)).collect();
        self.push(name, ColumnType::amount(exponent), Column::Values(cells));
        Ok(())
    }

    /// Sums of shares in billionths of a conversion.
    pub(crate) fn shares(&mut self, name: &str, cells: impl Iterator<Item = i128>) -> Result<(), ReturnsError> {
        self.decimals(name, ColumnType::SHARE, cells)
    }

    /// Whole numbers.
    pub(crate) fn counts(&mut self, name: &str, cells: impl Iterator<Item = u64>) {
        self.push(name, ColumnType::COUNT, Column::Ints(cells.map(|cell| cell as i64).collect()));
    }

    /// Whole numbers, some of which are null.
    pub(crate) fn maybe_counts(&mut self, name: &str, cells: impl Iterator<Item = Option<u64>>) {
        let cells = cells.map(|cell| cell.map_or(Value::Null, |cell| Value::Int(cell.into()))).collect();
        self.push(name, ColumnType::COUNT, Column::Values(cells));
    }

    /// Ratios, null where there is nothing to divide by.
    pub(crate) fn ratios(&mut self, name: &str, cells: impl Iterator<Item = Option<f64>>) {
        self.push(name, ColumnType::Float { bits: 64 }, Column::Floats(cells.collect()));
    }

    fn decimals(&mut self, name: &str, kind: ColumnType, cells: impl Iterator<Item = i128>) -> Result<(), ReturnsError> {
        let cells: Vec<_> = cells.collect();
        self.fits(name, cells.iter())?;
        self.push(name, kind, Column::Wide(cells));
        Ok(())
    }

    fn fits<'a>(&self, name: &str, mut cells: impl Iterator<Item = &'a i128>) -> Result<(), ReturnsError> {
        if cells.any(|cell| cell.unsigned_abs() >= DECIMAL_LIMIT) {
            return Err(ReturnsError::overflow(self.table, name));
        }
        Ok(())
    }

    fn coded<T: Copy + std::hash::Hash + Eq>(
        &mut self,
        name: &str,
        kind: ColumnType,
        cells: impl Iterator<Item = Option<T>>,
        value: impl Fn(T) -> Value,
    ) {
        let (mut known, mut dictionary) = (FxHashMap::default(), Vec::new());
        let mut code = |cell| {
            *known.entry(cell).or_insert_with(|| {
                dictionary.push(value(cell));
                dictionary.len() as u32 - 1
            })
        };
        let codes = cells.map(|cell| cell.map_or(NULL_CODE, &mut code)).collect();
        self.push(name, kind, Column::Codes { codes, dictionary: Arc::new(dictionary) });
    }

    fn push(&mut self, name: &str, kind: ColumnType, column: Column) {
        self.fields.push(Field::new(name, kind));
        self.columns.push(column);
    }
}
