//! What each conversion day was said to be worth when it was published first, and each time that something else was said: a table
//! that every run takes over from the one that is current, and adds to.

use std::collections::BTreeMap;

use attributary_core::table::{Column, Field, Rows};
use attributary_core::time::Day;
use attributary_core::value::{ColumnType, Value};
use attributary_engine::Setup;
use attributary_engine::tables::ledger::Line;
use attributary_store::{PublishedRun, now};

use crate::carried::{Blocks, blocks, cells_of, day_of, int, put};
use crate::error::Error;
use crate::plan::Plan;
use crate::quality;
use crate::writer::Writer;

/// The table's name.
pub(crate) const RESTATEMENTS: &str = "restatements";

/// The tables that hang on which runs were published before, or on the clock, and not on the inputs alone.
pub(crate) const OF_HISTORY: [&str; 2] = [RESTATEMENTS, quality::TABLE];

/// Places among the columns, which begin with day, model, window and value: by those, then by version, rows are sorted.
const VERSION: usize = 4;
const ATTRIBUTED: usize = 7;
const UNATTRIBUTED: usize = 8;

/// The columns.
pub(crate) fn fields(setup: &Setup) -> Vec<Field> {
    let text = |name| Field::new(name, ColumnType::Text);
    let amount = |name| Field::new(name, setup.amount());
    vec![
        Field::new("conversion_date", ColumnType::Date),
        text("model"),
        text("window"),
        text("value"),
        Field::new("version", ColumnType::COUNT),
        text("run_id"),
        Field::new("published", ColumnType::instant()),
        amount("attributed"),
        amount("unattributed"),
        amount("attributed_change"),
        amount("unattributed_change"),
        text("settings_sha256"),
    ]
}

/// A day under a model and a window, and which value of it: text as cells, so that they compare as the table is sorted.
type Key = (Day, String, String, String);

/// What is said of it.
type Said = (i128, i128);

/// Writes the table of a run: what the one that is current has, and a row more for each day of which this run says something else.
/// Gives what a person should know.
///
/// # Errors
/// Where the table before cannot be read, or this one not be written.
pub(crate) fn write(
    plan: &Plan,
    run_id: &str,
    current: Option<&PublishedRun>,
    days: &[Line],
    writer: &Writer<'_>,
) -> Result<Option<String>, Error> {
    if !plan.pipeline.restatements {
        return Ok(None);
    }
    let fields = fields(&plan.setup);
    let before = current.and_then(|run| Some((run, run.manifest.table(RESTATEMENTS)?)));
    let (before, note): (Blocks<'_>, _) = match before {
        None => (Box::new(std::iter::empty()), None),
        Some((run, table)) => match blocks(run, Some(table), &fields) {
            Ok(rows) => (rows, None),
            // In another currency no amount can be compared.
            Err(error) => {
                let note =
                    format!("restatements begin anew, as those of run {} cannot be gone on from: {error}", run.manifest.run_id);
                (Box::new(std::iter::empty()), Some(note))
            }
        },
    };
    // What was known once is no restatement of what is known.
    let news = if plan.as_of.is_some() { BTreeMap::new() } else { said_now(days) };
    let adds = Adding {
        before,
        setup: &plan.setup,
        knows_all: plan.as_of.is_none(),
        run_id,
        published: now(),
        settings: &plan.pipeline.fingerprints.settings_sha256,
        news,
        last: None,
        ended: false,
    };
    put(writer, &writer.tables(), RESTATEMENTS, &fields, Box::new(adds))?;
    Ok(note)
}

/// What this run says of each day.
fn said_now(days: &[Line]) -> BTreeMap<Key, Said> {
    let of_line = |line: &Line| {
        let key = (line.day?, line.model.clone(), line.window.clone(), line.value.clone());
        // Days of which all rows were rejected have a line in the ledger, too.
        let any =
            line.attributed_conversions + line.unattributed_conversions > 0 || line.attributed != 0 || line.unattributed != 0;
        any.then_some((key, (line.attributed, line.unattributed)))
    };
    days.iter().filter_map(of_line).collect()
}

/// The rows of the table before, with new ones where they belong.
struct Adding<'a> {
    before: Blocks<'a>,
    setup: &'a Setup,
    knows_all: bool,
    run_id: &'a str,
    published: i64,
    settings: &'a str,
    /// What is not compared yet.
    news: BTreeMap<Key, Said>,
    /// The last row: further ones of its key may come.
    last: Option<(Key, i128, Said)>,
    ended: bool,
}

impl Adding<'_> {
    /// All that comes before a key that follows now: a row for what the last one says otherwise, and days that are new.
    fn settle(&mut self, until: Option<&Key>, rows: &mut Vec<Vec<Value>>) {
        if let Some((key, version, before)) = self.last.take() {
            let now = match self.news.remove(&key) {
                Some(now) => Some(now),
                // The day is computed, and there is nothing left of it.
                None => (self.knows_all && self.publishes(&key)).then_some((0, 0)),
            };
            if let Some(now) = now.filter(|now| *now != before) {
                rows.push(self.row(&key, version + 1, now, Some(before)));
            }
        }
        while let Some(entry) = self.news.first_entry() {
            if until.is_some_and(|until| entry.key() >= until) {
                break;
            }
            let (key, now) = entry.remove_entry();
            rows.push(self.row(&key, 1, now, None));
        }
    }

    /// Whether this run has something to say of a day under a model.
    fn publishes(&self, (day, model, window, value): &Key) -> bool {
        let Setup { range, models, rules, values, .. } = self.setup;
        range.contains(*day)
            && models.iter().any(|known| known.name == *model)
            && rules.windows.iter().any(|known| known.to_string() == *window)
            && values.contains(value)
    }

    fn row(&self, (day, model, window, value): &Key, version: i128, now: Said, before: Option<Said>) -> Vec<Value> {
        let change = |now: i128, before: Option<i128>| before.map_or(Value::Null, |before| Value::Int(now - before));
        vec![
            Value::Int((*day).into()),
            Value::text(model),
            Value::text(window),
            Value::text(value),
            Value::Int(version),
            Value::text(self.run_id),
            Value::Int(self.published.into()),
            Value::Int(now.0),
            Value::Int(now.1),
            change(now.0, before.map(|before| before.0)),
            change(now.1, before.map(|before| before.1)),
            Value::text(self.settings),
        ]
    }
}

impl Iterator for Adding<'_> {
    type Item = Result<Rows, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let mut rows = Vec::new();
        match self.before.next() {
            Some(Err(error)) => return Some(Err(error)),
            Some(Ok(block)) => {
                for row in 0..block.len() {
                    let cells = cells_of(&block, row);
                    let key = key_of(&cells);
                    if self.last.as_ref().is_none_or(|(last, ..)| *last != key) {
                        self.settle(Some(&key), &mut rows);
                    }
                    self.last = Some((key, int(&cells[VERSION]), (int(&cells[ATTRIBUTED]), int(&cells[UNATTRIBUTED]))));
                    rows.push(cells);
                }
            }
            None => {
                self.ended = true;
                self.settle(None, &mut rows);
            }
        }
        let width = rows.first().map_or(0, Vec::len);
        let column = |place: usize| Column::Values(rows.iter().map(|row| row[place].clone()).collect());
        Some(Ok(Rows { columns: (0..width).map(column).collect() }))
    }
}

fn key_of(cells: &[Value]) -> Key {
    let text = |place: usize| cells[place].as_text().unwrap_or_default().to_owned();
    (day_of(&cells[0]).unwrap_or_default(), text(1), text(2), text(3))
}
