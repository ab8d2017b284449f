//! Aliases: lists with names, which may name each other.

use std::collections::{BTreeMap, BTreeSet};

use super::ast::{List, Member, Named};

/// The most members that one list may stand for.
const MOST: usize = 10_000;
/// How deep aliases may stand in aliases.
const DEEPEST: usize = 128;

#[derive(Debug)]
pub(super) struct Aliases<T>(BTreeMap<String, List<T>>);

impl<T> Default for Aliases<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// Why a list can't be written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endless;

impl<T: Named + Clone> Aliases<T> {
    /// Whether the name was free.
    pub(super) fn define(&mut self, name: String, list: List<T>) -> bool {
        self.0.insert(name, list).is_none()
    }

    /// The list with the members of aliases in their places. Since the last that matches counts, and a negated alias
    /// turns each of its answers, this says the same.
    ///
    /// # Errors
    /// If an alias contains itself, or all is too much.
    pub(super) fn written_out(&self, list: &[Member<T>]) -> Result<List<T>, Endless> {
        let mut all = Vec::new();
        self.write(list, false, &mut BTreeSet::new(), &mut all)?;
        Ok(all)
    }

    fn write<'a>(
        &'a self,
        list: &'a [Member<T>],
        negated: bool,
        within: &mut BTreeSet<&'a str>,
        all: &mut List<T>,
    ) -> Result<(), Endless> {
        for member in list {
            let negated = negated != member.negated;
            let alias = member.what.alias().and_then(|name| self.0.get_key_value(name));
            match alias {
                Some((name, members)) => {
                    if within.len() >= DEEPEST || !within.insert(name) {
                        return Err(Endless);
                    }
                    self.write(members, negated, within, all)?;
                    within.remove(name.as_str());
                }
                None if all.len() >= MOST => return Err(Endless),
                None => all.push(Member { negated, what: member.what.clone() }),
            }
        }
        Ok(())
    }
}
