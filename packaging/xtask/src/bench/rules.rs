//! One elevation among 1, 1,000 and 100,000 rules, on each side that has rules.

use std::fmt::Write as _;

use super::options::Options;
use super::report::{Section, Table, Target, number};
use super::stage::{Stage, contenders};
use super::summary::{Compared, milliseconds};
use crate::cargo::Done;

const NAMES: [&str; 5] = ["true", "jit-sudo", "doas", "sudo-rs", "sudo"];
const COUNTS: [usize; 3] = [1, 1_000, 100_000];

/// A file of rules.
struct Side {
    path: &'static str,
    mode: &'static str,
    head: &'static str,
    /// Somebody else's rule; `@` is a number.
    other: &'static str,
    /// The rule that counts.
    own: &'static str,
}

const SIDES: [Side; 3] = [
    Side {
        path: "/etc/sudoers.d/bench",
        mode: "440",
        head: "",
        other: "u@ ALL=(root) NOPASSWD: /usr/bin/id\n",
        own: "bench ALL=(ALL:ALL) NOPASSWD: ALL\n",
    },
    Side {
        path: "/etc/doas.conf",
        mode: "400",
        head: "",
        other: "permit nopass u@ as root cmd /usr/bin/id\n",
        own: "permit nopass bench\n",
    },
    Side {
        path: "/etc/jit-sudo/policy.d/bench.toml",
        mode: "644",
        head: "schema = 1\n",
        other: "[[rule]]\nid = \"r@\"\nusers = [\"u@\"]\ncommands = [\"/usr/bin/id\"]\n",
        own: "[[rule]]\nid = \"bench\"\nusers = [\"bench\"]\ncommands = [\"ALL\"]\nrequire.authentication = \"none\"\n",
    },
];

/// Measures in blocks that alternate between the numbers of rules: what else the machine does meets all of them.
///
/// # Errors
/// One of the peers failed.
pub(crate) fn measure(stage: &Stage, options: &Options) -> Done<Section> {
    let (blocks, rounds) = if options.quick { (2, 5) } else { (6, 10) };
    for count in COUNTS {
        prepare(stage, count)?;
    }
    let mut samples = vec![vec![Vec::new(); NAMES.len()]; COUNTS.len()];
    let mut load = Load::default();
    for _ in 0..blocks {
        for (count, samples) in COUNTS.iter().zip(&mut samples) {
            load = install(stage, *count)?;
            let block = stage.latency(contenders(&NAMES, "/usr/bin/true"), rounds)?;
            samples.iter_mut().zip(block).for_each(|(all, block)| all.extend(block));
        }
    }
    install(stage, 1)?;

    let all: Vec<Compared> = samples.iter().map(|samples| Compared::new(&NAMES, samples)).collect();
    let (Some(first), Some(last)) = (all.first(), all.last()) else {
        return Err("nothing was measured".into());
    };
    let growth = |name: &str| last.of(name).ratio(first.of(name));
    let mut table = Table::new(&["ms", "1 rule", "1,000 rules", "100,000 rules", "100,000 ÷ 1"]);
    for name in NAMES {
        let figures = all.iter().map(|all| milliseconds(all.of(name).median));
        table.row([name.to_owned()].into_iter().chain(figures).chain([number(growth(name))]).collect());
    }
    let targets = vec![
        Target::at_most("100,000 rules vs 1 rule", growth("jit-sudo"), 1.15, Some(1.02)),
        Target::at_most("`jitctl reload` of 100,000 rules, seconds", load.seconds, 2.0, None),
        Target::at_most("the agent's peak memory meanwhile, MB", load.peak_megabytes, 200.0, None),
    ];
    Ok(Section { tables: vec![table], targets })
}

/// Writes the files of this many rules, beside their places.
fn prepare(stage: &Stage, count: usize) -> Done {
    for Side { path, mode, head, other, own } in &SIDES {
        let mut text = (*head).to_owned();
        for number in 1..count {
            let _ = write!(text, "{}", other.replace('@', &number.to_string()));
        }
        text.push_str(own);
        let aside = aside(path, count);
        stage.sh(&format!("mkdir -p {}", aside.rsplit_once('/').map_or("", |(folder, _)| folder)))?;
        stage.guest.write(&aside, text.as_bytes());
        stage.sh(&format!("chmod {mode} {aside}"))?;
    }
    Ok(())
}

fn aside(path: &str, count: usize) -> String {
    format!("/var/lib/bench/{count}{path}")
}

/// What it took the agent to take a policy.
#[derive(Default)]
struct Load {
    seconds: f64,
    peak_megabytes: f64,
}

/// Puts the files of this many rules in their places, and waits until the agent is done with them: it looks up the names
/// in them beside its work.
fn install(stage: &Stage, count: usize) -> Done<Load> {
    for Side { path, .. } in &SIDES {
        stage.sh(&format!("cp --preserve=mode {} {path}", aside(path, count)))?;
    }
    // 5: the peak of the memory counts from now.
    let figures = stage.sh(
        "agent=$(systemctl show -P MainPID jit-agentd); echo 5 >/proc/$agent/clear_refs; begin=$(date +%s%N)
         jitctl reload >/dev/null || exit
         took=$(($(date +%s%N) - begin)); until=$(($(date +%s) + 30)); before=
         while now=$(cut -d' ' -f14,15 /proc/$agent/stat); [ \"$now\" != \"$before\" ]; do
             [ $(date +%s) -lt $until ] || { echo the agent is not idle after 30 s >&2; exit 1; }
             before=$now; sleep 0.3
         done
         echo $took $(awk '/^VmHWM/ { print $2 }' /proc/$agent/status)",
    )?;
    let mut figures = figures.split_whitespace().map(|word| word.parse::<f64>().unwrap_or(f64::NAN));
    let mut next = || figures.next().unwrap_or(f64::NAN);
    Ok(Load { seconds: next() / 1e9, peak_megabytes: next() * 1024.0 / 1e6 })
}
