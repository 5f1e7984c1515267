//! From amounts in currencies of their own to the reporting currency: given times rate, rounded once.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::batch::{Coded, Exchange, NO_TIME};
use crate::money::{self, Given, Rounded};
use crate::rates::{ONE, Rates};
use crate::table::NULL_CODE;
use crate::time::{Day, Zone};

/// The rates, and the zone in which a row has its day.
pub struct Market {
    /// What a unit of each currency is worth, day by day.
    pub rates: Arc<Rates>,
    /// The zone.
    pub zone: Zone,
}

/// The rows of a batch with their currencies and rates.
pub struct Exchanging {
    currencies: Coded,
    /// For each currency of the dictionary its digits behind the point, where it is known.
    exponents: Vec<Option<u8>>,
    rates: Vec<Option<i64>>,
    originals: Vec<Vec<Option<i64>>>,
}

/// A column of amounts that is being converted, row by row.
pub struct Converting<'a> {
    of: &'a mut Exchanging,
    exponent: u8,
    amounts: Vec<Option<Rounded>>,
    originals: Vec<Option<i64>>,
}

impl Exchanging {
    /// The rates of some rows, given their currencies and times. Without a market no row has one.
    #[must_use]
    pub fn new(currencies: Coded, times: &[i64], market: Option<&Market>) -> Self {
        let codes: Vec<_> = currencies.dictionary.iter().map(|value| value.as_text().unwrap_or_default()).collect();
        let exponents: Vec<_> = codes.iter().map(|code| money::exponent(code)).collect();
        let mut known: FxHashMap<(u32, Day), Option<i64>> = FxHashMap::default();
        let mut rate = |(code, time): (&u32, &i64)| {
            let (market, place) = (market?, *code as usize);
            // An unknown currency has no rate, whatever a table says; neither has none at all.
            exponents.get(place).copied().flatten()?;
            if *time == NO_TIME {
                return (codes[place] == market.rates.reporting()).then_some(ONE);
            }
            let day = market.zone.day(*time);
            *known.entry((*code, day)).or_insert_with(|| market.rates.rate(codes[place], day))
        };
        let rates = currencies.codes.iter().zip(times).map(&mut rate).collect();
        Self { currencies, exponents, rates, originals: Vec::new() }
    }

    /// A column of amounts to be converted to the reporting currency, which has `exponent` digits.
    pub fn column(&mut self, exponent: u8) -> Converting<'_> {
        let rows = self.rates.len();
        Converting { of: self, exponent, amounts: Vec::with_capacity(rows), originals: Vec::with_capacity(rows) }
    }

    /// What was done, once all columns are there.
    #[must_use]
    pub fn finish(self) -> Exchange {
        Exchange { currencies: self.currencies, rates: self.rates, originals: self.originals }
    }
}

impl Converting<'_> {
    /// Takes the amount of the next row, none where its cell is null.
    pub fn push(&mut self, given: Option<Given>) {
        let row = self.amounts.len();
        let code = self.of.currencies.codes.get(row).copied().unwrap_or(NULL_CODE);
        let rate = self.of.rates.get(row).copied().flatten();
        let own_exponent = self.of.exponents.get(code as usize).copied().flatten();
        let own = own_exponent.and_then(|own| given?.rounded(own));
        self.originals.push(own.map(|own| own.minor));
        // What is too large in its own currency is too large.
        self.amounts.push(own.and(own_exponent).and_then(|own| given?.converted(own, rate?, self.exponent)));
    }

    /// The amounts in the reporting currency; none where a cell is null, not finite or too large, or the row has no rate.
    #[must_use]
    pub fn finish(self) -> Vec<Option<Rounded>> {
        self.of.originals.push(self.originals);
        self.amounts
    }
}
