//! Messages of a peer that is not believed: the kernel says who sent each, and a descriptor that was not asked for is
//! dropped by the kernel unopened. Received and closed here it could hang this process: close(2) waits for the owner's
//! file server (FUSE).

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, UnixCredentials, recvmsg};

/// A received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incoming {
    /// Bytes written to the buffer.
    pub length: usize,
    /// User id of the process that sent it; none on a socket without `SO_PASSCRED`.
    pub sender: Option<u32>,
}

/// Receives one message, without waiting and without descriptors.
///
/// # Errors
/// `UnexpectedEof` if the other end is gone; `InvalidData` if the message did not fit, or came with descriptors;
/// `WouldBlock` if there is none.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Incoming> {
    let refused =
        || io::Error::new(io::ErrorKind::InvalidData, "the message does not fit, or has descriptors");
    let mut iov = [IoSliceMut::new(buffer)];
    let mut space = nix::cmsg_space!(UnixCredentials);
    let message =
        recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut iov, Some(&mut space), MsgFlags::MSG_DONTWAIT)?;
    if message.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC) {
        return Err(refused());
    }
    if message.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let sender = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmCredentials(credentials) => Some(credentials.uid()),
        _ => None,
    });
    Ok(Incoming { length: message.bytes, sender })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Channel;
    use nix::sys::socket::{setsockopt, sockopt};
    use std::os::fd::AsFd;

    #[test]
    fn the_sender_is_told_and_descriptors_are_not_taken() {
        let (ours, theirs) = Channel::pair().unwrap();
        let mut buffer = [0; 8];
        setsockopt(&ours, sockopt::PassCred, &true).unwrap();
        theirs.send(b"one", &[], true).unwrap();
        let own = nix::unistd::getuid().as_raw();
        assert_eq!(receive(ours.as_fd(), &mut buffer).unwrap(), Incoming { length: 3, sender: Some(own) });
        let (mut reader, writer) = io::pipe().unwrap();
        theirs.send(b"two", &[writer.as_fd()], true).unwrap();
        drop(writer);
        assert_eq!(receive(ours.as_fd(), &mut buffer).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(io::Read::read(&mut reader, &mut [0; 1]).unwrap(), 0, "nobody holds the other end");
        assert_eq!(receive(ours.as_fd(), &mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
