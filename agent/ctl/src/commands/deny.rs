//! `jitctl deny`.

use clap::Args;
use jit_protocol::request::Request;
use jit_protocol::response::Response;

use super::requests;
use crate::agent;
use crate::failure::Failure;
use crate::output::Output;

/// Say no to a request; your own is taken back
#[derive(Debug, Args)]
pub(crate) struct Deny {
    /// Id of the request, or its beginning
    id: String,
    /// Why: who asked is told, and the audit log
    #[arg(long)]
    reason: Option<String>,
}

impl Deny {
    pub(crate) fn run(self, output: &mut Output) -> Result<(), Failure> {
        let request = requests::one(&self.id)?.id;
        match agent::ask(Request::Decline { request, reason: self.reason })? {
            Response::Done { message } => output.text(&message),
            _ => Err(agent::unexpected()),
        }
    }
}
