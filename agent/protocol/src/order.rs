//! The agent's order to a monitor: everything it needs to run one command, decided and resolved.
//!
//! It comes as JSON in a sealed memfd, next to the helper's connection and the agent's end of the link:
//! descriptors `[connection, link, order]` with one message on the shared work socket.

use serde::{Deserialize, Serialize};

use crate::Bytes;
use crate::request::{Mode, Shell, Terminal};

/// Largest order in bytes.
pub const MAX_ORDER: usize = 8 * 1024 * 1024;
/// How many descriptors come with an order: connection, link, order.
pub const DESCRIPTORS: usize = 3;

/// What a monitor is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Id of the session: 32 hex digits.
    pub session: String,
    /// Run, Validate or List. Never Explain.
    pub mode: Mode,
    /// The invoking user; its uid must be the connection's peer's.
    pub invoking: Account,
    /// The target user, with the groups the command gets (`-g` applied: `gid` and `groups` are final).
    pub target: Account,
    /// Whose password is asked for: an account name (`authenticate_as`).
    pub authenticate: Option<Authenticate>,
    /// Ask the person for a reason.
    pub ask_reason: bool,
    /// What runs; absent for Validate and List.
    pub program: Option<Program>,
    /// The arguments, with `argv[0]`.
    pub argv: Vec<Bytes>,
    /// The program is a shell that was asked for as such: for the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Shell>,
    /// The program is ours that edits files: for the prompt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edit: bool,
    /// The environment, complete but for what PAM adds.
    pub environment: Vec<(Bytes, Bytes)>,
    /// How it must run.
    pub restrictions: Restrictions,
    /// The helper's terminal: the command gets one of ours.
    pub terminal: Option<Terminal>,
    /// It goes on without the helper, until its time is up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// Signals to leave ignored (`nohup`).
    pub ignored_signals: Vec<i32>,
    /// Cgroup of the session that this one is nested in, relative to the spawner's subtree; absent: not nested.
    pub nested_in: Option<String>,
    /// A peer in another mount namespace is served in ours, where its working folder is the one with this path; absent: it is
    /// refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_mounts: Option<Bytes>,
    /// Facts for PAM and the audit: terminal of the invoking user (`PAM_TTY`), e.g. `pts/0`.
    pub tty: Option<String>,
    /// Node name of the host, for the prompt.
    pub host: String,
}

/// An account as NSS tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: u32,
    /// Its primary gid.
    pub gid: u32,
    /// All its groups, the primary among them.
    pub groups: Vec<u32>,
    /// Home folder.
    pub home: Bytes,
    /// Login shell.
    pub shell: Bytes,
}

/// How to authenticate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authenticate {
    /// Account whose password is asked for.
    pub user: String,
    /// How many wrong passwords are taken; at least 1.
    pub tries: u32,
    /// The prompt asked for with `-p` (sudo's escapes); absent: ours, which names command and target.
    pub prompt: Option<Bytes>,
}

/// The file that was decided upon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Absolute path to execute: folder resolved, last component as asked for.
    pub path: Bytes,
    /// What it leads to, as seen at the decision; compared again before exec.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Size in bytes.
    pub size: i64,
    /// `st_mtime` in nanoseconds.
    pub modified: i128,
    /// `st_ctime` in nanoseconds.
    pub changed: i128,
    /// What must be in it; absent: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
}

/// What must be in a file for it to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Its SHA-256, in 64 hex digits.
    pub sha256: String,
    /// Others than root could change it while it is looked at: a copy in memory, which nobody can change, is what runs.
    pub copy: bool,
}

/// How the command must run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restrictions {
    /// Bits to take away: the union of the caller's umask and the rule's is applied.
    pub umask: Umask,
    /// Where it starts.
    pub cwd: Cwd,
    /// Which folder that has to be: somebody has approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<FolderFacts>,
}

/// A folder, whatever its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderFacts {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
}

/// The file mode creation mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Umask {
    /// This one.
    Exactly(u32),
    /// The union of the caller's and this one.
    CallersAnd(u32),
}

/// The working folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cwd {
    /// The helper's, by descriptor, entered with the invoking user's identity; one it can't reach: the target's home.
    Caller,
    /// The target's home, as at a login; one that the target can't enter: `/`.
    Home,
    /// This one, entered as the target user; refused if that fails.
    Path(Bytes),
    /// This one of the invoking user's, resolved, entered as the target user; refused if that fails, or if the way there
    /// is another one by now.
    Asked(Bytes),
}
