//! A row group as batches of touches or conversions.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{
    DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::error::ArrowError;
use attributary_core::batch::attribute::CHANNEL;
use attributary_core::batch::{Coded, ConversionBatch, Identities, NO_TIME, RowNumbers, TouchBatch};
use attributary_core::exchange::{Exchanging, Market};
use attributary_core::table::NULL_CODE;
use attributary_core::time::Clock;
use attributary_core::value::Value;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use crate::amounts::{amounts, each};
use crate::columns::{Dictionaries, coded, identities, named};
use crate::{Attribute, Columns, Problem, guarded};

/// The rows of a row group, some at a time, in order.
pub struct Batches<'a> {
    reader: ParquetRecordBatchReader,
    wanted: &'a Columns,
    clock: &'a Clock,
    /// What reads the column that says when rows came.
    arrivals: Option<&'a Clock>,
    came: Came,
    rows: Range<u64>,
    dictionaries: Vec<Dictionaries>,
    /// The dictionary of each attribute that is the same for all rows.
    constants: Vec<Arc<Vec<Value>>>,
}

/// What became of the next rows.
pub enum Next<T> {
    /// All rows have come.
    End,
    /// This many rows, of which those inside the bounds are in the batch, if there are any.
    Rows(u64, Option<T>),
}

/// What is said of when rows came, those inside the bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Came {
    /// They came later than is known, and are left out.
    pub later: u64,
    /// They do not say when they came, and are known.
    pub undated: u64,
}

/// Columns of some rows, by what they are.
struct Decoded {
    rows: RowNumbers,
    times: Vec<i64>,
    customers: Arc<dyn Identities>,
    ids: Option<Arc<dyn Identities>>,
    attributes: Vec<Coded>,
    batch: RecordBatch,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(
        reader: ParquetRecordBatchReader,
        wanted: &'a Columns,
        (clock, arrivals): (&'a Clock, Option<&'a Clock>),
        rows: Range<u64>,
    ) -> Self {
        // Only touches have channels; conversions have amounts.
        let channel = |place: usize| place == CHANNEL && wanted.amounts.is_empty();
        let attributes = || wanted.attributes.iter().chain(&wanted.currency);
        let dictionaries = attributes().enumerate().map(|(place, _)| Dictionaries::new(channel(place))).collect();
        let constant = |attribute: &Attribute| match attribute {
            Attribute::Constant(value) => Arc::new(vec![value.clone()]),
            _ => Arc::default(),
        };
        let constants = attributes().map(constant).collect();
        Self { reader, wanted, clock, arrivals, came: Came::default(), rows, dictionaries, constants }
    }

    /// What was said so far of when rows came.
    #[must_use]
    pub fn came(&self) -> Came {
        self.came
    }

    /// The next rows as touches of file number `file`, without flags; those whose time `within` refuses are left out.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn next_touches(&mut self, file: u32, within: impl Fn(i64) -> bool) -> Result<Next<TouchBatch>, Problem> {
        self.next(within, |decoded| {
            let Decoded { rows, times, customers, ids, attributes, .. } = decoded;
            Ok(TouchBatch { file, rows, customers, times, ids, attributes, flags: Vec::new() })
        })
    }

    /// The next rows as conversions of file number `file`; those whose time `within` refuses are left out. Where a currency is
    /// mapped, amounts are converted in `market`.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn next_conversions(
        &mut self,
        file: u32,
        market: Option<&Market>,
        within: impl Fn(i64) -> bool,
    ) -> Result<Next<ConversionBatch>, Problem> {
        let wanted = self.wanted;
        self.next(within, |decoded| {
            let Decoded { rows, times, customers, ids, mut attributes, batch } = decoded;
            let refunds = wanted.refund_of.as_ref().map(|name| named(column(&batch, name)?)).transpose()?;
            // The currency is the last of them, if there is one.
            let currencies = wanted.currency.as_ref().and_then(|_| attributes.pop());
            let mut exchange = currencies.map(|currencies| Exchanging::new(currencies, &times, market));
            let values = wanted.amounts.iter().map(|amount| {
                let column = column(&batch, &amount.column)?;
                let Some(exchange) = &mut exchange else { return amounts(column, amount) };
                let mut converting = exchange.column(amount.exponent);
                each(column, amount, |given| converting.push(given))?;
                Ok(converting.finish())
            });
            let values = values.collect::<Result<_, _>>()?;
            Ok(ConversionBatch {
                file,
                rows: (0..times.len()).map(|row| rows.at(row)).collect(),
                ids: ids.ok_or_else(|| ArrowError::SchemaError("conversions without an id".to_owned()))?,
                customers,
                values,
                kinds: attributes.into_iter().next().unwrap_or_else(|| nothing(times.len())),
                refunds,
                exchange: exchange.map(Exchanging::finish),
                counted: None,
                times,
            })
        })
    }

    fn next<T>(
        &mut self,
        within: impl Fn(i64) -> bool,
        finish: impl FnOnce(Decoded) -> Result<T, ArrowError>,
    ) -> Result<Next<T>, Problem> {
        guarded(|| match self.reader.next().transpose()? {
            Some(batch) if batch.num_rows() > 0 => {
                let (first, count) = (self.rows.start, batch.num_rows() as u64);
                if count > self.rows.end - first {
                    return Err(self.wrong_count(count));
                }
                self.rows.start += count;
                Ok(Next::Rows(count, self.decoded(batch, first, within)?.map(finish).transpose()?))
            }
            _ if self.rows.is_empty() => Ok(Next::End),
            _ => Err(self.wrong_count(0)),
        })
    }

    fn wrong_count(&self, found: u64) -> ArrowError {
        let left = self.rows.end - self.rows.start;
        ArrowError::ParquetError(format!("expected {left} further rows in a row group, found {found}"))
    }

    fn decoded(
        &mut self,
        mut batch: RecordBatch,
        first: u64,
        within: impl Fn(i64) -> bool,
    ) -> Result<Option<Decoded>, ArrowError> {
        let mut times = instants(column(&batch, &self.wanted.time)?, self.clock)?;
        let mut rows = RowNumbers::From(first);
        let known = self.wanted.known.as_ref().zip(self.arrivals);
        if known.is_some() || !times.iter().all(|time| within(*time)) {
            let mut kept: Vec<bool> = times.iter().map(|time| within(*time)).collect();
            if let Some((known, clock)) = known {
                let arrivals = instants(column(&batch, &known.column)?, clock)?;
                for (kept, came) in kept.iter_mut().zip(arrivals).filter(|(kept, _)| **kept) {
                    *kept = came <= known.last;
                    self.came.later += u64::from(!*kept);
                    self.came.undated += u64::from(came == NO_TIME);
                }
            }
            if !kept.contains(&true) {
                return Ok(None);
            }
            if kept.contains(&false) {
                let mut next = kept.iter();
                times.retain(|_| next.next() == Some(&true));
                rows = RowNumbers::Each((first..).zip(&kept).filter(|(_, kept)| **kept).map(|(row, _)| row).collect());
                batch = filter_record_batch(&batch, &BooleanArray::from(kept))?;
            }
        }
        let mut attributes = Vec::with_capacity(self.wanted.attributes.len() + 1);
        for (place, attribute) in self.wanted.attributes.iter().chain(&self.wanted.currency).enumerate() {
            attributes.push(match attribute {
                Attribute::Nothing => nothing(times.len()),
                Attribute::Constant(_) => Coded { codes: vec![0; times.len()], dictionary: Arc::clone(&self.constants[place]) },
                Attribute::Column(name) => coded(column(&batch, name)?, &mut self.dictionaries[place])?,
            });
        }
        let ids = self.wanted.id.as_ref().map(|name| identities(column(&batch, name)?)).transpose()?;
        let customers = identities(column(&batch, &self.wanted.customer)?)?;
        Ok(Some(Decoded { rows, times, customers, ids, attributes, batch }))
    }
}

fn nothing(rows: usize) -> Coded {
    Coded { codes: vec![NULL_CODE; rows], dictionary: Arc::default() }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("no column {name:?}")))
}

fn instants(column: &ArrayRef, clock: &Clock) -> Result<Vec<i64>, ArrowError> {
    let cells = match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => column.as_primitive::<TimestampSecondType>().values(),
        DataType::Timestamp(TimeUnit::Millisecond, _) => column.as_primitive::<TimestampMillisecondType>().values(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => column.as_primitive::<TimestampMicrosecondType>().values(),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => column.as_primitive::<TimestampNanosecondType>().values(),
        other => return Err(ArrowError::SchemaError(format!("a time of type {other}"))),
    };
    let mut times: Vec<i64> = cells.to_vec();
    if !clock.reads_as_it_stands(cells) {
        times.iter_mut().for_each(|time| *time = clock.instant(*time).unwrap_or(NO_TIME));
    }
    if let Some(nulls) = column.nulls() {
        times.iter_mut().zip(nulls).filter(|(_, present)| !present).for_each(|(time, _)| *time = NO_TIME);
    }
    Ok(times)
}
