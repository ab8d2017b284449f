//! `jitctl approve`: shows all of a request, asks, and lets `jit-sudo` ask for the password: it is the one program that does.
//! The digest is made of what was shown, so that nothing else is approved.

use std::io::{self, BufRead};
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;
use jit_protocol::response::RequestState;

use super::requests;
use crate::failure::Failure;
use crate::output::Output;
use crate::shown;

/// The program that asks for passwords, and knows how a command of this user would run.
pub(crate) const HELPER: &str = "/usr/bin/jit-sudo";

/// Approve another person's request: shows it, asks, then asks for your password
#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// Id of the request, or its beginning
    id: String,
    /// Do not ask whether to; the password is asked for all the same
    #[arg(long)]
    yes: bool,
}

impl Approve {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let request = requests::one(&self.id)?;
        if request.state != RequestState::Pending {
            return Err(Failure::new("this request does not wait any more", "jitctl requests"));
        }
        output.text(&shown::request(&request))?;
        if !self.yes {
            output.question("Approve? [y/N] ")?;
            let mut answer = String::new();
            io::stdin().lock().read_line(&mut answer)?;
            if !matches!(answer.trim(), "y" | "Y" | "yes") {
                return Err(Failure::new("not approved", ""));
            }
        }
        output.flush()?;
        let digest = jit_sys::digest::of_bytes(&request.binding.canonical());
        let error = Command::new(HELPER).arg("--approve").arg("--").arg(&request.id).arg(digest).exec();
        Err(Failure::new(format!("{HELPER} cannot be run: {error}"), ""))
    }
}
