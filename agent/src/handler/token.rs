//! `jitctl token request`: what an approver elsewhere is to sign. It is resolved and bound as a request is, and handed out:
//! nothing of it is kept here.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jit_policy::Binding;
use jit_protocol::request::{Elevate, Mode, Wish};
use jit_protocol::response::Response;
use jit_protocol::token::{Covers, MAX_VALID, Token};

use super::case::{Case, record_denial};
use super::elevate::{identify, naming_who_is_denied};
use super::plan::{Plan, Question, plan, reason_required};
use crate::admission::Place;
use crate::agent::Agent;
use crate::identifier;
use crate::peer::Peer;
use crate::refusal::Refusal;

/// Makes one.
///
/// # Errors
/// As for the command itself; and if no signature can approve it.
pub async fn token(agent: &Arc<Agent>, peer: &Peer, wish: Wish, place: Place) -> Result<Response, Refusal> {
    let mut case = Case::of(agent, peer);
    let made = make(agent, peer, wish, place, &mut case).await;
    if let Err(refusal) = &made {
        record_denial(agent, &case, refusal).await;
    }
    made
}

async fn make(
    agent: &Arc<Agent>,
    peer: &Peer,
    wish: Wish,
    place: Place,
    case: &mut Case,
) -> Result<Response, Refusal> {
    let Wish { asked, not_before, valid } = wish;
    if asked.mode != Mode::Run || asked.token.is_some() {
        return Err(Refusal::protocol("a token for something else than a command"));
    }
    // Nobody is asked for anything now.
    let asked = Elevate { non_interactive: false, can_ask: true, ..asked };
    let question = Box::pin(identify(agent, peer, asked, place, case)).await?;
    let (task, uid) = (Arc::clone(agent), peer.uid());
    let work = move || {
        let made = plan(&task, &question)
            .and_then(|plan| write(&task, &question, &plan, not_before.as_deref(), valid));
        Ok(naming_who_is_denied(made, uid))
    };
    let made = agent.lookup.run(uid, work).await.map_err(|error| Refusal::failure(error.to_string()))?;
    let token = made.map_err(|denied| denied.told_to(case))?;
    Ok(Response::Token { text: token.text() })
}

fn write(
    agent: &Agent,
    question: &Question,
    plan: &Plan,
    not_before: Option<&str>,
    valid: Option<u64>,
) -> Result<Token, Refusal> {
    let rule = plan.rule().ok_or_else(|| Refusal::failure("a rule without its policy"))?;
    let (Some(approval), Some(binding)) = (&rule.require.approval, &plan.binding) else {
        let what = format!("the rule {} lets you run this without a token", rule.id);
        return Err(Refusal::new(what, "--rule ID takes another one"));
    };
    if approval.signers.is_empty() {
        let what = format!("the rule {} lets nobody approve by a signature", rule.id);
        return Err(Refusal::new(what, "--rule ID takes another one; jit-sudo COMMAND asks those who may"));
    }
    if plan.ask_reason {
        return Err(reason_required());
    }
    let (not_before, not_after) = times(question.now.timestamp(), not_before, valid, approval.timeout)?;
    let duration = plan.subject.duration.unwrap_or(rule.grant.duration).min(rule.grant.max_duration);
    Ok(Token {
        version: Token::VERSION,
        host: agent.host_id.clone(),
        nonce: identifier::new().map_err(|error| Refusal::failure(error.to_string()))?,
        not_before: written(not_before),
        not_after: written(not_after),
        duration: duration.as_secs(),
        covers: match approval.binding {
            Binding::Digest => Covers::Command,
            Binding::Rule => Covers::Rule,
        },
        reason: plan.reason.clone(),
        binding: (**binding).clone(),
    })
}

/// From when, until when: in whole seconds.
fn times(
    now: Timestamp,
    not_before: Option<&str>,
    valid: Option<u64>,
    usual: Duration,
) -> Result<(Timestamp, Timestamp), Refusal> {
    let no_time = |_| Refusal::new("the time is none", "write it as 2026-12-24T18:00:00+01:00");
    let begin = not_before.map_or(Ok(now), |text| text.parse::<Timestamp>().map_err(no_time))?;
    let valid = valid.unwrap_or(usual.as_secs().min(MAX_VALID));
    if !(1..=MAX_VALID).contains(&valid) {
        return Err(Refusal::new(
            "a token is good for 24 hours at most",
            "ask for less, or from a later time",
        ));
    }
    let begin = Timestamp::from_second(begin.as_second()).unwrap_or(begin);
    let end = begin.checked_add(SignedDuration::from_secs(valid.cast_signed()));
    let end = end.map_err(|_| Refusal::new("the time is none", "write one that is nearer"))?;
    if end <= now {
        return Err(Refusal::new("the token would be over already", "ask for a later time"));
    }
    Ok((begin, end))
}

/// RFC 3339, UTC, whole seconds.
pub fn written(time: Timestamp) -> String {
    format!("{time:.0}")
}
