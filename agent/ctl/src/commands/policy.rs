//! `jitctl policy`: works on files, without the agent.

mod check;
mod explain;
mod junit;
mod lint;
mod test;
#[cfg(test)]
mod tests;
mod which;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;
use crate::policy_source::Installed;

/// Check, test, explain and lint policy, on files and without the agent
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    Check(check::Check),
    Explain(explain::Explain),
    Lint(lint::Lint),
    Test(test::Test),
}

impl Policy {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let installed = Installed::system();
        match self {
            Self::Check(check) => check.run(&installed, output),
            Self::Explain(explain) => explain.run(&installed, output),
            Self::Lint(lint) => lint.run(&installed, output),
            Self::Test(test) => test.run(&installed, output),
        }
    }
}
