//! What touchpoints and conversions have in common: files, a time, a condition, and the way from both to a plan per file.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use attributary_core::time::Zone;
use attributary_core::value::ColumnType;
use polars::prelude::{
    BooleanChunked, DataFrame, DataType, Expr, LazyFrame, NewChunkedArray, PlSmallStr, PolarsResult, Series, TimeUnit, col, lit,
};

use crate::error::FrameError;
use crate::guard::guarded;
use crate::known::{Known, Verdict};
use crate::plan::{Plain, Resolved, Resolver, Role, columns_in};
use crate::read::{BatchError, FilePlan, read};
use crate::source::{self, OpenFile, ROW};
use crate::sql::Text;
use crate::times::{condition, instants, within};
use crate::{ColumnSpec, Progress, SourceFile, SourceSpec, TimeBounds};

/// The time's column in a plan, beside those that the mapping adds.
pub(crate) const TIME: &str = "time";

/// The column that says when a row came, where someone asks.
const INGESTED: &str = "ingested";

/// The files of a source with all that is asked of them.
pub(crate) struct Scan {
    /// The files, for whoever asks.
    pub files: Vec<SourceFile>,
    opened: Vec<OpenFile>,
    zone: Zone,
    time: Resolved,
    filter: Option<Vec<Expr>>,
    /// Which rows are known, where not all are wanted.
    known: Option<Known>,
    /// For each file the columns to select, then those to add that are computed from the selected ones.
    selected: Vec<(Vec<Expr>, Vec<Expr>)>,
    sql_keys: Vec<String>,
}

/// A batch as it comes from a plan, without the rows outside the bounds.
pub(crate) struct RawBatch {
    /// The place of its file.
    pub file: u32,
    /// Each row's place in the file.
    pub rows: Vec<u64>,
    /// Each row's time.
    pub times: Vec<i64>,
    frame: DataFrame,
}

impl RawBatch {
    /// A column by its name in the plan.
    pub(crate) fn column(&self, name: &str) -> PolarsResult<&Series> {
        Ok(self.frame.column(name)?.as_materialized_series())
    }
}

impl Scan {
    /// Finds and opens the files of a source.
    pub(crate) fn files(spec: &SourceSpec) -> Result<Vec<OpenFile>, FrameError> {
        source::open(spec)
    }

    /// A source of opened files, in which each file selects its columns: first those of the file, then those that are
    /// computed from them.
    pub(crate) fn new(
        spec: &SourceSpec,
        (name, time): (&str, &ColumnSpec),
        opened: Vec<OpenFile>,
        selected: Vec<(Vec<Expr>, Vec<Expr>)>,
        mut sql_keys: Vec<String>,
    ) -> Result<Self, FrameError> {
        let resolver = Resolver { files: &opened, missing_as_null: spec.missing_as_null };
        let key = format!("{}.columns.{name}", spec.key);
        let time_cells = resolver.resolve(&key, time, Role::Time)?;
        if matches!(time, ColumnSpec::Sql(_)) {
            sql_keys.push(key);
        }
        Self::with_times(spec, time_cells, opened, selected, sql_keys)
    }

    /// As [`Scan::new`], of rows that have no time: all of them are of 1970-01-01.
    pub(crate) fn timeless(
        spec: &SourceSpec,
        opened: Vec<OpenFile>,
        selected: Vec<(Vec<Expr>, Vec<Expr>)>,
        sql_keys: Vec<String>,
    ) -> Result<Self, FrameError> {
        let kind = DataType::Datetime(TimeUnit::Microseconds, None);
        let cells = (lit(0_i64).cast(kind.clone()), kind);
        let times = Resolved {
            kind: ColumnType::instant(),
            cells: vec![cells; opened.len()],
            plain: vec![Plain::Computed; opened.len()],
            first: None,
        };
        Self::with_times(spec, times, opened, selected, sql_keys)
    }

    fn with_times(
        spec: &SourceSpec,
        time_cells: Resolved,
        opened: Vec<OpenFile>,
        selected: Vec<(Vec<Expr>, Vec<Expr>)>,
        mut sql_keys: Vec<String>,
    ) -> Result<Self, FrameError> {
        let resolver = Resolver { files: &opened, missing_as_null: spec.missing_as_null };
        let filter = match &spec.filter {
            Some(sql) => {
                let key = format!("{}.where", spec.key);
                let text = Text::parse(&key, sql)?;
                let compiled = resolver.compile(&text)?;
                let conditions = compiled.into_iter().map(|compiled| compiled.condition(&text)).collect::<Result<_, _>>()?;
                sql_keys.push(key);
                Some(conditions)
            }
            None => None,
        };
        let key = format!("{}.columns.{INGESTED}", spec.key);
        let came = spec.ingested.as_ref().map(|column| resolver.resolve(&key, column, Role::Time)).transpose()?;
        if matches!(&spec.ingested, Some(ColumnSpec::Sql(_))) {
            sql_keys.push(key);
        }
        let known = came.zip(spec.as_of.clone()).map(|(came, as_of)| Known::new(came, as_of, spec.zone.clone()));
        let files = opened.iter().map(|file| file.file.clone()).collect();
        Ok(Self { files, opened, zone: spec.zone.clone(), time: time_cells, filter, known, selected, sql_keys })
    }

    /// Of each file whether its time is a column as it stands.
    pub(crate) fn plain_times(&self) -> &[Plain] {
        &self.time.plain
    }

    /// Whether a file is Parquet, of which every row is wanted.
    pub(crate) fn is_whole_parquet(&self, file: usize) -> bool {
        self.filter.is_none() && self.opened[file].is_parquet()
    }

    /// Which rows are known, where not all are wanted.
    pub(crate) fn known(&self) -> Option<&Known> {
        self.known.as_ref()
    }

    /// Whether the structure of some columns of a file will do to be read: see [`OpenFile::check`].
    pub(crate) fn check(&self, file: usize, columns: &BTreeSet<String>) -> Result<(), String> {
        guarded(|| self.opened[file].check(columns)).map(|_| ()).map_err(|failure| failure.text())
    }

    /// The zone of times that name none.
    pub(crate) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Reads the files that `wanted` names by their places and hands their batches to `take`, from `threads` threads.
    pub(crate) fn read(
        &self,
        wanted: impl Iterator<Item = usize>,
        bounds: &TimeBounds,
        threads: usize,
        progress: &Progress,
        take: &(dyn Fn(RawBatch) -> Result<(), BatchError> + Sync),
    ) -> Result<(), FrameError> {
        let plans: Vec<_> = wanted
            .filter(|file| !self.skips(*file, bounds, progress))
            .map(|file| {
                let (cells, kind) = &self.time.cells[file];
                let condition = condition(cells, kind, bounds, &self.zone);
                let used = self.used(file, condition.as_ref());
                let asked = condition.clone();
                FilePlan {
                    place: file,
                    file: &self.files[file],
                    whole: condition.is_none() && self.filter.is_none(),
                    columns: used.len() + 1,
                    scan: Box::new(move || self.opened[file].scan(&used)),
                    ask: Box::new(move |rows| self.ask(file, rows, asked.clone())),
                    within: condition.filter(|_| self.opened[file].is_parquet()),
                    sql_keys: &self.sql_keys,
                }
            })
            .collect();
        read(&plans, threads, progress, &|file, frame| {
            let batch = self.batch(file, frame, bounds, progress)?;
            if batch.rows.is_empty() { Ok(()) } else { take(batch) }
        })
    }

    /// Whether no row of a file was known, and how many they are is known too.
    fn skips(&self, file: usize, bounds: &TimeBounds, progress: &Progress) -> bool {
        let later = self.known.as_ref().is_some_and(|known| known.of_file(file) == Some(Verdict::Later));
        match self.files[file].rows {
            Some(rows) if later && self.filter.is_none() && *bounds == TimeBounds::default() => {
                progress.later.fetch_add(rows, Ordering::Relaxed);
                progress.rows.fetch_add(rows, Ordering::Relaxed);
                progress.bytes.fetch_add(self.files[file].bytes, Ordering::Relaxed);
                true
            }
            _ => false,
        }
    }

    /// The cells that say when each row of a file came, where they must be looked at.
    fn came(&self, file: usize) -> Option<&Expr> {
        self.known.as_ref().filter(|known| known.of_file(file).is_none()).map(|known| known.cells(file))
    }

    /// The columns of a file that are read.
    fn used(&self, file: usize, condition: Option<&Expr>) -> BTreeSet<String> {
        let (selected, _) = &self.selected[file];
        let filter = self.filter.as_ref().map(|filter| &filter[file]);
        let of_row = selected.iter().chain([&self.time.cells[file].0]).chain(self.came(file));
        of_row.chain(condition).chain(filter).flat_map(columns_in).collect()
    }

    /// What is asked of rows of a file.
    fn ask(&self, file: usize, mut frame: LazyFrame, condition: Option<Expr>) -> LazyFrame {
        let (selected, added) = &self.selected[file];
        for condition in condition.into_iter().chain(self.filter.as_ref().map(|filter| filter[file].clone())) {
            frame = frame.filter(condition);
        }
        let own = [col(ROW), self.time.cells[file].0.clone().alias(TIME)];
        let came = self.came(file).map(|came| came.clone().alias(INGESTED));
        frame = frame.select(own.into_iter().chain(came).chain(selected.iter().cloned()).collect::<Vec<_>>());
        if added.is_empty() { frame } else { frame.with_columns(added.clone()) }
    }

    fn batch(&self, file: usize, mut frame: DataFrame, bounds: &TimeBounds, progress: &Progress) -> PolarsResult<RawBatch> {
        let mut times = instants(frame.column(TIME)?.as_materialized_series(), &self.zone)?;
        if *bounds != TimeBounds::default() || self.known.is_some() {
            let mut kept: Vec<_> = times.iter().map(|instant| within(bounds, *instant)).collect();
            if let Some(known) = &self.known {
                let verdicts = match known.of_file(file) {
                    Some(verdict) => vec![verdict; kept.len()],
                    None => known.verdicts(frame.column(INGESTED)?.as_materialized_series())?,
                };
                let count = |wanted| verdicts.iter().zip(&kept).filter(|(verdict, kept)| **kept && **verdict == wanted).count();
                progress.later.fetch_add(count(Verdict::Later) as u64, Ordering::Relaxed);
                progress.undated.fetch_add(count(Verdict::Undated) as u64, Ordering::Relaxed);
                kept.iter_mut().zip(&verdicts).for_each(|(kept, verdict)| *kept &= *verdict != Verdict::Later);
            }
            if kept.contains(&false) {
                frame = frame.filter(&BooleanChunked::from_slice(PlSmallStr::EMPTY, &kept))?;
                let mut kept = kept.iter();
                times.retain(|_| kept.next() == Some(&true));
            }
        }
        frame.rechunk_mut();
        let rows = frame.column(ROW)?.cast(&DataType::UInt64)?;
        let rows = rows.u64()?.iter().map(Option::unwrap_or_default).collect();
        Ok(RawBatch { file: file as u32, rows, times, frame })
    }
}

/// The columns of a plan's batch that are true, as bits: column *i* is bit *i*. Empty where there are none.
pub(crate) fn flags(batch: &RawBatch, columns: &[String]) -> PolarsResult<Vec<u64>> {
    if columns.is_empty() { Ok(Vec::new()) } else { predicate_flags(&batch.frame, columns) }
}

/// The columns of a frame that are true, as bits.
pub(crate) fn predicate_flags(frame: &DataFrame, columns: &[String]) -> PolarsResult<Vec<u64>> {
    let mut flags = vec![0_u64; frame.height()];
    for (bit, name) in columns.iter().enumerate() {
        let holds = frame.column(name)?.as_materialized_series();
        for (flags, holds) in flags.iter_mut().zip(holds.bool()?.iter()) {
            *flags |= u64::from(holds == Some(true)) << bit;
        }
    }
    Ok(flags)
}
