//! Customers: what each of them bought, who acquired them, what they will be worth; and cohorts of them by month and channel.
//!
//! Each thread keeps a book: a row for each customer, which goes to disk when there are many, and the sums of cohorts, which are
//! few. Scores compare customers with all others, so they are given when the rows are read back.

mod book;
mod cohorts;
mod rows;
mod scores;

pub use book::Book;
pub use cohorts::{CohortRow, cohorts};
pub use rows::{Segment, SegmentSums, fields, rows};
pub use scores::Scores;
