//! `jitctl reload`.

use clap::Args;
use jit_protocol::request::Request;
use jit_protocol::response::Response;

use crate::agent;
use crate::failure::Failure;
use crate::output::Output;

/// Load policy again
///
/// All or nothing: a policy with a mistake is not accepted, the mistake is shown, and the one in force stays.
#[derive(Debug, Args)]
pub(crate) struct Reload {
    /// Accept a policy that leaves no administrator a way to root
    #[arg(long)]
    force: bool,
}

impl Reload {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        match agent::ask(Request::Reload { force: self.force })? {
            Response::Done { message } => output.text(&message),
            _ => Err(agent::unexpected()),
        }
    }
}
