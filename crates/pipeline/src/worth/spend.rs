//! What was spent: rows of all sources, added up by day, group and goal. Each amount is accepted or rejected, and the ledger has
//! both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use attributary_core::batch::attribute::{CAMPAIGN, CHANNEL, DIMENSIONS};
use attributary_core::batch::{NO_TIME, SpendBatch};
use attributary_core::journey::Rejected;
use attributary_core::key::Key;
use attributary_core::money::exponent;
use attributary_core::time::{Day, day_text};
use attributary_core::value::{ColumnType, Value};
use attributary_core::{NOT_SET, UNATTRIBUTED};
use attributary_engine::cells::Cells;
use attributary_engine::rejects::{Rejects, Side};
use attributary_engine::source::CurrencySums;
use attributary_engine::tables::ledger::Line;
use attributary_engine::{GroupColumn, Interrupt, Range, Setup};
use attributary_frames::{Progress, Stop};
use rustc_hash::FxHashSet;

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

/// Reads all sources of spend, one after the other, as few rows as there are of them.
pub(crate) fn read_spend(plan: &Plan, days: Range, rejects: &Rejects, interrupt: &Interrupt) -> Result<Spending, Error> {
    let setup = &plan.setup;
    let mut spending = Spending::default();
    let groups = groups(plan);
    let mut days_of_channels: Vec<BTreeMap<Value, BTreeSet<Day>>> = Vec::new();
    let mut files_before = 0;
    for (source, dimensions) in plan.spend.iter().zip(spend_dimensions(&plan.pipeline)) {
        let reading = Mutex::new(Reading {
            setup,
            days,
            rejects,
            groups: &groups,
            dimensions: &dimensions,
            files_before,
            text_ids: source.id_type() == Some(&ColumnType::Text),
            ids: FxHashSet::default(),
            channel_days: BTreeMap::new(),
            spending: &mut spending,
        });
        // One thread, so that of two rows with one id the first stays.
        let read = source.read(1, &Progress::default(), &|batch| {
            reading.lock().unwrap_or_else(PoisonError::into_inner).add(&batch);
            interrupt.check().map_err(|_| Stop)
        });
        interrupt.check()?;
        read?;
        days_of_channels.push(reading.into_inner().unwrap_or_else(PoisonError::into_inner).channel_days);
        files_before += source.files().len() as u32;
    }
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

struct Reading<'a> {
    setup: &'a Setup,
    /// The days that are published.
    days: Range,
    rejects: &'a Rejects,
    groups: &'a [usize],
    /// Which of the touches' dimensions the source has.
    dimensions: &'a [usize],
    files_before: u32,
    text_ids: bool,
    ids: FxHashSet<Key>,
    channel_days: BTreeMap<Value, BTreeSet<Day>>,
    spending: &'a mut Spending,
}

impl Reading<'_> {
    fn add(&mut self, batch: &SpendBatch) {
        self.spending.read += batch.len() as u64;
        let zone = &self.setup.rules.zone;
        for row in 0..batch.len() {
            let time = batch.times[row];
            let day = (time != NO_TIME).then(|| zone.day(time));
            let no_rate = batch.exchange.as_ref().is_some_and(|exchange| exchange.rates[row].is_none());
            let amount = batch.amounts[row];
            // Duplicates are sought among the rows that are right otherwise.
            let right = day.is_some() && !no_rate && amount.is_some();
            let named = batch.ids.as_ref().filter(|ids| right && !ids.is_null(row));
            let duplicate = named.is_some_and(|ids| !self.ids.insert(ids.key(row)));
            if !self.days.counts(day) {
                continue;
            }
            match (day, amount) {
                (None, _) => self.reject(batch, row, Rejected::NullTime),
                _ if no_rate => self.reject(batch, row, Rejected::MissingRate),
                (_, None) => self.reject(batch, row, Rejected::InvalidValue),
                _ if duplicate => self.reject(batch, row, Rejected::DuplicateId),
                (Some(day), Some(amount)) => {
                    self.spending.accepted += i128::from(amount.minor);
                    self.spending.rounding += amount.difference;
                    self.accept(batch, row, day, amount.minor);
                    if batch.exchange.is_some() {
                        self.count_currency(batch, row, amount.minor, amount.difference);
                    }
                }
            }
        }
    }

    fn accept(&mut self, batch: &SpendBatch, row: usize, day: Day, amount: i64) {
        let channel = batch.channels.value(row).clone();
        self.channel_days.entry(channel).or_default().insert(day);
        let cell = |attribute: &usize| match *attribute {
            CHANNEL => batch.channels.value(row).clone(),
            CAMPAIGN => batch.campaigns.value(row).clone(),
            attribute => {
                let own = self.dimensions.iter().position(|place| place + DIMENSIONS == attribute);
                own.map_or(Value::Null, |own| batch.dimensions[own].value(row).clone())
            }
        };
        let group: Vec<Value> = self.groups.iter().map(cell).collect();
        let goal = batch.goals.value(row).as_text().filter(|goal| !goal.is_empty()).map(str::to_owned);
        let sums = self.spending.rows.entry((day, group, goal)).or_default();
        sums.0 += i128::from(amount);
        sums.1 += batch.clicks[row].unwrap_or(0);
        sums.2 += batch.impressions[row].unwrap_or(0);
    }

    fn count_currency(&mut self, batch: &SpendBatch, row: usize, converted: i64, difference: i128) {
        let Some(exchange) = &batch.exchange else { return };
        let code = exchange.currencies.value(row).as_text().unwrap_or_default();
        debug_assert!(exponent(code).is_some(), "a currency with a rate is known");
        let sums = self.spending.currencies.entry(code.to_owned()).or_default();
        sums.rows += 1;
        let original = exchange.originals.first().and_then(|of_value| of_value[row]).unwrap_or(0);
        for (sum, amount) in [
            (&mut sums.original, i128::from(original)),
            (&mut sums.converted, i128::from(converted)),
            (&mut sums.difference, difference),
        ] {
            sum.resize(1, 0);
            sum[0] += amount;
        }
    }

    fn reject(&mut self, batch: &SpendBatch, row: usize, reason: Rejected) {
        self.spending.rejected += batch.amounts[row].map_or(0, |amount| i128::from(amount.minor));
        let mut id = Cells::default();
        match &batch.ids {
            Some(ids) if self.text_ids => id.push_identity(&**ids, row),
            _ => id.push_raw(&[]),
        }
        let place = (Side::Spend, self.files_before + batch.file, batch.rows[row]);
        self.rejects.add_raw(place, reason, batch.times[row], &[], id.raw(0));
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
    let mut keys: Vec<String> = plan.pipeline.spend.iter().map(|spend| format!("[[{}]]", spend.key)).collect();
    keys.extend(plan.pipeline.touchpoints.cost.iter().map(|_| "touchpoints.columns.cost".to_owned()));
    let mut warnings = Vec::new();
    for (one, of_one) in sources.iter().enumerate() {
        for (other, of_other) in sources.iter().enumerate().skip(one + 1) {
            for (channel, days) in of_one {
                let Some(shared) = of_other.get(channel).map(|others| days & others) else { continue };
                let (Some(first), Some(last)) = (shared.first(), shared.last()) else { continue };
                let name = channel.as_text().unwrap_or(UNATTRIBUTED);
                warnings.push(format!(
                    "{} and {} both have spend of channel {name:?} on {} days from {} to {}: if they tell of the same money, \
                     leave one out by `where`",
                    keys[one],
                    keys[other],
                    shared.len(),
                    day_text(*first),
                    day_text(*last),
                ));
            }
        }
    }
    warnings
}
