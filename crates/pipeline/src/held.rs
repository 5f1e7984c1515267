//! Getting hold of an output, at once or after a while.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use attributary_engine::Interrupt;
use attributary_store::{Output, StoreError};

use crate::error::Error;
use crate::options::Options;

/// How often a run that waits looks again.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens the output, and waits for another run to end as long as the options say.
///
/// # Errors
/// Where it is held all that time, or cannot be written to, or someone interrupts.
pub(crate) fn open(folder: &Path, options: &Options, interrupt: &Interrupt) -> Result<Output, Error> {
    let (began, patience) = (Instant::now(), options.wait.unwrap_or_default());
    let mut told = false;
    loop {
        interrupt.check()?;
        let holder = match Output::open(folder) {
            Err(StoreError::Held { holder, .. }) if began.elapsed() < patience => holder,
            opened => return Ok(opened?),
        };
        if !told {
            tracing::info!(output = %folder.display(), holder, "waits for the other run to end");
            told = true;
        }
        thread::sleep(PAUSE.min(patience.saturating_sub(began.elapsed())));
    }
}
