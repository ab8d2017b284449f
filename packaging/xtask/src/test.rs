//! `cargo xtask test`: every tier (tiers.rs), and a summary that can't be overlooked.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use jit_tests::image;

use crate::cargo::{Done, cargo_test, run};
use crate::tiers::{FAST, tier};
use crate::{fuzz, host};

/// How one tier went.
struct Tier {
    name: &'static str,
    done: Done,
    took: Duration,
}

/// All that ran until now. Its lock is also that of our output: tiers tell in turn.
#[derive(Default)]
struct Report(Mutex<Vec<Tier>>);

/// Everything. Half of it computes and half of it waits: what needs nothing of each other goes on at the same time.
pub(crate) fn all() -> Done {
    host::install(&[host::BUILD, host::TESTS, host::DEMO, host::FAULTS, host::PACKAGE, host::GUESTS])?;
    let report = &Report::default();
    thread::scope(|scope| {
        scope.spawn(|| FAST.iter().chain(&["demo", "faults"]).for_each(|name| report.apart(name)));
        scope.spawn(|| {
            thread::scope(|before| {
                before.spawn(|| report.apart("images"));
                report.apart("package");
            });
            for release in image::RELEASES {
                scope.spawn(|| report.apart_after("package", release));
            }
        });
    });
    report.finish()
}

/// What needs neither the package nor a guest, one after the other, before somebody's eyes.
pub(crate) fn fast() -> Done {
    host::install(&[host::BUILD, host::TESTS])?;
    let report = Report::default();
    for name in FAST {
        report.here(name, || tier(name));
    }
    report.finish()
}

/// A guest as the tests have it, for a person.
pub(crate) fn guest_shell(release: &str) -> Done {
    host::install(&[host::GUESTS])?;
    let guest = jit_tests::Guest::boot(release);
    // The status of a person's last command is not the task's.
    let _ = guest.command(&["bash", "--login"]).status();
    Ok(())
}

/// Property tests with so many cases, and the fuzzer for so long, that it takes two hours.
pub(crate) fn nightly() -> Done {
    host::install(&[host::BUILD, host::TESTS])?;
    let report = Report::default();
    report.here("a million pairs of policy and request", || {
        properties(&["--package", "jit-policy"], "1000000", "the_evaluator_says_what_a_naive_one_says")
    });
    report.here("all property tests, 100,000 cases each", || properties(&["--workspace"], "100000", ""));
    report.here("fuzz, ten minutes each target", || fuzz::targets(&[]));
    report.finish()
}

/// Tests beside the code, where properties are, with this many cases; those with this in their name.
fn properties(packages: &[&str], cases: &str, name: &str) -> Done {
    let words = [packages, &["--release", "--no-fail-fast", "--lib", "--bins", "--", name]].concat();
    let mut command = cargo_test(&words);
    command.env("PROPTEST_CASES", cases);
    run(command)
}

impl Report {
    /// Runs a tier. One that failed does not keep the next from running: one run tells all that is wrong.
    fn here(&self, name: &'static str, work: impl FnOnce() -> Done) {
        println!("\n\x1b[1m=== {name}\x1b[0m");
        let started = Instant::now();
        let done = work();
        self.add(Tier { name, done, took: started.elapsed() }, "");
    }

    /// Runs a tier in a process of its own, whose output is told in one piece when it has ended.
    fn apart(&self, name: &'static str) {
        println!("\x1b[2m{name} begins\x1b[0m");
        let started = Instant::now();
        let (done, output) = match output_of(name) {
            Ok((true, output)) => (Ok(()), output),
            Ok((false, output)) => (Err("it failed".to_owned()), output),
            Err(why) => (Err(why), String::new()),
        };
        let heading = format!("\n\x1b[1m=== {name}\x1b[0m\n{output}");
        self.add(Tier { name, done, took: started.elapsed() }, &heading);
    }

    /// Runs a tier that is nothing without another one.
    fn apart_after(&self, needed: &str, name: &'static str) {
        let is_there = self.tiers().iter().any(|tier| tier.name == needed && tier.done.is_ok());
        if is_there {
            self.apart(name);
        } else {
            let done = Err(format!("not run: there is no {needed}"));
            self.add(Tier { name, done, took: Duration::ZERO }, &format!("\n\x1b[1m=== {name}\x1b[0m\n"));
        }
    }

    fn add(&self, tier: Tier, told: &str) {
        let mut tiers = self.tiers();
        print!("{told}");
        if let Err(message) = &tier.done {
            println!("\x1b[31m{}: {message}\x1b[0m", tier.name);
        }
        let _ = std::io::stdout().flush();
        tiers.push(tier);
    }

    fn tiers(&self) -> std::sync::MutexGuard<'_, Vec<Tier>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn finish(&self) -> Done {
        let tiers = self.tiers();
        println!("\n\x1b[1m=== summary\x1b[0m");
        for tier in tiers.iter() {
            let verdict = if tier.done.is_ok() { "\x1b[32mok    \x1b[0m" } else { "\x1b[31mFAILED\x1b[0m" };
            println!("  {verdict}  {:<40} {:>6.1} s", tier.name, tier.took.as_secs_f64());
        }
        let failed: Vec<&str> =
            tiers.iter().filter(|tier| tier.done.is_err()).map(|tier| tier.name).collect();
        if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
    }
}

/// This program with a tier's name; whether it was good, and all that it wrote. That is also in `target/tiers`, for whoever
/// can't wait for it.
fn output_of(tier: &str) -> Done<(bool, String)> {
    let path: PathBuf = image::target().join("tiers").join(format!("{tier}.log"));
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(image::target().join("tiers")).map_err(failed)?;
    let log = File::create(&path).map_err(failed)?;
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.args(["test", tier]).stdin(Stdio::null());
    let status = command.stdout(log.try_clone().map_err(failed)?).stderr(log).status().map_err(failed)?;
    let output = fs::read(&path).map_err(failed)?;
    Ok((status.success(), String::from_utf8_lossy(&output).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_that_failed_fails_the_run_and_is_named() {
        let report = Report::default();
        report.here("good", || Ok(()));
        assert_eq!(report.finish(), Ok(()));
        report.here("bad", || Err("broken".to_owned()));
        report.here("good too", || Ok(()));
        assert_eq!(report.finish(), Err("failed: bad".to_owned()));
    }

    #[test]
    fn a_tier_without_what_it_needs_is_not_good() {
        let report = Report::default();
        report.here("package", || Err("broken".to_owned()));
        report.apart_after("package", "trixie");
        assert_eq!(report.finish(), Err("failed: package, trixie".to_owned()));
    }
}
