//! From the order to Go: the duties on the monitor's side, the grant, the durable record of the intent. Both become durable
//! beside PAM's work: while it looks at the account and opens the session (docs/decisions/0015).

use std::sync::Arc;

use jit_audit::record::Event;
use jit_policy::Approval;
use jit_protocol::link::{FromMonitor, Go, ToMonitor};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::case::{Case, record_denial};
use super::elevate::Elevation;
use super::follow::{Following, Link, Starting};
use super::place::resolver_of_now;
use super::plan::{Plan, serving};
use super::reason;
use super::spend::{self, Spend};
use crate::agent::Agent;
use crate::anchors;
use crate::clock::{Moment, earlier, rfc3339};
use crate::grants::{Grant, Serving, Taken, Unsettled};
use crate::identifier;
use crate::live::Session;
use crate::notices;
use crate::packed::Packed;
use crate::refusal::Refusal;
use crate::store::{Change, Table};
use crate::translate::{self, Files};
use crate::zones::HostZones;

/// Why nothing runs.
pub enum Stopped {
    /// Still to be told and recorded.
    Refused(Refusal),
    /// The monitor has told the helper, and the log knows.
    Told,
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// SIGHUP (signal(7)).
const HANG_UP: i32 = 1;

/// What the monitor says when the duties on its side are done.
pub struct Fulfilled {
    /// A password was asked for, and right.
    pub authenticated: bool,
    /// The reason, if it was asked for.
    pub reason: Option<String>,
}

/// Waits for the duties on the monitor's side, makes the grant and the intent durable, then says Go: the monitor heeds it
/// once PAM has accepted the account.
///
/// # Errors
/// Why nothing runs.
pub async fn fulfil(
    agent: &Arc<Agent>,
    link: &mut Link,
    elevation: &mut Elevation,
    case: &mut Case,
) -> Result<Following, Stopped> {
    let Elevation { plan, order, keys, nested, token, makes_no_record, .. } = elevation;
    let Fulfilled { authenticated, reason } =
        await_duties(agent, link, case, order.authenticate.is_some()).await?;
    let since = agent.clock.now();
    if plan.ask_reason {
        let reason = reason::clean(&reason.unwrap_or_default())?;
        case.know_reason(&reason);
        plan.reason = Some(reason);
    }
    // Under a flood PAM comes first: who is refused must not fill the log with what did not begin.
    let is_flood = agent.denials.is_flood(plan.people.invoking.uid);
    if is_flood {
        await_acceptance(agent, link, case).await?;
    }
    still_permitted(agent, plan).await?;
    if let Some(token) = token {
        **token = Box::pin(spend::again(agent, token, plan)).await?;
    }
    let rule = plan.rule().ok_or_else(|| Refusal::failure("a rule without its policy"))?;
    if plan.ask_reason && !rule.require.reason.accepts(plan.reason.as_deref()) {
        return Err(reason::not_accepted().into());
    }

    let now = agent.clock.now();
    let (taken, burnt) = take(agent, plan, token.as_deref(), now)?;
    // A grant that was issued for another command may outlive the permission for this one.
    let expires = translate::not_after(taken.grant.expires, plan.until);
    // Nor does a command of `--for` live longer than that on one that others approved for longer.
    let asked = plan.subject.duration.map(|asked| now.after(translate::nanoseconds(asked)));
    let expires = asked.map_or(expires, |asked| earlier(expires, asked));
    let mut go = translate::go(rule, &taken.grant.id, expires, plan.subject.timeout, now);
    if let Some(outer) = nested.as_ref().and_then(|session| session.deadline) {
        go.deadline = Some(go.deadline.map_or(outer, |deadline| earlier(deadline, outer)));
    }
    go.notices = notices::notices(rule, &go, order.terminal.is_some(), now);
    if asked.is_some() && order.terminal.is_some() {
        go.notices.insert(0, notices::until(&taken.grant, now));
    }
    let session = Session {
        id: order.session.clone(),
        grant: taken.grant.id.clone(),
        rule: plan.rule.clone(),
        user: plan.people.invoking.name.as_str().into(),
        uid: plan.people.invoking.uid,
        target: plan.people.target.name.as_str().into(),
        target_uid: plan.people.target.uid,
        command: order.argv.clone(),
        tty: order.tty.clone(),
        started_ns: now.realtime_ns,
        deadline: go.deadline,
        boot_id: agent.clock.boot_id().into(),
        ends_with_grant: rule.grant.on_expiry == jit_policy::OnExpiry::Terminate,
        subject: Some(plan.subject.clone()),
        keys: keys.clone(),
        outlives_terminal: order.background || order.ignored_signals.contains(&HANG_UP),
        cgroup: None,
        starting: true,
        leftover: false,
        ended: false,
        expired: false,
    };
    // Durable before anything runs: the use, the session, the intent.
    let row = Change::put(Table::Sessions, &session.id, &session)
        .map_err(|error| Refusal::failure(error.to_string()))?;
    let changes = std::iter::once(row).chain(burnt).collect();
    // It counts as live from here on, so that a revocation from now on finds it, and ends it.
    let (end, mut ended) = unbounded_channel();
    goes_live(agent, &session, end, &taken.grant);
    if let Err(refusal) = make_durable(agent, case, token.as_deref(), &taken, now, changes).await {
        agent.live.remove(&session.id);
        // A commit that failed may be on the disk all the same.
        agent.store.note(Change::remove(Table::Sessions, &session.id));
        return Err(refusal.into());
    }
    link.send(&first_word(go, &mut ended)).await;
    let authenticated = (authenticated && !*makes_no_record).then_some((plan.whose, since));
    let starting = Starting { taken, authenticated };
    let mut following =
        Following::new(session, std::mem::take(link), ended, case.clone(), Some(Box::new(starting)));
    if is_flood {
        following.accepted(agent);
    }
    Ok(following)
}

/// The grant: a live one for this very purpose, or a new one. A `--for` asks for a new one, and so does a token; what burns that is for the
/// same commit.
fn take(
    agent: &Agent,
    plan: &Plan,
    token: Option<&Spend>,
    now: Moment,
) -> Result<(Taken, Option<Change>), Refusal> {
    if plan.until.is_some_and(|until| until <= now.timestamp()) {
        let hint = "jit-sudo --explain COMMAND tells when it holds";
        return Err(Refusal::new("the rule's time is over", hint));
    }
    let rule = plan.rule().ok_or_else(|| Refusal::failure("a rule without its policy"))?;
    let issue = || new_grant(agent, plan, token, now);
    let burnt = token.map(|token| token.burn(agent)).transpose()?;
    let taken = match (&plan.binding, plan.subject.duration) {
        _ if burnt.is_some() => agent.grants.take_new(issue),
        (Some(binding), _) => agent.grants.take(now, &plan.purpose, serving(rule, Some(binding)), || None),
        (None, Some(_)) => agent.grants.take_new(issue),
        (None, None) => agent.grants.take(now, &plan.purpose, Serving::Any, issue),
    };
    let taken = taken.ok_or_else(|| {
        if let Some(token) = token {
            token.give_back(agent);
            return Refusal::failure("no grant can be issued");
        }
        if plan.binding.is_some() {
            return Refusal::new("the grant that was approved has ended", "try again: that asks anew");
        }
        if lacks_reason(plan) {
            return Refusal::new("the grant that had a reason has ended", "give a reason, and try again");
        }
        Refusal::failure("no grant can be issued")
    })?;
    Ok((taken, burnt))
}

/// From here on it ends with the place that its grant counts in, and with the conditions of its rule.
fn goes_live(agent: &Arc<Agent>, session: &Session, end: UnboundedSender<String>, grant: &Grant) {
    agent.live.add(session.clone(), Some(end));
    anchors::watch(agent, &grant.purpose.key);
    if session.subject.as_ref().is_some_and(|subject| subject.login_id.is_some()) {
        agent.logind.look(); // what has changed since it was asked for
    }
}

/// Go; unless the session was ended while a slow disk took the record: a command that begins at once would not wait to
/// hear of that.
fn first_word(go: Go, ended: &mut UnboundedReceiver<String>) -> ToMonitor {
    ended.try_recv().map_or(ToMonitor::Go(go), |why| ToMonitor::Terminate { why })
}

/// Each wrong password is a record; the monitor's own refusal is told already.
///
/// # Errors
/// Why nothing runs.
pub async fn await_duties(
    agent: &Agent,
    link: &mut Link,
    case: &Case,
    authenticating: bool,
) -> Result<Fulfilled, Stopped> {
    let duties = timeout(agent.settings.limits.duties, async {
        loop {
            match link.receive().await {
                Some(FromMonitor::AuthenticationFailed { user, attempt }) if authenticating => {
                    let mut record = case.record(agent, Event::AuthenticationFailed);
                    record.result = Some(format!("wrong password of {user}, attempt {attempt}"));
                    agent.audit.append(record).await.map_err(Refusal::unrecorded)?;
                }
                Some(FromMonitor::Fulfilled { authenticated, reason }) => {
                    if authenticated != authenticating {
                        return Err(Refusal::protocol("the monitor's duties are not these").into());
                    }
                    if authenticated {
                        let record = case.record(agent, Event::AuthenticationSucceeded);
                        agent.audit.append(record).await.map_err(Refusal::unrecorded)?;
                    }
                    return Ok(Fulfilled { authenticated, reason });
                }
                other => return Err(stopped(agent, case, other).await),
            }
        }
    });
    duties.await.unwrap_or_else(|_| Err(too_long()))
}

/// PAM's word on the account.
///
/// # Errors
/// Why nothing runs.
pub async fn await_acceptance(agent: &Agent, link: &mut Link, case: &Case) -> Result<(), Stopped> {
    match timeout(agent.settings.limits.duties, link.receive()).await {
        Ok(Some(FromMonitor::Accepted)) => Ok(()),
        Ok(other) => Err(stopped(agent, case, other).await),
        Err(_) => Err(too_long()),
    }
}

/// A monitor that says, instead of what was waited for, that nothing runs, or nothing at all.
async fn stopped(agent: &Agent, case: &Case, said: Option<FromMonitor>) -> Stopped {
    let refusal = match said {
        Some(FromMonitor::Refused { what, .. }) => Refusal::new(what, ""),
        Some(_) => return Refusal::protocol("the monitor said something else").into(),
        None => Refusal::failure("the monitor went away"),
    };
    record_denial(agent, case, &refusal).await;
    Stopped::Told
}

fn too_long() -> Stopped {
    Refusal::new("it took too long", "try again").into()
}

/// The policy, or the login session, may have changed while the person typed: what runs is what the policy in force permits.
async fn still_permitted(agent: &Arc<Agent>, plan: &mut Plan) -> Result<(), Refusal> {
    let loaded = agent.policy.current();
    let login = match &plan.subject.login_id {
        Some(id) => Box::pin(agent.logind.facts(id)).await,
        None => plan.subject.login.clone(),
    };
    if Arc::ptr_eq(&loaded, &plan.loaded) && login == plan.subject.login {
        return Ok(());
    }
    plan.subject.login = login;
    let (task, subject, rule, now) =
        (Arc::clone(agent), plan.subject.clone(), plan.rule.clone(), agent.clock.now().timestamp());
    let new = Arc::clone(&loaded);
    let work = move || {
        let under = resolver_of_now(&task, subject.user.uid);
        let files = Files { under: &under, sha256: &|| subject.known_digest() };
        let decision = subject
            .decide(&new.policy, &task.settings.host.tags, &*task.directory, now, &HostZones, files)
            .map_err(|error| error.to_string())?;
        Ok(match decision {
            jit_policy::Decision::Permit(candidates) => {
                let same = candidates.iter().find(|candidate| candidate.rule.id == rule);
                same.map(|candidate| candidate.until)
            }
            jit_policy::Decision::Deny(_) => None,
        })
    };
    let permitted = agent.lookup.run(plan.people.invoking.uid, work).await;
    let same_duties = |old: &jit_policy::Rule, new: &jit_policy::Rule| {
        old.require.authentication == new.require.authentication
            && old.require.authenticate_as == new.require.authenticate_as
            && old.require.authentication_timeout == new.require.authentication_timeout
            && same_approval(old.require.approval.as_deref(), new.require.approval.as_deref())
            && old.restrict == new.restrict
    };
    let old_and_new = plan.rule().zip(loaded.policy.rule(&plan.rule));
    let unchanged = old_and_new.is_some_and(|(old, new)| same_duties(old, new));
    let Some(until) = permitted.map_err(|error| Refusal::failure(error.to_string()))?.filter(|_| unchanged)
    else {
        return Err(changed());
    };
    if !Arc::ptr_eq(&agent.policy.current(), &loaded) {
        return Err(changed()); // once more, while this was looked up
    }
    plan.loaded = loaded;
    plan.until = until;
    Ok(())
}

fn same_approval(old: Option<&Approval>, new: Option<&Approval>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => old.says_the_same(new),
        (old, new) => old.is_none() && new.is_none(),
    }
}

fn changed() -> Refusal {
    Refusal::new("policy has changed meanwhile", "try again")
}

/// The plan counted on a live grant's reason, and has none for a new one.
fn lacks_reason(plan: &Plan) -> bool {
    plan.rule().is_none_or(|rule| !rule.require.reason.accepts(plan.reason.as_deref()))
}

fn new_grant(agent: &Agent, plan: &Plan, token: Option<&Spend>, now: Moment) -> Option<Grant> {
    let rule = plan.rule().filter(|_| !lacks_reason(plan))?;
    let expires = translate::expiry(rule, plan.subject.duration, plan.until, now);
    let expires = token.map_or(expires, |token| earlier(expires, token.expiry(now)));
    Some(Grant {
        id: identifier::new().ok()?,
        purpose: plan.purpose.clone(),
        user: plan.people.invoking.name.as_str().into(),
        target: plan.people.target.name.as_str().into(),
        issued_ns: now.realtime_ns,
        left_ns: now.until(expires),
        expires,
        boot_id: agent.clock.boot_id().into(),
        uses_left: rule.grant.uses,
        reason: plan.reason.as_deref().map(Into::into),
        subject: Packed::new(&plan.subject).ok()?,
        approved: token.map(|token| Box::new(token.approved(rule))),
        ahead: None,
    })
}

/// The use of the grant, the session, the token's nonce, all at once; then the record of the intent.
async fn make_durable(
    agent: &Agent,
    case: &mut Case,
    token: Option<&Spend>,
    taken: &Taken,
    now: Moment,
    changes: Vec<Change>,
) -> Result<(), Refusal> {
    agent.grants.settle(taken, now, changes).await.map_err(|why| match why {
        // Revoked while it was stored: its token is spent all the same.
        Unsettled::Ended => Refusal::new("the grant has ended meanwhile", "try again"),
        Unsettled::NotStored(why) => {
            if let Some(token) = token {
                token.give_back(agent);
            }
            Refusal::unstored(why)
        }
    })?;
    case.know_grant(&taken.grant);
    record_intent(agent, case, token, &taken.grant, taken.is_new).await.map_err(|why| {
        agent.grants.give_back(taken);
        Refusal::unrecorded(why)
    })
}

/// `grant.issued` or `grant.used`, then `session.started`: durable, or nothing runs.
async fn record_intent(
    agent: &Agent,
    case: &Case,
    token: Option<&Spend>,
    grant: &Grant,
    is_new: bool,
) -> Result<(), String> {
    let accepted = token.map(|token| {
        let mut record = case.record(agent, Event::TokenAccepted);
        record.result = Some(token.by_keys());
        record
    });
    let mut first = case.record(agent, if is_new { Event::GrantIssued } else { Event::GrantUsed });
    first.result = is_new.then(|| format!("until {}", rfc3339(grant.expires.realtime_ns)));
    let rest = [first, case.record(agent, Event::SessionStarted)];
    agent.audit.append_all(accepted.into_iter().chain(rest).collect()).await
}

#[cfg(test)]
mod tests {
    use jit_protocol::link::Deadline;

    use super::*;

    // Its revocation is told once the log has that too, which is right after the log has the intent.
    #[test]
    fn what_was_ended_before_go_gets_none() {
        let never = Deadline { boottime_ns: u64::MAX, realtime_ns: i64::MAX };
        let go = Go {
            grant: "g".to_owned(),
            begin_before: never,
            deadline: None,
            notices: Vec::new(),
            grace_ms: 0,
            kill_leftover: false,
        };
        let (end, mut ended) = unbounded_channel();
        assert_eq!(first_word(go.clone(), &mut ended), ToMonitor::Go(go.clone()));
        end.send("revoked".to_owned()).unwrap();
        assert_eq!(first_word(go, &mut ended), ToMonitor::Terminate { why: "revoked".to_owned() });
    }
}
