//! Who, where, or as whom: names without those that are taken away, as our rules say it.

use std::collections::BTreeSet;

/// What the names are for: when two of them can't be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Users and groups, also targets.
    People,
    Hosts,
}

/// `yes` without `no`, both in the words of our policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dimension {
    pub(super) kind: Kind,
    pub(super) yes: Vec<String>,
    pub(super) no: Vec<String>,
}

impl Dimension {
    pub(super) fn all(kind: Kind) -> Self {
        Self::of(kind, &["ALL"])
    }

    pub(super) fn of(kind: Kind, names: &[&str]) -> Self {
        Self { kind, yes: names.iter().map(|name| (*name).to_owned()).collect(), no: Vec::new() }
    }

    /// The parts of a list in which the last that matches counts: each is names without the negated ones after them.
    pub(super) fn parts(kind: Kind, list: &[(bool, Vec<String>)]) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        for (at, (negated, names)) in list.iter().enumerate() {
            if *negated {
                continue;
            }
            let later = list.get(at + 1..).unwrap_or_default();
            let mut no: Vec<String> = Vec::new();
            for name in later.iter().filter(|(negated, _)| *negated).flat_map(|(_, names)| names) {
                if !no.contains(name) {
                    no.push(name.clone());
                }
            }
            match parts.last_mut() {
                Some(part) if part.no == no => part.yes.extend(names.iter().cloned()),
                _ => parts.push(Self { kind, yes: names.clone(), no }),
            }
        }
        parts.iter_mut().for_each(Self::tidy);
        parts.retain(|part| !part.yes.is_empty());
        parts
    }

    /// Names once, without those that are taken away; nothing is taken away that can't be there.
    fn tidy(&mut self) {
        let no = std::mem::take(&mut self.no);
        if no.iter().any(|name| name == "ALL") {
            self.yes.clear();
            return;
        }
        let mut passed: BTreeSet<&str> = no.iter().map(String::as_str).collect();
        let mut yes: Vec<String> = self.yes.iter().filter(|name| passed.insert(name)).cloned().collect();
        if yes.iter().any(|name| name == "ALL") {
            yes = vec!["ALL".to_owned()];
        }
        for name in no {
            if yes.iter().any(|own| !self.kind.disjoint(own, &name)) && !self.no.contains(&name) {
                self.no.push(name);
            }
        }
        self.yes = yes;
    }

    fn is_all(&self) -> bool {
        self.yes.iter().any(|name| name == "ALL")
    }

    /// Whether anybody may be in both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.yes.iter().filter(|name| !other.no.contains(name)).any(|one| {
            let others = other.yes.iter().filter(|name| !self.no.contains(name));
            others.into_iter().any(|other| !self.kind.disjoint(one, other))
        })
    }

    /// Whether everybody in the other is certainly in this.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let has = |name: &String| self.is_all() || self.yes.contains(name);
        other.yes.iter().all(has)
            && self.no.iter().all(|name| {
                other.no.contains(name) || other.yes.iter().all(|own| self.kind.disjoint(own, name))
            })
    }

    /// What is in both, if that can be said.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let mut yes = Vec::new();
        if self.is_all() {
            yes.clone_from(&other.yes);
        } else if other.is_all() {
            yes.clone_from(&self.yes);
        } else {
            for one in &self.yes {
                for theirs in &other.yes {
                    if one == theirs {
                        yes.push(one.clone());
                    } else if !self.kind.disjoint(one, theirs) {
                        return None;
                    }
                }
            }
        }
        let no = self.no.iter().chain(&other.no).cloned().collect();
        let mut both = Self { kind: self.kind, yes, no };
        both.tidy();
        Some(both)
    }

    /// What is in this and not in the other, if that can be said.
    pub(super) fn minus(&self, other: &Self) -> Option<Self> {
        let irrelevant = |name: &String| {
            self.no.contains(name) || self.yes.iter().all(|own| self.kind.disjoint(own, name))
        };
        other.no.iter().all(irrelevant).then(|| self.without(&other.yes))
    }

    /// This without these names.
    pub(super) fn without(&self, names: &[String]) -> Self {
        let mut rest = self.clone();
        rest.no.extend(names.iter().cloned());
        rest.tidy();
        rest
    }
}

impl Kind {
    /// Whether nobody can be meant by both names.
    fn disjoint(self, one: &str, other: &str) -> bool {
        if one == "ALL" || other == "ALL" || one.eq_ignore_ascii_case(other) {
            return false;
        }
        match self {
            Self::People => {
                let is_name = |name: &str| name != "self" && !name.starts_with(['%', '#']);
                let is_uid = |name: &str| name.starts_with('#');
                (is_name(one) && is_name(other)) || (is_uid(one) && is_uid(other))
            }
            Self::Hosts => {
                let label = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
                let is_glob = |name: &str| name.contains(['*', '?', '[', '{']);
                !is_glob(one) && !is_glob(other) && label(one) != label(other)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(yes: &[&str], no: &[&str]) -> Dimension {
        let no = no.iter().map(|name| (*name).to_owned()).collect();
        Dimension { no, ..Dimension::of(Kind::People, yes) }
    }

    #[test]
    fn the_last_that_matches_counts() {
        let list = |names: &[&str]| -> Vec<(bool, Vec<String>)> {
            let member = |name: &&str| match name.strip_prefix('!') {
                Some(name) => (true, vec![name.to_owned()]),
                None => (false, vec![(*name).to_owned()]),
            };
            names.iter().map(member).collect()
        };
        let parts = |names: &[&str]| Dimension::parts(Kind::People, &list(names));
        assert_eq!(parts(&["ALL", "!bob"]), [people(&["ALL"], &["bob"])]);
        assert_eq!(parts(&["!bob", "ALL"]), [people(&["ALL"], &[])]);
        assert_eq!(parts(&["!bob"]), []);
        assert_eq!(parts(&["alice", "!bob"]), [people(&["alice"], &[])]);
        assert_eq!(parts(&["alice", "!alice"]), []);
        assert_eq!(parts(&["ALL", "!%web", "alice"]), [people(&["ALL"], &["%web"]), people(&["alice"], &[])]);
        assert_eq!(parts(&["alice", "%web", "!ALL", "bob"]), [people(&["bob"], &[])]);
    }

    #[test]
    fn covering_and_meeting_are_said_only_where_they_are_certain() {
        let all = people(&["ALL"], &[]);
        let (alice, web) = (people(&["alice"], &[]), people(&["%web"], &[]));
        assert!(all.covers(&alice) && all.covers(&web) && !web.covers(&alice) && !alice.covers(&all));
        assert!(!people(&["ALL"], &["alice"]).covers(&alice) && !people(&["ALL"], &["%web"]).covers(&alice));
        assert!(people(&["ALL"], &["bob"]).covers(&alice));
        assert_eq!(all.meet(&alice), Some(alice.clone()));
        assert_eq!(web.meet(&alice), None);
        assert_eq!(
            people(&["alice", "bob"], &[]).meet(&people(&["bob", "carol"], &[])),
            Some(people(&["bob"], &[]))
        );
        assert_eq!(web.minus(&alice), Some(people(&["%web"], &["alice"])));
        assert_eq!(all.minus(&people(&["%web"], &["alice"])), None);
        assert!(web.overlaps(&alice) && !people(&["bob"], &[]).overlaps(&alice));
    }
}
