//! One elevation: identify, resolve, decide, order, fulfil, record, go. The agent's part of the way, top to bottom.

use std::sync::Arc;
use std::time::Duration;

use jit_audit::record::Event;
use jit_protocol::frame::Frame;
use jit_protocol::link::ToMonitor;
use jit_protocol::order::Order;
use jit_protocol::request::{Elevate, Mode};
use jit_sys::account;
use tokio::time::timeout;

use super::case::{Case, deny, record_denial};
use super::follow::Link;
use super::fulfil::{Stopped, fulfil};
use super::list;
use super::order::order;
use super::plan::{Plan, Question, plan};
use super::reason;
use super::spend::Spend;
use super::{approve, ask, spend};
use crate::admission::Place;
use crate::agent::Agent;
use crate::conversation::Conversation;
use crate::hostname;
use crate::identities::Identities;
use crate::live::Session;
use crate::logind::Login;
use crate::peer::Peer;
use crate::process::Process;
use crate::refusal::Refusal;
use crate::scope::Keys;
use crate::socket::Seqpacket;

/// How long a helper may take to read that there is no monitor for it.
const TELL: Duration = Duration::from_secs(5);

/// A decided elevation, on its way to a monitor.
pub struct Elevation {
    /// What runs, by which rule, with which duties left.
    pub plan: Plan,
    /// What the monitor is told.
    pub order: Order,
    /// Where grants and records count.
    pub keys: Keys,
    /// Login uid of the invoking user.
    pub loginuid: Option<u32>,
    /// Whoever the invoking user is.
    pub asker: Identities,
    /// The session around it.
    pub nested: Option<Session>,
    /// The token that approves it.
    pub token: Option<Box<Spend>>,
    /// `-k` with a command, or `-N`: no record is made.
    pub makes_no_record: bool,
}

/// Serves one elevation; every no is told and recorded.
pub async fn elevate(agent: &Arc<Agent>, conversation: Conversation, asked: Elevate, place: Place) {
    let mut case = Case::of(agent, &conversation.peer);
    let question = match Box::pin(identify(agent, &conversation.peer, asked, place, &mut case)).await {
        Ok(question) => question,
        Err(refusal) => return deny(agent, &conversation, &case, &refusal).await,
    };
    if question.asked.mode == Mode::Approve {
        return Box::pin(approve::approve(agent, conversation, question, case)).await;
    }
    if question.asked.mode != Mode::Run {
        return list::list(agent, conversation, question, case).await;
    }
    let mut elevation = match decide(agent, question, &mut case).await {
        Ok(elevation) => elevation,
        Err(refusal) => return deny(agent, &conversation, &case, &refusal).await,
    };
    if elevation.plan.approvals > 0 {
        return Box::pin(ask::ask(agent, conversation, elevation, case)).await;
    }
    let Some(_place) = agent.session_places.admit(conversation.peer.uid()) else {
        let refusal = Refusal::new("too many commands run for you already", "jitctl sessions");
        return deny(agent, &conversation, &case, &refusal).await;
    };
    let Some(mut link) = hand_over(agent, conversation, &elevation.order).await else { return };
    match fulfil(agent, &mut link, &mut elevation, &mut case).await {
        Ok(following) => following.follow(agent).await,
        Err(Stopped::Told) => {}
        Err(Stopped::Refused(refusal)) => {
            let Refusal { what, hint, .. } = refusal.clone();
            link.send(&ToMonitor::Refuse { what, hint }).await;
            record_denial(agent, &case, &refusal).await;
        }
    }
}

/// Who asks, as the kernel says; and from inside of what. The connection has its place among its user's until that is known, for
/// logind may be slow; what follows has limits of its own: look-ups, and with a command sessions.
///
/// # Errors
/// If it is not what it seems, or nothing can be started.
pub async fn identify(
    agent: &Agent,
    peer: &Peer,
    mut asked: Elevate,
    place: Place,
    case: &mut Case,
) -> Result<Question, Refusal> {
    let facts = peer.facts().map_err(Refusal::protocol)?;
    asked.reason = asked.reason.as_deref().map(reason::clean).transpose()?;
    case.know_request(&facts, &asked);
    if facts.real_uid != facts.effective_uid || facts.effective_uid != peer.uid() {
        let hint = "start it without a setuid program in between";
        return Err(Refusal::new("this program runs with borrowed rights", hint));
    }
    let spawner = agent.spawner.current().ok_or_else(no_spawner)?;
    let nested = enclosing(agent, spawner.welcome.cgroup.as_deref(), facts.cgroup.as_deref())?;
    case.know_nesting(nested.as_ref());
    // A nested session uses the keys of the one around it.
    let keys = nested.as_ref().map(|session| session.keys.clone());
    let login = login(agent, peer, &facts, nested.as_ref()).await?;
    drop(place);
    Ok(Question {
        login,
        uid: peer.uid(),
        keys: keys.unwrap_or_else(|| Keys::of(&facts, agent.clock.boot_id())),
        loginuid: facts.loginuid,
        tty: facts.tty.map(|tty| tty.name),
        nested,
        root: Arc::clone(&spawner.root),
        now: agent.clock.now(),
        from: None,
        host: hostname::now(),
        asked,
    })
}

/// The login session that a peer comes from, which for a nested one is that of the session around it. Nobody is asked if
/// policy does not.
async fn login(
    agent: &Agent,
    peer: &Peer,
    facts: &Process,
    nested: Option<&Session>,
) -> Result<Login, Refusal> {
    if !agent.policy.current().policy.asks_about_logins() {
        return Ok(Login::default());
    }
    let Some(outer) = nested else {
        let login = Box::pin(agent.logind.of(facts)).await;
        peer.facts().map_err(Refusal::protocol)?; // all of that was about a process that lives
        return Ok(login);
    };
    match outer.subject.as_ref().and_then(|subject| subject.login_id.clone()) {
        Some(id) => Ok(Login { facts: Box::pin(agent.logind.facts(&id)).await, id: Some(id) }),
        None => Ok(Login::unknown("the login session around this one was of no interest when it began")),
    }
}

/// The session that the peer is inside of. One that this agent does not know is no place to elevate from.
///
/// # Errors
/// If it is inside of one that is not known.
pub fn enclosing(
    agent: &Agent,
    subtree: Option<&str>,
    cgroup: Option<&str>,
) -> Result<Option<Session>, Refusal> {
    let (Some(subtree), Some(cgroup)) = (subtree, cgroup) else { return Ok(None) };
    let Some(below) = cgroup.strip_prefix(subtree).and_then(|rest| rest.strip_prefix('/')) else {
        return Ok(None);
    };
    let unknown = || Refusal::new("the session around this one is not known", "leave it, and try again");
    let session = agent.live.by_cgroup(below).ok_or_else(unknown)?;
    // A session further in, whose monitor has not told yet where it is, must not count as the one around it.
    let further = session.cgroup.as_deref().and_then(|own| below.strip_prefix(own)).unwrap_or(below);
    if further.split('/').any(|name| name.starts_with("s-")) { Err(unknown()) } else { Ok(Some(session)) }
}

/// Resolves and decides, off the event loop: accounts and paths may hang.
///
/// # Errors
/// What the person is told.
pub async fn decide(
    agent: &Arc<Agent>,
    mut question: Question,
    case: &mut Case,
) -> Result<Elevation, Refusal> {
    let (task, uid) = (Arc::clone(agent), question.uid);
    let work = move || {
        let nonce = question.asked.token.as_deref().and_then(spend::nonce);
        let token = spend::present(&task, &mut question);
        let decided =
            token.and_then(|token| Ok((plan(&task, &question)?, token))).and_then(|(plan, token)| {
                if let Some(token) = &token {
                    token.must_be_for(&plan)?;
                }
                let order = order(&task, &plan, &question)?;
                let asker = question.person(&task);
                let Question { asked, keys, loginuid, nested, .. } = question;
                let makes_no_record = asked.ignore_record || asked.no_update;
                Ok(Elevation { plan, order, keys, loginuid, asker, nested, token, makes_no_record })
            });
        Ok((nonce, naming_who_is_denied(decided, uid)))
    };
    let decided = agent.lookup.run(uid, work).await.map_err(|error| Refusal::failure(error.to_string()));
    let (nonce, decided) = decided?;
    if let Some(nonce) = nonce {
        case.know_token(&nonce);
    }
    let elevation = decided.map_err(|denied| denied.told_to(case))?;
    case.know_plan(&elevation.plan, &elevation.order);
    Ok(elevation)
}

/// A no, and the name of who asked.
pub struct Denied(Refusal, Option<String>);

impl Denied {
    /// Lets the log know the name.
    pub fn told_to(self, case: &mut Case) -> Refusal {
        let Self(refusal, name) = self;
        if let Some(name) = name {
            case.know_user(&name);
        }
        refusal
    }
}

/// A denial names who asked, too; who is permitted is known by name already.
///
/// # Errors
/// The denial.
pub fn naming_who_is_denied<T>(decided: Result<T, Refusal>, uid: u32) -> Result<T, Denied> {
    decided
        .map_err(|refusal| Denied(refusal, account::by_uid(uid).ok().flatten().map(|account| account.name)))
}

/// Gives the connection to a monitor. None: there was none to give it to, which the person and the log were told.
pub async fn hand_over(agent: &Agent, conversation: Conversation, order: &Order) -> Option<Link> {
    let (ours, theirs) = Seqpacket::pair().ok()?;
    let (connection, _) = conversation.hand_over().ok()?;
    let Err(why) = agent.spawner.order(order, &connection, &theirs).await else {
        return Some(Link::new(ours));
    };
    let mut record = agent.record(Event::SessionRefused);
    record.session = Some(order.session.clone());
    record.result = Some(why);
    agent.audit.note(record);
    let Refusal { what, hint, .. } = no_spawner();
    let connection = Seqpacket::new(connection).ok()?;
    let _ = timeout(TELL, connection.send(&Frame::refused(&what, &hint).encode(), &[])).await; // one that left
    None
}

fn no_spawner() -> Refusal {
    let what = "commands cannot be started now: the spawner is not running";
    Refusal::new(what, "systemctl status jit-spawner")
}
