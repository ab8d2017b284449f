//! The agent ends at any moment and comes back: nothing that was promised is lost, and nothing is promised twice.

use std::io::Write;

use jit_audit::{Event, Head, Record};
use jit_protocol::link::{ExitStatus, FromMonitor, ToMonitor};
use jit_protocol::request::Request;
use jit_protocol::response::Response;

use crate::stage::{Monitor, NOTHING, SOON, Stage, rule};
use crate::wire::{Wire, id};

const NO_DUTY: &str = "require.authentication = \"none\"";

/// A session that runs, and whose agent goes away.
fn orphan(stage: &mut Stage) -> (Monitor, String) {
    stage.connect().elevate(id());
    let monitor = stage.monitor();
    let grant = monitor.go().grant;
    monitor.say(&FromMonitor::Running { pid: 1, cgroup: "s-1".to_owned() });
    let end = std::time::Instant::now() + SOON;
    loop {
        let Response::Sessions(sessions) = stage.connect().ask(Request::Sessions { all: false }) else {
            panic!()
        };
        if sessions.len() == 1 {
            break;
        }
        assert!(std::time::Instant::now() < end);
    }
    stage.crash();
    (monitor, grant)
}

fn resume(stage: &Stage, session: &str, ended: Option<ExitStatus>) -> Wire {
    resume_with(stage, session, ended, false)
}

fn resume_with(stage: &Stage, session: &str, ended: Option<ExitStatus>, expired: bool) -> Wire {
    let wire = Wire::connect(&stage.paths.monitor_socket);
    let resume = FromMonitor::Resume { session: session.to_owned(), ended, expired };
    wire.send(&serde_json::to_vec(&resume).unwrap());
    wire
}

/// Until the store has had time to keep what the log has.
fn settle(stage: &Stage) {
    stage.connect().elevate(id());
    drop(stage.monitor().go()); // a commit of its own, after all that were asked for before
}

fn say(wire: &Wire, message: &FromMonitor) {
    wire.send(&serde_json::to_vec(message).unwrap());
}

#[test]
fn a_grant_outlives_the_agent_and_is_not_prolonged() {
    let mut stage = Stage::with(&rule("id", &format!("{NO_DUTY}\ngrant.duration = \"1m\"")));
    stage.connect().elevate(id());
    let grant = stage.monitor().run(0).grant;
    stage.await_event("session.ended");
    stage.crash();
    stage.clock.pass(30_000_000_000);
    stage.start();
    stage.connect().elevate(id());
    assert_eq!(stage.monitor().run(0).grant, grant);
    stage.clock.pass(30_000_000_000);
    stage.connect().elevate(id());
    assert_ne!(stage.monitor().run(0).grant, grant);
    stage.verify_audit();
}

#[test]
fn a_use_that_was_taken_stays_taken() {
    let mut stage = Stage::with(&rule("id", &format!("{NO_DUTY}\ngrant.uses = 2")));
    stage.connect().elevate(id());
    let grant = stage.monitor().go().grant;
    stage.crash();
    stage.start();
    stage.connect().elevate(id());
    assert_eq!(stage.monitor().go().grant, grant, "the second of two");
    stage.connect().elevate(id());
    assert_ne!(stage.monitor().go().grant, grant);
}

#[test]
fn a_monitor_that_calls_again_is_followed_to_the_end() {
    let mut stage = Stage::with(&rule("id", NO_DUTY));
    let (monitor, grant) = orphan(&mut stage);
    stage.start();
    let wire = resume(&stage, &monitor.order.session, None);
    let Response::Grants(grants) = stage.connect().ask(Request::Grants { all: false }) else { panic!() };
    assert_eq!(grants[0].id, grant);
    say(&wire, &FromMonitor::Ended { status: ExitStatus::Signal(15), leftover: false });
    say(&wire, &FromMonitor::Gone);
    let record = stage.await_event("session.ended");
    assert_eq!((&record["exit"]["signal"], &record["grant"]), (&15.into(), &grant.into()));
    stage.verify_audit();
}

#[test]
fn an_end_that_came_while_there_was_no_agent_is_recorded_once() {
    let mut stage = Stage::with(&rule("id", NO_DUTY));
    let (monitor, _) = orphan(&mut stage);
    stage.start();
    let wire = resume(&stage, &monitor.order.session, Some(ExitStatus::Status(4)));
    say(&wire, &FromMonitor::Gone);
    assert_eq!(stage.await_event("session.ended")["exit"]["status"], 4);
    std::thread::sleep(NOTHING);
    assert_eq!(stage.events().iter().filter(|event| *event == "session.ended").count(), 1);
}

// "no record doubled": a monitor tells each agent what has happened so far.
#[test]
fn what_one_agent_has_recorded_the_next_one_does_not_record_again() {
    let mut stage = Stage::with(&rule("id", NO_DUTY));
    let (monitor, _) = orphan(&mut stage);
    stage.start();
    let wire = resume(&stage, &monitor.order.session, None);
    say(&wire, &FromMonitor::Expired);
    let status = ExitStatus::Signal(15);
    say(&wire, &FromMonitor::Ended { status, leftover: true });
    stage.await_event("session.ended");
    // So long ago that it is not among the last records of the log.
    let length = || std::fs::metadata(&stage.paths.audit).unwrap().len();
    let far = length() + 70_000;
    while length() < far {
        stage.connect().elevate(id());
        stage.monitor().run(0);
    }
    std::thread::sleep(std::time::Duration::from_millis(600)); // the store keeps the log's end twice a second
    settle(&stage);
    let mut wires = vec![wire]; // the monitor is there when its agent goes
    for _ in 0..2 {
        stage.crash();
        stage.start();
        let wire = resume_with(&stage, &monitor.order.session, Some(status), true);
        say(&wire, &FromMonitor::Running { pid: 1, cgroup: "s-1".to_owned() });
        wires.push(wire);
        let Response::Sessions(sessions) = stage.connect().ask(Request::Sessions { all: false }) else {
            panic!()
        };
        assert!(sessions.iter().any(|session| session.id == monitor.order.session), "its leftover is known");
        settle(&stage);
    }
    let of_ours = |record: &serde_json::Value| record["session"] == monitor.order.session.as_str();
    for event in ["session.started", "session.expired", "session.ended"] {
        let records = stage.audit();
        let found = records.iter().filter(|record| record["event"] == event && of_ours(record));
        assert_eq!(found.count(), 1, "{event}");
    }
    stage.verify_audit();
}

/// What an agent that ended between log and store has left: records that the store knows nothing of.
pub fn write_records(stage: &Stage, events: &[(Event, &str, &str)]) {
    let text = std::fs::read_to_string(&stage.paths.audit).unwrap();
    let last = jit_audit::chain::open(text.lines().last().unwrap()).unwrap();
    let mut head = Head { seq: last.seq, hash: last.hash };
    let mut log = std::fs::OpenOptions::new().append(true).open(&stage.paths.audit).unwrap();
    for (event, session, grant) in events {
        let mut record = Record { event: *event, ..last.record.clone() };
        (record.session, record.grant) = (Some((*session).to_owned()), Some((*grant).to_owned()));
        let (line, next) = jit_audit::chain::seal(&head, record).unwrap();
        log.write_all(format!("{line}\n").as_bytes()).unwrap();
        head = next;
    }
}

#[test]
fn what_the_log_has_and_the_store_has_not_is_not_said_again() {
    let mut stage = Stage::with(&rule("id", NO_DUTY));
    let (monitor, _) = orphan(&mut stage);
    let session = monitor.order.session.clone();
    write_records(&stage, &[(Event::SessionExpired, &session, "x"), (Event::SessionEnded, &session, "x")]);
    stage.start();
    let wire = resume_with(&stage, &session, Some(ExitStatus::Signal(15)), true);
    say(&wire, &FromMonitor::Gone);
    assert!(wire.is_closed_within(SOON));
    settle(&stage);
    // Likewise where no monitor is left to call.
    let (monitor, _) = orphan(&mut stage);
    write_records(&stage, &[(Event::SessionRefused, &monitor.order.session, "x")]);
    stage.reboot(std::time::Duration::ZERO, 0);
    let ends = ["session.expired", "session.ended", "session.refused"];
    let of = |id: &str| {
        stage
            .audit()
            .iter()
            .filter(|it| it["session"] == id && ends.iter().any(|end| it["event"] == *end))
            .count()
    };
    assert_eq!((of(&session), of(&monitor.order.session)), (2, 1));
    stage.verify_audit();
}

#[test]
fn a_grant_whose_end_the_log_has_does_not_live_again() {
    let mut stage = Stage::with(&rule("id", NO_DUTY));
    stage.connect().elevate(id());
    let grant = stage.monitor().run(0).grant;
    stage.await_event("session.ended");
    stage.crash();
    write_records(&stage, &[(Event::GrantExpired, "x", &grant)]);
    stage.start();
    stage.connect().elevate(id());
    assert_ne!(stage.monitor().run(0).grant, grant);
    stage.clock.pass(3_600_000_000_000);
    settle(&stage);
    let expired =
        stage.audit().into_iter().filter(|it| it["event"] == "grant.expired" && it["grant"] == *grant);
    assert_eq!(expired.count(), 1);
}

// A grant whose one use was for this very session has not ended.
#[test]
fn a_session_on_a_used_up_grant_goes_on() {
    let mut stage = Stage::with(&rule("id", &format!("{NO_DUTY}\ngrant.uses = 1")));
    let (monitor, _) = orphan(&mut stage);
    stage.start();
    let wire = resume(&stage, &monitor.order.session, None);
    assert!(wire.receive_within(NOTHING).is_none(), "nobody tells it to end");
    say(&wire, &FromMonitor::Ended { status: ExitStatus::Status(0), leftover: false });
    stage.await_event("session.ended");
}

#[test]
fn a_session_that_nobody_knows_is_ended() {
    let stage = Stage::with(&rule("id", NO_DUTY));
    let wire = resume(&stage, &"0".repeat(32), None);
    let (text, _) = wire.receive_within(SOON).unwrap();
    assert!(matches!(serde_json::from_slice(&text).unwrap(), ToMonitor::Terminate { .. }));
}

// "torn last line closed by an audit.gap record"
#[test]
fn a_line_that_a_crash_cut_is_closed_and_the_chain_goes_on() {
    let mut stage = Stage::with("schema = 1");
    stage.await_event("agent.started");
    stage.crash();
    let mut log = std::fs::OpenOptions::new().append(true).open(&stage.paths.audit).unwrap();
    log.write_all(b"{\"seq\":2,\"time\":\"20").unwrap();
    stage.start();
    let text = std::fs::read_to_string(&stage.paths.audit).unwrap();
    assert!(text.lines().any(|line| line.contains("\"audit.gap\"")), "{text}");
    stage.verify_audit();
}

// Rule 9: "A failed … audit write … is fatal to the request (fail closed), never to the agent."
#[test]
fn without_a_log_nothing_runs_and_the_agent_lives() {
    let stage = Stage::with(&rule("id", NO_DUTY));
    stage.await_event("agent.started");
    // A folder where the log should be: nothing can be written there, not even by root. Swapped at once, for a log that
    // is missing is made anew.
    let aside = stage.paths.audit.with_extension("aside");
    std::fs::create_dir(&aside).unwrap();
    let swap = || {
        let both = rustix::fs::RenameFlags::EXCHANGE;
        rustix::fs::renameat_with(rustix::fs::CWD, &aside, rustix::fs::CWD, &stage.paths.audit, both)
            .unwrap();
    };
    swap();
    stage.connect().elevate(id());
    let monitor = stage.monitor();
    assert!(matches!(monitor.fulfil(), ToMonitor::Refuse { .. }));
    let Response::Status(status) = stage.connect().ask(Request::Status) else { panic!() };
    assert!(status.is_degraded());
    swap();
    stage.connect().elevate(id());
    stage.monitor().go();
    stage.await_event("session.started");
    stage.verify_audit();
}

// "kill -9 of the spawner: … the agent is back in service within seconds": who asks meanwhile waits.
#[test]
fn a_request_waits_for_a_spawner_that_is_started_anew() {
    let mut stage = Stage::with(&rule("id", NO_DUTY));
    stage.end_spawner();
    let wire = stage.connect();
    wire.elevate(id());
    assert!(!wire.is_closed_within(NOTHING), "it waits");
    stage.start_spawner();
    stage.monitor().run(0);
    stage.await_event("session.ended");
    assert!(!stage.events().contains(&"request.denied".to_owned()));
}

#[test]
fn without_a_spawner_a_request_is_refused_and_told_so() {
    let mut stage = Stage::with(&rule("id", NO_DUTY));
    let told = "commands cannot be started now: the spawner is not running";
    // The agent does not know yet.
    stage.end_monitors();
    let wire = stage.connect();
    wire.elevate(id());
    assert_eq!(wire.refusal(), told);
    stage.end_spawner();
    let wire = stage.connect();
    wire.elevate(id());
    assert_eq!(wire.refusal(), told);
    stage.start_spawner();
    stage.connect().elevate(id());
    stage.monitor().run(0);
}
