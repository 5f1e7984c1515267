//! Files in, plain batches out: every format, type, fault and thread count, on small files that polars itself writes.
#![expect(clippy::unwrap_used, reason = "a test that cannot write its files has nothing to say")]

mod support;

mod csv;
mod damage;
mod drift;
mod exchange;
mod known;
mod layout;
mod rates;
mod spend;
mod sql;
mod stretches;
mod threads;
mod types;
