//! One elevation of `true`: the wall time from `posix_spawn` to `waitpid`.

use std::time::Duration;

use super::options::Options;
use super::report::{Section, Table, Target, number};
use super::stage::{Stage, contenders};
use super::summary::{Compared, milliseconds};
use crate::cargo::Done;

const NAMES: [&str; 7] = ["true", "jit-sudo", "doas", "sudo-rs", "sudo", "run0", "pkexec"];

/// Peer, must, reach for.
const TARGETS: [(&str, f64, f64); 5] = [
    ("doas", 0.60, 0.55),
    ("sudo-rs", 0.55, 0.50),
    ("sudo", 0.38, 0.34),
    ("run0", 0.10, 0.09),
    ("`true` itself", 4.2, 3.9),
];

/// PAM that does nothing: what is left of an elevation's time is ours.
const EMPTY_STACK: &str =
    "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n";

/// Time in which the spawner has new monitors, after PAM's files changed.
const RENEWED: Duration = Duration::from_secs(3);

/// Measures all peers in turn; then ours once more, with an empty PAM stack.
///
/// # Errors
/// One of them failed.
pub(crate) fn measure(stage: &Stage, options: &Options) -> Done<Section> {
    let rounds = if options.quick { 40 } else { 120 };
    let all = Compared::new(&NAMES, &stage.latency(contenders(&NAMES, "/usr/bin/true"), rounds)?);
    let ours = all.of("jit-sudo");
    let mut table = Table::new(&["ms", "median", "p10", "p90", "× true", "jit-sudo ÷ it"]);
    for (name, summary) in all.iter() {
        let figures = [summary.median, summary.p10, summary.p90].map(milliseconds);
        let ratios = [summary.ratio(all.of("true")), ours.ratio(summary)].map(number);
        table.row([name.to_owned()].into_iter().chain(figures).chain(ratios).collect());
    }
    let mut targets: Vec<Target> = TARGETS
        .iter()
        .map(|(peer, must, reach)| {
            let other = all.of(if *peer == "`true` itself" { "true" } else { peer });
            Target::at_most(&format!("one elevation vs {peer}"), ours.ratio(other), *must, Some(*reach))
        })
        .collect();

    let bare = without_pam(stage, rounds)?;
    let (ours, own) = (bare.of("jit-sudo"), bare.of("true"));
    let figures = [ours.median, ours.p10, ours.p90].map(milliseconds);
    let ratios = [number(ours.ratio(own)), String::new()];
    table.row(["jit-sudo, empty PAM stack".to_owned()].into_iter().chain(figures).chain(ratios).collect());
    let what = "with an empty PAM stack, vs `true` itself";
    targets.push(Target::at_most(what, ours.ratio(own), 1.7, Some(1.5)));
    Ok(Section { tables: vec![table], targets })
}

fn without_pam(stage: &Stage, rounds: u32) -> Done<Compared> {
    const NAMES: [&str; 2] = ["true", "jit-sudo"];
    let path = "/etc/pam.d/jit-sudo";
    stage.sh(&format!("cp {path} /root/pam"))?;
    stage.guest.write(path, EMPTY_STACK.as_bytes());
    std::thread::sleep(RENEWED);
    let samples = stage.latency(contenders(&NAMES, "/usr/bin/true"), rounds);
    stage.sh(&format!("cp /root/pam {path}"))?;
    std::thread::sleep(RENEWED);
    Ok(Compared::new(&NAMES, &samples?))
}
