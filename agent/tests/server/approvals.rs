//! Where policy wants somebody else's yes: what is filed, what a yes is bound to, and who may say it. With two people on
//! real terminals: `tests/tests/guest/approvals.rs`.

use std::time::Duration;

use jit_protocol::frame::Kind;
use jit_protocol::link::{FromMonitor, ToMonitor};
use jit_protocol::request::{Elevate, Mode, Request};
use jit_protocol::response::{RequestState, RequestView, Response};

use crate::stage::{NOTHING, PATIENT, Stage, needs_root, order, refusal, rule};
use crate::wire::{command, id};

const SECOND: u64 = 1_000_000_000;
const APPROVAL: &str = "require = { authentication = \"none\", approval = { approvers = [\"daemon\"] } }";

/// Files a request; its id, and what is told.
fn file(stage: &Stage, asked: Elevate) -> (String, String) {
    let wire = stage.connect();
    wire.elevate(asked);
    let frame = wire.frame();
    assert_eq!(frame.kind, Kind::Pending, "{}", frame.first_text());
    (frame.first_text(), frame.second_text())
}

fn requests(stage: &Stage) -> Vec<RequestView> {
    match stage.connect().ask(Request::Requests) {
        Response::Requests(requests) => requests,
        other => panic!("{other:?}"),
    }
}

fn refused(response: Response) -> String {
    match response {
        Response::Refused { what, .. } => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_needs_approval_is_filed_and_nothing_is_started() {
    let stage = Stage::with(&rule("id", APPROVAL));
    let asked = Elevate { reason: Some("INC-1".to_owned()), cwd: "/usr".into(), ..id() };
    let (id, told) = file(&stage, asked);
    assert_eq!(told, "this waits for approval by daemon");
    assert!(stage.monitor_within(NOTHING).is_none());
    let [request] = requests(&stage).try_into().unwrap();
    let binding = &request.binding;
    assert_eq!((&request.id, request.state, request.answerable), (&id, RequestState::Pending, false));
    assert_eq!(
        (binding.program.to_string_lossy(), binding.folder.path.to_string_lossy()),
        ("/usr/bin/id".into(), "/usr".into())
    );
    assert_eq!(binding.command, ["id".into(), "-u".into()]);
    let sum = std::process::Command::new("sha256sum").arg("/usr/bin/id").output().unwrap().stdout;
    assert!(sum.starts_with(binding.sha256.as_bytes()), "the file's own digest");
    let record = stage.await_event("approval.requested");
    assert_eq!((&record["request"], &record["reason"]), (&id.into(), &"INC-1".into()));
    assert!(record["session"].is_null() && record["grant"].is_null());
    stage.verify_audit();
}

#[test]
fn the_same_request_is_folded_and_another_one_is_not() {
    let stage = Stage::with(&rule("id", APPROVAL));
    let (first, _) = file(&stage, id());
    let (second, told) = file(&stage, id());
    assert_eq!((second, told.contains(" already ")), (first.clone(), true));
    let others = [command(&["id", "-g"]), Elevate { duration: Some(60), ..id() }];
    for other in others {
        assert_ne!(file(&stage, other).0, first);
    }
    assert_eq!(stage.await_events("approval.requested", 3).len(), 3);
}

// "at most 3 pending a user"
#[test]
fn three_requests_of_one_user_wait_and_a_fourth_is_refused() {
    let stage = Stage::with(&rule("id", APPROVAL));
    let ids: Vec<String> = ["-u", "-g", "-G"].map(|option| file(&stage, command(&["id", option])).0).into();
    assert!(refusal(&stage, command(&["id", "-n"])).contains("wait for approval already"));
    let taken_back = stage.connect().ask(Request::Decline { request: ids[0].clone(), reason: None });
    assert!(matches!(taken_back, Response::Done { .. }), "{taken_back:?}");
    file(&stage, command(&["id", "-n"]));
    let record = stage.await_event("approval.refused");
    assert!(record["approver"].is_null(), "nobody but who asked: {record}");
}

// "the approver sees all of it, … never cut"
#[test]
fn what_nobody_could_read_is_not_filed() {
    let stage = Stage::with(&rule("id", APPROVAL));
    file(&stage, command(&["id", &"x".repeat(10_000)]));
    let told = refusal(&stage, command(&["id", &"x".repeat(17_000)]));
    assert_eq!(told, "this is too long for anybody to approve");
    assert_eq!(requests(&stage).len(), 1);
}

// "-n and --json fail at once with the request's id, so that scripts can ask without holding any secret"
#[test]
fn with_n_it_is_filed_without_a_password_but_not_without_a_reason() {
    let approval = "require = { reason = true, approval = { approvers = [\"daemon\"] } }";
    let stage = Stage::with(&rule("id", approval));
    let quiet = Elevate { non_interactive: true, ..id() };
    assert_eq!(refusal(&stage, quiet.clone()), "a reason is required");
    file(&stage, Elevate { reason: Some("INC-1".to_owned()), ..quiet });
    assert!(stage.monitor_within(NOTHING).is_none(), "nobody was asked for a password");
}

#[test]
fn a_reason_that_is_wanted_is_asked_for_before_it_is_filed() {
    let approval = "require = { reason = \"INC-[0-9]+\", approval = { approvers = [\"daemon\"] } }";
    let stage = Stage::with(&rule("id", approval));
    for (reason, filed) in [("no", false), ("INC-7", true)] {
        let monitor = order(&stage, id());
        assert!(monitor.order.ask_reason && monitor.order.authenticate.is_none());
        assert_eq!(monitor.order.mode, Mode::Validate, "nothing is run by it");
        match monitor.fulfil_with(Some(reason)) {
            ToMonitor::Pending { request, .. } if filed => {
                assert_eq!(requests(&stage)[0].id, request);
                assert_eq!(requests(&stage)[0].reason.as_deref(), Some(reason));
            }
            ToMonitor::Refuse { what, .. } if !filed => assert!(what.contains("not accepted"), "{what}"),
            other => panic!("{other:?}"),
        }
        if filed {
            monitor.say(&FromMonitor::Gone); // who was refused is not waited for
        }
    }
}

#[test]
fn a_request_outlives_the_agent_and_a_reboot_but_not_its_time() {
    let mut stage = Stage::with(&rule("id", APPROVAL));
    let (id, _) = file(&stage, id());
    stage.crash();
    stage.start();
    assert_eq!(
        (requests(&stage)[0].id.clone(), requests(&stage)[0].state),
        (id.clone(), RequestState::Pending)
    );
    stage.reboot(Duration::from_mins(10), 0);
    assert_eq!(requests(&stage)[0].state, RequestState::Pending);
    stage.clock.pass(20 * 60 * SECOND);
    assert_eq!(requests(&stage)[0].state, RequestState::Expired, "thirty minutes in all");
    let record = stage.await_event("approval.expired");
    assert_eq!(record["request"], id);
    let waited = stage.connect().ask(Request::Await { request: id });
    assert!(matches!(waited, Response::Requests(views) if views[0].state == RequestState::Expired));
}

#[test]
fn who_waits_is_told_as_soon_as_it_is_decided() {
    let stage = Stage::with(&rule("id", APPROVAL));
    let (id, _) = file(&stage, id());
    let waiting = stage.connect();
    waiting.send_request(Request::Await { request: id.clone() });
    assert!(waiting.receive_within(NOTHING).is_none(), "it waits");
    stage.connect().ask(Request::Decline { request: id, reason: Some("not now".to_owned()) });
    let Response::Requests(views) = waiting.response() else { panic!("no request") };
    assert_eq!(
        (views[0].state, views[0].answer.as_deref()),
        (RequestState::Withdrawn, Some("taken back: not now"))
    );
}

// "Every state change is on disk before anyone is told"
#[test]
fn what_the_log_does_not_take_is_neither_asked_for_nor_answered() {
    needs_root(); // others than root cannot fill the place of the log
    let mut stage = Stage::with(&rule("id", APPROVAL));
    let (waits, _) = file(&stage, id());
    std::fs::rename(&stage.paths.audit, stage.root().join("aside")).unwrap();
    std::fs::create_dir(&stage.paths.audit).unwrap();
    assert!(refusal(&stage, command(&["id", "-g"])).contains("the audit log cannot be written"));
    let take_back = || Request::Decline { request: waits.clone(), reason: None };
    assert!(refused(stage.connect().ask(take_back())).contains("the audit log cannot be written"));
    std::fs::remove_dir(&stage.paths.audit).unwrap();
    std::fs::rename(stage.root().join("aside"), &stage.paths.audit).unwrap();
    for restarts in [false, true] {
        if restarts {
            stage.crash();
            stage.start();
        }
        let [request] = requests(&stage).try_into().unwrap();
        assert_eq!((&request.id, request.state, &request.answer), (&waits, RequestState::Pending, &None));
    }
    let (_, told) = file(&stage, command(&["id", "-g"]));
    assert_eq!(told, "this waits for approval by daemon", "for the first time");
    assert!(matches!(stage.connect().ask(take_back()), Response::Done { .. }));
    assert_eq!(stage.await_events("approval.requested", 2).len(), 2);
    assert_eq!(stage.await_events("approval.refused", 1).len(), 1);
    stage.verify_audit();
}

// An agent that ends between log and store has said it already.
#[test]
fn that_nobody_answered_in_time_is_said_once() {
    for already in [false, true] {
        let mut stage = Stage::with(&rule("id", APPROVAL));
        let (waits, _) = file(&stage, id());
        stage.crash();
        if already {
            crate::restart::write_records(&stage, &[(jit_audit::Event::ApprovalExpired, "", "")]);
        }
        stage.clock.pass(30 * 60 * SECOND);
        for option in ["-g", "-n"] {
            stage.start();
            assert_eq!(requests(&stage)[0].state, RequestState::Expired);
            // Its record comes after what the agent had to say when it started.
            file(&stage, command(&["id", option]));
            let said = stage.await_events("approval.expired", 1);
            assert_eq!((said.len(), &said[0]["request"]), (1, &waits.clone().into()));
            stage.crash();
        }
        stage.verify_audit();
    }
}

#[test]
fn what_is_no_request_and_what_is_somebody_elses_look_the_same() {
    needs_root();
    let stage = Stage::with(&rule("id", APPROVAL));
    let (id, _) = file(&stage, id());
    let path = stage.paths.agent_socket.clone();
    let told = crate::messages::as_user(2, move || {
        let ask = |request: Request| crate::wire::Wire::connect(&path).ask(request);
        let unknown = "0".repeat(32);
        let all = [
            Request::Await { request: id.clone() },
            Request::Await { request: unknown.clone() },
            Request::Decline { request: id, reason: None },
            Request::Decline { request: unknown, reason: None },
        ]
        .map(|request| refused(ask(request)));
        (all, ask(Request::Requests))
    });
    assert_eq!(told.0, ["no such request waits"; 4]);
    assert_eq!(told.1, Response::Requests(Vec::new()), "of others' nothing is shown");
}

// "Nobody approves for themselves: not by uid, …"
#[test]
fn nobody_approves_their_own_request() {
    let own = APPROVAL.replace("daemon", &format!("#{}", crate::stage::us()));
    let stage = Stage::with(&rule("id", &own));
    let (request, _) = file(&stage, id());
    let digest = requests(&stage)[0].digest.clone();
    let approve = Elevate {
        mode: Mode::Approve,
        command: vec![request.as_str().into(), digest.as_str().into()],
        ..id()
    };
    assert_eq!(refusal(&stage, approve), "nobody approves their own request");
    assert_eq!(requests(&stage)[0].state, RequestState::Pending);
    assert!(stage.monitor_within(NOTHING).is_none(), "nor is a password asked for");
}

#[test]
fn a_rule_that_needs_no_approval_is_taken_before_one_that_does() {
    let both = rule("a", APPROVAL)
        + &format!(
            "[[rule]]\nid = \"b\"\nusers = [\"#{}\"]\ncommands = [\"/usr/bin/id -u\"]\n",
            crate::stage::us()
        );
    let stage = Stage::with(&both);
    let monitor = order(&stage, id());
    assert!(monitor.order.authenticate.is_some());
    monitor.run(0);
    assert_eq!(stage.await_event("session.started")["rule"], "b");
}

// Each holds its connection for a minute: without a limit one user could take all descriptors of the agent.
#[test]
fn only_so_many_wait_for_answers_at_a_time() {
    needs_root(); // for whom a limit of all together is the only one
    let settings = format!("{PATIENT}limits.connections = 8\nlimits.reserved_for_root = 1");
    let stage = Stage::with_settings(&settings, &rule("id", APPROVAL));
    let (request, _) = file(&stage, id());
    let wait = || {
        let wire = stage.connect();
        wire.send_request(Request::Await { request: request.clone() });
        wire
    };
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let wire = wait();
            stage.has_heard();
            wire
        })
        .collect();
    assert_eq!(refused(wait().response()), "too many wait for you already");
    stage.connect().ask(Request::Decline { request: request.clone(), reason: None });
    for wire in waiting {
        let Response::Requests(decided) = wire.response() else { panic!() };
        assert_eq!(decided[0].state, RequestState::Withdrawn);
    }
}
