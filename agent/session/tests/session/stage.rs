//! The stage: a mount namespace with its own /run/jit-sudo and PAM service, and the spawner on it. The two parts that the
//! test plays there are in `session.rs`.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::home::Home;
pub(crate) use crate::orders::{account, order, shell, terminal};
pub(crate) use crate::processes::{
    as_user, count_processes, holds, is_asleep, occurrences_in_memory, parent_of,
};
pub(crate) use crate::session::{Run, Session};
use jit_protocol::frame::{Frame, Kind};
use jit_protocol::order::Order;
use jit_protocol::paths::SPAWNER_SOCKET;
use jit_protocol::spawner::Welcome;
use jit_protocol::telling::{MAX_TOLD, Telling, Told, WORD};
use jit_session::channel::Channel;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{setsockopt, sockopt};

pub(crate) struct Stage {
    spawner: RefCell<Spawner>,
    cgroup: Option<String>,
    /// A test asked for a cgroup that there is none of.
    lacked: Cell<bool>,
    folder: tempfile::TempDir,
    _home: Option<Home>,
}

/// The program, and the agent's two connections to it.
struct Spawner {
    child: Child,
    work: Channel,
    _control: Channel,
}

/// As the agent; none if nobody answers, or one that is going away: its children have its socket for a moment.
fn call() -> Option<(Channel, Channel, Welcome)> {
    let control = Channel::connect(Path::new(SPAWNER_SOCKET)).ok()?;
    let mut buffer = [0; 4096];
    let received = control.receive(&mut buffer, true).ok()?;
    let welcome = serde_json::from_slice(&buffer[..received.length]).unwrap();
    let [_root, work]: [OwnedFd; 2] = received.descriptors.try_into().unwrap();
    Some((control, Channel::from(work), welcome))
}

impl Spawner {
    /// Starts one; also what it can do on this host.
    fn start(program: &Path) -> (Self, Welcome) {
        let child = Command::new(program).env_remove("NOTIFY_SOCKET").stdin(Stdio::null()).spawn().unwrap();
        let mut called = None;
        until("the spawner answers", || {
            called = call();
            called.is_some()
        });
        let (control, work, welcome) = called.unwrap();
        (Self { child, work, _control: control }, welcome)
    }
}

impl Stage {
    pub(crate) fn new(with_cgroup: bool) -> Self {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        fs::create_dir_all("/run/jit-sudo").unwrap();
        mount(Some("tmpfs"), "/run/jit-sudo", Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).unwrap();
        mount(Some("tmpfs"), "/etc/pam.d", Some("tmpfs"), MsFlags::empty(), none).unwrap();
        let permit: String =
            ["auth", "account", "session"].map(|kind| format!("{kind} required pam_permit.so\n")).concat();
        fs::create_dir("/etc/pam.d/.aside").unwrap();
        fs::write("/etc/pam.d/jit-sudo", &permit).unwrap();
        fs::write("/etc/pam.d/other", permit).unwrap();
        let home = if with_cgroup {
            Some(Home::enter())
        } else {
            crate::home::unmount();
            None
        };
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
        std::env::set_current_dir("/").unwrap();
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = folder.path().join("jit-spawner");
        fs::copy(env!("CARGO_BIN_EXE_jit-spawner"), &program).unwrap();
        let (spawner, welcome) = Spawner::start(&program);
        assert_eq!(welcome.cgroup.is_some(), with_cgroup, "{:?}", welcome.missing);
        assert_eq!(welcome.missing.is_empty(), with_cgroup);
        let cgroup = welcome.cgroup;
        Self { spawner: RefCell::new(spawner), cgroup, lacked: Cell::new(false), folder, _home: home }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn script(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        let _ = fs::remove_file(&path);
        let mut file = fs::File::options().write(true).create_new(true).mode(0o755).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        path
    }

    pub(crate) fn run(&self, order: &Order) -> Run {
        self.run_with_input(order, b"")
    }

    pub(crate) fn run_with_input(&self, order: &Order, input: &[u8]) -> Run {
        let mut session = self.begin_with(order, input, "/");
        session.go_when_asked();
        session.finish()
    }

    pub(crate) fn run_in(&self, folder: &str, order: &Order) -> Run {
        let mut session = self.begin_with(order, b"", folder);
        session.go_when_asked();
        session.finish()
    }

    pub(crate) fn begin(&self, order: &Order) -> Session {
        self.begin_with(order, b"", "/")
    }

    pub(crate) fn begin_on_terminal(&self, order: &Order) -> Session {
        // What the helper's descriptors would be: a terminal, which the command must never get.
        let pty = nix::pty::openpty(None, None).unwrap();
        let slave = pty.slave.try_clone().unwrap();
        let mut session = self.hand_over(
            order,
            &[pty.slave.as_fd().try_clone_to_owned().unwrap(), slave.try_clone().unwrap(), slave],
            "/",
        );
        session.keep(pty.master);
        session
    }

    fn begin_with(&self, order: &Order, input: &[u8], cwd: &str) -> Session {
        let mut stdin = tempfile::tempfile().unwrap();
        stdin.write_all(input).unwrap();
        stdin.rewind().unwrap();
        let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let copies = [stdout.try_clone().unwrap(), stderr.try_clone().unwrap()];
        let mut session = self.hand_over(order, &[stdin.into(), stdout.into(), stderr.into()], cwd);
        session.watch_output(copies);
        session
    }

    fn hand_over(&self, order: &Order, stdio: &[OwnedFd; 3], cwd: &str) -> Session {
        let cwd = fs::File::open(cwd).or_else(|_| {
            // A folder that is gone while somebody stands in it.
            let gone = tempfile::tempdir_in("/var/tmp").unwrap();
            fs::File::open(gone.path())
        });
        self.hand_over_in(order, stdio, &cwd.unwrap().into())
    }

    /// As a helper that may be anything: with these descriptors.
    pub(crate) fn hand_over_in(&self, order: &Order, stdio: &[OwnedFd; 3], cwd: &OwnedFd) -> Session {
        let (connection, helper) = Channel::pair().unwrap();
        let (theirs, agent) = Channel::pair().unwrap();
        // As the agent's listener has it.
        setsockopt(&connection, sockopt::PassCred, &true).unwrap();
        let [input, output, error] = stdio;
        helper
            .send(
                &Frame::new(Kind::Descriptors, 0).encode(),
                &[input.as_fd(), output.as_fd(), error.as_fd(), cwd.as_fd()],
                true,
            )
            .unwrap();
        let mut text = tempfile::tempfile().unwrap();
        text.write_all(&serde_json::to_vec(order).unwrap()).unwrap();
        self.spawner
            .borrow()
            .work
            .send(b"order", &[connection.as_fd(), theirs.as_fd(), text.as_fd()], true)
            .unwrap();
        Session::between(helper, agent)
    }

    /// Has a monitor tell programs of an event; what did not go well.
    pub(crate) fn tell(&self, telling: &Telling) -> Vec<String> {
        let (theirs, agent) = Channel::pair().unwrap();
        let mut text = tempfile::tempfile().unwrap();
        text.write_all(&serde_json::to_vec(telling).unwrap()).unwrap();
        text.rewind().unwrap();
        self.spawner.borrow().work.send(WORD, &[theirs.as_fd(), text.as_fd()], true).unwrap();
        drop(theirs);
        let mut answer = vec![0; MAX_TOLD];
        let length = agent.receive(&mut answer, true).unwrap().length;
        serde_json::from_slice::<Told>(&answer[..length]).unwrap().failures
    }

    pub(crate) fn session_cgroups(&self) -> usize {
        let Some(name) = &self.cgroup else { return 0 };
        let mounts = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(|mount| format!("{mount}{name}"));
        let folder = mounts.into_iter().find(|folder| Path::new(folder).exists()).unwrap();
        let entries = fs::read_dir(folder).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("s-")).count()
    }

    pub(crate) fn monitors(&self) -> usize {
        self.monitor_pids().len()
    }

    pub(crate) fn spawner_pid(&self) -> i32 {
        i32::try_from(self.spawner.borrow().child.id()).unwrap()
    }

    /// Kills the spawner, with SIGKILL.
    pub(crate) fn kill_spawner(&self) {
        let mut spawner = self.spawner.borrow_mut();
        spawner.child.kill().unwrap();
        spawner.child.wait().unwrap();
    }

    /// Starts another one after that.
    pub(crate) fn start_spawner(&self) {
        *self.spawner.borrow_mut() = Spawner::start(&self.program()).0;
    }

    /// Where the spawner was started from.
    pub(crate) fn program(&self) -> PathBuf {
        self.folder.path().join("jit-spawner")
    }

    /// Puts another program there, as dpkg does.
    pub(crate) fn replace_program(&self, with: &str, mode: u32) {
        let new = self.folder.path().join("jit-spawner.new");
        fs::copy(with, &new).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
        fs::rename(new, self.program()).unwrap();
    }

    pub(crate) fn monitor_pids(&self) -> Vec<i32> {
        let children = format!("/proc/{0}/task/{0}/children", self.spawner_pid());
        fs::read_to_string(children).unwrap().split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    /// For a test of what needs a cgroup, which has nothing to prove without: it counts as not run.
    pub(crate) fn lacks_cgroup(&self) -> bool {
        self.lacked.set(self.cgroup.is_none());
        self.cgroup.is_none()
    }

    /// Whether the last test had nothing to prove.
    pub(crate) fn was_not_run(&self) -> bool {
        self.lacked.take()
    }

    /// Where this path of a session's cgroup is.
    pub(crate) fn cgroup_folder(&self, path: &str) -> Option<PathBuf> {
        let name = self.cgroup.as_ref()?;
        let mounts =
            ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(|mount| format!("{mount}{name}/{path}"));
        mounts.into_iter().map(PathBuf::from).find(|folder| folder.exists())
    }

    /// With another PAM service, once every idle monitor has read it.
    pub(crate) fn with_pam(&self, service: &str, test: impl FnOnce()) {
        const SERVICE: &str = "/etc/pam.d/jit-sudo";
        let before = fs::read_to_string(SERVICE).unwrap();
        self.change_pam(service);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test));
        self.change_pam(&before);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    }

    fn change_pam(&self, service: &str) {
        self.until_renewed_by(|| {
            // In one step, from where nobody looks: monitors between two steps would have read the old one.
            fs::write("/etc/pam.d/.aside/new", service).unwrap();
            fs::rename("/etc/pam.d/.aside/new", "/etc/pam.d/jit-sudo").unwrap();
        });
    }

    /// Until every idle monitor knows of this change of PAM's files.
    pub(crate) fn until_renewed_by(&self, change: impl FnOnce()) {
        let old = self.monitor_pids();
        change();
        until("new monitors wait", || {
            let now = self.monitor_pids();
            std::thread::sleep(Duration::from_millis(150));
            // They are forked when the idle ones of before are gone; one of those that work may stay.
            now == self.monitor_pids() && now.iter().filter(|pid| !old.contains(pid)).count() >= 2
        });
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.spawner_pid());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.spawner.borrow_mut().child.wait();
    }
}

/// Waits at most as long as nothing takes that does happen, however busy the host is.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(40), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
