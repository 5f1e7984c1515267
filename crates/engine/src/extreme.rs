//! Customers with very many touches and conversions: a test account, a shared device, a bot. What each of their conversions
//! gives to each of their touches is touches × conversions, which is more than anyone can wait for.
//!
//! Where eligible touches lie side by side (see `Rules::are_plain`), most models give the same to stretches of touches. So it
//! is noted only where a stretch begins and ends, for all conversions of a day, and the touches are passed over once for them.
//! Models that give every touch a weight of its own cannot be had so; they cost touches × conversions as ever.

use std::ops::Range;

use attributary_core::WHOLE_SHARE;
use attributary_core::journey::{Journey, Unattributed};
use attributary_core::model::{Credit, Fallback, Weighing};
use rustc_hash::FxHashMap;

use crate::credit::{Context, Crediting, Eligible};
use crate::error::EngineError;
use crate::ledger::Outcome;
use crate::setup::ModelSetup;
use crate::sorted::Conversions;
use crate::tables::grouped::{FIXED_LANES, OfConversion};

/// Some conversions of one day, kind and standing, none of them a refund or a first order, in the order of their times, each
/// with its eligible touches.
pub(crate) struct Stretch<'a> {
    pub conversions: &'a Conversions,
    /// The conversions, and which of the customer's touches are eligible.
    pub eligible: Vec<(usize, Range<usize>)>,
    pub window: usize,
    /// The customer's touches.
    pub times: &'a [i64],
    pub profiles: &'a [u32],
    /// Every touch's place: 0, 1, 2, …
    pub places: &'a [u32],
    /// Ids (see `Cells::raw`) by place among the customer's touches.
    pub id: &'a dyn Fn(u32) -> &'a [u8],
}

/// Some of the customer's touches, and conversions with those of them that may get credit.
struct View<'a> {
    touches: &'a [u32],
    conversions: Vec<(usize, Range<usize>)>,
}

impl Crediting<'_> {
    /// Divides the conversions of a stretch under all models.
    ///
    /// # Errors
    /// As [`Crediting::credit`].
    pub(crate) fn credit_stretch(&mut self, stretch: &Stretch<'_>) -> Result<(), EngineError> {
        let Context { setup, profiles, .. } = self.context;
        for (number, model) in setup.models.iter().enumerate() {
            let mut all = View { touches: stretch.places, conversions: Vec::new() };
            let Some(flag) = model.only else {
                all.conversions.clone_from(&stretch.eligible);
                self.credit_view(stretch, number, model, &all)?;
                continue;
            };
            let holds = |touch: &u32| profiles.facts[stretch.profiles[*touch as usize] as usize].holds(flag);
            let only: Vec<u32> = stretch.places.iter().copied().filter(holds).collect();
            let mut some = View { touches: &only, conversions: Vec::new() };
            for (conversion, eligible) in &stretch.eligible {
                let place = |touch: usize| only.partition_point(|other| (*other as usize) < touch);
                let left = place(eligible.start)..place(eligible.end);
                match model.fallback {
                    _ if !left.is_empty() => some.conversions.push((*conversion, left)),
                    Fallback::All => all.conversions.push((*conversion, eligible.clone())),
                    Fallback::None => {
                        self.leave(stretch.conversions, *conversion, number, stretch.window, Unattributed::Ignored);
                    }
                }
            }
            self.credit_view(stretch, number, model, &all)?;
            self.credit_view(stretch, number, model, &some)?;
        }
        Ok(())
    }

    fn credit_view(
        &mut self,
        stretch: &Stretch<'_>,
        number: usize,
        model: &ModelSetup,
        view: &View<'_>,
    ) -> Result<(), EngineError> {
        let Context { setup, profiles, plans, budget, fits, .. } = self.context;
        let &Stretch { conversions, window, .. } = stretch;
        let (Some((first, begin)), Some((_, end))) = (view.conversions.first(), view.conversions.last()) else { return Ok(()) };
        // Later conversions look no further back than earlier ones, and no less far forward.
        let seen = begin.start..end.end;
        let of_conversion = OfConversion::new(conversions, *first);
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); plans.len()];
        for ((grouped, plan), rows) in
            self.grouped.iter_mut().zip(plans).zip(&mut rows).filter(|((_, plan), _)| plan.counts(number))
        {
            let touches = view.touches[seen.clone()].iter().map(|touch| *touch as usize);
            let touches = touches.map(|touch| (stretch.profiles[touch], stretch.times[touch]));
            grouped.find_rows(plan, of_conversion, touches, |time| setup.rules.zone.day(time), rows);
        }
        let stride = FIXED_LANES + setup.values.len();
        let mut noted = Noted::new(0, stride);
        let mut participations = Vec::new();
        for (conversion, eligible) in &view.conversions {
            // A day of them may take minutes under a model that weighs each touch by itself.
            budget.check()?;
            let (conversion, touches) = (*conversion, &view.touches[eligible.clone()]);
            // Places among the touches that are seen.
            let own = eligible.start - seen.start..eligible.end - seen.start;
            let values = conversions.values(conversion);
            let weigher = match &model.weighing {
                Weighing::Journey(weigher) => &**weigher,
                Weighing::Fitted(_) => fits.weigher(number, window)?,
                Weighing::Expression(_) => {
                    let eligible = Eligible {
                        conversions,
                        conversion,
                        window,
                        chosen: touches,
                        times: stretch.times,
                        profiles: stretch.profiles,
                        id: &|touch| (stretch.id)(touch),
                    };
                    self.defer(number, &eligible, &rows, own.start)?;
                    continue;
                }
            };
            let time = conversions.times[conversion];
            let journey = Journey::new(time, touches, stretch.times, stretch.profiles, &profiles.facts);
            self.split.weights.clear();
            let credit = weigher.weigh(&journey, &mut self.split.weights);
            if !self.split.begin(credit, touches.len()) {
                self.leave(conversions, conversion, number, window, Unattributed::Ignored);
                continue;
            }
            match credit {
                Credit::Whole => participations.push((conversion, own)),
                Credit::Weights => {
                    self.split.keep(credit, touches.len(), WHOLE_SHARE, values);
                    for ((grouped, plan), rows) in self.grouped.iter_mut().zip(plans).zip(&rows) {
                        if plan.counts(number) {
                            let (shares, values) = ((1, &self.split.shares[..]), &self.split.values);
                            grouped.add_model(plan, (number, window), &rows[own.clone()], shares, values);
                        }
                    }
                }
                _ => {
                    if noted.steps.len() == stride || !noted.make_room(values) {
                        self.settle(number, window, &rows, &noted);
                        noted = Noted::new(seen.len(), stride);
                        noted.make_room(values);
                    }
                    self.split.each(credit, touches.len(), WHOLE_SHARE, |some, part| noted.share(own.start, some, part));
                    noted.shared();
                    for (of, amount) in values.iter().enumerate() {
                        self.split.each(credit, touches.len(), *amount, |some, part| noted.value(own.start, some, of, part));
                    }
                }
            }
            self.credited.count((conversions.days[conversion], WHOLE_SHARE), (number, window), Outcome::Attributed, values);
        }
        self.settle(number, window, &rows, &noted);
        for ((grouped, plan), rows) in self.grouped.iter_mut().zip(plans).zip(&rows).filter(|((_, plan), _)| plan.counts(number))
        {
            participate(conversions, &participations, rows, |row, sums| grouped.add_sums(plan, (number, window), row, sums));
        }
        Ok(())
    }

    /// Adds what was noted to the rows of the touches.
    fn settle(&mut self, number: usize, window: usize, rows: &[Vec<u32>], noted: &Noted) {
        for ((grouped, plan), rows) in self.grouped.iter_mut().zip(self.context.plans).zip(rows) {
            if plan.counts(number) {
                noted.each(|touch, sums| grouped.add_sums(plan, (number, window), rows[touch], sums));
            }
        }
    }
}

/// What stretches of touches got, noted where they begin and end.
struct Noted {
    stride: usize,
    /// For each touch, and one behind the last: by how much its share, count and values differ from those of the touch before.
    steps: Vec<i64>,
    /// The largest sum that any of them may have come to.
    most: u64,
    /// What the conversion at hand gave of its share so far.
    given: Vec<(Range<usize>, i64)>,
}

impl Noted {
    fn new(touches: usize, stride: usize) -> Self {
        Self { stride, steps: vec![0; (touches + 1) * stride], most: 0, given: Vec::new() }
    }

    /// Makes room for a conversion of these values; false where sums might become too large for that.
    fn make_room(&mut self, values: &[i64]) -> bool {
        let largest = values.iter().map(|value| value.unsigned_abs()).max().unwrap_or(0).max(WHOLE_SHARE.unsigned_abs());
        let most = self.most + largest;
        if most < 1 << 62 {
            self.most = most;
        }
        most < 1 << 62
    }

    fn note(&mut self, touches: &Range<usize>, lane: usize, part: i64) {
        self.steps[touches.start * self.stride + lane] += part;
        self.steps[touches.end * self.stride + lane] -= part;
    }

    fn share(&mut self, base: usize, touches: Range<usize>, part: i64) {
        let touches = base + touches.start..base + touches.end;
        self.note(&touches, 0, part);
        if part > 0 && !touches.is_empty() {
            self.given.push((touches, part));
        }
    }

    /// Counts the touches that got a share above zero, once all of it is given. What is left over comes on top of what
    /// touches have already, or of nothing.
    fn shared(&mut self) {
        let mut given = std::mem::take(&mut self.given);
        given.sort_unstable_by_key(|(touches, _)| touches.start);
        let mut end = 0;
        for (touches, _) in given.drain(..) {
            let new = touches.start.max(end)..touches.end.max(end);
            self.note(&new, 1, 1);
            end = new.end;
        }
        self.given = given;
    }

    fn value(&mut self, base: usize, touches: Range<usize>, value: usize, part: i64) {
        self.note(&(base + touches.start..base + touches.end), FIXED_LANES + value, part);
    }

    /// Gives every touch that got anything to `each`, with its sums.
    fn each(&self, mut each: impl FnMut(usize, &[i128])) {
        let mut sums = vec![0; self.stride];
        for (touch, steps) in self.steps.chunks_exact(self.stride).enumerate().filter(|_| self.most > 0) {
            sums.iter_mut().zip(steps).for_each(|(sum, step)| *sum += i128::from(*step));
            if sums.iter().any(|sum| *sum != 0) {
                each(touch, &sums);
            }
        }
    }
}

/// Gives each row the whole of every conversion that has a touch of it, and counts these touches. Conversions are passed in
/// order, touches come and go, and a row's sums are made when its number of touches changes.
fn participate(conversions: &Conversions, of: &[(usize, Range<usize>)], rows: &[u32], mut give: impl FnMut(u32, &[i128])) {
    let Some((first, _)) = of.first() else { return };
    let width = conversions.values(*first).len();
    // What all conversions so far were worth: their number, then their values.
    let mut before = vec![0_i128; 1 + width];
    // Per row: its touches now, and `before` when it last changed.
    let mut present: FxHashMap<u32, (i128, Vec<i128>)> = FxHashMap::default();
    let mut settle = |row: u32, touches: i128, since: &[i128], before: &[i128]| {
        let passed = before[0] - since[0];
        if touches > 0 && passed > 0 {
            let mut sums = vec![passed * i128::from(WHOLE_SHARE), passed * touches];
            sums.extend(before.iter().zip(since).skip(1).map(|(before, since)| before - since));
            give(row, &sums);
        }
    };
    let mut seen = 0..0;
    for (conversion, eligible) in of {
        let gone = seen.start..eligible.start.min(seen.end);
        let come = seen.end.max(eligible.start)..eligible.end;
        for (touches, change) in [(gone, -1), (come, 1)] {
            for row in touches.map(|touch| rows[touch]) {
                let entry = present.entry(row).or_insert_with(|| (0, before.clone()));
                settle(row, entry.0, &entry.1, &before);
                entry.0 += change;
                entry.1.clone_from(&before);
            }
        }
        seen = eligible.clone();
        before[0] += 1;
        before[1..].iter_mut().zip(conversions.values(*conversion)).for_each(|(sum, value)| *sum += i128::from(*value));
    }
    for (row, (touches, since)) in present {
        settle(row, touches, &since, &before);
    }
}
