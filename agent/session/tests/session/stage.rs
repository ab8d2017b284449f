//! The stage: a mount namespace with its own /run/jit-sudo and PAM service, the spawner on it, and the two parts that
//! the test plays.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{Read, Seek, Write};
use std::mem::take;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::home::Home;
pub(crate) use crate::processes::{as_user, count_processes, occurrences_in_memory, parent_of};
use jit_protocol::Bytes;
use jit_protocol::frame::{Frame, Kind, MAX_FRAME};
use jit_protocol::link::{Deadline, ExitStatus, FromMonitor, Go, ToMonitor};
use jit_protocol::order::{Account, Cwd, Order, Program, Restrictions, Umask};
use jit_protocol::paths::SPAWNER_SOCKET;
use jit_protocol::request::{Mode, Terminal};
use jit_protocol::spawner::Welcome;
use jit_session::channel::Channel;
use jit_session::timer::boottime;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{setsockopt, sockopt};

/// The end of a grant without one.
const NEVER: Deadline = Deadline { boottime_ns: u64::MAX, realtime_ns: i64::MAX };

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
        session.kept.push(pty.master);
        session
    }

    fn begin_with(&self, order: &Order, input: &[u8], cwd: &str) -> Session {
        let mut stdin = tempfile::tempfile().unwrap();
        stdin.write_all(input).unwrap();
        stdin.rewind().unwrap();
        let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let copies = [stdout.try_clone().unwrap(), stderr.try_clone().unwrap()];
        let mut session = self.hand_over(order, &[stdin.into(), stdout.into(), stderr.into()], cwd);
        session.output = Some(copies);
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
        Session {
            helper: Some(helper),
            agent: Some(agent),
            messages: Vec::new(),
            frames: Vec::new(),
            stream: None,
            shown: String::new(),
            output: None,
            kept: Vec::new(),
        }
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
            fs::write("/etc/pam.d/.new", service).unwrap();
            fs::rename("/etc/pam.d/.new", "/etc/pam.d/jit-sudo").unwrap();
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

/// One session, seen from the helper's and the agent's chair.
pub(crate) struct Session {
    helper: Option<Channel>,
    agent: Option<Channel>,
    messages: Vec<FromMonitor>,
    frames: Vec<Frame>,
    stream: Option<UnixStream>,
    shown: String,
    output: Option<[fs::File; 2]>,
    kept: Vec<OwnedFd>,
}

/// What came of it.
pub(crate) struct Run {
    pub(crate) messages: Vec<FromMonitor>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn ended(&self) -> ExitStatus {
        let found = self.messages.iter().find_map(|message| match message {
            FromMonitor::Ended { status, .. } => Some(*status),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no end among {:?}; {:?}", self.messages, self.texts()))
    }

    pub(crate) fn refused(&self) -> &Frame {
        let last = self.frames.last().unwrap();
        assert_eq!(last.kind, Kind::Refused, "{:?}; {}", self.frames, self.stdout);
        last
    }

    pub(crate) fn notices(&self) -> String {
        self.texts().join("\n")
    }

    fn texts(&self) -> Vec<String> {
        self.frames.iter().map(Frame::first_text).collect()
    }
}

impl Session {
    pub(crate) fn expect_accepted(&mut self) {
        self.await_message("Accepted", |message| matches!(message, FromMonitor::Accepted));
    }

    pub(crate) fn go_when_asked(&mut self) {
        let asked =
            |message: &FromMonitor| matches!(message, FromMonitor::Accepted | FromMonitor::Refused { .. });
        self.await_message("Accepted or Refused", asked);
        if matches!(self.messages.last(), Some(FromMonitor::Accepted)) {
            self.go(None, Duration::from_secs(1), false);
        }
    }

    pub(crate) fn go(&mut self, time: Option<Duration>, grace: Duration, kill_leftover: bool) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let deadline = time.map(|time| Deadline {
            boottime_ns: boottime() + u64::try_from(time.as_nanos()).unwrap(),
            realtime_ns: i64::try_from((now + time + Duration::from_mins(1)).as_nanos()).unwrap(),
        });
        self.say_go(NEVER, deadline, grace, kill_leftover);
    }

    /// Go, for a command without a deadline.
    pub(crate) fn go_if_before(&mut self, begin_before: Deadline) {
        self.say_go(begin_before, None, Duration::from_secs(1), false);
    }

    pub(crate) fn go_until(&mut self, boottime_ns: u64, realtime_ns: i64) {
        let deadline = Some(Deadline { boottime_ns, realtime_ns });
        self.say_go(NEVER, deadline, Duration::from_millis(100), false);
    }

    fn say_go(
        &mut self,
        begin_before: Deadline,
        deadline: Option<Deadline>,
        grace: Duration,
        kill_leftover: bool,
    ) {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap();
        self.say(&ToMonitor::Go(Go {
            grant: "grant-1".into(),
            begin_before,
            deadline,
            warn: None,
            grace_ms,
            kill_leftover,
        }));
    }

    pub(crate) fn say(&self, message: &ToMonitor) {
        // A monitor that has refused meanwhile is gone.
        let _ = self.agent.as_ref().unwrap().send(&serde_json::to_vec(message).unwrap(), &[], true);
    }

    pub(crate) fn send(&self, frame: &Frame) {
        self.helper.as_ref().unwrap().send(&frame.encode(), &[], true).unwrap();
    }

    /// The helper's end.
    pub(crate) fn helper(&self) -> &Channel {
        self.helper.as_ref().unwrap()
    }

    /// What the monitor has said so far.
    pub(crate) fn messages(&self) -> &[FromMonitor] {
        &self.messages
    }

    /// Whether another frame comes in time; it is read.
    pub(crate) fn try_frame(&mut self, time: Duration) -> bool {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let mut fds = [PollFd::new(self.helper().as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::try_from(time).unwrap()).unwrap() == 1 && self.next_frame().is_some()
    }

    /// Reads the agent's messages to their end, but nothing as the helper.
    pub(crate) fn listen_to_the_end(&mut self) -> Vec<FromMonitor> {
        while self.next_message() {}
        take(&mut self.messages)
    }

    pub(crate) fn hang_up_agent(&mut self) {
        self.agent = None;
    }

    /// As the kernel does for a helper that is killed: all its descriptors are closed.
    pub(crate) fn hang_up_helper(&mut self) {
        self.helper = None;
        self.stream = None;
    }

    pub(crate) fn await_running(&mut self) -> i32 {
        self.await_message("Running", |message| matches!(message, FromMonitor::Running { .. }));
        let Some(FromMonitor::Running { pid, .. }) = self.messages.last() else {
            panic!("{:?}", self.messages)
        };
        *pid
    }

    pub(crate) fn await_ended(&mut self) {
        self.await_message("Ended", |message| matches!(message, FromMonitor::Ended { .. }));
    }

    pub(crate) fn await_stdout(&mut self, text: &str) {
        until(text, || self.stdout().contains(text));
    }

    pub(crate) fn await_terminal(&mut self, text: &str) {
        if self.stream.is_none() {
            self.await_frame(Kind::Started);
        }
        let start = Instant::now();
        while !self.shown.contains(text) {
            assert!(start.elapsed() < Duration::from_secs(10), "no {text:?} in {:?}", self.shown);
            let mut buffer = [0; 4096];
            match self.stream.as_mut().unwrap().read(&mut buffer) {
                Ok(0) => panic!("the terminal closed before {text:?}: {:?}", self.shown),
                Ok(length) => self.shown.push_str(&String::from_utf8_lossy(&buffer[..length])),
                Err(_) => {}
            }
        }
    }

    pub(crate) fn hang_up_terminal(&mut self) {
        self.stream.as_mut().unwrap().shutdown(std::net::Shutdown::Write).unwrap();
    }

    pub(crate) fn type_in(&mut self, text: &str) {
        self.stream.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    pub(crate) fn await_frame(&mut self, kind: Kind) -> Frame {
        loop {
            let frame = self.next_frame().unwrap_or_else(|| panic!("no {kind:?}; {:?}", self.frames));
            if frame.kind == kind {
                return frame;
            }
        }
    }

    pub(crate) fn finish_terminal(&mut self) {
        self.await_frame(Kind::Started);
        let mut rest = Vec::new();
        let stream = self.stream.as_mut().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.read_to_end(&mut rest).unwrap();
        self.shown.push_str(&String::from_utf8_lossy(&rest));
    }

    /// Reads all frames and messages to their ends.
    pub(crate) fn finish(&mut self) -> Run {
        if self.stream.is_some() {
            self.drain_stream();
        }
        while self.next_frame().is_some() {
            if self.stream.is_some() && self.frames.last().is_some_and(|frame| frame.kind == Kind::Started) {
                self.drain_stream();
            }
        }
        while self.agent.is_some() && self.next_message() {}
        let stdout = self.stdout();
        let stderr = self.output.as_mut().map(|[_, stderr]| read_all(stderr)).unwrap_or_default();
        Run { messages: take(&mut self.messages), frames: take(&mut self.frames), stdout, stderr }
    }

    fn drain_stream(&mut self) {
        let mut rest = Vec::new();
        let stream = self.stream.as_mut().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let _ = stream.read_to_end(&mut rest);
        self.shown.push_str(&String::from_utf8_lossy(&rest));
    }

    fn stdout(&mut self) -> String {
        self.output.as_mut().map(|[stdout, _]| read_all(stdout)).unwrap_or_default()
    }

    fn await_message(&mut self, what: &str, wanted: impl Fn(&FromMonitor) -> bool) {
        loop {
            assert!(self.next_message(), "no {what} among {:?}", self.messages);
            if wanted(self.messages.last().unwrap()) {
                return;
            }
        }
    }

    fn next_message(&mut self) -> bool {
        let agent = self.agent.as_ref().unwrap();
        assert!(readable_in_time(agent), "the monitor says nothing; so far {:?}", self.messages);
        let mut buffer = vec![0; 64 * 1024];
        let Ok(received) = agent.receive(&mut buffer, true) else { return false };
        self.messages.push(serde_json::from_slice(&buffer[..received.length]).unwrap());
        true
    }

    fn next_frame(&mut self) -> Option<Frame> {
        let helper = self.helper.as_ref()?;
        assert!(readable_in_time(helper), "the helper hears nothing; so far {:?}", self.frames);
        let mut buffer = vec![0; MAX_FRAME];
        let mut received = helper.receive(&mut buffer, true).ok()?;
        let frame = Frame::decode(&buffer[..received.length]).unwrap();
        if let Some(stream) = received.descriptors.pop() {
            let stream = UnixStream::from(stream);
            stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            self.stream = Some(stream);
        }
        self.frames.push(frame.clone());
        Some(frame)
    }
}

/// A monitor whose agent goes away waits for the next one: so the agent stays to the end.
impl Drop for Session {
    fn drop(&mut self) {
        self.helper = None;
        if let Some(agent) = &self.agent {
            let mut buffer = vec![0; 64 * 1024];
            while readable_in_time(agent) && agent.receive(&mut buffer, true).is_ok() {}
        }
    }
}

fn readable_in_time(channel: &Channel) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(channel.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::from(15_000_u16)).unwrap() == 1
}

fn read_all(file: &mut fs::File) -> String {
    use std::os::unix::fs::FileExt;
    let length = usize::try_from(file.metadata().unwrap().size()).unwrap();
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Words for `/bin/sh -c`.
pub(crate) fn shell(script: &str) -> [String; 3] {
    ["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()]
}

/// An order from root to root, for an absolute command as it is now.
pub(crate) fn order<S: AsRef<str>>(argv: &[S]) -> Order {
    let path = argv[0].as_ref();
    let now = fs::metadata(path).unwrap();
    let nanoseconds = |s: i64, n: i64| i128::from(s) * 1_000_000_000 + i128::from(n);
    let program = Program {
        path: Bytes::from(path),
        device: now.dev(),
        inode: now.ino(),
        size: i64::try_from(now.size()).unwrap(),
        modified: nanoseconds(now.mtime(), now.mtime_nsec()),
        changed: nanoseconds(now.ctime(), now.ctime_nsec()),
    };
    Order {
        session: "0123456789abcdef0123456789abcdef".to_owned(),
        mode: Mode::Run,
        invoking: account("root", 0, 0, &[0]),
        target: account("root", 0, 0, &[0]),
        authenticate: None,
        ask_reason: false,
        program: Some(program),
        argv: argv.iter().map(|word| Bytes::from(word.as_ref())).collect(),
        shell: None,
        environment: vec![(Bytes::from("PATH"), Bytes::from("/usr/bin:/bin"))],
        restrictions: Restrictions { umask: Umask::CallersAnd(0o022), cwd: Cwd::Caller },
        terminal: None,
        background: false,
        ignored_signals: Vec::new(),
        nested_in: None,
        foreign_mounts: None,
        tty: None,
        host: "host".to_owned(),
    }
}

pub(crate) fn account(name: &str, uid: u32, gid: u32, groups: &[u32]) -> Account {
    Account {
        name: name.to_owned(),
        uid,
        gid,
        groups: groups.to_vec(),
        home: Bytes::from("/"),
        shell: Bytes::from("/bin/sh"),
    }
}

/// A terminal's settings as `stty sane` has them.
pub(crate) fn terminal(rows: u16, columns: u16) -> Terminal {
    let pty = nix::pty::openpty(None, None).unwrap();
    let sane = nix::sys::termios::tcgetattr(&pty.slave).unwrap();
    Terminal {
        foreground: true,
        rows,
        columns,
        flags: [
            sane.input_flags.bits(),
            sane.output_flags.bits(),
            sane.control_flags.bits(),
            sane.local_flags.bits(),
        ],
        control_characters: sane.control_chars.to_vec(),
    }
}

/// Waits at most ten seconds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
