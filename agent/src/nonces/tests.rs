use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;

const NEVER: i64 = i64::MAX;

/// Once the thread of the one before has ended.
fn open(folder: &Path) -> (Store, Contents) {
    let end = Instant::now() + Duration::from_secs(40);
    loop {
        match Store::open(&folder.join("state.redb"), rustix::process::geteuid().as_raw()) {
            Ok(opened) => return opened,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn at(realtime_ns: i64) -> Moment {
    Moment { boottime_ns: 0, realtime_ns }
}

// "of many racers exactly one wins"
#[test]
fn of_many_racers_one_burns_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, contents) = open(folder.path());
    let nonces = Arc::new(Nonces::load(store, &contents));
    for round in 0..200 {
        let nonce = format!("{round:032x}");
        let won = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    won.fetch_add(usize::from(nonces.burn(&nonce, NEVER).is_some()), Ordering::SeqCst)
                });
            }
        });
        assert_eq!(won.into_inner(), 1);
    }
}

#[tokio::test]
async fn what_is_burnt_stays_burnt_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (store, contents) = open(folder.path());
    let nonces = Nonces::load(store.clone(), &contents);
    store.commit(vec![nonces.burn("a", 10).unwrap()]).await.unwrap();
    drop((nonces, store));
    let (store, contents) = open(folder.path());
    let nonces = Nonces::load(store, &contents);
    assert!(nonces.is_burnt("a") && nonces.burn("a", 10).is_none());
    assert!(!nonces.is_burnt("b") && nonces.burn("b", 10).is_some());
}

#[tokio::test]
async fn one_whose_commit_failed_can_be_burnt_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, contents) = open(folder.path());
    let nonces = Nonces::load(store.clone(), &contents);
    drop(nonces.burn("a", 10).unwrap());
    assert!(nonces.burn("a", 10).is_none(), "while it is not known");
    nonces.give_back("a");
    store.commit(vec![nonces.burn("a", 10).unwrap()]).await.unwrap();
    assert!(nonces.is_burnt("a"));
}

// Should the clock be set back after a nonce was forgotten, its token would be good again.
#[tokio::test]
async fn a_token_whose_nonce_is_forgotten_is_over_however_the_clock_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let (store, contents) = open(folder.path());
    let nonces = Nonces::load(store.clone(), &contents);
    store.commit(vec![nonces.burn("a", 10).unwrap(), nonces.burn("b", 20).unwrap()]).await.unwrap();
    nonces.sweep(at(9));
    assert!(nonces.is_burnt("a"));
    nonces.sweep(at(10));
    assert!(!nonces.is_burnt("a") && nonces.is_burnt("b"));
    assert!(nonces.is_over(10) && !nonces.is_over(11));
    assert!(nonces.burn("a", 10).is_none());
    store.commit(Vec::new()).await.unwrap();
    drop((nonces, store));
    let (store, contents) = open(folder.path());
    assert_eq!(contents.nonces.len(), 1);
    let nonces = Nonces::load(store, &contents);
    assert!(nonces.is_over(10) && nonces.burn("a", 10).is_none() && nonces.is_burnt("b"));
}
