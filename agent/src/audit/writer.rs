//! The thread that writes: takes what waits, writes it together, tells the journal, answers everyone.

use std::sync::{Arc, Mutex, mpsc};

use jit_audit::{Event, Record};
use tokio::sync::oneshot;

use super::journal::Sinks;
use super::log::Log;
use super::message::Entry;
use super::{Stamp, Status, lock};

/// Most records in one write.
const BATCH: usize = 256;
/// Most records kept in memory while the log can't be written; beyond that they are counted.
const BACKLOG: usize = 4096;
/// How often the head goes to the journal as a line of its own, in records.
const HEAD_EVERY: u64 = 1000;

/// Where the answer to one job goes.
pub(super) type Done = oneshot::Sender<Result<(), String>>;

/// Records to write together.
pub(super) struct Job {
    pub(super) records: Vec<Record>,
    /// None: nobody waits.
    pub(super) done: Option<Done>,
}

pub(super) struct Writer {
    log: Log,
    sinks: Sinks,
    status: Arc<Mutex<Status>>,
    stamp: Stamp,
    /// Records that nobody waited for and that could not be written.
    backlog: Vec<Record>,
    /// How many more there were.
    lost: u64,
    /// Records since the head went to the journal.
    since_head: u64,
}

impl Writer {
    pub(super) fn new(log: Log, sinks: Sinks, status: Arc<Mutex<Status>>, stamp: Stamp) -> Self {
        Self { log, sinks, status, stamp, backlog: Vec::new(), lost: 0, since_head: 0 }
    }

    /// Until the last handle is gone.
    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut batch = vec![first];
            batch.extend(jobs.try_iter().take(BATCH - 1));
            self.write(batch);
        }
        if !self.backlog.is_empty() || self.lost > 0 {
            self.write(Vec::new());
        }
        if self.since_head > 0 {
            self.tell_head();
        }
    }

    /// Writes all or none.
    pub(super) fn write(&mut self, batch: Vec<Job>) {
        let mut records = self.backlog.clone();
        if self.lost > 0 {
            let mut gap = self.stamp.record(Event::AuditGap);
            gap.count = Some(self.lost);
            gap.result = Some("records are lost, for the log could not be written".to_owned());
            records.push(gap);
        }
        records.extend(batch.iter().flat_map(|job| job.records.iter().cloned()));
        match self.log.append(&records) {
            Ok(written) => {
                (self.backlog, self.lost) = (Vec::new(), 0);
                let mut status = lock(&self.status);
                (status.head, status.failure) = (self.log.head().clone(), None);
                drop(status);
                // First those who wait: the journal may take its time.
                for done in batch.into_iter().filter_map(|job| job.done) {
                    let _ = done.send(Ok(()));
                }
                for (record, head) in &written {
                    self.tell(&Entry::of_record(record, head));
                    self.since_head += 1;
                    if record.event == Event::AgentStopped || self.since_head >= HEAD_EVERY {
                        self.tell_head();
                    }
                }
            }
            Err(error) => {
                let why = format!("the audit log could not be written: {error}");
                let known = lock(&self.status).failure.replace(why.clone()).is_some();
                if !known {
                    self.tell(&Entry::of_failure(&why));
                }
                self.put_off(batch, &why);
            }
        }
    }

    /// Those who wait are told; the other records stay for later.
    fn put_off(&mut self, batch: Vec<Job>, why: &str) {
        for job in batch {
            match job.done {
                Some(done) => drop(done.send(Err(why.to_owned()))),
                None if self.backlog.len() < BACKLOG => self.backlog.extend(job.records),
                None => self.lost += job.records.len() as u64,
            }
        }
    }

    fn tell_head(&mut self) {
        self.since_head = 0;
        self.tell(&Entry::of_head(self.log.head()));
    }

    fn tell(&mut self, entry: &Entry) {
        let sent = self.sinks.send(entry);
        let mut status = lock(&self.status);
        match sent {
            Ok(sink) => (status.sink, status.sink_failure) = (sink, None),
            Err(error) => status.sink_failure = Some(format!("the journal does not take records: {error}")),
        }
    }
}
