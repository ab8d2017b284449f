//! Attributes of this process that children and cores would inherit or show.

use std::io;

use nix::unistd::{Gid, Uid};

/// No core dump, no attaching by others, no `/proc/PID/mem` (`PR_SET_DUMPABLE` in prctl(2), `RLIMIT_CORE` 0).
///
/// # Errors
/// Those of prctl(2) and setrlimit(2).
pub fn hide_memory() -> io::Result<()> {
    nix::sys::prctl::set_dumpable(false)?;
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0)?;
    Ok(())
}

/// Orphans below this process become its children (`PR_SET_CHILD_SUBREAPER`), so that none is lost where there is no
/// cgroup to find them by.
///
/// # Errors
/// Those of prctl(2).
pub fn adopt_orphans() -> io::Result<()> {
    Ok(nix::sys::prctl::set_child_subreaper(true)?)
}

/// A new, empty session keyring (keyctl(2) `KEYCTL_JOIN_SESSION_KEYRING`): monitors forked from one spawner would
/// share one.
///
/// # Errors
/// Those of keyctl(2); `Unsupported` on a kernel without keyrings.
pub fn join_new_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: a null name asks for an anonymous keyring; no memory is touched.
    let result = unsafe {
        libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Marks every descriptor from `first` on close-on-exec (`close_range(2)`, Linux 5.11).
///
/// # Errors
/// Those of `close_range(2)`.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: sets a flag on descriptors; closes none.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The working folder as the kernel tells it; `None` if it is not below this process's root (`(unreachable)…`, which
/// the C library hides, getcwd(2)) or is gone.
pub fn reachable_cwd() -> Option<Vec<u8>> {
    let mut buffer = vec![0_u8; 4096];
    // SAFETY: the kernel writes at most the length given.
    let length = unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) };
    let length = usize::try_from(length).ok()?.checked_sub(1)?;
    buffer.truncate(length);
    buffer.starts_with(b"/").then_some(buffer)
}

/// The real, effective and saved ids are all these, and nothing else (read back after a switch).
pub fn ids_are(uid: Uid, gid: Gid) -> bool {
    let users = nix::unistd::getresuid().is_ok_and(|ids| [ids.real, ids.effective, ids.saved] == [uid; 3]);
    let groups = nix::unistd::getresgid().is_ok_and(|ids| [ids.real, ids.effective, ids.saved] == [gid; 3]);
    users && groups
}

/// The nice value of a process (getpriority(2)): −20 to 19.
///
/// # Errors
/// Those of getpriority(2).
pub fn nice_of(pid: i32) -> io::Result<i32> {
    nix::errno::Errno::clear();
    let pid = u32::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: reads a value.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, pid) };
    match nix::errno::Errno::last_raw() {
        0 => Ok(nice),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Sets the nice value of this process.
///
/// # Errors
/// Those of setpriority(2).
pub fn set_nice(nice: i32) -> io::Result<()> {
    // SAFETY: sets a value of this process.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
