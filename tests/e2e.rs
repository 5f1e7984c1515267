//! The real binary on cases, random logs, real logs and the project's own files.

#[path = "support.rs"]
mod support;

#[path = "e2e/as_of.rs"]
mod as_of;
#[path = "e2e/cases.rs"]
mod cases;
#[path = "e2e/cdnow.rs"]
mod cdnow;
#[path = "e2e/diff.rs"]
mod diff;
#[path = "e2e/evaluate.rs"]
mod evaluate;
#[path = "e2e/house.rs"]
mod house;
#[path = "e2e/incremental.rs"]
mod incremental;
#[path = "e2e/learned.rs"]
mod learned;
#[path = "e2e/merge.rs"]
mod merge;
#[path = "e2e/metrics.rs"]
mod metrics;
#[path = "e2e/oracle.rs"]
mod oracle;
#[cfg(feature = "otel")]
#[path = "e2e/otel.rs"]
mod otel;
#[path = "e2e/paths.rs"]
mod paths;
#[path = "e2e/quality.rs"]
mod quality;
#[path = "e2e/readme.rs"]
mod readme;
#[path = "e2e/real_log.rs"]
mod real_log;
#[path = "e2e/reruns.rs"]
mod reruns;
#[path = "e2e/restatements.rs"]
mod restatements;
#[path = "e2e/same_bytes.rs"]
mod same_bytes;
#[path = "e2e/sample.rs"]
mod sample;
#[path = "e2e/sample_data.rs"]
mod sample_data;
#[path = "e2e/worth.rs"]
mod worth;
#[path = "e2e/worth_input.rs"]
mod worth_input;
