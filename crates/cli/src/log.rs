//! Log lines on stderr: text for people, JSON for machines.

use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use crate::args::Global;
use crate::progress;
use crate::style::Palette;

/// What errors and log lines look like: lines for people, or one JSON object a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// From here on log lines go to stderr. What the libraries below have to say is left out.
pub fn start(global: &Global, palette: Palette) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::ERROR,
        (_, 0) => LevelFilter::INFO,
        (_, 1) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let ours = Targets::new().with_target("attributary", level);
    let lines = fmt::layer().with_writer(|| Stderr).with_ansi(palette.is_on());
    let subscriber = tracing_subscriber::registry().with(ours);
    match global.log_format {
        LogFormat::Text => subscriber.with(lines.with_target(false)).init(),
        LogFormat::Json => subscriber.with(lines.json().flatten_event(true).with_span_list(false)).init(),
    }
}

/// Stderr beside a progress bar.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        progress::suspended(|| io::stderr().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}
