//! `pam_jit.so`: may this user log in now?
//!
//! ```text
//! sshd, login, … ── pam_sm_acct_mgmt ─▶ module.rs    the border: items, arguments, panics, what the person is told
//!                                       account.rs   the decision, as one pure function
//!                                         agent.rs     asks jit-agentd on pam.sock
//!                                         gated.rs     the agent is silent: is this user gated at all? (files.rs reads)
//!                                         accounts.rs  uid and groups, looked up only if that needs them
//!                                         console.rs   root on a local console is not locked out by a failure
//! ```
//!
//! It runs inside programs that are not ours. So it starts no thread, installs no signal handler, changes nothing of
//! the process but the panic hook of its own copy of the standard library, writes to no descriptor but its own, closes
//! what it opened, and is done within [`agent::TIME`] and a file's read (look-ups of the name service excepted, see `accounts.rs`).
//!
//! Use it as `account required pam_jit.so` (or `requisite`), without arguments. `sufficient` gates nobody: PAM itself
//! ignores a refusal there.

pub mod account;
pub mod accounts;
pub mod agent;
pub mod console;
pub mod files;
pub mod gated;
mod log;
mod module;
