//! The pipeline: the TOML file, its checks, the plan and the run.

pub mod file;
