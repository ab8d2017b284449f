//! `--approve`: one person's yes to another's request, with a fresh password. It counts for exactly what was shown.

use std::sync::Arc;

use jit_audit::record::Event;
use jit_policy::{Binding, Decision};
use jit_protocol::Bytes;
use jit_protocol::link::ToMonitor;
use jit_protocol::order::{Authenticate, Order};
use jit_protocol::request::Mode;
use jit_sys::account::{self, Account};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::case::{Case, deny, record_denial};
use super::elevate::hand_over;
use super::follow::Link;
use super::fulfil::{Stopped, await_acceptance, await_duties};
use super::issue::{grant_of, issue};
use super::order::{TRIES, nothing_to_run};
use super::place::resolver_of_now;
use super::plan::Question;
use super::requests::{is_addressed, no_such};
use crate::agent::Agent;
use crate::clock::{Moment, rfc3339};
use crate::conversation::Conversation;
use crate::grants::{Approved, Grant};
use crate::policy::Loaded;
use crate::refusal::Refusal;
use crate::requests::{Approval, Request, Unchanged};
use crate::store::Change;
use crate::translate::{self, Files, Subject};
use crate::zones::HostZones;

/// Who says yes to what.
struct Yes {
    request: Request,
    approver: Approval,
    /// How many it takes.
    needed: u32,
    /// Uids of those who have said yes, and whose yes policy does not ask for any more.
    no_longer: Vec<u32>,
    /// The policy that it counts by.
    loaded: Arc<Loaded>,
    /// What the last one makes.
    grant: Grant,
}

/// Serves one yes.
pub async fn approve(agent: &Arc<Agent>, conversation: Conversation, question: Question, mut case: Case) {
    let question = Arc::new(question);
    let order = check(agent, &question).await.and_then(|(yes, approver)| {
        case = Case::of_answer(agent, &yes.request, &yes.approver.name);
        order(agent, &question, &approver)
    });
    let order = match order {
        Ok(order) => order,
        Err(refusal) => return deny(agent, &conversation, &case, &refusal).await,
    };
    let Some(_place) = agent.session_places.admit(question.uid) else {
        let refusal = Refusal::new("too many commands run for you already", "jitctl sessions");
        return deny(agent, &conversation, &case, &refusal).await;
    };
    let Some(mut link) = hand_over(agent, conversation, &order).await else { return };
    match say_yes(agent, &mut link, &question, &case).await {
        Ok(stdout) => {
            link.send(&ToMonitor::Finish { stdout, stderr: String::new(), status: 0 }).await;
            let _ = timeout(agent.settings.limits.request, link.receive()).await; // Gone
        }
        Err(Stopped::Told) => {}
        Err(Stopped::Refused(refusal)) => {
            let Refusal { what, hint, .. } = refusal.clone();
            link.send(&ToMonitor::Refuse { what, hint }).await;
            record_denial(agent, &case, &refusal).await;
        }
    }
}

/// After the password: all is looked at once more, for it may have changed while that was typed.
async fn say_yes(
    agent: &Arc<Agent>,
    link: &mut Link,
    question: &Arc<Question>,
    case: &Case,
) -> Result<String, Stopped> {
    await_duties(agent, link, case, true).await?;
    await_acceptance(agent, link, case).await?;
    let (yes, _) = check(agent, question).await?;
    Ok(count(agent, yes).await?)
}

/// The yes is in the log before it counts, and the grant that it makes before anyone may use that.
async fn count(agent: &Agent, yes: Yes) -> Result<String, Refusal> {
    let Yes { request, approver, needed, no_longer, loaded, mut grant } = yes;
    let case = Case::of_answer(agent, &request, &approver.name);
    let record = |event| case.record(agent, event);
    let mut given = record(Event::ApprovalGiven);
    given.result = Some(format!("digest {}", request.digest));
    agent.audit.append(given).await.map_err(Refusal::unrecorded)?;
    let now = agent.clock.now();
    let id = grant.id.clone();
    // Nobody is told before the grant can be used.
    let committed = agent.requests.commit::<Refusal>(&request.id, now, |request| {
        add(request, approver.clone(), &no_longer)?;
        if request.approvals.len() < needed as usize {
            return Ok(Vec::new());
        }
        request.state = jit_protocol::response::RequestState::Approved;
        request.grant = Some(id.clone());
        if let Some(approved) = &mut grant.approved {
            approved.by = request.approvals.iter().map(|approval| approval.name.clone()).collect();
        }
        let added: Option<Change> = agent.grants.add(grant.clone(), now);
        let added = added.ok_or_else(|| Refusal::failure("no grant can be issued"))?;
        // A reload decides again on the grants that there are: on this one, too, unless it came before.
        if Arc::ptr_eq(&agent.policy.current(), &loaded) { Ok(vec![added]) } else { Err(no_longer_sure()) }
    });
    let does_not_count = |refusal: Refusal| {
        agent.grants.withdraw(&id);
        let mut undone = record(Event::ApprovalRefused);
        undone.result = Some(format!("the approval does not count: {}", refusal.why));
        agent.audit.note(undone);
        refusal
    };
    let committed = committed.await.map_err(does_not_count)?;
    if committed.request.grant.is_none() {
        let request = agent.requests.tell(committed, agent.clock.now());
        let (have, user) = (request.approvals.len(), &request.binding.user.name);
        return Ok(format!("approved: {have} of {needed} that {user} needs\n"));
    }
    let by: Vec<&str> = committed.request.approvals.iter().map(|it| it.name.as_str()).collect();
    let mut of_grant = record(Event::GrantIssued);
    of_grant.approver = Some(by.join(", "));
    let request = issue(agent, committed, &grant, of_grant).await.map_err(does_not_count)?;
    let user = &request.binding.user.name;
    let until = rfc3339(grant.expires.realtime_ns);
    Ok(match grant.ahead {
        Some(ahead) => {
            format!("approved: {user} has a grant from {} until {until}\n", rfc3339(ahead.begins_ns))
        }
        None => format!("approved: {user} has a grant until {until}\n"),
    })
}

/// Each person counts once, and whose yes policy does not ask for any more not at all.
fn add(request: &mut Request, approver: Approval, no_longer: &[u32]) -> Result<(), Refusal> {
    request.approvals.retain(|known| !no_longer.contains(&known.uid));
    if request.approvals.iter().any(|known| known.person.may_be(&approver.person)) {
        return Err(Refusal::new("you have approved this already", "somebody else has to, as well"));
    }
    request.approvals.push(approver);
    Ok(())
}

impl From<Unchanged> for Refusal {
    fn from(why: Unchanged) -> Self {
        match why {
            Unchanged::NotStored(why) => Self::unstored(why),
            Unchanged::Decided | Unchanged::TooMany => no_such(),
        }
    }
}

/// Whether this yes counts; off the event loop, for accounts and paths may hang.
async fn check(agent: &Arc<Agent>, question: &Arc<Question>) -> Result<(Yes, Account), Refusal> {
    let (task, asked) = (Arc::clone(agent), Arc::clone(question));
    let work = move || Ok(check_now(&task, &asked));
    agent.lookup.run(question.uid, work).await.map_err(|error| Refusal::failure(error.to_string()))?
}

fn check_now(agent: &Agent, question: &Question) -> Result<(Yes, Account), Refusal> {
    let words: Vec<_> = question.asked.command.iter().map(Bytes::to_string_lossy).collect();
    let [id, digest] = words.as_slice() else {
        return Err(Refusal::protocol("not a request and its digest"));
    };
    let now = agent.clock.now();
    let request = agent.requests.get(id).filter(|request| request.is_pending(now)).ok_or_else(no_such)?;
    let failed = Refusal::failure;
    let account = account::by_uid(question.uid).map_err(|error| failed(error.to_string()))?;
    let account = account.ok_or_else(no_such)?;
    if !is_addressed(agent, question.uid, &request).map_err(failed)? {
        return Err(no_such().because("an approval by somebody whom the rule does not name"));
    }
    not_for_oneself(agent, question, &request)?;
    if request.digest != *digest {
        return Err(Refusal::new("this is not what was shown", "jitctl approve shows it anew"));
    }
    let loaded = agent.policy.current();
    let until = still_permitted(agent, &loaded, &request, now)?;
    let rule = loaded.policy.rule(&request.purpose.rule).ok_or_else(no_longer)?;
    let approval = rule.require.approval.as_ref().ok_or_else(no_longer)?;
    let person = question.person(agent);
    let approver = Approval { name: account.name.clone(), uid: account.uid, person };
    let no_longer = no_longer_addressed(agent, &request)?;
    add(&mut request.clone(), approver.clone(), &no_longer)?;
    let is_for_rule = request.for_rule && approval.binding == Binding::Rule;
    let approved = Approved {
        request: request.id.clone(),
        by: Vec::new(),
        binding: (!is_for_rule).then(|| request.bound()),
    };
    let grant = grant_of(agent, &request, rule, until, Some(approved), now)?;
    let needed = approval.count;
    Ok((Yes { needed, no_longer, loaded: Arc::clone(&loaded), request, approver, grant }, account))
}

/// Of those who have said yes.
fn no_longer_addressed(agent: &Agent, request: &Request) -> Result<Vec<u32>, Refusal> {
    let mut no_longer = Vec::new();
    for uid in request.approvals.iter().map(|approval| approval.uid) {
        if !is_addressed(agent, uid, request).map_err(Refusal::failure)? {
            no_longer.push(uid);
        }
    }
    Ok(no_longer)
}

/// Not by uid, not by login uid, not from inside a session of the other's, nor on the terminal or in the login session
/// that it was asked from.
fn not_for_oneself(agent: &Agent, question: &Question, request: &Request) -> Result<(), Refusal> {
    if !question.person(agent).may_be(&request.asker) && !question.keys.is_same_place(&request.keys) {
        return Ok(());
    }
    let what = "nobody approves their own request";
    Err(Refusal::new(what, "an approver does, from a login session of their own"))
}

fn no_longer_sure() -> Refusal {
    Refusal::new("policy has changed meanwhile", "try again")
}

fn no_longer() -> Refusal {
    Refusal::new("policy does not permit this any more", "the asker may try again")
}

/// By the policy in force, at the time that it is for; until when, by the times that rules name.
fn still_permitted(
    agent: &Agent,
    loaded: &Loaded,
    request: &Request,
    now: Moment,
) -> Result<Option<jiff::Timestamp>, Refusal> {
    // This may wait: it is a look-up.
    let login =
        request.subject.login_id.as_deref().map(|id| Handle::current().block_on(agent.logind.facts(id)));
    let subject = &Subject { login: login.unwrap_or_default(), ..request.subject.clone() };
    let under = resolver_of_now(agent, subject.user.uid);
    let tags = &agent.settings.host.tags;
    let files = Files { under: &under, sha256: &|| subject.known_digest() };
    let time = Moment { realtime_ns: now.realtime_ns.max(request.begins_ns.unwrap_or(i64::MIN)), ..now };
    let decision = subject
        .decide(&loaded.policy, tags, &*agent.directory, time.timestamp(), &HostZones, files)
        .map_err(|error| Refusal::failure(error.to_string()))?;
    let Decision::Permit(candidates) = decision else { return Err(no_longer()) };
    let same = candidates.iter().find(|candidate| *candidate.rule.id == *request.purpose.rule);
    same.map(|candidate| candidate.until).ok_or_else(no_longer)
}

/// The approver's own password, whatever records there are.
fn order(agent: &Agent, question: &Question, approver: &Account) -> Result<Order, Refusal> {
    if question.asked.non_interactive {
        return Err(Refusal::password_required());
    }
    if !question.asked.can_ask {
        let hint = "use -S to read it from standard input, or set SUDO_ASKPASS";
        return Err(Refusal::new("a terminal is required to read the password", hint));
    }
    let account = translate::order_account(approver, None);
    let order = nothing_to_run(agent, question, account.clone(), account)?;
    let prompt = question.asked.prompt.clone();
    let authenticate = Some(Authenticate { user: approver.name.clone(), tries: TRIES, prompt });
    Ok(Order { mode: Mode::Approve, authenticate, ..order })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identities::Identities;

    fn yes(name: &str, uid: u32, login: Option<u32>) -> Approval {
        Approval { name: name.to_owned(), uid, person: Identities::new(uid, login, []) }
    }

    // "`count = 2` needs two people."
    #[test]
    fn each_person_counts_once_and_only_while_policy_names_them() {
        let bob = || yes("bob", 1001, None);
        let mut request = crate::requests::tests::request("a", "1", crate::requests::tests::START);
        add(&mut request, bob(), &[]).unwrap();
        for same in [bob(), yes("bobs-admin", 1101, Some(1001))] {
            let refusal = add(&mut request, same, &[]).unwrap_err();
            assert_eq!(refusal.what, "you have approved this already");
        }
        add(&mut request, yes("carol", 1002, None), &[]).unwrap();
        assert_eq!(request.approvals.len(), 2);
        request.approvals.pop();
        // The policy names bob no more: carol alone is not enough.
        add(&mut request, yes("carol", 1002, None), &[1001]).unwrap();
        assert_eq!(request.approvals, [yes("carol", 1002, None)]);
    }
}
