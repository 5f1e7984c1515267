//! Paths that were counted elsewhere: each row is a sequence of channels, how many journeys took it, and what they were worth.
//!
//! Such a row is handed on twice, in the form that a log has: as a conversion, which knows how many it stands for, and as the
//! touches of one journey. Their customer is the row. They have no times: touches come one microsecond after the other, and the
//! conversion last, at the beginning of 1970.

use std::sync::{Arc, Mutex, PoisonError};

use attributary_core::NOT_SET;
use attributary_core::batch::{Coded, ConversionBatch, Counted, Identities, RowNumbers, TouchBatch, attribute};
use attributary_core::money::Rounded;
use attributary_core::value::{ColumnType, Value};
use polars::prelude::{
    Column, DataFrame, DataType, Expr, Int64Chunked, IntoLazy, IntoSeries, NewChunkedArray, PlSmallStr, PolarsResult, Schema,
    StringChunked,
};
use rustc_hash::FxHashMap;

use crate::amounts::{amounts, counts};
use crate::coded::nothing;
use crate::conversions::amount_role;
use crate::error::FrameError;
use crate::guard::{Failure, guarded};
use crate::identities::{identities, named};
use crate::plan::Role;
use crate::read::BatchError;
use crate::scan::{RawBatch, Scan, predicate_flags};
use crate::select::Selection;
use crate::sql::Text;
use crate::{MAX_PREDICATES, PathMapping, Progress, SourceFile, SourceSpec, Stop, TimeBounds, ValueUnit};

/// Paths whose files are found, whose schemas are checked and whose rows are not read yet.
pub struct PathSource {
    scan: Scan,
    has_nulls: bool,
    values: Vec<(String, ValueUnit)>,
    exponent: u8,
    separator: String,
    /// Conditions on channels, each a column.
    conditions: Vec<Expr>,
    predicates: Vec<String>,
    /// Their keys, for messages.
    keys: Vec<String>,
}

const PATH: &str = "path";
const CONVERSIONS: &str = "conversions";
const NULL_JOURNEYS: &str = "null_journeys";
const CHANNEL: &str = "channel";

/// A row's file and its place there as one number: the customer of its touches.
const ROW_BITS: u32 = 40;

impl PathSource {
    /// Finds the files, checks that each has the mapped columns in types that will do, and compiles the SQL.
    ///
    /// # Errors
    /// What keeps the source from being read: no files, a file that is damaged, a column that is missing or of a wrong type,
    /// SQL that is wrong.
    pub fn open(spec: &SourceSpec, mapping: &PathMapping) -> Result<Self, FrameError> {
        if mapping.predicates.len() > MAX_PREDICATES {
            return Err(FrameError::TooManyPredicates { found: mapping.predicates.len() });
        }
        let files = Scan::files(spec)?;
        let mut selection = Selection::new(spec, &files);
        let key = |name: &str| format!("{}.columns.{name}", spec.key);
        selection.add(&key(PATH), PATH, &mapping.path, Role::Label)?;
        selection.add(&key(CONVERSIONS), CONVERSIONS, &mapping.conversions, Role::Count)?;
        if let Some(nulls) = &mapping.null_journeys {
            selection.add(&key(NULL_JOURNEYS), NULL_JOURNEYS, nulls, Role::Count)?;
        }
        for (place, value) in mapping.values.iter().enumerate() {
            let key = format!("{}.values.{}", spec.key, value.name);
            selection.add(&key, &value_column(place), &value.column, amount_role(value.unit))?;
        }
        let schema: Schema = [(PlSmallStr::from(CHANNEL), DataType::String)].into_iter().collect();
        let condition = |place: usize| {
            let predicate = &mapping.predicates[place];
            let text = Text::parse(&predicate.key, &predicate.sql)?;
            Ok(text.compile(&schema)?.condition(&text)?.alias(predicate_column(place)))
        };
        let conditions = (0..mapping.predicates.len()).map(condition).collect::<Result<_, FrameError>>()?;
        let Selection { selected, sql_keys, .. } = selection;
        Ok(Self {
            scan: Scan::timeless(spec, files, selected, sql_keys)?,
            has_nulls: mapping.null_journeys.is_some(),
            values: mapping.values.iter().enumerate().map(|(place, value)| (value_column(place), value.unit)).collect(),
            exponent: mapping.exponent,
            separator: mapping.separator.clone(),
            conditions,
            predicates: (0..mapping.predicates.len()).map(predicate_column).collect(),
            keys: mapping.predicates.iter().map(|predicate| predicate.key.clone()).collect(),
        })
    }

    /// The files, in the order of their paths' bytes: the order in which batches number them.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.scan.files
    }

    /// The type of the customers that rows are.
    pub const CUSTOMER: ColumnType = ColumnType::Int { bits: 64, signed: true };

    /// Reads all files as conversions: the id of one is its path as the source has it, and nothing where that is blank.
    ///
    /// # Errors
    /// The first file that cannot be read to its end, or [`FrameError::Stopped`] where the sink asked for it.
    pub fn read_conversions(
        &self,
        threads: usize,
        progress: &Progress,
        sink: &(dyn Fn(ConversionBatch) -> Result<(), Stop> + Sync),
    ) -> Result<(), FrameError> {
        let all = 0..self.scan.files.len();
        self.scan.read(all, &TimeBounds::default(), threads, progress, &|batch| Ok(sink(self.conversions(batch)?)?))
    }

    /// Reads all files as touches. Of spaces around names nothing is left; a name that is empty is `(not set)`.
    ///
    /// # Errors
    /// As there.
    pub fn read_touches(
        &self,
        threads: usize,
        progress: &Progress,
        sink: &(dyn Fn(TouchBatch) -> Result<(), Stop> + Sync),
    ) -> Result<(), FrameError> {
        let all = 0..self.scan.files.len();
        let failed = Mutex::new(None);
        let read = self.scan.read(all, &TimeBounds::default(), threads, progress, &|batch| {
            let (mut batch, channels) = self.touches(&batch)?;
            match guarded(|| self.flags(&channels)) {
                Ok(flags) if flags.is_empty() => {}
                Ok(flags) => {
                    let of_touch = batch.attributes[attribute::CHANNEL].codes.iter();
                    batch.flags = of_touch.map(|code| flags[*code as usize]).collect();
                }
                Err(failure) => {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(self.failed(batch.file, &failure));
                    return Err(BatchError::Stop);
                }
            }
            if batch.is_empty() { Ok(()) } else { Ok(sink(batch)?) }
        });
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(read, Err)
    }

    fn failed(&self, file: u32, failure: &Failure) -> FrameError {
        let file = self.scan.files[file as usize].path.clone();
        FrameError::Computation { keys: self.keys.join(", "), file, problem: failure.text() }
    }

    fn conversions(&self, batch: RawBatch) -> PolarsResult<ConversionBatch> {
        let conversions = counts(batch.column(CONVERSIONS)?)?;
        let nulls = if self.has_nulls { counts(batch.column(NULL_JOURNEYS)?)? } else { vec![Some(0); batch.rows.len()] };
        let values = self.values.iter().map(|(name, unit)| amounts(batch.column(name)?, *unit, self.exponent));
        let values: Vec<Vec<Option<Rounded>>> = values.collect::<PolarsResult<_>>()?;
        let journeys = |row: usize| {
            let (conversions, nulls) = conversions[row].zip(nulls[row])?;
            let worthless = || values.iter().all(|value| value[row].is_none_or(|value| value == Rounded::default()));
            // What nobody bought has no worth.
            let right = conversions.max(nulls) <= Counted::MOST && (conversions > 0 || worthless());
            right.then_some((conversions, nulls))
        };
        let trimmed = batch.column(PATH)?.str()?.iter().map(|path| path.map(str::trim)).collect::<StringChunked>();
        Ok(ConversionBatch {
            file: batch.file,
            ids: named(&trimmed.into_series())?,
            customers: customers(batch.file, batch.rows.iter().copied())?,
            kinds: nothing(batch.rows.len()),
            refunds: None,
            exchange: None,
            counted: Some(Counted { journeys: (0..batch.rows.len()).map(journeys).collect() }),
            values,
            times: batch.times,
            rows: batch.rows,
        })
    }

    /// The touches, without flags yet, and the names of the channels.
    fn touches(&self, batch: &RawBatch) -> PolarsResult<(TouchBatch, Vec<String>)> {
        let paths = batch.column(PATH)?.str()?;
        let mut names: FxHashMap<&str, u32> = FxHashMap::default();
        let (mut rows, mut times, mut codes) = (Vec::new(), Vec::new(), Vec::new());
        for ((row, end), path) in batch.rows.iter().zip(&batch.times).zip(paths.iter()) {
            let Some(path) = path.filter(|path| !path.trim().is_empty()) else { continue };
            let first = rows.len();
            for name in path.split(&self.separator) {
                let name = match name.trim() {
                    "" => NOT_SET,
                    name => name,
                };
                let next = names.len() as u32;
                codes.push(*names.entry(name).or_insert(next));
                rows.push(*row);
            }
            let touches = rows.len() - first;
            times.extend((0..touches).map(|touch| end - (touches - touch) as i64));
        }
        let mut channels: Vec<(&str, u32)> = names.into_iter().collect();
        channels.sort_unstable_by_key(|(_, code)| *code);
        let channels: Vec<String> = channels.into_iter().map(|(name, _)| name.to_owned()).collect();
        let dictionary = Arc::new(channels.iter().map(|name| Value::text(name)).collect());
        let mut attributes = vec![nothing(rows.len()); attribute::DIMENSIONS];
        attributes[attribute::CHANNEL] = Coded { codes, dictionary };
        let batch = TouchBatch {
            file: batch.file,
            customers: customers(batch.file, rows.iter().copied())?,
            times,
            ids: None,
            attributes,
            flags: Vec::new(),
            rows: RowNumbers::Each(rows),
        };
        Ok((batch, channels))
    }

    /// The conditions of each channel, as bits.
    fn flags(&self, channels: &[String]) -> PolarsResult<Vec<u64>> {
        if self.conditions.is_empty() {
            return Ok(Vec::new());
        }
        let cells = StringChunked::from_slice(CHANNEL.into(), channels).into_series();
        let frame = DataFrame::new(channels.len(), vec![Column::from(cells)])?;
        let frame = frame.lazy().with_columns(&self.conditions).collect()?;
        predicate_flags(&frame, &self.predicates)
    }
}

fn customers(file: u32, rows: impl Iterator<Item = u64>) -> PolarsResult<Arc<dyn Identities>> {
    let rows: Vec<i64> = rows.map(|row| (u64::from(file) << ROW_BITS | row) as i64).collect();
    identities(&Int64Chunked::from_vec(PlSmallStr::EMPTY, rows).into_series())
}

fn value_column(place: usize) -> String {
    format!("value {place}")
}

fn predicate_column(place: usize) -> String {
    format!("predicate {place}")
}
