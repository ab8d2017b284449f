use std::cell::Cell;
use std::io::ErrorKind;
use std::time::Duration;

use super::*;
use crate::accounts::Account;

/// An agent that says this.
struct Says(Asking);

impl Agent for Says {
    fn ask(&self, _: &LoginRequest, _: Instant) -> io::Result<LoginAnswer> {
        (self.0)()
    }
}

/// An agent that must not be asked.
struct NotAsked;

impl Agent for NotAsked {
    fn ask(&self, request: &LoginRequest, _: Instant) -> io::Result<LoginAnswer> {
        panic!("asked about {request:?}")
    }
}

/// The file.
enum OnDisk {
    Missing,
    /// Well written, with these lines.
    Entries(&'static str),
    Holds(&'static [u8]),
    Fails(ErrorKind),
}

impl GatedFile for OnDisk {
    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match *self {
            Self::Missing => Ok(None),
            Self::Entries(lines) => Ok(Some(format!("# jit-sudo gated 1\n{lines}").into_bytes())),
            Self::Holds(bytes) => Ok(Some(bytes.to_vec())),
            Self::Fails(kind) => Err(kind.into()),
        }
    }
}

/// alice (1000, in `web` and `dba`), alias (1000 too), bob (1001), root; `slow` and the group `slow` cannot be looked up.
#[derive(Default)]
pub(crate) struct People {
    /// How often anything was looked up.
    pub(crate) looked_up: Cell<usize>,
}

impl Accounts for People {
    fn find(&self, user: &str) -> io::Result<Option<Account>> {
        self.looked_up.set(self.looked_up.get() + 1);
        let account = |uid, name: &str| Account { uid, gid: uid, canonical_name: Some(name.into()) };
        match user {
            "root" => Ok(Some(account(0, "root"))),
            "alice" | "alias" => Ok(Some(account(1000, "alice"))),
            "bob" => Ok(Some(account(1001, "bob"))),
            "slow" => Err(ErrorKind::TimedOut.into()),
            _ => Ok(None),
        }
    }

    fn groups_of(&self, user: &str, primary: u32) -> io::Result<Vec<u32>> {
        self.looked_up.set(self.looked_up.get() + 1);
        Ok(if primary == 1000 { vec![1000, 990, 991] } else { vec![primary] })
            .inspect(|_| assert!(self.find(user).is_ok_and(|found| found.is_some())))
    }

    fn gid_of(&self, group: &str) -> io::Result<Option<u32>> {
        self.looked_up.set(self.looked_up.get() + 1);
        match group {
            "web" => Ok(Some(990)),
            "dba" => Ok(Some(991)),
            "root" => Ok(Some(0)),
            "slow" => Err(ErrorKind::TimedOut.into()),
            _ => Ok(None),
        }
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(1)
}

fn by(user: &str, service: &str, tty: Option<&str>) -> Login {
    Login { user: user.into(), service: service.into(), tty: tty.map(Into::into), rhost: None }
}

type Asking = fn() -> io::Result<LoginAnswer>;

/// Every way in which the agent can fail to answer.
const SILENT: [(&str, Asking); 8] = [
    ("socket missing", || Err(ErrorKind::NotFound.into())),
    ("daemon down", || Err(ErrorKind::ConnectionRefused.into())),
    ("wrong server uid", || Err(ErrorKind::PermissionDenied.into())),
    ("timeout", || Err(ErrorKind::TimedOut.into())),
    ("bad frame", || Err(ErrorKind::InvalidData.into())),
    ("hung up", || Err(ErrorKind::UnexpectedEof.into())),
    ("garbled answer", || Ok(serde_json::from_str("{\"allow\":null,\"deny\":1}")?)),
    ("no descriptors or memory left", || Err(ErrorKind::OutOfMemory.into())),
];

/// The answer of a live agent is passed on as it is; the file does not count.
#[test]
fn a_live_agents_answer_is_final() {
    let broken = OnDisk::Fails(ErrorKind::PermissionDenied);
    for (answer, verdict) in [
        (Says(|| Ok(LoginAnswer::NotGated)), Verdict::NotGated),
        (Says(|| Ok(LoginAnswer::Allow)), Verdict::Allowed),
        (Says(|| Ok(LoginAnswer::Deny { message: "no".into() })), Verdict::Denied("no".into())),
    ] {
        for login in [by("alice", "sshd", None), by("root", "login", Some("tty1"))] {
            assert_eq!(decide(&login, &answer, &broken, &People::default(), soon()), verdict);
        }
    }
}

#[test]
fn our_own_service_and_the_users_systemd_are_never_gated_nor_asked_about() {
    let all = OnDisk::Entries("jit-sudo ALL\nother ALL\nsystemd-user ALL\n");
    for service in ["jit-sudo", "systemd-user", "other", "OTHER"] {
        let verdict = decide(&by("alice", service, None), &NotAsked, &all, &People::default(), soon());
        assert_eq!(verdict, Verdict::NotGated, "{service}");
    }
}

#[derive(Debug, PartialEq)]
enum Expect {
    Ignore,
    Rescued,
    Closed,
    Unknown,
}

/// Agent silent: those the list names are kept out, all others are not touched, and nobody is ever *allowed*.
#[test]
fn without_the_agent_the_list_decides_and_never_allows() {
    use Expect::{Closed, Ignore, Rescued, Unknown};
    use OnDisk::{Entries, Fails, Holds, Missing};
    let alice = || by("alice", "sshd", None);
    let console = || by("root", "login", Some("/dev/tty1"));
    let cases: [(&str, OnDisk, Login, Expect); 20] = [
        ("no file", Missing, alice(), Ignore),
        ("no file, root", Missing, console(), Ignore),
        ("nobody named", Entries(""), alice(), Ignore),
        ("named", Entries("sshd alice\n"), alice(), Closed),
        ("named for another service", Entries("login alice\n"), alice(), Ignore),
        ("another named", Entries("sshd bob\n"), alice(), Ignore),
        ("by group", Entries("sshd %dba\n"), alice(), Closed),
        ("by ALL", Entries("sshd ALL\n"), by("bob", "sshd", None), Closed),
        ("root is not in ALL", Entries("sshd ALL\n"), by("root", "sshd", None), Ignore),
        ("root written", Entries("sshd root\n"), by("root", "sshd", None), Closed),
        ("root written, on the console", Entries("login root\n"), console(), Rescued),
        ("no such user, named", Entries("sshd eve\n"), by("eve", "sshd", None), Closed),
        ("no such user, ALL", Entries("sshd ALL\n"), by("eve", "sshd", None), Unknown),
        ("no such user, other service", Entries("login ALL\n"), by("eve", "sshd", None), Ignore),
        ("look-up of the user fails", Entries("sshd %web\n"), by("slow", "sshd", None), Closed),
        ("look-up of the group fails", Entries("sshd %slow\n"), alice(), Closed),
        ("file unreadable", Fails(ErrorKind::PermissionDenied), alice(), Closed),
        ("file unreadable, root on the console", Fails(ErrorKind::PermissionDenied), console(), Rescued),
        ("file foreign, root by ssh", Fails(ErrorKind::InvalidData), by("root", "sshd", None), Closed),
        ("file garbled", Holds(b"\xff\0"), alice(), Closed),
    ];
    for (silence, agent) in SILENT {
        for (case, file, login, expect) in &cases {
            let verdict = decide(login, &Says(agent), file, &People::default(), soon());
            let got = match verdict {
                Verdict::NotGated => Ignore,
                Verdict::Rescued(_) => Rescued,
                Verdict::Unavailable(_) => Closed,
                Verdict::UnknownUser => Unknown,
                Verdict::Allowed | Verdict::Denied(_) => panic!("{silence}, {case}: {verdict:?}"),
            };
            assert_eq!(got, *expect, "{silence}, {case}");
        }
    }
}
