//! The tiers of the tests, each by its name: what a person repeats alone is what the whole run does.

use std::process::Command;

use jit_tests::image;

use crate::cargo::{Done, cargo, cargo_test, run};
use crate::{demo, faults, host, package};

/// Those that need no package and no guest, the first to fail soonest.
pub(crate) const FAST: [&str; 3] = ["format", "lints", "tests"];

/// Runs one, with our own output.
///
/// # Errors
/// What failed, or that there is no such tier.
pub(crate) fn tier(name: &str) -> Done {
    let needs: &[_] = match name {
        "format" | "lints" => &[host::BUILD],
        "tests" => &[host::BUILD, host::TESTS],
        "images" | "trixie" | "bookworm" => &[host::BUILD, host::GUESTS],
        // These know by themselves.
        _ => &[],
    };
    host::install(needs)?;
    match name {
        "format" => run(cargo(&["fmt", "--all", "--check"])),
        "lints" => run(cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "--deny",
            "warnings",
        ])),
        // Unit, property and integration tests.
        "tests" => run(cargo_test(&["--workspace", "--no-fail-fast"])),
        // The whole thing once without systemd and without D-Bus.
        "demo" => demo::show(),
        "faults" => faults::walk(&[]),
        "package" => package::build().map(drop),
        "images" => {
            for release in image::RELEASES {
                println!("{}", image::plain(release, "").display());
                println!("{}", image::clients(release).display());
            }
            Ok(())
        }
        release if image::RELEASES.contains(&release) => run(guest_tests(release)),
        _ => Err(format!("there is no tier {name:?}")),
    }
}

/// The newest package's tests in a guest of this release.
fn guest_tests(release: &str) -> Command {
    let mut command = cargo_test(&["--package", "jit-tests", "--features", "guest", "--test", "guest"]);
    command.args(["--", "--test-threads=1"]).env("JIT_GUEST", release).env("JIT_DEB", image::package());
    command
}
