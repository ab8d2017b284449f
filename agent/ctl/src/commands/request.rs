//! `jitctl request`.

use std::ffi::OsString;

use clap::Args;

use super::wish::Wish;
use crate::failure::Failure;

/// Ask for a grant ahead of time; prints the request's id
///
/// Nothing is started: once the grant has begun, and somebody has approved it where policy wants that, `jit-sudo COMMAND` runs it.
#[derive(Debug, Args)]
pub(crate) struct Request {
    /// From when on it may run: 22:00 (the next, by this host's clock) or 2026-12-24T18:00:00+01:00, 7 days ahead at most; without: at once
    #[arg(long, value_name = "TIME")]
    from: Option<OsString>,
    #[command(flatten)]
    wish: Wish,
}

impl Request {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        Err(self.wish.ask("--make-request", &[("--make-request-from", &self.from)]))
    }
}
