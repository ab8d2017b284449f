//! The command's environment: built from nothing. A variable is in it because we set it, because the rule keeps it, or
//! because the person asked for it and it is on sudo's lists; never because nobody thought of forbidding it.

mod names;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use jit_policy::{Restrict, is_dangerous_variable};
use jit_protocol::order::Account;
use jit_protocol::request::{Elevate, Shell};
use jit_protocol::{Bytes, escape};

use crate::refusal::Refusal;

/// Longest list of arguments in `SUDO_COMMAND`, in bytes: sudo's own limit.
const ARGUMENTS: usize = 4096;

/// What is known of the elevation, all of it from the kernel, the directory and the decision.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The invoking user.
    pub invoking: &'a Account,
    /// The target user.
    pub target: &'a Account,
    /// The program's path.
    pub path: &'a [u8],
    /// Its arguments, without `argv[0]`.
    pub arguments: &'a [Vec<u8>],
    /// The shell that was asked for as such, by its path as it runs.
    pub shell: Option<(Shell, &'a Bytes)>,
    /// Terminal of the invoking user: `pts/0`.
    pub tty: Option<&'a str>,
}

/// The environment that the command gets, by name; PAM's modules and the grant's id are added by the monitor.
///
/// | from | which |
/// |---|---|
/// | the target's account | `HOME LOGNAME MAIL SHELL USER`; of a shell that is asked for with `-s`, `SHELL` is that one |
/// | the invoking user | `SUDO_COMMAND SUDO_GID SUDO_HOME SUDO_TTY SUDO_UID SUDO_USER` |
/// | the rule | `PATH` is its `secure_path`; what `env_set` sets, over everything |
/// | the request | `TERM`, else `unknown`; `SUDO_PS1` as `PS1`, where a shell is at one's disposal; what `env_keep` names; with `-E` or `--preserve-env=LIST` what is on sudo's lists; `VAR=value` |
///
/// A pattern in `env_keep` that has a `*` keeps nothing that makes programs load or run something: such a variable must
/// be named. `command_is_all`: the rule permits any command, thus `env VAR=value command` as well, so that variables
/// which the person names one by one need not be in `env_keep`, unless they are of that kind.
///
/// # Errors
/// If a name stands twice or can't be one, or a `VAR=value` is not allowed.
pub fn build(
    request: &Elevate,
    restrict: &Restrict,
    command_is_all: bool,
    origin: &Origin<'_>,
) -> Result<Vec<(Bytes, Bytes)>, Refusal> {
    check_names(request)?;
    let named: BTreeSet<&[u8]> = request.preserve_names.iter().map(Bytes::as_slice).collect();
    let allowed = Allowed { restrict, command_is_all, named: &named };
    let mut environment: BTreeMap<Vec<u8>, Bytes> = BTreeMap::new();
    let mut set = |name: &str, value: Bytes| environment.insert(name.into(), value);
    let targets = [
        ("HOME", origin.target.home.clone()),
        ("LOGNAME", origin.target.name.as_str().into()),
        ("MAIL", format!("/var/mail/{}", origin.target.name).into()),
        ("SHELL", origin.shell.map_or_else(|| shell_of(origin.target), |(_, path)| path.clone())),
        ("USER", origin.target.name.as_str().into()),
    ];
    for (name, value) in targets.clone() {
        set(name, value);
    }
    set("TERM", "unknown".into());
    if let Some(prompt) =
        allowed.prompt_of_shells(request, origin.shell.is_some() && origin.arguments.is_empty())
    {
        set("PS1", prompt);
    }
    for (name, value) in &request.environment {
        if allowed.keeps(name.as_slice(), value.as_slice()) {
            environment.insert(name.0.clone(), value.clone());
        }
    }
    if matches!(origin.shell, Some((Shell::Login, _))) {
        // As at a login, whatever the rule keeps.
        environment.extend(targets.map(|(name, value)| (name.into(), value)));
    }
    let mut refused = Vec::new();
    for (name, value) in &request.assignments {
        if allowed.assigns(name.as_slice(), value.as_slice()) {
            environment.insert(name.0.clone(), value.clone());
        } else {
            refused.push(escape(name.as_slice()));
        }
    }
    if !refused.is_empty() {
        let what = "sorry, you are not allowed to set the following environment variables: ";
        let hint = "ask an administrator to add them to `env_keep` of the rule";
        return Err(Refusal::new(what.to_owned() + &refused.join(", "), hint));
    }
    let mut set = |name: &str, value: Bytes| environment.insert(name.into(), value);
    set("PATH", restrict.secure_path.as_str().into());
    set("SUDO_COMMAND", command(origin));
    set("SUDO_GID", origin.invoking.gid.to_string().into());
    set("SUDO_HOME", origin.invoking.home.clone());
    set("SUDO_UID", origin.invoking.uid.to_string().into());
    set("SUDO_USER", origin.invoking.name.as_str().into());
    if let Some(tty) = origin.tty {
        set("SUDO_TTY", format!("/dev/{tty}").into());
    }
    for (name, value) in &restrict.env_set {
        set(name, value.as_str().into());
    }
    Ok(environment.into_iter().map(|(name, value)| (Bytes(name), value)).collect())
}

/// The variables that the person asked for, as far as policy allows: those that stay by a rule's word or by name, not those
/// that everyone has (sudo's lists), and each `VAR=value`; and the prompt, for what shells run in that. By name.
/// `bare_shell`: a shell without a command was asked for.
pub fn asked_for(
    request: &Elevate,
    restrict: &Restrict,
    command_is_all: bool,
    bare_shell: bool,
) -> Vec<(Bytes, Bytes)> {
    let named: BTreeSet<&[u8]> = request.preserve_names.iter().map(Bytes::as_slice).collect();
    let allowed = Allowed { restrict, command_is_all, named: &named };
    let kept = request.environment.iter().filter(|(name, value)| {
        !names::is_on_sudos_lists(name.as_slice()) && allowed.keeps(name.as_slice(), value.as_slice())
    });
    let prompt = allowed.prompt_of_shells(request, bare_shell).map(|prompt| (Bytes::from("PS1"), prompt));
    let asked: BTreeMap<Bytes, Bytes> =
        prompt.into_iter().chain(kept.chain(&request.assignments).cloned()).collect();
    asked.into_iter().collect()
}

/// Whether a variable stays without a rule's word: it is on sudo's keep and check lists.
pub fn is_kept_by_default(name: &[u8]) -> bool {
    names::is_on_sudos_lists(name)
}

/// What the rule allows.
#[derive(Clone, Copy)]
struct Allowed<'a> {
    restrict: &'a Restrict,
    command_is_all: bool,
    /// `--preserve-env=LIST`: as long as the person likes.
    named: &'a BTreeSet<&'a [u8]>,
}

impl Allowed<'_> {
    /// Whether a variable of the invoking user stays.
    fn keeps(self, name: &[u8], value: &[u8]) -> bool {
        let by_name = || self.named.contains(name) && self.by_name(name);
        let wanted = names::is_on_sudos_lists(name) || self.by_rule(name) || by_name();
        wanted && names::is_sane(name) && !names::is_ours(name) && values::is_sane(name, value)
    }

    /// Whether `VAR=value` may be set.
    fn assigns(self, name: &[u8], value: &[u8]) -> bool {
        let allowed = names::is_on_sudos_lists(name) || self.by_rule(name) || self.by_name(name);
        allowed && names::is_sane(name) && !names::is_ours(name) && values::is_sane(name, value)
    }

    /// `SUDO_PS1`, which becomes `PS1`: a shell runs what stands in it in `$(…)`. So only for those who can type that into
    /// their shell as well.
    fn prompt_of_shells(self, request: &Elevate, bare_shell: bool) -> Option<Bytes> {
        let is_free = self.command_is_all || bare_shell;
        let (name, value) = request.environment.iter().find(|(name, _)| name.as_slice() == b"SUDO_PS1")?;
        (is_free && values::is_sane(name.as_slice(), value.as_slice())).then(|| value.clone())
    }

    /// By `env_keep`.
    fn by_rule(self, name: &[u8]) -> bool {
        names::is_sane(name) && self.restrict.keeps(name)
    }

    /// Because any command is permitted, and the person gave the name.
    fn by_name(self, name: &[u8]) -> bool {
        self.command_is_all && names::is_sane(name) && !is_dangerous_variable(name)
    }
}

/// A name that stands twice has no meaning: one part would see the first, another the last (CVE-2010-1646).
fn check_names(request: &Elevate) -> Result<(), Refusal> {
    for (list, whose) in
        [(&request.environment, "in your environment"), (&request.assignments, "on the command line")]
    {
        let mut seen = BTreeSet::new();
        for (name, value) in list {
            let shown = escape(name.as_slice());
            if name.0.is_empty()
                || name.0.iter().chain(&value.0).any(|byte| *byte == 0)
                || name.0.contains(&b'=')
            {
                return Err(Refusal::protocol(format!("\"{shown}\" cannot be the name of a variable")));
            }
            if !seen.insert(name) {
                let what = format!("the variable \"{shown}\" stands twice {whose}");
                return Err(Refusal::new(what, "give it once"));
            }
        }
    }
    Ok(())
}

/// The account's shell; one that names none has this (passwd(5)).
pub fn shell_of(account: &Account) -> Bytes {
    if account.shell.as_slice().is_empty() { "/bin/sh".into() } else { account.shell.clone() }
}

/// Path and arguments, joined by blanks.
fn command(origin: &Origin<'_>) -> Bytes {
    let mut arguments = origin.arguments.join(&b' ');
    arguments.truncate(ARGUMENTS);
    let mut command = origin.path.to_vec();
    if !arguments.is_empty() {
        command.push(b' ');
        command.append(&mut arguments);
    }
    Bytes(command)
}

#[cfg(test)]
mod tests;
