//! Ctrl-C and SIGTERM: the first asks for the end, the second is the end.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use attributary_pipeline::{Fault, Interrupt};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::app::Context;
use crate::errors::Failure;
use crate::exit::Exit;

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
            for signal in signals.forever() {
                if first == First::Ends || told.signal.swap(signal, Ordering::SeqCst) != 0 {
                    let exit = exit(signal);
                    Failure::plain(exit, word(exit)).show(context.log_format, context.talk);
                    process::exit(exit.code().into());
                }
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
