//! A grant never lives longer, whatever clocks and reboots do; and one that was asked for ahead begins at its time.

use proptest::prelude::*;

use super::approved::binding;
use super::*;

// Rule 12: "Expiry counts suspended time *and* wall time; whichever ends first wins."
#[tokio::test]
async fn a_clock_that_is_set_ends_a_grant_and_never_prolongs_it() {
    let (mut host, clock) = (Host::new(), clock());
    let grants = host.start(&clock).await;
    used(&grants, clock.now(), Some(grant("a", &purpose(), None, clock.now()))).await.unwrap();
    clock.set_wall(0);
    assert!(grants.find(&purpose(), Serving::Any, clock.now()).is_some(), "it runs on by the other clock");
    assert!(
        host.start(&clock).await.find(&purpose(), Serving::Any, clock.now()).is_some(),
        "the agent too may start again"
    );
    clock.pass(15 * MINUTE);
    assert!(grants.find(&purpose(), Serving::Any, clock.now()).is_none());
    assert!(host.start(&clock).await.find(&purpose(), Serving::Any, clock.now()).is_none());

    used(&grants, clock.now(), Some(grant("b", &purpose(), None, clock.now()))).await.unwrap();
    clock.set_wall(i64::try_from(16 * MINUTE).unwrap() + clock.now().realtime_ns);
    assert!(grants.find(&purpose(), Serving::Any, clock.now()).is_none());
}

fn after_reboot(wall: i64) -> ManualClock {
    ManualClock::new(Moment { boottime_ns: MINUTE / 2, realtime_ns: wall }, "next boot")
}

#[tokio::test]
async fn a_reboot_never_prolongs_a_grant() {
    let minutes = |count: i64| count * i64::try_from(MINUTE).unwrap();
    for (passed, left) in [(0, Some(15)), (5, Some(10)), (14, Some(1)), (15, None), (600, None), (-1, None)] {
        let (mut host, clock) = (Host::new(), clock());
        used(&host.start(&clock).await, START, Some(grant("a", &purpose(), None, START))).await.unwrap();
        let clock = after_reboot(START.realtime_ns + minutes(passed));
        let grants = host.start(&clock).await;
        let found = grants.find(&purpose(), Serving::Any, clock.now());
        let until = found.map(|grant| clock.now().until(grant.expires) / MINUTE);
        assert_eq!(until, left, "{passed} minutes later");
        // A clock that was right at the start and is set back after it changes nothing, over another restart too.
        if let Some(left) = left {
            clock.set_wall(START.realtime_ns);
            clock.pass(left * MINUTE);
            assert!(grants.find(&purpose(), Serving::Any, clock.now()).is_none());
            assert!(host.start(&clock).await.find(&purpose(), Serving::Any, clock.now()).is_none());
        } else {
            assert_eq!(grants.sweep(clock.now()).len(), 1, "its end is told");
        }
    }
}

// A store of another host has another boot; one of ours, put back, has the ends it had.
#[tokio::test]
async fn a_store_that_was_copied_prolongs_nothing() {
    let (mut host, clock) = (Host::new(), clock());
    let grants = host.start(&clock).await;
    used(&grants, START, Some(grant("a", &purpose(), None, START))).await.unwrap();
    let mut copy = Host::new();
    copy.copies = 1;
    std::fs::copy(host.path(), copy.path()).unwrap();
    let elsewhere = ManualClock::new(Moment { boottime_ns: 0, realtime_ns: START.realtime_ns }, "other host");
    let found = copy.start(&elsewhere).await.find(&purpose(), Serving::Any, elsewhere.now()).unwrap();
    assert!(elsewhere.now().until(found.expires) <= 15 * MINUTE);
    clock.pass(15 * MINUTE);
    assert!(copy.start(&clock).await.find(&purpose(), Serving::Any, clock.now()).is_none());
}

proptest! {
    // Whatever the clocks do and however often the host boots: no grant has more than it was given. Once that has
    // passed it is not live, but where a host was off and its clock was set back: nothing can tell how long.
    #[test]
    fn no_sequence_of_events_prolongs_a_grant(events in prop::collection::vec((0_u8..4, 0_i64..20), 1..12)) {
        let minute = i64::try_from(MINUTE).unwrap();
        let mut clock = clock();
        let mut grant = grant("a", &purpose(), None, START);
        grant.left_ns = 15 * MINUTE;
        let mut stored = serde_json::to_vec(&Stored { grant, at_ns: START.realtime_ns, shared: true }).unwrap();
        let (mut real, mut boots, mut set_back) = (0, 0, false);
        let mut grants = Grants::load(Store::ended(), &[("a".into(), stored.clone())], &clock);
        for (event, minutes) in events {
            match event {
                0 => {
                    clock.pass(minutes.unsigned_abs() * MINUTE);
                    real += minutes;
                }
                1 => clock.set_wall(clock.now().realtime_ns + minutes * minute),
                2 => {
                    clock.set_wall(clock.now().realtime_ns - minutes * minute);
                    set_back = true;
                }
                _ => {
                    // What load(…) puts into the store after a boot is what it holds then.
                    boots += 1;
                    let wall = clock.now().realtime_ns + minutes * minute;
                    clock = ManualClock::new(Moment { boottime_ns: 0, realtime_ns: wall }, &format!("{boots}"));
                    real += minutes;
                    grants = Grants::load(Store::ended(), &[("a".into(), stored.clone())], &clock);
                    let now = clock.now();
                    let held = grants.lock().get("a").unwrap().grant.clone();
                    let left_ns = now.until(held.expires);
                    let held = Stored { grant: Grant { left_ns, ..held }, at_ns: now.realtime_ns, shared: true };
                    stored = serde_json::to_vec(&held).unwrap();
                }
            }
            if real >= 15 && (boots == 0 || !set_back) {
                prop_assert!(grants.find(&purpose(), Serving::Any, clock.now()).is_none());
            }
            if let Some(found) = grants.find(&purpose(), Serving::Any, clock.now()) {
                prop_assert!(clock.now().until(found.expires) <= 15 * MINUTE);
            }
        }
    }
}

/// Asked for ahead by alice: an hour from now on, for five minutes, approved for one command and no duration.
fn ahead(id: &str, now: Moment) -> Grant {
    let begin = Moment { boottime_ns: now.boottime_ns, realtime_ns: now.after(60 * MINUTE).realtime_ns };
    let approved = Approved { request: "q".into(), by: vec!["bob".into()], binding: Some(binding("-u")) };
    let purpose = Purpose { scope: Scope::User, key: "user".into(), ..purpose() };
    Grant {
        expires: now.after(65 * MINUTE),
        approved: Some(Box::new(approved)),
        ahead: Some(Ahead { begins_ns: begin.realtime_ns, lives_ns: 5 * MINUTE, begun: false }),
        ..grant(id, &purpose, None, now)
    }
}

#[tokio::test]
async fn a_grant_that_was_asked_for_ahead_serves_from_its_time_on_wherever_its_user_is() {
    let (mut host, clock) = (Host::new(), clock());
    let grants = host.start(&clock).await;
    grants.add(ahead("a", clock.now()), clock.now()).unwrap();
    grants.share("a", clock.now());
    let (this, other) = (binding("-u"), binding("-g"));
    let timed = Binding { duration: Some(60), ..this.clone() };
    let find = |binding| grants.find(&purpose(), Serving::This(binding), clock.now());
    let to_come = |binding| grants.find_ahead(&purpose(), Serving::This(binding), clock.now());
    assert!(find(&this).is_none() && grants.take(clock.now(), &purpose(), Serving::Any, || None).is_none());
    assert!(to_come(&this).is_some() && to_come(&timed).is_some() && to_come(&other).is_none());
    let not_hers = [
        Purpose { uid: 1001, ..purpose() },
        Purpose { rule: "two".into(), ..purpose() },
        Purpose { target_uid: 33, ..purpose() },
        Purpose { group: Some(0), ..purpose() },
    ];
    assert!(not_hers.iter().all(|it| grants.find_ahead(it, Serving::Any, clock.now()).is_none()));
    clock.pass(60 * MINUTE - 1);
    assert!(find(&this).is_none() && grants.all(clock.now()).len() == 1);
    clock.pass(1);
    assert!(to_come(&this).is_none());
    assert!(find(&this).is_some() && find(&timed).is_some() && find(&other).is_none());
    assert!(not_hers.iter().all(|it| grants.find(it, Serving::Any, clock.now()).is_none()));
    clock.pass(5 * MINUTE);
    assert!(find(&this).is_none());
}

// Rule 12: its time is the wall clock's; how long it lives counts on both.
#[tokio::test]
async fn a_clock_that_is_set_moves_the_begin_and_prolongs_nothing() {
    let live = |grants: &Grants, now| grants.find(&purpose(), Serving::Any, now).is_some();
    // Set forward to its time, then back, before and after somebody has looked: five minutes in all, over a restart, too.
    for used in [false, true] {
        for restarts in [false, true] {
            let (mut host, clock) = (Host::new(), clock());
            let mut grants = host.start(&clock).await;
            let begins = clock.now().after(60 * MINUTE).realtime_ns;
            host.store.as_ref().unwrap().note(grants.add(ahead("a", clock.now()), clock.now()).unwrap());
            grants.share("a", clock.now());
            clock.set_wall(begins);
            if used {
                let taken = grants.take(clock.now(), &purpose(), Serving::Any, || None).unwrap();
                grants.settle(&taken, clock.now(), Vec::new()).await.unwrap();
            } else {
                assert!(grants.sweep(clock.now()).is_empty());
            }
            clock.set_wall(0);
            if restarts {
                grants = host.start(&clock).await;
            }
            clock.pass(5 * MINUTE - 1);
            assert!(live(&grants, clock.now()), "it has begun, {used} {restarts}");
            clock.pass(1);
            assert!(!live(&grants, clock.now()), "{used} {restarts}");
            clock.set_wall(begins);
            assert!(!live(&grants, clock.now()), "nor does it begin again, {used} {restarts}");
        }
    }
}
