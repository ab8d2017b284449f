//! A store that was copied back: the audit log knows of later commits. Grants that were used up, revoked or expired since
//! would live again, so none of them counts.
//!
//! Each commit of the store has a number, and each record of the log says the largest one that was durable when it was
//! written. So an ordinary crash never leaves a log that is ahead of its store, and a copy of an earlier store is always
//! behind its log: a grant runs nothing, and no revocation is told, before there is a record of it.

use std::io;

use jit_audit::Event;

use crate::agent::about_grant;
use crate::audit::{Audit, Witness};
use crate::clock::Clock;
use crate::grants::Grants;
use crate::host_id::HOST;
use crate::store::{AUDIT_HEAD, Change, Contents, Store, Table};

/// Compares the store with the log, before anything is done with either. If the store does not count, its grants are
/// gone from it and from `contents` when this returns, and the log says so. Why it does not count; none if it does.
///
/// # Errors
/// If that could not be recorded or made durable. Then nothing has changed, and the next start finds the same.
pub async fn check(
    store: &Store,
    audit: &Audit,
    contents: &mut Contents,
    clock: &dyn Clock,
) -> io::Result<Option<String>> {
    let witness = audit.witness();
    let Some(why) = notice(contents.serial, witness) else { return Ok(None) };
    let grants = std::mem::take(&mut contents.grants);
    let requests = std::mem::take(&mut contents.requests);
    let unexpired = Grants::unexpired_in(&grants, clock.now());
    // The log first: should this end between the two, the store is still the older one.
    for grant in &unexpired {
        let mut record = about_grant(audit.record(Event::GrantRevoked), grant);
        record.result = Some(format!("void: {why}"));
        audit.note(record);
    }
    let mut record = audit.record(Event::AuditGap);
    record.result = Some(format!(
        "{why}: all its grants are void, and so are its requests and the tokens that were made before"
    ));
    record.count = Some(unexpired.len() as u64);
    audit.append(record).await.map_err(io::Error::other)?;
    let mut changes: Vec<Change> = grants.iter().map(|(id, _)| Change::remove(Table::Grants, id)).collect();
    changes.extend(requests.iter().map(|(id, _)| Change::remove(Table::Requests, id)));
    // Nor does it know all tokens that were spent: with another id of this host, those of before are another's.
    contents.values.retain(|(name, _)| name != HOST);
    changes.push(Change::remove(Table::Values, HOST));
    changes.push(Change::put(Table::Values, AUDIT_HEAD, &audit.head())?); // this end of the log is the one from now on
    store.submit_beyond(witness.store, changes).await.map_err(io::Error::other)?;
    Ok(Some(why))
}

/// Why a store with this number does not count.
fn notice(serial: u64, witness: Witness) -> Option<String> {
    if witness.store > serial {
        let known = witness.store;
        return Some(format!(
            "the store is older than the audit log, which knows of its change {known}; it is at {serial}"
        ));
    }
    let unknown = "the end of the audit log is not the one that the store knows, so nobody can tell how old the store is";
    (!witness.is_whole).then(|| unknown.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_counts_as_long_as_the_log_knows_of_no_later_one() {
        let witness = |store, is_whole| Witness { store, is_whole };
        for (serial, witness, counts) in [
            (0, witness(0, true), true), // both are new
            (7, witness(0, true), true), // the log is of a version that did not write it down
            (7, witness(7, true), true),
            (8, witness(7, true), true), // a crash between the two
            (7, witness(8, true), false),
            (0, witness(8, true), false), // a new store beside an old log
            (7, witness(7, false), false),
            (7, witness(0, false), false), // the log is gone
        ] {
            assert_eq!(notice(serial, witness).is_none(), counts, "{serial} {witness:?}");
        }
    }
}
