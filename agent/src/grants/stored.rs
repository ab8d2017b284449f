//! Grants as the store has them: written, read at the start, and never longer for it.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::all::All;
use super::{Grant, Grants, Held};
use crate::clock::{Clock, Moment, over_reboot};
use crate::store::{Change, Store, Table};

/// As the store has it.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) grant: Grant,
    /// When `left_ns` was true, `CLOCK_REALTIME` in nanoseconds.
    pub(super) at_ns: i64,
    /// As in [`Held`].
    #[serde(default = "yes")]
    pub(super) shared: bool,
}

fn yes() -> bool {
    true // earlier versions did not say
}

impl Held {
    pub(super) fn put(&self, now: Moment) -> std::io::Result<Change> {
        let grant = Grant { left_ns: now.until(self.grant.expires), ..self.grant.clone() };
        let id = grant.id.clone();
        let stored = Stored { grant, at_ns: now.realtime_ns, shared: self.shared };
        Change::put(Table::Grants, &id, &stored)
    }
}

impl Grants {
    /// Takes what the store held; what cannot be read is no grant. After a reboot `CLOCK_BOOTTIME` starts anew: the
    /// wall clock decides, but a grant never gets more than it had left, and none if that clock was set back.
    ///
    /// Expired ones are among them until [`Self::sweep`].
    pub fn load(store: Store, contents: &[(String, Vec<u8>)], clock: &dyn Clock) -> Self {
        let now = clock.now();
        let mut held = All::default();
        for (id, json) in contents {
            let Some(stored) = read(id, json) else {
                store.note(Change::remove(Table::Grants, id));
                continue;
            };
            let mut one = Held { grant: stored.grant, shared: true };
            let grant = &mut one.grant;
            let is_of_this_boot = *grant.boot_id == *clock.boot_id();
            if !is_of_this_boot {
                grant.expires = over_reboot(grant.expires, grant.left_ns, stored.at_ns, now);
                grant.boot_id = clock.boot_id().into();
            }
            if let (Ok(change), false) = (one.put(now), is_of_this_boot && stored.shared) {
                store.note(change);
            }
            held.insert(one);
        }
        Self { store, held: Mutex::new(held) }
    }

    /// The grants among what the store held whose end on the wall clock is still to come: for a store that does not
    /// count.
    pub fn unexpired_in(contents: &[(String, Vec<u8>)], now: Moment) -> Vec<Grant> {
        let grants = contents.iter().filter_map(|(id, json)| Some(read(id, json)?.grant));
        grants.filter(|grant| grant.expires.realtime_ns > now.realtime_ns).collect()
    }

    /// Takes those out that an agent made durable, and ended before it noted that their issue is in the log; unless it
    /// is. Nothing ran on them.
    pub fn take_unissued(
        contents: &mut Vec<(String, Vec<u8>)>,
        is_in_log: impl Fn(&str) -> bool,
    ) -> Vec<Grant> {
        let stored = |(id, json): &mut (String, Vec<u8>)| read(id, json).filter(|stored| !stored.shared);
        let unissued =
            contents.extract_if(.., |entry| stored(entry).is_some_and(|it| !is_in_log(&it.grant.id)));
        unissued.filter_map(|(id, json)| Some(read(&id, &json)?.grant)).collect()
    }
}

fn read(id: &str, json: &[u8]) -> Option<Stored> {
    let stored = serde_json::from_slice::<Stored>(json).ok().filter(|stored| stored.grant.id == id)?;
    stored.grant.subject.open().is_ok().then_some(stored)
}
