//! What one user takes is not taken from others, and silence ends.

use std::time::{Duration, Instant};

use jit_protocol::frame::{Frame, Kind};
use jit_protocol::request::Request;
use jit_protocol::response::Response;

use crate::messages::as_user;
use crate::stage::{NOTHING, PATIENT, SOON, Stage, rule, us};
use crate::wire::{Wire, id};

// Between two that are an hour apart, it is plain which one it was.
#[test]
fn a_silent_connection_is_ended_after_the_first_deadline_and_a_slow_one_after_the_second() {
    let begin = Instant::now();
    let stage =
        Stage::with_settings("limits = { first_message = \"1s\", request = \"1h\" }", &rule("id", ""));
    stage.connect().refusal();
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());

    let begin = Instant::now();
    let stage =
        Stage::with_settings("limits = { first_message = \"1h\", request = \"2s\" }", &rule("id", ""));
    let slow = stage.connect();
    let end = begin + SOON;
    let refused = loop {
        let _ = slow.try_send(b"JITR\x01\x01\0\0 ", &[]); // more of it does not prolong it
        if let Some((frame, _)) = slow.receive_within(Duration::from_millis(50)) {
            break Frame::decode(&frame).unwrap();
        }
        assert!(Instant::now() < end, "it is never ended");
    };
    assert_eq!(
        (refused.kind, refused.first_text().as_str()),
        (Kind::Refused, "the request is not understood")
    );
    assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[test]
fn one_users_connections_leave_room_for_others() {
    crate::stage::needs_root(); // only root can be several users
    let stage = Stage::with_settings(
        &format!(
            "{PATIENT}limits.connections_per_user = 3\nlimits.connections = 10\nlimits.reserved_for_root = 2"
        ),
        "schema = 1",
    );
    let path = stage.paths.agent_socket.clone();
    let flood = |uid| {
        let path = path.clone();
        as_user(uid, move || (0..6).map(|_| Wire::connect(&path)).collect::<Vec<_>>())
    };
    let open = |wires: &[Wire]| wires.iter().filter(|wire| !wire.is_closed_within(NOTHING)).count();
    let first = flood(1000);
    assert_eq!(open(&first), 3, "of one user");
    let status = as_user(1001, {
        let path = path.clone();
        move || Wire::connect(&path).ask(Request::Status)
    });
    assert!(matches!(status, Response::Status(_)), "another user is served");
    let (second, third) = (flood(1001), flood(1002));
    assert_eq!((open(&second), open(&third)), (3, 2), "of all together");
    assert!(matches!(stage.connect().ask(Request::Status), Response::Status(_)), "root has room of its own");
    // A flood on the first socket does not touch the second.
    let wire = Wire::connect(&stage.paths.pam_socket);
    wire.send_text(br#"{"version":1,"user":"root","service":"sshd"}"#);
    let (answer, _) = wire.receive_within(SOON).expect("an answer");
    assert!(answer.ends_with(b"\"not_gated\""), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn one_user_has_only_so_many_commands_at_a_time() {
    let stage = Stage::with_settings(
        &format!("{PATIENT}limits.sessions = 3\nlimits.sessions_per_user = 2"),
        &rule("id", "require.authentication = \"none\""),
    );
    let most = if us() == 0 { 3 } else { 2 };
    let begin = || {
        let wire = stage.connect();
        wire.elevate(id());
        wire
    };
    let running: Vec<_> = (0..most)
        .map(|_| {
            begin();
            stage.monitor()
        })
        .collect();
    for monitor in &running {
        monitor.go();
    }
    assert!(begin().refusal().contains("too many"));
    drop(running);
    stage.await_events("session.ended", most);
    // A place is free once all that comes after that record is done.
    let served = (0..100).any(|_| {
        begin();
        stage.monitor_within(Duration::from_millis(200)).is_some()
    });
    assert!(served);
}

// "`request.denied` is counted, not repeated, under a flood."
#[test]
fn a_flood_of_denials_is_counted() {
    let stage = Stage::with("schema = 1");
    for _ in 0..60 {
        let wire = stage.connect();
        wire.elevate(id());
        wire.refusal();
    }
    assert_eq!(stage.await_events("request.denied", 20).len(), 20);
    stage.clock.pass(11_000_000_000);
    let counted = stage.await_events("request.denied", 21).pop().unwrap();
    assert_eq!(counted["count"], 40);
    stage.verify_audit();
}
