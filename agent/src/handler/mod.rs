//! One file for each kind of request. `elevate.rs` is the heart: read it first.

pub mod ahead;
pub mod approve;
pub mod ask;
pub mod bind;
pub mod case;
mod edit;
pub mod elevate;
pub mod explain;
pub mod follow;
pub mod forget;
pub mod fulfil;
pub mod grants;
pub mod issue;
pub mod list;
pub mod login;
pub mod order;
pub mod people;
pub mod place;
pub mod plan;
pub mod reason;
pub mod reload;
pub mod requests;
pub mod revoke;
pub mod rotate;
pub mod sessions;
pub mod spend;
pub mod status;
pub mod table;
pub mod token;
pub mod wanted;

use std::sync::Arc;

use jit_protocol::VERSION;
use jit_protocol::frame::{Frame, Kind};
use jit_protocol::request::{Envelope, Mode, Request};
use jit_protocol::response::Response;

use crate::admission::Place;
use crate::agent::Agent;
use crate::conversation::{Conversation, Deadlines};
use crate::refusal::Refusal;

/// Serves one connection of `agent.sock`: one request, then it is over, or a monitor's.
pub async fn serve(agent: &Arc<Agent>, conversation: Conversation, place: Place) {
    let deadlines = Deadlines {
        first_message: agent.settings.limits.first_message,
        request: agent.settings.limits.request,
    };
    let request = match receive(&conversation, deadlines).await {
        Ok(request) => request,
        Err(refusal) => {
            case::deny(agent, &conversation, &case::Case::of(agent, &conversation.peer), &refusal).await;
            return;
        }
    };
    if matches!(request, Request::Elevate(_)) {
        agent.spawner.arrival().await;
    }
    let peer = &conversation.peer;
    let response = match request {
        Request::Elevate(asked) if asked.mode == Mode::Explain => {
            return explain::explain(agent, conversation, *asked, place).await;
        }
        Request::Elevate(asked) => {
            return Box::pin(elevate::elevate(agent, conversation, *asked, place)).await;
        }
        Request::Forget { all } => {
            let frame = match forget::forget(agent, peer, all) {
                Ok(()) => Frame::new(Kind::Output, 0),
                Err(refusal) => Frame::refused(&refusal.what, &refusal.hint),
            };
            let _ = conversation.send_frame(&frame).await; // a peer that left does not want it
            return;
        }
        Request::Status => status::status(agent, peer),
        Request::Grants { all } => grants::grants(agent, peer, all),
        Request::Sessions { all } => sessions::sessions(agent, peer, all),
        Request::Revoke(what) => revoke::revoke(agent, peer, what).await,
        Request::Requests => requests::requests(agent, peer).await,
        Request::Await { request } => {
            drop(place); // a minute is long
            requests::wait(agent, peer, &request).await
        }
        Request::Decline { request, reason } => requests::decline(agent, peer, &request, reason).await,
        Request::Ask(wish) => Box::pin(ahead::ahead(agent, peer, *wish, place)).await,
        Request::Token(wish) => Box::pin(token::token(agent, peer, *wish, place)).await,
        Request::AuditHead if is_root(peer) => {
            let head = agent.audit.head();
            Ok(Response::AuditHead { seq: head.seq, hash: head.hash })
        }
        Request::AuditHead => Err(for_root_only()),
        Request::RotateAudit { if_due } => rotate::rotate(agent, peer, if_due).await,
        Request::Reload { force } => reload::reload(agent, peer, force).await,
    };
    let response =
        response.unwrap_or_else(|refusal| Response::Refused { what: refusal.what, hint: refusal.hint });
    let _ = conversation.send_response(&response).await; // a peer that left does not want it
}

/// The request, of this version and with the challenge answered.
async fn receive(conversation: &Conversation, deadlines: Deadlines) -> Result<Request, Refusal> {
    let text = conversation.receive_text(deadlines).await?;
    let envelope: Envelope =
        serde_json::from_slice(&text).map_err(|error| Refusal::protocol(format!("the request: {error}")))?;
    if envelope.version != VERSION {
        return Err(Refusal::protocol(format!("version {} instead of {VERSION}", envelope.version)));
    }
    let answered = envelope.nonce.as_ref().map(jit_protocol::Bytes::as_slice);
    if answered != conversation.peer.nonce.as_ref().map(<[u8; 16]>::as_slice) {
        return Err(Refusal::protocol("the challenge was not answered"));
    }
    Ok(envelope.request)
}

/// Everyone sees what is their own; everything is for uid 0.
fn is_root(peer: &crate::peer::Peer) -> bool {
    peer.uid() == 0
}

fn for_root_only() -> Refusal {
    Refusal::new("this is for root", "jit-sudo jitctl …")
}
