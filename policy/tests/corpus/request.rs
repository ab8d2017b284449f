//! `requests.toml`: what is asked of a case's policy.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use jit_policy::{
    Account, Asked, Command, Directory, EDIT, Explanation, Group, LookupFailed, Policy, Request, Resolved,
    Sha256, Target, parse_duration,
};
use serde::Deserialize;

use super::host::{FILE, Host, USERS};

/// One request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    user: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default = "web_1")]
    host: String,
    #[serde(default)]
    tags: Vec<String>,
    /// `-u`
    target: Option<String>,
    /// `-g`
    group: Option<String>,
    /// Its first word is an absolute path, or `sudoedit`.
    command: Vec<String>,
    /// Where the program's name leads.
    leads_to: Option<String>,
    /// Where arguments lead.
    #[serde(default)]
    links: BTreeMap<String, String>,
    /// What the invoking user can write: a folder, or a program.
    writable: Option<String>,
    /// What is in the program; empty: it can't be told.
    sha256: Option<String>,
    /// By the host's clock.
    #[serde(default = "noon")]
    time: String,
    #[serde(default)]
    nested: bool,
    /// `-D`
    cwd: Option<String>,
    /// `-T`
    timeout: Option<String>,
    /// `--for`
    r#for: Option<String>,
    /// `VAR=value`
    #[serde(default)]
    set: Vec<String>,
    /// `--rule`
    rule: Option<String>,
}

fn web_1() -> String {
    "web-1.example.com".to_owned()
}

/// A Monday.
fn noon() -> String {
    "2026-06-01T12:00:00+02:00".to_owned()
}

#[derive(Deserialize)]
struct File {
    request: Vec<Ask>,
}

/// The requests of a case.
pub(crate) fn of(case: &Path) -> Vec<Ask> {
    let text = fs::read_to_string(case.join("requests.toml")).unwrap();
    toml::from_str::<File>(&text).unwrap_or_else(|error| panic!("{}: {error}", case.display())).request
}

/// A number for each group that is named.
struct Groups<'a>(&'a Ask);

impl Groups<'_> {
    fn named(&self) -> impl Iterator<Item = &String> {
        self.0.groups.iter().chain(&self.0.group)
    }

    fn gid(&self, group: &str) -> Option<u32> {
        self.named().position(|one| one == group).and_then(|at| u32::try_from(5000 + at).ok())
    }
}

impl Directory for Groups<'_> {
    fn gid_of(&self, group: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(self.gid(group))
    }

    fn uid_of(&self, user: &str) -> Result<Option<u32>, LookupFailed> {
        Host.uid_of(user)
    }
}

impl Ask {
    /// As somebody types it.
    pub(crate) fn title(&self) -> String {
        let mut words = vec!["jit-sudo".to_owned()];
        for (option, value) in
            [("-u", &self.target), ("-g", &self.group), ("-D", &self.cwd), ("-T", &self.timeout)]
                .into_iter()
                .chain([("--for", &self.r#for), ("--rule", &self.rule)])
        {
            words.extend(value.iter().map(|value| format!("{option} {value}")));
        }
        words.extend(self.set.iter().chain(&self.command).map(|word| {
            if word.is_empty() || word.contains([' ', '*', ';']) { format!("'{word}'") } else { word.clone() }
        }));
        let mut notes: Vec<String> = Vec::new();
        notes.extend((self.time != noon()).then(|| self.time.clone()));
        notes.extend((!self.groups.is_empty()).then(|| format!("in {}", self.groups.join(", "))));
        notes.extend((!self.tags.is_empty()).then(|| format!("on a host tagged {}", self.tags.join(", "))));
        notes.extend(self.leads_to.iter().map(|file| format!("which leads to {file}")));
        notes.extend(self.writable.iter().map(|path| format!("others can write {path}")));
        notes.extend(self.sha256.iter().map(|digest| match digest.get(..8) {
            Some(start) => format!("SHA-256 {start}…"),
            None => "it can't be read".to_owned(),
        }));
        notes.extend(self.nested.then(|| "inside a session".to_owned()));
        let notes = if notes.is_empty() { String::new() } else { format!("  # {}", notes.join("; ")) };
        format!(
            "{}@{}$ {}{notes}",
            self.user,
            self.host.split('.').next().unwrap_or_default(),
            words.join(" ")
        )
    }

    /// Why the policy says what it says.
    pub(crate) fn explain(&self, policy: &Policy) -> Explanation {
        let names = Groups(self);
        let user = account(&self.user, self.groups.iter().filter_map(|group| names.gid(group)).collect());
        let target = match (&self.target, &self.group) {
            (Some(target), _) if *target != self.user => account(target, Vec::new()),
            (None, None) => account("root", Vec::new()),
            _ => user.clone(),
        };
        let group = self
            .group
            .as_ref()
            .map(|group| Group { gid: names.gid(group).unwrap_or_default(), name: group.clone() });
        let (path, args) = self.command.split_first().unwrap();
        let args: Vec<Vec<u8>> = args.iter().map(|word| word.as_bytes().to_vec()).collect();
        let edits = path == EDIT;
        let is_writable =
            |path: &str| self.writable.as_ref().is_some_and(|folder| path.starts_with(folder.as_str()));
        let under = |argument: &[u8]| {
            let argument = str::from_utf8(argument).ok()?;
            let path = self.links.get(argument).map_or(argument, String::as_str);
            Some(Resolved { path: path.as_bytes().to_vec(), writable: is_writable(path) })
        };
        let sha256 = || match self.sha256.as_deref() {
            None => Ok(FILE),
            Some("") => Err("it cannot be read".to_owned()),
            Some(digest) => Ok(Sha256::parse(digest).unwrap()),
        };
        let leads_to = self.leads_to.as_ref().unwrap_or(path);
        let assignments: Vec<Vec<u8>> =
            self.set.iter().filter_map(|set| set.split_once('=')).map(|(name, _)| name.into()).collect();
        let time = |text: &String| -> Duration { parse_duration(text).unwrap() };
        let request = Request {
            user: &user,
            host: jit_policy::Host { name: &self.host, tags: &self.tags },
            target: Target { account: &target, group: group.as_ref() },
            command: Command {
                path: path.as_bytes(),
                leads_to: Some(leads_to.as_bytes()).filter(|_| !edits),
                args: &args,
                edits,
                trusted: !is_writable(path),
                under: &under,
                sha256: &sha256,
            },
            nested: self.nested,
            now: self.time.parse().unwrap(),
            zones: &Host,
            login: &jit_policy::LoginSession::default(),
            asked: Asked {
                cwd: self.cwd.as_ref().map(String::as_bytes),
                timeout: self.timeout.as_ref().map(time),
                duration: self.r#for.as_ref().map(time),
                assignments: &assignments,
                rule: self.rule.as_deref(),
                ..Asked::default()
            },
        };
        policy.explain(&request, &names).unwrap()
    }
}

fn account(name: &str, groups: Vec<u32>) -> Account {
    let known = USERS.iter().find(|(user, _, _)| *user == name);
    let uid = known.unwrap_or_else(|| panic!("the host has no user {name}")).1;
    Account { uid, gid: uid, names: vec![name.to_owned()], groups }
}
