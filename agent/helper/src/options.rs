//! The command line: sudo's grammar, where sudo's clients depend on it, and a few options of ours.
//!
//! ```text
//! jit-sudo [options and VAR=value, mixed] [--] [command [argument ...]]
//! ```
//! Options end at `--` or at the first word that is neither an option nor has a `=`. A value option stands once.

mod mistake;
mod table;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use jit_protocol::Bytes;
use jit_protocol::request::{Mode, Shell};

pub(crate) use mistake::Mistake;
pub(crate) use table::help;
use table::{Argument, Entry, Meaning, TABLE};

use crate::duration;

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
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Run, validate, list or explain.
    pub(crate) mode: Mode,
    /// The command and its arguments.
    pub(crate) command: Vec<OsString>,
    /// `-s` and `-i`.
    pub(crate) shell: Option<Shell>,
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
    /// `-n`.
    pub(crate) non_interactive: bool,
    /// `-k` beside something else.
    pub(crate) ignore_record: bool,
    /// `-S`.
    pub(crate) stdin: bool,
    /// `-p`.
    pub(crate) prompt: Option<Vec<u8>>,
}

/// An option that is on or off. The number is its place in [`Given::flags`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    NonInteractive,
    Stdin,
    Forget,
    ForgetAll,
    Validate,
    List,
    SetHome,
    Login,
    Shell,
    Explain,
}

/// An option with a value. The number is its place in [`Given::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    User,
    Group,
    Prompt,
    Reason,
    For,
    Rule,
}

/// Reads the words after the program's name. `variable` looks into the environment.
///
/// # Errors
/// [`Mistake`], for the first thing that is wrong.
pub(crate) fn parse(
    words: &[OsString],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Action, Mistake> {
    let mut given = Given::default();
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

#[derive(Default)]
struct Given {
    flags: Vec<Flag>,
    values: Vec<(Value, OsString)>,
    assignments: Vec<(Bytes, Bytes)>,
    preserve_environment: bool,
    preserve_names: Vec<Bytes>,
    /// `--help` and `--version` end the reading.
    at_once: Option<Action>,
}

type Words<'a> = std::slice::Iter<'a, OsString>;

impl Given {
    fn long(&mut self, word: &[u8], words: &mut Words<'_>) -> Result<(), Mistake> {
        let (name, joined) = match word.iter().position(|byte| *byte == b'=') {
            Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
            None => (word, None),
        };
        let shown = || format!("--{}", jit_protocol::escape(name));
        let entry = TABLE
            .iter()
            .find(|entry| entry.long.as_bytes() == name)
            .ok_or_else(|| Mistake::Unknown(shown()))?;
        let value = match (entry.argument, joined) {
            (Argument::None, Some(_)) => return Err(Mistake::TakesNoValue(shown())),
            (Argument::Required(_), None) if is_wanted(entry) => {
                Some(words.next().cloned().ok_or_else(|| Mistake::NeedsValue(shown()))?)
            }
            (_, joined) => joined.map(|value| OsString::from_vec(value.to_vec())),
        };
        self.apply(entry, &shown(), value)
    }

    fn short(&mut self, letters: &[u8], words: &mut Words<'_>) -> Result<(), Mistake> {
        let mut letters = letters.iter();
        while let Some(letter) = letters.next() {
            let shown = format!("-{}", jit_protocol::escape(&[*letter]));
            let entry = TABLE
                .iter()
                .find(|entry| entry.short == Some(*letter))
                .ok_or_else(|| Mistake::Unknown(shown.clone()))?;
            let joined = letters.as_slice();
            if matches!(entry.meaning, Meaning::Help) {
                // sudo's `-h host`: a host may be joined, or the next word if that is no option.
                let next = words.as_slice().first().is_some_and(|word| !word.as_bytes().starts_with(b"-"));
                if next || !joined.is_empty() {
                    return Err(Mistake::host());
                }
            }
            if matches!(entry.argument, Argument::Required(_)) && is_wanted(entry) {
                let value = match joined {
                    [] => words.next().cloned().ok_or_else(|| Mistake::NeedsValue(shown.clone()))?,
                    joined => OsString::from_vec(joined.to_vec()),
                };
                return self.apply(entry, &shown, Some(value));
            }
            self.apply(entry, &shown, None)?;
        }
        Ok(())
    }

    fn apply(&mut self, entry: &Entry, shown: &str, value: Option<OsString>) -> Result<(), Mistake> {
        match entry.meaning {
            Meaning::NotBuilt => return Err(Mistake::NotBuilt(shown.to_owned())),
            Meaning::Refused(why) => return Err(Mistake::Refused(shown.to_owned(), why)),
            Meaning::Help => self.at_once = Some(Action::Help),
            Meaning::Version => self.at_once = Some(Action::Version),
            Meaning::Flag(Flag::List) if self.has(Flag::List) => {
                return Err(Mistake::NotBuilt("-ll".to_owned()));
            }
            Meaning::Flag(flag) => self.flags.push(flag),
            Meaning::Value(which) => {
                let value = value.unwrap_or_default();
                if self.values.iter().any(|(other, _)| *other == which) {
                    return Err(Mistake::Twice(shown.to_owned()));
                }
                if value.is_empty() && which != Value::Prompt {
                    return Err(Mistake::NeedsValue(shown.to_owned()));
                }
                self.values.push((which, value));
            }
            Meaning::PreserveEnvironment => match value {
                None => self.preserve_environment = true,
                Some(names) => {
                    let names = names.as_bytes().split(|byte| *byte == b',').filter(|name| !name.is_empty());
                    for name in names {
                        if name.contains(&b'=') {
                            return Err(Mistake::NotAName(shown.to_owned()));
                        }
                        self.preserve_names.push(name.into());
                    }
                }
            },
        }
        Ok(())
    }

    fn wants_shell(&self) -> bool {
        self.has(Flag::Login) || self.has(Flag::Shell)
    }

    fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    fn finish(
        mut self,
        command: Vec<OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Action, Mistake> {
        let purpose = self.purpose(&command)?;
        self.check_fits(purpose, &command)?;
        let mode = match purpose {
            Purpose::Forget => return Ok(Action::Forget { all: false }),
            Purpose::ForgetAll => return Ok(Action::Forget { all: true }),
            Purpose::Run => Mode::Run,
            Purpose::Validate => Mode::Validate,
            Purpose::List => Mode::List,
            Purpose::Explain => Mode::Explain,
        };
        // From the environment only where the option could stand too: automation sets it once for all calls.
        let shell = match (self.has(Flag::Login), self.has(Flag::Shell)) {
            (true, _) => Some(Shell::Login),
            (_, true) => Some(Shell::Plain),
            _ => None,
        };
        let about_command = !command.is_empty() || shell.is_some();
        let mut value = |which, name: &'static str, long: &'static str| {
            let given = self
                .values
                .iter()
                .position(|(other, _)| *other == which)
                .map(|at| self.values.swap_remove(at).1);
            match given {
                Some(value) => Some((value, long)),
                None => variable(name)
                    .filter(|value| !value.is_empty() && about_command)
                    .map(|value| (value, name)),
            }
        };
        let reason = text(value(Value::Reason, "JIT_REASON", "--reason"))?;
        let rule = text(value(Value::Rule, "JIT_RULE", "--rule"))?;
        let duration = match value(Value::For, "JIT_FOR", "--for") {
            Some((value, from)) => Some(duration::parse(value.as_bytes()).ok_or(Mistake::Duration(from))?),
            None => None,
        };
        let mut plain = |which| {
            self.values.iter().position(|(other, _)| *other == which).map(|at| self.values.swap_remove(at).1)
        };
        let prompt = plain(Value::Prompt).or_else(|| variable("SUDO_PROMPT")).map(OsString::into_vec);
        let user = text(plain(Value::User).map(|value| (value, "-u")))?;
        let group = text(plain(Value::Group).map(|value| (value, "-g")))?;
        Ok(Action::Elevate(Box::new(Asked {
            mode,
            command,
            shell,
            user,
            group,
            reason,
            duration,
            rule,
            prompt,
            non_interactive: self.has(Flag::NonInteractive),
            ignore_record: self.has(Flag::Forget),
            stdin: self.has(Flag::Stdin),
            preserve_environment: self.preserve_environment,
            preserve_names: self.preserve_names,
            assignments: self.assignments,
        })))
    }

    /// What the options are for, all together: at most one of them may say so. `-k` says so only if nothing else does.
    fn purpose(&self, command: &[OsString]) -> Result<Purpose, Mistake> {
        let mut purpose = None;
        for (flag, says) in [
            (Flag::ForgetAll, Purpose::ForgetAll),
            (Flag::Validate, Purpose::Validate),
            (Flag::List, Purpose::List),
            (Flag::Explain, Purpose::Explain),
        ] {
            if self.has(flag)
                && let Some(other) = purpose.replace(says)
            {
                return Err(Mistake::Conflict(other.option(), says.option()));
            }
        }
        if self.has(Flag::ForgetAll) && self.has(Flag::Forget) {
            return Err(Mistake::Conflict("-k", "-K"));
        }
        let alone = self.has(Flag::Forget) && command.is_empty() && !self.wants_shell();
        Ok(purpose.unwrap_or(if alone { Purpose::Forget } else { Purpose::Run }))
    }

    fn check_fits(&self, purpose: Purpose, command: &[OsString]) -> Result<(), Mistake> {
        let bare_list = purpose == Purpose::List && command.is_empty();
        let runs = matches!(purpose, Purpose::Run | Purpose::Explain);
        let option = purpose.option();
        match command.first() {
            None if runs && !self.wants_shell() => return Err(Mistake::NoCommand),
            Some(_) if !runs && purpose != Purpose::List => return Err(Mistake::TakesNoCommand(option)),
            Some(name) if name.is_empty() && !self.wants_shell() => return Err(Mistake::NoCommand),
            _ => {}
        }
        if runs {
            return match (self.has(Flag::Login), self.has(Flag::Shell)) {
                (true, true) => Err(Mistake::Conflict("-i", "-s")),
                (true, _) if self.preserve_environment => Err(Mistake::Conflict("-i", "-E")),
                _ => Ok(()),
            };
        }
        if self.wants_shell() {
            return Err(Mistake::Conflict(option, if self.has(Flag::Login) { "-i" } else { "-s" }));
        }
        if self.preserve_environment || !self.preserve_names.is_empty() {
            return Err(Mistake::Conflict(option, "-E"));
        }
        let asks_for_command = purpose == Purpose::List && !bare_list;
        if !asks_for_command && !self.assignments.is_empty() {
            return Err(Mistake::Conflict(option, "VAR=value"));
        }
        for (value, _) in &self.values {
            let fits = match value {
                Value::Prompt => true,
                Value::User | Value::Group => asks_for_command || purpose == Purpose::Validate,
                Value::Reason | Value::For | Value::Rule => asks_for_command,
            };
            if !fits {
                return Err(Mistake::Conflict(option, value.option()));
            }
        }
        Ok(())
    }
}

/// What a command line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Run,
    Validate,
    List,
    Explain,
    Forget,
    ForgetAll,
}

impl Purpose {
    fn option(self) -> &'static str {
        match self {
            Self::Run => "a command",
            Self::Validate => "-v",
            Self::List => "-l",
            Self::Explain => "--explain",
            Self::Forget => "-k",
            Self::ForgetAll => "-K",
        }
    }
}

impl Value {
    fn option(self) -> &'static str {
        match self {
            Self::User => "-u",
            Self::Group => "-g",
            Self::Prompt => "-p",
            Self::Reason => "--reason",
            Self::For => "--for",
            Self::Rule => "--rule",
        }
    }
}

/// Only of an option that exists its value is looked for: one that is refused is refused without.
fn is_wanted(entry: &Entry) -> bool {
    matches!(entry.meaning, Meaning::Value(_))
}

fn text(value: Option<(OsString, &'static str)>) -> Result<Option<String>, Mistake> {
    value.map(|(value, from)| value.into_string().map_err(|_| Mistake::NotText(from))).transpose()
}

/// The name that messages begin with: `sudo` if called by that name, because sudo's clients look for it.
pub(crate) fn program_name(called_as: Option<&OsStr>) -> &'static str {
    let base = called_as.map(OsStr::as_bytes).unwrap_or_default().rsplit(|byte| *byte == b'/').next();
    match base {
        Some(b"sudo") => "sudo",
        Some(b"sudoedit") => "sudoedit",
        _ => "jit-sudo",
    }
}
