//! The rows of a table: its columns, their order, and the sums of all that is shown as one row.

use std::ops::Range;
use std::sync::Arc;

use attributary_core::UNATTRIBUTED;
use attributary_core::batch::attribute::CHANNEL;
use attributary_core::table::{Column, Field, NULL_CODE, Rows};
use attributary_core::time::Day;
use attributary_core::value::{ColumnType, Value};
use attributary_journeys::Profiles;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};

use super::{GroupKey, Grouped, NO_DAY, NO_TOUCH, Plan, Sums, disk};
use crate::budget::Budget;
use crate::error::EngineError;
use crate::histories::Standing;
use crate::kinds::ConversionKinds;
use crate::setup::{GroupColumn, Period, Setup, TableSetup};

/// The columns of a grouped table. The partial form has the conversion day behind the `by` columns, unless it is one of them.
#[must_use]
pub fn fields(setup: &Setup, table: &TableSetup, partial: bool) -> Vec<Field> {
    let mut fields = vec![Field::new("model", ColumnType::Text), Field::new("window", ColumnType::Text)];
    let by = if partial { by_with_day(table) } else { table.by.clone() };
    fields.extend(by.iter().map(|column| by_field(setup, *column)));
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
        GroupColumn::Standing => Field::new("standing", ColumnType::Text),
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
    /// The conversions' kinds.
    pub kinds: &'a ConversionKinds,
    /// The memory and the temporary folder.
    pub budget: &'a Budget,
}

/// The order of a table's rows: by the columns that it shows, and where it does not show the conversion's day by that.
pub struct Order<'a> {
    by: Vec<GroupColumn>,
    of: Finish<'a>,
    kind_ranks: Vec<u32>,
    /// The place of `(unattributed)` between two channels, or that of a channel called so.
    unattributed: i64,
}

impl<'a> Finish<'a> {
    /// The order of the rows.
    #[must_use]
    pub fn order(self) -> Order<'a> {
        let unattributed = Value::text(UNATTRIBUTED);
        let channels = &self.profiles.dictionaries[CHANNEL];
        let before = channels.iter().filter(|value| **value < unattributed).count() as i64;
        Order {
            by: by_with_day(self.table),
            of: self,
            kind_ranks: self.kinds.ranks(),
            unattributed: 2 * before + if channels.contains(&unattributed) { 2 } else { 1 },
        }
    }

    /// The models and windows in the order of their names.
    pub(super) fn pairs(self) -> Vec<(usize, usize)> {
        let sorted_by_name = |names: Vec<String>| {
            let mut places: Vec<usize> = (0..names.len()).collect();
            places.sort_by(|one, other| names[*one].cmp(&names[*other]));
            places
        };
        let models = sorted_by_name(self.setup.models.iter().map(|model| model.name.clone()).collect());
        let windows = sorted_by_name(self.setup.rules.windows.iter().map(ToString::to_string).collect());
        models.iter().flat_map(|model| windows.iter().map(|window| (*model, *window))).collect()
    }
}

impl Order<'_> {
    /// What a row shows in a column, as a number of that column's order: null first.
    fn rank(&self, column: usize, key: &GroupKey) -> i64 {
        let Finish { plan, profiles, .. } = self.of;
        match self.by[column] {
            GroupColumn::Conversion(period) => i64::from(period.start(key.day)),
            GroupColumn::Touch(_) if key.touch_day == NO_DAY => NO_DAY.into(),
            GroupColumn::Touch(period) => i64::from(period.start(key.touch_day)),
            GroupColumn::Standing => key.class.standing() as i64,
            GroupColumn::Kind => self.kind_ranks.get(key.class.kind() as usize).map_or(-1, |rank| i64::from(*rank)),
            GroupColumn::Attribute(CHANNEL) if key.touch_group == NO_TOUCH => self.unattributed,
            GroupColumn::Attribute(_) if key.touch_group == NO_TOUCH => 0,
            // Doubled, so that `(unattributed)` finds a place between two channels.
            GroupColumn::Attribute(place) => {
                let profile = plan.example[key.touch_group as usize] as usize;
                2 * i64::from(profiles.rank(place, profiles.codes[place][profile]))
            }
        }
    }

    /// The rank as an unsigned number. Ranks are smaller than 2³¹ either way.
    fn unsigned(&self, column: usize, key: &GroupKey) -> u32 {
        (self.rank(column, key) - i64::from(Day::MIN)) as u32
    }

    /// Appends bytes that are in the order of the rows, the day included.
    pub(super) fn append(&self, key: &GroupKey, bytes: &mut Vec<u8>) {
        (0..self.by.len()).for_each(|column| bytes.extend_from_slice(&self.unsigned(column, key).to_be_bytes()));
    }

    /// How many bytes that are.
    pub(super) fn bytes(&self) -> usize {
        self.by.len() * size_of::<u32>()
    }

    /// How many of the bytes tell apart what the table, or its partial form, shows.
    pub(super) fn shown_bytes(&self, partial: bool) -> usize {
        self.shown(partial) * size_of::<u32>()
    }

    fn shown(&self, partial: bool) -> usize {
        if partial { self.by.len() } else { self.of.table.by.len() }
    }
}

/// The columns that rows are kept apart by: those of the table, and the conversion's day.
fn by_with_day(table: &TableSetup) -> Vec<GroupColumn> {
    let mut by = table.by.clone();
    if !shows_day(table) {
        by.push(GroupColumn::Conversion(Period::Day));
    }
    by
}

/// Rows in memory are handed on this many at a time.
const PIECE_ROWS: usize = 1 << 17;

/// The rows of a table (or of its partial form), sorted by model, window and the columns that come after them: those of one
/// model and window, or some of them, at a time.
///
/// # Errors
/// Where sums are on disk and it fails.
pub fn finish<'a>(
    sums: &'a Sums,
    of: Finish<'a>,
    partial: bool,
) -> Result<Box<dyn Iterator<Item = Result<Rows, EngineError>> + 'a>, EngineError> {
    let grouped = match sums {
        Sums::Memory(grouped) => grouped,
        Sums::Disk(run) => return disk::finish(run, of, partial),
    };
    let by = of.order();
    let order = ordered(grouped.keys.len(), by.shown(partial), |row, column| by.unsigned(column, &grouped.keys[row]));
    // Rows of days (or of channels called alike) that the table does not tell apart come one behind the other.
    let mut ends: Vec<u32> = Vec::new();
    for alike in order.chunk_by(|one, other| one.0 == other.0) {
        ends.push(ends.last().copied().unwrap_or(0) + alike.len() as u32);
    }
    let order: Vec<u32> = order.into_iter().map(|(_, row)| row).collect();
    // Pieces, so that whoever writes them has something to do soon, and may be interrupted.
    let pieces = (0..ends.len()).step_by(PIECE_ROWS).map(|first| first..ends.len().min(first + PIECE_ROWS));
    let pieces: Vec<_> = of.pairs().into_iter().flat_map(|pair| pieces.clone().map(move |piece| (pair, piece))).collect();
    Ok(Box::new(pieces.into_iter().map(move |(pair, piece)| {
        let Output { rows, sums } = sums_of_pair(grouped, of.plan, (&order, &ends), piece, pair);
        let keys: Vec<GroupKey> = rows.iter().map(|row| grouped.keys[*row as usize]).collect();
        Ok(output_rows(of, partial, pair, &keys, sums))
    })))
}

/// Rows of one model and window by their keys and, lane by lane, their sums.
pub(super) fn output_rows(
    of: Finish<'_>,
    partial: bool,
    (model, window): (usize, usize),
    keys: &[GroupKey],
    sums: Vec<Vec<i128>>,
) -> Rows {
    let name = |name: &str| Column::constant(Value::text(name), keys.len());
    let mut columns = vec![name(&of.setup.models[model].name), name(&of.setup.rules.windows[window].to_string())];
    let by = if partial { by_with_day(of.table) } else { of.table.by.clone() };
    columns.extend(by.iter().map(|column| by_column(*column, keys, of)));
    let mut sums = sums.into_iter();
    columns.extend(sums.next().map(Column::Wide));
    let touches = sums.next().unwrap_or_default();
    columns.extend(sums.map(Column::Wide));
    columns.push(Column::Ints(touches.into_iter().map(|count| count as i64).collect()));
    Rows { columns }
}

/// Those rows of a piece that got anything of one model and window, and their sums. Rows that are shown as one end at `ends`
/// of `order`.
fn sums_of_pair(
    grouped: &Grouped,
    plan: &Plan,
    (order, ends): (&[u32], &[u32]),
    piece: Range<usize>,
    (model, window): (usize, usize),
) -> Output {
    const CHUNK: usize = 1 << 13;
    let (width, first) = (plan.width(), plan.lane(model, window));
    let of_some = |(chunk, some): (usize, &[u32])| {
        let mut output = Output::new(plan);
        let mut sums = vec![0; plan.stride()];
        let before = (piece.start + chunk * CHUNK).checked_sub(1);
        let mut start = before.map_or(0, |before| ends[before] as usize);
        for end in some {
            let same = &order[start..*end as usize];
            start = *end as usize;
            sums.fill(0);
            for row in same {
                grouped.sum_up(*row as usize * width + first, &mut sums);
            }
            if sums.iter().any(|sum| *sum != 0) {
                output.push(same[0], &sums);
            }
        }
        output
    };
    let parts: Vec<Output> = ends[piece.clone()].par_chunks(CHUNK).enumerate().map(of_some).collect();
    let mut output = Output::new(plan);
    parts.iter().for_each(|part| output.append(part));
    output
}

/// The ranks of a row's columns, four to a number.
/// Most tables have no more than four columns, and compare one number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ranks(u128, Box<[u128]>);

/// The rows in the order of their columns' ranks, each behind its ranks.
fn ordered(rows: usize, columns: usize, rank: impl Fn(usize, usize) -> u32 + Sync) -> Vec<(Ranks, u32)> {
    let packed = |row: usize, columns: Range<usize>| {
        let all = columns.clone().fold(0_u128, |all, column| all << 32 | u128::from(rank(row, column)));
        all << (32 * (4 - columns.len()) % 128)
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

fn by_column(column: GroupColumn, keys: &[GroupKey], of: Finish<'_>) -> Column {
    let Finish { plan, profiles, .. } = of;
    let codes = |code: &dyn Fn(&GroupKey) -> u32| keys.iter().map(code).collect();
    let attribute = |place: usize, unattributed: u32| {
        codes(&|key| match key.touch_group {
            NO_TOUCH => unattributed,
            group => profiles.codes[place][plan.example[group as usize] as usize],
        })
    };
    match column {
        GroupColumn::Conversion(period) => Column::Ints(keys.iter().map(|key| period.start(key.day).into()).collect()),
        GroupColumn::Touch(period) => {
            let cell = |key: &GroupKey| match key.touch_day {
                NO_DAY => Value::Null,
                day => Value::Int(period.start(day).into()),
            };
            Column::Values(keys.iter().map(cell).collect())
        }
        GroupColumn::Standing => Column::Codes {
            codes: codes(&|key| key.class.standing() as u32),
            dictionary: Arc::new(Standing::ALL.map(Standing::value).to_vec()),
        },
        GroupColumn::Kind => Column::Codes { codes: codes(&|key| key.class.kind()), dictionary: Arc::clone(&of.kinds.values) },
        GroupColumn::Attribute(CHANNEL) => {
            let mut channels = Vec::clone(&profiles.dictionaries[CHANNEL]);
            channels.push(Value::text(UNATTRIBUTED));
            Column::Codes { codes: attribute(CHANNEL, channels.len() as u32 - 1), dictionary: Arc::new(channels) }
        }
        GroupColumn::Attribute(place) => {
            Column::Codes { codes: attribute(place, NULL_CODE), dictionary: Arc::clone(&profiles.dictionaries[place]) }
        }
    }
}
