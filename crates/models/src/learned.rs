//! What models that are fitted have in common: their parameters, and how contributions become parts of all conversions.

use std::any::Any;

use attributary_core::learning::{
    Contribution, FOLDS, Fit, FittedModel, Journeys, PlayedBy, Player, Statistics, ToldAs, Training,
};
use attributary_core::model::{ParameterError, ParameterKind, ParameterSpec, Parameters, Weighing};
use attributary_fitted::outcomes::{self, Calibration, HeldOut, OfSet};
use attributary_fitted::{Counts, SetCounts};

/// Who takes part.
pub(crate) const BY: ParameterSpec = ParameterSpec {
    name: "by",
    kind: ParameterKind::Choice(&["channel", "channel, campaign"]),
    default: Some("channel"),
    help: "what takes part in journeys",
};

/// Whether journeys that led nowhere are learnt from.
pub(crate) const NULL_JOURNEYS: ParameterSpec = ParameterSpec {
    name: "null_journeys",
    kind: ParameterKind::Flag,
    default: Some("true"),
    help: "whether it learns from the journeys of customers who did not convert, too",
};

/// Back to where it learns.
pub(crate) const FIT: ParameterSpec = ParameterSpec {
    name: "fit",
    kind: ParameterKind::Period,
    default: Some("all"),
    help: "how far back from the end of the range it learns from journeys",
};

/// What becomes of contributions below zero.
pub(crate) const NEGATIVE: ParameterSpec = ParameterSpec {
    name: "negative",
    kind: ParameterKind::Choice(&["keep", "clip", "error"]),
    default: Some("keep"),
    help: "what becomes of a contribution below zero in the channels' parts of all conversions; single conversions give it nothing",
};

/// How often it is fitted anew.
pub(crate) const BOOTSTRAP: ParameterSpec = ParameterSpec {
    name: "bootstrap",
    kind: ParameterKind::Whole { least: 0, most: 10_000 },
    default: Some("0"),
    help: "how many times it is fitted anew, to customers drawn at random, for the table of intervals",
};

/// Whether it is fitted anew by each run.
pub(crate) const REFIT: ParameterSpec = ParameterSpec {
    name: "refit",
    kind: ParameterKind::Choice(&["always", "frozen"]),
    default: Some("always"),
    help: "whether each run fits it anew, or the first one, whose fit credits later days until `run --refit`",
};

/// What chance hangs on.
pub(crate) const SEED: ParameterSpec = ParameterSpec {
    name: "seed",
    kind: ParameterKind::Whole { least: 0, most: i64::MAX as u64 },
    default: Some("1"),
    help: "what is drawn at random: the same seed draws the same",
};

/// The training that these parameters ask for.
pub(crate) fn training(parameters: &Parameters) -> Result<Training, ParameterError> {
    let by = if parameters.text(BY.name)? == "channel" { PlayedBy::Channels } else { PlayedBy::Placements };
    Ok(Training {
        by,
        null_journeys: parameters.flag(NULL_JOURNEYS.name)?,
        period: parameters.period(FIT.name)?,
        bootstrap: u32::try_from(parameters.whole(BOOTSTRAP.name)?).unwrap_or(u32::MAX),
        seed: parameters.whole(SEED.name)?,
    })
}

/// What becomes of contributions below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Negative {
    Keep,
    Clip,
    Error,
}

impl Negative {
    pub fn of(parameters: &Parameters) -> Result<Self, ParameterError> {
        Ok(match parameters.text(NEGATIVE.name)? {
            "clip" => Self::Clip,
            "error" => Self::Error,
            _ => Self::Keep,
        })
    }
}

/// Contributions with their parts of all conversions, and how many are below zero.
pub(crate) fn shares(
    values: impl IntoIterator<Item = (f64, Option<f64>)>,
    negative: Negative,
) -> Result<(Vec<Contribution>, usize), String> {
    let mut all: Vec<Contribution> =
        values.into_iter().map(|(value, standard_error)| Contribution { value, standard_error, share: 0.0 }).collect();
    let below = all.iter().filter(|it| it.value < 0.0).count();
    if below > 0 && negative == Negative::Error {
        return Err(format!("{below} of {} contributions are below zero, and `negative = \"error\"`", all.len()));
    }
    let counted = |it: &Contribution| if negative == Negative::Clip { it.value.max(0.0) } else { it.value };
    let sum: f64 = all.iter().map(counted).sum();
    if sum > 0.0 {
        all.iter_mut().for_each(|it| it.share = counted(it) / sum);
    } else if below > 0 {
        return Err(
            "what channels contribute is nothing or less, taken together, so conversions cannot be divided by it".to_owned()
        );
    }
    Ok((all, below))
}

/// Journeys by who took part in them, by the fold of their customers.
pub(crate) struct Sets(pub Vec<SetCounts>);

impl Statistics for Sets {
    fn add(&mut self, journeys: Journeys<'_>) {
        self.0[journeys.fold].add(journeys.players, journeys.conversions, journeys.nulls);
    }

    fn absorb(&mut self, other: Box<dyn Statistics>) {
        if let Ok(other) = own::<Self>(other) {
            self.0.iter_mut().zip(&other.0).for_each(|(fold, others)| fold.merge(others));
        }
    }

    fn memory(&self) -> u64 {
        self.0.iter().map(SetCounts::memory).sum()
    }
}

/// What players contribute, with standard errors where they were drawn: of journeys by who took part, and so many players.
pub(crate) type Game = Box<dyn Fn(&SetCounts, usize) -> Vec<(f64, Option<f64>)> + Send + Sync>;

/// What foretells from some journeys, of which such a part converts, how others end.
pub(crate) type Foretelling = for<'a> fn(&'a SetCounts, f64) -> OfSet<'a>;

/// A model for which it matters who took part in a journey, and nothing else.
pub(crate) struct OfSets {
    pub training: Training,
    pub negative: Negative,
    pub game: Game,
    /// None where the game knows no probabilities.
    pub foretelling: Option<Foretelling>,
}

impl OfSets {
    /// The model that these parameters ask for.
    pub fn weighing(parameters: &Parameters, game: Game, foretelling: Option<Foretelling>) -> Result<Weighing, ParameterError> {
        let (training, negative) = (training(parameters)?, Negative::of(parameters)?);
        Ok(Weighing::Fitted(Box::new(Self { training, negative, game, foretelling })))
    }
}

impl FittedModel for OfSets {
    fn training(&self) -> Training {
        self.training
    }

    fn told_as(&self) -> ToldAs {
        ToldAs::ShapleyValues
    }

    fn statistics(&self) -> Box<dyn Statistics> {
        Box::new(Sets(vec![SetCounts::default(); FOLDS]))
    }

    fn fit(&self, statistics: Box<dyn Statistics>, players: &[Player]) -> Result<Fit, String> {
        let Sets(folds) = *own::<Sets>(statistics)?;
        let mut sets = SetCounts::default();
        folds.iter().for_each(|fold| sets.merge(fold));
        let (contributions, below) = shares((self.game)(&sets, players.len()), self.negative)?;
        let sets = sets.sorted();
        let sum = |of: &dyn Fn(&Counts) -> u64| sets.iter().map(|(_, counts)| of(counts)).sum::<u64>() as f64;
        let numbers = vec![
            ("journeys", sum(&|counts| counts.journeys)),
            ("conversions", sum(&|counts| counts.conversions)),
            ("sets", sets.len() as f64),
            ("negative_contributions", below as f64),
        ];
        let held_out = self.foretelling.and_then(|foretelling| outcomes::held_out_sets(&folds, &foretelling));
        let statistics = named(numbers).into_iter().chain(held_out.iter().flat_map(told)).collect();
        Ok(Fit { weights: weights(&contributions), contributions, statistics, ..Fit::default() })
    }
}

/// What is told of journeys that a model was not fitted to: how well their ends are foretold, and by the length of journeys what came
/// and what was foretold.
pub(crate) fn told(held_out: &HeldOut) -> impl Iterator<Item = (String, f64)> {
    let whole = [("held_out_log_likelihood", held_out.log_likelihood), ("held_out_auc", held_out.auc)];
    let of_length = |it: &Calibration| {
        let named = |what: &str, number: f64| (format!("calibration_{what}_{}", it.lengths), number);
        let (journeys, conversions) = (it.counts.journeys as f64, it.counts.conversions as f64);
        [named("journeys", journeys), named("conversions", conversions), named("foretold", it.foretold)]
    };
    named(whole.to_vec()).into_iter().chain(held_out.calibration.iter().flat_map(of_length))
}

/// Numbers by their names.
pub(crate) fn named(numbers: Vec<(&'static str, f64)>) -> Vec<(String, f64)> {
    numbers.into_iter().map(|(name, number)| (name.to_owned(), number)).collect()
}

/// A model's own statistics.
pub(crate) fn own<T: Statistics>(statistics: Box<dyn Statistics>) -> Result<Box<T>, String> {
    let statistics: Box<dyn Any> = statistics;
    statistics.downcast().map_err(|_| "statistics of another model".to_owned())
}

/// Contributions as weights within a journey.
pub(crate) fn weights(contributions: &[Contribution]) -> Vec<f64> {
    contributions.iter().map(|it| it.value.max(0.0)).collect()
}

/// Players of these channels.
#[cfg(test)]
pub(crate) fn players(channels: &[&str]) -> Vec<Player> {
    let player = |channel: &&str| Player { channel: (*channel).to_owned(), campaign: None };
    channels.iter().map(player).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_one_whatever_is_below_zero() {
        let of = |values: &[f64], negative| {
            shares(values.iter().map(|value| (*value, None)), negative)
                .map(|(all, below)| (all.iter().map(|it| it.share).collect::<Vec<_>>(), below))
        };
        assert_eq!(of(&[3.0, -1.0], Negative::Keep), Ok((vec![1.5, -0.5], 1)));
        assert_eq!(of(&[3.0, -1.0], Negative::Clip), Ok((vec![1.0, 0.0], 1)));
        assert!(of(&[3.0, -1.0], Negative::Error).is_err_and(|problem| problem.starts_with("1 of 2 contributions")));
        assert!(of(&[1.0, -1.0], Negative::Keep).is_err());
        assert_eq!(of(&[0.0, 0.0], Negative::Error), Ok((vec![0.0, 0.0], 0)));
    }
}
