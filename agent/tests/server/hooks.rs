//! The administrator's programs are told of approvals and grants, by a monitor. What that does: `agent/session/tests`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use jit_protocol::frame::Kind;
use jit_protocol::request::{Elevate, Request};
use jit_protocol::response::{Part, Response, State};
use serde_json::json;

use crate::stage::{NOTHING, SOON, Stage, needs_root, order, rule};
use crate::wire::{command, id};

const APPROVAL: &str =
    "require = { authentication = \"none\", approval = { approvers = [\"daemon\", \"%adm\"] } }";

fn hook(stage: &Stage, name: &str, mode: u32) {
    fs::create_dir_all(&stage.paths.hooks).unwrap();
    let path = stage.paths.hooks.join(name);
    fs::write(&path, "#!/bin/sh\n").unwrap();
    for (path, mode) in [(&stage.paths.hooks, 0o755), (&path, mode)] {
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
}

fn part(stage: &Stage) -> Part {
    let Response::Status(status) = stage.connect().ask(Request::Status) else { panic!() };
    status.parts.into_iter().find(|part| part.id == "hooks").unwrap()
}

fn file(stage: &Stage, asked: Elevate) -> String {
    let wire = stage.connect();
    wire.elevate(asked);
    let frame = wire.frame();
    assert_eq!(frame.kind, Kind::Pending, "{}", frame.first_text());
    frame.first_text()
}

/// Until something holds that does not happen at once.
fn until(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < SOON, "waited in vain");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_request_is_told_as_the_approver_needs_it_once_it_is_in_the_log() {
    let stage = Stage::with(&rule("id", APPROVAL));
    hook(&stage, "chat", 0o755);
    let asked = Elevate { reason: Some("INC-1".to_owned()), ..command(&["id", "a b\u{1b}[2J\n"]) };
    let id = file(&stage, asked);
    let errand = stage.errand();
    let telling = &errand.telling;
    assert_eq!(telling.user, "jit-hook");
    assert_eq!(telling.folder, stage.paths.hooks.to_str().unwrap());
    assert!(!telling.event.contains('\n'));
    let event: serde_json::Value = serde_json::from_str(&telling.event).unwrap();
    let record = stage.await_event("approval.requested");
    let Response::Requests(requests) = stage.connect().ask(Request::Requests) else { panic!() };
    let expected = json!({
        "version": 1,
        "event": "approval.requested",
        "time": record["time"],
        "host": record["host"],
        "request": id,
        "rule": "id",
        "user": requests[0].binding.user.name,
        "target": "root",
        "command": ["id", "a b\\x1b[2J\\n"],
        "reason": "INC-1",
        "approvers": ["%adm", "daemon"],
        "until": requests[0].until,
    });
    assert_eq!(event, expected);
}

#[test]
fn a_no_and_a_grant_are_told_too() {
    let stage = Stage::with(&rule("id", APPROVAL));
    hook(&stage, "chat", 0o755);
    let request = file(&stage, id());
    stage.errand();
    stage.connect().ask(Request::Decline { request: request.clone(), reason: Some("typo".to_owned()) });
    let event = stage.errand().event();
    assert_eq!((&event["event"], &event["request"]), (&"approval.refused".into(), &request.into()));
    assert_eq!(event["result"], "taken back: typo");

    stage.write_policy("50-test.toml", &rule("id", "require.authentication = \"none\""));
    assert!(matches!(stage.connect().ask(Request::Reload { force: false }), Response::Done { .. }));
    let wire = stage.connect();
    wire.elevate(id());
    let go = stage.monitor().go();
    let event = stage.errand().event();
    assert_eq!((&event["event"], &event["grant"]), (&"grant.issued".into(), &go.grant.into()));
    assert!(event["until"].is_string() && event["target"] == "root", "{event}");
}

#[test]
fn nobody_is_bothered_where_there_is_no_hook_or_none_that_counts() {
    let stage = Stage::with(&rule("id", APPROVAL));
    assert_eq!((part(&stage).state, part(&stage).detail), (State::Works, "none".to_owned()));
    file(&stage, id());
    assert!(stage.errand_within(NOTHING).is_none());
    hook(&stage, "chat", 0o757);
    file(&stage, command(&["id", "-g"]));
    assert!(stage.errand_within(NOTHING).is_none());
    assert_eq!(part(&stage).state, State::Degraded);
}

// The status shows details to root alone.
#[test]
fn what_goes_wrong_shows_in_the_status_until_it_goes_well() {
    needs_root();
    let stage = Stage::with(&rule("id", APPROVAL));
    hook(&stage, "chat", 0o755);
    hook(&stage, "mail", 0o644);
    let detail = part(&stage).detail;
    assert!(detail.contains("mail is not executable (chmod +x)"), "{detail}");
    hook(&stage, "mail", 0o755);
    assert_eq!((part(&stage).state, part(&stage).detail), (State::Works, "2 programs".to_owned()));
    file(&stage, id());
    stage.errand().answer(&["chat: ended with status 3"]);
    until(|| part(&stage).detail == "chat: ended with status 3");
    assert_eq!(part(&stage).state, State::Degraded);
    file(&stage, command(&["id", "-g"]));
    stage.errand().answer(&[]);
    until(|| part(&stage).state == State::Works);
    // A monitor that dies of it fails no request.
    file(&stage, command(&["id", "-G"]));
    drop(stage.errand());
    until(|| part(&stage).detail.contains("the monitor is gone"));
}

// Whoever may get many grants must not hide one among them from those who are told.
#[test]
fn what_was_not_told_is_told_to_be_missing_by_the_next_event() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\"\ngrant.max_duration = \"1h\""));
    hook(&stage, "chat", 0o755);
    let issue = || order(&stage, Elevate { duration: Some(60), ..id() }).run(0);
    let held: Vec<_> = (0..4)
        .map(|_| {
            issue();
            stage.errand()
        })
        .collect();
    // One more is about to be told, and 256 wait.
    for _ in 0..266 {
        issue();
    }
    stage.await_events("grant.issued", 270);
    let next = held.into_iter().map(|errand| {
        errand.answer(&[]);
        stage.errand()
    });
    let next: Vec<_> = next.collect();
    let missed: Vec<_> = next.iter().map(|errand| errand.event()["missed"].as_u64()).collect();
    assert!(matches!(missed[..], [None, Some(5..=9), None, None]), "{missed:?}");
}

#[test]
fn no_more_than_four_are_told_at_a_time_and_commands_do_not_wait() {
    let stage = Stage::with_settings(
        "limits.pending_per_user = 9\nlimits.first_message = \"1m\"\nlimits.request = \"2m\"\nlookup.timeout = \"1m\"\n",
        &format!(
            "{}\n{}",
            rule("id", APPROVAL),
            rule("true", "").replace("schema = 1", "").replace("/usr/bin/id **", "/usr/bin/true")
        ),
    );
    hook(&stage, "chat", 0o755);
    for option in ["-u", "-g", "-G", "-un", "-gn", "-Gn"] {
        file(&stage, command(&["id", option]));
    }
    let mut held: Vec<_> = (0..4).map(|_| stage.errand()).collect();
    assert!(stage.errand_within(NOTHING).is_none());
    assert_eq!(order(&stage, command(&["true"])).order.argv, ["true".into()]);
    held.pop().unwrap().answer(&[]);
    stage.errand();
}
