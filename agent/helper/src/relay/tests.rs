//! The relay over a real pseudo-terminal, with the test as the person at its other side and as the monitor.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Instant;

use nix::pty::openpty;
use nix::sys::pthread::{Pthread, pthread_kill, pthread_self};
use nix::sys::termios::{LocalFlags, OutputFlags, Termios, tcgetattr};
use nix::time::{ClockId, clock_gettime};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::termios::{Winsize, tcsetwinsize};

use super::*;

const SOON: Duration = Duration::from_secs(40);

/// A session: the relay in a thread of its own, between person and monitor.
struct Session {
    person: File,
    terminal: OwnedFd,
    before: Termios,
    monitor: Connection,
    stream: UnixStream,
    thread: Pthread,
    relay: JoinHandle<(Outcome, String, Duration)>,
}

impl Session {
    fn interactive() -> Self {
        Self::within(Pipeline { began_in_foreground: true, ..Pipeline::default() })
    }

    fn within(pipeline: Pipeline) -> Self {
        let pty = openpty(None, None).unwrap();
        let before = tcgetattr(&pty.slave).unwrap();
        let (ours, monitor) = connected();
        let (stream, theirs) = UnixStream::pair().unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let terminal = Terminal::over(pty.slave.try_clone().unwrap());
        rustix::io::ioctl_fionbio(terminal.as_fd(), true).unwrap();
        let (say, thread) = channel();
        let relay = std::thread::spawn(move || {
            say.send(pthread_self()).unwrap();
            let mut err = Vec::new();
            let mut messages = Messages {
                name: "jit-sudo",
                out: &mut io::sink(),
                err: &mut err,
                person: false,
                json: false,
            };
            let relay = Relay::with_terminal(&ours, &mut messages, &terminal, theirs.into(), pipeline);
            let outcome = relay.run();
            let busy = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
            (outcome, String::from_utf8(err).unwrap(), busy.into())
        });
        let thread = thread.recv().unwrap();
        Self { person: File::from(pty.master), terminal: pty.slave, before, monitor, stream, thread, relay }
    }

    fn says(&self, kind: Kind, value: i32) {
        self.monitor.send_frame(&Frame::new(kind, value), &[]).unwrap();
    }

    fn hears(&self) -> (Kind, i32) {
        assert!(self.monitor.wait(Some(40_000)).unwrap(), "the monitor is told nothing");
        let (frame, _) = self.monitor.receive_frame().unwrap();
        (frame.kind, frame.value)
    }

    /// Waits until the terminal is raw.
    fn raw(&self) -> Termios {
        let start = Instant::now();
        loop {
            let settings = tcgetattr(&self.terminal).unwrap();
            if !settings.local_flags.intersects(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG) {
                return settings;
            }
            assert!(start.elapsed() < SOON, "the terminal is not raw");
            std::thread::yield_now();
        }
    }

    fn sees(&mut self, text: &str) {
        let mut seen = vec![0; text.len()];
        self.person.read_exact(&mut seen).unwrap();
        assert_eq!(String::from_utf8_lossy(&seen), text);
    }

    fn command_reads(&mut self, text: &str) {
        let mut read = vec![0; text.len()];
        self.stream.read_exact(&mut read).unwrap();
        assert_eq!(String::from_utf8_lossy(&read), text);
    }

    /// How the relay ended; the terminal is as it was.
    fn ended(self) -> (Outcome, String, Duration) {
        let ended = self.relay.join().unwrap();
        assert_eq!(tcgetattr(&self.terminal).unwrap(), self.before, "the terminal's settings");
        ended
    }

    fn ends(self, value: i32) -> (Outcome, String, Duration) {
        self.says(Kind::Ended, value);
        self.stream.shutdown(std::net::Shutdown::Both).unwrap();
        self.ended()
    }
}

fn connected() -> (Connection, Connection) {
    let (one, other) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    (Connection::over(one), Connection::over(other))
}

#[test]
fn every_key_goes_to_the_command_and_every_byte_to_the_terminal() {
    let mut session = Session::interactive();
    session.raw();
    // Ctrl-C, Ctrl-Z, Ctrl-D, Ctrl-S, carriage return, erase: keys like all others.
    session.person.write_all(b"a\x03\x1a\x04\x13\r\x7f\xff").unwrap();
    let mut keys = [0; 8];
    session.stream.read_exact(&mut keys).unwrap();
    assert_eq!(&keys, b"a\x03\x1a\x04\x13\r\x7f\xff");
    session.stream.write_all(b"\x1b[1mone\ntwo\r\n").unwrap();
    session.sees("\x1b[1mone\ntwo\r\n");
    assert_eq!(session.ends(0).0, Outcome::Status(0));
}

#[test]
fn the_helper_ends_as_the_command_did() {
    for (value, outcome) in [
        (0, Outcome::Status(0)),
        (255, Outcome::Status(255)),
        (-9, Outcome::Signal(9)),
        (256, Outcome::REFUSED),
        (i32::MIN, Outcome::Signal(i32::MAX)),
    ] {
        let session = Session::interactive();
        let (ended, err, _) = session.ends(value);
        assert_eq!((ended, err.as_str()), (outcome, ""), "{value}");
    }
}

// sudo #258, #338: the last lines of a command are lost if its end overtakes its output.
#[test]
fn what_was_written_before_the_end_is_shown_though_the_end_overtakes_it() {
    let mut session = Session::interactive();
    session.says(Kind::Ended, 7);
    let sent: Vec<u8> = (0..400_000_u32).map(|at| b'a' + (at % 23) as u8).collect();
    let copy = sent.clone();
    let mut stream = session.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        stream.write_all(&copy).unwrap();
        stream.shutdown(std::net::Shutdown::Both).unwrap();
    });
    let mut seen = vec![0; sent.len()];
    session.person.read_exact(&mut seen).unwrap();
    assert!(seen == sent);
    writer.join().unwrap();
    assert_eq!(session.ended().0, Outcome::Status(7));
}

#[test]
fn a_stream_that_stays_open_after_the_end_is_not_waited_for() {
    let mut session = Session::interactive();
    session.stream.write_all(b"last").unwrap();
    session.says(Kind::Ended, 0);
    session.sees("last");
    assert_eq!(session.relay.join().unwrap().0, Outcome::Status(0));
}

// architecture.md: "kill -9 monitor in each state -> terminal settings restored by the helper" (CVE row 47)
#[test]
fn a_monitor_that_dies_leaves_the_terminal_sane_and_the_output_shown() {
    let mut session = Session::interactive();
    session.raw();
    session.stream.write_all(b"until here").unwrap();
    let Session { monitor, .. } = session;
    drop(monitor);
    let mut seen = [0; 10];
    session.person.read_exact(&mut seen).unwrap();
    let (outcome, err, _) = session.relay.join().unwrap();
    assert_eq!(&seen, b"until here");
    assert_eq!(outcome, Outcome::REFUSED);
    assert_eq!(err, "jit-sudo: the session was lost\nhint: systemctl status jit-spawner\n");
    assert_eq!(tcgetattr(&session.terminal).unwrap(), session.before);
}

#[test]
fn what_is_no_message_of_a_running_session_ends_it() {
    for kind in [Kind::Prompt, Kind::Started, Kind::Answer, Kind::Challenge, Kind::Output] {
        let session = Session::interactive();
        session.says(kind, 0);
        let (outcome, err, _) = session.ended();
        assert_eq!(outcome, Outcome::REFUSED, "{kind:?}");
        assert!(err.contains("another protocol"), "{kind:?}: {err}");
    }
}

#[test]
fn signals_go_to_the_command() {
    let session = Session::interactive();
    session.raw();
    for signal in RELAYED.into_iter().chain([Signal::SIGTSTP]) {
        pthread_kill(session.thread, signal).unwrap();
        assert_eq!(session.hears(), (Kind::Signal, signal as i32));
    }
    assert_eq!(session.ends(-15).0, Outcome::Signal(15));
}

#[test]
fn a_new_size_of_the_window_is_told_once() {
    let session = Session::interactive();
    session.raw();
    let size = Winsize { ws_row: 50, ws_col: 132, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&session.person, size).unwrap();
    for _ in 0..2 {
        pthread_kill(session.thread, Signal::SIGWINCH).unwrap();
    }
    assert_eq!(session.hears(), (Kind::Window, (50 << 16) + 132));
    pthread_kill(session.thread, Signal::SIGUSR1).unwrap();
    assert_eq!(session.hears(), (Kind::Signal, Signal::SIGUSR1 as i32));
    session.ends(0);
}

#[test]
fn a_command_that_wants_the_terminal_gets_it_if_we_have_it() {
    let session = Session::interactive();
    session.raw();
    for signal in [Signal::SIGTTIN, Signal::SIGTTOU] {
        session.says(Kind::Stopped, signal as i32);
        assert_eq!(session.hears(), (Kind::Continue, 1));
    }
    session.raw();
    session.ends(0);
}

// `jit-sudo cmd | less`: the keys are the pager's, until the command asks for them.
#[test]
fn in_a_pipeline_the_keys_are_left_alone_until_the_command_wants_them() {
    let mut session =
        Session::within(Pipeline { shares_keys: true, shares_output: true, began_in_foreground: false });
    assert_eq!(session.hears(), (Kind::Continue, 0));
    session.stream.write_all(b"out\n").unwrap();
    session.sees("out\r\n");
    session.stream.write_all(b"one\r\n\r\ntwo\rthree\r\n\n").unwrap();
    session.sees("one\r\n\r\ntwo\rthree\r\n\r\n");
    assert_eq!(tcgetattr(&session.terminal).unwrap(), session.before, "not raw");
    session.says(Kind::Stopped, Signal::SIGTTIN as i32);
    assert_eq!(session.hears(), (Kind::Continue, 1));
    // What else is written to the terminal must not become stair steps (sudo #237).
    assert!(session.raw().output_flags.contains(OutputFlags::OPOST));
    session.person.write_all(b"y").unwrap();
    session.command_reads("y");
    session.ends(0);
}

#[test]
fn a_notice_on_a_raw_terminal_begins_and_ends_its_line() {
    let session = Session::interactive();
    session.raw();
    session.monitor.send_frame(&Frame::with(Kind::Notice, 0, "one minute left\x1b[2J", ""), &[]).unwrap();
    let (_, err, _) = session.ends(0);
    assert_eq!(err, "\r\njit-sudo: one minute left\\x1b[2J\r\n");
}

/// Ansible takes every line on stderr for the module's.
#[test]
fn an_aside_is_told_to_a_person_and_to_no_program() {
    let aside = Frame::with(Kind::Notice, 1, "something is left", "");
    for (person, told) in [(true, "jit-sudo: something is left\n"), (false, "")] {
        let (ours, monitor) = connected();
        let mut err = Vec::new();
        monitor.send_frame(&aside, &[]).unwrap();
        monitor.send_frame(&Frame::new(Kind::Ended, 0), &[]).unwrap();
        let mut messages =
            Messages { name: "jit-sudo", out: &mut io::sink(), err: &mut err, person, json: false };
        assert_eq!(Relay::new(&ours, &mut messages).run(), Outcome::Status(0));
        assert_eq!(String::from_utf8(err).unwrap(), told);
    }
}

#[test]
fn a_refusal_while_it_runs_gives_the_terminal_back_first() {
    let session = Session::interactive();
    session.raw();
    session.monitor.send_frame(&Frame::refused("the file changed", ""), &[]).unwrap();
    let (outcome, err, _) = session.ended();
    assert_eq!((outcome, err.as_str()), (Outcome::REFUSED, "jit-sudo: the file changed\n"));
}

// A terminal that takes nothing (Ctrl-S, a stuck window) must not make the helper spin, nor lose a byte.
#[test]
fn a_blocked_terminal_is_waited_for_without_spinning() {
    let mut session = Session::interactive();
    session.raw();
    let sent = vec![b'x'; 500_000];
    let copy = sent.clone();
    let mut stream = session.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        stream.write_all(&copy).unwrap();
        stream.shutdown(std::net::Shutdown::Both).unwrap();
    });
    session.says(Kind::Ended, 0);
    std::thread::sleep(Duration::from_millis(500));
    let mut seen = vec![0; sent.len()];
    session.person.read_exact(&mut seen).unwrap();
    assert!(seen == sent);
    writer.join().unwrap();
    let (_, _, busy) = session.ended();
    assert!(busy < Duration::from_millis(300), "{busy:?} of work");
}

#[test]
fn a_stream_closed_early_does_not_make_it_spin() {
    let session = Session::interactive();
    session.raw();
    session.stream.shutdown(std::net::Shutdown::Both).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    session.says(Kind::Ended, 3);
    let (outcome, _, busy) = session.ended();
    assert_eq!(outcome, Outcome::Status(3));
    assert!(busy < Duration::from_millis(200), "{busy:?} of work");
}

#[test]
fn a_terminal_that_hangs_up_is_the_commands_end_of_keys() {
    let mut session = Session::interactive();
    session.raw();
    let Session { person, .. } = session;
    drop(person);
    let mut rest = Vec::new();
    session.stream.read_to_end(&mut rest).unwrap();
    // It may go on writing; nobody sees it, and it does not wait.
    session.stream.write_all(&vec![b'x'; 1_000_000]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    session.monitor.send_frame(&Frame::new(Kind::Ended, 0), &[]).unwrap();
    session.stream.shutdown(std::net::Shutdown::Both).unwrap();
    let (outcome, _, busy) = session.relay.join().unwrap();
    assert_eq!(outcome, Outcome::Status(0));
    assert!(busy < Duration::from_millis(200), "{busy:?} of work");
}

#[test]
fn a_command_without_a_terminal_has_signals_and_an_end() {
    let (ours, monitor) = connected();
    let (say, thread) = channel();
    let relay = std::thread::spawn(move || {
        let held = Signals::for_relay().unwrap(); // from the start, so that the signal cannot come too early
        say.send(pthread_self()).unwrap();
        let mut messages =
            Messages { name: "sudo", out: &mut io::sink(), err: &mut io::sink(), person: false, json: false };
        let outcome = Relay::new(&ours, &mut messages).run();
        drop(held);
        outcome
    });
    pthread_kill(thread.recv().unwrap(), Signal::SIGTERM).unwrap();
    let (frame, _) = monitor.receive_frame().unwrap();
    assert_eq!((frame.kind, frame.value), (Kind::Signal, 15));
    monitor.send_frame(&Frame::new(Kind::Ended, -15), &[]).unwrap();
    assert_eq!(relay.join().unwrap(), Outcome::Signal(15));
}
