//! The tables of a run of which only some days were computed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use attributary_core::batch::attribute::CHANNEL;
use attributary_core::table::{Field, Rows};
use attributary_core::time::{self, Day, parse_day};
use attributary_core::value::Value;
use attributary_engine::ledger::{Ledger, SourceDay};
use attributary_engine::tables::{self, ONLY_FILE, SinkError, TableSink, ledger::Line};
use attributary_engine::{EngineError, GroupColumn, Range, Setup, TableSetup};
use attributary_store::PublishedRun;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::grouped::{Blocks, chosen, merged, without_day};
use super::orders::KnownOrders;
use super::state::{self, blocks, day_of, for_each_row, int, state};
use super::{Carried, Hours, InputVersions, rejects};
use crate::error::Error;
use crate::frozen;
use crate::plan::{Plan, is_base};
use crate::run::{Computed, TopChannels, Totals};
use crate::worth::Returns;
use crate::write::{spend_line, write_ledger};
use crate::writer::{Section, Writer};

/// Writes all tables that are made of days, those that were computed and those that are taken over. Of the rejected rows only
/// where `with_rejects`.
///
/// # Errors
/// Where what is taken over cannot be read, or the output cannot be written.
pub(crate) fn write(
    plan: &Plan,
    computed: &Computed,
    carried: &Carried,
    with_rejects: bool,
    returns: &mut Option<Returns>,
    writer: &Writer<'_>,
) -> Result<Totals, Error> {
    let setup = &plan.setup;
    let grouped = || {
        let tables: Vec<_> = setup.tables.iter().enumerate().filter(|(_, table)| !is_base(table)).collect();
        let channels = tables.par_iter().map(|(number, table)| write_grouped((plan, computed, carried), *number, table, writer));
        channels.collect::<Result<Vec<_>, Error>>()
    };
    let others = || {
        let walked = &computed.walked;
        if let Some(credits) = &walked.credits {
            let sink = DaysOnly { sink: writer.tables(), skip: carry_days(setup.range, carried, "credits", writer)? };
            let names = (&walked.kinds, &walked.currencies.0);
            writer.all(|| tables::credits::write(setup, credits, names, &walked.profiles, &sink))?;
        }
        let sink = DaysOnly { sink: writer.tables(), skip: carry_days(setup.range, carried, "unattributed", writer)? };
        writer.all(|| tables::unattributed::write(setup, &walked.unattributed, (&walked.kinds, &walked.budget), &sink))?;
        if with_rejects {
            let fields = tables::rejects::fields(setup);
            put(writer, &writer.tables(), "rejects", &fields, rejects::all(plan, computed, carried)?)?;
        }
        let days = ledger_days(plan, computed, carried)?;
        let ledger = writer.all(|| write_ledger(setup, &days, spend_line(plan, computed), writer))?;
        Ok::<_, Error>((ledger, days))
    };
    let (channels, ledger) = rayon::join(grouped, others);
    let channels = channels?.into_iter().flatten().next().unwrap_or_default();
    for (number, table) in setup.tables.iter().enumerate().filter(|(_, table)| is_base(table)) {
        let partial = tables::grouped::fields(setup, table, true);
        let seen = days_of_table(plan, computed, carried, number, &partial)?.map(|rows| {
            let rows = rows?;
            returns.as_mut().map_or(Ok(()), |returns| returns.add((setup, &computed.walked.budget), table, &partial, &rows))?;
            Ok(rows)
        });
        put(writer, &writer.state(), &table.name, &partial, Box::new(seen))?;
    }
    let (ledger, days) = ledger?;
    Ok(Totals { ledger, days, channels })
}

/// Writes a table that was grouped in the walk, and its days as state where it does not show them. Gives the channels that got
/// most where it has nothing else.
fn write_grouped(
    (plan, computed, carried): (&Plan, &Computed, &Carried),
    number: usize,
    table: &TableSetup,
    writer: &Writer<'_>,
) -> Result<Option<Vec<TopChannels>>, Error> {
    let setup = &plan.setup;
    let partial = tables::grouped::fields(setup, table, true);
    let all = || days_of_table(plan, computed, carried, number, &partial);
    if tables::grouped::shows_day(table) {
        put(writer, &writer.tables(), &table.name, &partial, all()?)?;
        return Ok(None);
    }
    put(writer, &writer.state(), &table.name, &partial, all()?)?;
    let shown = tables::grouped::fields(setup, table, false);
    // Behind the keys: the day, conversions, the values, touches.
    let rows = without_day(all()?, partial.len() - setup.values.len() - 3);
    if !is_by_channel(table) {
        put(writer, &writer.tables(), &table.name, &shown, rows)?;
        return Ok(None);
    }
    let rows: Vec<Rows> = rows.filter(has_rows).collect::<Result<_, _>>()?;
    let channels = top_channels(setup, table, &shown, &rows);
    put(writer, &writer.tables(), &table.name, &shown, Box::new(rows.into_iter().map(Ok)))?;
    Ok(channels)
}

/// Writes what the next run must know of this one. `versions` are those of the files of touchpoints.
///
/// # Errors
/// Where what is taken over cannot be read, or the output cannot be written.
pub(crate) fn write_state(
    plan: &Plan,
    computed: &Computed,
    carried: Option<&Carried>,
    versions: &InputVersions,
    writer: &Writer<'_>,
) -> Result<(), Error> {
    let sink = writer.state();
    let mut days = computed.prints.days.clone();
    let mut hours: BTreeMap<String, Hours> = BTreeMap::new();
    if let Some(carried) = carried {
        days.clone_from(&carried.days);
        hours.clone_from(&carried.hours);
    }
    for (file, of_file) in plan.touchpoints.files().iter().zip(&computed.hours) {
        hours.entry(file.path.display().to_string()).or_default().add_all(of_file);
    }
    if carried.is_none() {
        // What lies outside of the times that were read nobody knows: it may be anything.
        let bounds = plan.touch_bounds(None);
        let outside = [bounds.from.map(|from| (time::EARLIEST, from)), bounds.to.map(|to| (to, time::END))];
        for file in plan.touchpoints.files() {
            let of_file = hours.entry(file.path.display().to_string()).or_default();
            outside
                .iter()
                .flatten()
                .filter(|(first, end)| first < end)
                .for_each(|(first, end)| of_file.add_stretch(*first, *end));
        }
    }
    // Where everyone is followed, duplicates are no matter of days.
    let duplicates = match plan.setup.follows_everyone() {
        true => Box::new(std::iter::empty()),
        false => rejects::duplicates(plan, computed, carried)?,
    };
    put(writer, &sink, state::TOUCH_DUPLICATES, &tables::rejects::duplicate_fields(&plan.setup), duplicates)?;
    writer.all(|| {
        tables::write_whole(&sink, state::CONVERSION_DAYS, &state::conversion_day_fields(), state::conversion_day_rows(&days))?;
        let files = |table, versions| tables::write_whole(&sink, table, &state::file_fields(), state::file_rows(versions));
        let hours_of = |table, hours| tables::write_whole(&sink, table, &state::hour_fields(), state::hour_rows(hours));
        files(state::TOUCH_FILES, &versions.touchpoints)?;
        hours_of(state::TOUCH_HOURS, &hours)?;
        if let Some(rows) = frozen::rows(plan, &computed.walked.fits) {
            tables::write_whole(&sink, frozen::FITS, &frozen::fields(), rows)?;
        }
        let Some(known) = known_orders(plan, computed, carried) else { return Ok(()) };
        files(state::CONVERSION_FILES, &versions.conversions)?;
        hours_of(state::CONVERSION_HOURS, &known.iter().map(|(path, orders)| (path.clone(), orders.hours.clone())).collect())?;
        let (fields, rows) = (state::conversion_id_fields(), state::conversion_id_rows(&known));
        tables::write_whole(&sink, state::CONVERSION_IDS, &fields, rows)
    })
}

/// What is known of the files of conversions: of those that were read anew, of the others as before. None where it is of no use.
fn known_orders(plan: &Plan, computed: &Computed, carried: Option<&Carried>) -> Option<KnownOrders> {
    let paths: Vec<String> = plan.conversions.files().iter().map(|file| file.path.display().to_string()).collect();
    let read = paths.iter().cloned().zip(computed.orders.clone()?);
    let Some((carried, orders)) = carried.and_then(|carried| Some((carried, carried.orders.as_ref()?))) else {
        return Some(read.collect());
    };
    let mut known = orders.known.clone();
    for (_, (path, of_file)) in read.enumerate().filter(|(place, _)| carried.reads_conversions(*place)) {
        match known.get_mut(&path) {
            // Days of which a merge did not compute anything may still be as another version made them.
            Some(before) if carried.is_merge() => before.add_all(&of_file),
            _ => drop(known.insert(path, of_file)),
        }
    }
    if !carried.is_merge() {
        known.retain(|path, _| paths.contains(path));
    }
    Some(known)
}

/// The rows of a table by day: those of the days that are taken over, and those of the days that were computed.
fn days_of_table<'a>(
    plan: &'a Plan,
    computed: &'a Computed,
    carried: &'a Carried,
    number: usize,
    fields: &[Field],
) -> Result<Blocks<'a>, Error> {
    let setup = &plan.setup;
    let table = &setup.tables[number];
    let shows_day = tables::grouped::shows_day(table) && !is_base(table);
    let base = &carried.base;
    let entry = if shows_day { base.manifest.table(&table.name) } else { state(base, &table.name) };
    let day = fields.iter().position(|field| field.name == "conversion_date").unwrap_or(0);
    let taken_over = chosen(blocks(base, entry, fields)?, move |rows, row| {
        day_of(&rows.columns[day].value(row)).is_some_and(|day| setup.range.contains(day) && !carried.computed.contains(day))
    });
    let walked = &computed.walked;
    let fresh = tables::grouped::finish(&walked.tables[number].1, walked.finish(setup, number), true)?;
    let fresh = fresh.map(|rows| rows.map_err(Error::from));
    // Behind the keys: conversions, the values, touches.
    Ok(merged(taken_over, Box::new(fresh), fields.len() - setup.values.len() - 2))
}

/// Writes a table of one file.
///
/// # Errors
/// Where the rows cannot be had, or the file not be written.
pub(crate) fn put(
    writer: &Writer<'_>,
    sink: &Section<'_>,
    table: &str,
    fields: &[Field],
    blocks: Blocks<'_>,
) -> Result<(), Error> {
    // The engine's sinks know the engine's errors only.
    let failed = RefCell::new(None);
    let mut rows = blocks.filter(has_rows).map(|rows| {
        rows.map_err(|error| {
            failed.replace(Some(error));
            EngineError::Bug(format!("rows of table {table:?} could not be had"))
        })
    });
    let written = writer.all(|| sink.file(table, ONLY_FILE, fields, &mut rows));
    drop(rows);
    match failed.into_inner() {
        Some(error) => Err(error),
        None => written,
    }
}

fn has_rows(rows: &Result<Rows, Error>) -> bool {
    rows.as_ref().map_or(true, |rows| !rows.is_empty())
}

/// Channels by what they got of the first value, for the run's summary, from a table that has nothing but a channel.
pub(crate) fn top_channels(setup: &Setup, table: &TableSetup, fields: &[Field], all_rows: &[Rows]) -> Option<Vec<TopChannels>> {
    let value = fields.iter().position(|field| field.name == setup.values[0]).filter(|_| is_by_channel(table))?;
    let mut all: BTreeMap<(String, String), Vec<(String, i128)>> = BTreeMap::new();
    for rows in all_rows {
        let text = |column: usize, row: usize| rows.columns[column].value(row).as_text().unwrap_or_default().to_owned();
        for row in 0..rows.len() {
            let Value::Int(amount) = rows.columns[value].value(row) else { continue };
            let channel = text(2, row);
            if channel != attributary_core::UNATTRIBUTED {
                all.entry((text(0, row), text(1, row))).or_default().push((channel, amount));
            }
        }
    }
    for of_pair in all.values_mut() {
        of_pair.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    }
    Some(all.into_iter().collect())
}

/// Whether a table has nothing but a channel.
pub(crate) fn is_by_channel(table: &TableSetup) -> bool {
    table.by == [GroupColumn::Attribute(CHANNEL)]
}

/// Takes the files of days that were not computed over; says whether there are any.
fn carry_days(range: Range, carried: &Carried, table: &str, writer: &Writer<'_>) -> Result<bool, Error> {
    let mut any = false;
    let base = &carried.base;
    for file in base.manifest.table(table).map_or(&[][..], |entry| &entry.files) {
        let name = file.path.rsplit('/').next().and_then(|name| name.strip_suffix(".parquet")).unwrap_or_default();
        if parse_day(name).is_some_and(|day| range.contains(day) && !carried.computed.contains(day)) {
            writer.carry_over(base, table, name)?;
            any = true;
        }
    }
    Ok(any)
}

/// Passes files of days on; the file that stands for no rows at all only where no other day has any.
struct DaysOnly<'a> {
    sink: Section<'a>,
    skip: bool,
}

impl TableSink for DaysOnly<'_> {
    fn file(
        &self,
        table: &str,
        file: &str,
        fields: &[Field],
        rows: &mut dyn Iterator<Item = Result<Rows, EngineError>>,
    ) -> Result<(), SinkError> {
        if self.skip && file == ONLY_FILE { Ok(()) } else { self.sink.file(table, file, fields, rows) }
    }
}

/// The lines of the ledger by day, in its order.
fn ledger_days(plan: &Plan, computed: &Computed, carried: &Carried) -> Result<Vec<Line>, Error> {
    let setup = &plan.setup;
    let mut lines = taken_over(&carried.base, setup, |day| setup.range.counts(day) && !carried.is_fresh(day))?;
    lines.extend(tables::ledger::day_lines(&computed.ledger, setup).into_iter().filter(|line| carried.is_fresh(line.day)));
    let place = |names: &[String], name: &str| names.iter().position(|known| known == name);
    let models: Vec<String> = setup.models.iter().map(|model| model.name.clone()).collect();
    let windows: Vec<String> = setup.rules.windows.iter().map(ToString::to_string).collect();
    lines.sort_by_key(|line| {
        (place(&models, &line.model), place(&windows, &line.window), place(&setup.values, &line.value), line.day)
    });
    Ok(lines)
}

/// The lines of some days of a run's ledger.
fn taken_over(base: &PublishedRun, setup: &Setup, wanted: impl Fn(Option<Day>) -> bool) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    let text = |cell: &Value| cell.as_text().unwrap_or_default().to_owned();
    for_each_row(base, state(base, "ledger"), &tables::ledger::fields(setup, true), |cells| {
        let day = day_of(&cells[3]);
        if wanted(day) {
            lines.push(Line {
                model: text(&cells[0]),
                window: text(&cells[1]),
                value: text(&cells[2]),
                day,
                source: int(&cells[5]),
                attributed: int(&cells[6]),
                unattributed: int(&cells[7]),
                rejected: int(&cells[8]),
                rounding: int(&cells[10]),
                attributed_conversions: int(&cells[11]) as u64,
                unattributed_conversions: int(&cells[12]) as u64,
            });
        }
    })?;
    Ok(lines)
}

/// The days of which the source holds something else than it did: rejected values, or what rounding added.
pub(crate) fn changed_in_ledger(
    base: &PublishedRun,
    setup: &Setup,
    ledger: &Ledger,
    of_base: Range,
) -> Result<BTreeSet<Day>, Error> {
    let in_both = |day: &Day| setup.range.contains(*day) && of_base.contains(*day);
    let mut before: BTreeMap<Day, SourceDay> = BTreeMap::new();
    let (model, window) = (setup.models.first().map(|model| &model.name), setup.rules.windows.first().map(ToString::to_string));
    for line in taken_over(base, setup, |day| day.as_ref().is_some_and(in_both))? {
        let value = setup.values.iter().position(|value| *value == line.value);
        let first = Some(&line.model) == model && Some(&line.window) == window.as_ref();
        if let (Some(day), Some(value), true) = (line.day, value, first) {
            let of_day = before.entry(day).or_default();
            for (sums, sum) in
                [(&mut of_day.source, line.source), (&mut of_day.rejected, line.rejected), (&mut of_day.rounding, line.rounding)]
            {
                sums.resize(setup.values.len(), 0);
                sums[value] = sum;
            }
        }
    }
    let padded = |sums: &[i128]| {
        let mut sums = sums.to_vec();
        sums.resize(setup.values.len(), 0);
        sums
    };
    let of_day = |sums: &SourceDay| [&sums.source, &sums.rejected, &sums.rounding].map(|sums| padded(sums));
    let now = |day: Day| ledger.source.get(&Some(day));
    let days: BTreeSet<Day> = before.keys().copied().chain(ledger.source.keys().flatten().copied().filter(in_both)).collect();
    // A day of which there is nothing has a line, too, where rows of it were rejected.
    Ok(days.into_iter().filter(|day| now(*day).map(of_day) != before.get(day).map(of_day)).collect())
}
