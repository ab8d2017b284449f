//! How many connections and sessions each user may have, so that none can use up what others need.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts of one kind.
#[derive(Debug, Clone)]
pub struct Admission {
    limits: Limits,
    counts: Arc<Mutex<Counts>>,
}

/// How many there may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of one user; not for uid 0.
    pub per_user: usize,
    /// Of all together.
    pub all: usize,
    /// How many of those are kept free for uid 0.
    pub reserved_for_root: usize,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_user: HashMap<u32, usize>,
}

/// One place taken; given back when dropped.
#[derive(Debug)]
pub struct Place {
    uid: u32,
    counts: Arc<Mutex<Counts>>,
}

impl Admission {
    /// Nobody is here yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, counts: Arc::default() }
    }

    /// Takes a place for a user; `None`: there is none left.
    pub fn admit(&self, uid: u32) -> Option<Place> {
        let mut counts = lock(&self.counts);
        let all = if uid == 0 {
            self.limits.all
        } else {
            self.limits.all.saturating_sub(self.limits.reserved_for_root)
        };
        let own = counts.by_user.get(&uid).copied().unwrap_or(0);
        if counts.all >= all || (uid != 0 && own >= self.limits.per_user) {
            return None;
        }
        counts.all += 1;
        counts.by_user.insert(uid, own + 1);
        Some(Place { uid, counts: Arc::clone(&self.counts) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        counts.all = counts.all.saturating_sub(1);
        let own = counts.by_user.get(&self.uid).copied().unwrap_or(0);
        if own <= 1 {
            counts.by_user.remove(&self.uid);
        } else {
            counts.by_user.insert(self.uid, own - 1);
        }
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_cannot_take_the_places_of_another() {
        let admission = Admission::new(Limits { per_user: 2, all: 6, reserved_for_root: 1 });
        let places: Vec<_> = (0..2).map(|_| admission.admit(1000).unwrap()).collect();
        assert!(admission.admit(1000).is_none());
        let other = admission.admit(1001).unwrap();
        drop(places);
        assert!(admission.admit(1000).is_some());
        drop(other);
        assert!(lock(&admission.counts).by_user.is_empty());
        assert_eq!(lock(&admission.counts).all, 0);
    }

    #[test]
    fn all_users_together_leave_room_for_root() {
        let admission = Admission::new(Limits { per_user: 2, all: 6, reserved_for_root: 1 });
        let _places: Vec<_> = (0..5).map(|at| admission.admit(1000 + at / 2).unwrap()).collect();
        assert!(admission.admit(2000).is_none());
        let _root = admission.admit(0).unwrap();
        assert!(admission.admit(0).is_none());
    }
}
