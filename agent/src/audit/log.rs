//! The log on disk: records are in it whole and durable, or not at all; the chain goes on over files, and shows what
//! was lost.

mod end;
mod folder;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use jit_audit::chain::{open, seal};
use jit_audit::{Event, Gap, Head, Record, file};

use self::end::End;
use self::folder::Folder;
use super::{Stamp, Told, Witness};
use crate::settings::{self, Keep};
use crate::store::Serial;

/// What was written: records with their places in the chain.
pub(super) type Written = Vec<(Record, Head)>;

pub(super) struct Log {
    folder: Folder,
    file: File,
    /// How long the file is with our last record.
    length: u64,
    /// When its first record was made, `CLOCK_REALTIME` in nanoseconds; none while that is not known.
    since: Option<i64>,
    head: Head,
    /// What the file ends with has to be looked at before anything is written: it was opened, or a write failed.
    unsure: bool,
    stamp: Stamp,
    /// What the store is at.
    store: Serial,
    /// What the log knew of that when it was opened.
    witness: Witness,
    /// What its last records told of then.
    told: Told,
}

impl Log {
    /// Opens the file. `kept`: the head as it was kept elsewhere, number 0 if it was not.
    pub(super) fn open(path: &Path, owner: u32, kept: Head, stamp: Stamp, store: Serial) -> io::Result<Self> {
        let folder = Folder::of(path, owner);
        let (file, length, head) = (folder.open()?, 0, kept);
        let witness = Witness { store: 0, is_whole: true };
        let told = Told::default();
        let mut log =
            Self { folder, file, length, since: None, head, unsure: true, stamp, store, witness, told };
        let end = log.end()?; // a log that can't be read is an error now, not later
        log.witness = Witness { store: end.store, is_whole: end.agrees_with(&log.head) };
        log.told = end.told;
        Ok(log)
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn witness(&self) -> Witness {
        self.witness
    }

    /// Only once: nobody else needs it.
    pub(super) fn take_told(&mut self) -> Told {
        std::mem::take(&mut self.told)
    }

    /// Writes records, all or none, after those that there are to say about the log itself. Returns all that was
    /// written.
    ///
    /// # Errors
    /// Why nothing was written.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<Written> {
        self.check_place()?;
        let (mut text, mut head, mut length, mut all) =
            (String::new(), self.head.clone(), self.length, vec![]);
        if self.unsure {
            let end = self.end()?;
            text.push_str(if end.is_terminated { "" } else { "\n" });
            (length, all) = (end.length, self.remarks(&end));
            head = end.head_after(&self.head);
        }
        all.extend(records.iter().cloned());
        // Whoever says that something is durable in the store has waited for that.
        let store = Some(self.store.get().max(self.witness.store)).filter(|number| *number > 0);
        let mut written = Vec::with_capacity(all.len());
        for mut record in all {
            record.store = store;
            let (line, next) = seal(&head, record.clone())?;
            text.push_str(&line);
            text.push('\n');
            head = next.clone();
            written.push((record, next));
        }
        if !text.is_empty()
            && let Err(error) = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data())
        {
            // Half a line must not stay. Where it has to (the file may be append-only), the next append closes it.
            self.unsure |= self.file.set_len(length).is_err();
            return Err(error);
        }
        (self.head, self.length, self.unsure) = (head, length + text.len() as u64, false);
        if self.since.is_none() && self.length > 0 {
            self.since = first_time(&self.file).or(Some(self.stamp.clock.now().realtime_ns));
        }
        Ok(written)
    }

    /// The file is as large or as old as a file may be.
    pub(super) fn is_due(&self, settings: &settings::Audit) -> bool {
        let now = self.stamp.clock.now().realtime_ns;
        let age = self.since.and_then(|since| u128::try_from(now.saturating_sub(since)).ok());
        self.length > 0
            && (self.length >= settings.rotate_size
                || age.is_some_and(|age| age >= settings.rotate_age.as_nanos()))
    }

    /// Sets the file aside and goes on in a new one, whose first record says so; then removes files that are more than
    /// are kept. Returns what was written, and the name of the file that was set aside: none if there was no record.
    ///
    /// A crash at any point leaves a log that goes on: without a file one is made, and in an empty one the chain goes on
    /// from the one before.
    ///
    /// # Errors
    /// Why it was not rotated, or not to the end.
    pub(super) fn rotate(&mut self, keep: Keep) -> io::Result<(Written, Option<String>)> {
        let mut written = self.append(&[])?; // what there is to say about its end is said in the file itself
        if self.length == 0 {
            return Ok((written, None));
        }
        let last = self.head.seq;
        self.folder.set_aside(last)?;
        self.file = self.folder.open()?;
        (self.length, self.since) = (0, None);
        let all = self.folder.rotated()?;
        let (surplus, kept) = match keep {
            Keep::All => all.split_at(0),
            Keep::Files(count) => all.split_at(all.len().saturating_sub(count)),
        };
        let mut record = self.stamp.record(Event::AuditRotated);
        record.first = surplus.last().map(|last| last + 1);
        record.result = Some(format!(
            "{} ends with record {last}; {} files before this",
            file::rotated(last),
            kept.len()
        ));
        written.extend(self.append(&[record])?);
        // Not before the log says so: whoever verifies it must not miss them.
        for last in surplus {
            self.folder.remove(*last)?;
        }
        Ok((written, Some(file::rotated(last))))
    }

    /// Opens the log anew if it was moved away or removed, and looks at its end if somebody else changed that: a record
    /// must never go where nobody looks for it, nor onto half a line.
    fn check_place(&mut self) -> io::Result<()> {
        let ours = self.file.metadata()?;
        let there = fs::metadata(self.folder.path()).ok();
        if there.is_none_or(|there| (there.dev(), there.ino()) != (ours.dev(), ours.ino())) {
            self.file = self.folder.open()?;
            (self.unsure, self.since) = (true, None);
        } else if ours.len() != self.length {
            self.unsure = true;
        }
        Ok(())
    }

    /// What the log ends with: in this file or, where that has no record or begins after the one that was kept, in
    /// those that were set aside.
    fn end(&self) -> io::Result<End> {
        let kept = self.head.seq;
        let mut end = End::read(&self.file, kept)?;
        if !end.is_enough(kept) {
            let rotated = self.folder.rotated()?;
            let newest = rotated.last().filter(|_| end.last.seq == 0);
            let holder = rotated.iter().find(|last| **last >= kept && Some(*last) != newest);
            for last in newest.into_iter().chain(holder) {
                let earlier = End::read(&self.folder.open_rotated(*last)?, kept)?;
                end.add(earlier, kept, rotated.first() == Some(last));
            }
        }
        Ok(end)
    }

    /// What the log has to say about itself.
    fn remarks(&self, end: &End) -> Vec<Record> {
        let gap = |result: String, gap: Option<Gap>| {
            let mut record = self.stamp.record(Event::AuditGap);
            (record.result, record.gap) = (Some(result), gap);
            record
        };
        let mut remarks = Vec::new();
        if let Some(torn) = &end.torn {
            remarks.push(gap("the line before this one was cut short".to_owned(), Some(torn.clone())));
        } else if !end.is_sound {
            remarks.push(gap("the line before this one is not as it was written".to_owned(), None));
        }
        if !end.agrees_with(&self.head) {
            let (last, kept) = (end.last.seq, self.head.seq);
            remarks.push(if last < kept {
                gap(format!("the log ended with record {last}, but it went on to record {kept}"), None)
            } else {
                gap(format!("record {kept} is not the one that was kept"), None)
            });
        }
        remarks
    }
}

/// When the first record of a file was made; none if that can't be read.
fn first_time(file: &File) -> Option<i64> {
    let mut bytes = vec![0; 64 * 1024];
    let length = file.read_at(&mut bytes, 0).ok()?;
    let line = std::str::from_utf8(bytes.get(..length)?).ok()?.lines().next()?;
    let time: jiff::Timestamp = open(line)?.record.time.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests;
