use jit_protocol::binding::{Binding, Folder, Person};

use super::*;
use crate::clock::ManualClock;
use crate::grants::Purpose;
use crate::identities::Identities;
use crate::scope::Scope;
use crate::translate::sample;

const MINUTE: u64 = 60_000_000_000;
pub(crate) const START: Moment =
    Moment { boottime_ns: 1_000 * MINUTE, realtime_ns: 30_000_000 * 60_000_000_000 };

/// A store on a disk, and what it takes to start again from it.
struct Host {
    folder: tempfile::TempDir,
    starts: u32,
    store: Option<Store>,
}

impl Host {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), starts: 0, store: None }
    }

    /// The agent starts: from a copy of what it had, as after a crash that comes once all is written.
    async fn start(&mut self, clock: &ManualClock) -> Requests {
        let file = |number: u32| self.folder.path().join(number.to_string());
        if let Some(store) = &self.store {
            store.commit(Vec::new()).await.unwrap();
            std::fs::copy(file(self.starts), file(self.starts + 1)).unwrap();
        }
        self.starts += 1;
        let (store, contents) = Store::open(&file(self.starts), rustix::process::geteuid().as_raw()).unwrap();
        self.store = Some(store.clone());
        Requests::load(store, &contents.requests, clock)
    }
}

fn clock() -> ManualClock {
    ManualClock::new(START, "boot")
}

fn binding(argument: &str) -> Binding {
    Binding {
        version: Binding::VERSION,
        host: "web-1".to_owned(),
        rule: "deploy".to_owned(),
        user: Person { name: "alice".to_owned(), uid: 1000 },
        target: Person { name: "root".to_owned(), uid: 0 },
        groups: vec![0],
        mode: None,
        program: "/usr/bin/id".into(),
        sha256: "ab".repeat(32),
        command: vec!["id".into(), argument.into()],
        environment: Vec::new(),
        folder: Folder { path: "/srv".into(), device: 1, inode: 2 },
        duration: None,
        uses: None,
        from: None,
    }
}

/// Of alice, for `id` with one argument; it waits for half an hour.
pub(crate) fn request(id: &str, argument: &str, now: Moment) -> Request {
    let purpose = Purpose {
        rule: "deploy".into(),
        uid: 1000,
        target_uid: 0,
        group: None,
        scope: Scope::User,
        key: "".into(),
    };
    Request {
        id: id.into(),
        digest: format!("digest of {argument}"),
        binding: binding(argument),
        for_rule: false,
        purpose,
        subject: sample::subject(),
        begins_ns: None,
        reason: Some("because".into()),
        loginuid: Some(1000),
        asker: Identities::new(1000, Some(1000), []),
        keys: serde_json::from_str(r#"{"terminal":"tty 1","session":"audit 1"}"#).unwrap(),
        asked_ns: now.realtime_ns,
        until: now.after(30 * MINUTE),
        left_ns: 0,
        at_ns: now.realtime_ns,
        boot_id: "boot".into(),
        state: RequestState::Pending,
        approvals: Vec::new(),
        answer: None,
        grant: None,
        recorded: true,
    }
}

fn is_known_as(requests: &Requests, id: &str, now: Moment) -> Option<RequestState> {
    requests.get(id).map(|request| request.state(now))
}

/// Files it, and tells of it; false: it waits already.
async fn file(
    requests: &Requests,
    request: Request,
    most: usize,
    now: Moment,
) -> Result<(Request, bool), Unchanged> {
    Ok(match requests.file(request, most, now).await? {
        Filed::New(committed) => (requests.tell(committed, now), true),
        Filed::Already(request) => (request, false),
    })
}

async fn end(requests: &Requests, id: &str, state: RequestState, now: Moment) -> Result<Request, Unchanged> {
    Ok(requests.tell(requests.commit(id, now, to(state)).await?, now))
}

async fn refuse(requests: &Requests, id: &str, now: Moment) -> Result<Request, Unchanged> {
    end(requests, id, RequestState::Refused, now).await
}

/// An answer of bob's.
fn to(state: RequestState) -> impl FnOnce(&mut Request) -> Result<Vec<Change>, Unchanged> {
    move |request| {
        request.state = state;
        if state == RequestState::Approved {
            let person = Identities::default();
            request.approvals.push(Approval { name: "bob".into(), uid: 1001, person });
            request.grant = Some("g".to_owned());
        } else {
            request.answer = Some("bob said no".to_owned());
        }
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn the_same_asked_twice_is_one_request_and_too_many_are_refused() {
    let (mut host, clock) = (Host::new(), clock());
    let requests = host.start(&clock).await;
    let now = clock.now();
    let (first, is_new) = file(&requests, request("a", "1", now), 2, now).await.unwrap();
    assert!(is_new);
    let (again, is_new) = file(&requests, request("b", "1", now), 2, now).await.unwrap();
    assert_eq!((again.id, is_new), (first.id, false));
    assert!(file(&requests, request("c", "2", now), 2, now).await.unwrap().1);
    assert_eq!(file(&requests, request("d", "3", now), 2, now).await.unwrap_err(), Unchanged::TooMany);
    assert!(
        !file(&requests, request("e", "2", now), 2, now).await.unwrap().1,
        "what waits is found at the limit too"
    );
    let mut somebodys = request("f", "1", now);
    somebodys.purpose.uid = 1001;
    assert!(file(&requests, somebodys, 2, now).await.unwrap().1, "each user has a limit of their own");
    refuse(&requests, "a", now).await.unwrap();
    assert!(
        file(&requests, request("g", "1", now), 2, now).await.unwrap().1,
        "what is decided can be asked for again"
    );
}

#[tokio::test]
async fn whoever_asks_and_takes_back_all_the_time_fills_nothing() {
    let (mut host, clock) = (Host::new(), clock());
    let requests = host.start(&clock).await;
    for number in 0..100 {
        clock.pass(1);
        let id = number.to_string();
        file(&requests, request(&id, &id, clock.now()), 1, clock.now()).await.unwrap();
        end(&requests, &id, RequestState::Withdrawn, clock.now()).await.unwrap();
    }
    assert_eq!(requests.all().len(), DECIDED + 1);
    assert_eq!(
        is_known_as(&requests, "99", clock.now()),
        Some(RequestState::Withdrawn),
        "the newest are known"
    );
    assert_eq!(host.start(&clock).await.all().len(), DECIDED + 1);
}

#[tokio::test]
async fn a_request_outlives_a_crash_and_what_became_of_it_does_too() {
    let (mut host, clock) = (Host::new(), clock());
    let mut requests = host.start(&clock).await;
    let now = clock.now();
    for (id, argument) in [("a", "1"), ("b", "2")] {
        file(&requests, request(id, argument, now), 9, now).await.unwrap();
    }
    refuse(&requests, "b", now).await.unwrap();
    requests = host.start(&clock).await;
    assert_eq!(is_known_as(&requests, "a", now), Some(RequestState::Pending));
    assert_eq!(is_known_as(&requests, "b", now), Some(RequestState::Refused));
    assert_eq!(requests.get("b").unwrap().answer.as_deref(), Some("bob said no"));
    assert_eq!(requests.all().len(), 2);
    assert_eq!(refuse(&requests, "b", now).await.unwrap_err(), Unchanged::Decided);
    assert_eq!(refuse(&requests, "none", now).await.unwrap_err(), Unchanged::Decided);
}

#[tokio::test]
async fn nobody_answers_what_has_waited_too_long_and_it_is_forgotten_an_hour_later() {
    let (mut host, clock) = (Host::new(), clock());
    let mut requests = host.start(&clock).await;
    file(&requests, request("a", "1", clock.now()), 1, clock.now()).await.unwrap();
    clock.pass(30 * MINUTE - 1);
    assert!(requests.sweep(clock.now()).is_empty());
    clock.pass(1);
    assert_eq!(
        refuse(&requests, "a", clock.now()).await.unwrap_err(),
        Unchanged::Decided,
        "checked, not swept"
    );
    let changes = requests.changes();
    let expired = requests.sweep(clock.now());
    assert_eq!(expired.iter().map(|request| request.id.as_str()).collect::<Vec<_>>(), ["a"]);
    assert!(changes.has_changed().unwrap(), "who waits is told");
    assert!(requests.sweep(clock.now()).is_empty(), "once");
    requests.note(&expired[0], clock.now());
    requests = host.start(&clock).await;
    assert_eq!(is_known_as(&requests, "a", clock.now()), Some(RequestState::Expired));
    clock.pass(60 * MINUTE);
    requests.sweep(clock.now());
    assert_eq!(is_known_as(&requests, "a", clock.now()), None);
    assert_eq!(is_known_as(&host.start(&clock).await, "a", clock.now()), None);
}

// "Every state change is on disk before anyone is told": and a yes not before its grant can be used.
#[tokio::test]
async fn what_is_committed_is_known_once_it_is_told_and_nothing_comes_in_between() {
    let (mut host, clock) = (Host::new(), clock());
    let requests = host.start(&clock).await;
    file(&requests, request("a", "1", clock.now()), 1, clock.now()).await.unwrap();
    let yes = to(RequestState::Approved);
    let committed = requests.commit("a", clock.now(), yes).await.unwrap();
    let changes = requests.changes();
    assert_eq!(is_known_as(&requests, "a", clock.now()), Some(RequestState::Pending));
    clock.pass(40 * MINUTE);
    assert!(requests.sweep(clock.now()).is_empty(), "it has been answered in time");
    requests.tell(committed, clock.now());
    assert!(changes.has_changed().unwrap());
    assert_eq!(is_known_as(&requests, "a", clock.now()), Some(RequestState::Approved));
    assert_eq!(is_known_as(&host.start(&clock).await, "a", clock.now()), Some(RequestState::Approved));
}

// Rule 20: "expiry by both clocks"; after a reboot the wall clock decides, and nothing lives longer than it would have.
#[tokio::test]
async fn a_reboot_makes_nothing_wait_longer() {
    for (what, wall_minutes, left) in
        [("ten minutes later", 10, 20), ("an hour later", 60, 0), ("clock set back", -600, 0)]
    {
        let (mut host, clock) = (Host::new(), clock());
        let requests = host.start(&clock).await;
        file(&requests, request("a", "1", clock.now()), 1, clock.now()).await.unwrap();
        let boot =
            Moment { boottime_ns: MINUTE, realtime_ns: START.realtime_ns + wall_minutes * 60_000_000_000 };
        let after = ManualClock::new(boot, "next boot");
        let requests = host.start(&after).await;
        let until = requests.get("a").unwrap().until;
        assert_eq!(after.now().until(until) / MINUTE, left, "{what}");
    }
}

#[tokio::test]
async fn nothing_is_changed_by_a_no_of_the_change_itself() {
    let (mut host, clock) = (Host::new(), clock());
    let requests = host.start(&clock).await;
    let now = clock.now();
    file(&requests, request("a", "1", now), 1, now).await.unwrap();
    let failing = |request: &mut Request| {
        request.state = RequestState::Approved;
        Err::<Vec<Change>, _>(Unchanged::NotStored("no".to_owned()))
    };
    assert!(requests.commit("a", now, failing).await.is_err());
    assert_eq!(is_known_as(&requests, "a", now), Some(RequestState::Pending));
}

#[tokio::test]
async fn what_the_store_cannot_read_is_dropped_and_another_id_does_not_count() {
    let (mut host, clock) = (Host::new(), clock());
    drop(host.start(&clock).await);
    let store = host.store.clone().unwrap();
    let foreign = Change::put(Table::Requests, "b", &request("a", "1", clock.now())).unwrap();
    store.commit(vec![foreign]).await.unwrap();
    assert!(host.start(&clock).await.all().is_empty());
}

// A commit that fails may be on the disk all the same: a yes that does not count must not come back with the next start.
#[tokio::test]
async fn what_could_not_be_stored_is_noted_as_it_was_before() {
    let clock = clock();
    let now = clock.now();
    let waits = request("a", "1", now);
    let (store, noted) = Store::failing();
    let requests = Requests::load(store, &[("a".to_owned(), serde_json::to_vec(&waits).unwrap())], &clock);
    let yes = to(RequestState::Approved);
    assert!(matches!(requests.commit("a", now, yes).await, Err(Unchanged::NotStored(_))));
    let filed = file(&requests, request("b", "2", now), 9, now).await;
    assert!(matches!(filed, Err(Unchanged::NotStored(_))));
    assert_eq!(requests.all(), std::slice::from_ref(&waits));
    drop(requests);
    assert_eq!(noted(), [waits.put(now).unwrap(), Change::remove(Table::Requests, "b")]);
}

// "Every state change is on disk before anyone is told": the store has it before the log does, and an agent may end in between.
#[tokio::test]
async fn what_is_not_in_the_log_when_the_agent_ends_is_as_it_was_before() {
    for in_log in [true, false] {
        let (mut host, clock) = (Host::new(), clock());
        let requests = host.start(&clock).await;
        let now = clock.now();
        let answers = [RequestState::Approved, RequestState::Refused, RequestState::Withdrawn];
        for (number, state) in (0..).zip(answers) {
            let id = format!("{number}");
            file(&requests, request(&id, &id, now), 9, now).await.unwrap();
            drop(requests.commit(&id, now, to(state)).await.unwrap());
        }
        let Filed::New(filed) = requests.file(request("new", "new", now), 9, now).await.unwrap() else {
            panic!("it is new")
        };
        drop(filed);
        assert_eq!(is_known_as(&requests, "new", now), None, "nobody was told");

        let mut requests = host.start(&clock).await;
        let undone = requests.settle(now, |_| in_log);
        assert_eq!(undone.len(), if in_log { 0 } else { 4 });
        for (_, change) in undone {
            host.store.as_ref().unwrap().note(change);
        }
        // And once more: what this one noted is what the next one finds.
        for again in [false, true] {
            if again {
                requests = host.start(&clock).await;
                assert!(requests.settle(now, |_| panic!("all is settled")).is_empty());
            }
            for (number, state) in (0..).zip(answers) {
                let id = format!("{number}");
                let is = requests.get(&id).unwrap();
                let expected = if in_log { state } else { RequestState::Pending };
                assert_eq!((is.state, is.answer.is_some()), (expected, in_log && number > 0), "{id}");
                assert_eq!(
                    (is.approvals.len(), is.grant.is_some()),
                    if in_log && number == 0 { (1, true) } else { (0, false) }
                );
                assert_eq!(now.until(is.until) / MINUTE, if in_log { 60 } else { 30 });
            }
            assert_eq!(is_known_as(&requests, "new", now), in_log.then_some(RequestState::Pending));
        }
    }
}

#[tokio::test]
async fn what_the_log_does_not_take_has_not_happened() {
    let (mut host, clock) = (Host::new(), clock());
    let requests = host.start(&clock).await;
    let now = clock.now();
    file(&requests, request("a", "1", now), 9, now).await.unwrap();
    let committed = requests.commit("a", now, to(RequestState::Approved)).await.unwrap();
    requests.undo(&committed, now);
    drop(committed);
    let Filed::New(filed) = requests.file(request("b", "2", now), 9, now).await.unwrap() else { panic!() };
    requests.undo(&filed, now);
    drop(filed);
    let next = host.start(&clock).await;
    for requests in [&requests, &next] {
        assert_eq!(is_known_as(requests, "a", now), Some(RequestState::Pending));
        assert_eq!(is_known_as(requests, "b", now), None);
    }
    assert!(next.settle(now, |_| panic!("nothing is open")).is_empty());
}

// What nobody has to approve is there, decided, or was never asked for.
#[tokio::test]
async fn one_that_was_granted_at_once_is_known_once_the_log_has_it() {
    for in_log in [true, false] {
        let (mut host, clock) = (Host::new(), clock());
        let requests = host.start(&clock).await;
        let now = clock.now();
        let granted = Request {
            state: RequestState::Approved,
            grant: Some("g".into()),
            begins_ns: Some(now.after(60 * MINUTE).realtime_ns),
            ..request("a", "1", now)
        };
        let committed = requests.keep(granted, now, Vec::new()).await.unwrap();
        assert_eq!(is_known_as(&requests, "a", now), None);
        drop(committed); // the agent ends
        let next = host.start(&clock).await;
        let undone = next.settle(now, |_| in_log);
        assert_eq!(undone.len(), usize::from(!in_log));
        for (_, change) in undone {
            host.store.as_ref().unwrap().note(change);
        }
        let expected = in_log.then_some(RequestState::Approved);
        assert_eq!(is_known_as(&next, "a", now), expected);
        assert_eq!(is_known_as(&host.start(&clock).await, "a", now), expected);
    }
}
