//! A session from inside a session: this process moves into cgroups, so it is a program of its own. Needs root and a
//! cgroup v2 that can be written; without them there is nothing to be nested in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a test program"
)]

#[path = "../server/stage.rs"]
mod stage;
#[path = "../server/wire.rs"]
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jit_protocol::link::{FromMonitor, ToMonitor};
use jit_protocol::request::{Elevate, Mode, Request};
use jit_protocol::response::Response;

use crate::stage::{Monitor, NOTHING, SOON, Stage, rule, us};
use crate::wire::id;

/// A folder of sessions in the unified hierarchy; this process leaves it at the end.
struct Subtree {
    mount: PathBuf,
    name: String,
}

impl Subtree {
    fn make() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?;
        let mount = PathBuf::from(mount.split(' ').nth(1)?);
        let name = format!("/jit-test-{}", std::process::id());
        let subtree = Self { mount, name };
        fs::create_dir_all(subtree.path("s-1/s-2")).ok()?;
        Some(subtree)
    }

    fn path(&self, below: &str) -> PathBuf {
        Path::new(&format!("{}{}", self.mount.display(), self.name)).join(below)
    }

    fn enter(&self, below: &str) {
        fs::write(self.path(below).join("cgroup.procs"), "0").unwrap();
    }
}

impl Drop for Subtree {
    fn drop(&mut self) {
        let _ = fs::write(self.mount.join("cgroup.procs"), "0");
        for below in ["s-1/s-2", "s-1", ""] {
            let _ = fs::remove_dir(self.path(below));
        }
    }
}

fn begin(stage: &Stage, asked: Elevate, cgroup: &str) -> Monitor {
    let known = sessions(stage);
    stage.connect().elevate(asked);
    let monitor = stage.monitor();
    monitor.go();
    monitor.say(&FromMonitor::Running { pid: 1, cgroup: cgroup.to_owned() });
    let end = std::time::Instant::now() + SOON;
    while sessions(stage) == known {
        assert!(std::time::Instant::now() < end);
    }
    monitor
}

fn sessions(stage: &Stage) -> usize {
    match stage.connect().ask(Request::Sessions { all: false }) {
        Response::Sessions(sessions) => sessions.len(),
        other => panic!("{other:?}"),
    }
}

// Rule 2: "its session is placed inside the parent's, ends no later and is restricted no less"
#[test]
fn a_nested_session_is_inside_the_one_around_it_in_every_way() {
    assert_eq!(us(), 0, "this test needs root");
    let subtree = Subtree::make().expect("this test needs cgroup v2");
    let mut stage = Stage::with_sessions_in(Some(&subtree.name));
    let outer = rule("outer", "grant.duration = \"1m\"");
    let inner = "[[rule]]\nid = \"inner\"\nusers = [\"ALL\"]\ncommands = [\"/usr/bin/who\"]\n\
        grant.duration = \"10m\"\n\
        [[rule]]\nid = \"first\"\nusers = [\"ALL\"]\ncommands = [\"/usr/bin/env\"]\nnested = false\n";
    stage.write_policy("50-test.toml", &(outer + inner));
    stage.start();

    let outer = begin(&stage, id(), "s-1");
    assert!(outer.order.nested_in.is_none() && outer.order.authenticate.is_some());
    subtree.enter("s-1");
    stage.connect().elevate(wire::command(&["who"]));
    let inner = stage.monitor();
    assert_eq!(inner.order.nested_in.as_deref(), Some("s-1"));
    assert!(inner.order.authenticate.is_none(), "the record of the session around it, by its key");
    let (go, around) = (inner.go(), sessions_deadline(&stage, &outer));
    assert!(go.deadline.unwrap().realtime_ns <= around, "it ends no later");
    let record = stage.await_events("session.started", 2).pop().unwrap();
    assert_eq!(record["nested_in"], outer.order.session.as_str());

    let wire = stage.connect();
    wire.elevate(wire::command(&["env"]));
    assert_eq!(wire.refusal(), "no rule lets you run this", "`nested = false`");
    // Whoever asks about another is in a session; the other is not.
    for (about, status) in [(None, 1), (Some("daemon".to_owned()), 0)] {
        stage.connect().elevate(Elevate { mode: Mode::List, other_user: about, ..wire::command(&["env"]) });
        let monitor = stage.monitor();
        match monitor.fulfil() {
            ToMonitor::Finish { status: told, .. } if status == 1 => assert_eq!(told, 1),
            ToMonitor::Part { .. } => assert!(matches!(monitor.hear(), ToMonitor::Finish { status: 0, .. })),
            other => panic!("{other:?}"),
        }
        monitor.say(&FromMonitor::Gone);
    }

    // Deeper: the innermost session counts. One that the agent does not know is no place to elevate from.
    subtree.enter("s-1/s-2");
    let wire = stage.connect();
    wire.elevate(wire::command(&["who"]));
    assert_eq!(
        wire.refusal(),
        "the session around this one is not known",
        "s-2 is not known yet: it is not s-1"
    );
    inner.say(&FromMonitor::Running { pid: 1, cgroup: "s-1/s-2".to_owned() });
    let end = std::time::Instant::now() + SOON;
    let innermost = 'known: loop {
        let wire = stage.connect();
        wire.elevate(wire::command(&["who"]));
        // Until it is either refused or ordered: no order may be left for what comes.
        while wire.receive_within(Duration::ZERO).is_none() {
            if let Some(monitor) = stage.monitor_within(NOTHING) {
                break 'known monitor;
            }
        }
        assert!(std::time::Instant::now() < end);
    };
    assert_eq!(innermost.order.nested_in.as_deref(), Some("s-1/s-2"));
    assert!(innermost.order.authenticate.is_none());
    // `-k` drops the records of the outermost session's key: they are those that count in here.
    let wire = stage.connect();
    wire.send_request(Request::Forget { all: false });
    assert_eq!(wire.frame().kind, jit_protocol::frame::Kind::Output);
    stage.connect().elevate(wire::command(&["who"]));
    assert!(stage.monitor().order.authenticate.is_some());
    drop((inner, outer));
    stage.await_events("session.ended", 2);
    let wire = stage.connect();
    wire.elevate(id());
    assert_eq!(wire.refusal(), "the session around this one is not known");
}

/// When the session of a monitor is ended, `CLOCK_REALTIME` in nanoseconds, to the microsecond above.
fn sessions_deadline(stage: &Stage, monitor: &Monitor) -> i64 {
    let Response::Sessions(sessions) = stage.connect().ask(Request::Sessions { all: false }) else {
        panic!()
    };
    let session = sessions.into_iter().find(|session| session.id == monitor.order.session).unwrap();
    let ends: jiff::Timestamp = session.ends.unwrap().parse().unwrap();
    i64::try_from(ends.as_nanosecond()).unwrap() + 1_000
}
