//! Who is walked, over which calls, with which faults.

use std::fmt;
use std::time::{Duration, Instant};

use jit_tests::Outcome;
use jit_tests::process::run;

use crate::ledger::Ledger;
use crate::stage::{Stage, agent_log, shell};
use crate::tracer::{Fault, Target, Tracer, hit, names};

const FILES: &[&str] = &[
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "fsync",
    "fdatasync",
    "ftruncate",
    "rename",
    "renameat",
    "renameat2",
];
const SENDS: &[&str] = &["sendto", "sendmsg", "sendmmsg"];
/// What makes processes and cgroups, and removes them.
const OTHERS: &[&str] = &["clone", "clone3", "vfork", "mkdir", "mkdirat", "rmdir", "unlinkat"];
/// What only a process between fork and exec does.
const BECOMING: &[&str] = &["setpgid", "dup2", "dup3", "setresuid", "setresgid", "close_range", "execve"];

const EIO: Fault = Fault::Error("EIO");
const ENOSPC: Fault = Fault::Error("ENOSPC");

/// More calls than any walk has.
const MOST: usize = 400;
/// How many violations are worth reading.
const ENOUGH: usize = 40;

#[derive(Clone, Copy)]
enum Who {
    /// The agent's thread of this name.
    Agent(&'static str),
    /// The agent while it is started.
    Starting,
    Spawner,
    /// The one that takes the order; what it starts is not traced.
    Monitor,
    /// The monitor's child, until it has executed.
    Command,
    Helper,
}

struct Walk {
    name: &'static str,
    who: Who,
    calls: &'static [&'static [&'static str]],
    files: &'static [&'static str],
    faults: &'static [Fault],
}

impl Walk {
    fn children(&self) -> bool {
        matches!(self.who, Who::Command | Who::Starting)
    }
}

/// All that the agent writes. A thread's word to the event loop (a write to an eventfd) is none of them: it cannot fail.
/// But before it the agent can be killed.
const WRITTEN: &[&str] = &[
    "/var/lib/jit-sudo",
    "/var/lib/jit-sudo/state.redb",
    "/var/lib/jit-sudo/state.new",
    "/var/lib/jit-sudo/.last-good.json.new",
    "/var/lib/jit-sudo-login",
    "/var/lib/jit-sudo-login/.gated.new",
    "/var/log/jit-sudo",
    "/var/log/jit-sudo/audit.jsonl",
];
const ANY: &[&str] = &[];

const STORE: Who = Who::Agent("store");
const AUDIT: Who = Who::Agent("audit");
const LOOP: Who = Who::Agent("jit-agentd");
const ALL: &[&[&str]] = &[FILES, SENDS, OTHERS];

#[rustfmt::skip]
const WALKS: &[Walk] = &[
    Walk { name: "store-errors", who: STORE, calls: &[FILES], files: WRITTEN, faults: &[EIO, ENOSPC] },
    Walk { name: "store-kills", who: STORE, calls: ALL, files: ANY, faults: &[Fault::Kill] },
    Walk { name: "audit-errors", who: AUDIT, calls: &[FILES], files: WRITTEN, faults: &[EIO, ENOSPC] },
    Walk { name: "audit-sends", who: AUDIT, calls: &[SENDS], files: ANY, faults: &[EIO] },
    Walk { name: "audit-kills", who: AUDIT, calls: ALL, files: ANY, faults: &[Fault::Kill] },
    Walk { name: "loop-sends", who: LOOP, calls: &[SENDS], files: ANY, faults: &[EIO] },
    Walk { name: "loop-kills", who: LOOP, calls: ALL, files: ANY, faults: &[Fault::Kill] },
    Walk { name: "spawner", who: Who::Spawner, calls: ALL, files: ANY, faults: &[EIO, Fault::Kill] },
    Walk { name: "monitor", who: Who::Monitor, calls: ALL, files: ANY, faults: &[EIO, Fault::Kill] },
    Walk { name: "command", who: Who::Command, calls: &[BECOMING], files: ANY, faults: &[EIO, Fault::Kill] },
    Walk { name: "helper", who: Who::Helper, calls: &[SENDS], files: ANY, faults: &[Fault::Kill] },
    Walk { name: "start-errors", who: Who::Starting, calls: &[FILES], files: WRITTEN, faults: &[EIO, ENOSPC] },
    Walk { name: "start-kills", who: Who::Starting, calls: ALL, files: ANY, faults: &[Fault::Kill] },
];

/// Walks those that are named, or all; true if everything held.
pub(crate) fn all(words: &[String]) -> bool {
    let verbose = words.iter().any(|word| word == "verbose");
    let names: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "verbose").collect();
    let mut play = Play { stage: Stage::new(), ledger: Ledger::open(), wrong: 0, verbose };
    let mut points = 0;
    for walk in WALKS.iter().filter(|walk| names.is_empty() || names.contains(&walk.name)) {
        for fault in walk.faults {
            // An agent that starts decides again on each grant: fewer are sooner done.
            run(shell("jitctl revoke --user alice"), b"", Duration::from_secs(10));
            let started = Instant::now();
            let walked = play.walk(walk, *fault);
            let took = started.elapsed().as_secs_f64();
            println!("{:<12} {:<8} {walked:>4} points {took:>6.1} s", walk.name, fault.to_string());
            if walked == 0 {
                play.tell(format!("{}: nothing was walked", walk.name));
            }
            points += walked;
        }
    }
    // A session whose agent and monitor both died counts as lost half a minute after the next agent's start.
    println!("{points} points were walked; now the ends of all sessions are awaited");
    std::thread::sleep(Duration::from_secs(32));
    play.ledger.check_end().into_iter().for_each(|wrong| play.tell(wrong));
    if agent_log().contains("panicked") {
        play.tell(format!("the agent panicked: {}", agent_log()));
    }
    println!("{points} points, {} violations", play.wrong);
    points > 0 && play.wrong == 0
}

struct Play {
    stage: Stage,
    ledger: Ledger,
    /// Violations so far.
    wrong: usize,
    /// Each point is told.
    verbose: bool,
}

impl Play {
    fn tell(&mut self, wrong: impl fmt::Display) {
        println!("\x1b[31m{wrong}\x1b[0m");
        self.wrong += 1;
        assert!(self.wrong < ENOUGH, "that is enough");
    }

    /// One elevation for each call, until there is none that the fault could meet; how many it met.
    fn walk(&mut self, walk: &Walk, fault: Fault) -> usize {
        // Some need not be tried: those that no elevation makes.
        let all: Vec<&str> = walk.calls.iter().copied().flatten().copied().collect();
        let target = Target {
            calls: &all,
            files: walk.files,
            children: walk.children(),
            number: 0,
            fault: Fault::None,
        };
        let name = self.stage.next_name();
        self.under(walk.who, target, &name);
        let made = names();
        let calls = all.into_iter().filter(|call| made.contains(*call));
        calls.map(|call| self.walk_call(walk, call, fault)).sum()
    }

    fn walk_call(&mut self, walk: &Walk, call: &str, fault: Fault) -> usize {
        for number in 1..MOST {
            // Whether two commits become one is up to chance: the last ones are tried once more.
            if !self.point(walk, call, fault, number) && !self.point(walk, call, fault, number) {
                return number - 1;
            }
        }
        panic!("{} never ends with {call}", walk.name);
    }

    /// False: there was no such call.
    fn point(&mut self, walk: &Walk, call: &str, fault: Fault, number: usize) -> bool {
        let name = self.stage.next_name();
        let started = Instant::now();
        let target = Target { calls: &[call], files: walk.files, children: walk.children(), number, fault };
        let (outcome, mut wrong) = self.under(walk.who, target, &name);
        let hit = hit();
        wrong.extend(self.ledger.check(&name, &outcome));
        // And everything goes on.
        let next = self.stage.next_name();
        let after = self.stage.elevate(&next);
        if !after.is_ok() {
            wrong.push(format!("the next elevation failed: {after}"));
        }
        wrong.extend(self.stage.settle().err());
        wrong.extend(self.ledger.check(&next, &after));
        let call = hit.as_deref().unwrap_or("no call");
        if self.verbose {
            let took = started.elapsed().as_millis();
            println!("{} {fault} #{number} {name} {took} ms {:?} at {call}", walk.name, outcome.code());
        }
        for wrong in wrong {
            self.tell(format!("{} {fault} #{number} ({name}) at {call}: {wrong}\n  {outcome}", walk.name));
        }
        hit.is_some()
    }

    /// One elevation while somebody is traced, and all that follows from it; and what is not well again.
    fn under(&mut self, who: Who, target: Target<'_>, name: &str) -> (Outcome, Vec<String>) {
        let mut wrong = Vec::new();
        let outcome = match who {
            Who::Helper => self.stage.elevate_under(&Tracer::words(target), name),
            Who::Starting => {
                self.stage.restart_agent(&Tracer::words(target));
                self.stage.kill_agent();
                wrong.extend(self.stage.settle().err());
                self.stage.elevate(name)
            }
            _ => {
                let tracer = Tracer::attach(&self.threads(who), target);
                let outcome = self.stage.elevate(name);
                self.stage.await_quiet();
                tracer.finish();
                outcome
            }
        };
        wrong.extend(self.stage.settle().err()); // a tracer, too, has ended then
        (outcome, wrong)
    }

    fn threads(&self, who: Who) -> Vec<u32> {
        let (spawner, monitors) = self.stage.spawner_and_monitors();
        match who {
            Who::Agent(name) => self.stage.agent_threads(name),
            Who::Spawner => vec![spawner],
            Who::Monitor | Who::Command => monitors,
            Who::Helper | Who::Starting => Vec::new(),
        }
    }
}
