//! Between Go and exec: what is over by then does not begin, and nobody gets at the monitor, in whose memory this happens.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use jit_protocol::link::{Deadline, ExitStatus, FromMonitor, ToMonitor};
use jit_protocol::order::Cwd;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Test;
use crate::fuse::{self, Fuse};
use crate::stage::{self, Session, Stage, order, shell, until};

pub(crate) const BEFORE_EXEC: &[Test] = &[
    ("a_command_held_before_exec_does_not_run_after_its_time", held_before_exec),
    ("a_go_whose_time_is_up_already_runs_nothing", late_go),
    ("a_go_on_a_grant_that_has_ended_runs_nothing", late_for_its_grant),
    ("a_command_held_before_exec_shows_its_user_nothing_of_the_monitor", held_untouchable),
    ("a_command_that_its_user_stops_before_exec_lives_no_longer_than_its_time", stopped_before_exec),
    ("a_revocation_that_comes_right_after_go_starts_nothing", revoked_at_go),
    ("an_agent_that_goes_away_right_after_go_starts_nothing", agent_gone_at_go),
];

fn held_before_exec(stage: &Stage) {
    let fuse = Fuse::new("#!/bin/sh\nmkdir \"$1\"\n");
    let mark = stage.path("held-before-exec");
    let mut session = stage.begin(&order(&[&fuse.path(), &mark]));
    session.expect_accepted();
    let own = i32::try_from(std::process::id()).unwrap();
    fuse.hold(move |kind, pid| kind == fuse::LOOKUP && pid != own);
    let time = Duration::from_secs(2);
    let go = Instant::now();
    session.go(Some(time), Duration::from_secs(2), false);
    until("it is held", || fuse.is_holding());
    // Between SIGTERM and SIGKILL, or later.
    std::thread::sleep((time + Duration::from_millis(300)).saturating_sub(go.elapsed()));
    fuse.release();
    session.listen_to_the_end();
    assert!(!Path::new(&mark).exists(), "it ran after its time");
}

fn late_go(stage: &Stage) {
    let mark = stage.path("late-go");
    for (boottime, realtime) in [(1, i64::MAX), (u64::MAX / 2, 1), (0, -1)] {
        let mut session = stage.begin(&order(&["/bin/mkdir", &mark]));
        session.expect_accepted();
        session.go_until(boottime, realtime);
        let run = session.finish();
        assert!(run.refused().first_text().contains("time is up"), "{}", run.refused().first_text());
        assert!(
            run.messages.iter().any(|message| matches!(message, FromMonitor::Refused { after_go: true, .. }))
        );
        assert!(!Path::new(&mark).exists());
    }
}

// The agent says Go before PAM has its say, which may take longer than the grant has left.
fn late_for_its_grant(stage: &Stage) {
    let mark = stage.path("late-for-its-grant");
    for (boottime_ns, realtime_ns) in [(1, i64::MAX), (u64::MAX, 1)] {
        let mut session = stage.begin(&order(&["/bin/mkdir", &mark]));
        session.go_if_before(Deadline { boottime_ns, realtime_ns });
        let run = session.finish();
        assert_eq!(run.refused().first_text(), "the grant has ended meanwhile");
        assert!(!Path::new(&mark).exists());
    }
}

/// `fs.suid_dumpable` as it is here, then as it was.
struct SuidDumpable(String);

impl SuidDumpable {
    const PATH: &str = "/proc/sys/fs/suid_dumpable";

    fn set(value: &str) -> Self {
        let before = fs::read_to_string(Self::PATH).unwrap();
        fs::write(Self::PATH, value).unwrap();
        Self(before)
    }
}

impl Drop for SuidDumpable {
    fn drop(&mut self) {
        fs::write(Self::PATH, &self.0).unwrap();
    }
}

/// A command of another user, held between its switch of identity and exec; and its process.
fn held(stage: &Stage, fuse: &Fuse, time: Option<Duration>) -> (Session, i32) {
    let mut wanted = order(&shell("true"));
    wanted.target = stage::account("daemon", 1, 1, &[1]);
    wanted.restrictions.cwd = Cwd::Path(fuse.path().as_str().into());
    let mut session = stage.begin(&wanted);
    session.expect_accepted();
    let held = Arc::new(AtomicI32::new(0));
    let (found, own) = (held.clone(), i32::try_from(std::process::id()).unwrap());
    fuse.hold(move |kind, pid| {
        let holds = kind == fuse::LOOKUP && pid != own;
        if holds {
            found.store(pid, Ordering::Relaxed);
        }
        holds
    });
    session.go(time, Duration::from_millis(100), false);
    until("it is held", || fuse.is_holding());
    (session, held.load(Ordering::Relaxed))
}

// Its memory is the monitor's: who could trace it would be root. Whether a change of identity makes memory one that may
// be traced is a setting (proc(5)).
fn held_untouchable(stage: &Stage) {
    let fuse = Fuse::new("");
    let _debugging = SuidDumpable::set("1");
    let (mut session, held) = held(stage, &fuse, None);
    let script = "exec 2>&1; head -c 9 /proc/$1/maps && echo read; (: 3<>/proc/$1/mem) && echo wrote; \
                  readlink /proc/$1/fd/0 && echo looked; kill -0 $1 && echo is its own";
    let output =
        Command::new("sh").args(["-c", script, "sh", &held.to_string()]).uid(1).gid(1).output().unwrap();
    fuse.release();
    session.listen_to_the_end();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.ends_with("is its own\n"), "{said}");
    assert!(!["read\n", "wrote\n", "looked\n"].iter().any(|word| said.contains(word)), "{said}");
}

// The monitor stands still until the command has executed: nobody but the spawner can end this.
fn stopped_before_exec(stage: &Stage) {
    let fuse = Fuse::new("");
    let (mut session, held) = held(stage, &fuse, Some(Duration::from_secs(2)));
    let monitor = stage::parent_of(held);
    stage::as_user(1, || kill(Pid::from_raw(held), Signal::SIGSTOP).unwrap());
    fuse.release();
    let lives = |pid: i32| Path::new(&format!("/proc/{pid}")).exists();
    until("both are gone", || !lives(held) && !lives(monitor));
    assert!(
        !session.listen_to_the_end().iter().any(|message| matches!(message, FromMonitor::Running { .. }))
    );
    assert_eq!(stage.run(&order(&shell("exit 3"))).ended(), ExitStatus::Status(3), "others are served");
}

fn while_monitors_stand_still(stage: &Stage, act: impl FnOnce()) {
    let monitors = stage.monitor_pids();
    // One of another test may end at this moment.
    let all = |signal| monitors.iter().for_each(|pid| _ = kill(Pid::from_raw(*pid), signal));
    all(Signal::SIGSTOP);
    act();
    all(Signal::SIGCONT);
}

// Nobody could have told any more that the grant was revoked while PAM had its say.
fn agent_gone_at_go(stage: &Stage) {
    let mark = stage.path("agent-gone-at-go");
    let mut session = stage.begin(&order(&["/bin/mkdir", &mark]));
    session.expect_accepted();
    while_monitors_stand_still(stage, || {
        session.go(None, Duration::from_secs(1), false);
        session.hang_up_agent();
    });
    let run = session.finish();
    assert!(run.refused().first_text().contains("the agent went away"), "{:?}", run.frames);
    assert!(!Path::new(&mark).exists());
}

fn revoked_at_go(stage: &Stage) {
    let mark = stage.path("revoked-at-go");
    let mut session = stage.begin(&order(&["/bin/mkdir", &mark]));
    session.expect_accepted();
    while_monitors_stand_still(stage, || {
        session.go(None, Duration::from_secs(1), false);
        session.say(&ToMonitor::Terminate { why: "the grant was revoked".into() });
    });
    let run = session.finish();
    assert!(run.refused().first_text().contains("revoked"), "{:?}", run.frames);
    assert!(
        run.messages.iter().any(|message| matches!(message, FromMonitor::Refused { after_go: true, .. }))
    );
    assert!(!Path::new(&mark).exists());
}
