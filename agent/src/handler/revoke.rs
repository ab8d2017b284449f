//! `jitctl revoke`: grants end early, with their sessions.

use jit_audit::record::Event;
use jit_protocol::request::Revoke;
use jit_protocol::response::Response;
use jit_sys::account::{self, NameOrId, parse_name_or_id};

use super::case::Case;
use super::{for_root_only, is_root};
use crate::agent::Agent;
use crate::grants::Grant;
use crate::live::Session;
use crate::peer::Peer;
use crate::refusal::Refusal;

/// Ends what the peer may end: its own; for root anyone's. A session's id ends that session's grant.
///
/// # Errors
/// If there is no such grant (another's looks the same), or the end is not durable.
pub async fn revoke(agent: &Agent, peer: &Peer, what: Revoke) -> Result<Response, Refusal> {
    let may = |grant: &Grant| is_root(peer) || grant.purpose.uid == peer.uid();
    let why = if is_root(peer) { "the grant was revoked by root" } else { "the grant was revoked" };
    let mine = |session: &Session| is_root(peer) || session.uid == peer.uid();
    let (revoked, ended) = match what {
        Revoke::Grant(id) => {
            let id = agent.live.all().into_iter().find(|it| it.id == id).map_or(id, |session| session.grant);
            let revoked = agent.revoke(why, |grant| may(grant) && grant.id == id).await;
            let ended = end_others(agent, why, &revoked, |session| mine(session) && session.grant == id);
            (revoked, ended)
        }
        Revoke::User(user) => {
            let uid = uid_of(agent, peer, &user).await?;
            if uid != peer.uid() && !is_root(peer) {
                return Err(for_root_only());
            }
            let revoked = agent.revoke(why, |grant| grant.purpose.uid == uid).await;
            let ended = end_others(agent, why, &revoked, |session| session.uid == uid);
            (revoked, ended)
        }
        Revoke::All => {
            let revoked = agent.revoke(why, may).await;
            let ended = end_others(agent, why, &revoked, mine);
            (revoked, ended)
        }
    };
    let revoked = revoked.map_err(Refusal::unrecorded_end)?;
    let said = |count: usize, what: &str, done: &str| match count {
        0 => None,
        1 => Some(format!("1 {what} {done}")),
        count => Some(format!("{count} {what}s {done}")),
    };
    let done = [said(revoked.len(), "grant", "revoked"), said(ended, "session", "ended")];
    let done: Vec<String> = done.into_iter().flatten().collect();
    if done.is_empty() {
        return Err(Refusal::new("there is no such grant", "jitctl grants"));
    }
    Ok(Response::Done { message: done.join(", ") })
}

/// Ends those sessions that went on when their grant was over (`on_expiry`); how many. The others end with their grant.
fn end_others(
    agent: &Agent,
    why: &str,
    revoked: &Result<Vec<Grant>, String>,
    which: impl Fn(&Session) -> bool,
) -> usize {
    let is_told =
        |session: &Session| revoked.as_ref().is_ok_and(|all| all.iter().any(|it| it.id == session.grant));
    let ended = agent.live.end(why, |session| which(session) && !is_told(session));
    for session in agent.live.all().iter().filter(|session| ended.contains(&session.id)) {
        let mut record = Case::of_session(agent, session).record(agent, Event::GrantRevoked);
        record.result = Some(why.to_owned());
        agent.audit.note(record);
    }
    ended.len()
}

async fn uid_of(agent: &Agent, peer: &Peer, user: &str) -> Result<u32, Refusal> {
    let unknown = || Refusal::new("there is no such user", "give a name or '#uid'");
    match parse_name_or_id(user).ok_or_else(unknown)? {
        NameOrId::Id(uid) => Ok(uid),
        NameOrId::Name(name) => {
            let found = agent
                .lookup
                .run(peer.uid(), move || account::uid_of(&name).map_err(|error| error.to_string()))
                .await
                .map_err(|error| Refusal::failure(error.to_string()))?;
            found.ok_or_else(unknown)
        }
    }
}
