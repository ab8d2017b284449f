//! Asks the person one line: on the terminal, or with `-S` on standard error and standard input.
//!
//! What is typed is hidden (a `*` for each character; TAB hides those too), held in memory that is wiped, and at most
//! [`MAX_ANSWER`] bytes long. Input is read byte by byte up to the line's end: what follows belongs to the command.

#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::BorrowedFd;

use jit_protocol::frame::MAX_ANSWER;
use nix::sys::signal::Signal;
use nix::sys::termios::SpecialCharacterIndices as Key;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read, retry_on_intr};
use rustix::termios::isatty;
use zeroize::Zeroizing;

use crate::signals::{Signals, suspend};
use crate::terminal::{Settings, write_patiently};

/// What came of asking.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The line, without its end.
    Line(Zeroizing<Vec<u8>>),
    /// End of file, Ctrl-C or Ctrl-\: the person gave up.
    GaveUp,
    /// Longer than [`MAX_ANSWER`].
    TooLong,
    /// It has a NUL in it, which no password can.
    HasNul,
    /// The other end has something to say before the person did.
    Withdrawn,
    /// A signal that ends this process.
    Killed(Signal),
}

/// Where to ask.
#[derive(Debug)]
pub(crate) struct Asker<'a> {
    /// Where the answer is typed.
    pub(crate) input: BorrowedFd<'a>,
    /// Where the prompt is shown.
    pub(crate) output: BorrowedFd<'a>,
    /// The other end: once it has something to say, the question is withdrawn.
    pub(crate) connection: BorrowedFd<'a>,
    /// A star is shown for each hidden character.
    pub(crate) stars: bool,
}

impl Asker<'_> {
    /// Shows the prompt, as it is, and reads the answer; with `echo` it is shown while it is typed.
    ///
    /// # Errors
    /// Those of the terminal.
    pub(crate) fn ask(&self, prompt: &[u8], echo: bool) -> io::Result<Answer> {
        let signals = Signals::for_prompt()?;
        if !isatty(self.input) {
            write_patiently(self.output, prompt);
            let mut line = Line::unseen(self.output);
            loop {
                match self.read_line(&signals, &mut line)? {
                    End::Stop => suspend(Signal::SIGTSTP),
                    End::Answer(answer) => return Ok(answer),
                }
            }
        }
        loop {
            // In the background the kernel stops us here, until the person brings us back.
            let settings = if echo { Settings::shown(self.input) } else { Settings::hidden(self.input) }?;
            // A SIGCONT that brought us here has had its effect; later it would throw away what is typed by then.
            let end = if let Some(end) = std::iter::from_fn(|| signals.next()).find_map(End::by) {
                end
            } else {
                write_patiently(self.output, prompt);
                let mut line = if echo {
                    Line::unseen(self.output)
                } else {
                    Line::new(self.output, &settings, self.stars)
                };
                self.read_line(&signals, &mut line)?
            };
            if !(echo && matches!(end, End::Answer(Answer::Line(_)))) {
                write_patiently(self.output, b"\n");
            }
            drop(settings);
            match end {
                End::Stop => suspend(Signal::SIGTSTP), // and ask again
                End::Answer(answer) => return Ok(answer),
            }
        }
    }

    /// Reads up to the line's end.
    fn read_line(&self, signals: &Signals, line: &mut Line<'_>) -> io::Result<End> {
        loop {
            let mut files = [
                PollFd::from_borrowed_fd(self.input, PollFlags::IN),
                PollFd::new(signals, PollFlags::IN),
                PollFd::from_borrowed_fd(self.connection, PollFlags::IN),
            ];
            retry_on_intr(|| poll(&mut files, None))?;
            let [input, signal, connection] = files.map(|file| !file.revents().is_empty());
            if signal {
                let signal = signals.next();
                if let Some(end) = signal.and_then(End::by) {
                    return Ok(end);
                }
                // Continued after a SIGSTOP: somebody else had the terminal meanwhile, take it again.
                if let Some(settings) = line.settings.filter(|_| signal == Some(Signal::SIGCONT)) {
                    settings.apply()?;
                }
            }
            if connection {
                return Ok(End::Answer(Answer::Withdrawn));
            }
            if input {
                let mut byte = Zeroizing::new([0]);
                match read(self.input, byte.as_mut_slice()) {
                    Ok(0) | Err(Errno::IO) => return Ok(End::Answer(line.end_of_file())),
                    Ok(_) => {
                        if let Some(answer) = byte.first().and_then(|byte| line.take(*byte)) {
                            return Ok(End::Answer(answer));
                        }
                    }
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    Err(other) => return Err(other.into()),
                }
            }
        }
    }
}

/// How reading a line ends.
enum End {
    /// With an answer.
    Answer(Answer),
    /// With Ctrl-Z: we stop, and go on once we are continued.
    Stop,
}

impl End {
    /// By a signal, if that ends it.
    fn by(signal: Signal) -> Option<Self> {
        match signal {
            Signal::SIGCONT => None,
            Signal::SIGTSTP => Some(Self::Stop),
            Signal::SIGINT | Signal::SIGQUIT => Some(Self::Answer(Answer::GaveUp)),
            other => Some(Self::Answer(Answer::Killed(other))),
        }
    }
}

/// The line as it is typed. Its buffer never grows, so that no copy of it stays behind.
struct Line<'a> {
    text: Zeroizing<Vec<u8>>,
    output: BorrowedFd<'a>,
    /// Of a terminal whose editing is ours; `None`: bytes are taken as they come.
    settings: Option<&'a Settings<'a>>,
    /// Stars on the screen; `None`: hidden by TAB.
    stars: Option<usize>,
}

impl<'a> Line<'a> {
    fn new(output: BorrowedFd<'a>, settings: &'a Settings<'a>, stars: bool) -> Self {
        Self { settings: Some(settings), stars: stars.then_some(0), ..Self::unseen(output) }
    }

    fn unseen(output: BorrowedFd<'a>) -> Self {
        Self { text: Zeroizing::new(Vec::with_capacity(MAX_ANSWER)), output, settings: None, stars: None }
    }

    fn take(&mut self, byte: u8) -> Option<Answer> {
        if byte == b'\n' {
            return Some(self.finish());
        }
        let Some(settings) = self.settings else { return self.append(byte) };
        // A key that the person has switched off is 0, as is the NUL of Ctrl-@: that one is never a key.
        let is = |key| byte != 0 && byte == settings.character(key);
        if byte == b'\r' {
            return Some(self.finish());
        } else if is(Key::VEOF) {
            return Some(self.end_of_file());
        } else if is(Key::VERASE) || byte == 0x7f || byte == 0x08 {
            self.erase();
        } else if is(Key::VKILL) || byte == 0x15 {
            while !self.text.is_empty() {
                self.erase();
            }
        } else if byte == b'\t' {
            self.clear_stars();
            self.stars = None;
        } else {
            return self.append(byte);
        }
        None
    }

    fn append(&mut self, byte: u8) -> Option<Answer> {
        if self.text.len() == MAX_ANSWER {
            self.clear_stars();
            return Some(Answer::TooLong);
        }
        self.text.push(byte);
        if let Some(stars) = self.stars.as_mut().filter(|_| !is_continuation(byte)) {
            *stars += 1;
            write_patiently(self.output, b"*");
        }
        None
    }

    /// Takes back the last character, all bytes of it.
    fn erase(&mut self) {
        while let Some(byte) = self.text.pop() {
            if !is_continuation(byte) {
                break;
            }
        }
        if let Some(stars) = self.stars.as_mut().filter(|stars| **stars > 0) {
            *stars -= 1;
            write_patiently(self.output, b"\x08 \x08");
        }
    }

    fn clear_stars(&mut self) {
        if let Some(stars) = self.stars.take() {
            write_patiently(self.output, &b"\x08 \x08".repeat(stars));
        }
    }

    fn end_of_file(&mut self) -> Answer {
        if self.text.is_empty() { Answer::GaveUp } else { self.finish() }
    }

    /// The stars go, so that the screen does not tell how long the password is.
    fn finish(&mut self) -> Answer {
        self.clear_stars();
        if self.text.contains(&0) {
            return Answer::HasNul;
        }
        Answer::Line(std::mem::take(&mut self.text))
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}
