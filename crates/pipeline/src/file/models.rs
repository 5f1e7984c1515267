//! `[[model]]`: which models run, with which parameters.

use std::collections::BTreeMap;

use attributary_core::model::{
    ExpressionCompiler, Fallback, ModelSpec, ParameterKind, ParameterSpec, Parameters, TouchColumns, WeightExpression,
};
use attributary_models::{MODELS, find};

use super::document::Item;
use super::error::{Fault, Problem};
use super::pipeline::{Dimension, ModelEntry};
use super::section::{Field, Section};

pub(super) fn models(root: &Section<'_>, dimensions: &[Dimension]) -> Result<Vec<ModelEntry>, Fault> {
    const EXAMPLE: &str = "[[model]] and below it kind = \"last_touch\"";
    let mut entries: Vec<ModelEntry> = Vec::new();
    for field in root.need("model", EXAMPLE)?.tables()? {
        let entry = model(&field, dimensions)?;
        if entries.iter().any(|earlier| earlier.name == entry.name) {
            let hint = Some("give each model of the same kind a name of its own".to_owned());
            let problem = format!("expected a unique name, found a second model {:?}", entry.name);
            return Err(field.fault(Problem::Invalid { problem, hint }));
        }
        entries.push(entry);
    }
    if entries.is_empty() {
        return Err(root.missing("model", EXAMPLE));
    }
    Ok(entries)
}

fn model(field: &Field<'_>, dimensions: &[Dimension]) -> Result<ModelEntry, Fault> {
    let spec = spec(field)?;
    let mut known = vec!["name", "kind", "only", "fallback"];
    known.extend(spec.parameters.iter().map(|parameter| parameter.name));
    let section = field.section(&known)?;

    let mut parameters =
        Parameters::defaults(spec).map_err(|error| section.fault(&error.parameter, Problem::invalid(error.problem)))?;
    if let Some(field) = section.get("fallback") {
        parameters.fallback = field.choice(&[("all", Fallback::All), ("none", Fallback::None)])?;
    }
    for parameter in spec.parameters {
        match section.get(parameter.name) {
            Some(field) => set(&mut parameters, parameter, &field)?,
            None if parameter.default.is_none() => {
                return Err(section.missing(parameter.name, &format!("{} = \"…\", {}", parameter.name, parameter.help)));
            }
            None => {}
        }
        let reserved = |dimension: &&Dimension| EXPRESSION_COLUMNS.contains(&dimension.name.as_str());
        if let (ParameterKind::Expression, Some(dimension)) = (parameter.kind, dimensions.iter().find(reserved)) {
            let problem = format!(
                "{} means two things: what {} knows by itself, and the dimension of that name",
                dimension.name, spec.kind
            );
            let hint = Some(format!("give the dimension another name: dimensions = {{ my_name = {:?} }}", dimension.name));
            return Err(section.fault(parameter.name, Problem::Invalid { problem, hint }));
        }
    }
    // What parameters may not be together only the model knows; its SQL is looked at once the columns are known.
    (spec.build)(&parameters, &AnyExpression)
        .map_err(|error| section.fault(&error.parameter, Problem::invalid(error.problem)))?;
    let text = |name| section.get(name).map(|field| field.text().map(str::to_owned)).transpose();
    Ok(ModelEntry { name: text("name")?.unwrap_or_else(|| spec.kind.to_owned()), spec, parameters, only: text("only")? })
}

/// What a weight expression sees besides the mapped columns, and no dimension may be called where there is one.
const EXPRESSION_COLUMNS: [&str; 3] = ["position", "length", "age_days"];

fn spec(field: &Field<'_>) -> Result<&'static ModelSpec, Fault> {
    let missing = || Fault {
        place: Some(field.node.place),
        key: format!("{}.kind", field.key),
        problem: Problem::Missing { example: "kind = \"last_touch\"; attributary models lists them all".to_owned() },
    };
    // Its own keys are known only once its kind is, so the kind is looked up before the section is opened.
    let entries = field.entries("a section")?;
    let (_, kind) = entries.iter().find(|(name, _)| *name == "kind").ok_or_else(missing)?;
    let found = kind.text()?;
    find(found).ok_or_else(|| {
        let choices = MODELS.iter().map(|spec| spec.kind.to_owned()).collect();
        kind.fault(Problem::UnknownWord { found: found.to_owned(), choices })
    })
}

fn set(parameters: &mut Parameters, parameter: &ParameterSpec, field: &Field<'_>) -> Result<(), Fault> {
    if parameter.kind == ParameterKind::Groups {
        let mut groups = BTreeMap::new();
        for (name, names) in field.entries("a table such as { social = [\"facebook\", \"instagram\"] }")? {
            let names = names.texts("[\"facebook\", \"instagram\"]")?;
            let names = names.iter().map(|name| name.text().map(str::to_owned)).collect::<Result<_, _>>()?;
            groups.insert(name.to_owned(), names);
        }
        parameters.set_groups(parameter.name, groups);
        return Ok(());
    }
    let text = match &field.node.item {
        Item::Integer(number) => number.to_string(),
        Item::Float(number) => number.to_string(),
        Item::Boolean(truth) if parameter.kind == ParameterKind::Flag => truth.to_string(),
        Item::Text(_) => field.text()?.to_owned(),
        Item::List(_) if matches!(parameter.kind, ParameterKind::Choice(_)) => {
            let words = field.texts("by = [\"channel\", \"campaign\"]")?;
            words.iter().map(Field::text).collect::<Result<Vec<_>, _>>()?.join(", ")
        }
        _ => {
            return Err(field.wrong(match parameter.kind {
                ParameterKind::Duration => "a duration such as 90s, 15m, 12h, 30d or 4w",
                ParameterKind::Period => "a duration such as 90s, 15m, 12h, 30d or 4w, or \"all\"",
                ParameterKind::Fraction => "a number from 0 to 1",
                ParameterKind::Whole { .. } => "a whole number",
                ParameterKind::Flag => "true or false",
                ParameterKind::Groups => "a table",
                ParameterKind::Choice(_) => "a text",
                ParameterKind::Expression => "an SQL expression as text",
            }));
        }
    };
    parameters.set(parameter, &text).map_err(|error| field.fault(Problem::invalid(error.problem)))
}

/// Takes every expression: here only parameters are checked.
struct AnyExpression;

impl ExpressionCompiler for AnyExpression {
    fn compile(&self, _expression: &str) -> Result<Box<dyn WeightExpression>, String> {
        Ok(Box::new(Self))
    }
}

impl WeightExpression for AnyExpression {
    fn evaluate(&self, _touches: &TouchColumns) -> Result<Vec<Option<f64>>, String> {
        Err("the expression was never compiled".to_owned())
    }
}
