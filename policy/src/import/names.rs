//! People and hosts of sudoers, in the words of our policy.

use std::fmt::Write as _;

use super::ast::{List, Place, Who};
use super::dimension::{Dimension, Kind};
use super::glob::{self, Piece};
use crate::unseen::is_unseen;

/// How often a list may name someone after it took someone away: each time makes a part of its own.
const MOST_TURNS: usize = 16;

/// What a list of people or hosts is in our words.
#[derive(Debug)]
pub(super) struct Translated {
    /// Only those that are certainly meant.
    pub(super) certainly: Vec<Dimension>,
    /// All that may be meant.
    pub(super) possibly: Vec<Dimension>,
    /// What has no counterpart.
    pub(super) problems: Vec<String>,
}

impl Translated {
    /// `all_of` is each name with those that it may be known by.
    fn of<T>(
        kind: Kind,
        list: &List<T>,
        translate: impl Fn(&T) -> Result<Vec<String>, String>,
        all_of: impl Fn(&[String]) -> Vec<String>,
    ) -> Self {
        let all = || vec!["ALL".to_owned()];
        if list.windows(2).filter(|pair| matches!(pair, [one, next] if one.negated && !next.negated)).count()
            > MOST_TURNS
        {
            let problems =
                vec![format!("a list that names and takes away by turns more than {MOST_TURNS} times")];
            return Self { certainly: Vec::new(), possibly: vec![Dimension::all(kind)], problems };
        }
        let mut problems = Vec::new();
        let (mut certainly, mut possibly) = (Vec::new(), Vec::new());
        for member in list {
            match translate(&member.what) {
                Ok(names) if member.negated => {
                    certainly.push((true, all_of(&names)));
                    possibly.push((true, names));
                }
                Ok(names) => {
                    possibly.push((false, all_of(&names)));
                    certainly.push((false, names));
                }
                Err(problem) => {
                    problems.push(problem);
                    // What is negated may be anybody; what is not may be nobody.
                    if member.negated {
                        certainly.push((true, all()));
                    } else {
                        possibly.push((false, all()));
                    }
                }
            }
        }
        let [certainly, possibly] = [certainly, possibly].map(|list| Dimension::parts(kind, &list));
        Self { certainly, possibly, problems }
    }

    /// Users, or targets where no groups can stand.
    pub(super) fn people(list: &List<Who>, targets: bool) -> Self {
        Self::of(Kind::People, list, |who| person(who, targets), <[String]>::to_vec)
    }

    pub(super) fn hosts(list: &List<Place>) -> Self {
        Self::of(Kind::Hosts, list, host, |names| names.iter().flat_map(|name| known_by(name)).collect())
    }

    /// Whether those that may be meant are those that certainly are.
    pub(super) fn is_certain(&self) -> bool {
        self.certainly == self.possibly
    }
}

/// The names of a user: sudo compares them without regard to case.
fn person(who: &Who, is_target: bool) -> Result<Vec<String>, String> {
    match who {
        Who::All => Ok(vec!["ALL".to_owned()]),
        Who::Oneself => Ok(vec!["self".to_owned()]),
        Who::Netgroup(name) => Err(format!("the netgroup `+{name}`: name a group instead")),
        Who::OtherGroup(name) => Err(format!("`%:{name}`, a group of a plugin's")),
        Who::Group(name) if is_target => Err(format!("the group `%{name}` of targets: name the users")),
        Who::Group(name) => match name.strip_prefix('#') {
            Some(digits) => Ok(vec![format!("%#{}", id(digits).ok_or_else(|| format!("the gid `{name}`"))?)]),
            None => named(name).map(|names| names.iter().map(|name| format!("%{name}")).collect()),
        },
        Who::Alias(name) | Who::Name(name) => match name.strip_prefix('#') {
            Some(digits) => Ok(vec![format!("#{}", id(digits).ok_or_else(|| format!("the uid `{name}`"))?)]),
            None => named(name),
        },
    }
}

/// A group that `-g` may name.
pub(super) fn group(who: &Who) -> Result<Vec<String>, String> {
    match who {
        Who::All => Ok(vec!["ALL".to_owned()]),
        Who::Alias(name) | Who::Name(name) => match name.strip_prefix('#') {
            Some(digits) => Ok(vec![format!("#{}", id(digits).ok_or_else(|| format!("the gid `{name}`"))?)]),
            None => named(name),
        },
        _ => Err("a group that is none".to_owned()),
    }
}

fn id(digits: &str) -> Option<u32> {
    digits.parse::<u32>().ok().filter(|id| *id != u32::MAX && !digits.starts_with('+'))
}

fn named(name: &str) -> Result<Vec<String>, String> {
    let sound = !name.is_empty()
        && !matches!(name, "ALL" | "self")
        && !name.chars().all(|char| char.is_ascii_digit())
        && !name.starts_with(['!', '+', '-', '@', '%', '#'])
        && !name.contains(['*', '?', '[', ']', '{', '}', ':', '/', ','])
        && !name.chars().any(is_unseen)
        && name.trim() == name;
    if !sound {
        return Err(format!("the name `{}`, which no account can have", name.escape_debug()));
    }
    let lower = name.to_ascii_lowercase();
    Ok(if lower == name { vec![lower] } else { vec![name.to_owned(), lower] })
}

fn host(place: &Place) -> Result<Vec<String>, String> {
    match place {
        Place::All => Ok(vec!["ALL".to_owned()]),
        Place::Address(address) => Err(format!("the address `{address}`: name the host instead")),
        Place::Netgroup(name) => Err(format!("the netgroup `+{name}`: use a tag instead")),
        Place::Alias(name) | Place::Name(name) => {
            let refused = || Err(format!("the host `{}`, which is no name", name.escape_debug()));
            let plain = |char: char| char.is_ascii_alphanumeric() || "-_.*?[]!^".contains(char);
            let Ok(pieces) = glob::pieces(name) else { return refused() };
            let bracket = pieces.iter().any(|piece| matches!(piece, Piece::Char('[' | ']')));
            if name.is_empty() || name == "ALL" || bracket || !name.chars().all(plain) {
                return refused();
            }
            // Without a dot sudo compares the first label alone; ours the whole name as well.
            let inner = pieces.split_last().map_or(&[][..], |(_, inner)| inner);
            if !name.contains('.') {
                if inner.contains(&Piece::Many) {
                    return Err(format!(
                        "the host `{name}`: without a dot only a `*` at its end can be said"
                    ));
                }
                return label(&pieces)
                    .map(|text| vec![text])
                    .ok_or_else(|| format!("the host `{name}`, which is no name"));
            }
            let mut text = name.clone();
            while text.contains("**") {
                text = text.replace("**", "*");
            }
            Ok(vec![text])
        }
    }
}

/// A name with a dot is what DNS may say of a host whose own name is the first label.
fn known_by(name: &str) -> Vec<String> {
    let Some((label, _)) = name.split_once('.') else { return vec![name.to_owned()] };
    // A pattern without a dot is also for the first label of a longer name.
    let is_open = label.matches('[').count() != label.matches(']').count();
    let label = if is_open || label == "*" { "ALL" } else { label };
    vec![name.to_owned(), label.to_owned()]
}

/// A glob in which no wildcard is a dot, but a `*` at the end, behind which the rest of a name may stand. Ours takes a
/// pattern with a dot for one of whole names: what is not a dot is written as all else that names are made of.
fn label(pieces: &[Piece]) -> Option<String> {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Char(char) => text.push(*char),
            Piece::Many => text.push('*'),
            piece => {
                let also = |char: char| piece.may_be(char) || piece.may_be(char.to_ascii_uppercase());
                let class: String =
                    ('a'..='z').chain('0'..='9').chain(['_', '-']).filter(|char| also(*char)).collect();
                let class = if class.len() == 38 { "a-z0-9_-".to_owned() } else { class };
                if class.is_empty() {
                    return None;
                }
                let _ = write!(text, "[{class}]");
            }
        }
    }
    Some(text)
}
