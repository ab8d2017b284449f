//! Memory that is there for us: proportional set sizes, in which what several processes share is divided among them.

use std::time::Duration;

use jit_tests::Terminal;

use super::options::Options;
use super::report::{Section, Table, Target};
use super::stage::{Stage, USER, contenders};
use super::summary::{Summary, quotient};
use crate::cargo::Done;

/// Peer, and the programs whose processes count for it.
const SIDES: [(&str, &[&str]); 5] = [
    (
        "jit-sudo",
        &["/usr/libexec/jit-sudo/jit-agentd", "/usr/libexec/jit-sudo/jit-spawner", "/usr/bin/jit-sudo"],
    ),
    ("doas", &["/usr/bin/doas"]),
    ("sudo-rs", &["/usr/bin/sudo-rs"]),
    ("sudo", &["/usr/bin/sudo"]),
    ("run0", &["/usr/bin/run0"]),
];

/// So many sessions at once.
const MANY: usize = 10;

/// Time in which what a start or an end set in motion is over.
const REST: Duration = Duration::from_millis(1_500);

/// Measures what runs all the time, and what one session and each of ten add to it. A session is on a terminal, and its
/// command itself does not count.
///
/// # Errors
/// A session did not start.
pub(crate) fn measure(stage: &Stage, options: &Options) -> Done<Section> {
    let rounds = if options.quick { 1 } else { 3 };
    warm_up(stage)?;
    let mut idle = Table::new(&["kB PSS, idle", "processes", "together"]);
    let mut all = 0;
    for program in ["jit-agentd", "jit-spawner"] {
        let (processes, size) = size(stage, &format!("/usr/libexec/jit-sudo/{program}"))?;
        idle.row(vec![program.to_owned(), processes.to_string(), size.to_string()]);
        all += size;
    }

    let mut live = Table::new(&["kB PSS, added by a live session", "one", "each of ten"]);
    let mut ones = Vec::new();
    for (name, programs) in SIDES {
        let mut added = vec![[Vec::new(), Vec::new()]; programs.len()];
        for _ in 0..rounds {
            let before = sizes(stage, programs)?;
            for (at, count) in [1, MANY].into_iter().enumerate() {
                let sessions = start(stage, name, count)?;
                for ((added, before), now) in added.iter_mut().zip(&before).zip(sizes(stage, programs)?) {
                    added.get_mut(at).into_iter().for_each(|added| added.push(now.saturating_sub(*before)));
                }
                stage.sh("pkill -x -u 0 sleep")?;
                drop(sessions);
                std::thread::sleep(REST);
            }
        }
        let added: Vec<[u64; 2]> =
            added.iter().map(|both| both.clone().map(|added| Summary::of(&added).median)).collect();
        let sum = |at: usize| added.iter().filter_map(|both| both.get(at)).sum::<u64>();
        let mut row = |name: &str, one: u64, ten: u64| {
            live.row(vec![name.to_owned(), one.to_string(), (ten / MANY as u64).to_string()]);
        };
        row(name, sum(0), sum(1));
        for (program, [one, ten]) in programs.iter().zip(&added).filter(|_| programs.len() > 1) {
            row(&format!("— {}", program.rsplit('/').next().unwrap_or(program)), *one, *ten);
        }
        ones.push((name, sum(0)));
    }
    let one = |name: &str| ones.iter().find(|(own, _)| *own == name).map_or(0, |(_, size)| *size);
    let share = quotient(one("jit-sudo"), one("sudo"));
    let targets = vec![
        Target::at_most("a live session vs sudo's two processes", share, 0.25, Some(0.12)),
        Target::at_most("agent, spawner and pool idle, MB PSS", megabytes(all), 10.0, None),
    ];
    Ok(Section { tables: vec![idle, live], targets })
}

fn megabytes(kibibytes: u64) -> f64 {
    quotient(kibibytes * 1024, 1_000_000)
}

/// What is allocated once and kept is no session's.
fn warm_up(stage: &Stage) -> Done {
    stage.latency(contenders(&["jit-sudo"], "/usr/bin/true"), 100)?;
    std::thread::sleep(REST);
    Ok(())
}

/// The size of each of these programs.
fn sizes(stage: &Stage, programs: &[&str]) -> Done<Vec<u64>> {
    programs.iter().map(|program| size(stage, program).map(|(_, size)| size)).collect()
}

/// How many processes run this program, and the sum of their proportional set sizes in kB.
pub(super) fn size(stage: &Stage, program: &str) -> Done<(u64, u64)> {
    // The names of some are links.
    let script = format!(
        "program=$(readlink -f {program})
         for process in /proc/[0-9]*; do
             [ \"$(readlink $process/exe)\" = $program ] && awk '/^Pss:/ {{ print $2 }}' $process/smaps_rollup
         done 2>/dev/null | awk '{{ sum += $1 }} END {{ print NR, sum + 0 }}'"
    );
    let text = stage.sh(&script)?;
    let mut figures = text.split_whitespace().map(|word| word.parse().unwrap_or_default());
    Ok((figures.next().unwrap_or_default(), figures.next().unwrap_or_default()))
}

/// Sessions that do nothing, each on a terminal of its own.
fn start(stage: &Stage, name: &str, count: usize) -> Done<Vec<Terminal>> {
    let contenders = contenders(&[name], "/usr/bin/sleep 30");
    let line = contenders.first().map(|contender| contender.words.join(" ")).unwrap_or_default();
    let sessions = (0..count).map(|_| stage.guest.as_user(USER).terminal(&line)).collect();
    let running = format!(
        "for try in $(seq 100); do [ $(pgrep -c -x -u 0 sleep) -eq {count} ] && exit; sleep 0.1; done; exit 1"
    );
    stage.sh(&running)?;
    std::thread::sleep(REST);
    Ok(sessions)
}
