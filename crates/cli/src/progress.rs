//! A bar on stderr, for as long as someone has to wait, and gone before the result is printed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use attributary_pipeline::{Phase, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::text;

/// The bar that is on the screen.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// How often the bar looks at the work.
const LOOK: Duration = Duration::from_millis(100);

/// How far the work has come: so much of so much, and in words.
#[derive(Debug, PartialEq, Eq)]
pub struct Stand {
    /// Done.
    pub done: u64,
    /// Of; 0 if nobody knows.
    pub total: u64,
    /// What it is doing.
    pub words: String,
}

/// Does `work`, and if `visible` shows how far it is.
pub fn during<T>(visible: bool, stand: impl Fn() -> Stand + Sync, work: impl FnOnce() -> T) -> T {
    if !visible {
        return work();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    bar.set_style(style(SPINNER));
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let drawing = scope.spawn(|| {
            let mut measured = false;
            while !ended.load(Ordering::Relaxed) {
                let Stand { done, total, words } = stand();
                if !measured && total > 0 {
                    measured = true;
                    bar.set_style(style(MEASURED));
                }
                bar.set_length(total);
                bar.set_position(done.min(total));
                bar.set_message(words);
                thread::park_timeout(LOOK);
            }
        });
        // Also if the work panics: else the scope would wait for the drawing for ever.
        let _end = End { ended: &ended, drawing: drawing.thread().clone(), bar: &bar };
        work()
    })
}

const SPINNER: &str = "{spinner} {wide_msg}";
const MEASURED: &str = "{spinner} {bar:30} {percent:>3}% {elapsed:>4} {wide_msg}";

fn style(template: &str) -> ProgressStyle {
    // The templates are constants that a test reads.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ ")
}

struct End<'a> {
    ended: &'a AtomicBool,
    drawing: Thread,
    bar: &'a ProgressBar,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.drawing.unpark();
        *BAR.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.bar.finish_and_clear();
    }
}

/// Writes to stderr beside the bar.
pub fn suspended<T>(write: impl FnOnce() -> T) -> T {
    let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Takes the bar away without waiting for anyone: the process is about to end.
pub fn give_up() {
    if let Some(bar) = BAR.try_lock().ok().and_then(|mut bar| bar.take()) {
        bar.finish_and_clear();
    }
}

/// How far a run is, by the bytes and rows of its sources.
pub fn of_run(progress: &Progress) -> Stand {
    let (conversions, touches) = (&progress.conversions, &progress.touchpoints);
    let done = conversions.bytes.load(Ordering::Relaxed) + touches.bytes.load(Ordering::Relaxed);
    let total = progress.total_bytes.load(Ordering::Relaxed);
    let rows =
        |what: &str, rows: u64| format!("{what}: {} rows, {} of {}", text::count(rows), text::bytes(done), text::bytes(total));
    let words = match progress.phase() {
        Phase::Planning => "reading schemas".to_owned(),
        Phase::Conversions => rows("reading conversions", conversions.rows.load(Ordering::Relaxed)),
        Phase::Touchpoints => rows("reading touchpoints", touches.rows.load(Ordering::Relaxed)),
        Phase::Walking => "walking the journeys".to_owned(),
        Phase::Writing => "writing tables".to_owned(),
    };
    Stand { done, total, words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_read() {
        assert!([SPINNER, MEASURED].map(ProgressStyle::with_template).iter().all(Result::is_ok));
    }

    #[test]
    fn a_run_starts_with_schemas() {
        let stand = of_run(&Progress::default());
        assert_eq!(stand, Stand { done: 0, total: 0, words: "reading schemas".to_owned() });
    }

    #[test]
    fn work_is_done_with_and_without_a_bar() {
        let stand = || Stand { done: 1, total: 2, words: "half".to_owned() };
        assert_eq!(during(false, stand, || 1), 1);
        assert_eq!(during(true, stand, || 2), 2);
        assert!(BAR.lock().is_ok_and(|bar| bar.is_none()));
    }
}
