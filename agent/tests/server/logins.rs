//! `pam.sock`: who may log in.

use jit_protocol::chunk::Joiner;
use jit_protocol::login::LoginAnswer;

use crate::messages::as_user;
use crate::stage::{NOTHING, SOON, Stage};
use crate::wire::Wire;

const POLICY: &str = "schema = 1\n\
    [[login]]\nid = \"staff\"\nusers = [\"daemon\"]\nservices = [\"sshd\"]\naccess = \"allow\"\n\
    [[login]]\nid = \"never\"\nusers = [\"bin\"]\nservices = [\"sshd\"]\naccess = \"deny\"\n";

fn ask(wire: &Wire, user: &str, service: &str) -> Option<LoginAnswer> {
    let request = serde_json::json!({ "version": 1, "user": user, "service": service });
    wire.send_text(request.to_string().as_bytes());
    let (message, _) = wire.receive_within(SOON)?;
    Some(serde_json::from_slice(&Joiner::default().push(&message).unwrap().unwrap()).unwrap())
}

#[test]
fn those_who_are_named_are_decided_and_others_not_touched() {
    crate::stage::needs_root(); // others may ask about themselves only
    let stage = Stage::with(POLICY);
    let answer =
        |user: &str, service: &str| ask(&Wire::connect(&stage.paths.pam_socket), user, service).unwrap();
    assert_eq!(answer("daemon", "sshd"), LoginAnswer::Allow);
    assert!(matches!(answer("bin", "sshd"), LoginAnswer::Deny { .. }));
    assert_eq!(answer("daemon", "login"), LoginAnswer::NotGated);
    assert_eq!(answer("root", "sshd"), LoginAnswer::NotGated);
    assert_eq!(answer("no-such-user-here", "sshd"), LoginAnswer::NotGated);
    stage.await_event("login.allowed");
    stage.await_event("login.denied");
}

#[test]
fn the_list_for_a_silent_agent_is_there_before_the_policy_is() {
    let stage = Stage::with(POLICY);
    let text = std::fs::read_to_string(&stage.paths.gated).unwrap();
    assert_eq!(text, "# jit-sudo gated 1\nsshd bin\nsshd daemon\n");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&stage.paths.gated).unwrap());
    assert_eq!(mode & 0o7777, 0o644);
}

// A46: a user who asks about another.
#[test]
fn a_peer_that_is_not_root_asks_about_itself_only() {
    crate::stage::needs_root();
    let stage = Stage::with(POLICY);
    let path = stage.paths.pam_socket.clone();
    let daemon = as_user(1, move || {
        ["daemon", "bin", "root"].map(|user| ask(&Wire::connect(&path), user, "sshd").unwrap())
    });
    assert_eq!(daemon[0], LoginAnswer::Allow);
    assert!(matches!(daemon[1], LoginAnswer::Deny { .. }));
    assert!(matches!(daemon[2], LoginAnswer::Deny { .. }));
}

#[test]
fn what_is_not_understood_gets_no_answer() {
    let stage = Stage::with(POLICY);
    for bad in [
        &br#"{"version":2,"user":"daemon","service":"sshd"}"#[..],
        br#"{"version":1,"user":"daemon","service":"sshd","uid":0}"#,
        br#"{"version":1,"user":"daemon","service":"sshd","nonce":"0123456789abcdef"}"#,
        b"{}",
        br#"{"version":1,"request":"status"}"#,
    ] {
        let wire = Wire::connect(&stage.paths.pam_socket);
        wire.send_text(bad);
        assert!(wire.is_closed_within(SOON), "{}", String::from_utf8_lossy(bad));
    }
    let wire = stage.connect();
    wire.send_text(br#"{"version":1,"user":"daemon","service":"sshd"}"#);
    wire.refusal();
    assert!(stage.monitor_within(NOTHING).is_none());
}

// What a user's own PAM host claims is no more than that, and it cannot fill the log.
#[test]
fn logins_that_a_user_claims_are_marked_short_and_counted() {
    crate::stage::needs_root();
    let policy = "schema = 1\n[[login]]\nid = \"never\"\nusers = [\"daemon\"]\nservices = [\"sshd\"]\naccess = \"deny\"\n";
    let stage = Stage::with(policy);
    let path = stage.paths.pam_socket.clone();
    as_user(1, move || {
        for _ in 0..40 {
            let wire = Wire::connect(&path);
            let request = serde_json::json!({
                "version": 1, "user": "daemon", "service": "sshd", "rhost": "\u{1}".repeat(100_000),
            });
            wire.send_text(request.to_string().as_bytes());
            wire.receive_within(SOON);
        }
    });
    let denied = stage.await_events("login.denied", 20);
    assert_eq!(denied.len(), 20);
    assert_eq!(denied[0]["result"], "sshd, asked by user #1");
    assert!(denied[0]["origin"].as_str().unwrap().len() < 300);
}
