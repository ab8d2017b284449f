//! Descriptors that were passed at the start: by a service manager (`sd_listen_fds(3)`), or by the program that was in
//! this process before.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first descriptor passed (`SD_LISTEN_FDS_START`).
const FIRST: i32 = 3;
/// More than anyone passes us.
const MOST: i32 = 64;

/// Takes the descriptors with these numbers, close-on-exec, which the program before left open for this one. The second
/// call gets none; nor may anything else here have opened descriptors before the first.
///
/// # Errors
/// `InvalidInput` for one that is standard input, output or error, or is named twice; `AlreadyExists` for a second call;
/// those of fcntl(2) for one that is not open.
pub fn inherit(numbers: &[i32]) -> io::Result<HashMap<i32, OwnedFd>> {
    let distinct: HashSet<i32> = numbers.iter().copied().collect();
    if distinct.len() != numbers.len() || numbers.iter().any(|number| *number < FIRST) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    numbers.iter().map(|number| Ok((*number, own(*number)?))).collect()
}

/// Makes a passed descriptor ours.
fn own(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: asks for and sets a flag of a descriptor number; one that is not open is an error.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: open, as the call above has shown, and nobody's: it was passed to this process to own, and is taken
    // once (TAKEN), before anything here has opened descriptors that could have got its number.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

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
        let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
        passed.push((name.to_owned(), own(number)?));
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_has_anyway_is_not_inherited() {
        for numbers in [&[0][..], &[2], &[-1], &[7, 7]] {
            assert_eq!(inherit(numbers).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{numbers:?}");
        }
        assert!(inherit(&[i32::MAX]).is_err(), "it is not open");
        assert_eq!(inherit(&[]).unwrap_err().kind(), io::ErrorKind::AlreadyExists, "once");
    }
}
