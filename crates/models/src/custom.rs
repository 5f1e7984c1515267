//! A weight that is typed as an SQL expression, evaluated for many journeys at a time.
//!
//! It sees `position` (1…n), `length` (n), `age_days`, `channel`, `campaign`, `interaction` and the dimensions. A weight
//! that is negative, null, NaN or infinite ends the run; a journey whose weights are all zero stays unattributed.
//!
//! 100.00 over four touches with `weight = "position"`: 10.00 20.00 30.00 40.00.

use attributary_core::model::{ModelSpec, ParameterError, ParameterKind, ParameterSpec, Weighing};

/// What everyone may know of it.
pub const SPEC: ModelSpec = ModelSpec {
    kind: "custom",
    summary: "Weights from an SQL expression over the touches",
    weights: "whatever `weight` says of each touch; all zero leaves the conversion unattributed",
    useful_for: "a house rule that can be written in one line, and trying one before it becomes a model",
    not_useful_for: "rules that look at more than one touch, or must run on 10⁹ touches in seconds",
    parameters: &[ParameterSpec {
        name: "weight",
        kind: ParameterKind::Expression,
        default: None,
        help: "an SQL expression over position, length, age_days, channel, campaign, interaction and the dimensions",
    }],
    additive: true,
    fitted: false,
    timed: false,
    build: |parameters, compiler| {
        let wrong = |problem| ParameterError { parameter: "weight".to_owned(), problem };
        Ok(Weighing::Expression(compiler.compile(parameters.text("weight")?).map_err(wrong)?))
    },
};

#[cfg(test)]
mod tests {
    use super::SPEC;
    use crate::example::{PositionCompiler, positions};
    use crate::sample::parts;
    use attributary_core::model::{Credit, ExpressionCompiler, Parameters, Weighing, WeightExpression};

    #[test]
    fn worked_number() {
        let mut parameters = Parameters::defaults(&SPEC).expect("defaults");
        parameters.set(&SPEC.parameters[0], "position").expect("an expression");
        let Ok(Weighing::Expression(expression)) = (SPEC.build)(&parameters, &PositionCompiler) else { panic!("it is built") };
        let weights: Vec<f64> = expression.evaluate(&positions(4)).expect("weights").into_iter().flatten().collect();
        assert_eq!(parts(Credit::Weights, &weights, 4, 10_000), Some(vec![1_000, 2_000, 3_000, 4_000]));
        assert_eq!(parts(Credit::Weights, &[0.0, 0.0], 2, 10_000), None);
    }

    #[test]
    fn what_the_compiler_says_is_passed_on() {
        struct Refuses;
        impl ExpressionCompiler for Refuses {
            fn compile(&self, expression: &str) -> Result<Box<dyn WeightExpression>, String> {
                Err(format!("no column {expression}"))
            }
        }
        let mut parameters = Parameters::defaults(&SPEC).expect("defaults");
        let problem = |parameters: &Parameters| (SPEC.build)(parameters, &Refuses).err().map(|error| error.to_string());
        assert_eq!(problem(&parameters).as_deref(), Some("weight: is required, and has no default"));
        parameters.set(&SPEC.parameters[0], "colour").expect("an expression");
        assert_eq!(problem(&parameters).as_deref(), Some("weight: no column colour"));
    }
}
