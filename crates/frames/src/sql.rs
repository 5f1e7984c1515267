//! SQL texts of the pipeline file as polars expressions: one expression a text, row by row, over columns that exist.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use polars::prelude::{AggExpr, DataFrame, DataType, Expr, IntoLazy, LazyFrame, LiteralValue, PolarsResult, Schema, lit};
use polars::sql::SQLContext;
use polars_plan::dsl::DslPlan;
use polars_plan::plans::{IR, is_elementwise_rec};
use sqlparser::ast::{Expr as Tree, visit_expressions};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};
use sqlparser::tokenizer::Token;

use crate::error::FrameError;
use crate::functions;
use crate::guard::guarded;
use crate::source::literal_column;

/// An SQL text whose syntax is right; which columns it names is known, their types are not.
pub(crate) struct Text<'a> {
    /// The key of the pipeline file that holds it.
    pub key: &'a str,
    /// The text.
    pub sql: &'a str,
    tree: Tree,
}

/// An SQL text as an expression over columns of known types.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    /// The expression.
    pub expr: Expr,
    /// The type of its cells.
    pub kind: DataType,
}

impl<'a> Text<'a> {
    /// Reads a text that must be one expression.
    pub(crate) fn parse(key: &'a str, sql: &'a str) -> Result<Self, FrameError> {
        let wrong = |problem: String| FrameError::Sql { key: key.to_owned(), sql: sql.to_owned(), problem };
        let options = ParserOptions { trailing_commas: true, ..ParserOptions::default() };
        let parsed = Parser::new(&GenericDialect).with_options(options).try_with_sql(sql).and_then(|mut parser| {
            let tree = parser.parse_expr()?;
            Ok((tree, parser.peek_token().token))
        });
        let tree = match parsed {
            Ok((tree, Token::EOF)) => tree,
            Ok((_, Token::Comma | Token::SemiColon)) => return Err(wrong("expected one expression, found several".to_owned())),
            Ok((_, token)) => return Err(wrong(format!("expected one expression, found {token} behind it"))),
            Err(error) => return Err(wrong(error.to_string().replace("sql parser error: ", ""))),
        };
        let refused = visit_expressions(&tree, |part| match refusal(part) {
            Some(problem) => ControlFlow::Break(problem),
            None => ControlFlow::Continue(()),
        });
        match refused {
            ControlFlow::Break(problem) => Err(wrong(problem)),
            ControlFlow::Continue(()) => Ok(Self { key, sql, tree }),
        }
    }

    /// The columns it may name: every identifier in it, of which the caller knows some as columns.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let _ = visit_expressions(&self.tree, |part| {
            match part {
                Tree::Identifier(name) => _ = names.insert(name.value.clone()),
                Tree::CompoundIdentifier(parts) => names.extend(parts.iter().map(|name| name.value.clone())),
                _ => (),
            }
            ControlFlow::<()>::Continue(())
        });
        names
    }

    /// Compiles it over columns of the types in `schema`.
    pub(crate) fn compile(&self, schema: &Schema) -> Result<Compiled, FrameError> {
        match guarded(|| Ok(compile(self.sql, schema))) {
            Ok(Ok(compiled)) => Ok(compiled),
            Ok(Err(Problem::Column(column))) => Err(self.unknown(&column, schema)),
            Ok(Err(Problem::Other(problem))) => Err(self.wrong(problem)),
            Err(failure) => Err(self.wrong(failure.text())),
        }
    }

    /// An error about this text.
    pub(crate) fn wrong(&self, problem: impl Into<String>) -> FrameError {
        FrameError::Sql { key: self.key.to_owned(), sql: self.sql.to_owned(), problem: problem.into() }
    }

    fn unknown(&self, column: &str, schema: &Schema) -> FrameError {
        let known = schema.iter_names().map(ToString::to_string).collect();
        FrameError::UnknownColumn { key: self.key.to_owned(), sql: self.sql.to_owned(), column: column.to_owned(), known }
    }
}

impl Compiled {
    /// The expression as a condition: null is false, and whatever is no condition is an error.
    pub(crate) fn condition(self, text: &Text<'_>) -> Result<Expr, FrameError> {
        match self.kind {
            DataType::Boolean => Ok(self.expr),
            DataType::Null => Ok(lit(false)),
            other => Err(text.wrong(format!("it gives {}, expected a condition", crate::types::type_name(&other)))),
        }
    }
}

/// Parts that can never be computed from one row.
fn refusal(part: &Tree) -> Option<String> {
    match part {
        Tree::Subquery(_) | Tree::InSubquery { .. } | Tree::Exists { .. } => Some("a subquery cannot be used here".to_owned()),
        Tree::Function(function) if function.over.is_some() => {
            Some(format!("{} OVER … looks at more than one row, which cannot be used here", function.name))
        }
        _ => None,
    }
}

enum Problem {
    Column(String),
    Other(String),
}

impl From<polars::prelude::PolarsError> for Problem {
    fn from(error: polars::prelude::PolarsError) -> Self {
        let text = error.to_string();
        Self::Other(text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned())
    }
}

const OUTPUT: &str = "__attributary_output";

fn compile(sql: &str, schema: &Schema) -> Result<Compiled, Problem> {
    let empty = DataFrame::empty_with_schema(schema);
    let mut context = SQLContext::new().with_function_registry(functions::registry());
    context.register("self", empty.clone().lazy());
    // The line breaks keep a comment at the end of the text from swallowing the rest.
    let selected = context.execute(&format!("SELECT (\n{sql}\n) AS {OUTPUT} FROM self"));
    let selected = match selected {
        Ok(selected) => selected,
        // Polars resolves types while it reads the text, so it may be the first to miss a column.
        Err(polars::prelude::PolarsError::ColumnNotFound(name)) => return Err(Problem::Column(column_name(name.as_ref()))),
        Err(error) => return Err(error.into()),
    };
    let expr = selected_expr(&selected.logical_plan).ok_or_else(not_row_by_row)?.map_expr(plain);
    for name in polars_plan::utils::expr_to_leaf_column_names(&expr) {
        if !schema.contains(&name) {
            return Err(Problem::Column(name.to_string()));
        }
    }
    let mut output = empty.lazy().select([expr.clone().alias(OUTPUT)]);
    let kind = output.collect_schema()?.get_at_index(0).map_or(DataType::Null, |(_, kind)| kind.clone());
    if !is_row_by_row(output)? {
        return Err(not_row_by_row());
    }
    probe(&expr, schema)?;
    Ok(Compiled { expr, kind })
}

fn not_row_by_row() -> Problem {
    Problem::Other("it must be computed from one row at a time: no aggregates, no window functions".to_owned())
}

/// `unable to find column "x"; valid columns: …` names the column in quotes.
fn column_name(message: &str) -> String {
    message.split('"').nth(1).unwrap_or(message).to_owned()
}

/// The one expression of `SELECT … FROM self`, if the plan is that and nothing more.
fn selected_expr(plan: &DslPlan) -> Option<Expr> {
    let DslPlan::Select { expr, input, .. } = bare(plan) else { return None };
    let [selected] = expr.as_slice() else { return None };
    match bare(input) {
        DslPlan::DataFrameScan { .. } => Some(selected.clone()),
        // Of an expression without columns polars makes a column first, which it then selects.
        DslPlan::HStack { input, exprs, .. } if matches!(bare(input), DslPlan::DataFrameScan { .. }) => match exprs.as_slice() {
            [made] => Some(made.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// A plan without what polars keeps beside it to find its schema sooner.
fn bare(plan: &DslPlan) -> &DslPlan {
    match plan {
        DslPlan::IR { dsl, .. } => bare(dsl),
        plan => plan,
    }
}

/// What SQL writes in a roundabout way, plainly: the list of `x IN (…)` is a literal and no aggregate; a column is the one
/// of that name, never a pattern.
fn plain(expr: Expr) -> Expr {
    match expr {
        Expr::Agg(AggExpr::Implode { input, maintain_order }) => match &*input {
            Expr::Literal(LiteralValue::Series(list)) => match list.implode() {
                Ok(list) => lit(polars::prelude::IntoSeries::into_series(list)),
                Err(_) => Expr::Agg(AggExpr::Implode { input, maintain_order }),
            },
            _ => Expr::Agg(AggExpr::Implode { input, maintain_order }),
        },
        Expr::Column(name) => literal_column(&name),
        other => other,
    }
}

fn is_row_by_row(output: LazyFrame) -> PolarsResult<bool> {
    let plan = output.to_alp()?;
    Ok(match plan.lp_arena.get(plan.lp_top) {
        IR::Select { expr, .. } => expr.iter().all(|expr| is_elementwise_rec(expr.node(), &plan.expr_arena)),
        IR::SimpleProjection { .. } => true,
        _ => false,
    })
}

/// Computes it for one row of nulls: some faults of types show only then.
fn probe(expr: &Expr, schema: &Schema) -> Result<(), Problem> {
    let columns = schema.iter().map(|(name, kind)| polars::prelude::Column::full_null(name.clone(), 1, kind)).collect();
    let row = DataFrame::new(1, columns)?;
    match row.lazy().select([expr.clone().alias(OUTPUT)]).collect() {
        // Which format a date is in cannot be said of a null.
        Err(error) if error.to_string().contains("format") => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{TimeUnit, df};

    fn schema() -> Schema {
        [
            ("channel", DataType::String),
            ("revenue", DataType::Float64),
            ("clicks", DataType::Int32),
            ("at", DataType::Datetime(TimeUnit::Microseconds, None)),
            ("paid", DataType::Boolean),
        ]
        .into_iter()
        .map(|(name, kind)| (name.into(), kind))
        .collect()
    }

    fn compiled(sql: &str) -> Result<Compiled, String> {
        Text::parse("k", sql).and_then(|text| text.compile(&schema())).map_err(|error| error.to_string())
    }

    fn problem(sql: &str) -> String {
        compiled(sql).expect_err(sql)
    }

    #[test]
    fn one_row_expressions_have_their_types() {
        for (sql, kind) in [
            ("channel", DataType::String),
            ("channel = 'direct'", DataType::Boolean),
            ("channel IN ('a', 'b') AND clicks IN (1, 2)", DataType::Boolean),
            ("channel NOT LIKE 'paid%' OR channel IS NULL", DataType::Boolean),
            ("revenue BETWEEN 1 AND 2", DataType::Boolean),
            ("CASE WHEN channel = 'a' THEN 1.0 ELSE 0.0 END", DataType::Float64),
            ("lower(channel) || '-' || upper(channel)", DataType::String),
            ("COALESCE(channel, 'x')", DataType::String),
            ("CAST(clicks AS VARCHAR)", DataType::String),
            ("CAST(revenue AS DECIMAL(18, 2))", DataType::Decimal(18, 2)),
            ("CAST(clicks AS BIGINT)", DataType::Int64),
            ("at >= '2025-01-01'", DataType::Boolean),
            ("CAST(CAST(clicks AS BIGINT) * 1000000 AS TIMESTAMP)", DataType::Datetime(TimeUnit::Microseconds, None)),
            ("json_value(channel, '$.a')", DataType::String),
            ("CAST(json_value(channel, '$.a') AS DOUBLE)", DataType::Float64),
            ("url_param(channel, 'utm_source')", DataType::String),
            ("split_part(channel, '/', 2)", DataType::String),
            ("regexp_like(channel, '^a')", DataType::Boolean),
            ("replace(channel, 'a', 'b')", DataType::String),
            ("GREATEST(clicks, 3)", DataType::Int32),
            ("sqrt(revenue) + ln(revenue) * 2", DataType::Float64),
            ("true", DataType::Boolean),
            ("channel -- the end", DataType::String),
            ("EXTRACT(hour FROM at)", DataType::Int8),
        ] {
            assert_eq!(compiled(sql).map(|it| it.kind), Ok(kind), "{sql}");
        }
    }

    #[test]
    fn more_than_one_row_is_refused() {
        for sql in [
            "max(revenue)",
            "count(*)",
            "sum(revenue) > 1",
            "revenue - avg(revenue)",
            "row_number() OVER (ORDER BY at)",
            "lag(channel) OVER (ORDER BY at)",
            "first(channel)",
            "unnest(string_to_array(channel, ','))",
        ] {
            let problem = problem(sql);
            assert!(problem.contains("one row at a time") || problem.contains("OVER"), "{sql}: {problem}");
        }
        assert!(problem("clicks IN (SELECT clicks FROM self)").contains("subquery"));
        assert!(problem("EXISTS (SELECT 1)").contains("subquery"));
    }

    #[test]
    fn texts_that_are_no_expression_are_refused() {
        assert_eq!(problem("channel, revenue"), "k: expected one expression, found several, in \"channel, revenue\"");
        assert!(problem("channel; DROP TABLE self").contains("found several"));
        assert!(problem("1) AS a FROM self --").contains("found ) behind it"));
        assert!(problem("channel FROM self WHERE true").contains("behind it"));
        assert!(problem("").contains("Expected"));
        assert!(problem("channel = 'open").contains("Unterminated"));
        assert!(problem("channel = ").contains("Expected"));
    }

    #[test]
    fn wrong_names_and_types_say_so() {
        assert!(problem("chanel = 'x'").starts_with("k: no column \"chanel\""), "{}", problem("chanel = 'x'"));
        assert!(problem("\"^.*$\" = 'x'").starts_with("k: "), "a name is no pattern");
        assert!(problem("lower(clicks)").contains("tring"), "{}", problem("lower(clicks)"));
        assert!(problem("nosuch(channel)").contains("nosuch"));
        assert!(problem("json_value(channel)").contains("2"), "{}", problem("json_value(channel)"));
        assert!(problem("channel * 2").starts_with("k: "));
    }

    #[test]
    fn the_hint_for_epoch_seconds_is_right() {
        let frame = df!("ts" => [0_i64, 1_740_304_800]).expect("a frame");
        let text = Text::parse("k", crate::plan::EPOCH_SQL).expect("parses");
        let compiled = text.compile(frame.schema()).expect("compiles");
        let times = frame.lazy().select([compiled.expr]).collect().expect("computes");
        assert_eq!(
            times.columns()[0].cast(&DataType::Int64).expect("ints").i64().expect("ints").get(1),
            Some(1_740_304_800_000_000)
        );
    }
}
