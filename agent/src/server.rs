//! The agent's life: everything is opened, connections are served, time passes, the end is orderly.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jit_audit::chain::Head;
use jit_audit::record::{Event, User};
use jit_protocol::link::Deadline;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{interval, sleep, timeout};

use crate::admission::{Admission, Limits};
use crate::agent::Agent;
use crate::anchors::{self, Anchors};
use crate::audit::{self, Audit};
use crate::bus::{self, Bus};
use crate::clock::{Clock, SystemClock};
use crate::conversation::Conversation;
use crate::denials::Denials;
use crate::earlier;
use crate::grants::Grants;
use crate::handler;
use crate::hooks::{self, Hooks};
use crate::host_id;
use crate::hostname;
use crate::listen::{Listener, Listeners, make_folder};
use crate::live::Live;
use crate::logind::{self, Logind};
use crate::lookup::{CachedDirectory, Lookup};
use crate::nonces::Nonces;
use crate::paths::Paths;
use crate::peer::{uid_of, whose_place};
use crate::policy::PolicyHolder;
use crate::records::Records;
use crate::requests::Requests;
use crate::rollback;
use crate::settings::{self, Settings};
use crate::socket::Seqpacket;
use crate::spawner::Spawner;
use crate::store::{AUDIT_HEAD, Change, Store, Table};
use crate::tide::Tide;

/// Between two looks at what is over by time; grants are over at their moment.
const SWEEP: Duration = Duration::from_millis(500);

/// An agent that can serve.
pub struct Server {
    /// What every handler has.
    pub agent: Arc<Agent>,
    listeners: Listeners,
    control: Option<Seqpacket>,
}

impl Server {
    /// Opens everything. Must be called on the event loop.
    ///
    /// # Errors
    /// What this agent cannot be without: its sockets, its store, its log, its settings.
    pub async fn open(paths: Paths, clock: Arc<dyn Clock>) -> io::Result<Self> {
        set_limits()?;
        let settings = read_settings(&paths)?;
        make_folder(&paths.state, 0o700, paths.owner)?;
        let (store, mut contents) = Store::open(&paths.state.join("state.redb"), paths.owner)?;
        let (audit, told) = Audit::open(audit::Setup {
            path: &paths.audit,
            owner: paths.owner,
            journal: &paths.journal,
            host: &hostname::now(),
            clock: Arc::clone(&clock),
            kept: contents.value(AUDIT_HEAD),
            store: store.serial(),
            settings: settings.audit.clone(),
        })?;
        let void = rollback::check(&store, &audit, &mut contents, &*clock).await?;
        let host_id = host_id::load(&paths, &store, &contents).await?;
        earlier::forget_expired(&store, &mut contents, &told);
        earlier::forget_unissued(&store, &audit, &mut contents, &told).await;
        let spawner = Spawner::default();
        let control = call_spawner(&spawner, &paths).await;
        let policy = {
            let (paths, settings, clock) = (paths.clone(), settings.clone(), Arc::clone(&clock));
            let root = spawner.current().map(|connected| Arc::clone(&connected.root));
            let resolver = HostFolders(match root {
                Some(root) => root,
                None => Arc::new(jit_sys::path::own_root()?),
            });
            let start = move || PolicyHolder::start(&paths, &settings, clock, resolver);
            Arc::new(tokio::task::spawn_blocking(start).await.map_err(io::Error::other)?)
        };
        let limits = &settings.limits;
        let agent = Arc::new(Agent {
            since: clock.now(),
            policy,
            lookup: Lookup::new(settings.lookup.timeout, limits.lookups_per_user),
            directory: Arc::new(CachedDirectory::default()),
            records: Records::default(),
            grants: Grants::load(store.clone(), &contents.grants, &*clock),
            requests: Requests::load(store.clone(), &contents.requests, &*clock),
            nonces: Nonces::load(store.clone(), &contents),
            host_id,
            live: Live::default(),
            anchors: Anchors::default(),
            bus: Bus::default(),
            hooks: Hooks::default(),
            logind: Arc::new(Logind::at(&paths.bus)),
            denials: Denials::default(),
            session_places: Admission::new(Limits {
                per_user: limits.sessions_per_user,
                all: limits.sessions,
                reserved_for_root: 1,
            }),
            wait_places: connections(limits),
            spawner,
            store,
            audit,
            void,
            clock,
            settings,
            paths,
        });
        earlier::settle_requests(&agent, &told).await;
        earlier::remember_sessions(&agent, &contents.sessions, &told).await;
        for grant in agent.grants.unexpired(agent.clock.now()) {
            anchors::watch(&agent, &grant.purpose.key);
        }
        let loaded = agent.policy.current();
        let mut started = agent.record(Event::AgentStarted);
        started.result.clone_from(&loaded.mistakes);
        let _ = agent.audit.append_or_note(started).await; // until it is written commands are refused; shows in `status`
        // The policy may be another one than that which the grants were issued by. Each use is decided anyway: if accounts
        // cannot be looked up now, nobody has to wait for it.
        let again = Arc::clone(&agent);
        let deciding = tokio::spawn(async move { handler::reload::decide_again(&again).await });
        let _ = timeout(agent.settings.lookup.timeout, deciding).await;
        drop((contents, told));
        jit_sys::memory::give_back(); // what was read to be unpacked, and packed again
        let listeners = Listeners::open(&agent.paths)?;
        Ok(Self { agent, listeners, control })
    }

    /// Serves until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// If signals cannot be received.
    pub async fn run(self) -> io::Result<()> {
        let Self { agent, listeners, control } = self;
        let Listeners { agent: requests, pam, monitor } = listeners;
        let limits = &agent.settings.limits;
        let places = connections(limits);
        let login_places = Admission::new(Limits {
            per_user: limits.login_connections_per_user,
            all: limits.login_connections,
            reserved_for_root: limits.login_connections / 2,
        });
        let (mut hangup, mut term, mut interrupt) = (
            signal(SignalKind::hangup())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let mut sweep = interval(SWEEP);
        let mut kept = agent.audit.head();
        let mut tide = Tide::default();
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        let spawner = {
            let agent = Arc::clone(&agent);
            async move { agent.spawner.keep(&agent.paths.spawner_socket, control).await }
        };
        let serving = [
            tokio::spawn(spawner),
            tokio::spawn(accept(Arc::clone(&agent), requests, places, Door::Requests)),
            tokio::spawn(accept(Arc::clone(&agent), pam, login_places, Door::Logins)),
            tokio::spawn(accept_monitors(Arc::clone(&agent), monitor)),
            tokio::spawn(earlier::forget_lost(Arc::clone(&agent))),
            tokio::spawn(bus::serve(Arc::clone(&agent), agent.audit.follow())),
            tokio::spawn(hooks::tell_all(Arc::clone(&agent), agent.audit.follow())),
            tokio::spawn(logind::watch(Arc::clone(&agent))),
        ];
        loop {
            tokio::select! {
                _ = term.recv() => break,
                _ = interrupt.recv() => break,
                _ = sweep.tick() => {
                    pass_time(&agent, &mut kept);
                    if tide.has_ebbed(Handle::current().metrics().num_alive_tasks()) {
                        jit_sys::memory::give_back();
                    }
                }
                () = sleep(next_end(&agent)) => expire(&agent),
                // Not here: time must pass while files or directory servers are slow.
                _ = hangup.recv() => drop(tokio::spawn(reload(Arc::clone(&agent)))),
            }
        }
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        for task in serving {
            task.abort();
        }
        // The last record follows the last change of the store that matters, and tells its number.
        keep_head(&agent).await;
        let told = agent.audit.append(agent.record(Event::AgentStopped)).await;
        keep_head(&agent).await;
        told.map_err(io::Error::other)
    }
}

/// As many connections as the settings let each have.
fn connections(limits: &settings::Limits) -> Admission {
    Admission::new(Limits {
        per_user: limits.connections_per_user,
        all: limits.connections,
        reserved_for_root: limits.reserved_for_root,
    })
}

/// Which socket a connection came to.
#[derive(Clone, Copy)]
enum Door {
    Requests,
    Logins,
}

async fn accept(agent: Arc<Agent>, listener: Listener, places: Admission, door: Door) {
    loop {
        let Ok(socket) = listener.accept().await else {
            // Out of descriptors or memory: connections end by their deadlines, then there is room again.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let Some(place) = whose_place(&socket).ok().and_then(|uid| places.admit(uid)) else { continue };
        let agent = Arc::clone(&agent);
        tokio::spawn(async move {
            let conversation = match Conversation::begin(socket).await {
                Ok(conversation) => conversation,
                Err(why) => {
                    let mut record = agent.record(Event::RequestDenied);
                    record.result = Some(why);
                    if agent.denials.count(u32::MAX, agent.clock.now()) {
                        agent.audit.note(record);
                    }
                    return;
                }
            };
            match door {
                // The place is given back once the request is in: sessions have places of their own.
                Door::Requests => handler::serve(&agent, conversation, place).await,
                Door::Logins => handler::login::serve(&agent, conversation).await,
            }
        });
    }
}

/// Monitors whose agent went away. The folder is root's alone; the kernel says so again.
async fn accept_monitors(agent: Arc<Agent>, listener: Listener) {
    loop {
        let Ok(socket) = listener.accept().await else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        if uid_of(&socket).is_ok_and(|uid| uid == agent.paths.owner)
            && let Ok(socket) = Seqpacket::new(socket)
        {
            tokio::spawn(handler::follow::resume(Arc::clone(&agent), socket));
        }
    }
}

/// How long until the next grant ends. Each is seen before its end, for it lives for longer than [`SWEEP`].
fn next_end(agent: &Agent) -> Duration {
    agent.grants.next_moment(agent.clock.now()).map_or(Duration::MAX, Duration::from_nanos)
}

/// Grants that are over are gone, what runs on them ends, and the log knows.
fn expire(agent: &Agent) {
    let now = agent.clock.now();
    let expired = agent.grants.sweep(now);
    let ids: HashSet<&str> = expired.iter().map(|grant| grant.id.as_str()).collect();
    // Monitors keep their own time. One that was told of a later end, before a reload shortened the grant, does not.
    let outlives = |end: Deadline| !now.is_past(end);
    agent.live.end("the grant has expired", |session| {
        ids.contains(session.grant.as_str())
            && session.is_bound_to_its_grant()
            && session.deadline.is_none_or(outlives)
    });
    let told = expired.iter().filter(|grant| grant.uses_left != Some(0));
    let told: Vec<_> = told.map(|grant| agent.grant_record(Event::GrantExpired, grant)).collect();
    if !told.is_empty() {
        // Once the store has forgotten them: then the log knows of that, and no copy of an older store brings them back.
        let (forgotten, audit) = (agent.store.submit(Vec::new()), agent.audit.clone());
        tokio::spawn(async move {
            let _ = forgotten.await; // that the store cannot be written shows in `status`
            for record in told {
                audit.note(record);
            }
        });
    }
}

/// What has expired is said to have; floods are summed up; the head of the log is kept; the watchdog is fed.
fn pass_time(agent: &Agent, kept: &mut Head) {
    expire(agent);
    let now = agent.clock.now();
    for request in agent.requests.sweep(now) {
        handler::requests::expired(agent, &request);
    }
    agent.nonces.sweep(now);
    for (uid, count) in agent.denials.take(now) {
        let mut record = agent.record(Event::RequestDenied);
        record.user = Some(User { name: format!("#{uid}"), uid });
        record.count = Some(count);
        agent.audit.note(record);
    }
    agent.policy.expire_last_good();
    let abandoned = agent.policy.abandoned();
    if !abandoned.is_empty() {
        tokio::task::spawn_blocking(move || drop(abandoned));
    }
    let head = agent.audit.head();
    if *kept != head
        && let Ok(change) = Change::put(Table::Values, AUDIT_HEAD, &head)
    {
        agent.store.note(change);
        *kept = head;
    }
    let _ = sd_notify::notify(&[NotifyState::Watchdog]);
}

async fn keep_head(agent: &Agent) {
    if let Ok(change) = Change::put(Table::Values, AUDIT_HEAD, &agent.audit.head()) {
        let _ = agent.store.commit(vec![change]).await; // it is compared only if it is there
    }
}

/// SIGHUP. A service manager waits for the second word.
async fn reload(agent: Arc<Agent>) {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        let _ = sd_notify::notify(&[NotifyState::Reloading, now]);
    }
    let _ = handler::reload::load(&agent, false).await; // mistakes are in the log and in `status`
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}

async fn call_spawner(spawner: &Spawner, paths: &Paths) -> Option<Seqpacket> {
    for _ in 0..25 {
        if let Ok(control) = spawner.connect(&paths.spawner_socket).await {
            return Some(control);
        }
        sleep(Duration::from_millis(100)).await;
    }
    None
}

fn read_settings(paths: &Paths) -> io::Result<Settings> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let text = jit_sys::policy_files::read_file(&paths.settings, paths.owner)
        .map_err(|refused| invalid(refused.to_string()))?;
    let shown = paths.settings.display();
    Settings::parse(&text.unwrap_or_default()).map_err(|mistake| invalid(format!("{shown}: {mistake}")))
}

/// As many descriptors as there may be, and no core dump.
fn set_limits() -> io::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

/// Folders in policy, resolved below the host's root.
struct HostFolders(Arc<std::os::fd::OwnedFd>);

impl jit_policy::Surroundings for HostFolders {
    fn canonical_folder(&self, folder: &str) -> Option<String> {
        use std::os::fd::AsFd;
        jit_sys::path::resolve_folder(self.0.as_fd(), folder)
    }
}

/// The system's clocks.
///
/// # Errors
/// Without `/proc`.
pub fn system_clock() -> io::Result<Arc<dyn Clock>> {
    Ok(Arc::new(SystemClock::new()?))
}
