//! What helper, module, command line, agent and monitor say to each other.
//!
//! All sockets are `SOCK_SEQPACKET`: a message arrives whole or not at all, and descriptors stay with theirs.
//! Four encodings, each for one kind of talk:
//!
//! ```text
//! request, response   helper/jitctl/module ⇄ agent   JSON in chunks        chunk.rs, request.rs, response.rs, login.rs
//! frame               agent/monitor ⇄ helper         fixed layout, 4 KiB   frame.rs
//! order, link         agent ⇄ monitor                JSON, both are ours   order.rs, link.rs
//! edit                helper ⇄ jit-edit              fixed layout, 32 KiB  edit.rs
//! ```
//!
//! One elevation on the helper's connection:
//!
//! ```text
//! helper ── request Elevate (chunks) ─────────────▶ agent
//!        ── frame Descriptors + 4 descriptors ────▶ (stays unread in the socket until the monitor has it)
//!        ◀─ frame Refused | Output ─────────────── agent, which closes; or the monitor takes over:
//!        ◀─ frame Prompt ──── frame Answer ──────▶ monitor, as often as PAM asks
//!        ◀─ frame Started (+ 1 stream descriptor if there is a terminal) ── monitor
//!        ◀─ frame Stopped, Notice ── frame Window, Signal, Continue ─────▶ monitor
//!        ◀─ frame Ended ────────────────────────── monitor
//! ```
//!
//! On a kernel without `SO_PEERPIDFD` (before 6.5; both ends see the same kernel) the agent speaks first:
//! frame `Challenge{nonce}`, and the request must carry that nonce.

pub mod ask;
pub mod binding;
pub mod brief;
pub mod bytes;
pub mod chunk;
pub mod client;
pub mod edit;
pub mod escape;
pub mod frame;
pub mod link;
pub mod login;
pub mod order;
pub mod request;
pub mod response;
pub mod spawner;
pub mod telling;
pub mod token;

pub use bytes::Bytes;
pub use escape::{ascii_json, escape, escape_lines};

/// Version of everything in this crate; both ends must say the same.
pub const VERSION: u8 = 1;

/// Where the parts meet. Fixed: no environment variable and no option moves them (a moved socket is a faked agent).
pub mod paths {
    /// Requests of helper and command line.
    pub const AGENT_SOCKET: &str = "/run/jit-sudo/agent.sock";
    /// Requests of the PAM module alone, so that a flood on the first cannot block logins.
    pub const PAM_SOCKET: &str = "/run/jit-sudo/pam.sock";
    /// Folder (0700, root) of the sockets between our own parts.
    pub const PRIVATE: &str = "/run/jit-sudo/private";
    /// The spawner listens here for the agent.
    pub const SPAWNER_SOCKET: &str = "/run/jit-sudo/private/spawner.sock";
    /// The agent listens here for monitors whose agent went away.
    pub const MONITOR_SOCKET: &str = "/run/jit-sudo/private/monitor.sock";
    /// Who is named in `[[login]]`: read by the module when the agent is silent.
    pub const GATED: &str = "/var/lib/jit-sudo-login/gated";
}
