//! The folder of a run's temporary files: gone when the run ends, and after one that was killed when the next one begins.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use attributary_engine::EngineError;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::error::Error;
use crate::options::Options;

/// Makes the folder, beside the output or where the options say. Whoever calls holds the output, so that what an earlier run
/// for it left is nobody's any more.
///
/// # Errors
/// Where it cannot be made.
pub(crate) fn of_run(options: &Options, output: &Path) -> Result<TempDir, Error> {
    let (folder, prefix) = match &options.temp {
        // The store clears away what begins so.
        None => (output, ".staging-temp-".to_owned()),
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(EngineError::temp(folder))?;
            let prefix = format!("attributary-{}-", name_of(output));
            clear(folder, &prefix).map_err(EngineError::temp(folder))?;
            (folder.as_path(), prefix)
        }
    };
    let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(folder);
    Ok(made.map_err(EngineError::temp(folder))?)
}

/// A short name that no other output has.
fn name_of(output: &Path) -> String {
    let whole = std::fs::canonicalize(output).unwrap_or_else(|_| output.to_owned());
    Sha256::digest(whole.as_os_str().as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn clear(folder: &Path, prefix: &str) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_bytes().starts_with(prefix.as_bytes()) && entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_run_leaves_nothing_for_long_and_other_outputs_keep_theirs() {
        let all = tempfile::tempdir().expect("a temporary folder");
        let (one, other) = (all.path().join("one"), all.path().join("other"));
        [&one, &other].into_iter().for_each(|output| std::fs::create_dir(output).expect("made"));
        let options = Options { temp: Some(all.path().join("temp")), ..Options::default() };
        let killed = of_run(&options, &one).expect("made").keep();
        let running = of_run(&options, &other).expect("made");
        std::fs::write(killed.join("bucket"), "left").expect("written");
        let next = of_run(&options, &one).expect("made");
        assert!(!killed.exists() && running.path().exists() && next.path().exists());
    }
}
