//! `jitctl revoke`: grants end early, with their sessions.

use jit_protocol::request::Revoke;
use jit_protocol::response::Response;
use jit_sys::account::{self, NameOrId, parse_name_or_id};

use super::{for_root_only, is_root};
use crate::agent::Agent;
use crate::grants::Grant;
use crate::peer::Peer;
use crate::refusal::Refusal;

/// Ends what the peer may end: its own; for root anyone's. A session's id ends that session's grant.
///
/// # Errors
/// If there is no such grant (another's looks the same), or the end is not durable.
pub async fn revoke(agent: &Agent, peer: &Peer, what: Revoke) -> Result<Response, Refusal> {
    let may = |grant: &Grant| is_root(peer) || grant.purpose.uid == peer.uid();
    let why = if is_root(peer) { "the grant was revoked by root" } else { "the grant was revoked" };
    let revoked = match what {
        Revoke::Grant(id) => {
            let id = agent.live.all().into_iter().find(|it| it.id == id).map_or(id, |session| session.grant);
            agent.revoke(why, |grant| may(grant) && grant.id == id).await
        }
        Revoke::User(user) => {
            let uid = uid_of(agent, peer, &user).await?;
            if uid != peer.uid() && !is_root(peer) {
                return Err(for_root_only());
            }
            agent.revoke(why, |grant| grant.purpose.uid == uid).await
        }
        Revoke::All => agent.revoke(why, may).await,
    };
    let revoked = revoked.map_err(Refusal::failure)?;
    match revoked.len() {
        0 => Err(Refusal::new("there is no such grant", "jitctl grants")),
        1 => Ok(Response::Done { message: "1 grant revoked".to_owned() }),
        count => Ok(Response::Done { message: format!("{count} grants revoked") }),
    }
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
