//! `policy explain`.

use super::super::login::{LoginOptions, State, Way};
use super::{Host, rule};
use crate::commands::policy::explain::Explain;

// interface.md: "which rule and line decides, which nearly did, and what failed; exit 0 allowed, 1 denied"
#[test]
fn an_explanation_names_rule_file_and_line() {
    let host = Host::new();
    let file = host.write("etc/policy.d/web.toml", &rule("web", ""));
    let (permitted, text) = host.explain("root", &["env", "-i"], |_| {});
    assert!(permitted, "{text}");
    assert!(text.starts_with("/usr/bin/env"), "{text}");
    assert!(text.contains(&format!("permits: web (allow, {}:2)", file.display())), "{text}");
    let (permitted, text) = host.explain("nobody", &["/usr/bin/env"], |_| {});
    assert!(!permitted && text.contains("users: nobody is not root"), "{text}");
    let (permitted, text) = host.explain("#0", &["/usr/bin/id"], |_| {});
    assert!(!permitted && text.contains("denied: no rule permits this"), "{text}");
}

#[test]
fn target_group_host_and_tags_are_considered() {
    let host = Host::new();
    host.write("etc/policy.d/a.toml", &rule("a", "hosts = [\"web-*\", \"tag:edge\"]\nrun_as = [\"nobody\"]"));
    let as_nobody = |explain: &mut Explain| explain.target = Some("nobody".to_owned());
    let (permitted, text) = host.explain("root", &["/usr/bin/env"], as_nobody);
    assert!(!permitted && text.contains("hosts: "), "{text}");
    let on_web = |explain: &mut Explain| {
        as_nobody(explain);
        explain.host = Some("web-1.example.com".to_owned());
    };
    assert!(host.explain("root", &["/usr/bin/env"], on_web).0);
    host.write("etc/agent.toml", "[host]\ntags = [\"edge\"]\n[audit]\non_failure = \"deny\"\n");
    assert!(host.explain("root", &["/usr/bin/env"], as_nobody).0);
    let (permitted, text) = host.explain("root", &["/usr/bin/env"], |explain| {
        as_nobody(explain);
        explain.group = Some("#4294967294".to_owned());
    });
    assert!(!permitted && text.contains("run_as_groups"), "{text}");
}

#[test]
fn what_cannot_be_looked_up_is_a_failure_that_says_so() {
    let host = Host::new();
    host.write("etc/policy.d/web.toml", &rule("web", ""));
    for (user, command, expected) in [
        ("no-such-user-here", "/usr/bin/env", "there is no user no-such-user-here"),
        ("#4294967295", "/usr/bin/env", "is no user's name or #uid"),
        ("#-1", "/usr/bin/env", "is no user's name or #uid"),
        ("root", "no-such-command-here", "command not found"),
    ] {
        let (permitted, text) = host.explain(user, &[command], |_| {});
        assert!(!permitted && text.contains(expected), "{user} {command}: {text}");
    }
    let (_, text) = host.explain("root", &["/opt/nothing/here"], |_| {});
    assert!(text.contains("no such file on this host"), "{text}");
}

#[test]
fn an_explanation_for_programs_is_json() {
    let host = Host::new();
    host.write("etc/policy.d/web.toml", &rule("web", ""));
    let (permitted, text) = host.explain("root", &["/usr/bin/env"], |explain| explain.json = true);
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(permitted && object["permitted"] == true && object["permitting"][0]["rule"] == "web", "{text}");
}

#[test]
fn the_login_session_is_what_is_said_of_it_and_else_not_known() {
    let host = Host::new();
    let when = "when = { origin = [\"ssh\"], remote = [\"10.0.0.0/8\"], session = [\"active\"] }";
    host.write("etc/policy.d/web.toml", &rule("web", when));
    let explain = |way, remote: Option<&str>, states: Option<Vec<State>>| {
        host.explain("root", &["/usr/bin/env"], |explain| {
            let remote = remote.map(|address| address.parse().unwrap());
            explain.login = LoginOptions { origin: way, remote, session: states };
        })
    };
    let active = || Some(vec![State::Active]);
    assert!(explain(Some(Way::Ssh), Some("10.1.2.3"), active()).0);
    for (way, remote, states, says) in [
        (None, None, None, "where the login session came from can't be told: say it with --origin"),
        (Some(Way::Local), Some("10.1.2.3"), active(), "the login session came by local"),
        (Some(Way::Ssh), Some("192.0.2.1"), active(), "192.0.2.1 is not in 10.0.0.0/8"),
        (Some(Way::Ssh), Some("10.1.2.3"), Some(vec![State::None]), "the login session is not active"),
        (Some(Way::Ssh), Some("10.1.2.3"), None, "the state of the login session can't be told"),
        (Some(Way::Local), None, active(), "the login session has no remote address"),
    ] {
        let (permitted, told) = explain(way, remote, states);
        assert!(!permitted && told.contains(says), "{says}: {told}");
    }
}
