//! One monitor, one session: from the order to the last process. Read [`session`] from top to bottom.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use jit_protocol::frame::{Frame, Kind};
use jit_protocol::link::{FromMonitor, Go, ToMonitor};
use jit_protocol::order::Order;
use jit_protocol::request::Mode;
use jit_sys::pam::{Item, Transaction};
use jit_sys::terminal::{self, Pty, Settings};
use nix::unistd::{Pid, getpid};

use crate::cgroup::{Cgroup, Subtree};
use crate::conversation::{ANSWER_TIME, Dialogue, State, WORK_TIME};
use crate::execution::Execution;
use crate::helper::{Helper, Lost, Shown};
use crate::link::Link;
use crate::open_session::OpenSession;
use crate::peer::{self, PeerError, Place};
use crate::pinned;
use crate::prompt;
use crate::report::Report;
use crate::supervise::prepare_signals;
use crate::timer;
use crate::tree::Tree;
use crate::watch::Watch;

/// How long the agent may take to record the intent and say Go.
const AGENT_TIME: Duration = Duration::from_mins(1);

/// What a monitor has ready before it gets an order.
pub struct Ready {
    /// A started PAM transaction; an error if the service can't be used.
    pub pam: Result<Transaction, String>,
    /// Where it lives.
    pub own_place: Result<Place, PeerError>,
    /// The cgroup made for it; none where there is no cgroup v2.
    pub cgroup: Option<Cgroup>,
    /// Where sessions' cgroups are.
    pub subtree: Option<Rc<Subtree>>,
    /// The spawner.
    pub spawner: Rc<Watch>,
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
pub struct Refusal {
    what: String,
    hint: String,
    after_go: bool,
}

impl Refusal {
    /// What happened, and what to do (may be empty).
    pub fn new(what: impl Into<String>, hint: &str) -> Self {
        Self { what: what.into(), hint: hint.to_owned(), after_go: false }
    }

    /// A failure of this host, not of the person.
    pub fn internal(what: &str, error: impl std::fmt::Display) -> Self {
        Self::new(format!("{what}: {error}"), "the system log of this host may tell more")
    }

    /// The agent has recorded the intent already.
    #[must_use]
    pub fn after_go(self) -> Self {
        Self { after_go: true, ..self }
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
    let own = getpid();
    let result = session(ready, &order, &helper, &mut link);
    if getpid() != own {
        return; // a copy that a module made and let go on: it has nothing to say
    }
    if let Err(refusal) = result {
        let _ = helper.send(&Frame::refused(&refusal.what, &refusal.hint));
        link.send(&FromMonitor::Refused { what: refusal.what, after_go: refusal.after_go });
    }
}

/// The way of one session.
fn session(ready: Ready, order: &Order, helper: &Rc<Helper>, link: &mut Link) -> Result<(), Refusal> {
    let Ready { pam, own_place, cgroup, subtree, spawner } = ready;
    let own = getpid();
    let mut pam = pam.map_err(|error| Refusal::new(error, "reinstall /etc/pam.d/jit-sudo"))?;

    // The peer is who the order says, and lives where we live.
    let inherited = own_place
        .and_then(|place| {
            peer::inspect(helper.as_fd(), order.invoking.uid, &place, order.foreign_mounts.is_some())
        })
        .map_err(elsewhere)?;
    let [input, output, error, cwd] = helper.descriptors()?;
    let stdio = [input, output, error];

    // Duties, in their order; then whether PAM takes the account at all.
    let reason = if order.ask_reason { Some(ask_reason(order, helper, &spawner)?) } else { None };
    let authenticated = authenticate(&mut pam, order, helper, &spawner, link)?;
    still(own)?;
    link.send(&FromMonitor::Fulfilled { authenticated, reason });
    accept_account(&mut pam, order)?;
    still(own)?;
    go_on(helper, &spawner)?;
    link.send(&FromMonitor::Accepted);

    let Some(program) = order.program.as_ref().filter(|_| order.mode == Mode::Run) else {
        return finish(helper, link);
    };

    // The agent makes its record of the intent durable all the while: only exec waits for that.
    let opened = OpenSession::open(&mut pam, order, &inherited)?;
    still(own)?;
    let terminal = prepare_terminal(order, helper, &stdio)?;
    let signals = prepare_signals().map_err(|error| Refusal::internal("signals", error))?;
    let tree = place(order, cgroup, subtree.as_deref(), &spawner)?;
    go_on(helper, &spawner)?;
    let copy = pinned::look_at(program)?;
    let go = await_go(link)?;

    // From here on there is a record of the intent: whatever fails is told to the agent as well.
    let execution =
        Execution { order, program, copy, helper, spawner: &spawner, opened: &opened, inherited, go: &go };
    let mut running = execution.start(stdio, &cwd, terminal, tree, signals, link)?;
    let status = running.supervise()?;
    running.answer(status);
    drop(opened);
    running.wait_for_the_last();
    Ok(())
}

/// Reads the person's reason.
fn ask_reason(order: &Order, helper: &Helper, spawner: &Watch) -> Result<String, Refusal> {
    spawner.tell(&Report::Within(Some(ANSWER_TIME + WORK_TIME)));
    let answer = helper.ask(&prompt::reason(order), Shown::Echoed, ANSWER_TIME)?;
    spawner.tell(&Report::Within(Some(WORK_TIME)));
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
    spawner: &Rc<Watch>,
    link: &mut Link,
) -> Result<bool, Refusal> {
    let whose = order.authenticate.as_ref();
    let (password_prompt, user) = match whose {
        Some(whose) => (prompt::password(order, whose), whose.user.clone()),
        None => (Vec::new(), order.invoking.name.clone()),
    };
    let is_own = whose.is_some_and(|whose| whose.prompt.is_some());
    // The account and session modules may have something to say as well.
    let state = Rc::new(State::default());
    let dialogue =
        Dialogue::new(helper.clone(), spawner.clone(), password_prompt, is_own, user.clone(), state.clone());
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
pub(crate) fn unchanged_user(pam: &Transaction, expected: &str) -> Result<(), Refusal> {
    if pam.user().as_deref() == Some(expected) {
        return Ok(());
    }
    Err(Refusal::new(
        "the PAM stack changed the user",
        "a module in /etc/pam.d/jit-sudo maps users: remove it",
    ))
}

/// A module that forks and returns in both would have two monitors run one order.
fn still(own: Pid) -> Result<(), Refusal> {
    if getpid() == own { Ok(()) } else { Err(Refusal::new("a PAM module copied the monitor", "")) }
}

/// Whether the person still wants it, and somebody would end what this process left if it died.
fn go_on(helper: &Helper, spawner: &Watch) -> Result<(), Refusal> {
    if spawner.is_cut() {
        let what = "the spawner went away before the command could start";
        return Err(Refusal::new(what, "try again; `jitctl status` tells more"));
    }
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
    loop {
        match link.wait(AGENT_TIME) {
            Some(ToMonitor::Part { stdout }) => send_output(helper, &stdout, "", MORE)?,
            Some(ToMonitor::Finish { stdout, stderr, status }) => {
                send_output(helper, &stdout, &stderr, status)?;
                link.send(&FromMonitor::Gone);
                return Ok(());
            }
            Some(ToMonitor::Pending { request, what }) => {
                helper.send(&Frame::with(Kind::Pending, 0, request, what))?;
                link.send(&FromMonitor::Gone);
                return Ok(());
            }
            Some(ToMonitor::Refuse { what, hint }) => return Err(Refusal::new(what, &hint)),
            _ => return Err(no_agent()),
        }
    }
}

/// In the place of an exit status: more output follows.
const MORE: i32 = -1;

/// In as many frames as it takes.
fn send_output(helper: &Helper, stdout: &str, stderr: &str, status: i32) -> Result<(), Lost> {
    const PART: usize = 8 * 1024;
    let mut parts: Vec<&[u8]> = stdout.as_bytes().chunks(PART).collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        helper.send(&Frame::with(Kind::Output, MORE, part, ""))?;
    }
    helper.send(&Frame::with(Kind::Output, status, last, stderr))
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
    terminal::give(&pty.slave, order.target.uid).map_err(failed)?;
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
    spawner: &Watch,
) -> Result<Tree, Refusal> {
    let Some(parent) = &order.nested_in else { return Ok(Tree::new(cgroup)) };
    let failed = |error| Refusal::internal("the cgroup of the session around this one", error);
    let subtree = subtree.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let name: String = order.session.chars().take(16).collect();
    let path = format!("{parent}/s-{name}");
    let nested = subtree.create(&path).map_err(failed)?;
    spawner.tell(&Report::Cgroup(path));
    if let Some(unused) = cgroup {
        unused.remove();
    }
    Ok(Tree::new(Some(nested)))
}

/// Waits for the durable record of the intent: no record, no command.
fn await_go(link: &mut Link) -> Result<Go, Refusal> {
    match link.wait(AGENT_TIME) {
        // It may have come long before PAM was done, and its revocation after it.
        Some(ToMonitor::Go(go)) => match link.receive() {
            Some(ToMonitor::Terminate { why }) => Err(Refusal::new(why, "").after_go()),
            // It could not say any more that the grant was revoked, nor keep the use that begins here.
            _ if link.is_cut() => Err(no_agent().after_go()),
            _ if timer::is_past(go.begin_before) => {
                Err(Refusal::new("the grant has ended meanwhile", "try again").after_go())
            }
            _ => Ok(go),
        },
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
