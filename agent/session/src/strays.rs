//! Processes that have left their session's cgroup, as a full root can: found by descent, for the monitor adopts orphans.
//! What somebody else starts for the command (a service manager, cron, a container engine) descends from others, and is
//! not found.

use std::os::fd::OwnedFd;

use jit_sys::proc::read_text;
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, getpid};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::cgroup::{self, Cgroup};
use crate::tree::descendants;

/// Whoever descends from this process and is none of the session's.
#[derive(Debug)]
pub struct Strays {
    /// What PAM's modules left, with all below them.
    others: Vec<Pid>,
}

/// One that was found, and is held: its number is its own.
#[derive(Debug)]
pub struct Stray {
    /// Its number.
    pub pid: Pid,
    /// Its name, which it chooses itself.
    pub name: String,
    /// Where it is, as `/proc/PID/cgroup` shows it.
    pub cgroup: String,
    pidfd: OwnedFd,
}

impl Strays {
    /// To be called before the command starts: whoever descends from this process by now is none of the session's.
    pub fn begin() -> Self {
        Self { others: if has_children() { descendants(getpid(), &[]) } else { Vec::new() } }
    }

    /// Whether anything of the session lives below this process, in its cgroup or outside of it.
    pub fn any(&self) -> bool {
        has_children() && !descendants(getpid(), &self.others).is_empty()
    }

    /// Those that are not in the cgroup now.
    pub fn find(&self, cgroup: &Cgroup) -> Vec<Stray> {
        if !has_children() {
            return Vec::new();
        }
        let found = descendants(getpid(), &self.others);
        let is_outside = |pid: &Pid| whereabouts(*pid).is_some_and(|path| !cgroup.is_around(&path));
        let held: Vec<_> =
            found.into_iter().filter(is_outside).filter_map(|pid| Some((pid, hold(pid)?))).collect();
        if held.is_empty() {
            return Vec::new();
        }
        // A number may have become another process's before it was held.
        let still = descendants(getpid(), &self.others);
        let ours = held.into_iter().filter(|(pid, _)| still.contains(pid));
        ours.filter_map(|(pid, pidfd)| Stray::know(pid, pidfd))
            .filter(|it| !cgroup.is_around(&it.cgroup))
            .collect()
    }
}

impl Stray {
    fn know(pid: Pid, pidfd: OwnedFd) -> Option<Self> {
        let (name, cgroup) = (read_text(format!("/proc/{pid}/comm")).ok()?, whereabouts(pid)?);
        // It lives: all of that was of this one.
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let has_ended = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&now)) != Ok(0);
        let name = name.trim_end_matches('\n').to_owned();
        (!has_ended).then_some(Self { pid, name, cgroup, pidfd })
    }

    /// Signals this one and no other.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }
}

/// One system call, where most sessions' ends have nothing more to look at.
fn has_children() -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::All, flags) != Err(Errno::ECHILD)
}

fn hold(pid: Pid) -> Option<OwnedFd> {
    pidfd_open(rustix::process::Pid::from_raw(pid.as_raw())?, PidfdFlags::empty()).ok()
}

/// None: it is gone.
fn whereabouts(pid: Pid) -> Option<String> {
    cgroup::own_cgroup(&read_text(format!("/proc/{pid}/cgroup")).ok()?)
}
