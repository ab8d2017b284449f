//! The spawner is killed while sessions live: they go on, end on time, and the next spawner watches them.

use std::time::{Duration, Instant};

use jit_protocol::frame::{Frame, Kind};
use jit_protocol::link::{ExitStatus, FromMonitor, ToMonitor};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stage::{self, Session, Stage, order, shell};

pub(crate) const CRASHES: &[crate::Test] = &[
    ("a_command_outlives_its_spawner_and_its_status_comes_back", status_comes_back),
    ("a_session_ends_on_time_without_a_spawner", ends_on_time),
    ("before_it_runs_a_session_without_a_spawner_is_refused", refused_before),
    ("idle_monitors_go_with_their_spawner", idle_ones_go),
    ("the_next_spawner_ends_what_a_monitor_leaves", taken_over),
    ("the_next_spawner_ends_a_monitor_that_hangs", stuck),
    ("what_no_monitor_calls_for_is_ended", unclaimed),
    ("a_nested_session_that_no_monitor_calls_for_is_ended_alone", nested),
    ("a_spawner_that_is_asked_to_end_leaves_its_sessions_alone", asked_to_end),
    ("a_new_program_goes_on_with_the_sessions_of_the_old_one", new_program),
    ("a_program_that_cannot_be_executed_changes_nothing", no_program),
    ("a_program_that_ends_at_once_loses_no_session", wrong_program),
];

/// What a spawner does not know of is ended ten seconds after its start: what is gone well before was known.
const UNCLAIMED: Duration = Duration::from_secs(8);

/// What hides from whoever looks for children, and its session.
fn begin(stage: &Stage, mark: &str, time: Option<Duration>) -> (Session, i32) {
    let script = format!("(setsid sleep {mark} &); sleep {mark} & sleep {mark}; exit 5");
    let mut session = stage.begin(&order(&shell(&script)));
    session.expect_accepted();
    session.go(time, Duration::from_millis(200), false);
    let monitor = stage::parent_of(session.await_running());
    stage::until("all sleep", || stage::count_processes(mark) == 3);
    (session, monitor)
}

fn mark(number: u32) -> String {
    format!("{}.9{number}", std::process::id())
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

fn restart(stage: &Stage) {
    stage.kill_spawner();
    stage.start_spawner();
}

/// Until the spawner knows of this monitor, which was another one's: it has taken the call, and all was said in it once its
/// caller waits again.
fn is_called(stage: &Stage, monitor: i32) {
    stage::until("its monitor has called", || {
        stage::holds(stage.spawner_pid(), monitor) && stage::is_asleep(monitor)
    });
}

fn status_comes_back(stage: &Stage) {
    let mut session = stage.begin(&order(&shell("echo first; sleep 1; echo second; exit 42")));
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    session.await_stdout("first\n");
    restart(stage);
    assert_eq!(stage.run(&order(&shell("exit 3"))).ended(), ExitStatus::Status(3), "the next one serves");
    let run = session.finish();
    assert_eq!((run.ended(), run.stdout.as_str()), (ExitStatus::Status(42), "first\nsecond\n"));
}

fn ends_on_time(stage: &Stage) {
    let mark = mark(1);
    let (mut session, _) = begin(stage, &mark, Some(Duration::from_secs(4)));
    stage.kill_spawner();
    let run = session.finish();
    assert!(run.messages.contains(&FromMonitor::Expired) && run.messages.contains(&FromMonitor::Gone));
    assert_eq!(stage::count_processes(&mark), 0);
    stage.start_spawner();
}

fn refused_before(stage: &Stage) {
    let path = stage.path("must-not-run");
    let mut wanted = order(&shell(&format!("touch {path}")));
    wanted.ask_reason = true; // the person is asked, and takes their time
    let mut session = stage.begin(&wanted);
    session.await_frame(Kind::Prompt);
    restart(stage);
    session.send(&Frame::with(Kind::Answer, 0, "because", ""));
    let run = session.finish();
    let refused = run.refused().first_text();
    assert!(refused.contains("the spawner went away"), "{refused}");
    assert!(!std::path::Path::new(&path).exists());
    assert!(!run.messages.iter().any(|message| matches!(message, FromMonitor::Accepted)));
}

fn idle_ones_go(stage: &Stage) {
    stage::until("two wait", || stage.monitors() >= 2);
    let idle = stage.monitor_pids();
    restart(stage);
    let lives = |pid: &i32| std::path::Path::new(&format!("/proc/{pid}")).exists();
    stage::until("they are gone", || !idle.iter().any(lives));
    stage::until("only the cgroups of the new ones are left", || stage.session_cgroups() <= 2);
}

fn taken_over(stage: &Stage) {
    if stage.lacks_cgroup() {
        return; // where it has none, nobody can find what it leaves: docs/operations.md
    }
    let mark = mark(2);
    let (_session, monitor) = begin(stage, &mark, None);
    // Twice: the next one may be killed as well.
    for _ in 0..2 {
        restart(stage);
        is_called(stage, monitor);
    }
    signal(monitor, Signal::SIGKILL);
    let killed = Instant::now();
    stage::until("the command is gone", || stage::count_processes(&mark) == 0);
    assert!(killed.elapsed() < UNCLAIMED, "{:?}", killed.elapsed());
}

fn stuck(stage: &Stage) {
    if stage.lacks_cgroup() {
        return;
    }
    let mark = mark(3);
    let (_session, monitor) = begin(stage, &mark, Some(Duration::from_secs(4)));
    restart(stage);
    is_called(stage, monitor);
    signal(monitor, Signal::SIGSTOP);
    // Its time, its grace, and ten seconds more: told to the first spawner, and by the monitor to the second.
    stage::until("it is ended though its monitor hangs", || stage::count_processes(&mark) == 0);
}

fn unclaimed(stage: &Stage) {
    if stage.lacks_cgroup() {
        return;
    }
    let mark = mark(4);
    let (_session, monitor) = begin(stage, &mark, None);
    let other = mark.replace(".9", ".8");
    let (mut goes_on, _) = begin(stage, &other, None);
    stage.kill_spawner();
    signal(monitor, Signal::SIGKILL);
    stage.start_spawner();
    stage::until("nobody has called for it in time", || stage::count_processes(&mark) == 0);
    assert_eq!(stage::count_processes(&other), 3, "a session whose monitor has called goes on");
    goes_on.say(&ToMonitor::Terminate { why: "the test is over".into() });
    goes_on.finish();
    assert_eq!(stage::count_processes(&other), 0);
}

fn nested(stage: &Stage) {
    if stage.lacks_cgroup() {
        return;
    }
    let outer_mark = mark(5);
    let (mut outer, _) = begin(stage, &outer_mark, None);
    let FromMonitor::Running { cgroup, .. } = outer.messages().last().unwrap().clone() else { panic!() };
    let inner_mark = mark(6);
    let mut wanted = order(&shell(&format!("(setsid sleep {inner_mark} &); sleep {inner_mark}")));
    wanted.nested_in = Some(cgroup);
    "fedcba9876543210fedcba9876543210".clone_into(&mut wanted.session);
    let mut inner = stage.begin(&wanted);
    inner.expect_accepted();
    inner.go(None, Duration::from_millis(200), false);
    let monitor = stage::parent_of(inner.await_running());
    stage::until("both sleep", || stage::count_processes(&inner_mark) == 2);
    restart(stage);
    is_called(stage, monitor);
    // Both, so that it is the next spawner's to find.
    stage.kill_spawner();
    signal(monitor, Signal::SIGKILL);
    stage.start_spawner();
    stage::until("nobody has called for the inner one", || stage::count_processes(&inner_mark) == 0);
    assert_eq!(stage::count_processes(&outer_mark), 3, "the outer one goes on");
    outer.say(&ToMonitor::Terminate { why: "the test is over".into() });
    outer.finish();
}

fn asked_to_end(stage: &Stage) {
    let mark = mark(7);
    let (mut session, _) = begin(stage, &mark, None);
    let before = stage.spawner_pid();
    signal(before, Signal::SIGTERM);
    stage::until("it is gone", || {
        let stat = std::fs::read_to_string(format!("/proc/{before}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    });
    restart(stage);
    assert_eq!(stage::count_processes(&mark), 3);
    is_ended(&mut session);
    assert_eq!(stage::count_processes(&mark), 0);
}

/// It lives, and its monitor still does what it is told.
fn is_ended(session: &mut Session) {
    session.say(&ToMonitor::Terminate { why: "the test is over".into() });
    assert!(session.finish().messages.contains(&FromMonitor::Expired));
}

/// Tells the spawner that there is another program.
fn reload(stage: &Stage) {
    signal(stage.spawner_pid(), Signal::SIGHUP);
}

fn is_executed(stage: &Stage) -> bool {
    use std::os::unix::fs::MetadataExt;
    let inode = |path: &str| std::fs::metadata(path).map(|it| it.ino()).unwrap_or_default();
    inode(&format!("/proc/{}/exe", stage.spawner_pid())) == inode(stage.program().to_str().unwrap())
}

// "Upgrades never restart the spawner: it re-execs itself in place with its sessions alive."
fn new_program(stage: &Stage) {
    let (left, goes_on) = (mark(8), mark(9));
    let (_session, monitor) = begin(stage, &left, None);
    let (mut session, _) = begin(stage, &goes_on, None);
    let mut asked = order(&shell("exit 6"));
    asked.ask_reason = true;
    let mut before_it_runs = stage.begin(&asked);
    before_it_runs.await_frame(Kind::Prompt);
    // Twice: what was taken over can be handed over again.
    for _ in 0..2 {
        stage::until("two wait", || stage.monitors() >= 5);
        let (pid, old) = (stage.spawner_pid(), stage.monitor_pids());
        stage.replace_program(env!("CARGO_BIN_EXE_jit-spawner"), 0o755);
        assert!(!is_executed(stage));
        reload(stage);
        stage::until("the new one runs", || is_executed(stage));
        assert_eq!(stage.spawner_pid(), pid);
        let of_old = || stage.monitor_pids().iter().filter(|pid| old.contains(pid)).count();
        stage::until("only those with sessions are left of the old program", || of_old() == 3);
        // On the same work socket, by a new monitor.
        assert_eq!(stage.run(&order(&shell("exit 3"))).ended(), ExitStatus::Status(3));
    }
    before_it_runs.send(&Frame::with(Kind::Answer, 0, "because", ""));
    before_it_runs.go_when_asked();
    assert_eq!(before_it_runs.finish().ended(), ExitStatus::Status(6), "who was asked before is served");
    signal(monitor, Signal::SIGKILL);
    let killed = Instant::now();
    stage::until("what it left is gone", || stage::count_processes(&left) == 0);
    assert!(killed.elapsed() < UNCLAIMED, "{:?}", killed.elapsed());
    assert_eq!(stage::count_processes(&goes_on), 3);
    is_ended(&mut session);
    assert_eq!(stage::count_processes(&goes_on), 0);
}

fn no_program(stage: &Stage) {
    let mark = mark(10);
    let (_session, monitor) = begin(stage, &mark, None);
    for (with, mode) in [("/etc/passwd", 0o755), (env!("CARGO_BIN_EXE_jit-spawner"), 0o644)] {
        stage.replace_program(with, mode);
        reload(stage);
        assert_eq!(stage.run(&order(&shell("exit 4"))).ended(), ExitStatus::Status(4));
        assert!(!is_executed(stage));
    }
    // Nothing was left open for programs that others start.
    let run = stage.run(&order(&["/bin/ls", "/proc/self/fd"]));
    assert_eq!(run.stdout, "0\n1\n2\n3\n", "3 is ls's own");
    signal(monitor, Signal::SIGKILL);
    stage::until("what it left is gone", || stage::count_processes(&mark) == 0);
    stage.replace_program(env!("CARGO_BIN_EXE_jit-spawner"), 0o755);
}

fn wrong_program(stage: &Stage) {
    let mark = mark(11);
    let (mut session, _) = begin(stage, &mark, None);
    stage.replace_program("/bin/false", 0o755);
    reload(stage);
    stage::until("it has ended", || stage.monitors() == 0);
    stage.replace_program(env!("CARGO_BIN_EXE_jit-spawner"), 0o755);
    restart(stage);
    assert_eq!(stage::count_processes(&mark), 3);
    is_ended(&mut session);
    assert_eq!(stage::count_processes(&mark), 0);
}
