//! What: programs and their arguments.

use std::borrow::Cow;
use std::sync::Arc;

use regex::bytes::Regex;

use super::folder::{is_below, is_normal};
use super::symbol::{Symbol, Symbols};
use super::word::Word;
use crate::request::Command;
use crate::sha256::Sha256;

/// One entry of `commands` or of a set of commands, without its program.
#[derive(Clone, Debug)]
pub(crate) struct CommandPattern {
    /// As the policy writes it.
    pub(crate) text: Box<str>,
    /// Of an edit the files, in no order; the rest is any file.
    pub(crate) arguments: Arguments,
    /// Only a file with one of these; sorted. None: any file.
    pub(crate) sha256: Box<[Sha256]>,
}

/// The program of an entry. A choice in the path makes several.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// The name, its folder resolved.
    Exact(Symbol),
    /// A glob; the folder is the longest one that it names without wildcards.
    Glob { folder: Symbol, word: Word },
}

/// Word for argument, argument for word.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) words: Box<[ArgPattern]>,
    /// A final `**`.
    pub(crate) rest: bool,
}

/// What one argument must be.
#[derive(Clone, Debug)]
pub(crate) enum ArgPattern {
    /// One of these words.
    Word(Box<[Word]>),
    /// The whole argument matches.
    Regex(Arc<Regex>),
    /// It leads to something below this folder.
    Under(Box<str>),
}

/// Entries, found by their program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Commands {
    /// "ALL"
    pub(crate) all: bool,
    /// Any pattern has digests.
    pub(crate) has_pins: bool,
    /// Sorted; the number is that of the pattern.
    pub(crate) exact: Box<[(Symbol, u32)]>,
    pub(crate) globs: Box<[(Symbol, Word, u32)]>,
    pub(crate) patterns: Box<[CommandPattern]>,
    /// "@service-nginx": the numbers of the sets.
    pub(crate) sets: Box<[u32]>,
}

/// One of `[sets.commands]`. Holds no sets.
#[derive(Debug)]
pub(crate) struct CommandSet {
    pub(crate) name: Box<str>,
    pub(crate) commands: Commands,
}

/// Which way a doubt falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The entry helps to permit: only the name that was asked for counts, and a doubt means no.
    Permits,
    /// The entry helps to deny: the name or the file it leads to counts, and a doubt means yes.
    Denies,
}

/// How a command matched a list; the smaller is preferred.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Matched {
    /// By "ALL".
    All,
    /// By name; with the arguments, if `under` replaced any.
    Named(Option<Vec<Vec<u8>>>),
}

/// Where the arguments of an entry and of a command differ first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mismatch<'c> {
    /// The number of the argument, from 1.
    pub(crate) at: usize,
    /// What was given; `None` if there is no more.
    pub(crate) given: Option<&'c [u8]>,
    /// What the entry wants; `None` if it wants no more.
    pub(crate) wanted: Option<&'c ArgPattern>,
}

impl Commands {
    /// How this command matches any of the entries that take any file. "ALL" is preferred, then an entry that replaces no
    /// argument, then the smallest arguments: so the order of entries never matters.
    pub(crate) fn matches(
        &self,
        command: &Command<'_>,
        side: Side,
        symbols: &Symbols,
        sets: &[CommandSet],
    ) -> Option<Matched> {
        let lists = || {
            [self]
                .into_iter()
                .chain(self.sets.iter().filter_map(|set| Some(&sets.get(*set as usize)?.commands)))
        };
        if lists().any(|list| list.all) {
            return Some(Matched::All);
        }
        if command.edits {
            let entries: Vec<&CommandPattern> =
                lists().flat_map(|list| list.with_program(command, side, symbols)).collect();
            let is_named =
                |file: &Vec<u8>| entries.iter().any(|entry| entry.arguments.name_file(file.as_slice()));
            // All of them to permit; to deny any.
            let named = match side {
                Side::Permits => !command.args.is_empty() && command.args.iter().all(is_named),
                Side::Denies => command.args.iter().any(is_named),
            };
            return named.then_some(Matched::Named(None));
        }
        lists()
            .flat_map(|list| list.with_program(command, side, symbols))
            .filter(|pattern| !pattern.is_pinned())
            .filter_map(|pattern| pattern.arguments.matches(command, side))
            .min()
    }

    /// The entries that match this command if its file has one of their digests; and how.
    pub(crate) fn pinned<'c>(
        &'c self,
        command: &Command<'_>,
        side: Side,
        symbols: &Symbols,
        sets: &'c [CommandSet],
    ) -> impl Iterator<Item = (&'c [Sha256], Matched)> {
        let sets = self.sets.iter().filter_map(|set| Some(&sets.get(*set as usize)?.commands));
        [self]
            .into_iter()
            .chain(sets)
            .filter(|list| list.has_pins)
            .flat_map(move |list| list.with_program(command, side, symbols))
            .filter(|pattern| pattern.is_pinned())
            .filter_map(move |pattern| Some((&*pattern.sha256, pattern.arguments.matches(command, side)?)))
    }

    /// Of the entries with this program, none of which matches, where the one that holds longest does no more. Of an edit
    /// the first file that none of them names.
    pub(crate) fn nearest<'c>(
        &'c self,
        command: &Command<'c>,
        side: Side,
        symbols: &Symbols,
        sets: &'c [CommandSet],
    ) -> Option<Mismatch<'c>> {
        let sets = self.sets.iter().filter_map(|set| Some(&sets.get(*set as usize)?.commands));
        let lists = [self].into_iter().chain(sets);
        let entries: Vec<&CommandPattern> =
            lists.flat_map(|list| list.with_program(command, side, symbols)).collect();
        if command.edits && !entries.is_empty() {
            let is_named = |file: &[u8]| entries.iter().any(|entry| entry.arguments.name_file(file));
            let mut files = command.args.iter().map(Vec::as_slice).enumerate();
            let (at, file) = files.find(|(_, file)| !is_named(file))?;
            return Some(Mismatch { at: at + 1, given: Some(file), wanted: None });
        }
        let mut nearest: Option<Mismatch<'c>> = None;
        for mismatch in entries.iter().filter_map(|entry| entry.arguments.mismatch(command, side)) {
            if nearest.is_none_or(|other| other.at < mismatch.at) {
                nearest = Some(mismatch);
            }
        }
        nearest
    }

    /// The entries of this list whose program matches.
    fn with_program<'c>(
        &'c self,
        command: &Command<'_>,
        side: Side,
        symbols: &Symbols,
    ) -> impl Iterator<Item = &'c CommandPattern> {
        let leads_to = command.leads_to.filter(|_| side == Side::Denies);
        [Some(command.path), leads_to].into_iter().flatten().flat_map(move |path| {
            let exact = symbols.find_bytes(path).map_or(&[][..], |program| {
                let start = self.exact.partition_point(|(other, _)| *other < program);
                let end = self.exact.partition_point(|(other, _)| *other <= program);
                self.exact.get(start..end).unwrap_or_default()
            });
            let globs = self.globs.iter().filter(move |(_, word, _)| is_normal(path) && word.matches(path));
            exact
                .iter()
                .map(|(_, pattern)| *pattern)
                .chain(globs.map(|(_, _, pattern)| *pattern))
                .filter_map(|pattern| self.patterns.get(pattern as usize))
        })
    }
}

impl CommandPattern {
    /// Only files with certain digests are meant.
    pub(crate) fn is_pinned(&self) -> bool {
        !self.sha256.is_empty()
    }
}

impl Arguments {
    /// Of an entry for edits: whether any of the words is this file.
    fn name_file(&self, file: &[u8]) -> bool {
        let is_it = |pattern: &ArgPattern| match pattern {
            ArgPattern::Word(words) => words.iter().any(|word| word.matches(file)),
            ArgPattern::Regex(regex) => regex.is_match(file),
            ArgPattern::Under(folder) => is_below(file, folder.as_bytes()),
        };
        self.rest || self.words.iter().any(is_it)
    }

    /// How they match, if they do.
    fn matches(&self, command: &Command<'_>, side: Side) -> Option<Matched> {
        let (given, wanted) = (command.args.len(), self.words.len());
        if given < wanted || (given > wanted && !self.rest) {
            return None;
        }
        let mut replaced: Option<Vec<Vec<u8>>> = None;
        for (at, (pattern, argument)) in self.words.iter().zip(command.args).enumerate() {
            let run = pattern.matches(argument, command, side)?;
            if *run != **argument {
                let arguments = replaced.get_or_insert_with(|| command.args.to_vec());
                *arguments.get_mut(at)? = run.into_owned();
            }
        }
        Some(Matched::Named(replaced))
    }

    /// The first argument that does not match; `None` if all do.
    fn mismatch<'c>(&'c self, command: &Command<'c>, side: Side) -> Option<Mismatch<'c>> {
        let other = |(at, wanted): (usize, &'c ArgPattern)| {
            let given = command.args.get(at).map(Vec::as_slice);
            let matches = given.is_some_and(|given| wanted.matches(given, command, side).is_some());
            (!matches).then_some(Mismatch { at: at + 1, given, wanted: Some(wanted) })
        };
        let too_many = command.args.get(self.words.len()).filter(|_| !self.rest);
        self.words
            .iter()
            .enumerate()
            .find_map(other)
            .or_else(|| Some(Mismatch { at: self.words.len() + 1, given: Some(too_many?), wanted: None }))
    }
}

impl ArgPattern {
    /// The argument as it is run, if it matches: the path that it leads to takes its place.
    fn matches<'a>(&self, argument: &'a [u8], command: &Command<'_>, side: Side) -> Option<Cow<'a, [u8]>> {
        let as_it_is = Cow::Borrowed(argument);
        match self {
            Self::Word(words) => words.iter().any(|word| word.matches(argument)).then_some(as_it_is),
            Self::Regex(regex) => regex.is_match(argument).then_some(as_it_is),
            Self::Under(folder) => match under(folder, argument, command, side) {
                Leads::Below(path) => Some(path.into()),
                Leads::Elsewhere => None,
                Leads::Somewhere => (side == Side::Denies).then_some(as_it_is),
            },
        }
    }
}

/// Where an argument leads.
enum Leads {
    /// To this path, below the folder.
    Below(Vec<u8>),
    Elsewhere,
    /// It is not known, or not safe to say.
    Somewhere,
}

/// Where an argument leads. To permit, it must be absolute, and nothing on its way may be written by the invoking
/// user. To deny, neither matters.
fn under(folder: &str, argument: &[u8], command: &Command<'_>, side: Side) -> Leads {
    let Some(resolved) = (command.under)(argument).filter(|resolved| is_normal(&resolved.path)) else {
        return Leads::Somewhere;
    };
    if !is_below(&resolved.path, folder.as_bytes()) {
        return Leads::Elsewhere;
    }
    if side == Side::Permits && (!argument.starts_with(b"/") || resolved.writable) {
        return Leads::Somewhere;
    }
    Leads::Below(resolved.path)
}
