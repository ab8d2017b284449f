//! The whole agent in this process, on a tree of its own, as whoever runs the tests: spoken to over its real sockets, in
//! raw messages. The test plays spawner and monitor.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test program"
)]

mod stage;
mod wire;

mod account;
mod administration;
mod ahead;
mod approvals;
mod attacks;
mod circumstances;
mod clocks;
mod duties;
mod edits;
mod elevation;
mod hooks;
mod limits;
mod lists;
mod logins;
mod messages;
mod pins;
mod policy;
mod reload;
mod restart;
mod rollback;
mod rotation;
mod shells;
mod time;
mod tokens;
mod windows;
