//! `cargo xtask test`: every tier, one after the other, and a summary that can't be overlooked.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::cargo::{Done, cargo, run, workspace};
use crate::{demo, faults, host, package};

/// One tier: its name, how it went, how long it took.
struct Tier {
    name: String,
    done: Done,
    took: Duration,
}

#[derive(Default)]
struct Report(Vec<Tier>);

impl Report {
    /// Runs a tier. One that failed does not keep the next from running: one run tells all that is wrong.
    fn tier(&mut self, name: &str, work: impl FnOnce() -> Done) -> bool {
        println!("\n\x1b[1m=== {name}\x1b[0m");
        let started = Instant::now();
        let done = work();
        if let Err(message) = &done {
            println!("\x1b[31m{message}\x1b[0m");
        }
        let good = done.is_ok();
        self.0.push(Tier { name: name.to_owned(), done, took: started.elapsed() });
        good
    }

    fn finish(self) -> Done {
        println!("\n\x1b[1m=== summary\x1b[0m");
        for tier in &self.0 {
            let verdict = if tier.done.is_ok() { "\x1b[32mok    \x1b[0m" } else { "\x1b[31mFAILED\x1b[0m" };
            println!("  {verdict}  {:<40} {:>6.1} s", tier.name, tier.took.as_secs_f64());
        }
        let failed: Vec<&str> =
            self.0.iter().filter(|tier| tier.done.is_err()).map(|tier| tier.name.as_str()).collect();
        if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
    }
}

/// Everything.
pub(crate) fn all() -> Done {
    host::install(&[host::BUILD, host::TESTS, host::DEMO, host::FAULTS, host::PACKAGE, host::GUESTS])?;
    let mut report = Report::default();
    without_guests(&mut report);
    // The whole thing once without systemd and without D-Bus.
    report.tier("demo", demo::show);
    report.tier("faults", || faults::walk(&[]));
    let mut deb = None;
    report.tier("package", || package::build().map(|path| deb = Some(path)));
    for release in jit_tests::image::RELEASES {
        report.tier(&format!("guest: {release}"), || {
            let deb = deb.as_ref().ok_or("there is no package to install")?;
            let mut command =
                cargo_test(&["--package", "jit-tests", "--features", "guest", "--test", "guest"]);
            command.args(["--", "--test-threads=1"]).env("JIT_GUEST", release).env("JIT_DEB", deb);
            run(command)
        });
    }
    report.finish()
}

/// What needs neither the package nor a guest.
pub(crate) fn fast() -> Done {
    host::install(&[host::BUILD, host::TESTS])?;
    let mut report = Report::default();
    without_guests(&mut report);
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

/// Property tests with so many cases that it takes hours.
pub(crate) fn nightly() -> Done {
    host::install(&[host::BUILD, host::TESTS])?;
    let mut report = Report::default();
    report.tier("property tests, a million cases each", || {
        let mut command = cargo_test(&["--workspace", "--release", "--", "--include-ignored"]);
        command.env("PROPTEST_CASES", "1000000");
        run(command)
    });
    report.finish()
}

fn without_guests(report: &mut Report) {
    report.tier("format", || run(cargo(&["fmt", "--all", "--check"])));
    report.tier("lints", || {
        run(cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"]))
    });
    report
        .tier("unit, property and integration tests", || run(cargo_test(&["--workspace", "--no-fail-fast"])));
}

/// `cargo test`, with no signal ignored: programs started by nohup, or as jobs of a script, inherit that, and tests of
/// Ctrl-C would test nothing.
pub(crate) fn cargo_test(words: &[&str]) -> Command {
    let cargo = cargo(&[]);
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(cargo.get_program()).arg("test").args(words);
    command.current_dir(workspace());
    command
}
