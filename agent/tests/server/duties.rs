//! Reason, authentication, grants: what has to happen before a command runs, and for how long that is enough.

use jit_protocol::frame::Kind;
use jit_protocol::link::{FromMonitor, ToMonitor};
use jit_protocol::request::{Elevate, Mode, Request, Terminal};
use jit_protocol::response::{GrantView, Response};

use crate::stage::{NOTHING, Stage, order, refusal, rule};
use crate::wire::{command, id};

const SECOND: u64 = 1_000_000_000;

pub fn grants(stage: &Stage) -> Vec<GrantView> {
    match stage.connect().ask(Request::Grants { all: false }) {
        Response::Grants(grants) => grants,
        other => panic!("{other:?}"),
    }
}

fn forget(stage: &Stage, all: bool) {
    let wire = stage.connect();
    wire.send_request(Request::Forget { all });
    let frame = wire.frame();
    assert_eq!((frame.kind, frame.value), (Kind::Output, 0));
}

// "A live grant does not replace the password: a record does, and `-k` drops it."
#[test]
fn a_record_replaces_the_password_and_a_grant_does_not() {
    let stage = Stage::with(&rule("id", ""));
    let monitor = order(&stage, id());
    assert_eq!(monitor.order.authenticate.as_ref().unwrap().tries, 3);
    let first = monitor.run(0);
    let monitor = order(&stage, id());
    assert!(monitor.order.authenticate.is_none(), "a live record");
    assert_eq!(monitor.run(0).grant, first.grant, "a live grant");
    for all in [false, true] {
        forget(&stage, all);
        assert_eq!(grants(&stage).len(), 1, "`-k` drops records, never grants");
        let monitor = order(&stage, id());
        assert!(monitor.order.authenticate.is_some());
        assert_eq!(monitor.run(0).grant, first.grant);
    }
    stage.clock.pass(300 * SECOND);
    assert!(order(&stage, id()).order.authenticate.is_some(), "a record is five minutes old at most");
    assert_eq!(grants(&stage).len(), 1);
    let events = stage.events();
    let count = |event: &str| events.iter().filter(|other| *other == event).count();
    assert_eq!((count("authentication.succeeded"), count("grant.issued"), count("grant.used")), (3, 1, 3));
}

#[test]
fn small_k_with_a_command_uses_no_record_and_makes_none() {
    let stage = Stage::with(&rule("id", ""));
    let mut ignoring = id();
    ignoring.ignore_record = true;
    order(&stage, ignoring.clone()).run(0);
    assert!(order(&stage, id()).order.authenticate.is_some(), "none was made");
    let monitor = order(&stage, id());
    monitor.run(0);
    assert!(order(&stage, ignoring).order.authenticate.is_some(), "none is used");
}

// sudo(8), -N: "Do not update the user's cached credentials … existing cached credentials are used if they are valid."
#[test]
fn large_n_uses_a_record_and_makes_none() {
    let stage = Stage::with(&rule("id", ""));
    let quiet = |mode: Mode| {
        let mut asked = id();
        (asked.no_update, asked.mode) = (true, mode);
        if mode == Mode::Validate {
            asked.command.clear();
        }
        asked
    };
    order(&stage, quiet(Mode::Run)).run(0);
    for mode in [Mode::Validate, Mode::Run, Mode::List] {
        let monitor = order(&stage, quiet(mode));
        assert!(monitor.order.authenticate.is_some(), "{mode:?}: none was made");
        if mode != Mode::Run {
            monitor.fulfil();
            monitor.say(&FromMonitor::Gone);
        }
    }
    order(&stage, id()).run(0);
    assert!(order(&stage, quiet(Mode::Run)).order.authenticate.is_none(), "one is used");
}

// sudo's words: Ansible and pyinfra look for them.
#[test]
fn with_n_a_missing_password_is_said_in_sudos_words() {
    let stage = Stage::with(&rule("id", ""));
    let mut quiet = id();
    quiet.non_interactive = true;
    assert_eq!(refusal(&stage, quiet.clone()), "a password is required");
    let mut list = quiet.clone();
    list.mode = Mode::List;
    assert_eq!(refusal(&stage, list), "a password is required");
    let mut validate = quiet.clone();
    (validate.mode, validate.command) = (Mode::Validate, Vec::new());
    assert_eq!(refusal(&stage, validate), "a password is required");
    assert!(stage.monitor_within(NOTHING).is_none());
    order(&stage, id()).run(0);
    assert!(order(&stage, quiet).order.authenticate.is_none(), "a record is enough");
}

#[test]
fn where_nobody_can_be_asked_a_missing_password_is_a_refusal() {
    let stage = Stage::with(&rule("id", ""));
    let mut mute = id();
    mute.can_ask = false;
    assert!(refusal(&stage, mute).contains("password"));
    assert!(stage.monitor_within(NOTHING).is_none());
}

// "Three wrong passwords are three audit records and a refusal."
#[test]
fn each_wrong_password_is_a_record() {
    let stage = Stage::with(&rule("id", ""));
    let monitor = order(&stage, id());
    let user = monitor.order.invoking.name.clone();
    for attempt in 1..=3 {
        monitor.say(&FromMonitor::AuthenticationFailed { user: user.clone(), attempt });
    }
    let what = "3 incorrect password attempts".to_owned();
    monitor.say(&FromMonitor::Refused { what, after_go: false });
    assert_eq!(stage.await_events("authentication.failed", 3).len(), 3);
    assert_eq!(stage.await_event("request.denied")["result"], "3 incorrect password attempts");
    assert!(order(&stage, id()).order.authenticate.is_some());
    assert!(grants(&stage).is_empty());
}

#[test]
fn a_reason_is_asked_for_checked_and_kept_with_the_grant() {
    let stage =
        Stage::with(&rule("id", "require = { authentication = \"none\", reason = \"INC-[0-9]+: .+\" }"));
    let with = |reason: &str| Elevate { reason: Some(reason.to_owned()), ..id() };
    assert_eq!(refusal(&stage, with("because")), "this reason is not accepted");
    assert!(!refusal(&stage, with("INC-1: a\nb")).is_empty(), "one line");
    let mut quiet = id();
    quiet.non_interactive = true;
    assert_eq!(refusal(&stage, quiet.clone()), "a reason is required");

    let monitor = order(&stage, id());
    assert!(monitor.order.ask_reason);
    monitor.say(&FromMonitor::Fulfilled { authenticated: false, reason: Some("because".to_owned()) });
    assert!(matches!(monitor.hear(), ToMonitor::Refuse { .. }), "a typed one is checked too");
    let monitor = order(&stage, id());
    assert!(matches!(monitor.fulfil_with(Some("INC-7: disk full")), ToMonitor::Go(_)));
    assert_eq!(grants(&stage)[0].reason.as_deref(), Some("INC-7: disk full"));
    assert_eq!(stage.await_event("session.started")["reason"], "INC-7: disk full");
    assert!(!order(&stage, quiet).order.ask_reason, "a live grant fulfils it, for its life");
}

#[test]
fn a_grant_that_is_asked_for_has_a_reason_of_its_own() {
    let more = "require = { authentication = \"none\", reason = true }\ngrant = { duration = \"1m\", max_duration = \"1h\" }";
    let stage = Stage::with(&rule("id", more));
    order(&stage, Elevate { reason: Some("INC-7".to_owned()), ..id() }).run(0);
    assert!(!order(&stage, id()).order.ask_reason, "that one has its reason");
    let longer = Elevate { duration: Some(3600), ..id() };
    assert!(order(&stage, longer.clone()).order.ask_reason);
    let quiet = Elevate { non_interactive: true, ..longer };
    assert_eq!(refusal(&stage, quiet), "a reason is required");
}

// Rule 12: a grant ends on whichever clock ends first, and is checked at each use.
#[test]
fn an_expired_grant_is_not_used_again() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\"\ngrant.duration = \"1m\""));
    let first = order(&stage, id()).run(0).grant;
    stage.clock.pass(59 * SECOND);
    assert_eq!(order(&stage, id()).run(0).grant, first);
    stage.clock.pass(SECOND);
    assert_ne!(order(&stage, id()).run(0).grant, first);
    assert_eq!(stage.await_event("grant.expired")["grant"], first);
}

#[test]
fn a_grant_is_for_the_same_target_only() {
    let stage = Stage::with(&rule("id", "run_as = [\"ALL\"]\nrequire.authentication = \"none\""));
    let root = order(&stage, id()).run(0).grant;
    let daemon = order(&stage, Elevate { user: Some("daemon".to_owned()), ..id() }).run(0).grant;
    assert_ne!(root, daemon);
    assert_eq!(order(&stage, command(&["id", "-g"])).run(0).grant, root, "another command of the same rule");
}

// Rule 11: "One-time means one time."
#[test]
fn uses_are_counted_and_two_at_once_are_not_one() {
    let stage = Stage::with(&rule("id", "require.authentication = \"none\"\ngrant.uses = 1"));
    let (one, other) = (order(&stage, id()), order(&stage, id()));
    let (one, other) = (one.go().grant, other.go().grant);
    assert_ne!(one, other, "each has a grant of its own");
    assert!(grants(&stage).is_empty(), "both are used up");
    assert_eq!(stage.await_events("grant.exhausted", 2).len(), 2);
}

#[test]
fn how_long_a_command_may_run_depends_on_what_the_end_of_its_grant_means() {
    let minute = |go: &jit_protocol::link::Go| go.deadline.map(|end| end.boottime_ns);
    for (on_expiry, more, has_deadline, has_warning) in [
        ("terminate", "", true, false),
        ("finish", "", false, false),
        ("finish", "restrict.timeout = \"5s\"", true, false),
        ("warn", "", false, true),
    ] {
        let more = format!("require.authentication = \"none\"\ngrant.on_expiry = \"{on_expiry}\"\n{more}");
        let stage = Stage::with(&rule("id", &more));
        let go = order(&stage, id()).go();
        assert_eq!((minute(&go).is_some(), !go.notices.is_empty()), (has_deadline, has_warning), "{more}");
        assert_eq!(go.grace_ms, 10_000);
    }
}

#[test]
fn for_asks_for_a_shorter_or_longer_grant_within_the_rule() {
    let stage = Stage::with(&rule(
        "id",
        "require.authentication = \"none\"\ngrant = { duration = \"1m\", max_duration = \"5m\" }",
    ));
    let with = |seconds| Elevate { duration: Some(seconds), ..id() };
    let lives = |go: &jit_protocol::link::Go| {
        let now = jit_agent::clock::Clock::now(&*stage.clock);
        (go.deadline.unwrap().boottime_ns - now.boottime_ns) / SECOND
    };
    assert_eq!(lives(&order(&stage, with(300)).go()), 300);
    assert_eq!(lives(&order(&stage, with(10)).go()), 10);
    assert!(refusal(&stage, with(301)).contains("options"));
}

// "`jit-sudo --for` renews within `max_duration`"
#[test]
fn for_renews_a_grant_from_now_on_and_what_ran_before_keeps_its_end() {
    let more = "require.authentication = \"none\"\ngrant = { duration = \"1m\", max_duration = \"5m\" }";
    let stage = Stage::with(&rule("id", more));
    let renew = |seconds| Elevate { duration: Some(seconds), terminal: Some(terminal()), ..id() };
    let ends_in = |go: &jit_protocol::link::Go| {
        let now = jit_agent::clock::Clock::now(&*stage.clock);
        now.until(go.deadline.unwrap()) / SECOND
    };
    let first = order(&stage, id()).go();
    stage.clock.pass(50 * SECOND);
    let renewed = order(&stage, renew(300)).go();
    assert_eq!((ends_in(&first), ends_in(&renewed)), (10, 300));
    let told = &renewed.notices[0].text;
    assert!(told.starts_with("the grant lives until 20") && told.len() > 40, "with the zone: {told}");
    stage.clock.pass(20 * SECOND);
    assert_eq!(stage.await_event("grant.expired")["grant"], first.grant);
    let next = order(&stage, id()).go();
    assert_eq!((&next.grant, ends_in(&next)), (&renewed.grant, 280), "it serves from then on");
    // A shorter one is for its own command.
    let short = order(&stage, renew(10)).go();
    assert_eq!(ends_in(&short), 10);
    assert_eq!(order(&stage, id()).go().grant, renewed.grant);
    // Five minutes from now, and no longer, however often.
    stage.clock.pass(100 * SECOND);
    assert!(refusal(&stage, renew(301)).contains("options"));
    assert_eq!(ends_in(&order(&stage, renew(300)).go()), 300);
    let issued = stage.await_events("grant.issued", 4);
    assert!(issued.iter().all(|record| record["result"].as_str().unwrap().starts_with("until ")));
    // A script's errors are nobody's to be told.
    assert!(order(&stage, Elevate { duration: Some(300), ..id() }).go().notices.is_empty());
    stage.verify_audit();
}

fn terminal() -> Terminal {
    Terminal { rows: 24, columns: 80, flags: [0; 4], control_characters: Vec::new(), foreground: true }
}

#[test]
fn validate_makes_a_record_and_list_tells_what_one_may_run() {
    let stage = Stage::with(&rule("id", ""));
    let mut validate = id();
    (validate.mode, validate.command) = (Mode::Validate, Vec::new());
    let monitor = order(&stage, validate);
    assert!(monitor.order.authenticate.is_some() && monitor.order.program.is_none());
    assert!(matches!(monitor.fulfil(), ToMonitor::Finish { status: 0, .. }));
    monitor.say(&FromMonitor::Gone);
    assert!(order(&stage, id()).order.authenticate.is_none(), "the record is there");

    let list = |words: &[&str]| {
        let mut list = command(words);
        list.mode = Mode::List;
        let monitor = order(&stage, list);
        let mut text = String::new();
        let mut message = monitor.fulfil();
        loop {
            match message {
                ToMonitor::Part { stdout } => text += &stdout,
                ToMonitor::Finish { stdout, status, .. } => return (text + &stdout, status),
                other => panic!("{other:?}"),
            }
            message = monitor.hear();
        }
    };
    let (text, status) = list(&[]);
    assert!(text.contains("/usr/bin/id") && status == 0, "{text}");
    assert_eq!(list(&["id", "-u"]), ("/usr/bin/id -u\n".to_owned(), 0));
    assert_eq!(list(&["cat"]), (String::new(), 1));
    assert!(grants(&stage).is_empty(), "neither makes a grant");
}

// The policy changes while the person types.
#[test]
fn what_the_new_policy_does_not_permit_does_not_run() {
    crate::stage::needs_root(); // reload is root's
    let stage = Stage::with(&rule("id", ""));
    let monitor = order(&stage, id());
    stage.write_policy("50-test.toml", &rule("id", "except_commands = [\"/usr/bin/id -u\"]"));
    assert!(matches!(stage.connect().ask(Request::Reload { force: false }), Response::Done { .. }));
    assert!(matches!(monitor.fulfil(), ToMonitor::Refuse { .. }));
    stage.await_event("request.denied");
    assert!(!stage.events().contains(&"session.started".to_owned()));
}
