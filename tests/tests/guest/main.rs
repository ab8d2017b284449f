//! Tests in a real Debian guest in which the package is installed: real systemd, PAM, users and terminals.
//! The release is `JIT_GUEST`: trixie (default) or bookworm. All share one guest, one after the other, and keep out
//! of each other's way: each test has users and policy files of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code fails by panicking"
)]

mod approvals;
mod audit;
mod authentication;
mod bus;
mod callers;
mod canary;
mod clients;
mod command_line;
mod crash;
mod disk;
mod edit;
mod elevation;
mod expiry;
mod flood;
mod harness;
mod hooks;
mod import;
mod login;
mod package;
mod pins;
mod places;
mod policy_files;
mod reboot;
mod swaps;
mod tokens;
mod upgrade;

use jit_tests::Guest;
use jit_tests::guest::Policy;

/// The password of all users here.
const PASSWORD: &str = "Secret-1";

/// A user who may do anything as anyone under these further keys of the rule. `NO_PASSWORD` for tests that are not
/// about authentication.
fn eligible(user: &str, keys: &str) -> (&'static Guest, Policy<'static>) {
    let guest = Guest::shared();
    guest.add_user(user, Some(PASSWORD), &[]);
    let policy = guest.policy(user, &rule(user, user, keys));
    (guest, policy)
}

const NO_PASSWORD: &str = "require.authentication = \"none\"";

fn rule(id: &str, users: &str, keys: &str) -> String {
    format!(
        "schema = 1\n[[rule]]\nid = \"{id}\"\nusers = [\"{users}\"]\nrun_as = [\"ALL\"]\ncommands = [\"ALL\"]\n{keys}\n"
    )
}
