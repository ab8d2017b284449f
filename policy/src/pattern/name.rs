//! Who: users, groups and the sets of them.

use super::symbol::{Symbol, Symbols};

/// One entry of `users`, `run_as` or a set of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Principal {
    /// "ALL"
    All,
    /// "self", in `run_as` only.
    Myself,
    /// "alice"
    User(Symbol),
    /// "#1005"
    Uid(u32),
    /// "%web"
    Group(Symbol),
    /// "%#990"
    Gid(u32),
    /// "@webops": the number of the set.
    Set(u32),
}

impl Principal {
    /// As the policy writes it.
    pub(crate) fn text(self, symbols: &Symbols, sets: &[UserSet]) -> String {
        match self {
            Self::All => "ALL".to_owned(),
            Self::Myself => "self".to_owned(),
            Self::User(name) => symbols.text(name).to_owned(),
            Self::Uid(uid) => format!("#{uid}"),
            Self::Group(name) => format!("%{}", symbols.text(name)),
            Self::Gid(gid) => format!("%#{gid}"),
            Self::Set(set) => format!("@{}", sets.get(set as usize).map_or("", |set| &set.name)),
        }
    }
}

/// Entries, sorted, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Principals(Box<[Principal]>);

impl Principals {
    pub(crate) fn new(mut entries: Vec<Principal>) -> Self {
        entries.sort_unstable();
        entries.dedup();
        Self(entries.into())
    }

    pub(crate) fn contains(&self, entry: Principal) -> bool {
        self.0.binary_search(&entry).is_ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Principal> + '_ {
        self.0.iter().copied()
    }

    /// The groups that are named by name, which only a directory can resolve.
    pub(crate) fn group_names(&self) -> impl Iterator<Item = Symbol> + '_ {
        self.iter().filter_map(|entry| match entry {
            Principal::Group(name) => Some(name),
            _ => None,
        })
    }

    /// The sets that are named.
    pub(crate) fn sets(&self) -> impl Iterator<Item = u32> + '_ {
        self.iter().filter_map(|entry| match entry {
            Principal::Set(set) => Some(set),
            _ => None,
        })
    }
}

/// One of `[sets.users]`. Holds no sets.
#[derive(Debug)]
pub(crate) struct UserSet {
    pub(crate) name: Box<str>,
    pub(crate) members: Principals,
}

/// One entry of `run_as_groups`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum GroupName {
    /// "ALL"
    All,
    /// "docker"
    Name(Symbol),
    /// "#990"
    Gid(u32),
}

impl GroupName {
    /// As the policy writes it.
    pub(crate) fn text(self, symbols: &Symbols) -> String {
        match self {
            Self::All => "ALL".to_owned(),
            Self::Name(name) => symbols.text(name).to_owned(),
            Self::Gid(gid) => format!("#{gid}"),
        }
    }
}

/// The groups that `-g` may name.
pub(crate) type Groups = Box<[GroupName]>;
