//! Which published runs stay, and how the others go.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use attributary_core::duration::Duration;
use attributary_core::time::{Zone, parse_instant};
use serde::Deserialize;

use crate::clock::now;
use crate::error::StoreError;
use crate::files;
use crate::manifest;
use crate::moments::{Moment, reached};
use crate::output::{Output, STAGING};
use crate::run_id;

/// Which published runs stay. The current one always does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// All.
    #[default]
    All,
    /// So many, those that were published last.
    Runs(usize),
    /// Those that were published within so long before now.
    Within(Duration),
}

impl Output {
    /// Removes the published runs that do not stay, the oldest first, until there is a `stop`, and likewise what failed runs left.
    /// Says which are gone, also where it fails on the way. Folders under `runs/` that no run of ours made are left alone.
    ///
    /// Every run holds all its files itself, some as further hard links of files that an earlier run has too. So no run hangs on
    /// another one, and any may go.
    pub fn prune(&self, keep: &Keep, stop: &dyn Fn() -> bool) -> (Vec<String>, Result<(), StoreError>) {
        let mut gone = Vec::new();
        let removed = self.doomed(keep).and_then(|doomed| {
            for id in doomed {
                if stop() {
                    break;
                }
                // Out of sight in one step; what a kill leaves behind is litter and goes at the next start.
                let (run, out_of_sight) = (self.root.run(&id), self.root.path.join(format!("{STAGING}{id}+pruned")));
                fs::rename(&run, &out_of_sight).map_err(StoreError::output("remove", &run))?;
                gone.push(id);
                reached(Moment::Pruning);
                files::remove(&out_of_sight)?;
            }
            self.prune_failed(keep)?;
            reached(Moment::Pruned);
            Ok(())
        });
        (gone, removed)
    }

    /// The ids of the runs that go, the oldest first.
    fn doomed(&self, keep: &Keep) -> Result<Vec<String>, StoreError> {
        if matches!(keep, Keep::All | Keep::Runs(0)) {
            return Ok(Vec::new());
        }
        let current = self.root.current_target()?;
        let current = current.as_ref().and_then(|target| target.file_name());
        let mut seen = BTreeSet::new();
        let mut runs = self.root.ids().ids()?;
        runs.retain(|id| run_id::check(id).is_ok() && seen.insert(id.clone()) && self.root.run(id).is_dir());
        match keep {
            Keep::All => runs.clear(),
            Keep::Runs(keep) => runs.truncate(runs.len().saturating_sub(*keep)),
            Keep::Within(span) => {
                let finished: Vec<_> = runs.iter().map(|id| finished(&self.root.run(id))).collect();
                runs.truncate(expired(&finished, now(), span.micros()));
            }
        }
        runs.retain(|id| current != Some(id.as_ref()));
        Ok(runs)
    }
}

/// How many of some runs, the oldest first, were published longer than `span` before `now` (microseconds). `finished` is what
/// their manifests say, where they say anything.
///
/// Clocks jump, so they are not believed blindly. A time in the future is passed over, and a run is no older than one that
/// was published before it. Where all but the newest would go at once, either the clock has jumped or nothing ran for that long:
/// nobody knows which, and they stay until the next run.
fn expired(finished: &[Option<i64>], now: i64, span: i64) -> usize {
    let mut latest = None;
    let mut expired = 0;
    for (place, finished) in finished.iter().enumerate() {
        latest = latest.max(finished.filter(|finished| *finished <= now));
        match latest {
            Some(latest) if now.saturating_sub(latest) > span => expired = place + 1,
            Some(_) => break,
            None => {}
        }
    }
    if expired + 1 >= finished.len() { 0 } else { expired }
}

/// When a run was finished, in microseconds since 1970, as its manifest says.
fn finished(run: &Path) -> Option<i64> {
    #[derive(Deserialize)]
    struct Finished {
        finished: String,
    }
    let json = fs::read(run.join(manifest::FILE_NAME)).ok()?;
    let Finished { finished } = serde_json::from_slice(&json).ok()?;
    parse_instant(&finished, &Zone::utc())
}

#[cfg(test)]
mod tests {
    use super::expired;

    #[test]
    fn runs_expire_by_the_clock_as_far_as_it_can_be_believed() {
        let runs = |times: &[i64]| times.iter().map(|time| Some(*time)).collect::<Vec<_>>();
        // Days, as numbers; kept for 30.
        assert_eq!(expired(&runs(&[1, 40, 69, 99, 100]), 100, 30), 3);
        assert_eq!(expired(&runs(&[70, 71, 100]), 100, 30), 0);
        assert_eq!(expired(&[], 100, 30), 0);
        // The clock jumped ahead, or nothing ran for a year: nobody knows.
        assert_eq!(expired(&runs(&[98, 99, 100, 465]), 465, 30), 0);
        // The next run knows.
        assert_eq!(expired(&runs(&[98, 99, 100, 465, 466]), 466, 30), 3);
        // It stood in the future for one run, and in the past for one.
        assert_eq!(expired(&runs(&[60, 9_999, 90, 99, 100]), 100, 30), 2);
        assert_eq!(expired(&runs(&[60, 80, 3, 99, 100]), 100, 30), 1);
        // All times are in the future: the clock is far behind.
        assert_eq!(expired(&runs(&[98, 99, 3]), 3, 1), 0);
        // Of a manifest that says nothing its neighbours tell.
        assert_eq!(expired(&[Some(1), None, Some(99), Some(100)], 100, 30), 2);
        assert_eq!(expired(&[None, Some(1), Some(99), Some(100)], 100, 30), 2);
        assert_eq!(expired(&[None, None, Some(99), Some(100)], 100, 30), 0);
    }
}
