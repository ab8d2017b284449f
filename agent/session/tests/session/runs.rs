//! How a command starts, and as what it runs.

use std::time::Duration;

use jit_protocol::frame::{Frame, Kind};
use jit_protocol::link::{ExitStatus, FromMonitor, ToMonitor};
use jit_protocol::order::{Cwd, Umask};

use crate::Test;
use crate::stage::{self, Stage, order, shell};

pub(crate) const RUNS: &[Test] = &[
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
    ("a_helper_that_breaks_the_protocol_is_refused", broken_protocol),
    ("many_sessions_at_once_are_served", many_sessions),
    ("the_command_sees_no_descriptor_but_its_own_three", descriptors),
];

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
