//! What a file of the log ends with, read backwards.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use jit_audit::chain::{open, sha256};
use jit_audit::{Gap, Head};

use crate::audit::Told;

/// How much of the end is read at first, in bytes; 16 times as much at each further try.
const TAIL: u64 = 64 * 1024;
/// How much of it is read at most.
const MOST: u64 = 256 * 1024 * 1024;

pub(super) struct End {
    /// Length of the file in bytes.
    pub(super) length: u64,
    /// The last record that is as it was written.
    pub(super) last: Head,
    /// The largest number of the store that a record tells of.
    pub(super) store: u64,
    /// What its last records tell of.
    pub(super) told: Told,
    /// What stands after the last end of line, unless that is a whole record.
    pub(super) torn: Option<Gap>,
    /// The last line that is terminated is as it was written.
    pub(super) is_sound: bool,
    /// The file ends with an end of line, or is empty.
    pub(super) is_terminated: bool,
    /// The smallest number that was seen.
    first: Option<u64>,
    /// Hashes of what has the number of the kept head.
    kept: Vec<String>,
    /// The record with that number was removed with the file that it was in, so that nothing can be compared.
    is_too_old: bool,
}

impl End {
    /// Reads backwards until the record with the kept number is seen, or one before it.
    pub(super) fn read(file: &File, kept: u64) -> io::Result<Self> {
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
            if let Some(end) = whole.map(|whole| Self::parse(whole, length, kept))
                && (from == 0 || size >= MOST || end.is_enough(kept))
            {
                return Ok(end);
            }
            if from == 0 || size >= MOST {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "its last line is too long"));
            }
            size *= 16;
        }
    }

    fn parse(bytes: &[u8], length: u64, kept: u64) -> Self {
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let rest = lines.pop().unwrap_or_default();
        let line = |line: &[u8]| std::str::from_utf8(line).ok().and_then(open);
        let mut records: Vec<_> = lines.into_iter().map(line).collect();
        let is_sound = records.last().is_none_or(Option::is_some);
        let unterminated = line(rest);
        let torn = (!rest.is_empty() && unterminated.is_none())
            .then(|| Gap { bytes: rest.len() as u64, sha256: sha256(rest) });
        records.push(unterminated);
        let mut told = Told::default();
        records.iter().flatten().for_each(|line| told.note(&line.record));
        let heads = || records.iter().flatten().map(|line| Head { seq: line.seq, hash: line.hash.clone() });
        Self {
            length,
            last: heads().max_by_key(|head| head.seq).unwrap_or_default(),
            store: records.iter().flatten().filter_map(|line| line.record.store).max().unwrap_or(0),
            told,
            torn,
            is_sound,
            is_terminated: rest.is_empty(),
            first: heads().map(|head| head.seq).min(),
            kept: heads().filter(|head| head.seq == kept).map(|head| head.hash).collect(),
            is_too_old: false,
        }
    }

    /// There is a record, and the kept one is not before all of them.
    pub(super) fn is_enough(&self, kept: u64) -> bool {
        self.first.is_some_and(|first| kept == 0 || first <= kept)
    }

    /// Adds what a file before this one ends with; `is_oldest`: there is none before that.
    pub(super) fn add(&mut self, earlier: Self, kept: u64, is_oldest: bool) {
        if self.last.seq == 0 {
            self.last = earlier.last.clone();
        }
        self.is_too_old |= is_oldest && earlier.first.is_some() && !earlier.is_enough(kept);
        self.store = self.store.max(earlier.store);
        self.told.add(earlier.told);
        self.kept.extend(earlier.kept);
    }

    /// The record that was kept is there.
    pub(super) fn agrees_with(&self, kept: &Head) -> bool {
        kept.seq == 0 || self.is_too_old || self.kept.contains(&kept.hash)
    }

    /// Where the chain goes on. If the end is not the one that was kept, then so that verification finds it: after the
    /// number that was reached, and after the hash that was kept.
    pub(super) fn head_after(&self, kept: &Head) -> Head {
        if self.agrees_with(kept) {
            return self.last.clone();
        }
        Head { seq: self.last.seq.max(kept.seq), hash: kept.hash.clone() }
    }
}
