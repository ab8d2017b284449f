//! Elevations a second, when 1, 4 and 16 are always under way.

use std::time::Duration;

use jit_bench::{Samples, Task};

use super::options::Options;
use super::report::{Section, Table, Target};
use super::stage::{Stage, USER, contenders};
use super::summary::{Summary, quotient};
use crate::cargo::Done;

const NAMES: [&str; 7] = ["true", "jit-sudo", "doas", "sudo-rs", "sudo", "run0", "pkexec"];
const AT_ONCE: [u32; 3] = [1, 4, 16];
const LENGTH: Duration = Duration::from_secs(1);

/// Measures all peers in turn, several rounds of a second each.
///
/// # Errors
/// One of them failed.
pub(crate) fn measure(stage: &Stage, options: &Options) -> Done<Section> {
    let rounds = if options.quick { 1 } else { 5 };
    let mut all = Vec::new();
    for at_once in AT_ONCE {
        let contenders = contenders(&NAMES, "/usr/bin/true");
        let samples: Samples =
            stage.ask(USER, &Task::Parallel { contenders, rounds, at_once, length: LENGTH })?;
        all.push(samples.iter().map(|samples| Summary::of(samples).median).collect::<Vec<u64>>());
    }
    let mut table = Table::new(&["a second", "1", "4 in parallel", "16 in parallel"]);
    for (at, name) in NAMES.into_iter().enumerate() {
        let figures = all.iter().map(|medians| medians.get(at).map_or(0, |median| median / 1000).to_string());
        table.row([name.to_owned()].into_iter().chain(figures).collect());
    }
    let four = |name: &str| {
        let medians = NAMES.into_iter().zip(all.get(1).into_iter().flatten());
        medians.into_iter().find(|(own, _)| *own == name).map_or(0, |(_, median)| *median)
    };
    let against = |peer: &str, must| {
        let what = format!("elevations a second, 4 in parallel, vs {peer}");
        Target::at_least(&what, quotient(four("jit-sudo"), four(peer)), must)
    };
    Ok(Section { tables: vec![table], targets: vec![against("doas", 1.4), against("sudo", 2.4)] })
}
