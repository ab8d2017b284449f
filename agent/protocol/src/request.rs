//! What helper and command line ask of the agent. Nothing in here says who asks: that comes from the kernel.

use serde::{Deserialize, Serialize};

use crate::{Bytes, VERSION};

/// The whole text of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// [`VERSION`]; anything else is refused.
    pub version: u8,
    /// The agent's challenge, where there was one (kernels without `SO_PEERPIDFD`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Bytes>,
    /// What is asked.
    pub request: Request,
}

impl Envelope {
    /// A request of this version.
    pub fn new(request: Request, nonce: Option<Bytes>) -> Self {
        Self { version: VERSION, nonce, request }
    }
}

/// One request a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Run, validate, list or explain. Answered with frames (`frame.rs`), the descriptors follow in a frame of their own.
    Elevate(Box<Elevate>),
    /// `-k` (this terminal's) and `-K` (all of the user's) authentication records. Answered with a frame `Output`.
    Forget {
        /// All records of the invoking user, not only this terminal's.
        all: bool,
    },
    /// How the agent is. Answered with [`crate::response::Response`], as all that follow.
    Status,
    /// Live grants: the peer's own; with `all`, for uid 0, everyone's.
    Grants {
        /// Everyone's.
        all: bool,
    },
    /// Live sessions: the peer's own; with `all`, for uid 0, everyone's.
    Sessions {
        /// Everyone's.
        all: bool,
    },
    /// End grants and their sessions.
    Revoke(Revoke),
    /// Requests for approval: the peer's own and those it may answer; for uid 0 all.
    Requests,
    /// Answered once a request of the peer's own is decided, or after a while: then it still waits.
    Await {
        /// Its id.
        request: String,
    },
    /// No to a request that the peer may answer; of its own it is withdrawn. (A yes is [`Mode::Approve`].)
    Decline {
        /// Its id.
        request: String,
        /// Why, for the log and for who asked.
        reason: Option<String>,
    },
    /// A grant for a command, ahead of time: filed where somebody has to approve it, else issued at once.
    Ask(Box<Ahead>),
    /// What an approver elsewhere is to sign. Nothing is run, filed or kept.
    Token(Box<Wish>),
    /// Where the audit log's chain ends, to verify the log against. For uid 0.
    AuditHead,
    /// Go on in a new file of the audit log. For uid 0.
    RotateAudit {
        /// Only if the one before is as large or as old as the settings say.
        if_due: bool,
    },
    /// Load policy again. For uid 0.
    Reload {
        /// Accept a policy that locks administrators out.
        force: bool,
    },
}

/// A token that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// The command, as if it was to run now.
    pub asked: Elevate,
    /// RFC 3339: from when on it may be spent; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// For how many seconds from then on; absent: as long as the rule lets a request wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<u64>,
}

/// What is asked for ahead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ahead {
    /// The command, as if it was to run now.
    pub asked: Elevate,
    /// From when on it may run: RFC 3339, or the next time that the host's clock shows it (`22:00`). Absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// What to revoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Revoke {
    /// One grant by its id.
    Grant(String),
    /// All grants of a user (a name or `#uid`).
    User(String),
    /// All grants the peer may end: its own; for uid 0 everyone's.
    All,
}

/// What the helper wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Run the command.
    Run,
    /// `-v`: authenticate and renew the record, run nothing. No command.
    Validate,
    /// `-l`: what the invoking user may run; with a command: whether that one.
    List,
    /// `--explain`: why, run nothing. Answered by the agent itself.
    Explain,
    /// `--approve`: authenticate, say yes to another person's request, run nothing. The command is the request's id and the
    /// digest of what was shown.
    Approve,
}

/// A shell in the place of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shell {
    /// `-s`: the one that the variable `SHELL` names, or the invoking user's own.
    Plain,
    /// `-i`: the target user's, as at a login.
    Login,
}

/// One elevation asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elevate {
    /// What to do.
    pub mode: Mode,
    /// The command as typed and its arguments; `command[0]` becomes `argv[0]`. Empty for `-v` and plain `-l`. With `shell`
    /// the words that the shell is to run; none: it reads them itself.
    pub command: Vec<Bytes>,
    /// `-s` and `-i`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Shell>,
    /// `-e`: the files to edit, made absolute by the helper, not resolved. Then the command is `sudoedit`, and the files as typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Vec<Bytes>>,
    /// Absolute path of the command, if what was typed has a slash in it (made absolute by the helper, not resolved);
    /// else the agent looks in the rule's `secure_path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Bytes>,
    /// `-ll`: in full.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detailed: bool,
    /// `-U`: list for this user (a name or `#uid`, as typed) instead of the invoking one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_user: Option<String>,
    /// `-u`: a name or `#uid`, as typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `-g`: a name or `#gid`, as typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `-D`, made absolute by the helper; if that is the working folder itself, in the same words as `cwd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<Bytes>,
    /// `-T`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// `-P`: keep the invoking user's groups.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preserve_groups: bool,
    /// `-b`: the helper leaves once the command runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// The helper's whole environment. Policy picks; the rest is dropped. A name given twice is refused.
    pub environment: Vec<(Bytes, Bytes)>,
    /// `VAR=value` before the command: refused where policy does not allow them.
    pub assignments: Vec<(Bytes, Bytes)>,
    /// `-E`: keep what policy allows, drop the rest without noise.
    pub preserve_environment: bool,
    /// `--preserve-env=LIST`.
    pub preserve_names: Vec<Bytes>,
    /// `--reason`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `--for`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// `--rule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// `--token`: the text of a token to spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// `-n`: never ask a person.
    pub non_interactive: bool,
    /// `-k` with a command: use no authentication record and make none.
    pub ignore_record: bool,
    /// `-N`: make no authentication record; one that is there is used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_update: bool,
    /// `-p`, with sudo's `%` escapes; empty: no prompt at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Bytes>,
    /// Whether the helper can ask a person at all (a terminal, `-S`, or a program that asks).
    pub can_ask: bool,
    /// The helper's terminal, if it has one: then the command gets a terminal of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Terminal>,
    /// The working folder as the helper sees it: for policy's and the audit log's eyes; entered by descriptor.
    pub cwd: Bytes,
    /// Signals among HUP, INT and QUIT that the helper found ignored (`nohup`, a background job): numbers.
    pub ignored_signals: Vec<i32>,
}

/// A terminal's size and settings, for ours to start with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
    /// `c_iflag`, `c_oflag`, `c_cflag`, `c_lflag` of termios(3).
    pub flags: [u32; 4],
    /// `c_cc` of termios(3): at most 32 characters.
    pub control_characters: Vec<u8>,
    /// What is typed is the command's from the start. Otherwise it begins in the background: it is stopped once it wants to
    /// read, and gets the keys then.
    pub foreground: bool,
}
