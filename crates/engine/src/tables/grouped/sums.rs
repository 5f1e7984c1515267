//! The sums of a table while the walk adds to them.

use attributary_core::WHOLE_SHARE;
use attributary_core::table::NULL_CODE;
use attributary_core::time::Day;
use rustc_hash::FxHashMap;

use super::{FIXED_LANES, GroupKey, NO_DAY, NO_TOUCH, Plan};

/// One thread's sums of one table.
#[derive(Default)]
pub struct Grouped {
    rows: FxHashMap<u128, u32>,
    /// Rows by the form of the plan, where it has one; [`NO_ROW`] where there is none yet.
    index: Vec<u32>,
    pub(super) keys: Vec<GroupKey>,
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
    pub(super) fn slot(&self, plan: &Plan, row: u32, model: usize, window: usize) -> usize {
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

    pub(super) fn sum(&self, lane: usize) -> i128 {
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
