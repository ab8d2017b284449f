//! `jitctl policy`: works on files, without the agent.

mod check;
mod explain;
#[cfg(test)]
mod tests;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;
use crate::policy_source::Installed;

/// Check and explain policy, on files and without the agent
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    Check(check::Check),
    Explain(explain::Explain),
}

impl Policy {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let installed = Installed::system();
        match self {
            Self::Check(check) => check.run(&installed, output),
            Self::Explain(explain) => explain.run(&installed, output),
        }
    }
}
