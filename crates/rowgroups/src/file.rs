//! A file whose footer is known: its row groups, what they weigh, and which of them can hold rows of a stretch of time.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit as ArrowUnit};
use attributary_core::duration::DAY;
use attributary_core::time::Clock;
use attributary_core::value::TimeUnit;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;
use parquet::file::statistics::Statistics;

use crate::amounts::is_known;
use crate::batch::Batches;
use crate::{Attribute, Columns, Problem, guarded};

/// The rows of a batch: its columns stay in a core's cache while they are worked on.
const BATCH_ROWS: usize = 1 << 14;

/// A Parquet file and the columns that are wanted of it.
pub struct LogFile {
    path: PathBuf,
    /// Size and time of change when the footer was read.
    state: (u64, Option<SystemTime>),
    metadata: ArrowReaderMetadata,
    wanted: Columns,
    clock: Clock,
    /// Places of the wanted columns in the file's schema.
    leaves: Vec<usize>,
    /// The place of the time among all columns.
    time: usize,
    /// What reads the column that says when rows came, and its place among all columns.
    came: Option<(Clock, usize)>,
}

/// A row group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its place in the file.
    pub number: usize,
    /// Its rows, as places in the file.
    pub rows: Range<u64>,
    /// The bytes of the wanted columns, as they stand in the file.
    pub bytes: u64,
}

impl LogFile {
    /// Opens a file and reads its footer; none where a wanted column is of a type that is not decoded here.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn open(path: &Path, wanted: Columns) -> Result<Option<Self>, Problem> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let state = state_of(&file)?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = guarded(|| ArrowReaderMetadata::load(&file, options))?;
        let Some((schema, clock, names)) = decoded_schema(metadata.schema(), &wanted) else { return Ok(None) };
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true).with_schema(Arc::new(schema));
        let metadata = guarded(|| ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options))?;
        let descriptor = metadata.parquet_schema();
        let place = |name: &str| {
            let at_root = |leaf: &usize| descriptor.column(*leaf).path().parts() == [name];
            (0..descriptor.num_columns()).find(at_root)
        };
        let Some(leaves) = names.iter().map(|name| place(name)).collect::<Option<Vec<_>>>() else { return Ok(None) };
        let Some(time) = place(&wanted.time) else { return Ok(None) };
        let came = match &wanted.known {
            Some(known) => {
                let (Some(clock), Some(leaf)) = (clock_of(metadata.schema(), &known.column, &wanted), place(&known.column))
                else {
                    return Ok(None);
                };
                Some((clock, leaf))
            }
            None => None,
        };
        Ok(Some(Self { path: path.to_owned(), state, metadata, wanted, clock, leaves, time, came }))
    }

    /// The row groups that can hold rows from `from`, inclusive, to `to`, exclusive (microseconds UTC). Rows without a time are
    /// wanted where `from` is none. Groups of which no row is known, although its time is wanted, are left out too: how many rows
    /// they have is said beside.
    #[must_use]
    pub fn groups(&self, from: Option<i64>, to: Option<i64>) -> (Vec<Group>, u64) {
        let (mut first, mut later) = (0, 0);
        let mut groups = Vec::new();
        for (number, group) in self.metadata.metadata().row_groups().iter().enumerate() {
            let rows = first..first + group.num_rows().max(0) as u64;
            first = rows.end;
            if rows.is_empty() || !self.may_hold(group.column(self.time).statistics(), from, to) {
                continue;
            }
            let came = self.came.as_ref().and_then(|(clock, leaf)| Some((clock, group.column(*leaf).statistics()?)));
            if came.is_some_and(|(clock, came)| self.came_later(clock, came))
                && self.holds_only(group.column(self.time).statistics(), from, to)
            {
                later += rows.end - rows.start;
                continue;
            }
            let bytes = self.leaves.iter().map(|leaf| group.column(*leaf).compressed_size().max(0) as u64).sum();
            groups.push(Group { number, rows, bytes });
        }
        (groups, later)
    }

    /// Whether all rows of a group came later.
    fn came_later(&self, clock: &Clock, came: &Statistics) -> bool {
        let (Some(known), Statistics::Int64(came)) = (&self.wanted.known, came) else { return false };
        let least = came.min_opt().and_then(|least| clock.instant(*least)).filter(|_| came.null_count_opt() == Some(0));
        least.is_some_and(|least| least.saturating_sub(slack(clock)) > known.last)
    }

    /// Whether all rows of a group are of wanted times.
    fn holds_only(&self, statistics: Option<&Statistics>, from: Option<i64>, to: Option<i64>) -> bool {
        if from.is_none() && to.is_none() {
            return true;
        }
        let Some(Statistics::Int64(statistics)) = statistics else { return false };
        let instant = |cell: Option<&i64>| cell.and_then(|cell| self.clock.instant(*cell));
        let Some((least, most)) = instant(statistics.min_opt()).zip(instant(statistics.max_opt())) else { return false };
        let slack = slack(&self.clock);
        (from.is_none() || statistics.null_count_opt() == Some(0))
            && from.is_none_or(|from| least.saturating_sub(slack) >= from)
            && to.is_none_or(|to| most.saturating_add(slack) < to)
    }

    fn may_hold(&self, statistics: Option<&Statistics>, from: Option<i64>, to: Option<i64>) -> bool {
        let Some(Statistics::Int64(statistics)) = statistics else { return true };
        let (Some(least), Some(most)) = (statistics.min_opt(), statistics.max_opt()) else { return true };
        let (Some(least), Some(most)) = (self.clock.instant(*least), self.clock.instant(*most)) else { return true };
        if from.is_none() && statistics.null_count_opt() != Some(0) {
            return true;
        }
        let slack = slack(&self.clock);
        from.is_none_or(|from| most.saturating_add(slack) >= from) && to.is_none_or(|to| least.saturating_sub(slack) < to)
    }

    /// Begins to decode a row group.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(&self, group: &Group) -> Result<Batches<'_>, Problem> {
        let mut file = File::open(&self.path).map_err(|error| error.to_string())?;
        if state_of(&file)? != self.state {
            return Err("it was changed while it was read".to_owned());
        }
        let reader = if self.state.0 <= SMALL_FILE {
            let mut bytes = Vec::with_capacity(self.state.0 as usize);
            file.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
            guarded(|| self.reader(Bytes::from(bytes), group))?
        } else {
            guarded(|| self.reader(file, group))?
        };
        let came = self.came.as_ref().map(|(clock, _)| clock);
        Ok(Batches::new(reader, &self.wanted, (&self.clock, came), group.rows.clone()))
    }

    fn reader(&self, from: impl ChunkReader + 'static, group: &Group) -> Result<ParquetRecordBatchReader, ParquetError> {
        ParquetRecordBatchReaderBuilder::new_with_metadata(from, self.metadata.clone())
            .with_projection(ProjectionMask::leaves(self.metadata.parquet_schema(), self.leaves.iter().copied()))
            .with_row_groups(vec![group.number])
            .with_batch_size(BATCH_ROWS.min(group.rows.end as usize))
            .build()
    }
}

/// A file of so many bytes is read at once: of a larger one each page is asked for, which takes four calls of the system.
const SMALL_FILE: u64 = 1 << 20;

/// How far statistics of wall clocks may be from what they are of.
fn slack(clock: &Clock) -> i64 {
    if clock.is_civil() { 2 * DAY } else { 0 }
}

fn state_of(file: &File) -> Result<(u64, Option<SystemTime>), Problem> {
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    Ok((metadata.len(), metadata.modified().ok()))
}

/// The schema in which the wanted columns are decoded, and their names; none where one of them is not of a known type.
fn decoded_schema(schema: &Schema, wanted: &Columns) -> Option<(Schema, Clock, Vec<String>)> {
    let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut names: Vec<String> = Vec::new();
    let mut decode = |name: &str, kind: &dyn Fn(&DataType) -> Option<DataType>| {
        let field = fields.iter_mut().find(|field| field.name() == name)?;
        let decoded = kind(field.data_type())?;
        // A column that is wanted twice is decoded once, so both must want it alike.
        let again = names.iter().any(|known| known == name);
        if again && field.data_type() != &decoded {
            return None;
        }
        *field = field.clone().with_data_type(decoded);
        if !again {
            names.push(name.to_owned());
        }
        Some(())
    };
    for key in std::iter::once(&wanted.customer).chain(&wanted.id).chain(&wanted.refund_of) {
        decode(key, &key_type)?;
    }
    for attribute in wanted.attributes.iter().chain(&wanted.currency) {
        if let Attribute::Column(name) = attribute {
            decode(name, &attribute_type)?;
        }
    }
    for amount in &wanted.amounts {
        decode(&amount.column, &|kind| is_known(kind, amount).then(|| kind.clone()))?;
    }
    let clock = clock_of(schema, &wanted.time, wanted)?;
    let times = [Some(&wanted.time), wanted.known.as_ref().map(|known| &known.column)];
    for name in times.into_iter().flatten() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    Some((Schema::new(fields), clock, names))
}

/// What reads a column of times; none where it is none of timestamps.
fn clock_of(schema: &Schema, column: &str, wanted: &Columns) -> Option<Clock> {
    let time = schema.fields().iter().find(|field| field.name() == column)?;
    let DataType::Timestamp(unit, zone) = time.data_type() else { return None };
    let unit = match unit {
        ArrowUnit::Second => TimeUnit::Second,
        ArrowUnit::Millisecond => TimeUnit::Milli,
        ArrowUnit::Microsecond => TimeUnit::Micro,
        ArrowUnit::Nanosecond => TimeUnit::Nano,
    };
    Some(Clock::new(unit, zone.is_none().then_some(&wanted.zone)))
}

fn key_type(kind: &DataType) -> Option<DataType> {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(DataType::Utf8View),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Some(DataType::BinaryView),
        kind if kind.is_integer() => Some(kind.clone()),
        _ => None,
    }
}

fn attribute_type(kind: &DataType) -> Option<DataType> {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            Some(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)))
        }
        DataType::Boolean | DataType::Date32 => Some(kind.clone()),
        kind if kind.is_integer() => Some(kind.clone()),
        _ => None,
    }
}
