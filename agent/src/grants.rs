//! Grants: permissions with an end. In memory to be asked, in the store to survive; durable before they are used.

mod ahead;
mod all;
mod stored;
mod texts;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jit_protocol::binding::Binding;
use jit_protocol::link::Deadline;
use serde::{Deserialize, Serialize};

pub use self::ahead::Ahead;
use self::all::All;
use crate::clock::{Moment, earlier};
use crate::packed::Packed;
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
    pub user: Arc<str>,
    /// Name of the target user.
    pub target: Arc<str>,
    /// When it was issued, `CLOCK_REALTIME` in nanoseconds.
    pub issued_ns: i64,
    /// Its end. `boottime_ns` counts in the boot of `boot_id`.
    pub expires: Deadline,
    /// Nanoseconds it had left when it was last stored: set by [`Grants`], never more than that after a reboot.
    pub left_ns: u64,
    /// The boot in which `expires.boottime_ns` counts.
    pub boot_id: Arc<str>,
    /// How often it can still be used; none: without limit.
    pub uses_left: Option<u32>,
    /// Why it was asked for.
    pub reason: Option<Arc<str>>,
    /// What was decided upon, to decide again after a reload.
    pub subject: Packed<Subject>,
    /// The yes that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Box<Approved>>,
    /// When it begins, if it was asked for ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<Ahead>,
}

/// The yes that a grant came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// Id of the request.
    pub request: String,
    /// Who said it.
    pub by: Vec<String>,
    /// What it was a yes to; none: to whatever the rule permits.
    pub binding: Option<Binding>,
}

/// Which of the grants for a purpose serve.
#[derive(Debug, Clone, Copy)]
pub enum Serving<'b> {
    /// Each.
    Any,
    /// Those that somebody has approved: for this very command, or for whatever the rule permits.
    Approved(&'b Binding),
    /// Those that somebody has approved for this very command.
    This(&'b Binding),
}

impl Serving<'_> {
    fn takes(self, grant: &Grant, now: Moment) -> bool {
        let bound = grant.approved.as_ref().map(|approved| approved.binding.as_ref());
        match self {
            Self::Any => true,
            Self::Approved(binding) => bound.is_some_and(|bound| match bound {
                Some(bound) => grant.is_bound_to(bound, binding),
                // A longer one than somebody has agreed to is for somebody to agree to.
                None => binding.duration.is_none_or(|asked| grant.is_for(asked, now)),
            }),
            Self::This(binding) => bound.flatten().is_some_and(|bound| grant.is_bound_to(bound, binding)),
        }
    }
}

/// What a grant is for: it counts for exactly the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purpose {
    /// Id of the rule.
    pub rule: Arc<str>,
    /// Invoking user.
    pub uid: u32,
    /// Target user.
    pub target_uid: u32,
    /// The group of `-g`.
    pub group: Option<u32>,
    /// Where it counts.
    pub scope: Scope,
    /// The key of that scope.
    pub key: Arc<str>,
}

impl Grant {
    /// Whether it can serve now.
    pub fn is_live(&self, now: Moment) -> bool {
        self.is_left(now) && !self.is_ahead(now)
    }

    /// Whether it can serve now or later.
    fn is_left(&self, now: Moment) -> bool {
        !now.is_past(self.expires) && self.uses_left != Some(0)
    }

    /// Whether it was asked for for so many seconds, or has them left.
    fn is_for(&self, seconds: u64, now: Moment) -> bool {
        let asked = || self.subject.open().ok()?.duration.map(|duration| duration.as_secs());
        now.until(self.expires) >= seconds.saturating_mul(1_000_000_000) || asked() == Some(seconds)
    }
}

/// All live grants.
#[derive(Debug)]
pub struct Grants {
    store: Store,
    /// The store is told while this is locked, so that it hears of changes in the order they were made.
    held: Mutex<All>,
}

#[derive(Debug)]
struct Held {
    grant: Grant,
    /// It is durable and in the log, so that others than the request that issued it may use it.
    shared: bool,
}

/// A use that was taken, before it is durable.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The grant after it.
    pub grant: Grant,
    /// It was issued for this use.
    pub is_new: bool,
}

/// Why a use is not durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsettled {
    /// The grant ended meanwhile.
    Ended,
    /// The store could not be written; why.
    NotStored(String),
}

/// Most grants of one user: a rule without duties would let its user fill the memory.
const MOST: usize = 16_384;

impl Grants {
    /// The live grant for this purpose, if there is one: of several the one that lives longest.
    pub fn find(&self, purpose: &Purpose, serving: Serving<'_>, now: Moment) -> Option<Grant> {
        self.lock().longest(purpose, serving, now).map(|grant| grant.clone())
    }

    /// The live grants for this purpose that somebody has approved.
    pub fn approved(&self, purpose: &Purpose, now: Moment) -> Vec<Grant> {
        let is_one =
            |grant: &Grant| grant.approved.is_some() && grant.is_for_purpose(purpose) && grant.is_live(now);
        oldest_first(&mut self.lock().of(purpose.uid), is_one)
    }

    /// Takes one use of the live grant for this purpose, or of a new one. Nobody else can take the same one; it counts
    /// once [`Self::settle`] has made it durable. `None`: none was issued, or the user has 16,384.
    ///
    /// `issue` must not ask for grants.
    pub fn take(
        &self,
        now: Moment,
        purpose: &Purpose,
        serving: Serving<'_>,
        issue: impl FnOnce() -> Option<Grant>,
    ) -> Option<Taken> {
        let mut held = self.lock();
        if let Some(grant) = held.longest(purpose, serving, now) {
            grant.uses_left = grant.uses_left.map(|left| left.saturating_sub(1));
            return Some(Taken { grant: grant.clone(), is_new: false });
        }
        issue_into(&mut held, issue)
    }

    /// Takes one use of a new grant, whatever there is already.
    ///
    /// `issue` must not ask for grants.
    pub fn take_new(&self, issue: impl FnOnce() -> Option<Grant>) -> Option<Taken> {
        issue_into(&mut self.lock(), issue)
    }

    /// Adds a grant that nothing runs on yet, and the change that makes it durable. Nobody may use it until [`Self::share`];
    /// should that change fail, [`Self::withdraw`]. None: the user has 16,384.
    pub fn add(&self, grant: Grant, now: Moment) -> Option<Change> {
        let mut held = self.lock();
        if held.count(grant.purpose.uid) >= MOST {
            return None;
        }
        let one = Held { grant, shared: false };
        let change = one.put(now).ok()?;
        held.insert(one);
        Some(change)
    }

    /// Takes back one that was added and did not become durable.
    pub fn withdraw(&self, id: &str) {
        if self.lock().remove(id).is_some() {
            self.store.note(Change::remove(Table::Grants, id));
        }
    }

    /// Makes a use durable, with other changes in the same commit. A new grant is not for others yet: [`Self::share`].
    ///
    /// # Errors
    /// Why it is not, or that the grant ended meanwhile: nothing may run. The use was not taken, nor the grant issued.
    pub async fn settle(&self, taken: &Taken, now: Moment, with: Vec<Change>) -> Result<(), Unsettled> {
        let result = match self.submit(taken, now, with) {
            Ok(pending) => pending.await.map_err(Unsettled::NotStored),
            Err(why) => Err(why),
        };
        let mut held = self.lock();
        match (result, held.get_mut(&taken.grant.id)) {
            (Ok(()), Some(_)) => Ok(()),
            (Ok(()), None) => Err(Unsettled::Ended),
            (Err(why), _) => {
                self.undo(&mut held, taken);
                Err(why)
            }
        }
    }

    /// What is stored is the grant as it is now, with the uses that others took meanwhile: a commit that comes late
    /// must not give them back.
    fn submit(
        &self,
        taken: &Taken,
        now: Moment,
        mut with: Vec<Change>,
    ) -> Result<impl Future<Output = Result<(), String>> + use<>, Unsettled> {
        let held = self.lock();
        let one = held.get(&taken.grant.id).ok_or(Unsettled::Ended)?;
        if now.is_past(one.grant.expires) {
            return Err(Unsettled::Ended);
        }
        with.push(one.put(now).map_err(|error| Unsettled::NotStored(error.to_string()))?);
        Ok(self.store.submit(with))
    }

    /// From here on others than the request that issued a grant may use it, and it outlives this agent.
    pub fn share(&self, id: &str, now: Moment) {
        let mut held = self.lock();
        let Some(one) = held.get_mut(id).filter(|one| !one.shared) else { return };
        one.shared = true;
        if let Ok(change) = one.put(now) {
            self.store.note(change);
        }
    }

    /// Gives back a use, settled or not: nothing ran. In the store a use that was settled stays taken. True if that ended
    /// the grant, which had been issued for it.
    pub fn give_back(&self, taken: &Taken) -> bool {
        self.undo(&mut self.lock(), taken)
    }

    fn undo(&self, held: &mut All, taken: &Taken) -> bool {
        let id = &taken.grant.id;
        if taken.is_new {
            self.store.note(Change::remove(Table::Grants, id));
            return held.remove(id).is_some();
        }
        if let Some(one) = held.get_mut(id) {
            one.grant.uses_left = one.grant.uses_left.map(|left| left.saturating_add(1));
        }
        false
    }

    /// Removes those that are over, and returns them. One without uses is kept until its end, for the sessions on it.
    /// Those whose time has come begin.
    pub fn sweep(&self, now: Moment) -> Vec<Grant> {
        for one in self.lock().iter_mut() {
            if one.grant.begin(now)
                && let Ok(change) = one.put(now)
            {
                self.store.note(change);
            }
        }
        self.remove(|grant| now.is_past(grant.expires))
    }

    /// How long until the next one ends, or begins, in nanoseconds; none if there is none.
    pub fn next_moment(&self, now: Moment) -> Option<u64> {
        self.lock().iter().map(|grant| grant.next_moment(now)).min()
    }

    /// Removes some, in memory at once and in the store soon: one that comes back from the store after a crash is over
    /// by its own times, or is decided upon again at the start.
    pub fn remove(&self, which: impl Fn(&Grant) -> bool) -> Vec<Grant> {
        self.revoke(which).0
    }

    /// Removes some, in memory at once and then durably: a revoked grant does not come back. Those that were removed, and
    /// what tells why that is not durable.
    pub fn revoke<F: Fn(&Grant) -> bool>(
        &self,
        which: F,
    ) -> (Vec<Grant>, impl Future<Output = Result<(), String>> + use<F>) {
        let mut held = self.lock();
        let removed = held.take(which);
        let changes: Vec<Change> =
            removed.iter().map(|grant| Change::remove(Table::Grants, &grant.id)).collect();
        let pending = (!changes.is_empty()).then(|| self.store.submit(changes));
        let stored = async {
            match pending {
                Some(pending) => pending.await,
                None => Ok(()),
            }
        };
        (removed, stored)
    }

    /// Shortens a grant; it never gets longer. In memory: all are decided upon again at the start.
    pub fn shorten(&self, id: &str, expires: Deadline) {
        if let Some(one) = self.lock().get_mut(id) {
            one.grant.expires = earlier(one.grant.expires, expires);
        }
    }

    /// One by its id.
    pub fn get(&self, id: &str) -> Option<Grant> {
        self.lock().get(id).map(|one| one.grant.clone())
    }

    /// All live ones, and those that are still to begin, oldest first.
    pub fn all(&self, now: Moment) -> Vec<Grant> {
        self.some(|grant| grant.is_left(now))
    }

    /// A user's that are still to begin, oldest first.
    pub fn ahead(&self, uid: u32, now: Moment) -> Vec<Grant> {
        oldest_first(&mut self.lock().of(uid), |grant| grant.is_left(now) && grant.is_ahead(now))
    }

    /// One for this purpose that is still to begin.
    pub fn find_ahead(&self, purpose: &Purpose, serving: Serving<'_>, now: Moment) -> Option<Grant> {
        let mut ahead = self.ahead(purpose.uid, now);
        ahead.retain(|grant| grant.is_for_purpose(purpose) && serving.takes(grant, now));
        ahead.into_iter().next()
    }

    /// All that are not over, oldest first: those without uses left too, on which sessions may still run.
    pub fn unexpired(&self, now: Moment) -> Vec<Grant> {
        self.some(|grant| !now.is_past(grant.expires))
    }

    fn some(&self, which: impl Fn(&Grant) -> bool) -> Vec<Grant> {
        oldest_first(&mut self.lock().iter(), which)
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn oldest_first(grants: &mut dyn Iterator<Item = &Grant>, which: impl Fn(&Grant) -> bool) -> Vec<Grant> {
    let mut some: Vec<Grant> = grants.filter(|grant| which(grant)).cloned().collect();
    some.sort_by(|one, other| (one.issued_ns, &one.id).cmp(&(other.issued_ns, &other.id)));
    some
}

fn issue_into(held: &mut All, issue: impl FnOnce() -> Option<Grant>) -> Option<Taken> {
    let mut grant = issue()?;
    if held.count(grant.purpose.uid) >= MOST {
        return None;
    }
    grant.uses_left = grant.uses_left.map(|left| left.saturating_sub(1));
    held.insert(Held { grant: grant.clone(), shared: false });
    Some(Taken { grant, is_new: true })
}

#[cfg(test)]
mod tests;
