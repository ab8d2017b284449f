//! The real module in real PAM stacks: whatever fails, it opens no stack and closes none that it should not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code fails by panicking"
)]

mod support;

use std::fs;
use std::process::Output;
use std::time::{Duration, Instant};

use jit_protocol::paths::{GATED, PAM_SOCKET};
use support::{
    ALLOW, Behaviour, DENY, NOT_GATED, fake_agent, in_own_world, pamtester, start, write_gated, write_service,
};

/// Stacks by service. Each service is one that the list below names `daemon` for.
const STACKS: [(&str, &str); 5] = [
    ("required", "account required MODULE\naccount required pam_permit.so\n"),
    ("requisite", "account requisite MODULE\naccount required pam_permit.so\n"),
    ("sufficient", "account sufficient MODULE\naccount required pam_deny.so\n"),
    (
        "jump",
        "account [success=1 default=ignore] MODULE\naccount requisite pam_deny.so\naccount required pam_permit.so\n",
    ),
    ("alone", "account required MODULE\n"),
];
/// Named in the list; not named; no account at all.
const USERS: [&str; 3] = ["daemon", "bin", "no-such-user"];

/// In which of [`STACKS`] each of [`USERS`] gets in.
type Open = [[bool; 5]; 3];

const GETS_IN: [bool; 5] = [true; 5];
const KEPT_OUT: [bool; 5] = [false; 5];
/// The module has no part in it: the other modules decide. `sufficient` and the jump meet `pam_deny.so`; and a stack in
/// which no module takes part is refused by PAM itself.
const IGNORED: [bool; 5] = [true, true, false, false, false];

/// Without the agent: `daemon` is named, `bin` is not, and of an account that does not exist nothing is known.
const BY_THE_LIST: Open = [KEPT_OUT, IGNORED, KEPT_OUT];

fn prepare() {
    for (service, stack) in STACKS {
        write_service(service, stack);
    }
    write_gated(&STACKS.map(|(service, _)| format!("{service} daemon\n")).concat());
}

/// Every user in every stack, at the same time.
fn check(case: &str, expected: &Open) {
    check_of(case, USERS.into_iter().zip(expected));
}

fn check_of<'a>(case: &str, expected: impl IntoIterator<Item = (&'a str, &'a [bool; 5])>) {
    let mut running = vec![];
    for (user, open) in expected {
        for ((service, _), open) in STACKS.into_iter().zip(open) {
            running.push((user, service, *open, start(&mut pamtester(service, user, &[], "acct_mgmt"))));
        }
    }
    for (user, service, open, child) in running {
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.status.success(), open, "{case}: {user}, {service}: {done:?}");
        assert_eq!(done.status.code(), Some(i32::from(!open)), "{case}: {user}, {service}: {done:?}");
    }
}

#[test]
fn a_live_agents_word_is_the_modules() {
    in_own_world(|| {
        prepare();
        for (answer, open) in [(ALLOW, [GETS_IN; 3]), (DENY, [KEPT_OUT; 3]), (NOT_GATED, [IGNORED; 3])] {
            let _ = fs::remove_file(PAM_SOCKET);
            let _requests = fake_agent(PAM_SOCKET.as_ref(), Behaviour::Says(answer));
            // Few at a time: an answer that comes late is none.
            for one in USERS.into_iter().zip(&open) {
                check_of(&String::from_utf8_lossy(answer), [one]);
            }
        }
    });
}

/// CVE-2025-23013 (`PAM_IGNORE` on an error, so that the stack succeeds): every failure, every stack, every kind of user.
#[test]
fn cve_2025_23013_no_failure_of_the_agent_opens_a_stack() {
    in_own_world(|| {
        prepare();
        check("socket missing", &BY_THE_LIST);
        drop(std::os::unix::net::UnixDatagram::bind(PAM_SOCKET).unwrap());
        check("daemon down", &BY_THE_LIST);
        for behaviour in [
            Behaviour::HangsUp,
            Behaviour::Silent,
            Behaviour::Full,
            Behaviour::Drips,
            Behaviour::Foreign(ALLOW),
            Behaviour::Says(b"garbage"),
            Behaviour::Says(b"JITR\x02\0\0\0\"allow\""),
            Behaviour::Says(b"JITR\x01\0\0\0\"allowed\""),
            Behaviour::Says(b"JITR\x01\0\0\0{\"allow\":true}"),
            Behaviour::Says(b"JITR\x01\0\0\0\"allow\"\"deny\""),
        ] {
            let _ = fs::remove_file(PAM_SOCKET);
            let _requests = fake_agent(PAM_SOCKET.as_ref(), behaviour);
            check(&format!("{behaviour:?}"), &BY_THE_LIST);
        }
    });
}

#[test]
fn without_agent_and_list_nobody_is_touched() {
    in_own_world(|| {
        prepare();
        fs::remove_file(GATED).unwrap();
        check("no list", &[IGNORED; 3]);
        fs::remove_dir("/var/lib/jit-sudo-login").unwrap();
        check("no folder", &[IGNORED; 3]);
    });
}

#[test]
fn without_agent_and_with_a_list_that_is_no_list_everybody_is_kept_out() {
    in_own_world(|| {
        prepare();
        for text in [&b""[..], b"# jit-sudo gated 1\nrequired daemon", b"# jit-sudo gated 9\n", b"\xff\xfe\0"]
        {
            fs::write(GATED, text).unwrap();
            check("garbled list", &[KEPT_OUT; 3]);
        }
        write_gated("");
        std::os::unix::fs::chown(GATED, Some(1), None).unwrap();
        check("another's list", &[KEPT_OUT; 3]);
    });
}

/// Root at the machine itself gets in however broken we are; root from elsewhere, and others there, do not.
#[test]
fn root_on_a_local_console_is_never_locked_out_by_a_failure() {
    in_own_world(|| {
        for service in ["login", "sshd"] {
            write_service(service, STACKS[0].1);
        }
        let enters = |service, user, items: &[_]| {
            start(&mut pamtester(service, user, items, "acct_mgmt")).wait().unwrap().success()
        };
        for list in ["# jit-sudo gated 1\nlogin root\nsshd root\nlogin ALL\n", "broken"] {
            fs::write(GATED, list).unwrap();
            assert!(enters("login", "root", &[("tty", "/dev/tty1")]), "{list}");
            assert!(enters("login", "root", &[("tty", "ttyS0")]), "{list}");
            assert!(!enters("login", "root", &[("tty", "pts/0")]), "{list}");
            assert!(!enters("login", "root", &[]), "{list}");
            assert!(!enters("sshd", "root", &[("tty", "/dev/tty1")]), "{list}");
            assert!(!enters("login", "daemon", &[("tty", "/dev/tty1")]), "{list}");
        }
        // With a remote host it is no local console, whatever the terminal is called.
        assert!(!enters("login", "root", &[("tty", "tty1"), ("rhost", "192.0.2.1")]));
    });
}

#[test]
fn services_that_are_never_gated_ask_nobody() {
    in_own_world(|| {
        for service in ["jit-sudo", "systemd-user", "other"] {
            write_service(service, STACKS[0].1);
        }
        write_gated("jit-sudo ALL\nsystemd-user ALL\nother ALL\n");
        let requests = fake_agent(PAM_SOCKET.as_ref(), Behaviour::Says(DENY));
        for service in ["jit-sudo", "systemd-user", "other"] {
            let done = start(&mut pamtester(service, "daemon", &[], "acct_mgmt")).wait().unwrap();
            assert!(done.success(), "{service}");
        }
        assert!(requests.try_recv().is_err(), "the agent was asked");
    });
}

/// The module serves `account`. In another stack it refuses, rather than seem to guard something.
#[test]
fn in_a_stack_it_does_not_serve_the_module_refuses() {
    in_own_world(|| {
        for kind in ["auth", "session", "password"] {
            write_service(kind, &format!("{kind} required MODULE\n{kind} required pam_permit.so\n"));
        }
        write_service("cred", "auth required MODULE\nauth required pam_permit.so\n");
        for (service, operation, open) in [
            ("auth", "authenticate", false),
            ("cred", "setcred(PAM_ESTABLISH_CRED)", true),
            ("session", "open_session", false),
            ("session", "close_session", false),
            ("password", "chauthtok", false),
        ] {
            let done = output(service, "daemon", operation);
            assert_eq!(done.status.success(), open, "{operation}: {done:?}");
        }
    });
}

#[test]
fn an_argument_that_means_nothing_is_refused() {
    in_own_world(|| {
        write_service("sshd", "account required MODULE debug\naccount required pam_permit.so\n");
        let _requests = fake_agent(PAM_SOCKET.as_ref(), Behaviour::Says(ALLOW));
        assert!(!output("sshd", "daemon", "acct_mgmt").status.success());
    });
}

/// The person reads the agent's message with nothing in it that a terminal obeys; the module itself prints nothing.
#[test]
fn a_denial_is_told_once_and_escaped() {
    in_own_world(|| {
        write_service("sshd", STACKS[0].1);
        let _requests = fake_agent(PAM_SOCKET.as_ref(), Behaviour::Says(DENY));
        let done = output("sshd", "daemon", "acct_mgmt");
        let told = String::from_utf8(done.stderr).unwrap();
        assert_eq!(told, "not on a \\x1b[31mSunday\npamtester: Permission denied\n");
        assert_eq!(done.stdout, b"");
    });
}

#[test]
fn what_is_not_gated_is_not_talked_about() {
    in_own_world(|| {
        write_service("sshd", STACKS[0].1);
        let _requests = fake_agent(PAM_SOCKET.as_ref(), Behaviour::Says(NOT_GATED));
        let done = output("sshd", "daemon", "acct_mgmt");
        assert_eq!(done.stderr, b"");
        assert_eq!(done.stdout, b"pamtester: account management done.\n");
    });
}

/// A long denial is cut, on a whole character, and none of it is lost to an error.
#[test]
fn a_denial_of_any_length_is_told() {
    in_own_world(|| {
        write_service("sshd", STACKS[0].1);
        let long = format!("JITR\u{1}\0\0\0{{\"deny\":{{\"message\":\"{}\"}}}}", "é".repeat(10_000));
        let _requests = fake_agent(PAM_SOCKET.as_ref(), Behaviour::Says(long.leak().as_bytes()));
        let done = output("sshd", "daemon", "acct_mgmt");
        let told = String::from_utf8(done.stderr).unwrap();
        assert_eq!(told, format!("{}\npamtester: Permission denied\n", "é".repeat(250)));
    });
}

#[test]
fn a_login_is_held_up_for_two_seconds_at_most() {
    // On a host that is busy a program takes longer than it waits.
    const { assert!(pam_jit::agent::TIME.as_millis() < 2000) };
    in_own_world(|| {
        write_service("sshd", STACKS[0].1);
        write_gated("sshd daemon\n");
        for behaviour in [Behaviour::Silent, Behaviour::Full, Behaviour::Drips] {
            let _ = fs::remove_file(PAM_SOCKET);
            let _requests = fake_agent(PAM_SOCKET.as_ref(), behaviour);
            let begun = Instant::now();
            assert!(!output("sshd", "daemon", "acct_mgmt").status.success());
            let took = begun.elapsed();
            assert!(
                took > Duration::from_millis(1700) && took < Duration::from_secs(40),
                "{behaviour:?}: {took:?}"
            );
        }
    });
}

fn output(service: &str, user: &str, operation: &str) -> Output {
    start(&mut pamtester(service, user, &[], operation)).wait_with_output().unwrap()
}
