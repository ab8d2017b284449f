//! What one hostile user may do to the agent's socket: another user's elevations go on succeeding meanwhile, and after it
//! agent and spawner hold no more than before. How fast it all is: `cargo xtask bench flood`.

mod gauge;

use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use gauge::Gauge;
use jit_bench::{Flood, Flooded, Task};
use jit_tests::{Guest, image};

use crate::{NO_PASSWORD, eligible};

/// How long a flood lasts. It ends by itself.
const LENGTH: Duration = Duration::from_secs(5);

/// Room for all to be over: monitors end, and idle threads after ten seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one user may hold: 64 connections, each with the pidfd of its peer, and 128 requests that wait, each with at most
/// the way to its monitor, that pidfd, and, until the spawner has them, the connection, the monitor's end and the order.
/// And 64 for what others do meanwhile.
const MOST_DESCRIPTORS: u64 = 64 * 2 + 128 * 5 + 64;

/// Memory is not back to the byte: what stays in use is scattered over the heap, of which only whole free pages go back, and
/// the store's cache has grown. This is about twice that, a third of what all requests took before memory was given back,
/// and less than 150 bytes for each of the connections.
const MOST_KILOBYTES: u64 = 4096;

// "1,000 silent connections"
#[test]
fn a_thousand_silent_connections_keep_nobody_out() {
    let Seen { before, most, .. } = flood(Flood::Silent, "silent");
    assert!(most.agent.descriptors >= before.agent.descriptors + 16, "no flood: {before:?}, then {most:?}");
}

// "10,000 connects a second"
#[test]
fn ten_thousand_connects_a_second_keep_nobody_out() {
    let Seen { done, .. } = flood(Flood::Connects, "connects");
    assert!(done.tried - done.turned_away > 4_000, "no flood: {done:?}");
}

// "253 descriptors a frame"
#[test]
fn messages_full_of_descriptors_leave_none_behind() {
    let Seen { done, .. } = flood(Flood::Descriptors, "descriptors");
    assert!(done.tried - done.turned_away > 400, "no flood: {done:?}");
}

// "1,000 requests pending"
#[test]
fn a_thousand_requests_that_wait_for_a_password_keep_nobody_out() {
    let Seen { before, most, .. } = flood(Flood::Pending, "pending");
    assert!(most.monitors >= before.monitors + 64, "no flood: {before:?}, then {most:?}");
}

/// What was there before, the most of each during the flood, and what the hostile user did.
struct Seen {
    before: Gauge,
    most: Gauge,
    done: Flooded,
}

/// One user floods, another one is elevated all the while, and in the end all is as it was.
fn flood(flood: Flood, name: &str) -> Seen {
    let (hostile, other) = (format!("{name}-hostile"), format!("{name}-other"));
    let (guest, _policy) = eligible(&hostile, "");
    let (_, _policy) = eligible(&other, NO_PASSWORD);
    install_harness(guest);
    let before = base(guest, &other);

    let (most, done) = scope(|scope| {
        let task = serde_json::to_vec(&Task::Flood { flood, length: LENGTH }).unwrap();
        let flooding = scope.spawn(|| guest.as_user(&hostile).input(task).run("jit-bench").success().stdout);
        guest.until(&format!("pgrep -u {hostile} -x jit-bench"), Duration::from_secs(40));
        let elevating = scope.spawn(|| {
            let goes_on = format!("pgrep -u {hostile} -x jit-bench >/dev/null");
            let elevate = format!("while {goes_on}; do jit-sudo -n true || exit; echo elevated; done");
            guest.as_user(&other).run(&elevate).success().shows("elevated");
        });
        let mut most = before;
        while !flooding.is_finished() {
            most = most.most(Gauge::read(guest));
        }
        elevating.join().unwrap();
        (most, serde_json::from_str(&flooding.join().unwrap()).unwrap())
    });
    assert!(
        most.agent.descriptors <= before.agent.descriptors + MOST_DESCRIPTORS,
        "{before:?}, then {most:?}"
    );

    let end = Instant::now() + PATIENCE;
    loop {
        let after = Gauge::read(guest);
        let Some(what) = after.beyond(&before, MOST_KILOBYTES) else { break };
        assert!(Instant::now() < end, "{what}: {before:?}, {most:?}, and after it {after:?}");
        sleep(Duration::from_millis(500));
    }
    guest.as_user(&hostile).run("jit-sudo -n true").exits(1).complains("password is required");
    Seen { before, most, done }
}

/// What they hold before the first of the floods, once all that is allocated once is there. The same for all floods: nothing
/// piles up.
fn base(guest: &Guest, user: &str) -> Gauge {
    static BASE: Mutex<Option<Gauge>> = Mutex::new(None);
    let mut base = BASE.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Gauge::read(guest);
    if let Some(base) = base.filter(|base| base.is_of_same_processes(&now)) {
        return base;
    }
    // Whatever other tests had it do is another agent's.
    guest.sh("systemctl restart jit-agentd").success();
    guest.as_user(user).run("for i in $(seq 20); do jit-sudo -n true || exit; done").success();
    *base.insert(at_rest(guest))
}

/// When nothing has changed for longer than an idle thread lives.
fn at_rest(guest: &Guest) -> Gauge {
    let mut gauge = Gauge::read(guest);
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_secs(11) {
        sleep(Duration::from_millis(500));
        let now = Gauge::read(guest);
        if now.beyond(&gauge, 0).is_some() || gauge.beyond(&now, 0).is_some() {
            since = Instant::now();
        }
        gauge = now;
    }
    gauge
}

/// The harness of the benchmarks, which has the floods. Static, for guests whose C library is another one.
fn install_harness(guest: &Guest) {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let flags = format!("CARGO_TARGET_{}_RUSTFLAGS", triple.replace('-', "_").to_uppercase());
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "--package", "jit-bench", "--target", &triple]);
        cargo.env(flags, "-C target-feature=+crt-static").current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(cargo.status().unwrap().success(), "the harness can't be built");
        let program = std::fs::read(image::target().join(triple).join("debug/jit-bench")).unwrap();
        guest.write("/usr/local/bin/jit-bench", &program);
        guest.sh("chmod 755 /usr/local/bin/jit-bench").success();
    });
}
