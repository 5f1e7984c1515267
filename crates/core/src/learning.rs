//! Models that are fitted: what they are told of all journeys before they weigh one, and what they make of it.
//!
//! Whoever walks the journeys names their touches by *players*: channels, or pairs of channel and campaign, numbered in the
//! order of their names. A model gives [`Statistics`], which are filled by many threads and put together; then it is fitted once,
//! and its [`Fit`] weighs every journey.

use std::any::Any;

use crate::journey::Journey;
use crate::model::Credit;

/// Who takes part in journeys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlayedBy {
    /// Channels.
    #[default]
    Channels,
    /// Pairs of a channel and a campaign.
    Placements,
}

/// How a fitted model wants to be fitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Training {
    /// Who takes part.
    pub by: PlayedBy,
    /// Whether it asks for journeys that led to no conversion.
    pub null_journeys: bool,
    /// From which age on journeys are too old for it, in microseconds back from the end of the range; none: all are looked at.
    pub period: Option<i64>,
    /// How many times it is fitted anew to customers drawn at random, for intervals.
    pub bootstrap: u32,
    /// Which customers are drawn.
    pub seed: u64,
}

/// A model that is fitted to all journeys before it weighs one.
pub trait FittedModel: Send + Sync {
    /// How it wants to be fitted.
    fn training(&self) -> Training;

    /// What its contributions are.
    fn told_as(&self) -> ToldAs;

    /// Whether it matters who comes when, see [`Fit::by_position`].
    fn by_position(&self) -> bool {
        false
    }

    /// Statistics of no journeys.
    fn statistics(&self) -> Box<dyn Statistics>;

    /// What the journeys of these players say. The same for the same journeys, in whatever order they came.
    ///
    /// # Errors
    /// Why nothing can be made of them.
    fn fit(&self, statistics: Box<dyn Statistics>, players: &[Player]) -> Result<Fit, String>;
}

/// Who takes part, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Player {
    /// The channel, or `(not set)`.
    pub channel: String,
    /// The campaign, or `(not set)`, where placements play.
    pub campaign: Option<String>,
}

/// Into so many folds customers are divided, so that a model can be tried on those that it was not fitted to.
pub const FOLDS: usize = 5;

/// Journeys of the same touches.
#[derive(Clone, Copy, Debug)]
pub struct Journeys<'a> {
    /// The players of their touches, the oldest first.
    pub players: &'a [u32],
    /// How many led to a conversion.
    pub conversions: u64,
    /// How many did not.
    pub nulls: u64,
    /// The fold of the customers, below [`FOLDS`].
    pub fold: usize,
}

/// What a model keeps of journeys. Counts, so that it does not matter in which order they come.
pub trait Statistics: Any + Send {
    /// Adds journeys.
    fn add(&mut self, journeys: Journeys<'_>);

    /// Adds what others, of the same model, have seen.
    fn absorb(&mut self, other: Box<dyn Statistics>);

    /// Some bytes more or less than they take.
    fn memory(&self) -> u64;
}

/// What a model learnt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fit {
    /// What each player weighs within a journey, finite and not negative. Its touches share it.
    pub weights: Vec<f64>,
    /// Where it matters who comes when: what each player did as the first of a journey, as the second, and so on. That is what it
    /// weighs there, instead of [`Fit::weights`]. Empty where it does not matter.
    pub by_position: Vec<Vec<f64>>,
    /// What each player did for all journeys.
    pub contributions: Vec<Contribution>,
    /// What groups of players did together, by their names: in the measure of the contributions.
    pub groups: Vec<(String, f64)>,
    /// The steps of a chain, if the model is one.
    pub steps: Vec<Step>,
    /// Numbers that tell how good it is, and how it was found.
    pub statistics: Vec<(String, f64)>,
}

/// Which table tells of contributions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToldAs {
    /// `removal_effects`: what would be lost without a player, in a chain whose steps are told, too.
    #[default]
    RemovalEffects,
    /// `shapley_values`: what a player adds.
    ShapleyValues,
}

/// What a player did for all journeys.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Contribution {
    /// In the model's own measure.
    pub value: f64,
    /// Its standard error, where it was drawn.
    pub standard_error: Option<f64>,
    /// Its part of all conversions; together they are 1, or 0 where there is nothing to divide.
    pub share: f64,
}

/// Where a step of a chain begins or ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// Before the first touch.
    Start,
    /// A state: the players of the last touches.
    State(Box<[u32]>),
    /// A conversion.
    Conversion,
    /// The end without one.
    Null,
}

/// A step of a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// From here.
    pub from: Node,
    /// To there.
    pub to: Node,
    /// How many journeys went so.
    pub count: u64,
    /// Of those that were here, how many went so.
    pub probability: f64,
}

impl Fit {
    /// Weighs a journey; `player` names that of a touch. Of players who weigh nothing all are alike.
    pub fn weigh(&self, journey: &Journey<'_>, player: impl Fn(usize) -> u32, weights: &mut Vec<f64>) -> Credit {
        if journey.len() == 1 {
            return Credit::One(0);
        }
        // Mostly few players take part, so a list is as good as a map.
        let mut counts: Vec<(u32, f64)> = Vec::new();
        for touch in 0..journey.len() {
            let player = player(touch);
            match counts.iter_mut().find(|(known, _)| *known == player) {
                Some((_, count)) => *count += 1.0,
                None => counts.push((player, 1.0)),
            }
        }
        // Players stand in the order of their first touches.
        let weight = |place: usize, player: u32| match self.by_position.get(player as usize) {
            Some(places) => places.get(place),
            None => self.weights.get(player as usize),
        };
        let mut any = false;
        for (place, (player, count)) in counts.iter_mut().enumerate() {
            let weight = weight(place, *player).copied().unwrap_or(0.0);
            any |= weight != 0.0;
            *count = weight / *count;
        }
        if !any {
            return Credit::Equal;
        }
        let of_touch = |touch: usize| {
            let player = player(touch);
            counts.iter().find(|(known, _)| *known == player).map_or(0.0, |(_, weight)| *weight)
        };
        weights.extend((0..journey.len()).map(of_touch));
        Credit::Weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::TouchFacts;

    fn weigh(of_players: &[f64], players: &[u32]) -> (Credit, Vec<f64>) {
        let places: Vec<u32> = (0..players.len() as u32).collect();
        let (times, facts) = (vec![0; players.len()], [TouchFacts::default()]);
        let profiles = vec![0; players.len()];
        let journey = Journey::new(0, &places, &times, &profiles, &facts);
        let mut weights = Vec::new();
        let fit = Fit { weights: of_players.to_vec(), ..Fit::default() };
        (fit.weigh(&journey, |touch| players[touch], &mut weights), weights)
    }

    #[test]
    fn the_touches_of_a_player_share_what_it_weighs() {
        assert_eq!(weigh(&[0.5, 0.25], &[0, 1, 0, 1, 1, 1]), (Credit::Weights, vec![0.25, 0.0625, 0.25, 0.0625, 0.0625, 0.0625]));
        assert_eq!(weigh(&[0.5, 0.25], &[1]), (Credit::One(0), vec![]));
        assert_eq!(weigh(&[0.0, 0.25], &[0, 0]), (Credit::Equal, vec![]));
        let by_position = vec![vec![0.5], vec![0.25, 0.125]];
        let fit = Fit { weights: vec![9.0, 9.0], by_position, ..Fit::default() };
        let of = |players: [u32; 3]| {
            let (mut weights, facts) = (Vec::new(), [TouchFacts::default()]);
            let journey = Journey::new(0, &[0, 1, 2], &[0; 3], &[0; 3], &facts);
            (fit.weigh(&journey, |touch| players[touch], &mut weights), weights)
        };
        assert_eq!(of([0, 1, 0]), (Credit::Weights, vec![0.25, 0.125, 0.25]));
        assert_eq!(of([1, 0, 0]), (Credit::Weights, vec![0.25, 0.0, 0.0]), "it never came second");
        // Who was not there when the model was fitted weighs nothing.
        assert_eq!(weigh(&[0.5], &[7, 0]), (Credit::Weights, vec![0.0, 0.5]));
    }
}
