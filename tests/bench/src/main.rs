//! The harness: reads a [`Task`] from stdin, does it, writes the answer to stdout. Runs in the guest, as the user whose
//! elevations are measured.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its answer, and why there is none")]

mod drain;
mod flood;
mod latency;
mod output;
mod parallel;
mod run;
mod terminal;

use std::process::ExitCode;

use jit_bench::Task;
use serde::Serialize;

/// An answer, or what went wrong, for a person.
type Done<T> = Result<T, String>;

fn main() -> ExitCode {
    match answer() {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("jit-bench: {message}");
            ExitCode::FAILURE
        }
    }
}

fn answer() -> Done<String> {
    let task = serde_json::from_reader(std::io::stdin()).map_err(|error| format!("the task: {error}"))?;
    match task {
        Task::Latency { contenders, rounds, gap, at_most } => {
            json(latency::measure(&contenders, rounds, gap, at_most)?)
        }
        Task::Parallel { contenders, rounds, at_once, length } => {
            json(parallel::measure(&contenders, rounds, at_once, length)?)
        }
        Task::Output { contenders, rounds } => json(output::measure(&contenders, rounds)?),
        Task::Flood { flood, length } => json(flood::flood(flood, length)?),
    }
}

fn json(value: impl Serialize) -> Done<String> {
    serde_json::to_string(&value).map_err(|error| error.to_string())
}
