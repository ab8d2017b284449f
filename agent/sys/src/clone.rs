//! clone3(2): children that begin their life inside a cgroup, known by pidfd. One on a copy of this process, and one in
//! its memory, for what executes another program at once.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
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
    check_single_threaded()?;
    let mut pidfd: RawFd = -1;
    let mut arguments = CloneArguments::new(0, &raw mut pidfd, cgroup)?;
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
        pid => child(pid, pidfd),
    }
}

/// Starts a child in the memory of the calling process, which stands still until the child has executed another program
/// or exited (`CLONE_VM | CLONE_VFORK`, as `posix_spawn(3)` does): nothing is copied. The child starts in the cgroup whose
/// folder is given, with default dispositions for all signals that had a handler (`CLONE_CLEAR_SIGHAND`, Linux 5.5).
///
/// In the child `run` is called, whose result is its exit status. It may be killed at any point of that (by its own
/// user, once it has changed to one), and what it did to memory stays done here. So it must neither allocate nor free,
/// and change nothing but what is its own and whole at any time; and it should be short: SIGKILL is all that the
/// caller hears meanwhile.
///
/// # Errors
/// Those of clone3(2); also if the process has more than one thread.
pub fn spawn_into(cgroup: Option<BorrowedFd<'_>>, run: impl FnOnce() -> i32) -> io::Result<Child> {
    check_single_threaded()?;
    let mut pidfd: RawFd = -1;
    let flags = CLONE_VM | CLONE_VFORK | CLONE_CLEAR_SIGHAND;
    let mut arguments = CloneArguments::new(flags, &raw mut pidfd, cgroup)?;
    let mut run = Some(run);
    let entry = in_child_of(run.as_ref());
    // SAFETY: the child runs `entry` on the part of this stack that is free, in this memory, while this only thread of
    // the process is suspended by the kernel: no two ever run at once. It never returns from there. `arguments`, `pidfd`
    // and `run` outlive the call.
    let result = unsafe { clone_and_call(&raw mut arguments, entry, (&raw mut run).cast()) };
    match result {
        error if error < 0 => Err(io::Error::from_raw_os_error(i32::try_from(-error).unwrap_or(0))),
        pid => child(pid, pidfd),
    }
}

fn child(pid: i64, pidfd: RawFd) -> io::Result<Child> {
    let pid = Pid::from_raw(i32::try_from(pid).map_err(|_| io::ErrorKind::InvalidData)?);
    // SAFETY: the kernel has installed this descriptor for us (CLONE_PIDFD), close-on-exec, owned by nobody.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Child { pid, pidfd })
}

/// What the child calls, for a closure of this type.
fn in_child_of<F: FnOnce() -> i32>(_: Option<&F>) -> extern "C" fn(*mut libc::c_void) -> ! {
    extern "C" fn enter<F: FnOnce() -> i32>(run: *mut libc::c_void) -> ! {
        // SAFETY: the pointer is to the `run` of `spawn_into`, whose frame stands still until this process is gone.
        let run = unsafe { run.cast::<Option<F>>().as_mut() }.and_then(Option::take);
        // A panic must not go on into the caller's frames, which are in use.
        let status = catch_unwind(AssertUnwindSafe(|| run.map_or(PANICKED, |run| run()))).unwrap_or(PANICKED);
        // SAFETY: _exit(2) is always sound; destructors and atexit handlers belong to the caller.
        unsafe { libc::_exit(status) }
    }
    enter::<F>
}

/// clone3(2) whose child calls `entry(argument)` on the caller's own stack, below what is in use of it. A negative
/// error number, or the child's process id.
///
/// # Safety
/// `arguments` must hold `CLONE_VM` and `CLONE_VFORK` and no stack; `entry` must not return.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_and_call(
    arguments: *mut CloneArguments,
    entry: extern "C" fn(*mut libc::c_void) -> !,
    argument: *mut libc::c_void,
) -> i64 {
    let result: i64;
    // SAFETY: in the caller this is one system call, whose clobbers are told. The child leaves the block by the call
    // alone, with the stack aligned as the ABI wants it; what it pushes there is free in the caller.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "and rsp, -16",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") arguments,
            in("rsi") size_of::<CloneArguments>(),
            in("r12") argument,
            in("r13") entry,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// As above, on 64-bit ARM.
///
/// # Safety
/// As above.
#[cfg(target_arch = "aarch64")]
unsafe fn clone_and_call(
    arguments: *mut CloneArguments,
    entry: extern "C" fn(*mut libc::c_void) -> !,
    argument: *mut libc::c_void,
) -> i64 {
    let result: i64;
    // SAFETY: as on x86-64; the stack pointer is always aligned here.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x20",
            "blr x21",
            "brk 1",
            "2:",
            inlateout("x0") arguments.expose_provenance() => result,
            in("x1") size_of::<CloneArguments>(),
            in("x8") libc::SYS_clone3,
            in("x20") argument,
            in("x21") entry,
        );
    }
    result
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("clone_and_call has to be written for this processor");

/// The links of `/proc/self/task` are its folders, one a thread, and two more (proc(5)).
fn check_single_threaded() -> io::Result<()> {
    if std::fs::metadata("/proc/self/task")?.nlink() == 3 {
        return Ok(());
    }
    Err(io::Error::other("cannot fork a process with several threads"))
}

const CLONE_VM: u64 = 0x100;
const CLONE_PIDFD: u64 = 0x1000;
const CLONE_VFORK: u64 = 0x4000;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
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

impl CloneArguments {
    fn new(flags: u64, pidfd: *mut RawFd, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Self> {
        let mut arguments = Self {
            flags: flags | CLONE_PIDFD,
            pidfd: pidfd.expose_provenance() as u64,
            exit_signal: u64::from(SIGCHLD),
            ..Self::default()
        };
        if let Some(cgroup) = cgroup {
            arguments.flags |= CLONE_INTO_CGROUP;
            arguments.cgroup = u64::try_from(cgroup.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?;
        }
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use nix::sys::wait::{WaitStatus, waitpid};

    use super::*;

    // Tests have threads, so each of these is a process of its own: a copy made by fork(2) of the C library, which has
    // one thread.
    fn alone(test: impl FnOnce() -> bool) {
        // SAFETY: the child only calls what is tested, and ends.
        match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Child => {
                let status = catch_unwind(AssertUnwindSafe(test)).map_or(2, |held| i32::from(!held));
                // SAFETY: as in `fork_into`.
                unsafe { libc::_exit(status) }
            }
            nix::unistd::ForkResult::Parent { child } => {
                assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
            }
        }
    }

    fn status_of(child: &Child) -> WaitStatus {
        waitpid(child.pid, None).unwrap()
    }

    #[test]
    fn a_spawned_child_writes_to_our_memory_and_a_forked_one_to_its_own() {
        alone(|| {
            let seen = Cell::new(0);
            let spawned = spawn_into(None, || {
                seen.set(seen.get() + 1);
                7
            })
            .unwrap();
            let after_spawn = seen.get();
            let forked = fork_into(None, || {
                seen.set(seen.get() + 1);
                8
            })
            .unwrap();
            let ended = [status_of(&spawned), status_of(&forked)];
            let wanted = [WaitStatus::Exited(spawned.pid, 7), WaitStatus::Exited(forked.pid, 8)];
            ended == wanted && after_spawn == 1 && seen.get() == 1
        });
    }

    #[test]
    fn a_spawned_child_that_panics_or_is_killed_lets_us_go_on() {
        alone(|| {
            std::panic::set_hook(Box::new(|_| {}));
            let panicked = spawn_into(None, || panic!("on purpose")).unwrap();
            // SAFETY: a signal to itself.
            let killed = spawn_into(None, || unsafe { libc::raise(libc::SIGKILL) }).unwrap();
            status_of(&panicked) == WaitStatus::Exited(panicked.pid, PANICKED)
                && matches!(status_of(&killed), WaitStatus::Signaled(_, nix::sys::signal::Signal::SIGKILL, _))
        });
    }

    #[test]
    fn a_process_with_several_threads_has_no_children() {
        let (_go_on, wait) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || wait.recv());
        assert!(spawn_into(None, || 0).is_err());
        assert!(fork_into(None, || 0).is_err());
    }
}
