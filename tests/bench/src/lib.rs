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
    /// What it reads from and writes to.
    pub streams: Streams,
}

/// What a contender's standard streams are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Streams {
    /// /dev/null, all three.
    Null,
    /// A terminal of the harness's, all three. The harness reads what is printed at once.
    Terminal,
    /// Standard output is a pipe that the harness reads at once, the others are /dev/null.
    Pipe,
}

impl Contender {
    /// A contender that is called `name` and runs this command line, which is split at blanks, on /dev/null.
    pub fn new(name: &str, line: &str) -> Self {
        let words = line.split_whitespace().map(str::to_owned).collect();
        Self { name: name.to_owned(), words, streams: Streams::Null }
    }

    /// The same on other streams.
    #[must_use]
    pub fn on(self, streams: Streams) -> Self {
        Self { streams, ..self }
    }
}

/// What to measure. Contenders run in turn, every round, so that all of them meet the same weather.
#[derive(Debug, Serialize, Deserialize)]
pub enum Task {
    /// Wall time from `posix_spawn` until `waitpid` has the status. Answer: [`Samples`], in nanoseconds.
    Latency {
        /// Not on a pipe.
        contenders: Vec<Contender>,
        /// How often each of them runs.
        rounds: u32,
        /// What the machine gets to finish what a command left behind before the next one starts.
        gap: Duration,
        /// No round begins after this long.
        at_most: Duration,
    },
    /// How many runs end in a second. Answer: [`Samples`], in thousandths of a run a second.
    Parallel {
        /// On /dev/null.
        contenders: Vec<Contender>,
        /// How many samples of each.
        rounds: u32,
        /// How many are under way at any time.
        at_once: u32,
        /// How long a round of one of them takes.
        length: Duration,
    },
    /// How fast output arrives, from the start of the command to the last byte. Answer: [`Transfers`].
    Output {
        /// Not on /dev/null.
        contenders: Vec<Contender>,
        /// How often each of them runs.
        rounds: u32,
    },
    /// What a hostile user may try on the agent's socket. Answer: [`Flooded`].
    Flood {
        /// How.
        flood: Flood,
        /// For how long. It ends by itself.
        length: Duration,
    },
}

/// A way to keep the agent from serving others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flood {
    /// 1,000 connections that say nothing. Those that the agent closes are opened again, 1,000 a second.
    Silent,
    /// 10,000 connections a second, each closed at once.
    Connects,
    /// 1,000 requests whose questions nobody answers. Those that are refused are made again, 100 a second.
    Pending,
    /// 1,000 connections a second, each with a message that carries 253 descriptors, the kernel's most.
    Descriptors,
}

/// What a flood came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flooded {
    /// What was tried: connections, requests.
    pub tried: u64,
    /// How many of those the kernel did not let through: the agent's queue was full.
    pub turned_away: u64,
}

/// For each contender, in the order of the task, its rounds.
pub type Samples = Vec<Vec<u64>>;

/// For each contender, in the order of the task, its rounds.
pub type Transfers = Vec<Vec<Transfer>>;

/// Output that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// How much.
    pub bytes: u64,
    /// In which time.
    pub nanoseconds: u64,
}
