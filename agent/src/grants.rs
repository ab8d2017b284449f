//! Grants: permissions with an end. In memory to be asked, in the store to survive; durable before they are used.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jit_protocol::link::Deadline;
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Moment, earlier};
use crate::scope::Scope;
use crate::store::{Change, Store, Table};
use crate::translate::Subject;

/// A permission with an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// 32 hex digits.
    pub id: String,
    /// What it is a grant for.
    pub purpose: Purpose,
    /// Name of the invoking user.
    pub user: String,
    /// Name of the target user.
    pub target: String,
    /// When it was issued, `CLOCK_REALTIME` in nanoseconds.
    pub issued_ns: i64,
    /// Its end. `boottime_ns` counts in the boot of `boot_id`.
    pub expires: Deadline,
    /// Nanoseconds it had left when it was last stored: it never has more.
    pub left_ns: u64,
    /// The boot in which `expires.boottime_ns` counts.
    pub boot_id: String,
    /// How often it can still be used; none: without limit.
    pub uses_left: Option<u32>,
    /// Why it was asked for.
    pub reason: Option<String>,
    /// What was decided upon, to decide again after a reload.
    pub subject: Subject,
}

/// What a grant is for: it counts for exactly the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purpose {
    /// Id of the rule.
    pub rule: String,
    /// Invoking user.
    pub uid: u32,
    /// Target user.
    pub target_uid: u32,
    /// The group of `-g`.
    pub group: Option<u32>,
    /// Where it counts.
    pub scope: Scope,
    /// The key of that scope.
    pub key: String,
}

impl Grant {
    /// Whether it can serve now.
    pub fn is_live(&self, now: Moment) -> bool {
        !now.is_past(self.expires) && self.uses_left != Some(0)
    }
}

/// All live grants.
#[derive(Debug)]
pub struct Grants {
    store: Store,
    live: Mutex<HashMap<String, Grant>>,
}

/// A use that was taken, before it is durable.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The grant after it.
    pub grant: Grant,
    /// It was issued for this use.
    pub is_new: bool,
}

impl Grants {
    /// Takes what the store held. After a reboot `CLOCK_BOOTTIME` starts anew: the wall clock decides, but a grant never
    /// gets more than it had left when it was stored.
    pub fn load(store: Store, held: &[(String, Vec<u8>)], clock: &dyn Clock) -> Self {
        let now = clock.now();
        let mut live = HashMap::new();
        for (_, json) in held {
            let Ok(mut grant) = serde_json::from_slice::<Grant>(json) else { continue };
            if grant.boot_id != clock.boot_id() {
                let wall = Deadline { boottime_ns: u64::MAX, ..grant.expires };
                let left = now.until(wall).min(grant.left_ns);
                grant.expires = earlier(wall, now.after(left));
                clock.boot_id().clone_into(&mut grant.boot_id);
            }
            live.insert(grant.id.clone(), grant);
        }
        Self { store, live: Mutex::new(live) }
    }

    /// The live grant for this purpose, if there is one.
    pub fn find(&self, purpose: &Purpose, now: Moment) -> Option<Grant> {
        let live = self.lock();
        live.values().filter(|grant| grant.purpose == *purpose && grant.is_live(now)).max_by_key(|grant| grant.issued_ns).cloned()
    }

    /// Takes one use of the live grant for this purpose, or of a new one. Nobody else can take the same one; it counts
    /// once [`Self::settle`] has made it durable.
    pub fn take(&self, now: Moment, purpose: &Purpose, issue: impl FnOnce() -> Option<Grant>) -> Option<Taken> {
        let mut live = self.lock();
        let found = live.values_mut().find(|grant| grant.purpose == *purpose && grant.is_live(now));
        if let Some(grant) = found {
            grant.uses_left = grant.uses_left.map(|left| left.saturating_sub(1));
            return Some(Taken { grant: grant.clone(), is_new: false });
        }
        let mut grant = issue()?;
        grant.uses_left = grant.uses_left.map(|left| left.saturating_sub(1));
        live.insert(grant.id.clone(), grant.clone());
        Some(Taken { grant, is_new: true })
    }

    /// Makes a use durable, with other changes in the same commit.
    ///
    /// # Errors
    /// Why it is not: then the use was not taken, nor the grant issued.
    pub async fn settle(&self, taken: &Taken, now: Moment, with: Vec<Change>) -> Result<(), String> {
        let result = match self.change_for(&taken.grant, now) {
            Ok(change) => self.store.commit(with.into_iter().chain([change]).collect()).await,
            Err(error) => Err(error.to_string()),
        };
        if result.is_err() {
            self.give_back(taken);
        }
        result
    }

    /// Undoes [`Self::take`]: nothing ran.
    fn give_back(&self, taken: &Taken) {
        let mut live = self.lock();
        if taken.is_new {
            live.remove(&taken.grant.id);
        } else if let Some(grant) = live.get_mut(&taken.grant.id) {
            grant.uses_left = grant.uses_left.map(|left| left.saturating_add(1));
        }
    }

    /// Removes those that are over, and returns them.
    pub fn sweep(&self, now: Moment) -> Vec<Grant> {
        self.remove(|grant| now.is_past(grant.expires))
    }

    /// Removes some, in memory at once and in the store soon: a grant that comes back from the store by a crash is over
    /// by its own times, or is evaluated again at the start.
    pub fn remove(&self, which: impl Fn(&Grant) -> bool) -> Vec<Grant> {
        let mut live = self.lock();
        let ids: Vec<String> = live.values().filter(|grant| which(grant)).map(|grant| grant.id.clone()).collect();
        let removed: Vec<Grant> = ids.iter().filter_map(|id| live.remove(id)).collect();
        drop(live);
        for grant in &removed {
            self.store.note(Change::remove(Table::Grants, &grant.id));
        }
        removed
    }

    /// Removes some, durably: a revoked grant does not come back.
    ///
    /// # Errors
    /// Why it is not durable; in memory they are gone all the same.
    pub async fn revoke(&self, which: impl Fn(&Grant) -> bool) -> (Vec<Grant>, Result<(), String>) {
        let removed = self.remove(which);
        let changes = removed.iter().map(|grant| Change::remove(Table::Grants, &grant.id)).collect();
        let result = if removed.is_empty() { Ok(()) } else { self.store.commit(changes).await };
        (removed, result)
    }

    /// Shortens a grant; it never gets longer.
    pub fn shorten(&self, id: &str, expires: Deadline) {
        if let Some(grant) = self.lock().get_mut(id) {
            grant.expires = earlier(grant.expires, expires);
        }
    }

    /// All live ones, oldest first.
    pub fn all(&self, now: Moment) -> Vec<Grant> {
        let mut all: Vec<Grant> = self.lock().values().filter(|grant| grant.is_live(now)).cloned().collect();
        all.sort_by(|one, other| (one.issued_ns, &one.id).cmp(&(other.issued_ns, &other.id)));
        all
    }

    fn change_for(&self, grant: &Grant, now: Moment) -> std::io::Result<Change> {
        let stored = Grant { left_ns: now.until(grant.expires), ..grant.clone() };
        Change::put(Table::Grants, &grant.id, &stored)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Grant>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
