//! Every option there is, one line each: the grammar, and the text of `--help`.
//!
//! The names, short and long, are those of sudo(8); what is ours is long only. An option of sudo's that is not built yet
//! stands here too, so that it is refused by name instead of being taken for something else.

use std::fmt::Write as _;

use super::{EDIT, Flag, Value};

/// One option.
pub(super) struct Entry {
    /// Its letter, if it has one.
    pub(super) short: Option<u8>,
    /// Its long name, without the dashes; every option has one, but `-ll`.
    pub(super) long: &'static str,
    /// What follows it.
    pub(super) argument: Argument,
    /// What it does.
    pub(super) meaning: Meaning,
    /// For `--help`; empty: not listed.
    pub(super) help: &'static str,
}

/// What follows an option.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument {
    /// Nothing.
    None,
    /// A value, joined or as the next word; its name for `--help`.
    Required(&'static str),
    /// A value only if it is joined with `=`, and only to the long name.
    Joined(&'static str),
}

/// What an option does.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    /// It is on.
    Flag(Flag),
    /// It has this value.
    Value(Value),
    /// `-E` alone, or with a list of names.
    PreserveEnvironment,
    /// Waits, with a value at most so long.
    Wait,
    /// Prints the options. As `-h HOST`, sudo's remote host.
    Help,
    /// Prints the version.
    Version,
    /// Will exist.
    NotBuilt,
    /// Will never exist, and why.
    Refused(&'static str),
}

use Argument::{Joined, None as Alone, Required};
use Meaning::{NotBuilt, PreserveEnvironment, Refused};

const fn on(short: u8, long: &'static str, flag: Flag, help: &'static str) -> Entry {
    Entry { short: Some(short), long, argument: Alone, meaning: Meaning::Flag(flag), help }
}

/// Not in `--help`.
const fn on_long(long: &'static str, flag: Flag) -> Entry {
    Entry { short: None, long, argument: Alone, meaning: Meaning::Flag(flag), help: "" }
}

const fn takes(
    short: Option<u8>,
    long: &'static str,
    name: &'static str,
    value: Value,
    help: &'static str,
) -> Entry {
    Entry { short, long, argument: Required(name), meaning: Meaning::Value(value), help }
}

const fn other(short: Option<u8>, long: &'static str, argument: Argument, meaning: Meaning) -> Entry {
    Entry { short, long, argument, meaning, help: "" }
}

/// All options.
pub(super) const TABLE: &[Entry] = &[
    on(b'n', "non-interactive", Flag::NonInteractive, "ask nobody; fail if somebody would have to be asked"),
    on(
        b'i',
        "login",
        Flag::Login,
        "run the target user's shell as at a login; with a command: by that shell",
    ),
    on(b's', "shell", Flag::Shell, "run the shell of SHELL, or your own; with a command: by that shell"),
    on(
        b'e',
        "edit",
        Flag::Edit,
        "edit files: a copy with your own editor, saved as the target user (sudoedit)",
    ),
    takes(Some(b'u'), "user", "USER", Value::User, "run as this user (a name or #uid) instead of root"),
    takes(Some(b'g'), "group", "GROUP", Value::Group, "run with this group (a name or #gid)"),
    on(b'S', "stdin", Flag::Stdin, "read the password from standard input, prompt on standard error"),
    on(b'A', "askpass", Flag::Askpass, "let the program that SUDO_ASKPASS names ask for the password"),
    on(b'B', "bell", Flag::Bell, "ring the bell before asking"),
    takes(
        Some(b'p'),
        "prompt",
        "TEXT",
        Value::Prompt,
        "ask with this prompt: %p %u %U %h %H %% are replaced",
    ),
    on(
        b'k',
        "reset-timestamp",
        Flag::Forget,
        "forget this terminal's authentication; with a command: ignore it",
    ),
    on(b'K', "remove-timestamp", Flag::ForgetAll, "forget every authentication"),
    on(b'N', "no-update", Flag::NoUpdate, "do not keep this authentication"),
    on(b'v', "validate", Flag::Validate, "authenticate, run nothing"),
    on(
        b'l',
        "list",
        Flag::List,
        "list what you may run; with a command: whether you may run it; twice: in full",
    ),
    takes(Some(b'U'), "other-user", "USER", Value::OtherUser, "with -l: list for this user; for root"),
    Entry {
        short: Some(b'E'),
        long: "preserve-env",
        argument: Joined("NAMES"),
        meaning: PreserveEnvironment,
        help: "keep the environment, or the variables named, as far as policy allows",
    },
    on(b'H', "set-home", Flag::SetHome, "set HOME to the target user's (it always is)"),
    takes(Some(b'D'), "chdir", "FOLDER", Value::Folder, "run it in this folder, if policy allows"),
    takes(
        Some(b'T'),
        "command-timeout",
        "TIME",
        Value::Timeout,
        "end it after this time: seconds, or 15m, 1h30m; the grant's end comes first",
    ),
    on(b'b', "background", Flag::Background, "run it in the background, until it or its grant ends"),
    on(b'P', "preserve-groups", Flag::PreserveGroups, "keep your groups, if policy allows (run_as_groups)"),
    takes(
        Some(b'C'),
        "close-from",
        "NUMBER",
        Value::CloseFrom,
        "pass on no descriptor from this one on (only 0, 1 and 2 ever are)",
    ),
    takes(None, "reason", "TEXT", Value::Reason, "why it is needed (also from JIT_REASON)"),
    takes(
        None,
        "for",
        "DURATION",
        Value::For,
        "how long the grant shall live: 90s, 15m, 1h30m, 7d (also from JIT_FOR)",
    ),
    takes(None, "rule", "ID", Value::Rule, "use this rule (also from JIT_RULE)"),
    Entry {
        short: None,
        long: "wait",
        argument: Joined("DURATION"),
        meaning: Meaning::Wait,
        help: "wait until somebody has approved it, if policy wants that, and run it then",
    },
    Entry {
        short: None,
        long: "json",
        argument: Alone,
        meaning: Meaning::Flag(Flag::Json),
        help: "tell a refusal, or a request that waits for approval, as one JSON object",
    },
    takes(
        None,
        "token",
        "FILE",
        Value::Token,
        "spend this token, which approvers have signed; -: from standard input (also from JIT_TOKEN)",
    ),
    // For jitctl token request, which makes its request as this program makes that of a command.
    on_long("make-token", Flag::MakeToken),
    takes(None, "make-token-from", "TIME", Value::From, ""),
    takes(None, "make-token-valid", "DURATION", Value::Valid, ""),
    // For jitctl request.
    on_long("make-request", Flag::MakeRequest),
    takes(None, "make-request-from", "TIME", Value::RequestFrom, ""),
    // For jitctl approve, which asks for the password by this program alone.
    on_long("approve", Flag::Approve),
    Entry {
        short: None,
        long: "explain",
        argument: Alone,
        meaning: Meaning::Flag(Flag::Explain),
        help: "print why it is permitted or denied, run nothing",
    },
    Entry {
        short: Some(b'h'),
        long: "help",
        argument: Alone,
        meaning: Meaning::Help,
        help: "print the options",
    },
    Entry {
        short: Some(b'V'),
        long: "version",
        argument: Alone,
        meaning: Meaning::Version,
        help: "print the version",
    },
    // sudo's that are refused for good.
    other(None, "host", Required("HOST"), Refused("policy is evaluated for this host and no other")),
    other(
        Some(b'R'),
        "chroot",
        Required("FOLDER"),
        Refused("a root folder of the invoking user's choice cannot be made safe"),
    ),
    // sudo's and ours that are not built yet.
    other(Some(b'r'), "role", Required("ROLE"), NotBuilt),
    other(Some(b't'), "type", Required("TYPE"), NotBuilt),
];

/// What `--help` prints: built from the table, so that it is complete.
pub(crate) fn help(name: &str) -> String {
    let mut text = if name == EDIT {
        format!("usage: {name} [options] [--] file ...\n\noptions:\n")
    } else {
        format!(
            "usage: {name} [options] [VAR=value ...] [--] command [argument ...]\n       {name} -i | -s [options] [VAR=value ...] [command [argument ...]]\n       {name} -e [options] [--] file ...\n\noptions:\n"
        )
    };
    for entry in TABLE.iter().filter(|entry| !entry.help.is_empty()) {
        let short =
            entry.short.map_or_else(|| "    ".to_owned(), |letter| format!("-{}, ", char::from(letter)));
        let long = match entry.argument {
            Alone => format!("--{}", entry.long),
            Required(value) => format!("--{} {value}", entry.long),
            Joined(value) => format!("--{}[={value}]", entry.long),
        };
        let _ = writeln!(text, "  {short}{long:<24} {}", entry.help); // writing to a String cannot fail
    }
    text
}
