//! PAM modules that misbehave: one that does as its argument says (`module.c`) in each phase of the service.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use jit_protocol::frame::{Frame, Kind};
use jit_protocol::link::{ExitStatus, FromMonitor};
use jit_protocol::order::{Authenticate, Order};
use jit_session::conversation::WORK_TIME;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Test;
use crate::stage::{self, Stage, order, shell};

pub(crate) const MODULES: &[Test] = &[
    ("a_session_with_a_terminal_is_closed_and_told_to_the_end", closed_terminal_session),
    ("a_module_that_exits_is_no_success", module_exits),
    ("a_module_that_changes_the_user_is_refused", module_changes_user),
    ("a_module_that_changes_the_identity_is_refused", module_changes_identity),
    ("what_a_module_does_to_the_process_does_not_reach_the_command", module_changes_attributes),
    ("what_a_module_puts_into_the_environment_is_filtered", module_environment),
    ("a_module_that_forks_and_returns_twice_runs_nothing_twice", module_forks),
    ("what_a_module_leaves_running_is_none_of_the_sessions", module_leaves),
    ("a_module_that_leaves_a_thread_behind_is_refused", module_thread),
    ("a_module_that_asks_without_an_end_is_cut_off", module_asks_endlessly),
    ("a_module_with_a_binary_or_endless_message_harms_nobody", module_odd_messages),
    ("a_prompt_of_the_persons_own_is_told_from_a_modules", own_prompt),
    ("a_password_is_not_in_the_memory_of_the_monitor_afterwards", password_wiped),
    ("a_service_that_becomes_a_link_is_watched_where_it_leads", linked_service),
    ("a_service_that_is_gone_refuses_until_it_is_back", missing_service),
];

// The end of the terminal is a SIGHUP to the leader of its session, which is the monitor.
fn closed_terminal_session(stage: &Stage) {
    with_module(stage, |module| {
        let mark = stage.path("session-closed");
        let service = format!(
            "auth required pam_permit.so\naccount required pam_permit.so\n\
             session required {module} nothing mark {mark}\n"
        );
        stage.with_pam(&service, || {
            let mut wanted = order(&shell("exit 7"));
            wanted.terminal = Some(stage::terminal(24, 80));
            let mut session = stage.begin_on_terminal(&wanted);
            session.expect_accepted();
            session.go(None, Duration::from_secs(1), false);
            session.finish_terminal();
            let run = session.finish();
            assert_eq!(run.ended(), ExitStatus::Status(7));
            assert!(run.messages.contains(&FromMonitor::Gone), "{:?}", run.messages);
            assert!(Path::new(&mark).exists(), "the PAM session was not closed");
        });
    });
}

fn module_leaves(stage: &Stage) {
    if stage.lacks_cgroup() {
        return; // there it counts as the command's
    }
    // It ends by itself.
    let seconds = format!("20.{}", std::process::id());
    with_misbehaviour(stage, "session", &format!("leave {seconds}"), || {
        let run = stage.run(&order(&shell("exit 3")));
        let ended = FromMonitor::Ended { status: ExitStatus::Status(3), leftover: false };
        assert!(run.messages.contains(&ended), "{:?}", run.messages);
        let outside = |message: &&FromMonitor| matches!(message, FromMonitor::Outside { .. });
        assert_eq!(run.messages.iter().find(outside), None);
    });
}

/// Builds the module that misbehaves.
fn with_module(stage: &Stage, test: impl FnOnce(&str)) {
    let module = stage.path("module.so");
    if !Path::new(&module).exists() {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/session/module.c");
        let built = Command::new("cc")
            .args(["-Wall", "-Werror", "-shared", "-fPIC", "-pthread", "-o", &module, source])
            .status();
        assert!(built.unwrap().success());
    }
    test(&module);
}

/// A service whose phase `kind` misbehaves; the others permit.
fn with_misbehaviour(stage: &Stage, kind: &str, how: &str, test: impl FnOnce()) {
    with_module(stage, |module| {
        let line = |phase: &str| {
            if phase == kind {
                format!("{phase} required {module} {how}\n")
            } else {
                format!("{phase} required pam_permit.so\n")
            }
        };
        stage.with_pam(&["auth", "account", "session"].map(line).concat(), test);
    });
}

fn asking<S: AsRef<str>>(argv: &[S]) -> Order {
    let mut wanted = order(argv);
    wanted.authenticate = Some(Authenticate { user: "root".into(), tries: 3, prompt: None });
    wanted
}

fn module_exits(stage: &Stage) {
    let mark = stage.path("module-exits");
    for (kind, how) in
        [("auth", "exit"), ("account", "exit"), ("session", "exit"), ("auth", "crash"), ("session", "crash")]
    {
        with_misbehaviour(stage, kind, how, || {
            let mut session = stage.begin(&asking(&["/bin/mkdir", &mark]));
            session.go(None, Duration::from_secs(1), false); // the agent's word comes before PAM's
            let messages = session.listen_to_the_end();
            let bad = messages.iter().any(|message| {
                matches!(message, FromMonitor::Running { .. } | FromMonitor::Ended { .. })
                    || (kind != "session" && matches!(message, FromMonitor::Accepted))
            });
            assert!(!bad, "{kind} {how}: {messages:?}");
            assert!(!Path::new(&mark).exists());
        });
    }
}

// As authselect(8) has them.
fn linked_service(stage: &Stage) {
    const SERVICE: &str = "/etc/pam.d/jit-sudo";
    let echo = order(&["/bin/echo", "ran"]);
    let permit = fs::read_to_string(SERVICE).unwrap();
    stage.with_pam(&permit, || {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let real = folder.path().join("jit-sudo");
        let put = |service: &str| {
            let new = folder.path().join("new");
            fs::write(&new, service).unwrap();
            fs::rename(new, &real).unwrap();
        };
        put(&permit);
        stage.until_renewed_by(|| {
            std::os::unix::fs::symlink(&real, "/etc/pam.d/.link").unwrap();
            fs::rename("/etc/pam.d/.link", SERVICE).unwrap();
        });
        assert_eq!(stage.run(&echo).stdout, "ran\n");
        stage.until_renewed_by(|| {
            put(&permit.replace("account required pam_permit", "account required pam_deny"));
        });
        stage.run(&echo).refused();
    });
}

fn missing_service(stage: &Stage) {
    const SERVICE: &str = "/etc/pam.d/jit-sudo";
    let echo = order(&["/bin/echo", "ran"]);
    let permit = fs::read_to_string(SERVICE).unwrap();
    stage.with_pam(&permit, || {
        stage.until_renewed_by(|| fs::remove_file(SERVICE).unwrap());
        for is_new in [false, true] {
            if is_new {
                stage.kill_spawner();
                stage.start_spawner();
            }
            let refused = stage.run(&echo);
            assert_eq!(refused.refused().first_text(), "the PAM service jit-sudo is missing");
        }
        stage.until_renewed_by(|| fs::write(SERVICE, &permit).unwrap());
        assert_eq!(stage.run(&echo).stdout, "ran\n");
    });
}

fn module_changes_user(stage: &Stage) {
    for kind in ["auth", "account", "session"] {
        with_misbehaviour(stage, kind, "user daemon", || {
            let mut wanted = asking(&["/usr/bin/id"]);
            wanted.target = stage::account("nobody", 65534, 65534, &[65534]);
            let run = stage.run(&wanted);
            assert!(run.refused().first_text().contains("changed the user"), "{kind}");
            assert_eq!(run.stdout, "");
        });
    }
}

fn module_changes_identity(stage: &Stage) {
    with_misbehaviour(stage, "session", "identity", || {
        let run = stage.run(&order(&["/usr/bin/id"]));
        assert!(run.refused().first_text().contains("identity"), "{}", run.refused().first_text());
        assert_eq!(run.stdout, "");
    });
}

fn module_changes_attributes(stage: &Stage) {
    for kind in ["account", "session"] {
        with_misbehaviour(stage, kind, "attributes", || {
            let script = "grep -E '^(SigBlk|SigIgn)' /proc/self/status; umask; pwd; exit 6";
            let run = stage.run(&order(&shell(script)));
            let zero = "0000000000000000";
            assert_eq!(run.stdout, format!("SigBlk:\t{zero}\nSigIgn:\t{zero}\n0022\n/\n"), "{kind}");
            assert_eq!(run.ended(), ExitStatus::Status(6));
            assert!(run.messages.contains(&FromMonitor::Gone));
        });
    }
}

fn module_environment(stage: &Stage) {
    let environment = |kind| {
        let mut shown = String::new();
        with_misbehaviour(stage, kind, "environment", || {
            shown = stage.run(&asking(&["/usr/bin/env"])).stdout;
        });
        shown
    };
    assert_eq!(
        environment("session"),
        "PATH=/usr/bin:/bin\nTMPDIR=/tmp/of-the-module\nJIT_GRANT_ID=grant-1\n"
    );
    // What was set for the invoking user (CVE-2025-6018: from a file of theirs) is not the target's.
    assert_eq!(environment("auth"), "PATH=/usr/bin:/bin\nJIT_GRANT_ID=grant-1\n");
}

fn module_forks(stage: &Stage) {
    let output = stage.path("module-forks");
    for kind in ["auth", "account", "session"] {
        let _ = fs::remove_file(&output);
        with_misbehaviour(stage, kind, "fork", || {
            let mut session = stage.begin(&asking(&shell(&format!("echo ran >>{output}"))));
            session.go_when_asked();
            // Whoever else asks gets a Go as well: an agent would not, this one does.
            session.go(None, Duration::from_secs(1), false);
            let said = session.finish().messages;
            // The agent would take what a copy says for the monitor's word.
            let fulfilled = |message: &&FromMonitor| matches!(message, FromMonitor::Fulfilled { .. });
            assert!(said.iter().filter(fulfilled).count() <= 1, "{kind}: {said:?}");
            std::thread::sleep(Duration::from_millis(200));
            let runs = fs::read_to_string(&output).unwrap_or_default();
            assert!(runs.len() <= "ran\n".len(), "{kind}: {runs}");
        });
    }
}

fn module_thread(stage: &Stage) {
    with_misbehaviour(stage, "session", "thread", || {
        let run = stage.run(&order(&["/usr/bin/id"]));
        assert!(run.refused().first_text().contains("process cannot be made"));
        assert_eq!(run.stdout, "");
    });
}

fn module_asks_endlessly(stage: &Stage) {
    with_misbehaviour(stage, "auth", "endless", || {
        let mut session = stage.begin(&asking(&["/usr/bin/id"]));
        for _ in 0..64 {
            session.await_frame(Kind::Prompt);
            session.send(&Frame::with(Kind::Answer, 0, "x", ""));
        }
        // The module never returns; the person is not asked for ever.
        assert!(!session.try_frame(Duration::from_millis(500)));
        for pid in stage.monitor_pids() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL); // which the spawner would do after two minutes
        }
    });
}

// "A PAM module that sleeps for ever […]: that request fails, nothing else does." It takes the two minutes that the
// spawner gives it, beside all other tests.
pub(crate) fn module_sleeps(stage: &Stage) {
    let mark = stage.path("module-sleeps");
    let mut asleep = None;
    with_misbehaviour(stage, "account", "sleep", || {
        asleep = Some(stage.begin(&order(&["/bin/mkdir", &mark])));
        stage::until("it is taken", || stage.monitors() == 3);
    });
    assert_eq!(stage.run(&order(&["/bin/echo", "ran"])).stdout, "ran\n", "others are served");
    let start = Instant::now();
    while stage.monitors() > 2 {
        assert!(start.elapsed() < WORK_TIME + Duration::from_secs(30), "it sleeps on");
        std::thread::sleep(Duration::from_millis(500));
    }
    let run = asleep.unwrap().finish();
    assert!(!run.messages.contains(&FromMonitor::Accepted), "{:?}", run.messages);
    assert!(!Path::new(&mark).exists());
}

fn module_odd_messages(stage: &Stage) {
    for (how, runs) in [("binary", false), ("long", true)] {
        with_misbehaviour(stage, "account", how, || {
            let mut session = stage.begin(&order(&["/bin/echo", "ran"]));
            session.go_when_asked();
            assert_eq!(session.finish().stdout == "ran\n", runs, "{how}");
        });
    }
}

fn own_prompt(stage: &Stage) {
    with_misbehaviour(stage, "auth", "password", || {
        for (given, value, shown) in [(Some("%u: \x1b"), 2, "root: \x1b"), (None, 0, "Password for root: ")] {
            let mut wanted = asking(&["/bin/true"]);
            wanted.authenticate.as_mut().unwrap().prompt = given.map(Into::into);
            let mut session = stage.begin(&wanted);
            let frame = session.await_frame(Kind::Prompt);
            assert!(frame.value == value && frame.first_text().ends_with(shown), "{frame:?}");
            session.hang_up_helper();
        }
    });
}

fn password_wiped(stage: &Stage) {
    let canary = format!("canary-{}-password", std::process::id());
    with_misbehaviour(stage, "auth", "password", || {
        let mark = format!("{}.69", std::process::id());
        let mut session = stage.begin(&asking(&["/bin/sleep", &mark]));
        session.await_frame(Kind::Prompt);
        session.send(&Frame::with(Kind::Answer, 0, canary.as_str(), ""));
        session.expect_accepted();
        session.go(None, Duration::from_millis(100), false);
        let command = session.await_running();
        for pid in [stage::parent_of(command), stage.spawner_pid(), command] {
            assert_eq!(stage::occurrences_in_memory(pid, &canary), 0, "in process {pid}");
        }
        session.hang_up_helper();
        session.finish();
    });
}
