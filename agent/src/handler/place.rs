//! Which file a command means, and what policy is asked about it; and what a person may know of a file that is not there.

use std::os::fd::AsFd;
use std::time::Duration;

use jit_policy::{Decision, Denial, Resolved, Sha256, Why};
use jit_protocol::Bytes;
use jit_protocol::request::Elevate;
use jit_sys::path::{Found, PathError, exists, resolve};

use super::edit;
use super::people::People;
use super::plan::Question;
use super::wanted::Wanted;
use crate::agent::Agent;
use crate::environment;
use crate::policy::Loaded;
use crate::refusal::Refusal;
use crate::translate::{self, Files, Subject};
use crate::zones::HostZones;

/// The files that the name may mean, each with the `secure_path` that leads there.
pub(super) fn places(
    agent: &Agent,
    loaded: &Loaded,
    question: &Question,
    people: &People,
    wanted: &Wanted,
) -> Result<Vec<(Found, Option<String>)>, Refusal> {
    let name = &wanted.name;
    if wanted.edits {
        return Ok(vec![(edit::program(agent, question)?, None)]);
    }
    if let Some(path) = &wanted.path {
        if base(path) != base(name) {
            // argv[0] chooses what a program with many names does: as `lvs`, lvm must not be told that it is `lvremove`.
            return Err(Refusal::protocol("the command's name is not that of its path"));
        }
        // Whether there is a file is told only to those who may run it: to others it is one answer.
        return match resolve(question.root.as_fd(), path.as_slice()) {
            Ok(found) if found.is_executable() && is_open_to(people, &found) => Ok(vec![(found, None)]),
            Ok(_) | Err(PathError::NotFound) => {
                Err(nothing_there(agent, loaded, question, people, wanted, path))
            }
            Err(error) => {
                Err(nothing_there(agent, loaded, question, people, wanted, path).because(error.to_string()))
            }
        };
    }
    if name.as_slice().is_empty() || name.as_slice().contains(&b'/') {
        return Err(Refusal::protocol("a command without its path"));
    }
    let now = question.now.timestamp();
    let rules = loaded
        .policy
        .eligible(&people.user, agent.policy_host(&question.host), now, &*agent.directory)
        .map_err(|error| Refusal::failure(error.to_string()))?;
    let mut paths: Vec<&str> = rules.iter().map(|rule| rule.restrict.secure_path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut found = Vec::new();
    for path in paths {
        found.extend(search(question, path, name)?.map(|file| (file, Some(path.to_owned()))));
    }
    if found.is_empty() { Err(not_found(name)) } else { Ok(found) }
}

/// The first executable of this name. A folder that cannot be read is no reason to take a program further on: another
/// one than the person means.
fn search(question: &Question, secure_path: &str, name: &Bytes) -> Result<Option<Found>, Refusal> {
    for folder in secure_path.split(':').filter(|folder| folder.starts_with('/')) {
        let mut path = folder.as_bytes().to_vec();
        path.push(b'/');
        path.extend_from_slice(name.as_slice());
        if !exists(question.root.as_fd(), &path) {
            continue;
        }
        match resolve(question.root.as_fd(), &path) {
            Ok(found) if found.is_executable() => return Ok(Some(found)),
            Ok(_) | Err(PathError::NotFound | PathError::Invalid) => {}
            Err(error) => return Err(Refusal::failure(format!("{folder}: {error}"))),
        }
    }
    Ok(None)
}

/// What was typed, without its folder.
pub(super) fn base(path: &Bytes) -> Option<&[u8]> {
    path.as_slice().rsplit(|byte| *byte == b'/').next()
}

/// A path that leads to nothing that can run: "not found" for those whom policy lets run anything there.
fn nothing_there(
    agent: &Agent,
    loaded: &Loaded,
    question: &Question,
    people: &People,
    wanted: &Wanted,
    path: &Bytes,
) -> Refusal {
    let subject = absent(question, people, wanted, path);
    let under = |path: &[u8]| resolve_under(question, people, path);
    let tags = &agent.settings.host.tags;
    let now = question.now.timestamp();
    let files = Files { under: &under, sha256: &no_file };
    match subject.decide(&loaded.policy, tags, &*agent.directory, now, &HostZones, files) {
        Ok(Decision::Permit(_) | Decision::Deny(Denial { has_rules: true, why: Why::OtherFile(..) })) => {
            not_found(path)
        }
        Ok(Decision::Deny(denial)) => denial_refusal(&denial),
        Err(error) => Refusal::failure(error.to_string()),
    }
}

/// The digest of a file that is not there.
pub(super) fn no_file() -> Result<Sha256, String> {
    Err("there is no such file".to_owned())
}

/// As if there were a file, and no links on the way.
pub(super) fn absent(question: &Question, people: &People, wanted: &Wanted, path: &Bytes) -> Subject {
    let path = without_dots(path.as_slice());
    Subject {
        path: path.clone(),
        leads_to: Some(path),
        trusted: true,
        ..subject_of(question, people, wanted)
    }
}

/// The same path as text, without `.` and `..`.
pub(super) fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    [b"/", parts.join(&b'/').as_slice()].concat()
}

/// Whether the invoking user may know that there is such a way.
fn is_open_to(people: &People, found: &Found) -> bool {
    found.is_open_to(people.invoking.uid, &people.invoking.groups)
}

pub(super) fn not_found(name: &Bytes) -> Refusal {
    Refusal::new(format!("{}: command not found", jit_protocol::escape(name.as_slice())), "")
}

/// What a denial tells: nothing to a person without any rule.
pub fn denial_refusal(denial: &Denial<'_>) -> Refusal {
    if !denial.has_rules {
        return Refusal::without_rule();
    }
    let explain = "jit-sudo --explain COMMAND tells why";
    match &denial.why {
        Why::DeniedBy(rule) => Refusal::new(format!("denied by the rule {}", rule.id), explain)
            .because(format!("deny rule {}", rule.id)),
        Why::RuleDoesNotPermit => Refusal::new("the rule that was asked for does not permit this", explain),
        Why::OtherFile(rules, digest) => {
            let rules: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
            let rules = rules.join(", ");
            match digest {
                Ok(digest) => Refusal::new("the file is not one that policy pins", explain)
                    .because(format!("its SHA-256 is {digest}, which is not pinned by {rules}")),
                Err(why) => Refusal::new(format!("the SHA-256 of the file cannot be told: {why}"), explain)
                    .because(format!("its SHA-256, by which {rules} would permit it, cannot be told: {why}")),
            }
        }
        Why::UntrustedPath(_) => Refusal::new(
            "others than root can change this command or its folders",
            "use a command that only root can change",
        ),
        Why::Options(_) => Refusal::new("no rule lets you run this with these options", explain),
        Why::Login(_) => Refusal::new("no rule lets you run this in this login session", explain),
        Why::Time(_) => Refusal::new("no rule lets you run this at this time", explain),
        Why::InvalidId | Why::NoRuleMatches => Refusal::not_permitted(explain),
    }
}

fn subject_of(question: &Question, people: &People, wanted: &Wanted) -> Subject {
    let asked = &question.asked;
    Subject {
        user: people.user.clone(),
        target: people.run_as.clone(),
        group: people.group.clone().map(translate::policy_group),
        host: question.host.clone(),
        path: Vec::new(),
        leads_to: None,
        trusted: false,
        sha256: None,
        arguments: wanted.arguments.clone(),
        edits: wanted.edits,
        nested: question.nested.is_some(),
        cwd: folder(question, people),
        cwd_is_callers: asked.folder.as_ref() == Some(&asked.cwd),
        preserve_groups: asked.preserve_groups,
        timeout: asked.timeout.map(Duration::from_secs),
        duration: asked.duration.map(Duration::from_secs),
        assignments: names_to_set(asked),
        rule: asked.rule.clone(),
        non_interactive: asked.non_interactive,
        login_id: question.login.id.clone(),
        login: question.login.facts.clone(),
    }
}

/// `-D`: where it leads, if it leads to a folder; else what was asked for, so that nobody learns which of the two it is
/// but from the monitor, who cannot enter it.
fn folder(question: &Question, people: &People) -> Option<Vec<u8>> {
    let asked = question.asked.folder.as_ref()?;
    if *asked == question.asked.cwd {
        return Some(asked.0.clone()); // the kernel's own words
    }
    let found = resolve(question.root.as_fd(), asked.as_slice()).ok();
    let found = found.filter(|found| found.is_folder() && is_open_to(people, found));
    Some(found.map_or_else(|| asked.0.clone(), |found| found.leads_to))
}

/// Names of `VAR=value` that a rule has to allow: all but those that anyone may set.
fn names_to_set(asked: &Elevate) -> Vec<Vec<u8>> {
    let names = asked.assignments.iter().map(|(name, _)| name.as_slice());
    names.filter(|name| !environment::is_kept_by_default(name)).map(<[u8]>::to_vec).collect()
}

pub(super) fn subject(question: &Question, people: &People, wanted: &Wanted, found: &Found) -> Subject {
    if wanted.edits {
        let path = jit_policy::EDIT.into();
        return Subject { path, trusted: true, ..subject_of(question, people, wanted) };
    }
    Subject {
        path: found.path.clone(),
        leads_to: Some(found.leads_to.clone()),
        trusted: found.is_trusted(),
        ..subject_of(question, people, wanted)
    }
}

pub(super) fn resolve_under(question: &Question, people: &People, path: &[u8]) -> Option<Resolved> {
    let found = resolve(question.root.as_fd(), path).ok().filter(|found| is_open_to(people, found));
    found.map(|found| translate::resolved(&found, question.uid))
}

/// What an argument leads to now, to decide again. One that was resolved already stands for itself if it is gone
/// meanwhile, or if there is no spawner to look through.
pub(super) fn resolver_of_now(agent: &Agent, user: u32) -> impl Fn(&[u8]) -> Option<Resolved> {
    let spawner = agent.spawner.current();
    move |path| {
        let found = spawner.as_ref().and_then(|spawner| resolve(spawner.root.as_fd(), path).ok());
        let itself = || Resolved { path: path.to_vec(), writable: false };
        Some(found.map_or_else(itself, |found| translate::resolved(&found, user)))
    }
}
