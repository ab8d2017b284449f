//! Monitors, as their parent sees them: a few idle ones ready, and nothing left of those that died or hang.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

use jit_protocol::order::{DESCRIPTORS, MAX_ORDER, Order};
use jit_sys::clone::{Child, fork_into};
use jit_sys::pam::Transaction;
use jit_sys::{process, signals};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

use crate::cgroup::{Cgroup, Subtree};
use crate::channel::Channel;
use crate::monitor::{self, Assignment, Ready};
use crate::report::Report;
use crate::timer::boottime;
use crate::tree;

/// How many idle monitors wait for orders.
const IDLE: usize = 2;

/// One monitor.
struct Monitor {
    child: Child,
    report: Channel,
    cgroup: Option<Cgroup>,
    busy: bool,
    /// `CLOCK_BOOTTIME` in nanoseconds after which it counts as stuck.
    stuck_at: Option<u64>,
}

/// All monitors, and the cgroups of dead ones that still have something in them.
pub struct Pool {
    subtree: Option<Rc<Subtree>>,
    work: Rc<Channel>,
    monitors: Vec<Monitor>,
    dying: Vec<Cgroup>,
    next: u64,
}

impl Pool {
    /// An empty pool whose monitors take orders from `work`.
    pub fn new(subtree: Option<Rc<Subtree>>, work: Rc<Channel>) -> Self {
        Self { subtree, work, monitors: Vec::new(), dying: Vec::new(), next: boottime() }
    }

    /// Forks until enough idle monitors wait.
    ///
    /// # Errors
    /// Those of fork; the caller tries again later.
    pub fn refill(&mut self) -> io::Result<()> {
        while self.monitors.iter().filter(|monitor| !monitor.busy).count() < IDLE {
            self.fork()?;
        }
        Ok(())
    }

    /// What to wait on: reports of the monitors.
    pub fn reports(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.monitors.iter().map(|monitor| monitor.report.as_fd())
    }

    /// When the next monitor counts as stuck, `CLOCK_BOOTTIME` in nanoseconds; soon if a dead one's cgroup is not
    /// empty yet.
    pub fn next_moment(&self) -> Option<u64> {
        let soon = (!self.dying.is_empty()).then(|| boottime() + 100_000_000);
        self.monitors.iter().filter_map(|monitor| monitor.stuck_at).chain(soon).min()
    }

    /// Takes reports, buries the dead with all they left, kills the stuck.
    pub fn tend(&mut self) {
        let mut at = 0;
        while let Some(monitor) = self.monitors.get_mut(at) {
            monitor.listen(self.subtree.as_deref());
            if monitor.stuck_at.is_some_and(|moment| moment <= boottime()) {
                monitor.end();
            }
            if monitor.has_ended() {
                self.dying.extend(self.monitors.swap_remove(at).cgroup);
            } else {
                at += 1;
            }
        }
        if self.subtree.is_none() {
            let own: Vec<_> = self.monitors.iter().map(|monitor| monitor.child.pid).collect();
            tree::kill_adopted(&own);
        }
        self.dying.retain(|cgroup| {
            if cgroup.is_populated() {
                let _ = cgroup.kill();
            }
            !cgroup.remove()
        });
    }

    /// Lets the idle monitors go: what they have mapped is out of date. One that takes an order at this moment keeps
    /// it: it looks for this word only while it waits.
    pub fn renew(&mut self) {
        for monitor in self.monitors.iter().filter(|monitor| !monitor.busy) {
            let _ = monitor.report.send(&[0], &[], false);
        }
    }

    fn fork(&mut self) -> io::Result<()> {
        let (ours, theirs) = Channel::pair()?;
        self.next += 1;
        let name = format!("s-{:x}", self.next);
        let cgroup = self.subtree.as_ref().map(|subtree| subtree.create(&name)).transpose()?;
        let (work, subtree) = (self.work.clone(), self.subtree.clone());
        let child = fork_into(None, || {
            let own = subtree.as_ref().and_then(|subtree| subtree.open(&name).ok());
            idle(&work, own, subtree, theirs);
            0
        })?;
        self.monitors.push(Monitor { child, report: ours, cgroup, busy: false, stuck_at: None });
        Ok(())
    }
}

impl Monitor {
    fn listen(&mut self, subtree: Option<&Subtree>) {
        while let Ok(report) = Report::receive(&self.report) {
            match report {
                Report::Taken => self.busy = true,
                Report::Within(time) => {
                    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                    self.stuck_at = time.map(|time| boottime().saturating_add(nanoseconds(time)));
                }
                Report::Cgroup(path) => self.cgroup = subtree.and_then(|subtree| subtree.open(&path).ok()),
            }
        }
    }

    /// Ends one that hangs, and what runs in its session: a close(2) that waits for a user's file server can't be
    /// killed, and the command must not live as long as that. Done again until it is gone.
    fn end(&mut self) {
        self.stuck_at = Some(boottime().saturating_add(1_000_000_000));
        let _ = pidfd_send_signal(&self.child.pidfd, rustix::process::Signal::KILL);
        match &self.cgroup {
            Some(cgroup) => drop(cgroup.kill()),
            None => tree::kill_below(self.child.pid),
        }
    }

    fn has_ended(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        !matches!(waitid(Id::PIDFd(self.child.pidfd.as_fd()), flags), Ok(WaitStatus::StillAlive))
    }
}

/// In a new monitor: everything that can be done ahead, then one order, then the end.
fn idle(work: &Channel, cgroup: Option<Cgroup>, subtree: Option<Rc<Subtree>>, spawner: Channel) {
    let keep: Vec<BorrowedFd<'_>> = [Some(work.as_fd()), Some(spawner.as_fd())]
        .into_iter()
        .flatten()
        .chain(cgroup.as_ref().map(|cgroup| cgroup.handle().as_fd()))
        .collect();
    // The spawner's other descriptors are closed, not only marked: PAM's modules share this process.
    if process::close_all_but(&keep).is_err() || rustix::process::setsid().is_err() {
        return;
    }
    let pam = start_pam();
    let Some(assignment) = next_assignment(work, &spawner) else { return };
    Report::Taken.send(&spawner);
    if signals::unblock_all().is_err() {
        return;
    }
    monitor::run(Ready { pam, cgroup, subtree, spawner: Rc::new(spawner) }, assignment);
}

/// The helper's PAM service. A missing one is a refusal: libpam would take the service `other`.
///
/// # Errors
/// For people: what is wrong with the service.
pub fn start_pam() -> Result<Transaction, String> {
    let folders = ["/etc/pam.d", "/usr/lib/pam.d"];
    if !folders.iter().any(|folder| std::path::Path::new(folder).join("jit-sudo").is_file()) {
        return Err("the PAM service jit-sudo is missing".to_owned());
    }
    Transaction::start(c"jit-sudo").map_err(|error| error.to_string())
}

/// Waits for one order; none if the spawner sends this process away, or is gone itself.
fn next_assignment(work: &Channel, spawner: &Channel) -> Option<Assignment> {
    let mut buffer = [0; 16];
    loop {
        let mut fds = [spawner, work].map(|channel| PollFd::new(channel, PollFlags::IN));
        retry_on_intr(|| poll(&mut fds, None)).ok()?;
        let [of_spawner, _] = &fds;
        if !of_spawner.revents().is_empty() {
            return None;
        }
        match work.receive(&mut buffer, false) {
            Ok(received) => return read_assignment(received.descriptors),
            // Another idle monitor was quicker.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}

/// The order's text is in a sealed memfd of the agent's.
fn read_assignment(descriptors: Vec<std::os::fd::OwnedFd>) -> Option<Assignment> {
    use std::io::{Read, Seek};
    let [connection, link, order]: [_; DESCRIPTORS] = descriptors.try_into().ok()?;
    let mut text = Vec::new();
    let limit = u64::try_from(MAX_ORDER).ok()?;
    let mut file = std::fs::File::from(order);
    file.rewind().ok()?;
    file.take(limit).read_to_end(&mut text).ok()?;
    let order: Order = serde_json::from_slice(&text).ok()?;
    Some(Assignment { order, connection, link })
}

/// The pidfd of a process number that a socket told, for checks that must not race.
///
/// # Errors
/// Those of `pidfd_open(2)`.
pub fn process_of(pid: i32) -> io::Result<std::os::fd::OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}
