//! What polars may use, and when it shall end. Its number of threads it reads from its environment when it first runs, and
//! never again.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

/// What batches of queries may take together, in bytes.
static QUERIES: AtomicU64 = AtomicU64::new(u64::MAX);

/// Bounds what is read at a time by queries, which have an eighth of `memory` bytes. As the threads, that is of the whole process:
/// where it has several runs at once, the last word holds.
pub fn set_memory(memory: u64) {
    QUERIES.store(memory / 8, Ordering::Relaxed);
}

/// What batches of queries may take together, in bytes.
pub(crate) fn memory_of_queries() -> u64 {
    QUERIES.load(Ordering::Relaxed)
}

thread_local! {
    static STOP: RefCell<Option<Box<dyn Fn() -> bool>>> = const { RefCell::new(None) };
}

/// Does `work`, in which sources that are opened on this thread end with an error once `stop` says so: the types of a CSV file
/// are known when all of it was read, which may take long.
pub fn stoppable<T>(stop: impl Fn() -> bool + 'static, work: impl FnOnce() -> T) -> T {
    let before = STOP.replace(Some(Box::new(stop)));
    let done = work();
    STOP.replace(before);
    done
}

/// Whether what is done on this thread shall end.
pub(crate) fn is_stopped() -> bool {
    STOP.with_borrow(|stop| stop.as_ref().is_some_and(|stop| stop()))
}

/// Bounds the threads of polars to `threads`, and says whether that took effect.
///
/// To be called at the very start of `main`: a process that has more than one thread already is left as it is, as setting
/// the environment is only sound while nobody else can read it.
#[must_use]
pub fn set_threads(threads: usize) -> bool {
    if !is_single_threaded() {
        return false;
    }
    let threads = threads.max(1);
    // Row groups, record batches and pieces of CSV that are fetched ahead: the bound of memory while a file is read.
    let ahead = (threads + 1).to_string();
    let settings = [
        ("POLARS_MAX_THREADS", threads.to_string()),
        ("POLARS_ROW_GROUP_PREFETCH_SIZE", ahead.clone()),
        ("POLARS_RECORD_BATCH_PREFETCH_SIZE", ahead),
        // What it would advise the system of lies outside of a file that was cut after its footer was read, and it does not look:
        // where assertions are on the process aborts. Without advice the next step looks, and that is an error.
        ("POLARS_MEMORY_PREFETCH", "no_prefetch".to_owned()),
    ];
    for (name, value) in settings {
        set(name, &value);
    }
    true
}

#[expect(unsafe_code, reason = "polars takes its number of threads from the environment only")]
fn set(name: &str, value: &str) {
    // SAFETY: the only caller has made sure that this is the only thread of the process, so nobody reads the environment now.
    unsafe { std::env::set_var(name, value) };
}

/// Whether this is the only thread of the process; where that cannot be said, it is taken as not so.
fn is_single_threaded() -> bool {
    if cfg!(windows) {
        // The environment of Windows has its own lock.
        return true;
    }
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_of_several_threads_is_left_alone() {
        // The test harness has a thread of its own.
        assert!(!super::set_threads(1));
        assert!(std::env::var_os("POLARS_ROW_GROUP_PREFETCH_SIZE").is_none());
    }
}
