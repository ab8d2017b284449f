//! Commands of well-known programs that give more than they seem to.

use super::applies::{Applies, may_be};
use super::code::{Code, Severity};
use super::facts::{FACTS, Fact};
use super::places::Subject;
use super::{Findings, LintHost};
use crate::meaning::{CommandMeaning, ProgramMeaning};
use crate::pattern::{Commands, Word};
use crate::policy::Core;
use crate::rule::{Effect, OnExpiry, Rule};

/// Files that are as good as a shell to whoever edits them.
const FILES_OF_ROOT: &[&str] = &[
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/sudoers",
    "/etc/sudoers.d/x",
    "/etc/jit-sudo/policy.d/x.toml",
    "/etc/pam.d/sshd",
    "/etc/crontab",
    "/etc/cron.d/x",
    "/etc/cron.daily/x",
    "/etc/systemd/system/x.service",
    "/etc/ld.so.preload",
    "/etc/ld.so.conf.d/x.conf",
    "/etc/profile",
    "/etc/profile.d/x.sh",
    "/etc/ssh/sshd_config",
    "/etc/fstab",
    "/etc/udev/rules.d/x.rules",
    "/root/.ssh/authorized_keys",
    "/root/.bashrc",
    "/usr/bin/id",
];
/// Folders that programs are in.
const FOLDERS: [&str; 4] = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/bin"];
/// Programs of several names, and under which of these they are something else; with none, under every one.
const BY_NAME: [(&str, &[&str]); 7] = [
    ("busybox", &[]),
    ("toybox", &[]),
    ("coreutils", &[]),
    ("kmod", &[]),
    ("lvm", &[]),
    ("xz", &[]),
    ("systemctl", &["halt", "init", "poweroff", "reboot", "runlevel", "shutdown", "telinit"]),
];

impl Core {
    /// What each command of an allow gives.
    pub(super) fn check_commands<'p>(
        &'p self,
        rule: &'p Rule,
        host: Option<&dyn LintHost>,
        found: &mut Findings<'p>,
    ) {
        if rule.effect == Effect::Deny || self.names_of(&rule.run_as) == ["self"] {
            return;
        }
        self.each_entry(rule, &rule.commands, "commands", |at, meanings| {
            let strongest = meanings.iter().filter_map(|command| gives(command, rule, host)).min();
            if let Some((_, code, message)) = strongest {
                let ordinary = !self.runs_as_root(rule);
                let severity = if ordinary { Severity::Note } else { code.severity() };
                let hint = hint(code);
                found.add_as(severity, code, at.clone(), message, hint);
            }
            let manages = |command: &CommandMeaning| {
                let names = names(command, host);
                let is_about = |fact: &Fact| names.iter().any(|name| fact.is_about(name));
                let mut facts =
                    FACTS.iter().filter(|fact| fact.gives == Code::PackageManager && is_about(fact));
                facts.any(|fact| fact.needs(command) != Applies::No)
            };
            if rule.grant.on_expiry == OnExpiry::Terminate && meanings.iter().any(manages) {
                let hint = "write grant.on_expiry = \"finish\", with a restrict.timeout";
                let message = "a package manager that is killed half-way leaves the system broken";
                found.add(Code::KilledPackageManager, at, message, hint);
            }
        });
    }

    /// Whether the targets include root.
    pub(super) fn runs_as_root(&self, rule: &Rule) -> bool {
        self.names_of(&rule.run_as).iter().any(|name| matches!(name.as_str(), "root" | "#0" | "ALL"))
    }

    /// Each entry of a list and of its sets, with where it stands and what it means.
    pub(super) fn each_entry<'p>(
        &'p self,
        rule: &'p Rule,
        list: &'p Commands,
        key: &'static str,
        mut look: impl FnMut(Subject<'p>, &[CommandMeaning]),
    ) {
        for (pattern, meanings) in self.entries_of(list) {
            look(Subject::entry(rule, key, &pattern.text), &meanings);
        }
        for set in list.sets.iter().filter_map(|set| self.command_sets.get(*set as usize)) {
            for (pattern, meanings) in self.entries_of(&set.commands) {
                look(Subject::of_set(rule, "commands", &set.name, &*pattern.text), &meanings);
            }
        }
    }
}

/// What a command gives: how strong that is, the code and the message. The smallest is the strongest.
type Given = ((Code, bool), Code, String);

/// The strongest thing that a command gives.
fn gives(command: &CommandMeaning, rule: &Rule, host: Option<&dyn LintHost>) -> Option<Given> {
    if let ProgramMeaning::Glob(word) = &command.program {
        return dangerous_programs(word)
            .map(|message| ((Code::ProgramGlob, true), Code::ProgramGlob, message));
    }
    if command.is_edit() {
        let named = |file: &&str| command.rest || command.args.iter().any(|arg| may_be(arg, file));
        let file = FILES_OF_ROOT.iter().copied().find(named)?;
        return Some(given(Code::FileWriter, format!("whoever writes `{file}` is root")));
    }
    let names = names(command, host);
    let own = names.first()?;
    let about = FACTS.iter().filter(|fact| names.iter().any(|name| fact.is_about(name)));
    let given = about.filter_map(|fact| match fact.applies(command, &rule.restrict) {
        Applies::No => None,
        Applies::Yes => Some(given(fact.gives, format!("`{own}` {}", fact.how))),
        Applies::ThroughRest if fact.gives == Code::FileReader => None,
        Applies::ThroughRest => {
            // What is as good as a shell comes before a file; a pager that opens anyway before a file.
            let like = if fact.gives < Code::FileWriter { Code::PackageManager } else { Code::OpenArguments };
            let message = format!("`**` lets the caller add any argument, and `{own}` {}", fact.how);
            Some(((like, true), Code::OpenArguments, message))
        }
        Applies::Starts(commands) => {
            let started = commands.iter().filter_map(|command| gives(command, rule, host)).min()?;
            let (strength, code, message) = started;
            Some((strength, code, format!("`{own}` starts another program, and {message}")))
        }
    });
    // Of two that are equal the first.
    given.min_by_key(|(strength, ..)| *strength)
}

fn given(code: Code, message: String) -> Given {
    ((code, false), code, message)
}

/// The names that facts know it by: its own, and that of the file it leads to.
fn names(command: &CommandMeaning, host: Option<&dyn LintHost>) -> Vec<String> {
    let ProgramMeaning::Exact(path) = &command.program else { return Vec::new() };
    if command.is_edit() {
        return Vec::new(); // no program at all: the editor is the person's own
    }
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let leads_to = host
        .filter(|_| path.starts_with('/'))
        .and_then(|host| host.file(path))
        .map(|file| base(&file.leads_to));
    let own = base(path);
    let by_name = |file: &String| {
        let other = BY_NAME.iter().find(|(program, _)| program == file);
        other.is_some_and(|(_, names)| names.is_empty() || names.contains(&own.as_str()))
    };
    let leads_to = leads_to.filter(|file| !by_name(file));
    [own].into_iter().chain(leads_to).collect()
}

/// The dangerous programs that a glob names.
fn dangerous_programs(word: &Word) -> Option<String> {
    let named: Vec<&str> = FACTS
        .iter()
        .filter(|fact| fact.gives != Code::FileReader)
        .flat_map(Fact::names)
        .filter(|name| FOLDERS.iter().any(|folder| word.matches(format!("{folder}/{name}").as_bytes())))
        .collect();
    let (first, others) = named.split_first()?;
    let more = if others.is_empty() { String::new() } else { format!(" and {} more like it", others.len()) };
    Some(format!("this glob names `{first}`{more}"))
}

fn hint(code: Code) -> &'static str {
    match code {
        Code::Shell => {
            "name the one command that is needed, with its arguments; or say that it is everything: \"ALL\""
        }
        Code::Interpreter => "name one script by its absolute path, in a folder that only root can write",
        Code::Editor => "write `sudoedit /path/of/file`: the editor then runs as the caller",
        Code::RootEquivalent => "name the one subcommand and object that are needed, or a script of your own",
        Code::PackageManager => {
            "name the packages, with `-o Dpkg::Options::=--force-confold` for dpkg, or give a script of your own"
        }
        Code::FileWriter => {
            "name the files that are needed, or { under = \"/folder\" } in which the caller can write nothing"
        }
        Code::Pager => {
            "write `--no-pager` before what follows, or set restrict.env_set = { SYSTEMD_PAGER = \"\", LESSSECURE = \"1\" }"
        }
        Code::OpenArguments => "name the arguments that are needed in the place of `**`",
        Code::FileReader => "name the files, or { under = \"/folder\" }",
        _ => "name the programs one by one",
    }
}
