//! From what a mapping wants to an expression per file: which column it is there, whether its type will do, and one type for
//! all files.

use std::collections::HashMap;

use attributary_core::value::{ColumnType, Value};
use polars::prelude::{DataType, Expr, Schema};

use crate::ColumnSpec;
use crate::error::FrameError;
use crate::source::{FoundColumn, OpenFile, null_of};
use crate::sql::{Compiled, Text};
use crate::types::{column_type, polars_type, type_name, wider};

/// What makes an integer of epoch seconds a time: shown in a hint, and tested.
pub(crate) const EPOCH_SQL: &str = "CAST(CAST(ts AS BIGINT) * 1000000 AS TIMESTAMP)";

/// What a column is used for, which decides the types that will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A customer or an id.
    Key,
    /// A key that has to be text where it can be.
    TextKey,
    /// A time.
    Time,
    /// Channel, campaign, interaction, kind: becomes text.
    Label,
    /// A dimension: keeps its type.
    Dimension,
    /// An amount in major units.
    Amount,
    /// An amount in whole minor units.
    MinorAmount,
    /// A number of things.
    Count,
}

impl Role {
    fn expected(self) -> &'static str {
        match self {
            Self::Key | Self::TextKey => "text, binary or integers",
            Self::Time => "timestamps, dates or ISO 8601 text",
            Self::Label => "text, or what has one form as text: integers, booleans, dates",
            Self::Dimension => "text, integers, decimals, booleans, dates or timestamps",
            Self::Amount => "integers, decimals or floats",
            Self::MinorAmount => "integers, as the unit is minor",
            Self::Count => "whole numbers",
        }
    }

    fn takes(self, kind: &DataType) -> bool {
        if kind == &DataType::Null {
            return true;
        }
        let (integer, float) = (kind.is_integer(), kind.is_float());
        let decimal = matches!(kind, DataType::Decimal(..));
        let day_or_time = matches!(kind, DataType::Date | DataType::Datetime(..));
        let text = kind == &DataType::String;
        match self {
            Self::Key | Self::TextKey => text || integer || kind == &DataType::Binary,
            Self::Time => text || day_or_time,
            Self::Label | Self::Dimension => text || integer || decimal || day_or_time || kind == &DataType::Boolean,
            Self::Amount | Self::Count => integer || decimal || float,
            Self::MinorAmount => integer,
        }
    }

    /// Whether cells that are written as text (CSV) stay so, whatever type was inferred.
    fn keeps_text(self, inferred: &DataType) -> bool {
        match self {
            // As text, floats are as good a key as any: they are compared as written.
            Self::Key => matches!(inferred, DataType::Float64 | DataType::Boolean),
            Self::Dimension => inferred == &DataType::Float64,
            Self::Label | Self::TextKey => true,
            Self::Time => false,
            Self::Amount | Self::MinorAmount | Self::Count => inferred != &DataType::String && inferred != &DataType::Boolean,
        }
    }

    fn hint(self, kind: &DataType, column: &str) -> Option<String> {
        match self {
            Self::Time if kind.is_integer() || kind.is_float() => {
                Some(format!("for seconds since 1970: time = {{ sql = \"{}\" }}", EPOCH_SQL.replace("ts", &quoted(column))))
            }
            Self::Key | Self::TextKey if kind.is_float() => {
                Some(format!("if they are whole numbers: {{ sql = \"CAST({} AS BIGINT)\" }}", quoted(column)))
            }
            Self::Label | Self::Dimension if kind.is_float() || kind == &DataType::Binary => {
                Some(format!("{{ sql = \"CAST({} AS VARCHAR)\" }} makes it text", quoted(column)))
            }
            Self::Amount if kind == &DataType::String => {
                Some(format!("{{ sql = \"CAST({} AS DECIMAL(38, 6))\" }} makes numbers of it", quoted(column)))
            }
            Self::Count if kind == &DataType::String => {
                Some(format!("{{ sql = \"CAST({} AS BIGINT)\" }} makes numbers of it", quoted(column)))
            }
            Self::MinorAmount if kind.is_float() || matches!(kind, DataType::Decimal(..)) => {
                Some("leave out the unit if the column holds major units".to_owned())
            }
            _ => None,
        }
    }
}

/// A name as SQL takes it.
pub(crate) fn quoted(name: &str) -> String {
    let plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !name.starts_with(|first: char| first.is_ascii_digit());
    if plain { name.to_owned() } else { format!("\\\"{name}\\\"") }
}

/// A column in every file of a source.
pub(crate) struct Resolved {
    /// Its type over all files.
    pub kind: ColumnType,
    /// For each file its cells there, and their type.
    pub cells: Vec<(Expr, DataType)>,
    /// For each file whether that is a column as it stands.
    pub plain: Vec<Plain>,
    /// The first file that has more of it than nulls of no type.
    pub first: Option<usize>,
}

/// What is behind a column where nothing has to be computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    /// Nulls.
    Nothing,
    /// The same in all rows.
    Constant(Value),
    /// The column of this name.
    Column(String),
    /// It must be computed.
    Computed,
}

/// The files of a source, and what is asked of all their columns.
pub(crate) struct Resolver<'a> {
    /// The files.
    pub files: &'a [OpenFile],
    /// Whether a column that only some files have is null in the others.
    pub missing_as_null: bool,
}

impl Resolver<'_> {
    /// The column that a mapping names, or computes.
    pub(crate) fn resolve(&self, key: &str, spec: &ColumnSpec, role: Role) -> Result<Resolved, FrameError> {
        let (cells, plain) = match spec {
            ColumnSpec::Names(names) => (self.named(key, names, role)?, self.plain(key, names, role)?),
            ColumnSpec::Sql(sql) => {
                let text = Text::parse(key, sql)?;
                let compiled = self.compile(&text)?;
                if let Some(wrong) = compiled.iter().find(|compiled| !role.takes(&logical(&compiled.kind))) {
                    let found = type_name(&wrong.kind);
                    return Err(text.wrong(format!("it gives {found}, expected {}", role.expected())));
                }
                let cells = compiled.into_iter().map(|compiled| as_logical(compiled.expr, compiled.kind)).collect();
                (cells, vec![Plain::Computed; self.files.len()])
            }
        };
        let cells: Vec<_> = cells.into_iter().map(|(cells, kind)| for_role(role, cells, kind)).collect();
        let kind = self.united(key, spec, role, &cells)?;
        let first = cells.iter().position(|(_, own)| own != &DataType::Null);
        // Where a file has none of it, its nulls are of the type that the others have.
        let typed = |(cells, own): (Expr, DataType)| match own {
            DataType::Null if matches!(role, Role::Key | Role::TextKey | Role::Label | Role::Dimension) => {
                let own = polars_type(&kind);
                (null_of(own.clone()), own)
            }
            own => (cells, own),
        };
        let cells = cells.into_iter().map(typed).collect();
        Ok(Resolved { kind, cells, plain, first })
    }

    /// The first name that each file has.
    fn named(&self, key: &str, names: &[String], role: Role) -> Result<Vec<(Expr, DataType)>, FrameError> {
        let columns = self.columns(key, names)?;
        for (file, column) in self.files.iter().zip(&columns) {
            let Some(column) = column else { continue };
            let as_text = column.written.is_some() && role.keeps_text(&column.kind);
            if !as_text && !role.takes(&column.kind) {
                return Err(FrameError::WrongType {
                    key: key.to_owned(),
                    column: column.name.as_str().into(),
                    file: file.file.path.clone(),
                    found: type_name(&column.kind).into(),
                    expected: role.expected(),
                    hint: role.hint(&column.kind, &column.name).map(Into::into),
                });
            }
            if role == Role::MinorAmount && column.kind == DataType::Float64 {
                return Err(self.wrong_minor(key, column, file));
            }
        }
        // A text in one file makes it a text in every file where it is written as one.
        let any_text = matches!(role, Role::Key | Role::TextKey | Role::Dimension)
            && columns
                .iter()
                .flatten()
                .any(|column| column.kind == DataType::String || (column.written.is_some() && role.keeps_text(&column.kind)));
        Ok(columns
            .into_iter()
            .map(|column| match column {
                None => (null_of(DataType::Null), DataType::Null),
                Some(FoundColumn { kind: DataType::Null, .. }) => (null_of(DataType::Null), DataType::Null),
                Some(FoundColumn { written: Some(written), kind, .. }) if any_text || role.keeps_text(kind) => {
                    (written.clone(), DataType::String)
                }
                Some(column) => (column.cells.clone(), column.kind.clone()),
            })
            .collect())
    }

    fn plain(&self, key: &str, names: &[String], role: Role) -> Result<Vec<Plain>, FrameError> {
        let plain = |column: Option<&FoundColumn>| match column {
            None => Plain::Nothing,
            Some(FoundColumn { constant: Some(value), .. }) => Plain::Constant(value.clone()),
            Some(column) if column.kind == DataType::Null => Plain::Nothing,
            Some(column) if column.written.is_some() || (role == Role::Label && column.kind != DataType::String) => {
                Plain::Computed
            }
            Some(column) => Plain::Column(column.name.clone()),
        };
        Ok(self.columns(key, names)?.into_iter().map(plain).collect())
    }

    fn wrong_minor(&self, key: &str, column: &FoundColumn, file: &OpenFile) -> FrameError {
        FrameError::WrongType {
            key: key.to_owned(),
            column: column.name.as_str().into(),
            file: file.file.path.clone(),
            found: type_name(&column.kind).into(),
            expected: Role::MinorAmount.expected(),
            hint: Role::MinorAmount.hint(&column.kind, &column.name).map(Into::into),
        }
    }

    /// For each file the first of the names that it has; none where it may be missing.
    fn columns(&self, key: &str, names: &[String]) -> Result<Vec<Option<&FoundColumn>>, FrameError> {
        let columns: Vec<_> = self.files.iter().map(|file| names.iter().find_map(|name| file.column(name))).collect();
        let elsewhere = columns.iter().any(Option::is_some);
        match columns.iter().position(Option::is_none) {
            Some(missing) if !elsewhere || !self.missing_as_null => Err(FrameError::MissingColumn {
                key: key.to_owned(),
                columns: names.to_vec(),
                file: self.files[missing].file.path.clone(),
                found: self.files[missing].names(),
                elsewhere,
            }),
            _ => Ok(columns),
        }
    }

    /// An SQL text over source columns, for each file.
    pub(crate) fn compile(&self, text: &Text<'_>) -> Result<Vec<Compiled>, FrameError> {
        let mut inputs: HashMap<String, Vec<(Expr, DataType)>> = HashMap::new();
        for name in text.names() {
            // Names that no file has are no columns of the source: what they are the compiler says.
            if self.files.iter().any(|file| file.column(&name).is_some()) {
                let columns = self.columns(text.key, std::slice::from_ref(&name))?;
                inputs.insert(name.clone(), self.sql_input(text.key, &name, &columns)?);
            }
        }
        let mut names: Vec<_> = inputs.keys().cloned().collect();
        names.sort_unstable();
        // Most files are alike: a text is compiled once for each set of types.
        let mut done: Vec<(Vec<DataType>, Compiled)> = Vec::new();
        (0..self.files.len())
            .map(|file| {
                let kinds: Vec<_> = names.iter().map(|name| inputs[name][file].1.clone()).collect();
                let compiled = match done.iter().find(|(before, _)| *before == kinds) {
                    Some((_, compiled)) => compiled.clone(),
                    None => {
                        let fields = names.iter().zip(&kinds).map(|(name, kind)| (name.as_str().into(), kind.clone()));
                        let compiled = text.compile(&fields.collect::<Schema>()).map_err(|error| self.with_all_names(error))?;
                        done.push((kinds, compiled.clone()));
                        compiled
                    }
                };
                let expr = replace_columns(compiled.expr, &|name| inputs.get(name).map(|cells| cells[file].0.clone()));
                Ok(Compiled { expr, kind: compiled.kind })
            })
            .collect()
    }

    /// A text is compiled over the columns that it names; the list of what there is should be all of them.
    fn with_all_names(&self, error: FrameError) -> FrameError {
        match error {
            FrameError::UnknownColumn { key, sql, column, .. } => {
                FrameError::UnknownColumn { key, sql, column, known: self.all_names() }
            }
            error => error,
        }
    }

    fn all_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for name in self.files.iter().flat_map(OpenFile::names) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// A column as SQL sees it: the same kind of thing in every file.
    fn sql_input(&self, key: &str, name: &str, columns: &[Option<&FoundColumn>]) -> Result<Vec<(Expr, DataType)>, FrameError> {
        let known = || columns.iter().flatten().filter(|column| column.kind != DataType::Null);
        let is_number = |kind: &DataType| kind.is_numeric() || matches!(kind, DataType::Decimal(..));
        let same = |left: &DataType, right: &DataType| {
            left == right
                || (is_number(left) && is_number(right))
                || matches!((left, right), (DataType::Datetime(..), DataType::Datetime(..)))
        };
        let first = known().next().map_or(DataType::String, |column| column.kind.clone());
        let mixed = known().any(|column| !same(&column.kind, &first));
        let float = known().any(|column| column.kind == DataType::Float64);
        let mut cells = Vec::with_capacity(columns.len());
        for (place, column) in columns.iter().enumerate() {
            cells.push(match column {
                Some(FoundColumn { written: Some(written), .. }) if mixed => (written.clone(), DataType::String),
                Some(FoundColumn { written: Some(_), kind: DataType::Int64, cells, .. }) if float => {
                    (cells.clone().strict_cast(DataType::Float64), DataType::Float64)
                }
                Some(column) if column.kind != DataType::Null => {
                    if mixed && column.kind != DataType::String {
                        return Err(self.mixed(key, name, columns, place));
                    }
                    (column.cells.clone(), column.kind.clone())
                }
                _ => {
                    let kind = if mixed { DataType::String } else { first.clone() };
                    (null_of(kind.clone()), kind)
                }
            });
        }
        Ok(cells)
    }

    fn mixed(&self, key: &str, name: &str, columns: &[Option<&FoundColumn>], place: usize) -> FrameError {
        let kind = |place: usize| columns[place].map(|column| &column.kind);
        let other =
            (0..columns.len()).find(|&other| kind(other).is_some_and(|it| it != &DataType::Null && Some(it) != kind(place)));
        let (early, late) = match other {
            Some(other) if other > place => (place, other),
            Some(other) => (other, place),
            None => (place, place),
        };
        FrameError::MixedTypes {
            key: key.to_owned(),
            column: name.into(),
            file: self.files[late].file.path.clone(),
            found: kind(late).map(type_name).unwrap_or_default().into(),
            other_file: self.files[early].file.path.as_path().into(),
            other_found: kind(early).map(type_name).unwrap_or_default().into(),
        }
    }

    /// One type for what the files have.
    fn united(&self, key: &str, spec: &ColumnSpec, role: Role, cells: &[(Expr, DataType)]) -> Result<ColumnType, FrameError> {
        let mut united: Option<(usize, ColumnType)> = None;
        for (place, (_, kind)) in cells.iter().enumerate() {
            let Some(kind) = column_type(kind) else { continue };
            united = match united {
                None => Some((place, kind)),
                // Each file's times and amounts are turned into one form by their own type.
                Some(before) if matches!(role, Role::Time | Role::Amount | Role::MinorAmount | Role::Count) => Some(before),
                Some((other, before)) => match wider(&before, &kind) {
                    Some(kind) => Some((other, kind)),
                    None => {
                        return Err(FrameError::MixedTypes {
                            key: key.to_owned(),
                            column: spec.text().into(),
                            file: self.files[place].file.path.clone(),
                            found: kind.to_string().into(),
                            other_file: self.files[other].file.path.as_path().into(),
                            other_found: before.to_string().into(),
                        });
                    }
                },
            };
        }
        Ok(united.map_or(ColumnType::Text, |(_, kind)| kind))
    }
}

/// `expr` with some of its columns replaced.
pub(crate) fn replace_columns(expr: Expr, by: &dyn Fn(&str) -> Option<Expr>) -> Expr {
    // Not `map_expr`: that would go on into what was put in.
    use polars::prelude::Selector;
    let mut done: Vec<Expr> = Vec::new();
    let marked = expr.map_expr(|part| {
        let name = match &part {
            Expr::Column(name) => Some(name.clone()),
            Expr::Selector(Selector::ByName { names, .. }) if names.len() == 1 => names.first().cloned(),
            _ => None,
        };
        match name.and_then(|name| by(&name)) {
            Some(replacement) => {
                done.push(replacement);
                Expr::Column(format!("\u{0}{}", done.len() - 1).into())
            }
            None => part,
        }
    });
    marked.map_expr(|part| match &part {
        Expr::Column(name) => {
            let place = name.strip_prefix('\u{0}').and_then(|place| place.parse::<usize>().ok());
            place.and_then(|place| done.get(place).cloned()).unwrap_or(part)
        }
        _ => part,
    })
}

/// The names of the columns that an expression is computed from.
pub(crate) fn columns_in(expr: &Expr) -> Vec<String> {
    let names = std::cell::RefCell::new(Vec::new());
    let _ = replace_columns(expr.clone(), &|name| {
        names.borrow_mut().push(name.to_owned());
        None
    });
    names.into_inner()
}

/// Labels become text; all else stays.
fn for_role(role: Role, cells: Expr, kind: DataType) -> (Expr, DataType) {
    if role == Role::Label && kind != DataType::String && kind != DataType::Null {
        return (cells.cast(DataType::String), DataType::String);
    }
    (cells, kind)
}

fn logical(kind: &DataType) -> DataType {
    match kind {
        DataType::Categorical(..) | DataType::Enum(..) => DataType::String,
        other => other.clone(),
    }
}

fn as_logical(cells: Expr, kind: DataType) -> (Expr, DataType) {
    match logical(&kind) {
        same if same == kind => (cells, kind),
        text => (cells.cast(text.clone()), text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_does_not_reach_into_what_was_put_in() {
        use polars::prelude::col;
        let swapped = replace_columns(col("a") + col("b"), &|name| Some(col(if name == "a" { "b" } else { "a" })));
        assert_eq!(swapped, col("b") + col("a"));
    }
}
