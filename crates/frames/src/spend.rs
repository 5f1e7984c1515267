//! Advertising costs: the plan of each file, and its batches as plain columns.

use std::sync::Arc;

use attributary_core::batch::{Coded, SpendBatch};
use attributary_core::exchange::Market;
use attributary_core::money::Rounded;
use attributary_core::rates::Rates;
use attributary_core::time::Zone;
use attributary_core::value::{ColumnType, Value};
use polars::prelude::PolarsResult;

use crate::amounts::{amounts, counts};
use crate::coded::{channels, coded, nothing, with_not_set};
use crate::conversions::amount_role;
use crate::days::noons;
use crate::error::FrameError;
use crate::exchange::{converted, exchanging};
use crate::identities::identities;
use crate::plan::Role;
use crate::scan::{RawBatch, Scan, TIME};
use crate::select::Selection;
use crate::{Progress, SourceFile, SourceSpec, SpendMapping, Stop, TimeBounds, ValueUnit};

/// Advertising costs whose files are found, whose schemas are checked and whose rows are not read yet.
///
/// A source that has dates, or texts without a time, reports days of its own zone. Such a day belongs to the day of the pipeline
/// in which its middle falls, the noon in the source's zone; a time belongs to the day of that instant. Either way the row's time
/// is in [`SpendBatch::times`], and its day is that of this instant in the pipeline's zone.
pub struct SpendSource {
    scan: Scan,
    has: Has,
    goal: Option<String>,
    id: Option<ColumnType>,
    dimensions: Vec<ColumnType>,
    unit: ValueUnit,
    exponent: u8,
    market: Option<Market>,
}

/// Which of the optional columns are mapped.
struct Has {
    channel: bool,
    campaign: bool,
    goal: bool,
    currency: bool,
    clicks: bool,
    impressions: bool,
    customer: bool,
}

const CHANNEL: &str = "channel";
const CAMPAIGN: &str = "campaign";
const GOAL: &str = "goal";
const AMOUNT: &str = "amount";
const CURRENCY: &str = "currency";
const CLICKS: &str = "clicks";
const IMPRESSIONS: &str = "impressions";
const ID: &str = "id";
const CUSTOMER: &str = "customer";

impl SpendSource {
    /// Finds the files, checks that each has the mapped columns in types that will do, and compiles the SQL.
    ///
    /// # Errors
    /// What keeps the source from being read: no files, a file that is damaged, a column that is missing or of a wrong type,
    /// SQL that is wrong.
    pub fn open(spec: &SourceSpec, mapping: &SpendMapping) -> Result<Self, FrameError> {
        let files = Scan::files(spec)?;
        let mut selection = Selection::new(spec, &files);
        let mut id = None;
        for (name, column, role) in [
            (CHANNEL, &mapping.channel, Role::Label),
            (CAMPAIGN, &mapping.campaign, Role::Label),
            (GOAL, &mapping.goal, Role::Label),
            (AMOUNT, &Some(mapping.amount.clone()), amount_role(mapping.unit)),
            (CURRENCY, &mapping.currency, Role::Label),
            (CLICKS, &mapping.clicks, Role::Count),
            (IMPRESSIONS, &mapping.impressions, Role::Count),
            (ID, &mapping.id, Role::Key),
            (CUSTOMER, &mapping.customer, Role::Key),
        ] {
            let Some(column) = column else { continue };
            // Touches call it otherwise.
            let called = if name == AMOUNT && mapping.customer.is_some() { "cost" } else { name };
            let resolved = selection.add(&format!("{}.columns.{called}", spec.key), name, column, role)?;
            if name == ID {
                id = Some(resolved.kind);
            }
        }
        let mut dimensions = Vec::new();
        for (place, dimension) in mapping.dimensions.iter().enumerate() {
            let key = format!("{}.dimensions", spec.key);
            dimensions.push(selection.add(&key, &dimension_column(place), &dimension.column, Role::Dimension)?.kind);
        }
        let Selection { selected, sql_keys, .. } = selection;
        let time = if mapping.customer.is_some() { "time" } else { "date" };
        Ok(Self {
            scan: Scan::new(spec, (time, &mapping.date), files, selected, sql_keys)?,
            has: Has {
                channel: mapping.channel.is_some(),
                campaign: mapping.campaign.is_some(),
                goal: mapping.goal.is_some(),
                currency: mapping.currency.is_some(),
                clicks: mapping.clicks.is_some(),
                impressions: mapping.impressions.is_some(),
                customer: mapping.customer.is_some(),
            },
            goal: mapping.goal_constant.clone(),
            id,
            dimensions,
            unit: mapping.unit,
            exponent: mapping.exponent,
            market: None,
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

    /// The type of the rows' ids over all files, where mapped.
    #[must_use]
    pub fn id_type(&self) -> Option<&ColumnType> {
        self.id.as_ref()
    }

    /// The type of each mapped dimension over all files.
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
        threads: usize,
        progress: &Progress,
        sink: &(dyn Fn(SpendBatch) -> Result<(), Stop> + Sync),
    ) -> Result<(), FrameError> {
        let all = 0..self.scan.files.len();
        self.scan.read(all, &TimeBounds::default(), threads, progress, &|batch| Ok(sink(self.batch(batch)?)?))
    }

    fn batch(&self, batch: RawBatch) -> PolarsResult<SpendBatch> {
        let rows = batch.rows.len();
        // A touch's cost belongs to the day that its credit belongs to.
        let times = if self.has.customer { batch.times.clone() } else { noons(batch.column(TIME)?, self.scan.zone())? };
        let (amounts, exchange) = if self.has.currency {
            let mut exchange = exchanging(batch.column(CURRENCY)?, &times, self.market.as_ref())?;
            let amounts = converted(&mut exchange, batch.column(AMOUNT)?, self.unit, self.exponent)?;
            (amounts, Some(exchange.finish()))
        } else {
            let column = batch.column(AMOUNT)?;
            let mut amounts = amounts(column, self.unit, self.exponent)?;
            if self.has.customer && column.null_count() > 0 {
                let nulls = column.is_null();
                let costs_nothing = amounts.iter_mut().zip(nulls.iter()).filter(|(_, null)| *null == Some(true));
                costs_nothing.for_each(|(amount, _)| *amount = Some(Rounded::default()));
            }
            (amounts, None)
        };
        let label = |mapped: bool, name: &str| if mapped { coded(batch.column(name)?) } else { Ok(nothing(rows)) };
        let count = |mapped: bool, name: &str| if mapped { counts(batch.column(name)?) } else { Ok(vec![None; rows]) };
        let dimensions = (0..self.dimensions.len()).map(|place| coded(batch.column(&dimension_column(place))?));
        Ok(SpendBatch {
            file: batch.file,
            channels: if self.has.channel { channels(batch.column(CHANNEL)?)? } else { with_not_set(nothing(rows)) },
            campaigns: label(self.has.campaign, CAMPAIGN)?,
            goals: match &self.goal {
                Some(goal) if !self.has.goal => Coded { codes: vec![0; rows], dictionary: Arc::new(vec![Value::text(goal)]) },
                _ => label(self.has.goal, GOAL)?,
            },
            dimensions: dimensions.collect::<PolarsResult<_>>()?,
            amounts,
            exchange,
            clicks: count(self.has.clicks, CLICKS)?,
            impressions: count(self.has.impressions, IMPRESSIONS)?,
            ids: self.id.as_ref().map(|_| identities(batch.column(ID)?)).transpose()?,
            customers: self.has.customer.then(|| identities(batch.column(CUSTOMER)?)).transpose()?,
            times,
            rows: batch.rows,
        })
    }
}

fn dimension_column(place: usize) -> String {
    format!("dimension {place}")
}
