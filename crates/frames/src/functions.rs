//! Functions that SQL texts can use besides those of polars: `json_value(text, path)` and `url_param(url, name)`.

use std::sync::Arc;

use polars::prelude::{
    AnonymousColumnsUdf, Column, ColumnsUdf, DataType, Field, IntoColumn, NewChunkedArray, PolarsResult, Schema, StringChunked,
    polars_bail,
};
use polars::sql::FunctionRegistry;
use polars_plan::dsl::UserDefinedFunction;
use polars_plan::prelude::FunctionOptions;

use crate::json::json_value;
use crate::source::percent_decoded;

/// The functions, by the names that SQL calls them.
pub(crate) fn registry() -> Arc<dyn FunctionRegistry> {
    Arc::new(Registry)
}

const FUNCTIONS: &[TextFunction] =
    &[TextFunction { name: "json_value", compute: json_value }, TextFunction { name: "url_param", compute: url_param }];

struct Registry;

impl FunctionRegistry for Registry {
    fn register(&mut self, name: &str, _: UserDefinedFunction) -> PolarsResult<()> {
        polars_bail!(SQLInterface: "function {} cannot be added", name)
    }

    fn get_udf(&self, name: &str) -> PolarsResult<Option<UserDefinedFunction>> {
        let function = FUNCTIONS.iter().find(|function| function.name == name);
        Ok(function.map(|function| UserDefinedFunction {
            options: FunctionOptions::elementwise(),
            ..UserDefinedFunction::new(function.name.into(), *function)
        }))
    }

    fn contains(&self, name: &str) -> bool {
        FUNCTIONS.iter().any(|function| function.name == name)
    }
}

/// A function of two texts that gives a text, null where either is null.
#[derive(Clone, Copy)]
struct TextFunction {
    name: &'static str,
    compute: fn(&str, &str) -> Option<String>,
}

impl ColumnsUdf for TextFunction {
    fn call_udf(&self, arguments: &mut [Column]) -> PolarsResult<Column> {
        let [text, key] = arguments else {
            polars_bail!(SQLInterface: "{} expects 2 arguments, found {}", self.name, arguments.len())
        };
        let name = text.name().clone();
        let (texts, keys) = (self.texts(text)?, self.texts(key)?);
        let of = |text: Option<&str>, key: Option<&str>| (self.compute)(text?, key?);
        let cells: StringChunked = match (texts.len(), keys.len()) {
            (_, 1) => {
                let key = keys.get(0);
                StringChunked::from_iter_options(name, texts.iter().map(|text| of(text, key)))
            }
            (1, _) => {
                let text = texts.get(0);
                StringChunked::from_iter_options(name, keys.iter().map(|key| of(text, key)))
            }
            _ => StringChunked::from_iter_options(name, texts.iter().zip(keys.iter()).map(|(text, key)| of(text, key))),
        };
        Ok(cells.into_column())
    }
}

impl TextFunction {
    fn texts(&self, column: &Column) -> PolarsResult<StringChunked> {
        match column.dtype() {
            DataType::String => Ok(column.str()?.clone()),
            DataType::Null | DataType::Categorical(..) | DataType::Enum(..) => Ok(column.cast(&DataType::String)?.str()?.clone()),
            other => polars_bail!(SQLInterface: "{} expects texts, found {}", self.name, other),
        }
    }
}

impl AnonymousColumnsUdf for TextFunction {
    fn as_column_udf(self: Arc<Self>) -> Arc<dyn ColumnsUdf> {
        self
    }

    fn deep_clone(self: Arc<Self>) -> Arc<dyn AnonymousColumnsUdf> {
        self
    }

    fn get_field(&self, _: &Schema, fields: &[Field]) -> PolarsResult<Field> {
        match fields {
            [text, _] => Ok(Field::new(text.name().clone(), DataType::String)),
            _ => polars_bail!(SQLInterface: "{} expects 2 arguments, found {}", self.name, fields.len()),
        }
    }
}

/// The first query parameter of a name, percent- and plus-decoded; empty where it has no `=`.
fn url_param(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    let decoded = |text: &str| percent_decoded(&text.replace('+', " "));
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (!pair.is_empty() && decoded(key) == name).then(|| decoded(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_parameters_are_decoded_and_the_first_counts() {
        let url = "https://shop.example/x?utm_campaign=spring+sale%21&empty=&utm_campaign=b&flag&sm%C3%A5=1#f?late=1";
        let of = |name| url_param(url, name);
        assert_eq!(of("utm_campaign").as_deref(), Some("spring sale!"));
        assert_eq!(of("empty").as_deref(), Some(""));
        assert_eq!(of("flag").as_deref(), Some(""));
        assert_eq!(of("små").as_deref(), Some("1"));
        assert_eq!(of("late"), None);
        assert_eq!(url_param("https://shop.example/", "a"), None);
        assert_eq!(url_param("?a=1", "a").as_deref(), Some("1"));
    }
}
