//! Conversions with known causes, so that what a model credits can be held against what was really so.
//!
//! Each conversion has one cause of its own, drawn without regard to all others. Some would have been anyway, whatever was
//! seen: their customers are drawn as those of sessions are, hence who sees more also buys more, without one being the
//! reason for the other. The others are brought by a touch: the likelier, the stronger its channel, and the less likely, the
//! longer ago it was. If one of a certain pair of channels precedes it in its session it is likelier still, and conversions
//! that only this has brought would not be without either of the two. As causes do not meddle with each other, what there
//! would be without a channel is known exactly: all but what it brought.
//!
//! The log may not show a cause, where nulls hide it or a repeated row stands in its place; the cause it is all the same.

use std::collections::BTreeMap;
use std::ops::Range;

use attributary_core::duration::DAY;
use attributary_core::table::{Column, Field, Rows};
use attributary_core::value::{ColumnType, Value};

use crate::calendar::TICK;
use crate::orders::Order;
use crate::random::{HALF_LIFE, Random, Share};
use crate::visits::{Touch, World};

/// The name of the file.
pub const FILE: &str = "truth";
/// The channel of conversions that no channel brought.
const BASELINE_NAME: &str = "(baseline)";
/// How many conversions would have been anyway, at least.
const BASELINE: Share = Share::percent(40);
/// By how much a touch is likelier to bring a conversion after one of the other channel of its pair, in percent of the
/// strongest channel. With what the touch brings by itself that is at most 100.
const TOGETHER: u64 = 60;
/// How many touches are looked at before a conversion is one that would have been anyway: in the middle of a log about one
/// of 20 is taken, at its beginning, or where touches are rare, fewer.
const TRIES: usize = 500;
const TICKS_PER_HOUR: u64 = (DAY / 24 / TICK) as u64;

/// What brought a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Nothing in the log.
    Baseline,
    /// A touch of the channel of this code.
    Touch(u8),
    /// A touch that would not have done without one of the other channel of the pair.
    Pair,
}

/// How many conversions each cause brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Cause, u64>);

impl Tally {
    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(cause, count)| *self.0.entry(*cause).or_default() += count);
    }

    fn of(&self, cause: Cause) -> u64 {
        self.0.get(&cause).copied().unwrap_or(0)
    }
}

/// The columns of the file.
pub fn fields() -> Vec<Field> {
    let count = ColumnType::Int { bits: 64, signed: true };
    vec![
        Field::new("channel", ColumnType::Text),
        Field::new("effect", count.clone()),
        Field::new("half_life_hours", ColumnType::Float { bits: 64 }),
        Field::new("alone", count.clone()),
        Field::new("with_another", count.clone()),
        Field::new("incremental_conversions", count),
    ]
}

/// A row of the file.
struct Line {
    channel: Value,
    effect: Option<u64>,
    half_life: Option<u32>,
    alone: u64,
    with_another: u64,
}

impl World {
    /// A conversion of a slice, with its cause.
    pub fn caused(&self, random: &mut Random, place: usize) -> Order {
        let brought = if random.chance(BASELINE) { None } else { self.brought(random, place) };
        let (customer, time, cause) = brought.unwrap_or_else(|| {
            let time = self.calendar.slices[place].draw(random);
            let customer = self.unreached(random).unwrap_or_else(|| self.crowd.draw(random));
            (customer, time, Cause::Baseline)
        });
        Order { cause: Some(cause), ..self.purchase_of(random, customer, time) }
    }

    /// Looks for a touch that brings a conversion in a slice: of whom, when, and what did it.
    fn brought(&self, random: &mut Random, place: usize) -> Option<(u64, i64, Cause)> {
        let slice = &self.calendar.slices[place].time;
        let half_lives = &self.market.half_lives;
        for _ in 0..TRIES {
            // Which touches are some time ago hangs on the half-life, and that on the touch: so any half-life comes first, as
            // often as any other, and touches of other half-lives are passed over.
            let half_life = *half_lives.get(random.below(half_lives.len() as u64) as usize)?;
            let lag = lag(random, half_life);
            let numbers = self.calendar.touches_around(slice.start - lag..slice.end - lag);
            if numbers.is_empty() {
                continue;
            }
            let touches = self.touches_up_to(numbers.start + random.below(numbers.end - numbers.start));
            let Some((touch, before)) = touches.split_last() else { continue };
            let Some(effect) = self.market.effects[usize::from(touch.channel)] else { continue };
            let time = touch.time + lag;
            if effect.half_life != half_life || !slice.contains(&time) {
                continue;
            }
            let draw = random.below(100);
            if draw < effect.percent {
                return Some((touch.customer, time, Cause::Touch(touch.channel)));
            }
            if draw < effect.percent + TOGETHER && self.are_pair(before, touch) {
                return Some((touch.customer, time, Cause::Pair));
            }
        }
        None
    }

    /// Whether a touch is of the second channel of the pair, and one of the first came before it.
    fn are_pair(&self, before: &[Touch], touch: &Touch) -> bool {
        let Some([first, second]) = self.market.pair else { return false };
        touch.channel == second && before.iter().any(|it| it.channel == first && it.time <= touch.time)
    }

    /// What brought the conversions of some slices, each counted once however often it is repeated.
    pub fn tally(&self, slices: Range<usize>) -> Tally {
        let mut tally = Tally::default();
        for place in slices {
            for (number, turn) in self.turns(place).iter().enumerate() {
                if let Some(cause) = turn.order.cause.filter(|_| turn.id_of == number) {
                    *tally.0.entry(cause).or_default() += 1;
                }
            }
        }
        tally
    }

    /// The rows of the file: channels by name, and then what none of them brought.
    pub fn truth_rows(&self, tally: &Tally) -> Rows {
        let channels = self.market.names.channels.iter().zip(&self.market.effects).enumerate();
        let mut lines: Vec<Line> = channels
            .map(|(code, (channel, effect))| {
                let is_of_pair = self.market.pair.is_some_and(|pair| pair.contains(&(code as u8)));
                Line {
                    channel: channel.clone(),
                    effect: Some(effect.map_or(0, |effect| effect.percent)),
                    half_life: effect.map(|effect| effect.half_life),
                    alone: tally.of(Cause::Touch(code as u8)),
                    with_another: if is_of_pair { tally.of(Cause::Pair) } else { 0 },
                }
            })
            .collect();
        lines.sort_by(|one, other| one.channel.cmp(&other.channel));
        let (channel, alone) = (Value::text(BASELINE_NAME), tally.of(Cause::Baseline));
        lines.push(Line { channel, effect: None, half_life: None, alone, with_another: 0 });

        let count = |count: fn(&Line) -> u64| Column::Ints(lines.iter().map(|line| count(line) as i64).collect());
        let effect = |line: &Line| line.effect.map_or(Value::Null, |effect| Value::Int(effect.into()));
        let columns = vec![
            Column::Values(lines.iter().map(|line| line.channel.clone()).collect()),
            Column::Values(lines.iter().map(effect).collect()),
            Column::Floats(lines.iter().map(|line| line.half_life.map(f64::from)).collect()),
            count(|line| line.alone),
            count(|line| line.with_another),
            count(|line| line.alone + line.with_another),
        ];
        Rows { columns }
    }
}

/// How long after a touch its conversion follows, in microseconds: whole ticks, and at least one.
fn lag(random: &mut Random, half_life: u32) -> i64 {
    let ticks = (random.half_lives() * u64::from(half_life) * TICKS_PER_HOUR).div_ceil(HALF_LIFE);
    ticks as i64 * TICK
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use attributary_core::duration::SECOND;

    use super::*;
    use crate::settings::{Preset, Settings};

    const HOUR: i64 = 3_600 * SECOND;

    fn settings(preset: Preset) -> Settings {
        let settings = Settings { preset, truth: true, customers: 30_000, touches: 80_000, days: 60, ..Settings::default() };
        Settings { conversions: Some(9_000), duplicates: 0.0, nulls: 0.0, ..settings }
    }

    fn orders(world: &World) -> Vec<Order> {
        (0..world.calendar.slices.len()).flat_map(|place| world.turns(place)).map(|turn| turn.order).collect()
    }

    /// The touches of each customer.
    fn touches(world: &World) -> HashMap<u64, Vec<Touch>> {
        let mut touches: HashMap<u64, Vec<Touch>> = HashMap::new();
        for touch in (0..world.calendar.slices.len()).flat_map(|place| world.touches(place)) {
            touches.entry(touch.customer).or_default().push(touch);
        }
        touches
    }

    fn whole_tally(world: &World) -> Tally {
        world.tally(0..world.calendar.slices.len())
    }

    fn code(world: &World, name: &str) -> u8 {
        world.market.names.channels.iter().position(|it| it.as_text() == Some(name)).expect(name) as u8
    }

    #[test]
    fn each_distinct_conversion_is_counted_once() {
        for preset in [Preset::B2c, Preset::B2b] {
            for channels in [1, 4, 10, 20] {
                let world = World::new(&Settings { channels, duplicates: 0.2, conversions: Some(3_000), ..settings(preset) });
                // By the ids that rows are written with.
                let rows = (0..world.calendar.slices.len()).flat_map(|place| world.conversions_in_time(place));
                let mut causes = HashMap::new();
                for row in rows {
                    assert_eq!((row.order.kind, row.order.refund_of), (0, None));
                    let cause = row.order.cause.expect("a cause");
                    assert_eq!(*causes.entry(row.id).or_insert(cause), cause);
                }
                assert!((2_200..2_600).contains(&causes.len()), "{}", causes.len());
                let mut counted = Tally::default();
                causes.values().for_each(|cause| *counted.0.entry(*cause).or_default() += 1);
                assert_eq!(whole_tally(&world), counted);

                let rows = world.truth_rows(&counted);
                assert_eq!(rows.len(), channels as usize + 1);
                let sum = |column: usize| match &rows.columns[column] {
                    Column::Ints(cells) => cells.iter().sum::<i64>(),
                    other => panic!("{other:?}"),
                };
                assert_eq!(sum(3) + sum(4) / 2, causes.len() as i64);
                assert_eq!(sum(5), sum(3) + sum(4));
                assert_eq!(sum(4) > 0, world.market.pair.is_some());
            }
        }
    }

    #[test]
    fn what_a_channel_brought_follows_a_touch_of_it() {
        for preset in [Preset::B2c, Preset::B2b] {
            let world = World::new(&settings(preset));
            let touches = touches(&world);
            for order in orders(&world) {
                let before = |code: u8| {
                    let own = touches.get(&order.customer).into_iter().flatten();
                    own.filter(|it| it.channel == code && it.time < order.time).map(|it| it.time).max()
                };
                match order.cause.expect("a cause") {
                    Cause::Baseline => {}
                    Cause::Touch(code) => assert!(before(code).is_some(), "{order:?}"),
                    Cause::Pair => {
                        let pair = world.market.pair.expect("a pair");
                        assert!(pair.map(before).iter().all(Option::is_some), "{order:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn channels_bring_as_much_as_their_effect_says_and_some_nothing() {
        let world = World::new(&settings(Preset::B2c));
        let (tally, touches) = (whole_tally(&world), touches(&world));
        let of_channel = |name: &str| {
            let code = code(&world, name);
            let seen = touches.values().flatten().filter(|it| it.channel == code).count();
            (tally.of(Cause::Touch(code)), seen as f64)
        };
        for name in ["direct", "affiliate"] {
            let (brought, seen) = of_channel(name);
            assert!(brought == 0 && seen > 3_000.0, "{name}: {brought} of {seen}");
        }
        // Those of one half-life, so that the ends of the log take as much from one as from the other.
        let rate = |name: &str| {
            let (brought, seen) = of_channel(name);
            brought as f64 / seen
        };
        for (weaker, stronger, ratio) in [("paid_search", "shopping_ads", 1.75), ("display", "social", 6.67)] {
            let found = rate(stronger) / rate(weaker);
            assert!((ratio * 0.85..ratio * 1.15).contains(&found), "{weaker}, {stronger}: {found}");
        }
        let (pair, alone) = (tally.of(Cause::Pair), tally.of(Cause::Touch(code(&world, "paid_search"))));
        assert!((7..14).contains(&(alone / pair)), "{pair} {alone}");
        let baseline = tally.of(Cause::Baseline);
        assert!((3_500..3_800).contains(&baseline), "{baseline}");
    }

    #[test]
    fn no_channel_is_stronger_than_the_strongest() {
        for preset in [Preset::B2c, Preset::B2b] {
            let world = World::new(&settings(preset));
            let effects = world.market.effects.iter().flatten();
            assert_eq!(effects.map(|effect| effect.percent).max(), Some(100));
            let [_, second] = world.market.pair.expect("a pair");
            let alone = world.market.effects[usize::from(second)].expect("an effect");
            assert!(alone.percent + TOGETHER <= 100);
        }
    }

    #[test]
    fn effects_fade_with_the_half_life_of_their_channel() {
        let world = World::new(&settings(Preset::B2c));
        let (orders, touches) = (orders(&world), touches(&world));
        for (name, half_life) in [("paid_search", 6), ("email", 24), ("social", 72)] {
            let code = code(&world, name);
            // Of the later half of the log, so that there was time.
            let late: Vec<_> = orders[orders.len() / 2..].iter().filter(|it| it.cause == Some(Cause::Touch(code))).collect();
            let within = |hours: i64| {
                let soon = |order: &&&Order| {
                    let mut lags = touches[&order.customer].iter().filter(|it| it.channel == code).map(|it| order.time - it.time);
                    lags.any(|lag| (1..=hours * HOUR).contains(&lag))
                };
                late.iter().filter(soon).count() as f64 / late.len() as f64
            };
            for (halves, share) in [(1, 0.293), (2, 0.5), (4, 0.75), (6, 0.875)] {
                let found = within(half_life / 2 * halves);
                assert!((found - share).abs() < 0.07, "{name}: {found} within half a half-life times {halves}");
            }
        }
    }

    #[test]
    fn who_sees_more_buys_more_anyway() {
        let world = World::new(&settings(Preset::B2c));
        let mut seen: Vec<(usize, u64)> = touches(&world).iter().map(|(customer, own)| (own.len(), *customer)).collect();
        seen.sort_unstable();
        let busiest: HashMap<u64, usize> = seen.iter().rev().take(3_000).map(|(count, customer)| (*customer, *count)).collect();
        let anyway: Vec<_> = orders(&world).into_iter().filter(|it| it.cause == Some(Cause::Baseline)).collect();
        let share = anyway.iter().filter(|order| busiest.contains_key(&order.customer)).count() * 100 / anyway.len();
        assert!((18..=25).contains(&share), "a tenth of the customers has {share} %");
        let never = anyway.iter().filter(|order| order.customer >= world.crowd.reached).count() * 100 / anyway.len();
        assert!((2..=4).contains(&never), "{never} %");
    }

    #[test]
    fn a_log_without_touches_before_conversions_has_a_cause_for_each() {
        let few = Settings { touches: 1, customers: 1, conversions: Some(40), days: 2, ..settings(Preset::B2c) };
        let tally = whole_tally(&World::new(&few));
        assert_eq!(tally.0.values().sum::<u64>(), 40);
        assert!(tally.of(Cause::Baseline) >= 16, "{tally:?}");
    }
}
