//! The rules of a journey: which touches a conversion looks back on. Window, reuse, priority, ignore, repeats, in that order.

use std::ops::Range;

use attributary_core::duration::{DAY, Window};
use attributary_core::journey::{TouchFacts, Unattributed, Verdict};
use attributary_core::time::{self, Day, Zone};

/// What `[journey]` of a pipeline says.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Calendar days are those of this zone.
    pub zone: Zone,
    /// Every model runs on every window.
    pub windows: Vec<Window>,
    /// Windows are whole calendar days that end with the conversion's, rather than exact spans of time.
    pub calendar_days: bool,
    /// Interactions with a window of their own, capped at the window.
    pub interaction_windows: Vec<(String, Window)>,
    /// Whether an interaction is mapped at all; without one every touch is a click.
    pub interaction_mapped: bool,
    /// Whether an earlier conversion consumes touches.
    pub reuse: Reuse,
    /// Interactions, best first: only the best class that is present stays.
    pub priority: Vec<String>,
    /// Touches that do not count.
    pub ignore: Option<Ignore>,
    /// What becomes of touches of the same channel and campaign.
    pub repeats: Repeats,
}

/// Whether a conversion may look back beyond the customer's previous one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Each conversion looks back on its own.
    Overlap,
    /// Only touches strictly after the last conversion that is strictly earlier count.
    SincePreviousConversion {
        /// Only a conversion of the same kind consumes.
        by_kind: bool,
    },
}

/// What becomes of touches of the same channel and campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// All stay.
    Keep,
    /// Of a run of equal ones the last stays.
    CollapseConsecutive,
    /// Each pair's first stays.
    First,
    /// Each pair's last stays.
    Last,
}

/// Touches that do not count: those for which a predicate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ignore {
    /// The predicate, as a bit of [`TouchFacts::flags`].
    pub flag: u32,
    /// When.
    pub when: IgnoreWhen,
}

/// When matching touches are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoreWhen {
    /// Only if any other touch remains.
    OthersExist,
    /// Even if nothing remains.
    Always,
}

/// A customer's touches in their total order.
#[derive(Clone, Copy)]
pub struct Touches<'a> {
    /// Instants, ascending.
    pub times: &'a [i64],
    /// A profile for each.
    pub profiles: &'a [u32],
}

/// Chooses the eligible touches of conversions. One a thread: it keeps room to work in.
pub struct Selector<'a> {
    rules: &'a Rules,
    facts: &'a [TouchFacts],
    seen: rustc_hash::FxHashSet<u32>,
}

impl<'a> Selector<'a> {
    /// For touches whose profiles are places in `facts`.
    #[must_use]
    pub fn new(rules: &'a Rules, facts: &'a [TouchFacts]) -> Self {
        Self { rules, facts, seen: rustc_hash::FxHashSet::default() }
    }

    /// Writes into `chosen` the places of the touches that a conversion at `time` may give credit to under window number
    /// `window`, oldest first. Touches at or before `consumed_until` belong to the conversion then.
    ///
    /// # Errors
    /// Why there are none.
    pub fn select(
        &mut self,
        touches: Touches<'_>,
        time: i64,
        consumed_until: Option<i64>,
        window: usize,
        chosen: &mut Vec<u32>,
    ) -> Result<(), Unattributed> {
        self.choose(touches, time, consumed_until, window, chosen, &mut |_, _| ())
    }

    /// As [`Selector::select`], where [`Rules::are_plain`]: the eligible touches lie side by side.
    ///
    /// # Errors
    /// Why there are none.
    pub fn range(
        &self,
        touches: Touches<'_>,
        time: i64,
        consumed_until: Option<i64>,
        window: usize,
    ) -> Result<Range<usize>, Unattributed> {
        let reach = Reach::of(self.rules, &self.rules.windows[window], time);
        let until = touches.times.partition_point(|touch| *touch <= time);
        let from = touches.times[..until].partition_point(|touch| *touch < reach.earliest);
        if from == until {
            return Err(Unattributed::NoTouch);
        }
        let consumed = consumed_until.map_or(0, |consumed| touches.times.partition_point(|touch| *touch <= consumed));
        if from.max(consumed) < until { Ok(from.max(consumed)..until) } else { Err(Unattributed::Consumed) }
    }

    /// The verdict on each touch, as [`Selector::select`] comes to it.
    #[must_use]
    pub fn verdicts(&mut self, touches: Touches<'_>, time: i64, consumed_until: Option<i64>, window: usize) -> Vec<Verdict> {
        let mut verdicts = vec![Verdict::Eligible; touches.times.len()];
        let mut note = |touch: u32, verdict| verdicts[touch as usize] = verdict;
        // The reason is of no interest here: the verdicts say more.
        let _ = self.choose(touches, time, consumed_until, window, &mut Vec::new(), &mut note);
        verdicts
    }

    /// The touches of a customer who did not convert: those that a conversion at the time of touch `last` would see.
    /// False where none is left.
    pub fn select_null_journey(&mut self, touches: Touches<'_>, last: usize, window: usize, chosen: &mut Vec<u32>) -> bool {
        let touches = Touches { times: &touches.times[..=last], profiles: &touches.profiles[..=last] };
        self.select(touches, touches.times[last], None, window, chosen).is_ok()
    }

    fn choose(
        &mut self,
        touches: Touches<'_>,
        time: i64,
        consumed_until: Option<i64>,
        window: usize,
        chosen: &mut Vec<u32>,
        drop: &mut impl FnMut(u32, Verdict),
    ) -> Result<(), Unattributed> {
        let rules = self.rules;
        let until = touches.times.partition_point(|touch| *touch <= time);
        (until..touches.times.len()).for_each(|touch| drop(touch as u32, Verdict::AfterConversion));
        self.within_window(&touches, until, time, &rules.windows[window], chosen, drop);
        if chosen.is_empty() {
            return Err(Unattributed::NoTouch);
        }
        if let Some(consumed_until) = consumed_until {
            let consumed = chosen.partition_point(|touch| touches.times[*touch as usize] <= consumed_until);
            chosen.drain(..consumed).for_each(|touch| drop(touch, Verdict::Consumed));
            if chosen.is_empty() {
                return Err(Unattributed::Consumed);
            }
        }
        let facts = |touch: u32| &self.facts[touches.profiles[touch as usize] as usize];
        let mut keep_only = |chosen: &mut Vec<u32>, verdict, keep: &mut dyn FnMut(u32) -> bool| {
            chosen.retain(|touch| {
                let kept = keep(*touch);
                if !kept {
                    drop(*touch, verdict);
                }
                kept
            });
        };
        if !rules.priority.is_empty() {
            let best = chosen.iter().map(|touch| facts(*touch).class).min();
            keep_only(chosen, Verdict::LowerPriority, &mut |touch| Some(facts(touch).class) == best);
        }
        if let Some(ignore) = rules.ignore {
            let ignored = |touch: u32| facts(touch).holds(ignore.flag);
            if ignore.when == IgnoreWhen::Always || chosen.iter().any(|touch| !ignored(*touch)) {
                keep_only(chosen, Verdict::Ignored, &mut |touch| !ignored(touch));
            }
        }
        let placement = |touch: u32| facts(touch).placement;
        match rules.repeats {
            Repeats::Keep => {}
            Repeats::CollapseConsecutive => {
                let mut next = 0;
                let followers: Vec<u32> = chosen.iter().skip(1).map(|touch| placement(*touch)).collect();
                keep_only(chosen, Verdict::Repeat, &mut |touch| {
                    next += 1;
                    followers.get(next - 1) != Some(&placement(touch))
                });
            }
            Repeats::First => {
                self.seen.clear();
                keep_only(chosen, Verdict::Repeat, &mut |touch| self.seen.insert(placement(touch)));
            }
            Repeats::Last => {
                self.seen.clear();
                chosen.reverse();
                keep_only(chosen, Verdict::Repeat, &mut |touch| self.seen.insert(placement(touch)));
                chosen.reverse();
            }
        }
        if chosen.is_empty() { Err(Unattributed::Ignored) } else { Ok(()) }
    }

    /// Those of the touches before `until` that lie in the window and, where their interaction has one, in its own.
    fn within_window(
        &self,
        touches: &Touches<'_>,
        until: usize,
        time: i64,
        window: &Window,
        chosen: &mut Vec<u32>,
        drop: &mut impl FnMut(u32, Verdict),
    ) {
        chosen.clear();
        let reach = Reach::of(self.rules, window, time);
        let from = touches.times[..until].partition_point(|touch| *touch < reach.earliest);
        (0..from).for_each(|touch| drop(touch as u32, Verdict::OutOfWindow));
        if reach.days.is_none() && self.rules.interaction_windows.is_empty() {
            chosen.extend(from as u32..until as u32);
            return;
        }
        let own: Vec<Reach> = self.rules.interaction_windows.iter().map(|(_, own)| Reach::of(self.rules, own, time)).collect();
        for touch in from..until {
            let at = touches.times[touch];
            let facts = &self.facts[touches.profiles[touch] as usize];
            let own_holds = own.get(facts.interaction_window as usize).is_none_or(|own| own.holds(at, &self.rules.zone));
            if reach.holds(at, &self.rules.zone) && own_holds {
                chosen.push(touch as u32);
            } else {
                drop(touch as u32, Verdict::OutOfWindow);
            }
        }
    }
}

/// How far back a window reaches from one conversion.
struct Reach {
    /// No touch before this instant lies in the window.
    earliest: i64,
    /// With calendar days: the days that do.
    days: Option<std::ops::RangeInclusive<Day>>,
}

impl Reach {
    fn of(rules: &Rules, window: &Window, time: i64) -> Self {
        let Window::Back(length) = window else { return Self { earliest: i64::MIN, days: None } };
        match length.whole_days() {
            Some(count) if rules.calendar_days => {
                let last = rules.zone.day(time);
                let first = last - count + 1;
                // A clock that is set back around midnight shows a day twice; a day's grace, then the days decide.
                Self { earliest: rules.zone.start_of(first) - DAY, days: Some(first..=last) }
            }
            _ => Self { earliest: time - length.micros(), days: None },
        }
    }

    fn holds(&self, instant: i64, zone: &Zone) -> bool {
        instant >= self.earliest && self.days.as_ref().is_none_or(|days| days.contains(&zone.day(instant)))
    }
}

impl Rules {
    /// Whether all touches between two instants are eligible, whatever they are.
    #[must_use]
    pub fn are_plain(&self) -> bool {
        !self.calendar_days
            && self.interaction_windows.is_empty()
            && self.priority.is_empty()
            && self.ignore.is_none()
            && self.repeats == Repeats::Keep
    }

    /// The start of day `from` less the longest window: no earlier touch can matter to a conversion on that day or later.
    /// (A window of calendar days reaches less far back than so many times 24 hours.)
    #[must_use]
    pub fn earliest_touch(&self, from: Day) -> i64 {
        let reach = |window: &Window| window.micros().map_or(time::EARLIEST, |length| self.zone.start_of(from) - length);
        self.windows.iter().map(reach).min().unwrap_or(time::EARLIEST).max(time::EARLIEST)
    }

    /// The places of the windows, the widest first.
    #[must_use]
    pub fn by_width(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.windows.len()).collect();
        places.sort_by_key(|place| std::cmp::Reverse(self.windows[*place].micros().unwrap_or(i64::MAX)));
        places
    }

    /// For a customer's conversions in the order of their times: the time of the last conversion before each that
    /// consumes its touches. Empty where none ever does.
    #[must_use]
    pub fn consumed_until(&self, times: &[i64], kinds: &[u32]) -> Vec<Option<i64>> {
        let Reuse::SincePreviousConversion { by_kind } = self.reuse else { return Vec::new() };
        // Per kind: the latest time so far, and the latest before that one.
        let mut latest: rustc_hash::FxHashMap<u32, (i64, Option<i64>)> = rustc_hash::FxHashMap::default();
        let step = |(&time, &kind): (&i64, &u32)| {
            let entry = latest.entry(if by_kind { kind } else { 0 }).or_insert((time, None));
            if entry.0 < time {
                *entry = (time, Some(entry.0));
            }
            entry.1
        };
        times.iter().zip(kinds).map(step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(change: impl FnOnce(&mut Rules)) -> Rules {
        let mut rules = Rules {
            zone: Zone::utc(),
            windows: vec![Window::parse("10s").expect("a window")],
            calendar_days: false,
            interaction_windows: Vec::new(),
            interaction_mapped: true,
            reuse: Reuse::Overlap,
            priority: Vec::new(),
            ignore: None,
            repeats: Repeats::Keep,
        };
        change(&mut rules);
        rules
    }

    /// Touches at seconds 1, 2, … with one profile each; the conversion is at the last touch's second.
    fn chosen(rules: &Rules, facts: &[TouchFacts], consumed_until: Option<i64>) -> Result<Vec<u32>, Unattributed> {
        let times: Vec<i64> = (1..=facts.len() as i64).map(|second| second * 1_000_000).collect();
        let profiles: Vec<u32> = (0..facts.len() as u32).collect();
        let touches = Touches { times: &times, profiles: &profiles };
        let mut chosen = Vec::new();
        let mut selector = Selector::new(rules, facts);
        let time = *times.last().expect("a touch");
        selector.select(touches, time, consumed_until, 0, &mut chosen)?;
        let verdicts = selector.verdicts(touches, time, consumed_until, 0);
        let eligible: Vec<u32> = (0..facts.len() as u32).filter(|touch| verdicts[*touch as usize] == Verdict::Eligible).collect();
        assert_eq!(eligible, chosen, "verdicts and choice agree");
        Ok(chosen)
    }

    fn placements(all: &[u32]) -> Vec<TouchFacts> {
        all.iter()
            .map(|placement| TouchFacts {
                placement: *placement,
                interaction_window: TouchFacts::NO_WINDOW,
                ..TouchFacts::default()
            })
            .collect()
    }

    #[test]
    fn windows_are_closed_at_both_ends() {
        let facts = placements(&[0; 12]);
        assert_eq!(chosen(&rules(|_| ()), &facts, None), Ok((1..12).collect()));
    }

    #[test]
    fn repeats_keep_the_touch_they_say() {
        let facts = placements(&[1, 1, 2, 1, 1]);
        let with = |repeats| chosen(&rules(|rules| rules.repeats = repeats), &facts, None);
        assert_eq!(with(Repeats::Keep), Ok(vec![0, 1, 2, 3, 4]));
        assert_eq!(with(Repeats::CollapseConsecutive), Ok(vec![1, 2, 4]));
        assert_eq!(with(Repeats::First), Ok(vec![0, 2]));
        assert_eq!(with(Repeats::Last), Ok(vec![2, 4]));
    }

    #[test]
    fn consumed_touches_are_at_or_before_the_previous_conversion() {
        let facts = placements(&[0; 4]);
        assert_eq!(chosen(&rules(|_| ()), &facts, Some(2_000_000)), Ok(vec![2, 3]));
        assert_eq!(chosen(&rules(|_| ()), &facts, Some(4_000_000)), Err(Unattributed::Consumed));
    }

    #[test]
    fn ignore_spares_the_last_resort_unless_always() {
        let mut facts = placements(&[0; 3]);
        let ignore = |when| rules(|rules| rules.ignore = Some(Ignore { flag: 3, when }));
        facts[1].flags = 8;
        assert_eq!(chosen(&ignore(IgnoreWhen::OthersExist), &facts, None), Ok(vec![0, 2]));
        facts.iter_mut().for_each(|facts| facts.flags = 8);
        assert_eq!(chosen(&ignore(IgnoreWhen::OthersExist), &facts, None), Ok(vec![0, 1, 2]));
        assert_eq!(chosen(&ignore(IgnoreWhen::Always), &facts, None), Err(Unattributed::Ignored));
    }

    #[test]
    fn an_earlier_conversion_consumes_only_strictly() {
        let since = |by_kind| rules(|rules| rules.reuse = Reuse::SincePreviousConversion { by_kind });
        let (times, kinds) = ([1, 1, 5, 5, 9], [0, 1, 1, 0, 0]);
        assert_eq!(since(false).consumed_until(&times, &kinds), [None, None, Some(1), Some(1), Some(5)]);
        assert_eq!(since(true).consumed_until(&times, &kinds), [None, None, Some(1), Some(1), Some(5)]);
        assert_eq!(since(true).consumed_until(&[1, 5], &[0, 1]), [None, None]);
        assert_eq!(rules(|_| ()).consumed_until(&times, &kinds), []);
    }
}
