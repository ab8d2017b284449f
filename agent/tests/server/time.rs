//! Whatever happens to the clocks, a grant is never longer than it was: they are set, the host sleeps, boots, and both
//! agents see it, the one that was there before and the one that is started after it.

use std::time::Duration;

use jit_protocol::link::{FromMonitor, ToMonitor};
use jit_protocol::request::Request;
use jit_protocol::response::Response;

use crate::stage::{Monitor, NOTHING, Stage, rule};
use crate::wire::id;

const MINUTE: u64 = 60_000_000_000;

/// Ten minutes, wherever the user is.
fn stage() -> Stage {
    Stage::with(&rule(
        "id",
        "require.authentication = \"none\"\ngrant.duration = \"10m\"\ngrant.scope = \"user\"",
    ))
}

/// Runs a command that ends; the grant that it ran on.
fn grant(stage: &Stage) -> String {
    stage.connect().elevate(id());
    stage.monitor().run(0).grant
}

/// A command that runs on.
fn begin(stage: &Stage) -> Monitor {
    stage.connect().elevate(id());
    let monitor = stage.monitor();
    monitor.go();
    monitor.say(&FromMonitor::Running { pid: 1, cgroup: String::new() });
    monitor
}

fn left(stage: &Stage) -> usize {
    let Response::Grants(grants) = stage.connect().ask(Request::Grants { all: false }) else { panic!() };
    grants.len()
}

/// Does it with the agent that was there, and with one that is started after it.
fn both(mut change: impl FnMut(&mut Stage), check: impl Fn(&Stage, &str)) {
    for again in [false, true] {
        let mut stage = stage();
        let first = grant(&stage);
        change(&mut stage);
        if again {
            stage.crash();
            stage.start();
        }
        check(&stage, &first);
        stage.verify_audit();
    }
}

// "A grant outlives a restart of the agent … and is never longer for it; clock set back or forward"
#[test]
fn a_wall_clock_that_is_set_back_prolongs_nothing() {
    both(
        |stage| {
            stage.clock.set_wall(0);
            stage.clock.pass(9 * MINUTE);
        },
        |stage, first| {
            assert_eq!(grant(stage), first, "ten minutes are ten minutes");
            stage.clock.pass(MINUTE);
            assert_ne!(grant(stage), first);
        },
    );
}

#[test]
fn a_wall_clock_that_is_set_forward_ends_it() {
    both(
        |stage| {
            let wall = jit_agent::clock::Clock::now(&*stage.clock).realtime_ns;
            stage.clock.set_wall(wall + 10 * 60_000_000_000);
        },
        |stage, first| {
            stage.await_event("grant.expired");
            assert_eq!(left(stage), 0);
            assert_ne!(grant(stage), first);
        },
    );
}

// Rule 12: "Expiry counts suspended time"
#[test]
fn the_time_that_a_host_sleeps_counts() {
    both(
        |stage| stage.clock.suspend(9 * MINUTE),
        |stage, first| {
            assert_eq!(grant(stage), first);
            stage.clock.suspend(MINUTE);
            stage.await_event("grant.expired");
            assert_ne!(grant(stage), first);
        },
    );
}

// "A grant outlives … a reboot of the guest and is never longer for it … a changed boot id"
#[test]
fn a_grant_outlives_a_boot_by_what_it_had_left() {
    let mut stage = stage();
    let first = grant(&stage);
    stage.clock.pass(3 * MINUTE);
    stage.reboot(Duration::from_mins(2), 0);
    assert_eq!(grant(&stage), first, "five minutes are left");
    stage.reboot(Duration::from_mins(2), 0);
    stage.clock.pass(2 * MINUTE);
    assert_eq!(grant(&stage), first, "another boot, one minute");
    stage.clock.pass(MINUTE);
    assert_ne!(grant(&stage), first);
    stage.verify_audit();
}

// "terminal gone", "session over": neither lasts over a boot, and its numbers are another's then.
#[test]
fn a_grant_for_a_terminal_or_a_login_session_ends_with_the_boot() {
    for scope in ["terminal", "session"] {
        let more = format!("require.authentication = \"none\"\ngrant.scope = \"{scope}\"");
        let mut stage = Stage::with(&rule("id", &more));
        let first = grant(&stage);
        stage.crash();
        stage.start();
        assert_eq!(grant(&stage), first, "{scope}: another agent, the same boot");
        stage.reboot(Duration::from_secs(1), 0);
        let record = stage.await_event("grant.revoked");
        assert_eq!((record["grant"].as_str(), left(&stage)), (Some(first.as_str()), 0), "{record}");
        stage.verify_audit();
    }
}

#[test]
fn a_clock_that_is_wrong_after_a_boot_prolongs_nothing() {
    let set = |minutes: i64| minutes * 60_000_000_000;
    // A host without a clock of its own begins in 1970; one that is set back by less than it was off has lost time.
    for (off, by, lives) in
        [(1, set(-30_000_000), false), (1, set(-2), false), (1, set(30), false), (2, set(-1), true)]
    {
        let mut stage = stage();
        let first = grant(&stage);
        stage.reboot(Duration::from_mins(off), by);
        assert_eq!(left(&stage), usize::from(lives), "off {off} min, set by {by}");
        stage.clock.pass(9 * MINUTE);
        assert_ne!(grant(&stage), first, "off {off} min, set by {by}");
        stage.verify_audit();
    }
}

// What ran in an earlier boot runs no more, and the log says so.
#[test]
fn sessions_of_an_earlier_boot_are_lost_at_once() {
    let mut stage = stage();
    let monitor = begin(&stage);
    stage.reboot(Duration::ZERO, 0);
    let record = stage.await_event("session.ended");
    assert_eq!(record["session"], monitor.order.session.as_str());
    assert!(record["result"].as_str().unwrap().starts_with("lost"), "{record}");
    let Response::Sessions(sessions) = stage.connect().ask(Request::Sessions { all: false }) else {
        panic!()
    };
    assert!(sessions.is_empty());
    stage.reboot(Duration::ZERO, 0);
    std::thread::sleep(NOTHING);
    assert_eq!(stage.await_events("session.ended", 1).len(), 1, "it is said once");
}

// A monitor ends its session by both clocks itself. One that was told of a later end than its grant has now does not.
#[test]
fn what_runs_on_a_grant_that_a_clock_ended_is_not_told_twice() {
    let stage = stage();
    let monitor = begin(&stage);
    let wall = jit_agent::clock::Clock::now(&*stage.clock).realtime_ns;
    stage.clock.set_wall(wall + 11 * 60_000_000_000);
    stage.await_event("grant.expired");
    assert!(monitor.link.receive_within(NOTHING).is_none(), "its own timers are set to the same moment");
    // It resumes with another agent: now there is no such grant.
    let mut stage = stage;
    stage.crash();
    stage.start();
    let wire = crate::wire::Wire::connect(&stage.paths.monitor_socket);
    let resume = FromMonitor::Resume { session: monitor.order.session.clone(), ended: None, expired: false };
    wire.send(&serde_json::to_vec(&resume).unwrap());
    let (text, _) = wire.receive_within(crate::stage::SOON).unwrap();
    assert!(matches!(serde_json::from_slice(&text).unwrap(), ToMonitor::Terminate { .. }));
}
