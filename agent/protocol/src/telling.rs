//! The agent's other order to a monitor: to tell the administrator's programs (hooks) of an event.
//!
//! It comes as [`Telling`] in a sealed memfd, beside the agent's end of a link, with one message [`WORD`] on the shared work
//! socket. The monitor answers on the link with one message, [`Told`], and is gone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The message on the work socket; an order for a command comes with another one.
pub const WORD: &[u8] = b"tell";
/// How many descriptors come with it: link, text.
pub const DESCRIPTORS: usize = 2;
/// Largest answer in bytes.
pub const MAX_TOLD: usize = 16 * 1024;
/// How long all programs together may take.
pub const TIME: Duration = Duration::from_secs(30);
/// How many programs are started for one event.
pub const MOST: usize = 16;

/// What is told, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telling {
    /// The folder of the programs.
    pub folder: String,
    /// The account that they run as. Never root.
    pub user: String,
    /// What they read from standard input: one JSON object, one line.
    pub event: String,
}

/// How that went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// What did not go well, for people: which program, and why.
    pub failures: Vec<String>,
}
