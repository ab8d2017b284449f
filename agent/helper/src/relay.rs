//! A command's session: signals and stops go to the monitor, its terminal's bytes through our own terminal.
//!
//! ```text
//!   person ── keys ──▶ our terminal (raw) ── stream ──▶ monitor ──▶ the command's terminal
//!          ◀─ output ──        "          ◀─ stream ──         ◀──        "
//! ```
//! One loop, no threads. The terminal is raw only while this process is in its foreground. A job in the background keeps
//! its hands off: it is not stopped for what its command writes, and reads nothing.

mod screen;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use jit_protocol::client::Connection;
use jit_protocol::frame::{Frame, Kind};
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

use crate::conversation::Outcome;
use crate::messages::Messages;
use crate::signals::{RELAYED, Signals, suspend};
use crate::terminal::{Pipeline, Terminal};
use screen::Screen;

/// How long the stream may be silent, but open, once the command has ended.
const SILENCE: Duration = Duration::from_secs(2);

/// One running session.
pub(crate) struct Relay<'a, 'm> {
    connection: &'a Connection,
    messages: &'a mut Messages<'m>,
    screen: Option<Screen<'a>>,
    /// The monitor said how the command ended; what is left of its output is still to be shown.
    ended: Option<Outcome>,
    /// The monitor said that the command stopped, and was not told to continue it.
    stopped: bool,
    /// `-b`: no shell knows this process as a job, and the terminal's keys are never ours.
    background: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Connection,
    Signals,
    Keys,
    Stream,
}

impl<'a, 'm> Relay<'a, 'm> {
    /// A command without a terminal.
    pub(crate) fn new(connection: &'a Connection, messages: &'a mut Messages<'m>) -> Self {
        Self { connection, messages, screen: None, ended: None, stopped: false, background: false }
    }

    /// A command with a terminal of its own, whose bytes come and go by `stream`.
    pub(crate) fn with_terminal(
        connection: &'a Connection,
        messages: &'a mut Messages<'m>,
        terminal: &'a Terminal,
        stream: OwnedFd,
        pipeline: Pipeline,
    ) -> Self {
        Self { screen: Some(Screen::new(terminal, stream, pipeline)), ..Self::new(connection, messages) }
    }

    /// Of a command that runs in the background (`-b`).
    pub(crate) fn in_background(mut self, background: bool) -> Self {
        self.background = background;
        if let Some(screen) = self.screen.as_mut().filter(|_| background) {
            screen.never_takes_keys();
        }
        self
    }

    /// Relays until the command has ended and all it wrote is shown.
    pub(crate) fn run(mut self) -> Outcome {
        match self.relay() {
            Ok(outcome) => outcome,
            Err(lost) => {
                if let Some(screen) = &mut self.screen {
                    screen.flush();
                    screen.leave();
                }
                let hint = "systemctl status jit-spawner";
                match lost.kind() {
                    io::ErrorKind::InvalidData => {
                        self.messages.refusal("the monitor speaks another protocol than this program", hint);
                    }
                    _ => self.messages.refusal("the session was lost", hint),
                }
                Outcome::REFUSED
            }
        }
    }

    fn relay(&mut self) -> io::Result<Outcome> {
        let signals = Signals::for_relay()?;
        self.begin();
        loop {
            if let Some(outcome) = self.ended
                && self.screen.as_ref().is_none_or(Screen::is_shown)
            {
                return Ok(outcome);
            }
            let ready = self.wait(&signals)?;
            // The command ended and the stream is silent: whoever still holds it has nothing to say.
            if let Some(outcome) = self.ended.filter(|_| ready.is_empty()) {
                return Ok(outcome);
            }
            for (source, events) in ready {
                match source {
                    Source::Keys => self.on_screen(|screen| screen.on_terminal(events)),
                    Source::Stream => self.on_screen(|screen| screen.on_stream(events)),
                    Source::Signals => {
                        while let Some(signal) = signals.next() {
                            self.on_signal(signal);
                        }
                    }
                    Source::Connection => {
                        if let Some(refused) = self.on_frame()? {
                            return Ok(refused);
                        }
                    }
                }
            }
        }
    }

    fn on_screen(&mut self, event: impl FnOnce(&mut Screen<'a>)) {
        if let Some(screen) = &mut self.screen {
            event(screen);
        }
    }

    /// What can happen next, and what did.
    fn wait(&self, signals: &Signals) -> io::Result<Vec<(Source, PollFlags)>> {
        let mut sources = vec![(Source::Signals, signals.as_fd(), PollFlags::IN)];
        if self.ended.is_none() {
            sources.push((Source::Connection, self.connection.as_fd(), PollFlags::IN));
        }
        let mut may_wait = true;
        if let Some(screen) = &self.screen {
            sources.push((Source::Keys, screen.terminal(), screen.terminal_interest()));
            sources.push((Source::Stream, screen.stream(), screen.stream_interest()));
            may_wait = self.ended.is_none() || screen.is_showing();
        }
        // A descriptor nobody is interested in is left out: poll(2) would report its hang-up over and over.
        sources.retain(|(_, _, interest)| !interest.is_empty());
        let mut files: Vec<PollFd<'_>> =
            sources.iter().map(|(_, file, interest)| PollFd::from_borrowed_fd(*file, *interest)).collect();
        let silence = Timespec::try_from(SILENCE).ok();
        let timeout = if may_wait { None } else { silence.as_ref() };
        retry_on_intr(|| poll(&mut files, timeout))?;
        let events = files.iter().map(PollFd::revents);
        let ready = sources.iter().map(|(source, ..)| *source).zip(events);
        Ok(ready.filter(|(_, events)| !events.is_empty()).collect())
    }

    fn on_frame(&mut self) -> io::Result<Option<Outcome>> {
        let (frame, _) = self.connection.receive_frame()?;
        match frame.kind {
            Kind::Ended => self.ended = Some(Outcome::of(frame.value)),
            Kind::Stopped => self.on_stop(frame.value),
            Kind::Notice => {
                let end = self.screen.as_ref().map_or("\n", Screen::line_end);
                self.messages.notice(&frame.first_text(), end, frame.value == 1);
            }
            Kind::Message => self.messages.line(&frame.first_text()),
            Kind::Refused => {
                if let Some(screen) = &mut self.screen {
                    screen.flush();
                    screen.leave();
                }
                self.messages.refusal(&frame.first_text(), &frame.second_text());
                return Ok(Some(Outcome::REFUSED));
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(None)
    }

    fn on_signal(&mut self, signal: Signal) {
        match signal {
            Signal::SIGCONT => self.resume(),
            Signal::SIGWINCH => self.tell_size(),
            // Typed while the terminal is not raw, or sent: the command stops first, then we do.
            Signal::SIGTSTP => self.tell(Kind::Signal, Signal::SIGTSTP as i32),
            // What the kernel does to a background job that touches its terminal; we look before we do.
            Signal::SIGTTIN | Signal::SIGTTOU => {}
            _ if self.ended.is_some() => self.screen = None, // what is not shown by now is not waited for
            _ if RELAYED.contains(&signal) => self.tell(Kind::Signal, signal as i32),
            _ => {}
        }
    }

    /// The command stopped: so do we, that the shell sees it. But if it only wants the terminal and we have it, it gets it.
    fn on_stop(&mut self, number: i32) {
        if self.background {
            return; // nobody could continue us
        }
        self.stopped = true;
        let signal = Signal::try_from(number).unwrap_or(Signal::SIGTSTP);
        let wants_terminal = matches!(signal, Signal::SIGTTIN | Signal::SIGTTOU);
        if let Some(screen) = &mut self.screen {
            screen.flush();
            screen.wants_keys();
            if wants_terminal && screen.enter() {
                return self.resume();
            }
            screen.leave();
        }
        suspend(signal);
        // Where nobody controls jobs, Ctrl-Z has no effect: the command goes on at once. One that wants a terminal we can
        // never have stays stopped; it would ask again and again.
        if !wants_terminal {
            self.resume();
        }
    }

    fn begin(&mut self) {
        let Some(screen) = &mut self.screen else { return };
        let (before, now) = (screen.began_in_foreground(), screen.enter());
        // A password took its time: it may be another one by now.
        if !(before && now) {
            self.tell(Kind::Continue, i32::from(now));
        }
        self.tell_size();
    }

    /// This process runs again, or may have: the terminal is taken if it is ours, and the command told.
    fn resume(&mut self) {
        let (foreground, changed) = match &mut self.screen {
            Some(screen) => {
                let before = screen.is_raw();
                let now = screen.enter();
                (now, before != now)
            }
            None => (true, false),
        };
        if self.stopped || changed {
            self.stopped = false;
            self.tell(Kind::Continue, i32::from(foreground));
        }
        self.tell_size();
    }

    fn tell_size(&mut self) {
        let size = self.screen.as_mut().and_then(Screen::changed_size);
        if let Some((rows, columns)) = size {
            self.tell(Kind::Window, (i32::from(rows) << 16) | i32::from(columns));
        }
    }

    fn tell(&self, kind: Kind, value: i32) {
        // A monitor that is gone shows in what is received next.
        let _ = self.connection.send_frame(&Frame::new(kind, value), &[]);
    }
}
