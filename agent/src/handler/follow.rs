//! A session from Go to its last process, as its monitor tells it; also for monitors that found this agent anew.

use std::sync::Arc;

use jit_audit::record::{Event, Exit};
use jit_protocol::link::{ExitStatus, FromMonitor, MAX_MESSAGE, ToMonitor};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Duration, timeout};

use super::case::Case;
use crate::agent::Agent;
use crate::live::Session;
use crate::socket::Seqpacket;
use crate::store::{Change, Table};

/// How long a monitor may take to read a word of ours.
const SEND: Duration = Duration::from_secs(5);

/// The way to a monitor.
#[derive(Debug, Default)]
pub struct Link(Option<Seqpacket>);

impl Link {
    /// Over a connected socket.
    pub fn new(socket: Seqpacket) -> Self {
        Self(Some(socket))
    }

    /// The monitor's next word; none if it is gone, or says what is none.
    pub async fn receive(&mut self) -> Option<FromMonitor> {
        let mut buffer = vec![0; MAX_MESSAGE];
        let (length, _) = self.0.as_ref()?.receive_own(&mut buffer).await.ok()?;
        serde_json::from_slice(buffer.get(..length)?).ok()
    }

    /// Says something. A monitor that is gone shows in what is received next.
    pub async fn send(&mut self, message: &ToMonitor) {
        if let (Some(socket), Ok(text)) = (&self.0, serde_json::to_vec(message)) {
            let _ = timeout(SEND, socket.send(&text, &[])).await;
        }
    }
}

/// A session that runs.
pub struct Following {
    /// What is known of it.
    pub session: Session,
    /// Its monitor.
    pub link: Link,
    /// Who wants it ended says why here.
    pub end: UnboundedReceiver<String>,
    /// For the log.
    pub case: Case,
}

impl Following {
    /// Until nothing of it is left, or its monitor is gone.
    pub async fn follow(mut self, agent: &Arc<Agent>) {
        let mut told_end = false;
        loop {
            let message = tokio::select! {
                message = self.link.receive() => message,
                Some(why) = self.end.recv() => {
                    self.link.send(&ToMonitor::Terminate { why }).await;
                    continue;
                }
            };
            match message {
                Some(FromMonitor::Running { cgroup, .. }) => {
                    self.session.cgroup = Some(cgroup).filter(|path| !path.is_empty());
                    let path = self.session.cgroup.clone();
                    agent.live.change(&self.session.id, |session| session.cgroup = path);
                    // So that an agent that is started anew knows who is nested in it.
                    if let Ok(row) = Change::put(Table::Sessions, &self.session.id, &self.session) {
                        agent.store.note(row);
                    }
                }
                Some(FromMonitor::Expired) => {
                    agent.audit.note(self.case.record(agent, Event::SessionExpired));
                }
                Some(FromMonitor::Ended { status, leftover }) => {
                    told_end = true;
                    self.record_end(agent, status);
                    agent.live.change(&self.session.id, |session| session.leftover = leftover);
                }
                Some(FromMonitor::Refused { what, .. }) => {
                    told_end = true;
                    let mut record = self.case.record(agent, Event::SessionRefused);
                    record.result = Some(what);
                    agent.audit.note(record);
                }
                _ => break, // Gone; or the monitor itself is
            }
        }
        if !told_end {
            let mut record = self.case.record(agent, Event::SessionEnded);
            record.result = Some("lost: its monitor died".to_owned());
            agent.audit.note(record);
        }
        agent.live.remove(&self.session.id);
        agent.store.note(Change::remove(Table::Sessions, &self.session.id));
    }

    fn record_end(&self, agent: &Agent, status: ExitStatus) {
        let mut record = self.case.record(agent, Event::SessionEnded);
        record.exit = Some(match status {
            ExitStatus::Status(status) => Exit::Status(status),
            ExitStatus::Signal(signal) => Exit::Signal(signal),
        });
        agent.audit.note(record);
    }
}

/// A monitor of an earlier agent's calls: its session is followed from here on.
pub async fn resume(agent: Arc<Agent>, socket: Seqpacket) {
    let mut link = Link::new(socket);
    let first = timeout(SEND, link.receive()).await;
    let Ok(Some(FromMonitor::Resume { session, ended, expired })) = first else { return };
    let (end, receiver) = unbounded_channel();
    let Some(known) = agent.live.resume(&session, end) else {
        // A session that nobody knows is none that may go on.
        link.send(&ToMonitor::Terminate { why: "the agent does not know this session".to_owned() }).await;
        return;
    };
    let case = Case::of_session(&agent, &known);
    let grant_lives = agent.grants.unexpired(agent.clock.now()).iter().any(|grant| grant.id == known.grant);
    if !grant_lives && known.ends_with_grant && ended.is_none() {
        link.send(&ToMonitor::Terminate { why: "its grant has ended".to_owned() }).await;
    }
    let following = Following { session: known, link, end: receiver, case };
    if expired {
        agent.audit.note(following.case.record(&agent, Event::SessionExpired));
    }
    if let Some(status) = ended {
        following.record_end(&agent, status);
        agent.live.change(&session, |session| session.leftover = true);
        following.follow_leftover(&agent).await;
    } else {
        following.follow(&agent).await;
    }
}

impl Following {
    /// After an end that is recorded already.
    async fn follow_leftover(mut self, agent: &Arc<Agent>) {
        loop {
            tokio::select! {
                message = self.link.receive() => {
                    if matches!(message, Some(FromMonitor::Gone) | None) {
                        break;
                    }
                }
                Some(why) = self.end.recv() => self.link.send(&ToMonitor::Terminate { why }).await,
            }
        }
        agent.live.remove(&self.session.id);
        agent.store.note(Change::remove(Table::Sessions, &self.session.id));
    }
}
