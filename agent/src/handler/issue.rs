//! From a request that nobody has to answer any more to a grant that can be used.

use jit_audit::record::Record;
use jit_policy::Rule;
use jit_protocol::link::Deadline;

use crate::agent::Agent;
use crate::clock::{Moment, rfc3339};
use crate::grants::{Ahead, Approved, Grant};
use crate::identifier;
use crate::packed::Packed;
use crate::refusal::Refusal;
use crate::requests::{Committed, Request};
use crate::translate;

/// The grant that a request becomes now. `until`: when the permission ends by the times that rules name.
///
/// # Errors
/// If the time that it was asked for is over.
pub fn grant_of(
    agent: &Agent,
    request: &Request,
    rule: &Rule,
    until: Option<jiff::Timestamp>,
    approved: Option<Approved>,
    now: Moment,
) -> Result<Grant, Refusal> {
    let lives_ns = translate::lives(rule, request.subject.duration);
    let ahead = request.begins_ns.map(|begins_ns| Ahead { begins_ns, lives_ns, begun: false });
    let expires = translate::not_after(end(ahead, lives_ns, now), until);
    if now.is_past(expires) {
        return Err(Refusal::new("the time that this was asked for is over", "ask for a later one"));
    }
    Ok(Grant {
        id: identifier::new().map_err(|error| Refusal::failure(error.to_string()))?,
        purpose: request.purpose.clone(),
        user: request.binding.user.name.as_str().into(),
        target: request.binding.target.name.as_str().into(),
        issued_ns: now.realtime_ns,
        left_ns: now.until(expires),
        expires,
        boot_id: agent.clock.boot_id().into(),
        uses_left: rule.grant.uses,
        reason: request.reason.as_deref().map(Into::into),
        subject: Packed::new(&request.subject).map_err(|error| Refusal::failure(error.to_string()))?,
        approved: approved.map(Box::new),
        ahead,
    })
}

/// So long from now on, or from when it begins: what was asked for ahead ends at its time, however late somebody agreed.
fn end(ahead: Option<Ahead>, lives_ns: u64, now: Moment) -> Deadline {
    let Some(ahead) = ahead else { return now.after(lives_ns) };
    let begin = Moment { boottime_ns: now.boottime_ns, realtime_ns: ahead.begins_ns };
    let wall = begin.after(lives_ns).realtime_ns;
    let left = u64::try_from(wall.saturating_sub(now.realtime_ns)).unwrap_or(0);
    now.after(left)
}

/// The grant of a request that was committed with it can be used once `record`, its `grant.issued`, is in the log; then that
/// is told.
///
/// # Errors
/// If the log can't be written: the request is as it was before, and the grant is for the caller to withdraw.
pub async fn issue(
    agent: &Agent,
    committed: Committed<'_>,
    grant: &Grant,
    mut record: Record,
) -> Result<Request, Refusal> {
    record.grant = Some(grant.id.clone());
    let until = format!("until {}", rfc3339(grant.expires.realtime_ns));
    record.result = Some(match grant.ahead {
        Some(ahead) => format!("from {} {until}", rfc3339(ahead.begins_ns)),
        None => until,
    });
    if let Err(why) = agent.audit.append(record).await {
        agent.requests.undo(&committed, agent.clock.now());
        return Err(Refusal::unrecorded(why));
    }
    let now = agent.clock.now();
    agent.grants.share(&grant.id, now);
    Ok(agent.requests.tell(committed, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600 * 1_000_000_000;
    const HOURS: i64 = 3600 * 1_000_000_000;

    #[test]
    fn what_was_asked_for_ahead_ends_at_its_time_however_late_somebody_agreed() {
        let begins_ns = 100 * HOURS;
        let ahead = Some(Ahead { begins_ns, lives_ns: 2 * HOUR, begun: false });
        for (hours, left) in [(90, 12), (100, 2), (101, 1), (102, 0), (103, 0)] {
            let now = Moment { boottime_ns: 7 * HOUR, realtime_ns: hours * HOURS };
            assert_eq!(end(ahead, 2 * HOUR, now), now.after(left * HOUR), "agreed at {hours}");
            assert_eq!(now.is_past(end(ahead, 2 * HOUR, now)), left == 0, "agreed at {hours}");
        }
        let now = Moment { boottime_ns: 7 * HOUR, realtime_ns: 90 * HOURS };
        assert_eq!(end(None, 2 * HOUR, now), now.after(2 * HOUR));
    }
}
