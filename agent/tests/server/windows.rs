//! `when.time`: what a rule permits at some hours ends with them, as a grant does.

use jit_agent::clock::Clock;
use jit_protocol::link::ToMonitor;
use jit_protocol::request::{Elevate, Mode, Request};
use jit_protocol::response::Response;

use crate::stage::{Stage, needs_root, order, refusal, rule};
use crate::wire::{command, id};

const MINUTE: u64 = 60_000_000_000;
/// For an hour, between eight and six.
const OFFICE: &str =
    "when.time = [\"08:00..18:00 UTC\"]\nrequire.authentication = \"none\"\ngrant.duration = \"1h\"";

/// 2026-06-01, in UTC.
fn at(time: &str) -> i64 {
    let at: jiff::Timestamp = format!("2026-06-01T{time}Z").parse().unwrap();
    i64::try_from(at.as_nanosecond()).unwrap()
}

fn stage(policy: &str, time: &str) -> Stage {
    let stage = Stage::with(policy);
    stage.clock.set_wall(at(time));
    stage
}

// "what runs in it ends when the window closes as expiry does"
#[test]
fn a_grant_and_what_runs_on_it_end_with_the_window() {
    let stage = stage(&rule("id", OFFICE), "17:50:00");
    let go = order(&stage, id()).go();
    let deadline = go.deadline.unwrap();
    assert_eq!(deadline.realtime_ns, at("18:00:00"));
    assert_eq!(deadline.boottime_ns, stage.clock.now().boottime_ns + 60 * MINUTE);
    assert_eq!(go.begin_before, deadline);
    stage.clock.pass(10 * MINUTE);
    assert_eq!(stage.await_event("grant.expired")["grant"], go.grant);
    assert_eq!(refusal(&stage, id()), "no rule lets you run this at this time");
    stage.clock.set_wall(at("08:00:00"));
    assert_ne!(order(&stage, id()).run(0).grant, go.grant);
}

// As with `not_after`: the wall clock says when it is six o'clock, and never makes a grant longer than it was.
#[test]
fn a_clock_that_is_set_moves_the_end_of_the_window_and_prolongs_no_grant() {
    let stage = stage(&rule("id", OFFICE), "12:00:00");
    let first = order(&stage, id()).run(0).grant;
    stage.clock.set_wall(at("09:00:00"));
    stage.clock.pass(59 * MINUTE);
    assert_eq!(order(&stage, id()).run(0).grant, first);
    stage.clock.pass(MINUTE);
    let second = order(&stage, id()).run(0).grant;
    assert_ne!(second, first);
    stage.clock.set_wall(at("18:00:00"));
    assert_eq!(refusal(&stage, id()), "no rule lets you run this at this time");
}

#[test]
fn what_a_deny_forbids_from_six_on_ends_at_six_on_any_grant() {
    let policy = rule("id", "require.authentication = \"none\"\ngrant.duration = \"1h\"")
        + "[[rule]]\nid = \"evening\"\neffect = \"deny\"\nusers = [\"ALL\"]\ncommands = [\"/usr/bin/id -g **\"]\nwhen.time = [\"18:00..08:00 UTC\"]\n";
    let stage = stage(&policy, "17:50:00");
    let go = order(&stage, id()).go();
    assert_eq!(go.deadline.unwrap().realtime_ns, at("18:50:00"));
    let other = order(&stage, command(&["id", "-g"])).go();
    assert_eq!((&other.grant, other.deadline.unwrap().realtime_ns), (&go.grant, at("18:00:00")));
    stage.clock.pass(10 * MINUTE);
    assert_eq!(refusal(&stage, command(&["id", "-g"])), "denied by the rule evening");
    assert_eq!(order(&stage, id()).go().grant, go.grant);
}

// "must hold at the request, and again at each use": a password takes its time.
#[test]
fn what_closes_while_the_person_types_does_not_begin() {
    let stage = stage(&rule("id", &OFFICE.replace("none", "password")), "17:50:00");
    let monitor = order(&stage, id());
    stage.clock.pass(10 * MINUTE);
    let ToMonitor::Refuse { what, .. } = monitor.fulfil() else { panic!() };
    assert_eq!(what, "the rule's time is over");
}

#[test]
fn a_grant_ends_with_the_window_of_a_policy_that_is_loaded_later() {
    needs_root(); // reload is root's
    let stage = stage(&rule("id", &OFFICE.replace("18:00", "20:00")), "17:50:00");
    let go = order(&stage, id()).go();
    stage.write_policy("50-test.toml", &rule("id", OFFICE));
    assert!(matches!(stage.connect().ask(Request::Reload { force: false }), Response::Done { .. }));
    stage.clock.pass(10 * MINUTE);
    assert_eq!(stage.await_event("grant.expired")["grant"], go.grant);
}

#[test]
fn the_window_of_a_policy_that_is_loaded_while_the_person_types_counts() {
    needs_root(); // reload is root's
    let office = OFFICE.replace("none", "password");
    let stage = stage(&rule("id", &office.replace("18:00", "20:00")), "17:50:00");
    let monitor = order(&stage, id());
    stage.write_policy("50-test.toml", &rule("id", &office));
    assert!(matches!(stage.connect().ask(Request::Reload { force: false }), Response::Done { .. }));
    let ToMonitor::Go(go) = monitor.fulfil() else { panic!() };
    assert_eq!(go.deadline.unwrap().realtime_ns, at("18:00:00"));
}

#[test]
fn a_list_says_when_also_at_another_time() {
    let stage = stage(&rule("id", OFFICE), "20:00:00");
    stage.connect().elevate(Elevate { mode: Mode::List, ..command(&[]) });
    let ToMonitor::Part { stdout } = stage.monitor().fulfil() else { panic!() };
    assert!(stdout.contains("    only 08:00..18:00 UTC\n"), "{stdout}");
}

// "A condition that can't be determined does not hold in an allow"; "listed in `status`"
#[test]
fn a_zone_that_the_host_does_not_know_is_in_the_status() {
    needs_root(); // what policy is like is root's to know
    let stage = stage(&rule("id", &OFFICE.replace("UTC", "Mars/Olympus")), "12:00:00");
    assert_eq!(refusal(&stage, id()), "no rule lets you run this at this time");
    let Response::Status(status) = stage.connect().ask(Request::Status) else { panic!() };
    assert_eq!(status.policy.inert, ["id: time zone Mars/Olympus is not known"]);
}
