//! The thread that writes: takes what waits, commits it together, tells everyone.
//!
//! A commit that fails may have reached the disk all the same. Whoever waits for it is told no, and takes back what was
//! begun; so the database must not keep it. What has to be gone, and what nobody waits for, is therefore *owed*: it is
//! part of the next commit, until one is durable. A commit costs an fsync, so none is made for what nobody waits for
//! alone, unless no other comes for a second.

use std::collections::BTreeMap;
use std::io;
use std::sync::{PoisonError, mpsc};
use std::time::{Duration, Instant};

use redb::Database;

use super::database::{Place, apply};
use super::{Failure, Job, Serial, Table};

/// Most jobs in one commit.
const BATCH: usize = 256;
/// How long something is owed until a commit is made, or tried again, for it alone.
const OWED: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    place: Place,
    /// None after a failed write.
    database: Option<Database>,
    owed: BTreeMap<(Table, String), Option<Vec<u8>>>,
    /// When a commit is made for what is owed.
    due: Option<Instant>,
    serial: Serial,
    failure: Failure,
}

impl Writer {
    pub(super) fn new(place: Place, database: Database, serial: Serial, failure: Failure) -> Self {
        Self { place, database: Some(database), owed: BTreeMap::new(), due: None, serial, failure }
    }

    /// Until the last handle is gone.
    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        loop {
            let first = match self.due {
                None => jobs.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
                Some(due) => jobs.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            let batch: Vec<Job> = match first {
                Ok(first) => [first].into_iter().chain(jobs.try_iter().take(BATCH - 1)).collect(),
                Err(mpsc::RecvTimeoutError::Timeout) => Vec::new(),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            };
            let is_due = self.due.is_some_and(|due| due <= Instant::now());
            if is_due || batch.iter().any(|job| job.done.is_some()) {
                self.write(batch);
            } else {
                self.owe(&batch);
            }
        }
        if !self.owed.is_empty() {
            self.write(Vec::new());
        }
    }

    /// All or none.
    fn write(&mut self, batch: Vec<Job>) {
        let result = self.commit(&batch).map_err(|error| error.to_string());
        match &result {
            Ok(()) => self.owed.clear(),
            Err(_) => self.owe(&batch),
        }
        self.due = (!self.owed.is_empty()).then(|| Instant::now() + OWED);
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = result.clone().err();
        for done in batch.into_iter().filter_map(|job| job.done) {
            let _ = done.send(result.clone());
        }
    }

    fn commit(&mut self, batch: &[Job]) -> io::Result<()> {
        let database = match self.database.take() {
            Some(database) => database,
            None => self.place.renew()?,
        };
        let owed = self.owed.iter().map(|((table, key), value)| (*table, key.as_str(), value.as_deref()));
        let changes = batch.iter().flat_map(|job| &job.changes);
        let changes = changes.map(|change| (change.table, change.key.as_str(), change.value.as_deref()));
        let beyond = batch.iter().map(|job| job.beyond).max().unwrap_or(0);
        let serial = apply(&database, &mut owed.chain(changes), beyond).map_err(io::Error::other)?;
        self.database = Some(database); // after an error it is closed, and takes nothing more
        // Before anyone is told: who writes down what follows from this commit writes down its number.
        self.serial.set(serial);
        Ok(())
    }

    fn owe(&mut self, batch: &[Job]) {
        for job in batch {
            for change in job.changes.iter().filter(|change| job.done.is_none() || change.value.is_none()) {
                self.owed.insert((change.table, change.key.clone()), change.value.clone());
            }
        }
        if self.due.is_none() && !self.owed.is_empty() {
            self.due = Some(Instant::now() + OWED);
        }
    }
}
