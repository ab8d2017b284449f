use proptest::prelude::*;

use super::*;
use crate::chain::seal;
use crate::record::{Gap, Record};

/// A sound log of `count` records, and its head.
fn log(count: usize, host: &str) -> (Vec<String>, Head) {
    let mut head = Head::default();
    let lines = (0..count).map(|at| {
        let mut record =
            Record::new(Event::GrantUsed, "2026-01-01T00:00:00Z".into(), host.into(), "boot".into());
        record.grant = Some(format!("grant {at}"));
        let (line, next) = seal(&head, record).unwrap();
        head = next;
        line
    });
    (lines.collect(), head)
}

fn verify(lines: &[String], head: Option<&Head>) -> Report {
    let mut verifier = Verifier::default();
    for line in lines {
        verifier.push(line.as_bytes());
    }
    verifier.finish(Some(1), head)
}

fn findings(lines: &[String], head: &Head) -> Vec<(usize, Kind)> {
    verify(lines, Some(head)).findings.into_iter().map(|finding| (finding.line, finding.kind)).collect()
}

#[test]
fn a_sound_log_has_no_findings() {
    for count in [0, 1, 2, 50] {
        let (lines, head) = log(count, "host");
        let report = verify(&lines, Some(&head));
        assert!(report.is_sound(), "{:?}", report.findings);
        assert_eq!((report.records, &report.head), (count as u64, &head));
        assert!(verify(&lines, None).is_sound());
    }
}

// "`audit verify` finds each changed, lost, swapped, inserted or cut line"
#[test]
fn each_tampering_is_found_and_named() {
    let (sound, head) = log(10, "host");
    let edit = |edit: &dyn Fn(&mut Vec<String>)| {
        let mut lines = sound.clone();
        edit(&mut lines);
        findings(&lines, &head)
    };
    assert_eq!(edit(&|lines| lines[4] = lines[4].replace("grant 4", "grant 5")), [(5, Kind::Changed)]);
    assert_eq!(edit(&|lines| lines[9] = lines[9].replace("grant 9", "grant 5")), [(10, Kind::Changed)]);
    assert_eq!(edit(&|lines| lines[0].push(' ')), [(1, Kind::Changed)]);
    assert_eq!(edit(&|lines| drop(lines.remove(4))), [(5, Kind::Lost(5, 5))]);
    assert_eq!(edit(&|lines| drop(lines.drain(3..6))), [(4, Kind::Lost(4, 6))]);
    assert_eq!(edit(&|lines| drop(lines.remove(0))), [(1, Kind::Lost(1, 1))]);
    assert_eq!(edit(&|lines| lines.swap(4, 5)).len(), 1);
    assert!(matches!(edit(&|lines| lines.swap(4, 5))[0], (5 | 6, Kind::Swapped(5 | 6))));
    assert_eq!(edit(&|lines| lines.swap(2, 7)), [(3, Kind::Swapped(8)), (8, Kind::Swapped(3))]);
    assert_eq!(
        edit(&|lines| {
            let first = lines.remove(0);
            lines.push(first);
        }),
        [(10, Kind::Swapped(1))]
    );
    assert_eq!(edit(&|lines| lines.insert(6, lines[2].clone())), [(7, Kind::Inserted(3))]);
    assert_eq!(edit(&|lines| lines.insert(3, lines[3].clone())), [(5, Kind::Inserted(4))]);
    assert_eq!(edit(&|lines| lines.insert(3, "{}".into())), [(4, Kind::Changed)]);
    assert_eq!(edit(&|lines| lines.insert(3, String::new())), [(4, Kind::Changed)]);
    assert_eq!(edit(&|lines| lines.truncate(8)), [(8, Kind::Cut(10))]);
    assert_eq!(edit(&|lines| lines.clear()), [(0, Kind::Cut(10))]);
    assert_eq!(edit(&|lines| lines[9].truncate(40)), [(10, Kind::Changed)], "cut inside a line");
}

#[test]
fn two_chains_cannot_be_spliced() {
    let (ours, head) = log(6, "host");
    let (theirs, _) = log(6, "other");
    let mut spliced = ours[..3].to_vec();
    spliced.extend_from_slice(&theirs[3..]);
    assert!(!verify(&spliced, None).is_sound());
    assert!(!verify(&spliced, Some(&head)).is_sound());
    let mut replaced = ours.clone();
    replaced[2].clone_from(&theirs[2]);
    assert!(!verify(&replaced, None).is_sound());
}

// "the head (seq, hash) is kept in the store and sent to the journal, which is how `verify` finds a cut tail"
#[test]
fn an_end_that_was_written_anew_is_found_by_the_kept_head() {
    let (ours, head) = log(6, "host");
    let (theirs, _) = log(6, "other");
    assert!(verify(&theirs, None).is_sound(), "a whole new log is sound in itself");
    assert_eq!(findings(&theirs, &head), [(6, Kind::Rewritten(6))]);
    let kept = Head { seq: 4, ..Head::default() };
    assert_eq!(findings(&ours, &kept), [(4, Kind::Rewritten(4))]);
}

#[test]
fn a_log_may_be_longer_than_the_kept_head() {
    let (short, head) = log(4, "host");
    let (long, _) = log(9, "host");
    assert_eq!(short[..], long[..4]);
    assert!(verify(&long, Some(&head)).is_sound());
}

// "torn last line closed by an audit.gap record"
#[test]
fn a_torn_line_is_no_finding_if_the_gap_record_after_it_tells_of_it() {
    let (mut lines, head) = log(5, "host");
    let torn = lines[4][..30].to_owned();
    let mut record =
        Record::new(Event::AuditGap, "2026-01-01T00:00:00Z".into(), "host".into(), "boot".into());
    record.gap = Some(Gap { bytes: torn.len() as u64, sha256: sha256(torn.as_bytes()) });
    let (gap, _) = seal(&head, record).unwrap();
    lines.push(torn.clone());
    lines.push(gap);
    let report = verify(&lines, Some(&head));
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!(report.gaps, 1);
    lines[5].push('x');
    assert_eq!(findings(&lines, &head), [(6, Kind::Changed)], "another torn line than was found");
}

/// A log of ten records, then one that says from which on it is kept.
fn rotated(first: u64) -> (Vec<String>, Head) {
    let (mut lines, head) = log(10, "host");
    let mut record =
        Record::new(Event::AuditRotated, "2026-01-01T00:00:00Z".into(), "host".into(), "boot".into());
    record.first = Some(first);
    let (line, head) = seal(&head, record).unwrap();
    lines.push(line);
    (lines, head)
}

// "the chain goes on over files": old ones are removed on purpose, and what is kept says so.
#[test]
fn a_log_may_begin_where_it_says_that_it_does_and_no_later() {
    let (lines, head) = rotated(6);
    for from in 0..=5 {
        assert_eq!(findings(&lines[from..], &head), [], "without the first {from}");
    }
    assert_eq!(findings(&lines[6..], &head), [(1, Kind::Lost(6, 6))]);
    assert_eq!(findings(&lines[9..], &head), [(1, Kind::Lost(6, 9))]);
    let mut hole = lines.clone();
    hole.remove(7);
    assert_eq!(findings(&hole, &head), [(8, Kind::Lost(8, 8))], "what is said to be kept is");
    let mut forged = lines[6..].to_vec();
    let last = forged.last_mut().unwrap();
    *last = last.replace("\"first\":6", "\"first\":7");
    assert!(!verify(&forged, None).is_sound());
}

proptest! {
    // Whatever one edit does to a sound log, it is found; and a single changed byte is found on its very line.
    #[test]
    fn no_single_edit_goes_unnoticed(count in 2usize..20, at in 0usize..20, other in 0usize..20, edit in 0u8..4, byte in 0usize..4000) {
        let (sound, head) = log(count, "host");
        let (at, other) = (at % count, other % count);
        let mut lines = sound.clone();
        match edit {
            0 => drop(lines.remove(at)),
            1 => lines.swap(at, other),
            2 => lines.insert(other, sound[at].clone()),
            _ => {
                let byte = byte % lines[at].len();
                let mut bytes = lines[at].clone().into_bytes();
                bytes[byte] ^= 1;
                lines[at] = String::from_utf8(bytes).unwrap();
            }
        }
        prop_assume!(lines != sound);
        let found = findings(&lines, &head);
        prop_assert!(!found.is_empty());
        if edit == 3 {
            prop_assert_eq!(found, vec![(at + 1, Kind::Changed)]);
        }
    }
}
