//! The check of new contents, and signals that come while it or anything else is waited for.

use std::fs;
use std::os::unix::thread::JoinHandleExt;
use std::time::Duration;

use jit_protocol::edit::Kind;
use nix::sys::pthread::pthread_kill;
use nix::sys::signal::Signal;
use rustix::fs::{CWD, Mode, mkfifoat};

use super::{Edit, Stage, set_mode, text};

/// What a helper says before it says nothing more.
type Begin = fn(&Edit);

#[test]
fn a_file_is_saved_only_if_its_check_succeeds() {
    let stage = Stage::new(&[("a", "good 1\n")]);
    let edit = stage.edit_with(&["a"], Some("/bin/grep\n-n\n-e\ngood\n{}"));
    edit.ready();
    let (message, said) = edit.save(0, "bad\n");
    assert_eq!((message.kind, message.value, said.as_str()), (Kind::NotSaved, 1, ""));
    assert_eq!(stage.read("a"), "good 1\n");
    let (message, said) = edit.save(0, "good 2\n");
    assert_eq!((message.kind, said.as_str()), (Kind::Saved, "1:good 2\n"));
    assert_eq!((stage.read("a").as_str(), stage.names()), ("good 2\n", vec!["a".to_owned()]));
    assert!(edit.end().unwrap());
}

#[test]
fn a_check_sees_the_new_contents_beside_the_file_with_its_owner_and_mode() {
    let stage = Stage::new(&[("a.conf", "old")]);
    set_mode(&stage.path("a.conf"), 0o604);
    let script = "stat -c '%a %h %n' \"$1\"; cat \"$1\"; cat; printf '%s' \"$JIT_EDIT_CHECK\"";
    let edit = stage.edit_with(&["a.conf"], Some(&format!("/bin/sh\n-c\n{script}\nsh\n{{}}")));
    edit.ready();
    let (message, said) = edit.save(0, "new");
    assert_eq!(message.kind, Kind::Saved);
    let start = format!("604 1 {}/.a.conf.jit-", stage.folder.path().display());
    assert!(said.starts_with(&start) && said.ends_with("\nnew"), "{said}");
}

#[test]
fn of_a_check_that_talks_without_end_so_much_is_shown() {
    let stage = Stage::new(&[("a", "old")]);
    let edit = stage.edit_with(&["a"], Some("/bin/sh\n-c\nyes | head -c 3000000; exit 1\n{}"));
    edit.ready();
    let (message, said) = edit.save(0, "new");
    assert_eq!((message.kind, said.len()), (Kind::NotSaved, jit_protocol::edit::MAX_OUTPUT));
    let edit = stage.edit_with(&["a"], Some("/no/such/check\n{}"));
    edit.ready();
    let (message, _) = edit.save(0, "new");
    assert_eq!((message.kind, message.value), (Kind::NotSaved, 0));
    assert!(text(&message).starts_with("its check cannot be run: "));
    assert_eq!(stage.read("a"), "old");
}

// While a check runs, time passes.
#[test]
fn what_is_changed_during_the_check_is_left_alone() {
    let stage = Stage::new(&[("a", "old")]);
    let check = format!("/bin/sh\n-c\nprintf theirs >{}\n{{}}", stage.path("a").display());
    let edit = stage.edit_with(&["a"], Some(&check));
    edit.ready();
    assert_eq!(edit.refuses(0, "ours"), "somebody else has changed it meanwhile");
    assert_eq!((stage.read("a").as_str(), stage.names()), ("theirs", vec!["a".to_owned()]));
}

// Many programs load code from where they start (`python3 -m json.tool`), and the person chooses where an edit starts.
#[test]
fn a_check_starts_in_the_root_folder_and_hears_signals() {
    let stage = Stage::new(&[("a", "old")]);
    let edit =
        stage.edit_with(&["a"], Some("/bin/sh\n-c\npwd; grep SigBlk /proc/self/status; : \"$1\"\nsh\n{}"));
    edit.ready();
    let (message, said) = edit.save(0, "new");
    assert_eq!((message.kind, said.as_str()), (Kind::Saved, "/\nSigBlk:\t0000000000000000\n"));
}

#[test]
fn what_a_check_leaves_behind_keeps_nobody_waiting() {
    let stage = Stage::new(&[("a", "old")]);
    mkfifoat(CWD, stage.path("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    let script = format!("cat {} & echo done; : \"$1\"", stage.path("fifo").display());
    let edit = stage.edit_with(&["a"], Some(&format!("/bin/sh\n-c\n{script}\nsh\n{{}}")));
    edit.ready();
    let (message, said) = edit.save(0, "new");
    assert_eq!((message.kind, said.as_str()), (Kind::Saved, "done\n"));
    fs::write(stage.path("fifo"), "").unwrap(); // its end
}

// A helper can send signals to what it has started. One in the middle of a save left unchecked contents of its choice in the
// folder, or half of them in a file that is written over.
#[test]
fn a_signal_leaves_nothing_in_the_folder_whatever_is_waited_for() {
    // Says more than anybody reads, a byte at a time.
    let flood = "/bin/sh\n-c\necho; while :; do dd if=/dev/zero bs=1 count=60 2>/dev/null; done\n{}";
    let started: Begin = |edit| {
        edit.channel.send(Kind::Save, 0, &[]).unwrap();
        edit.channel.send_contents(&mut &b"new"[..], || Ok(())).unwrap().unwrap();
        assert_eq!(edit.receive().kind, Kind::Output);
    };
    let half: Begin = |edit| {
        edit.channel.send(Kind::Save, 0, &[]).unwrap();
        edit.channel.send(Kind::Data, 0, b"ne").unwrap();
    };
    let waits: [(&str, Option<&str>, Begin); 3] = [
        ("half of the contents", None, half),
        ("a check that never ends", Some("/bin/sh\n-c\necho; trap '' TERM; read x <>/dev/ptmx\n{}"), started),
        ("a check that nobody listens to", Some(flood), started),
    ];
    for (what, check, begin) in waits {
        for signal in [Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGALRM] {
            let stage = Stage::new(&[("a", "old")]);
            let edit = stage.edit_with(&["a"], check);
            edit.ready();
            begin(&edit);
            while stage.names().len() < 2 {
                std::thread::sleep(Duration::from_millis(2));
            }
            pthread_kill(edit.serving.as_pthread_t(), signal).unwrap();
            // The helper is still there, and has heard nothing.
            while stage.names() != ["a"] {
                std::thread::sleep(Duration::from_millis(2));
            }
            let _ = edit.end();
            assert_eq!(stage.read("a"), "old", "{what}: {signal}");
        }
    }
}
