use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use jit_audit::{Report, Text, User, Verifier};

use super::*;
use crate::clock::{ManualClock, Moment};

struct Host {
    _root: tempfile::TempDir,
    log: PathBuf,
    journal: PathBuf,
}

impl Host {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let journal = root.path().join("run/systemd/journal/socket");
        fs::create_dir_all(journal.parent().unwrap()).unwrap();
        Self { log: root.path().join("var/log/jit-sudo/audit.jsonl"), journal, _root: root }
    }

    fn open(&self, kept: Option<Head>) -> io::Result<Audit> {
        Audit::open(Setup {
            path: &self.log,
            owner: rustix::process::geteuid().as_raw(),
            journal: &self.journal,
            host: "host",
            clock: Arc::new(ManualClock::new(Moment { boottime_ns: 1, realtime_ns: 0 }, "boot")),
            kept,
            store: Serial::default(),
            settings: settings::Audit::default(),
        })
        .map(|(audit, _)| audit)
    }

    fn verify(&self, kept: &Head) -> Report {
        let mut verifier = Verifier::default();
        fs::read_to_string(&self.log).unwrap().lines().for_each(|line| verifier.push(line.as_bytes()));
        verifier.finish(Some(1), Some(kept))
    }
}

fn messages(journal: &UnixDatagram) -> Vec<String> {
    let mut buffer = vec![0; 65536];
    journal.set_read_timeout(Some(std::time::Duration::from_secs(40))).unwrap();
    let mut messages = Vec::new();
    while let Ok(length) = journal.recv(&mut buffer) {
        messages.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        if messages.last().unwrap().contains("audit.head") {
            break;
        }
    }
    messages
}

#[tokio::test]
async fn a_record_is_in_the_log_once_append_returns() {
    let host = Host::new();
    let audit = host.open(None).unwrap();
    assert_eq!((audit.head(), audit.sink()), (Head::default(), "none"));
    let record = audit.record(Event::AgentStarted);
    assert_eq!(
        (record.time.as_str(), record.host.as_str(), record.boot_id.as_str()),
        ("1970-01-01T00:00:00.000000Z", "host", "boot")
    );
    audit.append(record).await.unwrap();
    let line = fs::read_to_string(&host.log).unwrap();
    assert!(line.contains("agent.started") && line.contains(&audit.head().hash));
    assert_eq!(fs::metadata(&host.log).unwrap().permissions().mode() & 0o777, 0o600);
    drop(audit);
    let audit = host.open(serde_json::from_str(&line).ok()).unwrap();
    audit.append(audit.record(Event::AgentStarted)).await.unwrap();
    assert_eq!(audit.head().seq, 2);
    assert!(host.verify(&audit.head()).is_sound());
}

#[tokio::test]
async fn many_at_once_are_all_there_in_one_chain() {
    let host = Host::new();
    let audit = host.open(None).unwrap();
    let tasks: Vec<_> = (0..400)
        .map(|number| {
            let audit = audit.clone();
            tokio::spawn(async move {
                let record = audit.record(Event::GrantUsed);
                if number % 2 == 0 { audit.append(record).await.unwrap() } else { audit.note(record) }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    audit.append(audit.record(Event::AgentStopped)).await.unwrap();
    let report = host.verify(&audit.head());
    assert_eq!((report.findings, report.records), (vec![], 401));
}

#[tokio::test]
async fn the_journal_is_told_what_the_log_says_and_where_it_ends() {
    let host = Host::new();
    let journal = UnixDatagram::bind(&host.journal).unwrap();
    let audit = host.open(None).unwrap();
    let mut record = audit.record(Event::SessionStarted);
    record.user = Some(User { name: "alice".into(), uid: 1000 });
    record.command = vec![Text::Utf8("/usr/bin/id\nX=1".into())];
    record.session = Some("s1".into());
    audit.append(record).await.unwrap();
    let first = audit.head().hash;
    audit.append(audit.record(Event::AgentStopped)).await.unwrap();
    assert_eq!((audit.sink(), audit.state()), ("journald", Ok(())));
    let messages = messages(&journal);
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert!(messages[0].contains("\nMESSAGE=alice : TTY=unknown ; COMMAND=/usr/bin/id\\nX=1\n"));
    assert!(
        messages[0].ends_with(&format!(
            "\nJIT_EVENT=session.started\nJIT_SESSION=s1\nJIT_SEQ=1\nJIT_HASH={first}\n"
        ))
    );
    assert!(messages[1].contains("\nMESSAGE=agent.stopped\n"));
    assert!(messages[2].contains(&format!("\nMESSAGE=audit.head seq=2 hash={}\n", audit.head().hash)));
}

// Architecture, rule 9: "A failed … audit write … is fatal to the request (fail closed), never to the agent."
#[tokio::test]
async fn a_log_that_cannot_be_written_refuses_and_recovers_without_loss() {
    let host = Host::new();
    let journal = UnixDatagram::bind(&host.journal).unwrap();
    let audit = host.open(None).unwrap();
    audit.append(audit.record(Event::AgentStarted)).await.unwrap();
    let folder = host.log.parent().unwrap().to_owned();
    let away = folder.with_file_name("away");
    fs::rename(&folder, &away).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap(); // refused, for anyone
    audit.note(audit.record(Event::SessionEnded));
    for _ in 0..2 {
        let why = audit.append(audit.record(Event::SessionStarted)).await.unwrap_err();
        assert!(why.contains("could not be written"), "{why}");
        assert_eq!(audit.state(), Err(why));
    }
    assert_eq!(audit.head().seq, 1);
    fs::remove_dir(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    audit.append(audit.record(Event::AgentStopped)).await.unwrap();
    assert_eq!(audit.state(), Ok(()));
    let text = fs::read_to_string(&host.log).unwrap();
    assert!(text.contains("session.ended"), "nobody waited for it: it is written later");
    assert!(!text.contains("session.started"), "it was refused");
    assert!(text.contains("audit.gap") && text.contains("could not be written for a while"), "{text}");
    let report = host.verify(&audit.head());
    assert_eq!((report.findings, report.records), (vec![], 4));
    let alarms = messages(&journal).into_iter().filter(|message| message.contains("PRIORITY=2\n")).count();
    assert_eq!(alarms, 1, "said once, not for each record");
}

#[tokio::test]
async fn a_log_that_others_could_have_made_is_refused_at_the_start() {
    let host = Host::new();
    drop(host.open(None).unwrap());
    fs::rename(&host.log, host.log.with_extension("old")).unwrap();
    std::os::unix::fs::symlink(host.log.with_extension("old"), &host.log).unwrap();
    assert!(host.open(None).is_err());
}
