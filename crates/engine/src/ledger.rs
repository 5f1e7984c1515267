//! The ledger: the proof that attributed + unattributed + rejected = source, per model, window and value.
//!
//! It is kept per conversion day, so that days can be replaced and parts added up. The source's side is counted where
//! the rows come in, the models' side where credits go out; they meet only here.

use attributary_core::WHOLE_SHARE;
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
    /// Counts accepted conversions, given by day, values and what rounding did to each.
    pub fn accept<'a>(&mut self, conversions: impl Iterator<Item = (Day, &'a [i64], &'a [i64])>) {
        let mut days = DayRows::default();
        let mut sums: Vec<SourceDay> = Vec::new();
        for (day, values, differences) in conversions {
            let row = days.row(day);
            if row == sums.len() {
                let nothing = vec![0; values.len()];
                sums.push(SourceDay { source: nothing.clone(), rejected: Vec::new(), rounding: nothing });
            }
            let SourceDay { source, rounding, .. } = &mut sums[row];
            source.iter_mut().zip(values).for_each(|(sum, value)| *sum += i128::from(*value));
            rounding.iter_mut().zip(differences).for_each(|(sum, difference)| *sum += i128::from(*difference));
        }
        self.absorb(Self { source: days.days.into_iter().map(Some).zip(sums).collect(), ..Self::default() });
    }

    /// Adds what a first order carries besides what its row says: one amount per value, 0 for those of the source.
    pub fn carry(&mut self, day: Day, values: impl Iterator<Item = i64>) {
        add(&mut self.source.entry(Some(day)).or_default().source, values);
    }

    /// Makes a rejected conversion of one that [`Ledger::accept`] has counted.
    pub fn drop_accepted(&mut self, day: Day, values: &[i64], differences: &[i64]) {
        let entry = self.source.entry(Some(day)).or_default();
        add(&mut entry.rejected, values.iter().copied());
        add(&mut entry.rounding, differences.iter().map(|difference| -difference));
    }

    /// Counts a rejected conversion by its valid values.
    pub fn reject(&mut self, day: Option<Day>, values: impl Iterator<Item = i64> + Clone) {
        let entry = self.source.entry(day).or_default();
        add(&mut entry.source, values.clone());
        add(&mut entry.rejected, values);
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

    /// Forgets what the source holds on days that are not computed.
    pub fn narrow(&mut self, setup: &Setup) {
        self.source.retain(|day, _| day.is_none_or(|day| setup.computes(day)));
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

/// One thread's sums of what models did, laid out so that a conversion is counted without a look-up.
pub struct Credited {
    models: usize,
    windows: usize,
    values: usize,
    days: DayRows,
    /// Per day, model and window: the conversions that touches got and those that none got; then likewise each value.
    counts: Vec<[u64; 2]>,
    sums: Vec<[i128; 2]>,
}

/// Which side of [`Credited`] a conversion is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Touches got it.
    Attributed,
    /// No touch got it.
    Unattributed,
}

impl Credited {
    /// For a run.
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        Self {
            models: setup.models.len(),
            windows: setup.rules.windows.len(),
            values: setup.values.len(),
            days: DayRows::default(),
            counts: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// Counts a conversion of a day under a model and a window; a refund, of which there is no `share`, by its values only, a path
    /// by all its conversions.
    pub fn count(&mut self, (day, share): (Day, i64), (model, window): (usize, usize), outcome: Outcome, values: &[i64]) {
        let per_day = self.models * self.windows;
        let row = self.days.row(day);
        if self.counts.len() < self.days.days.len() * per_day {
            self.counts.resize(self.days.days.len() * per_day, [0; 2]);
            self.sums.resize(self.days.days.len() * per_day * self.values, [0; 2]);
        }
        let place = row * per_day + window * self.models + model;
        self.counts[place][outcome as usize] += (share / WHOLE_SHARE) as u64;
        for (sums, value) in self.sums[place * self.values..].iter_mut().zip(values) {
            sums[outcome as usize] += i128::from(*value);
        }
    }

    /// The sums as a ledger has them.
    #[must_use]
    pub fn finish(self) -> Ledger {
        let mut ledger = Ledger::default();
        for (row, &day) in self.days.days.iter().enumerate() {
            for pair in 0..self.models * self.windows {
                let place = row * self.models * self.windows + pair;
                let counts = self.counts[place];
                let sums = &self.sums[place * self.values..][..self.values];
                if counts != [0; 2] || sums.iter().any(|sums| *sums != [0; 2]) {
                    let of = |outcome: Outcome| {
                        let any = counts[outcome as usize] > 0 || sums.iter().any(|sums| sums[outcome as usize] != 0);
                        if any { sums.iter().map(|sums| sums[outcome as usize]).collect() } else { Vec::new() }
                    };
                    let credited = CreditedDay {
                        attributed: of(Outcome::Attributed),
                        unattributed: of(Outcome::Unattributed),
                        attributed_conversions: counts[Outcome::Attributed as usize],
                        unattributed_conversions: counts[Outcome::Unattributed as usize],
                    };
                    let (model, window) = ((pair % self.models) as u16, (pair / self.models) as u16);
                    ledger.credited.insert((day, model, window), credited);
                }
            }
        }
        ledger
    }
}

/// Row numbers for days, from 0, in the order in which the days come.
#[derive(Default)]
struct DayRows {
    days: Vec<Day>,
    first: Day,
    /// From the first day on, each day's row plus one, or 0.
    rows: Vec<u32>,
}

impl DayRows {
    #[inline]
    fn row(&mut self, day: Day) -> usize {
        match self.rows.get(day.wrapping_sub(self.first) as usize) {
            Some(row) if *row > 0 => *row as usize - 1,
            _ => self.insert(day),
        }
    }

    #[cold]
    fn insert(&mut self, day: Day) -> usize {
        if self.days.is_empty() {
            self.first = day;
        }
        // The years 1 to 9999 have fewer than four million days.
        if day < self.first {
            let more = (self.first - day) as usize;
            self.rows.splice(0..0, std::iter::repeat_n(0, more));
            self.first = day;
        }
        let place = (day - self.first) as usize;
        self.rows.resize(self.rows.len().max(place + 1), 0);
        self.days.push(day);
        self.rows[place] = self.days.len() as u32;
        self.days.len() - 1
    }
}

fn add<T: Into<i128>>(sums: &mut Vec<i128>, values: impl IntoIterator<Item = T>) {
    let mut values = values.into_iter();
    // What is there already is added to; a first time lays the sums down.
    sums.iter_mut().zip(&mut values).for_each(|(sum, value)| *sum += value.into());
    sums.extend(values.map(Into::into));
}
