//! What exactly is asked for, where somebody else has to approve it: what the approver reads, what the yes is bound to, and
//! what is compared again before it runs.
//!
//! The digest of a binding is the SHA-256 of [`Binding::canonical`], in hex.

use serde::{Deserialize, Serialize};

use crate::{Bytes, escape};

/// All of one elevation that matters. What the command reads from standard input, and what stands in files that its
/// arguments name, is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// Form of the canonical text: 1.
    pub version: u8,
    /// Node name of the host.
    pub host: String,
    /// The rule's id.
    pub rule: String,
    /// The invoking user.
    pub user: Person,
    /// The target user.
    pub target: Person,
    /// All groups that it runs with, the primary one first.
    pub groups: Vec<u32>,
    /// `shell` (`-s`), `login` (`-i`) or `edit` (`-e`); absent: a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Path of the program: folder resolved, last component as asked for.
    pub program: Bytes,
    /// SHA-256 of that file, hex.
    pub sha256: String,
    /// The arguments, with `argv[0]`.
    pub command: Vec<Bytes>,
    /// The variables that were asked for: `VAR=value`, and what `-E` and `--preserve-env` keep. By name.
    pub environment: Vec<(Bytes, Bytes)>,
    /// Where it starts.
    pub folder: Folder,
    /// `--for`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// How often it may run; absent: as often as the grant lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// From when on it may run (RFC 3339, UTC), where it is asked for ahead; absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: u32,
}

/// A folder, and which one that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// Its path.
    pub path: Bytes,
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
}

impl Binding {
    /// The form of this version.
    pub const VERSION: u8 = 1;

    /// The text that its digest is made of: JSON without blanks, keys in the order above, bytes as [`Bytes`] has them.
    pub fn canonical(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default() // strings, numbers and lists always become JSON
    }

    /// In what another one differs, in words; none if they are the same.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let Self { version, host, rule, user, target, groups, mode, program, sha256, .. } = self;
        let Self { command, environment, folder, duration, uses, from, .. } = self;
        let (file, now) = (escape(program.as_slice()), escape(other.program.as_slice()));
        [
            (version == &other.version, "the version".to_owned()),
            (host == &other.host, "the host's name".to_owned()),
            (rule == &other.rule, "the rule".to_owned()),
            (user == &other.user, "the invoking user".to_owned()),
            (target == &other.target, "the target user".to_owned()),
            (groups == &other.groups, "the groups".to_owned()),
            (mode == &other.mode, "the way it is run".to_owned()),
            (program == &other.program, format!("the program, which is {now} now")),
            (command == &other.command, "the arguments".to_owned()),
            (sha256 == &other.sha256, format!("the file {file}")),
            (environment == &other.environment, "the environment that was asked for".to_owned()),
            (folder.path == other.folder.path, "the working folder".to_owned()),
            (folder == &other.folder, "the working folder: another one has its path now".to_owned()),
            (duration == &other.duration, "--for".to_owned()),
            (uses == &other.uses, "the number of uses".to_owned()),
            (from == &other.from, "the time that it begins at".to_owned()),
        ]
        .into_iter()
        .find_map(|(same, what)| (!same).then_some(what))
    }

    /// Whether this asks for the same command: then it is worth saying in what else it differs. The same words in the same
    /// folder ask for the same command, whatever they lead to by now.
    pub fn is_same_command(&self, other: &Self) -> bool {
        let same_who = self.user == other.user && self.target == other.target && self.mode == other.mode;
        let same_way = self.program == other.program || self.folder == other.folder;
        same_who && self.rule == other.rule && same_way && self.command == other.command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> Binding {
        Binding {
            version: Binding::VERSION,
            host: "web-1".to_owned(),
            rule: "deploy".to_owned(),
            user: Person { name: "alice".to_owned(), uid: 1000 },
            target: Person { name: "root".to_owned(), uid: 0 },
            groups: vec![0],
            mode: None,
            program: "/usr/bin/id".into(),
            sha256: "ab".repeat(32),
            command: vec!["id".into(), "-u".into(), b"\xff"[..].into()],
            environment: vec![("A".into(), "1".into())],
            folder: Folder { path: "/srv".into(), device: 1, inode: 2 },
            duration: Some(60),
            uses: None,
            from: None,
        }
    }

    // The form is stable: approvals and tokens are bound to it.
    #[test]
    fn the_canonical_text_is_this_one() {
        let expected = concat!(
            r#"{"version":1,"host":"web-1","rule":"deploy","user":{"name":"alice","uid":1000},"#,
            r#""target":{"name":"root","uid":0},"groups":[0],"program":"/usr/bin/id","sha256":"SUM","#,
            r#""command":["id","-u",[255]],"environment":[["A","1"]],"#,
            r#""folder":{"path":"/srv","device":1,"inode":2},"duration":60}"#
        );
        let text = String::from_utf8(binding().canonical()).unwrap();
        assert_eq!(text, expected.replace("SUM", &"ab".repeat(32)));
    }

    #[test]
    fn the_same_words_in_the_same_folder_are_the_same_command() {
        let with = |change: fn(&mut Binding)| {
            let mut other = binding();
            change(&mut other);
            binding().is_same_command(&other)
        };
        assert!(with(|it| it.program = "/usr/bin/ie".into()), "a link on its way leads elsewhere");
        assert!(with(|it| it.folder.path = "/".into()));
        assert!(!with(|it| {
            it.program = "/usr/bin/ie".into();
            it.folder.path = "/".into();
        }));
        assert!(!with(|it| it.command.push("x".into())));
        assert!(!with(|it| it.user.uid = 0));
    }

    #[test]
    fn each_difference_is_named_and_makes_another_text() {
        type Change = (fn(&mut Binding), &'static str);
        let changes: [Change; 17] = [
            (|it| it.version = 2, "version"),
            (|it| it.host.push('x'), "host"),
            (|it| it.rule.push('x'), "rule"),
            (|it| it.user.uid = 0, "invoking user"),
            (|it| it.target.name.push('x'), "target user"),
            (|it| it.groups.push(4), "groups"),
            (|it| it.mode = Some("shell".to_owned()), "way"),
            (|it| it.program = "/usr/bin/ie".into(), "program"),
            (|it| it.command.push("".into()), "arguments"),
            (|it| it.sha256 = "cd".repeat(32), "the file /usr/bin/id"),
            (|it| it.environment.clear(), "environment"),
            (|it| it.folder.path = "/".into(), "working folder"),
            (|it| it.folder.device = 9, "another one"),
            (|it| it.folder.inode = 9, "another one"),
            (|it| it.duration = None, "--for"),
            (|it| it.uses = Some(1), "uses"),
            (|it| it.from = Some("2026-12-24T17:00:00Z".to_owned()), "begins"),
        ];
        assert_eq!(binding().difference(&binding()), None);
        for (change, says) in changes {
            let mut other = binding();
            change(&mut other);
            let difference = binding().difference(&other).unwrap();
            assert!(difference.contains(says), "{difference}, not {says}");
            assert_ne!(binding().canonical(), other.canonical());
        }
    }
}
