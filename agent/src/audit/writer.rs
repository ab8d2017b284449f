//! The thread that writes: takes what waits, writes it together, tells the journal, answers everyone.

use std::io;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use jit_audit::{Event, Record};
use tokio::sync::{broadcast, oneshot};

use super::journal::Sinks;
use super::log::{Log, Written};
use super::message::Entry;
use super::{Stamp, Status, lock};
use crate::settings;

/// Most jobs in one write.
const BATCH: usize = 256;
/// Most records kept in memory while the log can't be written; beyond that they are counted.
const BACKLOG: usize = 4096;
/// How often the head goes to the journal as a line of its own, in records.
const HEAD_EVERY: u64 = 1000;

/// How long until a write that failed is tried again, if there is nothing else to write before.
const AGAIN: Duration = Duration::from_secs(1);

/// Where the answer to one job goes.
pub(super) type Done = oneshot::Sender<Result<(), String>>;

/// What the thread is asked for.
pub(super) enum Job {
    /// To write records.
    Write(Asked),
    /// To rotate the log; `if_due`: only if it is large or old enough. The answer is for people.
    Rotate { if_due: bool, done: oneshot::Sender<Result<String, String>> },
}

/// Records to write together.
pub(super) struct Asked {
    pub(super) records: Vec<Record>,
    /// None: nobody waits.
    pub(super) done: Option<Done>,
}

pub(super) struct Writer {
    log: Log,
    settings: settings::Audit,
    sinks: Sinks,
    status: Arc<Mutex<Status>>,
    stamp: Stamp,
    followers: broadcast::Sender<Arc<Record>>,
    /// Why the last write failed: the next one that succeeds says so.
    failed: Option<String>,
    /// Records that nobody waited for and that could not be written.
    backlog: Vec<Record>,
    /// How many more there were.
    lost: u64,
    /// Records since the head went to the journal.
    since_head: u64,
}

impl Writer {
    pub(super) fn new(
        log: Log,
        settings: settings::Audit,
        sinks: Sinks,
        status: Arc<Mutex<Status>>,
        stamp: Stamp,
        followers: broadcast::Sender<Arc<Record>>,
    ) -> Self {
        Self {
            log,
            settings,
            sinks,
            status,
            stamp,
            followers,
            failed: None,
            backlog: Vec::new(),
            lost: 0,
            since_head: 0,
        }
    }

    /// Until the last handle is gone.
    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        loop {
            // There may be room again: nobody has to ask for a command first.
            let first = if self.failed.is_some() {
                jobs.recv_timeout(AGAIN)
            } else {
                jobs.recv().map_err(mpsc::RecvTimeoutError::from)
            };
            let first = match first {
                Ok(job) => Some(job),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            };
            let mut batch = Vec::new();
            for job in first.into_iter().chain(jobs.try_iter().take(BATCH - 1)) {
                match job {
                    Job::Write(asked) => batch.push(asked),
                    Job::Rotate { if_due, done } => {
                        self.write(std::mem::take(&mut batch)); // it came before: in the file that is set aside
                        let _ = done.send(self.rotate(if_due)); // one that left does not want it
                    }
                }
            }
            if self.log.is_due(&self.settings) {
                let _ = self.rotate(false); // shows in the status; what follows has a file all the same, or fails
            }
            self.write(batch);
        }
        if self.failed.is_some() {
            self.write(Vec::new());
        }
        if self.since_head > 0 {
            self.tell_head();
        }
    }

    /// Rotates the log; what was done.
    fn rotate(&mut self, if_due: bool) -> Result<String, String> {
        if if_due && !self.log.is_due(&self.settings) {
            return Ok("the audit log is not due".to_owned());
        }
        let rotated = self.log.rotate(self.settings.keep);
        let mut status = lock(&self.status);
        status.head = self.log.head().clone();
        status.rotation = rotated
            .as_ref()
            .err()
            .map(|error| format!("the audit log could not be rotated: {}", plain(error)));
        let failure = status.rotation.clone();
        drop(status);
        match rotated {
            Ok((written, name)) => {
                self.tell_all(&written);
                let none = || "there is nothing to rotate: the audit log has no record".to_owned();
                Ok(name.map_or_else(none, |name| {
                    format!("the audit log was rotated: what was in it is in {name}")
                }))
            }
            Err(_) => Err(failure.unwrap_or_default()),
        }
    }

    /// Writes all or none.
    pub(super) fn write(&mut self, batch: Vec<Asked>) {
        let mut records = Vec::with_capacity(batch.len());
        if let Some(why) = &self.failed {
            let mut gap = self.stamp.record(Event::AuditGap);
            gap.count = Some(self.lost).filter(|lost| *lost > 0);
            let lost = if self.lost > 0 { "; records are lost" } else { "" };
            gap.result = Some(format!("the log could not be written for a while: {why}{lost}"));
            records.push(gap);
        }
        records.extend(self.backlog.iter().cloned());
        records.extend(batch.iter().flat_map(|asked| asked.records.iter().cloned()));
        match self.log.append(&records) {
            Ok(written) => {
                (self.failed, self.backlog, self.lost) = (None, Vec::new(), 0);
                let mut status = lock(&self.status);
                (status.head, status.failure) = (self.log.head().clone(), None);
                drop(status);
                // First those who wait: the journal may take its time.
                for done in batch.into_iter().filter_map(|asked| asked.done) {
                    let _ = done.send(Ok(()));
                }
                self.tell_all(&written);
            }
            Err(error) => {
                let words = plain(&error);
                let why = format!("the audit log could not be written: {words}");
                self.failed = Some(words);
                let known = lock(&self.status).failure.replace(why.clone()).is_some();
                if !known {
                    self.tell(&Entry::of_failure(&why));
                }
                self.put_off(batch, &why);
            }
        }
    }

    /// Those who wait are told; the other records stay for later.
    fn put_off(&mut self, batch: Vec<Asked>, why: &str) {
        for asked in batch {
            match asked.done {
                Some(done) => drop(done.send(Err(why.to_owned()))),
                None if self.backlog.len() < BACKLOG => self.backlog.extend(asked.records),
                None => self.lost += asked.records.len() as u64,
            }
        }
    }

    fn tell_all(&mut self, written: &Written) {
        // Before the journal, which may take its time.
        for (record, _) in written.iter().filter(|(record, _)| super::is_told(record.event)) {
            let _ = self.followers.send(Arc::new(record.clone())); // there may be none
        }
        for (record, head) in written {
            self.tell(&Entry::of_record(record, head));
            self.since_head += 1;
            if record.event == Event::AgentStopped || self.since_head >= HEAD_EVERY {
                self.tell_head();
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

/// The system's words, without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(words, _)| words.to_owned())
}
