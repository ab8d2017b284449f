//! Monitors, as their parent sees them: a few idle ones ready, and nothing left of those that died or hang.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;

use jit_protocol::order::{DESCRIPTORS, MAX_ORDER, Order};
use jit_protocol::telling;
use jit_sys::clone::{Child, fork_into};
use jit_sys::{account, process, signals};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::process::{PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::cgroup::{Cgroup, Subtree};
use crate::channel::Channel;
use crate::conversation::WORK_TIME;
use crate::hooks::{self, Errand};
use crate::monitor::{self, Assignment, Ready};
use crate::peer::Place;
use crate::report::Report;
use crate::service::Service;
use crate::timer::boottime;
use crate::tree;
use crate::watch::Watch;
use crate::watched::{self, Watched};

/// How many idle monitors wait for orders.
const IDLE: usize = 2;

/// How long monitors of an earlier spawner have to call before what is in their sessions' cgroups is ended.
const CALL: u64 = 10_000_000_000;

/// All monitors, and the cgroups of dead ones that still have something in them.
pub struct Pool {
    subtree: Option<Rc<Subtree>>,
    work: Rc<Channel>,
    service: Service,
    monitors: Vec<Watched>,
    dying: Vec<Cgroup>,
    /// Sessions of an earlier spawner, until their monitors have called or `CLOCK_BOOTTIME` is this, in nanoseconds.
    unclaimed: Vec<Cgroup>,
    claim_until: u64,
    next: u64,
}

/// A pool, as the next program in this process is told of it. Descriptors by their numbers, cgroups by their paths.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    monitors: Vec<watched::State>,
    dying: Vec<String>,
    unclaimed: Vec<String>,
    claim_until: u64,
    next: u64,
}

impl State {
    /// Its descriptors.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.monitors.iter().flat_map(watched::State::descriptors)
    }
}

impl Pool {
    /// For the next program in this process.
    pub fn state(&self) -> State {
        let paths = |cgroups: &[Cgroup]| cgroups.iter().map(|cgroup| cgroup.path().to_owned()).collect();
        State {
            monitors: self.monitors.iter().map(Watched::state).collect(),
            dying: paths(&self.dying),
            unclaimed: paths(&self.unclaimed),
            claim_until: self.claim_until,
            next: self.next,
        }
    }

    /// All that is open for it.
    pub fn all_descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.monitors.iter().flat_map(Watched::descriptors)
    }

    /// The pool of the program before. Its idle monitors are let go: they are that program.
    pub fn of(
        state: State,
        inherited: &mut HashMap<RawFd, OwnedFd>,
        subtree: Option<Rc<Subtree>>,
        work: Rc<Channel>,
    ) -> Self {
        let State { monitors, dying, unclaimed, claim_until, next } = state;
        let below = subtree.as_deref();
        let monitors = monitors.into_iter().filter_map(|it| Watched::of(it, inherited, below)).collect();
        let [dying, unclaimed] = [dying, unclaimed].map(|paths| {
            let open = |path: &String| below.and_then(|subtree| subtree.open(path).ok());
            paths.iter().filter_map(open).collect()
        });
        let service = Service::start();
        let pool = Self { subtree, work, service, monitors, dying, unclaimed, claim_until, next };
        pool.renew();
        pool
    }

    /// An empty pool whose monitors take orders from `work`.
    pub fn new(subtree: Option<Rc<Subtree>>, work: Rc<Channel>) -> Self {
        let unclaimed = subtree.as_ref().map(|subtree| subtree.sessions()).unwrap_or_default();
        let now = boottime();
        let claim_until = now.saturating_add(CALL);
        Self {
            subtree,
            work,
            service: Service::start(),
            monitors: Vec::new(),
            dying: Vec::new(),
            unclaimed,
            claim_until,
            next: now,
        }
    }

    /// Watches a monitor of an earlier spawner, which has called.
    pub fn adopt(&mut self, child: Child, report: Channel) {
        self.monitors.push(Watched::adopted(child, report));
    }

    /// Forks until enough idle monitors wait.
    ///
    /// # Errors
    /// Those of fork; the caller tries again later.
    pub fn refill(&mut self) -> io::Result<()> {
        while self.monitors.iter().filter(|monitor| monitor.is_idle()).count() < IDLE {
            self.fork()?;
        }
        Ok(())
    }

    /// What to wait on: the monitors' words, and their ends.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.monitors.iter().map(Watched::descriptor)
    }

    /// When the next monitor counts as stuck, `CLOCK_BOOTTIME` in nanoseconds; soon if a dead one's cgroup is not
    /// empty yet.
    pub fn next_moment(&self) -> Option<u64> {
        let soon = (!self.dying.is_empty()).then(|| boottime() + 100_000_000);
        let claim = (!self.unclaimed.is_empty()).then_some(self.claim_until);
        self.monitors.iter().filter_map(Watched::stuck_at).chain(soon).chain(claim).min()
    }

    /// Takes reports, buries the dead with all they left, kills the stuck.
    pub fn tend(&mut self) {
        let mut at = 0;
        while let Some(monitor) = self.monitors.get_mut(at) {
            monitor.listen(self.subtree.as_deref());
            if monitor.stuck_at().is_some_and(|moment| moment <= boottime()) {
                monitor.end();
            }
            if monitor.has_ended() {
                self.dying.extend(self.monitors.swap_remove(at).into_cgroup());
            } else {
                at += 1;
            }
        }
        self.claim();
        if self.subtree.is_none() {
            let own: Vec<_> = self.monitors.iter().map(Watched::pid).collect();
            tree::kill_adopted(&own);
        }
        self.dying.retain(|cgroup| {
            if cgroup.is_populated() {
                let _ = cgroup.kill();
            }
            !cgroup.remove()
        });
    }

    /// For new files or modules of PAM.
    pub fn renew_service(&mut self) {
        self.service.renew();
        self.renew();
    }

    /// Lets the idle monitors go: what they have mapped is out of date. One that takes an order at this moment keeps
    /// it: it looks for this word only while it waits.
    pub fn renew(&self) {
        for monitor in self.monitors.iter().filter(|monitor| monitor.is_idle()) {
            monitor.send_away();
        }
    }

    /// What a monitor has called for is its own again; what none has called for in time is ended.
    fn claim(&mut self) {
        let monitors = &self.monitors;
        self.unclaimed.retain(|cgroup| !monitors.iter().any(|monitor| monitor.has(cgroup)));
        if self.claim_until <= boottime() {
            self.dying.append(&mut self.unclaimed);
        }
    }

    fn fork(&mut self) -> io::Result<()> {
        let (ours, theirs) = Channel::pair()?;
        self.service.refresh();
        self.next += 1;
        let name = format!("s-{:x}", self.next);
        let cgroup = self.subtree.as_ref().map(|subtree| subtree.create(&name)).transpose()?;
        let (work, subtree) = (self.work.clone(), self.subtree.clone());
        let service = &mut self.service;
        let child = fork_into(None, || {
            let own = subtree.as_ref().and_then(|subtree| subtree.open(&name).ok());
            idle(service, &work, own, subtree, theirs);
            0
        })?;
        self.monitors.push(Watched::forked(child, ours, cgroup));
        Ok(())
    }
}

/// In a new monitor: everything that can be done ahead, then one order, then the end.
fn idle(
    service: &mut Service,
    work: &Channel,
    cgroup: Option<Cgroup>,
    subtree: Option<Rc<Subtree>>,
    spawner: Channel,
) {
    let keep: Vec<BorrowedFd<'_>> = [Some(work.as_fd()), Some(spawner.as_fd())]
        .into_iter()
        .flatten()
        .chain(cgroup.as_ref().map(|cgroup| cgroup.handle().as_fd()))
        .collect();
    // The spawner's other descriptors are closed, not only marked: PAM's modules share this process.
    if process::close_all_but(&keep).is_err() || rustix::process::setsid().is_err() {
        return;
    }
    let (pam, own_place) = (service.take(), Place::own());
    // PAM's modules will ask for accounts: then the C library has read where they are. Not in the spawner: it may block.
    let _ = account::uid_of("root");
    let Some(task) = next_task(work, &spawner) else { return };
    let spawner = Watch::new(spawner);
    spawner.tell(&Report::Taken(Some(WORK_TIME)));
    if signals::unblock_all().is_err() {
        return;
    }
    match task {
        Task::Session(assignment) => {
            monitor::run(Ready { pam, own_place, cgroup, subtree, spawner: Rc::new(spawner) }, *assignment);
        }
        Task::Errand(errand) => hooks::tell(&errand, cgroup),
    }
}

/// What a monitor lives for.
enum Task {
    Session(Box<Assignment>),
    Errand(Errand),
}

/// Waits for one task; none if the spawner sends this process away, or is gone itself.
fn next_task(work: &Channel, spawner: &Channel) -> Option<Task> {
    let mut buffer = [0; 16];
    loop {
        let mut fds = [spawner, work].map(|channel| PollFd::new(channel, PollFlags::IN));
        retry_on_intr(|| poll(&mut fds, None)).ok()?;
        let [of_spawner, _] = &fds;
        if !of_spawner.revents().is_empty() {
            return None;
        }
        match work.receive(&mut buffer, false) {
            Ok(received) if buffer.get(..received.length) == Some(telling::WORD) => {
                let [link, text]: [_; telling::DESCRIPTORS] = received.descriptors.try_into().ok()?;
                return Some(Task::Errand(Errand { text, link: Channel::from(link) }));
            }
            Ok(received) => {
                return read_assignment(received.descriptors).map(Box::new).map(Task::Session);
            }
            // Another idle monitor was quicker.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}

/// The order's text is in a sealed memfd of the agent's.
fn read_assignment(descriptors: Vec<OwnedFd>) -> Option<Assignment> {
    use std::os::unix::fs::FileExt;
    let [connection, link, order]: [_; DESCRIPTORS] = descriptors.try_into().ok()?;
    let file = std::fs::File::from(order);
    let length = usize::try_from(file.metadata().ok()?.len()).ok().filter(|length| *length <= MAX_ORDER)?;
    let mut text = vec![0; length];
    file.read_exact_at(&mut text, 0).ok()?;
    let order: Order = serde_json::from_slice(&text).ok()?;
    Some(Assignment { order, connection, link })
}

/// The pidfd of a process number that a socket told, for checks that must not race.
///
/// # Errors
/// Those of `pidfd_open(2)`.
pub fn process_of(pid: i32) -> io::Result<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}
