//! A monitor, as its parent sees it: what it reports, whether it hangs, and that it has ended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use jit_sys::clone::Child;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};

use crate::cgroup::{Cgroup, Subtree};
use crate::channel::Channel;
use crate::report::Report;
use crate::timer::boottime;
use crate::tree;

/// A monitor that is watched.
pub struct Watched {
    child: Child,
    /// None: it has closed its end.
    report: Option<Channel>,
    cgroup: Option<Cgroup>,
    busy: bool,
    /// `CLOCK_BOOTTIME` in nanoseconds after which it counts as stuck.
    stuck_at: Option<u64>,
}

impl Watched {
    /// Our own child, with the cgroup that was made for it.
    pub fn forked(child: Child, report: Channel, cgroup: Option<Cgroup>) -> Self {
        Self { child, report: Some(report), cgroup, busy: false, stuck_at: None }
    }

    /// An earlier spawner's child, which has called. It will say which cgroup is its session's.
    pub fn adopted(child: Child, report: Channel) -> Self {
        Self { child, report: Some(report), cgroup: None, busy: true, stuck_at: None }
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        self.child.pid
    }

    /// Whether it waits for an order.
    pub fn is_idle(&self) -> bool {
        !self.busy
    }

    /// When it counts as stuck, `CLOCK_BOOTTIME` in nanoseconds.
    pub fn stuck_at(&self) -> Option<u64> {
        self.stuck_at
    }

    /// What is left of it.
    pub fn into_cgroup(self) -> Option<Cgroup> {
        self.cgroup
    }

    /// Whether this is its session's cgroup.
    pub fn has(&self, cgroup: &Cgroup) -> bool {
        self.cgroup.as_ref().is_some_and(|own| own.path() == cgroup.path())
    }

    /// Readable when it has said something, or ended.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.report.as_ref().map_or(self.child.pidfd.as_fd(), AsFd::as_fd)
    }

    /// Takes its reports.
    pub fn listen(&mut self, subtree: Option<&Subtree>) {
        while let Some(report) = &self.report {
            match Report::receive(report) {
                Ok(report @ (Report::Taken(time) | Report::Within(time))) => {
                    self.busy |= matches!(report, Report::Taken(_));
                    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                    self.stuck_at = time.map(|time| boottime().saturating_add(nanoseconds(time)));
                }
                Ok(Report::Cgroup(path)) => {
                    self.cgroup = subtree.and_then(|subtree| subtree.open(&path).ok());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                // It ends, which may take as long as a file server likes: from here on its pidfd is waited on.
                Err(_) => self.report = None,
            }
        }
    }

    /// Lets it go, if it still waits for an order: one that takes an order at this moment keeps it.
    pub fn send_away(&self) {
        if let Some(report) = &self.report {
            let _ = report.send(&[0], &[], false);
        }
    }

    /// Ends one that hangs, and what runs in its session: a close(2) that waits for a user's file server can't be
    /// killed, and the command must not live as long as that. Done again until it is gone.
    pub fn end(&mut self) {
        self.stuck_at = Some(boottime().saturating_add(1_000_000_000));
        let _ = pidfd_send_signal(&self.child.pidfd, Signal::KILL);
        match &self.cgroup {
            Some(cgroup) => drop(cgroup.kill()),
            None => tree::kill_below(self.child.pid),
        }
    }

    /// Whether it has ended; our own child is buried.
    pub fn has_ended(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let ended = poll(&mut [PollFd::new(&self.child.pidfd, PollFlags::IN)], Some(&now)) == Ok(1);
        if ended {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
            let _ = waitid(Id::PIDFd(self.child.pidfd.as_fd()), flags); // another's child is not ours to wait for
        }
        ended
    }
}
