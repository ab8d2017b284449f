//! Commands of well-known programs that give more than they seem to.

use super::code::{Code, Severity};
use super::facts::{FACTS, Fact, With};
use super::places::Subject;
use super::{Findings, LintHost};
use crate::meaning::{Argument, CommandMeaning, ProgramMeaning};
use crate::pattern::{Commands, Word, is_below, literal_start};
use crate::policy::Core;
use crate::rule::{Effect, OnExpiry, Rule};

/// Files that a caller may choose only if they may choose any.
const CRITICAL: &[&str] = &[
    "/",
    "/etc",
    "/etc/shadow",
    "/etc/passwd",
    "/etc/cron.d/x",
    "/etc/jit-sudo/policy.d/x.toml",
    "/etc/ld.so.preload",
    "/root/.ssh/authorized_keys",
    "/usr/bin/id",
    "/dev/sda",
    "/home/x/y",
    "shadow",
];
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
/// Settings that keep pagers from running anything.
const SAFE_PAGERS: &[(&str, &[&str])] = &[
    ("LESSSECURE", &["1"]),
    ("SYSTEMD_PAGERSECURE", &["1", "true", "yes"]),
    ("SYSTEMD_PAGER", &["", "cat"]),
    ("PAGER", &["", "cat"]),
    ("MANPAGER", &["cat"]),
    ("GIT_PAGER", &["cat"]),
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
            if let Some((code, message)) = strongest {
                let ordinary = !self.runs_as_root(rule);
                let severity = if ordinary { Severity::Note } else { code.severity() };
                let hint = hint(code);
                found.add_as(severity, code, at.clone(), message, hint);
            }
            let manages =
                |command: &CommandMeaning| names(command, host).iter().any(|name| manages_packages(name));
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

/// The strongest thing that a command gives; the smaller code is the stronger.
fn gives(command: &CommandMeaning, rule: &Rule, host: Option<&dyn LintHost>) -> Option<(Code, String)> {
    if let ProgramMeaning::Glob(word) = &command.program {
        return dangerous_programs(word);
    }
    if command.is_edit() {
        let named = |file: &&str| command.rest || command.args.iter().any(|arg| may_be(arg, file));
        let file = FILES_OF_ROOT.iter().copied().find(named)?;
        return Some((Code::FileWriter, format!("whoever writes `{file}` is root")));
    }
    let names = names(command, host);
    let safe_pager = SAFE_PAGERS.iter().any(|(name, values)| {
        rule.restrict.env_set.get(*name).is_some_and(|value| values.contains(&value.as_str()))
    });
    let own = names.first()?;
    FACTS
        .iter()
        .filter(|fact| names.iter().any(|name| fact.is_about(name)))
        .filter(|fact| !(safe_pager && fact.gives == Code::Pager))
        .filter_map(|fact| match fact.applies(command) {
            Applies::No => None,
            Applies::Yes => Some((fact.gives, format!("`{own}` {}", fact.how))),
            Applies::ThroughRest if fact.gives == Code::FileReader => None,
            Applies::ThroughRest => Some((
                Code::OpenArguments,
                format!("`**` lets the caller add any argument, and `{own}` {}", fact.how),
            )),
        })
        .min_by_key(|(code, _)| *code)
}

/// The names that facts know it by: its own, and that of the file it leads to.
fn names(command: &CommandMeaning, host: Option<&dyn LintHost>) -> Vec<String> {
    let ProgramMeaning::Exact(path) = &command.program else { return Vec::new() };
    if command.is_edit() {
        return Vec::new(); // no program at all: the editor is the person's own
    }
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let leads_to = host.and_then(|host| host.file(path)).map(|file| base(&file.leads_to));
    [base(path)].into_iter().chain(leads_to).collect()
}

fn manages_packages(name: &str) -> bool {
    FACTS.iter().any(|fact| fact.gives == Code::PackageManager && fact.is_about(name))
}

/// The dangerous programs that a glob names.
fn dangerous_programs(word: &Word) -> Option<(Code, String)> {
    let named: Vec<&str> = FACTS
        .iter()
        .filter(|fact| fact.gives != Code::FileReader)
        .flat_map(Fact::names)
        .filter(|name| FOLDERS.iter().any(|folder| word.matches(format!("{folder}/{name}").as_bytes())))
        .collect();
    let (first, others) = named.split_first()?;
    let more = if others.is_empty() { String::new() } else { format!(" and {} more like it", others.len()) };
    Some((Code::ProgramGlob, format!("this glob names `{first}`{more}")))
}

fn hint(code: Code) -> &'static str {
    match code {
        Code::Shell => {
            "name the one command that is needed, with its arguments; or say that it is everything: \"ALL\""
        }
        Code::Interpreter => "name one script by its absolute path, in a folder that only root can write",
        Code::Editor => "write `sudoedit /path/of/file`: the editor then runs as the caller",
        Code::RootEquivalent => "name the one subcommand and object that are needed, or a script of your own",
        Code::PackageManager => "name the packages, or give a script of your own that does",
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

enum Applies {
    No,
    Yes,
    /// Only an argument that `**` stands for makes it so.
    ThroughRest,
}

impl Fact {
    fn applies(&self, command: &CommandMeaning) -> Applies {
        let certain = |arg| self.unless.iter().any(|word| is_certain(arg, word));
        if command.args.iter().any(certain) || (self.fixable && is_fixed(command)) {
            return Applies::No;
        }
        let may_have = |word: &str| match word {
            "" => command.args.is_empty() && !command.rest,
            _ => command.args.iter().any(|arg| may_be(arg, word)),
        };
        match &self.with {
            None => Applies::Yes,
            Some(With::File(_)) if command.rest || CRITICAL.iter().any(|file| may_have(file)) => Applies::Yes,
            Some(With::OneOf(words)) if words.iter().any(|word| may_have(word)) => Applies::Yes,
            Some(With::OneOf(_)) if command.rest => Applies::ThroughRest,
            Some(_) => Applies::No,
        }
    }
}

/// Whether what is run can't be chosen: an absolute path comes before anything that can, or all is said, and it is program text
/// or an option.
fn is_fixed(command: &CommandMeaning) -> bool {
    let fixed: Vec<Vec<&[u8]>> = command.args.iter().map_while(literals).collect();
    let absolute = fixed.iter().any(|words| words.iter().all(|word| word.starts_with(b"/")));
    let whole = fixed.len() == command.args.len() && !command.rest;
    let option = fixed.first().is_some_and(|words| words.iter().all(|word| word.starts_with(b"-")));
    absolute || (whole && option)
}

/// The words, if all of them are literal.
fn literals(argument: &Argument) -> Option<Vec<&[u8]>> {
    let Argument::Words(words) = argument else { return None };
    words.iter().map(|word| if let Word::Literal(text) = word { Some(&**text) } else { None }).collect()
}

/// Whether an argument is always one of those that the word (`x`, or `x*`) stands for.
fn is_certain(argument: &Argument, word: &str) -> bool {
    literals(argument).is_some_and(|texts| texts.iter().all(|text| stands_for(word, text)))
}

fn stands_for(word: &str, text: &[u8]) -> bool {
    match word.strip_suffix('*') {
        Some(start) => text.starts_with(start.as_bytes()),
        None => text == word.as_bytes(),
    }
}

/// Whether an argument can be one of those that the word stands for.
fn may_be(argument: &Argument, word: &str) -> bool {
    let start = word.strip_suffix('*');
    let longer = start.map(|start| format!("{start}x"));
    let samples = [Some(start.unwrap_or(word)), longer.as_deref()];
    let mut samples = samples.into_iter().flatten();
    match argument {
        Argument::Words(words) => {
            samples.any(|sample| words.iter().any(|own| own.matches(sample.as_bytes())))
                || words.iter().any(|own| match own {
                    Word::Literal(text) => stands_for(word, text),
                    Word::Glob(glob) => start.is_some_and(|start| literal_start(glob).starts_with(start)),
                })
        }
        Argument::Regex(regex) => samples.any(|sample| regex.is_match(sample.as_bytes())),
        Argument::Under(folder) => samples.any(|sample| is_below(sample.as_bytes(), folder.as_bytes())),
    }
}
