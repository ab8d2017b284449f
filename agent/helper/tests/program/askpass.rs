//! `-A` and `SUDO_ASKPASS`: a program asks.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use jit_protocol::frame::{Frame, Kind};

use crate::{ends, run};

/// A program that asks; it notes what it is asked.
fn asker(folder: &tempfile::TempDir, text: &str) -> String {
    let path = folder.path().join("asker");
    // Written by another process: what is open for writing here is so for a moment in each program that another test
    // starts, and nobody can execute it meanwhile.
    let mut install =
        Command::new("install").arg("/dev/stdin").arg(&path).stdin(Stdio::piped()).spawn().unwrap();
    write!(install.stdin.take().unwrap(), "#!/bin/sh\nprintf %s \"$1\" >\"$0.asked\"\n{text}\n").unwrap();
    assert!(install.wait().unwrap().success());
    path.display().to_string()
}

// sudo(8), -A: "a (possibly graphical) helper program is executed to read the user's password and output the password to the
// standard output". Also used "if no terminal is available".
#[test]
fn a_program_asks_where_it_is_told_to_or_nobody_else_can() {
    for option in ["-A", "", "-A -B -p PROMPT"] {
        let folder = tempfile::tempdir().unwrap();
        let program = asker(&folder, "echo secret; echo more");
        let script = format!("SUDO_ASKPASS={program} exec \"$0\" {option} id");
        let output = run(&script, b"for the command", |helper| {
            assert!(helper.elevate().can_ask && helper.elevate().terminal.is_none());
            helper.says(&Frame::with(Kind::Prompt, 0, "[jit-sudo] id\nPassword: ", ""));
            assert_eq!(helper.hears(), (Kind::Answer, 0, b"secret".to_vec()), "{option}");
            let mut rest = String::new();
            File::from(helper.descriptors[0].try_clone().unwrap()).read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "for the command");
            ends(0)(helper);
        });
        assert_eq!((output.stdout, output.stderr), (Vec::new(), Vec::new()), "the prompt is the program's");
        let asked = std::fs::read_to_string(folder.path().join("asker.asked")).unwrap();
        assert_eq!(asked, "[jit-sudo] id\nPassword: ");
    }
}

#[test]
fn a_program_that_says_nothing_has_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let program = asker(&folder, "exit 0");
    run(&format!("SUDO_ASKPASS={program} exec \"$0\" -A id"), b"", |helper| {
        helper.says(&Frame::with(Kind::Prompt, 0, "Password: ", ""));
        assert_eq!(helper.hears(), (Kind::Answer, 1, Vec::new()));
        helper.says(&Frame::refused("a password is required", ""));
    });
}

#[test]
fn a_program_does_not_get_our_connection() {
    let folder = tempfile::tempdir().unwrap();
    let program = asker(&folder, "ls -l /proc/$$/fd >\"$0.files\"; echo secret");
    // What other tests have open in this process may be inherited on the way here: the helper had it before it connected.
    let before = folder.path().join("before");
    let script = format!("ls -l /proc/$$/fd >{}; SUDO_ASKPASS={program} exec \"$0\" -A id", before.display());
    run(&script, b"", |helper| {
        helper.says(&Frame::with(Kind::Prompt, 0, "Password: ", ""));
        assert_eq!(helper.hears(), (Kind::Answer, 0, b"secret".to_vec()));
        ends(0)(helper);
    });
    let sockets = |file: &std::path::Path| -> std::collections::BTreeSet<String> {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains(" 1 -> "), "{text}");
        text.lines().filter_map(|line| Some(line.split_once("socket:")?.1.to_owned())).collect()
    };
    let files = sockets(&folder.path().join("asker.files"));
    assert!(files.is_subset(&sockets(&before)), "the connection is ours alone: {files:?}");
}

#[test]
fn a_program_that_never_ends_its_answer_is_not_listened_to_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let program = asker(&folder, "exec yes | tr -d '\\n'");
    let output = run(&format!("SUDO_ASKPASS={program} exec \"$0\" -A id"), b"", |helper| {
        helper.says(&Frame::with(Kind::Prompt, 0, "Password: ", ""));
        assert!(helper.connection.wait(Some(20_000)).unwrap(), "it leaves");
    });
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stderr, b"jit-sudo: the answer is longer than 1024 bytes\n");
}

/// The monitor gives up after five minutes.
#[test]
fn a_program_that_says_nothing_for_ever_is_left_once_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let program =
        asker(&folder, "echo $$ >\"$0.new\"; mv \"$0.new\" \"$0.pid\"; exec sleep 1000 2>/dev/null");
    let mut asks = None;
    let output = run(&format!("SUDO_ASKPASS={program} exec \"$0\" -A id 2>&1 | cat"), b"", |helper| {
        helper.says(&Frame::with(Kind::Prompt, 0, "Password: ", ""));
        while asks.is_none() {
            asks = std::fs::read_to_string(folder.path().join("asker.pid")).ok();
            std::thread::yield_now();
        }
        helper.says(&Frame::refused("no answer came in time", ""));
        assert!(helper.connection.wait(Some(20_000)).unwrap(), "it leaves");
    });
    let asks = nix::unistd::Pid::from_raw(asks.unwrap().trim().parse().unwrap());
    nix::sys::signal::kill(asks, nix::sys::signal::Signal::SIGKILL).expect("it still asks");
    assert_eq!(output.stdout, b"jit-sudo: no answer came in time\n");
}

#[test]
fn a_program_that_cannot_ask_is_told_in_sudos_words() {
    for (script, told) in [
        ("exec \"$0\" -A id", "no askpass program specified, try setting SUDO_ASKPASS"),
        ("SUDO_ASKPASS= exec \"$0\" -A id", "no askpass program specified, try setting SUDO_ASKPASS"),
        (
            "SUDO_ASKPASS=/no/such exec \"$0\" -A id",
            "unable to run /no/such: No such file or directory (os error 2)",
        ),
        ("SUDO_ASKPASS=true exec \"$0\" -A id", "unable to run true: No such file or directory (os error 2)"),
    ] {
        let output = run(script, b"", |helper| {
            assert!(helper.elevate().can_ask);
            helper.says(&Frame::with(Kind::Prompt, 0, "Password: ", ""));
            assert!(helper.connection.wait(Some(20_000)).unwrap(), "it leaves");
        });
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("jit-sudo: {told}\n"));
    }
    let output = run("exec \"$0\" id", b"", |helper| {
        assert!(!helper.elevate().can_ask, "neither a terminal nor a program");
        helper.says(&Frame::refused("a terminal is required", ""));
    });
    assert_eq!(output.status.code(), Some(1));
}
