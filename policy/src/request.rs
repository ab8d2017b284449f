//! A request: who asks, for whom, to run what, and with which options.

use std::time::Duration;

use crate::account::{Account, Group, Host};
use crate::login_session::LoginSession;
use crate::pattern::is_normal;
use crate::sha256::Sha256;
use crate::when::Zones;

/// What stands in the place of a program's path when files are edited.
pub const EDIT: &str = "sudoedit";

/// One request for elevation, all facts established by the caller.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The invoking user.
    pub user: &'a Account,
    /// This host.
    pub host: Host<'a>,
    /// The target user and group.
    pub target: Target<'a>,
    /// The command.
    pub command: Command<'a>,
    /// Whether the request comes from inside another elevated session.
    pub nested: bool,
    /// The time of the request.
    pub now: jiff::Timestamp,
    /// What the clocks on the walls show then.
    pub zones: &'a dyn Zones,
    /// What is known of the login session that the request comes from.
    pub login: &'a LoginSession,
    /// Options that only some rules can serve.
    pub asked: Asked<'a>,
}

/// Whom the command runs as.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The target user. Without `-u` and `-g` root; for `-g` alone the invoking user.
    pub account: &'a Account,
    /// The group that `-g` names.
    pub group: Option<&'a Group>,
}

/// The command, as bytes.
#[derive(Clone, Copy)]
pub struct Command<'a> {
    /// The name that was asked for, made absolute, its folder resolved, its last component not.
    pub path: &'a [u8],
    /// The file it leads to, all links followed; `None` if there is none. If that can't be told, refuse the request:
    /// a deny could be missed.
    pub leads_to: Option<&'a [u8]>,
    /// The arguments after the program's name; of an edit the files, absolute and resolved.
    pub args: &'a [Vec<u8>],
    /// Files are to be edited (`-e`): the path is [`EDIT`], nothing leads anywhere, and whoever asks has seen to it that the
    /// invoking user can't change which files these are.
    pub edits: bool,
    /// Every component of the path is owned by root and can be written by nobody else.
    pub trusted: bool,
    /// Resolves one argument for `{ under = "…" }`: `None` if it does not lead to anything. It is given any
    /// argument, also relative ones.
    pub under: &'a dyn Fn(&[u8]) -> Option<Resolved>,
    /// SHA-256 of the file that it leads to; else why that can't be told: then a pin does not hold in an allow and does in a
    /// deny. Asked only if all else of an entry with digests matches, and perhaps more than once: keep the answer.
    ///
    /// What runs must be what the answer was about: see [`crate::Candidate::sha256`].
    pub sha256: &'a dyn Fn() -> Result<Sha256, String>,
}

impl Command<'_> {
    /// Whether it is resolved as it must be: a path in another form could slip by a deny.
    pub(crate) fn is_resolved(&self) -> bool {
        if !self.edits {
            return is_normal(self.path);
        }
        let is_file = |path: &Vec<u8>| is_normal(path) && path.len() > 1;
        self.path == EDIT.as_bytes() && !self.args.is_empty() && self.args.iter().all(is_file)
    }
}

/// What an argument resolves to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Absolute, without `.`, `..` and links.
    pub path: Vec<u8>,
    /// Whether the invoking user can write any component of it.
    pub writable: bool,
}

/// Options of the request that only some rules can serve.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// `-D`: the folder to run in, resolved.
    pub cwd: Option<&'a [u8]>,
    /// That folder is the one that the invoking user is in.
    pub cwd_is_callers: bool,
    /// `-P`: with the groups of the invoking user, in the place of the target's.
    pub preserve_groups: bool,
    /// `-T`: end the command after this long.
    pub timeout: Option<Duration>,
    /// `--for`: how long the grant shall live.
    pub duration: Option<Duration>,
    /// The names of all `VAR=value`.
    pub assignments: &'a [Vec<u8>],
    /// `--rule`: use only this one.
    pub rule: Option<&'a str>,
    /// `-n`: nobody can be asked. Which duties are missing is known only to the caller, so that this changes
    /// nothing in [`crate::Policy::evaluate`]; see [`crate::choose`].
    pub non_interactive: bool,
}
