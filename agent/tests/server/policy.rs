//! Policy while the agent runs: reload, rejection, and what happens to what lives.

use std::os::unix::fs::symlink;

use jit_protocol::link::{ExitStatus, FromMonitor, ToMonitor};
use jit_protocol::request::{Elevate, Request};
use jit_protocol::response::{PolicyStatus, Response};

use crate::stage::{Stage, rule};
use crate::wire::id;

const NO_DUTY: &str = "require.authentication = \"none\"";

fn reload(stage: &Stage) -> Response {
    stage.connect().ask(Request::Reload { force: false })
}

fn status(stage: &Stage) -> PolicyStatus {
    match stage.connect().ask(Request::Status) {
        Response::Status(status) => status.policy,
        other => panic!("{other:?}"),
    }
}

fn refusal(stage: &Stage) -> String {
    let wire = stage.connect();
    wire.elevate(id());
    wire.refusal()
}

// "Bad policy: the last good one stays … deny rules of the new files that do parse apply at once"
#[test]
fn a_bad_policy_is_shown_and_changes_nothing_but_denies() {
    crate::stage::needs_root();
    let stage = Stage::with(&rule("id", NO_DUTY));
    let before = status(&stage);
    stage.write_policy("60-bad.toml", "schema = 1\n[[rule]\n");
    let Response::Refused { what, .. } = reload(&stage) else { panic!() };
    assert!(what.contains("60-bad.toml"), "{what}");
    let now = status(&stage);
    assert!(now.stale && now.mistakes.is_some());
    assert_eq!(now.digest, before.digest);
    stage.connect().elevate(id());
    stage.monitor().run(0);
    assert_eq!(stage.await_event("session.ended")["policy_stale"], true);
    stage.await_event("policy.rejected");

    let deny =
        "schema = 1\n[[rule]]\nid = \"stop\"\neffect = \"deny\"\nusers = [\"ALL\"]\ncommands = [\"ALL\"]\n";
    stage.write_policy("70-stop.toml", deny);
    assert!(matches!(reload(&stage), Response::Refused { .. }));
    assert_eq!(refusal(&stage), "denied by the rule stop");

    std::fs::remove_file(stage.paths.policy.join("60-bad.toml")).unwrap();
    std::fs::remove_file(stage.paths.policy.join("70-stop.toml")).unwrap();
    assert!(matches!(reload(&stage), Response::Done { .. }));
    assert!(!status(&stage).stale);
    stage.await_event("policy.loaded");
}

#[test]
fn each_file_that_is_not_believed_is_named() {
    crate::stage::needs_root();
    let stage = Stage::with(&rule("id", NO_DUTY));
    let path = stage.paths.policy.join("60-x.toml");
    let cases: [(&str, &dyn Fn()); 4] = [
        ("symbolic link", &|| symlink("50-test.toml", &path).unwrap()),
        ("others", &|| {
            stage.write_policy("60-x.toml", "schema = 1");
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        }),
        ("UTF-8", &|| std::fs::write(&path, b"schema = 1 # \xff").unwrap()),
        ("64 MiB", &|| std::fs::File::create(&path).unwrap().set_len(65 << 20).unwrap()),
    ];
    for (says, make) in cases {
        make();
        let Response::Refused { what, .. } = reload(&stage) else { panic!("{says}") };
        assert!(what.contains("60-x.toml") && what.contains(says), "{says}: {what}");
        std::fs::remove_file(&path).unwrap();
    }
    symlink("/dev/null", &path).unwrap();
    assert!(matches!(reload(&stage), Response::Done { .. }), "a link to /dev/null disables a file");
}

// "An empty policy.d is valid and denies all."
#[test]
fn no_policy_at_all_denies_everything() {
    let mut stage = Stage::without_agent();
    stage.start();
    assert!(!status(&stage).stale);
    assert_eq!(refusal(&stage), "you may not run this");
}

// "at boot with bad policy and no last good: deny all, but up"
#[test]
fn a_bad_policy_at_the_start_denies_everything_and_the_agent_is_up() {
    let mut stage = Stage::without_agent();
    stage.write_policy("50-test.toml", "not a policy");
    stage.start();
    assert!(status(&stage).stale);
    assert_eq!(refusal(&stage), "you may not run this");
}

#[test]
fn the_last_good_policy_outlives_a_restart_but_not_its_time() {
    let mut stage = Stage::with(&rule("id", NO_DUTY));
    stage.crash();
    stage.write_policy("50-test.toml", "not a policy");
    stage.start();
    stage.connect().elevate(id());
    stage.monitor().run(0);
    assert!(status(&stage).stale);
    stage.clock.pass(7 * 86_400 * 1_000_000_000);
    let end = std::time::Instant::now() + crate::stage::SOON;
    while refusal_or_order(&stage) {
        assert!(std::time::Instant::now() < end, "seven days are over");
    }
}

/// Whether a monitor was ordered.
fn refusal_or_order(stage: &Stage) -> bool {
    let wire = stage.connect();
    wire.elevate(id());
    if let Some(monitor) = stage.monitor_within(std::time::Duration::from_millis(300)) {
        drop(monitor);
        return true;
    }
    wire.refusal();
    false
}

// "Each live grant is evaluated again: no longer permitted, it ends as `on_expiry` says"
#[test]
fn a_grant_that_is_no_longer_permitted_ends_with_its_session() {
    crate::stage::needs_root();
    let stage = Stage::with(&rule("id", NO_DUTY));
    stage.connect().elevate(id());
    let monitor = stage.monitor();
    let grant = monitor.go().grant;
    monitor.say(&FromMonitor::Running { pid: 1, cgroup: "s-1".to_owned() });
    stage.write_policy(
        "50-test.toml",
        &rule("id", &format!("{NO_DUTY}\ndescription = \"the same, in other words\"")),
    );
    assert!(matches!(reload(&stage), Response::Done { .. }));
    let Response::Grants(grants) = stage.connect().ask(Request::Grants { all: true }) else { panic!() };
    assert_eq!(grants.len(), 1, "still permitted, it lives");
    stage.write_policy("50-test.toml", "schema = 1");
    assert!(matches!(reload(&stage), Response::Done { .. }));
    assert!(matches!(monitor.hear(), ToMonitor::Terminate { .. }));
    let Response::Grants(grants) = stage.connect().ask(Request::Grants { all: true }) else { panic!() };
    assert!(grants.is_empty());
    assert_eq!(stage.await_event("grant.revoked")["grant"], grant);
}

// "… it ends as `on_expiry` says": with "finish" what runs may go on.
#[test]
fn a_command_that_may_finish_goes_on_when_policy_no_longer_permits_it() {
    crate::stage::needs_root();
    let stage = Stage::with(&rule("id", &format!("{NO_DUTY}\ngrant.on_expiry = \"finish\"")));
    stage.connect().elevate(id());
    let monitor = stage.monitor();
    monitor.go();
    monitor.say(&FromMonitor::Running { pid: 1, cgroup: "s-1".to_owned() });
    // As this shows, the agent has heard that it runs.
    let status = ExitStatus::Status(0);
    monitor.say(&FromMonitor::Ended { status, leftover: true });
    let is_known = || match stage.connect().ask(Request::Sessions { all: false }) {
        Response::Sessions(all) => all.iter().any(|session| session.leftover),
        other => panic!("{other:?}"),
    };
    let end = std::time::Instant::now() + crate::stage::SOON;
    while !is_known() {
        assert!(std::time::Instant::now() < end, "what it left behind is known");
    }
    stage.write_policy("50-test.toml", "schema = 1");
    assert!(matches!(reload(&stage), Response::Done { .. }));
    stage.await_event("grant.revoked");
    assert!(monitor.link.receive_within(crate::stage::NOTHING).is_none());
}

#[test]
fn a_policy_that_changed_while_the_agent_was_away_ends_its_grants_and_no_others() {
    let kept = rule("kept", &format!("{NO_DUTY}\ngrant.uses = 2"));
    let mut stage = Stage::with(&rule("id", &format!("{NO_DUTY}\ngrant.uses = 1")));
    stage.write_policy("60-kept.toml", &kept);
    assert!(matches!(reload(&stage), Response::Done { .. }));
    let grant_of = |rule: &str| {
        stage.connect().elevate(Elevate { rule: Some(rule.to_owned()), ..id() });
        stage.monitor().go().grant
    };
    let (lives, mut over) = (grant_of("kept"), [grant_of("id"), grant_of("id"), grant_of("id")]);
    stage.crash();
    std::fs::remove_file(stage.paths.policy.join("50-test.toml")).unwrap();
    stage.start();
    let revoked = stage.await_events("grant.revoked", 3);
    let mut revoked: Vec<_> = revoked.iter().map(|record| record["grant"].as_str().unwrap()).collect();
    revoked.sort_unstable();
    over.sort_unstable();
    assert_eq!(revoked, over);
    stage.connect().elevate(id());
    assert_eq!(stage.monitor().go().grant, lives);
}

// "still permitted, it lives, never longer": a monitor that was told of a later end hears of the new one.
#[test]
fn a_grant_that_a_reload_shortened_ends_its_session_in_time() {
    crate::stage::needs_root();
    let stage = Stage::with(&rule("id", &format!("{NO_DUTY}\ngrant.duration = \"1h\"")));
    stage.connect().elevate(id());
    let monitor = stage.monitor();
    monitor.go();
    stage.write_policy("50-test.toml", &rule("id", &format!("{NO_DUTY}\ngrant.duration = \"1m\"")));
    assert!(matches!(reload(&stage), Response::Done { .. }));
    stage.clock.pass(59_000_000_000);
    assert!(monitor.link.receive_within(std::time::Duration::from_millis(700)).is_none());
    stage.clock.pass(1_000_000_000);
    assert!(matches!(monitor.hear(), ToMonitor::Terminate { .. }));
    stage.await_event("grant.expired");
}
