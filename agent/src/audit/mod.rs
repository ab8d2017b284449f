//! The audit log as the agent writes it: a chain of lines on disk, the same events in the journal.
//!
//! ```text
//! handlers ── record ──▶ writer (a thread) ──▶ log: the file; durable, or an error   ──▶ then the answer
//!                                          └─▶ journal: journald or syslog; best effort
//! ```

mod journal;
mod log;
mod message;
mod told;
mod writer;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use jit_audit::{Event, Head, Record};
use tokio::sync::{broadcast, oneshot};

pub use self::told::Told;
use self::writer::{Asked, Job};
use crate::clock::Clock;
use crate::settings;
use crate::store::Serial;

/// The way to the audit log. Cheap to clone; the thread ends with the last clone.
#[derive(Clone)]
pub struct Audit {
    stamp: Stamp,
    status: Arc<Mutex<Status>>,
    witness: Witness,
    writer: mpsc::Sender<Job>,
    told: broadcast::Sender<Arc<Record>>,
}

/// Events that people are told of by other ways than the log.
fn is_told(event: Event) -> bool {
    matches!(
        event,
        Event::ApprovalRequested
            | Event::ApprovalGiven
            | Event::ApprovalRefused
            | Event::ApprovalExpired
            | Event::GrantIssued
            | Event::GrantExpired
            | Event::GrantExhausted
            | Event::GrantRevoked
    )
}

/// How many events wait for those that tell them; a slow one misses the oldest, and is told how many.
const WAITING: usize = 256;

/// What opening the log takes.
pub struct Setup<'a> {
    /// The file that is written; those that were set aside are beside it.
    pub path: &'a Path,
    /// Whose it must be.
    pub owner: u32,
    /// journald's socket.
    pub journal: &'a Path,
    /// The host's name.
    pub host: &'a str,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The head as the store kept it.
    pub kept: Option<Head>,
    /// What the store is at: each record says it.
    pub store: Serial,
    /// When the log is rotated, and how much of it is kept.
    pub settings: settings::Audit,
}

/// What the end of the log told of the store when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witness {
    /// The largest number of the store in it, 0 if there is none.
    pub store: u64,
    /// The log's end is the one that was kept, or goes on after that: nothing after it is missing, as far as the store
    /// knows.
    pub is_whole: bool,
}

impl Audit {
    /// Opens the log, or makes it, looks at its end and starts the thread that writes.
    ///
    /// Also what its last records told of. What a crash left there, or an end that is not the one that was kept, is told
    /// by an `audit.gap` record; if that can't be written now ([`Audit::state`]), then before the next record.
    ///
    /// # Errors
    /// If the log is not a file of `owner` alone in a folder that only `owner` can write, or can't be opened or read.
    pub fn open(setup: Setup<'_>) -> io::Result<(Self, Told)> {
        let Setup { path, owner, journal, host, clock, kept, store, settings } = setup;
        let stamp = Stamp { clock, host: host.into() };
        let mut log = log::Log::open(path, owner, kept.unwrap_or_default(), stamp.clone(), store)?;
        let (sinks, witness, told) = (journal::Sinks::new(journal)?, log.witness(), log.take_told());
        let status = Arc::new(Mutex::new(Status {
            head: log.head().clone(),
            failure: None,
            rotation: None,
            sink: sinks.probe(),
            sink_failure: None,
        }));
        let (followers, _) = broadcast::channel(WAITING);
        let mut writer =
            writer::Writer::new(log, settings, sinks, Arc::clone(&status), stamp.clone(), followers.clone());
        writer.write(Vec::new()); // what there is to say about the end of the log
        let (sender, jobs) = mpsc::channel();
        thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&jobs))?;
        Ok((Self { stamp, status, witness, writer: sender, told: followers }, told))
    }

    /// A record of an event now.
    pub fn record(&self, event: Event) -> Record {
        self.stamp.record(event)
    }

    /// Writes a record; durable when this returns.
    ///
    /// # Errors
    /// Why it is not in the log. Then it will not be written later either.
    pub async fn append(&self, record: Record) -> Result<(), String> {
        self.submit(record).await
    }

    /// As [`Self::append`], but the record takes its place in the log when this is called, not when what it returns is
    /// waited for.
    ///
    /// # Errors
    /// Why it is not in the log. Then it will not be written later either.
    pub fn submit(&self, record: Record) -> impl Future<Output = Result<(), String>> + use<> {
        let (done, answer) = oneshot::channel();
        let sent = self.send(vec![record], Some(done));
        async move {
            sent?;
            answer.await.map_err(|_| ended())?
        }
    }

    /// As [`Self::append`], for what has happened, whether there is a record of it or not: if it can't be written now, it
    /// is with the next one that can.
    ///
    /// # Errors
    /// Why it is not in the log yet.
    pub async fn append_or_note(&self, record: Record) -> Result<(), String> {
        let result = self.append(record.clone()).await;
        if result.is_err() {
            self.note(record);
        }
        result
    }

    /// Writes records, all or none, in this order and with one write; durable when this returns.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub async fn append_all(&self, records: Vec<Record>) -> Result<(), String> {
        let (done, answer) = oneshot::channel();
        self.send(records, Some(done))?;
        answer.await.map_err(|_| ended())?
    }

    /// Writes a record that nobody waits for. If that fails, it is written with the next one that succeeds.
    pub fn note(&self, record: Record) {
        if let Err(why) = self.send(vec![record], None) {
            self.status().failure = Some(why);
        }
    }

    /// Approvals and grants from now on: each once it is durable. Nobody waits for who reads this.
    pub fn follow(&self) -> broadcast::Receiver<Arc<Record>> {
        self.told.subscribe()
    }

    /// The end of the chain, as far as it is durable.
    pub fn head(&self) -> Head {
        self.status().head.clone()
    }

    /// What the log told of the store when it was opened.
    pub fn witness(&self) -> Witness {
        self.witness
    }

    /// Rotates the log; `if_due`: only if it is as large or as old as a file may be. What was done, for people.
    ///
    /// # Errors
    /// Why it was not rotated.
    pub async fn rotate(&self, if_due: bool) -> Result<String, String> {
        let (done, answer) = oneshot::channel();
        self.writer.send(Job::Rotate { if_due, done }).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// Whether records can be written, for `jitctl status`.
    ///
    /// # Errors
    /// Why the last ones could not. The next success clears it.
    pub fn state(&self) -> Result<(), String> {
        self.status().failure.clone().map_or(Ok(()), Err)
    }

    /// What is less than it should be though records are written: the log could not be rotated, or the journal did not
    /// take the last events.
    pub fn shortcoming(&self) -> Option<String> {
        let status = self.status();
        status.rotation.clone().or_else(|| status.sink_failure.clone())
    }

    /// Where the events go besides: `journald`, `syslog`, or `none`.
    pub fn sink(&self) -> &'static str {
        self.status().sink
    }

    fn send(&self, records: Vec<Record>, done: Option<writer::Done>) -> Result<(), String> {
        self.writer.send(Job::Write(Asked { records, done })).map_err(|_| ended())
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        lock(&self.status)
    }
}

fn ended() -> String {
    "the writer of the audit log has ended".to_owned()
}

/// What the writer tells the handles.
struct Status {
    head: Head,
    failure: Option<String>,
    rotation: Option<String>,
    sink: &'static str,
    sink_failure: Option<String>,
}

fn lock(status: &Mutex<Status>) -> MutexGuard<'_, Status> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When, where and on which boot: what every record says.
#[derive(Clone)]
struct Stamp {
    clock: Arc<dyn Clock>,
    host: Arc<str>,
}

impl Stamp {
    fn record(&self, event: Event) -> Record {
        Record::new(event, self.clock.now().rfc3339(), self.host.to_string(), self.clock.boot_id().to_owned())
    }
}

#[cfg(test)]
mod tests;
