//! Questions to a sudoers file: who wants to run what, made of what it says and of what is near to it.

use std::fmt;

use super::chance::Chance;
use super::files::File;
use super::world::{TARGETS, USERS};

/// One question.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) user: String,
    /// `-u`; root without it.
    pub(super) target: Option<String>,
    /// `-g`
    pub(super) group: Option<String>,
    pub(super) argv: Vec<String>,
}

impl fmt::Display for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, target, group, argv } = self;
        write!(
            formatter,
            "{user} as {}:{}: {argv:?}",
            target.as_deref().unwrap_or(""),
            group.as_deref().unwrap_or("")
        )
    }
}

/// Commands that have to do with many files.
const COMMON: [&str; 25] = [
    "sudoedit /etc/motd",
    "/usr/bin/id",
    "/usr/bin/id -u",
    "/usr/bin/id -ug",
    "/usr/bin/whoami",
    "/usr/bin/w",
    "/usr/bin/uptime",
    "/usr/bin/su",
    "/usr/bin/su -",
    "/usr/bin/su - root",
    "/usr/bin/sh",
    "/bin/bash -c id",
    "/usr/bin/passwd",
    "/usr/bin/passwd root",
    "/usr/bin/passwd bob",
    "/usr/bin/cat /etc/shadow",
    "/usr/bin/cat /var/log/syslog",
    "/usr/bin/systemctl restart nginx",
    "/usr/bin/systemctl stop app-1",
    "/usr/bin/systemctl restart nginx sshd",
    "/usr/local/tools/backup-a",
    "/usr/local/tools/zap now",
    "/usr/local/tools/run.sh x y",
    "/usr/bin/less /var/log/syslog",
    "/usr/bin/apt update",
];

impl File {
    /// Thinks up questions.
    pub(super) fn ask(&mut self, number: usize, chance: &mut Chance) {
        let named = commands(&self.text);
        let all: Vec<&str> = USERS.iter().map(|(name, ..)| *name).collect();
        while self.questions.len() < number {
            let (line, command) = match chance.below(8) {
                0 => (String::new(), chance.one(&COMMON).to_owned()),
                1 => (chance.one(&named).0, chance.one(&COMMON).to_owned()),
                _ => chance.one(&named),
            };
            let mut argv = words(&command, chance);
            change(&mut argv, chance);
            if argv[0] == "sudoedit" {
                argv.truncate(2);
                if argv.len() < 2 || !argv[1].starts_with('/') {
                    let file = chance.one(&["/etc/motd", "/srv/www/x", "/etc/sudoers"]);
                    argv = vec![argv[0].clone(), file.to_owned()];
                }
            }
            let mut users = concerned(&line);
            if users.is_empty() {
                users = concerned(&self.text);
            }
            let targets: Vec<&str> = TARGETS.into_iter().filter(|name| line.contains(name)).collect();
            let user =
                if users.is_empty() || chance.once_in(8) { chance.one(&all) } else { chance.one(&users) };
            let target = match chance.below(10) {
                0 => Some(user),
                1 => Some(chance.one(&TARGETS)),
                2..8 if !targets.is_empty() => Some(chance.one(&targets)),
                _ => None,
            };
            let group = (target.is_some() && chance.once_in(6))
                .then(|| chance.one(&["docker", "web", "ops", "www-data"]));
            self.questions.push(Question {
                user: user.to_owned(),
                target: target.map(str::to_owned),
                group: group.map(str::to_owned),
                argv,
            });
        }
    }
}

/// Who is named in a line, or is in a group that is.
fn concerned(line: &str) -> Vec<&'static str> {
    let is = |name: &str, groups: &[&str]| {
        line.contains(name) || groups.iter().any(|group| line.contains(&format!("%{group}")))
    };
    USERS
        .iter()
        .filter(|(name, _, groups)| is(name, groups) || line.contains("ALL ALL"))
        .map(|(name, ..)| *name)
        .collect()
}

/// What looks like a command in the text, from a `/` to what ends it, each with its line.
fn commands(text: &str) -> Vec<(String, String)> {
    let text = text.replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.trim_start().starts_with(['#', 'D']));
    let mut commands = Vec::new();
    for (line, part) in lines.flat_map(|line| line.split([',', '=']).map(move |part| (line, part))) {
        let part = part.split(" : ").next().unwrap_or_default();
        let edit = part.find("sudoedit");
        let program = || part.find(" /").or_else(|| part.find("!/"));
        let start = edit.or_else(|| if part.starts_with('/') { Some(0) } else { program() });
        let command = start.and_then(|at| part.get(at..)).unwrap_or(" /usr/bin/id");
        let command = command.trim_start_matches([' ', '!', '\t']).trim();
        if ["/usr/", "/bin/", "/sbin/", "sudoedit /"].iter().any(|start| command.starts_with(start)) {
            let command = command.replace(" \"\"", "").replace("\\:", ":").replace('\\', "");
            commands.push((line.to_owned(), command));
        }
    }
    assert!(!commands.is_empty(), "{text}");
    commands
}

/// A command with its wildcards filled in.
fn words(command: &str, chance: &mut Chance) -> Vec<String> {
    let mut filled = String::new();
    let in_arguments = command.find(' ').unwrap_or(command.len());
    let mut chars = command.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '*' if at > in_arguments => {
                filled.push_str(chance.one(&["", "x", "a/b", "x y", "x /etc/shadow", "root", "../x", "-f"]));
            }
            '*' => filled.push_str(chance.one(&["a", "x", "bin"])),
            '?' => filled.push_str(chance.one(&["a", "1"])),
            '[' => {
                let class: String =
                    chars.by_ref().map(|(_, char)| char).take_while(|char| *char != ']').collect();
                filled.push(if class.contains('9') { '7' } else { 'b' });
            }
            '^' | '$' | '(' | ')' | '+' => {}
            '|' => filled.push(' '),
            char => filled.push(char),
        }
    }
    if filled.ends_with('/') {
        filled.push_str(chance.one(&["zap", "backup-a", "id", ".hidden"]));
    }
    // A blank is kept in one argument now and then.
    let mut argv: Vec<String> = Vec::new();
    for word in filled.split(' ') {
        match argv.last_mut() {
            Some(last) if chance.once_in(25) && last != filled.split(' ').next().unwrap_or_default() => {
                *last = format!("{last} {word}");
            }
            _ => argv.push(word.to_owned()),
        }
    }
    argv
}

/// Changes arguments a little, or not.
fn change(argv: &mut Vec<String>, chance: &mut Chance) {
    match chance.below(20) {
        0 => argv.push(chance.one(&["x", "--", "/etc/shadow", "", "root"]).to_owned()),
        1 if argv.len() > 1 => {
            argv.pop();
        }
        2 if argv.len() > 1 => argv.truncate(1),
        3 if argv.len() > 2 => {
            let last = argv.pop().unwrap_or_default();
            argv.insert(1, last);
        }
        _ => {}
    }
}
