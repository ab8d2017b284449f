//! The spawner and the monitor: the unsandboxed, single-threaded part that runs one command and ends it on time.
//!
//! ```text
//! jit-spawner ── keeps libpam mapped and a few idle monitors forked; kills what a dead or stuck monitor leaves
//!   │    spawner.rs       its life; pool.rs the monitors, watched.rs one of them, as their parent sees them
//!   │    handover.rs      becomes the program of an upgrade in place; keep.rs starts it again without systemd
//!   └─ monitor (one per elevated command, used once)
//!        monitor.rs       the way of one session, top to bottom: read this first
//!        peer.rs          the connection's peer lives in our namespaces; what it had is read from the kernel
//!        conversation.rs  PAM asks, the helper's person answers; prompt.rs words the question
//!        open_session.rs  the PAM session of the target user
//!        command.rs       the command's process, made; become_command.rs what it does between clone3 and exec
//!        execution.rs     from Go to the last process
//!        supervise.rs     output, stops, signals, expiry, exit; relay.rs copies, tree.rs ends processes, strays.rs those that
//!                         have left their cgroup
//!        hooks.rs         or, instead of all this: programs are told of an event
//!        link.rs, watch.rs  the agent and the spawner, and the next ones when they are started anew
//! ```
//!
//! Nothing here decides: the agent's typed orders and the helper's fixed-layout frames are all that is parsed.

pub mod become_command;
pub mod cgroup;
pub mod channel;
pub mod command;
pub mod conversation;
pub mod environment;
pub mod execution;
pub mod handover;
pub mod helper;
pub mod hooks;
pub mod incoming;
pub mod keep;
pub mod link;
pub mod monitor;
pub mod notices;
pub mod open_session;
pub mod peer;
pub mod pinned;
pub mod pool;
pub mod prompt;
pub mod relay;
pub mod report;
pub mod service;
pub mod spawner;
pub mod strays;
pub mod supervise;
pub mod timer;
pub mod tree;
pub mod watch;
pub mod watched;
