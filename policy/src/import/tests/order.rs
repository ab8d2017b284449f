//! "The last match wins", without an order.

use super::{import, may, policy, told};
use crate::rule::Authentication;
use crate::tests::support::{Ask, account, asked};

/// Lines, what alice may run then, and what not. She is in the group web.
const LINES: &[(&str, &[&str], &[&str])] = &[
    ("alice ALL = ALL, !/b/sh", &["/b/x"], &["/b/sh", "/b/sh -c x"]),
    ("alice ALL = !/b/sh, ALL", &["/b/x", "/b/sh"], &[]),
    ("alice ALL = ALL, !/b/sh, /b/sh -x", &["/b/sh -x"], &["/b/sh", "/b/sh -y"]),
    ("alice ALL = ALL\nalice ALL = !/b/sh", &["/b/x"], &["/b/sh"]),
    ("alice ALL = ALL\n%web ALL = !/b/sh", &["/b/x"], &["/b/sh"]),
    ("alice ALL = ALL\n%web ALL = !/b/sh\nbob ALL = /b/sh", &["/b/x"], &["/b/sh"]),
    ("%web ALL = ALL\nalice ALL = !/b/sh\n%docker ALL = /b/sh", &["/b/x"], &["/b/sh"]),
    ("%web ALL = ALL\nalice ALL = !ALL", &[], &["/b/x"]),
    ("%web ALL = ALL\nbob ALL = !ALL", &["/b/x"], &[]),
    ("%web ALL = ALL\nALL, !alice ALL = !/b/sh", &["/b/x", "/b/sh"], &[]),
    ("ALL, !%web ALL = ALL\n", &[], &["/b/x"]),
    ("ALL, !%web, alice ALL = ALL\n", &["/b/x"], &[]),
    ("alice ALL = ALL\nalice db = !/b/sh", &["/b/sh"], &[]),
    ("alice ALL = ALL\nalice web-1 = !/b/sh", &["/b/x"], &["/b/sh"]),
    ("%web ALL = ALL\nalice db = !/b/sh\n%docker db = /b/sh", &["/b/sh", "/b/x"], &[]),
    ("alice ALL = (ALL) ALL\nalice ALL = (bob) !/b/sh", &["/b/sh"], &[]),
    (
        "Cmnd_Alias S = /b/sh, /b/bash, !/b/rsh\nalice ALL = ALL, !S",
        &["/b/rsh", "/b/x"],
        &["/b/sh", "/b/bash"],
    ),
    ("User_Alias A = ALL, !B\nUser_Alias B = alice\nA ALL = /b/x\n!A ALL = /b/y", &["/b/y"], &["/b/x"]),
    ("alice ALL = ALL\n+net ALL = !/b/sh", &["/b/x"], &["/b/sh"]),
    ("alice ALL = ALL, NOEXEC: /b/less", &["/b/x"], &["/b/less"]),
];

#[test]
fn later_lines_take_away_from_earlier_ones() {
    for (lines, yes, no) in LINES {
        let imported = import(&format!("{lines}\n"));
        for asked in *yes {
            assert!(may(&imported, asked), "{lines}: {asked}\n{}", imported.text);
        }
        for asked in *no {
            assert!(!may(&imported, asked), "{lines}: {asked}\n{}", imported.text);
        }
    }
}

// "a deny is written only where nothing later allows again"
#[test]
fn a_deny_of_its_own_stands_only_where_nothing_later_permits() {
    let alone = import("%web ALL = ALL\nalice ALL = !/b/sh\n");
    assert!(alone.text.contains("effect = \"deny\""), "{}", alone.text);
    let followed = import("%web ALL = ALL\nalice ALL = !/b/sh\nbob ALL = /b/sh\nalice ALL = /b/sh -x\n");
    assert!(!followed.text.contains("effect = \"deny\""), "{}", followed.text);
    assert!(may(&followed, "/b/sh -x") && !may(&followed, "/b/sh"));
    let other_targets = Ask { target: account(1001, 1001, &["bob"], &[]), ..Ask::to_run("/b/sh") };
    let of_all = import("%web ALL = (ALL) ALL\nalice ALL = (root) !/b/sh\nalice ALL = (root) /b/sh -x\n");
    assert!(other_targets.is_permitted(&policy(&of_all)) && !may(&of_all, "/b/sh"), "{}", of_all.text);
}

/// How alice is asked for `/b/x`: by the rules that permit it, the one with the fewest duties.
fn is_asked(lines: &str) -> bool {
    let imported = import(&format!("{lines}\n"));
    let policy = policy(&imported);
    let ask = Ask::to_run("/b/x");
    ask.with(|request| match policy.evaluate(request, &ask.directory).unwrap() {
        crate::Decision::Permit(candidates) => candidates
            .iter()
            .all(|candidate| candidate.rule.require.authentication == Authentication::Password),
        crate::Decision::Deny(_) => panic!("{lines}: denied\n{}", imported.text),
    })
}

// Of several rules that match, ours takes the one with the fewest duties; sudo the last.
#[test]
fn a_later_line_that_asks_for_more_counts() {
    for (lines, asked) in [
        ("alice ALL = NOPASSWD: ALL", false),
        ("alice ALL = NOPASSWD: ALL\nalice ALL = PASSWD: /b/x", true),
        ("alice ALL = ALL\nalice ALL = NOPASSWD: /b/x", false),
        ("alice ALL = NOPASSWD: ALL\n%web ALL = /b/x", true),
        ("%web ALL = NOPASSWD: ALL\n%docker ALL = /b/x", false),
        ("alice ALL = NOPASSWD: ALL\nalice ALL = PASSWD: /b/y", false),
        ("alice ALL = NOPASSWD: ALL\n+net ALL = ALL", true),
        ("alice ALL = NOPASSWD: /b/y, PASSWD: ALL", true),
        ("Defaults !authenticate\nalice ALL = ALL", false),
        ("Defaults:alice !authenticate\nalice ALL = ALL", false),
        ("Defaults:bob !authenticate\n%web ALL = ALL", true),
        ("Defaults !authenticate\nalice ALL = PASSWD: ALL", true),
        ("Defaults!/b/x authenticate\nDefaults !authenticate\nalice ALL = ALL", true),
    ] {
        assert_eq!(is_asked(lines), asked, "{lines}");
    }
}

#[test]
fn a_crowd_of_lines_makes_no_crowd_of_rules() {
    use std::fmt::Write as _;
    let mut text = "%web ALL = (ALL) NOPASSWD: ALL\n".to_owned();
    for number in 0..60 {
        let _ = writeln!(text, "user{number} ALL = (root) /b/tool{number}, !/b/sh{number}");
    }
    let imported = import(&text);
    assert!(imported.rules < 200, "{} rules", imported.rules);
    assert!(may(&imported, "/b/x"), "{}", imported.text);
}

#[test]
fn alone_with_a_group_means_oneself() {
    let imported = import("alice ALL = (:docker) /b/x\n");
    let as_docker = asked(|ask| {
        ask.path = b"/b/x".to_vec();
        ask.target = ask.user.clone();
        ask.group = Some(crate::Group { gid: 990, name: "docker".into() });
    });
    assert!(as_docker.is_permitted(&policy(&imported)), "{}", imported.text);
    assert!(!may(&imported, "/b/x") && told(&imported).is_empty());
}
