//! Requests for approval: what was asked for and waits for somebody else. Each change is stored, then in the log, then told:
//! what is not in the log has not happened, and is taken back, by the next agent if need be.

mod request;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jit_protocol::response::RequestState;
use tokio::sync::watch;

pub use self::request::{Approval, Request};
use crate::clock::{Clock, Moment, over_reboot};
use crate::store::{Change, Store, Table};

/// Of how many decided requests of one user that is known.
const DECIDED: usize = 16;

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

/// A change that is durable, and not known yet: [`Requests::tell`] it once it is in the log, or [`Requests::undo`] it.
#[derive(Debug)]
#[must_use]
pub struct Committed<'r> {
    /// The request as it will be known.
    pub request: Request,
    /// As it is known; none: it is new.
    before: Option<Box<Request>>,
    /// Ids of those that are forgotten with it.
    forgotten: Vec<String>,
    _one_at_a_time: tokio::sync::MutexGuard<'r, ()>,
}

/// What becomes of a request that is to be filed.
#[derive(Debug)]
pub enum Filed<'r> {
    /// It is filed.
    New(Committed<'r>),
    /// The user has asked for the very same before, and that still waits.
    Already(Request),
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

    /// Files a request, unless the user has asked for the very same already.
    ///
    /// # Errors
    /// [`Unchanged::TooMany`] if `most` of the user's wait already.
    pub async fn file(&self, request: Request, most: usize, now: Moment) -> Result<Filed<'_>, Unchanged> {
        let one_at_a_time = self.changing.lock().await;
        {
            let held = self.lock();
            let own =
                || held.values().filter(|it| it.purpose.uid == request.purpose.uid && it.is_pending(now));
            let is_same = |it: &&Request| it.digest == request.digest && it.purpose == request.purpose;
            if let Some(same) = own().find(is_same) {
                return Ok(Filed::Already(same.clone()));
            }
            if own().count() >= most {
                return Err(Unchanged::TooMany);
            }
        }
        let request = Request { recorded: false, ..request };
        let forgotten = self.too_many_decided(request.purpose.uid);
        let forget = forgotten.iter().map(|id| Change::remove(Table::Requests, id)).collect();
        self.store(&request, None, now, forget).await?;
        Ok(Filed::New(Committed { request, before: None, forgotten, _one_at_a_time: one_at_a_time }))
    }

    /// Keeps one that nobody has to answer, with other changes in the same commit.
    ///
    /// # Errors
    /// [`Unchanged::NotStored`]
    pub async fn keep(
        &self,
        request: Request,
        now: Moment,
        mut with: Vec<Change>,
    ) -> Result<Committed<'_>, Unchanged> {
        let one_at_a_time = self.changing.lock().await;
        let request = Request { recorded: false, ..request };
        let forgotten = self.too_many_decided(request.purpose.uid);
        with.extend(forgotten.iter().map(|id| Change::remove(Table::Requests, id)));
        self.store(&request, None, now, with).await?;
        Ok(Committed { request, before: None, forgotten, _one_at_a_time: one_at_a_time })
    }

    /// Changes one that waits, with other changes in the same commit. Nobody sees it, and nothing else changes, until it is
    /// told.
    ///
    /// # Errors
    /// Why it is as it was. `change` says no by an error of its own.
    pub async fn commit<E: From<Unchanged>>(
        &self,
        id: &str,
        now: Moment,
        change: impl FnOnce(&mut Request) -> Result<Vec<Change>, E>,
    ) -> Result<Committed<'_>, E> {
        let one_at_a_time = self.changing.lock().await;
        let before = self.get(id).filter(|it| it.is_pending(now)).ok_or(Unchanged::Decided)?;
        let mut request = Request { recorded: false, ..before.clone() };
        let with = change(&mut request)?;
        self.store(&request, Some(&before), now, with).await?;
        let before = Some(Box::new(before));
        Ok(Committed { request, before, forgotten: Vec::new(), _one_at_a_time: one_at_a_time })
    }

    /// The log has it: from now on it is known. One that is decided is for an hour.
    pub fn tell(&self, committed: Committed<'_>, now: Moment) -> Request {
        let request = committed.request.recorded(now);
        self.note(&request, now);
        self.lock().retain(|id, _| !committed.forgotten.contains(id));
        self.lock().insert(request.id.clone(), request.clone());
        self.changed.send_replace(());
        request
    }

    /// The log does not have it: nothing has changed.
    pub fn undo(&self, committed: &Committed<'_>, now: Moment) {
        self.put_back(&committed.request.id, committed.before.as_deref(), now);
    }

    /// At the start: what an earlier agent stored, and ended before it noted that the log has it. Where `is_in_log` says so it
    /// counts. Nobody was told of the others: they are as they were before, and this returns them as they were stored, with
    /// what lets the store know.
    pub fn settle(&self, now: Moment, is_in_log: impl Fn(&Request) -> bool) -> Vec<(Request, Change)> {
        let mut held = self.lock();
        let unrecorded: Vec<Request> = held.extract_if(|_, it| !it.recorded).map(|(_, it)| it).collect();
        let mut undone = Vec::new();
        for request in unrecorded {
            let is = if is_in_log(&request) {
                let known = request.recorded(now);
                self.note(&known, now);
                Some(known)
            } else {
                let before = request.clone().before();
                undone.extend(back(&request.id, before.as_ref(), now).map(|change| (request, change)));
                before
            };
            held.extend(is.map(|request| (request.id.clone(), request)));
        }
        undone
    }

    /// Those of a user's that are decided but for the newest: whoever asks and takes back all the time fills nothing.
    fn too_many_decided(&self, uid: u32) -> Vec<String> {
        let held = self.lock();
        let is_decided = |it: &&Request| it.purpose.uid == uid && it.state != RequestState::Pending;
        let mut decided: Vec<&Request> = held.values().filter(is_decided).collect();
        decided.sort_by_key(|it| std::cmp::Reverse((it.asked_ns, it.id.clone())));
        decided.into_iter().skip(DECIDED).map(|it| it.id.clone()).collect()
    }

    async fn store(
        &self,
        request: &Request,
        before: Option<&Request>,
        now: Moment,
        mut with: Vec<Change>,
    ) -> Result<(), Unchanged> {
        with.push(request.put(now).map_err(Unchanged::NotStored)?);
        let stored = self.store.commit(with).await;
        if stored.is_err() {
            // A commit that failed may be on the disk all the same: a yes that does not count must not come back.
            self.put_back(&request.id, before, now);
        }
        stored.map_err(Unchanged::NotStored)
    }

    fn put_back(&self, id: &str, before: Option<&Request>, now: Moment) {
        if let Some(change) = back(id, before, now) {
            self.store.note(change);
        }
    }

    /// Lets the store know how one is, soon.
    pub fn note(&self, request: &Request, now: Moment) {
        if let Ok(change) = request.put(now) {
            self.store.note(change);
        }
    }

    /// Those that nobody answered in time, as they are now, for the log and then the store ([`Self::note`]); and forgets those
    /// that were decided long ago. Nothing while one is being changed: it may just have been answered.
    pub fn sweep(&self, now: Moment) -> Vec<Request> {
        let Ok(_one_at_a_time) = self.changing.try_lock() else { return Vec::new() };
        let mut held = self.lock();
        let over: Vec<String> =
            held.values().filter(|it| now.is_past(it.until)).map(|it| it.id.clone()).collect();
        let mut expired = Vec::new();
        for id in over {
            let Some(request) = held.get_mut(&id) else { continue };
            if request.state == RequestState::Pending {
                *request = Request { state: RequestState::Expired, ..request.clone() }.recorded(now);
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

/// What makes the store have one as it was before, or not at all.
fn back(id: &str, before: Option<&Request>, now: Moment) -> Option<Change> {
    before.map_or(Some(Change::remove(Table::Requests, id)), |before| before.put(now).ok())
}

#[cfg(test)]
pub(crate) mod tests;
