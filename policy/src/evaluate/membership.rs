//! Who is among the users and groups that rules name, and which hosts.

use crate::account::{Account, Directory, Host, LookupFailed};
use crate::pattern::{HostPattern, Principal, Principals, Symbol};
use crate::policy::Core;
use crate::rule::Rule;

impl Core {
    /// The gid of a group that a rule names.
    pub(crate) fn gid_of(
        &self,
        group: Symbol,
        directory: &dyn Directory,
    ) -> Result<Option<u32>, LookupFailed> {
        Ok(directory.gid_of(self.symbols.text(group))?.filter(|gid| *gid != u32::MAX))
    }

    /// Whether a user is in this group, or in any group of this set: those that only a directory knows.
    pub(crate) fn is_one_of_groups(
        &self,
        user: &Account,
        who: Principal,
        directory: &dyn Directory,
    ) -> Result<bool, LookupFailed> {
        let is_in = |group| Ok(self.gid_of(group, directory)?.is_some_and(|gid| user.is_in(gid)));
        match who {
            Principal::Group(group) => is_in(group),
            Principal::Set(set) => {
                let members = self.user_sets.get(set as usize).map(|set| &set.members);
                any(members.into_iter().flat_map(Principals::group_names), is_in)
            }
            _ => Ok(false),
        }
    }

    /// Whether a user is any of the entries.
    pub(crate) fn is_one_of(
        &self,
        user: &Account,
        entries: &Principals,
        directory: &dyn Directory,
    ) -> Result<bool, LookupFailed> {
        if entries.is_empty() {
            return Ok(false);
        }
        if self.index.whos(user, &self.symbols).into_iter().any(|who| entries.contains(who)) {
            return Ok(true);
        }
        let groups = entries.group_names().map(Principal::Group).chain(entries.sets().map(Principal::Set));
        any(groups, |who| self.is_one_of_groups(user, who, directory))
    }

    /// `hosts` and `except_hosts`
    pub(crate) fn host_holds(&self, rule: &Rule, host: Host<'_>) -> bool {
        HostPattern::any(&rule.hosts, host, &self.symbols, &self.host_sets)
            && !HostPattern::any(&rule.except_hosts, host, &self.symbols, &self.host_sets)
    }
}

/// Whether it holds for any; a failure counts only if it holds for none.
fn any<T>(
    all: impl Iterator<Item = T>,
    holds: impl Fn(T) -> Result<bool, LookupFailed>,
) -> Result<bool, LookupFailed> {
    let mut answer = Ok(false);
    for one in all {
        match holds(one) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(failure) => answer = Err(failure),
        }
    }
    answer
}
