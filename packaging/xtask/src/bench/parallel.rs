//! Elevations a second, when 1, 4 and 16 are always under way.

use std::time::Duration;

use jit_bench::{Samples, Task};

use super::options::Options;
use super::report::{Section, Table, Target};
use super::stage::{Stage, USER, contenders};
use super::summary::Compared;
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
        let task = Task::Parallel { contenders, rounds, at_once, length: LENGTH };
        all.push(Compared::new(&NAMES, &stage.ask::<Samples>(USER, &task)?));
    }
    let mut table = Table::new(&["a second", "1", "4 in parallel", "16 in parallel"]);
    for name in NAMES {
        let figures = all.iter().map(|all| (all.of(name).median / 1000).to_string());
        table.row([name.to_owned()].into_iter().chain(figures).collect());
    }
    let four = all.get(1).ok_or("nothing was measured")?;
    let targets = [("doas", 1.4), ("sudo", 2.4)].map(|(peer, must)| {
        let what = format!("elevations a second, 4 in parallel, vs {peer}");
        Target::at_least(&what, four.of("jit-sudo").ratio(four.of(peer)), must)
    });
    Ok(Section { tables: vec![table], targets: targets.into() })
}
