//! Who is walked, over which calls, with which faults.

use std::time::{Duration, Instant};

use crate::ledger::Ledger;
use crate::stage::{Stage, agent_log};
use crate::tracer::{Fault, Target, Tracer, hit};

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

const STORE: &[&str] = &["/var/lib/jit-sudo/state.redb"];
const LOG: &[&str] = &["/var/log/jit-sudo/audit.jsonl"];

/// A thread's word to the event loop (a write to an eventfd) cannot fail, so those walks look at files alone; but
/// before it the agent can be killed.
const WALKS: &[Walk] = &[
    Walk {
        name: "store-errors",
        who: Who::Agent("store"),
        calls: &[FILES],
        files: STORE,
        faults: &[EIO, ENOSPC],
    },
    Walk {
        name: "store-kills",
        who: Who::Agent("store"),
        calls: &[FILES, SENDS, OTHERS],
        files: &[],
        faults: &[Fault::Kill],
    },
    Walk {
        name: "audit-errors",
        who: Who::Agent("audit"),
        calls: &[FILES],
        files: LOG,
        faults: &[EIO, ENOSPC],
    },
    Walk { name: "audit-sends", who: Who::Agent("audit"), calls: &[SENDS], files: &[], faults: &[EIO] },
    Walk {
        name: "audit-kills",
        who: Who::Agent("audit"),
        calls: &[FILES, SENDS, OTHERS],
        files: &[],
        faults: &[Fault::Kill],
    },
    Walk { name: "agent-sends", who: Who::Agent("jit-agentd"), calls: &[SENDS], files: &[], faults: &[EIO] },
    Walk {
        name: "agent-kills",
        who: Who::Agent("jit-agentd"),
        calls: &[FILES, SENDS, OTHERS],
        files: &[],
        faults: &[Fault::Kill],
    },
    Walk {
        name: "spawner",
        who: Who::Spawner,
        calls: &[FILES, SENDS, OTHERS],
        files: &[],
        faults: &[EIO, Fault::Kill],
    },
    Walk {
        name: "monitor",
        who: Who::Monitor,
        calls: &[FILES, SENDS, OTHERS],
        files: &[],
        faults: &[EIO, Fault::Kill],
    },
    Walk { name: "command", who: Who::Command, calls: &[BECOMING], files: &[], faults: &[EIO, Fault::Kill] },
    Walk { name: "helper", who: Who::Helper, calls: &[SENDS], files: &[], faults: &[Fault::Kill] },
    Walk {
        name: "start",
        who: Who::Starting,
        calls: &[FILES, SENDS, OTHERS],
        files: &[],
        faults: &[EIO, ENOSPC, Fault::Kill],
    },
];

/// Walks those that are named, or all; true if everything held.
pub(crate) fn all(words: &[String]) -> bool {
    let verbose = words.iter().any(|word| word == "verbose");
    let mut play = Play { stage: Stage::new(), ledger: Ledger::open(), wrong: Vec::new(), verbose };
    let names: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "verbose").collect();
    let mut points = 0;
    for walk in WALKS.iter().filter(|walk| names.is_empty() || names.contains(&walk.name)) {
        for fault in walk.faults {
            let started = Instant::now();
            let walked = play.walk(walk, *fault);
            println!(
                "{:<14} {fault:<8} {walked:>4} points {:>6.1} s",
                walk.name,
                started.elapsed().as_secs_f64()
            );
            assert!(walked > 0, "nothing was walked");
            points += walked;
            if play.wrong.len() > ENOUGH {
                break;
            }
        }
    }
    // A session whose agent and monitor both died counts as lost half a minute after the next agent's start.
    println!("{points} points were walked; waiting for the ends of all sessions");
    std::thread::sleep(Duration::from_secs(32));
    let at_the_end = play.ledger.check_end();
    play.wrong.extend(at_the_end);
    if agent_log().contains("panicked") {
        play.wrong.push(format!("the agent panicked: {}", agent_log()));
    }
    println!("{}", play.wrong.join("\n"));
    println!("{points} points, {} violations", play.wrong.len());
    play.wrong.is_empty()
}

struct Play {
    stage: Stage,
    ledger: Ledger,
    wrong: Vec<String>,
    /// Each point is told.
    verbose: bool,
}

impl Play {
    /// One elevation for each call, until there is none that the fault could meet; how many it met.
    fn walk(&mut self, walk: &Walk, fault: Fault) -> usize {
        walk.calls.iter().copied().flatten().map(|call| self.walk_call(walk, call, fault)).sum()
    }

    fn walk_call(&mut self, walk: &Walk, call: &str, fault: Fault) -> usize {
        for number in 1..MOST {
            let meets = |play: &mut Self| play.wrong.len() <= ENOUGH && play.point(walk, call, fault, number);
            // Whether two commits become one is up to chance: the last ones are tried once more.
            if !meets(self) && (number == 1 || !meets(self)) {
                return number - 1;
            }
        }
        panic!("{} never ends with {call}", walk.name);
    }

    /// False: there was no such call.
    fn point(&mut self, walk: &Walk, call: &str, fault: Fault, number: usize) -> bool {
        let name = self.stage.next_name();
        let children = matches!(walk.who, Who::Command | Who::Starting);
        let target = Target { call, files: walk.files, children, number, fault };
        let mut settled = Ok(());
        let outcome = match walk.who {
            Who::Helper => self.stage.elevate_under(&Tracer::words(target), &name),
            Who::Starting => {
                self.stage.restart_agent(&Tracer::words(target));
                self.stage.kill_agent();
                settled = self.stage.settle();
                self.stage.elevate(&name)
            }
            _ => {
                let tracer = Tracer::attach(&self.threads(walk.who), target);
                let outcome = self.stage.elevate(&name);
                self.stage.await_quiet();
                tracer.finish();
                outcome
            }
        };
        settled = settled.and(self.stage.settle()); // a tracer, too, has ended then
        let hit = hit();
        let mut wrong: Vec<String> = settled.err().into_iter().collect();
        wrong.extend(self.ledger.check(&name, &outcome));
        // And everything goes on.
        let next = self.stage.next_name();
        let after = self.stage.elevate(&next);
        if !after.is_ok() {
            wrong.push(format!("the next elevation failed: {after}"));
        }
        wrong.extend(self.ledger.check(&next, &after));
        let call = hit.as_deref().unwrap_or("no call");
        if self.verbose {
            println!("{} {fault} #{number} {name} {:?} at {call}", walk.name, outcome.code());
        }
        for wrong in wrong {
            self.wrong
                .push(format!("{} {fault} #{number} ({name}) at {call}: {wrong}\n    {outcome}", walk.name));
        }
        hit.is_some()
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
