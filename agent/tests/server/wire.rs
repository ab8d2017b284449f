//! A socket of sequenced packets, spoken to in raw messages.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use jit_protocol::chunk::{self, Joiner};
use jit_protocol::frame::{Frame, Kind};
use jit_protocol::request::{Elevate, Envelope, Mode, Request};
use jit_protocol::response::Response;
use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recvmsg, sendmsg,
    socket_with,
};

use crate::stage::SOON;

pub struct Wire(OwnedFd);

impl From<OwnedFd> for Wire {
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl Wire {
    pub fn connect(path: &Path) -> Self {
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        connect(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
        Self(socket)
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub fn send(&self, message: &[u8]) {
        self.try_send(message, &[]).unwrap();
    }

    pub fn send_with(&self, message: &[u8], descriptors: &[&OwnedFd]) {
        let descriptors: Vec<_> = descriptors.iter().map(|descriptor| descriptor.as_fd()).collect();
        self.try_send(message, &descriptors).unwrap();
    }

    pub fn try_send(&self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        let mut space = vec![MaybeUninit::uninit(); cmsg_space!(ScmRights(253))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
        }
        sendmsg(&self.0, &[IoSlice::new(message)], &mut control, SendFlags::NOSIGNAL).map(drop)
    }

    /// A whole text, in chunks.
    pub fn send_text(&self, text: &[u8]) {
        for message in chunk::split(text).unwrap() {
            self.send(&message);
        }
    }

    pub fn send_request(&self, request: Request) {
        self.send_text(&serde_json::to_vec(&Envelope::new(request, None)).unwrap());
    }

    /// The next message; none if the other end is gone, or says nothing.
    pub fn receive_within(&self, time: Duration) -> Option<(Vec<u8>, Vec<OwnedFd>)> {
        for _ in 0..2 {
            let timeout =
                Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
            if poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&timeout)).unwrap() == 0 {
                return None;
            }
            let mut buffer = vec![0; 256 * 1024];
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(8), ScmCredentials(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let received = match recvmsg(
                &self.0,
                &mut [IoSliceMut::new(&mut buffer)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            ) {
                // It closed without reading all; what it said before is still there.
                Err(Errno::CONNRESET) => continue,
                other => other.unwrap(),
            };
            let descriptors = control.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(rights) => Some(rights),
                _ => None,
            });
            let descriptors = descriptors.flatten().collect();
            buffer.truncate(received.bytes);
            return (received.bytes > 0).then_some((buffer, descriptors));
        }
        None
    }

    /// The other end closes without a word.
    pub fn is_closed_within(&self, time: Duration) -> bool {
        let timeout = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&timeout)).unwrap() > 0
            && self.receive_within(Duration::ZERO).is_none()
    }

    pub fn frame(&self) -> Frame {
        let (wire, descriptors) = self.receive_within(SOON).expect("a frame");
        assert!(descriptors.is_empty());
        Frame::decode(&wire).expect("a frame")
    }

    /// The text of a refusal.
    pub fn refusal(&self) -> String {
        let frame = self.frame();
        assert_eq!(frame.kind, Kind::Refused, "{}", frame.first_text());
        frame.first_text()
    }

    pub fn response(&self) -> Response {
        let mut joiner = Joiner::default();
        loop {
            let (message, _) = self.receive_within(SOON).expect("a response");
            if let Some(text) = joiner.push(&message).unwrap() {
                return serde_json::from_slice(&text).unwrap();
            }
        }
    }

    pub fn ask(&self, request: Request) -> Response {
        self.send_request(request);
        self.response()
    }

    pub fn elevate(&self, asked: Elevate) {
        self.send_request(Request::Elevate(Box::new(asked)));
    }
}

/// `jit-sudo id -u`, from a place where a person can be asked.
pub fn id() -> Elevate {
    command(&["id", "-u"])
}

pub fn command(words: &[&str]) -> Elevate {
    let path = words.first().filter(|word| word.starts_with('/'));
    Elevate {
        mode: Mode::Run,
        command: words.iter().map(|word| (*word).into()).collect(),
        edit: None,
        shell: None,
        path: path.map(|path| (*path).into()),
        detailed: false,
        other_user: None,
        user: None,
        group: None,
        folder: None,
        timeout: None,
        preserve_groups: false,
        background: false,
        environment: vec![("TERM".into(), "xterm".into()), ("LD_PRELOAD".into(), "/tmp/evil.so".into())],
        assignments: Vec::new(),
        preserve_environment: false,
        preserve_names: Vec::new(),
        reason: None,
        duration: None,
        rule: None,
        token: None,
        non_interactive: false,
        ignore_record: false,
        no_update: false,
        prompt: None,
        can_ask: true,
        terminal: None,
        cwd: "/".into(),
        ignored_signals: Vec::new(),
    }
}
