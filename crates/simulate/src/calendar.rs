//! The plan: files in order of time, cut into slices that are small enough to sort in memory, each with its exact number
//! of rows. How busy an hour is follows the time of day, the day of the week and some chance.

use std::ops::Range;

use attributary_core::duration::{DAY, SECOND};
use attributary_core::time::day_text;

use crate::market::Market;
use crate::random::{Random, Stream, apportion};
use crate::settings::Settings;

/// A slice holds about this many rows, at busy times some times as many.
const SLICE_ROWS: u64 = 50_000;
const HOUR: i64 = DAY / 24;
/// Events are stamped to the millisecond.
pub const TICK: i64 = SECOND / 1_000;

/// Files and slices, both in order of time and without gaps.
#[derive(Debug)]
pub struct Calendar {
    /// The files of each table.
    pub files: Vec<FilePlan>,
    /// The slices that files are made of.
    pub slices: Vec<Slice>,
}

/// A file of each table.
#[derive(Debug)]
pub struct FilePlan {
    /// Its name without extension: a day, or a part's number.
    pub name: String,
    /// Its slices.
    pub slices: Range<usize>,
}

/// A stretch of time, at most a day, and the rows that fall into it.
#[derive(Debug)]
pub struct Slice {
    /// Its instants.
    pub time: Range<i64>,
    /// Its touch rows, numbered through the whole log.
    pub touches: Range<u64>,
    /// Its conversion rows, numbered through the whole log.
    pub conversions: Range<u64>,
    hours: Vec<Hour>,
    weight: u64,
}

/// An hour, or what a slice has of it.
#[derive(Debug)]
struct Hour {
    start: i64,
    /// How busy a microsecond is.
    rate: u64,
    /// What all hours of the slice up to the end of this one weigh.
    until: u64,
}

impl Calendar {
    /// The plan for these settings.
    pub fn new(settings: &Settings, market: &Market) -> Self {
        let start = i64::from(settings.start) * DAY;
        let span = i64::from(settings.days) * DAY;
        let count = settings.file_count();
        let daily = count == settings.days;
        let border = |file: u32| start + (i128::from(span) * i128::from(file) / i128::from(count)) as i64;

        let busy = Busy { seed: settings.seed, market };
        let files: Vec<Range<i64>> = (0..count).map(|file| border(file)..border(file + 1)).collect();
        let rows = settings.touches.max(settings.conversion_rows());
        let rows_of_files = apportion(rows, files.iter().map(|time| busy.slice(time.clone()).weight as f64).collect());

        let mut calendar = Self { files: Vec::new(), slices: Vec::new() };
        for (number, (time, rows)) in files.into_iter().zip(rows_of_files).enumerate() {
            let length = time.end - time.start;
            let parts = (length as u64).div_ceil(DAY as u64).max(rows.div_ceil(SLICE_ROWS)).min(length as u64) as i64;
            let cut = |part: i64| time.start + (i128::from(length) * i128::from(part) / i128::from(parts)) as i64;
            let first = calendar.slices.len();
            calendar.slices.extend((0..parts).map(|part| busy.slice(cut(part)..cut(part + 1))));
            let name = if daily { day_text(settings.start.saturating_add(number as i32)) } else { format!("part-{number:05}") };
            calendar.files.push(FilePlan { name, slices: first..calendar.slices.len() });
        }
        calendar.deal_out(settings);
        calendar
    }

    /// The slice an instant falls into.
    pub fn slice_at(&self, instant: i64) -> Option<usize> {
        let slice = self.slices.partition_point(|slice| slice.time.end <= instant);
        self.slices.get(slice).is_some_and(|it| it.time.start <= instant).then_some(slice)
    }

    /// The numbers of all touch rows of the slices that a stretch of time meets.
    pub fn touches_around(&self, time: Range<i64>) -> Range<u64> {
        let first = self.slices.partition_point(|slice| slice.time.end <= time.start);
        let end = self.slices.partition_point(|slice| slice.time.start < time.end);
        match self.slices.get(first..end) {
            Some([slice]) => slice.touches.clone(),
            Some([first, .., last]) => first.touches.start..last.touches.end,
            _ => 0..0,
        }
    }

    /// Gives each slice its rows, in proportion to how busy it is.
    fn deal_out(&mut self, settings: &Settings) {
        let weights: Vec<f64> = self.slices.iter().map(|slice| slice.weight as f64).collect();
        let touches = apportion(settings.touches, weights.clone());
        let conversions = apportion(settings.conversion_rows(), weights);
        let (mut touch, mut conversion) = (0, 0);
        for (slice, (touches, conversions)) in self.slices.iter_mut().zip(touches.into_iter().zip(conversions)) {
            slice.touches = touch..touch + touches;
            slice.conversions = conversion..conversion + conversions;
            (touch, conversion) = (slice.touches.end, slice.conversions.end);
        }
    }
}

impl Slice {
    /// How many touch rows it has.
    pub fn touch_count(&self) -> u64 {
        self.touches.end - self.touches.start
    }

    /// How many conversion rows it has.
    pub fn conversion_count(&self) -> u64 {
        self.conversions.end - self.conversions.start
    }

    /// A time in the slice, sooner at busy hours.
    pub fn draw(&self, random: &mut Random) -> i64 {
        let place = random.below(self.weight);
        let mut before = 0;
        for hour in &self.hours {
            if place < hour.until {
                return self.clamp(hour.start + ((place - before) / hour.rate) as i64);
            }
            before = hour.until;
        }
        self.time.start
    }

    /// A whole tick in the slice: a time beyond its end is turned back there, and again at its start.
    pub fn clamp(&self, time: i64) -> i64 {
        let length = self.time.end - self.time.start;
        let mut time = time;
        if time >= self.time.end {
            let way = (time - self.time.start) % (2 * length);
            time = self.time.start + way.min(2 * length - 1 - way);
        }
        (time.max(self.time.start) / TICK * TICK).max(self.time.start)
    }
}

/// How busy the world is, hour by hour.
struct Busy<'a> {
    seed: u64,
    market: &'a Market,
}

impl Busy<'_> {
    fn slice(&self, time: Range<i64>) -> Slice {
        let (mut start, mut weight, mut hours) = (time.start, 0, Vec::new());
        while start < time.end {
            let end = ((start.div_euclid(HOUR) + 1) * HOUR).min(time.end);
            let rate = self.rate(start);
            weight += rate * (end - start) as u64;
            hours.push(Hour { start, rate, until: weight });
            start = end;
        }
        Slice { time, touches: 0..0, conversions: 0..0, hours, weight }
    }

    fn rate(&self, instant: i64) -> u64 {
        let day = instant.div_euclid(DAY);
        let hour = self.market.hours[(instant.rem_euclid(DAY) / HOUR) as usize];
        // 1970-01-01 was a Thursday.
        let weekday = self.market.week[(day + 3).rem_euclid(7) as usize];
        let luck = Random::new(self.seed, Stream::Day, day as u64, 0).below(5) + 10;
        u64::from(hour) * u64::from(weekday) * luck
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn calendar(settings: &Settings) -> Calendar {
        Calendar::new(settings, &Market::new(settings))
    }

    proptest! {
        #[test]
        fn slices_leave_no_gap_and_no_row_out(days in 1_u32..40, files in 1_u32..60, touches in 1_u64..2_000_000, conversions in 0_u64..5_000) {
            let settings = Settings { days, files: Some(files), touches, conversions: Some(conversions), ..Settings::default() };
            let calendar = calendar(&settings);
            prop_assert_eq!(calendar.files.len(), files as usize);
            let (mut time, mut touch, mut conversion) = (i64::from(settings.start) * DAY, 0, 0);
            for (place, slice) in calendar.slices.iter().enumerate() {
                prop_assert_eq!((slice.time.start, slice.touches.start, slice.conversions.start), (time, touch, conversion));
                prop_assert!(slice.time.end > time && slice.time.end - time <= DAY);
                prop_assert_eq!(calendar.slice_at(time), Some(place));
                prop_assert_eq!(calendar.slice_at(slice.time.end - 1), Some(place));
                (time, touch, conversion) = (slice.time.end, slice.touches.end, slice.conversions.end);
                let mut random = Random::new(0, Stream::Session, place as u64, 0);
                for _ in 0..20 {
                    prop_assert!(slice.time.contains(&slice.draw(&mut random)));
                }
            }
            prop_assert_eq!((touch, conversion), (touches, conversions));
            prop_assert_eq!(calendar.slice_at(time), None);
        }
    }

    #[test]
    fn files_are_named_by_their_day_or_part() {
        let by_day = calendar(&Settings::default());
        assert_eq!((by_day.files[0].name.as_str(), by_day.files.len()), ("2026-01-01", 60));
        let parts = calendar(&Settings { files: Some(7), ..Settings::default() });
        assert_eq!((parts.files[6].name.as_str(), parts.slices.len()), ("part-00006", 63));
    }

    #[test]
    fn evenings_are_busier_than_nights() {
        let calendar = calendar(&Settings { days: 1, files: Some(24), touches: 24_000, ..Settings::default() });
        let rows = |hour: usize| calendar.slices[hour].touches.clone().count();
        assert!(rows(20) > 10 * rows(4), "{} {}", rows(20), rows(4));
    }
}
