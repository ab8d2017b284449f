//! Bytes between the command's terminal and the helper: bounded, never blocking, and nothing lost at the end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use jit_sys::terminal::Pty;
use rustix::buffer::spare_capacity;
use rustix::event::PollFlags;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, read, write};

/// Bytes kept for each direction.
const ROOM: usize = 64 * 1024;

/// Our end of the command's terminal, and the stream to the helper.
#[derive(Debug)]
pub struct Relay {
    master: OwnedFd,
    /// The command's end, until the command has ended: one that lets its terminal go may open it again (`/dev/tty`), and
    /// a terminal that nobody holds is at its end.
    slave: Option<OwnedFd>,
    stream: OwnedFd,
    to_helper: Buffer,
    to_command: Buffer,
    command_closed: bool,
    helper_closed: bool,
    hung_up: bool,
}

impl Relay {
    /// Both descriptors are made non-blocking.
    ///
    /// # Errors
    /// Those of fcntl(2).
    pub fn new(pty: Pty, stream: OwnedFd) -> io::Result<Self> {
        let Pty { master, slave } = pty;
        for fd in [&master, &stream] {
            fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?;
        }
        Ok(Self {
            master,
            slave: Some(slave),
            stream,
            to_helper: Buffer::new(),
            to_command: Buffer::new(),
            command_closed: false,
            helper_closed: false,
            hung_up: false,
        })
    }

    /// The command has ended: what still holds the terminal is what it left behind.
    pub fn command_has_ended(&mut self) {
        self.slave = None;
    }

    /// Our end of the terminal, for its size.
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// What to wait for.
    pub fn interests(&self) -> [(BorrowedFd<'_>, PollFlags); 2] {
        let flags = |read: bool, write: bool| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, read);
            flags.set(PollFlags::OUT, write);
            flags
        };
        let master = flags(!self.command_closed && self.to_helper.is_empty(), !self.to_command.is_empty());
        let stream = flags(!self.helper_closed && self.to_command.is_empty(), !self.to_helper.is_empty());
        [(self.master.as_fd(), master), (self.stream.as_fd(), stream)]
    }

    /// Copies what can be copied now; true if the command's side had something.
    pub fn pump(&mut self) -> bool {
        let mut moved = !self.to_helper.is_empty();
        if !self.command_closed && self.to_helper.is_empty() {
            // EIO: the last holder of the command's side is gone (we are one, while the command lives), and what it wrote
            // has been read.
            let filled = self.to_helper.fill(&self.master);
            self.command_closed = filled == Filled::End;
            moved |= filled == Filled::Some;
        }
        // Of a command that goes on without a helper everything is read here, and nobody sees it.
        if self.to_helper.drain(&self.stream).is_err() {
            self.helper_closed = true;
            self.to_helper.clear();
        }
        if !self.helper_closed && self.to_command.is_empty() {
            self.hung_up = self.to_command.fill(&self.stream) == Filled::End;
            self.helper_closed = self.hung_up;
        }
        if self.to_command.drain(&self.master).is_err() {
            self.to_command.clear();
        }
        moved
    }

    /// The helper's terminal hung up: no more keys will come.
    pub fn is_hung_up(&self) -> bool {
        self.hung_up
    }

    /// Everything the command's side wrote has reached the helper, and no more will come.
    pub fn is_done(&self) -> bool {
        self.helper_closed || (self.command_closed && self.to_helper.is_empty())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Filled {
    Some,
    Nothing,
    End,
}

#[derive(Debug)]
struct Buffer {
    bytes: Vec<u8>,
    /// How many of them have gone on.
    gone: usize,
}

impl Buffer {
    fn new() -> Self {
        // Its room is no memory of ours before a byte comes.
        Self { bytes: Vec::with_capacity(ROOM), gone: 0 }
    }

    fn is_empty(&self) -> bool {
        self.gone == self.bytes.len()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.gone = 0;
    }

    /// Reads until there is no more, or no room: a terminal hands out 4 KiB at a time, and each piece that goes on
    /// alone wakes the other side once.
    fn fill(&mut self, from: &OwnedFd) -> Filled {
        self.clear();
        while self.bytes.len() < self.bytes.capacity() {
            match read(from, spare_capacity(&mut self.bytes)) {
                Ok(1..) | Err(Errno::INTR) => {}
                // What an end follows is handed on first; the end is there next time, too.
                _ if !self.bytes.is_empty() => return Filled::Some,
                Err(Errno::AGAIN) => return Filled::Nothing,
                Ok(_) | Err(_) => return Filled::End,
            }
        }
        Filled::Some
    }

    fn drain(&mut self, to: &OwnedFd) -> Result<(), Errno> {
        while !self.is_empty() {
            match write(to, self.bytes.get(self.gone..).unwrap_or_default()) {
                Ok(length) => self.gone += length,
                Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jit_sys::terminal;
    use rustix::event::{PollFd, Timespec, poll};
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn stream_pair() -> (OwnedFd, UnixStream) {
        let (one, other) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        (one, UnixStream::from(other))
    }

    /// A terminal with this in the place of our end.
    fn over(master: OwnedFd) -> Pty {
        Pty { master, slave: std::fs::File::open("/dev/null").unwrap().into() }
    }

    #[test]
    fn more_than_fits_arrives_whole_and_in_order() {
        let (master, mut command) = stream_pair();
        let (stream, mut helper) = stream_pair();
        let mut relay = Relay::new(over(master), stream).unwrap();
        let sent: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
        let copy = sent.clone();
        let writer = std::thread::spawn(move || command.write_all(&copy));
        let reader = std::thread::spawn(move || {
            let mut got = Vec::new();
            helper.read_to_end(&mut got).map(|_| got)
        });
        while !relay.is_done() {
            relay.pump();
        }
        drop(relay);
        writer.join().unwrap().unwrap();
        assert!(reader.join().unwrap().unwrap() == sent);
    }

    #[test]
    fn a_command_that_goes_on_without_a_helper_writes_as_much_as_it_likes() {
        let (master, mut command) = stream_pair();
        let (stream, helper) = stream_pair();
        let mut relay = Relay::new(over(master), stream).unwrap();
        drop(helper);
        let writer = std::thread::spawn(move || command.write_all(&vec![b'x'; 1_000_000]));
        while !writer.is_finished() {
            relay.pump();
        }
        writer.join().unwrap().unwrap();
    }

    /// The kernel tells of a terminal that nobody holds again and again, whatever one waits for.
    #[test]
    fn keys_for_a_command_that_let_its_terminal_go_wake_nobody() {
        let settings = terminal::Settings { rows: 24, columns: 80, flags: [0; 4], control_characters: &[] };
        let (stream, mut helper) = stream_pair();
        let mut relay = Relay::new(terminal::open(settings).unwrap(), stream).unwrap();
        helper.set_nonblocking(true).unwrap();
        let mut waits = 0;
        while waits < 100 {
            waits = if helper.write(b"\n").is_ok() { 0 } else { waits + 1 };
            relay.pump();
        }
        let interests = relay.interests();
        let mut wanted: Vec<PollFd<'_>> = interests
            .iter()
            .filter(|(_, flags)| !flags.is_empty())
            .map(|(file, flags)| PollFd::from_borrowed_fd(*file, *flags))
            .collect();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        assert_eq!(poll(&mut wanted, Some(&now)).unwrap(), 0, "{wanted:?}");
    }

    #[test]
    fn a_helper_that_is_gone_ends_the_relay() {
        let (master, _command) = stream_pair();
        let (stream, helper) = stream_pair();
        let mut relay = Relay::new(over(master), stream).unwrap();
        drop(helper);
        relay.pump();
        assert!(relay.is_done());
    }
}
