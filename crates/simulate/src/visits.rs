//! Customers and their sessions. A session is a function of (seed, slice, number), so whoever needs one — the touch table,
//! or a conversion that follows it weeks later — makes it anew.

use crate::calendar::{Calendar, Slice, TICK};
use crate::loyalty::Loyalty;
use crate::market::Market;
use crate::random::{Random, Share, Stream, mix, scale};
use crate::settings::Settings;

/// Of a customer's stretches of interest, how many there really are; in the others nothing is heard of them.
const ABOUT: Share = Share::percent(45);
/// How often the next touch of a session is of the same channel and campaign.
const SAME_CHANNEL: Share = Share::percent(60);
const USUAL_DEVICE: Share = Share::percent(85);

/// Everything the log is a function of.
#[derive(Debug)]
pub struct World {
    /// What was asked for.
    pub settings: Settings,
    /// Channels, campaigns and habits.
    pub market: Market,
    /// Files and slices.
    pub calendar: Calendar,
    /// Who there is.
    pub crowd: Crowd,
    /// How many come back.
    pub loyalty: Loyalty,
}

/// The customers, by number from 0.
#[derive(Debug)]
pub struct Crowd {
    /// All of them; those from `reached` on never leave a touch.
    pub all: u64,
    /// Those with touches.
    pub reached: u64,
    /// How flat the distribution is at its head, as a fraction of 2³².
    flat: u64,
    /// Spreads the busy ones over all numbers.
    stride: u64,
}

/// One visit: some touches of one customer, minutes apart.
#[derive(Debug)]
pub struct Session {
    customer: u64,
    start: i64,
    /// How far the customer's interest is on its way to a conversion, as a fraction of 2⁶⁴.
    stage: u64,
    touches: u8,
    country: u8,
    device: u8,
    came_back: bool,
    random: Random,
}

/// One touch; small numbers are codes of [`crate::market::Names`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Touch {
    /// Microseconds UTC.
    pub time: i64,
    /// The customer's number.
    pub customer: u64,
    /// Campaign.
    pub campaign: Option<u32>,
    /// Channel.
    pub channel: u8,
    /// View or click.
    pub interaction: u8,
    /// Country.
    pub country: u8,
    /// Device.
    pub device: u8,
}

impl World {
    /// The world of these settings.
    pub fn new(settings: &Settings) -> Self {
        let market = Market::new(settings);
        let calendar = Calendar::new(settings, &market);
        let loyalty = Loyalty::new(settings, &market, &calendar);
        Self { calendar, market, crowd: Crowd::new(settings.customers), loyalty, settings: settings.clone() }
    }

    /// How many sessions fill the touch rows of a slice; the last may have more touches than there are rows left.
    pub fn sessions(&self, slice: &Slice) -> u64 {
        let sizes = self.market.sessions;
        let round: u64 = sizes.iter().map(|size| u64::from(*size)).sum();
        let rows = slice.touch_count();
        let (mut sessions, mut left) = (rows / round * sizes.len() as u64, rows % round);
        for size in sizes {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(u64::from(*size));
            sessions += 1;
        }
        sessions
    }

    /// Session `number` of slice `place`.
    pub fn session(&self, place: usize, number: u64) -> Session {
        let mut random = Random::new(self.settings.seed, Stream::Session, place as u64, number);
        let start = self.calendar.slices[place].draw(&mut random);
        let visitor = self.visitor(place, number);
        let (customer, stage) = match visitor {
            // Who knows the shop is far on the way.
            Some(customer) => (customer, u64::MAX / 2 + random.draw() / 2),
            None => self.someone(&mut random, start),
        };
        let mut traits = Random::new(self.settings.seed, Stream::Customer, customer, 0);
        let (country, usual) = (self.market.country(&mut traits), self.market.device(&mut traits));
        let device = if random.chance(USUAL_DEVICE) { usual } else { self.market.device(&mut random) };
        let touches = self.market.sessions[(number % self.market.sessions.len() as u64) as usize];
        Session { customer, start, stage, touches, country, device, came_back: visitor.is_some(), random }
    }

    /// The touch of a number, which counts through the sessions of all slices, and before it the touches of its session that
    /// precede it. Numbers are those of the rows of the log, though rows are in another order. Empty where there is none.
    pub fn touches_up_to(&self, number: u64) -> Vec<Touch> {
        let place = self.calendar.slices.partition_point(|slice| slice.touches.end <= number);
        let Some(slice) = self.calendar.slices.get(place) else { return Vec::new() };
        let sizes = self.market.sessions;
        let round: u64 = sizes.iter().map(|size| u64::from(*size)).sum();
        let row = number - slice.touches.start;
        let (mut session, mut left) = (row / round * sizes.len() as u64, row % round);
        for size in sizes {
            if left < u64::from(*size) {
                break;
            }
            left -= u64::from(*size);
            session += 1;
        }
        self.session(place, session).touches(&self.market, slice).take(left as usize + 1).collect()
    }

    /// A customer who is interested at an instant, and how far that is on its way.
    fn someone(&self, random: &mut Random, instant: i64) -> (u64, u64) {
        let mut customer = self.crowd.draw(random);
        let mut interest = self.interest(customer, instant);
        for _ in 0..8 {
            if interest.is_some() {
                break;
            }
            customer = self.crowd.draw(random);
            interest = self.interest(customer, instant);
        }
        (customer, interest.unwrap_or_else(|| random.draw()))
    }

    /// How far a customer's interest is at an instant, as a fraction of 2⁶⁴; none while there is no interest.
    fn interest(&self, customer: u64, instant: i64) -> Option<u64> {
        let episode = self.market.episode as u64;
        let phase = scale(mix(customer ^ self.settings.seed), episode);
        let time = (instant as u64).wrapping_add(phase);
        let mut random = Random::new(self.settings.seed, Stream::Episode, customer, time / episode);
        random.chance(ABOUT).then(|| u64::MAX / episode * (time % episode))
    }
}

impl Crowd {
    fn new(all: u64) -> Self {
        let reached = all - all / 50;
        // The busiest have at most some 500 times the mean, and at most about one touch in 200.
        let flat = ((200 << 32) / reached).clamp((1 << 32) / 500, 1 << 32);
        // Near the golden section, and without a common divisor, so that it visits every number.
        let near = ((u128::from(reached) * 618_033_989) / 1_000_000_000) as u64;
        let stride = (near.max(1)..).find(|stride| common_divisor(*stride, reached) == 1).unwrap_or(1);
        Self { all, reached, flat, stride }
    }

    /// A customer, the busy ones more often: up to the flat head the k-th busiest about k^(-1/2) as often as the first.
    pub fn draw(&self, random: &mut Random) -> u64 {
        let even = random.draw();
        let (even, square) = (u128::from(even), u128::from(scale(even, even)));
        let flat = u128::from(self.flat);
        let rank = scale(((flat * even + ((1 << 32) - flat) * square) >> 32) as u64, self.reached);
        (u128::from(rank) * u128::from(self.stride) % u128::from(self.reached)) as u64
    }
}

impl Session {
    /// The touches, oldest first.
    pub fn touches<'a>(mut self, market: &'a Market, slice: &'a Slice) -> impl Iterator<Item = Touch> + 'a {
        let (mut time, mut channel, mut campaign) = (self.start, 0, None);
        (0..self.touches).map(move |place| {
            if place > 0 {
                let draw = self.random.draw();
                // From 4 seconds to a quarter of an hour, mostly short.
                time += (4_000 + scale(scale(draw, draw), 900_000) as i64) * TICK;
            }
            if place == 0 || !self.random.chance(SAME_CHANNEL) {
                channel = market.channel(&mut self.random, self.stage);
                campaign = market.campaign(&mut self.random, channel);
            }
            let interaction = market.interaction(&mut self.random, channel);
            let (customer, country, device) = (self.customer, self.country, self.device);
            Touch { time: slice.clamp(time), customer, campaign, channel, interaction, country, device }
        })
    }

    /// How far the customer's interest is on its way to a conversion, as a fraction of 2⁶⁴.
    pub fn stage(&self) -> u64 {
        self.stage
    }

    /// Whether it is of a customer who has bought and comes back.
    pub fn came_back(&self) -> bool {
        self.came_back
    }
}

fn common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { common_divisor(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Preset;
    use std::collections::HashMap;

    #[test]
    fn the_crowd_is_uneven_but_nobody_dominates() {
        for (all, draws, busiest) in [(30, 10_000, 0.06), (3_000, 100_000, 0.008), (1_000_000, 1_000_000, 0.002)] {
            let crowd = Crowd::new(all);
            let mut random = Random::new(3, Stream::Session, 0, 0);
            let mut counts: HashMap<u64, u32> = HashMap::new();
            (0..draws).for_each(|_| *counts.entry(crowd.draw(&mut random)).or_default() += 1);
            assert!(counts.keys().all(|customer| *customer < crowd.reached));
            let most = f64::from(counts.values().copied().max().expect("some")) / f64::from(draws);
            assert!(most < busiest, "{all}: {most}");
            if all > 1_000 {
                let mean = 1.0 / all as f64;
                assert!(most > 4.0 * mean, "{all}: {most}");
            }
        }
    }

    #[test]
    fn sessions_fill_the_rows_of_their_slice() {
        for touches in [1, 5, 36, 37, 100_000] {
            let world = World::new(&Settings { touches, days: 1, ..Settings::default() });
            let slice = &world.calendar.slices[0];
            let touches_of = |number| world.session(0, number).touches(&world.market, slice).count() as u64;
            let sessions = world.sessions(slice);
            let rows: u64 = (0..sessions).map(touches_of).sum();
            let wanted = slice.touches.end - slice.touches.start;
            assert!(rows >= wanted && rows - touches_of(sessions - 1) < wanted, "{wanted}: {sessions} {rows}");
        }
    }

    #[test]
    fn every_touch_has_a_number() {
        let settings = Settings { touches: 2_001, days: 3, files: Some(5), ..Settings::default() };
        for preset in [Preset::B2c, Preset::B2b] {
            let world = World::new(&Settings { preset, ..settings.clone() });
            let all: Vec<Touch> = (0..world.calendar.slices.len()).flat_map(|place| world.touches(place)).collect();
            for (number, touch) in all.iter().enumerate() {
                let touches = world.touches_up_to(number as u64);
                assert_eq!(touches.last(), Some(touch));
                assert_eq!(touches, all[number + 1 - touches.len()..=number]);
                assert!(touches.iter().all(|it| it.customer == touch.customer));
            }
            assert_eq!(world.touches_up_to(2_001), []);
        }
    }

    #[test]
    fn sessions_are_made_again_alike_and_stay_in_their_slice() {
        let world = World::new(&Settings::default());
        let touches = |number| world.session(9, number).touches(&world.market, &world.calendar.slices[9]).collect::<Vec<_>>();
        for number in 0..1_000 {
            let once = touches(number);
            assert_eq!(once, touches(number));
            assert!(once.iter().all(|touch| world.calendar.slices[9].time.contains(&touch.time)));
        }
    }
}
