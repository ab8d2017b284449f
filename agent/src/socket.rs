//! Sequenced-packet sockets on the event loop: a message arrives whole, with its sender's credentials or descriptors.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr};
use rustix::cmsg_space;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recvmsg, sendmsg,
    socket_with, socketpair,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Most descriptors in one message between our own parts.
const MAX_DESCRIPTORS: usize = 4;

/// A connected socket. Its operations wait on the event loop; who waits for a message takes no room for it before it is
/// there, for hundreds may wait for as long as a person thinks.
#[derive(Debug)]
pub struct Seqpacket {
    socket: AsyncFd<OwnedFd>,
}

/// A message from a peer that is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What it says; nothing: the other end is gone.
    pub message: Vec<u8>,
    /// Who sent it, as the kernel says; only on sockets with `SO_PASSCRED`.
    pub sender: Option<Sender>,
    /// It was longer than it may be, or carried descriptors (which the kernel has dropped).
    pub truncated: bool,
}

/// The credentials of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// Process id, 0 if it is in no pid namespace of ours.
    pub pid: i32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Seqpacket {
    /// Takes a socket; it must not block.
    ///
    /// # Errors
    /// Those of epoll(7), or if there is no runtime.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self { socket: register(socket, Interest::READABLE | Interest::WRITABLE)? })
    }

    /// Two connected sockets: ours, and one to give away.
    ///
    /// # Errors
    /// Those of socketpair(2).
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self::new(ours)?, theirs))
    }

    /// Connects; does not wait for a listener with a full queue.
    ///
    /// # Errors
    /// Those of connect(2).
    pub fn connect(path: &Path) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        Self::new(socket)
    }

    /// Gives the socket up, in blocking mode as the next owner expects it.
    ///
    /// # Errors
    /// Those of ioctl(2).
    pub fn into_owned(self) -> io::Result<OwnedFd> {
        let socket = self.socket.into_inner();
        rustix::io::ioctl_fionbio(&socket, false)?;
        Ok(socket)
    }

    /// Sends one message, with descriptors.
    ///
    /// # Errors
    /// Those of sendmsg(2).
    pub async fn send(&self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.socket
            .async_io(Interest::WRITABLE, |socket| {
                let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
                sendmsg(socket, &[IoSlice::new(message)], &mut control, flags)?;
                Ok(())
            })
            .await
    }

    /// Receives at most so many bytes from a peer that is not believed: there is room for credentials and for no
    /// descriptor.
    ///
    /// # Errors
    /// Those of recvmsg(2).
    pub async fn receive(&self, most: usize) -> io::Result<Received> {
        self.socket.async_io(Interest::READABLE, |socket| receive_credentials(socket.as_fd(), most)).await
    }

    /// Receives at most so many bytes from one of our own parts, and at most four descriptors. More of anything is an
    /// error.
    ///
    /// # Errors
    /// `UnexpectedEof` if the other end is gone, `InvalidData` if the message does not fit; those of recvmsg(2).
    pub async fn receive_own(&self, most: usize) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
        self.socket.async_io(Interest::READABLE, |socket| receive_descriptors(socket.as_fd(), most)).await
    }
}

impl AsFd for Seqpacket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }
}

/// Puts a socket on the event loop.
///
/// # Errors
/// Those of epoll(7), or if there is no runtime.
#[expect(
    deprecated,
    reason = "tokio's replacement is unsafe, for types that change their descriptor: OwnedFd never does"
)]
pub(crate) fn register(socket: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(socket, interest)
}

/// nix and not rustix: rustix reads the sender's process id as non-zero, which it need not be.
fn receive_credentials(socket: BorrowedFd<'_>, most: usize) -> io::Result<Received> {
    let mut buffer = vec![0; most];
    let mut iov = [IoSliceMut::new(&mut buffer)];
    let mut space = nix::cmsg_space!(nix::sys::socket::UnixCredentials);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let message =
        nix::sys::socket::recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut iov, Some(&mut space), flags)?;
    let mut truncated = message.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC);
    let mut sender = None;
    if !truncated {
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::ScmCredentials(credentials) => {
                    sender = Some(Sender {
                        pid: credentials.pid(),
                        uid: credentials.uid(),
                        gid: credentials.gid(),
                    });
                }
                ControlMessageOwned::ScmRights(descriptors) => {
                    // There is no room for any; should there be one all the same, it is closed and counts.
                    for descriptor in descriptors {
                        let _ = nix::unistd::close(descriptor);
                    }
                    truncated = true;
                }
                _ => truncated = true,
            }
        }
    }
    let length = message.bytes;
    buffer.truncate(length);
    Ok(Received { message: buffer, sender, truncated })
}

fn receive_descriptors(socket: BorrowedFd<'_>, most: usize) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut buffer = vec![0; most];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut control, flags)?;
    // All descriptors are owned at once, so that none leaks whatever is decided about it.
    let descriptors: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(rights) => Some(rights),
            _ => None,
        })
        .flatten()
        .collect();
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the message does not fit"));
    }
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    buffer.truncate(received.bytes);
    Ok((buffer, descriptors))
}
