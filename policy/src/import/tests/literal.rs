//! What looks like more than it is: sudo, asked for each of these, said no. In a guest the same is asked of it again.

use super::{import, import_files, may, policy, told};
use crate::account::Group;
use crate::rule::Authentication;
use crate::tests::support::{Ask, account};

/// Lines, and what alice, who is in the group web, may not run then.
const LINES: &[(&str, &[&str])] = &[
    // A backslash or quotes: no keyword, no alias, no group any more.
    ("\\%web ALL = ALL", &["/b/x"]),
    ("\\ALL ALL = ALL", &["/b/x"]),
    ("A\\LL ALL = ALL", &["/b/x"]),
    ("\\x41LL ALL = ALL", &["/b/x"]),
    ("User_Alias A = alice\n\"A\" ALL = ALL", &["/b/x"]),
    ("User_Alias A = alice\n\\A ALL = ALL", &["/b/x"]),
    ("Host_Alias H = ALL\nalice \"H\" = ALL", &["/b/x"]),
    ("alice \\ALL = ALL", &["/b/x"]),
    ("Runas_Alias R = root\nalice ALL = (\"R\") ALL", &["/b/x"]),
    ("alice ALL = (\\ALL) ALL", &["/b/x"]),
    // In quotes a backslash stands for itself.
    ("\"al\\ice\" ALL = ALL", &["/b/x"]),
    ("\"al\\x69ce\" ALL = ALL", &["/b/x"]),
    // `^a|b$` is what begins with an a, or ends with a b.
    ("alice ALL = ALL, !^/b/su|/b/sh$", &["/b/su", "/b/sum", "/b/sh"]),
    // All arguments are one text.
    ("alice ALL = ALL, !/b/x -x\\ root", &["/b/x -x root"]),
    ("alice ALL = ALL, !/b/x [r q]oot", &["/b/x root"]),
    ("alice ALL = ALL, !/b/x a\\\\ b", &["/b/x a b"]),
    ("alice ALL = /b/x [r q]oot", &["/b/x [r q]oot"]),
    ("alice ALL = /b/x a\\\\ b", &["/b/x a\\ b"]),
    ("alice ALL = /b/x a\\\\", &["/b/x a\\"]),
    // A folder of theirs may be a link: `/bin`, to `/usr/bin`.
    ("alice ALL = ALL, !/*b/sh", &["/usr/b/sh", "/b/sh"]),
    // A host's own name may be the first label of the name that DNS has for it.
    ("alice ALL, !web-1.example.org = ALL", &["/b/x"]),
    ("alice ALL, !*.example.org = ALL", &["/b/x"]),
    ("alice ALL = ALL\nalice web-?.example.org = !/b/sh", &["/b/sh"]),
    // Newer ones never read such a deny, older ones see its end alone.
    ("alice ALL = ALL, NOTBEFORE=20990101000000Z NOTAFTER=20980101000000Z !/b/sh", &["/b/sh"]),
];

#[test]
fn what_sudo_reads_otherwise_than_it_looks_permits_no_more() {
    for (lines, no) in LINES {
        let imported = import(&format!("{lines}\n"));
        for asked in *no {
            assert!(!may(&imported, asked), "{lines}: {asked}\n{}", imported.text);
        }
    }
}

// sudo passes over such a line, with all that it says: what is right in it is not to be permitted either.
#[test]
fn a_line_that_sudo_passes_over_is_a_mistake() {
    for line in [
        "! !alice ALL = ALL",
        "Defaults ! !authenticate",
        "alice ALL = \"ALL\"",
        "alice ALL = \\ALL",
        "Cmnd_Alias S = /b/x\nalice ALL = \"S\"",
        "alice ALL = \"sudoedit\" /x",
        "User_Alias ROLE = alice",
        "ROLE, alice ALL = ALL",
        "alice CWD, ALL = ALL",
        "alice, sudoedit ALL = ALL",
        "alice, sha256 ALL = ALL",
        "alice, 10.1.2.3 ALL = ALL",
        "alice, 010.1.2.3 ALL = ALL",
        "alice, fe80::/10 = ALL",
        "alice, /b/x ALL = ALL",
        "alice ALL, %web = ALL",
        "alice ALL, \"%web\" = ALL",
        "alice ALL = (root : %web) ALL",
        "alice ALL = (root : docker, +net) ALL",
        "alice ALL = (root :) ALL",
        "alice\\xe9, alice ALL = ALL",
        "alice ALL = /b/x \\:=",
        "alice ALL = /b/x, NOTBEFORE=soon /b/y",
        "alice ALL = /b/x, NOTBEFORE=20260101000000+1 /b/y",
        "alice ALL = /b/x, TIMEOUT=soon /b/y",
        "alice ALL = /b/x, TIMEOUT=99999999999 /b/y",
        "alice ALL = /b/x, ROLE=ADMIN /b/y",
        "\\\nDefaults !authenticate",
        "\\\nUser_Alias A = alice",
        "  \\\n  @include /etc/a",
        "Defaults:alice*!authenticate",
        "Defaults:! alice !authenticate",
        "Defaults:\\\nalice !authenticate",
    ] {
        let text = format!("bob ALL = ALL\n{line}\n");
        let imported = import_files(&[("/etc/sudoers", text.as_bytes()), ("/etc/a", b"alice ALL = ALL\n")]);
        assert!(imported.is_err(), "{line}\n{}", imported.unwrap().text);
    }
}

#[test]
fn what_stands_beside_such_lines_is_still_read() {
    for line in [
        "! !!alice, alice ALL = ALL",
        "alice ALL = (:) ALL, (root) ALL",
        "\"A\\\"B\", alice ALL = ALL",
        "DOMAIN\\\\bob, alice ALL = ALL",
        "alice fe80::/10, ALL = ALL",
        "alice ALL = NOTBEFORE=2020010100.5Z /b/x",
        "alice ALL = TIMEOUT=1h30m /b/x",
        "alice ALL = ROLE=r /b/y, /b/z\nalice ALL = /b/x",
        "Defaults:alice, bob \\\n !authenticate\nalice ALL = /b/x",
        "ALICE ALL = /b/x",
    ] {
        let imported = import(&format!("{line}\n"));
        let read = may(&imported, "/b/x") || told(&imported).iter().any(|one| one.contains("not understood"));
        assert!(read, "{line}\n{}", imported.text);
    }
}

// `-g` and a group that the target is not in: then sudo does not take `Defaults>bob` to be meant.
#[test]
fn settings_for_a_target_do_not_spare_the_password_with_another_group() {
    let policy = policy(&import("Defaults>bob !authenticate\nalice ALL = (bob : docker) ALL\n"));
    let ask = Ask {
        target: account(1002, 1002, &["bob"], &[1002]),
        group: Some(Group { gid: 990, name: "docker".into() }),
        ..Ask::to_run("/b/x")
    };
    assert!(ask.is_permitted(&policy));
    assert!(policy.rules().all(|rule| rule.require.authentication == Authentication::Password));
}

// A zero is as if nothing were said, and not "for ever".
#[test]
fn no_timeout_does_not_lift_that_of_the_defaults() {
    let text = import("Defaults command_timeout=5m\nalice ALL = TIMEOUT=0 /b/x\n").text;
    assert!(text.contains("restrict.timeout = \"5m\""), "{text}");
}

// sudo passes over a setting with such a value, and the one before stays.
#[test]
fn a_value_that_sudo_does_not_take_changes_nothing() {
    for setting in ["timestamp_timeout=1e3", "timestamp_timeout=+99", "timestamp_timeout=infinity"] {
        let imported =
            import(&format!("Defaults timestamp_timeout=1\nDefaults {setting}\nalice ALL = ALL\n"));
        assert!(imported.text.contains("authentication_timeout = \"1m\""), "{setting}\n{}", imported.text);
        assert!(told(&imported).iter().any(|one| one.contains("not with this value")), "{setting}");
    }
    let imported = import("Defaults rootpw=no\nDefaults targetpw+=x\nalice ALL = ALL\n");
    assert!(!imported.text.contains("authenticate_as"), "{}", imported.text);
}
