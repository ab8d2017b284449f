//! A rule in its smallest parts.

use crate::meaning::{Argument, CommandMeaning, Region};
use crate::pattern::Word;
use crate::sha256::Sha256;

/// A rule with more is not split.
const MOST_ATOMS: usize = 4096;
/// A command whose choices stand for more is not split.
const MOST_COMMANDS: usize = 256;

/// One user, host, target and command; lists of them if a rule has too many.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Atom(pub(super) Region);

/// The atoms of a rule; none if it matches nothing. Groups and files to edit stay together, as one request may need several of them.
pub(super) fn atoms(region: &Region) -> Vec<Atom> {
    let commands = commands(&region.commands);
    let count = [region.users.len(), region.hosts.len(), region.run_as.len(), commands.len()];
    let count = count.into_iter().fold(1, usize::saturating_mul);
    if count == 0 {
        return Vec::new();
    }
    if count > MOST_ATOMS {
        return vec![Atom(region.clone())];
    }
    let mut atoms = Vec::with_capacity(count);
    for user in &region.users {
        for host in &region.hosts {
            for target in &region.run_as {
                for command in &commands {
                    atoms.push(Atom(Region {
                        users: vec![user.clone()],
                        hosts: vec![host.clone()],
                        run_as: vec![target.clone()],
                        commands: command.clone(),
                        ..region.clone()
                    }));
                }
            }
        }
    }
    atoms
}

/// Each command on its own, all that is edited together.
fn commands(all: &[CommandMeaning]) -> Vec<Vec<CommandMeaning>> {
    let (edits, commands): (Vec<_>, Vec<_>) = all.iter().cloned().partition(CommandMeaning::is_edit);
    let mut split: Vec<Vec<CommandMeaning>> =
        commands.iter().flat_map(choices).map(|command| vec![command]).collect();
    split.extend((!edits.is_empty()).then_some(edits));
    split
}

/// A command for each of its choices.
fn choices(command: &CommandMeaning) -> Vec<CommandMeaning> {
    if command.is_pinned() && command.sha256.len() <= MOST_COMMANDS {
        let one = |pin: &Sha256| CommandMeaning { sha256: vec![*pin], ..command.clone() };
        let each = command.sha256.iter().map(one);
        return each.flat_map(|command| words_of(&command)).collect();
    }
    words_of(command)
}

/// A command for each of the words that an argument may be.
fn words_of(command: &CommandMeaning) -> Vec<CommandMeaning> {
    let words = |argument: &Argument| if let Argument::Words(words) = argument { words.len() } else { 1 };
    if command.args.iter().map(words).fold(1, usize::saturating_mul) > MOST_COMMANDS {
        return vec![command.clone()];
    }
    let mut all = vec![CommandMeaning { args: Vec::new(), ..command.clone() }];
    for argument in &command.args {
        let each: Vec<Argument> = match argument {
            Argument::Words(words) => {
                words.iter().map(|word: &Word| Argument::Words(vec![word.clone()])).collect()
            }
            other => vec![other.clone()],
        };
        all = all
            .iter()
            .flat_map(|start| {
                each.iter().map(|end| {
                    let args = start.args.iter().chain([end]).cloned().collect();
                    CommandMeaning { args, ..start.clone() }
                })
            })
            .collect();
    }
    all
}
