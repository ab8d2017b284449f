//! `-e`: what policy is asked about, what a monitor is told to run, and who learns what of files.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use jit_protocol::Bytes;
use jit_protocol::order::Order;
use jit_protocol::request::{Elevate, Mode};

use crate::stage::{NOTHING, Stage, needs_root, ordered, us};
use crate::wire::command;

fn edit(files: &[&str]) -> Elevate {
    let mut asked = command(&[&["sudoedit"], files].concat());
    asked.path = None;
    asked.edit = Some(files.iter().map(|file| (*file).into()).collect());
    asked
}

/// One rule for us, as root, without a password; and our program in its place.
fn stage(commands: &str, more: &str) -> Stage {
    let stage = Stage::with(&format!(
        "schema = 1\n[[rule]]\nid = \"r\"\nusers = [\"#{}\"]\ncommands = {commands}\nrequire.authentication = \"none\"\n{more}\n",
        us()
    ));
    fs::create_dir_all(stage.paths.edit.parent().unwrap()).unwrap();
    fs::write(&stage.paths.edit, "#!/bin/true\n").unwrap();
    fs::set_permissions(&stage.paths.edit, PermissionsExt::from_mode(0o755)).unwrap();
    stage
}

fn refusal(stage: &Stage, files: &[&str]) -> String {
    let wire = stage.connect();
    wire.elevate(edit(files));
    wire.refusal()
}

fn variable(order: &Order, name: &str) -> Option<String> {
    let found = order.environment.iter().find(|(known, _)| known.as_slice() == name.as_bytes());
    found.map(|(_, value)| value.to_string_lossy())
}

#[test]
fn our_own_program_gets_the_resolved_files_and_the_log_says_sudoedit() {
    needs_root();
    let check =
        "restrict.edit_check = \"/usr/bin/true -x {}\"\nrestrict.env_set = { JIT_EDIT_CHECK = \"forged\" }";
    let stage = stage("[\"sudoedit /etc/passwd /etc/new\"]", check);
    let order = ordered(&stage, edit(&["/etc/./../etc/passwd", "/etc/new"]));
    assert_eq!(order.program.as_ref().unwrap().path, Bytes::from(stage.paths.edit.to_str().unwrap()));
    let argv: Vec<String> = order.argv.iter().map(Bytes::to_string_lossy).collect();
    assert_eq!(argv, ["sudoedit", "/etc/passwd", "/etc/new"]);
    assert!(order.edit && order.terminal.is_none());
    assert_eq!(variable(&order, "SUDO_COMMAND").unwrap(), "sudoedit /etc/passwd /etc/new");
    assert_eq!(variable(&order, "JIT_EDIT_CHECK").unwrap(), "/usr/bin/true\n-x\n{}");
    let started = stage.await_event("session.started");
    assert_eq!((&started["mode"], &started["rule"]), (&"edit".into(), &"r".into()));
    assert_eq!(started["command"], serde_json::json!(["sudoedit", "/etc/passwd", "/etc/new"]));
}

#[test]
fn nobody_but_the_rule_says_how_a_file_is_checked() {
    let stage = stage("[\"ALL\"]", "restrict.env_keep = [\"*\", \"JIT_EDIT_CHECK\"]");
    let mut asked = edit(&["/etc/passwd"]);
    asked.environment.push(("JIT_EDIT_CHECK".into(), "/bin/sh".into()));
    assert_eq!(variable(&ordered(&stage, asked), "JIT_EDIT_CHECK"), None);
}

#[test]
fn a_check_that_others_can_change_or_that_is_not_there_saves_nothing() {
    needs_root();
    for check in ["/nonexistent/check {}", "/etc/passwd {}", "/tmp/check {}"] {
        let stage = stage("[\"sudoedit /etc/passwd\"]", &format!("restrict.edit_check = \"{check}\""));
        let told = refusal(&stage, &["/etc/passwd"]);
        assert_eq!(told, "the check of this rule cannot be run, and nothing is saved without it", "{check}");
        assert!(stage.monitor_within(NOTHING).is_none());
    }
}

// CVE-2021-23239: sudo told whether files and folders are there, to those who may not edit them.
#[test]
fn what_is_there_is_told_to_those_alone_who_may_edit_it() {
    let stage = stage("[\"sudoedit **\"]\nexcept_commands = [\"sudoedit /root/* /nonexistent/*\"]", "");
    let place = stage.root().to_str().unwrap().to_owned();
    fs::write(stage.root().join("plain"), "").unwrap();
    symlink("plain", stage.root().join("link")).unwrap();
    fs::write(stage.root().join("setgid"), "").unwrap();
    fs::set_permissions(stage.root().join("setgid"), PermissionsExt::from_mode(0o2755)).unwrap();
    for (name, why) in [
        ("link", "editing symbolic links is not permitted"),
        ("etc", "not a regular file"),
        ("setgid", "editing a file with setuid or setgid is not permitted"),
        ("nope/x", "its folder does not exist"),
        ("plain/x", "its folder does not exist"),
    ] {
        let file = format!("{place}/{name}");
        assert_eq!(refusal(&stage, &[&format!("{place}/plain"), &file]), format!("{file}: {why}"));
    }
    let mut told: Vec<String> = ["/root/.bashrc", "/root/nope", "/nonexistent/x", "/root/../root/x", "/"]
        .iter()
        .map(|file| refusal(&stage, &[file]))
        .collect();
    told.dedup();
    assert_eq!(told, ["no rule lets you run this"]);
    // Whatever the helper says that was typed.
    let wire = stage.connect();
    wire.elevate(Elevate { command: vec!["id".into()], ..edit(&["/root/nope"]) });
    assert_eq!(wire.refusal(), "no rule lets you run this");
    let denied = stage.await_events("request.denied", 11).pop().unwrap();
    assert_eq!(denied["command"], serde_json::json!(["sudoedit", "/root/nope"]));
    let denied = stage.await_event("request.denied");
    assert_eq!((&denied["mode"], &denied["command"][0]), (&"edit".into(), &"sudoedit".into()));
}

#[test]
fn what_is_no_edit_is_not_understood() {
    let stage = stage("[\"ALL\"]", "");
    let many = vec!["/etc/passwd"; 65];
    for asked in [edit(&[]), edit(&many)] {
        let wire = stage.connect();
        wire.elevate(asked);
        assert_eq!(wire.refusal(), "the request is not understood");
    }
    assert_eq!(refusal(&stage, &["etc/passwd"]), "etc/passwd: this is not the path of a file");
}

#[test]
fn without_our_program_nothing_is_edited() {
    let stage = stage("[\"ALL\"]", "");
    fs::remove_file(&stage.paths.edit).unwrap();
    assert_eq!(refusal(&stage, &["/etc/passwd"]), "files cannot be edited: jit-edit is missing");
}

#[test]
fn why_an_edit_is_permitted_is_explained() {
    let stage = stage("[\"sudoedit /etc/passwd\"]", "");
    for (file, permitted) in [("/etc/passwd", true), ("/etc/group", false)] {
        let wire = stage.connect();
        wire.elevate(Elevate { mode: Mode::Explain, ..edit(&[file]) });
        assert_eq!(wire.frame().value == 0, permitted, "{file}");
    }
}

// The agent reads links that the person can't: in closed folders, and in /proc.
#[test]
fn where_a_link_leads_is_not_explained() {
    let stage = stage("[\"sudoedit /etc/passwd\"]", "");
    fs::create_dir(stage.root().join("secret")).unwrap();
    symlink("secret", stage.root().join("way")).unwrap();
    let way = stage.root().join("way/x").to_str().unwrap().to_owned();
    for mode in [Mode::Explain, Mode::Run] {
        let wire = stage.connect();
        wire.elevate(Elevate { mode, ..edit(&["/etc/passwd", &way]) });
        let told = wire.frame();
        let text = [told.first.as_slice(), told.second.as_slice()].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(!text.is_empty() && !text.contains("secret"), "{mode:?}: {text}");
    }
}
