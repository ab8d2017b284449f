//! `jitctl requests`, `jitctl deny`, and who waits for an answer.

use std::sync::Arc;
use std::time::Duration;

use jit_audit::record::Event;
use jit_protocol::response::{RequestState, RequestView, Response};
use jit_sys::account;
use tokio::time::timeout;

use super::case::Case;
use super::is_root;
use crate::agent::Agent;
use crate::clock::rfc3339;
use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::requests::{Request, Unchanged};
use crate::translate;

/// Most bytes of a list, as JSON: an answer holds more.
const MOST: usize = 2 * 1024 * 1024;

/// How long one connection waits: who waits longer asks again.
const WAIT: Duration = Duration::from_mins(1);

/// The peer's own requests, those addressed to it, and for root all.
///
/// # Errors
/// If accounts can't be looked up.
pub async fn requests(agent: &Arc<Agent>, peer: &Peer) -> Result<Response, Refusal> {
    seen_by(agent, peer.uid()).await.map(Response::Requests)
}

/// A user's own requests, those addressed to them, and for root all.
///
/// # Errors
/// If accounts can't be looked up.
pub async fn seen_by(agent: &Arc<Agent>, uid: u32) -> Result<Vec<RequestView>, Refusal> {
    let known = agent.requests.all();
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let task = Arc::clone(agent);
    let work = move || {
        let seen = |request: Request| {
            let answerable = request.purpose.uid != uid && is_addressed(&task, uid, &request)?;
            let shown = uid == 0 || answerable || request.purpose.uid == uid;
            Ok(shown.then(|| view(&task, &request, answerable)))
        };
        known.into_iter().filter_map(|request| seen(request).transpose()).collect::<Result<_, _>>()
    };
    let views = agent.lookup.run(uid, work).await;
    views.map(as_many_as_fit).map_err(|error| Refusal::failure(error.to_string()))
}

/// Of very many the ones that wait for the peer's answer come first: nobody can hide them behind others.
fn as_many_as_fit(mut views: Vec<RequestView>) -> Vec<RequestView> {
    let size = |view: &RequestView| serde_json::to_vec(view).map_or(0, |text| text.len() + 1);
    if views.iter().map(size).sum::<usize>() <= MOST {
        return views;
    }
    views.sort_by_key(|view| !view.answerable);
    let mut room = MOST;
    views.retain(|view| {
        let fits = room.checked_sub(size(view));
        room = fits.unwrap_or(0);
        fits.is_some()
    });
    views
}

/// Whether a user is among those who may answer, by the policy in force.
///
/// # Errors
/// A look-up that failed.
pub fn is_addressed(agent: &Agent, uid: u32, request: &Request) -> Result<bool, String> {
    let loaded = agent.policy.current();
    let approval =
        loaded.policy.rule(&request.purpose.rule).and_then(|rule| rule.require.approval.as_deref());
    let Some(approval) = approval else { return Ok(false) };
    let failed = |error: account::LookupFailed| error.to_string();
    let Some(account) = account::by_uid(uid).map_err(failed)? else { return Ok(false) };
    let aliases = account::aliases(account.uid, &account.name).map_err(failed)?;
    let account = translate::policy_account(&account, aliases);
    loaded.policy.is_approver(approval, &account, &*agent.directory).map_err(|failed| failed.to_string())
}

/// For the command line.
fn view(agent: &Agent, request: &Request, answerable: bool) -> RequestView {
    let loaded = agent.policy.current();
    let approval =
        loaded.policy.rule(&request.purpose.rule).and_then(|rule| rule.require.approval.as_deref());
    let now = agent.clock.now();
    RequestView {
        id: request.id.clone(),
        state: request.state(now),
        binding: request.binding.clone(),
        digest: request.digest.clone(),
        for_rule: request.for_rule,
        reason: request.reason.clone(),
        asked: rfc3339(request.asked_ns),
        until: rfc3339(request.until.realtime_ns),
        approvers: approval
            .map_or_else(Vec::new, |approval| approval.named.iter().map(ToString::to_string).collect()),
        needed: approval.map_or(0, |approval| approval.count),
        approved_by: request.approvals.iter().map(|approval| approval.name.clone()).collect(),
        answerable: answerable && request.is_pending(now),
        grant: request.grant.clone(),
        answer: request.answer.clone(),
    }
}

/// Waits for the end of a request of the peer's own; or a minute.
///
/// # Errors
/// If there is no such request of the peer's, or too many of theirs wait already.
pub async fn wait(agent: &Agent, peer: &Peer, id: &str) -> Result<Response, Refusal> {
    let Some(_place) = agent.wait_places.admit(peer.uid()) else {
        return Err(Refusal::new("too many wait for you already", "jitctl requests tells how they stand"));
    };
    let mut changes = agent.requests.changes();
    let decided = async {
        loop {
            let request = own(agent, peer, id)?;
            if request.state(agent.clock.now()) != RequestState::Pending || changes.changed().await.is_err() {
                return Ok::<_, Refusal>(request);
            }
        }
    };
    let request = match timeout(WAIT, decided).await {
        Ok(request) => request?,
        Err(_) => own(agent, peer, id)?,
    };
    Ok(Response::Requests(vec![view(agent, &request, false)]))
}

fn own(agent: &Agent, peer: &Peer, id: &str) -> Result<Request, Refusal> {
    agent.requests.get(id).filter(|request| request.purpose.uid == peer.uid()).ok_or_else(no_such)
}

/// Another's looks the same as none.
pub fn no_such() -> Refusal {
    Refusal::new("no such request waits", "jitctl requests")
}

/// No to a request; of one's own it is taken back.
///
/// # Errors
/// If the peer may not answer it, or it does not wait.
pub async fn decline(
    agent: &Arc<Agent>,
    peer: &Peer,
    id: &str,
    reason: Option<String>,
) -> Result<Response, Refusal> {
    let reason = reason.as_deref().map(super::reason::clean).transpose()?;
    let request = agent.requests.get(id).ok_or_else(no_such)?;
    let (uid, is_own) = (peer.uid(), request.purpose.uid == peer.uid());
    let (task, asked) = (Arc::clone(agent), request.clone());
    let look_up = move || {
        let name = account::by_uid(uid).map_err(|error| error.to_string())?.map(|account| account.name);
        Ok((name.unwrap_or_else(|| format!("#{uid}")), is_addressed(&task, uid, &asked)?))
    };
    let looked_up = agent.lookup.run(uid, look_up).await;
    let (name, addressed) = looked_up.map_err(|error| Refusal::failure(error.to_string()))?;
    if !(is_own || addressed || is_root(peer)) {
        return Err(no_such());
    }
    let why = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    let (state, answer) = if is_own {
        (RequestState::Withdrawn, format!("taken back{why}"))
    } else {
        (RequestState::Refused, format!("{name} said no{why}"))
    };
    let now = agent.clock.now();
    let committed = agent.requests.commit(id, now, |request| {
        request.state = state;
        request.answer = Some(answer.clone());
        Ok::<_, Unchanged>(Vec::new())
    });
    let committed = committed.await.map_err(|why| match why {
        Unchanged::NotStored(why) => Refusal::unstored(why),
        _ => no_such(),
    })?;
    let mut record = Case::of_request(agent, &committed.request).record(agent, Event::ApprovalRefused);
    record.approver = (!is_own).then_some(name);
    record.result = Some(answer);
    if let Err(why) = agent.audit.append(record).await {
        agent.requests.undo(&committed, now);
        return Err(Refusal::unrecorded(why));
    }
    agent.requests.tell(committed, agent.clock.now());
    Ok(Response::Done { message: if is_own { "taken back" } else { "denied" }.to_owned() })
}

/// Nobody has answered it in time. The store is told once the log has that: so it is said, and only once.
pub fn expired(agent: &Agent, request: &Request) {
    let record = Case::of_request(agent, request).record(agent, Event::ApprovalExpired);
    let Ok(row) = request.put(agent.clock.now()) else { return };
    let (written, audit, store) =
        (agent.audit.submit(record.clone()), agent.audit.clone(), agent.store.clone());
    tokio::spawn(async move {
        match written.await {
            Ok(()) => store.note(row),
            Err(_) => audit.note(record), // by this agent when there is room, or by the next
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(id: usize, answerable: bool, length: usize) -> RequestView {
        serde_json::from_value(serde_json::json!({
            "id": id.to_string(), "state": "pending", "digest": "", "asked": "", "until": "", "approvers": [],
            "needed": 1, "approved_by": [], "answerable": answerable,
            "binding": {
                "version": 1, "host": "h", "rule": "r", "user": { "name": "u", "uid": 1 },
                "target": { "name": "root", "uid": 0 }, "groups": [0], "program": "/p", "sha256": "",
                "command": ["p", "x".repeat(length)], "environment": [],
                "folder": { "path": "/", "device": 1, "inode": 1 },
            },
        }))
        .unwrap()
    }

    #[test]
    fn what_waits_for_an_answer_is_never_hidden_behind_others() {
        let few: Vec<RequestView> = (0..9).map(|id| view(id, id == 8, 10)).collect();
        assert_eq!(as_many_as_fit(few.clone()), few);
        let many = (0..300).map(|id| view(id, id == 299, 16_000)).collect();
        let shown = as_many_as_fit(many);
        assert!((100..200).contains(&shown.len()), "{}", shown.len());
        assert_eq!(shown[0].id, "299");
        assert!(serde_json::to_vec(&shown).unwrap().len() <= MOST);
    }
}
