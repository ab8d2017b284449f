//! What a decision costs among 1, 1,000 and 100,000 rules, and what it costs to load them. `cargo xtask bench micro` puts
//! the figures into `docs/performance.md`.
#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark fails by panicking; the macros document nothing"
)]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use jit_policy::{
    Account, AsWritten, Asked, Command, Decision, Directory, Host, LookupFailed, NoZones, Policy, Request,
    Source, Target,
};

const COUNTS: [usize; 3] = [1, 1_000, 100_000];

/// So many groups are named in the rules: a denial asks for each of them whether the user is in it.
const GROUPS: usize = 200;

/// That many rules of a host with many users: by turns one command, any command, a folder of commands, a group's, and
/// a deny. The last one is alice's.
fn source(count: usize) -> Source {
    let mut text = "schema = 1\n".to_owned();
    for number in 1..count {
        let (users, keys) = match number % 5 {
            0 => (format!("u{number}"), "commands = [\"/usr/bin/id\"]"),
            1 => (format!("u{number}"), "commands = [\"ALL\"]"),
            2 => (format!("u{number}"), "commands = [\"/usr/bin/systemctl {start,stop} *.service\"]"),
            3 => (format!("%g{}", number % GROUPS), "commands = [\"/usr/sbin/*\"]"),
            _ => (format!("u{number}"), "effect = \"deny\"\ncommands = [\"/usr/bin/passwd **\"]"),
        };
        let _ = writeln!(text, "[[rule]]\nid = \"r{number}\"\nusers = [\"{users}\"]\n{keys}");
    }
    text.push_str("[[rule]]\nid = \"alice\"\nusers = [\"alice\"]\ncommands = [\"/usr/bin/id **\"]\n");
    Source { name: "50-bench.toml".into(), path: "/etc/jit-sudo/policy.d/50-bench.toml".into(), text }
}

fn load(source: &Source) -> Policy {
    Policy::load(std::slice::from_ref(source), &AsWritten).expect("it has no mistake")
}

/// Nobody is in any of the groups.
struct NoGroups;

impl Directory for NoGroups {
    fn gid_of(&self, _group: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(None)
    }

    fn uid_of(&self, _user: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(None)
    }
}

/// Whether this user may run `/usr/bin/id -u` as root.
fn is_permitted(policy: &Policy, user: &Account) -> bool {
    let root = Account { uid: 0, gid: 0, names: vec!["root".into()], groups: vec![0] };
    let request = Request {
        user,
        host: Host { name: "web-1.example.com", tags: &[] },
        target: Target { account: &root, group: None },
        command: Command {
            path: b"/usr/bin/id",
            leads_to: Some(b"/usr/bin/id"),
            edits: false,
            args: &[b"-u".to_vec()],
            trusted: true,
            under: &|_| None,
            sha256: &|| Err(String::new()),
        },
        nested: false,
        now: jiff::Timestamp::UNIX_EPOCH,
        zones: &NoZones,
        login: &jit_policy::LoginSession::default(),
        asked: Asked {
            cwd: None,
            cwd_is_callers: false,
            preserve_groups: false,
            timeout: None,
            duration: None,
            assignments: &[],
            rule: None,
            non_interactive: true,
        },
    };
    matches!(policy.evaluate(&request, &NoGroups), Ok(Decision::Permit(_)))
}

fn account(name: &str) -> Account {
    Account { uid: 1000, gid: 1000, names: vec![name.into()], groups: (1000..1016).collect() }
}

fn evaluate(criterion: &mut Criterion) {
    for (group, user, permitted) in [("permit", "alice", true), ("deny", "mallory", false)] {
        let mut group = criterion.benchmark_group(format!("evaluate-{group}"));
        for count in COUNTS {
            let (policy, user) = (load(&source(count)), account(user));
            assert_eq!(is_permitted(&policy, &user), permitted);
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
                bencher.iter(|| is_permitted(black_box(&policy), black_box(&user)));
            });
        }
        group.finish();
    }
}

fn loading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    for count in COUNTS {
        let source = source(count);
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter_with_large_drop(|| load(black_box(&source)));
        });
    }
    group.finish();
}

criterion_group!(benches, evaluate, loading);
criterion_main!(benches);
