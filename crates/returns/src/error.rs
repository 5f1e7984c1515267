//! What can go wrong between sums and tables.

/// Why rows were refused, or a table could not be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReturnsError {
    /// A sum is larger than its column or 128 bits can hold.
    #[error("table {table}: a sum of {column} has more than 38 digits, or more than its column holds")]
    Overflow {
        /// The table.
        table: &'static str,
        /// The column, or what is summed.
        column: String,
    },
    /// A row names a model that the settings do not.
    #[error("unknown model {name:?}, expected one of: {}", known.join(", "))]
    UnknownModel {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// A row names a window that the settings do not.
    #[error("unknown window {name:?}, expected one of: {}", known.join(", "))]
    UnknownWindow {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// A row has more or fewer cells than the settings say.
    #[error("expected {expected} {what}, found {found}")]
    Length {
        /// What the cells are.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A day outside the years 1 to 9999.
    #[error("day {day} is not in the years 1 to 9999")]
    Day {
        /// Counted from 1970-01-01.
        day: i32,
    },
    /// An age that no customer of the years 1 to 9999 can have.
    #[error("a customer cannot be {age} months old")]
    Age {
        /// In months.
        age: u32,
    },
    /// More touched conversions than conversions.
    #[error("expected at most {conversions} touched conversions, found {touched}")]
    Touched {
        /// All of them.
        conversions: u64,
        /// Those that marketing touched.
        touched: u64,
    },
    /// Settings that do not go together.
    #[error("{setting}: {problem}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// What was expected, and what was found.
        problem: String,
    },
    /// Two columns of one table would have the same name.
    #[error("table {table} would have two columns called {name:?}")]
    Column {
        /// The table.
        table: &'static str,
        /// The name.
        name: String,
    },
}

impl ReturnsError {
    pub(crate) fn overflow(table: &'static str, column: impl Into<String>) -> Self {
        Self::Overflow { table, column: column.into() }
    }
}
