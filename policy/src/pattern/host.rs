//! Where: hosts by their own name or their tags, never by DNS.

use super::symbol::{Symbol, Symbols};
use super::word::Word;
use crate::account::Host;
use crate::meaning::word_text;

/// One entry of `hosts` or of a set of hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HostPattern {
    /// "ALL"
    All,
    /// "web-1.example.com", in lower case.
    Name(Symbol),
    /// "web-*", in lower case and the glob engine's syntax.
    Glob(Symbol),
    /// "tag:frontend"
    Tag(Symbol),
    /// "@web": the number of the set.
    Set(u32),
}

/// Entries, sorted: "ALL" is the first.
pub(crate) type Hosts = Box<[HostPattern]>;

/// One of `[sets.hosts]`. Holds no sets.
#[derive(Debug)]
pub(crate) struct HostSet {
    pub(crate) name: Box<str>,
    pub(crate) members: Hosts,
}

impl HostPattern {
    /// Whether any of the entries is this host.
    pub(crate) fn any(entries: &[Self], host: Host<'_>, symbols: &Symbols, sets: &[HostSet]) -> bool {
        if entries.first() == Some(&Self::All) {
            return true;
        }
        let name = host.name.to_ascii_lowercase();
        entries.iter().any(|entry| entry.matches(&name, host.tags, symbols, sets))
    }

    fn matches(self, name: &str, tags: &[String], symbols: &Symbols, sets: &[HostSet]) -> bool {
        match self {
            Self::All => true,
            Self::Name(wanted) => {
                candidates(symbols.text(wanted), name).any(|name| name == symbols.text(wanted))
            }
            Self::Glob(glob) => candidates(symbols.text(glob), name)
                .any(|name| fast_glob::glob_match(symbols.text(glob), name)),
            Self::Tag(tag) => tags.iter().any(|own| own == symbols.text(tag)),
            Self::Set(set) => sets
                .get(set as usize)
                .is_some_and(|set| set.members.iter().any(|entry| entry.matches(name, tags, symbols, sets))),
        }
    }

    /// As the policy writes it.
    pub(crate) fn text(self, symbols: &Symbols, sets: &[HostSet]) -> String {
        match self {
            Self::All => "ALL".to_owned(),
            Self::Name(name) => symbols.text(name).to_owned(),
            Self::Glob(glob) => word_text(&Word::Glob(symbols.text(glob).as_bytes().into())),
            Self::Tag(tag) => format!("tag:{}", symbols.text(tag)),
            Self::Set(set) => format!("@{}", sets.get(set as usize).map_or("", |set| &set.name)),
        }
    }
}

/// "a pattern without a dot also matches its first label"
fn candidates<'n>(pattern: &str, name: &'n str) -> impl Iterator<Item = &'n str> {
    let label = if pattern.contains('.') { None } else { name.split('.').next() };
    [name].into_iter().chain(label)
}
