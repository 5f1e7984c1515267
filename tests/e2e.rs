//! The real binary on cases, random logs, real logs and the project's own files.

#[path = "support.rs"]
mod support;

#[path = "e2e/cases.rs"]
mod cases;
#[path = "e2e/oracle.rs"]
mod oracle;
