//! A save is not torn by the signal that ends the session: it is heard between two steps.

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Signals that would end this process, held back while this lives; then they do.
#[derive(Debug)]
pub(crate) struct Held {
    set: SigSet,
    file: Option<SignalFd>,
}

impl Held {
    pub(crate) fn new() -> Self {
        let set: SigSet =
            [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT].into_iter().collect();
        let file = set
            .thread_block()
            .ok()
            .and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).ok());
        Self { set, file }
    }

    /// Whether one came. It is not forgotten: it is this process's end, as soon as it is not held back.
    pub(crate) fn came(&self) -> bool {
        let signal = self.file.as_ref().and_then(|file| file.read_signal().ok().flatten());
        let signal = signal.and_then(|signal| Signal::try_from(i32::try_from(signal.ssi_signo).ok()?).ok());
        signal.is_some_and(|signal| nix::sys::signal::raise(signal).is_ok())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.set.thread_unblock();
    }
}
