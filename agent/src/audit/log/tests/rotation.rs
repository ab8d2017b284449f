//! "the chain goes on over files".

use super::*;
use crate::clock::{ManualClock, Moment};

/// The files of a log, oldest first.
fn files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| file::last_of(path.file_name().unwrap().to_str().unwrap()).is_some())
        .collect();
    files.sort();
    files.push(path.to_owned());
    files
}

/// All of the log, as one file.
fn whole(path: &Path) -> Vec<u8> {
    files(path).iter().flat_map(|path| fs::read(path).unwrap_or_default()).collect()
}

/// What verification finds in all of the log.
fn findings(path: &Path, kept: &Head) -> Vec<String> {
    let joined = tempfile::NamedTempFile::new().unwrap();
    fs::write(joined.path(), whole(path)).unwrap();
    verify(joined.path(), kept).findings.iter().map(ToString::to_string).collect()
}

fn names(path: &Path) -> Vec<String> {
    files(path).iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

/// The events in all of the log.
fn events(path: &Path) -> Vec<Event> {
    let text = whole(path);
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter_map(|line| Some(open(std::str::from_utf8(line).ok()?)?.record.event)).collect()
}

#[test]
fn the_chain_goes_on_over_files_and_the_first_record_carries_the_last_hash() {
    let (_folder, path, mut head) = log_of(3);
    for round in 1..=3 {
        let mut log = open_log(&path, &head);
        let (written, name) = log.rotate(Keep::All).unwrap();
        assert_eq!((written.len(), name.unwrap()), (1, file::rotated(head.seq)));
        let first = open(&line(&path, 1)).unwrap();
        assert_eq!(
            (first.record.event, first.prev, first.seq),
            (Event::AuditRotated, head.hash, head.seq + 1)
        );
        assert_eq!(first.record.first, None, "all of it is kept");
        log.append(&records(2)).unwrap();
        head = log.head().clone();
        assert_eq!(findings(&path, &head), [""; 0], "round {round}");
        assert_eq!(names(&path).len(), round + 1);
    }
    for path in files(&path) {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o600);
    }
}

#[test]
fn the_oldest_files_are_removed_and_the_log_says_where_it_begins() {
    let (_folder, path, _) = log_of(3);
    let mut log = open_log(&path, &Head::default());
    for round in 1..=5 {
        log.append(&records(2)).unwrap();
        log.rotate(Keep::Files(2)).unwrap();
        assert_eq!(findings(&path, log.head()), [""; 0], "round {round}");
        assert!(names(&path).len() <= 3, "{:?}", names(&path));
    }
    assert_eq!(names(&path), [file::rotated(14), file::rotated(17), "audit.jsonl".to_owned()]);
    // What nobody meant to remove is missed.
    fs::remove_file(&files(&path)[0]).unwrap();
    assert_eq!(findings(&path, log.head()), ["line 1: records 12 to 14 before it are lost"]);
}

#[test]
fn a_log_without_a_record_is_not_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log/audit.jsonl");
    let mut log = open_log(&path, &Head::default());
    assert!(log.rotate(Keep::All).unwrap().1.is_none());
    assert_eq!(names(&path), ["audit.jsonl"]);
}

/// What a crash leaves at each step of a rotation after record 5, and how often it is said in the log afterwards.
#[test]
fn a_crash_at_any_step_of_a_rotation_leaves_a_log_that_goes_on() {
    type Crash = fn(&Path);
    let crashes: [(&str, Crash, u64); 5] = [
        ("before it", |_| {}, 0),
        ("without a file", |path| fs::rename(path, path.with_file_name(file::rotated(5))).unwrap(), 0),
        (
            "with an empty file",
            |path| {
                fs::rename(path, path.with_file_name(file::rotated(5))).unwrap();
                fs::write(path, "").unwrap();
            },
            0,
        ),
        (
            "in the middle of the first record",
            |path| {
                fs::rename(path, path.with_file_name(file::rotated(5))).unwrap();
                fs::write(path, "{\"seq\":6,\"ti").unwrap();
            },
            1,
        ),
        (
            "before old files are removed",
            |path| {
                let head = Head { seq: 5, hash: open(&line(path, 5)).unwrap().hash };
                fs::rename(path, path.with_file_name(file::rotated(5))).unwrap();
                let mut record = stamp().record(Event::AuditRotated);
                record.first = Some(4);
                fs::write(path, seal(&head, record).unwrap().0 + "\n").unwrap();
            },
            0,
        ),
    ];
    for (step, crash, gaps) in crashes {
        for kept in [0, 4, 5] {
            let (_folder, path, head) = log_of(5);
            let hash = |seq| open(&line(&path, seq)).unwrap().hash;
            let kept = if kept == 0 {
                Head::default()
            } else {
                Head { seq: kept, hash: hash(usize::try_from(kept).unwrap()) }
            };
            crash(&path);
            let mut log = open_log(&path, &kept);
            assert!(log.witness().is_whole, "{step}");
            log.append(&records(2)).unwrap();
            assert!(log.head().seq >= head.seq + 2, "{step}");
            assert_eq!(findings(&path, log.head()), [""; 0], "{step}, {kept:?}");
            let said = events(&path).iter().filter(|event| **event == Event::AuditGap).count();
            assert_eq!(said as u64, gaps, "{step}, {kept:?}");
            log.rotate(Keep::Files(1)).unwrap();
            assert_eq!(
                (findings(&path, log.head()), names(&path).len()),
                (vec![], 2),
                "{step}: and can be rotated"
            );
        }
    }
}

// The store keeps the head every half a second: after a crash it may name a record that is in a file set aside.
#[test]
fn a_head_that_was_kept_before_a_rotation_is_found_in_an_earlier_file() {
    let (_folder, path, head) = log_of(3);
    let mut log = open_log(&path, &head);
    for _ in 0..3 {
        log.rotate(Keep::Files(2)).unwrap();
        log.append(&records(1)).unwrap();
    }
    let last = log.head().clone();
    let (first, text) = (head, String::from_utf8(whole(&path)).unwrap());
    let oldest = open(text.lines().next().unwrap()).unwrap();
    assert_eq!(oldest.seq, 4, "the file with record 3 was removed");
    let heads =
        text.lines().map(|line| open(line).unwrap()).map(|line| Head { seq: line.seq, hash: line.hash });
    for kept in heads.chain([first]) {
        let log = open_log(&path, &kept);
        assert_eq!((log.head(), log.witness().is_whole), (&last, true), "{}", kept.seq);
    }
    for kept in [4, 6, 8, 9] {
        let other = Head { seq: kept, hash: "0".repeat(64) };
        let log = Log::open(&path, us(), other, stamp(), Serial::default()).unwrap();
        assert!(!log.witness().is_whole, "{kept}: another record was kept");
    }
}

#[test]
fn a_torn_line_is_closed_in_the_file_in_which_it_stands() {
    let (_folder, path, head) = log_of(2);
    let mut log = open_log(&path, &head);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"seq\":3,").unwrap();
    log.rotate(Keep::All).unwrap();
    let aside = fs::read_to_string(&files(&path)[0]).unwrap();
    assert!(aside.lines().last().unwrap().contains("audit.gap"), "{aside}");
    assert_eq!(findings(&path, log.head()), [""; 0]);
    assert_eq!(events(&path).last().copied(), Some(Event::AuditRotated));
}

#[test]
fn nothing_that_was_set_aside_is_replaced() {
    let (_folder, path, head) = log_of(2);
    let mut log = open_log(&path, &head);
    let taken = path.with_file_name(file::rotated(2));
    fs::write(&taken, "mine").unwrap();
    assert!(log.rotate(Keep::All).is_err());
    assert_eq!(fs::read_to_string(&taken).unwrap(), "mine");
    log.append(&records(1)).unwrap();
    sound(&path, &log, 0);
}

#[test]
fn a_file_is_due_by_its_size_or_by_the_age_of_its_first_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log/audit.jsonl");
    let clock = Arc::new(ManualClock::new(Moment { boottime_ns: 1, realtime_ns: 1_000_000_000 }, "boot"));
    let stamp = Stamp { clock: clock.clone(), host: "host".into() };
    let open = || Log::open(&path, us(), Head::default(), stamp.clone(), Serial::default()).unwrap();
    let settings = |rotate_size, seconds| settings::Audit {
        rotate_size,
        rotate_age: std::time::Duration::from_secs(seconds),
        ..settings::Audit::default()
    };
    let mut log = open();
    log.append(&[]).unwrap();
    clock.pass(100_000_000_000);
    assert!(!log.is_due(&settings(0, 1)), "an empty one never is");
    log.append(&[stamp.record(Event::AgentStarted)]).unwrap();
    let length = fs::metadata(&path).unwrap().len();
    assert!(!log.is_due(&settings(length + 1, 10)));
    assert!(log.is_due(&settings(length, 10)));
    clock.pass(9_999_999_999);
    assert!(!log.is_due(&settings(u64::MAX, 10)));
    // Another agent reads the age from the record.
    let mut again = open();
    again.append(&[stamp.record(Event::AgentStarted)]).unwrap();
    assert!(!again.is_due(&settings(u64::MAX, 10)));
    clock.pass(1);
    assert!(log.is_due(&settings(u64::MAX, 10)) && again.is_due(&settings(u64::MAX, 10)));
    clock.set_wall(0);
    assert!(!again.is_due(&settings(u64::MAX, 10)), "a clock that was set back");
    clock.pass(20_000_000_000);
    again.rotate(Keep::All).unwrap();
    assert!(!again.is_due(&settings(u64::MAX, 10)), "the new one is young");
}

// A store that was copied back is known by the log, so no rotation and no start may lose what that knows.
#[test]
fn what_the_log_knows_of_the_store_outlives_rotations_and_smaller_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log/audit.jsonl");
    let at = |number| {
        let mut log = Log::open(&path, us(), Head::default(), stamp(), Serial::at(number)).unwrap();
        let known = log.witness().store;
        log.append(&records(1)).unwrap();
        (log, known)
    };
    assert_eq!(at(0).1, 0);
    assert_eq!(at(5).1, 0);
    assert_eq!(at(7).1, 5);
    let (mut log, known) = at(2);
    assert_eq!(known, 7);
    log.rotate(Keep::All).unwrap();
    assert_eq!(at(3).1, 7, "an older store's records say what the log knew before");
    let (mut log, _) = at(0);
    log.rotate(Keep::Files(1)).unwrap();
    fs::write(&path, "").unwrap();
    assert_eq!(at(0).1, 7, "from the file before, where this one has no record");
}
