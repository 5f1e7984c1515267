//! Touchpoints: the plan of each file, and its batches as plain columns.

use attributary_core::NOT_SET;
use attributary_core::batch::{TouchBatch, attribute};
use attributary_core::value::ColumnType;
use polars::prelude::{DataType, Expr, PolarsResult, Schema, col, lit, when};

use crate::coded::{channels, coded, nothing};
use crate::error::FrameError;
use crate::identities::identities;
use crate::plan::{Resolved, Resolver, Role, replace_columns};
use crate::scan::{RawBatch, Scan, flags};
use crate::sql::Text;
use crate::{ColumnSpec, MAX_PREDICATES, Progress, SourceFile, SourceSpec, Stop, TimeBounds, TouchMapping};

/// Touchpoints whose files are found, whose schemas are checked and whose rows are not read yet.
pub struct TouchSource {
    scan: Scan,
    customer: ColumnType,
    id: Option<ColumnType>,
    dimensions: Vec<ColumnType>,
    /// For each attribute its column in the plan; none where not mapped.
    attributes: Vec<Option<String>>,
    predicates: Vec<String>,
}

const CUSTOMER: &str = "customer";
const ID: &str = "id";

impl TouchSource {
    /// Finds the files, checks that each has the mapped columns in types that will do, and compiles the SQL.
    ///
    /// # Errors
    /// What keeps the source from being read: no files, a file that is damaged, a column that is missing or of a wrong type,
    /// SQL that is wrong.
    pub fn open(spec: &SourceSpec, mapping: &TouchMapping) -> Result<Self, FrameError> {
        if mapping.predicates.len() > MAX_PREDICATES {
            return Err(FrameError::TooManyPredicates { found: mapping.predicates.len() });
        }
        let files = Scan::files(spec)?;
        let mut mapped = Mapped {
            resolver: Resolver { files: &files, missing_as_null: spec.missing_as_null },
            section: &spec.key,
            columns: Vec::new(),
        };
        let customer = mapped.column(CUSTOMER, Some(&mapping.customer), Role::Key)?;
        let id = mapped.column(ID, mapping.id.as_ref(), Role::Key)?;
        mapped.column("channel", Some(&mapping.channel), Role::Label)?;
        mapped.column("campaign", mapping.campaign.as_ref(), Role::Label)?;
        mapped.column("interaction", mapping.interaction.as_ref(), Role::Label)?;
        let mut dimensions = Vec::new();
        for dimension in &mapping.dimensions {
            let kind = mapped.column(&dimension.name, Some(&dimension.column), Role::Dimension)?;
            dimensions.extend(kind);
        }
        let predicates = mapped.predicates(mapping)?;
        let selected = (0..files.len()).map(|file| (mapped.selected(file), predicates[file].clone())).collect();
        let attributes = mapped.columns[2..].iter().map(|column| column.as_ref().map(|column| column.place.clone())).collect();
        let keys = mapping.sql_keys(&spec.key);
        let scan = Scan::new(spec, &mapping.time, files, selected, keys)?;
        let predicates = (0..mapping.predicates.len()).map(predicate_column).collect();
        // The mapping always names a customer.
        Ok(Self { scan, customer: customer.unwrap_or(ColumnType::Text), id, dimensions, attributes, predicates })
    }

    /// The files, in the order of their paths' bytes: the order in which batches number them.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.scan.files
    }

    /// The type of customers over all files.
    #[must_use]
    pub fn customer_type(&self) -> &ColumnType {
        &self.customer
    }

    /// The type of touch ids over all files, where mapped.
    #[must_use]
    pub fn id_type(&self) -> Option<&ColumnType> {
        self.id.as_ref()
    }

    /// The type of each dimension over all files.
    #[must_use]
    pub fn dimension_types(&self) -> &[ColumnType] {
        &self.dimensions
    }

    /// Reads all files and hands their rows to `sink`, from `threads` threads: in order within a batch, batches in any order.
    ///
    /// # Errors
    /// The first file that cannot be read to its end, or [`FrameError::Stopped`] where the sink asked for it.
    pub fn read(
        &self,
        bounds: &TimeBounds,
        threads: usize,
        progress: &Progress,
        sink: &(dyn Fn(TouchBatch) -> Result<(), Stop> + Sync),
    ) -> Result<(), FrameError> {
        self.scan.read(bounds, threads, progress, &|batch| Ok(sink(self.batch(batch)?)?))
    }

    fn batch(&self, batch: RawBatch) -> PolarsResult<TouchBatch> {
        let attributes = self.attributes.iter().enumerate().map(|(place, name)| match name {
            Some(name) if place == attribute::CHANNEL => channels(batch.column(name)?),
            Some(name) => coded(batch.column(name)?),
            None => Ok(nothing(batch.rows.len())),
        });
        Ok(TouchBatch {
            file: batch.file,
            customers: identities(batch.column(CUSTOMER)?)?,
            ids: self.id.as_ref().map(|_| identities(batch.column(ID)?)).transpose()?,
            attributes: attributes.collect::<PolarsResult<_>>()?,
            flags: flags(&batch, &self.predicates)?,
            rows: batch.rows,
            times: batch.times,
        })
    }
}

fn predicate_column(place: usize) -> String {
    format!("predicate {place}")
}

/// The mapped columns as they are being resolved: customer, id, then the attributes.
struct Mapped<'a> {
    resolver: Resolver<'a>,
    section: &'a str,
    columns: Vec<Option<MappedColumn>>,
}

struct MappedColumn {
    /// What predicates call it.
    name: String,
    /// Its name in the plan.
    place: String,
    resolved: Resolved,
}

impl Mapped<'_> {
    /// Resolves the next column, called `name` in predicates; gives its type where mapped.
    fn column(&mut self, name: &str, spec: Option<&ColumnSpec>, role: Role) -> Result<Option<ColumnType>, FrameError> {
        let Some(spec) = spec else {
            self.columns.push(None);
            return Ok(None);
        };
        let dimension = role == Role::Dimension;
        let key = if dimension { format!("{}.dimensions", self.section) } else { format!("{}.columns.{name}", self.section) };
        let resolved = self.resolver.resolve(&key, spec, role)?;
        let kind = resolved.kind.clone();
        let place = if dimension { format!("dimension {}", self.columns.len()) } else { name.to_owned() };
        self.columns.push(Some(MappedColumn { name: name.to_owned(), place, resolved }));
        Ok(Some(kind))
    }

    fn selected(&self, file: usize) -> Vec<Expr> {
        let columns = self.columns.iter().flatten();
        columns.map(|column| column.resolved.cells[file].0.clone().alias(column.place.as_str())).collect()
    }

    /// For each file its predicates, over the columns of its plan.
    fn predicates(&self, mapping: &TouchMapping) -> Result<Vec<Vec<Expr>>, FrameError> {
        let texts = mapping.predicates.iter().map(|predicate| Text::parse(&predicate.key, &predicate.sql));
        let texts: Vec<_> = texts.collect::<Result<_, _>>()?;
        let mut done: Vec<(Vec<DataType>, Vec<Expr>)> = Vec::new();
        let files = 0..self.resolver.files.len();
        files
            .map(|file| {
                // The customer is no name that predicates know.
                let known = || self.columns.iter().skip(1).flatten();
                let kinds: Vec<_> = known().map(|column| column.resolved.cells[file].1.clone()).collect();
                if let Some((_, predicates)) = done.iter().find(|(before, _)| *before == kinds) {
                    return Ok(predicates.clone());
                }
                let fields = known().zip(&kinds).map(|(column, kind)| (column.name.as_str().into(), kind.clone()));
                let schema: Schema = fields.collect();
                let predicates = texts.iter().enumerate().map(|(place, text)| {
                    let condition = text.compile(&schema)?.condition(text)?;
                    let condition = replace_columns(condition, &|name| self.as_mapped(name));
                    Ok(condition.alias(predicate_column(place)))
                });
                let predicates: Vec<_> = predicates.collect::<Result<_, FrameError>>()?;
                done.push((kinds, predicates.clone()));
                Ok(predicates)
            })
            .collect()
    }

    /// The column of a plan that a predicate means by `name`.
    fn as_mapped(&self, name: &str) -> Option<Expr> {
        let column = self.columns.iter().skip(1).flatten().find(|column| column.name == name)?;
        let cells = col(column.place.as_str());
        Some(match name {
            "channel" => when(cells.clone().neq(lit(""))).then(cells).otherwise(lit(NOT_SET)),
            _ => cells,
        })
    }
}

impl TouchMapping {
    /// The keys of all SQL texts in it.
    fn sql_keys(&self, section: &str) -> Vec<String> {
        let columns = [
            ("customer", Some(&self.customer)),
            ("id", self.id.as_ref()),
            ("channel", Some(&self.channel)),
            ("campaign", self.campaign.as_ref()),
            ("interaction", self.interaction.as_ref()),
        ];
        let computed = columns.iter().filter(|(_, spec)| matches!(spec, Some(ColumnSpec::Sql(_))));
        let computed = computed.map(|(name, _)| format!("{section}.columns.{name}"));
        let dimension = self.dimensions.iter().any(|dimension| matches!(dimension.column, ColumnSpec::Sql(_)));
        let predicates = self.predicates.iter().map(|predicate| predicate.key.clone());
        computed.chain(dimension.then(|| format!("{section}.dimensions"))).chain(predicates).collect()
    }
}
