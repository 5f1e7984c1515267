//! What a model is: a name, parameters and weights. It never sees a file, a frame, a thread or a clock.
//!
//! A model divides one conversion over the eligible touches of its journey, oldest first. It gives weights; the engine
//! makes exact shares and amounts of them (see [`crate::apportion`]), so no model can lose or invent a cent.

use std::collections::BTreeMap;
use std::fmt;

use crate::duration::{Duration, Window};
use crate::journey::Journey;
use crate::learning::FittedModel;
use crate::table::Column;

/// How one conversion is divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Credit {
    /// No touch gets anything: the conversion stays unattributed.
    Nothing,
    /// One touch gets it all.
    One(usize),
    /// Every touch gets the same.
    Equal,
    /// The touches get parts in proportion to weights, of which the first touch, each one between, and the last have their
    /// own. For journeys of two touches or more. A long journey costs no more than a short one.
    Ends {
        /// Of the first touch; finite and not negative, as the others.
        first: f64,
        /// Of each touch between.
        between: f64,
        /// Of the last touch.
        last: f64,
    },
    /// The touches get parts in proportion to the weights that were written.
    Weights,
    /// Participation: every distinct group of touches gets the whole conversion. Not additive over rows.
    Whole,
}

/// A model that weighs one journey at a time.
pub trait Model: Send + Sync {
    /// Divides the conversion of a journey of at least one touch. `weights` comes empty; with [`Credit::Weights`] it
    /// holds a finite weight ≥ 0 for each touch, in order.
    fn weigh(&self, journey: &Journey<'_>, weights: &mut Vec<f64>) -> Credit;
}

/// Touches of many journeys as columns, for weights that are an expression over them. Columns are named `position`
/// (1…n), `length` (n), `age_days`, `channel` and, as far as they are mapped, `campaign`, `interaction`, `id` and the
/// dimensions by their names. Positions and lengths are signed numbers: `position - 2` may be negative.
pub struct TouchColumns {
    /// Name and cells, all of one length.
    pub columns: Vec<(String, Column)>,
}

/// A compiled expression that gives a weight for every touch of many journeys at once.
pub trait WeightExpression: Send + Sync {
    /// One weight per touch; none where the expression is null.
    ///
    /// # Errors
    /// What the expression's own engine says when it fails.
    fn evaluate(&self, touches: &TouchColumns) -> Result<Vec<Option<f64>>, String>;
}

/// Compiles the text of a weight expression; the one thing a model may need from outside.
pub trait ExpressionCompiler {
    /// The expression, checked against the columns that there are.
    ///
    /// # Errors
    /// What is wrong with the text.
    fn compile(&self, expression: &str) -> Result<Box<dyn WeightExpression>, String>;
}

/// A model ready to be run.
pub enum Weighing {
    /// Weighs one journey at a time.
    Journey(Box<dyn Model>),
    /// Weighs many journeys at a time by an expression.
    Expression(Box<dyn WeightExpression>),
    /// Weighs one journey at a time, once it is fitted to all of them.
    Fitted(Box<dyn FittedModel>),
}

/// What happens to a conversion where a model's own choice of touches leaves none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Fallback {
    /// All touches of the journey are used instead.
    #[default]
    All,
    /// The conversion stays unattributed, with reason `ignored`.
    None,
}

/// What everyone may know about a model: help, validation, docs and tests are loops over these.
#[derive(Clone, Copy)]
pub struct ModelSpec {
    /// `kind` in the pipeline file.
    pub kind: &'static str,
    /// One line for a list.
    pub summary: &'static str,
    /// How the weights come about, for a table.
    pub weights: &'static str,
    /// When it helps.
    pub useful_for: &'static str,
    /// When it misleads.
    pub not_useful_for: &'static str,
    /// Parameters besides `name`, `kind`, `only` and `fallback`, which every model has.
    pub parameters: &'static [ParameterSpec],
    /// Whether the credits of a conversion add up to it.
    pub additive: bool,
    /// Whether it must be fitted to all journeys before it can weigh one.
    pub fitted: bool,
    /// Whether it cannot weigh touches of which nobody knows when they were.
    pub timed: bool,
    /// Makes the model.
    pub build: fn(&Parameters, &dyn ExpressionCompiler) -> Result<Weighing, ParameterError>,
}

/// One parameter of a model.
#[derive(Clone, Copy, Debug)]
pub struct ParameterSpec {
    /// The key in the pipeline file.
    pub name: &'static str,
    /// What may stand there.
    pub kind: ParameterKind,
    /// What holds where the key is absent, as it would be typed; none: the key is required.
    pub default: Option<&'static str>,
    /// One line.
    pub help: &'static str,
}

/// What may stand as a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParameterKind {
    /// A duration above zero, such as `"7d"`.
    Duration,
    /// A duration above zero, or `"all"`.
    Period,
    /// A number from 0 to 1.
    Fraction,
    /// A whole number of a range.
    Whole {
        /// The least.
        least: u64,
        /// The greatest.
        most: u64,
    },
    /// `true` or `false`.
    Flag,
    /// Lists of names, each under a name of its own: a table. As text there are none.
    Groups,
    /// One of some words, or of some lists of words: those are told with `, ` between.
    Choice(&'static [&'static str]),
    /// An SQL expression.
    Expression,
}

/// A parameter's value, of the kind that its spec names.
#[derive(Clone, Debug, PartialEq)]
pub enum ParameterValue {
    /// See [`ParameterKind::Duration`].
    Duration(Duration),
    /// See [`ParameterKind::Period`].
    Period(Window),
    /// See [`ParameterKind::Fraction`].
    Fraction(f64),
    /// See [`ParameterKind::Whole`].
    Whole(u64),
    /// See [`ParameterKind::Flag`].
    Flag(bool),
    /// See [`ParameterKind::Groups`].
    Groups(BTreeMap<String, Vec<String>>),
    /// See [`ParameterKind::Choice`] and [`ParameterKind::Expression`].
    Text(String),
}

/// The parameters of one model in one pipeline, defaults filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    values: BTreeMap<String, ParameterValue>,
    /// What to do where the model's choice of touches leaves none.
    pub fallback: Fallback,
}

impl Parameters {
    /// The defaults of a model's parameters; those without a default are missing.
    ///
    /// # Errors
    /// Where a default in the spec is not of its own kind.
    pub fn defaults(spec: &ModelSpec) -> Result<Self, ParameterError> {
        let mut parameters = Self::default();
        for parameter in spec.parameters {
            if let Some(default) = parameter.default {
                parameters.set(parameter, default)?;
            }
        }
        Ok(parameters)
    }

    /// Sets a parameter from its text.
    ///
    /// # Errors
    /// Where the text is not of the parameter's kind.
    pub fn set(&mut self, parameter: &ParameterSpec, text: &str) -> Result<(), ParameterError> {
        let wrong = |problem: String| ParameterError { parameter: parameter.name.to_owned(), problem };
        let value = match parameter.kind {
            ParameterKind::Duration => ParameterValue::Duration(Duration::parse(text).map_err(wrong)?),
            ParameterKind::Fraction => match text.parse::<f64>() {
                Ok(number) if (0.0..=1.0).contains(&number) => ParameterValue::Fraction(number),
                _ => return Err(wrong(format!("expected a number from 0 to 1, found {text}"))),
            },
            ParameterKind::Period => ParameterValue::Period(Window::parse(text).map_err(wrong)?),
            ParameterKind::Whole { least, most } => match text.parse::<u64>() {
                Ok(number) if (least..=most).contains(&number) => ParameterValue::Whole(number),
                _ => return Err(wrong(format!("expected a whole number from {least} to {most}, found {text}"))),
            },
            ParameterKind::Flag => match text {
                "true" => ParameterValue::Flag(true),
                "false" => ParameterValue::Flag(false),
                _ => return Err(wrong(format!("expected true or false, found {text}"))),
            },
            ParameterKind::Groups if text.is_empty() => ParameterValue::Groups(BTreeMap::new()),
            ParameterKind::Groups => return Err(wrong(format!("expected lists of names, found {text:?}"))),
            ParameterKind::Choice(choices) if !choices.contains(&text) => {
                let lists = choices.iter().any(|choice| choice.contains(", "));
                let shown: Vec<String> =
                    choices.iter().map(|choice| if lists { typed(choice) } else { (*choice).to_owned() }).collect();
                return Err(wrong(format!("expected one of {}, found {}", shown.join(", "), typed(text))));
            }
            ParameterKind::Choice(_) | ParameterKind::Expression => ParameterValue::Text(text.to_owned()),
        };
        self.values.insert(parameter.name.to_owned(), value);
        Ok(())
    }

    /// Sets groups of names.
    pub fn set_groups(&mut self, name: &str, groups: BTreeMap<String, Vec<String>>) {
        self.values.insert(name.to_owned(), ParameterValue::Groups(groups));
    }

    /// Groups of names.
    ///
    /// # Errors
    /// Where they are missing.
    pub fn groups(&self, name: &str) -> Result<&BTreeMap<String, Vec<String>>, ParameterError> {
        match self.values.get(name) {
            Some(ParameterValue::Groups(groups)) => Ok(groups),
            _ => Err(missing(name)),
        }
    }

    /// A duration in microseconds.
    ///
    /// # Errors
    /// Where it is missing.
    pub fn duration(&self, name: &str) -> Result<i64, ParameterError> {
        match self.values.get(name) {
            Some(ParameterValue::Duration(duration)) => Ok(duration.micros()),
            _ => Err(missing(name)),
        }
    }

    /// A fraction.
    ///
    /// # Errors
    /// Where it is missing.
    pub fn fraction(&self, name: &str) -> Result<f64, ParameterError> {
        match self.values.get(name) {
            Some(ParameterValue::Fraction(number)) => Ok(*number),
            _ => Err(missing(name)),
        }
    }

    /// A period in microseconds; none: without an end.
    ///
    /// # Errors
    /// Where it is missing.
    pub fn period(&self, name: &str) -> Result<Option<i64>, ParameterError> {
        match self.values.get(name) {
            Some(ParameterValue::Period(window)) => Ok(window.micros()),
            _ => Err(missing(name)),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// Where it is missing.
    pub fn whole(&self, name: &str) -> Result<u64, ParameterError> {
        match self.values.get(name) {
            Some(ParameterValue::Whole(number)) => Ok(*number),
            _ => Err(missing(name)),
        }
    }

    /// A flag.
    ///
    /// # Errors
    /// Where it is missing.
    pub fn flag(&self, name: &str) -> Result<bool, ParameterError> {
        match self.values.get(name) {
            Some(ParameterValue::Flag(flag)) => Ok(*flag),
            _ => Err(missing(name)),
        }
    }

    /// A choice or an expression.
    ///
    /// # Errors
    /// Where it is missing.
    pub fn text(&self, name: &str) -> Result<&str, ParameterError> {
        match self.values.get(name) {
            Some(ParameterValue::Text(text)) => Ok(text),
            _ => Err(missing(name)),
        }
    }
}

/// A choice as one types it: words with commas between are a list.
#[must_use]
pub fn typed(choice: &str) -> String {
    let words: Vec<String> = choice.split(", ").map(|word| format!("{word:?}")).collect();
    if words.len() == 1 { words.concat() } else { format!("[{}]", words.join(", ")) }
}

fn missing(name: &str) -> ParameterError {
    ParameterError { parameter: name.to_owned(), problem: "is required, and has no default".to_owned() }
}

/// What is wrong with a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterError {
    /// The key in the pipeline file.
    pub parameter: String,
    /// A fragment to put behind the key.
    pub problem: String,
}

impl fmt::Display for ParameterError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.parameter, self.problem)
    }
}

impl std::error::Error for ParameterError {}
