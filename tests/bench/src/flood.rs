//! What a hostile user may try on the agent's socket: bounded in number, rate and time.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use jit_bench::{Flood, Flooded};
use jit_protocol::client::Connection;
use jit_protocol::frame::{Frame, Kind};
use jit_protocol::request::{Elevate, Envelope, Mode, Request};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, recvmsg, sendmsg, socket_with,
};

use crate::Done;

const SOCKET: &str = "/run/jit-sudo/agent.sock";

/// How many connections or requests are held.
const HELD: usize = 1_000;

/// `SCM_MAX_FD`
const MOST_DESCRIPTORS: usize = 253;

/// What is done is done in steps of so long.
const STEP: Duration = Duration::from_millis(10);

/// Floods.
///
/// # Errors
/// No agent listens.
pub(crate) fn flood(flood: Flood, length: Duration) -> Done<Flooded> {
    // For 1,000 connections of one process.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
    let end = Instant::now() + length;
    let done = match flood {
        Flood::Silent => hold(end, 10, || dial().map(Connection::over)),
        Flood::Pending => hold(end, 1, || request(end)),
        Flood::Connects => repeat(end, 100, || dial().map(drop)),
        Flood::Descriptors => {
            let null = std::fs::File::open("/dev/null").map_err(|error| error.to_string())?;
            repeat(end, 10, || send_descriptors(null.as_fd()))
        }
    };
    done.map_err(|error| format!("{SOCKET}: {error}"))
}

/// Opens so many a step, and closes them at once.
fn repeat(end: Instant, a_step: usize, once: impl Fn() -> std::io::Result<()>) -> std::io::Result<Flooded> {
    let mut flooded = Flooded::default();
    while let Some(next) = next_step(end) {
        for _ in 0..a_step {
            flooded.count(once())?;
        }
        sleep_until(next);
    }
    Ok(flooded)
}

/// Opens all of them, then so many a step of those that were closed.
fn hold(
    end: Instant,
    a_step: usize,
    open: impl Fn() -> std::io::Result<Connection>,
) -> std::io::Result<Flooded> {
    let mut flooded = Flooded::default();
    let mut held = Vec::new();
    let mut few = HELD;
    while let Some(next) = next_step(end) {
        held.retain(is_open);
        for _ in held.len()..HELD.min(held.len() + few) {
            held.extend(flooded.count(open())?);
        }
        few = a_step;
        sleep_until(next);
    }
    Ok(flooded)
}

trait Count {
    /// Counts a try. A full queue, or an agent that hung up at once, is what is to be expected.
    fn count<T>(&mut self, tried: std::io::Result<T>) -> std::io::Result<Option<T>>;
}

impl Count for Flooded {
    fn count<T>(&mut self, tried: std::io::Result<T>) -> std::io::Result<Option<T>> {
        self.tried += 1;
        let Err(error) = tried else { return tried.map(Some) };
        if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::ACCESS)) {
            return Err(error);
        }
        self.turned_away += 1;
        Ok(None)
    }
}

/// When the step that begins now ends; nothing once it is all over.
fn next_step(end: Instant) -> Option<Instant> {
    let now = Instant::now();
    (now < end).then(|| now + STEP)
}

fn sleep_until(next: Instant) {
    std::thread::sleep(next.saturating_duration_since(Instant::now()));
}

/// A connection, or at once the news that there is none to be had.
fn dial() -> std::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(SOCKET)?)?;
    Ok(socket)
}

/// Whether the other end has not hung up. What it says is thrown away.
fn is_open(connection: &Connection) -> bool {
    let mut buffer = [0; 4096];
    let mut control = rustix::net::RecvAncillaryBuffer::default();
    let mut into = [IoSliceMut::new(&mut buffer)];
    match recvmsg(connection.as_fd(), &mut into, &mut control, RecvFlags::DONTWAIT) {
        Ok(received) => received.bytes > 0,
        Err(error) => error == Errno::AGAIN,
    }
}

fn send_descriptors(one: BorrowedFd<'_>) -> std::io::Result<()> {
    let socket = dial()?;
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let all = [one; MOST_DESCRIPTORS];
    control.push(SendAncillaryMessage::ScmRights(&all));
    sendmsg(&socket, &[IoSlice::new(b"\0")], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    Ok(())
}

/// A request for something that needs a password, as the helper makes it.
fn request(end: Instant) -> std::io::Result<Connection> {
    let connection = Connection::open_before(Path::new(SOCKET), end)?;
    let text = serde_json::to_vec(&Envelope::new(Request::Elevate(Box::new(asked())), None))?;
    connection.send_text(&text)?;
    let null = std::fs::File::open("/dev/null")?;
    let folder = std::fs::File::open("/")?;
    let files = [null.as_fd(), null.as_fd(), null.as_fd(), folder.as_fd()];
    connection.send_frame(&Frame::new(Kind::Descriptors, 0), &files)?;
    Ok(connection)
}

fn asked() -> Elevate {
    Elevate {
        mode: Mode::Run,
        command: vec!["/usr/bin/true".into()],
        edit: None,
        shell: None,
        path: Some("/usr/bin/true".into()),
        detailed: false,
        other_user: None,
        user: None,
        group: None,
        folder: None,
        timeout: None,
        preserve_groups: false,
        background: false,
        environment: Vec::new(),
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
