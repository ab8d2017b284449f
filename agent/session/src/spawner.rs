//! The spawner's life: welcome the agent, keep the pool, bury what dies.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use jit_protocol::VERSION;
use jit_protocol::paths::{PRIVATE, SPAWNER_SOCKET};
use jit_protocol::spawner::Welcome;
use jit_sys::clone::Child;
use jit_sys::limits::Limits;
use jit_sys::{passed, process, signals};
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
use crate::handover::{self, State};
use crate::pool::{Pool, process_of};
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
    /// Where it was started from: after an upgrade another program is there.
    program: PathBuf,
    in_unit: bool,
    listener: OwnedFd,
    root: OwnedFd,
    subtree: Option<Rc<Subtree>>,
    missing: Vec<String>,
    /// The agent's end of the work socket, kept for the next agent too.
    work: Channel,
    /// The end on which idle monitors wait.
    monitors_end: Rc<Channel>,
    pool: Pool,
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
        prepare_process()?;
        let (subtree, missing) = prepare_cgroups(in_unit)?;
        if let Some(subtree) = &subtree {
            subtree.remove_empty();
        }
        let (work, monitors_end) = Channel::pair()?;
        let monitors_end = Rc::new(monitors_end);
        let pool = Pool::new(subtree.clone(), monitors_end.clone());
        let program = std::env::current_exe()?;
        Self::new(program, in_unit, listen_privately()?, subtree, missing, work, monitors_end, pool)
    }

    /// Goes on where the program before was in this process: with its sessions, and with what is on its way to them.
    ///
    /// # Errors
    /// As [`Self::prepare`], and if what it left, in a memory file with this number, cannot be read or is not there.
    pub fn take_over(memory: RawFd) -> io::Result<Self> {
        let state = State::read(memory)?;
        let mut inherited = passed::inherit(&[state.descriptors(), vec![memory]].concat())?;
        let State { program, in_unit, listener, work: [work, monitors_end], pool } = state;
        let mut take = |number| inherited.remove(&number).ok_or(io::ErrorKind::NotFound);
        let (listener, work) = (take(listener)?, Channel::from(take(work)?));
        let monitors_end = Rc::new(Channel::from(take(monitors_end)?));
        prepare_process()?;
        let (subtree, missing) = prepare_cgroups(in_unit)?;
        let pool = Pool::of(pool, &mut inherited, subtree.clone(), monitors_end.clone());
        Self::new(program, in_unit, listener, subtree, missing, work, monitors_end, pool)
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "what a spawner is made of; a struct of them would be this one"
    )]
    fn new(
        program: PathBuf,
        in_unit: bool,
        listener: OwnedFd,
        subtree: Option<Rc<Subtree>>,
        missing: Vec<String>,
        work: Channel,
        monitors_end: Rc<Channel>,
        pool: Pool,
    ) -> io::Result<Self> {
        let mut wanted = SigSet::empty();
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            wanted.add(signal);
        }
        Ok(Self {
            program,
            in_unit,
            listener,
            root: openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?,
            subtree,
            missing,
            work,
            monitors_end,
            pool,
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
                self.changes = watch_pam(); // a new link leads elsewhere
                self.pool.renew_service();
            }
            while let Ok(Some(signal)) = self.signals.read_signal() {
                match i32::try_from(signal.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok()) {
                    Some(Signal::SIGTERM | Signal::SIGINT) => {
                        self.pool.renew();
                        return Ok(());
                    }
                    Some(Signal::SIGHUP) => {
                        note(&format!("it stays as it is: {}: {}", self.program.display(), self.hand_over()));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Becomes the program that is now where this one was started from. Returns only to tell why not: nothing has
    /// changed then. The agent calls again, for it may be another program that it finds.
    fn hand_over(&self) -> io::Error {
        let own = [self.listener.as_fd(), self.work.as_fd(), self.monitors_end.as_fd()];
        let [listener, work @ ..] = own.map(|descriptor| descriptor.as_raw_fd());
        let state = State {
            program: self.program.clone(),
            in_unit: self.in_unit,
            listener,
            work,
            pool: self.pool.state(),
        };
        let descriptors: Vec<_> = own.into_iter().chain(self.pool.all_descriptors()).collect();
        handover::exec(&self.program, &state, &descriptors)
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

/// This process, whatever it was started from.
fn prepare_process() -> io::Result<()> {
    process::hide_memory()?;
    Limits::raise_descriptors()?; // three for each monitor
    signals::reset_dispositions(&[Signal::SIGPIPE as i32])?;
    signals::block_all()?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    std::env::set_current_dir("/")
}

/// Where sessions get cgroups, and what is missing for that.
fn prepare_cgroups(in_unit: bool) -> io::Result<(Option<Rc<Subtree>>, Vec<String>)> {
    match Subtree::prepare(in_unit) {
        Ok(subtree) => Ok((Some(Rc::new(subtree)), Vec::new())),
        Err(error) => {
            process::adopt_orphans()?;
            let what = format!("cgroup: {error}: a session's processes are found by descent instead");
            Ok((None, vec![what]))
        }
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
    let folders = PAM_FOLDERS.into_iter().map(PathBuf::from).chain(linked_folders());
    for folder in folders {
        let _ = inotify.add_watch(&folder, kinds | AddWatchFlags::IN_ONLYDIR);
    }
    Some(inotify)
}

/// Where the services really are that are links (authselect(8)).
fn linked_folders() -> impl Iterator<Item = PathBuf> {
    let services =
        PAM_FOLDERS.into_iter().take(2).filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let links = services.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    links.filter_map(|link| Some(link.path().canonicalize().ok()?.parent()?.to_owned()))
}

/// A line on standard error, where the journal or whoever started this reads it.
fn note(text: &str) {
    use std::io::Write;
    let _ = writeln!(io::stderr(), "jit-spawner: {text}");
}
