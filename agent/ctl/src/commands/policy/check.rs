//! `jitctl policy check`.

use clap::Args;

use super::which::Which;
use crate::failure::Failure;
use crate::output::Output;
use crate::policy_source::{self, Installed};

/// Check policy files: all that are installed, or with one file or folder in another's place
///
/// Writes nothing: for the `validate:` of configuration management.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(super) which: Which,
}

impl Check {
    pub(super) fn run(&self, installed: &Installed, output: &mut Output) -> Result<(), Failure> {
        let sources = self.which.sources(installed)?;
        let policy = policy_source::load(&sources)?;
        let rules = policy.rules().count();
        output.text(&format!(
            "the policy is valid: {rules} rules in {} files, digest {}",
            sources.len(),
            policy.digest()
        ))
    }
}
