//! `jitctl request --from`: a grant that begins later. With an approver: `tests/tests/guest/approvals.rs`; clocks that are set:
//! `clocks.rs`.

use std::time::Duration;

use jit_agent::clock::{Clock, rfc3339};
use jit_protocol::request::{Ahead, Elevate, Request};
use jit_protocol::response::{GrantView, RequestState, RequestView, Response};

use crate::duties::grants;
use crate::stage::{NOTHING, Stage, needs_root, order, refusal, rule};
use crate::wire::{command, id};

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;
/// What nobody has to approve.
const REASON: &str = "require = { authentication = \"none\", reason = true }\ngrant = { duration = \"10m\", max_duration = \"1h\" }";
const APPROVAL: &str = "require = { authentication = \"none\", approval = { approvers = [\"daemon\"] } }";

/// So long from now.
pub fn later(stage: &Stage, nanoseconds: u64) -> String {
    rfc3339(stage.clock.now().after(nanoseconds).realtime_ns)
}

pub fn ask(stage: &Stage, asked: Elevate, from: Option<&str>) -> Result<(String, String), String> {
    let wish = Ahead { asked, from: from.map(str::to_owned) };
    match stage.connect().ask(Request::Ask(Box::new(wish))) {
        Response::Asked { request, what } => Ok((request, what)),
        Response::Refused { what, .. } => Err(what),
        other => panic!("{other:?}"),
    }
}

fn because(asked: Elevate) -> Elevate {
    Elevate { reason: Some("INC-1".to_owned()), ..asked }
}

/// A script that has no reason to give.
fn quiet() -> Elevate {
    Elevate { non_interactive: true, ..id() }
}

fn requests(stage: &Stage) -> Vec<RequestView> {
    match stage.connect().ask(Request::Requests) {
        Response::Requests(requests) => requests,
        other => panic!("{other:?}"),
    }
}

fn only_grant(stage: &Stage) -> GrantView {
    let [grant] = grants(stage).try_into().unwrap();
    grant
}

// "Asked ahead: `jitctl request --from TIME --for D -- cmd` starts then, once approved."
#[test]
fn what_is_asked_for_ahead_begins_at_its_time_and_lives_for_as_long_as_it_was_asked_for() {
    let stage = Stage::with(&rule("id", REASON));
    let from = later(&stage, 2 * HOUR);
    let asked = because(Elevate { duration: Some(1800), ..id() });
    let (request, what) = ask(&stage, asked, Some(&from)).unwrap();
    assert!(what.starts_with("nobody has to approve this: the grant begins at 20"), "{what}");
    let grant = only_grant(&stage);
    let view = &requests(&stage)[0];
    assert_eq!(
        (view.state, &view.id, &view.grant),
        (RequestState::Approved, &request, &Some(grant.id.clone()))
    );
    assert_eq!(view.binding.from.as_deref().unwrap()[..19], from[..19]);
    assert_eq!(
        (grant.begins.as_deref().unwrap()[..19].to_owned(), grant.scope.as_str()),
        (from[..19].to_owned(), "user")
    );
    let record = stage.await_event("grant.issued");
    assert_eq!((&record["grant"], &record["request"]), (&grant.id.clone().into(), &request.into()));
    let result = record["result"].as_str().unwrap();
    assert!(result.starts_with(&format!("from {}", &from[..19])) && result.contains(" until "), "{result}");
    assert!(stage.monitor_within(NOTHING).is_none(), "nobody was asked for anything, and nothing is started");

    stage.clock.pass(2 * HOUR - 2 * SECOND);
    assert_eq!(refusal(&stage, quiet()), "a reason is required", "its time has not come");
    stage.clock.pass(2 * SECOND);
    let go = order(&stage, quiet()).go();
    assert_eq!(go.grant, grant.id);
    let left = stage.clock.now().until(go.deadline.unwrap());
    assert!((1798 * SECOND..=1800 * SECOND).contains(&left), "{left}");
    assert!(only_grant(&stage).begins.is_none(), "it has begun");
    stage.clock.pass(1800 * SECOND);
    assert_eq!(stage.await_event("grant.expired")["grant"], grant.id);
    assert_eq!(refusal(&stage, quiet()), "a reason is required");
    stage.verify_audit();
}

#[test]
fn what_can_not_be_asked_for_ahead_is_refused_in_words() {
    let stage = Stage::with(&rule("id", REASON));
    let soon = later(&stage, HOUR);
    let long = |seconds| because(Elevate { duration: Some(seconds), ..id() });
    for (asked, from, says) in [
        (id(), Some(soon.clone()), "a reason is required"),
        (because(id()), None, "lets you run this without asking ahead"),
        (because(id()), Some(later(&stage, 7 * 24 * HOUR + 10 * SECOND)), "more than 7 days ahead"),
        (because(id()), Some("2020-01-01T00:00:00Z".to_owned()), "that time is over"),
        (because(id()), Some("soon".to_owned()), "the time is none"),
        (long(3601), Some(soon.clone()), "options"),
        (because(command(&["true"])), Some(soon.clone()), "no rule lets you run this"),
    ] {
        let told = ask(&stage, asked, from.as_deref()).unwrap_err();
        assert!(told.contains(says), "{told}, not {says}");
    }
    assert!(grants(&stage).is_empty() && requests(&stage).is_empty());
    assert_eq!(stage.await_events("request.denied", 7).len(), 7);
}

#[test]
fn three_are_still_to_begin_at_a_time_and_one_can_be_given_up() {
    let stage = Stage::with(&rule("id", REASON));
    let from = |hours| later(&stage, hours * HOUR);
    for hours in 1..=3 {
        ask(&stage, because(id()), Some(&from(hours))).unwrap();
    }
    let told = ask(&stage, because(id()), Some(&from(4))).unwrap_err();
    assert_eq!(told, "3 grants of yours are still to begin already");
    let given_up = jit_protocol::request::Revoke::Grant(grants(&stage)[0].id.clone());
    assert!(matches!(stage.connect().ask(Request::Revoke(given_up)), Response::Done { .. }));
    ask(&stage, because(id()), Some(&from(4))).unwrap();
    assert_eq!(grants(&stage).len(), 3);
}

// "once approved": what the approver reads says when, and the yes is bound to that.
#[test]
fn what_somebody_has_to_approve_waits_with_its_time() {
    let stage = Stage::with(&rule("id", APPROVAL));
    let (from, other) = (later(&stage, HOUR), later(&stage, 2 * HOUR));
    let (first, what) = ask(&stage, id(), Some(&from)).unwrap();
    assert!(what.starts_with("this waits for approval by daemon; it begins at 20"), "{what}");
    let (folded, what) = ask(&stage, id(), Some(&from)).unwrap();
    assert!(folded == first && what.contains(" already "), "{what}");
    stage.clock.pass(1);
    let (second, _) = ask(&stage, id(), Some(&other)).unwrap();
    stage.clock.pass(1);
    let (at_once, _) = ask(&stage, id(), None).unwrap();
    let all = requests(&stage);
    let ids: Vec<&str> = all.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, [&first, &second, &at_once]);
    let (one, two) = (&all[0].digest, &all[1].digest);
    assert!(one != two && *one != all[2].digest && all[2].binding.from.is_none());
    let record = stage.await_events("approval.requested", 3).swap_remove(0);
    assert!(record["result"].as_str().unwrap().starts_with(&format!("from {}", &from[..19])), "{record}");
    // It waits as long as the rule says, and no longer than its time.
    stage.clock.pass(HOUR / 2);
    assert_eq!(requests(&stage)[0].state, RequestState::Expired);
}

#[test]
fn it_outlives_the_agent_and_a_reboot_and_is_never_longer_for_it() {
    let mut stage = Stage::with(&rule("id", REASON));
    ask(&stage, because(id()), Some(&later(&stage, 3 * HOUR))).unwrap();
    let grant = only_grant(&stage);
    stage.crash();
    stage.start();
    assert_eq!(only_grant(&stage), grant);
    stage.reboot(Duration::from_hours(1), 0);
    assert_eq!(only_grant(&stage), grant);
    stage.clock.pass(2 * HOUR);
    assert_eq!(order(&stage, quiet()).run(0).grant, grant.id);
    stage.reboot(Duration::from_mins(5), 0);
    assert_eq!(order(&stage, quiet()).run(0).grant, grant.id, "ten minutes from its time on");
    stage.clock.pass(300 * SECOND);
    assert_eq!(refusal(&stage, quiet()), "a reason is required");
    stage.verify_audit();
}

// "conditions … checked at use as for any grant": and at the request as they will be then.
#[test]
fn a_window_counts_as_it_is_at_its_time() {
    needs_root(); // reload is root's
    let window = |time: &str| rule("id", &format!("{REASON}\nwhen.time = [\"{time} UTC\"]"));
    let stage = Stage::with(&window("22:00..23:00"));
    let at = |time: &str| format!("2026-06-01T{time}:00Z");
    stage.clock.set_wall(at("12:00").parse::<jiff::Timestamp>().unwrap().as_nanosecond().try_into().unwrap());
    let hour = because(Elevate { duration: Some(3600), ..id() });
    for outside in ["13:00", "23:00"] {
        let told = ask(&stage, hour.clone(), Some(&at(outside))).unwrap_err();
        assert_eq!(told, "no rule lets you run this at this time");
    }
    ask(&stage, hour, Some(&at("22:30"))).unwrap();
    let grant = only_grant(&stage);
    assert!(grant.expires.starts_with("2026-06-01T23:00:00"), "{grant:?}");
    let reload =
        || assert!(matches!(stage.connect().ask(Request::Reload { force: false }), Response::Done { .. }));
    reload();
    assert_eq!(only_grant(&stage), grant, "the rule permits it, at its time");
    stage.write_policy("50-test.toml", &window("22:00..22:45"));
    reload();
    assert!(only_grant(&stage).expires.starts_with("2026-06-01T22:45:00"));
    stage.write_policy("50-test.toml", &window("20:00..22:00"));
    reload();
    assert!(grants(&stage).is_empty(), "nor is it permitted then any more");
    let ended = stage.await_event("grant.revoked");
    assert_eq!(ended["result"], "policy no longer permits it");
}
