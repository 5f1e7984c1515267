//! The tables of a run, written as they come out of the walk.

use attributary_core::table::Rows;
use attributary_core::time::Day;
use attributary_engine::learn::Fits;
use attributary_engine::rejects::{RejectedRows, Side};
use attributary_engine::tables::customers::CohortRow;
use attributary_engine::tables::{self, SinkError, TableSink};
use attributary_engine::{EngineError, Setup};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::carried;
use crate::plan::{Plan, is_base};
use crate::run::{Computed, Totals};
use crate::worth::{Returns, write_currencies, write_customers};
use crate::writer::Writer;

/// Writes all tables, as many at a time as there are threads.
pub(crate) fn write_tables(
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
        tables::unattributed::write(setup, &walked.unattributed, (&walked.kinds, &walked.budget), &writer.tables())
    };
    let grouped = || {
        let tables: Vec<_> = setup.tables.iter().enumerate().filter(|(_, table)| !is_base(table)).collect();
        let channels = tables.par_iter().map(|(number, table)| {
            let (sums, finish) = (&walked.tables[*number].1, walked.finish(setup, *number));
            let fields = tables::grouped::fields(setup, table, false);
            let mut rows = tables::grouped::finish(sums, finish, false)?;
            let mut channels = None;
            let tables = writer.tables();
            if carried::is_by_channel(table) {
                let all: Vec<Rows> = rows.collect::<Result<_, _>>()?;
                channels = carried::top_channels(setup, table, &fields, &all);
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
            returns.as_mut().map_or(Ok(()), |returns| returns.add((setup, &walked.budget), table, &fields, &rows))?;
            Ok(rows)
        });
        writer.state().file(&table.name, tables::ONLY_FILE, &fields, &mut rows)?;
    }
    let file = |side: Side, file: u32| file_name(plan, side, file);
    let mut rejects = tables::rejects::rows(setup, &computed.rejected, &file)?;
    writer.tables().file("rejects", tables::ONLY_FILE, &tables::rejects::fields(setup), &mut rejects)?;
    drop(rejects);
    let days = tables::ledger::day_lines(&computed.ledger, setup);
    let ledger = write_ledger(setup, &days, spend_line(plan, computed), writer)?;
    Ok(Totals { ledger, days, channels })
}

/// Spend as a line of the ledger, if there is any source of it.
pub(crate) fn spend_line(plan: &Plan, computed: &Computed) -> Option<tables::ledger::Line> {
    (!plan.spend.is_empty()).then(|| computed.spending.ledger_line())
}

/// Writes what must see all days at once: paths, customers, amounts by currency. The cohorts of the customers are for the returns.
pub(crate) fn write_whole(setup: &Setup, computed: &mut Computed, writer: &Writer<'_>) -> Result<Option<Cohorts>, SinkError> {
    write_paths(setup, computed, writer)?;
    write_currencies(setup, computed, &computed.spending, writer)?;
    write_customers(setup, computed, writer)?;
    let walked = &computed.walked;
    let observed = computed.observed.as_ref().filter(|_| setup.lists_customers());
    Ok(observed.map(|(observation, _)| (tables::customers::cohorts(&walked.books, setup, &walked.profiles), observation.until)))
}

/// Customers by month and channel, and the last day that they were observed.
pub(crate) type Cohorts = (Vec<CohortRow>, Day);

/// The name of a file of a source, as the table of rejected rows has it.
pub(crate) fn file_name(plan: &Plan, side: Side, file: u32) -> String {
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
    days: &[tables::ledger::Line],
    spend: Option<tables::ledger::Line>,
    writer: &Writer<'_>,
) -> Result<Vec<tables::ledger::Line>, SinkError> {
    use tables::ledger::{fields, lines, rows};
    let mut lines = lines(days, setup);
    // Sorted by model, as all lines are: no model's name is before it.
    if let Some(spend) = spend {
        lines.insert(lines.partition_point(|line| line.model < spend.model), spend);
    }
    if let Some(line) = lines.iter().find(|line| line.difference() != 0) {
        return Err(EngineError::Bug(format!("the ledger differs: {line:?}")).into());
    }
    tables::write_whole(&writer.tables(), "ledger", &fields(setup, false), rows(&lines, setup, false))?;
    tables::write_whole(&writer.state(), "ledger", &fields(setup, true), rows(days, setup, true))?;
    Ok(lines)
}

/// Writes what fitted models learnt.
pub(crate) fn write_learned(
    setup: &Setup,
    fits: &Fits,
    ledger: &[tables::ledger::Line],
    writer: &Writer<'_>,
) -> Result<(), SinkError> {
    tables::learned::planned(setup).into_iter().try_for_each(|(table, fields)| {
        let rows = tables::learned::rows(table, setup, fits, ledger);
        tables::write_whole(&writer.tables(), table, &fields, rows)
    })
}

fn write_paths(setup: &Setup, computed: &mut Computed, writer: &Writer<'_>) -> Result<(), SinkError> {
    let walked = &mut computed.walked;
    let Some(paths) = walked.paths.take() else { return Ok(()) };
    let rows = tables::paths::rows(paths, setup, &walked.profiles, &walked.budget)?;
    tables::write_whole(&writer.tables(), "paths", &tables::paths::fields(setup), rows)
}
