//! Atoms back into few lines: what differs in one list alone is told together.

use std::collections::{BTreeMap, HashSet};

use super::{Change, Difference, Found};
use crate::meaning::{CommandMeaning, HostMeaning, sorted};

/// Gains first, then losses, then terms; those of one rule together.
pub(super) fn merged(mut found: Vec<Found>) -> Vec<Difference> {
    // Both policies tell of terms that changed.
    let mut told = HashSet::new();
    found.retain(|one| {
        one.change != Change::Terms || told.insert(format!("{:?} {:?}", one.atom_key(), one.keys))
    });
    let mut all: Vec<Difference> = found.iter().map(Found::told).collect();
    let lists: [fn(&mut Difference) -> &mut Vec<String>; 4] =
        [|one| &mut one.users, |one| &mut one.commands, |one| &mut one.run_as, |one| &mut one.hosts];
    for list in lists {
        merge_by(&mut all, list);
    }
    all.sort_by(|a, b| (a.change, &a.rule, !a.sure, &a.users).cmp(&(b.change, &b.rule, !b.sure, &b.users)));
    all
}

/// Those that are the same but for one list become one.
fn merge_by(all: &mut Vec<Difference>, list: fn(&mut Difference) -> &mut Vec<String>) {
    let mut keyed: BTreeMap<String, Difference> = BTreeMap::new();
    for mut one in all.drain(..) {
        let own = std::mem::take(list(&mut one));
        let known = keyed.entry(format!("{one:?}")).or_insert(one);
        list(known).extend(own);
    }
    all.extend(keyed.into_values().map(|mut one| {
        let sorted = sorted(std::mem::take(list(&mut one)));
        *list(&mut one) = sorted;
        one
    }));
}

impl Found {
    /// Who, where, as whom and what.
    fn atom_key(&self) -> (&[String], &[HostMeaning], &[String], &[CommandMeaning]) {
        let region = &self.atom.0;
        (&region.users, &region.hosts, &region.run_as, &region.commands)
    }

    fn told(&self) -> Difference {
        let region = &self.atom.0;
        Difference {
            change: self.change,
            sure: self.sure,
            users: region.users.clone(),
            hosts: region.hosts.iter().map(HostMeaning::text).collect(),
            run_as: region.run_as.clone(),
            commands: region.commands.iter().map(CommandMeaning::text).collect(),
            keys: self.keys.clone(),
            rule: self.rule.clone(),
            other: self.other.clone(),
        }
    }
}
