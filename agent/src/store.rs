//! What survives a crash: grants, sessions, requests, spent nonces, and a few values, in one redb file. A change is durable once its future
//! is done. One thread of its own does the writing, so that no disk stops the event loop.

mod database;
mod writer;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use self::database::Place;
use self::writer::Writer;

/// The way to the store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    writer: mpsc::Sender<Job>,
    serial: Serial,
    failure: Failure,
}

/// Name of the value that is the head of the audit log.
pub const AUDIT_HEAD: &str = "audit_head";

/// The number of the last commit that is durable. Each commit has one more than the one before, so that a store that
/// was copied back is known by a number that is too small: whoever keeps what this says elsewhere will notice.
#[derive(Debug, Clone, Default)]
pub struct Serial(Arc<AtomicU64>);

impl Serial {
    /// The number; 0 before the very first commit.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// One that stays at this number.
    #[cfg(test)]
    pub(crate) fn at(number: u64) -> Self {
        Self(Arc::new(AtomicU64::new(number)))
    }

    fn set(&self, number: u64) {
        self.0.store(number, Ordering::Release);
    }
}

/// Why the last commit failed; none if it did not.
type Failure = Arc<Mutex<Option<String>>>;

/// Everything there was at the start.
#[derive(Debug, Default)]
pub struct Contents {
    /// By id, as JSON.
    pub grants: Vec<(String, Vec<u8>)>,
    /// By id, as JSON.
    pub sessions: Vec<(String, Vec<u8>)>,
    /// By id, as JSON.
    pub requests: Vec<(String, Vec<u8>)>,
    /// By themselves, as JSON.
    pub nonces: Vec<(String, Vec<u8>)>,
    /// By name, as JSON.
    pub values: Vec<(String, Vec<u8>)>,
    /// The number of the last commit; 0 in a new store.
    pub serial: u64,
}

impl Contents {
    /// One of the values.
    pub fn value<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let (_, json) = self.values.iter().find(|(key, _)| key == name)?;
        serde_json::from_slice(json).ok()
    }
}

/// Which of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Grants, by id.
    Grants,
    /// Sessions, by id.
    Sessions,
    /// Requests for approval, by id.
    Requests,
    /// Nonces of tokens that were spent.
    Nonces,
    /// Single values, by name.
    Values,
}

/// One change.
#[derive(Debug)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub struct Change {
    table: Table,
    key: String,
    /// None: remove it.
    value: Option<Vec<u8>>,
}

impl Change {
    /// Adds or replaces.
    ///
    /// # Errors
    /// If the value does not become JSON.
    pub fn put(table: Table, key: &str, value: &impl Serialize) -> io::Result<Self> {
        Ok(Self { table, key: key.to_owned(), value: Some(serde_json::to_vec(value)?) })
    }

    /// Removes.
    pub fn remove(table: Table, key: &str) -> Self {
        Self { table, key: key.to_owned(), value: None }
    }
}

#[derive(Default)]
struct Job {
    changes: Vec<Change>,
    /// The commit's number is to be more than this.
    beyond: u64,
    done: Option<oneshot::Sender<Result<(), String>>>,
}

impl Store {
    /// Opens the file, or makes it, and starts the thread.
    ///
    /// # Errors
    /// If it is not a file of `owner` alone, is damaged beyond repair, or another process has it open.
    pub fn open(path: &Path, owner: u32) -> io::Result<(Self, Contents)> {
        let place = Place { path: path.to_owned(), owner };
        let (database, contents) = place.open()?;
        let (sender, jobs) = mpsc::channel();
        let (serial, failure) = (Serial::default(), Failure::default());
        serial.set(contents.serial);
        let writer = Writer::new(place, database, serial.clone(), Arc::clone(&failure));
        thread::Builder::new().name("store".to_owned()).spawn(move || writer.run(&jobs))?;
        Ok((Self { writer: sender, serial, failure }, contents))
    }

    /// One whose thread has ended: every change fails.
    #[cfg(test)]
    pub(crate) fn ended() -> Self {
        Self::over(mpsc::channel().0)
    }

    /// One whose every commit fails; and what was noted, once it is gone.
    #[cfg(test)]
    pub(crate) fn failing() -> (Self, impl FnOnce() -> Vec<Change>) {
        let (writer, jobs) = mpsc::channel::<Job>();
        let work = move || {
            let mut noted = Vec::new();
            for job in jobs {
                match job.done {
                    Some(done) => _ = done.send(Err("no space".to_owned())),
                    None => noted.extend(job.changes),
                }
            }
            noted
        };
        let thread = thread::spawn(work);
        (Self::over(writer), move || thread.join().unwrap_or_default())
    }

    /// One whose thread does nothing until it is told to: then every change that waits is done.
    #[cfg(test)]
    pub(crate) fn waiting() -> (Self, impl FnOnce()) {
        let (writer, jobs) = mpsc::channel::<Job>();
        let go_on = move || jobs.try_iter().filter_map(|job| job.done).for_each(|done| _ = done.send(Ok(())));
        (Self::over(writer), go_on)
    }

    #[cfg(test)]
    fn over(writer: mpsc::Sender<Job>) -> Self {
        Self { writer, serial: Serial::default(), failure: Failure::default() }
    }

    /// Makes changes, all or none; durable when this returns.
    ///
    /// # Errors
    /// Why nothing was changed. Only what was to be removed will be, once the disk is well again.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<(), String> {
        self.submit(changes).await
    }

    /// As [`Self::commit`], but the changes take their place in the order of all when this is called, not when what it
    /// returns is waited for.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn submit(&self, changes: Vec<Change>) -> impl Future<Output = Result<(), String>> + use<> {
        self.submit_beyond(0, changes)
    }

    /// As [`Self::submit`]; this commit's number is more than `serial`, whatever the one before was.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn submit_beyond(
        &self,
        serial: u64,
        changes: Vec<Change>,
    ) -> impl Future<Output = Result<(), String>> + use<> {
        let (done, answer) = oneshot::channel();
        // Should the thread have ended, it drops the job, and with it the sender of the answer.
        let _ = self.writer.send(Job { changes, beyond: serial, done: Some(done) });
        async move { answer.await.unwrap_or_else(|_| Err("the store has ended".to_owned())) }
    }

    /// Makes a change that nobody waits for: with the next commit, or within a second. If that fails, it is made with the
    /// next one that succeeds.
    pub fn note(&self, change: Change) {
        let _ = self.writer.send(Job { changes: vec![change], beyond: 0, done: None });
    }

    /// The number of the last durable commit, as it is whenever it is asked for.
    pub fn serial(&self) -> Serial {
        self.serial.clone()
    }

    /// How the store is, for `jitctl status`.
    ///
    /// # Errors
    /// Why the last commit failed.
    pub fn state(&self) -> Result<(), String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests;
