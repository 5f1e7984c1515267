//! Ctrl-C and SIGTERM: the first asks for the end, the second is the end.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use attributary_pipeline::{Fault, Interrupt};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::app::Context;
use crate::errors::Failure;
use crate::exit::Exit;

/// Signals that come this soon after the first are the same wish: `timeout` sends one to the process and one to its group.
const SAME_WISH: Duration = Duration::from_millis(500);

/// What a signal does the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// It asks the work to end, which cleans up.
    Asks,
    /// It ends the process: there is nothing to clean up.
    Ends,
}

/// The word to the work that it shall end, and which signal it was.
#[derive(Debug, Default)]
pub struct Stop {
    /// For the work to look at.
    pub interrupt: Interrupt,
    signal: AtomicI32,
}

impl Stop {
    /// From here on signals are caught.
    pub fn on_signals(first: First, context: &Context) -> Result<Arc<Self>, Failure> {
        let cannot = |error: io::Error| Failure::plain(Exit::Bug, "cannot listen for signals").because(&error);
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(cannot)?;
        let stop = Arc::new(Self::default());
        let (told, context) = (Arc::clone(&stop), *context);
        let listen = move || {
            let mut asked: Option<Instant> = None;
            for signal in signals.forever() {
                if asked.is_some_and(|asked| asked.elapsed() < SAME_WISH) {
                    continue;
                }
                if first == First::Ends || asked.is_some() {
                    let exit = exit(signal);
                    Failure::plain(exit, word(exit)).show(context.log_format, context.talk);
                    process::exit(exit.code().into());
                }
                asked = Some(Instant::now());
                told.signal.store(signal, Ordering::SeqCst);
                told.interrupt.interrupt();
                tracing::warn!("{}, cleaning up; once more ends at once", word(exit(signal)));
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(listen).map_err(cannot)?;
        Ok(stop)
    }

    /// What the command line makes of an error of the work.
    pub fn failure(&self, error: attributary_pipeline::Error) -> Failure {
        match error.fault() {
            Fault::Interrupted => {
                let exit = exit(self.signal.load(Ordering::SeqCst));
                Failure::plain(exit, format!("{}, nothing was published", word(exit)))
            }
            _ => error.into(),
        }
    }
}

fn exit(signal: i32) -> Exit {
    if signal == SIGTERM { Exit::Terminated } else { Exit::Interrupted }
}

fn word(exit: Exit) -> &'static str {
    if exit == Exit::Terminated { "terminated" } else { "interrupted" }
}
