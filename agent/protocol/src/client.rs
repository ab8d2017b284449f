//! The blocking end of a connection, for helper, command line and module.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, UCred, connect, recvmsg,
    sendmsg, socket_with,
};
use rustix::process::{getegid, geteuid, getpid};
use rustix::{cmsg_space, io::retry_on_intr};
use zeroize::Zeroizing;

use crate::Bytes;
use crate::chunk::{self, Joiner};
use crate::frame::{Frame, MAX_FRAME};
use crate::paths::AGENT_SOCKET;
use crate::request::{Envelope, Request};

/// Most descriptors that one message of ours carries.
const MAX_DESCRIPTORS: usize = 4;

/// How long an agent may say nothing before it is looked for.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How long it is looked for then: one that hangs is replaced after 30 seconds (`WatchdogSec=`), and the next one answers.
pub const LAST_PATIENCE: Duration = Duration::from_secs(40);

/// Whether the agent takes requests: asks it how it is, over a connection of its own. Under systemd the socket takes
/// connections while the agent can't start.
pub fn agent_answers(within: Duration) -> bool {
    let deadline = Instant::now() + within;
    let ask = || {
        let connection = Connection::open_before(Path::new(AGENT_SOCKET), deadline)?;
        let nonce = if connection.expects_challenge() {
            Some(Bytes::from(connection.receive_frame_before(deadline)?.0.first.as_slice()))
        } else {
            None
        };
        connection.send_text(&serde_json::to_vec(&Envelope::new(Request::Status, nonce))?)?;
        connection.receive_text_before(deadline)
    };
    // One that is busy says no, or hangs up: it is there.
    let is_nobody = |error: &io::Error| {
        use io::ErrorKind::{ConnectionRefused, NotFound, TimedOut, WouldBlock};
        matches!(error.kind(), ConnectionRefused | NotFound | TimedOut | WouldBlock)
    };
    !ask().as_ref().is_err_and(is_nobody)
}

/// A connection to the agent, whose other end is known to be root's.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
}

impl Connection {
    /// Connects and checks that root listens (`SO_PEERCRED` of a listener is the one that called `listen`).
    ///
    /// # Errors
    /// `NotFound` or `ConnectionRefused` if no agent listens; `PermissionDenied` if the listener is not root's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let socket = seqpacket()?;
        // Of an agent that can't start nobody reads what is sent.
        set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        Self::to_root(socket)
    }

    /// As [`Self::open`], within a time: a listener whose queue is full would else block for as long as it likes.
    ///
    /// # Errors
    /// As [`Self::open`]; `TimedOut` at the deadline.
    pub fn open_before(path: &Path, deadline: Instant) -> io::Result<Self> {
        let socket = seqpacket()?;
        let address = SocketAddrUnix::new(path)?;
        loop {
            // Also after a signal only what is left of the time: a storm of them must not prolong it.
            set_socket_timeout(&socket, Timeout::Send, Some(left_until(deadline)?))?;
            match connect(&socket, &address) {
                Ok(()) => return Self::to_root(socket),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
                Err(other) => return Err(other.into()),
            }
        }
    }

    fn to_root(socket: OwnedFd) -> io::Result<Self> {
        if getsockopt(&socket, sockopt::PeerCredentials)?.uid() != 0 {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the listener is not root's"));
        }
        Ok(Self { socket })
    }

    /// A connection over a socket that is open already, whose other end the caller knows: one half of a pair, in tests.
    pub fn over(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Whether the agent will send a challenge first: this kernel has no `SO_PEERPIDFD` (both ends see the same one).
    pub fn expects_challenge(&self) -> bool {
        matches!(getsockopt(&self.socket, sockopt::PeerPidfd), Err(Errno::ENOPROTOOPT))
    }

    /// The descriptor, to wait on.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Waits until something can be received; false after `milliseconds` (none: for ever).
    ///
    /// # Errors
    /// Those of poll(2), but for EINTR.
    pub fn wait(&self, milliseconds: Option<u32>) -> io::Result<bool> {
        let timeout = milliseconds
            .map(|ms| Timespec { tv_sec: i64::from(ms / 1000), tv_nsec: i64::from(ms % 1000) * 1_000_000 });
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        Ok(retry_on_intr(|| poll(&mut fds, timeout.as_ref()))? > 0)
    }

    /// Waits until something can be received, for as long as there is somebody, who is looked for now and then.
    ///
    /// # Errors
    /// `TimedOut` if there is nobody; those of poll(2), but for EINTR.
    pub fn wait_while(&self, patience: Duration, mut somebody: impl FnMut() -> bool) -> io::Result<()> {
        let milliseconds = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
        while !self.wait(Some(milliseconds))? {
            if !somebody() {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }

    /// Sends a text in chunks.
    ///
    /// # Errors
    /// `InvalidInput` if it is too long; those of sendmsg(2).
    pub fn send_text(&self, text: &[u8]) -> io::Result<()> {
        let messages = chunk::split(text).map_err(|bad| io::Error::new(io::ErrorKind::InvalidInput, bad))?;
        messages.iter().try_for_each(|message| self.send_message(message, &[], None, SendFlags::empty()))
    }

    /// Sends a text in chunks, each with this process's *effective* identity as `SCM_CREDENTIALS` (the kernel's own
    /// per-message credentials are the real one: a set-uid process would speak as its invoking user). Never waits.
    ///
    /// # Errors
    /// As [`Self::send_text`]; `WouldBlock` if the socket's queue is full.
    pub fn send_text_as_effective(&self, text: &[u8]) -> io::Result<()> {
        let messages = chunk::split(text).map_err(|bad| io::Error::new(io::ErrorKind::InvalidInput, bad))?;
        let identity = UCred { pid: getpid(), uid: geteuid(), gid: getegid() };
        messages
            .iter()
            .try_for_each(|message| self.send_message(message, &[], Some(identity), SendFlags::DONTWAIT))
    }

    /// Receives a text in chunks.
    ///
    /// # Errors
    /// `UnexpectedEof` if the other end is gone, `InvalidData` for what is no chunk; those of recvmsg(2).
    pub fn receive_text(&self) -> io::Result<Vec<u8>> {
        self.join_text(|| Ok(()))
    }

    /// As [`Self::receive_text`], within a time, however many chunks and signals arrive.
    ///
    /// # Errors
    /// As [`Self::receive_text`]; `TimedOut` at the deadline.
    pub fn receive_text_before(&self, deadline: Instant) -> io::Result<Vec<u8>> {
        self.join_text(|| self.wait_before(deadline))
    }

    fn join_text(&self, before_each: impl Fn() -> io::Result<()>) -> io::Result<Vec<u8>> {
        let mut joiner = Joiner::default();
        let mut buffer = vec![0; chunk::MAX_MESSAGE + 1];
        loop {
            before_each()?;
            let length = self.receive_message(&mut buffer)?.0;
            let message = buffer.get(..length).unwrap_or_default();
            if let Some(text) = joiner.push(message).map_err(invalid)? {
                return Ok(text);
            }
        }
    }

    /// Sends a frame, with at most four descriptors.
    ///
    /// # Errors
    /// Those of sendmsg(2).
    pub fn send_frame(&self, frame: &Frame, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_message(&frame.encode(), descriptors, None, SendFlags::empty())
    }

    /// Receives a frame and the descriptor that came along, if any.
    ///
    /// # Errors
    /// `UnexpectedEof` if the other end is gone, `InvalidData` for what is no frame or more than one descriptor;
    /// those of recvmsg(2).
    pub fn receive_frame(&self) -> io::Result<(Frame, Option<OwnedFd>)> {
        let mut buffer = Zeroizing::new(vec![0; MAX_FRAME + 1]);
        let (length, descriptor) = self.receive_message(&mut buffer)?;
        let frame = Frame::decode(buffer.get(..length).unwrap_or_default()).map_err(invalid)?;
        Ok((frame, descriptor))
    }

    /// As [`Self::receive_frame`], within a time.
    ///
    /// # Errors
    /// As [`Self::receive_frame`]; `TimedOut` at the deadline.
    pub fn receive_frame_before(&self, deadline: Instant) -> io::Result<(Frame, Option<OwnedFd>)> {
        self.wait_before(deadline)?;
        self.receive_frame()
    }

    fn wait_before(&self, deadline: Instant) -> io::Result<()> {
        loop {
            let left = left_until(deadline)?;
            let timeout =
                Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(other) => return Err(other.into()),
            }
        }
    }

    fn send_message(
        &self,
        message: &[u8],
        descriptors: &[BorrowedFd<'_>],
        identity: Option<UCred>,
        flags: SendFlags,
    ) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS), ScmCredentials(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if let Some(identity) = identity
            && !control.push(SendAncillaryMessage::ScmCredentials(identity))
        {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let iov = [IoSlice::new(message)];
        retry_on_intr(|| sendmsg(&self.socket, &iov, &mut control, SendFlags::NOSIGNAL | flags))?;
        Ok(())
    }

    fn receive_message(&self, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut iov = [IoSliceMut::new(buffer)];
        let mut receive =
            || retry_on_intr(|| recvmsg(&self.socket, &mut iov, &mut control, RecvFlags::CMSG_CLOEXEC));
        // The other end closed without reading all that we sent (an agent that refuses leaves the descriptors unread):
        // the kernel says so first, and then still has what it sent us.
        let received = receive().or_else(|error| match error {
            rustix::io::Errno::CONNRESET => receive(),
            other => Err(other),
        })?;
        // All descriptors are owned at once, so that none leaks whatever is decided about it.
        let mut descriptors: Vec<OwnedFd> = control
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(rights) => Some(rights),
                _ => None,
            })
            .flatten()
            .collect();
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) || descriptors.len() > 1 {
            return Err(invalid("the message is too long or carries too many descriptors"));
        }
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok((received.bytes, descriptors.pop()))
    }
}

fn seqpacket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// What is left of the time, more than nothing.
fn left_until(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Kind;
    use rustix::net::socketpair;

    fn pair() -> (Connection, Connection) {
        let (one, other) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        (Connection::over(one), Connection::over(other))
    }

    #[test]
    fn an_answer_is_waited_for_as_long_as_there_is_somebody() {
        let (helper, agent) = pair();
        let looked = std::cell::Cell::new(0);
        let somebody = |until: u32| {
            let looked = &looked;
            move || {
                looked.set(looked.get() + 1);
                looked.get() < until
            }
        };
        let error = helper.wait_while(Duration::from_millis(1), somebody(4)).unwrap_err();
        assert_eq!((error.kind(), looked.get()), (io::ErrorKind::TimedOut, 4));
        agent.send_frame(&Frame::refused("no", ""), &[]).unwrap();
        helper.wait_while(Duration::from_millis(1), || panic!("nobody is looked for")).unwrap();
        drop((helper.receive_frame(), agent));
        helper.wait_while(Duration::from_millis(1), || panic!("one that is gone is seen as such")).unwrap();
    }

    // One elevation that is refused: the frame with the descriptors is never read.
    #[test]
    fn a_refusal_is_received_though_its_sender_read_nothing_and_is_gone() {
        let (helper, agent) = pair();
        let file = std::fs::File::open("/dev/null").unwrap();
        helper.send_frame(&Frame::new(Kind::Descriptors, 0), &[file.as_fd()]).unwrap();
        agent.send_frame(&Frame::refused("no", "because"), &[]).unwrap();
        drop(agent);
        assert_eq!(helper.receive_frame().unwrap().0, Frame::refused("no", "because"));
        assert_eq!(helper.receive_frame().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn an_end_that_is_gone_without_a_word_is_an_end_of_file() {
        let (helper, agent) = pair();
        helper.send_frame(&Frame::new(Kind::Descriptors, 0), &[]).unwrap();
        drop(agent);
        assert_eq!(helper.receive_frame().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
