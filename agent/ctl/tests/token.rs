//! A token, from who asks to who approves, with real keys of ssh-keygen(1); how it is asked for and spent needs an agent.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may fail as tests do")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const ASKED: &str = include_str!("../../protocol/src/token/golden.txt");

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Output {
    Command::new(program).current_dir(folder).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn jitctl(folder: &Path, arguments: &[&str]) -> Output {
    run(folder, env!("CARGO_BIN_EXE_jitctl"), arguments)
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder with bob's key, the lists of who may sign and of who may not any more, and a token that is good for long.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let made = run(path, "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "bob"]);
    assert!(made.status.success(), "{made:?}");
    let key = fs::read_to_string(path.join("bob.pub")).unwrap();
    fs::write(path.join("signers"), format!("bob@example.com namespaces=\"jit-grant@jit-sudo\" {key}"))
        .unwrap();
    fs::write(path.join("none"), "").unwrap();
    fs::write(path.join("revoked"), key).unwrap();
    let asked = ASKED.replace("2026-11-22T21:00:00Z", "2020-01-01T00:00:00Z");
    fs::write(path.join("asked"), asked.replace("2026-11-22T21:30:00Z", "2099-01-01T00:00:00Z")).unwrap();
    folder
}

#[test]
fn it_is_shown_so_that_it_cannot_be_taken_for_something_else() {
    let folder = folder();
    let shown = jitctl(folder.path(), &["token", "show", "asked"]);
    assert!(shown.status.success(), "{shown:?}");
    let text = out(&shown);
    for line in [
        "token: fedcba9876543210fedcba9876543210",
        "host's id: 0123456789abcdef0123456789abcdef",
        "who: alice (uid 1000)",
        "as: root (uid 0), groups 0",
        "reason: INC-1: \\u{202e}grün \\x1b[2J",
        "rule: deploy",
        "program: '/usr/bin/id'",
        "argument: 1. '\\xff' (letters beyond ASCII",
        "variable: A='1'",
        "to be spent: 2020-01-01T00:00:00Z to 2099-01-01T00:00:00Z",
        "grant lives: 900 s from then",
        "Not covered: ",
        "It has 0 signatures",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[test]
fn it_is_signed_by_jitctl_as_by_ssh_keygen_and_verified() {
    let folder = folder();
    let path = folder.path();
    let verify =
        |file: &str| jitctl(path, &["token", "verify", "--signers", "signers", "--revoked", "none", file]);
    let signed = jitctl(path, &["token", "sign", "--key", "bob", "--yes", "asked"]);
    assert!(signed.status.success(), "{signed:?}");
    assert!(told(&signed).contains("program: '/usr/bin/id'"), "what is signed is shown: {signed:?}");
    fs::write(path.join("signed"), &signed.stdout).unwrap();
    let verified = verify("signed");
    assert!(verified.status.success(), "{verified:?}");
    assert!(out(&verified).contains("signed by bob@example.com (SHA256:"), "{verified:?}");

    let plain =
        run(path, "ssh-keygen", &["-Y", "sign", "-q", "-n", "jit-grant@jit-sudo", "-f", "bob", "asked"]);
    assert!(plain.status.success(), "{plain:?}");
    let (asked, signature) =
        (fs::read(path.join("asked")).unwrap(), fs::read(path.join("asked.sig")).unwrap());
    assert_eq!([asked, signature].concat(), signed.stdout, "ed25519 signs alike each time");

    // Another one's goes behind it.
    let both = jitctl(path, &["token", "sign", "--key", "bob", "--yes", "signed"]);
    assert_eq!(out(&both).matches("BEGIN SSH SIGNATURE").count(), 2);
}

#[test]
fn what_does_not_count_is_told_with_its_reason() {
    let folder = folder();
    let path = folder.path();
    let signed = out(&jitctl(path, &["token", "sign", "--key", "bob", "--yes", "asked"]));
    for (text, revoked, why) in [
        (fs::read_to_string(path.join("asked")).unwrap(), "none", "the token is not signed"),
        (signed.replace("INC-1", "INC-2"), "none", "what was signed is another text"),
        (signed.replace("2099-", "2021-"), "none", "what was signed is another text"),
        (signed.clone(), "revoked", "its key is revoked"),
        (signed[..signed.len() - 20].to_owned(), "none", "the token is cut off"),
        (signed.replace("  \"host\"", " \"host\""), "none", "it is not in its one form"),
    ] {
        fs::write(path.join("token"), text).unwrap();
        let verified =
            jitctl(path, &["token", "verify", "--signers", "signers", "--revoked", revoked, "token"]);
        assert_eq!(verified.status.code(), Some(1), "{verified:?}");
        assert!(told(&verified).contains(why), "{why} is not in {verified:?}");
    }
    fs::write(path.join("over"), ASKED).unwrap();
    let late = out(&jitctl(path, &["token", "sign", "--key", "bob", "--yes", "over"]));
    fs::write(path.join("over"), late).unwrap();
    let verified = jitctl(path, &["token", "verify", "--signers", "signers", "--revoked", "none", "over"]);
    let expired = told(&verified).contains("expired at 2026-11-22T21:30:00Z");
    let early = told(&verified).contains("not good before 2026-11-22T21:00:00Z");
    assert!(verified.status.code() == Some(1) && (expired || early), "{verified:?}");
}

#[test]
fn nothing_is_signed_unseen_or_with_a_key_that_is_none() {
    let folder = folder();
    let path = folder.path();
    // In a session of its own there is no terminal to ask on.
    let sign = [env!("CARGO_BIN_EXE_jitctl"), "token", "sign", "--key", "bob", "asked"];
    let asked = run(path, "setsid", &sign);
    assert!(asked.status.code() == Some(1) && asked.stdout.is_empty(), "{asked:?}");
    assert!(told(&asked).contains("there is no terminal to ask on"), "{asked:?}");
    let none = jitctl(path, &["token", "sign", "--key", "signers", "--yes", "asked"]);
    assert!(none.status.code() == Some(1) && none.stdout.is_empty(), "{none:?}");
    assert!(told(&none).contains("it was not signed"), "{none:?}");
}
