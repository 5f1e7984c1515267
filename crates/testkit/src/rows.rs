//! Source rows as the oracle takes them, and the files that hold the same rows for a real run.

use attributary_core::money::{ROUNDING_SCALE, Rounded};
use attributary_core::table::Field;
use attributary_core::value::{ColumnType, Value};

use crate::table::Table;

/// A row of the touchpoints. What is not mapped may be filled all the same: the oracle does not look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TouchRow {
    /// The file, counted from 0.
    pub file: u32,
    /// The row's place in its file, from 0.
    pub row: u64,
    /// The customer.
    pub customer: Option<String>,
    /// Microseconds UTC; none also where a text is no time.
    pub time: Option<i64>,
    /// The channel; null and empty are `(not set)`.
    pub channel: Option<String>,
    /// The campaign.
    pub campaign: Option<String>,
    /// The interaction, such as `click`.
    pub interaction: Option<String>,
    /// The touch's id.
    pub id: Option<String>,
    /// One cell per dimension of the settings.
    pub dimensions: Vec<Option<String>>,
}

/// A row of the conversions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversionRow {
    /// The file, counted from 0.
    pub file: u32,
    /// The row's place in its file, from 0.
    pub row: u64,
    /// The conversion's id.
    pub id: Option<String>,
    /// The customer.
    pub customer: Option<String>,
    /// Microseconds UTC; none also where a text is no time.
    pub time: Option<i64>,
    /// The kind, such as `purchase`.
    pub kind: Option<String>,
    /// The id of the order that this row takes back.
    pub refund_of: Option<String>,
    /// One amount per value of the settings, in minor units and with what rounding did to it, as the source has it; none is
    /// invalid.
    pub values: Vec<Option<Rounded>>,
}

/// The touchpoints of one file as a table with the columns `customer`, `time`, `channel`, `campaign`, `interaction`, `id` and the dimensions.
#[must_use]
pub fn touchpoints_table(rows: &[TouchRow], file: u32, dimensions: &[String]) -> Table {
    let mut fields = vec![text("customer"), Field::new("time", ColumnType::instant())];
    fields.extend(["channel", "campaign", "interaction", "id"].map(text));
    fields.extend(dimensions.iter().map(|name| text(name)));
    let cells = |row: &TouchRow| {
        let mut cells = vec![word(&row.customer), instant(row.time)];
        cells.extend([&row.channel, &row.campaign, &row.interaction, &row.id].map(word));
        cells.extend(row.dimensions.iter().map(word));
        cells
    };
    let mut of_file: Vec<_> = rows.iter().filter(|row| row.file == file).collect();
    of_file.sort_by_key(|row| row.row);
    Table { fields, rows: of_file.into_iter().map(cells).collect() }
}

/// The conversions of one file as a table with the columns `id`, `customer`, `time`, `kind`, `refund_of` and the values,
/// decimals with twelve digits behind the point, so that what rounding took away is there again.
#[must_use]
pub fn conversions_table(rows: &[ConversionRow], file: u32, values: &[String], exponent: u8) -> Table {
    let decimal = ColumnType::Decimal { precision: 38, scale: ROUNDING_SCALE };
    let mut fields = vec![text("id"), text("customer"), Field::new("time", ColumnType::instant())];
    fields.extend(["kind", "refund_of"].map(text));
    fields.extend(values.iter().map(|name| Field::new(name, decimal.clone())));
    let unit = 10_i128.pow(u32::from(ROUNDING_SCALE - exponent));
    let amount =
        |value: &Option<Rounded>| value.map_or(Value::Null, |it| Value::Int(i128::from(it.minor) * unit - it.difference));
    let cells = |row: &ConversionRow| {
        let mut cells = vec![word(&row.id), word(&row.customer), instant(row.time), word(&row.kind), word(&row.refund_of)];
        cells.extend(row.values.iter().map(amount));
        cells
    };
    let mut of_file: Vec<_> = rows.iter().filter(|row| row.file == file).collect();
    of_file.sort_by_key(|row| row.row);
    Table { fields, rows: of_file.into_iter().map(cells).collect() }
}

/// A text cell, null where there is none.
#[must_use]
pub fn word(text: &Option<String>) -> Value {
    text.as_deref().map_or(Value::Null, Value::text)
}

/// A time cell, null where there is none.
#[must_use]
pub fn instant(time: Option<i64>) -> Value {
    time.map_or(Value::Null, |time| Value::Int(time.into()))
}

fn text(name: &str) -> Field {
    Field::new(name, ColumnType::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_the_amounts_as_they_were_given() {
        // 12.345 was given, 12.34 is kept, 0.005 less.
        let rounded = Rounded { minor: 1_234, difference: -5_000_000_000 };
        let row = ConversionRow { values: vec![Some(rounded), None], ..ConversionRow::default() };
        let table = conversions_table(&[row], 0, &["revenue".into(), "margin".into()], 2);
        assert_eq!(table.rows[0][5], Value::Int(12_345_000_000_000));
        assert_eq!(table.rows[0][6], Value::Null);
    }
}
