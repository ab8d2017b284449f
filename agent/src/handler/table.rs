//! How rules read, for `-l` and `-ll`.

use std::fmt::Write;

use jit_policy::{Cwd, OnExpiry, Policy, Rule, Scope, format_duration};
use jit_protocol::escape;

/// All of these, below a line that names the user and the host.
pub fn table(policy: &Policy, rules: &[&Rule], user: &str, host: &str, detailed: bool) -> String {
    let (user, host) = (escape(user.as_bytes()), escape(host.as_bytes()));
    if rules.is_empty() {
        return format!("{user} may run nothing on {host}\n");
    }
    let mut text = format!("{user} may run on {host}:\n");
    for rule in rules {
        text.push_str(&entry(policy, rule, detailed));
    }
    text
}

/// One rule; writing to a String cannot fail.
pub fn entry(policy: &Policy, rule: &Rule, detailed: bool) -> String {
    let said = policy.text_of(rule);
    let mut text = format!("  {}", rule.id);
    if let Some(description) = &rule.description {
        let _ = write!(text, " ({})", escape(description.as_bytes()));
    }
    let duties = rule.duties();
    let mut duties = if duties.is_empty() { "none".to_owned() } else { duties.join(", ") };
    if let Some(approval) = &rule.require.approval {
        let _ = write!(duties, " by {}", approval.in_words()); // approval is the last one
    }
    let (run_as, time) = (said.run_as.join(", "), format_duration(rule.grant.duration));
    let _ = write!(text, "\n    as {run_as}; duties: {duties}; for {time}\n");
    if detailed {
        for (name, value) in details(rule, &said) {
            let _ = writeln!(text, "    {name}: {value}");
        }
    }
    if !said.when.is_empty() {
        let _ = writeln!(text, "    only {}", said.when.join(", "));
    }
    for command in &said.commands {
        let _ = writeln!(text, "    {command}");
    }
    for command in &said.except_commands {
        let _ = writeln!(text, "    not {command}");
    }
    text
}

/// What else a user may want to know of a rule: nothing about files.
fn details(rule: &Rule, said: &jit_policy::RuleText) -> Vec<(&'static str, String)> {
    let (grant, restrict) = (&rule.grant, &rule.restrict);
    let list = |name, entries: &[String]| (!entries.is_empty()).then(|| (name, entries.join(", ")));
    let scope = match grant.scope {
        None | Some(Scope::Terminal) => "terminal",
        Some(Scope::Session) => "session",
        Some(Scope::User) => "user",
    };
    let at_its_end = match grant.on_expiry {
        OnExpiry::Terminate => "the command is ended",
        OnExpiry::Finish => "the command may finish",
        OnExpiry::Warn => "you are told",
    };
    let kept: Vec<String> = restrict.env_keep.iter().map(|name| name.as_str().to_owned()).collect();
    let set: Vec<String> = restrict.env_set.keys().cloned().collect();
    let folder = match &restrict.cwd {
        Cwd::Caller => None,
        Cwd::Folder(folder) => Some(("folder", escape(folder.as_bytes()))),
    };
    [
        list("hosts", &said.hosts),
        list("not as", &said.except_run_as),
        list("groups for -g and -P", &said.run_as_groups),
        rule.not_after.map(|end| ("until", end.to_string())),
        Some(("at most", format_duration(grant.max_duration))),
        grant.uses.map(|uses| ("uses", uses.to_string())),
        Some(("counts for the", scope.to_owned())),
        Some(("when it expires", at_its_end.to_owned())),
        restrict.timeout.map(|timeout| ("each command at most", format_duration(timeout))),
        folder,
        restrict
            .edit_check
            .as_ref()
            .map(|words| ("before a file is saved", escape(words.join(" ").as_bytes()))),
        list("variables kept", &kept),
        list("variables set", &set),
    ]
    .into_iter()
    .flatten()
    .collect()
}
