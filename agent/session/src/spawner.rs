//! The spawner's life: welcome the agent, keep the pool, bury what dies.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::rc::Rc;

use jit_protocol::VERSION;
use jit_protocol::paths::{PRIVATE, SPAWNER_SOCKET};
use jit_protocol::spawner::Welcome;
use jit_sys::clone::Child;
use jit_sys::limits::Limits;
use jit_sys::pam::Transaction;
use jit_sys::{process, signals};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::retry_on_intr;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
};

use crate::cgroup::Subtree;
use crate::channel::Channel;
use crate::pool::{Pool, process_of, start_pam};
use crate::timer::Timer;

/// Files whose change makes a started PAM transaction and mapped modules stale.
const PAM_FOLDERS: [&str; 8] = [
    "/etc/pam.d",
    "/usr/lib/pam.d",
    "/etc/security",
    "/lib/x86_64-linux-gnu/security",
    "/lib/aarch64-linux-gnu/security",
    "/lib/security",
    "/lib64/security",
    "/usr/lib64/security",
];

/// What the spawner holds.
pub struct Spawner {
    in_unit: bool,
    listener: OwnedFd,
    root: OwnedFd,
    subtree: Option<Rc<Subtree>>,
    missing: Vec<String>,
    /// The agent's end of the work socket, kept for the next agent too.
    work: Channel,
    pool: Pool,
    /// Keeps libpam's modules mapped for the monitors forked from here.
    warm: Option<Transaction>,
    agent: Option<Channel>,
    signals: SignalFd,
    changes: Option<Inotify>,
    timer: Timer,
}

impl Spawner {
    /// Prepares everything; `in_unit` under systemd, whose unit delegates its cgroup.
    ///
    /// # Errors
    /// If the socket, the timers or the root folder cannot be had. A missing cgroup v2 is no error.
    pub fn prepare(in_unit: bool) -> io::Result<Self> {
        process::hide_memory()?;
        Limits::raise_descriptors()?; // three for each monitor
        signals::reset_dispositions(&[Signal::SIGPIPE as i32])?;
        signals::block_all()?;
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
        std::env::set_current_dir("/")?;
        let mut missing = Vec::new();
        let subtree = match Subtree::prepare(in_unit) {
            Ok(subtree) => Some(Rc::new(subtree)),
            Err(error) => {
                process::adopt_orphans()?;
                missing.push(format!("cgroup: {error}: a session's processes are found by descent instead"));
                None
            }
        };
        let (agents_end, monitors_end) = Channel::pair()?;
        let mut wanted = SigSet::empty();
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
            wanted.add(signal);
        }
        Ok(Self {
            in_unit,
            listener: listen_privately()?,
            root: openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?,
            pool: Pool::new(subtree.clone(), Rc::new(monitors_end)),
            subtree,
            missing,
            work: agents_end,
            warm: start_pam().ok(),
            agent: None,
            signals: SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?,
            changes: watch_pam(),
            timer: Timer::boottime()?,
        })
    }

    /// Until SIGTERM. Live sessions go on without it.
    ///
    /// # Errors
    /// Those of poll(2).
    pub fn run(&mut self) -> io::Result<()> {
        loop {
            self.pool.tend();
            if let Err(error) = self.pool.refill() {
                note(&format!("no monitor can be started: {error}"));
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            self.timer.set(self.pool.next_moment())?;
            self.wait()?;
            self.answer();
            self.look_at_agent();
            if self.pam_has_changed() {
                self.warm = None; // unmaps the modules
                self.warm = start_pam().ok();
                self.pool.renew();
            }
            while let Ok(Some(signal)) = self.signals.read_signal() {
                let number = i32::try_from(signal.ssi_signo).unwrap_or(0);
                if [Signal::SIGTERM as i32, Signal::SIGINT as i32].contains(&number) {
                    self.pool.renew();
                    return Ok(());
                }
            }
        }
    }

    fn wait(&self) -> io::Result<()> {
        let mut wanted: Vec<BorrowedFd<'_>> =
            vec![self.listener.as_fd(), self.signals.as_fd(), self.timer.as_fd()];
        wanted.extend(self.changes.as_ref().map(AsFd::as_fd));
        wanted.extend(self.agent.as_ref().map(AsFd::as_fd));
        wanted.extend(self.pool.descriptors());
        let mut fds: Vec<PollFd<'_>> =
            wanted.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        retry_on_intr(|| poll(&mut fds, None))?;
        Ok(())
    }

    /// Answers a call: of a new agent, or of a monitor whose spawner went away.
    fn answer(&mut self) {
        let Ok(socket) = accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) else {
            return;
        };
        match self.identify(socket.as_fd()) {
            Ok(Caller::Agent) => self.welcome(Channel::from(socket)),
            Ok(Caller::Monitor(monitor)) => self.pool.adopt(monitor, Channel::from(socket)),
            Err(error) => note(&format!("a connection was refused: {error}")),
        }
    }

    /// Tells a new agent what this host can do. The newest agent is the agent.
    fn welcome(&mut self, agent: Channel) {
        let welcome = Welcome {
            version: VERSION,
            pid: rustix::process::getpid().as_raw_pid(),
            cgroup: self.subtree.as_ref().map(|subtree| subtree.name().to_owned()),
            missing: self.missing.clone(),
        };
        let Ok(text) = serde_json::to_vec(&welcome) else { return };
        if agent.send(&text, &[self.root.as_fd(), self.work.as_fd()], false).is_ok() {
            self.agent = Some(agent);
        }
    }

    /// Who calls: root, not from inside a session. From beside us it is a monitor: nobody else is started there. The
    /// agent is in its unit, under systemd.
    fn identify(&self, socket: BorrowedFd<'_>) -> io::Result<Caller> {
        let refused = |what: &str| io::Error::new(io::ErrorKind::PermissionDenied, what.to_owned());
        let peer = getsockopt(&socket, sockopt::PeerCredentials)?;
        if peer.uid() != 0 {
            return Err(refused("its peer is not root"));
        }
        // Held while its facts are read: the number cannot be another process's then.
        let pidfd = getsockopt(&socket, sockopt::PeerPidfd).or_else(|_| process_of(peer.pid()))?;
        let cgroup = fs::read_to_string(format!("/proc/{}/cgroup", peer.pid()))?;
        if let Some(subtree) = &self.subtree {
            if subtree.holds_session(&cgroup) {
                return Err(refused("its peer is inside a session"));
            }
            if subtree.holds_monitor(&cgroup) {
                return Ok(Caller::Monitor(Child { pid: Pid::from_raw(peer.pid()), pidfd }));
            }
        }
        let in_agents_unit = cgroup.lines().any(|line| line.ends_with("/jit-agentd.service"));
        if self.in_unit && !in_agents_unit {
            return Err(refused("its peer is not in the agent's unit"));
        }
        Ok(Caller::Agent)
    }

    /// An agent that went away leaves; it never says anything on this connection.
    fn look_at_agent(&mut self) {
        let Some(agent) = &self.agent else { return };
        match agent.receive(&mut [0; 1], false) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => self.agent = None,
        }
    }

    fn pam_has_changed(&self) -> bool {
        let Some(changes) = &self.changes else { return false };
        let mut any = false;
        while let Ok(events) = changes.read_events() {
            any |= !events.is_empty();
        }
        any
    }
}

/// Who may call.
enum Caller {
    Agent,
    Monitor(Child),
}

/// The private socket: in a folder that only root enters, made anew.
fn listen_privately() -> io::Result<OwnedFd> {
    let folder = Path::new(PRIVATE);
    if let Some(parent) = folder.parent()
        && !parent.exists()
    {
        fs::DirBuilder::new().mode(0o755).create(parent)?;
        fs::set_permissions(parent, fs::Permissions::from_mode(0o755))?;
    }
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != 0 || found.mode() & 0o077 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{PRIVATE} is not root's alone"),
        ));
    }
    let _ = fs::remove_file(SPAWNER_SOCKET);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    bind(&listener, &SocketAddrUnix::new(SPAWNER_SOCKET)?)?;
    listen(&listener, 16)?;
    Ok(listener)
}

/// Changes of PAM's files and modules (nsswitch.conf is read again by the C library itself).
fn watch_pam() -> Option<Inotify> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok()?;
    let kinds = AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_MOVED_TO;
    for folder in PAM_FOLDERS {
        let _ = inotify.add_watch(folder, kinds | AddWatchFlags::IN_ONLYDIR);
    }
    Some(inotify)
}

/// A line on standard error, where the journal or whoever started this reads it.
fn note(text: &str) {
    use std::io::Write;
    let _ = writeln!(io::stderr(), "jit-spawner: {text}");
}
