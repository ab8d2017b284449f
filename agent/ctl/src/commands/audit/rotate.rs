//! `jitctl audit rotate`.

use clap::Args;
use jit_protocol::request::Request;
use jit_protocol::response::Response;

use crate::agent;
use crate::failure::Failure;
use crate::output::Output;

/// Go on in a new file of the audit log
///
/// The file before it is kept beside it, named after its last record; `audit.keep` in agent.toml says how many of those.
/// The agent does this by itself when a file is large or old enough, and a timer asks once a day.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Only if the file is as large or as old as agent.toml says
    #[arg(long)]
    if_due: bool,
}

impl Rotate {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        match agent::ask(Request::RotateAudit { if_due: self.if_due })? {
            Response::Done { message } => output.text(&message),
            _ => Err(agent::unexpected()),
        }
    }
}
