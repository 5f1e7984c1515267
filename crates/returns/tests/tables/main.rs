//! The tables, from rows to cells.

mod budget;
mod cohorts;
mod edges;
mod oracle;
mod support;
mod worked;
