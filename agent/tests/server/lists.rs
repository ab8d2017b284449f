//! `-l`, `-ll`, `-l COMMAND` and `-U`.

use jit_protocol::link::{FromMonitor, ToMonitor};
use jit_protocol::request::{Elevate, Mode};

use crate::stage::{Monitor, Stage, needs_root};
use crate::wire::command;

/// Root and daemon may run two things, daemon one more, bin nothing.
const POLICY: &str = r##"
schema = 1
[defaults]
require.authentication = "none"
[[rule]]
id = "list"
users = ["daemon"]
commands = ["/usr/bin/ls"]
[[rule]]
id = "look"
description = "Who is who"
users = ["daemon", "#0"]
run_as = ["root", "bin"]
run_as_groups = ["mail"]
commands = ["/usr/bin/id **", "/usr/bin/cat /etc/hosts"]
except_commands = ["/usr/bin/id -Z"]
grant.max_duration = "2h"
grant.uses = 3
restrict.timeout = "10m"
restrict.env_keep = ["FOO"]
restrict.cwd = "/srv"
"##;

fn list(words: &[&str]) -> Elevate {
    Elevate { mode: Mode::List, ..command(words) }
}

/// Standard output, standard error and status.
fn told(monitor: &Monitor) -> (String, String, i32) {
    let (mut text, mut message) = (String::new(), monitor.fulfil());
    loop {
        match message {
            ToMonitor::Part { stdout } => text += &stdout,
            ToMonitor::Finish { stdout, stderr, status } => {
                monitor.say(&FromMonitor::Gone);
                return (text + &stdout, stderr, status);
            }
            other => panic!("{other:?}"),
        }
        message = monitor.hear();
    }
}

fn by_root(stage: &Stage, asked: Elevate) -> (String, String, i32) {
    stage.connect().elevate(asked);
    told(&stage.monitor())
}

#[test]
fn a_longer_list_says_all_of_a_rule_but_where_it_stands() {
    needs_root();
    let stage = Stage::with(POLICY);
    let (short, _, status) = by_root(&stage, list(&[]));
    let host = short.split(':').next().unwrap().rsplit(' ').next().unwrap().to_owned();
    let head =
        format!("root may run on {host}:\n  look (Who is who)\n    as root, bin; duties: none; for 15m\n");
    let commands = "    /usr/bin/id **\n    /usr/bin/cat /etc/hosts\n    not /usr/bin/id -Z\n";
    assert_eq!((short.as_str(), status), (format!("{head}{commands}").as_str(), 0));
    let (long, _, _) = by_root(&stage, Elevate { detailed: true, ..list(&[]) });
    let details = "    hosts: ALL\n    groups for -g and -P: mail\n    at most: 2h\n    uses: 3\n    \
                   counts for the: terminal\n    when it expires: the command is ended\n    \
                   each command at most: 10m\n    folder: /srv\n    variables kept: FOO\n";
    assert_eq!(long, format!("{head}{details}{commands}"));
    let (long, _, status) = by_root(&stage, Elevate { detailed: true, ..list(&["id", "-u"]) });
    assert_eq!((long.starts_with("/usr/bin/id -u\n  look"), status), (true, 0), "{long}");
}

// sudo(8), -l: "If a command is specified and is permitted …, the fully-qualified path to the command is displayed … exits
// with a status value of 1 if not."
#[test]
fn one_command_is_answered_by_its_path_or_by_no() {
    needs_root();
    let stage = Stage::with(POLICY);
    let ask = |words: &[&str]| by_root(&stage, list(words));
    assert_eq!(ask(&["id", "a b"]), ("/usr/bin/id a b\n".to_owned(), String::new(), 0));
    let (out, error, status) = ask(&["cat", "/etc/shadow"]);
    assert_eq!((out.as_str(), error.as_str(), status), ("", "no rule lets you run this", 1));
    assert_eq!(ask(&["nosuchcommand"]).2, 1);
    let quiet = Elevate { non_interactive: true, can_ask: false, ..list(&["id"]) };
    assert_eq!(by_root(&stage, quiet).2, 0);
    let other = Elevate { user: Some("nobody".into()), ..list(&["id"]) };
    assert_eq!(by_root(&stage, other).2, 1, "not as that one");
}

// sudo(8), -U: "Used in conjunction with the -l option to list the privileges for user instead of for the invoking user."
#[test]
fn another_users_list_is_roots_to_see() {
    needs_root();
    let stage = Stage::with(POLICY);
    let about = |name: &str, words: &[&str]| Elevate { other_user: Some(name.into()), ..list(words) };
    for name in ["daemon", "#1"] {
        let (text, _, status) = by_root(&stage, about(name, &[]));
        assert!(text.starts_with("daemon may run on ") && text.contains("  list\n") && status == 0, "{text}");
    }
    assert_eq!(by_root(&stage, about("daemon", &["id"])), ("/usr/bin/id\n".to_owned(), String::new(), 0));
    assert_eq!((by_root(&stage, about("daemon", &["ls"])).2, by_root(&stage, list(&["ls"])).2), (0, 1));
    assert_eq!(by_root(&stage, about("bin", &["id"])).2, 1);
    let (text, _, status) = by_root(&stage, about("bin", &[]));
    assert!(text.starts_with("bin may run nothing on ") && status == 0, "{text}");
    assert!(!by_root(&stage, about("root", &[])).0.contains("  list\n"), "one's own");
    let wire = stage.connect();
    wire.elevate(about("no-such-user", &[]));
    assert_eq!(wire.refusal(), "unknown user no-such-user");
    let denied = stage.audit().pop().unwrap();
    assert_eq!((&denied["event"], &denied["user"]["name"]), (&"request.denied".into(), &"root".into()));
}
