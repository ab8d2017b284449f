//! Commands, without the numbers and symbols of one policy.

use std::cmp::Ordering;
use std::sync::Arc;

use regex::bytes::Regex;

use super::sorted;
use crate::pattern::{ArgPattern, CommandPattern, Commands, Word};
use crate::policy::Core;
use crate::request::EDIT;
use crate::sha256::Sha256;

/// One program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CommandMeaning {
    pub(crate) program: ProgramMeaning,
    pub(crate) args: Vec<Argument>,
    /// A final `**`.
    pub(crate) rest: bool,
    /// Only a file with one of these, sorted; none: any file.
    pub(crate) sha256: Vec<Sha256>,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ProgramMeaning {
    /// "ALL": any program, with any arguments.
    All,
    /// This name, its folder resolved.
    Exact(String),
    /// A glob.
    Glob(Word),
}

/// What one argument must be.
#[derive(Clone, Debug)]
pub(crate) enum Argument {
    /// One of these words, sorted.
    Words(Vec<Word>),
    /// The whole argument matches.
    Regex(Arc<Regex>),
    /// It leads to something below this folder.
    Under(Box<str>),
}

impl Argument {
    /// As the policy writes it, in words.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Words(words) => match words.as_slice() {
                [word] => word_text(word),
                words => format!("{{{}}}", words.iter().map(word_text).collect::<Vec<_>>().join(",")),
            },
            Self::Regex(regex) => format!("{{ regex = '{}' }}", regex_text(regex)),
            Self::Under(folder) => format!("{{ under = \"{folder}\" }}"),
        }
    }

    fn key(&self) -> (u8, &[Word], &str) {
        match self {
            Self::Words(words) => (0, words, ""),
            Self::Regex(regex) => (1, &[], regex.as_str()),
            Self::Under(folder) => (2, &[], folder),
        }
    }
}

impl PartialEq for Argument {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Argument {}

impl PartialOrd for Argument {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Argument {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl CommandMeaning {
    const ALL: Self = Self { program: ProgramMeaning::All, args: Vec::new(), rest: true, sha256: Vec::new() };

    pub(crate) fn is_edit(&self) -> bool {
        self.program == ProgramMeaning::Exact(EDIT.to_owned())
    }

    /// In words, choices written out.
    pub(crate) fn text(&self) -> String {
        let program = match &self.program {
            ProgramMeaning::All => return "ALL".to_owned(),
            ProgramMeaning::Exact(path) => path.clone(),
            ProgramMeaning::Glob(word) => word_text(word),
        };
        let args = self.args.iter().map(Argument::text).chain(self.rest.then(|| "**".to_owned()));
        let pins = match self.sha256.iter().map(Sha256::to_string).collect::<Vec<_>>() {
            pins if pins.is_empty() => None,
            pins => Some(format!("(sha256 {})", pins.join(", "))),
        };
        [program].into_iter().chain(args).chain(pins).collect::<Vec<_>>().join(" ")
    }
}

/// Quoted where it would not be one literal word.
pub(crate) fn word_text(word: &Word) -> String {
    match word {
        Word::Literal(bytes) => {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let plain = !text.is_empty() && !text.contains(|char: char| " \t\n*?[]{}'\"\\".contains(char));
            if plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
        }
        Word::Glob(glob) => {
            // The engine's syntax has a backslash before each punctuation mark.
            let mut text = String::new();
            let (mut escaped, mut in_class) = (false, false);
            for char in String::from_utf8_lossy(glob).chars() {
                if escaped && (in_class || " *?[]{}'\"\\".contains(char)) {
                    text.push('\\');
                }
                in_class = if escaped { in_class } else { char == '[' || (in_class && char != ']') };
                let backslash = char == '\\' && !escaped;
                if !backslash {
                    text.push(char);
                }
                escaped = backslash;
            }
            text
        }
    }
}

/// As the policy writes it.
pub(crate) fn regex_text(regex: &Regex) -> &str {
    regex.as_str().strip_prefix(r"\A(?:").and_then(|text| text.strip_suffix(r")\z")).unwrap_or(regex.as_str())
}

impl Core {
    /// The entries, sets and choices of paths written out.
    pub(crate) fn commands_of(&self, commands: &Commands) -> Vec<CommandMeaning> {
        let sets =
            commands.sets.iter().filter_map(|set| Some(&self.command_sets.get(*set as usize)?.commands));
        let all = [commands].into_iter().chain(sets).flat_map(|list| self.list_of(list));
        let (edits, mut commands): (Vec<_>, Vec<_>) = all.partition(CommandMeaning::is_edit);
        // Each file of an edit may be named by another entry of the rule: together they are one.
        let rest = edits.iter().any(|edit| edit.rest);
        let program = edits.first().map(|edit| edit.program.clone());
        let args = sorted(edits.into_iter().flat_map(|edit| edit.args).collect());
        commands.extend(program.map(|program| CommandMeaning { program, args, rest, sha256: Vec::new() }));
        sorted(commands)
    }

    /// The entries of one list, without its sets.
    fn list_of(&self, list: &Commands) -> Vec<CommandMeaning> {
        let pattern = |number: &u32| list.patterns.get(*number as usize);
        let exact = list.exact.iter().filter_map(|(path, number)| {
            Some((ProgramMeaning::Exact(self.symbols.text(*path).to_owned()), pattern(number)?))
        });
        let globs = list
            .globs
            .iter()
            .filter_map(|(_, word, number)| Some((ProgramMeaning::Glob(word.clone()), pattern(number)?)));
        let mut all: Vec<CommandMeaning> =
            exact.chain(globs).map(|(program, pattern)| meaning(program, pattern)).collect();
        all.extend(list.all.then_some(CommandMeaning::ALL));
        all
    }

    /// Each entry of one list as it is written, with its programs; "ALL" and sets left out.
    pub(crate) fn entries_of<'p>(
        &self,
        list: &'p Commands,
    ) -> Vec<(&'p CommandPattern, Vec<CommandMeaning>)> {
        let mut entries: Vec<(&CommandPattern, Vec<CommandMeaning>)> =
            list.patterns.iter().map(|pattern| (pattern, Vec::new())).collect();
        let programs = list
            .exact
            .iter()
            .map(|(path, number)| (ProgramMeaning::Exact(self.symbols.text(*path).to_owned()), number))
            .chain(list.globs.iter().map(|(_, word, number)| (ProgramMeaning::Glob(word.clone()), number)));
        for (program, number) in programs {
            if let Some((pattern, meanings)) = entries.get_mut(*number as usize) {
                meanings.push(meaning(program, pattern));
            }
        }
        entries
    }
}

fn meaning(program: ProgramMeaning, pattern: &CommandPattern) -> CommandMeaning {
    let argument = |argument: &ArgPattern| match argument {
        ArgPattern::Word(words) => Argument::Words(sorted(words.to_vec())),
        ArgPattern::Regex(regex) => Argument::Regex(Arc::clone(regex)),
        ArgPattern::Under(folder) => Argument::Under(folder.clone()),
    };
    let mut args: Vec<Argument> = pattern.arguments.words.iter().map(argument).collect();
    let edits = program == ProgramMeaning::Exact(EDIT.to_owned());
    if edits {
        // Files, in no order.
        args = sorted(args);
    }
    CommandMeaning { program, args, rest: pattern.arguments.rest, sha256: pattern.sha256.to_vec() }
}
