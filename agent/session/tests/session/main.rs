//! The real spawner and its monitors, with the test as agent and as helper, in a mount namespace of its own.
//!
//! Needs root: it says so and fails without. PAM here permits everyone; real PAM stacks are the guests' matter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::exit,
    missing_docs,
    reason = "a test program"
)]

mod attacks;
mod before_exec;
mod circumstances;
mod crash;
mod ends;
mod fuse;
mod home;
mod hooks;
mod modules;
mod orders;
mod pins;
mod processes;
mod runs;
mod session;
mod stage;
mod terminals;

use std::io::Read;
use std::time::Instant;

use stage::Stage;

/// Set for the second run.
const WITHOUT_CGROUP: &str = "JIT_TEST_WITHOUT_CGROUP";
/// Set for the run of the one test that takes minutes.
const SLOW: &str = "JIT_TEST_SLOW";
const SLOW_TEST: Test =
    ("a_module_that_sleeps_for_ever_is_ended_and_holds_nobody_else_up", modules::module_sleeps);

type Test = (&'static str, fn(&Stage));

/// After all others.
const LAST: Test = ("nothing_is_left_behind_after_all_of_this", nothing_left);

fn main() {
    if !nix::unistd::geteuid().is_root() {
        println!("the tests of the session need root\n\ntest result: FAILED. 0 passed; 1 failed");
        std::process::exit(1);
    }
    let filter: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let with_cgroup = std::env::var_os(WITHOUT_CGROUP).is_none();
    if std::env::var_os(SLOW).is_some() {
        return SLOW_TEST.1(&Stage::new(false));
    }
    let slow = (with_cgroup && is_wanted(&filter, SLOW_TEST.0)).then(|| again(&[], SLOW).spawn().unwrap());
    let stage = Stage::new(with_cgroup);
    let mut failed = 0;
    let mut passed = 0;
    for (name, test) in attacks::ATTACKS
        .iter()
        .chain(before_exec::BEFORE_EXEC)
        .chain(modules::MODULES)
        .chain(circumstances::CIRCUMSTANCES)
        .chain(crash::CRASHES)
        .chain(runs::RUNS)
        .chain(pins::PINS)
        .chain(ends::ENDS)
        .chain(hooks::HOOKS)
        .chain(terminals::TERMINALS)
        .chain([&LAST])
    {
        if !is_wanted(&filter, name) {
            continue;
        }
        let start = Instant::now();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&stage)));
        if stage.was_not_run() {
            println!("test {name} ... not run: nothing to prove without cgroup v2");
            continue;
        }
        let how = if result.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {how} ({} ms)", start.elapsed().as_millis());
        if result.is_ok() { passed += 1 } else { failed += 1 }
    }
    drop(stage);
    if with_cgroup {
        println!("\nagain, on a host without cgroup v2");
        if !again(&filter, WITHOUT_CGROUP).status().unwrap().success() {
            failed += 1;
        }
    }
    if let Some(mut slow) = slow {
        let passes = slow.wait().unwrap().success();
        println!("test {} ... {}", SLOW_TEST.0, if passes { "ok" } else { "FAILED" });
        if passes { passed += 1 } else { failed += 1 }
    }
    println!(
        "\ntest result: {}. {passed} passed; {failed} failed; 0 ignored",
        if failed == 0 { "ok" } else { "FAILED" }
    );
    std::process::exit(i32::from(failed > 0));
}

fn is_wanted(filter: &[String], name: &str) -> bool {
    filter.is_empty() || filter.iter().any(|word| name.contains(word.as_str()))
}

/// This program again, with this variable set.
fn again(filter: &[String], variable: &str) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(filter).env(variable, "1");
    command
}

fn nothing_left(stage: &Stage) {
    stage::until("no session cgroup but the idle monitors'", || stage.session_cgroups() <= 2);
    let mut text = String::new();
    std::fs::File::open("/proc/self/stat").unwrap().read_to_string(&mut text).unwrap();
    stage::until("no monitor but the idle ones", || stage.monitors() <= 2);
}
