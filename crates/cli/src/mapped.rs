//! Files that are mapped into memory while they are read, and that someone cuts meanwhile.
//!
//! Readers of Parquet with a query, and of Arrow IPC, map their files. Where such a file gets shorter, or its disk fails, there is
//! nothing any more behind an address, and the system sends SIGBUS to the thread that looks there. It cannot go on, so it stays
//! where it is, and another thread says which file it was and ends the process.

#![expect(unsafe_code, reason = "a handler of SIGBUS must not return, and may do nothing but what POSIX allows in one")]

use std::io::{self, Read};
use std::os::fd::IntoRawFd;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use attributary_pipeline::Progress;

use crate::app::Context;
use crate::errors::Failure;
use crate::exit::Exit;

/// Where the handler says that it was called.
static ALARM: AtomicI32 = AtomicI32::new(-1);

/// The progress of work that reads files. From here on a mapped file that is cut ends the process as any other fault of the input
/// does.
pub fn watched(context: &Context) -> Result<Arc<Progress>, Failure> {
    let watched: Arc<Progress> = Arc::default();
    let progress = Arc::clone(&watched);
    let cannot = |error: io::Error| Failure::plain(Exit::Bug, "cannot listen for signals").because(&error);
    let (mut heard, alarm) = io::pipe().map_err(cannot)?;
    let context = *context;
    let end = move || {
        if heard.read_exact(&mut [0]).is_err() {
            return;
        }
        let failure = match progress.inputs.changed() {
            Some(error) => Failure::from(error),
            None => Failure::plain(Exit::Input, "a file cannot be read any more: what is mapped of it is gone (SIGBUS)")
                .hint("see that no file is cut while it is read, and that its disk is sound"),
        };
        progress.inputs.abandon();
        failure.show(context.log_format, context.talk);
        process::exit(failure.exit.code().into());
    };
    thread::Builder::new().name("mapped files".to_owned()).spawn(end).map_err(cannot)?;
    ALARM.store(alarm.into_raw_fd(), Ordering::SeqCst);
    // SAFETY: the handler keeps to what is allowed in one; the structure is valid when zeroed: no flags, an empty mask.
    let taken = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = caught as extern "C" fn(libc::c_int) as libc::sighandler_t;
        action.sa_flags = libc::SA_ONSTACK;
        libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut())
    };
    if taken == 0 { Ok(watched) } else { Err(cannot(io::Error::last_os_error())) }
}

extern "C" fn caught(_: libc::c_int) {
    let alarm = ALARM.load(Ordering::SeqCst);
    // SAFETY: `write` and `pause` are allowed in a handler, the byte is there, and the pipe is never closed.
    unsafe {
        libc::write(alarm, [1_u8].as_ptr().cast(), 1);
        loop {
            libc::pause();
        }
    }
}
