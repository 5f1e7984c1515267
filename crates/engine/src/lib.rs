//! The engine: partitions the log by customer, walks each customer once for all models, windows, values and tables, and
//! proves that the sums add up.
//!
//! The order of work: [`conversions::ConversionCollector`] takes the conversions, [`partition::Partition`] the touches,
//! [`walk::walk`] does the rest. Everything that is summed is an integer, so nothing hangs on threads, files or memory.

mod acquired;
pub mod bucket;
pub mod budget;
pub mod cells;
pub mod conversions;
pub mod converters;
pub mod credit;
mod customers;
pub mod days;
mod deferred;
pub mod duplicates;
pub mod error;
pub mod explain;
mod extreme;
pub mod histories;
pub mod kinds;
pub mod lanes;
pub mod learn;
pub mod ledger;
pub mod partition;
pub mod prints;
pub mod records;
pub mod refunds;
pub mod rejects;
pub mod runs;
pub mod setup;
pub mod sorted;
pub mod source;
mod split;
pub mod spool;
pub mod tables;
pub mod walk;
mod walker;

pub use days::Days;
pub use error::EngineError;
pub use setup::{CustomersSetup, GroupColumn, Interrupt, ModelSetup, Period, Range, Segments, Setup, TableSetup, Worth};
