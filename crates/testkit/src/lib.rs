//! What the tests stand on, and nothing that ships: an oracle that says what every table must hold, random logs and
//! settings to try it on, and the end-to-end cases of `tests/cases` as data.
//!
//! - [`oracle`]: the contract as slow, obvious code over rows in memory. It shares no rule with the engine.
//! - [`settings`]: what a pipeline says, as the oracle takes it; [`pipeline_file`] writes and reads it as TOML.
//! - [`strategies`]: proptest strategies for whole scenarios, a log and settings, over the grid of options.
//! - [`cases`]: the case files; [`log`]: the text tables and journeys they are written in.
//! - [`table`]: a table in memory, to write as a source file or to hold against what a run wrote.

mod case_sources;
pub mod cases;
pub mod log;
pub mod oracle;
pub mod pipeline_file;
pub mod rows;
pub mod settings;
pub mod sql;
pub mod strategies;
pub mod table;
