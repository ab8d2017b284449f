//! Rules as a policy file, with the lines they come from.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::ast::UserSpec;
use super::command::Command;
use super::report::{Report, Severity};
use super::rules::Rule;
use super::settings::{Settings, Whose};
use super::toml::{comment, list, quoted};
use super::words::{Written, permitting, taking_away};
use crate::duration::format_duration;

/// Ours, where sudo's settings name none.
const SECURE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A policy file in parts, so that a rule can be left out.
#[derive(Debug)]
pub(super) struct File {
    head: String,
    rules: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// The lines it comes from, if the rule before comes from others.
    source: Option<String>,
    text: String,
    denies: bool,
    at: super::ast::At,
}

impl File {
    pub(super) fn new(made_by: &str, base: &Settings, exact: bool) -> Self {
        let mut head = format!(
            "# Made by `{made_by}`: made anew, it loses what is changed here.\nschema = 1\n\n[defaults]\n"
        );
        let _ = writeln!(head, "require.authentication_timeout = {}", duration(base.timeout_of_record()));
        head.push_str("grant.on_expiry = \"finish\"\n");
        if let Some(path) = &base.secure_path {
            let _ = writeln!(head, "restrict.secure_path = {}", quoted(path));
        }
        if !base.env_keep.is_empty() {
            let _ = writeln!(head, "restrict.env_keep = {}", names(&base.env_keep));
        }
        if exact {
            head.push_str("trusted_path = false\n");
        }
        Self { head, rules: Vec::new() }
    }

    /// Adds rules; those that can't be written are told.
    pub(super) fn add(&mut self, rules: &[Rule], specs: &[UserSpec], base: &Settings, report: &mut Report) {
        let mut before = None;
        for rule in rules {
            let Some(text) = rule_text(rule, base, report) else { continue };
            let spec = specs.get(rule.spec).filter(|_| before != Some(rule.spec));
            before = Some(rule.spec);
            let source =
                spec.map(|spec| comment(&format!("{}:{}: {}", spec.at.file, spec.at.line, spec.text)));
            self.rules.push(Entry { source, text, denies: rule.settings.is_none(), at: rule.at.clone() });
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = self.head.clone();
        for entry in &self.rules {
            text.push('\n');
            if let Some(source) = &entry.source {
                text.push_str(source);
                text.push('\n');
            }
            text.push_str(&entry.text);
        }
        text
    }

    /// Leaves out the rules that these lines of the text belong to; all, if one of them denies or is none.
    pub(super) fn leave_out(&mut self, lines: &BTreeSet<usize>, report: &mut Report) {
        let mut line = self.head.lines().count();
        let mut keep = Vec::new();
        let mut found = 0;
        for entry in std::mem::take(&mut self.rules) {
            let length = 1 + usize::from(entry.source.is_some()) + entry.text.lines().count();
            let own = line + 1..=line + length;
            line += length;
            let mistakes = lines.iter().filter(|line| own.contains(line)).count();
            found += mistakes;
            if mistakes == 0 {
                keep.push(entry);
                continue;
            }
            report.tell(&entry.at, Severity::LeftOut, "a rule that jit-sudo can't read");
            if entry.denies {
                keep.clear();
                found = 0;
                break;
            }
        }
        if found == lines.len() {
            self.rules = keep;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

fn rule_text(rule: &Rule, base: &Settings, report: &mut Report) -> Option<String> {
    let mut text = format!("[[rule]]\nid = {}\n", quoted(&rule.id));
    if rule.settings.is_none() {
        text.push_str("effect = \"deny\"\n");
    }
    let region = &rule.region;
    let strings = |names: &[String]| list(&names.iter().map(|name| quoted(name)).collect::<Vec<_>>());
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "{key} = {value}");
    };
    line("users", &strings(&region.users.yes));
    if !region.users.no.is_empty() {
        line("except_users", &strings(&region.users.no));
    }
    if region.hosts.yes != ["ALL"] || !region.hosts.no.is_empty() {
        line("hosts", &strings(&region.hosts.yes));
    }
    if !region.hosts.no.is_empty() {
        line("except_hosts", &strings(&region.hosts.no));
    }
    line("run_as", &strings(&region.run_as.yes));
    if !region.run_as.no.is_empty() {
        line("except_run_as", &strings(&region.run_as.no));
    }
    if !region.groups.is_empty() && rule.settings.is_some() {
        line("run_as_groups", &strings(&region.groups));
    }
    let permits = rule.settings.is_some();
    line("commands", &list(&commands(rule, &rule.commands, permits, report)?));
    if !region.except.is_empty() {
        line("except_commands", &list(&commands(rule, &region.except, false, report)?));
    }
    for (key, time) in [("not_before", rule.not_before), ("not_after", rule.not_after)] {
        if let Some(time) = time {
            line(key, &time.to_string());
        }
    }
    if let Some(settings) = &rule.settings {
        text.push_str(&settings_text(settings, base));
    }
    Some(text)
}

/// The commands of a rule. One that can't be written is left out; where it takes away, so is the rule.
fn commands(rule: &Rule, commands: &[Command], permits: bool, report: &mut Report) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for command in commands {
        match if permits { permitting(command) } else { taking_away(command) } {
            Ok(Written { commands, differs, open_end }) => {
                if let Some(why) = differs {
                    report.tell(&rule.at, Severity::Narrower, format!("{}: {why}", commands.join(", ")));
                }
                if open_end && permits {
                    let what = format!(
                        "{}: a `*` at the end is also further arguments, as sudo has it",
                        commands.join(", ")
                    );
                    report.tell(&rule.at, Severity::Note, what);
                }
                for text in commands {
                    if !texts.contains(&text) {
                        texts.push(text);
                    }
                }
            }
            Err(why) => {
                let what =
                    if permits { "a command" } else { "a rule, for a command that is taken away from it" };
                report.tell(&rule.at, Severity::LeftOut, format!("{what}: {why}"));
                if !permits {
                    return None;
                }
            }
        }
    }
    (!texts.is_empty()).then_some(texts)
}

/// What differs from the defaults of the file.
fn settings_text(settings: &Settings, base: &Settings) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "{key} = {value}");
    };
    if settings.authenticate {
        match settings.whose() {
            Whose::Invoking | Whose::Other => {}
            Whose::Target => line("require.authenticate_as", "\"target\""),
            Whose::Root => line("require.authenticate_as", "\"root\""),
        }
        if settings.timeout_of_record() != base.timeout_of_record() {
            line("require.authentication_timeout", &duration(settings.timeout_of_record()));
        }
    } else {
        line("require.authentication", "\"none\"");
    }
    if settings.secure_path != base.secure_path {
        line("restrict.secure_path", &quoted(settings.secure_path.as_deref().unwrap_or(SECURE_PATH)));
    }
    if settings.env_keep != base.env_keep {
        line("restrict.env_keep", &names(&settings.env_keep));
    }
    if !settings.env_set.is_empty() {
        let pair = |(name, value): (&String, &String)| format!("{name} = {}", quoted(value));
        let pairs: Vec<String> = settings.env_set.iter().map(pair).collect();
        line("restrict.env_set", &format!("{{ {} }}", pairs.join(", ")));
    }
    if let Some(umask) = settings.umask() {
        line("restrict.umask", &quoted(&format!("{umask:04o}")));
    }
    if let Some(folder) = &settings.cwd {
        line("restrict.cwd", &quoted(folder));
    }
    if settings.any_cwd {
        line("restrict.allow_cwd", "[\"ALL\"]");
    }
    if let Some(timeout) = settings.timeout {
        line("restrict.timeout", &duration(timeout));
    }
    text
}

fn names(names: &BTreeSet<String>) -> String {
    list(&names.iter().map(|name| quoted(name)).collect::<Vec<_>>())
}

/// Zero is every time.
fn duration(duration: Duration) -> String {
    if duration.is_zero() { quoted("0") } else { quoted(&format_duration(duration)) }
}
