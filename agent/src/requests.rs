//! Requests for approval: what was asked for and waits for somebody else. Each change is durable before anyone is told.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jit_protocol::binding::Binding;
use jit_protocol::link::Deadline;
use jit_protocol::response::RequestState;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::{Clock, Moment, over_reboot};
use crate::grants::Purpose;
use crate::identities::Identities;
use crate::scope::Keys;
use crate::store::{Change, Store, Table};
use crate::translate::Subject;

/// How long it is known how a request came out, in nanoseconds: for those who wait, or look again.
const KNOWN: u64 = 60 * 60 * 1_000_000_000;

/// Of how many decided requests of one user that is known.
const DECIDED: usize = 16;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// 32 hex digits.
    pub id: String,
    /// What exactly is asked for.
    pub binding: Binding,
    /// SHA-256 of that, hex.
    pub digest: String,
    /// A yes counts for all that the rule permits to this user as this target.
    pub for_rule: bool,
    /// What the grant will be for.
    pub purpose: Purpose,
    /// What was decided upon, to decide again.
    pub subject: Subject,
    /// Why it is asked for.
    pub reason: Option<String>,
    /// Login uid of who asked.
    pub loginuid: Option<u32>,
    /// Who asked, whoever that is: none of them may approve.
    pub asker: Identities,
    /// The session of who asked: nobody in it may approve.
    pub keys: Keys,
    /// `CLOCK_REALTIME` in nanoseconds.
    pub asked_ns: i64,
    /// Until when it waits; once it is decided, until when that is known. `boottime_ns` counts in the boot of `boot_id`.
    pub until: Deadline,
    /// Nanoseconds left of that when it was last stored.
    pub left_ns: u64,
    /// When that was, `CLOCK_REALTIME` in nanoseconds.
    pub at_ns: i64,
    /// The boot in which `until.boottime_ns` counts.
    pub boot_id: String,
    /// How it stands.
    pub state: RequestState,
    /// Who has said yes.
    pub approvals: Vec<Approval>,
    /// Who said no, and why.
    pub answer: Option<String>,
    /// The grant that it became.
    pub grant: Option<String>,
}

/// One yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Whose.
    pub name: String,
    /// Its uid.
    pub uid: u32,
    /// Whoever that is.
    pub person: Identities,
}

impl Request {
    /// Whether it waits.
    pub fn is_pending(&self, now: Moment) -> bool {
        self.state == RequestState::Pending && !now.is_past(self.until)
    }

    /// How it stands now.
    pub fn state(&self, now: Moment) -> RequestState {
        let is_late = self.state == RequestState::Pending && now.is_past(self.until);
        if is_late { RequestState::Expired } else { self.state }
    }

    fn put(&self, now: Moment) -> Result<Change, String> {
        let stored = Self { left_ns: now.until(self.until), at_ns: now.realtime_ns, ..self.clone() };
        Change::put(Table::Requests, &self.id, &stored).map_err(|error| error.to_string())
    }
}

/// Why nothing was filed or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unchanged {
    /// As many of the user's wait already as may.
    TooMany,
    /// It does not wait any more, or there is no such request.
    Decided,
    /// The store could not be written; why.
    NotStored(String),
}

/// A change that is durable, and not known yet.
#[derive(Debug)]
pub struct Committed<'r> {
    /// How the request is now.
    pub request: Request,
    _one_at_a_time: tokio::sync::MutexGuard<'r, ()>,
}

/// All of them.
#[derive(Debug)]
pub struct Requests {
    store: Store,
    held: Mutex<HashMap<String, Request>>,
    /// One change at a time: it is made from what is known, and known once it is durable.
    changing: tokio::sync::Mutex<()>,
    changed: watch::Sender<()>,
}

impl Requests {
    /// Takes what the store held. After a reboot the wall clock decides, but nothing waits longer than it would have.
    pub fn load(store: Store, contents: &[(String, Vec<u8>)], clock: &dyn Clock) -> Self {
        let now = clock.now();
        let mut held = HashMap::new();
        for (id, json) in contents {
            let read = serde_json::from_slice::<Request>(json).ok().filter(|request| request.id == *id);
            let Some(mut request) = read else {
                store.note(Change::remove(Table::Requests, id));
                continue;
            };
            if request.boot_id != clock.boot_id() {
                request.until = over_reboot(request.until, request.left_ns, request.at_ns, now);
                clock.boot_id().clone_into(&mut request.boot_id);
                if let Ok(change) = request.put(now) {
                    store.note(change);
                }
            }
            held.insert(id.clone(), request);
        }
        let (changed, _) = watch::channel(());
        Self { store, held: Mutex::new(held), changing: tokio::sync::Mutex::new(()), changed }
    }

    /// Files a request, unless the user has asked for the very same already: then that one is the answer, and false.
    ///
    /// # Errors
    /// [`Unchanged::TooMany`] if `most` of the user's wait already.
    pub async fn file(
        &self,
        request: Request,
        most: usize,
        now: Moment,
    ) -> Result<(Request, bool), Unchanged> {
        let _one_at_a_time = self.changing.lock().await;
        {
            let held = self.lock();
            let own =
                || held.values().filter(|it| it.purpose.uid == request.purpose.uid && it.is_pending(now));
            let is_same = |it: &&Request| it.digest == request.digest && it.purpose == request.purpose;
            if let Some(same) = own().find(is_same) {
                return Ok((same.clone(), false));
            }
            if own().count() >= most {
                return Err(Unchanged::TooMany);
            }
        }
        let forgotten = self.too_many_decided(request.purpose.uid);
        let forget = forgotten.iter().map(|id| Change::remove(Table::Requests, id)).collect();
        if let Err(why) = self.store(&request, now, forget).await {
            self.store.note(Change::remove(Table::Requests, &request.id));
            return Err(why);
        }
        self.know(request.clone());
        self.lock().retain(|id, _| !forgotten.contains(id));
        Ok((request, true))
    }

    /// Changes one that waits, with other changes in the same commit; how it is then. A decided one is known for an hour.
    ///
    /// # Errors
    /// Why it is as it was. `change` says no by an error of its own.
    pub async fn change<E: From<Unchanged>>(
        &self,
        id: &str,
        now: Moment,
        change: impl FnOnce(&mut Request) -> Result<Vec<Change>, E>,
    ) -> Result<Request, E> {
        let committed = self.commit(id, now, change).await?;
        Ok(self.tell(committed))
    }

    /// As [`Self::change`], but nobody sees it, and nothing else changes, until it is told.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub async fn commit<E: From<Unchanged>>(
        &self,
        id: &str,
        now: Moment,
        change: impl FnOnce(&mut Request) -> Result<Vec<Change>, E>,
    ) -> Result<Committed<'_>, E> {
        let one_at_a_time = self.changing.lock().await;
        let before = self.get(id).filter(|it| it.is_pending(now)).ok_or(Unchanged::Decided)?;
        let mut request = before.clone();
        let with = change(&mut request)?;
        if request.state != RequestState::Pending {
            request.until = now.after(KNOWN);
        }
        if let Err(why) = self.store(&request, now, with).await {
            // A commit that failed may be on the disk all the same: a yes that does not count must not come back.
            if let Ok(undo) = before.put(now) {
                self.store.note(undo);
            }
            return Err(why.into());
        }
        Ok(Committed { request, _one_at_a_time: one_at_a_time })
    }

    /// From now on it is known.
    pub fn tell(&self, committed: Committed<'_>) -> Request {
        self.know(committed.request.clone());
        committed.request
    }

    /// Takes one back that the log could not be told of.
    pub async fn take_back(&self, id: &str, now: Moment) {
        let undo = |request: &mut Request| {
            request.state = RequestState::Withdrawn;
            Ok::<_, Unchanged>(Vec::new())
        };
        let _ = self.change(id, now, undo).await; // shows in `status`; it expires in any case
    }

    /// Those of a user's that are decided but for the newest: whoever asks and takes back all the time fills nothing.
    fn too_many_decided(&self, uid: u32) -> Vec<String> {
        let held = self.lock();
        let is_decided = |it: &&Request| it.purpose.uid == uid && it.state != RequestState::Pending;
        let mut decided: Vec<&Request> = held.values().filter(is_decided).collect();
        decided.sort_by_key(|it| std::cmp::Reverse((it.asked_ns, it.id.clone())));
        decided.into_iter().skip(DECIDED).map(|it| it.id.clone()).collect()
    }

    async fn store(&self, request: &Request, now: Moment, mut with: Vec<Change>) -> Result<(), Unchanged> {
        with.push(request.put(now).map_err(Unchanged::NotStored)?);
        self.store.commit(with).await.map_err(Unchanged::NotStored)
    }

    fn know(&self, request: Request) {
        self.lock().insert(request.id.clone(), request);
        self.changed.send_replace(());
    }

    /// Those that nobody answered in time, as they are now; and forgets those that were decided long ago.
    /// Nothing while one is being changed: it may just have been answered.
    pub fn sweep(&self, now: Moment) -> Vec<Request> {
        let Ok(_one_at_a_time) = self.changing.try_lock() else { return Vec::new() };
        let mut held = self.lock();
        let over: Vec<String> =
            held.values().filter(|it| now.is_past(it.until)).map(|it| it.id.clone()).collect();
        let mut expired = Vec::new();
        for id in over {
            let Some(request) = held.get_mut(&id) else { continue };
            if request.state == RequestState::Pending {
                request.state = RequestState::Expired;
                request.until = now.after(KNOWN);
                if let Ok(change) = request.put(now) {
                    self.store.note(change);
                }
                expired.push(request.clone());
            } else {
                held.remove(&id);
                self.store.note(Change::remove(Table::Requests, &id));
            }
        }
        drop(held);
        if !expired.is_empty() {
            self.changed.send_replace(());
        }
        expired
    }

    /// One by its id.
    pub fn get(&self, id: &str) -> Option<Request> {
        self.lock().get(id).cloned()
    }

    /// All that are known, oldest first.
    pub fn all(&self) -> Vec<Request> {
        let mut all: Vec<Request> = self.lock().values().cloned().collect();
        all.sort_by(|one, other| (one.asked_ns, &one.id).cmp(&(other.asked_ns, &other.id)));
        all
    }

    /// Tells of each change from now on.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Request>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod tests;
