//! What runs that broke their data contract leave behind: `runs/<run_id>.failed`, which is never a run.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::error::StoreError;
use crate::files;
use crate::output::{Output, Root, STAGING};
use crate::prune::Keep;
use crate::run_id;

/// What the names of the folders end with. No id of a run does.
pub(crate) const SUFFIX: &str = ".failed";

/// The file that says why.
pub(crate) const FINDINGS: &str = "findings.json";

/// The folder of a run that failed.
pub(crate) fn folder(root: &Root, run_id: &str) -> PathBuf {
    root.runs().join(format!("{run_id}{SUFFIX}"))
}

/// Removes what a run left, out of sight in one step.
pub(crate) fn remove(root: &Root, run_id: &str) -> Result<(), StoreError> {
    let (left, out_of_sight) = (folder(root, run_id), root.path.join(format!("{STAGING}{run_id}+cleared")));
    fs::rename(&left, &out_of_sight).map_err(StoreError::output("remove", &left))?;
    files::remove(&out_of_sight)
}

impl Output {
    /// Removes what failed runs left that nobody needs any more: of an id that was published since, and what `keep` lets go,
    /// which here means so many of them, or so long by the time of their folders. Others' folders are left alone.
    pub(crate) fn prune_failed(&self, keep: &Keep) -> Result<(), StoreError> {
        let published = self.root.ids().ids()?;
        let mut left: Vec<(SystemTime, String)> = Vec::new();
        for entry in fs::read_dir(self.root.runs()).into_iter().flatten().flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.strip_suffix(SUFFIX)).map(str::to_owned) else {
                continue;
            };
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            if run_id::check(&id).is_ok() && entry.path().join(FINDINGS).is_file() {
                left.push((modified.unwrap_or(SystemTime::UNIX_EPOCH), id));
            }
        }
        left.sort();
        let newer = |age: u64| SystemTime::now().checked_sub(Duration::from_micros(age));
        let stays = |place: usize, modified: SystemTime| match keep {
            Keep::All | Keep::Runs(0) => true,
            Keep::Runs(keep) => place + keep >= left.len(),
            Keep::Within(span) => newer(span.micros().unsigned_abs()).is_none_or(|from| modified >= from),
        };
        for (place, (modified, id)) in left.iter().enumerate() {
            if published.contains(id) || !stays(place, *modified) {
                remove(&self.root, id)?;
            }
        }
        Ok(())
    }
}
