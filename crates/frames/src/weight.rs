//! Weights of a `custom` model: an SQL expression over the touches of many journeys at once.

use attributary_core::model::{TouchColumns, WeightExpression};
use attributary_core::table::Column as Cells;
use attributary_core::value::{ColumnType, Value};
use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, Expr, IdxCa, IdxSize, IntoLazy, IntoSeries, NamedFrom, NewChunkedArray, PlSmallStr,
    PolarsResult, Schema, Series, StringChunked, polars_bail,
};

use crate::error::FrameError;
use crate::guard::guarded;
use crate::sql::Text;
use crate::types::{polars_type, type_name};

/// Compiles a weight over `columns`: numbers, one for each touch.
///
/// # Errors
/// What is wrong with the text, as a fragment to put behind its key.
pub fn compile_weight(expression: &str, columns: &[(String, ColumnType)]) -> Result<Box<dyn WeightExpression>, String> {
    let problem = |error: FrameError| {
        let hint = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
        // The key is not known here: who calls puts it in front.
        format!("{}{hint}", error.to_string().trim_start_matches(": "))
    };
    let schema: Schema = columns.iter().map(|(name, kind)| (name.as_str().into(), polars_type(kind))).collect();
    let text = Text::parse("", expression).map_err(problem)?;
    let compiled = text.compile(&schema).map_err(problem)?;
    let kind = &compiled.kind;
    if !(kind.is_numeric() || matches!(kind, DataType::Decimal(..) | DataType::Null)) {
        return Err(problem(text.wrong(format!("it gives {}, expected a number", type_name(kind)))));
    }
    let weight = compiled.expr.cast(DataType::Float64).alias(WEIGHT);
    Ok(Box::new(Weight { weight, columns: columns.to_vec() }))
}

const WEIGHT: &str = "__attributary_weight";

struct Weight {
    weight: Expr,
    columns: Vec<(String, ColumnType)>,
}

impl WeightExpression for Weight {
    fn evaluate(&self, touches: &TouchColumns) -> Result<Vec<Option<f64>>, String> {
        let Some((_, first)) = touches.columns.first() else { return Ok(Vec::new()) };
        let rows = first.len();
        let weights = guarded(|| {
            let columns = touches.columns.iter().filter_map(|(name, cells)| {
                let (_, kind) = self.columns.iter().find(|(known, _)| known == name)?;
                Some(series(name, cells, kind).map(Column::from))
            });
            let frame = DataFrame::new(rows, columns.collect::<PolarsResult<_>>()?)?;
            // A constant is one cell: beside the columns it becomes one for each row.
            let computed = frame.lazy().with_columns([self.weight.clone()]).collect()?;
            Ok(computed.column(WEIGHT)?.f64()?.iter().collect())
        });
        weights.map_err(|failure| failure.text())
    }
}

/// Cells of the core as a column of polars.
pub(crate) fn series(name: &str, cells: &Cells, kind: &ColumnType) -> PolarsResult<Series> {
    let name = PlSmallStr::from_str(name);
    let kind = polars_type(kind);
    match cells {
        Cells::Ints(cells) if kind == DataType::UInt64 => {
            // Unsigned integers come by their bits.
            Ok(Series::new(name, cells.iter().map(|cell| *cell as u64).collect::<Vec<_>>()))
        }
        Cells::Ints(cells) if kind == DataType::Date => Series::new(name, cells).cast(&DataType::Int32)?.cast(&kind),
        Cells::Ints(cells) => Series::new(name, cells).cast(&kind),
        Cells::Floats(cells) => Series::new(name, cells).cast(&kind),
        Cells::Texts(cells) => Ok(StringChunked::from_iter_options(name, cells.iter()).into_series()),
        Cells::Codes { codes, dictionary } => {
            let dictionary = values(name.clone(), dictionary, &kind)?;
            let places = codes.iter().map(|code| ((*code as usize) < dictionary.len()).then_some(*code as IdxSize));
            let places = IdxCa::from_iter_options(PlSmallStr::EMPTY, places);
            Ok(dictionary.take(&places)?.with_name(name))
        }
        Cells::Values(cells) => values(name, cells, &kind),
        Cells::Wide(_) => polars_bail!(SchemaMismatch: "decimals without nulls are no column of touches"),
    }
}

fn values(name: PlSmallStr, cells: &[Value], kind: &DataType) -> PolarsResult<Series> {
    let cell = |value: &Value| -> AnyValue<'static> {
        match (value, kind) {
            (Value::Null, _) => AnyValue::Null,
            (Value::Boolean(truth), _) => AnyValue::Boolean(*truth),
            (Value::Text(text), _) => AnyValue::StringOwned(text.as_ref().into()),
            (Value::Binary(bytes), _) => AnyValue::BinaryOwned(bytes.to_vec()),
            (Value::Float(_), _) => value.as_float().map_or(AnyValue::Null, AnyValue::Float64),
            (Value::Int(number), DataType::Decimal(precision, scale)) => AnyValue::Decimal(*number, *precision, *scale),
            (Value::Int(number), DataType::UInt64) => u64::try_from(*number).map_or(AnyValue::Null, AnyValue::UInt64),
            (Value::Int(number), DataType::Date) => i32::try_from(*number).map_or(AnyValue::Null, AnyValue::Date),
            (Value::Int(number), DataType::Datetime(unit, zone)) => i64::try_from(*number)
                .map_or(AnyValue::Null, |number| AnyValue::DatetimeOwned(number, *unit, zone.clone().map(std::sync::Arc::new))),
            (Value::Int(number), _) => i64::try_from(*number).map_or(AnyValue::Null, AnyValue::Int64),
        }
    };
    let cells: Vec<_> = cells.iter().map(cell).collect();
    Series::from_any_values_and_dtype(name, &cells, kind, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn columns() -> Vec<(String, ColumnType)> {
        [
            ("position", ColumnType::COUNT),
            ("length", ColumnType::COUNT),
            ("age_days", ColumnType::Float { bits: 64 }),
            ("channel", ColumnType::Text),
            ("score", ColumnType::Decimal { precision: 10, scale: 1 }),
            ("day", ColumnType::Date),
            ("seen", ColumnType::instant()),
        ]
        .into_iter()
        .map(|(name, kind)| (name.to_owned(), kind))
        .collect()
    }

    fn touches() -> TouchColumns {
        let codes = |codes: Vec<u32>, dictionary: Vec<Value>| Cells::Codes { codes, dictionary: Arc::new(dictionary) };
        let columns = [
            ("position", Cells::Ints(vec![1, 2, 3])),
            ("length", Cells::Ints(vec![3, 3, 3])),
            ("age_days", Cells::Floats(vec![Some(2.0), Some(1.0), None])),
            ("channel", codes(vec![0, 1, u32::MAX], vec![Value::text("a"), Value::text("b")])),
            ("score", codes(vec![0, 0, 0], vec![Value::Int(15)])),
            ("day", codes(vec![0, 0, u32::MAX], vec![Value::Int(1)])),
            ("seen", codes(vec![0, 0, u32::MAX], vec![Value::Int(1)])),
        ];
        TouchColumns { columns: columns.into_iter().map(|(name, cells)| (name.to_owned(), cells)).collect() }
    }

    #[test]
    fn weights_of_every_touch() {
        for (sql, weights) in [
            ("position", [Some(1.0), Some(2.0), Some(3.0)]),
            ("1", [Some(1.0), Some(1.0), Some(1.0)]),
            ("age_days * 2", [Some(4.0), Some(2.0), None]),
            (
                "CASE WHEN channel = 'a' THEN 0.5 WHEN channel IS NULL THEN 9 ELSE position / length END",
                [Some(0.5), Some(2.0 / 3.0), Some(9.0)],
            ),
            ("score * 2", [Some(3.0), Some(3.0), Some(3.0)]),
            ("CASE WHEN day = '1970-01-02' AND seen > '1960-01-01' THEN 1 ELSE 0 END", [Some(1.0), Some(1.0), Some(0.0)]),
        ] {
            let weight = compile_weight(sql, &columns()).expect(sql);
            assert_eq!(weight.evaluate(&touches()), Ok(weights.to_vec()), "{sql}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_a_key() {
        let problem = |sql| compile_weight(sql, &columns()).err().expect(sql);
        assert_eq!(problem("channel"), "it gives text, expected a number, in \"channel\"");
        assert!(
            problem("positon").starts_with("no column \"positon\", in \"positon\"; there are position, length"),
            "{}",
            problem("positon")
        );
        assert!(problem("positon").ends_with("(did you mean position?)"));
        assert!(problem("sum(position)").contains("one row at a time"));
        assert!(problem("position, 1").contains("several"));
    }
}
