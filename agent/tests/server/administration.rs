//! What the command line asks: status, grants, sessions, revoke, the log's head.

use std::thread;
use std::time::{Duration, Instant};

use jit_protocol::link::{FromMonitor, ToMonitor};
use jit_protocol::request::{Request, Revoke};
use jit_protocol::response::{Response, State};

use crate::messages::as_user;
use crate::stage::{SOON, Stage, rule, us};
use crate::wire::{Wire, id};

const NO_DUTY: &str = "require.authentication = \"none\"";

#[test]
fn status_tells_what_works() {
    let stage = Stage::with(&rule("id", NO_DUTY));
    let Response::Status(status) = stage.connect().ask(Request::Status) else { panic!() };
    assert_eq!((status.policy.rules, status.policy.stale), (1, false));
    let files = [stage.paths.policy.join("50-test.toml").display().to_string()];
    assert_eq!(status.policy.files, if us() == 0 { &files[..] } else { &[] }, "paths are for root");
    assert_eq!(status.policy.digest.len(), 64);
    let spawner = status.parts.iter().find(|part| part.id == "spawner").expect("the spawner");
    assert_eq!(spawner.state, State::Works);
    assert_eq!((status.grants, status.sessions), (0, 0));
}

#[test]
fn a_logind_that_rules_need_and_that_does_not_answer_is_in_the_status() {
    crate::stage::needs_root(); // what policy is like is for root
    let logind = |stage: &Stage| {
        let Response::Status(status) = stage.connect().ask(Request::Status) else { panic!() };
        status.parts.into_iter().find(|part| part.id == "logind")
    };
    assert_eq!(logind(&Stage::with(&rule("id", NO_DUTY))), None);
    let stage = Stage::with(&rule("id", "when.origin = [\"ssh\"]"));
    assert_eq!(logind(&stage).unwrap().state, State::Works, "nobody has asked");
    crate::stage::refusal(&stage, id());
    let end = Instant::now() + SOON;
    while logind(&stage).unwrap().state == State::Works {
        assert!(Instant::now() < end, "nobody has noticed");
        thread::sleep(Duration::from_millis(10));
    }
    let detail = logind(&stage).unwrap().detail;
    assert!(detail.starts_with("there is no system bus"), "{detail}");
}

// "`revoke` ends grants and their sessions"
#[test]
fn a_revoked_grant_ends_its_sessions_and_serves_no_more() {
    let stage = Stage::with(&rule("id", NO_DUTY));
    stage.connect().elevate(id());
    let monitor = stage.monitor();
    let grant = monitor.go().grant;
    monitor.say(&FromMonitor::Running { pid: 1, cgroup: "s-1".to_owned() });
    let unknown = stage.connect().ask(Request::Revoke(Revoke::Grant("0".repeat(32))));
    assert!(matches!(unknown, Response::Refused { .. }), "{unknown:?}");
    let done = stage.connect().ask(Request::Revoke(Revoke::Grant(grant.clone())));
    assert!(matches!(done, Response::Done { .. }), "{done:?}");
    assert!(matches!(monitor.hear(), ToMonitor::Terminate { .. }));
    assert_eq!(stage.await_event("grant.revoked")["grant"], grant);
    stage.connect().elevate(id());
    assert_ne!(stage.monitor().go().grant, grant);
}

// "Everyone sees and ends what is their own … everything else needs uid 0"
#[test]
fn another_users_grants_are_neither_seen_nor_ended() {
    crate::stage::needs_root(); // only root can be several users
    let stage = Stage::with(&rule("id", NO_DUTY));
    stage.connect().elevate(id());
    let monitor = stage.monitor();
    let grant = monitor.go().grant;
    let path = stage.paths.agent_socket.clone();
    let ask = |request: Request| {
        let path = path.clone();
        as_user(1000, move || Wire::connect(&path).ask(request))
    };
    assert_eq!(ask(Request::Grants { all: false }), Response::Grants(Vec::new()));
    assert_eq!(ask(Request::Sessions { all: false }), Response::Sessions(Vec::new()));
    for request in [
        Request::Grants { all: true },
        Request::Sessions { all: true },
        Request::AuditHead,
        Request::RotateAudit { if_due: false },
        Request::RotateAudit { if_due: true },
        Request::Reload { force: false },
        Request::Revoke(Revoke::Grant(grant)),
        Request::Revoke(Revoke::User("#0".to_owned())),
    ] {
        let answer = ask(request.clone());
        assert!(matches!(answer, Response::Refused { .. }), "{request:?}: {answer:?}");
    }
    let Response::Status(status) = ask(Request::Status) else { panic!() };
    assert_eq!(
        (status.policy.rules, status.policy.digest.as_str(), status.grants),
        (0, "", 0),
        "nor what policy is like"
    );
    assert!(status.parts.iter().all(|part| part.detail.is_empty()));
    ask(Request::Revoke(Revoke::All));
    let Response::Grants(grants) = stage.connect().ask(Request::Grants { all: true }) else { panic!() };
    assert_eq!(grants.len(), 1, "all that are one's own are none");
}

#[test]
fn the_head_of_the_log_is_the_one_in_the_file() {
    crate::stage::needs_root();
    let stage = Stage::with("schema = 1");
    let Response::AuditHead { seq, hash } = stage.connect().ask(Request::AuditHead) else { panic!() };
    let last = stage.audit().pop().unwrap();
    assert_eq!((last["seq"].as_u64(), last["hash"].as_str()), (Some(seq), Some(hash.as_str())));
}
