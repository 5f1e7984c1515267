//! A table in memory: what a case gives as a source file, what the oracle expects, what a run wrote.

use attributary_core::money;
use attributary_core::table::Field;
use attributary_core::time::{self, Zone};
use attributary_core::value::{ColumnType, Value};

/// Rows of cells under fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Names and types, in order.
    pub fields: Vec<Field>,
    /// One cell per field in each.
    pub rows: Vec<Vec<Value>>,
}

impl Table {
    /// The place of a column.
    ///
    /// # Errors
    /// Lists the columns there are.
    pub fn place(&self, column: &str) -> Result<usize, String> {
        self.fields.iter().position(|field| field.name == column).ok_or_else(|| {
            let names: Vec<_> = self.fields.iter().map(|field| field.name.as_str()).collect();
            format!("no column {column}, there are {}", names.join(", "))
        })
    }

    /// Only some columns, in the order asked for.
    ///
    /// # Errors
    /// Where one is not there.
    pub fn project(&self, columns: &[String]) -> Result<Self, String> {
        let places = columns.iter().map(|column| self.place(column)).collect::<Result<Vec<_>, _>>()?;
        let pick = |row: &Vec<Value>| places.iter().map(|place| row[*place].clone()).collect();
        let fields = places.iter().map(|place| self.fields[*place].clone()).collect();
        Ok(Self { fields, rows: self.rows.iter().map(pick).collect() })
    }

    /// Takes a column out, where it is there.
    pub fn drop_column(&mut self, column: &str) {
        if let Ok(place) = self.place(column) {
            self.fields.remove(place);
            self.rows.iter_mut().for_each(|row| drop(row.remove(place)));
        }
    }

    /// The same rows in one order, whatever order they came in.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.rows.sort();
        self
    }

    /// As text, one line per row, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let line = |cells: Vec<String>| cells.join(" | ") + "\n";
        let cell = |(value, field): (&Value, &Field)| if value.is_null() { "-".to_owned() } else { value.display(&field.kind) };
        let head = line(self.fields.iter().map(|field| field.name.clone()).collect());
        let row = |row: &Vec<Value>| line(row.iter().zip(&self.fields).map(cell).collect());
        self.rows.iter().map(row).fold(head, |text, line| text + &line)
    }
}

/// What differs between two tables of the same columns, row by row in the order they are in; floats may differ by 10⁻⁹.
/// None where they agree.
#[must_use]
pub fn difference(expected: &Table, found: &Table) -> Option<String> {
    let names = |table: &Table| table.fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
    let same_row = |(one, other): (&Vec<Value>, &Vec<Value>)| {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_cell(one, other))
    };
    let same_rows = expected.rows.len() == found.rows.len() && expected.rows.iter().zip(&found.rows).all(same_row);
    if names(expected) == names(found) && same_rows {
        return None;
    }
    let first = expected.rows.iter().zip(&found.rows).take_while(|pair| same_row(*pair)).count();
    Some(format!("they differ from row {first} on\nexpected:\n{}found:\n{}", expected.text(), found.text()))
}

fn same_cell(one: &Value, other: &Value) -> bool {
    match (one.as_float(), other.as_float()) {
        (Some(one), Some(other)) => one == other || (one - other).abs() <= 1e-9 * one.abs().max(1.0),
        _ => one == other,
    }
}

/// Reads a cell of a type from its text; times without a zone as if they were UTC.
///
/// # Errors
/// Where the text is not of that type, or has more digits than it holds.
pub fn cell(text: Option<&str>, kind: &ColumnType) -> Result<Value, String> {
    let Some(text) = text else { return Ok(Value::Null) };
    let wrong = || format!("{text:?} is no {kind}");
    match kind {
        ColumnType::Text => Ok(Value::text(text)),
        ColumnType::Boolean => text.parse().map(Value::Boolean).map_err(|_| wrong()),
        ColumnType::Int { .. } => text.parse().map(Value::Int).map_err(|_| wrong()),
        ColumnType::Float { .. } => text.parse().map(Value::float).map_err(|_| wrong()),
        ColumnType::Decimal { scale, .. } => {
            let (unscaled, digits) = money::parse_decimal(text).flatten().ok_or_else(wrong)?;
            let missing = u32::from(*scale).checked_sub(digits).ok_or_else(wrong)?;
            Ok(Value::Int(unscaled * 10_i128.pow(missing)))
        }
        ColumnType::Date => time::parse_day(text).map(|day| Value::Int(day.into())).ok_or_else(wrong),
        ColumnType::Timestamp { .. } => {
            time::parse_instant(text, &Zone::utc()).map(|time| Value::Int(time.into())).ok_or_else(wrong)
        }
        ColumnType::Binary => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, f64)]) -> Table {
        let fields = vec![Field::new("name", ColumnType::Text), Field::new("days", ColumnType::Float { bits: 64 })];
        Table { fields, rows: rows.iter().map(|(name, days)| vec![Value::text(name), Value::float(*days)]).collect() }
    }

    #[test]
    fn differences_are_seen_and_float_dust_is_not() {
        assert_eq!(difference(&table(&[("a", 1.0)]), &table(&[("a", 1.0 + 1e-12)])), None);
        for other in [table(&[("a", 1.1)]), table(&[("b", 1.0)]), table(&[]), table(&[("a", 1.0), ("a", 1.0)])] {
            assert!(difference(&table(&[("a", 1.0)]), &other).is_some(), "{}", other.text());
        }
    }

    #[test]
    fn cells_are_read_by_their_type() {
        let amount = ColumnType::amount(2);
        assert_eq!(cell(Some("-1.5"), &amount), Ok(Value::Int(-150)));
        assert!(cell(Some("1.505"), &amount).is_err());
        assert_eq!(cell(None, &amount), Ok(Value::Null));
        assert_eq!(cell(Some("1970-01-02"), &ColumnType::Date), Ok(Value::Int(1)));
        assert_eq!(cell(Some("1970-01-01T00:00:01Z"), &ColumnType::instant()), Ok(Value::Int(1_000_000)));
    }
}
