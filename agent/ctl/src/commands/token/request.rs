//! `jitctl token request`.

use std::ffi::OsString;

use clap::Args;

use super::super::wish::Wish;
use crate::failure::Failure;

/// Print what approvers are to sign, for a command that a rule lets signers approve
#[derive(Debug, Args)]
pub(crate) struct Request {
    /// From when on it may be spent (RFC 3339: 2026-12-24T18:00:00+01:00); without: now
    #[arg(long, value_name = "TIME")]
    from: Option<OsString>,
    /// For how long from then on, 24h at most; without: as long as the rule lets a request wait
    #[arg(long, value_name = "DURATION")]
    valid: Option<OsString>,
    #[command(flatten)]
    wish: Wish,
}

impl Request {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let more = [("--make-token-from", &self.from), ("--make-token-valid", &self.valid)];
        Err(self.wish.ask("--make-token", &more))
    }
}
