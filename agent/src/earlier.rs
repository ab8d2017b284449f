//! What an earlier agent left in the store: sessions whose monitors call, or that are lost; what the log has of their
//! ends already, because that agent ended between log and store; and what it stored, and ended before the log had that.

use std::sync::Arc;
use std::time::Duration;

use jit_audit::Event;
use jit_protocol::response::RequestState;

use crate::agent::{Agent, about_grant};
use crate::audit::{Audit, Told};
use crate::grants::Grants;
use crate::handler::case::Case;
use crate::handler::requests;
use crate::live::Session;
use crate::requests::Request;
use crate::store::{Change, Contents, Store, Table};

/// How long monitors of an earlier agent have to call before their sessions count as lost.
const CALL: Duration = Duration::from_secs(30);

/// Grants whose end is in the log already.
pub fn forget_expired(store: &Store, contents: &mut Contents, told: &Told) {
    contents.grants.retain(|(id, _)| {
        let expired = told.has(Event::GrantExpired, id);
        if expired {
            store.note(Change::remove(Table::Grants, id));
        }
        !expired
    });
}

/// Grants of an earlier agent that nobody was told of: it ended before their issue was in the log. They are gone, and
/// the log says so. (They can't have run anything.)
pub async fn forget_unissued(store: &Store, audit: &Audit, contents: &mut Contents, told: &Told) {
    let is_in_log = |id: &str| told.has(Event::GrantIssued, id);
    for grant in Grants::take_unissued(&mut contents.grants, is_in_log) {
        let gone = Change::remove(Table::Grants, &grant.id);
        if told.has(Event::GrantRevoked, &grant.id) {
            store.note(gone);
            continue;
        }
        let mut record = about_grant(audit.record(Event::GrantRevoked), &grant);
        record.result = Some("void: the agent ended before it was issued".to_owned());
        if audit.append_or_note(record).await.is_ok() {
            store.note(gone); // else the next agent says it
        }
    }
}

/// Requests of an earlier agent: what it stored and the log does not have, nobody was told of, and it did not happen. What the log
/// has already is not said again.
pub async fn settle_requests(agent: &Agent, told: &Told) {
    let now = agent.clock.now();
    let is_in_log = |request: &Request| match request.state {
        // Each yes is in the log before it is stored.
        RequestState::Pending => {
            !request.approvals.is_empty() || told.has(Event::ApprovalRequested, &request.id)
        }
        RequestState::Approved => {
            request.grant.as_deref().is_some_and(|grant| told.has(Event::GrantIssued, grant))
        }
        RequestState::Refused | RequestState::Withdrawn => {
            told.has_answer(&request.id, request.answer.as_deref().unwrap_or_default())
        }
        RequestState::Expired => true,
    };
    for (request, change) in agent.requests.settle(now, is_in_log) {
        let Some((last, grant)) = request.approvals.last().zip(request.grant.as_deref()) else {
            agent.store.note(change); // nobody has said anything of it
            continue;
        };
        let what =
            format!("the approval does not count: the agent ended before the grant {grant} was issued");
        if !told.has_answer(&request.id, &what) {
            let case = Case::of_answer(agent, &request, &last.name);
            let mut record = case.record(agent, Event::ApprovalRefused);
            record.result = Some(what);
            if agent.audit.append_or_note(record).await.is_err() {
                continue; // the next agent says it
            }
        }
        agent.store.note(change);
    }
    for request in agent.requests.sweep(now) {
        if told.has(Event::ApprovalExpired, &request.id) {
            agent.requests.note(&request, now);
        } else {
            requests::expired(agent, &request);
        }
    }
}

/// Sessions of an earlier agent: their monitors call, or they are lost. Those of an earlier boot are lost already.
/// What the log has of their ends already is not said again.
pub async fn remember_sessions(agent: &Agent, held: &[(String, Vec<u8>)], told: &Told) {
    for (id, json) in held {
        let Ok(mut session) = serde_json::from_slice::<Session>(json) else {
            agent.store.note(Change::remove(Table::Sessions, id));
            continue;
        };
        let known = (session.ended, session.expired);
        session.ended |= told.has(Event::SessionEnded, id) || told.has(Event::SessionRefused, id);
        session.expired |= told.has(Event::SessionExpired, id);
        // A third agent may not find it among the last records any more.
        if known != (session.ended, session.expired)
            && let Ok(row) = Change::put(Table::Sessions, id, &session)
        {
            agent.store.note(row);
        }
        if session.boot_id == agent.clock.boot_id() {
            agent.live.add(session, None);
        } else {
            lose(agent, &session).await;
        }
    }
}

/// Those whose monitors have not called in time are lost.
pub async fn forget_lost(agent: Arc<Agent>) {
    tokio::time::sleep(CALL).await;
    for session in agent.live.take_lost() {
        lose(&agent, &session).await;
    }
}

/// Its end is recorded, then it is forgotten: should this agent end between the two, the next one says it.
async fn lose(agent: &Agent, session: &Session) {
    let mut record = Case::of_session(agent, session).record(agent, Event::SessionEnded);
    record.result = Some("lost: the agent was not there when it ended".to_owned());
    // Of a store that does not count nobody knows what the log has already.
    if !session.ended
        && agent.void.is_none()
        && let Err(_) = agent.audit.append(record.clone()).await
    {
        return agent.audit.note(record); // shows in `status`
    }
    agent.store.note(Change::remove(Table::Sessions, &session.id));
}
