//! One elevation of `true`: the wall time from `posix_spawn` to `waitpid`.

use super::options::Options;
use super::report::{Section, Table, Target, number};
use super::stage::{Stage, contenders};
use super::summary::{Summary, milliseconds};
use crate::cargo::Done;

const NAMES: [&str; 7] = ["true", "jit-sudo", "doas", "sudo-rs", "sudo", "run0", "pkexec"];

/// Peer, must, reach for.
const TARGETS: [(&str, f64, f64); 4] =
    [("doas", 0.60, 0.55), ("sudo-rs", 0.55, 0.50), ("sudo", 0.38, 0.34), ("run0", 0.10, 0.09)];

/// Measures all peers in turn.
///
/// # Errors
/// One of them failed.
pub(crate) fn measure(stage: &Stage, options: &Options) -> Done<Section> {
    let rounds = if options.quick { 40 } else { 120 };
    let samples = stage.latency(contenders(&NAMES, "/usr/bin/true"), rounds)?;
    let all: Vec<(&str, Summary)> =
        NAMES.into_iter().zip(samples.iter().map(|samples| Summary::of(samples))).collect();
    let of = |name: &str| {
        all.iter().find(|(other, _)| *other == name).map_or(Summary::of(&[]), |(_, summary)| *summary)
    };
    let columns = ["ms", "median", "p10", "p90", "× true", "jit-sudo ÷ it"];
    let mut section = Section { tables: vec![Table::new(&columns)], targets: Vec::new() };
    let ours = of("jit-sudo");
    for (name, summary) in &all {
        let figures = [summary.median, summary.p10, summary.p90].map(milliseconds);
        let mut row = vec![(*name).to_owned()];
        row.extend(figures);
        row.push(number(summary.ratio(of("true"))));
        row.push(number(ours.ratio(*summary)));
        section.tables.iter_mut().for_each(|table| table.row(row.clone()));
    }
    for (peer, must, reach) in TARGETS {
        let what = format!("one elevation vs {peer}");
        section.targets.push(Target::at_most(&what, ours.ratio(of(peer)), must, Some(reach)));
    }
    Ok(section)
}
