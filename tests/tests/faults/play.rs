//! Walking: one elevation for each point, and the ledger after each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use jit_tests::Outcome;
use jit_tests::process::run;
use serde_json::Value;

use crate::deeds::{Deed, Scene};
use crate::disks;
use crate::ledger::Ledger;
use crate::stage::{AUDIT, Stage, agent_log, jitctl, shell};
use crate::tracer::{Fault, Target, Tracer, calls, hit};
use crate::walks::{self, Walk, Who, walks};

/// More calls than any walk has.
const MOST: usize = 400;
/// How many violations are worth reading.
const ENOUGH: usize = 40;

/// Walks those that are named, or all; true if everything held.
pub(crate) fn all(words: &[String]) -> bool {
    let verbose = words.iter().any(|word| word == "verbose");
    let names: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "verbose").collect();
    let mut play = Play { stage: Stage::new(), ledger: Ledger::open(), wrong: 0, verbose };
    let mut points = 0;
    for walk in walks().iter().filter(|walk| names.is_empty() || names.contains(&walk.name)) {
        for fault in walk.faults {
            let started = Instant::now();
            let walked = play.walk(walk, *fault);
            let took = started.elapsed().as_secs_f64();
            let who = if let Who::Agent(thread) = walk.who { thread } else { "" };
            println!("{:<12} {who:<10} {:<8} {walked:>4} points {took:>6.1} s", walk.name, fault.to_string());
            if walked == 0 {
                play.tell(format!("{} {who}: nothing was walked", walk.name));
            }
            points += walked;
        }
    }
    if names.is_empty() || names.contains(&"disks") {
        points += disks::all(&mut play);
    }
    play.await_ends();
    play.ledger.check_end().into_iter().for_each(|wrong| play.tell(wrong));
    if agent_log().contains("panicked") {
        play.tell(format!("the agent panicked: {}", agent_log()));
    }
    println!("{points} points, {} violations", play.wrong);
    points > 0 && play.wrong == 0
}

/// Of the two that a grant is good for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    First,
    Second,
    Any,
}

pub(crate) struct Play {
    pub(crate) stage: Stage,
    pub(crate) ledger: Ledger,
    /// Violations so far.
    wrong: usize,
    /// Each point is told.
    verbose: bool,
}

impl Play {
    pub(crate) fn tell(&mut self, wrong: impl fmt::Display) {
        println!("\x1b[31m{wrong}\x1b[0m");
        self.wrong += 1;
        assert!(self.wrong < ENOUGH, "that is enough");
    }

    /// Waits until no session lives: one whose agent and monitor both died counts as lost half a minute after the next
    /// agent's start.
    fn await_ends(&self) {
        let end = Instant::now() + Duration::from_secs(45);
        let none =
            || jitctl(&["sessions", "--all"]).is_some_and(|it| it.as_array().is_some_and(Vec::is_empty));
        while !none() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// One elevation for each call, until there is none that the fault could meet; how many it met.
    fn walk(&mut self, walk: &Walk, fault: Fault) -> usize {
        // Some need not be tried: those that no elevation makes.
        let all: Vec<&str> = walk.calls.iter().copied().flatten().copied().collect();
        let children = walk.who.has_children();
        let target = Target { calls: &all, files: walk.files, children, number: None, fault: Fault::None };
        if walk.deed != Deed::Elevate {
            return self.walk_deed(walk, target, fault);
        }
        let name = self.stage.next_name();
        self.under(walk.who, target, &name);
        let made: BTreeSet<String> =
            calls().iter().filter_map(|call| Some(call.split_once('(')?.0.to_owned())).collect();
        let made: Vec<&str> = all.into_iter().filter(|call| made.contains(*call)).collect();
        // What the agent writes for a grant that it issues is not what it writes for one that it has issued.
        let uses: &[Use] =
            if matches!(walk.who, Who::Agent(_)) { &[Use::First, Use::Second] } else { &[Use::Any] };
        let each = uses.iter().flat_map(|uses| made.iter().map(move |call| (*uses, *call)));
        each.map(|(uses, call)| self.walk_call(walk, call, fault, uses)).sum()
    }

    /// As many of each call as the deed makes without a fault.
    fn walk_deed(&mut self, walk: &Walk, target: Target<'_>, fault: Fault) -> usize {
        run(shell("jitctl revoke --user alice"), b"", Duration::from_secs(10));
        let mut made = BTreeMap::new();
        for call in self.deed(walk, target) {
            *made.entry(call.split('(').next().unwrap().to_owned()).or_insert(0) += 1;
        }
        let children = target.children;
        let each = made.iter().flat_map(|(call, count)| (1..=*count).map(move |number| (call, number)));
        let points = each.map(|(call, number)| {
            let number = Some(number);
            !self.deed(walk, Target { calls: &[call], files: walk.files, children, number, fault }).is_empty()
        });
        points.filter(|met| *met).count()
    }

    /// One deed; the calls that the fault has met, or all if there is none.
    fn deed(&mut self, walk: &Walk, target: Target<'_>) -> Vec<String> {
        let name = self.stage.next_name();
        let started = Instant::now();
        let scene = Scene::set(walk.deed, name.clone());
        let outcome = if walk.who == Who::Starting {
            self.open(&scene, target)
        } else {
            let tracer = self.attach(walk.who, target);
            let outcome = scene.act();
            self.stage.await_quiet();
            tracer.finish();
            outcome
        };
        let mut wrong = Vec::new();
        if walk.deed != Deed::Wait {
            wrong.extend(self.stage.settle().err());
        }
        let met = if target.fault == Fault::None { calls() } else { Vec::from_iter(hit()) };
        wrong.extend(scene.aftermath(self, &outcome));
        wrong.extend(self.stage.settle().err());
        let call = met.first().map_or("no call", String::as_str);
        let (fault, number) = (target.fault, target.number.unwrap_or(0));
        if self.verbose {
            let took = started.elapsed().as_millis();
            println!("{} {fault} #{number} {name} {took} ms {:?} at {call}", walk.name, outcome.code());
        }
        for wrong in wrong {
            self.tell(format!(
                "{} {:?} {fault} #{number} ({name}) at {call}: {wrong}\n  {outcome}",
                walk.name, walk.who
            ));
        }
        met
    }

    /// The agent is killed before the third of its records; then somebody is traced who starts, and killed.
    fn open(&mut self, scene: &Scene, target: Target<'_>) -> Outcome {
        let (calls, files) = (&["write"], &[AUDIT]);
        let third = Target { calls, files, children: false, number: Some(3), fault: Fault::Kill };
        let tracer = self.attach(walks::AUDIT, third);
        let outcome = scene.act();
        tracer.finish();
        assert!(hit().is_some_and(|call| call.contains("grant.issued")), "that is the third: {outcome}");
        self.stage.restart_agent(&Tracer::words(target));
        self.stage.kill_agent();
        outcome
    }

    fn attach(&self, who: Who, target: Target<'_>) -> Tracer {
        let mut tries = (0..10).map(|_| Tracer::attach(&self.threads(who), target));
        tries.find_map(|tracer| tracer).expect("there is somebody to trace")
    }

    fn walk_call(&mut self, walk: &Walk, call: &str, fault: Fault, uses: Use) -> usize {
        // An agent that starts decides again on each grant: fewer are sooner done.
        run(shell("jitctl revoke --user alice"), b"", Duration::from_secs(10));
        for number in 1..MOST {
            // Whether two commits become one is up to chance: the last ones are tried once more. A start is always the same.
            let once_more = walk.who != Who::Starting;
            let mut meets = || {
                self.prepare(uses);
                self.point(walk, call, fault, number)
            };
            let is_met = meets() || (once_more && meets());
            if !is_met {
                return number - 1;
            }
        }
        panic!("{} never ends with {call}", walk.name);
    }

    /// So that the next elevation is this use of its grant.
    fn prepare(&mut self, wanted: Use) {
        let is_open = |grant: &Value| grant["rule"] == "walked" && grant["uses_left"] != 0;
        let grants = jitctl(&["grants", "--all"]).unwrap_or_default();
        let is_next =
            if grants.as_array().into_iter().flatten().any(is_open) { Use::Second } else { Use::First };
        if wanted != Use::Any && wanted != is_next {
            let name = self.stage.next_name();
            let outcome = self.stage.elevate(&name);
            let settled = self.stage.settle().err();
            let wrong = self.ledger.check(&name, &outcome);
            wrong.into_iter().chain(settled).for_each(|wrong| self.tell(wrong));
        }
    }

    /// False: there was no such call.
    fn point(&mut self, walk: &Walk, call: &str, fault: Fault, number: usize) -> bool {
        let name = self.stage.next_name();
        let started = Instant::now();
        let children = walk.who.has_children();
        let target = Target { calls: &[call], files: walk.files, children, number: Some(number), fault };
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
                let tracer = self.attach(who, target);
                let outcome = match who {
                    Who::MonitorOfTerminal => self.stage.elevate_on_terminal(name),
                    _ => self.stage.elevate(name),
                };
                self.stage.await_quiet();
                tracer.finish();
                outcome
            }
        };
        wrong.extend(self.stage.settle().err()); // a tracer, too, has ended then
        (outcome, wrong)
    }

    pub(crate) fn threads(&self, who: Who) -> Vec<u32> {
        let (spawner, monitors) = self.stage.spawner_and_monitors();
        match who {
            Who::Agent(name) => self.stage.agent_threads(name),
            Who::Spawner => vec![spawner],
            Who::Monitor | Who::MonitorOfTerminal | Who::Command => monitors,
            Who::Helper | Who::Starting => Vec::new(),
        }
    }
}
