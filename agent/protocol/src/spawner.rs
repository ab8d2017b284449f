//! Agent and spawner: the agent dials [`crate::paths::SPAWNER_SOCKET`] and is welcomed with one message.
//!
//! The spawner checks its peer first: uid 0, not inside a session, and under systemd inside the agent's unit. From
//! then on the agent sends orders (`order.rs`) on the work socket, where idle monitors wait; the connection itself
//! stays open, and its end tells each side that the other is gone.
//!
//! Monitors whose spawner went away dial the same socket. They are known by their cgroup, and speak first: reports, which
//! are a matter of the spawner's program alone (`agent/session/src/report.rs`).

use serde::{Deserialize, Serialize};

/// How many descriptors come with the welcome: the host's root folder (`O_PATH`), the agent's end of the work socket.
pub const DESCRIPTORS: usize = 2;
/// Largest welcome in bytes.
pub const MAX_WELCOME: usize = 16 * 1024;

/// What the spawner can do on this host. JSON, one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Welcome {
    /// [`crate::VERSION`]; the agent refuses another.
    pub version: u8,
    /// Process id of the spawner.
    pub pid: i32,
    /// Folder of the sessions' cgroups as `/proc/PID/cgroup` shows it on the `0::` line (a peer whose path lies below
    /// is nested); absent where there is no cgroup v2.
    pub cgroup: Option<String>,
    /// What this host lacks, for `jitctl status`: one line each.
    pub missing: Vec<String>,
}
