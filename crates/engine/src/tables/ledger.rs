//! The ledger as a table: one line per model, window and value.

use attributary_core::money::ROUNDING_SCALE;
use attributary_core::table::{Column, Field, Rows};
use attributary_core::time::Day;
use attributary_core::value::{ColumnType, Value};

use crate::ledger::{CreditedDay, Ledger, SourceDay};
use crate::setup::Setup;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The model's name.
    pub model: String,
    /// The window as typed.
    pub window: String,
    /// The value's name.
    pub value: String,
    /// The conversion day, where lines are kept apart by day; rejected rows may have none.
    pub day: Option<Day>,
    /// Minor units.
    pub source: i128,
    /// Minor units.
    pub attributed: i128,
    /// Minor units.
    pub unattributed: i128,
    /// Minor units.
    pub rejected: i128,
    /// 10⁻¹² of the major unit.
    pub rounding: i128,
    /// Conversions that touches got.
    pub attributed_conversions: u64,
    /// Conversions that no touch got.
    pub unattributed_conversions: u64,
}

impl Line {
    /// Source − attributed − unattributed − rejected: 0, or there is a bug.
    #[must_use]
    pub fn difference(&self) -> i128 {
        self.source - self.attributed - self.unattributed - self.rejected
    }
}

/// The lines of a ledger day by day, in the order of the table: model, window, value (as the pipeline lists them), day.
#[must_use]
pub fn day_lines(ledger: &Ledger, setup: &Setup) -> Vec<Line> {
    let (no_source, no_credit) = (SourceDay::default(), CreditedDay::default());
    let mut days: Vec<Option<Day>> = ledger.source.keys().copied().collect();
    days.sort_unstable();
    let mut lines = Vec::new();
    for (model, of_model) in setup.models.iter().enumerate() {
        for (window, of_window) in setup.rules.windows.iter().enumerate() {
            for (value, name) in setup.values.iter().enumerate() {
                for &day in &days {
                    let source = ledger.source.get(&day).unwrap_or(&no_source);
                    let place = day.map(|day| (day, model as u16, window as u16));
                    let credited = place.and_then(|place| ledger.credited.get(&place)).unwrap_or(&no_credit);
                    let of = |sums: &[i128]| sums.get(value).copied().unwrap_or(0);
                    lines.push(Line {
                        model: of_model.name.clone(),
                        window: of_window.to_string(),
                        value: name.clone(),
                        day,
                        source: of(&source.source),
                        attributed: of(&credited.attributed),
                        unattributed: of(&credited.unattributed),
                        rejected: of(&source.rejected),
                        rounding: of(&source.rounding),
                        attributed_conversions: credited.attributed_conversions,
                        unattributed_conversions: credited.unattributed_conversions,
                    });
                }
            }
        }
    }
    lines
}

/// The lines of the ledger, days added up: one for every model, window and value even where there is no day, sorted by
/// model and window, values as the pipeline lists them.
#[must_use]
pub fn lines(day_lines: &[Line], setup: &Setup) -> Vec<Line> {
    let mut lines = Vec::new();
    for model in &setup.models {
        for window in &setup.rules.windows {
            for value in &setup.values {
                let window = window.to_string();
                let mut line = Line {
                    model: model.name.clone(),
                    window,
                    value: value.clone(),
                    day: None,
                    source: 0,
                    attributed: 0,
                    unattributed: 0,
                    rejected: 0,
                    rounding: 0,
                    attributed_conversions: 0,
                    unattributed_conversions: 0,
                };
                let same = |day: &&Line| day.model == line.model && day.window == line.window && day.value == line.value;
                for day in day_lines.iter().filter(same).cloned().collect::<Vec<_>>() {
                    line.source += day.source;
                    line.attributed += day.attributed;
                    line.unattributed += day.unattributed;
                    line.rejected += day.rejected;
                    line.rounding += day.rounding;
                    line.attributed_conversions += day.attributed_conversions;
                    line.unattributed_conversions += day.unattributed_conversions;
                }
                lines.push(line);
            }
        }
    }
    // Stable: values keep the pipeline's order.
    lines.sort_by(|one, other| (&one.model, &one.window).cmp(&(&other.model, &other.window)));
    lines
}

/// The table's columns; with `days` also the day and the counts, as runs keep it to be merged.
#[must_use]
pub fn fields(setup: &Setup, days: bool) -> Vec<Field> {
    let text = |name| Field::new(name, ColumnType::Text);
    let amount = |name| Field::new(name, setup.amount());
    let mut fields = vec![text("model"), text("window"), text("value")];
    if days {
        fields.push(Field::new("conversion_date", ColumnType::Date));
    }
    fields.extend([
        text("currency"),
        amount("source"),
        amount("attributed"),
        amount("unattributed"),
        amount("rejected"),
        amount("difference"),
    ]);
    fields.push(Field::new("rounding", ColumnType::Decimal { precision: 38, scale: ROUNDING_SCALE }));
    if days {
        fields.push(Field::new("attributed_conversions", ColumnType::COUNT));
        fields.push(Field::new("unattributed_conversions", ColumnType::COUNT));
    }
    fields
}

/// The rows of [`fields`].
#[must_use]
pub fn rows(lines: &[Line], setup: &Setup, days: bool) -> Rows {
    let text = |of: &dyn Fn(&Line) -> &str| Column::Values(lines.iter().map(|line| Value::text(of(line))).collect());
    let wide = |of: &dyn Fn(&Line) -> i128| Column::Wide(lines.iter().map(of).collect());
    let mut columns = vec![text(&|line| &line.model), text(&|line| &line.window), text(&|line| &line.value)];
    if days {
        let day = |line: &Line| line.day.map_or(Value::Null, |day| Value::Int(day.into()));
        columns.push(Column::Values(lines.iter().map(day).collect()));
    }
    columns.extend([
        Column::constant(Value::text(&setup.currency.0), lines.len()),
        wide(&|line| line.source),
        wide(&|line| line.attributed),
        wide(&|line| line.unattributed),
        wide(&|line| line.rejected),
        wide(&Line::difference),
        wide(&|line| line.rounding),
    ]);
    if days {
        columns.push(Column::Ints(lines.iter().map(|line| line.attributed_conversions as i64).collect()));
        columns.push(Column::Ints(lines.iter().map(|line| line.unattributed_conversions as i64).collect()));
    }
    Rows { columns }
}
