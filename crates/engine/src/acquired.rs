//! Which channel acquired whom: of a customer's first order the channel that got most of it, under each model and window.

use attributary_core::WHOLE_SHARE;
use attributary_core::batch::attribute::CHANNEL;
use attributary_core::model::Credit;
use attributary_journeys::Profiles;
use rustc_hash::FxHashMap;

use crate::split::Split;

/// The code of no channel: no touch got the order.
pub(crate) const UNATTRIBUTED: u32 = u32::MAX - 1;

/// The code of what is not known: the order lies outside the range.
pub(crate) const UNKNOWN: u32 = u32::MAX;

/// The channels of the first orders of a bucket.
#[derive(Default)]
pub(crate) struct Acquired {
    models: usize,
    pairs: usize,
    /// By the first order: for each window and model the code of a channel.
    channels: FxHashMap<usize, Box<[u32]>>,
    /// The channels of the journey at hand and what each got, in the order of their first touches.
    of_journey: Vec<(u32, i64)>,
}

impl Acquired {
    /// For so many models and windows.
    pub fn new(models: usize, windows: usize) -> Self {
        Self { models, pairs: models * windows, ..Self::default() }
    }

    /// Takes what a model gave of a first order to its touches; `profile` says those. Of channels that got the same, that of the
    /// earlier touch counts.
    pub fn attribute(
        &mut self,
        conversion: usize,
        place: (usize, usize),
        (split, credit, length): (&mut Split, Credit, usize),
        (profile, profiles): (&dyn Fn(usize) -> u32, &Profiles),
    ) {
        let channel = |touch: usize| profiles.codes[CHANNEL][profile(touch) as usize];
        let best = match credit {
            Credit::One(touch) => channel(touch),
            Credit::Whole => channel(0),
            _ => {
                let mut all = std::mem::take(&mut self.of_journey);
                all.clear();
                split.each(credit, length, WHOLE_SHARE, |touches, part| {
                    for touch in touches {
                        let code = channel(touch);
                        match all.iter_mut().find(|(known, _)| *known == code) {
                            Some((_, sum)) => *sum += part,
                            None => all.push((code, part)),
                        }
                    }
                });
                // The first of the largest.
                let best = all.iter().rev().max_by_key(|(_, sum)| *sum).map_or(UNATTRIBUTED, |(code, _)| *code);
                self.of_journey = all;
                best
            }
        };
        self.set(conversion, place, best);
    }

    /// No touch got a first order.
    pub fn leave(&mut self, conversion: usize, place: (usize, usize)) {
        self.set(conversion, place, UNATTRIBUTED);
    }

    fn set(&mut self, conversion: usize, (model, window): (usize, usize), channel: u32) {
        let all = self.channels.entry(conversion).or_insert_with(|| vec![UNKNOWN; self.pairs].into());
        all[window * self.models + model] = channel;
    }

    /// The channels of a first order, window by window and model by model; none where it was not walked.
    pub fn of(&self, conversion: usize) -> Option<&[u32]> {
        self.channels.get(&conversion).map(|channels| &**channels)
    }

    /// Forgets a bucket.
    pub fn clear(&mut self) {
        self.channels.clear();
    }
}
