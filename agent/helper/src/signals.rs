//! Signals, read from a descriptor while this process holds a terminal's settings or relays for a command.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Signals that end a process and that the command gets instead.
pub(crate) const RELAYED: [Signal; 7] = [
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
];

/// A set of signals held back from their usual effect while this lives.
#[derive(Debug)]
pub(crate) struct Signals {
    file: SignalFd,
    before: SigSet,
}

impl Signals {
    /// While a prompt is answered. SIGTTIN and SIGTTOU keep their effect: in the background there is no prompting.
    ///
    /// # Errors
    /// Those of sigprocmask(2) and signalfd(2).
    pub(crate) fn for_prompt() -> io::Result<Self> {
        Self::hold(&[Signal::SIGTSTP, Signal::SIGCONT])
    }

    /// While a command runs. SIGTTOU has no effect, so that a background job is not stopped for what its command writes.
    ///
    /// # Errors
    /// Those of sigprocmask(2) and signalfd(2).
    pub(crate) fn for_relay() -> io::Result<Self> {
        Self::hold(&[Signal::SIGTSTP, Signal::SIGCONT, Signal::SIGTTIN, Signal::SIGTTOU, Signal::SIGWINCH])
    }

    /// While files are edited. Stops keep their effect: the editor is in this process's group, and stops with it.
    ///
    /// # Errors
    /// Those of sigprocmask(2) and signalfd(2).
    pub(crate) fn for_edit() -> io::Result<Self> {
        Self::hold(&[Signal::SIGCHLD])
    }

    fn hold(more: &[Signal]) -> io::Result<Self> {
        let set: SigSet = RELAYED.iter().chain(more).copied().collect();
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let file = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
        match file {
            Ok(file) => Ok(Self { file, before }),
            Err(error) => {
                let _ = before.thread_set_mask();
                Err(error.into())
            }
        }
    }

    /// The next signal, if one came.
    pub(crate) fn next(&self) -> Option<Signal> {
        let info = self.file.read_signal().ok().flatten()?;
        Signal::try_from(i32::try_from(info.ssi_signo).ok()?).ok()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}

/// Stops this process as `signal` does, until it is continued. Without job control around it nothing happens.
pub(crate) fn suspend(signal: Signal) {
    let set: SigSet = std::iter::once(signal).collect();
    if let Ok(before) = set.thread_swap_mask(SigmaskHow::SIG_UNBLOCK) {
        let _ = raise(signal);
        let _ = before.thread_set_mask();
    }
}

/// Ends this process by a signal, whatever its disposition is, without a core file. For a signal that kills nobody, or
/// that cannot be raised: the exit status that a shell would show.
pub(crate) fn die_of(number: i32) -> u8 {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = signal_hook::low_level::emulate_default_handler(number);
    u8::try_from(number.saturating_add(128)).unwrap_or(1)
}
