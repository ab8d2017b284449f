//! What changes between somebody else's yes and exec does not run, however the two race: the asker exchanges files, folders
//! and links all the while (renameat2(2)).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jit_tests::Guest;
use jit_tests::guest::Policy;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::approvals::{approve, pending, two_people};

/// How often a command is run in a race: `JIT_RACE_ROUNDS`, else a few times.
fn rounds() -> usize {
    std::env::var("JIT_RACE_ROUNDS").map_or(200, |rounds| rounds.parse().unwrap())
}

/// Has this approved: `$ask` is the whole command.
fn approved(asker: &str, approver: &str, prepare: &str, ask: &str) -> (&'static Guest, Policy<'static>) {
    let (guest, policy) = two_people(asker, approver, "grant.duration = \"4h\"");
    guest.as_user(asker).run(prepare).success();
    guest.as_user(asker).run(ask).exits(1).complains("waits for approval by");
    approve(guest, approver, &pending(guest, asker));
    guest.as_user(asker).run(ask).success();
    (guest, policy)
}

/// The asker's home, as this program sees it.
fn home(guest: &Guest, user: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root/home/{user}", guest.init()))
}

fn exchange(one: &Path, other: &Path) {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
}

/// Runs a script of so many rounds, and exchanges these all the while: sometimes one after the other, sometimes with a
/// pause, so that each moment of an elevation is met. How often it ran.
fn race(guest: &Guest, user: &str, ask: &str, pairs: &[(PathBuf, PathBuf)]) -> usize {
    const AT_ONCE: usize = 50;
    let over = AtomicBool::new(false);
    let attack = || {
        let mut random: u32 = 1;
        while !over.load(Ordering::Relaxed) {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (one, other) = &pairs[(random >> 8) as usize % pairs.len()];
            exchange(one, other);
            std::thread::sleep(Duration::from_micros(u64::from(random >> 16) % 6_000));
        }
    };
    let run = || {
        let script =
            format!("n=0; for i in $(seq {AT_ONCE}); do {ask} 2>/dev/null && n=$((n+1)); done; echo $n");
        let count = || guest.as_user(user).run(&script).success().stdout.trim().parse::<usize>().unwrap();
        (0..rounds().div_ceil(AT_ONCE)).map(|_| count()).sum()
    };
    std::thread::scope(|scope| {
        let attacker = scope.spawn(attack);
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        over.store(true, Ordering::Relaxed);
        attacker.join().unwrap();
        ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

// "a swap loop of 10,000 rounds never runs what was not approved"
#[test]
fn what_was_not_approved_never_runs_however_often_file_folder_and_link_are_swapped() {
    // Each program does nothing but what it is: what runs in the place of the approved one leaves a mark.
    let prepare = "mkdir one two && cp /usr/bin/true one/tool && cp /usr/bin/touch two/tool && \
        cp /usr/bin/touch one/other && cp /usr/bin/true two/other && ln -s one link && ln -s two next";
    let ask = "jit-sudo -n --reason INC-8 link/tool /home/quenby/mark";
    let (guest, _policy) = approved("quenby", "rhoda", prepare, ask);
    let home = home(guest, "quenby");
    let pair = |one: &str, other: &str| (home.join(one), home.join(other));
    let pairs = [pair("one/tool", "one/other"), pair("one", "two"), pair("link", "next")];
    let ran = race(guest, "quenby", ask, &pairs);
    assert!(!home.join("mark").exists(), "it ran what was not approved");
    println!("of {} rounds {ran} ran what was approved, and none anything else", rounds());
    // At rest, with all of it in its place again, it is what was approved; and what stands beside it would leave a mark.
    guest.as_user("quenby").run("rm -r one two link next").success();
    guest.as_user("quenby").run(&format!("{prepare} && {ask}")).success();
    guest.as_user("quenby").run("link/other mark && test -e mark").success();
}

#[test]
fn a_working_folder_that_was_not_approved_is_never_entered() {
    let ask = "(cd here && jit-sudo -n --reason INC-9 touch mark)";
    let (guest, _policy) = approved("quorra", "roxane", "mkdir here there && touch here/approved", ask);
    let home = home(guest, "quorra");
    race(guest, "quorra", ask, &[(home.join("here"), home.join("there"))]);
    for folder in ["here", "there"].map(|name| home.join(name)) {
        assert_eq!(folder.join("mark").exists(), folder.join("approved").exists(), "{}", folder.display());
    }
}

#[test]
fn what_has_changed_since_it_was_approved_is_named() {
    let prepare =
        "mkdir one two here there && cp /usr/bin/true one/tool && cp /usr/bin/id two/tool && ln -s one link";
    let ask = "cd here && jit-sudo -n --reason INC-10 ~/link/tool";
    let (guest, _policy) = approved("quella", "rowena", prepare, ask);
    let home = home(guest, "quella");
    let refused = |says: &str| {
        let outcome = guest.as_user("quella").run(ask).exits(1);
        outcome.complains("this is not what was approved: it differs in ").complains(says);
    };
    let (one, two) = (home.join("one"), home.join("two"));
    exchange(&one.join("tool"), &two.join("tool"));
    refused("the file /home/quella/one/tool");
    exchange(&one, &two);
    // The same file at the same place again, in another folder: it is what is in it that was approved.
    guest.as_user("quella").run(ask).success();
    exchange(&one.join("tool"), &two.join("tool"));
    refused("the file /home/quella/one/tool");
    exchange(&one, &two);
    guest.as_user("quella").run("ln -sfn two link").success();
    refused("the program, which is /home/quella/two/tool now");
    guest.as_user("quella").run("ln -sfn one link").success();
    exchange(&home.join("here"), &home.join("there"));
    refused("the working folder: another one has its path now");
    exchange(&home.join("here"), &home.join("there"));
    let with_more = ask.replace("~/link", "STAGE=two ~/link");
    guest.as_user("quella").run(&with_more).exits(1).complains("the environment that was asked for");
    guest.as_user("quella").run(ask).success();
}
