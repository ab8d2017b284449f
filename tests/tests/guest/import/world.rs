//! The people, groups and programs of the questions, as the guest has them and as our policy is asked about them.

use jit_policy::{
    Account, Asked, Authentication, Command, Decision, Directory, EDIT, Group, Host, LookupFailed, NoZones,
    Policy, Request, Sha256, Surroundings, Target,
};

use super::files::File;
use super::oracle::Answers;
use super::questions::Question;

/// Users with their ids and further groups. Those with id 0 are the guest's own.
pub(super) const USERS: [(&str, u32, &[&str]); 14] = [
    ("alice", 1001, &["users"]),
    ("bob", 1002, &["wheel", "users"]),
    ("carol", 1003, &["web", "users"]),
    ("dave", 1004, &["ops"]),
    ("erin", 1005, &["web", "dba"]),
    ("frank", 1006, &["sudo", "docker", "dba"]),
    ("nagios", 1007, &["users"]),
    ("deploy", 1009, &["users"]),
    ("zabbix", 1010, &["users"]),
    ("postgres", 1011, &["dba"]),
    ("mysql", 1012, &["dba"]),
    ("operator", 1013, &["ops"]),
    ("backup", 0, &[]),
    ("root", 0, &[]),
];

pub(super) const GROUPS: [(&str, u32); 5] =
    [("web", 2001), ("ops", 2002), ("dba", 2003), ("docker", 2004), ("wheel", 2005)];

pub(super) const TARGETS: [&str; 7] = ["root", "www-data", "postgres", "operator", "nobody", "mysql", "bob"];

/// What the guest says of names.
pub(super) struct World<'a> {
    answers: &'a Answers,
}

impl<'a> World<'a> {
    pub(super) fn new(answers: &'a Answers) -> Self {
        Self { answers }
    }

    fn account(&self, name: &str) -> Account {
        let (uid, gid, groups) =
            self.answers.accounts.get(name).unwrap_or_else(|| panic!("no account {name}"));
        Account { uid: *uid, gid: *gid, names: vec![name.to_owned()], groups: groups.clone() }
    }

    /// Whether the policy permits, and then whether it asks for a password.
    pub(super) fn ask(&self, policy: &Policy, question: &Question, file: &File) -> Option<bool> {
        let user = self.account(&question.user);
        let target = self.account(question.target.as_deref().unwrap_or(file.default_target()));
        let group = question
            .group
            .as_deref()
            .map(|name| Group { gid: self.answers.groups[name], name: name.to_owned() });
        let edits = question.argv[0] == EDIT;
        let [path, leads_to, sha256] = &self.answers.paths[&question.argv[0]];
        let path = if edits { EDIT } else { path };
        let args: Vec<Vec<u8>> = question.argv[1..].iter().map(|arg| arg.clone().into_bytes()).collect();
        let request = Request {
            user: &user,
            host: Host { name: &file.host, tags: &[] },
            target: Target { account: &target, group: group.as_ref() },
            command: Command {
                path: path.as_bytes(),
                leads_to: Some(leads_to.as_bytes()).filter(|_| !edits),
                args: &args,
                edits,
                trusted: true,
                under: &|_| None,
                sha256: &|| Sha256::parse(sha256).ok_or_else(String::new),
            },
            nested: false,
            now: jiff::Timestamp::now(),
            zones: &NoZones,
            login: &jit_policy::LoginSession::default(),
            asked: Asked::default(),
        };
        match policy.evaluate(&request, self).unwrap() {
            Decision::Deny(_) => None,
            Decision::Permit(candidates) => {
                let asks = |candidate: &jit_policy::Candidate<'_>| {
                    candidate.rule.require.authentication == Authentication::Password
                };
                Some(candidates.iter().all(asks))
            }
        }
    }
}

impl Directory for World<'_> {
    fn gid_of(&self, group: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(self.answers.groups.get(group).copied())
    }

    fn uid_of(&self, user: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(self.answers.accounts.get(user).map(|(uid, ..)| *uid))
    }
}

impl Surroundings for World<'_> {
    /// In the guest these are links.
    fn canonical_folder(&self, folder: &str) -> Option<String> {
        let (first, rest) =
            folder.strip_prefix('/')?.split_once('/').unwrap_or((folder.strip_prefix('/')?, ""));
        let slash = if rest.is_empty() { "" } else { "/" };
        matches!(first, "bin" | "sbin" | "lib").then(|| format!("/usr/{first}{slash}{rest}"))
    }
}
