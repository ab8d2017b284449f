//! The thread that writes: takes what waits, commits it together, tells everyone.
//!
//! A commit that fails may have reached the disk all the same. Whoever waits for it is told no, and takes back what was
//! begun; so the database must not keep it. What has to be gone, and what nobody waits for, is therefore *owed*: it is
//! part of the next commit, until one is durable.

use std::collections::BTreeMap;
use std::io;
use std::sync::{PoisonError, mpsc};
use std::time::Duration;

use redb::Database;

use super::database::{Place, apply};
use super::{Failure, Job, Serial, Table};

/// Most jobs in one commit.
const BATCH: usize = 256;
/// How long until something owed is tried again, if no other change comes before.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    place: Place,
    /// None after a failed write.
    database: Option<Database>,
    owed: BTreeMap<(Table, String), Option<Vec<u8>>>,
    serial: Serial,
    failure: Failure,
}

impl Writer {
    pub(super) fn new(place: Place, database: Database, serial: Serial, failure: Failure) -> Self {
        Self { place, database: Some(database), owed: BTreeMap::new(), serial, failure }
    }

    /// Until the last handle is gone.
    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        loop {
            let first = if self.owed.is_empty() {
                jobs.recv().ok()
            } else {
                match jobs.recv_timeout(AGAIN) {
                    Ok(job) => Some(job),
                    Err(mpsc::RecvTimeoutError::Timeout) => Some(Job::default()),
                    Err(mpsc::RecvTimeoutError::Disconnected) => None,
                }
            };
            let Some(first) = first else { break };
            let mut batch = vec![first];
            batch.extend(jobs.try_iter().take(BATCH - 1));
            self.write(batch);
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
    }
}
