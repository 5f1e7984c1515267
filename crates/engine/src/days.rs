//! Some days of the calendar, where those that matter do not lie side by side.

use attributary_core::time::Day;

use crate::setup::Range;

/// Some days: stretches in their order, none of which overlaps or touches the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Days(Vec<Range>);

impl Days {
    /// The days of a range.
    #[must_use]
    pub fn of(range: Range) -> Self {
        let mut days = Self::default();
        days.add(range);
        days
    }

    /// Adds the days of a range.
    pub fn add(&mut self, range: Range) {
        if range.from.zip(range.to).is_some_and(|(from, to)| from >= to) {
            return;
        }
        self.0.push(range);
        self.0.sort_unstable_by_key(|range| range.from);
        let mut joined: Vec<Range> = Vec::with_capacity(self.0.len());
        for range in self.0.drain(..) {
            match joined.last_mut() {
                Some(last) if last.to.is_none_or(|to| range.from.is_none_or(|from| from <= to)) => {
                    last.to = last.to.zip(range.to).map(|(one, other)| one.max(other));
                }
                _ => joined.push(range),
            }
        }
        self.0 = joined;
    }

    /// Adds one day.
    pub fn add_day(&mut self, day: Day) {
        if !self.contains(day) {
            self.add(Range { from: Some(day), to: Some(day.saturating_add(1)) });
        }
    }

    /// Those of the days that lie in a range.
    #[must_use]
    pub fn within(&self, range: Range) -> Self {
        let later = |one: Option<Day>, other: Option<Day>| one.max(other);
        let earlier = |one: Option<Day>, other: Option<Day>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let mut days = Self::default();
        self.0.iter().for_each(|of| days.add(Range { from: later(of.from, range.from), to: earlier(of.to, range.to) }));
        days
    }

    /// Whether a day is among them.
    #[must_use]
    pub fn contains(&self, day: Day) -> bool {
        let behind = self.0.partition_point(|range| range.from.is_none_or(|from| from <= day));
        behind > 0 && self.0[behind - 1].contains(day)
    }

    /// The stretches, in their order.
    #[must_use]
    pub fn stretches(&self) -> &[Range] {
        &self.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range() -> impl Strategy<Value = Range> {
        let end = || prop::option::weighted(0.9, -20..20_i32);
        (end(), end()).prop_map(|(from, to)| Range { from, to })
    }

    proptest! {
        #[test]
        fn days_are_those_of_any_of_the_ranges(ranges in prop::collection::vec(range(), 0..6), within in range()) {
            let mut days = Days::default();
            ranges.iter().for_each(|range| days.add(*range));
            let narrowed = days.within(within);
            for day in -25..25 {
                let expected = ranges.iter().any(|range| range.contains(day));
                prop_assert_eq!(days.contains(day), expected);
                prop_assert_eq!(narrowed.contains(day), expected && within.contains(day));
            }
            // Nothing overlaps or touches, so that equal days are equal values.
            let mut again = Days::default();
            ranges.iter().rev().for_each(|range| again.add(*range));
            prop_assert_eq!(&again, &days);
            prop_assert!(days.stretches().windows(2).all(|pair| pair[0].to < pair[1].from));
        }
    }
}
