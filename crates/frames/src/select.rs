//! The columns that a source asks of all its files, resolved one after another.

use polars::prelude::Expr;

use crate::error::FrameError;
use crate::plan::{Resolved, Resolver, Role};
use crate::source::OpenFile;
use crate::{ColumnSpec, SourceSpec};

/// What of each file is selected so far.
pub(crate) struct Selection<'a> {
    resolver: Resolver<'a>,
    /// For each file the columns to select; none are computed from them.
    pub selected: Vec<(Vec<Expr>, Vec<Expr>)>,
    /// The keys of the SQL texts among them.
    pub sql_keys: Vec<String>,
}

impl<'a> Selection<'a> {
    /// Nothing yet.
    pub(crate) fn new(spec: &SourceSpec, files: &'a [OpenFile]) -> Self {
        let resolver = Resolver { files, missing_as_null: spec.missing_as_null };
        Self { resolver, selected: vec![(Vec::new(), Vec::new()); files.len()], sql_keys: Vec::new() }
    }

    /// Resolves a column, which is called `name` in the plan.
    pub(crate) fn add(&mut self, key: &str, name: &str, column: &ColumnSpec, role: Role) -> Result<Resolved, FrameError> {
        let resolved = self.resolver.resolve(key, column, role)?;
        for ((columns, _), (cells, _)) in self.selected.iter_mut().zip(&resolved.cells) {
            columns.push(cells.clone().alias(name));
        }
        if matches!(column, ColumnSpec::Sql(_)) {
            self.sql_keys.push(key.to_owned());
        }
        Ok(resolved)
    }
}
