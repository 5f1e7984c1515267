//! What to simulate. [`SETTINGS`] is the list that command lines and help are made of.

use std::fmt;

use attributary_core::time::{Day, day_text, parse_day};

use crate::SimulateError;
use crate::currency::Currency;

/// A setting as people see it.
#[derive(Clone, Copy, Debug)]
pub struct SettingSpec {
    /// Its name in [`Settings::set`].
    pub name: &'static str,
    /// What it is when not set; [`Settings::set`] takes it too.
    pub default: &'static str,
    /// One line that says what it does.
    pub help: &'static str,
}

const CURRENCIES: &str = "currencies such as SEK,EUR, each once, of SEK, EUR, USD, NOK, DKK and GBP";

/// Every setting there is.
pub const SETTINGS: &[SettingSpec] = &[
    spec("preset", "b2c", "what is sold, and how: b2c (a shop: purchases, refunds) or b2b (months of leads, then deals)"),
    spec("customers", "50000", "customers, of whom 2 in 100 never leave a touch"),
    spec("touches", "1000000", "touch rows in all, repeats included"),
    spec("conversions", "auto", "conversion rows in all, repeats included; auto: 3 for each 100 touches (b2b: 1)"),
    spec("seed", "1", "another seed makes another log; the same seed and settings always make the same bytes"),
    spec("start", "2026-01-01", "the first day"),
    spec("days", "60", "how many days the log covers, at most 3660"),
    spec("files", "auto", "time-ordered files of each table; auto: one a day up to 400 days, else 400"),
    spec("layout", "tables", "tables (touchpoints/ and conversions/) or events (one log of both: events/)"),
    spec("channels", "10", "channels, at most 200"),
    spec("campaigns", "60", "campaigns in all, shared out over the channels that run campaigns"),
    spec("keys", "text", "ids of customers, events and orders: text (c-000123), hex16 (16 hex digits) or integer"),
    spec("duplicates", "0.001", "share of rows that repeat another row's id, 0 to 0.5"),
    spec("nulls", "0.005", "share of nulls in each column but ids, times and amounts, 0 to 0.5"),
    spec("repeat", "0", "share of purchases by customers who come back, a year into the log, 0 to 0.6; 0: come back by chance"),
    spec(
        "currencies",
        "SEK",
        "what customers pay in, home first (SEK,EUR: a column currency, rates.csv), of SEK EUR USD NOK DKK GBP",
    ),
    spec("refund-of", "false", "true: refunds name their order, in a column refund_of (b2c)"),
    spec("spend", "false", "true: what ads cost, one file for each ad platform (spend/), and rates.csv"),
    spec("truth", "false", "true: conversions have known causes, and truth.parquet says how many each channel brought"),
    spec("threads", "auto", "files written at a time, no matter for their bytes; auto: one a core"),
];

const fn spec(name: &'static str, default: &'static str, help: &'static str) -> SettingSpec {
    SettingSpec { name, default, help }
}

/// What to simulate.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What is sold, and how.
    pub preset: Preset,
    /// How many customers there are to choose from; few touches do not reach all of them.
    pub customers: u64,
    /// Touch rows in all, repeats included.
    pub touches: u64,
    /// Conversion rows in all, repeats included; none is a believable share of the touches.
    pub conversions: Option<u64>,
    /// Another seed makes another log.
    pub seed: u64,
    /// The first day, UTC.
    pub start: Day,
    /// How many days the log covers.
    pub days: u32,
    /// Time-ordered files of each table; none is one a day up to 400 days, else 400.
    pub files: Option<u32>,
    /// Which tables the log is written as.
    pub layout: Layout,
    /// Channels.
    pub channels: u32,
    /// Campaigns in all, over the channels that run campaigns.
    pub campaigns: u32,
    /// The form of ids.
    pub keys: KeyKind,
    /// Share of rows that repeat another row's id, 0 to 0.5.
    pub duplicates: f64,
    /// Share of nulls in each column but ids, times and amounts, 0 to 0.5.
    pub nulls: f64,
    /// Share of purchases by customers who come back, a year into the log, 0 to 0.6; the younger the log, the fewer. At 0
    /// nobody comes back but by chance.
    pub repeat: f64,
    /// What customers pay in, the shop's own currency first. Where there are several, conversions say theirs.
    pub currencies: Vec<Currency>,
    /// Whether refunds name the order that they take back.
    pub refund_of: bool,
    /// Whether there are files of what ads cost.
    pub spend: bool,
    /// Whether conversions have known causes, and a file says how many each channel brought.
    pub truth: bool,
    /// Files written at a time; none is one a core. Does not change a byte.
    pub threads: Option<u32>,
}

/// What is sold, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// A shop: short journeys, purchases and refunds.
    B2c,
    /// Business to business: journeys of months, leads and then deals.
    B2b,
}

/// Which tables a log is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `touchpoints` and `conversions`.
    Tables,
    /// `events`: both kinds of rows in order of time, told apart by `event_name`.
    Events,
}

/// The form of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// `c-000123`
    Text,
    /// `9f86d081884c7d65`
    Hex16,
    /// `123`, an integer of 64 bits
    Integer,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            preset: Preset::B2c,
            customers: 50_000,
            touches: 1_000_000,
            conversions: None,
            seed: 1,
            start: 20_454,
            days: 60,
            files: None,
            layout: Layout::Tables,
            channels: 10,
            campaigns: 60,
            keys: KeyKind::Text,
            duplicates: 0.001,
            nulls: 0.005,
            repeat: 0.0,
            currencies: vec![Currency::Sek],
            refund_of: false,
            spend: false,
            truth: false,
            threads: None,
        }
    }
}

impl Settings {
    /// Sets one of [`SETTINGS`] from text. Digits may be grouped by `_`.
    ///
    /// # Errors
    /// An unknown name, or a text that is no such value; limits are checked by [`Settings::check`].
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), SimulateError> {
        let Some(SettingSpec { name, .. }) = SETTINGS.iter().find(|setting| setting.name == name) else {
            let known = SETTINGS.iter().map(|setting| setting.name).collect::<Vec<_>>().join(", ");
            return Err(SimulateError::UnknownSetting { name: name.to_owned(), known });
        };
        let digits = text.replace('_', "");
        let wrong = |expected: &str| wrong(name, format!("`{text}`"), expected);
        let count = || digits.parse::<u64>().map_err(|_| wrong("a whole number"));
        let small = || digits.parse::<u32>().map_err(|_| wrong("a whole number below 2^32"));
        let share = || digits.parse::<f64>().map_err(|_| wrong("a share such as 0.01"));
        let truth = || text.parse::<bool>().map_err(|_| wrong("true or false"));
        let auto = text == "auto";
        match *name {
            "preset" => self.preset = Preset::named(text).ok_or_else(|| wrong("b2c or b2b"))?,
            "customers" => self.customers = count()?,
            "touches" => self.touches = count()?,
            "conversions" => self.conversions = if auto { None } else { Some(count()?) },
            "seed" => self.seed = count()?,
            "start" => self.start = parse_day(text).ok_or_else(|| wrong("a day such as 2026-01-01"))?,
            "days" => self.days = small()?,
            "files" => self.files = if auto { None } else { Some(small()?) },
            "layout" => self.layout = Layout::named(text).ok_or_else(|| wrong("tables or events"))?,
            "channels" => self.channels = small()?,
            "campaigns" => self.campaigns = small()?,
            "keys" => self.keys = KeyKind::named(text).ok_or_else(|| wrong("text, hex16 or integer"))?,
            "duplicates" => self.duplicates = share()?,
            "nulls" => self.nulls = share()?,
            "repeat" => self.repeat = share()?,
            "currencies" => self.currencies = Currency::list(text).ok_or_else(|| wrong(CURRENCIES))?,
            "refund-of" => self.refund_of = truth()?,
            "spend" => self.spend = truth()?,
            "truth" => self.truth = truth()?,
            "threads" => self.threads = if auto { None } else { Some(small()?) },
            other => unreachable!("{other} is listed and not handled, which a test would have found"),
        }
        Ok(())
    }

    /// Checks the limits of each setting.
    ///
    /// # Errors
    /// The first setting that is beyond its limits.
    pub fn check(&self) -> Result<(), SimulateError> {
        const MANY: u64 = 1_000_000_000_000;
        let within = |name, found: u64, low: u64, high: u64| {
            let message = format!("a number from {low} to {high}");
            if (low..=high).contains(&found) { Ok(()) } else { Err(wrong(name, found, &message)) }
        };
        within("customers", self.customers, 1, MANY)?;
        within("touches", self.touches, 1, MANY)?;
        within("conversions", self.conversion_rows(), 0, MANY)?;
        within("days", self.days.into(), 1, 3_660)?;
        within("files", self.file_count().into(), 1, 100_000)?;
        within("channels", self.channels.into(), 1, 200)?;
        within("campaigns", self.campaigns.into(), 0, 1_000_000)?;
        within("threads", self.threads.unwrap_or(1).into(), 1, 1_024)?;
        let (first, last) = (parse_day("1970-01-01"), parse_day("2199-12-31"));
        if first.is_none_or(|first| self.start < first) || last.is_none_or(|last| self.start > last) {
            return Err(wrong("start", day_text(self.start), "a day from 1970-01-01 to 2199-12-31"));
        }
        for (name, share, most) in
            [("duplicates", self.duplicates, 0.5), ("nulls", self.nulls, 0.5), ("repeat", self.repeat, 0.6)]
        {
            if !(0.0..=most).contains(&share) {
                return Err(wrong(name, share, &format!("a share from 0 to {most}")));
            }
        }
        if self.currencies.is_empty() || (1..self.currencies.len()).any(|it| self.currencies[..it].contains(&self.currencies[it]))
        {
            let found = self.currencies.iter().map(|it| it.code()).collect::<Vec<_>>().join(",");
            return Err(wrong("currencies", format!("`{found}`"), CURRENCIES));
        }
        if self.refund_of && self.preset == Preset::B2b {
            return Err(wrong("refund-of", true, "false, as b2b has no refunds"));
        }
        // Both would make conversions that no cause of their own has brought.
        if self.truth && self.refund_of {
            return Err(wrong("refund-of", true, "false, as with truth there are no refunds"));
        }
        if self.truth && self.repeat > 0.0 {
            return Err(wrong("repeat", self.repeat, "0, as with truth nobody comes back but by chance or by a touch"));
        }
        Ok(())
    }

    /// Conversion rows in all.
    #[must_use]
    pub fn conversion_rows(&self) -> u64 {
        let percent = if self.preset == Preset::B2c { 3 } else { 1 };
        self.conversions.unwrap_or_else(|| (self.touches / 100 * percent).max(1))
    }

    /// Files of each table.
    #[must_use]
    pub fn file_count(&self) -> u32 {
        self.files.unwrap_or_else(|| self.days.min(400))
    }
}

impl Preset {
    fn named(name: &str) -> Option<Self> {
        [("b2c", Self::B2c), ("b2b", Self::B2b)].into_iter().find_map(|(known, it)| (known == name).then_some(it))
    }
}

impl Layout {
    fn named(name: &str) -> Option<Self> {
        [("tables", Self::Tables), ("events", Self::Events)].into_iter().find_map(|(known, it)| (known == name).then_some(it))
    }
}

impl KeyKind {
    fn named(name: &str) -> Option<Self> {
        let known = [("text", Self::Text), ("hex16", Self::Hex16), ("integer", Self::Integer)];
        known.into_iter().find_map(|(known, it)| (known == name).then_some(it))
    }
}

fn wrong(name: &'static str, found: impl fmt::Display, expected: &str) -> SimulateError {
    SimulateError::Setting { name, found: found.to_string(), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_the_defaults() {
        let mut settings = Settings {
            preset: Preset::B2b,
            customers: 1,
            touches: 1,
            conversions: Some(1),
            seed: 0,
            start: 0,
            days: 1,
            files: Some(1),
            layout: Layout::Events,
            channels: 1,
            campaigns: 1,
            keys: KeyKind::Hex16,
            duplicates: 0.0,
            nulls: 0.0,
            repeat: 0.1,
            currencies: vec![],
            refund_of: true,
            spend: true,
            truth: true,
            threads: Some(1),
        };
        for setting in SETTINGS {
            settings.set(setting.name, setting.default).expect(setting.name);
            assert!(!setting.help.is_empty());
            assert_eq!(SETTINGS.iter().filter(|other| other.name == setting.name).count(), 1, "{}", setting.name);
        }
        assert_eq!(settings, Settings::default());
        assert!(settings.check().is_ok());
    }

    #[test]
    fn errors_name_the_setting_and_what_it_may_be() {
        let mut settings = Settings::default();
        let error = |result: Result<(), SimulateError>| result.expect_err("an error").to_string();
        let unknown = error(settings.set("touch", "1"));
        assert!(unknown.starts_with("unknown setting `touch`, expected one of preset, customers, touches,"), "{unknown}");
        assert_eq!(error(settings.set("touches", "many")), "setting `touches` is `many`, expected a whole number");
        assert_eq!(error(settings.set("start", "1 May")), "setting `start` is `1 May`, expected a day such as 2026-01-01");
        assert_eq!(error(settings.set("keys", "uuid")), "setting `keys` is `uuid`, expected text, hex16 or integer");
        assert_eq!(error(settings.set("layout", "one")), "setting `layout` is `one`, expected tables or events");
        settings.set("touches", "20_000_000").expect("grouped digits");
        assert_eq!(settings.touches, 20_000_000);
        settings.nulls = 0.75;
        assert_eq!(error(settings.check()), "setting `nulls` is 0.75, expected a share from 0 to 0.5");
        settings.nulls = f64::NAN;
        assert!(settings.check().is_err());
        assert_eq!(error(settings.set("spend", "yes")), "setting `spend` is `yes`, expected true or false");
        let currencies = "expected currencies such as SEK,EUR, each once, of SEK, EUR, USD, NOK, DKK and GBP";
        assert_eq!(error(settings.set("currencies", "SEK,XXX")), format!("setting `currencies` is `SEK,XXX`, {currencies}"));
        let checked = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            error(settings.check())
        };
        assert_eq!(checked(|it| it.repeat = 0.7), "setting `repeat` is 0.7, expected a share from 0 to 0.6");
        assert_eq!(
            checked(|it| it.currencies = vec![Currency::Eur; 2]),
            format!("setting `currencies` is `EUR,EUR`, {currencies}")
        );
        assert_eq!(
            checked(|it| (it.preset, it.refund_of) = (Preset::B2b, true)),
            "setting `refund-of` is true, expected false, as b2b has no refunds"
        );
        assert_eq!(
            checked(|it| (it.truth, it.refund_of) = (true, true)),
            "setting `refund-of` is true, expected false, as with truth there are no refunds"
        );
        assert_eq!(
            checked(|it| (it.truth, it.repeat) = (true, 0.25)),
            "setting `repeat` is 0.25, expected 0, as with truth nobody comes back but by chance or by a touch"
        );
        settings.days = 0;
        assert_eq!(error(settings.check()), "setting `days` is 0, expected a number from 1 to 3660");
    }
}
