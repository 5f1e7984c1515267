//! The real binary on bad input.

#[path = "faults/columns.rs"]
mod columns;
#[path = "faults/extremes.rs"]
mod extremes;
#[path = "faults/files.rs"]
mod files;
#[path = "support.rs"]
mod support;
#[allow(dead_code, reason = "not every test module needs all of it")]
#[path = "faults/world.rs"]
mod world;
