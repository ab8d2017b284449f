//! One user's elevations while another one, who is hostile, keeps the agent busy.

use std::thread::{scope, sleep};
use std::time::Duration;

use jit_bench::{Flood, Flooded, Samples, Task};

use super::options::Options;
use super::report::{Section, Table, Target, number};
use super::stage::{Stage, USER, contenders};
use super::summary::{Compared, milliseconds, quotient};
use crate::cargo::Done;

const FLOODS: [(Flood, &str); 4] = [
    (Flood::Silent, "1,000 silent connections"),
    (Flood::Connects, "10,000 connects a second"),
    (Flood::Pending, "1,000 requests pending"),
    (Flood::Descriptors, "253 descriptors a message"),
];

const NAMES: [&str; 2] = ["true", "jit-sudo"];

const HOSTILE: &str = "mallory";

/// May ask for something that needs a password, which nobody types.
const POLICY: &str = "schema = 1\n[[rule]]\nid = \"mallory\"\nusers = [\"mallory\"]\ncommands = [\"ALL\"]\n";

/// So long one user is watched, in quiet and in a flood.
const LENGTH: Duration = Duration::from_secs(4);

/// Time for a flood to rise, and for its waves to settle.
const REST: Duration = Duration::from_secs(2);

/// Measures one user in quiet and during a flood, in turn, each flood followed by rest.
///
/// # Errors
/// A flood could not be made.
pub(crate) fn measure(stage: &Stage, options: &Options) -> Done<Section> {
    stage.guest.add_user(HOSTILE, Some("Secret-1"), &[]);
    stage.guest.write("/etc/jit-sudo/policy.d/mallory.toml", POLICY.as_bytes());
    stage.sh("jitctl reload")?;
    let columns = ["ms", "p50 quiet", "p50", "p99 quiet", "p99", "× quiet", "`true`: p99 × quiet"];
    let mut times = Table::new(&columns);
    let columns = ["before, most, after", "tried", "turned away", "descriptors", "MB", "monitors"];
    let mut sizes = Table::new(&columns);
    let mut targets = Vec::new();
    for (flood, what) in FLOODS {
        let seen = tides(stage, flood, if options.quick { 1 } else { 4 })?;
        let growth = |name: &str| quotient(seen.flooded.of(name).p99, seen.quiet.of(name).p99);
        let (calm, busy) = (seen.quiet.of("jit-sudo"), seen.flooded.of("jit-sudo"));
        let figures = [calm.median, busy.median, calm.p99, busy.p99].map(milliseconds);
        let ratios = [growth("jit-sudo"), growth("true")].map(number);
        times.row([what.to_owned()].into_iter().chain(figures).chain(ratios).collect());
        let what_of = format!("{what}: another user's p99 vs quiet");
        targets.push(Target::at_most(&what_of, growth("jit-sudo"), 2.0, None));

        let [before, most, after] = seen.gauges;
        let three = |of: fn(&Gauge) -> u64| format!("{}, {}, {}", of(&before), of(&most), of(&after));
        sizes.row(vec![
            what.to_owned(),
            seen.done.tried.to_string(),
            seen.done.turned_away.to_string(),
            three(|gauge| gauge.descriptors),
            three(|gauge| gauge.kilobytes / 1000),
            three(|gauge| gauge.monitors),
        ]);
    }
    stage.sh("rm /etc/jit-sudo/policy.d/mallory.toml; jitctl reload")?;
    Ok(Section { tables: vec![times, sizes], targets })
}

/// What was seen in the quiet and in the floods.
struct Seen {
    quiet: Compared,
    flooded: Compared,
    /// Before the first flood, the most in any, after the last.
    gauges: [Gauge; 3],
    done: Flooded,
}

/// Quiet and flood in turn, so often.
fn tides(stage: &Stage, flood: Flood, often: u32) -> Done<Seen> {
    let (mut quiet, mut flooded) = (vec![Vec::new(); NAMES.len()], vec![Vec::new(); NAMES.len()]);
    let [before, mut most, mut after] = [Gauge::read(stage)?; 3];
    let mut done = Flooded::default();
    for _ in 0..often {
        let extend = |all: &mut Samples, more: Samples| {
            all.iter_mut().zip(more).for_each(|(all, more)| all.extend(more));
        };
        extend(&mut quiet, elevations(stage)?);
        let (samples, gauge, tried) = during(stage, flood)?;
        extend(&mut flooded, samples);
        most = most.most(gauge);
        done.tried += tried.tried;
        done.turned_away += tried.turned_away;
        sleep(REST * 2);
        after = Gauge::read(stage)?;
    }
    let [quiet, flooded] = [quiet, flooded].map(|samples| Compared::new(&NAMES, &samples));
    Ok(Seen { quiet, flooded, gauges: [before, most, after], done })
}

fn elevations(stage: &Stage) -> Done<Samples> {
    let contenders = contenders(&NAMES, "/usr/bin/true");
    let gap = Duration::from_millis(2);
    stage.ask(USER, &Task::Latency { contenders, rounds: u32::MAX, gap, at_most: LENGTH })
}

/// What the user sees while the other one floods, the most the agent had, and what the other one did.
fn during(stage: &Stage, flood: Flood) -> Done<(Samples, Gauge, Flooded)> {
    const DIED: &str = "a thread of the bench panicked";
    scope(|scope| {
        let length = REST + LENGTH + REST;
        let flooding = scope.spawn(move || stage.ask::<Flooded>(HOSTILE, &Task::Flood { flood, length }));
        sleep(REST);
        let watching = scope.spawn(move || {
            let gauges = (0..4).map(|_| {
                sleep(LENGTH / 5);
                Gauge::read(stage)
            });
            gauges.collect::<Done<Vec<Gauge>>>()
        });
        let samples = elevations(stage);
        let gauges = watching.join().map_err(|_| DIED)??;
        let flooded = flooding.join().map_err(|_| DIED)??;
        Ok((samples?, gauges.into_iter().fold(Gauge::default(), Gauge::most), flooded))
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
