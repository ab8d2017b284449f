//! What `cargo xtask bench` and its harness in the guest say to each other: a [`Task`] on the harness's stdin, its answer
//! on stdout, both JSON.
//!
//! The harness only measures and hands over every sample. What is set up before, and what the samples mean, is xtask's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One command among those that are compared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Contender {
    /// What it is called in tables.
    pub name: String,
    /// Absolute path of the program, and its arguments.
    pub words: Vec<String>,
}

impl Contender {
    /// A contender that is called `name` and runs this command line, which is split at blanks.
    pub fn new(name: &str, line: &str) -> Self {
        Self { name: name.to_owned(), words: line.split_whitespace().map(str::to_owned).collect() }
    }
}

/// What to measure.
#[derive(Debug, Serialize, Deserialize)]
pub enum Task {
    /// Wall time from `posix_spawn` until `waitpid` has the status. Answer: [`Samples`].
    Latency {
        /// Run in turn, so that all of them meet the same weather.
        contenders: Vec<Contender>,
        /// How often each of them runs.
        rounds: u32,
        /// What the machine gets to finish what a command left behind before the next one starts.
        gap: Duration,
        /// On a terminal of the harness's own, which is drained; otherwise on /dev/null.
        on_terminal: bool,
    },
    /// How many runs end in a second. Answer: [`Samples`], but in thousandths of a run a second.
    Parallel {
        /// One after the other, every round.
        contenders: Vec<Contender>,
        /// How many samples of each.
        rounds: u32,
        /// How many are under way at any time.
        at_once: u32,
        /// How long a round of one of them takes.
        length: Duration,
    },
}

/// Nanoseconds, for each contender in the order of the task.
pub type Samples = Vec<Vec<u64>>;
