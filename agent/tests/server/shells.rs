//! `-s` and `-i`: what policy is asked about, and what a monitor is told to run.

use jit_protocol::order::{Cwd, Order};
use jit_protocol::request::{Elevate, Mode, Shell};

use crate::stage::{NOTHING, Stage, ordered, us};
use crate::wire::command;

/// `-s` or `-i`, with these words.
fn shell(shell: Shell, words: &[&str]) -> Elevate {
    let mut asked = command(words);
    asked.path = None;
    asked.shell = Some(shell);
    asked.environment = vec![("SHELL".into(), "/bin/dash".into()), ("HOME".into(), "/home/alice".into())];
    asked
}

/// One rule for us, as root, without a password.
fn rule(commands: &str, more: &str) -> String {
    format!(
        "schema = 1\n[[rule]]\nid = \"r\"\nusers = [\"#{}\"]\ncommands = {commands}\nrequire.authentication = \"none\"\n{more}\n",
        us()
    )
}

fn argv(order: &Order) -> Vec<String> {
    order.argv.iter().map(jit_protocol::Bytes::to_string_lossy).collect()
}

fn variable(order: &Order, name: &str) -> Option<String> {
    let found = order.environment.iter().find(|(known, _)| known.as_slice() == name.as_bytes());
    found.map(|(_, value)| value.to_string_lossy())
}

/// Root's shell, as `/etc/passwd` has it.
fn roots_shell() -> String {
    let root = jit_sys::account::by_uid(0).unwrap().unwrap();
    String::from_utf8(root.shell).unwrap()
}

// sudo(8), -s: "Run the shell specified by the SHELL environment variable".
#[test]
fn a_shell_of_the_persons_choice_is_run_with_the_words_as_one_line() {
    let stage = Stage::with(&rule("[\"ALL\"]", ""));
    let order = ordered(&stage, shell(Shell::Plain, &[]));
    assert_eq!(argv(&order), ["/bin/dash"]);
    assert_eq!(order.program.as_ref().unwrap().path.as_slice(), b"/usr/bin/dash");
    assert_eq!((order.shell, &order.restrictions.cwd), (Some(Shell::Plain), &Cwd::Caller));
    assert_eq!(variable(&order, "SHELL").unwrap(), "/bin/dash");
    let order = ordered(&stage, shell(Shell::Plain, &["echo", "a b", "$HOME;x"]));
    assert_eq!(argv(&order), ["/bin/dash", "-c", "echo a\\ b $HOME\\;x"]);
    assert_eq!(variable(&order, "SUDO_COMMAND").unwrap(), "/usr/bin/dash -c echo a\\ b $HOME\\;x");
    let started = stage.await_events("session.started", 2).pop().unwrap();
    assert_eq!(started["mode"], "shell");
    assert_eq!(started["command"], serde_json::json!(["/usr/bin/dash", "-c", "echo a\\ b $HOME\\;x"]));
}

// sudo(8), -i: "as a login shell … sudo attempts to change to that user's home directory".
#[test]
fn a_login_shell_is_the_targets_and_starts_at_home() {
    let stage = Stage::with(&rule("[\"ALL\"]", "restrict.env_keep = [\"HOME\", \"SHELL\"]"));
    let order = ordered(&stage, shell(Shell::Login, &["id", "-u"]));
    let name = roots_shell().rsplit('/').next().unwrap().to_owned();
    let told: &[&str] = if name == "bash" { &["--login"] } else { &[] };
    let dashed = format!("-{name}");
    let expected = [&[dashed.as_str()], told, &["-c", "id -u"]].concat();
    assert_eq!(argv(&order), expected);
    assert_eq!((order.shell, &order.restrictions.cwd), (Some(Shell::Login), &Cwd::Home));
    assert_eq!(variable(&order, "SHELL").unwrap(), roots_shell());
    assert_eq!(variable(&order, "HOME").unwrap(), order.target.home.to_string_lossy());
    let started = stage.await_event("session.started");
    assert_eq!((&started["mode"], &started["command"][2]), (&"login".into(), &"id -u".into()));
    assert_eq!(started["cwd"], order.target.home.to_string_lossy());
    assert_eq!(started["command"].as_array().unwrap().len(), 3, "as policy was asked");
}

#[test]
fn a_folder_that_the_rule_names_goes_before_home() {
    let stage = Stage::with(&rule("[\"ALL\"]", "restrict.cwd = \"/srv\""));
    let order = ordered(&stage, shell(Shell::Login, &[]));
    assert_eq!(order.restrictions.cwd, Cwd::Path("/srv".into()));
}

#[test]
fn a_rule_for_a_named_command_permits_no_shell_by_it() {
    let id = rule("[\"/usr/bin/id **\", \"/usr/bin/dash /srv/x\"]", "");
    let stage = Stage::with(&id);
    for kind in [Shell::Plain, Shell::Login] {
        for words in [&[][..], &["id"], &["/usr/bin/id"], &["/srv/x"]] {
            let wire = stage.connect();
            wire.elevate(shell(kind, words));
            assert_eq!(wire.refusal(), "no rule lets you run this", "{kind:?} {words:?}");
        }
    }
    assert!(stage.monitor_within(NOTHING).is_none(), "no monitor hears of it");
    let denied = stage.await_events("request.denied", 8);
    assert_eq!((&denied[0]["mode"], &denied[7]["mode"]), (&"shell".into(), &"login".into()));
}

#[test]
fn a_rule_for_a_shell_counts_word_for_word() {
    let stage = Stage::with(&rule("[\"/usr/bin/dash\", \"/usr/bin/dash -c 'id -u'\"]", ""));
    assert_eq!(argv(&ordered(&stage, shell(Shell::Plain, &[]))), ["/bin/dash"]);
    assert_eq!(argv(&ordered(&stage, shell(Shell::Plain, &["id", "-u"]))), ["/bin/dash", "-c", "id -u"]);
    let wire = stage.connect();
    wire.elevate(shell(Shell::Plain, &["id"]));
    assert_eq!(wire.refusal(), "no rule lets you run this");
}

#[test]
fn what_is_no_shell_is_refused_by_its_name() {
    let stage = Stage::with(&rule("[\"ALL\"]", ""));
    for (value, told) in [
        ("dash", "the shell \"dash\" is not an absolute path"),
        ("\u{1b}", "the shell \"\\x1b\" is not an absolute path"),
        ("/nonexistent/sh", "/nonexistent/sh: command not found"),
        ("/etc", "/etc: command not found"),
    ] {
        let mut asked = shell(Shell::Plain, &[]);
        asked.environment = vec![("SHELL".into(), value.into())];
        let wire = stage.connect();
        wire.elevate(asked);
        assert_eq!(wire.refusal(), told);
    }
    // Without SHELL it is the invoking user's own.
    let mut asked = shell(Shell::Plain, &["id"]);
    asked.environment = Vec::new();
    let own = jit_sys::account::by_uid(us()).unwrap().unwrap().shell;
    assert_eq!(ordered(&stage, asked).argv[0].as_slice(), own);
}

#[test]
fn why_a_shell_may_run_is_explained() {
    let stage = Stage::with(&rule("[\"/usr/bin/dash\"]", ""));
    for (words, permitted) in [(&[][..], true), (&["id"], false)] {
        let mut asked = shell(Shell::Plain, words);
        asked.mode = Mode::Explain;
        let wire = stage.connect();
        wire.elevate(asked);
        assert_eq!(wire.frame().value == 0, permitted, "{words:?}");
    }
}
