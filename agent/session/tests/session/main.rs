//! The real spawner and its monitors, with the test as agent and as helper, in a mount namespace of its own.
//!
//! Needs root: it says so and fails without. PAM here permits everyone; real PAM stacks are the guests' matter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::exit,
    missing_docs,
    reason = "a test program"
)]

mod attacks;
mod before_exec;
mod circumstances;
mod crash;
mod fuse;
mod home;
mod modules;
mod orders;
mod processes;
mod session;
mod stage;

use std::io::Read;
use std::time::{Duration, Instant};

use jit_protocol::frame::{Frame, Kind};
use jit_protocol::link::{ExitStatus, FromMonitor, ToMonitor};
use jit_protocol::order::{Cwd, Umask};
use stage::{Stage, order, shell};

/// Set for the second run.
const WITHOUT_CGROUP: &str = "JIT_TEST_WITHOUT_CGROUP";
/// Set for the run of the one test that takes minutes.
const SLOW: &str = "JIT_TEST_SLOW";
const SLOW_TEST: Test =
    ("a_module_that_sleeps_for_ever_is_ended_and_holds_nobody_else_up", modules::module_sleeps);

type Test = (&'static str, fn(&Stage));

const TESTS: &[Test] = &[
    ("exit_status_of_the_command_is_the_helpers", exit_status),
    ("death_by_signal_is_told_as_such", death_by_signal),
    ("output_goes_to_the_helpers_own_descriptors", output_untouched),
    ("a_script_without_interpreter_line_is_run_by_sh", script_without_interpreter),
    ("a_command_that_cannot_be_executed_is_refused_after_go", not_executable),
    ("the_command_has_exactly_the_targets_identity", identity),
    ("the_command_inherits_nothing_by_accident", inherited_attributes),
    ("umask_is_the_union_or_what_policy_says", umask),
    ("a_folder_that_the_invoking_user_cannot_enter_is_not_entered", unreachable_cwd),
    ("a_folder_that_policy_names_and_is_missing_refuses", missing_policy_cwd),
    ("a_file_changed_after_the_decision_is_not_run", changed_file),
    ("no_go_no_command", no_go),
    ("an_agent_that_goes_away_before_go_starts_nothing", agent_gone),
    ("an_order_for_another_user_than_the_peer_is_refused", other_user),
    ("expiry_ends_children_that_double_forked_stopped_and_ignore_sigterm", expiry),
    ("revocation_ends_the_session_and_tells_the_person", revocation),
    ("a_clock_that_passed_the_wall_deadline_ends_the_session", wall_deadline),
    ("leftover_is_kept_until_the_deadline_then_ended", leftover_kept),
    ("leftover_is_killed_at_once_where_policy_says_so", leftover_killed),
    ("a_killed_monitor_leaves_nothing_running", killed_monitor),
    ("a_helper_that_goes_away_ends_its_command", helper_gone),
    ("signals_of_the_helper_reach_the_command", forwarded_signal),
    ("a_terminal_is_ours_with_the_helpers_size_and_follows_it", terminal),
    ("a_terminal_belongs_to_the_target_user", terminal_of_the_target),
    ("a_command_in_the_background_is_stopped_when_it_reads", in_the_background),
    ("a_terminal_that_hangs_up_is_the_commands_hang_up", hung_up),
    ("control_c_in_the_terminal_interrupts_the_command", control_c),
    ("control_z_stops_the_command_and_continue_continues_it", control_z),
    ("the_last_output_before_exit_is_never_lost", last_output),
    ("a_helper_that_breaks_the_protocol_is_refused", broken_protocol),
    ("many_sessions_at_once_are_served", many_sessions),
    ("the_command_sees_no_descriptor_but_its_own_three", descriptors),
    ("nothing_is_left_behind_after_all_of_this", nothing_left),
];

fn main() {
    if !nix::unistd::geteuid().is_root() {
        println!("the tests of the session need root\n\ntest result: FAILED. 0 passed; 1 failed");
        std::process::exit(1);
    }
    let filter: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let with_cgroup = std::env::var_os(WITHOUT_CGROUP).is_none();
    if std::env::var_os(SLOW).is_some() {
        return SLOW_TEST.1(&Stage::new(false));
    }
    let slow = (with_cgroup && is_wanted(&filter, SLOW_TEST.0)).then(|| again(&[], SLOW).spawn().unwrap());
    let stage = Stage::new(with_cgroup);
    let mut failed = 0;
    let mut passed = 0;
    for (name, test) in attacks::ATTACKS
        .iter()
        .chain(before_exec::BEFORE_EXEC)
        .chain(modules::MODULES)
        .chain(circumstances::CIRCUMSTANCES)
        .chain(crash::CRASHES)
        .chain(TESTS)
    {
        if !is_wanted(&filter, name) {
            continue;
        }
        let start = Instant::now();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&stage)));
        if stage.was_not_run() {
            println!("test {name} ... not run: nothing to prove without cgroup v2");
            continue;
        }
        let how = if result.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {how} ({} ms)", start.elapsed().as_millis());
        if result.is_ok() { passed += 1 } else { failed += 1 }
    }
    drop(stage);
    if with_cgroup {
        println!("\nagain, on a host without cgroup v2");
        if !again(&filter, WITHOUT_CGROUP).status().unwrap().success() {
            failed += 1;
        }
    }
    if let Some(mut slow) = slow {
        let passes = slow.wait().unwrap().success();
        println!("test {} ... {}", SLOW_TEST.0, if passes { "ok" } else { "FAILED" });
        if passes { passed += 1 } else { failed += 1 }
    }
    println!(
        "\ntest result: {}. {passed} passed; {failed} failed; 0 ignored",
        if failed == 0 { "ok" } else { "FAILED" }
    );
    std::process::exit(i32::from(failed > 0));
}

fn is_wanted(filter: &[String], name: &str) -> bool {
    filter.is_empty() || filter.iter().any(|word| name.contains(word.as_str()))
}

/// This program again, with this variable set.
fn again(filter: &[String], variable: &str) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(filter).env(variable, "1");
    command
}

fn exit_status(stage: &Stage) {
    for status in [0, 1, 77, 255] {
        let run = stage.run(&order(&shell(&format!("exit {status}"))));
        assert_eq!(run.ended(), ExitStatus::Status(status));
        assert_eq!(run.frames.last().unwrap().value, status);
    }
}

fn death_by_signal(stage: &Stage) {
    let run = stage.run(&order(&shell("kill -TERM $$")));
    assert_eq!(run.ended(), ExitStatus::Signal(15));
    assert_eq!(run.frames.last().unwrap().value, -15);
}

fn output_untouched(stage: &Stage) {
    let run = stage.run_with_input(&order(&shell("tr a-z A-Z; echo err >&2")), b"piped in");
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("PIPED IN", "err\n"));
}

fn script_without_interpreter(stage: &Stage) {
    let path = stage.script("no-interpreter", "echo \"$0 $1\"\n");
    let run = stage.run(&order(&[&path, "argument"]));
    assert_eq!(run.stdout, format!("{path} argument\n"));
}

fn not_executable(stage: &Stage) {
    let path = stage.script("not-executable", "#!/nonexistent/interpreter\n");
    let run = stage.run(&order(&[&path]));
    let refused = run.refused();
    assert!(refused.first_text().contains("it cannot be executed"), "{}", refused.first_text());
    assert!(
        run.messages.iter().any(|message| matches!(message, FromMonitor::Refused { after_go: true, .. }))
    );
}

fn identity(stage: &Stage) {
    let mut wanted =
        order(&shell("id -u; id -g; id -G; grep -E '^(CapInh|CapPrm|CapEff|CapAmb)' /proc/self/status"));
    wanted.target = stage::account("daemon", 1, 1, &[1, 4, 60001]);
    let run = stage.run(&wanted);
    let zero = "0000000000000000";
    let capabilities =
        ["CapInh", "CapPrm", "CapEff", "CapAmb"].map(|set| format!("{set}:\t{zero}\n")).concat();
    assert_eq!(run.stdout, format!("1\n1\n1 4 60001\n{capabilities}"));
}

fn inherited_attributes(stage: &Stage) {
    let wanted = order(&shell(
        "grep -E '^(SigBlk|SigIgn|NoNewPrivs|CapInh|CapAmb):' /proc/self/status; nice; cat /proc/self/oom_score_adj; \
         env | sort; ulimit -n; ps -o pgid= -p $$ | tr -d ' ' | sed \"s/^$$\\$/own group/\"",
    ));
    let run = stage.run(&wanted);
    let own = |what: &str| {
        let output = std::process::Command::new("sh").args(["-c", what]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (own_nice, own_limit) = (own("nice"), own("ulimit -n"));
    let zero = "0000000000000000";
    let expected = format!(
        "SigBlk:\t{zero}\nSigIgn:\t{zero}\nCapInh:\t{zero}\nCapAmb:\t{zero}\nNoNewPrivs:\t0\n{own_nice}0\n\
         JIT_GRANT_ID=grant-1\nPATH=/usr/bin:/bin\nPWD=/\n{own_limit}own group\n"
    );
    let shown: Vec<&str> = run.stdout.lines().filter(|line| !line.starts_with("_=")).collect();
    assert_eq!(shown, expected.lines().collect::<Vec<_>>());
}

fn umask(stage: &Stage) {
    // The test's own umask is 0022.
    for (asked, seen) in
        [(Umask::CallersAnd(0o022), "0022"), (Umask::CallersAnd(0o077), "0077"), (Umask::Exactly(0), "0000")]
    {
        let mut wanted = order(&shell("umask"));
        wanted.restrictions.umask = asked;
        assert_eq!(stage.run(&wanted).stdout.trim(), seen);
    }
}

fn unreachable_cwd(stage: &Stage) {
    // Root's own folder, passed as a path-only descriptor by a user who cannot enter it.
    let mut wanted = order(&shell("pwd"));
    wanted.invoking = stage::account("root", 0, 0, &[0]);
    let run = stage.run_in("/root", &wanted);
    assert_eq!(run.stdout, "/root\n", "root may");
    let run = stage.run_in("/nonexistent-is-the-default", &wanted);
    assert_eq!(run.stdout, "/\n");
}

fn missing_policy_cwd(stage: &Stage) {
    let mut wanted = order(&shell("pwd"));
    wanted.restrictions.cwd = Cwd::Path("/no/such/folder".into());
    let run = stage.run(&wanted);
    assert!(run.refused().first_text().contains("working folder"), "{}", run.refused().first_text());
    wanted.restrictions.cwd = Cwd::Path("/usr".into());
    assert_eq!(stage.run(&wanted).stdout, "/usr\n");
}

fn changed_file(stage: &Stage) {
    let path = stage.script("changed", "#!/bin/sh\necho old\n");
    let wanted = order(&[&path]);
    stage.script("changed", "#!/bin/sh\necho new\n");
    let run = stage.run(&wanted);
    assert!(run.refused().first_text().contains("was changed after it was checked"));
    assert_eq!(run.stdout, "");
}

fn no_go(stage: &Stage) {
    let mark = stage.path("no-go");
    // Said while PAM looked at the account, by an agent that left then, and said after it.
    for early in [true, false] {
        let mut session = stage.begin(&order(&shell(&format!("touch {mark}"))));
        if !early {
            session.expect_accepted();
        }
        session.say(&ToMonitor::Refuse { what: "no room for the record".into(), hint: "make room".into() });
        if early {
            session.hang_up_agent();
        }
        let run = session.finish();
        assert_eq!(run.refused().first_text(), "no room for the record");
        assert!(!std::path::Path::new(&mark).exists());
    }
}

fn agent_gone(stage: &Stage) {
    let mark = stage.path("agent-gone");
    let mut session = stage.begin(&order(&shell(&format!("touch {mark}"))));
    session.expect_accepted();
    session.hang_up_agent();
    let run = session.finish();
    assert!(run.refused().first_text().contains("the agent went away"));
    assert!(!std::path::Path::new(&mark).exists());
}

fn other_user(stage: &Stage) {
    let mut wanted = order(&shell("id"));
    wanted.invoking = stage::account("daemon", 1, 1, &[1]);
    let run = stage.run(&wanted);
    assert!(run.refused().first_text().contains("another user"), "{}", run.refused().first_text());
}

fn expiry(stage: &Stage) {
    let mark = format!("{}.41", std::process::id());
    let script = format!(
        "(setsid sleep {mark} & ) ; sh -c 'trap \"\" TERM; while :; do sleep {mark}; done' & \
         sleep {mark} & kill -STOP $!; trap '' TERM; sleep {mark}; sleep {mark}; sleep {mark}"
    );
    let mut session = stage.begin(&order(&shell(&script)));
    session.expect_accepted();
    session.go(Some(Duration::from_millis(500)), Duration::from_millis(400), false);
    let start = Instant::now();
    let run = session.finish();
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert!(run.messages.contains(&FromMonitor::Expired) && run.messages.contains(&FromMonitor::Gone));
    assert!(run.notices().contains("its time is up"));
    assert_eq!(stage::count_processes(&mark), 0);
}

fn revocation(stage: &Stage) {
    let mark = format!("{}.42", std::process::id());
    let mut session = stage.begin(&order(&shell(&format!("sleep {mark}"))));
    session.expect_accepted();
    session.go(None, Duration::from_millis(200), false);
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
    let soon = std::time::SystemTime::now() + Duration::from_millis(300);
    let since_1970 = soon.duration_since(std::time::UNIX_EPOCH).unwrap();
    session.go_until(u64::MAX / 2, i64::try_from(since_1970.as_nanos()).unwrap());
    let run = session.finish();
    assert!(run.messages.contains(&FromMonitor::Expired));
}

fn leftover_kept(stage: &Stage) {
    let mark = format!("{}.43", std::process::id());
    let mut session = stage.begin(&order(&shell(&format!("setsid sleep {mark} >/dev/null 2>&1 & exit 3"))));
    session.expect_accepted();
    session.go(Some(Duration::from_millis(1500)), Duration::from_millis(100), false);
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

fn killed_monitor(stage: &Stage) {
    let mark = format!("{}.45", std::process::id());
    let mut session = stage.begin(&order(&shell(&format!("(setsid sleep {mark} &); sleep {mark}"))));
    session.expect_accepted();
    session.go(None, Duration::from_mins(1), false);
    let command = session.await_running();
    stage::until("both sleep", || stage::count_processes(&mark) == 2);
    let monitor = stage::parent_of(command);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(monitor), nix::sys::signal::Signal::SIGKILL).unwrap();
    let start = Instant::now();
    stage::until("the command is gone", || stage::count_processes(&mark) == 0);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
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

fn terminal(stage: &Stage) {
    let mut wanted = order(&shell(
        "tty; stty size; ps -o tty= -p $$; read line; stty size; exec 0</dev/tty && echo has-a-terminal",
    ));
    wanted.terminal = Some(stage::terminal(33, 77));
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    session.await_terminal("33 77");
    session.send(&Frame::new(Kind::Window, 0x0028_0064));
    std::thread::sleep(Duration::from_millis(100));
    session.type_in("\n");
    session.await_terminal("40 100");
    session.await_terminal("has-a-terminal");
    assert!(session.shown().starts_with("/dev/pts/"), "{}", session.shown());
    assert_eq!(session.finish().ended(), ExitStatus::Status(0));
}

fn terminal_of_the_target(stage: &Stage) {
    let mut wanted = order(&shell("echo by its name >$(tty) && stat -c owner-%u $(tty)"));
    wanted.target = stage::account("daemon", 1, 1, &[1]);
    wanted.terminal = Some(stage::terminal(24, 80));
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    session.await_terminal("by its name");
    session.await_terminal("owner-1");
    assert_eq!(session.finish().ended(), ExitStatus::Status(0));
}

fn control_c(stage: &Stage) {
    let mut wanted = order(&shell("echo ready; exec sleep 30"));
    wanted.terminal = Some(stage::terminal(24, 80));
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    session.await_terminal("ready");
    session.type_in("\x03");
    assert_eq!(session.finish().ended(), ExitStatus::Signal(2));
}

/// The helper stays (a shell around it may wait for it), its terminal is gone.
fn hung_up(stage: &Stage) {
    let script = "trap 'trap \"\" HUP; read line || exit 7' HUP; echo ready; while :; do sleep 0.1; done";
    let mut wanted = order(&shell(script));
    wanted.terminal = Some(stage::terminal(24, 80));
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    session.await_terminal("ready");
    session.hang_up_terminal();
    assert_eq!(session.finish().ended(), ExitStatus::Status(7));
}

fn control_z(stage: &Stage) {
    let mark = format!("1.{}", std::process::id());
    let mut wanted = order(&shell(&format!("echo ready; sleep {mark}; echo went on")));
    wanted.terminal = Some(stage::terminal(24, 80));
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    session.await_terminal("ready");
    // Before that the shell may wait in vfork(2), where it can't be stopped.
    stage::until("it sleeps", || stage::count_processes(&mark) == 1);
    session.type_in("\x1a");
    let stopped = session.await_frame(Kind::Stopped);
    assert_eq!(stopped.value, 20);
    session.send(&Frame::new(Kind::Continue, 1));
    session.await_terminal("went on");
    assert_eq!(session.finish().ended(), ExitStatus::Status(0));
}

/// It must not read before it has the keys: whoever waits in read(2) cannot be stopped for it any more.
fn in_the_background(stage: &Stage) {
    let mut wanted = order(&shell("read line; echo got-$line"));
    wanted.terminal = Some(jit_protocol::request::Terminal { foreground: false, ..stage::terminal(24, 80) });
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    let stopped = session.await_frame(Kind::Stopped);
    assert_eq!(stopped.value, 21, "SIGTTIN");
    session.send(&Frame::new(Kind::Continue, 1));
    session.await_terminal("");
    session.type_in("this\n");
    session.await_terminal("got-this");
    assert_eq!(session.finish().ended(), ExitStatus::Status(0));
}

fn last_output(stage: &Stage) {
    for _ in 0..20 {
        let mut wanted = order(&shell("seq 1 20000; printf the-very-end"));
        wanted.terminal = Some(stage::terminal(24, 80));
        let mut session = stage.begin_on_terminal(&wanted);
        session.expect_accepted();
        session.go(None, Duration::from_secs(1), false);
        session.finish_terminal();
        assert!(session.shown().ends_with("20000\r\nthe-very-end"), "{} bytes", session.shown().len());
    }
}

fn broken_protocol(stage: &Stage) {
    let mark = format!("{}.47", std::process::id());
    for bad in [Frame::with(Kind::Answer, 0, "unasked", ""), Frame::new(Kind::Started, 1)] {
        let mut session = stage.begin(&order(&shell(&format!("sleep {mark}"))));
        session.expect_accepted();
        session.send(&bad);
        session.go(None, Duration::from_millis(100), false);
    }
    stage::until("nothing runs", || stage::count_processes(&mark) == 0);
}

fn many_sessions(stage: &Stage) {
    let mut sessions: Vec<_> = (0..16).map(|at| stage.begin(&order(&shell(&format!("exit {at}"))))).collect();
    for session in &mut sessions {
        session.expect_accepted();
        session.go(None, Duration::from_secs(1), false);
    }
    for (at, mut session) in sessions.into_iter().enumerate() {
        assert_eq!(session.finish().ended(), ExitStatus::Status(i32::try_from(at).unwrap()));
    }
}

fn descriptors(stage: &Stage) {
    let run = stage.run(&order(&["/bin/ls", "/proc/self/fd"]));
    assert_eq!(run.stdout, "0\n1\n2\n3\n", "3 is ls's own");
}

fn nothing_left(stage: &Stage) {
    stage::until("no session cgroup but the idle monitors'", || stage.session_cgroups() <= 2);
    let mut text = String::new();
    std::fs::File::open("/proc/self/stat").unwrap().read_to_string(&mut text).unwrap();
    stage::until("no monitor but the idle ones", || stage.monitors() <= 2);
}
