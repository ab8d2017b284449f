//! Everything that can happen in an edit: the program at the other end, the monitor, signals, the editor.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use jit_protocol::client::Connection;
use jit_protocol::edit::{Channel, Message};
use jit_protocol::frame::Kind;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

use super::Stop;
use crate::conversation::Outcome;
use crate::signals::{Signals, suspend};

/// How long the monitor may take to say how our own program ended.
const LAST_WORD: Duration = Duration::from_secs(10);

/// The parties of an edit.
#[derive(Debug)]
pub(super) struct Talk<'a> {
    connection: &'a Connection,
    channel: &'a Channel<OwnedFd>,
    signals: Signals,
    /// The monitor has nothing more to say.
    is_over: bool,
    /// What it said: not to be shown while an editor has the screen.
    pub(super) told: Vec<(String, String)>,
}

impl<'a> Talk<'a> {
    /// # Errors
    /// Those of signalfd(2).
    pub(super) fn new(connection: &'a Connection, channel: &'a Channel<OwnedFd>) -> io::Result<Self> {
        let signals = Signals::for_edit()?;
        Ok(Self { connection, channel, signals, is_over: false, told: Vec::new() })
    }

    /// The next message.
    ///
    /// # Errors
    /// That there will be none.
    pub(super) fn receive(&mut self) -> Result<Message, Stop> {
        self.wait(PollFlags::IN)?;
        self.channel.receive().map_err(|error| Stop::of(&error))
    }

    /// Waits until the other end speaks or listens.
    ///
    /// # Errors
    /// A signal that ends this process.
    pub(super) fn wait(&mut self, flags: PollFlags) -> Result<(), Stop> {
        loop {
            let channel = self.channel;
            let ready = self.poll(Some(PollFd::from_borrowed_fd(channel.as_fd(), flags)), None)?;
            if let Some(signal) = self.signal() {
                return Err(Stop::Killed(signal));
            }
            if ready {
                return Ok(());
            }
        }
    }

    /// Waits for the editor, stops when it does, and hands on what would end this process; which may have come.
    ///
    /// # Errors
    /// Those of poll(2).
    pub(super) fn outlive(&mut self, editor: Pid) -> Result<(Outcome, Option<Signal>), Stop> {
        let mut killed = None;
        loop {
            match waitpid(editor, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)) {
                Ok(WaitStatus::Exited(_, status)) => return Ok((Outcome::of(status), killed)),
                Ok(WaitStatus::Signaled(_, signal, _)) => {
                    return Ok((Outcome::Signal(signal as i32), killed));
                }
                // Alone: else we had stopped with it, and would only now go on.
                Ok(WaitStatus::Stopped(_, signal)) => {
                    suspend(signal);
                    let _ = kill(editor, Signal::SIGCONT);
                }
                Ok(_) => {}
                Err(error) => return Err(Stop::Failed(format!("the editor is lost: {}", error.desc()))),
            }
            self.poll(None, None)?;
            while let Some(signal) = self.signals.next() {
                match signal {
                    // Of the keys the editor has its own.
                    Signal::SIGINT | Signal::SIGQUIT | Signal::SIGCHLD => {}
                    _ => {
                        killed = Some(signal);
                        let _ = kill(editor, signal);
                    }
                }
            }
        }
    }

    /// Until the monitor has said its last word; not for ever.
    pub(super) fn finish(&mut self) {
        let end = Instant::now() + LAST_WORD;
        while !self.is_over {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.poll(None, Some(left)).is_err() || self.signal().is_some() {
                return;
            }
        }
    }

    /// Hears what the monitor has to say now.
    pub(super) fn hear(&mut self) {
        let _ = self.poll(None, Some(Duration::ZERO));
    }

    /// Whether the session has ended.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    fn signal(&self) -> Option<Signal> {
        std::iter::from_fn(|| self.signals.next()).find(|signal| *signal != Signal::SIGCHLD)
    }

    /// Waits for anything; whether it was this.
    fn poll(&mut self, this: Option<PollFd<'_>>, time: Option<Duration>) -> Result<bool, Stop> {
        let time = time.and_then(|time| Timespec::try_from(time).ok());
        let mut files = vec![PollFd::new(&self.signals, PollFlags::IN)];
        if !self.is_over {
            files.push(PollFd::from_borrowed_fd(self.connection.as_fd(), PollFlags::IN));
        }
        let monitor = files.len() - 1;
        files.extend(this);
        retry_on_intr(|| poll(&mut files, time.as_ref())).map_err(|error| Stop::Failed(error.to_string()))?;
        let is_ready = |at: usize| files.get(at).is_some_and(|file| !file.revents().is_empty());
        let (said, ready) = (monitor > 0 && is_ready(monitor), is_ready(monitor + 1));
        drop(files);
        if said {
            self.hear_frame();
        }
        Ok(ready)
    }

    fn hear_frame(&mut self) {
        match self.connection.receive_frame() {
            Ok((frame, _)) => match frame.kind {
                Kind::Notice | Kind::Message => self.told.push((frame.first_text(), String::new())),
                Kind::Refused => {
                    self.told.push((frame.first_text(), frame.second_text()));
                    self.is_over = true;
                }
                _ => self.is_over = true,
            },
            Err(_) => self.is_over = true,
        }
    }
}
