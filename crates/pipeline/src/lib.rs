//! The public library: a pipeline file in, published tables out.
//!
//! This crate introduces the others to each other: [`mod@file`] reads the TOML, [`plan`] opens the sources and builds the
//! models, [`run()`] reads, walks, writes and publishes. [`check()`] stops before the data, [`explain()`] looks at one conversion.

mod again;
mod as_of;
mod backfill;
mod carried;
mod check;
mod diff;
pub mod error;
mod evaluate;
mod explain;
pub mod file;
mod frozen;
mod held;
pub mod inputs;
pub mod machine;
mod mappings;
pub mod options;
pub mod plan;
mod quality;
pub mod report;
mod restatements;
mod rollback;
mod run;
mod run_id;
pub mod runs;
mod said;
mod secrets;
mod settings;
mod sources;
mod temp;
mod verify;
mod worth;
mod write;
mod writer;

pub use as_of::AsOf;
pub use attributary_engine::Interrupt;
pub use attributary_frames::{set_threads, silence_reader_panics};
pub use attributary_models as models;
pub use attributary_store::{Cause, ChannelChange, DiffReport, Side, Total};
pub use backfill::{Step, backfill};
pub use carried::FIRST_RUN;
pub use check::check;
pub use diff::diff;
pub use error::{Error, Fault};
pub use evaluate::evaluate;
pub use explain::explain;
pub use file::Hooks;
pub use options::{Options, Phase, Progress};
pub use plan::hooks;
pub use rollback::{RollbackReport, rollback};
pub use run::run;
pub use runs::runs;
pub use verify::verify;
pub use worth::SPEND;
