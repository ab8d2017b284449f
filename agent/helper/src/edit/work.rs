//! From the first contents to the last that are saved, and what is said on the way.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use jit_protocol::client::Connection;
use jit_protocol::edit::{Channel, Kind, MAX_OUTPUT};
use jit_protocol::escape;
use nix::unistd::Pid;
use rustix::event::PollFlags;

use super::copies::{self, Copies};
use super::talk::Talk;
use super::{Edit, Stop};
use crate::conversation::Outcome;
use crate::messages::Messages;
use crate::prompt::{Answer, Asker};
use crate::terminal::Terminal;

/// An edit under way.
pub(super) struct Work<'a, 'm> {
    pub(super) edit: &'a Edit,
    pub(super) channel: &'a Channel<OwnedFd>,
    pub(super) connection: &'a Connection,
    pub(super) talk: Talk<'a>,
    pub(super) copies: Copies,
    pub(super) messages: &'a mut Messages<'m>,
    /// Where a person can be asked.
    pub(super) terminal: Option<&'a Terminal>,
    pub(super) errors: usize,
}

/// What became of new contents.
enum Sent {
    Saved,
    /// The check did not succeed, and this is what it said.
    Unchecked(String, Vec<u8>),
    NotSaved(String),
}

impl Work<'_, '_> {
    /// The error: it was broken off, and all about that is said.
    pub(super) fn run(&mut self) -> Result<Outcome, Outcome> {
        self.receive().map_err(|stop| self.stop(stop))?;
        let mut pending: Vec<usize> = (0..self.copies.all.len()).collect();
        loop {
            let status = self.run_editor(&pending).map_err(|stop| self.stop(stop))?;
            let again = self.save_all(&pending).map_err(|stop| self.stop(stop))?;
            if again.is_empty() {
                return Ok(if self.errors > 0 { Outcome::REFUSED } else { status });
            }
            pending = again;
        }
    }

    /// The contents of all files, each as a copy.
    fn receive(&mut self) -> Result<(), Stop> {
        let failed = |error: io::Error| Stop::Failed(format!("no copy can be made: {error}"));
        loop {
            let message = self.talk.receive()?;
            match message.kind {
                Kind::File => {
                    let file = self.edit.files.get(self.copies.all.len()).ok_or_else(protocol)?;
                    let mut before = copies::in_memory().map_err(failed)?;
                    let (talk, mut stop) = (&mut self.talk, None);
                    let received = self.channel.receive_contents(&mut before, || {
                        talk.wait(PollFlags::IN).map_err(|why| put(&mut stop, why))
                    });
                    received.map_err(|error| stop.unwrap_or_else(|| Stop::of(&error)))?.map_err(failed)?;
                    self.copies.add(file, before).map_err(failed)?;
                }
                Kind::Ready if self.copies.all.len() == self.edit.files.len() => return Ok(()),
                Kind::Refused => {
                    return Err(Stop::Refused(String::from_utf8_lossy(&message.bytes).into_owned()));
                }
                _ => return Err(protocol()),
            }
        }
    }

    /// The editor, as any program of the person's: with their terminal and environment, in the foreground.
    fn run_editor(&mut self, pending: &[usize]) -> Result<Outcome, Stop> {
        let Some((program, arguments)) = self.edit.editor.split_first() else { return Err(protocol()) };
        let files = pending.iter().filter_map(|at| self.copies.all.get(*at)).map(|copy| &copy.path);
        let mut command = Command::new(program);
        command.args(arguments).args(files);
        if let Some(folder) = &self.edit.folder {
            command.current_dir(folder);
        }
        let shown = escape(program.as_bytes());
        let editor = command.spawn().map_err(|error| Stop::Failed(format!("{shown}: {error}")))?;
        let pid = i32::try_from(editor.id()).map_err(|_| protocol())?;
        let (outcome, killed) = self.talk.outlive(Pid::from_raw(pid))?;
        self.tell_what_was_told();
        match (outcome, killed) {
            (_, Some(signal)) => Err(Stop::Killed(signal)),
            (Outcome::Signal(number), None) => {
                Err(Stop::Failed(format!("{shown}: killed by signal {number}, and nothing was saved")))
            }
            (status, None) => Ok(status),
        }
    }

    /// Saves what was changed; which files are to be edited again.
    fn save_all(&mut self, pending: &[usize]) -> Result<Vec<usize>, Stop> {
        let mut again = Vec::new();
        for at in pending {
            if self.save(*at)? {
                again.push(*at);
            }
        }
        Ok(again)
    }

    /// Saves one file; whether it is to be edited again.
    fn save(&mut self, at: usize) -> Result<bool, Stop> {
        let Some(copy) = self.copies.all.get_mut(at) else { return Err(protocol()) };
        let file = self.edit.files.get(at).map(|file| escape(file.as_bytes())).unwrap_or_default();
        let path = escape(copy.path.as_os_str().as_bytes());
        let now = match copy.changed() {
            Ok(Some(now)) => now,
            Ok(None) => {
                copy.is_done = true;
                self.say(&format!("{file} unchanged"));
                return Ok(false);
            }
            Err(error) => {
                let is_left = copy.is_unsaved();
                self.errors += 1;
                self.say(&format!("{path}: {error}"));
                self.say(&format!("{file} left unmodified"));
                if is_left {
                    self.left(&path);
                }
                return Ok(false);
            }
        };
        let is_emptied =
            now.metadata().is_ok_and(|now| now.len() == 0) && copy.had_contents().unwrap_or(true);
        if is_emptied {
            let question = format!("{}: truncate {file}? (y/n) [n] ", self.messages.name);
            if !self.ask(&question)?.eq_ignore_ascii_case(b"y") {
                self.done(at);
                self.say(&format!("not overwriting {file}"));
                return Ok(false);
            }
        }
        match self.send(at, now)? {
            Sent::Saved => self.done(at),
            Sent::Unchecked(why, said) => {
                if !said.is_empty() {
                    self.messages.line(String::from_utf8_lossy(&said).trim_end_matches('\n'));
                }
                self.say(&format!("{file} is not saved: {why}"));
                if self.terminal.is_some() && self.is_edited_again()? {
                    return Ok(true);
                }
                self.left(&path);
            }
            Sent::NotSaved(why) => {
                self.say(&format!("unable to write to {file}: {why}"));
                self.left(&path);
            }
        }
        Ok(false)
    }

    fn send(&mut self, at: usize, mut now: std::fs::File) -> Result<Sent, Stop> {
        let number = u32::try_from(at).map_err(|_| protocol())?;
        self.talk.wait(PollFlags::OUT)?;
        self.channel.send(Kind::Save, number, &[]).map_err(|error| Stop::of(&error))?;
        let (talk, mut stop) = (&mut self.talk, None);
        let sent = self
            .channel
            .send_contents(&mut now, || talk.wait(PollFlags::OUT).map_err(|why| put(&mut stop, why)));
        if let Err(why) = sent.map_err(|error| stop.unwrap_or_else(|| Stop::of(&error)))? {
            return Err(Stop::Failed(format!("a copy cannot be sent: {why}")));
        }
        let mut said = Vec::new();
        loop {
            let message = self.talk.receive()?;
            let text = || String::from_utf8_lossy(&message.bytes).into_owned();
            match (message.kind, message.value) {
                (Kind::Output, _) if said.len() + message.bytes.len() <= MAX_OUTPUT => {
                    said.extend_from_slice(&message.bytes);
                }
                (Kind::Saved, _) => return Ok(Sent::Saved),
                (Kind::NotSaved, 1) => return Ok(Sent::Unchecked(text(), said)),
                (Kind::NotSaved, _) => return Ok(Sent::NotSaved(text())),
                _ => return Err(protocol()),
            }
        }
    }

    /// As visudo(8) asks.
    fn is_edited_again(&mut self) -> Result<bool, Stop> {
        loop {
            match self.ask("What now? (e)dit again, e(x)it without saving: ")?.as_slice() {
                b"e" | b"E" => return Ok(true),
                b"x" | b"X" | b"" => return Ok(false),
                _ => {}
            }
        }
    }

    /// One line of the person's, or of standard input; empty if they give none.
    fn ask(&mut self, question: &str) -> Result<Vec<u8>, Stop> {
        let (input, output) = match self.terminal {
            Some(terminal) => (terminal.as_fd(), terminal.as_fd()),
            None => (rustix::stdio::stdin(), rustix::stdio::stderr()),
        };
        loop {
            self.talk.hear();
            self.tell_what_was_told();
            if self.talk.is_over() {
                return Err(Stop::Ended);
            }
            let asker = Asker { input, output, connection: self.connection.as_fd(), stars: false };
            match asker.ask(question.as_bytes(), true) {
                Ok(Answer::Line(line)) => return Ok(line.trim_ascii().to_vec()),
                Ok(Answer::Withdrawn) => {}
                Ok(Answer::Killed(signal)) => return Err(Stop::Killed(signal)),
                Ok(_) | Err(_) => return Ok(Vec::new()),
            }
        }
    }

    fn done(&mut self, at: usize) {
        if let Some(copy) = self.copies.all.get_mut(at) {
            copy.is_done = true;
        }
    }

    /// This copy is not saved, and stays.
    fn left(&mut self, path: &str) {
        self.errors += 1;
        self.copies.leave();
        self.say(&format!("contents of edit session left in {path}"));
    }

    /// It is broken off: whatever was changed and not saved stays.
    fn stop(&mut self, stop: Stop) -> Outcome {
        self.talk.hear();
        if matches!(stop, Stop::Ended) {
            // Why, if the monitor lives to tell.
            self.talk.finish();
        }
        self.tell_what_was_told();
        let outcome = match stop {
            Stop::Ended => {
                self.say("the session ended before all was saved");
                Outcome::REFUSED
            }
            Stop::Refused(why) | Stop::Failed(why) => {
                self.say(&why);
                Outcome::REFUSED
            }
            Stop::Killed(signal) => Outcome::Signal(signal as i32),
        };
        let mut unsaved = Vec::new();
        for copy in &mut self.copies.all {
            copy.is_done = !copy.is_unsaved();
            if !copy.is_done {
                unsaved.push(escape(copy.path.as_os_str().as_bytes()));
            }
        }
        if let Some(path) = self.copies.kept_by_editor() {
            unsaved.push(escape(path.as_os_str().as_bytes()));
        }
        for path in unsaved {
            self.left(&path);
        }
        outcome
    }

    fn tell_what_was_told(&mut self) {
        for (what, hint) in std::mem::take(&mut self.talk.told) {
            self.messages.refusal(&what, &hint);
        }
    }

    fn say(&mut self, what: &str) {
        self.messages.refusal(what, "");
    }
}

fn protocol() -> Stop {
    Stop::Failed("jit-edit speaks another protocol".to_owned())
}

/// Keeps why, behind an error that says nothing.
fn put(stop: &mut Option<Stop>, why: Stop) -> io::Error {
    *stop = Some(why);
    io::ErrorKind::BrokenPipe.into()
}
