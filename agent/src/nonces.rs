//! Nonces of tokens that were spent. Each is burnt once: in memory at once, so that of many racers one wins, and in the store
//! in the commit that makes the grant durable, so that no crash gives it back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::store::{Change, Contents, Store, Table};

/// Name of the value in the store: see [`All::forgotten_ns`].
pub const FORGOTTEN: &str = "nonces_forgotten";

/// All that are known.
#[derive(Debug)]
pub struct Nonces {
    store: Store,
    held: Mutex<All>,
}

#[derive(Debug)]
struct All {
    /// Until when the token could be spent, `CLOCK_REALTIME` in nanoseconds.
    until_ns: HashMap<String, i64>,
    /// The latest such end of those that were forgotten: a token that ended no later is over, however the clock is set.
    forgotten_ns: i64,
}

/// As the store has it.
#[derive(Serialize, Deserialize)]
struct Burnt {
    until_ns: i64,
}

impl Nonces {
    /// Takes what the store held.
    pub fn load(store: Store, contents: &Contents) -> Self {
        let read = |(nonce, json): &(String, Vec<u8>)| {
            // What can't be read is burnt all the same, for good.
            let until_ns = serde_json::from_slice(json).map_or(i64::MAX, |Burnt { until_ns }| until_ns);
            (nonce.clone(), until_ns)
        };
        let until_ns = contents.nonces.iter().map(read).collect();
        let forgotten_ns = contents.value(FORGOTTEN).unwrap_or(i64::MIN);
        Self { store, held: Mutex::new(All { until_ns, forgotten_ns }) }
    }

    /// Whether a token with this nonce and end was spent, as far as that is known.
    pub fn is_burnt(&self, nonce: &str) -> bool {
        self.lock().until_ns.contains_key(nonce)
    }

    /// Whether a token with this end is over although the clock may say otherwise: its nonce may be forgotten.
    pub fn is_over(&self, until_ns: i64) -> bool {
        until_ns <= self.lock().forgotten_ns
    }

    /// Burns it: the change that makes that durable, to be committed before anything runs. None: it was burnt before.
    pub fn burn(&self, nonce: &str, until_ns: i64) -> Option<Change> {
        let mut held = self.lock();
        if held.until_ns.contains_key(nonce) || until_ns <= held.forgotten_ns {
            return None;
        }
        let change = Change::put(Table::Nonces, nonce, &Burnt { until_ns }).ok()?;
        held.until_ns.insert(nonce.to_owned(), until_ns);
        Some(change)
    }

    /// Gives one back whose change was not made: nothing ran.
    pub fn give_back(&self, nonce: &str) {
        let mut held = self.lock();
        // Told while this is locked: who burns it next is heard later.
        self.store.note(Change::remove(Table::Nonces, nonce));
        held.until_ns.remove(nonce);
    }

    /// Forgets those whose tokens are over by their own time.
    pub fn sweep(&self, now: Moment) {
        let mut held = self.lock();
        let is_over = |until_ns: i64| until_ns <= now.realtime_ns;
        let over: Vec<(String, i64)> = held.until_ns.extract_if(|_, until_ns| is_over(*until_ns)).collect();
        let Some(latest) = over.iter().map(|(_, until_ns)| *until_ns).max() else { return };
        held.forgotten_ns = held.forgotten_ns.max(latest);
        // First what makes up for their absence.
        if let Ok(change) = Change::put(Table::Values, FORGOTTEN, &held.forgotten_ns) {
            self.store.note(change);
        }
        for (nonce, _) in over {
            self.store.note(Change::remove(Table::Nonces, &nonce));
        }
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
