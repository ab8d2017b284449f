//! Finds the few rules that a request can match among many.
//!
//! A rule is entered under each pair of what it says about *who* and *what*: a user name, id, group, set or "ALL",
//! with a path, a folder of globs, a set or "ALL". A request looks up the pairs of what it *is*: its user's names,
//! groups and sets, with its command's path, the folders above and the sets that hold it. So the cost grows with
//! the request, and not with the number of rules.

use std::collections::HashMap;

use crate::account::Account;
use crate::pattern::{CommandSet, Commands, Principal, Side, Symbol, Symbols, UserSet};
use crate::request::Command;
use crate::rule::{Effect, Rule};

/// More pairs than this, and a rule is entered by who alone.
const MOST_PAIRS: usize = 4096;

/// What a rule says about commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum What {
    /// "ALL"
    All,
    /// Whatever it is: a rule with too many pairs.
    Many,
    /// This path.
    Path(Symbol),
    /// Some glob whose longest folder without wildcards this is.
    Folder(Symbol),
    /// This set.
    Set(u32),
}

/// The rules of one effect.
#[derive(Debug, Default)]
pub(crate) struct Half {
    pairs: HashMap<(Principal, What), Vec<u32>>,
    /// All that stands on the left of a pair.
    whos: HashMap<Principal, Vec<u32>>,
    /// On the left of a pair with this: groups by name, and sets that hold such. Only a directory can tell
    /// whether a user is one of them.
    groups: HashMap<What, Vec<Principal>>,
    /// The same, whatever stands on the right.
    all_groups: Vec<Principal>,
}

/// All rules, and which sets a user or command is in.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) allow: Half,
    pub(crate) deny: Half,
    user_sets: HashMap<Principal, Vec<u32>>,
    command_sets: HashMap<What, Vec<u32>>,
}

impl Index {
    pub(crate) fn new(rules: &[Rule], user_sets: &[UserSet], command_sets: &[CommandSet]) -> Self {
        let mut index = Self::default();
        for (number, set) in (0..).zip(user_sets) {
            for member in set.members.iter() {
                index.user_sets.entry(member).or_default().push(number);
            }
        }
        for (number, set) in (0..).zip(command_sets) {
            for what in whats_of(&set.commands) {
                index.command_sets.entry(what).or_default().push(number);
            }
        }
        for (number, rule) in (0..).zip(rules) {
            let half = if rule.effect == Effect::Allow { &mut index.allow } else { &mut index.deny };
            half.enter(number, rule, user_sets);
        }
        index.allow.finish();
        index.deny.finish();
        index
    }

    /// All that a user is without asking a directory.
    pub(crate) fn whos(&self, user: &Account, symbols: &Symbols) -> Vec<Principal> {
        let names = user.names.iter().filter_map(|name| symbols.find(name)).map(Principal::User);
        let gids = [user.gid].into_iter().chain(user.groups.iter().copied()).map(Principal::Gid);
        let mut whos = vec![Principal::All, Principal::Uid(user.uid)];
        whos.extend(names.chain(gids));
        let sets: Vec<u32> =
            whos.iter().filter_map(|who| self.user_sets.get(who)).flatten().copied().collect();
        whos.extend(sets.into_iter().map(Principal::Set));
        sorted(whos)
    }

    /// All that a command is.
    pub(crate) fn whats(&self, command: &Command<'_>, side: Side, symbols: &Symbols) -> Vec<What> {
        let leads_to = command.leads_to.filter(|_| side == Side::Denies);
        let mut whats = vec![What::All, What::Many];
        for path in [Some(command.path), leads_to].into_iter().flatten() {
            whats.extend(symbols.find_bytes(path).map(What::Path));
            let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at.max(1));
            let folders = slashes.filter_map(|end| symbols.find_bytes(path.get(..end)?));
            whats.extend(folders.map(What::Folder));
        }
        let sets: Vec<u32> =
            whats.iter().filter_map(|what| self.command_sets.get(what)).flatten().copied().collect();
        whats.extend(sets.into_iter().map(What::Set));
        sorted(whats)
    }
}

impl Half {
    fn enter(&mut self, number: u32, rule: &Rule, user_sets: &[UserSet]) {
        let mut whats = whats_of(&rule.commands);
        if whats.len().saturating_mul(rule.users.iter().count()) > MOST_PAIRS {
            whats = vec![What::Many];
        }
        for who in rule.users.iter() {
            self.whos.entry(who).or_default().push(number);
            let by_group = match who {
                Principal::Group(_) => true,
                Principal::Set(set) => {
                    user_sets.get(set as usize).is_some_and(|set| set.members.group_names().next().is_some())
                }
                _ => false,
            };
            for what in &whats {
                self.pairs.entry((who, *what)).or_default().push(number);
                if by_group {
                    self.groups.entry(*what).or_default().push(who);
                }
            }
            if by_group {
                self.all_groups.push(who);
            }
        }
    }

    fn finish(&mut self) {
        for groups in self.groups.values_mut().chain([&mut self.all_groups]) {
            groups.sort_unstable();
            groups.dedup();
        }
    }

    /// The groups, by name or in a set, that decide about any of these.
    pub(crate) fn groups(&self, whats: &[What]) -> Vec<Principal> {
        sorted(whats.iter().filter_map(|what| self.groups.get(what)).flatten().copied().collect())
    }

    /// The groups, by name or in a set, that decide about anything.
    pub(crate) fn all_groups(&self) -> &[Principal] {
        &self.all_groups
    }

    /// The rules for any of these users and any of these commands.
    pub(crate) fn rules(&self, whos: &[Principal], whats: &[What]) -> Vec<u32> {
        let known = whos.iter().filter(|who| self.whos.contains_key(who));
        let pairs = known.flat_map(|who| whats.iter().map(move |what| (*who, *what)));
        sorted(pairs.filter_map(|pair| self.pairs.get(&pair)).flatten().copied().collect())
    }

    /// The rules for any of these users.
    pub(crate) fn rules_of(&self, whos: &[Principal]) -> Vec<u32> {
        sorted(whos.iter().filter_map(|who| self.whos.get(who)).flatten().copied().collect())
    }

    /// Whether no rule has this effect.
    pub(crate) fn is_empty(&self) -> bool {
        self.whos.is_empty()
    }
}

/// What the entries say, each once.
fn whats_of(commands: &Commands) -> Vec<What> {
    let all = commands.all.then_some(What::All);
    let paths = commands.exact.iter().map(|(path, _)| What::Path(*path));
    let folders = commands.globs.iter().map(|(folder, _, _)| What::Folder(*folder));
    let sets = commands.sets.iter().map(|set| What::Set(*set));
    sorted(all.into_iter().chain(paths).chain(folders).chain(sets).collect())
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list.dedup();
    list
}
