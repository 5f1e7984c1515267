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
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("no reason given");
    let place = info.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
    Failure::plain(Exit::Bug, format!("internal error: {text}{place}; please report it with the command that led here"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Set for the process that panics.
    const CHILD: &str = "ATTRIBUTARY_TEST_PANICS";

    #[test]
    fn a_panic_is_one_line_without_backtrace() {
        if let Ok(format) = std::env::var(CHILD) {
            install(if format == "json" { LogFormat::Json } else { LogFormat::Text });
            let _ = std::thread::spawn(|| panic!("first line\nsecond line")).join();
            panic!("a panic that follows from it");
        }
        for (format, start) in [
            ("text", "error: internal error: first line\\nsecond line ("),
            ("json", r#"{"error":"internal error: first line\nsecond line ("#),
        ] {
            let mut child = Command::new(std::env::current_exe().expect("this test"));
            child.args(["--exact", "--nocapture", "panics::tests::a_panic_is_one_line_without_backtrace"]);
            let output = child.env(CHILD, format).env("RUST_BACKTRACE", "full").output().expect("a process");
            let said = String::from_utf8_lossy(&output.stderr);
            let ours: Vec<_> = said.lines().filter(|line| !line.is_empty() && !line.starts_with("error: test failed")).collect();
            assert_eq!(ours.len(), 1, "{said}");
            assert!(ours[0].starts_with(start) && ours[0].contains("please report it"), "{said}");
        }
    }
}
