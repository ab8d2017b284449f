//! A monitor, as its parent sees it: what it reports, whether it hangs, and that it has ended.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use jit_sys::clone::Child;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};
use serde::{Deserialize, Serialize};

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

/// A monitor, as the next program in this process is told of it. Descriptors by their numbers.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    pid: i32,
    pidfd: RawFd,
    report: Option<RawFd>,
    cgroup: Option<String>,
    busy: bool,
    stuck_at: Option<u64>,
}

impl State {
    /// Its descriptors.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> + use<> {
        [Some(self.pidfd), self.report].into_iter().flatten()
    }
}

impl Watched {
    /// For the next program in this process.
    pub fn state(&self) -> State {
        State {
            pid: self.child.pid.as_raw(),
            pidfd: self.child.pidfd.as_raw_fd(),
            report: self.report.as_ref().map(|report| report.as_fd().as_raw_fd()),
            cgroup: self.cgroup.as_ref().map(|cgroup| cgroup.path().to_owned()),
            busy: self.busy,
            stuck_at: self.stuck_at,
        }
    }

    /// Its descriptors.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [Some(self.child.pidfd.as_fd()), self.report.as_ref().map(AsFd::as_fd)].into_iter().flatten()
    }

    /// As the program before watched it; none if its descriptors are not there.
    pub fn of(
        state: State,
        inherited: &mut HashMap<RawFd, OwnedFd>,
        subtree: Option<&Subtree>,
    ) -> Option<Self> {
        let State { pid, pidfd, report, cgroup, busy, stuck_at } = state;
        let child = Child { pid: Pid::from_raw(pid), pidfd: inherited.remove(&pidfd)? };
        let report = report.and_then(|number| inherited.remove(&number)).map(Channel::from);
        let cgroup = cgroup.and_then(|path| subtree?.open(&path).ok());
        Some(Self { child, report, cgroup, busy, stuck_at })
    }

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
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        // Another's child is not ours to wait for. Our own, if somebody traces it, is buried once they have let it go.
        ended && !matches!(waitid(Id::PIDFd(self.child.pidfd.as_fd()), flags), Ok(WaitStatus::StillAlive))
    }
}
