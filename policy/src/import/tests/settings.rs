//! `Defaults`, options and tags.

use super::{import, may, policy, rules, told};
use crate::tests::support::Ask;

/// A line of settings, and what the rule for alice says then.
const SETTINGS: &[(&str, &str)] = &[
    ("Defaults timestamp_timeout=5", "require.authentication_timeout = \"5m\""),
    ("Defaults timestamp_timeout=0", "require.authentication_timeout = \"0\""),
    ("Defaults timestamp_timeout=2.5", "require.authentication_timeout = \"2m30s\""),
    ("Defaults timestamp_timeout=-1", "require.authentication_timeout = \"3650d\""),
    ("Defaults timestamp_type=ppid", "require.authentication_timeout = \"0\""),
    ("Defaults secure_path=/usr/bin\\:/bin/", "restrict.secure_path = \"/usr/bin:/bin\""),
    ("Defaults env_keep += \"B A_*\"", "restrict.env_keep = [\"A_*\", \"B\"]"),
    ("Defaults env_keep += B, env_keep += C, env_keep -= B", "restrict.env_keep = [\"C\"]"),
    ("Defaults env_keep += B, env_keep = C", "restrict.env_keep = [\"C\"]"),
    ("Defaults umask=027", "restrict.umask = \"0027\""),
    ("Defaults umask_override", "restrict.umask = \"0022\""),
    ("Defaults targetpw", "require.authenticate_as = \"target\""),
    ("Defaults rootpw, targetpw", "require.authenticate_as = \"root\""),
    ("Defaults runaspw", "require.authenticate_as = \"root\""),
    ("Defaults runcwd=/srv", "restrict.cwd = \"/srv\""),
    ("Defaults runcwd=*", "restrict.allow_cwd = [\"ALL\"]"),
    ("Defaults command_timeout=90", "restrict.timeout = \"1m30s\""),
    ("Defaults:alice umask=077", "restrict.umask = \"0077\""),
    ("Defaults:bob,alice umask=077", "restrict.umask = \"0077\""),
    ("Defaults@web-1 umask=077", "restrict.umask = \"0077\""),
    ("Defaults>root umask=077", "restrict.umask = \"0077\""),
    ("Defaults!/b/x umask=077", "restrict.umask = \"0077\""),
    ("Defaults runas_default=bob", "run_as = [\"bob\"]"),
];

#[test]
fn settings_that_have_a_counterpart_are_carried_over() {
    for (line, expected) in SETTINGS {
        let imported = import(&format!("{line}\nalice web-1 = /b/x\n"));
        assert!(imported.text.contains(expected), "{line}:\n{}", imported.text);
        assert_eq!(imported.rules, 1, "{line}:\n{}", imported.text);
    }
}

#[test]
fn settings_count_for_whom_they_are() {
    for line in [
        "Defaults:bob umask=077",
        "Defaults@db umask=077",
        "Defaults>bob umask=077",
        "Defaults!/b/y umask=077",
    ] {
        let imported = import(&format!("{line}\nalice web-1 = /b/x\n"));
        assert!(!imported.text.contains("umask"), "{line}:\n{}", imported.text);
    }
    let imported = import("Defaults!/b/y umask=077\nalice ALL = ALL\n");
    let policy = policy(&imported);
    let umask = |command: &str| {
        let ask = Ask::to_run(command);
        ask.with(|request| match policy.evaluate(request, &ask.directory).unwrap() {
            crate::Decision::Permit(candidates) => {
                candidates.iter().map(|candidate| candidate.rule.restrict.umask).collect::<Vec<_>>()
            }
            crate::Decision::Deny(_) => panic!("{command}: denied\n{}", imported.text),
        })
    };
    assert_eq!(umask("/b/y"), [crate::Umask::Exactly(0o077)]);
    assert_eq!(umask("/b/x"), [crate::Umask::UnionWith(0o022)]);
}

#[test]
fn options_and_tags_are_carried_over_or_the_rule_is_left_out() {
    let line = "alice ALL = CWD=/srv TIMEOUT=1h NOTBEFORE=20260101000000Z NOTAFTER=20270101000000Z NOPASSWD: /b/x, /b/y\n";
    let imported = import(line);
    let rules = rules(&imported);
    for expected in [
        "commands = [\"/b/x **\", \"/b/y **\"]",
        "not_before = 2026-01-01T00:00:00Z",
        "not_after = 2027-01-01T00:00:00Z",
        "restrict.cwd = \"/srv\"",
        "restrict.timeout = \"1h\"",
        "require.authentication = \"none\"",
    ] {
        assert!(rules.contains(expected), "{rules}");
    }
    for (tags, why) in [
        ("NOEXEC:", "`noexec` is not built yet"),
        ("INTERCEPT:", "`intercept` has no counterpart"),
        ("CHROOT=/srv", "`CHROOT` has no counterpart"),
        ("ROLE=r", "are not built yet"),
        ("APPARMOR_PROFILE=p", "are not built yet"),
        ("CWD=~", "a home folder"),
        ("NOTAFTER=20270231000000Z", "its time is not understood"),
        ("TIMEOUT=5m5m", "its `TIMEOUT` is not understood"),
    ] {
        let imported = import(&format!("alice ALL = {tags} /b/x\n"));
        assert!(!may(&imported, "/b/x"), "{tags}: {}", imported.text);
        assert!(told(&imported).iter().any(|one| one.contains(why)), "{tags}: {:?}", told(&imported));
    }
}

#[test]
fn what_a_setting_loses_is_told_once_with_its_line() {
    let imported =
        import("Defaults insults, use_pty\nDefaults requiretty\nDefaults nonsense\nalice ALL = ALL\n");
    assert_eq!(
        told(&imported),
        [
            "/etc/sudoers:2: not carried over: `requiretty`: a terminal is not required",
            "/etc/sudoers:3: not carried over: `nonsense`: not known, or not with this value",
        ]
    );
    assert!(imported.findings[0].to_string().starts_with("/etc/sudoers:1: note: `insults`, `use_pty`"));
    assert!(!imported.is_complete());
}

#[test]
fn root_is_never_asked() {
    for line in ["root ALL = ALL", "#0 ALL = ALL", "root ALL = PASSWD: ALL"] {
        assert!(import(&format!("{line}\n")).text.contains("authentication = \"none\""), "{line}");
    }
    assert!(!import("root, alice ALL = ALL\n").text.contains("authentication = \"none\""));
}
