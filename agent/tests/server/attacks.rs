//! What a user of this host may try, with frames made by hand.

use std::os::unix::fs::PermissionsExt;

use jit_protocol::frame::Kind;
use jit_protocol::link::{FromMonitor, ToMonitor};
use jit_protocol::request::{Elevate, Mode, Request, Revoke};
use jit_protocol::response::Response;

use crate::stage::{NOTHING, Stage, order, refusal, rule, us};
use crate::wire::{command, id};

const NO_DUTY: &str = "require.authentication = \"none\"";
const SECOND: u64 = 1_000_000_000;

// A program with many names (lvm, busybox, systemctl) does what argv[0] says: a rule for `lvs` must not run `lvremove`.
#[test]
fn what_a_program_is_told_that_it_is_called_is_what_was_permitted() {
    let stage = Stage::with(&rule("id", NO_DUTY));
    for (name, is_permitted) in [
        ("id", true),
        ("/usr/bin/id", true),
        ("/bin/id", true),
        ("./bin/id", true),
        ("sh", false),
        ("/bin/sh", false),
        ("-id", false),
        ("", false),
        ("id/", false),
        ("id ", false),
    ] {
        for mode in [Mode::Run, Mode::Explain] {
            let mut asked = command(&["/usr/bin/id", "-u"]);
            (asked.command[0], asked.mode) = (name.into(), mode);
            let wire = stage.connect();
            wire.elevate(asked);
            if is_permitted && mode == Mode::Run {
                assert_eq!(stage.monitor().order.argv[0], name.into());
            } else if is_permitted {
                assert_eq!(wire.frame().kind, Kind::Output);
            } else {
                assert_eq!(wire.refusal(), "the request is not understood", "{name:?}");
            }
        }
    }
    assert!(stage.monitor_within(NOTHING).is_none());
}

// CVE-2021-23239 and its kin: whether there is a file that the user cannot see.
#[test]
fn whether_a_file_is_there_is_not_told_to_those_who_may_not_run_it() {
    let stage = Stage::with(&rule("id", NO_DUTY));
    let private = stage.root().join("private");
    std::fs::create_dir(&private).unwrap();
    std::fs::set_permissions(&private, PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::copy("/usr/bin/id", private.join("there")).unwrap();
    std::os::unix::fs::symlink("loop", private.join("loop")).unwrap();
    let paths = ["there", "absent", "there/below", "absent/below", "loop", "loop/below"]
        .map(|name| private.join(name).display().to_string());
    let long = "x".repeat(300);
    let long = ["", "absent/"].map(|folder| format!("{}/{folder}{long}", private.display()));
    let answer = |path: &str, mode: Mode| {
        let wire = stage.connect();
        wire.elevate(Elevate { mode, ..command(&[path]) });
        let frame = wire.frame();
        (frame.kind, frame.value, frame.first.clone(), frame.second.clone())
    };
    for mode in [Mode::Run, Mode::Explain] {
        let there = answer(&paths[0], mode);
        for path in paths.iter().chain(&long) {
            assert_eq!(answer(path, mode), there, "{mode:?} {path}");
        }
    }
}

#[test]
fn those_who_may_run_anything_there_are_told_that_there_is_nothing() {
    let stage = Stage::with(&rule("id", NO_DUTY).replace("/usr/bin/id **", "/usr/bin/no-such-command"));
    for mode in [Mode::Run, Mode::Explain] {
        let asked = Elevate { mode, ..command(&["/usr/bin/no-such-command"]) };
        assert_eq!(refusal(&stage, asked), "/usr/bin/no-such-command: command not found", "{mode:?}");
    }
}

// A prompt that is left open until the grant whose reason would have been enough is over.
#[test]
fn a_grants_reason_does_not_outlive_it() {
    let stage = Stage::with(&rule("id", "require.reason = true\ngrant.duration = \"1m\""));
    let with_reason = Elevate { reason: Some("INC-7".to_owned()), ..id() };
    order(&stage, with_reason).run(0);
    let late = order(&stage, Elevate { ignore_record: true, ..id() });
    assert!(!late.order.ask_reason && late.order.authenticate.is_some());
    stage.clock.pass(60 * SECOND);
    let told = late.fulfil();
    assert!(matches!(&told, ToMonitor::Refuse { what, .. } if what.contains("reason")), "{told:?}");
    assert_eq!(stage.events().iter().filter(|event| *event == "session.started").count(), 1);
}

#[test]
fn one_use_with_a_reason_is_not_two() {
    let more = "require = { authentication = \"none\", reason = true }\ngrant.uses = 2";
    let stage = Stage::with(&rule("id", more));
    order(&stage, Elevate { reason: Some("INC-7".to_owned()), ..id() }).run(0);
    let (one, other) = (order(&stage, id()), order(&stage, id()));
    assert!(!one.order.ask_reason && !other.order.ask_reason, "there is a live grant");
    one.go();
    assert!(matches!(other.fulfil(), ToMonitor::Refuse { .. }));
}

// A session whose grant is over may go on (`on_expiry = "finish"`), but not after somebody ended it.
#[test]
fn a_session_that_outlives_its_grant_can_be_ended() {
    for (number, what) in ["session", "user", "all"].into_iter().enumerate() {
        let stage = Stage::with(&rule(
            "id",
            &format!("{NO_DUTY}\ngrant = {{ duration = \"1m\", on_expiry = \"finish\" }}"),
        ));
        let monitor = order(&stage, id());
        let grant = monitor.go().grant;
        monitor.say(&FromMonitor::Running { pid: 1, cgroup: format!("s-{number}") });
        stage.has_heard(); // what does not run yet ends with its grant
        stage.clock.pass(61 * SECOND);
        assert_eq!(stage.await_event("grant.expired")["grant"], grant);
        let revoke = match what {
            "session" => Revoke::Grant(monitor.order.session.clone()),
            "user" => Revoke::User(format!("#{}", us())),
            _ => Revoke::All,
        };
        let answer = stage.connect().ask(Request::Revoke(revoke));
        assert!(matches!(answer, Response::Done { .. }), "{what}: {answer:?}");
        assert!(matches!(monitor.hear(), ToMonitor::Terminate { .. }), "{what}");
        let answer = stage.connect().ask(Request::Revoke(Revoke::All));
        assert!(matches!(answer, Response::Refused { .. }), "once is enough: {answer:?}");
        assert_eq!(stage.await_event("grant.revoked")["session"], monitor.order.session.as_str());
    }
}

// The agent was started anew, and the monitor has not called yet.
#[test]
fn a_session_that_is_ended_before_its_monitor_calls_is_ended_once_it_does() {
    let policy = rule("id", &format!("{NO_DUTY}\ngrant.on_expiry = \"finish\""));
    let mut stage = Stage::with(&policy);
    let monitor = order(&stage, id());
    let grant = monitor.go().grant;
    monitor.say(&FromMonitor::Running { pid: 1, cgroup: "s-1".to_owned() });
    let session = monitor.order.session.clone();
    stage.crash();
    stage.start();
    let answer = stage.connect().ask(Request::Revoke(Revoke::Grant(grant)));
    assert!(matches!(answer, Response::Done { .. }), "{answer:?}");
    let link = crate::wire::Wire::connect(&stage.paths.monitor_socket);
    let resume = FromMonitor::Resume { session, ended: None, expired: false };
    link.send(&serde_json::to_vec(&resume).unwrap());
    let (text, _) = link.receive_within(crate::stage::SOON).expect("a word of the agent's");
    assert!(matches!(serde_json::from_slice(&text).unwrap(), ToMonitor::Terminate { .. }));
}

// Without a rule a user fills the log, and with it the disk: then nobody's command runs.
#[test]
fn what_is_denied_takes_little_room_in_the_log() {
    let stage = Stage::with("schema = 1");
    let huge = "\u{1}".repeat(100_000);
    let mut long = command(&["id", &huge, &huge]);
    long.cwd = huge.as_str().into();
    let mut many = command(&["id"]);
    many.command.extend(std::iter::repeat_n(jit_protocol::Bytes::from(&[0xff][..]), 100_000));
    let mut twice = id();
    twice.assignments = vec![(huge.as_str().into(), "".into()), (huge.as_str().into(), "".into())];
    for asked in [long, many, twice] {
        refusal(&stage, asked);
    }
    let wire = stage.connect();
    wire.send_text(format!("{{\"version\":1,\"{huge}\":0}}").replace('\u{1}', "x").as_bytes());
    wire.refusal();
    stage.await_events("request.denied", 4);
    for line in std::fs::read_to_string(&stage.paths.audit).unwrap().lines() {
        assert!(line.len() < 64 * 1024, "{} bytes: {}", line.len(), &line[..200]);
    }
    let denied = &stage.audit()[1];
    assert_eq!(denied["command"][0], "id");
    stage.verify_audit();
}

// A log that cannot be written stops what begins, not what must end.
#[test]
fn all_sessions_end_although_the_log_cannot_be_written() {
    crate::stage::needs_root(); // others than root cannot fill the place of the log
    let stage = Stage::with(&rule("id", &format!("{NO_DUTY}\ngrant = {{ max_duration = \"1h\" }}")));
    let monitors = [60, 120, 180].map(|seconds| {
        let monitor = order(&stage, Elevate { duration: Some(seconds), ..id() });
        monitor.go();
        monitor
    });
    std::fs::remove_file(&stage.paths.audit).unwrap();
    std::fs::create_dir(&stage.paths.audit).unwrap();
    let answer = stage.connect().ask(Request::Revoke(Revoke::All));
    assert!(matches!(answer, Response::Refused { .. }), "it says that not all went well: {answer:?}");
    for monitor in monitors {
        assert!(matches!(monitor.hear(), ToMonitor::Terminate { .. }));
    }
    std::fs::remove_dir(&stage.paths.audit).unwrap();
}

// "deny rules of the new files that do parse apply at once": to what is asked for already, too.
#[test]
fn a_deny_of_a_policy_that_is_not_accepted_applies_to_who_types_a_password() {
    crate::stage::needs_root(); // reload is root's
    let stage = Stage::with(&rule("id", ""));
    let monitor = order(&stage, id());
    stage.write_policy(
        "60-never.toml",
        "schema = 1\n[[rule]]\nid = \"never\"\neffect = \"deny\"\nusers = [\"ALL\"]\ncommands = [\"/usr/bin/id **\"]\n",
    );
    stage.write_policy("70-bad.toml", "schema = 1\nnonsense = true\n");
    let answer = stage.connect().ask(Request::Reload { force: false });
    assert!(matches!(answer, Response::Refused { .. }), "{answer:?}");
    assert!(matches!(monitor.fulfil(), ToMonitor::Refuse { .. }));
}

// A grant is issued for one command of its rule, and serves others: each is decided again.
#[test]
fn what_runs_on_a_grant_ends_when_the_policy_forbids_it_although_the_grant_lives() {
    crate::stage::needs_root(); // reload is root's
    let stage = Stage::with(&rule("id", NO_DUTY));
    let first = order(&stage, id());
    let grant = first.go().grant;
    let other = order(&stage, command(&["id", "-g"]));
    assert_eq!(other.go().grant, grant);
    stage.write_policy(
        "50-test.toml",
        &rule("id", &format!("{NO_DUTY}\nexcept_commands = [\"/usr/bin/id -g\"]")),
    );
    assert!(matches!(stage.connect().ask(Request::Reload { force: false }), Response::Done { .. }));
    assert!(matches!(other.hear(), ToMonitor::Terminate { .. }));
    assert!(first.link.receive_within(NOTHING).is_none(), "the other one runs on");
    assert_eq!(order(&stage, id()).go().grant, grant);
}

// CVE-2019-14287's kin: uid 0 by another of its names. This program starts itself again with such a name in its
// own mount namespace.
#[test]
fn a_deny_of_root_is_one_of_all_names_of_uid_0() {
    const INSIDE: &str = "JIT_TEST_ALIASES";
    crate::stage::needs_root(); // only root can mount
    if std::env::var_os(INSIDE).is_none() {
        let script = "cat /etc/passwd - > \"$1\" && mount --bind \"$1\" /etc/passwd && shift && exec \"$@\"";
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut child = std::process::Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .arg(file.path())
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "attacks::a_deny_of_root_is_one_of_all_names_of_uid_0"])
            .env(INSIDE, "1")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut passwd = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut passwd, b"toor:x:0:0::/root:/bin/sh\n").unwrap();
        drop(passwd);
        assert!(child.wait().unwrap().success());
        return;
    }
    let text = rule("id", &format!("run_as = [\"ALL\"]\n{NO_DUTY}"))
        + "[[rule]]\nid = \"never\"\neffect = \"deny\"\nusers = [\"ALL\"]\nrun_as = [\"root\"]\ncommands = [\"ALL\"]\n";
    let stage = Stage::with(&text);
    for target in ["root", "#0", "toor"] {
        assert_eq!(
            refusal(&stage, Elevate { user: Some(target.to_owned()), ..id() }),
            "denied by the rule never",
            "{target}"
        );
    }
    let daemon = order(&stage, Elevate { user: Some("daemon".to_owned()), ..id() });
    assert_eq!(daemon.order.target.name, "daemon");
}
