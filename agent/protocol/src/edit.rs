//! The helper and `jit-edit`, which opens and saves the files of an edit as the target user: fixed layout, bounded, over a
//! pair of `SOCK_SEQPACKET` that the helper makes. Neither believes the other: one runs as root, the other is anybody's.
//!
//! ```text
//! helper ◀─ (File, Data…, End) for each file, Ready ── jit-edit      or Refused, which is the last
//!        ── Save, Data…, End ────────────────────────▶              once for each file that was changed; again if need be
//!        ◀─ Output…, Saved | NotSaved ────────────────
//! ```
//! The helper's end of the connection is the end of the edit.
//!
//! ```text
//! 0      4     5     6     8        12
//! "JITE" ver   kind  0 0   value    bytes…         little endian
//! ```

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::retry_on_intr;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

use crate::VERSION;

/// Most files of one edit.
pub const MAX_FILES: usize = 64;
/// Longest file in bytes.
pub const MAX_FILE: u64 = 256 << 20;
/// Most bytes of a check's output that the person is shown.
pub const MAX_OUTPUT: usize = 64 << 10;
/// The variable that tells `jit-edit` what must succeed before it saves a file: words, one a line; in one of them `{}` stands for
/// the path of the new contents. Set by the agent alone.
pub const CHECK: &str = "JIT_EDIT_CHECK";

const MAGIC: [u8; 4] = *b"JITE";
const HEADER: usize = 12;
/// Bytes in one message: small enough for the kernel's usual buffers.
const MAX_BYTES: usize = 32 << 10;

/// What a message means. The number is the wire's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// To the helper: the next file's contents follow. `value` 1: there is no such file yet.
    File = 1,
    /// A part of the contents.
    Data = 2,
    /// That was all of the file.
    End = 3,
    /// To the helper: these were all files.
    Ready = 4,
    /// To the helper, last: why nothing can be edited.
    Refused = 5,
    /// To the helper: the file is saved.
    Saved = 6,
    /// To the helper: why it is not. `value` 1: because its check did not succeed.
    NotSaved = 7,
    /// To the helper: what the check says.
    Output = 8,
    /// To `jit-edit`: save the contents that follow. `value`: the number of the file, from 0.
    Save = 16,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::File,
        Self::Data,
        Self::End,
        Self::Ready,
        Self::Refused,
        Self::Saved,
        Self::NotSaved,
        Self::Output,
        Self::Save,
    ];
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it means.
    pub kind: Kind,
    /// See [`Kind`].
    pub value: u32,
    /// A part of a file, or a text for people: **not** escaped.
    pub bytes: Vec<u8>,
}

/// One end of the connection.
#[derive(Debug)]
pub struct Channel<F>(F);

/// A new connection: the helper's end, and the one that becomes standard input and output of `jit-edit`.
///
/// # Errors
/// Those of socketpair(2).
pub fn pair() -> io::Result<(Channel<OwnedFd>, OwnedFd)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((Channel(ours), theirs))
}

impl<F: AsFd> AsFd for Channel<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<F: AsFd> Channel<F> {
    /// Over an end that is open already.
    pub fn over(socket: F) -> Self {
        Self(socket)
    }

    /// Sends a message; of a text what is too long is cut.
    ///
    /// # Errors
    /// Those of send(2).
    pub fn send(&self, kind: Kind, value: u32, bytes: &[u8]) -> io::Result<()> {
        let bytes = bytes.get(..MAX_BYTES).unwrap_or(bytes);
        let mut wire = Vec::with_capacity(HEADER + bytes.len());
        wire.extend_from_slice(&MAGIC);
        wire.extend_from_slice(&[VERSION, kind as u8, 0, 0]);
        wire.extend_from_slice(&value.to_le_bytes());
        wire.extend_from_slice(bytes);
        retry_on_intr(|| send(&self.0, &wire, SendFlags::NOSIGNAL))?;
        Ok(())
    }

    /// Receives a message.
    ///
    /// # Errors
    /// `UnexpectedEof` if the other end is gone, `InvalidData` for what is no message; those of recv(2).
    pub fn receive(&self) -> io::Result<Message> {
        let mut wire = vec![0; HEADER + MAX_BYTES + 1];
        let (length, _) = retry_on_intr(|| recv(&self.0, &mut *wire, RecvFlags::empty()))?;
        match wire.get(..length).unwrap_or_default() {
            [] => Err(io::ErrorKind::UnexpectedEof.into()),
            message => decode(message).ok_or_else(broken),
        }
    }

    /// Sends contents, with their end; before each message `wait` may do so, and break it off. The inner error: they could
    /// not be read, or are too long; their end was not sent.
    ///
    /// # Errors
    /// As [`Self::send`]; what `wait` says.
    pub fn send_contents(
        &self,
        from: &mut impl Read,
        mut wait: impl FnMut() -> io::Result<()>,
    ) -> io::Result<Result<(), Unread>> {
        let mut buffer = vec![0; MAX_BYTES];
        let mut sent = 0;
        loop {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    sent += length as u64;
                    if sent > MAX_FILE {
                        return Ok(Err(Unread::TooLong));
                    }
                    wait()?;
                    self.send(Kind::Data, 0, buffer.get(..length).unwrap_or_default())?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Err(Unread::Failed(error))),
            }
        }
        wait()?;
        self.send(Kind::End, 0, &[])?;
        Ok(Ok(()))
    }

    /// Receives contents up to their end; before each message `wait` may do so, and break it off. The inner error: they
    /// could not be written; all of them were received.
    ///
    /// # Errors
    /// As [`Self::receive`]; `InvalidData` for anything but contents, and for more than [`MAX_FILE`]; what `wait` says.
    pub fn receive_contents(
        &self,
        into: &mut impl Write,
        mut wait: impl FnMut() -> io::Result<()>,
    ) -> io::Result<io::Result<()>> {
        let (mut received, mut written) = (0, Ok(()));
        loop {
            wait()?;
            let message = self.receive()?;
            received += message.bytes.len() as u64;
            match message.kind {
                Kind::Data if !message.bytes.is_empty() && received <= MAX_FILE => {
                    written = written.and_then(|()| into.write_all(&message.bytes));
                }
                Kind::End if message.bytes.is_empty() => return Ok(written),
                _ => return Err(broken()),
            }
        }
    }
}

fn decode(wire: &[u8]) -> Option<Message> {
    let (magic, rest) = wire.split_first_chunk::<4>()?;
    let (&[version, kind, zero, zero2], rest) = rest.split_first_chunk::<4>()?;
    let (value, bytes) = rest.split_first_chunk::<4>()?;
    let kind = Kind::ALL.into_iter().find(|known| *known as u8 == kind)?;
    let is_ours =
        *magic == MAGIC && version == VERSION && (zero, zero2) == (0, 0) && bytes.len() <= MAX_BYTES;
    is_ours.then(|| Message { kind, value: u32::from_le_bytes(*value), bytes: bytes.to_vec() })
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the other end broke the protocol")
}

/// Why contents were not sent.
#[derive(Debug)]
pub enum Unread {
    /// More than [`MAX_FILE`].
    TooLong,
    /// Reading failed.
    Failed(io::Error),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "longer than {} MiB", MAX_FILE >> 20),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connected() -> (Channel<OwnedFd>, Channel<OwnedFd>) {
        let (one, other) = pair().unwrap();
        (one, Channel::over(other))
    }

    #[test]
    fn contents_of_any_length_arrive_as_they_were() {
        for length in [0, 1, MAX_BYTES - 1, MAX_BYTES, MAX_BYTES + 1, 3_000_000] {
            let (one, other) = connected();
            let contents: Vec<u8> = (0..=250_u8).cycle().take(length).collect();
            let copy = contents.clone();
            let sender = std::thread::spawn(move || {
                one.send_contents(&mut copy.as_slice(), || Ok(())).unwrap().unwrap();
            });
            let mut received = Vec::new();
            other.receive_contents(&mut received, || Ok(())).unwrap().unwrap();
            sender.join().unwrap();
            assert!(received == contents, "{length}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for wire in [
            &b"JITE"[..],
            b"JITF\x01\x04\0\0\0\0\0\0",
            b"JITE\x02\x04\0\0\0\0\0\0",
            b"JITE\x01\x00\0\0\0\0\0\0",
            b"JITE\x01\x09\0\0\0\0\0\0",
            b"JITE\x01\x04\x01\0\0\0\0\0",
            b"JITE\x01\x04\0\0\0\0\0",
            &[b'J'; 10_000],
        ] {
            let (one, other) = connected();
            send(&one, wire, SendFlags::NOSIGNAL).unwrap();
            assert_eq!(other.receive().unwrap_err().kind(), io::ErrorKind::InvalidData, "{wire:?}");
        }
        let long = [b"JITE\x01\x02\0\0\0\0\0\0".to_vec(), vec![0; MAX_BYTES + 1]].concat();
        let (one, other) = connected();
        send(&one, &long, SendFlags::NOSIGNAL).unwrap();
        assert!(other.receive().is_err());
        drop(one);
        assert_eq!(other.receive().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    // One that runs as root reads what anybody sends: no message may keep it busy for ever, or fill its disk.
    #[test]
    fn contents_have_an_end_and_nothing_else_in_them() {
        for (kind, bytes) in
            [(Kind::Save, &b""[..]), (Kind::Data, b""), (Kind::End, b"x"), (Kind::Ready, b"")]
        {
            let (one, other) = connected();
            one.send(Kind::Data, 0, b"some").unwrap();
            one.send(kind, 0, bytes).unwrap();
            assert!(other.receive_contents(&mut Vec::new(), || Ok(())).is_err(), "{kind:?}");
        }
        let (one, other) = connected();
        let mut endless = io::repeat(b'x');
        let sender = std::thread::spawn(move || one.send_contents(&mut endless, || Ok(())).unwrap());
        assert!(other.receive_contents(&mut io::sink(), || Ok(())).is_err());
        assert!(matches!(sender.join().unwrap(), Err(Unread::TooLong)));
    }

    #[test]
    fn what_can_not_be_written_is_received_all_the_same() {
        let (one, other) = connected();
        one.send_contents(&mut &vec![b'x'; 100_000][..], || Ok(())).unwrap().unwrap();
        one.send(Kind::Ready, 0, &[]).unwrap();
        assert!(other.receive_contents(&mut &mut [0; 10][..], || Ok(())).unwrap().is_err());
        assert_eq!(other.receive().unwrap().kind, Kind::Ready);
    }
}
