//! Job control under a real shell, and the terminal in all of it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use jit_protocol::frame::{Frame, Kind};
use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};

use crate::{Agent, SOON, ends, run};

/// A person at an interactive shell with job control.
struct Shell {
    agent: Agent,
    keyboard: File,
    terminal: OwnedFd,
    screen: Receiver<u8>,
    seen: String,
    process: Child,
}

impl Shell {
    fn new() -> Self {
        let agent = Agent::new();
        let pty = openpty(None, None).unwrap();
        let stdio = || Stdio::from(pty.slave.try_clone().unwrap());
        let script =
            "export PROGRAM=\"$0\" PS1=ready: ; exec setsid -c -w bash --norc --noprofile --noediting -i";
        let process = agent.shell(script).stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        let keyboard = File::from(pty.master);
        let mut master = keyboard.try_clone().unwrap();
        let (send, screen) = channel();
        std::thread::spawn(move || {
            let mut byte = [0];
            while master.read(&mut byte).is_ok_and(|read| read == 1) && send.send(byte[0]).is_ok() {}
        });
        let mut person = Self { agent, keyboard, terminal: pty.slave, screen, seen: String::new(), process };
        person.sees("ready:");
        person
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until this is on the screen, after what was waited for before.
    fn sees(&mut self, text: &str) {
        let start = Instant::now();
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            match self.screen.recv_timeout(SOON.saturating_sub(start.elapsed())) {
                Ok(byte) => self.seen.push(char::from(byte)),
                Err(why) => panic!("{text:?} is not on the screen ({why}): {:?}", self.seen),
            }
        }
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.terminal).unwrap().local_flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO)
    }

    fn becomes_raw(&self) {
        let start = Instant::now();
        while !self.is_raw() {
            assert!(start.elapsed() < SOON, "the terminal does not become raw");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn says_status(&mut self, status: i32) {
        self.sees("ready:");
        assert!(!self.is_raw(), "the terminal is left raw");
        self.types("echo status=$?\n");
        self.sees(&format!("\r\nstatus={status}\r\n"));
        self.sees("ready:");
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn ctrl_z_stops_the_job_and_fg_brings_it_back() {
    let mut person = Shell::new();
    person.types("$PROGRAM vi\n");
    let helper = person.agent.accept();
    let mut command = helper.starts();
    person.becomes_raw();
    assert!(helper.elevate().terminal.is_some());
    // Ctrl-Z is a key for the command's terminal; there it stops the command, which shows its last lines before.
    person.types("\x1a");
    let mut key = [0];
    command.read_exact(&mut key).unwrap();
    assert_eq!(key, *b"\x1a");
    command.write_all(b"leaving the screen").unwrap();
    helper.says(&Frame::new(Kind::Stopped, nix::libc::SIGTSTP));
    person.sees("leaving the screen");
    person.sees("Stopped");
    person.sees("ready:");
    assert!(!person.is_raw());
    person.types("fg\n");
    assert_eq!(helper.hears(), (Kind::Continue, 1, Vec::new()));
    person.becomes_raw();
    command.write_all(b"back again").unwrap();
    person.sees("back again");
    helper.says(&Frame::new(Kind::Ended, 3));
    drop(command);
    person.says_status(3);
}

#[test]
fn a_job_in_the_background_leaves_the_terminal_alone() {
    let mut person = Shell::new();
    person.types("set -b; stty tostop; $PROGRAM make &\n");
    let helper = person.agent.accept();
    let mut command = helper.starts();
    assert_eq!(helper.hears(), (Kind::Continue, 0, Vec::new()));
    command.write_all(b"output of the job").unwrap();
    person.sees("output of the job");
    assert!(!person.is_raw());
    // It asks for the terminal: the job stops, as the shell tells at once, and has it once it is in the foreground.
    helper.says(&Frame::new(Kind::Stopped, nix::libc::SIGTTIN));
    person.sees("Stopped");
    person.types("fg\n");
    assert_eq!(helper.hears(), (Kind::Continue, 1, Vec::new()));
    person.becomes_raw();
    helper.says(&Frame::new(Kind::Ended, -15));
    drop(command);
    person.sees("Terminated");
    person.says_status(143);
}

// sudo(8), -b: "Run the given command in the background."
#[test]
fn with_b_the_shell_waits_only_until_the_command_runs() {
    let mut person = Shell::new();
    person.types("\"$PROGRAM\" -b make; echo \"left with $?\"\n");
    let helper = person.agent.accept();
    assert!(helper.elevate().background && helper.elevate().terminal.is_some());
    helper.says(&Frame::with(Kind::Prompt, 0, "Password: ", ""));
    person.sees("Password: ");
    person.types("secret\n");
    assert_eq!(helper.hears(), (Kind::Answer, 0, b"secret".to_vec()));
    let mut stream = helper.starts();
    person.sees("left with 0");
    assert_eq!(helper.hears(), (Kind::Continue, 0, Vec::new()), "it is not in the foreground");
    stream.write_all(b"built\n").unwrap();
    person.sees("built");
    // The terminal is the shell's, even if the command asks for it.
    helper.says(&Frame::new(Kind::Stopped, nix::sys::signal::Signal::SIGTTIN as i32));
    // Nobody could continue a process that is no shell's job.
    helper.says(&Frame::new(Kind::Stopped, nix::sys::signal::Signal::SIGSTOP as i32));
    helper.says(&Frame::with(Kind::Notice, 0, "still here", ""));
    person.sees("jit-sudo: still here");
    assert!(!person.is_raw());
    person.types("echo $((6*7))\n");
    person.sees("42");
    drop(stream);
    helper.says(&Frame::new(Kind::Ended, 3));
}

#[test]
fn with_b_a_refusal_is_still_waited_for() {
    let output = run("exec \"$0\" -b id", b"", |helper| helper.says(&Frame::refused("no", "")));
    assert_eq!((output.status.code(), output.stderr), (Some(1), b"jit-sudo: no\n".to_vec()));
    let output = run("exec \"$0\" -b id", b"", ends(7));
    assert_eq!(output.status.code(), Some(0), "how it ends is not waited for");
}

#[test]
fn a_stopped_job_goes_on_in_the_background() {
    let mut person = Shell::new();
    person.types("$PROGRAM make\n");
    let helper = person.agent.accept();
    let command = helper.starts();
    person.becomes_raw();
    helper.says(&Frame::new(Kind::Stopped, nix::libc::SIGTSTP));
    person.sees("Stopped");
    person.types("bg\n");
    assert_eq!(helper.hears(), (Kind::Continue, 0, Vec::new()));
    assert!(!person.is_raw());
    helper.says(&Frame::new(Kind::Ended, 0));
    drop(command);
    person.types("wait; echo waited\n");
    person.sees("\r\nwaited");
}

// CVE-2025-64170 and row 47: Ctrl-Z and Ctrl-C at the prompt leave echo as it was, and nothing for the shell to run.
#[test]
fn a_prompt_survives_ctrl_z_and_ends_with_ctrl_c() {
    let mut person = Shell::new();
    person.types("$PROGRAM id\n");
    let helper = person.agent.accept();
    helper.says(&Frame::with(Kind::Prompt, 0, "Password for alice: ", ""));
    person.sees("Password for alice: ");
    person.types("echo half");
    person.sees("*********");
    person.types("\x1a");
    person.sees("Stopped");
    person.sees("ready:");
    assert!(tcgetattr(&person.terminal).unwrap().local_flags.contains(LocalFlags::ECHO));
    person.types("fg\n");
    person.sees("Password for alice: ");
    person.types("secret\n");
    assert_eq!(helper.hears(), (Kind::Answer, 0, b"secret".to_vec()));
    helper.says(&Frame::with(Kind::Message, 1, "Sorry, try again.", ""));
    helper.says(&Frame::with(Kind::Prompt, 0, "Password for alice: ", ""));
    person.sees("Sorry, try again.\r\nPassword for alice: ");
    person.types("half\x03");
    assert_eq!(helper.hears(), (Kind::Answer, 1, Vec::new()));
    helper.says(&Frame::refused("a password is required", ""));
    person.sees("jit-sudo: a password is required\r\n");
    person.says_status(1);
}

#[test]
fn a_prompt_in_the_background_waits_for_the_foreground() {
    let mut person = Shell::new();
    person.types("set -b; $PROGRAM id &\n");
    let helper = person.agent.accept();
    helper.says(&Frame::with(Kind::Prompt, 0, "Password for alice: ", ""));
    person.sees("Stopped");
    person.types("fg\n");
    person.sees("Password for alice: ");
    person.types("secret\n");
    assert_eq!(helper.hears(), (Kind::Answer, 0, b"secret".to_vec()));
    ends(0)(helper);
    person.says_status(0);
}

#[test]
fn the_window_follows_and_a_pager_keeps_its_keys() {
    let mut person = Shell::new();
    person.types("$PROGRAM make | cat\n");
    let helper = person.agent.accept();
    let command = helper.starts();
    assert_eq!(helper.hears(), (Kind::Continue, 0, Vec::new()));
    assert!(!person.is_raw());
    let size = rustix::termios::Winsize { ws_row: 33, ws_col: 111, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&person.keyboard, size).unwrap();
    assert_eq!(helper.hears(), (Kind::Window, (33 << 16) + 111, Vec::new()));
    // The command wants the keys after all.
    helper.says(&Frame::new(Kind::Stopped, nix::libc::SIGTTIN));
    assert_eq!(helper.hears(), (Kind::Continue, 1, Vec::new()));
    person.becomes_raw();
    helper.says(&Frame::new(Kind::Ended, 0));
    drop((helper, command)); // the pipe to `cat` among them
    person.says_status(0);
}

// A monitor that is killed: the person has their terminal back, and is told.
#[test]
fn a_lost_session_gives_the_terminal_back() {
    let mut person = Shell::new();
    person.types("$PROGRAM vi\n");
    let helper = person.agent.accept();
    let command = helper.starts();
    person.becomes_raw();
    drop((helper, command));
    person.sees("jit-sudo: the session was lost\r\n");
    person.says_status(1);
}
