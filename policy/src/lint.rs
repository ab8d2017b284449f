//! Names that nobody has: they match nobody, and are probably typing errors.

use std::collections::BTreeMap;

use crate::account::{Directory, LookupFailed};
use crate::pattern::{GroupName, Principal, Principals, Symbol};
use crate::policy::Core;

/// A user or group that a rule names and that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UnknownName {
    /// As the policy writes it: a group in `users` with its `%`.
    pub name: String,
    /// The first rule or login, by its id, that names it, itself or through a set.
    pub rule: String,
    /// The file it stands in.
    pub file: String,
    /// The line it begins on.
    pub line: usize,
}

/// What is looked up, each once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    User(Symbol),
    Group(Symbol),
}

impl Core {
    /// The names that do not exist, sorted. Asks once for each name: for people, who can wait for it.
    pub(crate) fn unknown_names(&self, directory: &dyn Directory) -> Result<Vec<UnknownName>, LookupFailed> {
        let mut unknown = Vec::new();
        for (name, (rule, file, line)) in self.names_by_first_rule() {
            let (text, exists) = match name {
                Name::User(user) => {
                    let text = self.symbols.text(user);
                    (text.to_owned(), directory.uid_of(text)?.is_some())
                }
                Name::Group(group) => {
                    let text = self.symbols.text(group);
                    (format!("%{text}"), directory.gid_of(text)?.is_some())
                }
            };
            if !exists {
                unknown.push(UnknownName { name: text, rule: rule.to_owned(), file: file.to_owned(), line });
            }
        }
        unknown.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(unknown)
    }

    fn names_by_first_rule(&self) -> BTreeMap<Name, (&str, &str, usize)> {
        let mut names = BTreeMap::new();
        for rule in &self.rules {
            let place = (rule.id.as_str(), &*rule.file, rule.line);
            for list in [&rule.users, &rule.except_users, &rule.run_as, &rule.except_run_as] {
                self.names_in(list).for_each(|name| _ = names.entry(name).or_insert(place));
            }
            for group in rule.run_as_groups.iter().flatten() {
                if let GroupName::Name(name) = group {
                    names.entry(Name::Group(*name)).or_insert(place);
                }
            }
        }
        for login in &self.logins {
            let place = (login.id.as_str(), &*login.file, login.line);
            self.names_in(&login.users).for_each(|name| _ = names.entry(name).or_insert(place));
        }
        names
    }

    fn names_in<'p>(&'p self, entries: &'p Principals) -> impl Iterator<Item = Name> + 'p {
        let sets = entries.sets().filter_map(|set| self.user_sets.get(set as usize));
        entries.iter().chain(sets.flat_map(|set| set.members.iter())).filter_map(|entry| match entry {
            Principal::User(user) => Some(Name::User(user)),
            Principal::Group(group) => Some(Name::Group(group)),
            _ => None,
        })
    }
}
