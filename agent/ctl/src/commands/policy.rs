//! `jitctl policy`: works on files, without the agent.

mod bundle;
mod check;
mod diff;
mod explain;
mod format;
mod import;
mod install;
mod junit;
mod lint;
mod login;
mod test;
#[cfg(test)]
mod tests;
mod which;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;
use crate::policy_source::Installed;

/// Check, test, explain, lint, compare, format, import and install policy
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    Bundle(bundle::Bundle),
    Check(check::Check),
    Explain(explain::Explain),
    Install(install::Install),
    Lint(lint::Lint),
    Diff(diff::Diff),
    Format(format::Format),
    ImportSudoers(import::ImportSudoers),
    ImportDoas(import::ImportDoas),
    Test(test::Test),
}

impl Policy {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let installed = Installed::system();
        match self {
            Self::Bundle(bundle) => bundle.run(&installed, output),
            Self::Check(check) => check.run(&installed, output),
            Self::Explain(explain) => explain.run(&installed, output),
            Self::Install(install) => install.run(&installed, output),
            Self::Lint(lint) => lint.run(&installed, output),
            Self::Diff(diff) => diff.run(&installed, output),
            Self::Format(format) => format.run(output),
            Self::ImportSudoers(import) => import.run(output),
            Self::ImportDoas(import) => import.run(output),
            Self::Test(test) => test.run(&installed, output),
        }
    }
}
