//! clone3(2): a child that begins its life inside a cgroup, known by pidfd.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::unistd::Pid;

/// Exit status of a child that panicked, as of any Rust program.
const PANICKED: i32 = 101;

/// A child process, never confused with another: signals and waits go to the pidfd.
#[derive(Debug)]
pub struct Child {
    /// Its process id, for the audit log and process groups.
    pub pid: Pid,
    /// The descriptor that stands for it.
    pub pidfd: OwnedFd,
}

/// Forks the calling process; the child starts in the cgroup whose folder is given (`CLONE_INTO_CGROUP`, Linux 5.7).
///
/// In the child `run` is called, whose result is the child's exit status (it normally ends in execve(2)).
///
/// # Errors
/// Those of clone3(2); also if the process has more than one thread: another thread could hold a lock that the child
/// would wait for for ever.
pub fn fork_into(cgroup: Option<BorrowedFd<'_>>, run: impl FnOnce() -> i32) -> io::Result<Child> {
    if !is_single_threaded()? {
        return Err(io::Error::other("cannot fork a process with several threads"));
    }
    let mut pidfd: RawFd = -1;
    let mut arguments = CloneArguments {
        flags: CLONE_PIDFD,
        pidfd: (&raw mut pidfd).expose_provenance() as u64,
        exit_signal: u64::from(SIGCHLD),
        ..CloneArguments::default()
    };
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = u64::try_from(cgroup.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?;
    }
    // SAFETY: without CLONE_VM and with no stack given this is fork(2): the child runs on a copy of this
    // single-threaded process, so every lock and invariant in it is as consistent as here. `arguments` and `pidfd`
    // outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<CloneArguments>()) };
    match result {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // A panic must not go on into the parent's code, whose copy this process is.
            let status = catch_unwind(AssertUnwindSafe(run)).unwrap_or(PANICKED);
            // SAFETY: _exit(2) is always sound; destructors and atexit handlers belong to the parent.
            unsafe { libc::_exit(status) }
        }
        pid => {
            let pid = Pid::from_raw(i32::try_from(pid).map_err(|_| io::ErrorKind::InvalidData)?);
            // SAFETY: the kernel has installed this descriptor for us (CLONE_PIDFD), close-on-exec, owned by nobody.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Child { pid, pidfd })
        }
    }
}

fn is_single_threaded() -> io::Result<bool> {
    Ok(std::fs::read_dir("/proc/self/task")?.take(2).count() == 1)
}

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
#[allow(clippy::cast_sign_loss, reason = "a small positive constant")]
const SIGCHLD: u32 = libc::SIGCHLD as u32;

/// `struct clone_args` of linux/sched.h, version 2 (88 bytes).
#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}
