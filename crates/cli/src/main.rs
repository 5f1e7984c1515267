//! The command `attributary`: reads the command line, asks the pipeline, and is the only part that prints or chooses exit codes.

mod app;
mod args;
mod commands;
mod errors;
mod exit;
mod files;
#[cfg(test)]
mod help;
mod hooks;
mod log;
mod mapped;
mod metrics;
#[cfg(feature = "otel")]
mod otel;
mod panics;
mod progress;
mod signals;
mod style;
mod table;
mod text;

fn main() -> std::process::ExitCode {
    app::main(std::env::args_os().collect()).into()
}
