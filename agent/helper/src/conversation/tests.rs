//! The talk with agent and monitor, whose part the test plays.

use std::fs::File;
use std::io::{Read, Write};
use std::thread::JoinHandle;

use nix::pty::openpty;
use nix::sys::pthread::{Pthread, pthread_kill, pthread_self};
use nix::sys::signal::Signal;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::*;

/// What was written where, and how it ended.
type Said = (Outcome, String, String);

struct Talk {
    other: Connection,
    person: File,
    thread: Pthread,
    helper: JoinHandle<Said>,
}

fn talk(name: &'static str, own_prompt: bool, with_terminal: bool) -> Talk {
    talk_asking(name, Asking { own_prompt, ..Asking::default() }, with_terminal)
}

fn talk_asking(name: &'static str, asking: Asking, with_terminal: bool) -> Talk {
    let (ours, other) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let pty = openpty(None, None).unwrap();
    let (say, thread) = std::sync::mpsc::channel();
    let helper = std::thread::spawn(move || {
        say.send(pthread_self()).unwrap();
        let connection = Connection::over(ours);
        let terminal = Terminal::over(pty.slave);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut messages = Messages { name, out: &mut out, err: &mut err, person: false, json: false };
        let terminal = with_terminal.then(|| (&terminal, Pipeline::default()));
        let outcome = Conversation {
            connection: &connection,
            terminal,
            asking,
            after: After::Command { background: false },
            messages: &mut messages,
        }
        .run()
        .unwrap();
        (outcome, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    });
    let thread = thread.recv().unwrap();
    Talk { other: Connection::over(other), person: File::from(pty.master), thread, helper }
}

impl Talk {
    fn says(&self, frame: &Frame) {
        self.other.send_frame(frame, &[]).unwrap();
    }

    fn sees(&mut self, text: &str) {
        let mut seen = vec![0; text.len()];
        self.person.read_exact(&mut seen).unwrap();
        assert_eq!(String::from_utf8_lossy(&seen), text);
    }

    fn ended(self) -> Said {
        self.helper.join().unwrap()
    }
}

fn said(name: &'static str, frames: &[Frame]) -> Said {
    let talk = talk(name, false, true);
    for frame in frames {
        talk.says(frame);
    }
    talk.ended()
}

// research/features.md, 2.1: what Ansible, pyinfra and Fabric look for, to the byte.
#[test]
fn refusals_have_the_shape_that_sudos_clients_know() {
    let required = Frame::refused("a password is required", "");
    let (outcome, out, err) = said("sudo", &[Frame::refused("a password is required", "")]);
    assert_eq!(
        (outcome, out.as_str(), err.as_str()),
        (Outcome::REFUSED, "", "sudo: a password is required\n")
    );
    assert_eq!(said("jit-sudo", &[required]).2, "jit-sudo: a password is required\n");
    let (_, _, err) = said(
        "sudo",
        &[
            Frame::with(Kind::Message, 1, "Sorry, try again.", ""),
            Frame::refused("3 incorrect password attempts", ""),
        ],
    );
    assert_eq!(err, "Sorry, try again.\nsudo: 3 incorrect password attempts\n");
}

#[test]
fn a_hint_follows_and_nothing_steers_the_terminal() {
    let frame = Frame::refused("alice may not run \x1b[2J\u{202e}x", "ask\r");
    assert_eq!(
        said("jit-sudo", &[frame]).2,
        "jit-sudo: alice may not run \\x1b[2J\\u{202e}x\nhint: ask\\r\n"
    );
}

#[test]
fn output_in_parts_is_printed_whole_and_ends_as_it_says() {
    let parts =
        [Frame::with(Kind::Output, -1, "one\n", ""), Frame::with(Kind::Output, 1, "two\n", "a warning\n")];
    let (outcome, out, err) = said("jit-sudo", &parts);
    assert_eq!((outcome, out.as_str(), err.as_str()), (Outcome::Status(1), "one\ntwo\n", "a warning\n"));
}

#[test]
fn an_end_without_a_word_is_a_refusal_with_a_hint() {
    let talk = talk("jit-sudo", false, true);
    let Talk { other, helper, .. } = talk;
    drop(other);
    let (outcome, out, err) = helper.join().unwrap();
    assert_eq!((outcome, out.as_str()), (Outcome::REFUSED, ""));
    assert_eq!(
        err,
        "jit-sudo: the agent closed the connection without an answer\nhint: systemctl status jit-agentd jit-spawner\n"
    );
}

#[test]
fn what_only_the_helper_may_say_is_not_believed() {
    for kind in [Kind::Descriptors, Kind::Answer, Kind::Window, Kind::Signal, Kind::Continue, Kind::Challenge]
    {
        let (outcome, _, err) = said("jit-sudo", &[Frame::new(kind, 0)]);
        assert_eq!(outcome, Outcome::REFUSED, "{kind:?}");
        assert!(err.contains("another protocol"), "{err}");
    }
    // A terminal's stream without a descriptor, and one for a helper that has no terminal.
    assert_eq!(said("jit-sudo", &[Frame::new(Kind::Started, 1)]).0, Outcome::REFUSED);
}

#[test]
fn a_prompt_is_answered_by_what_the_person_types() {
    let mut talk = talk("jit-sudo", false, true);
    talk.says(&Frame::with(Kind::Prompt, 0, "[jit-sudo] id as root\nPassword for alice: ", ""));
    talk.sees("[jit-sudo] id as root\r\nPassword for alice: ");
    talk.person.write_all(b"secret\n").unwrap();
    let (answer, _) = talk.other.receive_frame().unwrap();
    assert_eq!((answer.kind, answer.value, answer.first.as_slice()), (Kind::Answer, 0, &b"secret"[..]));
    talk.says(&Frame::new(Kind::Ended, 0));
    assert_eq!(talk.ended().0, Outcome::Status(0));
}

// features.md, 2.2: "printed verbatim"; sudo-rs #1461 is what happens otherwise. PAM's own text may come from afar.
#[test]
fn only_a_prompt_of_the_users_own_may_steer_the_terminal() {
    for (own, value, shown) in [
        (true, 2, "\x1b[1mpw:"),
        (true, 0, "\\x1b[1mpw:"),
        (false, 2, "\\x1b[1mpw:"),
        (false, 0, "\\x1b[1mpw:"),
    ] {
        let mut talk = talk("jit-sudo", own, true);
        talk.says(&Frame::with(Kind::Prompt, value, "\x1b[1mpw:", ""));
        talk.sees(shown);
        talk.person.write_all(b"\x04").unwrap();
        let (answer, _) = talk.other.receive_frame().unwrap();
        assert_eq!((answer.kind, answer.value), (Kind::Answer, 1));
        drop(talk);
    }
}

#[test]
fn ctrl_c_gives_up_and_a_deadly_signal_kills() {
    for (signal, outcome) in [(Signal::SIGINT, Outcome::REFUSED), (Signal::SIGTERM, Outcome::Signal(15))] {
        let mut talk = talk("jit-sudo", false, true);
        talk.says(&Frame::with(Kind::Prompt, 0, "? ", ""));
        talk.sees("? ");
        pthread_kill(talk.thread, signal).unwrap();
        if signal == Signal::SIGINT {
            let (answer, _) = talk.other.receive_frame().unwrap();
            assert_eq!((answer.kind, answer.value, answer.first.len()), (Kind::Answer, 1, 0));
            talk.says(&Frame::refused("a password is required", ""));
        }
        assert_eq!(talk.ended().0, outcome);
    }
}

#[test]
fn a_refusal_during_a_prompt_withdraws_it() {
    let mut talk = talk("jit-sudo", false, true);
    talk.says(&Frame::with(Kind::Prompt, 0, "? ", ""));
    talk.sees("? ");
    talk.says(&Frame::refused("no answer came in time", ""));
    assert_eq!(talk.ended().2, "jit-sudo: no answer came in time\n");
}

// sudo(8), -B: "Ring the bell as part of the password prompt when a terminal is present."
#[test]
fn the_bell_rings_once_before_each_prompt_that_is_shown() {
    let mut talk = talk_asking("sudo", Asking { bell: true, ..Asking::default() }, true);
    for _ in 0..2 {
        talk.says(&Frame::with(Kind::Prompt, 0, "pw:", ""));
        talk.sees("\x07pw:");
        talk.person.write_all(b"x\n").unwrap();
        talk.sees("*\x08 \x08\r\n");
        assert_eq!(talk.other.receive_frame().unwrap().0.kind, Kind::Answer);
    }
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let talk = talk("jit-sudo", false, false);
    talk.says(&Frame::with(Kind::Prompt, 0, "? ", ""));
    let (outcome, _, err) = talk.ended();
    assert_eq!(outcome, Outcome::REFUSED);
    assert_eq!(err, "jit-sudo: there is no terminal to ask for a password\n");
}

#[test]
fn what_waits_for_somebody_else_ends_the_conversation_with_its_request() {
    let (ours, other) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let (connection, other) = (Connection::over(ours), Connection::over(other));
    other.send_frame(&Frame::with(Kind::Pending, 0, "0123", "this waits"), &[]).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut messages =
        Messages { name: "jit-sudo", out: &mut out, err: &mut err, person: false, json: false };
    let (asking, after) = (Asking::default(), After::Command { background: false });
    let ended =
        Conversation { connection: &connection, terminal: None, asking, after, messages: &mut messages }
            .run();
    assert_eq!(ended, Err(Pending { request: "0123".to_owned(), what: "this waits".to_owned() }));
    assert!(err.is_empty(), "what is told depends on whether it waits");
}
