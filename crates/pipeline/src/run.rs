//! One run: conversions, touches, the walk, the tables, and last the switch of `current`.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use attributary_core::batch::ConversionBatch;
use attributary_core::journey::Rejected;
use attributary_core::table::Rows;
use attributary_core::time::{Day, instant_text};
use attributary_engine::conversions::{ConversionCollector, Converted};
use attributary_engine::histories::Observation;
use attributary_engine::ledger::Ledger;
use attributary_engine::partition::Partition;
use attributary_engine::rejects::{RejectedRows, Rejects, Side};
use attributary_engine::tables::customers::CohortRow;
use attributary_engine::tables::{self, SinkError, TableSink};
use attributary_engine::walk::{Extreme, Walked, walk};
use attributary_engine::{EngineError, Interrupt, Range, Setup};
use attributary_frames::{FrameError, SourceFile, Stop, TimeBounds};
use attributary_store::{
    BytesRead, ConversionCounts, InputFile, Manifest, ModelEntry, Output, PublishedRun, RowCounts, SpendCounts, TouchpointCounts,
};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::error::Error;
use crate::file::Pipeline;
use crate::machine;
use crate::merge;
use crate::options::{Options, Phase, Progress};
use crate::plan::{Plan, is_base, with_pipeline};
use crate::report::{LedgerLine, ModelSummary, RunReport, range_text};
use crate::temp;
use crate::worth::{Fits, Returns, Spending, observe, read_rates, read_spend, write_currencies, write_customers};
use crate::writer::{Writer, lock};

/// Runs a pipeline and publishes what it computes.
///
/// # Errors
/// Whatever goes wrong; then nothing is published and `current` is as it was.
pub fn run(options: &Options, progress: &Progress, interrupt: &Interrupt) -> Result<RunReport, Error> {
    let threads = options.threads.unwrap_or_else(machine::threads);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| EngineError::Bug(format!("{threads} threads cannot be started: {error}")))?;
    // Whatever sorts or walks in parallel below does it on these threads.
    with_pipeline(options, |pipeline, _| pool.install(|| run_here(pipeline, options, progress, interrupt)))
}

fn run_here(pipeline: Pipeline, options: &Options, progress: &Progress, interrupt: &Interrupt) -> Result<RunReport, Error> {
    let (began, started) = (Instant::now(), now());
    let folder = output_folder(&pipeline, options)?;
    // Whoever holds the output is known before the first input is looked at.
    let output = Output::open(&folder)?;
    let run_id = options.run_id.clone().unwrap_or_else(new_run_id);
    let staging = output.stage(&run_id)?;
    let mut plan = Plan::new(pipeline, options)?;
    let span = tracing::info_span!("run", run_id);
    let _entered = span.enter();
    let (from, to) = range_text(options.from, options.to);
    tracing::info!(pipeline = plan.pipeline.name, from, to, "started");

    // Whether its settings go together shows before the long part.
    Returns::new(&plan, plan.setup.range, None)?;

    let temp = temp::of_run(options, &folder)?;
    plan.setup.temp = temp.path().to_owned();

    let base = if options.merge { merge::base(&output, &plan)? } else { None };
    let whole = base.as_ref().map(|base| merge::whole_range(base, plan.setup.range)).transpose()?;
    let range = whole.unwrap_or(plan.setup.range);
    // Paths, customers and amounts by currency are no sums over days: a merged run counts them anew over all its days.
    let again = whole.filter(|_| plan.setup.paths > 0 || plan.setup.lists_customers() || plan.setup.exchange);
    let wanted = (plan.setup.paths, plan.setup.customers.clone());
    if again.is_some() {
        (plan.setup.paths, plan.setup.customers) = (0, None);
    }
    let mut computed = compute(&mut plan, range, progress, interrupt)?;
    (plan.setup.paths, plan.setup.customers) = wanted;

    progress.enter(Phase::Writing);
    let writer = Writer::new(staging, interrupt);
    let mut returns = Returns::new(&plan, range, computed.days)?;
    let totals = match &base {
        None => writer.all(|| write_tables(&plan, &mut computed, &mut returns, &writer))?,
        Some(base) => merge::write(&plan, &computed, base, &mut returns, &writer)?,
    };
    let mut cohorts = None;
    if again.is_none() {
        cohorts = writer.all(|| write_whole(&plan.setup, &mut computed, &writer))?;
    }
    if let Some(base) = &base {
        let rejects = match again {
            Some(range) => {
                // What was written needs no memory any more, and the second walk has files of its own.
                computed.walked.tables = Vec::new();
                let again = temp.path().join("again");
                std::fs::create_dir(&again).map_err(EngineError::temp(&again))?;
                plan.setup.temp = again;
                let of_whole = walk_again(&mut plan, range, &writer, progress, interrupt)?;
                cohorts = of_whole.1;
                of_whole.0
            }
            None => vec![merge::rejects(&plan, &computed, base)?],
        };
        let fields = tables::rejects::fields(&plan.setup);
        let mut rejects = rejects.into_iter().map(Ok);
        writer.all(|| writer.tables().file("rejects", tables::ONLY_FILE, &fields, &mut rejects))?;
    }
    if let Some(mut returns) = returns {
        returns.spend(&computed.spending)?;
        if let Some(cohorts) = &cohorts {
            returns.cohorts(cohorts, &plan.setup)?;
        }
        writer.all(|| returns.write(cohorts.is_some(), &writer))?;
    }
    interrupt.check()?;

    let manifest = manifest(&plan, &computed, &totals, range, started);
    let rows = manifest.rows.clone();
    drop(temp);
    let published = writer.into_staging().publish(manifest)?;
    let pruned = output.prune(plan.pipeline.keep)?;
    let spilled_bytes = computed.walked.budget.spilled();
    Ok(RunReport {
        run_id,
        folder: published.folder.clone(),
        pipeline: plan.pipeline.name.clone(),
        currency: plan.setup.currency.0.clone(),
        range: range_text(range.from, range.to),
        merged: base.is_some(),
        rows,
        models: summaries(&plan, &totals),
        ledger: ledger_lines(&plan.setup, &totals.ledger),
        tables: published.manifest.tables.iter().map(|table| (table.name.clone(), table.rows, table.files.len())).collect(),
        pruned,
        warnings: warnings(&computed),
        seconds: began.elapsed().as_secs_f64(),
        peak_memory_bytes: machine::peak_memory(),
        spilled_bytes,
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
    pub bytes_read: BytesRead,
    /// The first and the last day of the range that has conversions.
    pub days: Option<(Day, Day)>,
    pub spending: Spending,
    /// What is known of all customers, if anyone asked.
    pub observed: Option<(Observation, Option<Fits>)>,
}

/// A model and a window, and the channels with what they got of the first value, most first.
pub(crate) type TopChannels = ((String, String), Vec<(String, i128)>);

/// Sums over all days of the run that is published.
pub(crate) struct Totals {
    pub ledger: Vec<tables::ledger::Line>,
    /// Where a table says so.
    pub channels: Vec<TopChannels>,
}

/// Reads everything and walks it. Spend is read for all `days` that are published.
pub(crate) fn compute(plan: &mut Plan, days: Range, progress: &Progress, interrupt: &Interrupt) -> Result<Computed, Error> {
    let rejects = Rejects::new(&plan.setup, interrupt);
    read_rates(plan, &rejects, interrupt)?;
    let setup = &plan.setup;
    let bytes = |files: &[SourceFile]| files.iter().map(|file| file.bytes).sum::<u64>();
    progress.total_bytes.store(bytes(plan.touchpoints.files()) + bytes(plan.conversions.files()), Ordering::Relaxed);
    let mut ledger = Ledger::default();
    progress.enter(Phase::Conversions);
    let mut converted = read_conversions(plan, &rejects, &mut ledger, &progress.conversions, interrupt)?;
    let (conversions_read, conversions_accepted) = (converted.read, converted.accepted);
    let of_days = converted.days;
    let observed = observe(&plan.pipeline, setup, &mut converted)?;
    let spending = read_spend(plan, days, &rejects, interrupt)?;

    progress.enter(Phase::Touchpoints);
    let bounds = plan.touch_bounds(converted.earliest_refunded);
    let total = bytes(plan.touchpoints.files());
    let passed = || progress.touchpoints.bytes.load(Ordering::Relaxed) as f64 / total.max(1) as f64;
    let partition = Partition::new(setup, &converted, &rejects, &passed);
    reading(interrupt, &|batch| partition.add(batch), &|take| {
        plan.touchpoints.read(&bounds, setup.threads, &progress.touchpoints, &|batch| take(&batch))
    })?;

    progress.enter(Phase::Walking);
    let partitioned = partition.finish(setup)?;
    let touches_read = partitioned.read;
    let walked =
        walk(setup, converted, partitioned, &rejects, &mut ledger, observed.as_ref().map(|(observation, _)| observation))?;
    let read = |progress: &attributary_frames::Progress| progress.read.load(Ordering::Relaxed);
    let bytes_read = BytesRead { touchpoints: read(&progress.touchpoints), conversions: read(&progress.conversions) };
    Ok(Computed {
        walked,
        conversions_read,
        conversions_accepted,
        ledger,
        rejected: rejects.finish()?,
        touches_read,
        bytes_read,
        days: of_days,
        spending,
        observed,
    })
}

/// Reads the conversions, and a second time where ids are there more than once.
pub(crate) fn read_conversions(
    plan: &Plan,
    rejects: &Rejects,
    ledger: &mut Ledger,
    progress: &attributary_frames::Progress,
    interrupt: &Interrupt,
) -> Result<Converted, Error> {
    let setup = &plan.setup;
    // Of a file that does not say how many rows it has, a row has more than a few bytes.
    const LEAST_ROW: u64 = 16;
    let expected = plan.conversions.files().iter().map(|file| file.rows.unwrap_or(file.bytes / LEAST_ROW)).sum();
    let read = |progress: &attributary_frames::Progress, add: &(dyn Fn(&ConversionBatch) -> Result<(), EngineError> + Sync)| {
        let everything = TimeBounds { from: None, to: None };
        reading(interrupt, add, &|take| plan.conversions.read(&everything, setup.threads, progress, &|batch| take(&batch)))
    };
    let collector = ConversionCollector::new(setup, rejects, expected);
    read(progress, &|batch| collector.add(batch))?;
    let collected = collector.finish()?;
    if let Some(reason) = collected.reason() {
        tracing::debug!("{reason}: the source is read again");
        let again = attributary_frames::Progress::default();
        read(&again, &|batch| collected.add(batch))?;
        progress.read.fetch_add(again.read.load(Ordering::Relaxed), Ordering::Relaxed);
    }
    Ok(collected.finish(ledger)?)
}

/// Takes a batch, or wants no more.
type Take<'a, B> = &'a (dyn Fn(&B) -> Result<(), Stop> + Sync);

/// Reads a source whose batches go to `add`. The engine's own error goes before what the reader says of being stopped.
fn reading<B>(
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

/// Writes all tables, as many at a time as there are threads.
fn write_tables(
    plan: &Plan,
    computed: &mut Computed,
    returns: &mut Option<Returns>,
    writer: &Writer<'_>,
) -> Result<Totals, SinkError> {
    let setup = &plan.setup;
    let walked = &computed.walked;
    let days = || {
        if let Some(credits) = &walked.credits {
            let names = (&walked.kinds, &walked.currencies.0);
            tables::credits::write(setup, credits, names, &walked.profiles, &writer.tables())?;
        }
        tables::unattributed::write(setup, &walked.unattributed, &walked.kinds, &writer.tables())
    };
    let grouped = || {
        let tables: Vec<_> = setup.tables.iter().enumerate().filter(|(_, table)| !is_base(table)).collect();
        let channels = tables.par_iter().map(|(number, table)| {
            let (sums, finish) = (&walked.tables[*number].1, walked.finish(setup, *number));
            let fields = tables::grouped::fields(setup, table, false);
            let mut rows = tables::grouped::finish(sums, finish, false)?;
            let mut channels = None;
            let tables = writer.tables();
            if merge::is_by_channel(table) {
                let all: Vec<Rows> = rows.collect::<Result<_, _>>()?;
                channels = merge::top_channels(setup, table, &fields, &all);
                tables.file(&table.name, tables::ONLY_FILE, &fields, &mut all.into_iter().map(Ok))?;
            } else {
                tables.file(&table.name, tables::ONLY_FILE, &fields, &mut rows)?;
            }
            if !tables::grouped::shows_day(table) {
                let fields = tables::grouped::fields(setup, table, true);
                let mut rows = tables::grouped::finish(sums, finish, true)?;
                writer.state().file(&table.name, tables::ONLY_FILE, &fields, &mut rows)?;
            }
            Ok::<_, SinkError>(channels)
        });
        channels.collect::<Result<Vec<_>, _>>()
    };
    let (days, grouped) = rayon::join(days, grouped);
    days?;
    let channels = grouped?.into_iter().flatten().next().unwrap_or_default();
    for (number, table) in setup.tables.iter().enumerate().filter(|(_, table)| is_base(table)) {
        let fields = tables::grouped::fields(setup, table, true);
        let mut rows = tables::grouped::finish(&walked.tables[number].1, walked.finish(setup, number), true)?.map(|rows| {
            let rows = rows?;
            returns.as_mut().map_or(Ok(()), |returns| returns.add(setup, table, &fields, &rows))?;
            Ok(rows)
        });
        writer.state().file(&table.name, tables::ONLY_FILE, &fields, &mut rows)?;
    }
    let file = |side: Side, file: u32| file_name(plan, side, file);
    let mut rejects = tables::rejects::rows(setup, &computed.rejected, &file)?;
    writer.tables().file("rejects", tables::ONLY_FILE, &tables::rejects::fields(setup), &mut rejects)?;
    drop(rejects);
    let ledger = write_ledger(setup, tables::ledger::day_lines(&computed.ledger, setup), spend_line(plan, computed), writer)?;
    Ok(Totals { ledger, channels })
}

/// Spend as a line of the ledger, if there is any source of it.
pub(crate) fn spend_line(plan: &Plan, computed: &Computed) -> Option<tables::ledger::Line> {
    (!plan.spend.is_empty()).then(|| computed.spending.ledger_line())
}

/// Writes what must see all days at once: paths, customers, amounts by currency. The cohorts of the customers are for the returns.
fn write_whole(setup: &Setup, computed: &mut Computed, writer: &Writer<'_>) -> Result<Option<Vec<CohortRow>>, SinkError> {
    write_paths(setup, computed, writer)?;
    write_currencies(setup, computed, &computed.spending, writer)?;
    write_customers(setup, computed, writer)?;
    let walked = &computed.walked;
    Ok(setup.lists_customers().then(|| tables::customers::cohorts(&walked.books, setup, &walked.profiles)))
}

fn file_name(plan: &Plan, side: Side, file: u32) -> String {
    let files = match side {
        Side::Touchpoints => plan.touchpoints.files(),
        Side::Conversions => plan.conversions.files(),
        Side::Rates => plan.rates.as_ref().map_or(&[][..], |rates| rates.files()),
        // All sources of spend are counted through.
        Side::Spend => {
            return plan.spend_files().nth(file as usize).map_or_else(String::new, |file| file.path.display().to_string());
        }
    };
    files.get(file as usize).map_or_else(String::new, |file| file.path.display().to_string())
}

/// All rejected rows, some at a time.
pub(crate) fn rejects_rows(plan: &Plan, rejected: &RejectedRows) -> Result<Vec<Rows>, EngineError> {
    tables::rejects::rows(&plan.setup, rejected, &|side, file| file_name(plan, side, file))?.collect()
}

/// Writes the ledger and, as state, its days.
pub(crate) fn write_ledger(
    setup: &Setup,
    days: Vec<tables::ledger::Line>,
    spend: Option<tables::ledger::Line>,
    writer: &Writer<'_>,
) -> Result<Vec<tables::ledger::Line>, SinkError> {
    use tables::ledger::{fields, lines, rows};
    let mut lines = lines(&days, setup);
    // Sorted by model, as all lines are: no model's name is before it.
    if let Some(spend) = spend {
        lines.insert(lines.partition_point(|line| line.model < spend.model), spend);
    }
    if let Some(line) = lines.iter().find(|line| line.difference() != 0) {
        return Err(EngineError::Bug(format!("the ledger differs: {line:?}")).into());
    }
    tables::write_whole(&writer.tables(), "ledger", &fields(setup, false), rows(&lines, setup, false))?;
    tables::write_whole(&writer.state(), "ledger", &fields(setup, true), rows(&days, setup, true))?;
    Ok(lines)
}

/// Walks a whole range once more, of which only what must see all days at once is wanted, and what that walk rejects, which is
/// returned: it sees the customers who do not convert too.
fn walk_again(
    plan: &mut Plan,
    range: Range,
    writer: &Writer<'_>,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<(Vec<Rows>, Option<Vec<CohortRow>>), Error> {
    let wanted_range = std::mem::replace(&mut plan.setup.range, range);
    // Who acquired a customer only models say.
    let no_models = !plan.setup.lists_customers();
    let models = if no_models { std::mem::take(&mut plan.setup.models) } else { Vec::new() };
    let tables = std::mem::take(&mut plan.setup.tables);
    let wanted_credits = std::mem::replace(&mut plan.setup.credits, false);
    let mut computed = compute(plan, range, progress, interrupt)?;
    let cohorts = writer.all(|| write_whole(&plan.setup, &mut computed, writer))?;
    let rejects = rejects_rows(plan, &computed.rejected)?;
    if no_models {
        plan.setup.models = models;
    }
    plan.setup.tables = tables;
    (plan.setup.credits, plan.setup.range) = (wanted_credits, wanted_range);
    Ok((rejects, cohorts))
}

fn write_paths(setup: &Setup, computed: &mut Computed, writer: &Writer<'_>) -> Result<(), SinkError> {
    let walked = &mut computed.walked;
    let Some(paths) = walked.paths.take() else { return Ok(()) };
    let rows = tables::paths::rows(paths, setup, &walked.profiles, &walked.budget)?;
    tables::write_whole(&writer.tables(), "paths", &tables::paths::fields(setup), rows)
}

/// What a person should know although the run went well.
fn warnings(computed: &Computed) -> Vec<String> {
    // Who it is is not said: customers' ids stay in the tables.
    let warning = |extreme: &Extreme| {
        let Extreme { touches, conversions, .. } = extreme;
        format!(
            "a customer has {touches} touches and {conversions} conversions, of which some models look at every pair; a bot or a test account is best left \
             out by `where` in [touchpoints]"
        )
    };
    const SHOWN: usize = 3;
    let extremes = &computed.walked.extremes;
    let mut warnings: Vec<String> = extremes.iter().take(SHOWN).map(warning).collect();
    let fits = computed.observed.as_ref().and_then(|(_, fits)| fits.as_ref());
    warnings.extend(fits.iter().flat_map(|fits| fits.warnings()));
    warnings.extend(computed.spending.warnings.iter().cloned());
    if extremes.len() > SHOWN {
        warnings.push(format!("{} further customers are like that", extremes.len() - SHOWN));
    }
    warnings
}

fn output_folder(pipeline: &Pipeline, options: &Options) -> Result<std::path::PathBuf, Error> {
    options.output.clone().or_else(|| pipeline.output.clone()).ok_or_else(|| Error::Usage {
        problem: format!("pipeline {:?} names no output", pipeline.name),
        hint: Some("set `output` under [pipeline], or give --output FOLDER".to_owned()),
    })
}

fn manifest(plan: &Plan, computed: &Computed, totals: &Totals, range: Range, started: i64) -> Manifest {
    let setup = &plan.setup;
    let input = |source: &str, file: &SourceFile| InputFile {
        source: source.to_owned(),
        path: file.path.display().to_string(),
        bytes: file.bytes,
        rows: file.rows.unwrap_or(0),
        footer_sha256: file.footer_sha256.clone(),
    };
    let touchpoints = plan.touchpoints.files();
    let conversions = plan.conversions.files();
    let inputs = touchpoints.iter().map(|file| input("touchpoints", file));
    let inputs = inputs.chain(conversions.iter().map(|file| input("conversions", file)));
    let inputs = inputs.chain(plan.own_spend().flat_map(|spend| spend.files()).map(|file| input("spend", file)));
    let inputs = inputs.chain(plan.rates.iter().flat_map(|rates| rates.files()).map(|file| input("fx", file)));
    let rejected = |side: Side| {
        let counts = Rejected::ALL.map(|reason| (reason.to_string(), computed.rejected.count(side, reason)));
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    };
    let (from, to) = range_text(range.from, range.to);
    let counted = totals.ledger.iter().map(|line| line.attributed_conversions + line.unattributed_conversions);
    let in_range = counted.max().unwrap_or(0);
    Manifest {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pipeline: plan.pipeline.name.clone(),
        pipeline_sha256: plan.pipeline.fingerprints.pipeline_sha256.clone(),
        settings_sha256: plan.pipeline.fingerprints.settings_sha256.clone(),
        range: attributary_store::Range { from, to },
        inputs: inputs.collect(),
        bytes_read: computed.bytes_read,
        rows: RowCounts {
            touchpoints: TouchpointCounts {
                read: computed.touches_read,
                rejected: rejected(Side::Touchpoints),
                used: computed.walked.touches_used,
            },
            conversions: ConversionCounts {
                read: computed.conversions_read,
                rejected: rejected(Side::Conversions),
                accepted: computed.conversions_accepted,
                in_range,
            },
            spend: (!plan.spend.is_empty())
                .then(|| SpendCounts { read: computed.spending.read, rejected: computed.spending.rejected_rows.clone() }),
        },
        models: plan
            .pipeline
            .models
            .iter()
            .map(|model| ModelEntry { name: model.name.clone(), kind: model.spec.kind.to_owned(), additive: model.spec.additive })
            .collect(),
        windows: setup.rules.windows.iter().map(ToString::to_string).collect(),
        started: instant_text(started),
        finished: instant_text(now()),
        peak_memory_bytes: machine::peak_memory(),
        ..Manifest::default()
    }
}

fn summaries(plan: &Plan, totals: &Totals) -> Vec<ModelSummary> {
    let setup = &plan.setup;
    let text = |amount: i128| attributary_core::money::decimal_text(amount, setup.currency.1);
    let mut summaries = Vec::new();
    for model in &setup.models {
        for window in setup.rules.windows.iter().map(ToString::to_string) {
            let lines: Vec<_> = totals.ledger.iter().filter(|line| line.model == model.name && line.window == window).collect();
            let channels =
                totals.channels.iter().find(|((of_model, of_window), _)| *of_model == model.name && *of_window == window);
            summaries.push(ModelSummary {
                model: model.name.clone(),
                additive: model.additive,
                attributed_conversions: lines.first().map_or(0, |line| line.attributed_conversions),
                unattributed_conversions: lines.first().map_or(0, |line| line.unattributed_conversions),
                attributed: lines.iter().map(|line| (line.value.clone(), text(line.attributed))).collect(),
                top_channels: channels
                    .map(|(_, channels)| {
                        channels.iter().take(3).map(|(channel, amount)| (channel.clone(), text(*amount))).collect()
                    })
                    .unwrap_or_default(),
                window,
            });
        }
    }
    summaries
}

fn ledger_lines(setup: &Setup, lines: &[tables::ledger::Line]) -> Vec<LedgerLine> {
    let text = |amount: i128| attributary_core::money::decimal_text(amount, setup.currency.1);
    let line = |line: &tables::ledger::Line| LedgerLine {
        model: line.model.clone(),
        window: line.window.clone(),
        value: line.value.clone(),
        currency: setup.currency.0.clone(),
        source: text(line.source),
        attributed: text(line.attributed),
        unattributed: text(line.unattributed),
        rejected: text(line.rejected),
        difference: text(line.difference()),
        rounding: attributary_core::money::decimal_text(line.rounding, attributary_core::money::ROUNDING_SCALE),
    };
    lines.iter().map(line).collect()
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// The time to the second and a few digits that no other start of that second has: ids sort by time.
fn new_run_id() -> String {
    let now = now();
    let second = instant_text(now / 1_000_000 * 1_000_000).replace(['-', ':'], "");
    let rest = ((now % 1_000_000) as u64 * 0x9E37) ^ u64::from(std::process::id());
    format!("{second}-{:05x}", rest & 0xF_FFFF)
}

/// The published run, for those who only look.
pub(crate) fn current(output: &Output) -> Result<Option<PublishedRun>, Error> {
    Ok(output.current()?)
}
