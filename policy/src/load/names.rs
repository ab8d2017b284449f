//! Users, groups, hosts: `users`, `run_as`, `run_as_groups`, `hosts`, and their `except_*`.

use std::ops::Range;

use super::Loader;
use super::reader::{Reader, Value};
use super::sets::{Kind, Use};
use crate::pattern::{
    GroupName, Groups, HostPattern, Hosts, Principal, Principals, Word, alternatives, one_word,
};
use crate::unseen::is_unseen;

/// Where names of users stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Among {
    /// `users`, `except_users`
    Users,
    /// `run_as`, `except_run_as`
    Targets,
    /// `[sets.users]`
    Set,
}

impl Among {
    fn how(self) -> Use {
        match self {
            Self::Users => Use::Plain,
            Self::Targets => Use::Strict,
            Self::Set => Use::InSet,
        }
    }
}

/// One string, with its place.
pub(super) type Text<'v> = (&'v str, Range<usize>);

impl Loader<'_> {
    pub(super) fn principals(
        &mut self,
        reader: &mut Reader<'_>,
        value: &Value<'_>,
        key: &str,
        among: Among,
    ) -> Option<Principals> {
        let texts = reader.strings(value, key)?;
        Some(Principals::new(
            texts.into_iter().filter_map(|text| self.principal(reader, text, among)).collect(),
        ))
    }

    pub(super) fn principal(
        &mut self,
        reader: &mut Reader<'_>,
        (text, span): Text<'_>,
        among: Among,
    ) -> Option<Principal> {
        if text == "ALL" {
            return Some(Principal::All);
        }
        if text == "self" {
            if among == Among::Targets {
                return Some(Principal::Myself);
            }
            reader.mistake(span, "\"self\" stands only in `run_as`", "name the users, or write \"ALL\"");
            return None;
        }
        if let Some(set) = text.strip_prefix('@') {
            return self.set(reader, Kind::Users, set, span, among.how()).map(Principal::Set);
        }
        if let Some(group) = text.strip_prefix('%') {
            if among == Among::Targets {
                let hint = "name the users; the groups that -g may name stand in `run_as_groups`";
                reader.mistake(span, "`run_as` names users, not groups", hint);
                return None;
            }
            return match group.strip_prefix('#') {
                Some(digits) => id(reader, digits, span).map(Principal::Gid),
                None => name(reader, group, span).map(|name| Principal::Group(self.symbols.intern(name))),
            };
        }
        match text.strip_prefix('#') {
            Some(digits) => id(reader, digits, span).map(Principal::Uid),
            None => name(reader, text, span).map(|name| Principal::User(self.symbols.intern(name))),
        }
    }

    pub(super) fn groups(&mut self, reader: &mut Reader<'_>, value: &Value<'_>, key: &str) -> Option<Groups> {
        let texts = reader.strings(value, key)?;
        let mut groups: Vec<GroupName> =
            texts.into_iter().filter_map(|text| self.group(reader, text, key)).collect();
        groups.sort_unstable();
        groups.dedup();
        Some(groups.into())
    }

    fn group(&mut self, reader: &mut Reader<'_>, (text, span): Text<'_>, key: &str) -> Option<GroupName> {
        if text == "ALL" {
            return Some(GroupName::All);
        }
        if text.starts_with(['%', '@']) {
            let hint = "write the group's name or \"#gid\", without `%`; there are no sets of groups";
            reader.mistake(span, format!("`{key}` names groups only"), hint);
            return None;
        }
        match text.strip_prefix('#') {
            Some(digits) => id(reader, digits, span).map(GroupName::Gid),
            None => name(reader, text, span).map(|name| GroupName::Name(self.symbols.intern(name))),
        }
    }

    pub(super) fn hosts(
        &mut self,
        reader: &mut Reader<'_>,
        value: &Value<'_>,
        key: &str,
        how: Use,
    ) -> Option<Hosts> {
        let texts = reader.strings(value, key)?;
        let mut hosts: Vec<HostPattern> =
            texts.into_iter().flat_map(|text| self.host(reader, text, how).unwrap_or_default()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        Some(hosts.into())
    }

    /// The patterns of one entry: a choice makes several.
    fn host(
        &mut self,
        reader: &mut Reader<'_>,
        (text, span): Text<'_>,
        how: Use,
    ) -> Option<Vec<HostPattern>> {
        if text == "ALL" {
            return Some(vec![HostPattern::All]);
        }
        if let Some(set) = text.strip_prefix('@') {
            return Some(vec![HostPattern::Set(self.set(reader, Kind::Hosts, set, span, how)?)]);
        }
        if let Some(tag) = text.strip_prefix("tag:") {
            if tag.is_empty()
                || tag.chars().any(|char| char.is_whitespace() || is_unseen(char) || "*?[]{}".contains(char))
            {
                reader.mistake(
                    span,
                    "this is not a tag",
                    "a tag is compared as it is: no blanks, no wildcards",
                );
                return None;
            }
            return Some(vec![HostPattern::Tag(self.symbols.intern(tag))]);
        }
        let plain = |char: char| char.is_ascii_alphanumeric() || "-_.*?[]{},^".contains(char);
        if text.is_empty() || !text.chars().all(|char| plain(char) || (char == '!' && !text.starts_with('!')))
        {
            let hint = "write the host's own name, a glob for it, \"tag:…\" or \"ALL\"; exceptions go to `except_hosts`";
            reader.mistake(span, "this is not the name of a host", hint);
            return None;
        }
        let lower = text.to_ascii_lowercase();
        let words = one_word(&lower).and_then(|pieces| alternatives(&pieces));
        match words {
            Ok(words) => Some(words.iter().map(|tokens| self.host_word(Word::new(tokens))).collect()),
            Err(error) => {
                reader.mistake(span, error.message, error.hint);
                None
            }
        }
    }

    fn host_word(&mut self, word: Word) -> HostPattern {
        match word {
            Word::Literal(name) => HostPattern::Name(self.symbols.intern(&String::from_utf8_lossy(&name))),
            Word::Glob(glob) => HostPattern::Glob(self.symbols.intern(&String::from_utf8_lossy(&glob))),
        }
    }
}

/// The name of a user or group. Names are compared as they are.
pub(super) fn name<'v>(reader: &mut Reader<'_>, text: &'v str, span: Range<usize>) -> Option<&'v str> {
    let (message, hint) = if text.is_empty() {
        ("a name can't be empty", "write a name, or \"#id\"")
    } else if text.chars().all(|char| char.is_ascii_digit()) {
        ("a bare number is not a name", "write `#` before an id")
    } else if text.starts_with('!') {
        ("there is no negation", "name the exceptions in `except_users` or `except_run_as`")
    } else if text.starts_with(['+', '-']) {
        ("a name can't begin with `+` or `-`", "netgroups are not supported: name a group instead")
    } else if text.contains(['*', '?', '[', ']', '{', '}']) {
        ("a name can't hold wildcards", "name each user, or a group, or \"ALL\"")
    } else if text.chars().any(is_unseen) {
        (
            "this name has a character that is not seen",
            "write it again by hand: what is seen is all that it is",
        )
    } else if text.contains([':', '/', ',']) || text.trim() != text {
        ("this is not a name", "a name has no `:`, `/`, `,` and no blanks at its ends")
    } else {
        return Some(text);
    };
    reader.mistake(span, message, hint);
    None
}

/// A uid or gid: 0 to 4294967294. The number above is "no change" to the kernel.
pub(super) fn id(reader: &mut Reader<'_>, digits: &str, span: Range<usize>) -> Option<u32> {
    let plain =
        digits.chars().all(|char| char.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    let id = digits.parse::<u32>().ok().filter(|id| plain && *id != u32::MAX);
    if id.is_none() {
        reader.mistake(span, "this is not an id", "an id is a decimal number from 0 to 4294967294");
    }
    id
}
