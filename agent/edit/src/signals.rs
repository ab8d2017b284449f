//! A save is not torn by a signal: it is heard between two steps. And nothing that waits does so beyond one.

use std::io;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

/// The session's end, and all that a helper can have sent to its command and that would end this process.
const ENDS: [Signal; 7] = [
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
];

/// These signals held back while this lives; then they have their effect.
#[derive(Debug)]
pub(crate) struct Held {
    file: SignalFd,
    before: SigSet,
}

impl Held {
    /// # Errors
    /// Those of sigprocmask(2) and signalfd(2).
    pub(crate) fn new() -> io::Result<Self> {
        let ends: SigSet = ENDS.into_iter().collect();
        let file = SignalFd::with_flags(&ends, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let mut held = ends;
        held.add(Signal::SIGTSTP); // stopped in the middle, it would not hear the end
        Ok(Self { before: held.thread_swap_mask(SigmaskHow::SIG_BLOCK)?, file })
    }

    /// Whether one came. It is this process's end, as soon as it is not held back.
    pub(crate) fn came(&self) -> bool {
        self.poll(&mut Vec::new(), Some(&Timespec::default())).is_err()
    }

    /// Waits until one of these files is ready.
    ///
    /// # Errors
    /// `Interrupted` if a signal came; those of poll(2).
    pub(crate) fn wait<'f>(&'f self, files: &mut Vec<PollFd<'f>>) -> io::Result<()> {
        self.poll(files, None)
    }

    fn poll<'f>(&'f self, files: &mut Vec<PollFd<'f>>, time: Option<&Timespec>) -> io::Result<()> {
        files.push(PollFd::new(&self.file, PollFlags::IN));
        retry_on_intr(|| poll(files, time))?;
        let signals = files.pop();
        if signals.is_some_and(|signals| signals.revents().is_empty()) {
            Ok(())
        } else {
            Err(io::ErrorKind::Interrupted.into())
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}
