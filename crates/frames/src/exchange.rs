//! From amounts in currencies of their own to the reporting currency: given times rate, rounded once.

use std::sync::Arc;

use attributary_core::batch::{Coded, Exchange, NO_TIME};
use attributary_core::money::{self, Rounded};
use attributary_core::rates::{ONE, Rates};
use attributary_core::table::NULL_CODE;
use attributary_core::time::{Day, Zone};
use polars::prelude::{PolarsResult, Series};
use rustc_hash::FxHashMap;

use crate::ValueUnit;
use crate::amounts::each;
use crate::coded::coded;

/// The rates, and the zone in which a row has its day.
pub(crate) struct Market {
    pub rates: Arc<Rates>,
    pub zone: Zone,
}

/// The rows of a batch with their currencies and rates.
pub(crate) struct Exchanging {
    currencies: Coded,
    /// For each currency of the dictionary its digits behind the point, where it is known.
    exponents: Vec<Option<u8>>,
    rates: Vec<Option<i64>>,
    originals: Vec<Vec<Option<i64>>>,
}

impl Exchanging {
    /// The rates of some rows, given their currencies and times. Without a market no row has one.
    pub(crate) fn new(column: &Series, times: &[i64], market: Option<&Market>) -> PolarsResult<Self> {
        let currencies = coded(column)?;
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
        Ok(Self { currencies, exponents, rates, originals: Vec::new() })
    }

    /// The amounts of a column in the reporting currency, which has `exponent` digits; none where a cell is null, not finite or
    /// too large, or the row has no rate.
    pub(crate) fn amounts(&mut self, column: &Series, unit: ValueUnit, exponent: u8) -> PolarsResult<Vec<Option<Rounded>>> {
        let mut amounts = Vec::with_capacity(column.len());
        let mut originals = Vec::with_capacity(column.len());
        let mut rows = self.currencies.codes.iter().zip(&self.rates);
        each(column, unit, |given| {
            let (code, rate) = rows.next().map_or((NULL_CODE, None), |(code, rate)| (*code, *rate));
            let own_exponent = self.exponents.get(code as usize).copied().flatten();
            let own = own_exponent.and_then(|own| given?.rounded(own));
            originals.push(own.map(|own| own.minor));
            // What is too large in its own currency is too large.
            amounts.push(own.and(own_exponent).and_then(|own| given?.converted(own, rate?, exponent)));
        })?;
        self.originals.push(originals);
        Ok(amounts)
    }

    /// What was done, once all amounts are there.
    pub(crate) fn finish(self) -> Exchange {
        Exchange { currencies: self.currencies, rates: self.rates, originals: self.originals }
    }
}
