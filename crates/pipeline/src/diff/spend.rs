//! What was spent on channels in two runs: of all days, from the table `returns`, in which spend hangs on no model.

use std::collections::BTreeMap;

use attributary_core::money::decimal_text;
use attributary_core::value::{ColumnType, Value};
use attributary_store::{PublishedRun, SpendChange, read_table};

use super::sums::word;
use crate::carried::int;
use crate::error::Error;

/// The channels on which something else was spent, most change first; none where a run has no returns of all days.
///
/// # Errors
/// Where a table cannot be read.
pub(super) fn changes(before: &PublishedRun, after: &PublishedRun) -> Result<Vec<SpendChange>, Error> {
    let (Some((old, scale)), Some((new, _))) = (by_channel(before)?, by_channel(after)?) else { return Ok(Vec::new()) };
    let mut channels: Vec<&String> = old.keys().chain(new.keys()).collect();
    channels.sort();
    channels.dedup();
    let of = |sums: &BTreeMap<String, i128>, channel: &String| sums.get(channel).copied().unwrap_or(0);
    let mut changes: Vec<(i128, SpendChange)> = Vec::new();
    for channel in channels {
        let (one, other) = (of(&old, channel), of(&new, channel));
        if one != other {
            let text = |amount: i128| decimal_text(amount, scale);
            let change =
                SpendChange { channel: channel.clone(), before: text(one), after: text(other), change: text(other - one) };
            changes.push(((other - one).abs(), change));
        }
    }
    changes.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    Ok(changes.into_iter().map(|(_, change)| change).collect())
}

/// What was spent on each channel, and its digits behind the point.
type Spent = (BTreeMap<String, i128>, u8);

/// The spend of each channel under the table's first model and window, and its digits behind the point.
fn by_channel(run: &PublishedRun) -> Result<Option<Spent>, Error> {
    let mut sums: BTreeMap<String, i128> = BTreeMap::new();
    let (mut digits, mut first) = (None, None);
    for file in run.manifest.table("returns").iter().flat_map(|table| &table.files) {
        let reader = read_table(&run.path(file)?)?;
        let names = ["model", "window", "period", "channel", "spend"];
        let places: Vec<usize> =
            names.iter().filter_map(|name| reader.fields().iter().position(|field| field.name == *name)).collect();
        let [model, window, period, channel, spend] = places[..] else { continue };
        let ColumnType::Decimal { scale, .. } = reader.fields()[spend].kind else { continue };
        for rows in reader {
            let rows = rows?;
            for row in 0..rows.len() {
                let cell = |column: usize| rows.columns[column].value(row);
                let pair = (cell(model), cell(window));
                if cell(period) != Value::text("all") || first.as_ref().is_some_and(|first| *first != pair) {
                    continue;
                }
                first.get_or_insert(pair);
                digits = Some(scale);
                *sums.entry(word(&cell(channel))).or_default() += int(&cell(spend));
            }
        }
    }
    Ok(digits.map(|scale| (sums, scale)))
}
