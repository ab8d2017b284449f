//! Verifying a log: which line was changed, lost, swapped, inserted or cut.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::chain::{Head, Line, open, sha256};
use crate::record::Event;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line where it is seen, counted from 1 over all that was read.
    pub line: usize,
    /// What.
    pub kind: Kind,
}

/// What is wrong at a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The line is not as it was written (any byte of it).
    Changed,
    /// Records with these numbers, the last one included, stand nowhere; seen at the line after them.
    Lost(u64, u64),
    /// The record stands at another place than it was written to.
    Swapped(u64),
    /// The record stands there a second time, or is of another chain.
    Inserted(u64),
    /// The end is missing: the log should go on to this number.
    Cut(u64),
    /// The record with the head's number is another one than was kept: the end was written anew.
    Rewritten(u64),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line;
        match self.kind {
            Kind::Changed => write!(f, "line {line}: changed, it is not as it was written"),
            Kind::Lost(first, last) if first == last => {
                write!(f, "line {line}: record {first} before it is lost")
            }
            Kind::Lost(first, last) => write!(f, "line {line}: records {first} to {last} before it are lost"),
            Kind::Swapped(seq) => write!(f, "line {line}: swapped, record {seq} does not belong here"),
            Kind::Inserted(seq) => {
                write!(f, "line {line}: inserted, record {seq} is not of this chain or stands here twice")
            }
            Kind::Cut(seq) => write!(f, "after line {line}: cut, the log went on to record {seq}"),
            Kind::Rewritten(seq) => {
                write!(f, "line {line}: rewritten, record {seq} is not the one whose hash was kept")
            }
        }
    }
}

/// What a log is worth.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Records that are as they were written.
    pub records: u64,
    /// Lines torn by a crash, each closed by an `audit.gap` record: told, but not held against the log.
    pub gaps: u64,
    /// What is wrong, by line.
    pub findings: Vec<Finding>,
    /// The end of the chain.
    pub head: Head,
    /// The number of the first record, 0 if there is none: more than 1 where old files were removed, and the log says so.
    pub first: u64,
}

impl Report {
    /// Nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Takes a log line by line, oldest first, and reports at the end.
#[derive(Debug, Default)]
pub struct Verifier {
    /// One entry for each line: the record if it is as it was written, else what is needed to recognise a torn one.
    lines: Vec<Result<Link, Torn>>,
}

/// What verification needs of a record.
#[derive(Debug)]
struct Link {
    seq: u64,
    prev: String,
    hash: String,
    gap: Option<(u64, String)>,
    /// What an `audit.rotated` says is the oldest record that is kept.
    first: Option<u64>,
}

#[derive(Debug)]
struct Torn {
    bytes: u64,
    sha256: String,
}

impl Verifier {
    /// Takes the next line, without its end of line; bytes, for a torn one may be anything.
    pub fn push(&mut self, line: &[u8]) {
        let parsed = std::str::from_utf8(line).ok().and_then(open);
        self.lines
            .push(parsed.map(link).ok_or_else(|| Torn { bytes: line.len() as u64, sha256: sha256(line) }));
    }

    /// Reports. `first`: the number that the log must begin with (1 for a whole one), if that is known; where old files
    /// were removed, the log itself says from which number on it is kept. `kept`: the head that the store or the journal kept: with it a cut or rewritten end is found as well.
    pub fn finish(self, first: Option<u64>, kept: Option<&Head>) -> Report {
        let mut report = Report::default();
        let chain = self.chain(&mut report.findings);
        let in_place = in_place(&chain, &self.lines);
        let removed = chain.iter().filter_map(|at| self.link(*at)?.first).max().unwrap_or(0);
        let mut before: Option<u64> = first.map(|seq| seq.max(removed).saturating_sub(1));
        let mut changed = 0; // lines since the last record in place that are not as they were written
        let numbers: BTreeSet<u64> = chain.iter().filter_map(|at| Some(self.link(*at)?.seq)).collect();
        for (at, entry) in self.lines.iter().enumerate() {
            let line = at + 1;
            match entry {
                Err(_) if self.is_closed_gap(at) => report.gaps += 1,
                Err(_) => {
                    report.findings.push(Finding { line, kind: Kind::Changed });
                    changed += 1;
                }
                Ok(link) if in_place.contains(&at) => {
                    if let Some(before) = before {
                        let lost: Vec<u64> = (before + 1..link.seq)
                            .filter(|seq| !numbers.contains(seq))
                            .skip(changed)
                            .collect();
                        if let (Some(first), Some(last)) = (lost.first(), lost.last()) {
                            report.findings.push(Finding { line, kind: Kind::Lost(*first, *last) });
                        }
                    }
                    (before, changed) = (Some(link.seq), 0);
                    report.first = if report.first == 0 { link.seq } else { report.first };
                    report.head = Head { seq: link.seq, hash: link.hash.clone() };
                    report.records += 1;
                }
                Ok(link) if chain.contains(&at) => {
                    report.findings.push(Finding { line, kind: Kind::Swapped(link.seq) });
                    report.records += 1;
                }
                Ok(_) => {} // inserted, and reported as such
            }
        }
        self.compare_with(kept, changed as u64, &mut report);
        report.findings.sort_by_key(|finding| finding.line);
        report
    }

    fn link(&self, at: usize) -> Option<&Link> {
        self.lines.get(at).and_then(|entry| entry.as_ref().ok())
    }

    /// The lines that make up the chain, one for each number; the others are reported as inserted.
    fn chain(&self, findings: &mut Vec<Finding>) -> BTreeSet<usize> {
        let mut by_number: BTreeMap<u64, Vec<(usize, &Link)>> = BTreeMap::new();
        for (at, entry) in self.lines.iter().enumerate() {
            if let Ok(link) = entry {
                by_number.entry(link.seq).or_default().push((at, link));
            }
        }
        let mut chain = BTreeSet::new();
        let mut before: Option<(u64, &str)> = None;
        for (seq, candidates) in &by_number {
            let follows = |link: &Link| match before {
                Some((number, hash)) if number + 1 == *seq => link.prev == hash,
                _ => true,
            };
            let next = by_number.get(&(seq + 1)).map(Vec::as_slice).unwrap_or_default();
            let leads_on =
                |link: &Link| next.is_empty() || next.iter().any(|(_, next)| next.prev == link.hash);
            let genuine = candidates
                .iter()
                .find(|(_, link)| follows(link) && leads_on(link))
                .or_else(|| candidates.iter().find(|(_, link)| follows(link)));
            for (at, _) in candidates {
                if genuine.is_none_or(|(place, _)| place != at) {
                    findings.push(Finding { line: at + 1, kind: Kind::Inserted(*seq) });
                }
            }
            before = genuine.map(|(at, link)| {
                chain.insert(*at);
                (*seq, link.hash.as_str())
            });
        }
        chain
    }

    /// A torn line is closed by the gap record right after it, which says what it found.
    fn is_closed_gap(&self, at: usize) -> bool {
        let (Some(Err(torn)), Some(Ok(next))) = (self.lines.get(at), self.lines.get(at + 1)) else {
            return false;
        };
        next.gap.as_ref().is_some_and(|(bytes, sha256)| *bytes == torn.bytes && *sha256 == torn.sha256)
    }

    fn compare_with(&self, kept: Option<&Head>, changed: u64, report: &mut Report) {
        let Some(kept) = kept.filter(|kept| kept.seq > 0) else { return };
        let sound =
            || self.lines.iter().enumerate().filter_map(|(at, entry)| Some((at, entry.as_ref().ok()?)));
        let largest = sound().map(|(_, link)| link.seq).max().unwrap_or(0);
        if largest + changed < kept.seq {
            report.findings.push(Finding { line: self.lines.len(), kind: Kind::Cut(kept.seq) });
        } else if !sound().any(|(_, link)| link.seq == kept.seq && link.hash == kept.hash)
            && let Some((at, _)) = sound().find(|(_, link)| link.seq == kept.seq)
        {
            report.findings.push(Finding { line: at + 1, kind: Kind::Rewritten(kept.seq) });
        }
    }
}

/// The lines of the chain that stand in order: the longest run of growing numbers, so that of a line that was moved
/// only that line is named.
fn in_place(chain: &BTreeSet<usize>, lines: &[Result<Link, Torn>]) -> BTreeSet<usize> {
    let numbered: Vec<(usize, u64)> =
        chain.iter().filter_map(|at| lines.get(*at)?.as_ref().ok().map(|link| (*at, link.seq))).collect();
    // Patience sorting: `ends` holds, for each length of a run, the index of its smallest possible last number.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(numbered.len());
    let number = |index: usize| numbered.get(index).map_or(0, |(_, seq)| *seq);
    for (index, (_, seq)) in numbered.iter().enumerate() {
        let length = ends.partition_point(|end| number(*end) < *seq);
        before.push(length.checked_sub(1).and_then(|shorter| ends.get(shorter).copied()));
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut run = BTreeSet::new();
    let mut next = ends.last().copied();
    while let Some(index) = next {
        run.extend(numbered.get(index).map(|(at, _)| *at));
        next = before.get(index).copied().flatten();
    }
    run
}

fn link(line: Line) -> Link {
    let Line { seq, record, prev, hash } = line;
    let gap = record.gap.filter(|_| record.event == Event::AuditGap).map(|gap| (gap.bytes, gap.sha256));
    let first = record.first.filter(|_| record.event == Event::AuditRotated);
    Link { seq, prev, hash, gap, first }
}

#[cfg(test)]
mod tests;
