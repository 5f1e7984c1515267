//! Runs the plans of all files and hands their batches to worker threads: bounded memory, every row once, and no short read
//! that looks like the end of a file.

use std::iter::once;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polars::prelude::{DataFrame, Engine, Expr, LazyFrame, PlanCallback, PolarsError, PolarsResult, col};

use crate::error::{FrameError, unreadable};
use crate::guard::{Failure, guarded};
use crate::source::{ROW, Rows};
use crate::threads::memory_of_queries;
use crate::{Progress, SourceFile, Stop};

/// What is to be read of one file.
pub(crate) struct FilePlan<'a> {
    /// Its place in the list of all files.
    pub place: usize,
    /// The file.
    pub file: &'a SourceFile,
    /// All rows of the file, not read yet, and how many bytes are.
    pub scan: Box<dyn Fn() -> PolarsResult<(Rows, u64)> + Sync + 'a>,
    /// What is asked of rows of the file: the plan, of which the first column is [`ROW`].
    pub ask: Box<dyn Fn(LazyFrame) -> LazyFrame + Sync + 'a>,
    /// Which times are wanted, if not all and if row groups can be skipped by them.
    pub within: Option<Expr>,
    /// Whether all rows of the file must arrive.
    pub whole: bool,
    /// How many columns are read.
    pub columns: usize,
    /// The keys of the SQL texts that are part of the plan.
    pub sql_keys: &'a [String],
}

/// Why a batch was not taken.
pub(crate) enum BatchError {
    /// The sink has had enough.
    Stop,
    /// The batch is not what the plan said.
    Polars(PolarsError),
}

impl From<Stop> for BatchError {
    fn from(_: Stop) -> Self {
        Self::Stop
    }
}

impl From<PolarsError> for BatchError {
    fn from(error: PolarsError) -> Self {
        Self::Polars(error)
    }
}

/// Files of this many bytes on average are read several at a time: to plan one takes about as long as to read it.
const SMALL_FILE: u64 = 8 << 20;

/// The rows of a batch at most.
const BATCH_ROWS: usize = 1 << 17;

type Take<'a> = &'a (dyn Fn(usize, DataFrame) -> Result<(), BatchError> + Sync);
type Batch = (usize, DataFrame);
type Stretches = Box<dyn Iterator<Item = PolarsResult<LazyFrame>>>;

/// Reads the files and gives each batch, with the place of its file in the list of all, to `take` from `threads` threads.
pub(crate) fn read(plans: &[FilePlan<'_>], threads: usize, progress: &Progress, take: Take<'_>) -> Result<(), FrameError> {
    if plans.is_empty() {
        return Ok(());
    }
    let threads = threads.max(1);
    let bytes: u64 = plans.iter().map(|plan| plan.file.bytes).sum();
    let readers = if bytes / (plans.len() as u64).max(1) <= SMALL_FILE { threads.min(plans.len()) } else { 1 };
    let (sender, receiver) = sync_channel::<Batch>(threads);
    let run = Run {
        plans,
        threads,
        progress,
        seen: plans.iter().map(|_| AtomicU64::new(0)).collect(),
        next: AtomicUsize::new(0),
        stop: Arc::new(AtomicBool::new(false)),
        error: Mutex::new(None),
        receiver: Mutex::new(receiver),
    };
    let panic = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| run.work(take))).collect();
        for _ in 1..readers {
            let (run, sender) = (&run, sender.clone());
            scope.spawn(move || run.read_files(&sender));
        }
        run.read_files(&sender);
        drop(sender);
        // A panic of the sink is the sink's own: it goes on in this thread once all others have ended.
        workers.into_iter().filter_map(|worker| worker.join().err()).next()
    });
    if let Some(panic) = panic {
        std::panic::resume_unwind(panic);
    }
    match run.error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

struct Run<'a> {
    plans: &'a [FilePlan<'a>],
    threads: usize,
    progress: &'a Progress,
    /// For each file, how many of its rows have passed.
    seen: Vec<AtomicU64>,
    next: AtomicUsize,
    stop: Arc<AtomicBool>,
    /// The error of the earliest file.
    error: Mutex<Option<(usize, FrameError)>>,
    receiver: Mutex<Receiver<Batch>>,
}

impl Run<'_> {
    fn read_files(&self, sender: &SyncSender<Batch>) {
        loop {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            if place >= self.plans.len() || self.stop.load(Ordering::Relaxed) {
                return;
            }
            match self.read_file(place, sender.clone()) {
                Ok(rows) => self.advance(place, self.plans[place].file.rows.unwrap_or(rows)),
                Err(error) => self.fail(place, error),
            }
        }
    }

    /// Reads a file to its end, and says how many of its rows were handed on.
    fn read_file(&self, place: usize, sender: SyncSender<Batch>) -> Result<u64, FrameError> {
        let plan = &self.plans[place];
        let handed_on = Arc::new(AtomicU64::new(0));
        // Polars may keep its callback longer than the query runs; the sender in it must not, as workers wait for its end.
        let gate = Arc::new(Mutex::new(Some(sender)));
        let (stop, count, door) = (Arc::clone(&self.stop), Arc::clone(&handed_on), Arc::clone(&gate));
        let hand_on = PlanCallback::new(move |batch: DataFrame| {
            let sender = lock(&door).clone();
            let Some(sender) = sender.filter(|_| !stop.load(Ordering::Relaxed)) else { return Ok(true) };
            count.fetch_add(batch.height() as u64, Ordering::Relaxed);
            // A batch may be a whole row group: pieces of it keep every worker busy, and cost no copy.
            let mut pieces = (0..batch.height()).step_by(BATCH_ROWS);
            Ok(pieces.any(|start| sender.send((place, batch.slice(start as i64, BATCH_ROWS))).is_err()))
        });
        let outcome = guarded(|| {
            let (rows, bytes) = (plan.scan)()?;
            self.progress.read.fetch_add(bytes, Ordering::Relaxed);
            for rows in stretches(plan, rows, bytes, self.threads)? {
                if self.stop.load(Ordering::Relaxed) {
                    break;
                }
                (plan.ask)(rows?).sink_batches(hand_on.clone(), true, None)?.collect_with_engine(Engine::Streaming)?;
            }
            Ok(())
        });
        lock(&gate).take();
        outcome.map_err(|failure| read_error(plan, &failure))?;
        let found = handed_on.load(Ordering::Relaxed);
        match plan.file.rows {
            Some(expected) if plan.whole && expected != found && !self.stop.load(Ordering::Relaxed) => {
                Err(FrameError::WrongRowCount { file: plan.file.path.clone(), expected, found })
            }
            _ => Ok(found),
        }
    }

    fn work(&self, take: Take<'_>) {
        let _drain = Drain(self);
        loop {
            let next = lock(&self.receiver).recv();
            let Ok((place, batch)) = next else { return };
            // After a stop the channel is still emptied: a reader may be waiting for room in it.
            if self.stop.load(Ordering::Relaxed) {
                continue;
            }
            let last = batch.columns().first().and_then(|rows| rows.get(batch.height() - 1).ok()?.extract::<u64>());
            match take(self.plans[place].place, batch) {
                Ok(()) => self.advance(place, last.map_or(0, |last| last + 1)),
                Err(BatchError::Stop) => self.fail(usize::MAX, FrameError::Stopped),
                Err(BatchError::Polars(error)) => {
                    self.fail(place, unreadable(&self.plans[place].file.path, Failure::Error(error).text()));
                }
            }
        }
    }

    /// Says that the first `rows` rows of a file have passed.
    fn advance(&self, place: usize, rows: u64) {
        let file = self.plans[place].file;
        let before = self.seen[place].fetch_max(rows, Ordering::Relaxed);
        if rows > before || file.rows == Some(0) {
            let total = file.rows.unwrap_or(rows).max(1);
            let share = |rows: u64| (u128::from(file.bytes) * u128::from(rows) / u128::from(total)) as u64;
            let bytes = if file.rows == Some(0) { file.bytes } else { share(rows) - share(before) };
            self.progress.rows.fetch_add(rows.saturating_sub(before), Ordering::Relaxed);
            self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn fail(&self, place: usize, error: FrameError) {
        self.stop.store(true, Ordering::Relaxed);
        let mut first = lock(&self.error);
        if first.as_ref().is_none_or(|(before, _)| place < *before) {
            *first = Some((place, error));
        }
    }
}

/// The stretches of a file's rows that are read one after another.
fn stretches(plan: &FilePlan<'_>, rows: Rows, bytes: u64, threads: usize) -> PolarsResult<Stretches> {
    let (all, batches) = match rows {
        Rows::Sliceable(all) => (all, None),
        Rows::InBatches(all, ends) => (all, Some(ends)),
        Rows::InStretches(stretches) => return Ok(stretches),
    };
    // Polars numbers rows by 32 bits.
    let Some(rows) = plan.file.rows.and_then(|rows| u32::try_from(rows).ok()) else { return Ok(Box::new(once(Ok(all)))) };
    let of_part = part_rows(plan.columns, bytes / u64::from(rows.max(1)), threads);
    if rows <= of_part {
        return Ok(Box::new(once(Ok(all))));
    }
    let wanted = match &plan.within {
        // Within a stretch of rows no row group is skipped by its statistics. So those that cannot matter are left out here.
        Some(within) => {
            let ends = all.clone().filter(within.clone()).select([col(ROW).min().alias("first"), col(ROW).max().alias("last")]);
            let ends = ends.collect_with_engine(Engine::Streaming)?.unwrap_single();
            let end = |name: &str| ends.column(name)?.get(0).map(|end| end.extract::<u32>());
            match (end("first")?, end("last")?) {
                (Some(first), Some(last)) => first..last + 1,
                _ => 0..0,
            }
        }
        None => 0..rows,
    };
    let parts = parts(wanted, of_part, batches.as_deref());
    Ok(Box::new(parts.into_iter().map(move |part| Ok(all.clone().slice(part.start.into(), part.end - part.start)))))
}

/// Stretches of so many rows, or as many record batches as have no more; of those at least one.
fn parts(wanted: Range<u32>, rows: u32, batches: Option<&[u64]>) -> Vec<Range<u32>> {
    let mut parts = Vec::new();
    let mut start = wanted.start;
    while start < wanted.end {
        let mut end = start.saturating_add(rows);
        if let Some(batches) = batches {
            let next = batches.partition_point(|batch| *batch <= u64::from(end));
            let before = next.checked_sub(1).map(|before| batches[before]).filter(|before| *before > u64::from(start));
            let whole = before.or(batches.get(next).copied());
            end = whole.and_then(|end| u32::try_from(end).ok()).unwrap_or(wanted.end);
        }
        end = end.min(wanted.end);
        parts.push(start..end);
        start = end;
    }
    parts
}

/// How many rows are read at a time. A row group is decoded as a whole and may have millions of them; while one is decoded and
/// filtered, others wait and are worked on.
fn part_rows(columns: usize, bytes_of_row: u64, threads: usize) -> u32 {
    /// What a cell takes as polars has it, and what it takes before it was compressed.
    const CELL: u64 = 24;
    const UNPACKED: u64 = 4;
    let memory = memory_of_queries() / (threads as u64 + 3);
    let row = (CELL * columns as u64).max(UNPACKED * bytes_of_row).max(1);
    (memory / row).clamp(1 << 14, u32::MAX.into()) as u32
}

fn read_error(plan: &FilePlan<'_>, failure: &Failure) -> FrameError {
    // An SQL text can fail on a cell; whatever else fails is the file.
    let on_a_cell = matches!(failure, Failure::Error(error) if is_of_a_cell(error));
    if on_a_cell && !plan.sql_keys.is_empty() {
        let keys = plan.sql_keys.join(", ");
        return FrameError::Computation { keys, file: plan.file.path.clone(), problem: failure.text() };
    }
    unreadable(&plan.file.path, failure.text())
}

fn is_of_a_cell(error: &PolarsError) -> bool {
    match error {
        PolarsError::InvalidOperation(_) | PolarsError::OutOfBounds(_) | PolarsError::ExprContext { .. } => true,
        PolarsError::Context { error, .. } => is_of_a_cell(error),
        _ => false,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A worker that panics stops the run, and empties the channel so that no reader waits for ever.
struct Drain<'a, 'b>(&'a Run<'b>);

impl Drop for Drain<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop.store(true, Ordering::Relaxed);
            while lock(&self.0.receiver).recv().is_ok() {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn parts_have_so_many_rows_or_whole_record_batches() {
        assert_eq!(parts(5..12, 3, None), [5..8, 8..11, 11..12]);
        assert_eq!(parts(3..3, 3, None), []);
        assert_eq!(parts(0..20, 8, Some(&[3, 6, 9, 19, 20])), [0..6, 6..9, 9..19, 19..20]);
        assert_eq!(parts(0..4, 1, Some(&[0, 2, 2, 4])), [0..2, 2..4]);
    }
}
