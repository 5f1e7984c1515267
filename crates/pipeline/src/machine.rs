//! What the machine grants and what the process takes of it.

use std::fs;

/// How many threads the machine has for us.
#[must_use]
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// 60 % of the memory that the machine, or the control group that the process lives in, grants.
#[must_use]
pub fn default_memory() -> u64 {
    let machine = field("/proc/meminfo", "MemTotal:");
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse::<u64>().ok());
    let granted = [machine, group].into_iter().flatten().min().unwrap_or(4 << 30);
    granted / 10 * 6
}

/// How much of the whole may go to what the engine holds: what the program itself and its readers and writers need is set
/// aside first, and a part of the rest for what an allocator cannot give back at once.
#[must_use]
pub fn engine_budget(memory: u64) -> u64 {
    const SET_ASIDE: u64 = 128 << 20;
    (memory.saturating_sub(SET_ASIDE) / 8 * 7).max(64 << 20)
}

/// How many files the process may have open; it asks for as many as it may have.
#[must_use]
pub fn open_files() -> u64 {
    rlimit::increase_nofile_limit(1 << 16).unwrap_or(1 << 10)
}

/// The most memory that the process has held so far, in bytes; 0 where the system does not say.
#[must_use]
pub fn peak_memory() -> u64 {
    field("/proc/self/status", "VmHWM:").unwrap_or(0)
}

/// A field of one of the kernel's lists, which count in KiB.
fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
