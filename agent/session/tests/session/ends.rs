//! How a session ends: on time, early, or with its command.

use std::fs;
use std::time::Duration;

use jit_protocol::frame::{Frame, Kind};
use jit_protocol::link::{ExitStatus, FromMonitor, ToMonitor};

use crate::Test;
use crate::stage::{self, Stage, order, shell};

pub(crate) const ENDS: &[Test] = &[
    ("expiry_ends_children_that_double_forked_stopped_and_ignore_sigterm", expiry),
    ("revocation_ends_the_session_and_tells_the_person", revocation),
    ("a_clock_that_passed_the_wall_deadline_ends_the_session", wall_deadline),
    ("what_is_to_be_told_of_the_end_is_told_before_it", told_ahead),
    ("what_is_to_be_told_at_once_is_told_before_the_command_says_anything", told_at_once),
    ("leftover_is_kept_until_the_deadline_then_ended", leftover_kept),
    ("leftover_is_killed_at_once_where_policy_says_so", leftover_killed),
    ("who_has_left_the_cgroup_is_told_of_and_ends_with_the_grant", outside),
    ("a_killed_monitor_leaves_nothing_running", killed_monitor),
    ("a_helper_that_goes_away_ends_its_command", helper_gone),
    ("signals_of_the_helper_reach_the_command", forwarded_signal),
];

fn expiry(stage: &Stage) {
    let mark = format!("{}.41", std::process::id());
    let script = format!(
        "(setsid sleep {mark} & ) ; sh -c 'trap \"\" TERM; while :; do sleep {mark}; done' & \
         sleep {mark} & kill -STOP $!; trap '' TERM; sleep {mark}; sleep {mark}; sleep {mark}"
    );
    let mut session = stage.begin(&order(&shell(&script)));
    session.expect_accepted();
    session.go(Some(Duration::from_secs(2)), Duration::from_millis(400), false);
    let run = session.finish();
    assert!(run.messages.contains(&FromMonitor::Expired) && run.messages.contains(&FromMonitor::Gone));
    assert!(run.notices().contains("its time is up"));
    assert_eq!(stage::count_processes(&mark), 0);
}

fn revocation(stage: &Stage) {
    let mark = format!("{}.42", std::process::id());
    let mut session = stage.begin(&order(&shell(&format!("sleep {mark}"))));
    session.expect_accepted();
    session.go(None, Duration::from_secs(30), false);
    session.await_running();
    session.say(&ToMonitor::Terminate { why: "the grant was revoked".into() });
    let run = session.finish();
    assert!(run.notices().contains("the grant was revoked"));
    assert_eq!(run.ended(), ExitStatus::Signal(15));
    assert_eq!(stage::count_processes(&mark), 0);
}

fn wall_deadline(stage: &Stage) {
    let mut session = stage.begin(&order(&shell("sleep 30")));
    session.expect_accepted();
    let soon = std::time::SystemTime::now() + Duration::from_secs(2);
    let since_1970 = soon.duration_since(std::time::UNIX_EPOCH).unwrap();
    session.go_until(u64::MAX / 2, i64::try_from(since_1970.as_nanos()).unwrap());
    let run = session.finish();
    assert!(run.messages.contains(&FromMonitor::Expired));
}

// "with warning lines on the terminal"
fn told_ahead(stage: &Stage) {
    let mut session = stage.begin(&order(&shell("sleep 30")));
    session.expect_accepted();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let in_ms = |ms| i64::try_from((now + Duration::from_millis(ms)).as_nanos()).unwrap();
    session.go_with_notices(in_ms(2_000), &[(1, "it ends soon"), (in_ms(5_000), "it has ended long ago")]);
    let told = session.finish().notices();
    let at = |text| told.find(text).unwrap_or_else(|| panic!("{told}"));
    assert!(at("it ends soon") < at("its time is up"), "{told}");
    assert!(!told.contains("long ago"), "{told}");
}

// However short the command is.
fn told_at_once(stage: &Stage) {
    let mut session = stage.begin(&order(&shell("true")));
    session.expect_accepted();
    session.go_with_notices(i64::MAX, &[(1, "the grant lives until then")]);
    let run = session.finish();
    let at = |kind| run.frames.iter().position(|frame| frame.kind == kind).expect("a frame");
    assert!(at(Kind::Notice) < at(Kind::Started), "{:?}", run.frames);
    assert_eq!(run.notices().matches("lives until").count(), 1, "{}", run.notices());
}

fn leftover_kept(stage: &Stage) {
    let mark = format!("{}.43", std::process::id());
    let mut session = stage.begin(&order(&shell(&format!("setsid sleep {mark} >/dev/null 2>&1 & exit 3"))));
    session.expect_accepted();
    session.go(Some(Duration::from_secs(4)), Duration::from_millis(100), false);
    session.await_ended();
    stage::until("it lives on", || stage::count_processes(&mark) == 1);
    let run = session.finish();
    assert!(run.messages.contains(&FromMonitor::Ended { status: ExitStatus::Status(3), leftover: true }));
    assert!(run.notices().contains("left behind"));
    assert!(run.messages.contains(&FromMonitor::Gone));
    assert_eq!(stage::count_processes(&mark), 0);
}

fn leftover_killed(stage: &Stage) {
    let mark = format!("{}.44", std::process::id());
    let mut session = stage.begin(&order(&shell(&format!("setsid sleep {mark} >/dev/null 2>&1 & exit 0"))));
    session.expect_accepted();
    session.go(None, Duration::from_millis(100), true);
    session.finish();
    assert_eq!(stage::count_processes(&mark), 0);
}

// A full root can leave its cgroup: the command itself, what it leaves behind, and what that starts.
fn outside(stage: &Stage) {
    if stage.lacks_cgroup() {
        return; // then all are found by descent anyway
    }
    let elsewhere = stage.cgroup_folder("").unwrap().with_file_name("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let mark = format!("{}.47", std::process::id());
    let leave = format!("echo 0 >{}/cgroup.procs", elsewhere.display());
    let left = |script: &str| {
        let mut session = stage.begin(&order(&shell(script)));
        session.expect_accepted();
        session.go(Some(Duration::from_secs(3)), Duration::from_millis(200), false);
        let run = session.finish();
        assert!(run.messages.contains(&FromMonitor::Expired) && run.messages.contains(&FromMonitor::Gone));
        assert_eq!(stage::count_processes(&mark), 0);
        let outside = |message: &FromMonitor| match message {
            FromMonitor::Outside { name, cgroup, .. } => Some((name.clone(), cgroup.clone())),
            _ => None,
        };
        run.messages.iter().filter_map(outside).collect::<Vec<_>>()
    };
    let sleeper = [("sleep".to_owned(), "/elsewhere".to_owned())];
    assert_eq!(left(&format!("{leave}; exec sleep {mark}")), sleeper);
    let deaf =
        format!("({leave}; trap '' TERM HUP; exec setsid sleep {mark}) >/dev/null 2>&1 & sleep 1; exit 3");
    assert_eq!(left(&deaf), sleeper);
    // One is outside, and the other has not left.
    let forked = format!("({leave}; (setsid sleep {mark} &)) & setsid sleep {mark} & wait; sleep {mark}");
    assert_eq!(left(&forked), sleeper);
    stage::until("nothing is left of it", || fs::remove_dir(&elsewhere).is_ok());
}

fn killed_monitor(stage: &Stage) {
    let mark = format!("{}.45", std::process::id());
    let mut session = stage.begin(&order(&shell(&format!("(setsid sleep {mark} &); sleep {mark}"))));
    session.expect_accepted();
    session.go(None, Duration::from_mins(1), false);
    let command = session.await_running();
    stage::until("both sleep", || stage::count_processes(&mark) == 2);
    let monitor = stage::parent_of(command);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(monitor), nix::sys::signal::Signal::SIGKILL).unwrap();
    stage::until("the command is gone", || stage::count_processes(&mark) == 0);
}

fn helper_gone(stage: &Stage) {
    let mark = format!("{}.46", std::process::id());
    let mut session = stage.begin(&order(&shell(&format!("trap '' HUP; sleep {mark}"))));
    session.expect_accepted();
    session.go(None, Duration::from_millis(100), false);
    session.await_running();
    session.hang_up_helper();
    stage::until("the command is gone", || stage::count_processes(&mark) == 0);
}

fn forwarded_signal(stage: &Stage) {
    let mut session = stage
        .begin(&order(&shell("trap 'echo got usr1; exit 9' USR1; echo ready; while :; do sleep 0.05; done")));
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    session.await_stdout("ready\n");
    session.send(&Frame::new(Kind::Signal, 11)); // not a person's: ignored
    session.send(&Frame::new(Kind::Signal, 10));
    let run = session.finish();
    assert_eq!(run.ended(), ExitStatus::Status(9));
    assert!(run.stdout.contains("got usr1"));
}
