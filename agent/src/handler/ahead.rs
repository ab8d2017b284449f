//! `jitctl request`: a grant for a command is asked for ahead of time. All is resolved, decided and bound as for a command that
//! runs now, but by what policy says of the time that it is for. Nothing is started then: whoever asked runs it.

use std::sync::Arc;

use jit_audit::record::Event;
use jit_protocol::request::{Ahead, Elevate, Mode};
use jit_protocol::response::{RequestState, Response};

use super::ask::{file_and_tell, request};
use super::case::{Case, record_denial};
use super::elevate::{Elevation, decide, identify};
use super::issue::{grant_of, issue};
use super::plan::reason_required;
use crate::admission::Place;
use crate::agent::Agent;
use crate::begin;
use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::requests::Request;
use crate::zones::on_the_wall;

/// Asks for one.
///
/// # Errors
/// As for the command itself; and if the time is none, or too many wait to begin already.
pub async fn ahead(agent: &Arc<Agent>, peer: &Peer, wish: Ahead, place: Place) -> Result<Response, Refusal> {
    let mut case = Case::of(agent, peer);
    let asked = ask(agent, peer, wish, place, &mut case).await;
    if let Err(refusal) = &asked {
        record_denial(agent, &case, refusal).await;
    }
    asked
}

async fn ask(
    agent: &Arc<Agent>,
    peer: &Peer,
    wish: Ahead,
    place: Place,
    case: &mut Case,
) -> Result<Response, Refusal> {
    let Ahead { asked, from } = wish;
    if asked.mode != Mode::Run || asked.token.is_some() {
        return Err(Refusal::protocol("a request for something else than a command"));
    }
    // Nobody is asked for anything now.
    let asked = Elevate { non_interactive: false, can_ask: true, ..asked };
    let mut question = Box::pin(identify(agent, peer, asked, place, case)).await?;
    question.from = from.map(|text| begin::of(&text, question.now.timestamp())).transpose()?;
    let is_ahead = question.from.is_some();
    let elevation = decide(agent, question, case).await?;
    let plan = &elevation.plan;
    if plan.ask_reason {
        return Err(reason_required());
    }
    if is_ahead {
        room_for_one_more(agent, peer.uid())?;
    }
    let (request, what) = if plan.approvals > 0 {
        file_and_tell(agent, &elevation, plan.reason.clone(), case).await?
    } else if is_ahead {
        let request = issue_at_once(agent, &elevation, case).await?;
        let begins = request.begins_ns.unwrap_or(request.asked_ns);
        (request.id, format!("nobody has to approve this: the grant begins at {}", on_the_wall(begins)))
    } else {
        let what = format!("the rule {} lets you run this without asking ahead", plan.rule);
        return Err(Refusal::new(what, "jit-sudo COMMAND runs it; --from TIME asks for a later time"));
    };
    Ok(Response::Asked { request, what })
}

/// Whoever needs nobody's yes must not fill the store with what is to come.
fn room_for_one_more(agent: &Agent, uid: u32) -> Result<(), Refusal> {
    let most = agent.settings.limits.pending_per_user;
    if agent.grants.ahead(uid, agent.clock.now()).len() < most {
        return Ok(());
    }
    let what = format!("{most} grants of yours are still to begin already");
    Err(Refusal::new(what, "jitctl grants lists them, jitctl revoke ID gives one up"))
}

/// Where policy wants nobody's yes.
async fn issue_at_once(agent: &Agent, elevation: &Elevation, case: &mut Case) -> Result<Request, Refusal> {
    let plan = &elevation.plan;
    let now = agent.clock.now();
    let rule = plan.rule().ok_or_else(|| Refusal::failure("a rule without its policy"))?;
    let request = request(agent, elevation, plan.reason.clone(), now)?;
    let grant = grant_of(agent, &request, rule, plan.until, None, now)?;
    let request = Request { state: RequestState::Approved, grant: Some(grant.id.clone()), ..request };
    case.know_asked(&request);
    let added = agent.grants.add(grant.clone(), now);
    let added = added.ok_or_else(|| Refusal::failure("no grant can be issued"))?;
    // A reload decides again on the grants that there are: on this one, too, unless it came before.
    let issued = if Arc::ptr_eq(&agent.policy.current(), &plan.loaded) {
        match agent.requests.keep(request, now, vec![added]).await {
            Ok(committed) => issue(agent, committed, &grant, case.record(agent, Event::GrantIssued)).await,
            Err(why) => Err(why.into()),
        }
    } else {
        Err(Refusal::new("policy has changed meanwhile", "try again"))
    };
    if issued.is_err() {
        agent.grants.withdraw(&grant.id);
    }
    issued
}
