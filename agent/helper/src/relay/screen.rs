//! Our terminal and the stream of the command's: bytes from each to the other, at the pace of the slower one.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, retry_on_intr, write};
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;

use crate::terminal::{Pipeline, Settings, Terminal, is_foreground};

/// Most bytes on their way in one direction.
const ROOM: usize = 64 * 1024;
/// Most bytes that are shown of a command that stopped, before we stop as well: it may have filled the stream.
const FLUSHED: usize = 1024 * 1024;

/// The two ends, and what is on its way between them.
pub(super) struct Screen<'a> {
    terminal: &'a Terminal,
    stream: OwnedFd,
    raw: Option<Settings<'a>>,
    /// Keys that somebody else may want are not ours before the command asks for them.
    pipeline: Pipeline,
    /// The keys are never ours.
    background: bool,
    size: Option<(u16, u16)>,
    keys: Flow,
    output: Flow,
}

/// One direction.
struct Flow {
    bytes: Vec<u8>,
    /// More can come.
    source_open: bool,
    /// Somebody takes it.
    sink_open: bool,
}

impl Flow {
    fn new() -> Self {
        Self { bytes: Vec::with_capacity(ROOM), source_open: true, sink_open: true }
    }

    /// Bytes are read only once the last ones are gone.
    fn may_read(&self) -> bool {
        self.source_open && self.bytes.is_empty()
    }

    fn may_write(&self) -> bool {
        self.sink_open && !self.bytes.is_empty()
    }

    /// Into the room as it is: memory that no byte has come to yet is none that this process has.
    fn fill(&mut self, read: impl FnOnce(&mut Vec<u8>) -> Result<usize, Errno>) -> Result<(), Errno> {
        match read(&mut self.bytes) {
            Ok(0) => self.source_open = false,
            Ok(_) if !self.sink_open => self.bytes.clear(), // nobody sees it, but who writes it must not wait
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(other) => return Err(other),
        }
        Ok(())
    }

    fn empty(&mut self, write: impl FnOnce(&[u8]) -> Result<usize, Errno>) {
        match write(&self.bytes) {
            Ok(written) => drop(self.bytes.drain(..written.min(self.bytes.len()))),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => {
                self.sink_open = false;
                self.bytes.clear();
            }
        }
    }
}

impl<'a> Screen<'a> {
    pub(super) fn new(terminal: &'a Terminal, stream: OwnedFd, pipeline: Pipeline) -> Self {
        let size = terminal.size();
        Self {
            terminal,
            stream,
            raw: None,
            pipeline,
            background: false,
            size,
            keys: Flow::new(),
            output: Flow::new(),
        }
    }

    pub(super) fn terminal(&self) -> BorrowedFd<'_> {
        self.terminal.as_fd()
    }

    pub(super) fn stream(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Whether the command began in the foreground of its terminal.
    pub(super) fn began_in_foreground(&self) -> bool {
        self.pipeline.began_in_foreground
    }

    /// In the background.
    pub(super) fn never_takes_keys(&mut self) {
        self.background = true;
    }

    /// The command asked for the keys.
    pub(super) fn wants_keys(&mut self) {
        self.pipeline.shares_keys = false;
    }

    /// Makes the terminal raw if this process is in its foreground; whether it is.
    pub(super) fn enter(&mut self) -> bool {
        if self.background || self.pipeline.shares_keys || !is_foreground(self.terminal.as_fd()) {
            self.leave();
            return false;
        }
        if let Some(settings) = &self.raw {
            return settings.apply().is_ok();
        }
        self.raw = Settings::raw(self.terminal.as_fd(), self.pipeline.shares_output).ok();
        self.raw.is_some()
    }

    /// Gives the terminal back; one that is somebody else's by now stays as they have set it up.
    pub(super) fn leave(&mut self) {
        self.raw = None;
    }

    pub(super) fn is_raw(&self) -> bool {
        self.raw.is_some()
    }

    pub(super) fn line_end(&self) -> &'static str {
        self.raw.as_ref().map_or("\n", Settings::line_end)
    }

    /// Rows and columns, if they are others than last time.
    pub(super) fn changed_size(&mut self) -> Option<(u16, u16)> {
        let size = self.terminal.size();
        if size == self.size {
            return None;
        }
        self.size = size;
        size
    }

    pub(super) fn terminal_interest(&self) -> PollFlags {
        let keys = self.is_raw() && self.keys.sink_open && self.keys.may_read();
        interest(keys, self.output.may_write())
    }

    pub(super) fn stream_interest(&self) -> PollFlags {
        interest(self.output.may_read(), self.keys.may_write())
    }

    pub(super) fn on_terminal(&mut self, events: PollFlags) {
        if self.output.may_write() && events.intersects(PollFlags::OUT | PollFlags::HUP | PollFlags::ERR) {
            self.show();
        }
        let wants_keys = self.is_raw() && self.keys.may_read();
        if wants_keys && events.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            let terminal = self.terminal.as_fd();
            if self.keys.fill(|keys| retry_on_intr(|| read(terminal, spare_capacity(keys)))).is_err() {
                // In the background a read fails; whoever put us there has the terminal. Else it hung up.
                match tcgetpgrp(terminal) {
                    Ok(group) if group != getpgrp() => self.leave(),
                    _ => self.keys.source_open = false,
                }
            }
            self.pass_on_end_of_keys();
        }
    }

    pub(super) fn on_stream(&mut self, events: PollFlags) {
        if self.keys.may_write() && events.intersects(PollFlags::OUT | PollFlags::HUP | PollFlags::ERR) {
            let stream = self.stream.as_fd();
            self.keys.empty(|bytes| send(stream, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL));
            self.pass_on_end_of_keys();
        }
        if self.output.may_read() && events.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.receive();
            // Most of the time the terminal takes it at once.
            if self.output.may_write() {
                self.show();
            }
        }
    }

    /// Shows what the command has written until now: before this process stops, or goes.
    pub(super) fn flush(&mut self) {
        let mut left = FLUSHED;
        loop {
            while self.output.may_write() {
                let patience = Timespec { tv_sec: 2, tv_nsec: 0 };
                let mut files = [PollFd::new(self.terminal, PollFlags::OUT)];
                if !matches!(retry_on_intr(|| poll(&mut files, Some(&patience))), Ok(1..)) {
                    return;
                }
                self.show();
            }
            if left == 0 || !self.output.may_read() {
                return;
            }
            self.receive();
            if self.output.bytes.is_empty() {
                return;
            }
            left = left.saturating_sub(self.output.bytes.len());
        }
    }

    /// Something waits for our terminal to take it.
    pub(super) fn is_showing(&self) -> bool {
        self.output.may_write()
    }

    /// All that the command wrote is shown.
    pub(super) fn is_shown(&self) -> bool {
        !self.output.source_open && !self.output.may_write()
    }

    fn show(&mut self) {
        let terminal = self.terminal.as_fd();
        self.output.empty(|bytes| retry_on_intr(|| write(terminal, bytes)));
    }

    fn receive(&mut self) {
        let stream = self.stream.as_fd();
        let received = self
            .output
            .fill(|output| recv(stream, spare_capacity(output), RecvFlags::DONTWAIT).map(|(read, _)| read));
        if received.is_err() {
            self.output.source_open = false;
        }
        if !self.output.bytes.is_empty() && self.terminal.ends_lines() {
            single_line_ends(&mut self.output.bytes);
        }
    }

    /// The terminal hung up: so does the command's.
    fn pass_on_end_of_keys(&mut self) {
        if !self.keys.source_open && self.keys.bytes.is_empty() && self.keys.sink_open {
            self.keys.sink_open = false;
            let _ = shutdown(&self.stream, Shutdown::Write);
        }
    }
}

/// The command's terminal has ended lines already; one that does it again would end each twice. An end in two pieces keeps
/// its two carriage returns: they do no harm.
fn single_line_ends(bytes: &mut Vec<u8>) {
    let mut next = bytes.clone().into_iter().skip(1);
    bytes.retain(|byte| next.next() != Some(b'\n') || *byte != b'\r');
}

fn interest(read: bool, write: bool) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, read);
    flags.set(PollFlags::OUT, write);
    flags
}
