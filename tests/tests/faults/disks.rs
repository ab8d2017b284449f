//! Disks that fail for as long as they like: nothing runs, it is said why, and service resumes once they are well. And
//! what has to be durable before what.

use std::time::Duration;

use jit_tests::process::run;

use crate::deeds::{Deed, Scene};
use crate::play::Play;
use crate::stage::{jitctl, shell};
use crate::tracer::{Fault, Target, Tracer, calls};
use crate::walks::{AUDIT, EIO, ENOSPC, FILES, LOOP, SENDS, STORE, WRITTEN, Who};

/// All of them; how many there are.
pub(crate) fn all(play: &mut Play) -> usize {
    let mut checks = 1;
    for (who, part, said) in
        [(STORE, "store", "grants cannot be stored"), (AUDIT, "audit", "the audit log cannot be written")]
    {
        for fault in [EIO, ENOSPC] {
            a_disk_that_fails_is_told_and_service_resumes(play, who, part, said, fault);
            checks += 1;
        }
    }
    // No record, no command: the log is on the disk, and the use of the grant is, before the monitor may go on.
    nothing_is_said_before_it_is_durable(play, "{\\\"go\\\":", |play| {
        let name = play.stage.next_name();
        play.stage.elevate(&name).success();
    });
    for (deed, said) in [
        (Deed::Ask, "this waits"),
        (Deed::Approve, "approved: "),
        (Deed::Deny, "{\\\"done\\\":"),
        (Deed::TakeBack, "{\\\"done\\\":"),
        (Deed::Spend, "{\\\"go\\\":"),
    ] {
        let scene = Scene::set(deed, play.stage.next_name());
        let mut outcome = None;
        nothing_is_said_before_it_is_durable(play, said, |_| outcome = Some(scene.act()));
        for wrong in scene.aftermath(play, &outcome.unwrap()) {
            play.tell(format!("{deed:?}: {wrong}"));
        }
        checks += 1;
    }
    println!("{:<23} {:<8} {checks:>4} points", "disks", "");
    checks
}

fn a_disk_that_fails_is_told_and_service_resumes(
    play: &mut Play,
    who: Who,
    part: &str,
    said: &str,
    fault: Fault,
) {
    let target = Target { calls: FILES, files: WRITTEN, children: false, number: None, fault };
    let tracer = Tracer::attach(&play.threads(who), target).expect("the agent runs");
    let mut wrong = Vec::new();
    for _ in 0..2 {
        let name = play.stage.next_name();
        let outcome = play.stage.elevate(&name);
        wrong.extend(play.ledger.check(&name, &outcome));
        if outcome.code() != Some(1) || !outcome.stderr.contains(said) || !outcome.stderr.contains("hint: ") {
            wrong.push(format!("it did not say that {said}: {outcome}"));
        }
    }
    if state(part) != "fails" || run(shell("jitctl status"), b"", Duration::from_secs(10)).code() != Some(1) {
        wrong.push(format!("the status of {part} is {}", state(part)));
    }
    tracer.finish();
    let name = play.stage.next_name();
    let outcome = play.stage.elevate(&name);
    if !outcome.is_ok() {
        wrong.push(format!("it works no more: {outcome}"));
    }
    wrong.extend(play.stage.settle().err());
    wrong.extend(play.ledger.check(&name, &outcome));
    if state(part) != "works" {
        wrong.push(format!("the status of {part} is still {}", state(part)));
    }
    for wrong in wrong {
        play.tell(format!("{part} {fault}: {wrong}"));
    }
}

fn state(part: &str) -> String {
    let parts = jitctl(&["status"]).unwrap_or_default();
    let part = parts.as_array().into_iter().flatten().find(|it| it["id"] == part);
    part.and_then(|part| part["state"].as_str()).unwrap_or("unknown").to_owned()
}

/// Whatever is done: log and store are on the disk before this is said.
fn nothing_is_said_before_it_is_durable(play: &mut Play, said: &str, act: impl FnOnce(&mut Play)) {
    let all = [FILES, SENDS].concat();
    let target = Target { calls: &all, files: &[], children: false, number: None, fault: Fault::None };
    let threads = [AUDIT, STORE, LOOP].map(|who| play.threads(who)).concat();
    let tracer = Tracer::attach(&threads, target).expect("the agent runs");
    act(play);
    tracer.finish();
    let calls = calls();
    let told = calls.iter().position(|call| call.starts_with("send") && call.contains(said));
    let Some(told) = told else { return play.tell(format!("nobody said {said}: {calls:#?}")) };
    for (file, write) in [("audit.jsonl", "write("), ("state.redb", "pwrite64(")] {
        let is = |call: &String, kind: &str| call.starts_with(kind) && call.contains(file);
        let written = calls[..told].iter().rposition(|call| is(call, write));
        let synced = calls[..told].iter().rposition(|call| is(call, "fdatasync(") && call.ends_with("= 0"));
        if written.is_none() || synced < written {
            play.tell(format!("{file} is not on the disk before {said}: {:#?}", &calls[..=told]));
        }
    }
}
