//! A table's grouping: which touches fall into one row, where rows are found, and which tables are added up from others.

use attributary_core::table::NULL_CODE;
use attributary_core::time::Day;
use attributary_journeys::Profiles;
use rustc_hash::FxHashMap;

use super::{Class, FIXED_LANES, GroupKey, NO_DAY, NO_TOUCH};
use crate::histories::Standing;
use crate::kinds::ConversionKinds;
use crate::setup::{GroupColumn, Period, Setup, TableSetup};

/// A table's grouping, settled once the profiles are known; shared by all threads.
#[derive(Clone)]
pub struct Plan {
    /// Each profile's group of touch attributes.
    pub(super) group_of: Vec<u32>,
    /// A profile of each group.
    pub(super) example: Vec<u32>,
    /// The periods of the touch's day that the table shows.
    pub(super) touch_periods: Vec<Period>,
    /// Whether rows differ by the conversion's kind.
    by_kind: bool,
    /// Whether they differ by what the conversion is to its customer.
    by_standing: bool,
    /// Whether all touches of a conversion fall into one row.
    pub(super) per_conversion: bool,
    /// The table that additive models are added up from once the walk is over: it tells apart all that this one does.
    base: Option<usize>,
    /// For each model its place among those that are counted in the walk; none for the others.
    pub(super) places: Vec<Option<usize>>,
    /// How many models are counted in the walk.
    pub(super) counted: usize,
    pub(super) windows: usize,
    values: usize,
    /// Where rows have a table to find them by: its form.
    pub(super) index: Option<IndexForm>,
}

/// A row for each touch group, day and kind, whether it is there or not.
#[derive(Clone, Copy)]
pub(super) struct IndexForm {
    pub(super) first_day: Day,
    pub(super) days: usize,
    pub(super) kinds: usize,
    pub(super) standings: usize,
}

impl IndexForm {
    /// How many rows each touch group may have.
    pub(super) fn rows(&self) -> usize {
        self.days * self.kinds * self.standings
    }

    /// The place of a day and class among them.
    pub(super) fn row(&self, key: &GroupKey) -> usize {
        let kind = match key.class.kind() {
            NULL_CODE => self.kinds - 1,
            kind => kind as usize,
        };
        let day = (key.day - self.first_day) as usize;
        (day * self.kinds + kind) * self.standings + key.class.standing() as usize
    }
}

/// An index has no more places than this, 8 MiB for each thread; larger tables find their rows by hash.
const MAX_INDEX: usize = 1 << 21;

/// What the groupings of a run are made for.
#[derive(Clone, Copy)]
pub struct Grounds<'a> {
    /// The touches' profiles.
    pub profiles: &'a Profiles,
    /// The conversions' kinds.
    pub kinds: &'a ConversionKinds,
    /// The first and the last day of the conversions.
    pub days: Option<(Day, Day)>,
    /// What a thread may hold of the sums of a table.
    pub memory: u64,
}

impl Plan {
    /// The groupings of all tables of a run.
    #[must_use]
    pub fn all(setup: &Setup, grounds: Grounds<'_>) -> Vec<Self> {
        let mut plans: Vec<Self> = setup.tables.iter().map(|table| Self::new(setup, table, grounds.profiles)).collect();
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
            plan.index = plan.index_form(grounds);
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
            by_standing: table.by.contains(&GroupColumn::Standing),
            base: None,
            places: Vec::new(),
            counted: 0,
            windows: setup.rules.windows.len(),
            values: setup.values.len(),
            index: None,
        }
    }

    /// An index, if the table's rows have a place each and they are few enough.
    fn index_form(&self, grounds: Grounds<'_>) -> Option<IndexForm> {
        let (first, last) = grounds.days?;
        let days = usize::try_from(i64::from(last) - i64::from(first) + 1).ok()?;
        let kinds = if self.by_kind { grounds.kinds.values.len() + 1 } else { 1 };
        let standings = if self.by_standing { Standing::ALL.len() } else { 1 };
        let places = self.groups().checked_mul(days)?.checked_mul(kinds)?.checked_mul(standings)?;
        let most = MAX_INDEX.min(grounds.memory as usize / 2 / size_of::<u32>());
        (self.touch_periods.is_empty() && places <= most).then_some(IndexForm { first_day: first, days, kinds, standings })
    }

    /// How many touch groups there are, that of no touch among them.
    pub(super) fn groups(&self) -> usize {
        self.example.len().max(1) + 1
    }

    pub(super) fn stride(&self) -> usize {
        FIXED_LANES + self.values
    }

    /// The lanes of a row.
    pub(super) fn width(&self) -> usize {
        self.counted * self.windows * self.stride()
    }

    /// The first lane of a model and window in a row.
    pub(super) fn lane(&self, model: usize, window: usize) -> usize {
        (window * self.counted + self.places[model].unwrap_or_default()) * self.stride()
    }

    /// Makes a place for every model.
    pub(super) fn count_all(&mut self) {
        self.places = (0..self.places.len()).map(Some).collect();
        self.counted = self.places.len();
    }

    /// The row to which a row of this table's base belongs.
    pub(super) fn key_of(&self, base: &Self, key: GroupKey) -> GroupKey {
        let touch_group = match key.touch_group {
            _ if self.per_conversion => 0,
            NO_TOUCH => NO_TOUCH,
            group => self.group_of[base.example[group as usize] as usize],
        };
        let touch_day = if key.touch_day == NO_DAY { NO_DAY } else { self.touch_day(key.touch_day) };
        self.key(touch_group, touch_day, key.day, (key.class.kind(), key.class.standing()))
    }

    /// The table that additive models are added up from once the walk is over, if there is one.
    #[must_use]
    pub fn base(&self) -> Option<usize> {
        self.base
    }

    /// Whether all models are counted here in the walk.
    #[must_use]
    pub fn counts_every(&self) -> bool {
        self.counted == self.places.len()
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
    pub(super) fn touch_day(&self, day: Day) -> Day {
        self.touch_periods.iter().map(|period| period.start(day)).max().unwrap_or(NO_DAY)
    }

    pub(super) fn key(&self, touch_group: u32, touch_day: Day, day: Day, (kind, standing): (u32, Standing)) -> GroupKey {
        let kind = if self.by_kind { kind } else { NULL_CODE };
        let standing = if self.by_standing { standing } else { Standing::Other };
        GroupKey { touch_group, touch_day, day, class: Class::new(kind, standing) }
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
