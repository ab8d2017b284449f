//! Signals, in a process of their own: they reach every agent in it.
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

use jit_protocol::request::Request;
use jit_protocol::response::Response;
use rustix::process::{Signal, getpid, kill_process};

use crate::stage::{Stage, rule};
use crate::wire::id;

#[test]
fn sighup_loads_policy_again_and_sigterm_ends_in_order() {
    let mut stage = Stage::with("schema = 1");
    assert!(
        matches!(stage.connect().ask(Request::Status), Response::Status(_)),
        "it serves, so it takes signals"
    );
    stage.write_policy("50-test.toml", &rule("id", "require.authentication = \"none\""));
    kill_process(getpid(), Signal::HUP).unwrap();
    stage.await_event("policy.loaded");
    stage.connect().elevate(id());
    stage.monitor().run(0);
    stage.await_event("session.ended");

    kill_process(getpid(), Signal::TERM).unwrap();
    stage.await_event("agent.stopped");
    assert_eq!(stage.events().last().unwrap(), "agent.stopped");
    stage.verify_audit();
    stage.crash(); // it has ended already: its thread is joined, its store is closed
}
