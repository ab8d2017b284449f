//! The audit log as data: what a record says, how records are chained, and how a log is verified.
//!
//! A line is one JSON object in ASCII. Its last key is `hash`, SHA-256 (hex) over `prev` and the line without `hash`,
//! where `prev` is the `hash` of the line before:
//!
//! ```text
//! {"seq":7,"time":"…","event":"session.started",…,"prev":"HASH 6"}          ← canonical, what is hashed (after prev)
//! {"seq":7,"time":"…","event":"session.started",…,"prev":"HASH 6","hash":"…"}  ← as written
//! ```
//!
//! The crate opens no file and has no clock: agent and command line share it.
#![forbid(unsafe_code)]

pub mod chain;
pub mod file;
pub mod record;
pub mod verify;

pub use chain::{Head, Line, seal};
pub use record::{Event, Exit, Gap, Record, Target, Text, User};
pub use verify::{Finding, Kind, Report, Verifier};
