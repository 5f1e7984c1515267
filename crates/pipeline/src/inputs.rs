//! The files that a run reads: that they are what they were when they were opened, to the end of the run. What was read of a
//! file that someone replaced, cut or wrote on meanwhile may be of neither version, so no number of it is published.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use attributary_frames::SourceFile;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::error::{Error, Fault};
use crate::plan::Plan;
use crate::writer::lock;

/// The files that a run reads, and the folders that it leaves behind if it cannot clean up. Any thread may look.
#[derive(Debug, Default)]
pub struct Inputs {
    files: Mutex<Vec<SourceFile>>,
    folders: Mutex<Vec<PathBuf>>,
}

impl Inputs {
    /// Checks that every file still is what it was when it was opened.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), Error> {
        let files = lock(&self.files).clone();
        files.par_iter().try_for_each(|file| changed(file).map_or(Ok(()), Err))
    }

    /// The first file that is not what it was when it was opened any more, as an error: for a thread that others wait for.
    #[must_use]
    pub fn changed(&self) -> Option<Error> {
        lock(&self.files).iter().find_map(changed)
    }

    /// The error that someone should hear of: where a file has changed, that one, as whatever else went wrong may be due to it.
    #[must_use]
    pub fn explain(&self, error: Error) -> Error {
        match error.fault() {
            Fault::Interrupted | Fault::Output | Fault::Held | Fault::Contract => error,
            Fault::Bug | Fault::Usage | Fault::Input => self.check().err().unwrap_or(error),
        }
    }

    /// Removes what a run that cannot go on would leave behind: for a process that is about to end. What cannot be removed goes
    /// when the next run begins.
    pub fn abandon(&self) {
        for folder in lock(&self.folders).iter() {
            let _ = std::fs::remove_dir_all(folder);
        }
    }

    /// These are the files from now on.
    pub(crate) fn are(&self, plan: &Plan) {
        let files = plan.touchpoints.files().iter().chain(plan.conversions.files());
        let files = files.chain(plan.own_spend().flat_map(|spend| spend.files()));
        let files = files.chain(plan.rates.iter().flat_map(|rates| rates.files()));
        let mut files: Vec<SourceFile> = files.cloned().collect();
        // Touchpoints and conversions may be the same.
        files.sort_by(|one, other| one.path.cmp(&other.path));
        files.dedup();
        *lock(&self.files) = files;
    }

    /// The run has a folder of its own that is gone when it ends.
    pub(crate) fn leaves(&self, folder: &Path) {
        lock(&self.folders).push(folder.to_owned());
    }
}

fn changed(file: &SourceFile) -> Option<Error> {
    let path = file.path.display();
    let problem = match file.is_as_opened() {
        Ok(true) => return None,
        Ok(false) => format!("{path} was changed while it was read"),
        Err(error) if error.kind() == ErrorKind::NotFound => format!("{path} was removed while it was read"),
        Err(error) => format!("{path} was changed while it was read: {error}"),
    };
    let hint = "run again once whoever writes it has finished; move finished files into place".to_owned();
    Some(Error::Input { problem, hint: Some(hint) })
}
