//! Output, and what a terminal of its own costs a command.

use jit_bench::{Samples, Streams, Task, Transfer, Transfers};

use super::options::Options;
use super::report::{Section, Table, Target, number};
use super::stage::{Stage, USER, contenders};
use super::summary::{Compared, Summary, milliseconds, quotient};
use crate::cargo::Done;

const NAMES: [&str; 6] = ["true", "jit-sudo", "doas", "sudo-rs", "sudo", "run0"];

/// Something to print.
struct Output {
    what: &'static str,
    streams: Streams,
    command: &'static str,
    /// How much arrives: on a terminal each line end becomes two bytes.
    bytes: u64,
}

const OUTPUTS: [Output; 3] = [
    Output {
        what: "terminal, 80-column lines",
        streams: Streams::Terminal,
        command: "/usr/bin/cat /var/lib/bench/lines",
        bytes: LINES * 81,
    },
    Output {
        what: "terminal, /dev/zero",
        streams: Streams::Terminal,
        command: "/usr/bin/head -c 67108864 /dev/zero",
        bytes: 64 * MEBIBYTE,
    },
    Output {
        what: "pipe, /dev/zero",
        streams: Streams::Pipe,
        command: "/usr/bin/head -c 536870912 /dev/zero",
        bytes: 512 * MEBIBYTE,
    },
];
const LINES: u64 = 600_000;
const MEBIBYTE: u64 = 1024 * 1024;

/// Measures all peers in turn.
///
/// # Errors
/// One of them failed.
pub(crate) fn measure(stage: &Stage, options: &Options) -> Done<Section> {
    let mut section = Section::default();
    latency(stage, options, &mut section)?;
    throughput(stage, options, &mut section)?;
    Ok(section)
}

/// Each peer with and without a terminal, in blocks that alternate: a session either has a controlling terminal or has
/// none, and peers give a command a terminal of its own wherever there is one.
fn latency(stage: &Stage, options: &Options, section: &mut Section) -> Done {
    let (blocks, rounds) = if options.quick { (4, 5) } else { (12, 10) };
    let mut samples = [Streams::Null, Streams::Terminal].map(|streams| (streams, Samples::new()));
    for _ in 0..blocks {
        for (streams, samples) in &mut samples {
            let contenders = contenders(&NAMES, "/usr/bin/true").into_iter();
            let contenders = contenders.map(|contender| contender.on(*streams)).collect();
            let block = stage.latency(contenders, rounds)?;
            samples.resize(block.len(), Vec::new());
            samples.iter_mut().zip(block).for_each(|(all, block)| all.extend(block));
        }
    }
    let [without, with] = samples.map(|(_, samples)| Compared::new(&NAMES, &samples));
    let ours = with.of("jit-sudo");
    let mut table = Table::new(&["ms", "no terminal", "terminal", "added", "jit-sudo ÷ it"]);
    for (name, with) in with.iter() {
        let without = without.of(name).median;
        let added = difference(with.median, without);
        let figures = [milliseconds(without), milliseconds(with.median), number(added)];
        table.row([name.to_owned()].into_iter().chain(figures).chain([number(ours.ratio(with))]).collect());
        if name == "jit-sudo" {
            section.targets.push(Target::at_most("own pty, added, ms", added, 0.3, None));
        }
    }
    section.tables.push(table);
    Ok(())
}

fn throughput(stage: &Stage, options: &Options, section: &mut Section) -> Done {
    let line = "x".repeat(79);
    stage.sh(&format!(
        "mkdir -p /var/lib/bench; yes {line} | head -n {LINES} >/var/lib/bench/lines; chmod 644 /var/lib/bench/lines"
    ))?;
    let rounds = if options.quick { 2 } else { 7 };
    let mut columns = vec!["MiB/s".to_owned()];
    let mut rows: Vec<Vec<String>> = NAMES.iter().map(|name| vec![bare(name)]).collect();
    for Output { what, streams, command, bytes } in OUTPUTS {
        let contenders = contenders(&NAMES, command).into_iter().map(|contender| contender.on(streams));
        let transfers: Transfers =
            stage.ask(USER, &Task::Output { contenders: contenders.collect(), rounds })?;
        let rates: Vec<u64> = transfers.iter().map(|transfers| rate(transfers)).collect();
        columns.push(what.to_owned());
        for ((name, row), (rate, transfers)) in NAMES.iter().zip(&mut rows).zip(rates.iter().zip(&transfers))
        {
            let lost = transfers.iter().filter(|transfer| transfer.bytes < bytes).count();
            let note = if lost > 0 { format!(" ({lost} of {rounds} incomplete)") } else { String::new() };
            if lost > 0 && *name == "jit-sudo" {
                return Err(format!("{what}: output is missing{note}"));
            }
            row.push(format!("{}{note}", rate / MEBIBYTE));
        }
        if let (Some(ours), Some(sudo), Streams::Terminal) = (rates.get(1), rates.get(4), streams) {
            let what = format!("{what}: throughput vs sudo's pty");
            section.targets.push(Target::at_least(&what, quotient(*ours, *sudo), 0.9));
        }
    }
    section.tables.push(Table { columns, rows });
    Ok(())
}

fn bare(name: &str) -> String {
    if name == "true" { "none of them".to_owned() } else { name.to_owned() }
}

/// Bytes a second, the median of the rounds.
fn rate(transfers: &[Transfer]) -> u64 {
    let of = |transfer: &Transfer| {
        let rate = u128::from(transfer.bytes) * 1_000_000_000 / u128::from(transfer.nanoseconds.max(1));
        u64::try_from(rate).unwrap_or(u64::MAX)
    };
    Summary::of(&transfers.iter().map(of).collect::<Vec<_>>()).median
}

/// Milliseconds between two medians in nanoseconds; less than 0 if the second is larger.
#[allow(clippy::cast_precision_loss, reason = "far below 2^53 nanoseconds")]
fn difference(one: u64, other: u64) -> f64 {
    (one as f64 - other as f64) / 1e6
}
