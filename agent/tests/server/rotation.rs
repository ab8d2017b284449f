//! "`jitctl audit rotate` and a timer; the chain goes on over files": the agent does it when it is asked, and by itself
//! when it is due.

use std::fs;
use std::path::PathBuf;

use jit_audit::{Report, Verifier, file};
use jit_protocol::request::Request;
use jit_protocol::response::{Response, State};

use crate::stage::{PATIENT, Stage, needs_root, rule, whole_lines};
use crate::wire::{command, id};

const NO_DUTY: &str = "require.authentication = \"none\"";

/// The files of the log, oldest first.
fn files(stage: &Stage) -> Vec<PathBuf> {
    let folder = stage.paths.audit.parent().unwrap();
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = all.filter(|path| file::last_of(&name(path)).is_some()).collect();
    files.sort();
    files.push(stage.paths.audit.clone());
    files
}

/// Of a moment in which nothing was written: the last words of a session come when it is over.
fn verify(stage: &Stage) -> Report {
    let head = || match stage.connect().ask(Request::AuditHead) {
        Response::AuditHead { seq, hash } => jit_audit::Head { seq, hash },
        other => panic!("{other:?}"),
    };
    loop {
        let before = head();
        let texts: Vec<String> = files(stage).iter().map(|path| whole_lines(path)).collect();
        if head() == before {
            let mut verifier = Verifier::default();
            texts.iter().flat_map(|text| text.lines()).for_each(|line| verifier.push(line.as_bytes()));
            return verifier.finish(Some(1), Some(&before));
        }
    }
}

fn rotate(stage: &Stage, if_due: bool) -> String {
    match stage.connect().ask(Request::RotateAudit { if_due }) {
        Response::Done { message } => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_log_goes_on_in_a_new_file_when_root_says_so() {
    needs_root();
    let mut stage = Stage::with(&rule("id", NO_DUTY));
    stage.connect().elevate(id());
    let grant = stage.monitor().run(0).grant;
    stage.await_event("session.ended");
    let before = stage.audit().pop().unwrap();
    let name = file::rotated(before["seq"].as_u64().unwrap());
    assert!(rotate(&stage, false).contains(&name));
    let first = stage.audit().remove(0);
    assert_eq!((&first["event"], &first["prev"]), (&"audit.rotated".into(), &before["hash"]));
    assert_eq!(files(&stage).len(), 2);
    for _ in 0..2 {
        stage.connect().elevate(id());
        assert_eq!(stage.monitor().go().grant, grant);
        stage.crash();
        stage.start(); // also right after it, and again
    }
    assert_eq!(verify(&stage).findings, []);
    assert!(!stage.events().contains(&"audit.gap".to_owned()), "{:?}", stage.events());
}

#[test]
fn a_log_that_is_not_due_is_left_alone_by_the_timer() {
    needs_root();
    let stage = Stage::with(&rule("id", NO_DUTY));
    assert!(rotate(&stage, true).contains("not due"));
    assert_eq!(files(&stage).len(), 1);
    // "30d" is the default: the timer finds it due, without any event.
    stage.clock.pass(30 * 24 * 3600 * 1_000_000_000);
    rotate(&stage, true); // or a late record of the start has found it due
    assert_eq!(files(&stage).len(), 2);
    assert!(rotate(&stage, true).contains("not due"));
    assert_eq!(verify(&stage).findings, []);
}

#[test]
fn a_large_log_is_rotated_by_itself_and_only_so_many_files_are_kept() {
    needs_root();
    let settings = format!("{PATIENT}audit.rotate_size = \"64K\"\naudit.keep = 2");
    let stage = Stage::with_settings(&settings, &rule("id", NO_DUTY));
    let mut ran = 0;
    while files(&stage).len() < 3 || verify(&stage).first == 1 {
        stage.connect().elevate(id());
        stage.monitor().run(0);
        ran += 1;
        assert!(ran < 500, "{:?}", files(&stage));
    }
    let report = verify(&stage);
    assert_eq!(report.findings, [], "what was removed on purpose is not missed");
    let sizes = files(&stage).into_iter().rev().skip(1).map(|path| fs::metadata(path).unwrap().len());
    for size in sizes {
        assert!((64 << 10..128 << 10).contains(&size), "{size}");
    }
    // One that was not is.
    fs::remove_file(&files(&stage)[0]).unwrap();
    assert!(!verify(&stage).is_sound());
}

// Commands go on; who looks is told.
#[test]
fn a_log_that_cannot_be_rotated_is_written_on() {
    needs_root();
    let stage = Stage::with(&rule("id", NO_DUTY));
    let last = stage.audit().pop().unwrap()["seq"].as_u64().unwrap();
    let taken = stage.paths.audit.with_file_name(file::rotated(last));
    fs::create_dir(&taken).unwrap();
    let answer = stage.connect().ask(Request::RotateAudit { if_due: false });
    assert!(
        matches!(&answer, Response::Refused { what, .. } if what.contains("could not be rotated")),
        "{answer:?}"
    );
    let Response::Status(status) = stage.connect().ask(Request::Status) else { panic!() };
    let audit = status.parts.iter().find(|part| part.id == "audit").unwrap();
    assert_eq!(audit.state, State::Degraded);
    stage.connect().elevate(id());
    stage.monitor().go();
    fs::remove_dir(&taken).unwrap();
    assert!(rotate(&stage, false).contains("was rotated"));
    let Response::Status(status) = stage.connect().ask(Request::Status) else { panic!() };
    assert_eq!(status.parts.iter().find(|part| part.id == "audit").unwrap().state, State::Works);
    assert_eq!(verify(&stage).findings, []);
}

// Who may run one thing must not write the past out of the log with its arguments (`audit.keep`).
#[test]
fn a_command_is_in_the_log_whole_once() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\""));
    let long = "x".repeat(100_000);
    stage.connect().elevate(command(&["id", &long]));
    stage.monitor().run(1);
    stage.await_event("session.ended");
    let lengths: Vec<_> = stage
        .audit()
        .into_iter()
        .filter(|record| record["command"].is_array())
        .map(|record| (record["event"].as_str().unwrap().to_owned(), record["command"].to_string().len()))
        .collect();
    let is_whole = |event: &str| event == "session.started";
    assert!(lengths.iter().any(|(event, _)| is_whole(event)), "{lengths:?}");
    for (event, length) in &lengths {
        assert_eq!(*length > long.len(), is_whole(event), "{lengths:?}");
        assert!(is_whole(event) || *length < 4096, "{lengths:?}");
    }
}
