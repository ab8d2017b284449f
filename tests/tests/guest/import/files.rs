//! Sudoers files: those that are written in `tests/sudoers`, and those that chance writes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use jit_policy::import::{Files, Unread};

use super::chance::Chance;
use super::questions::Question;

/// A sudoers file and what is asked of it.
pub(super) struct File {
    pub(super) name: String,
    pub(super) text: String,
    /// The name of the host it is asked on.
    pub(super) host: String,
    pub(super) questions: Vec<Question>,
}

impl File {
    /// Whether it has rules to run things as oneself.
    pub(super) fn has_oneself(&self) -> bool {
        self.text.contains("(:") || self.text.contains("()")
    }

    /// Whom a command runs as without `-u`.
    pub(super) fn default_target(&self) -> &str {
        self.text
            .split_once("runas_default=")
            .map_or("root", |(_, rest)| rest.lines().next().unwrap_or_default())
    }

    /// Whether what sudo shows of a line is all that there is about passwords.
    pub(super) fn tells_of_passwords(&self) -> bool {
        !self.text.contains("!authenticate")
    }
}

/// The files of the repository, on hosts in turn.
pub(super) fn written() -> Vec<File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sudoers");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 25, "only {} files", paths.len());
    let hosts = ["web-1", "db1", "web-1.example.com"];
    let file = |(number, path): (usize, &std::path::PathBuf)| File {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        text: fs::read_to_string(path).unwrap(),
        host: hosts[number % hosts.len()].to_owned(),
        questions: Vec::new(),
    };
    paths.iter().enumerate().map(file).collect()
}

const USERS: [&str; 12] =
    ["alice", "bob", "carol", "dave", "%web", "%ops", "ALL", "#1001", "%#2001", "STAFF", "CREW", "%users"];
const TARGETS: [&str; 8] = ["root", "www-data", "postgres", "operator", "ALL", "#0", "APPS", "bob"];
const HOSTS: [&str; 6] = ["ALL", "ALL", "ALL", "web-1", "db*", "HERE"];
const COMMANDS: [&str; 22] = [
    "ALL",
    "ALL",
    "/usr/bin/id",
    "/usr/bin/id -u",
    "/usr/bin/id \"\"",
    "/usr/bin/w",
    "/usr/bin/su",
    "/usr/bin/su - *",
    "/usr/bin/passwd [a-z]*",
    "/usr/bin/passwd root",
    "/usr/bin/cat /var/log/*",
    "/usr/bin/cat * /etc/hosts",
    "/usr/bin/systemctl restart *",
    "/usr/bin/systemctl * nginx",
    "/bin/sh",
    "/usr/local/tools/",
    "/usr/local/tools/backup-*",
    "/usr/local/tools/[a-c]* now",
    "SHELLS",
    "TOOLS",
    "^/usr/bin/(w|id)$",
    "/usr/bin/systemctl ^(start|stop) [a-z0-9-]+$",
];

/// A file of a few aliases and lines.
pub(super) fn generated(number: usize, chance: &mut Chance) -> File {
    let mut text = "User_Alias STAFF = alice, bob, !carol\nUser_Alias CREW = STAFF, %ops, !dave\n\
                    Runas_Alias APPS = www-data, postgres, !operator\nHost_Alias HERE = web-*, !web-2\n\
                    Cmnd_Alias SHELLS = /usr/bin/sh, /usr/bin/bash, !/usr/bin/dash\n\
                    Cmnd_Alias TOOLS = /usr/local/tools/zap, /usr/local/tools/run.sh *, !/usr/local/tools/run.sh x\n"
        .to_owned();
    for _ in 0..2 + chance.below(7) {
        let users = list(&USERS, 3, chance);
        let hosts = list(&HOSTS, 2, chance);
        let commands: Vec<String> = (0..=chance.below(4)).map(|_| command(chance)).collect();
        let _ = writeln!(text, "{users} {hosts} = {}", commands.join(", "));
    }
    let host = chance.one(&["web-1", "db1", "web-2"]).to_owned();
    File { name: format!("generated-{number}"), text, host, questions: Vec::new() }
}

fn list(of: &[&str], most: usize, chance: &mut Chance) -> String {
    let mut some = chance.some(of, most);
    for (at, one) in some.iter_mut().enumerate() {
        // The first is rarely negated: then nobody would be left.
        if *one != "ALL" && chance.once_in(if at == 0 { 12 } else { 3 }) {
            *one = Box::leak(format!("!{one}").into_boxed_str());
        }
    }
    some.join(", ")
}

fn command(chance: &mut Chance) -> String {
    let mut text = String::new();
    if chance.once_in(2) {
        let groups = if chance.once_in(4) { chance.one(&[" : docker", " : ALL", " : web, ops"]) } else { "" };
        let _ = write!(text, "({}{groups}) ", list(&TARGETS, 2, chance));
    }
    text.push_str(chance.one(&["", "", "", "NOPASSWD: ", "PASSWD: ", "SETENV: "]));
    if chance.once_in(3) {
        text.push('!');
    }
    text + chance.one(&COMMANDS)
}

/// Files that are not on any disk.
pub(super) struct InMemory<'a>(pub(super) BTreeMap<&'a str, &'a str>);

impl Files for InMemory<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unread> {
        self.0
            .get(path)
            .map(|text| text.as_bytes().to_vec())
            .ok_or_else(|| Unread::ByNobody("there is no such file".to_owned()))
    }

    fn list(&self, _folder: &str) -> Result<Vec<String>, Unread> {
        Ok(Vec::new())
    }

    fn host(&self) -> String {
        "web-1".to_owned()
    }

    fn is_program(&self, path: &str) -> bool {
        path.starts_with("/usr/bin/")
    }
}
