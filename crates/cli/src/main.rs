//! The command `attributary`: reads the command line, asks the pipeline, and is the only part that prints or chooses exit codes.

mod app;
mod args;
mod commands;
mod errors;
mod exit;
#[cfg(test)]
mod help;
mod log;
mod mapped;
mod panics;
mod progress;
mod signals;
mod style;
mod table;
mod text;

fn main() -> std::process::ExitCode {
    app::main(std::env::args_os().collect()).into()
}
