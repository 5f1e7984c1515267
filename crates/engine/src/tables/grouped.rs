//! Grouped tables: attributed shares, values and touches by whatever columns the pipeline names.
//!
//! Sums are kept per conversion day even where the table does not show it, so that days can be replaced and parts added
//! up. A row of the accumulator holds all windows and models side by side: a touch finds its row once, and every further
//! model costs only its additions. A table that shows less than another one is not counted in the walk at all, participation
//! aside: it is added up from the other when the walk is over.

use std::sync::Arc;

use attributary_core::batch::attribute::CHANNEL;
use attributary_core::table::{Column, Field, NULL_CODE, Rows};
use attributary_core::time::Day;
use attributary_core::value::{ColumnType, Value};
use attributary_core::{UNATTRIBUTED, WHOLE_SHARE};
use attributary_journeys::Profiles;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use rustc_hash::FxHashMap;

use crate::conversions::Conversions;
use crate::setup::{GroupColumn, Period, Setup, TableSetup};

/// The day of a touch where there is no touch.
const NO_DAY: Day = Day::MIN;

/// The touch group of conversions that no touch got.
const NO_TOUCH: u32 = u32::MAX;

/// The lanes of a slot before its values: share and touches.
const FIXED_LANES: usize = 2;

/// A table's grouping, settled once the profiles are known; shared by all threads.
pub struct Plan {
    /// Each profile's group of touch attributes.
    group_of: Vec<u32>,
    /// A profile of each group.
    example: Vec<u32>,
    /// The periods of the touch's day that the table shows.
    touch_periods: Vec<Period>,
    /// Whether rows differ by the conversion's kind.
    by_kind: bool,
    /// Whether all touches of a conversion fall into one row.
    per_conversion: bool,
    /// The table that additive models are added up from once the walk is over: it tells apart all that this one does.
    base: Option<usize>,
    /// For each model its place among those that are counted in the walk; none for the others.
    places: Vec<Option<usize>>,
    /// How many models are counted in the walk.
    counted: usize,
    windows: usize,
    values: usize,
    /// Where rows have a table to find them by: its form.
    index: Option<IndexForm>,
}

/// A row for each touch group, day and kind, whether it is there or not.
#[derive(Clone, Copy)]
struct IndexForm {
    first_day: Day,
    days: usize,
    kinds: usize,
}

/// An index has no more places than this, 8 MiB for each thread; larger tables find their rows by hash.
const MAX_INDEX: usize = 1 << 21;

/// Where a row's sums belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct GroupKey {
    touch_group: u32,
    touch_day: Day,
    day: Day,
    kind: u32,
}

/// One thread's sums of one table.
#[derive(Default)]
pub struct Grouped {
    rows: FxHashMap<u128, u32>,
    /// Rows by the form of the plan, where it has one; [`NO_ROW`] where there is none yet.
    index: Vec<u32>,
    keys: Vec<GroupKey>,
    /// Per row, window and counted model: share, touches, values.
    lanes: Vec<i64>,
    /// What overflowed a lane.
    carry: FxHashMap<usize, i128>,
    /// The last participation that a row was counted for.
    stamps: Vec<u64>,
}

const NO_ROW: u32 = u32::MAX;

/// The parts of one conversion's share and values, one per touch.
pub struct Parts<'a> {
    /// Billionths.
    pub shares: &'a [i64],
    /// Minor units, per value.
    pub values: &'a [Vec<i64>],
}

impl Plan {
    /// The groupings of all tables of a run.
    #[must_use]
    pub fn all(setup: &Setup, profiles: &Profiles, conversions: &Conversions) -> Vec<Self> {
        let mut plans: Vec<Self> = setup.tables.iter().map(|table| Self::new(setup, table, profiles)).collect();
        let contains = |one: usize, other: usize| contains(&setup.tables[one], &setup.tables[other]);
        for (number, plan) in plans.iter_mut().enumerate() {
            // Of tables that tell the same apart, the first is the base of the others.
            let above = |other: usize| contains(other, number) && (!contains(number, other) || other < number);
            let others = 0..setup.tables.len();
            plan.base = others
                .clone()
                .filter(|other| above(*other))
                .find(|base| !others.clone().any(|other| contains(other, *base) && (!contains(*base, other) || other < *base)));
            let counted = setup.models.iter().map(|model| plan.base.is_none() || !model.additive);
            let mut next = 0;
            plan.places = counted
                .map(|counted| {
                    next += usize::from(counted);
                    counted.then(|| next - 1)
                })
                .collect();
            plan.counted = next;
            plan.index = plan.index_form(conversions);
        }
        plans
    }

    fn new(setup: &Setup, table: &TableSetup, profiles: &Profiles) -> Self {
        let attributes: Vec<usize> = table.by.iter().filter_map(|column| attribute(*column)).collect();
        let mut groups: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
        let mut example = Vec::new();
        let group_of = (0..profiles.len())
            .map(|profile| {
                let codes = attributes.iter().map(|place| profiles.codes[*place][profile]).collect();
                let next = groups.len() as u32;
                let group = *groups.entry(codes).or_insert(next);
                if group == next {
                    example.push(profile as u32);
                }
                group
            })
            .collect();
        let touch_periods = touch_periods(table);
        Self {
            group_of,
            example,
            per_conversion: attributes.is_empty() && touch_periods.is_empty(),
            touch_periods,
            by_kind: table.by.contains(&GroupColumn::Kind),
            base: None,
            places: Vec::new(),
            counted: 0,
            windows: setup.rules.windows.len(),
            values: setup.values.len(),
            index: None,
        }
    }

    /// An index, if the table's rows have a place each and they are few enough.
    fn index_form(&self, conversions: &Conversions) -> Option<IndexForm> {
        let in_range = (0..conversions.len()).filter(|conversion| conversions.in_range(*conversion));
        let (first, last) = in_range.fold((Day::MAX, Day::MIN), |(first, last), conversion| {
            let day = conversions.days[conversion];
            (first.min(day), last.max(day))
        });
        let days = usize::try_from(i64::from(last) - i64::from(first) + 1).ok()?;
        let kinds = if self.by_kind { conversions.kind_values.len() + 1 } else { 1 };
        let places = self.groups().checked_mul(days)?.checked_mul(kinds)?;
        (self.touch_periods.is_empty() && places <= MAX_INDEX).then_some(IndexForm { first_day: first, days, kinds })
    }

    /// How many touch groups there are, that of no touch among them.
    fn groups(&self) -> usize {
        self.example.len().max(1) + 1
    }

    fn stride(&self) -> usize {
        FIXED_LANES + self.values
    }

    /// The lanes of a row.
    fn width(&self) -> usize {
        self.counted * self.windows * self.stride()
    }

    /// The table that additive models are added up from once the walk is over, if there is one.
    #[must_use]
    pub fn base(&self) -> Option<usize> {
        self.base
    }

    /// Whether a model is counted here in the walk.
    #[must_use]
    pub fn counts(&self, model: usize) -> bool {
        self.places[model].is_some()
    }

    /// Whether any model is.
    #[must_use]
    pub fn counts_any(&self) -> bool {
        self.counted > 0
    }

    /// One day for all days that the table does not tell apart, so that participation is counted at the grain that is
    /// shown. Weeks and months do not nest, but the latest of their first days lies in the same ones as the day itself.
    fn touch_day(&self, day: Day) -> Day {
        self.touch_periods.iter().map(|period| period.start(day)).max().unwrap_or(NO_DAY)
    }

    fn key(&self, touch_group: u32, touch_day: Day, day: Day, kind: u32) -> GroupKey {
        GroupKey { touch_group, touch_day, day, kind: if self.by_kind { kind } else { NULL_CODE } }
    }
}

fn attribute(column: GroupColumn) -> Option<usize> {
    match column {
        GroupColumn::Attribute(place) => Some(place),
        _ => None,
    }
}

fn touch_periods(table: &TableSetup) -> Vec<Period> {
    let period = |column: &GroupColumn| match column {
        GroupColumn::Touch(period) => Some(*period),
        _ => None,
    };
    table.by.iter().filter_map(period).collect()
}

/// Whether a table tells apart all that another one does, its conversion day (which every table keeps) aside.
fn contains(table: &TableSetup, other: &TableSetup) -> bool {
    let columns = |table: &TableSetup, column: &GroupColumn| table.by.contains(column);
    other.by.iter().all(|column| match column {
        GroupColumn::Conversion(_) => true,
        GroupColumn::Touch(_) => true,
        column => columns(table, column),
    }) && {
        let (periods, others) = (touch_periods(table), touch_periods(other));
        others.is_empty() || periods.contains(&Period::Day) || periods == others
    }
}

impl Grouped {
    /// An empty one.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let places = plan.index.filter(|_| plan.counts_any()).map_or(0, |form| plan.groups() * form.days * form.kinds);
        Self { index: vec![NO_ROW; places], ..Self::default() }
    }

    /// Finds the rows of a conversion's touches, given by profile and time. `day_of` gives a touch's day.
    pub fn find_rows(
        &mut self,
        plan: &Plan,
        (day, kind): (Day, u32),
        touches: impl Iterator<Item = (u32, i64)>,
        day_of: impl Fn(i64) -> Day,
        rows: &mut Vec<u32>,
    ) {
        rows.clear();
        if plan.per_conversion {
            let row = self.row(plan, plan.key(0, NO_DAY, day, kind));
            rows.extend(touches.map(|_| row));
            return;
        }
        if plan.touch_periods.is_empty() {
            rows.extend(touches.map(|(profile, _)| self.row(plan, plan.key(plan.group_of[profile as usize], NO_DAY, day, kind))));
            return;
        }
        let mut last = None;
        for (profile, time) in touches {
            let key = plan.key(plan.group_of[profile as usize], plan.touch_day(day_of(time)), day, kind);
            let row = match last {
                Some((known, row)) if known == key => row,
                _ => self.row(plan, key),
            };
            last = Some((key, row));
            rows.push(row);
        }
    }

    /// Asks for the lanes that some rows have for a window, all at once. The sums of a large table lie far from the core;
    /// asked for one by one, in the order in which they are added to, the core would wait for each.
    pub fn warm_up(&self, plan: &Plan, rows: &[u32], window: usize) {
        const LANES_OF_A_LINE: usize = 8;
        let (width, of_window) = (plan.width(), plan.counted * plan.stride());
        let mut any = 0;
        for row in rows {
            let start = *row as usize * width + window * of_window;
            for lane in self.lanes[start..start + of_window].iter().step_by(LANES_OF_A_LINE) {
                any |= lane;
            }
        }
        std::hint::black_box(any);
    }

    /// Adds the parts that touches in `rows` got of a conversion of these `values`.
    pub fn add_parts(&mut self, plan: &Plan, place: (usize, usize), rows: &[u32], parts: &Parts<'_>, values: &[i64]) {
        if plan.per_conversion {
            // All parts fall into one row, where they are the conversion again.
            let touches = parts.shares.iter().filter(|share| **share > 0).count();
            return self.add_whole(plan, place, rows[0], touches as i64, values);
        }
        let (width, stride) = (plan.width(), plan.stride());
        let first = self.slot(plan, 0, place.0, place.1);
        for (touch, (row, share)) in rows.iter().zip(parts.shares).enumerate() {
            let slot = *row as usize * width + first;
            let lanes = &mut self.lanes[slot..slot + stride];
            let mut overflow = add(&mut lanes[0], *share);
            overflow |= add(&mut lanes[1], i64::from(*share > 0));
            for (lane, of_touches) in lanes[FIXED_LANES..].iter_mut().zip(parts.values) {
                overflow |= add(lane, of_touches[touch]);
            }
            if overflow {
                self.carry_over_parts(slot, touch, parts);
            }
        }
    }

    /// Carries over what the parts of a touch made overflow.
    #[cold]
    fn carry_over_parts(&mut self, slot: usize, touch: usize, parts: &Parts<'_>) {
        let added = [parts.shares[touch], i64::from(parts.shares[touch] > 0)].into_iter();
        for (lane, added) in added.chain(parts.values.iter().map(|of_touches| of_touches[touch])).enumerate() {
            let before = self.lanes[slot + lane].wrapping_sub(added);
            if before.checked_add(added).is_none() {
                self.carry_over(slot + lane, added);
            }
        }
    }

    /// Adds a whole conversion to one row. `touches` of it got a part.
    pub fn add_whole(&mut self, plan: &Plan, (model, window): (usize, usize), row: u32, touches: i64, values: &[i64]) {
        let slot = self.slot(plan, row, model, window);
        self.add(slot, WHOLE_SHARE);
        self.add(slot + 1, touches);
        for (value, amount) in values.iter().enumerate() {
            self.add(slot + FIXED_LANES + value, *amount);
        }
    }

    /// Adds the whole conversion once to each distinct one of `rows`. `stamp` is another number for every call.
    pub fn add_participation(&mut self, plan: &Plan, place: (usize, usize), rows: &[u32], stamp: u64, values: &[i64]) {
        if plan.per_conversion {
            return self.add_whole(plan, place, rows[0], rows.len() as i64, values);
        }
        for row in rows {
            if std::mem::replace(&mut self.stamps[*row as usize], stamp) == stamp {
                let slot = self.slot(plan, *row, place.0, place.1);
                self.add(slot + 1, 1);
            } else {
                self.add_whole(plan, place, *row, 1, values);
            }
        }
    }

    /// Adds a conversion that no touch got.
    pub fn add_unattributed(&mut self, plan: &Plan, place: (usize, usize), (day, kind): (Day, u32), values: &[i64]) {
        let touch_group = if plan.per_conversion { 0 } else { NO_TOUCH };
        let row = self.row(plan, plan.key(touch_group, NO_DAY, day, kind));
        self.add_whole(plan, place, row, 0, values);
    }

    /// Adds another thread's sums.
    pub fn absorb(&mut self, plan: &Plan, other: &Self) {
        for (number, key) in other.keys.iter().enumerate() {
            let row = self.row(plan, *key) as usize;
            self.add_lanes(row * plan.width(), other, number * plan.width(), plan.width());
        }
    }

    /// The sums of all models: those that were counted here, and the others from the base of this table.
    #[must_use]
    pub fn complete(self, plan: &mut Plan, base_plan: &Plan, base: &Self) -> Self {
        let own_places = std::mem::replace(&mut plan.places, (0..base_plan.places.len()).map(Some).collect());
        let own_width = plan.width();
        plan.counted = plan.places.len();
        let (stride, windows) = (plan.stride(), plan.windows);
        let mut all = Self::new(plan);
        let models = |counted: &[Option<usize>]| -> Vec<(usize, usize)> {
            let counted = counted.iter().enumerate();
            counted.filter_map(|(model, place)| place.map(|place| (model, place))).collect()
        };
        let own_models = models(&own_places);
        let own_counted = own_models.len();
        for (number, key) in self.keys.iter().enumerate() {
            let row = all.row(plan, *key);
            for window in 0..windows {
                for &(model, place) in &own_models {
                    let from = number * own_width + (window * own_counted + place) * stride;
                    all.add_lanes(all.slot(plan, row, model, window), &self, from, stride);
                }
            }
        }
        let additive = |model: &usize| own_places[*model].is_none();
        for (number, key) in base.keys.iter().enumerate() {
            let touch_group = match key.touch_group {
                _ if plan.per_conversion => 0,
                NO_TOUCH => NO_TOUCH,
                group => plan.group_of[base_plan.example[group as usize] as usize],
            };
            let touch_day = if key.touch_day == NO_DAY { NO_DAY } else { plan.touch_day(key.touch_day) };
            let row = all.row(plan, plan.key(touch_group, touch_day, key.day, key.kind));
            for window in 0..windows {
                for model in (0..plan.places.len()).filter(additive) {
                    let from = base.slot(base_plan, number as u32, model, window);
                    all.add_lanes(all.slot(plan, row, model, window), base, from, stride);
                }
            }
        }
        all
    }

    /// Adds `count` lanes of another from `from` on to those from `to` on.
    fn add_lanes(&mut self, to: usize, other: &Self, from: usize, count: usize) {
        for lane in 0..count {
            self.add(to + lane, other.lanes[from + lane]);
            if let Some(carried) = other.carry.get(&(from + lane)).filter(|_| !other.carry.is_empty()) {
                *self.carry.entry(to + lane).or_default() += carried;
            }
        }
    }

    #[inline]
    fn row(&mut self, plan: &Plan, key: GroupKey) -> u32 {
        let Some(form) = plan.index else { return self.row_by_hash(plan, key) };
        let group = if key.touch_group == NO_TOUCH { plan.groups() - 1 } else { key.touch_group as usize };
        let kind = if key.kind == NULL_CODE { form.kinds - 1 } else { key.kind as usize };
        let place = (group * form.days + (key.day - form.first_day) as usize) * form.kinds + kind;
        match self.index[place] {
            NO_ROW => {
                let row = self.push_row(plan, key);
                self.index[place] = row;
                row
            }
            row => row,
        }
    }

    fn row_by_hash(&mut self, plan: &Plan, key: GroupKey) -> u32 {
        let packed = u128::from(key.touch_group) << 96
            | u128::from(key.touch_day as u32) << 64
            | u128::from(key.day as u32) << 32
            | u128::from(key.kind);
        let next = self.keys.len() as u32;
        let row = *self.rows.entry(packed).or_insert(next);
        if row == next {
            self.push_row(plan, key);
        }
        row
    }

    fn push_row(&mut self, plan: &Plan, key: GroupKey) -> u32 {
        self.keys.push(key);
        self.stamps.push(0);
        self.lanes.resize(self.lanes.len() + plan.width(), 0);
        self.keys.len() as u32 - 1
    }

    /// The first lane of a model that is counted.
    fn slot(&self, plan: &Plan, row: u32, model: usize, window: usize) -> usize {
        let place = plan.places[model].unwrap_or_default();
        ((row as usize * plan.windows + window) * plan.counted + place) * plan.stride()
    }

    #[inline]
    fn add(&mut self, lane: usize, amount: i64) {
        if add(&mut self.lanes[lane], amount) {
            self.carry_over(lane, amount);
        }
    }

    /// The lane wrapped around by 2⁶⁴; sums have 38 digits, so the rest is kept beside it.
    #[cold]
    fn carry_over(&mut self, lane: usize, amount: i64) {
        *self.carry.entry(lane).or_default() += if amount > 0 { 1 << 64 } else { -(1 << 64) };
    }

    fn sum(&self, lane: usize) -> i128 {
        let carried = if self.carry.is_empty() { 0 } else { self.carry.get(&lane).copied().unwrap_or(0) };
        i128::from(self.lanes[lane]) + carried
    }
}

/// Adds to a lane, and says whether it wrapped around.
#[inline]
fn add(lane: &mut i64, amount: i64) -> bool {
    let (sum, overflow) = lane.overflowing_add(amount);
    *lane = sum;
    overflow
}

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

/// The sums of a table over all its rows, for each model and window: share, then values. For additive models, the whole source.
#[must_use]
pub fn totals(grouped: &Grouped, plan: &Plan) -> FxHashMap<(usize, usize), Vec<i128>> {
    // Row by row, as they lie: the sums of one model alone are far apart.
    let mut sums = vec![0_i128; plan.width()];
    for row in 0..grouped.keys.len() {
        let first = row * plan.width();
        sums.iter_mut().zip(first..).for_each(|(sum, lane)| *sum += grouped.sum(lane));
    }
    let mut totals = FxHashMap::default();
    for model in (0..plan.places.len()).filter(|model| plan.counts(*model)) {
        for window in 0..plan.windows {
            let slot = &sums[grouped.slot(plan, 0, model, window)..][..plan.stride()];
            totals.insert((model, window), slot[..1].iter().chain(&slot[FIXED_LANES..]).copied().collect());
        }
    }
    totals
}
