//! Sources whose columns are taken as they stand in Parquet files: decoded row group by row group, without a query.
//! Conditions on touches (`only`, `ignore`) are evaluated once for each combination of values, not for each row.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use attributary_core::batch::TouchBatch;
use attributary_core::table::{Column as Cells, NULL_CODE};
use attributary_core::value::{ColumnType, Value};
use attributary_rowgroups::{Batches, Columns, Group, Known, LogFile, Next};
use polars::prelude::{Column, DataFrame, Expr, IntoLazy, PolarsResult};
use rustc_hash::FxHashMap;

use crate::error::{FrameError, unreadable};
use crate::guard::{Failure, guarded, silenced};
use crate::known::Verdict;
use crate::plan::Plain;
use crate::scan::{Scan, predicate_flags};
use crate::times::within;
use crate::weight::series;
use crate::{Progress, SourceFile, Stop, TimeBounds};

/// A file that is read this way.
pub(crate) struct PlainFile {
    /// Its place in the list of files.
    pub place: usize,
    pub log: LogFile,
    /// The columns that are read, and what came out when their structure was looked at.
    columns: BTreeSet<String>,
    checked: OnceLock<Result<(), String>>,
}

/// Touchpoints that are read this way.
pub(crate) struct PlainTouches {
    pub files: Vec<PlainFile>,
    /// For each file its conditions, over the columns of [`PlainTouches::used`].
    pub conditions: Vec<Vec<Expr>>,
    /// The attributes that conditions name.
    pub used: Vec<UsedAttribute>,
    /// The names of the conditions' columns.
    pub predicates: Vec<String>,
    /// The keys of the conditions, for messages.
    pub keys: Vec<String>,
}

/// An attribute that conditions name: its place, its name in the plan, its type.
pub(crate) type UsedAttribute = (usize, String, ColumnType);

/// Conditions that name more attributes than this are left to queries.
pub(crate) const MAX_USED: usize = 4;

/// Opens a file whose columns stand as they are wanted; none where it must be queried after all. What the time is and its zone
/// are filled in.
pub(crate) fn open(scan: &Scan, place: usize, mut columns: Columns) -> Option<PlainFile> {
    let Plain::Column(time) = &scan.plain_times()[place] else { return None };
    if !scan.is_whole_parquet(place) {
        return None;
    }
    columns.time.clone_from(time);
    columns.zone = scan.zone().clone();
    if let Some(known) = scan.known() {
        match (known.of_file(place), known.plain(place)) {
            (Some(Verdict::Known), _) => {}
            (None, Some((column, last))) => columns.known = Some(Known { column: column.to_owned(), last }),
            // What must be counted, or computed, the query does.
            _ => return None,
        }
    }
    // Where this reader does not take a file, the other one is asked, and it says what is wrong.
    let names = columns.names();
    let log = silenced(|| LogFile::open(&scan.files[place].path, columns)).ok().flatten()?;
    Some(PlainFile { place, log, columns: names, checked: OnceLock::new() })
}

/// What is read of the files of a source, and who looks on.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub scan: &'a Scan,
    /// Which files, by their places.
    pub wanted: &'a (dyn Fn(usize) -> bool + Sync),
    pub bounds: &'a TimeBounds,
    pub threads: usize,
    pub progress: &'a Progress,
}

/// A row group that a thread reads.
pub(crate) struct OpenGroup<'a> {
    /// The place of its file among those that are read this way.
    number: usize,
    plain: &'a PlainFile,
    passed: &'a Passed<'a>,
    bounds: &'a TimeBounds,
    stop: &'a AtomicBool,
    batches: Batches<'a>,
}

impl OpenGroup<'_> {
    /// Hands the batches that `next` gives to `take`.
    pub(crate) fn each<T>(
        &mut self,
        next: impl Fn(&mut Batches<'_>, u32, &TimeBounds) -> Result<Next<T>, String>,
        mut take: impl FnMut(T) -> Result<(), FrameError>,
    ) -> Result<(), FrameError> {
        while !self.stop.load(Ordering::Relaxed) {
            let next = silenced(|| next(&mut self.batches, self.plain.place as u32, self.bounds));
            match next.map_err(|problem| unreadable(&self.passed.file.path, problem))? {
                Next::End => {
                    let came = self.batches.came();
                    self.passed.progress.later.fetch_add(came.later, Ordering::Relaxed);
                    self.passed.progress.undated.fetch_add(came.undated, Ordering::Relaxed);
                    return Ok(());
                }
                Next::Rows(count, batch) => {
                    batch.map_or(Ok(()), &mut take)?;
                    self.passed.pass(count);
                }
            }
        }
        Ok(())
    }
}

/// Reads some files row group by row group, each of which is given to `each`, from as many threads as are wanted.
pub(crate) fn read_groups(
    plain: &[PlainFile],
    reading: Reading<'_>,
    each: &(dyn Fn(OpenGroup<'_>) -> Result<(), FrameError> + Sync),
) -> Result<(), FrameError> {
    let Reading { scan, wanted, bounds, threads, progress } = reading;
    let files = &scan.files;
    let mut tasks: Vec<(usize, Group)> = Vec::new();
    let passed: Vec<_> = plain.iter().map(|plain| Passed::new(&files[plain.place], progress)).collect();
    for (number, (plain, passed)) in plain.iter().zip(&passed).enumerate().filter(|(_, (plain, _))| wanted(plain.place)) {
        let (groups, later) = plain.log.groups(bounds.from, bounds.to);
        progress.later.fetch_add(later, Ordering::Relaxed);
        passed.pass(passed.total.saturating_sub(groups.iter().map(|group| group.rows.end - group.rows.start).sum()));
        tasks.extend(groups.into_iter().map(|group| (number, group)));
    }
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let first_error = Mutex::new(None);
    let read = |number: usize, group: &Group| {
        let (plain, passed) = (&plain[number], &passed[number]);
        let wrong = |problem: String| unreadable(&passed.file.path, problem);
        plain.checked.get_or_init(|| scan.check(plain.place, &plain.columns)).clone().map_err(wrong)?;
        progress.read.fetch_add(group.bytes, Ordering::Relaxed);
        let batches = silenced(|| plain.log.read(group)).map_err(wrong)?;
        each(OpenGroup { number, plain, passed, bounds, stop: &stop, batches })
    };
    let work = || {
        let _stop = StopOnPanic(&stop);
        while !stop.load(Ordering::Relaxed) {
            let task = next.fetch_add(1, Ordering::Relaxed);
            let Some((number, group)) = tasks.get(task) else { return };
            if let Err(error) = read(*number, group) {
                stop.store(true, Ordering::Relaxed);
                let place = if matches!(error, FrameError::Stopped) { usize::MAX } else { task };
                let mut first = first_error.lock().unwrap_or_else(PoisonError::into_inner);
                if first.as_ref().is_none_or(|(before, _)| place < *before) {
                    *first = Some((place, error));
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(work)).collect();
        work();
        // A panic of the sink is the sink's own: it goes on in this thread once all others have ended.
        if let Some(panic) = others.into_iter().filter_map(|thread| thread.join().err()).next() {
            std::panic::resume_unwind(panic);
        }
    });
    match first_error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

impl PlainTouches {
    /// Reads all its files and hands their rows to `sink`.
    pub fn read(&self, reading: Reading<'_>, sink: &(dyn Fn(TouchBatch) -> Result<(), Stop> + Sync)) -> Result<(), FrameError> {
        read_groups(&self.files, reading, &|mut group| {
            let file = &reading.scan.files[group.plain.place];
            let mut conditions = Conditions::new(self, &self.conditions[group.number], file);
            let next =
                |batches: &mut Batches<'_>, file, bounds: &TimeBounds| batches.next_touches(file, |time| within(bounds, time));
            group.each(next, |mut batch| {
                batch.flags = conditions.flags(&batch)?;
                sink(batch).map_err(|Stop| FrameError::Stopped)
            })
        })
    }
}

/// Says how much of a file has passed.
pub(crate) struct Passed<'a> {
    file: &'a SourceFile,
    progress: &'a Progress,
    total: u64,
    rows: AtomicU64,
}

impl<'a> Passed<'a> {
    fn new(file: &'a SourceFile, progress: &'a Progress) -> Self {
        Self { file, progress, total: file.rows.unwrap_or(0), rows: AtomicU64::new(0) }
    }

    fn pass(&self, rows: u64) {
        let before = self.rows.fetch_add(rows, Ordering::Relaxed);
        let share = |rows: u64| (u128::from(self.file.bytes) * u128::from(rows) / u128::from(self.total.max(1))) as u64;
        // A file without rows has passed at once.
        let bytes = if self.total == 0 { self.file.bytes } else { share(before + rows) - share(before) };
        self.progress.rows.fetch_add(rows, Ordering::Relaxed);
        self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The conditions of a row group: each combination of the values that they name is looked at once.
struct Conditions<'a> {
    source: &'a PlainTouches,
    conditions: &'a [Expr],
    file: &'a SourceFile,
    /// The dictionaries that `known` speaks of.
    dictionaries: Vec<Arc<Vec<Value>>>,
    known: FxHashMap<u128, u64>,
}

impl<'a> Conditions<'a> {
    fn new(source: &'a PlainTouches, conditions: &'a [Expr], file: &'a SourceFile) -> Self {
        Self { source, conditions, file, dictionaries: Vec::new(), known: FxHashMap::default() }
    }

    /// For each row, bit *i* says whether condition *i* holds; empty where there are none.
    fn flags(&mut self, batch: &TouchBatch) -> Result<Vec<u64>, FrameError> {
        if self.conditions.is_empty() {
            return Ok(Vec::new());
        }
        let used: Vec<_> = self.source.used.iter().map(|(place, ..)| &batch.attributes[*place]).collect();
        let same = self.dictionaries.len() == used.len()
            && self.dictionaries.iter().zip(&used).all(|(known, column)| Arc::ptr_eq(known, &column.dictionary));
        if !same {
            self.dictionaries = used.iter().map(|column| Arc::clone(&column.dictionary)).collect();
            self.known.clear();
        }
        // A code has 32 bits, and no more than four are used.
        let combination = |row: usize| used.iter().fold(0_u128, |all, column| all << 32 | u128::from(column.codes[row]));
        let combinations: Vec<u128> = (0..batch.len()).map(combination).collect();
        let mut new: Vec<u128> = Vec::new();
        for combination in &combinations {
            if !self.known.contains_key(combination) {
                self.known.insert(*combination, 0);
                new.push(*combination);
            }
        }
        if !new.is_empty() {
            let flags = guarded(|| self.evaluate(&new)).map_err(|failure| self.failed(&failure))?;
            self.known.extend(new.into_iter().zip(flags));
        }
        Ok(combinations.iter().map(|combination| self.known.get(combination).copied().unwrap_or(0)).collect())
    }

    fn evaluate(&self, combinations: &[u128]) -> PolarsResult<Vec<u64>> {
        let used = self.source.used.iter().enumerate();
        let columns = used.map(|(number, (_, name, kind))| {
            let shift = 32 * (self.source.used.len() - 1 - number);
            let codes = combinations.iter().map(|combination| (combination >> shift) as u32).collect();
            let cells = Cells::Codes { codes, dictionary: Arc::clone(&self.dictionaries[number]) };
            series(name, &cells, kind).map(Column::from)
        });
        let frame = DataFrame::new(combinations.len(), columns.collect::<PolarsResult<_>>()?)?;
        let frame = frame.lazy().with_columns(self.conditions).collect()?;
        predicate_flags(&frame, &self.source.predicates)
    }

    fn failed(&self, failure: &Failure) -> FrameError {
        let keys = self.source.keys.join(", ");
        FrameError::Computation { keys, file: self.file.path.clone(), problem: failure.text() }
    }
}

const _: () = assert!(MAX_USED * 32 <= 128 && NULL_CODE == u32::MAX);

/// A thread that panics keeps the others from going on.
struct StopOnPanic<'a>(&'a AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}
