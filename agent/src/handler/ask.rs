//! Where policy wants somebody else's yes: the request is filed, and whoever asked is told its id. Nothing waits here: the
//! request outlives the connection.

use std::sync::Arc;

use jit_audit::record::Event;
use jit_policy::Binding;
use jit_protocol::frame::{Frame, Kind};
use jit_protocol::link::ToMonitor;
use jit_protocol::order::Order;
use jit_protocol::request::Mode;
use jit_protocol::response::RequestState;

use super::bind::digest;
use super::case::{Case, deny, record_denial};
use super::elevate::{Elevation, hand_over};
use super::follow::Link;
use super::fulfil::{Stopped, await_acceptance, await_duties};
use super::reason;
use crate::agent::Agent;
use crate::clock::{Moment, rfc3339};
use crate::conversation::Conversation;
use crate::identifier;
use crate::refusal::Refusal;
use crate::requests::{Filed, Request, Unchanged};
use crate::translate::{lives, nanoseconds, realtime};
use crate::zones::on_the_wall;

/// Files the request for an elevation that misses approvals.
pub async fn ask(agent: &Arc<Agent>, conversation: Conversation, elevation: Elevation, mut case: Case) {
    if elevation.plan.ask_reason {
        return ask_with_reason(agent, conversation, elevation, case).await;
    }
    match file_and_tell(agent, &elevation, elevation.plan.reason.clone(), &mut case).await {
        Ok((id, what)) => {
            // One that left finds it with `jitctl requests`.
            let _ = conversation.send_frame(&Frame::with(Kind::Pending, 0, id, what)).await;
        }
        Err(refusal) => deny(agent, &conversation, &case, &refusal).await,
    }
}

/// A monitor asks the person for the reason first.
async fn ask_with_reason(
    agent: &Arc<Agent>,
    conversation: Conversation,
    elevation: Elevation,
    mut case: Case,
) {
    let Some(_place) = agent.session_places.admit(conversation.peer.uid()) else {
        let refusal = Refusal::new("too many commands run for you already", "jitctl sessions");
        return deny(agent, &conversation, &case, &refusal).await;
    };
    // Nothing runs; the program is for what is asked.
    let order = Order { mode: Mode::Validate, ..elevation.order.clone() };
    let Some(mut link) = hand_over(agent, conversation, &order).await else { return };
    match file_with_reason(agent, &mut link, &elevation, &mut case).await {
        Ok((request, what)) => {
            link.send(&ToMonitor::Pending { request, what }).await;
            let _ = tokio::time::timeout(agent.settings.limits.request, link.receive()).await; // Gone
        }
        Err(Stopped::Told) => {}
        Err(Stopped::Refused(refusal)) => {
            let Refusal { what, hint, .. } = refusal.clone();
            link.send(&ToMonitor::Refuse { what, hint }).await;
            record_denial(agent, &case, &refusal).await;
        }
    }
}

async fn file_with_reason(
    agent: &Agent,
    link: &mut Link,
    elevation: &Elevation,
    case: &mut Case,
) -> Result<(String, String), Stopped> {
    let fulfilled = await_duties(agent, link, case, false).await?;
    let reason = reason::clean(&fulfilled.reason.unwrap_or_default())?;
    let rule = elevation.plan.rule().ok_or_else(|| Refusal::failure("a rule without its policy"))?;
    if !rule.require.reason.accepts(Some(&reason)) {
        return Err(reason::not_accepted().into());
    }
    case.know_reason(&reason);
    await_acceptance(agent, link, case).await?;
    Ok(file_and_tell(agent, elevation, Some(reason), case).await?)
}

/// The request's id, and what is told.
///
/// # Errors
/// Why nothing waits.
pub async fn file_and_tell(
    agent: &Agent,
    elevation: &Elevation,
    reason: Option<String>,
    case: &mut Case,
) -> Result<(String, String), Refusal> {
    let rule = elevation.plan.rule().ok_or_else(|| Refusal::failure("a rule without its policy"))?;
    let approval = rule.require.approval.as_ref();
    let approval = approval.ok_or_else(|| Refusal::failure("an approval that no rule asks for"))?;
    if approval.is_for_signers_alone() {
        let what = format!("this needs a token that is signed by {}", approval.in_words());
        return Err(Refusal::new(what, "jitctl token request -- COMMAND makes what they sign"));
    }
    let now = agent.clock.now();
    let mut request = request(agent, elevation, reason, now)?;
    request.until = now.after(nanoseconds(approval.timeout));
    if let Some(begins_ns) = request.begins_ns {
        let begin = Moment { boottime_ns: now.boottime_ns, realtime_ns: begins_ns };
        let end = begin.after(lives(rule, request.subject.duration));
        request.until.realtime_ns = request.until.realtime_ns.min(end.realtime_ns);
    }
    let most = agent.settings.limits.pending_per_user;
    let filed = agent.requests.file(request, most, now).await;
    let filed = filed.map_err(|why| match why {
        Unchanged::TooMany => {
            let what = format!("{most} requests of yours wait for approval already");
            Refusal::new(what, "jitctl requests lists them, jitctl deny ID takes one back")
        }
        Unchanged::NotStored(why) => Refusal::unstored(why),
        Unchanged::Decided => Refusal::failure("a request that was decided before it was filed"),
    })?;
    let (request, since) = match filed {
        Filed::Already(request) => {
            case.know_asked(&request);
            (request, " already")
        }
        Filed::New(committed) => {
            case.know_asked(&committed.request);
            let mut record = case.record(agent, Event::ApprovalRequested);
            record.result = committed.request.begins_ns.map(|begins| format!("from {}", rfc3339(begins)));
            if let Err(why) = agent.audit.append(record).await {
                agent.requests.undo(&committed, now);
                return Err(Refusal::unrecorded(why));
            }
            (agent.requests.tell(committed, now), "")
        }
    };
    let begins =
        request.begins_ns.map_or_else(String::new, |at| format!("; it begins at {}", on_the_wall(at)));
    Ok((request.id, format!("this waits{since} for approval by {}{begins}", approval.in_words())))
}

/// What an elevation asks for, as it is kept. It waits for nobody yet.
///
/// # Errors
/// If the kernel gives no random bits.
pub fn request(
    agent: &Agent,
    elevation: &Elevation,
    reason: Option<String>,
    now: Moment,
) -> Result<Request, Refusal> {
    let Elevation { plan, keys, loginuid, asker, .. } = elevation;
    let binding = plan.binding.as_ref().ok_or_else(|| Refusal::failure("a request without its binding"))?;
    let approval = plan.rule().and_then(|rule| rule.require.approval.as_ref());
    Ok(Request {
        id: identifier::new().map_err(|error| Refusal::failure(error.to_string()))?,
        digest: digest(binding),
        binding: (**binding).clone(),
        for_rule: approval.is_some_and(|approval| approval.binding == Binding::Rule),
        purpose: plan.purpose.clone(),
        subject: plan.subject.clone(),
        begins_ns: plan.from.map(realtime),
        reason,
        loginuid: *loginuid,
        asker: asker.clone(),
        keys: keys.clone(),
        asked_ns: now.realtime_ns,
        until: now.after(0),
        left_ns: 0,
        at_ns: now.realtime_ns,
        boot_id: agent.clock.boot_id().to_owned(),
        state: RequestState::Pending,
        approvals: Vec::new(),
        answer: None,
        grant: None,
        recorded: false,
    })
}
