//! 10,000 live grants: what they cost an elevation and in memory, and how late the end of one comes under load.
//!
//! They are issued as any other, by `jit-sudo --for`, which asks for a new one each time. To alternate between none and all
//! of them, store and log of the one host and of the other are exchanged while the agent is stopped: each goes on from
//! what it was.

use std::collections::HashMap;
use std::thread::{scope, sleep};
use std::time::Duration;

use jiff::Timestamp;
use jit_bench::{Contender, Samples, Task};

use super::memory;
use super::options::Options;
use super::report::{Section, Table, Target, number};
use super::stage::{Stage, USER, contenders};
use super::summary::{Compared, Summary, milliseconds, quotient};
use crate::cargo::Done;

const NAMES: [&str; 2] = ["true", "jit-sudo"];
const AGENT: &str = "/usr/libexec/jit-sudo/jit-agentd";

/// So many users have so many grants each.
const USERS: u32 = 10;
const EACH: u32 = 1_000;

/// Of how many commands the end is looked at, and how long their grants live: all of them begin before the first ends.
const ENDING: usize = 100;
const LIFE: &str = "30s";
/// Elevations go on all the while.
const LOAD: Duration = Duration::from_secs(40);

/// Time in which what a start set in motion is over.
const REST: Duration = Duration::from_secs(2);

const POLICY: &str = "schema = 1
[[rule]]
id = \"keeping\"
users = [\"%keepers\"]
commands = [\"/usr/bin/true\"]
require = { authentication = \"none\" }
grant = { duration = \"2h\" }
[[rule]]
id = \"ending\"
users = [\"%keepers\"]
commands = [\"/usr/bin/sleep **\"]
require = { authentication = \"none\" }
";

/// Measures elevations with and without in blocks that alternate, then the ends of grants.
///
/// # Errors
/// The grants could not be had, or something failed.
pub(crate) fn measure(stage: &Stage, options: &Options) -> Done<Section> {
    let (blocks, rounds) = if options.quick { (2, 20) } else { (8, 40) };
    let users: Vec<String> = (0..USERS).map(|number| format!("keeper{number}")).collect();
    stage.sh("groupadd keepers")?;
    for user in &users {
        stage.guest.add_user(user, None, &["keepers"]);
    }
    stage.guest.write("/etc/jit-sudo/policy.d/keepers.toml", POLICY.as_bytes());
    stage.sh("jitctl reload")?;
    elevations(stage, rounds)?; // what is allocated once and kept is no grant's
    sleep(REST);
    let [none, issued] = {
        let before = memory::size(stage, AGENT)?.1;
        exchange(stage, "none", None)?;
        issue(stage, &users)?;
        elevations(stage, rounds)?;
        sleep(REST);
        [before, memory::size(stage, AGENT)?.1]
    };

    let mut samples = [const { Samples::new() }; 2];
    let mut started = [0; 2];
    for block in 0..2 * blocks {
        let (to, from) = if block % 2 == 0 { ("none", "many") } else { ("many", "none") };
        exchange(stage, from, Some(to))?;
        let block_of = elevations(stage, rounds)?;
        sleep(REST);
        let at = block % 2;
        if let (Some(samples), Some(started)) = (samples.get_mut(at), started.get_mut(at)) {
            samples.resize(block_of.len(), Vec::new());
            samples.iter_mut().zip(block_of).for_each(|(all, block)| all.extend(block));
            *started = memory::size(stage, AGENT)?.1;
        }
    }
    let [without, with] = samples.map(|samples| Compared::new(&NAMES, &samples));
    let ratio = |name: &str| with.of(name).ratio(without.of(name));
    let mut times = Table::new(&["ms", "no live grant", "10,000", "10,000 ÷ none"]);
    for name in NAMES {
        let figures = [without.of(name).median, with.of(name).median].map(milliseconds);
        times.row([name.to_owned()].into_iter().chain(figures).chain([number(ratio(name))]).collect());
    }
    let [none_started, many_started] = started;
    let mut sizes = Table::new(&["kB PSS of the agent", "no live grant", "10,000"]);
    sizes.row(vec!["after they were issued".to_owned(), none.to_string(), issued.to_string()]);
    sizes.row(vec!["after a start".to_owned(), none_started.to_string(), many_started.to_string()]);
    let more = issued.saturating_sub(none).max(many_started.saturating_sub(none_started));

    let late = ends(stage, &users)?;
    let mut ends = Table::new(&["ms after its moment, under load", "median", "p90", "latest"]);
    let mut targets = vec![
        Target::at_most("an elevation with 10,000 live grants vs none", ratio("jit-sudo"), 1.05, None),
        Target::at_most("memory for 10,000 live grants, MB", quotient(more * 1024, 1_000_000), 10.0, None),
    ];
    for (what, late) in late {
        let summary = Summary::of(&late);
        let latest = late.iter().copied().max().unwrap_or(u64::MAX);
        let figures = [summary.median, summary.p90, latest].map(milliseconds);
        ends.row([what.to_owned()].into_iter().chain(figures).collect());
        targets.push(Target::at_most(
            &format!("{what}, latest, ms"),
            quotient(latest, 1_000_000),
            100.0,
            None,
        ));
    }
    exchange(stage, "many", Some("none"))?;
    stage.sh("rm /etc/jit-sudo/policy.d/keepers.toml; jitctl reload")?;
    Ok(Section { tables: vec![times, sizes, ends], targets })
}

fn elevations(stage: &Stage, rounds: u32) -> Done<Samples> {
    stage.latency(contenders(&NAMES, "/usr/bin/true"), rounds)
}

/// The agent goes on with another store and log: what it has now is kept under one name, what is kept under the other, if
/// any, takes its place.
fn exchange(stage: &Stage, from: &str, to: Option<&str>) -> Done {
    let next = match to {
        Some(to) => format!("mv /var/$folder/bench/{to} /var/$folder/jit-sudo"),
        None => "mkdir -m 700 /var/$folder/jit-sudo".to_owned(),
    };
    let script = format!(
        "set -e; systemctl stop jit-agentd.socket jit-agentd-pam.socket jit-agentd.service
         for folder in lib log; do
             mkdir -p /var/$folder/bench; mv /var/$folder/jit-sudo /var/$folder/bench/{from}; {next}
         done
         systemctl start jit-agentd.service; jitctl status >/dev/null"
    );
    stage.sh(&script)?;
    sleep(REST);
    Ok(())
}

/// Each of the users has as many commands run, each on a grant of its own.
fn issue(stage: &Stage, users: &[String]) -> Done {
    let line = "/usr/bin/jit-sudo -n --for 2h /usr/bin/true";
    let issuing = |user: &str| {
        let contenders = vec![Contender::new("jit-sudo", line)];
        let at_most = Duration::from_mins(10);
        let task = Task::Latency { contenders, rounds: EACH, gap: Duration::ZERO, at_most };
        stage.ask::<Samples>(user, &task).map(drop)
    };
    scope(|scope| {
        let threads: Vec<_> = users.iter().map(|user| scope.spawn(move || issuing(user))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "a thread of the bench panicked")?)
    })?;
    let live = stage.sh("jitctl grants --all --json | grep -o '\"issued\"' | wc -l")?;
    let live: u32 = live.trim().parse().unwrap_or_default();
    if live >= USERS * EACH { Ok(()) } else { Err(format!("there are {live} live grants")) }
}

/// How long after its moment the end of a grant was recorded, and how long after that the process on it was gone, in
/// nanoseconds, while others elevate all the time.
fn ends(stage: &Stage, users: &[String]) -> Done<[(&'static str, Vec<u64>); 2]> {
    let each = ENDING / users.len();
    let line = format!("/usr/bin/jit-sudo -n --for {LIFE} /usr/bin/sleep 600");
    let begin = format!("for one in $(seq {each}); do {line} >/dev/null 2>&1 & done; wait");
    scope(|scope| {
        let load = scope.spawn(|| {
            let contenders = contenders(&["jit-sudo"], "/usr/bin/true");
            stage.ask::<Samples>(USER, &Task::Parallel { contenders, rounds: 1, at_once: 4, length: LOAD })
        });
        let commands: Vec<_> = users
            .iter()
            .map(|user| {
                let begin = &begin;
                scope.spawn(move || stage.guest.as_user(user).run(begin))
            })
            .collect();
        for command in commands {
            command.join().map_err(|_| "a thread of the bench panicked")?;
        }
        load.join().map_err(|_| "a thread of the bench panicked")?.map(drop)
    })?;
    sleep(REST);
    let records = stage.sh("cat /var/log/jit-sudo/audit*.jsonl | grep '\"rule\":\"ending\"'")?;
    lateness(&records)
}

fn lateness(records: &str) -> Done<[(&'static str, Vec<u64>); 2]> {
    let mut moments: HashMap<String, [Option<Timestamp>; 3]> = HashMap::new();
    for record in records.lines() {
        let record: serde_json::Value = serde_json::from_str(record).map_err(|error| error.to_string())?;
        let text = |key: &str| record.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
        let (at, when) = match text("event") {
            "grant.issued" => (0, text("result").trim_start_matches("until ")),
            "grant.expired" => (1, text("time")),
            "session.ended" => (2, text("time")),
            _ => continue,
        };
        let when: Timestamp = when.parse().map_err(|error| format!("{when}: {error}"))?;
        if let Some(moment) = moments.entry(text("grant").to_owned()).or_default().get_mut(at) {
            *moment = Some(when);
        }
    }
    let mut late = [("the end of a grant is recorded", Vec::new()), ("its process is gone", Vec::new())];
    for [end, recorded, gone] in moments.into_values() {
        for (late, moment) in late.iter_mut().zip([recorded, gone]) {
            let (Some(end), Some(moment)) = (end, moment) else {
                return Err(format!("{}: of a grant that is not known", late.0));
            };
            late.1.push(u64::try_from(moment.as_nanosecond() - end.as_nanosecond()).unwrap_or_default());
        }
    }
    if late.iter().all(|(_, late)| late.len() >= ENDING) {
        Ok(late)
    } else {
        Err("too few grants ended".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_grant_is_compared_with_when_it_was_to_be() {
        let record = |event: &str, time: &str, result: &str| {
            format!(
                r#"{{"event":"{event}","grant":"g","time":"2026-01-01T00:00:{time}Z","result":"{result}"}}"#
            )
        };
        let all = [
            record("grant.issued", "01.000000", "until 2026-01-01T00:00:30.500000Z"),
            record("session.started", "01.000000", ""),
            record("grant.expired", "30.502000", ""),
            record("session.ended", "30.600000", ""),
        ];
        // One is too few for a figure.
        assert!(lateness(&all.join("\n")).unwrap_err().contains("too few"));
        let many: Vec<String> =
            (0..ENDING).map(|at| all.join("\n").replace("\"g\"", &format!("\"g{at}\""))).collect();
        let [(_, recorded), (_, gone)] = lateness(&many.join("\n")).unwrap();
        assert_eq!((recorded[0], gone[0]), (2_000_000, 100_000_000));
        assert!(lateness(&all[..2].join("\n")).is_err());
    }
}
