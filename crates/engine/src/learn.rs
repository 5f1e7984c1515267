//! What fitted models learn before the walk: every journey of the range, those that led nowhere included, counted bucket by
//! bucket. The buckets stay as they are, for the walk.
//!
//! Counts are whole numbers, so it does not matter which thread saw what. Players are numbered in the order of their names, and
//! whatever is computed from the counts goes in that order: the same log gives the same bits, whatever the threads and the memory.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use attributary_core::NOT_SET;
use attributary_core::batch::attribute::{CAMPAIGN, CHANNEL};
use attributary_core::journey::Journey;
use attributary_core::key::Key;
use attributary_core::learning::{FOLDS, Fit, FittedModel, Journeys, PlayedBy, Player, Statistics, Training};
use attributary_core::model::{Credit, Model, Weighing};
use attributary_core::table::NULL_CODE;
use attributary_core::value::Value;
use attributary_journeys::{Profiles, Selector, Touches};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::bucket::Bucket;
use crate::budget::Budget;
use crate::conversions::{ConversionBucket, Converted};
use crate::customers::{Customer, Customers};
use crate::error::EngineError;
use crate::records::TouchRecords;
use crate::setup::{ModelSetup, Narrowed, Setup};
use crate::sorted::Conversions;

/// What the fitted models of a run learnt, by model and window; nothing where none is fitted.
#[derive(Default)]
pub struct Fits(Vec<Vec<Fitted>>);

/// What a model learnt of the journeys under one window.
pub struct Fitted {
    /// Who may take part.
    pub players: Arc<Players>,
    /// Which of them do in any journey.
    pub takes_part: Vec<bool>,
    /// What was learnt.
    pub fit: Fit,
    /// Each player's part of all conversions where customers were drawn at random, draw by draw.
    pub drawn: Vec<Vec<f64>>,
}

/// What a model learnt in an earlier run under one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Frozen {
    /// Who took part then.
    pub players: Vec<Player>,
    /// As [`Fitted::takes_part`].
    pub takes_part: Vec<bool>,
    /// What was learnt.
    pub fit: Fit,
    /// As [`Fitted::drawn`].
    pub drawn: Vec<Vec<f64>>,
}

/// Who takes part in journeys, in the order of their names.
#[derive(Debug, Default)]
pub struct Players {
    /// Their names.
    pub names: Vec<Player>,
    /// The player of each profile.
    of_profile: Vec<u32>,
}

impl Fits {
    /// What a model learnt under a window; none where it is not one that is fitted.
    #[must_use]
    pub fn of(&self, model: usize, window: usize) -> Option<&Fitted> {
        self.0.get(model)?.get(window)
    }

    /// The same for touches of other profiles: of a customer whose touches are looked at apart from the others.
    #[must_use]
    pub fn of_profiles(&self, profiles: &Profiles) -> Self {
        let of_profiles = |fitted: &Fitted| Fitted {
            players: Arc::new(fitted.players.of_profiles(profiles)),
            takes_part: fitted.takes_part.clone(),
            fit: fitted.fit.clone(),
            drawn: Vec::new(),
        };
        Self(self.0.iter().map(|windows| windows.iter().map(of_profiles).collect()).collect())
    }

    /// What weighs for a fitted model under a window.
    ///
    /// # Errors
    /// Where it was never fitted.
    pub(crate) fn weigher(&self, model: usize, window: usize) -> Result<&dyn Model, EngineError> {
        let fitted = self.of(model, window).map(|fitted| -> &dyn Model { fitted });
        fitted.ok_or_else(|| EngineError::Bug(format!("model {model} was not fitted under window {window}")))
    }
}

impl Fitted {
    /// What was learnt before, for touches of these profiles. Who was not there then weighs nothing.
    fn thawed(frozen: &Frozen, profiles: &Profiles) -> Self {
        let Frozen { players, takes_part, fit, drawn } = frozen.clone();
        let players = Players { names: players, of_profile: Vec::new() }.of_profiles(profiles);
        Self { players: Arc::new(players), takes_part, fit, drawn }
    }

    /// What a later run needs so as not to learn it anew.
    #[must_use]
    pub fn frozen(&self) -> Frozen {
        let Self { players, takes_part, fit, drawn } = self;
        Frozen { players: players.names.clone(), takes_part: takes_part.clone(), fit: fit.clone(), drawn: drawn.clone() }
    }
}

impl Model for Fitted {
    fn weigh(&self, journey: &Journey<'_>, weights: &mut Vec<f64>) -> Credit {
        let player = |touch: usize| self.players.of_profile[journey.profile(touch)];
        self.fit.weigh(journey, player, weights)
    }
}

impl Players {
    /// The same players, found among other profiles.
    fn of_profiles(&self, profiles: &Profiles) -> Self {
        let by = if self.names.iter().any(|name| name.campaign.is_some()) { PlayedBy::Placements } else { PlayedBy::Channels };
        let numbers: FxHashMap<&Player, u32> = self.names.iter().zip(0..).collect();
        let player = |profile: u32| numbers.get(&name(by, profiles, profile)).copied().unwrap_or(u32::MAX);
        Self { names: self.names.clone(), of_profile: (0..profiles.facts.len() as u32).map(player).collect() }
    }

    fn new(by: PlayedBy, profiles: &Profiles) -> Self {
        let campaigns = match by {
            PlayedBy::Channels => None,
            PlayedBy::Placements => Some(CAMPAIGN),
        };
        let places: Vec<usize> = [CHANNEL].into_iter().chain(campaigns).collect();
        // Null comes first, as in the tables.
        let rank = |place: usize, profile: usize| match profiles.codes[place][profile] {
            NULL_CODE => 0,
            code => 1 + profiles.ranks[place][code as usize],
        };
        let key = |profile: usize| places.iter().map(|place| rank(*place, profile)).collect::<Vec<u32>>();
        let mut keys: Vec<(Vec<u32>, usize)> = (0..profiles.facts.len()).map(|profile| (key(profile), profile)).collect();
        keys.sort_unstable();
        let mut players = Self { names: Vec::new(), of_profile: vec![0; profiles.facts.len()] };
        for of_player in keys.chunk_by(|one, other| one.0 == other.0) {
            let first = of_player[0].1;
            of_player.iter().for_each(|(_, profile)| players.of_profile[*profile] = players.names.len() as u32);
            players.names.push(name(by, profiles, first as u32));
        }
        players
    }
}

/// The name of a profile's player.
fn name(by: PlayedBy, profiles: &Profiles, profile: u32) -> Player {
    let text = |place: usize| match profiles.value(place, profile) {
        Value::Text(text) => text.to_string(),
        _ => NOT_SET.to_owned(),
    };
    Player { channel: text(CHANNEL), campaign: (by == PlayedBy::Placements).then(|| text(CAMPAIGN)) }
}

/// A model that is fitted.
struct Learning<'a> {
    /// Its place among the models.
    place: usize,
    setup: &'a ModelSetup,
    model: &'a dyn FittedModel,
    training: Training,
    players: Arc<Players>,
    /// Journeys that ended before this are too old for it.
    since: i64,
}

/// What a model sees of the journeys under a window.
struct Seen {
    /// What all customers show, and what those show that were drawn, draw by draw.
    statistics: Vec<Box<dyn Statistics>>,
    /// Which players take part in any journey.
    takes_part: Vec<bool>,
    /// Of paths that were counted, conversions and journeys that led nowhere.
    paths: FxHashMap<Box<[u32]>, (u64, u64)>,
}

impl Seen {
    fn new(learning: &Learning<'_>) -> Self {
        let draws = 1 + learning.training.bootstrap as usize;
        Self {
            statistics: std::iter::repeat_with(|| learning.model.statistics()).take(draws).collect(),
            takes_part: vec![false; learning.players.names.len()],
            paths: FxHashMap::default(),
        }
    }

    /// Notes the journeys of a path that was counted.
    fn add_path(&mut self, players: &[u32], (conversions, nulls): (u64, u64)) {
        let counts = match self.paths.get_mut(players) {
            Some(counts) => counts,
            None => self.paths.entry(players.into()).or_default(),
        };
        *counts = (counts.0 + conversions, counts.1 + nulls);
    }

    /// Adds the journeys of all paths that were counted, once all are there: however many rows a path has, its journeys are those
    /// of as many customers. So each fold has some of them, and how many are drawn is one number, that hangs on the path and its
    /// counts alone.
    fn add_paths(&mut self, seed: u64) {
        for (players, (conversions, nulls)) in std::mem::take(&mut self.paths) {
            let bytes: Vec<u8> = players.iter().flat_map(|player| player.to_le_bytes()).collect();
            let path = xxh3_64_with_seed(&bytes, seed);
            for (place, statistics) in self.statistics.iter_mut().enumerate() {
                let (conversions, nulls) = match place.checked_sub(1) {
                    Some(draw) => {
                        let drawn = |journeys, converted| journeys_drawn(journeys, converted, path, draw as u32);
                        (drawn(conversions, true), drawn(nulls, false))
                    }
                    None => (conversions, nulls),
                };
                for turn in 0..FOLDS {
                    let part = |journeys: u64| (journeys + (FOLDS - 1 - turn) as u64) / FOLDS as u64;
                    let (conversions, nulls) = (part(conversions), part(nulls));
                    if conversions + nulls > 0 {
                        let fold = ((path % FOLDS as u64) as usize + turn) % FOLDS;
                        statistics.add(Journeys { players: &players, conversions, nulls, fold });
                    }
                }
            }
        }
    }

    fn absorb(&mut self, other: Self) {
        self.statistics.iter_mut().zip(other.statistics).for_each(|(statistics, others)| statistics.absorb(others));
        self.takes_part.iter_mut().zip(other.takes_part).for_each(|(takes_part, there)| *takes_part |= there);
        other.paths.iter().for_each(|(players, counts)| self.add_path(players, *counts));
    }
}

/// Lets the fitted models learn, if there are any, on the threads of the current rayon pool.
///
/// # Errors
/// Where temporary files cannot be read, someone interrupts, or a model can make nothing of the journeys.
pub fn learn(
    setup: &Setup,
    converted: &mut Converted,
    buckets: &mut [Bucket<TouchRecords>],
    profiles: &Profiles,
) -> Result<Fits, EngineError> {
    let learning = learning(setup, converted, profiles);
    let thawed = |model: &ModelSetup| model.frozen.iter().flatten().map(|frozen| Fitted::thawed(frozen, profiles)).collect();
    let mut fits: Vec<Vec<Fitted>> = setup.models.iter().map(thawed).collect();
    if learning.is_empty() {
        return Ok(Fits(fits));
    }
    let budget = Arc::clone(&converted.budget);
    let buckets: Vec<_> = buckets.iter_mut().zip(&mut converted.buckets).map(Mutex::new).collect();
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<Vec<Seen>>, (usize, EngineError)> {
        let mut pupil = Pupil::new(setup, &learning, profiles);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(bucket) = buckets.get(number) else { break };
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            let (touches, conversions) = &mut *bucket;
            pupil.look_at(touches, conversions, &budget).and_then(|()| pupil.fits(&budget)).map_err(|error| (number, error))?;
        }
        Ok(pupil.seen)
    };
    let mut seen: Option<Vec<Vec<Seen>>> = None;
    let mut errors = Vec::new();
    for result in rayon::broadcast(|_| work()) {
        match (result, &mut seen) {
            (Err(error), _) => errors.push(error),
            (Ok(others), None) => seen = Some(others),
            (Ok(others), Some(seen)) => {
                seen.iter_mut().flatten().zip(others.into_iter().flatten()).for_each(|(seen, others)| seen.absorb(others));
            }
        }
    }
    if let Some((_, error)) = errors.into_iter().min_by_key(|(place, _)| *place) {
        return Err(error);
    }
    for (learning, windows) in learning.iter().zip(seen.unwrap_or_default()) {
        for (window, seen) in windows.into_iter().enumerate() {
            budget.check()?;
            fits[learning.place].push(learning.fit(setup, window, seen)?);
        }
    }
    Ok(Fits(fits))
}

fn learning<'a>(setup: &'a Setup, converted: &Converted, profiles: &Profiles) -> Vec<Learning<'a>> {
    let zone = &setup.rules.zone;
    let last = converted.days.map(|(_, last)| last.saturating_add(1));
    let end = setup.range.to.or(last).map(|day| zone.start_of(day));
    let fitted = setup.models.iter().enumerate().filter_map(|(place, setup)| match &setup.weighing {
        Weighing::Fitted(model) if setup.frozen.is_none() => Some((place, setup, &**model)),
        _ => None,
    });
    fitted
        .map(|(place, setup, model)| {
            let training = model.training();
            let since = training.period.zip(end).map_or(i64::MIN, |(period, end)| end.saturating_sub(period));
            let players = Arc::new(Players::new(training.by, profiles));
            Learning { place, setup, model, training, players, since }
        })
        .collect()
}

impl Learning<'_> {
    fn fit(&self, setup: &Setup, window: usize, mut seen: Seen) -> Result<Fitted, EngineError> {
        seen.add_paths(self.training.seed);
        let players = &self.players.names;
        let failed = |problem| EngineError::Fit {
            model: self.setup.name.clone(),
            window: setup.rules.windows[window].to_string(),
            problem,
        };
        let mut statistics = seen.statistics.into_iter();
        let of_all = statistics.next().unwrap_or_else(|| self.model.statistics());
        let of_drawn: Vec<_> = statistics.collect();
        // Of some customers a model may make nothing; the table says how many draws there are.
        let shares = |statistics| {
            let fit: Fit = self.model.fit(statistics, players).ok()?;
            Some(fit.contributions.iter().map(|it| it.share).collect())
        };
        let drawn = of_drawn.into_par_iter().filter_map(shares).collect();
        Ok(Fitted {
            players: Arc::clone(&self.players),
            takes_part: seen.takes_part,
            fit: self.model.fit(of_all, players).map_err(failed)?,
            drawn,
        })
    }
}

/// One thread that looks at journeys.
struct Pupil<'a> {
    setup: &'a Setup,
    learning: &'a [Learning<'a>],
    profiles: &'a Profiles,
    selector: Selector<'a>,
    /// By learning model and window.
    seen: Vec<Vec<Seen>>,
    windows: Vec<usize>,
    chosen: Vec<u32>,
    places: Vec<usize>,
    players: Vec<u32>,
    /// How often the customer at hand is drawn, by learning model and draw.
    times_drawn: Vec<Vec<u64>>,
}

impl<'a> Pupil<'a> {
    fn new(setup: &'a Setup, learning: &'a [Learning<'a>], profiles: &'a Profiles) -> Self {
        let of_model = |learning: &Learning<'_>| setup.rules.windows.iter().map(|_| Seen::new(learning)).collect();
        Self {
            setup,
            learning,
            profiles,
            selector: Selector::new(&setup.rules, &profiles.facts),
            seen: learning.iter().map(of_model).collect(),
            windows: setup.rules.by_width(),
            chosen: Vec::new(),
            places: Vec::new(),
            players: Vec::new(),
            times_drawn: vec![Vec::new(); learning.len()],
        }
    }

    /// Whether what was counted so far fits into the memory.
    fn fits(&self, budget: &Budget) -> Result<(), EngineError> {
        const PATH: usize = 2 * size_of::<(Box<[u32]>, (u64, u64))>() + 48;
        let of_window =
            |seen: &Seen| seen.statistics.iter().map(|it| it.memory()).sum::<u64>() + (seen.paths.len() * PATH) as u64;
        let of_models = self.seen.iter().map(|windows| windows.iter().map(of_window).sum::<u64>());
        let of_models: Vec<(u64, &str)> =
            of_models.zip(self.learning).map(|(bytes, of)| (bytes, of.setup.name.as_str())).collect();
        let all = of_models.iter().map(|(bytes, _)| bytes).sum();
        let (_, most) = of_models.into_iter().max_by_key(|(bytes, _)| *bytes).unwrap_or_default();
        budget.expect_learnt(all, most)
    }

    /// Looks at a bucket; at one that is over its part of the memory a part after the other.
    fn look_at(
        &mut self,
        touches: &mut Bucket<TouchRecords>,
        conversions: &mut ConversionBucket,
        budget: &Budget,
    ) -> Result<(), EngineError> {
        const MOST_BITS: u32 = 12;
        let used = budget.bucket_bits();
        let parts = (touches.bytes() + conversions.bytes()).div_ceil(budget.bucket().max(1)).max(1);
        let bits = parts.next_power_of_two().ilog2().min(MOST_BITS).min(u64::BITS - used);
        for part in 0..1_u64 << bits {
            budget.check()?;
            let of_part = |hash: u64| hash << used >> (u64::BITS - bits) == part;
            let wanted: Option<&dyn Fn(u64) -> bool> = if bits == 0 { None } else { Some(&of_part) };
            let conversions = conversions.look_at(self.setup, None, wanted, budget)?;
            let records = touches.look_at(wanted)?;
            let mut customers = Customers::of(&records, &conversions, self.setup.follows_everyone());
            let profiles = self.profiles;
            // Whoever walks the customers later rejects what is there twice.
            customers.for_each(
                &records,
                profiles,
                |_| (),
                |customer, of_customer| self.look_at_customer(customer, of_customer, &conversions, budget),
            )?;
        }
        Ok(())
    }

    /// As the walk would go.
    fn look_at_customer(
        &mut self,
        customer: Customer<'_>,
        of_customer: Option<Range<usize>>,
        all: &Conversions,
        budget: &Budget,
    ) -> Result<(), EngineError> {
        budget.check()?;
        let setup = self.setup;
        for (times, learning) in self.times_drawn.iter_mut().zip(self.learning) {
            times.clear();
            times.push(1);
            let Training { bootstrap, seed, .. } = learning.training;
            times.extend((0..bootstrap).map(|draw| times_drawn(customer.key, draw, seed)));
        }
        let touches = Touches { times: customer.times, profiles: customer.profiles };
        let mut converted = false;
        if let Some(conversions) = of_customer {
            let consumed_until = setup.rules.consumed_until(&all.times[conversions.clone()], &all.kinds[conversions.clone()]);
            let counts = |conversion: &usize| all.in_range(*conversion) && !all.is_refund(*conversion);
            for conversion in conversions.clone().filter(counts) {
                converted = true;
                // Of some customers every conversion takes its time.
                budget.check()?;
                let consumed_until = consumed_until.get(conversion - conversions.start).copied().flatten();
                let time = all.times[conversion];
                for place in 0..self.windows.len() {
                    let window = self.windows[place];
                    let mut chosen = std::mem::take(&mut self.chosen);
                    if self.selector.select(touches, time, consumed_until, window, &mut chosen).is_ok() {
                        self.count(customer, &chosen, window, time, all.journeys(conversion));
                    }
                    self.chosen = chosen;
                }
            }
        }
        let in_range = |time: &i64| setup.range.contains(setup.rules.zone.day(*time));
        let last = customer.times.iter().rposition(in_range).filter(|_| !converted);
        if let (Some(last), true) = (last, self.learning.iter().any(|learning| learning.training.null_journeys)) {
            for window in 0..setup.rules.windows.len() {
                let mut chosen = std::mem::take(&mut self.chosen);
                if self.selector.select_null_journey(touches, last, window, &mut chosen) {
                    self.count(customer, &chosen, window, customer.times[last], (0, 1));
                }
                self.chosen = chosen;
            }
        }
        Ok(())
    }

    /// Counts journeys of the same touches: conversions, and those that led nowhere.
    fn count(&mut self, customer: Customer<'_>, chosen: &[u32], window: usize, time: i64, journeys: (u64, u64)) {
        let profile = |touch: u32| customer.profiles[touch as usize] as usize;
        for (number, learning) in self.learning.iter().enumerate() {
            let (conversions, nulls) = if learning.training.null_journeys { journeys } else { (journeys.0, 0) };
            if time < learning.since || conversions + nulls == 0 {
                continue;
            }
            let flags = |place: usize| self.profiles.facts[profile(chosen[place])].flags;
            let player = |touch: u32| learning.players.of_profile[profile(touch)];
            self.players.clear();
            match learning.setup.narrow(chosen.len(), flags, &mut self.places) {
                Narrowed::Nothing => continue,
                Narrowed::All => self.players.extend(chosen.iter().map(|touch| player(*touch))),
                Narrowed::Some => self.players.extend(self.places.iter().map(|place| player(chosen[*place]))),
            }
            let seen = &mut self.seen[number][window];
            self.players.iter().for_each(|player| seen.takes_part[*player as usize] = true);
            if self.setup.counted {
                seen.add_path(&self.players, (conversions, nulls));
                continue;
            }
            let fold = (customer.key.hash() % FOLDS as u64) as usize;
            for (statistics, times) in seen.statistics.iter_mut().zip(&self.times_drawn[number]) {
                if *times > 0 {
                    let (conversions, nulls) = (conversions * times, nulls * times);
                    statistics.add(Journeys { players: &self.players, conversions, nulls, fold });
                }
            }
        }
    }
}

/// How often a customer is drawn: Poisson with mean 1, which is what drawing as many customers as there are comes to (Hanley,
/// MacGibbon, "Creating non-parametric bootstrap samples using Poisson frequencies", Computer Methods and Programs in Biomedicine
/// 83 (2006) 57–62). It hangs on the customer, the draw and the seed alone.
fn times_drawn(customer: Key, draw: u32, seed: u64) -> u64 {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(&customer.0.to_le_bytes());
    bytes[16..].copy_from_slice(&draw.to_le_bytes());
    poisson(1, || chance(xxh3_64_with_seed(&bytes, seed)))
}

/// How many journeys of a path are drawn, each of another customer: `converted` tells those that did from those that did not.
fn journeys_drawn(journeys: u64, converted: bool, path: u64, draw: u32) -> u64 {
    let mut next = u32::from(converted) << 31;
    poisson(journeys, || {
        let bytes = [draw, next].map(u32::to_le_bytes).concat();
        next += 1;
        chance(xxh3_64_with_seed(&bytes, path))
    })
}

/// A number from 0 to 1 of a hash.
fn chance(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number of that mean, Poisson, by chances from 0 to 1. Beyond some mean it is a normal one with the skewness set right, which
/// is off by less than the half that it is rounded by.
fn poisson(mean: u64, mut chance: impl FnMut() -> f64) -> u64 {
    const BY_STEPS: u64 = 64;
    /// 1 / e, which every platform has to the last bit.
    const OF_ONE: f64 = 0.367_879_441_171_442_33;
    if mean > BY_STEPS {
        // 1 − chance is never 0.
        let (one, other) = (1.0 - chance(), chance());
        let normal = (-2.0 * libm::log(one)).sqrt() * libm::cos(std::f64::consts::TAU * other);
        let mean = mean as f64;
        return (mean + normal * mean.sqrt() + (normal * normal - 1.0) / 6.0).round().max(0.0) as u64;
    }
    let drawn = chance();
    let mut probability = (0..mean).fold(1.0, |probability, _| probability * OF_ONE);
    let (mut below, mut times) = (probability, 0);
    while drawn >= below && times < 20 * mean {
        times += 1;
        probability = probability * mean as f64 / times as f64;
        below += probability;
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customers_are_drawn_as_often_as_poisson_says() {
        let mut counts = [0_u32; 8];
        for customer in 0..100_000 {
            counts[times_drawn(Key::from_int(customer), 3, 1).min(7) as usize] += 1;
        }
        for (count, expected) in counts.iter().zip([36_788.0, 36_788.0, 18_394.0, 6_131.0, 1_533.0, 307.0]) {
            assert!((f64::from(*count) - expected).abs() < 5.0 * expected.sqrt(), "{counts:?}");
        }
        let of = |draw, seed| (0..64).map(|customer| times_drawn(Key::from_int(customer), draw, seed)).collect::<Vec<_>>();
        assert!(of(0, 1) == of(0, 1) && of(0, 1) != of(1, 1) && of(0, 1) != of(0, 2));
    }

    #[test]
    fn journeys_of_a_path_are_drawn_as_those_of_as_many_customers() {
        for journeys in [0_u64, 1, 7, 64, 65, 1_000, 1_000_000] {
            let drawn: Vec<f64> = (0..20_000).map(|path| journeys_drawn(journeys, path % 2 == 0, path, 3) as f64).collect();
            let (mean, of) = (journeys as f64, drawn.len() as f64);
            let moment = |power: i32| drawn.iter().map(|it| (it - mean).powi(power)).sum::<f64>() / of;
            // Mean, variance and third moment of a Poisson number are all its mean, give or take what chance does.
            assert!(moment(1).abs() <= 5.0 * (mean / of).sqrt(), "{journeys}: {}", moment(1));
            assert!((moment(2) - mean).abs() <= 5.0 * ((mean + 2.0 * mean * mean) / of).sqrt(), "{journeys}: {}", moment(2));
            assert!(
                (moment(3) - mean).abs() <= 6.0 * (15.0 * (mean + mean * mean).powi(3) / of).sqrt(),
                "{journeys}: {}",
                moment(3)
            );
        }
    }
}
