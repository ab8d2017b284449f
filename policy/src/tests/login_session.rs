//! `when.origin`, `when.remote` and `when.session`: what the host knows of a login session.

use super::support::{Ask, allow, asked, deny, policy};
use crate::{LoginSession, Origin, Remote};

fn ssh(address: &str) -> LoginSession {
    LoginSession {
        origin: Some(Origin::Ssh),
        remote: Remote::Address(address.parse().unwrap()),
        active: Some(true),
        unlocked: Some(true),
        unknown: String::new(),
    }
}

fn local(active: bool, unlocked: bool) -> LoginSession {
    LoginSession {
        origin: Some(Origin::Local),
        remote: Remote::None,
        active: Some(active),
        unlocked: Some(unlocked),
        unknown: String::new(),
    }
}

fn nothing_known() -> LoginSession {
    LoginSession { unknown: "there is no logind".to_owned(), ..LoginSession::default() }
}

fn from(login: &LoginSession) -> Ask {
    asked(|ask| ask.login = login.clone())
}

// "A condition that can't be determined does not hold in an allow and *does* hold in a deny."
#[test]
fn a_condition_holds_by_what_is_known_and_what_is_not_known_never_permits() {
    for (conditions, login, holds) in [
        ("when.origin = [\"local\"]", local(true, true), Some(true)),
        ("when.origin = [\"local\"]", ssh("10.1.2.3"), Some(false)),
        ("when.origin = [\"ssh\", \"local\"]", ssh("10.1.2.3"), Some(true)),
        (
            "when.origin = [\"ssh\", \"local\"]",
            LoginSession { origin: Some(Origin::Other), ..ssh("::1") },
            Some(false),
        ),
        ("when.origin = [\"ssh\", \"local\"]", nothing_known(), None),
        ("when.remote = [\"10.0.0.0/8\"]", ssh("10.255.255.255"), Some(true)),
        ("when.remote = [\"10.0.0.0/8\"]", ssh("11.0.0.0"), Some(false)),
        ("when.remote = [\"10.0.0.0/8\"]", ssh("::ffff:10.1.2.3"), Some(true)),
        ("when.remote = [\"10.0.0.0/8\"]", ssh("2001:db8::1"), Some(false)),
        ("when.remote = [\"0.0.0.0/0\"]", ssh("203.0.113.7"), Some(true)),
        ("when.remote = [\"0.0.0.0/0\"]", ssh("2001:db8::1"), Some(false)),
        ("when.remote = [\"::/0\"]", ssh("203.0.113.7"), Some(false)),
        ("when.remote = [\"2001:db8::/32\", \"192.0.2.1\"]", ssh("2001:db8:ffff::1"), Some(true)),
        ("when.remote = [\"2001:db8::/32\", \"192.0.2.1\"]", ssh("192.0.2.1"), Some(true)),
        ("when.remote = [\"2001:db8::/32\", \"192.0.2.1\"]", ssh("192.0.2.2"), Some(false)),
        ("when.remote = [\"0.0.0.0/0\"]", local(true, true), Some(false)),
        ("when.remote = [\"0.0.0.0/0\"]", nothing_known(), None),
        ("when.session = [\"active\"]", local(true, false), Some(true)),
        ("when.session = [\"active\"]", local(false, true), Some(false)),
        ("when.session = [\"active\", \"unlocked\"]", local(true, true), Some(true)),
        ("when.session = [\"active\", \"unlocked\"]", local(true, false), Some(false)),
        ("when.session = [\"unlocked\"]", nothing_known(), None),
        // All of them: one that does not hold is enough, whatever is not known.
        ("when.origin = [\"local\"]\nwhen.session = [\"unlocked\"]", local(true, false), Some(false)),
        ("when.origin = [\"local\"]\nwhen.session = [\"unlocked\"]", ssh("10.0.0.1"), Some(false)),
        (
            "when.origin = [\"local\"]\nwhen.session = [\"unlocked\"]",
            LoginSession { unlocked: None, ..local(true, true) },
            None,
        ),
        (
            "when.origin = [\"local\"]\nwhen.session = [\"unlocked\"]",
            LoginSession { unlocked: None, ..ssh("10.0.0.1") },
            Some(false),
        ),
    ] {
        let ask = from(&login);
        assert_eq!(
            ask.is_permitted(&allow(conditions)),
            holds == Some(true),
            "allow {conditions}: {login:?}"
        );
        assert_eq!(ask.is_permitted(&deny(conditions)), holds == Some(false), "deny {conditions}: {login:?}");
    }
}

#[test]
fn defaults_fill_in_what_a_rule_does_not_say() {
    let rules = |own: &str| {
        policy(&format!(
            "[defaults]\nwhen.origin = [\"ssh\"]\nwhen.session = [\"unlocked\"]\n\
             [[rule]]\nid = \"r\"\nusers = [\"alice\"]\ncommands = [\"ALL\"]\n{own}"
        ))
    };
    assert!(!from(&local(true, true)).is_permitted(&rules("")));
    assert!(from(&local(true, true)).is_permitted(&rules("when.origin = [\"local\"]")));
    assert!(!from(&local(true, false)).is_permitted(&rules("when.origin = [\"local\"]")), "still unlocked");
}

#[test]
fn it_is_told_what_is_wrong_with_the_login_session() {
    let rule = "when.origin = [\"local\"]\nwhen.remote = [\"10.0.0.0/8\", \"192.0.2.1\"]\nwhen.session = [\"active\", \"unlocked\"]";
    let told = |login: &LoginSession| {
        let (policy, ask) = (allow(rule), from(login));
        assert_eq!(ask.decide(&policy), "deny: not in this login session for r");
        let text = ask.with(|request| policy.explain(request, &ask.directory).unwrap().for_administrator());
        assert!(text.starts_with("denied: no rule permits this in this login session\n"), "{text}");
        text.lines().skip(2).map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&ssh("203.0.113.7")),
        ["when: the login session came by ssh; 203.0.113.7 is not in 10.0.0.0/8 or 192.0.2.1/32"]
    );
    let session = "the login session is not active; the login session is locked";
    assert_eq!(
        told(&local(false, false)),
        [format!("when: the login session has no remote address; {session}")]
    );
    let unknown = told(&nothing_known());
    assert_eq!(unknown.join("").matches("can't be told: there is no logind").count(), 4, "{unknown:?}");
    let text = from(&local(true, true)).with(|request| {
        let policy = allow("when.origin = [\"local\"]\nwhen.session = [\"active\", \"unlocked\"]");
        policy.explain(request, &Ask::default().directory).unwrap().for_administrator()
    });
    assert!(text.contains("  only with origin local\n  only with session active and unlocked\n"), "{text}");
}

#[test]
fn a_test_says_what_is_known_of_the_login_session() {
    let rules = "[[rule]]\nid = \"r\"\nusers = [\"u\"]\ncommands = [\"ALL\"]\nwhen.origin = [\"ssh\"]\n\
        when.remote = [\"10.0.0.0/8\"]\nwhen.session = [\"unlocked\"]\n";
    let outcome = |keys: &str| {
        let policy = policy(&format!(
            "{rules}[[test]]\nuser = \"u\"\ncommand = [\"/usr/bin/id\"]\nexpect = \"allow\"\n{keys}"
        ));
        policy.run(&policy.tests()[0], "2026-05-01T00:00:00Z".parse().unwrap(), &crate::NoZones).failure
    };
    let all = "origin = \"ssh\"\nremote = \"10.1.2.3\"\nsession = [\"active\", \"unlocked\"]\n";
    assert_eq!(outcome(all), None);
    for (from, to) in [
        ("\"ssh\"", "\"local\""),
        ("10.1.2.3", "11.1.2.3"),
        (", \"unlocked\"", ""),
        ("remote = \"10.1.2.3\"\n", ""),
        ("origin = \"ssh\"\n", ""),
        ("session = [\"active\", \"unlocked\"]\n", ""),
    ] {
        assert!(outcome(&all.replace(from, to)).is_some(), "{from} → {to}");
    }
}

#[test]
fn diff_tells_who_gains_by_other_login_sessions() {
    let rule = |when: &str| allow(when);
    let ssh_or_local = "when.origin = [\"local\", \"ssh\"]";
    for (old, new, differ) in [
        ("", "", false),
        ("when.origin = [\"ssh\"]", "when.origin = [\"ssh\"]", false),
        ("when.origin = [\"ssh\"]", ssh_or_local, true),
        ("when.origin = [\"ssh\"]", "", true),
        ("", "when.session = [\"unlocked\"]", true),
        ("when.remote = [\"10.1.0.0/16\"]", "when.remote = [\"10.0.0.0/8\"]", true),
    ] {
        assert_eq!(!rule(old).diff(&rule(new)).is_empty(), differ, "{old} → {new}");
        assert_eq!(!rule(new).diff(&rule(old)).is_empty(), differ, "{new} → {old}");
    }
}
