//! `jitctl sessions`.

use jit_protocol::response::{Response, SessionView};

use super::{for_root_only, is_root};
use crate::agent::Agent;
use crate::live::Session;
use crate::peer::Peer;
use crate::refusal::Refusal;

/// The peer's own live sessions, or all.
///
/// # Errors
/// All are for root.
pub fn sessions(agent: &Agent, peer: &Peer, all: bool) -> Result<Response, Refusal> {
    if all && !is_root(peer) {
        return Err(for_root_only());
    }
    Ok(Response::Sessions(seen_by(agent, peer.uid(), all)))
}

/// A user's live sessions, or all.
pub fn seen_by(agent: &Agent, uid: u32, all: bool) -> Vec<SessionView> {
    let own = agent.live.all().into_iter().filter(|session| all || session.uid == uid);
    own.map(|session| Session::view(&session)).collect()
}
