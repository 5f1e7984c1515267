//! What the two presets are made of: channels, campaigns, countries, devices, and how long things take.

use std::collections::BTreeSet;
use std::sync::Arc;

use attributary_core::value::Value;

use crate::random::{Choice, Random, apportion, scale};
use crate::settings::{Preset, Settings};
use crate::spend::{SEARCH, SOCIAL};

/// A way to reach people.
struct Channel {
    name: &'static str,
    /// How much of the touches it has when an interest is new.
    early: u32,
    /// And when it is about to become a conversion.
    late: u32,
    /// Of 100 touches, how many are clicks.
    clicks: u32,
    /// How readily a session that ends with it converts, at most 100.
    closes: u32,
    /// Whether it runs campaigns.
    campaigns: bool,
    /// The ad platform that it is bought on, if it is.
    ads: Option<Ads>,
    /// What it brings where conversions have known causes; none: it is seen, and nothing comes of it.
    effect: Option<Effect>,
}

/// What a touch of a channel does where conversions have known causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// How likely it brings a conversion, in percent of the strongest channel of the preset.
    pub percent: u64,
    /// After how many hours half of its effect is over.
    pub half_life: u32,
}

/// What a channel of an ad platform brings.
#[derive(Clone, Copy, Debug)]
pub struct Ads {
    /// A place in [`PLATFORMS`](crate::spend::PLATFORMS).
    pub platform: usize,
    /// About what it brings back of 100 spent.
    pub returns: u64,
}

const fn channel(name: &'static str, early: u32, late: u32, clicks: u32, closes: u32, campaigns: bool) -> Channel {
    Channel { name, early, late, clicks, closes, campaigns, ads: None, effect: None }
}

impl Channel {
    const fn ads(self, platform: usize, returns: u64) -> Self {
        Self { ads: Some(Ads { platform, returns }), ..self }
    }

    const fn brings(self, percent: u64, half_life: u32) -> Self {
        Self { effect: Some(Effect { percent, half_life }), ..self }
    }
}

const B2C_CHANNELS: &[Channel] = &[
    channel("paid_search", 14, 20, 85, 80, true).ads(SEARCH, 420).brings(40, 6),
    channel("organic_search", 16, 13, 97, 60, false).brings(25, 24),
    channel("social", 20, 8, 18, 35, true).ads(SOCIAL, 160).brings(100, 72),
    channel("email", 5, 19, 30, 90, true).brings(55, 24),
    channel("direct", 6, 18, 100, 100, false),
    channel("display", 20, 6, 4, 25, true).ads(SEARCH, 60).brings(15, 72),
    channel("affiliate", 4, 7, 70, 80, true),
    channel("shopping_ads", 5, 9, 60, 85, true).ads(SEARCH, 520).brings(70, 6),
    channel("video", 8, 2, 5, 20, true).ads(SOCIAL, 120).brings(80, 168),
    channel("referral", 5, 4, 95, 50, false).brings(60, 72),
    channel("influencer", 6, 2, 25, 30, true).ads(SOCIAL, 130).brings(85, 168),
    channel("push", 1, 5, 35, 75, true).brings(20, 6),
    channel("sms", 1, 3, 40, 80, true).brings(30, 6),
];

const B2B_CHANNELS: &[Channel] = &[
    channel("organic_search", 18, 10, 97, 45, false).brings(30, 168),
    channel("paid_search", 14, 9, 80, 50, true).ads(SEARCH, 350).brings(40, 168),
    channel("linkedin", 20, 8, 12, 30, true).ads(SOCIAL, 200).brings(70, 336),
    channel("email", 8, 18, 30, 55, true).brings(35, 168),
    channel("direct", 6, 14, 100, 70, false),
    channel("webinar", 8, 10, 90, 75, true).brings(100, 336),
    channel("sales_call", 1, 20, 100, 100, false).brings(90, 24),
    channel("event", 6, 7, 95, 85, true).brings(80, 720),
    channel("content_syndication", 12, 3, 25, 20, true).ads(SOCIAL, 130).brings(20, 336),
    channel("referral", 5, 5, 95, 80, false).brings(60, 336),
    channel("display", 10, 3, 3, 15, true).ads(SEARCH, 80),
    channel("partner", 3, 5, 80, 85, true).brings(50, 720),
];

/// Where conversions have known causes, a touch of the second channel after one of the first in the same session is likelier
/// to bring one than by itself.
const B2C_PAIR: [&str; 2] = ["social", "paid_search"];
const B2B_PAIR: [&str; 2] = ["linkedin", "email"];

const B2C_THEMES: &[&str] =
    &["brand", "spring_sale", "new_arrivals", "retargeting", "lookalike", "bundles", "clearance", "loyalty"];
const B2B_THEMES: &[&str] = &["brand", "whitepaper", "demo", "case_study", "pricing", "nurture", "annual_report"];

const COUNTRIES: &[(&str, u32)] =
    &[("SE", 38), ("NO", 14), ("DK", 12), ("FI", 10), ("DE", 10), ("GB", 6), ("NL", 4), ("US", 4), ("PL", 1), ("FR", 1)];
const DEVICES: &[&str] = &["mobile", "desktop", "tablet"];
const B2C_DEVICES: &[u32] = &[62, 31, 7];
const B2B_DEVICES: &[u32] = &[18, 80, 2];

const B2C_HOURS: [u32; 24] = [14, 8, 5, 4, 4, 6, 14, 26, 36, 42, 46, 50, 54, 52, 50, 50, 54, 60, 70, 84, 96, 92, 66, 34];
const B2B_HOURS: [u32; 24] = [3, 2, 2, 2, 3, 6, 18, 50, 84, 96, 98, 88, 60, 82, 92, 88, 72, 46, 24, 16, 14, 12, 8, 5];
/// Monday to Sunday.
const B2C_WEEK: [u32; 7] = [9, 9, 9, 9, 8, 9, 10];
const B2B_WEEK: [u32; 7] = [9, 10, 10, 10, 8, 1, 1];

/// How many touches a session has: each in turn, so that the number of sessions that fill some rows is known beforehand.
const B2C_SESSIONS: &[u8] = &[1, 1, 2, 1, 3, 1, 2, 1, 5, 1, 2, 4, 1, 2, 1, 8];
const B2B_SESSIONS: &[u8] = &[1, 1, 2, 1, 1, 3, 1, 2, 1, 4];

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1_440 * MINUTE;

/// From a session to its conversion: weight, and from how long to how long.
type Lags = [(u32, i64, i64)];
const B2C_LAGS: &Lags =
    &[(50, MINUTE, 40 * MINUTE), (24, 60 * MINUTE, DAY), (16, DAY, 7 * DAY), (8, 7 * DAY, 30 * DAY), (2, 30 * DAY, 60 * DAY)];
const B2B_LAGS: &Lags = &[
    (10, MINUTE, 50 * MINUTE),
    (14, 60 * MINUTE, DAY),
    (30, DAY, 14 * DAY),
    (28, 14 * DAY, 45 * DAY),
    (18, 45 * DAY, 120 * DAY),
];

/// All that a preset and the counts of channels and campaigns decide.
#[derive(Debug)]
pub struct Market {
    /// The names behind the codes of the touch table.
    pub names: Names,
    /// How busy the hours of a day are.
    pub hours: [u32; 24],
    /// How busy the days of a week are, from Monday.
    pub week: [u32; 7],
    /// How many touches sessions have, in turn.
    pub sessions: &'static [u8],
    /// How long an interest lasts, in microseconds.
    pub episode: i64,
    /// The kinds of a first conversion and of one that follows it.
    pub kinds: [&'static str; 2],
    /// Of 100 conversions, how many follow an earlier one.
    pub follow_ups: u64,
    /// After how many days they follow; the least is 2 or more.
    pub follow_up_days: std::ops::Range<i64>,
    /// After how many days half of the buyers who come most often will never come back.
    pub half_life: u64,
    /// What each channel's ads bring, if it has any.
    pub ads: Vec<Option<Ads>>,
    /// What each channel brings where conversions have known causes.
    pub effects: Vec<Option<Effect>>,
    /// The distinct half-lives of these effects.
    pub half_lives: Vec<u32>,
    /// The two channels that bring more together, in this order, if the log has both.
    pub pair: Option<[u8; 2]>,
    reach: Vec<(u32, u32)>,
    early: Choice,
    late: Choice,
    clicks: Vec<u32>,
    closes: Vec<u32>,
    /// Each channel's first campaign and how many it has.
    pub campaigns: Vec<(u32, u32)>,
    themes: &'static [&'static str],
    countries: Choice,
    devices: Choice,
    lag: Choice,
    lags: &'static Lags,
}

/// The distinct texts of the low-cardinality columns; codes are places in these.
#[derive(Debug)]
pub struct Names {
    /// Channels.
    pub channels: Arc<Vec<Value>>,
    /// Campaigns of all channels.
    pub campaigns: Arc<Vec<Value>>,
    /// `view`, `click`.
    pub interactions: Arc<Vec<Value>>,
    /// Countries by ISO 3166.
    pub countries: Arc<Vec<Value>>,
    /// Devices.
    pub devices: Arc<Vec<Value>>,
    /// Kinds of conversions.
    pub kinds: Arc<Vec<Value>>,
    /// Names of events: those of `interactions` (seeing an ad, coming to the site), then `kinds`.
    pub events: Arc<Vec<Value>>,
}

impl Market {
    /// The market of a preset, with as many channels and campaigns as asked for.
    pub fn new(settings: &Settings) -> Self {
        let b2c = settings.preset == Preset::B2c;
        let (known, themes) = if b2c { (B2C_CHANNELS, B2C_THEMES) } else { (B2B_CHANNELS, B2B_THEMES) };
        let further = channel("", 3, 3, 50, 50, true).brings(40, 24);
        let channels: Vec<&Channel> = (0..settings.channels as usize).map(|it| known.get(it).unwrap_or(&further)).collect();
        let names: Vec<String> = channels
            .iter()
            .enumerate()
            .map(|(place, it)| if it.name.is_empty() { format!("channel_{}", place + 1) } else { it.name.to_owned() })
            .collect();
        let (campaigns, campaign_names) = share_campaigns(&channels, &names, themes, settings.campaigns);
        let code = |name: &str| names.iter().position(|it| it == name).map(|code| code as u8);
        let [first, second] = if b2c { B2C_PAIR } else { B2B_PAIR };
        let effects: Vec<Option<Effect>> = channels.iter().map(|it| it.effect).collect();
        let half_lives: BTreeSet<u32> = effects.iter().flatten().map(|effect| effect.half_life).collect();
        let kinds = if b2c { ["purchase", "refund"] } else { ["lead", "deal"] };
        let lags = if b2c { B2C_LAGS } else { B2B_LAGS };
        let follow_ups = match settings.preset {
            // Where conversions have causes, each has one of its own.
            _ if settings.truth => 0,
            Preset::B2c => 5,
            Preset::B2b => 30,
        };
        Self {
            names: Names {
                channels: texts(names.iter().map(String::as_str)),
                campaigns: texts(campaign_names.iter().map(String::as_str)),
                interactions: texts(["view", "click"]),
                countries: texts(COUNTRIES.iter().map(|(name, _)| *name)),
                devices: texts(DEVICES.iter().copied()),
                kinds: texts(kinds),
                events: texts(["ad_view", "page_view"].into_iter().chain(kinds)),
            },
            hours: if b2c { B2C_HOURS } else { B2B_HOURS },
            week: if b2c { B2C_WEEK } else { B2B_WEEK },
            sessions: if b2c { B2C_SESSIONS } else { B2B_SESSIONS },
            episode: if b2c { 14 * DAY } else { 90 * DAY },
            kinds,
            follow_ups,
            follow_up_days: if b2c { 2..28 } else { 10..80 },
            half_life: if b2c { 20 } else { 80 },
            ads: channels.iter().map(|it| it.ads).collect(),
            effects,
            half_lives: half_lives.into_iter().collect(),
            pair: code(first).zip(code(second)).map(|(first, second)| [first, second]),
            reach: channels.iter().map(|it| (it.early, it.late)).collect(),
            early: Choice::new(&channels.iter().map(|it| it.early).collect::<Vec<_>>()),
            late: Choice::new(&channels.iter().map(|it| it.late).collect::<Vec<_>>()),
            clicks: channels.iter().map(|it| it.clicks).collect(),
            closes: channels.iter().map(|it| it.closes).collect(),
            campaigns,
            themes,
            countries: Choice::new(&COUNTRIES.iter().map(|(_, weight)| *weight).collect::<Vec<_>>()),
            devices: Choice::new(if b2c { B2C_DEVICES } else { B2B_DEVICES }),
            lag: Choice::new(&lags.iter().map(|(weight, ..)| *weight).collect::<Vec<_>>()),
            lags,
        }
    }

    /// A channel for a touch of someone whose interest is `stage` (a fraction of 2⁶⁴) of its way.
    pub fn channel(&self, random: &mut Random, stage: u64) -> u8 {
        let choice = if random.draw() < stage { &self.late } else { &self.early };
        choice.pick(random.draw()) as u8
    }

    /// A campaign of the channel, the first ones far more often; none where it runs none.
    pub fn campaign(&self, random: &mut Random, channel: u8) -> Option<u32> {
        let (first, count) = self.campaigns[usize::from(channel)];
        let draw = random.draw();
        // The cube of an even draw: the k-th campaign comes about k^(-2/3) as often as the first.
        (count > 0).then(|| first + scale(scale(scale(draw, draw), draw), count.into()) as u32)
    }

    /// The code of a view or click.
    pub fn interaction(&self, random: &mut Random, channel: u8) -> u8 {
        u8::from(random.below(100) < self.clicks[usize::from(channel)].into())
    }

    /// How readily a session that ends with this channel converts, of 100.
    pub fn closes(&self, channel: u8) -> u64 {
        self.closes[usize::from(channel)].into()
    }

    /// A country.
    pub fn country(&self, random: &mut Random) -> u8 {
        self.countries.pick(random.draw()) as u8
    }

    /// A device.
    pub fn device(&self, random: &mut Random) -> u8 {
        self.devices.pick(random.draw()) as u8
    }

    /// How long after a session a conversion follows, in microseconds.
    pub fn lag(&self, random: &mut Random) -> i64 {
        let (_, low, high) = self.lags[self.lag.pick(random.draw())];
        random.between(low, high)
    }

    /// What of 100 touches are clicks.
    pub fn clicks(&self, channel: u8) -> u64 {
        self.clicks[usize::from(channel)].into()
    }

    /// About how many of 2²⁰ touches, and of 2²⁰ in revenue by the last touch, are a channel's.
    pub fn part(&self, channel: u8) -> [u64; 2] {
        let touches = |place: usize| u64::from(self.reach[place].0 + self.reach[place].1);
        // Who is about to buy is reached late on the way.
        let closing = |place: usize| u64::from(self.reach[place].0 + 2 * self.reach[place].1) * u64::from(self.closes[place]);
        let all = |one: &dyn Fn(usize) -> u64| (0..self.reach.len()).map(one).sum::<u64>().max(1);
        let place = usize::from(channel);
        [(touches(place) << 20) / all(&touches), (closing(place) << 20) / all(&closing)]
    }

    /// What a campaign is about, by its place among the channel's.
    pub fn theme(&self, place: u32) -> &'static str {
        self.themes[place as usize % self.themes.len()]
    }

    /// The value of a first conversion or of one of its follow-ups, in minor units, where prices are `level` millionths of
    /// the usual ones.
    pub fn revenue(&self, random: &mut Random, follow_up: bool, level: u64) -> i64 {
        let (low, spread, tail) = self.prices(follow_up);
        let draw = random.draw();
        let (square, even) = (scale(draw, draw), random.draw());
        let whole = low + scale(even, spread) + scale(scale(scale(square, square), square), tail);
        let whole = (whole * level / 1_000_000).max(1);
        // Prices end in .00, .90, .95 or .50; a basket of several things in anything.
        let cents = [100, 90, 95, 50][random.below(4) as usize];
        let basket = if random.below(4) == 0 { random.below(100) } else { 0 };
        ((whole - 1) * 100 + cents + basket) as i64
    }

    /// What all conversions bring, about, in minor units of SEK.
    pub fn turnover(&self, conversions: u64) -> u64 {
        let mean = |(low, spread, tail): (u64, u64, u64)| (low + spread / 2 + tail / 7) * 100;
        let later = conversions * self.follow_ups / 100;
        // What refunds take back is not worth a term.
        let later_mean = if self.kinds[1] == "refund" { 0 } else { mean(self.prices(true)) };
        (conversions - later) * mean(self.prices(false)) + later * later_mean
    }

    /// The lowest price, how far prices reach evenly, and how far a few of them reach.
    fn prices(&self, follow_up: bool) -> (u64, u64, u64) {
        match (self.kinds[0], follow_up) {
            ("purchase", _) => (79, 900, 14_000),
            (_, false) => (50, 400, 1_500),
            (_, true) => (8_000, 60_000, 900_000),
        }
    }
}

/// Shares campaigns out over the channels that run some, by their reach; each channel's first campaign and their number.
fn share_campaigns(channels: &[&Channel], names: &[String], themes: &[&str], count: u32) -> (Vec<(u32, u32)>, Vec<String>) {
    let reach = channels.iter().map(|it| if it.campaigns { f64::from(it.early + it.late) } else { 0.0 });
    let reach: Vec<f64> = reach.collect();
    let any = reach.iter().any(|reach| *reach > 0.0);
    let counts = if any { apportion(count.into(), reach) } else { vec![0; channels.len()] };
    let (mut shares, mut all) = (Vec::new(), Vec::new());
    for (name, count) in names.iter().zip(counts) {
        shares.push((all.len() as u32, count as u32));
        all.extend((0..count as usize).map(|it| format!("{name}_{}_{:02}", themes[it % themes.len()], it / themes.len() + 1)));
    }
    (shares, all)
}

fn texts<'a>(names: impl IntoIterator<Item = &'a str>) -> Arc<Vec<Value>> {
    Arc::new(names.into_iter().map(Value::text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_and_campaigns_are_as_many_as_asked_for_and_distinct() {
        for preset in [Preset::B2c, Preset::B2b] {
            for (channels, campaigns) in [(1, 0), (2, 1), (10, 60), (40, 24_000)] {
                let market = Market::new(&Settings { preset, channels, campaigns, ..Settings::default() });
                for (names, count) in [(&market.names.channels, channels), (&market.names.campaigns, campaigns)] {
                    let mut distinct = names.to_vec();
                    distinct.sort();
                    distinct.dedup();
                    // A single channel may be one that runs no campaigns.
                    assert!(distinct.len() == names.len() && (names.len() == count as usize || names.is_empty()));
                }
            }
        }
    }

    #[test]
    fn further_down_the_way_other_channels_reach_people() {
        let market = Market::new(&Settings::default());
        let email = market.names.channels.iter().position(|it| it.as_text() == Some("email")).expect("email") as u8;
        let share = |stage| {
            let mut random = Random::new(1, crate::random::Stream::Session, 0, 0);
            (0..10_000).filter(|_| market.channel(&mut random, stage) == email).count()
        };
        assert!(share(u64::MAX) > 2 * share(0));
    }
}
