//! One user's elevations while another one, who is hostile, keeps the agent busy.

use std::thread::{scope, sleep};
use std::time::Duration;

use jit_bench::{Flood, Flooded, Samples, Task};

use super::options::Options;
use super::report::{Section, Table, Target, number};
use super::stage::{Stage, USER, contenders};
use super::summary::{Summary, milliseconds, quotient};
use crate::cargo::Done;

const FLOODS: [(Flood, &str); 4] = [
    (Flood::Silent, "1,000 silent connections"),
    (Flood::Connects, "10,000 connects a second"),
    (Flood::Pending, "1,000 requests pending"),
    (Flood::Descriptors, "253 descriptors a message"),
];

const HOSTILE: &str = "mallory";

/// May ask for something that needs a password, which nobody types.
const POLICY: &str = "schema = 1\n[[rule]]\nid = \"mallory\"\nusers = [\"mallory\"]\ncommands = [\"ALL\"]\n";

/// Time for a flood to rise, and for its waves to settle.
const REST: Duration = Duration::from_secs(2);

/// Measures one user in quiet, then during each flood, each time followed by rest.
///
/// # Errors
/// A flood could not be made.
pub(crate) fn measure(stage: &Stage, options: &Options) -> Done<Section> {
    let length = Duration::from_secs(if options.quick { 3 } else { 10 });
    stage.guest.add_user(HOSTILE, Some("Secret-1"), &[]);
    stage.guest.write("/etc/jit-sudo/policy.d/mallory.toml", POLICY.as_bytes());
    stage.sh("jitctl reload")?;
    let mut times =
        Table::new(&["ms", "p50 quiet", "p50", "p99 quiet", "p99", "× quiet", "`true`: p99 × quiet"]);
    let mut sizes =
        Table::new(&["before, most, after", "tried", "turned away", "descriptors", "MB", "monitors"]);
    let mut targets = Vec::new();
    for (flood, what) in FLOODS {
        let quiet = elevations(stage, length)?;
        let before = Gauge::read(stage)?;
        let (during, most, flooded) = under(stage, flood, length)?;
        sleep(REST * 2);
        let after = Gauge::read(stage)?;
        let ratio = match &during {
            Ok(during) => {
                let [(calm, busy), (calm_true, busy_true)] =
                    [(quiet.ours, during.ours), (quiet.bare, during.bare)];
                let ratio = quotient(busy.p99, calm.p99);
                let figures = [calm.median, busy.median, calm.p99, busy.p99].map(milliseconds);
                let others = number(quotient(busy_true.p99, calm_true.p99));
                times.row(
                    [what.to_owned()].into_iter().chain(figures).chain([number(ratio), others]).collect(),
                );
                ratio
            }
            Err(message) => {
                println!("{what}: {message}");
                times.row(vec![what.to_owned(), "an elevation failed".into()]);
                f64::NAN
            }
        };
        targets.push(Target::at_most(&format!("{what}: another user's p99 vs quiet"), ratio, 2.0, None));
        let three = |of: fn(&Gauge) -> u64| format!("{}, {}, {}", of(&before), of(&most), of(&after));
        sizes.row(vec![
            what.to_owned(),
            flooded.tried.to_string(),
            flooded.turned_away.to_string(),
            three(|gauge| gauge.descriptors),
            three(|gauge| gauge.kilobytes / 1000),
            three(|gauge| gauge.monitors),
        ]);
    }
    stage.sh("rm /etc/jit-sudo/policy.d/mallory.toml; jitctl reload")?;
    Ok(Section { tables: vec![times, sizes], targets })
}

const DIED: &str = "a thread of the bench panicked";

/// What one user sees.
struct Seen {
    bare: Summary,
    ours: Summary,
}

fn elevations(stage: &Stage, length: Duration) -> Done<Seen> {
    let samples: Samples = stage.ask(
        USER,
        &Task::Latency {
            contenders: contenders(&["true", "jit-sudo"], "/usr/bin/true"),
            rounds: 10_000,
            gap: Duration::from_millis(2),
            at_most: length,
        },
    )?;
    let of = |at: usize| samples.get(at).map_or(Summary::of(&[]), |samples| Summary::of(samples));
    Ok(Seen { bare: of(0), ours: of(1) })
}

/// What the user sees while the other one floods, and the most the agent had.
fn under(stage: &Stage, flood: Flood, length: Duration) -> Done<(Done<Seen>, Gauge, Flooded)> {
    scope(|scope| {
        let flooding = scope.spawn(move || {
            let task = Task::Flood { flood, length: REST + length + REST };
            stage.ask::<Flooded>(HOSTILE, &task)
        });
        sleep(REST);
        let watching = scope.spawn(move || {
            let gauges = (0..4).map(|_| {
                sleep(length / 5);
                Gauge::read(stage)
            });
            gauges.collect::<Done<Vec<Gauge>>>()
        });
        let during = elevations(stage, length);
        let gauges = watching.join().map_err(|_| DIED)??;
        let flooded = flooding.join().map_err(|_| DIED)??;
        Ok((during, gauges.into_iter().fold(Gauge::default(), Gauge::most), flooded))
    })
}

/// What the agent and the spawner hold.
#[derive(Clone, Copy, Default)]
struct Gauge {
    descriptors: u64,
    kilobytes: u64,
    monitors: u64,
}

impl Gauge {
    fn read(stage: &Stage) -> Done<Self> {
        let text = stage.sh("agent=$(systemctl show -P MainPID jit-agentd); ls /proc/$agent/fd | wc -l
             awk '/^VmRSS/ { print $2 }' /proc/$agent/status; pgrep -c -x jit-spawner")?;
        let mut figures = text.split_whitespace().map(|word| word.parse().unwrap_or_default());
        let mut next = || figures.next().unwrap_or_default();
        // The spawner itself is none.
        Ok(Self { descriptors: next(), kilobytes: next(), monitors: next().saturating_sub(1) })
    }

    fn most(self, other: Self) -> Self {
        Self {
            descriptors: self.descriptors.max(other.descriptors),
            kilobytes: self.kilobytes.max(other.kilobytes),
            monitors: self.monitors.max(other.monitors),
        }
    }
}
