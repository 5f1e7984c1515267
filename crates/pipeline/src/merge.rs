//! `--merge`: the run that is current, with the days of this one put in place of its own.
//!
//! Grouped tables and the ledger are added up again from what each run keeps per conversion day; files of whole days are
//! carried over; rejected rows are those of the days that stay and those of the days that are new. The result is what one
//! run over all days would give on the same input, byte for byte.

use std::collections::BTreeMap;

use attributary_core::batch::attribute::CHANNEL;
use attributary_core::table::{Column, Field, Rows};
use attributary_core::time::{Day, day_text, parse_day};
use attributary_core::value::Value;
use attributary_engine::rejects::Side;
use attributary_engine::tables::{self, ONLY_FILE, SinkError, TableSink, ledger::Line};
use attributary_engine::{EngineError, GroupColumn, Range, Setup, TableSetup};
use attributary_store::{FileEntry, Output, PublishedRun, TableEntry, read_table};

use crate::error::Error;
use crate::plan::{Plan, is_base};
use crate::run::{Computed, TopChannels, Totals, current};
use crate::worth::Returns;
use crate::write::{rejects_rows, spend_line, write_ledger};
use crate::writer::{Section, Writer};

/// The run that is merged into; none where nothing is published yet.
///
/// # Errors
/// Where its settings are not those of this run.
pub(crate) fn base(output: &Output, plan: &Plan) -> Result<Option<PublishedRun>, Error> {
    if !plan.setup.worths.is_empty() {
        return Err(Error::Usage {
            problem: "--merge: predicted_clv, total_clv and historic_clv change on all days with every new order".to_owned(),
            hint: Some("run all days anew without --merge, or leave these values out of the pipeline that is merged".to_owned()),
        });
    }
    let Some(base) = current(output)? else { return Ok(None) };
    let ours = &plan.pipeline.fingerprints.settings_sha256;
    if base.manifest.settings_sha256 != *ours || base.manifest.version != env!("CARGO_PKG_VERSION") {
        return Err(Error::Usage {
            problem: format!(
                "--merge: run {} was made with other settings ({}…, version {}) than these ({}…, version {})",
                base.manifest.run_id,
                &base.manifest.settings_sha256.get(..12).unwrap_or_default(),
                base.manifest.version,
                &ours[..12],
                env!("CARGO_PKG_VERSION"),
            ),
            hint: Some("run all days anew without --merge, or go back to the settings of that run".to_owned()),
        });
    }
    Ok(Some(base))
}

/// All days of the merged run.
///
/// # Errors
/// Where the days of this run leave a gap to those of the current one, or its manifest names no days.
pub(crate) fn whole_range(base: &PublishedRun, range: Range) -> Result<Range, Error> {
    let day = |text: &Option<String>| -> Result<Option<Day>, Error> {
        let read = |text: &String| {
            parse_day(text).ok_or_else(|| Error::Input {
                problem: format!("the manifest of run {} says {text:?} where a day was expected", base.manifest.run_id),
                hint: Some("publish a whole run again, without --merge".to_owned()),
            })
        };
        text.as_ref().map(read).transpose()
    };
    let (from, to) = (day(&base.manifest.range.from)?, day(&base.manifest.range.to)?);
    let before = |end: Option<Day>, start: Option<Day>| end.zip(start).is_some_and(|(end, start)| end < start);
    if before(to, range.from) || before(range.to, from) {
        let text = |day: Option<Day>| day.map_or_else(|| "…".to_owned(), day_text);
        return Err(Error::Usage {
            problem: format!(
                "--merge: expected days that overlap or touch those of run {} ({} to {}), found {} to {}",
                base.manifest.run_id,
                text(from),
                text(to),
                text(range.from),
                text(range.to),
            ),
            hint: Some("merge the days between them too, so that no day of the result is missing".to_owned()),
        });
    }
    Ok(Range {
        from: from.zip(range.from).map(|(one, other)| one.min(other)),
        to: to.zip(range.to).map(|(one, other)| one.max(other)),
    })
}

/// Writes all tables of the merged run but the paths and the rejected rows.
pub(crate) fn write(
    plan: &Plan,
    computed: &Computed,
    base: &PublishedRun,
    returns: &mut Option<Returns>,
    writer: &Writer<'_>,
) -> Result<Totals, Error> {
    let setup = &plan.setup;
    let mut channels = None;
    for (number, (table, (_, sums))) in setup.tables.iter().zip(&computed.walked.tables).enumerate() {
        let fields = tables::grouped::fields(setup, table, true);
        let shows_day = tables::grouped::shows_day(table) && !is_base(table);
        let entry = if shows_day { base.manifest.table(&table.name) } else { state(base, &table.name) };
        let mut all = Sums::new(&fields, setup.values.len());
        for_each_row(base, entry, &fields, |cells| {
            if !all.day(cells).is_some_and(|day| setup.range.contains(day)) {
                all.add(cells);
            }
        })?;
        for rows in tables::grouped::finish(sums, computed.walked.finish(setup, number), true)? {
            all.add_rows(&rows?);
        }
        let partial = all.rows(None);
        if is_base(table) {
            returns.as_mut().map_or(Ok(()), |returns| returns.add((setup, &computed.walked.budget), table, &fields, &partial))?;
            writer.all(|| tables::write_whole(&writer.state(), &table.name, &fields, partial))?;
            continue;
        }
        let (final_fields, rows) = if shows_day {
            (fields.clone(), partial.clone())
        } else {
            (tables::grouped::fields(setup, table, false), all.rows(Some(all.day_column)))
        };
        channels = channels.or_else(|| top_channels(setup, table, &final_fields, std::slice::from_ref(&rows)));
        writer.all(|| {
            tables::write_whole(&writer.tables(), &table.name, &final_fields, rows)?;
            if shows_day {
                return Ok(());
            }
            tables::write_whole(&writer.state(), &table.name, &fields, partial)
        })?;
    }
    if let Some(credits) = &computed.walked.credits {
        let kept = carry_days(setup.range, base, "credits", writer)?;
        let sink = DaysOnly { sink: writer.tables(), skip: kept };
        let walked = &computed.walked;
        let names = (&walked.kinds, &walked.currencies.0);
        writer.all(|| tables::credits::write(setup, credits, names, &walked.profiles, &sink))?;
    }
    let kept = carry_days(setup.range, base, "unattributed", writer)?;
    let sink = DaysOnly { sink: writer.tables(), skip: kept };
    writer.all(|| tables::unattributed::write(setup, &computed.walked.unattributed, &computed.walked.kinds, &sink))?;
    let days = merged_ledger(plan, computed, base)?;
    let ledger = writer.all(|| write_ledger(setup, days, spend_line(plan, computed), writer))?;
    Ok(Totals { ledger, channels: channels.unwrap_or_default() })
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

/// The sums of a grouped table in its partial form, by everything that comes before them.
struct Sums {
    keys: usize,
    day_column: usize,
    values: usize,
    sums: BTreeMap<Vec<Value>, Vec<i128>>,
}

impl Sums {
    fn new(fields: &[Field], values: usize) -> Self {
        let day_column = fields.iter().position(|field| field.name == "conversion_date").unwrap_or(0);
        // Behind the keys: conversions, the values, touches.
        Self { keys: fields.len() - values - 2, day_column, values, sums: BTreeMap::new() }
    }

    fn day(&self, cells: &[Value]) -> Option<Day> {
        day_of(&cells[self.day_column])
    }

    fn add(&mut self, cells: &[Value]) {
        let sums = self.sums.entry(cells[..self.keys].to_vec()).or_insert_with(|| vec![0; self.values + 2]);
        for (sum, cell) in sums.iter_mut().zip(&cells[self.keys..]) {
            *sum += int(cell);
        }
    }

    fn add_rows(&mut self, rows: &Rows) {
        for row in 0..rows.len() {
            self.add(&cells_of(rows, row));
        }
    }

    /// The rows, sorted; without the column `dropped`, rows that are alike then added up.
    fn rows(&self, dropped: Option<usize>) -> Rows {
        let narrowed: BTreeMap<Vec<Value>, Vec<i128>>;
        let all = match dropped {
            None => &self.sums,
            Some(dropped) => {
                let mut map: BTreeMap<Vec<Value>, Vec<i128>> = BTreeMap::new();
                for (key, sums) in &self.sums {
                    let mut key = key.clone();
                    key.remove(dropped);
                    let into = map.entry(key).or_insert_with(|| vec![0; sums.len()]);
                    into.iter_mut().zip(sums).for_each(|(into, sum)| *into += sum);
                }
                narrowed = map;
                &narrowed
            }
        };
        let rows: Vec<_> = all.iter().filter(|(_, sums)| sums.iter().any(|sum| *sum != 0)).collect();
        let keys = self.keys - usize::from(dropped.is_some());
        let mut columns: Vec<Column> =
            (0..keys).map(|key| Column::Values(rows.iter().map(|(cells, _)| cells[key].clone()).collect())).collect();
        let wide = |place: usize| Column::Wide(rows.iter().map(|(_, sums)| sums[place]).collect());
        columns.extend((0..=self.values).map(wide));
        columns.push(Column::Ints(rows.iter().map(|(_, sums)| sums[self.values + 1] as i64).collect()));
        Rows { columns }
    }
}

/// Carries the files of days outside the range over; says whether there are any.
fn carry_days(range: Range, base: &PublishedRun, table: &str, writer: &Writer<'_>) -> Result<bool, Error> {
    let mut any = false;
    for file in base.manifest.table(table).map_or(&[][..], |entry| &entry.files) {
        let name = file.path.rsplit('/').next().and_then(|name| name.strip_suffix(".parquet")).unwrap_or_default();
        if parse_day(name).is_some_and(|day| !range.contains(day)) {
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

/// The rejected rows of the merged run: those of the current one, with the rows that this run has read replaced.
///
/// # Errors
/// Where the current run cannot be read.
pub(crate) fn rejects(plan: &Plan, computed: &Computed, base: &PublishedRun) -> Result<Rows, Error> {
    let setup = &plan.setup;
    let fields = tables::rejects::fields(setup);
    let bounds = plan.touch_bounds(None);
    let replaced = |cells: &[Value]| {
        let time = match &cells[5] {
            Value::Int(time) => i64::try_from(*time).ok(),
            _ => None,
        };
        // Spend and rates are read anew for all days.
        if [Side::Spend, Side::Rates].iter().any(|side| cells[0].as_text() == Some(side.name())) {
            return true;
        }
        if cells[0].as_text() == Some("touchpoints") {
            // Duplicates are sought among the touches of those who convert in a range: these days say nothing of the others'.
            if cells[3].as_text() == Some("duplicate_id") {
                return false;
            }
            let after = |time: i64| bounds.from.is_none_or(|from| from <= time) && bounds.to.is_none_or(|to| time < to);
            time.map_or(setup.range.from.is_none(), after)
        } else {
            setup.range.counts(time.map(|time| setup.rules.zone.day(time)))
        }
    };
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for_each_row(base, base.manifest.table("rejects"), &fields, |cells| {
        if !replaced(cells) {
            rows.push(cells.to_vec());
        }
    })?;
    for new in rejects_rows(plan, &computed.rejected)? {
        rows.extend((0..new.len()).map(|row| cells_of(&new, row)));
    }
    // By source as the run has them, touchpoints first, then by file and row.
    let side = |cells: &[Value]| Side::ALL.iter().position(|side| cells[0].as_text() == Some(side.name()));
    rows.sort_by(|one, other| side(one).cmp(&side(other)).then_with(|| one[1..].cmp(&other[1..])));
    rows.dedup();
    let column = |place: usize| Column::Values(rows.iter().map(|cells| cells[place].clone()).collect());
    Ok(Rows { columns: (0..fields.len()).map(column).collect() })
}

fn merged_ledger(plan: &Plan, computed: &Computed, base: &PublishedRun) -> Result<Vec<Line>, Error> {
    let setup = &plan.setup;
    let mut lines = Vec::new();
    let text = |cell: &Value| cell.as_text().unwrap_or_default().to_owned();
    for_each_row(base, state(base, "ledger"), &tables::ledger::fields(setup, true), |cells| {
        let day = day_of(&cells[3]);
        if !setup.range.counts(day) {
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
    lines.extend(tables::ledger::day_lines(&computed.ledger, setup));
    let place = |names: &[String], name: &str| names.iter().position(|known| known == name);
    let models: Vec<String> = setup.models.iter().map(|model| model.name.clone()).collect();
    let windows: Vec<String> = setup.rules.windows.iter().map(ToString::to_string).collect();
    lines.sort_by_key(|line| {
        (place(&models, &line.model), place(&windows, &line.window), place(&setup.values, &line.value), line.day)
    });
    Ok(lines)
}

fn state<'a>(base: &'a PublishedRun, name: &str) -> Option<&'a TableEntry> {
    base.manifest.state.iter().find(|entry| entry.name == name)
}

/// Reads a table of the current run, whose columns must be `fields`.
fn for_each_row(
    base: &PublishedRun,
    entry: Option<&TableEntry>,
    fields: &[Field],
    mut each: impl FnMut(&[Value]),
) -> Result<(), Error> {
    let unlike = |what: String| Error::Usage {
        problem: format!("--merge: {what} in run {}", base.manifest.run_id),
        hint: Some("run all days anew without --merge".to_owned()),
    };
    let Some(entry) = entry else { return Err(unlike("a table that is needed is not there".to_owned())) };
    let files: &[FileEntry] = &entry.files;
    for file in files {
        let reader = read_table(&base.path(file)?)?;
        if reader.fields() != fields {
            return Err(unlike(format!("table {:?} has other columns or types than it would have now", entry.name)));
        }
        for rows in reader {
            let rows = rows?;
            for row in 0..rows.len() {
                each(&cells_of(&rows, row));
            }
        }
    }
    Ok(())
}

fn cells_of(rows: &Rows, row: usize) -> Vec<Value> {
    rows.columns.iter().map(|column| column.value(row)).collect()
}

fn day_of(cell: &Value) -> Option<Day> {
    match cell {
        Value::Int(day) => Day::try_from(*day).ok(),
        _ => None,
    }
}

fn int(cell: &Value) -> i128 {
    match cell {
        Value::Int(number) => *number,
        _ => 0,
    }
}
