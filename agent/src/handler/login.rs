//! `pam.sock`: may this user log in now?

use std::sync::Arc;

use jit_audit::record::{Event, User};
use jit_policy::LoginDecision;
use jit_protocol::VERSION;
use jit_protocol::login::{LoginAnswer, LoginRequest};
use jit_sys::account;

use super::case::cut_text;
use crate::agent::Agent;
use crate::conversation::{Conversation, Deadlines};
use crate::hostname;
use crate::translate;

/// Longest of what the host process claims, in bytes of the log.
const LONGEST: usize = 256;

/// Serves one connection of `pam.sock`. No answer at all is a no, for those who are gated.
pub async fn serve(agent: &Arc<Agent>, conversation: Conversation) {
    let limits = &agent.settings.limits;
    let deadlines = Deadlines { first_message: limits.first_message, request: limits.request };
    let Ok(text) = conversation.receive_text(deadlines).await else { return };
    let Ok(request) = serde_json::from_slice::<LoginRequest>(&text) else { return };
    let answered = request.nonce.as_ref().map(jit_protocol::Bytes::as_slice);
    if request.version != VERSION || answered != conversation.peer.nonce.as_ref().map(<[u8; 16]>::as_slice) {
        return;
    }
    if let Ok(answer) = login(agent, conversation.peer.uid(), request).await
        && let Ok(text) = serde_json::to_vec(&answer)
    {
        let _ = conversation.send_text(&text).await; // a host that left does not want it
    }
}

/// The answer. A peer that is not root may ask about itself only.
async fn login(agent: &Arc<Agent>, peer: u32, request: LoginRequest) -> Result<LoginAnswer, String> {
    let (task, user, service) = (Arc::clone(agent), request.user.clone(), request.service.clone());
    let decide = move || decide(&task, peer, &user, &service);
    let (answer, uid, rule) = agent.lookup.run(peer, decide).await.map_err(|error| error.to_string())?;
    let event = match &answer {
        LoginAnswer::NotGated => return Ok(answer),
        LoginAnswer::Allow => Event::LoginAllowed,
        LoginAnswer::Deny { .. } => Event::LoginDenied,
    };
    // A host that is the user's own can ask as often as it likes, and claim anything.
    if peer != 0 && !agent.denials.count(peer, agent.clock.now()) {
        return Err("too many questions".to_owned());
    }
    let short = |text: &str| cut_text(text, LONGEST);
    let mut record = agent.record(event);
    record.user = Some(User { name: short(&request.user), uid });
    record.tty = request.tty.as_deref().map(short);
    record.origin = request.rhost.as_deref().map(short);
    record.rule = rule;
    let service = short(&request.service);
    record.result = Some(if peer == 0 { service } else { format!("{service}, asked by user #{peer}") });
    agent.audit.append(record).await?;
    Ok(answer)
}

fn decide(
    agent: &Agent,
    peer: u32,
    user: &str,
    service: &str,
) -> Result<(LoginAnswer, u32, Option<String>), String> {
    let no = |message: &str| LoginAnswer::Deny { message: message.to_owned() };
    let Some(found) = account::by_name(user).map_err(|error| error.to_string())? else {
        // Nobody can be named by an account that does not exist; PAM's other modules refuse it.
        return Ok((LoginAnswer::NotGated, u32::MAX, None));
    };
    if peer != 0 && peer != found.uid {
        return Ok((no("jit-sudo: a user may ask about itself only"), found.uid, None));
    }
    let aliases = account::aliases(found.uid, &found.name).map_err(|error| error.to_string())?;
    let subject = translate::policy_account(&found, aliases);
    let (loaded, host) = (agent.policy.current(), hostname::now());
    let decision = loaded.policy.login(&subject, service, agent.policy_host(&host), &*agent.directory);
    Ok(match decision.map_err(|error| error.to_string())? {
        LoginDecision::NotNamed => (LoginAnswer::NotGated, found.uid, None),
        LoginDecision::Allowed(rule) => (LoginAnswer::Allow, found.uid, Some(rule.id.clone())),
        LoginDecision::Denied { rule, why } => {
            (no(&format!("jit-sudo: this login is not permitted: {why}")), found.uid, Some(rule.id.clone()))
        }
    })
}
