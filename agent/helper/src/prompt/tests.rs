//! The reader over a real pseudo-terminal, with the test as the person; and over a pipe, for `-S`.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use super::*;

const SOON: Duration = Duration::from_secs(40);

/// A person at a terminal, who is asked.
struct Person {
    keyboard: File,
    screen: Receiver<u8>,
    seen: Vec<u8>,
    terminal: OwnedFd,
    before: Termios,
    other_end: UnixStream,
    answer: JoinHandle<Answer>,
}

impl Person {
    fn asked(prompt: &'static str) -> Self {
        Self::at_terminal(prompt, false, |_, _| {})
    }

    fn at_terminal(prompt: &'static str, echo: bool, prepare: impl FnOnce(&OwnedFd, &mut File)) -> Self {
        let pty = openpty(None, None).unwrap();
        let mut keyboard = File::from(pty.master);
        prepare(&pty.slave, &mut keyboard);
        let before = tcgetattr(&pty.slave).unwrap();
        let (ours, other_end) = UnixStream::pair().unwrap();
        let terminal = pty.slave.try_clone().unwrap();
        let answer = std::thread::spawn(move || {
            let asker = Asker {
                input: terminal.as_fd(),
                output: terminal.as_fd(),
                connection: ours.as_fd(),
                stars: true,
            };
            asker.ask(prompt.as_bytes(), echo).unwrap()
        });
        let (send, screen) = channel();
        let mut master = keyboard.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut byte = [0];
            while master.read(&mut byte).is_ok_and(|read| read == 1) && send.send(byte[0]).is_ok() {}
        });
        let mut person =
            Self { keyboard, screen, seen: Vec::new(), terminal: pty.slave, before, other_end, answer };
        person.sees(prompt);
        person
    }

    fn types(&mut self, keys: impl AsRef<[u8]>) {
        self.keyboard.write_all(keys.as_ref()).unwrap();
    }

    /// Waits until exactly this has been shown since last time.
    fn sees(&mut self, text: &str) {
        self.seen.clear();
        while self.seen.len() < text.len() {
            match self.screen.recv_timeout(SOON) {
                Ok(byte) => self.seen.push(byte),
                Err(_) => break,
            }
        }
        assert_eq!(String::from_utf8_lossy(&self.seen), text);
    }

    /// The answer; and whatever it is, the terminal is as it was and nobody reads what was left.
    fn answered(self) -> Answer {
        let answer = self.answer.join().unwrap();
        assert_eq!(tcgetattr(&self.terminal).unwrap(), self.before, "the terminal's settings");
        let mut files = [PollFd::new(&self.terminal, PollFlags::IN)];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        assert_eq!(poll(&mut files, Some(&now)).unwrap(), 0, "something is left for the next reader");
        answer
    }
}

fn line(text: &str) -> Answer {
    Answer::Line(Zeroizing::new(text.as_bytes().to_vec()))
}

const RUBOUT: &str = "\x08 \x08";

#[test]
fn a_password_shows_a_star_for_each_character_and_none_in_the_end() {
    let mut person = Person::asked("Password: ");
    for key in ["s", "ü", "🦀"] {
        person.types(key);
        person.sees("*");
    }
    person.types("\n");
    person.sees(&format!("{}\r\n", RUBOUT.repeat(3)));
    assert_eq!(person.answered(), line("sü🦀"));
}

#[test]
fn backspace_takes_back_a_whole_character() {
    for key in ["\x7f", "\x08"] {
        let mut person = Person::asked("? ");
        person.types("aü");
        person.sees("**");
        person.types(key);
        person.sees(RUBOUT);
        person.types("b");
        person.sees("*");
        person.types("\n");
        assert_eq!(person.answered(), line("ab"), "{key:?}");
    }
}

#[test]
fn backspace_in_an_empty_line_does_nothing() {
    let mut person = Person::asked("? ");
    person.types("\x7f\x7fa\n");
    person.sees(&format!("*{RUBOUT}\r\n"));
    assert_eq!(person.answered(), line("a"));
}

#[test]
fn the_kill_character_takes_all_back() {
    let mut person = Person::asked("? ");
    person.types("wrong\x15");
    person.sees(&format!("*****{}", RUBOUT.repeat(5)));
    person.types("right\n");
    assert_eq!(person.answered(), line("right"));
}

#[test]
fn the_persons_own_erase_and_kill_characters_count() {
    let mut person = Person::at_terminal("? ", false, |terminal, _| {
        let mut settings = tcgetattr(terminal).unwrap();
        settings.control_chars[Key::VERASE as usize] = b'#';
        settings.control_chars[Key::VKILL as usize] = b'@';
        tcsetattr(terminal, SetArg::TCSANOW, &settings).unwrap();
    });
    person.types("no@yex#s\n");
    assert_eq!(person.answered(), line("yes"));
}

#[test]
fn tab_hides_the_stars_and_is_no_part_of_the_password() {
    let mut person = Person::asked("? ");
    person.types("ab");
    person.sees("**");
    person.types("\t");
    person.sees(&RUBOUT.repeat(2));
    person.types("cd\x7fe\n");
    person.sees("\r\n");
    assert_eq!(person.answered(), line("abce"));
}

// CVE-2025-64170 and sudo #139, #459: what is typed before the prompt is not taken for the password, nor echoed later.
#[test]
fn what_was_typed_ahead_is_thrown_away() {
    let mut person = Person::at_terminal("Password: ", false, |terminal, keyboard| {
        // In a terminal that does not echo, so that what is thrown away is not on the screen either.
        let mut settings = tcgetattr(terminal).unwrap();
        settings.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(terminal, SetArg::TCSANOW, &settings).unwrap();
        keyboard.write_all(b"rm -rf x\nrest").unwrap();
        poll(&mut [PollFd::new(terminal, PollFlags::IN)], None).unwrap(); // the kernel has passed it on
    });
    person.types("real\nand more");
    assert_eq!(person.answered(), line("real"));
}

#[test]
fn ctrl_d_gives_up_an_empty_line_and_ends_another() {
    let mut person = Person::asked("? ");
    person.types("\x04");
    assert_eq!(person.answered(), Answer::GaveUp);
    let mut person = Person::asked("? ");
    person.types("ab\x04");
    assert_eq!(person.answered(), line("ab"));
}

// CVE-2019-18634: 64 KiB without a line end, with erase and kill characters in it.
#[test]
fn too_long_a_password_is_a_clean_failure() {
    let mut person = Person::asked("? ");
    let mut keyboard = person.keyboard.try_clone().unwrap();
    std::thread::spawn(move || {
        let _ = keyboard.write_all(&b"x".repeat(64 * 1024));
    });
    person.sees(&"*".repeat(MAX_ANSWER));
    assert_eq!(person.answer.join().unwrap(), Answer::TooLong);
    assert_eq!(tcgetattr(&person.terminal).unwrap(), person.before);
}

#[test]
fn the_longest_password_is_taken() {
    let mut person = Person::asked("? ");
    let longest = "x".repeat(MAX_ANSWER);
    person.types(&longest);
    person.sees(&"*".repeat(MAX_ANSWER));
    person.types("\n");
    assert_eq!(person.answered(), line(&longest));
}

#[test]
fn a_nul_byte_is_a_clean_failure() {
    let mut person = Person::asked("? ");
    person.types(b"pass\0word\n");
    assert_eq!(person.answered(), Answer::HasNul);
}

// CVE-2025-64170: the question is withdrawn (a time limit) while half a password is typed.
#[test]
fn half_a_password_is_thrown_away_when_the_question_is_withdrawn() {
    let mut person = Person::asked("? ");
    person.types("half");
    person.sees("****");
    person.other_end.write_all(b"x").unwrap();
    assert_eq!(person.answered(), Answer::Withdrawn);
}

#[test]
fn a_terminal_that_hangs_up_gives_up() {
    let pty = openpty(None, None).unwrap();
    let (ours, _other_end) = UnixStream::pair().unwrap();
    let answer = std::thread::spawn(move || {
        let asker = Asker {
            input: pty.slave.as_fd(),
            output: pty.slave.as_fd(),
            connection: ours.as_fd(),
            stars: true,
        };
        asker.ask(b"? ", false).unwrap()
    });
    let mut master = File::from(pty.master);
    master.read_exact(&mut [0; 2]).unwrap();
    drop(master);
    assert_eq!(answer.join().unwrap(), Answer::GaveUp);
}

#[test]
fn a_line_with_echo_is_edited_by_the_kernel() {
    let mut person = Person::at_terminal("Reason: ", true, |_, _| {});
    person.types("wy\x7fhy\n");
    assert_eq!(person.answered(), line("why"));
}

/// Ansible's pipelining: `PASSWORD\n` and then a program for the command, on the same standard input.
#[test]
fn with_stdin_exactly_one_line_is_read() {
    let (ours, _other_end) = UnixStream::pair().unwrap();
    for (sent, expected, left) in [
        (&b"secret\nimport os\nprint(1)\n"[..], line("secret"), &b"import os\nprint(1)\n"[..]),
        (b"\nrest", line(""), b"rest"),
        (b"no line end", line("no line end"), b""),
        (b"", Answer::GaveUp, b""),
        (b"tab\tand\x7fdel\x15\x04stay\nrest", line("tab\tand\x7fdel\x15\x04stay"), b"rest"),
        (b"carriage\r\nrest", line("carriage\r"), b"rest"),
        (b"a\0b\nrest", Answer::HasNul, b"rest"),
    ] {
        let (reader, mut writer) = io::pipe().unwrap();
        let (mut prompted, prompt) = io::pipe().unwrap();
        writer.write_all(sent).unwrap();
        drop(writer);
        let asker =
            Asker { input: reader.as_fd(), output: prompt.as_fd(), connection: ours.as_fd(), stars: true };
        assert_eq!(asker.ask(b"[sudo] password: ", false).unwrap(), expected, "{sent:?}");
        let mut rest = Vec::new();
        (&reader).read_to_end(&mut rest).unwrap();
        assert_eq!(rest, left, "{sent:?}");
        drop(prompt);
        let mut shown = String::new();
        prompted.read_to_string(&mut shown).unwrap();
        assert_eq!(shown, "[sudo] password: ", "the prompt alone, verbatim");
    }
}

// Ansible gives a module's password on a terminal of its own, and reads what comes on standard error.
#[test]
fn a_program_that_types_sees_no_stars() {
    let mut pty = openpty(None, None).unwrap();
    let (mut screen, output) = UnixStream::pair().unwrap();
    let (ours, _other_end) = UnixStream::pair().unwrap();
    let input = pty.slave.try_clone().unwrap();
    let answer = std::thread::spawn(move || {
        let connection = ours.as_fd();
        let asker = Asker { input: input.as_fd(), output: output.as_fd(), connection, stars: false };
        asker.ask(b"key: ", false).unwrap()
    });
    let mut seen = [0; 5];
    screen.read_exact(&mut seen).unwrap();
    rustix::io::write(&mut pty.master, b"abc\x7fd\n").unwrap();
    assert_eq!(answer.join().unwrap(), line("abd"));
    let mut rest = String::new();
    screen.read_to_string(&mut rest).unwrap();
    assert_eq!((&seen, rest.as_str()), (b"key: ", "\n"));
}

#[test]
fn with_stdin_too_long_a_line_is_a_clean_failure() {
    let (ours, _other_end) = UnixStream::pair().unwrap();
    let (reader, mut writer) = io::pipe().unwrap();
    let written = std::thread::spawn(move || drop(writer.write_all(&b"x".repeat(256 * 1024))));
    let null = File::options().write(true).open("/dev/null").unwrap();
    let asker = Asker { input: reader.as_fd(), output: null.as_fd(), connection: ours.as_fd(), stars: true };
    assert_eq!(asker.ask(b"", false).unwrap(), Answer::TooLong);
    drop(reader);
    written.join().unwrap();
}
