mod approved;
mod time;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::stored::Stored;
use super::*;
use crate::clock::{Clock, ManualClock};
use crate::translate::sample;

const MINUTE: u64 = 60_000_000_000;
const START: Moment = Moment { boottime_ns: 1_000 * MINUTE, realtime_ns: 30_000_000 * 60_000_000_000 };

/// A store on a disk, and what it takes to start again from it.
struct Host {
    folder: tempfile::TempDir,
    copies: u32,
    /// Of the agent that ran last: as long as it is here nothing is written to the file by closing it.
    store: Option<Store>,
}

impl Host {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), copies: 0, store: None }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.copies.to_string())
    }

    /// The agent starts: from a copy of what it had, as after a crash that comes once all is written.
    async fn start(&mut self, clock: &ManualClock) -> Grants {
        let contents = self.crash().await;
        Grants::load(self.store.clone().unwrap(), &contents, clock)
    }

    /// What the next agent finds.
    async fn crash(&mut self) -> Vec<(String, Vec<u8>)> {
        if let Some(store) = &self.store {
            store.commit(Vec::new()).await.unwrap();
        }
        let before = self.path();
        self.copies += 1;
        if before.exists() {
            std::fs::copy(&before, self.path()).unwrap();
        }
        let (store, contents) = Store::open(&self.path(), rustix::process::geteuid().as_raw()).unwrap();
        self.store = Some(store);
        contents.grants
    }
}

fn clock() -> ManualClock {
    ManualClock::new(START, "boot")
}

fn purpose() -> Purpose {
    Purpose {
        rule: "one".into(),
        uid: 1000,
        target_uid: 0,
        group: None,
        scope: Scope::Terminal,
        key: "tty 1".into(),
    }
}

/// Fifteen minutes from now.
fn grant(id: &str, purpose: &Purpose, uses: Option<u32>, now: Moment) -> Grant {
    Grant {
        id: id.into(),
        purpose: purpose.clone(),
        user: "alice".into(),
        target: "root".into(),
        issued_ns: now.realtime_ns,
        expires: now.after(15 * MINUTE),
        left_ns: 0,
        boot_id: "boot".into(),
        uses_left: uses,
        reason: Some("because".into()),
        subject: Packed::new(&Subject { duration: Some(Duration::from_mins(15)), ..sample::subject() })
            .unwrap(),
        approved: None,
        ahead: None,
    }
}

/// One elevation with a grant: none if it would have to be issued and is not.
async fn used(grants: &Grants, now: Moment, new: Option<Grant>) -> Option<Grant> {
    let taken = grants.take(now, &purpose(), Serving::Any, || new)?;
    grants.settle(&taken, now, Vec::new()).await.unwrap();
    grants.share(&taken.grant.id, now);
    Some(taken.grant)
}

#[tokio::test]
async fn a_grant_is_issued_at_its_first_use_and_found_until_it_ends() {
    let (mut host, clock) = (Host::new(), clock());
    let grants = host.start(&clock).await;
    assert!(grants.find(&purpose(), Serving::Any, clock.now()).is_none());
    assert!(used(&grants, clock.now(), None).await.is_none(), "none is issued by itself");
    let first = used(&grants, clock.now(), Some(grant("a", &purpose(), None, clock.now()))).await.unwrap();
    clock.pass(15 * MINUTE - 1);
    assert_eq!(used(&grants, clock.now(), None).await.unwrap().id, first.id);
    clock.pass(1);
    assert!(used(&grants, clock.now(), None).await.is_none(), "checked at each use, not by a timer");
    assert_eq!(grants.sweep(clock.now()).len(), 1);
    assert!(grants.sweep(clock.now()).is_empty());
}

// Rule 11: "One-time means one time: nonce and use count are durable before exec."
#[tokio::test]
async fn uses_are_counted_over_restarts() {
    let (mut host, clock) = (Host::new(), clock());
    let mut grants = host.start(&clock).await;
    let now = clock.now();
    assert_eq!(
        used(&grants, now, Some(grant("a", &purpose(), Some(3), now))).await.unwrap().uses_left,
        Some(2)
    );
    for left in [1, 0] {
        grants = host.start(&clock).await;
        assert_eq!(used(&grants, now, None).await.unwrap().uses_left, Some(left));
    }
    assert!(used(&host.start(&clock).await, now, None).await.is_none());
    assert!(grants.all(now).is_empty(), "not live any more");
    assert_eq!(grants.unexpired(now).len(), 1, "but a session may still run on it");
}

#[tokio::test]
async fn a_commit_that_comes_late_gives_no_use_back() {
    let (mut host, clock) = (Host::new(), clock());
    let grants = host.start(&clock).await;
    let now = clock.now();
    used(&grants, now, Some(grant("a", &purpose(), Some(3), now))).await.unwrap();
    let early = grants.take(now, &purpose(), Serving::Any, || None).unwrap();
    let late = grants.take(now, &purpose(), Serving::Any, || None).unwrap();
    assert!(grants.take(now, &purpose(), Serving::Any, || None).is_none(), "each use is taken by one only");
    grants.settle(&late, now, Vec::new()).await.unwrap();
    grants.settle(&early, now, Vec::new()).await.unwrap();
    assert!(host.start(&clock).await.find(&purpose(), Serving::Any, now).is_none());
}

#[tokio::test]
async fn what_is_not_durable_was_not_taken_nor_issued() {
    let clock = clock();
    let now = clock.now();
    let grants = Grants::load(Store::ended(), &[], &clock);
    let taken =
        grants.take(now, &purpose(), Serving::Any, || Some(grant("a", &purpose(), None, now))).unwrap();
    assert!(
        grants.find(&purpose(), Serving::Any, now).is_none(),
        "nobody else may use it before it is durable"
    );
    assert!(grants.settle(&taken, now, Vec::new()).await.is_err());
    assert!(grants.unexpired(now).is_empty());

    let mut host = Host::new();
    let grants = host.start(&clock).await;
    used(&grants, now, Some(grant("a", &purpose(), Some(3), now))).await.unwrap();
    let taken = grants.take(now, &purpose(), Serving::Any, || None).unwrap();
    grants.give_back(&taken);
    assert_eq!(grants.find(&purpose(), Serving::Any, now).unwrap().uses_left, Some(2));
    let json: Vec<(String, Vec<u8>)> = {
        let stored =
            Stored { grant: grant("b", &purpose(), Some(1), now), at_ns: now.realtime_ns, shared: true };
        vec![("b".into(), serde_json::to_vec(&stored).unwrap())]
    };
    let grants = Grants::load(Store::ended(), &json, &clock);
    let taken = grants.take(now, &purpose(), Serving::Any, || None).unwrap();
    assert!(grants.settle(&taken, now, Vec::new()).await.is_err());
    assert_eq!(grants.find(&purpose(), Serving::Any, now).unwrap().uses_left, Some(1));
}

#[tokio::test]
async fn a_grant_that_is_given_back_was_never_issued() {
    let (mut host, clock) = (Host::new(), clock());
    let grants = host.start(&clock).await;
    let taken =
        grants.take(START, &purpose(), Serving::Any, || Some(grant("a", &purpose(), None, START))).unwrap();
    grants.settle(&taken, START, Vec::new()).await.unwrap();
    grants.give_back(&taken);
    assert!(grants.find(&purpose(), Serving::Any, START).is_none());
    assert!(host.start(&clock).await.find(&purpose(), Serving::Any, START).is_none());
}

#[tokio::test]
async fn a_new_grant_is_taken_where_there_is_one_and_the_one_that_lives_longest_serves() {
    let (mut host, clock) = (Host::new(), clock());
    let grants = host.start(&clock).await;
    used(&grants, START, Some(grant("a", &purpose(), None, START))).await.unwrap();
    clock.pass(1);
    let taken = grants.take_new(|| Some(grant("b", &purpose(), Some(2), clock.now()))).unwrap();
    assert!(taken.is_new && taken.grant.uses_left == Some(1));
    grants.settle(&taken, clock.now(), Vec::new()).await.unwrap();
    assert_eq!(
        grants.find(&purpose(), Serving::Any, clock.now()).unwrap().id,
        "a",
        "b is not in the log yet"
    );
    grants.share("b", clock.now());
    assert_eq!(grants.find(&purpose(), Serving::Any, clock.now()).unwrap().id, "b");
    assert_eq!(used(&grants, clock.now(), None).await.unwrap().id, "b");
    assert_eq!(used(&grants, clock.now(), None).await.unwrap().id, "a", "b has no uses left");
    let short = Grant { expires: clock.now().after(MINUTE), ..grant("c", &purpose(), None, clock.now()) };
    let taken = grants.take_new(|| Some(short)).unwrap();
    grants.settle(&taken, clock.now(), Vec::new()).await.unwrap();
    grants.share("c", clock.now());
    assert_eq!(used(&grants, clock.now(), None).await.unwrap().id, "a", "c is newer, and shorter");
}

/// The agent ended between store and log: unless the log has it, nobody was told of the grant.
#[tokio::test]
async fn a_grant_that_nobody_was_told_of_does_not_outlive_the_agent() {
    let (mut host, clock) = (Host::new(), clock());
    let grants = host.start(&clock).await;
    used(&grants, START, Some(grant("issued", &purpose(), None, START))).await.unwrap();
    for id in ["in the log", "unknown"] {
        let taken = grants.take_new(|| Some(grant(id, &purpose(), None, START))).unwrap();
        grants.settle(&taken, START, Vec::new()).await.unwrap();
    }
    let mut contents = host.crash().await;
    let unissued = Grants::take_unissued(&mut contents, |id| id == "in the log");
    assert_eq!(unissued.iter().map(|grant| grant.id.as_str()).collect::<Vec<_>>(), ["unknown"]);
    let ids: Vec<&str> = contents.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["in the log", "issued"]);
    // Once an agent has taken it over, no later one needs the log for that.
    host.start(&clock).await;
    assert!(Grants::take_unissued(&mut host.crash().await, |id| id != "in the log").is_empty());
}

#[tokio::test]
async fn a_grant_counts_for_exactly_its_purpose() {
    let (mut host, clock) = (Host::new(), clock());
    let (grants, now) = (host.start(&clock).await, clock.now());
    used(&grants, now, Some(grant("a", &purpose(), None, now))).await.unwrap();
    let others = [
        Purpose { rule: "two".into(), ..purpose() },
        Purpose { uid: 1001, ..purpose() },
        Purpose { target_uid: 33, ..purpose() },
        Purpose { group: Some(0), ..purpose() },
        Purpose { scope: Scope::Session, ..purpose() },
        Purpose { key: "tty 2".into(), ..purpose() },
    ];
    for other in others {
        assert!(grants.find(&other, Serving::Any, now).is_none(), "{other:?}");
        assert!(grants.take(now, &other, Serving::Any, || None).is_none(), "{other:?}");
    }
    assert!(grants.find(&purpose(), Serving::Any, now).is_some());
}

#[test]
fn what_the_store_has_and_nobody_can_read_is_no_grant() {
    let stored =
        Stored { grant: grant("a", &purpose(), None, START), at_ns: START.realtime_ns, shared: true };
    let json = serde_json::to_vec(&stored).unwrap();
    let load = |id: &str, json: &[u8]| Grants::load(Store::ended(), &[(id.into(), json.to_vec())], &clock());
    assert_eq!(load("a", &json).all(START).len(), 1);
    let other_subject = String::from_utf8(json.clone()).unwrap().replace("\"trusted\":true", "\"trusted\":7");
    assert_ne!(other_subject.as_bytes(), json);
    for bad in [
        load("b", &json),
        load("a", b"{}"),
        load("a", other_subject.as_bytes()),
        load("a", b""),
        load("a", json.get(1..).unwrap()),
    ] {
        assert!(bad.all(START).is_empty());
    }
}

#[tokio::test]
async fn a_revoked_grant_does_not_come_back() {
    let (mut host, clock) = (Host::new(), clock());
    let (grants, now) = (host.start(&clock).await, clock.now());
    used(&grants, now, Some(grant("a", &purpose(), None, now))).await.unwrap();
    let taken = grants.take(now, &purpose(), Serving::Any, || None).unwrap();
    let (revoked, stored) = grants.revoke(|grant| *grant.user == *"alice");
    assert_eq!((revoked.len(), stored.await), (1, Ok(())));
    assert_eq!(
        grants.settle(&taken, now, Vec::new()).await,
        Err(Unsettled::Ended),
        "a use that was taken before"
    );
    assert!(grants.find(&purpose(), Serving::Any, now).is_none());
    assert!(host.start(&clock).await.find(&purpose(), Serving::Any, now).is_none());
}

#[tokio::test]
async fn a_grant_that_is_revoked_while_its_use_is_stored_serves_no_more() {
    let (store, go_on) = Store::waiting();
    let grants = Grants::load(store, &[], &clock());
    let taken =
        grants.take(START, &purpose(), Serving::Any, || Some(grant("a", &purpose(), None, START))).unwrap();
    let revoke = async {
        let removed = grants.remove(|_| true).len();
        go_on();
        removed
    };
    let (settled, removed) = tokio::join!(grants.settle(&taken, START, Vec::new()), revoke);
    assert_eq!((settled, removed), (Err(Unsettled::Ended), 1));
}

#[tokio::test]
async fn a_grant_is_shortened_and_never_lengthened() {
    let (mut host, clock) = (Host::new(), clock());
    let (grants, now) = (host.start(&clock).await, clock.now());
    used(&grants, now, Some(grant("a", &purpose(), None, now))).await.unwrap();
    grants.shorten("a", now.after(60 * MINUTE));
    assert_eq!(grants.find(&purpose(), Serving::Any, now).unwrap().expires, now.after(15 * MINUTE));
    grants.shorten("a", now.after(MINUTE));
    clock.pass(MINUTE);
    assert!(grants.find(&purpose(), Serving::Any, clock.now()).is_none());
}

// "expiry within 100 ms of its moment": nobody waits for the next look, whichever grant and clock is the first.
#[tokio::test]
async fn the_next_moment_is_that_of_the_first_end_or_begin_by_either_clock() {
    let clock = clock();
    let grants = Grants::load(Store::ended(), &[], &clock);
    assert_eq!(grants.next_moment(START), None);
    for (id, minutes) in [("a", 5), ("b", 3), ("c", 7)] {
        let expires = START.after(minutes * MINUTE);
        grants.add(Grant { expires, ..grant(id, &purpose(), None, START) }, START).unwrap();
    }
    assert_eq!(grants.next_moment(START), Some(3 * MINUTE));
    grants.shorten("c", START.after(MINUTE));
    assert_eq!(grants.next_moment(START), Some(MINUTE));
    let begins_ns = START.realtime_ns + i64::try_from(MINUTE / 2).unwrap();
    let ahead = Ahead { begins_ns, lives_ns: MINUTE, begun: false };
    grants.add(Grant { ahead: Some(ahead), ..grant("d", &purpose(), None, START) }, START).unwrap();
    assert_eq!(grants.next_moment(START), Some(MINUTE / 2), "it begins");
    clock.pass(MINUTE / 2);
    assert!(grants.sweep(clock.now()).is_empty());
    assert_eq!(grants.next_moment(clock.now()), Some(MINUTE / 2));
    clock.set_wall(START.realtime_ns + 6 * i64::try_from(MINUTE).unwrap());
    assert_eq!(grants.next_moment(clock.now()), Some(0), "by the other clock");
    assert_eq!(grants.sweep(clock.now()).len(), 4);
    assert_eq!(grants.next_moment(clock.now()), None);
}

#[test]
fn one_user_cannot_fill_the_memory() {
    let grants = Grants::load(Store::ended(), &[], &clock());
    let of = |uid, number: usize| Purpose { uid, key: number.to_string().into(), ..purpose() };
    let take = |uid, number: usize| {
        let purpose = of(uid, number);
        grants
            .take(START, &purpose, Serving::Any, || {
                Some(grant(&format!("{uid} {number}"), &purpose, None, START))
            })
            .is_some()
    };
    {
        let mut held = grants.lock();
        for number in 0..MOST - 1 {
            let grant = grant(&number.to_string(), &of(1000, number), None, START);
            held.insert(Held { grant, shared: true });
        }
    }
    assert!(take(1000, MOST));
    assert!(!take(1000, MOST + 1));
    assert!(take(1001, 0));
    grants.remove(|grant| grant.id == "7");
    assert!(take(1000, MOST + 1), "there is room again");
    assert!(!take(1000, MOST + 2));
}

#[test]
fn what_grants_have_in_common_is_kept_once_and_goes_with_the_last() {
    let grants = Grants::load(Store::ended(), &[], &clock());
    for id in ["a", "b"] {
        grants.add(grant(id, &purpose(), None, START), START).unwrap();
    }
    let (mut a, mut b) = (grants.get("a").unwrap(), grants.get("b").unwrap());
    assert!(Arc::ptr_eq(&a.user, &b.user) && Arc::ptr_eq(a.subject.text(), b.subject.text()));
    let all = grants.lock().texts();
    assert_eq!(all, 7, "rule, key, both users, boot, reason, and what was decided upon");
    grants.remove(|grant| grant.id == "a");
    assert_eq!(grants.lock().texts(), all);
    grants.remove(|_| true);
    assert_eq!(grants.lock().texts(), 0);
}

#[tokio::test]
async fn many_at_once_never_use_more_than_there_is() {
    let (mut host, clock) = (Host::new(), clock());
    let grants = Arc::new(host.start(&clock).await);
    used(&grants, START, Some(grant("a", &purpose(), Some(11), START))).await.unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let grants = Arc::clone(&grants);
            tokio::spawn(async move { used(&grants, START, None).await.is_some() })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += usize::from(task.await.unwrap());
    }
    assert_eq!(count, 10);
    assert!(host.start(&clock).await.find(&purpose(), Serving::Any, START).is_none());
}
