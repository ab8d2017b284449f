//! Signal dispositions and masks: inherited over exec(2), so set on purpose.

use std::io;

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, sigprocmask};

/// All dispositions to default, but for `ignored`, which are ignored. Real-time signals too.
///
/// # Errors
/// Those of sigaction(2).
pub fn reset_dispositions(ignored: &[i32]) -> io::Result<()> {
    for number in 1..=64 {
        if matches!(number, libc::SIGKILL | libc::SIGSTOP | 32 | 33) {
            continue; // cannot be changed; 32 and 33 belong to the C library and are never left ignored by it
        }
        let handler = if ignored.contains(&number) { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: signal(2) with SIG_DFL or SIG_IGN installs no code of ours.
        if unsafe { libc::signal(number, handler) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Blocks every signal, so that they are read from a signalfd(2) or not at all.
///
/// # Errors
/// Those of sigprocmask(2).
pub fn block_all() -> io::Result<()> {
    Ok(sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)?)
}

/// Blocks no signal.
///
/// # Errors
/// Those of sigprocmask(2).
pub fn unblock_all() -> io::Result<()> {
    Ok(sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?)
}

/// Sets a signal to be ignored in this process.
///
/// # Errors
/// Those of sigaction(2).
pub fn ignore(signal: Signal) -> io::Result<()> {
    // SAFETY: SIG_IGN installs no code of ours.
    unsafe { nix::sys::signal::signal(signal, SigHandler::SigIgn) }?;
    Ok(())
}
