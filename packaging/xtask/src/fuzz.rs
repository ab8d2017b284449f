//! `cargo xtask fuzz`: libFuzzer on the targets of `tests/fuzz`, guided by the branches that an input takes.
//!
//! cargo-fuzz needs a nightly compiler for its sanitizers alone: what counts branches is part of LLVM, and asked for with stable
//! options of rustc. There is no memory to sanitize, as no crate that is fuzzed has `unsafe`.

use std::fs;
use std::path::Path;

use jit_fuzz::{TARGETS, Target};
use jit_tests::image;

use crate::cargo::{Done, cargo, command, read, run};
use crate::host;

/// Counters of branches and comparisons, for libFuzzer.
const COVERAGE: [&str; 6] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// How long each target is tried.
const SECONDS: u32 = 600;

/// Each of these targets, one after the other; all of them if none is named. One that breaks its promise does not keep the next
/// from being tried.
pub(crate) fn targets(names: &[&str]) -> Done {
    let targets = TARGETS.into_iter().filter(|target| names.is_empty() || names.contains(&target.name));
    let targets: Vec<Target> = targets.collect();
    let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    if targets.is_empty() || targets.len() < names.len() {
        return Err(format!("the targets are {}", known.join(", ")));
    }
    host::install(&[host::BUILD, host::FUZZ])?;
    let folder = image::target().join("fuzz");
    let program = build(&folder)?;
    let failed = |target: &Target| fuzz(target, &program, &folder).err();
    let failed: Vec<String> = targets.iter().filter_map(failed).collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// The fuzzer, beside everything else: its flags would have all of it built anew.
fn build(folder: &Path) -> Done<std::path::PathBuf> {
    let version = read(command(&["rustc", "--version", "--verbose"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc names no host")?;
    // Named, so that the flags are not those of build scripts and macros.
    let mut build = cargo(&["build", "--package", "jit-fuzz", "--profile", "fuzz", "--target", host]);
    build.env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\x1f")).env("CARGO_TARGET_DIR", folder);
    run(build)?;
    Ok(folder.join(host).join("fuzz/jit-fuzz"))
}

/// Tries one. What it finds on its way stays in the target folder, for the next time; an input that breaks a promise, too.
fn fuzz(target: &Target, program: &Path, folder: &Path) -> Done {
    let (found, broken) = (folder.join("corpus").join(target.name), folder.join("broken"));
    for folder in [&found, &broken] {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let mut fuzzer = std::process::Command::new(program);
    fuzzer.env("JIT_FUZZ", target.name).args([
        &format!("-max_total_time={SECONDS}"),
        &format!("-artifact_prefix={}/{}-", broken.display(), target.name),
        "-max_len=4096",
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-verbosity=0",
        "-print_final_stats=1",
    ]);
    fuzzer.arg(&found).args(target.folders());
    run(fuzzer).map_err(|error| {
        let add = Path::new("tests/fuzz/corpus").join(target.name);
        format!(
            "{error}\nhint: the input is in {}; mend what it shows, and add it to {}",
            broken.display(),
            add.display()
        )
    })
}
