//! A small world: alice and her groups, requests built from defaults, decisions as one line.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::{
    Account, AsWritten, Asked, Command, Decision, Diagnostics, Directory, Group, Host, LookupFailed, Policy,
    Request, Resolved, Sha256, Source, Target, Why, Zones,
};

/// Loads one file, `10-test.toml`; `schema = 1` is written for it.
pub(crate) fn load(text: &str) -> Result<Policy, Diagnostics> {
    Policy::load(&[file("10-test.toml", text)], &AsWritten)
}

/// Loads a text that is a whole file.
pub(crate) fn load_whole(text: &str) -> Result<Policy, Diagnostics> {
    let source = Source { text: text.into(), ..file("10-test.toml", "") };
    Policy::load(&[source], &AsWritten)
}

/// A policy that has no mistake.
pub(crate) fn policy(text: &str) -> Policy {
    load(text).unwrap_or_else(|found| panic!("{found}"))
}

pub(crate) fn file(name: &str, text: &str) -> Source {
    Source {
        name: name.into(),
        path: format!("/etc/jit-sudo/policy.d/{name}"),
        text: format!("schema = 1\n{text}"),
    }
}

pub(crate) fn account(uid: u32, gid: u32, names: &[&str], groups: &[u32]) -> Account {
    Account {
        uid,
        gid,
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        groups: groups.to_vec(),
    }
}

/// Groups by name; those in `broken` can't be looked up.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    pub(crate) gids: BTreeMap<String, u32>,
    pub(crate) broken: BTreeSet<String>,
}

impl Directory for Groups {
    fn gid_of(&self, group: &str) -> Result<Option<u32>, LookupFailed> {
        if self.broken.contains(group) {
            return Err(LookupFailed { what: format!("group \"{group}\""), why: "no answer".into() });
        }
        Ok(self.gids.get(group).copied())
    }

    fn uid_of(&self, _user: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(None)
    }
}

/// Zones, by their rules: `Europe/Berlin` and a few others; the host is in Berlin.
#[derive(Debug)]
pub(crate) struct Walls {
    /// Its name; an unknown one can't be told.
    pub(crate) local: &'static str,
}

impl Default for Walls {
    fn default() -> Self {
        Self { local: "Europe/Berlin" }
    }
}

impl Zones for Walls {
    fn zone(&self, name: &str) -> Option<TimeZone> {
        let rules = match name {
            "Europe/Berlin" => "CET-1CEST,M3.5.0,M10.5.0/3",
            "America/New_York" => "EST5EDT,M3.2.0,M11.1.0",
            // Half an hour of summer time.
            "Australia/Lord_Howe" => "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
            "Asia/Kathmandu" => "<+0545>-5:45",
            // Its clocks were changed at midnight.
            "America/Havana" => "CST5CDT,M3.2.0/0,M11.1.0/1",
            "UTC" => "UTC0",
            _ => return None,
        };
        Some(TimeZone::posix(rules).unwrap())
    }

    fn local(&self) -> Option<TimeZone> {
        self.zone(self.local)
    }
}

/// A request, and the world it is made in. The default: alice (1000; web = 33, docker = 990), as root, on
/// web-1.example.com, `/usr/bin/id` without arguments.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) user: Account,
    pub(crate) target: Account,
    pub(crate) group: Option<Group>,
    pub(crate) host: String,
    pub(crate) tags: Vec<String>,
    pub(crate) path: Vec<u8>,
    pub(crate) leads_to: Option<Vec<u8>>,
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) trusted: bool,
    pub(crate) nested: bool,
    pub(crate) now: jiff::Timestamp,
    pub(crate) zones: Walls,
    pub(crate) login: crate::LoginSession,
    pub(crate) resolved: BTreeMap<Vec<u8>, Resolved>,
    /// The digest of the file; none can't be told.
    pub(crate) sha256: Option<Sha256>,
    /// How often it was asked for.
    pub(crate) hashed: Cell<usize>,
    pub(crate) cwd: Option<Vec<u8>>,
    pub(crate) cwd_is_callers: bool,
    pub(crate) preserve_groups: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) duration: Option<Duration>,
    pub(crate) assignments: Vec<Vec<u8>>,
    pub(crate) rule: Option<String>,
    pub(crate) directory: Groups,
}

impl Default for Ask {
    fn default() -> Self {
        let gids = [("root", 0), ("web", 33), ("docker", 990), ("alice", 1000), ("leads", 2000)];
        Self {
            user: account(1000, 1000, &["alice"], &[1000, 33]),
            target: account(0, 0, &["root"], &[0]),
            group: None,
            host: "web-1.example.com".into(),
            tags: vec!["frontend".into()],
            path: b"/usr/bin/id".to_vec(),
            leads_to: None,
            args: Vec::new(),
            trusted: true,
            nested: false,
            now: "2026-06-01T12:00:00Z".parse().unwrap(),
            zones: Walls::default(),
            login: crate::LoginSession::default(),
            resolved: BTreeMap::new(),
            sha256: None,
            hashed: Cell::new(0),
            cwd: None,
            cwd_is_callers: false,
            preserve_groups: false,
            timeout: None,
            duration: None,
            assignments: Vec::new(),
            rule: None,
            directory: Groups {
                gids: gids.map(|(name, gid)| (name.to_owned(), gid)).into(),
                ..Groups::default()
            },
        }
    }
}

impl Ask {
    /// Asks for a command, its words separated by blanks.
    pub(crate) fn to_run(command: &str) -> Self {
        let mut words = command.split(' ').map(|word| word.as_bytes().to_vec());
        Self { path: words.next().unwrap(), args: words.collect(), ..Self::default() }
    }

    pub(crate) fn with<T>(&self, ask: impl FnOnce(&Request<'_>) -> T) -> T {
        let under = |argument: &[u8]| self.resolved.get(argument).cloned();
        let sha256 = || {
            self.hashed.set(self.hashed.get() + 1);
            self.sha256.ok_or_else(|| "nobody knows it".to_owned())
        };
        let request = Request {
            user: &self.user,
            host: Host { name: &self.host, tags: &self.tags },
            target: Target { account: &self.target, group: self.group.as_ref() },
            command: Command {
                path: &self.path,
                leads_to: self.leads_to.as_deref(),
                args: &self.args,
                edits: self.path == crate::EDIT.as_bytes(),
                trusted: self.trusted,
                under: &under,
                sha256: &sha256,
            },
            nested: self.nested,
            now: self.now,
            zones: &self.zones,
            login: &self.login,
            asked: Asked {
                cwd: self.cwd.as_deref(),
                cwd_is_callers: self.cwd_is_callers,
                preserve_groups: self.preserve_groups,
                timeout: self.timeout,
                duration: self.duration,
                assignments: &self.assignments,
                rule: self.rule.as_deref(),
                non_interactive: false,
            },
        };
        ask(&request)
    }

    /// The decision as one line: `permit a, b`, `deny: …`.
    pub(crate) fn decide(&self, policy: &Policy) -> String {
        self.with(|request| match policy.evaluate(request, &self.directory) {
            Ok(decision) => line(&decision),
            Err(failed) => failed.to_string(),
        })
    }

    pub(crate) fn is_permitted(&self, policy: &Policy) -> bool {
        self.decide(policy).starts_with("permit")
    }
}

fn line(decision: &Decision<'_>) -> String {
    let ids =
        |rules: &[&crate::Rule]| rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>().join(", ");
    match decision {
        Decision::Permit(candidates) => {
            format!("permit {}", ids(&candidates.iter().map(|candidate| candidate.rule).collect::<Vec<_>>()))
        }
        Decision::Deny(denial) => {
            let why = match &denial.why {
                Why::InvalidId => "invalid id".to_owned(),
                Why::DeniedBy(rule) => format!("by {}", rule.id),
                Why::RuleDoesNotPermit => "not that rule".to_owned(),
                Why::OtherFile(rules, Ok(_)) => format!("another file for {}", ids(rules)),
                Why::OtherFile(rules, Err(_)) => format!("unknown file for {}", ids(rules)),
                Why::UntrustedPath(rules) => format!("untrusted path for {}", ids(rules)),
                Why::Options(rules) => format!("options for {}", ids(rules)),
                Why::Login(rules) => format!("not in this login session for {}", ids(rules)),
                Why::Time(rules) => format!("not at this time for {}", ids(rules)),
                Why::NoRuleMatches => "no rule matches".to_owned(),
            };
            format!("deny: {why}{}", if denial.has_rules { "" } else { " (has none)" })
        }
    }
}

/// A rule for everyone, on everything, with these keys instead or added.
pub(crate) fn allow(keys: &str) -> Policy {
    let mut text = "[[rule]]\nid = \"r\"\n".to_owned();
    for (key, value) in [("users", "[\"ALL\"]"), ("commands", "[\"ALL\"]"), ("run_as", "[\"ALL\"]")] {
        if !keys.lines().any(|line| line.starts_with(&format!("{key} ="))) {
            let _ = writeln!(text, "{key} = {value}");
        }
    }
    policy(&(text + keys))
}

/// Everything is allowed; a deny with these keys, for everyone, on everything else.
pub(crate) fn deny(keys: &str) -> Policy {
    let mut text = "[[rule]]\nid = \"all\"\nusers = [\"ALL\"]\nrun_as = [\"ALL\"]\nrun_as_groups = [\"ALL\"]\ncommands = [\"ALL\"]\n[[rule]]\nid = \"d\"\neffect = \"deny\"\n".to_owned();
    for (key, value) in [("users", "[\"ALL\"]"), ("commands", "[\"ALL\"]")] {
        if !keys.lines().any(|line| line.starts_with(&format!("{key} ="))) {
            let _ = writeln!(text, "{key} = {value}");
        }
    }
    policy(&(text + keys))
}

pub(crate) fn asked(change: impl FnOnce(&mut Ask)) -> Ask {
    let mut ask = Ask::default();
    change(&mut ask);
    ask
}
