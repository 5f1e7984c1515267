//! Moments of a run at which a test may hold it, to kill it there or to change something under it. Builds for use have none of
//! this: it is compiled for development only.
//!
//! With `ATTRIBUTARY_HOLD=<moment>:<file>` in its environment a run that reaches the moment creates the file, and goes on
//! once the file is gone.

/// A moment that a run passes through, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The inputs are opened: what they are is known, but not what is in them.
    Opened,
    /// Everything was read, and the tables are written; the inputs are not looked at again yet.
    Read,
    /// All files of the run are in its staging folder.
    Staged,
    /// So is its manifest.
    Manifest,
    /// The disk has all of it.
    Synced,
    /// The id is in the list of ids.
    Noted,
    /// The folder is among the runs; `current` names the run before.
    Moved,
    /// `current` names the run.
    Switched,
    /// A run that is not kept is out of sight, but still there.
    Pruning,
    /// All runs that are not kept are gone.
    Pruned,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Opened,
        Self::Read,
        Self::Staged,
        Self::Manifest,
        Self::Synced,
        Self::Noted,
        Self::Moved,
        Self::Switched,
        Self::Pruning,
        Self::Pruned,
    ];

    /// Its name, for the environment.
    #[must_use]
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// The run has come to a moment.
#[cfg(debug_assertions)]
pub fn reached(moment: Moment) {
    use std::path::Path;
    use std::time::{Duration, Instant};
    let Ok(wanted) = std::env::var("ATTRIBUTARY_HOLD") else { return };
    let Some((name, file)) = wanted.split_once(':') else { return };
    if name != moment.name() || std::fs::write(file, "").is_err() {
        return;
    }
    let began = Instant::now();
    while Path::new(file).exists() && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The run has come to a moment.
#[cfg(not(debug_assertions))]
#[inline]
pub fn reached(_: Moment) {}
