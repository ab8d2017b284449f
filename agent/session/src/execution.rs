//! From Go to the last process: the command is started, supervised, answered for, and what it left behind is outlived.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use jit_protocol::escape::escape;
use jit_protocol::frame::{Frame, Kind};
use jit_protocol::link::{ExitStatus, FromMonitor, Go};
use jit_protocol::order::{Order, Program};
use jit_sys::clone::Child;
use jit_sys::terminal::{self, Pty};
use nix::sys::signalfd::SignalFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::command::{self, Command, NotRun, Step};
use crate::conversation::WORK_TIME;
use crate::environment;
use crate::helper::Helper;
use crate::link::Link;
use crate::monitor::Refusal;
use crate::notices::Notices;
use crate::open_session::OpenSession;
use crate::peer::Inherited;
use crate::relay::Relay;
use crate::report::Report;
use crate::supervise::{PATIENCE, Supervisor};
use crate::timer::{DeadlineTimer, boottime};
use crate::tree::Tree;
use crate::watch::Watch;

/// Everything that is settled when the agent has said Go.
pub struct Execution<'a, 'o> {
    /// What was ordered.
    pub order: &'a Order,
    /// The file to run.
    pub program: &'a Program,
    /// A copy of it, to run in its place.
    pub copy: Option<OwnedFd>,
    /// The helper.
    pub helper: &'a Rc<Helper>,
    /// The spawner.
    pub spawner: &'a Watch,
    /// The open PAM session.
    pub opened: &'o OpenSession<'o>,
    /// What the command takes over from the peer.
    pub inherited: Inherited,
    /// The agent's Go.
    pub go: &'a Go,
}

/// A command that runs, or has run.
pub struct Running<'a> {
    supervisor: Supervisor<'a>,
    helper: &'a Rc<Helper>,
    spawner: &'a Watch,
    go: &'a Go,
}

impl<'a> Execution<'a, '_> {
    /// Starts the command and tells everybody.
    ///
    /// # Errors
    /// What the person is told; nothing is left running.
    pub fn start(
        &self,
        stdio: [OwnedFd; 3],
        cwd: &OwnedFd,
        pty: Option<Pty>,
        tree: Tree,
        signals: SignalFd,
        link: &'a mut Link,
    ) -> Result<Running<'a>, Refusal> {
        let not_set_up =
            |error: io::Error| Refusal::internal("the session cannot be set up", error).after_go();
        // All that can fail without the command comes before it.
        let deadline = DeadlineTimer::new(self.go.deadline).map_err(not_set_up)?;
        let mut notices = Notices::new(&self.go.notices).map_err(not_set_up)?;
        // It may be held on its way, and we with it: then the spawner's watch ends both.
        self.spawner.tell(&Report::Within(Some(start_time(self.go))));
        let child = self.spawn(&stdio, cwd, pty.as_ref(), &tree, &deadline).map_err(|error| {
            tree.kill();
            tree.remove();
            not_run(self.program, error)
        })?;
        link.send(&FromMonitor::Running { pid: child.pid.as_raw(), cgroup: tree.name().to_owned() });
        if let Some(line) = notices.at_once() {
            let _ = self.helper.send(&Frame::with(Kind::Notice, 0, line, "")); // before what the command says
        }
        let relay = self.tell_started(pty).map_err(|error| {
            tree.kill();
            not_set_up(error)
        })?;
        // Our copies would keep pipes open that the command has closed. Closing them can take as long as a file server
        // of the user's likes, and no signal ends that: the spawner's watch does not rest meanwhile.
        self.spawner
            .tell(&Report::Within(Some(watch(self.go).map_or(WORK_TIME, |time| time.min(WORK_TIME)))));
        drop(stdio);
        self.spawner.tell(&Report::Within(watch(self.go)));
        let helper = Some(self.helper.clone());
        let supervisor = Supervisor::new(
            child,
            tree,
            relay,
            helper,
            link,
            self.spawner,
            self.go.grace_ms,
            self.order.background,
            signals,
            deadline,
            notices,
        );
        Ok(Running { supervisor, helper: self.helper, spawner: self.spawner, go: self.go })
    }

    fn spawn(
        &self,
        stdio: &[OwnedFd; 3],
        cwd: &OwnedFd,
        pty: Option<&Pty>,
        tree: &Tree,
        deadline: &DeadlineTimer,
    ) -> Result<Child, NotRun> {
        let slave = pty.map(|pty| pty.slave.as_fd());
        let environment =
            environment::complete(&self.order.environment, &self.opened.environment, &self.go.grant);
        let [input, output, error] = stdio;
        let command = Command {
            order: self.order,
            program: self.program,
            copy: self.copy.as_ref().map(AsFd::as_fd),
            environment: &environment,
            groups: &self.opened.groups,
            limits: self.opened.limits,
            own_limits: self.opened.own_limits,
            nice: self.opened.nice,
            inherited: self.inherited,
            stdio: [choose(input, slave), choose(output, slave), choose(error, slave)],
            terminal: slave,
            cwd: cwd.as_fd(),
        };
        let cgroup = match tree {
            Tree::Cgroup(cgroup, ..) => Some(cgroup),
            Tree::Descendants => None,
        };
        command::start(&command, cgroup, deadline)
    }

    /// Tells the helper that the command runs, with its end of the terminal's stream.
    fn tell_started(&self, pty: Option<Pty>) -> io::Result<Option<Relay>> {
        let Some(pty) = pty else {
            let _ = self.helper.send(&Frame::new(Kind::Started, 0));
            return Ok(None);
        };
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        let relay = Relay::new(pty, ours)?;
        // Without it the helper could neither show nor type anything.
        self.helper
            .send_with(&Frame::new(Kind::Started, 1), &[theirs.as_fd()])
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(Some(relay))
    }
}

impl Running<'_> {
    /// Until the command has ended and its output is out.
    ///
    /// # Errors
    /// What the person is told; nothing is left running.
    pub fn supervise(&mut self) -> Result<ExitStatus, Refusal> {
        self.supervisor.run().map_err(|error| {
            self.supervisor.kill_all();
            Refusal::internal("the command cannot be supervised", error).after_go()
        })
    }

    /// The helper gets its answer, the agent the end.
    pub fn answer(&mut self, status: ExitStatus) {
        self.supervisor.release_helper();
        let leftover = self.supervisor.has_leftover();
        if leftover {
            self.supervisor.report_strays();
        }
        if leftover && self.go.kill_leftover {
            self.supervisor.kill_all();
        } else if leftover && !self.supervisor.is_ending() {
            let notice = "processes that the command left behind run until the grant ends";
            let _ = self.helper.send(&Frame::with(Kind::Notice, 1, notice, ""));
        }
        let value = match status {
            ExitStatus::Status(status) => status,
            ExitStatus::Signal(signal) => -signal,
        };
        let _ = self.helper.send(&Frame::new(Kind::Ended, value));
        self.supervisor.link.send(&FromMonitor::Ended { status, leftover });
        // What comes next is PAM's work, and the deadline still counts for what was left behind.
        let time = watch(self.go).map_or(WORK_TIME, |time| time.min(WORK_TIME));
        self.spawner.tell(&Report::Within(Some(time)));
    }

    /// Until the last process of the session is gone; its time still counts.
    pub fn wait_for_the_last(&mut self) {
        let time =
            if self.supervisor.is_ending() { Some(self.supervisor.ending_time()) } else { watch(self.go) };
        self.spawner.tell(&Report::Within(time));
        if self.supervisor.run_leftover().is_err() {
            self.supervisor.kill_all();
        }
        self.spawner.tell(&Report::Within(Some(PATIENCE + WORK_TIME)));
        self.supervisor.report_to_next_agent();
        self.supervisor.tree.remove();
        self.supervisor.link.send(&FromMonitor::Gone);
    }
}

/// A terminal of theirs becomes ours; everything else is passed through untouched.
fn choose<'a>(theirs: &'a OwnedFd, ours: Option<BorrowedFd<'a>>) -> BorrowedFd<'a> {
    match ours {
        Some(ours) if terminal::is_terminal(theirs).unwrap_or(true) => ours,
        _ => theirs.as_fd(),
    }
}

fn not_run(program: &Program, error: NotRun) -> Refusal {
    let path = escape(program.path.as_slice());
    let hint = if error.step == Step::Changed { "try again" } else { "" };
    Refusal::new(format!("{path}: {error}"), hint).after_go()
}

/// How long the spawner lets this monitor live without a further word: the deadline, its grace, and some room.
fn watch(go: &Go) -> Option<Duration> {
    let left = go.deadline?.boottime_ns.saturating_sub(boottime());
    Some(Duration::from_nanos(left) + Duration::from_millis(go.grace_ms) + Duration::from_secs(10))
}

/// How long the start of the command may take: not much longer than the time it has.
fn start_time(go: &Go) -> Duration {
    let left = go.deadline.map(|deadline| deadline.boottime_ns.saturating_sub(boottime()));
    left.map_or(WORK_TIME, |left| WORK_TIME.min(Duration::from_nanos(left) + Duration::from_secs(1)))
}
