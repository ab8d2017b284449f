//! The talk on the connection from the request to the end: prompts, messages, then the command's session.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;

use jit_protocol::client::{Connection, LAST_PATIENCE, PATIENCE, agent_answers};
use jit_protocol::frame::{Frame, Kind, MAX_ANSWER};

use crate::askpass;
use crate::edit::Edit;
use crate::messages::Messages;
use crate::process;
use crate::prompt::{Answer, Asker};
use crate::relay::Relay;
use crate::terminal::{Pipeline, Terminal};

/// How the helper ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It exits with this status.
    Status(u8),
    /// It dies of this signal.
    Signal(i32),
}

impl Outcome {
    /// Every refusal and failure.
    pub(crate) const REFUSED: Self = Self::Status(1);

    /// As the frame `Ended` says it.
    pub(crate) fn of(value: i32) -> Self {
        match u8::try_from(value) {
            Ok(status) => Self::Status(status),
            Err(_) if value < 0 => Self::Signal(value.saturating_neg()),
            Err(_) => Self::REFUSED,
        }
    }
}

/// It ends here for now: somebody else has to approve it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Id of the request.
    pub(crate) request: String,
    /// What is told.
    pub(crate) what: String,
}

/// How the person is asked.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    /// `-S`.
    pub(crate) stdin: bool,
    /// `-A`.
    pub(crate) askpass: bool,
    /// `-B`.
    pub(crate) bell: bool,
    /// The prompt is the user's own (`-p`): it is shown as it is.
    pub(crate) own_prompt: bool,
    /// `SUDO_ASKPASS`: used with `-A`, and where there is neither `-S` nor a terminal.
    pub(crate) program: Option<OsString>,
}

impl Asking {
    /// Whether there is any way to. `-A` without a program fails once somebody has to be asked, as sudo's does.
    pub(crate) fn is_possible(&self, has_terminal: bool) -> bool {
        self.stdin || self.askpass || self.program.is_some() || has_terminal
    }
}

/// What follows once what was asked for has started.
#[derive(Debug)]
pub(crate) enum After {
    /// The command's session.
    Command {
        /// `-b`: whoever waits for this process waits no more.
        background: bool,
    },
    /// An edit, by our own program at the other end.
    Edit(Box<Edit>),
}

/// The helper's side of the talk.
pub(crate) struct Conversation<'a, 'm> {
    /// The agent's, then the monitor's.
    pub(crate) connection: &'a Connection,
    /// The helper's own terminal, and what else has to do with it.
    pub(crate) terminal: Option<(&'a Terminal, Pipeline)>,
    /// How the person is asked.
    pub(crate) asking: Asking,
    /// What follows once it has started.
    pub(crate) after: After,
    /// What is said.
    pub(crate) messages: &'a mut Messages<'m>,
}

impl Conversation<'_, '_> {
    /// Talks until there is an end.
    ///
    /// # Errors
    /// Somebody else has to approve it.
    pub(crate) fn run(&mut self) -> Result<Outcome, Pending> {
        let messages = &mut *self.messages;
        let somebody = || {
            agent_answers(PATIENCE) || {
                messages.notice("the agent does not answer yet", "\n", true);
                agent_answers(LAST_PATIENCE)
            }
        };
        if let Err(error) = self.connection.wait_while(PATIENCE, somebody) {
            return Ok(self.lost(&error));
        }
        loop {
            let (frame, stream) = match self.connection.receive_frame() {
                Ok(received) => received,
                Err(error) => return Ok(self.lost(&error)),
            };
            match frame.kind {
                Kind::Prompt => {
                    if let Some(outcome) = self.prompt(&frame) {
                        return Ok(outcome);
                    }
                }
                Kind::Message => self.messages.line(&frame.first_text()),
                Kind::Notice => self.messages.notice(&frame.first_text(), "\n", frame.value == 1),
                Kind::Refused => {
                    self.messages.refusal(&frame.first_text(), &frame.second_text());
                    return Ok(Outcome::REFUSED);
                }
                Kind::Output => {
                    if let Some(outcome) = self.output(&frame) {
                        return Ok(outcome);
                    }
                }
                Kind::Ended => return Ok(Outcome::of(frame.value)),
                Kind::Pending => {
                    return Err(Pending { request: frame.first_text(), what: frame.second_text() });
                }
                Kind::Started => {
                    let stream = stream.filter(|_| frame.value == 1);
                    let background = match &mut self.after {
                        After::Command { background } => *background,
                        After::Edit(edit) => {
                            let terminal = self.terminal.map(|it| it.0);
                            return Ok(edit.run(self.connection, self.messages, terminal));
                        }
                    };
                    // Its parent exits with 0 inside. One that cannot leave stays: the command runs already.
                    let background = background && nix::unistd::daemon(true, true).is_ok();
                    return Ok(match (stream, self.terminal) {
                        (Some(stream), Some((terminal, pipeline))) => {
                            Relay::with_terminal(self.connection, self.messages, terminal, stream, pipeline)
                                .in_background(background)
                                .run()
                        }
                        (None, _) if frame.value == 0 => {
                            Relay::new(self.connection, self.messages).in_background(background).run()
                        }
                        _ => self.lost(&io::ErrorKind::InvalidData.into()),
                    });
                }
                _ => return Ok(self.lost(&io::ErrorKind::InvalidData.into())),
            }
        }
    }

    /// The agent or the monitor went away, or says what is no message of this protocol.
    fn lost(&mut self, error: &io::Error) -> Outcome {
        let what = match error.kind() {
            io::ErrorKind::InvalidData => "the agent speaks another protocol than this program",
            io::ErrorKind::TimedOut => "the agent does not answer",
            _ => "the agent closed the connection without an answer",
        };
        self.messages.refusal(what, "systemctl status jit-agentd jit-spawner");
        Outcome::REFUSED
    }

    /// Prints what was asked for. With a negative value more of it follows.
    fn output(&mut self, frame: &Frame) -> Option<Outcome> {
        let printed = self.messages.print(&frame.first);
        if !frame.second.is_empty() {
            self.messages.line(frame.second_text().trim_end_matches('\n'));
        }
        match printed {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Some(Outcome::Signal(nix::libc::SIGPIPE))
            }
            Err(_) => Some(Outcome::REFUSED),
            Ok(()) if frame.value < 0 => None,
            Ok(()) => Some(Outcome::of(frame.value)),
        }
    }

    /// Asks, and sends the answer; an outcome only where the helper ends here.
    fn prompt(&mut self, frame: &Frame) -> Option<Outcome> {
        let answer = match self.ask(frame) {
            Ok(answer) => answer,
            Err(why) => {
                self.messages.refusal(&why, "");
                return Some(Outcome::REFUSED);
            }
        };
        let reply = match answer {
            Answer::Line(line) => Frame::with(Kind::Answer, 0, line.as_slice(), ""),
            Answer::GaveUp => Frame::new(Kind::Answer, 1),
            Answer::TooLong => {
                self.messages.refusal(&format!("the answer is longer than {MAX_ANSWER} bytes"), "");
                return Some(Outcome::REFUSED);
            }
            Answer::HasNul => {
                self.messages.refusal("the answer has a NUL byte in it", "");
                return Some(Outcome::REFUSED);
            }
            Answer::Withdrawn => return None,
            Answer::Killed(signal) => return Some(Outcome::Signal(signal as i32)),
        };
        // Whether the other end still listens shows in what it sends next.
        let _ = self.connection.send_frame(&reply, &[]);
        None
    }

    fn ask(&self, frame: &Frame) -> Result<Answer, String> {
        // A debugger would read the password. It could not attach to us, but it may have started us.
        match process::is_traced() {
            Some(false) => {}
            Some(true) => return Err("a password is not asked for while this program is traced".to_owned()),
            None => return Err("a password is not asked for without /proc".to_owned()),
        }
        let Asking { stdin, askpass, bell, own_prompt, program } = &self.asking;
        // Another question of a module's may come from afar, and is not the person's own.
        let mut prompt = if *own_prompt && frame.value == 2 {
            frame.first.clone()
        } else {
            jit_protocol::escape_lines(&frame.first_text()).into_bytes()
        };
        let connection = self.connection.as_fd();
        let answer;
        let asker = match self.terminal {
            terminal if *askpass || !*stdin && terminal.is_none() && program.is_some() => {
                let program =
                    program.as_ref().ok_or("no askpass program specified, try setting SUDO_ASKPASS")?;
                let shown = jit_protocol::escape(program.as_encoded_bytes());
                answer = askpass::start(program, &prompt)
                    .map_err(|error| format!("unable to run {shown}: {error}"))?;
                prompt.clear();
                let (input, output) = (answer.as_fd(), rustix::stdio::stderr());
                Asker { input, output, connection, stars: false }
            }
            // Who types is a program, which takes all that it gets for the prompt.
            _ if *stdin => {
                let (input, output) = (rustix::stdio::stdin(), rustix::stdio::stderr());
                Asker { input, output, connection, stars: false }
            }
            Some((terminal, _)) => {
                if *bell && !prompt.is_empty() {
                    prompt.insert(0, b'\x07');
                }
                Asker { input: terminal.as_fd(), output: terminal.as_fd(), connection, stars: true }
            }
            None => return Err("there is no terminal to ask for a password".to_owned()),
        };
        asker.ask(&prompt, frame.value == 1).map_err(|error| format!("the terminal cannot be read: {error}"))
    }
}
