//! `jitctl sessions`.

use jit_protocol::response::Response;

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
    let own = agent.live.all().into_iter().filter(|session| all || session.uid == peer.uid());
    Ok(Response::Sessions(own.map(|session| Session::view(&session)).collect()))
}
