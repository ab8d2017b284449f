//! The way to the spawner: its welcome, and orders to its monitors.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use jit_protocol::VERSION;
use jit_protocol::order::{MAX_ORDER, Order};
use jit_protocol::spawner::{DESCRIPTORS, MAX_WELCOME, Welcome};
use jit_protocol::telling::{self, Telling};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{
    AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, socket_with,
};
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::peer::uid_of;
use crate::socket::Seqpacket;

/// How long between two calls of a spawner that does not answer.
const AGAIN: Duration = Duration::from_millis(200);
/// How long a spawner may take to welcome us.
const WELCOME: Duration = Duration::from_secs(5);
/// How long a request waits for a spawner that is being started anew.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long an order may wait for room in the work socket.
const ORDER: Duration = Duration::from_secs(5);

/// The spawner, as far as it is there.
#[derive(Debug, Default)]
pub struct Spawner {
    connected: ArcSwapOption<Connected>,
    arrived: Notify,
    /// The one that is there takes no orders.
    failed: Notify,
}

/// What a spawner's welcome brought.
#[derive(Debug)]
pub struct Connected {
    /// What it can do on this host.
    pub welcome: Welcome,
    /// The host's root folder, `O_PATH`.
    pub root: Arc<OwnedFd>,
    work: Seqpacket,
}

impl Spawner {
    /// The spawner, if there is one now.
    pub fn current(&self) -> Option<Arc<Connected>> {
        self.connected.load_full()
    }

    /// Waits until there is one, if there is none now: a while, for it may be started anew at this moment.
    pub async fn arrival(&self) {
        let arrived = self.arrived.notified(); // from here on it misses none
        if self.current().is_none() {
            let _ = timeout(PATIENCE, arrived).await;
        }
    }

    /// Calls the spawner once.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connect(&self, path: &Path) -> io::Result<Seqpacket> {
        let control = Seqpacket::connect(path)?;
        if uid_of(&control)? != rustix::process::geteuid().as_raw() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the spawner's socket is another's"));
        }
        let (message, descriptors) = timeout(WELCOME, control.receive_own(MAX_WELCOME)).await??;
        let welcome: Welcome = serde_json::from_slice(&message)?;
        let descriptors: Result<[OwnedFd; DESCRIPTORS], _> = descriptors.try_into();
        let ([root, work], VERSION) = (descriptors.map_err(|_| io::ErrorKind::InvalidData)?, welcome.version)
        else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the spawner is of another version"));
        };
        let work = Seqpacket::new(work)?;
        self.connected.store(Some(Arc::new(Connected { welcome, root: Arc::new(root), work })));
        self.arrived.notify_waiters();
        Ok(control)
    }

    /// Keeps a spawner at hand for ever: the connection's end says that it is gone, or an order that cannot be sent.
    pub async fn keep(&self, path: &Path, mut control: Option<Seqpacket>) {
        loop {
            if let Some(control) = control.take() {
                tokio::select! {
                    _ = control.receive_own(1) => {}
                    () = self.failed.notified() => {}
                }
                self.connected.store(None);
            }
            sleep(AGAIN).await;
            control = self.connect(path).await.ok();
        }
    }

    /// Gives an order to the next idle monitor, with the helper's connection and its end of the link. If the spawner has
    /// just gone, then to the next one's.
    ///
    /// # Errors
    /// Why there is no monitor for it.
    pub async fn order(&self, order: &Order, connection: &OwnedFd, link: &OwnedFd) -> Result<(), String> {
        let text = sealed(order).map_err(|error| format!("the order: {error}"))?;
        self.give(b"order", &[connection.as_fd(), link.as_fd(), text.as_fd()]).await
    }

    /// Has the next idle monitor tell programs of an event. It answers on the link.
    ///
    /// # Errors
    /// Why there is no monitor for it.
    pub async fn tell(&self, telling: &Telling, link: &OwnedFd) -> Result<(), String> {
        let text = sealed(telling).map_err(|error| format!("the event: {error}"))?;
        self.give(telling::WORD, &[link.as_fd(), text.as_fd()]).await
    }

    async fn give(&self, word: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), String> {
        let mut why = "there is no spawner".to_owned();
        for _ in 0..2 {
            self.arrival().await;
            let Some(connected) = self.current() else { break };
            match timeout(ORDER, connected.work.send(word, descriptors)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => why = format!("the spawner: {error}"),
                Err(_) => return Err("no monitor takes the order".to_owned()),
            }
            // Nobody is at the other end any more, which `keep` may not know yet; or they are to be called again.
            if self.current().is_some_and(|now| Arc::ptr_eq(&now, &connected)) {
                self.connected.store(None);
                self.failed.notify_waiters();
            }
        }
        Err(why)
    }
}

/// The order's text in memory that nobody can change any more.
fn sealed(order: &impl Serialize) -> io::Result<OwnedFd> {
    let text = serde_json::to_vec(order)?;
    if text.len() > MAX_ORDER {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too long"));
    }
    let memory = memfd_create("jit-order", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = std::fs::File::from(memory);
    file.write_all(&text)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file.into())
}

/// Starts a spawner if none answers: where there is no service manager that would. Called before the sandbox and
/// before the event loop, for it forks.
///
/// # Errors
/// If it cannot be started, or does not answer within five seconds.
pub fn start_if_missing(socket: &Path) -> io::Result<()> {
    if answers(socket) {
        return Ok(());
    }
    let program =
        std::env::current_exe()?.parent().map_or_else(PathBuf::new, |folder| folder.join("jit-spawner"));
    let mut command = Command::new(&program);
    // With a keeper, which starts it again should it be killed: nothing here does that once requests are served.
    command.arg("--keep");
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).current_dir("/").process_group(0);
    let mut child = command
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.display())))?;
    let end = Instant::now() + WELCOME;
    while Instant::now() < end {
        if answers(socket) {
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("jit-spawner ended at once: {status}")));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "jit-spawner does not answer"))
}

/// Whether a spawner welcomes us. That somebody listens is not enough: what is left of a spawner that was just killed may
/// hold its socket for a moment.
fn answers(path: &Path) -> bool {
    let call = || -> io::Result<bool> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        let timeout = Timespec { tv_sec: WELCOME.as_secs().cast_signed(), tv_nsec: 0 };
        poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&timeout))?;
        let (length, _) = recv(&socket, &mut [0; 1], RecvFlags::DONTWAIT)?;
        Ok(length > 0)
    };
    call().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use rustix::net::{SendFlags, bind, listen, send};

    use super::*;

    #[test]
    fn a_socket_that_nobody_answers_is_no_spawner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spawner.sock");
        assert!(!answers(&path), "there is none");
        let listener =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        assert!(!answers(&path), "nobody listens");
        listen(&listener, 8).unwrap();
        let welcome = |text: Option<&'static [u8]>| {
            let listener = listener.try_clone().unwrap();
            let spawner = std::thread::spawn(move || {
                let agent = rustix::net::accept_with(&listener, SocketFlags::CLOEXEC).unwrap();
                text.map(|text| send(&agent, text, SendFlags::empty()).unwrap());
            });
            let answered = answers(&path);
            spawner.join().unwrap();
            answered
        };
        assert!(!welcome(None), "it hangs up");
        assert!(welcome(Some(b"{}")));
    }
}
