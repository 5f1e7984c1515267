//! The paths table: which sequences of channels led to conversions, and which did not.

use attributary_core::batch::attribute::CHANNEL;
use attributary_core::duration::DAY;
use attributary_core::table::{Column, Field, Rows};
use attributary_core::value::{ColumnType, Value};
use attributary_journeys::Profiles;
use rustc_hash::FxHashMap;

use crate::setup::Setup;

/// The path of the row that holds all paths beyond the most frequent ones.
const OTHER: &str = "(other)";

/// One thread's paths, per window.
#[derive(Default)]
pub struct Paths {
    windows: Vec<FxHashMap<Box<[u32]>, Path>>,
}

#[derive(Default)]
struct Path {
    null_journeys: u64,
    values: Vec<i128>,
    /// From the first touch to the conversion, in microseconds, one for each conversion.
    durations: Vec<i64>,
}

impl Paths {
    /// No paths yet, for so many windows.
    #[must_use]
    pub fn new(windows: usize) -> Self {
        Self { windows: std::iter::repeat_with(FxHashMap::default).take(windows).collect() }
    }

    /// Counts a converting journey: its channels, how long it took, what it was worth.
    pub fn add(&mut self, window: usize, channels: &[u32], duration: i64, values: &[i64]) {
        let path = self.path(window, channels);
        path.durations.push(duration);
        path.values.resize(values.len(), 0);
        path.values.iter_mut().zip(values).for_each(|(sum, value)| *sum += i128::from(*value));
    }

    /// Counts a journey that led nowhere.
    pub fn add_null(&mut self, window: usize, channels: &[u32]) {
        self.path(window, channels).null_journeys += 1;
    }

    /// Adds another thread's paths.
    pub fn absorb(&mut self, other: Self) {
        for (window, paths) in other.windows.into_iter().enumerate() {
            for (channels, from) in paths {
                let path = self.path(window, &channels);
                path.null_journeys += from.null_journeys;
                path.durations.extend(from.durations);
                path.values.resize(path.values.len().max(from.values.len()), 0);
                path.values.iter_mut().zip(from.values).for_each(|(sum, value)| *sum += value);
            }
        }
    }

    fn path(&mut self, window: usize, channels: &[u32]) -> &mut Path {
        self.windows[window].entry(channels.into()).or_default()
    }
}

/// The table's columns.
#[must_use]
pub fn fields(setup: &Setup) -> Vec<Field> {
    let mut fields = vec![
        Field::new("window", ColumnType::Text),
        Field::new("path", ColumnType::Text),
        Field::new("length", ColumnType::COUNT),
        Field::new("conversions", ColumnType::COUNT),
        Field::new("null_journeys", ColumnType::COUNT),
    ];
    fields.extend(setup.value_fields());
    fields.push(Field::new("median_days_to_convert", ColumnType::Float { bits: 64 }));
    fields
}

/// The rows: per window the most frequent paths, then one row for all others, where there are any.
#[must_use]
pub fn rows(paths: &Paths, setup: &Setup, profiles: &Profiles) -> Rows {
    let mut windows: Vec<(String, usize)> =
        setup.rules.windows.iter().enumerate().map(|(place, window)| (window.to_string(), place)).collect();
    windows.sort();
    let mut output = Output { values: vec![Vec::new(); setup.values.len()], ..Output::default() };
    for (name, window) in windows {
        let all: Vec<(&[u32], &Path)> = paths.windows[window].iter().map(|(channels, path)| (&**channels, path)).collect();
        let frequency = |path: &Path| path.durations.len() as u64 + path.null_journeys;
        // By bytes of the text only among equally frequent ones, of which there are many: the text is made once each.
        let mut keyed: Vec<(std::cmp::Reverse<u64>, usize)> =
            all.iter().enumerate().map(|(place, (_, path))| (std::cmp::Reverse(frequency(path)), place)).collect();
        keyed.sort_unstable_by(|one, other| {
            let channels = |place: usize| all[place].0.iter().map(|code| channel(profiles, *code));
            one.0.cmp(&other.0).then_with(|| compare_texts(channels(one.1), channels(other.1)))
        });
        for (_, place) in keyed.iter().take(setup.paths) {
            let (channels, path) = all[*place];
            let text = channels.iter().map(|code| channel(profiles, *code)).collect::<Vec<_>>().join(" > ");
            let length = Value::Int(channels.len() as i128);
            output.push(&name, &text, length, path.durations.len() as u64, path.null_journeys, &path.values);
            output.medians.push(median_days(&mut path.durations.clone()));
        }
        if keyed.len() <= setup.paths {
            continue;
        }
        let (mut conversions, mut null_journeys, mut values) = (0, 0, vec![0; setup.values.len()]);
        for (_, place) in keyed.iter().skip(setup.paths) {
            let path = &all[*place].1;
            conversions += path.durations.len() as u64;
            null_journeys += path.null_journeys;
            values.iter_mut().zip(&path.values).for_each(|(sum, value)| *sum += value);
        }
        output.push(&name, OTHER, Value::Null, conversions, null_journeys, &values);
        output.medians.push(None);
    }
    output.rows()
}

#[derive(Default)]
struct Output {
    windows: Vec<Value>,
    paths: Vec<Value>,
    lengths: Vec<Value>,
    conversions: Vec<i64>,
    null_journeys: Vec<i64>,
    values: Vec<Vec<i128>>,
    medians: Vec<Option<f64>>,
}

impl Output {
    fn push(&mut self, window: &str, path: &str, length: Value, conversions: u64, null_journeys: u64, values: &[i128]) {
        self.windows.push(Value::text(window));
        self.paths.push(Value::text(path));
        self.lengths.push(length);
        self.conversions.push(conversions as i64);
        self.null_journeys.push(null_journeys as i64);
        for (place, column) in self.values.iter_mut().enumerate() {
            column.push(values.get(place).copied().unwrap_or(0));
        }
    }

    fn rows(self) -> Rows {
        let mut columns = vec![
            Column::Values(self.windows),
            Column::Values(self.paths),
            Column::Values(self.lengths),
            Column::Ints(self.conversions),
            Column::Ints(self.null_journeys),
        ];
        columns.extend(self.values.into_iter().map(Column::Wide));
        columns.push(Column::Floats(self.medians));
        Rows { columns }
    }
}

/// Compares two joined paths by bytes without joining them.
fn compare_texts<'a>(one: impl Iterator<Item = &'a str>, other: impl Iterator<Item = &'a str>) -> std::cmp::Ordering {
    fn bytes<'a>(channels: impl Iterator<Item = &'a str>) -> impl Iterator<Item = u8> {
        channels.enumerate().flat_map(|(place, channel)| {
            let separator = if place == 0 { "" } else { " > " };
            separator.bytes().chain(channel.bytes())
        })
    }
    bytes(one).cmp(bytes(other))
}

fn channel(profiles: &Profiles, code: u32) -> &str {
    profiles.dictionaries[CHANNEL].get(code as usize).and_then(Value::as_text).unwrap_or(attributary_core::NOT_SET)
}

/// The median in days of 24 hours, of an even number the mean of the middle two; none of none.
fn median_days(durations: &mut [i64]) -> Option<f64> {
    durations.sort_unstable();
    let count = durations.len();
    let twice = match count {
        0 => return None,
        _ => i128::from(durations[(count - 1) / 2]) + i128::from(durations[count / 2]),
    };
    Some(twice as f64 / 2.0 / DAY as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median_days(&mut []), None);
        assert_eq!(median_days(&mut [3 * DAY, DAY, 2 * DAY]), Some(2.0));
        assert_eq!(median_days(&mut [4 * DAY, DAY, 2 * DAY, 3 * DAY]), Some(2.5));
    }

    #[test]
    fn paths_compare_as_their_texts_do() {
        let (one, other) = (["a", "b"], ["a > a"]);
        assert_eq!(compare_texts(one.into_iter(), other.into_iter()), "a > b".cmp("a > a"));
        assert_eq!(compare_texts(["a"].into_iter(), ["a", "a"].into_iter()), std::cmp::Ordering::Less);
    }
}
