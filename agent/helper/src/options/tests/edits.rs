//! `-e`, and the name `sudoedit`.

use super::*;

fn edited(name: &str, line: &[&str]) -> Result<Asked, Mistake> {
    match parse(name, &words(line), |_| None)? {
        Action::Elevate(asked) => Ok(*asked),
        other => panic!("{line:?}: {other:?}"),
    }
}

// sudo(8): "sudoedit … equivalent to sudo -e"
#[test]
fn files_are_edited_by_option_by_name_and_by_command() {
    let plain = Asked { edit: true, ..run(&["sudoedit", "/etc/motd", "x"]) };
    for (name, line) in [
        ("jit-sudo", &["-e", "/etc/motd", "x"][..]),
        ("jit-sudo", &["--edit", "--", "/etc/motd", "x"]),
        ("sudo", &["-e", "-e", "/etc/motd", "x"]),
        ("sudoedit", &["/etc/motd", "x"]),
        ("sudoedit", &["-e", "--", "/etc/motd", "x"]),
    ] {
        assert_eq!(edited(name, line).unwrap(), plain, "{name} {line:?}");
    }
    let command = Asked { edit_is_command: true, ..plain };
    assert_eq!(edited("jit-sudo", &["sudoedit", "/etc/motd", "x"]).unwrap(), command);
    let list = edited("jit-sudo", &["-l", "sudoedit", "/etc/motd"]).unwrap();
    assert_eq!((list.mode, list.edit, list.command), (Mode::List, true, words(&["sudoedit", "/etc/motd"])));
    let explain = edited("jit-sudo", &["--explain", "-e", "/etc/motd"]).unwrap();
    assert_eq!((explain.mode, explain.edit), (Mode::Explain, true));
    // A program of that name is a program, and what a shell is to run is the shell's.
    assert!(!edited("jit-sudo", &["./sudoedit", "/etc/motd"]).unwrap().edit);
    assert!(!edited("jit-sudo", &["-s", "sudoedit", "/etc/motd"]).unwrap().edit);
    let all = ["-nABk", "-uwww", "-g", "adm", "-p", "?", "-D", "/srv", "-T", "60", "-C", "5", "/etc/motd"];
    let asked = edited("sudoedit", &all).unwrap();
    assert_eq!((asked.user.as_deref(), asked.timeout, asked.ignore_record), (Some("www"), Some(60), true));
}

// sudo's usage: sudoedit [-ABkNnS] [-C num] [-D directory] [-g group] [-p prompt] [-T timeout] [-u user] file ...
#[test]
fn what_is_about_a_commands_process_goes_with_no_edit() {
    for (line, other) in [
        (&["-i", "x"][..], "-i"),
        (&["-s", "x"], "-s"),
        (&["-b", "x"], "-b"),
        (&["-H", "x"], "-H"),
        (&["-P", "x"], "-P"),
        (&["-E", "x"], "-E"),
        (&["--preserve-env=A", "x"], "-E"),
        (&["A=b", "x"], "VAR=value"),
    ] {
        assert_eq!(edited("sudoedit", line), Err(Mistake::Conflict("-e", other)), "{line:?}");
    }
    for (line, other) in [(&["-l", "x"][..], "-l"), (&["-v"], "-v"), (&["-K"], "-K")] {
        assert_eq!(edited("sudoedit", line), Err(Mistake::Conflict(other, "-e")), "{line:?}");
    }
    for line in [&[][..], &["-k"], &["--"], &["x", ""]] {
        assert_eq!(edited("sudoedit", line), Err(Mistake::NoFile), "{line:?}");
    }
    let conflict = edited("jit-sudo", &["-b", "sudoedit", "x"]);
    assert_eq!(conflict, Err(Mistake::Conflict("-e", "-b")));
    assert!(help("sudoedit").starts_with("usage: sudoedit [options] [--] file ...\n"));
}
