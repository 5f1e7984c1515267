//! One run: conversions, touches, the walk, the tables, and last the switch of `current`.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use attributary_core::batch::{ConversionBatch, TouchBatch};
use attributary_core::table::Rows;
use attributary_engine::conversions::{ConversionCollector, Converted};
use attributary_engine::histories::Observation;
use attributary_engine::ledger::Ledger;
use attributary_engine::partition::Partition;
use attributary_engine::prints::Prints;
use attributary_engine::rejects::{RejectedRows, Rejects};
use attributary_engine::tables::{self, TableSink};
use attributary_engine::walk::{Walked, walk};
use attributary_engine::{EngineError, Interrupt};
use attributary_frames::{FrameError, SourceFile, Stop, TimeBounds};
use attributary_store::{BytesRead, Manifest, Moment, PublishedRun, now, reached};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::as_of::{self, Came};
use crate::carried::{
    self, Carried, Choice, Hours, InputVersions, Orders, Seen, SeenOrders, Touches, Version, Versions, content,
};
use crate::error::Error;
use crate::file::Pipeline;
use crate::machine;
use crate::options::{Options, Phase, Progress};
use crate::plan::{Plan, with_pipeline};
use crate::quality::{self, Evidence, Finding, Findings};
use crate::report::{RunReport, range_text};
use crate::said::{ledger_lines, manifest, summaries, warnings};
use crate::settings::settings;
use crate::worth::{Fits, Returns, Spending, observe, read_rates, read_spend};
use crate::write::{Cohorts, rejects_rows, write_learned, write_tables, write_whole};
use crate::writer::{Writer, lock};
use crate::{frozen, held, restatements, run_id, temp};

/// Runs a pipeline and publishes what it computes.
///
/// # Errors
/// Whatever goes wrong; then nothing is published and `current` is as it was.
pub fn run(options: &Options, progress: &Progress, interrupt: &Interrupt) -> Result<RunReport, Error> {
    let threads = options.threads.unwrap_or_else(machine::threads);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| EngineError::Bug(format!("{threads} threads cannot be started: {error}")))?;
    // Whatever sorts or walks in parallel below does it on these threads.
    with_pipeline(options, |pipeline, secrets| {
        let said = settings(&pipeline, options.as_of, secrets);
        let done = pool.install(|| run_here(pipeline, said, options, progress, interrupt));
        done.map_err(|error| progress.inputs.explain(error))
    })
}

fn run_here(
    pipeline: Pipeline,
    settings: Vec<(String, String)>,
    options: &Options,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<RunReport, Error> {
    let (began, started) = (Instant::now(), now());
    as_of::has_output_of_its_own(options)?;
    let folder = output_folder(&pipeline, options)?;
    // Whoever holds the output is known before the first input is looked at.
    let output = held::open(&folder, options, interrupt)?;
    let run_id = match &options.run_id {
        Some(id) => id.clone(),
        None => run_id::next(now(), &output.ids()?),
    };
    let staging = output.stage(&run_id)?;
    progress.inputs.leaves(staging.folder());
    let mut plan = Plan::interruptible(pipeline, options, interrupt)?;
    progress.inputs.are(&plan);
    reached(Moment::Opened);
    let span = tracing::info_span!("run", run_id, phase = tracing::field::Empty);
    let _entered = span.enter();
    let (from, to) = range_text(options.from, options.to);
    tracing::info!(pipeline = plan.pipeline.name, from, to, "started");

    // Whether its settings go together shows before the long part.
    Returns::new(&plan, plan.setup.range)?;

    let temp = temp::of_run(options, &folder)?;
    plan.setup.temp = temp.path().to_owned();
    progress.inputs.leaves(temp.path());

    // Whatever can be read of it: only a run that must go on from it says what is wrong.
    let before = output.current().ok().flatten();
    match (&options.fits_of, &before) {
        (Some(folder), _) => frozen::thaw(&mut plan, &PublishedRun::read(folder)?)?,
        (None, Some(before)) if !options.refit => frozen::thaw(&mut plan, before)?,
        _ => {}
    }
    let mut versions = versions(&plan);
    let (mut carried, because) = match carried::choose(options, &output, &mut plan, &mut versions, interrupt)? {
        Choice::Whole { because } => (None, Some(because)),
        Choice::Some(carried) => (Some(carried), None),
    };
    match (&carried, &because) {
        (Some(carried), _) => tracing::info!(base = carried.base.manifest.run_id, "goes on from the run before"),
        (None, because) => tracing::info!(because, "computes all days"),
    }
    // Paths, customers and amounts by currency are no sums over days: a run that takes days over counts them anew over all of them.
    let again = carried.is_some() && (plan.setup.paths > 0 || plan.setup.lists_customers() || plan.setup.exchange);
    let wanted = (plan.setup.paths, plan.setup.customers.clone());
    if again {
        (plan.setup.paths, plan.setup.customers) = (0, None);
    }
    let mut computed = compute(&mut plan, carried.as_deref_mut(), progress, interrupt)?;
    (plan.setup.paths, plan.setup.customers) = wanted;
    plan.setup.only = None;
    note_content(&plan, carried.is_some(), &computed, &mut versions, interrupt)?;
    note_touches(&plan, carried.as_deref(), &computed, &mut versions);

    progress.enter(Phase::Writing);
    let writer = Writer::new(staging, interrupt);
    let mut returns = Returns::new(&plan, plan.setup.range)?;
    let totals = match &carried {
        None => {
            let totals = writer.all(|| write_tables(&plan, &mut computed, &mut returns, &writer))?;
            carried::write_state(&plan, &computed, None, &versions, &writer)?;
            totals
        }
        Some(carried) => {
            let (totals, state) = rayon::join(
                || carried::write(&plan, &computed, carried, !again, &mut returns, &writer),
                || carried::write_state(&plan, &computed, Some(carried), &versions, &writer),
            );
            state?;
            totals?
        }
    };
    writer.all(|| write_learned(&plan.setup, &computed.walked.fits, &totals.ledger, &writer))?;
    let mut cohorts = None;
    if again {
        // What was written needs no memory any more, and the second walk has files of its own.
        computed.walked.tables = Vec::new();
        let again = temp.path().join("again");
        std::fs::create_dir(&again).map_err(EngineError::temp(&again))?;
        plan.setup.temp = again;
        let (rejects, of_whole) = walk_again(&mut plan, &writer, progress, interrupt)?;
        cohorts = of_whole;
        let fields = tables::rejects::fields(&plan.setup);
        let mut rejects = rejects.into_iter().map(Ok);
        writer.all(|| writer.tables().file("rejects", tables::ONLY_FILE, &fields, &mut rejects))?;
    } else if carried.is_none() {
        cohorts = writer.all(|| write_whole(&plan.setup, &mut computed, &writer))?;
    }
    let mut returned = None;
    if let Some(mut returns) = returns {
        returns.spend(&computed.spending, &computed.walked.budget)?;
        if let Some((cohorts, _)) = &cohorts {
            returns.cohorts(cohorts, &plan.setup)?;
        }
        let until = cohorts.as_ref().map(|(_, until)| *until);
        if computed.observed.as_ref().is_some_and(|(_, fits)| fits.as_ref().is_some_and(|fits| !fits.foresee())) {
            returns.without_foresight();
        }
        returned = writer.all(|| returns.write(until, cohorts.is_some(), &writer))?;
    }
    let restated = restatements::write(&plan, &run_id, before.as_ref(), &totals.days, &writer)?;
    reached(Moment::Read);
    progress.inputs.check()?;
    interrupt.check()?;

    let mut findings = Vec::new();
    if let Some(checks) = plan.pipeline.quality.as_ref().filter(|_| !options.unjudged) {
        let evidence = Evidence {
            plan: &plan,
            options,
            computed: &computed,
            totals: &totals,
            versions: &versions,
            is_merge: carried.as_ref().is_some_and(|carried| carried.is_merge()),
            staged: &writer.folder(),
            output: &output,
            output_folder: &folder,
        };
        findings = quality::judge(checks, &evidence)?;
        writer.all(|| tables::write_whole(&writer.tables(), quality::TABLE, &quality::fields(), quality::rows(&findings)))?;
        let broken: Vec<String> = findings.iter().filter(|finding| finding.is_fatal()).map(Finding::words).collect();
        if !broken.is_empty() {
            let said = Findings::new(&run_id, &plan, &findings);
            let findings = writer.into_staging().fail(quality::TABLE, &said)?;
            return Err(Error::Contract { problem: broken.join("; "), findings });
        }
    }

    let recomputed = carried.as_ref().map(|carried| carried.said());
    let backfill = options.backfill.clone();
    let manifest = Manifest { settings, recomputed, backfill, ..manifest(&plan, &computed, &totals, (started, began)) };
    let rows = manifest.rows.clone();
    drop(temp);
    let published = writer.into_staging().publish(manifest)?;
    let mut warnings = warnings(&plan, &computed);
    warnings.extend(findings.iter().filter(|finding| !finding.passed).map(|finding| format!("quality: {}", finding.words())));
    warnings.extend(restated);
    let (pruned, removed) = output.prune(&plan.pipeline.keep, &|| interrupt.check().is_err());
    if let Err(error) = removed {
        // The run is published all the same; the next one tries again.
        warnings.push(format!("not all runs that `keep` lets go could be removed: {error}"));
    }
    let spilled_bytes = computed.walked.budget.spilled();
    Ok(RunReport {
        run_id,
        folder: published.folder.clone(),
        pipeline: plan.pipeline.name.clone(),
        currency: plan.setup.currency.0.clone(),
        range: range_text(plan.setup.range.from, plan.setup.range.to),
        as_of: published.manifest.as_of.clone(),
        merged: carried.as_ref().is_some_and(|carried| carried.is_merge()),
        recomputed: published.manifest.recomputed.clone(),
        whole_because: because,
        rows,
        models: summaries(&plan, &totals),
        quality: findings.iter().map(Finding::line).collect(),
        ledger: ledger_lines(&plan.setup, &totals.ledger),
        returns: returned,
        tables: published.manifest.tables.iter().map(|table| (table.name.clone(), table.rows, table.files.len())).collect(),
        pruned,
        warnings,
        seconds: began.elapsed().as_secs_f64(),
        peak_memory_bytes: machine::peak_memory(),
        spilled_bytes,
        phases: progress.phases(began),
    })
}

/// What one walk computed.
pub(crate) struct Computed {
    pub walked: Walked,
    pub conversions_read: u64,
    pub conversions_accepted: u64,
    pub ledger: Ledger,
    pub rejected: RejectedRows,
    pub touches_read: u64,
    /// What was said of when rows came, where someone asked.
    pub touches_came: Came,
    pub conversions_came: Came,
    pub bytes_read: BytesRead,
    pub spending: Spending,
    pub rates_read: u64,
    /// What the conversions of each day are.
    pub prints: Prints,
    /// The hours of the touches that were read, by file.
    pub hours: Vec<Hours>,
    /// The touches that were read, by file.
    pub touches: Vec<Touches>,
    /// What the files of conversions have, where conversions stand alone and are not too many.
    pub orders: Option<Vec<Orders>>,
    /// What is known of all customers, if anyone asked.
    pub observed: Option<(Observation, Option<Fits>)>,
}

/// A model and a window, and the channels with what they got of the first value, most first.
pub(crate) type TopChannels = ((String, String), Vec<(String, i128)>);

/// Sums over all days of the run that is published.
pub(crate) struct Totals {
    pub ledger: Vec<tables::ledger::Line>,
    /// The same by day.
    pub days: Vec<tables::ledger::Line>,
    /// Where a table says so.
    pub channels: Vec<TopChannels>,
}

/// Reads everything and walks it: all days of the plan's range, or those that nothing can be taken over for.
pub(crate) fn compute(
    plan: &mut Plan,
    mut carried: Option<&mut Carried>,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Computed, Error> {
    let rejects = Rejects::new(&plan.setup, interrupt);
    let rates_read = read_rates(plan, &rejects, interrupt)?;
    let bytes = |files: &[SourceFile]| files.iter().map(|file| file.bytes).sum::<u64>();
    progress.total_bytes.store(bytes(plan.touchpoints.files()) + bytes(plan.conversions.files()), Ordering::Relaxed);
    if let Some(carried) = &mut carried {
        carried.look(plan, &rejects, interrupt)?;
        carried.select(plan, interrupt)?;
    }
    let mut ledger = Ledger::default();
    progress.enter(Phase::Conversions);
    let orders = carried::stand_alone(&plan.setup).then(|| SeenOrders::new(plan.conversions.files().len()));
    let wanted = |file: usize| carried.as_ref().is_none_or(|carried| carried.reads_conversions(file));
    let (which, seen) = (Which { wanted: &wanted, seen: orders.as_ref() }, &progress.conversions);
    let mut converted = read_conversions(plan, which, &rejects, &mut ledger, seen, interrupt)?;
    let (conversions_read, conversions_accepted) = (converted.read, converted.accepted);
    let observed = observe(&plan.pipeline, &plan.setup, &mut converted)?;
    let spending = read_spend(plan, plan.setup.range, &rejects, interrupt)?;
    let prints = match &mut carried {
        Some(carried) => Some(carried.decide(plan, &mut converted, &mut ledger)?),
        None => None,
    };
    let carried = carried.as_deref();

    progress.enter(Phase::Touchpoints);
    let setup = &plan.setup;
    let files = plan.touchpoints.files();
    let total = bytes(files);
    let passed = || progress.touchpoints.bytes.load(Ordering::Relaxed) as f64 / total.max(1) as f64;
    let partition = Partition::new(setup, &converted, &rejects, &passed);
    let seen = Seen::new(files.len());
    let whole = [plan.touch_bounds(converted.earliest_refunded.zip(converted.latest_refunded))];
    for bounds in carried.map_or(&whole[..], Carried::reads) {
        let names: Vec<String> = files.iter().map(|file| file.path.display().to_string()).collect();
        let wanted = |file: usize| carried.is_none_or(|carried| carried.may_hold(&names[file], bounds));
        let add = |batch: &TouchBatch| {
            seen.add(batch);
            partition.add(batch)
        };
        reading(interrupt, &add, &|take| {
            plan.touchpoints.read_files(&wanted, bounds, setup.threads, &progress.touchpoints, &|batch| take(&batch))
        })?;
    }

    progress.enter(Phase::Walking);
    let partitioned = partition.finish(setup)?;
    let touches_read = partitioned.read;
    let mut walked =
        walk(setup, converted, partitioned, &rejects, &mut ledger, observed.as_ref().map(|(observation, _)| observation))?;
    let read = |progress: &attributary_frames::Progress| progress.read.load(Ordering::Relaxed);
    let bytes_read = BytesRead { touchpoints: read(&progress.touchpoints), conversions: read(&progress.conversions) };
    let of_walk = std::mem::take(&mut walked.prints);
    let (hours, touches) = seen.finish();
    Ok(Computed {
        walked,
        conversions_read,
        conversions_accepted,
        ledger,
        rejected: rejects.finish()?,
        touches_read,
        touches_came: Came::of(&progress.touchpoints),
        conversions_came: Came::of(&progress.conversions),
        bytes_read,
        spending,
        rates_read,
        prints: prints.unwrap_or(of_walk),
        hours,
        touches,
        orders: orders.and_then(SeenOrders::finish),
        observed,
    })
}

/// The versions of the files.
fn versions(plan: &Plan) -> InputVersions {
    let versions = |files: &[SourceFile]| -> Versions {
        files.iter().map(|file| (file.path.display().to_string(), Version::of(file))).collect()
    };
    InputVersions { touchpoints: versions(plan.touchpoints.files()), conversions: versions(plan.conversions.files()) }
}

/// Notes the content of files, by which the next run knows one again that was only copied or touched. Where most of the bytes of
/// touchpoints was not read anyway it is not worth its time.
fn note_content(
    plan: &Plan,
    carried: bool,
    computed: &Computed,
    versions: &mut InputVersions,
    interrupt: &Interrupt,
) -> Result<(), Error> {
    let of = |files: &[SourceFile], versions: &mut Versions| {
        let wanted = |file: &&SourceFile| {
            let version = versions.get(&file.path.display().to_string());
            version.is_some_and(|version| version.bytes == file.bytes && version.content.is_none())
        };
        let wanted: Vec<&SourceFile> = files.iter().filter(wanted).collect();
        let content = |file: &&SourceFile| Ok((file.path.display().to_string(), content(&file.path, interrupt)?));
        let contents: Vec<(String, u128)> = wanted.par_iter().map(content).collect::<Result<_, Error>>()?;
        for (path, content) in contents {
            versions.entry(path).and_modify(|version| version.content = Some(content));
        }
        Ok::<(), Error>(())
    };
    let touchpoints = plan.touchpoints.files();
    let read_most = computed.bytes_read.touchpoints.saturating_mul(2) >= touchpoints.iter().map(|file| file.bytes).sum();
    if carried || read_most {
        of(touchpoints, &mut versions.touchpoints)?;
    }
    if computed.orders.is_some() { of(plan.conversions.files(), &mut versions.conversions) } else { Ok(()) }
}

/// Notes the touches of each file that was read from its first row to its last. Those of the others are known, or are not.
fn note_touches(plan: &Plan, carried: Option<&Carried>, computed: &Computed, versions: &mut InputVersions) {
    let all = plan.setup.range == attributary_engine::Range::default();
    for (file, read) in plan.touchpoints.files().iter().zip(&computed.touches) {
        let path = file.path.display().to_string();
        let touches = match carried {
            Some(carried) => carried.touches_of(&path),
            None => all.then_some(*read),
        };
        if let (Some(touches), Some(version)) = (touches, versions.touchpoints.get_mut(&path)) {
            version.touches = Some(touches);
        }
    }
}

/// Which conversions are read, and who looks at them.
pub(crate) struct Which<'a> {
    /// The files that are read, by their places.
    pub wanted: &'a (dyn Fn(usize) -> bool + Sync),
    /// Notes what each file has.
    pub seen: Option<&'a SeenOrders>,
}

/// Reads the conversions, and a second time where ids are there more than once.
pub(crate) fn read_conversions(
    plan: &Plan,
    which: Which<'_>,
    rejects: &Rejects,
    ledger: &mut Ledger,
    progress: &attributary_frames::Progress,
    interrupt: &Interrupt,
) -> Result<Converted, Error> {
    let setup = &plan.setup;
    // Of a file that does not say how many rows it has, a row has more than a few bytes.
    const LEAST_ROW: u64 = 16;
    let files = plan.conversions.files().iter().enumerate().filter(|(place, _)| (which.wanted)(*place));
    let expected = files.map(|(_, file)| file.rows.unwrap_or(file.bytes / LEAST_ROW)).sum();
    let kept = Kept::new(expected);
    let read = |progress: &attributary_frames::Progress, add: &(dyn Fn(&ConversionBatch) -> Result<(), EngineError> + Sync)| {
        let everything = TimeBounds { from: None, to: None };
        reading(interrupt, add, &|take| {
            plan.conversions.read_files(which.wanted, &everything, setup.threads, progress, &|batch| {
                take(&batch)?;
                kept.keep(batch);
                Ok(())
            })
        })
    };
    let collector = ConversionCollector::new(setup, rejects, expected);
    read(progress, &|batch| {
        which.seen.iter().for_each(|seen| seen.add(batch));
        collector.add(batch)
    })?;
    let collected = collector.finish()?;
    match (collected.reason(), kept.all()) {
        (None, _) => {}
        (Some(_), Some(batches)) => batches.iter().try_for_each(|batch| collected.add(batch))?,
        (Some(reason), None) => {
            tracing::debug!("{reason}: the source is read again");
            let again = attributary_frames::Progress::default();
            read(&again, &|batch| collected.add(batch))?;
            progress.read.fetch_add(again.read.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
    Ok(collected.finish(ledger)?)
}

/// The batches of a source of few rows, so that it need not be read a second time: small files cost more to open than to decode.
struct Kept(Mutex<Option<Vec<ConversionBatch>>>);

impl Kept {
    /// For a source of so many rows, or not many more.
    fn new(expected: u64) -> Self {
        const MOST: u64 = 1 << 16;
        Self(Mutex::new((expected <= MOST).then(Vec::new)))
    }

    fn keep(&self, batch: ConversionBatch) {
        if let Some(batches) = &mut *lock(&self.0) {
            batches.push(batch);
        }
    }

    /// All batches, if they were kept. From here on none is.
    fn all(&self) -> Option<Vec<ConversionBatch>> {
        lock(&self.0).take()
    }
}

/// Takes a batch, or wants no more.
type Take<'a, B> = &'a (dyn Fn(&B) -> Result<(), Stop> + Sync);

/// Reads a source whose batches go to `add`. The engine's own error goes before what the reader says of being stopped.
pub(crate) fn reading<B>(
    interrupt: &Interrupt,
    add: &(dyn Fn(&B) -> Result<(), EngineError> + Sync),
    read: &dyn Fn(Take<'_, B>) -> Result<(), FrameError>,
) -> Result<(), Error> {
    let failed = Mutex::new(None);
    let read = read(&|batch| {
        add(batch).and_then(|()| interrupt.check()).map_err(|error| {
            lock(&failed).get_or_insert(error);
            Stop
        })
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error.into()),
        None => Ok(read?),
    }
}

/// Walks all days once more, of which only what must see all of them at once is wanted, and what that walk rejects, which is
/// returned: it sees the customers who do not convert too.
fn walk_again(
    plan: &mut Plan,
    writer: &Writer<'_>,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<(Vec<Rows>, Option<Cohorts>), Error> {
    // Who acquired a customer only models say.
    let no_models = !plan.setup.lists_customers();
    let models = if no_models { std::mem::take(&mut plan.setup.models) } else { Vec::new() };
    let tables = std::mem::take(&mut plan.setup.tables);
    let wanted_credits = std::mem::replace(&mut plan.setup.credits, false);
    let mut computed = compute(plan, None, progress, interrupt)?;
    let cohorts = writer.all(|| write_whole(&plan.setup, &mut computed, writer))?;
    let rejects = rejects_rows(plan, &computed.rejected)?;
    if no_models {
        plan.setup.models = models;
    }
    plan.setup.tables = tables;
    plan.setup.credits = wanted_credits;
    Ok((rejects, cohorts))
}

/// Where a pipeline's runs are.
///
/// # Errors
/// Where neither the file nor the options say it.
pub(crate) fn output_folder(pipeline: &Pipeline, options: &Options) -> Result<std::path::PathBuf, Error> {
    options.output.clone().or_else(|| pipeline.output.clone()).ok_or_else(|| Error::Usage {
        problem: format!("pipeline {:?} names no output", pipeline.name),
        hint: Some("set `output` under [pipeline], or give --output FOLDER".to_owned()),
    })
}
