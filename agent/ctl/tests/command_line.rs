//! The built program: what it prints where, and how it exits, as far as no agent is needed.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may fail as tests do")]

use std::process::{Command, Output};

fn jitctl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jitctl")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

// interface.md: "exit 0 done, 1 refused or failed, 2 usage"; what is not built yet is not offered.
#[test]
fn what_is_not_understood_is_a_usage_error_on_standard_error() {
    for line in [
        &[][..],
        &["frobnicate"],
        &["approve"],
        &["deny", "--reason"],
        &["request"],
        &["request", "id"],
        &["request", "--login", "dba"],
        &["policy"],
        &["token"],
        &["token", "request", "id"],
        &["token", "sign", "file"],
        &["policy", "test", "dir", "dir"],
        &["policy", "explain", "--user", "root"],
        &["policy", "explain", "--", "id"],
        &["policy", "check", "--name", "x.toml"],
        &["policy", "check", "--file", "x", "dir"],
        &["policy", "lint", "--format", "xml"],
        &["policy", "diff", "old"],
        &["policy", "format"],
        &["policy", "format", "--check", "--write", "x"],
        &["policy", "format", "x", "y"],
        &["audit", "show", "--since", "soon"],
        &["audit", "show", "--event", "nonsense"],
        &["revoke"],
        &["status", "--nope"],
    ] {
        let output = jitctl(line);
        assert_eq!(output.status.code(), Some(2), "{line:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{line:?}");
    }
}

#[test]
fn a_mistake_that_repeats_what_was_typed_steers_no_terminal() {
    let output = jitctl(&["\u{1b}[2J\u{202e}"]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(!told.contains(['\u{1b}', '\u{202e}']) && told.contains("\\u{202e}"), "{told:?}");
}

#[test]
fn help_is_on_standard_output_and_names_every_command() {
    let output = jitctl(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    for command in ["status", "grants", "sessions", "request", "revoke", "reload", "token", "policy", "audit"]
    {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
    }
    assert_eq!(jitctl(&["policy", "check", "--help"]).status.code(), Some(0));
    assert_eq!(text(&jitctl(&["--version"]).stdout), concat!("jitctl ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_failure_is_told_once_with_a_hint_and_exits_with_1() {
    let output = jitctl(&["policy", "check", "--file", "/nonexistent\u{1b}", "--name", "x.toml"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let told = text(&output.stderr);
    assert!(told.starts_with("jitctl: /nonexistent\\x1b cannot be read: "), "{told}");
}

#[test]
fn standard_input_is_formatted_to_standard_output() {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_jitctl"))
        .args(["policy", "format", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"schema=1 # one\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), "schema = 1 # one\n");
}
