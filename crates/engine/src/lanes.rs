//! What is kept of a conversion besides its values, where the pipeline asks for it: numbers side by side, the *extras* of its
//! record.

use attributary_core::batch::{ConversionBatch, NO_TIME};

use crate::setup::Setup;

/// Where each extra stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lanes {
    values: usize,
    refunds: bool,
    exchange: bool,
    counted: bool,
}

/// What a conversion was before it was converted into the reporting currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchanged<'a> {
    /// The code of its currency.
    pub currency: u32,
    /// Units of the reporting currency for one of it, in 10⁻¹².
    pub rate: i64,
    /// Its values in minor units of its own currency.
    pub originals: &'a [i64],
    /// What rounding did to the converted values, in 10⁻¹² of the major unit.
    pub differences: &'a [i64],
}

impl Lanes {
    /// Those of a run.
    #[must_use]
    pub fn of(setup: &Setup) -> Self {
        Self { values: setup.source_values(), refunds: setup.refunds, exchange: setup.exchange, counted: setup.counted }
    }

    /// How many extras a conversion has.
    #[must_use]
    pub fn count(self) -> usize {
        2 * usize::from(self.refunds) + if self.exchange { 2 + 2 * self.values } else { 0 } + 2 * usize::from(self.counted)
    }

    /// Appends the extras of a row that refunds nothing, or whose order is not known yet. `currencies` are the codes of the
    /// batch's currencies.
    pub fn push(self, batch: &ConversionBatch, row: usize, currencies: &[u32], extras: &mut Vec<i64>) {
        if self.refunds {
            extras.extend([NO_TIME, 0]);
        }
        if let (true, Some(exchange)) = (self.exchange, &batch.exchange) {
            let turn = turn(batch, row);
            let code = exchange.currencies.codes[row] as usize;
            extras.push(currencies.get(code).copied().unwrap_or(u32::MAX).into());
            extras.push(exchange.rates[row].unwrap_or_default());
            extras.extend(exchange.originals.iter().map(|of_value| of_value[row].unwrap_or_default() * turn));
            extras.extend(batch.values.iter().map(|of_value| of_value[row].unwrap_or_default().difference as i64 * turn));
        }
        if let (true, Some(counted)) = (self.counted, &batch.counted) {
            let (conversions, nulls) = counted.journeys[row].unwrap_or_default();
            extras.extend([conversions, nulls].map(|count| count as i64));
        }
    }

    /// How many journeys a path stands for: conversions, and those that led nowhere.
    #[must_use]
    pub fn journeys(self, extras: &[i64]) -> Option<(u64, u64)> {
        let (_, counts) = extras.split_last_chunk::<2>().filter(|_| self.counted)?;
        Some((counts[0] as u64, counts[1] as u64))
    }

    /// The time of the order that a conversion refunds.
    #[must_use]
    pub fn order_time(self, extras: &[i64]) -> Option<i64> {
        extras.first().copied().filter(|time| self.refunds && *time != NO_TIME)
    }

    /// Where the order that a conversion refunds came from, as a number.
    #[must_use]
    pub fn order_origin(self, extras: &[i64]) -> Option<u64> {
        self.order_time(extras).and_then(|_| extras.get(1)).map(|origin| *origin as u64)
    }

    /// Says of a refund's extras when its order was, and where it came from.
    pub fn set_order(self, extras: &mut [i64], time: i64, origin: u64) {
        if let (true, [of_time, of_origin, ..]) = (self.refunds, extras) {
            (*of_time, *of_origin) = (time, origin as i64);
        }
    }

    /// What a conversion was before it was converted.
    #[must_use]
    pub fn exchanged(self, extras: &[i64]) -> Option<Exchanged<'_>> {
        let lanes = extras.get(2 * usize::from(self.refunds)..).filter(|_| self.exchange)?;
        let ([currency, rate], amounts) = lanes.split_first_chunk::<2>()?;
        let (originals, differences) = amounts.split_at_checked(self.values)?;
        Some(Exchanged { currency: *currency as u32, rate: *rate, originals, differences })
    }
}

/// Whether a row takes an order back.
#[inline]
#[must_use]
pub fn is_refund(batch: &ConversionBatch, row: usize) -> bool {
    batch.refunds.as_ref().is_some_and(|refunds| !refunds.is_null(row))
}

/// The values of a row and what rounding did to each, none where it has no valid one. A refund takes off what it says, whether
/// the source has it with a sign or without.
#[inline]
pub fn values(batch: &ConversionBatch, row: usize) -> impl Iterator<Item = Option<(i64, i64)>> + Clone {
    let turn = turn(batch, row);
    batch.values.iter().map(move |of_value| {
        let value = of_value[row]?;
        Some((value.minor * turn, value.difference as i64 * turn))
    })
}

/// −1 for a refund whose first value that is not nothing is above zero: then all its values are those of its order, else they
/// are negated already. So an order that made a loss is taken back as a loss either way.
#[inline]
fn turn(batch: &ConversionBatch, row: usize) -> i64 {
    if !is_refund(batch, row) {
        return 1;
    }
    // Also where nothing is left of a value once it is rounded.
    let signs = batch.values.iter().filter_map(|of_value| {
        let value = of_value[row]?;
        let sign = if value.minor == 0 { -value.difference.signum() } else { i128::from(value.minor.signum()) };
        (sign != 0).then_some(sign)
    });
    if signs.into_iter().next() == Some(1) { -1 } else { 1 }
}
