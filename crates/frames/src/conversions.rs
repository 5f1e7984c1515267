//! Conversions: the plan of each file, and its batches as plain columns.

use attributary_core::batch::ConversionBatch;
use attributary_core::time::Zone;
use attributary_core::value::{ColumnType, Value};
use attributary_rowgroups::{Amount, Attribute, Batches, Columns};
use polars::prelude::PolarsResult;

use crate::amounts::amounts;
use crate::coded::{coded, nothing};
use crate::error::FrameError;
use crate::identities::identities;
use crate::plain::{self, PlainFile, Reading};
use crate::plan::{Plain, Resolver, Role};
use crate::scan::{RawBatch, Scan};
use crate::times::within;
use crate::{ColumnSpec, ConversionMapping, Progress, SourceFile, SourceSpec, Stop, TimeBounds, ValueSpec, ValueUnit};

/// Conversions whose files are found, whose schemas are checked and whose rows are not read yet.
pub struct ConversionSource {
    scan: Scan,
    customer: ColumnType,
    id: ColumnType,
    has_kind: bool,
    values: Vec<(String, ValueUnit)>,
    exponent: u8,
    /// The files that need no query.
    plain: Vec<PlainFile>,
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
        let mut stands = Vec::new();
        for (key, name, column, role) in wanted {
            let resolved = resolver.resolve(&key, column, role)?;
            for ((columns, _), (cells, _)) in selected.iter_mut().zip(resolved.cells) {
                columns.push(cells.alias(name.as_str()));
            }
            kinds.push(resolved.kind);
            stands.push(resolved.plain);
            if matches!(column, ColumnSpec::Sql(_)) {
                sql_keys.push(key);
            }
        }
        let scan = Scan::new(spec, &mapping.time, files, selected, sql_keys)?;
        let plain = (0..scan.files.len()).filter_map(|file| {
            let of_file: Vec<&Plain> = stands.iter().map(|stands| &stands[file]).collect();
            plain::open(&scan, file, plain_columns(mapping, &of_file)?)
        });
        let plain = plain.collect();
        let values = mapping.values.iter().enumerate().map(|(place, value)| (value_column(place), value.unit)).collect();
        let (id, customer) = (kinds[0].clone(), kinds[1].clone());
        Ok(Self { scan, customer, id, has_kind: mapping.kind.is_some(), values, exponent: mapping.exponent, plain })
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
        let is_plain = |file: &usize| self.plain.binary_search_by_key(file, |plain| plain.place).is_ok();
        let others = (0..self.scan.files.len()).filter(|file| !is_plain(file));
        self.scan.read(others, bounds, threads, progress, &|batch| Ok(sink(self.batch(batch)?)?))?;
        let reading = Reading { scan: &self.scan, bounds, threads, progress };
        plain::read_groups(&self.plain, reading, &|mut group| {
            let next = |batches: &mut Batches<'_>, file, bounds: &TimeBounds| {
                batches.next_conversions(file, |time| within(bounds, time))
            };
            group.each(next, |batch| sink(batch).map_err(|Stop| FrameError::Stopped))
        })
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

/// The columns of a file, if all of them are taken as they stand: id, customer, perhaps a kind, values. What the time is is not
/// known here.
fn plain_columns(mapping: &ConversionMapping, stands: &[&Plain]) -> Option<Columns> {
    let column = |plain: &Plain| match plain {
        Plain::Column(name) => Some(name.clone()),
        _ => None,
    };
    let (kind, values) = stands[2..].split_at(usize::from(mapping.kind.is_some()));
    let attribute = |kind: &&Plain| match kind {
        Plain::Nothing | Plain::Constant(Value::Null) => Some(Attribute::Nothing),
        Plain::Constant(value) => Some(Attribute::Constant(value.clone())),
        Plain::Column(name) => Some(Attribute::Column(name.clone())),
        Plain::Computed => None,
    };
    let amount = |(plain, value): (&&Plain, &ValueSpec)| {
        Some(Amount { column: column(plain)?, minor: value.unit == ValueUnit::Minor, exponent: mapping.exponent })
    };
    Some(Columns {
        customer: column(stands[1])?,
        time: String::new(),
        zone: Zone::utc(),
        id: Some(column(stands[0])?),
        attributes: kind.iter().map(attribute).collect::<Option<_>>()?,
        amounts: values.iter().zip(&mapping.values).map(amount).collect::<Option<_>>()?,
    })
}

fn value_column(place: usize) -> String {
    format!("value {place}")
}
