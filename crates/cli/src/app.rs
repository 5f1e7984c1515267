//! From the words of the command line to an exit code: parse, perform, print.

use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;

use crate::args::{self, Args, Early, Global};
use crate::errors::Failure;
use crate::exit::Exit;
use crate::log::{self, LogFormat};
use crate::style::Palette;
use crate::{commands, panics, text};
use attributary_pipeline::machine::threads as machine_threads;

/// Does what the command line says.
pub fn main(words: Vec<OsString>) -> Exit {
    let early = Early::read(&words);
    panics::install(early.log_format);
    catch_unwind(AssertUnwindSafe(|| attempt(words, early))).unwrap_or(Exit::Bug)
}

fn attempt(words: Vec<OsString>, early: Early) -> Exit {
    let Args { global, command } = match args::parse(words, early) {
        Ok(args) => args,
        Err(error) => return not_understood(&error, early),
    };
    if let Some(threads) = command.threads() {
        // Before anything starts a thread. Where that is too late the readers use as many as there are cores.
        let _ = attributary_pipeline::set_threads(threads.unwrap_or_else(machine_threads));
    }
    let context = Context::new(&global);
    log::start(&global, context.talk);
    match commands::perform(command, &context).and_then(|text| print(&text)) {
        Ok(()) => Exit::Done,
        Err(failure) => {
            failure.show(context.log_format, context.talk);
            failure.exit
        }
    }
}

/// What every command may know of how it is to speak.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// What goes to stdout.
    pub format: Format,
    /// What errors and log lines look like on stderr.
    pub log_format: LogFormat,
    /// Colours of stdout.
    pub palette: Palette,
    /// Colours of stderr.
    pub talk: Palette,
    /// Whether there is someone to show a progress bar to.
    pub bar: bool,
}

/// How results are printed: as tables for people, or as one JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
}

impl Context {
    fn new(global: &Global) -> Self {
        let terminal = io::stderr().is_terminal();
        Self {
            format: global.format,
            log_format: global.log_format,
            palette: Palette::choose(global.color, io::stdout().is_terminal()),
            talk: Palette::choose(global.color, terminal),
            bar: terminal && !global.quiet && global.log_format == LogFormat::Text,
        }
    }

    /// What goes to stdout: `value` as JSON or as `text`.
    pub fn document(&self, value: &impl Serialize, text: impl FnOnce(&Palette) -> String) -> Result<String, Failure> {
        match self.format {
            Format::Text => Ok(text(&self.palette)),
            Format::Json => text::json(value).map_err(|error| Failure::new(Exit::Bug, &error, None)),
        }
    }
}

/// Prints a result. Whoever closes the pipe has seen enough: that is no error.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::plain(Exit::Output, "cannot write to standard output").because(&error))
        }
        _ => Ok(()),
    }
}

/// Says what is wrong with the command line, or gives the help that it asks for.
fn not_understood(error: &clap::Error, early: Early) -> Exit {
    if !error.use_stderr() {
        // Help and version are data; a closed pipe is no error.
        let _ = error.print();
        return Exit::Done;
    }
    match early.log_format {
        LogFormat::Text => {
            let _ = error.print();
        }
        LogFormat::Json => Failure::usage(error).show(LogFormat::Json, Palette::PLAIN),
    }
    Exit::Usage
}
