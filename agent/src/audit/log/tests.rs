mod rotation;

use std::env;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use jit_audit::{Report, Text, Verifier};
use rustix::fs::{MemfdFlags, Mode, SealFlags, fcntl_add_seals, memfd_create};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::*;
use crate::clock::SystemClock;

fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn stamp() -> Stamp {
    Stamp { clock: Arc::new(SystemClock::new().unwrap()), host: "host".into() }
}

fn open_log(path: &Path, kept: &Head) -> Log {
    let mut log = Log::open(path, us(), kept.clone(), stamp(), Serial::default()).unwrap();
    log.append(&[]).unwrap();
    log
}

fn records(count: usize) -> Vec<Record> {
    (0..count)
        .map(|number| {
            let mut record = stamp().record(Event::SessionStarted);
            record.command = vec![Text::Utf8(number.to_string())];
            record
        })
        .collect()
}

fn verify(path: &Path, kept: &Head) -> Report {
    let bytes = fs::read(path).unwrap();
    let mut verifier = Verifier::default();
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .for_each(|line| verifier.push(line.strip_suffix(b"\n").unwrap_or(line)));
    verifier.finish(Some(1), Some(kept))
}

fn sound(path: &Path, log: &Log, gaps: u64) {
    let report = verify(path, log.head());
    assert_eq!((report.findings, report.gaps, &report.head), (vec![], gaps, log.head()));
}

/// The path of a log in a folder of its own, with this many records, and its head.
fn log_of(count: usize) -> (tempfile::TempDir, PathBuf, Head) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log/audit.jsonl");
    let mut log = open_log(&path, &Head::default());
    log.append(&records(count)).unwrap();
    let head = log.head().clone();
    (folder, path, head)
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_chain_goes_on_over_restarts() {
    let (_folder, path, mut head) = log_of(3);
    for round in 1..4 {
        let mut log = open_log(&path, &head);
        assert_eq!(log.append(&records(2)).unwrap().len(), 2, "nothing to say about the log itself");
        assert_eq!(log.head().seq, 3 + round * 2);
        head = log.head().clone();
        sound(&path, &log, 0);
    }
    assert_eq!(open_log(&path, &Head::default()).head(), &head, "also without a head that was kept");
    let older = Head { seq: 2, hash: open(&line(&path, 2)).unwrap().hash };
    assert_eq!(open_log(&path, &older).head(), &head, "and with one that is behind");
}

fn line(path: &Path, number: usize) -> String {
    fs::read_to_string(path).unwrap().lines().nth(number - 1).unwrap().to_owned()
}

#[test]
fn a_torn_tail_is_closed_and_said() {
    for cut in [1, 10, 100] {
        let (_folder, path, _) = log_of(3);
        let second = Head { seq: 2, hash: open(&line(&path, 2)).unwrap().hash };
        change(&path, |bytes| bytes.truncate(bytes.len() - 1 - cut));
        let mut log = open_log(&path, &second);
        let gap = open(&line(&path, 4)).unwrap();
        assert_eq!((gap.seq, gap.record.event), (3, Event::AuditGap));
        assert!(gap.record.gap.is_some() && gap.record.result.unwrap().contains("cut short"));
        log.append(&records(1)).unwrap();
        sound(&path, &log, 1);
    }
}

#[test]
fn zeros_that_a_crash_left_are_closed_like_a_torn_line() {
    let (_folder, path, head) = log_of(3);
    change(&path, |bytes| bytes.extend([0; 5000]));
    sound(&path, &open_log(&path, &head), 1);
}

#[test]
fn a_whole_record_without_its_end_of_line_counts() {
    let (_folder, path, head) = log_of(3);
    change(&path, |bytes| bytes.truncate(bytes.len() - 1));
    let mut log = open_log(&path, &head);
    log.append(&records(1)).unwrap();
    assert_eq!(log.head().seq, 4);
    sound(&path, &log, 0);
}

/// Changes a log; with a function that makes another second line for it.
type Change = fn(&Path, &dyn Fn(&Path) -> String);

// What was lost stays lost for verification, however long the log goes on.
#[test]
fn an_end_that_is_not_the_one_that_was_kept_is_said_and_found() {
    let forged = |path: &Path| {
        let before = Head { seq: 1, hash: open(&line(path, 1)).unwrap().hash };
        let (text, _) = seal(&before, stamp().record(Event::AgentStarted)).unwrap();
        text + "\n"
    };
    let changes: [(&str, Change); 5] = [
        ("cut", |path, _| fs::write(path, line(path, 1) + "\n").unwrap()),
        ("emptied", |path, _| fs::write(path, "").unwrap()),
        ("removed", |path, _| fs::remove_file(path).unwrap()),
        ("last record changed", |path, _| {
            change(path, |bytes| *bytes.iter_mut().rev().nth(200).unwrap() ^= 1);
        }),
        ("rewritten", |path, forged| {
            let text = format!("{}\n{}", line(path, 1), forged(path));
            fs::write(path, text).unwrap();
        }),
    ];
    for (name, change) in changes {
        let (_folder, path, head) = log_of(2);
        change(&path, &forged);
        let mut log = open_log(&path, &head);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("audit.gap"), "{name}: {text}");
        log.append(&records(3)).unwrap();
        assert!(log.head().seq > head.seq, "{name}");
        assert!(!verify(&path, log.head()).is_sound(), "{name}");
        let (before, mut again) = (log.head().clone(), open_log(&path, log.head()));
        assert_eq!(again.append(&records(1)).unwrap().len(), 1, "{name}: said once");
        assert_eq!(again.head().seq, before.seq + 1, "{name}");
    }
}

#[test]
fn the_end_is_found_behind_lines_of_any_length() {
    let (_folder, path, head) = log_of(1);
    let mut log = open_log(&path, &head);
    let mut wide = records(1);
    wide[0].command.push(Text::Utf8("\u{1b}".repeat(300_000)));
    log.append(&wide).unwrap();
    let head = log.head().clone();
    assert!(fs::metadata(&path).unwrap().len() > 1_500_000);
    assert_eq!(open_log(&path, &Head::default()).head(), &head);
    assert_eq!(open_log(&path, &head).head(), &head);
}

#[test]
fn half_a_line_that_somebody_leaves_while_we_run_harms_no_record() {
    let (_folder, path, head) = log_of(2);
    let mut log = open_log(&path, &head);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"seq\":3,").unwrap();
    log.append(&records(2)).unwrap();
    sound(&path, &log, 1);
}

#[test]
fn a_log_that_is_moved_away_goes_on_where_it_belongs() {
    let (folder, path, head) = log_of(2);
    let mut log = open_log(&path, &head);
    let old = folder.path().join("log/audit.jsonl.1");
    fs::rename(&path, &old).unwrap();
    log.append(&records(2)).unwrap();
    let first = open(&line(&path, 1)).unwrap();
    assert_eq!((first.seq, first.record.event, first.prev), (3, Event::AuditGap, head.hash));
    let both = folder.path().join("both");
    fs::write(&both, fs::read_to_string(&old).unwrap() + &fs::read_to_string(&path).unwrap()).unwrap();
    sound(&both, &log, 0);
}

// Rule 13: "opened by descriptor, without following links, and its owner and mode checked on that descriptor"
#[test]
fn a_log_that_others_could_have_made_is_refused() {
    let (folder, path, head) = log_of(1);
    let refused = |owner| Log::open(&path, owner, head.clone(), stamp(), Serial::default()).is_err();
    assert!(refused(us() + 1), "foreign owner");
    fs::hard_link(&path, folder.path().join("second name")).unwrap();
    assert!(refused(us()), "two names");
    fs::remove_file(folder.path().join("second name")).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o620)).unwrap();
    assert!(refused(us()), "others can write it");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(!refused(us()));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600, "nobody else reads it");
    fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    symlink(folder.path().join("elsewhere"), &path).unwrap();
    assert!(refused(us()), "a link");
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0)
        .unwrap();
    assert!(refused(us()), "a FIFO");
    fs::remove_file(&path).unwrap();
    let parent = path.parent().unwrap();
    assert_eq!(fs::metadata(parent).unwrap().mode() & 0o777, 0o700, "the folder is made for us alone");
    fs::set_permissions(parent, PermissionsExt::from_mode(0o777)).unwrap();
    assert!(refused(us()), "a folder that others can write");
}

/// Says to this program that it is the limited one; the value is a folder for it.
const LIMITED: &str = "JIT_TEST_LIMITED";

// "A failed write must not leave half a line": with a real error of the kernel, in a process of its own, for the limit
// on file sizes is the whole process's.
#[test]
fn a_failed_write_is_an_error_and_the_next_success_goes_on() {
    if let Some(folder) = env::var_os(LIMITED) {
        limited(Path::new(&folder));
        println!("limited: done");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let this = "audit::log::tests::a_failed_write_is_an_error_and_the_next_success_goes_on";
    let output = Command::new("/bin/sh")
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", this, "--nocapture", "--test-threads=1"])
        .env(LIMITED, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("limited: done"), "{output:?}");
}

fn limit(length: Option<u64>) {
    setrlimit(Resource::Fsize, Rlimit { current: length, maximum: None }).unwrap();
}

fn limited(folder: &Path) {
    // Half a line is taken back.
    let path = folder.join("audit.jsonl");
    let mut log = open_log(&path, &Head::default());
    log.append(&records(2)).unwrap();
    let (length, head) = (fs::metadata(&path).unwrap().len(), log.head().clone());
    limit(Some(length + 400));
    assert!(log.append(&records(5)).is_err());
    assert_eq!((fs::metadata(&path).unwrap().len(), log.head()), (length, &head));
    limit(None);
    assert_eq!(log.append(&records(1)).unwrap().len(), 1);
    sound(&path, &log, 0);

    // Where it can't be taken back (here for a seal), whole records stay and half a one is closed.
    let file = memfd_create("log", MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC).unwrap();
    fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let file = OpenOptions::new().read(true).append(true).open(&path).unwrap();
    let mut log = Log {
        folder: Folder::of(&path, us()),
        file,
        length: 0,
        since: None,
        head: Head::default(),
        unsure: true,
        stamp: stamp(),
        store: Serial::default(),
        witness: Witness { store: 0, is_whole: true },
        told: Told::default(),
    };
    log.append(&records(2)).unwrap();
    let length = fs::metadata(&path).unwrap().len();
    limit(Some(length + length / 2 + 50));
    assert!(log.append(&records(3)).is_err());
    assert_eq!(log.head().seq, 2);
    assert!(fs::metadata(&path).unwrap().len() > length);
    limit(None);
    let written = log.append(&records(1)).unwrap();
    assert_eq!((written[0].0.event, written[0].1.seq, log.head().seq), (Event::AuditGap, 4, 5));
    sound(&path, &log, 1);
}
