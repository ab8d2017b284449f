//! While PAM looks at the account: the grant and the intent are durable already (docs/decisions/0015), and nothing has begun.

use jit_protocol::link::{FromMonitor, ToMonitor};
use jit_protocol::request::{Elevate, Request, Revoke};
use jit_protocol::response::Response;

use crate::duties::grants;
use crate::stage::{Monitor, SOON, Stage, order, rule};
use crate::wire::id;

const SECOND: u64 = 1_000_000_000;

/// An order whose duties are fulfilled, and whose grant is durable, while PAM still looks at the account.
fn before_acceptance(stage: &Stage) -> Monitor {
    let monitor = order(stage, id());
    monitor.say(&FromMonitor::Fulfilled { authenticated: false, reason: None });
    let is_live = || match stage.connect().ask(Request::Sessions { all: false }) {
        Response::Sessions(all) => all.len() == 1,
        other => panic!("{other:?}"),
    };
    let end = std::time::Instant::now() + SOON;
    while !is_live() {
        assert!(std::time::Instant::now() < end, "the session is known");
    }
    order(stage, id()).run(0); // what it waited for is durable after that grant of its own
    monitor
}

/// It is told so, and obeys: what the log has of it ends with that.
fn begins_nothing(stage: &Stage, monitor: &Monitor, why: &str) {
    assert!(matches!(monitor.hear(), ToMonitor::Go(_)), "said before PAM's word");
    match monitor.hear() {
        ToMonitor::Terminate { why: told } => assert_eq!(told, why),
        other => panic!("{other:?}"),
    }
    monitor.say(&FromMonitor::Refused { what: why.to_owned(), after_go: true });
    let refused = stage.await_event("session.refused");
    assert_eq!(
        (refused["result"].as_str(), refused["session"].as_str()),
        (Some(why), Some(monitor.order.session.as_str()))
    );
    assert!(grants(stage).is_empty());
}

// A grant that was issued for a command is for nothing else once PAM takes the account not at all; nor is it a sign that
// the person was there.
#[test]
fn a_refused_account_has_neither_grant_nor_record() {
    let stage = Stage::with(&rule("id", ""));
    let monitor = order(&stage, id());
    monitor.say(&FromMonitor::Fulfilled { authenticated: true, reason: None });
    assert!(matches!(monitor.hear(), ToMonitor::Go(_)));
    let what = "this account may not be used now: expired".to_owned();
    monitor.say(&FromMonitor::Refused { what: what.clone(), after_go: false });
    drop(monitor);
    assert_eq!(stage.await_event("session.refused")["result"], what.as_str());
    let revoked = stage.await_event("grant.revoked");
    assert_eq!(revoked["result"], "nothing began on it");
    assert_eq!(revoked["grant"], stage.await_event("grant.issued")["grant"]);
    assert!(grants(&stage).is_empty());
    assert!(order(&stage, id()).order.authenticate.is_some(), "no record");
}

// The last words of a monitor that is gone before it could be told anything.
#[test]
fn a_refusal_is_known_even_if_the_monitor_did_not_wait_for_go() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\"\ngrant.uses = 1"));
    let monitor = order(&stage, id());
    monitor.say(&FromMonitor::Fulfilled { authenticated: false, reason: None });
    monitor.say(&FromMonitor::Refused { what: "not now".to_owned(), after_go: false });
    drop(monitor);
    assert_eq!(stage.await_event("session.refused")["result"], "not now");
    assert_eq!(stage.await_event("grant.revoked")["result"], "nothing began on it");
    assert!(grants(&stage).is_empty());
}

// Of a grant with some uses the last one may be given back.
#[test]
fn a_grant_is_exhausted_once_its_last_use_begins() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\"\ngrant.uses = 2"));
    let grant = order(&stage, id()).run(0).grant;
    let monitor = order(&stage, id());
    monitor.say(&FromMonitor::Fulfilled { authenticated: false, reason: None });
    assert!(matches!(monitor.hear(), ToMonitor::Go(go) if go.grant == grant));
    monitor.say(&FromMonitor::Refused { what: "not now".to_owned(), after_go: false });
    drop(monitor);
    stage.await_event("session.refused");
    let given_back = || grants(&stage).iter().any(|live| live.id == grant);
    let end = std::time::Instant::now() + SOON;
    while !given_back() {
        assert!(std::time::Instant::now() < end, "the use is given back");
    }
    assert!(!stage.events().contains(&"grant.exhausted".to_owned()), "{:?}", stage.events());
    assert_eq!(order(&stage, id()).run(0).grant, grant);
    assert_eq!(stage.await_event("grant.exhausted")["grant"], grant);
    assert_eq!(stage.await_events("session.ended", 2).len(), 2);
    assert_eq!(stage.events().iter().filter(|event| *event == "grant.exhausted").count(), 1);
}

// Commands are whole in the log where they start: who may run nothing must not fill the disk with them.
#[test]
fn who_is_refused_by_pam_again_and_again_starts_no_more_sessions_in_the_log() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\""));
    for _ in 0..100 {
        let monitor = order(&stage, id());
        monitor.say(&FromMonitor::Fulfilled { authenticated: false, reason: None });
        monitor.say(&FromMonitor::Refused { what: "not now".to_owned(), after_go: false });
        drop(monitor);
        let none = || matches!(stage.connect().ask(Request::Sessions { all: false }), Response::Sessions(all) if all.is_empty());
        let end = std::time::Instant::now() + SOON;
        while !none() {
            assert!(std::time::Instant::now() < end, "it is over");
        }
    }
    let started = stage.await_events("session.started", 20).len();
    assert!(started <= 21, "{started}");
    let monitor = order(&stage, id());
    monitor.go();
    monitor.say(&FromMonitor::Running { pid: 4242, cgroup: "s-1".to_owned() });
    drop(monitor);
    stage.await_event("session.ended"); // and once PAM takes them, they are served
    stage.clock.pass(10 * SECOND);
    let counted =
        || stage.await_events("request.denied", 1).iter().filter_map(|it| it["count"].as_u64()).sum::<u64>();
    assert!(counted() >= 75, "{}", counted());
}

// Once it is said that a grant was revoked nothing begins on it.
#[test]
fn what_is_revoked_while_pam_looks_at_the_account_does_not_begin() {
    for on_expiry in ["terminate", "finish"] {
        let more = format!("require.authentication = \"none\"\ngrant.on_expiry = \"{on_expiry}\"");
        let stage = Stage::with(&rule("id", &more));
        let monitor = before_acceptance(&stage);
        assert!(matches!(stage.connect().ask(Request::Revoke(Revoke::All)), Response::Done { .. }));
        let by_root = if crate::stage::us() == 0 { " by root" } else { "" };
        begins_nothing(&stage, &monitor, &format!("the grant was revoked{by_root}"));
    }
}

// As above, for the time that PAM needs to open the session; after that a command may finish.
#[test]
fn what_policy_forbids_while_pam_opens_the_session_does_not_begin() {
    crate::stage::needs_root(); // reload is root's
    let stage = Stage::with(&rule("id", "require.authentication = \"none\"\ngrant.on_expiry = \"finish\""));
    let monitor = order(&stage, id());
    let grant = monitor.go().grant;
    while order(&stage, id()).run(0).grant != grant {} // until PAM's word has come
    stage.write_policy("50-test.toml", "schema = 1\n");
    assert!(matches!(stage.connect().ask(Request::Reload { force: false }), Response::Done { .. }));
    assert!(matches!(monitor.hear(), ToMonitor::Terminate { .. }));
}

// However long PAM takes to accept the account, a record is as old as the password.
#[test]
fn the_time_that_pam_takes_counts_for_the_record() {
    let stage = Stage::with(&rule("id", ""));
    let monitor = order(&stage, id());
    monitor.say(&FromMonitor::Fulfilled { authenticated: true, reason: None });
    let ToMonitor::Go(go) = monitor.hear() else { panic!() };
    stage.clock.pass(200 * SECOND);
    monitor.say(&FromMonitor::Accepted);
    let ignoring = || Elevate { ignore_record: true, ..id() };
    while order(&stage, ignoring()).run(0).grant != go.grant {} // until PAM's word has come
    assert!(order(&stage, id()).order.authenticate.is_none());
    stage.clock.pass(100 * SECOND);
    assert!(order(&stage, id()).order.authenticate.is_some());
}

// Rule 12: checked at each use. PAM may take its time, and a command that may finish has no deadline of its own.
#[test]
fn what_expires_while_pam_looks_at_the_account_does_not_begin() {
    let more = "require.authentication = \"none\"\ngrant = { duration = \"1m\", on_expiry = \"finish\" }";
    let stage = Stage::with(&rule("id", more));
    let monitor = before_acceptance(&stage);
    stage.clock.pass(60 * SECOND);
    begins_nothing(&stage, &monitor, "the grant has expired");
}

// As above, for a policy that is loaded meanwhile.
#[test]
fn what_policy_forbids_while_pam_looks_at_the_account_does_not_begin() {
    crate::stage::needs_root(); // reload is root's
    for on_expiry in ["terminate", "finish"] {
        let more = format!("require.authentication = \"none\"\ngrant.on_expiry = \"{on_expiry}\"");
        let stage = Stage::with(&rule("id", &more));
        let monitor = before_acceptance(&stage);
        stage.write_policy("50-test.toml", "schema = 1\n");
        assert!(matches!(stage.connect().ask(Request::Reload { force: false }), Response::Done { .. }));
        begins_nothing(&stage, &monitor, "policy no longer permits it");
    }
}
