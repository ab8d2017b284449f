//! Rules that pin what is in a program.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jit_protocol::link::{FromMonitor, ToMonitor};
use jit_protocol::order::Pin;
use jit_protocol::request::{Elevate, Mode, Request};
use jit_protocol::response::Response;
use jit_sys::digest::{self, Program};
use jit_sys::path::own_root;

use crate::stage::{Stage, needs_root, order, ordered, refusal, us};
use crate::wire::command;

const OTHER: &str = "1111111111111111111111111111111111111111111111111111111111111111";

fn sha256(path: &str) -> String {
    let root = own_root().unwrap();
    let mut file = Program::open(std::os::fd::AsFd::as_fd(&root), path.as_bytes(), |_| true).unwrap();
    digest::hex(&file.digest(std::io::sink()).unwrap())
}

/// A rule that pins a program.
fn rule(path: &str, pins: &[&str]) -> String {
    format!(
        "schema = 1\n[[rule]]\nid = \"pinned\"\nusers = [\"#{}\"]\nrequire.authentication = \"none\"\n\
         commands = [{{ path = \"{path}\", args = [\"**\"], sha256 = {pins:?} }}]\n",
        us()
    )
}

/// A program in a folder of the test's: below /tmp, where others can write.
fn program(stage: &Stage, from: &str) -> String {
    let path = stage.root().join("program");
    fs::copy(from, &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_order_says_what_must_be_in_the_file_and_so_does_the_log() {
    let stage = Stage::with(&rule("/usr/bin/id", &[&sha256("/usr/bin/id"), OTHER]));
    let pin = ordered(&stage, command(&["/usr/bin/id", "-u"])).program.unwrap().pin.unwrap();
    assert_eq!(pin, Pin { sha256: sha256("/usr/bin/id"), copy: false });
    for event in ["session.started", "session.ended"] {
        assert_eq!(stage.await_event(event)["sha256"], pin.sha256, "{event}");
    }
}

#[test]
fn where_others_can_write_a_copy_is_to_run() {
    let mut stage = Stage::without_agent();
    let path = program(&stage, "/usr/bin/id");
    stage.write_policy("50-test.toml", &rule(&path, &[&sha256(&path)]));
    stage.start();
    let pin = ordered(&stage, command(&[&path])).program.unwrap().pin.unwrap();
    assert_eq!(pin, Pin { sha256: sha256("/usr/bin/id"), copy: true });
}

#[test]
fn a_rule_that_pins_nothing_orders_no_digest() {
    let stage = Stage::with(&crate::stage::rule("id", "require.authentication = \"none\""));
    assert_eq!(ordered(&stage, command(&["/usr/bin/id", "-u"])).program.unwrap().pin, None);
    assert!(stage.await_event("session.started").get("sha256").is_none());
}

// "a changed file doesn't run on a live grant"
#[test]
fn a_changed_file_does_not_run_on_a_live_grant() {
    let mut stage = Stage::without_agent();
    let path = program(&stage, "/usr/bin/id");
    stage.write_policy("50-test.toml", &rule(&path, &[&sha256(&path)]));
    stage.start();
    ordered(&stage, command(&[&path]));
    stage.await_event("grant.issued");
    program(&stage, "/usr/bin/true");
    assert_eq!(refusal(&stage, command(&[&path])), "the file is not one that policy pins");
    let denied = stage.await_event("request.denied");
    let expected = format!("its SHA-256 is {}, which is not pinned by pinned", sha256(&path));
    assert_eq!(denied["result"], expected);
    let wire = stage.connect();
    wire.elevate(Elevate { mode: Mode::Explain, ..command(&[&path]) });
    let told = wire.frame().first_text();
    assert!(
        told.contains("pinned: the file is not one that is pinned") && !told.contains(&sha256(&path)),
        "{told}"
    );
    program(&stage, "/usr/bin/id");
    ordered(&stage, command(&[&path]));
    stage.await_event("grant.used");
}

#[test]
fn what_has_no_digest_does_not_run() {
    let mut stage = Stage::without_agent();
    let path = program(&stage, "/usr/bin/id");
    stage.write_policy("50-test.toml", &rule(&path, &[&sha256(&path)]));
    stage.start();
    fs::write(&path, "#!/bin/sh\n").unwrap();
    let said = refusal(&stage, command(&[&path]));
    assert!(said.ends_with("it is a script, and others than root can change it"), "{said}");
    fs::File::create(&path).unwrap().set_len(digest::MOST + 1).unwrap();
    let said = refusal(&stage, command(&[&path]));
    // Empty, it is no program either.
    assert!(said.starts_with("the SHA-256 of the file cannot be told: "), "{said}");
    fs::remove_file(&path).unwrap();
    assert_eq!(refusal(&stage, command(&[&path])), format!("{path}: command not found"));
}

// "Each live grant is evaluated again"
#[test]
fn a_grant_ends_when_its_digest_is_pinned_no_more() {
    needs_root();
    let own = sha256("/usr/bin/id");
    let stage = Stage::with(&rule("/usr/bin/id", &[&own]));
    let monitor = order(&stage, command(&["/usr/bin/id", "-u"]));
    monitor.go();
    monitor.say(&FromMonitor::Running { pid: 1, cgroup: "s-1".to_owned() });
    let push = |pins: &[&str]| {
        stage.write_policy("50-test.toml", &rule("/usr/bin/id", pins));
        let reloaded = stage.connect().ask(Request::Reload { force: false });
        assert!(matches!(reloaded, Response::Done { .. }), "{reloaded:?}");
    };
    push(&[OTHER, &own]);
    let Response::Grants(grants) = stage.connect().ask(Request::Grants { all: true }) else { panic!() };
    assert_eq!(grants.len(), 1, "still permitted, it lives");
    push(&[OTHER]);
    assert!(matches!(monitor.hear(), ToMonitor::Terminate { .. }));
    stage.await_event("grant.revoked");
}

// Who may run nothing there does not learn that there is a file, nor make the agent read it.
#[test]
fn a_fifo_under_a_pinned_name_holds_nobody_up() {
    let mut stage = Stage::without_agent();
    let path = stage.root().join("program").to_str().unwrap().to_owned();
    stage.write_policy("50-test.toml", &rule(&path, &[OTHER]));
    stage.start();
    nix::unistd::mkfifo(Path::new(&path), nix::sys::stat::Mode::from_bits_truncate(0o755)).unwrap();
    assert_eq!(refusal(&stage, command(&[&path])), format!("{path}: command not found"));
}
