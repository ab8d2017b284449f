//! While the command runs: its output, stops, signals and end; its deadline; the agent's word; the helper's going.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

use jit_protocol::frame::{Frame, Kind};
use jit_protocol::link::{ExitStatus, FromMonitor, ToMonitor};
use jit_sys::clone::Child;
use jit_sys::{process, signals, terminal};
use nix::sys::signal::{Signal, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

use crate::become_command::IGNORED;
use crate::helper::{Helper, Wish};
use crate::link::Link;
use crate::notices::Notices;
use crate::relay::Relay;
use crate::report::Report;
use crate::strays::Stray;
use crate::timer::{DeadlineTimer, Timer};
use crate::tree::Tree;
use crate::watch::Watch;

/// How often the agent is looked for while it is away, and a dying tree is killed again.
const TICK: Duration = Duration::from_millis(200);
/// How many wishes of the helper are heard in a row.
const WISHES: usize = 32;
/// Of how many processes outside of its cgroup a session tells.
const MOST_REPORTED: usize = 64;
/// How long a monitor that has nothing left to do waits for an agent to tell the end to.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A running command and everybody who cares.
pub struct Supervisor<'a> {
    child: Child,
    /// Everything the command started.
    pub tree: Tree,
    relay: Option<Relay>,
    /// Until it has its answer or is gone.
    helper: Option<Rc<Helper>>,
    /// The agent.
    pub link: &'a mut Link,
    spawner: &'a Watch,
    grace: Duration,
    /// It goes on without its helper.
    background: bool,
    /// It stopped because another group of its terminal has the keys.
    wants_terminal: bool,
    signals: SignalFd,
    deadline: DeadlineTimer,
    /// What the person is told of the end before it comes.
    notices: Notices,
    ending: Ending,
    /// Processes that the agent was told of: they have left the cgroup.
    reported: HashSet<i32>,
}

/// How far the end of a tree has come.
#[derive(Debug)]
enum Ending {
    /// Not begun.
    No,
    /// SIGTERM is out; SIGKILL follows when the timer fires.
    Asked(Timer),
    /// SIGKILL is out.
    Killed,
}

impl<'a> Supervisor<'a> {
    /// Of a command that runs already.
    #[allow(clippy::too_many_arguments, reason = "each is another party; a struct of them would be this one")]
    pub fn new(
        child: Child,
        tree: Tree,
        relay: Option<Relay>,
        helper: Option<Rc<Helper>>,
        link: &'a mut Link,
        spawner: &'a Watch,
        grace_ms: u64,
        background: bool,
        signals: SignalFd,
        deadline: DeadlineTimer,
        notices: Notices,
    ) -> Self {
        let grace = Duration::from_millis(grace_ms);
        Self {
            child,
            tree,
            relay,
            helper,
            link,
            spawner,
            grace,
            background,
            wants_terminal: false,
            signals,
            deadline,
            notices,
            ending: Ending::No,
            reported: HashSet::new(),
        }
    }

    /// The helper is not waited for any more; its terminal's stream ends.
    pub fn release_helper(&mut self) {
        self.relay = None;
        self.helper = None;
    }

    /// Whether something lives that the command left behind.
    pub fn has_leftover(&self) -> bool {
        !self.tree.is_empty()
    }

    /// Whether the end of what runs has begun.
    pub fn is_ending(&self) -> bool {
        !matches!(self.ending, Ending::No)
    }

    /// How long the end may take, with some room.
    pub fn ending_time(&self) -> Duration {
        self.grace + Duration::from_secs(10)
    }

    /// Kills everything, now.
    pub fn kill_all(&mut self) {
        self.tree.kill();
        self.ending = Ending::Killed;
    }

    /// Until the command has ended and its output has reached the helper, or the helper is gone.
    ///
    /// # Errors
    /// Those of poll(2), after which nothing can be supervised: the caller kills the tree.
    pub fn run(&mut self) -> io::Result<ExitStatus> {
        let mut status = None;
        let mut waited = false;
        loop {
            let moved = self.relay.as_mut().is_some_and(Relay::pump);
            if let Some(status) = status
                && self.output_is_out(waited && !moved)
            {
                return Ok(status);
            }
            waited = status.is_some();
            if !self.background && self.relay.as_ref().is_some_and(Relay::is_hung_up) {
                self.hang_up();
            }
            if status.is_none() {
                status = self.reap();
                if status.is_some() {
                    self.relay.iter_mut().for_each(Relay::command_has_ended);
                    continue;
                }
            }
            self.handle_helper();
            self.handle_agent();
            self.handle_spawner();
            self.handle_time();
            // Last, so that the command's end is seen first.
            self.wait(status.is_some())?;
        }
    }

    /// Until nothing that the command left behind lives any more. The helper has had its answer.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_leftover(&mut self) -> io::Result<()> {
        while !self.tree.is_empty() {
            self.wait(false)?;
            self.forget_signals();
            self.adopt();
            self.handle_agent();
            self.handle_spawner();
            self.handle_time();
        }
        Ok(())
    }

    /// Tells the agent of processes that have left the cgroup, of each once. Where there is none the next one is told.
    pub fn report_strays(&mut self) {
        for Stray { pid, name, cgroup, .. } in self.tree.strays() {
            let pid = pid.as_raw();
            if self.link.is_cut() || self.reported.len() == MOST_REPORTED {
                return;
            }
            if self.reported.insert(pid) {
                self.link.send(&FromMonitor::Outside { pid, name, cgroup });
            }
        }
    }

    /// Lets an agent that was away know the end, for a while.
    pub fn report_to_next_agent(&mut self) {
        let mut waited = Duration::ZERO;
        while self.link.is_cut() && waited < PATIENCE {
            std::thread::sleep(TICK);
            waited += TICK;
            self.link.redial();
        }
    }

    /// Ends everything: SIGTERM now, SIGKILL after the grace.
    fn end(&mut self) {
        if !matches!(self.ending, Ending::No) {
            return;
        }
        self.report_strays();
        self.tree.terminate();
        let timer = Timer::boottime().and_then(|timer| timer.set_in(self.grace).map(|()| timer));
        self.ending = if let Ok(timer) = timer {
            Ending::Asked(timer)
        } else {
            self.tree.kill();
            Ending::Killed
        };
        self.spawner.tell(&Report::Within(Some(self.ending_time())));
    }

    /// All output has gone to the helper: everyone who held the terminal has closed it; or something left behind
    /// still holds it, and nothing came for a while (what was written may still be on its way through the kernel).
    fn output_is_out(&self, quiet: bool) -> bool {
        match &self.relay {
            None => true,
            // Whoever has not read it by now has no claim to hold the session.
            Some(_) if matches!(self.ending, Ending::Killed) => true,
            Some(relay) => relay.is_done() || (quiet && !self.tree.is_empty()),
        }
    }

    fn wait(&self, exited: bool) -> io::Result<()> {
        let mut wanted: Vec<(BorrowedFd<'_>, PollFlags)> = vec![(self.signals.as_fd(), PollFlags::IN)];
        wanted.extend(self.helper.as_ref().map(|helper| (helper.as_fd(), PollFlags::IN)));
        wanted.extend(self.link.descriptor().map(|agent| (agent, PollFlags::IN)));
        let spawner = self.spawner.channel();
        wanted.extend(spawner.as_ref().map(|spawner| (spawner.as_fd(), PollFlags::IN)));
        wanted.extend(self.tree.events().map(|events| (events, PollFlags::PRI)));
        for timer in [&self.deadline, self.notices.timer()] {
            wanted.push((timer.boottime.as_fd(), PollFlags::IN));
            wanted.push((timer.realtime.as_fd(), PollFlags::IN));
        }
        if let Ending::Asked(timer) = &self.ending {
            wanted.push((timer.as_fd(), PollFlags::IN));
        }
        if let Some(relay) = &self.relay {
            // Without an interest poll(2) still tells of a hang-up, again and again: such a descriptor is left out.
            wanted.extend(relay.interests().into_iter().filter(|(_, flags)| !flags.is_empty()));
        }
        let mut fds: Vec<PollFd<'_>> =
            wanted.iter().map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        let alone = spawner.is_none() && self.can_be_taken_over();
        let tick = exited || alone || self.link.is_cut() || matches!(self.ending, Ending::Killed);
        let timeout =
            Timespec { tv_sec: 0, tv_nsec: if exited { 20_000_000 } else { i64::from(TICK.subsec_nanos()) } };
        retry_on_intr(|| poll(&mut fds, tick.then_some(&timeout)))?;
        self.tree.acknowledge();
        Ok(())
    }

    /// The command's stop or end, if there is one.
    fn reap(&mut self) -> Option<ExitStatus> {
        self.forget_signals();
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
        match waitid(Id::PIDFd(self.child.pidfd.as_fd()), flags).ok()? {
            WaitStatus::Exited(_, status) => return Some(ExitStatus::Status(status)),
            WaitStatus::Signaled(_, signal, _) => return Some(ExitStatus::Signal(signal as i32)),
            // Whatever comes next is another SIGCHLD.
            WaitStatus::Stopped(_, signal) => {
                self.wants_terminal = matches!(signal, Signal::SIGTTIN | Signal::SIGTTOU);
                self.tell(&Frame::new(Kind::Stopped, signal as i32));
            }
            _ => self.adopt(),
        }
        None
    }

    /// Orphans have become our children, and must be waited for.
    fn adopt(&self) {
        while let Ok(Some(pid)) = waitid_any() {
            if pid == self.child.pid {
                return; // `reap` takes its status
            }
            let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
        }
    }

    /// To be followed by a look at the children: the other way round, the end of one that came between is never told.
    fn forget_signals(&self) {
        while let Ok(Some(_)) = self.signals.read_signal() {}
    }

    fn handle_helper(&mut self) {
        // Not all that there is: a flood of frames must not keep expiry and the agent waiting.
        for _ in 0..WISHES {
            let Some(helper) = self.helper.clone() else { return };
            match helper.wish() {
                Ok(None) => return,
                Ok(Some(wish)) => self.grant_wish(wish),
                Err(_) if self.background => self.helper = None,
                Err(_) => {
                    // Its person is gone: what ran for them is told so, and ends.
                    self.helper = None;
                    self.hang_up();
                    self.end();
                }
            }
        }
    }

    /// The command's terminal hangs up, as its person's has: whoever reads from it comes to its end. The kernel tells that
    /// to the leader of the session alone, which is this process.
    fn hang_up(&mut self) {
        self.relay = None;
        self.signal_group(Signal::SIGHUP);
        self.signal_group(Signal::SIGCONT);
    }

    fn grant_wish(&mut self, wish: Wish) {
        match wish {
            Wish::Window(rows, columns) => {
                if let Some(relay) = &self.relay {
                    let _ = terminal::set_size(relay.master(), rows, columns);
                }
            }
            Wish::Signal(signal) => self.signal_group(signal),
            Wish::Continue(foreground) => {
                self.move_in_terminal(foreground);
                self.signal_group(Signal::SIGCONT);
            }
        }
    }

    /// Which group the command's terminal lets read: the command's while the helper is in the foreground of its own,
    /// else ours, so that a command that wants to read stops and the helper gets its turn. Another group (a job of
    /// a shell that runs there) is left alone, but for a command that stopped because that one has it: it would stop
    /// again and again.
    fn move_in_terminal(&self, foreground: bool) {
        let Some(relay) = &self.relay else { return };
        let (ours, Some(theirs)) =
            (rustix::process::getpgrp(), rustix::process::Pid::from_raw(self.child.pid.as_raw()))
        else {
            return;
        };
        let (from, to) = if foreground { (ours, theirs) } else { (theirs, ours) };
        let is_wanted = foreground && self.wants_terminal;
        if is_wanted || rustix::termios::tcgetpgrp(relay.master()).is_ok_and(|now| now == from) {
            let _ = rustix::termios::tcsetpgrp(relay.master(), to);
        }
    }

    /// By another spawner, where it can find what a monitor leaves.
    fn can_be_taken_over(&self) -> bool {
        matches!(self.tree, Tree::Cgroup(..))
    }

    fn handle_spawner(&self) {
        if self.spawner.is_cut() && self.can_be_taken_over() {
            self.spawner.redial(self.tree.name());
        }
    }

    fn handle_agent(&mut self) {
        if self.link.is_cut() {
            self.link.redial();
            if !self.link.is_cut() {
                self.report_strays();
            }
        }
        while let Some(word) = self.link.receive() {
            if let ToMonitor::Terminate { why } = word {
                self.tell(&Frame::with(Kind::Notice, 0, format!("the session ends: {why}"), ""));
                self.expire();
            }
        }
    }

    fn handle_time(&mut self) {
        if let Some(notice) = self.notices.due() {
            self.tell(&Frame::with(Kind::Notice, 0, notice, ""));
        }
        if self.deadline.has_fired() {
            let _ = self.deadline.disarm();
            self.tell(&Frame::with(Kind::Notice, 0, "the session ends: its time is up", ""));
            self.expire();
        }
        match &self.ending {
            Ending::Asked(timer) if timer.has_fired() => {
                self.tree.kill();
                self.ending = Ending::Killed;
            }
            Ending::Killed => self.tree.kill(),
            _ => {}
        }
    }

    fn expire(&mut self) {
        let _ = self.deadline.disarm();
        self.link.send(&FromMonitor::Expired);
        self.end();
    }

    fn tell(&self, frame: &Frame) {
        if let Some(helper) = &self.helper {
            let _ = helper.send(frame);
        }
    }

    /// Signals the command's process group. Its leader is our child and not yet waited for while this runs, so the
    /// number is still its own.
    fn signal_group(&self, signal: Signal) {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        if waitid(Id::PIDFd(self.child.pidfd.as_fd()), flags).is_ok() {
            let _ = killpg(self.child.pid, signal);
        }
    }
}

/// Blocks all signals, so that none ends this process but SIGKILL, and takes SIGCHLD as a descriptor. Orphans become our
/// children from here on.
///
/// # Errors
/// Those of signalfd(2), sigaction(2) and prctl(2).
pub fn prepare_signals() -> io::Result<SignalFd> {
    signals::block_all()?;
    // Modules may have changed them; without SIGCHLD the command's end would not be told.
    signals::reset_dispositions(&IGNORED)?;
    process::adopt_orphans()?;
    let mut set = nix::sys::signal::SigSet::empty();
    set.add(Signal::SIGCHLD);
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

fn waitid_any() -> nix::Result<Option<Pid>> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    Ok(waitid(Id::All, flags)?.pid())
}
