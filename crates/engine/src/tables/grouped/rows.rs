//! The rows of a table: its columns, their order, and the sums of all that is shown as one row.

use std::sync::Arc;

use attributary_core::UNATTRIBUTED;
use attributary_core::batch::attribute::CHANNEL;
use attributary_core::table::{Column, Field, NULL_CODE, Rows};
use attributary_core::time::Day;
use attributary_core::value::{ColumnType, Value};
use attributary_journeys::Profiles;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};

use super::{GroupKey, Grouped, NO_DAY, NO_TOUCH, Plan};
use crate::conversions::Conversions;
use crate::setup::{GroupColumn, Period, Setup, TableSetup};

/// The columns of a grouped table. The partial form has the conversion day before the `by` columns, unless it is one of them.
#[must_use]
pub fn fields(setup: &Setup, table: &TableSetup, partial: bool) -> Vec<Field> {
    let mut fields = vec![Field::new("model", ColumnType::Text), Field::new("window", ColumnType::Text)];
    if partial && !shows_day(table) {
        fields.push(by_field(setup, GroupColumn::Conversion(Period::Day)));
    }
    fields.extend(table.by.iter().map(|column| by_field(setup, *column)));
    fields.push(Field::new("conversions", ColumnType::SHARE));
    fields.extend(setup.value_fields());
    fields.push(Field::new("touches", ColumnType::COUNT));
    fields
}

/// Whether a table is its own partial form.
#[must_use]
pub fn shows_day(table: &TableSetup) -> bool {
    table.by.contains(&GroupColumn::Conversion(Period::Day))
}

/// Name and type of a `by` column.
#[must_use]
pub fn by_field(setup: &Setup, column: GroupColumn) -> Field {
    let period_name = |prefix: &str, period: Period| {
        let suffix = match period {
            Period::Day => "date",
            Period::Week => "week",
            Period::Month => "month",
        };
        format!("{prefix}_{suffix}")
    };
    match column {
        GroupColumn::Conversion(period) => Field::new(period_name("conversion", period), ColumnType::Date),
        GroupColumn::Touch(period) => Field::new(period_name("touch", period), ColumnType::Date),
        GroupColumn::Kind => Field::new("kind", ColumnType::Text),
        GroupColumn::Attribute(place) => setup.attribute_field(place),
    }
}

/// What [`finish`] needs to know of a table.
#[derive(Clone, Copy)]
pub struct Finish<'a> {
    /// The run.
    pub setup: &'a Setup,
    /// The table.
    pub table: &'a TableSetup,
    /// Its grouping.
    pub plan: &'a Plan,
    /// The touches' profiles.
    pub profiles: &'a Profiles,
    /// The conversions.
    pub conversions: &'a Conversions,
}

/// The rows of a table (or of its partial form), sorted by model, window and the columns that come after them: those of one
/// model and window at a time.
pub fn finish<'a>(grouped: &'a Grouped, of: Finish<'a>, partial: bool) -> impl Iterator<Item = Rows> + use<'a> {
    let Finish { setup, table, plan, profiles, conversions } = of;
    let mut by = table.by.clone();
    if partial && !shows_day(table) {
        by.insert(0, GroupColumn::Conversion(Period::Day));
    }
    let kind_ranks = conversions.kind_ranks();
    let unattributed = Value::text(UNATTRIBUTED);
    let unattributed_rank = |place: usize| profiles.dictionaries[place].iter().filter(|value| **value < unattributed).count();

    // What a row shows in a column, as a number of that column's order: null first.
    let rank = |column: GroupColumn, key: &GroupKey| -> i64 {
        match column {
            GroupColumn::Conversion(period) => i64::from(period.start(key.day)),
            GroupColumn::Touch(_) if key.touch_day == NO_DAY => NO_DAY.into(),
            GroupColumn::Touch(period) => i64::from(period.start(key.touch_day)),
            GroupColumn::Kind => kind_ranks.get(key.kind as usize).map_or(-1, |rank| i64::from(*rank)),
            // Doubled, so that `(unattributed)` finds a place between two channels, or the place of a channel called so.
            GroupColumn::Attribute(CHANNEL) if key.touch_group == NO_TOUCH => {
                let place = profiles.dictionaries[CHANNEL].contains(&unattributed);
                2 * unattributed_rank(CHANNEL) as i64 + if place { 2 } else { 1 }
            }
            GroupColumn::Attribute(_) if key.touch_group == NO_TOUCH => 0,
            GroupColumn::Attribute(place) => {
                let profile = plan.example[key.touch_group as usize] as usize;
                2 * i64::from(profiles.rank(place, profiles.codes[place][profile]))
            }
        }
    };
    let order = ordered(grouped.keys.len(), by.len(), |row, column| rank(by[column], &grouped.keys[row]));

    let sorted_by_name = |names: Vec<String>| {
        let mut places: Vec<usize> = (0..names.len()).collect();
        places.sort_by(|one, other| names[*one].cmp(&names[*other]));
        places
    };
    let models = sorted_by_name(setup.models.iter().map(|model| model.name.clone()).collect());
    let windows = sorted_by_name(setup.rules.windows.iter().map(ToString::to_string).collect());

    let pairs: Vec<(usize, usize)> = models.iter().flat_map(|model| windows.iter().map(|window| (*model, *window))).collect();
    // Rows of days (or of channels called alike) that the table does not tell apart come one behind the other.
    let mut ends: Vec<u32> = Vec::new();
    for alike in order.chunk_by(|one, other| one.0 == other.0) {
        ends.push(ends.last().copied().unwrap_or(0) + alike.len() as u32);
    }
    let order: Vec<u32> = order.into_iter().map(|(_, row)| row).collect();
    let names = |names: Vec<String>| Arc::new(names.iter().map(|name| Value::text(name)).collect::<Vec<_>>());
    let model_names = names(setup.models.iter().map(|model| model.name.clone()).collect());
    let window_names = names(setup.rules.windows.iter().map(ToString::to_string).collect());
    let dictionaries: Vec<Arc<Vec<Value>>> = by.iter().map(|column| dictionary(*column, of)).collect();

    pairs.into_iter().map(move |(model, window)| {
        let output = sums_of_pair(grouped, plan, (&order, &ends), (model, window));
        let codes = |code: usize| vec![code as u32; output.rows.len()];
        let mut columns = vec![
            Column::Codes { codes: codes(model), dictionary: Arc::clone(&model_names) },
            Column::Codes { codes: codes(window), dictionary: Arc::clone(&window_names) },
        ];
        let keys: Vec<&GroupKey> = output.rows.iter().map(|row| &grouped.keys[*row as usize]).collect();
        columns.extend(by.iter().zip(&dictionaries).map(|(column, dictionary)| by_column(*column, &keys, dictionary, of)));
        let mut sums = output.sums.into_iter();
        columns.extend(sums.next().map(Column::Wide));
        let touches = sums.next().unwrap_or_default();
        columns.extend(sums.map(Column::Wide));
        columns.push(Column::Ints(touches.into_iter().map(|count| count as i64).collect()));
        Rows { columns }
    })
}

/// The rows of one model and window that got anything, and their sums. Rows that are shown as one end at `ends` of `order`.
fn sums_of_pair(grouped: &Grouped, plan: &Plan, (order, ends): (&[u32], &[u32]), (model, window): (usize, usize)) -> Output {
    const CHUNK: usize = 1 << 13;
    let of_some = |(chunk, some): (usize, &[u32])| {
        let mut output = Output::new(plan);
        let mut sums = vec![0; plan.stride()];
        let mut start = if chunk == 0 { 0 } else { ends[chunk * CHUNK - 1] as usize };
        for end in some {
            let same = &order[start..*end as usize];
            start = *end as usize;
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum = same.iter().map(|row| grouped.sum(grouped.slot(plan, *row, model, window) + lane)).sum::<i128>();
            }
            if sums.iter().any(|sum| *sum != 0) {
                output.push(same[0], &sums);
            }
        }
        output
    };
    let parts: Vec<Output> = ends.par_chunks(CHUNK).enumerate().map(of_some).collect();
    let mut output = Output::new(plan);
    parts.iter().for_each(|part| output.append(part));
    output
}

/// The ranks of a row's columns, four to a number. Ranks are smaller than 2³¹ either way.
/// Most tables have no more than four columns, and compare one number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ranks(u128, Box<[u128]>);

/// The rows in the order of their columns' ranks, each behind its ranks.
fn ordered(rows: usize, columns: usize, rank: impl Fn(usize, usize) -> i64 + Sync) -> Vec<(Ranks, u32)> {
    let packed = |row: usize, columns: std::ops::Range<usize>| {
        let unsigned = |column| u128::from((rank(row, column) - i64::from(Day::MIN)) as u32);
        columns.clone().fold(0_u128, |all, column| all << 32 | unsigned(column)) << (32 * (4 - columns.len()) % 128)
    };
    let ranks = |row: usize| {
        let further = (4..columns).step_by(4).map(|from| packed(row, from..columns.min(from + 4)));
        Ranks(packed(row, 0..columns.min(4)), further.collect())
    };
    let mut order: Vec<(Ranks, u32)> = (0..rows as u32).into_par_iter().map(|row| (ranks(row as usize), row)).collect();
    order.par_sort_unstable();
    order
}

#[derive(Default)]
struct Output {
    rows: Vec<u32>,
    sums: Vec<Vec<i128>>,
}

impl Output {
    fn new(plan: &Plan) -> Self {
        Self { sums: vec![Vec::new(); plan.stride()], ..Self::default() }
    }

    fn append(&mut self, other: &Self) {
        self.rows.extend_from_slice(&other.rows);
        self.sums.iter_mut().zip(&other.sums).for_each(|(column, other)| column.extend_from_slice(other));
    }

    fn push(&mut self, row: u32, sums: &[i128]) {
        self.rows.push(row);
        self.sums.iter_mut().zip(sums).for_each(|(column, sum)| column.push(*sum));
    }
}

/// What the codes of a column stand for; empty where it has none.
fn dictionary(column: GroupColumn, of: Finish<'_>) -> Arc<Vec<Value>> {
    match column {
        GroupColumn::Kind => Arc::new(of.conversions.kind_values.clone()),
        GroupColumn::Attribute(CHANNEL) => {
            let mut channels = Vec::clone(&of.profiles.dictionaries[CHANNEL]);
            channels.push(Value::text(UNATTRIBUTED));
            Arc::new(channels)
        }
        GroupColumn::Attribute(place) => Arc::clone(&of.profiles.dictionaries[place]),
        GroupColumn::Conversion(_) | GroupColumn::Touch(_) => Arc::default(),
    }
}

fn by_column(column: GroupColumn, keys: &[&GroupKey], dictionary: &Arc<Vec<Value>>, of: Finish<'_>) -> Column {
    let Finish { plan, profiles, .. } = of;
    let coded = |codes: Vec<u32>| Column::Codes { codes, dictionary: Arc::clone(dictionary) };
    match column {
        GroupColumn::Conversion(period) => Column::Ints(keys.iter().map(|key| period.start(key.day).into()).collect()),
        GroupColumn::Touch(period) => {
            let cell = |key: &&GroupKey| match key.touch_day {
                NO_DAY => Value::Null,
                day => Value::Int(period.start(day).into()),
            };
            Column::Values(keys.iter().map(cell).collect())
        }
        GroupColumn::Kind => coded(keys.iter().map(|key| key.kind).collect()),
        GroupColumn::Attribute(place) => {
            let unattributed = if place == CHANNEL { dictionary.len() as u32 - 1 } else { NULL_CODE };
            let code = |key: &&GroupKey| match key.touch_group {
                NO_TOUCH => unattributed,
                group => profiles.codes[place][plan.example[group as usize] as usize],
            };
            coded(keys.iter().map(code).collect())
        }
    }
}
