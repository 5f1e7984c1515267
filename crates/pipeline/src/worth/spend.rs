//! What was spent: rows of all sources, added up by day, group and goal. Each amount is accepted or rejected, and the ledger has
//! both. Rows with ids wait until all with the same id are there (see [`super::spend_ids`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use attributary_core::batch::attribute::{CAMPAIGN, CHANNEL, DIMENSIONS};
use attributary_core::batch::{NO_TIME, SpendBatch};
use attributary_core::journey::Rejected;
use attributary_core::money::Rounded;
use attributary_core::time::{Day, Zone, day_text};
use attributary_core::value::{ColumnType, Value};
use attributary_core::{NOT_SET, UNATTRIBUTED};
use attributary_engine::cells::Cells;
use attributary_engine::rejects::{Rejects, Side};
use attributary_engine::source::CurrencySums;
use attributary_engine::tables::ledger::Line;
use attributary_engine::{EngineError, GroupColumn, Interrupt, Range};
use attributary_frames::{Progress, Stop};
use rustc_hash::FxHashMap;

use super::spend_ids::Waiting;
use crate::error::Error;
use crate::file;
use crate::mappings::spend_dimensions;
use crate::plan::{Plan, group_column};

/// The ledger's line of spend stands under this instead of a model's name, which has no brackets.
pub const SPEND: &str = "(spend)";

/// Everything that was spent on the days of the range.
#[derive(Debug, Default)]
pub(crate) struct Spending {
    /// By day, group (as the returns are told apart by) and goal.
    pub rows: BTreeMap<SpentOn, Spent>,
    /// By the currency that it was spent in, where a source names any.
    pub currencies: BTreeMap<String, CurrencySums>,
    /// Minor units of accepted rows and of rejected ones that have any.
    pub accepted: i128,
    pub rejected: i128,
    /// Rounded − given, in 10⁻¹² of the major unit.
    pub rounding: i128,
    /// Rows read.
    pub read: u64,
    /// What someone should know.
    pub warnings: Vec<String>,
}

/// Day, group, goal.
pub(crate) type SpentOn = (Day, Vec<Value>, Option<String>);

/// What was spent: minor units, clicks, impressions.
pub(crate) type Spent = (i128, u64, u64);

/// Reads all sources of spend, one after the other.
pub(crate) fn read_spend(plan: &Plan, days: Range, rejects: &Rejects, interrupt: &Interrupt) -> Result<Spending, Error> {
    let mut reading = Reading {
        zone: &plan.setup.rules.zone,
        days,
        rejects,
        attributes: groups(plan),
        dimensions: Vec::new(),
        files_before: 0,
        text_ids: false,
        places: FxHashMap::default(),
        groups: Vec::new(),
        sums: FxHashMap::default(),
        currencies: Vec::new(),
        channel_days: BTreeMap::new(),
        spending: Spending::default(),
    };
    let mut days_of_channels: Vec<BTreeMap<Value, BTreeSet<Day>>> = Vec::new();
    for (number, (source, dimensions)) in plan.spend.iter().zip(spend_dimensions(&plan.pipeline)).enumerate() {
        reading.dimensions = dimensions;
        reading.text_ids = source.id_type() == Some(&ColumnType::Text);
        let waiting = source.id_type().map(|_| Waiting::new(number, rejects.budget()));
        let state = Mutex::new((&mut reading, waiting, None));
        // A few rows as a rule: one thread is enough.
        let read = source.read(1, &Progress::default(), &|batch| {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let (reading, waiting, failed) = &mut *state;
            let added = reading.add(&batch, waiting.as_mut()).and_then(|()| interrupt.check());
            added.map_err(|error| {
                failed.get_or_insert(error);
                Stop
            })
        });
        let (reading, waiting, failed) = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = failed {
            return Err(error.into());
        }
        read?;
        if let Some(waiting) = waiting {
            waiting.settle(reading)?;
        }
        days_of_channels.push(std::mem::take(&mut reading.channel_days));
        reading.files_before += source.files().len() as u32;
    }
    let mut spending = reading.finish();
    spending.warnings = overlaps(plan, &days_of_channels);
    Ok(spending)
}

/// The attributes of touches that returns are told apart by.
fn groups(plan: &Plan) -> Vec<usize> {
    let attribute = |column: &file::GroupColumn| match group_column(column) {
        GroupColumn::Attribute(place) => Some(place),
        _ => None,
    };
    plan.pipeline.returns.as_ref().map(|returns| returns.by.iter().filter_map(attribute).collect()).unwrap_or_default()
}

/// All that was read so far.
pub(super) struct Reading<'a> {
    zone: &'a Zone,
    /// The days that are published.
    days: Range,
    rejects: &'a Rejects,
    /// The attributes that returns are told apart by.
    attributes: Vec<usize>,
    /// Which of the touches' dimensions the source at hand has.
    dimensions: Vec<usize>,
    files_before: u32,
    text_ids: bool,
    /// Group and goal by number, and their numbers.
    places: FxHashMap<Group, u32>,
    pub(super) groups: Vec<Group>,
    sums: FxHashMap<(Day, u32), Spent>,
    pub(super) currencies: Vec<String>,
    channel_days: BTreeMap<Value, BTreeSet<Day>>,
    spending: Spending,
}

/// What a row is added up by: its channel, the cells of its group, its goal.
pub(super) type Group = (Value, Vec<Value>, Option<String>);

/// A row that is right, but for its id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub time: i64,
    /// Its group's number.
    pub group: u32,
    pub amount: i64,
    pub difference: i64,
    pub clicks: u64,
    pub impressions: u64,
    /// The number of its currency, where the source names any, and the amount in it.
    pub currency: Option<u32>,
    pub original: i64,
    /// Its file, counted through all sources, and its place there.
    pub origin: (u32, u64),
}

impl Reading<'_> {
    fn add(&mut self, batch: &SpendBatch, mut waiting: Option<&mut Waiting>) -> Result<(), EngineError> {
        self.spending.read += batch.len() as u64;
        let mut groups: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
        for row in 0..batch.len() {
            let time = batch.times[row];
            let day = (time != NO_TIME).then(|| self.zone.day(time));
            let no_rate = batch.exchange.as_ref().is_some_and(|exchange| exchange.rates[row].is_none());
            let origin = (self.files_before + batch.file, batch.rows[row]);
            let reason = match batch.amounts[row] {
                _ if day.is_none() => Rejected::NullTime,
                _ if no_rate => Rejected::MissingRate,
                None => Rejected::InvalidValue,
                // Most touches cost nothing, and need not be told of.
                Some(amount) if batch.customers.is_some() && amount == Rounded::default() => continue,
                Some(amount) => {
                    let (currency, original) = self.exchanged(batch, row);
                    let right = Row {
                        time,
                        group: self.group(batch, row, &mut groups)?,
                        amount: amount.minor,
                        difference: amount.difference as i64,
                        clicks: batch.clicks[row].unwrap_or(0),
                        impressions: batch.impressions[row].unwrap_or(0),
                        currency,
                        original,
                        origin,
                    };
                    match (&mut waiting, batch.ids.as_ref().filter(|ids| !ids.is_null(row))) {
                        (Some(waiting), Some(_)) => waiting.add(right, batch, row, self.text_ids)?,
                        _ => self.accept(&right),
                    }
                    continue;
                }
            };
            if self.days.counts(day) {
                let amount = batch.amounts[row].map_or(0, |amount| amount.minor);
                let mut id = Cells::default();
                push_id(batch, row, self.text_ids, &mut id);
                self.reject(origin, time, reason, amount, id.raw(0));
            }
        }
        Ok(())
    }

    /// The number of a row's group; `known` are those of the batch, by the codes of its columns.
    fn group(&mut self, batch: &SpendBatch, row: usize, known: &mut FxHashMap<Vec<u32>, u32>) -> Result<u32, EngineError> {
        let columns = [&batch.channels, &batch.campaigns, &batch.goals].into_iter().chain(&batch.dimensions);
        let codes: Vec<u32> = columns.map(|column| column.codes[row]).collect();
        if let Some(number) = known.get(&codes) {
            return Ok(*number);
        }
        let cell = |attribute: &usize| match *attribute {
            CHANNEL => batch.channels.value(row).clone(),
            CAMPAIGN => batch.campaigns.value(row).clone(),
            attribute => {
                let own = self.dimensions.iter().position(|place| place + DIMENSIONS == attribute);
                own.map_or(Value::Null, |own| batch.dimensions[own].value(row).clone())
            }
        };
        let goal = batch.goals.value(row).as_text().filter(|goal| !goal.is_empty()).map(str::to_owned);
        let group: Group = (batch.channels.value(row).clone(), self.attributes.iter().map(cell).collect(), goal);
        let number = match self.places.get(&group) {
            Some(number) => *number,
            None => {
                self.groups.push(group.clone());
                let number = self.groups.len() as u32 - 1;
                self.places.insert(group, number);
                number
            }
        };
        known.insert(codes, number);
        // A group stands here twice, with its texts.
        let groups = self.groups.len() as u64;
        self.rejects.budget().expect_returns(groups, 600 * groups)?;
        Ok(number)
    }

    fn exchanged(&mut self, batch: &SpendBatch, row: usize) -> (Option<u32>, i64) {
        let Some(exchange) = &batch.exchange else { return (None, 0) };
        let code = exchange.currencies.value(row).as_text().unwrap_or_default();
        let place = self.currencies.iter().position(|known| known == code).unwrap_or_else(|| {
            self.currencies.push(code.to_owned());
            self.currencies.len() - 1
        });
        (Some(place as u32), exchange.originals.first().and_then(|of_value| of_value[row]).unwrap_or(0))
    }

    /// Counts a row, if its day is published.
    pub(super) fn accept(&mut self, row: &Row) {
        let day = self.zone.day(row.time);
        if !self.days.contains(day) {
            return;
        }
        let spending = &mut self.spending;
        spending.accepted += i128::from(row.amount);
        spending.rounding += i128::from(row.difference);
        let sums = self.sums.entry((day, row.group)).or_default();
        sums.0 += i128::from(row.amount);
        sums.1 = sums.1.saturating_add(row.clicks);
        sums.2 = sums.2.saturating_add(row.impressions);
        let channel = &self.groups[row.group as usize].0;
        match self.channel_days.get_mut(channel) {
            Some(days) => days.insert(day),
            None => self.channel_days.entry(channel.clone()).or_default().insert(day),
        };
        let Some(currency) = row.currency else { return };
        let sums = spending.currencies.entry(self.currencies[currency as usize].clone()).or_default();
        sums.rows += 1;
        for (sum, amount) in
            [(&mut sums.original, row.original), (&mut sums.converted, row.amount), (&mut sums.difference, row.difference)]
        {
            sum.resize(1, 0);
            sum[0] += i128::from(amount);
        }
    }

    /// Rejects a row that is another one's duplicate, if its day is published.
    pub(super) fn reject_duplicate(&mut self, row: &Row, id: &[u8]) {
        if self.days.contains(self.zone.day(row.time)) {
            self.reject(row.origin, row.time, Rejected::DuplicateId, row.amount, id);
        }
    }

    fn reject(&mut self, origin: (u32, u64), time: i64, reason: Rejected, amount: i64, id: &[u8]) {
        self.spending.rejected += i128::from(amount);
        self.rejects.add_raw((Side::Spend, origin.0, origin.1), reason, time, &[], id);
    }

    fn finish(self) -> Spending {
        let Self { sums, groups, mut spending, .. } = self;
        for ((day, group), spent) in sums {
            let (_, cells, goal) = &groups[group as usize];
            let sums = spending.rows.entry((day, cells.clone(), goal.clone())).or_default();
            sums.0 += spent.0;
            sums.1 = sums.1.saturating_add(spent.1);
            sums.2 = sums.2.saturating_add(spent.2);
        }
        spending
    }
}

/// A row's id as the rejected rows show it: only text has a place there.
pub(super) fn push_id(batch: &SpendBatch, row: usize, text: bool, into: &mut Cells) {
    match &batch.ids {
        Some(ids) if text => into.push_identity(&**ids, row),
        _ => into.push_raw(&[]),
    }
}

impl Spending {
    /// Spend as a line of the ledger: with a channel, without one, rejected.
    pub fn ledger_line(&self) -> Line {
        let not_set = |group: &[Value]| group.first().is_none_or(|channel| channel.as_text() == Some(NOT_SET));
        let sum = |wanted: bool| -> i128 {
            self.rows.iter().filter(|((_, group, _), _)| not_set(group) == wanted).map(|(_, (amount, ..))| amount).sum()
        };
        Line {
            model: SPEND.to_owned(),
            window: "(all)".to_owned(),
            value: "spend".to_owned(),
            day: None,
            source: self.accepted + self.rejected,
            attributed: sum(false),
            unattributed: sum(true),
            rejected: self.rejected,
            rounding: self.rounding,
            attributed_conversions: 0,
            unattributed_conversions: 0,
        }
    }
}

/// Sources that tell of the same channel on the same days, where one may repeat the other.
fn overlaps(plan: &Plan, sources: &[BTreeMap<Value, BTreeSet<Day>>]) -> Vec<String> {
    let mut keys: Vec<String> = plan.pipeline.spend.iter().map(|spend| spend.key.clone()).collect();
    keys.extend(plan.pipeline.touchpoints.cost.iter().map(|_| "touchpoints.columns.cost".to_owned()));
    let mut warnings = Vec::new();
    for (one, of_one) in sources.iter().enumerate() {
        for (other, of_other) in sources.iter().enumerate().skip(one + 1) {
            for (channel, days) in of_one {
                let Some(shared) = of_other.get(channel).map(|others| days & others) else { continue };
                let (Some(first), Some(last)) = (shared.first(), shared.last()) else { continue };
                let name = channel.as_text().unwrap_or(UNATTRIBUTED);
                warnings.push(format!(
                    "{} and {} both have spend of channel {name:?} on {}: if they tell of the same money, leave one out by `where`",
                    keys[one],
                    keys[other],
                    match shared.len() {
                        1 => day_text(*first),
                        days => format!("{days} days from {} to {}", day_text(*first), day_text(*last)),
                    },
                ));
            }
        }
    }
    warnings
}
