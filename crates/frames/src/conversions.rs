//! Conversions: the plan of each file, and its batches as plain columns.

use std::sync::Arc;

use attributary_core::batch::ConversionBatch;
use attributary_core::exchange::{Exchanging, Market};
use attributary_core::rates::Rates;
use attributary_core::time::Zone;
use attributary_core::value::{ColumnType, Value};
use attributary_rowgroups::{Amount, Attribute, Batches, Columns};
use polars::prelude::PolarsResult;

use crate::amounts::amounts;
use crate::coded::{coded, nothing};
use crate::error::FrameError;
use crate::exchange::{converted, exchanging};
use crate::identities::{identities, named};
use crate::plain::{self, PlainFile, Reading};
use crate::plan::{Plain, Resolved, Role, quoted};
use crate::scan::{RawBatch, Scan};
use crate::select::Selection;
use crate::source::OpenFile;
use crate::times::within;
use crate::{ColumnSpec, ConversionMapping, Progress, SourceFile, SourceSpec, Stop, TimeBounds, ValueSpec, ValueUnit};

/// Conversions whose files are found, whose schemas are checked and whose rows are not read yet.
pub struct ConversionSource {
    scan: Scan,
    customer: ColumnType,
    id: ColumnType,
    has_kind: bool,
    has_refunds: bool,
    has_currency: bool,
    values: Vec<(String, ValueUnit)>,
    exponent: u8,
    market: Option<Market>,
    /// The files that need no query.
    plain: Vec<PlainFile>,
}

const ID: &str = "id";
const CUSTOMER: &str = "customer";
const KIND: &str = "kind";
const REFUND_OF: &str = "refund_of";
const CURRENCY: &str = "currency";

impl ConversionSource {
    /// Finds the files, checks that each has the mapped columns in types that will do, and compiles the SQL.
    ///
    /// # Errors
    /// What keeps the source from being read: no files, a file that is damaged, a column that is missing or of a wrong type,
    /// SQL that is wrong.
    pub fn open(spec: &SourceSpec, mapping: &ConversionMapping) -> Result<Self, FrameError> {
        let files = Scan::files(spec)?;
        let mut selection = Selection::new(spec, &files);
        let key = |name: &str| format!("{}.columns.{name}", spec.key);
        let id = selection.add(&key(ID), ID, &mapping.id, Role::Key)?;
        let customer = selection.add(&key(CUSTOMER), CUSTOMER, &mapping.customer, Role::Key)?;
        let kind = mapping.kind.as_ref().map(|kind| selection.add(&key(KIND), KIND, kind, Role::Label)).transpose()?;
        let mut refunds = None;
        if let Some(column) = &mapping.refund_of {
            // Where ids are text, a CSV column of which all cells are numbers is meant as text too.
            let role = if id.kind == ColumnType::Text { Role::TextKey } else { Role::Key };
            let resolved = selection.add(&key(REFUND_OF), REFUND_OF, column, role)?;
            same_kind_as_id(&id, &resolved)
                .map_err(|expected| wrong_refund(key(REFUND_OF), column, &resolved, &files, expected))?;
            refunds = Some(resolved);
        }
        let currency = mapping.currency.as_ref();
        let currency = currency.map(|currency| selection.add(&key(CURRENCY), CURRENCY, currency, Role::Label)).transpose()?;
        let mut values = Vec::new();
        for (place, value) in mapping.values.iter().enumerate() {
            let key = format!("{}.values.{}", spec.key, value.name);
            values.push(selection.add(&key, &value_column(place), &value.column, amount_role(value.unit))?);
        }
        let stand = Stand {
            id: &id,
            customer: &customer,
            kind: kind.as_ref(),
            currency: currency.as_ref(),
            refunds: refunds.as_ref(),
            values: &values,
        };
        let columns: Vec<_> = (0..files.len()).map(|file| stand.columns(mapping, file)).collect();
        let Selection { selected, sql_keys, .. } = selection;
        let scan = Scan::new(spec, ("time", &mapping.time), files, selected, sql_keys)?;
        let plain = columns.into_iter().enumerate().filter_map(|(file, columns)| plain::open(&scan, file, columns?)).collect();
        let values = mapping.values.iter().enumerate().map(|(place, value)| (value_column(place), value.unit)).collect();
        Ok(Self {
            scan,
            customer: customer.kind,
            id: id.kind,
            has_kind: kind.is_some(),
            has_refunds: refunds.is_some(),
            has_currency: currency.is_some(),
            values,
            exponent: mapping.exponent,
            market: None,
            plain,
        })
    }

    /// What amounts are converted with where a currency is mapped; the day of a row is that of its time in `zone`. Without it no
    /// row has a rate.
    pub fn set_rates(&mut self, rates: Arc<Rates>, zone: Zone) {
        self.market = Some(Market { rates, zone });
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
        self.read_files(&|_| true, bounds, threads, progress, sink)
    }

    /// The same for the files that are wanted, by their places.
    ///
    /// # Errors
    /// As there.
    pub fn read_files(
        &self,
        wanted: &(dyn Fn(usize) -> bool + Sync),
        bounds: &TimeBounds,
        threads: usize,
        progress: &Progress,
        sink: &(dyn Fn(ConversionBatch) -> Result<(), Stop> + Sync),
    ) -> Result<(), FrameError> {
        let is_plain = |file: &usize| self.plain.binary_search_by_key(file, |plain| plain.place).is_ok();
        let others = (0..self.scan.files.len()).filter(|file| wanted(*file) && !is_plain(file));
        self.scan.read(others, bounds, threads, progress, &|batch| Ok(sink(self.batch(batch)?)?))?;
        let reading = Reading { scan: &self.scan, wanted, bounds, threads, progress };
        plain::read_groups(&self.plain, reading, &|mut group| {
            let next = |batches: &mut Batches<'_>, file, bounds: &TimeBounds| {
                batches.next_conversions(file, self.market.as_ref(), |time| within(bounds, time))
            };
            group.each(next, |batch| sink(batch).map_err(|Stop| FrameError::Stopped))
        })
    }

    fn batch(&self, batch: RawBatch) -> PolarsResult<ConversionBatch> {
        let mut exchange = match self.has_currency {
            true => Some(exchanging(batch.column(CURRENCY)?, &batch.times, self.market.as_ref())?),
            false => None,
        };
        let values = self.values.iter().map(|(name, unit)| match &mut exchange {
            Some(exchanging) => converted(exchanging, batch.column(name)?, *unit, self.exponent),
            None => amounts(batch.column(name)?, *unit, self.exponent),
        });
        let values = values.collect::<PolarsResult<_>>()?;
        Ok(ConversionBatch {
            file: batch.file,
            ids: identities(batch.column(ID)?)?,
            customers: identities(batch.column(CUSTOMER)?)?,
            kinds: if self.has_kind { coded(batch.column(KIND)?)? } else { nothing(batch.rows.len()) },
            values,
            refunds: if self.has_refunds { Some(named(batch.column(REFUND_OF)?)?) } else { None },
            exchange: exchange.map(Exchanging::finish),
            counted: None,
            rows: batch.rows,
            times: batch.times,
        })
    }
}

/// The columns of conversions in every file.
struct Stand<'a> {
    id: &'a Resolved,
    customer: &'a Resolved,
    kind: Option<&'a Resolved>,
    currency: Option<&'a Resolved>,
    refunds: Option<&'a Resolved>,
    values: &'a [Resolved],
}

impl Stand<'_> {
    /// The columns of a file, if all of them are taken as they stand. What the time is is not known here.
    fn columns(&self, mapping: &ConversionMapping, file: usize) -> Option<Columns> {
        let column = |resolved: &Resolved| match &resolved.plain[file] {
            Plain::Column(name) => Some(name.clone()),
            _ => None,
        };
        let attribute = |kind: &Resolved| match &kind.plain[file] {
            Plain::Nothing | Plain::Constant(Value::Null) => Some(Attribute::Nothing),
            Plain::Constant(value) => Some(Attribute::Constant(value.clone())),
            Plain::Column(name) => Some(Attribute::Column(name.clone())),
            Plain::Computed => None,
        };
        let amount = |(resolved, value): (&Resolved, &ValueSpec)| {
            Some(Amount { column: column(resolved)?, minor: value.unit == ValueUnit::Minor, exponent: mapping.exponent })
        };
        Some(Columns {
            customer: column(self.customer)?,
            time: String::new(),
            zone: Zone::utc(),
            id: Some(column(self.id)?),
            refund_of: match self.refunds {
                Some(refunds) => Some(column(refunds)?),
                None => None,
            },
            attributes: self.kind.into_iter().map(attribute).collect::<Option<_>>()?,
            currency: match self.currency {
                Some(currency) => Some(attribute(currency)?),
                None => None,
            },
            amounts: self.values.iter().zip(&mapping.values).map(amount).collect::<Option<_>>()?,
            known: None,
        })
    }
}

/// Text never equals a number: refunds that name orders otherwise than the orders do would find none. Gives what is expected.
fn same_kind_as_id(id: &Resolved, refunds: &Resolved) -> Result<(), &'static str> {
    if id.first.is_none() || refunds.first.is_none() {
        return Ok(());
    }
    match (&id.kind, &refunds.kind) {
        (ColumnType::Int { .. }, ColumnType::Int { .. }) => Ok(()),
        (id, refunds) if id == refunds => Ok(()),
        (ColumnType::Int { .. }, _) => Err("integers, as the id is"),
        (ColumnType::Binary, _) => Err("binary, as the id is"),
        _ => Err("text, as the id is"),
    }
}

fn wrong_refund(key: String, column: &ColumnSpec, refunds: &Resolved, files: &[OpenFile], expected: &'static str) -> FrameError {
    let found = refunds.kind.to_string();
    match column {
        ColumnSpec::Sql(sql) => {
            FrameError::Sql { key, sql: sql.clone(), problem: format!("it gives {found}, expected {expected}") }
        }
        ColumnSpec::Names(names) => {
            let file = &files[refunds.first.unwrap_or_default()];
            let name = names.iter().find(|name| file.column(name).is_some()).map_or("", String::as_str);
            let cast = match expected.split(',').next() {
                Some("integers") => Some("BIGINT"),
                Some("text") => Some("VARCHAR"),
                _ => None,
            };
            let hint = cast.map(|cast| format!("refund_of = {{ sql = \"CAST({} AS {cast})\" }}", quoted(name)).into());
            FrameError::WrongType { key, column: name.into(), file: file.file.path.clone(), found: found.into(), expected, hint }
        }
    }
}

/// The role of a column of amounts.
pub(crate) fn amount_role(unit: ValueUnit) -> Role {
    match unit {
        ValueUnit::Major => Role::Amount,
        ValueUnit::Minor => Role::MinorAmount,
    }
}

fn value_column(place: usize) -> String {
    format!("value {place}")
}
