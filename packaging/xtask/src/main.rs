//! `cargo xtask`: everything that is done with this repository besides writing it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for people at a terminal")]

mod bench;
mod cargo;
mod completions;
mod demo;
mod faults;
mod fuzz;
mod help;
mod host;
mod package;
mod pages;
mod test;
mod tiers;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <task>

  demo            build, and show what it does in a throwaway sandbox (as root; about a minute)
  demo --shell    the same sandbox, with a shell in it to try things by hand
  package         build the Debian packages into target/debian/
  test            every tier, several at the same time: format, lints, tests, demo, faults, package, images, trixie, bookworm
  test --fast     the tiers that need no package and no guest: format, lints, tests
  test TIER       one of them; guests (Debian 13: trixie, 12: bookworm) have the package that was built last
  faults [WALK...]
                  fail every write, sync and send of an elevation once, in that sandbox (as root; minutes)
  guest RELEASE   a root shell in a throwaway Debian guest (trixie or bookworm) with the package installed
  bench [--quick] [--realtime] [SECTION...]
                  measure ours beside its peers in a Debian 13 guest, into docs/performance.md; --quick: only a look
  bench --shell   a root shell in that guest
  fuzz [TARGET...]
                  libFuzzer on each target of tests/fuzz, or on these: ten minutes each
  nightly         property tests with many more cases, then fuzz: two hours
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["demo"] => demo::show(),
        ["demo", "--shell"] => demo::shell(),
        // What `demo` starts again inside the sandbox.
        ["demo", "--inside", what] => demo::inside(what),
        ["package"] => package::build().map(|debs| debs.iter().for_each(|deb| println!("{}", deb.display()))),
        ["test"] => test::all(),
        ["test", "--fast"] => test::fast(),
        ["test", name] => tiers::tier(name),
        ["faults", walks @ ..] => faults::walk(walks),
        ["guest", release] => test::guest_shell(release),
        ["bench", "--shell"] => bench::shell(),
        ["bench", rest @ ..] => bench::run(rest),
        ["fuzz", targets @ ..] => fuzz::targets(targets),
        ["nightly"] => test::nightly(),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
