//! One command from request to end, and every way it is refused.

use jit_protocol::frame::Kind;
use jit_protocol::link::{ExitStatus, FromMonitor, ToMonitor};
use jit_protocol::request::{Mode, Request};
use jit_protocol::response::Response;

use crate::stage::{NOTHING, Stage, rule};
use crate::wire::{command, id};

fn refusal(stage: &Stage, asked: jit_protocol::request::Elevate) -> String {
    let wire = stage.connect();
    wire.elevate(asked);
    let refusal = wire.refusal();
    assert!(stage.monitor_within(NOTHING).is_none(), "no monitor hears of it");
    refusal
}

#[test]
fn a_permitted_command_is_ordered_recorded_and_followed_to_its_end() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\""));
    let wire = stage.connect();
    wire.elevate(id());
    let monitor = stage.monitor();
    let order = &monitor.order;
    assert_eq!(order.mode, Mode::Run);
    assert_eq!((order.invoking.uid, order.target.uid), (crate::stage::us(), 0));
    assert!(order.authenticate.is_none() && !order.ask_reason);
    assert_eq!(order.argv, [b"id"[..].into(), b"-u"[..].into()]);
    let program = order.program.as_ref().unwrap();
    assert_eq!(program.path.as_slice(), b"/usr/bin/id");
    let file = std::fs::metadata("/usr/bin/id").unwrap();
    assert_eq!(program.inode, std::os::unix::fs::MetadataExt::ino(&file));
    let names: Vec<_> = order.environment.iter().map(|(name, _)| name.to_string_lossy()).collect();
    assert!(names.contains(&"TERM".to_owned()) && names.contains(&"SUDO_UID".to_owned()));
    assert!(!names.contains(&"LD_PRELOAD".to_owned()));

    assert_eq!(stage.events().iter().filter(|event| *event == "session.started").count(), 0);
    let go = monitor.go();
    // "`session.started` durable before exec": it is in the file when the monitor hears Go.
    let log = stage.audit();
    let started = log.iter().find(|line| line["event"] == "session.started").expect("the intent is durable");
    assert_eq!(started["grant"], go.grant);
    assert_eq!(started["command"], serde_json::json!(["/usr/bin/id", "-u"]));
    assert_eq!(started["rule"], "id");
    assert!(go.deadline.is_some());

    monitor.say(&FromMonitor::Running { pid: 1, cgroup: "s-1".to_owned() });
    let Response::Sessions(sessions) = stage.connect().ask(Request::Sessions { all: false }) else {
        panic!()
    };
    assert_eq!((sessions.len(), sessions[0].grant.as_str()), (1, go.grant.as_str()));
    monitor.say(&FromMonitor::Ended { status: ExitStatus::Status(3), leftover: false });
    monitor.say(&FromMonitor::Gone);
    assert_eq!(stage.await_event("session.ended")["exit"]["status"], 3);
    let events = stage.events();
    let order = ["agent.started", "grant.issued", "session.started", "session.ended"];
    assert_eq!(events, order);
    stage.verify_audit();
}

// "A person without any rule learns nothing about files or rules."
#[test]
fn without_a_rule_every_answer_is_the_same() {
    let stage =
        Stage::with("schema = 1\n[[rule]]\nid = \"other\"\nusers = [\"#4000000\"]\ncommands = [\"ALL\"]\n");
    let mut target = id();
    target.user = Some("no-such-user-here".to_owned());
    let mut number = id();
    number.user = Some("#-1".to_owned());
    let mut rule = id();
    rule.rule = Some("other".to_owned());
    let mut quiet = id();
    quiet.non_interactive = true;
    let answers = [
        id(),
        command(&["/usr/bin/id"]),
        command(&["/root/secret"]),
        command(&["/etc/shadow"]),
        command(&["no-such-command"]),
        target,
        number,
        rule,
        quiet,
    ]
    .map(|asked| refusal(&stage, asked));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    for mode in [Mode::List, Mode::Validate, Mode::Explain] {
        let mut asked = id();
        asked.mode = mode;
        assert_eq!(refusal(&stage, asked), answers[0], "{mode:?}");
    }
}

#[test]
fn with_a_rule_the_refusal_tells_what_is_wrong() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\""));
    for (asked, says) in [
        (command(&["cat"]), "no rule lets you run this"),
        (command(&["/usr/bin/cat", "/etc/shadow"]), "no rule lets you run this"),
        (command(&["no-such-command"]), "no-such-command: command not found"),
        (command(&["/usr/bin/no-such-command"]), "no rule lets you run this"),
        // One may run what it would be, if there were such a folder.
        (command(&["/usr/no-such/../bin/id"]), "/usr/no-such/../bin/id: command not found"),
        (command(&["/usr/no-such/../bin/cat"]), "no rule lets you run this"),
        (command(&["/etc/shadow"]), "no rule lets you run this"),
    ] {
        assert_eq!(refusal(&stage, asked), says);
    }
    stage.verify_audit();
}

// CVE-2019-14287 and its kin.
#[test]
fn a_target_that_is_no_account_is_refused() {
    let stage = Stage::with(&rule("id", "run_as = [\"ALL\"]\nrequire.authentication = \"none\""));
    for target in [
        "#-1",
        "#4294967295",
        "#4294967296",
        "#99999999999",
        "#+0",
        "# 0",
        "#0x0",
        "-1",
        "+0",
        "",
        "#4000000",
        "nope",
        "a\nb",
    ] {
        let mut asked = id();
        asked.user = Some(target.to_owned());
        let told = refusal(&stage, asked);
        assert!(told.starts_with("unknown user"), "{target:?}: {told}");
        assert!(!told.contains('\n'), "control characters are escaped: {told:?}");
        let mut asked = id();
        asked.group = Some(target.to_owned());
        assert!(refusal(&stage, asked).starts_with("unknown group"), "{target:?}");
    }
}

// CVE-2010-1646: a name that stands twice.
#[test]
fn a_variable_given_twice_is_refused() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\""));
    let mut asked = id();
    asked.environment = vec![("PATH".into(), "/tmp".into()), ("PATH".into(), "/usr/bin".into())];
    assert!(refusal(&stage, asked).contains("PATH"));
    let mut asked = id();
    asked.assignments = vec![("LD_PRELOAD".into(), "/tmp/evil.so".into())];
    assert!(!refusal(&stage, asked).is_empty());
}

#[test]
fn a_deny_rule_wins_and_is_named() {
    let text = rule("id", "require.authentication = \"none\"")
        + "[[rule]]\nid = \"never\"\neffect = \"deny\"\nusers = [\"ALL\"]\ncommands = [\"/usr/bin/id -u\"]\n";
    let stage = Stage::with(&text);
    assert_eq!(refusal(&stage, id()), "denied by the rule never");
    let wire = stage.connect();
    wire.elevate(command(&["id", "-g"]));
    stage.monitor();
}

#[test]
fn explain_tells_why_and_runs_nothing() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\""));
    for (words, status) in [(["id", "-u"], 0), (["cat", "x"], 1)] {
        let mut asked = command(&words);
        asked.mode = Mode::Explain;
        let wire = stage.connect();
        wire.elevate(asked);
        let frame = wire.frame();
        assert_eq!((frame.kind, frame.value), (Kind::Output, status), "{words:?}");
        assert!(!frame.first_text().is_empty());
    }
    assert!(stage.monitor_within(NOTHING).is_none());
    assert!(!stage.events().contains(&"session.started".to_owned()));
}

#[test]
fn a_monitor_that_refuses_or_dies_before_go_leaves_nothing_behind() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\""));
    stage.connect().elevate(id());
    let monitor = stage.monitor();
    monitor.say(&FromMonitor::Refused { what: "the account is locked".to_owned(), after_go: false });
    assert_eq!(stage.await_event("request.denied")["result"], "the account is locked");
    stage.connect().elevate(id());
    drop(stage.monitor());
    stage.await_events("request.denied", 2);
    assert!(!stage.events().contains(&"session.started".to_owned()));
    // Grant and intent are made while PAM looks at the account.
    for word in
        [Some(FromMonitor::Refused { what: "the account is locked".to_owned(), after_go: false }), None]
    {
        stage.connect().elevate(id());
        let monitor = stage.monitor();
        monitor.say(&FromMonitor::Fulfilled { authenticated: false, reason: None });
        if let Some(word) = word {
            monitor.say(&word);
        }
    }
    assert_eq!(stage.await_event("session.refused")["result"], "the account is locked");
    assert_eq!(stage.await_event("session.ended")["result"], "lost: its monitor died");
    stage.await_events("grant.revoked", 2);
    let Response::Grants(grants) = stage.connect().ask(Request::Grants { all: false }) else { panic!() };
    assert!(grants.is_empty(), "{grants:?}");
}

// A monitor that claims an authentication that was not asked for, or leaves one out, is no monitor of ours.
#[test]
fn a_monitor_cannot_skip_a_duty() {
    let stage = Stage::with(&rule("id", ""));
    stage.connect().elevate(id());
    let monitor = stage.monitor();
    assert!(monitor.order.authenticate.is_some());
    monitor.say(&FromMonitor::Fulfilled { authenticated: false, reason: None });
    assert!(matches!(monitor.hear(), ToMonitor::Refuse { .. }));
    stage.await_event("request.denied");
}

#[test]
fn a_command_whose_monitor_dies_is_recorded_as_lost() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\""));
    stage.connect().elevate(id());
    let monitor = stage.monitor();
    monitor.go();
    monitor.say(&FromMonitor::Running { pid: 1, cgroup: String::new() });
    drop(monitor);
    assert!(stage.await_event("session.ended")["result"].as_str().unwrap().contains("lost"));
}
