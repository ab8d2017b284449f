//! Descriptors that a service manager passed at the start (`sd_listen_fds(3)`).

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first descriptor passed (`SD_LISTEN_FDS_START`).
const FIRST: i32 = 3;
/// More than anyone passes us.
const MOST: i32 = 64;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the passed descriptors, close-on-exec, each with its name (`unknown` without one). The second call gets none,
/// nor does a process that they were not passed to.
///
/// # Errors
/// `InvalidData` if the environment variables say nonsense; those of fcntl(2) for one that is not open.
pub fn take() -> io::Result<Vec<(String, OwnedFd)>> {
    let variable = |name: &str| std::env::var(name).ok();
    let (Some(pid), Some(count)) = (variable("LISTEN_PID"), variable("LISTEN_FDS")) else {
        return Ok(Vec::new());
    };
    if pid.parse() != Ok(std::process::id()) || TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    let nonsense = || io::Error::new(io::ErrorKind::InvalidData, "LISTEN_FDS says nonsense");
    let count: i32 = count.parse().ok().filter(|count| (0..=MOST).contains(count)).ok_or_else(nonsense)?;
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = Vec::new();
    for number in FIRST..FIRST + count {
        // SAFETY: asks for and sets a flag of a descriptor number; one that is not open is an error.
        if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: open, as the call above has shown, and nobody's: it was passed to this process to own, and is taken
        // once (TAKEN), before anything here has opened descriptors that could have got its number.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        passed
            .push((names.next().filter(|name| !name.is_empty()).unwrap_or("unknown").to_owned(), descriptor));
    }
    Ok(passed)
}
