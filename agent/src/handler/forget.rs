//! `-k` and `-K`: authentication records are dropped, grants never.

use super::elevate::enclosing;
use crate::agent::Agent;
use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::scope::Keys;

/// Drops this terminal's records, or all of the peer's user.
///
/// # Errors
/// If the peer is gone, or not what it seems.
pub fn forget(agent: &Agent, peer: &Peer, all: bool) -> Result<(), Refusal> {
    if all {
        agent.records.forget_user(peer.uid());
        return Ok(());
    }
    let facts = peer.facts().map_err(Refusal::failure)?;
    agent.records.forget_terminal(peer.uid(), Keys::of(&facts, agent.clock.boot_id()).terminal());
    // Inside a session it is the keys of that one that count.
    let subtree = agent.spawner.current().and_then(|spawner| spawner.welcome.cgroup.clone());
    if let Ok(Some(outer)) = enclosing(agent, subtree.as_deref(), facts.cgroup.as_deref()) {
        agent.records.forget_terminal(peer.uid(), outer.keys.terminal());
    }
    Ok(())
}
