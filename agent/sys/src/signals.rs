//! Signal dispositions and masks: inherited over exec(2), so set on purpose.

use std::io;

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, sigprocmask};

/// All dispositions to default, but for `ignored`, which are ignored. Real-time signals too.
///
/// # Errors
/// Those of sigaction(2).
pub fn reset_dispositions(ignored: &[i32]) -> io::Result<()> {
    for number in 1..=64 {
        if matches!(number, libc::SIGKILL | libc::SIGSTOP) {
            continue; // cannot be changed
        }
        set(number, if ignored.contains(&number) { libc::SIG_IGN } else { libc::SIG_DFL })?;
    }
    Ok(())
}

/// The same, where it is known that nothing is handled and that only `now` are ignored. Allocates nothing.
///
/// # Errors
/// Those of sigaction(2).
pub fn change_ignored(now: &[i32], ignored: &[i32]) -> io::Result<()> {
    for number in now.iter().filter(|number| !ignored.contains(number)) {
        set(*number, libc::SIG_DFL)?;
    }
    let catchable =
        |number: &&i32| (1..=64).contains(*number) && !matches!(**number, libc::SIGKILL | libc::SIGSTOP);
    for number in ignored.iter().filter(catchable) {
        set(*number, libc::SIG_IGN)?;
    }
    Ok(())
}

fn set(number: i32, handler: libc::sighandler_t) -> io::Result<()> {
    let action = KernelAction { handler, flags: 0, restorer: 0, mask: 0 };
    // The system call itself: the C library refuses 32 and 33, its own, which may have been inherited ignored.
    // SAFETY: SIG_DFL and SIG_IGN install no code; the structure is live and of the size that is told.
    let result = unsafe {
        libc::syscall(libc::SYS_rt_sigaction, number, &raw const action, std::ptr::null::<KernelAction>(), 8)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Discards what is pending while signals are blocked (`sigaction(2)`: an ignored one is), so that it does not end this
/// process once they are not. All dispositions are default afterwards, but for `ignored`.
///
/// # Errors
/// Those of sigaction(2).
pub fn forget_pending(ignored: &[i32]) -> io::Result<()> {
    // But SIGCHLD, which is harmless: while it is ignored a child that ends would leave no status.
    let all: Vec<i32> = (1..=64).filter(|number| *number != libc::SIGCHLD).collect();
    reset_dispositions(&all)?;
    reset_dispositions(ignored)
}

/// The kernel's `struct sigaction`, as `rt_sigaction` takes it on x86-64 (elsewhere without the restorer, where the
/// mask, all zero like it, stands in its place).
#[repr(C)]
struct KernelAction {
    handler: libc::sighandler_t,
    flags: libc::c_ulong,
    restorer: usize,
    mask: u64,
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
