//! Finds the few rules that can have to do with another, among many.
//!
//! A rule is entered under each pair of a user and a program that it names, as in the index of the evaluator.

use std::collections::{BTreeSet, HashMap};

use super::{CommandMeaning, Meaning, ProgramMeaning, Region};
use crate::pattern::{Word, literal_start};

/// More pairs than this, and a rule is entered under every program.
const MOST_PAIRS: usize = 4096;

/// Whom a rule names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Who<'m> {
    /// Whoever it is: every rule.
    Anybody,
    /// A rule that names any but by their name: groups, ids, all.
    Unnamed,
    /// This entry.
    Entry(&'m str),
}

/// What a rule names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum What {
    /// Any program.
    All,
    Path(String),
    /// Programs somewhere below this folder.
    Below(String),
}

/// Rules by those they name and what they name.
pub(crate) struct Near<'m, 'p> {
    meanings: &'m [Meaning<'p>],
    numbers: HashMap<(Who<'m>, What), Vec<usize>>,
}

impl<'m, 'p> Near<'m, 'p> {
    pub(crate) fn new(meanings: &'m [Meaning<'p>]) -> Self {
        let mut numbers: HashMap<(Who<'m>, What), Vec<usize>> = HashMap::new();
        for (number, meaning) in meanings.iter().enumerate() {
            let mut whats: BTreeSet<What> = meaning.region.commands.iter().map(named).collect();
            if whats.len() * meaning.region.users.len() > MOST_PAIRS {
                whats = BTreeSet::from([What::All]);
            }
            let mut whos: Vec<Who<'m>> = meaning.region.users.iter().map(|user| Who::Entry(user)).collect();
            whos.push(Who::Anybody);
            whos.extend(meaning.region.users.iter().any(|user| !is_plain(user)).then_some(Who::Unnamed));
            for who in whos {
                for what in &whats {
                    numbers.entry((who.clone(), what.clone())).or_default().push(number);
                }
            }
        }
        Self { meanings, numbers }
    }

    /// Rules that may cover this: others can't.
    pub(crate) fn covering(&self, region: &Region) -> Vec<&'m Meaning<'p>> {
        let first = region.users.first().filter(|first| *first != "ALL");
        let whos = [Who::Entry("ALL")].into_iter().chain(first.map(|first| Who::Entry(first)));
        let whats = region.commands.first().map_or_else(|| vec![What::All], within);
        self.found(&whos.collect::<Vec<_>>(), &whats)
    }

    /// Rules that may match a command that this matches, for any of the region's users.
    pub(crate) fn meeting(&self, region: &Region, command: &CommandMeaning) -> Vec<&'m Meaning<'p>> {
        if !matches!(command.program, ProgramMeaning::Exact(_)) {
            return self.meanings.iter().collect();
        }
        let plain = region.users.iter().all(|user| is_plain(user));
        let entries = region.users.iter().map(|user| Who::Entry(user)).chain([Who::Unnamed]);
        let whos = if plain { entries.collect() } else { vec![Who::Anybody] };
        self.found(&whos, &within(command))
    }

    fn found<'r>(&self, whos: &[Who<'r>], whats: &[What]) -> Vec<&'m Meaning<'p>>
    where
        'm: 'r,
    {
        let known: &HashMap<(Who<'r>, What), Vec<usize>> = &self.numbers;
        let pairs = whos.iter().flat_map(|who| whats.iter().map(move |what| (who.clone(), what.clone())));
        let numbers: BTreeSet<usize> = pairs.filter_map(|pair| known.get(&pair)).flatten().copied().collect();
        numbers.into_iter().filter_map(|number| self.meanings.get(number)).collect()
    }
}

/// Whether an entry can name nobody but by their name.
fn is_plain(user: &str) -> bool {
    user != "ALL" && !user.starts_with(['%', '#'])
}

/// What one entry names.
fn named(command: &CommandMeaning) -> What {
    match &command.program {
        ProgramMeaning::All => What::All,
        ProgramMeaning::Exact(path) => What::Path(path.clone()),
        ProgramMeaning::Glob(word) => What::Below(folder(word)),
    }
}

/// All that an entry must name to name what this one does.
fn within(command: &CommandMeaning) -> Vec<What> {
    let path = match &command.program {
        ProgramMeaning::All => return vec![What::All],
        ProgramMeaning::Exact(path) => path.clone(),
        ProgramMeaning::Glob(word) => format!("{}/", folder(word)),
    };
    let folders = path
        .match_indices('/')
        .filter_map(|(at, _)| path.get(..at))
        .map(|folder| What::Below(folder.to_owned()));
    [What::All, What::Path(path.clone())].into_iter().chain(folders).collect()
}

/// The longest folder that a glob names without wildcards; empty for the root.
fn folder(word: &Word) -> String {
    let start = match word {
        Word::Literal(text) => String::from_utf8_lossy(text).into_owned(),
        Word::Glob(glob) => literal_start(glob),
    };
    start.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned())
}
