//! Policies and requests out of a small world, so that they often meet.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::support::{Ask, Walls, account};
use crate::{Group, Resolved, Sha256};
use crate::{LoginSession, Origin, Remote};

const USERS: [&str; 9] = ["alice", "bob", "#1000", "#0", "%web", "%docker", "%#33", "ALL", "@crew"];
const HOSTS: [&str; 8] =
    ["web-*", "WEB-1.example.com", "{web,db}-1", "db", "tag:frontend", "ALL", "@web", "*-?.example.[a-z]om"];
const RUN_AS: [&str; 7] = ["root", "self", "ALL", "#33", "postgres", "alice", "@services"];
const GROUPS: [&str; 5] = ["web", "docker", "#990", "ALL", "#33"];
const COMMANDS: [&str; 28] = [
    "\"ALL\"",
    "\"/b/x **\"",
    "\"/b/x a **\"",
    "\"/b/{x,y} * **\"",
    "\"/b/* **\"",
    "\"/b/x [ab] '*' **\"",
    "\"/b/x [!a]* **\"",
    "\"/b/y '' **\"",
    "\"/b/y a\\\\ b **\"",
    "\"/b/{x,z} {a,b}? **\"",
    "\"@tools\"",
    "\"/usr/bin/vi **\"",
    "\"/usr/bin/vim.basic **\"",
    "\"/usr/bin/{busybox,sh} **\"",
    "\"/*/bin/* **\"",
    "{ path = \"/b/x\", args = [] }",
    "{ path = \"/b/x\", args = [\"a\", \"**\"] }",
    "{ path = \"/b/?\", args = [{ regex = \"a|b/?.*\" }, \"**\"] }",
    "{ path = \"/b/y\", args = [{ under = \"/srv/r\" }] }",
    "{ path = \"/b/{y,z}\", args = [\"*\", { under = \"/srv/r\" }, \"**\"] }",
    "{ path = \"/b/z\", args = [\"a b\", \"\\\\*\"] }",
    "{ path = \"/c\", args = [\"-*\", { regex = \"[ab]+\" }] }",
    "\"sudoedit /etc/motd /etc/nginx/*.conf\"",
    "\"sudoedit **\"",
    "{ path = \"/b/x\", args = [\"**\"], sha256 = \"0000000000000000000000000000000000000000000000000000000000000001\" }",
    "{ path = \"/b/{x,y}\", args = [\"a\", \"**\"], sha256 = [\"0000000000000000000000000000000000000000000000000000000000000002\", \"0000000000000000000000000000000000000000000000000000000000000001\"] }",
    "{ path = \"/b/*\", args = [\"**\"], sha256 = [\"0000000000000000000000000000000000000000000000000000000000000002\"] }",
    "{ edit = [\"/etc/{hosts,issue}\", { under = \"/srv/r\" }, { regex = \"/etc/m.*\" }] }",
];
const WORDS: [&str; 13] =
    ["a", "b", "", "*", "a b", "a/b", "/srv/r/1", "/srv/link", "/srv/out", "/srv/r/mine", "b/x", "-a", "ab"];
const WINDOWS: [&str; 7] = [
    "Mon..Fri 08:00..18:00",
    "Sat,Sun 00:00..24:00",
    "Fri..Mon 22:00..06:00",
    "Wed 12:00..12:01 Asia/Kathmandu",
    "Sun 02:00..03:00",
    "Mon..Sun 09:00..17:00 America/New_York",
    "Mon..Sun 00:00..24:00 Mars/Olympus",
];
const TIMES: [&str; 7] = [
    "2026-06-01T12:00:00Z",
    "2026-06-01T16:00:00Z",
    "2026-06-05T23:30:00Z",
    "2026-06-06T08:00:00Z",
    "2026-10-25T00:30:00Z",
    "2026-10-25T01:30:00Z",
    "2026-06-03T06:15:00Z",
];

/// What a policy's rules name.
pub(super) const SETS: &str = "[sets.users]\ncrew = [\"%web\", \"carol\", \"#0\"]\nservices = [\"postgres\", \"#33\"]\n[sets.hosts]\nweb = [\"web-1\", \"tag:edge\"]\n[sets.commands]\ntools = [\"/b/x a **\", \"/c **\", { path = \"/b/y\", args = [{ under = \"/srv/r\" }, \"**\"] }, { path = \"/b/x\", args = [\"b\", \"**\"], sha256 = \"0000000000000000000000000000000000000000000000000000000000000001\" }]\n";

fn strings(from: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    subsequence(from.to_vec(), 0..=most).prop_map(|list| format!("{list:?}"))
}

fn commands(least: usize) -> impl Strategy<Value = String> {
    subsequence(COMMANDS.to_vec(), least..=5).prop_map(|list| format!("[{}]", list.join(", ")))
}

/// One of many keys, most of which a rule has not.
fn some(key: &'static str, value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    option::weighted(0.15, value)
        .prop_map(move |value| value.map_or(String::new(), |value| format!("{key} = {value}\n")))
}

fn time() -> impl Strategy<Value = String> {
    select(TIMES.to_vec()).prop_map(str::to_owned)
}

/// What an allow and a deny both say.
fn both() -> impl Strategy<Value = String> {
    let who = (
        subsequence(USERS.to_vec(), 1..6).prop_map(|users| format!("users = {users:?}\n")),
        some("except_users", strings(&USERS[..7], 2)),
        some("hosts", strings(&HOSTS, 3)),
        some("except_hosts", strings(&HOSTS[3..5], 1)),
    );
    let whom = (
        option::weighted(0.7, subsequence(RUN_AS.to_vec(), 1..6))
            .prop_map(|list| list.map_or(String::new(), |list| format!("run_as = {list:?}\n"))),
        some("except_run_as", strings(&RUN_AS[3..5], 2)),
        some("run_as_groups", subsequence(GROUPS.to_vec(), 1..3).prop_map(|list| format!("{list:?}"))),
    );
    let what = (
        commands(2).prop_map(|list| format!("commands = {list}\n")),
        some(
            "except_commands",
            subsequence(COMMANDS[1..].to_vec(), 0..=2).prop_map(|list| format!("[{}]", list.join(", "))),
        ),
        some("nested", any::<bool>().prop_map(|nested| nested.to_string())),
        from_login(),
        some("when.time", subsequence(WINDOWS.to_vec(), 1..4).prop_map(|list| format!("{list:?}"))),
    );
    (who, whom, what)
        .prop_map(|((a, b, c, d), (e, f, g), (h, i, j, k, l))| [a, b, c, d, e, f, g, h, i, j, k, l].concat())
}

fn from_login() -> impl Strategy<Value = String> {
    let networks = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "2001:db8::/32", "0.0.0.0/0"];
    let list = |from: &[&'static str]| {
        subsequence(from.to_vec(), 1..=from.len()).prop_map(|list| format!("{list:?}"))
    };
    let keys = (
        some("when.origin", list(&["local", "ssh"])),
        some("when.remote", list(&networks)),
        some("when.session", list(&["active", "unlocked"])),
    );
    keys.prop_map(|(origin, remote, session)| [origin, remote, session].concat())
}

fn login() -> impl Strategy<Value = LoginSession> {
    let addresses = ["10.1.2.3", "10.9.9.9", "192.0.2.1", "::ffff:10.1.2.3", "2001:db8::7"];
    let origins = vec![Origin::Local, Origin::Ssh, Origin::Other];
    let known = |value: bool| option::weighted(0.9, proptest::bool::weighted(if value { 0.7 } else { 0.3 }));
    let facts = (
        option::weighted(0.8, select(origins)),
        option::weighted(0.8, option::weighted(0.8, select(addresses.to_vec()))),
        known(true),
        known(true),
    );
    facts.prop_map(|(origin, remote, active, unlocked)| {
        let address = |address: &str| Remote::Address(address.parse().unwrap());
        let remote = remote.map_or(Remote::Unknown, |remote| remote.map_or(Remote::None, address));
        LoginSession { origin, remote, active, unlocked, unknown: "so".into() }
    })
}

/// A rule without its `[[rule]]` and id.
pub(super) fn allow() -> impl Strategy<Value = String> {
    let more = (
        some("trusted_path", any::<bool>().prop_map(|trusted| trusted.to_string())),
        some("not_before", time()),
        some("restrict.allow_cwd", strings(&["/srv", "/home/*", "ALL"], 2)),
        some("restrict.cwd", select(vec!["\"/srv\"", "\"caller\""]).prop_map(str::to_owned)),
        some("restrict.timeout", Just("\"1h\"".to_owned())),
        some("restrict.env_keep", strings(&["LANG", "L*", "*_X"], 2)),
        some("grant.max_duration", Just("\"1h\"".to_owned())),
    );
    (both(), more).prop_map(|(both, (a, b, c, d, e, f, g))| [both, a, b, c, d, e, f, g].concat())
}

/// See [`allow`].
pub(super) fn deny() -> impl Strategy<Value = String> {
    both().prop_map(|both| format!("effect = \"deny\"\n{both}"))
}

/// A rule that serves all options.
pub(super) fn region() -> impl Strategy<Value = String> {
    let trusted = some("trusted_path", any::<bool>().prop_map(|trusted| trusted.to_string()));
    let allow = (both(), trusted, some("not_before", time()))
        .prop_map(|(both, one, other)| [both, one, other].concat());
    prop_oneof![3 => allow, 1 => deny()]
}

/// A request that asks for no option.
pub(super) fn without_options() -> impl Strategy<Value = Ask> {
    ask().prop_map(|ask| Ask {
        cwd: None,
        timeout: None,
        duration: None,
        assignments: Vec::new(),
        rule: None,
        ..ask
    })
}

pub(super) fn rules(most: usize) -> impl Strategy<Value = Vec<String>> {
    vec(prop_oneof![4 => allow(), 1 => deny()], 0..=most)
}

/// The text of one file; ids count from `first`.
pub(super) fn text(rules: &[String], first: usize) -> String {
    let numbered = rules.iter().enumerate();
    let texts = numbered.map(|(number, rule)| format!("[[rule]]\nid = \"r{}\"\n{rule}", first + number));
    texts.collect::<Vec<_>>().concat()
}

/// A digest of zeros and a last byte.
fn ending(last: u8) -> Sha256 {
    let mut bytes = [0; 32];
    bytes[31] = last;
    Sha256::new(bytes)
}

/// A request in that world.
pub(super) fn ask() -> impl Strategy<Value = Ask> {
    let paths = vec!["/b/x", "/b/y", "/b/z", "/c", "/usr/bin/vi", "/usr/bin/sh", "/opt/bin/x"];
    let command = (
        select(paths),
        option::weighted(0.4, select(vec!["/b/x", "/b/y", "/usr/bin/vim.basic", "/usr/bin/busybox"])),
        vec(select(WORDS.to_vec()), 0..4),
        proptest::bool::weighted(0.8),
        option::weighted(0.9, 1..=3_u8),
    );
    let files = vec![
        "/etc/motd",
        "/etc/hosts",
        "/etc/nginx/a.conf",
        "/etc/nginx/x/a.conf",
        "/srv/r/1",
        "/etc/shadow",
    ];
    let edited = option::weighted(0.2, vec(select(files), 1..3));
    let people = (
        select(vec!["alice", "bob", "root"]),
        any::<bool>(),
        select(vec!["root", "root", "alice", "postgres", "www"]),
        option::weighted(0.15, select(vec![33_u32, 990, 7])),
        proptest::bool::weighted(0.1),
    );
    let place = (
        select(vec!["web-1.example.com", "db", "WEB-2"]),
        subsequence(vec!["frontend", "edge"], 0..2),
        proptest::bool::weighted(0.2),
        select(TIMES.to_vec()),
        proptest::bool::weighted(0.1),
    );
    let asked = (
        option::weighted(0.1, select(vec!["/srv", "/home/alice", "/home/a/b"])),
        any::<bool>(),
        option::weighted(0.06, select(vec![60_u64, 3600, 3601])),
        option::weighted(0.06, select(vec![60_u64, 3600, 3601])),
        option::weighted(0.1, select(vec!["LANG", "LD_X", "PATH"])),
        option::weighted(0.05, select(vec!["r0", "r1"])),
    );
    (command, edited, people, place, asked, login()).prop_map(
        |(command, edited, people, place, asked, login)| {
            let who = |name: &str, web: bool| {
                let web = if web { vec![33] } else { vec![] };
                match name {
                    "alice" => account(1000, 1000, &["alice", "ali"], &[vec![1000], web].concat()),
                    "bob" => account(1001, 1001, &["bob"], &[vec![1001, 990], web].concat()),
                    "postgres" => account(70, 70, &["postgres"], &[70, 990]),
                    "www" => account(33, 33, &["www"], &[33]),
                    _ => account(0, 0, &["root"], &[0]),
                }
            };
            let mut ask = Ask {
                path: command.0.into(),
                leads_to: command.1.map(Into::into),
                trusted: command.3,
                sha256: command.4.map(ending),
                ..Ask::default()
            };
            ask.args = command.2.iter().map(|arg| arg.as_bytes().to_vec()).collect();
            if let Some(files) = edited {
                ask = Ask { trusted: ask.trusted, ..Ask::to_run(&format!("sudoedit {}", files.join(" "))) };
            }
            ask.user = who(people.0, people.1);
            ask.target = if people.2 == people.0 { ask.user.clone() } else { who(people.2, false) };
            ask.group = people.3.map(|gid| Group { gid, name: String::new() });
            ask.preserve_groups = people.4;
            ask.host = place.0.into();
            ask.tags = place.1.into_iter().map(str::to_owned).collect();
            (ask.nested, ask.now) = (place.2, place.3.parse().unwrap());
            ask.zones = Walls { local: if place.4 { "" } else { "Europe/Berlin" } };
            ask.login = login;
            ask.cwd = asked.0.map(|folder| folder.as_bytes().to_vec());
            ask.cwd_is_callers = asked.1;
            ask.timeout = asked.2.map(Duration::from_secs);
            ask.duration = asked.3.map(Duration::from_secs);
            ask.assignments = asked.4.iter().map(|name| name.as_bytes().to_vec()).collect();
            ask.rule = asked.5.map(str::to_owned);
            for (from, to, writable) in [
                ("/srv/r/1", "/srv/r/1", false),
                ("/srv/link", "/srv/r/2", false),
                ("/srv/out", "/etc/shadow", false),
                ("/srv/r/mine", "/srv/r/mine", true),
                ("b/x", "/srv/r/b/x", false),
            ] {
                ask.resolved.insert(from.into(), Resolved { path: to.into(), writable });
            }
            ask
        },
    )
}
