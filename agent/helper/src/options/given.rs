//! What stands on the command line, option by option, in every form that getopt(3) knows.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use jit_protocol::Bytes;

use super::table::{Argument, Entry, Meaning, TABLE};
use super::{Action, Flag, Mistake, Value, Wait};
use crate::duration;

/// What was given so far.
#[derive(Default)]
pub(super) struct Given {
    pub(super) flags: Vec<Flag>,
    pub(super) values: Vec<(Value, OsString)>,
    pub(super) assignments: Vec<(Bytes, Bytes)>,
    /// `-e` was not given, but [`super::EDIT`] as the command.
    pub(super) edit_is_command: bool,
    pub(super) preserve_environment: bool,
    pub(super) preserve_names: Vec<Bytes>,
    pub(super) wait: Option<Wait>,
    /// `--help` and `--version` end the reading.
    pub(super) at_once: Option<Action>,
}

pub(super) type Words<'a> = std::slice::Iter<'a, OsString>;

impl Given {
    pub(super) fn long(&mut self, word: &[u8], words: &mut Words<'_>) -> Result<(), Mistake> {
        let (name, joined) = match word.iter().position(|byte| *byte == b'=') {
            Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
            None => (word, None),
        };
        let shown = || format!("--{}", jit_protocol::escape(name));
        let entry = called(name).map_err(|candidates| match candidates {
            0 => Mistake::Unknown(shown()),
            _ => Mistake::Ambiguous(shown()),
        })?;
        let value = match (entry.argument, joined) {
            (Argument::None, Some(_)) => return Err(Mistake::TakesNoValue(shown())),
            (Argument::Required(_), None) if is_wanted(entry) => {
                Some(words.next().cloned().ok_or_else(|| Mistake::NeedsValue(shown()))?)
            }
            (_, joined) => joined.map(|value| OsString::from_vec(value.to_vec())),
        };
        self.apply(entry, &shown(), value)
    }

    pub(super) fn short(&mut self, letters: &[u8], words: &mut Words<'_>) -> Result<(), Mistake> {
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
            Meaning::Flag(flag) => self.flags.push(flag),
            Meaning::Wait if self.wait.is_some() => return Err(Mistake::Twice(shown.to_owned())),
            Meaning::Wait => {
                let seconds = |value: OsString| duration::parse(value.as_bytes()).map(Wait::Seconds);
                let wait = value.map_or(Some(Wait::Answered), seconds);
                self.wait = Some(wait.ok_or(Mistake::Duration("--wait"))?);
            }
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

    pub(super) fn wants_shell(&self) -> bool {
        self.has(Flag::Login) || self.has(Flag::Shell)
    }

    pub(super) fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }
}

/// The option of this long name, or the only one whose name begins so, as `getopt_long(3)` has it; else how many do.
fn called(name: &[u8]) -> Result<&'static Entry, usize> {
    if let Some(entry) = TABLE.iter().find(|entry| entry.long.as_bytes() == name) {
        return Ok(entry);
    }
    let begins = |entry: &&Entry| !name.is_empty() && entry.long.as_bytes().starts_with(name);
    let mut found = TABLE.iter().filter(begins);
    match (found.next(), found.count()) {
        (Some(entry), 0) => Ok(entry),
        (None, _) => Err(0),
        (Some(_), more) => Err(more + 1),
    }
}

/// Only of an option that exists its value is looked for: one that is refused is refused without.
fn is_wanted(entry: &Entry) -> bool {
    matches!(entry.meaning, Meaning::Value(_))
}
