//! `jitctl audit rotate`: the agent does it, for nobody else writes the log.

use jit_protocol::response::Response;

use super::{for_root_only, is_root};
use crate::agent::Agent;
use crate::peer::Peer;
use crate::refusal::Refusal;

/// Goes on in a new file; `if_due`: only if it is time.
///
/// # Errors
/// For root only; why it was not rotated.
pub async fn rotate(agent: &Agent, peer: &Peer, if_due: bool) -> Result<Response, Refusal> {
    if !is_root(peer) {
        return Err(for_root_only());
    }
    let message = agent.audit.rotate(if_due).await.map_err(|why| Refusal::new(why, "jitctl status"))?;
    Ok(Response::Done { message })
}
