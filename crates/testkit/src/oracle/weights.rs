//! The weights of the additive models.

use attributary_core::duration::DAY;
use attributary_core::model::Fallback;

use crate::settings::{ModelKind, OracleModel, OracleSettings};
use crate::sql::Cell;

use super::clean::Touch;
use super::journeys;

/// One weight per touch (at least one, oldest first), finite and not negative; all zero means ignored.
///
/// # Panics
/// Where a custom weight is negative, null or not finite: that ends a run, so no case and no random log has one.
pub fn weights(touches: &[&Touch], end: i64, model: &OracleModel, settings: &OracleSettings) -> Vec<f64> {
    let count = touches.len();
    let one_hot = |place: Option<usize>| (0..count).map(|touch| f64::from(u8::from(Some(touch) == place))).collect();
    let is_click = |touch: &&Touch| !settings.mapped.interaction || touch.interaction.as_deref() == Some("click");
    match &model.kind {
        ModelKind::LastTouch => one_hot(Some(count - 1)),
        ModelKind::FirstTouch => one_hot(Some(0)),
        ModelKind::LastClick => match touches.iter().rposition(&is_click) {
            None if model.fallback == Fallback::All => one_hot(Some(count - 1)),
            click => one_hot(click),
        },
        ModelKind::FirstClick => match touches.iter().position(is_click) {
            None if model.fallback == Fallback::All => one_hot(Some(0)),
            click => one_hot(click),
        },
        ModelKind::Linear { per_channel: false } => vec![1.0; count],
        ModelKind::Linear { per_channel: true } => {
            let of_channel = |touch: &Touch| touches.iter().filter(|other| other.channel == touch.channel).count();
            touches.iter().map(|touch| 1.0 / of_channel(touch) as f64).collect()
        }
        // Each touch gets the whole: see `attribute`.
        ModelKind::AnyTouch => vec![1.0; count],
        ModelKind::TimeDecay { half_life } => {
            let age = |touch: &Touch| end - touch.time;
            let youngest = touches.iter().map(|touch| age(touch)).min().unwrap_or(0);
            let weight = |touch: &&Touch| libm::exp2(-((age(touch) - youngest) as f64) / half_life.micros() as f64);
            touches.iter().map(weight).collect()
        }
        ModelKind::PositionBased { first, last } => by_position(count, *first, *last),
        ModelKind::JShaped => by_position(count, 0.2, 0.6),
        ModelKind::InverseJ => by_position(count, 0.6, 0.2),
        ModelKind::Custom { weight } => (0..count)
            .map(|place| {
                let touch = touches[place];
                let column = |name: &str| match name {
                    "position" => Cell::Number((place + 1) as f64),
                    "length" => Cell::Number(count as f64),
                    "age_days" => Cell::Number((end - touch.time) as f64 / DAY as f64),
                    _ => journeys::cell(touch, name, settings),
                };
                match weight.evaluate(&column) {
                    Cell::Number(number) if number.is_finite() && number >= 0.0 => number,
                    other => panic!("the weight {weight:?} is {other:?}"),
                }
            })
            .collect(),
    }
}

fn by_position(count: usize, first: f64, last: f64) -> Vec<f64> {
    match count {
        1 => vec![1.0],
        2 => vec![first, last],
        _ => {
            let middle = (1.0 - first - last).max(0.0) / (count - 2) as f64;
            let mut weights = vec![middle; count];
            weights[0] = first;
            weights[count - 1] = last;
            weights
        }
    }
}
