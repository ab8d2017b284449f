//! One elevation on a machine that has no time: more processes want to run than there are cores.

use super::options::Options;
use super::report::{Section, Table, Target, number};
use super::stage::{Stage, contenders};
use super::summary::{Compared, milliseconds};
use crate::cargo::Done;

const NAMES: [&str; 7] = ["true", "jit-sudo", "doas", "sudo-rs", "sudo", "run0", "pkexec"];

/// Processes that want to run all the time, for each core.
const BURNERS: usize = 3;

/// They end by themselves after so many seconds.
const AT_MOST: u32 = 300;

/// Measures all peers in turn while others burn.
///
/// # Errors
/// One of them failed.
pub(crate) fn measure(stage: &Stage, options: &Options) -> Done<Section> {
    let rounds = if options.quick { 20 } else { 80 };
    let burners = BURNERS * std::thread::available_parallelism().map_or(1, usize::from);
    // Each in a session of its own, like processes of different users.
    let burn = format!(
        "for burner in $(seq {burners}); do
             setsid timeout {AT_MOST} sh -c 'while :; do :; done' >/dev/null 2>&1 & echo $!
         done"
    );
    let pids = stage.sh(&burn)?.split_whitespace().collect::<Vec<_>>().join(" ");
    let samples = stage.latency(contenders(&NAMES, "/usr/bin/true"), rounds);
    stage.sh(&format!("kill {pids}"))?;
    let all = Compared::new(&NAMES, &samples?);
    let ours = all.of("jit-sudo");
    let mut table = Table::new(&["ms", "median", "p10", "p90", "jit-sudo ÷ it"]);
    for (name, summary) in all.iter() {
        let figures = [summary.median, summary.p10, summary.p90].map(milliseconds);
        let ratio = number(ours.ratio(summary));
        table.row([name.to_owned()].into_iter().chain(figures).chain([ratio]).collect());
    }
    let targets = [("doas", 0.85), ("sudo", 0.5)].map(|(peer, must)| {
        Target::at_most(&format!("on a saturated machine vs {peer}"), ours.ratio(all.of(peer)), must, None)
    });
    Ok(Section { tables: vec![table], targets: targets.into() })
}
