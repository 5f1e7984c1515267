//! The ledger: the proof that attributed + unattributed + rejected = source, per model, window and value.
//!
//! It is kept per conversion day, so that days can be replaced and parts added up. The source's side is counted where
//! the rows come in, the models' side where credits go out; they meet only here.

use attributary_core::money::Rounded;
use attributary_core::time::Day;
use rustc_hash::FxHashMap;

use crate::error::EngineError;
use crate::setup::Setup;

/// The sums of a run. Every list has one entry per value.
#[derive(Debug, Default)]
pub struct Ledger {
    /// What the source holds, per day; rejected rows may have none.
    pub source: FxHashMap<Option<Day>, SourceDay>,
    /// What models did with it, per day, model and window.
    pub credited: FxHashMap<(Day, u16, u16), CreditedDay>,
}

/// A day of the source, in minor units per value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceDay {
    /// Accepted rows and the valid values of rejected ones.
    pub source: Vec<i128>,
    /// The valid values of rejected rows.
    pub rejected: Vec<i128>,
    /// Rounded − given over accepted rows, in 10⁻¹² of the major unit.
    pub rounding: Vec<i128>,
}

/// A day of one model and window, in minor units per value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreditedDay {
    /// What touches got (for models that are not additive: the conversions that any touch got).
    pub attributed: Vec<i128>,
    /// What no touch got.
    pub unattributed: Vec<i128>,
    /// Conversions that touches got.
    pub attributed_conversions: u64,
    /// Conversions that no touch got.
    pub unattributed_conversions: u64,
}

impl Ledger {
    /// Counts an accepted conversion.
    pub fn accept(&mut self, day: Day, values: &[Rounded]) {
        let entry = self.source.entry(Some(day)).or_default();
        add(&mut entry.source, values.iter().map(|value| value.minor));
        add(&mut entry.rounding, values.iter().map(|value| value.difference));
    }

    /// Counts a rejected conversion by its valid values.
    pub fn reject(&mut self, day: Option<Day>, values: impl Iterator<Item = i64> + Clone) {
        let entry = self.source.entry(day).or_default();
        add(&mut entry.source, values.clone());
        add(&mut entry.rejected, values);
    }

    /// Counts what touches got of a conversion.
    pub fn attribute(&mut self, place: (Day, u16, u16), values: &[i64]) {
        let entry = self.credited.entry(place).or_default();
        add(&mut entry.attributed, values.iter().copied());
        entry.attributed_conversions += 1;
    }

    /// Counts a conversion that no touch got.
    pub fn leave(&mut self, place: (Day, u16, u16), values: &[i64]) {
        let entry = self.credited.entry(place).or_default();
        add(&mut entry.unattributed, values.iter().copied());
        entry.unattributed_conversions += 1;
    }

    /// Adds another's sums.
    pub fn absorb(&mut self, other: Self) {
        for (day, sums) in other.source {
            let entry = self.source.entry(day).or_default();
            add(&mut entry.source, sums.source);
            add(&mut entry.rejected, sums.rejected);
            add(&mut entry.rounding, sums.rounding);
        }
        for (place, sums) in other.credited {
            let entry = self.credited.entry(place).or_default();
            add(&mut entry.attributed, sums.attributed);
            add(&mut entry.unattributed, sums.unattributed);
            entry.attributed_conversions += sums.attributed_conversions;
            entry.unattributed_conversions += sums.unattributed_conversions;
        }
    }

    /// Checks that every day of every model and window adds up.
    ///
    /// # Errors
    /// The first day that does not: a bug, and nothing may be published.
    pub fn check(&self, setup: &Setup) -> Result<(), EngineError> {
        let nothing = CreditedDay::default();
        for (day, source) in &self.source {
            for model in 0..setup.models.len() {
                for window in 0..setup.rules.windows.len() {
                    let place = day.map(|day| (day, model as u16, window as u16));
                    let credited = place.and_then(|place| self.credited.get(&place)).unwrap_or(&nothing);
                    for value in 0..setup.values.len() {
                        let of = |sums: &[i128]| sums.get(value).copied().unwrap_or(0);
                        let difference =
                            of(&source.source) - of(&source.rejected) - of(&credited.attributed) - of(&credited.unattributed);
                        if difference != 0 {
                            return Err(EngineError::Bug(format!(
                                "the ledger of model {:?}, window {}, value {:?}, day {day:?} differs by {difference} minor units",
                                setup.models[model].name, setup.rules.windows[window], setup.values[value],
                            )));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn add<T: Into<i128>>(sums: &mut Vec<i128>, values: impl IntoIterator<Item = T>) {
    let mut values = values.into_iter();
    // What is there already is added to; a first time lays the sums down.
    sums.iter_mut().zip(&mut values).for_each(|(sum, value)| *sum += value.into());
    sums.extend(values.map(Into::into));
}
