//! Grants in memory, found by id, and by the user that each request asks for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::texts::Texts;
use super::{Grant, Held, Purpose, Serving};
use crate::clock::Moment;

/// All of them. A grant's id and user never change.
#[derive(Debug, Default)]
pub(super) struct All {
    by_id: HashMap<Arc<str>, Box<Held>>,
    /// Their ids.
    of_user: HashMap<u32, HashSet<Arc<str>>>,
    texts: Texts,
}

impl All {
    pub(super) fn get(&self, id: &str) -> Option<&Held> {
        self.by_id.get(id).map(|one| &**one)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Held> {
        self.by_id.get_mut(id).map(|one| &mut **one)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.by_id.values().map(|one| &one.grant)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        self.by_id.values_mut().map(|one| &mut **one)
    }

    /// A user's.
    pub(super) fn of(&self, uid: u32) -> impl Iterator<Item = &Grant> {
        let ids = self.of_user.get(&uid).into_iter().flatten();
        ids.filter_map(|id| self.get(id)).map(|one| &one.grant)
    }

    /// How many a user has.
    pub(super) fn count(&self, uid: u32) -> usize {
        self.of_user.get(&uid).map_or(0, HashSet::len)
    }

    /// The one that lives longest of those that others than the request that issued it may use for this purpose: a
    /// shorter one of `--for` takes nothing from the others.
    pub(super) fn longest(
        &mut self,
        purpose: &Purpose,
        serving: Serving<'_>,
        now: Moment,
    ) -> Option<&mut Grant> {
        let own = self.of_user.get(&purpose.uid)?.iter().filter_map(|id| self.get(id));
        let usable = |one: &&Held| {
            let grant = &one.grant;
            one.shared && grant.is_for_purpose(purpose) && serving.takes(grant, now) && grant.is_live(now)
        };
        let lives = |one: &Held| (now.until(one.grant.expires), one.grant.issued_ns);
        let id = own.filter(usable).map(|one| (lives(one), &one.grant.id)).max()?.1.clone();
        let grant = &mut self.get_mut(&id)?.grant;
        grant.begin(now);
        Some(grant)
    }

    pub(super) fn insert(&mut self, mut one: Held) {
        self.texts.share(&mut one.grant);
        let id: Arc<str> = one.grant.id.as_str().into();
        self.of_user.entry(one.grant.purpose.uid).or_default().insert(id.clone());
        self.by_id.insert(id, Box::new(one));
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Grant> {
        let mut grant = self.by_id.remove(id)?.grant;
        self.texts.release(&mut grant);
        let uid = grant.purpose.uid;
        if let Some(own) = self.of_user.get_mut(&uid) {
            own.remove(id);
            if own.is_empty() {
                self.of_user.remove(&uid);
            }
        }
        Some(grant)
    }

    #[cfg(test)]
    pub(super) fn texts(&self) -> usize {
        self.texts.len()
    }

    /// Removes some.
    pub(super) fn take(&mut self, which: impl Fn(&Grant) -> bool) -> Vec<Grant> {
        let ids: Vec<String> =
            self.iter().filter(|grant| which(grant)).map(|grant| grant.id.clone()).collect();
        ids.iter().filter_map(|id| self.remove(id)).collect()
    }
}
