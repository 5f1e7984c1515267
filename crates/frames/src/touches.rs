//! Touchpoints: the plan of each file, and its batches as plain columns.

use std::collections::BTreeSet;

use attributary_core::NOT_SET;
use attributary_core::batch::{RowNumbers, TouchBatch, attribute};
use attributary_core::time::Zone;
use attributary_core::value::{ColumnType, Value};
use attributary_rowgroups::{Attribute, Columns};
use polars::prelude::{DataType, Expr, PolarsResult, Schema, col, lit, when};

use crate::coded::{channels, coded, nothing};
use crate::error::FrameError;
use crate::identities::identities;
use crate::plain::{self, MAX_USED, PlainTouches, Reading, UsedAttribute};
use crate::plan::{Plain, Resolved, Resolver, Role, replace_columns};
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
    /// The files that need no query.
    plain: PlainTouches,
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
        let conditions = mapped.predicates(mapping)?;
        let used = mapped.used(mapping)?;
        let columns: Vec<_> = (0..files.len()).map(|file| mapped.plain(file).filter(|_| used.is_some())).collect();
        let selected = (0..files.len()).map(|file| (mapped.selected(file), conditions[file].clone())).collect();
        let attributes = mapped.columns[2..].iter().map(|column| column.as_ref().map(|column| column.place.clone())).collect();
        let keys = mapping.sql_keys(&spec.key);
        let scan = Scan::new(spec, ("time", &mapping.time), files, selected, keys)?;
        let predicates: Vec<String> = (0..mapping.predicates.len()).map(predicate_column).collect();
        let columns = columns.into_iter().enumerate();
        let files: Vec<_> = columns.filter_map(|(place, columns)| plain::open(&scan, place, columns?)).collect();
        let plain = PlainTouches {
            conditions: files.iter().map(|file| conditions[file.place].clone()).collect(),
            files,
            used: used.unwrap_or_default(),
            predicates: predicates.clone(),
            keys: mapping.predicates.iter().map(|predicate| predicate.key.clone()).collect(),
        };
        // The mapping always names a customer.
        Ok(Self { scan, customer: customer.unwrap_or(ColumnType::Text), id, dimensions, attributes, predicates, plain })
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
        self.read_files(&|_| true, bounds, threads, progress, sink)
    }

    /// As [`TouchSource::read`], but only of the files whose places are `wanted`.
    ///
    /// # Errors
    /// As there.
    pub fn read_files(
        &self,
        wanted: &(dyn Fn(usize) -> bool + Sync),
        bounds: &TimeBounds,
        threads: usize,
        progress: &Progress,
        sink: &(dyn Fn(TouchBatch) -> Result<(), Stop> + Sync),
    ) -> Result<(), FrameError> {
        let is_plain = |file: &usize| self.plain.files.binary_search_by_key(file, |plain| plain.place).is_ok();
        let others = (0..self.scan.files.len()).filter(|file| wanted(*file) && !is_plain(file));
        self.scan.read(others, bounds, threads, progress, &|batch| Ok(sink(self.batch(batch)?)?))?;
        self.plain.read(Reading { scan: &self.scan, wanted, bounds, threads, progress }, sink)
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
            rows: RowNumbers::Each(batch.rows),
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

    /// The attributes that predicates name (place, column of the plan, type); none where they name the id, or too many.
    fn used(&self, mapping: &TouchMapping) -> Result<Option<Vec<UsedAttribute>>, FrameError> {
        let mut names = BTreeSet::new();
        for predicate in &mapping.predicates {
            names.extend(Text::parse(&predicate.key, &predicate.sql)?.names());
        }
        let named = |column: &MappedColumn| names.contains(&column.name);
        let used: Vec<_> = self.columns[2..]
            .iter()
            .enumerate()
            .filter_map(|(place, column)| {
                let column = column.as_ref().filter(|column| named(column))?;
                Some((place, column.place.clone(), column.resolved.kind.clone()))
            })
            .collect();
        let by_row = self.columns[1].as_ref().is_some_and(named);
        Ok((!by_row && used.len() <= MAX_USED).then_some(used))
    }

    /// The columns of a file, if all of them are taken as they stand. What the time is is not known here.
    fn plain(&self, file: usize) -> Option<Columns> {
        let key = |column: &MappedColumn| match &column.resolved.plain[file] {
            Plain::Column(name) => Some(name.clone()),
            _ => None,
        };
        let attribute = |column: &Option<MappedColumn>| {
            Some(match column.as_ref().map(|column| &column.resolved.plain[file]) {
                None | Some(Plain::Nothing) => Attribute::Nothing,
                Some(Plain::Constant(Value::Null)) => Attribute::Nothing,
                Some(Plain::Constant(value)) => Attribute::Constant(value.clone()),
                Some(Plain::Column(name)) => Attribute::Column(name.clone()),
                Some(Plain::Computed) => return None,
            })
        };
        let mut attributes = self.columns[2..].iter().map(attribute).collect::<Option<Vec<_>>>()?;
        // A channel is never null: one that is missing is not set.
        match &mut attributes[attribute::CHANNEL] {
            Attribute::Constant(value) if value.as_text() != Some("") => {}
            Attribute::Column(_) => {}
            channel => *channel = Attribute::Constant(Value::text(NOT_SET)),
        }
        Some(Columns {
            customer: key(self.columns[0].as_ref()?)?,
            time: String::new(),
            zone: Zone::utc(),
            id: match &self.columns[1] {
                Some(column) => Some(key(column)?),
                None => None,
            },
            attributes,
            currency: None,
            refund_of: None,
            amounts: Vec::new(),
            known: None,
        })
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
