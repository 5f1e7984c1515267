//! Exchange rates: a table of dates, currencies and rates, and what of it cannot be used.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use attributary_core::journey::Rejected;
use attributary_core::money::{self, Given};
use attributary_core::rates::{ONE, Rates, rate_from_decimal, rate_from_float};
use attributary_core::time::Day;
use polars::prelude::PolarsResult;

use crate::amounts::each;
use crate::coded::coded;
use crate::days::days;
use crate::error::FrameError;
use crate::plan::Role;
use crate::scan::{RawBatch, Scan, TIME};
use crate::select::Selection;
use crate::{Progress, RateMapping, SourceFile, SourceSpec, Stop, TimeBounds, ValueUnit};

/// A table of exchange rates whose files are found, whose schemas are checked and whose rows are not read yet.
pub struct RateSource {
    scan: Scan,
    key: String,
}

/// A row of such a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateRow {
    /// The file, as a place in the source's list of files.
    pub file: u32,
    /// The row's place in the file, from 0.
    pub row: u64,
    /// The calendar day as it is written; of a timestamp its day in the source's zone. None where there is none.
    pub day: Option<Day>,
    /// The currency as it is written.
    pub currency: Option<Box<str>>,
    /// Units of the reporting currency for one unit, in 10⁻¹²; none where it is no rate: null, not above zero, a million or more.
    pub rate: Option<i64>,
}

/// A row that gives no rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRate {
    /// The file, as a place in the source's list of files.
    pub file: u32,
    /// The row's place in the file, from 0.
    pub row: u64,
    /// [`Rejected::NullTime`], or [`Rejected::InvalidRate`]: no currency or an unknown one, no rate, or another one than 1 of the
    /// reporting currency.
    pub reason: Rejected,
    /// The day, where there is one.
    pub day: Option<Day>,
    /// The currency as it is written.
    pub currency: Option<Box<str>>,
}

const CURRENCY: &str = "currency";
const RATE: &str = "rate";

impl RateSource {
    /// Finds the files, checks that each has the mapped columns in types that will do, and compiles the SQL.
    ///
    /// # Errors
    /// What keeps the source from being read: no files, a file that is damaged, a column that is missing or of a wrong type,
    /// SQL that is wrong.
    pub fn open(spec: &SourceSpec, mapping: &RateMapping) -> Result<Self, FrameError> {
        let files = Scan::files(spec)?;
        let mut selection = Selection::new(spec, &files);
        let key = |name: &str| format!("{}.columns.{name}", spec.key);
        selection.add(&key(CURRENCY), CURRENCY, &mapping.currency, Role::Label)?;
        selection.add(&key(RATE), RATE, &mapping.rate, Role::Amount)?;
        let Selection { selected, sql_keys, .. } = selection;
        let scan = Scan::new(spec, ("date", &mapping.date), files, selected, sql_keys)?;
        Ok(Self { scan, key: spec.key.clone() })
    }

    /// The files, in the order of their paths' bytes: the order in which rows number them.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.scan.files
    }

    /// Reads all files and hands their rows to `sink`, batch by batch, in the order of files and rows.
    ///
    /// # Errors
    /// The first file that cannot be read to its end, or [`FrameError::Stopped`] where the sink asked for it.
    pub fn read(&self, progress: &Progress, sink: &(dyn Fn(Vec<RateRow>) -> Result<(), Stop> + Sync)) -> Result<(), FrameError> {
        let all = 0..self.scan.files.len();
        // One thread, so that rows come in order: of two rates of a day it is then the first and the one after it that are named.
        self.scan.read(all, &TimeBounds::default(), 1, progress, &|batch| Ok(sink(self.rows(&batch)?)?))
    }

    /// Reads the rates into `reporting`, and the rows that give none. `go_on` is asked after each batch.
    ///
    /// # Errors
    /// What [`RateSource::read`] says, and [`FrameError::MixedRates`] where a currency has two rates on a day.
    pub fn rates(
        &self,
        reporting: &str,
        progress: &Progress,
        go_on: &(dyn Fn() -> Result<(), Stop> + Sync),
    ) -> Result<(Rates, Vec<RejectedRate>), FrameError> {
        let gathered = Mutex::new(Gathered::default());
        let outcome = self.read(progress, &|rows| {
            let mut gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner);
            for row in rows {
                if let Err(mixed) = gathered.add(row, reporting) {
                    gathered.mixed = Some(mixed);
                    return Err(Stop);
                }
            }
            go_on()
        });
        let gathered = gathered.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(mixed) = gathered.mixed {
            return Err(self.mixed(mixed));
        }
        outcome?;
        let mut rates = Rates::new(reporting);
        for (currency, days) in &gathered.told {
            days.iter().for_each(|(day, told)| rates.add(currency, *day, told.rate));
        }
        Ok((rates, gathered.rejected))
    }

    fn rows(&self, batch: &RawBatch) -> PolarsResult<Vec<RateRow>> {
        let days = days(batch.column(TIME)?, self.scan.zone())?;
        let currencies = coded(batch.column(CURRENCY)?)?;
        let mut rates = Vec::with_capacity(days.len());
        each(batch.column(RATE)?, ValueUnit::Major, |given| rates.push(given.and_then(rate)))?;
        let row = |place: usize| RateRow {
            file: batch.file,
            row: batch.rows[place],
            day: days[place],
            currency: currencies.value(place).as_text().map(Into::into),
            rate: rates[place],
        };
        Ok((0..batch.rows.len()).map(row).collect())
    }

    fn mixed(&self, mixed: Mixed) -> FrameError {
        let path = |told: &Told| self.scan.files[told.file as usize].path.as_path().into();
        let Mixed { currency, day, told, first } = mixed;
        FrameError::MixedRates {
            key: self.key.clone(),
            currency,
            day,
            file: path(&told),
            row: told.row,
            found: told.rate,
            other_file: path(&first),
            other_row: first.row,
            other_found: first.rate,
        }
    }
}

/// What has been read so far.
#[derive(Default)]
struct Gathered {
    told: BTreeMap<Box<str>, BTreeMap<Day, Told>>,
    rejected: Vec<RejectedRate>,
    mixed: Option<Mixed>,
}

/// A rate and where it stands.
#[derive(Clone, Copy)]
struct Told {
    rate: i64,
    file: u32,
    row: u64,
}

/// A second rate of a currency and day.
struct Mixed {
    currency: Box<str>,
    day: Day,
    told: Told,
    first: Told,
}

impl Gathered {
    fn add(&mut self, row: RateRow, reporting: &str) -> Result<(), Mixed> {
        let RateRow { file, row, day, currency, rate } = row;
        let Some(date) = day else {
            self.rejected.push(RejectedRate { file, row, reason: Rejected::NullTime, day, currency });
            return Ok(());
        };
        // That the reporting currency is worth itself is known; anything else is a table of another one.
        let rate = rate.filter(|rate| currency.as_deref() != Some(reporting) || *rate == ONE);
        match (currency, rate) {
            (Some(currency), Some(rate)) if money::exponent(&currency).is_some() => {
                let told = Told { rate, file, row };
                let days = match self.told.get_mut(&currency) {
                    Some(days) => days,
                    None => self.told.entry(currency.clone()).or_default(),
                };
                let first = *days.entry(date).or_insert(told);
                if first.rate == rate { Ok(()) } else { Err(Mixed { currency, day: date, told, first }) }
            }
            (currency, _) => {
                self.rejected.push(RejectedRate { file, row, reason: Rejected::InvalidRate, day, currency });
                Ok(())
            }
        }
    }
}

fn rate(given: Given) -> Option<i64> {
    match given {
        Given::Decimal { unscaled, scale } => rate_from_decimal(unscaled, scale),
        Given::Float(number) => rate_from_float(number),
        Given::Minor(_) => None,
    }
}
