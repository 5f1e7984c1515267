//! The worked example of a model, computed by the model itself: what `attributary models KIND` shows.

use attributary_core::WHOLE_SHARE;
use attributary_core::duration::DAY;
use attributary_core::learning::{FOLDS, Journeys, Player};
use attributary_core::model::{
    Credit, ExpressionCompiler, ModelSpec, ParameterError, ParameterKind, Parameters, TouchColumns, Weighing, WeightExpression,
};
use attributary_core::table::Column;
use attributary_core::value::Value;

use crate::sample::{SampleJourney, SampleTouch, parts};

/// The journey of every worked example: four touches over ten days.
pub const JOURNEY: [SampleTouch; 4] = [
    SampleTouch::click("search", 10),
    SampleTouch::view("social", 8),
    SampleTouch::click("email", 3),
    SampleTouch { channel: "direct", interaction: "visit", age: DAY },
];

/// The value of the conversion in every worked example, in minor units of a currency with two digits: 100.00.
pub const AMOUNT: i64 = 10_000;

/// What a model makes of [`JOURNEY`] and [`AMOUNT`] with its default parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkedExample {
    /// The parameters it was computed with, as they would be typed.
    pub parameters: Vec<(&'static str, &'static str)>,
    /// The value that is divided, in minor units.
    pub amount: i64,
    /// One row for each touch, oldest first.
    pub rows: Vec<WorkedRow>,
}

/// One touch of a worked example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkedRow {
    /// Its channel.
    pub channel: &'static str,
    /// What the customer did.
    pub interaction: &'static str,
    /// Days before the conversion.
    pub age_days: i64,
    /// Its share, in billionths.
    pub share: i64,
    /// Its amount, in minor units.
    pub amount: i64,
}

/// The worked example of a model. Of a parameter without default, an expression is `position`: later touches weigh more.
///
/// # Errors
/// Where the model cannot be built from its own defaults.
pub fn example(spec: &ModelSpec) -> Result<WorkedExample, ParameterError> {
    let mut parameters = Parameters::defaults(spec)?;
    let mut typed = Vec::new();
    for parameter in spec.parameters {
        let text = match (parameter.default, parameter.kind) {
            (Some(default), _) => default,
            (None, ParameterKind::Expression) => POSITION,
            (None, _) => continue,
        };
        parameters.set(parameter, text)?;
        typed.push((parameter.name, text));
    }
    let sample = SampleJourney::new(&JOURNEY);
    let mut weights = Vec::new();
    let credit = match (spec.build)(&parameters, &PositionCompiler)? {
        Weighing::Journey(model) => model.weigh(&sample.journey(), &mut weights),
        Weighing::Expression(expression) => {
            let found = expression.evaluate(&positions(JOURNEY.len()));
            weights = found.unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect();
            Credit::Weights
        }
        Weighing::Fitted(model) => {
            let mut statistics = model.statistics();
            for (fold, (channels, conversions, nulls)) in LEARNT.into_iter().enumerate() {
                let players: Vec<u32> = channels.iter().map(|channel| player(channel)).collect();
                statistics.add(Journeys { players: &players, conversions, nulls, fold: fold % FOLDS });
            }
            let players = PLAYERS.map(|channel| Player { channel: channel.to_owned(), campaign: None });
            let fit = model.fit(statistics, &players);
            let fit = fit.map_err(|problem| ParameterError { parameter: spec.kind.to_owned(), problem })?;
            fit.weigh(&sample.journey(), |touch| player(JOURNEY[touch].channel), &mut weights)
        }
    };
    let nothing = || vec![0; JOURNEY.len()];
    let shares = parts(credit, &weights, JOURNEY.len(), WHOLE_SHARE).unwrap_or_else(nothing);
    let amounts = parts(credit, &weights, JOURNEY.len(), AMOUNT).unwrap_or_else(nothing);
    let rows = JOURNEY.iter().zip(shares.into_iter().zip(amounts)).map(|(touch, (share, amount))| WorkedRow {
        channel: touch.channel,
        interaction: touch.interaction,
        age_days: touch.age / DAY,
        share,
        amount,
    });
    Ok(WorkedExample { parameters: typed, amount: AMOUNT, rows: rows.collect() })
}

/// The channels of [`JOURNEY`], in the order of their names.
const PLAYERS: [&str; 4] = ["direct", "email", "search", "social"];

fn player(channel: &str) -> u32 {
    PLAYERS.iter().position(|name| *name == channel).unwrap_or(PLAYERS.len()) as u32
}

/// A hundred journeys that models are fitted to for a worked example: their channels, how many convert, and how many do not.
pub const LEARNT: [(&[&str], u64, u64); 7] = [
    (&["search"], 8, 12),
    (&["direct"], 6, 4),
    (&["social"], 1, 24),
    (&["search", "direct"], 6, 4),
    (&["social", "search"], 4, 11),
    (&["search", "email", "direct"], 6, 4),
    (&["social", "email"], 2, 8),
];

/// The one expression that [`PositionCompiler`] knows.
const POSITION: &str = "position";

/// A compiler without a SQL engine: whatever the text, the weight of a touch is its position.
pub struct PositionCompiler;

impl ExpressionCompiler for PositionCompiler {
    fn compile(&self, _expression: &str) -> Result<Box<dyn WeightExpression>, String> {
        Ok(Box::new(Position))
    }
}

struct Position;

impl WeightExpression for Position {
    fn evaluate(&self, touches: &TouchColumns) -> Result<Vec<Option<f64>>, String> {
        let (_, column) = touches.columns.iter().find(|(name, _)| name == POSITION).ok_or("there is no column position")?;
        let weight = |row| match column.value(row) {
            Value::Int(position) => Some(position as f64),
            _ => None,
        };
        Ok((0..column.len()).map(weight).collect())
    }
}

/// The columns of one journey of `length` touches, as far as [`PositionCompiler`] looks at them.
#[must_use]
pub fn positions(length: usize) -> TouchColumns {
    TouchColumns { columns: vec![(POSITION.to_owned(), Column::Ints((1..=length as i64).collect()))] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MODELS;

    #[test]
    fn every_example_is_worked_by_the_model_itself() {
        let amounts = |spec| example(spec).map(|it| it.rows.iter().map(|row| row.amount).collect::<Vec<_>>());
        let expected: &[(&str, [i64; 4])] = &[
            ("last_touch", [0, 0, 0, 10_000]),
            ("first_touch", [10_000, 0, 0, 0]),
            ("last_click", [0, 0, 10_000, 0]),
            ("first_click", [10_000, 0, 0, 0]),
            ("linear", [2_500, 2_500, 2_500, 2_500]),
            ("any_touch", [10_000, 10_000, 10_000, 10_000]),
            ("time_decay", [1_502, 1_831, 3_005, 3_662]),
            ("position_based", [4_000, 1_000, 1_000, 4_000]),
            ("j_shaped", [2_000, 1_000, 1_000, 6_000]),
            ("inverse_j", [6_000, 1_000, 1_000, 2_000]),
            ("custom", [1_000, 2_000, 3_000, 4_000]),
        ];
        for (kind, expected) in expected {
            let spec = crate::find(kind).expect(kind);
            assert_eq!(amounts(spec), Ok(expected.to_vec()), "{kind}");
        }
        // The others are held to the laws alone: a new model has its worked number in its own file.
        for spec in MODELS.iter().filter(|spec| spec.additive) {
            let example = example(spec).expect(spec.kind);
            assert_eq!(example.rows.iter().map(|row| row.share).sum::<i64>(), WHOLE_SHARE, "{}", spec.kind);
            assert_eq!(example.rows.iter().map(|row| row.amount).sum::<i64>(), AMOUNT, "{}", spec.kind);
        }
    }
}
