//! The only unsafe code on the agent's side: one system-call family a file, each block with the invariant it rests on.
#![allow(unsafe_code, reason = "this crate is where it is allowed")]

pub mod account;
pub mod clone;
pub mod digest;
pub mod exec;
pub mod limits;
pub mod memory;
pub mod pam;
pub mod passed;
pub mod path;
pub mod policy_files;
pub mod proc;
pub mod process;
pub mod signals;
pub mod terminal;
pub mod zoneinfo;
