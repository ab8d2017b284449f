//! What grants cost when 10,000 of them are live. `cargo xtask bench micro` puts the figures into `docs/performance.md`.
#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark fails by panicking; the macros document nothing"
)]

use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jit_agent::clock::{Clock, SystemClock};
use jit_agent::grants::{Grant, Grants, Purpose, Serving};
use jit_agent::packed::Packed;
use jit_agent::scope::Scope;
use jit_agent::store::{Change, Contents, Store, Table};
use jit_agent::translate::Subject;
use jit_policy::Account;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const LIVE: u32 = 10_000;
const HOUR: u64 = 3_600_000_000_000;

/// The grants of so many users, one each.
struct World {
    runtime: Runtime,
    clock: SystemClock,
    store: Store,
    grants: Grants,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let clock = SystemClock::new().expect("the kernel's clocks");
        let folder = tempfile::tempdir().expect("a folder");
        let (store, _) = open(&folder.path().join("store"));
        // As the agent stores them, but in one commit.
        let stored = (0..LIVE).map(|number| {
            let grant = grant(number, &clock);
            let stored = serde_json::json!({ "grant": grant, "at_ns": grant.issued_ns });
            Change::put(Table::Grants, &grant.id, &stored).expect("it is JSON")
        });
        runtime.block_on(store.commit(stored.collect())).expect("they are durable");
        let grants = load(&folder, "before", &clock);
        assert_eq!(grants.all(clock.now()).len(), LIVE as usize);
        Self { runtime, clock, store, grants, folder }
    }

    /// One that nobody has yet, as at a first elevation; it ends at once.
    async fn issue(&self) {
        let now = self.clock.now();
        let taken = self.grants.take_new(|| Some(grant(LIVE, &self.clock))).expect("it is issued");
        self.grants.settle(&taken, now, Vec::new()).await.expect("it is durable");
        self.grants.remove(|grant| grant.id == taken.grant.id);
    }
}

fn open(path: &Path) -> (Store, Contents) {
    Store::open(path, rustix::process::geteuid().as_raw()).expect("a store")
}

/// An agent's start, on a copy of the store: one that is open can't be opened again.
fn load(folder: &TempDir, copy: &str, clock: &dyn Clock) -> Grants {
    let copy = folder.path().join(copy);
    std::fs::copy(folder.path().join("store"), &copy).expect("a copy");
    let (store, contents) = open(&copy);
    Grants::load(store, &contents.grants, clock)
}

fn purpose(number: u32) -> Purpose {
    Purpose {
        rule: "admins".into(),
        uid: 1000 + number,
        target_uid: 0,
        group: None,
        scope: Scope::Terminal,
        key: format!("tty 34816 since {number}").into(),
    }
}

fn grant(number: u32, clock: &dyn Clock) -> Grant {
    static ISSUED: AtomicU32 = AtomicU32::new(0);
    let account =
        |uid| Account { uid, gid: uid, names: vec![format!("u{uid}")], groups: (uid..uid + 8).collect() };
    Grant {
        id: format!("{:032x}", ISSUED.fetch_add(1, Ordering::Relaxed)),
        purpose: purpose(number),
        user: format!("u{number}").into(),
        target: "root".into(),
        issued_ns: clock.now().realtime_ns,
        expires: clock.now().after(HOUR),
        left_ns: 0,
        boot_id: clock.boot_id().into(),
        uses_left: None,
        reason: Some("INC-4711: the disk is full".into()),
        subject: Packed::new(&Subject {
            user: account(1000 + number),
            target: account(0),
            group: None,
            host: "web-1.example.com".into(),
            path: b"/usr/bin/systemctl".to_vec(),
            leads_to: Some(b"/usr/bin/systemctl".to_vec()),
            trusted: true,
            sha256: None,
            arguments: vec![b"restart".to_vec(), b"nginx.service".to_vec()],
            edits: false,
            nested: false,
            cwd: None,
            cwd_is_callers: false,
            preserve_groups: false,
            timeout: None,
            duration: None,
            assignments: Vec::new(),
            rule: None,
            non_interactive: false,
            login_id: None,
            login: jit_policy::LoginSession::default(),
        })
        .expect("it is JSON"),
        approved: None,
        ahead: None,
    }
}

fn grants(criterion: &mut Criterion) {
    let world = World::new();
    let mut group = criterion.benchmark_group("grants-10000");
    group.bench_function("find", |bencher| {
        let purpose = purpose(LIVE / 2);
        bencher.iter(|| {
            world.grants.find(black_box(&purpose), Serving::Any, world.clock.now()).expect("it is live")
        });
    });
    group.bench_function("sweep", |bencher| bencher.iter(|| world.grants.sweep(world.clock.now())));
    group.sample_size(20);
    group.bench_function("issue", |bencher| bencher.iter(|| world.runtime.block_on(world.issue())));
    group.bench_function("commit", |bencher| {
        bencher.iter(|| {
            let change = Change::put(Table::Values, "bench", &0).expect("it is JSON");
            world.runtime.block_on(world.store.commit(vec![change])).expect("it is durable");
        });
    });
    group.sample_size(10);
    group.bench_function("load", |bencher| {
        let copies = (0..).map(|number| number.to_string());
        let copies = std::cell::RefCell::new(copies);
        let next = || copies.borrow_mut().next().unwrap_or_default();
        bencher.iter_batched(next, |copy| load(&world.folder, &copy, &world.clock), BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, grants);
criterion_main!(benches);
