//! What logind knows of login sessions, and when that changes. Nobody is asked before a rule needs it; where there is no
//! logind nothing is known, and such rules do not permit.

mod properties;

use std::collections::{BTreeSet, HashMap};
use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jit_policy::LoginSession;
use jit_protocol::response::{Part, State};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use zbus::export::futures_core::Stream;
use zbus::{Connection, Message, MessageStream, OwnedObjectPath};

use self::properties::{Properties, candidates};
use crate::agent::Agent;
use crate::handler::reload::look_at_logins_again;
use crate::process::Process;

const NAME: &str = "org.freedesktop.login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
const SIGNALS: &str =
    "type='signal',sender='org.freedesktop.login1',path_namespace='/org/freedesktop/login1'";
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);
/// How long what runs outlives a logind that does not answer: it may be upgraded.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks: not all changes are told, and none where there is no bus.
const LOOK: Duration = Duration::from_secs(10);
/// What comes together is looked at once.
const TOGETHER: Duration = Duration::from_millis(20);
/// Users can make logind tell something as often as they like: before the next look passes four times as long as the last one took, but
/// no more than this.
const PAUSE: Duration = Duration::from_secs(1);

/// A login session.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// logind's name for it; none if it is not known, or was of no interest.
    pub id: Option<String>,
    /// What is known of it.
    pub facts: LoginSession,
}

impl Login {
    /// Nothing is known; why, for people.
    pub fn unknown(why: &str) -> Self {
        Self { id: None, facts: unknown(why) }
    }
}

fn unknown(why: &str) -> LoginSession {
    LoginSession { unknown: why.to_owned(), ..LoginSession::default() }
}

/// The way to logind.
#[derive(Debug)]
pub struct Logind {
    address: String,
    connection: Mutex<Option<Connection>>,
    /// Why the last question had no answer, if it had none.
    silent: std::sync::Mutex<Option<String>>,
    /// Somebody needs to know.
    wanted: Notify,
    /// Something may have changed.
    look: Notify,
}

impl Logind {
    /// Over the bus with this socket.
    pub fn at(bus: &Path) -> Self {
        let address = format!("unix:path={}", bus.display());
        Self {
            address,
            connection: Mutex::default(),
            silent: std::sync::Mutex::default(),
            wanted: Notify::new(),
            look: Notify::new(),
        }
    }

    /// Whether it answers, as far as anybody asked, for the status of a policy that needs it.
    pub fn part(&self) -> Part {
        let (state, detail) = match self.silent.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            None => (State::Works, String::new()),
            Some(why) => {
                (State::Degraded, format!("{why}: rules on origin, remote and session do not permit"))
            }
        };
        Part { id: "logind".to_owned(), state, detail }
    }

    /// The login session of a process: by the kernel's audit session, which nobody can leave, or by the cgroup that
    /// logind has put it in, which its user can leave but not enter another from.
    pub async fn of(&self, process: &Process) -> Login {
        self.wanted.notify_one();
        for id in candidates(process) {
            match self.fetch(&id).await {
                Ok(Some(found)) if found.is_of(process) => {
                    return Login { facts: found.facts(), id: Some(id) };
                }
                Ok(_) => {}
                Err(why) => return Login::unknown(&why),
            }
        }
        Login::unknown("this is not in a login session that logind knows")
    }

    /// What is known of a login session now.
    pub async fn facts(&self, id: &str) -> LoginSession {
        match self.fetch(id).await {
            Ok(Some(found)) => found.facts(),
            Ok(None) => unknown("the login session is over"),
            Err(why) => unknown(&why),
        }
    }

    /// What is known of some, all asked about at once. A logind that does not answer is asked again for ten seconds.
    pub async fn all(self: &Arc<Self>, ids: BTreeSet<String>) -> HashMap<String, LoginSession> {
        if !ids.is_empty() {
            self.wanted.notify_one();
        }
        let end = Instant::now() + PATIENCE;
        let mut asked = JoinSet::new();
        for id in ids {
            let logind = Arc::clone(self);
            asked.spawn(async move {
                while Instant::now() < end && logind.fetch(&id).await.is_err() {
                    sleep(Duration::from_secs(1)).await;
                }
                let facts = logind.facts(&id).await;
                (id, facts)
            });
        }
        asked.join_all().await.into_iter().collect()
    }

    /// Looks soon whether what was known still is.
    pub fn look(&self) {
        self.look.notify_one();
    }

    /// None: there is no such session.
    async fn fetch(&self, id: &str) -> Result<Option<Properties>, String> {
        let fetched = timeout(ANSWER, async { properties(&self.connection().await?, id).await });
        let fetched = fetched.await.unwrap_or_else(|_| Err("logind does not answer".to_owned()));
        self.heard(&fetched);
        fetched
    }

    /// The one that there is; nobody has it alone, so that no question waits for the answer to another.
    async fn connection(&self) -> Result<Connection, String> {
        let mut connection = self.connection.lock().await;
        match &*connection {
            Some(bus) if !bus.is_closed() => Ok(bus.clone()),
            _ => Ok(connection.insert(self.connect().await?).clone()),
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let connected = zbus::connection::Builder::address(self.address.as_str()).build().await;
        connected.map_err(|error| format!("there is no system bus: {error}"))
    }

    fn heard<T>(&self, answer: &Result<T, String>) {
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = answer.as_ref().err().cloned();
    }

    /// Over a connection of their own: signals that nobody takes must not hold up answers.
    async fn signals(&self) -> Result<MessageStream, String> {
        let bus = timeout(ANSWER, self.connect()).await.map_err(|_| "the system bus does not answer")??;
        let stream = MessageStream::for_match_rule(SIGNALS, &bus, None);
        timeout(ANSWER, stream).await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

async fn properties(bus: &Connection, id: &str) -> Result<Option<Properties>, String> {
    let failed = |error: zbus::Error| format!("logind can't be asked: {error}");
    let found =
        bus.call_method(Some(NAME), "/org/freedesktop/login1", Some(MANAGER), "GetSession", &id).await;
    let path: OwnedObjectPath = match found {
        Ok(message) => message.body().deserialize().map_err(failed)?,
        Err(zbus::Error::MethodError(name, ..))
            if name.as_str() == "org.freedesktop.login1.NoSuchSession" =>
        {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let get = Some("org.freedesktop.DBus.Properties");
    match bus.call_method(Some(NAME), path.as_ref(), get, "GetAll", &SESSION).await {
        Ok(message) => Properties::read(&message.body().deserialize().map_err(failed)?)
            .map(Some)
            .ok_or_else(|| "logind says something unexpected".to_owned()),
        // It is gone by now.
        Err(zbus::Error::MethodError(name, ..))
            if name.as_str() == "org.freedesktop.DBus.Error.UnknownObject" =>
        {
            Ok(None)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Looks again at what depends on login sessions whenever logind tells of any, from the first time that a rule needs it.
pub async fn watch(agent: Arc<Agent>) {
    agent.logind.wanted.notified().await;
    loop {
        let signals = agent.logind.signals().await;
        agent.logind.heard(&signals);
        let mut signals = signals.ok();
        loop {
            let begin = Instant::now();
            look_at_logins_again(&agent).await;
            let pause = (begin.elapsed() * 4).clamp(TOGETHER, PAUSE);
            let told = async {
                match &mut signals {
                    Some(signals) => next(signals).await,
                    None => std::future::pending().await,
                }
            };
            let goes_on = tokio::select! {
                told = told => told.is_some(),
                () = agent.logind.look.notified() => true,
                () = sleep(LOOK) => signals.is_some(),
            };
            if !goes_on {
                break;
            }
            sleep(pause).await;
            while let Some(signals) = &mut signals
                && let Ok(Some(_)) = timeout(Duration::ZERO, next(signals)).await
            {}
        }
        sleep(Duration::from_secs(1)).await; // a bus that goes away as soon as it is there
    }
}

async fn next(signals: &mut MessageStream) -> Option<Message> {
    poll_fn(|context| Pin::new(&mut *signals).poll_next(context)).await?.ok()
}
