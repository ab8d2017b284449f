//! `org.jitsudo.Agent1` on the system bus: signals that carry ids alone, and what there is to know for who asks. Whether there
//! is a bus, and what becomes of it, matters to nobody else here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jit_audit::{Event, Record};
use jit_protocol::response::{Part, State};
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{sleep, timeout};
use zbus::connection::Builder;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, fdo, interface};

use crate::admission::{Admission, Limits, Place};
use crate::agent::Agent;
use crate::handler::{grants, requests, sessions};
use crate::peer;

const NAME: &str = "org.jitsudo.Agent1";
const PATH: &str = "/org/jitsudo/Agent1";
/// Between two calls of a bus that is not there.
const AGAIN: Duration = Duration::from_secs(10);
/// How long the bus may take for an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How many questions are answered at a time.
const LIMITS: Limits = Limits { per_user: 4, all: 16, reserved_for_root: 4 };
/// Of how many it is found out at a time who asks: of one connection to the bus, and of all. It answers that after all questions that
/// wait already, and one that was taken in waits in our memory.
const UNKNOWN: Limits = Limits { per_user: 4, all: 64, reserved_for_root: 0 };

/// How the bus is, for `jitctl status`.
#[derive(Debug, Default)]
pub struct Bus(Mutex<Way>);

#[derive(Debug, Default)]
enum Way {
    #[default]
    NoBus,
    Served,
    /// There is one, but this name is not ours on it.
    Refused(String),
}

impl Bus {
    /// How it is. A host without a bus lacks nothing.
    pub fn part(&self) -> Part {
        let part = |state, detail: &str| Part { id: "dbus".to_owned(), state, detail: detail.to_owned() };
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Way::NoBus => part(State::Works, "there is no system bus: not needed"),
            Way::Served => part(State::Works, NAME),
            Way::Refused(why) => part(State::Degraded, why),
        }
    }

    fn is(&self, way: Way) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = way;
    }
}

/// Serves whatever bus there is, for ever.
pub async fn serve(agent: Arc<Agent>, mut events: Receiver<Arc<Record>>) {
    let places = Places { known: Admission::new(LIMITS), unknown: Admission::new(UNKNOWN) };
    loop {
        let connected = timeout(ANSWER, connect(&agent, &places)).await;
        match connected.unwrap_or_else(|_| Err(zbus::Error::Failure("the bus does not answer".to_owned()))) {
            Ok(Some(connection)) => {
                agent.bus.is(Way::Served);
                events = events.resubscribe(); // what happened before was nobody's to hear
                tokio::select! {
                    () = connection.closed() => {}
                    () = tell_all(&connection, &mut events) => {}
                }
                agent.bus.is(Way::NoBus);
            }
            Ok(None) => agent.bus.is(Way::NoBus),
            Err(error) => agent.bus.is(Way::Refused(error.to_string())),
        }
        sleep(AGAIN).await;
    }
}

/// None: there is no bus.
async fn connect(agent: &Arc<Agent>, places: &Places) -> zbus::Result<Option<Connection>> {
    if !agent.paths.bus.exists() {
        return Ok(None);
    }
    let facts = Facts { agent: Arc::clone(agent), places: places.clone() };
    let address = format!("unix:path={}", agent.paths.bus.display());
    let connection = Builder::address(address.as_str())
        .method_timeout(ANSWER)
        .serve_at(PATH, facts)
        .name(NAME)
        .build()
        .await?;
    Ok(Some(connection))
}

/// Until the bus does not take signals any more.
async fn tell_all(connection: &Connection, events: &mut Receiver<Arc<Record>>) {
    let Ok(emitter) = SignalEmitter::new(connection, PATH) else { return };
    loop {
        let told = match events.recv().await {
            Ok(record) => tell(&emitter, &record).await,
            Err(RecvError::Lagged(_)) => Ok(()), // who needs to know all reads the log
            Err(RecvError::Closed) => return,
        };
        if told.is_err() {
            return;
        }
    }
}

async fn tell(to: &SignalEmitter<'_>, record: &Record) -> zbus::Result<()> {
    let request = record.request.as_deref().unwrap_or_default();
    let grant = record.grant.as_deref().unwrap_or_default();
    match record.event {
        Event::ApprovalRequested => Facts::request_filed(to, request).await,
        Event::ApprovalGiven | Event::ApprovalRefused | Event::ApprovalExpired => {
            Facts::request_answered(to, request).await
        }
        Event::GrantIssued => Facts::grant_issued(to, grant).await,
        Event::GrantExpired | Event::GrantExhausted | Event::GrantRevoked => {
            Facts::grant_ended(to, grant).await
        }
        _ => Ok(()),
    }
}

/// For questions: of users, and of connections to the bus, whose users are not known yet.
#[derive(Clone)]
struct Places {
    known: Admission,
    unknown: Admission,
}

/// What is served.
struct Facts {
    agent: Arc<Agent>,
    places: Places,
}

impl Facts {
    /// Who asks, by the bus's word, and their place. One that has no number here is nobody.
    async fn caller(&self, header: &Header<'_>, connection: &Connection) -> fdo::Result<(u32, Place)> {
        let sender = header.sender().ok_or_else(|| fdo::Error::AccessDenied("who asks?".to_owned()))?;
        let _until_known = self.places.unknown.admit(number_of(sender)).ok_or_else(too_many)?;
        let bus = "org.freedesktop.DBus";
        let answer = connection
            .call_method(
                Some(bus),
                "/org/freedesktop/DBus",
                Some(bus),
                "GetConnectionUnixUser",
                &(sender.as_str(),),
            )
            .await?;
        let uid: u32 = answer.body().deserialize()?;
        if !peer::is_user(uid) {
            return Err(fdo::Error::AccessDenied("a user from elsewhere".to_owned()));
        }
        Ok((uid, self.places.known.admit(uid).ok_or_else(too_many)?))
    }
}

/// What tells one connection to the bus from another, as far as it fits: the last number of its name, `:1.42`. Never 0, which stands
/// for root.
fn number_of(sender: &str) -> u32 {
    sender.rsplit('.').next().and_then(|number| number.parse().ok()).filter(|number| *number > 0).unwrap_or(1)
}

/// The interface: all facts are those that the caller would be shown by `jitctl … --json`.
#[interface(name = "org.jitsudo.Agent1")]
impl Facts {
    /// Live grants of the caller's; for root all. A JSON array.
    async fn grants(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<String> {
        let (uid, _place) = self.caller(&header, connection).await?;
        json(&grants::seen_by(&self.agent, uid, uid == 0))
    }

    /// Live sessions of the caller's; for root all. A JSON array.
    async fn sessions(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<String> {
        let (uid, _place) = self.caller(&header, connection).await?;
        json(&sessions::seen_by(&self.agent, uid, uid == 0))
    }

    /// Requests of the caller's and those that it may answer; for root all. A JSON array.
    async fn requests(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<String> {
        let (uid, _place) = self.caller(&header, connection).await?;
        let seen = requests::seen_by(&self.agent, uid).await;
        json(&seen.map_err(|refusal| fdo::Error::Failed(refusal.what))?)
    }

    /// Version of the package.
    #[allow(clippy::unused_self, reason = "a property is asked of an object")]
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// A request waits for approval: its id.
    #[zbus(signal)]
    async fn request_filed(to: &SignalEmitter<'_>, request: &str) -> zbus::Result<()>;

    /// Somebody answered a request, took it back, or nobody did in time: its id.
    #[zbus(signal)]
    async fn request_answered(to: &SignalEmitter<'_>, request: &str) -> zbus::Result<()>;

    /// A grant begins: its id.
    #[zbus(signal)]
    async fn grant_issued(to: &SignalEmitter<'_>, grant: &str) -> zbus::Result<()>;

    /// A grant is over: its id.
    #[zbus(signal)]
    async fn grant_ended(to: &SignalEmitter<'_>, grant: &str) -> zbus::Result<()>;
}

fn json(value: &impl Serialize) -> fdo::Result<String> {
    serde_json::to_string(value).map_err(|error| fdo::Error::Failed(error.to_string()))
}

fn too_many() -> fdo::Error {
    fdo::Error::LimitsExceeded("too many questions at a time".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    // The bus answers who asks after all questions that wait already: what was taken in before that must be little.
    #[test]
    fn of_one_connection_few_questions_are_taken_in_before_it_is_known_whose_it_is() {
        assert_eq!([":1.42", ":1.0", ":1.x", ":1.99999999999", "no name"].map(number_of), [42, 1, 1, 1, 1]);
        let places = Admission::new(UNKNOWN);
        let one: Vec<_> = std::iter::from_fn(|| places.admit(number_of(":1.42"))).collect();
        assert_eq!(one.len(), 4);
        let others = (100..).map_while(|number| places.admit(number_of(&format!(":1.{number}"))));
        assert_eq!(others.collect::<Vec<_>>().len(), 60);
    }
}
