//! Whether what is known of a program holds for a command as a rule writes it.

use super::facts::{FACTS, Fact, Fixable, With};
use crate::meaning::{Argument, CommandMeaning, ProgramMeaning};
use crate::pattern::{Word, is_below, literal_start};
use crate::rule::{Cwd, Restrict};

/// Files that a caller may choose only if they may choose any.
const CRITICAL: &[&str] = &[
    "/",
    "/etc",
    "/etc/shadow",
    "/etc/passwd",
    "/etc/cron.d/x",
    "/etc/jit-sudo/policy.d/x.toml",
    "/etc/ld.so.preload",
    "/root/.ssh/authorized_keys",
    "/usr/bin/id",
    "/dev/sda",
    "/home/x/y",
    "shadow",
];

/// How far a fact holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Applies {
    No,
    Yes,
    /// Only an argument that `**` stands for makes it so.
    ThroughRest,
    /// The program only starts this one; each is looked at in its turn.
    Starts(Vec<CommandMeaning>),
}

impl Fact {
    pub(super) fn applies(&self, command: &CommandMeaning, restrict: &Restrict) -> Applies {
        let has = |setting: &String| {
            let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
            restrict.env_set.get(name).is_some_and(|own| own == value)
        };
        if self.unless_env.iter().any(has) || self.is_fixed(command, &restrict.cwd) {
            return Applies::No;
        }
        let needs = self.needs(command);
        let started = match self.fixable {
            _ if needs != Applies::Yes => None,
            Some(Fixable::Program) => started(command, self.operands),
            Some(Fixable::Applet) if command.args.is_empty() && !command.rest => return Applies::No,
            Some(Fixable::Applet) => at(command, 0),
            _ => None,
        };
        started.map_or(needs, Applies::Starts)
    }

    /// Whether the arguments are such that it holds, were nothing of them fixed.
    pub(super) fn needs(&self, command: &CommandMeaning) -> Applies {
        let certain = |words: &[String], arg: &Argument| words.iter().any(|word| is_certain(arg, word));
        let verbs = verbs(command);
        if command.args.iter().any(|arg| certain(&self.unless, arg))
            || verbs.first().is_some_and(|verb| certain(&self.unless_verb, verb))
        {
            return Applies::No;
        }
        let is_verb = |word: &String| match word.as_str() {
            "" => verbs.is_empty(),
            word => verbs.iter().any(|verb| may_be(verb, word)),
        };
        let may_have = |word: &str| match word {
            "" => command.args.is_empty() && !command.rest,
            _ => command.args.iter().any(|arg| may_be(arg, word)),
        };
        let verb = self.verb.is_empty() || self.verb.iter().any(is_verb);
        let with = match &self.with {
            None => true,
            Some(With::File(_)) => command.rest || CRITICAL.iter().any(|file| may_have(file)),
            Some(With::OneOf(words)) => words.iter().any(|word| may_have(word)),
        };
        match (verb, with) {
            (true, true) => Applies::Yes,
            (false, _) if !verbs.is_empty() => Applies::No,
            _ if command.rest => Applies::ThroughRest,
            _ => Applies::No,
        }
    }

    /// Whether everything is written out that could be chosen.
    fn is_fixed(&self, command: &CommandMeaning, cwd: &Cwd) -> bool {
        let fixed: Vec<Vec<&[u8]>> = command.args.iter().map_while(literals).collect();
        let whole = !command.rest && fixed.len() == command.args.len() && !fixed.is_empty();
        let options = fixed.iter().take_while(|words| all(words, b"-")).count();
        // What stands behind the last option may be its value, or the text.
        let text = |words: &Vec<&[u8]>| {
            words.iter().all(|word| self.text.iter().any(|option| stands_for(option, word)))
        };
        if whole && fixed.iter().rev().skip(1).any(text) {
            return true;
        }
        let has_path = || fixed.iter().any(|words| all(words, b"/"));
        match self.fixable {
            Some(Fixable::Whole) => whole,
            Some(Fixable::Folder) => whole && (matches!(cwd, Cwd::Folder(_)) || has_path()),
            Some(Fixable::Script) => fixed.get(options).is_some_and(|words| all(words, b"/")),
            _ => false,
        }
    }
}

/// What may be the verb: the first argument that is no option, or the next, if the first is that of an option like `-n`.
fn verbs(command: &CommandMeaning) -> Vec<&Argument> {
    let is_operand = |index: &usize| command.args.get(*index).is_some_and(|arg| !is_certain(arg, "-*"));
    let operands: Vec<usize> = (0..command.args.len()).filter(is_operand).take(2).collect();
    let is_short = |index: usize| {
        let before = index.checked_sub(1).and_then(|before| literals(command.args.get(before)?));
        before.is_some_and(|words| words.iter().any(|word| word.len() == 2))
    };
    let most = if operands.first().is_some_and(|first| is_short(*first)) { 2 } else { 1 };
    operands.into_iter().take(most).filter_map(|index| command.args.get(index)).collect()
}

fn all(words: &[&[u8]], start: &[u8]) -> bool {
    words.iter().all(|word| word.starts_with(start))
}

/// What a program starts that is given another's name: by its path, or by a name that is known. None, if that can be chosen.
fn started(command: &CommandMeaning, operands: usize) -> Option<Vec<CommandMeaning>> {
    let mut skip = operands;
    let mut after_option = false;
    for (index, words) in command.args.iter().map_while(literals).enumerate() {
        if all(&words, b"-") {
            after_option = words.iter().any(|word| word.len() == 2);
            continue;
        }
        let known = |word: &&[u8]| {
            !after_option
                && str::from_utf8(word).is_ok_and(|word| FACTS.iter().any(|fact| fact.is_about(word)))
        };
        if skip > 0 {
            skip -= usize::from(!after_option || all(&words, b"/"));
        } else if all(&words, b"/") || words.iter().any(known) {
            return at(command, index);
        }
        after_option = false;
    }
    None
}

/// The commands that begin at an argument, one for each of its words. None, if these are not literal.
fn at(command: &CommandMeaning, index: usize) -> Option<Vec<CommandMeaning>> {
    let begun = |word: &[u8]| CommandMeaning {
        program: ProgramMeaning::Exact(String::from_utf8_lossy(word).into_owned()),
        args: command.args.iter().skip(index + 1).cloned().collect(),
        rest: command.rest,
        sha256: Vec::new(),
    };
    Some(literals(command.args.get(index)?)?.into_iter().map(begun).collect())
}

/// The words, if all of them are literal.
fn literals(argument: &Argument) -> Option<Vec<&[u8]>> {
    let Argument::Words(words) = argument else { return None };
    words.iter().map(|word| if let Word::Literal(text) = word { Some(&**text) } else { None }).collect()
}

/// Whether an argument is always one of those that the word (`x`, or `x*`) stands for.
fn is_certain(argument: &Argument, word: &str) -> bool {
    literals(argument).is_some_and(|texts| texts.iter().all(|text| stands_for(word, text)))
}

fn stands_for(word: &str, text: &[u8]) -> bool {
    match word.strip_suffix('*') {
        Some(start) => text.starts_with(start.as_bytes()),
        None => text == word.as_bytes(),
    }
}

/// Whether an argument can be one of those that the word stands for.
pub(super) fn may_be(argument: &Argument, word: &str) -> bool {
    let start = word.strip_suffix('*');
    let longer = start.map(|start| format!("{start}x"));
    let samples = [Some(start.unwrap_or(word)), longer.as_deref()];
    let mut samples = samples.into_iter().flatten();
    match argument {
        Argument::Words(words) => {
            samples.any(|sample| words.iter().any(|own| own.matches(sample.as_bytes())))
                || words.iter().any(|own| match own {
                    Word::Literal(text) => stands_for(word, text),
                    Word::Glob(glob) => start.is_some_and(|start| literal_start(glob).starts_with(start)),
                })
        }
        Argument::Regex(regex) => samples.any(|sample| regex.is_match(sample.as_bytes())),
        Argument::Under(folder) => samples.any(|sample| is_below(sample.as_bytes(), folder.as_bytes())),
    }
}
