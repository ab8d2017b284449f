//! `jitctl grants`.

use jit_protocol::response::{GrantView, Response};

use super::{for_root_only, is_root};
use crate::agent::Agent;
use crate::clock::rfc3339;
use crate::peer::Peer;
use crate::refusal::Refusal;

/// The peer's own live grants, or all.
///
/// # Errors
/// All are for root.
pub fn grants(agent: &Agent, peer: &Peer, all: bool) -> Result<Response, Refusal> {
    if all && !is_root(peer) {
        return Err(for_root_only());
    }
    Ok(Response::Grants(seen_by(agent, peer.uid(), all)))
}

/// A user's live grants, or all.
pub fn seen_by(agent: &Agent, uid: u32, all: bool) -> Vec<GrantView> {
    let sessions = agent.live.all();
    let now = agent.clock.now();
    let own = agent.grants.all(now).into_iter();
    let own = own.filter(|grant| all || grant.purpose.uid == uid);
    let view = |grant: crate::grants::Grant| GrantView {
        sessions: sessions.iter().filter(|it| it.grant == grant.id).map(|it| it.id.clone()).collect(),
        begins: grant.ahead.filter(|_| grant.is_ahead(now)).map(|ahead| rfc3339(ahead.begins_ns)),
        id: grant.id,
        rule: grant.purpose.rule.to_string(),
        user: grant.user.to_string(),
        uid: grant.purpose.uid,
        target: grant.target.to_string(),
        issued: rfc3339(grant.issued_ns),
        expires: rfc3339(grant.expires.realtime_ns),
        uses_left: grant.uses_left,
        scope: grant.purpose.scope.name().to_owned(),
        reason: grant.reason.as_deref().map(str::to_owned),
        approved_by: grant.approved.map_or_else(Vec::new, |approved| approved.by),
    };
    own.map(view).collect()
}
