//! Rejected rows: counted, kept and explained.

use std::sync::{Mutex, PoisonError};

use attributary_core::batch::{Identities, NO_TIME};
use attributary_core::journey::Rejected;

use crate::cells::Cells;

/// Which source a row came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// `[touchpoints]`.
    Touchpoints,
    /// `[conversions]`.
    Conversions,
}

impl Side {
    /// The section of the pipeline file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Touchpoints => "touchpoints",
            Self::Conversions => "conversions",
        }
    }
}

/// The rejected rows of a run, gathered from many threads.
#[derive(Debug, Default)]
pub struct Rejects(Mutex<RejectedRows>);

/// Rejected rows as columns.
#[derive(Debug, Default)]
pub struct RejectedRows {
    /// Source, file, row in the file, reason.
    pub rows: Vec<(Side, u32, u64, Rejected)>,
    /// Microseconds UTC, or [`NO_TIME`].
    pub times: Vec<i64>,
    /// Customers as their source has them.
    pub customers: Cells,
    /// Ids as their source has them.
    pub ids: Cells,
}

impl Rejects {
    /// Adds one row of a source.
    pub fn add(
        &self,
        place: (Side, u32, u64),
        reason: Rejected,
        row: usize,
        time: i64,
        customers: &dyn Identities,
        ids: Option<&dyn Identities>,
    ) {
        let mut rejected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rejected.rows.push((place.0, place.1, place.2, reason));
        rejected.times.push(time);
        rejected.customers.push_identity(customers, row);
        match ids {
            Some(ids) => rejected.ids.push_identity(ids, row),
            None => rejected.ids.push_raw(&[]),
        }
    }

    /// Adds one row whose customer and id are at hand as [`Cells::raw`] gave them.
    pub fn add_raw(&self, place: (Side, u32, u64), reason: Rejected, time: i64, customer: &[u8], id: &[u8]) {
        let mut rejected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rejected.rows.push((place.0, place.1, place.2, reason));
        rejected.times.push(time);
        rejected.customers.push_raw(customer);
        rejected.ids.push_raw(id);
    }

    /// All of them.
    #[must_use]
    pub fn finish(self) -> RejectedRows {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RejectedRows {
    /// How many rows of a source were rejected for a reason.
    #[must_use]
    pub fn count(&self, side: Side, reason: Rejected) -> u64 {
        self.rows.iter().filter(|row| row.0 == side && row.3 == reason).count() as u64
    }

    /// A row's time.
    #[must_use]
    pub fn time(&self, row: usize) -> Option<i64> {
        Some(self.times[row]).filter(|time| *time != NO_TIME)
    }
}
