//! What the ledger knows of the source only once conversions are with their customers: amounts by currency, without duplicates,
//! and what first orders carry besides what their rows say.

use rustc_hash::FxHashMap;

use crate::ledger::Ledger;
use crate::setup::Setup;
use crate::sorted::Conversions;

/// The accepted conversions of the range in one currency. Every list has one entry per value of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurrencySums {
    /// How many there are.
    pub rows: u64,
    /// Minor units of the currency.
    pub original: Vec<i128>,
    /// Minor units of the reporting currency.
    pub converted: Vec<i128>,
    /// Converted − original · rate, in 10⁻¹² of the reporting currency's major unit.
    pub difference: Vec<i128>,
}

/// One thread's sums.
#[derive(Debug, Default)]
pub struct SourceSums {
    /// How many conversions of the range are refunds.
    pub refunds: u64,
    /// By the code of the currency.
    pub currencies: FxHashMap<u32, CurrencySums>,
    /// What first orders carry, per day.
    pub carried: Ledger,
}

impl SourceSums {
    /// Counts the conversions of a bucket.
    pub(crate) fn count(&mut self, conversions: &Conversions, setup: &Setup) {
        if !setup.exchange && setup.worths.is_empty() && !setup.refunds {
            return;
        }
        let of_source = setup.source_values();
        for conversion in (0..conversions.len()).filter(|conversion| conversions.in_range(*conversion)) {
            let values = conversions.values(conversion);
            self.refunds += u64::from(conversions.is_refund(conversion));
            if let Some(exchanged) = conversions.exchanged(conversion) {
                let sums = self.currencies.entry(exchanged.currency).or_default();
                sums.rows += 1;
                add(&mut sums.original, exchanged.originals);
                add(&mut sums.converted, &values[..of_source]);
                add(&mut sums.difference, exchanged.differences);
            }
            if conversions.makes_customer(conversion) && !setup.worths.is_empty() {
                let nothing = std::iter::repeat_n(0, of_source);
                self.carried.carry(conversions.days[conversion], nothing.chain(values[of_source..].iter().copied()));
            }
        }
    }

    /// Adds another's currencies.
    pub(crate) fn absorb_currencies(&mut self, other: &FxHashMap<u32, CurrencySums>) {
        for (currency, of_other) in other {
            let sums = self.currencies.entry(*currency).or_default();
            sums.rows += of_other.rows;
            add(&mut sums.original, &of_other.original);
            add(&mut sums.converted, &of_other.converted);
            add(&mut sums.difference, &of_other.difference);
        }
    }
}

fn add<T: Copy + Into<i128>>(sums: &mut Vec<i128>, values: &[T]) {
    sums.resize(sums.len().max(values.len()), 0);
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += (*value).into());
}
