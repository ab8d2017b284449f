//! "a store copied back from yesterday (its grants void, and said)"; and an ordinary crash voids nothing.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use jit_agent::clock::{Clock, ManualClock, Moment};
use jit_protocol::link::{FromMonitor, ToMonitor};
use jit_protocol::request::{Request, Revoke};
use jit_protocol::response::{Part, Response, State};

use crate::stage::{SOON, Stage, rule};
use crate::wire::id;

const TWICE: &str = "require.authentication = \"none\"\ngrant.uses = 2";
const NO_DUTY: &str = "require.authentication = \"none\"";

/// One command, from start to end; its grant.
fn run(stage: &Stage) -> String {
    let before = stage.events().iter().filter(|event| *event == "session.ended").count();
    stage.connect().elevate(id());
    let grant = stage.monitor().run(0).grant;
    stage.await_events("session.ended", before + 1);
    grant
}

fn store(stage: &Stage) -> PathBuf {
    stage.paths.state.join("state.redb")
}

fn copy(stage: &Stage) -> PathBuf {
    stage.root().join("state.copy")
}

/// A backup of the store is made while there is no agent.
fn back_up(stage: &mut Stage) {
    stage.crash();
    fs::copy(store(stage), copy(stage)).unwrap();
    stage.start();
}

/// It is put back, and the agent started with it.
fn put_back(stage: &mut Stage) {
    stage.crash();
    fs::copy(copy(stage), store(stage)).unwrap();
    stage.start();
}

fn part(stage: &Stage) -> Part {
    let Response::Status(status) = stage.connect().ask(Request::Status) else { panic!() };
    status.parts.into_iter().find(|part| part.id == "store").unwrap()
}

/// What the log says of stores that do not count.
fn said(stage: &Stage) -> Vec<serde_json::Value> {
    let gaps = stage.audit().into_iter().filter(|line| line["event"] == "audit.gap");
    gaps.filter(|line| line["result"].as_str().unwrap().contains("all its grants are void")).collect()
}

fn revoked(stage: &Stage, grant: &str) -> usize {
    let told = |line: &serde_json::Value| line["event"] == "grant.revoked" && line["grant"] == grant;
    stage.audit().iter().filter(|line| told(line)).count()
}

#[test]
fn a_used_up_grant_does_not_live_again_with_an_older_store() {
    let mut stage = Stage::with(&rule("id", TWICE));
    let grant = run(&stage);
    back_up(&mut stage);
    assert_eq!(run(&stage), grant, "the second of two; so far nothing is wrong");
    put_back(&mut stage);
    assert!(stage.connect().ask(Request::Grants { all: false }) == Response::Grants(Vec::new()));
    assert_eq!((said(&stage).len(), said(&stage)[0]["count"].as_u64()), (1, Some(1)));
    assert_eq!(revoked(&stage, &grant), 1);
    let part = part(&stage);
    assert_eq!(part.state, State::Degraded);
    let new = run(&stage);
    assert_ne!(new, grant);
    stage.verify_audit();
}

// What was issued since counts, and so does what the store says from then on.
#[test]
fn an_older_store_is_noticed_once_and_then_goes_on() {
    let mut stage = Stage::with(&rule("id", TWICE));
    run(&stage);
    back_up(&mut stage);
    for _ in 0..5 {
        run(&stage);
    }
    put_back(&mut stage);
    stage.crash();
    stage.start(); // at once: its next change has a larger number than all that the log knows of
    assert_eq!((said(&stage).len(), part(&stage).state), (1, State::Works));
    let grant = run(&stage);
    stage.crash();
    stage.start();
    assert_eq!(run(&stage), grant, "a grant from after it outlives a restart");
    // The same copy again: as a crash before the void was durable would leave it.
    put_back(&mut stage);
    assert_eq!((said(&stage).len(), part(&stage).state), (2, State::Degraded));
    assert_ne!(run(&stage), grant);
    stage.verify_audit();
}

#[test]
fn a_revoked_grant_does_not_live_again_with_an_older_store() {
    let mut stage = Stage::with(&rule("id", NO_DUTY));
    let grant = run(&stage);
    back_up(&mut stage);
    let done = stage.connect().ask(Request::Revoke(Revoke::Grant(grant.clone())));
    assert!(matches!(done, Response::Done { .. }), "{done:?}");
    put_back(&mut stage);
    assert_ne!(run(&stage), grant);
    assert_eq!(said(&stage).len(), 1);
}

// A clock that is set back as well would make it live again.
#[test]
fn an_expired_grant_does_not_live_again_with_an_older_store_and_clock() {
    let mut stage = Stage::with(&rule("id", &format!("{NO_DUTY}\ngrant.duration = \"1m\"")));
    let grant = run(&stage);
    back_up(&mut stage);
    let early = Moment { boottime_ns: 1_000_000_000, ..stage.clock.now() };
    stage.clock.pass(60_000_000_000);
    stage.await_event("grant.expired");
    stage.clock = Arc::new(ManualClock::new(early, "another boot"));
    put_back(&mut stage);
    assert_ne!(run(&stage), grant);
    assert_eq!(said(&stage).len(), 1);
}

// "an ordinary crash": whatever the agent was doing, the store is never behind the log.
#[test]
fn crashes_void_nothing() {
    let mut stage = Stage::with(&rule("id", NO_DUTY));
    let grant = run(&stage);
    for round in 0..8 {
        stage.connect().elevate(id());
        let monitor = stage.monitor();
        if round % 4 > 0 {
            let go = monitor.go();
            assert_eq!(go.grant, grant, "round {round}");
        }
        if round % 4 > 1 {
            monitor.say(&FromMonitor::Running { pid: 1, cgroup: "s-1".to_owned() });
        }
        if round % 4 > 2 {
            stage.connect().ask(Request::Revoke(Revoke::Grant("0".repeat(32))));
        }
        stage.crash();
        stage.start();
        assert_eq!((said(&stage).len(), part(&stage).state), (0, State::Works), "round {round}");
    }
    assert_eq!(run(&stage), grant);
    stage.verify_audit();
}

// The store may be ahead: what was committed and then not recorded ran nothing.
#[test]
fn a_store_that_is_ahead_of_the_log_counts() {
    let mut stage = Stage::with(&rule("id", NO_DUTY));
    let grant = run(&stage);
    // A folder where the log should be: nothing can be written there. Swapped at once, for a missing log is made anew.
    let aside = stage.paths.audit.with_extension("aside");
    fs::create_dir(&aside).unwrap();
    let swap = |stage: &Stage| {
        let both = rustix::fs::RenameFlags::EXCHANGE;
        let cwd = rustix::fs::CWD;
        rustix::fs::renameat_with(cwd, &aside, cwd, &stage.paths.audit, both).unwrap();
    };
    swap(&stage);
    for _ in 0..3 {
        stage.connect().elevate(id());
        assert!(matches!(stage.monitor().fulfil(), ToMonitor::Refuse { .. }), "committed, not recorded");
    }
    stage.crash();
    swap(&stage);
    stage.start();
    assert_eq!((said(&stage).len(), part(&stage).state), (0, State::Works));
    assert_eq!(run(&stage), grant);
    stage.verify_audit();
}

fn until_the_store_knows_the_end_of_the_log(stage: &Stage) {
    let end = std::time::Instant::now() + SOON;
    let knows = || {
        let last = stage.audit().pop().unwrap()["hash"].as_str().unwrap().to_owned();
        let bytes = fs::read(store(stage)).unwrap();
        bytes.windows(last.len()).any(|window| window == last.as_bytes())
    };
    while !knows() {
        assert!(std::time::Instant::now() < end, "it is never kept");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

// Nobody can tell then how old the store is.
#[test]
fn without_the_log_that_the_store_knows_no_grant_counts() {
    let mut stage = Stage::with(&rule("id", NO_DUTY));
    let grant = run(&stage);
    stage.connect().elevate(id());
    stage.monitor().run(0);
    until_the_store_knows_the_end_of_the_log(&stage);
    stage.crash();
    fs::remove_file(&stage.paths.audit).unwrap();
    stage.start();
    assert_eq!((said(&stage).len(), revoked(&stage, &grant)), (1, 1));
    assert_eq!(part(&stage).state, State::Degraded);
    assert_ne!(run(&stage), grant);
    stage.crash();
    stage.start();
    assert_eq!((said(&stage).len(), part(&stage).state), (1, State::Works), "said once");
}

// As the manual says: "move the file away, start the agent".
#[test]
fn a_new_store_beside_an_old_log_serves() {
    let mut stage = Stage::with(&rule("id", NO_DUTY));
    let grant = run(&stage);
    stage.crash();
    fs::remove_file(store(&stage)).unwrap();
    stage.start();
    assert_eq!(said(&stage).len(), 1);
    assert_ne!(run(&stage), grant);
    stage.crash();
    stage.start();
    assert_eq!((said(&stage).len(), part(&stage).state), (1, State::Works));
    stage.verify_audit();
}

// A session that ran when the copy was made may have ended since, and the log says so already.
#[test]
fn sessions_of_an_older_store_are_not_told_to_have_ended_twice() {
    let mut stage = Stage::with(&rule("id", NO_DUTY));
    stage.connect().elevate(id());
    let monitor = stage.monitor();
    monitor.go();
    back_up(&mut stage);
    stage.reboot(std::time::Duration::from_secs(1), 0); // it is lost with the boot, and said to be
    stage.await_event("session.ended");
    run(&stage);
    put_back(&mut stage);
    run(&stage); // records after all that the start had to say
    let session = monitor.order.session.as_str();
    let ended = |line: &serde_json::Value| line["event"] == "session.ended" && line["session"] == session;
    assert_eq!((said(&stage).len(), stage.audit().iter().filter(|line| ended(line)).count()), (1, 1));
}
