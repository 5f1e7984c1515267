//! The real binary on bad input, in bad places and at bad moments.

#[path = "faults/changes.rs"]
mod changes;
#[path = "faults/columns.rs"]
mod columns;
#[path = "faults/extremes.rs"]
mod extremes;
#[path = "faults/files.rs"]
mod files;
#[path = "faults/full.rs"]
mod full;
#[path = "faults/housekeeping.rs"]
mod housekeeping;
#[path = "faults/kills.rs"]
mod kills;
#[path = "faults/memory.rs"]
mod memory;
#[path = "faults/messages.rs"]
mod messages;
#[path = "faults/moments.rs"]
mod moments;
#[path = "faults/nights.rs"]
mod nights;
#[path = "faults/output.rs"]
mod output;
#[path = "faults/runs.rs"]
mod runs;
#[path = "faults/secrets.rs"]
mod secrets;
#[path = "support.rs"]
mod support;
#[path = "faults/world.rs"]
mod world;
