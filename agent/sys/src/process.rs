//! Attributes of this process that children and cores would inherit or show.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::unistd::{Gid, Uid};

/// No core dump, no attaching by others, no `/proc/PID/mem` (`PR_SET_DUMPABLE` in prctl(2), soft `RLIMIT_CORE` 0).
///
/// # Errors
/// Those of prctl(2) and setrlimit(2).
pub fn hide_memory() -> io::Result<()> {
    const CORE: nix::sys::resource::Resource = nix::sys::resource::Resource::RLIMIT_CORE;
    nix::sys::prctl::set_dumpable(false)?;
    // The soft limit alone: commands get their own back, and a container may not be allowed to raise a hard one.
    let (_, hard) = nix::sys::resource::getrlimit(CORE)?;
    nix::sys::resource::setrlimit(CORE, 0, hard)?;
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

/// Whether the working folder is below this process's root and not gone: the kernel tells `(unreachable)…` else, which
/// the C library hides (getcwd(2)). Allocates nothing.
pub fn is_cwd_reachable() -> bool {
    let mut buffer = [0_u8; 4096];
    // SAFETY: the kernel writes at most the length given.
    let length = unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) };
    length > 0 && buffer.starts_with(b"/")
}

/// Whether this is the path of the working folder: absolute, without links. Allocates nothing.
pub fn is_cwd(path: &CStr) -> bool {
    let mut buffer = [0_u8; 4096];
    // SAFETY: the kernel writes at most the length given.
    let length = unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) };
    // The length counts the zero byte at the end.
    usize::try_from(length).ok().and_then(|length| buffer.get(..length)) == Some(path.to_bytes_with_nul())
}

/// Whether the supplementary groups are these and no others, whatever their order. Allocates nothing.
///
/// `wanted` is sorted; `scratch` has room for one more than it.
pub fn groups_are(wanted: &[Gid], scratch: &mut [Gid]) -> bool {
    let Ok(size) = libc::c_int::try_from(scratch.len()) else { return false };
    if size == 0 {
        return false; // asks for their number
    }
    // SAFETY: Gid is a transparent gid_t, and the kernel writes at most `size` of them; more are EINVAL.
    let length = unsafe { libc::getgroups(size, scratch.as_mut_ptr().cast()) };
    let Some(groups) = usize::try_from(length).ok().and_then(|length| scratch.get_mut(..length)) else {
        return false;
    };
    groups.sort_unstable_by_key(|gid| gid.as_raw());
    groups == wanted
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

/// Closes every descriptor above 2 but these, whoever owned them: for a child that shares a copy of its parent's.
///
/// # Errors
/// Those of `close_range(2)`.
pub fn close_all_but(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut numbers: Vec<u32> = keep.iter().filter_map(|fd| u32::try_from(fd.as_raw_fd()).ok()).collect();
    numbers.sort_unstable();
    let mut first = 3;
    for last in numbers.iter().map(|number| number.checked_sub(1)).chain([Some(u32::MAX)]).flatten() {
        if last >= first {
            // SAFETY: after fork, this process never returns to the code that owned them (it ends in _exit(2)), so
            // that no owner will use or close such a number again.
            if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        first = last.saturating_add(2).max(first);
    }
    Ok(())
}

/// Empties the environment of this process, for the C library and for programs that PAM's modules start; `PATH` is
/// set to the system's folders.
pub fn clear_environment() {
    // SAFETY: called before there is a second thread or anybody who holds a pointer into the environment.
    unsafe { libc::clearenv() };
    // SAFETY: as above; both strings are NUL-terminated and copied.
    unsafe { libc::setenv(c"PATH".as_ptr(), c"/usr/sbin:/usr/bin:/sbin:/bin".as_ptr(), 1) };
}
