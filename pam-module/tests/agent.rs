//! The agent's socket in all its moods: an answer or an error, within the time, and nothing left behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code fails by panicking"
)]

mod support;

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use jit_protocol::client::Connection;
use jit_protocol::frame::{Frame, Kind};
use jit_protocol::login::{LoginAnswer, LoginRequest};
use pam_jit::account::Agent;
use pam_jit::agent::{AgentSocket, exchange};
use support::{ALLOW, Behaviour, DENY, NOT_GATED, fake_agent};

fn ask(behaviour: Option<Behaviour>, time: Duration) -> (std::io::Result<LoginAnswer>, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pam.sock");
    let _requests = behaviour.map(|behaviour| fake_agent(&path, behaviour));
    let request = LoginRequest::new("daemon".into(), "sshd".into(), None, None);
    let begun = Instant::now();
    (AgentSocket::at(path).ask(&request, begun + time), begun.elapsed())
}

/// Longer than anything takes that happens at once.
const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn an_answer_is_understood() {
    assert_eq!(ask(Some(Behaviour::Says(ALLOW)), MINUTE).0.unwrap(), LoginAnswer::Allow);
    assert_eq!(ask(Some(Behaviour::Says(NOT_GATED)), MINUTE).0.unwrap(), LoginAnswer::NotGated);
    let message = "not on a \u{1b}[31mSunday".to_owned();
    assert_eq!(ask(Some(Behaviour::Says(DENY)), MINUTE).0.unwrap(), LoginAnswer::Deny { message });
}

#[test]
fn what_is_no_answer_is_an_error_at_once() {
    for (behaviour, kind) in [
        (None, ErrorKind::NotFound),
        (Some(Behaviour::HangsUp), ErrorKind::UnexpectedEof),
        (Some(Behaviour::Foreign(ALLOW)), ErrorKind::PermissionDenied),
        (Some(Behaviour::Says(b"\"allow\"")), ErrorKind::InvalidData),
        (Some(Behaviour::Says(b"JITR\x02\0\0\0\"allow\"")), ErrorKind::InvalidData),
        (Some(Behaviour::Says(b"JITR\x01\0\0\0")), ErrorKind::UnexpectedEof),
        (Some(Behaviour::Says(b"JITR\x01\0\0\0\"Allow\"")), ErrorKind::InvalidData),
        (Some(Behaviour::Says(b"JITR\x01\0\0\0true")), ErrorKind::InvalidData),
        (Some(Behaviour::Says(b"JITR\x01\0\0\0\"allow\" \"allow\"")), ErrorKind::InvalidData),
        (
            Some(Behaviour::Says(b"JITR\x01\0\0\0{\"deny\":{\"message\":\"\",\"but\":1}}")),
            ErrorKind::InvalidData,
        ),
        (Some(Behaviour::Says(vec![b'J'; 65_537 + 8].leak())), ErrorKind::InvalidData),
    ] {
        let (answer, took) = ask(behaviour, MINUTE);
        assert_eq!(answer.as_ref().map_err(std::io::Error::kind), Err(kind), "{behaviour:?}");
        assert!(took < MINUTE, "{behaviour:?} took {took:?}");
    }
}

#[test]
fn a_socket_that_nobody_listens_on_any_more_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pam.sock");
    let listener = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    drop(listener);
    let request = LoginRequest::new("daemon".into(), "sshd".into(), None, None);
    let answer = AgentSocket::at(path).ask(&request, Instant::now() + MINUTE);
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

/// One deadline over connect, send and receive: not one each.
#[test]
fn an_agent_that_does_not_answer_is_left_at_the_deadline() {
    let time = Duration::from_millis(400);
    for behaviour in [Behaviour::Silent, Behaviour::Full, Behaviour::Drips] {
        let (answer, took) = ask(Some(behaviour), time);
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::TimedOut, "{behaviour:?}");
        assert!(took >= time && took < MINUTE, "{behaviour:?} took {took:?}");
    }
}

/// Deep nesting and huge strings from a listener that is root's after all: an error, not a crash.
#[test]
fn an_answer_nested_without_end_is_an_error() {
    let mut nested = b"JITR\x01\0\0\0".to_vec();
    nested.resize(60_000, b'[');
    let (answer, _) = ask(Some(Behaviour::Says(nested.leak())), MINUTE);
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::InvalidData);
}

/// On a kernel that cannot tell which process asks, the agent speaks first; what it says comes back with the request.
#[test]
fn a_challenge_is_answered_within_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let request = LoginRequest::new("daemon".into(), "sshd".into(), None, None);
    let ask = |name: &str, behaviour, time| {
        let path = folder.path().join(name);
        let requests = fake_agent(&path, behaviour);
        let deadline = Instant::now() + time;
        let connection = Connection::open_before(&path, deadline).unwrap();
        (exchange(&connection, &request, true, deadline), requests)
    };
    let challenge: &[u8] = Frame::with(Kind::Challenge, 0, b"0123456789abcdef", b"").encode().to_vec().leak();
    let (answer, requests) = ask("right", Behaviour::Challenges(challenge, ALLOW), MINUTE);
    assert_eq!(answer.unwrap(), LoginAnswer::Allow);
    let asked: LoginRequest = serde_json::from_slice(&requests.recv().unwrap().1[8..]).unwrap();
    let nonce = Some(b"0123456789abcdef".to_vec().into());
    assert_eq!(asked, LoginRequest { nonce, ..request.clone() });

    let other: &[u8] = Frame::new(Kind::Output, 0).encode().to_vec().leak();
    let (answer, _requests) = ask("another frame", Behaviour::Challenges(other, ALLOW), MINUTE);
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::InvalidData);
    let (answer, _requests) = ask("an answer instead", Behaviour::Challenges(ALLOW, ALLOW), MINUTE);
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::InvalidData);
    let (answer, _requests) = ask("nothing", Behaviour::Silent, Duration::from_millis(400));
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::TimedOut);
}
