//! One monitor, one session: from the order to the last process. Read [`session`] from top to bottom.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use jit_protocol::frame::{Frame, Kind};
use jit_protocol::link::{Deadline, ExitStatus, FromMonitor, Go, ToMonitor};
use jit_protocol::order::{Order, Program};
use jit_protocol::request::Mode;
use jit_sys::limits::Limits;
use jit_sys::pam::{Item, Transaction};
use jit_sys::terminal::{self, Pty, Settings};
use jit_sys::{process, signals};
use nix::unistd::{Gid, Pid, Uid, getgroups, setgroups};

use crate::cgroup::{Cgroup, Subtree};
use crate::channel::Channel;
use crate::command::{self, Command, NotRun, Step};
use crate::conversation::{ANSWER_TIME, Dialogue, State, WORK_TIME};
use crate::environment;
use crate::helper::{Helper, Lost};
use crate::link::Link;
use crate::peer::{self, Inherited, PeerError};
use crate::prompt;
use crate::relay::Relay;
use crate::report::Report;
use crate::supervise::{Ending, Supervisor, child_signals, null_device};
use crate::timer::{DeadlineTimer, boottime};
use crate::tree::Tree;

/// How long the agent may take to record the intent and say Go.
const AGENT_TIME: Duration = Duration::from_mins(1);

/// What a monitor has ready before it gets an order.
pub struct Ready {
    /// A started PAM transaction; an error if the service can't be used.
    pub pam: Result<Transaction, String>,
    /// The cgroup made for it; none where there is no cgroup v2.
    pub cgroup: Option<Cgroup>,
    /// Where sessions' cgroups are.
    pub subtree: Option<Rc<Subtree>>,
    /// The spawner.
    pub spawner: Rc<Channel>,
}

/// An order with its descriptors.
pub struct Assignment {
    /// What to do.
    pub order: Order,
    /// The helper's connection.
    pub connection: OwnedFd,
    /// The agent's end.
    pub link: OwnedFd,
}

/// Why nothing runs: what the person is told.
#[derive(Debug)]
struct Refusal {
    what: String,
    hint: String,
    after_go: bool,
}

impl Refusal {
    fn new(what: impl Into<String>, hint: &str) -> Self {
        Self { what: what.into(), hint: hint.to_owned(), after_go: false }
    }

    fn internal(what: &str, error: impl std::fmt::Display) -> Self {
        Self::new(format!("{what}: {error}"), "the system log of this host may tell more")
    }
}

impl From<Lost> for Refusal {
    fn from(lost: Lost) -> Self {
        let what = match lost {
            Lost::Gone => "the helper is gone",
            Lost::Late => "no answer came in time",
            Lost::Broken => "the helper broke the protocol",
        };
        Self::new(what, "")
    }
}

/// Runs one session; then this process has nothing left to do.
pub fn run(ready: Ready, assignment: Assignment) {
    let Assignment { order, connection, link } = assignment;
    let mut link = Link::new(link, order.session.clone());
    let helper = Rc::new(Helper::new(connection));
    if let Err(refusal) = session(ready, &order, &helper, &mut link) {
        let _ = helper.send(&Frame::refused(&refusal.what, &refusal.hint));
        link.send(&FromMonitor::Refused { what: refusal.what, after_go: refusal.after_go });
    }
}

/// The way of one session.
fn session(ready: Ready, order: &Order, helper: &Rc<Helper>, link: &mut Link) -> Result<(), Refusal> {
    let Ready { pam, cgroup, subtree, spawner } = ready;
    Report::Within(Some(WORK_TIME)).send(&spawner);
    let mut pam = pam.map_err(|error| Refusal::new(error, "reinstall /etc/pam.d/jit-sudo"))?;

    // The peer is who the order says, and lives where we live.
    let inherited = peer::inspect(helper.as_fd(), order.invoking.uid).map_err(elsewhere)?;
    let [input, output, error, cwd] = helper.descriptors()?;

    // Duties, in their order; then whether PAM takes the account at all.
    let reason = if order.ask_reason { Some(ask_reason(order, helper, &spawner)?) } else { None };
    let authenticated = authenticate(&mut pam, order, helper, &spawner, link)?;
    accept_account(&mut pam, order)?;
    go_on(helper)?;
    link.send(&FromMonitor::Fulfilled { authenticated, reason });

    let Some(program) = order.program.as_ref().filter(|_| order.mode == Mode::Run) else {
        return finish(helper, link);
    };

    // Beside the agent's durable record: the PAM session of the target user. Only exec waits for the agent.
    let opened = open_session(&mut pam, order, &inherited)?;
    let stdio = [input, output, error];
    let prepared = prepare_terminal(order, helper, &stdio).and_then(|pty| {
        let tree = place(order, cgroup, subtree.as_deref(), &spawner)?;
        Ok((pty, tree))
    });
    let result = prepared.and_then(|(pty, tree)| {
        go_on(helper)?;
        let go = await_go(link)?;
        execute(
            Execution { order, program, helper, link, spawner: &spawner, opened: &opened, inherited },
            stdio,
            &cwd,
            pty,
            tree,
            &go,
        )
    });
    if result.is_err() {
        close_session(&mut pam);
        return result.map(drop);
    }
    close_session(&mut pam);
    result?.wait_for_the_last(link, &spawner);
    Ok(())
}

/// Reads the person's reason.
fn ask_reason(order: &Order, helper: &Helper, spawner: &Channel) -> Result<String, Refusal> {
    Report::Within(Some(ANSWER_TIME + WORK_TIME)).send(spawner);
    let answer = helper.ask(&prompt::reason(order), true, ANSWER_TIME)?;
    Report::Within(Some(WORK_TIME)).send(spawner);
    let text = answer.map(|answer| String::from_utf8_lossy(&answer).trim().to_owned()).unwrap_or_default();
    if text.is_empty() {
        return Err(Refusal::new("a reason is required", "give one with --reason TEXT"));
    }
    Ok(text)
}

/// Asks for the password, as often as the order says; true if it was asked for and right.
fn authenticate(
    pam: &mut Transaction,
    order: &Order,
    helper: &Rc<Helper>,
    spawner: &Rc<Channel>,
    link: &mut Link,
) -> Result<bool, Refusal> {
    let whose = order.authenticate.as_ref();
    let (password_prompt, user) = match whose {
        Some(whose) => (prompt::password(order, whose), whose.user.clone()),
        None => (Vec::new(), order.invoking.name.clone()),
    };
    // The account and session modules may have something to say as well.
    let state = Rc::new(State::default());
    let dialogue =
        Dialogue::new(helper.clone(), spawner.clone(), password_prompt, user.clone(), state.clone());
    pam.set_conversation(Box::new(dialogue));
    set_items(pam, order).map_err(|error| Refusal::internal("PAM", error))?;
    let Some(whose) = whose else { return Ok(false) };
    for attempt in 1..=whose.tries {
        pam.set(Item::User, &user).map_err(|error| Refusal::internal("PAM", error))?;
        let failed = match pam.authenticate() {
            Ok(()) => {
                unchanged_user(pam, &user)?;
                return Ok(true);
            }
            Err(error) => error,
        };
        if state.gave_up.get() {
            return Err(Refusal::new("a password is required", ""));
        }
        if !failed.is_wrong_answer() {
            return Err(Refusal::internal("authentication failed", failed));
        }
        link.send(&FromMonitor::AuthenticationFailed { user: user.clone(), attempt });
        if failed.is_final() || attempt == whose.tries {
            let plural = if attempt == 1 { "" } else { "s" };
            return Err(Refusal::new(format!("{attempt} incorrect password attempt{plural}"), ""));
        }
        helper.send(&Frame::with(Kind::Message, 1, "Sorry, try again.", ""))?;
    }
    Err(Refusal::new("a password is required", ""))
}

fn set_items(pam: &mut Transaction, order: &Order) -> Result<(), jit_sys::pam::PamError> {
    pam.set(Item::RemoteUser, &order.invoking.name)?;
    let tty = order.tty.as_ref().map(|tty| format!("/dev/{tty}")).unwrap_or_default();
    pam.set(Item::Tty, &tty)
}

/// The invoking user's account, at every elevation: locked, expired, not at this hour.
fn accept_account(pam: &mut Transaction, order: &Order) -> Result<(), Refusal> {
    pam.set(Item::User, &order.invoking.name).map_err(|error| Refusal::internal("PAM", error))?;
    pam.account().map_err(|error| {
        if error.is_password_expired() {
            Refusal::new(
                "the password of this account has expired",
                "change it with passwd(1), then try again",
            )
        } else {
            Refusal::new(format!("this account may not be used now: {error}"), "")
        }
    })?;
    unchanged_user(pam, &order.invoking.name)
}

/// A module that changes the user would have us run for one what another has proven (CVE-2024-9313 and others).
fn unchanged_user(pam: &Transaction, expected: &str) -> Result<(), Refusal> {
    if pam.user().as_deref() == Some(expected) {
        return Ok(());
    }
    Err(Refusal::new(
        "the PAM stack changed the user",
        "a module in /etc/pam.d/jit-sudo maps users: remove it",
    ))
}

/// Whether the person still wants it.
fn go_on(helper: &Helper) -> Result<(), Refusal> {
    if let Some(lost) = helper.lost() {
        return Err(lost.into());
    }
    match helper.interruption() {
        Some(_) => Err(Refusal::new("interrupted", "")),
        None => Ok(()),
    }
}

/// For `-v` and `-l` there is nothing to run: the agent's text goes to the helper.
fn finish(helper: &Helper, link: &mut Link) -> Result<(), Refusal> {
    match link.wait(AGENT_TIME) {
        Some(ToMonitor::Finish { stdout, stderr, status }) => {
            send_output(helper, &stdout, &stderr, status)?;
            link.send(&FromMonitor::Gone);
            Ok(())
        }
        Some(ToMonitor::Refuse { what, hint }) => Err(Refusal::new(what, &hint)),
        _ => Err(no_agent()),
    }
}

/// In as many frames as it takes.
fn send_output(helper: &Helper, stdout: &str, stderr: &str, status: i32) -> Result<(), Lost> {
    const PART: usize = 8 * 1024;
    let mut parts: Vec<&[u8]> = stdout.as_bytes().chunks(PART).collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        // Negative: more follows.
        helper.send(&Frame::with(Kind::Output, -1, part, ""))?;
    }
    helper.send(&Frame::with(Kind::Output, status, last, stderr))
}

/// What opening the PAM session has brought.
struct Opened {
    groups: Vec<Gid>,
    limits: Limits,
    nice: i32,
    environment: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The target user's PAM session, and what its modules did to this process: taken over, then undone here.
fn open_session(pam: &mut Transaction, order: &Order, inherited: &Inherited) -> Result<Opened, Refusal> {
    let failed = |what: &'static str| move |error: io::Error| Refusal::internal(what, error);
    let _ = process::join_new_keyring(); // a kernel without keyrings has none to share
    if let Some(login_uid) = inherited.login_uid {
        // Attribution only; where the kernel refuses (immutable, no audit), the command has the spawner's: none.
        let _ = fs::write("/proc/self/loginuid", login_uid.to_string());
    }
    let own = Pid::from_raw(0);
    let (limits, nice) = (Limits::of(own), process::nice_of(0));
    let (limits, nice) = (limits.map_err(failed("limits"))?, nice.map_err(failed("nice value"))?);
    let groups: Vec<Gid> = order.target.groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&groups).map_err(|error| Refusal::internal("groups", error))?;
    let target = &order.target.name;
    pam.set(Item::User, target).map_err(|error| Refusal::internal("PAM", error))?;
    pam.establish_credentials().map_err(|error| Refusal::internal("PAM credentials", error))?;
    pam.open_session().map_err(|error| Refusal::internal("PAM session", error))?;
    let opened = (|| {
        unchanged_user(pam, target)?;
        if !process::ids_are(Uid::from_raw(0), Gid::from_raw(0)) {
            return Err(Refusal::new("a PAM module changed the identity of the monitor", ""));
        }
        let after = Limits::of(own).map_err(failed("limits"))?;
        let nice_after = process::nice_of(0).map_err(failed("nice value"))?;
        limits.apply().map_err(failed("limits"))?;
        process::set_nice(nice).map_err(failed("nice value"))?;
        Ok(Opened {
            groups: getgroups().map_err(|error| Refusal::internal("groups", error))?,
            limits: inherited.limits.with_changes(&limits, &after),
            nice: if nice_after == nice { inherited.nice } else { nice_after },
            environment: pam.environment(),
        })
    })();
    if opened.is_err() {
        close_session(pam);
    }
    opened
}

fn close_session(pam: &mut Transaction) {
    // PAM's helpers expect a normal signal mask.
    let _ = signals::unblock_all();
    let _ = pam.close_session();
    let _ = pam.delete_credentials();
    let _ = signals::block_all();
}

/// A terminal of ours if the helper has one, or if any of its descriptors is one: the command never holds the
/// caller's.
fn prepare_terminal(order: &Order, helper: &Helper, stdio: &[OwnedFd; 3]) -> Result<Option<Pty>, Refusal> {
    let failed = |error| Refusal::internal("the terminal", error);
    let any = stdio.iter().map(terminal::is_terminal).collect::<io::Result<Vec<_>>>().map_err(failed)?;
    if order.terminal.is_none() && !any.contains(&true) {
        return Ok(None);
    }
    let (rows, columns) = helper.window().unwrap_or((24, 80));
    let settings = match &order.terminal {
        Some(theirs) => Settings {
            rows: helper.window().map_or(theirs.rows, |_| rows),
            columns: helper.window().map_or(theirs.columns, |_| columns),
            flags: theirs.flags,
            control_characters: &theirs.control_characters,
        },
        None => Settings { rows, columns, flags: [0; 4], control_characters: &[] },
    };
    let pty = terminal::open(settings).map_err(failed)?;
    // This process leads the session and holds the terminal, the command is a group in it: alone in a session its
    // group would be orphaned, and Ctrl-Z would do nothing.
    terminal::become_controlling(&pty.slave).map_err(failed)?;
    Ok(Some(pty))
}

/// The cgroup the command will live in: the one prepared, or one inside the session that this one is nested in.
fn place(
    order: &Order,
    cgroup: Option<Cgroup>,
    subtree: Option<&Subtree>,
    spawner: &Channel,
) -> Result<Tree, Refusal> {
    let Some(parent) = &order.nested_in else { return Ok(Tree::new(cgroup)) };
    let failed = |error| Refusal::internal("the cgroup of the session around this one", error);
    let subtree = subtree.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let name: String = order.session.chars().take(16).collect();
    let path = format!("{parent}/s-{name}");
    let nested = subtree.create(&path).map_err(failed)?;
    Report::Cgroup(path).send(spawner);
    if let Some(unused) = cgroup {
        unused.remove();
    }
    Ok(Tree::new(Some(nested)))
}

/// Waits for the durable record of the intent: no record, no command.
fn await_go(link: &mut Link) -> Result<Go, Refusal> {
    match link.wait(AGENT_TIME) {
        Some(ToMonitor::Go(go)) => Ok(go),
        Some(ToMonitor::Refuse { what, hint }) => Err(Refusal::new(what, &hint)),
        Some(ToMonitor::Terminate { why }) => Err(Refusal::new(why, "")),
        _ => Err(no_agent()),
    }
}

fn no_agent() -> Refusal {
    Refusal::new(
        "the agent went away before the command could start",
        "try again; `jitctl status` tells more",
    )
}

/// Everybody who takes part in running the command.
struct Execution<'a> {
    order: &'a Order,
    program: &'a Program,
    helper: &'a Rc<Helper>,
    link: &'a mut Link,
    spawner: &'a Channel,
    opened: &'a Opened,
    inherited: Inherited,
}

/// What may go on after the command has ended and the helper has its answer.
struct Leftover {
    child: jit_sys::clone::Child,
    tree: Tree,
    go: Go,
    ending: Ending,
    ended: bool,
}

/// Starts the command, supervises it, and gives the helper its status.
fn execute(
    execution: Execution<'_>,
    stdio: [OwnedFd; 3],
    cwd: &OwnedFd,
    pty: Option<Pty>,
    tree: Tree,
    go: &Go,
) -> Result<Leftover, Refusal> {
    let Execution { order, program, helper, link, spawner, opened, inherited } = execution;
    let after_go = |what: &str, error: &dyn std::fmt::Display| Refusal {
        after_go: true,
        ..Refusal::internal(what, error)
    };
    signals::block_all().map_err(|error| after_go("signals", &error))?;
    let child_signals = child_signals().map_err(|error| after_go("signals", &error))?;
    if matches!(tree, Tree::Descendants) {
        process::adopt_orphans().map_err(|error| after_go("orphans", &error))?;
    }
    let variables = environment::complete(&order.environment, opened.environment.clone(), &go.grant);
    let child = {
        let slave = pty.as_ref().map(|pty| pty.slave.as_fd());
        let [input, output, error] = &stdio;
        let command = Command {
            order,
            program,
            environment: &variables,
            groups: &opened.groups,
            limits: opened.limits,
            nice: opened.nice,
            inherited,
            stdio: [choose(input, slave), choose(output, slave), choose(error, slave)],
            terminal: slave,
            cwd: cwd.as_fd(),
        };
        let cgroup = match &tree {
            Tree::Cgroup(cgroup, _) => Some(cgroup),
            Tree::Descendants => None,
        };
        command::start(&command, cgroup).map_err(|error| not_run(program, error))
    };
    // Unlike the helper's own copies, ours would keep pipes open after the command has closed them.
    drop(stdio);
    let child = match child {
        Ok(child) => child,
        Err(refusal) => {
            tree.kill();
            tree.remove();
            return Err(refusal);
        }
    };
    Report::Within(watch(go.deadline, go.grace_ms)).send(spawner);
    link.send(&FromMonitor::Running { pid: child.pid.as_raw(), cgroup: tree.name().to_owned() });
    let relay = started(helper, pty).map_err(|error| {
        tree.kill();
        after_go("the terminal", &error)
    })?;
    let mut supervisor = Supervisor {
        child: &child,
        tree: &tree,
        relay,
        helper: Some(helper.clone()),
        link,
        spawner,
        go,
        signals: child_signals,
        deadline: DeadlineTimer::new(go.deadline).map_err(|error| after_go("timers", &error))?,
        warning: DeadlineTimer::new(go.warn).map_err(|error| after_go("timers", &error))?,
        ending: Ending::No,
    };
    let status = supervisor.run();
    let Ok(status) = status else {
        tree.kill();
        return Err(after_go(
            "the command cannot be supervised",
            &status.err().map_or(String::new(), |e| e.to_string()),
        ));
    };
    supervisor.relay = None; // the helper reads to the end of the stream before it goes
    let mut leftover = !tree.is_empty();
    if leftover && go.kill_leftover {
        tree.kill();
        leftover = false;
    }
    let ended = matches!(supervisor.ending, Ending::No);
    let ending = std::mem::replace(&mut supervisor.ending, Ending::No);
    drop(supervisor);
    if leftover && ended {
        let notice = "processes that the command left behind run until the grant ends";
        let _ = helper.send(&Frame::with(Kind::Notice, 0, notice, ""));
    }
    let value = match status {
        ExitStatus::Status(status) => status,
        ExitStatus::Signal(signal) => -signal,
    };
    let _ = helper.send(&Frame::new(Kind::Ended, value));
    link.send(&FromMonitor::Ended { status, leftover });
    Ok(Leftover { child, tree, go: go.clone(), ending, ended })
}

/// A terminal of theirs becomes ours; everything else is passed through untouched.
fn choose<'a>(theirs: &'a OwnedFd, ours: Option<BorrowedFd<'a>>) -> BorrowedFd<'a> {
    match ours {
        Some(ours) if terminal::is_terminal(theirs).unwrap_or(true) => ours,
        _ => theirs.as_fd(),
    }
}

/// Tells the helper that the command runs, with its end of the terminal's stream.
fn started(helper: &Helper, pty: Option<Pty>) -> io::Result<Option<Relay>> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let Some(pty) = pty else {
        let _ = helper.send(&Frame::new(Kind::Started, 0));
        return Ok(None);
    };
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let relay = Relay::new(pty.master, ours)?;
    let _ = helper.send_with(&Frame::new(Kind::Started, 1), &[theirs.as_fd()]);
    Ok(Some(relay))
}

fn not_run(program: &Program, error: NotRun) -> Refusal {
    let path = jit_protocol::escape::escape(program.path.as_slice());
    let hint = if error.step == Step::Changed { "try again" } else { "" };
    Refusal { after_go: true, ..Refusal::new(format!("{path}: {error}"), hint) }
}

fn elsewhere(error: PeerError) -> Refusal {
    match error {
        PeerError::OtherUser => Refusal::new("the connection belongs to another user", ""),
        PeerError::Gone => Refusal::new("the helper is gone", ""),
        PeerError::Elsewhere(what) => Refusal::new(
            format!("this process lives in another {what} than the agent"),
            "run it on the host itself",
        ),
        PeerError::Unknown(error) => Refusal::internal("this process cannot be inspected", error),
    }
}

/// How long the spawner lets this monitor live without a further word: the deadline, its grace, and some room.
fn watch(deadline: Option<Deadline>, grace_ms: u64) -> Option<Duration> {
    let left = deadline?.boottime_ns.saturating_sub(boottime());
    Some(Duration::from_nanos(left) + Duration::from_millis(grace_ms) + Duration::from_secs(10))
}

impl Leftover {
    /// Waits, without a helper, until the last process of the session is gone; ends it when its time is up.
    fn wait_for_the_last(self, link: &mut Link, spawner: &Channel) {
        let Self { child, tree, go, ending, ended } = self;
        let (Ok(signals), Ok(deadline), Ok(warning)) =
            (child_signals(), DeadlineTimer::new(go.deadline.filter(|_| ended)), DeadlineTimer::new(None))
        else {
            tree.kill();
            return;
        };
        if let Ok(null) = null_device() {
            // Nothing of the helper's terminal is held any more.
            let _ = rustix::stdio::dup2_stdin(&null);
        }
        let mut supervisor = Supervisor {
            child: &child,
            tree: &tree,
            relay: None,
            helper: None,
            link,
            spawner,
            go: &go,
            signals,
            deadline,
            warning,
            ending,
        };
        if supervisor.run_leftover().is_err() {
            tree.kill();
        }
        supervisor.report_to_next_agent();
        tree.remove();
        link.send(&FromMonitor::Gone);
    }
}
