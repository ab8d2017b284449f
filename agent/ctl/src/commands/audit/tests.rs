//! Show and verify over logs that the test writes, sealed as the agent seals them.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use jit_audit::chain::sha256;
use jit_audit::{Event, Exit, Gap, Head, Record, Target, Text, User, file, seal};
use tempfile::TempDir;

use super::files::Files;
use super::show::Show;
use super::verify::{Verify, verify};
use crate::failure::Failure;
use crate::output::tests::Captured;

struct Log {
    folder: TempDir,
    lines: Vec<String>,
    head: Head,
}

impl Log {
    fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), lines: Vec::new(), head: Head::default() }
    }

    /// Four records of two users.
    fn new() -> Self {
        let mut log = Self::empty();
        log.add(Event::AgentStarted, "2026-01-01T00:00:00Z", |_| {});
        log.add(Event::SessionStarted, "2026-01-01T01:00:00Z", |record| {
            record.user = Some(User { name: "alice".to_owned(), uid: 1000 });
            record.target = Some(Target { user: "root".to_owned(), uid: 0, group: None });
            record.command = vec![Text::from(&b"/usr/bin/id"[..]), Text::from(&b"a\x1b[2J b"[..])];
            record.session = Some("0123456789abcdef".to_owned());
            record.rule = Some("web".to_owned());
            record.reason = Some("deploy".to_owned());
        });
        log.add(Event::SessionEnded, "2026-01-01T02:00:00Z", |record| {
            record.user = Some(User { name: "alice".to_owned(), uid: 1000 });
            record.session = Some("0123456789abcdef".to_owned());
            record.exit = Some(Exit::Signal(9));
        });
        log.add(Event::RequestDenied, "2026-01-01T03:00:00Z", |record| {
            record.user = Some(User { name: "bob".to_owned(), uid: 1001 });
            record.result = Some("no rule".to_owned());
        });
        log
    }

    fn add(&mut self, event: Event, time: &str, fill: impl FnOnce(&mut Record)) {
        let mut record = Record::new(event, time.to_owned(), "host".to_owned(), "boot".to_owned());
        fill(&mut record);
        let (line, head) = seal(&self.head, record).unwrap();
        self.lines.push(line + "\n");
        self.head = head;
    }

    fn file(&self) -> PathBuf {
        let path = self.folder.path().join("audit.jsonl");
        fs::write(&path, self.lines.concat()).unwrap();
        path
    }

    fn show(&self, change: impl FnOnce(&mut Show)) -> String {
        let mut show = Show { files: vec![self.file()], ..Show::default() };
        change(&mut show);
        let captured = Captured::default();
        show.run(&mut captured.output()).unwrap();
        captured.text()
    }

    /// The numbers of the records that are shown.
    fn ids(&self, change: impl FnOnce(&mut Show)) -> Vec<u64> {
        let text = self.show(|show| {
            change(show);
            show.json = true;
        });
        let list: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        list.iter().map(|record| record["id"].as_u64().unwrap()).collect()
    }

    fn verify(&self, kept: Option<&Head>) -> Result<String, String> {
        let captured = Captured::default();
        let kept = kept.cloned().ok_or_else(|| "it is not running".to_owned());
        match verify(Files::open(&[self.file()]).unwrap(), Some(1), kept, &mut captured.output()) {
            Ok(()) => Ok(captured.text()),
            Err(Failure::Told) => Err(captured.text()),
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_record_is_one_line_and_steers_nothing() {
    let expected = r"ID  TIME                  EVENT            USER   TARGET  RULE  SESSION   RESULT          COMMAND
1   2026-01-01T00:00:00Z  agent.started    -      -       -     -         -
2   2026-01-01T01:00:00Z  session.started  alice  root    web   01234567  reason: deploy  /usr/bin/id 'a\x1b[2J b'
3   2026-01-01T02:00:00Z  session.ended    alice  -       -     01234567  signal 9
4   2026-01-01T03:00:00Z  request.denied   bob    -       -     -         no rule
";
    assert_eq!(Log::new().show(|_| {}), expected);
    assert_eq!(Log::empty().show(|_| {}), "no records\n");
    assert_eq!(Log::empty().show(|show| show.json = true), "[]\n");
}

#[test]
fn each_filter_leaves_what_it_names() {
    let log = Log::new();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(log.ids(|show| show.user = text("alice")), [2, 3]);
    assert_eq!(log.ids(|show| show.user = text("#1001")), [4]);
    assert_eq!(log.ids(|show| show.event = text("session")), [2, 3]);
    assert_eq!(log.ids(|show| show.event = text("session.ended")), [3]);
    assert_eq!(log.ids(|show| show.session = text("0123")), [2, 3]);
    assert_eq!(log.ids(|show| show.session = text("99")), [0_u64; 0]);
    assert_eq!(log.ids(|show| show.since = "2026-01-01T02:00:00Z".parse().ok()), [3, 4]);
    assert_eq!(log.ids(|show| show.last = Some(1)), [4]);
    assert_eq!(log.ids(|show| (show.user, show.last) = (text("alice"), Some(1))), [3]);
    assert_eq!(log.ids(|_| {}), [1, 2, 3, 4]);
}

#[test]
fn a_line_that_is_no_record_is_not_passed_over_in_silence() {
    let mut log = Log::new();
    log.lines.insert(2, "{torn\n".to_owned());
    let captured = Captured::default();
    let shown = Show { files: vec![log.file()], ..Show::default() }.run(&mut captured.output());
    assert!(matches!(shown, Err(Failure::Refused { what, .. }) if what == "1 line is no record"));
    assert_eq!(captured.text().lines().count(), 5, "the others are shown");
}

// "a torn last line is closed by a record that says so"
#[test]
fn a_torn_line_is_passed_over_if_the_record_after_it_tells_of_it() {
    let torn = b"{\"seq\":5,\"ti";
    let show = |bytes: u64| {
        let mut log = Log::new();
        log.add(Event::AuditGap, "2026-01-01T04:00:00Z", |record| {
            record.gap = Some(Gap { bytes, sha256: sha256(torn) });
        });
        log.lines.insert(4, format!("{}\n", String::from_utf8_lossy(torn)));
        Show { files: vec![log.file()], ..Show::default() }.run(&mut Captured::default().output())
    };
    show(torn.len() as u64).unwrap();
    assert!(matches!(show(3), Err(Failure::Refused { what, .. }) if what == "1 line is no record"));
}

#[test]
fn a_sound_log_says_how_much_was_verified() {
    let log = Log::new();
    assert_eq!(
        log.verify(Some(&log.head)).unwrap(),
        "the audit log is sound: 4 records, 1 to 4\nits end is the one that the agent keeps\n"
    );
    assert!(log.verify(None).unwrap().contains("not compared with the agent's: it is not running"));
}

// issue 2: "`audit verify` finds each changed, lost, swapped, inserted or cut line"
#[test]
fn each_kind_of_tampering_is_found() {
    type Tamper = fn(&mut Vec<String>);
    let tamper: [(&str, Tamper); 5] = [
        ("changed", |lines| lines[1] = lines[1].replace("alice", "carol")),
        ("lost", |lines| drop(lines.remove(1))),
        ("swapped", |lines| lines.swap(1, 2)),
        ("inserted", |lines| lines.insert(1, lines[2].clone())),
        ("cut", |lines| drop(lines.pop())),
    ];
    for (what, tamper) in tamper {
        let mut log = Log::new();
        tamper(&mut log.lines);
        let found = log.verify(Some(&log.head)).unwrap_err();
        assert!(found.contains(what) && found.contains("is not sound"), "{what}: {found}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let verify = Verify { files: vec!["/nonexistent/audit.jsonl".into()] };
    let failed = verify.run(&mut Captured::default().output());
    assert!(matches!(failed, Err(Failure::Refused { what, .. }) if what.contains("cannot be read")));
}

/// A log of four records in three files, the newest with a record that says where what is kept begins.
fn over_files(first: Option<u64>) -> (Log, Vec<PathBuf>) {
    let mut log = Log::new();
    log.add(Event::AuditRotated, "2026-01-01T04:00:00Z", |record| record.first = first);
    let names = [file::rotated(2), file::rotated(4), file::CURRENT.to_owned()];
    let paths: Vec<PathBuf> = names.iter().map(|name| log.folder.path().join(name)).collect();
    for (path, lines) in paths.iter().zip([&log.lines[..2], &log.lines[2..4], &log.lines[4..]]) {
        fs::write(path, lines.concat()).unwrap();
    }
    fs::write(log.folder.path().join("audit.jsonl.1"), "of another program\n").unwrap();
    (log, paths)
}

fn verify_folder(log: &Log) -> Result<String, String> {
    let captured = Captured::default();
    let files = Files::open_log(log.folder.path()).unwrap();
    match verify(files, Some(1), Ok(log.head.clone()), &mut captured.output()) {
        Ok(()) => Ok(captured.text()),
        Err(Failure::Told) => Err(captured.text()),
        Err(other) => panic!("{other:?}"),
    }
}

// "the chain goes on over files"
#[test]
fn all_files_of_the_log_are_one_chain() {
    let (log, _) = over_files(None);
    assert!(verify_folder(&log).unwrap().starts_with("the audit log is sound: 5 records, 1 to 5\n"));
    let mut lines = Vec::new();
    Files::open_log(log.folder.path()).unwrap().for_each_line(|line| lines.push(line.to_vec())).unwrap();
    assert_eq!(
        lines.concat(),
        log.lines.concat().replace('\n', "").as_bytes(),
        "in this order, and nothing else"
    );
}

// The agent may be in the middle of a line when it is read.
#[test]
fn a_line_that_is_just_being_written_is_no_finding() {
    let log = Log::new();
    let path = log.file();
    let (start, rest) = (log.lines.concat(), log.lines[3].split_at(40).1.to_owned());
    fs::write(&path, &start[..start.len() - rest.len()]).unwrap();
    let files = Files::open(std::slice::from_ref(&path)).unwrap();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(30));
        fs::OpenOptions::new().append(true).open(path).unwrap().write_all(rest.as_bytes()).unwrap();
    });
    verify(files, Some(1), Ok(log.head.clone()), &mut Captured::default().output()).unwrap();
    writer.join().unwrap();
}

#[test]
fn a_finding_names_its_file_and_the_line_there() {
    let (log, paths) = over_files(None);
    let changed = fs::read_to_string(&paths[1]).unwrap().replace("bob", "bot");
    fs::write(&paths[1], changed).unwrap();
    let found = verify_folder(&log).unwrap_err();
    let expected = format!("{}, line 2: changed, it is not as it was written\n", paths[1].display());
    assert!(found.starts_with(&expected), "{found}");
    fs::remove_file(&paths[1]).unwrap();
    let found = verify_folder(&log).unwrap_err();
    assert!(found.contains("records 3 to 4 before it are lost"), "{found}");
}

#[test]
fn old_files_are_missed_unless_the_log_says_that_they_were_removed() {
    let (log, paths) = over_files(None);
    fs::remove_file(&paths[0]).unwrap();
    assert!(verify_folder(&log).unwrap_err().contains("records 1 to 2 before it are lost"));
    let (log, paths) = over_files(Some(3));
    fs::remove_file(&paths[0]).unwrap();
    let sound = verify_folder(&log).unwrap();
    assert!(sound.contains("3 records, 3 to 5") && sound.contains("as the log itself says"), "{sound}");
    fs::remove_file(&paths[1]).unwrap();
    assert!(verify_folder(&log).unwrap_err().contains("records 3 to 4 before it are lost"));
}
