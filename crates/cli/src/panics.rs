//! A bug ends in one line that asks for a report, whatever `RUST_BACKTRACE` says.

use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::errors::Failure;
use crate::exit::Exit;
use crate::log::LogFormat;
use crate::progress;
use crate::style::Palette;

/// Replaces the standard panic message. Only the first panic is told: the others follow from it.
pub fn install(format: LogFormat) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    panic::set_hook(Box::new(move |info| {
        if !TOLD.swap(true, Ordering::SeqCst) {
            progress::give_up();
            internal_error(info).show(format, Palette::PLAIN);
        }
    }));
    attributary_pipeline::silence_reader_panics();
}

fn internal_error(info: &PanicHookInfo<'_>) -> Failure {
    let text = info.payload_as_str().unwrap_or("no reason given");
    let place = info.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
    Failure::plain(Exit::Bug, format!("internal error: {text}{place}; please report it with the command that led here"))
}
