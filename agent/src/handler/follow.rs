//! A session from Go to its last process, as its monitor tells it; also for monitors that found this agent anew.

use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
use std::sync::Arc;

use jit_audit::record::{Event, Exit, Record};
use jit_protocol::escape;
use jit_protocol::link::{ExitStatus, FromMonitor, MAX_MESSAGE, ToMonitor};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};

use super::case::{Case, cut_text};
use crate::agent::Agent;
use crate::clock::Moment;
use crate::grants::Taken;
use crate::live::Session;
use crate::socket::Seqpacket;
use crate::store::{Change, Table};

/// How long a monitor may take to read a word of ours.
const SEND: Duration = Duration::from_secs(5);

/// Most bytes of a cgroup's path in a record.
const MOST_SHOWN: usize = 512;

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
        let (message, _) = self.0.as_ref()?.receive_own(MAX_MESSAGE).await.ok()?;
        serde_json::from_slice(&message).ok()
    }

    /// Says something. A monitor that is gone shows in what is received next, after its last words. One that cannot be
    /// told is as good as gone, and to it this shows as an agent that is: it does not wait for a word that will not come.
    pub async fn send(&mut self, message: &ToMonitor) {
        let (Some(socket), Ok(text)) = (&self.0, serde_json::to_vec(message)) else { return };
        match timeout(SEND, socket.send(&text, &[])).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) if matches!(error.kind(), BrokenPipe | ConnectionReset) => {}
            _ => self.0 = None,
        }
    }
}

/// What happens once PAM accepts the account, or does not.
pub struct Starting {
    /// The use that the session begins with: given back if it does not.
    pub taken: Taken,
    /// Whose right password was given, and when: a record is made of that.
    pub authenticated: Option<(u32, Moment)>,
}

/// A session that runs.
pub struct Following {
    /// What is known of it.
    session: Session,
    /// Its monitor.
    link: Link,
    /// Who wants it ended says why here.
    end: UnboundedReceiver<String>,
    /// For the log.
    case: Case,
    /// Until PAM accepts the account.
    starting: Option<Box<Starting>>,
    /// What is on its way to log and store.
    recording: Option<JoinHandle<()>>,
}

impl Following {
    /// A session whose monitor has heard Go, or has called. `end`: who wants it ended says why.
    pub fn new(
        session: Session,
        link: Link,
        end: UnboundedReceiver<String>,
        case: Case,
        starting: Option<Box<Starting>>,
    ) -> Self {
        Self { session, link, end, case, starting, recording: None }
    }

    /// Until nothing of it is left, or its monitor is gone.
    pub async fn follow(mut self, agent: &Arc<Agent>) {
        loop {
            let message = tokio::select! {
                message = self.link.receive() => message,
                Some(why) = self.end.recv() => {
                    self.link.send(&ToMonitor::Terminate { why }).await;
                    continue;
                }
            };
            match message {
                Some(FromMonitor::Accepted) => self.accepted(agent),
                Some(FromMonitor::Running { cgroup, .. }) => {
                    self.session.cgroup = Some(cgroup).filter(|path| !path.is_empty());
                    let path = self.session.cgroup.clone();
                    agent.live.change(&self.session.id, |session| {
                        session.cgroup = path;
                        session.starting = false;
                    });
                    // So that an agent that is started anew knows who is nested in it.
                    self.keep(agent, None);
                }
                Some(FromMonitor::Outside { pid, name, cgroup }) => {
                    let mut record = self.case.record(agent, Event::ElevationOutside);
                    let (name, cgroup) = (escape(name.as_bytes()), escape(cgroup.as_bytes()));
                    let cgroup = cut_text(&cgroup, MOST_SHOWN);
                    record.result = Some(format!("process {pid} ({name}) is in the cgroup {cgroup}"));
                    agent.audit.note(record);
                }
                Some(FromMonitor::Expired) => self.expired(agent),
                Some(FromMonitor::Ended { status, leftover }) => {
                    self.ended(agent, status);
                    agent.live.change(&self.session.id, |session| session.leftover = leftover);
                }
                Some(FromMonitor::Refused { what, .. }) => {
                    let mut record = self.case.record(agent, Event::SessionRefused);
                    record.result = Some(what);
                    self.session.ended = true;
                    self.keep(agent, Some(record));
                }
                _ => break, // Gone; or the monitor itself is
            }
        }
        self.finish(agent).await;
    }

    /// What it begins with counts for others from here on.
    pub fn accepted(&mut self, agent: &Agent) {
        let Some(starting) = self.starting.take() else { return };
        let Starting { taken, authenticated } = *starting;
        if taken.grant.uses_left == Some(0) {
            agent.audit.note(self.case.record(agent, Event::GrantExhausted));
        }
        if let Some((whose, at)) = authenticated {
            agent.records.add(self.session.uid, self.session.keys.terminal(), whose, at);
        }
        agent.grants.share(&taken.grant.id, agent.clock.now());
    }

    fn expired(&mut self, agent: &Arc<Agent>) {
        if !self.session.expired {
            self.session.expired = true;
            self.keep(agent, Some(self.case.record(agent, Event::SessionExpired)));
        }
    }

    fn ended(&mut self, agent: &Arc<Agent>, status: ExitStatus) {
        if !self.session.ended {
            let mut record = self.case.record(agent, Event::SessionEnded);
            record.exit = Some(match status {
                ExitStatus::Status(status) => Exit::Status(status),
                ExitStatus::Signal(signal) => Exit::Signal(signal),
            });
            self.session.ended = true;
            self.keep(agent, Some(record));
        }
    }

    /// Nothing of it is left.
    async fn finish(mut self, agent: &Arc<Agent>) {
        agent.live.remove(&self.session.id);
        let lost = (!self.session.ended).then(|| {
            let mut record = self.case.record(agent, Event::SessionEnded);
            record.result = Some("lost: its monitor died".to_owned());
            record
        });
        self.then(agent, lost, Change::remove(Table::Sessions, &self.session.id));
        if let Some(starting) = self.starting.take() {
            agent.denials.count(self.session.uid, agent.clock.now());
            if agent.grants.give_back(&starting.taken) {
                let mut record = agent.grant_record(Event::GrantRevoked, &starting.taken.grant);
                record.result = Some("nothing began on it".to_owned());
                agent.audit.note(record);
            }
        }
        if let Some(recording) = self.recording {
            let _ = recording.await; // it does not panic
        }
    }

    /// Keeps what is known for the next agent.
    fn keep(&mut self, agent: &Arc<Agent>, record: Option<Record>) {
        if let Ok(row) = Change::put(Table::Sessions, &self.session.id, &self.session) {
            self.then(agent, record, row);
        }
    }

    /// Tells the store once the log has it: a monitor says to the next agent what happened so far, which must be
    /// recorded then if it is not yet, and only then. Nobody waits for it here: who wants the session to end must be
    /// heard, however slow the log is.
    fn then(&mut self, agent: &Arc<Agent>, record: Option<Record>, row: Change) {
        let written = record.map(|record| (agent.audit.submit(record.clone()), record));
        let (before, agent) = (self.recording.take(), Arc::clone(agent));
        self.recording = Some(tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await; // it does not panic
            }
            if let Some((durable, record)) = written
                && durable.await.is_err()
            {
                return agent.audit.note(record); // by this agent when there is room, or by the next
            }
            agent.store.note(row);
        }));
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
    // It counts among its user's, even if there were no place for it any more.
    let _place = agent.session_places.admit(known.uid);
    let case = Case::of_session(&agent, &known);
    let now = agent.clock.now();
    let grant_lives = agent.grants.get(&known.grant).is_some_and(|grant| !now.is_past(grant.expires));
    if !grant_lives && known.ends_with_grant && ended.is_none() {
        link.send(&ToMonitor::Terminate { why: "its grant has ended".to_owned() }).await;
    }
    let mut following = Following::new(known, link, receiver, case, None);
    if expired {
        following.expired(&agent);
    }
    if let Some(status) = ended {
        following.ended(&agent, status);
        agent.live.change(&session, |session| session.leftover = true);
    }
    following.follow(&agent).await;
}
