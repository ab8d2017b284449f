//! An agent to speak to, and the other parts, played.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jit_agent::clock::{Clock, ManualClock, Moment, SystemClock};
use jit_agent::paths::Paths;
use jit_agent::server::Server;
use jit_protocol::VERSION;
use jit_protocol::link::{FromMonitor, Go, ToMonitor};
use jit_protocol::order::Order;
use jit_protocol::request::{Elevate, Request};
use jit_protocol::response::Response;
use jit_protocol::spawner::Welcome;
use jit_protocol::telling::{self, Telling, Told};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
    socketpair,
};
use tokio::sync::oneshot;

use crate::wire::Wire;

/// How long anything may take that must happen.
pub const SOON: Duration = Duration::from_secs(40);
/// Settings of an agent that waits until a test on a busy host goes on: by default it is two seconds.
pub const PATIENT: &str = "limits.first_message = \"1m\"\nlimits.request = \"2m\"\nlookup.timeout = \"1m\"\n";
/// How long nothing must happen.
pub const NOTHING: Duration = Duration::from_millis(200);

/// A tree of files, a spawner, and an agent while it runs.
pub struct Stage {
    folder: tempfile::TempDir,
    pub paths: Paths,
    pub clock: Arc<ManualClock>,
    spawner: Spawner,
    cgroup: Option<String>,
    agent: Option<Running>,
}

/// A spawner, played: the monitors' end of the work socket, and whom it has welcomed.
struct Spawner {
    work: OwnedFd,
    welcomed: Arc<Mutex<Vec<Wire>>>,
}

struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// The user that the tests run as.
pub fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Some tests are several users, or do what only root may: without root they fail, and say why.
pub fn needs_root() {
    assert_eq!(us(), 0, "this test needs root");
}

/// A policy with one rule for us; `more` lines are added to it.
pub fn rule(id: &str, more: &str) -> String {
    format!(
        "schema = 1\n[[rule]]\nid = \"{id}\"\nusers = [\"#{}\"]\ncommands = [\"/usr/bin/id **\"]\n{more}\n",
        us()
    )
}

impl Stage {
    /// An agent with this policy, as one file.
    pub fn with(policy: &str) -> Self {
        let mut stage = Self::without_agent();
        stage.write_policy("50-test.toml", policy);
        stage.start();
        stage
    }

    /// With other settings than [`PATIENT`].
    pub fn with_settings(settings: &str, policy: &str) -> Self {
        let mut stage = Self::without_agent();
        stage.write_settings(settings);
        stage.write_policy("50-test.toml", policy);
        stage.start();
        stage
    }

    /// Everything but the agent.
    pub fn without_agent() -> Self {
        Self::with_sessions_in(None)
    }

    /// Everything but the agent, with a spawner whose sessions live below this cgroup.
    pub fn with_sessions_in(cgroup: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let paths = Paths::below(folder.path(), us());
        for private in [&paths.run, &paths.private, &paths.policy] {
            fs::create_dir_all(private).unwrap();
        }
        fs::set_permissions(&paths.private, PermissionsExt::from_mode(0o700)).unwrap();
        let system = SystemClock::new().unwrap();
        let clock = Arc::new(ManualClock::new(system.now(), system.boot_id()));
        let cgroup = cgroup.map(str::to_owned);
        let spawner = spawner(&paths.spawner_socket, cgroup.clone());
        let stage = Self { folder, paths, clock, spawner, cgroup, agent: None };
        stage.write_settings(PATIENT);
        stage
    }

    fn write_settings(&self, text: &str) {
        fs::create_dir_all(self.paths.settings.parent().unwrap()).unwrap();
        fs::write(&self.paths.settings, text).unwrap();
        fs::set_permissions(&self.paths.settings, PermissionsExt::from_mode(0o644)).unwrap();
    }

    /// The spawner ends, and all its idle monitors with it.
    pub fn end_spawner(&mut self) {
        fs::remove_file(&self.paths.spawner_socket).unwrap();
        self.end_monitors();
        self.spawner.welcomed.lock().unwrap().clear();
    }

    /// Its idle monitors end.
    pub fn end_monitors(&mut self) {
        let (nobody, _) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        self.spawner.work = nobody;
    }

    /// Another spawner listens.
    pub fn start_spawner(&mut self) {
        self.spawner = spawner(&self.paths.spawner_socket, self.cgroup.clone());
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn write_policy(&self, name: &str, text: &str) {
        let path = self.paths.policy.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    }

    pub fn start(&mut self) {
        let (paths, clock) = (self.paths.clone(), Arc::clone(&self.clock));
        let (started, ready) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::open(paths, clock).await.unwrap();
                started.send(()).unwrap();
                tokio::select! {
                    ended = server.run() => ended.unwrap(),
                    _ = stopped => {}
                }
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        ready.recv_timeout(SOON).expect("the agent starts");
        self.agent = Some(Running { stop, thread });
    }

    /// Ends the agent as a crash does: nothing is said or written any more.
    pub fn crash(&mut self) {
        let running = self.agent.take().unwrap();
        let _ = running.stop.send(());
        running.thread.join().unwrap();
        // The threads of store and log end once the last handle is gone; the store's file is locked until then.
        let open = || {
            let file = fs::File::open(self.paths.state.join("state.redb")).unwrap();
            file.try_lock().is_err()
        };
        let end = Instant::now() + SOON;
        while open() {
            assert!(Instant::now() < end, "the store is closed");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The host goes down at once, is off for so long, and is up again: another boot, whose clock begins anew, and no
    /// process of the one before. `set`: the wall clock is set meanwhile, by so much.
    pub fn reboot(&mut self, off: Duration, set: i64) {
        if self.agent.is_some() {
            self.crash();
        }
        let off = i64::try_from(off.as_nanos()).unwrap();
        let wall = self.clock.now().realtime_ns + off + set;
        let boot_id = format!("after {}", self.clock.boot_id());
        let now = Moment { boottime_ns: 1_000_000_000, realtime_ns: wall };
        self.clock = Arc::new(ManualClock::new(now, &boot_id));
        self.start();
    }

    pub fn connect(&self) -> Wire {
        Wire::connect(&self.paths.agent_socket)
    }

    /// Until the agent, which does one thing after the other, has taken what was said to it before.
    pub fn has_heard(&self) {
        assert!(matches!(self.connect().ask(Request::Status), Response::Status(_)));
    }

    /// The next order, as an idle monitor gets it.
    pub fn monitor(&self) -> Monitor {
        self.monitor_within(SOON).expect("an order")
    }

    pub fn monitor_within(&self, time: Duration) -> Option<Monitor> {
        let work = Wire::from(self.spawner.work.try_clone().unwrap());
        let (_, descriptors) = work.receive_within(time)?;
        let [connection, link, order]: [OwnedFd; 3] = descriptors.try_into().expect("three descriptors");
        Some(Monitor {
            order: serde_json::from_slice(&sealed_text(order)).expect("an order"),
            connection: Wire::from(connection),
            link: Wire::from(link),
        })
    }

    /// The next event, as an idle monitor gets it.
    pub fn errand(&self) -> Errand {
        self.errand_within(SOON).expect("an event")
    }

    pub fn errand_within(&self, time: Duration) -> Option<Errand> {
        let work = Wire::from(self.spawner.work.try_clone().unwrap());
        let (word, descriptors) = work.receive_within(time)?;
        assert_eq!(word, telling::WORD);
        let [link, text]: [OwnedFd; 2] = descriptors.try_into().expect("two descriptors");
        let telling = serde_json::from_slice(&sealed_text(text)).expect("an event");
        Some(Errand { telling, link: Wire::from(link) })
    }

    /// What becomes of an elevation that was asked for on this wire: a monitor has its order, or the person a refusal.
    pub fn order_or_refusal(&self, wire: &Wire) -> Result<Monitor, String> {
        let work = &self.spawner.work;
        let mut either =
            [PollFd::new(work, PollFlags::IN), PollFd::from_borrowed_fd(wire.as_fd(), PollFlags::IN)];
        let soon = Timespec { tv_sec: SOON.as_secs().cast_signed(), tv_nsec: 0 };
        assert!(poll(&mut either, Some(&soon)).unwrap() > 0, "an answer");
        if either[0].revents().is_empty() { Err(wire.refusal()) } else { Ok(self.monitor()) }
    }

    /// Lines of the audit log, as JSON.
    pub fn audit(&self) -> Vec<serde_json::Value> {
        whole_lines(&self.paths.audit).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The events in the log, in their order.
    pub fn events(&self) -> Vec<String> {
        self.audit().iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits for an event; its record.
    pub fn await_event(&self, event: &str) -> serde_json::Value {
        self.await_events(event, 1).pop().unwrap()
    }

    /// Waits until an event is in the log so often; its records.
    pub fn await_events(&self, event: &str, count: usize) -> Vec<serde_json::Value> {
        let end = Instant::now() + SOON;
        loop {
            let found: Vec<_> = self.audit().into_iter().filter(|line| line["event"] == event).collect();
            if found.len() >= count {
                return found;
            }
            assert!(Instant::now() < end, "{event} is not in {:?}", self.events());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The chain is whole.
    pub fn verify_audit(&self) {
        let mut verifier = jit_audit::Verifier::default();
        for line in whole_lines(&self.paths.audit).lines() {
            verifier.push(line.as_bytes());
        }
        let report = verifier.finish(Some(1), None);
        assert!(report.is_sound(), "{:?}", report.findings);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(running) = self.agent.take() {
            let _ = running.stop.send(());
            let _ = running.thread.join();
        }
    }
}

/// What is in a log, without the line that is just being written.
pub fn whole_lines(path: &Path) -> String {
    let mut text = fs::read_to_string(path).unwrap_or_default();
    text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
    text
}

/// The text of a memory file that nobody can change.
fn sealed_text(memory: OwnedFd) -> Vec<u8> {
    let seals = rustix::fs::fcntl_get_seals(&memory).unwrap();
    let sealed = rustix::fs::SealFlags::WRITE | rustix::fs::SealFlags::GROW | rustix::fs::SealFlags::SHRINK;
    assert!(seals.contains(sealed), "nobody can change an order");
    let mut text = Vec::new();
    let mut file = fs::File::from(memory);
    std::io::Seek::rewind(&mut file).unwrap();
    std::io::Read::read_to_end(&mut file, &mut text).unwrap();
    text
}

/// A monitor that tells programs of an event.
pub struct Errand {
    pub telling: Telling,
    link: Wire,
}

impl Errand {
    pub fn event(&self) -> serde_json::Value {
        serde_json::from_str(&self.telling.event).unwrap()
    }

    /// All have ended; what did not go well.
    pub fn answer(self, failures: &[&str]) {
        let failures = failures.iter().map(|&failure| failure.to_owned()).collect();
        self.link.send(&serde_json::to_vec(&Told { failures }).unwrap());
    }
}

/// A monitor with an order.
pub struct Monitor {
    pub order: Order,
    pub connection: Wire,
    pub link: Wire,
}

impl Monitor {
    pub fn say(&self, message: &FromMonitor) {
        self.link.send(&serde_json::to_vec(message).unwrap());
    }

    pub fn hear(&self) -> ToMonitor {
        let (text, _) = self.link.receive_within(SOON).expect("a word of the agent's");
        serde_json::from_slice(&text).unwrap()
    }

    pub fn fulfil(&self) -> ToMonitor {
        self.fulfil_with(None)
    }

    /// With the reason that the person typed; PAM accepts the account.
    pub fn fulfil_with(&self, reason: Option<&str>) -> ToMonitor {
        let (authenticated, reason) = (self.order.authenticate.is_some(), reason.map(str::to_owned));
        self.say(&FromMonitor::Fulfilled { authenticated, reason });
        self.say(&FromMonitor::Accepted);
        self.hear()
    }

    /// Duties fulfilled, permitted to go.
    pub fn go(&self) -> Go {
        match self.fulfil() {
            ToMonitor::Go(go) => go,
            other => panic!("{other:?} instead of Go"),
        }
    }

    /// The whole life of a command that exits with this status.
    pub fn run(self, status: i32) -> Go {
        let go = self.go();
        self.say(&FromMonitor::Running { pid: 4242, cgroup: "s-test".to_owned() });
        let status = jit_protocol::link::ExitStatus::Status(status);
        self.say(&FromMonitor::Ended { status, leftover: false });
        self.say(&FromMonitor::Gone);
        go
    }
}

/// Plays the spawner: welcomes every agent.
fn spawner(path: &Path, cgroup: Option<String>) -> Spawner {
    let (agents, monitors) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let listener =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    bind(&listener, &SocketAddrUnix::new(path).unwrap()).unwrap();
    listen(&listener, 8).unwrap();
    let welcomed = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&welcomed);
    thread::spawn(move || {
        let root = jit_sys::path::own_root().unwrap();
        while let Ok(socket) = accept_with(&listener, SocketFlags::CLOEXEC) {
            let welcome = Welcome { version: VERSION, pid: 1, cgroup: cgroup.clone(), missing: Vec::new() };
            let wire = Wire::from(socket);
            wire.send_with(&serde_json::to_vec(&welcome).unwrap(), &[&root, &agents]);
            into.lock().unwrap().push(wire);
        }
    });
    Spawner { work: monitors, welcomed }
}

/// The monitor that an elevation is ordered from.
pub fn order(stage: &Stage, asked: Elevate) -> Monitor {
    stage.connect().elevate(asked);
    stage.monitor()
}

/// What it was told to run; it ran.
pub fn ordered(stage: &Stage, asked: Elevate) -> Order {
    let monitor = order(stage, asked);
    let order = monitor.order.clone();
    monitor.run(0);
    order
}

/// What the person is told instead.
pub fn refusal(stage: &Stage, asked: Elevate) -> String {
    let wire = stage.connect();
    wire.elevate(asked);
    wire.refusal()
}
