//! The door to polars: its readers panic on some damaged files, and what comes out of here is an error instead.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use polars::prelude::{PolarsError, PolarsResult};

/// How many calls into polars are running. While there are any, its own threads may panic.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// How the threads of polars are called: its pool, its streaming engine, its runtime for files.
const POLARS_THREADS: [&str; 3] = ["polars", "async-executor", "tokio"];

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, which calls polars; a panic in it becomes an error.
pub(crate) fn guarded<T>(work: impl FnOnce() -> PolarsResult<T>) -> Result<T, Failure> {
    INSIDE.fetch_add(1, Ordering::SeqCst);
    let before = GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    INSIDE.fetch_sub(1, Ordering::SeqCst);
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure::Error(error)),
        Err(panic) => Err(Failure::Panic(panic_text(panic.as_ref()))),
    }
}

/// Runs `work`, which calls another reader that turns its panics into errors itself: they are kept off standard error too.
pub(crate) fn silenced<T>(work: impl FnOnce() -> T) -> T {
    let before = GUARDED.replace(true);
    let outcome = work();
    GUARDED.set(before);
    outcome
}

/// What came out of polars instead of a value.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error.
    Error(PolarsError),
    /// A panic, by its text.
    Panic(String),
}

impl Failure {
    /// One line of what happened.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Error(error) => first_line(&error.to_string()),
            Self::Panic(text) => format!("the reader failed on it: {}", first_line(text)),
        }
    }
}

/// Keeps panics that a read turns into an error off the standard error stream: a process calls this once, at its start.
/// All other panics go to the hook that was there before.
pub fn silence_reader_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().is_some_and(|place| place.file().contains("polars"));
            let thread = std::thread::current();
            let its_own = POLARS_THREADS.iter().any(|name| thread.name().is_some_and(|own| own.starts_with(name)));
            if GUARDED.get() || ((place || its_own) && INSIDE.load(Ordering::SeqCst) > 0) {
                return;
            }
            before(info);
        }));
    });
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without text".to_owned())
}

/// Polars adds its plan and advice for Python below the first line.
fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given");
    line.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_text() {
        let failure = guarded::<()>(|| panic!("out of {}", "bounds")).err().map(|failure| failure.text());
        assert_eq!(failure.as_deref(), Some("the reader failed on it: out of bounds"));
        assert!(guarded(|| Ok(1)).is_ok());
    }
}
