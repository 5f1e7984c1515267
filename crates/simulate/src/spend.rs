//! What ads cost, as each ad platform reports it: by day and campaign, in columns, days and a currency of its own.
//!
//! Cost follows the touches that the platform's ads had on each day, at a price that makes a channel bring back about what
//! [`Ads::returns`](crate::market::Ads) says. As in real reports there is more: campaigns that cost something on a day
//! without touches, one whose ads leave no touches at all, cost of no campaign, and credit notes.

use std::collections::BTreeMap;
use std::sync::Arc;

use attributary_core::table::{Column, Field, NULL_CODE, Rows};
use attributary_core::time::{Day, Zone, day_text};
use attributary_core::value::{ColumnType, Value};

use crate::currency::Currency;
use crate::random::{Random, Share, Stream};
use crate::settings::Settings;
use crate::visits::{Touch, World};

/// The folder of the platforms' files.
pub const FOLDER: &str = "spend";
/// Places in [`PLATFORMS`].
pub const SEARCH: usize = 0;
pub const SOCIAL: usize = 1;

/// What sells ads.
pub struct Platform {
    /// The name of its file.
    name: &'static str,
    /// Whose days it reports.
    zone: &'static str,
    /// What it calls the day, channel, campaign, cost, currency, clicks, impressions and goal.
    columns: [&'static str; 8],
    /// Whether cost is a decimal number, not a float.
    decimal: bool,
    /// How often its ads are shown for each click.
    shown: u64,
    /// A campaign that leaves no touches.
    untracked: &'static str,
}

/// Every platform there is.
pub const PLATFORMS: &[Platform] = &[
    Platform {
        name: "search",
        zone: "Europe/Stockholm",
        columns: ["day", "channel", "campaign", "cost", "currency", "clicks", "impressions", "goal"],
        decimal: true,
        shown: 16,
        untracked: "competitors_01",
    },
    Platform {
        name: "social",
        zone: "America/Los_Angeles",
        columns: ["date_start", "channel", "campaign_name", "amount_spent", "currency", "link_clicks", "impressions", "goal"],
        decimal: false,
        shown: 70,
        untracked: "stories_01",
    },
];

/// What a campaign is for, and what it costs, of 100 that are usual: sales are cheaper than to be known, or to try things.
const GOALS: [(&str, u64); 3] = [("sales", 80), ("brand", 120), ("test", 100)];
const BRAND: usize = 1;
const TEST: usize = 2;
/// How often a campaign costs something on a day without touches.
const QUIET: Share = Share::percent(30);
/// So many of a channel's campaigns are looked at for that; others are seldom seen anyway.
const QUIET_CAMPAIGNS: u32 = 200;
/// On how many days a channel has cost of no campaign.
const UNNAMED: Share = Share::percent(2);
/// A click is worth so many views.
const CLICK: u64 = 10;
/// For each view in the log, the ad was shown so many times, mostly to people the shop never hears of.
const SHOWN_TO_OTHERS: u64 = 120;
/// What is left to be cut off of prices, in millionths of a minor unit of SEK.
const MILLIONTHS: u128 = 1_000_000;

/// The currency that each platform charges in: the first the shop's own, the other a foreign one.
pub fn currencies(settings: &Settings) -> [Currency; 2] {
    let home = settings.home();
    let usual = if home == Currency::Eur { Currency::Usd } else { Currency::Eur };
    [home, settings.currencies.get(1).copied().unwrap_or(usual)]
}

/// The shop's account with a platform: what its ads brought since the last bill.
pub struct Account<'a> {
    world: &'a World,
    platform: &'static Platform,
    currency: Currency,
    zone: Zone,
    channels: Vec<Channel>,
    /// The next day to bill.
    next: Day,
    /// By day, channel and campaign ([`NULL_CODE`] where there is none).
    touches: BTreeMap<(Day, u8, u32), Counts>,
    campaigns: Arc<Vec<Value>>,
}

/// A channel on the platform.
struct Channel {
    code: u8,
    /// Of a unit: a view, or a tenth of a click.
    price: u128,
    /// Units a day.
    daily: u64,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    clicks: u64,
    views: u64,
}

/// A line of a bill; cost in minor units of the platform's currency.
struct Line {
    day: Day,
    channel: u8,
    campaign: u32,
    cost: i64,
    clicks: u64,
    impressions: u64,
    goal: usize,
}

impl<'a> Account<'a> {
    /// The accounts with every platform that has one of the log's channels.
    pub fn all(world: &'a World) -> Vec<Self> {
        let accounts = PLATFORMS.iter().zip(currencies(&world.settings)).enumerate();
        let accounts = accounts.map(|(place, (platform, currency))| Self::new(world, place, platform, currency));
        accounts.filter(|account| !account.channels.is_empty()).collect()
    }

    fn new(world: &'a World, place: usize, platform: &'static Platform, currency: Currency) -> Self {
        let ads = world.market.ads.iter().enumerate().filter_map(|(code, ads)| Some((code as u8, (*ads)?)));
        let channels = ads.filter(|(_, ads)| ads.platform == place);
        let channels: Vec<Channel> = channels.map(|(code, ads)| Channel::new(world, code, ads.returns)).collect();
        let zone = Zone::named(platform.zone).expect("a zone that the program brings along");
        let next = zone.day(world.calendar.slices[0].time.start);
        let first = channels.first().map(|channel| world.market.names.channels[usize::from(channel.code)].clone());
        let untracked = first.map(|name| format!("{}_{}", name.as_text().unwrap_or_default(), platform.untracked));
        let campaigns = world.market.names.campaigns.iter().cloned().chain(untracked.map(|name| Value::text(&name)));
        let campaigns = Arc::new(campaigns.collect());
        Self { world, platform, currency, zone, channels, next, touches: BTreeMap::new(), campaigns }
    }

    /// The name of the platform's file.
    pub fn name(&self) -> &'static str {
        self.platform.name
    }

    /// The columns of its file.
    pub fn fields(&self) -> Vec<Field> {
        let (text, count) = (ColumnType::Text, ColumnType::Int { bits: 64, signed: true });
        let exact = ColumnType::Decimal { precision: 18, scale: 2 };
        let cost = if self.platform.decimal { exact } else { ColumnType::Float { bits: 64 } };
        let kinds = [ColumnType::Date, text.clone(), text.clone(), cost, text.clone(), count.clone(), count, text];
        self.platform.columns.into_iter().zip(kinds).map(|(name, kind)| Field::new(name, kind)).collect()
    }

    /// Counts a touch, if it is of one of the platform's channels.
    pub fn count(&mut self, touch: &Touch) {
        if self.channels.iter().any(|channel| channel.code == touch.channel) {
            let key = (self.zone.day(touch.time), touch.channel, touch.campaign.unwrap_or(NULL_CODE));
            let counts = self.touches.entry(key).or_default();
            *(if touch.interaction == 0 { &mut counts.views } else { &mut counts.clicks }) += 1;
        }
    }

    /// The rows of the days that are over at an instant, all touches before it being counted.
    pub fn bill(&mut self, until: i64) -> Rows {
        let slices = &self.world.calendar.slices;
        let last = slices.last().map_or(self.next, |slice| self.zone.day(slice.time.end - 1));
        let mut lines = Vec::new();
        while self.next <= last && self.zone.start_of(self.next + 1) <= until {
            let later = self.touches.split_off(&(self.next + 1, 0, 0));
            let touches = std::mem::replace(&mut self.touches, later);
            for (place, channel) in self.channels.iter().enumerate() {
                self.bill_channel(place == 0, channel, &touches, &mut lines);
            }
            self.next += 1;
        }
        self.rows(&lines)
    }

    /// A day of a channel.
    fn bill_channel(&self, is_first: bool, channel: &Channel, touches: &BTreeMap<(Day, u8, u32), Counts>, lines: &mut Vec<Line>) {
        let (day, code) = (self.next, channel.code);
        let (first, count) = self.world.market.campaigns[usize::from(code)];
        let mut counts: BTreeMap<u32, Counts> =
            touches.range((day, code, 0)..=(day, code, NULL_CODE)).map(|((.., campaign), counts)| (*campaign, *counts)).collect();
        (first..first + count.min(QUIET_CAMPAIGNS)).for_each(|campaign| _ = counts.entry(campaign).or_default());
        for (campaign, counts) in counts {
            let mut random = self.random(code, campaign, day);
            let theme = if campaign == NULL_CODE { "" } else { self.world.market.theme(campaign - first) };
            let goal = goal_of(theme);
            let quiet = counts.clicks + counts.views == 0;
            if quiet && !random.chance(QUIET) {
                continue;
            }
            let Counts { clicks, views } = counts;
            let units =
                if quiet { 1 + random.below(channel.daily / u64::from(count.max(1)) + 1) } else { clicks * CLICK + views };
            // A campaign is dearer or cheaper than others for good, and every day by some chance.
            let habit = self.random(code, campaign, -1).between(75, 126) as u64;
            let percent = u128::from(habit * random.between(80, 121) as u64 * GOALS[goal].1);
            let cost = self.in_currency(channel.price * u128::from(units) * percent / 1_000_000);
            // Some clicks never arrive at the site.
            let clicks = clicks + random.below(clicks / 5 + 2) * u64::from(clicks > 0);
            let impressions =
                clicks * self.platform.shown + views * SHOWN_TO_OTHERS + random.below(self.platform.shown * 2) + units;
            lines.push(Line { day, channel: code, campaign, cost, clicks, impressions, goal });
        }
        self.bill_the_rest(is_first, channel, lines);
    }

    /// What a channel costs beside its campaigns' touches.
    fn bill_the_rest(&self, is_first: bool, channel: &Channel, lines: &mut Vec<Line>) {
        let (day, code) = (self.next, channel.code);
        let mut random = self.random(code, NULL_CODE - 1, day);
        let daily = channel.price * u128::from(channel.daily);
        let line = |campaign, cost, goal| Line { day, channel: code, campaign, cost, clicks: 0, impressions: 0, goal };
        if random.chance(UNNAMED) {
            lines.push(line(NULL_CODE, self.in_currency(daily * u128::from(random.below(15) + 5) / 100), 0));
        }
        // For clicks that were none, once a month.
        if is_first && day_text(day).ends_with("-03") {
            lines.push(line(NULL_CODE, -self.in_currency(daily * u128::from(random.below(60) + 40) / 100), 0));
        }
        // Three weeks of nine.
        if is_first && (day - self.world.settings.start).div_euclid(21).rem_euclid(3) == 0 {
            let untracked = self.campaigns.len() as u32 - 1;
            let percent = random.below(6) + 3;
            let clicks = channel.daily * percent / (100 * CLICK) + random.below(3);
            let impressions = (clicks + 1) * self.platform.shown + random.below(self.platform.shown);
            let cost = self.in_currency(daily * u128::from(percent) / 100);
            lines.push(Line { clicks, impressions, ..line(untracked, cost, TEST) });
        }
    }

    fn random(&self, channel: u8, campaign: u32, day: Day) -> Random {
        let place = u64::from(channel) << 32 | u64::from(campaign);
        Random::new(self.world.settings.seed, Stream::Spend, place, day as u64)
    }

    /// Millionths of a minor unit of SEK in minor units of the platform's currency.
    fn in_currency(&self, millionths: u128) -> i64 {
        let one = MILLIONTHS * u128::from(self.currency.worth());
        ((millionths * u128::from(Currency::Sek.worth()) + one / 2) / one) as i64
    }

    fn rows(&self, lines: &[Line]) -> Rows {
        let codes = |code: fn(&Line) -> u32, dictionary: &Arc<Vec<Value>>| Column::Codes {
            codes: lines.iter().map(code).collect(),
            dictionary: dictionary.clone(),
        };
        let ints = |int: fn(&Line) -> i64| Column::Ints(lines.iter().map(int).collect());
        let cost = if self.platform.decimal {
            Column::Wide(lines.iter().map(|line| line.cost.into()).collect())
        } else {
            Column::Floats(lines.iter().map(|line| Some(line.cost as f64 / 100.0)).collect())
        };
        let goals = Arc::new(GOALS.iter().map(|(name, _)| Value::text(name)).collect());
        let columns = vec![
            ints(|line| line.day.into()),
            codes(|line| line.channel.into(), &self.world.market.names.channels),
            codes(|line| line.campaign, &self.campaigns),
            cost,
            Column::constant(Value::text(self.currency.code()), lines.len()),
            ints(|line| line.clicks as i64),
            ints(|line| line.impressions as i64),
            codes(|line| line.goal as u32, &goals),
        ];
        Rows { columns }
    }
}

impl Channel {
    fn new(world: &World, code: u8, returns: u64) -> Self {
        let Settings { touches, days, .. } = world.settings;
        let [of_touches, of_revenue] = world.market.part(code);
        let clicks = world.market.clicks(code);
        // By the hundred, as the share of clicks is.
        let units = (u128::from(touches) * u128::from(of_touches) * u128::from(clicks * CLICK + 100 - clicks)) >> 20;
        let turnover = world.market.turnover(world.settings.conversion_rows());
        let cost = ((u128::from(turnover) * u128::from(of_revenue)) >> 20) * 100 / u128::from(returns);
        let daily = (units / 100 / u128::from(days)).max(1) as u64;
        Self { code, price: cost * MILLIONTHS * 100 / units.max(1), daily }
    }
}

/// What a campaign of a theme is for.
fn goal_of(theme: &str) -> usize {
    match theme {
        "brand" => BRAND,
        "lookalike" | "annual_report" => TEST,
        _ => 0,
    }
}
