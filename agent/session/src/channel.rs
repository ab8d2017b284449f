//! One end of a `SOCK_SEQPACKET` connection, with descriptors.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::cmsg_space;
use rustix::io::{Errno, ioctl_fionbio, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    recvmsg, sendmsg, shutdown, socket_with, socketpair,
};

/// Most descriptors that one message of ours carries.
const MAX_DESCRIPTORS: usize = 4;

/// A connected socket that keeps messages apart.
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// A received message: its length in the buffer, and its descriptors.
#[derive(Debug)]
pub struct Received {
    /// Bytes written to the buffer.
    pub length: usize,
    /// Descriptors, close-on-exec.
    pub descriptors: Vec<OwnedFd>,
    /// User id of the process that sent it; none on a socket without `SO_PASSCRED`.
    pub sender: Option<u32>,
}

impl Channel {
    /// Two connected ends, close-on-exec.
    ///
    /// # Errors
    /// Those of socketpair(2).
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(one), Self(other)))
    }

    /// Connects to a path, without waiting for a listener whose queue is full.
    ///
    /// # Errors
    /// Those of connect(2).
    pub fn connect(path: &Path) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        ioctl_fionbio(&socket, false)?;
        Ok(Self(socket))
    }

    /// Sends one message. A peer that does not read blocks us only if `wait` is true.
    ///
    /// # Errors
    /// `WouldBlock` without `wait`; those of sendmsg(2).
    pub fn send(&self, message: &[u8], descriptors: &[BorrowedFd<'_>], wait: bool) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = if wait { SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL | SendFlags::DONTWAIT };
        let iov = [IoSlice::new(message)];
        retry_on_intr(|| sendmsg(&self.0, &iov, &mut control, flags))?;
        Ok(())
    }

    /// Length of the message that would be received next; 0 if the other end is gone.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; those of recv(2).
    pub fn next_length(&self) -> io::Result<usize> {
        let flags = RecvFlags::PEEK | RecvFlags::TRUNC | RecvFlags::DONTWAIT;
        let look = || retry_on_intr(|| recv(&self.0, &mut [0; 0], flags));
        let (_, length) = match look() {
            Err(Errno::CONNRESET) => look()?, // as below
            result => result?,
        };
        Ok(length)
    }

    /// From now on the other end reads that there will be nothing more; what it sends still comes.
    pub fn say_no_more(&self) {
        let _ = shutdown(&self.0, Shutdown::Write); // one that is gone needs no word
    }

    /// Receives one message.
    ///
    /// # Errors
    /// `UnexpectedEof` if the other end is gone; `InvalidData` if the message or its descriptors did not fit;
    /// `WouldBlock` without `wait` if there is none.
    pub fn receive(&self, buffer: &mut [u8], wait: bool) -> io::Result<Received> {
        // Without room for credentials there is none for descriptors on a socket with SO_PASSCRED.
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS), ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags =
            if wait { RecvFlags::CMSG_CLOEXEC } else { RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT };
        let mut iov = [IoSliceMut::new(buffer)];
        let mut receive = || retry_on_intr(|| recvmsg(&self.0, &mut iov, &mut control, flags));
        let received = match receive() {
            // The other end left without reading all of ours; what it said before is still there (unix(7)).
            Err(Errno::CONNRESET) => receive()?,
            result => result?,
        };
        // All descriptors are owned at once, so that none leaks whatever is decided about it.
        let mut descriptors: Vec<OwnedFd> = Vec::new();
        let mut sender = None;
        for message in control.drain() {
            match message {
                RecvAncillaryMessage::ScmRights(rights) => descriptors.extend(rights),
                RecvAncillaryMessage::ScmCredentials(credentials) => sender = Some(credentials.uid.as_raw()),
                _ => {}
            }
        }
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the message or its descriptors do not fit",
            ));
        }
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Received { length: received.bytes, descriptors, sender })
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Channel {
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_descriptors_stay_together() {
        let (one, other) = Channel::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        one.send(b"first", &[null.as_fd(), null.as_fd()], true).unwrap();
        one.send(b"second", &[], true).unwrap();
        let mut buffer = [0; 16];
        let first = other.receive(&mut buffer, true).unwrap();
        assert_eq!((&buffer[..first.length], first.descriptors.len()), (&b"first"[..], 2));
        let second = other.receive(&mut buffer, true).unwrap();
        assert_eq!((&buffer[..second.length], second.descriptors.len()), (&b"second"[..], 0));
    }

    #[test]
    fn a_message_that_does_not_fit_is_an_error() {
        let (one, other) = Channel::pair().unwrap();
        one.send(b"too long", &[], true).unwrap();
        assert_eq!(other.receive(&mut [0; 4], true).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn the_other_end_gone_is_an_end_of_file() {
        let (one, other) = Channel::pair().unwrap();
        drop(one);
        assert_eq!(other.receive(&mut [0; 4], true).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
