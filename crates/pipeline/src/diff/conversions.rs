//! Why single conversions credit otherwise, and which moved most: where both runs have `credits`, whose files of a day are read
//! side by side. Days that are the same bytes are not looked at.

use std::collections::{BTreeMap, BTreeSet};

use attributary_core::UNATTRIBUTED;
use attributary_core::time::{Day, day_text, parse_day};
use attributary_core::value::Value;
use attributary_engine::Interrupt;
use attributary_store::{Moved, PublishedRun, read_table};

use super::days::{Causes, DayChanges};
use super::sums::{Amounts, Key, add, word};
use crate::carried::int;
use crate::error::Error;

/// Conversions as both runs have them.
type Conversions = BTreeMap<Value, Conversion>;

/// What a conversion is in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Conversion {
    day: Day,
    /// Microseconds since 1970.
    time: i128,
    /// What channels got of it.
    channels: BTreeMap<Key, Amounts>,
}

/// Told of a conversion as it was and as it is.
type Each<'a> = dyn FnMut(&Value, Option<&Conversion>, Option<&Conversion>) + 'a;

/// A channel with what it got before and after.
type Channel<'a> = (&'a str, i128, i128);

/// What is to be known of both runs.
pub(super) struct Both<'a> {
    pub before: &'a PublishedRun,
    pub after: &'a PublishedRun,
    /// The names of the values.
    pub values: &'a [String],
    /// The windows of each by the names that they are told by.
    pub windows: [&'a BTreeMap<String, String>; 2],
    /// The models of both, and whether each is additive.
    pub models: &'a [(String, bool)],
    pub interrupt: &'a Interrupt,
}

/// The tables that have every conversion.
const TABLES: [&str; 2] = ["credits", "unattributed"];

impl Both<'_> {
    /// Whether both runs say what each touch got.
    pub fn have_credits(&self) -> bool {
        [self.before, self.after].iter().all(|run| TABLES.iter().all(|table| run.manifest.table(table).is_some()))
    }

    /// Calls `each` with every conversion that is not the same in both runs, as it was and as it is. One that is only in one of
    /// them under its day is told last, when it is known whether it came to another day.
    fn differing(&self, each: &mut Each<'_>) -> Result<(), Error> {
        let (mut only_before, mut only_after) = (Conversions::new(), Conversions::new());
        for day in self.differing_days() {
            self.interrupt.check()?;
            let before = self.read(self.before, day, self.windows[0])?;
            let mut after = self.read(self.after, day, self.windows[1])?;
            for (id, before) in before {
                match after.remove(&id) {
                    Some(after) if after == before => {}
                    Some(after) => each(&id, Some(&before), Some(&after)),
                    None => drop(only_before.insert(id, before)),
                }
            }
            only_after.extend(after);
        }
        for (id, before) in &only_before {
            each(id, Some(before), only_after.remove(id).as_ref());
        }
        only_after.iter().for_each(|(id, after)| each(id, None, Some(after)));
        Ok(())
    }

    /// The days of which a file is not the same in both.
    fn differing_days(&self) -> BTreeSet<Day> {
        let hashes = |run: &PublishedRun| -> BTreeMap<(usize, Day), String> {
            let of_table = |table: usize| {
                let files = run.manifest.table(TABLES[table]).map_or(&[][..], |table| &table.files);
                files.iter().filter_map(move |file| Some(((table, day_of_file(&file.path)?), file.sha256.clone())))
            };
            (0..TABLES.len()).flat_map(of_table).collect()
        };
        let (before, after) = (hashes(self.before), hashes(self.after));
        let all: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        all.into_iter().filter(|key| before.get(key) != after.get(key)).map(|(_, day)| *day).collect()
    }

    fn read(&self, run: &PublishedRun, day: Day, windows: &BTreeMap<String, String>) -> Result<Conversions, Error> {
        let mut conversions = Conversions::new();
        for table in TABLES {
            let files = run.manifest.table(table).map_or(&[][..], |table| &table.files);
            for file in files.iter().filter(|file| day_of_file(&file.path) == Some(day)) {
                let reader = read_table(&run.path(file)?)?;
                let place = |name: &str| reader.fields().iter().position(|field| field.name == name);
                let (Some(model), Some(window), Some(id), Some(time)) =
                    (place("model"), place("window"), place("conversion_id"), place("conversion_time"))
                else {
                    continue;
                };
                let channel = place("channel");
                let values: Vec<usize> = self.values.iter().filter_map(|value| place(value)).collect();
                for rows in reader {
                    let rows = rows?;
                    for row in 0..rows.len() {
                        let cell = |column: usize| rows.columns[column].value(row);
                        let model = word(&cell(model));
                        let (Some((_, additive)), Some(window)) =
                            (self.models.iter().find(|(name, _)| *name == model), windows.get(&word(&cell(window))))
                        else {
                            continue;
                        };
                        let channel = channel.map_or_else(|| UNATTRIBUTED.to_owned(), |channel| word(&cell(channel)));
                        let conversion = conversions.entry(cell(id)).or_default();
                        (conversion.day, conversion.time) = (day, int(&cell(time)));
                        let amounts: Amounts = values.iter().map(|value| int(&cell(*value))).collect();
                        let key = (model, window.clone(), channel);
                        // Who takes part in a conversion does so once, however many touches there are.
                        if *additive || !conversion.channels.contains_key(&key) {
                            add(conversion.channels.entry(key).or_default(), &amounts, 1);
                        }
                    }
                }
            }
        }
        Ok(conversions)
    }

    /// Every change of a conversion by its cause.
    ///
    /// # Errors
    /// Where a table cannot be read.
    pub fn causes(&self, days: &DayChanges) -> Result<Causes, Error> {
        let mut causes = Causes::new();
        self.differing(&mut |_, before, after| {
            let cause = causes.entry(self.cause(days, before, after)).or_default();
            *cause.conversions.get_or_insert(0) += 1;
            for (conversion, sign) in [(before, -1), (after, 1)] {
                let Some(conversion) = conversion else { continue };
                cause.days.insert(conversion.day);
                conversion.channels.iter().for_each(|(key, amounts)| cause.add(key, amounts, sign));
            }
        })?;
        for cause in causes.values_mut() {
            cause.channels.retain(|_, amounts| amounts.iter().any(|amount| *amount != 0));
        }
        Ok(causes)
    }

    fn cause(&self, days: &DayChanges, before: Option<&Conversion>, after: Option<&Conversion>) -> String {
        let conversion = before.or(after);
        let refund = conversion.is_some_and(|conversion| self.worth(conversion).iter().any(|amount| *amount < 0));
        let whole = |conversion: Option<&Conversion>| conversion.and_then(|conversion| days.whole(conversion.day));
        let words = match (before, after) {
            (None, _) => whole(after).unwrap_or(if refund { "new refunds" } else { "new conversions" }),
            (_, None) => whole(before).unwrap_or(if refund { "refunds that are gone" } else { "conversions that are gone" }),
            (Some(one), Some(other)) if one.time != other.time || self.worth(one) != self.worth(other) => {
                if refund {
                    "changed refunds"
                } else {
                    "changed conversions"
                }
            }
            (Some(_), Some(after)) => {
                let touches = days.touches(after.day);
                return if touches.is_empty() { days.elsewhere().to_owned() } else { touches.join(", and ") };
            }
        };
        words.to_owned()
    }

    /// A conversion's values: what all channels got of it under any one model and window.
    fn worth(&self, conversion: &Conversion) -> Amounts {
        let Some(((model, window, _), _)) = conversion.channels.first_key_value() else { return Amounts::new() };
        let additive = self.models.iter().any(|(name, additive)| name == model && *additive);
        let mut worth = Amounts::new();
        for ((of_model, of_window, _), amounts) in &conversion.channels {
            if (of_model, of_window) == (model, window) {
                add(&mut worth, amounts, 1);
                if !additive {
                    break;
                }
            }
        }
        worth
    }

    /// The conversions whose credit moved most, of the first value and under the model and window where it moved most; models
    /// that are not additive are asked where there is no other.
    ///
    /// # Errors
    /// Where a table cannot be read.
    pub fn moved_most(&self, most: usize, text: &dyn Fn(i128) -> String) -> Result<Vec<Moved>, Error> {
        let mut moved: Vec<(i128, Moved)> = Vec::new();
        self.differing(&mut |id, before, after| {
            let mut by_model: BTreeMap<(&str, &str), Vec<Channel<'_>>> = BTreeMap::new();
            let keys: BTreeSet<&Key> = [before, after].into_iter().flatten().flat_map(|it| it.channels.keys()).collect();
            let first = |conversion: Option<&Conversion>, key: &Key| {
                conversion.and_then(|conversion| conversion.channels.get(key)?.first().copied()).unwrap_or(0)
            };
            let additive = |key: &Key| self.models.iter().any(|(name, additive)| *name == key.0 && *additive);
            // Who takes part in a conversion has all of it, so that more seems to move.
            let all_take_part = !self.models.iter().any(|(_, additive)| *additive);
            for key in keys.into_iter().filter(|key| all_take_part || additive(key)) {
                let (old, new) = (first(before, key), first(after, key));
                if old != new {
                    by_model.entry((&key.0, &key.1)).or_default().push((&key.2, old, new));
                }
            }
            let amount = |channels: &[Channel<'_>]| {
                let gained: i128 = channels.iter().map(|(_, old, new)| (new - old).max(0)).sum();
                let lost: i128 = channels.iter().map(|(_, old, new)| (old - new).max(0)).sum();
                gained.max(lost)
            };
            let by_model = by_model.into_iter().map(|(model, channels)| (amount(&channels), model, channels));
            // Of models where as much moved the first is told.
            let Some((amount, (model, window), channels)) = by_model.rev().max_by_key(|(amount, _, _)| *amount) else { return };
            let place = moved.partition_point(|(other, _)| *other >= amount);
            if place < most {
                let entry = Moved {
                    conversion_id: word(id),
                    day: after.or(before).map_or_else(String::new, |conversion| day_text(conversion.day)),
                    model: model.to_owned(),
                    window: window.to_owned(),
                    moved: text(amount),
                    channels: channels
                        .iter()
                        .map(|(channel, old, new)| ((*channel).to_owned(), text(*old), text(*new)))
                        .collect(),
                };
                moved.insert(place, (amount, entry));
                moved.truncate(most);
            }
        })?;
        Ok(moved.into_iter().map(|(_, moved)| moved).collect())
    }
}

/// The day of a file that is called by one.
pub(super) fn day_of_file(path: &str) -> Option<Day> {
    parse_day(path.rsplit('/').next()?.strip_suffix(".parquet")?)
}
