//! The sums of a table while the walk adds to them.

use std::ops::Range;

use attributary_core::WHOLE_SHARE;
use attributary_core::time::Day;
use rustc_hash::FxHashMap;

use super::{FIXED_LANES, GroupKey, NO_DAY, NO_TOUCH, OfConversion, Plan};
use crate::budget::Budget;
use crate::error::EngineError;

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

/// What the touches of one conversion got under one window: for each touch the lanes of all models, as they lie in a row of
/// a table that counts every model. Of these, the lanes from the first to the last model that gave anything are added.
#[derive(Debug, Default)]
pub struct Parts {
    width: usize,
    stride: usize,
    cells: Vec<i64>,
    /// The lanes of the models that gave anything.
    lanes: Range<usize>,
    /// These models.
    models: Vec<usize>,
    /// For each of these the sum over all touches.
    totals: Vec<i64>,
}

impl Parts {
    /// Nothing yet for `touches` touches under `models` models with `values` values.
    pub fn begin(&mut self, touches: usize, models: usize, values: usize) {
        self.stride = FIXED_LANES + values;
        self.width = models * self.stride;
        self.lanes = 0..0;
        self.models.clear();
        self.cells.clear();
        self.cells.resize(touches * self.width, 0);
    }

    /// Says that a model is going to give.
    pub fn open(&mut self, model: usize) {
        let own = model * self.stride..(model + 1) * self.stride;
        self.models.push(model);
        self.lanes = if self.lanes.is_empty() { own } else { self.lanes.start.min(own.start)..self.lanes.end.max(own.end) };
    }

    /// The lanes of the models that gave anything.
    #[must_use]
    pub fn lanes(&self) -> Range<usize> {
        self.lanes.clone()
    }

    /// Gives some touches, each of them, so much of a model's share (`of` 0) or of a value (from 1).
    #[inline]
    pub fn give(&mut self, touches: Range<usize>, model: usize, of: usize, part: i64) {
        let mut cell = touches.start * self.width + self.lane(model, of);
        for _ in touches {
            self.cells[cell] += part;
            cell += self.width;
        }
    }

    /// As [`Parts::give`], to one touch.
    #[inline]
    pub fn give_one(&mut self, touch: usize, model: usize, of: usize, part: i64) {
        let lane = self.lane(model, of);
        self.cells[touch * self.width + lane] += part;
    }

    #[inline]
    fn lane(&self, model: usize, of: usize) -> usize {
        // Between the share and the values the touches are counted.
        model * self.stride + if of == 0 { 0 } else { FIXED_LANES - 1 + of }
    }

    /// Counts the touches that got a share, each as often as there are `conversions`, and adds all up, once all models have given.
    pub fn end(&mut self, conversions: i64) {
        self.totals.clear();
        self.totals.resize(self.lanes.len(), 0);
        for cells in self.cells.chunks_exact_mut(self.width) {
            let cells = &mut cells[self.lanes.clone()];
            cells.chunks_exact_mut(self.stride).for_each(|lanes| lanes[1] = if lanes[0] > 0 { conversions } else { 0 });
            self.totals.iter_mut().zip(cells).for_each(|(total, cell)| *total += *cell);
        }
    }

    /// The models that gave anything, and what all touches got of each value.
    pub fn given(&self) -> impl Iterator<Item = (usize, &[i64])> {
        self.models.iter().map(|model| {
            let first = model * self.stride - self.lanes.start;
            (*model, &self.totals[first + FIXED_LANES..first + self.stride])
        })
    }
}

impl Grouped {
    /// An empty one.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let places = plan.index.filter(|_| plan.counts_any()).map_or(0, |form| plan.groups() * form.rows());
        Self { index: vec![NO_ROW; places], ..Self::default() }
    }

    /// Finds the rows of a conversion's touches, given by profile and time. `day_of` gives a touch's day.
    pub fn find_rows(
        &mut self,
        plan: &Plan,
        conversion: OfConversion,
        touches: impl Iterator<Item = (u32, i64)>,
        day_of: impl Fn(i64) -> Day,
        rows: &mut Vec<u32>,
    ) {
        rows.clear();
        let (day, class) = (conversion.day, (conversion.kind, conversion.standing));
        if plan.per_conversion {
            let row = self.row(plan, plan.key(0, NO_DAY, day, class));
            rows.extend(touches.map(|_| row));
            return;
        }
        if plan.touch_periods.is_empty() {
            rows.extend(
                touches.map(|(profile, _)| self.row(plan, plan.key(plan.group_of[profile as usize], NO_DAY, day, class))),
            );
            return;
        }
        let mut last = None;
        for (profile, time) in touches {
            let key = plan.key(plan.group_of[profile as usize], plan.touch_day(day_of(time)), day, class);
            let row = match last {
                Some((known, row)) if known == key => row,
                _ => self.row(plan, key),
            };
            last = Some((key, row));
            rows.push(row);
        }
    }

    /// Asks for some lanes that rows have for a window, all at once. The sums of a large table lie far from the core;
    /// asked for one by one, in the order in which they are added to, the core would wait for each.
    pub fn warm_up(&self, plan: &Plan, rows: &[u32], window: usize, lanes: Range<usize>) {
        const LANES_OF_A_LINE: usize = 8;
        let (width, first) = (plan.width(), window * plan.counted * plan.stride());
        if lanes.end > plan.counted * plan.stride() {
            return;
        }
        let mut any = 0;
        for row in rows {
            let start = *row as usize * width + first;
            for lane in self.lanes[start + lanes.start..start + lanes.end].iter().step_by(LANES_OF_A_LINE) {
                any |= lane;
            }
        }
        std::hint::black_box(any);
    }

    /// Adds what the touches in `rows` got under all models, in a table that counts all of them.
    pub fn add_parts(&mut self, plan: &Plan, window: usize, rows: &[u32], parts: &Parts) {
        let first = window * parts.width + parts.lanes.start;
        let width = plan.width();
        if plan.per_conversion {
            // All touches fall into one row.
            return self.add_cells(rows[0] as usize * width + first, &parts.totals);
        }
        for (row, cells) in rows.iter().zip(parts.cells.chunks_exact(parts.width)) {
            self.add_cells(*row as usize * width + first, &cells[parts.lanes.clone()]);
        }
    }

    /// Adds what the touches in `rows` got of so many conversions under one model, by their shares and, value by value, their parts.
    pub fn add_model(
        &mut self,
        plan: &Plan,
        place: (usize, usize),
        rows: &[u32],
        (conversions, shares): (i64, &[i64]),
        values: &[Vec<i64>],
    ) {
        for (touch, row) in rows.iter().enumerate() {
            let slot = self.slot(plan, *row, place.0, place.1);
            self.add(slot, shares[touch]);
            self.add(slot + 1, if shares[touch] > 0 { conversions } else { 0 });
            for (value, parts) in values.iter().enumerate() {
                self.add(slot + FIXED_LANES + value, parts[touch]);
            }
        }
    }

    /// Adds to a row under one model: share, touches, values.
    pub fn add_sums(&mut self, plan: &Plan, place: (usize, usize), row: u32, sums: &[i128]) {
        let slot = self.slot(plan, row, place.0, place.1);
        sums.iter().enumerate().for_each(|(lane, sum)| self.add_wide(slot + lane, *sum));
    }

    /// Adds to neighbouring lanes, all at once; whether one of them wrapped around is asked for all of them together.
    #[inline]
    fn add_cells(&mut self, first: usize, cells: &[i64]) {
        let mut wrapped = 0;
        for (lane, cell) in self.lanes[first..first + cells.len()].iter_mut().zip(cells) {
            let sum = lane.wrapping_add(*cell);
            // The sign is that of neither: it wrapped around.
            wrapped |= (*lane ^ sum) & (*cell ^ sum);
            *lane = sum;
        }
        if wrapped < 0 {
            self.carry_over_cells(first, cells);
        }
    }

    #[cold]
    fn carry_over_cells(&mut self, first: usize, cells: &[i64]) {
        for (lane, cell) in (first..).zip(cells) {
            if self.lanes[lane].wrapping_sub(*cell).checked_add(*cell).is_none() {
                self.carry_over(lane, *cell);
            }
        }
    }

    /// Adds a whole conversion, of which there is such a `share`, to one row. `touches` of each of its journeys got a part.
    pub fn add_whole(
        &mut self,
        plan: &Plan,
        (model, window): (usize, usize),
        row: u32,
        (share, touches): (i64, i64),
        values: &[i64],
    ) {
        let slot = self.slot(plan, row, model, window);
        self.add(slot, share);
        self.add(slot + 1, share / WHOLE_SHARE * touches);
        for (value, amount) in values.iter().enumerate() {
            self.add(slot + FIXED_LANES + value, *amount);
        }
    }

    /// Adds the whole conversion once to each distinct one of `rows`. `stamp` is another number for every call.
    pub fn add_participation(
        &mut self,
        plan: &Plan,
        place: (usize, usize),
        mut rows: impl ExactSizeIterator<Item = u32>,
        (stamp, share): (u64, i64),
        values: &[i64],
    ) {
        if plan.per_conversion {
            let touches = rows.len() as i64;
            return rows.next().map_or((), |row| self.add_whole(plan, place, row, (share, touches), values));
        }
        for row in rows {
            if std::mem::replace(&mut self.stamps[row as usize], stamp) == stamp {
                let slot = self.slot(plan, row, place.0, place.1);
                self.add(slot + 1, share / WHOLE_SHARE);
            } else {
                self.add_whole(plan, place, row, (share, 1), values);
            }
        }
    }

    /// Adds a conversion that no touch got.
    pub fn add_unattributed(&mut self, plan: &Plan, place: (usize, usize), conversion: OfConversion, values: &[i64]) {
        let touch_group = if plan.per_conversion { 0 } else { NO_TOUCH };
        let row = self.row(plan, plan.key(touch_group, NO_DAY, conversion.day, (conversion.kind, conversion.standing)));
        self.add_whole(plan, place, row, (conversion.share, 0), values);
    }

    /// Adds another thread's sums.
    ///
    /// # Errors
    /// Where someone interrupts.
    pub fn absorb(&mut self, plan: &Plan, other: &Self, budget: &Budget) -> Result<(), EngineError> {
        for (number, key) in other.keys.iter().enumerate() {
            budget.check()?;
            let row = self.row(plan, *key) as usize;
            self.add_lanes(row * plan.width(), other, number * plan.width(), plan.width());
        }
        Ok(())
    }

    /// Adds to the row of `key` the sums of some models, given for each model and window by lane.
    pub(super) fn add_row(&mut self, plan: &Plan, key: GroupKey, models: &[usize], sums: impl Fn(usize, usize, usize) -> i128) {
        let row = self.row(plan, key);
        for window in 0..plan.windows {
            for &model in models {
                let slot = self.slot(plan, row, model, window);
                (0..plan.stride()).for_each(|lane| self.add_wide(slot + lane, sums(model, window, lane)));
            }
        }
    }

    fn add_wide(&mut self, lane: usize, amount: i128) {
        let low = amount as i64;
        self.add(lane, low);
        if amount != i128::from(low) {
            *self.carry.entry(lane).or_default() += amount - i128::from(low);
        }
    }

    /// The memory that the rows take.
    #[must_use]
    pub fn memory(&self) -> u64 {
        const PER_ROW: usize = size_of::<GroupKey>() + size_of::<u64>();
        let hashed = self.rows.len() * 2 * size_of::<(u128, u32)>();
        (self.keys.len() * PER_ROW + self.lanes.len() * size_of::<i64>() + hashed + self.carry.len() * 64) as u64
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        self.rows = FxHashMap::default();
        self.index.fill(NO_ROW);
        self.keys.clear();
        self.lanes.clear();
        self.carry = FxHashMap::default();
        self.stamps.clear();
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
        // All touches of a conversion look into one stretch of the index.
        let place = form.row(&key) * plan.groups() + group;
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
            | u128::from(key.class.0);
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

    /// The first lane of a model and window in a row.
    pub(super) fn slot(&self, plan: &Plan, row: u32, model: usize, window: usize) -> usize {
        row as usize * plan.width() + plan.lane(model, window)
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

    /// Adds the sums in neighbouring lanes to `sums`.
    #[inline]
    pub(super) fn sum_up(&self, first: usize, sums: &mut [i128]) {
        let lanes = &self.lanes[first..first + sums.len()];
        sums.iter_mut().zip(lanes).for_each(|(sum, lane)| *sum += i128::from(*lane));
        if !self.carry.is_empty() {
            let carried = |lane: usize| self.carry.get(&lane).copied().unwrap_or(0);
            sums.iter_mut().zip(first..).for_each(|(sum, lane)| *sum += carried(lane));
        }
    }
}

/// Adds to a lane, and says whether it wrapped around.
#[inline]
fn add(lane: &mut i64, amount: i64) -> bool {
    let (sum, overflow) = lane.overflowing_add(amount);
    *lane = sum;
    overflow
}
