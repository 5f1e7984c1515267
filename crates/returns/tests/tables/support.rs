//! Rows as short words, and cells by the names of their columns.

use attributary_core::table::{Field, Rows};
use attributary_core::time::{Day, parse_day};
use attributary_core::value::{ColumnType, Value};
use attributary_returns::{Cohort, Earned, Lifetime, ModelName, Period, Settings, Spent, Standing, Sums, Table, Touched};

/// One conversion.
pub const WHOLE: i128 = attributary_core::WHOLE_SHARE as i128;

pub fn day(text: &str) -> Day {
    parse_day(text).expect("a day")
}

pub fn text(text: &str) -> Value {
    Value::text(text)
}

/// One model and window, by channel, months; values are revenue, margin and what a customer is worth.
pub fn settings() -> Settings {
    Settings {
        models: vec![ModelName { name: "linear".into(), additive: true }],
        windows: vec!["30d".into()],
        periods: vec![Period::Month],
        by: vec![Field::new("channel", ColumnType::Text)],
        values: ["revenue", "margin", "worth"].map(str::to_owned).to_vec(),
        exponent: 2,
        revenue: 0,
        margin: Some(1),
        lifetime: Some(Lifetime { value: 2, definition: "historic revenue".into() }),
        lead_kind: Some("lead".into()),
        ..Settings::default()
    }
}

pub fn sums(settings: Settings) -> Sums {
    Sums::new(settings).expect("settings that go together")
}

/// A row of `linear`, `30d`; conversions are whole.
pub fn earned<'a>(at: &str, group: &'a [Value], standing: Standing, conversions: i128, values: &'a [i128]) -> Earned<'a> {
    let conversions = conversions * WHOLE;
    Earned { model: "linear", window: "30d", day: day(at), group, kind: &Value::Null, standing, conversions, values }
}

pub fn spent<'a>(at: &str, group: &'a [Value], amount: i128) -> Spent<'a> {
    Spent { day: day(at), group, goal: None, amount, clicks: 0, impressions: 0 }
}

pub fn touched<'a>(at: &str, kind: &'a Value, standing: Standing, counts: (u64, u64), values: &'a [i128]) -> Touched<'a> {
    let (conversions, touched) = counts;
    Touched { window: "30d", day: day(at), kind, standing, conversions, touched, values, touched_values: &[0, 0, 0] }
}

pub fn cohort<'a>(month: &str, channel: &'a Value, age: u32, customers: u64, values: &'a [i128]) -> Cohort<'a> {
    let month = day(month);
    let active = customers;
    Cohort { model: "linear", window: "30d", month, channel, age, customers, active, orders: active, repeaters: 0, values }
}

/// A table whose cells have names.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    pub fields: Vec<Field>,
    pub rows: Rows,
}

impl Grid {
    pub fn of(table: Result<Table, attributary_returns::ReturnsError>) -> Self {
        let (fields, rows) = table.expect("a table");
        assert_eq!(fields.len(), rows.columns.len());
        assert!(rows.columns.iter().all(|column| column.len() == rows.len()), "columns of one length");
        Self { fields, rows }
    }

    pub fn cell(&self, row: usize, name: &str) -> Value {
        let place = self.fields.iter().position(|field| field.name == name);
        self.rows.columns[place.unwrap_or_else(|| panic!("no column {name}"))].value(row)
    }

    /// The one row in which these columns are these texts.
    pub fn find(&self, cells: &[(&str, &str)]) -> usize {
        let mut found = (0..self.rows.len()).filter(|row| cells.iter().all(|(name, cell)| self.text(*row, name) == *cell));
        let row = found.next().unwrap_or_else(|| panic!("no row of {cells:?}"));
        assert_eq!(found.next(), None, "more than one row of {cells:?}");
        row
    }

    pub fn text(&self, row: usize, name: &str) -> String {
        let kind = &self.fields.iter().find(|field| field.name == name).expect("a column").kind;
        self.cell(row, name).display(kind)
    }

    pub fn float(&self, row: usize, name: &str) -> Option<f64> {
        self.cell(row, name).as_float()
    }

    pub fn int(&self, row: usize, name: &str) -> i128 {
        match self.cell(row, name) {
            Value::Int(number) => number,
            other => panic!("{name} of row {row} is {other:?}"),
        }
    }

    /// Whether the rows ascend by these columns, no two alike.
    pub fn assert_sorted(&self, keys: &[&str]) {
        let key = |row: usize| keys.iter().map(|name| self.cell(row, name)).collect::<Vec<_>>();
        for row in 1..self.rows.len() {
            assert!(key(row - 1) < key(row), "{:?} before {:?}", key(row - 1), key(row));
        }
    }
}
