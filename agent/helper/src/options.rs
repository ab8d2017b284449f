//! The command line: sudo's grammar, where sudo's clients depend on it, and a few options of ours.
//!
//! ```text
//! jit-sudo [options and VAR=value, mixed] [--] [command [argument ...]]
//! ```
//! Options end at `--` or at the first word that is neither an option nor has a `=`. A value option stands once.

mod asked;
mod given;
mod mistake;
mod purpose;
mod table;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use jit_protocol::Bytes;
use jit_protocol::request::{Mode, Shell};

use given::Given;
pub(crate) use mistake::Mistake;
pub(crate) use table::help;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Print the options.
    Help,
    /// Print the version.
    Version,
    /// `-k` alone and `-K`: drop authentication records.
    Forget {
        /// All of the user's, not only this terminal's.
        all: bool,
    },
    /// Everything else.
    Elevate(Box<Asked>),
}

/// What is asked of the agent, as far as the command line says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Run, validate, list or explain.
    pub(crate) mode: Mode,
    /// The command and its arguments.
    pub(crate) command: Vec<OsString>,
    /// `-s` and `-i`.
    pub(crate) shell: Option<Shell>,
    /// `-e`: the command is [`EDIT`], and its arguments are files.
    pub(crate) edit: bool,
    /// It was not `-e` that said so, but the command.
    pub(crate) edit_is_command: bool,
    /// `-ll`.
    pub(crate) detailed: bool,
    /// `-U`.
    pub(crate) other_user: Option<String>,
    /// `VAR=value`.
    pub(crate) assignments: Vec<(Bytes, Bytes)>,
    /// `-u`.
    pub(crate) user: Option<String>,
    /// `-g`.
    pub(crate) group: Option<String>,
    /// `-E`.
    pub(crate) preserve_environment: bool,
    /// `--preserve-env=`.
    pub(crate) preserve_names: Vec<Bytes>,
    /// `--reason`.
    pub(crate) reason: Option<String>,
    /// `--for`, in seconds.
    pub(crate) duration: Option<u64>,
    /// `--rule`.
    pub(crate) rule: Option<String>,
    /// `-D`.
    pub(crate) folder: Option<OsString>,
    /// `-T`, in seconds.
    pub(crate) timeout: Option<u64>,
    /// `-P`.
    pub(crate) preserve_groups: bool,
    /// `-b`.
    pub(crate) background: bool,
    /// `-n`.
    pub(crate) non_interactive: bool,
    /// `-k` beside something else.
    pub(crate) ignore_record: bool,
    /// `-N`.
    pub(crate) no_update: bool,
    /// `-S`.
    pub(crate) stdin: bool,
    /// `-A`.
    pub(crate) askpass: bool,
    /// `-B`.
    pub(crate) bell: bool,
    /// `-p`.
    pub(crate) prompt: Option<Vec<u8>>,
    /// `--token`: a file, or `-`.
    pub(crate) token: Option<OsString>,
    /// It is not to run now.
    pub(crate) make: Option<Make>,
    /// `--wait`.
    pub(crate) wait: Option<Wait>,
    /// `--json`.
    pub(crate) json: bool,
}

/// What is made instead of running the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Make {
    /// `--make-token`: what approvers sign.
    Token {
        /// From when on it shall be good.
        not_before: Option<String>,
        /// For how many seconds.
        valid: Option<u64>,
    },
    /// `--make-request`: a request ahead of time.
    Request {
        /// From when on it may run.
        from: Option<String>,
    },
}

/// How long is waited for somebody else's yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until there is an answer.
    Answered,
    /// So many seconds at most.
    Seconds(u64),
}

/// An option that is on or off. The number is its place in [`Given::flags`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    NonInteractive,
    Stdin,
    Askpass,
    Bell,
    Forget,
    ForgetAll,
    NoUpdate,
    Validate,
    List,
    SetHome,
    PreserveGroups,
    Background,
    Login,
    Shell,
    Edit,
    Explain,
    Approve,
    MakeToken,
    MakeRequest,
    Json,
}

/// An option with a value. The number is its place in [`Given::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    User,
    Group,
    OtherUser,
    Prompt,
    Folder,
    Timeout,
    CloseFrom,
    Reason,
    For,
    Rule,
    Token,
    From,
    Valid,
    RequestFrom,
}

/// The command that stands for `-e`, and the name under which this program does nothing else.
pub(crate) const EDIT: &str = "sudoedit";

/// Reads the words after the program's name. `variable` looks into the environment.
///
/// # Errors
/// [`Mistake`], for the first thing that is wrong.
pub(crate) fn parse(
    name: &str,
    words: &[OsString],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Action, Mistake> {
    let mut given = Given::default();
    given.flags.extend((name == EDIT).then_some(Flag::Edit));
    let mut words = words.iter();
    let command = loop {
        let Some(word) = words.next() else { break Vec::new() };
        let bytes = word.as_bytes();
        if bytes == b"--" {
            break words.cloned().collect();
        } else if let Some(long) = bytes.strip_prefix(b"--") {
            given.long(long, &mut words)?;
        } else if let Some(letters) = bytes.strip_prefix(b"-").filter(|letters| !letters.is_empty()) {
            given.short(letters, &mut words)?;
        } else if let Some(assignment) = assignment(bytes)? {
            given.assignments.push(assignment);
        } else {
            break std::iter::once(word).chain(words).cloned().collect();
        }
        if let Some(action) = given.at_once.take() {
            return Ok(action);
        }
    };
    given.finish(command, variable)
}

/// `VAR=value`, as sudo tells it: it has a `=` and does not begin with a slash.
fn assignment(word: &[u8]) -> Result<Option<(Bytes, Bytes)>, Mistake> {
    let Some(at) = word.iter().position(|byte| *byte == b'=') else { return Ok(None) };
    if word.starts_with(b"/") {
        return Ok(None);
    }
    let (name, value) = word.split_at(at);
    if name.is_empty() {
        return Err(Mistake::NoVariable);
    }
    Ok(Some((name.into(), value.get(1..).unwrap_or_default().into())))
}

/// The name that messages begin with: `sudo` if called by that name, because sudo's clients look for it. Debian's
/// `sudoedit` is a link to what is called `sudo`, and so leads here where it was moved aside (`sudoedit.distrib`): what is
/// given to it is never a command.
pub(crate) fn program_name(called_as: Option<&OsStr>) -> &'static str {
    let base = called_as.map(OsStr::as_bytes).unwrap_or_default().rsplit(|byte| *byte == b'/').next();
    match base {
        Some(b"sudo") => "sudo",
        Some(name) if name.starts_with(b"sudoedit") => EDIT,
        _ => "jit-sudo",
    }
}
