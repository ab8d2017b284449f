use std::io::{self, ErrorKind};
use std::time::Duration;

use super::*;
use crate::account::tests::People;

fn login(user: &str, service: &str) -> Login {
    Login { user: user.into(), service: service.into(), tty: None, rhost: None }
}

fn names(entries: &str, user: &str, service: &str) -> (Match, usize) {
    let text = format!("{FIRST_LINE}\n{entries}");
    let people = People::default();
    let found = Gated::parse(text.as_bytes()).unwrap().names(
        &login(user, service),
        &people,
        Instant::now() + Duration::from_secs(1),
    );
    (found, people.looked_up.get())
}

#[test]
fn a_user_is_named_by_name_uid_group_gid_or_all() {
    for entry in ["alice", "#1000", "%alice_is_no_group\nsshd %web", "%dba", "%#990", "ALL"] {
        assert!(matches!(names(&format!("sshd {entry}\n"), "alice", "sshd").0, Match::Yes(_)), "{entry}");
    }
    for entry in ["bob", "Alice", "alice ", "#1001", "%nogroup", "%#0", "%root", "#0", "root"] {
        assert_eq!(names(&format!("sshd {entry}\n"), "alice", "sshd").0, Match::No, "{entry}");
    }
}

/// Each kind of subject matches its own kind alone (CVE-2024-10963 was a user named like a terminal).
#[test]
fn cve_2024_10963_a_user_named_like_a_group_or_service_matches_only_users() {
    for (entry, user) in [("%bob", "bob"), ("sshd", "bob"), ("all", "bob")] {
        assert!(!matches!(names(&format!("sshd {entry}\n"), user, "sshd").0, Match::Yes(_)), "{entry}");
    }
}

#[test]
fn another_name_of_the_same_uid_is_the_same_user() {
    assert_eq!(names("sshd alice\n", "alias", "sshd").0, Match::Yes("alice".into()));
    assert_eq!(names("sshd #1000\n", "alias", "sshd").0, Match::Yes("#1000".into()));
}

#[test]
fn all_does_not_include_uid_0_but_root_written_does() {
    assert_eq!(names("sshd ALL\n", "root", "sshd").0, Match::No);
    assert_eq!(names("sshd ALL\nsshd root\n", "root", "sshd").0, Match::Yes("root".into()));
    assert_eq!(names("sshd %root\n", "root", "sshd").0, Match::Yes("%root".into()));
}

#[test]
fn nothing_is_looked_up_that_the_text_alone_decides() {
    assert_eq!(names("login ALL\nlogin %web\n", "alice", "sshd"), (Match::No, 0));
    assert_eq!(names("sshd %web\nsshd alice\n", "alice", "sshd"), (Match::Yes("alice".into()), 0));
    assert_eq!(names("sshd bob\nsshd #7\n", "alice", "sshd"), (Match::No, 1));
}

#[test]
fn an_account_that_does_not_exist_is_not_let_through_by_that() {
    assert_eq!(names("sshd %web\n", "eve", "sshd").0, Match::NoSuchUser);
    assert_eq!(names("sshd bob\n", "eve", "sshd").0, Match::NoSuchUser);
}

#[test]
fn a_look_up_that_fails_or_is_late_is_not_a_no() {
    assert!(matches!(names("sshd #1\n", "slow", "sshd").0, Match::CannotTell(_)));
    assert!(matches!(names("sshd %slow\nsshd %web\n", "alice", "sshd").0, Match::CannotTell(_)));
    let text = format!("{FIRST_LINE}\nsshd %web\n");
    let gated = Gated::parse(text.as_bytes()).unwrap();
    let late = gated.names(&login("alice", "sshd"), &People::default(), Instant::now());
    assert!(matches!(late, Match::CannotTell(_)), "{late:?}");
}

#[test]
fn services_are_compared_as_pam_compares_them() {
    assert!(matches!(names("SSHD alice\n", "alice", "sshd").0, Match::Yes(_)));
    assert_eq!(names("ssh alice\n", "alice", "sshd").0, Match::No);
}

#[test]
fn a_name_may_hold_blanks() {
    assert!(matches!(names("sshd CORP\\anna b\n", "CORP\\anna b", "sshd").0, Match::Yes(_)));
}

#[test]
fn a_text_that_is_not_whole_or_not_understood_is_refused_as_a_whole() {
    let refused = |text: &[u8]| Gated::parse(text).is_err_and(|error| error.kind() == ErrorKind::InvalidData);
    for text in [
        &b""[..],
        b"\n",
        b"# jit-sudo gated 1",
        b"# jit-sudo gated 2\n",
        b"#jit-sudo gated 1\n",
        b"sshd alice\n",
        b"# jit-sudo gated 1\nsshd alice",
        b"# jit-sudo gated 1\nsshd alice\n\n",
        b"# jit-sudo gated 1\nsshd\n",
        b"# jit-sudo gated 1\nsshd \n",
        b"# jit-sudo gated 1\n alice\n",
        b"# jit-sudo gated 1\nsshd %\n",
        b"# jit-sudo gated 1\nsshd #\n",
        b"# jit-sudo gated 1\nsshd #-1\n",
        b"# jit-sudo gated 1\nsshd #+1\n",
        b"# jit-sudo gated 1\nsshd #4294967296\n",
        b"# jit-sudo gated 1\nsshd %#x\n",
        b"# jit-sudo gated 1\nsshd al\0ice\n",
        b"# jit-sudo gated 1\r\nsshd alice\r\n",
        b"# jit-sudo gated 1\nsshd \xff\n",
    ] {
        assert!(refused(text), "{:?}", String::from_utf8_lossy(text));
    }
    assert_eq!(Gated::parse(b"# jit-sudo gated 1\n").unwrap(), Gated { entries: vec![] });
}

/// A cut inside a line shows; one between lines cannot, which is why the agent replaces the file as a whole.
#[test]
fn a_text_cut_anywhere_but_after_a_line_is_refused() {
    let whole = b"# jit-sudo gated 1\nlogin root\nsshd %dba\n";
    for length in 0..whole.len() {
        let parsed: io::Result<Gated<'_>> = Gated::parse(&whole[..length]);
        assert_eq!(parsed.is_ok(), whole[..length].ends_with(b"\n"), "{length}");
    }
}
