//! What does not belong on the wire is refused, with one answer, and the agent goes on.

use std::fs;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Instant;

use jit_protocol::chunk::{self, MAX_MESSAGE};
use jit_protocol::request::{Envelope, Request};
use jit_protocol::response::Response;

use crate::stage::{NOTHING, SOON, Stage, rule};
use crate::wire::{Wire, command, id};

const NOT_UNDERSTOOD: &str = "the request is not understood";

fn text_of(request: Request) -> serde_json::Value {
    serde_json::to_value(Envelope::new(request, None)).unwrap()
}

fn serves(stage: &Stage) {
    assert!(matches!(stage.connect().ask(Request::Status), Response::Status(_)), "the agent goes on");
}

#[test]
fn truncated_foreign_and_unknown_messages_are_refused() {
    let stage = Stage::with(&rule("id", ""));
    let good = chunk::split(text_of(Request::Status).to_string().as_bytes()).unwrap().remove(0);
    let with = |at: usize, byte: u8| {
        let mut bad = good.clone();
        bad[at] = byte;
        bad
    };
    let mut cases: Vec<Vec<u8>> = vec![b"x".to_vec(), b"JITR".to_vec(), b"GET / HTTP/1.1\r\n\r\n".to_vec()];
    cases.extend([with(0, b'X'), with(4, 2), with(5, 2), with(6, 1), good[..good.len() - 1].to_vec()]);
    cases.push([&good[..8], b"\xff\xfe"].concat());
    cases.push([&good[..8], "[".repeat(10_000).as_bytes()].concat());
    cases.push(vec![b'J'; MAX_MESSAGE + 1]);
    for bad in cases {
        let wire = stage.connect();
        wire.send(&bad);
        assert_eq!(wire.refusal(), NOT_UNDERSTOOD, "{:?}", &bad[..bad.len().min(12)]);
        assert!(wire.is_closed_within(SOON));
    }
    serves(&stage);
}

// Rule 4: "Unknown field, version, enum value … : refusal." A request never says who asks.
#[test]
fn unknown_fields_versions_and_requests_are_refused() {
    let stage = Stage::with(&rule("id", ""));
    let elevate = text_of(Request::Elevate(Box::new(id())));
    let mut cases = Vec::new();
    for (field, value) in [("uid", 0.into()), ("host", "other".into()), ("chroot", "/tmp".into())] {
        let mut bad = elevate.clone();
        bad["request"]["elevate"][field] = value;
        cases.push(bad.to_string());
    }
    let mut bad = elevate.clone();
    bad["uid"] = 0.into();
    cases.push(bad.to_string());
    let mut bad = elevate.clone();
    bad["version"] = 2.into();
    cases.push(bad.to_string());
    let mut bad = elevate.clone();
    bad["nonce"] = "0123456789abcdef".into();
    cases.push(bad.to_string());
    let mut bad = elevate.clone();
    bad["request"]["elevate"]["mode"] = "edit".into();
    cases.push(bad.to_string());
    let mut bad = elevate.clone();
    bad["request"]["elevate"]["command"][0] = "id\0".into();
    cases.push(bad.to_string());
    cases.push(elevate.to_string().replacen("\"can_ask\":true", "\"can_ask\":true,\"can_ask\":true", 1));
    cases.push(r#"{"version":1,"request":"become_root"}"#.to_owned());
    cases.push(r#"{"version":1}"#.to_owned());
    for bad in cases {
        let wire = stage.connect();
        wire.send_text(bad.as_bytes());
        assert_eq!(wire.refusal(), NOT_UNDERSTOOD, "{bad}");
    }
    assert!(stage.monitor_within(NOTHING).is_none());
    serves(&stage);
}

#[test]
fn a_request_of_many_chunks_arrives_and_one_too_long_is_refused() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\""));
    let long = "x".repeat(100_000);
    let wire = stage.connect();
    wire.elevate(command(&["id", &long, &long]));
    let monitor = stage.monitor();
    assert_eq!(monitor.order.argv[2].as_slice(), long.as_bytes());
    let wire = stage.connect();
    let mut message = chunk::split(&vec![b' '; chunk::MAX_CHUNK + 1]).unwrap().remove(0);
    message.resize(MAX_MESSAGE, b' ');
    let sent = (0..60).take_while(|_| wire.try_send(&message, &[]).is_ok()).count();
    assert!(sent > 40, "{sent} chunks of 64 KiB");
    assert_eq!(wire.refusal(), NOT_UNDERSTOOD);
    serves(&stage);
}

// Rule 5: "Descriptors. The agent receives none."
#[test]
fn descriptors_with_a_request_are_refused_and_never_received() {
    let stage = Stage::with(&rule("id", ""));
    // A file that no other test in this process has open.
    let path = stage.root().join("sent");
    let file = fs::File::create(&path).unwrap();
    let request = chunk::split(text_of(Request::Status).to_string().as_bytes()).unwrap().remove(0);
    let open = || {
        let files = fs::read_dir("/proc/self/fd").unwrap().flatten();
        files.filter(|open| fs::read_link(open.path()).is_ok_and(|led| led == path)).count()
    };
    for count in [1, 2, 3, 4, 253] {
        let wire = stage.connect();
        wire.try_send(&request, &vec![file.as_fd(); count]).unwrap();
        assert_eq!(wire.refusal(), NOT_UNDERSTOOD, "{count} descriptors");
    }
    serves(&stage);
    let end = Instant::now() + SOON;
    while open() != 1 {
        assert!(Instant::now() < end, "none of 263 descriptors is left in the agent, but {}", open() - 1);
    }
}

// The helper's second message is the monitor's: the agent must not read it, whatever is in it.
#[test]
fn what_follows_the_request_is_left_for_the_monitor() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\""));
    let wire = stage.connect();
    wire.elevate(id());
    let file = fs::File::open("/dev/null").unwrap();
    wire.try_send(b"for the monitor", &[file.as_fd(); 4]).unwrap();
    let monitor = stage.monitor();
    let (message, descriptors) = monitor.connection.receive_within(SOON).unwrap();
    assert_eq!((message.as_slice(), descriptors.len()), (&b"for the monitor"[..], 4));
}

// E2: a connected socket that was handed to another process.
#[test]
fn a_message_from_another_process_than_the_one_that_connected_is_refused() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\""));
    let wire = stage.connect();
    let request =
        chunk::split(text_of(Request::Elevate(Box::new(id()))).to_string().as_bytes()).unwrap().remove(0);
    let file = stage.root().join("request");
    fs::write(&file, request).unwrap();
    let handed_over = Stdio::from(wire.as_fd().try_clone_to_owned().unwrap());
    let input = fs::File::open(&file).unwrap();
    assert!(Command::new("cat").stdin(input).stdout(handed_over).status().unwrap().success());
    assert_eq!(wire.refusal(), NOT_UNDERSTOOD);
    assert!(stage.monitor_within(NOTHING).is_none());
    let record = stage.await_event("request.denied");
    assert!(record["result"].as_str().unwrap().contains("another process"), "{record}");
}

// The same between users; only root can play two of them.
#[test]
fn a_message_from_another_user_than_the_one_that_connected_is_refused() {
    crate::stage::needs_root();
    let stage = Stage::with(&rule("id", ""));
    let path = stage.paths.agent_socket.clone();
    let wire = as_user(1000, move || Wire::connect(&path));
    wire.send_request(Request::Status);
    assert_eq!(wire.refusal(), NOT_UNDERSTOOD);
    let path = stage.paths.agent_socket.clone();
    let own = as_user(1000, move || Wire::connect(&path).ask(Request::Status));
    assert!(matches!(own, Response::Status(_)), "{own:?}");
}

/// Runs something in a thread that is another user.
pub fn as_user<T: Send + 'static>(uid: u32, work: impl FnOnce() -> T + Send + 'static) -> T {
    use rustix::process::{Gid, Uid};
    let thread = std::thread::spawn(move || {
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
        rustix::thread::set_thread_groups(&[]).unwrap();
        rustix::thread::set_thread_res_gid(group, group, group).unwrap();
        rustix::thread::set_thread_res_uid(user, user, user).unwrap();
        work()
    });
    thread.join().unwrap()
}
