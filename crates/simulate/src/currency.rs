//! Currencies: who pays in which, what they are worth, and how that moves from day to day.

use std::fmt::Write;

use attributary_core::time::{Day, day_text};

use crate::random::{Random, Share, Stream};
use crate::settings::Settings;
use crate::spend;
use crate::visits::World;

/// How many of those whose country has one of the shop's currencies pay in it, and not in the shop's own.
const OWN_CURRENCY: Share = Share::percent(80);
/// Rates begin so many days before the log, so that its first days have one too, whatever the zone.
const DAYS_BEFORE: Day = 14;

/// A currency. All of them have two digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Currency {
    /// Swedish krona.
    Sek,
    /// Euro.
    Eur,
    /// US dollar.
    Usd,
    /// Norwegian krone.
    Nok,
    /// Danish krone.
    Dkk,
    /// Pound sterling.
    Gbp,
}

impl Currency {
    const ALL: [Self; 6] = [Self::Sek, Self::Eur, Self::Usd, Self::Nok, Self::Dkk, Self::Gbp];

    /// Its code of ISO 4217.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Sek => "SEK",
            Self::Eur => "EUR",
            Self::Usd => "USD",
            Self::Nok => "NOK",
            Self::Dkk => "DKK",
            Self::Gbp => "GBP",
        }
    }

    /// The currencies of a list such as `SEK,EUR`; none if one of them is unknown.
    pub(crate) fn list(text: &str) -> Option<Vec<Self>> {
        text.split(',').map(|code| Self::ALL.into_iter().find(|known| known.code() == code.trim())).collect()
    }

    /// What it is worth in the long run, in SEK / 10,000.
    pub(crate) fn worth(self) -> u64 {
        match self {
            Self::Sek => 10_000,
            Self::Eur => 112_000,
            Self::Usd => 96_000,
            Self::Nok => 9_700,
            Self::Dkk => 15_000,
            Self::Gbp => 131_000,
        }
    }

    /// Whether a country pays in it.
    fn is_of(self, country: &str) -> bool {
        match self {
            Self::Sek => country == "SE",
            Self::Eur => ["FI", "DE", "NL", "FR"].contains(&country),
            Self::Usd => country == "US",
            Self::Nok => country == "NO",
            Self::Dkk => country == "DK",
            Self::Gbp => country == "GB",
        }
    }
}

impl Settings {
    /// The shop's own currency.
    pub(crate) fn home(&self) -> Currency {
        self.currencies.first().copied().unwrap_or(Currency::Sek)
    }
}

impl World {
    /// What a customer pays in, always the same: a place in the currencies of the settings.
    pub fn currency(&self, customer: u64) -> usize {
        let currencies = &self.settings.currencies;
        if currencies.len() < 2 {
            return 0;
        }
        let mut traits = Random::new(self.settings.seed, Stream::Customer, customer, 0);
        let country = &self.market.names.countries[usize::from(self.market.country(&mut traits))];
        let own = currencies.iter().position(|it| country.as_text().is_some_and(|country| it.is_of(country)));
        let mut purse = Random::new(self.settings.seed, Stream::Purse, customer, 1);
        own.filter(|_| purse.chance(OWN_CURRENCY)).unwrap_or(0)
    }

    /// Rates of every currency but the shop's own, as CSV; none where there is no other. The rate of a day is what a unit
    /// is worth in the shop's currency; weekends have none.
    pub fn rates(&self) -> Option<String> {
        let home = self.settings.home();
        let mut foreign: Vec<Currency> = self.settings.currencies.iter().copied().skip(1).collect();
        let charged = spend::currencies(&self.settings);
        for currency in charged.into_iter().filter(|_| self.settings.spend) {
            if currency != home && !foreign.contains(&currency) {
                foreign.push(currency);
            }
        }
        foreign.sort_by_key(|it| it.code());
        // In 10⁻⁸ of the shop's currency.
        let usual: Vec<i64> = foreign.iter().map(|it| (it.worth() * 100_000_000 / home.worth()) as i64).collect();
        let mut rates = usual.clone();
        let mut text = "date,currency,rate\n".to_owned();
        let first = self.settings.start - DAYS_BEFORE;
        // The day after the last one too: east of Greenwich it has already begun.
        for day in first..=self.settings.start.saturating_add(self.settings.days as Day) {
            // 1970-01-01 was a Thursday.
            if (day + 3).rem_euclid(7) >= 5 {
                continue;
            }
            for (currency, (rate, usual)) in foreign.iter().zip(rates.iter_mut().zip(&usual)) {
                let mut random = Random::new(self.settings.seed, Stream::Rate, *currency as u64, day as u64);
                // A random walk on a long leash.
                *rate += *rate / 100_000 * random.between(-400, 401) + (usual - *rate) / 64;
                let shown = (*rate + 5_000) / 10_000;
                let _ = writeln!(text, "{},{},{}.{:04}", day_text(day), currency.code(), shown / 10_000, shown % 10_000);
            }
        }
        (!foreign.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use attributary_core::time::parse_day;

    use super::*;

    fn world(currencies: &[Currency], spend: bool) -> World {
        let settings = Settings { currencies: currencies.to_vec(), spend, touches: 1_000, days: 200, ..Settings::default() };
        World::new(&settings)
    }

    #[test]
    fn a_fifth_pays_in_euros_and_everyone_always_in_the_same() {
        let world = world(&[Currency::Sek, Currency::Eur], false);
        let euros = (0..20_000).filter(|customer| world.currency(*customer) == 1).count();
        assert!((3_700..4_300).contains(&euros), "{euros}");
        assert!((0..1_000).all(|customer| world.currency(customer) == world.currency(customer)));
    }

    #[test]
    fn rates_are_of_business_days_and_near_the_usual_one() {
        let text = world(&[Currency::Sek, Currency::Usd, Currency::Eur], false).rates().expect("rates");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("date,currency,rate"));
        let (mut last, mut euros) = (Settings::default().start - 8, Vec::new());
        for (place, line) in lines.enumerate() {
            let [date, currency, rate] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let day = parse_day(date).expect(line);
            assert_eq!(currency, ["EUR", "USD"][place % 2], "{line}");
            assert!((day + 3).rem_euclid(7) < 5, "{line}");
            assert!(rate.split_once('.').is_some_and(|(_, digits)| digits.len() == 4), "{line}");
            if currency == "EUR" {
                assert!(place < 2 || (1..=3).contains(&(day - last)), "{line}");
                euros.push(rate.parse::<f64>().expect(line));
                last = day;
            }
            assert!(place > 1 || day <= Settings::default().start - 7, "{line}");
        }
        assert!(last >= Settings::default().start + 198);
        assert!(euros.iter().all(|rate| (10.2..12.2).contains(rate)), "{euros:?}");
        assert!(euros.windows(2).all(|pair| (pair[1] / pair[0] - 1.0).abs() < 0.01));
        let (low, high) = euros.iter().fold((f64::MAX, 0.0_f64), |(low, high), rate| (low.min(*rate), high.max(*rate)));
        assert!(high - low > 0.1, "{low} {high}");
    }

    #[test]
    fn there_are_rates_where_there_is_another_currency() {
        assert!(world(&[Currency::Sek], false).rates().is_none());
        let of_spend = world(&[Currency::Sek], true).rates().expect("rates of what ads cost");
        assert!(of_spend.lines().skip(1).all(|line| line.contains(",EUR,1")));
        let euros = world(&[Currency::Eur, Currency::Sek], true).rates().expect("rates");
        assert!(euros.lines().skip(1).all(|line| line.contains(",SEK,0.0")));
    }
}
