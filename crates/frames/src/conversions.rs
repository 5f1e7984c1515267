//! Conversions: the plan of each file, and its batches as plain columns.

use attributary_core::batch::ConversionBatch;
use attributary_core::value::ColumnType;
use polars::prelude::PolarsResult;

use crate::amounts::amounts;
use crate::coded::{coded, nothing};
use crate::error::FrameError;
use crate::identities::identities;
use crate::plan::{Resolver, Role};
use crate::scan::{RawBatch, Scan};
use crate::{ColumnSpec, ConversionMapping, Progress, SourceFile, SourceSpec, Stop, TimeBounds, ValueUnit};

/// Conversions whose files are found, whose schemas are checked and whose rows are not read yet.
pub struct ConversionSource {
    scan: Scan,
    customer: ColumnType,
    id: ColumnType,
    has_kind: bool,
    values: Vec<(String, ValueUnit)>,
    exponent: u8,
}

const ID: &str = "id";
const CUSTOMER: &str = "customer";
const KIND: &str = "kind";

impl ConversionSource {
    /// Finds the files, checks that each has the mapped columns in types that will do, and compiles the SQL.
    ///
    /// # Errors
    /// What keeps the source from being read: no files, a file that is damaged, a column that is missing or of a wrong type,
    /// SQL that is wrong.
    pub fn open(spec: &SourceSpec, mapping: &ConversionMapping) -> Result<Self, FrameError> {
        let files = Scan::files(spec)?;
        let resolver = Resolver { files: &files, missing_as_null: spec.missing_as_null };
        let mut wanted = vec![
            (format!("{}.columns.id", spec.key), ID.to_owned(), &mapping.id, Role::Key),
            (format!("{}.columns.customer", spec.key), CUSTOMER.to_owned(), &mapping.customer, Role::Key),
        ];
        if let Some(kind) = &mapping.kind {
            wanted.push((format!("{}.columns.kind", spec.key), KIND.to_owned(), kind, Role::Label));
        }
        for (place, value) in mapping.values.iter().enumerate() {
            let role = match value.unit {
                ValueUnit::Major => Role::Amount,
                ValueUnit::Minor => Role::MinorAmount,
            };
            wanted.push((format!("{}.values.{}", spec.key, value.name), value_column(place), &value.column, role));
        }
        let mut kinds = Vec::new();
        let mut selected = vec![(Vec::new(), Vec::new()); files.len()];
        let mut sql_keys = Vec::new();
        for (key, name, column, role) in wanted {
            let resolved = resolver.resolve(&key, column, role)?;
            for ((columns, _), (cells, _)) in selected.iter_mut().zip(resolved.cells) {
                columns.push(cells.alias(name.as_str()));
            }
            kinds.push(resolved.kind);
            if matches!(column, ColumnSpec::Sql(_)) {
                sql_keys.push(key);
            }
        }
        let scan = Scan::new(spec, &mapping.time, files, selected, sql_keys)?;
        let values = mapping.values.iter().enumerate().map(|(place, value)| (value_column(place), value.unit)).collect();
        let (id, customer) = (kinds[0].clone(), kinds[1].clone());
        Ok(Self { scan, customer, id, has_kind: mapping.kind.is_some(), values, exponent: mapping.exponent })
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

    /// The type of conversion ids over all files.
    #[must_use]
    pub fn id_type(&self) -> &ColumnType {
        &self.id
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
        sink: &(dyn Fn(ConversionBatch) -> Result<(), Stop> + Sync),
    ) -> Result<(), FrameError> {
        self.scan.read(0..self.scan.files.len(), bounds, threads, progress, &|batch| Ok(sink(self.batch(batch)?)?))
    }

    fn batch(&self, batch: RawBatch) -> PolarsResult<ConversionBatch> {
        let values = self.values.iter().map(|(name, unit)| amounts(batch.column(name)?, *unit, self.exponent));
        Ok(ConversionBatch {
            file: batch.file,
            ids: identities(batch.column(ID)?)?,
            customers: identities(batch.column(CUSTOMER)?)?,
            kinds: if self.has_kind { coded(batch.column(KIND)?)? } else { nothing(batch.rows.len()) },
            values: values.collect::<PolarsResult<_>>()?,
            rows: batch.rows,
            times: batch.times,
        })
    }
}

fn value_column(place: usize) -> String {
    format!("value {place}")
}
