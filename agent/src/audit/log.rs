//! The file: records are in it whole and durable, or not at all; and the chain shows what was lost.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jit_audit::chain::{open, seal, sha256};
use jit_audit::{Event, Gap, Head, Record};
use rustix::fs::{Mode, OFlags, fchmod, openat};

use super::Stamp;

/// How much of the end is read at first, in bytes; 16 times as much at each further try.
const TAIL: u64 = 64 * 1024;
/// How much of it is read at most.
const MOST: u64 = 256 * 1024 * 1024;

pub(super) struct Log {
    path: PathBuf,
    owner: u32,
    file: File,
    /// How long it is with our last record.
    length: u64,
    head: Head,
    /// What the file ends with has to be looked at before anything is written: it was opened, or a write failed.
    unsure: bool,
    stamp: Stamp,
}

impl Log {
    /// Opens the file. `kept`: the head as it was kept elsewhere, number 0 if it was not.
    pub(super) fn open(path: &Path, owner: u32, kept: Head, stamp: Stamp) -> io::Result<Self> {
        let file = open_file(path, owner)?;
        End::read(&file, kept.seq)?; // a file that can't be read is an error now, not later
        Ok(Self { path: path.to_owned(), owner, file, length: 0, head: kept, unsure: true, stamp })
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// Writes records, all or none, after those that there are to say about the log itself. Returns all that was
    /// written, with their places in the chain.
    ///
    /// # Errors
    /// Why nothing was written.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<Vec<(Record, Head)>> {
        self.check_place()?;
        let (mut text, mut head, mut length, mut all) =
            (String::new(), self.head.clone(), self.length, vec![]);
        if self.unsure {
            let end = End::read(&self.file, self.head.seq)?;
            text.push_str(if end.is_terminated { "" } else { "\n" });
            (length, all) = (end.length, self.remarks(&end));
            head = end.head_after(&self.head);
        }
        all.extend(records.iter().cloned());
        let mut written = Vec::with_capacity(all.len());
        for record in all {
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
        Ok(written)
    }

    /// Opens the log anew if it was moved away or removed, and looks at its end if somebody else changed that: a record
    /// must never go where nobody looks for it, nor onto half a line.
    fn check_place(&mut self) -> io::Result<()> {
        let ours = self.file.metadata()?;
        let there = fs::metadata(&self.path).ok();
        if there.is_none_or(|there| (there.dev(), there.ino()) != (ours.dev(), ours.ino())) {
            self.file = open_file(&self.path, self.owner)?;
            self.unsure = true;
        } else if ours.len() != self.length {
            self.unsure = true;
        }
        Ok(())
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

/// What a log ends with.
struct End {
    /// Length of the file in bytes.
    length: u64,
    /// The last record that is as it was written.
    last: Head,
    /// The record with the number of the kept head is there.
    kept: Vec<String>,
    /// The last line that is terminated is as it was written.
    is_sound: bool,
    /// The file ends with an end of line, or is empty.
    is_terminated: bool,
    /// What stands after the last end of line, unless that is a whole record.
    torn: Option<Gap>,
}

impl End {
    /// Reads backwards until the record with the kept number is seen, or one before it.
    fn read(file: &File, kept: u64) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut size = TAIL;
        loop {
            let from = length.saturating_sub(size);
            let mut bytes = vec![0; usize::try_from(length - from).map_err(io::Error::other)?];
            file.read_exact_at(&mut bytes, from)?;
            // Unless it is the file's beginning, the first line is not whole.
            let whole = match bytes.iter().position(|byte| *byte == b'\n') {
                _ if from == 0 => Some(bytes.as_slice()),
                Some(end) => bytes.get(end + 1..),
                None => None,
            };
            if let Some((end, first)) = whole.map(|whole| Self::parse(whole, length, kept))
                && (from == 0 || size >= MOST || first.is_some_and(|first| kept == 0 || first <= kept))
            {
                return Ok(end);
            }
            if from == 0 || size >= MOST {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "its last line is too long"));
            }
            size *= 16;
        }
    }

    /// Also the smallest number seen.
    fn parse(bytes: &[u8], length: u64, kept: u64) -> (Self, Option<u64>) {
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let rest = lines.pop().unwrap_or_default();
        let line = |line: &[u8]| std::str::from_utf8(line).ok().and_then(open);
        let mut records: Vec<_> = lines.into_iter().map(line).collect();
        let is_sound = records.last().is_none_or(Option::is_some);
        let unterminated = line(rest);
        let torn = (!rest.is_empty() && unterminated.is_none())
            .then(|| Gap { bytes: rest.len() as u64, sha256: sha256(rest) });
        records.push(unterminated);
        let heads = || records.iter().flatten().map(|line| Head { seq: line.seq, hash: line.hash.clone() });
        let end = Self {
            length,
            last: heads().max_by_key(|head| head.seq).unwrap_or_default(),
            kept: heads().filter(|head| head.seq == kept).map(|head| head.hash).collect(),
            is_sound,
            is_terminated: rest.is_empty(),
            torn,
        };
        let first = heads().map(|head| head.seq).min();
        (end, first)
    }

    fn agrees_with(&self, kept: &Head) -> bool {
        kept.seq == 0 || self.kept.contains(&kept.hash)
    }

    /// Where the chain goes on. If the end is not the one that was kept, then so that verification finds it: after the
    /// number that was reached, and after the hash that was kept.
    fn head_after(&self, kept: &Head) -> Head {
        if self.agrees_with(kept) {
            return self.last.clone();
        }
        Head { seq: self.last.seq.max(kept.seq), hash: kept.hash.clone() }
    }
}

/// Opens or makes the file, and its folder, through descriptors that were checked.
fn open_file(path: &Path, owner: u32) -> io::Result<File> {
    let no = |why: &str| io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", path.display()));
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(no("is not a path of a file"));
    };
    DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    let flags = i32::try_from((OFlags::DIRECTORY | OFlags::NOFOLLOW).bits()).map_err(io::Error::other)?;
    let folder = OpenOptions::new().read(true).custom_flags(flags).open(parent)?;
    let about = folder.metadata()?;
    if about.uid() != owner || about.mode() & 0o022 != 0 {
        return Err(no("is in a folder that others can write"));
    }
    // Not blocked by a FIFO that somebody put there.
    let flags = OFlags::RDWR
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::CLOEXEC
        | OFlags::NONBLOCK;
    let file = File::from(openat(&folder, name, flags, Mode::from_raw_mode(0o600))?);
    let about = file.metadata()?;
    if !about.is_file() || about.uid() != owner || about.nlink() != 1 || about.mode() & 0o022 != 0 {
        return Err(no("is not a regular file of root's alone"));
    }
    if about.mode() & 0o7777 != 0o600 {
        fchmod(&file, Mode::from_raw_mode(0o600))?;
    }
    folder.sync_all()?; // a new file is durable once its folder is
    Ok(file)
}

#[cfg(test)]
mod tests;
